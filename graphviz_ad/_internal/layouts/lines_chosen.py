"""Rows as text is read -> the same with arrows that lead far, and matter, as lines between the rows; all others lead
from small boxes with names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from graphviz_ad._internal.layouts.overlaps import course, overlaps
from graphviz_ad._internal.layouts.reading_rows import Leaves, ReadingOrder, in_reading_rows
from graphviz_ad._internal.layouts.row_wrapping import Rows
from graphviz_ad._internal.layouts.satellites import SOURCES
from graphviz_ad._internal.scene.scene import Point, Scene

MOST_LINES, MOST_USES = 6, 3  # lines in a picture; boxes that read a result which is drawn with lines to them
MOST_CROSSINGS = 5
NEARLY = 0.93  # of the scale that is needed: where all lines but one may have room


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


def lines_may_lead_from(scene: Scene) -> frozenset[str]:
    """The boxes from which no arrow should begin at a small box instead: what is computed, along which gradients flow,
    and leaves that few boxes read.
    """
    readers = Counter(tail for tail, _ in {(arrow.tail, arrow.head) for arrow in scene.arrows})
    return frozenset(
        box.key
        for i, box in enumerate(scene.boxes)
        if matters(scene, i) and (box.kind not in SOURCES or (box.kind == "leaf" and 1 < readers[box.key] <= MOST_USES))
    )


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
    tries = Tries(scene, scale, leaves, least)
    while lined:
        rows = tries.rows(lined)
        if rows is None:
            return None
        found = tuple([key for key in lined if key in rows.lines])
        if found == lined and tries.is_good(lined):
            return rows
        lined = found if found != lined else tries.without_one(lined)
    return None


@dataclass(frozen=True, eq=False)
class Tries:
    """A scene in rows with some lines or others, none of them placed twice."""

    scene: Scene
    scale: Callable[[Scene, Point], float]
    leaves: Leaves
    least: float
    made: dict[tuple[str, ...], Rows | None] = field(default_factory=dict)

    def rows(self, lined: tuple[str, ...]) -> Rows | None:
        """The rows with these lines."""
        if lined not in self.made:
            self.made[lined] = in_reading_rows(
                self.scene, self.scale, leaves=self.leaves, lined=lined, least=self.least
            )
        return self.made[lined]

    def size(self, lined: tuple[str, ...]) -> float:
        """How large all is with these lines."""
        rows = self.rows(lined)
        return self.scale(rows.scene, rows.size) if rows is not None else 0.0

    def is_good(self, lined: tuple[str, ...]) -> bool:
        """Whether all of these lines have a way, are in the way of nothing, and leave room for letters."""
        rows = self.rows(lined)
        if rows is None or {*rows.lines} != {*lined} or self.size(lined) < self.least:
            return False
        seen = overlaps(rows.settled())
        return not seen.faults and seen.crossings <= MOST_CROSSINGS

    def without_one(self, lined: tuple[str, ...]) -> tuple[str, ...]:
        """All of the lines but one: that without which the others are good, if there is such a one, or the longest;
        where there is not nearly room for them, that is not looked for.
        """
        rows = self.rows(lined)
        lengths = {arrow.key: course(arrow).length for arrow in rows.settled().arrows} if rows is not None else {}
        by_length = sorted(lined, key=lambda key: (lengths.get(key, 0.0), key), reverse=True)
        others = [tuple([key for key in lined if key != without]) for without in by_length]
        if self.size(lined) < NEARLY * self.least:
            return others[0]
        return next((each for each in others if each and self.is_good(each)), others[0])
