"""What is painted can be read: text inside its box, enough contrast in every theme, and nothing that moves but
looks.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_programs import PROGRAMS, film, graph, network, picture

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Polygon, Rect
from graphviz_ad._internal.scene.captions import FRACTIONS, LEAST, NUMBERS, caption_rows
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.paint import (
    ARROW_LOOKS,
    BOX_LOOKS,
    KIND_LOOKS,
    LEGEND,
    TYPES,
    arrowhead,
    clipped,
    frame_scale,
    legend_items,
    moved_marks,
    paint,
    paint_frame,
    wrap_legend,
)  # fmt: skip
from graphviz_ad._internal.scene.scene import EMPHASES, Scene, Step
from graphviz_ad._internal.scene.themes import THEMES, theme

FRAME = (1280, 720)


def extent(label: Label) -> tuple[float, float]:
    """Where a label starts and ends."""
    width = text_width(label.text, label.size, label.bold)
    start = {"start": label.x, "middle": label.x - width / 2, "end": label.x - width}[label.anchor]
    return start, start + width


def frames_of(canvas: Canvas) -> dict[str, Rect]:
    return {mark.owner: mark for mark in canvas.marks if isinstance(mark, Rect) and mark.part == "frame" and mark.owner}


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def colors(name: str) -> list[tuple[str, dict[str, str]]]:
    """The palettes of a theme, light and dark, by name."""
    found = theme(name)
    return [("colors", dict(found.colors)), *([("follows", dict(found.follows.colors))] if found.follows else [])]


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_text_of_a_box_is_inside_it(name: str) -> None:
    canvas = picture(name).canvas
    boxes = frames_of(canvas)
    for label in canvas.marks:
        if isinstance(label, Label) and label.owner in boxes:
            box, (start, end) = boxes[label.owner], extent(label)
            assert box.x + 3 <= start, label.text
            assert end <= box.x + box.width - 3, label.text
            assert box.y <= label.y - 0.76 * label.size + 1, label.text
            assert label.y + 0.24 * label.size <= box.y + box.height + 1, label.text


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("which", [0, 2, -2, -1])
def test_all_text_of_a_frame_is_inside_the_frame(name: str, which: int) -> None:
    made = film(name).film
    canvas = paint_frame(made, which)
    assert (canvas.width, canvas.height) == FRAME
    for label in canvas.marks:
        if isinstance(label, Label) and not (label.owner and made.view(which) != made.whole):  # a camera cuts some off
            start, end = extent(label)
            assert start >= 0, label.text
            assert end <= canvas.width, label.text
            assert label.y - 0.76 * label.size >= 0
            assert label.y + 0.24 * label.size <= canvas.height


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_words_on_an_arrow_keep_to_the_room_that_the_layout_gave_them(name: str) -> None:
    made = picture(name)
    places = {arrow.key: arrow for arrow in made.scene.arrows if arrow.label_center}
    for mark in made.canvas.marks:
        if isinstance(mark, Label) and mark.owner in places:
            arrow, (start, end) = places[mark.owner], extent(mark)
            assert arrow.label_center is not None
            assert arrow.label_center[0] - arrow.width / 2 <= start
            assert end <= arrow.label_center[0] + arrow.width / 2


@pytest.mark.parametrize("name", PROGRAMS)
def test_everything_is_on_the_canvas(name: str) -> None:
    canvas = picture(name).canvas
    for mark in canvas.marks:
        if isinstance(mark, Rect):
            assert mark.x >= 0
            assert mark.y >= 0
            assert mark.x + mark.width <= canvas.width + 0.01
            assert mark.y + mark.height <= canvas.height + 0.01
        elif isinstance(mark, Label):
            start, end = extent(mark)
            assert start >= 0
            assert end <= canvas.width
        elif isinstance(mark, Curve | Polygon):
            assert all(-1 <= x <= canvas.width + 1 and -1 <= y <= canvas.height + 1 for x, y in mark.points)


def test_only_looks_and_texts_differ_between_frames() -> None:
    def places(canvas: Canvas) -> list[object]:
        stage = [mark for mark in canvas.marks if isinstance(mark, Rect) and mark.part in ("frame", "inner", "badge")]
        return [(mark.owner, mark.x, mark.y, mark.width, mark.height) for mark in stage]

    shown = graph("seed").animate(layout="layered", camera=False).film
    assert len({str(places(paint_frame(shown, i))) for i in range(len(shown.steps))}) == 1


# --- looks


def test_each_emphasis_has_a_look() -> None:
    assert set(BOX_LOOKS) == set(EMPHASES)
    assert set(ARROW_LOOKS) == {"idle", "active-forward", "forward", "active-backward", "backward"}
    used = {
        change.emphasis for name in PROGRAMS for step in film(name).steps for change in step.changes if change.emphasis
    }
    assert used <= set(BOX_LOOKS) | set(ARROW_LOOKS)


def test_forward_and_backward_differ_in_more_than_colour() -> None:
    forward, backward = ARROW_LOOKS["forward"], ARROW_LOOKS["backward"]
    assert (forward[2], forward[3]) == ((), 1)
    assert backward[2]
    assert backward[3] == -1
    assert (TYPES["value"].bold, TYPES["value"].italic) == (True, False)
    assert (TYPES["gradient"].bold, TYPES["gradient"].italic) == (False, True)


def test_an_arrow_that_carries_a_gradient_points_back() -> None:
    shown = film("square").film
    tip_by_emphasis = {}
    for i in range(len(shown.steps)):
        for arrow in shown.scene(i).arrows:
            heads = [
                mark
                for mark in paint(shown.scene(i), legend=False).marks
                if isinstance(mark, Polygon) and mark.owner == arrow.key
            ]
            tip_by_emphasis[arrow.emphasis] = (
                math.dist(heads[0].points[0], arrow.path[-1]),
                math.dist(heads[0].points[0], arrow.path[0]),
            )
    assert tip_by_emphasis["active-forward"][0] < 1 < tip_by_emphasis["active-forward"][1]
    assert tip_by_emphasis["active-backward"][1] < 1 < tip_by_emphasis["active-backward"][0]


def test_leaves_data_and_operations_have_borders_of_their_own() -> None:
    assert KIND_LOOKS["data"][3] != ()
    assert KIND_LOOKS["leaf"][3] == KIND_LOOKS["op"][3] == ()
    assert KIND_LOOKS["leaf"][4] > KIND_LOOKS["op"][4]
    doubled = [mark for mark in picture("colah").canvas.marks if isinstance(mark, Rect) and mark.part == "inner"]
    assert [mark.owner for mark in doubled] == [node.key for node in graph("colah").outputs]


def test_a_result_that_is_not_a_number_has_a_heavy_border() -> None:
    canvas = picture("not_a_number").canvas
    warned = {box.key for box in picture("not_a_number").scene.boxes if box.warning}
    heavy = {
        mark.owner for mark in canvas.marks if isinstance(mark, Rect) and mark.part == "frame" and mark.stroke == "ink"
    }
    assert heavy == warned
    assert warned


@pytest.mark.parametrize("name", list(THEMES))
def test_every_text_has_contrast_on_whatever_is_behind_it(name: str) -> None:
    palettes = colors(name)
    assert palettes
    fills = [fill for fill, *_ in BOX_LOOKS.values() if fill] + [look[0] for look in KIND_LOOKS.values()] + ["paper"]
    for field, palette in palettes:
        for fill in fills:
            for ink in ("ink", "muted", "value", "gradient"):
                if ink == "muted" and fill not in ("paper", "data", "module", "op"):
                    continue  # only captions, notes and data are written in it
                assert contrast(palette[ink], palette[fill]) >= 4.5, f"{name}.{field}: {ink} on {fill}"
        assert contrast(palette["badge.text"], palette["badge"]) >= 4.5


def test_every_colour_that_is_painted_is_in_every_theme() -> None:
    used: set[str] = set()
    for name in PROGRAMS:
        for canvas in (picture(name).canvas, paint_frame(film(name).film, 3)):
            for mark in canvas.marks:
                used |= {value for key, value in vars(mark).items() if key in ("fill", "stroke", "color") and value}
    for name in THEMES:
        for _, palette in colors(name):
            assert used <= set(palette), name


# --- parts


def test_the_legend_has_a_sample_of_each_role() -> None:
    scene = picture("two_outputs").scene
    assert [item[0] for item in legend_items(scene)] == list(scene.legend)
    assert set(LEGEND) <= set(TYPES)
    words = [
        mark.text for mark in picture("two_outputs").canvas.marks if isinstance(mark, Label) and mark.part == "legend"
    ]
    assert words == [text for role in scene.legend for text in LEGEND[role]]


def test_a_legend_that_is_too_wide_goes_on_in_the_next_row() -> None:
    items = [("value", "3", "some words")] * 5
    assert sum(map(len, wrap_legend(items, 250.0))) == 5
    assert len(wrap_legend(items, 250.0)) > 1
    assert len(wrap_legend(items, 5000.0)) == 1


def test_a_caption_that_is_much_too_long_is_cut_at_the_smallest_size() -> None:
    rows = caption_rows(Step("end", ("∂e/∂b = 3", "= 3", "= 3"), ()), 1000)
    assert [(row.text, row.em) for row in rows] == [("∂e/∂b = 3", FRACTIONS), ("= 3 = 3", NUMBERS)]
    formula, numbers = caption_rows(Step("end", ("x" * 900, "= 2 × " + "3" * 90, "= 6"), ()), 1000)
    assert (formula.text[-1], formula.em) == ("…", LEAST)
    assert numbers.text == "= 6"
    assert formula.width <= 1001
    assert [row.text for row in caption_rows(Step("end", (), ()), 1000)] == ["", ""]


def test_a_caption_that_fits_when_set_smaller_is_whole() -> None:
    texts = ["x" * count for count in range(50, 76)]
    assert [caption_rows(Step("end", (text,), ()), 1000)[0].text for text in texts] == texts


def test_a_frame_shows_step_title_and_progress() -> None:
    shown = film("colah").film
    canvas = paint_frame(shown, 4)
    texts = {mark.part: mark.text for mark in canvas.marks if isinstance(mark, Label)}
    assert texts["title"] == "colah"
    assert texts["counter"] == f"step 5/{len(shown.steps)} · forward"
    ticks = [mark for mark in canvas.marks if isinstance(mark, Rect) and mark.part.startswith("tick")]
    assert len(ticks) == len(shown.steps)
    assert sum(tick.fill != "group.line" for tick in ticks) == 5


def test_letters_of_a_film_are_readable_from_the_back_row() -> None:
    for name in ("colah", "square", "two_outputs", "broadcast", "own_function", "unused"):
        assert frame_scale(film(name).film.stage) * TYPES["local"].size >= 14, name


def test_an_arrowhead_ends_where_the_path_ends_and_covers_the_end_of_the_shaft() -> None:
    tip, left, right = arrowhead((0, 0), (10, 0), 5)
    assert tip == (10, 0)
    assert left[0] == right[0] == 5
    assert left[1] == -right[1]
    shaft, end = clipped(((0, 0), (3, 0), (7, 0), (10, 0)), 4)
    assert shaft[-1] == end
    assert 7 < end[0] < 10
    assert clipped(((1, 1), (1, 1), (1, 1), (1, 1)), 4)[1] == (1, 1)


def test_moving_scales_sizes_and_shifts_places() -> None:
    marks = list(
        moved_marks(
            [Rect(1, 2, 3, 4), Label(1, 2, "x", 10), Curve(((0, 0), (1, 1), (2, 2), (3, 3)), dash=(1, 2))], 2, 10, 20
        )
    )
    assert isinstance(marks[0], Rect)
    assert isinstance(marks[1], Label)
    assert isinstance(marks[2], Curve)
    assert (marks[0].x, marks[0].y, marks[0].width) == (12, 24, 6)
    assert (marks[1].x, marks[1].y, marks[1].size) == (12, 24, 20)
    assert (marks[2].points[-1], marks[2].dash) == ((16, 26), (2, 4))


def test_frames_around_modules_hold_their_boxes_and_their_title() -> None:
    scene = network().plot(layout="layered").scene
    for group in scene.groups:
        assert group.corner is not None
        assert group.size is not None
        for key in group.boxes:
            box = scene.box_by_key[key]
            assert box.center is not None
            assert group.corner[0] <= box.center[0] - box.width / 2
            assert box.center[0] + box.width / 2 <= group.corner[0] + group.size[0] + 0.01


def test_notices_are_wrapped_below_the_picture() -> None:
    scene = replace(picture("square").scene, notes=("a long notice " * 20,))
    canvas = paint(scene)
    notes = [mark for mark in canvas.marks if isinstance(mark, Label) and mark.part == "note"]
    assert re.sub(r"\s+", " ", " ".join(note.text for note in notes)) == ("a long notice " * 20).strip()
    assert all(extent(note)[1] <= canvas.width for note in notes)


def test_an_unplaced_scene_is_refused() -> None:
    with pytest.raises(ValueError, match="run a layout first"):
        paint(Scene((), ()))


@given(st.text(max_size=60))
def test_what_nobody_would_see_has_the_room_of_what_is_drawn_for_it(text: str) -> None:
    for bold in (False, True):
        assert text_width(text, 10, bold) == pytest.approx(text_width(visible(text), 10, bold))
    assert text_width("\u202e", 10) > text_width("u202", 10)
