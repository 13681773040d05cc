"""SVG files: well-formed, inert, deterministic, the right words in readable colours."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_film import HOSTILE, hostile_film, scene

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.svg.still import short_title, svg_element, svg_file, svg_number
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Polygon, Rect
from graphviz_ad._internal.scene.themes import THEMES

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "desc", "style", "g", "rect", "path", "polygon", "text"}
ATTRIBUTES = {
    *(
        "id",
        "viewBox",
        "width",
        "height",
        "role",
        "aria-labelledby",
        "aria-describedby",
        "font-family",
        "class",
        "data-key",
    ),
    *("x", "y", "rx", "d", "points", "fill", "stroke", "stroke-width", "stroke-dasharray"),
    *("font-size", "font-weight", "font-style", "text-anchor", "{http://www.w3.org/XML/1998/namespace}space"),
}
any_text = st.text(st.characters(exclude_categories=[]), max_size=40) | st.sampled_from(HOSTILE)


def canvas_of(text: str) -> Canvas:
    marks = (
        Rect(0, 0, 10, 10, 3, "leaf", "edge", 2, (4, 3), owner=text, part=text),
        Curve(((0, 0), (1, 1), (2, 2), (3, 3)), owner=text),
        Polygon(((0, 0), (1, 1), (2, 0)), owner=text),
        Label(5, 5, text, 16, "ink", True, True, owner=text, part=text),
    )
    return Canvas(100, 50, marks, alt=text)


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode())


@given(any_text)
@settings(max_examples=150, deadline=None)
def test_any_text_stays_text(text: str) -> None:
    root = parsed(svg_file(canvas_of(text), THEMES["auto"], prefix=text))
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= TAGS
    assert {name for e in root.iter() for name in e.attrib} <= ATTRIBUTES
    assert ["".join(e.itertext()) for e in root.iter(f"{SVG}text")] == [visible(text)]
    assert {e.get("data-key") for e in root.iter(f"{SVG}g")} == ({visible(text)} if text else set())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_whole_scene_of_hostile_names_is_well_formed(text: str) -> None:
    parsed(svg_file(paint.paint(hostile_film(text).stage), THEMES["light"]))


def test_the_picture_has_a_name_and_a_description() -> None:
    root = parsed(svg_file(paint.paint(scene()), THEMES["light"]))
    title, desc, *_ = root
    assert (title.tag, desc.tag, root.get("role")) == (f"{SVG}title", f"{SVG}desc", "img")
    assert (title.text, desc.text) == ("Graph of f", scene().alt)
    assert (root.get("aria-labelledby"), root.get("aria-describedby")) == (title.get("id"), desc.get("id"))


def test_a_long_description_is_not_cut() -> None:
    alt = "word " * 200
    assert parsed(svg_file(Canvas(1, 1, (), alt), THEMES["light"])).findtext(f"{SVG}desc") == alt


@pytest.mark.parametrize(
    ("alt", "title"), [("", "Computation graph"), ("Graph of f: 2 ops", "Graph of f"), ("y = 1.5 x", "y = 1.5 x")]
)
def test_the_title_is_the_beginning_of_the_description(alt: str, title: str) -> None:
    assert short_title(alt) == title


def test_words_of_the_picture_are_the_words_of_the_scene() -> None:
    root = parsed(svg_file(paint.paint(scene(), legend=False), THEMES["light"]))
    words = {"".join(e.itertext()) for e in root.iter(f"{SVG}text")}
    assert {line.text for part in (*scene().boxes, *scene().arrows) for line in part.lines} <= words


def test_each_owner_has_a_group_of_its_kind() -> None:
    root = parsed(svg_file(paint.paint(scene()), THEMES["light"]))
    kinds = {(g.get("class"), g.get("data-key")) for g in root.iter(f"{SVG}g")}
    assert {("box", "a"), ("arrow", "a-c"), ("words", "a-c"), ("group", "g")} <= kinds


def test_the_same_picture_has_the_same_bytes_and_another_has_another_id() -> None:
    picture = svg_file(paint.paint(scene()), THEMES["auto"])
    assert picture == svg_file(paint.paint(scene()), THEMES["auto"])
    assert parsed(picture).get("id") != parsed(svg_file(canvas_of("x"), THEMES["auto"])).get("id")
    assert parsed(svg_file(canvas_of("x"), THEMES["auto"], prefix="second")).get("id", "").startswith("second")


def test_nothing_is_loaded_and_numbers_are_short() -> None:
    picture = svg_file(paint.paint(scene()), THEMES["auto"])
    assert not re.search(r"url\(|href|@import|<script|\bon\w+=", picture)
    assert picture.count("http") == 1  # the namespace
    assert not re.search(r"\d\.\d{3}", picture)
    assert [svg_number(x) for x in (-0.001, 1.0, 2.5, 1 / 3)] == ["0", "1", "2.5", "0.33"]


def test_only_a_theme_that_follows_its_reader_has_a_style_sheet() -> None:
    canvas = paint.paint(scene())
    assert "<style>" not in svg_file(canvas, THEMES["light"])
    style = parsed(svg_file(canvas, THEMES["auto"])).findtext(f"{SVG}style") or ""
    assert style.startswith("@media (prefers-color-scheme: dark)")
    assert f".f-ink{{fill:{THEMES['dark']['ink']}}}" in style


def test_a_transparent_picture_has_no_ground() -> None:
    assert 'class="background"' not in svg_element(paint.paint(scene(), background=None), THEMES["light"])


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


BOX_FILLS = {look[0] for look in paint.KIND_LOOKS.values()} | {look[0] for look in paint.BOX_LOOKS.values() if look[0]}
TEXT_PAIRS = [
    *sorted(
        {
            (kind.color, fill)
            for role, kind in paint.TYPES.items()
            if role not in ("badge", "operation")  # the latter is a frame in a legend, and among the lines
            for fill in (*BOX_FILLS, "paper")
        }
    ),
    ("badge.text", "badge"),
    ("muted", "group"),
]
LINES = sorted(
    {look[1] for look in paint.KIND_LOOKS.values()} | {look[1] for look in paint.BOX_LOOKS.values() if look[1]}
)
LINES += sorted({look[0] for look in paint.ARROW_LOOKS.values()}) + [f"path.{i}" for i in range(4)]


def test_the_measure_of_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_words_and_lines_stand_out(theme) -> None:  # type: ignore[no-untyped-def]
    words = {pair: round(contrast(theme[pair[0]], theme[pair[1]]), 2) for pair in TEXT_PAIRS}
    lines = {role: round(contrast(theme[role], theme["paper"]), 2) for role in LINES}
    assert not {pair: ratio for pair, ratio in words.items() if ratio < 4.5}
    assert not {role: ratio for role, ratio in lines.items() if ratio < 3}
