"""A box says which modules it holds, and what in it is not finite: counted as torch has it, born, passed on, meant."""

from __future__ import annotations

import math
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.alarms import alarms
from graphviz_ad._internal.graph.box_facts import NotFinite
from graphviz_ad._internal.graph.fold_boxes import fold_to_boxes
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.graph_files import from_json

INFINITE, NAN = float("inf"), float("nan")


def named(**modules: nn.Module) -> nn.Module:
    return nn.Sequential(OrderedDict(modules))


def block() -> nn.Module:
    return named(attention=named(inward=nn.Linear(3, 3), outward=nn.Linear(3, 3)), mlp=nn.Linear(3, 3))


def boxes(graph: Graph) -> dict[str | None, Node]:
    """Those that a file keeps."""
    return {node.op: node for node in from_json(graph.to_json()).node_list if node.kind == "module"}


def test_a_box_names_the_modules_in_it_and_those_in_its_copies() -> None:
    model = named(stem=nn.Linear(3, 3), encoder=nn.Sequential(*(block() for _ in range(4))), head=nn.Linear(3, 1))
    graph = gad.trace(model, torch.ones(2, 3))
    (copies,) = boxes(gad.transforms.collapse_modules(graph, 1))["encoder"].parts
    assert (copies.name, copies.copies) == ("Sequential", 4)
    assert [(part.name, [inner.name for inner in part.parts]) for part in copies.parts] == [
        ("attention", ["inward", "outward"]),
        ("mlp", []),
    ]
    norms = [
        math.hypot(*(graph.find(f"encoder.{i}.{name}").grad.norm for name, _ in model.encoder[i].named_parameters()))
        for i in range(4)
    ]
    assert copies.differ.norms == pytest.approx(norms)
    assert copies.differ.least == f"encoder.{min(range(4), key=norms.__getitem__)}"
    assert boxes(gad.transforms.collapse_modules(graph, 1))["head"].parts == ()
    (repeat,) = (node for node in fold_to_boxes(graph, boxes=6).node_list if node.copies is not None)
    assert [part.name for part in repeat.parts] == ["attention", "mlp"]


class Spoiled(nn.Identity):
    """Does to its input what it is told."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "born":
            return torch.log(x - 2) * 1
        if self.how == "masked":
            mask = torch.zeros(2).masked_fill(torch.tensor([False, True]), -INFINITE)
            return torch.softmax(x + mask, -1)
        if self.how == "stays":
            place = torch.log(torch.zeros(2)).clamp(min=0)
            return x + place
        return x * 2 + 1


def line_of_forward(number: int) -> str:
    """Where something comes up in it."""
    return f"test_box_contents.py:{Spoiled.forward.__code__.co_firstlineno + number}"


@pytest.mark.parametrize(
    ("how", "given", "told", "alarmed"),
    [
        ("fine", 1.0, None, False),
        (
            "born",
            1.0,
            NotFinite(4, 0, 0, "log", True, "NaN", line_of_forward(2)),
            True,
        ),  # two in the logarithm, two in the product
        ("masked", 1.0, NotFinite(0, 0, 2, None, False), False),  # in the mask and in the sum
        ("stays", 1.0, NotFinite(2, 0, 0, "log", False, "−∞", line_of_forward(7)), False),
        ("fine", NAN, NotFinite(4, 0, 0, None, True, "NaN"), True),
    ],
)
def test_what_is_not_finite_in_a_box(how: str, given: float, told: NotFinite | None, alarmed: bool) -> None:
    model = named(first=Spoiled(how), last=nn.Linear(2, 1))
    graph = gad.transforms.collapse_modules(gad.trace(model, torch.full((2,), given)), 1)
    first = boxes(graph)["first"]
    assert first.not_finite == told
    assert alarms(graph, first) == alarmed
