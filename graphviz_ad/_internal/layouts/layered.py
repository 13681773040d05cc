"""Scene -> placed Scene by our own layered layout: no engine to install, the same places on every machine, time
linear in the graph.

A group is laid out on its own and then stands in its surroundings as one cell, so that frames never overlap what they
do not contain. A link that crosses a frame ends there in a port, and its pieces are joined afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from graphviz_ad._internal.layouts.columns import forward_pairs
from graphviz_ad._internal.layouts.lattice import ROOMY, TIGHT, Cell, Link, Plan, Spacing, arrange
from graphviz_ad._internal.layouts.margins import Frame, Path, Places, settle
from graphviz_ad._internal.layouts.satellites import (
    Cluster,
    Orbit,
    cluster,
    orbits,
    with_grown_boxes,
    with_satellites_inside,
)
from graphviz_ad._internal.scene.group_tree import depths, innermost_groups, parents, title_size
from graphviz_ad._internal.scene.scene import Point, Scene

PAD = 10.0  # points between a frame and what is in it
APART = 26.0  # points between parts of a picture that are not connected

Name = tuple[str, int] | tuple[str, int, str]  # ("box", i), ("group", i) or ("port", arrow, "in" | "out")


@dataclass
class Level:
    """What is inside one frame, or in none: its cells by name, and links, each a piece of an arrow."""

    group: int | None
    names: list[Name] = field(default_factory=list)
    pieces: list[tuple[int, Name, Name]] = field(default_factory=list)  # arrow, tail, head
    centers: dict[Name, Point] = field(default_factory=dict)
    paths: dict[int, Path] = field(default_factory=dict)
    labels: dict[int, Point | None] = field(default_factory=dict)
    extent: Point = (0.0, 0.0)


def place(scene: Scene, *, seconds: float = 10.0) -> Scene:
    """The scene with places; fast enough that ``seconds`` is not watched."""
    return _Compound(scene, {}, ROOMY).placed()


def place_tightly(scene: Scene) -> Scene:
    """The same in as little room as it takes: what only one box uses stands close beside it."""
    found = orbits(scene)
    scene = with_satellites_inside(scene, found.values())
    clusters = {center: (orbit, cluster(scene, orbit)) for center, orbit in found.items()}
    grown = with_grown_boxes(scene, {center: made for center, (_, made) in clusters.items()})
    return _Compound(grown, clusters, TIGHT).placed()


class _Compound:
    """The levels of one scene: built outside in, sized inside out, and put in place outside in."""

    def __init__(self, scene: Scene, clusters: Mapping[int, tuple[Orbit, Cluster]], spacing: Spacing) -> None:
        self.scene, self.flat = scene, scene.direction != "TB"
        self.spacing, self.clusters = spacing, clusters
        self.satellites = {i: center for center, (orbit, _) in clusters.items() for i in orbit.satellites}
        self.own_arrows = {i for _, made in clusters.values() for i in made.paths}
        self.number = {box.key: i for i, box in enumerate(scene.boxes)}
        number = {group.key: i for i, group in enumerate(scene.groups)}
        tree, home = parents(scene), innermost_groups(scene)
        depth = depths(tree)
        self.around: list[int | None] = [
            None if (above := tree[group.key]) is None else number[above] for group in scene.groups
        ]
        self.levels: dict[int | None, Level] = {None: Level(None)} | {i: Level(i) for i in range(len(scene.groups))}
        self.home: list[int | None] = [number[home[box.key]] if box.key in home else None for box in scene.boxes]
        for i, level in enumerate(self.home):
            if i not in self.satellites:
                self.levels[level].names.append(("box", i))
        self.inner_first = sorted(range(len(scene.groups)), key=lambda i: -depth[scene.groups[i].key])
        self.full = self._nonempty()
        self.backwards = self._add_pieces()

    def _nonempty(self) -> list[int]:
        """Groups that enclose something, inner ones first; each stands as a cell in its surroundings."""
        full = []
        for group in self.inner_first:
            if self.levels[group].names:
                full.append(group)
                self.levels[self.around[group]].names.append(("group", group))
        return full

    def _outwards(self, box: int) -> list[int | None]:
        """The levels that the box is in, innermost first."""
        chain, level = [self.home[box]], self.home[box]
        while level is not None:
            level = self.around[level]
            chain.append(level)
        return chain

    def _add_pieces(self) -> list[bool]:
        """Cut each arrow at the frames that it crosses; says which arrows run against the sequence of the columns."""
        number = {box.key: i for i, box in enumerate(self.scene.boxes)}
        crossings = [self._crossing(number[arrow.tail], number[arrow.head]) for arrow in self.scene.arrows]
        backwards = self._backwards(crossings)
        for arrow, (meeting, lefts, rights) in enumerate(crossings):
            if arrow in self.own_arrows:
                continue
            if backwards[arrow]:
                lefts, rights = rights, lefts
            for side, chain in (("out", lefts), ("in", rights)):
                for inner, outer in pairwise(chain):
                    level = self.levels[_inside(outer)]
                    port: Name = ("port", arrow, side)
                    level.names.append(port)
                    level.pieces.append((arrow, inner, port) if side == "out" else (arrow, port, inner))
            self.levels[meeting].pieces.append((arrow, lefts[-1], rights[-1]))
        return backwards

    def _crossing(self, tail: int, head: int) -> tuple[int | None, list[Name], list[Name]]:
        """The innermost level that holds both boxes, and for each the cells from the box itself up to its cell in
        that level.
        """
        shared = set(self._outwards(tail)) & set(self._outwards(head))
        meeting = next(level for level in self._outwards(tail) if level in shared)
        return meeting, self._cells_up(tail, meeting), self._cells_up(head, meeting)

    def _cells_up(self, box: int, meeting: int | None) -> list[Name]:
        cells: list[Name] = [("box", box)]
        for level in self._outwards(box):
            if level == meeting:
                break
            assert level is not None
            cells.append(("group", level))
        return cells

    def _backwards(self, crossings: Sequence[tuple[int | None, list[Name], list[Name]]]) -> list[bool]:
        met: dict[int | None, list[int]] = {}
        for arrow, (meeting, _, _) in enumerate(crossings):
            if arrow in self.own_arrows:
                continue
            met.setdefault(meeting, []).append(arrow)
        result = [False] * len(crossings)
        for meeting, arrows in met.items():
            index = {name: i for i, name in enumerate(self.levels[meeting].names)}
            pairs = [(index[crossings[arrow][1][-1]], index[crossings[arrow][2][-1]]) for arrow in arrows]
            for arrow, given, found in zip(arrows, pairs, forward_pairs(len(index), pairs), strict=True):
                result[arrow] = given != found
        return result

    # --- sizes, inside out ---

    def placed(self) -> Scene:
        """All levels laid out and put together."""
        for group in self.full:
            _lay_out(self.levels[group], self)
        _lay_out(self.levels[None], self)
        corners = self._corners()
        centers = [self._center(i, corners) for i in range(len(self.scene.boxes))]
        paths = self._joined(corners)
        labels = self._labels(corners, paths)
        frames = [self._frame(i, corners) for i in range(len(self.scene.groups))]
        turned = Places(
            [self.turn(c) for c in centers],
            [tuple(map(self.turn, path)) for path in paths],
            [c and self.turn(c) for c in labels],
            frames,
        )
        return settle(self.scene, turned, "layered")

    def _center(self, box: int, corners: dict[int | None, Point]) -> Point:
        """The middle of a box, along and across."""
        center = self.satellites.get(box, box)
        if center not in self.clusters:
            return _plus(corners[self.home[box]], self.levels[self.home[box]].centers["box", box])
        made = self.clusters[center][1]
        place = made.center if box == center else made.satellites[box]
        return _plus(self._corner_of_cluster(center, corners), self.turn(place))

    def _corner_of_cluster(self, center: int, corners: dict[int | None, Point]) -> Point:
        """The low corner of a box with its satellites, along and across."""
        middle = _plus(corners[self.home[center]], self.levels[self.home[center]].centers["box", center])
        length, breadth = self.turn(self.clusters[center][1].size)
        return middle[0] - length / 2, middle[1] - breadth / 2

    def _cluster_cell(self, made: Cluster) -> Cell:
        """A box with its satellites as one rectangle, which links meet where the box is."""
        length, breadth = self.turn(made.size)
        face = self.turn(made.box)[1]
        return Cell(length, breadth, 0, self.turn(made.center)[1] - breadth / 2, face)

    def turn(self, point: Point) -> Point:
        """From along and across to x and y, and back."""
        return point if self.flat else (point[1], point[0])

    def pads(self, group: int | None) -> tuple[Point, Point]:
        """Room inside a frame before and behind its contents, along and across: its title is on top."""
        if group is None:
            return (0.0, 0.0), (0.0, 0.0)
        title = title_size(self.scene.groups[group])[1]
        return self.turn((PAD, PAD + title)), (PAD, PAD)

    def cell(self, name: Name) -> Cell:
        """The rectangle that the name stands for, along and across."""
        if name[0] == "port":
            return Cell(0.0, 0.0, 1 if name[2:] == ("out",) else -1)
        if name[0] == "box" and name[1] in self.clusters:
            return self._cluster_cell(self.clusters[name[1]][1])
        if name[0] == "box":
            box = self.scene.boxes[name[1]]
            return Cell(*self.turn((box.width, box.height)))
        return Cell(*self.levels[name[1]].extent)

    def port(self, arrow: int, name: Name, side: str) -> float | None:
        """Where the arrow meets the frame, from its middle across; None for a box, which is met where there is room."""
        if name[0] != "group":
            return 0.0 if name[0] == "port" else None
        level = self.levels[name[1]]
        return level.centers["port", arrow, side][1] - level.extent[1] / 2

    def label(self, arrow: int) -> tuple[float, float] | None:
        """Length and breadth of the arrow's label."""
        given = self.scene.arrows[arrow]
        return self.turn((given.width, given.height)) if given.lines and given.width > 0 and given.height > 0 else None

    # --- places, outside in ---

    def _corners(self) -> dict[int | None, Point]:
        """Level -> its low corner in the picture."""
        corners: dict[int | None, Point] = {None: (0.0, 0.0)}
        for group in reversed(self.full):
            around = self.around[group]
            center, extent = self.levels[around].centers["group", group], self.levels[group].extent
            corners[group] = _plus(corners[around], (center[0] - extent[0] / 2, center[1] - extent[1] / 2))
        return corners

    def _frame(self, group: int, corners: dict[int | None, Point]) -> Frame | None:
        if group not in corners:
            return None
        return (*self.turn(corners[group]), *self.turn(_plus(corners[group], self.levels[group].extent)))

    def _joined(self, corners: dict[int | None, Point]) -> list[Path]:
        """Each arrow's pieces, which all run along the columns, as one path from its tail to its head."""
        pieces: dict[int, list[Path]] = {i: [] for i in range(len(self.scene.arrows))}
        for key, level in self.levels.items():
            for arrow, path in level.paths.items():
                pieces[arrow].append(tuple(_plus(corners[key], point) for point in path))
        joined = []
        for arrow, parts in pieces.items():
            if arrow in self.own_arrows:
                joined.append(self._of_satellite(arrow, corners)[0])
                continue
            parts.sort(key=lambda path: path[0][0])
            path = parts[0]
            for part in parts[1:]:
                path += _bridge(path[-1], part[0]) + part[1:]
            path = self._up_to_boxes(arrow, path, corners)
            joined.append(path[::-1] if self.backwards[arrow] else path)
        return joined

    def _of_satellite(self, arrow: int, corners: dict[int | None, Point]) -> tuple[Path, Point | None]:
        """The path and the middle of the label of an arrow from a satellite."""
        center = next(center for center, (_, made) in self.clusters.items() if arrow in made.paths)
        corner, made = self._corner_of_cluster(center, corners), self.clusters[center][1]
        label = made.labels[arrow]
        path = tuple([_plus(corner, self.turn(point)) for point in made.paths[arrow]])
        return path, _plus(corner, self.turn(label)) if label else None

    def _up_to_boxes(self, arrow: int, path: Path, corners: dict[int | None, Point]) -> Path:
        """A path along the columns that goes on to the box where its satellites are longer than the box."""
        given, number = self.scene.arrows[arrow], self.number
        first, last = number[given.tail], number[given.head]
        if self.backwards[arrow]:
            first, last = last, first
        if first in self.clusters:
            u = self._center(first, corners)[0] + self.turn(self.clusters[first][1].box)[0] / 2
            path = ((u, path[0][1]), *_bridge((u, path[0][1]), path[0]), *path[1:])
        if last in self.clusters:
            u = self._center(last, corners)[0] - self.turn(self.clusters[last][1].box)[0] / 2
            path = (*path, *_bridge(path[-1], (u, path[-1][1])))
        return path

    def _labels(self, corners: dict[int | None, Point], paths: Sequence[Path]) -> list[Point | None]:
        found = [self._of_satellite(i, corners)[1] if i in self.own_arrows else None for i in range(len(paths))]
        for key, level in self.levels.items():
            for arrow, center in level.labels.items():
                found[arrow] = _plus(corners[key], center) if center else found[arrow]
        loops = [arrow.tail == arrow.head and self.label(i) is not None for i, arrow in enumerate(self.scene.arrows)]
        return [path[1] if loop else label for loop, label, path in zip(loops, found, paths, strict=True)]


