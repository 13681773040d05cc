"""trace, plot, animate, TorchGraph: the whole pipeline on one screen.

trace ─▶ Graph ─transforms─▶ Graph ─wording─▶ words ─tell─▶ steps
                                                └─build_scene─▶ Scene ─place─▶ Picture, Animation ─formats─▶ files
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from graphviz_ad.build import build_scene
from graphviz_ad.capture import Capture
from graphviz_ad.chain_rule import path_colors
from graphviz_ad.errors import OptionError, SaveError, UnknownNameError
from graphviz_ad.formats import FILMS, STILLS, suffix_of
from graphviz_ad.graph import Graph
from graphviz_ad.layouts.choice import place
from graphviz_ad.marks import Canvas
from graphviz_ad.paint import frame_scale, paint, paint_frame
from graphviz_ad.registry import Registry
from graphviz_ad.scene import Film, Scene, Step
from graphviz_ad.story import DIRECTIONS as FILM_DIRECTIONS
from graphviz_ad.story import Story, tell
from graphviz_ad.themes import Theme, theme
from graphviz_ad.transforms import Transform, fold_to_size, hide_unused
from graphviz_ad.wording import Options, Wording

TRACERS = Registry("framework", {"torch": "graphviz_ad.tracing.eager:trace"})
RECORDERS = Registry("framework", {"torch": "graphviz_ad.tracing.record:Recording"})
DIRECTIONS = ("LR", "TB")
STILL_OPTIONS, FILM_OPTIONS = {"wrt", "with_all", "values", "gradients"}, {"speed", "flow"}
READABLE_SCALE = 1.05  # pixels a point in a frame of 1280 by 720; letters of 14 points are then readable from the back row


def trace(target: Any, *args: Any, grad_outputs: Any = None, capture: Capture | None = None, **kwargs: Any) -> Graph:
    """Run `target` once forward and once backward, and return the graph with every value and gradient.

    ``target`` is a function, an ``nn.Module``, or a finished tensor or (nested) collection of tensors. ``args`` and ``kwargs`` are passed to it: numbers,
    lists of numbers and numpy arrays become new tensors that require grad (float64, or a module's own dtype), tensors are used as
    they are. ``grad_outputs`` is the upstream gradient of each output, of its shape; default ones. No ``.grad`` is touched.

    Raises `NoTensorError` if nothing returned has a gradient graph, `GradOutputsError` if the upstream gradients do not
    fit, and whatever the target itself raises, unchanged.
    """
    return TRACERS["torch"](target, args, kwargs, grad_outputs, capture or Capture(), _module_level_names(sys._getframe(1)))  # type: ignore[no-any-return]


def record(module: Any = None, capture: Capture | None = None) -> Any:
    """Record a stretch of your own program: ``with record(model) as rec: …``, then ``rec.graph``.

    Everything that this thread runs in the block is recorded, your own ``backward()`` calls and optimizer steps included; each backward
    pass is kept apart in ``rec.graph.passes``. ``module`` gives its parameters their dotted names. If the block raises, the exception is
    yours unchanged, and ``rec.graph`` is the graph up to there. While the block is open the entry of torch's engine is wrapped.
    """
    return RECORDERS["torch"](module, capture or Capture(), _module_level_names(sys._getframe(1)))


def _module_level_names(frame: Any) -> Mapping[str, Any]:
    """The variables of the calling script or notebook; never a function's, since reading those would keep them alive."""
    in_function = bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
    return dict(frame.f_globals) if not in_function and frame.f_locals is frame.f_globals else {}


def trackable_function(cls: type) -> type:
    """Let a ``torch.autograd.Function`` appear under its class attribute ``name``, for example ``name = r"$\\sigma$"``."""
    from graphviz_ad.tracing.trackable import trackable_function as decorate

    return decorate(cls)


# --- pictures


@dataclass(frozen=True)
class Look:
    """How a graph is shown: the options of `plot` that a film shares."""

    theme: Theme
    layout: str
    direction: str
    options: Options
    transforms: tuple[Transform, ...]
    depth: int | None

    def simplified(self, graph: Graph) -> Graph:
        """The graph as it will be drawn."""
        for transform in self.transforms:
            graph = transform(graph)
        return fold_to_size(hide_unused(graph), self.depth)


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


def plot(
    graph: Graph,
    *,
    theme: str = "light",
    layout: str = "auto",
    direction: str | None = None,
    values: bool = True,
    gradients: bool = True,
    local: bool = True,
    with_all: bool | None = None,
    depth: int | None = None,
    transforms: Sequence[Transform] = (),
    wrt: str | None = None,
) -> Picture:
    """A still picture of a graph.

    ``theme``: light, dark, auto (follows the reader), print, cs231n. ``layout``: auto, dot, system-dot, layered. ``direction``: LR or TB; default by
    size. ``values``, ``gradients``, ``local`` (derivatives on edges) choose what is written, ``with_all=True`` all three. ``depth`` folds modules
    below that level; by default only graphs too big to read are folded. ``wrt`` colours the paths that lead to that leaf.
    """
    chosen = look(
        theme_name=theme,
        layout=layout,
        direction=direction,
        values=values,
        gradients=gradients,
        local=local,
        with_all=with_all,
        depth=depth,
        transforms=transforms,
        graph=graph,
    )
    shown = chosen.simplified(graph)
    colors = path_colors(shown, wrt) if wrt is not None else None
    scene = place(build_scene(Wording(shown, chosen.options), direction=chosen.direction, colors=colors), chosen.layout)
    if direction is None and too_wide(scene):
        scene = place(build_scene(Wording(shown, chosen.options), direction="TB", colors=colors), chosen.layout)
    return Picture(shown, scene, chosen.theme)


def too_wide(scene: Scene) -> bool:
    """Whether a picture is so wide and flat that a slide would make its letters tiny."""
    width, height = scene.size or (1.0, 1.0)
    return width > 2000 and width > 4 * height


def animate(
    graph: Graph,
    *,
    direction: str = "both",
    theme: str = "light",
    layout: str = "auto",
    flow: str | None = None,
    depth: int | None = None,
    transforms: Sequence[Transform] = (),
    local: bool = True,
    speed: float = 1.0,
) -> Animation:
    """A film of the forward pass, the backward pass, or both, on a picture in which nothing moves.

    ``flow`` is the direction of the drawing, LR or TB; ``speed`` 2 plays twice as fast.
    """
    if not isinstance(speed, (int, float)) or not 0.01 <= speed <= 100:
        raise OptionError(f"speed={speed!r} is no speed for a film; give a number from 0.01 to 100: 2 plays twice as fast, 0.5 half as fast")
    backward = direction != "forward"
    chosen = look(theme_name=theme, layout=layout, direction=flow, gradients=backward, local=local and backward, depth=depth, transforms=transforms)
    shown = chosen.simplified(graph)
    stage, story = best_stage(shown, chosen, direction, flow)
    return Animation(shown, Film(stage, story.steps, story.opening, shown.name, speed), chosen.theme)


def best_stage(graph: Graph, chosen: Look, direction: str, flow: str | None) -> tuple[Scene, Story]:
    """The stage that fills a frame with the largest letters: drawn across or down, with derivatives on the edges if there is room.

    Captions say the derivatives anyway.
    """
    flows = [flow] if flow else ["LR", "TB"]
    with_local = [True, False] if chosen.options.local else [False]
    found: list[tuple[float, Scene, Story]] = []
    for local in with_local:
        wording = Wording(graph, replace(chosen.options, local=local, sums=chosen.options.gradients))
        story = tell(wording, direction)
        changes = [*story.opening, *(change for step in story.steps for change in step.changes)]
        for flow_direction in flows:
            stage = place(build_scene(wording, direction=flow_direction, changes=changes), chosen.layout)
            found.append((frame_scale(stage), stage, story))
            if found[-1][0] >= READABLE_SCALE:
                return stage, story
    _, stage, story = max(found, key=lambda candidate: candidate[0])
    return stage, story


def save(graph: Graph, path: str | Path, **options: Any) -> Path:
    """Write a film where the suffix is that of one (.gif, .html), a picture otherwise; returns the path.

    ``options`` are those of `animate` or of `plot`. A still page comes from ``plot(graph).save("page.html")``.
    """
    suffix = suffix_of(path)
    if suffix not in FILMS and suffix not in STILLS:
        raise UnknownNameError("format", suffix, {*STILLS, *FILMS}, "The suffix of the file chooses the format.")
    film = suffix in FILMS
    of_the_other = STILL_OPTIONS if film else FILM_OPTIONS
    directions = DIRECTIONS if film else FILM_DIRECTIONS
    wrong = [name for name, value in options.items() if name in of_the_other or (name == "direction" and value in directions)]
    if wrong:
        what, other, call = ("film", "still", "plot") if film else ("still", "film", "animate")
        option = f"{wrong[0]}={options[wrong[0]]!r}"
        raise OptionError(f"{option} is an option of a {other}, but {suffix} is a {what} here; use graph.{call}({option}).save(path)")
    return (animate if film else plot)(graph, **options).save(path)


@dataclass(frozen=True)
class Picture:
    """A still picture; the last expression of a notebook cell shows it."""

    graph: Graph
    scene: Scene
    theme: Theme

    @cached_property
    def canvas(self) -> Canvas:
        """The picture as marks."""
        return paint(self.scene)

    def to_svg(self) -> str:
        """A standalone SVG document."""
        from graphviz_ad.renderers.svg import svg

        return svg(self.canvas, self.theme)

    def to_dot(self) -> str:
        """DOT source of the picture, for any Graphviz."""
        from graphviz_ad.dot_language import readable_source

        return readable_source(self.scene, self.theme)

    def save(self, path: str | Path) -> Path:
        """Write the picture; the suffix chooses: .svg, .png, .pdf, .dot, .html, .json. Returns the path."""
        return write_as(STILLS, path, self)

    def show(self) -> Picture:
        """The picture itself, which a notebook displays."""
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad.notebook import picture_bundle

        return dict(picture_bundle(self.canvas, self.theme, self.scene.alt, include=include, exclude=exclude))

    def __repr__(self) -> str:
        """What the picture shows, in a sentence."""
        return self.scene.alt


@dataclass(frozen=True)
class Animation:
    """A film; the last expression of a notebook cell shows it as a player."""

    graph: Graph
    film: Film
    theme: Theme

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happens, step by step."""
        return self.film.steps

    def frame(self, index: int, size: tuple[int, int] = (1280, 720)) -> Frame:
        """The frame of a step, in pixels; negative indices count from the end. A pure function of the index."""
        if not -len(self.steps) <= index < len(self.steps):
            raise IndexError(f"frame {index} does not exist; the film has {len(self.steps)} steps, 0 to {len(self.steps) - 1}")
        return Frame(paint_frame(self.film, index, size), self.theme)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return sum(self.film.seconds(i) for i in range(len(self.steps)))

    def transcript(self) -> str:
        """The film as text, a line each step."""
        lines = [f"step {i + 1}/{len(self.steps)} · {step.phase}: " + " ".join(part for part in step.caption if part) for i, step in enumerate(self.steps)]
        return "\n".join(lines)

    def save(self, path: str | Path) -> Path:
        """Write the film; the suffix chooses: .gif, .html. Returns the path."""
        return write_as(FILMS, path, self)

    def show(self) -> Animation:
        """The film itself, which a notebook displays."""
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad.notebook import film_bundle

        return dict(film_bundle(self.film, self.theme, self.transcript(), include=include, exclude=exclude))

    def __repr__(self) -> str:
        """How long the film is and of what."""
        return f"<Animation of {self.graph.name}: {len(self.steps)} steps, {self.duration:.0f} s>"


@dataclass(frozen=True)
class Frame:
    """One frame of a film."""

    canvas: Canvas
    theme: Theme

    def to_svg(self) -> str:
        """A standalone SVG document."""
        from graphviz_ad.renderers.svg import svg

        return svg(self.canvas, self.theme)

    def save(self, path: str | Path) -> Path:
        """Write the frame as .png, .svg or .pdf. Returns the path."""
        return write_as(STILLS, path, self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad.notebook import picture_bundle

        return dict(picture_bundle(self.canvas, self.theme, self.canvas.alt, include=include, exclude=exclude))


def write_as(formats: Registry, path: str | Path, thing: Any) -> Path:
    """Render a picture or film as the suffix of the path says, and only then touch the file."""
    from graphviz_ad.save_file import write

    render: Callable[[Any], bytes] = formats[suffix_of(path)]
    if not Path(path).parent.is_dir():  # before the work, not after it
        raise SaveError(f"cannot write {str(path)!r}: the folder {str(Path(path).parent)!r} does not exist; create it first")
    return write(path, render(thing))


class TorchGraph:
    """The classroom entry point: the graph of ``func`` at ``inputs``, ready to plot and to animate.

    ``inputs`` is a list of numbers, arrays or tensors, one an argument; ``grad_outputs`` a list of upstream gradients, one an output.
    """

    def __init__(self, func: Callable[..., Any], inputs: Iterable[Any], grad_outputs: Any = None) -> None:
        if not isinstance(inputs, Iterable):
            raise TypeError(f"TorchGraph takes a list of inputs, one an argument; it was given {inputs!r}; write [{inputs!r}]")
        self.graph = trace(func, *inputs, grad_outputs=grad_outputs)

    def plot(self, with_all: bool = False, **options: Any) -> Picture:
        """The graph; ``with_all=True`` writes values, gradients and local derivatives on it."""
        shown = {"values": with_all, "gradients": with_all, "local": with_all} | options
        return self.graph.plot(**shown)

    def animate(self, direction: str = "both", **options: Any) -> Animation:
        """The film of the pass in that direction: forward, backward or both."""
        return self.graph.animate(direction, **options)

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write a picture or film of the graph; the suffix chooses."""
        return self.graph.save(path, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return self.plot()._repr_mimebundle_(include, exclude)


def make_dot(var: Any, params: Mapping[str, Any] | None = None, show_attrs: bool = False, show_saved: bool = False, max_attr_chars: int = 50) -> Any:
    """The autograd graph behind a finished tensor as a ``graphviz.Digraph``, as torchviz's function of this name gives it.

    ``params`` names leaves. No forward or backward pass is run. ``show_attrs`` and ``show_saved`` are accepted for compatibility; saved
    tensors are never unpacked, so that no checkpoint runs by surprise, and a note on the picture says so.
    """
    import graphviz

    names = dict(params or {})
    graph: Graph = TRACERS["torch"](var, (), {}, None, Capture(values="summary", gradients="none"), names)
    if show_attrs or show_saved:
        graph = replace(graph, notices=(*graph.notices, "Attributes and saved tensors are not unpacked."))
    del max_attr_chars
    source = graph.plot(direction="TB", gradients=False, local=False).to_dot()
    body = source.splitlines(keepends=True)[1:-1]  # between "digraph {" and "}"
    return graphviz.Digraph(body=body)
