"""What Jupyter gets: the picture and its description survive where scripts, frames and inline SVG are taken out."""

from __future__ import annotations

import base64
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from needed_tools import needs_package
from small_film import HOSTILE, film, hostile_film, scene
from small_programs import graph

from graphviz_ad._internal.output.notebook import film_bundle, picture_bundle
from graphviz_ad._internal.renderers.pages.pdf import pdf_page
from graphviz_ad._internal.renderers.svg.compact import compact_svg
from graphviz_ad._internal.renderers.svg.still import prose, svg_file
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]


def drawn(picture: bytes | str) -> list[tuple[str, dict[str, str], str]]:
    """What an SVG draws where, whatever it calls it and however it is coloured."""
    where = ("x", "y", "width", "height", "d", "points", "rx")
    shapes = [
        e for e in ET.fromstring(picture).iter() if e.tag.rpartition("}")[2] in ("rect", "path", "polygon", "text")
    ]
    return [(e.tag, {key: e.attrib[key] for key in where if key in e.attrib}, e.text or "") for e in shapes]


class Tags(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def one(self, wanted: str) -> dict[str, str | None]:
        (attributes,) = [attributes for tag, attributes in self.found if tag == wanted]
        return attributes


def test_a_still_is_an_image_that_nobody_strips() -> None:
    canvas = paint.paint(scene())
    bundle = picture_bundle(canvas, LIGHT, "a summary")
    assert set(bundle) == {"text/plain", "text/html", "image/svg+xml", "application/pdf"}
    assert base64.b64decode(bundle["application/pdf"]).startswith(b"%PDF")
    assert [tag for tag, _ in Tags(bundle["text/html"]).found] == ["img"]
    image = Tags(bundle["text/html"]).one("img")
    assert image["alt"] == scene().alt
    assert base64.b64decode((image["src"] or "").partition("base64,")[2]).decode() == bundle["image/svg+xml"]


def test_a_film_is_a_sandboxed_frame_before_which_stands_its_last_picture() -> None:
    html = film_bundle(film(), LIGHT, "a summary")["text/html"]
    tags = Tags(html)
    assert [tag for tag, _ in tags.found] == ["div", "style", "img", "iframe"]
    assert tags.one("iframe")["sandbox"] == "allow-scripts"
    assert (tags.one("iframe")["srcdoc"] or "").startswith("<!doctype html>")
    still = base64.b64decode((tags.one("img")["src"] or "").partition("base64,")[2])
    assert drawn(still) == drawn(svg_file(paint.paint(film().scene(-1)), LIGHT))


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_in_a_notebook_looks_like_the_file(visit: Callable[..., Any], theme: str, scheme: str) -> None:
    canvas, colors = paint.paint(film().scene(9)), THEMES[theme]
    small, large = compact_svg(canvas, colors), svg_file(canvas, colors)
    assert len(small) < 0.75 * len(large)
    seen = [
        visit(f"<!doctype html><style>body{{margin:0}}</style>{made[made.index('<svg') :]}", scheme=scheme).screenshot()
        for made in (small, large)
    ]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_add_no_tags(text: str) -> None:
    tags = Tags(film_bundle(hostile_film(text), LIGHT, text)["text/html"])
    assert [tag for tag, _ in tags.found] == ["div", "style", "img", "iframe"]
    assert tags.one("img")["alt"] == prose(text)


def test_the_same_film_has_the_same_bundle() -> None:
    assert film_bundle(film(), LIGHT, "s") == film_bundle(film(), LIGHT, "s")


def test_a_front_end_gets_only_the_forms_that_it_asks_for() -> None:
    canvas = paint.paint(scene())
    assert set(picture_bundle(canvas, LIGHT, "s", include={"text/html"})) == {"text/html"}
    assert "application/pdf" not in picture_bundle(canvas, LIGHT, "s", exclude={"application/pdf"})
    assert set(film_bundle(film(), LIGHT, "s", exclude={"text/plain", "application/pdf"})) == {"text/html"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_film_is_its_last_picture_on_paper(theme: str) -> None:
    colors, last = THEMES[theme], paint.paint(film().scene(-1))
    made = base64.b64decode(film_bundle(film(), colors, "s")["application/pdf"])
    assert made == pdf_page(last, colors, transparent=theme == "light", title=last.alt)


def test_letters_that_the_font_of_a_page_lacks_give_no_warning_in_a_cell() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert film_bundle(hostile_film(HOSTILE[-1]), LIGHT, "s")["application/pdf"]
        assert picture_bundle(paint.paint(hostile_film(HOSTILE[-1]).stage), LIGHT, "s")["application/pdf"]


@pytest.mark.parametrize("name", ["colah", "seed"])
def test_an_output_of_the_classroom_is_small(name: str) -> None:
    program = graph(name)
    assert sum(len(str(data).encode()) for data in program.animate()._repr_mimebundle_().values()) < 100 * 1024
    assert sum(len(str(data).encode()) for data in program.plot()._repr_mimebundle_().values()) < 100 * 1024


# ---- in what nbconvert makes of a notebook
# ------------------------------------------------------------------------------------


def converted(kind: str, **options: object) -> tuple[str, dict[str, bytes]]:
    """A notebook with two films and a picture, as HTML or LaTeX, and the files that go with it."""
    nbconvert, nbformat = needs_package("nbconvert"), needs_package("nbformat")
    bundles = [
        film_bundle(film(), LIGHT, "first"),
        film_bundle(hostile_film(HOSTILE[2]), LIGHT, "second"),
        picture_bundle(paint.paint(scene()), LIGHT, "third"),
    ]
    new = nbformat.v4
    cells = [
        new.new_code_cell("film", id=f"c{i}", outputs=[new.new_output("display_data", data=data)])
        for i, data in enumerate(bundles)
    ]
    text, resources = getattr(nbconvert, kind)(**options).from_notebook_node(new.new_notebook(cells=cells))
    return text, dict(resources.get("outputs", {}))


def test_a_page_made_of_a_notebook_has_films_that_do_not_mind_each_other(visit: Callable[..., Any]) -> None:
    text, _ = converted("HTMLExporter", template_name="basic")
    tab = visit(f'<!doctype html><meta charset="utf-8">{text}')
    assert [image.get_attribute("alt") for image in tab.query_selector_all("img")] == [
        scene().alt,
        prose(HOSTILE[2]),
        scene().alt,
    ]
    first, second = tab.frames[1:]
    assert not tab.is_visible("img >> nth=0")
    first.wait_for_selector(".gad-controls")
    first.focus("input")
    tab.keyboard.press("Home")
    assert [frame.text_content(".gad-counter") for frame in (first, second)] == [
        "step 1/19 · start",
        "step 19/19 · complete",
    ]
    assert tab.title() == ""


def test_where_scripts_and_frames_are_taken_out_the_pictures_stay(visit: Callable[..., Any]) -> None:
    text, _ = converted("HTMLExporter", template_name="basic")
    bare = re.sub(r"<(iframe|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    tab = visit(f'<!doctype html><meta charset="utf-8">{bare}')
    assert [image.is_visible() for image in tab.query_selector_all("img")] == [True, True, True]


def test_a_paper_made_of_a_notebook_has_the_pictures() -> None:
    text, files = converted("LatexExporter")
    shown = re.findall(r"\{(output_[^}]+)\}", text)
    assert [name.rpartition(".")[2] for name in shown] == ["pdf"] * 3
    assert {files[name][:4] for name in shown} == {b"%PDF"}
