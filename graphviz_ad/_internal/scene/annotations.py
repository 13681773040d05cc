"""Scene + remarks -> Scene: lines added to boxes, boxes marked as worth a look, and the place where a program stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import one_line
from graphviz_ad._internal.scene.paint import box_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Fact, Line, Scene
from graphviz_ad._internal.scene.words.box_lines import gradient_label, numbered
from graphviz_ad._internal.scene.words.in_place_text import is_partial_write
from graphviz_ad._internal.scene.words.signs import NOT_YET

RAISED, FAILED = "The program raised ", "The backward pass failed: "  # how the notices of a recording begin
UP_TO_THERE = "; this is the graph up to there."
STOPPED, RAISED_HERE, WROTE = "⚠ stopped here", "⚠ raised here", "⚠ wrote over what {} read or made"
OVERWRITTEN = "modified by an inplace operation"  # in torch's own message


def with_remarks(scene: Scene, remarks: Mapping[str, Sequence[str]], *, marked: Collection[str] = ()) -> Scene:
    """The scene, not placed yet, with more lines in the boxes of these keys; those that are ``marked`` stand out."""
    boxes = [remarked(box, remarks.get(box.key, ()), marked=box.key in marked) for box in scene.boxes]
    return replace(scene, boxes=tuple(boxes))


def remarked(box: Box, texts: Sequence[str], *, marked: bool = False) -> Box:
    """A box with more lines, and wide enough for them."""
    if not texts and not marked:
        return box
    lines = (*box.lines, *numbered("remark", texts))
    width, height = box_size(lines, box.badge, box.double)
    emphasis = "active" if marked else box.emphasis
    hover = (*box.hover, *(Fact("", text) for text in texts))
    return replace(box, lines=lines, width=max(width, box.width), height=max(height, box.height), emphasis=emphasis, hover=hover)


# --- where a program stopped


def with_failure(scene: Scene, graph: Graph) -> Scene:
    """The scene, not placed yet, of a program that raised: the operation that stopped is marked, and the error is said once.

    A gradient that a failed pass did not come to is not None, but not computed; a leaf has what earlier passes left in its ``.grad``.
    """
    told = error_of(graph)
    if not told:
        return scene
    stopped = stopped_at(graph)
    notes = (f"⚠ {told}", *(note for note in scene.notes if not note.startswith((RAISED, FAILED))))
    boxes = [corrected(box, graph, stopped) for box in scene.boxes]
    arrows = [uncut(arrow, stopped) for arrow in scene.arrows]
    legend = tuple(role for role in scene.legend if role != "cut" or any(arrow.style == "cut" and arrow.lines for arrow in arrows))
    where = f" It stopped at {stopped.name or stopped.op}: {told}" if stopped is not None else f" {told}"
    return replace(scene, boxes=tuple(boxes), arrows=tuple(arrows), notes=notes, legend=legend, alt=f"{scene.alt}{where}")


def corrected(box: Box, graph: Graph, stopped: Node | None) -> Box:
    """A box without what would be true only of a program that had ended."""
    node = graph.nodes[box.key]
    if node.kind == "data" and node.requires_grad:  # no backward pass has come to this leaf
        box = replace(box, kind="leaf")
    if failed(graph) and node.requires_grad and node.grad is None and len(node.ports) == 1:
        before = held_before(graph, node)
        text = f"{gradient_label(node)} {one_line(before) if before is not None else NOT_YET}"
        box = resized(box, [replace(line, text=text) if line.key == "gradient" else line for line in box.lines if line.role != "note"])
    if stopped is not None and node in writers(graph, stopped):
        box = remarked(box, (WROTE.format(stopped.op),))
    if stopped is None or node is not stopped:
        return box
    known = [line for line in box.lines if failed(graph) or line.role != "value"]
    return replace(remarked(resized(box, known), (STOPPED if failed(graph) else RAISED_HERE,)), warning=True)


def resized(box: Box, lines: Sequence[Line]) -> Box:
    """The box with these lines."""
    width, height = box_size(lines, box.badge, box.double)
    return replace(box, lines=tuple(lines), width=width, height=height)


def uncut(arrow: Arrow, stopped: Node | None) -> Arrow:
    """An arrow on which no gradient has come back because nothing came back at all."""
    early = arrow.cut == "unreached" or (stopped is not None and arrow.head == stopped.key)
    return replace(arrow, style="solid", cut="", lines=(), width=0.0, height=0.0) if early and arrow.style == "cut" else arrow


def held_before(graph: Graph, node: Node) -> Snapshot | None:
    """What the ``.grad`` of a leaf held after the passes that did not fail."""
    for earlier in reversed(graph.passes):
        held = earlier.nodes[node.key].ports[0].grad_total if node.key in earlier.nodes else None
        if held is not None:
            return held
    return None


def error_of(graph: Graph) -> str:
    """What the program raised, type and message; "" where it did not."""
    for notice in graph.notices:
        if notice.startswith(RAISED):
            return notice.removeprefix(RAISED).removesuffix(UP_TO_THERE)
        if notice.startswith(FAILED):
            return notice.removeprefix(FAILED)
    return ""


def failed(graph: Graph) -> bool:
    """Whether it was this very backward pass that raised."""
    return any(notice.startswith(FAILED) for notice in graph.notices)


def stopped_at(graph: Graph) -> Node | None:
    """The operation whose gradient had come in, and which then did not run; or that raised in the forward pass; None where neither is there."""
    if failed(graph):
        found = [node for node in graph.node_list if is_reached_but_not_run(graph, node)]
    else:
        found = [node for node in graph.node_list if node.kind == "op" and error_of(graph) and not any(port.shape is not None for port in node.ports)]
    return found[-1] if found else None  # the engine takes what was computed last first


def writers(graph: Graph, stopped: Node) -> list[Node]:
    """What wrote, after the operation had run that stopped, to its result or to an operand, if torch says that this was the reason."""
    if OVERWRITTEN not in error_of(graph):
        return []
    touched = {stopped.key, *(edge.tail for edge in graph.in_edges(stopped.key))}
    after = graph.node_list[graph.node_list.index(stopped) + 1 :]
    return [node for node in after if is_write(node) and any(edge.tail in touched for edge in graph.in_edges(node.key))]


def is_write(node: Node) -> bool:
    """Whether an operation writes to what it is given."""
    return is_partial_write(node) or (node.op or "").endswith(("_", ".step"))


def is_reached_but_not_run(graph: Graph, node: Node) -> bool:
    """Whether a failed backward pass had come to an operation, and no further."""
    begun = any(port.upstream is not None for port in node.ports)
    arrived = begun or any(edge.grad is not None for edge in graph.out_edges(node.key))
    return node.kind == "op" and node.backward_order is None and arrived
