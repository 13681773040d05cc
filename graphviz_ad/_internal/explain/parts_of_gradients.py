"""A gradient that is there -> what it is made of, in words: what came from where, what hooks, NaN and 0 did to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphviz_ad._internal.explain.amounts import alike_in_words, largest_of, size_of, text_of
from graphviz_ad._internal.explain.asked import MOST_NAMED, Asked, counted, described, listed_with_and
from graphviz_ad._internal.explain.not_finite import has_nan, rises
from graphviz_ad._internal.explain.not_finite_words import cause
from graphviz_ad._internal.explain.stop_words import where_of
from graphviz_ad._internal.explain.stops import distinct, lost_ways
from graphviz_ad._internal.explain.zeros import cause_of_zero, falls
from graphviz_ad._internal.graph.contraction import flows_inside
from graphviz_ad._internal.graph.fact_texts import FLOW, SENT
from graphviz_ad._internal.graph.graph import Edge, Port
from graphviz_ad._internal.maths.cancelled import noise_in
from graphviz_ad._internal.operations.traits import PASSES_ON


def has_one(asked: Asked, port: Port) -> Iterator[str]:
    """What it is, whence it came, what became of it on its way, and what is no part of it."""
    edges = [edge for edge in asked.uses() if edge.cut is None and edge.grad is not None]
    if len(edges) > MOST_NAMED:
        edges.sort(key=lambda edge: -size_of(edge.grad))  # those that make the gradient what it is
    sources = ["what was fed in there"] if port.upstream is not None else []
    sources += [
        f"{_amount(edge, len(edges) + len(sources))} from {asked.result(edge.head)}" for edge in edges[:MOST_NAMED]
    ]
    sources += [f"what came from {counted(len(edges) - MOST_NAMED, 'more use')}"] if len(edges) > MOST_NAMED else []
    whence = f": {sources[0]}" if len(sources) == 1 else f": the sum of {listed_with_and(sources)}" if sources else ""
    yield f"The gradient of {asked.name} is {text_of(port.grad)}{_rounding(asked)}{whence}."
    yield from _changed_on_its_way(asked, edges)
    yield from _not_finite(asked, port)
    yield from _zero(asked)
    if port.arrived is not None and flows_inside(asked.node):
        yield (
            f"From outside came {text_of(port.arrived)}; the rest flowed inside of {asked.node.op}, which uses this"
            " result itself."
        )
    elif port.arrived is not None:
        yield f"A hook made that of the {text_of(port.arrived)} which had arrived."
        yield alike_in_words(port.arrived, port.grad)
    if asked.history is None and port.grad_total is not None and port.grad_total != port.grad:
        yield f"Its .grad holds {text_of(port.grad_total)}, since passes add up there."
    if asked.node.kind == "op" and asked.history is not None:
        yield f"Its .grad holds {text_of(asked.history.holds)}, since retain_grad() was called on it."
    elif asked.node.kind == "op":
        yield (
            "In torch its .grad is None all the same: only leaves keep theirs, unless retain_grad() is called"
            " before backward()."
        )
    stops = distinct(lost_ways(asked))
    if stops:
        yield f"Not part of it: {listed_with_and([where_of(asked, stop) for stop in stops[:MOST_NAMED]])}."


def _rounding(asked: Asked) -> str:
    """Whether it is no more than rounding leaves of a sum."""
    noise, largest = noise_in(asked.graph, asked.node.key, asked.port), asked.node.ports[asked.port].grad
    return ", 0 but for rounding" if largest is not None and 0 < largest_of(largest) <= noise else ""


def _changed_on_its_way(asked: Asked, edges: Sequence[Edge]) -> Iterator[str]:
    """What hooks made of it between the uses and here."""
    for edge in edges:
        head = asked.graph.nodes[edge.head]
        if SENT in head.hook_effects:
            yield _sent(asked, edge)
            yield alike_in_words(edge.made, edge.grad)
        elif FLOW in head.hook_effects:
            arrived = listed_with_and([text_of(port.grad) for port in head.ports])
            yield (
                f"At {asked.result(edge.head)} {arrived} arrived, and {text_of(edge.grad)} went back: a hook"
                f" changed it{'' if head.op == PASSES_ON else ', or rounding did'}."
            )


def _sent(asked: Asked, edge: Edge) -> str:
    """What a hook on the node of autograd behind an edge made of what that sent."""
    if edge.made is None:
        return f"A hook on the node of autograd of {asked.result(edge.head)} changed what flows back from there."
    return (
        f"From {asked.result(edge.head)} came {text_of(edge.made)}; a hook on its node of autograd made"
        f" {text_of(edge.grad)} of that."
    )


def _amount(edge: Edge, count: int) -> str:
    """What an edge brings; as a number only where it is one of several."""
    return text_of(edge.grad) if count > 1 else "what came back"


def _not_finite(asked: Asked, port: Port) -> Iterator[str]:
    found = rises(asked.graph, asked.node, asked.port)
    what = "NaN" if has_nan(port.grad) else "infinity"
    for rise in found[:MOST_NAMED]:
        yield f"The {what} came up at {asked.result(rise.node.key)}: {cause(asked.graph, rise, described)}"


def _zero(asked: Asked) -> Iterator[str]:
    """Where a gradient of 0 became that."""
    for fall in falls(asked.graph, asked.node, asked.port)[:MOST_NAMED]:
        yield f"It is 0 from {asked.result(fall.node.key)} on: {cause_of_zero(asked.graph, fall, asked.result)}"
