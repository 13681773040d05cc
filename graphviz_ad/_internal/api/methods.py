"""The methods of Graph, ADNumber and Explanation that do the work of later rooms, put on these classes here: none of
them knows what is above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from graphviz_ad._internal.ad_number import ADNumber
from graphviz_ad._internal.api.api import Animation, Picture, animate, drawn, drawn_in, filmed, plot, save, trace
from graphviz_ad._internal.base.argument_types import Destination, Says, StrPath
from graphviz_ad._internal.base.checked_calls import checking_arguments, saves, takes
from graphviz_ad._internal.diagnosis.findings import Diagnosis
from graphviz_ad._internal.diagnosis.history import History
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.target import Numeric
from graphviz_ad._internal.maths.detail_levels import at_detail
from graphviz_ad._internal.output import notebook
from graphviz_ad._internal.output.call_options import (
    AnimateOptions,
    Detail,
    DrawOptions,
    ExplanationFile,
    PathsPicture,
    PlotOptions,
    ThemeName,
    ThemeOptions,
)
from graphviz_ad._internal.output.networkx_graph import networkx_graph
from graphviz_ad._internal.scene.picture_options import AUTO
from graphviz_ad._internal.scene.themes import theme as theme_named

if TYPE_CHECKING:
    from graphviz_ad._internal.check.gradient_check import Report
    from graphviz_ad._internal.diagnosis.parameter_table import Table
    from graphviz_ad._internal.explain.forward_mode import Tangents
    from graphviz_ad._internal.explain.mode_costs import ModeCosts
    from graphviz_ad._internal.output.chart import Chart
    from graphviz_ad._internal.sheets.method_comparison import Comparison

MOST_SHOWN = 1000  # nodes of a graph that shows itself unasked
Name = Annotated[str, Says("a variable, parameter or input")]

# --- of a graph


@takes(PlotOptions)
def to_dot(graph: Graph, asked: PlotOptions) -> str:
    """DOT source of the picture."""
    return drawn(graph, asked, arranged=asked.fit is not None).to_dot()


@takes(PlotOptions)
def to_svg(graph: Graph, asked: PlotOptions) -> str:
    """The picture as a standalone SVG document."""
    return drawn(graph, asked).to_svg()


def graph_bundle(graph: Graph, include: object = None, exclude: object = None) -> dict[str, object]:
    """What a notebook shows of a graph: its picture, and in words what it is; words alone of one that is too large."""
    words = {"text/plain": repr(graph)}
    if len(graph.node_list) > MOST_SHOWN:
        return dict(notebook.chosen(words, include, exclude))
    return dict(plot(graph)._repr_mimebundle_(include, exclude)) | dict(notebook.chosen(words, include, exclude))


def as_html(thing: Graph | Explanation) -> str | None:
    """What shows itself, for front ends that ask for HTML."""
    return notebook.form(thing, "text/html")


def as_svg(thing: Graph | Explanation) -> str | None:
    """What shows itself, for front ends that ask for SVG."""
    return notebook.form(thing, "image/svg+xml")


@checking_arguments
def load(path: StrPath) -> Graph:
    """Read a graph that was saved as JSON or GraphML."""
    return graph_files.read_graph(path)


@checking_arguments
def explain(
    graph: Graph,
    wrt: Name,
    output: Annotated[str | None, Says("a result; None: what the backward pass started from")] = None,
    *,
    detail: Detail = "auto",
) -> Explanation:
    """How the gradient with respect to ``wrt`` comes about, path by path.

    Without ``output`` it is the gradient that the backward pass computed: of the one output, or of the sum of several,
    each times what was fed in there. With the name of an output, or of any result on the way, it is the derivative of
    that alone. ``detail`` says what a step of a path is: an operation, as "op" and "auto" have it, a "line" of the
    program, a "call" of one of its functions, or a "module".
    """
    from graphviz_ad._internal.explain import explainer

    shown = graph if detail == AUTO else at_detail(graph, detail)
    return explainer.explain_gradient(shown, wrt, output)


@checking_arguments
def check(
    graph: Graph,
    *,
    capture: bool = False,
    numeric: Annotated[
        Numeric, Says("whether the target is run again", "way to check by numbers", hint="Or give True or False.")
    ] = "auto",
) -> Report:
    """Compare the gradients with the sums over edges and with finite differences; with ``capture``, verify how
    operations were linked to autograd, too.

    Differences are taken of the formulas of the recorded operations, and of the target of `trace` itself: with
    ``numeric=True`` it is run again along random directions of its parameters and inputs, and the backward of each
    custom Function is held against its forward; "auto" does so where formulas leave a gradient open and the target is
    not very large, False never does. Some twenty runs are usual, and more where something is wrong; they are of copies
    in double precision where that can be, all from the state that the traced run began in, dropout and batch
    statistics included, and change no parameter, buffer, ``.grad`` or random number of yours. What else a target
    does, such as to print or to write to a file, it does again each time.

    ``report.ok`` is False if something is wrong, and None if nothing is but nothing was examined either;
    ``report.coverage`` is how many of the parameters and inputs were examined, and of how many.
    """
    from graphviz_ad._internal.check import gradient_check

    return gradient_check.check_gradients(graph, capture=capture, numeric=numeric)


@checking_arguments
def why(graph: Graph, name: Name) -> str:
    """Why a result has the gradient that it has, or has none: where it came from or what keeps it away, and what to
    do; by its name or key.
    """
    from graphviz_ad._internal.explain import reasons

    return reasons.why_gradient(graph, name)


@checking_arguments
def diagnose(
    graph: Graph,
    budget: Annotated[int | None, Says("how many tokens the text may have; None: as many as it takes")] = None,
) -> Diagnosis:
    """What is wrong with the recorded program, found without a question: findings ordered by weight, each with its
    place in the program, its cause as a chain of recorded facts, and what to do.

    ``print(g.diagnose())`` shows it as a text; ``.findings`` are values whose kinds and keys stay what they are, listed
    in docs/diagnosis.md. A recording of a whole training step, ``with record(model)``, tells most: `trace` knows of no
    optimizer. With a ``budget``, the text keeps within so many tokens and never leaves out the first three findings.
    """
    from graphviz_ad._internal.diagnosis import diagnosis as diagnosing

    return diagnosing.diagnose(graph, budget)


@checking_arguments
def table(graph: Graph) -> Table:
    """A table of parameters and modules: norms of weight, gradient and update, the share of zeros, what is not finite,
    bytes saved for the backward pass. ``print`` shows it, ``.sorted("gradient")`` orders it, ``.to_csv()`` and
    ``.to_pandas()`` hand it on.
    """
    from graphviz_ad._internal.diagnosis import parameter_table

    return parameter_table.table_of(graph)


@checking_arguments
def fingerprint(
    graph: Graph, *, values: Annotated[bool, Says("take the norms of values and gradients in, rounded")] = False
) -> str:
    """A short text that is the same for the same structure, shapes and dtypes, to be compared in a test; names of
    variables and lines do not count. With ``values``, norms to 3 digits are taken in.
    """
    from graphviz_ad._internal.diagnosis import fingerprint as fingerprints

    return fingerprints.fingerprint_of(graph, values=values)


@checking_arguments
def tangents(
    graph: Graph,
    wrt: Annotated[str | Mapping[str, Any], Says("an input, or how far inputs move by their names", "direction")],
) -> Tangents:
    """Forward mode: how every result changes when the input ``wrt`` moves by 1, or when inputs move as a mapping
    from names says.
    """
    from graphviz_ad._internal.explain import forward_mode

    return forward_mode.tangents_of(graph, wrt)


def mode_costs(graph: Graph) -> ModeCosts:
    """How many sweeps and products all derivatives of a function are in either mode."""
    from graphviz_ad._internal.explain import mode_costs as counting

    return counting.mode_costs(graph)


@checking_arguments
def compare_methods(graph: Graph, wrt: str | None = None) -> Comparison:
    """Numeric, symbolic and automatic derivatives side by side, where every operation has a formula; see
    `graphviz_ad.compare_methods`.
    """
    from graphviz_ad._internal.sheets import method_comparison

    return method_comparison.of_graph(graph, wrt)


# --- of a diagnosis


@takes(DrawOptions)
def plot_diagnosis(diagnosis: Diagnosis, asked: DrawOptions) -> Picture:
    """The picture with the places of the findings marked; of a large graph, what lies around the first three."""
    from graphviz_ad._internal.diagnosis import surroundings

    chosen = {"detail": "op"} | {name: asked.given[name] for name in asked.given if name != "ax"}
    part = surroundings.around_findings(diagnosis)
    return drawn(part, PlotOptions.of(chosen), surroundings.remarks(diagnosis))


@checking_arguments
def diagnosis_page(diagnosis: Diagnosis, *, theme: ThemeName = "auto") -> str:
    """The findings with the picture around them, as a page of its own that loads nothing."""
    from graphviz_ad._internal.output import diagnosis_html

    picture = diagnosis.plot(theme=theme) if diagnosis.findings and diagnosis.graph.node_list else None
    chosen = picture.theme if picture is not None else theme_named(theme)
    return diagnosis_html.page(diagnosis, picture.canvas if picture is not None else None, chosen)


# --- of an ADNumber


@takes(DrawOptions)
def plot_number(number: ADNumber, asked: DrawOptions) -> Picture:
    """The picture of how this number was computed."""
    return drawn_in(trace(number), asked, asked.ax)


@takes(AnimateOptions)
def animate_number(number: ADNumber, asked: AnimateOptions) -> Animation:
    """The film of how it was computed and differentiated."""
    return filmed(trace(number), asked)


# --- of an explanation


@takes(PathsPicture)
def plot_paths(explanation: Explanation, asked: PathsPicture) -> Picture:
    """The picture with each path in a colour, dash pattern and letter of its own."""
    target, chosen = explanation.course.target, {name: asked.given[name] for name in asked.given if name != "ax"}
    if asked.with_all is None:
        chosen.setdefault("gradients", asked.gradients)
    paths = {"wrt": explanation.wrt, "output": explanation.names.of[target] if target is not None else None}
    return drawn_in(explanation.graph, PlotOptions.of(chosen | paths), asked.ax)


def to_text(explanation: Explanation) -> str:
    """The worked solution."""
    from graphviz_ad._internal.explain import worked_text

    return worked_text.solution_text(explanation)


def explanation_bundle(explanation: Explanation, include: object = None, exclude: object = None) -> dict[str, object]:
    """Text for a terminal, picture and text for a cell, LaTeX for an export to PDF."""
    from graphviz_ad._internal.output import worked_html

    return worked_html.notebook_bundle(explanation, include, exclude)


@checking_arguments
def to_latex(explanation: Explanation, *, document: bool = False) -> str:
    """The worked solution as an ``align*`` environment for a handout, or as a whole document."""
    from graphviz_ad._internal.output import worked_latex

    return worked_latex.to_latex(explanation, document=document)


@checking_arguments
def to_html(explanation: Explanation, *, theme: ThemeName = "auto") -> str:
    """The worked solution with its picture, as a page of its own that loads nothing."""
    from graphviz_ad._internal.output import worked_html

    return worked_html.page(explanation, theme)


@saves(ExplanationFile)
def save_solution(explanation: Explanation, path: Destination, asked: ExplanationFile) -> Path | None:
    """Write the solution (.txt, .tex, .html) or the picture (.svg, .png, .pdf, …); the suffix chooses. Returns the
    path.
    """
    from graphviz_ad._internal.output import worked_files

    return worked_files.save(
        explanation, path, asked.format, {name: value for name, value in asked.given.items() if name != "format"}
    )


# --- of a history


@takes(ThemeOptions)
def plot_history(history: History, asked: ThemeOptions) -> Chart:
    """Loss, gradient and update as curves over the steps, with the first bad step marked."""
    from graphviz_ad._internal.output.chart import Chart
    from graphviz_ad._internal.sheets.history_chart import history_chart

    return Chart(history_chart(history), theme_named(asked.theme), str(history))


METHODS: Mapping[type, Mapping[str, Any]] = {
    Graph: {
        "nx": property(networkx_graph),
        "plot": plot,
        "animate": animate,
        "save": save,
        "to_dot": to_dot,
        "to_svg": to_svg,
        "to_json": graph_files.to_json,
        "load": load,
        "explain": explain,
        "check": check,
        "why": why,
        "diagnose": diagnose,
        "table": table,
        "fingerprint": fingerprint,
        "tangents": tangents,
        "mode_costs": mode_costs,
        "compare_methods": compare_methods,
        "_repr_mimebundle_": graph_bundle,
        "_repr_html_": as_html,
        "_repr_svg_": as_svg,
    },
    Diagnosis: {"plot": plot_diagnosis, "to_html": diagnosis_page},
    History: {"plot": plot_history},
    ADNumber: {"plot": plot_number, "animate": animate_number},
    Explanation: {
        "plot": plot_paths,
        "save": save_solution,
        "to_text": to_text,
        "to_latex": to_latex,
        "to_html": to_html,
        "_repr_mimebundle_": explanation_bundle,
        "_repr_html_": as_html,
    },
}
STATIC = (load,)


for _owner, _methods in METHODS.items():
    for _name, _function in _methods.items():
        setattr(_owner, _name, staticmethod(_function) if _function in STATIC else _function)
