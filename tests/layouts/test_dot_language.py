"""Scene -> DOT: nothing that a user writes can change what the source means."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needed_tools import needs_tool

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.layouts.dot_language import MANY_BOXES, html_text, layout_source, quote, readable_source
from graphviz_ad._internal.layouts.graphviz_wasm import graphviz_output
from graphviz_ad._internal.scene.paint import TYPES
from graphviz_ad._internal.scene.scene import Arrow, Box, Fact, Group, Line, Scene
from graphviz_ad._internal.scene.themes import THEMES

SVG = "{http://www.w3.org/2000/svg}"
NASTY = [
    'a"b\\',
    "Foo<Bar>",
    "<lambda>",
    "<b>x</b>",
    "</script><script>",
    '<IMG SRC="/etc/passwd">',
    "&lt;b&gt; &#0; &nosuch;",
    "\\N \\G \\L \\E \\T \\H \\l \\r",
    "trailing \\",
]
NASTY += [
    "a:b:c",
    "a->b",
    "javascript:x",
    "\x00\x1b[31m\x7f\x85",
    "\ud800",
    "\uffff\ufdd0\U0001ffff",
    "\u202eevil",
    "\u2028\u2029\ufeff",
    "a\r\nb\tc",
    "__proto__ ${x} %s",
    "👩‍👩‍👧 漢字 é",
    "]; }",
    "/* */ //",
    "# x",
    "A" * 300,
]
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40) | st.lists(
    st.sampled_from(NASTY), max_size=3
).map("".join)


def drawn(text: str) -> str:
    """The words of an SVG picture whose only label is this text."""
    picture = ElementTree.fromstring(
        graphviz_output(f"digraph {{ a [label={quote(text)} tooltip={quote(text)}] }}", "svg")
    )
    return "".join("".join(item.itertext()) for item in picture.iter(SVG + "text"))


def shown(text: str) -> str:
    return re.sub("\u00a0", " ", visible(text))


@settings(max_examples=200, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_is_drawn_as_it_is(text: str) -> None:
    assert re.sub("\u00a0", " ", drawn(text)) == shown(text)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_is_drawn_as_it_is(text: str) -> None:
    assert re.sub("\u00a0", " ", drawn(text)) == shown(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain π ∂", "plain π ∂"),
        ("a\nb", "a↵b"),
        ("\x00\t\x1b\x7f", "␀␉␛␡"),
        ("\x85\u2028\ufeff\u202e", "\\u0085\\u2028\\uFEFF\\u202E"),
        ("\ud800\uffff", "\\uD800\\uFFFF"),
        ("x" * 201, "x" * 200 + "…"),
        ("x" * 200, "x" * 200),
    ],
)
def test_hidden_characters_become_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(text=ANY_TEXT)
def test_visible_text_can_be_encoded_and_has_one_line(text: str) -> None:
    assert len(visible(text).encode().splitlines()) <= 1


def scene_with(text: str) -> Scene:
    words = (Line("name", text), Line("value", "1.5"))
    boxes = tuple(
        Box(
            f"k{i}{text}",
            kind,
            words,
            150,
            60,
            badge="+",
            double=kind == "op",
            warning=kind == "data",
            hover=(Fact("", text), Fact("", text)),
        )
        for i, kind in enumerate(("leaf", "data", "op", "module"))
    )
    ends = [(boxes[0], boxes[2]), (boxes[1], boxes[2]), (boxes[2], boxes[3])]
    styles = zip(ends, ("solid", "cut", "guess"), ((), (0, 1), (4,)), strict=True)
    arrows = tuple(
        Arrow(text + str(i), a.key, b.key, words[:1], 70, 30, style, text, trails=trails)
        for i, ((a, b), style, trails) in enumerate(styles)
    )
    groups = (Group("outer" + text, text, (boxes[0].key,)), Group("inner", text, (boxes[2].key,), "outer" + text))
    return Scene(boxes, arrows, groups, title=text, alt=text, notes=(text,))


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES.keys())
def test_readable_source_draws_in_every_theme(theme: object) -> None:
    picture = ElementTree.fromstring(graphviz_output(readable_source(scene_with("sin(x)"), theme), "svg"))  # type: ignore[arg-type]
    classes = [item.get("class") for item in picture.iter(SVG + "g")]
    assert [classes.count(kind) for kind in ("node", "edge", "cluster")] == [4, 3, 2]


@settings(max_examples=40, deadline=None)
@given(text=ANY_TEXT)
def test_no_text_changes_the_structure_of_readable_source(text: str) -> None:
    picture = ElementTree.fromstring(graphviz_output(readable_source(scene_with(text), THEMES["light"]), "svg"))
    classes = [item.get("class") for item in picture.iter(SVG + "g")]
    assert [classes.count(kind) for kind in ("node", "edge", "cluster")] == [4, 3, 2]
    assert {item.tag.removeprefix(SVG) for item in picture.iter()} <= {
        "svg",
        "g",
        "title",
        "text",
        "polygon",
        "polyline",
        "path",
        "ellipse",
        "a",
    }
    assert not [
        name
        for item in picture.iter()
        for name in item.attrib
        if name.startswith("on") or (name.endswith("href") and item.get(name))
    ]


def test_readable_source_is_the_same_each_time_and_says_what_it_shows() -> None:
    source = readable_source(scene_with("sin"), THEMES["light"])
    assert source == readable_source(scene_with("sin"), THEMES["light"])
    assert ">sin</B></FONT>" in source
    assert f'COLOR="{THEMES["light"]["value"]}"><B>1.5</B></FONT>' in source
    assert re.search(r"b1 -> b2 \[.*style=dotted", source)
    assert re.search(r"b2 \[.*peripheries=2", source)


@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
def test_labels_are_markup_that_says_exactly_what_is_visible(text: str) -> None:
    source = html_text(text, TYPES["name"], THEMES["light"])
    shown = "".join(ElementTree.fromstring(source).itertext()) if source else ""
    assert shown.replace("\xa0", " ") == visible(text).replace("\\", "\\\\").replace("\xa0", " ")


@pytest.mark.parametrize("role", ["value", "name"])
def test_dot_itself_shows_hostile_names_as_they_are(role: str) -> None:
    program = needs_tool("dot")
    texts = [*NASTY, r"\N \G \\", "a & b &lt; &amp; <b>", "  two  spaces  ", "]]>", "<!-- -->", "%s {x|y}", "'"]
    scene = replace(scene_with("x"), boxes=(Box("k", "op", tuple(Line(role, text) for text in texts), 9, 9),))
    source = readable_source(replace(scene, arrows=(), groups=(), title="", notes=()), THEMES["light"])
    done = subprocess.run([program, "-Tsvg"], input=source.encode(), capture_output=True)
    assert done.stderr == b""
    drawn = ElementTree.fromstring(done.stdout)
    found = [item.text.replace("\xa0", " ") for item in drawn.iter(SVG + "text") if item.text]
    if role == "value":
        assert found[: len(texts)] == [visible(text) for text in texts]
    else:  # variables in italics are texts of their own there
        assert "".join(found).startswith("".join(visible(text) for text in texts))


@given(text=ANY_TEXT)
def test_layout_source_has_no_word_of_the_user(text: str) -> None:
    assert layout_source(scene_with("zq" + text)).isascii()
    assert "zq" not in layout_source(scene_with("zq" + text))


def test_large_scenes_are_placed_with_less_care() -> None:
    many = Scene(tuple(Box(str(i), "op", (), 10, 10) for i in range(MANY_BOXES + 1)), ())
    assert "nslimit=0.1" in layout_source(many)
    assert "nslimit" not in layout_source(scene_with("x"))


@pytest.mark.parametrize("size", [(70, 30), (3, 2), (6, 7), (400, 90), (12, 200)])
def test_labels_reserve_their_room_whatever_fonts_are_there(size: tuple[float, float]) -> None:
    scene = Scene(
        (Box("x", "op", (), 20, 20), Box("y", "op", (), 20, 20)), (Arrow("e", "x", "y", (Line("local", "1"),), *size),)
    )
    words = graphviz_output(layout_source(scene), "plain").decode().splitlines()
    length, breadth = (float(number) * 72 for number in words[0].split()[2:4])
    assert length >= 40 + size[0]
    assert size[1] - 0.1 <= breadth <= size[1] + 42
