"""Films that fit a lecture: long ones tell steps alike once, nothing that is told gets lost or wrong by it, and each
step stays as long as it takes to read what is new.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Literal

import pytest
from test_camera import PROGRAMS, traced

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.chapters import Chapter, chapters_of
from graphviz_ad._internal.film.durations import holds_of
from graphviz_ad._internal.scene.scene import Film, Scene, Step

LECTURE = 90


@cache
def made(name: str, steps: Literal["edge"] | None = None, seconds: float | None = None) -> gad.Animation:
    return traced(name).animate(layout="layered", steps=steps, max_seconds=seconds)


def texts(scene: Scene) -> dict[tuple[str, str], str]:
    return {(part.key, line.key): line.text for part in (*scene.boxes, *scene.arrows) for line in part.lines}


@pytest.mark.parametrize("name", PROGRAMS)
def test_sixty_nodes_last_no_longer_than_a_lecture_has_time_for(name: str) -> None:
    assert made(name).duration <= LECTURE + 1e-6
    assert made(name).film.length == pytest.approx(made(name).duration)


def test_a_short_film_tells_every_step_by_itself() -> None:
    assert not any(step.others for step in made("few").steps)
    assert len(made("few").steps) == len(made("few", steps="edge").steps)


def told_apart(film: Film) -> list[Step]:
    return [step for step in film.steps if step.others]


def test_steps_alike_are_told_once_and_the_others_are_named() -> None:
    film = made("chain").film
    groups = told_apart(film)
    assert groups
    for step in groups:
        assert "and so for" in step.caption[-1]
        assert not set(step.about) & set(step.others)
    forward = [key for step in film.steps if step.phase == "forward" for key in (*step.about, *step.others)]
    operations = [node.key for node in made("chain").graph.node_list if node.kind == "op"]
    assert forward == operations  # each once, in the order in which they ran


@pytest.mark.parametrize("name", ["chain", "layers"])
def test_what_is_told_together_shows_what_it_shows_told_by_itself(name: str) -> None:
    short = made(name).film
    long = replace(short, steps=made(name, steps="edge").film.steps, views=(), moves=(), holds=())
    assert len(short.steps) < len(long.steps)
    assert texts(short.scene(-1)) == texts(long.scene(-1)) == texts(short.stage)
    states = [texts(long.scene(i)) for i in range(len(long.steps))]
    assert all(texts(short.scene(i)) in states for i in range(len(short.steps)))


@pytest.mark.parametrize("name", ["chain", "layers"])
def test_only_what_a_step_tells_of_is_lit(name: str) -> None:
    film = made(name).film
    for i, step in enumerate(film.steps):
        lit = {box.key for box in film.scene(i).boxes if box.emphasis == "active"}
        if step.about:
            assert lit <= {*step.about, *step.others}, i


@pytest.mark.parametrize("seconds", [60.0, 40.0])
@pytest.mark.parametrize("name", ["recurrent", "layers"])
def test_a_film_lasts_no_longer_than_it_may(name: str, seconds: float) -> None:
    assert made(name, seconds=seconds).duration <= seconds + 1e-6
    fast = traced(name).animate(layout="layered", max_seconds=seconds, speed=2)
    assert fast.duration <= seconds + 1e-6
    assert len(fast.steps) >= len(made(name, seconds=seconds).steps)


def test_what_cannot_be_so_short_is_refused_with_the_length_that_can_be() -> None:
    with pytest.raises(OptionError, match=r"max_seconds=2 is too short.*give at least ([\d.]+)") as caught:
        traced("recurrent").animate(layout="layered", max_seconds=2)
    least = float(re.search(r"at least ([\d.]+)", str(caught.value).split("give")[1])[1])  # type: ignore[index]
    assert traced("recurrent").animate(layout="layered", max_seconds=least).duration <= least


def test_a_step_stays_as_long_as_there_is_something_new_to_read() -> None:
    start, end = Step("start", ("f(x)",), ()), Step("end", ("done",), ())
    first = Step("forward", ("a = tanh(b), the hyperbolic tangent of what came before", "= 3"), (), 1)
    again = replace(first, caption=(first.caption[0], "= 4"))
    holds = holds_of([start, first, again, replace(again, news=9), end])
    assert holds[1] > holds[2]
    assert holds[3] > holds[2]
    assert all(0.8 <= hold <= 3 for hold in holds)


# --- chapters


def test_chapters_hold_all_steps_in_order() -> None:
    phases = ["start", "forward", "forward", "backward", "zero", "forward", "backward", "end"]
    assert chapters_of([Step(phase, (), ()) for phase in phases]) == [
        Chapter("forward", 0, 2, 1),
        Chapter("backward", 3, 3, 1),
        Chapter("zero", 4, 4),
        Chapter("forward", 5, 5, 2),
        Chapter("backward", 6, 7, 2),
    ]
    for name in PROGRAMS:
        chapters, steps = chapters_of(made(name).steps), made(name).steps
        assert [chapter.phase for chapter in chapters] == ["forward", "backward"]
        assert [i for one in chapters for i in range(one.first, one.last + 1)] == list(range(len(steps)))
