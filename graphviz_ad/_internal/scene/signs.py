"""Parts of a stage that is seen from too far to be read, where they are on a frame -> the same with names in letters
that can be read: in its box where there is room, else beside it, with a line to it.

Nothing else is written then. At the end, boxes say their gradients and values, too, as far as these have room in them,
and leaves and outputs their gradients beside them. Who finds no place that is free has no sign; outputs, leaves and
modules choose first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.curves import along
from graphviz_ad._internal.scene.film_frame import Area, Fit
from graphviz_ad._internal.scene.font_metrics import shorten, text_width
from graphviz_ad._internal.scene.scene import Arrow, Box, Line

EM, ROW = 14.0, 17.0  # pixels: letters and rows of signs
PAD, GAP, STEP = 3.0, 3.0, 11.0  # pixels: in a sign, beside its box, and from one place that is tried to the next
BETWEEN = 9.0  # pixels between two columns of numbers
WIDEST, LONGEST, REACH = 300.0, 16, 14  # pixels of a sign; characters of a short one; places that are tried on a side
HIGHEST, NEAR = 6, 8.0  # rows of numbers beside a box; pixels from a sign to what it may be taken to belong to
MOST = 60  # boxes; of more, nobody reads a name
CELL, SAMPLES = 8.0, 40  # pixels of a square in which an arrow is or is not; points of an arrow that are looked at
FIRST = ("leaf", "data", "module", "line", "call")  # kinds of boxes by who chooses first, after outputs

Row = tuple[tuple[str, ...], str]  # what stands side by side, with its colour
Rows = tuple[Row, ...]
Bare = Callable[[Box | Arrow], Iterable[Mark]]  # what is seen of a part in which nothing is written, on the frame


@dataclass
class Plan:
    """What stands where already, in pixels; ``wires`` are the squares in which arrows are."""

    room: Area
    boxes: list[Area]
    wires: set[tuple[int, int]]
    taken: list[Area] = field(default_factory=list)

    def is_free(self, area: Area, line: Area | None, *, off_wires: bool, alone: bool) -> bool:
        """Whether a sign can stand there, with a line to its box; ``alone``: nobody can take it for another box's."""
        near = area.grown(NEAR)
        if alone and line is None and sum(near.meets(other) for other in self.boxes) > 1:
            return False
        if not self.room.holds(area) or any(area.meets(other) for other in (*self.boxes, *self.taken)):
            return False
        if line is not None and any(line.meets(other) for other in (*self.boxes, *self.taken)):
            return False
        return not off_wires or not self.wires & set(squares(area))


def signs(
    boxes: Sequence[Box], arrows: Sequence[Arrow], fit: Fit, room: Area, bare: Bare, *, finished: bool
) -> Iterator[Mark]:
    """Arrows, boxes and their names in a room of a frame, back to front, over what the stage has there."""
    placed = [box for box in boxes if box.center is not None and not box.drawings]
    if len(placed) > MOST:
        return
    areas = {box.key: area_of(box, fit) for box in placed}
    for arrow in arrows:
        yield from hidden_words(arrow, fit)
    for arrow in arrows:
        yield from bare(arrow)
    for box in placed:
        yield from bare(box)
    plan = Plan(room, list(areas.values()), set(wires(arrows, fit)))
    for box in sorted(placed, key=rank):
        yield from sign_of(box, areas[box.key], plan, finished=finished)


def rank(box: Box) -> int:
    """Who chooses first."""
    return 0 if box.double else 1 + (FIRST.index(box.kind) if box.kind in FIRST else len(FIRST))


def area_of(box: Box, fit: Fit) -> Area:
    """Where a box is on a frame."""
    return on_frame(box.center or (0.0, 0.0), box.width, box.height, fit)


def on_frame(center: tuple[float, float], width: float, height: float, fit: Fit) -> Area:
    """Where something of the stage is on a frame."""
    (x, y), (scale, dx, dy) = center, fit
    return Area((x - width / 2) * scale + dx, (y - height / 2) * scale + dy, width * scale, height * scale)


def hidden_words(arrow: Arrow, fit: Fit) -> Iterator[Mark]:
    """Paper over the words of an arrow, which have it behind them anyway."""
    if arrow.label_center is not None and arrow.lines:
        area = on_frame(arrow.label_center, arrow.width, arrow.height, fit)
        yield Rect(area.x, area.y, area.width, area.height, 0, "paper", None, 0, part="called")


