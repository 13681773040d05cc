"""Graph + result -> whether it would have mattered: whether it leads on to what a backward pass began at."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import cached_property

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.pass_keys import same_nodes
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.names import NUMBER_OF_TENSOR
from graphviz_ad._internal.scene.annotations import is_write
from graphviz_ad._internal.scene.words.short_text import is_constant


class Ways:
    """What leads to what in one graph, found once: there may be thousands of questions about it."""

    def __init__(self, graph: Graph) -> None:
        """Nothing is looked at before it is asked for; the graph is held no longer than by others."""
        self._graph = weakref.ref(graph)

    @property
    def graph(self) -> Graph:
        """The graph that is asked about."""
        graph = self._graph()
        assert graph is not None
        return graph

    @cached_property
    def place(self) -> dict[str, int]:
        """Node -> its place in the order in which they were computed."""
        return {node.key: i for i, node in enumerate(self.graph.node_list)}

    @cached_property
    def constants(self) -> list[Node]:
        """The numbers of the program."""
        return [node for node in self.graph.node_list if is_constant(node) and node.value is not None]

    @cached_property
    def to_a_loss(self) -> set[str]:
        """What leads to something that a gradient was fed in at in this pass."""
        return self._to({node.key for node in self.graph.node_list if is_root(node)})

    @cached_property
    def to_any_loss(self) -> set[str]:
        """The same, of all passes."""
        return self._to({key for done in self.graph.passes for key in roots_of_pass(self.graph, done)})

    @cached_property
    def _taken_from(self) -> dict[str, list[str]]:
        """Number of the program -> where it was taken out of a tensor."""
        found: dict[str, list[str]] = {}
        for node in filter(takes_out, self.graph.node_list):
            for number in numbers_like(self.graph, node):
                found.setdefault(number.key, []).append(node.key)
        return found

    def _to(self, roots: set[str]) -> set[str]:
        graph = self.graph
        found = {key for key in roots if key in graph.nodes}
        waiting = list(found)
        while waiting:
            key = waiting.pop()
            before = [edge.tail for edge in graph.in_edges(key) if not is_update(graph, edge)]
            fresh = {*before, *self._taken_from.get(key, ())} - found
            found |= fresh
            waiting += fresh
        return found


_WAYS: weakref.WeakKeyDictionary[Graph, Ways] = weakref.WeakKeyDictionary()


def ways_of(graph: Graph) -> Ways:
    """The ways of a graph, the same at each question."""
    known = _WAYS.get(graph)
    return known if known is not None else _WAYS.setdefault(graph, Ways(graph))


def leads_to_a_loss(graph: Graph, key: str) -> bool:
    """Whether something that a gradient was fed in at in this pass was computed from a node, in whatever way; an
    update of a parameter is no part of a computation.
    """
    return key in ways_of(graph).to_a_loss


def leads_to_any_loss(graph: Graph, key: str) -> bool:
    """The same, of all passes."""
    return key in ways_of(graph).to_any_loss


def roots_of_pass(graph: Graph, done: Graph) -> Iterator[str]:
    """The keys of what another pass began at; calls may be joined otherwise there."""
    roots = [node for node in done.node_list if is_root(node)]
    same = same_nodes(done, graph) if done is not graph and roots else {root.key: root for root in roots}
    for root in roots:
        if root.key in same:
            yield same[root.key].key
        elif root.call is not None:
            parts = graph.of_calls.get(root.call, ())
            yield from (node.key for node in parts if node.module[:1] == root.module[:1])


def may_lead_to_a_loss(graph: Graph, key: str) -> bool:
    """The same, where nobody sees what becomes of a Python number."""
    return takes_out(graph.nodes[key]) or leads_to_a_loss(graph, key)


def takes_out(node: Node) -> bool:
    """Whether an operation makes a Python number of a tensor."""
    return node.op in NUMBER_OF_TENSOR and not node.requires_grad and not node.autograd


def numbers_like(graph: Graph, node: Node) -> Iterator[Node]:
    """The numbers of the program that are, to the last digit, the one that was taken out of a tensor before; none where
    the program had that number before it was taken out, as a 0 or a 1.
    """
    taken = graph.in_edges(node.key)[:1]
    value = graph.nodes[taken[0].tail].ports[taken[0].port].value if taken else None
    if value is None or value.data is None or value.numel != 1:
        return
    ways = ways_of(graph)
    alike = [each for each in ways.constants if is_number(each, value)]
    if not any(ways.place[each.key] < ways.place[node.key] for each in alike):
        yield from (each for each in alike if ways.place[each.key] > ways.place[node.key])


def is_number(node: Node, value: Snapshot) -> bool:
    """Whether a node is a number of the program, and that one to the last digit."""
    return is_constant(node) and node.value is not None and bool(node.value.data == value.data)


def numbers_held(graph: Graph, node: Node) -> Iterator[tuple[Node, Edge]]:
    """The numbers of the program that are, to the last digit, an element of a result which no operation read, with
    where they are used: tolist() and numpy() are no operations, and nobody sees them run. Whole numbers are everywhere.
    """
    array = node.value.array if node.value is not None else None
    if array is None:
        return
    held = {float(element) for element in array.ravel() if float(element) % 1} if array.dtype.kind == "f" else set()
    for each in graph.node_list[graph.node_list.index(node) + 1 :] if held else ():
        if is_constant(each) and each.value is not None and each.value.data in held:
            yield from ((each, edge) for edge in graph.out_edges(each.key))


def ran_in(graph: Graph, node: Node) -> frozenset[str]:
    """The operations that a node stands for."""
    fine = graph.detail.node_list if graph.detail is not None and node.call is not None else ()
    inside = (each.op for each in fine if each.call == node.call)
    return frozenset(op for op in (node.op, *inside) if op is not None)


def is_root(node: Node) -> bool:
    """Whether a pass began there."""
    return node.is_output or any(port.upstream is not None for port in node.ports)


def is_update(graph: Graph, edge: Edge) -> bool:
    """Whether an edge leads into the next value of a leaf, as an optimizer writes it: nobody expects a gradient
    through that.
    """
    head = graph.nodes[edge.head]
    return edge.cut is not None and is_write(head) and (head.is_step or head.ports[0].tensor is not None)
