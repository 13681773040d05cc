"""The timeline of a film: at every step the marks of its frame, in an order in which nothing is hidden, painted
once.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_film import HOSTILE, film, hostile_film
from small_programs import graph

from graphviz_ad._internal.film.timeline import Shown, timeline
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.paint import paint_frame
from graphviz_ad._internal.scene.scene import Change, Film, Step


def at(shown: list[Shown], step: int) -> list[Mark]:
    return [one.mark for one in shown if one.first <= step <= one.last]


def drawn(made: Film, step: int) -> list[Mark]:
    return [mark for mark in paint_frame(made, step).marks if not isinstance(mark, Label) or mark.text]


@pytest.mark.parametrize(
    "made", [film(), hostile_film(HOSTILE[0]), replace(film(), size=(960, 720))], ids=["small", "hostile", "narrow"]
)
def test_at_every_step_it_has_the_marks_of_the_frame(made: Film) -> None:
    shown = timeline(made)
    for step in range(len(made.steps)):
        assert sorted(map(repr, at(shown, step))) == sorted(map(repr, drawn(made, step))), step


@pytest.mark.parametrize("name", ["square", "colah", "detach", "several_results"])
def test_so_do_films_of_real_programs(name: str) -> None:
    made = graph(name).animate(layout="layered", camera=False).film
    shown = timeline(made)
    for step in range(len(made.steps)):
        assert sorted(map(repr, at(shown, step))) == sorted(map(repr, drawn(made, step))), step


def test_what_overlaps_is_in_the_order_of_the_frame() -> None:
    made = film()
    shown = timeline(made)
    for step in range(len(made.steps)):
        frame = drawn(made, step)
        place = {id(mark): i for i, mark in enumerate(frame)}
        for upper, mark in enumerate(frame):
            if isinstance(mark, Label) and mark.owner:
                grounds = [
                    m
                    for m in frame[:upper]
                    if isinstance(m, Rect) and m.owner == mark.owner and m.part in ("frame", "inner", "badge", "ground")
                ]
                order = at(shown, step)
                assert all(order.index(ground) < order.index(mark) for ground in grounds), (step, place[id(mark)])


def test_a_mark_that_stays_is_there_once() -> None:
    shown = timeline(film())
    names = [one for one in shown if isinstance(one.mark, Label) and one.mark.part == "name"]
    assert [(one.first, one.last) for one in names] == [(0, 18)] * 6
    values = [
        (one.mark.text, one.first, one.last)
        for one in shown
        if isinstance(one.mark, Label) and (one.mark.owner, one.mark.part) == ("c", "value")
    ]
    assert values == [("·", 0, 0), ("3", 1, 18)]


def test_it_grows_with_what_changes_and_not_with_frames_times_parts() -> None:
    small = film()
    boxes = tuple(replace(box, key=f"{box.key}{i}") for i in range(60) for box in small.stage.boxes)
    steps = tuple(
        Step("forward", ("",), (Change(boxes[i].key, "active", (("value", str(i)),)),)) for i in range(len(boxes))
    )
    shown = timeline(Film(replace(small.stage, boxes=boxes, arrows=()), steps))
    assert len([one for one in shown if one.mark.owner]) < 12 * len(boxes)
