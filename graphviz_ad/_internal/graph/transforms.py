"""Graph -> Graph: what is shown of a graph, decided before anything is drawn.

`merge_calls` is applied to every traced graph; what it hides is in ``graph.detail``. The others are for
``plot(transforms=…)`` and the ``depth=`` option.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from graphviz_ad._internal.graph import notices
from graphviz_ad._internal.graph.calls import merge_calls
from graphviz_ad._internal.graph.fold_boxes import fold_to_boxes, fold_to_size
from graphviz_ad._internal.graph.folding import collapse_modules, fold_blocks
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.pattern_transforms import (
    drop_views,
    fold,
    fold_duplicates,
    hide_data,
    keep_paths,
    only_module,
    prune,
    prune_branch,
    rename,
)
from graphviz_ad._internal.graph.statements import called_as
from graphviz_ad._internal.graph.subgraphs import keep_only

__all__ = [
    "Transform",
    "collapse_modules",
    "drop_views",
    "fold",
    "fold_blocks",
    "fold_duplicates",
    "fold_to_boxes",
    "fold_to_size",
    "hide_constants",
    "hide_data",
    "hide_unused",
    "keep_only",
    "keep_paths",
    "merge_calls",
    "only_module",
    "prune",
    "prune_branch",
    "rename",
]

Transform = Callable[[Graph], Graph]


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


def hide_all_but(
    graph: Graph, ends: Collection[str], *, steps: bool = False, most_steps: int | None = MOST_STEPS
) -> Graph:
    """The same; ``ends`` are the keys of nodes that are outputs elsewhere, and kept with all that leads to them. Steps
    are kept where they are no more than ``most_steps``.
    """
    needed: set[str] = set()
    stack = [node.key for node in graph.outputs]
    if not stack:  # nothing came out, for the program raised: everything is of interest
        return graph
    stack += [node.key for node in graph.node_list if node.key in ends or any(p.begins for p in node.ports)]
    stack += [node.key for node in graph.node_list if node.raised]  # one rank of several, or a backward pass
    updates = [node.key for node in graph.node_list if node.is_step] if steps else []
    stack += updates if most_steps is None or len(updates) <= most_steps else []
    while stack:
        key = stack.pop()
        if key not in needed:
            needed.add(key)
            stack.extend(edge.tail for edge in graph.in_edges(key))
    leaves = [node for node in graph.node_list if node.kind == "leaf"]
    shown = {node.name for node in leaves if node.key in needed}
    needed |= {node.key for node in leaves if node.name is None or node.name not in shown}  # of earlier values, none
    hidden = [node for node in graph.node_list if node.key not in needed]
    if not hidden:
        return graph
    unused = [node for node in hidden if node.kind == "op"]
    names = [node.name or node.op or node.key for node in unused]
    gradless = not any(node.requires_grad for node in unused)
    said = notices.notice("unused", names, functions=functions_of(graph, unused), gradless=gradless) if names else ""
    return keep_only(graph, needed, said)


def functions_of(graph: Graph, nodes: Iterable[Node]) -> tuple[tuple[str, str, int], ...]:
    """The functions of the program that these operations stand in, in order: the name of each, the first line of these
    operations in it, and how many there are; nothing of those whose place is not known.
    """
    lines: dict[str, list[str]] = {}
    for node in nodes:
        if node.statement is not None and node.source is not None:
            lines.setdefault(called_as(graph.statements[node.statement].function), []).append(node.source)
    return tuple((function, each[0], len(each)) for function, each in lines.items())