def wires(arrows: Iterable[Arrow], fit: Fit) -> Iterator[tuple[int, int]]:
    """The squares of a frame in which arrows are."""
    scale, dx, dy = fit
    for arrow in arrows:
        if len(arrow.path) >= 4:
            for x, y in along(arrow.path, [i / SAMPLES for i in range(SAMPLES + 1)]):
                yield int((x * scale + dx) // CELL), int((y * scale + dy) // CELL)


def squares(area: Area) -> Iterator[tuple[int, int]]:
    """The squares that an area reaches into."""
    across = range(int(area.x // CELL), math.ceil(area.right / CELL))
    down = range(int(area.y // CELL), math.ceil(area.bottom / CELL))
    return ((i, j) for i in across for j in down)


def sign_of(box: Box, area: Area, plan: Plan, *, finished: bool) -> Iterator[Mark]:
    """The sign of a box, in it with all that it says, its name in it and the rest beside it, or all beside it."""
    title = next((line.text for line in box.lines if line.key == "name" and not line.kind), box.name)
    name: Rows = (((shorten(title, EM, WIDEST, bold=True),), "ink"),)
    gradient = numbers_of(box, "gradient") if finished else ()
    values = numbers_of(box, "value") if finished else ()
    beside = gradient if (box.double or box.kind == "leaf") and is_small(gradient) else ()
    contents = dict.fromkeys(((*name, *values, *gradient), (*name, *gradient), (*name, *beside), name))
    inside = next((rows for rows in contents if fits_in(rows, area)), None)
    if inside is not None:
        yield from words(inside, area.center)
        if inside == name and beside and (found := place_beside(beside, area, plan)) is not None:
            yield from written_beside(beside, *found)
        return
    for one in dict.fromkeys(((*name, *beside), name)):
        if (found := place_beside(one, area, plan)) is not None:
            yield from written_beside(one, *found)
            return


def numbers_of(box: Box, role: str) -> Rows:
    """What a box says of its value or gradient, a grid in its rows; none where pictures say more than numbers."""
    found = [rows_of(line) for line in box.lines if line.role == role and line.text]
    return tuple([row for rows in found for row in rows]) if all(found) else ()


def rows_of(line: Line) -> Rows:
    """A line of a box as rows."""
    grid = line.drawn
    if grid is None or len(grid.rows) == 1:
        return (((line.text,), line.role),)
    if not grid.rows or grid.chart is not None or grid.gaps:
        return ()
    heading: Rows = (((grid.heading,), line.role),) if grid.heading else ()
    return (*heading, *((row, line.role) for row in grid.rows))


def is_short(rows: Rows) -> bool:
    """Whether it hides little of an arrow that it stands on."""
    return len(rows) <= 2 and all(len(texts) == 1 and len(texts[0]) <= LONGEST for texts, role in rows if role != "ink")


def is_small(rows: Rows) -> bool:
    """Whether it may stand beside a box, if it finds a place there."""
    return 0 < len(rows) <= HIGHEST and size_of(rows)[0] <= WIDEST


def columns_of(rows: Rows) -> list[float]:
    """How wide columns of numbers are, in pixels."""
    cells = [texts for texts, _ in rows if len(texts) > 1]
    count = max(map(len, cells), default=0)
    return [max(text_width(texts[i], EM) for texts in cells if i < len(texts)) for i in range(count)]


def size_of(rows: Rows) -> tuple[float, float]:
    """Width and height of what is written, in pixels."""
    columns = columns_of(rows)
    table = sum(columns) + BETWEEN * max(len(columns) - 1, 0)
    alone = [text_width(texts[0], EM, role == "ink") for texts, role in rows if len(texts) == 1]
    return max([table, *alone]), ROW * len(rows)


def fits_in(rows: Rows, area: Area) -> bool:
    """Whether rows have room in a box."""
    wide, high = size_of(rows)
    return wide + 2 <= area.width and high <= area.height


def place_beside(rows: Rows, area: Area, plan: Plan) -> tuple[Area, Area | None] | None:
    """The nearest free place above, below or beside a box, if it can be where no arrow is, and the way to it; None
    where there is none.
    """
    wide, high = size_of(rows)
    short = is_short(rows)
    for off_wires in (True, False) if short else (True,):
        for place, way in places_beside(area, wide + 2 * PAD, high, plan.room):
            if plan.is_free(place, way, off_wires=off_wires, alone=not short):
                plan.taken += [place.grown(1.0), *([way] if way is not None else [])]
                return place, way
    return None


def places_beside(area: Area, wide: float, high: float, room: Area) -> Iterator[tuple[Area, Area | None]]:
    """Places for a sign, the nearest first, with the way from each to its box where it is not close to it."""
    middle, level = area.center
    left = min(max(middle - wide / 2, room.x), max(room.right - wide, room.x))
    for i in range(REACH):
        for top in (area.y - GAP - high - i * STEP, area.bottom + GAP + i * STEP):
            place = Area(left, top, wide, high)
            yield place, way_between(place, area, middle) if i else None
        if not i:
            for x in (area.x - GAP - wide, area.right + GAP):
                yield Area(x, level - high / 2, wide, high), None


def way_between(place: Area, area: Area, middle: float) -> Area:
    """What a line from a sign to its box takes."""
    begin, end = (place.bottom, area.y) if place.y < area.y else (area.bottom, place.y)
    return Area(middle - 1.0, begin + 0.5, 2.0, max(end - begin - 1.0, 0.0))


def written_beside(rows: Rows, place: Area, way: Area | None) -> Iterator[Mark]:
    """A sign beside its box."""
    if way is not None:
        ends = tuple((way.center[0], way.y + way.height * share) for share in (0.0, 1 / 3, 2 / 3, 1.0))
        yield Curve(ends, "muted", 1.0, part="called-line")
    yield Rect(place.x, place.y, place.width, place.height, 3, "paper", None, 0, part="called")
    yield from words(rows, place.center)


def words(rows: Rows, middle: tuple[float, float]) -> Iterator[Mark]:
    """Rows about a middle, numbers in columns."""
    x, top = middle[0], middle[1] - ROW * len(rows) / 2
    columns = columns_of(rows)
    for i, (texts, role) in enumerate(rows):
        level, bold, italic = top + ROW * i + 0.8 * ROW, role == "ink", role == "gradient"
        part = f"called-{role}"
        if len(texts) == 1:
            yield Label(x, level, texts[0], EM, role, bold, italic, part=part, math=True)
            continue
        right = x - (sum(columns) + BETWEEN * (len(columns) - 1)) / 2 - BETWEEN
        for text, wide in zip(texts, columns, strict=False):
            right += BETWEEN + wide
            yield Label(right, level, text, EM, role, bold, italic, "end", part=part, math=True)
