"""Local derivatives as matrices, against those that torch's own Jacobians are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd.functional import jacobian
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.maths.local_jacobians import MOST, local_jacobian
from graphviz_ad._internal.scene.scene import Grid

Program = Callable[..., Tensor]
# an operation, and the shapes of its operands for sides (n, m, k)
OPERATIONS: dict[str, tuple[Program, Callable[[int, int, int], list[tuple[int, ...]]]]] = {
    "matmul": (lambda a, b: a @ b, lambda n, m, k: [(n, m), (m, k)]),
    "mv": (lambda a, b: a @ b, lambda n, m, k: [(n, m), (m,)]),
    "linear": (functional.linear, lambda n, m, k: [(n, m), (k, m), (k,)]),
    "twice": (lambda a: a @ a, lambda n, m, k: [(n, n)]),
    "sin": (torch.sin, lambda n, m, k: [(n, m)]),
    "relu": (torch.relu, lambda n, m, k: [(n, m)]),
    "square": (lambda a: a * a, lambda n, m, k: [(n, m)]),
    "row": (lambda a, b: a * b, lambda n, m, k: [(n, m), (m,)]),
    "column": (lambda a, b: a / b, lambda n, m, k: [(n, m), (n, 1)]),
    "softmax": (lambda a: torch.softmax(a, -1), lambda n, m, k: [(n, m)]),
    "softmax of a vector": (lambda a: torch.softmax(a, 0), lambda n, m, k: [(n * m,)]),
    "log_softmax": (lambda a: torch.log_softmax(a, 0), lambda n, m, k: [(n, m)]),
    "sum": (lambda a: a.sum(dim=0), lambda n, m, k: [(n, m)]),
    "mean": (lambda a: a.mean(dim=1, keepdim=True), lambda n, m, k: [(n, m)]),
    "cumsum": (lambda a: a.cumsum(0), lambda n, m, k: [(n, m)]),
    "transpose": (lambda a: a.T, lambda n, m, k: [(n, m)]),
    "reshape": (lambda a: a.reshape(-1), lambda n, m, k: [(n, m)]),
    "cat": (lambda a, b: torch.cat([a, b]), lambda n, m, k: [(n, m), (k, m)]),
    "rows": (lambda a: a[torch.tensor([0, 0, 1])], lambda n, m, k: [(n + 1, m)]),
    "slice": (lambda a: a[1:], lambda n, m, k: [(n + 1, m)]),
    "tril": (lambda a: torch.tril(a, 1), lambda n, m, k: [(n, m)]),
    "conv1d": (functional.conv1d, lambda n, m, k: [(1, 1, n + m), (1, 1, m), (1,)]),
    "conv2d": (
        lambda a, b: functional.conv2d(a, b, padding=1, stride=2),
        lambda n, m, k: [(1, 1, n, m + 1), (1, 1, 2, 2)],
    ),
    "max_pool2d": (lambda a: functional.max_pool2d(a, 2, 1), lambda n, m, k: [(1, 1, n + 1, m + 1)]),
}


def made(shapes: list[tuple[int, ...]], seed: int) -> list[Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=numbers, dtype=torch.float64).requires_grad_() for shape in shapes]


@given(st.sampled_from(sorted(OPERATIONS)), st.tuples(*[st.integers(1, 3)] * 3), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_matrices_are_those_of_torch(name: str, sides: Any, seed: int) -> None:
    operation, shapes = OPERATIONS[name]
    args = made(shapes(*sides), seed)
    weights = torch.randn(operation(*args).shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    graph = gad.trace(lambda *args: (operation(*args) * weights).sum(), *args)
    result = [node for node in graph.node_list if node.kind == "op"][-3]
    wanted: Any = jacobian(operation, tuple(args))  # type: ignore[no-untyped-call]
    for i, arg in enumerate(args):
        edges = [edge for edge in graph.in_edges(result.key) if edge.tail == graph.node_list[i].key]
        found = [local_jacobian(graph, edge) for edge in edges]
        if max(arg.numel(), weights.numel()) > MOST:
            assert found == [None] * len(edges)
            continue
        assert edges
        total = np.sum([each for each in found if each is not None], axis=0)
        assert len([each for each in found if each is not None]) == len(edges)
        expected = wanted[i].reshape(weights.numel(), arg.numel()).numpy()
        assert np.allclose(total, expected, rtol=1e-9, atol=1e-12)


# --- in pictures


def matrices(program: Program, *args: Tensor, **how: Any) -> dict[str, Grid]:
    scene = gad.trace(program, *args).plot(**{"local": "matrix", **how}).scene
    lines = [line for arrow in scene.arrows for line in arrow.lines if line.kind == "matrix"]
    return {grid.heading: grid for line in lines if (grid := line.grid) is not None}


def squashed(x: Tensor) -> Tensor:
    y = torch.sin(x)
    p = torch.softmax(y, 0)
    return (p * torch.tensor([1.0, 2, 3], dtype=torch.float64)).sum()


def test_they_stand_on_edges_when_asked_for() -> None:
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    found = matrices(squashed, x.clone().requires_grad_(), digits=4)
    assert list(found["∂y/∂x"].rows) == [("1", "0", "0"), ("0", "0.8776", "0"), ("0", "0", "0.5403")]
    p = torch.softmax(torch.sin(x), 0)
    exact = (torch.diag(p) - torch.outer(p, p)).tolist()
    assert [[float(text.replace("−", "-")) for text in row] for row in found["∂p/∂y"].rows] == pytest.approx(
        np.array(exact), rel=1e-3
    )
    assert not matrices(squashed, x.clone().requires_grad_(), local=True)


def test_a_product_has_blocks_of_the_transposed_matrix() -> None:
    def product(A: Tensor, x: Tensor) -> Tensor:
        y = A @ x
        return y.sum()

    A, x = torch.tensor([[1.0, 2], [3, 4]], dtype=torch.float64), torch.tensor([[5.0], [6]], dtype=torch.float64)
    found = matrices(product, A.requires_grad_(), x.requires_grad_())
    assert found["∂y/∂x"].rows == (("1", "2"), ("3", "4"))
    assert found["∂y/∂A"].rows == (("5", "6", "0", "0"), ("0", "0", "5", "6"))
    assert found["∂y/∂A"].column_names == ("0,0", "0,1", "1,0", "1,1")


def test_larger_ones_are_said_by_their_formula() -> None:
    x = torch.zeros(17, dtype=torch.float64).requires_grad_()
    scene = gad.trace(lambda x: torch.sin(x).sum(), x).plot(local="matrix").scene
    assert any(line.text == "∂v₁/∂x = cos(x)" for arrow in scene.arrows for line in arrow.lines)