def _inside(cell: Name) -> int | None:
    return cell[1]


def _plus(a: Point, b: Point) -> Point:
    return a[0] + b[0], a[1] + b[1]


def _bridge(start: Point, end: Point) -> Path:
    """A straight piece, as the three further points of a Bézier; nothing where there is no gap."""
    if math.dist(start, end) < 1e-6:
        return ()
    return tuple(
        (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
        for share in (1 / 3, 2 / 3, 1.0)
    )


def _lay_out(level: Level, compound: _Compound) -> None:
    """Find the places inside one frame, counted from its low corner, and its extent."""
    before, behind = compound.pads(level.group)
    run, reach = before, before
    widest = _row_length(level, compound)
    for names, pieces in _components(level):
        plan = _plan(names, pieces, compound, level.group)
        length, breadth = plan.high[0] - plan.low[0], plan.high[1] - plan.low[1]
        if run[0] > before[0] and run[0] + length > widest:
            run = before[0], reach[1] + APART
        shift = run[0] - plan.low[0], run[1] - plan.low[1]
        level.centers |= {name: _plus(shift, center) for name, center in zip(names, plan.centers, strict=True)}
        for (arrow, _, _), path, label in zip(pieces, plan.paths, plan.labels, strict=True):
            level.paths[arrow] = tuple(_plus(shift, point) for point in path)
            level.labels[arrow] = _plus(shift, label) if label else None
        reach = max(reach[0], run[0] + length), max(reach[1], run[1] + breadth)
        run = run[0] + length + APART, run[1]
    level.extent = _with_title(_plus(reach, behind), level, compound)


def _with_title(extent: Point, level: Level, compound: _Compound) -> Point:
    if level.group is None:
        return extent
    width, height = compound.turn(extent)
    return compound.turn((max(width, title_size(compound.scene.groups[level.group])[0] + 2 * PAD), height))


def _row_length(level: Level, compound: _Compound) -> float:
    """How long a row of unconnected parts may be, so that single boxes make a block; 0, one part a row, where arrows
    cross the frame.
    """
    if any(name[0] == "port" for name in level.names):
        return 0.0
    cells = [compound.cell(name) for name in level.names]
    return 1.3 * math.sqrt(sum((cell.length + APART) * (cell.breadth + APART) for cell in cells))


def _plan(
    names: Sequence[Name], pieces: Sequence[tuple[int, Name, Name]], compound: _Compound, group: int | None
) -> Plan:
    index = {name: i for i, name in enumerate(names)}
    links = []
    for arrow, tail, head in pieces:
        whole = tail[0] != "port" and head[0] != "port"  # the middle piece of an arrow carries its label
        label = compound.label(arrow) if whole else None
        links.append(_link(compound, arrow, (index[tail], tail), (index[head], head), label))
    cells = [compound.cell(name) for name in names]
    return arrange(cells, links, -1 if compound.flat else 1, compound.spacing)


def _link(
    compound: _Compound, arrow: int, tail: tuple[int, Name], head: tuple[int, Name], label: tuple[float, float] | None
) -> Link:
    return Link(tail[0], head[0], compound.port(arrow, tail[1], "out"), compound.port(arrow, head[1], "in"), label)


def _components(level: Level) -> Iterator[tuple[list[Name], list[tuple[int, Name, Name]]]]:
    """The connected parts of a level, in the order of their first cells."""
    leader = {name: name for name in level.names}

    def find(name: Name) -> Name:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for _, tail, head in level.pieces:
        leader[find(tail)] = find(head)
    names: dict[Name, list[Name]] = {}
    for name in level.names:
        names.setdefault(find(name), []).append(name)
    pieces: dict[Name, list[tuple[int, Name, Name]]] = {key: [] for key in names}
    for piece in level.pieces:
        pieces[find(piece[1])].append(piece)
    yield from ((names[key], pieces[key]) for key in names)
