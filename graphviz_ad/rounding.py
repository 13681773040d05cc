"""Recorded numbers of a Graph -> how far rounding may have moved a derivative along a direction from what exact numbers give.

A gradient is rounded wherever it is kept, and it is made of values that are rounded: the sigmoid of 5.6 is 0.9963, but 0.9961 in bfloat16, so that
out (1 - out) is 6 % off. What either does to the derivative in the end is its size times the tangent there, that is how fast the result moves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphviz_ad.claims import LETTERS, backward_formula, operands_of, recorded
from graphviz_ad.graph import Edge, Graph, Node, Port
from graphviz_ad.link_numbers import as_came, computed, real, real_array
from graphviz_ad.precision import SMALLEST, unit
from graphviz_ad.replay import takes_elements
from graphviz_ad.snapshot import Array, Snapshot

WITHOUT_FORMULA = 1000  # roundings in what flows back along an edge, where no formula says what the rounding of values does to it


@dataclass(frozen=True)
class Doubt:
    """What rounding does to a derivative: ``shift`` is what the rounded values in the formulas do, ``spread`` how far the rest may be off in either direction.

    The spread is infinite where numbers are not known.
    """

    shift: float
    spread: float

    def distance(self, exact: float, claimed: float) -> float:
        """How far a derivative is from what it would be with, without, or with a part of the shift."""
        low, high = sorted((exact, exact + self.shift))
        return max(low - claimed, claimed - high, 0.0)


class Rounding:
    """What rounding does to the derivatives of a graph; ``exact`` are the values that its formulas give, by key."""

    def __init__(self, graph: Graph, exact: Mapping[str, Array]) -> None:
        self.graph = graph
        self.noise = 2 * unit("float64") * sum(product(node.ports[0].grad, exact[node.key]) for node in graph.node_list)  # in the result, computed by formulas
        self.moved = {edge.key: moved(graph, edge, exact) for edge in graph.edges if edge.cut is None}

    def doubt(self, tangents: Mapping[str, Array]) -> Doubt:
        """What it does to the derivative along a direction, given how fast every node moves in it.

        Within one node, roundings may all be off in one direction, as where all elements are the same; between nodes they are as good as random.
        """
        moving = [node for node in self.graph.node_list if tangents[node.key].any()]
        edges = [edge for node in moving for edge in self.graph.out_edges(node.key) if edge.cut is None]
        shifts = [float(np.sum(off * tangents[edge.tail]).real) for edge in edges if (off := self.moved[edge.key]) is not None]
        spreads = [self._of_gradient(node, tangents[node.key]) for node in moving]
        spreads += [self._of_values(edge, tangents[edge.tail]) for edge in edges if self.moved[edge.key] is None]
        return Doubt(math.fsum(shifts), math.hypot(*spreads))

    def _of_gradient(self, node: Node, tangent: Array) -> float:
        """By the rounding of the gradient of a node, and of what it is the sum of."""
        uses = [self.graph.nodes[edge.head] for edge in self.graph.out_edges(node.key) if edge.cut is None]
        dtype = coarsest(node.ports[0], *(use.ports[0] for use in uses))
        smallest = SMALLEST.get(dtype, 0.0) * float(np.sum(np.abs(tangent)))
        return (1 + sum(1 + use.inside for use in uses)) * (unit(dtype) * product(node.ports[0].grad, tangent) + smallest)

    def _of_values(self, edge: Edge, tangent: Array) -> float:
        """By the rounding of the values that what flows back along an edge is made of, where no formula says what that does."""
        dtype = coarsest(self.graph.nodes[edge.tail].ports[0], self.graph.nodes[edge.head].ports[0])
        return WITHOUT_FORMULA * unit(dtype) * product(edge.grad, tangent)


def moved(graph: Graph, edge: Edge, exact: Mapping[str, Array]) -> Array | None:
    """How far what flows back along an edge is from what exact values would make of the same gradient; None where no formula tells."""
    node, shape = graph.nodes[edge.head], graph.nodes[edge.tail].ports[edge.port].shape
    if shape is not None and takes_elements(graph, node):
        return np.zeros(shape)
    values, arrived, formula = real(recorded(graph, node)), real_array(node.grad), backward_formula(graph, edge)
    if values is None or arrived is None or shape is None:
        return None
    operands = operands_of(graph, node)
    unrounded = {**dict(zip(LETTERS, (exact[operand.tail] for operand in operands), strict=False)), "out": exact[node.key]}
    found, instead = (as_came(computed(formula, {**numbers, "g": arrived}), shape) for numbers in (values, unrounded))
    if found is None or instead is None or found.shape != instead.shape:
        return None
    with np.errstate(all="ignore"):
        difference: Array = np.nan_to_num(found - instead)
    return difference


def coarsest(*ports: Port) -> str:
    """The dtype of these results that rounds most."""
    return max((port.dtype or "" for port in ports), key=unit)


def product(snap: Snapshot | None, tangent: Array) -> float:
    """The sum of all |gradient × tangent|, or no less than that, where only the norm is known; infinite where nothing is."""
    if snap is None:
        return 0.0
    if snap.array is not None:
        with np.errstate(all="ignore"):
            return float(np.nansum(np.abs(snap.array * tangent)))  # 0 times infinity is nothing here
    return math.inf if snap.norm is None else snap.norm * float(np.linalg.norm(tangent))
