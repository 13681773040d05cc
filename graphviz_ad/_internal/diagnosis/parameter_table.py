"""Graph -> a table of its parameters and modules: norms, shares of zeros, what is not finite, bytes kept."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from math import sqrt
from typing import Any

from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import MissingDependencyError, UnknownNameError
from graphviz_ad._internal.base.text_table import table_lines
from graphviz_ad._internal.diagnosis.course import Course, Parameter
from graphviz_ad._internal.diagnosis.magnitudes import distance, zero_share
from graphviz_ad._internal.graph.graph import Graph, readable_bytes
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import short_number


@dataclass(frozen=True)
class Row:
    """What is known of one parameter, or of one module with all that is in it; None where it is not known.

    ``weight`` is the norm at the first use, ``gradient`` that of what the last backward pass brought, ``update`` how
    far the last step of an optimizer took it; ``zeros`` is the share of zeros in the gradient, ``nonfinite`` counts the
    elements of weight and gradient that are NaN or infinite; ``saved`` are bytes that a module keeps for the backward
    pass.
    """

    name: str
    kind: str
    numel: int
    weight: float | None
    gradient: float | None
    update: float | None
    zeros: float | None
    nonfinite: int | None
    saved: int | None


COLUMNS = tuple(each.name for each in fields(Row))


@dataclass(frozen=True)
class Table:
    """The rows, modules before what is in them; ``print`` shows them as columns."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        """Columns for a terminal."""
        return "\n".join(table_lines([COLUMNS, *(tuple(cells(row)) for row in self.rows)]))

    def __repr__(self) -> str:
        return f"<Table of {len(self.rows)} rows>"

    def to_csv(self) -> str:
        """The same as CSV with a line of names, whole numbers and full digits; empty where nothing is known."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([["" if value is None else value for value in values_of(row)] for row in self.rows])
        return text.getvalue()

    def to_pandas(self) -> Any:
        """A pandas.DataFrame, where pandas is installed."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise MissingDependencyError("pandas", "", "to_pandas()", "to_csv() needs nothing") from error
        return pandas.DataFrame([values_of(row) for row in self.rows], columns=list(COLUMNS))

    @checking_arguments
    def sorted(self, by: str, *, descending: bool = True) -> Table:
        """The same rows by one of the columns; those without a number come last."""
        if by not in COLUMNS:
            raise UnknownNameError("column", by, COLUMNS)
        known = [row for row in self.rows if getattr(row, by) is not None]
        rest = [row for row in self.rows if getattr(row, by) is None]
        return Table((*sorted(known, key=lambda row: getattr(row, by), reverse=descending), *rest))


def values_of(row: Row) -> list[Any]:
    """The cells as values."""
    return [getattr(row, name) for name in COLUMNS]


def cells(row: Row) -> Iterator[str]:
    """The cells as text, "—" where nothing is known."""
    for name in COLUMNS:
        value = getattr(row, name)
        if value is None:
            yield "—"
        elif name == "saved":
            yield readable_bytes(value)
        elif name == "zeros":
            yield f"{100 * value:.3g} %"
        else:
            yield short_number(value) if isinstance(value, float) else str(value)


def table_of(graph: Graph) -> Table:
    """One row a module and a parameter, in the order of the model."""
    course = Course(graph)
    saved = _saved_bytes(graph)
    single = {p.name: _of_parameter(p) for p in course.parameters}
    names = list(dict.fromkeys(_with_parents(single, course.modules)))
    rows = []
    for name in names:
        if name in single:
            rows.append(single[name])
        elif inside := [row for key, row in single.items() if not name or key.startswith(f"{name}.")]:
            rows.append(_of_module(name, inside, saved.get(name)))
    return Table(tuple(rows))


def _with_parents(parameters: Sequence[str] | dict[str, Row], modules: dict[str, Any]) -> Iterator[str]:
    yield from ([""] if "" in modules else [])
    for name in parameters:
        parts = name.split(".")
        yield from (".".join(parts[:i]) for i in range(1, len(parts) + 1))


def _saved_bytes(graph: Graph) -> dict[str, int]:
    """Module -> bytes that operations in it keep for the backward pass."""
    found: dict[str, int] = {}
    for node in graph.node_list:
        for name in ("", *node.module) if node.saved_bytes is not None else ():
            found[name] = found.get(name, 0) + (node.saved_bytes or 0)
    return found


def _of_parameter(p: Parameter) -> Row:
    weight = p.nodes[0].ports[0].value if p.nodes else None
    gradient = p.came[-1] if p.came else None
    bad = [snap.nonfinite for snap in (weight, gradient) if snap is not None]
    known = [count for count in bad if count is not None]
    return Row(
        p.name, "parameter", p.numel, norm_of(weight), norm_of(gradient), last_update(p),
        zero_share(gradient) if gradient is not None else None, sum(known) if known else None, None,
    )  # fmt: skip


def norm_of(snap: Snapshot | None) -> float | None:
    """The norm, where it is known."""
    return snap.norm if snap is not None else None


def last_update(p: Parameter) -> float | None:
    """How far the last step took a parameter, where both values are known whole."""
    values = [node.ports[0].value for node in p.nodes[-2:]]
    arrays = [value.array for value in values if value is not None and value.array is not None]
    if len(arrays) < 2 or not p.history or arrays[0].shape != arrays[1].shape:
        return None
    return distance(*arrays)


def _of_module(name: str, rows: Sequence[Row], saved: int | None) -> Row:
    weights = sum(row.numel for row in rows if row.zeros is not None)
    zeros = sum((row.zeros or 0) * row.numel for row in rows if row.zeros is not None)
    bad = [row.nonfinite for row in rows if row.nonfinite is not None]
    return Row(
        name or "(model)", "module", sum(row.numel for row in rows), together([row.weight for row in rows]),
        together([row.gradient for row in rows]), together([row.update for row in rows]),
        zeros / weights if weights else None, sum(bad) if bad else None, saved,
    )  # fmt: skip


def together(norms: Sequence[float | None]) -> float | None:
    """The norm of all of them; None where one is not known."""
    known = [norm for norm in norms if norm is not None]
    return sqrt(sum(norm * norm for norm in known)) if known and len(known) == len(norms) else None
