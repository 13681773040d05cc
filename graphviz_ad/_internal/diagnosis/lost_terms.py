"""Course -> findings about terms of a loss, and parts of what they are computed from, through which no gradient comes
back although something that is trained stands behind them.

Few programs mean that: a metric that is added to a loss, a sample where rsample() was meant. What they do mean looks
alike and is left alone: a sample beside its own parameters, as in log_prob(); what is rounded beside what it was made
of, as in estimators that let gradients through; targets that are detached.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.diagnosis.course import Course, module_of, operation
from graphviz_ad._internal.diagnosis.findings import WARNING, Finding
from graphviz_ad._internal.diagnosis.missing_gradients import kind_of, parameters_before
from graphviz_ad._internal.explain.consequences import is_root, leads_to_a_loss
from graphviz_ad._internal.explain.stops import Stop, cut_sources_of
from graphviz_ad._internal.explain.zeros import is_not_zero, is_zero
from graphviz_ad._internal.graph.cuts import CUT_BY_THE_PROGRAM
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import UNITS
from graphviz_ad._internal.operations.training import ADDS_UP, PUT_TOGETHER, ROUNDS
from graphviz_ad._internal.operations.traits import DRAWS

NEVER_MEANT = ("not-differentiable", "sampled")  # of a term of a loss; the others may be a target, or a trick
MOST_LOOKED_AT = 400  # of what is computed from a sample


def lost_terms(course: Course) -> Iterator[Finding]:
    """All of them, each place of the program once."""
    told: set[str | None] = set()
    for done in course.last_passes:
        for term, stop in _terms_without(course, done):
            if stop.node.source not in told:
                told.add(stop.node.source)
                yield _of_term(course, term, stop)
        for node in done.node_list:
            if node.source not in told and _lets_nothing_back(course, done, node):
                told.add(node.source)
                yield _in_part(course, node)


def _terms_without(course: Course, done: Graph) -> Iterator[tuple[Node, Stop]]:
    """The numbers that are added into a loss and have no graph, each with where its way to what is trained is cut."""
    for root in filter(is_root, done.node_list):
        for term in _terms(done, root) if root.requires_grad else ():
            for stop in _cuts(done, term):
                held = parameters_before(course, stop.node) & {p.name for p in course.trainable if p.held_by != ()}
                if held and kind_of(course, stop) in NEVER_MEANT:
                    yield term, stop
                    break


def _cuts(graph: Graph, term: Node) -> list[Stop]:
    return [Stop(term, None, term.cut)] if term.cut in CUT_BY_THE_PROGRAM else cut_sources_of(graph, term)


def _terms(graph: Graph, root: Node) -> Iterator[Node]:
    """The single numbers without a graph that a loss is a sum of, whatever factors they have."""
    waiting, seen = [root], {root.key}
    while waiting:
        node = waiting.pop()
        edges = graph.in_edges(node.key) if operation(node) in PUT_TOGETHER else []
        for edge in edges:
            tail = graph.nodes[edge.tail]
            if tail.key in seen or tail.kind != "op":
                continue
            seen.add(tail.key)
            if tail.requires_grad:
                waiting.append(tail)
            elif operation(node) in ADDS_UP and tail.ports[edge.port].shape in ((), (1,)):
                yield tail


def _of_term(course: Course, term: Node, stop: Stop) -> Finding:
    names = tuple(sorted(parameters_before(course, stop.node)))
    return Finding(
        "term-without-gradient", WARNING, term.name, module_of(stop.node), stop.node.source,
        {"at": course.described(stop.node), "term": course.described(term), "same": term.key == stop.node.key,
         "operation": stop.node.op, "how": kind_of(course, stop)},
        names, weight=47, key=stop.node.key,
    )  # fmt: skip


# --- parts of what a loss is computed from


def _lets_nothing_back(course: Course, done: Graph, node: Node) -> bool:
    """Whether floats are drawn or rounded here, a loss is computed from them, and what they are made of is trained by
    other ways alone; not beside what they are made of itself.
    """
    edges = [edge for edge in done.in_edges(node.key) if _is_blocked(done, node, edge)]
    behind = _before(done, [edge.tail for edge in edges])
    trained = any(is_not_zero(port.grad) for key in behind for port in done.nodes[key].ports)
    return trained and leads_to_a_loss(done, node.key) and not _meets_again(done, node, edges)


def _is_blocked(done: Graph, node: Node, edge: Edge) -> bool:
    """Whether nothing comes back along an edge, for what the operation is."""
    if not done.nodes[edge.tail].requires_grad or node.ports[0].dtype not in UNITS:
        return False
    drawn = _is_drawn(node)
    if drawn and not node.requires_grad:
        return edge.cut == "no_grad"
    arrives = any(is_not_zero(port.grad) for port in node.ports)
    return (drawn or operation(node) in ROUNDS) and arrives and is_zero(edge.grad)


def _is_drawn(node: Node) -> bool:
    return not DRAWS.isdisjoint((operation(node), node.call_op))


def _meets_again(done: Graph, node: Node, edges: list[Edge]) -> bool:
    """Whether what is computed from it meets again what it was made of, as a sample does in log_prob(), or something of
    its own size that was made of the same, as where an estimator lets gradients through.
    """
    own = _before(done, [edge.tail for edge in edges])
    own |= _made_of(done, node, [key for key in own if done.nodes[key].ports[0].shape == node.ports[0].shape])
    seen, waiting = {node.key}, [node.key]
    while waiting and len(seen) < MOST_LOOKED_AT:
        for edge in done.out_edges(waiting.pop(0)):
            if edge.head not in seen:
                seen.add(edge.head)
                waiting.append(edge.head)
                beside = {other.tail for other in done.in_edges(edge.head)} - seen
                if not beside.isdisjoint(own):
                    return True
    return False


def _before(done: Graph, keys: list[str]) -> set[str]:
    """These results, and all with a graph that they were computed from."""
    found, waiting = {*keys}, [*keys]
    while waiting:
        tails = [done.nodes[edge.tail] for edge in done.in_edges(waiting.pop())]
        further = [tail.key for tail in tails if tail.kind == "op" and tail.requires_grad and tail.key not in found]
        found.update(further)
        waiting += further
    return found


def _made_of(done: Graph, node: Node, keys: list[str]) -> set[str]:
    """What was computed of these results, as long as it has the shape of a node, and not by way of it."""
    found: set[str] = set()
    waiting = [*keys]
    while waiting:
        for edge in done.out_edges(waiting.pop()):
            head = done.nodes[edge.head]
            if head.key not in found and head.key != node.key and head.ports[0].shape == node.ports[0].shape:
                found.add(head.key)
                waiting.append(head.key)
    return found


def _in_part(course: Course, node: Node) -> Finding:
    kind = "sampled-in-part" if _is_drawn(node) else "not-differentiable-in-part"
    return Finding(
        kind, WARNING, node.name, module_of(node), node.source,
        {"at": course.described(node), "operation": node.op, "trained": True}, weight=40, key=node.key,
    )  # fmt: skip
