"""Graph + a level of detail -> the Graph that shows as much: operations, lines of the program, calls of its functions,
or modules.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.graph.fold_boxes import folds_of
from graphviz_ad._internal.graph.folding import collapse_modules_but, is_name_of
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.open_copies import with_calls_numbered
from graphviz_ad._internal.graph.program_boxes import Derivative, Derive, Result, fold_calls, fold_lines
from graphviz_ad._internal.maths.box_derivatives import derivatives_of_box

OPERATIONS, LINES, CALLS, MODULES = "op", "line", "call", "module"


def without_derivatives(graph: Graph, members: list[Node], result: Result) -> Mapping[Result, Derivative]:
    """Nothing, where nobody will see derivatives: they are most of the work."""
    del graph, members, result
    return {}


def operations_as_they_are(graph: Graph, opened: Collection[str] = (), derive: Derive = derivatives_of_box) -> Graph:
    """Each operation as a box."""
    del opened, derive
    return graph


def lines_as_boxes(graph: Graph, opened: Collection[str] = (), derive: Derive = derivatives_of_box) -> Graph:
    """Each statement of the user's program as a box."""
    return fold_lines(graph, derive, opened)


def calls_as_boxes(graph: Graph, opened: Collection[str] = (), derive: Derive = derivatives_of_box) -> Graph:
    """Each call of a function of the user's as a box."""
    return fold_calls(graph, derive, opened)


def modules_as_boxes(graph: Graph, opened: Collection[str] = (), derive: Derive = derivatives_of_box) -> Graph:
    """Each call of a module right below what was traced as a box; but those of an ``opened`` name."""
    del derive
    modules = {name for node in graph.node_list for name in node.module}
    with_calls = partial(with_calls_numbered, tree=folds_of(graph))
    return collapse_modules_but(graph, 1, [name for name in opened if is_name_of(name, modules)], with_calls)


LEVELS: Mapping[str, Callable[[Graph, Collection[str], Derive], Graph]] = {  # from fine to coarse
    OPERATIONS: operations_as_they_are,
    LINES: lines_as_boxes,
    CALLS: calls_as_boxes,
    MODULES: modules_as_boxes,
}


def at_detail(graph: Graph, level: str, opened: Collection[str] = (), derive: Derive = derivatives_of_box) -> Graph:
    """The graph at a level of detail; what computes something of an ``opened`` name stays as it is."""
    if level not in LEVELS:
        raise UnknownNameError("level of detail", level, LEVELS)
    return LEVELS[level](graph, opened, derive)


def finest(graph: Graph, is_readable: Callable[[Graph], bool], levels: Collection[str] = tuple(LEVELS)) -> Graph:
    """The graph at the first of these levels at which it can be read; at the last, if at none."""
    shown = graph
    for level in levels:
        shown = at_detail(graph, level)
        if is_readable(shown):
            break
    return shown
