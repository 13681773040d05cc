"""Steps of optimizers say which backward passes brought the gradients that they use, and only where that is certain."""

from __future__ import annotations

import torch
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.step_updates import with_updates


def test_a_step_uses_what_was_added_up_since_the_gradient_was_emptied_or_says_nothing() -> None:
    layer = nn.Linear(2, 1)
    steps = torch.optim.SGD(layer.parameters(), 0.1)
    x = torch.ones(1, 2)
    with gad.record(layer) as recorded:
        layer(x).sum().backward()
        layer(2 * x).sum().backward()
        steps.step()  # of both
        steps.zero_grad()
        layer(3 * x).sum().backward()
        nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
        steps.step()  # of the third, made smaller
        steps.zero_grad(set_to_none=False)
        layer(4 * x).sum().backward()
        steps.step()  # of the fourth, added to zeros
        layer.bias.grad = torch.ones(1)
        steps.step()  # of no pass alone
        layer(x).sum().backward()
    made = [node for node in with_updates(recorded.graph).node_list if node.is_step]
    assert {name for node in made for name in node.updates} == {"weight", "bias"}
    for name, last in (("weight", (4,)), ("bias", ())):
        assert [node.uses_passes for node in made if node.updates == (name,)] == [(1, 2), (3,), (4,), last]


def test_no_step_of_a_picture_stands_alone_and_each_says_whose_gradients_it_uses() -> None:
    torch.manual_seed(0)
    maker, critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)), nn.Sequential(nn.Linear(2, 1))
    of_maker, of_critic = (torch.optim.Adam(part.parameters()) for part in (maker, critic))
    with gad.record(nn.ModuleDict({"maker": maker, "critic": critic})) as recorded:
        made = maker(torch.randn(3, 2))
        judged = critic(torch.randn(3, 2)).square().mean() - critic(made.detach()).square().mean()
        judged.backward()
        of_critic.step()
        loss = critic(made).square().mean()
        of_maker.zero_grad()
        loss.backward()
        of_maker.step()
    picture = recorded.graph.plot(fit="slide")
    boxes = {node.op: picture.scene.box_by_key[node.key] for node in picture.graph.node_list if node.is_of_steps}
    told = {name: [line.text for line in box.lines if line.role == "note"] for name, box in boxes.items()}
    assert told == {
        "of_critic.step()": ["uses .grad of pass 1", "changes critic.0", "pass 2 reads what it made"],
        "of_maker.step()": ["uses .grad of pass 2", "changes maker.0, maker.2"],
    }
    ends = {
        arrow.head: arrow.tail for arrow in picture.scene.arrows if [line.text for line in arrow.lines] == [".grad"]
    }
    begins = {number: node.key for node in picture.graph.node_list for port in node.ports if (number := port.begins)}
    assert ends == {boxes["of_critic.step()"].key: begins[1], boxes["of_maker.step()"].key: begins[2]}
