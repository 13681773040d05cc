"""A cut is told where a loss would have come through it, and what programs do besides is named as what it is."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import pytest
import torch
from programs import leaf
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph


def train(besides: Callable[[nn.Module, Tensor, Tensor], object]) -> tuple[nn.Module, Graph]:
    """One step of training, with something besides."""
    torch.manual_seed(0)
    model, x = nn.Linear(3, 1), torch.randn(5, 3)
    with gad.record(model) as recorded:
        loss = model(x).square().mean()
        loss.backward()
        besides(model, x, loss)
    return model, recorded.graph


def by_hand(model: nn.Module, x: Tensor, loss: Tensor) -> None:
    for p in model.parameters():
        assert p.grad is not None
        p.data.add_(p.grad, alpha=-0.1)


def under_no_grad(model: nn.Module, x: Tensor, loss: Tensor) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p - 0.1 * p.grad)  # type: ignore[operator]


def data_replaced(model: nn.Module, x: Tensor, loss: Tensor) -> None:
    for p in model.parameters():
        assert p.grad is not None
        p.data = p.data - 0.1 * p.grad.data


def averaged(model: nn.Module, x: Tensor, loss: Tensor) -> None:
    shadow = nn.Linear(3, 1).requires_grad_(False)
    for p, q in zip(model.parameters(), shadow.parameters(), strict=True):
        q.data.mul_(0.9).add_(p.data, alpha=0.1)


def logged(model: nn.Module, x: Tensor, loss: Tensor) -> None:
    print(loss.item(), sum(p.detach().norm() for p in model.parameters()))


def evaluated(model: nn.Module, x: Tensor, loss: Tensor) -> None:
    with torch.no_grad():
        loss = model(x).square().mean()
        loss.item()


@pytest.mark.parametrize("besides", [by_hand, under_no_grad, data_replaced, averaged, logged, evaluated])
def test_what_leads_to_no_loss_is_not_said_to_be_missing_from_a_gradient(besides: Callable[..., object]) -> None:
    _, graph = train(besides)
    for name in ("weight", "bias", "loss"):
        answer = graph.why(name)
        assert "Not part of it" not in answer, answer
        assert "No gradient" not in answer, answer
        assert not any(remedy in answer for remedy in ("Leave out", "Compute it outside")), answer


def test_of_two_losses_the_one_that_was_trained_on_is_meant() -> None:
    _, graph = train(evaluated)
    assert graph.find("loss").grad is not None
    assert "The program calls 1 more result so: loss₁ (mean, test_consequences.py:" in graph.why("loss")


def test_a_cut_through_which_a_loss_would_have_come_is_told() -> None:
    w = leaf(1, 2)
    with gad.record() as recorded:
        y = w * 3
        loss = (y * y.detach()).sum()
        loss.backward()
        loss.item()
    assert "Not part of it: v1 was detached at test_consequences.py:" in recorded.graph.why("y")


def test_a_number_that_goes_on_into_the_loss_is_told_and_one_that_does_not_is_not() -> None:
    w = leaf(1, 2)
    with gad.record() as recorded:
        y = (w * 3).sum()
        (y * y.item()).backward()
        y.item()
    answer = recorded.graph.why("y")
    assert answer.count("item at") == 1, answer


def test_a_target_network_needs_no_gradient_and_a_frozen_layer_of_the_loss_may() -> None:
    torch.manual_seed(0)
    model, x = nn.ModuleDict({"q": nn.Linear(3, 1), "target": nn.Linear(3, 1)}), torch.randn(4, 3)
    with gad.record(model) as recorded:
        with torch.no_grad():
            aim = model["target"](x)
        (model["q"](x) - aim).square().mean().backward()
        with torch.no_grad():
            for p, q in zip(model["target"].parameters(), model["q"].parameters(), strict=True):
                p.mul_(0.9).add_(q, alpha=0.1)
    answer = recorded.graph.why("target.weight")
    assert answer.startswith("No gradient arrives at target.weight.")
    assert "as a target network or a moving average is; such a tensor needs no gradient." in answer
    assert "Compute it outside" not in answer


def test_what_is_only_looked_at_is_said_to_lead_to_no_loss() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    with gad.record(model) as recorded:
        model["a"](torch.ones(1, 2)).sum().backward()
        size = model["b"].weight.detach().norm()
    assert "None of that leads to what the backward pass began at." in recorded.graph.why("b.weight")
    assert "no gradient is missing" in recorded.graph.why("size")
    assert size.item() > 0


def test_a_sample_that_a_gradient_should_go_through_is_to_be_drawn_by_rsample() -> None:
    layer, x = nn.Linear(4, 1), torch.rand(5, 4)
    with gad.record(layer) as recorded:
        z = torch.distributions.Normal(layer(x), 1.0).sample()
        (z + layer.bias * 0).sum().backward()
    answer = recorded.graph.why("weight")
    assert re.search(r"z, computed at test_consequences.py:\d+, ran with autograd switched off", answer)
    assert "Call rsample() in place of sample()" in answer
    assert "has no derivative" not in answer  # as what checks the arguments does


def test_a_line_is_the_user_s_and_not_that_of_what_only_passes_on() -> None:
    layer = nn.Linear(2, 1)
    with gad.record(layer) as recorded:
        other = copy.deepcopy(layer)
        other(torch.ones(1, 2)).sum().backward()
    nodes = [node for node in recorded.graph.node_list if node.op is not None and node.source is not None]
    assert {node.source.partition(":")[0] for node in nodes if node.source} == {"test_consequences.py"}
    assert not any(node.name for node in nodes)
    assert "was detached at test_consequences.py:" in recorded.graph.why("weight")


def test_the_name_of_a_module_stands_for_what_it_returned() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    with gad.record(model) as recorded:
        model(torch.ones(1, 2)).sum().backward()
    assert recorded.graph.find("1").op == "tanh"
    assert recorded.graph.why("0").startswith("The gradient of ")


def test_what_a_target_network_computes_is_not_to_be_let_out_of_its_block() -> None:
    net, target = nn.Linear(2, 1), nn.Linear(2, 1)
    model = nn.ModuleDict({"net": net, "target": target})
    with gad.record(model) as recorded:
        with torch.no_grad():
            aim = target(torch.ones(1, 2))
        (net(torch.ones(1, 2)) - aim).square().mean().backward()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), net.parameters(), strict=True):
                slow.mul_(0.9).add_(fast, alpha=0.1)
    answer = recorded.graph.why("aim")
    assert "It is computed from what is written to by add_ at" in answer
    assert "outside of that block" not in answer


def test_an_error_for_want_of_a_graph_names_what_cut_it_off() -> None:
    layer = nn.Linear(2, 1)
    with gad.record(layer) as recorded:
        with torch.no_grad():
            h = layer(torch.ones(1, 2))
        with pytest.raises(RuntimeError, match="does not require grad"):
            h.sum().backward()
    answer = recorded.graph.why("weight")
    assert re.search(
        r"h was computed under torch\.no_grad\(\) at test_consequences\.py:\d+\. Compute it outside", answer
    )
    assert answer.index("h was computed") < answer.index("RuntimeError")


def test_a_gradient_is_told_without_the_sign_of_a_zero() -> None:
    graph = gad.trace(lambda x: torch.relu(-x.abs() - 1).sum(), leaf(1, 2))
    assert graph.why("x").startswith("The gradient of x is [0, 0]: ")


def test_what_led_to_the_loss_of_an_earlier_pass_is_not_said_to_lead_to_none() -> None:
    critic, target, actor = nn.Linear(2, 1), nn.Linear(2, 1), nn.Linear(2, 2)
    states, nets = torch.ones(3, 2), nn.ModuleDict({"critic": critic, "target": target, "actor": actor})
    with gad.record(nets) as recorded:
        with torch.no_grad():
            wanted = target(states) * 0.9
        (critic(states) - wanted).square().mean().backward()
        critic(actor(states)).sum().backward()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), critic.parameters(), strict=True):
                slow.mul_(0.9).add_(fast, alpha=0.1)
    answer = recorded.graph.why("wanted")
    assert "Nothing that a backward pass began at" not in answer
    assert "as a target network or a moving average is: no gradient is missing there." in answer
