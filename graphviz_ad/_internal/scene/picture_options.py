"""Options of `plot` and `animate` -> how a graph is shown, checked once for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
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
    with_all: bool | None = None,
    depth: int | None = None,
    transforms: Sequence[Transform] = (),
    graph: Graph | None = None,
) -> Look:
    """The options, checked."""
    if depth is not None and (type(depth) is not int or depth < 1):
        raise OptionError(f"depth={depth!r} is no level of modules; give a whole number from 1, or None to fold only what is too big to read")
    if not isinstance(transforms, (list, tuple)) or not all(callable(transform) for transform in transforms):
        raise OptionError(f"transforms={transforms!r} must be functions from Graph to Graph, such as (hide_constants,)")
    if direction is None:
        direction = "TB" if graph is not None and len(graph.node_list) > 40 else "LR"
    if direction not in DIRECTIONS:
        raise UnknownNameError("direction", direction, DIRECTIONS, "LR draws from left to right, TB from top to bottom.")
    options = Options(True, True, True) if with_all else Options(values, gradients, local)
    return Look(theme(theme_name), layout, direction, options, tuple(transforms), depth)
