"""A fill says how much a box has: more is never lighter, none is grey, what is not finite looks like nothing else."""

from __future__ import annotations

import itertools
import re
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.renderers.html.player import inspection_page, player_page
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.captions import CAPTION
from graphviz_ad._internal.scene.overlay import BORN, MEANT, NOTHING, PASSED_ON, STEPS
from graphviz_ad._internal.scene.overview import bounds
from graphviz_ad._internal.scene.paint import box_look
from graphviz_ad._internal.scene.scene import Scene
from graphviz_ad._internal.scene.themes import THEMES


def shrinking(x: Tensor) -> Tensor:
    for _ in range(6):
        x = x * 0.1
    return x.sum()


def tints(scene: Scene) -> dict[str, str]:
    return {box.key: box.tint for box in scene.boxes}


def test_more_is_never_lighter() -> None:
    graph = gad.trace(shrinking, [1.0, 2.0])
    picture = graph.plot(layout="layered", overlay="gradient")
    norms = {key: graph.nodes[key].grad.norm for key in tints(picture.scene) if graph.nodes[key].grad is not None}
    ranked = sorted(norms, key=norms.__getitem__)
    steps = [STEPS.index(tints(picture.scene)[key]) for key in ranked]
    assert steps == sorted(steps)
    assert {*steps} == {*range(len(STEPS))}
    ramp = picture.scene.ramp
    assert ramp is not None
    assert (ramp.title, ramp.fills) == ("norm of the gradient, by powers of ten", STEPS)
    assert (ramp.low, ramp.high) == ("1.414e−6", "1.414")  # of vectors of two
    assert graph.plot(layout="layered").scene.ramp is None
    assert all(not box.tint for box in graph.plot(layout="layered").scene.boxes)


def test_what_is_not_finite_is_told_apart_by_where_it_came_up() -> None:
    def program(x: Tensor) -> Tensor:
        bad = torch.log(x - 2)
        later = bad * 2
        mask = torch.full((2,), float("-inf"))
        return torch.softmax(x + mask[0] * torch.tensor([0.0, 1.0]).gt(2), 0).sum() * 0 + later.sum()

    graph = gad.trace(program, [1.0, 1.5])
    found = tints(graph.plot(layout="layered", overlay="value").scene)
    named = {graph.nodes[key].name or graph.nodes[key].op: tint for key, tint in found.items()}
    assert (named["bad"], named["later"]) == (BORN, PASSED_ON)
    assert named["mask"] == MEANT


@pytest.mark.parametrize("overlay", ["gradient", "value", "saved", "parameters"])
def test_each_quantity_has_fills_and_words(overlay: str) -> None:
    torch.manual_seed(0)
    graph = gad.trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), torch.ones(1, 2))
    picture = graph.plot(layout="layered", overlay=overlay)
    assert {*tints(picture.scene).values()} <= {*STEPS, NOTHING}
    assert {*tints(picture.scene).values()} & {*STEPS}
    for one, other in itertools.pairwise(STEPS):
        assert one != other
    assert picture.to_svg() != graph.plot(layout="layered").to_svg()


def test_numbers_of_ones_own() -> None:
    graph = gad.trace(shrinking, [1.0, 2.0])
    picture = graph.plot(layout="layered", overlay={"x": 5.0})
    assert [tint for tint in tints(picture.scene).values() if tint != NOTHING] == [STEPS[-1]] * 7  # all are called x
    with pytest.raises(UnknownNameError, match="nobody"):
        graph.plot(overlay={"nobody": 1.0})
    with pytest.raises(UnknownNameError, match="heat"):
        graph.plot(overlay="heat")
    with pytest.raises(OptionError):
        graph.plot(overlay={"x": "much"})


def test_the_legend_has_a_swatch_for_each_fill_and_the_values_at_both_ends() -> None:
    graph = gad.trace(shrinking, [1.0, 2.0])
    picture = graph.plot(layout="layered", overlay="gradient")
    swatches = [mark.fill for mark in picture.canvas.marks if isinstance(mark, Rect) and mark.part == "swatch"]
    assert swatches == [*STEPS, NOTHING]  # numbers of the program have no gradient
    written = [mark.text for mark in picture.canvas.marks if isinstance(mark, Label) and mark.part == "legend"]
    assert {"norm of the gradient, by powers of ten: 1.414e−6", "1.414"} <= {*written}
    assert "Filled by norm of the gradient" in picture.to_dot()
    plain = graph.plot(layout="layered", overlay="gradient", legend=False)
    assert not [mark for mark in plain.canvas.marks if isinstance(mark, Rect) and mark.part == "swatch"]


@pytest.mark.parametrize("aspect", ["16:9", "4:3"])
def test_what_fills_mean_is_read_on_a_film_and_in_the_way_of_nothing(aspect: Literal["16:9", "4:3"]) -> None:
    film = gad.trace(shrinking, [1.0, 2.0]).animate(overlay="gradient", layout="layered", aspect=aspect)
    for i in range(len(film.steps)):
        marks = film.frame(i).canvas.marks
        marks = marks[max((n for n, mark in enumerate(marks) if mark.part == "cover"), default=0) :]  # before the stage
        legend = [mark for mark in marks if mark.part in ("legend", "swatch")]
        others = [bounds(mark) for mark in marks if mark not in legend and mark.part in (CAPTION, "frame")]
        assert legend
        assert all(mark.size >= 14 for mark in legend if isinstance(mark, Label))
        assert not any(bounds(mark).meets(other) for mark in legend for other in others)


def test_films_and_pages_have_the_same_fills() -> None:
    graph = gad.trace(shrinking, [1.0, 2.0])
    film = graph.animate(overlay="gradient", layout="layered")
    norms = {key: graph.nodes[key].grad.norm for key in tints(film.film.stage)}
    ranked = [STEPS.index(tints(film.film.stage)[key]) for key in sorted(norms, key=norms.__getitem__)]
    assert ranked == sorted(ranked)
    for i in (0, len(film.steps) - 1):
        marks = film.frame(i).canvas.marks
        assert [mark.fill for mark in marks if isinstance(mark, Rect) and mark.part == "swatch"] == [*STEPS]
    last = {mark.fill for mark in film.frame(-1).canvas.marks if isinstance(mark, Rect) and mark.part == "frame"}
    assert {*STEPS} <= last
    still = inspection_page(graph.plot(overlay="gradient").scene, THEMES["light"])
    for page in (still, player_page(film.film, THEMES["light"])):
        for fill in STEPS:
            name = fill.replace(".", "-")
            assert re.search(rf"\.k-\S*-{name}\[[^{{]*frame{{fill:var\(--{name}\)", page)
        assert page.count("width:26px") >= len(STEPS)


def test_what_came_up_elsewhere_has_another_border() -> None:
    def program(x: Tensor) -> Tensor:
        bad = torch.log(x - 2)
        return (bad * 2).sum()

    scene = gad.trace(program, [1.0, 1.5]).plot(layout="layered").scene
    looks = [box_look(box)[1:4] for box in scene.boxes if box.warning]
    assert len({*looks}) == 2
    assert [box.passed_on for box in scene.boxes if box.warning].count(False) == 1
