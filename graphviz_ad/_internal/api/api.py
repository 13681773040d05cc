"""trace, plot, animate, TorchGraph: the whole pipeline on one screen.

trace ─▶ Graph ─transforms─▶ Graph ─describe─▶ Words ─tell─▶ steps
                                                └─build_scene─▶ Scene ─place─▶ Picture, Animation ─formats─▶ files
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from graphviz_ad._internal.api.looks import look_asked_for
from graphviz_ad._internal.api.still_plans import page_of, plain, still
from graphviz_ad._internal.base.argument_types import Axes, Destination, Says, StrPath, shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments, saves, takes
from graphviz_ad._internal.base.errors import GraphvizADWarning, MissingDependencyError, OptionError, UnknownNameError
from graphviz_ad._internal.base.needed_packages import broken
from graphviz_ad._internal.base.registry import Registry
from graphviz_ad._internal.base.save_folder import is_folder, write_folder
from graphviz_ad._internal.graph.fold_boxes import AUTO as WRONG
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notice_sentences import texts
from graphviz_ad._internal.output import documents
from graphviz_ad._internal.output.call_options import (
    FILE_ONLY,
    FILM_ONLY,
    STILL_FILE_ONLY,
    STILL_ONLY,
    AnimateOptions,
    ClassroomOptions,
    DrawOptions,
    FilmFile,
    PictureFile,
    PlotOptions,
    SaveOptions,
    StillFile,
    family,
    words_to_write,
)
from graphviz_ad._internal.output.file_writing import PATHS, render, suffix_for, write_as
from graphviz_ad._internal.output.format_table import FILMS, FRAMES, GRAPHS, MEANS_THE_FILM, STILLS, TOGETHER
from graphviz_ad._internal.output.notebook import ShowsItself, only_in_notebooks
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.paint import paint_frame
from graphviz_ad._internal.scene.picture_options import DIRECTIONS, names_given
from graphviz_ad._internal.scene.place import PLAIN, Finish, Size
from graphviz_ad._internal.scene.scene import Film, Scene, Step
from graphviz_ad._internal.scene.themes import Theme
from graphviz_ad._internal.tracing.ad_numbers import concerns
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.returned import EveryOutput
from graphviz_ad._internal.tracing.tape.collector import at_rest

if TYPE_CHECKING:
    import graphviz
    import torch

    from graphviz_ad._internal.diagnosis.history import History
    from graphviz_ad._internal.sheets.method_comparison import Comparison
    from graphviz_ad._internal.tracing.recording import Recording

TRACERS = Registry(
    "framework",
    {
        "torch": "graphviz_ad._internal.tracing.entry:trace",
        "ADNumber": "graphviz_ad._internal.tracing.ad_numbers:trace",
    },
)
BLACK_BOXES = Registry(
    "framework",
    {
        "torch": "graphviz_ad._internal.tracing.black_box:BlackBox",
        "ADNumber": "graphviz_ad._internal.tracing.ad_numbers:BlackBox",
    },
)
ATTRIBUTES = Registry(
    "framework", {"torch": "graphviz_ad._internal.tracing.assembly.plain_attributes:plain_attributes"}
)
RECORDERS = Registry("framework", {"torch": "graphviz_ad._internal.tracing.entry:recording"})
# modules between the user's call and ours
BETWEEN = tuple(f"graphviz_ad._internal.{name}" for name in ("ad_number", "base.checked_calls", "api.methods"))
Class = TypeVar("Class", bound=type)
MIN_PIXELS, MAX_PIXELS = 16, 16384  # of a side of a frame
DRAWN = (".svg", ".png", ".pdf", ".tikz", ".pgf")
# option of a file -> the formats that it changes
ACTS_ON = {"width": DRAWN, "scale": DRAWN, "dpi": (".png",), "transparent": (".svg", ".png", ".pdf")}
MEANT = ("finished tensors", "gradients not asked for")  # kinds of notices that say what make_dot is for
IN_DEJAVU = (".png", ".pdf")


OutputName = Annotated[
    str | None,
    Says(
        "which of the outputs is differentiated; None: a single number called loss alone, else all. An input of the"
        " target's own that is called so goes by position, or into functools.partial",
        "name of an output",
    ),
]


@checking_arguments
def trace(
    target: Any,
    *args: Any,
    grad_outputs: Any = None,
    capture: Capture | None = None,
    output: OutputName = None,
    **kwargs: Any,
) -> Graph:
    """Run `target` once forward and once backward, and return the graph with every value and gradient.

    ``target`` is a function, an ``nn.Module``, or a finished tensor, `ADNumber` or (nested) collection of them.
    ``args`` and ``kwargs`` are passed to it: numbers, lists of numbers and numpy arrays become new tensors that require
    grad (float64, or a module's own dtype), tensors are used as they are; beside an `ADNumber`, numbers become
    ADNumbers. Integers and truth values stay what they are for a module, and anything does in `constant`.

    Outputs are the tensors in what it returns, in collections, dataclasses and other objects, too. A single number
    called "loss" is differentiated alone, as in training, and a notice says so; else all are, their sum. ``output``
    chooses another by its name, such as "logits" or "dist.loc". ``grad_outputs`` is the upstream gradient of each
    output, of its shape; default ones. No ``.grad`` is touched.

    Raises `NoTensorError` if nothing returned has a gradient graph, `GradOutputsError` if the upstream gradients do not
    fit, and whatever the target itself or its backward pass raises, unchanged, with the graph so far as its ``graph``;
    but for a TypeError that comes of a number that was made a tensor: then `NumberMadeError`, a TypeError that says
    which.
    """
    framework = framework_of(target, args, kwargs)
    names = _module_level_names(sys._getframe(1))
    graph: Graph = TRACERS[framework](target, args, kwargs, grad_outputs, capture or Capture(), names, output)
    return graph


def framework_of(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Which front end is meant, by what it is given."""
    return "ADNumber" if concerns(target, args, kwargs) else "torch"


@checking_arguments
def record(
    module: torch.nn.Module | None = None,
    capture: Capture | None = None,
    *,
    every: Annotated[
        int | None, Says("keep summaries alone, of every so manieth backward pass; None: record everything", least=1)
    ] = None,
    file: Annotated[StrPath | None, Says("write each summary here as it comes, to be read by read_history()")] = None,
    log: Annotated[
        Any, Says("with every=: a SummaryWriter of TensorBoard, a run of Weights & Biases or the like, which gets them")
    ] = None,
) -> Recording:
    """Record a stretch of your own program: ``with record(model) as rec: …``, then ``rec.graph``.

    Everything that this thread runs in the block is recorded, your own ``backward()`` calls and optimizer steps
    included; each backward pass is kept apart in ``rec.graph.passes``. ``module`` gives its parameters their dotted
    names. If the block raises, the exception is yours unchanged, and ``rec.graph`` is the graph up to there. While the
    block is open the entry of torch's engine is wrapped.

    ``rec.history`` has norms of weights and gradients, and what was found, a step for each backward pass. With
    ``every=100`` it is all that is kept, of every hundredth pass: no operation is recorded, so that a whole training
    run can stand in the block; how far the step after that pass took each parameter is noted, too. ``rec.graph`` then
    is the structure of the last pass that was looked at, without values. With ``file="run.jsonl"`` each summary is
    written as it comes, so that a run that was killed leaves a history: ``read_history("run.jsonl")``. Without
    ``every``, what a process calls of torch.distributed is written there, too, before it is called: what the files of
    all ranks say together ``graphviz-ad diagnose rank0.jsonl rank1.jsonl`` tells, whichever of them was killed. ``log``
    is told of each summary, once it is known how far the step went: a SummaryWriter of TensorBoard, a run of Weights &
    Biases, a logger of Lightning, what has ``log(numbers, step=)``, or a function of numbers and a step; of several
    ranks the first alone. If it raises, the training goes on.
    """
    if log is not None and every is None:
        raise OptionError("log= is for summaries; say of how many passes: record(model, every=100, log=…)")
    from graphviz_ad._internal.diagnosis.history import found_in, history_of_graph, history_of_steps
    from graphviz_ad._internal.diagnosis.step_log import step_logs

    names = _module_level_names(sys._getframe(1))
    judges = (history_of_graph, history_of_steps, found_in)
    path, told = Path(file) if file is not None else None, step_logs(log) if log is not None else ()
    return RECORDERS["torch"](module, capture or Capture(), names, every, judges, path, told)  # type: ignore[no-any-return]


@checking_arguments
def read_history(path: StrPath) -> History:
    """The history of a training run from the file that ``record(model, file=…)`` wrote, or is writing."""
    from graphviz_ad._internal.diagnosis.history import history_of_steps
    from graphviz_ad._internal.graph.history_files import steps_of_file

    return history_of_steps(steps_of_file(Path(path)))


def _module_level_names(frame: FrameType) -> Mapping[str, Any]:
    """The variables of the calling script or notebook, but for those that begin with "_", which nobody meant to be
    names; never a function's, since reading those would keep them alive.
    """
    while frame.f_globals.get("__name__") in BETWEEN and frame.f_back is not None:
        frame = frame.f_back
    in_function = bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED)
    if in_function or frame.f_locals is not frame.f_globals:
        return {}
    return {name: thing for name, thing in frame.f_globals.items() if not name.startswith("_")}


