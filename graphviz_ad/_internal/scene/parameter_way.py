"""The way of the one parameter that a training moves -> marks of the losses over its values, with their slopes; only of
what was recorded: where no loss was computed, there is none to be seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import LossCurve, Point, Stop

Room = tuple[float, float, float, float]  # left, right, top, bottom

PART = "curve"
DOT, RING = 4.5, 3.5  # points: radius of a loss, and of a value of the parameter on its axis
SLOPE = 26.0  # points: half of the line that shows a slope
LETTERS, BETWEEN = 14.0, 8.0  # of the numbers on the axis, and what is free between two
HEAD = 8.0  # the tip of an arrow
EDGE = 14.0  # between the outermost value and the end of the axis


@dataclass(frozen=True)
class Scale:
    """Where values of the parameter and losses stand: ``least`` of both in the corner ``origin``, y down."""

    least: Point
    origin: Point
    unit: Point  # points for 1

    @classmethod
    def of(cls, stops: Sequence[Stop], across: Point, down: Point) -> Scale:
        """The one with room for all of these."""
        places = [stop.at for stop in stops if math.isfinite(stop.at)] or [0.0]
        losses = [0.0, *(stop.loss for stop in stops if stop.loss is not None and math.isfinite(stop.loss))]
        low, high = min(losses), max(losses)
        wide = (across[1] - across[0]) / ((max(places) - min(places)) or 1.0)
        return cls((min(places), low), (across[0], down[1]), (wide, (down[1] - down[0]) / ((high - low) or 1.0)))

    def across(self, at: float) -> float:
        """Where a value stands."""
        return self.origin[0] + (at - self.least[0]) * self.unit[0]

    def place(self, at: float, loss: float) -> Point:
        """Where a loss stands."""
        return self.across(at), self.origin[1] - (loss - self.least[1]) * self.unit[1]

    def direction(self, slope: float) -> Point:
        """Along a slope, one point."""
        down = -slope * self.unit[1] / self.unit[0]
        long = math.hypot(1.0, down)
        return 1.0 / long, down / long


def way_marks(curve: LossCurve, seen: int, room: Room) -> Iterator[Mark]:
    """The chart when so many stops are known; what belongs to one has its number as owner."""
    left, right, top, bottom = room
    yield Label(left, bottom + 5, curve.parameter, LETTERS, "muted", anchor="start", part=PART, math=True)
    start = left + text_width(curve.parameter, LETTERS) + 8
    yield Curve(line_between((start, bottom), (right, bottom)), "group.line", 1.0, part=PART)
    scale = Scale.of(curve.stops, (start + EDGE, right - EDGE), (top + EDGE, bottom - DOT - 3))
    numbers = numbers_on_axis(curve.stops, scale, (start, right))
    last = max((n for n, stop in enumerate(curve.stops[:seen]) if is_loss(stop)), default=-1)
    before: Point | None = None
    for n, stop in enumerate(curve.stops[:seen]):
        owner = str(n)
        if is_loss(stop) and stop.loss is not None:
            here = scale.place(stop.at, stop.loss)
            if before is not None:
                yield Curve(line_between(before, here), "value.line", 1.5, owner=owner, part=PART)
            yield Curve(line_between(here, (here[0], bottom)), "group.line", 0.7, owner=owner, part=PART)
            yield dot(here, DOT * (1.4 if n == last else 1.0), owner, fill="value.line")
            before = here
        yield from slope_marks(stop, scale, owner, (left - 8, right + 8), (top - 4, bottom))
        if n in numbers:
            yield dot((scale.across(stop.at), bottom), RING, owner, stroke="value.line")
            if (x := numbers[n]) is not None:
                yield Label(x, bottom + 17, short_number(stop.at), LETTERS, "value", owner=owner, part=PART)
    if last >= 0 and curve.stops[seen - 1].loss is None:
        yield from arrow_on_axis(scale, curve.stops[last].at, curve.stops[seen - 1].at, bottom, str(seen - 1))


def is_loss(stop: Stop) -> bool:
    """Whether a loss becomes known there that can be shown."""
    return stop.loss is not None and stop.slope is None and math.isfinite(stop.loss) and math.isfinite(stop.at)


def slope_marks(stop: Stop, scale: Scale, owner: str, across: Point, down: Point) -> Iterator[Mark]:
    """A short line along the slope of the loss, which no room but its own holds."""
    if stop.loss is None or stop.slope is None or not all(map(math.isfinite, (stop.at, stop.loss, stop.slope))):
        return
    x, y = scale.place(stop.at, stop.loss)
    dx, dy = scale.direction(stop.slope)
    rooms = (abs(dx), min(x - across[0], across[1] - x)), (abs(dy), min(y - down[0], down[1] - y))
    long = min([SLOPE, *(free / part for part, free in rooms if part)])
    ends = (x - long * dx, y - long * dy), (x + long * dx, y + long * dy)
    yield Curve(line_between(*ends), "gradient.line", 2.5, owner=owner, part=PART)


def arrow_on_axis(scale: Scale, start: float, end: float, y: float, owner: str) -> Iterator[Mark]:
    """Where the parameter goes, as long as no loss is known there."""
    left, right = scale.across(start), scale.across(end)
    ahead = math.copysign(1.0, right - left)
    if abs(right - left) > 2 * RING + HEAD:
        tip = right - ahead * RING
        yield Curve(
            line_between((left + ahead * RING, y), (tip - ahead * HEAD, y)), "value.line", 2.5, owner=owner, part=PART
        )
        corners = (tip, y), (tip - ahead * HEAD, y - HEAD / 2), (tip - ahead * HEAD, y + HEAD / 2)
        yield Polygon(corners, "value.line", owner=owner, part=PART)


def dot(middle: Point, radius: float, owner: str, fill: str | None = None, stroke: str | None = None) -> Mark:
    """A point."""
    x, y = middle[0] - radius, middle[1] - radius
    return Rect(x, y, 2 * radius, 2 * radius, radius, fill, stroke, 1.5 if stroke else 0, owner=owner, part=PART)


def numbers_on_axis(stops: Sequence[Stop], scale: Scale, span: Point) -> Mapping[int, float | None]:
    """The stop at which each value is first there, and where its number stands; None where others are in its way: the
    last and the first value come first.
    """
    first = {stop.at: n for n, stop in reversed([*enumerate(stops)]) if math.isfinite(stop.at)}
    found: dict[int, float | None] = dict.fromkeys(sorted(first.values()))
    order = sorted(first.values(), reverse=True)
    taken: list[Point] = []
    for n in [*order[:1], *order[-1:], *order[1:-1]]:
        half = text_width(short_number(stops[n].at), LETTERS) / 2
        x = min(max(scale.across(stops[n].at), span[0] + half), span[1] - half)
        if found[n] is None and all(x + half + BETWEEN <= low or x - half - BETWEEN >= high for low, high in taken):
            taken.append((x - half, x + half))
            found[n] = x
    return found


def headings_of_way(curve: LossCurve) -> Iterator[tuple[str, str]]:
    """What stands above the chart at each stop: the last loss that is known, and where the parameter is."""
    title = name = curve.names[0]
    for stop in curve.stops:
        aside = f"{curve.parameter} = {short_number(stop.at)}"
        if stop.slope is not None:
            aside = f"slope {short_number(stop.slope)}"
        elif stop.loss is not None:
            title = f"{name} = {short_number(stop.loss)}"
        else:
            aside = f"{curve.parameter} → {short_number(stop.at)}"
        yield title, aside


def line_between(start: Point, end: Point) -> tuple[Point, ...]:
    """A straight line as a Bézier."""
    dx, dy = (end[0] - start[0]) / 3, (end[1] - start[1]) / 3
    return (start, (start[0] + dx, start[1] + dy), (start[0] + 2 * dx, start[1] + 2 * dy), end)
