"""Stages of films: long graphs stand in rows, letters are as large as they can be, and nothing of the picture is
lost or moved apart.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise

import pytest
import torch
from call_counts import counted
from hypothesis import given, settings
from hypothesis import strategies as st
from work import growth

import graphviz_ad as gad
from graphviz_ad._internal.film.least_room import least_room
from graphviz_ad._internal.layouts.choice import place_automatically, place_scene
from graphviz_ad._internal.layouts.row_wrapping import best_rows, wrapped
from graphviz_ad._internal.scene.paint import TYPES, frame_scale, scale_of
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Line, Scene


def chain(length):
    def run(x):
        for _ in range(length):
            x = torch.sin(x)
        return x

    return run


@cache
def film(name):
    programs = {
        "colah": (lambda a, b: (a + b) * (b + 1), (2, 1)),
        "seed": (lambda x1, x2: (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2, (1.5, 0.5)),
        "chain of 12": (chain(12), (0.5,)),
        "chain of 30": (chain(30), (0.5,)),
        "network": (network(), (torch.ones(5, 4),)),
    }
    function, inputs = programs[name]
    return gad.trace(function, *inputs).animate()


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
    )


# A frame has 720 rows of pixels; 14 of them are 20 points on a slide.
@pytest.mark.parametrize(
    ("name", "least"), [("colah", 22), ("seed", 14), ("chain of 12", 14), ("chain of 30", 14), ("network", 14)]
)
def test_names_and_numbers_can_be_read_from_the_back_row(name, least):
    shown = film(name).film
    views = [view for view in shown.views if view != shown.whole] or [shown.whole]
    scale = min(shown.fit(view)[0] for view in views)
    for role in ("name", "value", "gradient"):
        assert TYPES[role].size * scale >= least, role


def test_what_fits_is_drawn_in_one_row_with_everything_on_it():
    stage = film("colah").film.stage
    assert "rows" not in stage.engine
    assert all(box.badge for box in stage.boxes if box.kind == "op")
    assert any(line.role == "local" for arrow in stage.arrows for line in arrow.lines)


def test_a_film_for_an_old_screen_has_a_stage_of_its_own():
    wide, narrow = (gad.trace(chain(12), 0.5).animate(aspect=aspect).film for aspect in ("16:9", "4:3"))
    assert narrow.size == (960, 720)
    assert narrow.stage.size[0] / narrow.stage.size[1] < wide.stage.size[0] / wide.stage.size[1]


def test_where_signs_are_left_out_the_formula_still_says_what_is_computed():
    for box in film("seed").film.stage.boxes:
        assert box.badge or box.kind != "op" or any(line.kind == "formula" for line in box.lines)


def test_small_tensors_keep_all_their_numbers():
    stage = (
        gad.trace(lambda x: torch.sin(torch.cos(torch.tanh(torch.exp(x)))).sum(), torch.ones(2, 2, requires_grad=True))
        .animate()
        .film.stage
    )
    grids = [line.grid for box in stage.boxes for line in box.lines if line.role == "value" and line.grid]
    assert len(grids) == 5
    assert all(len(grid.rows) == 2 for grid in grids)


# --- rows


def dag(seed, count, direction):
    """Boxes of several sizes, each with one or two arrows from boxes a little earlier, half of them with words."""
    import random

    choose = random.Random(seed)
    boxes = [
        Box(f"b{i}", "op", (Line("name", f"v{i}"),), choose.uniform(40, 160), choose.uniform(30, 90))
        for i in range(count)
    ]
    arrows = []
    for i in range(1, count):
        for number in range(choose.choice([1, 1, 2])):
            words = (Line("local", "1"),) if choose.random() < 0.5 else ()
            size = (choose.uniform(20, 80), 20.0) if words else (0.0, 0.0)
            arrows.append(Arrow(f"a{i}.{number}", f"b{choose.randrange(max(i - 3, 0), i)}", f"b{i}", words, *size))
    return place_scene(Scene(tuple(boxes), tuple(arrows), direction=direction), "layered")


def rectangles(scene):
    for box in scene.boxes:
        yield (
            box.center[0] - box.width / 2,
            box.center[1] - box.height / 2,
            box.center[0] + box.width / 2,
            box.center[1] + box.height / 2,
        )


def from_border(point, box):
    """How far a point is from the border of a box."""
    dx, dy = abs(point[0] - box.center[0]) - box.width / 2, abs(point[1] - box.center[1]) - box.height / 2
    return math.hypot(max(dx, 0), max(dy, 0)) if dx > 0 or dy > 0 else min(-dx, -dy)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 40), st.sampled_from(["LR", "TB"]))
def test_in_rows_everything_is_still_there_and_apart(seed, count, direction):
    before = dag(seed, count, direction)
    after = wrapped(before, scale_of)
    assert frame_scale(after) >= frame_scale(before)
    assert [(box.key, box.width, box.height, box.lines) for box in after.boxes] == [
        (box.key, box.width, box.height, box.lines) for box in before.boxes
    ]
    assert [(arrow.key, arrow.tail, arrow.head, arrow.lines) for arrow in after.arrows] == [
        (a.key, a.tail, a.head, a.lines) for a in before.arrows
    ]
    for (left, top, right, bottom), (a, b, c, d) in combinations(rectangles(after), 2):
        assert right <= a + 0.01 or c <= left + 0.01 or bottom <= b + 0.01 or d <= top + 0.01, "two boxes overlap"
    width, height = after.size
    for arrow in after.arrows:
        tail, head = after.box_by_key[arrow.tail], after.box_by_key[arrow.head]
        assert len(arrow.path) % 3 == 1
        assert from_border(arrow.path[0], tail) == pytest.approx(0, abs=0.5)
        assert from_border(arrow.path[-1], head) == pytest.approx(0, abs=0.5)
        assert all(0 <= x <= width and 0 <= y <= height for x, y in arrow.path)
        assert (arrow.label_center is None) == (not arrow.lines)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(6, 40), st.sampled_from(["LR", "TB"]))
def test_ways_between_rows_cross_no_box(seed, count, direction):
    before = dag(seed, count, direction)
    after = wrapped(before, scale_of)
    if after is before:
        return
    inside = [(left + 1, top + 1, right - 1, bottom - 1) for left, top, right, bottom in rectangles(after)]
    crossed = sum(hits(arrow, inside) for arrow in after.arrows)
    assert crossed <= sum(
        hits(arrow, [(a + 1, b + 1, c - 1, d - 1) for a, b, c, d in rectangles(before)]) for arrow in before.arrows
    )


def hits(arrow, boxes):
    """Whether an arrow, seen as the lines between points on it, enters a box."""
    points = []
    for i in range(0, len(arrow.path) - 3, 3):
        a, b, c, d = arrow.path[i : i + 4]
        for k in range(11):
            t = k / 10
            weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            points.append(
                tuple(sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True)) for axis in (0, 1))
            )
    return any(left < x < right and top < y < bottom for x, y in points for left, top, right, bottom in boxes)


def test_rows_are_read_like_lines_of_text():
    stage = wrapped(dag_of_a_chain(12), scale_of)
    assert "in" in stage.engine
    assert "rows" in stage.engine
    rows: list[list[Box]] = []
    for box in stage.boxes:
        if not rows or box.center[0] < rows[-1][-1].center[0]:
            rows.append([])
        rows[-1].append(box)
    assert 2 <= len(rows) <= 6
    for upper, lower in pairwise(rows):
        assert max(box.center[1] + box.height / 2 for box in upper) < min(
            box.center[1] - box.height / 2 for box in lower
        )


def dag_of_a_chain(count):
    boxes = tuple(Box(f"b{i}", "op", (Line("name", f"v{i}"),), 150, 70) for i in range(count))
    arrows = tuple(Arrow(f"a{i}", f"b{i - 1}", f"b{i}", (Line("local", "0.5"),), 60, 20) for i in range(1, count))
    return place_scene(Scene(boxes, arrows), "layered")


def test_arrows_to_the_next_row_do_not_cross_each_other():
    boxes = tuple(Box(f"b{i}", "op", (Line("name", f"v{i}"),), 150, 70) for i in range(16))
    arrows = tuple(Arrow(f"a{i}", f"b{i}", f"b{i + 2}") for i in range(14))  # two chains side by side
    stage = wrapped(place_scene(Scene(boxes, (*arrows, Arrow("join", "b0", "b1"))), "layered"), scale_of)
    assert "rows" in stage.engine
    ways = [[(a, b) for a, b in zip(arrow.path, arrow.path[1:], strict=False) if a != b] for arrow in stage.arrows]
    for one, other in combinations(ways, 2):
        assert not any(cross(a, b, c, d) for a, b in one for c, d in other)


def cross(a, b, c, d):
    """Whether two short pieces properly cross."""

    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < -1e-6 and side(c, d, a) * side(c, d, b) < -1e-6


def test_a_frame_of_a_module_is_never_cut():
    boxes = tuple(Box(f"b{i}", "op", (Line("name", f"v{i}"),), 150, 70) for i in range(12))
    arrows = tuple(Arrow(f"a{i}", f"b{i - 1}", f"b{i}") for i in range(1, 12))
    groups = tuple(Group(f"g{k}", f"layer {k}", tuple(f"b{i}" for i in range(3 * k, 3 * k + 3))) for k in range(4))
    stage = wrapped(place_scene(Scene(boxes, arrows, groups), "layered"), scale_of)
    assert "rows" in stage.engine
    for group in stage.groups:
        (left, top), (width, height) = group.corner, group.size
        for key in group.boxes:
            box = stage.box_by_key[key]
            assert left < box.center[0] - box.width / 2 < box.center[0] + box.width / 2 < left + width
            assert top < box.center[1] - box.height / 2 < box.center[1] + box.height / 2 < top + height


def test_what_fits_is_left_as_it_is():
    small = dag_of_a_chain(3)
    assert wrapped(small, lambda size: 1.0) is small
    nothing = place_scene(Scene((), ()), "layered")
    assert wrapped(nothing, scale_of) is nothing


def test_wrapping_a_chain_is_work_that_grows_with_its_length():
    scenes = {count: dag_of_a_chain(count) for count in (120, 240)}
    assert growth(lambda count: wrapped(scenes[count], scale_of), 120, 240) < 2.5
    assert frame_scale(wrapped(scenes[240], scale_of)) > 3 * frame_scale(scenes[240])


def recurrent(x1, x2, x3, h0, u, w, b):
    h1 = torch.tanh(u * x1 + w * h0 + b)
    h2 = torch.tanh(u * x2 + w * h1 + b)
    h3 = torch.tanh(u * x3 + w * h2 + b)
    return (h3 - 1) ** 2


def test_a_whole_whose_letters_have_14_pixels_is_shown_without_a_camera():
    traced = gad.trace(recurrent, 1.0, 0.5, -1.0, 0.0, 0.5, 0.8, 0.1)
    whole = traced.animate(detail="line").film
    assert not whole.views
    assert whole.fit(whole.whole)[0] * TYPES["value"].size >= 14
    beside = traced.animate(code=True).film  # too small whatever is done: in the direction in which it is larger
    assert beside.views
    assert beside.stage.direction == "TB"


def test_twelve_layers_are_seen_at_once_and_each_says_its_whole_name():
    layer = torch.nn.TransformerEncoderLayer(16, 2, 16, batch_first=True, dropout=0.0)
    encoder = torch.nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), encoder, torch.nn.Linear(16, 1))
    shown = gad.trace(network, torch.ones(2, 3, 8)).animate().film
    assert not shown.views
    assert shown.fit(shown.whole)[0] * TYPES["value"].size >= 14
    said = {line.text for box in shown.stage.boxes for line in box.lines if line.role == "name"}
    assert {f"1.layers.{i}" for i in range(12)} <= said, said


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 16), st.sampled_from(["LR", "TB"]), st.sampled_from(["layered", "dot"]))
def test_no_layout_takes_less_room_than_is_known_before_anything_is_placed(seed, count, direction, engine):
    boxes = dag(seed, count, direction)
    bare = replace(
        boxes,
        boxes=tuple([replace(box, center=None) for box in boxes.boxes]),
        arrows=tuple([replace(arrow, path=(), label_center=None) for arrow in boxes.arrows]),
        size=None,
    )
    width, height = least_room(bare)
    placed = place_scene(bare, engine)
    for wide in (0.2, 1.0, 5.0):
        rows = best_rows(placed, lambda size, wide=wide: min(wide / size[0], 1 / size[1]))
        assert rows.tangle or (rows.size[0] >= width and rows.size[1] >= height)
    assert placed.size[0] >= width
    assert placed.size[1] >= height


def test_what_hangs_together_by_more_than_one_arrow_stands_in_one_row():
    boxes = tuple([Box(f"b{i}", "op", (), 100, 50) for i in range(6)])
    chain_of_six = tuple([Arrow(f"a{i}", f"b{i}", f"b{i + 1}") for i in range(5)])
    assert least_room(Scene(boxes, chain_of_six)) == (100, 50)
    assert least_room(Scene(boxes, (*chain_of_six, Arrow("over", "b1", "b4")))) == (4 * 100 + 3 * 12, 50)
    assert least_room(Scene(boxes, (*chain_of_six, Arrow("twin", "b0", "b1")), direction="TB")) == (100, 2 * 50 + 12)


def test_operations_that_cannot_be_read_wherever_they_stand_are_placed_only_where_lines_cannot_be_read_either():
    def net(x1, x2, x3, h0, u, w, b):
        h1 = torch.tanh(u * x1 + w * h0 + b)
        h2 = torch.tanh(u * x2 + w * h1 + b)
        h3 = torch.tanh(u * x3 + w * h2 + b)
        return (h3 - 1) ** 2

    made = []
    traced = gad.trace(net, 1.0, 0.5, -1.0, 0.1, 0.5, 0.8, 0.1)
    calls = counted(lambda: made.append(traced.animate()))
    assert [note.kind for note in made[0].graph.notes] == ["told by line"]
    assert repr(made[0]).endswith(" s, told by line to be read at once>")
    assert repr(made[0]).endswith(" s, told by line to be read at once>")
    assert repr(traced.animate(detail="op")).endswith(" s>")
    assert calls.of(place_automatically) <= 5  # in two directions with and without derivatives, and with large letters
    assert traced.animate(detail="op").film.views
