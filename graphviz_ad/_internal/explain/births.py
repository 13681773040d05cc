"""Graph + a value that is not finite -> the operation in which that came up, through the gradients of earlier passes.

What an optimizer wrote to a parameter came of a gradient, which an earlier pass brought out of a loss: nobody who asks
where NaN came up means the gradient that carried it over.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphviz_ad._internal.explain.not_finite import IsBad, first_with, has_infinity, has_nan, rises
from graphviz_ad._internal.graph.grad_history import PASS
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot


@dataclass(frozen=True)
class Birth:
    """Where it came up: ``node``, in the ``graph`` of one pass; ``number`` is that pass, None where it is that of the
    value asked about. ``backward``: on the way back, and not in a value.
    """

    graph: Graph
    node: Node
    number: int | None = None
    backward: bool = False


def birth_of(graph: Graph, node: Node, is_bad: IsBad) -> Birth:
    """The birth of what is not finite in the value of a node."""
    birth, latest = Birth(graph, first_with(graph, node, is_bad)), len(graph.passes) + 1
    while (earlier := _brought(graph, birth.node, latest)) is not None:
        birth, latest = earlier, earlier.number or 0
        if birth.backward:
            return birth
    return birth


def _brought(graph: Graph, node: Node, before: int) -> Birth | None:
    """Where it came up in the pass that brought this value, if it is a gradient of a pass before this one."""
    value = node.ports[0].value
    if node.kind == "op" or value is None or not has_infinity(value) or graph.in_edges(node.key):
        return None
    came = [
        (event.number, history.tensor)
        for history in graph.grad_histories
        for event in history.events
        if event.what == PASS and event.number is not None and event.number < before and _is_that(event.holds, value)
    ]
    for number, tensor in sorted((each for each in came if each[1] is not None), key=lambda each: each[0]):
        done = graph.passes[number - 1]
        for one in done.node_list:
            for i, port in enumerate(one.ports):
                if port.tensor == tensor and has_infinity(port.grad):
                    return _on_the_way_back(done, one, i, number)
    return None


def _is_that(held: Snapshot | None, value: Snapshot) -> bool:
    """Whether these are the same numbers, as far as both are known."""
    if held is None or (held.array is not None and value.array is not None):
        return held == value
    return _what_is_known(held) == _what_is_known(value)


def _what_is_known(snap: Snapshot) -> tuple[object, ...]:
    """What a summary and all elements have in common, as text, in which NaN is NaN."""
    return snap.shape, snap.dtype, snap.nonfinite, *(repr(float(n)) for n in (snap.min, snap.max) if n is not None)


def _on_the_way_back(done: Graph, node: Node, port: int, number: int) -> Birth | None:
    """Where what is not finite in a gradient came up: forward, if a value on the way holds it already."""
    is_bad = has_nan if has_nan(node.ports[port].grad) else has_infinity
    for rise in rises(done, node, port)[:1]:
        forward = any(is_bad(each.value) for each in rise.node.ports)
        return Birth(done, first_with(done, rise.node, is_bad) if forward else rise.node, number, not forward)
    return None
