"""Equal up to rounding is one thing: right numbers pass everywhere, wrong ones nowhere, and trace, explain and check
never disagree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.check.gradient_check import DIFFERS, check_gradients
from graphviz_ad._internal.check.link_numbers import flow_fits, local_fits
from graphviz_ad._internal.explain.explainer import agrees_with_flow
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths import agreement
from graphviz_ad._internal.maths.agreement import (
    EACH,
    OF_A_DERIVATIVE,
    allowed,
    coarsest,
    consistent,
    dtype_around,
    equal,
    reproduces,
    room,
    rounding_share,
    smallest,
    sums_up,
)
from graphviz_ad._internal.maths.derivative_agreement import verified_edge
from graphviz_ad._internal.maths.formula_errors import doubted
from graphviz_ad._internal.maths.gradient_sums import known, parts_of_gradient
from graphviz_ad._internal.tracing.assembly.hooks import with_hooks_said
from graphviz_ad._internal.tracing.capture import Capture

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}
REAL = [name for name in DTYPES if "complex" not in name]
FULL = Capture(values="full", gradients="full")
# What must be caught as wrong, as a part of the numbers that were added up. An edge: what one operation sends back
# along it. A sum: of two uses of a tensor.
WRONG_EDGE = {"float64": 3e-9, "float32": 1.5e-6, "float16": 0.012, "bfloat16": 0.1}
WRONG_SUM = {"float64": 3e-9, "float32": 1.5e-6, "float16": 0.012, "bfloat16": 0.1}
CERTAINLY = 3  # times as far off as rounding can be: nobody may pass that
FUZZ = int(os.environ.get("FUZZ", "0"))  # examples of each dtype that nobody has met, instead of the few that all meet
EXAMPLES = FUZZ or 20

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
    # what runs over, runs under, and has no value everywhere
    "big": lambda x: 300 * x,
    "small": lambda x: x / 300,
    "half": lambda x: x.half().to(x.dtype),
    "reciprocal": lambda x: 1 / x,
    "grow": torch.exp,
    "root": torch.sqrt,
    "logarithm": torch.log,
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
    "power": lambda x, y: x.abs() ** y,
}
ONLY_REAL = {"relu", "gelu", "softplus", "softmax", "norm", "layer_norm", "single", "half", "maximum", "where", "power"}
Steps = list[tuple[str, int, int]]
Program = tuple[str, Steps, int]


def programs(dtype: str) -> some.SearchStrategy[Program]:
    names = [name for name in (*UNARY, *BINARY) if dtype in REAL or name not in ONLY_REAL]
    steps = some.tuples(some.sampled_from(names), some.integers(0, 9), some.integers(0, 9))
    return some.tuples(some.just(dtype), some.lists(steps, min_size=1, max_size=8), some.integers(0, 2**32 - 1))


def traced(dtype: str, steps: Steps, seed: int) -> Graph:
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


def finest(graph: Graph) -> Graph:
    return graph.detail or graph


def complaints(graph: Graph) -> Iterator[str]:
    """All that anybody calls wrong in a graph where everything is right, and all that is called right unseen."""
    yield from (f"trace: {said.kind}" for said in graph.notes)
    yield from (f"hook at {node.key}" for node in finest(graph).node_list if node.hook_effects)
    report = graph.check(capture=True)
    yield from (f"check: {row}" for row in report.rows if row.ok is False or row.differences == DIFFERS)
    yield from (f"capture: {link}" for link in (report.capture.wrong if report.capture is not None else ()))
    if "does not give" in report.note or "not as exact" in report.note:
        yield report.note
    for leaf in ("x", "y"):
        explanation, grad = graph.explain(leaf), graph.find(leaf).grad
        if explanation.ok is False:
            yield f"explain {leaf}: {explanation.difference}, doubt {explanation.doubt}"
        if explanation.ok and grad is not None and grad.nonfinite:
            yield f"explain {leaf}: what is not finite equals nothing"
        assert str(explanation)
    raw = finest(graph)
    for edge in raw.edges:
        if edge.local is not None and edge.local.array is not None:
            assert agrees_with_flow(raw, edge, edge.local.array)
            assert local_fits(raw, edge) is not False


def told_of_sum(raw: Graph, node: Node) -> bool | None:
    """Whether a gradient is the sum of what flowed, as `check` says it of a graph as it was recorded; nobody says
    anything else.
    """
    row = next(row.ok for row in check_gradients(raw, differences=False).rows if row.key == node.key)
    assert flow_fits(raw, raw.nodes[node.key]) is row
    suspected = with_hooks_said(raw).nodes[node.key].hook_effects
    assert bool(suspected) is (row is False), (suspected, row)
    return row


def finite(*arrays: Any) -> bool:
    return all(array is not None and bool(np.isfinite(array).all()) for array in arrays)


# --- right ones


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_right_is_called_wrong_in_any_precision(dtype: str) -> None:
    @settings(deadline=None, max_examples=EXAMPLES)
    @given(programs(dtype))
    def nothing_is(program: Program) -> None:
        assert list(complaints(traced(*program))) == []

    nothing_is()


@pytest.mark.parametrize(
    "program",
    [
        # two outer products run over in float16: ∞ − ∞ is NaN on one way and not on another
        ("float16", [("sin", 0, 0), ("outer", 0, 1), ("outer", 0, 0), ("outer", 0, 0)], 30),
        ("float16", [("sqrt", 0, 0), ("outer", 0, 0), ("outer", 0, 0)], 0),
        # the root of a negative number, and what a rectifier does to NaN
        ("float16", [("gelu", 0, 1), ("root", 6, 2)], 3329278263),
        ("bfloat16", [("root", 6, 3), ("root", 6, 2), ("root", 1, 2), ("relu", 5, 3), ("relu", 0, 2)], 4116171326),
        # gradients that are ∞ and −∞: their sum is neither
        *[
            (
                dtype,
                [("div", 0, 1), ("sin", 0, 0), ("big", 1, 0), ("sin", 0, 0), ("square", 7, 0), ("half", 0, 0)],
                9869,
            )
            for dtype in ("float16", "bfloat16")
        ],
        # float16 has less room than bfloat16, which rounds more
        ("bfloat16", [("big", n, 8) for n in (0, 5, 6)] + [("half", 0, 5)], 3953740822),
        # sines of large numbers, of which rounding leaves nothing
        ("bfloat16", [("outer", 0, 0), ("log", 0, 0), *[("outer", 0, 0)] * 2, *[("sin", 0, 0)] * 2], 2068583866),
        # 1048 + 1.6 − 1048
        (
            "bfloat16",
            [
                *[("power", 7, 1), ("sub", 4, 5), ("big", 1, 3), ("power", 6, 2), ("power", 5, 3), ("power", 9, 3)],
                *[("softmax", 4, 2), ("sub", 7, 7), ("sub", 5, 2)],
            ],
            1530435665,
        ),
        # a norm of numbers whose squares are 0
        (
            "float32",
            [(name, 0, 0) for name in ["norm", "broadcast", "div", "mean", "broadcast", "broadcast", "norm", "div"]],
            2377802967,
        ),
        # on a branch cut, of several elements that cross it in different directions
        ("complex128", [*[("logarithm", 0, 0)] * 2, *[("sigmoid", 0, 0)] * 2], 2946642176),
        ("complex128", [("logarithm", 1, 1), ("reciprocal", 1, 0), ("logarithm", 0, 0)], 3931049501),
        # faster than any step of differences
        (
            "complex128",
            [("big", 1, 0), ("sigmoid", 1, 0), *[("big", n, 0) for n in (1, 0, 0)], ("sin", 0, 0)],
            649785941,
        ),
        # near a pole; by a kernel that runs over on its way
        ("complex128", [("root", 1, 0), ("small", 1, 1)], 2376372973),
        ("complex64", [("sigmoid", 0, 0), *[("logarithm", 0, 0)] * 2, ("sigmoid", 0, 0)], 3896601048),
        ("complex64", [("logarithm", 0, 0), ("big", 0, 0), ("sigmoid", 0, 0)], 1246129348),
        (
            "complex64",
            [(name, 0, 0) for name in ["small", "small", "sin", "small", "small", "sin", "reciprocal", "sin", "small"]],
            1137970271,
        ),
    ],
    ids=lambda program: f"{program[0]} {program[2]}",
)
def test_these_are_not_called_wrong_either(program: Program) -> None:
    assert list(complaints(traced(*program))) == []


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", [name for name in UNARY if name not in ("half", "reciprocal", "root", "logarithm")])
def test_the_doubt_about_a_path_is_small(name: str, dtype: str) -> None:
    for seed in range(FUZZ or 8):
        explanation = traced(dtype, [(name, 0, 0)], seed).explain("y")
        if explanation.summed and finite(explanation.autograd):
            size = max(1, float(np.max(np.abs(explanation.autograd))) / 10)
            least = max(EACH * torch.finfo(DTYPES[dtype]).eps / 2, agreement.LEAST)
            assert np.max(explanation.doubt) < 600 * size * least


# --- wrong ones


@pytest.mark.parametrize("dtype", REAL)
def test_a_wrong_flow_is_caught_by_all_or_by_none(dtype: str) -> None:
    @settings(deadline=None, max_examples=EXAMPLES)
    @given(programs(dtype), some.integers(0, 10**6), some.sampled_from([-1, 1, 2, -4]))
    def caught(program: Program, which: int, times: int) -> None:
        raw = finest(traced(*program))
        edges = [
            edge
            for edge in raw.edges
            if edge.local is not None and edge.cut is None and edge.grad is not None and np.any(known(edge.grad))
        ]
        if edges:
            assert_caught_along(raw, edges[which % len(edges)], times)

    caught()


def assert_caught_along(raw: Graph, edge: Edge, times: int) -> None:
    head = raw.nodes[edge.head]
    assert edge.grad is not None
    assert edge.local is not None
    around = coarsest((dtype_around(raw, head), edge.grad.dtype))
    planted = with_edge(raw, edge, scaled(edge.grad, 1 + times * WRONG_EDGE.get(around, WRONG_EDGE["bfloat16"])))
    bad = next(each for each in planted.edges if each.key == edge.key)
    local = known(bad.local)
    kept = verified_edge(bad, head, [raw.nodes[each.tail] for each in raw.in_edges(head.key)]).local is not None
    assert kept is agrees_with_flow(planted, bad, local)
    assert kept is (local_fits(planted, bad) is not False)
    told_of_sum(planted, raw.nodes[edge.tail])
    sizes = np.abs(known(edge.grad))
    normal = finite(sizes, local, known(head.grad)) and np.max(sizes) > 1e-3 * (1 + np.max(np.abs(known(head.grad))))
    if normal and edge.grad.shape == edge.local.shape:
        assert not kept


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wrong_gradient_is_caught_by_all_or_by_none(dtype: str) -> None:
    @settings(deadline=None, max_examples=EXAMPLES)
    @given(programs(dtype), some.integers(0, 10**6), some.sampled_from([-1, 1, 3]))
    def caught(program: Program, which: int, times: int) -> None:
        raw = finest(traced(*program))
        nodes = [node for node in raw.node_list if finite(known(node.grad)) and node.grad and parts_of(raw, node)]
        if nodes:
            assert_caught_at(raw, nodes[which % len(nodes)], times)

    caught()


@pytest.mark.parametrize(
    ("program", "which", "times"),
    # elements of very different size: each is as exact as itself, and not as the largest
    [(("float64", [("sin", 0, 0)], 5135500), which, times) for which in range(9) for times in (1, 3)],
    ids=str,
)
def test_these_are_caught_or_not_as_they_should_be(program: Program, which: int, times: int) -> None:
    raw = finest(traced(*program))
    nodes = [node for node in raw.node_list if node.grad is not None and parts_of(raw, node)]
    assert_caught_at(raw, nodes[which % len(nodes)], times)


def parts_of(raw: Graph, node: Node) -> list[Any]:
    """What is added up to the gradient of a node, if all of it is finite."""
    uses = [edge for edge in raw.out_edges(node.key) if edge.cut is None]
    parts = [known(part) for part in parts_of_gradient(uses, node.ports[0])]
    return parts if uses and finite(*parts) else []


def assert_caught_at(raw: Graph, node: Node, times: int) -> None:
    grad, parts = node.grad, parts_of(raw, node)
    assert grad is not None
    size = np.sum(np.abs(parts), axis=0)
    for part, ok in ((1e-3, {True}), (0.5, {True, False}), (1.5, {True, False}), (CERTAINLY, {False})):
        off = times * part * np.maximum(allowed(grad.dtype, len(parts), size), agreement.LEAST * size)
        wrong = known(grad) + off
        planted = with_grad(raw, node, replace(grad, data=wrong if wrong.ndim else wrong.item(), stats=None))
        told = told_of_sum(planted, node)
        assert told in ok | {None} if np.max(size, initial=0) > 1e300 else told in ok, (part, told)
        if node.kind == "leaf":
            assert planted.explain(node.name or "").ok in ({False} if told is False else {None, told})


@pytest.mark.parametrize("dtype", REAL)
def test_so_large_an_error_of_an_edge_is_wrong(dtype: str) -> None:
    local, arrived = np.array([0.5, -2.0]), np.array([3.0, 0.7])
    sizes = {
        factor: reproduces(local, arrived, local * arrived * (1 + factor * WRONG_EDGE[dtype]), dtype)
        for factor in (-1, -0.1, 0, 0.1, 1)
    }
    assert sizes == {-1: False, -0.1: True, 0: True, 0.1: True, 1: False}
    assert WRONG_EDGE[dtype] < 3.3 * rounding_share(dtype, OF_A_DERIVATIVE)


@pytest.mark.parametrize("dtype", REAL)
def test_so_large_an_error_of_a_sum_is_wrong(dtype: str) -> None:
    parts = [np.array([0.5, -2.0]), np.array([3.0, 1.9])]
    size = np.sum(np.abs(parts), axis=0)
    sums = {
        factor: sums_up(np.sum(parts, axis=0) + factor * WRONG_SUM[dtype] * size, parts, dtype, 2, hidden=None)
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


@pytest.mark.parametrize("dtype", REAL)
def test_a_number_that_torch_rounded_as_often_is_equal(dtype: str) -> None:
    generator = torch.Generator().manual_seed(1)
    exact = torch.randn(1000, generator=generator, dtype=torch.float64)
    x = exact.to(DTYPES[dtype])
    for _ in range(3):
        x, exact = x * 1.1, exact * 1.1
    kept, found = x.double().numpy(), exact.numpy()
    assert equal(found, kept, allowed(dtype, 4, np.abs(found)), dtype)
    assert not equal(found * (1 + 40 * rounding_share(dtype)), kept, allowed(dtype, 4, np.abs(found)), dtype)


def test_of_infinity_and_nan_nobody_says_yes_or_no_unless_they_had_no_right_to_be() -> None:
    odd = np.array([np.inf, -np.inf, np.nan, 1.0])
    assert equal(odd, odd.copy(), 0.0) is None
    assert equal(odd, np.array([np.inf, np.inf, np.nan, 1.0]), 1.0) is None
    assert equal(odd, np.array([np.inf, -np.inf, np.nan, 3.0]), 1.0) is False  # the finite ones are not equal
    assert equal(np.array([7e4]), np.array([np.inf]), 1.0) is None  # in whatever dtype
    assert equal(np.array([7e4]), np.array([np.inf]), 1.0, "float32") is False
    assert equal(np.array([7e4]), np.array([np.inf]), 1.0, "float16") is None
    assert equal(np.array([3.0]), np.array([np.nan]), 1.0, "float16", np.array([7e4])) is None  # of 7e4 − 7e4 + 3
    assert equal(np.array([7e4]), np.array([np.inf]), 1.0, "float8_e4m3fn") is None  # of which no room is known
    assert equal(np.ones(2), np.ones(2) + 1, np.array([2.0, np.nan])) is None
    assert equal(np.ones(2), np.ones(3), 1.0) is False


def test_a_formula_may_say_infinity_and_nan_where_torch_does() -> None:
    odd = np.array([np.inf, -np.inf, np.nan, 1.0])
    assert consistent(odd, odd.copy(), 0.0)
    assert not consistent(odd, np.array([np.inf, np.inf, np.nan, 1.0]), 1.0)
    assert not consistent(odd, np.ones(4), 1.0)
    assert consistent(np.array([7e4]), np.array([np.inf]), 1.0, "float16")


@pytest.mark.parametrize("dtype", REAL)
def test_what_is_not_finite_stays_so_whatever_is_added(dtype: str) -> None:
    parts = [np.array([np.nan, np.inf, 2.0]), np.array([1.0, 1.0, 3.0])]
    assert sums_up(np.array([np.nan, np.inf, 5.0]), parts, dtype, 2, hidden=None) is None
    assert sums_up(np.array([0.0, np.inf, 5.0]), parts, dtype, 2, hidden=None) is False
    assert sums_up(np.array([0.0, np.inf, 5.0]), parts, dtype, 2, hidden=1.0) is None  # they may be sums themselves
    assert sums_up(np.array([np.nan, np.inf, np.nan]), parts, dtype, 2, hidden=None) is False


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize(
    ("hook", "number", "told"),
    [
        (torch.nan_to_num, 0.0, True),
        (lambda grad: grad / 0, 1.0, True),
        (lambda grad: grad * 1.5, 1.0, True),
        (lambda grad: grad.clone(), 1.0, False),
        (lambda grad: grad.clone(), 0.0, False),
    ],
)
def test_what_a_hook_does_is_told_also_to_infinity(
    hook: Callable[[Tensor], Tensor], number: float, told: bool, dtype: str
) -> None:
    def program(x: Tensor) -> Tensor:
        y = x * 1
        y.register_hook(hook)
        return (y.sqrt() + y).sum()  # at 0, its slope is infinite

    x = torch.tensor([number, 4.0], dtype=DTYPES[dtype], requires_grad=True)
    graph = gad.trace(program, x)
    assert [said.kind for said in graph.notes] == ["hook changed"] * told
    report = graph.check(capture=True)
    assert all(row.ok is not False for row in report.rows)
    assert report.capture is not None
    assert report.capture.ok


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


def test_two_halves_are_as_coarse_as_the_one_and_have_as_little_room_as_the_other() -> None:
    both = coarsest(["float16", "float64", "bfloat16"])
    assert coarsest([both, "bfloat16"]) == coarsest(["bfloat16", both, None]) == both
    assert coarsest(["bfloat16", "float32"]) == "bfloat16"
    assert coarsest(["float16", "float32"]) == "float16"
    assert coarsest([None, "int64", "float64"]) == "float64"
    assert coarsest([]) == ""
    assert rounding_share(both) == rounding_share("bfloat16")
    assert (room(both), smallest(both)) == (room("float16"), smallest("float16"))


def test_what_runs_over_on_its_way_is_left_open() -> None:
    """In float16 two outer products of numbers of some hundreds have no room; the sum over all paths has."""
    graph = traced("float16", [("sqrt", 0, 0), ("outer", 0, 0), ("outer", 0, 0)], 0)
    assert graph.find("y").grad.nonfinite
    assert graph.explain("y").ok is None
