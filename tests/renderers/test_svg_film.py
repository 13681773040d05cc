"""Animated SVG: inert, small, and in a real browser each step at its time; the finished picture for everybody else."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from small_film import HOSTILE, film, hostile_film, scene
from small_programs import graph

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.film.flights import motions
from graphviz_ad._internal.renderers.svg.film import film_element, svg_film_file
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.curves import path_length
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]
SVG = "{http://www.w3.org/2000/svg}"
Open = Callable[..., Any]


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text.encode())


def words(made: Film, step: int) -> list[str]:
    """What stands on a frame."""
    return sorted(
        visible(mark.text) for mark in paint.paint_frame(made, step).marks if isinstance(mark, Label) and mark.text
    )


# ---- as text
# -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    made = hostile_film(text)
    root = parsed(svg_film_file(made, THEMES["auto"]))
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "style",
        "g",
        "rect",
        "path",
        "polygon",
        "text",
        "tspan",
    }
    assert {
        name.partition("}")[2] or name for e in root.iter() for name in e.attrib if name.startswith(("on", "href"))
    } == set()
    shown = ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]
    assert set(words(made, len(made.steps) - 1)) <= set(shown)
    assert set(shown) <= {word for step in range(len(made.steps)) for word in words(made, step)}


def test_it_loads_nothing_and_has_no_script() -> None:
    made = svg_film_file(film(), THEMES["auto"])
    assert not re.search(r"url\(|href|@import|<script|<animate|\bon\w+=", made)
    assert made.count("http") == 1  # the namespace


def test_the_same_film_has_the_same_bytes_and_other_films_other_names() -> None:
    assert svg_film_file(film(), LIGHT) == svg_film_file(film(), LIGHT)
    names = {
        parsed(svg_film_file(made, LIGHT)).get("id")
        for made in (film(), replace(film(), speed=2.0), replace(film(), title="other"))
    }
    assert len(names) == 3


def hidden(element: ET.Element, found: set[ET.Element], off: bool = False) -> set[ET.Element]:
    off = off or element.get("visibility") == "hidden"
    found.update([element] if off else [])
    for child in element:
        hidden(child, found, off)
    return found


def test_without_its_style_sheet_it_is_the_finished_picture() -> None:
    root = parsed(svg_film_file(film(), LIGHT))
    unseen = hidden(root, set())
    assert sorted("".join(e.itertext()) for e in root.iter(f"{SVG}text") if e not in unseen) == words(film(), 18)


def test_it_begins_on_the_finished_picture(visit: Open) -> None:
    tab = visit(svg_film_file(film(), LIGHT), name="film.svg", motion="no-preference")
    tab.evaluate(GO_TO, -0.9)
    assert sorted(tab.evaluate(SEEN)) == words(film(), 18)
    tab.evaluate(GO_TO, 0.02)
    assert sorted(tab.evaluate(SEEN)) == words(film(), 0)


def test_it_moves_only_on_a_screen_whose_reader_has_not_asked_for_rest() -> None:
    style = parsed(svg_film_file(film(), LIGHT)).findtext(f"{SVG}style") or ""
    assert style.startswith("@media screen and (prefers-reduced-motion:no-preference){")
    assert style.count("@keyframes") > 20
    assert "animation-iteration-count:infinite" in style
    assert "animation-iteration-count:3" in svg_film_file(film(), LIGHT, loop=3)


def test_a_film_without_steps_is_a_picture() -> None:
    assert "keyframes" not in svg_film_file(Film(scene(), ()), LIGHT)


def test_the_classroom_film_is_small() -> None:
    made = graph("colah").animate()
    assert len(made.to_svg().encode()) < 110_000
    assert len(svg_film_file(made.film, THEMES["auto"]).encode()) < 110_000


def test_a_curve_is_as_long_as_it_is() -> None:
    straight = ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0))
    assert path_length(straight) == pytest.approx(3)
    kappa = 0.5522847498
    quarter = ((1.0, 0.0), (1.0, kappa), (kappa, 1.0), (0.0, 1.0))
    assert path_length(quarter) == pytest.approx(1.5708, abs=0.001)
    assert path_length((*quarter, (-kappa, 1.0), (-1.0, kappa), (-1.0, 0.0))) == pytest.approx(3.1416, abs=0.002)


# ---- in a browser
# ------------------------------------------------------------------------------------------------------------

SEEN = """() => [...document.querySelectorAll("text")].filter((text) => getComputedStyle(text).visibility === "visible").map((text) => text.textContent)"""  # noqa: E501
GO_TO = (
    "(seconds) => document.getAnimations().forEach((animation) => { animation.pause(); animation.currentTime = seconds"
    " * 1000 + animation.effect.getTiming().delay; })"
)


def moments(made: Film) -> list[float]:
    """When each step begins."""
    return [0.0, *accumulate(made.seconds(i) for i in range(len(made.steps)))]


def test_each_step_is_seen_at_its_time(visit: Open) -> None:
    made = film()
    tab = visit(svg_film_file(made, LIGHT), name="film.svg", motion="no-preference")
    starts = moments(made)
    for step in range(len(made.steps)):
        for seconds in (starts[step] + 0.02, starts[step + 1] - 0.02):
            tab.evaluate(GO_TO, seconds)
            assert sorted(tab.evaluate(SEEN)) == words(made, step), (step, seconds)


def test_frames_look_like_the_frames_of_other_formats(visit: Open) -> None:
    made = film()
    tab = visit(svg_film_file(made, LIGHT), name="film.svg", motion="no-preference")
    tab.set_viewport_size({"width": 1280, "height": 720})
    for step in (1, 9, 18):
        tab.evaluate(GO_TO, moments(made)[step + 1] - 0.02)
        moving = tab.screenshot()
        still = visit(
            svg_film_file(Film(made.scene(step), ()), LIGHT).partition("<svg")[0] + frame(made, step), name="still.svg"
        )
        assert moving == still.screenshot(), step
        tab = visit(svg_film_file(made, LIGHT), name="film.svg", motion="no-preference")


def frame(made: Film, step: int) -> str:
    from graphviz_ad._internal.renderers.svg.still import svg_element

    return svg_element(paint.paint_frame(made, step), LIGHT)


def test_colour_runs_along_an_arrow_when_something_flows(visit: Open) -> None:
    made = film()
    tab = visit(svg_film_file(made, LIGHT), name="film.svg", motion="no-preference")
    dashes = """() => [...document.querySelectorAll("path")].filter((e) => getComputedStyle(e).visibility === "visible" && e.getAttribute("class"))
        .map((e) => parseFloat(getComputedStyle(e).strokeDasharray))"""  # noqa: E501
    tab.evaluate(GO_TO, moments(made)[1] + 0.1)
    early = tab.evaluate(dashes)
    tab.evaluate(GO_TO, moments(made)[1] + 0.44)
    late = tab.evaluate(dashes)
    assert len(early) == 2
    assert all(0 < before < after for before, after in zip(early, late, strict=True))
    tab.evaluate(GO_TO, moments(made)[12] + 0.9)  # a gradient flows: its line is dashed again when it has arrived
    assert tab.evaluate(dashes)[0] == pytest.approx(9 * paint.frame_fit(made.stage, made.size)[0], abs=0.01)


def test_a_reader_who_wants_no_motion_sees_the_finished_picture(visit: Open) -> None:
    tab = visit(svg_film_file(film(), LIGHT), name="film.svg", motion="reduce")
    assert tab.evaluate("document.getAnimations().length") == 0
    assert sorted(tab.evaluate(SEEN)) == words(film(), 18)


@pytest.mark.parametrize("flags", [(), ("--force-prefers-reduced-motion",)], ids=["motion", "no motion"])
def test_it_plays_inside_an_image_but_not_for_who_wants_no_motion(
    launch: Open, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    made = replace(film(), speed=8.0)
    (tmp_path / "film.svg").write_text(svg_film_file(made, LIGHT), "utf-8")
    (tmp_path / "last.svg").write_text(frame(made, 18), "utf-8")
    (tmp_path / "page.html").write_text(
        '<!doctype html><style>*{margin:0;display:block;width:800px}</style><img src="film.svg"><img src="last.svg">',
        "utf-8",
    )
    tab = launch(*flags).new_page()  # what a page emulates does not reach into its images
    tab.goto((tmp_path / "page.html").as_uri())
    moving, last = tab.query_selector_all("img")
    seen = set()
    for _ in range(4):
        seen.add(moving.screenshot())
        tab.wait_for_timeout(250)
    assert (len(seen) == 1) if flags else len(seen) > 2
    if flags:
        assert alike(seen.pop(), last.screenshot())


def alike(one: bytes, other: bytes) -> bool:
    """Whether two screenshots differ by no more than where on the screen they were drawn."""
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in (one, other)]
    return max(high for _, high in ImageChops.difference(*pictures).getextrema()) < 40


def test_the_pointer_holds_it(visit: Open) -> None:
    tab = visit(svg_film_file(film(), LIGHT), name="film.svg", motion="no-preference")
    states = "() => [...new Set(document.getAnimations().map((animation) => animation.playState))]"
    assert tab.evaluate(states) == ["running"]
    tab.mouse.move(300, 200)
    tab.wait_for_timeout(60)
    assert tab.evaluate(states) == ["paused"]


def test_films_in_one_page_keep_their_own_time(visit: Open) -> None:
    slow, fast = film(), replace(film(), speed=4.0)
    page = (
        f'<!doctype html><meta charset="utf-8"><div id="a">{film_element(slow, LIGHT)}</div><div'
        f' id="b">{film_element(fast, LIGHT)}</div>'
    )
    tab = visit(page, motion="no-preference")
    tab.evaluate(GO_TO, 2.0)
    seen = (
        "(id) => [...document.querySelectorAll(`#${id} text`)].filter((e) => getComputedStyle(e).visibility ==="
        " 'visible').map((e) => e.textContent)"
    )
    assert sorted(tab.evaluate(seen, "a")) == words(slow, 1)
    step = next(i for i, start in enumerate(moments(fast)) if start > 2.0) - 1
    assert sorted(tab.evaluate(seen, "b")) == words(fast, step)


def test_auto_follows_the_reader(visit: Open) -> None:
    tab = visit(svg_film_file(film(), THEMES["auto"]), name="film.svg", scheme="dark")
    fill = tab.eval_on_selector("rect", "(e) => getComputedStyle(e).fill")
    paper = THEMES["dark"]["paper"]
    assert fill == f"rgb({int(paper[1:3], 16)}, {int(paper[3:5], 16)}, {int(paper[5:7], 16)})"


def test_numbers_are_on_their_way_where_their_flights_say(visit: Open) -> None:
    made = graph("colah").animate(layout="layered").film
    tab = visit(svg_film_file(made, LIGHT), name="film.svg", motion="no-preference")
    starts, (scale, dx, dy) = moments(made), paint.frame_fit(made.stage, made.size)
    flown = "() => [...document.querySelectorAll('[class^=m]')].filter((g) => getComputedStyle(g).visibility === 'visible').map((g) => { const { x, y, width, height } = g.firstChild.getBoundingClientRect(); return [g.textContent, x + width / 2, y + height / 2]; })"  # noqa: E501
    for step, motion in enumerate(motions(made)):
        for share in (0.05, 0.5, 0.97) if motion.flights else ():
            tab.evaluate(GO_TO, starts[step] + share * motion.seconds)
            seen = [flight for flight in motion.flights if flight.seen(share)]
            wanted = [(flight.line.text, *flight.middles([share])[0]) for flight in seen]
            found = tab.evaluate(flown)
            assert [text for text, *_ in found] == [text for text, *_ in wanted], (step, share)
            for (_, x, y), (_, to_x, to_y) in zip(found, wanted, strict=True):
                assert abs(x - to_x * scale - dx) + abs(y - to_y * scale - dy) < 6
        tab.evaluate(GO_TO, starts[step + 1] - 0.02)
        assert tab.evaluate(flown) == []
        assert sorted(tab.evaluate(SEEN)) == words(made, step)
