"""Canvas -> pixels, PNG and PDF: colours and text where they belong, nothing leaked, and films equal to single
pictures.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from itertools import pairwise
from random import Random

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needed_tools import needs_tool
from PIL import Image
from work import lines_run

from graphviz_ad._internal.base.errors import GraphvizADWarning, SaveError
from graphviz_ad._internal.renderers.images.matplotlib_canvas import canvas_png, changing, frames, pixels
from graphviz_ad._internal.renderers.pages.pdf import pdf_page, pdf_pages
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Polygon, Rect
from graphviz_ad._internal.scene.paint import moved_marks
from graphviz_ad._internal.scene.themes import THEMES, theme

LIGHT = theme("light")


def rgb(role, name="light"):
    return tuple(bytes.fromhex(theme(name)[role][1:]))


def picture(*marks, width=200, height=100, background="paper"):
    return Canvas(width, height, marks, background=background)


def ink(image, color=(255, 255, 255)):
    """Left, top, right, bottom of the pixels that are not of that colour."""
    rows, columns = np.nonzero((image != np.array(color)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def everything():
    return picture(
        Rect(10, 10, 80, 40, 8, "leaf", "ink", 2, (4, 3)),
        Rect(20, 15, 24, 24, 12, "badge"),
        Label(32, 31, "×", 14, "badge.text", bold=True),
        Curve(((90, 30), (110, 30), (120, 60), (140, 60)), "edge", 1.5),
        Polygon(((150, 60), (140, 55), (140, 65)), "edge"),
        Label(100, 90, r"∂f/∂x = $\nosuch$ = 0.5", 12, "gradient", italic=True),
    )


def gallery(active, caption):
    marks = [Rect(5, 5, 630, 300, 6, "group", "group.line")]
    for i in range(12):
        x, y = 20 + i % 4 * 155, 20 + i // 4 * 95
        marks += [
            Rect(x, y, 120, 60, 6, "active" if i == active else "op", "ink"),
            Label(x + 60, y + 25, f"node {i}", 12, bold=True),
        ]
        marks += [
            Label(x + 60, y + 45, "1.6487", 12, "value", bold=True),
            Polygon(((x + 150, y + 30), (x + 140, y + 25), (x + 140, y + 35))),
        ]
        marks += [
            Curve(
                ((x + 120, y + 30), (x + 128, y + 20), (x + 135, y + 20), (x + 142, y + 30)),
                "ink" if i == active else "edge",
            )
        ]
    return picture(*marks, Label(320, 340, caption, 16), width=640, height=360)


@pytest.mark.parametrize("name", THEMES)
def test_a_mark_has_the_colour_of_its_role(name):
    marks = (Rect(10, 10, 40, 40, 5, "active", "ink", 4), Polygon(((100, 10), (140, 10), (140, 50)), "gradient.line"))
    image = pixels(picture(*marks), theme(name))
    for x, y, role in [
        (30, 30, "active"),
        (30, 10, "ink"),
        (130, 20, "gradient.line"),
        (105, 45, "paper"),
        (190, 90, "paper"),
    ]:
        assert tuple(image[y, x]) == rgb(role, name)


def test_later_marks_lie_on_top():
    image = pixels(picture(Rect(0, 0, 50, 50, fill="ink"), Rect(10, 10, 20, 20, fill="value")), LIGHT)
    assert tuple(image[20, 20]) == rgb("value")
    assert tuple(image[40, 40]) == rgb("ink")


def test_straight_borders_are_crisp():
    image = pixels(picture(Rect(10.3, 10.3, 50, 30, fill="paper", stroke="ink", line=1)), LIGHT)
    across = np.vstack([image[:, 35], image[25]])
    assert {tuple(color) for color in across.tolist()} == {rgb("paper"), rgb("ink")}


def test_a_full_radius_makes_a_circle():
    left, top, right, bottom = ink(pixels(picture(Rect(20.3, 20.3, 41, 41, 99, "ink")), LIGHT))
    image = pixels(picture(Rect(20, 20, 40, 40, 20, "ink")), LIGHT)
    assert right - left == bottom - top
    assert tuple(image[22, 22]) == (255, 255, 255)
    assert (image.sum(axis=2) < 384).sum() == pytest.approx(np.pi * 400, rel=0.01)


def test_dashes_have_the_length_given_in_points():
    row = pixels(picture(Curve(((0, 50), (60, 50), (120, 50), (200, 50)), "ink", 4, (10, 10))), LIGHT, scale=2)[
        100, :, 0
    ]
    assert [int(row[x]) for x in (10, 30, 50, 70)] == [27, 255, 27, 255]


@pytest.mark.parametrize(("anchor", "left", "right"), [("start", 100, 160), ("middle", 70, 130), ("end", 40, 100)])
def test_text_stands_on_its_baseline_at_its_anchor(anchor, left, right):
    box = ink(pixels(picture(Label(100, 60, "HHHHHHHH", 10, anchor=anchor)), LIGHT))
    assert box[0] == pytest.approx(left, abs=2)
    assert box[2] == pytest.approx(right, abs=2)
    assert (box[1], box[3]) == pytest.approx((60 - 7.3, 60), abs=1)


def test_letters_that_nobody_could_read_are_a_line_as_dark_as_they_would_be():
    letters, line = (pixels(picture(Label(100, 60, "∂f/∂x = 0.1762", size)), LIGHT, scale=2) for size in (1.26, 1.24))
    (left, top, right, bottom), (a, b, c, d) = ink(letters), ink(line)
    assert (left, right) == pytest.approx((a, c), abs=2)
    assert top <= int(b) + 1
    assert b < d <= int(bottom) + 1
    assert (255 - line.astype(int)).sum() == pytest.approx((255 - letters.astype(int)).sum(), rel=0.5)


def test_bold_and_italic_are_faces_of_their_own():
    looks = {
        pixels(picture(Label(100, 60, "x = 1.5", 20, bold=b, italic=i)), LIGHT).tobytes()
        for b in (0, 1)
        for i in (0, 1)
    }
    assert len(looks) == 4


@pytest.mark.filterwarnings("ignore:DejaVu Sans has no glyph")  # for the control pictures
@pytest.mark.parametrize(
    "text", ["$", "$$", r"$\nosuch$", "$x_1$", r"a\b", "a^{2", "%s {x}", "\x00\x1b\ud800", "", "   "]
)
def test_data_is_never_read_as_mathematics(text):
    canvas = picture(Label(100, 60, text, 20))
    assert pixels(canvas, LIGHT).min() < 255 or not text.strip()
    assert pdf_page(canvas, LIGHT).startswith(b"%PDF")


def test_dollars_are_drawn():
    wide, narrow = (ink(pixels(picture(Label(0, 60, text, 20, anchor="start")), LIGHT)) for text in ("$x$", "x"))
    assert wide[2] > narrow[2] + 20


@pytest.mark.parametrize(
    "draw", [canvas_png, pixels, pdf_page, lambda canvas, theme: list(frames([canvas, canvas], theme))]
)
def test_missing_glyphs_are_named_in_one_warning(draw):
    with pytest.warns(GraphvizADWarning, match=r"漢 \(U\+6F22\), 🙂 \(U\+1F642\)") as caught:
        draw(picture(Label(50, 50, "漢 x", 12), Label(50, 80, "🙂漢", 12, bold=True)), LIGHT)
    assert len(caught) == 1


def test_text_needs_no_font_of_the_system_and_no_setting_of_the_reader():
    expected = canvas_png(everything(), LIGHT), pdf_page(everything(), LIGHT)
    custom = {
        "font.family": "monospace",
        "text.usetex": True,
        "path.simplify": True,
        "savefig.bbox": "tight",
        "pdf.fonttype": 3,
    }
    with mpl.rc_context(
        {**custom, "figure.autolayout": True, "path.sketch": (1, 100, 2), "pdf.compression": 0, "lines.linewidth": 9}
    ):
        before = dict(mpl.rcParams)
        assert (canvas_png(everything(), LIGHT), pdf_page(everything(), LIGHT)) == expected
        assert dict(mpl.rcParams) == before


def test_png_has_its_size_its_text_and_the_same_bytes_twice():
    once, twice = (
        canvas_png(everything(), LIGHT, scale=3, metadata={"graph": "a → b\ud800", "Title": "f"}) for _ in range(2)
    )
    image = Image.open(io.BytesIO(once))
    assert once == twice
    assert (image.size, image.mode, image.info["dpi"]) == ((600, 300), "RGB", pytest.approx((216, 216), abs=0.1))
    assert image.text == {"graph": "a → b\\uD800", "Title": "f"}


@pytest.mark.parametrize(
    ("background", "transparent", "alpha"), [("paper", False, 255), ("paper", True, 0), (None, False, 0)]
)
def test_png_is_transparent_where_asked(background, transparent, alpha):
    image = Image.open(
        io.BytesIO(
            canvas_png(picture(Rect(50, 20, 50, 50, fill="ink"), background=background), LIGHT, transparent=transparent)
        )
    )
    assert image.convert("RGBA").getpixel((2, 2))[3] == alpha
    assert image.convert("RGBA").getpixel((150, 80)) == (*rgb("ink"), 255)


def test_a_picture_beyond_all_memory_is_refused():
    with pytest.raises(SaveError, match=r"200000 x 20 pixels is too large; save as .svg or .pdf"):
        canvas_png(picture(width=100_000, height=10), LIGHT)


def test_a_scale_is_advised_where_there_is_one_to_give():
    large = [picture(width=200_000, height=10)]
    with pytest.raises(SaveError, match="too large; save as"):
        list(changing(large, LIGHT))
    with pytest.raises(SaveError, match="too large; give a smaller scale= or save as"):
        list(changing(large, LIGHT, smaller="give a smaller scale="))


ALONE = """
import sys
from graphviz_ad._internal.scene.canvas import Canvas, Label
from graphviz_ad._internal.renderers.images.matplotlib_canvas import canvas_png
from graphviz_ad._internal.renderers.pages.pdf import pdf_page
from graphviz_ad._internal.scene.themes import theme
canvas = Canvas(90, 40, (Label(45, 20, "x", 12),))
canvas_png(canvas, theme("light")), pdf_page(canvas, theme("light"))
assert not {"matplotlib.pyplot", "tkinter", "torch"} & set(sys.modules)
"""


def test_neither_pyplot_nor_a_window_is_ever_loaded():
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=600)


def test_pdf_is_one_page_of_the_size_of_the_picture_and_the_same_bytes_twice():
    canvas = picture(*everything().marks, width=321.5, height=123.25)
    document = pdf_page(canvas, LIGHT, title="f(x)")
    assert document == pdf_page(canvas, LIGHT, title="f(x)")
    assert re.findall(rb"/MediaBox \[ ?(.*?) ?\]", document) == [b"0 0 321.5 123.25"]
    assert b"/FontFile2" in document
    assert b"CreationDate" not in document
    assert b"/Type3" not in document


def test_pdf_pages_have_one_size():
    document = pdf_pages([picture(width=100), picture(width=300), everything()], LIGHT)
    assert re.findall(rb"/MediaBox \[ ?(.*?) ?\]", document) == [b"0 0 300 100"] * 3


def test_pdf_text_can_be_copied():
    needs_tool("pdftotext")
    text = subprocess.run(
        ["pdftotext", "-", "-"], input=pdf_page(everything(), LIGHT), capture_output=True, check=True
    ).stdout.decode()
    assert "∂f/∂x = $\\nosuch$ = 0.5" in text
    assert "×" in text


@pytest.mark.parametrize("name", ["light", "dark"])
def test_pdf_looks_like_the_png(name):
    needs_tool("pdftoppm")
    document = pdf_page(everything(), theme(name), transparent=False)
    shown = subprocess.run(["pdftoppm", "-r", "72", "-"], input=document, capture_output=True, check=True).stdout
    page = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"), dtype=int)
    image = pixels(everything(), theme(name)).astype(int)
    assert page.shape == image.shape
    assert ink(page, rgb("paper", name)) == pytest.approx(ink(image, rgb("paper", name)), abs=2)
    assert np.abs(page - image).mean() < 4


ROLES = ["ink", "value", "gradient", "active", "edge", "badge"]


def random_mark(random):
    """A mark that can be seen: large enough, and at least partly on a canvas of 120 by 80."""
    x, y, role, line = random.uniform(-15, 110), random.uniform(-15, 75), random.choice(ROLES), random.uniform(0.4, 6)
    dash = random.choice([(), (4.0, 3.0), (1.0, 2.0)])
    kind = random.randrange(4)
    if kind == 0:
        fill, stroke = random.choice([(role, None), (None, role), (role, random.choice(ROLES))])
        return Rect(
            x, y, random.uniform(5, 70), random.uniform(5, 50), random.choice([0, 5, 99]), fill, stroke, line, dash
        )
    if kind == 1:
        points = tuple((x + random.uniform(-40, 40), y + random.uniform(-40, 40)) for _ in range(random.choice([3, 6])))
        return Curve(((x, y), *points), role, line, dash)
    if kind == 2:
        return Polygon(((x, y), (x + random.uniform(5, 40), y + 3), (x - 3, y + random.uniform(5, 40))), role)
    text = random.choice(["W×∂", "1.6487", "$x$", "", "node 7", "f\n"])
    return Label(
        x,
        y + 15,
        text,
        random.uniform(6, 30),
        role,
        random.random() < 0.5,
        random.random() < 0.5,
        random.choice(["start", "middle", "end"]),
    )


def edited(marks, random):
    """The marks after one mark was replaced, removed, put in, moved in the order, or nothing happened."""
    marks, place = list(marks), random.randrange(len(marks))
    change = random.choice(["replace", "replace", "remove", "insert", "move", "nothing"])
    if change in ("replace", "remove", "move") and len(marks) > 1:
        gone = marks.pop(place)
        if change == "move":
            marks.insert(random.randrange(len(marks) + 1), gone)
    if change in ("replace", "insert"):
        marks.insert(place, random_mark(random))
    return marks


def random_film(seed, count=5):
    """Canvases that differ by one or two edits, now and then also in their background."""
    random = Random(seed)
    marks, canvases, background = [random_mark(random) for _ in range(random.randint(3, 12))], [], "paper"
    for _ in range(count):
        canvases.append(Canvas(120, 80, tuple(marks), background=background))
        for _ in range(random.randint(1, 2)):
            marks = edited(marks, random)
        background = random.choice([background] * 9 + ["data", None])
    return canvases


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.7, 1.0, 2.0]))
def test_a_film_has_the_very_pixels_of_its_single_pictures(seed, scale):
    film = random_film(seed)
    for fast, slow in zip(
        frames(film, LIGHT, scale=scale), (pixels(canvas, LIGHT, scale=scale) for canvas in film), strict=True
    ):
        np.testing.assert_array_equal(fast, slow)


def test_the_random_films_do_change_what_can_be_seen():
    films = [[pixels(canvas, LIGHT) for canvas in random_film(seed)] for seed in range(20)]
    changes = [not np.array_equal(old, new) for film in films for old, new in pairwise(film)]
    assert sum(changes) > 0.7 * len(changes)


def test_frames_may_be_kept():
    film = list(frames([gallery(i, str(i)) for i in range(3)], LIGHT))
    assert not np.array_equal(film[0], film[1])
    np.testing.assert_array_equal(film[0], pixels(gallery(0, "0"), LIGHT))


def test_a_film_costs_much_less_than_its_single_pictures():
    still = [mark for x, y in ((640, 0), (0, 360), (640, 360)) for mark in moved_marks(gallery(-1, "").marks, 1, x, y)]
    film = [picture(*still, *gallery(i % 12, f"step {i}").marks, width=1280, height=720) for i in range(24)]
    list(changing(film, LIGHT))  # fills the cache of texts for both
    assert lines_run(lambda: list(changing(film, LIGHT))) < 0.2 * lines_run(
        lambda: [pixels(canvas, LIGHT) for canvas in film]
    )


def test_nothing_warns_where_nothing_is_missing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas_png(everything(), LIGHT)
        pdf_page(everything(), LIGHT)
