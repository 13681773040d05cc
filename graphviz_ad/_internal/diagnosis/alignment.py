"""Two graphs -> which of their nodes are the same computation: by operations, shapes, names and operands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from graphviz_ad._internal.diagnosis.course import operation
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.training import ONLY_CHANGES_TYPE

Pairs = dict[str, str]
Token = tuple[object, ...]


def aligned(a: Graph, b: Graph) -> Pairs:
    """Key in a -> key in b, of what is the same thing; names may differ, and either may have more than the other."""
    first, second = ([node for node in graph.node_list if is_compared(node)] for graph in (a, b))
    found: Pairs = {}
    for here, there in _matched(first, second):
        found[here.key] = there.key
    found |= dict(_sources(a, b, found))
    return found


def is_compared(node: Node) -> bool:
    """Whether a node is part of what is compared: no step of an optimizer, and no change of dtype alone."""
    return node.kind not in ("leaf", "data") and not node.is_step and operation(node) not in ONLY_CHANGES_TYPE


def token(node: Node) -> Token:
    """What two nodes have in common that may be the same: operation and shapes, and not how they are called."""
    return (operation(node), *(port.shape for port in node.ports))


def _matched(first: Sequence[Node], second: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """Nodes in their order, as many as there are of the same tokens; and those in whose place another stands."""
    tokens = [token(node) for node in first], [token(node) for node in second]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, *tokens, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from zip(first[i1:i2], second[j1:j2], strict=True)
        elif tag == "replace":
            yield from _in_place_of(first[i1:i2], second[j1:j2])


def _in_place_of(first: Sequence[Node], second: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """One after the other, those whose results have the same shapes; the last ones are what goes on from there."""
    if len(first) == len(second):
        yield from ((a, b) for a, b in zip(first, second, strict=True) if token(a)[1:] == token(b)[1:])
    elif token(first[-1])[1:] == token(second[-1])[1:]:
        yield first[-1], second[-1]


def _sources(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """Leaves and data: what matched operations read at the same place."""
    for here, there in found.items():
        others = {edge.slot: edge for edge in b.in_edges(there)}
        for edge in a.in_edges(here):
            other = others.get(edge.slot)
            if other is None:
                continue
            tail, twin = a.nodes[edge.tail], through_casts(b, b.nodes[other.tail])
            tail = through_casts(a, tail)
            if not is_compared(tail) and not is_compared(twin) and tail.ports[0].shape == twin.ports[0].shape:
                yield tail.key, twin.key


def through_casts(graph: Graph, node: Node) -> Node:
    """What was changed to another dtype, before it was."""
    while operation(node) in ONLY_CHANGES_TYPE and (before := graph.in_edges(node.key)):
        node = graph.nodes[before[0].tail]
    return node
