"""Patterns and names -> transforms: parts of a graph folded, left out, renamed; numbers stay what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated

from graphviz_ad._internal.base.argument_types import Says
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.graph.anomalies import norms_of
from graphviz_ad._internal.graph.contraction import Ports, contract, renumbered
from graphviz_ad._internal.graph.folding import folded_module, sources_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.pattern_matching import COMPUTING, matches
from graphviz_ad._internal.graph.patterns import parsed
from graphviz_ad._internal.graph.repeats import Copies
from graphviz_ad._internal.graph.subgraphs import keep_only
from graphviz_ad._internal.operations.traits import NEVER_SEEN, REORDERED, VIEWS_IN_ORDER

Change = Callable[[Graph], Graph]
PatternText = Annotated[str, Says('operations or modules, such as "Conv > BatchNorm > Relu"', "pattern")]
Name = Annotated[str, Says("of a result, parameter or module", "name")]


def fold(pattern: PatternText, name: Annotated[str, Says("what stands on each box", "name")]) -> Change:
    """Each place where a pattern is found as one box of that name: ``fold("Conv > BatchNorm > Relu", "ConvBnRelu")``.

    In a pattern, ``>`` is one after the other, ``(A > B) | C`` are branches that lead to what comes next, ``A / B``
    alternatives; ``?``, ``+`` and ``*`` say how often, ``.`` is anything. What is within a match is read by nothing
    else. Case, underscores and 2d do not matter.
    """
    asked = parsed(pattern)
    return lambda graph: as_boxes(graph, matches(graph, asked), lambda node, members: replace(node, op=name))


def prune(pattern: PatternText) -> Change:
    """Without the nodes that a pattern is found at; what reads them says that an operand is left out."""
    asked = parsed(pattern)
    return lambda graph: without(graph, {node.key for found in matches(graph, asked) for node in found})


def prune_branch(pattern: PatternText) -> Change:
    """The same, without all that leads only there, too."""
    asked = parsed(pattern)

    def change(graph: Graph) -> Graph:
        left_out = {node.key for found in matches(graph, asked) for node in found}
        for node in reversed(graph.node_list):
            uses = graph.out_edges(node.key)
            if uses and not node.is_output and all(edge.head in left_out for edge in uses):
                left_out.add(node.key)
        return without(graph, left_out)

    return change


def fold_duplicates(graph: Graph) -> Graph:
    """Operations and boxes that are called alike, each read by the next alone, as one box that says how often."""
    runs: dict[str, list[Node]] = {}  # by the key of the last so far
    for node in graph.node_list:
        if node.kind not in COMPUTING:
            continue
        tails = [tail for edge in graph.in_edges(node.key) if (tail := graph.nodes[edge.tail]).kind in COMPUTING]
        before = tails[0] if len({tail.key for tail in tails}) == 1 else None
        alike = before is not None and before.key in runs and is_alike(before, node) and not before.is_output
        if before is not None and alike and len({edge.head for edge in graph.out_edges(before.key)}) == 1:
            runs[node.key] = [*runs.pop(before.key), node]
        else:
            runs[node.key] = [node]
    several = [run for run in runs.values() if len(run) > 1]
    return as_boxes(graph, several, lambda node, members: with_copies(graph, node, members))


def is_alike(one: Node, other: Node) -> bool:
    """Whether two nodes are the same operation, or boxes of the same class."""
    if one.kind == "module" and one.call_op is not None:
        return one.call_op == other.call_op
    return one.op == other.op and one.kind == other.kind


def with_copies(graph: Graph, box: Node, members: list[Node]) -> Node:
    """A box that says how often what is in it ran."""
    each = [node for node in members if node.kind in COMPUTING]
    norms = tuple(norms_of(graph, [[node.key] for node in each])[1])
    names = [str(i + 1) for i in range(len(each))]
    known = [(norm, names[i]) for i, norm in enumerate(norms) if norm is not None]
    least, most = (min(known)[1], max(known)[1]) if known else (None, None)
    copies = Copies(len(each), norms, names[0], names[-1], least, most)
    first, last = each[0], each[-1]
    title = first.op if first.op == last.op else f"{first.op} … {last.op}"
    return replace(box, op=title, call_op=first.call_op if first.kind == "module" else None, copies=copies)


def rename(
    pattern: Annotated[str, Says("a regular expression that a name holds", "regular expression")],
    to: Annotated[str, Says(r"what stands in place of it; \1 is its first group", "text")],
) -> Change:
    """Names of results, parameters, modules and boxes with what a regular expression finds replaced. Operations stay
    what they are called, since formulas come of that.
    """
    try:
        expression = re.compile(pattern)
        expression.sub(to, "")
    except (re.error, IndexError) as error:
        raise OptionError(f"pattern={pattern!r}, to={to!r} cannot be: {error}; give a regular expression") from error

    def new(name: str) -> str:
        return expression.sub(to, name)

    def change(graph: Graph) -> Graph:
        nodes = [renamed(node, new) for node in graph.node_list]
        classes = tuple([(new(name), what) for name, what in graph.module_classes])
        return replace(graph.with_parts(nodes, graph.edges), module_classes=classes)

    return change


def renamed(node: Node, new: Callable[[str], str]) -> Node:
    """A node by its new names."""

    def of_port(port: Port) -> Port:
        return replace(port, name=port.name and new(port.name), also=tuple([new(name) for name in port.also]))

    return replace(
        node,
        name=node.name and new(node.name),
        op=new(node.op) if node.kind == "module" and node.op else node.op,
        ports=tuple([of_port(port) for port in node.ports]),
        module=tuple([new(name) for name in node.module]),
    )


# --- parts of a graph


def keep_paths(start: Name, end: Name) -> Change:
    """Only what is on a way from one result to another."""

    def change(graph: Graph) -> Graph:
        after = reached(graph, graph.find(start).key, forward=True)
        before = reached(graph, graph.find(end).key, forward=False)
        keys = {node.key for node in graph.node_list if node.key in after and node.key in before}
        if not keys:
            raise OptionError(
                f"there is no way from {start!r} to {end!r}; give two names of which one leads to the other"
            )
        return without(graph, {node.key for node in graph.node_list if node.key not in keys})

    return change


def reached(graph: Graph, key: str, *, forward: bool) -> set[str]:
    """A node, and all that it leads to, or that leads to it."""
    found, waiting = {key}, [key]
    while waiting:
        here = waiting.pop()
        edges = graph.out_edges(here) if forward else graph.in_edges(here)
        for other in (edge.head if forward else edge.tail for edge in edges):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def only_module(name: Annotated[str, Says("of a module, as the program knows it", "name of a module")]) -> Change:
    """Only what runs in a module, with what it reads."""

    def change(graph: Graph) -> Graph:
        inside = {
            node.key for node in graph.node_list if name in node.module or (node.kind == "module" and node.op == name)
        }
        if not inside:
            known = {module for node in graph.node_list for module in node.module}
            raise UnknownNameError("module", name, known)
        read = {edge.tail for edge in graph.edges if edge.head in inside}
        return without(graph, {node.key for node in graph.node_list if node.key not in inside | read})

    return change


def hide_data(graph: Graph) -> Graph:
    """Without what takes no gradient: inputs, labels, masks, and all that is computed of them alone."""
    hidden = {node.key for node in graph.node_list if not node.requires_grad and not node.is_output}
    return without(graph, hidden) if len(hidden) < len(graph.node_list) else graph


def drop_views(graph: Graph) -> Graph:
    """Without operations that give the same elements in another shape or order, where one operation reads them: each
    joins what made them in one box.
    """
    views = VIEWS_IN_ORDER | REORDERED | {NEVER_SEEN}
    groups: dict[str, list[Node]] = {}
    home: dict[str, str] = {}
    for node in graph.node_list:
        edges = graph.in_edges(node.key)
        if node.kind != "op" or node.op not in views or len(edges) != 1:
            continue
        tail = graph.nodes[edges[0].tail]
        alone = len(tail.ports) == 1 and not tail.is_output and len(graph.out_edges(tail.key)) == 1
        if tail.kind not in COMPUTING or not alone:
            continue
        first = home.get(tail.key, tail.key)
        groups.setdefault(first, [graph.nodes[first]]).append(node)
        home[node.key] = first
    return as_boxes(graph, groups.values(), lambda node, members: replace(node, op=name_of_maker(members)))


def name_of_maker(members: list[Node]) -> str | None:
    """What the first operation among these is called."""
    return next(node for node in members if node.kind in COMPUTING).op


def without(graph: Graph, hidden: Iterable[str]) -> Graph:
    """The graph without some nodes; what read them says so."""
    gone = {*hidden}
    if not gone:
        return graph
    kept = keep_only(graph, [node.key for node in graph.node_list if node.key not in gone])
    return kept.saying(notice("left out", count=len(gone)))


def as_boxes(graph: Graph, found: Iterable[list[Node]], finish: Callable[[Node, list[Node]], Node]) -> Graph:
    """The graph with each of these groups as one box, their own parameters inside it."""
    groups = {run[-1].key: [*sources_of(graph, run, {node.key for node in run}), *run] for run in found}
    if not groups:
        return graph
    owner = {node.key: key for key, nodes in groups.items() for node in nodes}

    def build(whole: Graph, members: list[Node], operands: list[Edge], ports: Ports) -> tuple[Node, list[Edge]]:
        node, edges = folded_module(whole, members, operands, ports)
        return finish(replace(node, call_op=None, arguments=()), members), edges

    result = contract(graph, groups, owner, build)
    hidden = sum(len(nodes) for nodes in groups.values()) - len(groups)
    names = [result.nodes[key].op or key for key in groups]
    return renumbered(result).saying(notice("parts folded", names, inside=hidden))
