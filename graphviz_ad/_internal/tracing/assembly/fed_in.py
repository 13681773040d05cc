"""Draft -> with the gradients that are fed in elsewhere than at the output that they belong to."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.graph.graph import Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.derivative_agreement import sum_of_seeds
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.units import Arrival, Units, arrival_of


def with_what_is_fed_in(draft: Draft) -> Draft:
    """The draft with what is fed in where an output came from, or where a pass inside this one begins.

    Before: every result has its port. After: what arrives at a result and what is fed in there make up its gradient.
    """
    places = fed_places(draft.units)
    if not places:
        return draft
    found = {node.key: node for node in draft.nodes}
    for (unit, port), seed, is_shown in places:
        if unit in draft.keys:
            found[draft.keys[unit]] = with_seed(found[draft.keys[unit]], port, seed, is_output=not is_shown)
    return replace(draft, nodes=tuple(found.values()))


def fed_places(units: Units) -> list[tuple[Arrival, Snapshot | None, bool]]:
    """Where something is fed in, what, and whether the output is shown elsewhere."""
    returned = [
        (place.fed, output.seed, place.shown is not None)
        for number, place in units.places.items()
        if place.fed is not None
        for _, output in units.recorded.returned[number]
    ]
    starts = [(arrival_of(units, start.value), start.seed) for start in units.recorded.inside]
    return returned + [(arrival, seed, True) for arrival, seed in starts if arrival is not None]


def with_seed(node: Node, port: int, seed: Snapshot | None, *, is_output: bool) -> Node:
    """The node with something more fed in at a port."""
    ports = [*node.ports, *[Port()] * (port + 1 - len(node.ports))]
    held = ports[port]
    ports[port] = replace(held, upstream=sum_of_seeds([held.upstream, seed]), is_output=held.is_output or is_output)
    return replace(node, ports=tuple(ports))
