"""A check compares gradients with the sums over edges and with finite differences, and says where it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from small_programs import PROGRAMS, Sigma, graph
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad.gradient_check import AGREES, CUT, DIFFERS, KINK, MOST_WORK, UNKNOWN, check
from graphviz_ad.graph import Graph
from graphviz_ad.snapshot import Snapshot


def verdicts(traced: Graph) -> dict[str, str]:
    return {row.name: row.differences for row in check(traced).rows if row.differences != UNKNOWN}


def scaled(traced: Graph, name: str, factor: float) -> Graph:
    """The graph with a leaf's gradient and what flowed into it off by a factor, so that they still agree with each other."""
    leaf = traced.find(name)

    def times(snap: Snapshot | None) -> Snapshot | None:
        return None if snap is None else replace(snap, data=snap.array * factor if snap.array is not None and snap.array.ndim else snap.item() * factor)

    nodes = [replace(node, ports=(replace(node.ports[0], grad=times(node.grad)),)) if node.key == leaf.key else node for node in traced.node_list]
    edges = [replace(edge, grad=times(edge.grad)) if edge.tail == leaf.key else edge for edge in traced.edges]
    return traced.with_parts(nodes, edges)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_agrees(name: str) -> None:
    report = check(graph(name))
    assert report.ok
    assert all(row.ok for row in report.rows)
    assert DIFFERS not in str(report)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("seed", {"x1": AGREES, "x2": AGREES}),
        ("colah", {"a": AGREES, "b": AGREES}),
        ("matrix", {"x": AGREES, "W": AGREES, "b": AGREES}),
        ("broadcast", {"X": AGREES, "b": AGREES}),
        ("detach", {"x": CUT}),
        ("two_outputs", {"x": AGREES}),
        ("own_function", {}),
    ],
)
def test_finite_differences_know_the_leaves(name: str, said: dict[str, str]) -> None:
    assert verdicts(graph(name)) == said


@pytest.mark.parametrize(("name", "leaf"), [("seed", "x2"), ("colah", "b"), ("matrix", "W"), ("broadcast", "b")])
@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0])
def test_a_gradient_that_is_wrong_on_all_edges_alike_is_found_by_differences(name: str, leaf: str, factor: float) -> None:
    report = check(scaled(graph(name), leaf, factor))
    assert all(row.ok for row in report.rows)  # the edges agree with each other
    assert not report.ok
    assert {row.name for row in report.rows if row.differences == DIFFERS} == {leaf}
    assert "NO" in str(report)


def test_a_gradient_that_is_not_the_sum_is_found_by_the_edges() -> None:
    traced = graph("colah")
    nodes = [replace(node, ports=(replace(node.ports[0], grad=Snapshot((), "float64", 10.0)),)) if node.name == "b" else node for node in traced.node_list]
    report = check(traced.with_parts(nodes, traced.edges), differences=False)
    assert [(row.name, row.error) for row in report.rows if not row.ok] == [("b", 5.0)]


@pytest.mark.parametrize("program", [lambda x: torch.relu(x), lambda x: x.abs(), lambda x: torch.max(x, 2 * x)])
def test_at_a_kink_there_is_no_derivative_to_compare_with(program: Any) -> None:
    assert verdicts(gad.trace(program, 0.0)) == {"x": KINK}
    assert verdicts(gad.trace(program, 0.5)) == {"x": AGREES}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_single_precision_is_enough_to_agree(dtype: torch.dtype) -> None:
    traced = gad.trace(lambda x: (torch.sin(x) * x).sum(), torch.tensor([0.5, 1.5], dtype=dtype, requires_grad=True))
    assert verdicts(traced) in ({"x": AGREES}, {})
    assert check(traced).ok


def test_steep_functions_are_no_false_alarm() -> None:
    for program in (lambda x: torch.exp(50 * x), lambda x: 1 / (x - 0.5000001), lambda x: torch.sqrt(x - 0.5 + 1e-12)):
        assert check(gad.trace(program, 0.5)).ok


def test_an_operation_without_a_formula_is_named_in_the_note() -> None:
    report = check(graph("own_function"))
    assert report.note.startswith("No finite differences: own_function cannot be computed again, because there is no formula for")
    assert report.note in str(report)
    assert Sigma.name  # type: ignore[attr-defined]


def test_a_big_graph_is_not_computed_again() -> None:
    def many(*xs: Tensor) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total

    report = check(gad.trace(many, *map(float, range(300))))
    assert report.ok
    assert report.note == f"No finite differences: they would compute {300 * 599 * 5:,} operations again."
    assert MOST_WORK < 300 * 599 * 5


def test_the_table_names_what_the_picture_names() -> None:
    lines = str(check(graph("seed"))).splitlines()
    assert lines[0].split("  ")[0] == "node"
    assert {line.split()[0] for line in lines[1:]} == {"x1", "x2", "v1", "v2", "v3", "v4", "v5", "v6", "seed"}
    assert lines[1].split()[1:] == ["0", "yes", "yes"]
