"""Operations as autograd records them: written in place, views, out=, broadcasting, several results, calls made of
many operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from autograd_rows import guesses, numbers, only, operands, true_trace, with_autograd
from programs import F64, autograd_names, leaf, node_called, operations, randoms, reached_names
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad

# --- in place


def added(x: Tensor) -> Tensor:
    y = x.clone()
    y.add_(x, alpha=3)
    return y


def rectified(x: Tensor) -> Tensor:
    y = x * 2
    y.relu_()
    return y


def constant_element(x: Tensor) -> Tensor:
    y = x.clone()
    y[0] = 5.0
    return y


def masked_elements(x: Tensor) -> Tensor:
    y = x.clone()
    y[y > 1] = 0.0
    return y


def other_dtype(x: Tensor) -> Tensor:
    y = x.float()
    y.mul_(2)
    return y.double()


IN_PLACE: list[tuple[Callable[[Tensor], Tensor], list[str], str]] = [
    (added, ["clone", "add_"], "AddBackward0"),
    (rectified, ["mul", "relu_"], "ReluBackward0"),
    (constant_element, ["clone", "setitem"], "CopySlices"),
    (masked_elements, ["clone", "gt", "setitem"], "IndexPutBackward0"),
    (other_dtype, ["float", "mul_", "double"], "MulBackward0"),
]


@pytest.mark.parametrize(("function", "ops", "autograd"), IN_PLACE, ids=[case[0].__name__ for case in IN_PLACE])
def test_what_is_written_in_place_is_its_own_node(
    function: Callable[[Tensor], Tensor], ops: list[str], autograd: str
) -> None:
    graph = true_trace(function, leaf(1, 2, -3))
    assert operations(graph) == ops
    assert with_autograd(graph, autograd).cut is None


def view_of_view_written(x: Tensor) -> Tensor:
    y = x * 1
    v = y.view(2, 2)
    w = v[0]
    w.mul_(3)
    return y


def base_written_view_read(x: Tensor) -> Tensor:
    y = x * 1
    v = y.view(2, 2)
    w = v[0]
    y.mul_(3)
    return w


def read_through_two_views(x: Tensor) -> Tensor:
    y = x * 1
    a, b = y.view(2, 2), y[1:3]
    a[0].mul_(3)
    return b * y[1:3]


VIEWS = [view_of_view_written, base_written_view_read, read_through_two_views]


@pytest.mark.parametrize("function", VIEWS, ids=[function.__name__ for function in VIEWS])
def test_a_later_write_reaches_every_view_with_torchs_numbers(function: Callable[[Tensor], Tensor]) -> None:
    true_trace(function, leaf(1, 2, 3, 4))


def test_the_edge_from_the_base_to_the_writer_is_certain() -> None:
    assert guesses(true_trace(view_of_view_written, leaf(1, 2, 3, 4))) == []


def test_a_base_that_is_written_and_read_through_a_view_is_written_once() -> None:
    graph = true_trace(base_written_view_read, leaf(1, 2, 3, 4))
    writer = only(graph, "mul_")
    assert (writer.cut, writer.autograd) == (None, ("MulBackward0",))
    assert numbers(writer.grad) == [1, 1, 0, 0]
    assert [node.source is not None for node in graph.node_list if "MulBackward0" in node.autograd] == [True, True]


def test_an_element_that_is_set_has_its_tensor_and_its_number_as_operands() -> None:
    graph = true_trace(constant_element, leaf(1, 2, 3))
    assert operands(graph, only(graph, "setitem")) == [("y", 0, None), ("5.0", 0, "data")]


def through_out(x: Tensor) -> Tensor:
    buffer = torch.empty(2, dtype=F64)
    with torch.no_grad():
        torch.mul(x, 2, out=buffer)
    return buffer * x


def test_a_result_written_to_out_is_cut_with_its_reason() -> None:
    graph = true_trace(through_out, leaf(1, 2))
    written = next(node for node in graph.node_list if node.cut == "no_grad")
    assert numbers(written.ports[0].value) == [2, 4]
    assert graph.out_edges(written.key)[0].cut == "data"


def test_out_is_one_result_and_no_operand() -> None:
    graph = true_trace(through_out, leaf(1, 2))
    written = next(node for node in graph.node_list if node.cut == "no_grad")
    assert len(written.ports) == 1
    assert [name for name, _, _ in operands(graph, written)] == ["x", "2"]


def test_a_leaf_written_under_no_grad_becomes_a_new_leaf() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.no_grad():
            x.add_(1)
        return x * x

    graph = gad.trace(function, leaf(1, 2))
    old, new = [node for node in graph.node_list if node.kind == "leaf"]
    assert (numbers(old.value), old.grad) == ([1, 2], None)
    assert (numbers(new.value), numbers(new.grad)) == ([2, 3], [4, 6])
    assert [edge.cut for edge in graph.in_edges(new.key)][:1] == ["no_grad"]


def test_a_leaf_written_under_no_grad_keeps_its_name() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.no_grad():
            x.add_(1)
        return x * x

    graph = gad.trace(function, leaf(1, 2))
    assert [node.name for node in graph.node_list if node.kind == "leaf"] == ["x", "x"]


# --- broadcasting


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), ()], ids=str)
def test_a_broadcast_operand_shows_what_was_summed(shape: tuple[int, ...]) -> None:
    x, b = randoms(2, 3), randoms(6, seed=1).detach()[: torch.Size(shape).numel()].reshape(shape).requires_grad_()
    graph = true_trace(lambda x, b: x * b, x, b)
    edge = graph.in_edges(graph.outputs[0].key)[1]
    assert edge.local is not None
    assert edge.grad is not None
    assert (edge.local.shape, edge.grad.shape) == ((2, 3), shape)
    whole = edge.local.array
    assert whole is not None
    np.testing.assert_array_equal(whole, x.detach().numpy())
    np.testing.assert_allclose(edge.grad.array, torch.tensor(whole).sum_to_size(shape).numpy(), rtol=1e-14)


# --- several results

PORTS: list[tuple[str, Callable[[Tensor], Any], Tensor, str, list[tuple[int, ...] | None], list[bool]]] = [
    ("split", lambda x: x.split(1)[2], randoms(3), "split", [(1,)] * 3, [False, False, True]),
    ("unbind", lambda x: x.unbind()[2] * 2, randoms(3), "unbind", [()] * 3, [False, False, True]),
    ("topk", lambda x: (lambda v, i: v * i)(*x.topk(2)), randoms(3), "topk", [(2,), (2,)], [True, False]),
    ("max", lambda x: (lambda v, i: v * i)(*x.max(0)), randoms(3, 2), "max", [(2,), (2,)], [True, False]),
    (
        "svd",
        lambda x: (lambda u, s, v: (u * s) @ v)(*torch.linalg.svd(x, full_matrices=False)),
        randoms(2, 3),
        "svd",
        [(2, 2), (2,), (2, 3)],
        [True] * 3,
    ),
    pytest.param("a", lambda x: x.split(1)[0], randoms(3), "split", [(1,)] * 3, [True, False, False]),
    pytest.param("b", lambda x: x.max(0)[0], randoms(3, 2), "max", [(2,), (2,)], [True, False]),
]  # type: ignore[list-item]


@pytest.mark.parametrize(("name", "function", "x", "op", "shapes", "reached"), PORTS)
def test_every_result_is_a_port_with_its_own_gradient(
    name: str, function: Any, x: Tensor, op: str, shapes: list[tuple[int, ...]], reached: list[bool]
) -> None:
    graph = true_trace(function, x, rtol=1e-10)
    node = only(graph, op)
    assert [port.shape for port in node.ports] == shapes
    assert [port.grad is not None for port in node.ports] == reached


def test_an_lstm_is_one_call_with_three_results() -> None:
    lstm = nn.LSTM(3, 2).double()

    def function(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output, (hidden, cell) = lstm(x)
        return output, hidden, cell

    graph = true_trace(function, randoms(4, 1, 3), rtol=1e-10)
    node = only(graph, "lstm")
    assert [port.shape for port in node.ports] == [(4, 1, 2), (1, 1, 2), (1, 1, 2)]
    assert [port.name for port in node.ports][:1] in (["output"], [None])
    assert node.inside > 20


def test_an_lstm_reads_its_input_and_its_parameters() -> None:
    lstm = nn.LSTM(3, 2).double()
    graph = true_trace(lambda x: lstm(x)[0], randoms(4, 1, 3), rtol=1e-10)
    names = ["x", *(f"lstm.{name}" for name, _ in lstm.named_parameters())]
    assert [name for name, _, _ in operands(graph, only(graph, "lstm"))] == names


# --- calls made of many operations

T, Q, K, V = torch.tensor([0, 2]), *(randoms(1, 2, 4, 8, seed=seed) for seed in range(3))
ATTENTION = nn.MultiheadAttention(4, 2).double()
MASK = randoms(4, 4, seed=5)
COMPOSITE: list[Any] = [
    ("linear", lambda x: functional.linear(x, x.detach(), x[:, 0]), (randoms(2, 3),), ["getitem", "linear"]),
    (
        "layer_norm",
        lambda x, w, b: functional.layer_norm(x, (3,), w, b),
        (randoms(2, 3), randoms(3), randoms(3)),
        ["layer_norm"],
    ),
    ("smoothed", lambda x: functional.cross_entropy(x, T, label_smoothing=0.1), (randoms(2, 3),), ["cross_entropy"]),
    (
        "bce",
        lambda x, y: functional.binary_cross_entropy_with_logits(x, y),
        (randoms(3), randoms(3, seed=1)),
        ["binary_cross_entropy_with_logits"],
    ),
    (
        "attention",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v),
        (Q, K, V),
        ["scaled_dot_product_attention"],
    ),
    ("einsum", lambda q, k, v: torch.einsum("bhqd,bhkd,bhkd->bhqd", q, k, v), (Q, K, V), ["einsum"]),
    ("heads", lambda x: ATTENTION(x, x, x)[0], (randoms(3, 1, 4),), ["multi_head_attention_forward"]),
    ("heads with weights", lambda x: ATTENTION(x, x, x), (randoms(3, 1, 4),), ["multi_head_attention_forward"]),
    (
        "cosine",
        lambda x, y: functional.cosine_similarity(x, y, 0),
        (randoms(3), randoms(3, seed=1)),
        ["cosine_similarity"],
    ),
    ("rms_norm", lambda x: functional.rms_norm(x, (3,)), (randoms(2, 3),), ["rms_norm"]),
    ("tensordot", lambda x, y: torch.tensordot(x, y, dims=2), (randoms(2, 3), randoms(2, 3, seed=1)), ["tensordot"]),
    ("dropout", lambda x: functional.dropout(x, 0.5), (randoms(2, 3),), ["dropout"]),
]


@pytest.mark.parametrize(
    ("function", "inputs", "ops"), [case[1:] for case in COMPOSITE], ids=[case[0] for case in COMPOSITE]
)
def test_a_call_is_the_one_node_that_was_written_and_its_detail_has_autograds_nodes(
    function: Any, inputs: tuple[Tensor, ...], ops: list[str]
) -> None:
    graph = true_trace(function, *inputs, rtol=1e-9)
    assert [op for op in operations(graph) if op != "detach"] == ops
    assert guesses(graph) == []
    assert reached_names(graph) >= reached_names(graph.detail or graph)  # a call is reached when any part of it is


def test_attention_in_full_is_one_call_too() -> None:
    """torch makes another kind of node of one reshape when a mode watches, with the same gradient; all others are
    the same.
    """
    graph = gad.trace(lambda q, k, v, m: functional.scaled_dot_product_attention(q, k, v, attn_mask=m), Q, K, V, MASK)
    assert operations(graph) == ["scaled_dot_product_attention"]
    assert graph.detail is not None
    ours, theirs = (
        reached_names(graph.detail),
        autograd_names(functional.scaled_dot_product_attention(Q, K, V, attn_mask=MASK)),
    )
    assert dict(ours - theirs) in ({}, {"ViewBackward0": 1})
    expected = torch.autograd.grad(functional.scaled_dot_product_attention(Q, K, V, attn_mask=MASK).sum(), Q)[0]
    np.testing.assert_array_equal(node_called(graph, "q")["grad"].array, expected.numpy())


@pytest.mark.parametrize(
    ("function", "inputs", "names"),
    [
        (lambda x: functional.cross_entropy(x, T, label_smoothing=0.1), (randoms(2, 3),), ["x", "T"]),
        (
            lambda q, k, v, m: functional.scaled_dot_product_attention(q, k, v, attn_mask=m),
            (Q, K, V, MASK),
            ["q", "k", "v", "m"],
        ),
        (lambda x: functional.rms_norm(x, (3,)), (randoms(2, 3),), ["x"]),
    ],
    ids=["cross_entropy", "attention", "rms_norm"],
)
def test_a_call_has_the_operands_that_were_written(function: Any, inputs: tuple[Tensor, ...], names: list[str]) -> None:
    graph = gad.trace(function, *inputs)
    assert list(dict.fromkeys(name for name, _, _ in operands(graph, graph.outputs[0]))) == names


def test_a_custom_operator_has_the_name_that_its_author_gave() -> None:
    @torch.library.custom_op("autograd_rows::thrice", mutates_args=())
    def thrice(x: Tensor) -> Tensor:
        return x * 3

    thrice.register_autograd(lambda ctx, g: g * 3)
    graph = gad.trace(lambda x: torch.ops.autograd_rows.thrice(x), leaf(1, 2))
    assert operations(graph) == ["autograd_rows::thrice"]
