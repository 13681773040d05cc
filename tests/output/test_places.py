"""Every export in every place where it is seen: its words are those of the finished picture, and can be read.

One browser and one page for all; what a server, a sanitiser or a reader does to a page is done to it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import PAINTED
from needed_tools import needs_package
from small_film import film
from small_programs import graph

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.output.notebook import film_bundle, picture_bundle
from graphviz_ad._internal.renderers.html.player import inspection_page, player_page
from graphviz_ad._internal.renderers.pages.reveal import reveal_slide
from graphviz_ad._internal.renderers.svg.film import film_element, svg_film_file
from graphviz_ad._internal.renderers.svg.still import svg_element, svg_file
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Canvas, Label
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import THEMES, Theme

ADDRESS = "http://places.test/page"
SVG, HTML = "image/svg+xml", "text/html"
READABLE = 10  # pixels, of letters in the hand
STRIPPED = r"<(style|script|iframe)\b.*?</\1>| (?:style|class|id|on\w+|data-[\w-]+)=(?:\"[^\"]*\"|'[^']*')"


def finished() -> Canvas:
    return paint.paint(film().scene(-1))


def stage() -> Canvas:
    """The finished picture without what is text of the page around it."""
    return Canvas(1, 1, tuple(paint.stage_marks(film().scene(-1))))


def last_frame() -> Canvas:
    return paint.paint_frame(film(), -1)


def slow_film() -> Film:
    """The film in a time in which even a busy machine looks at its beginning."""
    return replace(film(), speed=0.02)


@cache
def paths() -> Explanation:
    return graph("square").explain("x")


def around(part: str) -> str:
    """A page that somebody puts an export into."""
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>t</title><main><h1>t</h1>{part}</main></html>'


@dataclass(frozen=True)
class Export:
    """What is made in a theme, and the picture whose words are seen in it."""

    made: Callable[[Theme], str]
    shows: Callable[[], Canvas]
    kind: str = HTML


EXPORTS = {
    "player": Export(lambda theme: player_page(film(), theme), stage),
    "picture to look around in": Export(lambda theme: inspection_page(film().scene(-1), theme), stage),
    "animated SVG": Export(lambda theme: svg_film_file(slow_film(), theme), last_frame, SVG),
    "animated SVG in a page": Export(lambda theme: around(film_element(slow_film(), theme)), last_frame),
    "SVG": Export(lambda theme: svg_file(finished(), theme), finished, SVG),
    "SVG in a page": Export(lambda theme: around(svg_element(finished(), theme)), finished),
    "slide of reveal.js": Export(lambda theme: around(reveal_slide(film(), theme)), last_frame),
    "worked solution": Export(lambda theme: paths().to_html(theme=theme), lambda: paths().plot().canvas),
    "film in a notebook": Export(lambda theme: around(film_bundle(film(), theme, "s")["text/html"]), stage),
}


@dataclass(frozen=True)
class Place:
    """Where a page is seen: what its server allows, what is done to its text, and what its reader has set."""

    policy: str = ""
    changed: Callable[[str], str] = str
    theme: str = "light"
    size: tuple[int, int] = (1400, 1000)
    media: dict[str, str] = field(default_factory=dict)


def sanitised(text: str) -> str:
    """What is left where styles, scripts, frames and names of elements are taken out."""
    return re.sub(STRIPPED, "", text, flags=re.DOTALL)


PLACES = {
    "a screen": Place(),
    "a dark screen": Place(theme="auto", media={"color_scheme": "dark"}),
    "in motion, as it begins": Place(media={"reduced_motion": "no-preference"}),
    "no style sheets, dark": Place("style-src 'none'", theme="dark"),
    "no scripts": Place("script-src 'none'"),
    "a strict server": Place("default-src 'self'"),
    "a sanitiser": Place(changed=sanitised),
    "paper": Place(media={"media": "print"}),
    "paper, from a dark screen": Place(theme="auto", media={"media": "print", "color_scheme": "dark"}),
    "paper, of a dark film": Place(theme="dark", media={"media": "print"}),
    "forced colours, dark": Place(media={"forced_colors": "active", "color_scheme": "dark"}),
    "forced colours, light": Place(theme="dark", media={"forced_colors": "active"}),
    "a phone": Place(size=(390, 844)),
}
OF_PAGES = ("no scripts", "no style sheets, dark", "paper, of a dark film", "forced colours, light", "a phone")
USUAL = {"media": "screen", "color_scheme": "light", "forced_colors": "none", "reduced_motion": "reduce"}


@pytest.fixture(scope="module")
def tab(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    yield page
    page.close()


def visit(tab: Any, text: str, kind: str, place: Place) -> Any:
    """The frame of the page in which the picture is, as it is seen in that place."""
    headers = {"Content-Security-Policy": place.policy} if place.policy else {}
    body, content = place.changed(text), f"{kind};charset=utf-8"
    tab.unroute_all()
    tab.route(f"{ADDRESS}*", lambda route: route.fulfill(body=body, content_type=content, headers=headers))
    tab.set_viewport_size(dict(zip(("width", "height"), place.size, strict=True)))
    tab.emulate_media(**{**USUAL, **place.media})
    tab.goto(ADDRESS)
    tab.evaluate(PAINTED)
    return tab.frames[-1]


# The words that are seen, each with its contrast to what is behind it and the size of its letters on the screen.
SEEN = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const part = (value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (element) => {
    const dark = matchMedia("(forced-colors: active) and (prefers-color-scheme: dark)").matches;
    if (!element) return dark ? "rgb(0, 0, 0)" : "rgb(255, 255, 255)";
    const color = getComputedStyle(element).backgroundColor;
    return rgb(color)[3] === 0 ? ground(element.parentElement) : color;
  };
  const behind = (text, x, y) => {
    const shapes = [...text.ownerSVGElement.querySelectorAll("rect, polygon")].reverse();
    for (const shape of shapes) {
      const box = shape.getBoundingClientRect();
      const before = shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING;
      const inside = box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
      if (before && inside && shape.checkVisibility({ visibilityProperty: true })) {
        const fill = getComputedStyle(shape).fill;
        if (fill !== "none") return fill;
      }
    }
    return ground(text);
  };
  const seen = (text) => text.checkVisibility({ visibilityProperty: true });
  return [...document.querySelectorAll("text")].filter(seen).map((text) => {
    const box = text.getBoundingClientRect();
    const style = getComputedStyle(text);
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const [one, other] = [light(rgb(style.fill)), light(rgb(behind(text, x, y)))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return [text.textContent, contrast, text.getScreenCTM().a * parseFloat(style.fontSize)];
  });
}"""


