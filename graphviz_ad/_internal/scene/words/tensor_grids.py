"""Snapshot -> the grid of cells in which every element of a small tensor can be read, or its image where they are too
many.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graphviz_ad._internal.base.made_once import made_once
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import every_element, how_written, is_noise, short_element, type_label
from graphviz_ad._internal.scene.scene import NO_SHADE, SHADES, Grid
from graphviz_ad._internal.scene.words.cards import is_of_numbers

MOST_ROWS = 10  # and columns, whose elements are written
MOST_IN_VECTOR, LONGEST_ROW = 16, 8  # of a vector: elements that are written, and those of them in one row
IMAGE_ROWS, IMAGE_COLUMNS = 48, 256  # of which an image is drawn
MOST_TILES, FEWEST_BARS = 8, 6  # matrices that stand side by side in an image; elements that are drawn as bars

Row = Sequence[Any]


@dataclass(frozen=True)
class Tensors:
    """Which tensors are shown as grids of all their elements: values, gradients, and what flows back along edges;
    whether all of those are set small, or gradients alone, and whether values have a heading where their gradients
    have one. ``images``: what is not written is seen as colours. Of a tensor with more than ``most`` elements none is
    written.
    """

    values: bool = True
    gradients: bool = True
    edges: bool = True
    small: bool = False
    small_gradients: bool = False
    headings: bool = True
    images: bool = True
    most: int = MOST_ROWS**2

    def writes(self, snap: Snapshot | None) -> bool:
        """Whether the elements of a tensor may be written, where it is shown as a grid."""
        return snap is None or snap.numel <= self.most


ALL = Tensors()


def value_grid_of(snap: Snapshot, *, small: bool = False, headings: bool = True) -> Grid | None:
    """The elements of a value, with its type above it where the cells do not tell its shape."""
    grid = grid_of(snap, "", small=small)
    if grid is None:
        return None
    if not is_plain(snap.shape, len(grid.rows)):
        return replace(grid, heading=f"value {type_label(snap)}")
    return replace(grid, heading="value" if headings and len(grid.rows) > 1 else "")


def grid_of(snap: Snapshot | None, heading: str, *, small: bool = False, most: int = MOST_ROWS) -> Grid | None:
    """The elements of a tensor as cells; None of a number, of one whose elements are not known, and of one with more
    rows or columns than ``most`` or than can be read.
    """
    if snap is None:
        return None
    make = partial(_grid, snap, heading, small=small, most=most)
    return made_once(make, snap, "grid", heading, small, most, *how_written())


def _grid(snap: Snapshot, heading: str, *, small: bool, most: int) -> Grid | None:
    rows = rows_in_grid(snap, most)
    if rows is None:
        return None
    texts = tuple([tuple([short_element(element, snap) for element in row]) for row in rows])
    said = f"{heading} {every_element(snap)}".lstrip()
    shades = made_once(lambda: shades_of(without_noise(rows, snap)), snap, "shades in a grid", most)
    return Grid(said, heading, texts, shades, gaps(snap.shape, len(rows)), small)


def without_noise(rows: Sequence[Row], snap: Snapshot) -> list[Row]:
    """The elements with 0 for what is no more than what rounding left of a sum."""
    return [[0.0 if is_noise(element, snap) else element for element in row] for row in rows]


def rows_in_grid(snap: Snapshot | None, most: int = MOST_ROWS) -> Sequence[Row] | None:
    """The elements of a tensor as they stand in a grid; None where there is none."""
    rows = rows_of(snap)
    if snap is None or not rows or snap.numel < 2:
        return None
    if len(snap.shape) == 1:
        return in_rows(rows[0]) if snap.numel <= min(MOST_IN_VECTOR, 2 * most) else None
    return rows if len(rows) <= most and len(rows[0]) <= most else None


def image_of(snap: Snapshot | None, heading: str, said: str, *, small: bool = False) -> Grid | None:
    """A tensor as colours alone, of one row as bars; None where its elements are not known, where it is no number and
    no image, and of a row of whole numbers, as those of tokens, of which the size says nothing.

    ``said`` is what the line with the image says.
    """
    rows = rows_of(snap)
    if snap is None or not rows or snap.numel < 2:
        return None
    if len(rows) == 1 and is_of_numbers(snap):
        return None
    tiled = tiles(snap.shape) > 1
    shades = made_once(lambda: shades_of(rows), snap, "shades in an image")
    pixels = side_by_side(shades, snap.shape) if tiled else shades
    if len(pixels) > IMAGE_ROWS or len(pixels[0]) > IMAGE_COLUMNS:
        return None
    if all(shade in (None, NO_SHADE) for row in pixels for shade in row):
        return None
    bars = bars_of(rows[0]) if len(rows) == 1 and len(rows[0]) >= FEWEST_BARS else ()
    return Grid(said, heading, (), pixels, () if tiled else gaps(snap.shape, len(rows)), small, bars=bars)


def tiles(shape: tuple[int, ...]) -> int:
    """How many matrices of a tensor stand side by side in its image."""
    if len(shape) < 3 or shape[-2] == 1:
        return 1
    count = math.prod(shape[:-2])
    return count if count <= MOST_TILES else 1


def side_by_side(shades: Sequence[Sequence[int | None]], shape: tuple[int, ...]) -> tuple[tuple[int | None, ...], ...]:
    """The rows of matrices that stand one below the other as those of one image, with a column of nothing between
    them.
    """
    high = shape[-2]
    parts = [shades[i : i + high] for i in range(0, len(shades), high)]
    return tuple(
        [
            tuple([pixel for i, part in enumerate(parts) for pixel in (*([NO_SHADE] if i else []), *part[row])])
            for row in range(high)
        ]
    )


def cell_in_image(shape: tuple[int, ...], place: int) -> tuple[int, int]:
    """Row and column, in the image of a tensor of that shape, of the element at a place, counted through."""
    row, column = divmod(place, max(shape[-1], 1))
    if tiles(shape) == 1:
        return row, column
    tile, row = divmod(row, shape[-2])
    return row, tile * (shape[-1] + 1) + column


def cell_in_grid(shape: tuple[int, ...], place: int) -> tuple[int, int]:
    """The same in the grid."""
    return divmod(place, row_length(shape))


def bars_of(row: Row) -> tuple[float | None, ...]:
    """How high each bar is, as a part of the highest; none of complex numbers."""
    if any(isinstance(x, complex) for x in row):
        return ()
    largest = max((abs(float(x)) for x in row if is_finite(x)), default=0.0) or 1.0
    return tuple([float(x) / largest if is_finite(x) else None for x in row])


def rows_of(snap: Snapshot | None) -> list[list[Any]]:
    """The elements in rows, those of more than two dimensions one matrix below the other; none where they are not
    known.
    """
    if snap is None or snap.array is None or not snap.shape or not snap.numel:
        return []
    found: list[list[Any]] = snap.array.reshape(-1, snap.shape[-1]).tolist()
    return found


def in_rows(row: list[Any]) -> list[list[Any]]:
    """A vector in rows of equal length."""
    each = row_length((len(row),))
    return [row[i : i + each] for i in range(0, len(row), each)]


def row_length(shape: tuple[int, ...]) -> int:
    """How many elements stand in a row of the grid of a tensor of that shape."""
    if len(shape) != 1 or shape[0] > MOST_IN_VECTOR:
        return max(shape[-1], 1)
    return math.ceil(shape[0] / math.ceil(shape[0] / LONGEST_ROW)) if shape[0] else 1


def is_plain(shape: tuple[int, ...], rows: int) -> bool:
    """Whether its cells tell the shape of a tensor: a vector in one row, a matrix in several."""
    return (len(shape) == 1 and rows == 1) or (len(shape) == 2 and rows > 1)


def gaps(shape: tuple[int, ...], rows: int) -> tuple[int, ...]:
    """The rows before which something else begins: the next matrix, or the rest of a vector."""
    each = 1 if len(shape) == 1 else rows if len(shape) == 2 else shape[-2]
    return tuple(range(each, rows, each))


def shades_of(rows: Sequence[Row]) -> tuple[tuple[int | None, ...], ...]:
    """How far from 0 each element is, on one scale for all: from −4 to 4, 0 only for 0; `NO_SHADE` for complex
    numbers, None for what is not finite.
    """
    sizes = [abs(float(x)) for row in rows for x in row if is_finite(x)]
    largest = max(sizes, default=0.0)
    return tuple([tuple([shade(x, largest) for x in row]) for row in rows])


def shade(x: Any, largest: float) -> int | None:
    """The shade of one element."""
    if isinstance(x, complex) and cmath.isfinite(x):
        return NO_SHADE
    if not is_finite(x):
        return None
    number: Any = x
    share = abs(float(number)) / largest if largest else 0.0
    return int(math.copysign(math.ceil(SHADES * share), float(number))) if number else 0


def is_finite(x: Any) -> bool:
    """Whether an element is a finite real number."""
    return not isinstance(x, complex) and math.isfinite(x)
