"""Layers and links -> their scene, planned for a place, and their graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphviz_ad._internal.diagrams.told import Told
from graphviz_ad._internal.graph.architecture import Shape
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.planning import WHOLE, Manner, best_plan
from graphviz_ad._internal.scene.paint import box_size
from graphviz_ad._internal.scene.place import Place
from graphviz_ad._internal.scene.scene import Arrow, Box, Line, Scene


@dataclass(frozen=True)
class Layer:
    """A box: what it is called, what else is written in it, and its looks ("module", "op" or "data"); ``caption`` may
    follow its name, and ``shape`` is that of what it gives; ``told`` is what a film writes in it.
    """

    key: str
    title: str
    notes: tuple[str, ...] = ()
    kind: str = "module"
    shape: Shape | None = None
    caption: str = ""
    told: Told | None = None

    @property
    def brief_title(self) -> str:
        """Its name with its caption behind it; "/2" and " ×2" belong to the name."""
        glue = "" if self.caption[:1] in ("/", " ", "") else " · "
        return f"{self.title}{glue}{self.caption}"

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


Levels = Sequence[tuple[Sequence[Layer], Sequence[Link]]]


def planned(name: str, levels: Levels, place: Place | None) -> Scene:
    """The placed scene of layers, as large as the place lets it be, on the first level that can be read there; before
    the next one is taken, boxes are briefer.
    """
    scenes = [
        scene_of(name, boxes, links) for layers, links in levels for boxes in (numbered(layers), briefer(layers, links))
    ]
    if place is None:
        return place_scene(scenes[0], "auto")
    return best_plan([partial(unchanged, scene) for scene in scenes], place, ("LR", "TB"), WHOLE).scene


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


def scene_of(name: str, layers: Sequence[Layer], links: Sequence[Link]) -> Scene:
    """The scene of layers, not placed yet."""
    alt = f"{name}: {len(layers)} layers, {sum(link.count for link in links)} connections"
    return Scene(tuple(map(box_of, layers)), tuple(map(arrow_of, links)), title=name, alt=alt)


def box_of(layer: Layer) -> Box:
    """The box of a layer."""
    notes = (*([layer.caption] if layer.caption else []), *layer.notes)
    told = layer.told or Told()
    numbers = [Line(role, text) for role, text in (("value", told.value), ("gradient", told.gradient)) if text]
    lines = (Line("name", layer.title), *(Line("note", text, number=i) for i, text in enumerate(notes)), *numbers)
    kind = "op" if layer.kind == "data" else layer.kind  # data would stand beside its reader, and here it is a layer
    return Box(layer.key, kind, lines, *box_size(lines), name=layer.title, gradless=layer.kind == "data")


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