@checking_arguments
def compare_methods(
    target: Any, *args: Any, wrt: str | None = None, output: OutputName = None, **kwargs: Any
) -> Comparison:
    """Numeric, symbolic and automatic derivatives of a function side by side: what each gives, how far off it is,
    and what it costs.

    ``target``, its inputs and ``output`` are as for `trace`. The numeric derivatives call the function itself, with
    steps from 1 to 1e-16, once or twice for every number among the inputs; ``wrt`` names one input, and the others stay
    as they are. Errors are measured by the formulas to thirty digits where sympy is installed and the function has
    formulas, by automatic differentiation otherwise.
    """
    from graphviz_ad._internal.sheets.method_comparison import compare_on_function, of_graph

    if not callable(target):
        return of_graph(trace(target, *args, output=output, **kwargs), wrt)
    # before the trace, which may draw random numbers
    box = BLACK_BOXES[framework_of(target, args, kwargs)](target, args, kwargs, output)
    return compare_on_function(trace(target, *args, output=output, **kwargs), box, box.inputs, wrt)


def trackable_function(cls: Class) -> Class:
    """Let a ``torch.autograd.Function`` appear under its class attribute ``name``, for example ``name =
    r"$\\sigma$"``.
    """
    from graphviz_ad._internal.tracing.trackable import trackable_class as decorate

    decorate(cls)
    return cls


