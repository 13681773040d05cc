"""Graphs of two passes of a recording -> which node of one is which of the other.

Each pass is numbered on its own. It has a box more for each parameter that it reads after a step, and calls are joined
in it as its gradients allow, so that one key means one operation in this pass and another in the next. All passes share
what ran: a call has the same number in each, and what was there before is known by who reads it, and as what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from graphviz_ad._internal.graph.contraction import with_keys
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.passes import Passes


def same_nodes(graph: Graph, other: Graph) -> dict[str, Node]:
    """Key of a node -> the same operation, or the same of what was there, in the graph of another pass; nothing of what
    that has not, or joins with others.
    """
    if other is graph:
        return dict(graph.nodes)
    there: dict[Hashable, Node | None] = {}
    for key, places in _places(other).items():
        for place in places:
            there[place] = other.nodes[key] if place not in there else None
    found: dict[str, Node] = {}
    for key, places in _places(graph).items():
        same = next((node for place in places if (node := there.get(place)) is not None), None)
        if same is not None:
            found[key] = same
    return found


def _places(graph: Graph) -> dict[str, tuple[Hashable, ...]]:
    """Key of a node -> what tells it from all others in the graphs of all passes; what tells most comes first."""
    kinds = {node.key: _kind(node) for node in graph.node_list}
    counts, often = Counter(kinds.values()), Counter[Hashable]()
    found: dict[str, tuple[Hashable, ...]] = {}
    for node in graph.node_list:
        kind = kinds[node.key]
        among = (kind, often[kind], counts[kind])  # in a pass with more of a kind, nobody knows which are the same
        often[kind] += 1
        own = () if node.kind == "data" and node.call is None else (among,)
        found[node.key] = own if node.call is not None else (*_readers(graph, node, kinds), *own)
    return found


def _readers(graph: Graph, node: Node, kinds: Mapping[str, Hashable]) -> Iterator[Hashable]:
    """Who reads what no call made, and as which operand."""
    for edge in graph.out_edges(node.key):
        if graph.nodes[edge.head].call is not None:
            yield "read", node.op, node.name, kinds[edge.head], edge.slot


def _kind(node: Node) -> Hashable:
    """What nodes have in common that only their order tells apart; each of several ranks counts its own calls."""
    if node.call is not None:
        shown = (
            tuple(port.tensor for port in node.ports) if node.is_step else ()
        )  # of a step each pass has another part
        return "call", node.module[:1], node.call, node.op, node.source, shown
    tensor = node.ports[0].tensor
    if node.kind == "leaf" and tensor is not None:
        return "leaf", tensor
    return node.kind, node.op, node.name, node.source, node.module


# --- one key for one operation


def with_shared_keys(graph: Graph) -> Graph:
    """The graph with passes whose keys are those of its own nodes."""
    if len(graph.passes) < 2:
        return graph
    parts = [partial(_in_terms_of, graph, graph.passes, number) for number in range(len(graph.passes))]
    return replace(graph, each_pass=Passes(parts))


def _in_terms_of(graph: Graph, passes: Sequence[Graph], number: int) -> Graph:
    """One pass with these keys; what only this one has is called by the pass as well."""
    done = passes[number]
    keys = _keys_of(same_nodes(done, graph), done, number)
    if all(key == shared for key, shared in keys.items()):
        return done
    return with_keys(done, keys, {member: member for node in done.node_list for member in node.members})


def _keys_of(same: Mapping[str, Node], done: Graph, number: int) -> dict[str, str]:
    taken: set[str] = set()
    keys: dict[str, str] = {}
    for key in done.nodes:
        shared = same[key].key if key in same else None
        keys[key] = shared if shared is not None and shared not in taken else f"{key}@{number}"
        taken.add(keys[key])
    return keys
