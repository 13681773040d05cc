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

from graphviz_ad._internal.base.errors import OptionError, SaveError, UnknownNameError
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.base.save_file import write
from graphviz_ad._internal.base.save_folder import is_folder, write_folder
from graphviz_ad._internal.explain.explainer import explain
from graphviz_ad._internal.explain.forward_mode import tangents as tangents_of
from graphviz_ad._internal.explain.path_picture import with_paths
from graphviz_ad._internal.explain.tangent_picture import with_tangents
from graphviz_ad._internal.film.staging import as_it_is, best_stage
from graphviz_ad._internal.film.story import DIRECTIONS as FILM_DIRECTIONS
from graphviz_ad._internal.film.story import Story, tell
from graphviz_ad._internal.film.story_choice import choose
from graphviz_ad._internal.film.storyboard import storyboard
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.graph.transforms import Transform
from graphviz_ad._internal.layouts.choice import place
from graphviz_ad._internal.output import documents
from graphviz_ad._internal.output.formats import FILMS, FRAMES, GRAPHS, PAGES, STILLS, numbered_frames, suffix_of
from graphviz_ad._internal.scene.annotations import with_failure
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.paint import paint, paint_frame
from graphviz_ad._internal.scene.picture_options import DIRECTIONS, look
from graphviz_ad._internal.scene.scene import Film, Scene, Step
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.themes import Theme
from graphviz_ad._internal.scene.wording import Wording
from graphviz_ad._internal.sheets.method_comparison import Comparison, compare, of_graph
from graphviz_ad._internal.tracing.ad_numbers import concerns
from graphviz_ad._internal.tracing.capture import Capture

TRACERS = Registry("framework", {"torch": "graphviz_ad._internal.tracing.entry:trace", "ADNumber": "graphviz_ad._internal.tracing.ad_numbers:trace"})
BLACK_BOXES = Registry(
    "framework", {"torch": "graphviz_ad._internal.tracing.black_box:BlackBox", "ADNumber": "graphviz_ad._internal.tracing.ad_numbers:BlackBox"}
)
RECORDERS = Registry("framework", {"torch": "graphviz_ad._internal.tracing.entry:recording"})
STILL_OPTIONS, FILM_OPTIONS = {"output", "with_all", "values", "gradients"}, {"speed", "flow", "aspect", "steps", "passes"}
GRANULARITIES = ("edge", "op", "module")
ASPECTS = {"16:9": (1280, 720), "4:3": (960, 720)}  # pixels of a frame


def trace(target: Any, *args: Any, grad_outputs: Any = None, capture: Capture | None = None, **kwargs: Any) -> Graph:
    """Run `target` once forward and once backward, and return the graph with every value and gradient.

    ``target`` is a function, an ``nn.Module``, or a finished tensor, `ADNumber` or (nested) collection of them. ``args`` and ``kwargs`` are
    passed to it: numbers, lists of numbers and numpy arrays become new tensors that require grad (float64, or a module's own dtype), tensors are used
    as they are; beside an `ADNumber`, numbers become ADNumbers. ``grad_outputs`` is the upstream gradient of each output, of its shape; default
    ones. No ``.grad`` is touched.

    Raises `NoTensorError` if nothing returned has a gradient graph, `GradOutputsError` if the upstream gradients do not
    fit, and whatever the target itself or its backward pass raises, unchanged, with the graph so far as its ``graph``.
    """
    framework = "ADNumber" if concerns(target, args, kwargs) else "torch"
    return TRACERS[framework](target, args, kwargs, grad_outputs, capture or Capture(), _module_level_names(sys._getframe(1)))  # type: ignore[no-any-return]


def record(module: Any = None, capture: Capture | None = None) -> Any:
    """Record a stretch of your own program: ``with record(model) as rec: …``, then ``rec.graph``.

    Everything that this thread runs in the block is recorded, your own ``backward()`` calls and optimizer steps included; each backward
    pass is kept apart in ``rec.graph.passes``. ``module`` gives its parameters their dotted names. If the block raises, the exception is
    yours unchanged, and ``rec.graph`` is the graph up to there. While the block is open the entry of torch's engine is wrapped.
    """
    return RECORDERS["torch"](module, capture or Capture(), _module_level_names(sys._getframe(1)))


