"""Copies of one thing -> how large the gradient of one and the same result is in each, and what it is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from graphviz_ad._internal.graph.contraction import results_of_group
from graphviz_ad._internal.graph.graph import Graph, Node, Port
from graphviz_ad._internal.operations.traits import KINDS_OF_PARTS, PARTS_OF_CELLS, RESULTS_OF_CELLS, STATES_OF_CELLS

# what a result is among those of its copy: the operation that made it, how many of these stand behind that one, and
# which of its results it is
Role = tuple[str, int, tuple[object, ...]]


@dataclass(frozen=True)
class Copy:
    """The results in one copy by their roles, those that leave it by `leaving`; ``built`` is what ran in it."""

    built: tuple[str, ...]
    results: Mapping[Role, tuple[Node, Port]] = field(default_factory=dict)
    leaving: tuple[Role, ...] = ()

    def norm(self, role: Role) -> float | None:
        """How large the gradient of this result is; None where it has none, or nobody knows."""
        _, port = self.results.get(role, (None, None))
        return port.grad.norm if port is not None and port.grad is not None else None


def norms_of_results(graph: Graph, copies: Sequence[Sequence[str]]) -> tuple[list[float | None], str]:
    """The norm of the gradient of the same result in each copy, None where it has none there; and what that result is
    called, "" where none of them has several to be told apart.
    """
    calls = calls_in_detail(graph, copies)
    told = [copy_of(graph, keys, calls) for keys in copies]
    given = [[role for role in one.leaving if one.norm(role) is not None] for one in told]
    if not any(given):
        return [None] * len(told), ""
    if all(len(roles) == 1 for roles in given) and len({one.built for one in told}) > 1:  # each has but this
        return [one.norm(role) for one, (role,) in zip(told, given, strict=True)], ""
    role = shared_role(told, given)
    called = name_of(told, role) if any(len(roles) > 1 for roles in given) or len(roles_in(given)) > 1 else ""
    return [one.norm(role) for one in told], called


def carried_on(graph: Graph, copies: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What the results of each copy are called that the next one reads, as a cell its own h and c of the step before;
    () where these are not the same everywhere, or one has no name.
    """
    found: set[tuple[str, ...]] = set()
    for before, after in pairwise(copies):
        made = {key: place for place, key in enumerate(before)}
        read = [edge for key in after for edge in graph.in_edges(key) if edge.tail in made]
        results = sorted({(made[edge.tail], edge.port, edge.tail) for edge in read})
        found.add(tuple([name_of_result(graph.nodes[key], port) for _, port, key in results]))
    (names,) = found if len(found) == 1 else ((),)
    return names if all(names) else ()


def is_cell(node: Node) -> bool:
    """Whether an operation is a recurrent cell of torch's, rather than something of its name."""
    parts = Counter(label for label in node.autograd if label in KINDS_OF_PARTS)
    return parts == PARTS_OF_CELLS.get(node.op or "")


def name_of_result(node: Node, port: int) -> str:
    """What the program calls one result; "" where it has no name for it."""
    states = STATES_OF_CELLS.get(node.op or "", ()) if is_cell(node) else ()
    own = node.ports[port].name or ("" if node.ports[1:] else node.name)
    return own or (states[port] if len(states) == len(node.ports) else "")


def roles_in(given: Sequence[Sequence[Role]]) -> list[Role]:
    """All roles, each once."""
    return [*dict.fromkeys(role for roles in given for role in roles)]


def shared_role(told: Sequence[Copy], given: Sequence[Sequence[Role]]) -> Role:
    """The result of which most copies have a gradient, of these the one that leaves most, of these the last."""

    def rank(role: Role) -> tuple[int, int, int]:
        behind = [len(roles) - roles.index(role) for roles in given if role in roles]
        return sum(one.norm(role) is not None for one in told), len(behind), -min(behind)

    return max(roles_in(given), key=rank)


def name_of(told: Sequence[Copy], role: Role) -> str:
    """What the program calls it, if that is the same wherever it does; else what made it."""
    found = [one.results[role] for one in told if role in one.results]
    names = dict.fromkeys(port.name or (node.name if not node.ports[1:] else None) for node, port in found)
    known = [name for name in names if name]
    node, port = found[0]
    made_by, _, which = role
    if len(known) == 1:
        return known[0]
    maker = which[0] if len(which) > 2 else None
    if isinstance(maker, str):
        made = maker.rstrip("_")  # in place or not
        return RESULTS_OF_CELLS.get(made_by, {}).get(made, made)
    return port.made_by or (made_by if not node.ports[1:] else f"result {node.ports.index(port) + 1} of {made_by}")


# --- what stands in one copy


def copy_of(graph: Graph, keys: Sequence[str], calls: Mapping[int, Sequence[Node]]) -> Copy:
    """The copy that these nodes are."""
    nodes = [graph.nodes[key] for key in keys if graph.nodes[key].kind != "leaf"]
    if not nodes:
        return Copy(())
    behind = Counter(label(node) for node in nodes)
    results: dict[Role, tuple[Node, Port]] = {}
    roles: dict[tuple[str, int], Role] = {}
    for node in nodes:
        behind[label(node)] -= 1
        for i, (port, which) in enumerate(zip(node.ports, results_by_maker(graph, node, calls), strict=True)):
            role = label(node), behind[label(node)], which
            results[role], roles[node.key, i] = (node, port), role
    return Copy(
        tuple([label(node) for node in nodes]), results, tuple([roles[one] for one in results_of_group(graph, nodes)])
    )


def label(node: Node) -> str:
    """What a node does, in a word."""
    return node.op or node.kind


def results_by_maker(graph: Graph, node: Node, calls: Mapping[int, Sequence[Node]]) -> Iterator[tuple[object, ...]]:
    """Which each of the results of a node is: of a call of several operations, which has only those that something
    reads, the operation that made it; where that is not known, its place among so many.
    """
    members = calls.get(node.call, ()) if node.call is not None and is_call(node) else ()
    made = results_of_group(graph.detail, [*members]) if graph.detail is not None and members else []
    if len(made) == len(node.ports) and graph.detail is not None:
        places = {member.key: i for i, member in enumerate(members)}
        for key, number in made:
            yield graph.detail.nodes[key].op or "", len(members) - places[key], number
    elif node.inside > 1:
        yield from ((i, len(node.ports)) for i in range(len(node.ports)))
    else:
        yield from ((i,) for i in range(len(node.ports)))


def calls_in_detail(graph: Graph, copies: Sequence[Sequence[str]]) -> Mapping[int, Sequence[Node]]:
    """Number of a call in these copies that is several operations -> these, as torch ran them."""
    nodes = [node for keys in copies for key in keys if is_call(node := graph.nodes[key])]
    found: dict[int, list[Node]] = {node.call: [] for node in nodes if node.call is not None}
    for node in graph.detail.node_list if found and graph.detail is not None else ():
        if node.kind == "op" and node.call in found:
            found[node.call].append(node)
    return found


def is_call(node: Node) -> bool:
    """Whether a node is a call for which torch ran several operations."""
    return node.kind == "op" and node.inside > 1
