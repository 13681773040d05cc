"""What dot printed (``-Tjson``) -> placed Scene; anything unexpected in it is a LayoutError."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphviz_ad._internal.base.errors import LayoutError
from graphviz_ad._internal.layouts.margins import Frame, Path, Places, settle
from graphviz_ad._internal.scene.scene import Arrow, Box, Point, Scene

JSON_FORMAT = "json"  # its drawing operations have three decimals; "pos", "bb" and "plain" only five digits


def read(scene: Scene, output: bytes, engine: str) -> Scene:
    """The scene with the places that dot found for ``layout_source(scene)``."""
    try:
        return settle(scene, _places(scene, json.loads(output)), engine)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        start = output[:80].decode("utf-8", "replace")
        raise LayoutError(
            f"Graphviz printed something that is not a layout; use layout='layered'. It begins with {start!r}:"
            f" {str(error)[:200]}"
        ) from error


def _places(scene: Scene, printed: Mapping[str, Any]) -> Places:
    objects = {item["name"]: item for item in printed.get("objects", ())}
    edges = {item["id"]: item for item in printed.get("edges", ())}
    centers = [_middle(_outline(objects[f"b{i}"])) for i in range(len(scene.boxes))]
    at = {box.key: (box, center) for box, center in zip(scene.boxes, centers, strict=True)}
    paths = _twins_apart(
        scene, [_path(edges[f"a{i}"], at[arrow.tail], at[arrow.head]) for i, arrow in enumerate(scene.arrows)]
    )
    labels = [
        _label(edges[f"a{i}"], arrow, path) for i, (arrow, path) in enumerate(zip(scene.arrows, paths, strict=True))
    ]
    frames = [
        _outline(objects[name]) if "_draw_" in objects.get(name := f"cluster_g{i}", ()) else None
        for i in range(len(scene.groups))
    ]
    return Places(centers, paths, labels, frames)


def _point(numbers: Iterable[Any]) -> Point:
    x, y = map(float, numbers)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("a place that is not finite")
    return x, -y  # dot's y grows upwards, ours downwards


def _drawn(item: Mapping[str, Any], operations: str) -> Path:
    return tuple(_point(numbers) for step in item["_draw_"] if step["op"] in operations for numbers in step["points"])


def _outline(item: Mapping[str, Any]) -> Frame:
    points = _drawn(item, "pP")
    return min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)


def _middle(frame: Frame) -> Point:
    return (frame[0] + frame[2]) / 2, (frame[1] + frame[3]) / 2


def _label(item: Mapping[str, Any], arrow: Arrow, path: Path) -> Point | None:
    if not (arrow.lines and arrow.width > 0 and arrow.height > 0):
        return None
    if "lp" in item:
        return _point(item["lp"].split(","))
    return (path[0][0] + path[-1][0]) / 2, (path[0][1] + path[-1][1]) / 2


def _path(item: Mapping[str, Any], tail: tuple[Box, Point], head: tuple[Box, Point]) -> Path:
    """The spline that dot drew; or a straight line, where dot lost a third arrow between two boxes that clusters put
    in one column.
    """
    return _oriented(_curve(item), tail, head) if "_draw_" in item else _straight(tail, head)


def _straight(tail: tuple[Box, Point], head: tuple[Box, Point]) -> Path:
    start, end = _towards(head[1], *tail), _towards(tail[1], *head)
    return tuple(
        (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
        for share in (0.0, 1 / 3, 2 / 3, 1.0)
    )


def _towards(goal: Point, box: Box, center: Point) -> Point:
    """Where the border of the box is crossed on the way from its center to the goal."""
    dx, dy = goal[0] - center[0], goal[1] - center[1]
    shares = [half / abs(way) for half, way in ((box.width / 2, dx), (box.height / 2, dy)) if way]
    share = min(shares, default=0.0)
    return center[0] + dx * share, center[1] + dy * share


def _curve(item: Mapping[str, Any]) -> Path:
    points = _drawn(item, "bB")
    if len(points) < 4 or len(points) % 3 != 1:
        raise ValueError(f"a spline of {len(points)} points")
    return points


def _oriented(path: Path, tail: tuple[Box, Point], head: tuple[Box, Point]) -> Path:
    """The path from tail to head (dot turns around the edges of a cycle), its ends moved the last fraction of a
    point onto the borders.
    """
    if math.dist(path[0], tail[1]) + math.dist(path[-1], head[1]) > math.dist(path[-1], tail[1]) + math.dist(
        path[0], head[1]
    ):
        path = path[::-1]
    return (onto_border(path[0], *tail), *path[1:-1], onto_border(path[-1], *head))


def onto_border(point: Point, box: Box, center: Point) -> Point:
    """The nearest point of the border of the box, if it is near; the point itself where dot let the spline end
    elsewhere.
    """
    dx, dy = point[0] - center[0], point[1] - center[1]
    half_width, half_height = box.width / 2, box.height / 2
    x, y = max(-half_width, min(dx, half_width)), max(-half_height, min(dy, half_height))
    if half_width - abs(x) < half_height - abs(y):
        x = math.copysign(half_width, x)
    else:
        y = math.copysign(half_height, y)
    return (center[0] + x, center[1] + y) if math.hypot(x - dx, y - dy) < 3 else point


def _twins_apart(scene: Scene, paths: Sequence[Path]) -> list[Path]:
    """The paths, bent where two arrows of the same boxes lie on one another, as dot has it when they cross the frame
    of a cluster.
    """
    drawn: dict[tuple[str, str], list[Path]] = {}
    result = []
    for arrow, path in zip(scene.arrows, paths, strict=True):
        twins = drawn.setdefault((arrow.tail, arrow.head), [])
        twins.append(path)
        hidden = sum(_coincide(path, twin) for twin in twins[:-1])
        result.append(bent(path, 8.0 * hidden) if hidden else path)
    return result


def _coincide(a: Path, b: Path) -> bool:
    return len(a) == len(b) and max(map(math.dist, a, b)) < 4


def bent(path: Path, reach: float) -> Path:
    """The path with its ends in place and its middle moved aside by about ``reach`` points."""
    (x, y), (end_x, end_y) = path[0], path[-1]
    length = math.dist(path[0], path[-1]) or 1.0
    aside = -(end_y - y) / length, (end_x - x) / length
    swells = [reach * math.sin(math.pi * i / (len(path) - 1)) for i in range(len(path))]
    swells[-1] = 0.0
    return tuple((px + aside[0] * swell, py + aside[1] * swell) for (px, py), swell in zip(path, swells, strict=True))
