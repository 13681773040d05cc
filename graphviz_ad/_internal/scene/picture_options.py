"""Options of `plot` and `animate` -> how a graph is shown."""

from __future__ import annotations

from collections.abc import Sequence
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

    def simplified(self, graph: Graph, *, steps: bool = False) -> Graph:
        """The graph as it will be drawn; ``steps``: with those of an optimizer, which come after all that a film tells."""
        for transform in self.transforms:
            graph = transform(graph)
        return fold_to_size(hide_unused(graph, steps=steps), self.depth)


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
    """The options, which were checked where they came in; the direction by the size of the graph where none was chosen."""
    if direction is None:
        direction = "TB" if graph is not None and len(graph.node_list) > 40 else "LR"
    return Look(theme(theme_name), layout, direction, Options(values, gradients, local), tuple(transforms), depth)