def _module_level_names(frame: Any) -> Mapping[str, Any]:
    """The variables of the calling script or notebook; never a function's, since reading those would keep them alive."""
    while frame.f_globals.get("__name__") == "graphviz_ad._internal.ad_number":  # plot() and animate() of an ADNumber
        frame = frame.f_back
    in_function = bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
    return dict(frame.f_globals) if not in_function and frame.f_locals is frame.f_globals else {}


def compare_methods(target: Any, *args: Any, wrt: str | None = None, **kwargs: Any) -> Comparison:
    """Numeric, symbolic and automatic derivatives of a function side by side: what each gives, how far off it is, and what it costs.

    ``target`` and its inputs are as for `trace`. The numeric derivatives call the function itself, with steps from 1 to 1e-16, once or twice for every number
    among the inputs; ``wrt`` names one input, and the others stay as they are. Errors are measured by the formulas to thirty digits where sympy is installed
    and the function has formulas, by automatic differentiation otherwise.
    """
    if not callable(target):
        return of_graph(trace(target, *args, **kwargs), wrt)
    box = BLACK_BOXES["ADNumber" if concerns(target, args, kwargs) else "torch"](target, args, kwargs)  # before the trace, which may draw random numbers
    return compare(trace(target, *args, **kwargs), box, box.inputs, wrt)


def trackable_function(cls: type) -> type:
    """Let a ``torch.autograd.Function`` appear under its class attribute ``name``, for example ``name = r"$\\sigma$"``."""
    from graphviz_ad._internal.tracing.trackable import trackable_function as decorate

    return decorate(cls)


