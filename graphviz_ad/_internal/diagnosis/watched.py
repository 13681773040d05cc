"""Course of a graph whose program was watched by summaries -> what these showed, which the graph itself cannot."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.diagnosis.course import Course
from graphviz_ad._internal.diagnosis.findings import ERROR, SEVERITIES, Finding


def watched_steps(course: Course) -> Iterator[Finding]:
    """What the history of a training run found, at the first step that has something that is wrong in itself."""
    seen = course.watched
    if seen is None or not seen["found"]:
        return
    found = sorted(seen["found"], key=lambda one: (one[1] != ERROR, one[2]))
    first = found[0]
    together = [one for one in found if one[2] == first[2]]
    yield Finding(
        "found-in-history",
        min((one[1] for one in together), key=SEVERITIES.index),
        None,
        None,
        first[3],
        {
            "step": first[2],
            "kinds": tuple(dict.fromkeys(one[0] for one in together)),
            "every": seen["every"],
            "before": max(first[2] - seen["every"], 0),
        },
        weight=95,
    )
