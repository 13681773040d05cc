"""Two graphs of the same program -> where their runs part: the first result, and on the way back the first gradient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, sqrt
from typing import Any, Literal

import numpy as np

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.alignment import aligned, is_compared, is_fed_in
from graphviz_ad._internal.diagnosis.course import operation
from graphviz_ad._internal.diagnosis.magnitudes import size_of
from graphviz_ad._internal.diagnosis.parting import Parting, Side
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import runs_agree, tolerance_between_runs
from graphviz_ad._internal.operations.training import OVER, TIMES
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
        self.aligned = aligned(a, b)
        self.pairs = {
            here: there
            for here, there in self.aligned.items()
            if is_compared(a.nodes[here]) or is_fed_in(a.nodes[here])
        }
        self.depth = self._depths()
        self.deepest = max(self.depth.values(), default=0)
        self.numbers = 0  # that told something
        alike = [
            (here, there) for here, there in self.pairs.items()
            if operation(a.nodes[here]) == operation(b.nodes[there])
        ]  # fmt: skip
        first, second = (frozenset(pair[i] for pair in alike) for i in (0, 1))
        self.parting = Parting(Side(a, first, self._agree), Side(b, second, self._agree), self.pairs)

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
            self.aligned, len(self.pairs), counts[0] - matched, counts[1] - matched,
            forward[0] if forward else None, backward[0] if backward else None,
            forward[1] if forward else None, backward[1] if backward else None, self.numbers,
        )  # fmt: skip

    # --- forward

    def _forward(self) -> Iterator[tuple[Pair, float | None]]:
        for node in self.a.node_list:
            other = self.b.nodes.get(self.pairs.get(node.key, ""))
            if other is None or (is_constant(node) and is_constant(other)):
                continue  # a number of the program is told by what reads it
            if len(node.ports) != len(other.ports):
                continue
            floor = self._floor_forward(node)
            for one, twin in zip(node.ports, other.ports, strict=True):
                if not self._differ(one.value, twin.value, self.depth[node.key], floor):
                    continue
                if is_compared(node) or not self._exchanged(node, other):
                    pair = self.parting.forward(node, other) if is_compared(node) else (node, other)
                    yield pair, self._apart_forward(pair, one.value, twin.value)

    def _apart_forward(self, pair: Pair, one: Snapshot | None, twin: Snapshot | None) -> float | None:
        """How far the results that are told are apart, or those by which they were found."""
        told = apart(pair[0].value, pair[1].value)
        return told if told else apart(one, twin)

    def _floor_forward(self, node: Node) -> float:
        """The size of what was added up."""
        read = self.a.in_edges(node.key)
        sizes = [size_of(self.a.nodes[edge.tail].ports[edge.port].value) or 0.0 for edge in read]
        if operation(node) == TIMES and len(sizes) == 2:
            return sizes[0] * sizes[1]
        if operation(node) == OVER and len(sizes) == 2 and sizes[1]:
            return sizes[0] / sizes[1]
        return max(sizes, default=0.0)

    def _exchanged(self, node: Node, other: Node) -> bool:
        """Whether both programs have both of what was fed in, and one reads the one where the other reads the other:
        then it is told by what reads it.
        """
        if node.name is not None and node.name == other.name:
            return False
        return self._has(self.b, node, other) and self._has(self.a, other, node)

    def _has(self, graph: Graph, wanted: Node, instead: Node) -> bool:
        known = wanted.ports[0].value
        return known is not None and any(
            not is_compared(each) and each.key != instead.key and each.ports[0].value is not None
            and each.ports[0].shape == wanted.ports[0].shape and self._agree(each.ports[0].value, known)
            for each in graph.node_list
        )  # fmt: skip

    # --- backward

    def _backward(self) -> Iterator[tuple[Pair, float | None]]:
        for node in reversed(self.a.node_list):
            other = self.b.nodes.get(self.pairs.get(node.key, ""))
            if other is None or len(node.ports) != len(other.ports):
                continue
            depth = 2 * self.deepest - self.depth[node.key]
            for one, twin in zip(node.ports, other.ports, strict=True):
                if self._differ_backward(one.grad, twin.grad, depth, self._floor_backward(node)):
                    yield self.parting.backward(node, other), apart(one.grad, twin.grad)

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
        told = runs_agree(one, other, self._allowed(one, other, depth), floor)
        self.numbers += told is not None
        return told is False

    def _agree(self, one: Snapshot | None, other: Snapshot | None) -> bool:
        """Whether nothing tells two results apart; nothing is only like nothing."""
        if one is None or other is None:
            return one is other
        return runs_agree(one, other, self._allowed(one, other, 2 * self.deepest)) is not False

    def _allowed(self, one: Snapshot, other: Snapshot, depth: int) -> float:
        if self.tolerance == "auto":
            return tolerance_between_runs((one.dtype, other.dtype), depth)
        return float(self.tolerance)

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
    """How far two results are apart, as a part of the larger; infinitely, where one has a number and the other NaN or
    an infinity; None where that is not known.
    """
    if one is None or other is None or one.shape != other.shape:
        return None
    if one.array is not None and other.array is not None:
        return _elements_apart(one.array, other.array)
    if one.nonfinite != other.nonfinite and None not in (one.nonfinite, other.nonfinite):
        return inf
    if one.norm is None or other.norm is None:
        return None
    size = max(one.norm, other.norm)
    return abs(one.norm - other.norm) / size if isfinite(size) and size else 0.0 if size == 0 else None


def most_apart(one: Snapshot, other: Snapshot) -> float | None:
    """The largest difference of two elements, of those that are finite in both; None where no element is known."""
    here, there = one.array, other.array
    if here is None or there is None or here.shape != there.shape:
        return None
    both = np.isfinite(here) & np.isfinite(there)
    return float(abs(here.astype("complex128") - there.astype("complex128"))[both].max()) if both.any() else None


def _elements_apart(one: Any, other: Any) -> float | None:
    """How far elements are apart, as a part of the largest; infinitely, where they are not the same NaN or infinity."""
    both = np.isfinite(one) & np.isfinite(other)
    if ((one != other) & ~both & ~(np.isnan(one) & np.isnan(other))).any():
        return inf
    if not both.any():
        return None
    here, there = (each.astype("complex128")[both] for each in (one, other))
    largest = float(max(abs(here).max(), abs(there).max()))
    return float(abs(here - there).max()) / largest if largest else 0.0
