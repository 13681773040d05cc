"""The gallery -> contact sheets: all its pictures, small, with their names, for the README and the documentation.

python tools/make_gallery.py            # writes assets/gallery_CHAPTER.png
python tools/make_gallery.py FOLDER     # writes them there, and every picture beside them
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from graphviz_ad import gallery
from graphviz_ad._internal.base.save_file import write
from graphviz_ad._internal.renderers.images.matplotlib_canvas import canvas_png
from graphviz_ad._internal.scene.canvas import Canvas, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import shorten
from graphviz_ad._internal.scene.paint import moved_marks
from graphviz_ad._internal.scene.themes import theme
from graphviz_ad._internal.teaching.examples import Entry

SHEETS_FOLDER = Path(__file__).parent.parent / "docs" / "gallery"
SHEETS = {"classics": 7, "misconceptions": 5, "errors": 4, "pairs": 5, "figures": 3}  # chapter -> pictures a row
CELL, GAP, MARGIN, NAME = (300.0, 240.0), 14.0, 20.0, 24.0  # points


def contact_sheet(entries: Sequence[Entry], pictures: Sequence[Canvas], columns: int) -> Canvas:
    """All pictures in rows, each in a cell of its own with its name below it."""
    rows = -(-len(pictures) // columns)
    step = CELL[0] + GAP, CELL[1] + NAME + GAP
    marks = [
        mark
        for i, (entry, picture) in enumerate(zip(entries, pictures, strict=True))
        for mark in cell(entry, picture, MARGIN + i % columns * step[0], MARGIN + i // columns * step[1])
    ]
    size = 2 * MARGIN + columns * step[0] - GAP, 2 * MARGIN + rows * step[1] - GAP
    return Canvas(*size, tuple(marks), f"{len(pictures)} pictures: {'; '.join(entry.heading for entry in entries)}")


def cell(entry: Entry, picture: Canvas, x: float, y: float) -> Iterator[Mark]:
    """One picture, as large as its cell allows."""
    scale = min((CELL[0] - 12) / picture.width, (CELL[1] - 12) / picture.height)
    yield Rect(x, y, *CELL, 8, None, "group.line", 1.0)
    yield from moved_marks(
        picture.marks, scale, x + (CELL[0] - picture.width * scale) / 2, y + (CELL[1] - picture.height * scale) / 2
    )
    yield Label(x + CELL[0] / 2, y + CELL[1] + 17, shorten(entry.name, 13, CELL[0], True), 13, "ink", True)


def main(folder: Path, *, each: bool) -> None:
    """Draw everything."""
    folder.mkdir(parents=True, exist_ok=True)
    for chapter, columns in SHEETS.items():
        entries = gallery.entries(chapter)
        pictures = [entry().plot() for entry in entries]
        if each:
            for entry, picture in zip(entries, pictures, strict=True):
                picture.save(folder / f"{entry.name}.png")
        sheet = contact_sheet(entries, [picture.canvas for picture in pictures], columns)
        print(write(folder / f"{chapter}.png", small(canvas_png(sheet, theme("light"), scale=1.25))))


def small(data: bytes) -> bytes:
    """The PNG with a palette, in which rare colours stay: a third of the bytes."""
    made = io.BytesIO()
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    whole.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHEETS_FOLDER, each=len(sys.argv) > 1)
