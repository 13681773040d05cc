"""What a planned layout promises: close together, in rows or not, nothing is in the way of anything; and which plan is
chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import combinations, pairwise, product
from typing import get_args

import pytest
from call_counts import counted
from hypothesis import given, settings
from hypothesis import strategies as st

from graphviz_ad._internal.layouts.columns import topological
from graphviz_ad._internal.layouts.layered import place_tightly
from graphviz_ad._internal.layouts.lines_chosen import far_arrows, with_lines
from graphviz_ad._internal.layouts.margins import size_of
from graphviz_ad._internal.layouts.overlaps import frame_at, overlaps
from graphviz_ad._internal.layouts.planning import MANNERS, WAYS, Bench, Manner, best_plan
from graphviz_ad._internal.layouts.reading_rows import Leaves, ReadingOrder, in_reading_rows, rows_of
from graphviz_ad._internal.layouts.row_starts import rows_with_starts
from graphviz_ad._internal.layouts.row_wrapping import Rows, Strip, best_rows
from graphviz_ad._internal.layouts.satellites import orbits
from graphviz_ad._internal.scene.contrast import contrast_ratio
from graphviz_ad._internal.scene.leaf_copies import with_copies, without_boxes
from graphviz_ad._internal.scene.paint import arrow_look
from graphviz_ad._internal.scene.place import PLACES, SLIDE, Place
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Line, Point, Scene
from graphviz_ad._internal.scene.themes import DARK, LIGHT

WORDS = (Line("local", "× 1"), Line("contribution", "← 2"))
Frame = tuple[float, float, float, float]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Operations in a row, each with some earlier ones and some leaves as operands, perhaps in a frame."""
    boxes, arrows = [], []
    sizes = st.tuples(st.integers(30, 200), st.integers(30, 150))
    leaves = [Box(f"x{i}", "leaf", (Line("name", f"x{i}"),), *draw(sizes), name=f"x{i}") for i in range(4)]
    used: set[str] = set()
    for i in range(draw(st.integers(1, 8))):
        boxes.append(Box(f"v{i}", "op", (Line("name", f"v{i}"),), *draw(sizes), name=f"v{i}"))
        earlier = draw(st.sets(st.integers(0, i - 1), max_size=2)) if i else set()
        tails = [
            *(f"v{j}" for j in sorted(earlier)),
            *draw(st.lists(st.sampled_from([leaf.key for leaf in leaves]), max_size=3)),
        ]
        if i and not earlier:
            tails.append(f"v{i - 1}")
        used |= set(tails)
        for slot, tail in enumerate(tails):
            size = draw(st.sampled_from([(0, 0), (60, 40), (150, 22)]))
            arrows.append(Arrow(f"e{len(arrows)}", tail, f"v{i}", WORDS if size[0] else (), *size, slot=slot))
    inside = tuple(f"v{i}" for i in range(draw(st.integers(0, 3))) if i < len(boxes))
    groups = (Group("g", "layer", inside),) if inside else ()
    return Scene(
        (*(leaf for leaf in leaves if leaf.key in used), *boxes),
        tuple(arrows),
        groups,
        draw(st.sampled_from(["LR", "TB"])),
        legend=("value",),
    )


def deep(a: Frame, b: Frame) -> float:
    return min(min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))


def check(scene: Scene) -> None:
    """Nothing is in the way of anything, and all is on the paper."""
    assert scene.size is not None
    frames = {box.key: frame_at(box.center or (0, 0), box.width, box.height) for box in scene.boxes}
    assert all(box.center is not None for box in scene.boxes)
    labels = [frame_at(a.label_center, a.width, a.height) for a in scene.arrows if a.label_center]
    assert len(labels) == sum(bool(arrow.lines) for arrow in scene.arrows)
    for a, b in combinations([*frames.values(), *labels], 2):
        assert deep(a, b) <= 0.02
    for frame in [*frames.values(), *labels]:
        assert deep(frame, (0, 0, *scene.size)) >= min(frame[2] - frame[0], frame[3] - frame[1]) - 0.02
    for arrow in scene.arrows:
        assert on_border(arrow.path[0], frames[arrow.tail])
        assert on_border(arrow.path[-1], frames[arrow.head])


