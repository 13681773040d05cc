"""Layers and links of a drop-in's result -> Picture, planned for a slide; no Graphviz has to be installed for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphviz_ad._internal.api.api import Picture
from graphviz_ad._internal.graph.architecture import Shape
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.layouts.planning import WHOLE, Manner, best_plan
from graphviz_ad._internal.scene.paint import box_size
from graphviz_ad._internal.scene.place import SLIDE, Finish, Place
from graphviz_ad._internal.scene.scene import Arrow, Box, Line, Scene
from graphviz_ad._internal.scene.themes import Theme

MOST_PLANNED = 160  # boxes; more of them cannot be read on a slide however they are planned


@dataclass(frozen=True)
class Layer:
    """A box: what it is called, what else is written in it, and its looks ("module", "op" or "data"); ``caption`` may
    follow its name, and ``shape`` is that of what it gives.
    """

    key: str
    title: str
    notes: tuple[str, ...] = ()
    kind: str = "module"
    shape: Shape | None = None
    caption: str = ""

    def brief_notes(self, taken: Mapping[str, Collection[Shape | None]]) -> tuple[str, ...]:
        """Its shape, unless all that it takes has the same."""
        same = self.shape is None or taken.get(self.key) == {self.shape}
        return () if same or self.shape is None else ("×".join(map(str, self.shape)),)


@dataclass(frozen=True)
class Link:
    """An arrow from one layer to another, which stands for so many."""

    tail: str
    head: str
    count: int = 1


def picture_of(name: str, layers: Sequence[Layer], links: Sequence[Link], theme: Theme, flow: str) -> Picture:
    """The picture of layers, as large as a slide lets it be; where it would be too small, briefer boxes."""
    scenes = [scene_of(name, each, links, flow) for each in (numbered(layers), briefer(layers, links))]
    place = SLIDE if len(layers) <= MOST_PLANNED else Place(2 * SLIDE.width, 8 * SLIDE.height, 6.5, 8, 27, loose=True)
    found = best_plan([partial(unchanged, scene) for scene in scenes], place, ("LR", "TB"), WHOLE)
    return Picture(graph_of(name, layers, links), found.scene, theme, Finish(place))


def unchanged(scene: Scene, manner: Manner) -> Scene:
    """The scene, which has nothing to leave out."""
    return scene


def numbered(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with names that no other has, by which rows of boxes begin."""
    counts, seen, found = Counter(layer.title for layer in layers), Counter[str](), []
    for layer in layers:
        seen[layer.title] += 1
        number = f" #{seen[layer.title]}" if counts[layer.title] > 1 else ""
        found.append(replace(layer, title=f"{layer.title}{number}"))
    return found


def briefer(layers: Sequence[Layer], links: Sequence[Link]) -> list[Layer]:
    """The layers with their shapes only where that of what they take is another."""
    shapes = {layer.key: layer.shape for layer in layers}
    taken: dict[str, set[Shape | None]] = {}
    for link in links:
        taken.setdefault(link.head, set()).add(shapes.get(link.tail))
    return [
        replace(layer, title=layer.title + layer.caption, caption="", notes=layer.brief_notes(taken))
        for layer in layers
    ]


def scene_of(name: str, layers: Sequence[Layer], links: Sequence[Link], flow: str) -> Scene:
    """The scene of layers, not placed yet."""
    alt = f"{name}: {len(layers)} layers, {sum(link.count for link in links)} connections"
    return Scene(tuple(map(box_of, layers)), tuple(map(arrow_of, links)), direction=flow, title=name, alt=alt)


def box_of(layer: Layer) -> Box:
    """The box of a layer."""
    notes = (*([layer.caption] if layer.caption else []), *layer.notes)
    lines = (Line("name", layer.title), *(Line("note", text, number=i) for i, text in enumerate(notes)))
    return Box(layer.key, layer.kind, lines, *box_size(lines), name=layer.title)


def arrow_of(link: Link) -> Arrow:
    """The arrow of a link; how many it stands for is written on it."""
    arrow = Arrow(f"{link.tail}>{link.head}", link.tail, link.head)
    if link.count == 1:
        return arrow
    lines = (Line("note", f"×{link.count}"),)
    width, height = box_size(lines)
    return replace(arrow, lines=lines, width=width, height=height)


def graph_of(name: str, layers: Sequence[Layer], links: Sequence[Link]) -> Graph:
    """The graph of layers, for files of graphs: what is what, and no values."""
    nodes = [
        Node(
            layer.key,
            layer.kind,
            op=None if layer.kind == "data" else layer.title,
            name=layer.title if layer.kind == "data" else None,
            ports=(Port(shape=layer.shape),),
        )
        for layer in layers
    ]
    slots: dict[str, int] = {}
    edges = []
    for link in links:
        for _ in range(link.count):
            slot = slots[link.head] = slots.get(link.head, -1) + 1
            edges.append(Edge(link.tail, link.head, slot))
    return Graph(tuple(nodes), tuple(edges), name=name, has_gradients=False)
