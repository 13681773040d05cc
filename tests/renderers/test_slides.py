"""PowerPoint: opened again, the deck has a slide a step, the words of each frame, notes, descriptions and, with a
movie, its timing.
"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from needed_tools import needs_package, needs_tool
from PIL import Image
from pypdf import PdfReader
from small_film import HOSTILE, film, hostile_film

from graphviz_ad._internal.base.errors import GraphvizADWarning, MissingDependencyError
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.pages import slides
from graphviz_ad._internal.renderers.pages.slides import EMU, movie_slide, step_slides
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Curve, Label, Rect
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import THEMES

pptx = needs_package("pptx")
LIGHT = THEMES["light"]
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def pixel() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()


PIXEL = pixel()


def opened(data: bytes) -> Any:
    return pptx.Presentation(io.BytesIO(data))


def leaves(shapes: Any) -> Iterator[Any]:
    """All shapes, those of groups, too."""
    for shape in shapes:
        if shape.shape_type == pptx.enum.shapes.MSO_SHAPE_TYPE.GROUP:
            yield from leaves(shape.shapes)
        else:
            yield shape


def words(slide: Any) -> list[str]:
    return sorted(
        shape.text_frame.text for shape in leaves(slide.shapes) if shape.has_text_frame and shape.text_frame.text
    )


def words_of(made: Film, step: int) -> list[str]:
    return sorted(
        visible(mark.text) for mark in paint.paint_frame(made, step).marks if isinstance(mark, Label) and mark.text
    )


def test_there_is_a_slide_a_step_with_the_words_of_its_frame() -> None:
    deck = opened(step_slides(film(), LIGHT))
    assert (deck.slide_width, deck.slide_height) == (1280 * EMU, 720 * EMU)
    assert len(deck.slides) == 19
    for step, slide in enumerate(deck.slides):
        title = slide.shapes.title.text_frame.text
        behind = [title] if title not in words_of(film(), step) else []  # of a formula that is set in pieces
        assert words(slide) == sorted([*words_of(film(), step), *behind]), step
        assert title == visible(film().steps[step].caption[0])


def test_nothing_moves_from_slide_to_slide() -> None:
    deck = opened(step_slides(film(), LIGHT))
    places = [
        {
            (s.name, s.left, s.top, s.width, s.height)
            for s in leaves(slide.shapes)
            if s.name.endswith((" frame", " badge", " name"))
        }
        for slide in deck.slides
    ]
    assert len(places[0]) > 12
    assert all(place == places[0] for place in places)


def test_shapes_stand_where_the_marks_are_in_their_colours() -> None:
    deck = opened(step_slides(film(), LIGHT))
    frame = paint.paint_frame(film(), 9)
    shapes = {shape.name: shape for shape in leaves(deck.slides[9].shapes)}
    for mark in frame.marks:
        if isinstance(mark, Rect) and mark.part == "frame" and mark.fill and mark.stroke:
            shape = shapes[f"{mark.owner} frame"]
            assert (shape.left, shape.top, shape.width, shape.height) == tuple(
                round(x * EMU) for x in (mark.x, mark.y, mark.width, mark.height)
            )
            assert f"#{shape.fill.fore_color.rgb}" == LIGHT[mark.fill]
            assert f"#{shape.line.color.rgb}" == LIGHT[mark.stroke]
            assert shape.line.width == round(mark.line * EMU)
    gradient = next(m for m in frame.marks if isinstance(m, Curve) and m.owner == "d-e")
    curve = shapes["d-e shaft"]._element
    ends = [
        (int(point.get("x")) + shapes["d-e shaft"].left, int(point.get("y")) + shapes["d-e shaft"].top)
        for point in curve.iter(f"{A}pt")
    ]
    assert ends[0] == pytest.approx([x * EMU for x in gradient.points[0]], abs=2)
    assert ends[-1] == pytest.approx([x * EMU for x in gradient.points[-1]], abs=2)
    assert [dash.tag for dash in curve.iter(f"{A}ds")]


def test_each_slide_has_a_title_a_description_and_notes() -> None:
    deck = opened(step_slides(film(), LIGHT))
    for slide, step in zip(deck.slides, film().steps, strict=True):
        assert slide.shapes.title.text_frame.text == step.caption[0]
        assert slide.notes_slide.notes_text_frame.text == " ".join(part for part in step.caption if part)
        described = [shape._element.nvGrpSpPr.cNvPr.get("descr") for shape in slide.shapes if shape.name == "graph"]
        assert described == [film().stage.alt]
    assert deck.core_properties.title == film().title


def test_the_paper_is_that_of_the_theme() -> None:
    slide = opened(step_slides(film(), THEMES["dark"])).slides[0]
    assert f"#{slide.background.fill.fore_color.rgb}" == THEMES["dark"]["paper"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    made = hostile_film(text)
    deck = opened(step_slides(replace(made, steps=made.steps[:2]), LIGHT))
    assert words(deck.slides[1]) == words_of(replace(made, steps=made.steps[:2]), 1)


def test_the_same_film_has_the_same_bytes_and_no_date() -> None:
    made = step_slides(film(), LIGHT)
    assert made == step_slides(film(), LIGHT)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert archive.namelist()[0] == "[Content_Types].xml"
    assert opened(made).core_properties.created.year == 2000


def test_slides_with_more_shapes_than_powerpoint_opens_are_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slides, "MOST_SHAPES", 100)
    with pytest.warns(
        GraphvizADWarning, match="19 slides with some 60 shapes each are more than PowerPoint opens: each is a picture"
    ):
        deck = opened(step_slides(film(), LIGHT))
    assert len(deck.slides) == 19
    for slide, step in zip(deck.slides, film().steps, strict=True):
        assert slide.shapes.title.text_frame.text == step.caption[0]
        picture = slide.shapes[-1]
        assert (picture.left, picture.top, picture.width, picture.height) == (0, 0, deck.slide_width, deck.slide_height)
        assert picture._element.nvPicPr.cNvPr.get("descr").endswith(film().stage.alt)
    blobs = {slide.shapes[-1].image.blob for slide in deck.slides}
    assert len(blobs) == 19


@pytest.mark.parametrize("loop", [True, False])
def test_a_movie_starts_by_itself_loops_and_has_a_poster(loop: bool) -> None:
    made = movie_slide(film(), LIGHT, b"a movie", PIXEL, loop=loop)
    (slide,) = opened(made).slides
    (movie,) = slide.shapes
    assert (movie.left, movie.top, movie.width, movie.height) == (0, 0, 1280 * EMU, 720 * EMU)
    assert movie.media_type == pptx.enum.shapes.PP_MEDIA_TYPE.MOVIE
    assert movie.poster_frame.blob == PIXEL
    assert movie._element.nvPicPr.cNvPr.get("descr") == film().stage.alt
    (video,) = slide._element.iter(f"{P}video")
    assert [condition.get("delay") for condition in video.iter(f"{P}cond")] == ["0"]
    assert [time.get("repeatCount") for time in video.iter(f"{P}cTn")] == (["indefinite"] if loop else [None])
    (target,) = video.iter(f"{P}spTgt")
    assert int(target.get("spid")) == movie.shape_id
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert [archive.read(name) for name in archive.namelist() if name.endswith(".mp4")] == [b"a movie"]


def test_a_missing_package_is_named_with_what_can_be_made_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pptx", None)
    with pytest.raises(
        MissingDependencyError, match=r"needs the package 'python-pptx'.*graphviz-ad\[pptx\].*\.pdf has the same slides"
    ):
        step_slides(film(), LIGHT)


def test_libreoffice_shows_the_slides(tmp_path: Path) -> None:
    office = needs_tool("libreoffice")
    (tmp_path / "deck.pptx").write_bytes(step_slides(film(), LIGHT))
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    command = [
        office,
        home,
        "--headless",
        "--convert-to",
        "pdf",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "deck.pptx"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    reader = PdfReader(tmp_path / "deck.pdf")
    assert len(reader.pages) == 19
    for step in (0, 9, 18):
        squeezed = "".join(reader.pages[step].extract_text().split())
        assert all("".join(word.split()) in squeezed for word in words_of(film(), step)), step
