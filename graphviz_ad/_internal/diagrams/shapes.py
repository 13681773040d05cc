"""Lines, arrows, solids and words of figures, as marks; lengths in points, y grows downwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.paint import arrowhead
from graphviz_ad._internal.scene.scene import Point

# kind of a stage -> roles of the top, the front and the side of its solid, and of its edges
FACES = {
    layers.CONV: ("shade.p1", "shade.p2", "shade.p3", "ink"),
    layers.DENSE: ("shade.n1", "shade.n2", "shade.n3", "ink"),
    layers.RECURRENT: ("shade.n1", "shade.n2", "shade.n3", "ink"),
    layers.ATTENTION: ("shade.n1", "shade.n2", "shade.n3", "ink"),
    layers.LOOKUP: ("shade.n1", "shade.n2", "shade.n3", "ink"),
    layers.POOL: ("waiting", "backward", "backward", "ink"),
    layers.INPUT: ("group", "data", "data", "ink"),
    layers.JOIN: ("paper", "paper", "paper", "ink"),
    layers.OTHER: ("leaf", "forward", "forward", "ink"),
}
# the same of the end of a solid whose elements go through an activation
BANDS = {
    layers.CONV: ("shade.p3", "shade.p4", "shade.p4"),
    **dict.fromkeys(
        (layers.DENSE, layers.RECURRENT, layers.ATTENTION, layers.LOOKUP), ("shade.n3", "shade.n4", "shade.n4")
    ),
}
OUTLINE, WAY = 0.8, 1.3  # widths of lines
HEAD = 7.0


def straight(points: Sequence[Point]) -> tuple[Point, ...]:
    """A line through points, as a chain of Béziers."""
    chain = [points[0]]
    for (x, y), (to_x, to_y) in pairwise(points):
        thirds = [(x + (to_x - x) * share, y + (to_y - y) * share) for share in (1 / 3, 2 / 3)]
        chain += [*thirds, (to_x, to_y)]
    return tuple(chain)


def rounded(points: Sequence[Point], radius: float) -> tuple[Point, ...]:
    """A line through points whose corners are round."""
    chain: list[Point] = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        first, last = toward(corner, before, radius), toward(corner, after, radius)
        chain += [*straight([chain[-1], first])[1:], corner, corner, last]
    return (*chain, *straight([chain[-1], points[-1]])[1:])


def toward(start: Point, end: Point, length: float) -> Point:
    """The point so far from one on the way to another, at most half way."""
    distance = max(abs(end[0] - start[0]) + abs(end[1] - start[1]), 1e-9)
    share = min(length / distance, 0.5)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def way(points: Sequence[Point], owner: str, role: str = "edge", radius: float = 8.0) -> Iterator[Mark]:
    """An arrow through points."""
    base = toward_exact(points[-1], points[-2], HEAD * 0.8)
    yield Curve(rounded([*points[:-1], base], radius), role, WAY, (), owner)
    yield Polygon(arrowhead(base, points[-1], HEAD), role, owner)


def toward_exact(start: Point, end: Point, length: float) -> Point:
    """The point so far from one on a level or upright way to another."""
    distance = max(((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5, 1e-9)
    share = min(length / distance, 0.9)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


BAND, MOST_BAND = 0.34, 7.0  # share of a solid's width, and points of it, that show an activation


@dataclass(frozen=True)
class Face:
    """Roles of the top, the front and the side of a solid and of its edges, how wide these are, and the same faces of
    its end where that is another.
    """

    top: str
    front: str
    side: str
    line: str = "ink"
    width: float = OUTLINE
    band: tuple[str, ...] = ()


def face_of(kind: str, *, active: bool = False) -> Face:
    """The colours of a kind of stage; ``active``: its elements go through an activation."""
    band = BANDS.get(kind, ()) if active else ()
    return Face(*FACES.get(kind, FACES[layers.OTHER]), band=band)


@dataclass(frozen=True)
class Solid:
    """A cuboid seen from the right and from above: its front has ``width`` and ``height``, behind which it goes
    ``deep`` to the right and upwards. (x, y) is the upper left corner of its front.
    """

    x: float
    y: float
    width: float
    height: float
    deep: float

    def marks(self, face: Face, owner: str) -> Iterator[Mark]:
        """Its faces and edges."""
        x, y, right, bottom, d = self.x, self.y, self.x + self.width, self.y + self.height, self.deep
        end = min(BAND * self.width, MOST_BAND) if face.band else 0.0
        _, strip, far = face.band or ("", "", face.side)
        upper = ((x, y), (x + d, y - d), (right + d, y - d), (right, y))
        beside = ((right, y), (right + d, y - d), (right + d, bottom - d), (right, bottom))
        if d:
            for points, role in ((upper, face.top), (beside, far)):
                yield Polygon(points, role, owner, "face")
                yield Curve(straight([*points, points[0]]), face.line, face.width, (), owner, "edge")
        yield Rect(x, y, self.width, self.height, 0, face.front, None, 0, (), owner, "face")
        if end:
            yield Rect(right - end, y, end, self.height, 0, strip, None, 0, (), owner, "face")
            if d:
                over = ((right - end, y), (right - end + d, y - d), (right + d, y - d), (right, y))
                yield Polygon(over, face.band[0], owner, "face")
                yield Curve(straight([*upper, upper[0]]), face.line, face.width, (), owner, "edge")
        yield Rect(x, y, self.width, self.height, 0, None, face.line, face.width, (), owner, "frame")

    @property
    def middle(self) -> float:
        """The height at which ways come and go."""
        return self.y + (self.height - self.deep) / 2

    @property
    def crown(self) -> Point:
        """The middle of its highest edge."""
        return self.x + self.deep + self.width / 2, self.y - self.deep


def words(lines: Iterable[tuple[str, bool]], x: float, y: float, em: float, owner: str) -> Iterator[Mark]:
    """Lines of text, one below the other; the first has its top at y, and bold ones are in ink."""
    for i, (text, bold) in enumerate(lines):
        place = y + em * (0.8 + 1.25 * i)
        yield Label(x, place, text, em, "ink" if bold else "muted", bold, owner=owner, part="name" if bold else "note")
