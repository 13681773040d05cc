"""Options of `plot` and `animate` -> how a graph is shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.transforms import Transform, fold_to_size, hide_unused
from graphviz_ad._internal.scene.themes import Theme, theme
from graphviz_ad._internal.scene.words.describe import Options

DIRECTIONS = ("LR", "TB")


@dataclass(frozen=True)
class Look:
    """How a graph is shown: the options of `plot` that a film shares."""

    theme: Theme
    layout: str
    direction: str
    options: Options
    transforms: tuple[Transform, ...]
    depth: int | None

    def simplified(self, graph: Graph, *, steps: bool = False, needed: Collection[str] = ()) -> Graph:
        """The graph as it will be drawn; ``steps``: with those of an optimizer, which come after all that a film tells.

        Nothing is folded unasked where that would hide one of the ``needed`` names, of which the picture is to tell.
        """
        for transform in self.transforms:
            graph = transform(graph)
        whole = hide_unused(graph, steps=steps)
        folded = fold_to_size(whole, self.depth)
        hidden = {*needed} & names_in(whole) - names_in(folded)
        return whole if hidden and self.depth is None else folded


def names_in(graph: Graph) -> set[str]:
    """Every name by which something in a graph can be asked for."""
    return {name for node in graph.node_list for name in (node.name, *(port.name for port in node.ports)) if name}


def look(
    *,
    theme_name: str = "light",
    layout: str = "auto",
    direction: str | None = None,
    values: bool = True,
    gradients: bool = True,
    local: bool = True,
    depth: int | None = None,
    transforms: Sequence[Transform] = (),
    graph: Graph | None = None,
) -> Look:
    """The options, which were checked where they came in; the direction by the size of the graph where none was
    chosen.
    """
    if direction is None:
        direction = "TB" if graph is not None and len(graph.node_list) > 40 else "LR"
    return Look(theme(theme_name), layout, direction, Options(values, gradients, local), tuple(transforms), depth)
