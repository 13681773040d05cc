"""Graph -> Graph: what is shown of a graph, decided before anything is drawn.

`merge_calls` is applied to every traced graph; what it hides is in ``graph.detail``. The others are for
``plot(transforms=…)`` and the ``depth=`` option.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Set
from dataclasses import replace

from graphviz_ad._internal.graph import notices
from graphviz_ad._internal.graph.arguments import LEFT_OUT, Argument, hidden_operand
from graphviz_ad._internal.graph.calls import merge_calls
from graphviz_ad._internal.graph.fold_boxes import fold_to_boxes, fold_to_size
from graphviz_ad._internal.graph.folding import collapse_modules, fold_blocks
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import Notice

__all__ = [
    "Transform",
    "collapse_modules",
    "fold_blocks",
    "fold_to_boxes",
    "fold_to_size",
    "hide_constants",
    "hide_unused",
    "keep_only",
    "merge_calls",
]

Transform = Callable[[Graph], Graph]


def keep_only(graph: Graph, wanted: Iterable[str], notice: str | Notice = "") -> Graph:
    """The subgraph of the wanted nodes, where each operation knows which operands it has lost; ``notice`` is what
    readers will miss.
    """
    keys = set(wanted)
    nodes = [with_lost_operands(graph, node, keys) for node in graph.node_list if node.key in keys]
    edges = [edge for edge in graph.edges if edge.tail in keys and edge.head in keys]
    return graph.with_parts(nodes, edges, (notice,) if notice else ())


def with_lost_operands(graph: Graph, node: Node, keys: Set[str]) -> Node:
    """The node with the numbers that it reads and that are not among the keys as arguments, and a mark for other
    operands that are not.
    """
    lost = tuple(
        [
            (hidden_operand(edge.slot), number_of(graph.nodes[edge.tail]))
            for edge in graph.in_edges(node.key)
            if edge.tail not in keys
        ]
    )
    return replace(node, arguments=(*node.arguments, *lost)) if lost else node


def number_of(node: Node) -> Argument:
    """The number that a node is; a mark where it is none."""
    value = node.value
    known = node.kind == "data" and node.op is None and value is not None and value.shape == () and value.known
    return value.item() if known and value is not None else LEFT_OUT


def hide_constants(graph: Graph) -> Graph:
    """Without the numbers that are written in the program."""
    constants = {node.key for node in graph.node_list if node.kind == "data" and node.op is None and node.name is None}
    return keep_only(graph, (node.key for node in graph.node_list if node.key not in constants))


MOST_STEPS = 12  # that a picture has room for


def hide_unused(graph: Graph, *, steps: bool = False) -> Graph:
    """Without what leads to no output, such as the condition of an ``if``; says how much that was.

    ``steps`` keeps what an optimizer made of the leaves, where these are few.
    """
    return hide_all_but(graph, (), steps=steps)


def hide_all_but(graph: Graph, ends: Collection[str], *, steps: bool = False) -> Graph:
    """The same; ``ends`` are the keys of nodes that are outputs elsewhere, and kept with all that leads to them."""
    needed: set[str] = set()
    stack = [node.key for node in graph.outputs]
    if not stack:  # nothing came out, for the program raised: everything is of interest
        return graph
    stack += [node.key for node in graph.node_list if node.key in ends]
    stack += [node.key for node in graph.node_list if node.raised]  # one rank of several, or a backward pass
    updates = [node.key for node in graph.node_list if node.is_step] if steps else []
    stack += updates if len(updates) <= MOST_STEPS else []
    while stack:
        key = stack.pop()
        if key not in needed:
            needed.add(key)
            stack.extend(edge.tail for edge in graph.in_edges(key))
    needed |= {node.key for node in graph.node_list if node.kind == "leaf"}
    hidden = [node for node in graph.node_list if node.key not in needed]
    if not hidden:
        return graph
    names = [node.name or node.op or node.key for node in hidden if node.kind == "op"]
    return keep_only(graph, needed, notices.notice("unused", names) if names else "")
