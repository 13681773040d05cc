"""Placed scene + where copies that are open begin and end -> the same with a thin frame around the boxes of each, one
in every row that they stand in; none where that would be around other boxes, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.scene import Box, Group, Scene

PAD = 5.0  # points between boxes and their frame: less than from them to what runs between rows
SOURCES = ("leaf", "data", "copy")
Frame = tuple[float, float, float, float]  # left, top, right, bottom


def with_open_frames(scene: Scene, graph: Graph) -> Scene:
    """The scene with frames around what is open."""
    if scene.groups:
        return scene
    found = [group for i, keys in enumerate(outermost(open_copies(graph))) for group in frames_of(scene, keys, i)]
    return replace(scene, groups=tuple(found)) if found else scene


def open_copies(graph: Graph) -> Iterator[list[str]]:
    """The keys of what is computed in each copy that is open, from that where it begins to that where it ends."""
    begun: dict[tuple[str, int, int], int] = {}
    for place, node in enumerate(graph.node_list):
        for called, number, count, ends in node.bounds:
            known = called, number, count
            if not ends:
                begun[known] = place
            elif begun.get(known, place) < place:
                between = graph.node_list[begun[known] : place + 1]
                yield [each.key for each in between if each.kind not in SOURCES]


def outermost(copies: Iterator[list[str]]) -> list[list[str]]:
    """Those that are in none of the others."""
    found = sorted(copies, key=lambda keys: -len(keys))
    return [keys for i, keys in enumerate(found) if not any({*keys} <= {*other} for other in found[:i])]


def frames_of(scene: Scene, keys: Sequence[str], number: int) -> list[Group]:
    """The frames of a copy, in order; none where another box would be in one."""
    members = [scene.box_by_key[key] for key in keys if key in scene.box_by_key]
    beside = standing_beside(scene, {box.key for box in members})
    found = []
    for i, row in enumerate(rows_of(members, flat=scene.direction != "TB")):
        inside = [*row, *(each for box in row for each in beside.get(box.key, ()))]
        frame = around(inside)
        own = {box.key for box in inside}
        if any(touches(frame, around([box], 0.0)) for box in scene.boxes if box.key not in own and box.center):
            return []
        size = frame[2] - frame[0], frame[3] - frame[1]
        found.append(Group(f"open{number}.{i}", "", tuple([box.key for box in inside]), None, frame[:2], size))
    return found


def standing_beside(scene: Scene, members: set[str]) -> Mapping[str, list[Box]]:
    """Key of a box -> what feeds nothing but it, and so stands beside it."""
    heads: dict[str, set[str]] = {}
    for arrow in scene.arrows:
        heads.setdefault(arrow.tail, set()).add(arrow.head)
    found: dict[str, list[Box]] = {}
    for tail, each in heads.items():
        box = scene.box_by_key[tail]
        if box.kind in SOURCES and len(each) == 1 and each <= members:
            found.setdefault(next(iter(each)), []).append(box)
    return found


def rows_of(boxes: Sequence[Box], *, flat: bool) -> list[list[Box]]:
    """Boxes by the rows, or columns, that they stand in."""
    found: dict[float, list[Box]] = {}
    for box in boxes:
        if box.center is not None:
            found.setdefault(round(box.center[1 if flat else 0]), []).append(box)
    return list(found.values())


def around(boxes: Sequence[Box], pad: float = PAD) -> Frame:
    """The rectangle around placed boxes."""
    placed = [(*box.center, box.width / 2, box.height / 2) for box in boxes if box.center is not None]
    return (
        min(x - half for x, _, half, _ in placed) - pad,
        min(y - half for _, y, _, half in placed) - pad,
        max(x + half for x, _, half, _ in placed) + pad,
        max(y + half for _, y, _, half in placed) + pad,
    )


def touches(a: Frame, b: Frame) -> bool:
    """Whether two rectangles overlap."""
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
