"""Torch allows 64 dimensions, and numpy's functions stop at 31, 32, 63 or 64: a tensor is read, drawn, explained and
checked in any number of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import graphviz_ad as gad

PROGRAMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "used three times": lambda x, w: x * 2 + w * x + x,
    "summed": lambda x, w: (x.exp() * w).sum(),
    "compared": lambda x, w: torch.maximum(x, w).amax(-1, keepdim=True) * x,
    "joined": lambda x, w: torch.cat([x, w]).mul(x),
    "multiplied": lambda x, w: (x @ w.mT).sum(),
    "averaged": lambda x, w: (torch.softmax(x, -1) * w).sum(),
    "chosen": lambda x, w: torch.where(x > 0.5, x, w),
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(("dimensions", "last"), [(31, 2), (32, 2), (64, 1), (64, 70)])
def test_any_number_of_dimensions_is_read_drawn_explained_and_checked(
    program: str, dimensions: int, last: int, tmp_path: Path
) -> None:
    x, w = (torch.rand([1] * (dimensions - 1) + [last], requires_grad=True) for _ in range(2))
    graph = gad.trace(PROGRAMS[program], x, w)
    gradients = torch.autograd.grad(PROGRAMS[program](x, w).sum(), [x, w])
    for name, gradient in zip("xw", gradients, strict=True):
        node = next(node for node in graph.node_list if node.name == name)
        assert node.grad is not None
        assert node.grad.shape == tuple(gradient.shape)
        assert node.grad.norm == pytest.approx(float(gradient.double().norm()))
        assert node.grad.nonfinite == 0
    assert not graph.notices
    loaded = gad.Graph.load(graph.save(tmp_path / "g.json"))
    assert (loaded.node_list, loaded.edges) == (graph.node_list, graph.edges)
    for options in ({}, {"wrt": "x"}, {"tangents": "x"}):
        assert "gradient" in graph.plot(layout="layered", with_all=True, **options).scene.alt
        assert graph.animate(layout="layered", **options).steps
    assert "x" in str(graph.explain("x")) + graph.explain("x").to_latex()
    assert graph.check().ok is not False
    assert graph.check(capture=True).ok is not False


def test_the_only_element_in_64_dimensions_is_a_number() -> None:
    graph = gad.trace(lambda x: x * 2, torch.ones([1] * 64, requires_grad=True))
    leaf, result = graph.node_list[0], graph.node_list[-1]
    assert leaf.grad is not None
    assert result.value is not None
    assert (leaf.grad.item(), result.value.item(), result.value.min, result.value.array) == (2.0, 2.0, 2.0, None)
    assert leaf.value != leaf.grad  # though neither has an array to compare


def test_an_empty_tensor_in_64_dimensions_is_empty() -> None:
    graph = gad.trace(lambda x: x * 2, torch.ones([0] + [1] * 63, requires_grad=True))
    assert graph.node_list[0].value is not None
    assert graph.node_list[0].value.missing == "empty"
    assert "empty" in str([box.lines for box in graph.plot().scene.boxes])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.complex64])
def test_every_dtype_has_its_numbers_in_64_dimensions(dtype: torch.dtype) -> None:
    x = torch.full([1] * 63 + [3], 2.0, dtype=dtype, requires_grad=True)
    value = gad.trace(lambda x: x * 2, x, grad_outputs=torch.ones_like(x)).node_list[-1].value
    assert value is not None
    assert value.norm == (None if dtype.is_complex else pytest.approx(4 * np.sqrt(3)))