def on_border(point: Point, frame: Frame) -> bool:
    x, y = point
    inside = frame[0] - 0.05 <= x <= frame[2] + 0.05 and frame[1] - 0.05 <= y <= frame[3] + 0.05
    return inside and min(x - frame[0], frame[2] - x, y - frame[1], frame[3] - y) <= 0.05


@settings(max_examples=40)
@given(scenes(), st.booleans())
def test_what_stands_close_together_does_not_overlap(scene: Scene, copied: bool) -> None:
    placed = place_tightly(with_copies(scene) if copied else scene)
    check(placed)
    assert overlaps(placed).faults == 0


@settings(max_examples=30)
@given(scenes())
def test_rows_that_begin_anew_keep_every_arrow_and_overlap_nothing(scene: Scene) -> None:
    placed = place_tightly(with_copies(scene))
    rows = best_rows(placed, lambda size: min(300 / size[0], 500 / size[1]), rows_with_starts)
    made = rows.settled()
    check(made)
    assert overlaps(made).faults <= overlaps(placed).faults
    assert overlaps(made).crossings <= overlaps(placed).crossings
    assert_turned_arrows_lead_on(rows)
    assert [arrow.head for arrow in made.arrows] == [arrow.head for arrow in placed.arrows]
    names = {box.key: box.name for box in placed.boxes}
    for before, after in zip(placed.arrows, made.arrows, strict=True):
        tail = made.box_by_key[after.tail]
        assert after.tail == before.tail or (tail.kind, tail.name) == ("copy", before.reads or names[before.tail])


@settings(max_examples=30)
@given(scenes(), st.booleans())
def test_rows_are_measured_as_large_as_they_are_made(scene: Scene, copied: bool) -> None:
    strip = Strip(place_tightly(with_copies(scene) if copied else scene))
    for count in range(2, len(strip.candidates) + 2):
        cuts = strip.cuts(count)
        assert strip.measured(cuts) == size_of(strip.scene, strip.folded(cuts))


@settings(max_examples=15)
@given(scenes(), st.sampled_from([SLIDE, PLACES["column"], SLIDE.with_letters(4.0)]), st.booleans())
def test_no_plan_is_ruled_out_that_would_have_been_as_good(scene: Scene, place: Place, turning: bool) -> None:
    bench = Bench([lambda manner: scene], place, ("LR", "TB"), place_tightly, WAYS, MANNERS[-1], turning=turning)
    sheet = bench.sheet(0, MANNERS[-1])
    for way in WAYS:
        assert sheet.can_be_read(way) == bool(sheet.readable(way))  # of which the first looks at no more than it has to
        assert all(sheet.may_reach(way, trial.hope) for trial in sheet.trials(way, roomy=True))


@settings(max_examples=40)
@given(scenes(), st.sampled_from(get_args(Leaves)), st.integers(1, 6))
def test_rows_as_text_is_read_keep_every_arrow_and_overlap_nothing(scene: Scene, leaves: Leaves, wide: int) -> None:
    scene = replace(scene, groups=())
    rows = in_reading_rows(scene, lambda _, size: min(100 * wide / size[0], 500 / size[1]), leaves=leaves)
    assert rows is not None
    made = rows.settled()
    check(made)
    assert made.size == rows.size
    assert overlaps(made).faults == overlaps(made).crossings == 0
    assert_turned_arrows_lead_on(rows)
    assert [arrow.head for arrow in made.arrows] == [arrow.head for arrow in scene.arrows]
    names = {box.key: box.name for box in scene.boxes}
    for before, after in zip(scene.arrows, made.arrows, strict=True):
        tail = made.box_by_key[after.tail]
        assert after.tail == before.tail or (tail.kind, tail.name) == ("copy", before.reads or names[before.tail])


