"""The losses of a film of training -> marks of a small chart beside the graph, that grows pass by pass; over powers of
ten where they fall so far that nothing of the end could be seen; over the parameter where one alone is moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.film_frame import SIDE, Fit, Panel
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.parameter_way import PART, Room, headings_of_way, line_between, way_marks
from graphviz_ad._internal.scene.scene import Film, LossCurve, Point

WIDTH, HEIGHT, GAP = 250.0, 160.0, 26.0  # points: of the panel, and between it and the graph
LARGER = (1.6, 1.4, 1.2)  # times as wide and high, where there is room
PAD, DOT = 14.0, 3.5
TITLE = 15.0  # of its letters
AXIS, BETWEEN = 14.0, 8.0  # of the numbers below: their letters, and what is free between two
FAR = 100.0  # the largest loss by the smallest: from there on, powers of ten
MOST_POWERS = 3  # that have a line
ROLES = ("value.line", "muted", "gradient.line")  # of the curves of several losses


def size_with_panel(size: Point, scale_of: Callable[[Point], float]) -> tuple[Point, Point, Point]:
    """The size of a stage with room for the panel, the corner where this stands, and its size: beside the graph or
    below it, where the graph stays larger in a frame, by what says how large a stage is there; larger itself where that
    makes nothing smaller.
    """
    usual = placed_panel(size, (WIDTH, HEIGHT), scale_of)
    larger = (placed_panel(size, (factor * WIDTH, factor * HEIGHT), scale_of) for factor in LARGER)
    return next((one for one in larger if scale_of(one[0]) >= scale_of(usual[0])), usual)


def placed_panel(size: Point, panel: Point, scale_of: Callable[[Point], float]) -> tuple[Point, Point, Point]:
    """The same for a panel of one size."""
    (width, height), (wide, high) = size, panel
    beside = (width + GAP + wide, max(height, high))
    below = (max(width, wide), height + GAP + high)
    if scale_of(beside) >= scale_of(below):
        return beside, (width + GAP, (beside[1] - high) / 2), panel
    return below, ((below[0] - wide) / 2, height + GAP), panel


def panel_with_chart(panel: Panel | None, size: Point) -> Panel:
    """The room beside a stage with room for the chart, where a camera shows a part of the stage at a time."""
    wide = (WIDTH + SIDE) / size[0]
    return Panel("right", wide, HEIGHT) if panel is None else replace(panel, share=max(panel.share, wide), chart=HEIGHT)


def fit_of_chart(film: Film, size: tuple[int, int]) -> Fit:
    """Scale and shift of the chart on a frame: with the stage on which it stands, or as large as it is in its room."""
    room = film.rooms(size).chart
    if room is None:
        return film.fit(film.whole, size)
    return 1.0, room.center[0] - WIDTH / 2, room.center[1] - HEIGHT / 2


def curve_marks(curve: LossCurve, seen: int) -> Iterator[Mark]:
    """The chart when so many losses are known, where the corner says; what belongs to one has its number as owner."""
    x, y = curve.corner or (0.0, 0.0)
    wide, high = curve.size or (WIDTH, HEIGHT)
    yield Rect(x, y, wide, high, 8, None, "group.line", 1.0, part=PART)  # hides no line, whatever is painted first
    title, aside = headings(curve)[seen]
    yield Label(x + PAD, y + 22, title, TITLE, "value", True, anchor="start", part=PART, math=True)
    yield Label(x + wide - PAD, y + 22, aside, AXIS, "muted", anchor="end", part=PART, math=bool(curve.stops))
    room = x + PAD, x + wide - PAD, y + 36, y + high - 26
    yield from way_marks(curve, seen, room) if curve.stops else points_of_losses(curve, seen, room)


def headings(curve: LossCurve) -> list[tuple[str, str]]:
    """What stands above the chart, on the left and, where there is room beside that, on the right, when none of what
    becomes known is, one, two, …
    """
    told = [f"{name} = {short_number(loss)}" for name, loss in zip(curve.names, curve.losses, strict=True)]
    passes = zip(told, (f"pass {number}" for number in curve.numbers), strict=True)
    room = (curve.size or (WIDTH, HEIGHT))[0] - 2 * PAD - TITLE / 2
    found = [(curve.names[0], ""), *(headings_of_way(curve) if curve.stops else passes)]
    return [
        (title, aside if text_width(title, TITLE, True) + text_width(aside, AXIS) <= room else "")
        for title, aside in found
    ]


def points_of_losses(curve: LossCurve, seen: int, room: Room) -> Iterator[Mark]:
    """The losses, pass by pass."""
    left, right, top, bottom = room
    if is_far(curve.losses):
        marks = list(lines_of_powers(curve.losses, (left, right), (top, bottom - 4)))
        yield from marks
        left += 6 + max(text_width(mark.text, AXIS) for mark in marks if isinstance(mark, Label))
    yield Curve(line_between((left, bottom), (right, bottom)), "group.line", 1.0, part=PART)
    places = places_of(curve.losses, (left + 4, right - 4), (top, bottom - 4))
    series = list(dict.fromkeys(curve.names))
    before: dict[str, Point] = {}
    for n, (name, place) in enumerate(zip(curve.names[:seen], places, strict=False)):
        if place is None:
            continue
        role = ROLES[series.index(name) % len(ROLES)]
        if name in before:
            yield Curve(line_between(before[name], place), role, 2.0, owner=str(n), part=PART)
        before[name] = place
        radius = DOT * (1.5 if n == seen - 1 else 1.0)
        yield Rect(
            place[0] - radius, place[1] - radius, 2 * radius, 2 * radius, radius, role, None, 0, owner=str(n), part=PART
        )
    yield from numbers_below(curve.numbers, places, (left, right), bottom + 17)


def numbers_below(numbers: Sequence[int], places: Sequence[Point | None], span: Point, y: float) -> Iterator[Mark]:
    """The numbers of the passes, of many every so manieth, none of which leaves the span or touches another."""
    widest = max(text_width(str(number), AXIS) for number in numbers)
    each = max(math.ceil(len(numbers) * (widest + BETWEEN) / (span[1] - span[0])), math.ceil(len(numbers) / 8), 1)
    apart = (span[1] - span[0]) / max(len(numbers) - 1, 1)
    last = len(numbers) - 1 if (len(numbers) - 1) % each * apart > widest + BETWEEN else 0
    for n, (number, place) in enumerate(zip(numbers, places, strict=True)):
        if place is not None and (n % each == 0 or (n == last and n % each > each / 2)):
            half = text_width(str(number), AXIS) / 2
            x = min(max(place[0], span[0] + half), span[1] - half)
            yield Label(x, y, str(number), AXIS, "muted", part=PART)


def is_far(losses: Sequence[float]) -> bool:
    """Whether losses are so far apart that they stand over powers of ten; all are numbers above 0, then."""
    return len(losses) > 2 and all(0 < loss < math.inf for loss in losses) and max(losses) >= FAR * min(losses)


def lines_of_powers(losses: Sequence[float], across: Point, down: Point) -> Iterator[Mark]:
    """A line with its number for each power of ten, of many every so manieth."""
    low, high = math.log10(min(losses)), math.log10(max(losses))
    powers = range(math.ceil(low), math.floor(high) + 1)
    each = math.ceil(len(powers) / MOST_POWERS)
    shown = powers[(len(powers) - 1) % each :: each]
    texts = [short_number(10.0**power) for power in shown]
    wide = max(text_width(text, AXIS) for text in texts)
    for power, text in zip(shown, texts, strict=True):
        y = height_of(10.0**power, losses, down)
        yield Label(across[0] + wide, y + AXIS * 0.35, text, AXIS, "muted", anchor="end", part=PART)
        yield Curve(line_between((across[0] + wide + 6, y), (across[1], y)), "group.line", 0.7, part=PART)


def height_of(loss: float, losses: Sequence[float], down: Point) -> float:
    """How far down a loss stands: 0 at the bottom where none is less, or by powers of ten."""
    finite = [one for one in losses if math.isfinite(one)]
    if is_far(losses):
        low, high, loss = math.log10(min(losses)), math.log10(max(losses)), math.log10(loss)
    else:
        low, high = min([0.0, *finite]), max([0.0, *finite])
    return down[1] - (loss - low) / ((high - low) or 1.0) * (down[1] - down[0])


def places_of(losses: Sequence[float], across: Point, down: Point) -> list[Point | None]:
    """Where each loss stands; nowhere what is not finite."""
    step = (across[1] - across[0]) / max(len(losses) - 1, 1)
    return [
        (across[0] + n * step, height_of(loss, losses, down)) if math.isfinite(loss) else None
        for n, loss in enumerate(losses)
    ]
