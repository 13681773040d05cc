"""A formula on a picture is true of the very call that it stands at: each is evaluated against what torch computed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_programs import PROGRAMS, graph

import graphviz_ad as gad
from graphviz_ad.claims import LETTERS, backward_formula, forward_formula, is_summed
from graphviz_ad.formulas import to_unicode
from graphviz_ad.graph import Edge, Graph, Node
from graphviz_ad.story import tell
from graphviz_ad.wording import Wording

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
    "div truncated": (lambda a, b: torch.div(a, b, rounding_mode="trunc"), (5.0, 2.0), "div(a, b, rounding_mode=trunc)"),
    "pow": (lambda a: a**2, (3.0,), "a²"),
    "round to decimals": (lambda a: torch.round(a, decimals=1), (0.33,), "round(a, decimals=1)"),
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c), (1.0, 2.0, 3.0), "a + b·c"),
    "addcmul of a multiple": (lambda a, b, c: torch.addcmul(a, b, c, value=3), (1.0, 2.0, 3.0), "addcmul(a, b, c, value=3)"),
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
    "leaky_relu": (lambda a: F.leaky_relu(a), (V,), "where(a > 0, a, 0.01·a)"),
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
    "number to a power": (lambda a: 2**a, (3.0,), "2^a"),
}


def traced(name: str) -> tuple[Graph, Node]:
    """The graph of a call, and the node of the call itself."""
    call, inputs, _ = CALLS[name]
    found = gad.trace(call, *inputs)
    return found, next(node for node in found.node_list if node.kind == "op")


def last_two_swapped(x: Any) -> Any:
    return np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x


NUMPY = {
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "abs", "sin", "cos", "sum", "mean", "prod", "sign", "where", "outer", "trunc")},
    "numel": np.size, "shape": np.shape, "reshape": np.reshape, "norm": np.linalg.norm, "pi": math.pi, "erf": np.vectorize(math.erf), "round": np.round,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "T": last_two_swapped, "max": lambda x, *y: np.maximum(x, *y) if y else np.max(x),
    "min": lambda x, *y: np.minimum(x, *y) if y else np.min(x), "cosh": np.cosh, "sinh": np.sinh, "detach": np.asarray,
    "transpose": last_two_swapped, "expand": np.asarray, "cat": None, "__builtins__": {},
}  # fmt: skip


def computed(formula: str, values: dict[str, Any]) -> Any:
    """What a formula of the rules gives for these arrays."""
    text = re.sub(r"\b(\w+)\.T", r"T(\1)", formula)
    text = re.sub(r"(\S+) (<=?) a \2 (\w+)", r"(\1 \2 a) & (a \2 \3)", text)
    with np.errstate(all="ignore"):
        return eval(text, NUMPY, values)  # our own rules, in a test


def arrays(found: Graph, node: Node) -> dict[str, Any]:
    edges = found.in_edges(node.key)
    values = {letter: found.nodes[edge.tail].ports[edge.port].value for letter, edge in zip(LETTERS, edges, strict=False)}
    return {letter: snap.array for letter, snap in values.items() if snap is not None and snap.array is not None}


def summed(array: Any, shape: tuple[int, ...]) -> Any:
    array = np.asarray(array)
    array = array.sum(axis=tuple(range(array.ndim - len(shape))))
    return array.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True) if shape else array


def assert_true(found: Graph, node: Node) -> None:
    """Each formula that is claimed for a node and its edges gives the recorded numbers."""
    values = arrays(found, node)
    formula = forward_formula(found, node)
    if formula and node.value is not None and "..." not in formula and len(values) == len(found.in_edges(node.key)):
        assert np.allclose(computed(formula, values), node.value.array, equal_nan=True), f"{node.op}: {formula}"
    for edge in found.in_edges(node.key):
        assert_flows(found, node, edge, values)


def assert_flows(found: Graph, node: Node, edge: Edge, values: dict[str, Any]) -> None:
    formula = backward_formula(found, edge)
    if not formula or edge.grad is None or node.grad is None or node.value is None:
        return
    flows = computed(formula, {**values, "g": node.grad.array, "out": node.value.array})
    broadcast = np.broadcast_to(flows, np.broadcast_shapes(np.shape(flows), edge.grad.shape))
    if is_summed(found, edge):
        assert np.allclose(summed(broadcast, edge.grad.shape), edge.grad.array), f"{node.op}, operand {edge.slot}: Σ {formula}"
    else:
        assert broadcast.shape == edge.grad.shape, f"{node.op}, operand {edge.slot}: {formula} has the wrong shape"
        assert np.allclose(broadcast, edge.grad.array, equal_nan=True), f"{node.op}, operand {edge.slot}: {formula}"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_written_as_what_it_computes(name: str) -> None:
    found, node = traced(name)
    assert Wording(found).formula(node) == CALLS[name][2]


@pytest.mark.parametrize("name", CALLS)
def test_every_formula_gives_the_numbers_that_torch_gave(name: str) -> None:
    found, _ = traced(name)
    for node in found.node_list:
        if node.kind == "op" and node.op not in ("reshape", "transpose", "expand", "cat"):
            assert_true(found, node)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_formula_on_a_slide_is_true(name: str) -> None:
    for node in graph(name).node_list:
        if node.kind == "op" and node.op not in ("chunk",):
            assert_true(graph(name), node)


@pytest.mark.parametrize("name", ["add a multiple", "sum of rows", "mse_loss summed", "softmax of rows", "logsumexp of columns", "batch times matrix"])
def test_a_rule_that_a_setting_falsifies_is_not_used_backward(name: str) -> None:
    found, node = traced(name)
    assert [backward_formula(found, edge) for edge in found.in_edges(node.key)] == [""] * len(found.in_edges(node.key))
    for edge in found.in_edges(node.key):
        if edge.local is None:
            assert any(step.caption[0].endswith(f"what {node.op} passes back") for step in tell(Wording(found)).steps)


def test_a_vector_has_matrix_rules_of_its_own() -> None:
    captions = {step.caption[0] for step in tell(Wording(traced("vector times matrix")[0])).steps}
    assert {"∂L/∂a = (∂L/∂f) @ bᵀ", "∂L/∂b = outer(a, ∂L/∂f)"} <= captions


def test_a_call_under_a_name_of_the_users_own_claims_nothing_that_its_last_part_alone_would_mean() -> None:
    layer = F.linear
    found = gad.trace(lambda a, b: layer(a, b), M, N)
    assert_true(found, found.outputs[0])


def test_a_bias_is_summed_over_its_copies() -> None:
    found, node = traced("addmm")
    assert [is_summed(found, edge) for edge in found.in_edges(node.key)] == [True, False, False]
    assert any(step.caption[0] == "∂L/∂a = Σ ∂L/∂f" for step in tell(Wording(found)).steps)


@pytest.mark.parametrize("bound", [{"min": 0.0}, {"max": 0.0}])
def test_a_clamp_with_one_bound_never_claims_the_other(bound: dict[str, float]) -> None:
    found = gad.trace(lambda a: a.clamp(**bound), V)
    node = found.outputs[0]
    assert_true(found, node)
    assert "c" not in Wording(found).formula(node).replace("clamp", "")


def test_a_long_list_of_settings_is_cut_and_not_left_out() -> None:
    found = gad.trace(
        lambda x, w: F.conv2d(x, w, stride=2, padding=1, groups=1), torch.ones(1, 1, 4, 4, requires_grad=True), torch.ones(1, 1, 2, 2, requires_grad=True)
    )
    assert Wording(found).formula(found.outputs[0]).endswith(", …)")


def test_every_letter_of_a_formula_is_replaced() -> None:
    for name in CALLS:
        found, node = traced(name)
        formula = forward_formula(found, node)
        names = {letter: f"operand{i}" for i, letter in enumerate(LETTERS[: len(found.in_edges(node.key))])}
        assert not re.search(r"\b[a-j]\b", to_unicode(formula, names)) if formula else True