@settings(max_examples=25)
@given(scenes(), st.sampled_from(get_args(Leaves)), st.integers(1, 6), st.booleans())
def test_lines_between_rows_lead_from_the_box_itself_around_all_that_stands_there(
    scene: Scene, leaves: Leaves, wide: int, from_leaves: bool
) -> None:
    scene = replace(scene, groups=())
    far = far_arrows(scene, leaves=leaves, from_leaves=from_leaves)

    def fits(_: Scene, size: Point) -> float:
        return min(100 * wide / size[0], 500 / size[1])

    rows = with_lines(scene, fits, leaves=leaves, lined=far.lined)
    assert rows == with_lines(scene, fits, leaves=leaves, lined=far.lined)
    if rows is None:
        return
    made = rows.settled()
    check(made)
    assert made.size == rows.size
    assert overlaps(made).faults == 0
    assert {*rows.lines} <= {*far.lined}
    assert_turned_arrows_lead_on(replace(rows, scene=made, places=None), rows.lines)
    lines = [arrow for arrow in made.arrows if arrow.key in rows.lines]
    others = [(line, arrow) for line in lines for arrow in made.arrows if arrow not in lines]
    beside = [*combinations(lines, 2), *others]
    assert not [pair for pair in beside if run_as_one(*pair)]
    turned = [(line, arrow) for line, arrow in others if arrow.key in rows.turned]
    between = [*combinations(lines, 2), *turned]
    assert not [pair for pair in between if run_as_one(*pair, near=14.0)]
    assert not [line for line in lines if leaves_away_from_its_goal(line, made)]
    names = {box.key: box.name for box in scene.boxes}
    for before, after in zip(scene.arrows, made.arrows, strict=True):
        tail = made.box_by_key[after.tail]
        drawn_again = (tail.kind, tail.name) == ("copy", before.reads or names[before.tail])
        assert after.tail == before.tail or (drawn_again and before.key not in rows.lines)
        assert after.head == before.head


@pytest.mark.parametrize("least", [0.0, 0.5, 1.0])
def test_a_line_is_left_out_only_where_all_have_no_room_with_it(least: float) -> None:
    first = chain(9)
    far = [Arrow(f"far{i}", f"v{i}", f"v{i + 3}", WORDS, 60, 40) for i in (0, 2, 4)]
    scene = replace(first, arrows=(*first.arrows, *far))
    keys = tuple([arrow.key for arrow in far])

    def fits(_: Scene, size: Point) -> float:
        return min(500 / size[0], 300 / size[1])

    def drawn(lined: tuple[str, ...]) -> bool:
        rows = in_reading_rows(scene, fits, lined=lined, least=least)
        return rows is not None and len(rows.lines) == len(lined) and fits(rows.scene, rows.size) >= least

    rows = with_lines(scene, fits, leaves="beside", lined=keys, least=least)
    found = 0 if rows is None else len(rows.lines)
    most = max((len(each) for n in (1, 2, 3) for each in combinations(keys, n) if drawn(each)), default=0)
    assert found == most


def test_what_leads_to_the_next_box_is_heavier_than_the_lines_that_pass_some() -> None:
    leaf = Box("w", "leaf", (Line("name", "w"),), 60, 40, name="w")
    first = chain(5)
    arrows = (*first.arrows, Arrow("far", "v0", "v3"), Arrow("own", "w", "v2"))
    scene = replace(first, boxes=(*first.boxes, leaf), arrows=arrows)
    rows = in_reading_rows(scene, lambda _, size: min(500 / size[0], 300 / size[1]), lined=["far"])
    assert rows is not None
    styles = {arrow.key: arrow.style for arrow in rows.settled().arrows}
    assert styles == {arrow.key: {"far": "passing", "own": "solid"}.get(arrow.key, "main") for arrow in arrows}
    looks = [arrow_look(Arrow("", "", "", style=style)) for style in ("main", "solid", "passing")]
    assert [width for _, width, *_ in looks] == sorted((width for _, width, *_ in looks), reverse=True)
    assert len({width for _, width, *_ in looks}) == 3
    for colours in (LIGHT, DARK):
        assert all(contrast_ratio(colours[role], colours["paper"]) >= 3 for role, *_ in looks)
    told = [arrow_look(Arrow("", "", "", style=style, emphasis="forward")) for style in ("main", "solid", "passing")]
    assert len({*told}) == 1  # in a film, what is told is what is seen


