"""A program and its inputs -> its graph, once torch's own numbers and nodes have agreed with it: what the tests
named test_autograd_rows* share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from programs import assert_sound, autograd_names, reached_names
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Edge, Graph, Node


def missing(reason: str) -> pytest.MarkDecorator:
    """What is not true yet; strict, so that the line goes as soon as it is."""
    return pytest.mark.xfail(strict=True, reason=reason)


def differentiable(result: Any) -> list[Tensor]:
    """The tensors among results that a gradient can start from."""
    found = result if isinstance(result, (tuple, list)) else (result,)
    return [thing for thing in found if isinstance(thing, Tensor) and thing.requires_grad]


def true_trace(function: Callable[..., Any], *inputs: Tensor, rtol: float = 1e-12) -> Graph:
    """The graph of a call, after its results, its leaves' gradients and its set of autograd nodes were compared with
    an untraced run.
    """
    torch.manual_seed(0)
    outputs = differentiable(function(*inputs))
    names = autograd_names(*outputs)
    leaves = [tensor for tensor in inputs if tensor.requires_grad]
    expected = torch.autograd.grad(outputs, leaves, [torch.ones_like(output) for output in outputs], allow_unused=True)
    torch.manual_seed(0)
    graph = gad.trace(function, *inputs)
    assert_sound(graph, rtol)
    drawn = [port for node in graph.node_list for port in node.ports if port.is_output]
    assert len(drawn) == len({id(output) for output in outputs})
    for node, gradient in zip([node for node in graph.node_list if node.kind == "leaf"], expected, strict=False):
        assert (node.grad is None) == (gradient is None), node.name
        if node.grad is not None and gradient is not None:
            np.testing.assert_array_equal(node.grad.array, gradient.resolve_conj().numpy())
    assert graph.detail is not None
    ours = reached_names(graph.detail)
    given_none = names - ours  # a function gave None for them: they lead to the outputs, but no gradient comes by
    assert not ours - names
    assert given_none <= Counter(
        label for node in graph.detail.node_list if node.cut is not None for label in node.autograd
    )
    return graph


def only(graph: Graph, op: str) -> Node:
    """The one operation of that name."""
    (found,) = [node for node in graph.node_list if node.op == op]
    return found


def with_autograd(graph: Graph, name: str) -> Node:
    """The one node that stands for an autograd node of that name."""
    (found,) = [node for node in graph.node_list if name in node.autograd]
    return found


def operands(graph: Graph, node: Node) -> list[tuple[str | None, int, str | None]]:
    """Name (or operation) of each operand, which of its results, and why no gradient flows along it."""
    return [(_called(graph.nodes[edge.tail]), edge.port, edge.cut) for edge in graph.in_edges(node.key)]


def _called(node: Node) -> str | None:
    return (
        node.name or node.op or (str(node.value.item()) if node.value is not None and node.value.numel == 1 else None)
    )


def numbers(snapshot: Any) -> Any:
    """The elements as lists."""
    assert snapshot is not None
    assert snapshot.array is not None
    return snapshot.array.tolist()


def guesses(graph: Graph) -> list[Edge]:
    """The edges that are not certain."""
    return [edge for view in (graph, graph.detail or graph) for edge in view.edges if edge.match != "exact"]
