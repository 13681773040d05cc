"""Entry, Example: a program with its source, its lesson and the numbers that must come out -> the picture and the
film of what torch does with it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphviz_ad._internal.api import api
from graphviz_ad._internal.api.diagram import Diagram, film_of
from graphviz_ad._internal.base.argument_types import Destination
from graphviz_ad._internal.base.checked_calls import saves, takes
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.graph.transforms import hide_unused
from graphviz_ad._internal.output.call_options import AnimateOptions, DiagramFilm, ExampleFile, FilmFile, SheetOptions
from graphviz_ad._internal.output.chart import Chart
from graphviz_ad._internal.output.file_writing import suffix_for, write_as
from graphviz_ad._internal.output.format_table import CHARTS, FILMS
from graphviz_ad._internal.output.notebook import ShowsItself
from graphviz_ad._internal.scene.themes import Theme
from graphviz_ad._internal.scene.themes import theme as theme_named
from graphviz_ad._internal.sheets.graph_comparison import (
    ComparisonOptions,
    Pair,
    SideBySide,
    compared_as,
    difference_lines,
)
from graphviz_ad._internal.sheets.sheet import Sheet
from graphviz_ad._internal.teaching.program_runs import on_the_same_numbers, source_of
from graphviz_ad._internal.teaching.shown_parts import Drawn, Listing, Shot, View

if TYPE_CHECKING:
    from graphviz_ad._internal.graph.graph import Graph

OWN = "an example of our own"  # the source of what is from nobody else


@dataclass(frozen=True)
class Expected:
    """The numbers that a reader finds in the source: values and gradients of named results; None where there is no
    gradient.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    grads: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One thing of the gallery; call it to have torch run its program.

    ``chapter`` is "classics", "misconceptions", "errors", "pairs" or "figures"; ``heading`` stands above the picture,
    ``lesson`` below it; ``number`` counts misconceptions. The ``program`` of a classic is the function itself.
    """

    name: str
    chapter: str
    heading: str
    lesson: str
    source: str
    make: Callable[..., Sequence[View]] = field(repr=False)
    expected: Expected = field(default_factory=Expected, repr=False)
    inputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    grad_outputs: Any = field(default=None, repr=False)
    number: int | None = None
    program: Callable[..., Any] | None = field(default=None, repr=False)

    def __call__(self, **inputs: Any) -> Example:
        """Run it; ``inputs`` of a classic may be given other values, for which the source expects nothing and has no
        lesson.
        """
        if wrong := [name for name in inputs if name not in self.inputs]:
            raise UnknownNameError(
                f"input of {self.name}", wrong[0], self.inputs, "" if self.inputs else "It has no inputs."
            )
        changed = {
            "inputs": {**self.inputs, **inputs},
            "expected": Expected(),
            "lesson": "",
            "source": f"after {self.source}",
        }
        given = replace(self, **changed) if inputs else self  # type: ignore[arg-type]
        return Example(given, tuple(given.make(given)))

    def __repr__(self) -> str:
        """ "<colah: One variable, two paths>"."""
        return f"<{self.name}: {self.heading}>"


@dataclass(frozen=True)
class Example(ShowsItself):
    """An entry that torch has run; the last expression of a notebook cell shows it."""

    entry: Entry
    views: tuple[View, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """What it is called in the gallery."""
        return self.entry.name

    @property
    def heading(self) -> str:
        """What stands above the picture."""
        return self.entry.heading

    @property
    def lesson(self) -> str:
        """What is to be learned, in a line or two."""
        return self.entry.lesson

    @property
    def source(self) -> str:
        """Where it comes from."""
        return self.entry.source

    @property
    def expected(self) -> Expected:
        """The values and gradients that the source gives."""
        return self.entry.expected

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """Every graph that is shown."""
        found: list[Graph] = []
        for view in self.views:
            found += [view.graph] if isinstance(view, Shot) else [view.a, view.b] if isinstance(view, Pair) else []
            found += [view.picture.graph] if isinstance(view, Drawn) else []
        return tuple(found)

    @property
    def graph(self) -> Graph:
        """The first graph that is shown."""
        return self.graphs[0]

    @takes(SheetOptions)
    def plot(self, asked: SheetOptions) -> Chart:
        """The picture, with heading and lesson; for the bare graph in other formats use ``.graph.plot()``."""
        return self._drawn(asked.theme, asked.layout)

    def _drawn(self, theme: str | Theme, layout: str) -> Chart:
        chosen, entry = theme_named(theme), self.entry
        panels = [panel for view in self.views for panel in view.panels(layout)]
        code = tuple(line for view in self.views if isinstance(view, Listing) for line in view.code)
        found = tuple(difference_lines(view.differences) for view in self.views if isinstance(view, Pair))
        notes = self.graph.notices if entry.chapter == "classics" else ()
        canvas = Sheet(entry.heading, entry.lesson, OVERLINES[entry.chapter], entry.source, code, found, notes).canvas(
            panels
        )
        return Chart(canvas, chosen, canvas.alt)

    @takes(AnimateOptions)
    def animate(self, asked: AnimateOptions) -> api.Animation:
        """The film of the graph, or of what runs through the figure."""
        return self._filmed(asked)

    def _filmed(self, asked: AnimateOptions) -> api.Animation:
        drawn = next((view.picture for view in self.views if isinstance(view, Drawn)), None)
        if not isinstance(drawn, Diagram):
            return api.filmed(self.graph, asked)
        return film_of(
            replace(drawn.asked, theme=asked.theme), DiagramFilm(direction=asked.direction, speed=asked.speed)
        )

    @takes(ComparisonOptions)
    def compare(self, asked: ComparisonOptions) -> SideBySide:
        """The first two graphs side by side."""
        if len(self.graphs) < 2:
            raise OptionError(
                f"{self.name} has one graph, and compare() shows two; use plot(), or graphviz_ad.compare with another"
                " graph"
            )
        return compared_as(self.graphs[0], self.graphs[1], asked)

    @saves(ExampleFile)
    def save(self, path: Destination, asked: ExampleFile) -> Path | None:
        """Write the picture or, where the suffix is that of a film, the film; returns the path."""
        suffix, options = (
            suffix_for(path, asked.format),
            {name: value for name, value in asked.given.items() if name != "format"},
        )
        if suffix in FILMS and suffix not in CHARTS:
            return api.written(self._filmed(AnimateOptions.of(options)), path, FilmFile.of({"format": asked.format}))
        if wrong := [name for name in options if name not in ("theme", "layout")]:
            raise OptionError(
                f"{wrong[0]}={options[wrong[0]]!r} is an option of a film or of a bare graph; the picture of an entry"
                " has theme and layout"
            )
        return write_as(CHARTS, path, self._drawn(asked.theme, asked.layout), asked.format)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return self.plot()._repr_mimebundle_(include, exclude)


OVERLINES = {
    "classics": ("", ""),
    "misconceptions": ("Many believe:", "In truth:"),
    "errors": ("PyTorch says:", "Because:"),
    "pairs": ("Without and with:", "What it does:"),
    "figures": ("", ""),
}
Maker = Callable[[], Sequence[View]]


def lesson_of(function: Callable[..., Any]) -> str:
    """The docstring, as running text."""
    return " ".join((inspect.getdoc(function) or "").split())


def belief(number: int, heading: str, **grads: Any) -> Callable[[Maker], Entry]:
    """Makes an entry of a function that returns views; its docstring is the lesson, ``grads`` the gradients of the
    first graph that it draws.
    """
    return chapter("misconceptions", heading, number, grads)


def chapter(
    name: str, heading: str, number: int | None = None, grads: Mapping[str, Any] | None = None
) -> Callable[[Maker], Entry]:
    """The same for any chapter."""

    def decorate(function: Maker) -> Entry:
        return Entry(
            function.__name__,
            name,
            heading,
            lesson_of(function),
            "",
            lambda _: function(),
            Expected({}, grads or {}),
            number=number,
        )

    return decorate


def classic(
    heading: str,
    source: str,
    *,
    values: Mapping[str, Any],
    grads: Mapping[str, Any],
    grad_outputs: Any = None,
    **inputs: Any,
) -> Callable[[Callable[..., Any]], Entry]:
    """Makes an entry of a function of tensors; ``inputs`` are what it is traced with, its docstring is the lesson."""

    def decorate(function: Callable[..., Any]) -> Entry:
        def views(given: Entry) -> Sequence[View]:
            graph = api.trace(function, *given.inputs.values(), grad_outputs=given.grad_outputs)
            return [Shot(hide_unused(graph), code=source_of(function)[0], alone=True)]

        expected = Expected(values, grads)
        return Entry(
            function.__name__,
            "classics",
            heading,
            lesson_of(function),
            source,
            views,
            expected,
            inputs,
            grad_outputs,
            program=function,
        )

    return decorate


def figure(heading: str, source: str) -> Callable[[Callable[[], Any]], Entry]:
    """Makes an entry of a function that returns a picture; its docstring is the lesson. Random numbers are the same
    each time, and as they were afterwards.
    """

    def decorate(function: Callable[[], Any]) -> Entry:
        def views(_: Entry) -> Sequence[View]:
            with on_the_same_numbers():
                return [Drawn(function(), source_of(function)[0])]

        return Entry(function.__name__, "figures", heading, lesson_of(function), source, views)

    return decorate
