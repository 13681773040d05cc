"""Steps of a film -> its chapters: the stretches that players let a viewer jump to, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from graphviz_ad._internal.scene.scene import Step

AROUND = ("start", "end")  # phases that belong to the chapter after or before them


@dataclass(frozen=True)
class Chapter:
    """Steps ``first`` to ``last`` of one phase, the ``number``th of that phase; 0 where there is one only."""

    phase: str
    first: int
    last: int
    number: int = 0


def chapters_of(steps: Sequence[Step]) -> list[Chapter]:
    """The chapters in order; together they hold all steps."""
    inner = [(phase, [i for i, _ in run]) for phase, run in groupby(enumerate(steps), lambda pair: pair[1].phase)]
    runs = [(phase, places) for phase, places in inner if phase not in AROUND]
    often, seen = Counter(phase for phase, _ in runs), Counter[str]()
    found: list[Chapter] = []
    for n, (phase, places) in enumerate(runs):
        seen[phase] += 1
        first = places[0] if n else 0
        last = runs[n + 1][1][0] - 1 if n + 1 < len(runs) else len(steps) - 1
        found.append(Chapter(phase, first, last, seen[phase] if often[phase] > 1 else 0))
    return found


def chapter_title(chapter: Chapter) -> str:
    """What a chapter is called."""
    return f"{chapter.phase} {chapter.number}" if chapter.number else chapter.phase
