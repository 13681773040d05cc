"""Recorded numbers of a Graph -> how far rounding may have moved a derivative along a direction from what exact
numbers give.

A gradient is rounded wherever it is kept, and it is made of values that are rounded: the sigmoid of 5.6 is 0.9963, but
0.9961 in bfloat16, so that out (1 - out) is 6 % off. What either does to the derivative in the end is its size times
the tangent there, that is how fast the result moves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from graphviz_ad._internal.check.link_numbers import formula_value, real, real_array
from graphviz_ad._internal.check.replay import takes_elements
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import SMALLEST, rounded_to_dtype, unit
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import as_came, coarsest, dtype_around
from graphviz_ad._internal.maths.claims import LETTERS, backward_formula, forward_formula, operands_of, recorded_letters
from graphviz_ad._internal.maths.formula_values import Step, as_it_is
from graphviz_ad._internal.maths.gradient_sums import known, parts_of_gradient

ADDS_UP = re.compile(r"[-+@]|sum|mean|trace|det|inverse|softmax")  # in a formula: there, terms may cancel
# roundings in what flows back along an edge, where no formula says what the rounding of values does to it
WITHOUT_FORMULA = 1000


@dataclass(frozen=True)
class Doubt:
    """What rounding does to a derivative: what rounded values in the formulas do, and how far the rest may be off in
    either direction.

    ``shifts`` are two: of formulas that compute exactly with rounded values, and of formulas that round each step;
    ``shifted`` is how far they go along all edges, whatever their direction. The spread is infinite where numbers are
    not known.
    """

    shifts: tuple[float, float]
    spread: float
    shifted: float = 0.0

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return all(map(math.isfinite, (*self.shifts, self.spread, self.shifted)))

    def distance(self, exact: float, claimed: float) -> float:
        """How far a derivative is from what it would be with, without, or with a part of a shift."""
        places = [exact, *(exact + shift for shift in self.shifts)]
        return max(min(places) - claimed, claimed - max(places), 0.0)


@dataclass(frozen=True)
class Moved:
    """What rounding does to what flows back along an edge, element by element: two shifts as of a `Doubt`, and how
    far each step of a formula may be off.
    """

    shift: Array
    stepwise: Array
    spread: Array


class Rounding:
    """What rounding does to the derivatives of a graph; ``exact`` are the values that its formulas give, by key.

    ``noise`` is how far the result may be off that the formulas give for the whole graph, although they compute in full
    precision.
    """

    def __init__(self, graph: Graph, exact: Mapping[str, Array]) -> None:
        self.graph, self.exact = graph, exact
        self.noise = (
            2
            * unit("float64")
            * sum(largest_product(node.ports[0].grad, magnitude_within(graph, node, exact)) for node in graph.node_list)
        )
        # what finite differences are no better than
        fine = unit(coarsest(port.dtype for node in graph.node_list for port in node.ports)) <= unit("float64")
        self.moved = {
            edge.key: None if fine else rounding_along(graph, edge, exact) for edge in graph.edges if edge.cut is None
        }

    def doubt(self, tangents: Mapping[str, Array]) -> Doubt:
        """What it does to the derivative along a direction, given how fast every node moves in it.

        Within one node, roundings may all be off in one direction, as where all elements are the same; between nodes
        they are as good as random.
        """
        moving = [node for node in self.graph.node_list if tangents[node.key].any()]
        edges = [edge for node in moving for edge in self.graph.out_edges(node.key) if edge.cut is None]
        pairs = [(off, tangents[edge.tail]) for edge in edges if (off := self.moved[edge.key]) is not None]
        shifts = [float(np.sum(off.shift * tangent).real) for off, tangent in pairs]
        stepwise = [float(np.sum(off.stepwise * tangent).real) for off, tangent in pairs]
        spreads = [self._of_gradient(node, tangents[node.key]) for node in moving]
        spreads += [float(np.sum(off.spread * np.abs(tangent))) for off, tangent in pairs]
        spreads += [self._of_values(edge, tangents[edge.tail]) for edge in edges if self.moved[edge.key] is None]
        return Doubt((sum(shifts), sum(stepwise)), math.hypot(*spreads), sum(map(abs, shifts)))

    def _of_gradient(self, node: Node, tangent: Array) -> float:
        """By the rounding of the gradient of a node, and of what it is the sum of."""
        edges = [edge for edge in self.graph.out_edges(node.key) if edge.cut is None]
        uses, port = [self.graph.nodes[edge.head] for edge in edges], node.ports[0]
        dtype = coarsest((node.ports[0].dtype, *(dtype_around(self.graph, use) for use in uses)))
        smallest = SMALLEST.get(dtype, 0.0) * float(np.sum(np.abs(tangent)))
        # what is left of large parts is no better than these
        size = max(
            largest_product(port.grad, tangent),
            sum(largest_product(part, tangent) for part in parts_of_gradient(edges, port)),
        )
        return (1 + sum(1 + use.inside for use in uses)) * (unit(dtype) * size + smallest)

    def _of_values(self, edge: Edge, tangent: Array) -> float:
        """By the rounding of the values that what flows back along an edge is made of, where no formula says what
        that does; infinitely, where they are off by more than these roundings.
        """
        share = WITHOUT_FORMULA * unit(dtype_around(self.graph, self.graph.nodes[edge.head]))
        near = all(is_recorded_nearly(self.exact[key], self.graph.nodes[key], share) for key in (edge.tail, edge.head))
        if not near or has_run_under(edge, self.graph.nodes[edge.head], tangent):
            return math.inf
        return share * largest_product(edge.grad, tangent)


def is_recorded_nearly(exact: Array, node: Node, share: float) -> bool:
    """Whether no element that was recorded of a node is further from the exact one than by a share of the largest."""
    recorded = known(node.value)
    if recorded is None or recorded.shape != exact.shape:
        return True
    with np.errstate(all="ignore"):
        return bool(np.all(np.abs(recorded - exact) <= share * np.max(np.abs(exact), initial=0.0)))


def has_run_under(edge: Edge, head: Node, tangent: Array) -> bool:
    """Whether the 0 that came of something may have been a small number on its way: complex numbers are divided by
    squares of their parts.
    """
    grad = known(edge.grad)
    if grad is None or grad.shape != tangent.shape or not np.iscomplexobj(grad) or head.grad is None:
        return False
    return bool(np.any((grad == 0) & (tangent != 0)) and head.grad.norm != 0)


def rounding_along(graph: Graph, edge: Edge, exact: Mapping[str, Array]) -> Moved | None:
    """What rounding does to what flows back along an edge, next to what exact values would make of the same
    gradient; None where no formula tells.
    """
    node, shape, dtype = (
        graph.nodes[edge.head],
        graph.nodes[edge.tail].ports[edge.port].shape,
        dtype_around(graph, graph.nodes[edge.head]),
    )
    if shape is not None and takes_elements(graph, node):
        return Moved(*[np.zeros(shape)] * 3)
    values, arrived, formula = real(recorded_letters(graph, node)), real_array(node.grad), backward_formula(graph, edge)
    if values is None or arrived is None or shape is None:
        return None
    unrounded = {
        **dict(zip(LETTERS, (exact[operand.tail] for operand in operands_of(graph, node)), strict=False)),
        "out": exact[node.key],
    }
    ways = [(unrounded, as_it_is), *((values, step) for step in (as_it_is, rounding_to(dtype), *off_by(unit(dtype))))]
    found = [
        array
        for numbers, step in ways
        if (array := as_came(formula_value(formula, {**numbers, "g": arrived}, step), shape)) is not None
    ]
    if len(found) < len(ways) or any(array.shape != shape for array in found):
        return None
    with np.errstate(all="ignore"):
        instead, kept, stepwise, *others = found
        spread = sum(np.abs(other - kept) for other in others)
        return Moved(*map(np.nan_to_num, (kept - instead, stepwise - instead, spread)))


def rounding_to(dtype: str) -> Step:
    """A step within a formula that rounds."""
    return on_numbers(lambda result: rounded_to_dtype(result, dtype).astype(np.float64))


def off_by(share: float) -> tuple[Step, Step]:
    """Steps within a formula that are off by a share: all in one direction, or in turns, so that no sum or
    difference hides it.
    """
    signs = cycle((share, -share))
    return on_numbers(lambda result: result * (1 + share)), on_numbers(lambda result: result * (1 + next(signs)))


def on_numbers(step: Callable[[Array], Array]) -> Step:
    """A step that leaves shapes alone."""
    return lambda result: step(np.asarray(result)) if isinstance(result, (np.ndarray, float)) else result


def magnitude_within(graph: Graph, node: Node, exact: Mapping[str, Array]) -> Array:
    """How large the numbers are that a node is computed with: its result, and where terms may cancel also its
    operands and the 1 of ``log(1 + a)``.
    """
    result, operands = np.abs(exact[node.key]), [exact[edge.tail] for edge in graph.in_edges(node.key)]
    if not operands or not ADDS_UP.search(forward_formula(graph, node)):
        return np.asarray(result)
    return np.asarray(
        result
        + 1
        + sum(np.max(np.abs(array), initial=0.0) * max(array.size / max(result.size, 1), 1) for array in operands)
    )


def largest_product(snap: Snapshot | None, tangent: Array) -> float:
    """The sum of all |gradient × tangent|, or no less than that, where only the norm is known; infinite where
    nothing is.
    """
    if snap is None:
        return 0.0
    if snap.array is not None:
        with np.errstate(all="ignore"), suppress(ValueError):
            return float(np.nansum(np.abs(snap.array * tangent)))  # 0 times infinity is nothing here
    return math.inf if snap.norm is None else snap.norm * float(np.linalg.norm(tangent))
