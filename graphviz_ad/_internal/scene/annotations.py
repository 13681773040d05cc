"""Scene + remarks -> Scene: lines added to boxes, boxes marked as worth a look, and the place where a program
stopped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.graph import COMPUTED, Graph, Node
from graphviz_ad._internal.graph.notice_sentences import error_text
from graphviz_ad._internal.graph.notices import FAILED
from graphviz_ad._internal.graph.pass_keys import with_shared_keys
from graphviz_ad._internal.graph.rank_messages import is_of
from graphviz_ad._internal.graph.small_print import small_print
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import number_in_one_line
from graphviz_ad._internal.scene.paint import box_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Fact, Line, Scene
from graphviz_ad._internal.scene.words.box_lines import gradient_label
from graphviz_ad._internal.scene.words.in_place_text import is_partial_write
from graphviz_ad._internal.scene.words.signs import NOT_YET

STOPPED, RAISED_HERE, WROTE = "⚠ stopped here", "⚠ raised here", "⚠ wrote over what {} read or made"


def with_remarks(
    scene: Scene, remarks: Mapping[str, Sequence[str]], *, marked: Collection[str] = (), role: str = "remark"
) -> Scene:
    """The scene, not placed yet, with more lines in the boxes of these keys; those that are ``marked`` stand out."""
    boxes = [remarked(box, remarks.get(box.key, ()), marked=box.key in marked, role=role) for box in scene.boxes]
    return replace(scene, boxes=tuple(boxes))


def remarked(box: Box, texts: Sequence[str], *, marked: bool = False, role: str = "remark") -> Box:
    """A box with more lines, and wide enough for them."""
    if not texts and not marked:
        return box
    before = sum(line.role == role for line in box.lines)
    lines = (*box.lines, *(Line(role, text, number=before + i) for i, text in enumerate(texts)))
    width, height = box_size(lines, box.badge, box.double)
    emphasis = "active" if marked else box.emphasis
    hover = (*box.hover, *(Fact("", text) for text in texts))
    return replace(
        box, lines=lines, width=max(width, box.width), height=max(height, box.height), emphasis=emphasis, hover=hover
    )


# --- where a program stopped


def with_failure(scene: Scene, graph: Graph) -> Scene:
    """The scene as it was built, not placed yet, of a program that raised: the operation that stopped is marked, and
    the error is said once.

    A gradient that a failed pass did not come to is not None, but not computed; a leaf has what earlier passes left in
    its ``.grad``.
    """
    told = error_of(graph)
    if not told:
        return scene
    stopped = stopped_at(graph)
    others, more = small_print([note for note in graph.notes if note.failure is None])
    boxes = [corrected(box, graph, stopped) for box in scene.boxes]
    arrows = [uncut(arrow, graph, stopped) for arrow in scene.arrows]
    legend = tuple(
        role for role in scene.legend if role != "cut" or any(arrow.style == "cut" and arrow.lines for arrow in arrows)
    )
    names = ", ".join(str(node.name or node.op) for node in stopped)
    alt = f"{scene.alt} It stopped at {names}: {told}" if names else f"{scene.alt} {told}"
    notes = (f"⚠ {told}", *others)
    return replace(scene, boxes=tuple(boxes), arrows=tuple(arrows), notes=notes, more=more, legend=legend, alt=alt)


def corrected(box: Box, graph: Graph, stopped: Collection[Node]) -> Box:
    """A box without what would be true only of a program that had ended."""
    node = graph.nodes[box.key]
    if node.kind == "data" and node.requires_grad:  # no backward pass has come to this leaf
        box = replace(box, kind="leaf")
    if failed_in_this_pass(graph, node) and node.requires_grad and node.grad is None and len(node.ports) == 1:
        before = held_before(graph, node)
        text = f"{gradient_label(node)} {number_in_one_line(before) if before is not None else NOT_YET}"
        box = resized(
            box,
            [replace(line, text=text) if line.key == "gradient" else line for line in box.lines if line.role != "note"],
        )
    for one in stopped:
        if node in writers(graph, one):
            box = remarked(box, (WROTE.format(one.op),))
    if node not in stopped:
        return box
    known = [line for line in box.lines if failed_in_this_pass(graph, node) or line.role != "value"]
    return replace(
        remarked(resized(box, known), (STOPPED if failed_in_this_pass(graph, node) else RAISED_HERE,)),
        warning=True,
        passed_on=False,
    )


def resized(box: Box, lines: Sequence[Line]) -> Box:
    """The box with these lines."""
    width, height = box_size(lines, box.badge, box.double)
    return replace(box, lines=tuple(lines), width=width, height=height)


def uncut(arrow: Arrow, graph: Graph, stopped: Collection[Node]) -> Arrow:
    """An arrow on which no gradient has come back because nothing came back at all."""
    head = graph.nodes[arrow.head]
    early = head in stopped or (arrow.cut == "unreached" and any(is_of(head, note.ranks) for note in graph.failures))
    return (
        replace(arrow, style="solid", cut="", lines=(), width=0.0, height=0.0)
        if early and arrow.style == "cut"
        else arrow
    )


def held_before(graph: Graph, node: Node) -> Snapshot | None:
    """What the ``.grad`` of a leaf held after the passes that did not fail."""
    for earlier in reversed(with_shared_keys(graph).passes):
        held = earlier.nodes[node.key].ports[0].grad_total if node.key in earlier.nodes else None
        if held is not None:
            return held
    return None


def error_of(graph: Graph) -> str:
    """What the program raised, type and message; "" where it did not."""
    # what ended the program, where a backward pass of it had failed before
    first = {note.ranks: note for note in reversed(graph.failures)}
    return "; ".join(
        error_text(note.failure, note.ranks) for note in reversed(first.values()) if note.failure is not None
    )


def failed_in_this_pass(graph: Graph, node: Node | None = None) -> bool:
    """Whether it was this very backward pass that raised; of several ranks, in that of the node."""
    return any(note.kind == FAILED and (node is None or is_of(node, note.ranks)) for note in graph.failures)


def stopped_at(graph: Graph) -> tuple[Node, ...]:
    """The operation whose gradient had come in, and which then did not run, or that raised in the forward pass; one
    in each rank that stopped.
    """
    return tuple(node for node in graph.node_list if node.raised and node.kind in COMPUTED)


def writers(graph: Graph, stopped: Node) -> list[Node]:
    """What wrote, after the operation had run that stopped, to its result or to an operand, if torch says that this
    was the reason.
    """
    if not any(
        note.failure is not None and note.failure.overwritten and is_of(stopped, note.ranks) for note in graph.failures
    ):
        return []
    touched = {stopped.key, *(edge.tail for edge in graph.in_edges(stopped.key))}
    after = graph.node_list[graph.node_list.index(stopped) + 1 :]
    return [node for node in after if is_write(node) and any(edge.tail in touched for edge in graph.in_edges(node.key))]


def is_write(node: Node) -> bool:
    """Whether an operation writes to what it is given."""
    return is_partial_write(node) or (node.op or "").endswith(("_", ".step"))
