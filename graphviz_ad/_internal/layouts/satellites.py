"""Scene -> clusters: boxes from which arrows lead to one other box only stand close beside it, and with it make one
cell of a layout.

From left to right they stand below it, from top to bottom on its left; ``u`` runs along the flow, ``v`` across it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from graphviz_ad._internal.layouts.margins import Path
from graphviz_ad._internal.scene.group_tree import innermost_groups
from graphviz_ad._internal.scene.scene import Arrow, Box, Point, Scene

APART = 8.0  # points between two satellites
# points of an arrow from a satellite, without a label, and of the end of one that comes from further away
SHORTEST, INTO = 22.0, 12.0
HEAD = 12.0  # points of such an arrow that stay free of its label, for the arrowhead
BESIDE, BROAD = 4.0, 3.0  # points between an arrow and its label, and more beside the head of the arrow
INSET = 10.0  # points between the corner of a box and the nearest arrow
SOURCES = ("leaf", "data", "copy")


@dataclass(frozen=True)
class Orbit:
    """The satellites of one box: their numbers, and those of the arrows of each."""

    center: int
    satellites: tuple[int, ...]
    arrows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Cluster:
    """A box with its satellites, in x and y from the low corner of both; ``size`` is that of both, ``box`` that of
    the box and ``sizes`` those of the satellites, which are as large as their arrows need.
    """

    size: Point
    box: Point
    center: Point
    satellites: Mapping[int, Point]
    sizes: Mapping[int, Point]
    paths: Mapping[int, Path]
    labels: Mapping[int, Point | None]


def orbits(scene: Scene) -> dict[int, Orbit]:
    """Number of a box -> its satellites, in the order of its operands: sources that lead nowhere else, and data that is
    made of nothing that is drawn.
    """
    number = {box.key: i for i, box in enumerate(scene.boxes)}
    arrows: dict[str, list[int]] = {}
    for i, arrow in enumerate(scene.arrows):
        arrows.setdefault(arrow.tail, []).append(i)
    entered = {arrow.head for arrow in scene.arrows}
    found: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for key, leaving in arrows.items():
        heads = {scene.arrows[i].head for i in leaving}
        box = scene.box_by_key[key]
        if (box.kind in SOURCES or box.gradless) and key not in entered and len(heads) == 1:
            found.setdefault(number[heads.pop()], []).append((number[key], tuple(leaving)))
    return {center: in_operand_order(scene, center, each) for center, each in found.items()}


def with_satellites_inside(scene: Scene, found: Iterable[Orbit]) -> Scene:
    """The scene whose frames hold the satellites of the boxes that they hold, and of no others."""
    home = innermost_groups(scene)
    moved = {scene.boxes[i].key: home.get(scene.boxes[orbit.center].key) for orbit in found for i in orbit.satellites}
    groups = [
        replace(
            group,
            boxes=(
                *(key for key in group.boxes if key not in moved),
                *(key for key, goal in moved.items() if goal == group.key),
            ),
        )
        for group in scene.groups
    ]
    return replace(scene, groups=tuple(groups))


def in_operand_order(scene: Scene, center: int, found: Iterable[tuple[int, tuple[int, ...]]]) -> Orbit:
    """The satellites in the order in which the formula of the box names them."""
    each = sorted(found, key=lambda pair: scene.arrows[pair[1][0]].slot)
    return Orbit(center, tuple(box for box, _ in each), tuple(arrows for _, arrows in each))


def cluster(scene: Scene, orbit: Orbit) -> Cluster:
    """Where a box and its satellites stand."""
    center, slots = scene.boxes[orbit.center], slots_of(scene, orbit)
    return below(center, slots) if scene.direction != "TB" else at_the_left(center, slots)


Slot = tuple[int, Box, Sequence[tuple[int, Arrow]]]


def slots_of(scene: Scene, orbit: Orbit) -> list[Slot]:
    """Each satellite with its number and its arrows."""
    return [
        (number, scene.boxes[number], [(i, scene.arrows[i]) for i in arrows])
        for number, arrows in zip(orbit.satellites, orbit.arrows, strict=True)
    ]


@dataclass(frozen=True)
class Row:
    """Satellites side by side: the middle of each and how long it is, and where each arrow leaves, along the row."""

    middles: Mapping[int, float]
    sizes: Mapping[int, float]
    lanes: Mapping[int, float]
    length: float


def in_a_row(
    sizes: Sequence[tuple[int, float]], needs: Sequence[Sequence[tuple[int, float, float]]], face: float
) -> Row:
    """Satellites of these sizes, whose arrows end on a face of a box; each arrow needs some room before and behind it
    for its words.

    An arrow leaves from the middle of its satellite where that is on the face, else as near to it as can be.
    """
    half = max(face / 2 - INSET, 0.0)
    middle = (sum(size for _, size in sizes) + APART * (len(sizes) - 1)) / 2
    middles: dict[int, float] = {}
    grown: dict[int, float] = {}
    lanes: dict[int, float] = {}
    latest: dict[int, tuple[float, float, float]] = {}
    run = free = 0.0
    for (number, size), arrows in zip(sizes, needs, strict=True):
        start = run
        spread = sum(before + behind for _, before, behind in arrows[1:])
        wish = min(max(start + size / 2 - spread / 2, middle - half), middle + half)
        for i, before, behind in arrows:
            lane = max(min(max(wish, start + INSET), start + size - INSET), free + before if lanes else -math.inf)
            if i == arrows[0][0]:
                start = max(start, lane + INSET - size)
            size = max(size, lane + INSET - start)  # room for all its arrows
            lanes[i], free = lane, lane + behind
            wish = free + before
            latest[i] = start + size - INSET, before, behind
        middles[number], grown[number], run = start + size / 2, size, start + size + APART
    return Row(middles, grown, drawn_together(lanes, latest, face), run - APART)


def drawn_together(
    lanes: Mapping[int, float], latest: Mapping[int, tuple[float, float, float]], face: float
) -> dict[int, float]:
    """The lanes, the first of them moved towards the last as far as they can be where they would not all end on the
    face; ``latest`` is where each may leave at most, and the room that it needs before and behind it.
    """
    found = dict(lanes)
    order = list(lanes)
    first = found[order[-1]] - (face - 2 * INSET)
    for lane, following in reversed(list(pairwise(order))):
        limit, _, behind = latest[lane]
        found[lane] = max(found[lane], min(limit, first, found[following] - latest[following][1] - behind))
    return found


def on_face(row: Row, face: float) -> tuple[float, float]:
    """How large the face has to be for all arrows, and where the row begins from the begin of the face."""
    first, last = min(row.lanes.values()), max(row.lanes.values())
    face = max(face, last - first + 2 * INSET)
    return face, min(max((face - row.length) / 2, INSET - first), face - INSET - last)


def below(center: Box, slots: Sequence[Slot], head: float = HEAD) -> Cluster:
    """Satellites in a row under the box, the words on the right of their arrows; those stay free of a head of such a
    length, or stand beside it.
    """
    drop = max([SHORTEST if head else INTO, *(arrow.height + head for _, _, arrows in slots for _, arrow in arrows)])
    beside = BESIDE + (0.0 if head else BROAD)
    needs = [[(i, BESIDE, beside + arrow.width) for i, arrow in arrows] for _, _, arrows in slots]
    row = in_a_row([(number, box.width) for number, box, _ in slots], needs, center.width)
    width, left = on_face(row, center.width)
    dx = max(-left, 0.0)
    at = {i: dx + left + lane for i, lane in row.lanes.items()}
    top = center.height + drop
    rights = [at[i] + beside + arrow.width for _, _, arrows in slots for i, arrow in arrows]
    return Cluster(
        (max(dx + width, dx + left + row.length, *rights), top + max(box.height for _, box, _ in slots)),
        (width, center.height),
        (dx + width / 2, center.height / 2),
        {number: (dx + left + row.middles[number], top + box.height / 2) for number, box, _ in slots},
        {number: (row.sizes[number], box.height) for number, box, _ in slots},
        {i: straight((x, top), (x, center.height)) for i, x in at.items()},
        {
            i: (at[i] + beside + arrow.width / 2, center.height + drop / 2 + head / 4) if said(arrow) else None
            for _, _, arrows in slots
            for i, arrow in arrows
        },
    )


def with_ports_above(scene: Scene, beside: Orbit, ports: Orbit) -> Cluster:
    """A box with its satellites under it, and above it room for arrows that come to it from there, with their words."""
    center, width = scene.boxes[beside.center], 0.0
    while True:
        center = replace(center, width=max(width, center.width))
        above = below(center, slots_of(scene, ports), head=0.0)
        center = replace(center, width=above.box[0])
        under = below(center, slots_of(scene, beside)) if beside.satellites else without_satellites(center)
        width = under.box[0]
        if width <= above.box[0]:
            return one_above_the_other(above, under)


def without_satellites(box: Box) -> Cluster:
    """A box without anything beside it."""
    size = box.width, box.height
    return Cluster(size, size, (box.width / 2, box.height / 2), {}, {}, {}, {})


def one_above_the_other(above: Cluster, under: Cluster) -> Cluster:
    """Two clusters of one box, the first turned upside down."""
    height, rise = above.size[1], above.size[1] - above.box[1]
    left = [max(under.center[0] - above.center[0], 0.0), max(above.center[0] - under.center[0], 0.0)]

    def turned(point: Point) -> Point:
        return point[0] + left[0], height - point[1]

    def sunk(point: Point) -> Point:
        return point[0] + left[1], point[1] + rise

    return Cluster(
        (max(above.size[0] + left[0], under.size[0] + left[1]), under.size[1] + rise),
        under.box,
        sunk(under.center),
        {i: turned(at) for i, at in above.satellites.items()} | {i: sunk(at) for i, at in under.satellites.items()},
        {**above.sizes, **under.sizes},
        {i: tuple(map(turned, path)) for i, path in above.paths.items()}
        | {i: tuple(map(sunk, path)) for i, path in under.paths.items()},
        {i: turned(at) if at else None for i, at in above.labels.items()}
        | {i: sunk(at) if at else None for i, at in under.labels.items()},
    )


def at_the_left(center: Box, slots: Sequence[Slot]) -> Cluster:
    """Satellites in a column on the left of the box, the words above their arrows."""
    way = max([SHORTEST, *(arrow.width + HEAD for _, _, arrows in slots for _, arrow in arrows)])
    wide = max(box.width for _, box, _ in slots)
    needs = [[(i, arrow.height + BESIDE, BESIDE) for i, arrow in arrows] for _, _, arrows in slots]
    row = in_a_row([(number, box.height) for number, box, _ in slots], needs, center.height)
    height, top = on_face(row, center.height)
    tops = [top + row.lanes[i] - arrow.height - BESIDE for _, _, arrows in slots for i, arrow in arrows]
    dy = max(-top, 0.0, *(-each for each in tops))
    at = {i: dy + top + lane for i, lane in row.lanes.items()}
    x = wide + way
    return Cluster(
        (x + center.width, max(dy + height, dy + top + row.length)),
        (center.width, height),
        (x + center.width / 2, dy + height / 2),
        {number: (wide - box.width / 2, dy + top + row.middles[number]) for number, box, _ in slots},
        {number: (box.width, row.sizes[number]) for number, box, _ in slots},
        {i: straight((wide, y), (x, y)) for i, y in at.items()},
        {
            i: (wide + (way - HEAD) / 2, at[i] - BESIDE / 2 - arrow.height / 2) if said(arrow) else None
            for _, _, arrows in slots
            for i, arrow in arrows
        },
    )


def said(arrow: Arrow) -> bool:
    """Whether there are words on an arrow."""
    return bool(arrow.lines) and arrow.width > 0 and arrow.height > 0


def straight(start: Point, end: Point) -> Path:
    """A line as a Bézier."""
    return tuple(
        (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
        for share in (0.0, 1 / 3, 2 / 3, 1.0)
    )


def with_grown_boxes(scene: Scene, clusters: Mapping[int, Cluster]) -> Scene:
    """The scene whose boxes are as large as the arrows between them and their satellites need."""
    sizes = {center: made.box for center, made in clusters.items()}
    for made in clusters.values():
        sizes |= made.sizes
    boxes = [
        replace(box, width=sizes[i][0], height=sizes[i][1]) if i in sizes else box for i, box in enumerate(scene.boxes)
    ]
    return replace(scene, boxes=tuple(boxes))
