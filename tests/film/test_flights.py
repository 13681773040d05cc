"""What moves in a film: each flight begins where its number stands, follows its arrow and ends where the number then
stands; what is seen on the way is true, and takes no longer than the step.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from call_counts import counted
from PIL import Image
from small_film import film as hand_made
from small_programs import graph

import graphviz_ad as gad
from graphviz_ad._internal.film import flights, staging
from graphviz_ad._internal.film.film_frames import film_frames, moving_pictures
from graphviz_ad._internal.film.flights import Flight, motions
from graphviz_ad._internal.film.moments import Moment, Pace, instants, moments
from graphviz_ad._internal.layouts import choice, row_wrapping
from graphviz_ad._internal.output.formats import FEWER_PICTURES, MOVIE, PICTURES, shots
from graphviz_ad._internal.renderers.images import matplotlib_canvas, moving
from graphviz_ad._internal.renderers.images.gif import encode_gif
from graphviz_ad._internal.renderers.images.video import encode_mp4
from graphviz_ad._internal.renderers.images.webp import encode_webp
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Canvas, Label
from graphviz_ad._internal.scene.curves import along, cut_near, joined, path_length, straight
from graphviz_ad._internal.scene.scene import Film, Line, Point
from graphviz_ad._internal.scene.words.describe import words_of_graph

NAMES = ["square", "fan_out", "colah", "seed", "broadcast", "detach", "several_results", "matrix", "own_function"]


@cache
def film(name: str, **options: object) -> Film:
    return graph(name).animate(layout="layered", **options).film


def near(place: Point, other: Point, most: float = 0.01) -> bool:
    return math.dist(place, other) < most


def passes(flight: Flight, place: Point) -> bool:
    return min(math.dist(place, at) for at in along(flight.path, [i / 400 for i in range(401)])) < 4


@pytest.mark.parametrize("name", NAMES)
def test_a_number_leaves_where_it_stands_and_ends_where_it_is_used(name: str) -> None:
    made = film(name)
    assert any(motion.flights for motion in motions(made))
    for index, motion in enumerate(motions(made)):
        scene = made.scene(index)
        boxes, arrows = scene.box_by_key, {arrow.key: arrow for arrow in scene.arrows}
        parts = boxes | arrows
        for flight in motion.flights:
            assert 0 <= flight.begin < flight.end <= flight.until <= 1
            if flight.source is None:
                continue
            key, line = flight.source
            said = {one.key: one for one in parts[key].lines}
            assert flight.line == said[line], "it says what stands there"
            middle = paint.middles_of_lines(parts[key])[line]
            assert near(middle, flight.path[0]) or near(middle, flight.path[-1])
            lands = [place for place in flight.becomes if place[0] in boxes]
            ends = [paint.middles_of_lines(boxes[owner])[own] for owner, own in lands]
            on_arrow = [paint.middles_of_lines(parts[k])[own] for k, own in flight.becomes if k in arrows]
            assert any(near(flight.path[-1], end) for end in [*ends, *on_arrow, *(a.path[-1] for a in scene.arrows)])


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_to_its_arrow(name: str) -> None:
    made = film(name)
    arrows = {arrow.key: arrow for arrow in made.stage.arrows}
    for step, motion in zip(made.steps, motions(made), strict=True):
        for flight in motion.flights:
            if flight.source is not None and flight.source[0] in made.stage.box_by_key and step.phase == "forward":
                ways = [arrows[move.arrow].path for move in step.moves if move.arrow in arrows]
                assert any(passes(flight, way[0]) and passes(flight, way[-1]) for way in ways)


def test_factors_are_those_of_the_product_and_stand_side_by_side_where_it_is_written() -> None:
    made, traced = film("colah"), graph("colah")
    seen = 0
    for step, motion in zip(made.steps, motions(made), strict=True):
        pairs = [one for one in motion.flights if one.source is None]
        if pairs:
            (move,) = step.moves
            edge = next(edge for edge in traced.edges if edge.key == move.arrow)
            upstream, local = (float(one.line.text.strip("× ()").replace("−", "-")) for one in pairs)
            assert (upstream, local) == (traced.nodes[edge.head].grad.item(), edge.local.item())
            assert upstream * local == edge.grad.item()
            (x, y), (to_x, to_y) = (one.path[-1] for one in pairs)
            arrow = next(arrow for arrow in made.stage.arrows if arrow.key == move.arrow)
            assert y == to_y == paint.middles_of_lines(arrow)["contribution"][1]
            assert to_x - x >= sum(flights.chip_size(one.line)[0] for one in pairs) / 2, "side by side"
            seen += 1
    assert seen == 5


def test_contributions_wait_on_their_arrows_and_meet_in_their_sum() -> None:
    made = film("colah")
    found = list(motions(made))
    sums = [i for i, step in enumerate(made.steps) if step.moves and step.moves[0].what == "term"]
    (at,) = sums
    assert sorted(one.line.text for one in found[at].flights) == ["← 2", "← 3"]
    (goal,) = {one.path[-1] for one in found[at].flights}
    assert near(goal, paint.middles_of_lines(made.stage.box_by_key["n1"])["gradient"])
    waiting = [i for i, step in enumerate(made.steps) if any(change.emphasis == "waiting" for change in step.changes)]
    assert all(one.becomes[0][0] != "n1" for i in waiting if i != at for one in found[i].flights)


def scale_at(made: Film, moment: Moment) -> float:
    return made.fit(made.view(moment.step))[0]


def texts(canvas: Canvas) -> set[str]:
    return {mark.text for mark in canvas.marks if isinstance(mark, Label) and mark.text}


@pytest.mark.parametrize("name", ["colah", "fan_out", "matrix", "several_results"])
def test_whatever_is_seen_on_the_way_is_said_before_or_after_it_or_is_a_factor(name: str) -> None:
    made = film(name, camera=False)
    rests = [texts(canvas) for canvas in film_frames(made)]
    seen = [motion.flights for motion in motions(made)]
    pictures = moving_pictures(made, PICTURES)
    for moment in moments(made):
        for _, _length in instants(moment, PICTURES, scale_at(made, moment)):
            canvas, _ = next(pictures)
            before = rests[moment.step - 1] if moment.step else set()
            factors = {one.line.text for one in seen[moment.step]}
            assert texts(canvas) <= before | rests[moment.step] | factors
            if moment.rests:
                assert texts(canvas) == rests[moment.step]


def test_what_a_number_becomes_is_seen_when_it_has_come() -> None:
    made = film("colah")
    step = next(i for i, one in enumerate(made.steps) if one.phase == "forward" and one.moves)
    shown = [
        (moment, {(mark.owner, mark.part): mark.text for mark in canvas.marks if isinstance(mark, Label)})
        for moment, (canvas, _) in zip(moments(made), moving_pictures(made, Pace(0.001)), strict=True)
        if moment.step == step
    ]
    assert [words["n2", "value"] for _, words in shown] == ["·", "3"]
    assert [moment.rests for moment, _ in shown] == [False, True]


# --- time


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.7, 40.0])
def test_a_film_with_motion_is_as_long_as_one_without(speed: float) -> None:
    made = film("colah", speed=speed)
    still = [made.seconds(i) for i in range(len(made.steps))]
    for pace in (PICTURES, MOVIE):
        lengths = [length for _, length in moving_pictures(made, pace)]
        assert sum(lengths) == pytest.approx(sum(still))
        assert min(lengths) > 0.004
    for motion, dwell in zip(motions(made), still, strict=True):
        assert motion.seconds <= flights.SHARE * dwell
        assert motion.seconds == 0 or 0.3 / speed <= motion.seconds <= (2 * flights.LEG * flights.SLOWEST + 0.2) / speed


def test_without_motion_there_are_steps_alone() -> None:
    plain = film("colah", motion=False)
    assert plain == replace(film("colah"), motion=False)
    assert not any(motion.flights for motion in motions(plain))
    assert not any(motion.flights for motion in motions(replace(hand_made(), motion=True))), "nobody says what moves"
    assert [moment.step for moment in moments(plain)] == list(range(len(plain.steps)))


@pytest.mark.parametrize("name", NAMES)
def test_from_one_picture_to_the_next_nothing_goes_farther_than_a_few_pixels(name: str) -> None:
    made = film(name)
    for moment in moments(made):
        scale, flown = scale_at(made, moment), moment.motion.flights
        shots = list(instants(moment, PICTURES, scale))
        for (second, length), (after, _) in pairwise(shots):
            places = [one.middles([moment.share(second), moment.share(after)]) for one in flown]
            farthest = max((scale * math.dist(*ends) for ends in places), default=0.0)
            assert farthest <= PICTURES.jump + 0.5 or length < 0.035, "or as many as a format can show"


# --- as pictures


def pictures_of(made: Film, suffix: str) -> list[tuple[float, np.ndarray]]:
    """The decoded pictures in grey, each with the second from which it is seen."""
    animation = replace(graph("colah").animate(), film=made)
    if suffix == ".mp4":
        av = pytest.importorskip("av")
        file = io.BytesIO(encode_mp4(shots(animation, 1.0, MOVIE), moving=True))
        with av.open(file) as container:
            return [(frame.time, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    encode, pace = (encode_gif, PICTURES) if suffix == ".gif" else (encode_webp, FEWER_PICTURES)
    image, found, begin = Image.open(io.BytesIO(encode(shots(animation, 1.0, pace)))), [], 0.0
    for i in range(image.n_frames):
        image.seek(i)
        found.append((begin, np.asarray(image.convert("L"))))
        begin += image.info["duration"] / 1000
    assert begin == pytest.approx(sum(made.seconds(i) for i in range(len(made.steps))), abs=0.02)
    return found


# pixels that a number goes from one picture to the next: what is seen for 1/50, 1/40 and 1/30 of a second
@pytest.mark.parametrize(("suffix", "most"), [(".gif", 13), (".webp", 19), (".mp4", 21)])
def test_in_a_decoded_film_a_number_is_where_its_flight_says_and_jumps_nowhere(suffix: str, most: float) -> None:
    whole = film("colah")
    made = replace(whole, steps=whole.steps[:5], holds=(*whole.holds[:4], 1.0))
    pictures = pictures_of(made, suffix)
    scale, dx, dy = paint.frame_fit(made.stage, made.size)
    (alone,) = (i for i, motion in enumerate(motions(made)) if len(motion.flights) == 1)
    motion = list(motions(made))[alone]
    (flight,) = motion.flights
    wide, high = (length * scale for length in flights.chip_size(flight.line))
    start = sum(made.seconds(i) for i in range(alone))
    rest = next(picture for begin, picture in pictures if begin > start + motion.seconds - 0.005)
    held = paint.middles_of_lines(made.stage.box_by_key[flight.becomes[0][0]])[flight.becomes[0][1]]
    before: Point | None = None
    seen = 0
    for begin, picture in pictures:
        share = (begin - start) / motion.seconds
        if not -0.01 < share < 0.98 or flight.opacity(share) < 1:
            before = None
            continue
        ((x, y),) = flight.middles([share])
        x, y = x * scale + dx, y * scale + dy
        rows, columns = np.nonzero(np.abs(picture.astype(int) - rest) > 45)
        inside = np.hypot(columns - held[0] * scale - dx, rows - held[1] * scale - dy) > 14  # what is held back
        rows, columns = rows[inside], columns[inside]
        middle = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
        assert math.dist(middle, (x, y)) < (most if suffix == ".mp4" else 5), "of a movie, time goes by the picture"
        assert columns.max() - columns.min() < wide + 5
        assert rows.max() - rows.min() < high + 5
        assert before is None or math.dist(before, middle) < most
        before, seen = middle, seen + 1
    assert seen > 9
    assert motion.seconds < 0.6 + 1e-9


def test_what_would_be_too_fast_is_left_out_in_boxes_then_in_the_middle_and_what_is_left_out_is_not_seen() -> None:
    way = straight((0.0, 0.0), (1000.0, 0.0))
    for inside, seconds in product([(0.0, 0.0), (200.0, 0.0), (300.0, 300.0)], [0.1, 0.4, 1.5, 3.0]):
        flight = flights.slowed(Flight(Line("value", "2"), way, 0.0, 1.0, 1.0, inside=inside), seconds, 1.0)
        times = [i / 400 for i in range(401)]
        places = [x for x, _ in flight.middles(times)]
        jumps = [b - a for a, b in pairwise(places)]
        fast = 1.06 * flights.PACE * flights.FASTEST * seconds / 400
        assert all(jump < fast or flight.opacity(at) == 0 for jump, at in zip(jumps, times[1:], strict=True))
        assert (places[0] > 0) == (flight.spared[0] > 0)
        assert flight.opacity(0.0) == (not flight.spared[0])
        assert flight.opacity(1.0) == (not flight.spared[1])
        assert flight.fades == (flights.PACE * seconds < 1000)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_fills_come_softly_and_letters_at_once_and_without_motion_all_at_once(theme: str) -> None:
    told = graph("colah").animate(layout="layered", theme=theme)
    made = replace(told.film, steps=told.film.steps[:2], holds=told.film.holds[:2])
    scale, dx, dy = paint.frame_fit(made.stage, made.size)
    box = next(box for box in made.stage.boxes if box.kind == "leaf")
    assert box.center is not None
    x, y = round(box.center[0] * scale + dx), round((box.center[1] - box.height / 2) * scale + dy + 6)
    rows = slice(round(box.center[1] * scale + dy) - 20, round(box.center[1] * scale + dy) + 20)
    ends, last = [told.theme[role] for role in ("leaf", "active")], list(shots_of(told, made, MOVIE))[-1]
    for pace, count in ((PICTURES, PICTURES.shades), (MOVIE, MOVIE.shades)):
        seen = list(shots_of(told, made, pace))
        fills = ["#" + picture[y, x].tobytes().hex().upper() for picture in seen]
        assert (fills[0], fills[-1]) == (ends[0], ends[1])
        assert len(dict.fromkeys(fills)) == count + 2
        words = [np.abs(one[rows, x - 9 : x + 9].astype(int) - last[rows, x - 9 : x + 9]).max() for one in seen[1:]]
        assert max(words) < 100, "no letter is seen in part"
    still = list(shots_of(told, replace(made, motion=False), MOVIE))
    assert len(still) == 2
    assert np.array_equal(still[-1], last)


def shots_of(told: gad.Animation, made: Film, pace: Pace) -> Iterator[np.ndarray]:
    for shot in shots(replace(told, film=made), 1.0, pace):
        yield shot.pixels.copy()


def test_a_picture_on_the_way_costs_a_plate_and_not_a_painting() -> None:
    made = film("fan_out")
    animation = replace(graph("fan_out").animate(), film=made)
    calls = counted(lambda: [None for _ in shots(animation, 1.0, MOVIE)])
    count = len(list(moments(made)))
    plates = len({one.line for motion in motions(made) for one in motion.flights})
    assert calls.of(matplotlib_canvas._draw_all) <= count + plates
    assert calls.of(moving.plate) == plates


def test_no_more_ways_to_draw_it_are_tried_than_it_takes_to_read_it() -> None:
    calls = counted(lambda: graph("colah").animate())
    assert calls.of(choice.place_scene) <= 2
    assert calls.of(row_wrapping.best_rows) == 0


def recurrent(x1, x2, x3, h0, u, w, b):  # type: ignore[no-untyped-def]
    h1 = torch.tanh(u * x1 + w * h0 + b)
    h2 = torch.tanh(u * x2 + w * h1 + b)
    h3 = torch.tanh(u * x3 + w * h2 + b)
    return (h3 - 1) ** 2


@pytest.mark.parametrize("layout", ["auto", "layered"])
def test_a_film_of_few_operations_keeps_them_where_lines_spare_hardly_a_box(layout: str) -> None:
    made = graph("several_results").animate(layout=layout)
    assert not made.graph.notes
    assert {node.kind for node in made.graph.node_list} == {"leaf", "op"}
    assert [arrow.key for arrow in made.film.stage.arrows if any("∂" in line.text for line in arrow.lines)]


def two_branches(x, y, z):  # type: ignore[no-untyped-def]
    a = torch.sin(x * y) + z
    b = torch.exp(y) + x
    c = torch.tanh(a * b)
    return c


# as a whole, names have 11 pixels on the wide screen and 9.5 on the other
@pytest.mark.parametrize(("aspect", "kind"), [("16:9", "op"), ("4:3", "line")])
def test_lines_are_told_only_where_operations_are_far_from_readable(aspect: str, kind: str) -> None:
    traced = gad.trace(two_branches, 1.0, 0.5, 0.2)
    made, operations = (traced.animate(aspect=aspect, detail=detail).film for detail in ("auto", "op"))
    assert operations.views, "as a whole, they cannot be read"
    assert {box.kind for box in made.stage.boxes} == {"leaf", kind}
    assert bool(made.views) == (kind == "op")


def test_a_film_that_is_told_by_line_plans_no_camera_and_nothing_is_drawn_twice() -> None:
    leaves = [torch.tensor(value, requires_grad=True) for value in (0.5, 0.8, 0.1)]
    traced = gad.trace(recurrent, *torch.tensor([1.0, 0.5, -1.0, 0.0]), *leaves)
    found: list[gad.Animation] = []
    calls = counted(lambda: found.append(traced.animate()))
    (made,) = found
    assert [note.kind for note in made.graph.notes] == ["told by line"]
    assert not made.film.views
    assert {node.kind for node in made.graph.node_list} == {"leaf", "data", "line"}
    assert calls.of(staging.for_camera) == 0
    assert calls.of(words_of_graph) == 2
    assert calls.of(choice.place_automatically) <= 7
    calls = counted(lambda: [None for _ in shots(made, 1.0, PICTURES, poster=True)])
    plates = calls.of(moving.plate)
    assert calls.of(paint.paint_frame) == 1, "the picture that it begins on"
    assert calls.of(motions) == len(made.steps) + 1, "once a step"
    assert calls.of(matplotlib_canvas._draw_all) <= 1 + len(list(moments(made.film))) + plates
    assert traced.animate(detail="op").film.views
    assert not traced.animate(detail="op").graph.notes


# --- curves


def test_a_chain_cut_anywhere_is_the_same_chain() -> None:
    chain = joined(((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (20.0, 10.0)), straight((20.0, 10.0), (50.0, 30.0)))
    for place in ((0.0, 0.0), (9.0, 4.0), (20.0, 10.0), (33.0, 22.0), (60.0, 40.0)):
        before, behind = cut_near(chain, place)
        assert near(before[-1], behind[0])
        assert path_length(before) + path_length(behind) == pytest.approx(path_length(chain), abs=0.05)
        assert len(before) % 3 == len(behind) % 3 == 1


def test_points_along_a_chain_are_evenly_spaced() -> None:
    chain = ((0.0, 0.0), (0.0, 0.0), (90.0, 0.0), (90.0, 0.0))
    assert [round(x, 1) for x, _ in along(chain, [0, 0.25, 0.5, 1])] == [0, 22.5, 45, 90]
    assert along(straight((3.0, 4.0), (3.0, 4.0)), [0.0, 0.5, 1.0]) == [(3.0, 4.0)] * 3


def test_a_number_that_leaves_a_line_hides_nothing_that_stands_before_it() -> None:
    made, seen = film("colah"), 0
    for index, step in enumerate(made.steps):
        for arrow in (arrow for arrow in made.scene(index).arrows if arrow.key in [move.arrow for move in step.moves]):
            local = next((line for line in arrow.lines if line.stacked is not None), None)
            for flight in flights.flights(made, index):
                if flight.line.role == "local" and local is not None:
                    left = flight.path[0][0] - flights.chip_size(flight.line)[0] / 2
                    rest = paint.middles_of_lines(arrow)["local"][0] + paint.begin_of_rest(local)
                    assert left >= rest - flights.BORDER - 1e-6
                    seen += 1
    assert seen
