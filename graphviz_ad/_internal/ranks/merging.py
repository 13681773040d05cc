"""Graphs that the ranks of one job recorded -> one Graph, with the communication between the ranks.

Each rank records its own part and, say, saves it with ``g.save(f"rank{rank}.json")``; ``gad.merge([Graph.load(path) for
path in …])`` joins them:

- Keys get the rank as prefix ("r0n5"), module paths begin with "rank 0": pictures frame the ranks, and ``depth=1``
  folds each of them.
- A message becomes an edge from the node that sent it to the one that received it. It is marked
  ``cut="communication"``: values go along it, autograd does not. Where the numbers prove that the gradient came back
  in a message of its own, the edge carries it as ``grad``.
- A collective, such as ``all_reduce``, becomes one node outside all ranks that reads what each rank gave and has what
  each of them got; where all got the same, as one result.
- Where the numbers show that the gradients of parameters were averaged (or summed) over the ranks, as DDP does during
  the backward pass, one node stands for that: its gradient is what every rank has in ``.grad`` after it, the edges to
  the parameters carry each rank's own.
- What each rank recorded is kept as ``of_ranks``, for what has to be asked of it alone, as `Graph.diagnose` does.

What belongs together is decided by order and verified by shapes, dtypes and numbers, see
`graphviz_ad._internal.ranks.matching`; ``match="guess"`` where these are not known. What could not be joined stands in
the notices.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from graphviz_ad._internal.base.errors import MergeError
from graphviz_ad._internal.graph.contraction import in_operand_order
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.graph.rank_messages import CUT, message_of, rank_module
from graphviz_ad._internal.graph.statements import later
from graphviz_ad._internal.ranks.joining import with_collectives, with_messages
from graphviz_ad._internal.ranks.matching import Match, communications_of, match_communications
from graphviz_ad._internal.ranks.replicas import with_averages

Ranks = Mapping[int, Graph]


def merge(graphs: Sequence[Graph]) -> Graph:
    """One graph of what the ranks of a job recorded, of one graph a rank; see the module's docstring.

    Ranks are taken from the recorded communication; a graph without any has the lowest number that is left. ``passes``
    and ``detail`` are merged too.
    """
    ranks = by_rank(graphs)
    whole = replace(of_one_pass(ranks), of_ranks=tuple(ranks.values()))
    details = {rank: graph.detail or graph for rank, graph in ranks.items()}
    finer = any(details[rank].node_list != graph.node_list for rank, graph in ranks.items())
    passes = [graph.passes for graph in ranks.values()]
    if len(set(map(len, passes))) > 1:
        return whole.saying(notice("uneven passes", passes=tuple(map(len, passes))))
    several = (
        [of_one_pass(dict(zip(ranks, each, strict=True))) for each in zip(*passes, strict=True)]
        if len(passes[0]) > 1
        else []
    )
    return replace(whole, detail=of_one_pass(details) if finer else whole, each_pass=tuple(several))


def by_rank(graphs: Sequence[Graph]) -> dict[int, Graph]:
    """Rank -> graph, in the order of the ranks."""
    given = list(graphs) if isinstance(graphs, Iterable) else [graphs]
    wrong = [type(thing).__name__ for thing in given if not isinstance(thing, Graph)]
    if wrong or not given or isinstance(graphs, Graph):
        what = (
            f"{wrong[0]} instead of a Graph"
            if wrong
            else "an empty list"
            if not given
            else "one Graph that is in no list"
        )
        raise MergeError(
            f"merge takes a list of graphs, one for each rank, and was given {what}; read saved graphs with Graph.load"
        )
    said = [rank_of(graph, place) for place, graph in enumerate(given)]
    twice = next((rank for rank in said if rank is not None and said.count(rank) > 1), None)
    if twice is not None:
        raise MergeError(
            f"{said.count(twice)} of the graphs were recorded by rank {twice}; give one graph of each rank"
        )
    free = (rank for rank in range(len(given)) if rank not in said)
    return dict(sorted((next(free) if rank is None else rank, graph) for rank, graph in zip(said, given, strict=True)))


def rank_of(graph: Graph, place: int) -> int | None:
    """The rank that recorded a graph; None where it does not tell."""
    messages = [message_of(node) for node in graph.node_list if node.messages]
    found = {message.rank for message in messages if message is not None}
    if graph.ranks or len(found) > 1 or None in messages:
        raise MergeError(
            f"graph {place} of the list is of several ranks already; merge the graphs of all ranks in one call"
        )
    return found.pop() if found else None


# --- one graph of each rank


def of_one_pass(ranks: Ranks) -> Graph:
    """The graphs joined, without their details and other passes."""
    parts: dict[int, Graph] = {}
    before = written = 0  # statements, and parts of programs, of the ranks so far
    for rank, graph in ranks.items():
        parts[rank] = placed(graph, rank, before, written)
        before += len(graph.statements)
        written += len(graph.program)
    matches, notices = match_communications({rank: communications_of(graph) for rank, graph in parts.items()})
    names = {graph.name for graph in ranks.values()}
    side_by_side = Graph(
        tuple(chain.from_iterable(graph.node_list for graph in parts.values())),
        tuple(chain.from_iterable(graph.edges for graph in parts.values())),
        names.pop() if len(names) == 1 else f"{len(ranks)} ranks",
        tuple(merged_notices(ranks)),
        any(graph.has_gradients for graph in ranks.values()),
        ranks=tuple(ranks),
        statements=tuple(chain.from_iterable(graph.statements for graph in parts.values())),
        program=tuple(chain.from_iterable(graph.program for graph in parts.values())),
    )
    whole, impossible = joined_ranks(side_by_side, matches)
    if impossible:
        notices.append(notice("impossible order", count=len(impossible)))
        matches = [match for match in matches if match not in set(impossible)]
        whole, _ = joined_ranks(side_by_side, matches)
    guesses = sum(match.match == "guess" for match in matches)
    if guesses:
        notices.append(notice("by order alone", guesses=guesses, count=len(matches)))
    return numbered_backward(with_averages(whole.saying(*notices), parts))


def placed(graph: Graph, rank: int, before: int, written: int) -> Graph:
    """The graph of one rank with keys that no other rank has, inside a module of the rank's name; ``before`` and
    ``written``: how many statements and parts of programs the ranks before it have.
    """
    prefix, module = f"r{rank}", rank_module(rank)
    nodes = [replace(node, key=prefix + node.key, module=(module, *node.module)) for node in graph.node_list]
    nodes = [node if node.statement is None else replace(node, statement=node.statement + before) for node in nodes]
    edges = [replace(edge, tail=prefix + edge.tail, head=prefix + edge.head) for edge in graph.edges]
    return replace(
        graph,
        node_list=tuple(nodes),
        edges=tuple(edges),
        detail=None,
        each_pass=(),
        statements=later(graph.statements, before, written),
    )


def merged_notices(ranks: Ranks) -> Iterator[Notice]:
    """The notices of all ranks, once where all say the same."""
    for note in dict.fromkeys(chain.from_iterable(graph.notes for graph in ranks.values())):
        whose = tuple(rank for rank, graph in ranks.items() if note in graph.notes)
        yield note if len(whose) == len(ranks) else replace(note, ranks=whose)


def joined_ranks(graph: Graph, matches: Sequence[Match]) -> tuple[Graph, list[Match]]:
    """The graph with these communications, each node after its operands; and the matches that cannot be, for they
    make a circle.
    """
    meetings = {f"c{number}": match for number, match in enumerate(match for match in matches if not match.is_pair)}
    pairs = [match for match in matches if match.is_pair]
    result = with_collectives(with_messages(graph, pairs), meetings)
    home = {call.key: key for key, match in meetings.items() for call in match.calls}
    order = order_of_ranks(graph, home, {pair.calls[1].key: pair.calls[0].key for pair in pairs})
    nodes = (
        [result.nodes[key] for key in order]
        if order is not None
        else in_operand_order(list(result.node_list), list(result.edges))
    )
    stuck = result.nodes.keys() - {node.key for node in nodes}
    impossible = (
        [match for match in matches if any(home.get(call.key, call.key) in stuck for call in match.calls)]
        if stuck
        else []
    )
    return replace(result, node_list=tuple(nodes)), impossible


def order_of_ranks(graph: Graph, home: Mapping[str, str], senders: Mapping[str, str]) -> list[str] | None:
    """Keys in an order in which the ranks may have run: each goes on until it has to wait for another; None if all
    wait.

    ``home`` are the members of collectives, which wait for each other; ``senders`` whom a receiver waits for. That a
    program starts something and waits for it later is not recorded, so that all may wait here although they did not.
    """
    ranks: dict[str, deque[str]] = {}
    for node in graph.node_list:
        ranks.setdefault(node.module[0], deque()).append(node.key)
    missing, found = Counter(home.values()), dict[str, None]()
    running, waiting = deque(ranks), defaultdict[str, list[str]](list)
    while running:
        rank = running.popleft()
        while ranks[rank]:
            key = ranks[rank][0]
            sender, meeting = senders.get(key), home.get(key)
            if sender is not None and sender not in found:
                waiting[sender].append(rank)
                break
            ranks[rank].popleft()
            if meeting is None:
                found[key] = None
                running.extend(waiting.pop(key, ()))
                continue
            missing[meeting] -= 1
            waiting[meeting].append(rank)
            if not missing[meeting]:
                found[meeting] = None
                running.extend(waiting.pop(meeting))
            break
    return list(found) if not any(ranks.values()) and not any(missing.values()) else None


def numbered_backward(graph: Graph) -> Graph:
    """The graph with its backward passes as one: each rank in its own order, and none before the gradient that it
    waited for.
    """
    ran = sorted(
        (node for node in graph.node_list if node.backward_order is not None), key=lambda node: node.backward_order or 0
    )
    last: dict[tuple[str, ...], str] = {}
    before: list[Edge] = []
    for node in ran:
        rank = node.module[:1]
        if rank in last:
            before.append(Edge(last[rank], node.key, 0))
        if rank:
            last[rank] = node.key
    keys = {node.key for node in ran}
    for edge in graph.edges:
        if edge.cut == CUT and edge.grad is not None:  # a gradient that came back in a message
            source = origin(graph, edge.tail)
            before += [Edge(use.head, source, 0) for use in graph.out_edges(edge.head) if {use.head, source} <= keys]
        elif (
            {edge.tail, edge.head} <= keys
            and edge.cut is None
            and not (graph.nodes[edge.tail].module and graph.nodes[edge.head].module)
        ):
            before.append(Edge(edge.head, edge.tail, 0))  # to or from a collective
    ordered = in_operand_order(ran, before)
    place = {node.key: number for number, node in enumerate(ordered if len(ordered) == len(ran) else ran)}
    return replace(
        graph, node_list=tuple(replace(node, backward_order=place.get(node.key)) for node in graph.node_list)
    )


def origin(graph: Graph, key: str) -> str:
    """The operation that autograd knows and whose result is sent, perhaps detached or copied in between."""
    operands = graph.in_edges(key)
    while graph.nodes[key].backward_order is None and len(operands) == 1:
        key = operands[0].tail
        operands = graph.in_edges(key)
    return key
