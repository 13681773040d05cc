"""Graph + function -> the three ways to differentiate it, side by side: what each gives, how far off it is, and what
it costs.

Numeric differentiation looks at values only, symbolic at formulas only. Automatic differentiation is neither: it has
numbers instead of formulas, and rules instead of differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphviz_ad._internal.base.argument_types import Destination
from graphviz_ad._internal.base.checked_calls import saves, takes
from graphviz_ad._internal.base.errors import (
    ExpressionError,
    MissingDependencyError,
    OptionError,
    ReplayError,
    UnknownNameError,
)
from graphviz_ad._internal.base.text_table import counted_noun, table_lines
from graphviz_ad._internal.check.replay import Replay
from graphviz_ad._internal.explain.forward_mode import elements, place_of_result, tangents_of
from graphviz_ad._internal.explain.mode_costs import ModeCosts, mode_costs
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import ROUGHLY
from graphviz_ad._internal.maths.finite_differences import Curve, error_curve, relative_error
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.output.call_options import ChartFile, ThemeOptions
from graphviz_ad._internal.output.chart import Chart
from graphviz_ad._internal.output.file_writing import write_as
from graphviz_ad._internal.output.format_table import CHARTS
from graphviz_ad._internal.output.notebook import ShowsItself
from graphviz_ad._internal.scene.themes import theme as theme_named
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.sheets.method_chart import method_chart
from graphviz_ad._internal.sheets.symbolic import Symbolic, derive

MOST_INPUTS = 64  # numbers; each costs evaluations for every step
LONGEST_FORMULA = 64  # characters
MOST_SHOWN = 3  # derivatives of a table's row
NAMES = {"forward": "forward differences", "central": "central differences"}
Inputs = Mapping[str, Array]


@dataclass(frozen=True)
class Method:
    """One way to differentiate: the derivatives that it gives, their error as a share of the largest, and what it
    costs.

    ``error`` is None for the method that the others are measured by. ``evaluations`` are those of the function,
    ``sweeps`` those along the graph, None where there are none; ``operations`` counts everything, a sweep with one
    operation for each edge.
    """

    name: str
    derivatives: tuple[float, ...]
    error: float | None
    curve: str
    evaluations: int | None
    sweeps: int | None
    operations: int


@dataclass(frozen=True)
class Comparison(ShowsItself):
    """The ways to differentiate a function at a point; shows itself in a notebook, prints as a table, and is saved
    as a picture.

    ``inputs`` are those with respect to which, element by element; ``exact`` the derivatives that errors are measured
    by, and ``measured_by`` where these come from; ``notes`` say what is missing and why.
    """

    graph: Graph
    inputs: Mapping[str, float]
    exact: tuple[float, ...]
    measured_by: str
    methods: tuple[Method, ...]
    curves: tuple[Curve, ...]
    symbolic: Symbolic | None
    costs: ModeCosts
    notes: tuple[str, ...]
    result: str

    def __getitem__(self, name: str) -> Method:
        for method in self.methods:
            if isinstance(name, str) and method.name.startswith(name):
                return method
        raise UnknownNameError(
            "method", name, [method.name for method in self.methods], "The beginning of a name is enough."
        )

    # --- words

    def title(self) -> str:
        """What is compared."""
        return f"Three ways to differentiate {self.graph.name if self.graph.name.isidentifier() else 'f'}"

    def point(self) -> str:
        """ "at x1 = 1.5, x2 = 0.5"."""
        return (
            "at "
            + ", ".join(f"{name} = {short_number(at)}" for name, at in list(self.inputs.items())[:8])
            + (", …" if len(self.inputs) > 8 else "")
        )

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The table: method, derivatives, error, and what all derivatives cost together."""
        names = list(self.inputs)[:MOST_SHOWN]
        more = ("…",) if len(self.inputs) > MOST_SHOWN else ()
        yield (
            "",
            *(f"∂{self.result}/∂{name}" for name in names),
            *more,
            "error",
            "evaluations",
            "sweeps",
            "operations",
        )
        for method in self.methods:
            error = "taken as exact" if method.error is None else short_number(method.error, digits=2)
            shown = (short_number(each, digits=12) for each in method.derivatives[:MOST_SHOWN])
            yield (
                method.name,
                *shown,
                *more,
                error,
                *(
                    "" if cost is None else f"{cost:,}"
                    for cost in (method.evaluations, method.sweeps, method.operations)
                ),
            )

    def formulas(self) -> Iterator[str]:
        """What symbolic differentiation wrote: the function, then its derivatives, each with the number of
        operations in it.
        """
        if self.symbolic is not None:
            whole = self.symbolic.function
            yield f"{self.result} = {readable_formula(whole.text)}   ({counted_noun(whole.operations, 'operation')})"
            for name in self.inputs:
                formula = self.symbolic.derivatives[name]
                yield (
                    f"∂{self.result}/∂{name} = {readable_formula(formula.text)}  "
                    f" ({counted_noun(formula.operations, 'operation')})"
                )

    def lessons(self) -> Iterator[str]:
        """What the numbers say."""
        forward, central = (right_digits(found.errors[found.best]) for found in self.curves)
        yield (
            "Numeric: a long step misses the bend, a short one loses digits. At best, forward differences get"
            f" {forward} digits right, central {central}."
        )
        if self.symbolic is not None:
            longer = sum(self.symbolic.derivatives[name].operations for name in self.inputs)
            before = self.symbolic.function.operations
            grown = "exact, but formulas grow" if longer > before else "exact, and the formula did not grow here"
            yield f"Symbolic: {grown}: {counted_noun(before, 'operation')} became {longer:,}."
        if self.agree:
            yield (
                "Automatic: as exact as the formula, without a formula; in reverse mode one sweep, whatever the number"
                " of inputs."
            )
        else:
            yield (
                "The methods disagree: gradients are stopped on the way, as by detach, or the function has a corner"
                " here, where a rule picks one slope."
            )

    @property
    def agree(self) -> bool:
        """Whether automatic differentiation gives the derivative of what the function computes."""
        central = min((error for error in self.curves[-1].errors if math.isfinite(error)), default=0.0)
        return (
            max(central, *(method.error or 0.0 for method in self.methods if method.curve == "automatic"))
            < ROUGHLY  # more than rounding explains, even in single precision
        )

    def to_text(self) -> str:
        """The table, the formulas and what they say."""
        errors = f"Errors are shares of the largest derivative, measured by {self.measured_by}."
        return "\n".join(
            [
                f"{self.title()} {self.point()}",
                "",
                *table_lines(list(self.rows())),
                "",
                errors,
                *self.notes,
                *self.formulas(),
                "",
                *self.lessons(),
            ]
        )

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return self.to_text()

    # --- picture

    @takes(ThemeOptions)
    def plot(self, asked: ThemeOptions) -> Chart:
        """The picture: the error for each step, and the table."""
        return Chart(method_chart(self), theme_named(asked.theme), self.to_text())

    @saves(ChartFile)
    def save(self, path: Destination, asked: ChartFile) -> Path | None:
        """Write the picture as .svg, .png or .pdf. Returns the path."""
        return write_as(CHARTS, path, self.plot(theme=asked.theme), asked.format)

    def show(self) -> Chart:
        """The picture itself, which a notebook displays; elsewhere a warning says how to see it."""
        return self.plot().show()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return self.plot()._repr_mimebundle_(include, exclude)


