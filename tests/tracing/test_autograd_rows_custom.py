"""The user's own autograd functions: one node each, by the user's name, with the results and gradients that its two
methods really made.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from autograd_rows import numbers, only, operands, true_trace
from programs import Square, leaf, node_called, operations, wrong_sums
from torch import Tensor
from torch.autograd.function import once_differentiable

import graphviz_ad as gad


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * g


class Gated(torch.autograd.Function):
    """In the newer style, with a second result that carries no gradient."""

    @staticmethod
    def forward(x: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        return x * factor, x > 0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.factor = inputs[1]
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, g: Tensor, unused: Tensor) -> tuple[Tensor, None]:
        return g * ctx.factor, None


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        x.mul_(2)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 2


class Sparing(torch.autograd.Function):
    """Is given None for the result that nobody used."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, h: Tensor | None) -> Tensor:
        assert g is None
        assert h is not None
        return h * 3


class Refusing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        return x * y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g, None


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return -g


class Nested(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return Square.apply(x) + 1

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * g


class Solver(torch.autograd.Function):
    """Differentiates inside its own forward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            inner = x.detach().requires_grad_()
            y = inner.sin().sum()
        (ctx.slope,) = torch.autograd.grad(y, inner)
        return y.detach()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * ctx.slope


ONE_NODE: list[Any] = [
    ("once differentiable", lambda x: Once.apply(x), ["Once"], "OnceBackward"),
    ("dirty", lambda x: Doubled.apply(x.clone()), ["clone", "Doubled"], "DoubledBackward"),
    ("gradients not materialised", lambda x: Sparing.apply(x)[1], ["Sparing"], "SparingBackward"),
    ("gradient reversal", lambda x: Reversed.apply(x), ["Reversed"], "ReversedBackward"),
    ("one inside another", lambda x: Nested.apply(x), ["Nested"], "NestedBackward"),
    ("setup_context", lambda x: Gated.apply(x, 3.0)[0], ["Gated"], "GatedBackward"),
    pytest.param("autograd in forward", lambda x: Solver.apply(x), ["Solver"], "SolverBackward"),
]


@pytest.mark.parametrize(("name", "function", "ops", "autograd"), ONE_NODE)
def test_a_function_is_one_node_named_by_its_author(name: str, function: Any, ops: list[str], autograd: str) -> None:
    graph = true_trace(function, leaf(1, -2))
    assert operations(graph) == ops
    assert only(graph, ops[-1]).autograd == (autograd,)


def test_a_function_that_writes_to_its_argument_changes_the_variable() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.clone()
        Doubled.apply(y)
        return y * 3

    graph = true_trace(function, leaf(1, 2))
    doubled = only(graph, "Doubled")
    assert operands(graph, graph.outputs[0])[0][0] == doubled.name == "y"
    assert numbers(doubled.grad) == [3, 3]


def masked(x: Tensor) -> Tensor:
    y, mask = Gated.apply(x, 3.0)
    return y * mask


def test_a_result_without_gradient_is_a_port_of_its_own() -> None:
    graph = true_trace(masked, leaf(1, -2))
    node = only(graph, "Gated")
    assert [(port.name, port.dtype, port.grad is None) for port in node.ports] == [
        ("y", "float64", False),
        ("mask", "bool", True),
    ]
    assert [(port, cut) for _, port, cut in operands(graph, graph.outputs[0])] == [(0, None), (1, "non-differentiable")]


def refused(x: Tensor, y: Tensor) -> Tensor:
    return Refusing.apply(x.sin(), y.cos())


def test_a_none_gradient_arrives_as_none() -> None:
    graph = true_trace(refused, leaf(1, 2), leaf(3, 4))
    assert node_called(graph, "y")["grad"] is None
    assert graph.in_edges(only(graph, "Refusing").key)[1].grad is None


def test_a_none_gradient_says_who_gave_it() -> None:
    graph = true_trace(refused, leaf(1, 2), leaf(3, 4))
    edge = graph.in_edges(only(graph, "Refusing").key)[1]
    assert edge.cut is not None
    assert "none" in edge.cut.lower()
    assert edge.cut != "unreached"


def test_the_operations_inside_are_in_the_detail() -> None:
    graph = true_trace(lambda x: Nested.apply(x), leaf(1, -2))
    assert graph.detail is not None
    assert {"mul", "add"} <= set(operations(graph.detail))


def test_a_function_applied_to_what_needs_no_gradient_is_a_node_too() -> None:
    graph = gad.trace(lambda x: Once.apply(torch.ones(2, dtype=x.dtype)) * x, leaf(1, 2))
    assert node_called(graph, "x")["grad"].array.tolist() == [1, 1]
    assert wrong_sums(graph) == []
    node = only(graph, "Once")
    assert (node.cut, node.autograd) == ("data", ())
