"""Notices of a graph -> the few short lines that stand below its picture, most important first, and what is said to
those who ask.

Of a graph that is drawn whole, each notice is a line. Of one that is folded there are many, and nobody reads them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphviz_ad._internal.graph.notice_sentences import (
    counts_of_all,
    is_far,
    line_of_passes,
    line_of_span,
    line_that_opens,
    sentence,
    texts,
)
from graphviz_ad._internal.graph.notices import (
    CAME_UP,
    GRADIENTS_OFF,
    IN_ALL_BOXES,
    PARTS_IN_BOXES,
    PASSES_DRAWN,
    TIED,
    TIED_TOO,
    Notice,
)

MOST_LINES = 3
# what the picture shows, or its legend, or boxes say to who points at them: where gradients start, which names a
# parameter has, what came to a result from outside of its box
SHOWN = (IN_ALL_BOXES, PARTS_IN_BOXES, PASSES_DRAWN, TIED, TIED_TOO, "started from one output alone", "flows inside")
FINDINGS = (CAME_UP, GRADIENTS_OFF)
LAST = "unused"  # of what else there is to say, and no more than that to those who ask where it takes no gradient


Said = tuple[str, Notice | None]  # a line, and the notice of which it is all that there is to say


def small_print(notes: Sequence[Notice]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines below the picture of a graph, and the sentences of all notices of which they do not say all."""
    if not any(note.kind == PARTS_IN_BOXES for note in notes):
        return texts(notes), ()
    said = [*lines_of_folds(notes)][:MOST_LINES]
    return tuple(line for line, _ in said), texts(note for note in notes if not any(note is whole for _, whole in said))


def lines_of_folds(notes: Sequence[Notice]) -> Iterator[Said]:
    """What there is to say below a picture of folds, most important first."""
    whole = next((note for note in notes if note.kind == IN_ALL_BOXES), None)
    parts = next(note for note in notes if note.kind == PARTS_IN_BOXES)
    found = [note for note in notes if note.kind in FINDINGS]
    others = [note for note in notes if note.shown and note.kind not in (*SHOWN, *FINDINGS, LAST)]
    failed = [note for note in others if note.failure is not None]
    yield from ((sentence(note), note) for note in dict.fromkeys((*failed, *found, *others)))
    yield from ((line_of_passes(note), None) for note in notes if note.kind == PASSES_DRAWN)
    told = {note.kind for note in found}
    ends = [counts_of_all(whole, told=CAME_UP in told) if whole is not None else "", line_that_opens(parts)]
    lines = [
        line_of_span(whole) if whole is not None and GRADIENTS_OFF not in told else "",
        " ".join(filter(None, ends)),
    ]
    yield from ((line, None) for line in (lines if whole is None or not is_finding(whole) else lines[::-1]) if line)
    yield from ((sentence(note), note) for note in notes if note.kind == LAST and not dict(note.facts).get("gradless"))


def tells_first(notes: Sequence[Notice]) -> bool:
    """Whether the first line below a picture of folds is a finding, or what else a reader has to know, rather than how
    large all is that is as it should be.
    """
    if not any(note.kind == PARTS_IN_BOXES for note in notes):
        return bool(notes)
    said = next(lines_of_folds(notes), None)
    whole = next((note for note in notes if note.kind == IN_ALL_BOXES), None)
    return said is not None and (said[1] is not None or (whole is not None and (is_finding(whole) or is_far(whole))))


def is_finding(whole: Notice) -> bool:
    """Whether something that all boxes hold is not as it should be."""
    return bool(whole.subjects) or bool(whole["nameless"]) or bool(whole["spreads"])
