"""Node -> the lines of its box as autograd has it: grad_fn, AccumulateGrad, and what is saved for the backward pass."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.scene.scene import Line
from graphviz_ad._internal.scene.words.box_lines import NAME_ROOM, numbered
from graphviz_ad._internal.scene.words.short_text import is_constant, shortened_text

PROGRAM, AUTOGRAD = LABELS = ("program", "autograd")
FINISHED = "finished tensors"  # the kind of notice of a graph whose program was not seen
MOST_NODES = 4  # of autograd, that a box names
ACCUMULATE, NO_FUNCTION, NO_GRADIENT = "AccumulateGrad", "no grad_fn", "requires_grad = False"


def is_finished(graph: Graph) -> bool:
    """Whether a graph was made of finished tensors, whose program nobody saw."""
    return any(note.kind == FINISHED for note in graph.notes)


def autograd_title(node: Node, name: str, formula: str) -> list[Line]:
    """The first lines of a box: what autograd has there, and what the program calls it; no ``formula`` where that is
    not known.
    """
    if is_constant(node):
        return []
    if node.kind in ("leaf", "data"):
        kind = ACCUMULATE if node.kind == "leaf" and node.requires_grad else NO_GRADIENT
        return [Line("name", shortened_text(name, NAME_ROOM)), Line("kind", kind, number=1)]
    functions = node.autograd[:MOST_NODES] + ("…",) * (len(node.autograd) > MOST_NODES)
    lines = numbered("name", [shortened_text(each, NAME_ROOM) for each in functions or (NO_FUNCTION,)])
    if not formula:
        return lines
    return [*lines, Line("kind", shortened_text(f"{name} = {formula}", NAME_ROOM), "formula", 1)]


def saved_lines(node: Node) -> Iterator[Line]:
    """What is kept for the backward pass of a node: the names of tensors, never their values."""
    if node.keeps_unknown:
        yield Line("note", "saved: unknown", number=9)
    elif node.saved:
        yield Line("note", shortened_text(f"saved: {', '.join(node.saved)}", NAME_ROOM), number=9)
