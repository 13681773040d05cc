"""Graph -> the nodes at which something is not as it should be: a failure, NaN that came up there, no gradient or 0;
how large gradients may be is said in `gradient_sizes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from graphviz_ad._internal.base.made_once import made_once
from graphviz_ad._internal.graph.alarms import is_minus_infinity
from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.copy_results import norms_of_results
from graphviz_ad._internal.graph.gradient_sizes import far_off, limits
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.repeats import PARAMETERS, RESULT
from graphviz_ad._internal.graph.snapshot import Snapshot


def anomalous(graph: Graph) -> list[str]:
    """The keys of these nodes, in forward order; what steps of optimizers read and wrote only where nothing else is
    wrong, of which it is the consequence, and lost gradients where not even that is.
    """
    found = [
        node for node in graph.node_list if node.raised or (nonfinite_from_here(graph, node) and matters(graph, node))
    ]
    first = [node.key for node in found if node.raised or not is_for_steps(graph, node)]
    return (
        first
        or [node.key for node in found[:1]]
        or [node.key for node in graph.node_list if lost_gradient(graph, node) and is_last(graph, node)]
    )


def is_for_steps(graph: Graph, node: Node) -> bool:
    """Whether an optimizer made it, or nothing but an optimizer reads it."""
    heads = [graph.nodes[edge.head] for edge in graph.out_edges(node.key)]
    written = node.kind == "leaf" and bool(graph.in_edges(node.key))
    return node.is_step or written or (node.kind == "data" and bool(heads) and all(head.is_step for head in heads))


def is_last(graph: Graph, node: Node) -> bool:
    """Whether a gradient should come to this value of a parameter, rather than to a later one; of what is recorded for
    several passes, parameters are also read to be copied or averaged.
    """
    heads = [graph.nodes[edge.head] for edge in graph.out_edges(node.key)]
    if any(head.kind == "leaf" or head.is_step for head in heads):
        return False
    return len(graph.passes) < 2 or any(head.requires_grad for head in heads)


def nonfinite_from_here(graph: Graph, node: Node) -> bool:
    """Whether NaN or infinity came up here: in a value of what is finite, or in a gradient of what is."""
    operands = graph.in_edges(node.key)
    read = [graph.nodes[edge.tail].ports[edge.port].value for edge in operands]
    bad = [value for value in read if value is not None and has_nonfinite(value)]
    if bad and not (all(map(is_minus_infinity, bad)) and makes_nan(node)):
        return False
    if any(has_nonfinite(port.value) for port in node.ports):
        return not is_meant(node)
    flows = any(has_nonfinite(edge.grad) for edge in operands if edge.cut is None)
    return flows and not any(has_nonfinite(port.grad) for port in node.ports)


def makes_nan(node: Node) -> bool:
    """Whether a result holds NaN, as that of a softmax of nothing but −∞."""
    lows = (port.value.min for port in node.ports if port.value is not None)
    return any(low is not None and math.isnan(low) for low in lows)


def is_born(graph: Graph, node: Node) -> bool:
    """The same, of a folded module, too, in which it did."""
    return node.not_finite.born is not None if node.not_finite is not None else nonfinite_from_here(graph, node)


def matters(graph: Graph, node: Node) -> bool:
    """Whether what is not finite at a node comes to something that takes a gradient, or to a result of the program."""
    if not any(each.requires_grad for each in graph.node_list):
        return True
    seen, waiting = {node.key}, [node]
    while waiting:
        here = waiting.pop()
        if here.requires_grad or here.is_output:
            return True
        heads = [graph.nodes[edge.head] for edge in graph.out_edges(here.key)]
        fresh = [head for head in heads if head.key not in seen and any(has_nonfinite(p.value) for p in head.ports)]
        seen |= {head.key for head in fresh}
        waiting += fresh
    return False


def has_nonfinite(snap: Snapshot | None) -> bool:
    """Whether something in a tensor is known not to be finite."""
    return snap is not None and bool(snap.nonfinite)


def is_meant(node: Node) -> bool:
    """Whether −∞ was written there, as in a mask: by the program, or by who gave it."""
    values = [port.value for port in node.ports if has_nonfinite(port.value)]
    minus = all(value is not None and value.min == -math.inf and value.max != math.inf for value in values)
    return minus and (node.op is None or any(is_infinite(value) for _, value in node.arguments))


def is_infinite(argument: Argument) -> bool:
    """Whether an argument is an infinity."""
    return isinstance(argument, float) and math.isinf(argument)


def lost_gradient(graph: Graph, node: Node) -> bool:
    """Whether a parameter that is read gets no gradient, or one that is 0 everywhere."""
    if node.kind != "leaf" or not graph.has_gradients:
        return False
    readers = [graph.nodes[edge.head] for edge in graph.out_edges(node.key)]
    if all(reader.is_step or reader.kind == "leaf" for reader in readers):  # it is only made better
        return False
    grad = node.ports[0].grad
    return grad is None or grad.norm == 0


def norm_of(graph: Graph, keys: Sequence[str]) -> float | None:
    """How large the gradients of these parameters are together; None where nobody knows."""
    grads = [graph.nodes[key].ports[0].grad for key in keys]
    norms = [grad.norm for grad in grads if grad is not None and grad.norm is not None]
    return float(np.sqrt(np.sum(np.square(norms)))) if norms else None


def norms_of(graph: Graph, copies: Sequence[Sequence[str]]) -> tuple[str, list[float | None], str]:
    """What is measured of copies, how large it is in each, and of which result: the gradients of its parameters where
    each has some of its own, else, of each, that of the same result.
    """
    own = [[key for key in keys if graph.nodes[key].kind == "leaf"] for keys in copies]
    if all(own):
        return PARAMETERS, [norm_of(graph, keys) for keys in own], ""
    return RESULT, *norms_of_results(graph, copies)


def norm_of_step(graph: Graph, keys: Sequence[str]) -> float | None:
    """How large the gradients together are that an optimizer was given; None where nobody knows."""
    read = [(edge.tail, edge.port) for key in keys if graph.nodes[key].is_step for edge in graph.in_edges(key)]
    operands = [(graph.nodes[key], port) for key, port in dict.fromkeys(read)]
    given = [node.ports[port].value for node, port in operands if node.kind != "leaf" and not node.is_step]
    norms = [value.norm for value in given if value is not None]
    known = [norm for norm in norms if norm is not None]
    return float(np.sqrt(np.sum(np.square(known)))) if known and len(known) == len(given) else None


def norms_of_layers(parameters: Iterable[Sequence[Node]]) -> dict[str, float]:
    """Module -> the norm of the gradients of its own parameters, of each of which these are all uses; nothing where a
    parameter has no name, so that nobody knows whose it is.
    """
    found: dict[str, list[float]] = {}
    for uses in parameters:
        name, grads = uses[0].name, [use.grad for use in uses if use.grad is not None]
        if name is None:
            return {}
        if grads and grads[-1].norm is not None and math.isfinite(grads[-1].norm):
            found.setdefault(name.rpartition(".")[0], []).append(grads[-1].norm)
    return {module: float(np.sqrt(np.sum(np.square(each)))) for module, each in found.items()}


def norms_of_all_layers(graph: Graph) -> Mapping[str, float]:
    """The same of all parameters of modules in a graph."""
    return made_once(lambda: _norms_of_all_layers(graph), graph, "norms of layers")


def _norms_of_all_layers(graph: Graph) -> dict[str, float]:
    uses: dict[int | str, list[Node]] = {}
    for node in graph.node_list:
        if node.kind == "leaf" and node.ports[0].shape is not None and "." in (node.name or ""):
            tensor = node.ports[0].tensor
            uses.setdefault(node.key if tensor is None else tensor, []).append(node)
    return norms_of_layers(uses.values())


def far_off_in(node: Node, layers: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """What is far too small or too large in a box, of all these ``layers``: its own gradient, under its name, or that
    of a layer in it.
    """
    norms = [*layers.values()]
    if node.parameter_norm is not None and node.parameter_norm > limits(norms)[1]:
        return ((node.op or "", node.parameter_norm),)
    names = [*layers]
    wrong = {names[i] for i in far_off(norms)}
    inside = dict.fromkeys(name.rpartition(".")[0] for name in node.parameter_names)
    return tuple([(name, layers[name]) for name in inside if name in wrong])
