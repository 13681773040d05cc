"""Every operation that torch tests itself with is traced with the same bits; and what compares them would notice if
it were not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flows
import numpy as np
import op_samples
import pytest
import torch
from op_samples import Sample
from programs import leaf
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.capture import Capture

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz_operations.py"
# the arithmetic of float32 goes the way of float64's: with FUZZ set
DTYPES = "float64 bfloat16 complex128 int64" + (" float32" if "FUZZ" in os.environ else "")
SAMPLE = ("--dtypes", DTYPES, "--most", "1")
EVERYTHING = Capture(values="full", gradients="full")


def test_the_first_call_that_torch_suggests_for_every_operation_has_the_same_bits_traced_and_untraced() -> None:
    done = subprocess.run([sys.executable, FUZZ, *SAMPLE], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    agreeing = int(done.stdout.splitlines()[-1].partition(" ")[0])
    assert agreeing >= 680, done.stdout


# --- what compares


def square_of(*numbers: complex, dtype: torch.dtype = torch.float64) -> Sample:
    return Sample("square", "function", dtype, 0, lambda x: x * x, (leaf(*numbers, dtype=dtype), (), {}))


def test_what_flowed_is_what_the_chain_rule_says() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    one, three, six = (flows.bits(torch.tensor(numbers, dtype=torch.float64)) for numbers in (1.0, [3.0], [6.0]))
    spread = flows.bits(torch.ones(1, dtype=torch.float64))
    with flows.watched([y]) as found:
        (grad,) = torch.autograd.grad(y, x)
    assert flows.bits(grad) == six
    assert found == Counter([("SumBackward0", (one,), (spread,)), ("MulBackward0", (spread,), (three, three))])
    assert flows.links([(x * x).sum()]) == Counter(
        {("SumBackward0", "MulBackward0"): 1, ("MulBackward0", "AccumulateGrad"): 2}
    )


def test_a_trace_is_compared_in_everything_that_a_run_shows() -> None:
    sample = square_of(0.5, 2.0)
    expected, seeds = op_samples.untraced(sample)
    found, graph = op_samples.traced(sample, expected, seeds)
    assert op_samples.differences(expected, found) == []
    assert op_samples.contradictions(graph) == []
    assert op_samples.verdict(sample) == (op_samples.SAME, "")
    bits = ("float64", (2,), np.array([1.0, 2.0]).tobytes())
    others: dict[str, Any] = {
        "results": [],
        "arguments": [bits],
        "generator": b"",
        "outputs": [bits],
        "links": Counter(),
        "grads": [bits],
        "flows": Counter(),
        "problem": "?",
    }
    assert set(others) == set(vars(expected))
    for name, other in others.items():
        (difference,) = op_samples.differences(expected, replace(found, **{name: other}))
        assert difference.startswith(f"{name}: ")


def wrong(x: Tensor) -> Tensor:
    """Not the same under a mode."""
    return x * (2 if torch._C._len_torch_dispatch_stack() else 3)


def raising(x: Tensor) -> Tensor:
    raise ValueError("not for this dtype")


VERDICTS = {
    "another value under any mode": ("wrong", wrong, op_samples.WRONG),
    "the same, of an operation of which that is known": ("linalg_pinv", wrong, op_samples.UPSTREAM),
    "an error without us": ("raising", raising, op_samples.FAILS),
    "a result by chance": ("empty", lambda x: x * np.random.default_rng().random(), op_samples.VARIES),
}


@pytest.mark.parametrize(("op", "function", "kind"), VERDICTS.values(), ids=VERDICTS)
def test_a_call_is_told_apart(op: str, function: Callable[..., Any], kind: str) -> None:
    sample = replace(square_of(1.0, 2.0), op=op, function=function)
    assert op_samples.verdict(sample)[0] == kind


def test_the_bits_of_a_tensor_and_of_what_was_kept_of_it_are_the_same_for_every_dtype() -> None:
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex128, torch.complex64):
        x = torch.tensor([-0.0, 1 / 3, float("nan"), float("inf")], dtype=dtype).requires_grad_()
        graph = gad.trace(lambda x: x * 1, x, capture=EVERYTHING)
        assert [flows.kept_bits(node.value) for node in graph.node_list if node.op == "mul"] == [flows.bits(x * 1)], (
            dtype
        )
    assert flows.bits(torch.tensor(0.0)) != flows.bits(torch.tensor(-0.0))
    assert flows.bits(torch.tensor(0.0)) != flows.bits(torch.tensor([0.0]))
    assert flows.bits(torch.zeros(2)) != flows.bits(torch.zeros(2).double())


def snapshot(*numbers: float, dtype: str = "float32") -> Snapshot:
    return Snapshot((len(numbers),), dtype, np.array(numbers, dtype))


SUMS = {
    "one part": ([[0.1]], [0.1], True),
    "one part, another last bit": ([[1.0]], [1.0000001], False),
    "two parts, rounded": ([[0.1], [0.2]], [0.3], True),
    "two parts, one missing": ([[0.1], [0.2]], [0.1], False),
    "two parts that cancel": ([[1e8], [-1e8]], [0.0], True),
    "a sum that is no number": ([[float("inf")], [-float("inf")]], [float("nan")], True),
    "no part": ([], [0.0], False),
    "another shape": ([[1.0], [1.0]], [1.0, 1.0], False),
}


@pytest.mark.parametrize(("parts", "whole", "right"), SUMS.values(), ids=SUMS)
def test_a_sum_may_be_off_by_rounding_and_no_more(parts: list[list[float]], whole: list[float], right: bool) -> None:
    assert flows.adds_up(snapshot(*whole), [snapshot(*part) for part in parts]) is right


# --- what torch does under any dispatch mode


def random_complex(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))


def residuals(matrix: Tensor) -> Tensor:
    found: Tensor = torch.linalg.lstsq(matrix, matrix[:, :1].abs().to(matrix.dtype), driver="gelsd").residuals
    return found


def root(matrix: Tensor) -> Tensor:
    found: Tensor = torch.linalg.matrix_sqrth(matrix @ matrix.mH)
    return found


def stretching(matrix: Tensor) -> Tensor:
    found: Tensor = torch.linalg.polar(matrix)[1]
    return found


def solution(matrix: Tensor) -> Tensor:
    found: Tensor = torch.linalg.lstsq(matrix, matrix[:, :1], driver="gelsd").solution
    return found


DIFFERENTIABLE = {"lstsq": solution}  # its residuals are that in some versions of torch only
NEWER = [(name, made) for name, made in (("matrix_sqrth", root), ("polar", stretching)) if hasattr(torch.linalg, name)]
EXCEPTED: list[tuple[str, Callable[[Tensor], Tensor]]] = [("pinv", torch.linalg.pinv), ("lstsq", residuals), *NEWER]


@pytest.mark.parametrize(("name", "function"), EXCEPTED, ids=[name for name, _ in EXCEPTED])
def test_a_graph_says_of_what_is_excepted_that_it_may_be_wrong_whatever_it_is_called_by(
    name: str, function: Callable[[Tensor], Tensor]
) -> None:
    complex_one, function = random_complex(3, 3), DIFFERENTIABLE.get(name, function)
    told = [
        notice.partition(":")[0]
        for notice in gad.trace(lambda x: function(x).abs().sum(), complex_one.requires_grad_()).notices
    ]
    assert told == [f"Complex {name}"]
    assert gad.trace(lambda x: function(x).abs().sum(), complex_one.real.detach().requires_grad_()).notices == ()


@pytest.mark.parametrize(("name", "function"), EXCEPTED, ids=[name for name, _ in EXCEPTED])
def test_what_is_excepted_goes_wrong_under_a_mode_that_does_nothing(
    name: str, function: Callable[[Tensor], Tensor]
) -> None:
    shape = (3, 2) if name in ("pinv", "lstsq") else (3, 3)
    matrix = random_complex(*shape)
    plain = function(matrix)
    with op_samples.EmptyMode():  # type: ignore[no-untyped-call]
        under_a_mode = function(matrix)
    assert not torch.allclose(plain, under_a_mode, rtol=1e-3)
