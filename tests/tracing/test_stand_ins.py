"""Parameters that a module has another tensor for while it runs: they have their names, and were read."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad


class Swapping(nn.Module):
    """Has another weight for its layer while it runs, and also reads that of a layer which it does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)
        self.stand_in = [nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]])) for _ in range(2)]

    def forward(self, x: Tensor) -> Tensor:
        own = self.layer.weight, self.other.weight
        self.layer.weight, self.other.weight = self.stand_in
        try:
            return nn.functional.linear(self.layer(x), self.other.weight).sum()
        finally:
            self.layer.weight, self.other.weight = own


def recorded(model: nn.Module, x: Tensor, **options: Any) -> Any:
    with gad.record(model, **options) as recording:
        model(x).backward()
    return recording.graph


@pytest.mark.parametrize("capture", [None, gad.Capture("none", "none", local=False)])
def test_what_stands_for_a_parameter_has_its_name(capture: gad.Capture | None) -> None:
    model, x = Swapping(), torch.tensor([1.0, -1.0])
    graph = recorded(model, x, **({} if capture is None else {"capture": capture}))
    assert {node.name for node in graph.node_list if node.kind == "leaf"} == {
        *("layer.weight", "layer.bias", "other.weight"),
    }
    notes = {note.kind: note.subjects for note in graph.notes}
    assert notes["stood for"] == ("layer.weight", "other.weight")
    assert "unread parameters" not in notes
    if capture is None:
        for name, parameter in zip(("layer.weight", "other.weight"), model.stand_in, strict=True):
            leaf = graph.find(name)
            assert parameter.grad is not None
            assert leaf.grad.array.tolist() == parameter.grad.tolist()
            assert leaf.ports[0].grad_total is None  # .grad of the parameter itself is another
            assert "which stood for the parameter" in graph.why(name)


def test_a_graph_with_stand_ins_is_saved_and_read(tmp_path: Any) -> None:
    graph = recorded(Swapping(), torch.tensor([1.0, -1.0]))
    assert gad.Graph.load(graph.save(tmp_path / "g.json")).notes == graph.notes


def test_trace_names_them_too() -> None:
    graph = gad.trace(Swapping(), torch.tensor([1.0, -1.0]))
    assert {note.kind for note in graph.notes} == {"stood for"}
    assert {node.name for node in graph.node_list if node.kind == "leaf"} >= {"layer.weight", "other.weight"}


def test_a_parameter_that_really_takes_no_part_is_said_to() -> None:
    model = nn.ModuleDict({"used": Swapping(), "idle": nn.Linear(2, 2)})
    with gad.record(model) as recording:
        model["used"](torch.tensor([1.0, -1.0])).backward()
    (unread,) = (note for note in recording.graph.notes if note.kind == "unread parameters")
    assert unread.subjects == ("idle.weight", "idle.bias")


def test_how_a_module_is_called_is_no_operation_of_the_program() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the hook that torch has for this is an old one
        model = torch.nn.utils.spectral_norm(nn.Linear(2, 2))
    graph = recorded(nn.Sequential(model, nn.Linear(2, 1)), torch.tensor([1.0, -1.0]))
    named = {name for node in (*graph.node_list, *graph.detail.node_list) for name in (node.op, node.call_op)}
    assert "inner" not in named


def test_what_is_computed_of_parameters_in_the_program_is_followed_and_not_said_to_be_gathered() -> None:
    layer, x = nn.Linear(2, 1), torch.ones(3, 2)
    named = dict(layer.named_parameters())
    with gad.record(layer) as recorded:
        inner = torch.func.functional_call(layer, named, x).square().mean()
        slopes = torch.autograd.grad(inner, list(named.values()), create_graph=True)
        fast = {name: old - 0.1 * slope for (name, old), slope in zip(named.items(), slopes, strict=True)}
        torch.func.functional_call(layer, fast, x + 1).square().mean().backward()
    graph = recorded.graph
    assert graph.notices == ("2 backward passes were recorded, each in graph.passes; a picture shows the last.",)
    assert "stood for" not in graph.why("weight")
