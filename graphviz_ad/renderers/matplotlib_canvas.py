"""Canvas -> pixels, PNG and PDF through matplotlib; the only file that knows matplotlib.

Marks are drawn straight onto matplotlib's Agg and PDF renderers: no pyplot, no GUI, no figure that stays open, and no
setting of the reader's matplotlib that can change a picture. In PNG and films text is drawn as outlines, so that the
same text has the same pixels everywhere; in PDF it stays text, in embedded fonts.
"""

from __future__ import annotations

import io
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from threading import Lock
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.path import Path
from matplotlib.textpath import text_to_path
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from graphviz_ad.errors import GraphvizADWarning, SaveError
from graphviz_ad.font_metrics import text_width
from graphviz_ad.marks import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad.scene import Point
from graphviz_ad.themes import Theme
from graphviz_ad.visible_text import visible

Pixels = NDArray[np.uint8]  # (height, width, 3): red, green, blue
PixelBox = tuple[int, int, int, int]  # left, top, right, bottom; the last two are outside
RGB = tuple[float, float, float]

MOST_PIXELS_A_SIDE, MOST_PIXELS = 2**16 - 1, 2**28  # Agg's limit, and 1 GiB
KAPPA = 0.5522847498307936  # a cubic Bézier with handles this long is a quarter circle
MISSING = "\u25a1"  # a white square, which every DejaVu face has
FACES = {
    (False, False): "DejaVuSans.ttf",
    (True, False): "DejaVuSans-Bold.ttf",
    (False, True): "DejaVuSans-Oblique.ttf",
    (True, True): "DejaVuSans-BoldOblique.ttf",
}
PDF_SETTINGS: Mapping[Any, Any] = {
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "pdf.use14corefonts": False,
    "pdf.inheritcolor": False,
    "path.simplify": False,
}
PDF_LOCK = Lock()  # settings are matplotlib's globals: two threads would restore each other's


def png(canvas: Canvas, theme: Theme, *, scale: float = 2.0, transparent: bool = False, metadata: Mapping[str, str] = {}) -> bytes:
    """The picture as PNG, ``scale`` pixels a point, with the metadata as text chunks."""
    surface = _Surface(canvas, theme, scale)
    clear = transparent or canvas.background is None
    surface.draw(canvas.marks, None if clear else theme[canvas.background or "paper"])
    _warn_of_missing(canvas.marks)
    image = Image.fromarray(surface.buffer if clear else surface.buffer[..., :3].copy())
    chunks = PngInfo()
    for key, text in metadata.items():
        chunks.add_text(key, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=chunks, dpi=(72 * scale, 72 * scale))
    return file.getvalue()


def pixels(canvas: Canvas, theme: Theme, *, scale: float = 1.0) -> Pixels:
    """The picture as an array, ``scale`` pixels a point; a transparent one lies on the theme's paper."""
    surface = _Surface(canvas, theme, scale)
    surface.draw(canvas.marks, theme[canvas.background or "paper"])
    _warn_of_missing(canvas.marks)
    return surface.buffer[..., :3].copy()


def frames(canvases: Iterable[Canvas], theme: Theme, *, scale: float = 1.0) -> Iterator[Pixels]:
    """The pixels of each canvas, all of one size; only what changed since the one before is drawn again."""
    surface: _Surface | None = None
    before: Canvas | None = None
    seen: dict[Mark, None] = {}
    for canvas in canvases:
        paper = theme[canvas.background or "paper"]
        if surface is None or before is None or (before.width, before.height) != (canvas.width, canvas.height):
            surface = _Surface(canvas, theme, scale)
            surface.draw(canvas.marks, paper)
            picture = surface.buffer[..., :3].copy()
        elif before.background != canvas.background:
            surface.draw(canvas.marks, paper)
            picture = surface.buffer[..., :3].copy()
        elif before.marks != canvas.marks:
            surface.redraw(picture, _changes(before.marks, canvas.marks), canvas.marks, paper)
        seen.update(dict.fromkeys(canvas.marks))
        before = canvas
        yield picture.copy()
    _warn_of_missing(seen)


def pdf(canvas: Canvas, theme: Theme, *, transparent: bool = True, title: str = "") -> bytes:
    """The picture as one vector page of its own size, fonts embedded."""
    return pdf_pages([canvas], theme, transparent=transparent, title=title)


