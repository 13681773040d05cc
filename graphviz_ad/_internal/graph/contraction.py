"""Graph -> Graph in which groups of nodes have become one node each: what merging calls and folding modules have in
common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from types import MappingProxyType

from graphviz_ad._internal.base.frozen import changed
from graphviz_ad._internal.base.stable_order import stable_order
from graphviz_ad._internal.graph.cuts import CUT_BY_THE_PROGRAM
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.graph.precision import sum_of_snapshots
from graphviz_ad._internal.graph.snapshot import Snapshot

Ports = dict[tuple[str, int], int]
Build = Callable[[Graph, list[Node], list[Edge], Ports], tuple[Node, list[Edge]]]


def is_convex(graph: Graph, nodes: list[Node], position: dict[str, int]) -> bool:
    """Whether no path leaves the nodes and comes back: only then can they be one node."""
    inside = {node.key for node in nodes}
    first, last = position[nodes[0].key], position[nodes[-1].key]
    tainted: set[str] = set()  # outside, but depends on something inside
    for node in graph.node_list[first : last + 1]:
        reached = any(
            edge.tail in tainted or (edge.tail in inside and node.key not in inside)
            for edge in graph.in_edges(node.key)
        )
        if reached and node.key in inside:
            return False
        if reached:
            tainted.add(node.key)
    return True


def contract(
    graph: Graph,
    groups: dict[str, list[Node]],
    owner: dict[str, str],
    build: Build,
) -> Graph:
    """Each group as the one node that `build` makes of it and its operands, in the place of the group's key."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    ports: Ports = {}
    for key, members in groups.items():
        for number, source in enumerate(results_of_group(graph, members)):
            ports[source] = number
        del key
    for node in graph.node_list:
        home = owner.get(node.key)
        if home is None:
            nodes.append(node)
            edges.extend(contracted_edge(edge, owner, ports) for edge in graph.in_edges(node.key))
        elif home == node.key:
            members = groups[home]
            inside = {member.key for member in members}
            operands = [edge for member in members for edge in graph.in_edges(member.key) if edge.tail not in inside]
            new, incoming = build(graph, members, operands, ports)
            nodes.append(replace(new, key=home))
            edges.extend(contracted_edge(replace(edge, head=home), owner, ports) for edge in incoming)
    return graph.with_parts(
        in_operand_order(nodes, edges),
        edges,
        notice_of_flows_inside(graph, groups, [node for node in nodes if node.key in groups]),
    )


def in_operand_order(nodes: list[Node], edges: list[Edge]) -> list[Node]:
    """The nodes with every operand before its reader, otherwise as they stand."""
    place = {node.key: i for i, node in enumerate(nodes)}
    if all(place[edge.tail] < place[edge.head] for edge in edges):
        return nodes
    needs: list[set[int]] = [set() for _ in nodes]
    for edge in edges:
        needs[place[edge.head]].add(place[edge.tail])
    return [nodes[i] for i in stable_order(needs)]


def results_of_group(graph: Graph, members: list[Node]) -> list[tuple[str, int]]:
    """The (node, port) of a group that somebody outside it reads or that are outputs."""
    inside = {member.key for member in members}
    read = {
        (edge.tail, edge.port) for member in members for edge in graph.out_edges(member.key) if edge.head not in inside
    }
    read |= {
        (member.key, i)
        for member in members
        for i, port in enumerate(member.ports)
        if port.is_output or port.upstream is not None or port.begins is not None
    }
    found = [(member.key, i) for member in members for i in range(len(member.ports)) if (member.key, i) in read]
    return found or [(members[-1].key, 0)]


def shown_ports(graph: Graph, members: list[Node]) -> tuple[Port, ...]:
    """The results of a group, in their order, as they are seen from outside."""
    inside = {member.key for member in members}
    return tuple(seen_from_outside(graph, key, number, inside) for key, number in results_of_group(graph, members))