def test_a_line_past_nothing_but_data_is_of_the_main_flow() -> None:
    first = chain(3)
    data = Box("d", "data", (Line("name", "d"),), 60, 40, name="d", gradless=True)
    arrows = (*first.arrows, Arrow("in", "d", "v2"), Arrow("other", "d", "v1"))
    text = ReadingOrder(replace(first, boxes=(*first.boxes, data), arrows=arrows), leaves="apart")
    text.order = [0, 1, 3, 2]
    assert text.main_flow([[text.part(i, i == 0) for i in range(4)]]) == {0}
    lined = ReadingOrder(text.scene, leaves="apart", lined=[first.arrows[1].key])
    lined.order = [0, 1, 3, 2]
    assert lined.main_flow([[lined.part(i, i == 0) for i in range(4)]]) == {0, 1}


def test_data_that_is_made_of_nothing_drawn_stands_beside_its_only_user() -> None:
    made = Box("d", "module", (Line("name", "cos"),), 60, 40, name="cos", gradless=True)
    first = chain(4)
    scene = replace(first, boxes=(made, *first.boxes), arrows=(*first.arrows, Arrow("to", "d", "v2")))
    for leaves in get_args(Leaves):
        rows = in_reading_rows(scene, lambda _, size: min(500 / size[0], 300 / size[1]), leaves=leaves)
        assert rows is not None
        assert {box.key for box in rows.scene.boxes} == {box.key for box in scene.boxes}  # no small box for it


def test_rows_with_lines_are_placed_once_however_often_they_are_measured() -> None:
    first = chain(6)
    text = ReadingOrder(replace(first, arrows=(*first.arrows, Arrow("far", "v0", "v4"))), lined=["far"])
    breaks = [text.broken(limit) for limit in text.limits()]
    again = [text.broken(limit) for limit in text.limits()]
    calls = counted(lambda: [rows_of(text, rows) for rows in (*breaks, *again) if text.size(rows)])
    assert calls.of(ReadingOrder.newly_placed) == len(breaks)
    assert [rows_of(text, rows).lines for rows in breaks] == [("far",)] * len(breaks)


def run_as_one(a: Arrow, b: Arrow, near: float = 3.0, long: float = 6.0) -> bool:
    """Whether two arrows run beside each other, closer than can be told apart."""
    for (p, q), (r, s) in product(straight_pieces(a), straight_pieces(b)):
        for along in (0, 1):
            across = 1 - along
            if p[across] == q[across] and r[across] == s[across] and abs(p[across] - r[across]) < near:
                shared = min(max(p[along], q[along]), max(r[along], s[along]))
                if shared - max(min(p[along], q[along]), min(r[along], s[along])) > long:
                    return True
    return False


def leaves_away_from_its_goal(line: Arrow, made: Scene) -> bool:
    """Whether a line turns back behind the box from which it comes."""
    (x, y), (to_x, to_y) = line.path[0], line.path[-1]
    box = made.box_by_key[line.tail]
    assert box.center is not None
    if made.direction == "TB":
        return (x - box.center[0]) * (to_x - box.center[0]) < 0
    return (y - box.center[1]) * (to_y - box.center[1]) < 0


def straight_pieces(arrow: Arrow) -> list[tuple[Point, Point]]:
    return [*pairwise(arrow.path[::3])]


