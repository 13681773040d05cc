"""Graph -> Graph with the parameters that no operation read as leaves of their modules, so that they are seen."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import unread_parameters

MOST_DRAWN = 12  # of more, a sentence says their names


def with_unread_parameters(graph: Graph) -> Graph:
    """The graph with these leaves first; the same one where there are none, or too many to be drawn."""
    known = {node.name for node in graph.node_list}
    shown = [name for name in unread_parameters([note for note in graph.notes if note.shown]) if name not in known]
    if not 0 < len(shown) <= MOST_DRAWN:
        return graph
    paths = {node.module[i]: node.module[: i + 1] for node in graph.node_list for i in range(len(node.module))}
    made = [
        Node(f"unread{i}", "leaf", name=name, requires_grad=True, cut="unreached", module=module_of(name, paths))
        for i, name in enumerate(shown)
    ]
    return replace(graph, node_list=(*made, *graph.node_list))


def module_of(name: str, paths: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The modules that a parameter is in, of those that ran, outermost first."""
    around = name.rpartition(".")[0]
    while around and around not in paths:
        around = around.rpartition(".")[0]
    return paths.get(around, ())


def is_unread(graph: Graph, node: Node) -> bool:
    """Whether a node is a parameter that no operation read, or a box of such."""
    alone = not graph.out_edges(node.key) and not graph.in_edges(node.key)
    return node.kind in ("leaf", "module") and node.cut == "unreached" and alone