def seen_from_outside(graph: Graph, key: str, number: int, inside: set[str]) -> Port:
    """A result that the group may use itself: what flows back to it there is on no edge that is shown.

    Its gradient stays what torch says it is, and ``arrived`` is what came from outside; where nothing did, none is
    shown.
    """
    port = graph.nodes[key].ports[number]
    uses = [edge for edge in graph.out_edges(key) if edge.port == number and edge.cut is None and edge.grad is not None]
    if port.grad is None or not any(edge.head in inside for edge in uses):
        return port
    given = [edge.grad for edge in uses if edge.head not in inside] + (
        [port.upstream] if port.upstream is not None else []
    )
    if not given:
        return replace(port, grad=None, arrived=None)
    return replace(
        port,
        arrived=sum_of_snapshots(given)
        or Snapshot(port.grad.shape, port.grad.dtype, missing=f"sum of {len(given)} contributions"),
    )


def cut_of_group(graph: Graph, members: list[Node], main: Node, shown: Sequence[Port]) -> Node:
    """The node of a group, one of whose results is that of ``main``, that says why no gradient comes to it: where that
    depends on nothing that requires grad, what cut it off within the group. Its cut is None where one comes.
    """
    if any(port.grad is not None for port in shown):
        return replace(main, cut=None, switched_off=())
    inside = {member.key for member in members}
    seen, waiting = {main.key}, [main]
    while waiting:
        node = waiting.pop(0)
        if node.cut in CUT_BY_THE_PROGRAM or (node is main and node.cut != "data"):
            return node
        before = [edge.tail for edge in graph.in_edges(node.key) if edge.tail in inside and edge.tail not in seen]
        seen |= {*before}
        waiting += [graph.nodes[key] for key in before if not graph.nodes[key].requires_grad]
    return main


def notice_of_flows_inside(graph: Graph, groups: dict[str, list[Node]], nodes: list[Node]) -> list[Notice]:
    """What is to be said about gradients that are more than what the edges bring: by which operations of a group a
    result is used in it; none if there are none.
    """
    names: list[str] = []
    users: dict[str, None] = {}
    for node in nodes:
        results = results_of_group(graph, groups[node.key]) if flows_inside(node) else []
        for port, (key, number) in zip(node.ports, results, strict=False):
            if port.arrived is not None:
                names.append(graph.nodes[key].ports[number].name or node.name or node.op or node.key)
                users |= dict.fromkeys(users_inside(graph, groups[node.key], key, number))
    return [notice("flows inside", names, users=tuple(users))] if names else []


def users_inside(graph: Graph, members: list[Node], key: str, number: int) -> Iterator[str]:
    """The operations of a group that send a gradient back to a result of it: "softmax (net.py:12)"."""
    inside = {member.key for member in members}
    for edge in graph.out_edges(key):
        if edge.port == number and edge.head in inside and edge.cut is None and edge.grad is not None:
            head = graph.nodes[edge.head]
            yield f"{head.op or head.name or head.key}{f' ({head.source})' if head.source else ''}"


def flows_inside(node: Node) -> bool:
    """Whether a gradient of this node holds a part that flowed inside of it, rather than what a hook made of it."""
    return any(port.arrived is not None for port in node.ports) and node.inside > 1 and not node.hook_effects


def contracted_edge(edge: Edge, owner: dict[str, str], ports: Ports) -> Edge:
    """The edge with its tail and port in the contracted graph."""
    if edge.tail not in owner:
        return edge
    return changed(edge, tail=owner[edge.tail], port=ports[edge.tail, edge.port])


def renumbered(graph: Graph) -> Graph:
    """The same graph with keys n0, n1, … in forward order; what is one node in the finer graph, too, has one key in
    both.
    """
    keys = {node.key: f"n{i}" for i, node in enumerate(graph.node_list)}
    if graph.finer is None:
        return with_keys(graph, keys)
    fresh = count(len(keys))
    shared = {node.key for node in graph.node_list if not node.members}
    inner = {node.key: keys[node.key] if node.key in shared else f"n{next(fresh)}" for node in graph.finer.node_list}
    return replace(with_keys(graph, keys, inner), finer=with_keys(graph.finer, inner))


def with_keys(graph: Graph, keys: Mapping[str, str], inner: Mapping[str, str] = MappingProxyType({})) -> Graph:
    """The same graph with these keys, and those of the finer graph for the members of its nodes."""
    nodes = [
        changed(node, key=keys[node.key], members=tuple([inner[member] for member in node.members]))
        for node in graph.node_list
    ]
    edges = [changed(edge, tail=keys[edge.tail], head=keys[edge.head]) for edge in graph.edges]
    return graph.with_parts(nodes, edges)
