"""The camera of a film in each format: what a step shows is where its view puts it, moves are without a jump, and who
asks for less motion has none.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from itertools import accumulate, pairwise, product
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from small_film import film

from graphviz_ad._internal.film.camera import length_of_way, looks, with_camera
from graphviz_ad._internal.output.formats import FEWER_PICTURES, MOVIE, PICTURES
from graphviz_ad._internal.renderers.html.player import player_page
from graphviz_ad._internal.renderers.images.gif import encode_gif
from graphviz_ad._internal.renderers.images.moving import film_shots
from graphviz_ad._internal.renderers.images.video import encode_mp4
from graphviz_ad._internal.renderers.images.webp import encode_webp
from graphviz_ad._internal.renderers.pages.pdf import film_pdf
from graphviz_ad._internal.renderers.pages.reveal import reveal_slide
from graphviz_ad._internal.renderers.svg.film import svg_film_file
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]
GO_TO = (
    "(seconds) => document.getAnimations().forEach((one) => "
    "{ one.pause(); one.currentTime = seconds * 1000 + one.effect.getTiming().delay; })"
)
PART = """(number) => {
  const box = document.querySelector(`.gad-picture [data-part="${number}"] .frame`).getBoundingClientRect();
  const stage = document.querySelector(".gad-stage").getBoundingClientRect();
  const { left, top, width, height } = stage;
  return [box.left - left, box.top - top, box.right - left, box.bottom - top, width, height]; }"""


def filmed() -> Film:
    made = with_camera(film())
    assert len(set(made.views)) == 3
    return made


def moves(made: Film) -> list[int]:
    return [i for i in range(len(made.steps)) if made.leaving(i)]


def test_an_svg_shows_each_view_in_its_time_and_moves_in_between(visit: Any) -> None:
    made = filmed()
    tab = visit(svg_film_file(made, LIGHT), name="film.svg", motion="no-preference")
    starts = [0.0, *accumulate(made.seconds(i) for i in range(len(made.steps)))]
    seen = "() => { const m = document.querySelector('.camera').getCTM(); return [m.a, m.e, m.f]; }"

    def look(seconds: float) -> list[float]:
        tab.evaluate(GO_TO, seconds)
        return list(tab.evaluate(seen))

    largest = max(made.fit(view)[0] for view in made.views)
    for i in (0, moves(made)[0] + 1, moves(made)[1] + 1, len(made.steps) - 1):
        scale, x, y = made.fit(made.view(i))
        assert look(starts[i] + 0.02) == pytest.approx([scale / largest, x, y], abs=0.6)
    for i in moves(made)[:3]:
        begin, length = starts[i + 1] - made.leaving(i), made.leaving(i)
        way = [look(begin + length * k / 12 - 1e-3 * (k == 12)) for k in range(13)]
        a, b = made.fit(made.view(i)), made.fit(made.view(i + 1))
        assert way[0][1:] == pytest.approx(a[1:], abs=3)
        assert way[-1][1:] == pytest.approx(b[1:], abs=3)
        for part in (1, 2):
            steps = [after[part] - before[part] for before, after in pairwise(way)]
            assert all(abs(step) <= 1.7 * abs(b[part] - a[part]) / 12 + 3 for step in steps)


def test_who_asks_for_less_motion_sees_the_finished_whole(visit: Any) -> None:
    tab = visit(svg_film_file(filmed(), LIGHT), name="film.svg")
    assert tab.evaluate("document.getAnimations().length") == 0
    scale, x, y = filmed().fit(filmed().whole)
    largest = max(filmed().fit(view)[0] for view in filmed().views)
    found = tab.evaluate("() => { const m = document.querySelector('.camera').getCTM(); return [m.a, m.e, m.f]; }")
    assert found == pytest.approx([scale / largest, x, y], abs=0.01)


def test_a_player_shows_what_a_step_is_about_and_the_whole_in_a_corner(visit: Any) -> None:
    made = filmed()
    tab = visit(player_page(made, LIGHT))
    assert tab.is_hidden(".gad-overview")  # it begins finished, on the whole
    numbers = {part.key: i for i, part in enumerate(made.stage.boxes)}
    for i in (moves(made)[0] + 1, moves(made)[1] + 1):
        tab.evaluate("(step) => { location.hash = `#step=${step}`; }", i + 1)
        tab.wait_for_function(f"() => document.querySelector('.gad-counter').textContent.startsWith('step {i + 1}/')")
        assert tab.is_visible(".gad-overview") == (made.view(i) != made.whole)
        for change in made.steps[i].changes:
            if change.emphasis == "active" and change.key in numbers:
                left, top, right, bottom, width, height = tab.evaluate(PART, numbers[change.key])
                assert -1 <= left < right <= width + 1
                assert -1 <= top < bottom <= height + 1
    for key, said in (("[", "backward"), ("[", "step 1/"), ("]", "backward"), ("[", "step 1/")):
        tab.keyboard.press(key)
        assert said in tab.text_content(".gad-counter")
    assert tab.is_hidden(".gad-overview")


def test_pages_show_the_views_and_can_be_jumped_to_by_chapter() -> None:
    made = filmed()
    reader = PdfReader(io.BytesIO(film_pdf(made, LIGHT)), strict=True)
    assert [entry.title for entry in reader.outline] == ["forward", "backward"]  # type: ignore[union-attr]
    starts = [reader.get_destination_page_number(entry) for entry in reader.outline]  # type: ignore[arg-type]
    assert starts == [0, next(i for i, step in enumerate(made.steps) if step.phase == "backward")]
    for i, page in enumerate(reader.pages):
        content = page.get_contents().get_data().decode("latin-1").split()  # type: ignore[union-attr]
        assert content.count("q") == content.count("Q") == 1
        scale, x, y = made.fit(made.view(i))
        at = content.index("q")
        largest = max(made.fit(view)[0] for view in made.views)
        assert [float(content[at + 1]), float(content[at + 5]), float(content[at + 6])] == pytest.approx(
            [scale / largest, x, y], abs=1e-4
        )


def test_a_slide_of_reveal_goes_from_view_to_view_with_its_fragments() -> None:
    made = filmed()
    slide = reveal_slide(made, LIGHT)
    for i in moves(made):
        assert f".fragment[data-fragment-index='{i}'].visible" in slide
        assert f'data-fragment-index="{i}"' in slide


def decoded(made: Film, suffix: str) -> list[tuple[float, np.ndarray]]:
    """The pictures in grey, each with the second from which it is seen."""
    if suffix == ".mp4":
        av = pytest.importorskip("av")
        with av.open(io.BytesIO(encode_mp4(film_shots(made, LIGHT, MOVIE), moving=True))) as file:
            return [(one.time, one.to_ndarray(format="gray").astype(np.int16)) for one in file.decode(video=0)]
    encode, pace = (encode_gif, PICTURES) if suffix == ".gif" else (encode_webp, FEWER_PICTURES)
    image, found, begin = Image.open(io.BytesIO(encode(film_shots(made, LIGHT, pace)))), [], 0.0
    for i in range(image.n_frames):
        image.seek(i)
        found.append((begin, np.asarray(image.convert("L")).astype(np.int16)))
        begin += image.info["duration"] / 1000
    return found


def shift(before: np.ndarray, after: np.ndarray) -> float:
    """How many pixels the picture has gone on, at most 60 across and down."""
    parts = []
    for axis in (0, 1):
        one, other = before.mean(axis=axis), after.mean(axis=axis)
        found = {by: np.abs(one[60:-60] - np.roll(other, by)[60:-60]).mean() for by in range(-60, 61)}
        parts.append(min(found, key=lambda by: (found[by], abs(by))))
    return math.hypot(*parts)


def part(made: Film, first: int, last: int) -> Film:
    steps = slice(first, last)
    changes = (*made.opening, *(change for step in made.steps[:first] for change in step.changes))
    return replace(made, steps=made.steps[steps], opening=changes, views=made.views[steps], moves=made.moves[steps])


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_in_a_decoded_film_the_camera_moves_by_few_pixels_or_is_cut(suffix: str) -> None:
    made = part(filmed(), 10, 13)
    assert length_of_way(made, made.view(1), made.view(2)) > 150
    end = made.seconds(0) + made.seconds(1)
    rooms = made.rooms()
    clear = rooms.clear((made.whole.width, made.whole.height)).grown(-12)
    inset = rooms.overview((made.whole.width, made.whole.height)).grown(8)
    rows, columns = slice(int(clear.y), int(clear.bottom)), slice(int(clear.x), int(clear.right))
    below, beside = slice(int(inset.y), int(inset.bottom)), slice(int(inset.x), int(inset.right))
    seen = [(at, picture) for at, picture in decoded(made, suffix) if end - made.leaving(1) - 0.05 < at < end - 0.01]
    first, last = seen[0][1], seen[-1][1]
    assert shift(first[rows, columns], last[rows, columns]) > 60 or suffix == ".mp4"
    shifts = [shift(a[rows, columns], b[rows, columns]) for (_, a), (_, b) in pairwise(seen)]
    frames = [np.abs(b - a)[below, beside].mean() for (_, a), (_, b) in pairwise(seen)]
    if suffix == ".mp4":
        assert 0 < max(shifts) <= MOVIE.pan + 1
        assert sum(shifts) > 150
    else:
        assert [one > 0 for one in shifts].count(True) == 1, "one cut"
        assert sum(one > 0.01 for one in frames) > 4, "the frame in the whole goes ahead"


def test_a_way_that_is_cut_is_as_long_and_ends_where_one_that_is_not_ends() -> None:
    made = filmed()
    for i, pan in product(moves(made), (0.0, 24.5, math.inf)):
        found = looks(made, i, made.size, 30, pan)
        assert sum(one.seconds for one in found) == pytest.approx(made.leaving(i))
        cut = any(one.framed for one in found)
        assert cut == (pan == 0), "these ways are short"
        ends = made.fit(made.view(i)), made.fit(made.view(i + 1))
        assert cut <= all(one.fit in ends for one in found)
        assert cut <= (found[-1].fit == ends[1])
    assert looks(made, 1, made.size, 30, 0.0) == []
