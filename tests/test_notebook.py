"""What Jupyter gets: the picture and its description survive where scripts, frames and inline SVG are taken out."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import pytest
from small_film import HOSTILE, film, hostile_film, scene

from graphviz_ad import paint
from graphviz_ad.notebook import film_bundle, picture_bundle
from graphviz_ad.renderers.svg import prose, svg
from graphviz_ad.themes import THEMES

LIGHT = THEMES["light"]


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
    still = base64.b64decode((tags.one("img")["src"] or "").partition("base64,")[2]).decode()
    assert still == svg(paint.paint(film().scene(-1)), LIGHT)


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
    assert set(film_bundle(film(), LIGHT, "s", exclude={"text/plain"})) == {"text/html"}
