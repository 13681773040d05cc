"""Graph -> the same one, in which gradients that are no more than what rounding leaves of a sum are known for it.

A gradient that is 0 by symmetry comes out of torch as a number such as −4.47e−8, since the terms that cancel were
rounded before. It is told by these terms: what flowed back along the edges and, where an edge itself adds up, as a
broadcast or the rule of softmax does, what was added there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import (
    coarsest,
    dtype_around,
    go_together,
    left_of_a_sum,
    rounds_finely,
    summed_to,
)
from graphviz_ad._internal.maths.claims import Claims, doubt
from graphviz_ad._internal.maths.formula_errors import flowed
from graphviz_ad._internal.maths.gradient_sums import known
from graphviz_ad._internal.maths.passing_back import verified_formula

MOST_NODES = 2_000  # of a graph that is looked through: nobody reads single elements of the gradients of a larger one
TINY = 1e-4  # beside what arrives or is added: what is larger is no rounding


def with_noise_told(graph: Graph) -> Graph:
    """The graph, with `Snapshot.noise` in gradients; the same one where there is nothing to tell."""
    if not graph.has_gradients or len(graph.node_list) > MOST_NODES:
        return graph
    search = _Search(graph).run()
    if not search.nodes and not search.edges:
        return graph
    nodes = tuple([search.told(node) for node in graph.node_list])
    edges = tuple([replace(edge, grad=with_noise(edge.grad, search.edges.get(edge.key))) for edge in graph.edges])
    return replace(graph, node_list=nodes, edges=edges)


def noise_in(graph: Graph, key: str, port: int) -> float:
    """The same of one result alone: no element of its gradient up to this size is more than rounding."""
    snap = with_noise_told(graph).nodes[key].ports[port].grad
    return snap.noise if snap is not None else 0.0


def with_noise(snap: Snapshot | None, bound: Array | None) -> Snapshot | None:
    """A gradient that knows how large the elements are that may be nothing but rounding, by the bound of each."""
    array = known(snap)
    if snap is None or array is None or bound is None:
        return snap
    sizes = np.abs(array)
    noisy = (sizes > 0) & (sizes <= bound)
    # one size stands for all: a number that is no noise and smaller than some that are keeps those from being called so
    real = np.min(sizes, initial=np.inf, where=(sizes > 0) & ~noisy)
    noise = float(np.max(sizes, initial=0.0, where=noisy & (sizes < real)))
    return replace(snap, noise=noise) if noise else snap


@dataclass
class _Search:
    """Goes through a graph as a backward pass does; ``nodes`` and ``edges`` have, for each element of a gradient, how
    large it may be and still be nothing but rounding: 0 where it is more than that.
    """

    graph: Graph
    nodes: dict[tuple[str, int], Array] = field(default_factory=dict)
    edges: dict[str, Array] = field(default_factory=dict)
    claims: Claims | None = None
    finer: _Search | None = None

    def told(self, node: Node) -> Node:
        """A node with what was found out about it."""
        if all((node.key, i) not in self.nodes for i in range(len(node.ports))):
            return node
        ports = [
            replace(port, grad=with_noise(port.grad, self.nodes.get((node.key, i))))
            for i, port in enumerate(node.ports)
        ]
        return replace(node, ports=tuple(ports))

    def run(self) -> _Search:
        """Look at every result, heads before tails; gives itself."""
        for node in reversed(self.graph.node_list):
            if node.hook_effects:  # what a hook made is meant as it is
                continue
            for number, port in enumerate(node.ports):
                if port.grad is not None and rounds_finely(port.grad.dtype):
                    self.look(node, number, port)
        return self

    def look(self, node: Node, number: int, port: Port) -> None:
        """One result."""
        uses = [edge for edge in self.graph.out_edges(node.key) if edge.port == number and edge.cut is None]
        grad, parts = known(port.grad), [known(edge.grad) for edge in uses]
        parts += [known(port.upstream)] if port.upstream is not None else []
        arrays = [part for part in parts if part is not None]
        if grad is None or not arrays or len(arrays) < len(parts) or np.iscomplexobj(grad):
            return
        if any(part.shape != grad.shape for part in arrays):
            return
        with np.errstate(all="ignore"):
            bound = sum(self.carried(edge, array) for edge, array in zip(uses, arrays, strict=False))
            if len(arrays) > 1:
                size = np.sum(np.abs(arrays), axis=0)
                bound = bound + left_of_a_sum(port.grad.dtype if port.grad else None, len(arrays), size)
            noisy = (grad != 0) & (np.abs(grad) <= bound)
        if noisy.any():
            self.nodes[node.key, number] = np.where(noisy, bound, 0.0)

    def carried(self, edge: Edge, sent: Array) -> Any:
        """How much of what an edge brought may be nothing but rounding; kept where some of it is."""
        bound = self.bound(edge, sent)
        noisy = (sent != 0) & (np.abs(sent) <= bound)
        if np.any(noisy):
            self.edges[edge.key] = np.where(noisy, bound, 0.0)
        return bound

    def bound(self, edge: Edge, sent: Array) -> Any:
        """The same before that is looked at: by the local derivative, else by the formula."""
        head = self.graph.nodes[edge.head]
        if head.members and self.graph.finer is not None:
            return self.by_members(edge, head, sent)
        arrived, before = known(head.grad), self.nodes.get((head.key, 0))
        dtype = coarsest((dtype_around(self.graph, head), edge.grad.dtype if edge.grad else None))
        if arrived is None or np.iscomplexobj(arrived) or not rounds_finely(dtype):
            return 0.0
        local = known(edge.local)
        if local is not None and go_together(local, arrived) and not np.iscomplexobj(local):
            return self.by_derivative(local, arrived, before, sent, dtype)
        if before is None and not is_tiny(sent, arrived):
            return 0.0
        return self.by_formula(edge, head, arrived, before, sent, dtype)

    def by_members(self, edge: Edge, box: Node, sent: Array) -> Any:
        """What the operations leave, together, that a box for a line or a call is made of."""
        self.finer = self.finer or _Search(self.graph.finer or self.graph).run()
        tail, inside = self.graph.nodes[edge.tail], {*box.members}
        finer = self.finer.graph
        uses = [use for key in tail.members or (tail.key,) for use in finer.out_edges(key) if use.head in inside]
        parts = [known(use.grad) for use in uses if use.cut is None]
        arrays = [part for part in parts if part is not None and part.shape == sent.shape]
        if not arrays or len(arrays) < len(parts) or np.iscomplexobj(sent):
            return 0.0
        bound: Any = sum(self.finer.edges.get(use.key, 0.0) for use in uses)
        size = np.sum(np.abs(arrays), axis=0)
        left = left_of_a_sum(edge.grad.dtype if edge.grad else None, len(arrays), size) if len(arrays) > 1 else 0.0
        return bound + left if np.all(np.abs(sum(arrays) - sent) <= bound + left) else 0.0

    @staticmethod
    def by_derivative(local: Array, arrived: Array, before: Array | None, sent: Array, dtype: str) -> Any:
        """What came of noise at the head, and what adding up the copies of an operand leaves."""
        products = np.abs(local * arrived)
        through = summed_to(np.abs(local) * (0.0 if before is None else before) + 0.0 * products, sent.shape)
        found: Any = 0.0 if through is None else 2 * through  # the product is rounded, too
        if products.size > sent.size and (size := summed_to(products, sent.shape)) is not None:
            found = found + left_of_a_sum(dtype, products.size / sent.size, size)
        return found

    def by_formula(self, edge: Edge, head: Node, arrived: Array, before: Array | None, sent: Array, dtype: str) -> Any:
        """What the steps of the formula leave that is known to give what flowed."""
        self.claims = self.claims or Claims(self.graph)
        formula = verified_formula(self.graph, edge, self.claims.along(edge).backward)
        share = left_of_a_sum(dtype, 1, 1.0)
        made = doubt(self.graph, head, formula, arrived, share, 0.0 if before is None else before) if formula else None
        found = flowed(made, sent.shape, share) if made is not None else None
        return 0.0 if found is None else np.nan_to_num(found.off, nan=0.0, posinf=0.0)


def is_tiny(sent: Array, arrived: Array) -> bool:
    """Whether an element of what went on is so small beside what arrived that it may be what is left of a sum."""
    sizes, largest = np.abs(sent), float(np.max(np.abs(arrived), initial=0.0))
    return bool(np.any((sizes > 0) & (sizes < TINY * largest)))
