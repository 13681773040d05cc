"""Two graphs of the same program -> where their runs part: the first result, and on the way back the first gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, sqrt
from typing import Literal

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.alignment import aligned, is_compared, through_casts
from graphviz_ad._internal.diagnosis.magnitudes import size_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import runs_agree, tolerance_between_runs
from graphviz_ad._internal.scene.words.short_text import is_constant

Tolerance = float | Literal["auto"]
Pair = tuple[Node, Node]


@dataclass(frozen=True)
class Divergence:
    """What two runs have in common: how many pairs of nodes belong together, how many of their values and gradients
    were held against each other as ``numbers``, and where they part first.
    """

    pairs: Mapping[str, str] = field(repr=False)
    compared: int
    only_first: int
    only_second: int
    first_forward: Pair | None
    first_backward: Pair | None
    apart_forward: float | None = None
    apart_backward: float | None = None
    numbers: int = 0

    @property
    def equal(self) -> bool | None:
        """Whether nothing that was compared differs by more than rounding; None where no number could be compared."""
        if not self.compared or self.first_forward is not None or self.first_backward is not None:
            return False
        return True if self.numbers else None


def diverging(a: Graph, b: Graph, tolerance: Tolerance = "auto") -> Divergence:
    """Where two runs part."""
    return _Comparison(a, b, tolerance).result()


class _Comparison:
    def __init__(self, a: Graph, b: Graph, tolerance: Tolerance) -> None:
        self.a, self.b, self.tolerance = a, b, checked_tolerance(tolerance)
        self.pairs = aligned(a, b)
        self.depth = self._depths()
        self.numbers = 0  # that told something

    def _depths(self) -> dict[str, int]:
        """Node of a -> how many operations lead to it, on the longest way."""
        found: dict[str, int] = {}
        for node in self.a.node_list:
            before = [found[edge.tail] for edge in self.a.in_edges(node.key) if edge.tail in found]
            found[node.key] = max(before, default=-1) + 1
        return found

    def result(self) -> Divergence:
        forward = next(self._forward(), None)
        backward = next(self._backward(), None)
        counts = [sum(is_compared(node) for node in graph.node_list) for graph in (self.a, self.b)]
        matched = sum(is_compared(self.a.nodes[key]) for key in self.pairs)
        return Divergence(
            self.pairs, len(self.pairs), counts[0] - matched, counts[1] - matched,
            forward[0] if forward else None, backward[0] if backward else None,
            forward[1] if forward else None, backward[1] if backward else None, self.numbers,
        )  # fmt: skip

    # --- forward

    def _forward(self) -> Iterator[tuple[Pair, float | None]]:
        for node in self.a.node_list:
            other = self.b.nodes.get(self.pairs.get(node.key, ""))
            if other is None or len(node.ports) != len(other.ports) or (is_constant(node) and is_constant(other)):
                continue  # a number of the program is told by what reads it
            floor = self._floor_forward(node)
            for one, twin in zip(node.ports, other.ports, strict=True):
                if self._differ(one.value, twin.value, self.depth[node.key], floor):
                    yield self._inserted(node, other) or (node, other), apart(one.value, twin.value)

    def _floor_forward(self, node: Node) -> float:
        """The size of what was added up."""
        sizes = [size_of(self.a.nodes[edge.tail].ports[edge.port].value) for edge in self.a.in_edges(node.key)]
        return max((size for size in sizes if size is not None), default=0.0)

    def _inserted(self, node: Node, other: Node) -> Pair | None:
        """What only one of the two has between the operands, which then is what makes the difference."""
        theirs = {edge.slot: edge for edge in self.b.in_edges(other.key)}
        known = set(self.pairs.values())
        for edge in self.a.in_edges(node.key):
            twin = theirs.get(edge.slot)
            if twin is None:
                continue
            here, there = through_casts(self.a, self.a.nodes[edge.tail]), through_casts(self.b, self.b.nodes[twin.tail])
            if is_compared(there) and there.key not in known and here.ports[0].shape == there.ports[0].shape:
                return here, there
            if is_compared(here) and here.key not in self.pairs and here.ports[0].shape == there.ports[0].shape:
                return here, there
        return None

    def _inserted_behind(self, node: Node, other: Node) -> Pair | None:
        """What only one of the two has among what reads a result, which then makes other gradients."""
        known = set(self.pairs.values())
        for edge in self.b.out_edges(other.key):
            head = self.b.nodes[edge.head]
            if is_compared(head) and head.key not in known:
                return node, head
        for edge in self.a.out_edges(node.key):
            head = self.a.nodes[edge.head]
            if is_compared(head) and head.key not in self.pairs:
                return head, other
        return None

    # --- backward

    def _backward(self) -> Iterator[tuple[Pair, float | None]]:
        deepest = max(self.depth.values(), default=0)
        for node in reversed(self.a.node_list):
            other = self.b.nodes.get(self.pairs.get(node.key, ""))
            if other is None or len(node.ports) != len(other.ports):
                continue
            depth = 2 * deepest - self.depth[node.key]
            for one, twin in zip(node.ports, other.ports, strict=True):
                if self._differ_backward(one.grad, twin.grad, depth, self._floor_backward(node)):
                    yield self._inserted_behind(node, other) or (node, other), apart(one.grad, twin.grad)
            theirs = {edge.slot: edge for edge in self.b.in_edges(other.key)}
            for edge in self.a.in_edges(node.key):
                there = theirs.get(edge.slot)
                if there is not None and self._edges_differ(edge, there, depth):
                    yield self._inserted(node, other) or (node, other), apart(edge.grad, there.grad)

    def _edges_differ(self, edge: Edge, there: Edge, depth: int) -> bool:
        if not is_compared(self.a.nodes[edge.tail]) and edge.tail not in self.pairs:
            return False
        floor = self._reach(edge)
        return self._differ_backward(edge.grad, there.grad, depth, floor)

    def _floor_backward(self, node: Node) -> float:
        return max((self._reach(edge) for edge in self.a.out_edges(node.key) if edge.grad is not None), default=0.0)

    def _reach(self, edge: Edge) -> float:
        """How large what is added up may be that goes back along an edge."""
        head, tail = self.a.nodes[edge.head], self.a.nodes[edge.tail]
        arrived = max((size_of(port.grad) or 0.0 for port in head.ports), default=0.0)
        beside = [
            size_of(self.a.nodes[other.tail].ports[other.port].value) or 0.0
            for other in self.a.in_edges(head.key)
            if other.slot != edge.slot
        ]
        grad = next((port.grad for port in head.ports if port.grad is not None), None)
        own = tail.ports[edge.port].value or edge.grad
        copies = sqrt(max(1.0, grad.numel / max(own.numel, 1))) if grad is not None and own is not None else 1.0
        return arrived * max([1.0, *beside]) * copies

    # --- both

    def _differ(self, one: Snapshot | None, other: Snapshot | None, depth: int, floor: float) -> bool:
        if one is None or other is None:
            return False
        auto = self.tolerance == "auto"
        allowed = tolerance_between_runs((one.dtype, other.dtype), depth) if auto else float(self.tolerance)
        told = runs_agree(one, other, allowed, floor)
        self.numbers += told is not None
        return told is False

    def _differ_backward(self, one: Snapshot | None, other: Snapshot | None, depth: int, floor: float) -> bool:
        if (one is None) != (other is None):
            return self.a.has_gradients and self.b.has_gradients
        return self._differ(one, other, depth, floor)


def checked_tolerance(tolerance: Tolerance) -> Tolerance:
    """A tolerance that means something."""
    if tolerance == "auto":
        return tolerance
    try:
        share = float(tolerance)
    except OverflowError:
        share = inf
    if not 0 <= share < inf:
        raise OptionError(
            f"tolerance={shown_value(tolerance)} is how far results may be apart, as a part of their size; give a"
            ' number from 0 on, such as 1e-3, or "auto"'
        )
    return share


def apart(one: Snapshot | None, other: Snapshot | None) -> float | None:
    """How far two results are apart, as a part of the larger; None where that is not known."""
    if one is None or other is None or one.norm is None or other.norm is None:
        return None
    size = max(one.norm, other.norm)
    if one.array is not None and other.array is not None and one.shape == other.shape:
        difference = float(abs(one.array.astype("complex128") - other.array.astype("complex128")).max())
        largest = float(max(abs(one.array).max(), abs(other.array).max())) if one.numel else 0.0
        return difference / largest if largest else 0.0
    return abs(one.norm - other.norm) / size if size else 0.0
