"""Film -> one sheet with its most telling frames, for a handout: read like a comic, row by row, it ends on the
complete picture.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.scene.canvas import Canvas, Mark, Rect
from graphviz_ad._internal.scene.paint import moved_marks, paint_frame
from graphviz_ad._internal.scene.scene import Film

PAGE, MARGIN, GAP = 842.0, 24.0, 12.0  # points: the long side of A4, around the sheet, between frames
CLOSER = 0.68  # of a frame's pixels: on paper, captions are larger beside the picture than on a screen


def storyboard(film: Film, rows: int = 2, columns: int = 3) -> Canvas:
    """The sheet; it has fewer frames where the film has."""
    if any(type(number) is not int or not 1 <= number <= 20 for number in (rows, columns)):
        raise OptionError(
            f"a storyboard of {rows!r} x {columns!r} frames cannot be; give whole numbers from 1 to 20, such as rows=2,"
            " columns=3"
        )
    chosen = telling(film, rows * columns)
    rows = -(-len(chosen) // columns)
    cell = round(film.size[0] * CLOSER), round(film.size[1] * CLOSER)
    scale = (PAGE - 2 * MARGIN - (columns - 1) * GAP) / columns / cell[0]
    width, height = cell[0] * scale, cell[1] * scale
    marks: list[Mark] = []
    for place, index in enumerate(chosen):
        x, y = MARGIN + place % columns * (width + GAP), MARGIN + place // columns * (height + GAP)
        marks += [*moved_marks(paint_frame(film, index, cell).marks, scale, x, y), *border(x, y, width, height)]
    return Canvas(
        PAGE,
        2 * MARGIN + rows * height + (rows - 1) * GAP,
        tuple(marks),
        f"{counted_noun(len(chosen), 'frame')}. {film.stage.alt}",
        "paper",
    )


def telling(film: Film, count: int) -> list[int]:
    """Which steps: the last of each of equally long stretches, so that the last one is the complete picture."""
    steps = len(film.steps)
    return sorted({round((k + 1) * steps / count) - 1 for k in range(count)} - {-1})


def border(x: float, y: float, width: float, height: float) -> Iterator[Mark]:
    """A line around a frame."""
    yield Rect(x, y, width, height, 4, None, "group.line", 1.0)
