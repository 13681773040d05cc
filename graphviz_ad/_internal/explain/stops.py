"""A result -> where the ways end on which a gradient could have come back to it, as facts, and what matters of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphviz_ad._internal.explain.asked import MOST_NAMED, Asked, in_detail, names_in
from graphviz_ad._internal.explain.consequences import (
    is_update,
    leads_to_a_loss,
    may_lead_to_a_loss,
    numbers_held,
)
from graphviz_ad._internal.graph.grad_history import STEP, UPDATED, GradEvent, history_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.maths.chain_rule import feeding
from graphviz_ad._internal.operations.traits import MAKES_GRADIENTS
from graphviz_ad._internal.scene.cut_marks import REASONS

NO_LOSS = ("unreached", "shape-only", "inner")  # cuts that keep nothing from a gradient
NOT_ASKED = "not asked"  # a way along which a gradient could have come
TAKEN = "taken as numbers"  # what ends as numbers of Python in what goes on
NOTHING_LOST = ("shape-only", "inplace_view")  # ways on which no gradient could have come


@dataclass(frozen=True)
class Stop:
    """Where a way from a result ends on which a gradient could have come back: the edge, None where nothing reads
    ``node``, and the cut there.
    """

    node: Node
    edge: Edge | None
    cut: str


def lost_ways(asked: Asked) -> Iterator[Stop]:
    """Where ways on that brought nothing are cut, if a loss goes on from there."""
    seen, waiting = {asked.node.key}, asked.uses()[::-1]
    while waiting:
        edge = waiting.pop()
        head = asked.graph.nodes[edge.head]
        if is_update(asked.graph, edge) or edge.grad is not None:
            continue
        if edge.cut not in (None, *NO_LOSS):
            if leads_to_a_loss(asked.graph, head.key):
                yield Stop(head, edge, edge.cut)
        elif edge.cut in (None, "unreached") and head.key not in seen and head.grad is None:
            seen.add(head.key)
            waiting += asked.graph.out_edges(head.key)[::-1]


def follows(asked: Asked) -> GradEvent | None:
    """What updates all parameters that this was computed from, where that is no optimizer's step."""
    leaves = [node for key in feeding(asked.graph, [asked.node.key]) if (node := asked.graph.nodes[key]).kind == "leaf"]
    histories = [history_of(asked.graph, node.ports[0].tensor) for node in leaves]
    events = [
        [event for event in history.events if event.what in (UPDATED, STEP)] if history is not None else []
        for history in histories
    ]
    followed = all(each and all(event.what == UPDATED for event in each) for each in events)
    return events[0][-1] if events and followed else None


def constant_gradients(asked: Asked) -> list[str]:
    """The gradients that this was computed from, itself counted, which depend on nothing that requires grad."""
    found: dict[str, None] = {}
    seen, waiting = {asked.node.key}, [asked.node.key]
    while waiting:
        node = asked.graph.nodes[waiting.pop()]
        if node.op in MAKES_GRADIENTS and not node.requires_grad:
            found[node.key] = None
            continue
        further = [edge.tail for edge in asked.graph.in_edges(node.key) if edge.tail not in seen]
        seen |= {*further}
        waiting += [key for key in further if not asked.graph.nodes[key].requires_grad]
    return list(found)


def what_it_hides(asked: Asked) -> list[str]:
    """What would get a gradient through this node if it were not cut."""
    edges = [
        edge
        for edge in asked.graph.in_edges(asked.node.key)
        if edge.cut not in (None, "data") and asked.graph.nodes[edge.tail].requires_grad
    ]
    return list(dict.fromkeys(asked.names.carried(edge) for edge in edges))[:MOST_NAMED]


def cut_sources(asked: Asked) -> list[Stop]:
    """The results from which gradients could have come to here if they were not cut."""
    found: dict[str, Stop] = {}
    seen, waiting = {asked.node.key}, [asked.node.key]
    while waiting:
        for edge in asked.graph.in_edges(waiting.pop()):
            tail = asked.graph.nodes[edge.tail]
            if tail.key not in seen and not tail.requires_grad:
                seen.add(tail.key)
                if tail.cut in REASONS and tail.cut != "data":
                    found[tail.key] = Stop(tail, edge, tail.cut or "data")
                else:
                    waiting.append(tail.key)
    return list(found.values())


def stops_that_matter(asked: Asked) -> list[Stop]:
    """The ends of the ways on: those alone from which a loss goes on, if there are any."""
    stops = distinct(all_stops(asked))
    finer = in_detail(asked)
    found = [stop for stop in stops if _matters(asked, stop)]
    found = [stop for stop in found if stop.cut not in NOTHING_LOST] or found
    # of several operations in one call, the one that cuts may be another than the one that leads on
    real = {(stop.node.source, stop.cut) for stop in stops_that_matter(finer)} if finer is not None else set()
    return [stop for stop in found if (stop.node.source, stop.cut) in real] or found or stops


def _matters(asked: Asked, stop: Stop) -> bool:
    """Whether a loss goes on from an end."""
    if stop.edge is None:
        return stop.cut == TAKEN
    return stop.cut != "unreached" and may_lead_to_a_loss(asked.graph, stop.node.key)


def all_stops(asked: Asked) -> Iterator[Stop]:
    """The ends of all ways on from here."""
    found: set[str] = set()
    waiting = [edge for edge in asked.uses_of_tensor() if not is_update(asked.graph, edge)][::-1]
    if not waiting:
        yield _end(asked, asked.node)
    while waiting:
        edge = waiting.pop()
        head = asked.graph.nodes[edge.head]
        has_gradient = any(port.grad is not None for port in head.ports)
        if edge.cut in (None, "none-gradient") and has_gradient:
            yield Stop(head, edge, edge.cut or NOT_ASKED)
        elif edge.cut not in (None, "unreached", "none-gradient"):
            yield Stop(head, edge, edge.cut)
        elif head.key not in found:
            found.add(head.key)
            uses = asked.graph.out_edges(head.key)
            waiting += uses[::-1]
            if not uses:
                yield _end(asked, head)


def _end(asked: Asked, node: Node) -> Stop:
    """A stop at what no operation reads."""
    return Stop(node, None, TAKEN if any(goes_on(asked, node)) else "unreached")


def goes_on(asked: Asked, node: Node) -> Iterator[Edge]:
    """Where elements of what no operation reads go on as numbers to a loss."""
    return (edge for _, edge in numbers_held(asked.graph, node) if leads_to_a_loss(asked.graph, edge.head))


def stops_of(graph: Graph, node: Node, port: int = 0) -> list[Stop]:
    """Where the ways from a leaf end on which a gradient could have come back: those that matter, if any do."""
    return stops_that_matter(Asked(graph, names_in(graph), node, port))


def cut_sources_of(graph: Graph, node: Node) -> list[Stop]:
    """What a result without a graph was computed from and where that was cut."""
    return cut_sources(Asked(graph, names_in(graph), node, 0))


def finer_question(asked: Asked) -> Asked | None:
    """The same question to the finer graph, where this one is too coarse to answer it."""
    return in_detail(asked) if any(map(is_coarse, all_stops(asked))) else None


def is_coarse(stop: Stop) -> bool:
    """Whether a stop may lie in another operation of the call that it is at than the one that leads on."""
    return stop.cut == NOT_ASKED or (stop.cut == "shape-only" and stop.node.inside > 1)


def distinct(stops: Iterable[Stop]) -> list[Stop]:
    """Each node and reason once."""
    return list({(stop.node.key, stop.cut): stop for stop in stops}.values())
