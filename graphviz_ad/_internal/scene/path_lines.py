"""The paths of a chain rule -> marks: coloured lines side by side along an arrow, letters on them, and a legend that
says what each path brings.

A path is told by its colour, by its dashes and by its letter, so that no reader depends on one of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import shorten, text_width
from graphviz_ad._internal.scene.scene import Point, Trail

LETTERS = "ABCD+"  # the last one stands for all paths that have no colour of their own
REST = len(LETTERS) - 1
ROLES = ("path.0", "path.1", "path.2", "path.3", "muted")
DASHES: tuple[tuple[float, ...], ...] = ((), (10, 4), (3, 3), (10, 3, 2, 3), (1.5, 4))
DISCS = tuple(f"trail.{number}" for number in range(len(LETTERS)))  # what the disc behind a letter is called
PEN, PITCH = 3.0, 4.8  # width of a line, and from the middle of one to that of the next, in points
MEETING = 0.5  # how far apart lines are at their ends, as a share of the distance between
BADGE, GAP = 18.0, 3.0  # size of a letter's disc, and the room between two
ROW, SAMPLE, SIZE = 26.0, 46.0, 14.0  # height of a row of the legend, length of its line, size of its letters

INSET = SAMPLE + BADGE + 12  # where the words of the legend start


def letters_of(trails: Sequence[int]) -> str:
    """ "AB" for trails 0 and 1."""
    return "".join(LETTERS[number] for number in trails)


# --- along an arrow


def shafts(points: tuple[Point, ...], trails: Sequence[int], owner: str) -> Iterator[Mark]:
    """One line for each path that runs along an arrow, side by side."""
    for i, number in enumerate(trails):
        aside = (i - (len(trails) - 1) / 2) * PITCH
        yield Curve(
            moved_sideways(points, aside), ROLES[number], PEN, DASHES[number], owner, f"shaft.{i}" if i else "shaft"
        )


def head_role(trails: Sequence[int]) -> str:
    """The colour of an arrowhead: that of its path, nobody's where several share it."""
    return ROLES[trails[0]] if len(trails) == 1 else "ink"


def covering_head_size(trails: Sequence[int]) -> float:
    """How long an arrowhead is that covers the ends of all its lines, in points."""
    return max(7 + 1.8 * PEN, ((len(trails) - 1) * PITCH * MEETING + PEN + 6) / 0.84)


def moved_sideways(points: tuple[Point, ...], distance: float) -> tuple[Point, ...]:
    """A chain of Béziers moved sideways: each point along the normal between its neighbours, less at the ends, where
    lines meet.
    """
    if not distance:
        return points
    moved = []
    for i, (x, y) in enumerate(points):
        dx, dy = direction_at(points, i)
        aside = distance * (MEETING if i in (0, len(points) - 1) else 1.0)
        moved.append((x - dy * aside, y + dx * aside))
    return tuple(moved)


def direction_at(points: tuple[Point, ...], i: int) -> Point:
    """The direction of a chain at one of its points, of length 1."""
    for reach in range(1, len(points)):
        before, after = points[max(i - reach, 0)], points[min(i + reach, len(points) - 1)]
        length = math.dist(before, after)
        if length > 1e-6:
            return (after[0] - before[0]) / length, (after[1] - before[1]) / length
    return 1.0, 0.0


# --- letters


def badges_size(letters: str) -> tuple[float, float]:
    """Width and height of a row of discs, in points."""
    count = len(letters.replace(" ", ""))
    return count * BADGE + max(count - 1, 0) * GAP, BADGE


def badges(letters: str, center: float, top: float, owner: str = "", part: str = "letter") -> Iterator[Mark]:
    """A row of discs with a letter each, around ``center``."""
    x = center - badges_size(letters)[0] / 2
    for letter in letters.replace(" ", ""):
        number = LETTERS.index(letter)
        yield Rect(x, top, BADGE, BADGE, BADGE / 2, ROLES[number], None, 0, (), owner, DISCS[number])
        yield Label(x + BADGE / 2, top + BADGE / 2 + 4.6, letter, 13, "paper", bold=True, owner=owner, part=part)
        x += BADGE + GAP


# --- legend


def legend_width(trails: Sequence[Trail]) -> float:
    """The width that the legend needs, in points."""
    rows = (
        INSET + way_width(trails) + text_width(trail.brings, SIZE)
        if trail.letter
        else text_width(trail.words, SIZE, True)
        for trail in trails
    )
    return max(rows, default=0.0) + 4


def way_width(trails: Sequence[Trail]) -> float:
    """The width of the column of names, in points."""
    return max((text_width(trail.words, SIZE) for trail in trails if trail.brings), default=0.0) + 20


def trail_legend(trails: Sequence[Trail], x: float, y: float, width: float) -> Iterator[Mark]:
    """A row for each path: its line, its letter, what it brings; and the sum of all."""
    for i, trail in enumerate(trails):
        middle = y + (i + 0.5) * ROW
        if not trail.letter:
            yield Label(
                x,
                middle + 5,
                shorten(trail.words, SIZE, width, True),
                SIZE,
                "ink",
                True,
                anchor="start",
                part="legend",
                math=True,
            )
            continue
        number = LETTERS.index(trail.letter)
        line = tuple((x + SAMPLE * step / 3, middle) for step in range(4))
        yield Curve(line, ROLES[number], PEN, DASHES[number], "", "legend")
        yield from badges(trail.letter, x + SAMPLE + 4 + BADGE / 2, middle - BADGE / 2, part="legend")
        room = width - INSET
        column = min(way_width(trails), room * 0.7)
        yield Label(
            x + INSET,
            middle + 5,
            shorten(trail.words, SIZE, column if trail.brings else room),
            SIZE,
            "ink",
            anchor="start",
            part="legend",
            math=True,
        )
        if trail.brings:
            yield Label(
                x + INSET + column,
                middle + 5,
                shorten(trail.brings, SIZE, room - column),
                SIZE,
                "ink",
                anchor="start",
                part="legend",
            )
