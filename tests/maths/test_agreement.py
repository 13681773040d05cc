"""Equal up to rounding is one thing: right numbers pass everywhere, wrong ones nowhere, and trace, explain and check
never disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.check.link_numbers import local_fits
from graphviz_ad._internal.explain.explainer import agrees_with_flow
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths import agreement
from graphviz_ad._internal.maths.agreement import (
    EACH,
    OF_A_DERIVATIVE,
    allowed,
    equal,
    reproduces,
    rounding_share,
    sums_up,
)
from graphviz_ad._internal.maths.derivative_agreement import verified_edge
from graphviz_ad._internal.maths.formula_errors import doubted
from graphviz_ad._internal.tracing.capture import Capture

DTYPES = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
FULL = Capture(values="full", gradients="full")
# What must be caught as wrong, as a part of the numbers that were added up. An edge: what one operation sends back
# along it. A sum: of two uses of a tensor.
WRONG_EDGE = {"float64": 3e-9, "float32": 1.5e-6, "float16": 0.012, "bfloat16": 0.1}
WRONG_SUM = {"float64": 3e-9, "float32": 1.5e-6, "float16": 0.012, "bfloat16": 0.1}

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "exp": lambda x: torch.exp(-x * x),
    "sqrt": lambda x: torch.sqrt(1 + x * x),
    "log": lambda x: torch.log(2 + x * x),
    "square": torch.square,
    "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
    "softmax": lambda x: torch.softmax(x, -1),
    "mean": lambda x: x - x.mean(),
    "norm": lambda x: x / (1 + x.norm()),
    "flip": lambda x: x.flip(0),
    "cumsum": lambda x: x.cumsum(0),
    "scale": lambda x: 0.3 * x,
    "layer_norm": lambda x: torch.nn.functional.layer_norm(x, x.shape),
    "single": lambda x: x.float().tanh().to(x.dtype),
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": lambda x, y: x / (1.5 + y * y),
    "outer": lambda x, y: torch.outer(x, y) @ y,
    "maximum": torch.maximum,
    "where": lambda x, y: torch.where(x > 0, x, y),
    "broadcast": lambda x, y: x * y.sum(),
}
STEPS = some.lists(
    some.tuples(some.sampled_from([*UNARY, *BINARY]), some.integers(0, 9), some.integers(0, 9)), min_size=1, max_size=8
)
PROGRAMS = some.tuples(some.sampled_from(list(DTYPES)), STEPS, some.integers(0, 2**32 - 1))


def traced(dtype: str, steps: list[tuple[str, int, int]], seed: int) -> Graph:
    """The graph of a random program of two vectors; each step reads what any step before it made, so that much is
    used twice.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(3, generator=generator, dtype=torch.float64).to(DTYPES[dtype]) for _ in range(2))

    def program(x: Tensor, y: Tensor) -> Tensor:
        found = [x, y]
        for name, one, other in steps:
            operands = [found[-1 - one % len(found)], found[-1 - other % len(found)]]
            found.append(UNARY[name](operands[0]) if name in UNARY else BINARY[name](*operands))
        return (found[-1] * found[-2]).sum() + (found[0] * found[1]).sum()

    return gad.trace(program, x.requires_grad_(), y.requires_grad_(), capture=FULL)


def with_edge(graph: Graph, edge: Edge, grad: Snapshot) -> Graph:
    return graph.with_parts(
        graph.node_list, [replace(each, grad=grad) if each.key == edge.key else each for each in graph.edges]
    )


def with_grad(graph: Graph, node: Node, grad: Snapshot) -> Graph:
    wrong = replace(node, ports=(replace(node.ports[0], grad=grad, arrived=None), *node.ports[1:]))
    return graph.with_parts([wrong if each.key == node.key else each for each in graph.node_list], graph.edges)


def scaled(snap: Snapshot, factor: float) -> Snapshot:
    assert snap.array is not None
    array = snap.array.astype(np.float64) * factor
    return replace(snap, data=array if array.ndim else array.item(), stats=None)


def hooked(graph: Graph) -> list[str]:
    return [text for node in graph.node_list for key, text in node.settings if key == "hook"]


# --- right ones