# --- pictures


@takes(DrawOptions)
def plot(graph: Graph, asked: DrawOptions) -> Picture:
    """A still picture of a graph: in a notebook it shows itself, ``.save(path)`` writes it; ``ax=`` draws it there."""
    return drawn_in(graph, asked, asked.ax)


def drawn_in(graph: Graph, asked: PlotOptions, axes: Axes | None) -> Picture:
    """The picture that was asked for, drawn in an Axes, too, if there is one."""
    if axes is None:
        return drawn(graph, asked)
    from graphviz_ad._internal.renderers.images.matplotlib_axes import draw_in_axes, room_in

    picture = drawn(graph, asked, room=room_in(axes))
    draw_in_axes(picture.canvas, picture.theme, axes)
    return picture


def where_it_went_wrong(graph: Graph, asked: PlotOptions) -> Graph:
    """The graph; of several passes, where the anomaly is asked for, that of the pass in which it came up."""
    if WRONG not in names_given(asked.focus) or len(graph.passes) < 2:
        return graph
    from graphviz_ad._internal.diagnosis.surroundings import pass_of
    from graphviz_ad._internal.graph.anomalies import anomalous

    first = anomalous(graph)[:1]
    return pass_of(graph, first[0]) if first else graph


def drawn(
    graph: Graph,
    asked: PlotOptions,
    remarks: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    arranged: bool = True,
    room: Size | None = None,
    saved: bool = True,
) -> Picture:
    """The picture that was asked for; ``remarks`` (key -> lines) stand in the boxes, too. Where somebody else will
    place the boxes, it is not ``arranged`` for a place: each node has one box. ``room`` is that where it will be seen;
    ``saved``: whether labels of autograd say what it keeps.
    """
    if asked.output is not None and asked.wrt is None:
        raise OptionError(
            f"output={asked.output!r} says which paths are meant, but none were asked for; name the input that they"
            " come from, too, with wrt="
        )
    graph = where_it_went_wrong(graph, asked)
    values, gradients, local = words_to_write(asked)
    chosen = look_asked_for(
        asked,
        direction=asked.direction,
        values=values,
        gradients=gradients,
        local=local,
        depth=asked.depth,
        graph=graph,
        saved=saved,
    )
    made = still(graph, chosen, asked, remarks, room) if arranged else plain(graph, chosen, asked, remarks)
    finish = Finish(made.place, family(asked.font) or chosen.theme.font)
    return Picture(
        made.graph, made.scene, chosen.theme, finish, page=partial(page_of, graph, chosen, asked, remarks, made)
    )