@cache
def made(export: str, theme: str) -> str:
    return EXPORTS[export].made(THEMES[theme])


# a file of its own has no page around it that anybody could do something to
MEET = [(name, where) for name, one in EXPORTS.items() for where in PLACES if one.kind == HTML or where not in OF_PAGES]


@pytest.mark.parametrize(("export", "where"), MEET)
def test_the_finished_picture_is_seen_and_can_be_read(tab: Any, export: str, where: str) -> None:
    place, what = PLACES[where], EXPORTS[export]
    frame = visit(tab, made(export, place.theme), what.kind, place)
    if export == "film in a notebook" and where == "a sanitiser":
        (width,) = tab.eval_on_selector_all("img", "(all) => all.map((image) => image.naturalWidth)")
        assert width > 0
        return
    seen = frame.evaluate(SEEN)
    wanted = [visible(mark.text) for mark in what.shows().marks if isinstance(mark, Label) and mark.text]
    assert sorted(text for text, _, _ in seen if text) == sorted(wanted)
    assert {text: round(contrast, 1) for text, contrast, _ in seen if text and contrast < 3} == {}
    if where == "a phone" and what.shows is stage:
        assert min(size for text, _, size in seen if text) >= READABLE * 0.85


def touch(session: Any, *moments: tuple[tuple[float, float], ...]) -> None:
    """Fingers are put there, moved there, and taken away."""
    for kind, places in zip(("touchStart", "touchMove", "touchEnd"), (*moments, ()), strict=True):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_two_fingers_enlarge_what_is_between_them(tab: Any) -> None:
    visit(tab, made("picture to look around in", "light"), HTML, PLACES["a screen"])
    view = "(picture) => picture.getAttribute('viewBox').split(' ').map(Number)"
    before = tab.eval_on_selector(".gad-picture", view)
    session = tab.context.new_cdp_session(tab)
    touch(session, ((600, 400), (700, 400)), ((550, 400), (750, 400)))
    after = tab.eval_on_selector(".gad-picture", view)
    assert after[2] == pytest.approx(before[2] / 2, rel=0.05)
    assert all(old < new for old, new in zip(before[:2], after[:2], strict=True))
    touch(session, ((650, 400),), ((550, 400),))
    moved = tab.eval_on_selector(".gad-picture", view)
    assert (moved[0] > after[0], moved[2]) == (True, after[2])


