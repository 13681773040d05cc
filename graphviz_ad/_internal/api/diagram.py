"""diagram: model + inputs -> a figure of its architecture, made of one forward run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.api.api import Picture, trace
from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.diagrams.figures import Lines, figure, levels_of_cards
from graphviz_ad._internal.diagrams.layer_scenes import graph_of, planned
from graphviz_ad._internal.graph.architecture import Architecture
from graphviz_ad._internal.output.call_options import Depth, DiagramLines, DiagramPlace, DiagramStyle, ThemeName
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.place import Finish, in_place, place_of
from graphviz_ad._internal.scene.themes import theme as theme_of
from graphviz_ad._internal.tracing.capture import Capture

if TYPE_CHECKING:
    import torch

MODELS = Registry(
    "question",
    {
        "run": "graphviz_ad._internal.tracing.architecture_run:architecture_of",
        "given": "graphviz_ad._internal.tracing.inputs:given_to",
        "is_module": "graphviz_ad._internal.tracing.model_inputs:is_module",
        "weights": "graphviz_ad._internal.tracing.model_weights:weights_of",
    },
)


@dataclass(frozen=True)
class Figure(Picture):
    """A picture that is drawn from its own marks; ``.dot``, ``.json`` and ``.html`` show its layers as a graph."""

    drawing: Canvas = field(default_factory=lambda: Canvas(1, 1, ()))

    @cached_property
    def canvas(self) -> Canvas:
        """The picture as marks."""
        place = self.finish.place
        return self.finish.finished(self.drawing if place is None else in_place(self.drawing, place))

    def __repr__(self) -> str:
        """What the figure shows, in a sentence."""
        return self.drawing.alt


@checking_arguments
def diagram(
    model: torch.nn.Module,
    *args: Any,
    style: DiagramStyle = "layers",
    theme: ThemeName = "light",
    fit: DiagramPlace = "slide",
    depth: Depth = None,
    lines: DiagramLines = "weight",
    **kwargs: Any,
) -> Picture:
    """A figure of the architecture of a model, from what one forward run of it calls.

    ``args`` and ``kwargs`` are passed to the model, which runs without gradients and in eval mode, and is left as it
    was. ``style="neurons"`` draws columns of neurons, with "…" where they are many, and a line for each weight that is
    shown: thick where it is large, dashed where it is below 0; ``lines="gradient"`` shows gradients of the weights
    instead, from one backward pass as `trace` makes it. ``style="layers"`` draws a card for each layer, ``"blocks"``
    solids in perspective, as high, deep and wide as what comes out has rows, columns and channels. What changes each
    element alone, such as an activation, is written at the layer before it. Modules are opened as far as letters can
    be read in the place that ``fit`` names, or down to ``depth``.
    """
    if not MODELS["is_module"](model):
        raise OptionError(
            f"model={shown_value(model)} is no nn.Module; the graph of a function is drawn by trace(f, …).plot()"
        )
    given, named, _ = MODELS["given"](model, args, kwargs)
    architecture: Architecture = MODELS["run"](model, given, named, training=False)
    place, colors = place_of(fit), theme_of(theme)
    levels = levels_of_cards(architecture, depth)
    if style == "layers":
        scene = planned(architecture.name, levels, place)
        return Picture(graph_of(architecture.name, *levels[0]), scene, colors, Finish(place))
    shown = lines_of(model, architecture, args, kwargs, lines) if style == "neurons" else Lines("", {})
    drawing = figure(architecture, style, depth, shown, place)
    scene = planned(architecture.name, levels[-1:], None)
    return Figure(graph_of(architecture.name, *levels[0]), scene, colors, Finish(place), drawing)


def lines_of(
    model: Any, architecture: Architecture, args: Sequence[Any], kwargs: dict[str, Any], lines: str | None
) -> Lines:
    """The weights of the linear layers that ran, or their gradients."""
    paths = dict.fromkeys(call.path for call in architecture.calls if call.kind == "module")
    names = [f"{path}.weight" if path else "weight" for path in paths]
    if lines is None:
        return Lines("", {})
    if lines == "weight":
        return Lines(lines, MODELS["weights"](model, names))
    graph = trace(model, *args, capture=Capture(values="none", gradients="full"), **kwargs)
    grads = {node.name: node.grad.array for node in graph.node_list if node.kind == "leaf" and node.grad is not None}
    return Lines(lines, {name: array for name in names if (array := grads.get(name)) is not None})
