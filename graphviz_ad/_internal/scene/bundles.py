"""Scene -> Scene with many arrows from one box to another as one, which says how many they are and what flows back;
and with numbers once on each arrow, where its local derivative is what flows back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.leaf_copies import reads_of_pairs
from graphviz_ad._internal.scene.paint import label_size
from graphviz_ad._internal.scene.scene import Arrow, Fact, Line, Scene

MOST_APART = 2  # arrows between the same two boxes, that are drawn one by one


def bundled(scene: Scene, graph: Graph) -> Scene:
    """The scene with one arrow for each pair of boxes between which there are many, one of which is folded."""
    folded = {node.key for node in graph.node_list if node.kind == "module"}
    between: dict[tuple[str, str], list[Arrow]] = {}
    for arrow in scene.arrows:
        between.setdefault((arrow.tail, arrow.head), []).append(arrow)
    many = {
        arrows[0].key: arrows
        for ends, arrows in between.items()
        if len(arrows) > MOST_APART and not folded.isdisjoint(ends)
    }
    if not many:
        return scene
    gone = {arrow.key for arrows in many.values() for arrow in arrows[1:]}
    edges = {edge.key: edge for edge in graph.edges}
    kept = [
        bundle(many[arrow.key], edges) if arrow.key in many else arrow
        for arrow in scene.arrows
        if arrow.key not in gone
    ]
    return replace(scene, arrows=tuple(kept))


def bundle(arrows: Sequence[Arrow], edges: dict[str, Edge]) -> Arrow:
    """Arrows as one: what flows back along them is told as how many gradients, and the range of their norms."""
    flowing = [arrow for arrow in arrows if edges[arrow.key].grad is not None]
    first = flowing[0] if flowing else arrows[0]
    norms = [grad.norm for arrow in flowing if (grad := edges[arrow.key].grad) is not None and grad.norm is not None]
    said = said_of(len(flowing), norms) if any(arrow.lines for arrow in arrows) else ""
    lines = [*([Line("contribution", said)] if said else []), *unlike_flows(arrows)]
    width, height = label_size(tuple(lines))
    return replace(
        first,
        lines=tuple(lines),
        width=width,
        height=height,
        hover=said_when_pointed_at(arrows),
        reads=reads_of_pairs(arrows)[first.tail, first.head],
    )


def said_of(count: int, norms: Sequence[float]) -> str:
    """ "← 12 gradients, ‖grad‖ 0.01 … 0.3"; "" where nothing flows back."""
    if not count:
        return ""
    if len(norms) < count:
        return f"← {counted_noun(count, 'gradient')}"
    low, high = short_number(min(norms)), short_number(max(norms))
    return f"← {counted_noun(count, 'gradient')}, ‖grad‖ {low if low == high else f'{low} … {high}'}"


def unlike_flows(arrows: Sequence[Arrow]) -> list[Line]:
    """What is said of why no gradient flows, once."""
    return [*dict.fromkeys(line for arrow in arrows for line in arrow.lines if line.role == "cut")][:1]


def said_when_pointed_at(arrows: Sequence[Arrow]) -> tuple[Fact, ...]:
    """What each of them says when it is pointed at."""
    return tuple(fact for arrow in arrows for fact in arrow.hover)


def with_elements_once(scene: Scene, graph: Graph) -> Scene:
    """The scene without the elements of what flows back on arrows that say the same as a local derivative."""
    edges = {edge.key: edge for edge in graph.edges}
    arrows = [without_elements(arrow) if says_twice(arrow, edges.get(arrow.key)) else arrow for arrow in scene.arrows]
    return scene if arrows == [*scene.arrows] else replace(scene, arrows=tuple(arrows))


def says_twice(arrow: Arrow, edge: Edge | None) -> bool:
    """Whether the elements on an arrow are those of its local derivative, which stands there, too."""
    if edge is None or edge.local is None or edge.grad is None or edge.local.array is None or edge.grad.array is None:
        return False
    drawn = {line.role for line in arrow.lines if line.role == "local" or line.grid is not None}
    return {"local", "contribution"} <= drawn and np.array_equal(edge.local.array, edge.grad.array)


def without_elements(arrow: Arrow) -> Arrow:
    """An arrow that does not say what flows back along it."""
    lines = tuple([line for line in arrow.lines if line.role != "contribution"])
    width, height = label_size(lines)
    return replace(arrow, lines=lines, width=width, height=height)
