"""Graph of several ranks side by side + what belongs together -> Graph with the communication between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.messages import Meeting
from graphviz_ad._internal.graph.rank_messages import CUT, operation_name
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.traits import IN_ORDER
from graphviz_ad._internal.ranks.matching import Match, results_of, same_elements

SAME_FOR_ALL = ("all_reduce", "broadcast", "all_gather")  # everybody gets the same
UNCHANGED = IN_ORDER | {"cpu"}  # may stand between a result and the send of it


# --- messages


def with_messages(graph: Graph, pairs: Sequence[Match]) -> Graph:
    """The graph with an edge for each message."""
    ends: dict[str, Node] = {}
    edges: list[Edge] = []
    gradients = Returned(graph, pairs)
    for pair in pairs:
        send, receive = (graph.nodes[call.key] for call in pair.calls)
        ends[send.key] = as_sent(graph, send)
        ends[receive.key] = as_received(receive)
        slot = len(graph.in_edges(receive.key))
        edges.append(Edge(send.key, receive.key, slot, grad=gradients.of(pair), cut=CUT, match=pair.match))
    return replace(
        graph, node_list=tuple(ends.get(node.key, node) for node in graph.node_list), edges=(*graph.edges, *edges)
    )


def as_sent(graph: Graph, send: Node) -> Node:
    """A send that shows what it sends: its operand."""
    operands = graph.in_edges(send.key)
    if len(operands) != 1 or results_of(send):
        return send
    given = graph.nodes[operands[0].tail].ports[operands[0].port]
    return replace(send, ports=(Port(given.shape, given.dtype, given.device, given.value),))


def as_received(receive: Node) -> Node:
    """A receive that has an operand now, so that it is data no more."""
    if receive.kind != "data":
        return receive
    return replace(receive, kind="op", cut=CUT if receive.cut == "data" else receive.cut)


class Returned:
    """Finds the gradient that came back for a message, in a message the other way.

    Three numbers have to be the same: the gradient of what was received, what was sent back, and what was fed in at the
    result that had been sent.
    """

    def __init__(self, graph: Graph, pairs: Sequence[Match]) -> None:
        self.graph = graph
        self.sent: dict[tuple[object, ...], list[Port]] = defaultdict(list)
        for pair in pairs:
            if pair.match == "exact":
                send, receive = pair.calls
                for port in send.operands:
                    self.sent[send.rank, receive.rank, *look(port.value)].append(port)

    def of(self, pair: Match) -> Snapshot | None:
        """The gradient that came back; None where none did, or where it is not certain."""
        send, receive = pair.calls
        ports = self.graph.nodes[receive.key].ports
        gradient = ports[0].grad if len(ports) == 1 else None
        fed = self.fed_in(send.key) if gradient is not None and pair.match == "exact" else None
        if gradient is None or fed is None:
            return None
        mine = Port(gradient.shape, gradient.dtype, value=gradient)
        back = self.sent.get((receive.rank, send.rank, *look(gradient)), [])
        sure = same_elements(mine, Port(fed.shape, fed.dtype, value=fed)) and any(
            same_elements(mine, port) for port in back
        )
        return gradient if sure else None

    def fed_in(self, key: str) -> Snapshot | None:
        """The upstream gradient of the result that a node sends."""
        operands = self.graph.in_edges(key)
        while len(operands) == 1:
            node = self.graph.nodes[operands[0].tail]
            upstream = node.ports[operands[0].port].upstream
            if upstream is not None or node.op not in UNCHANGED:
                return upstream
            operands = self.graph.in_edges(node.key)
        return None


def look(snap: Snapshot | None) -> tuple[object, ...]:
    """What two snapshots of the same elements have in common."""
    return (snap.dtype, snap.numel, repr(snap.min), repr(snap.max)) if snap is not None else ()


# --- collectives


@dataclass(frozen=True)
class Hub:
    """The node of a collective, and where the results of its members are among its own."""

    node: Node
    members: tuple[Node, ...]
    places: Mapping[tuple[str, int], int]  # (key, port) of a member -> port
    match: str


def with_collectives(graph: Graph, meetings: Mapping[str, Match]) -> Graph:
    """The graph with one node for each of these collectives, under its key, in the place of its first member."""
    hubs = {key: hub(graph, key, match) for key, match in meetings.items()}
    home = {member.key: meeting for meeting in hubs.values() for member in meeting.members}
    first = {meeting.members[0].key for meeting in hubs.values()}
    nodes = [
        home[node.key].node if node.key in home else node
        for node in graph.node_list
        if node.key not in home or node.key in first
    ]
    edges = [from_hub(edge, home) for edge in graph.edges if edge.head not in home]
    for meeting in hubs.values():
        operands = chain.from_iterable(graph.in_edges(member.key) for member in meeting.members)
        edges += [into_hub(from_hub(edge, home), meeting, slot) for slot, edge in enumerate(operands)]
    return replace(graph, node_list=tuple(nodes), edges=tuple(edges))


def from_hub(edge: Edge, home: Mapping[str, Hub]) -> Edge:
    """An edge with its tail and port in the graph of hubs."""
    meeting = home.get(edge.tail)
    return (
        edge
        if meeting is None
        else replace(edge, tail=meeting.node.key, port=meeting.places.get((edge.tail, edge.port), 0))
    )


def into_hub(edge: Edge, meeting: Hub, slot: int) -> Edge:
    """What one member reads, as an operand of the hub."""
    if edge.cut is None:
        return replace(edge, head=meeting.node.key, slot=slot)
    return replace(
        edge, head=meeting.node.key, slot=slot, cut=CUT if edge.cut == "data" else edge.cut, match=meeting.match
    )


def hub(graph: Graph, key: str, match: Match) -> Hub:
    """One node for the calls of a collective."""
    members = tuple(graph.nodes[call.key] for call in match.calls)
    ports, places = shared_results(match, members) or own_results(graph, match, members)
    message, names = match.message, {port.name for port in ports}
    ranks = tuple(call.rank for call in match.calls)
    node = Node(
        key,
        "op",
        operation_name(message.kind),
        names.pop() if len(ports) == 1 else None,
        ports,
        tuple(chain.from_iterable(member.autograd for member in members)),
        any(member.requires_grad for member in members),
        None if any(port.grad is not None for port in ports) else members[0].cut,
        (),
        members[0].source,
        tuple(dict.fromkeys(chain.from_iterable(member.saved for member in members))),
        messages=(Meeting(message.kind, ranks, message.number, message.group, message.reduction, message.root),),
        call=members[0].call,
        backward_order=min(
            (member.backward_order for member in members if member.backward_order is not None), default=None
        ),
        inside=len(members),
    )
    return Hub(node, members, places, match.match)


Results = tuple[tuple[Port, ...], dict[tuple[str, int], int]]


def shared_results(match: Match, members: Iterable[Node]) -> Results | None:
    """The results once, where all ranks got the same and no gradient tells them apart."""
    rows = {member.key: results_of(member) for member in members if results_of(member)}
    first = next(iter(rows.values()), ())
    if (
        match.message.kind not in SAME_FOR_ALL
        or match.match != "exact"
        or any(len(row) != len(first) for row in rows.values())
    ):
        return None
    for row in rows.values():
        if any(
            port.grad or port.upstream or port.is_output or not same_elements(port, other)
            for port, other in zip(row, first, strict=True)
        ):
            return None
    if not first:
        return None
    named = [next((row[i].name for row in rows.values() if row[i].name), None) for i in range(len(first))]
    ports = tuple(replace(port, name=name) for port, name in zip(first, named, strict=True))
    if len(first) == 1:
        ports = (
            replace(ports[0], name=ports[0].name or next((member.name for member in members if member.name), None)),
        )
    return ports, {(key, i): i for key in rows for i in range(len(first))}


def own_results(graph: Graph, match: Match, members: Iterable[Node]) -> Results:
    """The results of each rank one after the other, under names that tell whose they are."""
    ports: list[Port] = []
    places: dict[tuple[str, int], int] = {}
    for call, member in zip(match.calls, members, strict=True):
        read = {edge.port for edge in graph.out_edges(member.key)}
        for i, port in enumerate(member.ports):
            if port.shape is not None or port.grad is not None or i in read:
                name = port.name or (member.name if len(member.ports) == 1 else None)
                places[member.key, i] = len(ports)
                ports.append(replace(port, name=f"{name} of rank {call.rank}" if name else f"rank {call.rank}"))
    return tuple(ports) or (Port(),), places
