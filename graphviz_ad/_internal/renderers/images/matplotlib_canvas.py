"""Canvas -> pixels and PNG through matplotlib; with `letters` and `matplotlib_axes` all that knows matplotlib.

Marks are drawn straight onto matplotlib's Agg renderer: no pyplot, no GUI, no figure that stays open, and no setting of
the reader's matplotlib that can change a picture. Text is drawn as outlines, so that the same text has the same pixels
everywhere.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from graphviz_ad._internal.base.errors import SaveError
from graphviz_ad._internal.base.visible_text import whole_text
from graphviz_ad._internal.renderers.images import letters
from graphviz_ad._internal.renderers.images.shots import PixelBox, Pixels
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.scene import Point
from graphviz_ad._internal.scene.themes import Theme

RGBA = tuple[float, float, float, float]

KAPPA = 0.5522847498307936  # a cubic Bézier with handles this long is a quarter circle


def _corners() -> NDArray[np.float64]:
    """What each point of a rounded rectangle takes from its left, right, radius, top and bottom, y up: clockwise,
    from the left end of the top.
    """
    left, right, radius, top, bottom = np.eye(5)
    handle = (1 - KAPPA) * radius
    corners = [
        (right, top, -1, 0, 0, -1),
        (right, bottom, 0, 1, -1, 0),
        (left, bottom, 1, 0, 0, 1),
        (left, top, 0, -1, 1, 0),
    ]
    points = [(left + radius, top)]
    for x, y, ax, ay, bx, by in corners:  # the corner, and the ways from it along its two sides
        points += [(x + ax * d, y + ay * d) for d in (radius, handle)] + [
            (x + bx * d, y + by * d) for d in (handle, radius)
        ]
    return np.array([*points, points[0]]).transpose(1, 0, 2)


MOST_PIXELS_A_SIDE, MOST_PIXELS = 2**16 - 1, 2**28  # Agg's limit, and 1 GiB
MOST_PIXELS_READ = 2**26  # Pillow takes a picture of some more for an attack
MOST_SHAPES = 20_000  # that are kept, for marks that come again
MOST_CHANGED = 0.6  # of a picture; beyond it, all of it is drawn again
LEGIBLE = 2.5  # pixels an em; smaller letters are a line
CRISP = 8.0  # pixels; larger letters stand on whole pixels, smaller ones where they should
CORNERS = _corners()  # times left, right, radius, top and bottom: x and y of a rounded rectangle
ROUNDED = np.array([Path.MOVETO, *[Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4] * 4, Path.CLOSEPOLY], np.uint8)
NOTHING: RGBA = (0.0, 0.0, 0.0, 0.0)


def canvas_png(
    canvas: Canvas, theme: Theme, *, scale: float = 2.0, transparent: bool = False, metadata: Mapping[str, str] = {}
) -> bytes:
    """The picture as PNG, ``scale`` pixels a point, with the metadata as text chunks."""
    surface = _Surface(canvas, theme, scale)
    clear = transparent or canvas.background is None
    surface.draw(canvas.marks, None if clear else theme[canvas.background or "paper"])
    letters.warn_of_missing(canvas.marks)
    image = Image.fromarray(surface.buffer if clear else surface.buffer[..., :3].copy())
    chunks = PngInfo()
    for key, text in metadata.items():
        chunks.add_text(key, whole_text(text))
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=chunks, dpi=(72 * scale, 72 * scale))
    return file.getvalue()


def pixels(canvas: Canvas, theme: Theme, *, scale: float = 1.0) -> Pixels:
    """The picture as an array, ``scale`` pixels a point; a transparent one lies on the theme's paper."""
    surface = _Surface(canvas, theme, scale)
    surface.draw(canvas.marks, theme[canvas.background or "paper"])
    letters.warn_of_missing(canvas.marks)
    return surface.buffer[..., :3].copy()


def clear_picture(canvas: Canvas, theme: Theme) -> NDArray[np.uint8]:
    """The marks alone, a pixel a unit: red, green, blue, and how much each pixel hides of what is behind it."""
    surface = _Surface(canvas, theme, 1.0)
    surface.draw(canvas.marks, None)
    return surface.buffer.copy()


def frames(canvases: Iterable[Canvas], theme: Theme, *, scale: float = 1.0) -> Iterator[Pixels]:
    """The pixels of each canvas, all of one size; only what changed since the one before is drawn again."""
    return (picture.copy() for picture, _ in changing(canvases, theme, scale=scale))


