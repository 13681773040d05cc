"""Pictures of models: a type stands where it changes, a module says what its results are like, a norm has one form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.scene import Box, Scene
from graphviz_ad._internal.scene.words.names import graph_names


def convolutions() -> nn.Module:
    same = nn.Conv2d(4, 4, 3, padding=1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), same, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 49, 2))


def lines(box: Box, *roles: str) -> list[str]:
    return [line.text for line in box.lines if line.role in roles]


def typed(scene: Scene) -> dict[str, str]:
    """Key of an arrow -> the type that stands on it."""
    return {arrow.key: line.text for arrow in scene.arrows for line in arrow.lines if line.role == "type"}


def changing(graph: Graph) -> set[str]:
    """The arrows out of what has a type that it was not given, of which a box does not write the elements."""
    found = set()
    for edge in graph.edges:
        tail = graph.nodes[edge.tail]
        given = [graph.nodes[e.tail] for e in graph.in_edges(tail.key)]
        shapes = {node.ports[0].shape for node in given if node.kind != "leaf"}
        if given and tail.ports[0].shape not in shapes:
            found.add(edge.key)
    return found


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_types_stand_on_the_arrows_where_they_change_and_nowhere_else(direction: str) -> None:
    torch.manual_seed(0)
    picture = gad.trace(convolutions(), torch.randn(2, 3, 16, 16)).plot(depth=1, direction=direction, layout="layered")
    assert {*typed(picture.scene)} == changing(picture.graph)
    assert "f32[2,4,14,14]" in typed(picture.scene).values()
    for node in picture.graph.node_list:
        texts = lines(picture.scene.box_by_key[node.key], "value", "statistic")
        has_type = any(text.startswith("f32[") for text in texts)
        assert has_type == (node.kind == "data" or node.is_output or node.kind == "leaf"), texts


def test_every_module_says_what_its_results_are_like() -> None:
    torch.manual_seed(0)
    scene = gad.trace(convolutions(), torch.randn(2, 3, 16, 16)).plot(boxes=4, fit="slide").scene
    modules = [box for box in scene.boxes if box.kind == "module"]
    assert modules
    for box in modules[:-1]:
        (said,) = lines(box, "statistic")
        assert said.startswith("mean ")


def test_a_mean_is_said_once() -> None:
    torch.manual_seed(0)
    scene = gad.trace(convolutions(), torch.randn(8, 3, 16, 16)).plot(depth=1, layout="layered").scene
    for box in scene.boxes:
        said = [text.removeprefix("mean ") for text in lines(box, "statistic")]
        assert not any(mean in text for mean in said for text in lines(box, "value")), box.lines


def test_whole_numbers_have_no_statistic() -> None:
    table = nn.Embedding(9, 4)

    def program(tokens: Tensor) -> Tensor:
        return table(tokens.flip(0).roll(1)).sum()

    scene = gad.trace(program, torch.arange(9)).plot(boxes=2, fit="slide").scene
    assert not any(line.text.startswith("mean") for box in scene.boxes if box.kind == "data" for line in box.lines)


def test_the_norm_of_a_gradient_stands_in_the_box_of_every_parameter_that_is_not_written_out() -> None:
    torch.manual_seed(0)
    graph = gad.trace(convolutions(), torch.randn(2, 3, 16, 16))  # of weights of 108, 144 and 392 numbers
    scene = graph.plot(layout="layered").scene
    for node in graph.node_list:
        if node.kind == "leaf" and node.ports[0].value is not None and node.ports[0].value.numel > 100:
            said = lines(scene.box_by_key[node.key], "gradient")
            assert said[0].startswith("‖.grad‖ "), said


def test_results_that_are_called_the_same_are_one_line_and_parameters_are_told_of() -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(6)])

    def program(x: Tensor) -> Tensor:
        kept = []
        for layer in layers:
            x = layer(x).tanh()
            kept.append(x)
        return torch.stack(kept).sum()

    picture = gad.trace(program, torch.randn(3, 4)).plot(boxes=2)
    (repeat,) = (node for node in picture.graph.node_list if node.copies is not None)
    box = picture.scene.box_by_key[repeat.key]
    assert sum(text.startswith("6 × ") for text in lines(box, "value", "statistic")) <= 1
    assert any("6 × x: mean" in text for text in lines(box, "value", "statistic"))
    assert any(text.startswith("‖grad of params‖") for text in lines(box, "gradient"))
    said = [*picture.scene.notes, *(text for each in picture.scene.boxes for text in lines(each, "gradient"))]
    assert not any("grad of parameters" in text for text in said)
    assert any("‖grad of params‖ of all 6 modules: least" in text for text in picture.scene.notes)
    assert len(lines(box, "value", "statistic")) < 6


def test_paths_of_parameters_are_shortened_alike_in_all_formulas() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    graph = gad.trace(lambda x: model(x).sum(), torch.randn(2, 3))
    names = graph_names(graph)
    said = {names.operand(edge) for edge in graph.edges if graph.nodes[edge.tail].kind == "leaf"}
    assert said == {"0.weight", "0.bias"}  # of model.0.weight, which is too long, and of model.0.bias, which is not


def test_all_names_of_one_parameter_are_one_line() -> None:
    same = nn.Linear(3, 3)
    model = nn.ModuleDict({"a": same, "b": same, "c": same})
    graph = gad.trace(lambda x: model["c"](model["b"](model["a"](x))).sum(), torch.randn(2, 3))
    assert graph.notices == (
        "model.b.weight, model.c.weight are the same parameter as model.a.weight.",
        "model.b.bias, model.c.bias are the same parameter as model.a.bias.",
    )


def test_results_of_a_box_are_called_as_in_the_program_or_by_what_made_them() -> None:
    torch.manual_seed(0)
    cell = nn.LSTMCell(4, 8)

    def program(steps: Tensor) -> Tensor:
        h, c = torch.zeros(2, 8), torch.zeros(2, 8)
        for x in steps:
            h, c = cell(x, (h, c))
        return h.sum()

    picture = gad.trace(program, torch.randn(60, 2, 4)).plot(fit="slide")
    (box,) = (box for box in picture.scene.boxes if box.name == "prepared data" and box.kind != "copy")
    texts = lines(box, "value", "statistic")
    assert [text.partition(" ")[0] for text in texts[:2]] == ["h", "c"]
    assert any(text.startswith("60 × unbind: mean ") for text in texts)
    assert not any("result " in text for text in texts)
    assert "number" in picture.scene.legend
