"""The nodes of a layer -> what kind of layer it is, in numbers: what goes in and comes out, the size of its kernel."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from graphviz_ad._internal.graph.arguments import Argument, Arguments
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.layers import GROUPED, GROUPS, KERNEL, ROWS_OF_GROUPS, STRIDE, WEIGHT_AXES


def only_operation(members: Iterable[Node]) -> Node | None:
    """The one operation that takes a gradient, where there is one."""
    found = [node for node in members if node.kind == "op" and node.requires_grad]
    return found[0] if len(found) == 1 else None


def layer_facts(graph: Graph, members: Iterable[Node]) -> Arguments:
    """What a layer is made for, by its weight; nothing where that is not all that it computes with one."""
    node = only_operation(members)
    axes = WEIGHT_AXES.get(node.op or "") if node is not None else None
    shape = weight_shape(graph, node) if node is not None else None
    if node is None or axes is None or shape is None or len(shape) < len(axes):
        return ()
    given = dict(node.arguments)
    sizes: dict[str, Argument] = dict(zip(axes, shape, strict=False))
    groups = given.get(GROUPS)
    if len(axes) > 1 and isinstance(groups, int):
        sizes[axes[1]] = shape[1] * groups
    kernel = tuple(shape[len(axes) :])
    facts = [*sizes.items(), *([(KERNEL, kernel)] if kernel else [])]
    return (*facts, *([(STRIDE, given[STRIDE])] if kernel and STRIDE in given else []))


def groups_of_rows(graph: Graph, members: Iterable[Node]) -> Arguments:
    """How many rows are multiplied by each of several matrices; nothing where that is not known, or not all do so
    alike.
    """
    found = {rows_of_each(graph, node) for node in members if node.op in GROUPED}
    (rows,) = found if len(found) == 1 else (None,)
    return ((ROWS_OF_GROUPS, rows),) if rows is not None else ()


def rows_of_each(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """The same of one operation."""
    given = {edge.slot: graph.nodes[edge.tail].ports[edge.port] for edge in graph.in_edges(node.key)}
    rows, matrices, ends = (given.get(slot) for slot in GROUPED[node.op or ""])
    if rows is None or matrices is None or ends is None or ends.value is None or ends.value.array is None:
        return None
    last = ends.value.array.ravel().tolist()
    found = tuple([end - start for start, end in pairwise([0, *last])])
    dimensions = len(rows.shape or ()), len(matrices.shape or ())
    fits = dimensions == (2, 3) and ends.shape == (matrices.shape or ())[:1] and sum(found) == (rows.shape or (0,))[0]
    return found if fits and all(isinstance(count, int) and count >= 0 for count in found) else None


def weight_shape(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """The shape of the first of its operands that is a parameter."""
    for edge in graph.in_edges(node.key):
        tail = graph.nodes[edge.tail]
        if tail.kind == "leaf" and (tail.name is None or "." in tail.name):
            return tail.ports[0].shape
    return None