@takes(AnimateOptions)
def animate(graph: Graph, asked: AnimateOptions) -> Animation:
    """A film of the forward pass, the backward pass, or both, on a picture in which nothing moves; ``wrt``,
    ``tangents`` and ``passes`` are other stories.
    """
    return filmed(graph, asked)


def filmed(graph: Graph, asked: AnimateOptions) -> Animation:
    """The film that was asked for."""
    from graphviz_ad._internal.api.films import made_film

    return Animation(*made_film(graph, asked))


@saves(SaveOptions)
def save(graph: Graph, path: Destination, asked: SaveOptions) -> Path | None:
    """Write a film where the suffix is that of one (.gif, .mp4, .html, …), a picture where it can be one (.svg,
    .png, .pdf, …); returns the path.

    A still page comes from ``plot(graph).save("page.html")``. As .json and .graphml the whole graph is saved, for
    `Graph.load`; with options, what they leave of it. ``path`` may be a file that is open for bytes, with ``format=``.
    """
    return saved(graph, path, asked)


def saved(graph: Graph, path: Destination, asked: SaveOptions) -> Path | None:
    """The file that was asked for."""
    suffix = suffix_for(path, asked.format)
    if suffix not in FILMS and suffix not in STILLS:
        raise UnknownNameError("format", suffix, {*STILLS, *FILMS}, "The suffix of the file chooses the format.")
    film = suffix in FILMS and (suffix in MEANS_THE_FILM or suffix not in STILLS)
    chosen = {name: value for name, value in asked.given.items() if name != "format"}
    in_film, in_still = (*FILM_ONLY, *FILE_ONLY), (*STILL_ONLY, *STILL_FILE_ONLY)
    of_the_other = {*in_still} - {*in_film} if film else {*in_film} - {*in_still}
    wrong = [
        name
        for name, value in chosen.items()
        if name in of_the_other or (name == "direction" and value in (DIRECTIONS if film else film_directions()))
    ]
    if wrong:
        what, other, call = ("film", "still", "plot") if film else ("still", "film", "animate")
        option = f"{wrong[0]}={chosen[wrong[0]]!r}"
        remedy = "leave it out" if wrong[0] in FILE_ONLY else f"use graph.{call}({option}).save(path)"
        raise OptionError(f"{option} is an option of a {other}, but {suffix} is a {what} here; {remedy}")
    if suffix in GRAPHS and not chosen:  # as it was recorded, nothing folded or hidden
        return write_as(GRAPHS, path, graph, asked.format)
    if not film:
        of_file = {name: chosen.pop(name) for name in STILL_FILE_ONLY if name in chosen}
        return written_still(
            drawn(graph, PlotOptions.of(chosen)), path, StillFile.of(of_file | {"format": asked.format})
        )
    of_file = {name: chosen.pop(name) for name in FILE_ONLY if name in chosen}
    if chosen.get("direction", "") is None:
        del chosen["direction"]
    return written(filmed(graph, AnimateOptions.of(chosen)), path, FilmFile.of(of_file | {"format": asked.format}))


def film_directions() -> tuple[str, ...]:
    """What a film may tell: ways of a story, not of a picture."""
    from graphviz_ad._internal.film.story import DIRECTIONS as told

    return told


