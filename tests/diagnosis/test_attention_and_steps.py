"""Attention by hand with a mask or a sum that is wrong, steps by hand, and steps that are taken twice; and what is like
them and meant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.diagnosis.findings import NOTE

CAUSAL = torch.ones(4, 4).tril()
Weighs = Callable[[Tensor], Tensor]


def softmax(scores: Tensor, dim: int = -1) -> Tensor:
    return torch.softmax(scores, dim=dim)


def masked(scores: Tensor) -> Tensor:
    return scores.masked_fill(CAUSAL == 0, -torch.inf)


def kinds_of_attention(weigh: Weighs, dims: int = 3) -> list[str]:
    torch.manual_seed(0)
    q, k, v = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
    x = torch.randn(2, 4, 6)[(0,) * (3 - dims)]
    with gad.record(nn.ModuleList([q, k, v])) as recording:
        weights = weigh(q(x) @ k(x).mT / 6**0.5)
        (weights @ v(x)).square().mean().backward()
    found = recording.graph.diagnose().findings
    return [one.kind for one in found if one.severity != NOTE]


LATE: dict[str, Weighs] = {
    "filled with 0": lambda s: softmax(s).masked_fill(CAUSAL == 0, 0.0),
    "times a mask": lambda s: softmax(s) * CAUSAL,
    "dropout between": lambda s: torch.dropout(softmax(s), 0.1, True) * CAUSAL,
}


@pytest.mark.parametrize("weigh", LATE.values(), ids=LATE)
def test_a_mask_behind_the_softmax_is_found(weigh: Weighs) -> None:
    assert kinds_of_attention(weigh) == ["mask-after-softmax"]


@pytest.mark.parametrize("dims", [2, 3])
def test_weights_along_another_dimension_than_is_summed_are_found(dims: int) -> None:
    assert kinds_of_attention(partial(softmax, dim=-2), dims) == ["attention-of-other-rows"]


MEANT: dict[str, Weighs] = {
    "masked before": lambda s: softmax(masked(s)),
    "masked before and again": lambda s: softmax(masked(s)) * CAUSAL,
    "divided by its sum": lambda s: (w := softmax(s) * CAUSAL) / w.sum(-1, keepdim=True),
    "slots": lambda s: (w := softmax(s, -2)) / w.sum(-1, keepdim=True),
    "rows of padding": lambda s: softmax(s) * torch.tensor([1.0, 1.0, 1.0, 0.0])[:, None],
    "dropout by hand": lambda s: softmax(s) * (torch.rand(2, 4, 4) > 0.2).float(),
    "the largest alone": lambda s: (w := softmax(s)) * (w >= w.topk(2).values[..., -1:]).float(),
    "the other way round": lambda s: softmax(s, -2).mT,
}


@pytest.mark.parametrize("weigh", MEANT.values(), ids=MEANT)
def test_attention_that_is_meant_alarms_nobody(weigh: Weighs) -> None:
    assert kinds_of_attention(weigh) == []


def kinds_of_training(after: Callable[[Tensor], None]) -> list[str]:
    with gad.record() as recording:  # which sees the weights get the numbers that they begin with
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        for _ in range(3):
            model(torch.randn(5, 3)).square().mean().backward()
            for p in model.parameters():
                after(p)
    return [one.kind for one in recording.graph.diagnose().findings if one.severity != NOTE]


def descend(p: Tensor) -> None:
    assert p.grad is not None
    p.data.add_(p.grad, alpha=-0.1)


def and_clear(p: Tensor) -> None:
    descend(p)
    p.grad = None


def and_clamp(p: Tensor) -> None:
    and_clear(p)
    p.data.clamp_(-1, 1)


KEPT_OR_NOT = [(descend, ["not-cleared"]), (and_clear, []), (and_clamp, [])]


@pytest.mark.parametrize(("after", "kinds"), KEPT_OR_NOT, ids=["kept", "cleared", "clamped"])
def test_what_is_written_while_there_is_no_gradient_is_no_step(after: Any, kinds: list[str]) -> None:
    assert kinds_of_training(after) == kinds


@pytest.mark.parametrize("known", [True, False], ids=["with a model", "without one"])
def test_one_optimizer_that_steps_twice_is_not_told_as_two(known: bool) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gad.record(*[model][:known]) as recording:
        for _ in range(3):
            model(torch.randn(5, 3)).square().mean().backward()
            optimizer.step()
            optimizer.step()
            optimizer.zero_grad()
    severe = [one.kind for one in recording.graph.diagnose().findings if one.severity != NOTE]
    assert severe == ["stepped-twice"][:known]  # without a model, that there is one optimizer is not known


def test_data_that_only_the_last_pass_reads_are_passed_over() -> None:
    with gad.record() as recording:  # whose passes have a box more for what they read after a step
        model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            model(torch.randn(5, 3)).square().mean().backward()
            optimizer.step()
            optimizer.step()
            optimizer.zero_grad()
    assert recording.graph.diagnose().looked.passes == 3


def kinds_of_two(train: Callable[[nn.Linear, nn.Linear, Tensor, Any], None]) -> list[str]:
    torch.manual_seed(0)
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    optimizer = torch.optim.SGD(one.parameters(), lr=0.01)
    with gad.record(nn.ModuleList([one, other])) as recording:
        for _ in range(3):
            train(one, other, torch.randn(4, 3), optimizer)
    return [each.kind for each in recording.graph.diagnose().findings if each.severity != NOTE]


def test_gradients_that_no_step_reads_are_not_told_to_add_up() -> None:
    def train(online: nn.Linear, target: nn.Linear, x: Tensor, optimizer: Any) -> None:
        optimizer.zero_grad()
        (online(x) - target(x)).square().mean().backward()
        optimizer.step()
        for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
            slow.data.mul_(0.9).add_(fast.data, alpha=0.1)

    assert "not-cleared" not in kinds_of_two(train)
