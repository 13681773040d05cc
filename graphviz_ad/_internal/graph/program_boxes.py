"""Graph -> Graph of what the user wrote: the operations of one statement as a box, or those of one call of a function.

A statement that runs again is another box. Where a path would leave a box and come back, as through a function that is
called in the middle of a statement, it becomes several, so that the graph stays one without circles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.graph.call_operands import Flows, each_once, flows_of, in_formula_order
from graphviz_ad._internal.graph.calls import autograd_of, bytes_of
from graphviz_ad._internal.graph.contraction import Ports, contract, cut_of_group, results_of_group, shown_ports
from graphviz_ad._internal.graph.folding import common_path, is_name_of
from graphviz_ad._internal.graph.graph import COMPUTED, Edge, Graph, Node
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.rank_messages import said_by
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.statements import called_as, chain_of

Result = tuple[str, int]
Derivative = tuple[Snapshot | None, Snapshot | None]  # local, jacobian: see `Edge`
# the derivatives of the one result of some operations by each of their operands
Derive = Callable[[Graph, list[Node], Result], Mapping[Result, Derivative]]


def fold_lines(graph: Graph, derive: Derive, opened: Collection[str] = ()) -> Graph:
    """Each statement of the user's program as one box; not those that compute something of an ``opened`` name."""
    groups = statements_of_operations(graph)
    return saying_what_has_no_line(with_jacobians(folded(graph, "line", groups, derive, opened), derive))


def fold_calls(graph: Graph, derive: Derive, opened: Collection[str] = ()) -> Graph:
    """Each call of a function of the user's as one box, and each statement that calls them; not where something of
    an ``opened`` name is computed.
    """
    chains = {node.key: calls_of_node(graph, node) for node in graph.node_list if has_line(node)}
    shared = len(common_path([tuple(map(str, calls)) for calls in chains.values()]))
    in_calls = {key: calls[shared] for key, calls in chains.items() if len(calls) > shared}
    folded_calls = folded(graph, "call", in_calls, derive, opened)
    whole = folded(folded_calls, "line", statements_of_operations(folded_calls), derive, opened)
    whole = whole if whole is graph else replace(whole, finer=graph)
    return saying_what_has_no_line(with_jacobians(whole, derive))


MANY_LAYERS = 2


def statements_of_operations(graph: Graph) -> dict[str, int]:
    """Key of an operation -> the place of its statement; not of one that runs several layers, as ``model(x)`` does, in
    which nothing of these would be seen.
    """
    found = {
        node.key: node.statement
        for node in graph.node_list
        if node.kind == "op" and node.statement is not None and not node.is_step
    }
    layers: dict[int, set[tuple[str, ...]]] = {}
    for key, statement in found.items():
        if module := graph.nodes[key].module:
            layers.setdefault(statement, set()).add(module)
    return {key: statement for key, statement in found.items() if len(layers.get(statement, ())) < MANY_LAYERS}


def has_line(node: Node) -> bool:
    """Whether a node is something that a statement of the program computes."""
    return node.kind in COMPUTED and node.kind != "call" and node.statement is not None and not node.is_step


def calls_of_node(graph: Graph, node: Node) -> list[int]:
    """The calls of the user's functions that a node ran in, outermost first."""
    assert node.statement is not None
    calls = [graph.statements[place].call for place in chain_of(graph.statements, node.statement)]
    return list(dict.fromkeys(reversed(calls)))


def folded(graph: Graph, kind: str, groups: Mapping[str, int], derive: Derive, opened: Collection[str]) -> Graph:
    """The graph with boxes of a kind; ``groups``: key of a node -> what it is to be a part of."""
    parts = [part for part in convex_parts(graph, groups) if not is_opened(graph, part, opened)]
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    parts = [sorted(members, key=place.__getitem__) for part in parts if len(members := with_own_data(graph, part)) > 1]
    if not parts:
        return graph
    boxes = {members[-1]: [graph.nodes[key] for key in members] for members in parts}
    owner = {node.key: key for key, members in boxes.items() for node in members}
    build = partial(program_box, kind, groups, derive, flows_of(graph))
    return replace(contract(graph, boxes, owner, build), finer=graph)