@settings(deadline=None, max_examples=60)
@given(PROGRAMS)
def test_nothing_right_is_called_wrong_in_any_precision(program: tuple[str, list[tuple[str, int, int]], int]) -> None:
    graph = traced(*program)
    if any(port.grad is not None and port.grad.nonfinite for node in graph.node_list for port in node.ports):
        return  # what runs over in a dtype with little room is compared with nothing
    assert hooked(graph) == []
    report = graph.check()
    assert report.ok, str(report)
    for leaf in ("x", "y"):
        explanation = graph.explain(leaf)
        assert explanation.ok is not False, (explanation.difference, explanation.doubt)
    raw = graph.detail or graph
    for edge in raw.edges:
        if edge.local is not None and edge.local.array is not None:
            assert agrees_with_flow(raw, edge, edge.local.array)
            assert local_fits(raw, edge) is not False


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_the_doubt_about_a_path_is_small(name: str, dtype: str) -> None:
    for seed in range(20):
        explanation = traced(dtype, [(name, 0, 0)], seed).explain("y")
        if explanation.summed:
            assert np.max(explanation.doubt) < 600 * max(EACH * torch.finfo(DTYPES[dtype]).eps / 2, agreement.LEAST)


# --- wrong ones


@settings(deadline=None, max_examples=50)
@given(PROGRAMS, some.integers(0, 10**6), some.sampled_from([-1, 1, 2, -4]))
def test_a_wrong_flow_is_caught_by_all_or_by_none(
    program: tuple[str, list[tuple[str, int, int]], int], which: int, times: int
) -> None:
    graph = traced(*program)
    raw = graph.detail or graph
    edges = [
        edge
        for edge in raw.edges
        if edge.grad is not None
        and edge.grad.array is not None
        and np.any(edge.grad.array)
        and edge.local is not None
        and edge.cut is None
    ]
    if not edges:
        return
    edge = edges[which % len(edges)]
    assert edge.grad is not None
    wrong = scaled(edge.grad, 1 + times * WRONG_EDGE[program[0]])
    planted, head = with_edge(raw, edge, wrong), raw.nodes[edge.head]
    bad = next(each for each in planted.edges if each.key == edge.key)
    kept = verified_edge(bad, head).local is not None
    assert bad.local is not None
    assert bad.local.array is not None
    assert kept == agrees_with_flow(planted, bad, bad.local.array)
    assert local_fits(planted, bad) is not False or not kept
    alone = edge.grad.shape == edge.local.shape  # type: ignore[union-attr]
    if (
        alone
        and "float32" in (dtype for node in (head, raw.nodes[edge.tail]) for dtype in (node.ports[0].dtype,))
        and program[0] != "float32"
    ):
        return  # a step in another precision than the rest
    if alone and not head.inside > 1:
        assert not kept


@settings(deadline=None, max_examples=30)
@given(PROGRAMS, some.sampled_from([-1, 1, 3]))
def test_a_wrong_gradient_is_caught_by_check_and_by_explain(
    program: tuple[str, list[tuple[str, int, int]], int], times: int
) -> None:
    graph = traced(*program)
    for node in graph.node_list:
        grad, uses = node.grad, [edge for edge in graph.out_edges(node.key) if edge.cut is None]
        if node.kind != "leaf" or grad is None or grad.array is None or not uses:
            continue
        parts = [edge.grad.array for edge in uses if edge.grad is not None and edge.grad.array is not None]
        size = float(np.max(np.sum(np.abs(np.asarray(parts, np.float64)), axis=0)))
        additions = len(parts) + 2 * sum(graph.nodes[edge.head].inside for edge in uses)
        for part, caught in ((1e-3, False), (0.5, None), (1.5, None), (3, True)):
            off = times * part * rounding_share(grad.dtype, additions) * size
            planted = with_grad(graph, node, replace(grad, data=grad.array.astype(np.float64) + off, stats=None))
            by_check = next(row.ok for row in planted.check().rows if row.key == node.key)
            by_explain = planted.explain(node.name or "").ok
            assert by_explain in (None, by_check)
            # inside, larger numbers may have cancelled
            if caught is not None and size and not any(graph.nodes[edge.head].inside for edge in uses):
                assert by_check is not caught


