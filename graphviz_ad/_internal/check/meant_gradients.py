"""Graph -> which leaves have a gradient that is not meant to be the derivative of what was computed, and why not; and
which custom Functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from graphviz_ad._internal.check.verdicts import MEANT
from graphviz_ad._internal.graph.cuts import INNER, SHAPE_ONLY
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.operations.traits import (
    DRAWS,
    GRADIENT_BY_SETTINGS,
    STRAIGHT_THROUGH,
)
from graphviz_ad._internal.scene.words.signs import CUT_MARKS


def before_a_cut(graph: Graph) -> set[str]:
    """The nodes that lead to a detach or its like: there the function knows more than its gradient."""
    return before(graph, lambda edge: edge.cut in CUT_MARKS)


def hidden_leaves(graph: Graph) -> dict[str, str]:
    """Leaf -> why differences may say something else than its gradient: "" where a cut hides a part of the function,
    also one within a call, such as that of a hard choice; MEANT where an operation has a gradient of its own.
    """
    fine = graph.detail or graph
    leaves, same = ([node for node in each.node_list if node.kind == "leaf"] for each in (graph, fine))
    if [leaf.name for leaf in leaves] != [leaf.name for leaf in same]:
        return dict.fromkeys(before_a_cut(graph), "")
    within = before(fine, lambda edge: edge.cut in CUT_MARKS and edge.cut != SHAPE_ONLY)
    meant = before(fine, lambda edge: has_a_gradient_of_its_own(fine.nodes[edge.head]))
    shown = {one.key: leaf.key for leaf, one in zip(leaves, same, strict=True)}
    cut = before_a_cut(graph).union(leaf for key, leaf in shown.items() if key in within)
    return dict.fromkeys(cut, "") | {leaf: MEANT for key, leaf in shown.items() if key in meant}


def before(graph: Graph, is_cut: Callable[[Edge], bool]) -> set[str]:
    """The nodes from which a way leads over an edge of some kind."""
    found: set[str] = set()
    for node in reversed(graph.node_list):
        if any(is_cut(edge) or edge.head in found for edge in graph.out_edges(node.key)):
            found.add(node.key)
    return found


def has_a_gradient_of_its_own(node: Node) -> bool:
    """Whether the backward of an operation is not its derivative, on purpose."""
    if node.op in DRAWS or node.op in STRAIGHT_THROUGH:
        return True
    given: Mapping[str, object] = dict(node.arguments)
    meaning = GRADIENT_BY_SETTINGS.get(node.op or "", {})
    return any(name in given and given[name] not in usual for name, usual in meaning.items())


def functions_that_draw(graph: Graph) -> set[str]:
    """The custom Functions within which numbers are drawn from a distribution that depends on what they are given: as
    of a Dirichlet distribution, their gradients are those of the distribution, not of the draw.
    """
    fine = graph.detail or graph
    found: set[str] = set()
    stack = [node.key for node in fine.node_list if node.op in DRAWS and node.cut == INNER]
    while stack:
        for edge in fine.out_edges(stack.pop()):
            head = fine.nodes[edge.head]
            if edge.cut == INNER and head.cut == INNER:
                stack.append(head.key)
            elif edge.cut == INNER and head.op:
                found.add(head.op)
    return found
