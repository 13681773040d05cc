"""NaN and infinities alarm; the −∞ of a mask, which somebody wrote there, does not."""

from __future__ import annotations

import torch
from programs import leaf
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.alarms import alarms
from graphviz_ad._internal.graph.graph import Graph

MINUS = float("-inf")


def alarmed(graph: Graph) -> list[str]:
    """The operations that alarm."""
    return [node.op or "" for node in graph.node_list if alarms(graph, node)]


def test_a_mask_of_minus_infinity_does_not_alarm() -> None:
    mask = torch.tensor([0.0, MINUS])
    for masked in (
        lambda x: (x + mask).softmax(0).square().sum(),
        lambda x: x.masked_fill(torch.tensor([False, True]), MINUS).softmax(0).square().sum(),
        lambda x: torch.where(torch.tensor([True, False]), x, MINUS).softmax(0).square().sum(),
        lambda x: (x + torch.full((2, 2), MINUS).triu(1)).softmax(-1).square().sum(),
    ):
        assert alarmed(gad.trace(masked, leaf(1, 2))) == []


def test_what_came_up_alarms() -> None:
    def logarithm(x: Tensor) -> Tensor:
        return (torch.log(x.detach()) + x).exp().sum()

    assert alarmed(gad.trace(logarithm, leaf(0, 1))) == ["log", "add"]
    assert "div" in alarmed(gad.trace(lambda x: (1 / x.detach() + x).sum(), leaf(0, 1)))
    assert "mul" in alarmed(gad.trace(lambda x: (x * float("nan")).sum(), leaf(0, 1)))


def test_a_gradient_that_is_infinite_alarms_wherever_the_value_came_from() -> None:
    assert alarmed(gad.trace(lambda x: torch.log(x).sum(), leaf(0, 1)))[0] == ""
