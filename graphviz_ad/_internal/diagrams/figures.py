"""Architecture + style + place -> the figure: on the deepest level of modules whose letters can be read there."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphviz_ad._internal.base.errors import GraphvizADWarning
from graphviz_ad._internal.diagrams.blocks import EM, figure_of_blocks
from graphviz_ad._internal.diagrams.layer_scenes import Layer, Link
from graphviz_ad._internal.diagrams.neurons import figure_of_neurons
from graphviz_ad._internal.diagrams.stages import Stage, Stages, levels_of, with_repeats, written
from graphviz_ad._internal.graph.architecture import Architecture
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.place import Place
from graphviz_ad._internal.scene.scene import Point

NATURAL = 960.0, 540.0  # points; the shape of a figure that is made for no place
MOST_CARDS = 90
BOXES = {
    layers.DENSE: "module",
    layers.RECURRENT: "module",
    layers.ATTENTION: "module",
    layers.CONV: "leaf",
    layers.INPUT: "data",
}


@dataclass(frozen=True)
class Lines:
    """What lines between neurons show: "weight" or "gradient", of the parameters by their names; "" for nothing."""

    said: str
    arrays: Mapping[str, Array]

    def by_path(self) -> Mapping[str, Array]:
        """The same by the path of the module."""
        return {name.removesuffix("weight").removesuffix("."): array for name, array in self.arrays.items()}


def figure(architecture: Architecture, style: str, depth: int | None, lines: Lines, place: Place | None) -> Canvas:
    """The figure in that style, not put into its place yet."""
    room = (place.width, place.height) if place is not None else NATURAL
    drawn = (one_figure(stages, style, lines, room) for stages in levels_of(architecture, depth))
    return first_readable(drawn, place)


def one_figure(stages: Stages, style: str, lines: Lines, room: Point) -> Canvas:
    """The figure of stages."""
    if style == "blocks":
        return figure_of_blocks(stages, room)
    return figure_of_neurons(stages, lines.by_path(), lines.said, room)


def first_readable(drawn: Iterable[Canvas], place: Place | None) -> Canvas:
    """The first figure whose letters are large enough; where there is none, that with the largest letters."""
    best: tuple[float, Canvas] | None = None
    for canvas in drawn:
        scale = place.scale((canvas.width, canvas.height)) if place is not None else 1.0
        if place is None or scale * EM >= place.smallest:
            return canvas
        if best is None or scale > best[0]:
            best = scale, canvas
    if best is None:
        raise ValueError("an architecture has a level")
    warnings.warn(
        f"letters of {best[0] * EM:.1f} points are the largest with which this figure fits; give a larger fit=, a"
        " smaller depth=, or style='layers', which has rows",
        GraphvizADWarning,
        stacklevel=5,
    )
    return best[1]


def levels_of_cards(architecture: Architecture, depth: int | None) -> list[tuple[list[Layer], list[Link]]]:
    """Cards on each level of modules, the deepest first; none with more than can be read."""
    found = [cards_of(with_repeats(stages)) for stages in levels_of(architecture, depth)]
    few = [level for level in found if len(level[0]) <= MOST_CARDS]
    return few or found[-1:]


def cards_of(stages: Stages) -> tuple[list[Layer], list[Link]]:
    """Stages as cards."""
    return [card(stage) for stage in stages.stages], [Link(way.tail, way.head) for way in stages.ways]


def card(stage: Stage) -> Layer:
    """A stage as a card."""
    title = f"{stage.title}{f' ×{stage.times}' if stage.times > 1 else ''}"
    counted = f"{stage.parameters:,} parameters" if stage.parameters else ""
    notes = tuple(note for note in (written(stage.shape), counted) if note)
    also = " · ".join(dict.fromkeys(stage.also))
    return Layer(stage.key, title, notes, BOXES.get(stage.kind, "op"), stage.shape, also)