@pytest.mark.parametrize("dtype", DTYPES)
def test_so_large_an_error_of_an_edge_is_wrong(dtype: str) -> None:
    local, arrived = np.array([0.5, -2.0]), np.array([3.0, 0.7])
    sizes = {
        factor: reproduces(local, arrived, local * arrived * (1 + factor * WRONG_EDGE[dtype]), dtype)
        for factor in (-1, -0.1, 0, 0.1, 1)
    }
    assert sizes == {-1: False, -0.1: True, 0: True, 0.1: True, 1: False}
    assert WRONG_EDGE[dtype] < 3.3 * rounding_share(dtype, OF_A_DERIVATIVE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_so_large_an_error_of_a_sum_is_wrong(dtype: str) -> None:
    parts = [np.array([0.5, -2.0]), np.array([3.0, 1.9])]
    size = np.sum(np.abs(parts), axis=0)
    sums = {
        factor: sums_up(np.sum(parts, axis=0) + factor * WRONG_SUM[dtype] * size, parts, dtype, 2)
        for factor in (-1, 0, 0.1, 1)
    }
    assert sums == {-1: False, 0: True, 0.1: True, 1: False}


def test_where_rounding_could_hide_anything_the_sum_over_paths_is_left_open() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(60):
            x = torch.tanh(1.05 * x) + 0.1 * torch.sin(x)
        return x

    x = torch.tensor(0.4, dtype=torch.bfloat16, requires_grad=True)
    explanation = gad.trace(program, x, capture=FULL).explain("x")
    assert explanation.difference  # it is off, as so many roundings are
    assert explanation.ok is None
    assert "nothing can be said" in str(explanation.check)
    assert gad.trace(program, x.detach().double().requires_grad_(), capture=FULL).explain("x").ok


# --- the question itself


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_that_torch_rounded_as_often_is_equal(dtype: str) -> None:
    generator = torch.Generator().manual_seed(1)
    exact = torch.randn(1000, generator=generator, dtype=torch.float64)
    x = exact.to(DTYPES[dtype])
    for _ in range(3):
        x, exact = x * 1.1, exact * 1.1
    kept, found = x.double().numpy(), exact.numpy()
    assert equal(found, kept, allowed(dtype, 4, np.abs(found)), dtype)
    assert not equal(found * (1 + 40 * rounding_share(dtype)), kept, allowed(dtype, 4, np.abs(found)), dtype)


def test_infinity_and_nan_are_equal_to_themselves_and_to_what_a_dtype_cannot_hold() -> None:
    odd = np.array([np.inf, -np.inf, np.nan, 1.0])
    assert equal(odd, odd.copy(), 0.0)
    assert not equal(odd, np.array([np.inf, np.inf, np.nan, 1.0]), 1.0)
    assert not equal(np.array([7e4]), np.array([np.inf]), 1.0, "float32")
    assert equal(np.array([7e4]), np.array([np.inf]), 1.0, "float16")
    assert not equal(np.ones(2), np.ones(3), 1.0)


@pytest.mark.parametrize(
    ("formula", "values", "off"),
    [
        ("a * b", {"a": 3.0, "b": 5.0}, 15.0),
        ("a + b - a", {"a": 1000.0, "b": 1.0}, 1001 + 1.0),  # what is left of big numbers is no better than these
        ("(a + b) * (a - b)", {"a": 2.0, "b": 1.0}, 3.0 + 3.0 + 3.0),
        ("exp(a + b)", {"a": 1.0, "b": 1.0}, np.exp(2) * 2 + np.exp(2)),
        ("where(a > 0, a + b, a)", {"a": -1.0, "b": 5.0}, 4.0),
        ("sum(a)", {"a": np.array([1.0, -1.0, 2.0, -2.0])}, 2 * 6.0),  # the roundings of four additions
        ("a @ b", {"a": np.array([[1.0, -1.0]]), "b": np.array([[1.0], [1.0]])}, [[2 * np.sqrt(2)]]),
        ("a / (b - 1)", {"a": 1.0, "b": 3.0}, 0.5 + 0.5),
    ],
)
def test_doubt_is_what_was_rounded_and_how_it_goes_on(formula: str, values: dict[str, Any], off: Any) -> None:
    np.testing.assert_allclose(doubted(formula, values, 1e-6).off, np.asarray(off) * 1e-6, rtol=1e-3)


def test_what_runs_over_on_its_way_is_left_open() -> None:
    """In float16 two outer products of numbers of some hundreds have no room; the sum over all paths has."""
    graph = traced("float16", [("sqrt", 0, 0), ("outer", 0, 0), ("outer", 0, 0)], 0)
    assert graph.find("y").grad.nonfinite
    assert graph.explain("y").ok is None