def right_digits(error: float) -> int:
    """How many digits of a derivative with this share of error can be trusted."""
    return max(0, min(16, round(-math.log10(error)))) if math.isfinite(error) and error > 0 else 16 if error == 0 else 0


def readable_formula(text: str) -> str:
    """A formula of sympy as people write it, where our own language of formulas can say it; the beginning of a long
    one.
    """
    try:
        shown = to_unicode(text)
    except ExpressionError:
        shown = text
    return shown if len(shown) <= LONGEST_FORMULA else shown[: LONGEST_FORMULA - 2].rstrip() + " …"


# --- how it is computed


def of_graph(graph: Graph, wrt: str | None = None) -> Comparison:
    """The comparison for a graph that can be computed again from the formulas of its operations."""
    replay = Replay(graph)
    return compare_on_function(graph, replay, replay.inputs, wrt)


def compare_on_function(
    graph: Graph, function: Callable[[Inputs], float], inputs: Inputs, wrt: str | None = None
) -> Comparison:
    """The comparison for a function whose graph was traced at these inputs; ``wrt`` names one of them, and the
    others stay.
    """
    if wrt is not None:
        place_of_result(graph, wrt)
        inputs = {name: array for name, array in inputs.items() if name == wrt}
    refuse_what_has_no_differences(graph, inputs)
    at = np.concatenate([np.ravel(array) for array in inputs.values()]).astype(np.float64)
    labels = labels_of(inputs)
    reverse = np.concatenate([gradient(graph, name) for name in inputs])
    symbolic, notes = formulas_of(graph, {place_of_result(graph, name)[0]: name for name in inputs})
    exact, measured_by = exact_derivatives(symbolic, labels, reverse)
    curves = tuple(error_curve(kind, of_vector(function, inputs), at, exact) for kind in ("forward", "central"))
    costs = mode_costs(graph)
    methods = (
        *(numeric(found, costs) for found in curves),
        *([formula_gradients(symbolic, labels)] if symbolic is not None else []),
        *automatic(graph, inputs, reverse, symbolic, labels, costs),
    )
    if not any(method.name == "automatic, forward mode" for method in methods):
        notes = (*notes, "Forward mode: left out, because some tangents are not known.")
    return Comparison(
        graph=graph,
        inputs=dict(zip(labels, at.tolist(), strict=True)),
        exact=tuple(exact.tolist()),
        measured_by=measured_by,
        methods=methods,
        curves=curves,
        symbolic=symbolic,
        costs=costs,
        notes=notes,
        result=graph_names(graph).output,
    )


