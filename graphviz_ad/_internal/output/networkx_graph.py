"""Graph -> networkx.MultiDiGraph, whose nodes say what they are called and where they would stand, so that one call of
``nx.draw`` is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.base.needed_packages import named_if_missing
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.scene.paint import block_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Line, Point, Scene
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.names import mathematical_names

if TYPE_CHECKING:
    import networkx as nx

MOST_IN_FULL = 1000  # nodes; of more, labels are names, and places columns: nobody could read or see more
IN_LABELS = ("name", "formula", "value", "gradient")  # roles of lines
COLUMN, ROW = 150.0, 60.0  # points between nodes in columns
CACHE = "_drawn"  # of a graph, in which its labels and places are kept


def networkx_graph(graph: Graph) -> nx.MultiDiGraph:
    """A new networkx.MultiDiGraph of this graph; the caller owns it.

    Nodes have the attributes of `Graph.nodes`, edges those of `Graph.edges`. ``label`` is what stands in a box, and
    ``pos`` its place in points, y up, so that ``nx.draw(g.nx, pos=nx.get_node_attributes(g.nx, "pos"),
    labels=nx.get_node_attributes(g.nx, "label"))`` draws it.
    """
    with named_if_missing("a graph as networkx has it", "networkx"):
        import networkx

    labels, places = drawn(graph)
    made = networkx.MultiDiGraph(name=graph.name, notices=graph.notices)
    for node in graph.node_list:
        further = {
            "statement": None if node.statement is None else graph.statements[node.statement],
            "label": labels[node.key],
            "pos": places[node.key],
        }
        made.add_node(node.key, **node.attributes(), **further)
    for edge in graph.edges:
        made.add_edge(edge.tail, edge.head, edge.key, **edge.attributes())
    return made


def drawn(graph: Graph) -> tuple[Mapping[str, str], Mapping[str, Point]]:
    """Labels and places by key, made once: a graph never changes."""
    kept: dict[str, Any] = vars(graph)
    if CACHE not in kept:
        many = len(graph.node_list) > MOST_IN_FULL
        kept[CACHE] = (mathematical_names(graph).of, in_columns(graph)) if many else in_full(graph)
    found: tuple[Mapping[str, str], Mapping[str, Point]] = kept[CACHE]
    return found


def in_full(graph: Graph) -> tuple[Mapping[str, str], Mapping[str, Point]]:
    """What stands in each box, and where our own layout puts it."""
    words = words_of_graph(graph, Options(local=False))
    lines = {node.key: lines_of_label(words.nodes[node.key].lines) for node in graph.node_list}
    boxes = [Box(node.key, node.kind, (), *block_size(lines[node.key])) for node in graph.node_list]
    arrows = [Arrow(edge.key, edge.tail, edge.head) for edge in graph.edges]
    placed = place_scene(Scene(tuple(boxes), tuple(arrows)), "layered")
    places = {box.key: (box.center[0], -box.center[1]) for box in placed.boxes if box.center is not None}
    return {key: "\n".join(line.text for line in each) for key, each in lines.items()}, places


def lines_of_label(lines: Iterable[Line]) -> list[Line]:
    """Those lines of a box that say what is computed there, what came out, and its gradient."""
    return [line for line in lines if line.role in IN_LABELS]


def in_columns(graph: Graph) -> Mapping[str, Point]:
    """A place for each node: right of all that it is made of, below those that are as far on."""
    column: dict[str, int] = {}
    rows: dict[int, int] = {}
    places: dict[str, Point] = {}
    for node in graph.node_list:  # in the order in which they were computed
        before = [column[edge.tail] for edge in graph.in_edges(node.key) if edge.tail in column]
        column[node.key] = now = max(before, default=-1) + 1
        rows[now] = rows.get(now, -1) + 1
        places[node.key] = (COLUMN * now, -ROW * rows[now])
    return places
