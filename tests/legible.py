"""A finished picture -> whether it can be read where it is shown: sizes of letters, and what is in the way of what.

Measured on the marks themselves, of which no layout knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import dist

from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Rect
from graphviz_ad._internal.scene.font_metrics import text_width

Point = tuple[float, float]
Frame = tuple[float, float, float, float]


@dataclass(frozen=True)
class Legibility:
    """``smallest`` and ``median`` letters in points, which share of the canvas the picture covers, pairs that overlap,
    and the longest arrow in points.
    """

    smallest: float
    median: float
    covers: float
    text_on_text: tuple[tuple[str, str], ...]
    arrow_on_text: tuple[tuple[str, str], ...]
    arrow_in_box: tuple[tuple[str, str], ...]
    outside: tuple[str, ...]
    longest: float

    @property
    def overlaps(self) -> tuple[object, ...]:
        return (*self.text_on_text, *self.arrow_on_text, *self.arrow_in_box, *self.outside)


def legibility(canvas: Canvas) -> Legibility:
    labels = [mark for mark in canvas.marks if isinstance(mark, Label) and mark.text.strip()]
    ems = sorted(label.size for label in labels)
    texts = [(label, text_frame(label)) for label in labels]
    shafts = [(mark.owner, tuple(points(mark.points))) for mark in canvas.marks if is_shaft(mark)]
    boxes = {mark.owner: frame(mark) for mark in canvas.marks if is_box(mark, {owner for owner, _ in shafts})}
    return Legibility(
        ems[0],
        ems[len(ems) // 2],
        covered(canvas),
        tuple((a.text, b.text) for (a, p), (b, q) in combinations(texts, 2) if meet(slim(p), slim(q))),
        tuple((owner, label.text) for owner, line in shafts for label, at in texts if inside(line, slim(at), 0.0)),
        tuple((owner, key) for owner, line in shafts for key, at in boxes.items() if passes(line, at)),
        tuple(label.text for label, at in texts if not within(at, (0, 0, canvas.width, canvas.height))),
        max((sum(dist(a, b) for a, b in pairwise(line)) for _, line in shafts), default=0.0),
    )


def is_shaft(mark: object) -> bool:
    return isinstance(mark, Curve) and mark.part.startswith("shaft")


def is_box(mark: object, arrows: set[str]) -> bool:
    return isinstance(mark, Rect) and mark.part == "frame" and bool(mark.owner) and mark.fill != "group"


def covered(canvas: Canvas) -> float:
    """The share of the canvas inside the rectangle around all marks."""
    frames = [frame(mark) if isinstance(mark, Rect) else text_frame(mark) for mark in canvas.marks if is_solid(mark)]
    width = max(f[2] for f in frames) - min(f[0] for f in frames)
    height = max(f[3] for f in frames) - min(f[1] for f in frames)
    return width * height / (canvas.width * canvas.height)


def is_solid(mark: object) -> bool:
    return isinstance(mark, Rect | Label)


def text_frame(label: Label) -> Frame:
    width = text_width(label.text, label.size, label.bold)
    left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return left, label.y - 0.76 * label.size, left + width, label.y + 0.24 * label.size


def frame(mark: Rect) -> Frame:
    return mark.x, mark.y, mark.x + mark.width, mark.y + mark.height


def slim(at: Frame) -> Frame:
    """Letters seldom fill their line."""
    fifth = (at[3] - at[1]) / 5
    return at[0] + 0.5, at[1] + fifth, at[2] - 0.5, at[3] - fifth


def meet(a: Frame, b: Frame) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def within(a: Frame, b: Frame) -> bool:
    return a[0] >= b[0] - 1 and a[1] >= b[1] - 1 and a[2] <= b[2] + 1 and a[3] <= b[3] + 1


def points(path: Sequence[Point]) -> Iterator[Point]:
    yield path[0]
    for i in range(0, len(path) - 3, 3):
        a, b, c, d = path[i : i + 4]
        for step in range(1, 25):
            t = step / 24
            u = 1 - t
            yield (
                u**3 * a[0] + 3 * u * u * t * b[0] + 3 * u * t * t * c[0] + t**3 * d[0],
                u**3 * a[1] + 3 * u * u * t * b[1] + 3 * u * t * t * c[1] + t**3 * d[1],
            )


def inside(line: Sequence[Point], at: Frame, margin: float) -> bool:
    return any(at[0] + margin < x < at[2] - margin and at[1] + margin < y < at[3] - margin for x, y in line)


def passes(line: Sequence[Point], at: Frame) -> bool:
    """Whether a line runs through a box: of the box that it comes from or leads to, it may touch the border."""
    ends = line[0], line[-1]
    middle = [point for point in line if min(dist(point, end) for end in ends) > 3]
    return inside(middle, at, 1.5)