def with_jacobians(graph: Graph, derive: Derive) -> Graph:
    """The graph with the derivatives of statements that are one operation, where this has none recorded."""
    edges = []
    for edge in graph.edges:
        node = graph.nodes[edge.head]
        if (
            edge.local is None
            and edge.jacobian is None
            and edge.cut is None
            and is_operation(node)
            and not node.ports[1:]
        ):
            local, jacobian = derive(graph, [node], (node.key, 0)).get((edge.tail, edge.port), (None, None))
            alone = sum((use.tail, use.port) == (edge.tail, edge.port) for use in graph.in_edges(node.key)) == 1
            edges.append(replace(edge, local=local, jacobian=jacobian) if alone else edge)
        else:
            edges.append(edge)
    return replace(graph, edges=tuple(edges))


def saying_what_has_no_line(graph: Graph) -> Graph:
    """The graph, which says of how many operations no line of the program is known."""
    count = sum(node.kind == "op" and node.statement is None for node in graph.node_list)
    return graph.saying(notice("no lines", count=count)) if count else graph


def is_opened(graph: Graph, part: Iterable[str], names: Collection[str]) -> bool:
    """Whether one of these names is that of something in a part."""
    nodes = [graph.nodes[key] for key in part] if names else []
    wanted = {name.removesuffix("()") for name in names}
    return any(any(is_name_of(name, called_around(graph, node)) for name in wanted) for node in nodes)


def called_around(graph: Graph, node: Node) -> set[str]:
    """What a node, its results, and the modules and functions of the program that it ran in, are called."""
    places = chain_of(graph.statements, node.statement) if node.statement is not None else ()
    functions = [called_as(graph.statements[place].function) for place in places]
    variables = [each for port in node.ports for each in (port.name, *port.also)]
    return {name for name in (node.name, *variables, *node.module, *functions) if name}


def names_of_program(graph: Graph, asked: Collection[str]) -> None:
    """Refuse names that are none of a variable, a module or a function of the program."""
    known = {name for node in graph.node_list for name in called_around(graph, node)} if asked else set()
    for name in asked:
        if not is_name_of(name.removesuffix("()"), known):
            raise UnknownNameError("variable, module or function", name, known, "No call has a number here.")


# --- what goes together


@dataclass(slots=True)
class Part:
    """Nodes that become one; ``reads`` are other parts that it depends on, ``first`` and ``last`` the places of its
    nodes in the graph.
    """

    first: int
    last: int
    keys: list[str] = field(default_factory=list)
    reads: dict[int, None] = field(default_factory=dict)


def convex_parts(graph: Graph, groups: Mapping[str, int]) -> list[list[str]]:
    """The groups as keys in order; one that a path leaves and comes back to in as many pieces as it takes."""
    parts: list[Part] = []
    home: dict[str, int] = {}  # key -> its part
    current: dict[int, int] = {}
    for place, node in enumerate(graph.node_list):
        read = dict.fromkeys(home[edge.tail] for edge in graph.in_edges(node.key))
        group = groups.get(node.key)
        mine = current.get(group) if group is not None else None
        if mine is None or any(depends_on_part(parts, other, mine) for other in read if other != mine):
            mine = len(parts)
            parts.append(Part(place, place))
            if group is not None:
                current[group] = mine
        part = parts[mine]
        part.last = place
        part.keys.append(node.key)
        part.reads.update((other, None) for other in read if other != mine)
        home[node.key] = mine
    return [part.keys for part in parts if part.keys[0] in groups]


def depends_on_part(parts: list[Part], start: int, wanted: int) -> bool:
    """Whether one part depends on another, by whatever way."""
    waiting, seen = [start], {start}
    while waiting:
        here = waiting.pop()
        if here == wanted:
            return True
        if parts[here].last > parts[wanted].first:  # what was over before it began knows nothing of it
            new = [other for other in parts[here].reads if other not in seen]
            seen.update(new)
            waiting += new
    return False


def with_own_data(graph: Graph, keys: Iterable[str]) -> Collection[str]:
    """The nodes, with the numbers and other data without a name that these statements made for
    themselves.
    """
    members = {key: graph.nodes[key] for key in keys}
    statements = {node.statement for node in members.values()}
    for node in list(members.values()):
        for edge in graph.in_edges(node.key):
            tail = graph.nodes[edge.tail]
            own = tail.kind == "data" and tail.name is None and tail.statement in statements and not tail.is_output
            if own and all(use.head in members for use in graph.out_edges(tail.key)):
                members.setdefault(tail.key, tail)
    return members


