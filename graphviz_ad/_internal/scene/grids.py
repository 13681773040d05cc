"""Grid -> how large it is, and its marks: cells with numbers on a fill that says how far from 0 they are.

The fill has hues that mean nothing else; the sign of each number stands before it. What is no finite number has a
frame of its own instead of a fill.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise, zip_longest

from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, text_width
from graphviz_ad._internal.scene.scene import NO_SHADE, SHADES, Grid, Point

HEADING, LARGE, SMALL = 12.5, 15.0, 12.5  # ems, in points
PAD_X, PAD_Y, GAP, LEAST = 4.0, 2.0, 4.0, 18.0  # around a number; before another matrix; width of a cell
IMAGE_WIDTH, IMAGE_HEIGHT, PIXEL = 130.0, 90.0, 10.0  # of an image at most, and of one of its elements
STRIP = 14.0  # height of an image of one row
BESIDE = 5.0  # between a heading and the row that it stands before
LIFT = 3.0  # between a heading and the grid below it
SHADE_ROLES = (*(f"shade.n{i}" for i in range(SHADES, 0, -1)), "shade.0", *(f"shade.p{i + 1}" for i in range(SHADES)))
PARTS = ("grid", "odd", "blank", *SHADE_ROLES)  # what rectangles of a grid are called


@dataclass(frozen=True)
class Face:
    """How numbers are set, by the role of their line; its colour is that of what the grid is called."""

    color: str
    bold: bool
    italic: bool


def em(grid: Grid) -> float:
    """The size of its numbers."""
    return SMALL if grid.small else LARGE


def in_one_row(grid: Grid) -> bool:
    """Whether its heading has room before its only row."""
    return len(grid.shades) == 1


def column_widths(grid: Grid, bold: bool) -> list[float]:
    """The width of each column of cells, in points."""
    if not grid.rows:
        count = max(map(len, grid.shades))
        return [min(PIXEL, IMAGE_WIDTH / count)] * count
    columns = zip_longest(*grid.rows, fillvalue="")
    wide = [max(text_width(text, em(grid), bold) for text in column) for column in columns]
    return [max(each + 2 * PAD_X, LEAST) for each in wide]


def row_height(grid: Grid) -> float:
    """The height of a row of cells, in points."""
    if grid.rows:
        return em(grid) * (ASCENT + DESCENT) + 2 * PAD_Y
    return STRIP if in_one_row(grid) else min(PIXEL, IMAGE_HEIGHT / len(grid.shades))


def cells_size(grid: Grid, bold: bool) -> Point:
    """Width and height of the cells."""
    return sum(column_widths(grid, bold)), len(grid.shades) * row_height(grid) + GAP * len(grid.gaps)


def grid_size(grid: Grid, bold: bool) -> Point:
    """Width and height of the cells with their heading."""
    width, height = cells_size(grid, bold)
    title = text_width(grid.heading, HEADING)
    if not title:
        size = width, height
    elif in_one_row(grid):
        size = width + title + BESIDE, max(height, HEADING)
    else:
        size = max(width, title), height + HEADING * (ASCENT + DESCENT) + LIFT
    return max(size[0], grid.least), size[1]


def grid_marks(grid: Grid, corner: Point, width: float, face: Face, owner: str, part: str) -> Iterator[Mark]:
    """The cells with their heading, in the middle of so much width."""
    wide, high = grid_size(grid, face.bold)
    cells, _ = cells_size(grid, face.bold)
    x, y = corner[0] + (width - wide) / 2, corner[1]
    if grid.heading and in_one_row(grid):
        yield heading(grid, x, y + (high + HEADING * (ASCENT - DESCENT)) / 2, "start", face, owner)
        x += wide - cells
    elif grid.heading:
        yield heading(grid, x + wide / 2, y + HEADING * ASCENT, "middle", face, owner)
        y += HEADING * (ASCENT + DESCENT) + LIFT
        x += (wide - cells) / 2
    else:
        x += (wide - cells) / 2
    yield from blocks(grid, (x, y), face, owner, part)


def heading(grid: Grid, x: float, y: float, anchor: str, face: Face, owner: str) -> Label:
    """What the grid is called."""
    return Label(x, y, grid.heading, HEADING, face.color, False, face.italic, anchor, owner, f"heading.{face.color}")


def blocks(grid: Grid, corner: Point, face: Face, owner: str, part: str) -> Iterator[Mark]:
    """The fills of all cells, what frames each block of them, and the numbers on top."""
    widths, high = column_widths(grid, face.bold), row_height(grid)
    tops = list(row_tops(grid, corner[1]))
    for shades, top in zip(grid.shades, tops, strict=True):
        yield from fills(shades, widths, (corner[0], top), high, owner, image=not grid.rows)
    starts = [0, *grid.gaps, len(tops)]
    for first, last in pairwise(starts):
        wide = sum(widths[: len(grid.shades[first])])
        size = wide, (last - first) * high
        yield Rect(corner[0], tops[first], *size, 0, None, "group.line", 1.0, (), owner, "grid")
    for texts, shades, top in zip(grid.rows, grid.shades, tops, strict=False):
        yield from numbers(grid, texts, shades, widths, (corner[0], top), face, owner, part)


def row_tops(grid: Grid, top: float) -> Iterator[float]:
    """Where each row begins."""
    high = row_height(grid)
    for i in range(len(grid.shades)):
        yield top + i * high + GAP * sum(gap <= i for gap in grid.gaps)


def fills(
    shades: tuple[int | None, ...], widths: list[float], corner: Point, high: float, owner: str, *, image: bool
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


def numbers(
    grid: Grid,
    texts: tuple[str, ...],
    shades: tuple[int | None, ...],
    widths: list[float],
    corner: Point,
    face: Face,
    owner: str,
    part: str,
) -> Iterator[Mark]:
    """The numbers of a row, and a frame around each that is not finite."""
    x, size, high = corner[0], em(grid), row_height(grid)
    base = corner[1] + PAD_Y + size * ASCENT
    named = f"cell.{part}.{'small' if grid.small else 'large'}"
    for text, shade, wide in zip(texts, shades, widths, strict=False):
        if shade is None:
            yield Rect(x + 1.5, corner[1] + 1.5, wide - 3, high - 3, 0, None, "ink", 1.5, (3, 2), owner, "odd")
        yield Label(x + wide / 2, base, text, size, "ink", face.bold, face.italic, "middle", owner, named)
        x += wide
