"""The camera of a film: what a step lights up is seen in letters that can be read, views go from one to the next
without a jump, and the first and the last frame show the whole.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import groupby, pairwise, product
from typing import Any

import pytest
import torch
from call_counts import counted
from hypothesis import given, settings
from hypothesis import strategies as st

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.camera import LEAST, between, eased, on_the_way, wanted_in
from graphviz_ad._internal.film.film_frames import film_moments
from graphviz_ad._internal.film.moments import Pace
from graphviz_ad._internal.film.timeline import Cameras, timeline
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.film_frame import EDGE, Area, Fit, FrameRooms, Panel, seen_at
from graphviz_ad._internal.scene.letter_sizes import letter_sizes
from graphviz_ad._internal.scene.overview import bounds, in_sight
from graphviz_ad._internal.scene.paint import moved_marks, paint_frame, stage_marks
from graphviz_ad._internal.scene.scene import Box, Film
from graphviz_ad._internal.scene.signs import Plan, area_of, place_beside

READABLE = 14  # pixels of the smallest letters on a frame 720 pixels high
MOST_SHIFT, MOST_ZOOM = 0.35, 1.6  # of a view, and times as large, from one picture of a move to the next


def recurrent(w: Any, u: Any, b: Any, x1: Any, x2: Any, x3: Any) -> Any:
    h = torch.tensor(0.0)
    for x in (x1, x2, x3):
        h = torch.tanh(w * h + u * x + b)
    return (h - 1.0) ** 2


def chain(x: Any) -> Any:
    for _ in range(58):
        x = torch.sin(x)
    return x


def layers(x1: Any, x2: Any, w: Any) -> Any:
    h = [x1, x2]
    for _ in range(5):
        h = [torch.tanh(w * h[0] + h[-1]) for _ in range(3)]
    return sum(h)


PROGRAMS = {
    "few": (lambda a, b: (a + b) * (b + 1), (2.0, 1.0)),
    "recurrent": (recurrent, (0.5, -0.8, 0.1, 1.0, -0.5, 0.3)),
    "chain": (chain, (0.5,)),
    "layers": (layers, (0.5, -0.3, 0.7)),
}
LONG = [name for name in PROGRAMS if name != "few"]


@cache
def traced(name: str) -> gad.Graph:
    function, inputs = PROGRAMS[name]
    return gad.trace(function, *inputs)


@cache
def film(name: str) -> Film:
    return traced(name).animate(layout="layered", detail="op").film


def close(made: Film) -> list[int]:
    return [i for i in range(len(made.steps)) if made.view(i) != made.whole]


# --- what is seen


@pytest.mark.parametrize("name", PROGRAMS)
def test_letters_can_be_read_in_every_step_but_those_that_show_the_whole(name: str) -> None:
    made = film(name)
    smallest = min(letter_sizes(made.stage))
    shown = close(made) or range(len(made.steps))
    far = [i for i in shown if smallest * made.fit(made.view(i))[0] < READABLE - 1e-9]
    # where what is lit needs the whole, or is larger than a view
    aside = [*far, *(i for i in range(1, len(made.steps) - 1) if i not in shown)]
    clear = made.rooms().clear((made.whole.width, made.whole.height))
    for step in aside:
        lit = wanted_in(made.stage, made.steps[step])
        assert lit is None or lit.boxes.width * LEAST > clear.width or lit.boxes.height * LEAST > clear.height


@pytest.mark.parametrize("name", LONG)
def test_what_a_step_lights_up_is_in_its_view_and_not_behind_the_overview(name: str) -> None:
    made = film(name)
    inset = made.rooms().overview((made.whole.width, made.whole.height)).grown(EDGE)
    for i, step in enumerate(made.steps):
        boxes = [
            made.stage.box_by_key[c.key] for c in step.changes if c.emphasis == "active" and c.key in boxes_of(made)
        ]
        for box in boxes:
            assert box.center is not None
            x, y = box.center[0] - box.width / 2, box.center[1] - box.height / 2
            assert made.view(i).holds(Area(x, y, box.width, box.height)), (i, box.name)
            assert made.view(i) == made.whole or not area_of(box, made.fit(made.view(i))).meets(inset), (i, box.name)


def boxes_of(made: Film) -> set[str]:
    return set(made.stage.box_by_key)


def trained(model: torch.nn.Module, times: int) -> gad.Graph:
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters())
    inputs = torch.randn(4, 2)
    with gad.record(model) as recording:
        for _ in range(times):
            optimizer.zero_grad()
            result = model(inputs)
            (result[0] if isinstance(result, tuple) else result).square().mean().backward()
            optimizer.step()
    return recording.graph


@pytest.mark.parametrize("detail", ["op", "line"])
@pytest.mark.parametrize(
    ("make", "times"),
    [
        (lambda: torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)), 2),
        (lambda: torch.nn.LSTMCell(2, 2), 1),
    ],
    ids=["all parameters at once", "a box larger than views"],
)
def test_a_step_that_lights_up_more_than_can_be_read_shows_what_it_speaks_of(
    make: Any, times: int, detail: str
) -> None:
    made = trained(make(), times).animate(detail=detail).film
    between = range(1, len(made.steps) - 1)
    assert made.views
    assert min(made.fit(made.view(step))[0] for step in between) >= LEAST - 1e-9
    for step in filter(lambda step: made.steps[step].look_at, between):
        boxes = [made.stage.box_by_key[key] for key in made.steps[step].look_at]
        seen = made.view(step)
        assert any(
            box.center is not None
            and seen.holds(Area(box.center[0] - box.width / 2, box.center[1] - box.height / 2, box.width, box.height))
            for box in boxes
        ), made.steps[step].caption


@pytest.mark.parametrize("name", LONG)
def test_it_begins_and_ends_on_the_whole_and_has_one_scale_in_between(name: str) -> None:
    made = film(name)
    assert made.view(0) == made.view(-1) == made.whole
    assert close(made)
    assert len({round(made.fit(made.view(i))[0], 9) for i in close(made)}) == 1


def test_what_can_be_read_as_a_whole_has_no_camera_and_nobody_has_to_have_one() -> None:
    assert film("few").views == ()
    made = traced("recurrent").animate(layout="layered", detail="op", camera=False).film
    assert (made.views, made.moves) == ((), ())


def test_no_arrow_leads_around_the_screen_where_a_camera_moves() -> None:
    assert "rows" not in film("recurrent").stage.engine
    assert "rows" in film("chain").stage.engine  # as text stands in lines: one arrow from each to the next
    rooms = FrameRooms.of((1280, 720))
    stage = film("chain").stage.size
    assert stage is not None
    assert stage[0] * LEAST <= rooms.clear(stage).width  # a line is no longer than a view


# --- how it moves


@pytest.mark.parametrize("name", LONG)
def test_a_move_never_jumps_and_the_next_step_begins_at_rest(name: str) -> None:
    made = film(name)
    room = made.rooms().stage
    for i, (before, after) in enumerate(pairwise(made.views)):
        assert (made.moves[i] > 0) == (before != after)
        if before == after:
            continue
        fits = [
            made.fit(before),
            *on_the_way(made.fit(before), made.fit(after), round(25 * made.moves[i])),
            made.fit(after),
        ]
        for one, other in pairwise(fits):
            a, b = seen_at(one, room), seen_at(other, room)
            larger = max(a.width, b.width)
            assert max(a.width / b.width, b.width / a.width) < MOST_ZOOM
            assert abs(a.center[0] - b.center[0]) < MOST_SHIFT * larger, (i, name)
            assert abs(a.center[1] - b.center[1]) < MOST_SHIFT * larger, (i, name)


def test_it_stays_where_it_is_as_long_as_it_can() -> None:
    made = film("recurrent")
    view = made.view(close(made)[0])
    runs = [(seen, [i for i, _ in run]) for seen, run in groupby(enumerate(made.views), lambda pair: pair[1])]
    for (before, steps), (after, later) in pairwise(runs):
        lit = [wanted_in(made.stage, made.steps[i]) for i in (*steps, later[0])]
        if made.whole not in (before, after):
            areas = [one.lit for one in lit[:-1] if one] + [one.boxes for one in lit[-1:] if one]
            union = areas[0]
            for area in areas[1:]:
                union = union.with_other(area)
            assert union.width > view.width or union.height > view.height


@settings(max_examples=50)
@given(*[st.tuples(st.floats(0.1, 2), st.floats(-500, 500), st.floats(-500, 500))] * 2)
def test_every_point_goes_straight_ahead(before: Fit, after: Fit) -> None:
    assert (eased(0), eased(1)) == (0, 1)
    way = [between(before, after, k / 10) for k in range(11)]
    assert way[0] == pytest.approx(before)
    assert way[-1] == pytest.approx(after)
    places = [scale * 100 + dx for scale, dx, _ in way]
    assert all(abs((b - a) - (places[-1] - places[0]) / 10) < 1e-6 for a, b in pairwise(places))


def test_moments_are_the_frames_with_pictures_between_and_last_as_long_as_the_film() -> None:
    made = film("recurrent")
    moments = list(film_moments(replace(made, motion=False), pace=Pace(0, camera=3, pan=math.inf)))
    lengths = [moment.end - moment.begin for _, moment in moments]
    assert sum(lengths) == pytest.approx(sum(map(made.seconds, range(len(made.steps)))))
    assert len(moments) == len(made.steps) + sum(round(3 * made.leaving(i)) for i in range(len(made.steps)))
    still = [canvas for canvas, moment in film_moments(made) if moment.rests]
    for i in (0, close(made)[0], close(made)[-1], len(still) - 1):
        assert still[i].marks == paint_frame(made, i).marks


# --- what is in the way of nothing


@pytest.mark.parametrize(
    "panel",
    [None, Panel("left", 0.3), Panel("right", 0.4), Panel("left", 0.3, chart=160), Panel("right", 0.22, chart=160)],
)
@pytest.mark.parametrize("whole", [(4000.0, 300.0), (900.0, 2000.0), (1500.0, 1400.0)])
def test_no_two_rooms_of_a_frame_overlap(panel: Panel | None, whole: tuple[float, float]) -> None:
    rooms = FrameRooms.of((1280, 720), panel)
    inset, clear = rooms.overview(whole), rooms.clear(whole)
    assert (rooms.panel if rooms.above_chart(whole) and rooms.panel else rooms.stage).holds(inset)
    assert rooms.stage.holds(clear)
    apart = [rooms.head, rooms.foot, rooms.stage, *([rooms.panel] if rooms.panel else [])]
    assert not any(a.meets(b) for i, a in enumerate(apart) for b in apart[:i])
    assert not inset.meets(clear)
    if rooms.chart is not None and rooms.panel is not None and rooms.program is not None:
        assert rooms.panel.holds(rooms.chart)
        assert not rooms.chart.meets(inset.grown(EDGE))
        assert not rooms.chart.meets(rooms.program)
    assert min(clear.width / rooms.stage.width, clear.height / rooms.stage.height) > 0.6


@pytest.mark.parametrize("size", [(1280, 199), (1280, 100), (63, 720)])
def test_a_frame_without_room_for_a_picture_is_refused(size: tuple[int, int]) -> None:
    moving = traced("few").animate(layout="layered")
    with pytest.raises(OptionError, match=f"{size[0]} x {size[1]} pixels has no room .* at least 64 x 200"):
        moving.frame(0, size)
    assert moving.frame(0, (64, 200)).canvas.marks


def test_the_whole_is_drawn_small_with_a_rectangle_around_what_is_seen() -> None:
    made = film("recurrent")
    rooms = made.rooms()
    inset = rooms.overview((made.whole.width, made.whole.height))
    for i in (close(made)[0], close(made)[-1]):
        marks = paint_frame(made, i).marks
        small = [mark for mark in marks if mark.part == "overview.box"]
        assert len(small) == len(made.stage.boxes)
        [outline] = [mark for mark in marks if mark.part == "overview.view"]
        assert all(inset.grown(5).holds(bounds(mark)) for mark in (*small, outline))
    assert not [mark for mark in paint_frame(made, 0).marks if mark.part.startswith(("overview", "cover"))]


@pytest.mark.parametrize("name", LONG)
def test_the_whole_says_names_that_can_be_read_and_hide_nothing(name: str) -> None:
    made = film(name)
    for index in (0, -1):
        fit, marks = made.fit(made.whole), paint_frame(made, index).marks
        names = [mark for mark in marks if isinstance(mark, Label) and mark.part.startswith("called")]
        known = {box.name for box in made.stage.boxes}
        assert len({mark.text for mark in names} & known) > 0.5 * len(known)
        assert {mark.size for mark in names} == {READABLE}
        areas = [bounds(mark).grown(-2) for mark in names]
        assert all(made.rooms().stage.grown(1).holds(area) for area in areas)
        assert not any(one.meets(other) for i, one in enumerate(areas) for other in areas[:i])
        for area, box in product(areas, [area_of(box, fit) for box in made.stage.boxes]):
            assert box.grown(4).holds(area) or not box.meets(area), "in its box or beside all"
    gradients = {mark.text for mark in names if mark.part == "called-gradient"}
    assert gradients <= {line.text for box in made.scene(-1).boxes for line in box.lines}
    assert not [mark for mark in paint_frame(film("few"), 0).marks if mark.part.startswith("called")]


def test_the_last_picture_of_tensors_says_gradients_as_torch_has_them() -> None:
    inputs = [torch.linspace(-1, 1.5, count, dtype=torch.float64).reshape(shape) for count, shape in SHAPES]
    leaves = [one.clone().requires_grad_() for one in inputs]
    made = gad.trace(attention, *leaves).animate().film
    attention(*leaves).backward()
    assert made.views, "letters of the whole are too small"
    assert "line" in {box.kind for box in made.stage.boxes}, "lines are larger"
    boxes, fit = {box.name: box for box in made.scene(-1).boxes}, made.fit(made.whole)
    labels = [
        mark for mark in paint_frame(made, -1).marks if isinstance(mark, Label) and mark.part.startswith("called")
    ]
    assert {mark.size for mark in labels} == {READABLE}
    told = 0
    for name, leaf in zip(("x", "Wq", "Wk", "Wv"), leaves, strict=True):
        around = area_of(boxes[name], fit).grown(70)
        said = [mark.text for mark in labels if mark.part == "called-gradient" and around.holds(bounds(mark))]
        cells = torch.tensor([float(text.replace("\u2212", "-")) for text in said if text != ".grad"]).double()
        expected = leaf.grad.flatten()
        runs = [cells[i : i + len(expected)] for i in range(len(cells) - len(expected) + 1)]
        told += any(torch.allclose(run, expected, rtol=1e-3) for run in runs)
    assert told >= 2, "as far as there is room"
    assert not [mark for mark in paint_frame(made, 0).marks if mark.part == "called-gradient"], "none is computed yet"


SHAPES = ((6, (3, 2)), *(3 * ((4, (2, 2)),)))


def attention(x: torch.Tensor, Wq: torch.Tensor, Wk: torch.Tensor, Wv: torch.Tensor) -> torch.Tensor:
    q = x @ Wq
    k = x @ Wk
    v = x @ Wv * 1.5
    scores = q @ k.T / 2**0.5
    weights = torch.softmax(scores, -1)
    out = weights @ v
    loss = (out**2).sum()
    return loss


def test_a_sign_beside_a_box_stands_near_no_other() -> None:
    boxes = [Box(f"b{i}", "leaf", (), 60, 20, center=(100 + 70.0 * i, 100)) for i in range(2)]
    rows = ((("−0.2542  0.05916, −0.2542",), "gradient"),)
    plan = Plan(Area(0, 0, 400, 300), [area_of(box, (1.0, 0.0, 0.0)) for box in boxes], set())
    found = place_beside(rows, plan.boxes[0], plan)
    assert found is not None
    place, way = found
    assert way is not None or not place.grown(4).meets(plan.boxes[1])


def test_a_timeline_has_the_stage_once_and_what_each_view_shows_of_it() -> None:
    made = film("recurrent")
    shown, cameras = timeline(made), Cameras(made)
    names = [one.mark for one in shown if one.staged and isinstance(one.mark, Label) and one.mark.part == "name"]
    assert len(names) == len({mark.owner for mark in names})

    def texts(marks: Any) -> list[tuple[str, float, float]]:
        return sorted((m.text, round(m.x, 1), round(m.y, 1)) for m in marks if isinstance(m, Label) and m.text)

    for i in (0, *close(made)[::9], len(made.steps) - 1):
        there = [one for one in shown if one.first <= i <= one.last]
        staged: list[Mark] = [one.mark for one in there if one.staged]
        seen = list(in_sight(moved_marks(staged, *cameras.of(i)), made.rooms()))
        stage = list(in_sight(moved_marks(stage_marks(made.scene(i)), *made.fit(made.view(i))), made.rooms()))
        assert texts(seen) == texts(stage)
        frame = {m.part for m in paint_frame(made, i).marks if not m.owner and not isinstance(m, Rect)}
        assert {one.mark.part for one in there if not one.staged and not isinstance(one.mark, Rect)} >= frame


# --- cost


@pytest.mark.parametrize(("name", "most"), [("few", 1), ("recurrent", 2)])
def test_a_stage_for_a_camera_is_placed_as_seldom_as_can_be(name: str, most: int) -> None:
    calls = counted(lambda: traced(name).animate(layout="layered", detail="op"))
    assert calls.of(place_scene) <= most