@dataclass(frozen=True)
class Picture(ShowsItself):
    """A still picture; the last expression of a notebook cell shows it."""

    graph: Graph
    scene: Scene
    theme: Theme
    finish: Finish = PLAIN
    page: Callable[[], tuple[Scene, Mapping[str, Scene]]] | None = field(
        default=None, compare=False, repr=False, kw_only=True
    )

    @cached_property
    def canvas(self) -> Canvas:
        """The picture as marks."""
        return self.finish.canvas(self.scene)

    @property
    def png_scale(self) -> float:
        """Pixels a point of a PNG."""
        return self.finish.dpi / 72

    def to_svg(self) -> str:
        """A standalone SVG document."""
        from graphviz_ad._internal.renderers.svg.still import svg_file

        with at_rest():
            return svg_file(self.canvas, self.theme)

    def to_dot(self) -> str:
        """DOT source of the picture, for any Graphviz."""
        from graphviz_ad._internal.layouts.dot_language import readable_source

        return readable_source(self.scene, self.theme, self.finish.font)

    to_tikz, to_pgf = documents.to_tikz, documents.to_pgf

    @saves(StillFile)
    def save(self, path: Destination, asked: StillFile) -> Path | None:
        """Write the picture; the suffix chooses: .svg, .png, .pdf, .dot, .html, .json, … Returns the path.

        ``path`` may be a file that is open for bytes, with ``format=``.
        """
        return self._written(path, asked)

    def _written(self, path: Destination, asked: StillFile) -> Path | None:
        return written_still(self, path, asked)

    def show(self) -> Picture:
        """The picture itself, which a notebook displays; elsewhere a warning says how to see it."""
        only_in_notebooks("picture", "save('picture.svg')")
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad._internal.output.notebook import picture_bundle

        return dict(picture_bundle(self.canvas, self.theme, self.scene.alt, include=include, exclude=exclude))

    def __repr__(self) -> str:
        """What the picture shows, in a sentence."""
        return self.scene.alt


# kinds of notices about the level on which a film is told -> the same in a few words
TOLD = {
    "told by line": "told by line to be read at once",
    "told by larger line": "told by line for larger letters and fewer steps",
    "told by module": "told by module to be read at once",
    "told by larger module": "told by module for larger letters",
}


@dataclass(frozen=True)
class Animation(ShowsItself):
    """A film; the last expression of a notebook cell shows it as a player."""

    graph: Graph
    film: Film
    theme: Theme

    @property
    def steps(self) -> tuple[Step, ...]:
        """What happens, step by step."""
        return self.film.steps

    @checking_arguments
    def frame(
        self, index: int, size: Annotated[tuple[int, int] | None, Says("width and height in pixels")] = None
    ) -> Frame:
        """The frame of a step, in pixels; negative indices count from the end. A pure function of the index."""
        if size is not None and not all(MIN_PIXELS <= length <= MAX_PIXELS for length in size):
            raise OptionError(
                f"size={size!r} is no size of a frame; give width and height in pixels, each from {MIN_PIXELS} to"
                f" {MAX_PIXELS}"
            )
        if not -len(self.steps) <= index < len(self.steps):
            raise IndexError(
                f"frame {index} does not exist; the film has {len(self.steps)} steps, 0 to {len(self.steps) - 1}"
            )
        return Frame(paint_frame(self.film, index, size), self.theme)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return sum(self.film.seconds(i) for i in range(len(self.steps)))

    def transcript(self) -> str:
        """The film as text, a line each step."""
        lines = [
            f"step {i + 1}/{len(self.steps)} · {step.phase}: " + " ".join(step.said)
            for i, step in enumerate(self.steps)
        ]
        return "\n".join(lines)

    @saves(FilmFile)
    def save(self, path: Destination, asked: FilmFile) -> Path | None:
        """Write the film; the suffix chooses: .gif, .webp, .png, .mp4, .webm, .html, …, or / at the end for a folder
        of frames. Returns the path.

        ``path`` may be a file that is open for bytes, with ``format=``.
        """
        return written(self, path, asked)

    @checking_arguments
    def save_all(self, name: StrPath) -> tuple[Path, ...]:
        """Write the film in every form that is a file, all under one name, and return the files. Left out are folders,
        which have calls of their own: frames by ``save("name/")``, clips of the steps by ``save_slides("name")``.

        What an optional package is missing for is left out, with a warning. Where others fail, the rest is written and
        a SaveError says which and why.
        """
        return documents.write_set(self, name)

    to_svg, to_html, to_beamer, to_pptx = documents.to_svg, documents.to_html, documents.to_beamer, documents.to_pptx
    to_reveal, to_quarto, to_myst = documents.to_reveal, documents.to_quarto, documents.to_myst
    to_matplotlib, save_slides = documents.to_matplotlib, documents.save_slides

    @checking_arguments
    def storyboard(self, *, rows: int = 2, columns: int = 3) -> Frame:
        """A sheet of the most telling frames, for print; save it as .pdf, .svg or .png."""
        from graphviz_ad._internal.film.storyboard import storyboard

        return Frame(storyboard(self.film, rows, columns), self.theme, 3.0)

    def show(self) -> Animation:
        """The film itself, which a notebook displays as a player; elsewhere a warning says how to see it."""
        only_in_notebooks("film", "save('film.html')")
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad._internal.output.notebook import film_bundle

        return dict(film_bundle(self.film, self.theme, self.transcript(), include=include, exclude=exclude))

    def __repr__(self) -> str:
        """How long the film is and of what; on which level it is told, and why, where nobody asked for that."""
        level = next((f", {TOLD[note.kind]}" for note in self.graph.notes if note.kind in TOLD), "")
        return f"<Animation of {self.film.title}: {len(self.steps)} steps, {self.duration:.0f} s{level}>"


