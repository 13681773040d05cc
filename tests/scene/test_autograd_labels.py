"""Autograd's view of a graph: grad_fn, AccumulateGrad and what is saved; what requires no gradient looks so, always."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from small_programs import PROGRAMS, graph

import graphviz_ad as gad
from graphviz_ad._internal.scene.canvas import Rect
from graphviz_ad._internal.scene.paint import KIND_LOOKS
from graphviz_ad._internal.scene.scene import Box
from graphviz_ad._internal.tracing.tape.torch_private import TELLS_HOOKS

WEIGHT = torch.ones(3, requires_grad=True)


def program(x: torch.Tensor) -> torch.Tensor:
    a = (x * WEIGHT).detach()
    with torch.no_grad():
        b = x.sum()
    return torch.tanh(a * x).pow(3).sum() + b


def boxes(picture: gad.Picture) -> dict[str, Box]:
    return {box.key: box for box in picture.scene.boxes if box.kind != "copy"}


def texts(box: Box) -> list[str]:
    return [line.text for line in box.lines]


@pytest.mark.parametrize("name", PROGRAMS)
def test_boxes_say_the_grad_fn_of_each_operation_and_accumulate_grad_at_each_leaf(name: str) -> None:
    shown = boxes(graph(name).plot(labels="autograd", constants="boxes"))
    for node in graph(name).node_list:
        if node.key not in shown:  # what nobody reads is not drawn
            continue
        said = texts(shown[node.key])
        if node.kind == "op" and node.autograd:
            assert said[: len(node.autograd[:4])] == list(node.autograd[:4])
        if node.kind == "leaf":
            assert "AccumulateGrad" in said
        assert ("saved: " + ", ".join(node.saved) in said) == bool(node.saved)


def test_the_view_agrees_with_torch() -> None:
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = torch.tanh(x) * 3
    said = [line for box in boxes(gad.trace(y).plot(labels="autograd")).values() for line in texts(box)]
    assert type(y.grad_fn).__name__ in said
    assert type(y.grad_fn.next_functions[0][0]).__name__ in said
    assert type(y.grad_fn.next_functions[0][0].next_functions[0][0]).__name__ == "AccumulateGrad"
    assert "AccumulateGrad" in said
    assert ("saved: result" if TELLS_HOOKS else "saved: unknown") in said  # of tanh


def test_the_lines_of_a_box_have_keys_of_their_own() -> None:
    for option in ("program", "autograd"):
        for box in graph("two_outputs").plot(labels=option, values=False).scene.boxes:
            keys = [line.key for line in box.lines]
            assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("labels", ["program", "autograd"])
@pytest.mark.parametrize("theme", ["light", "dark", "print", "lecture"])
def test_what_requires_no_gradient_looks_different_from_what_does(labels: str, theme: str) -> None:
    traced = gad.trace(program, [1.0, 2.0, 3.0])
    made = traced.plot(labels=labels, theme=theme, detail="op")
    frames = {mark.owner: mark for mark in made.canvas.marks if isinstance(mark, Rect) and mark.part == "frame"}
    looks = {True: set(), False: set()}
    for node in traced.node_list:
        for key, mark in frames.items():
            if key == node.key or key.startswith(f"{node.key}~"):
                looks[node.requires_grad].add((made.theme[mark.fill or ""], mark.dash))
    assert looks[True]
    assert {fill for fill, _ in looks[False]} == {made.theme["data"]}
    assert all(dash for _, dash in looks[False])
    assert not looks[True] & looks[False]


@pytest.mark.parametrize("suffix", ["svg", "dot"])
@pytest.mark.parametrize("detail", ["op", "line"])
def test_an_operation_without_gradient_is_dashed_in_every_format_and_on_every_level(suffix: str, detail: str) -> None:
    traced = gad.trace(program, [1.0, 2.0, 3.0])
    shown = [box for box in traced.plot(detail=detail).scene.boxes if box.gradless and box.kind != "copy"]
    assert shown
    source = traced.to_svg(detail=detail) if suffix == "svg" else traced.to_dot(detail=detail)
    dashed = re.findall('stroke-dasharray="[0-9. ]+"' if suffix == "svg" else 'style="filled,dashed"', source)
    assert len(dashed) >= len(shown)


def test_copies_of_data_look_like_data() -> None:
    def many(x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        for _ in range(5):
            x = torch.sin(x * c) + c
        return x

    made = gad.trace(many, 1.0, torch.tensor(2.0)).plot()
    kinds = {box.key: box for box in made.scene.boxes}
    copies = [box for box in made.scene.boxes if box.kind == "copy"]
    for box in copies:
        original = kinds[box.key.partition("~")[0]]
        assert box.gradless == (original.kind == "data" or original.gradless)


def test_a_film_has_the_labels_too() -> None:
    film = graph("colah").animate(labels="autograd")
    assert "MulBackward0" in {line.text for box in film.film.stage.boxes for line in box.lines}
    assert KIND_LOOKS["data"] != KIND_LOOKS["op"]
    assert replace(film.film.stage.boxes[0], gradless=True) != film.film.stage.boxes[0]


# --- finished tensors


def finished() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    return model(torch.randn(16, 4)).square().mean(), dict(model.named_parameters())


def test_a_tree_of_finished_tensors_says_nothing_of_values_on_every_box() -> None:
    loss, params = finished()
    for source in (gad.make_dot(loss, params=params).source, gad.trace(loss).to_dot(), gad.trace(loss).to_svg()):
        assert "not recorded</" not in source
    assert any("were not recorded" in notice for notice in gad.trace(loss).notices)  # said once, below


def test_make_dot_is_a_tree_of_grad_fns_and_named_leaves_with_their_shapes_and_nothing_else() -> None:
    loss, params = finished()
    shown = re.findall(r"<FONT[^>]*>(?:<[BI]>)*([^<]*)", gad.make_dot(loss, params=params).source)
    functions, todo = [], [loss.grad_fn]
    while todo:
        function = todo.pop()
        functions.append(type(function).__name__)
        todo += [below for below, _ in function.next_functions if below is not None]
    assert sorted(text for text in shown if text.endswith("Backward0")) == sorted(
        name for name in functions if name != "AccumulateGrad"
    )
    assert shown.count("AccumulateGrad") == functions.count("AccumulateGrad") == len(params)
    assert {*params, "f32[8,4]", "f32[8]", "f32[1,8]", "f32[1]"} <= set(shown)
    assert "saved" not in " ".join(shown)


def test_make_dot_cuts_attributes_as_it_is_told() -> None:
    loss, _ = finished()
    for most in (5, 12, 50):
        source = gad.make_dot(loss, show_attrs=True, show_saved=True, max_attr_chars=most).source
        found = re.findall(r">mat1_sym_sizes: ([^<]*)<", source)
        assert found
        assert all(len(text) <= most for text in found)
        assert source.count(">saved: ") == 4  # twice addmm, relu and pow
