"""Graph of a recording -> the same, in whose passes a node has the key that it has in the whole.

Each pass is numbered on its own. It has a box more for each parameter that it reads after a step, so that one key means
one operation in this pass and another in the next, until they are told by what they do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from graphviz_ad._internal.graph.contraction import with_keys
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.passes import Passes


def with_shared_keys(graph: Graph) -> Graph:
    """The graph with passes whose keys are those of its own nodes."""
    if len(graph.passes) < 2:
        return graph
    places = dict(_places(graph))
    parts = [partial(_in_terms_of, places, graph.passes, number) for number in range(len(graph.passes))]
    return replace(graph, each_pass=Passes(parts))


def _in_terms_of(places: dict[Hashable, str], passes: Sequence[Graph], number: int) -> Graph:
    """One pass with these keys; what only this one has is called by the pass as well."""
    done = passes[number]
    keys = {key: places.get(place, f"{key}@{number}") for place, key in _places(done)}
    if all(key == shared for key, shared in keys.items()):
        return done
    return with_keys(done, keys, {member: member for node in done.node_list for member in node.members})


def _places(graph: Graph) -> Iterator[tuple[Hashable, str]]:
    """What tells a node from all others, whatever else a graph has, and its key."""
    often: Counter[Hashable] = Counter()
    for node in graph.node_list:
        kind = _kind(node)
        yield (kind, often[kind]), node.key
        often[kind] += 1


def _kind(node: Node) -> Hashable:
    """What nodes have in common that are told apart by their order alone."""
    tensor = node.ports[0].tensor
    if tensor is not None:  # a value of a parameter is a leaf to the pass that reads it, and an operation to others
        return "value", tensor
    return node.kind, node.op, node.source, node.call, None if node.kind == "op" else node.name
