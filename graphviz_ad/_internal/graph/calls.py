"""Graph as torch ran it -> Graph as the user wrote it: the operations of one call as one node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from graphviz_ad._internal.graph.arguments import Arguments
from graphviz_ad._internal.graph.call_operands import Flows, chain_derivatives, flows_of, written_operands
from graphviz_ad._internal.graph.contraction import (
    Ports,
    contract,
    cut_of_group,
    is_convex,
    renumbered,
    results_of_group,
    shown_ports,
)
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.rank_messages import said_by
from graphviz_ad._internal.operations.traits import (
    GETITEM,
    PASSES_OF_THEIR_OWN,
    RECURRENT,
    SETITEM,
    SLICE,
    SLICES,
    TAKES_NUMBERS,
)

# what torch asks for itself
QUESTIONS = frozenset({"_nested_tensor_size", "_nested_tensor_strides", "_nested_tensor_storage_offsets"})
MOST_SAID = 3  # operations that a call without a name is called by
VIEWS_OF_VIEWS = 16  # as deep as a whole is looked for
WRITES_TO_A_VIEW = "CopySlices"


def merge_calls(graph: Graph) -> Graph:
    """Show each call of the user's program as one node, where torch ran several operations for it."""
    return with_calls_merged(graph)


def with_passes_opened(graph: Graph) -> Graph:
    """The graph with calls that run a backward pass of their own, as `torch.autograd.grad` does for a gradient penalty,
    as the operations that ran in them; the same one where there is none.
    """
    if graph.detail is None or not any(is_pass(node) and node.inside > 1 for node in graph.node_list):
        return graph
    opened = with_calls_merged(graph.detail, passes=False)
    return replace(graph, node_list=opened.node_list, edges=opened.edges)


def is_pass(node: Node) -> bool:
    """Whether a node is, or is part of, a call that runs a backward pass of its own."""
    return node.kind == "op" and node.call_op in PASSES_OF_THEIR_OWN


def is_read_into(graph: Graph, nodes: list[Node]) -> bool:
    """Whether a backward pass of its own reads what the operations of a call made on the way: as one box, the call
    would seem to return that, too.
    """
    inside = {node.key for node in nodes}
    *before, _ = results_of_group(graph, nodes)
    readers = [
        graph.nodes[edge.head]
        for key, port in before
        for edge in graph.out_edges(key)
        if edge.port == port and edge.head not in inside
    ]
    nameless = all(graph.nodes[key].name is None for key, _ in before)
    return bool(readers) and nameless and all(map(is_pass, readers)) and not any(map(is_pass, nodes))


def with_calls_merged(graph: Graph, *, passes: bool = True) -> Graph:
    """The same; ``passes``: those calls, too, that run a backward pass of their own."""
    whole = graph
    graph = with_names_of_what_is_written(with_numbers_as_written(without_questions(graph)))
    groups = calls_of(graph)
    position = {node.key: i for i, node in enumerate(graph.node_list)}
    for nodes in groups.values():
        nodes.sort(key=lambda node: position[node.key])
    closed = [nodes for nodes in groups.values() if passes or not any(map(is_pass, nodes))]
    parts = [part for nodes in closed for part in apart_from_messages(nodes)]
    merged = [
        nodes
        for nodes in parts
        if len(nodes) > 1 and is_convex(graph, nodes, position) and not is_read_into(graph, nodes)
    ]
    if not merged:
        return replace(graph if graph is whole else renumbered(graph), detail=whole)
    owner = {node.key: nodes[-1].key for nodes in merged for node in nodes}
    result = contract(graph, {nodes[-1].key: nodes for nodes in merged}, owner, partial(merged_call, flows_of(graph)))
    return replace(renumbered(result), detail=whole)


# --- what belongs to a call


