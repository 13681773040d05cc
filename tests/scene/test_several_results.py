"""Of several results of one box, each says whether there is a gradient to have: "None" is what torch would have had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Node, Port
from graphviz_ad._internal.graph.prepared_data import name_on_box


class Prepared(nn.Module):
    """A module that returns what takes a gradient, what takes none, and what gets none."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mask = x.cumsum(0).cos()
        return self.layer(x), mask, self.layer(x * 2)


def said(graph: gad.Graph, **options: int) -> dict[str, str]:
    """Name of a result -> what its box says of its gradient."""
    lines = [line for box in graph.plot(**options).scene.boxes for line in box.lines if line.role == "gradient"]
    return dict(line.text.split(": ", 1) for line in lines if ": " in line.text)


def test_numbers_of_places_have_no_gradient_to_have() -> None:
    def f(x: Tensor) -> Tensor:
        values, places = x.topk(2)
        return values.sum() + places.sum()

    assert said(gad.trace(f, torch.tensor([3.0, 1, 2], requires_grad=True))) == {
        "values": "grad [1, 1]",
        "places": "grad —",
    }


def test_each_result_of_a_folded_module_has_its_own(tmp_path: Path) -> None:
    module = Prepared()

    def f(x: Tensor) -> Tensor:
        seen, mask, unused = module(x)
        return (seen * mask).sum() + unused.detach().sum()

    graph = gad.trace(f, torch.ones(3))
    graph.save(tmp_path / "graph.json")
    found = said(graph, depth=1)
    assert found == said(gad.Graph.load(tmp_path / "graph.json"), depth=1)
    assert {name: text.split()[-1] for name, text in found.items() if name != "seen"} == {"mask": "—", "unused": "None"}
    assert "None" not in found["seen"]


def test_what_an_optimizer_made_is_read_from_its_step() -> None:
    made = tuple(Port((2,), "float32", made_by="Adam.step") for _ in range(2))
    step = Node("n0", "module", op="of_critic.step()", call_op="Adam.step", ports=made)
    assert name_on_box(step, 1) == ""
    assert name_on_box(replace(step, op="prepare()", call_op=None), 1) == "Adam.step"