@dataclass(frozen=True)
class Frame(ShowsItself):
    """One frame of a film, or a sheet with several; as PNG it has ``png_scale`` pixels a unit of its canvas."""

    canvas: Canvas
    theme: Theme
    png_scale: float = 1.0

    def to_svg(self) -> str:
        """A standalone SVG document."""
        from graphviz_ad._internal.renderers.svg.still import svg_file

        return svg_file(self.canvas, self.theme)

    to_tikz, to_pgf = documents.to_tikz, documents.to_pgf

    @saves(PictureFile)
    def save(self, path: Destination, asked: PictureFile) -> Path | None:
        """Write the frame as .png, .svg, .pdf, .tikz or .pgf. Returns the path."""
        return write_as(FRAMES, path, self, asked.format)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        from graphviz_ad._internal.output.notebook import picture_bundle

        return dict(picture_bundle(self.canvas, self.theme, self.canvas.alt, include=include, exclude=exclude))


def written_still(picture: Picture, path: Destination, asked: StillFile) -> Path | None:
    """The file of a still that was asked for."""
    suffix = suffix_for(path, asked.format)
    idle = [name for name in STILL_FILE_ONLY if name in asked.given and suffix not in ACTS_ON[name]]
    if idle:
        where = ", ".join(ACTS_ON[idle[0]])
        raise OptionError(
            f"{idle[0]}={asked.given[idle[0]]!r} does nothing to {suffix}; leave it out, or save as one of {where}"
        )
    if picture.finish.font and suffix in IN_DEJAVU:
        warnings.warn(
            f"{suffix} is set in DejaVu Sans, not in {picture.finish.font!r}; .svg is set in any font",
            GraphvizADWarning,
            stacklevel=4,
        )
    finish = picture.finish.with_file(asked.width, asked.scale, asked.dpi, asked.transparent)
    return write_as(STILLS, path, replace(picture, finish=finish), asked.format)


def written(animation: Animation, path: Destination, asked: FilmFile) -> Path | None:
    """The file of a film that was asked for."""
    options = {name: value for name, value in asked.given.items() if name != "format"}
    if isinstance(path, PATHS):
        if asked.format is None and is_folder(path):
            from graphviz_ad._internal.output.formats import numbered_frames

            return write_folder(path, render(numbered_frames, animation, "a folder of frames", options))
        suffix = suffix_for(path, asked.format)
        if suffix in TOGETHER:
            return Path(render(TOGETHER[suffix], animation, suffix, {"path": path, **options}))
    return write_as(FILMS, path, animation, asked.format, **options)


