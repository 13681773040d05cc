"""Diagnosis -> the part of its graph around the findings, and the lines that go into the boxes there."""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.diagnosis.findings import NOTE, Diagnosis, Finding
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.pass_keys import with_shared_keys
from graphviz_ad._internal.graph.transforms import keep_only
from graphviz_ad._internal.scene.annotations import is_write

MOST_SHOWN = 40  # nodes of a graph that is shown as a whole
MOST_MARKED = 3  # findings, where the graph is large
REACH = 3  # edges from a finding, to each side


def around_findings(diagnosis: Diagnosis) -> Graph:
    """The graph, or what of a large one lies around the first findings, with what a picture of it is to say."""
    keys = [one.key for one in marked(diagnosis)]
    graph = pass_of(diagnosis.graph, keys[0]) if keys else diagnosis.graph
    keys = [key for key in keys if key in graph.nodes]
    if len(graph.node_list) <= MOST_SHOWN or not keys:
        return graph
    near = {key for key in keys if key is not None}
    for _ in range(REACH):
        edges = [(edge.tail, edge.head) for key in near for edge in (*graph.in_edges(key), *graph.out_edges(key))]
        near |= {end for pair in edges for end in pair if is_of_a_pass(graph.nodes[end])}
        if len(near) > 2 * MOST_SHOWN:
            break
    return keep_only(graph, near)


def pass_of(graph: Graph, key: str | None) -> Graph:
    """The graph with the gradients of the first pass that came by a node; of the last, where none did."""
    passes = (done for done in with_shared_keys(graph).passes if key in done.nodes and done.has_gradients)
    return next((done for done in passes if any(port.grad is not None for port in done.nodes[key or ""].ports)), graph)


def is_of_a_pass(node: Node) -> bool:
    """Whether a node is no filling of a parameter and no step, which are not what a finding is about."""
    return not node.is_step and not (is_write(node) and node.cut == "no_grad")


def marked(diagnosis: Diagnosis) -> Sequence[Finding]:
    """The findings that have a place on a picture; of a large graph the heaviest."""
    placed = [one for one in diagnosis.findings if one.key is not None]
    heavy = [one for one in placed if one.severity != NOTE] or placed
    return heavy[:MOST_MARKED] if len(diagnosis.graph.node_list) > MOST_SHOWN else placed


def remarks(diagnosis: Diagnosis) -> dict[str, list[str]]:
    """Node -> what its box says: the numbers and kinds of the findings there."""
    found: dict[str, list[str]] = {}
    for number, one in enumerate(diagnosis.findings, 1):
        if one in marked(diagnosis) and one.key is not None:
            found.setdefault(one.key, []).append(f"⚠ {number} {one.kind}{f', {one.source}' if one.source else ''}")
    return found
