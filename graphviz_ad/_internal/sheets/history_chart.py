"""History of a training run -> Canvas: loss, gradient and update as curves over the steps, and the first bad step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.canvas import Canvas, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import shorten
from graphviz_ad._internal.scene.scene import Point
from graphviz_ad._internal.sheets.method_chart import chart_dot, straight

WIDTH, LEFT, RIGHT = 960.0, 104.0, 936.0
TOP, HEIGHT, GAP, BELOW = 64.0, 116.0, 34.0, 34.0  # of a panel, and what stands around all
TEXT, SMALL = 16.0, 14.0
FEW = 40  # points up to which each has a dot
LOOKS = (("loss", "value.line"), ("gradient", "gradient.line"), ("update", "path.2"))
Series = Sequence[tuple[int, float | None]]


@dataclass(frozen=True)
class Panel:
    """One curve below another: ``top`` is where its frame begins."""

    name: str
    color: str
    top: float
    steps: tuple[int, int]
    series: Series

    @property
    def known(self) -> list[float]:
        """The numbers that can be drawn."""
        return [value for _, value in self.series if value is not None and math.isfinite(value)]

    @property
    def in_decades(self) -> bool:
        """Whether heights are powers of ten: where all numbers are positive and far apart."""
        return bool(self.known) and min(self.known) > 0 and max(self.known) > 20 * min(self.known)

    def height_of(self, value: float) -> float:
        """How high a number stands in the frame, from 0 to 1."""
        low, high = (self._scaled(edge(self.known)) for edge in (min, max))
        return 0.08 + 0.84 * (self._scaled(value) - low) / (high - low) if high > low else 0.5

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.in_decades else value

    def across(self, step: int) -> float:
        """Where a step stands."""
        first, last = self.steps
        return LEFT + 12 + (RIGHT - LEFT - 24) * ((step - first) / (last - first) if last > first else 0.5)

    def place(self, step: int, value: float) -> Point:
        """Where a number at a step stands."""
        return self.across(step), self.top + HEIGHT * (1 - self.height_of(value))

    def marks(self) -> Iterator[Mark]:
        """Frame, words and curve; where a number is not finite the curve has a gap, and NaN or ∞ stands there."""
        yield Rect(LEFT, self.top, RIGHT - LEFT, HEIGHT, 0, "group", "group.line", 1.2, part="chart")
        scale = ", in powers of ten" if self.in_decades else ""
        yield Label(LEFT, self.top - 8, f"{self.name}{scale}", SMALL, "ink", True, anchor="start", part="axis")
        for mark in dict.fromkeys((max(self.known), min(self.known)) if self.known else ()):
            _, y = self.place(self.steps[0], mark)
            yield Label(LEFT - 8, y + 5, short_number(mark), SMALL, "muted", anchor="end", part="tick")
        points = [
            (self.place(step, value) if value is not None and math.isfinite(value) else None)
            for step, value in self.series
        ]
        for start, end in pairwise(points):
            if start is not None and end is not None:
                yield straight([start, end], self.color, 2.5)
        if len(points) <= FEW:
            yield from (chart_dot(point, self.color, True, 4.0) for point in points if point is not None)
        for step, value in self.series:
            if value is not None and not math.isfinite(value):
                words = "NaN" if math.isnan(value) else "∞"
                x, late = self.across(step), self.across(step) > RIGHT - 60  # beside the line that may stand there
                place, side = (x - 6, "end") if late else (x + 6, "start")
                yield Label(place, self.top + 20, words, SMALL, "gradient", True, anchor=side, part="not finite")
                break  # those that follow say nothing new


def history_chart(history: History) -> Canvas:
    """The curves, one below the other, over the same steps."""
    steps = (history.steps[0].number, history.steps[-1].number) if history.steps else (0, 1)
    panels = [
        Panel(name, color, TOP + GAP + i * (HEIGHT + GAP), steps, [(s.number, getattr(s, name)) for s in history])
        for i, (name, color) in enumerate(LOOKS)
    ]
    bottom = panels[-1].top + HEIGHT
    marks: list[Mark] = [*heading(history)]
    for panel in panels:
        marks += panel.marks()
    for number in dict.fromkeys(steps):
        marks.append(Label(panels[0].across(number), bottom + 20, str(number), SMALL, "muted", part="tick"))
    marks.append(Label((LEFT + RIGHT) / 2, bottom + 20, "backward pass", SMALL, "ink", True, part="axis"))
    bad = history.first_bad
    if bad is not None:
        x = panels[0].across(bad.number)
        marks.append(straight([(x, TOP + GAP), (x, bottom)], "gradient.line", 1.6, (5, 4)))
        if all(abs(x - panels[0].across(number)) > 40 for number in steps) and abs(x - (LEFT + RIGHT) / 2) > 90:
            marks.append(Label(x, bottom + 20, str(bad.number), SMALL, "gradient", True, part="tick"))
    return Canvas(WIDTH, bottom + BELOW, tuple(marks), f"{title(history)}. {because(history)}")


def heading(history: History) -> Iterator[Mark]:
    """What is shown, and what went wrong first."""
    yield Label(24, 34, title(history), 22, "ink", True, anchor="start", part="title")
    words = shorten(because(history), TEXT, WIDTH - 48)
    yield Label(24, 60, words, TEXT, "gradient" if history.first_bad else "muted", anchor="start", part="subtitle")


def title(history: History) -> str:
    """ "120 backward passes, from 1 to 11901"."""
    if not history.steps:
        return "No backward pass was looked at"
    first, last, count = history.steps[0].number, history.steps[-1].number, len(history)
    passes = "1 backward pass" if count == 1 else f"{count} backward passes, from {first} to {last}"
    return f"Norms at {passes}"


def because(history: History) -> str:
    """The first bad step, and what changed before it."""
    bad = history.first_bad
    if bad is None:
        return "nothing was found" if history.steps else ""
    kinds = ", ".join(dict.fromkeys(one.kind for one in bad.findings))
    changed = f"; {history.changes[0]}" if history.changes else ""
    return f"step {bad.number}: {kinds}{changed}"
