"""Words -> Scene: each node as a box, each edge as an arrow, with room for the widest text that they will ever show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from graphviz_ad._internal.graph.alarms import alarms
from graphviz_ad._internal.graph.anomalies import is_born
from graphviz_ad._internal.graph.calls import is_pass
from graphviz_ad._internal.graph.folding import common_path
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.prepared_data import name_on_box
from graphviz_ad._internal.graph.small_print import small_print
from graphviz_ad._internal.graph.unread_parameters import is_unread
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.grids import grid_size
from graphviz_ad._internal.scene.paint import TERMS, box_size, label_size, type_of_line
from graphviz_ad._internal.scene.scene import NO_SHADE, Arrow, Box, Change, Grid, Group, Line, Scene
from graphviz_ad._internal.scene.words.box_lines import NAME_ROOM, ONES
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.frames import ModulePath, frame_around, within_frame
from graphviz_ad._internal.scene.words.names import title_of
from graphviz_ad._internal.scene.words.short_text import shortened_text

RINGS_IN_LEGEND = {"example": "ring", "winner": "winner", "masked": "masked"}  # kind of ring -> its role there
LEGEND_LIMIT = 60  # boxes; a bigger picture is not for readers who need a legend


def build_scene(words: Words, *, direction: str = "LR", changes: Iterable[Change] = ()) -> Scene:
    """The picture of a graph, not placed yet.

    ``changes`` are those of a film that will be shown on it: boxes are made wide enough for every text in them.
    """
    graph = words.graph
    texts = texts_of(changes)
    boxes = tuple([box(words, node, texts.get(node.key, {})) for node in graph.node_list])
    arrows = tuple([arrow(words, edge) for edge in graph.edges])
    shown = tuple(roles_legend(boxes, arrows, values=words.options.values))
    frames, title = tuple(module_frames(words)), title_of(graph)
    below, more = small_print(graph.notes)
    return Scene(boxes, arrows, frames, direction, title, words.alt, below, shown, more=more)


def texts_of(changes: Iterable[Change]) -> dict[str, dict[str, list[str]]]:
    """Key -> line -> every text that it is given."""
    found: dict[str, dict[str, list[str]]] = {}
    for change in changes:
        for line, text in change.texts:
            found.setdefault(change.key, {}).setdefault(line, []).append(text)
    return found


def box(words: Words, node: Node, texts: Mapping[str, list[str]]) -> Box:
    """One node."""
    said, ends = words.nodes[node.key], node.is_output or any(port.begins for port in node.ports)
    return Box(
        node.key,
        node.kind,
        said.lines,
        *room(said.lines, said.badge, ends, texts),
        said.badge,
        ends,
        warning=(warns := alarms(words.graph, node)) or is_far_off(node),
        passed_on=warns and not is_born(words.graph, node),
        name=shortened_text(words.names.of[node.key] if node.kind == "module" else said.results, NAME_ROOM),
        hover=said.hover,
        gradless=(not node.requires_grad and node.kind not in ("leaf", "data")) or is_unread(words.graph, node),
        in_turn=node.is_step or bool(node.updates),
    )


def is_far_off(node: Node) -> bool:
    """Whether the gradient of a copy, or of a layer, in a box is far too small or too large."""
    return bool(node.copies.far_off if node.copies is not None else node.far_off)


def slimmer(
    box: Box,
    texts: Mapping[str, list[str]],
    *,
    signs: bool,
    statistics: bool,
    gradless: bool = True,
    worded: bool = False,
) -> Box:
    """The box without its sign where a formula has it, or where all is ``worded``, without more of big tensors than
    their shape, or without the line that it has no gradient, as its border says; as wide as it must be then.
    """
    formula = worded or any(line.kind == "formula" for line in box.lines)
    badge = box.badge if signs or not formula else ""
    left_out = {kind for kind, shown in (("spread", statistics), ("none", gradless)) if not shown}
    lines = tuple([line for line in box.lines if line.kind not in left_out])
    if (badge, lines) == (box.badge, box.lines):
        return box
    width, height = room(lines, badge, box.double, texts)
    return replace(box, badge=badge, lines=lines, width=width, height=height)


def with_large_sums(box: Box, texts: Mapping[str, list[str]]) -> Box:
    """The box with the terms of its gradient in letters that are no smaller than those of the gradient."""
    lines = [replace(line, kind="large") if line.role == TERMS else line for line in box.lines]
    if lines == list(box.lines):
        return box
    width, height = room(lines, box.badge, box.double, texts)
    return replace(box, lines=tuple(lines), width=width, height=height)


def with_grids_abreast(scene: Scene, texts: Mapping[str, Mapping[str, list[str]]] = MappingProxyType({})) -> Scene:
    """The scene with the gradient of a matrix beside its value rather than below; the same one where there is none."""
    boxes = tuple(abreast(box, texts.get(box.key, {})) for box in scene.boxes)
    return replace(scene, boxes=boxes) if any(a is not b for a, b in zip(boxes, scene.boxes, strict=True)) else scene


def abreast(box: Box, texts: Mapping[str, list[str]]) -> Box:
    """The box with two grids that follow one another side by side."""
    lines = list(box.lines)
    for i, line in enumerate(box.lines[1:], 1):
        before = lines[i - 1].grid
        if before is not None and line.grid is not None and not before.beside and len(before.shades) > 1:
            lines[i] = replace(line, grid=replace(line.grid, beside=True))
    if lines == list(box.lines):
        return box
    width, height = room(lines, box.badge, box.double, texts)
    return replace(box, lines=tuple(lines), width=width, height=height)


def room(lines: Iterable[Line], badge: str, double: bool, texts: Mapping[str, list[str]]) -> tuple[float, float]:
    """Width and height that are enough for the lines whatever texts they are given."""
    return box_size([widest(line, texts.get(line.key, ())) for line in lines], badge, double)


def widest(line: Line, texts: Iterable[str]) -> Line:
    """The line with the widest of its texts."""
    kind = type_of_line(line)
    if line.grid is not None:
        said = {grid.said for grid in (line.grid, *line.other_grids)}
        others = [text_width(text, kind.size, kind.bold) for text in dict.fromkeys(texts) if text not in said]
        others += [grid_size(grid, kind.bold)[0] for grid in line.other_grids]
        return replace(line, grid=replace(line.grid, least=max(others, default=0.0)))
    if line.ratio is not None:
        return line
    text = max((line.text, *dict.fromkeys(texts)), key=lambda text: text_width(text, kind.size, kind.bold))
    return line if text == line.text else replace(line, text=text)


def arrow(words: Words, edge: Edge) -> Arrow:
    """One edge."""
    said = words.edges[edge.key]
    width, height = label_size(said.lines)
    style = (
        "data"
        if edge.cut == "data"
        else "cut"
        if edge.cut is not None
        else "guess"
        if edge.match == "guess"
        else "solid"
    )
    return Arrow(
        edge.key,
        edge.tail,
        edge.head,
        said.lines,
        width,
        height,
        style,
        edge.cut or "",
        slot=edge.slot,
        reads=shortened_text(name_on_box(words.graph.nodes[edge.tail], edge.port), NAME_ROOM),
        hover=said.hover,
    )


def module_frames(words: Words) -> Iterator[Group]:
    """A frame around the nodes of each module that is not folded, nested as the modules are."""
    frames, inside = frozenset(words.frames), inside_of_frames(words)
    for path in words.frames:
        parent = frame_around(path[:-1], frames)
        title = frame_title(words, path, within_frame(path[-1], path[:-1], frames))
        yield Group("/".join(path), title, tuple(inside[path]), "/".join(parent) if parent else None)
    yield from pass_frames(words.graph, frames)


def inside_of_frames(words: Words) -> Mapping[ModulePath, Sequence[str]]:
    """The keys of the nodes in each frame of a module, those of the frames in it included."""
    inside: dict[ModulePath, list[str]] = {path: [] for path in words.frames}
    for node in words.graph.node_list:
        for depth in range(1, len(node.module) + 1):
            if node.module[:depth] in inside:
                inside[node.module[:depth]].append(node.key)
    return inside


def pass_frames(graph: Graph, frames: Collection[ModulePath] = ()) -> Iterator[Group]:
    """A frame around the operations of each call that runs a backward pass of its own, where it is opened."""
    inside: dict[int, list[Node]] = {}
    for node in graph.node_list:
        if node.call is not None and is_pass(node):
            inside.setdefault(node.call, []).append(node)
    for call, nodes in inside.items():
        if len(nodes) > 1:
            around = frame_around(common_path([node.module for node in nodes]), frames)
            place = f", {nodes[0].source}" if nodes[0].source else ""
            label, keys = f"inside of {nodes[0].call_op}{place}", tuple([node.key for node in nodes])
            yield Group(f"call {call}", label, keys, "/".join(around) if around else None)


def frame_title(words: Words, path: tuple[str, ...], name: str) -> str:
    """What stands on a frame: the name of a module, with its class where the name is a number."""
    what = words.graph.class_of_module.get(path[-1])
    return f"{name} {what}" if what and path[-1].rpartition(".")[2].isdigit() else name


def roles_legend(boxes: Iterable[Box], arrows: Iterable[Arrow], *, values: bool) -> Iterator[str]:
    """The roles that a reader may have to look up."""
    boxes, arrows = list(boxes), list(arrows)
    if len(boxes) > LEGEND_LIMIT:
        return
    if values:
        yield "value"
    roles = {line.role for box in boxes for line in box.lines if line.kind != ONES}
    if "gradient" in roles:
        yield "gradient"
    words = [line for arrow in arrows for line in arrow.lines]
    grids = [line.grid for line in (*words, *(line for box in boxes for line in box.lines)) if line.grid is not None]
    if any(grid.chart is None and not is_without_shades(grid) for grid in grids):
        yield "grid"
    rings = {ring.kind for grid in grids for ring in grid.rings}
    yield from (role for kind, role in RINGS_IN_LEGEND.items() if kind in rings)
    for line in words:
        roles.add(line.kind if line.kind in ("rule", "factor", "matrix") else line.role)
        if line.kind == "summed":
            roles.add("broadcast")
    yield from (
        role
        for role in ("local", "matrix", "factor", "rule", "contribution", "broadcast", "upstream", "tie", "cut")
        if role in roles
    )


def is_without_shades(grid: Grid) -> bool:
    """Whether the elements of a grid have no colours that would say something."""
    return bool(grid.rows) and all(shade in (0, NO_SHADE) for row in grid.shades for shade in row)
