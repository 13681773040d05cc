"""Films that are not simply the forward and the backward pass: paths one at a time, forward mode, several backward
passes.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError


def f(x1: Tensor, x2: Tensor) -> Tensor:
    return (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2


def captions(film: gad.Animation) -> list[str]:
    return [" | ".join(part for part in step.caption if part) for step in film.steps]


def final_texts(film: gad.Animation) -> list[list[str]]:
    last = film.film.scene(len(film.steps) - 1)
    return [[line.text for line in box.lines] for box in last.boxes]


def test_each_path_is_a_step_with_its_product_and_the_last_step_is_their_sum() -> None:
    film = gad.trace(f, 1.5, 0.5).animate(wrt="x2", layout="layered")
    told = captions(film)
    assert len(told) == 5
    assert [text.rpartition("= ")[2] for text in told[1:]] == ["0.1762", "−0.05961", "1.5", "1.617"]
    assert told[0].startswith("df/dx₂: 3 paths")


def test_a_path_lights_exactly_its_own_edges() -> None:
    graph = gad.trace(f, 1.5, 0.5)
    film = graph.animate(wrt="x2", layout="layered")
    paths = graph.explain("x2").paths
    for number, path in enumerate(paths, 1):
        lit = {arrow.key for arrow in film.film.scene(number).arrows if arrow.emphasis == "active-backward"}
        assert lit == {edge.key for edge in path.edges}


def test_paths_that_nobody_can_list_end_in_an_honest_step() -> None:
    def doubling(x: Tensor) -> Tensor:
        for _ in range(20):
            x = x + x
        return x

    told = captions(gad.trace(doubling, 1.0).animate(wrt="x", layout="layered"))
    assert "more" in told[-2]
    assert told[-1].endswith("1.049e6") or told[-1].endswith("1048576") or "1,048,576" in told[-1]


def test_forward_mode_shows_values_and_tangents_and_no_gradients() -> None:
    film = gad.trace(f, 1.5, 0.5).animate(tangents="x1", layout="layered")
    told = captions(film)
    assert "dv₃/dx₁ = 4.482 × 1 | = 4.482" in told[4]
    assert "0.2328" in told[-1]
    texts = [text for box in final_texts(film) for text in box]
    assert "df/dx₁ = 0.2328" in texts
    assert not [text for text in texts if "grad" in text]
    blank = film.film.scene(0)
    assert not [
        line.text for box in blank.boxes for line in box.lines if line.role == "tangent" and line.text not in ("", "·")
    ]


def recorded_twice() -> gad.Graph:
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        y = x**2
        y.backward(retain_graph=True)
        y.backward()
    return recorded.graph


def test_two_backward_passes_add_up_in_front_of_your_eyes() -> None:
    film = recorded_twice().animate(passes=True, layout="layered")
    told = captions(film)
    added = "Pass 2 of 2: the new gradient is added to what .grad held | x.grad = 4 + 4 = 8"
    assert [text for text in told if "added" in text] == [added]
    first = next(i for i, text in enumerate(told) if text.startswith("Pass 2"))
    for step, text in (
        (first, ".grad 4"),
        (told.index(added) - 1, ".grad 4 + 4"),
        (told.index(added), ".grad 4 + 4 = 8"),
    ):
        assert text in [line.text for line in film.film.scene(step).boxes[0].lines]


def final_boxes(film: gad.Animation) -> list[list[str]]:
    return [[line.text for line in box.lines if line.text] for box in film.film.scene(len(film.steps) - 1).boxes]


def test_a_loop_of_passes_is_one_film_though_each_has_a_graph_of_its_own() -> None:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        for x in (1.0, 2.0):
            ((w * x - 1) ** 2).backward()
    film = recorded.graph.animate(passes=True, layout="layered")
    told = captions(film)
    assert [text for text in told if "same" in text or "added" in text] == [
        "Pass 2 of 2: the same forward pass with the new values | v₁ = w × 2, so output = 1",
        "Pass 2 of 2: the same backward pass | d output/dw = 4",
        "Pass 2 of 2: the new gradient is added to what .grad held | w.grad = 0 + 4 = 4",
    ]
    assert told[-1] == f"All backward passes have run | w = {w.item():g}, w.grad = {w.grad.item():g}"
    assert not [text for box in final_boxes(film) for text in box if "None" in text or "no " in text]


def test_a_film_of_several_passes_ends_on_what_grad_holds() -> None:
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        y = x**3 * 6
        for _ in range(3):
            y.backward(retain_graph=True)
    for film in (recorded.graph.animate(passes=True, layout="layered"), recorded.graph.animate(layout="layered")):
        assert "x.grad = 216" in captions(film)[-1]
        assert [text for box in final_boxes(film) for text in box if text == f".grad {x.grad.item():g}"]


def test_an_earlier_value_of_a_parameter_points_at_where_its_gradient_stands() -> None:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.1)
    with gad.record() as recorded:
        for x in (2.0, 3.0):
            optimizer.zero_grad()
            loss = (w * x - 1) ** 2
            loss.backward()
            optimizer.step()
    assert w.grad is not None
    film = recorded.graph.animate(passes=True, layout="layered")
    assert captions(film)[-1] == f"All backward passes have run | w = {w.item():g}, w.grad = {w.grad.item():g}"
    moves = [text.split(" | ")[1] for text in captions(film) if "SGD.step" in text]
    assert moves == ["w = 1 − 0.1 × 4 = 0.6", "w = 0.6 − 0.1 × 4.8 = 0.12"]
    assert ["w", "0.12", ".grad 4.8"] in final_boxes(film)
    still = [[line.text for line in box.lines] for box in recorded.graph.plot().scene.boxes]
    assert ["w₀", "1", ".grad at w₁"] in still
    for boxes in (final_boxes(film), still):
        assert not [text for box in boxes for text in box if "None" in text]


def test_the_last_frame_is_the_complete_picture() -> None:
    graph = gad.trace(f, 1.5, 0.5)
    usual = final_texts(graph.animate(layout="layered"))
    assert [
        [text for text in box if not text.startswith("= ")]
        for box in final_texts(graph.animate(wrt="x2", layout="layered"))
    ] == [[text for text in box if not text.startswith("= ")] for box in usual]


@pytest.mark.parametrize(("steps", "at_least"), [("edge", 8), ("op", 5)])
def test_the_backward_pass_is_told_as_finely_as_asked(steps: str, at_least: int) -> None:
    graph = gad.trace(f, 1.5, 0.5)
    count = len(graph.animate(direction="backward", steps=steps, layout="layered").steps)
    assert count >= at_least
    assert (steps == "edge") == (count > len(graph.animate(direction="backward", steps="op", layout="layered").steps))


def test_modules_can_be_the_steps() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    told = captions(gad.trace(network, torch.ones(1, 2)).animate(steps="module", layout="layered"))
    assert len([text for text in told if text.startswith(("0", "2"))]) == 2


def test_what_cannot_be_told_is_refused() -> None:
    graph = gad.trace(f, 1.5, 0.5)
    with pytest.raises(OptionError, match="wrt and tangents are different stories"):
        graph.animate(wrt="x1", tangents="x1")
    with pytest.raises(OptionError, match="only one backward pass"):
        graph.animate(passes=True)
    with pytest.raises(UnknownNameError, match="edge"):
        graph.animate(steps="atom")
