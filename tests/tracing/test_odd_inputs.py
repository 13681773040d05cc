"""Inputs and outputs that no gradient can start from get an error that says so."""

from __future__ import annotations

import pytest
import torch

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GradOutputsError, TraceError


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(TraceError, match="hold themselves"):
        gad.trace(lambda x: x, endless)


def test_a_sparse_result_asks_for_its_upstream_gradient() -> None:
    with pytest.raises(GradOutputsError, match="give it as grad_outputs"):
        gad.trace(lambda x: x.to_sparse() * 2, torch.ones(2, 2, requires_grad=True))