@settings(max_examples=60)
@given(scenes(), st.sets(st.integers(0, 11)), st.sampled_from(get_args(Leaves)))
def test_the_order_that_is_read_follows_the_data_and_joins_no_less_than_that_of_the_program(
    scene: Scene, gradless: set[int], leaves: Leaves
) -> None:
    boxes = tuple(replace(box, gradless=i in gradless) for i, box in enumerate(scene.boxes))
    text = ReadingOrder(replace(scene, boxes=boxes, groups=()), leaves=leaves)
    assert all(text.order.index(a) < text.order.index(b) for a, b in text.pairs if a in text.order)
    usual = [box for box in topological(len(boxes), text.pairs) if box in text.order]
    arrows: dict[tuple[int, int], list[int]] = {}
    for arrow, pair in enumerate(text.pairs):
        arrows.setdefault(pair, []).append(arrow)
    now, before = (
        sum(pair in arrows and text.can_be_joined(*pair, arrows[pair]) for pair in pairwise(order))
        for order in (text.order, usual)
    )
    assert now >= before


def test_what_several_boxes_read_stands_before_the_first_and_not_between_two_that_belong_together() -> None:
    first, more = chain(5), Box("cos", "module", (), 50, 40, name="cos", gradless=True)
    boxes = (first.boxes[0], more, *first.boxes[1:])
    read = Scene(boxes, (*first.arrows, Arrow("a", "cos", "v1"), Arrow("b", "cos", "v3")))
    assert names_in_order(read) == ["cos", "v0", "v1", "v2", "v3", "v4"]
    # what changes parameters was done at its time
    stepped = replace(read, boxes=(boxes[0], replace(more, in_turn=True), *boxes[2:]))
    assert names_in_order(stepped) == ["v0", "cos", "v1", "v2", "v3", "v4"]


@pytest.mark.parametrize("leaves", get_args(Leaves))
def test_a_small_box_stands_beside_what_it_is_drawn_for_and_is_not_drawn_again(leaves: Leaves) -> None:
    first, small = chain(3), [Box(f"{key}~all", "copy", (), 50, 20, name="2 parameters") for key in "wu"]
    arrows = tuple(Arrow(box.key, box.key, "v0") for box in small)
    scene = replace(first, boxes=(*small, *first.boxes), arrows=(*arrows, *first.arrows))
    rows = in_reading_rows(scene, lambda _, size: 1 / size[0], leaves=leaves)
    assert rows is not None
    assert [box.key for box in rows.settled().boxes if box.kind == "copy"] == [box.key for box in small]


def test_a_leaf_stands_ahead_of_its_user_where_nothing_else_is_joined_to_it() -> None:
    first, leaves = chain(3), tuple(Box(name, "data", (), 50, 40, name=name) for name in ("x", "y"))
    read = Scene((leaves[0], first.boxes[0], leaves[1], *first.boxes[1:]), first.arrows)
    read = replace(read, arrows=(*read.arrows, Arrow("a", "x", "v0"), Arrow("b", "y", "v1")))
    assert names_in_order(read, leaves="ahead") == ["x", "v0", "v1", "v2"]
    assert names_in_order(read) == ["v0", "v1", "v2"]


def names_in_order(scene: Scene, *, leaves: Leaves = "beside") -> list[str]:
    return [scene.boxes[box].name for box in ReadingOrder(scene, leaves=leaves).order]


def assert_turned_arrows_lead_on(rows: Rows, lines: Sequence[str] = ()) -> None:
    """What turns between two rows comes from its own box, one at each turn at most, and is never too long."""
    made = rows.settled()
    assert len(rows.turned) < rows.count
    turned = [arrow for arrow in made.arrows if arrow.key in rows.turned]
    assert len(turned) == len(rows.turned)
    assert not any(made.box_by_key[arrow.tail].kind == "copy" for arrow in turned)
    long = [*turned, *(arrow for arrow in made.arrows if arrow.key in lines)]
    straight = replace(made, arrows=tuple(arrow for arrow in made.arrows if arrow not in long))
    found = overlaps(made, (*rows.turned, *lines))
    assert (found.longest, overlaps(made).longest) == (
        overlaps(straight).longest,
        max(found.longest, found.longest_turn),
    )