def calls_of(graph: Graph) -> dict[int, list[Node]]:
    """The operations of each call, with the data that it made for itself."""
    groups: dict[int, list[Node]] = {}
    for node in graph.node_list:
        if node.call is not None and node.kind == "op":
            groups.setdefault(node.call, []).append(node)
    several = {call for call, nodes in groups.items() if len(nodes) > 1}
    for node in graph.node_list:
        call = own_call(graph, node, groups, several) if node.kind == "data" and not node.is_output else None
        if call is not None:
            groups[call].append(node)
    return groups


def apart_from_messages(nodes: list[Node]) -> list[list[Node]]:
    """The operations of a call in their order, parted where it communicates with other processes, unless that is all
    it does: each communication has its own other end.
    """
    talking = [node for node in nodes if node.messages]
    alone = len(talking) == 1 and len({node.call_op for node in nodes if node.kind == "op" or node.messages}) == 1
    if not talking or alone or is_function(nodes):
        return [nodes]
    parts: list[list[Node]] = [[]]
    for node in nodes:
        parts += [[node], []] if node.messages else []
        if not node.messages:
            parts[-1].append(node)
    return parts


def is_function(nodes: list[Node]) -> bool:
    """Whether this is a custom Function with what ran inside it."""
    return any(node.cut == "inner" for node in nodes)


def own_call(graph: Graph, node: Node, groups: dict[int, list[Node]], several: set[int]) -> int | None:
    """The call that made a piece of data for itself, such as zeros, or the 2 of a square root of a mean of squares;
    None for what the user gave.
    """
    readers = [graph.nodes[edge.head] for edge in graph.out_edges(node.key)]
    call = readers[0].call if readers else node.call
    if call not in groups or any(reader.call != call or reader.kind != "op" for reader in readers):
        return None
    if node.call == call:
        return call
    if is_plain_number(node):
        return call if call in several and not takes_numbers(readers[0]) else None
    return call if is_first_state(node, readers[0]) or is_stand_in(node, groups[call]) else None


def is_first_state(node: Node, layer: Node) -> bool:
    """Whether a recurrent layer made these zeros because it was given no state."""
    here = node.module == layer.module and node.source == layer.source and bool(node.module)
    return node.op == "zeros" and node.name is None and layer.call_op in RECURRENT and here


def is_stand_in(node: Node, members: list[Node]) -> bool:
    """Whether this is a tensor without elements that torch keeps for itself, in a call that computes on another
    device.
    """
    return (
        node.op is None
        and node.name is None
        and node.ports[0].device == "meta"
        and any(member.ports[0].device != "meta" for member in members)
    )


def takes_numbers(node: Node) -> bool:
    """Whether the user's call, which a node is part of, takes a number where a tensor could stand."""
    return (node.call_op or "").rstrip("_") in TAKES_NUMBERS


def is_plain_number(node: Node) -> bool:
    """Whether a node is a plain number, which never was on a device."""
    return (
        node.kind == "data"
        and node.op is None
        and node.name is None
        and node.ports[0].shape == ()
        and node.ports[0].device is None
    )


# --- one node for a call


