"""Whole training steps, as they are drawn unasked: few boxes on two screens, and all of the way from leaf to loss."""

from __future__ import annotations

import pytest
import torch
from programs import wrong_sums
from training_steps import WHOLE, perceptron

import graphviz_ad as gad
from graphviz_ad._internal.graph.fold_boxes import BOXES, with_boxes
from graphviz_ad._internal.graph.fold_cut import Wish, cut_of
from graphviz_ad._internal.graph.fold_tree import DATA, NODE, REPEAT, STEPS, Fold, fold_tree
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notices import IN_ALL_BOXES, PASSES_DRAWN
from graphviz_ad._internal.graph.other_passes import with_other_passes
from graphviz_ad._internal.graph.transforms import hide_all_but
from graphviz_ad._internal.scene.letter_sizes import letter_sizes
from graphviz_ad._internal.scene.place import TWO_SCREENS
from graphviz_ad._internal.scene.scene import Box

BEGUN = {"gan": 3, "td3": 2}  # places in the program that a backward pass begins at, where there are several
PIXELS = 4 / 3  # of a screen, a point


@pytest.fixture(scope="module")
def recorded() -> dict[str, Graph]:
    """What was recorded, once for all tests."""
    return {}


def graph_of(name: str, recorded: dict[str, Graph]) -> Graph:
    if name not in recorded:
        torch.manual_seed(0)
        recorded[name] = WHOLE[name]()
    return recorded[name]


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_of_the_way_from_leaf_to_loss_is_lost(name: str, recorded: dict[str, Graph]) -> None:
    graph = hide_all_but(graph_of(name, recorded), (), steps=True, most_steps=None)
    tree = fold_tree(graph)
    cut = cut_of(tree, Wish(BOXES))
    assert len(cut) <= 60
    keys = [key for fold in cut for key in [*fold.keys()]]
    assert sorted(keys) == sorted(graph.nodes)
    owner = {key: fold.keys()[-1] for fold in cut for key in [*fold.keys()]}
    folded = with_boxes(graph, cut)
    shown = {(edge.tail, edge.head) for edge in folded.edges if edge.cut is None}
    on_the_way = {(owner[edge.tail], owner[edge.head]) for edge in graph.edges if edge.cut is None}
    assert {(tail, head) for tail, head in on_the_way if tail != head} <= shown
    assert_folds_are_told_apart(graph, cut)


def assert_folds_are_told_apart(graph: Graph, cut: list[Fold]) -> None:
    """Steps stand in strips, and what computes without a gradient is not opened."""
    steps = [node.key for node in graph.node_list if node.is_step and node.kind == "op"]
    if len(steps) > 1:
        strips = {key for fold in cut if fold.kind in (STEPS, REPEAT, DATA) for key in [*fold.keys()]}
        assert {*steps} <= strips
    alone = [graph.nodes[fold.key] for fold in cut if fold.kind == NODE]
    assert not any(node.is_step and node.kind == "op" for node in alone)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", WHOLE)
def test_a_training_step_has_room_on_two_screens(name: str, recorded: dict[str, Graph]) -> None:
    picture = graph_of(name, recorded).plot()
    boxes = [box for box in picture.scene.boxes if box.kind != "copy"]
    assert len(boxes) <= 60
    scale = min(TWO_SCREENS.width / picture.canvas.width, TWO_SCREENS.height / picture.canvas.height)
    assert min(letter_sizes(picture.scene)) * min(scale, 1.0) * PIXELS >= 9.9
    assert sum(box.double for box in boxes) == BEGUN.get(name, 1)  # the loss, or where each pass that is shown starts
    titles = [text for box in boxes for text in starts(box)]
    assert len(titles) == len({*titles}) == BEGUN.get(name, 0)


def starts(box: Box) -> list[str]:
    """What a box says of the backward pass that begins there."""
    return [line.text for line in box.lines if line.role == "note" and line.text.endswith("starts here")]


