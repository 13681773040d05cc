"""A formula on a picture is true of the very call that it stands at: each is evaluated against what torch computed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_programs import PROGRAMS, graph

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.check.capture_check import verify
from graphviz_ad._internal.film.story import tell
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import (
    LETTERS,
    backward_formula,
    decide,
    forward_formula,
    is_summed,
    local_formula,
    without_upstream,
)
from graphviz_ad._internal.maths.formula_values import evaluate
from graphviz_ad._internal.maths.formulas import to_unicode
from graphviz_ad._internal.operations.rules import ELEMENTWISE
from graphviz_ad._internal.scene.words.describe import words_of_graph
from graphviz_ad._internal.tracing.capture import Capture

M, N, V, W = [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [2.0, 1.0]], [1.0, -2.0, 3.0], [0.5, 2.0, -1.0]
B = [[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [1.0, 1.0]]]
Call = Callable[..., Any]

# call, inputs, the formula that is written for it
CALLS: dict[str, tuple[Call, tuple[Any, ...], str]] = {
    "add": (lambda a, b: a + b, (2.0, 3.0), "a + b"),
    "add a multiple": (lambda a, b: torch.add(a, b, alpha=2), (2.0, 3.0), "add(a, b, alpha=2)"),
    "sub": (lambda a, b: a - b, (2.0, 3.0), "a − b"),
    "sub a multiple": (lambda a, b: torch.sub(a, b, alpha=2), (2.0, 3.0), "sub(a, b, alpha=2)"),
    "number first": (lambda a: 10 - a, (2.0,), "10 − a"),
    "div": (lambda a, b: a / b, (5.0, 2.0), "a / b"),
    "div truncated": (
        lambda a, b: torch.div(a, b, rounding_mode="trunc"),
        (5.0, 2.0),
        "div(a, b, rounding_mode=trunc)",
    ),
    "pow": (lambda a: a**2, (3.0,), "a²"),
    "round to decimals": (lambda a: torch.round(a, decimals=1), (0.33,), "round(a, decimals=1)"),
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c), (1.0, 2.0, 3.0), "a + b·c"),
    "addcmul of a multiple": (
        lambda a, b, c: torch.addcmul(a, b, c, value=3),
        (1.0, 2.0, 3.0),
        "addcmul(a, b, c, value=3)",
    ),
    "lerp by a tensor": (lambda a, b, c: torch.lerp(a, b, c), (1.0, 2.0, 0.25), "a + c·(b − a)"),
    "lerp by a number": (lambda a, b: torch.lerp(a, b, 0.25), (1.0, 2.0), "lerp(a, b, weight=0.25)"),
    "sum": (lambda a: torch.sum(a), (M,), "sum(a)"),
    "sum of rows": (lambda a: a.sum(dim=1), (M,), "sum(a, dim=1)"),
    "sum, dimensions kept": (lambda a: a.sum(1, keepdim=True), (M,), "sum(a, dim=1, keepdim=True)"),
    "sum of a vector along its dimension": (lambda a: a.sum(dim=0), (V,), "sum(a)"),
    "mean": (lambda a: torch.mean(a), (M,), "mean(a)"),
    "mean of columns": (lambda a: a.mean(dim=0), (M,), "mean(a, dim=0)"),
    "prod": (lambda a: torch.prod(a), (M,), "prod(a)"),
    "prod of columns": (lambda a: a.prod(dim=0), (M,), "prod(a, dim=0)"),
    "var": (lambda a: torch.var(a), (V,), "sum((a − mean(a))²) / (numel(a) − 1)"),
    "var, biased": (lambda a: a.var(unbiased=False), (V,), "var(a, correction=0)"),
    "norm": (lambda a: torch.norm(a), (V,), "‖a‖"),
    "norm of another order": (lambda a: torch.linalg.vector_norm(a, 3), (V,), "vector_norm(a, ord=3)"),
    "max": (lambda a: torch.max(a), (M,), "max(a)"),
    "amax": (lambda a: a.amax(), (M,), "max(a)"),
    "amax of columns": (lambda a: a.amax(dim=0), (M,), "amax(a, dim=0)"),
    "max of two": (lambda a, b: torch.max(a, b), (2.0, 5.0), "max(a, b)"),
    "logsumexp": (lambda a: a.logsumexp(0), (V,), "ln(sum(exp(a)))"),
    "logsumexp of columns": (lambda a: a.logsumexp(0), (M,), "logsumexp(a, dim=0)"),
    "softmax": (lambda a: a.softmax(0), (V,), "exp(a) / sum(exp(a))"),
    "softmax of rows": (lambda a: a.softmax(1), (M,), "softmax(a, dim=1)"),
    "log_softmax": (lambda a: F.log_softmax(a, -1), (V,), "a − ln(sum(exp(a)))"),
    "log_softmax of rows": (lambda a: F.log_softmax(a, -1), (M,), "log_softmax(a, dim=-1)"),
    "clamp": (lambda a: a.clamp(-1.0, 2.0), (V,), "min(max(a, −1), 2)"),
    "clamp_min": (lambda a: a.clamp_min(1.0), (V,), "max(a, 1)"),
    "clamp_max": (lambda a: a.clamp_max(1.0), (V,), "min(a, 1)"),
    "mse_loss": (lambda a, b: F.mse_loss(a, b), (V, W), "mean((a − b)²)"),
    "mse_loss summed": (lambda a, b: F.mse_loss(a, b, reduction="sum"), (V, W), "mse_loss(a, b, reduction=sum)"),
    "mse_loss of each": (lambda a, b: F.mse_loss(a, b, reduction="none"), (V, W), "mse_loss(a, b, reduction=none)"),
    "l1_loss summed": (lambda a, b: F.l1_loss(a, b, reduction="sum"), (V, W), "l1_loss(a, b)"),
    "matrix times matrix": (lambda a, b: torch.matmul(a, b), (M, N), "a @ b"),
    "vector times matrix": (lambda a, b: torch.matmul(a, b), ([1.0, 2.0], N), "a @ b"),
    "matrix times vector": (lambda a, b: torch.matmul(a, b), (N, [1.0, 2.0]), "a @ b"),
    "vector times vector": (lambda a, b: torch.matmul(a, b), (V, W), "a @ b"),
    "batch times matrix": (lambda a, b: torch.matmul(a, b), (B, N), "a @ b"),
    "batch times batch": (lambda a, b: torch.bmm(a, b), (B, B), "a @ b"),
    "mv": (lambda a, b: torch.mv(a, b), (M, [1.0, 2.0]), "a @ b"),
    "dot": (lambda a, b: torch.dot(a, b), (V, W), "sum(a·b)"),
    "outer": (lambda a, b: torch.outer(a, b), (V, W), "outer(a, b)"),
    "linear without bias": (lambda a, b: F.linear(a, b), (M, N), "a @ bᵀ"),
    "addmm": (lambda a, b, c: torch.addmm(a, b, c), ([0.5, 1.0], M, N), "a + b @ c"),
    "addmm, scaled": (lambda a, b, c: torch.addmm(a, b, c, beta=0.5), (M, M, N), "addmm(a, b, c, beta=0.5)"),
    "relu": (lambda a: torch.relu(a), (V,), "max(0, a)"),
    "leaky_relu": (lambda a: F.leaky_relu(a), (V,), "where(a > 0, a, 0.01a)"),
    "leaky_relu of another slope": (lambda a: F.leaky_relu(a, 0.2), (V,), "leaky_relu(a, negative_slope=0.2)"),
    "elu": (lambda a: F.elu(a), (V,), "where(a > 0, a, exp(a) − 1)"),
    "elu of another height": (lambda a: F.elu(a, alpha=0.5), (V,), "elu(a, alpha=0.5)"),
    "gelu": (lambda a: F.gelu(a), (V,), "a·(1 + erf(a / √2)) / 2"),
    "gelu, approximated": (lambda a: F.gelu(a, approximate="tanh"), (V,), "gelu(a, approximate=tanh)"),
    "softplus": (lambda a: F.softplus(a), (V,), "ln(1 + exp(a))"),
    "softplus, sharper": (lambda a: F.softplus(a, beta=2), (V,), "softplus(a, beta=2)"),
    "hardtanh": (lambda a: F.hardtanh(a), (V,), "min(max(a, −1), 1)"),
    "hardtanh, wider": (lambda a: F.hardtanh(a, -2, 2), (V,), "hardtanh(a, min_val=-2, max_val=2)"),
    "prelu": (lambda a, b: F.prelu(a, b), (V, [0.1]), "where(a > 0, a, b·a)"),
    "logit": (lambda a: torch.logit(a), (0.3,), "ln(a / (1 − a))"),
    "logit, clamped": (lambda a: torch.logit(a, eps=0.1), (0.3,), "logit(a, eps=0.1)"),
    "reshape": (lambda a: a.reshape(4), (M,), "reshape(a, size=4)"),
    "transpose": (lambda a: a.transpose(0, 1), (M,), "transpose(a, dim0=0, dim1=1)"),
    "expand": (lambda a: a.expand(2, 3), (V,), "expand(a, size=[2, 3])"),
    "one element": (lambda a: a[1], (V,), "a[1]"),
    "three joined": (lambda a, b: torch.cat([a, b, a]), (V, W), "cat(a, b, a)"),
    "detach": (lambda a: a.detach() * a, (2.0,), "detach(a)"),
    "linear": (lambda a, b, c: F.linear(a, b, c), (M, N, [0.5, 1.0]), "a @ bᵀ + c"),
    "linear of a vector": (lambda a, b, c: F.linear(a, b, c), ([1.0, 2.0], N, [0.5, 1.0]), "a @ bᵀ + c"),
    "linear of a batch": (lambda a, b, c: F.linear(a, b, c), (B, N, [0.5, 1.0]), "a @ bᵀ + c"),
    "max along a dimension": (lambda a: a.max(dim=0)[0], (V,), "max(a, dim=0)"),
    "conv": (lambda a, b: F.conv1d(a, b), ([M], [N]), "conv1d(a, b)"),
    "conv, padded": (lambda a, b: F.conv1d(a, b, padding=1), ([M], [N]), "conv1d(a, b, padding=1)"),
    "max_pool1d": (lambda a: F.max_pool1d(a, 2), ([M],), "max_pool1d(a)"),
    "cross_entropy": (lambda a: F.cross_entropy(a, torch.tensor([1, 0])), (M,), "−mean(log_softmax(a)[v₁])"),
    "cross_entropy summed": (
        lambda a: F.cross_entropy(a, torch.tensor([1, 0]), reduction="sum"),
        (M,),
        "cross_entropy(a, v₁)",
    ),
    "cross_entropy, smoothed": (
        lambda a: F.cross_entropy(a, torch.tensor([1, 0]), label_smoothing=0.1),
        (M,),
        "cross_entropy(a, v₁)",
    ),
    "nll_loss": (lambda a: F.nll_loss(a, torch.tensor([1, 0])), (M,), "−mean(a[v₁])"),
    "huber_loss": (lambda a, b: F.huber_loss(a, b), (V, W), "mean(where(|a − b| < 1, (a − b)² / 2, |a − b| − 1 / 2))"),
    "huber_loss, wider": (lambda a, b: F.huber_loss(a, b, delta=2.0), (V, W), "huber_loss(a, b, delta=2.0)"),
    "selu": (lambda a: F.selu(a), (V,), "where(a > 0, λ·a, λ·α·(exp(a) − 1))"),
    "mish": (lambda a: F.mish(a), (V,), "a·tanh(ln(1 + exp(a)))"),
    "hardswish": (lambda a: F.hardswish(a), (V,), "a·min(max(a + 3, 0), 6) / 6"),
    "inverse": (lambda a: torch.inverse(a), (M,), "a⁻¹"),
    "det": (lambda a: torch.det(a), (M,), "det(a)"),
    "det of what has no inverse": (lambda a: torch.det(a), ([[1.0, 2.0], [2.0, 4.0]],), "det(a)"),
    "trace": (lambda a: torch.trace(a), (M,), "trace(a)"),
    "cumsum": (lambda a: torch.cumsum(a, 0), (V,), "cumsum(a, dim=0)"),
    "number to a power": (lambda a: 2**a, (3.0,), "2^a"),
}


def traced(name: str) -> tuple[Graph, Node]:
    """The graph of a call, and the node of the call itself."""
    call, inputs, _ = CALLS[name]
    found = gad.trace(call, *inputs)
    return found, next(node for node in found.node_list if node.kind == "op")


def computed(formula: str, values: dict[str, Any]) -> Any:
    """What a formula of the rules gives for these arrays; None where a word in it stands for moving elements about,
    which test_rules knows.
    """
    try:
        return evaluate(formula, values)
    except ExpressionError:
        assert set(re.findall(r"\w+(?=\()|\[\.\.\.\]", formula)) & WORDS, formula
        return None


WORDS = {
    "[...]",
    "cat",
    "crop",
    "detach",
    "expand",
    "flatten",
    "fold",
    "onehot",
    "permute_back",
    "reshape",
    "scatter",
    "spread",
    "transpose",
    "unfold",
    "unpool",
    "view",
}


def arrays(found: Graph, node: Node) -> dict[str, Any]:
    edges = found.in_edges(node.key)
    values = {
        letter: found.nodes[edge.tail].ports[edge.port].value for letter, edge in zip(LETTERS, edges, strict=False)
    }
    return {letter: snap.array for letter, snap in values.items() if snap is not None and snap.array is not None}


def summed(array: Any, shape: tuple[int, ...]) -> Any:
    array = np.asarray(array)
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    return array.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True) if shape else array


def assert_true(found: Graph, node: Node) -> None:
    """Each formula that is claimed for a node and its edges gives the recorded numbers."""
    values = arrays(found, node)
    formula = forward_formula(found, node)
    result = (
        computed(formula, values)
        if formula and node.value is not None and len(values) == len(found.in_edges(node.key))
        else None
    )
    if result is not None and node.value is not None:
        assert np.allclose(result, node.value.array, equal_nan=True), f"{node.op}: {formula}"
    for edge in found.in_edges(node.key):
        assert_flows(found, node, edge, values)


def assert_flows(found: Graph, node: Node, edge: Edge, values: dict[str, Any]) -> None:
    formula = backward_formula(found, edge)
    if not formula or edge.grad is None or node.grad is None or node.value is None:
        return
    flows = computed(formula, {**values, "g": node.grad.array, "out": node.value.array})
    if flows is None:
        return
    local = local_formula(found, edge)
    if local:
        with np.errstate(all="ignore"):
            product = np.asarray(computed(local, {**values, "out": node.value.array}) * node.grad.array)
        assert np.allclose(product, flows, equal_nan=True), f"{node.op}, operand {edge.slot}: {local}"
    broadcast = np.broadcast_to(flows, np.broadcast_shapes(np.shape(flows), edge.grad.shape))
    if is_summed(found, edge):
        assert np.allclose(summed(broadcast, edge.grad.shape), edge.grad.array), (
            f"{node.op}, operand {edge.slot}: Σ {formula}"
        )
    else:
        assert broadcast.shape == edge.grad.shape, f"{node.op}, operand {edge.slot}: {formula} has the wrong shape"
        assert np.allclose(broadcast, edge.grad.array, equal_nan=True), f"{node.op}, operand {edge.slot}: {formula}"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_written_as_what_it_computes(name: str) -> None:
    found, node = traced(name)
    assert words_of_graph(found).nodes[node.key].formula == CALLS[name][2]


@pytest.mark.parametrize("name", CALLS)
def test_every_formula_gives_the_numbers_that_torch_gave(name: str) -> None:
    found, _ = traced(name)
    for node in found.node_list:
        if node.kind == "op":
            assert_true(found, node)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_formula_on_a_slide_is_true(name: str) -> None:
    for node in graph(name).node_list:
        if node.kind == "op":
            assert_true(graph(name), node)


@pytest.mark.parametrize(
    "name", ["add a multiple", "prod of columns", "mse_loss summed", "softmax of rows", "logsumexp of columns"]
)
def test_a_rule_that_a_setting_falsifies_is_not_used_backward(name: str) -> None:
    found, node = traced(name)
    assert [backward_formula(found, edge) for edge in found.in_edges(node.key)] == [""] * len(found.in_edges(node.key))
    for edge in found.in_edges(node.key):
        if edge.local is None:
            assert any(
                f" flows back through {node.op} to " in step.caption[0] for step in tell(words_of_graph(found)).steps
            )


def test_a_vector_has_matrix_rules_of_its_own() -> None:
    captions = {step.caption[0] for step in tell(words_of_graph(traced("vector times matrix")[0])).steps}
    assert {"dL/da = (dL/df) @ bᵀ", "dL/db = outer(a, dL/df)"} <= captions


def test_a_call_under_a_name_of_the_users_own_claims_nothing_that_its_last_part_alone_would_mean() -> None:
    layer = F.linear
    found = gad.trace(lambda a, b: layer(a, b), M, N)
    assert_true(found, found.outputs[0])


def test_a_bias_is_summed_over_its_copies() -> None:
    found, node = traced("addmm")
    assert [is_summed(found, edge) for edge in found.in_edges(node.key)] == [True, False, False]
    assert any(step.caption[0] == "dL/da = Σ dL/df" for step in tell(words_of_graph(found)).steps)


@pytest.mark.parametrize("bound", [{"min": 0.0}, {"max": 0.0}])
def test_a_clamp_with_one_bound_never_claims_the_other(bound: dict[str, float]) -> None:
    found = gad.trace(lambda a: a.clamp(**bound), V)
    node = found.outputs[0]
    assert_true(found, node)
    assert "c" not in words_of_graph(found).nodes[node.key].formula.replace("clamp", "")


GRID = np.array(np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0])).reshape(3, -1).tolist()
AT_BOUNDS: dict[str, tuple[Call, int]] = {
    **{
        f"numbers {low} and {high}": (lambda a, low=low, high=high: a.clamp(low, high), 1)
        for low in range(3)
        for high in range(3)
    },
    "tensors": (torch.clamp, 3),
    "a tensor below": (torch.clamp_min, 2),
    "a tensor above": (torch.clamp_max, 2),
    "a number below": (lambda a: a.clamp_min(1.0), 1),
    "a number above": (lambda a: a.clamp_max(1.0), 1),
    "in place": (lambda a: (a * 1).clamp_(0.0, 1.0), 1),
}


@pytest.mark.parametrize("name", AT_BOUNDS)
def test_a_clamp_passes_on_at_its_bounds_what_this_version_of_torch_takes_there(name: str) -> None:
    call, count = AT_BOUNDS[name]
    found = gad.trace(call, *GRID[:count])
    edges = [
        edge for edge in found.edges if edge.grad is not None and (found.nodes[edge.head].op or "").startswith("clamp")
    ]
    assert len(edges) == count
    assert all(backward_formula(found, edge) for edge in edges)
    assert_true(found, found.outputs[0])
    assert verify(found).wrong == ()


def test_what_no_version_of_torch_takes_at_a_bound_is_no_formula_and_a_wrong_link() -> None:
    found = gad.trace(lambda a: a.clamp(0.0, 1.0), [0.0, 1.0, 0.5, 3.0]).detail
    assert found is not None
    (edge,) = [edge for edge in found.edges if edge.grad is not None]
    claimed = replace(edge.local or Snapshot((4,), "float64"), data=np.array([1.0, 1.0, 1.0, 1.0]))
    lies = found.with_parts(
        found.node_list, [replace(one, local=claimed, grad=claimed) if one is edge else one for one in found.edges]
    )
    assert [backward_formula(lies, one) for one in lies.edges if one.grad is not None] == [""]
    assert verify(lies).wrong != ()


@pytest.mark.parametrize(("value", "is_told"), [([0.5, 3.0], True), ([0.5, 1.0], False)])
def test_what_is_taken_at_a_bound_is_not_claimed_where_it_was_not_recorded(value: list[float], is_told: bool) -> None:
    found = gad.trace(lambda a: a.clamp(0.0, 1.0), value, capture=Capture(gradients="none"))
    assert [bool(backward_formula(found, edge)) for edge in found.edges if found.nodes[edge.tail].kind == "leaf"] == [
        is_told
    ]


def test_a_long_list_of_settings_is_cut_and_not_left_out() -> None:
    x, w = torch.ones(1, 2, 4, 4, requires_grad=True), torch.ones(2, 1, 2, 2, requires_grad=True)
    some = gad.trace(lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 0), groups=2), x, w)
    assert words_of_graph(some).nodes[some.outputs[0].key].formula.endswith("padding=[1, 0], groups=2)")
    many = gad.trace(lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=(1, 0), dilation=(2, 1), groups=2), x, w)
    assert words_of_graph(many).nodes[many.outputs[0].key].formula.endswith(", …)")


def test_every_letter_of_a_formula_is_replaced() -> None:
    for name in CALLS:
        found, node = traced(name)
        formula = forward_formula(found, node)
        names = {letter: f"operand{i}" for i, letter in enumerate(LETTERS[: len(found.in_edges(node.key))])}
        assert not re.search(r"\b[a-j]\b", to_unicode(formula, names)) if formula else True


# --- parts of claims


@pytest.mark.parametrize(
    ("formula", "local"),
    [
        ("g", "1"),
        ("-g", "-1"),
        ("g * b", "b"),
        ("-g * a / b ** 2", "-a / b ** 2"),
        ("g / a", "1 / a"),
        ("-g / sqrt(1 - a ** 2)", "-1 / sqrt(1 - a ** 2)"),
        ("where(a, g, 0)", "where(a, 1, 0)"),
        ("where(b, 0, g)", "where(b, 0, 1)"),
        ("0", "0"),
        ("g @ b.T", ""),
        ("out * (g - sum(g * out))", ""),
        ("", ""),
    ],
)
def test_a_local_derivative_is_what_is_left_without_the_gradient_that_arrives(formula: str, local: str) -> None:
    assert without_upstream(formula) == local


@pytest.mark.parametrize("name", [name for name, known in ELEMENTWISE.items() if known.backward])
def test_every_elementwise_rule_has_a_local_derivative(name: str) -> None:
    values = {"a": 0.3, "b": 0.6, "c": 0.9, "out": 0.7}
    for formula in ELEMENTWISE[name].backward:
        assert evaluate(without_upstream(formula), values) == pytest.approx(
            evaluate(formula, {**values, "g": 1.0}), nan_ok=True
        )


def test_no_rule_of_real_numbers_is_claimed_of_complex_ones() -> None:
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    found = gad.trace(lambda z: (z * z).abs().sum(), z)
    assert {backward_formula(found, edge) for edge in found.edges if found.nodes[edge.head].op in ("mul", "abs")} == {
        ""
    }


@pytest.mark.parametrize(
    ("program", "value", "places"),
    [
        (lambda a: torch.relu(a), [0.0, 1.0, 0.0], [True, False, True]),
        (lambda a: torch.floor(a), [0.5, 2.0], [False, True]),
        (lambda a: a.max(), [2.0, 1.0, 2.0], [True, False, True]),
        (lambda a: a.max(dim=0)[0], [[2.0, 1.0], [2.0, 3.0]], None),
        (lambda a: a.clamp(-1, 1), [-1.0, 0.0, 1.0], [True, False, True]),
        (lambda a: torch.sin(a), [0.0], None),
        (lambda a: torch.relu(a), [1.0], None),
    ],
)
def test_kinks_are_where_operands_are_equal(program: Call, value: Any, places: list[bool] | None) -> None:
    found = gad.trace(program, value)
    node = next(node for node in found.node_list if node.kind == "op")
    where = decide(found, node).kinks
    assert (where is None) == (places is None)
    if where is not None:
        assert where.tolist() == places


def test_what_was_not_kept_has_no_kinks_to_see() -> None:
    found = gad.trace(lambda a: torch.relu(a), torch.zeros(300, requires_grad=True))
    assert decide(found, found.outputs[0]).kinks is None


@pytest.mark.parametrize(
    ("settings", "formula", "passes_on"),
    [
        ({}, "pad(x, pad=[1, 1], value=0.0)", "crop(g)"),
        ({"value": 7}, "pad(x, pad=[1, 1], value=7.0)", "crop(g)"),
        ({"mode": "reflect"}, "pad(x, padding=[1, 1], mode=reflect)", ""),
        ({"mode": "replicate"}, "pad(x, padding=[1, 1], mode=replicate)", ""),
        ({"mode": "circular"}, "pad(x)", ""),
    ],
)
def test_a_padding_says_of_what_it_is_and_only_constants_are_cut_off(
    settings: dict[str, Any], formula: str, passes_on: str
) -> None:
    traced = gad.trace(lambda x: F.pad(x, (1, 1), **settings).sum(), [[1.0, 2.0, 5.0]])
    padded = next(node for node in traced.node_list if node.op == "pad")
    (edge,) = (edge for edge in traced.in_edges(padded.key) if edge.cut is None)
    assert words_of_graph(traced).nodes[padded.key].formula == formula
    assert backward_formula(traced, edge) == passes_on
    crop = traced.nodes[padded.key].grad.array[:, 1:-1]
    assert np.array_equal(crop, edge.grad.array) == bool(passes_on)
