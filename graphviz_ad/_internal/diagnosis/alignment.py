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
    """Key in a -> key in b, of what is the same thing; names may differ, and either may have more than the other.

    What only stands in the place of something else is no pair: `parting` finds it, between what belongs together.
    """
    first, second = ([node for node in graph.node_list if is_compared(node)] for graph in (a, b))
    found: Pairs = {here.key: there.key for here, there in _matched(first, second)}
    found |= dict(_sources(a, b, found))
    found |= dict(_by_name(a, b, found))
    return found | dict(_outputs(a, b, found))


def is_compared(node: Node) -> bool:
    """Whether a node is part of what is compared: no step of an optimizer, and no change of dtype alone."""
    return node.kind not in ("leaf", "data") and not node.is_step and operation(node) not in ONLY_CHANGES_TYPE


def token(node: Node) -> Token:
    """What two nodes have in common that may be the same: operation and shapes, and not how they are called."""
    return (operation(node), *(port.shape for port in node.ports))


def _matched(first: Sequence[Node], second: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
    """Nodes in their order, as many as there are of the same tokens."""
    tokens = [token(node) for node in first], [token(node) for node in second]
    for block in SequenceMatcher(None, *tokens, autojunk=False).get_matching_blocks():
        yield from zip(first[block.a : block.a + block.size], second[block.b : block.b + block.size], strict=True)


def _sources(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """Leaves and data: what matched operations read at the same place."""
    for here, there in found.items():
        others = {edge.slot: edge for edge in b.in_edges(there)}
        for edge in a.in_edges(here):
            other = others.get(edge.slot)
            if other is None:
                continue
            tail, twin = through_casts(a, a.nodes[edge.tail]), through_casts(b, b.nodes[other.tail])
            if not is_compared(tail) and not is_compared(twin) and tail.ports[0].shape == twin.ports[0].shape:
                yield tail.key, twin.key


def _by_name(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """Leaves that are called the same, of which one or both are read by what has no pair."""
    taken = set(found.values())
    left = {
        node.name: node
        for node in reversed(b.node_list)
        if node.kind in ("leaf", "data") and node.name and node.key not in taken
    }
    for node in a.node_list:
        twin = left.get(node.name or "")
        if node.kind == "leaf" and node.key not in found and twin and twin.ports[0].shape == node.ports[0].shape:
            yield node.key, twin.key


def _outputs(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """What both programs return, or begin their backward pass at, where as much is left of it in both."""
    taken = set(found.values())
    here = [node for node in a.outputs if node.key not in found]
    there = [node for node in b.outputs if node.key not in taken]
    if len(here) == len(there):
        yield from ((one.key, other.key) for one, other in zip(here, there, strict=True))


def through_casts(graph: Graph, node: Node) -> Node:
    """What was changed to another dtype, before it was."""
    while operation(node) in ONLY_CHANGES_TYPE and (before := graph.in_edges(node.key)):
        node = graph.nodes[before[0].tail]
    return node
