"""Graph -> Scene: each node as a box, each edge as an arrow, with room for the widest text that they will ever show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.scene import descriptions
from graphviz_ad._internal.scene.paint import box_size, label_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Change, Group, Line, Scene
from graphviz_ad._internal.scene.wording import Wording

LEGEND_LIMIT = 60  # boxes; a bigger picture is not for readers who need a legend


def build_scene(wording: Wording, *, direction: str = "LR", changes: Iterable[Change] = ()) -> Scene:
    """The picture of a graph, not placed yet.

    ``changes`` are those of a film that will be shown on it: boxes are made wide enough for every text in them.
    """
    graph = wording.graph
    texts = texts_of(changes)
    boxes = tuple(box(wording, node, texts.get(node.key, {})) for node in graph.node_list)
    arrows = tuple(arrow(wording, edge) for edge in graph.edges)
    return Scene(
        boxes, arrows, tuple(groups(wording)), direction, graph.name, descriptions.summary(wording), graph.notices, tuple(legend(wording, boxes, arrows))
    )


def texts_of(changes: Iterable[Change]) -> dict[str, dict[str, list[str]]]:
    """Key -> role -> every text that it is given."""
    found: dict[str, dict[str, list[str]]] = {}
    for change in changes:
        for role, text in change.texts:
            found.setdefault(change.key, {}).setdefault(role, []).append(text)
    return found


def box(wording: Wording, node: Node, texts: Mapping[str, list[str]]) -> Box:
    """One node."""
    lines = tuple(wording.lines(node))
    badge = wording.badge(node)
    return Box(
        node.key,
        node.kind,
        lines,
        *room(lines, badge, node.is_output, texts),
        badge,
        node.is_output,
        warning=any(snap is not None and bool(snap.nonfinite) for port in node.ports for snap in (port.value, port.grad)),
        hover=descriptions.of_node(wording, node),
    )


def room(lines: Iterable[Line], badge: str, double: bool, texts: Mapping[str, list[str]]) -> tuple[float, float]:
    """Width and height that are enough for the lines whatever texts they are given."""
    lines = list(lines)
    sizes = [box_size(lines, badge, double)]
    sizes += [
        box_size([Line(line.role, text if line.role == role else line.text) for line in lines], badge, double)
        for role, all_texts in texts.items()
        for text in set(all_texts)
    ]
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def arrow(wording: Wording, edge: Edge) -> Arrow:
    """One edge."""
    lines = tuple(wording.arrow_lines(edge))
    width, height = label_size(lines)
    style = "data" if edge.cut == "data" else "cut" if edge.cut is not None else "guess" if edge.match == "guess" else "solid"
    return Arrow(edge.key, edge.tail, edge.head, lines, width, height, style, edge.cut or "", hover=descriptions.of_edge(wording, edge))


def groups(wording: Wording) -> Iterable[Group]:
    """A frame around the nodes of each module that is not folded, nested as the modules are."""
    for path in wording.frames:
        parent = wording.frame_of(path[:-1])
        keys = tuple(node.key for node in wording.graph.node_list if node.module[: len(path)] == path)
        yield Group("/".join(path), wording.within_frame(path[-1], path[:-1]), keys, "/".join(parent) if parent else None)


def legend(wording: Wording, boxes: tuple[Box, ...], arrows: tuple[Arrow, ...]) -> Iterable[str]:
    """The roles that a reader may have to look up."""
    if len(boxes) > LEGEND_LIMIT:
        return
    if wording.options.values:
        yield "value"
    if any(line.role == "gradient" for box in boxes for line in box.lines):
        yield "gradient"
    roles = {line.role for arrow in arrows for line in arrow.lines} | {line.role for box in boxes for line in box.lines}
    derivatives = [line.text.startswith(("∂", "local ")) for arrow in arrows for line in arrow.lines if line.role == "local"]
    roles |= {"rule"} if not all(derivatives) else set()
    roles -= {"local"} if not any(derivatives) else set()
    if any("Σ" in line.text for arrow in arrows for line in arrow.lines if line.role == "contribution"):
        roles.add("broadcast")
    yield from (role for role in ("local", "rule", "contribution", "broadcast", "upstream", "tie", "cut") if role in roles)
