"""Our own PDF: valid to a strict reader, small because pages share what they show, and as fast as its changes
are few.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from needed_tools import needs_tool
from PIL import Image
from pypdf import PdfReader
from small_film import HOSTILE, film, hostile_film, scene
from work import lines_run

from graphviz_ad._internal.base.errors import GraphvizADWarning
from graphviz_ad._internal.renderers.images.matplotlib_canvas import pixels
from graphviz_ad._internal.renderers.pages.pdf import film_pdf, pdf, pdf_pages
from graphviz_ad._internal.renderers.pages.pdf_font import PdfFont
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Canvas, Label
from graphviz_ad._internal.scene.scene import Change, Film, Step
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]


def read(data: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(data), strict=True)


def streams(page: Any) -> list[int]:
    """The numbers of the streams that make a page."""
    return [reference.idnum for reference in page["/Contents"]]


def test_a_strict_reader_finds_every_page_and_object() -> None:
    made = film_pdf(film(), LIGHT)
    reader = read(made)
    assert len(reader.pages) == 19
    size = int(reader.trailer["/Size"])
    for i in range(1, size):
        assert reader.get_object(i) is not None
    assert made.startswith(b"%PDF-1.5")
    assert made.endswith(b"%%EOF\n")


def test_what_pages_share_stands_in_the_file_once() -> None:
    pages = read(film_pdf(film(), LIGHT)).pages
    first, second = streams(pages[0]), streams(pages[1])
    assert len(set(first) & set(second)) > 0.7 * len(first)
    numbers = [number for page in pages for number in streams(page)]
    assert len(set(numbers)) < 0.3 * len(numbers)


def test_the_classroom_film_is_small_and_a_still_smaller() -> None:
    assert len(film_pdf(film(), LIGHT)) < 70_000
    assert len(pdf(paint.paint(scene()), LIGHT)) < 16_000


def test_only_used_characters_are_in_the_file() -> None:
    few, many = PdfFont("abc", False, False), PdfFont("abcdefghijklmnopqrstuvwxyz", False, False)
    assert len(few.program) < 0.5 * len(many.program) < 20_000
    assert few.name != PdfFont("abd", False, False).name
    assert few.name == PdfFont("cab", False, False).name
    assert PdfFont("a", True, True).name.endswith("+DejaVuSans-BoldOblique")


def test_every_character_can_be_copied() -> None:
    text = "".join(map(chr, range(0x21, 0x7F))) + "∂σΣ·×−₁²ᵀ≈∞ЖЯ"
    page = read(pdf(Canvas(2000, 50, (Label(5, 30, text, 12, anchor="start"),)), LIGHT)).pages[0]
    assert page.extract_text().replace(" ", "") == text


@pytest.mark.parametrize("text", ["אבג דהו", "سلام عليكم", "a\u0301e\u0308 x", "plain"])
def test_letters_that_join_or_run_backwards_look_as_in_other_formats(text: str) -> None:
    needs_tool("pdftoppm")
    canvas = Canvas(400, 60, (Label(200, 40, text, 30),))
    seen = subprocess.run(
        ["pdftoppm", "-r", "72", "-"], input=pdf(canvas, LIGHT, transparent=False), capture_output=True, check=True
    ).stdout
    page = np.asarray(Image.open(io.BytesIO(seen)).convert("L"), dtype=int)
    image = pixels(canvas, LIGHT).astype(int).mean(axis=2)
    assert np.abs(page - image).mean() < 2
    assert image.min() < 60


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_the_file(text: str) -> None:
    made = hostile_film(text)
    try:
        data = film_pdf(made, LIGHT)
    except GraphvizADWarning:
        data = b""  # a letter that DejaVu Sans has not; warnings are errors here
    if data:
        reader = read(data)
        assert len(reader.pages) == len(made.steps)
        assert reader.metadata is not None
        assert reader.metadata.creator == "graphviz_ad"


def test_a_title_of_any_script_is_the_title() -> None:
    reader = read(pdf(paint.paint(scene()), LIGHT, title="行列 (x) \\ 🤖"))
    assert reader.metadata is not None
    assert reader.metadata.title == "行列 (x) \\ 🤖"


def test_pictures_of_different_sizes_share_one() -> None:
    reader = read(pdf_pages([Canvas(10, 40, ()), Canvas(30, 20, ())], LIGHT))
    assert [list(page.mediabox) for page in reader.pages] == [[0, 0, 30, 40]] * 2


def long_film(boxes: int, steps: int) -> Film:
    small = film().stage
    many = tuple(replace(box, key=f"{box.key}{i}") for i in range(boxes // 6) for box in small.boxes)
    moments = tuple(
        Step("forward", (f"step {i}",), (Change(many[i % len(many)].key, "forward", (("value", str(i)),)),))
        for i in range(steps)
    )
    return Film(replace(small, boxes=many, arrows=()), moments)


def test_a_page_more_costs_what_changes_and_not_what_the_picture_costs() -> None:
    whole = lines_run(lambda: pdf(paint.paint(long_film(180, 1).stage), LIGHT))
    few, many = (lines_run(lambda count=count: film_pdf(long_film(180, count), LIGHT)) for count in (12, 36))  # type: ignore[misc]
    assert (many - few) / 24 < 0.1 * whole


def test_the_file_of_a_long_film_of_a_large_graph_is_small() -> None:
    data = film_pdf(long_film(180, 240), LIGHT)
    assert len(data) < 3_000_000
    assert len(read(data).pages) == 240


def test_a_film_without_steps_has_no_pages() -> None:
    with pytest.raises(ValueError, match="no pages"):
        film_pdf(Film(scene(), ()), LIGHT)
