"""Grid -> how large it is, and its marks: cells with numbers on a fill that says how far from 0 they are.

The fill has hues that mean nothing else; the sign of each number stands before it. What is no finite number has a
frame of its own instead of a fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise, zip_longest

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.charts import CHART_PARTS, chart_marks, chart_size
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, text_width
from graphviz_ad._internal.scene.scene import NO_SHADE, SHADES, Chart, Grid, Point, Ring

HEADING, LARGE, SMALL = 12.5, 15.0, 12.5  # ems, in points
PAD_X, PAD_Y, GAP, LEAST = 4.0, 2.0, 4.0, 18.0  # around a number; before another matrix; width of a cell
STRIP = 14.0  # height of an image of one row
BESIDE = 5.0  # between a heading and the row that it stands before
LIFT = 3.0  # between a heading and the grid below it
SHADE_ROLES = (*(f"shade.n{i}" for i in range(SHADES, 0, -1)), "shade.0", *(f"shade.p{i + 1}" for i in range(SHADES)))
# Kind of ring -> colour, width, radius and dash of what is drawn around the cells.
RINGS: Mapping[str, tuple[str, float, float, tuple[float, ...]]] = {
    "window": ("muted", 1.0, 0.0, (3.0, 2.0)),
    "winner": ("ink", 2.0, 8.0, ()),
    "example": ("ink", 2.6, 0.0, ()),
}
DASHES: tuple[tuple[float, ...], ...] = ((), (6.0, 3.0), (2.0, 2.0))  # of examples, in their order
NAME_GAP = 4.0  # between the name of a row or column and its cells
PARTS = (
    "grid",
    "odd",
    "blank",
    "masked",
    "strike",
    "zero",
    *(f"ring.{kind}.{i}" for kind in RINGS for i in range(len(DASHES))),
    *SHADE_ROLES,
    *CHART_PARTS,
)


@dataclass(frozen=True)
class ImageSize:
    """Of images: their width and height at most, the side of an element at most, and the height of bars."""

    width: float
    height: float
    pixel: float
    bars: float


AT_HAND = 256  # grids whose columns are remembered, as of one box they are asked for over and over
THIN = 4.0  # bars that are no wider touch
IMAGE, THUMBNAIL = ImageSize(130, 90, 10, 44), ImageSize(64, 38, 6.5, 20)


@dataclass(frozen=True)
class Face:
    """How numbers are set, by the role of their line; its colour is that of what the grid is called."""

    color: str
    bold: bool
    italic: bool


def em(grid: Grid) -> float:
    """The size of its numbers."""
    return SMALL if grid.small else LARGE


def image_size(grid: Grid) -> ImageSize:
    """How large its image is."""
    return THUMBNAIL if grid.small else IMAGE


def heading_before(grid: Grid) -> bool:
    """Whether its heading stands before it: before its only row, or before a small image."""
    return (len(grid.shades) == 1 and not grid.bars) or (grid.small and not grid.rows)


@lru_cache(maxsize=AT_HAND)
def column_widths(grid: Grid, bold: bool) -> Sequence[float]:
    """The width of each column of cells, in points."""
    if not grid.rows:
        count = max(map(len, grid.shades))
        return (min(image_size(grid).pixel, image_size(grid).width / count),) * count
    columns = zip_longest(*grid.rows, fillvalue="")
    wide = [max(text_width(text, em(grid), bold) for text in column) for column in columns]
    named = [text_width(name, SMALL) + NAME_GAP for name in grid.column_names] or [0.0] * len(wide)
    return tuple([max(each + 2 * PAD_X, LEAST, name) for each, name in zip(wide, named, strict=True)])


def names_width(grid: Grid) -> float:
    """The width that the names of rows take before the cells."""
    return max((text_width(name, SMALL) + NAME_GAP for name in grid.row_names), default=0.0)


def names_height(grid: Grid) -> float:
    """The height that the names of columns take above the cells."""
    return SMALL * (ASCENT + DESCENT) if grid.column_names else 0.0


def row_height(grid: Grid) -> float:
    """The height of a row of cells, in points."""
    if grid.rows:
        return em(grid) * (ASCENT + DESCENT) + 2 * PAD_Y
    if grid.bars:
        return image_size(grid).bars
    return STRIP if len(grid.shades) == 1 else min(image_size(grid).pixel, image_size(grid).height / len(grid.shades))


@lru_cache(maxsize=AT_HAND)
def cells_size(grid: Grid, bold: bool) -> Point:
    """Width and height of the cells, with the names of rows and columns."""
    width = names_width(grid) + sum(column_widths(grid, bold))
    return width, names_height(grid) + len(grid.shades) * row_height(grid) + GAP * len(grid.gaps)


@lru_cache(maxsize=AT_HAND)
def grid_size(grid: Grid, bold: bool) -> Point:
    """Width and height of the cells with their heading."""
    title = text_width(grid.heading, HEADING)
    if grid.chart is not None:
        width, height = chart_size(grid.chart)
        return max(width, title, grid.least), height + (HEADING * (ASCENT + DESCENT) + LIFT) * bool(title)
    width, height = cells_size(grid, bold)
    if not title:
        size = width, height
    elif heading_before(grid):
        size = width + title + BESIDE, max(height, HEADING)
    else:
        size = max(width, title), height + HEADING * (ASCENT + DESCENT) + LIFT
    return max(size[0], grid.least), size[1]


def grid_marks(grid: Grid, corner: Point, width: float, face: Face, owner: str, part: str) -> Iterator[Mark]:
    """The cells with their heading, in the middle of so much width."""
    if grid.chart is not None:
        yield from chart_with_heading(grid, grid.chart, corner, width, face, owner)
        return
    wide, high = grid_size(grid, face.bold)
    cells, _ = cells_size(grid, face.bold)
    x, y = corner[0] + (width - wide) / 2, corner[1]
    if grid.heading and heading_before(grid):
        yield heading(grid, x, y + (high + HEADING * (ASCENT - DESCENT)) / 2, "start", face, owner)
        x += wide - cells
    elif grid.heading:
        yield heading(grid, x + wide / 2, y + HEADING * ASCENT, "middle", face, owner)
        y += HEADING * (ASCENT + DESCENT) + LIFT
        x += (wide - cells) / 2
    else:
        x += (wide - cells) / 2
    yield from blocks(grid, (x, y), face, owner, part)


def chart_with_heading(grid: Grid, chart: Chart, corner: Point, width: float, face: Face, owner: str) -> Iterator[Mark]:
    """A chart below what it is of, in the middle of so much width."""
    x, y = corner[0] + width / 2, corner[1]
    if grid.heading:
        yield heading(grid, x, y + HEADING * ASCENT, "middle", face, owner)
        y += HEADING * (ASCENT + DESCENT) + LIFT
    yield from chart_marks(chart, (x - chart_size(chart)[0] / 2, y), face.color, owner)


def heading(grid: Grid, x: float, y: float, anchor: str, face: Face, owner: str) -> Label:
    """What the grid is called."""
    return Label(x, y, grid.heading, HEADING, face.color, False, face.italic, anchor, owner, f"heading.{face.color}")


def blocks(grid: Grid, corner: Point, face: Face, owner: str, part: str) -> Iterator[Mark]:
    """The fills of all cells, what frames each block of them, and the numbers on top."""
    widths, high = column_widths(grid, face.bold), row_height(grid)
    corner = corner[0] + names_width(grid), corner[1] + names_height(grid)
    tops = list(row_tops(grid, corner[1]))
    yield from row_and_column_names(grid, corner, widths, owner)
    if grid.bars:
        yield from bars(grid, widths, corner, owner)
    for shades, top in zip(grid.shades if not grid.bars else (), tops, strict=False):
        yield from fills(shades, widths, (corner[0], top), high, owner, image=not grid.rows)
    masked = {(ring.row, ring.column) for ring in grid.rings if ring.kind == "masked"}
    for row, top in enumerate(tops):
        yield from masks({column for at, column in masked if at == row}, widths, (corner[0], top), high, owner)
    starts = [0, *grid.gaps, len(tops)]
    for first, last in pairwise(starts):
        wide = sum(widths[: len(grid.shades[first])])
        size = wide, (last - first) * high
        yield Rect(corner[0], tops[first], *size, 0, None, "group.line", 1.0, (), owner, "grid")
    for row, (texts, shades, top) in enumerate(zip(grid.rows, grid.shades, tops, strict=False)):
        hidden = {column for at, column in masked if at == row}
        yield from numbers(grid, texts, shades, widths, (corner[0], top), face, owner, part, hidden)
    yield from rings(grid, widths, corner[0], tops, owner)


def row_and_column_names(grid: Grid, corner: Point, widths: Sequence[float], owner: str) -> Iterator[Mark]:
    """What rows and columns are called, before and above them."""
    down = (row_height(grid) + SMALL * (ASCENT - DESCENT)) / 2
    for name, top in zip(grid.row_names, row_tops(grid, corner[1]), strict=False):
        yield Label(corner[0] - NAME_GAP, top + down, name, SMALL, "muted", anchor="end", owner=owner, part="line.name")
    x = corner[0]
    for name, wide in zip(grid.column_names, widths, strict=False):
        base = corner[1] - SMALL * DESCENT
        yield Label(x + wide / 2, base, name, SMALL, "muted", anchor="middle", owner=owner, part="line.name")
        x += wide


def rings(grid: Grid, widths: Sequence[float], left: float, tops: list[float], owner: str) -> Iterator[Mark]:
    """What is drawn around cells, the widest on top."""
    for kind, (color, line, radius, dash) in RINGS.items():
        for ring in grid.rings:
            if ring.kind == kind:
                place = ring_place(grid, ring, widths, left, tops)
                yield Rect(
                    *place, radius, None, color, line, dash or DASHES[ring.number % len(DASHES)], owner, ring_part(ring)
                )


def ring_part(ring: Ring) -> str:
    """What the part of a picture is called that a ring is."""
    return f"ring.{ring.kind}.{ring.number % len(DASHES)}"


def ring_place(
    grid: Grid, ring: Ring, widths: Sequence[float], left: float, tops: list[float]
) -> tuple[float, float, float, float]:
    """Corner, width and height of a ring."""
    first, last = ring.column, ring.column + ring.columns
    bottom = tops[ring.row + ring.rows - 1] + row_height(grid)
    inset = 1.5 if ring.kind == "winner" else 0.0
    x, y, wide = left + sum(widths[:first]) + inset, tops[ring.row] + inset, sum(widths[first:last]) - 2 * inset
    return x, y, wide, bottom - tops[ring.row] - 2 * inset


def masks(columns: set[int], widths: Sequence[float], corner: Point, high: float, owner: str) -> Iterator[Mark]:
    """The ground of the cells of a row that a mask took out, struck through."""
    for column in sorted(columns):
        x, y = corner[0] + sum(widths[:column]), corner[1]
        yield Rect(x, y, widths[column], high, 0, "data", None, 0, (), owner, "masked")
        ends = (x, y + high), (x + widths[column], y)
        yield Curve((ends[0], ends[0], ends[1], ends[1]), "group.line", 1.4, (), owner, "strike")


def row_tops(grid: Grid, top: float) -> Iterator[float]:
    """Where each row begins."""
    high = row_height(grid)
    for i in range(len(grid.shades)):
        yield top + i * high + GAP * sum(gap <= i for gap in grid.gaps)


def fills(
    shades: tuple[int | None, ...], widths: Sequence[float], corner: Point, high: float, owner: str, *, image: bool
) -> Iterator[Mark]:
    """The fills of a row; neighbours of one shade share theirs. What is not finite is black in an image."""
    x, at = corner[0], 0
    for shade, run in groupby(shades):
        count = len(list(run))
        wide = sum(widths[at : at + count])
        if shade is None and image:
            yield Rect(x, corner[1], wide, high, 0, "ink", None, 0, (), owner, "blank")
        elif shade is not None and shade != NO_SHADE:
            role = SHADE_ROLES[SHADES + shade]
            yield Rect(x, corner[1], wide, high, 0, role, None, 0, (), owner, role)
        x, at = x + wide, at + count


def bars(grid: Grid, widths: Sequence[float], corner: Point, owner: str) -> Iterator[Mark]:
    """A bar for each element, up or down from where 0 is; what is not finite is black from top to bottom."""
    known = [bar for bar in grid.bars if bar is not None]
    top, bottom = max(max(known, default=0.0), 0.0), min(min(known, default=0.0), 0.0)
    high = row_height(grid)
    unit = high / ((top - bottom) or 1.0)
    x, zero = corner[0], corner[1] + top * unit
    for bar, wide in zip(grid.bars, widths, strict=True):
        if bar is None:
            yield Rect(x, corner[1], wide, high, 0, "ink", None, 0, (), owner, "blank")
        elif bar:
            role = SHADE_ROLES[-1] if bar > 0 else SHADE_ROLES[0]
            gap = 1.0 if wide > THIN else 0.0
            yield Rect(x, zero - max(bar, 0) * unit, wide - gap, abs(bar) * unit, 0, role, None, 0, (), owner, role)
        x += wide
    yield Curve(((corner[0], zero),) * 2 + ((x, zero),) * 2, "edge", 0.8, (), owner, "zero")


def numbers(
    grid: Grid,
    texts: tuple[str, ...],
    shades: tuple[int | None, ...],
    widths: Sequence[float],
    corner: Point,
    face: Face,
    owner: str,
    part: str,
    masked: set[int],
) -> Iterator[Mark]:
    """The numbers of a row, and a frame around each that is not finite and that no mask put there."""
    x, size, high = corner[0], em(grid), row_height(grid)
    base = corner[1] + PAD_Y + size * ASCENT
    named = f"cell.{part}.{'small' if grid.small else 'large'}"
    for column, (text, shade, wide) in enumerate(zip(texts, shades, widths, strict=False)):
        if shade is None and column not in masked:
            yield Rect(x + 1.5, corner[1] + 1.5, wide - 3, high - 3, 0, None, "ink", 1.5, (3, 2), owner, "odd")
        look = (
            (face.bold, face.italic, "middle", owner, named)
            if column not in masked
            else (False, face.italic, "middle", owner, f"{named}.masked")
        )
        yield Label(x + wide / 2, base, text, size, "ink" if column not in masked else "muted", *look)
        x += wide