def test_gradients_of_another_pass_are_those_of_that_pass(recorded: dict[str, Graph]) -> None:
    graph = graph_of("gan", recorded)
    shown = with_other_passes(graph)
    for name, number in (("errD_real", 0), ("errD_fake", 1), ("errG", 2)):
        there = graph.passes[number]
        (here,) = (node for node in shown.node_list if node.name == name)
        assert here.ports[0].begins == number + 1
        assert here.grad == there.find(name).grad
        for edge in shown.in_edges(here.key):
            before = next(each for each in there.in_edges(there.find(name).key) if each.slot == edge.slot)
            assert (edge.grad, shown.nodes[edge.tail].grad) == (before.grad, there.nodes[before.tail].grad)
    assert [node.name for node in shown.outputs] == ["errG"]
    assert wrong_sums(graph.passes[0]) == []
    real = shown.find("real")
    assert [shown.nodes[edge.head].op for edge in shown.out_edges(real.key)] == ["linear"]
    with_grads = {node.name for node in shown.node_list if node.kind == "leaf" and node.grad is not None}
    assert with_grads == {f"{net}.{i}.{what}" for net in "GD" for i in (0, 2) for what in ("weight", "bias")}


@pytest.mark.parametrize("name", BEGUN)
def test_boxes_say_of_which_pass_their_gradients_are_and_which_parameters_a_step_changes(
    name: str, recorded: dict[str, Graph]
) -> None:
    graph = graph_of(name, recorded)
    shown = with_other_passes(graph)
    (note,) = (note for note in shown.notes if note.kind == PASSES_DRAWN)
    assert len(note["numbers"]) == BEGUN[name]
    for node in shown.node_list:
        assert bool(node.in_passes) == any(port.grad is not None for port in node.ports)
        for number in node.in_passes:
            there = graph.passes[number - 1]
            assert any((each.name, each.op, each.grad) == (node.name, node.op, node.grad) for each in there.node_list)
    picture = graph.plot()
    whole = next(note for note in picture.graph.notes if note.kind == IN_ALL_BOXES)
    reached = {
        leaf.name
        for number in note["numbers"]
        for leaf in graph.passes[number - 1].node_list
        if leaf.kind == "leaf" and leaf.grad is not None
    }
    assert not reached & {*whole.subjects}
    changed = [node.updates for node in picture.graph.node_list if node.is_of_steps]
    assert all(changed)
    assert {name for names in changed for name in names} <= reached | {*whole.subjects}
    scene = picture.scene
    said = [line.text for box in scene.boxes for line in box.lines if line.role == "note"]
    assert sum(text.startswith("changes ") for text in said) == len(changed)
    assert {f"gradients of pass {number}" for number in note["numbers"][-1:]} <= {*said}


def test_repeated_steps_are_one_box_with_a_curve_of_what_they_were_given() -> None:
    torch.manual_seed(0)
    model, x, norms = perceptron(2, 4, 1), torch.randn(8, 2), []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with gad.record(model) as recording:
        for _ in range(11):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            norms.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm().item())
            optimizer.step()
    graph = hide_all_but(recording.graph, (), steps=True, most_steps=None)
    cut = cut_of(fold_tree(graph), Wish(BOXES))
    (box,) = (node for node in with_boxes(graph, cut).node_list if node.copies is not None)
    assert box.copies is not None
    assert (box.op, box.call_op, box.copies.count) == ("optimizer.step()", "Adam.step", 10)
    assert box.copies.norms == pytest.approx(norms[:10], rel=1e-6)


def test_data_that_a_loader_prepares_is_one_box(recorded: dict[str, Graph]) -> None:
    picture = graph_of("linear_and_loader", recorded).plot()
    names = [box.name for box in picture.scene.boxes]
    assert sum([name.startswith("prepared data") for name in names]) == 1
    assert len(names) < 10
