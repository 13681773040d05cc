"""Comparison -> Canvas: the error of each step as a V, with the lines of the exact methods below it, and the table
of methods.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from graphviz_ad._internal.maths.agreement import TO_THE_LAST_DIGIT
from graphviz_ad._internal.maths.finite_differences import Curve as ErrorCurve
from graphviz_ad._internal.maths.formula_letters import SUPERSCRIPTS
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import shorten, text_width
from graphviz_ad._internal.scene.scene import Point

if TYPE_CHECKING:
    from graphviz_ad._internal.sheets.method_comparison import Comparison

MARGIN, SAMPLE = 24.0, 56.0  # points; SAMPLE is the room for the line in front of a row
LEFT, TOP, BOTTOM = 96.0, 106.0, 426.0  # of the frame of the chart
STEP_DECADES, ERROR_DECADES = (-16, 0), (-17, 1)  # shown; what lies outside is put on the border
ROW, TEXT, SMALL, GAP = 27.0, 16.0, 14.0, 22.0
NAMED = 6  # the step beside which the lines are named: 1e-3
LETTER = 7.3  # points that a letter of the running text takes, for breaking it into lines

# Which method -> colour, dashes, and whether its points are round; so that no line is told by its colour alone.
LOOKS: dict[str, tuple[str, tuple[float, ...], bool]] = {
    "forward": ("gradient.line", (), True),
    "central": ("value.line", (), False),
    "symbolic": ("path.3", (2, 4), True),
    "automatic": ("path.2", (10, 5), True),
}


def method_chart(comparison: Comparison) -> Canvas:
    """The whole picture, as wide as its table."""
    table = Table(tuple(comparison.rows()), tuple(method.curve for method in comparison.methods))
    width = max(table.width + 2 * MARGIN, 960.0)
    plot = Plot(width - MARGIN)
    marks = [*heading(comparison, width), *plot.frame(), *plot.lines(comparison), *table.marks(BOTTOM + 86)]
    bottom = BOTTOM + 86 + ROW * len(table.rows) + 12
    for text in comparison.formulas():
        marks.append(
            Label(MARGIN, bottom, shorten(text, TEXT, width - 2 * MARGIN), TEXT, "ink", anchor="start", part="formula")
        )
        bottom += 25
    bottom += 8
    for text in (*comparison.notes, *comparison.lessons()):
        for line in textwrap.wrap(text, int((width - 2 * MARGIN) / LETTER)):
            marks.append(Label(MARGIN, bottom, line, SMALL, "muted", anchor="start", part="lesson"))
            bottom += 21
    return Canvas(width, bottom, tuple(marks), f"{comparison.title()}. {' '.join(comparison.lessons())}")


def heading(comparison: Comparison, width: float) -> Iterator[Mark]:
    """What is compared."""
    yield Label(
        MARGIN,
        38,
        shorten(comparison.title(), 22, width - 2 * MARGIN, True),
        22,
        "ink",
        True,
        anchor="start",
        part="title",
    )
    yield Label(
        MARGIN,
        66,
        shorten(comparison.point(), TEXT, width - 2 * MARGIN),
        TEXT,
        "muted",
        anchor="start",
        part="subtitle",
    )


@dataclass(frozen=True)
class Plot:
    """The chart, from LEFT to ``right``: steps go across, errors up, both in powers of ten."""

    right: float

    def place(self, step: float, error: float) -> Point:
        """Where a step and its error stand, in points; what lies outside on the border."""
        across = position_between(math.log10(step), STEP_DECADES)
        up = position_between(math.log10(error), ERROR_DECADES) if error > 0 else 0.0
        return LEFT + across * (self.right - LEFT), BOTTOM - up * (BOTTOM - TOP)

    def frame(self) -> Iterator[Mark]:
        """Axes, grid and their words."""
        yield Rect(LEFT, TOP, self.right - LEFT, BOTTOM - TOP, 0, "group", "group.line", 1.2, part="chart")
        for exponent in range(ERROR_DECADES[0] + 1, ERROR_DECADES[1], 4):
            _, y = self.place(1.0, 10.0**exponent)
            yield straight([(LEFT, y), (self.right, y)], "group.line", 1.0)
            yield Label(LEFT - 8, y + 5, power_of_ten(exponent), SMALL, "muted", anchor="end", part="tick")
        for exponent in range(STEP_DECADES[0], STEP_DECADES[1] + 1, 2):
            x, _ = self.place(10.0**exponent, 1.0)
            yield straight([(x, BOTTOM), (x, BOTTOM + 5)], "edge", 1.0)
            yield Label(x, BOTTOM + 22, power_of_ten(exponent), SMALL, "muted", part="tick")
        yield Label(
            LEFT,
            TOP - 10,
            "error, as a share of the largest derivative",
            SMALL,
            "ink",
            True,
            anchor="start",
            part="axis",
        )
        yield Label((LEFT + self.right) / 2, BOTTOM + 46, "step h", SMALL, "ink", True, part="axis")
        yield Label(
            LEFT, BOTTOM + 46, "← too short: digits are lost", SMALL, "muted", italic=True, anchor="start", part="axis"
        )
        yield Label(
            self.right,
            BOTTOM + 46,
            "too long: the bend is missed →",
            SMALL,
            "muted",
            italic=True,
            anchor="end",
            part="axis",
        )

    def lines(self, comparison: Comparison) -> Iterator[Mark]:
        """A V for each kind of difference, and a level line for each exact method."""
        for name in ("symbolic", "automatic"):
            method = next((method for method in comparison.methods[::-1] if method.curve == name), None)
            if method is not None and math.isfinite(method.error or 0.0):
                color, dash, _ = LOOKS[name]
                _, y = self.place(1.0, method.error or 0.0)
                yield straight([(LEFT, y), (self.right, y)], color, 3.0, dash)
        for found in comparison.curves:
            yield from self.v_shape(found)
        for found in comparison.curves:
            if math.isfinite(found.errors[found.best]):
                yield chart_dot(
                    self.place(found.steps[found.best], found.errors[found.best]), "ink", LOOKS[found.name][2], 6.5
                )
        yield from self.words(comparison)

    def v_shape(self, found: ErrorCurve) -> Iterator[Mark]:
        """The errors of one kind of difference, from step to step; a gap where there is none."""
        color, dash, is_round = LOOKS[found.name]
        points = [
            self.place(step, error) if math.isfinite(error) else None
            for step, error in zip(found.steps, found.errors, strict=True)
        ]
        for start, end in pairwise(points):
            if start is not None and end is not None:
                yield straight([start, end], color, 2.5, dash)
        yield from (chart_dot(point, color, is_round, 4.0) for point in points if point is not None)

    def words(self, comparison: Comparison) -> Iterator[Mark]:
        """The names of the lines beside them, where there is room."""
        forward, central = ((found.steps[NAMED], found.errors[NAMED]) for found in comparison.curves)
        if math.isfinite(forward[1]) and math.isfinite(central[1]):
            (x, y), (other_x, other_y) = self.place(*forward), self.place(*central)
            if TOP + 30 < y < other_y - 30 < BOTTOM - 70:
                yield Label(
                    x - 6, y - 12, "forward differences", SMALL, "gradient", True, anchor="end", part="line name"
                )
                yield Label(
                    other_x + 12,
                    other_y + 14,
                    "central differences",
                    SMALL,
                    "value",
                    True,
                    anchor="start",
                    part="line name",
                )
        exact = [method for method in comparison.methods if method.curve in ("symbolic", "automatic")]
        if all((method.error or 0.0) < TO_THE_LAST_DIGIT for method in exact):
            measure = any(method.error is None for method in exact)
            said = "what the others are measured by" if measure else "right to the last digit"
            names = " and ".join(dict.fromkeys(method.curve for method in exact))
            _, y = self.place(1.0, max(method.error or 0.0 for method in exact))
            yield Label(LEFT + 10, y - 10, f"{names}: {said}", SMALL, "path.2", True, anchor="start", part="line name")


def position_between(exponent: float, decades: tuple[int, int]) -> float:
    """0 at the low end, 1 at the high end."""
    low, high = decades
    return min(max((exponent - low) / (high - low), 0.0), 1.0)


def chart_dot(at: Point, color: str, is_round: bool, radius: float) -> Rect:
    """A dot, or a square."""
    return Rect(
        at[0] - radius,
        at[1] - radius,
        2 * radius,
        2 * radius,
        radius if is_round else 0.0,
        color,
        None,
        0,
        part="point",
    )


def straight(ends: Sequence[Point], color: str, line: float, dash: tuple[float, ...] = ()) -> Curve:
    """A straight line, as the Bézier that all lines are."""
    (x, y), (to_x, to_y) = ends
    thirds = [(x + (to_x - x) * i / 3, y + (to_y - y) * i / 3) for i in (1, 2)]
    return Curve((ends[0], *thirds, ends[1]), color, line, dash, part="line")


def power_of_ten(exponent: int) -> str:
    """ "10⁻⁸"; "1" for 10⁰."""
    return "1" if exponent == 0 else "10" + "".join(SUPERSCRIPTS[char] for char in str(exponent))


@dataclass(frozen=True)
class Table:
    """The methods in rows, each behind a sample of its line, so that the table is the legend as well; the first row
    is the header.
    """

    rows: tuple[tuple[str, ...], ...]
    curves: tuple[str, ...]

    @property
    def ends(self) -> list[float]:
        """Where each column ends, in points."""
        widths = [
            max(text_width(cell, TEXT, i == 0) for cell in column)
            for i, column in enumerate(zip(*self.rows, strict=True))
        ]
        return [MARGIN + SAMPLE + sum(widths[: i + 1]) + GAP * i for i in range(len(widths))]

    @property
    def width(self) -> float:
        """Of the whole table, in points."""
        return self.ends[-1] - MARGIN

    def marks(self, top: float) -> Iterator[Mark]:
        """The table below ``top``."""
        ends = self.ends
        for i, row in enumerate(self.rows):
            y = top + ROW * i
            if i:
                yield from sample(self.curves[i - 1], y - 5)
                yield Label(MARGIN + SAMPLE, y, row[0], TEXT, "ink", True, anchor="start", part="method")
            for x, cell in zip(ends[1:], row[1:], strict=True):
                yield Label(x, y, cell, TEXT, "ink" if i else "muted", anchor="end", part="cell" if i else "header")


def sample(curve: str, y: float) -> Iterator[Mark]:
    """How the line of a method looks in the chart."""
    color, dash, is_round = LOOKS[curve]
    yield straight([(MARGIN, y), (MARGIN + 42, y)], color, 3.0, dash)
    if curve in ("forward", "central"):
        yield chart_dot((MARGIN + 21, y), color, is_round, 5.0)
