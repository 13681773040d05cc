"""A pair of results that differ -> the operations that make the difference: the first that only one of two programs has
between what both have, or the pair itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from graphviz_ad._internal.diagnosis.alignment import Pairs, is_compared, through_casts
from graphviz_ad._internal.diagnosis.course import operation
from graphviz_ad._internal.graph.cuts import CUT_BY_THE_PROGRAM
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot

Agree = Callable[[Snapshot | None, Snapshot | None], bool]
DEEPEST = 200  # operations without a pair, one behind the other


@dataclass(frozen=True)
class Side:
    """One of the two graphs, and which of its nodes have a pair in the other."""

    graph: Graph
    paired: frozenset[str]
    agree: Agree

    def is_own(self, node: Node) -> bool:
        """Whether only this program has it."""
        return is_compared(node) and node.key not in self.paired

    def before(self, edge: Edge) -> tuple[Node, Port]:
        """What an operation reads, before it was changed to another dtype or handed on as it is."""
        port = self.graph.nodes[edge.tail].ports[edge.port]
        node = through_casts(self.graph, self.graph.nodes[edge.tail])
        for _ in range(DEEPEST):
            read = self.graph.in_edges(node.key)
            same = [e for e in read if self.is_own(node) and self.agree(self._value(e), _result(node))]
            if not same:
                break
            port = self.graph.nodes[same[0].tail].ports[same[0].port]
            node = through_casts(self.graph, self.graph.nodes[same[0].tail])
        return node, port

    def _value(self, edge: Edge) -> Snapshot | None:
        return self.graph.nodes[edge.tail].ports[edge.port].value

    def first_own(self, node: Node) -> Node:
        """The first operation that leads here and that only this program has: of those that read what both have, if
        there are such; the node itself where both have it.
        """
        if not self.is_own(node):
            return node
        own = {each.key: each for each in self._own_before(node)}
        order = [each for each in self.graph.node_list if each.key in own]
        reads = [each for each in order if self._reads_common(each, own)]
        return (reads or order)[0]

    def first_cut(self, node: Node) -> Node:
        """The operation of this program alone that took out of the graph what leads here; else the first such."""
        cutting = [each for each in self._own_before(node) if self.is_own(each) and self.cuts(each)]
        return cutting[-1] if cutting else self.first_own(node)

    def _own_before(self, node: Node) -> Iterator[Node]:
        found, left = {node.key}, [node]
        while left:
            one = left.pop()
            yield one
            for edge in self.graph.in_edges(one.key):
                tail, _ = self.before(edge)
                if self.is_own(tail) and tail.key not in found:
                    found.add(tail.key)
                    left.append(tail)

    def _reads_common(self, node: Node, own: dict[str, Node]) -> bool:
        tails = [self.before(edge)[0] for edge in self.graph.in_edges(node.key)]
        return any(is_compared(tail) and tail.key not in own for tail in tails)

    # --- on the way back

    def own_readers(self, node: Node) -> list[Node]:
        """Operations of this program alone that lead on from a node, in their order; not what hands on result and
        gradient as they are.
        """
        found: dict[str, Node] = {}
        left = [node]
        while left and len(found) < DEEPEST:
            one = left.pop()
            for edge in self.graph.out_edges(one.key):
                head = self.graph.nodes[edge.head]
                if head.key not in found and (self.is_own(head) or is_cast(head)):
                    found[head.key] = head
                    left.append(head)
        real = {key for key, each in found.items() if not is_cast(each) and not self._hands_on(each)}
        return [each for each in self.graph.node_list if each.key in real]

    def _hands_on(self, node: Node) -> bool:
        read = self.graph.in_edges(node.key)
        if len(read) != 1 or read[0].cut is not None:
            return False
        whole, sent = _result(node), read[0].grad
        arrived = node.ports[0].grad if len(node.ports) == 1 else None
        return self.agree(self._value(read[0]), whole) and (sent is arrived is None or self.agree(sent, arrived))

    def cuts(self, node: Node) -> bool:
        """Whether the program took a result out of the graph here."""
        return any(edge.cut in CUT_BY_THE_PROGRAM for edge in self.graph.in_edges(node.key))

    def sent_along(self, node: Node, head: Node) -> list[Snapshot]:
        """What flows back from one operation to a node."""
        edges = self.graph.out_edges(node.key)
        return [edge.grad for edge in edges if edge.head == head.key and edge.grad is not None]


def is_cast(node: Node) -> bool:
    """Whether an operation only changes the dtype."""
    return node.kind not in ("leaf", "data") and not node.is_step and not is_compared(node)


def _result(node: Node) -> Snapshot | None:
    return node.ports[0].value if len(node.ports) == 1 else None


@dataclass(frozen=True)
class Parting:
    """Two programs, and what belongs together in them."""

    a: Side
    b: Side
    pairs: Pairs

    def forward(self, node: Node, other: Node, depth: int = 0) -> tuple[Node, Node]:
        """Which operations make the difference between two results, of which all that both have before is equal."""
        theirs = {edge.slot: edge for edge in self.b.graph.in_edges(other.key)}
        for edge in self.a.graph.in_edges(node.key):
            twin = theirs.get(edge.slot)
            if twin is None:
                continue
            (here, port), (there, other_port) = self.a.before(edge), self.b.before(twin)
            if self.a.agree(port.value, other_port.value) or not (self.a.is_own(here) or self.b.is_own(there)):
                continue
            both = self.a.is_own(here) and self.b.is_own(there)
            if both and operation(here) == operation(there) and depth < DEEPEST:
                return self.forward(here, there, depth + 1)
            return self.a.first_own(here), self.b.first_own(there)
        return self._own_pair(node, other)

    def _own_pair(self, node: Node, other: Node) -> tuple[Node, Node]:
        """A pair that only stands at the same end: what leads there may begin earlier."""
        if operation(node) == operation(other):
            return node, other
        return self.a.first_own(node), self.b.first_own(other)

    def backward(self, node: Node, other: Node) -> tuple[Node, Node]:
        """Which operations make the difference between two gradients, of which all that came before is equal."""
        if self._hooked(node, other):
            return node, other
        if node.requires_grad != other.requires_grad:
            return self._cut_off(node, other)
        mine, theirs = self.a.own_readers(node), self.b.own_readers(other)
        if mine or theirs:
            return _told(self.a, mine, node), _told(self.b, theirs, other)
        for edge in self.a.graph.out_edges(node.key):
            twin = self.b.graph.nodes.get(self.pairs.get(edge.head, ""))
            if twin is None:
                continue
            head = self.a.graph.nodes[edge.head]
            here, there = self.a.sent_along(node, head), self.b.sent_along(other, twin)
            if len(here) != len(there) or not all(map(self.a.agree, here, there)):
                return head, twin
        return node, other

    def _cut_off(self, node: Node, other: Node, depth: int = 0) -> tuple[Node, Node]:
        """Where the one of two results that requires no grad lost that on its way there."""
        theirs = {edge.slot: edge for edge in self.b.graph.in_edges(other.key)}
        for edge in self.a.graph.in_edges(node.key):
            twin = theirs.get(edge.slot)
            if twin is None:
                continue
            here, there = self.a.graph.nodes[edge.tail], self.b.graph.nodes[twin.tail]
            if here.requires_grad == there.requires_grad:
                continue
            if self.pairs.get(here.key) == there.key and depth < DEEPEST:
                return self._cut_off(here, there, depth + 1)
            if self.a.is_own(here) or self.b.is_own(there):
                return self.a.first_cut(here), self.b.first_cut(there)
        return node, other

    def _hooked(self, node: Node, other: Node) -> bool:
        """Whether a hook changed what arrived at one of them, and the same arrived at both."""
        for one, twin in zip(node.ports, other.ports, strict=False):
            if one.arrived is None and twin.arrived is None:
                continue
            if self.a.agree(one.arrived or one.grad, twin.arrived or twin.grad):
                return True
        return False


def _told(side: Side, readers: list[Node], otherwise: Node) -> Node:
    """Of operations that one program alone has, that which takes a result out of the graph, or the first."""
    cutting = [each for each in readers if side.cuts(each)]
    return (cutting or readers or [otherwise])[0]
