"""Scene -> Scene: numbers of the program left to the formulas that name them, and leaves drawn again where they are
used, so that no arrow has to come from far away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.paint import box_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Line, Scene
from graphviz_ad._internal.scene.words.box_lines import NAME_ROOM
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.short_text import is_constant

SOURCES = ("leaf", "data")
COPY, COPY_OF_DATA = "copy", "copy of data"  # what the legend says of small boxes


def inline_constants(words: Words) -> frozenset[str]:
    """The numbers of a program that are read in every formula that uses them."""
    graph = words.graph
    return frozenset(
        node.key
        for node in graph.node_list
        if is_constant(node) and graph.out_edges(node.key) and is_written_everywhere(words, graph, node.key)
    )


def is_written_everywhere(words: Words, graph: Graph, key: str) -> bool:
    """Whether each box that reads the result of a node writes it out; a parameter after the step of an optimizer says
    what that made, and of nothing that the step read.
    """
    edges = graph.out_edges(key)
    stepped = {edge.key for edge in edges if (head := graph.nodes[edge.head]).kind == "leaf" and head.is_step}
    return all(edge.key in stepped or edge.key in words.nodes[edge.head].written for edge in edges)


def without_boxes(scene: Scene, keys: Collection[str]) -> Scene:
    """The scene without these boxes and their arrows."""
    if not keys:
        return scene
    return replace(
        scene,
        boxes=tuple(box for box in scene.boxes if box.key not in keys),
        arrows=tuple(arrow for arrow in scene.arrows if arrow.tail not in keys and arrow.head not in keys),
        groups=tuple(replace(group, boxes=tuple(k for k in group.boxes if k not in keys)) for group in scene.groups),
    )


def with_copies(scene: Scene) -> Scene:
    """The scene with each leaf that several boxes use drawn at its first use, and copies of it at the others.

    A copy is a small box with the name; values and gradients stand at the leaf itself.
    """
    kinds = {box.key: box for box in scene.boxes if box.kind in SOURCES}
    entering = {arrow.head for arrow in scene.arrows}
    uses = Counter(arrow.tail for arrow in scene.arrows)
    spread = {key for key in kinds if uses[key] > 1 and key not in entering}
    reads = reads_of_pairs(scene.arrows)
    copies: dict[tuple[str, str], Box] = {}
    first: dict[str, str] = {}
    arrows: list[Arrow] = []
    for arrow in in_order_of_use(scene):
        if arrow.tail not in spread or first.setdefault(arrow.tail, arrow.head) == arrow.head:
            arrows.append(arrow)
            continue
        pair = arrow.tail, arrow.head
        made = copies.setdefault(pair, copy_of(kinds[arrow.tail], f"use{len(copies)}", reads[pair]))
        arrows.append(replace(arrow, tail=made.key))
    if not copies:
        return scene
    place = {arrow.key: i for i, arrow in enumerate(scene.arrows)}
    arrows.sort(key=lambda arrow: place[arrow.key])
    heads = {made.key: head for (_, head), made in copies.items()}
    copied = replace(
        scene,
        boxes=beside_their_users(scene.boxes, copies.values(), heads),
        arrows=tuple(arrows),
        groups=tuple(with_copies_inside(group, heads) for group in scene.groups),
    )
    return with_copies_in_legend(copied)


def with_copies_in_legend(scene: Scene) -> Scene:
    """The scene whose legend, if it has one, says what small boxes are, with the border that they have in it: that of
    what takes gradients, if there is any such, or of data.
    """
    copies = [box for box in scene.boxes if box.kind == "copy"]
    if not scene.legend or not copies:
        return scene
    role = COPY_OF_DATA if all(box.gradless for box in copies) else COPY
    return replace(scene, legend=(*(each for each in scene.legend if each not in (COPY, COPY_OF_DATA)), role))


def in_order_of_use(scene: Scene) -> list[Arrow]:
    """The arrows in the order of what they lead to."""
    place = {box.key: i for i, box in enumerate(scene.boxes)}
    return sorted(scene.arrows, key=lambda arrow: (place[arrow.head], arrow.slot))


def reads_of_pairs(arrows: Iterable[Arrow]) -> dict[tuple[str, str], str]:
    """Tail and head -> what the results are called that the one has of the other: "cos, sin"; "" where the name of the
    box says it, or that would be long.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for arrow in arrows:
        found.setdefault((arrow.tail, arrow.head), {})[arrow.reads] = None
    said = {pair: ", ".join(names) if all(names) else "" for pair, names in found.items()}
    return {pair: text if len(text) <= NAME_ROOM else "" for pair, text in said.items()}


def copy_of(box: Box, mark: str, reads: str = "") -> Box:
    """A small box with the name of another, or of those of its results that are read; ``mark`` tells its key apart."""
    lines = (Line("name", reads or box.name),)
    width, height = box_size(lines)
    return Box(
        f"{box.key}~{mark}",
        "copy",
        lines,
        width,
        height,
        name=reads or box.name,
        hover=box.hover,
        gradless=box.gradless or box.kind == "data",
    )


def beside_their_users(boxes: Iterable[Box], copies: Iterable[Box], heads: Mapping[str, str]) -> tuple[Box, ...]:
    """All boxes in order, each copy just before the box that uses it."""
    waiting: dict[str, list[Box]] = {}
    for made in copies:
        waiting.setdefault(heads[made.key], []).append(made)
    return tuple(each for box in boxes for each in (*waiting.get(box.key, ()), box))


def with_copies_inside(group: Group, heads: Mapping[str, str]) -> Group:
    """A frame around the copies, too, that are used in it."""
    inside = set(group.boxes)
    return replace(group, boxes=(*group.boxes, *(key for key, head in heads.items() if head in inside)))
