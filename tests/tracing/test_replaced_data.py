"""Tensors whose ``.data`` was set to another: nothing runs there that torch would tell of, and yet every number
shown is the one that was read.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from programs import leaf, operation
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph, Node


def by_an_operation(y: Tensor) -> None:
    y.data = torch.ones(2, dtype=torch.float64) * 7


def from_outside(y: Tensor) -> None:
    y.data = torch.from_numpy(np.array([7.0, 7.0]))


def operands(graph: Graph, node: Node) -> list[Node]:
    return [graph.nodes[edge.tail] for edge in graph.in_edges(node.key)]


@pytest.mark.parametrize("replace", [by_an_operation, from_outside])
@pytest.mark.parametrize("before", [False, True], ids=["read only afterwards", "read before, too"])
def test_a_result_whose_data_was_set_is_read_as_what_was_set(replace: Callable[[Tensor], None], before: bool) -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        more = y.exp().sum() if before else 0
        replace(y)
        return (y * x).sum() + more

    x, twin = leaf(1, 2), leaf(1, 2)
    graph = gad.trace(function, x)
    function(twin).backward()
    assert twin.grad is not None
    assert graph.find("x").grad.array.tolist() == twin.grad.tolist()  # type: ignore[union-attr]
    (product,) = [
        node
        for node in graph.node_list
        if node.op == "mul" and node.value is not None and node.value.array.tolist() == [7, 14]
    ]  # type: ignore[union-attr]
    values = [node.value.array.tolist() for node in operands(graph, product)]  # type: ignore[union-attr]
    assert [7, 7] in values
    cut = [edge.cut for edge in graph.in_edges(product.key)]
    # the gradient goes where it always went, the number came from elsewhere
    assert sorted(cut, key=str) == [None, None, "detach"]
    report = graph.check(capture=True)
    assert report.capture.ok  # type: ignore[union-attr]
    assert report.ok is False  # it is no longer the derivative of what the program computes


def test_weights_that_are_replaced_by_hand_are_shown_as_each_step_read_them() -> None:
    """As in many a first training loop."""

    def train(w: Tensor, x: Tensor) -> list[tuple[list[float], list[float]]]:
        seen = []
        for _ in range(3):
            loss = ((w * x).sum() - 1) ** 2
            loss.backward()
            assert w.grad is not None
            seen.append((w.tolist(), w.grad.tolist()))
            w.data = w.data - 0.01 * w.grad
            w.grad = None
        return seen

    x = torch.tensor([3.0, 4.0], dtype=torch.float64)
    expected = train(leaf(1, 2), x)
    w = leaf(1, 2)
    with gad.record() as recorded:
        train(w, x)
    assert len(recorded.graph.passes) == 3
    for one, (value, grad) in zip(recorded.graph.passes, expected, strict=True):
        (weight,) = [node for node in one.node_list if node.kind == "leaf" and node.grad is not None]
        assert (weight.value.array.tolist(), weight.grad.array.tolist()) == (value, grad)  # type: ignore[union-attr]
        assert one.check(capture=True).ok
    last = recorded.graph.passes[-1]
    (weight,) = [node for node in last.node_list if node.kind == "leaf" and node.grad is not None]
    assert weight.op == "sub"  # what made it


def test_a_cast_of_a_module_leaves_no_old_weights() -> None:
    layer = torch.nn.Linear(2, 1)

    def function(x: Tensor) -> Tensor:
        first = layer(x.float()).double()
        layer.double()  # sets the data of each parameter
        return (first + layer(x)).sum()

    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.1, 0.2]]))
    graph = gad.trace(function, leaf(1, 2), capture=gad.Capture(gradients="none"))
    dtypes = [node.ports[0].dtype for node in graph.node_list if node.name == "layer.weight"]
    assert dtypes == ["float32", "float64"]


def test_an_unchanged_tensor_is_one_value_however_often_it_is_read() -> None:
    for x in (
        leaf(1, 2),
        torch.eye(2, dtype=torch.float64).to_sparse().requires_grad_(),
        torch.ones(2, device="meta", requires_grad=True),
    ):
        graph = gad.trace(lambda x: x * 2 + x * 3, x, capture=gad.Capture(gradients="none"))
        assert len([node for node in graph.node_list if node.kind == "leaf"]) == 1
        assert operation(graph, "add").ports[0].shape == tuple(x.shape)