def merged_call(
    flows: Flows, graph: Graph, members: list[Node], operands: list[Edge], ports: Ports
) -> tuple[Node, list[Edge]]:
    """One node for the operations of one call; ``flows``: see `flows_of`."""
    results = results_of_group(graph, members)
    main = graph.nodes[results[-1][0]]
    shown = shown_ports(graph, members)
    own = [graph.nodes[key].name for key, _ in results]  # what the call also computed may have a name that is not read
    named = own[0] if len(own) == 1 else None
    name = named or next((node.name for node in reversed(members) if node.name), None)
    if len(shown) > 1:  # each by its own name
        of_one = [graph.nodes[key].name if len(graph.nodes[key].ports) == 1 else None for key, _ in results]
        has_names = any(port.name for port in shown)
        shown = tuple([replace(port, name=port.name or own) for port, own in zip(shown, of_one, strict=True)])
        if not has_names or any(port.is_called(name or "") for port in shown):
            name = None if any(port.name for port in shown) else members[-1].name
    op, cut_off = name_of_call(members, main), cut_of_group(graph, members, main, shown)
    node = replace(
        main,
        op=op,
        name=name,
        ports=tuple(replace(port, name=port.name or (name if len(shown) == 1 else None)) for port in shown),
        autograd=autograd_of(members),
        requires_grad=any(member.requires_grad for member in members),
        cut=cut_off.cut,
        switched_off=cut_off.switched_off,
        arguments=place_of_call(graph, members, op),
        hooks=tuple(dict.fromkeys(hook for member in members for hook in member.hooks)),
        hook_effects=tuple(dict.fromkeys(effect for member in members for effect in member.hook_effects)),
        messages=said_by(members),
        raised=any(member.raised for member in members),
        call_op=op,
        inside=sum(member.kind == "op" for member in members),
        backward_order=min((m.backward_order for m in members if m.backward_order is not None), default=None),
        saved=tuple(dict.fromkeys(name for member in members for name in member.saved)),
        saved_bytes=bytes_of(members),
    )
    locals_ = chain_derivatives(graph, members, results) if len(results) == 1 else {}
    return node, written_operands(flows, graph, members, operands, op, locals_)


def name_of_call(members: list[Node], main: Node) -> str | None:
    """What the user called: as the operation that made the result says it, or one that knows better; where nobody
    knows, all that ran, since none of it alone is the call.
    """
    # runs as jacfwd(jacrev(f)): only what runs innermost can tell
    if any(member.call_op == "hessian" for member in members):
        return "hessian"
    sent = next((member.call_op for member in members if member.messages), None)
    return main.call_op or sent or all_that_ran(members, main)


def all_that_ran(members: list[Node], main: Node) -> str | None:
    """ "t→addmm"; of many the first and the last; without what takes no gradient, as checks of arguments, where the
    result is not of these.
    """
    lives = [member for member in members if member.requires_grad] if main.requires_grad else members
    names = list(dict.fromkeys(member.op for member in lives if member.kind == "op" and member.op is not None))
    return "→".join(names if len(names) <= MOST_SAID else [names[0], "…", names[-1]]) or None


def autograd_of(members: list[Node]) -> tuple[str, ...]:
    """The autograd nodes of a call: those that the backward pass came by, all of them where it came by none."""
    reached = [member for member in members if member.cut not in ("unreached", "inner")]
    return tuple(label for member in reached for label in member.autograd) or tuple(
        label for member in members for label in member.autograd
    )


def place_of_call(graph: Graph, members: list[Node], op: str | None) -> Arguments:
    """The arguments that are true of the call as a whole: which part it took or wrote to."""
    parts = [member for member in members if member.op in SLICES and not takes_all(graph, member)]
    others = [member for member in members if member.kind == "op" and member.op not in SLICES]
    return parts[0].arguments if len(parts) == 1 and (op == SETITEM or (op == GETITEM and not others)) else ()


def takes_all(graph: Graph, node: Node) -> bool:
    """Whether this is the ``:`` of ``x[:, 1]``, for which some versions of torch run an operation."""
    shapes = [graph.nodes[edge.tail].ports[edge.port].shape for edge in graph.in_edges(node.key)]
    return node.op == SLICE and len(shapes) == 1 and shapes[0] is not None and shapes[0] == node.ports[0].shape


def bytes_of(members: list[Node]) -> int | None:
    """What a call keeps for the backward pass; None where several operations do, since they may keep the same
    memory, or where nobody says what one of them keeps.
    """
    if any(member.keeps_unknown for member in members):
        return None
    found = [
        member.saved_bytes for member in members if member.saved_bytes or (member.saved_bytes is None and member.saved)
    ]
    return (
        found[0] if len(found) == 1 else None if found or all(member.saved_bytes is None for member in members) else 0
    )