def changing(
    canvases: Iterable[Canvas], theme: Theme, *, scale: float = 1.0, smaller: str = ""
) -> Iterator[tuple[Pixels, tuple[PixelBox, ...]]]:
    """The pixels of each canvas in one array that is used again and again, and the boxes in which they differ from
    the one before.

    Canvases that share marks, as the same objects, are compared and drawn fastest. ``smaller`` says what makes such
    pictures smaller, if anything does.
    """
    surface: _Surface | None = None
    picture: NDArray[np.uint32] = np.empty((0, 0), np.uint32)
    before: Canvas | None = None
    for canvas in canvases:
        paper = theme[canvas.background or "paper"]
        if surface is None or before is None or (before.width, before.height) != (canvas.width, canvas.height):
            surface = _Surface(canvas, theme, scale, smaller)
            picture = surface.packed.copy()
            boxes: tuple[PixelBox, ...] | None = None
        else:
            boxes = surface.changes(canvas.marks) if before.background == canvas.background else None
        if boxes is None:
            if len(surface.shapes) > MOST_SHAPES:
                surface.forget()
            surface.draw(canvas.marks, paper)
            picture[:] = surface.packed
            boxes = ((0, 0, picture.shape[1], picture.shape[0]),)
        elif boxes:
            surface.redraw(picture, boxes, paper)
        before = canvas
        yield picture.view(np.uint8).reshape(*picture.shape, 4)[..., :3], boxes
    letters.warn_of_missing([*surface.words.values(), *surface.numbers] if surface else ())


# Marks -> shapes


@dataclass(frozen=True)
class Space:
    """From points, y down, to the units of a renderer, y up; ``snap`` puts straight borders and large letters on
    whole pixels.
    """

    scale: float
    height: float
    snap: bool = False

    def vertices(self, points: Iterable[Point]) -> NDArray[np.float64]:
        """The points as matplotlib wants them."""
        return np.array([(x * self.scale, self.height - y * self.scale) for x, y in points])


@dataclass(frozen=True)
class Shape:
    """A path in the units of the renderer, filled or stroked or both; ``box`` holds every pixel that it can touch."""

    path: Path
    fill: RGBA | None
    stroke: RGBA | None
    line: float
    dash: tuple[float, ...]
    box: PixelBox
    chain: bool = False  # of Béziers

    def parts(self, height: float) -> list[PixelBox]:
        """Smaller boxes that together hold what it can touch: of an arrow that turns corners, a small part of the
        box around all.
        """
        if not self.chain:
            return [self.box]
        points = np.asarray(self.path.vertices, np.float64)
        return [_box(points[i : i + 4], self.line / 2, height) for i in range(0, len(points) - 3, 3)]


def _context(renderer: RendererBase) -> Any:
    context = renderer.new_gc()
    context.set_snap(False)
    context.set_joinstyle("round")
    context.set_capstyle("butt")
    return context


def _draw_all(renderer: Any, shapes: Sequence[Shape]) -> None:
    """Put the shapes on top, one after the other, in a single call: it has the very pixels of single calls."""
    shapes = [shape for shape in shapes if len(np.asarray(shape.path.vertices))]
    if shapes:
        same = IdentityTransform().frozen()
        fills, strokes = (
            np.array(colors)
            for colors in zip(*((shape.fill or NOTHING, shape.stroke or NOTHING) for shape in shapes), strict=True)
        )
        lines, dashes = (
            [shape.line if shape.stroke else 0.0 for shape in shapes],
            [(0.0, list(shape.dash) or None) for shape in shapes],
        )
        paths, at = [shape.path for shape in shapes], np.zeros((1, 2))
        renderer.draw_path_collection(
            _context(renderer),
            same,
            paths,
            np.empty((0, 3, 3)),
            at,
            same,
            fills,
            strokes,
            lines,
            dashes,
            [True],
            None,
            "screen",
        )


def canvas_shape(mark: Mark, theme: Theme, space: Space) -> Shape:
    """The shape of a mark in the units of that space."""
    fill: str | None = None
    stroke: str | None = None
    line, dash = 0.0, tuple[float, ...]()
    if isinstance(mark, Label):
        path, fill = _placed_text(mark, space), mark.color
    elif isinstance(mark, Polygon):
        path, fill = (
            Path(space.vertices([*mark.points, mark.points[0]]), _codes(len(mark.points), Path.LINETO, 1)),
            mark.fill,
        )
    elif isinstance(mark, Curve):
        path, stroke = Path(space.vertices(mark.points), _codes(len(mark.points), Path.CURVE4)), mark.stroke
        line, dash = mark.line, mark.dash
    else:
        path, fill, stroke, line, dash = _rounded_rectangle(mark, space), mark.fill, mark.stroke, mark.line, mark.dash
    path.should_simplify = False  # or the reader's rcParams would decide
    line *= space.scale
    return Shape(
        path,
        _rgba(theme[fill]) if fill else None,
        _rgba(theme[stroke]) if stroke else None,
        line,
        tuple(length * space.scale for length in dash),
        _box(np.asarray(path.vertices, np.float64), line / 2 if stroke else 0.0, space.height),
        isinstance(mark, Curve),
    )


