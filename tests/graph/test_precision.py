"""What the dtype of a tensor makes of numbers, against torch itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.precision import LARGEST, SMALLEST, rounded_to_dtype, sum_of_snapshots, unit
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.values import as_array, take

DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128)


def numbers(count: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Numbers of very different sizes."""
    wide = torch.complex128 if dtype.is_complex else torch.float64
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, dtype=wide, generator=generator)
        * 10 ** torch.randn(count, dtype=torch.float64, generator=generator)
    ).to(dtype)


def name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@pytest.mark.parametrize("dtype", DTYPES, ids=name)
def test_numbers_are_rounded_as_torch_rounds_them(dtype: torch.dtype) -> None:
    wide = numbers(1000, torch.complex64 if dtype.is_complex else torch.float32)
    # halfway, overflow, below normal numbers
    edges = torch.tensor([0.0, -0.0, 1.00390625, 1.01171875, 3.4e38, 1e-40, torch.inf, -torch.inf, torch.nan])
    given = torch.cat([wide, edges.to(wide.dtype)])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(rounded_to_dtype(given.numpy(), name(dtype)), as_array(given.to(dtype)))


@pytest.mark.parametrize("dtype", DTYPES, ids=name)
def test_one_rounding_is_off_by_no_more_than_the_unit(dtype: torch.dtype) -> None:
    assert unit(name(dtype)) == torch.finfo(dtype).eps / 2
    normal = torch.finfo(dtype).smallest_normal  # below it, some processors put 0
    assert SMALLEST.get(name(dtype)) in (None, normal, normal * torch.finfo(dtype).eps / 2)
    assert LARGEST.get(name(dtype)) in (None, torch.finfo(dtype).max)


def test_what_has_no_precision_is_not_rounded() -> None:
    assert (unit("int64"), unit(None)) == (0.0, 0.0)
    np.testing.assert_array_equal(rounded_to_dtype(np.array([0.1]), "float8_e8m0fnu"), [0.1])
    known = [dtype for dtype in ("float8_e4m3fn", "float8_e5m2") if hasattr(torch, dtype)]
    assert all(unit(dtype) == torch.finfo(getattr(torch, dtype)).eps / 2 for dtype in known)


def test_complex_halves_are_rounded_in_both_parts() -> None:
    assert rounded_to_dtype(np.asarray(0.1 + 0.2j, np.complex64), "complex32") == np.float32(
        np.float16(0.1)
    ) + 1j * np.float32(np.float16(0.2))


def test_a_sum_of_what_is_not_all_known_is_not_known() -> None:
    known, summarised = (
        Snapshot((2,), "float32", np.ones(2, np.float32)),
        Snapshot((2,), "float32", missing="summarised"),
    )
    assert sum_of_snapshots([]) is None
    assert sum_of_snapshots([known, summarised]) is None
    assert sum_of_snapshots([known, None]) is None
    assert sum_of_snapshots([known, Snapshot((), "float32", 1.0)]) is None
    assert sum_of_snapshots([known]) is known


@pytest.mark.parametrize("results", [1, 2])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("times", [2, 3, 5])
@pytest.mark.parametrize("dtype", DTYPES, ids=name)
def test_what_is_fed_in_several_times_is_the_sum_that_the_engine_makes(
    dtype: torch.dtype, times: int, count: int, results: int
) -> None:
    x = numbers(count * results, dtype).requires_grad_()
    seeds = [numbers(count, dtype, 1 + i) for i in range(times)]

    def function(x: Tensor) -> tuple[Tensor, ...]:
        y = x.clone() if results == 1 else x.split(count)[1]
        return (y,) * times

    arrived: list[Tensor] = []
    outputs = function(x)
    outputs[0].register_hook(lambda grad: arrived.append(grad.clone()))
    torch.autograd.grad(outputs, x, seeds)
    (node,) = gad.trace(function, x, grad_outputs=seeds, capture=Capture(values="full", gradients="full")).outputs
    (port,) = (port for port in node.ports if port.is_output)
    assert port.upstream == port.grad == take(arrived[0], "full", 0)


def test_what_is_fed_in_twice_at_a_leaf_is_rounded_too() -> None:
    x = torch.zeros(1, dtype=torch.float16, requires_grad=True)
    seeds = [torch.tensor([number], dtype=torch.float16) for number in (2048.0, 1.0)]
    (node,) = gad.trace(lambda x: (x, x), x, grad_outputs=seeds).outputs
    assert node.grad == node.ports[0].upstream == Snapshot((1,), "float16", 2048.0)


def test_the_sum_of_what_is_only_summarised_is_unknown() -> None:
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.exp()
        return y, y

    (node,) = gad.trace(function, torch.ones(600, requires_grad=True)).outputs
    assert node.ports[0].upstream is not None
    assert node.ports[0].upstream.missing == "sum of 2 gradients"
    assert gad.trace(function, torch.ones(600, requires_grad=True)).check().ok
