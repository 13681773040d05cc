"""Draft -> with its nodes and edges, in an order in which everything stands behind what it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.fact_texts import FLOW, SENT
from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.maths.derivative_agreement import disagrees, verified_edge
from graphviz_ad._internal.tracing.assembly.draft import Draft, keys_of
from graphviz_ad._internal.tracing.assembly.edges import edges_of
from graphviz_ad._internal.tracing.assembly.nodes import constants_of, node_of_unit
from graphviz_ad._internal.tracing.assembly.reading_order import in_reading_order


def with_nodes_and_edges(draft: Draft) -> Draft:
    """The draft with its nodes and edges.

    Before: every unit has its key. After: there is a node for each unit and for each number that one reads, every
    edge leads from a node to one that stands behind it, and an edge has a local derivative only if that makes of what
    arrived what really went on.
    """
    drawn = drawn_as_it_stands(draft)
    if reads_only_what_is_there(drawn):
        return drawn
    units = in_reading_order(draft.units)  # something was made, in the order of values, after what reads it
    left_out = len(draft.units.all) - len(units.all)
    return drawn_as_it_stands(replace(draft, units=units, keys=keys_of(units), left_out=left_out))


def drawn_as_it_stands(draft: Draft) -> Draft:
    """The same in the order of the units, whatever that is."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    made: dict[str, Node] = {}
    odd: list[str] = []
    for unit in draft.units.all:
        constants: Sequence[Node] = ()
        if unit.operation is not None and unit.operation.constants:
            nodes += (constants := constants_of(draft, unit, len(nodes)))
        node, own = node_of_unit(draft, unit), edges_of(draft, unit, constants)
        made[node.key] = node
        for edge in own:
            edges.append(known := edge if edge.local is None else verified_edge(edge, node, read_by(own, made)))
            if known is not edge and disagrees(edge, node) and edge.made is None:
                odd.append(node.key)
        effects = [SENT] if any(edge.made is not None for edge in own) else [FLOW] if node.key in odd[-1:] else []
        nodes.append(replace(node, hook_effects=(*node.hook_effects, *effects)) if effects else node)
    return replace(draft, nodes=tuple(nodes), edges=tuple(edges), odd=tuple(odd))


def read_by(edges: Sequence[Edge], made: Mapping[str, Node]) -> Iterator[Node]:
    """The operands of a node with these edges, as far as they are drawn before it."""
    return (made[edge.tail] for edge in edges if edge.tail in made)


def reads_only_what_is_there(draft: Draft) -> bool:
    """Whether every edge begins at a node that stands before the one where it ends."""
    place = {key: n for n, key in enumerate(draft.keys.values())}
    # Numbers of the program have no unit, and stand right before their reader.
    return all(place.get(edge.tail, -1) <= place[edge.head] for edge in draft.edges)
