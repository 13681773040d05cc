"""Why no number is known is said once below a picture, where it is the same for all of it; else where it is so."""

from __future__ import annotations

import torch
from torch import nn
from torch._subclasses import FakeTensorMode

import graphviz_ad as gad


def traced(device: str = "cpu") -> gad.Graph:
    model = nn.Sequential(nn.Linear(3, 4, device=device), nn.Tanh(), nn.Linear(4, 2, device=device))
    return gad.trace(model, torch.ones(5, 3, device=device))


def texts_of_boxes(graph: gad.Graph) -> list[str]:
    return [line.text for box in graph.plot().scene.boxes for line in box.lines]


def test_what_holds_for_every_tensor_is_said_once() -> None:
    with FakeTensorMode():
        graph = traced()
    picture = graph.plot()
    assert not [text for text in texts_of_boxes(graph) if "FakeTensor" in text]
    assert [note for note in picture.scene.notes if "FakeTensor" in note] == [
        "Shapes alone are known: each tensor is a FakeTensor, which holds no numbers."
    ]
    assert all(node.ports[0].value.missing == "FakeTensor" for node in graph.node_list if node.kind == "op")


def test_what_holds_for_some_tensors_is_said_where_it_does() -> None:
    known = torch.ones(3, requires_grad=True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        fake = torch.ones(3, requires_grad=True)
    graph = gad.trace(lambda a, b: (a.exp().sin(), b.exp().sin()), known, fake)
    assert [text for text in texts_of_boxes(graph) if "FakeTensor" in text]