class TorchGraph(ShowsItself):
    """The classroom entry point: the graph of ``func`` at ``inputs``, ready to plot and to animate.

    ``inputs`` is a list of numbers, arrays or tensors, one an argument; ``grad_outputs`` a list of upstream gradients,
    one an output; ``output`` is as for `trace`.
    """

    @checking_arguments
    def __init__(
        self, func: Callable[..., Any], inputs: Iterable[Any], grad_outputs: Any = None, output: OutputName = None
    ) -> None:
        self.graph = trace(func, *inputs, grad_outputs=grad_outputs, output=output)

    @takes(ClassroomOptions)
    def plot(self, asked: ClassroomOptions) -> Picture:
        """The graph; ``with_all=True`` writes values, gradients and local derivatives on it."""
        return drawn_in(self.graph, asked, asked.ax)

    @takes(AnimateOptions)
    def animate(self, asked: AnimateOptions) -> Animation:
        """The film of the pass in that direction: forward, backward or both."""
        return filmed(self.graph, asked)

    @saves(SaveOptions)
    def save(self, path: Destination, asked: SaveOptions) -> Path | None:
        """Write a picture or film of the graph; the suffix chooses."""
        return saved(self.graph, path, asked)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return self.plot()._repr_mimebundle_(include, exclude)


@checking_arguments
def make_dot(
    var: Any,
    params: Mapping[str, Any] | None = None,
    show_attrs: bool = False,
    show_saved: bool = False,
    max_attr_chars: Annotated[
        int, Says("so many characters of each attribute are shown", "number of characters", least=1)
    ] = 50,
) -> graphviz.Digraph:
    """The autograd graph behind a finished tensor as a ``graphviz.Digraph``, as torchviz's function of this name
    gives it.

    ``params`` names leaves. No forward or backward pass is run. ``show_attrs`` writes what autograd keeps beside
    tensors, such as an exponent, in up to ``max_attr_chars`` characters each; ``show_saved`` the names of the tensors
    that it keeps, and "unknown" where torch would tell only by unpacking them: they are never unpacked, so that no
    checkpoint runs by surprise.
    """
    try:
        import graphviz
    except ImportError as error:
        instead = "trace() and plot() do without it"
        raise MissingDependencyError("graphviz", "", "make_dot", instead, broken(error, "graphviz")) from error

    if callable(var):
        raise OptionError(
            f"make_dot takes a finished tensor; it was given {shown_value(var)}, which still has to be called: use"
            " trace()"
            " for a function or a module"
        )
    if max_attr_chars != 50 and not show_attrs:
        raise OptionError(
            f"max_attr_chars={max_attr_chars} cuts attributes short, which are not shown; give show_attrs=True, too, or"
            " leave it out"
        )
    capture = Capture(values="summary", gradients="none")
    graph: Graph = TRACERS["torch"](var, (), {}, None, capture, dict(params or {}), EveryOutput())
    remarks = kept_attributes(var, graph, max_attr_chars) if show_attrs else {}
    return graphviz.Digraph(body=autograd_as_dot(graph, remarks, saved=show_saved))


def kept_attributes(var: Any, graph: Graph, most: int) -> dict[str, list[str]]:
    """Node -> what autograd keeps there beside tensors, in up to ``most`` characters each."""
    return {
        key: [f"{name}: {text if len(text) <= most else text[: most - 1] + '…'}" for name, text in attributes]
        for key, attributes in ATTRIBUTES["torch"](var, graph).items()
    }


def autograd_as_dot(graph: Graph, remarks: Mapping[str, Sequence[str]], *, saved: bool) -> list[str]:
    """The graph of a finished tensor as torchviz draws it, nothing folded: the lines between the braces."""
    shown = PlotOptions(
        direction="TB",
        values=False,
        gradients=False,
        local=False,
        constants="boxes",
        labels="autograd",
        boxes=len(graph.nodes) + 1,
    )
    picture = drawn(graph, shown, remarks, arranged=False, saved=saved)
    notes = texts(note for note in picture.graph.notes if note.kind not in MEANT)
    source = replace(picture, scene=replace(picture.scene, title="", notes=notes)).to_dot()
    return source.splitlines(keepends=True)[1:-1]
