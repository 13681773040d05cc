"""Rows as text is read -> the same with arrows that lead far, and matter, as lines between the rows; all others lead
from small boxes with names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from graphviz_ad._internal.layouts.overlaps import course, overlaps
from graphviz_ad._internal.layouts.reading_rows import Leaves, ReadingOrder, in_reading_rows
from graphviz_ad._internal.layouts.row_wrapping import Rows
from graphviz_ad._internal.layouts.satellites import SOURCES
from graphviz_ad._internal.scene.scene import Point, Scene

MOST_LINES, MOST_USES = 6, 3  # lines in a picture; boxes that read a result which is drawn with lines to them
MOST_CROSSINGS = 5


@dataclass(frozen=True)
class Far:
    """Arrows that do not lead to the next box: those that lines may be drawn for, the one that matters most first, and
    how many others take gradients, too.
    """

    lined: tuple[str, ...]
    others: int


def far_arrows(scene: Scene, *, leaves: Leaves, from_leaves: bool) -> Far:
    """The arrows that lead further than to the next box, and along which gradients flow, or would but for a cut; of
    leaves that several boxes read if these are asked for, too.

    Of a result that many boxes read, as steps read parameters, lines would be a tangle.
    """
    text = ReadingOrder(scene, leaves=leaves)
    place = {box: i for i, box in enumerate(text.order)}
    following = {*pairwise(text.order)}
    far = [
        (arrow, tail, head)
        for arrow, (tail, head) in enumerate(text.pairs)
        if tail in place and (tail, head) not in following and matters(scene, tail)
    ]
    uses = Counter(tail for tail, _ in {*text.pairs})
    between = Counter((tail, head) for _, tail, head in far)
    drawn = [each for each in far if uses[each[1]] <= MOST_USES and between[each[1:]] == 1]
    drawn = [
        each
        for each in drawn
        if scene.boxes[each[1]].kind not in SOURCES or (from_leaves and is_shared(scene, each[1], uses))
    ]
    others = max(len(drawn) - MOST_LINES, 0) + (len(copied_uses(scene)) if from_leaves else 0)
    drawn.sort(key=lambda each: (scene.boxes[each[1]].kind == "leaf", place[each[2]] - place[each[1]], each[0]))
    return Far(tuple([scene.arrows[arrow].key for arrow, _, _ in drawn[:MOST_LINES]]), others)


def is_shared(scene: Scene, tail: int, uses: Mapping[int, int]) -> bool:
    """Whether a box is a leaf that several boxes read; one that is read once stands better beside that."""
    return scene.boxes[tail].kind == "leaf" and uses[tail] > 1


def copied_uses(scene: Scene) -> list[str]:
    """The boxes that stand for a leaf that is drawn elsewhere, of those that few boxes read."""
    copies = [box for box in scene.boxes if box.kind == "copy" and not box.gradless]
    uses = Counter(box.name for box in copies)
    return [box.key for box in copies if uses[box.name] < MOST_USES]


def matters(scene: Scene, tail: int) -> bool:
    """Whether what comes of a box is part of what a gradient is taken of, and not data that it is computed from."""
    box = scene.boxes[tail]
    return box.kind != "data" and not box.gradless


def with_lines(
    scene: Scene, scale: Callable[[Scene, Point], float], *, leaves: Leaves, lined: tuple[str, ...], least: float = 0.0
) -> Rows | None:
    """The scene in rows with as many of these lines as have room at the ``least`` scale that may be, cross little and
    run through nothing; None where that is none of them.
    """
    while lined:
        rows = in_reading_rows(scene, scale, leaves=leaves, lined=lined)
        if rows is None:
            return None
        left = without_the_worst(rows, lined, small=scale(rows.scene, rows.size) < least)
        if left == lined:
            return rows
        lined = left
    return None


def without_the_worst(rows: Rows, lined: tuple[str, ...], *, small: bool) -> tuple[str, ...]:
    """The lines but for those without a way; or, if all have one, but for the longest where they are in the way of
    others, or the rows are too ``small`` with them.
    """
    found = tuple([key for key in lined if key in rows.lines])
    if found != lined:
        return found
    seen = overlaps(rows.settled())
    if not small and not seen.faults and seen.crossings <= MOST_CROSSINGS:
        return lined
    worst = longest(rows, lined)
    return tuple([key for key in lined if key != worst])


def longest(rows: Rows, lined: tuple[str, ...]) -> str:
    """The longest of these lines."""
    lengths = {arrow.key: course(arrow).length for arrow in rows.settled().arrows if arrow.key in lined}
    return max(lined, key=lambda key: (lengths[key], key))