def test_a_chain_in_rows_is_one_line_that_nothing_interrupts() -> None:
    for direction in ("LR", "TB"):
        scene = replace(chain(9), direction=direction)
        read = in_reading_rows(scene, lambda _, size: min(400 / size[0], 400 / size[1]))
        begun = best_rows(place_tightly(scene), lambda size: min(400 / size[0], 400 / size[1]), rows_with_starts)
        for rows in (read, begun):
            assert rows is not None
            assert len(rows.turned) == rows.count - 1 > 0
            assert [box.kind for box in rows.settled().boxes] == ["op"] * 9


def test_frames_and_arrows_that_lead_back_are_not_read_as_text() -> None:
    scene = chain(3)
    framed = replace(scene, groups=(Group("g", "layer", ("v1",)),))
    back = replace(scene, arrows=(*scene.arrows, Arrow("back", "v2", "v0")))
    assert [in_reading_rows(each, lambda _, size: 1 / size[0]) for each in (framed, back)] == [None, None]


def chain(count: int) -> Scene:
    boxes = tuple(Box(f"v{i}", "op", (), 100, 50, name=f"v{i}") for i in range(count))
    return Scene(boxes, tuple(Arrow(f"e{i}", f"v{i}", f"v{i + 1}") for i in range(count - 1)))


def test_a_box_that_only_one_box_uses_stands_beside_it() -> None:
    leaf, shared = Box("x", "leaf", (), 50, 40), Box("w", "leaf", (), 50, 40)
    scene = chain(2)
    arrows = (*scene.arrows, Arrow("a", "x", "v1"), Arrow("b", "w", "v0"), Arrow("c", "w", "v1"))
    found = orbits(Scene((leaf, shared, *scene.boxes), arrows))
    assert {center: orbit.satellites for center, orbit in found.items()} == {3: (0,)}


def test_without_boxes_nothing_of_them_is_left() -> None:
    scene = without_boxes(chain(4), {"v3"})
    assert [box.key for box in scene.boxes] == ["v0", "v1", "v2"]
    assert [arrow.key for arrow in scene.arrows] == ["e0", "e1"]


# --- which plan


def shrinking(manner: Manner) -> Scene:
    """A picture that is the smaller the less is said on it."""
    width = 100 + 120 * MANNERS[::-1].index(manner)
    boxes = tuple(Box(f"v{i}", "op", (Line("name", "v"),), width, 80, name=f"v{i}") for i in range(6))
    return Scene(boxes, chain(6).arrows)


def test_the_plan_that_says_most_is_chosen_of_those_that_can_be_read() -> None:
    plan = best_plan([shrinking], SLIDE)
    place = MANNERS.index(plan.manner)
    assert plan.scale >= SLIDE.readable
    assert 0 < place < len(MANNERS) - 1
    assert best_plan([shrinking], SLIDE, manners=MANNERS[:place]).scale < SLIDE.readable


@pytest.mark.parametrize("fits", [0, 1, 2])
def test_the_finest_level_that_can_be_read_is_chosen(fits: int) -> None:
    counts = [200, 200, 200]
    counts[fits] = 4
    plan = best_plan([lambda _, count=count: chain(count) for count in counts], SLIDE)  # type: ignore[misc]
    assert plan.level == fits
    assert len(plan.scene.boxes) == 4


def test_where_nothing_can_be_read_the_largest_letters_are_chosen() -> None:
    plan = best_plan([lambda _: chain(300), lambda _: chain(120)], SLIDE)
    assert plan.level == 1
    assert plan.scale < SLIDE.readable


def test_each_manner_has_less_than_the_one_before() -> None:
    for more, less in pairwise(MANNERS):
        changed = {field.name for field in fields(Manner) if getattr(more, field.name) != getattr(less, field.name)}
        assert len(changed) == 1
        assert less.digits <= more.digits
    assert MANNERS[-1].digits == 2
