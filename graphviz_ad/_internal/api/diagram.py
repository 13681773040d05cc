"""diagram: models + inputs -> a figure of their architecture, made of one forward run, and the film of what runs
through it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.api.api import Animation, Picture, trace, written_still
from graphviz_ad._internal.base.argument_types import Destination, shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments, takes
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.diagrams.card_stage import stage_of_cards
from graphviz_ad._internal.diagrams.figure_story import Actor, Looks, opening_changes, told_steps
from graphviz_ad._internal.diagrams.figures import (
    Lines,
    Model,
    chosen_sheet,
    figure,
    lanes_of,
    lanes_of_cards,
    levels_of_cards,
)
from graphviz_ad._internal.diagrams.layer_scenes import graph_of, planned
from graphviz_ad._internal.graph.architecture import Architecture, Passes
from graphviz_ad._internal.output.call_options import (
    Depth,
    DiagramFilm,
    DiagramLines,
    DiagramPlace,
    DiagramStyle,
    StillFile,
    ThemeName,
)
from graphviz_ad._internal.output.file_writing import suffix_for
from graphviz_ad._internal.output.format_table import FILMS, STILLS
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.film_frame import FOOT, HEAD
from graphviz_ad._internal.scene.place import Finish, Place, in_place, place_of
from graphviz_ad._internal.scene.scene import Film, Scene
from graphviz_ad._internal.scene.themes import theme as theme_of
from graphviz_ad._internal.tracing.capture import Capture

if TYPE_CHECKING:
    import torch

MODELS = Registry(
    "question",
    {
        "run": "graphviz_ad._internal.tracing.architecture_run:architecture_of",
        "passes": "graphviz_ad._internal.tracing.architecture_passes:passes_of",
        "given": "graphviz_ad._internal.tracing.inputs:given_to",
        "is_module": "graphviz_ad._internal.tracing.model_inputs:is_module",
        "weights": "graphviz_ad._internal.tracing.model_weights:weights_of",
    },
)
FRAME = 1280, 720  # pixels of a frame; the shorter side of any other is as long
LETTERS = 12.0  # pixels of those of a film
ASIDE = 48  # pixels beside a stage
OF_CARDS = Looks(lit_back="active")


@dataclass(frozen=True)
class Asked:
    """What a diagram was asked for: models by their names, what they are called with, and how they are drawn."""

    models: Mapping[str, Any] = field(default_factory=dict)
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    style: str = "layers"
    theme: Any = "light"
    fit: Any = "slide"
    depth: int | None = None
    lines: str | None = "weight"


@dataclass(frozen=True)
class Diagram(Picture):
    """A figure of an architecture; ``.dot``, ``.json`` and ``.html`` have its layers as a graph. `animate` films it,
    and so does ``save`` with the suffix of a film alone, such as .gif and .mp4.
    """

    asked: Asked = field(default_factory=Asked)
    drawing: Canvas | None = None  # None: of its scene

    @cached_property
    def canvas(self) -> Canvas:
        """The picture as marks."""
        if self.drawing is None:
            return self.finish.canvas(self.scene)
        place = self.finish.place
        return self.finish.finished(self.drawing if place is None else in_place(self.drawing, place))

    @takes(DiagramFilm)
    def animate(self, asked: DiagramFilm) -> Animation:
        """The film of what the figure shows: a value that runs through it and a gradient that comes back.

        The model runs again, in eval mode, forward and backward; the gradient is that of the sum of all that comes out,
        unless ``grad_outputs`` says otherwise. Numbers at each stage are norms. Of neurons, circles are filled by what
        they hold, then by its gradient, and lines are weights, then the gradients of these.
        """
        return film_of(self.asked, asked)

    def _written(self, path: Destination, asked: StillFile) -> Path | None:
        """The file; with the suffix of a film alone, such as .gif and .mp4, its film."""
        suffix = suffix_for(path, asked.format)
        if suffix in FILMS and suffix not in STILLS:
            return film_of(self.asked, DiagramFilm()).save(path, **asked.given)
        return written_still(self, path, asked)

    def __repr__(self) -> str:
        """What the figure shows, in a sentence."""
        return self.scene.alt if self.drawing is None else self.drawing.alt


@checking_arguments
def diagram(
    model: torch.nn.Module | Sequence[torch.nn.Module] | Mapping[str, torch.nn.Module],
    *args: Any,
    style: DiagramStyle = "layers",
    theme: ThemeName = "light",
    fit: DiagramPlace = "slide",
    depth: Depth = None,
    lines: DiagramLines = "weight",
    **kwargs: Any,
) -> Diagram:
    """A figure of the architecture of a model, or of several side by side, from what one forward run of it calls.

    ``args`` and ``kwargs`` are passed to the model, which runs without gradients and in eval mode, and is left as it
    was. ``style="neurons"`` draws columns of neurons, with "…" where they are many, and a line for each weight that is
    shown: thick where it is large, dashed where it is below 0; ``lines="gradient"`` shows gradients of the weights
    instead, from one backward pass as `trace` makes it. ``style="layers"`` draws a card for each layer, ``"blocks"``
    solids in perspective, as high, deep and wide as what comes out has rows, columns and channels, with the kernels
    that read it. What changes each element alone, such as an activation, is written at the layer before it. Modules
    are opened as far as letters can be read in the place that ``fit`` names, or down to ``depth``.

    A list of models, or a dict of them by what they are called, is drawn on one scale: ``diagram({"shallow": a, "deep":
    b}, x)``. The film of what runs through the figure is ``diagram(…).animate()``.
    """
    models = named_models(model)
    asked = Asked(models, args, kwargs, style, theme, fit, depth, lines)
    place, colors = place_of(fit), theme_of(theme)
    ran = [seen(name, each, asked) for name, each in models.items()]
    cards, name = levels_of_cards(ran, depth), title_of(ran)
    if style == "layers":
        return Diagram(graph_of(name, *cards[0]), planned(name, cards, place), colors, Finish(place), asked)
    drawing = figure(ran, style, depth, place)
    scene = planned(name, cards[-1:], None)
    return Diagram(graph_of(name, *cards[0]), scene, colors, Finish(place), asked, drawing)


def named_models(model: Any) -> dict[str, Any]:
    """What is drawn, by its name: its class where nobody says another, numbered where several have it."""
    if isinstance(model, Mapping):
        found = [(name, each) for name, each in model.items()]
    else:
        several = list(model) if isinstance(model, list | tuple) else [model]
        counts, met = Counter(type(each).__name__ for each in several), Counter[str]()
        found = []
        for each in several:
            name = type(each).__name__
            met[name] += 1
            found.append((f"{name} {met[name]}" if counts[name] > 1 else name, each))
    if not found or not all(isinstance(name, str) and MODELS["is_module"](each) for name, each in found):
        raise OptionError(
            f"model={shown_value(model)} is no nn.Module, nor a list of them or a dict of them by their names; the"
            " graph of a function is drawn by trace(f, …).plot()"
        )
    return dict(found)


def title_of(models: Sequence[Model]) -> str:
    """What a figure is called."""
    return " | ".join(model.name for model in models)


def seen(name: str, model: Any, asked: Asked) -> Model:
    """A model as a forward run of it shows it."""
    given, named, _ = MODELS["given"](model, asked.args, asked.kwargs)
    architecture: Architecture = MODELS["run"](model, given, named, training=False)
    shown = lines_of(model, architecture, asked) if asked.style == "neurons" else Lines("", {})
    return Model(name, architecture, shown)


def lines_of(model: Any, architecture: Architecture, asked: Asked) -> Lines:
    """The weights of the linear layers that ran, or their gradients."""
    paths = dict.fromkeys(call.path for call in architecture.calls if call.kind == "module")
    names = [f"{path}.weight" if path else "weight" for path in paths]
    if asked.lines is None:
        return Lines("", {})
    if asked.lines == "weight":
        return Lines(asked.lines, MODELS["weights"](model, names))
    graph = trace(model, *asked.args, capture=Capture(values="none", gradients="full"), **asked.kwargs)
    grads = {node.name: node.grad.array for node in graph.node_list if node.kind == "leaf" and node.grad is not None}
    return Lines(asked.lines, {name: array for name in names if (array := grads.get(name)) is not None})


# --- films


def film_of(asked: Asked, how: DiagramFilm) -> Animation:
    """The film of a figure."""
    ran = [passed(name, each, asked, how.grad_outputs) for name, each in asked.models.items()]
    size = frame_of(place_of(asked.fit))
    cards = levels_of_cards(ran, asked.depth)
    name = title_of(ran)
    stage, lanes, looks = staged(ran, asked, size)
    opening = f"{name}: {', '.join(f'{parameters_of(model):,} parameters' for model in ran)}"
    steps = told_steps(lanes, opening, how.direction, looks)
    film = Film(stage, tuple(steps), opening_changes(lanes), name, float(how.speed), size)
    return Animation(graph_of(name, *cards[0]), film, theme_of(asked.theme))


def staged(models: Sequence[Model], asked: Asked, size: tuple[int, int]) -> tuple[Scene, list[list[Actor]], Looks]:
    """Where everything is, what happens to it, and what that looks like."""
    if asked.style == "layers":
        cards = levels_of_cards(models, asked.depth)
        stage, level = stage_of_cards(title_of(models), cards, size)
        return stage, lanes_of_cards(models, asked.depth, level), OF_CARDS
    room = Place(size[0] - ASIDE, size[1] - HEAD - FOOT, LETTERS, LETTERS, 27)
    sheet = chosen_sheet(models, asked.style, asked.depth, room)
    return sheet.scene(models), lanes_of(sheet), Looks()


def passed(name: str, model: Any, asked: Asked, grad_outputs: Any) -> Model:
    """A model as a run of it, forward and back, shows it."""
    given, named, _ = MODELS["given"](model, asked.args, asked.kwargs)
    found: tuple[Architecture, Passes] = MODELS["passes"](model, given, named, grad_outputs)
    architecture, passes = found
    lines = Lines("" if asked.lines is None else "weight", {} if asked.lines is None else passes.weights)
    return Model(name, architecture, lines, passes)


def parameters_of(model: Model) -> int:
    """How many parameters a model has."""
    return next((call.parameters for call in model.architecture.calls if call.kind == "module"), 0)


def frame_of(place: Place | None) -> tuple[int, int]:
    """The pixels of a frame for a place: of its shape, but for one that is as high as what is in it."""
    if place is None or place.loose:
        return FRAME
    scale = FRAME[1] / min(place.width, place.height)
    wide, high = (2 * round(length * scale / 2) for length in (place.width, place.height))
    return (wide, high) if max(wide, high) <= 2 * FRAME[1] else FRAME
