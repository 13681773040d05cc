"""Places in any coordinates -> the Scene with them, moved so that everything fits inside its margins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from graphviz_ad._internal.scene.scene import Arrow, Box, Point, Scene

MARGIN = 12.0  # points around the picture

Path = tuple[Point, ...]
Frame = tuple[float, float, float, float]  # left, top, right, bottom
Part = TypeVar("Part", Box, Arrow)


@dataclass(frozen=True)
class Places:
    """What an engine found, each in the order of the scene's own parts; y grows downwards.

    A group that encloses nothing has no frame.
    """

    centers: Sequence[Point]
    paths: Sequence[Path]
    labels: Sequence[Point | None]
    frames: Sequence[Frame | None]


def settle(scene: Scene, places: Places, engine: str) -> Scene:
    """The placed scene."""
    left, top, right, bottom = _bounds(scene, places)

    def at(point: Point) -> Point:
        return round(point[0] - left, 3), round(point[1] - top, 3)

    boxes = [with_place(box, center=at(center)) for box, center in zip(scene.boxes, places.centers, strict=True)]
    arrows = [
        with_place(
            arrow,
            path=tuple([(round(x - left, 3), round(y - top, 3)) for x, y in path]),
            label_center=at(label) if label else None,
        )
        for arrow, path, label in zip(scene.arrows, places.paths, places.labels, strict=True)
    ]
    groups = []
    for group, frame in zip(scene.groups, places.frames, strict=True):
        x, y, x_end, y_end = frame or (left + MARGIN, top + MARGIN, left + MARGIN, top + MARGIN)
        groups.append(replace(group, corner=at((x, y)), size=(round(x_end - x, 3), round(y_end - y, 3))))
    size = round(right - left, 3), round(bottom - top, 3)
    return replace(scene, boxes=tuple(boxes), arrows=tuple(arrows), groups=tuple(groups), size=size, engine=engine)


def with_place(part: Part, **places: Any) -> Part:
    """A box or an arrow that stands there: what `replace` makes, in a fifth of the time, as it is done for each part of
    each picture that is tried.
    """
    made = object.__new__(type(part))
    made.__dict__.update(part.__dict__)
    made.__dict__.update(places)
    return made


def size_of(scene: Scene, places: Places) -> Point:
    """Width and height of the scene in these places, margins included."""
    left, top, right, bottom = _bounds(scene, places)
    return round(right - left, 3), round(bottom - top, 3)


def _bounds(scene: Scene, places: Places) -> Frame:
    frames = list(_extents(scene, places))
    along, across = [x for path in places.paths for x, _ in path], [y for path in places.paths for _, y in path]
    left = min([*(frame[0] for frame in frames), *along], default=0.0) - MARGIN
    top = min([*(frame[1] for frame in frames), *across], default=0.0) - MARGIN
    right = max([*(frame[2] for frame in frames), *along], default=0.0) + MARGIN
    bottom = max([*(frame[3] for frame in frames), *across], default=0.0) + MARGIN
    return left, top, right, bottom


def _extents(scene: Scene, places: Places) -> Iterator[Frame]:
    """All but the paths of arrows."""
    for box, (x, y) in zip(scene.boxes, places.centers, strict=True):
        yield x - box.width / 2, y - box.height / 2, x + box.width / 2, y + box.height / 2
    for arrow, label in zip(scene.arrows, places.labels, strict=True):
        if label:
            yield (
                label[0] - arrow.width / 2,
                label[1] - arrow.height / 2,
                label[0] + arrow.width / 2,
                label[1] + arrow.height / 2,
            )
    yield from (frame for frame in places.frames if frame)
