"""What is one node, what it is called, and in which order it takes its operands: as the user wrote it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flows
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
    plain_gradients,
    randoms,
    reached_names,
    tails,
)
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.capture import Capture

EVERYTHING = Capture(values="full", gradients="full")
WHOLE = torch.ones(1, 2, requires_grad=True)
# some versions of torch slice for the first ":", too
SLICES = ("SliceBackward0",) * autograd_names(WHOLE[:, 1:]).total()

# --- names


def assigned(x: Tensor, y: Tensor) -> Tensor:
    q = x + y
    return q * 2


def unpacked(x: Tensor) -> Tensor:
    y1, y2 = torch.split(x, [1, 2])
    return y1.sum() * y2.sum()


def assigned_twice(x: Tensor) -> Tensor:
    a = b = x * 3
    return a + b


def walrus(x: Tensor) -> Tensor:
    return (w := x * 2) + w


def augmented(x: Tensor) -> Tensor:
    y = x * 2
    y += 3
    return y


def through_a_helper(x: Tensor) -> Tensor:
    def helper(inner: Tensor) -> Tensor:
        return inner * inner

    h = helper(x)
    return h + 1


def through_two_helpers(x: Tensor) -> Tensor:
    def outer(a: Tensor) -> Tensor:
        return inner(a)

    def inner(b: Tensor) -> Tensor:
        return b.exp()

    h = outer(x)
    return h + 1


def local_in_a_helper(x: Tensor) -> Tensor:
    def helper(inner: Tensor) -> Tensor:
        squared = inner * inner
        return squared

    h = helper(x)
    return h + 1


def repeated(x: Tensor) -> Tensor:
    for _ in range(3):
        x = torch.sin(x)
    return x


def used_at_once(x: Tensor) -> Tensor:
    y = torch.exp(torch.sin(x))
    return y * 1


def chosen(x: Tensor) -> Tensor:
    y = x * 2 if x.dim() == 0 else x * 3
    return y + 1


def stored_in_a_list(x: Tensor) -> Tensor:
    found = [x * 2]
    return found[0] + 1


NAMES: list[tuple[Callable[..., Tensor], tuple[Any, ...], list[str | None]]] = [
    (assigned, (1.0, 2.0), ["q", None]),
    (assigned_twice, (1.0,), ["a", None]),
    (walrus, (1.0,), ["w", None]),
    (augmented, (1.0,), ["y", "y"]),
    (through_a_helper, (1.0,), ["h", None]),
    (through_two_helpers, (1.0,), ["h", None]),
    (local_in_a_helper, (1.0,), ["squared", None]),
    (repeated, (1.0,), ["x", "x", "x"]),
    (used_at_once, (1.0,), [None, "y", None]),
    (chosen, (1.0,), ["y", None]),
    (stored_in_a_list, (1.0,), [None, None]),
    (lambda x: x.exp() * x, (1.0,), [None, None]),
]


@pytest.mark.parametrize(("function", "inputs", "names"), NAMES, ids=[case[0].__name__ for case in NAMES])
def test_a_result_has_the_name_of_the_variable_that_takes_it(
    function: Callable[..., Tensor], inputs: tuple[Any, ...], names: list[str | None]
) -> None:
    graph = gad.trace(function, *inputs)
    assert [node.name for node in graph.node_list if node.kind == "op"] == names
    assert_sound(graph)


def test_unpacked_results_name_the_ports_of_one_node() -> None:
    node = operation(gad.trace(unpacked, [1.0, 2.0, 3.0]), "split")
    assert [(port.name, port.shape) for port in node.ports] == [("y1", (1,)), ("y2", (2,))]
    assert [
        port.grad.array.tolist() for port in node.ports if port.grad is not None and port.grad.array is not None
    ] == [[5], [1, 1]]


def test_a_returned_dict_names_what_has_no_other_name() -> None:
    graph = gad.trace(lambda x: {"first": x * 2, "second": x.exp()}, 1.0)
    assert [node.name for node in graph.outputs] == ["first", "second"]


def test_inputs_have_the_names_of_the_arguments() -> None:
    def function(a: Tensor, *rest: Tensor, key: Tensor, **more: Tensor) -> Tensor:
        return a + sum(rest) + key + more["other"]

    graph = gad.trace(function, 1.0, 2.0, 3.0, key=4.0, other=5.0)
    assert [node.name for node in graph.node_list if node.kind == "leaf"] == ["a", "rest[0]", "rest[1]", "key", "other"]


def test_the_source_is_the_line_of_the_user() -> None:
    first = assigned.__code__.co_firstlineno
    graph = gad.trace(assigned, 1.0, 2.0)
    assert [node.source for node in graph.node_list if node.kind == "op"] == [
        f"test_calls.py:{first + 1}",
        f"test_calls.py:{first + 2}",
    ]


# --- what the call is, and what it stands for

TARGET, ONE, TWO = torch.tensor([0, 2]), randoms(3, seed=1), randoms(3, seed=2)

CALLS: list[tuple[Callable[..., Tensor], tuple[Any, ...], str, list[str], tuple[str, ...]]] = [
    (lambda a, b: torch.max(a, b), (leaf(1, 5), leaf(2, 3)), "max", ["a", "b"], ("MaximumBackward0",)),
    (lambda a, b: torch.maximum(a, b), (leaf(1, 5), leaf(2, 3)), "maximum", ["a", "b"], ("MaximumBackward0",)),
    (lambda a: a.max(), (leaf(1, 5),), "max", ["a"], ("MaxBackward1",)),
    (lambda a, b: a @ b, (randoms(2, 3), randoms(3, 2)), "matmul", ["a", "b"], ("MmBackward0",)),
    (lambda a, b: a @ b, (randoms(3), randoms(3, 2)), "matmul", ["a", "b"], ("UnsqueezeBackward0", "MmBackward0", "SqueezeBackward4")),  # noqa: E501
    (lambda a, b: torch.matmul(a, b), (randoms(2, 2, 3), randoms(3, 2)), "matmul", ["a", "b"], ("ViewBackward0", "MmBackward0", "UnsafeViewBackward0")),  # noqa: E501
    (lambda x, W, b: functional.linear(x, W, b), (randoms(2, 3), randoms(4, 3), randoms(4)), "linear", ["x", "W", "b"], ("TBackward0", "AddmmBackward0")),  # noqa: E501
    (lambda x, W: functional.linear(x, W), (randoms(2, 3), randoms(4, 3)), "linear", ["x", "W"], ("TBackward0", "MmBackward0")),  # noqa: E501
    (lambda x, t: functional.cross_entropy(x, t), (randoms(2, 3), TARGET), "cross_entropy", ["x", "t"], ("LogSoftmaxBackward0", "NllLossBackward0")),  # noqa: E501
    (lambda x, t: functional.mse_loss(x, t), (randoms(3), randoms(3)), "mse_loss", ["x", "t"], ("MseLossBackward0",)),
    (lambda x, w, b: functional.layer_norm(x, (3,), w, b), (randoms(2, 3), ONE, TWO), "layer_norm", ["x", "w", "b"], ("NativeLayerNormBackward0",)),  # noqa: E501
    (lambda p: 1 / p, (leaf(4),), "div", ["1", "p"], ("ReciprocalBackward0", "MulBackward0")),
    (lambda p: p / 3, (leaf(4),), "div", ["p", "3"], ("DivBackward0",)),
    (lambda d: 10 - d, (leaf(4),), "sub", ["10", "d"], ("RsubBackward1",)),
    (lambda d: d - 10, (leaf(4),), "sub", ["d", "10"], ("SubBackward0",)),
    (lambda x: 2 * x, (leaf(4),), "mul", ["2", "x"], ("MulBackward0",)),
    (lambda x: x * 2, (leaf(4),), "mul", ["x", "2"], ("MulBackward0",)),
    (lambda x: 2**x, (leaf(4),), "pow", ["2", "x"], ("PowBackward2",)),
    (lambda x: x**2, (leaf(4),), "pow", ["x", "2"], ("PowBackward0",)),
    (lambda x: -x, (leaf(4),), "neg", ["x"], ("NegBackward0",)),
    (lambda x: x[0], (leaf(4, 5),), "getitem", ["x"], ("SelectBackward0",)),
    (lambda x: x[:, 1:], (randoms(2, 3),), "getitem", ["x"], SLICES),
    (lambda x: x.reshape(-1), (randoms(2, 3),), "reshape", ["x"], ("ViewBackward0",)),
    (lambda x: torch.softmax(x, -1), (leaf(1, 2),), "softmax", ["x"], ("SoftmaxBackward0",)),
    (lambda x, y: torch.where(x > y, x, y), (leaf(1, 5), leaf(2, 3)), "where", ["gt", "x", "y"], ("WhereBackward0",)),
    (lambda x, y: torch.cat([y, x]), (leaf(1, 5), leaf(2, 3)), "cat", ["y", "x"], ("CatBackward0",)),
    (lambda x, y: torch.stack([y, x]), (leaf(1, 5), leaf(2, 3)), "stack", ["y", "x"], ("StackBackward0",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "inputs", "op", "operands", "autograd"), CALLS, ids=[f"{i}-{case[2]}" for i, case in enumerate(CALLS)]
)
def test_a_call_is_one_node_as_written(
    function: Any, inputs: Any, op: str, operands: list[str], autograd: tuple[str, ...]
) -> None:
    graph = gad.trace(function, *inputs)
    (output,) = graph.outputs
    assert (output.op, tails(graph, output.key), output.autograd) == (op, operands, autograd)
    assert_sound(graph)
    assert graph.detail is not None
    assert reached_names(graph.detail) == reached_names(graph) == autograd_names(function(*inputs))


def test_einsum_takes_its_operands_in_the_order_written() -> None:
    for equation in ("ij,jk->ik", "ij,jk->ki"):
        graph = gad.trace(lambda a, b, equation=equation: torch.einsum(equation, a, b), randoms(2, 3), randoms(3, 2))
        (output,) = graph.outputs
        assert (output.op, tails(graph, output.key)) == ("einsum", ["a", "b"])


def test_a_transposed_view_is_one_node() -> None:
    graph = gad.trace(lambda x: x.T, randoms(2, 3))
    assert operations(graph) in (["T"], ["transpose"], ["permute"], ["t"])
    assert graph.outputs[0].ports[0].shape == (3, 2)


def test_the_finer_graph_says_what_torch_ran() -> None:
    graph = gad.trace(lambda x, W, b: functional.linear(x, W, b), randoms(2, 3), randoms(4, 3), randoms(4))
    assert graph.detail is not None
    assert operations(graph.detail) == ["t", "addmm"]


def test_linalg_functions_keep_their_name() -> None:
    graph = gad.trace(lambda x: torch.linalg.multi_dot([x, x, x]), randoms(2, 2))
    assert operations(graph) == ["multi_dot"]


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_is_one_node_with_its_parameters_by_name(bias: bool) -> None:
    graph = gad.trace(nn.Sequential(nn.Linear(3, 2, bias=bias), nn.Tanh()), randoms(2, 3, dtype=torch.float32))
    assert operations(graph) == ["linear", "tanh"]
    node = operation(graph, "linear")
    assert tails(graph, node.key) == ["input", "0.weight", "0.bias"][: 2 + bias]
    assert node.module == ("0",)
    assert_sound(graph, 1e-5)


def test_multi_head_attention_is_one_node() -> None:
    attention = nn.MultiheadAttention(4, 2)
    x = randoms(3, 1, 4, dtype=torch.float32)
    graph = gad.trace(lambda x: attention(x, x, x, need_weights=False)[0], x)
    assert len(operations(graph)) == 1
    (node,) = graph.outputs
    named = [name for name in tails(graph, node.key) if name and "." in name]
    assert named == [
        f"attention.{name}" for name in ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
    ]
    assert tails(graph, node.key)[0] == "x"
    assert_sound(graph, 1e-4)
    assert graph.detail is not None
    assert reached_names(graph.detail) == autograd_names(attention(x, x, x, need_weights=False)[0])


def test_calls_repeated_in_a_loop_stay_apart() -> None:
    layer = nn.Linear(2, 2).double()

    def function(x: Tensor) -> Tensor:
        for _ in range(3):
            x = layer(x)
        return x.sum()

    graph = gad.trace(function, randoms(1, 2))
    assert operations(graph) == ["linear"] * 3 + ["sum"]
    assert len(graph.out_edges(next(key for key, node in graph.nodes.items() if node.name == "layer.weight"))) == 3
    assert_sound(graph)


def test_the_same_line_called_again_is_another_node() -> None:
    def norm(v: Tensor) -> Tensor:
        return functional.normalize(v, dim=0)

    graph = gad.trace(lambda x: norm(norm(x)), [3.0, 4.0])
    assert operations(graph) == ["normalize", "normalize"]


def test_a_call_has_no_inner_constants_as_operands() -> None:
    graph = gad.trace(lambda a, b: functional.cosine_similarity(a, b, 0), leaf(1, 2), leaf(2, 1))
    assert set(tails(graph, graph.outputs[0].key)) == {"a", "b"}


# --- derivatives of calls that are made of several operations


def elementwise_derivatives(graph: Graph, upstream: float = 1.0) -> None:
    """Where a local derivative is claimed, it times the gradient of the head is what flows back."""
    for edge in graph.edges:
        if edge.local is None or edge.grad is None or edge.local.array is None or edge.grad.array is None:
            continue
        head = graph.nodes[edge.head].grad
        assert head is not None
        assert head.array is not None
        product = edge.local.array * head.array * upstream
        extra = tuple(range(product.ndim - edge.grad.array.ndim))
        product = product.sum(axis=extra) if extra else product
        axes = tuple(
            i for i, (have, want) in enumerate(zip(product.shape, edge.grad.shape, strict=True)) if have != want
        )
        np.testing.assert_allclose(
            product.sum(axis=axes, keepdims=True) if axes else product, edge.grad.array, rtol=1e-9, atol=1e-12
        )


DERIVATIVES: list[tuple[str, Callable[..., Tensor], tuple[Tensor, ...]]] = [
    ("reciprocal", lambda p: 3 / p, (leaf(4),)),
    ("reciprocal of a vector", lambda p: 3 / p, (leaf(4, 2, 1),)),
    ("normalize", lambda x: functional.normalize(x, dim=0), (leaf(3, 4),)),
    ("outer", torch.outer, (leaf(1, 2), leaf(3, 4, 5))),
    ("broadcast", lambda x, y: x * y + y, (randoms(3, 1), randoms(2))),
    ("dot", torch.dot, (leaf(1, 2), leaf(3, 4))),
    ("cosine", lambda a, b: functional.cosine_similarity(a, b, 0), (leaf(1, 2), leaf(2, 1))),
    ("variance", lambda x: x.var(), (leaf(1, 2, 4),)),
    ("huber", lambda a, b: functional.huber_loss(a, b), (leaf(1, 2), leaf(2, 5))),
    ("softplus", functional.softplus, (leaf(1, -2),)),
    ("hardtanh", functional.hardtanh, (leaf(0.5, -2),)),
]


@pytest.mark.parametrize(
    ("function", "inputs"), [case[1:] for case in DERIVATIVES], ids=[case[0] for case in DERIVATIVES]
)
def test_local_derivatives_reproduce_what_flows(function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    graph = gad.trace(function, *inputs)
    elementwise_derivatives(graph)
    assert graph.detail is not None
    elementwise_derivatives(graph.detail)
    assert_sound(graph)
    leaves = [node for node in graph.node_list if node.kind == "leaf"]
    for node, expected in zip(leaves, plain_gradients(function, *inputs), strict=True):
        assert node.grad is not None
        assert expected is not None
        np.testing.assert_array_equal(node.grad.array, expected.numpy())


def test_the_derivative_of_one_over_p_is_exact() -> None:
    graph = gad.trace(lambda p: 1 / p, 4.0)
    (edge,) = [edge for edge in graph.edges if edge.cut is None]
    assert edge.local is not None
    assert edge.local.item() == -1 / 16


def test_broadcasting_keeps_the_derivative_whole_and_sums_the_contribution() -> None:
    graph = gad.trace(lambda X, b: X * b, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [10.0, 20.0])
    edge = graph.in_edges(graph.outputs[0].key)[1]
    assert edge.local is not None
    assert edge.grad is not None
    assert edge.local.array is not None
    assert edge.local.array.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert edge.grad.array is not None
    assert edge.grad.array.tolist() == [9, 12]
    assert node_called(graph, "b")["grad"].array.tolist() == [9, 12]


# --- results that a call uses itself


def cell_and_its_state(x: Tensor) -> tuple[Tensor, nn.LSTMCell, list[Tensor]]:
    """The loss of two steps of a cell, of which h is made of c, and the states whose gradients torch keeps."""
    torch.manual_seed(0)
    cell = nn.LSTMCell(2, 2).double()
    states = []
    h, c = cell(x)
    for _ in range(2):
        states.append(c)
        h, c = cell(x, (h, c))
    states.append(c)
    return (h * 2).sum() + (c * 3).sum(), cell, states


def test_a_gradient_is_what_torch_says_where_a_part_of_it_flowed_inside_of_the_call() -> None:
    x = randoms(1, 2)
    loss, _, states = cell_and_its_state(x)
    for state in states:
        state.retain_grad()
    loss.backward()
    graph = gad.trace(lambda x: cell_and_its_state(x)[0], randoms(1, 2), capture=EVERYTHING)
    cells = [node for node in graph.node_list if node.op == "lstm_cell"]
    shown = [
        (port.grad.array, port.arrived)
        for node in cells
        for port in node.ports
        if port.arrived is not None and port.grad is not None
    ]
    assert len(shown) == 3
    for (gradient, _), state in zip(shown, states, strict=True):
        assert gradient is not None
        np.testing.assert_array_equal(gradient, state.grad)
    assert shown[-1][1] is not None
    # from outside; the rest came through h, inside of the cell
    np.testing.assert_array_equal(shown[-1][1].array, [[3, 3]])
    assert sum("also used inside of" in notice for notice in graph.notices) == 1
    assert flows.wrong_sums(graph) == []
    assert graph.check(capture=True).ok
    assert "From outside came" in graph.why(cells[-1].key)


def test_a_result_of_which_only_numbers_are_read_outside_shows_no_gradient_that_flowed_inside() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: (saved.detach() * 1,), lambda held: held[0]):
            attended = functional.scaled_dot_product_attention(x, x, x)
        return attended * 2

    graph = gad.trace(function, torch.eye(3, dtype=torch.float64)[None].requires_grad_(), capture=EVERYTHING)
    call = operation(graph, "scaled_dot_product_attention")
    drawn = {edge.port for edge in graph.out_edges(call.key) if edge.cut is None}
    assert len(call.ports) > 1
    assert [port.grad is not None for port in call.ports] == [number in drawn for number in range(len(call.ports))]
    assert flows.wrong_sums(graph, exact=True) == []