@lru_cache(maxsize=256)
def _codes(count: int, kind: np.uint8, closed: int = 0) -> NDArray[np.uint8]:
    """How so many points are joined."""
    return np.array([Path.MOVETO] + [kind] * (count - 1) + [Path.CLOSEPOLY] * closed, np.uint8)


@lru_cache(maxsize=256)
def _rgba(color: str) -> RGBA:
    red, green, blue = bytes.fromhex(color[1:])
    return red / 255, green / 255, blue / 255, 1.0


def _box(points: NDArray[np.float64], margin: float, height: float) -> PixelBox:
    if not len(points):
        return 0, 0, 0, 0
    (left, low), (right, high) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    margin += 1  # a pixel more, for anti-aliasing
    return (
        math.floor(left - margin),
        math.floor(height - high - margin),
        math.ceil(right + margin),
        math.ceil(height - low + margin),
    )


def _rounded_rectangle(rect: Rect, space: Space) -> Path:
    left, right = rect.x * space.scale, (rect.x + rect.width) * space.scale
    top, bottom = rect.y * space.scale, (rect.y + rect.height) * space.scale
    radius = min(rect.radius, rect.width / 2, rect.height / 2) * space.scale
    if space.snap and 2 * radius < min(right - left, bottom - top):  # a circle stays a circle
        half = rect.line * space.scale / 2 if rect.stroke else 0.0
        left, top, right, bottom = (round(edge - half) + half for edge in (left, top, right, bottom))
    flat = Space(1, space.height)
    if radius <= 0:
        return Path(
            flat.vertices([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]),
            _codes(4, Path.LINETO, 1),
        )
    sides = np.array([left, right, radius, space.height - top, space.height - bottom])
    return Path((CORNERS @ sides).T, ROUNDED)


def _placed_text(label: Label, space: Space) -> Path:
    x, y, em = letters.start(label) * space.scale, space.height - label.y * space.scale, label.size * space.scale
    if em < LEGIBLE:
        return _bar(x, y, letters.width(label) * space.scale, em)
    vertices, codes = letters.label_outline(label)
    if space.snap and em >= CRISP:  # sharper, and the same word has the same pixels wherever it stands
        x, y = round(x), round(y)
    return Path(vertices * (em / letters.EM) + (x, y), codes if len(codes) else None)


def _bar(x: float, y: float, width: float, em: float) -> Path:
    """Where there are words that nobody could read: as dark as they would be."""
    low, high = y + 0.2 * em, y + 0.45 * em
    return Path(
        np.array([(x, low), (x + width, low), (x + width, high), (x, high), (x, low)]), _codes(4, Path.LINETO, 1)
    )


# Agg


