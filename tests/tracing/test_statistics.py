"""Statistics of big tensors are those of all elements."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.tracing.tape.statistics import BLOCK, statistics_of_tensor

SIZES = (257, BLOCK - 1, BLOCK, 3 * BLOCK + 5)
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8)


def numbered(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return (torch.randn(count, generator=generator, dtype=torch.float64) * 3 + 1).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", SIZES)
def test_statistics_are_those_of_all_elements(count: int, dtype: torch.dtype) -> None:
    tensor = numbered(count, dtype)
    wide = tensor.double()
    found = statistics_of_tensor(tensor)
    assert found is not None
    assert (found.min, found.max, found.nonfinite) == (wide.min().item(), wide.max().item(), 0)
    assert found.mean == pytest.approx(wide.mean().item(), rel=1e-5)
    assert found.norm == pytest.approx(wide.norm().item(), rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [1, -2])
def test_what_is_not_finite_is_found_wherever_it_stands(where: int, bad: float) -> None:
    tensor = numbered(3 * BLOCK + 5)
    tensor[where] = bad
    found = statistics_of_tensor(tensor)
    assert found is not None
    assert found.nonfinite == 1
    assert not math.isfinite(found.norm)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_norms_neither_overflow_nor_vanish(scale: float) -> None:
    tensor = numbered(2 * BLOCK) * scale
    found = statistics_of_tensor(tensor)
    assert found is not None
    assert found.nonfinite == 0
    assert found.norm == pytest.approx(tensor.double().norm().item(), rel=1e-5)


def test_a_large_mask_is_saved_and_loaded(tmp_path: Path) -> None:
    x = torch.linspace(-1, 1, 500, requires_grad=True)
    graph = gad.trace(lambda x: torch.where(x > 0, x, -x), x)
    masks = [node.value for node in graph.node_list if node.value is not None and node.value.dtype == "bool"]
    assert [(type(mask.min), mask.min, mask.max) for mask in masks] == [(float, 0.0, 1.0)]
    assert gad.Graph.load(graph.save(tmp_path / "g.json")).node_list == graph.node_list


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_tells_orders_apart_is_of_the_order_of_elements_and_not_of_memory(dtype: torch.dtype) -> None:
    tensor = torch.randn(300, 400, generator=torch.Generator().manual_seed(0)).to(dtype)
    there, turned = (statistics_of_tensor(one) for one in (tensor, tensor.flip(0)))
    again = statistics_of_tensor(tensor.t().contiguous().t())
    assert there is not None
    assert turned is not None
    assert again is not None
    assert there.weighted == again.weighted
    assert there.weighted != turned.weighted