# --- what is put right before calls are looked at


def without_questions(graph: Graph) -> Graph:
    """The graph without what torch asked for itself, such as the sizes of a nested tensor, where nobody reads the
    answer.
    """
    idle = {
        node.key
        for node in graph.node_list
        if node.op in QUESTIONS and not node.is_output and not graph.out_edges(node.key)
    }
    if not idle:
        return graph
    asked = {graph.nodes[key].call for key in idle}
    rest = [node for node in graph.node_list if node.key not in idle]
    alone = single_operations(rest, asked)
    return graph.with_parts(
        [named_by_call(node) if node.key in alone else node for node in rest],
        [edge for edge in graph.edges if edge.head not in idle],
    )


def with_numbers_as_written(graph: Graph) -> Graph:
    """The graph with the 5 of ``x[0] = 5`` as the number that it is, which torch makes a tensor of within the call."""
    numbers = {node.key: as_number(node) for node in graph.node_list if is_lifted_number(graph, node)}
    if not numbers:
        return graph
    alone = single_operations(graph.node_list, {graph.nodes[key].call for key in numbers})
    return graph.with_parts(
        [numbers.get(node.key) or (named_by_call(node) if node.key in alone else node) for node in graph.node_list],
        graph.edges,
    )


def single_operations(nodes: Iterable[Node], calls: set[int | None]) -> set[str]:
    """The operations that are the only one of their call, of these calls."""
    found: dict[int | None, list[str]] = {}
    for node in nodes:
        if node.kind == "op" and node.call in calls:
            found.setdefault(node.call, []).append(node.key)
    return {keys[0] for keys in found.values() if len(keys) == 1}


def named_by_call(node: Node) -> Node:
    """An operation by the name of the call that it turned out to be the whole of."""
    return replace(node, op=node.call_op or node.op)


def as_number(node: Node) -> Node:
    """A tensor that torch made of a number, as that number."""
    return replace(node, op=None, arguments=(), call=None, call_op=None, ports=(replace(node.ports[0], device=None),))


def is_lifted_number(graph: Graph, node: Node) -> bool:
    """Whether a node is the tensor that torch made of a number, for a call that takes numbers."""
    if (
        node.kind != "data"
        or node.call is None
        or node.ports[0].shape != ()
        or node.op not in ("tensor", None)
        or node.is_output
    ):
        return False
    readers = [graph.nodes[edge.head] for edge in graph.out_edges(node.key)]
    return bool(readers) and all(reader.call == node.call and takes_numbers(reader) for reader in readers)


def with_names_of_what_is_written(graph: Graph) -> Graph:
    """The graph with each result of a write through a view called as the whole that was written to: ``v.mul_(2)``
    makes a new y.
    """
    names: dict[str, str] = {}
    for node in graph.node_list:
        if WRITES_TO_A_VIEW not in node.autograd or len(node.ports) > 1:
            continue
        whole = written_whole(graph, node.key)
        name = None if whole is None else names.get(whole, graph.nodes[whole].name)
        if name is not None:
            names[node.key] = name
    if not names:
        return graph
    return graph.with_parts(
        [renamed_node(node, names[node.key]) if node.key in names else node for node in graph.node_list], graph.edges
    )


def written_whole(graph: Graph, key: str) -> str | None:
    """What a view is part of that an operation wrote to: the first of those that the view came from which autograd
    follows as well.
    """
    edges = graph.in_edges(key)
    followed = {edge.tail for edge in edges if edge.cut is None}
    for _ in range(VIEWS_OF_VIEWS):
        if not edges or edges[0].tail in followed:
            break
        edges = graph.in_edges(edges[0].tail)
    return edges[0].tail if edges and edges[0].tail in followed else None


def renamed_node(node: Node, name: str) -> Node:
    """A node of one result by another name."""
    port = node.ports[0]
    return replace(node, name=name, ports=(replace(port, name=name) if port.name else port,))