def test_on_a_phone_the_window_follows_the_story(tab: Any) -> None:
    visit(tab, made("player", "light"), HTML, PLACES["a phone"])
    inside = """(key) => {
      const [part, stage] = [document.querySelector(`.box[data-key="${key}"]`), document.querySelector(".gad-stage")].map((e) => e.getBoundingClientRect());
      return stage.left <= part.left && part.right <= stage.right && stage.top <= part.top && part.bottom <= stage.bottom;
    }"""  # noqa: E501
    assert tab.evaluate(inside, "a")
    assert not tab.evaluate(inside, "e")
    for _ in range(5):
        tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Home")
    tab.get_by_role("button", name="Jump to the backward pass").click()
    assert tab.evaluate(inside, "e")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- for who hears it

AXE = "() => axe.run(document, { rules: { 'label-content-name-mismatch': { enabled: true } } })"
MODES = ("a screen", "a dark screen", "forced colours, dark", "forced colours, light", "a phone")
READ_ALOUD = [
    *(("player", where) for where in MODES),
    *((export, where) for export in ("picture to look around in", "worked solution") for where in MODES[::2]),
]


@pytest.fixture(scope="module")
def axe() -> str:
    """The script that looks for what keeps a page from being read aloud."""
    package = Path(needs_package("axe_playwright_python").__file__).parent
    return (package / "axe.min.js").read_text("utf-8")


def violations(tab: Any, axe: str) -> list[str]:
    tab.evaluate(axe)
    return [f"{found['id']}: {found['nodes'][0]['html'][:200]}" for found in tab.evaluate(AXE)["violations"]]


@pytest.mark.parametrize(("export", "where"), READ_ALOUD)
def test_nothing_keeps_a_page_from_being_read_aloud(tab: Any, axe: str, export: str, where: str) -> None:
    visit(tab, made(export, PLACES[where].theme), HTML, PLACES[where])
    assert violations(tab, axe) == []
    if (export, where) == READ_ALOUD[0]:
        tab.keyboard.press("Home")
        tab.keyboard.press("?")
        assert violations(tab, axe) == []


@pytest.mark.parametrize("export", ["animated SVG in a page", "SVG in a page", "film in a notebook"])
def test_nothing_keeps_a_part_of_a_page_from_being_read_aloud(tab: Any, axe: str, export: str) -> None:
    visit(tab, made(export, "light"), HTML, PLACES["a screen"])
    assert violations(tab, axe) == []


def test_nothing_keeps_a_real_film_from_being_read_aloud(tab: Any, axe: str) -> None:
    visit(tab, graph("seed").animate().to_html(), HTML, PLACES["a screen"])
    assert violations(tab, axe) == []


def test_a_picture_in_a_notebook_is_an_image_with_its_description(tab: Any) -> None:
    part = around(picture_bundle(finished(), THEMES["light"], "s")["text/html"])
    for where in ("a screen", "a sanitiser", "no scripts", "no style sheets, dark"):
        visit(tab, part, HTML, PLACES[where])
        assert tab.get_attribute("img", "alt") == film().stage.alt
        assert tab.eval_on_selector("img", "(image) => image.naturalWidth") > 0
