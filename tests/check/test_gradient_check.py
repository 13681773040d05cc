"""A check compares gradients with the sums over edges and with finite differences, and says where it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_programs import PROGRAMS, Sigma, graph
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.check.gradient_check import AGREES, CUT, DIFFERS, KINK, MOST_WORK, UNKNOWN, check_gradients
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.snapshot import Snapshot


def verdicts(traced: Graph) -> dict[str, str]:
    return {row.name: row.differences for row in check_gradients(traced).rows if row.differences != UNKNOWN}


def scaled(traced: Graph, name: str, factor: complex) -> Graph:
    """The graph with a leaf's gradient and what flowed into it off by a factor, so that they still agree with each
    other.
    """
    leaf = traced.find(name)

    def times(snap: Snapshot | None) -> Snapshot | None:
        return (
            None
            if snap is None
            else replace(
                snap, data=snap.array * factor if snap.array is not None and snap.array.ndim else snap.item() * factor
            )
        )

    nodes = [
        replace(node, ports=(replace(node.ports[0], grad=times(node.grad)),)) if node.key == leaf.key else node
        for node in traced.node_list
    ]
    edges = [replace(edge, grad=times(edge.grad)) if edge.tail == leaf.key else edge for edge in traced.edges]
    return traced.with_parts(nodes, edges)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_agrees(name: str) -> None:
    report = check_gradients(graph(name))
    assert report.ok or (report.ok is None and name == "not_a_number")
    assert {row.ok for row in report.rows} <= ({True, None} if name == "not_a_number" else {True})
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
        ("own_function", {"x": AGREES, "w": AGREES}),  # which no formula knows, so that it is run again
    ],
)
def test_finite_differences_know_the_leaves(name: str, said: dict[str, str]) -> None:
    assert verdicts(graph(name)) == said


@pytest.mark.parametrize(("name", "leaf"), [("seed", "x2"), ("colah", "b"), ("matrix", "W"), ("broadcast", "b")])
@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0])
def test_a_gradient_that_is_wrong_on_all_edges_alike_is_found_by_differences(
    name: str, leaf: str, factor: float
) -> None:
    report = check_gradients(scaled(graph(name), leaf, factor))
    assert all(row.ok for row in report.rows)  # the edges agree with each other
    assert not report.ok
    assert {row.name for row in report.rows if row.differences == DIFFERS} == {leaf}
    assert "NO" in str(report)


def test_a_gradient_that_is_not_the_sum_is_found_by_the_edges() -> None:
    traced = graph("colah")
    nodes = [
        replace(node, ports=(replace(node.ports[0], grad=Snapshot((), "float64", 10.0)),)) if node.name == "b" else node
        for node in traced.node_list
    ]
    report = check_gradients(traced.with_parts(nodes, traced.edges), differences=False)
    assert [(row.name, row.error) for row in report.rows if not row.ok] == [("b", 5.0)]


def test_every_result_of_an_operation_has_a_row() -> None:
    def program(x: Tensor) -> Tensor:
        first, second = x.split(2)
        return first.sum() * second.exp().sum() + second.sum()

    traced = gad.trace(program, torch.linspace(0, 1, 4, dtype=torch.float64).requires_grad_())
    report = check_gradients(traced)
    assert {"first", "second"} <= {row.name for row in report.rows}
    assert report.ok

    def damaged(edge: Edge) -> Edge:
        return (
            replace(edge, grad=replace(edge.grad, data=edge.grad.array * 2))
            if edge.port == 1 and edge.grad and edge.grad.array is not None
            else edge
        )

    assert [
        row.name
        for row in check_gradients(traced.with_parts(traced.node_list, map(damaged, traced.edges))).rows
        if not row.ok
    ] == ["second"]


@pytest.mark.parametrize("program", [lambda x: torch.relu(x), lambda x: x.abs(), lambda x: torch.max(x, 2 * x)])
def test_at_a_kink_there_is_no_derivative_to_compare_with(program: Any) -> None:
    assert verdicts(gad.trace(program, 0.0)) == {"x": KINK}
    assert verdicts(gad.trace(program, 0.5)) == {"x": AGREES}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_single_precision_is_enough_to_agree(dtype: torch.dtype) -> None:
    traced = gad.trace(lambda x: (torch.sin(x) * x).sum(), torch.tensor([0.5, 1.5], dtype=dtype, requires_grad=True))
    assert verdicts(traced) in ({"x": AGREES}, {})
    assert check_gradients(traced).ok


SMOOTH = {
    "exp": (lambda x: torch.exp(x), -4.83),
    "sigmoid": (lambda x: torch.sigmoid(x), 0.7),
    "quotient": (lambda x: x / (1 + x * x), 0.3),
    "log": (lambda x: torch.log(x) * 3, 1.7),
    "sum": (lambda x: x.sin() + x.exp() - x / 3, 0.9),
}


@pytest.mark.parametrize(
    ("dtype", "factor"),
    [(torch.bfloat16, 1.2), (torch.float16, 1.05), (torch.float32, 1.01), (torch.float32, 0.999)],
    ids=str,
)
@pytest.mark.parametrize("name", SMOOTH)
def test_a_gradient_that_is_off_by_more_than_its_dtype_rounds_is_found(
    name: str, dtype: torch.dtype, factor: float
) -> None:
    program, number = SMOOTH[name]
    traced = gad.trace(program, torch.tensor([number, number / 2], dtype=dtype, requires_grad=True))
    assert verdicts(traced) == {"x": AGREES}
    assert verdicts(scaled(traced, "x", factor)) == {"x": DIFFERS}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
@pytest.mark.parametrize(
    ("function", "number"),
    [(torch.sigmoid, 5.6), (torch.sigmoid, 8), (torch.sigmoid, 17), (torch.tanh, 4), (torch.tanh, 9.5)],
)
def test_what_rounds_to_a_flat_place_is_no_false_alarm(function: Any, number: float, dtype: torch.dtype) -> None:
    # to 1 - 1 * 1 = 0 at last, as torch says
    traced = gad.trace(function, torch.tensor(number, dtype=dtype, requires_grad=True))
    assert set(verdicts(traced).values()) <= {AGREES}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_an_inexact_dtype_inside_counts_too(dtype: torch.dtype) -> None:
    x = torch.tensor([0.3, -1.2, 2.1], dtype=torch.float64, requires_grad=True)
    assert verdicts(gad.trace(lambda x: x.to(dtype).exp().double().sum(), x)) == {"x": AGREES}


@pytest.mark.parametrize(
    ("program", "number"),
    [
        (functional.softplus, -40.0),
        (functional.gelu, -10.0),
        (torch.sigmoid, -50.0),
        (torch.log1p, 1e-12),
        (torch.expm1, 1e-12),
        (torch.exp, -80.0),
    ],
)
def test_a_formula_that_loses_all_digits_in_a_sum_is_no_false_alarm(program: Any, number: float) -> None:
    assert check_gradients(gad.trace(program, number)).ok  # log(1 + exp(a)) is 0 at -40, and its derivative is not


def test_terms_that_nearly_cancel_inside_of_a_loss_are_no_false_alarm() -> None:
    x = torch.tensor([-0.8584], dtype=torch.float16, requires_grad=True)
    target = torch.tensor([0.3], dtype=torch.float16)  # where sigmoid(x) is 0.2977, in three digits
    traced = gad.trace(lambda x: functional.binary_cross_entropy_with_logits(x, target), x)
    assert verdicts(traced) == {"x": AGREES}
    assert verdicts(scaled(traced, "x", 2)) == {"x": DIFFERS}


def test_a_sum_inside_of_an_operation_that_is_not_quite_1_is_no_false_alarm() -> None:
    x = torch.tensor([0.46, 0.36, 0.52, -2.1, 2.69, 0.84, -0.65, -1.28], requires_grad=True)
    assert check_gradients(gad.trace(lambda x: x.softmax(0), x)).ok  # the gradient is 0, but for rounding


def test_gradients_below_the_smallest_number_of_their_dtype_are_no_false_alarm() -> None:
    x = torch.full((4,), 1e-15, dtype=torch.float32, requires_grad=True)
    traced = gad.trace(lambda x: x.double().prod(), x)
    assert traced.find("x").grad is not None
    assert check_gradients(traced).ok


def test_a_coarse_operand_makes_the_gradient_of_a_fine_one_coarse() -> None:
    coarse = torch.tensor([-0.39, 1.03, -0.01], dtype=torch.bfloat16, requires_grad=True)
    # torch squares the other one in its own dtype
    fine = torch.tensor([0.14, -1.0, 0.81], dtype=torch.float64, requires_grad=True)
    assert verdicts(gad.trace(lambda coarse, fine: torch.atan2(coarse, fine), coarse, fine)) == {
        "coarse": AGREES,
        "fine": AGREES,
    }


def test_a_fine_operation_on_a_coarse_value_is_as_coarse_as_that() -> None:
    coarse = torch.tensor([1.1, -0.7, 2.3], dtype=torch.bfloat16, requires_grad=True)
    fine = torch.tensor([0.14, -1.0, 0.81], dtype=torch.float64, requires_grad=True)
    traced = gad.trace(lambda coarse, fine: coarse.exp().double() * fine, coarse, fine)
    assert verdicts(traced) == {"coarse": AGREES, "fine": AGREES}
    assert verdicts(scaled(traced, "fine", 1.2))["fine"] == DIFFERS


def test_a_tiny_gradient_is_not_compared_with_a_large_tolerance() -> None:
    traced = gad.trace(lambda x: x * 1e-9, 0.5)
    assert verdicts(traced) == {"x": AGREES}
    assert verdicts(scaled(traced, "x", 1.01)) == {"x": DIFFERS}
    nodes = [
        replace(node, ports=(replace(node.ports[0], grad=Snapshot((), "float64", 2e-9)),)) if node.name == "x" else node
        for node in traced.node_list
    ]
    assert [
        row.name
        for row in check_gradients(traced.with_parts(nodes, traced.edges), differences=False).rows
        if not row.ok
    ] == ["x"]


def test_many_additions_in_a_coarse_dtype_are_no_false_alarm() -> None:
    def program(x: Tensor) -> Tensor:
        return torch.stack([x * 1 for _ in range(300)]).sum()  # the gradient is 256: to that, bfloat16 cannot add 1

    traced = gad.trace(program, torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True))
    assert traced.find("x").grad == Snapshot((), "bfloat16", 256.0)
    assert check_gradients(traced).ok


def test_a_sum_that_is_too_large_for_its_dtype_is_no_false_alarm() -> None:
    x = torch.tensor(0.5, dtype=torch.float16, requires_grad=True)
    traced = gad.trace(lambda x: x * 6e4 + x * 5e4, x)
    assert traced.find("x").grad == Snapshot((), "float16", float("inf"))
    assert check_gradients(traced).ok


@pytest.mark.parametrize(
    ("off", "said"),
    [(2.0**-24, ""), (2.0**-11, "is not as exact as its dtype"), (0.3, "does not give what was recorded")],
)
def test_products_of_fewer_digits_than_their_dtype_has_are_said_to_be_that(off: float, said: str) -> None:
    """As on processors that multiply in TF32."""
    x = torch.rand(4, 4, requires_grad=True)
    traced = gad.trace(lambda x: (x @ x).sum(), x)
    product = next(node for node in traced.node_list if node.op == "matmul")
    value = product.ports[0].value
    assert value is not None
    coarse = replace(value, data=np.asarray(value.data) * np.float32(1 + off), stats=None)
    nodes = [
        replace(node, ports=(replace(node.ports[0], value=coarse),)) if node is product else node
        for node in traced.node_list
    ]
    report = check_gradients(traced.with_parts(nodes, traced.edges))
    assert report.ok
    assert report.numeric.formulas.startswith("No finite differences") is bool(said)
    assert said in report.numeric.formulas


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize(
    "program",
    [
        lambda x: x.clamp(-0.55, 0.8),
        lambda x: torch.maximum(x, torch.tensor(0.8, dtype=torch.float64)),
        lambda x: x**2.2,
        lambda x: 0.1 - x,
    ],
)
def test_numbers_are_rounded_to_the_dtype_that_they_are_computed_in(program: Any, dtype: torch.dtype) -> None:
    traced = gad.trace(program, torch.tensor([0.3, 1.4, 2.7], dtype=dtype, requires_grad=True))
    assert verdicts(traced) == {"x": AGREES}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_a_kernel_that_takes_a_small_number_from_1_is_no_false_alarm(dtype: torch.dtype) -> None:
    traced = gad.trace(torch.erf, torch.full((40,), 3e-7, dtype=dtype, requires_grad=True))  # 0 in half precision
    report = check_gradients(traced, capture=True)
    assert report.ok
    assert "does not give" not in report.note


def test_a_part_of_another_shape_cannot_add_up() -> None:
    traced = gad.trace(lambda x: x * 2, torch.ones(3, requires_grad=True))
    edges = [replace(edge, grad=Snapshot((), "float32", 2.0)) if edge.cut is None else edge for edge in traced.edges]
    assert [
        row.name
        for row in check_gradients(traced.with_parts(traced.node_list, edges), differences=False).rows
        if not row.ok
    ] == ["x"]


def test_the_gradient_of_a_whole_of_which_a_part_is_shown_is_not_compared() -> None:
    def program(x: Tensor) -> Tensor:
        y = x.clone()
        return y[:2].mul_(2)

    assert check_gradients(gad.trace(program, torch.ones(4, requires_grad=True))).ok


def test_upstream_gradients_that_were_not_kept_are_no_false_alarm() -> None:
    graph = gad.trace(lambda x: x.expand(1000), torch.ones(1, requires_grad=True))
    report = check_gradients(graph, numeric=False)
    assert report.ok is None
    assert report.numeric.formulas.startswith("No finite differences: the upstream gradients of expand")
    assert check_gradients(graph).ok


# --- complex numbers: the gradient is ∂L/∂Re + i ∂L/∂Im, where L is Re(Σ conj(upstream) · output)


Z = torch.tensor([0.5 + 1j, -1.2 + 0.3j], dtype=torch.complex128)
SEED = torch.tensor([0.7 - 0.4j, 1.1 + 2j], dtype=torch.complex128)
X = torch.tensor([0.5, -1.2], dtype=torch.float64)
COMPLEX = {
    "real to complex": (lambda x: (x.to(torch.complex128) * Z).exp(), X, SEED),
    "real to complex to real": (lambda x: (x.cdouble() * Z).exp().imag, X, None),
    "real times complex": (lambda x: x * Z, X, SEED),
    "of one number": (
        lambda x: x.cdouble() * (1 + 2j),
        torch.tensor(0.5, dtype=torch.float64),
        torch.tensor(1.5 - 2j, dtype=torch.complex128),
    ),
    "holomorphic": (lambda z: z.sin() / z, Z, SEED),
    "conjugate": (lambda z: z * z.conj(), Z, SEED),
    "absolute value": (lambda z: z.abs(), Z, None),
    "parts": (lambda z: (z * z).real * z.imag, Z, None),
    "sigmoid": (lambda z: torch.sigmoid(z), Z, SEED),
    "single precision": (lambda z: z * z, Z.to(torch.complex64), SEED.to(torch.complex64)),
    "parts as dimensions": (lambda z: torch.view_as_real(z).pow(2).sum(), Z, None),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_gradients_are_compared_as_torch_means_them(name: str) -> None:
    program, number, seed = COMPLEX[name]
    traced = gad.trace(program, number.clone().requires_grad_(), grad_outputs=seed)
    (leaf,) = (node.name for node in traced.node_list if node.kind == "leaf")
    assert leaf is not None
    assert verdicts(traced) == {leaf: AGREES}
    assert verdicts(scaled(traced, leaf, 1.01)) == {leaf: DIFFERS}
    assert check_gradients(traced).ok


@pytest.mark.parametrize("factor", [1j, -1, 1 + 0.01j])
def test_a_complex_gradient_that_is_turned_is_found(factor: complex) -> None:
    traced = gad.trace(lambda z: z.sin(), Z.clone().requires_grad_(), grad_outputs=SEED)
    assert verdicts(scaled(traced, "z", factor)) == {"z": DIFFERS}


def test_the_gradient_of_a_real_operand_by_hand() -> None:
    x = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    traced = gad.trace(lambda x: x.cdouble() * (1 + 2j), x, grad_outputs=[torch.tensor(3 + 1j, dtype=torch.complex128)])
    assert traced.find("x").grad == Snapshot((), "float64", 5.0)  # Re((3 - i) (1 + 2i))
    assert verdicts(traced) == {"x": AGREES}


def test_steep_functions_are_no_false_alarm() -> None:
    for program in (lambda x: torch.exp(50 * x), lambda x: 1 / (x - 0.5000001), lambda x: torch.sqrt(x - 0.5 + 1e-12)):
        assert check_gradients(gad.trace(program, 0.5)).ok is not False


def test_an_operation_without_a_formula_is_named_in_the_note() -> None:
    report = check_gradients(graph("own_function"), numeric=False)
    assert report.numeric.formulas.startswith(
        "No finite differences: own_function cannot be computed again, because there is no formula for"
    )
    assert report.numeric.formulas in str(report)
    assert Sigma.name  # type: ignore[attr-defined]


def test_a_big_graph_is_not_computed_again() -> None:
    def many(*xs: Tensor) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total

    graph = gad.trace(many, *map(float, range(300)))
    report = check_gradients(graph, numeric=False)
    assert (report.ok, report.coverage) == (None, (0, 300))
    assert check_gradients(graph).coverage == (300, 300)  # all at once
    assert report.numeric.formulas == f"No finite differences: they would compute {300 * 599 * 5:,} operations again."
    assert MOST_WORK < 300 * 599 * 5


def test_the_table_names_what_the_picture_names() -> None:
    lines = str(check_gradients(graph("seed"))).splitlines()
    assert lines[0].split("  ")[0] == "node"
    assert {line.split()[0] for line in lines[1:-1]} == {"x1", "x2", "v1", "v2", "v3", "v4", "v5", "v6", "seed"}
    assert lines[1].split()[1:] == ["0", "yes", "yes"]
