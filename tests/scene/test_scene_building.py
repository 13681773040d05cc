"""A scene has a box a node and an arrow an edge, each with room for everything that it will ever say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_programs import PROGRAMS, film, graph, network, picture

from graphviz_ad._internal.film.story import tell
from graphviz_ad._internal.scene.paint import block_size, box_size, label_size
from graphviz_ad._internal.scene.scene import Box, Change, Line
from graphviz_ad._internal.scene.scene_building import LEGEND_LIMIT, build_scene, texts_of
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph


def overlap(one: Box, other: Box) -> bool:
    assert one.center is not None
    assert other.center is not None
    across = abs(one.center[0] - other.center[0]) < (one.width + other.width) / 2 - 0.01
    return across and abs(one.center[1] - other.center[1]) < (one.height + other.height) / 2 - 0.01


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_node_is_a_box_and_every_edge_an_arrow(name: str) -> None:
    scene = build_scene(words_of_graph(graph(name)))
    assert [box.key for box in scene.boxes] == [node.key for node in graph(name).node_list]
    assert [(arrow.key, arrow.tail, arrow.head) for arrow in scene.arrows] == [
        (edge.key, edge.tail, edge.head) for edge in graph(name).edges
    ]
    assert not scene.placed


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_box_of_a_film_holds_every_text_that_it_ever_shows(name: str) -> None:
    shown = film(name).film
    for i in range(len(shown.steps)):
        scene = shown.scene(i)
        for box in scene.boxes:
            width, height = box_size(box.lines, box.badge, box.double)
            assert width <= box.width + 0.01, (i, box.lines)
            assert height <= box.height + 0.01, (i, box.lines)
        for arrow in scene.arrows:
            width, height = label_size([line for line in arrow.lines if line.text])
            assert width <= arrow.width + 0.01
            assert height <= arrow.height + 0.01


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_two_boxes_overlap(name: str) -> None:
    for scene in (picture(name).scene, film(name).film.stage):
        assert not [
            (one.key, other.key)
            for i, one in enumerate(scene.boxes)
            for other in scene.boxes[i + 1 :]
            if overlap(one, other)
        ]


def test_a_box_grows_for_a_text_that_only_a_film_shows() -> None:
    words = words_of_graph(graph("colah"))
    key = graph("colah").find("b").key
    plain = build_scene(words).box_by_key[key]
    roomy = build_scene(
        words, changes=[Change(key, None, (("gradient", "a text that is far wider than a number"),))]
    ).box_by_key[key]
    assert roomy.width == box_size([Line("gradient", "a text that is far wider than a number")])[0]
    assert (roomy.lines, roomy.height) == (plain.lines, plain.height)
    assert plain.width < roomy.width


def test_the_texts_of_changes_are_collected_by_box_and_role() -> None:
    changes = [
        Change("a", "active", (("value", "1"),)),
        Change("a", None, (("value", "2"), ("gradient", "3"))),
        Change("b", "idle"),
    ]
    assert texts_of(changes) == {"a": {"value": ["1", "2"], "gradient": ["3"]}}


def test_arrows_say_by_their_style_whether_a_gradient_flows() -> None:
    scene = build_scene(words_of_graph(graph("detach")))
    styles = {edge.cut: arrow.style for edge, arrow in zip(graph("detach").edges, scene.arrows, strict=True)}
    assert styles["detach"] == "cut"
    assert styles[None] == "solid"
    assert {
        arrow.style
        for edge, arrow in zip(graph("colah").edges, build_scene(words_of_graph(graph("colah"))).arrows, strict=True)
        if edge.cut == "data"
    } == {"data"}


def test_a_guess_is_marked() -> None:
    traced = graph("colah")
    guessed = traced.with_parts(
        traced.node_list, (replace(edge, match="guess") if edge.cut is None else edge for edge in traced.edges)
    )
    arrows = build_scene(words_of_graph(guessed)).arrows
    assert {arrow.style for arrow in arrows} == {"guess", "data"}
    assert all("?" in arrow.lines[-1].text for arrow in arrows if arrow.style == "guess")


def test_nan_is_flagged_and_nothing_else_is() -> None:
    scene = build_scene(words_of_graph(graph("not_a_number")))
    flagged = {box.key for box in scene.boxes if box.warning}
    bad = {
        node.key
        for node in graph("not_a_number").node_list
        if "NaN" in str(words_of_graph(graph("not_a_number")).nodes[node.key].lines)
    }
    assert flagged >= bad
    assert bad
    assert not any(box.warning for box in build_scene(words_of_graph(graph("colah"))).boxes)


def test_modules_are_frames_around_what_is_in_them() -> None:
    scene = build_scene(words_of_graph(network()))
    inside = {key for group in scene.groups for key in group.boxes}
    assert inside <= {box.key for box in scene.boxes}
    for group in scene.groups:
        assert len(group.boxes) > 1
        assert group.parent is None or group.parent in {other.key for other in scene.groups}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_legend_explains_each_role_that_is_present_and_no_other(name: str) -> None:
    scene = build_scene(words_of_graph(graph(name)))
    roles = {line.role for part in (*scene.boxes, *scene.arrows) for line in part.lines}
    summed = {"broadcast"} if any("Σ" in line.text for arrow in scene.arrows for line in arrow.lines) else set()
    derivatives = [
        line.text.startswith(("∂", "local ")) for arrow in scene.arrows for line in arrow.lines if line.role == "local"
    ]
    rules = {"rule"} if not all(derivatives) else set()
    known = {"value", "gradient", "local", "contribution", "upstream", "cut", "tie"} - (
        set() if any(derivatives) else {"local"}
    )
    parts = (*scene.boxes, *scene.arrows)
    grids = {"grid"} if any(line.grid is not None for part in parts for line in part.lines) else set()
    assert set(scene.legend) == roles & known | summed | rules | grids


def test_a_picture_of_many_boxes_has_no_legend() -> None:
    traced = graph("colah")
    many = traced.with_parts((replace(traced.node_list[0], key=f"k{i}") for i in range(LEGEND_LIMIT + 1)), ())
    assert build_scene(words_of_graph(many)).legend == ()


def test_notices_are_printed_below_the_picture() -> None:
    said = graph("colah").saying("Something was left out.")
    assert build_scene(words_of_graph(said)).notes == ("Something was left out.",)


def test_a_forward_film_has_no_room_for_gradients() -> None:
    words = words_of_graph(graph("colah"), Options(gradients=False, local=False))
    story = tell(words, "forward")
    scene = build_scene(words, changes=[change for step in story.steps for change in step.changes])
    assert not any(line.role == "gradient" for box in scene.boxes for line in box.lines)
    assert all(arrow.lines == () for arrow in scene.arrows)


def test_lines_are_stacked_with_gaps() -> None:
    one, two = block_size([Line("value", "1")]), block_size([Line("value", "1"), Line("value", "1", number=1)])
    assert two[0] == one[0]
    assert two[1] > 2 * one[1]
    assert block_size([]) == (0.0, 0.0)