# --- pictures


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
    output: str | None = None,
    tangents: str | Mapping[str, Any] | None = None,
) -> Picture:
    """A still picture of a graph.

    ``theme``: light, dark, auto (follows the reader), print, cs231n. ``layout``: auto, dot, system-dot, layered. ``direction``: LR or TB; default by
    size. ``values``, ``gradients``, ``local`` (derivatives on edges) choose what is written, ``with_all=True`` all three. ``depth`` folds modules
    below that level; by default only graphs too big to read are folded. ``wrt`` colours the chain-rule paths that lead
    from that leaf to the outputs, or to the one named ``output``, and says what each of them brings.
    ``tangents`` writes forward mode beside reverse mode: the name of the input that moves by 1, or how far each moves, as in `Graph.tangents`.
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
    shown = chosen.simplified(graph, steps=True)
    explained = explain(shown, wrt, output) if wrt is not None else None
    wording = Wording(shown, chosen.options)
    forward = tangents_of(shown, tangents) if tangents is not None else None

    def drawn(flow: str) -> Scene:
        scene = with_failure(build_scene(wording, direction=flow), shown)
        scene = with_paths(scene, explained) if explained is not None else scene
        return place(with_tangents(scene, wording, forward) if forward is not None else scene, chosen.layout)

    scene = drawn(chosen.direction)
    if direction is None and too_wide(scene):
        scene = drawn("TB")
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
    aspect: str = "16:9",
    steps: str | None = None,
    wrt: str | None = None,
    tangents: str | Mapping[str, Any] | None = None,
    passes: bool = False,
) -> Animation:
    """A film of the forward pass, the backward pass, or both, on a picture in which nothing moves.

    ``flow`` is the direction of the drawing, LR or TB; ``speed`` 2 plays twice as fast; ``aspect`` is that of the screen, 16:9 or 4:3; ``steps`` is how
    finely the backward pass is told: per "edge", "op" or "module". Other stories: ``wrt`` shows the paths of the chain rule to that leaf one at a time,
    ``tangents`` forward mode as in `plot`, ``passes`` all recorded backward passes with what ``.grad`` adds up.
    """
    if aspect not in ASPECTS:
        raise UnknownNameError("aspect", aspect, ASPECTS)
    if not isinstance(speed, (int, float)) or not 0.01 <= speed <= 100:
        raise OptionError(f"speed={speed!r} is no speed for a film; give a number from 0.01 to 100: 2 plays twice as fast, 0.5 half as fast")
    if steps is not None and steps not in GRANULARITIES:
        raise UnknownNameError("granularity", steps, GRANULARITIES, "It says how finely the backward pass is told.")
    backward = direction != "forward" and tangents is None
    with_local = local and (backward or tangents is not None)
    depth = depth or (1 if steps == "module" else None)
    chosen = look(theme_name=theme, layout=layout, direction=flow, gradients=backward, local=with_local, depth=depth, transforms=transforms)
    shown = chosen.simplified(graph)
    plot_of = choose(wrt=wrt, tangents=tangents, passes=[chosen.simplified(one) for one in graph.passes] if passes else (), shown=shown)

    def told(local: bool) -> tuple[Wording, Story]:
        options = replace(chosen.options, local=local, sums=chosen.options.gradients)
        wording = Wording(shown, options)
        return wording, plot_of.tell(wording) if plot_of else tell(wording, direction, per_edge=None if steps is None else steps == "edge")

    size = ASPECTS[aspect]
    dress = plot_of.dress if plot_of else as_it_is
    stage, story = best_stage(told, local=chosen.options.local, flows=(flow,) if flow else DIRECTIONS, layout=layout, size=size, dress=dress)
    return Animation(shown, Film(stage, story.steps, story.opening, shown.name, speed, size), chosen.theme)


def save(graph: Graph, path: str | Path, **options: Any) -> Path:
    """Write a film where the suffix is that of one (.gif, .mp4, .html, …), a picture where it can be one (.svg, .png, .pdf, …); returns the path.

    ``options`` are those of `animate` or of `plot`. A still page comes from ``plot(graph).save("page.html")``.
    As .json and .graphml the whole graph is saved, for `Graph.load`; with options, what they leave of it.
    """
    suffix = suffix_of(path)
    if suffix not in FILMS and suffix not in STILLS:
        raise UnknownNameError("format", suffix, {*STILLS, *FILMS}, "The suffix of the file chooses the format.")
    film = suffix in FILMS and (suffix in PAGES or suffix not in STILLS)
    of_the_other = STILL_OPTIONS if film else FILM_OPTIONS
    directions = DIRECTIONS if film else FILM_DIRECTIONS
    wrong = [name for name, value in options.items() if name in of_the_other or (name == "direction" and value in directions)]
    if wrong:
        what, other, call = ("film", "still", "plot") if film else ("still", "film", "animate")
        option = f"{wrong[0]}={options[wrong[0]]!r}"
        raise OptionError(f"{option} is an option of a {other}, but {suffix} is a {what} here; use graph.{call}({option}).save(path)")
    if suffix in GRAPHS and not options:  # as it was recorded, nothing folded or hidden
        return write_as(GRAPHS, path, graph)
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
        from graphviz_ad._internal.renderers.svg.still import svg

        return svg(self.canvas, self.theme)

    def to_dot(self) -> str:
        """DOT source of the picture, for any Graphviz."""
        from graphviz_ad._internal.layouts.dot_language import readable_source

        return readable_source(self.scene, self.theme)

    to_tikz, to_pgf = documents.to_tikz, documents.to_pgf

    def save(self, path: str | Path) -> Path:
        """Write the picture; the suffix chooses: .svg, .png, .pdf, .dot, .html, .json. Returns the path."""
        return write_as(STILLS, path, self)

    def show(self) -> Picture:
        """The picture itself, which a notebook displays."""
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad._internal.output.notebook import picture_bundle

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

    def frame(self, index: int, size: tuple[int, int] | None = None) -> Frame:
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

    def save(self, path: str | Path, **options: Any) -> Path:
        """Write the film; the suffix chooses: .gif, .webp, .png, .mp4, .webm, .html, or / at the end for a folder of frames. Returns the path.

        ``loop`` says how often a .gif, .webp or .png plays (0, the default, for ever); ``scale=1.5`` makes 1920 by 1080 pixels.
        """
        if is_folder(path):
            return write_folder(path, render(numbered_frames, self, "a folder of frames", options))
        if together := documents.TOGETHER.get(suffix_of(path)):
            return Path(render(together, self, suffix_of(path), {"path": path, **options}))
        return write_as(FILMS, path, self, **options)

    def save_all(self, name: str | Path) -> tuple[Path, ...]:
        """Write the film in every form that a lecture needs, all under one name, and return the files.

        What an optional package is missing for is left out, with a warning. Where others fail, the rest is written and a SaveError says which and why.
        """
        return documents.write_set(self, name)

    to_svg, to_html, to_beamer, to_pptx = documents.to_svg, documents.to_html, documents.to_beamer, documents.to_pptx
    to_reveal, to_quarto, to_myst = documents.to_reveal, documents.to_quarto, documents.to_myst

    def storyboard(self, *, rows: int = 2, columns: int = 3) -> Frame:
        """A sheet of the most telling frames, for print; save it as .pdf, .svg or .png."""
        return Frame(storyboard(self.film, rows, columns), self.theme, 3.0)

    def show(self) -> Animation:
        """The film itself, which a notebook displays."""
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad._internal.output.notebook import film_bundle

        return dict(film_bundle(self.film, self.theme, self.transcript(), include=include, exclude=exclude))

    def __repr__(self) -> str:
        """How long the film is and of what."""
        return f"<Animation of {self.graph.name}: {len(self.steps)} steps, {self.duration:.0f} s>"


@dataclass(frozen=True)
class Frame:
    """One frame of a film, or a sheet with several; as PNG it has ``png_scale`` pixels a unit of its canvas."""

    canvas: Canvas
    theme: Theme
    png_scale: float = 1.0

    def to_svg(self) -> str:
        """A standalone SVG document."""
        from graphviz_ad._internal.renderers.svg.still import svg

        return svg(self.canvas, self.theme)

    to_tikz, to_pgf = documents.to_tikz, documents.to_pgf

    def save(self, path: str | Path) -> Path:
        """Write the frame as .png, .svg, .pdf, .tikz or .pgf. Returns the path."""
        return write_as(FRAMES, path, self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad._internal.output.notebook import picture_bundle

        return dict(picture_bundle(self.canvas, self.theme, self.canvas.alt, include=include, exclude=exclude))


def write_as(formats: Registry, path: str | Path, thing: Any, **options: Any) -> Path:
    """Render a picture or film as the suffix of the path says, and only then touch the file."""
    renderer: Callable[..., bytes] = formats[suffix_of(path)]
    if not Path(path).parent.is_dir():  # before the work, not after it
        raise SaveError(f"cannot write {str(path)!r}: the folder {str(Path(path).parent)!r} does not exist; create it first")
    return write(path, render(renderer, thing, suffix_of(path), options))


def render(renderer: Callable[..., Any], thing: Any, what: str, options: Mapping[str, Any]) -> Any:
    """What the renderer makes of the thing; options that it does not have are an error."""
    known = list(inspect.signature(renderer).parameters)[1:]
    if wrong := [name for name in options if name not in known]:
        has = f"its options are {', '.join(known)}" if known else "it has none"
        raise OptionError(f"{wrong[0]}={options[wrong[0]]!r} is no option of {what}; {has}")
    return renderer(thing, **options)


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
        graph = graph.saying(notice("not unpacked"))
    del max_attr_chars
    source = graph.plot(direction="TB", gradients=False, local=False).to_dot()
    body = source.splitlines(keepends=True)[1:-1]  # between "digraph {" and "}"
    return graphviz.Digraph(body=body)