class _Surface:
    """A pixel buffer of the size of a canvas, and every shape that was drawn on it so far, by number."""

    def __init__(self, canvas: Canvas, theme: Theme, scale: float, smaller: str = "") -> None:
        width, height = _size(canvas, scale, smaller)
        agg: Any = RendererAgg  # matplotlib does not type it
        self.renderer = agg(width, height, 72)
        self.buffer: Pixels = np.asarray(self.renderer.buffer_rgba())
        self.packed = self.buffer.view(np.uint32)[..., 0]
        self.theme, self.space = theme, Space(scale, height, snap=True)
        self.numbers: dict[Mark, int] = {}
        # of the marks in ``numbers``, which keeps them: comparing them takes long
        self.by_identity: dict[int, int] = {}
        self.shapes: list[Shape] = []
        self.boxes = np.zeros((0, 4), np.int32)
        self.words: dict[tuple[str, bool, bool], Label] = {}  # of marks that were let go
        self.now = np.zeros(0, np.int64)  # the numbers of the marks that are shown, back to front

    def number(self, mark: Mark) -> int:
        """The number of the mark's shape, made once."""
        number = self.numbers.get(mark)
        if number is None:
            number = self.numbers[mark] = self.by_identity[id(mark)] = len(self.shapes)
            self.shapes.append(canvas_shape(mark, self.theme, self.space))
        return number

    def forget(self) -> None:
        """Let go of all shapes, which a camera that moves would make more and more of; what was written is kept."""
        labels = (mark for mark in self.numbers if isinstance(mark, Label))
        self.words |= {(label.text, label.bold, label.italic): label for label in labels}
        self.numbers, self.by_identity, self.shapes = {}, {}, []
        self.boxes, self.now = np.zeros((0, 4), np.int32), np.zeros(0, np.int64)

    def show(self, marks: Sequence[Mark]) -> None:
        """These are the marks now."""
        known = list(map(self.by_identity.get, map(id, marks)))  # most marks of a film are those of the frame before
        place = -1
        for _ in range(known.count(None)):
            place = known.index(None, place + 1)
            known[place] = self.number(marks[place])
        self.now = np.array(known, np.int64)
        if len(fresh := self.shapes[len(self.boxes) :]):
            self.boxes = np.concatenate([self.boxes, np.array([shape.box for shape in fresh], np.int32)])

    def draw(self, marks: Sequence[Mark], paper: str | None) -> None:
        """The whole picture; no paper, transparent."""
        self.show(marks)
        self.packed[:] = _packed_color(paper)
        _draw_all(self.renderer, [self.shapes[number] for number in self.now])

    def changes(self, marks: Sequence[Mark]) -> tuple[PixelBox, ...] | None:
        """Show other marks: where the picture will differ; None where that is nearly everywhere."""
        before = self.now
        self.show(marks)
        old, new = np.zeros((2, len(self.shapes)), bool)
        old[before] = new[self.now] = True
        stayed, still = new[before], old[self.now]
        if np.count_nonzero(stayed) != np.count_nonzero(still) or 3 * np.count_nonzero(stayed) < len(before):
            return None
        moved = before[stayed] != self.now[still]  # in the order
        changed = np.unique(
            np.concatenate([before[~stayed], self.now[~still], before[stayed][moved], self.now[still][moved]])
        )
        height, width = self.buffer.shape[:2]
        parts = [part for number in changed for part in self.shapes[number].parts(height)] or [(0, 0, 0, 0)]
        boxes = np.clip(parts, 0, (width, height, width, height))
        if np.sum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)) >= width * height * MOST_CHANGED:
            return None
        return tuple(_outermost(tuple(box) for box in boxes.tolist() if box[0] < box[2] and box[1] < box[3]))

    def redraw(self, picture: NDArray[np.uint32], boxes: Sequence[PixelBox], paper: str) -> None:
        """Bring ``picture``, of whole pixels as numbers, up to date in the boxes.

        Every mark that reaches into a box is drawn whole, for a clipped one would get other pixels at its edges; what
        that spoils outside the boxes stays in the buffer and is never copied.
        """
        for left, top, right, bottom in boxes:
            self.packed[top:bottom, left:right] = _packed_color(paper)
        reached = self.now[_meet(self.boxes[self.now], np.array(boxes))]
        _draw_all(self.renderer, [self.shapes[number] for number in reached])
        for left, top, right, bottom in boxes:
            picture[top:bottom, left:right] = self.packed[top:bottom, left:right]


def _outermost(boxes: Iterable[PixelBox]) -> list[PixelBox]:
    """The boxes that lie in no other: of a node that changed, its frame, without its words."""
    kept: list[PixelBox] = []
    for box in sorted(boxes, key=lambda box: ((box[0] - box[2]) * (box[3] - box[1]), box)):
        if not any(a[0] <= box[0] and a[1] <= box[1] and box[2] <= a[2] and box[3] <= a[3] for a in kept):
            kept.append(box)
    return kept


def _meet(boxes: NDArray[np.int32], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of the boxes overlaps any of the others."""
    left, top, right, bottom = boxes.T[:, :, None]
    across = (left < others[:, 2]) & (others[:, 0] < right)
    down = (top < others[:, 3]) & (others[:, 1] < bottom)
    result: NDArray[np.bool_] = (across & down).any(axis=1)
    return result


def _packed_color(color: str | None) -> np.uint32:
    """A pixel of the colour as one number, in the byte order of the machine; white but transparent for None."""
    rgba = bytes.fromhex(f"{color[1:]}FF" if color else "FFFFFF00")
    return np.uint32(np.frombuffer(rgba, np.uint32)[0])


def most_scale(canvas: Canvas) -> float:
    """The most pixels a point that the picture can have for every reader to open it."""
    width, height = max(canvas.width, 1), max(canvas.height, 1)
    return min((MOST_PIXELS_A_SIDE - 1) / max(width, height), math.sqrt(MOST_PIXELS_READ / (width * height)) * 0.999)


def _size(canvas: Canvas, scale: float, smaller: str) -> tuple[int, int]:
    width, height = (max(1, math.ceil(length * scale - 1e-6)) for length in (canvas.width, canvas.height))
    if max(width, height) > MOST_PIXELS_A_SIDE or width * height > MOST_PIXELS:
        raise SaveError(
            f"a picture of {width} x {height} pixels is too large; {smaller and f'{smaller} or '}save as .svg or .pdf"
        )
    return width, height
