"""A strip + cuts -> rows of which each begins with what it needs of the rows above, drawn again as a small box with the
name, so that no arrow runs all the way back; only that from the last box of a row to the next turns between the two.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad._internal.layouts.margins import Path, Places
from graphviz_ad._internal.layouts.row_wrapping import Cut, Strip, Truths, line_between, rounded_way, split
from graphviz_ad._internal.scene.leaf_copies import copy_of, with_copies_in_legend
from graphviz_ad._internal.scene.scene import Box, Point, Scene

BETWEEN = 13.0  # points between two rows
APART = 5.0  # points between two things at the begin of a row, and around words
BEND = 26.0  # points in which an arrow changes from where it begins to where it was cut
# points between the end of a row and an arrow that turns there, and more between two rows and before one where it runs
AROUND, GUTTER, AHEAD = 5.0, 5.0, 11.0
SHORTEST = 10.0  # points from the begin of a row to where its arrows were cut


@dataclass(frozen=True)
class Start:
    """A box that a row begins with, and the arrow from it: its path from the cut on, the row, how long it is before
    the cut, and where along v it begins; ``words`` are the length and breadth of those that move there with it, or
    (0, 0). There is no box where the arrow comes from the row before.
    """

    arrow: int
    row: int
    box: Box | None
    size: Point
    rest: Path
    way: float
    v: float
    words: Point

    def span(self, label_side: int) -> tuple[float, float]:
        """From where to where along v it reaches, with its words on one side of the arrow."""
        v, half, aside = self.v, self.size[1] / 2, self.words[1] + APART
        return v - (max(half, aside) if label_side < 0 else half), v + (max(half, aside) if label_side > 0 else half)


def rows_with_starts(strip: Strip, cuts: Sequence[Cut], *, turning: bool = True) -> tuple[Scene, Places, Sequence[int]]:
    """The scene in rows, where everything is, and which arrows turn between them, if any may."""
    turned = turned_arrows(strip, cuts) if turning else []
    begun = [start(strip, cuts, number, i, again=number not in turned) for i, number in enumerate(torn(cuts))]
    rows = (
        sorted((each for each in begun if each.row == row), key=lambda each: each.v) for row in range(len(cuts) + 1)
    )
    found = [each for row in rows for each in apart(row, side(strip))]
    return with_starts(strip.scene, found), Placing(strip, cuts, found).places(), turned


def turned_arrows(strip: Strip, cuts: Sequence[Cut]) -> list[int]:
    """The arrow at each cut, if there is one, from the last box of a row to the next row; of several, the first."""
    ends = [cut.u for cut in cuts]
    sides = {
        box.key: (strip.turn(box.center)[0], strip.turn((box.width, box.height))[0] / 2)
        for box in strip.scene.boxes
        if box.center is not None
    }
    rows = {key: bisect_left(ends, middle) for key, (middle, _) in sides.items()}
    found = []
    for row, cut in enumerate(cuts):
        last = max((key for key in rows if rows[key] == row), key=lambda key: sum(sides[key]), default=None)
        leading = ((i, strip.scene.arrows[i]) for i in cut.arrows)
        found += [i for i, arrow in leading if arrow.tail == last and rows[arrow.head] == row + 1][:1]
    return found


def apart(row: Sequence[Start], label_side: int) -> list[Start]:
    """The starts of a row, moved along v where they would overlap; their arrows bend back to where they were cut."""
    spans, moves, reach = [each.span(label_side) for each in row], [], -math.inf
    for low, high in spans:
        moves.append(max(reach + APART - low, 0.0))
        reach = high + moves[-1]
    if not any(moves):
        return list(row)
    middle = (moves[0] + moves[-1]) / 2  # as many up as down
    return [replace(each, v=each.v + move - middle, way=each.way + BEND) for each, move in zip(row, moves, strict=True)]


def side(strip: Strip) -> int:
    """Along v, on which side of an arrow its words stand."""
    return -1 if strip.flat else 1


def torn(cuts: Sequence[Cut]) -> list[int]:
    """The arrows across any cut, once each."""
    return list(dict.fromkeys(arrow for cut in cuts for arrow in cut.arrows))


def start(strip: Strip, cuts: Sequence[Cut], number: int, count: int, *, again: bool) -> Start:
    """What an arrow begins with in the row of its head: what it comes from, drawn ``again``, or nothing."""
    arrow, rest, row = strip.scene.arrows[number], strip.paths[number], 0
    for index, cut in enumerate(cuts):
        if number in cut.arrows:
            rest, row = (split(rest, cut.u) if row else strip.split(number, cut.u))[1], index + 1
    if not again:
        return Start(number, row, None, (0.0, 0.0), rest, SHORTEST, rest[0][1], (0.0, 0.0))
    box = copy_of(strip.scene.box_by_key[arrow.tail], f"row{count}", arrow.reads)
    moves = arrow.label_center is not None and strip.turn(arrow.label_center)[0] < cuts[row - 1].u
    words = strip.turn((arrow.width, arrow.height)) if moves else (0.0, 0.0)
    size = strip.turn((box.width, box.height))
    return Start(number, row, box, size, rest, words[0] + SHORTEST, rest[0][1], words)


def with_starts(scene: Scene, found: Sequence[Start]) -> Scene:
    """The scene with the boxes that rows begin with."""
    again = [(each.arrow, each.box) for each in found if each.box is not None]
    arrows = list(scene.arrows)
    for i, box in again:
        arrows[i] = replace(arrows[i], tail=box.key)
    made = replace(scene, boxes=(*scene.boxes, *(box for _, box in again)), arrows=tuple(arrows))
    return with_copies_in_legend(made) if again else made


class Placing:
    """How far each row moves, and where everything is then."""

    def __init__(self, strip: Strip, cuts: Sequence[Cut], found: Sequence[Start]) -> None:
        self.strip, self.ends, self.found = strip, [cut.u for cut in cuts], {each.arrow: each for each in found}
        edges = [0.0, *self.ends, strip.length]
        self.shifts: list[Point] = []
        self.lanes: dict[int, Point] = {}  # of what turns to a row, where it comes down to it, and between which rows
        reach = 0.0
        bands = strip.bands(edges, self.runs_in_rows())
        for row, (first, (low, high)) in enumerate(zip(edges, bands, strict=False)):
            here = [each for each in found if each.row == row]
            spans = [each.span(side(strip)) for each in here]
            low, high = min([low, *(span[0] for span in spans)]), max([high, *(span[1] for span in spans)])
            begin = first if row else min(extent[0] for extent in strip.extents)
            room = max((each.size[0] + each.way for each in here), default=0.0)
            if any(each.box is None for each in here):
                self.lanes[row] = 0.0, reach + (GUTTER - BETWEEN) / 2
                reach, room = reach + GUTTER, room + AHEAD
            self.shifts.append((room - begin, reach - low))
            reach += high - low + BETWEEN

    def runs_in_rows(self) -> Truths:
        """For each row, which arrows run in it alone."""
        rows = [-1 if i in self.found else self.row(span[0]) for i, span in enumerate(self.strip.spans)]
        found: Truths = np.arange(len(self.ends) + 1)[:, None] == np.array(rows, dtype=int)
        return found

    def row(self, u: float) -> int:
        """The row of what stands there."""
        return bisect_left(self.ends, u)

    def into(self, row: int, point: Point) -> Point:
        """A place of the strip, moved with a row, as x and y."""
        return self.strip.turn((point[0] + self.shifts[row][0], point[1] + self.shifts[row][1]))

    def moved(self, point: Point) -> Point:
        """A place in x and y, in its row."""
        u, v = self.strip.turn(point)
        return self.into(self.row(u), (u, v))

    def places(self) -> Places:
        """Where everything is."""
        scene = self.strip.scene
        return Places(
            [
                *(self.moved(box.center) for box in scene.boxes if box.center),
                *(self.middle(each) for each in self.found.values() if each.box is not None),
            ],
            [self.path(i) for i in range(len(scene.arrows))],
            [self.label(i, arrow.label_center) for i, arrow in enumerate(scene.arrows)],
            [
                (*(corner := self.moved(group.corner)), corner[0] + group.size[0], corner[1] + group.size[1])
                if group.corner and group.size and group.size[0]
                else None
                for group in scene.groups
            ],
        )

    def middle(self, each: Start) -> Point:
        """Where the box of a start stands."""
        return self.into(each.row, (each.rest[0][0] - each.way - each.size[0] / 2, each.v))

    def path(self, number: int) -> Path:
        """An arrow; from its start where it was cut."""
        each = self.found.get(number)
        if each is None:
            path = self.strip.paths[number]
            row = self.row(path[0][0]) if path else 0
            return tuple([self.into(row, point) for point in path])
        begin = tuple([self.into(each.row, point) for point in (*begin_of_arrow(each), *each.rest[1:])])
        return begin if each.box is not None else (*self.turned(each, begin[0]), *begin[1:])

    def turned(self, each: Start, goal: Point) -> Path:
        """The way of an arrow through the end of the row before, and between the rows, to where it comes into its
        own.
        """
        cut, turn = self.ends[each.row - 1], self.strip.turn
        piece, _ = split(self.strip.paths[each.arrow], cut)
        here = [turn(self.into(each.row - 1, point)) for point in piece]
        (end, v), (back, lane), (_, w) = here[-1], self.lanes[each.row], turn(goal)
        corners = [(end, v), (end + AROUND, v), (end + AROUND, lane), (back, lane), (back, w), turn(goal)]
        way = rounded_way(corners)
        return tuple([turn(point) for point in (*here, *way[1:])])

    def label(self, number: int, center: Point | None) -> Point | None:
        """The middle of the words on an arrow, if it has any."""
        each = self.found.get(number)
        if each is None or center is None or not each.words[0]:
            return self.moved(center) if center is not None else None
        aside = side(self.strip) * (each.words[1] + APART) / 2
        begin = each.rest[0][0] - each.way
        return self.into(each.row, (begin + (each.words[0] + SHORTEST / 2) / 2, each.v + aside))


def begin_of_arrow(each: Start) -> Path:
    """The way from a start to where its arrow was cut: straight, and bent at its end where the start was moved."""
    u, v = each.rest[0]
    first = (u - each.way, each.v)
    if each.v == v:
        return line_between(first, (u, v))
    bend = (u - BEND, each.v)
    return (*line_between(first, bend), (u - BEND / 2, each.v), (u - BEND / 2, v), (u, v))