def pdf_pages(canvases: Iterable[Canvas], theme: Theme, *, transparent: bool = True, title: str = "") -> bytes:
    """A page for each picture, all as large as the largest, so that nothing jumps when the pages are turned."""
    canvases = list(canvases)
    size = max(canvas.width for canvas in canvases), max(canvas.height for canvas in canvases)
    about = {"CreationDate": None, "Creator": None, "Producer": None} | ({"Title": visible(title)} if title else {})
    file = io.BytesIO()
    with PDF_LOCK, mpl.rc_context(dict(PDF_SETTINGS)), PdfPages(file, metadata=about) as pages:
        for canvas in canvases:
            figure = Figure(figsize=(size[0] / 72, size[1] / 72))
            figure.patch.set_visible(False)
            figure.add_artist(_Page(canvas, theme, transparent))
            FigureCanvasPdf(figure).print_pdf(pages)  # type: ignore[no-untyped-call]
    _warn_of_missing(mark for canvas in canvases for mark in canvas.marks)
    return file.getvalue()


# Marks -> shapes: what Agg and PDF have in common


@dataclass(frozen=True)
class _Space:
    """From points, y down, to the units of a renderer, y up; ``snap`` puts straight borders on whole pixels."""

    scale: float
    height: float
    snap: bool = False

    def vertices(self, points: Iterable[Point]) -> NDArray[np.float64]:
        """The points as matplotlib wants them."""
        return np.array([(x * self.scale, self.height - y * self.scale) for x, y in points])


@dataclass(frozen=True)
class _Shape:
    """A path in the units of the renderer, filled or stroked or both; ``box`` holds every pixel that it can touch."""

    path: Path
    fill: RGB | None
    stroke: RGB | None
    line: float
    dash: tuple[float, ...]
    box: PixelBox

    def draw(self, renderer: RendererBase) -> None:
        """Put the shape on top of what was drawn before."""
        context = renderer.new_gc()
        context.set_snap(False)
        context.set_joinstyle("round")
        context.set_capstyle("butt")
        context.set_linewidth(self.line if self.stroke else 0)
        if self.stroke:
            context.set_foreground(self.stroke)
            context.set_dashes(0, list(self.dash) or None)
        renderer.draw_path(context, self.path, IdentityTransform(), self.fill)
        context.restore()


def _shape(mark: Mark, theme: Theme, space: _Space) -> _Shape:
    line = 0.0
    dash: tuple[float, ...] = ()
    fill: str | None = None
    stroke: str | None = None
    if isinstance(mark, Label):
        path, fill = _placed_text(mark, space), mark.color
    elif isinstance(mark, Polygon):
        path, fill = Path(space.vertices([*mark.points, mark.points[0]]), closed=True), mark.fill
    elif isinstance(mark, Curve):
        codes = [Path.MOVETO] + [Path.CURVE4] * (len(mark.points) - 1)
        path, stroke, line, dash = Path(space.vertices(mark.points), codes), mark.stroke, mark.line, mark.dash
    else:
        path, fill, stroke, line, dash = _rounded(mark, space), mark.fill, mark.stroke, mark.line, mark.dash
    path.should_simplify = False  # or the reader's rcParams would decide
    line *= space.scale
    return _Shape(
        path,
        to_rgb(theme[fill]) if fill else None,
        to_rgb(theme[stroke]) if stroke else None,
        line,
        tuple(length * space.scale for length in dash),
        _box(path, line / 2 if stroke else 0.0, space.height),
    )


def _box(path: Path, margin: float, height: float) -> PixelBox:
    points = np.asarray(path.vertices, np.float64)
    if not len(points):
        return 0, 0, 0, 0
    left, low = points.min(axis=0) - margin - 1  # a pixel more, for anti-aliasing
    right, high = points.max(axis=0) + margin + 1
    return math.floor(left), math.floor(height - high), math.ceil(right), math.ceil(height - low)