def refuse_what_has_no_differences(graph: Graph, inputs: Inputs) -> None:
    """Raises `OptionError` where there is nothing to vary, or too much of it, or complex numbers."""
    count = sum(int(array.size) for array in inputs.values())
    if not 0 < count <= MOST_INPUTS:
        raise OptionError(
            f"{graph.name} has {counted_noun(count, 'input')} to differentiate by, and numeric differentiation"
            f" evaluates it anew for each; choose one of at most {MOST_INPUTS} numbers with wrt=:"
            f" {', '.join(graph_inputs(graph)) or 'there is none'}"
        )
    strange = next((name for name, array in inputs.items() if np.iscomplexobj(array)), None)
    if strange is not None:
        raise OptionError(
            f"{strange!r} holds complex numbers, and numeric differentiation is done with real ones here; choose a real"
            " input with wrt="
        )


def labels_of(inputs: Inputs) -> list[str]:
    """ "x", or "w[0, 1]": a label for each number."""
    return [
        name + (f"[{', '.join(map(str, index))}]" if array.shape else "")
        for name, array in inputs.items()
        for index in np.ndindex(array.shape)
    ]


def of_vector(function: Callable[[Inputs], float], inputs: Inputs) -> Callable[[Array], float]:
    """The function of all numbers in one row."""
    ends = np.cumsum([array.size for array in inputs.values()])[:-1]

    def asked(point: Array) -> float:
        parts = zip(inputs.items(), np.split(point, ends), strict=True)
        return function({name: part.reshape(array.shape) for (name, array), part in parts})

    return asked


def exact_derivatives(symbolic: Symbolic | None, labels: list[str], reverse: Array) -> tuple[Array, str]:
    """What errors are measured by, and what that is called."""
    if symbolic is None or not symbolic.known:
        return reverse, "automatic differentiation"
    return np.array([float(symbolic.exact[label]) for label in labels]), "the formulas, computed with 30 digits"


def graph_inputs(graph: Graph) -> list[str]:
    """The names of the inputs."""
    return [node.name for node in graph.node_list if node.kind == "leaf" and node.name]


def gradient(graph: Graph, name: str) -> Array:
    """What reverse mode found for an input."""
    key, port = place_of_result(graph, name)
    found = elements(graph.nodes[key].ports[port].grad)
    if found is None:
        raise OptionError(
            f"the gradient of {name!r} is not known in the graph of {graph.name}; trace it with gradients, and with all"
            " elements kept"
        )
    return np.ravel(found)


def formulas_of(graph: Graph, names: Mapping[str, str]) -> tuple[Symbolic | None, tuple[str, ...]]:
    """The formulas, or a sentence that says why there are none."""
    try:
        return derive(graph, names), ()
    except (ReplayError, MissingDependencyError) as error:
        return None, (f"Symbolic: left out, because {str(error).rstrip('.')}.",)


def numeric(found: Curve, costs: ModeCosts) -> Method:
    """Differences with the best of all steps."""
    i = found.best
    name = f"{NAMES[found.name]}, best h = {short_number(found.steps[i], digits=2)}"
    return Method(
        name,
        tuple(found.derivatives[i].tolist()),
        found.errors[i],
        found.name,
        found.evaluations,
        None,
        found.evaluations * costs.operations,
    )


def formula_gradients(symbolic: Symbolic, labels: list[str]) -> Method:
    """The formulas, computed in floating point."""
    values = [symbolic.values[label] for label in labels]
    size = sum(symbolic.derivatives[label].operations for label in labels)
    return Method(
        "symbolic",
        tuple(values),
        error_share(symbolic, labels, values) if symbolic.known else math.nan,
        "symbolic",
        None,
        None,
        size,
    )


def automatic(
    graph: Graph, inputs: Inputs, reverse: Array, symbolic: Symbolic | None, labels: list[str], costs: ModeCosts
) -> Iterator[Method]:
    """Forward mode, where every tangent is known, and reverse mode; where there are no formulas, this is what the
    others are measured by.
    """
    exact = symbolic if symbolic is not None and symbolic.known else None
    for name, found, sweeps in (("forward", by_tangents(graph, inputs), len(labels)), ("reverse", reverse, 1)):
        if found is not None:
            error = (
                error_share(exact, labels, found.tolist())
                if exact
                else relative_error(found, reverse)
                if name == "forward"
                else None
            )
            work = costs.operations + sweeps * costs.products
            yield Method(f"automatic, {name} mode", tuple(found.tolist()), error, "automatic", 1, sweeps, work)


def by_tangents(graph: Graph, inputs: Inputs) -> Array | None:
    """What forward mode finds, a sweep for each number; None where a tangent is unknown."""
    found = []
    for name, array in inputs.items():
        for unit in np.eye(array.size).reshape(-1, *array.shape):
            derivative = tangents_of(graph, {name: unit}).forward
            if derivative is None:
                return None
            found.append(derivative)
    return np.array(found)


def error_share(symbolic: Symbolic, labels: list[str], found: list[float]) -> float:
    """The largest error as a share of the largest derivative, finer than floating point could tell."""
    largest = max(abs(float(symbolic.exact[label])) for label in labels) or 1.0
    return max(symbolic.error(label, each) for label, each in zip(labels, found, strict=True)) / largest
