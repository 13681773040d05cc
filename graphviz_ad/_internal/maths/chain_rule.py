"""Graph -> the paths along which a gradient flows, counted and summed without walking each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import summed_to

Carry = Callable[[Edge, Array], Array | None]


@dataclass(frozen=True)
class Course:
    """Every way from one result of a node (``start``, ``port``) to the outputs, or to the one node ``target``."""

    graph: Graph
    start: str
    port: int = 0
    target: str | None = None

    @cached_property
    def ends(self) -> frozenset[str]:
        """The nodes at which a path may end."""
        outputs = (node.key for node in self.graph.outputs if node.requires_grad)
        return frozenset([self.target] if self.target is not None else outputs)

    def leaving(self, key: str) -> list[Edge]:
        """The edges along which a gradient comes back to a node that a path has reached."""
        if key == self.target:
            return []
        edges = self.graph.out_edges(key)
        return [edge for edge in edges if edge.cut is None and (key != self.start or edge.port == self.port)]

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Node -> how many paths lead from it to an end; only nodes from which one does and to which one leads, in
        forward order.
        """
        reached = {self.start}
        for node in self.graph.node_list:
            if node.key in reached:
                reached.update(edge.head for edge in self.leaving(node.key))
        counts: dict[str, int] = {}
        for node in reversed(self.graph.node_list):
            if node.key in reached:
                found = (node.key in self.ends) + sum(counts.get(edge.head, 0) for edge in self.leaving(node.key))
                if found:
                    counts[node.key] = found
        return dict(reversed(counts.items()))

    @property
    def count(self) -> int:
        """How many paths there are; exact, however many."""
        return self.counts.get(self.start, 0)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every edge that is on a path, in forward order."""
        return tuple(edge for key in self.counts for edge in self.leaving(key) if edge.head in self.counts)

    def paths(self) -> Iterator[tuple[Edge, ...]]:
        """Every path, edges in forward order; lazily, and each in time that grows with its length."""
        if self.start in self.ends:
            yield ()
        path: list[Edge] = []
        waiting = [self._onward(self.start)]
        while waiting:
            edge = next(waiting[-1], None)
            if edge is None:
                waiting.pop()
                if path:
                    path.pop()
                continue
            path.append(edge)
            if edge.head in self.ends:
                yield tuple(path)
            waiting.append(self._onward(edge.head))

    def _onward(self, key: str) -> Iterator[Edge]:
        return (edge for edge in self.leaving(key) if edge.head in self.counts)

    def sums(self, seeds: Mapping[str, Array], carry: Carry) -> Mapping[str, Array | None]:
        """Node -> the sum over all paths from it to the ends of what each brings, from the seeds at the ends; one
        sweep, as a backward pass is.

        None where `carry` cannot say what an edge makes of a gradient: what is not known is not made up.
        """
        found: dict[str, Array | None] = {}
        for key in reversed(list(self.counts)):
            parts = [seeds.get(key)] if key in self.ends else []
            parts += [
                carry(edge, arriving) if (arriving := found[edge.head]) is not None else None
                for edge in self._onward(key)
            ]
            known = [part for part in parts if part is not None]
            results = {edge.port for edge in self._onward(key)}  # several results do not add up
            whole = bool(known) and len(known) == len(parts) and len(results) < 2
            with np.errstate(all="ignore"):
                found[key] = sum(known[1:], start=known[0]) if whole else None
        return found


def carried(graph: Graph, edge: Edge, local: Array | None, arriving: Array) -> Array | None:
    """What an edge makes of a gradient that arrives at its head: times the local derivative, summed over the copies
    of a broadcast operand.

    None where there is no such derivative, or it is not real.
    """
    shape = shape_before(graph, edge)
    if local is None or shape is None or np.iscomplexobj(local) or np.iscomplexobj(arriving):
        return None
    with np.errstate(all="ignore"):
        product = np.asarray(local, np.float64) * arriving
    found: Array | None = summed_to(product, shape)
    return found


def times_jacobian(graph: Graph, edge: Edge, arriving: Array) -> Array | None:
    """What an edge with a Jacobian makes of a gradient that arrives at its head; None where they do not fit."""
    shape, jacobian = shape_before(graph, edge), edge.jacobian.array if edge.jacobian is not None else None
    if jacobian is None or shape is None or jacobian.shape != arriving.shape + shape:
        return None
    if np.iscomplexobj(jacobian) or np.iscomplexobj(arriving):
        return None
    with np.errstate(all="ignore"):
        return np.asarray(np.tensordot(arriving, np.asarray(jacobian, np.float64), axes=arriving.ndim))


def shape_before(graph: Graph, edge: Edge) -> tuple[int, ...] | None:
    """The shape of what an edge takes from its tail."""
    return edge.grad.shape if edge.grad is not None else graph.nodes[edge.tail].ports[edge.port].shape


def feeding(graph: Graph, ends: Iterable[str]) -> set[str]:
    """Every node whose value goes into one of these, by whatever way."""
    found, stack = set(ends), list(ends)
    while stack:
        for edge in graph.in_edges(stack.pop()):
            if edge.tail not in found:
                found.add(edge.tail)
                stack.append(edge.tail)
    return found


def gradient_paths(graph: Graph, wrt: str) -> Iterator[tuple[Edge, ...]]:
    """Every path along which a gradient flows from an output back to the node called `wrt`, edges in forward order;
    lazily.
    """
    return (path for path in course(graph, wrt).paths() if path)


def course(graph: Graph, wrt: str, output: str | None = None) -> Course:
    """The ways from the node or result of that name to the outputs, or to the node called `output`."""
    node = graph.find(wrt)
    return Course(graph, node.key, port_called(node, wrt), graph.find(output).key if output is not None else None)


def port_called(node: Node, name: str) -> int:
    """Which of the results of a node has that name; the first, where none has."""
    return next((i for i, port in enumerate(node.ports) if port.is_called(name)), 0)