def _rounded(rect: Rect, space: _Space) -> Path:
    left, right = rect.x * space.scale, (rect.x + rect.width) * space.scale
    top, bottom = rect.y * space.scale, (rect.y + rect.height) * space.scale
    radius = min(rect.radius, rect.width / 2, rect.height / 2) * space.scale
    if space.snap and 2 * radius < min(right - left, bottom - top):  # a circle stays a circle
        half = rect.line * space.scale / 2 if rect.stroke else 0.0
        left, top, right, bottom = (round(edge - half) + half for edge in (left, top, right, bottom))
    flat = _Space(1, space.height)
    if radius <= 0:
        return Path(flat.vertices([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]), closed=True)
    handle = radius * (1 - KAPPA)
    corners = [  # where the corner is, and the way from it along the sides, in clockwise order
        (right, top, (-1, 0), (0, 1)),
        (right, bottom, (0, -1), (-1, 0)),
        (left, bottom, (1, 0), (0, -1)),
        (left, top, (0, 1), (1, 0)),
    ]
    points = [(left + radius, top)]
    for x, y, (ax, ay), (bx, by) in corners:
        points += [(x + ax * d, y + ay * d) for d in (radius, handle)] + [(x + bx * d, y + by * d) for d in (handle, radius)]
    codes = [Path.MOVETO] + [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4] * 4 + [Path.CLOSEPOLY]
    return Path(flat.vertices([*points, points[0]]), codes)


# Text


def _placed_text(label: Label, space: _Space) -> Path:
    text, x = _shown(label), _start(label)
    outline = _outline(text, label.bold, label.italic)
    factor = label.size * space.scale / text_to_path.FONT_SCALE
    origin = (x * space.scale, space.height - label.y * space.scale)
    return Path(np.asarray(outline.vertices, np.float64) * factor + origin, outline.codes)


def _start(label: Label) -> float:
    width = text_width(_shown(label), label.size, label.bold)
    return label.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]


@lru_cache(maxsize=4096)
def _outline(text: str, bold: bool, italic: bool) -> Path:
    vertices, codes = text_to_path.get_text_path(_font(bold, italic), text)
    return Path(np.reshape(vertices, (-1, 2)), codes or None)


def _font(bold: bool, italic: bool, size: float = 10.0) -> FontProperties:
    # the file itself, not the family: what is installed must not matter
    return FontProperties(family="DejaVu Sans", size=size, fname=_face(bold, italic))


@lru_cache(maxsize=4)
def _face(bold: bool, italic: bool) -> str:
    return str(FilePath(mpl.get_data_path(), "fonts", "ttf", FACES[bold, italic]))


@lru_cache(maxsize=4)
def _glyphs(bold: bool, italic: bool) -> frozenset[str]:
    return frozenset(map(chr, get_font(_face(bold, italic)).get_charmap()))


def _shown(label: Label) -> str:
    """What is drawn for the text: nothing invisible, and a square for what DejaVu Sans does not have."""
    glyphs = _glyphs(label.bold, label.italic)
    return "".join(char if char in glyphs else MISSING for char in visible(label.text))


def _warn_of_missing(marks: Iterable[Mark]) -> None:
    labels = (mark for mark in marks if isinstance(mark, Label))
    chars = sorted({char for label in labels for char in set(visible(label.text)) - _glyphs(label.bold, label.italic)})
    if chars:
        named = ", ".join(f"{char} (U+{ord(char):04X})" for char in chars[:10])
        named += f" and {len(chars) - 10} more" if len(chars) > 10 else ""
        message = f"DejaVu Sans has no glyph for {named}: drawn as {MISSING}; save as .svg or .html, which use the reader's fonts"
        warnings.warn(message, GraphvizADWarning, stacklevel=3)


# Agg


class _Surface:
    """A pixel buffer of the size of a canvas, and the shapes drawn on it so far."""

    def __init__(self, canvas: Canvas, theme: Theme, scale: float) -> None:
        width, height = _size(canvas, scale)
        agg: Any = RendererAgg  # matplotlib does not type it
        self.renderer = agg(width, height, 72)
        self.buffer: Pixels = np.asarray(self.renderer.buffer_rgba())
        self.packed = self.buffer.view(np.uint32)[..., 0]
        self.theme, self.space = theme, _Space(scale, height, snap=True)
        self.shapes: dict[Mark, _Shape] = {}

    def shape(self, mark: Mark) -> _Shape:
        """The shape of the mark, made once."""
        shape = self.shapes.get(mark)
        if shape is None:
            shape = self.shapes[mark] = _shape(mark, self.theme, self.space)
        return shape

    def draw(self, marks: Sequence[Mark], paper: str | None) -> None:
        """The whole picture; no paper, transparent."""
        self.packed[:] = _packed(paper)
        for mark in marks:
            self.shape(mark).draw(self.renderer)

    def redraw(self, picture: Pixels, changed: Iterable[Mark], marks: Sequence[Mark], paper: str) -> None:
        """Bring ``picture`` up to date where marks changed.

        Every mark that reaches into a changed box is drawn whole, for a clipped one would get other pixels at its edges; what
        that spoils outside the boxes stays in the buffer and is never copied.
        """
        height, width = self.buffer.shape[:2]
        boxes = np.clip(_outermost({self.shape(mark).box for mark in changed}), 0, (width, height, width, height))
        for left, top, right, bottom in boxes:
            self.packed[top:bottom, left:right] = _packed(paper)
        shapes = [self.shape(mark) for mark in marks]
        for index in np.flatnonzero(_meet(np.array([shape.box for shape in shapes]).reshape(-1, 4), boxes)):
            shapes[index].draw(self.renderer)
        for left, top, right, bottom in boxes:
            picture[top:bottom, left:right] = self.buffer[top:bottom, left:right, :3]


