"""A backward that is wrong is named with the way in which it is, and no right one is."""

from __future__ import annotations

import pytest
import torch
from function_cases import RIGHT, WRONG, Case, drawn, made
from torch import Tensor

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
