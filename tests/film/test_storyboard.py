"""The sheet for print: so many frames, read row by row, the complete picture last."""

from __future__ import annotations

from dataclasses import replace

import pytest
import small_film
from PIL import Image

from graphviz_ad._internal.api.api import Animation
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.storyboard import storyboard, telling
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.themes import theme

FILM = small_film.film()
STEPS = len(FILM.steps)


def counters(canvas):
    """The step counters in the order in which the frames are read."""
    found = [mark for mark in canvas.marks if isinstance(mark, Label) and mark.part == "counter"]
    return [int(mark.text.split()[1].split("/")[0]) for mark in sorted(found, key=lambda mark: (round(mark.y), mark.x))]


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (3, 2), (1, 1), (4, 4)])
def test_it_has_so_many_frames_in_order_and_ends_on_the_complete_picture(rows, columns):
    seen = counters(storyboard(FILM, rows, columns))
    assert len(seen) == rows * columns
    assert seen == sorted(set(seen))
    assert seen[-1] == STEPS


def test_a_short_film_has_fewer_frames_and_no_empty_rows():
    short = replace(FILM, steps=FILM.steps[:2])
    assert counters(storyboard(short)) == [1, 2]
    assert storyboard(short).height < storyboard(FILM).height
    assert telling(replace(FILM, steps=FILM.steps[:1]), 6) == [0]


def test_frames_stand_apart_on_the_sheet():
    canvas = storyboard(FILM)
    frames = [mark for mark in canvas.marks if isinstance(mark, Rect) and mark.owner == "" and mark.fill is None]
    assert len(frames) == 6
    for i, one in enumerate(frames):
        assert 0 < one.x < one.x + one.width < canvas.width
        assert 0 < one.y < one.y + one.height < canvas.height
        for other in frames[i + 1 :]:
            assert other.x >= one.x + one.width or other.y >= one.y + one.height or other.x + other.width <= one.x


def test_it_is_saved_for_print(tmp_path):
    animation = Animation(None, FILM, theme("print"))
    paths = [animation.storyboard().save(tmp_path / f"sheet{suffix}") for suffix in (".png", ".pdf", ".svg")]
    with Image.open(paths[0]) as image:
        assert image.width == 3 * 842  # 216 pixels an inch on A4
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert paths[2].read_text("utf-8").count("step ") >= 6


@pytest.mark.parametrize(("rows", "columns"), [(0, 3), (2, 2.5), (2, 100), (True, 3)])
def test_a_sheet_that_cannot_be_is_refused(rows, columns):
    with pytest.raises(OptionError, match="give whole numbers from 1 to 20"):
        storyboard(FILM, rows, columns)