def _changes(before: Sequence[Mark], after: Sequence[Mark]) -> list[Mark]:
    """The marks that came, went or changed their place in the order."""
    if len(before) == len(after):
        return _differing(before, after)
    old, new = Counter(before), Counter(after)
    changed = dict.fromkeys([*(old - new), *(new - old)])
    return [*changed, *_differing([mark for mark in before if mark not in changed], [mark for mark in after if mark not in changed])]


def _differing(before: Sequence[Mark], after: Sequence[Mark]) -> list[Mark]:
    return [mark for pair in zip(before, after, strict=True) if pair[0] != pair[1] for mark in pair]


def _outermost(boxes: Iterable[PixelBox]) -> list[PixelBox]:
    """The boxes that lie in no other: of a node that changed, its frame, without its words."""
    kept: list[PixelBox] = []
    for box in sorted(boxes, key=lambda box: ((box[0] - box[2]) * (box[3] - box[1]), box)):
        if not any(a[0] <= box[0] and a[1] <= box[1] and box[2] <= a[2] and box[3] <= a[3] for a in kept):
            kept.append(box)
    return kept


def _meet(boxes: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of the boxes overlaps any of the others."""
    left, top, right, bottom = boxes.T[:, :, None]
    across = (left < others[:, 2]) & (others[:, 0] < right)
    down = (top < others[:, 3]) & (others[:, 1] < bottom)
    result: NDArray[np.bool_] = (across & down).any(axis=1)
    return result


def _packed(color: str | None) -> np.uint32:
    """A pixel of the colour as one number, in the byte order of the machine; white but transparent for None."""
    rgba = bytes.fromhex(f"{color[1:]}FF" if color else "FFFFFF00")
    return np.uint32(np.frombuffer(rgba, np.uint32)[0])


def _size(canvas: Canvas, scale: float) -> tuple[int, int]:
    width, height = (max(1, math.ceil(length * scale - 1e-6)) for length in (canvas.width, canvas.height))
    if max(width, height) > MOST_PIXELS_A_SIDE or width * height > MOST_PIXELS:
        raise SaveError(f"a picture of {width} x {height} pixels is too large; give a smaller scale= or save as .svg or .pdf")
    return width, height


# PDF


class _Page(Artist):
    """The marks of a canvas as the one artist of a page."""

    def __init__(self, canvas: Canvas, theme: Theme, transparent: bool) -> None:
        super().__init__()
        self.canvas, self.theme, self.transparent = canvas, theme, transparent

    def draw(self, renderer: RendererBase) -> None:
        """Draw them in points."""
        canvas = self.canvas
        _, height = renderer.get_canvas_width_height()
        space = _Space(1.0, height)
        paper = [Rect(0, 0, canvas.width, canvas.height, fill=canvas.background)] if canvas.background and not self.transparent else []
        for mark in [*paper, *canvas.marks]:
            if isinstance(mark, Label):
                self._write(mark, renderer, space)
            else:
                _shape(mark, self.theme, space).draw(renderer)

    def _write(self, label: Label, renderer: RendererBase, space: _Space) -> None:
        context = renderer.new_gc()
        context.set_foreground(self.theme[label.color])
        font = _font(label.bold, label.italic, label.size)
        renderer.draw_text(context, _start(label), space.height - label.y, _shown(label), font, 0.0)
        context.restore()
