"""What is not finite in a gradient or a value -> out of what it came up, in words, with what to do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphviz_ad._internal.explain.births import Birth, birth_of
from graphviz_ad._internal.explain.not_finite import Rise, elements_of, has_infinity, has_nan, picked, rises
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.number_format import short_number

Described = Callable[[Graph, Node], str]
AFTERWARDS = "A where() or a mask behind it comes too late: change the operand before, so that it never gets there."


def cause(graph: Graph, rise: Rise, described: Described) -> str:
    """Out of what it came up, as a sentence that goes on after a colon, with what to do; "" if that is not known."""
    if rise.edge is None:
        if any(has_infinity(port.upstream) for port in rise.node.ports):
            return "it was fed in there."
        return (
            "∞ and −∞ came together in the sum."
            if any(has_nan(port.grad) for port in rise.node.ports)
            else "the sum is too large for its dtype."
        )
    where = elements_of(rise.edge)
    if any(has_nan(picked(port.value, where)) for port in rise.node.ports):
        birth = birth_of(graph, rise.node, has_nan)
        where_born = "" if birth.node is rise.node else f", where NaN came up in {place_of_birth(birth, described)}"
        return f"its result is NaN already in the forward pass{where_born}."
    local = picked(rise.edge.local, where)
    infinite = [i for i, port in enumerate(rise.node.ports) if has_infinity(picked(port.grad, where))]
    if has_nan(rise.edge.grad) and infinite:
        earlier = [
            described(graph, before.node)
            for before in rises(graph, rise.node, infinite[0])[:1]
            if before.edge is not None
        ]
        return f"an infinite gradient arrives there{', which came up at ' + earlier[0] if earlier else ''}."
    if has_nan(rise.edge.grad) and has_infinity(local) and not has_nan(local):
        return f"a gradient of 0 arrives where its derivative is infinite, and 0 · ∞ is NaN. {AFTERWARDS}"
    if has_infinity(local):
        operand = picked(graph.nodes[rise.edge.tail].ports[rise.edge.port].value, where)
        return f"its derivative is {'NaN' if has_nan(local) else 'infinite'} {place_in(rise.edge, where, operand)}."
    return "a finite gradient arrives there, and what goes back is not."


def place_in(edge: Edge, where: Array | None, operand: Snapshot | None) -> str:
    """ "at element [0], where its operand is 0", if it is one of several; "there" for all, and for one number."""
    if where is None or where.all():
        return "there"
    first = [int(i) for i in np.argwhere(where)[0]]
    value = operand.array if operand is not None else None
    held = f", where its operand is {short_number(float(value[0]))}" if value is not None and value.ndim == 1 else ""
    more = int(where.sum()) - 1
    return f"at element {first}{held}{f', and at {more} more' if more else ''}"


def value_not_finite(graph: Graph, node: Node, port: int, described: Described) -> str:
    """Where the NaN or the infinity in a value itself came from; "" where it has none."""
    value = node.ports[port].value
    if not has_infinity(value):
        return ""
    what, is_bad = ("NaN", has_nan) if has_nan(value) else (infinities_in(value), has_infinity)
    birth = birth_of(graph, node, is_bad)
    if birth.node is node:
        return f"Its value holds {what}" + ("." if node.kind != "op" else ", which came up there.")
    whence = "from" if birth.node.kind != "op" else "up in"
    return f"Its value holds {what}, which came {whence} {place_of_birth(birth, described)}."


def place_of_birth(birth: Birth, described: Described) -> str:
    """ "att₂₉ (softmax, lm.py:27), before backward pass 4"."""
    if birth.number is None:
        return described(birth.graph, birth.node)
    when = "on the way back in" if birth.backward else "before"
    return f"{described(birth.graph, birth.node)}, {when} backward pass {birth.number}"


def infinities_in(snap: Snapshot | None) -> str:
    """ "∞", "−∞", or both."""
    signs = [text for text, found in (("∞", extreme(snap, 1)), ("−∞", extreme(snap, -1))) if found]
    return " and ".join(signs) or "∞"


def extreme(snap: Snapshot | None, sign: int) -> bool:
    """Whether a value holds the infinity of this sign."""
    bound = None if snap is None else snap.max if sign > 0 else snap.min
    return bound is not None and bool(np.isinf(bound)) and bool((bound > 0) == (sign > 0))