# --- one box


def program_box(
    kind: str,
    groups: Mapping[str, int],
    derive: Derive,
    flows: Flows,
    graph: Graph,
    members: list[Node],
    operands: list[Edge],
    ports: Ports,
) -> tuple[Node, list[Edge]]:
    """One node for the operations of a statement or of a call."""
    computed = [member for member in members if member.kind in COMPUTED]
    results = results_of_group(graph, members)
    main = graph.nodes[results[-1][0]]
    shown = tuple(
        replace(port, name=port.name or (graph.nodes[key].name if len(results) > 1 else None))
        for (key, _), port in zip(results, shown_ports(graph, members), strict=True)
    )
    cut_off = cut_of_group(graph, members, main, shown)
    statement, op = place_in_program(graph, kind, computed[-1], groups[computed[-1].key])
    node = Node(
        main.key,
        kind,
        op=op,
        name=main.name if len(results) == 1 else None,
        ports=shown,
        autograd=autograd_of(computed),
        requires_grad=any(member.requires_grad for member in members),
        cut=cut_off.cut,
        switched_off=cut_off.switched_off,
        module=common_path([member.module for member in computed]),
        source=graph.statements[statement].source if statement is not None else main.source,
        saved=tuple(dict.fromkeys(name for member in members for name in member.saved)),
        saved_bytes=bytes_of(members),
        backward_order=min((m.backward_order for m in members if m.backward_order is not None), default=None),
        inside=sum(max(member.inside, 1) for member in computed),
        hooks=tuple(dict.fromkeys(hook for member in members for hook in member.hooks)),
        hook_effects=tuple(dict.fromkeys(effect for member in members for effect in member.hook_effects)),
        messages=said_by(members),
        raised=any(member.raised for member in members),
        statement=statement,
        members=tuple(member.key for member in members),
    )
    found = derive(graph, members, results[0]) if len(results) == 1 else {}
    return node, box_operands(flows, graph, members, operands, found)


def place_in_program(graph: Graph, kind: str, last: Node, number: int) -> tuple[int | None, str | None]:
    """The statement that a box stands for, or that made the call, and what is called there."""
    if kind == "line" or last.statement is None:
        return last.statement, None
    called = next(
        one for place in chain_of(graph.statements, last.statement) if (one := graph.statements[place]).call == number
    )
    return called.caller, called_as(called.function)


def box_operands(
    flows: Flows, graph: Graph, members: list[Node], operands: list[Edge], found: Mapping[Result, Derivative]
) -> list[Edge]:
    """What a box reads, each once, in the order in which it comes up in the formula."""
    edges = [edge for edge in in_formula_order(graph, members, operands, None) if edge.cut != "inner"]
    result = []
    for slot, edge in enumerate(each_once(flows, graph, edges)):
        local, jacobian = found.get((edge.tail, edge.port), (None, None)) if edge.cut is None else (None, None)
        result.append(replace(edge, slot=slot, local=local, jacobian=jacobian))
    return result


# --- looking into a box


def result_inside(graph: Graph, key: str, port: int) -> Result:
    """The node and port, in the finer graph, that a result of a node is."""
    finer, members = graph.finer, graph.nodes[key].members
    if finer is None or not members:
        return key, port
    return results_of_group(finer, [finer.nodes[member] for member in members])[port]


def whole_statements(graph: Graph) -> set[str]:
    """The keys of those lines that are all that their statements compute themselves, rather than pieces of them."""
    finer = graph.finer
    if finer is None:
        return set()
    lines = [node for node in graph.node_list if node.kind == "line"]
    counts = Counter(node.statement for node in finer.node_list if is_operation(node))
    own = {node.key: sum(is_operation(finer.nodes[key]) for key in node.members) for node in lines}
    return {node.key for node in lines if own[node.key] == counts[node.statement]}


def is_operation(node: Node) -> bool:
    """Whether a node is a single operation of a statement."""
    return node.kind == "op" and node.statement is not None
