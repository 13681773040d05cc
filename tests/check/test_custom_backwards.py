"""A backward that is wrong is named with the way in which it is, and no right one is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from function_cases import RIGHT, WRONG, Case, drawn, made
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.check.gradient_check import Report
from graphviz_ad._internal.check.verdicts import DIFFERS
from graphviz_ad._internal.graph.graph import Graph


def traced(name: str, case: Case) -> Graph:
    """The graph of a program in which nothing but the Function is unusual: each result is weighted by other numbers."""
    function = made(name.title().replace(" ", "").replace(",", ""), case.forward, case.backward)

    def program(*inputs: Tensor) -> Tensor:
        results = function.apply(*(x * 1 for x in inputs))
        total = torch.zeros((), dtype=case.dtype)
        for i, result in enumerate(results if isinstance(results, tuple) else (results,)):
            total = total + (result * (torch.arange(1.0, result.numel() + 1) + i).reshape(result.shape).cos()).sum()
        return total.real if total.is_complex() else total

    return gad.trace(program, *drawn(*case.shapes, dtype=case.dtype))


def faults(report: Report) -> dict[str, str]:
    """Input -> kind of the fault."""
    return {
        each.name: each.fault.kind
        for function in report.numeric.functions
        for each in function.inputs
        if each.fault is not None
    }


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_backward_is_named_with_its_kind(name: str) -> None:
    case = WRONG[name]
    report = traced(name, case).check()
    assert report.ok is False, report
    assert faults(report) == {f"inputs[{place}]": kind for place, kind in case.wrong.items()}, report


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_backward_gives_no_alarm(name: str) -> None:
    report = traced(name, RIGHT[name]).check()
    assert report.ok, report
    assert DIFFERS not in str(report)
    assert report.coverage.examined == report.coverage.of, report


class Adjoint(torch.autograd.Function):
    """What a layer makes of its input; it is given the parameters so that they get gradients, and reads them inside."""

    @staticmethod
    def forward(ctx: Any, layer: nn.Module, strict: bool, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.layer, ctx.strict, ctx.parameters = layer, strict, parameters
        ctx.save_for_backward(x)
        with torch.no_grad():
            return layer(x)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            wanted = (x, *ctx.parameters)
            found = torch.autograd.grad(ctx.layer(x), wanted, grads, allow_unused=not ctx.strict)
        whole = [torch.zeros_like(one) if grad is None else grad for one, grad in zip(wanted, found, strict=True)]
        return None, None, *whole


@pytest.mark.parametrize("strict", [True, False])
def test_a_function_that_reads_its_parameters_elsewhere_is_not_said_to_be_wrong(strict: bool) -> None:
    layer = nn.Linear(3, 2)
    traced = gad.trace(lambda x: Adjoint.apply(layer, strict, x, *layer.parameters()).sum(), torch.ones(3))
    report = traced.check()
    assert report.ok
    assert "WRONG" not in str(report)
    assert ("cannot be run alone" in str(report)) == strict
