"""The operands of a call are those that the user gave it: each once, in their order, with what really flows back
along each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from programs import (
    assert_sound,
    autograd_names,
    leaf,
    node_called,
    operation,
    operations,
    randoms,
    reached_names,
    tails,
    wrong_sums,
)
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph

CLASSES = torch.tensor([0, 2])


def called_with(graph: Graph) -> tuple[str | None, list[str | None]]:
    """The call that made the result, and its operands."""
    (output,) = graph.outputs
    return output.op, tails(graph, output.key)


# --- numbers

WITHOUT_NUMBERS: list[tuple[str, Callable[..., Tensor], tuple[Tensor, ...], list[str]]] = [
    (
        "cross_entropy",
        lambda x: functional.cross_entropy(x, CLASSES, label_smoothing=0.1),
        (randoms(2, 3),),
        ["x", "CLASSES"],
    ),
    ("rms_norm", lambda x, w: functional.rms_norm(x, (3,), w), (randoms(2, 3), randoms(3)), ["x", "w"]),
    ("dropout", lambda x: functional.dropout(x, 0.5), (randoms(2, 3),), ["x"]),
    ("normalize", lambda x: functional.normalize(x, p=3.0), (randoms(2, 3),), ["x"]),
    ("gelu", lambda x: functional.gelu(x), (randoms(2, 3),), ["x"]),
    ("softsign", lambda x: functional.softsign(x), (randoms(3),), ["x"]),
    (
        "poisson_nll_loss",
        lambda x, t: functional.poisson_nll_loss(x, t),
        (randoms(3), randoms(3).exp().detach()),
        ["x", "t"],
    ),
    ("logit", lambda x: torch.logit(x.sigmoid(), 1e-6), (randoms(3),), ["sigmoid"]),
    ("square", lambda x: torch.square(x), (randoms(3),), ["x"]),
]


@pytest.mark.parametrize(
    ("op", "function", "inputs", "operands"), WITHOUT_NUMBERS, ids=[case[0] for case in WITHOUT_NUMBERS]
)
def test_a_number_that_torch_computes_with_is_no_operand(
    op: str, function: Any, inputs: Any, operands: list[str]
) -> None:
    graph = gad.trace(function, *inputs)
    assert called_with(graph) == (op, operands)
    assert_sound(graph)


def test_the_numbers_inside_stand_in_the_detail() -> None:
    detail = gad.trace(lambda x: functional.rms_norm(x, (3,)), randoms(2, 3)).detail
    assert detail is not None
    assert tails(detail, operation(detail, "pow").key) == ["x", "2"]


WITH_NUMBERS: list[tuple[str, Callable[..., Tensor], list[str]]] = [
    ("sub", lambda d: 10 - d, ["10", "d"]),
    ("div", lambda d: 3 / d, ["3", "d"]),
    ("pow", lambda d: 2**d, ["2", "d"]),
    ("pow", lambda d: d**2, ["d", "2"]),
    ("float_power", lambda d: torch.float_power(d.float(), 3), ["float", "3.0"]),
    ("clamp", lambda d: torch.clamp(d, 0, 1), ["d", "0", "1"]),
    ("clamp", lambda d: d.clamp(max=1), ["d", "1"]),
    ("remainder", lambda d: d % 3, ["d", "3"]),
    ("where", lambda d: torch.where(d > 1, d, 0.0), ["gt", "d", "0.0"]),
    ("where", lambda d: torch.where(d > 1, 0.5, d), ["gt", "0.5", "d"]),
    ("xlogy", lambda d: torch.xlogy(2.0, d), ["2.0", "d"]),
    ("mul", lambda d: d * True, ["d", "True"]),
]


@pytest.mark.parametrize(
    ("op", "function", "operands"), WITH_NUMBERS, ids=[f"{i}-{case[0]}" for i, case in enumerate(WITH_NUMBERS)]
)
def test_a_number_that_the_user_wrote_is_an_operand_where_it_was_written(
    op: str, function: Any, operands: list[str]
) -> None:
    graph = gad.trace(function, leaf(1, 3))
    assert called_with(graph) == (op, operands)
    assert_sound(graph, 1e-6)


# --- each once, in the order given

ORDER: list[tuple[str, Callable[..., Tensor], tuple[tuple[int, ...], ...]]] = [
    ("kl_div", lambda a, b: functional.kl_div(a, b.exp(), reduction="sum"), ((3,), (3,))),
    ("margin_ranking_loss", lambda a, b, c: functional.margin_ranking_loss(a, b, c), ((3,), (3,), (3,))),
    ("cosine_embedding_loss", lambda a, b, c: functional.cosine_embedding_loss(a, b, c), ((3, 2), (3, 2), (3,))),
    ("hinge_embedding_loss", lambda a, b: functional.hinge_embedding_loss(a, b), ((3,), (3,))),
    ("triplet_margin_loss", lambda a, b, c: functional.triplet_margin_loss(a, b, c), ((3, 2), (3, 2), (3, 2))),
    ("gaussian_nll_loss", lambda a, b, c: functional.gaussian_nll_loss(a, b, c.exp()), ((3,), (3,), (3,))),
    ("bilinear", lambda a, b, c, d: functional.bilinear(a, b, c, d), ((2, 3), (2, 4), (5, 3, 4), (5,))),
    ("linear", lambda a, b, c: functional.linear(a, b, c), ((1, 2, 3), (4, 3), (4,))),
    ("einsum", lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), ((2, 3), (3, 4), (4, 2))),
    ("cosine_similarity", lambda a, b: functional.cosine_similarity(a, b), ((3, 2), (3, 2))),
    ("tensordot", lambda a, b: torch.tensordot(a, b, 1), ((2, 3), (3, 2))),
]


@pytest.mark.parametrize(("op", "function", "shapes"), ORDER, ids=[case[0] for case in ORDER])
def test_operands_stand_once_in_the_order_given(op: str, function: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    graph = gad.trace(function, *(randoms(*shape, seed=seed) for seed, shape in enumerate(shapes)))
    found, operands = called_with(graph)
    assert found == op
    assert [name if name != "exp" else "abc"[i] for i, name in enumerate(operands)] == list("abcd"[: len(shapes)])
    assert_sound(graph, 1e-9)


@pytest.mark.parametrize("masked", ["added", "boolean"])
def test_the_mask_of_attention_stands_where_it_is_given(masked: str) -> None:
    q, k, v = (randoms(1, 2, 4, 8, seed=seed) for seed in range(3))
    m = randoms(4, 4, seed=5) if masked == "added" else torch.ones(4, 4, dtype=torch.bool).tril()
    graph = gad.trace(lambda q, k, v, m: functional.scaled_dot_product_attention(q, k, v, attn_mask=m), q, k, v, m)
    assert called_with(graph)[1] == (["q", "k", "v", "m"])
    assert_sound(graph, 1e-9)


def test_what_is_written_twice_stands_there_twice() -> None:
    for function in (lambda x: x @ x, lambda x: torch.einsum("bij,bjk->bik", x, x), lambda x: torch.matmul(x, x)):
        graph = gad.trace(function, randoms(2, 2, 2))
        assert called_with(graph)[1] == ["x", "x"]
        assert_sound(graph)


def test_an_operand_that_is_read_several_times_brings_the_sum_of_its_contributions() -> None:
    x = randoms(2, 3)
    graph = gad.trace(lambda x: functional.rms_norm(x * 1, (3,)) + (x * 1), x)
    node = operation(graph, "rms_norm")
    (edge,) = graph.in_edges(node.key)
    y = x.detach().requires_grad_()
    expected = torch.autograd.grad(functional.rms_norm(y, (3,)).sum(), y)[0]
    assert edge.grad is not None
    np.testing.assert_allclose(edge.grad.array, expected.numpy(), rtol=1e-12, atol=1e-15)


def test_the_contribution_of_a_big_operand_is_known_where_all_of_its_gradient_comes_from_there() -> None:
    x = randoms(100, 30)
    graph = gad.trace(lambda x: functional.rms_norm(x, (30,)), x)
    (edge,) = graph.in_edges(graph.outputs[0].key)
    assert edge.grad is not None
    assert edge.grad.norm == graph.find("x").grad.norm  # type: ignore[union-attr]


def test_the_contribution_of_a_big_operand_is_said_to_be_unknown_where_it_cannot_be_told() -> None:
    graph = gad.trace(lambda x: functional.rms_norm(x, (30,)) + x, randoms(100, 30))
    (edge,) = graph.in_edges(operation(graph, "rms_norm").key)
    assert edge.grad is not None
    assert (edge.grad.known, edge.grad.norm, edge.grad.missing) == (False, None, "sum of 2 contributions")
    assert graph.to_svg(layout="layered")


def test_the_derivative_of_an_operand_that_is_read_several_times_is_the_sum() -> None:
    graph = gad.trace(lambda x: functional.softsign(x), leaf(2, -3))
    (edge,) = graph.in_edges(graph.outputs[0].key)
    assert edge.local is not None
    np.testing.assert_allclose(edge.local.array, np.array([1 / 9, 1 / 16]), rtol=1e-14)


# --- layers with a state

RECURRENT: list[Any] = [
    ("lstm", lambda: nn.LSTM(3, 2), (4, 1, 3), 1),
    ("lstm", lambda: nn.LSTM(3, 2, num_layers=2, bidirectional=True), (4, 1, 3), 4),
    ("lstm", lambda: nn.LSTM(3, 4, proj_size=2), (4, 1, 3), 1),
    ("lstm", lambda: nn.LSTM(3, 2, bias=False), (4, 1, 3), 1),
    ("gru", lambda: nn.GRU(3, 2, batch_first=True), (1, 4, 3), 1),
    ("rnn_tanh", lambda: nn.RNN(3, 2), (4, 1, 3), 1),
    ("rnn_relu", lambda: nn.RNN(3, 2, nonlinearity="relu"), (4, 1, 3), 1),
    ("lstm_cell", lambda: nn.LSTMCell(3, 2), (1, 3), 1),
    ("gru_cell", lambda: nn.GRUCell(3, 2), (1, 3), 1),
]


@pytest.mark.parametrize(
    ("op", "make", "shape", "layers"), RECURRENT, ids=[f"{i}-{case[0]}" for i, case in enumerate(RECURRENT)]
)
def test_a_recurrent_layer_reads_its_input_and_then_its_parameters(
    op: str, make: Callable[[], nn.Module], shape: tuple[int, ...], layers: int
) -> None:
    layer = make().double()
    graph = gad.trace(lambda x: _first(layer(x)), randoms(*shape))
    found, operands = (
        called_with(graph) if op in operations(graph)[-1:] else (op, tails(graph, operation(graph, op).key))
    )
    assert (found, operands) == (op, ["x", *(f"layer.{name}" for name, _ in layer.named_parameters())])
    assert wrong_sums(graph, 1e-9) == []


def _first(result: Any) -> Tensor:
    return result[0] if isinstance(result, tuple) else result  # type: ignore[no-any-return]


def test_a_state_that_the_user_gives_stands_after_the_input() -> None:
    lstm = nn.LSTM(3, 3).double()
    graph = gad.trace(
        lambda x, h, c: lstm(x, (h, c))[0], randoms(4, 1, 3), randoms(1, 1, 3, seed=1), randoms(1, 1, 3, seed=2)
    )
    assert called_with(graph)[1][:4] == ["x", "h", "c", "lstm.weight_ih_l0"]
    zeros = gad.trace(
        lambda x: lstm(x, (torch.zeros(1, 1, 3, dtype=x.dtype), torch.zeros(1, 1, 3, dtype=x.dtype)))[0],
        randoms(4, 1, 3),
    )
    assert called_with(zeros)[1][:4] == ["x", "zeros", "zeros", "lstm.weight_ih_l0"]  # the user's own, not the layer's


def test_what_attention_is_given_stands_before_what_it_owns() -> None:
    attention = nn.MultiheadAttention(4, 2).double()
    q, k, v = (randoms(3, 1, 4, seed=seed) for seed in range(3))
    graph = gad.trace(lambda q, k, v: attention(q, k, v)[0], q, k, v)
    assert called_with(graph)[1] == ["q", "k", "v", *(f"attention.{name}" for name, _ in attention.named_parameters())]
    assert_sound(graph, 1e-9)


# --- what a call stands for


def test_a_call_stands_for_the_autograd_nodes_that_lead_to_the_output() -> None:
    attention = nn.MultiheadAttention(4, 2).double()
    x = randoms(3, 1, 4)
    graph = gad.trace(lambda x: attention(x, x, x)[0], x)  # the weights are computed too, and nobody reads them
    assert reached_names(graph) == autograd_names(attention(x, x, x)[0])


def test_what_a_write_replaced_is_not_among_the_autograd_nodes() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.clone()
        y[0] = 5.0
        return y

    graph = gad.trace(function, leaf(1, 2))
    assert operation(graph, "setitem").autograd == ("CopySlices",)
    assert reached_names(graph) == autograd_names(function(leaf(1, 2)))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_the_sizes_of_a_nested_tensor_are_no_operation_of_the_program() -> None:
    x = torch.nested.nested_tensor([torch.ones(2, 2), torch.ones(3, 2)], requires_grad=True)
    graph = gad.trace(lambda x: torch.nested.to_padded_tensor(x * 2, 0.0).sum(), x)
    assert operations(graph) == ["mul", "to_padded_tensor", "sum"]
    assert list(graph.nodes) == [f"n{i}" for i in range(len(graph.nodes))]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_a_nested_tensor_is_made_of_its_parts(layout: torch.layout) -> None:
    graph = gad.trace(
        lambda a, b: torch.nested.as_nested_tensor([a, b], layout=layout).to_padded_tensor(0.0),
        randoms(2, 2),
        randoms(3, 2),
    )
    assert operations(graph) == ["as_nested_tensor", "to_padded_tensor"]
    assert tails(graph, operation(graph, "as_nested_tensor").key) == ["a", "b"]
    assert node_called(graph, "a")["grad"].array.tolist() == [[1, 1], [1, 1]]


def test_what_reduces_and_broadcasts_again_inside_a_call_has_no_elementwise_derivative() -> None:
    x, w = (
        torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ([1.0, 2.0, 3.0], [0.5, 0.7, 0.9])
    )
    graph = gad.trace(lambda x, w: torch.nn.functional.rms_norm(x, (3,), w).sum(), x, w)
    (norm,) = [node for node in graph.node_list if node.op == "rms_norm"]
    of_x, of_w = graph.in_edges(norm.key)
    assert of_x.local is None
    assert of_w.local is not None
    assert of_w.local.array.tolist() == of_w.grad.array.tolist()
