"""Windows of convolutions and poolings, products and winners, against torch: unfold, and indices of winners."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import Call, with_operands
from graphviz_ad._internal.maths.windows import products_at, telling_products, windows_of, winners_of

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


def call_of(function: Any, *args: Tensor) -> Call:
    """The one call of a program that has windows."""
    graph = gad.trace(function, *args)
    (node,) = [node for node in graph.node_list if node.kind == "op" and node.op not in ("sum", "mul", "detach")]
    return with_operands(graph, node)


def numbers(*shape: int, seed: int, ties: bool = False) -> Tensor:
    """Small whole numbers, of which some are equal, or any."""
    made = torch.Generator().manual_seed(seed)
    if ties:
        return torch.randint(-2, 3, shape, generator=made).to(torch.float64).requires_grad_()
    return torch.randn(shape, generator=made, dtype=torch.float64).requires_grad_()


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(2, 6), st.integers(2, 6)),
    PAIRS,
    PAIRS,
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    PAIRS,
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_products_below_each_window_are_those_of_torch(
    counts: Any, plane: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, bias: bool, seed: int
) -> None:
    batch, groups, each = counts
    assume(all(n + 2 * p > d * (k - 1) for n, p, d, k in zip(plane, padding, dilation, kernel, strict=True)))
    x, w = numbers(batch, 2 * groups, *plane, seed=seed), numbers(each * groups, 2, *kernel, seed=seed + 1)
    b = numbers(each * groups, seed=seed + 2) if bias else None
    how = {"stride": stride, "padding": padding, "dilation": dilation}
    call = call_of(lambda *args: functional.conv2d(*args, groups=groups, **how).sum(), x, w, *([b] if bias else []))
    windows, out = windows_of(call), call.node.value.array  # type: ignore[union-attr]
    assert windows is not None
    columns = functional.unfold(x.detach(), kernel, **how).reshape(batch, groups, -1, *out.shape[-2:])
    for place in np.ndindex(*out.shape):
        found = products_at(call, windows, place)
        assert found is not None
        assert found.result == out[place]
        below = columns[(place[0], place[1] // each, slice(None), *place[2:])].tolist()
        mine = dict(zip(found.of, found.factors, strict=True))
        for at, value in zip(np.ndindex(2, *kernel), below, strict=True):
            factor, weight = mine.pop((place[1], *at), (0.0, None))
            assert factor == value
            assert weight in (None, w[(place[1], *at)].item())
        assert not mine
        assert all(x[on].item() == pair[0] for on, pair in zip(found.on, found.factors, strict=True))
    assert telling_products(call, windows) is not None


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(2, 7), st.integers(2, 7)),
    PAIRS,
    PAIRS,
    st.tuples(st.booleans(), st.booleans()),
    PAIRS,
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_winners_of_pooling_are_the_indices_of_torch(
    counts: Any, plane: Any, kernel: Any, stride: Any, padded: Any, dilation: Any, ceil: bool, seed: int
) -> None:
    padding = tuple(k // 2 * p for k, p in zip(kernel, padded, strict=True))
    assume(all(n + 2 * p > d * (k - 1) for n, p, d, k in zip(plane, padding, dilation, kernel, strict=True)))
    how = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil}
    x = numbers(*counts, *plane, seed=seed, ties=True)
    wanted, indices = functional.max_pool2d(x, **how, return_indices=True)
    assume(bool(torch.isfinite(wanted).all()))
    call = call_of(lambda x: (functional.max_pool2d(x, **how) * wanted.detach()).sum(), x)
    windows = windows_of(call)
    assert windows is not None
    found = winners_of(call, windows)
    assert found is not None
    assert found.tolist() == indices.tolist()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_windows_in_every_number_of_directions(n: int) -> None:
    x = numbers(1, 2, *([5] * n), seed=n)
    pool = getattr(functional, f"max_pool{n}d")
    call = call_of(lambda x: pool(x, 3, 2).sum(), x)
    windows = windows_of(call)
    assert windows is not None
    found = winners_of(call, windows)
    assert found is not None
    assert found.tolist() == pool(x, 3, 2, return_indices=True)[1].tolist()
    kernel = numbers(3, 2, *([2] * n), seed=n + 7)
    call = call_of(lambda x, k: getattr(functional, f"conv{n}d")(x, k, stride=2).sum(), x, kernel)
    windows = windows_of(call)
    assert windows is not None
    assert windows.shape == (2,) * n
    assert telling_products(call, windows) is not None


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_adaptive_windows_are_those_of_torch(n: int, m: int, seed: int) -> None:
    x = numbers(1, n, n, seed=seed)
    call = call_of(lambda x: functional.adaptive_avg_pool2d(x, (m, 1)).sum(), x)
    windows = windows_of(call)
    assert windows is not None
    for place in np.ndindex(m, 1):
        mean = np.mean([x[(0, *at)].item() for at in windows.below(place) if at is not None])
        assert mean == pytest.approx(call.node.value.array[(0, *place)])  # type: ignore[union-attr]


def test_what_recorded_numbers_deny_is_not_said() -> None:
    x, k = numbers(1, 1, 4, 4, seed=0), numbers(1, 1, 2, 2, seed=1)
    call = call_of(lambda x, k: functional.conv2d(x, k).sum(), x, k)
    windows, out = windows_of(call), call.node.value
    assert windows is not None
    assert out is not None
    wrong = Snapshot(out.shape, out.dtype, out.array + 1)  # type: ignore[operator]
    lied = replace(call, node=replace(call.node, ports=(replace(call.node.ports[0], value=wrong),)))
    assert products_at(lied, windows, (0, 0, 1, 1)) is None
    assert telling_products(lied, windows) is None
    pooled = call_of(lambda x: functional.max_pool2d(x, 2).sum(), x)
    planes = windows_of(pooled)
    assert planes is not None
    value = pooled.node.value
    assert value is not None
    denied = Snapshot(value.shape, value.dtype, value.array - 1)  # type: ignore[operator]
    lied = replace(pooled, node=replace(pooled.node, ports=(replace(pooled.node.ports[0], value=denied),)))
    assert winners_of(lied, planes) is None
    with_nan = numbers(1, 1, 4, 4, seed=0).detach().clone()
    with_nan[0, 0, 1, 1] = float("nan")
    nan = call_of(lambda x: functional.max_pool2d(x, 2).sum(), with_nan.requires_grad_())
    planes = windows_of(nan)
    assert planes is not None
    assert winners_of(nan, planes) is None


def test_no_other_operation_has_windows() -> None:
    assert windows_of(call_of(lambda x: torch.tanh(x).sum(), numbers(2, 3, seed=0))) is None
    kernel = numbers(1, 1, 2, 2, seed=1)
    turned = call_of(lambda x: functional.conv_transpose2d(x, kernel.detach()).sum(), numbers(1, 1, 3, 3, seed=0))
    assert windows_of(turned) is None
