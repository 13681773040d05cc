"""Pages: self-contained and inert as text; in a real browser, they step, inspect, zoom and leave other things alone."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_film import HOSTILE, film, hostile_film, scene
from small_programs import graph

import graphviz_ad as gad
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.film.flights import motions
from graphviz_ad._internal.renderers.html.player import (
    film_widget,
    inspection_page,
    json_in_html,
    player_page,
    whole_page,
)
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.scene import Change, Fact, Film, Step
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]


def wide_film(copies: int, steps: int) -> Film:
    """The boxes and arrows of the small film several times over, all of them changing again and again."""
    small = film().stage
    boxes = tuple(replace(b, key=f"{b.key}{i}") for i in range(copies) for b in small.boxes)
    arrows = tuple(
        replace(a, key=f"{a.key}{i}", tail=f"{a.tail}{i}", head=f"{a.head}{i}")
        for i in range(copies)
        for a in small.arrows
    )
    changes = [Change(boxes[i % len(boxes)].key, "forward", (("value", str(i)),)) for i in range(steps)]
    moments = tuple(Step("forward", (f"step {i}",), (change,)) for i, change in enumerate(changes))
    return Film(replace(small, boxes=boxes, arrows=arrows), moments)


# ---- as text
# -----------------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=[])) | st.sampled_from(HOSTILE))
@settings(max_examples=100, deadline=None)
def test_data_in_a_page_is_inert_json(text: str) -> None:
    written = json_in_html([text])
    assert not set("<>&") & set(written)
    assert written.isascii()
    assert json.loads(written) == [text]


def test_json_refuses_what_a_browser_cannot_read() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_in_html(float("nan"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_add_no_elements(text: str) -> None:
    def tags(page: str) -> list[str]:
        return re.findall(r"<[a-z!/][a-z0-9]*", re.sub(r"</?tspan[^<>]*>", "", page))  # of letters in italics

    assert tags(player_page(hostile_film(text), LIGHT)) == tags(player_page(hostile_film("plain"), LIGHT))


@pytest.mark.parametrize(
    "made", [player_page(film(), THEMES["auto"]), inspection_page(scene(), THEMES["auto"])], ids=["film", "picture"]
)
def test_a_page_loads_nothing_and_says_so(made: str) -> None:
    assert re.findall(r"https?://[^\"' ]+", made) == []
    assert not re.search(r"\bon\w+=|eval\(|innerHTML|@import|url\(", made)
    assert '<html lang="en">' in made
    assert "default-src 'none'" in made


def test_the_same_film_has_the_same_bytes() -> None:
    assert player_page(film(), LIGHT) == player_page(film(), LIGHT)


def test_a_film_of_twelve_boxes_and_thirty_steps_is_small() -> None:
    two = wide_film(2, 1).stage
    once = film()
    steps = (*once.steps, *once.steps)[:30]
    doubled = [
        Step(s.phase, s.caption, tuple(replace(c, key=f"{c.key}{i % 2}") for c in s.changes))
        for i, s in enumerate(steps)
    ]
    opening = tuple(replace(c, key=f"{c.key}{i}") for i in (0, 1) for c in once.opening)
    assert len(player_page(Film(two, tuple(doubled), opening), LIGHT).encode()) < 64_000


def test_a_film_without_steps_is_a_picture() -> None:
    assert player_page(Film(scene(), ()), LIGHT) == inspection_page(scene(), LIGHT)


def test_a_page_needs_a_placed_scene() -> None:
    with pytest.raises(ValueError, match="run a layout first"):
        inspection_page(replace(scene(), size=None), LIGHT)


# ---- in a browser
# ------------------------------------------------------------------------------------------------------------

Open = Callable[..., Any]


def words(tab: Any, root: str = "") -> dict[str, list[str]]:
    """Key -> the words on every box and arrow, in order."""
    script = """(root) => {
      const words = {};
      for (const part of document.querySelectorAll(`${root} [data-key]`)) {
        const all = document.querySelectorAll(`${root} [data-part="${part.dataset.part}"] text:not(.glyph)`);
        words[part.dataset.key] = [...all].map((text) => text.textContent);
      }
      return words;
    }"""
    return dict(tab.evaluate(script, root))


def emphases(tab: Any) -> dict[str, str]:
    script = "(parts) => parts.map((part) => [part.dataset.key, part.dataset.emphasis])"
    return dict(tab.eval_on_selector_all("[data-key]", script))


def counter(tab: Any, root: str = "") -> str:
    return str(tab.text_content(f"{root} .gad-counter"))


def style(tab: Any, selector: str, name: str) -> str:
    return str(tab.eval_on_selector(selector, f"(element) => getComputedStyle(element).getPropertyValue('{name}')"))


def rgb(color: str) -> str:
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_a_film_starts_paused_on_the_finished_picture(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    assert counter(tab) == "step 19/19 · complete"
    assert words(tab)["b"] == ["b", "1", "grad 5"]
    tab.wait_for_timeout(100)
    assert tab.get_attribute("[data-action=play]", "aria-label") == "Play"


def test_every_step_shows_the_scene_of_that_step_from_either_side(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    order = [*range(len(film().steps)), 3, 12, 0, 18]
    for k in order:
        tab.eval_on_selector("input", "(e, k) => { e.value = k; e.dispatchEvent(new Event('input')); }", k)
        expected = film().scene(k)
        parts = (*expected.boxes, *expected.arrows)
        assert words(tab) == {part.key: [line.text for line in part.lines] for part in parts}, k
        assert emphases(tab) == {part.key: part.emphasis for part in parts}, k


def test_a_page_fills_boxes_as_the_picture_does(visit: Open) -> None:
    made = gad.trace(lambda a, b: torch.sin(a) * b + a, 0.5, 2.0).plot(layout="layered", overlay="gradient").scene
    fills = {box.key: next(m.fill for m in paint.box_marks(box) if m.part == "frame") for box in made.boxes}  # type: ignore[union-attr]
    assert len(set(fills.values())) > 2
    tab = visit(inspection_page(made, LIGHT))
    seen = {key: style(tab, f'.box[data-key="{key}"] .frame', "fill") for key in fills}
    assert seen == {key: rgb(LIGHT[fill]) for key, fill in fills.items()}  # type: ignore[index]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_looks_in_the_browser_are_the_looks_of_the_paint(visit: Open, theme: str) -> None:
    colors = THEMES[theme]
    tab = visit(player_page(film(), colors))
    for k in (1, 8, 9):
        tab.keyboard.press("Home")
        for _ in range(k):
            tab.keyboard.press("ArrowRight")
        for box in film().scene(k).boxes:
            frame = next(m for m in paint.box_marks(box) if m.part == "frame")
            seen = [
                style(tab, f'.box[data-key="{box.key}"] .frame', name) for name in ("fill", "stroke", "stroke-width")
            ]
            assert seen == [rgb(colors[frame.fill]), rgb(colors[frame.stroke]), f"{frame.line:g}px"], (k, box.key)  # type: ignore[union-attr, index]
        for arrow in film().scene(k).arrows:
            shaft = next(m for m in paint.arrow_marks(arrow) if m.part == "shaft")
            way = "with-gradients" if "backward" in arrow.emphasis else "with-values"
            seen = [
                style(tab, f'.arrow[data-key="{arrow.key}"] .{way} .shaft', name)
                for name in ("stroke", "stroke-width", "stroke-dasharray")
            ]
            dashes = ", ".join(f"{length:g}px" for length in shaft.dash) or "none"  # type: ignore[union-attr]
            assert seen == [rgb(colors[shaft.stroke]), f"{shaft.line:g}px", dashes], (k, arrow.key)  # type: ignore[union-attr, index]


def test_the_head_is_at_the_tail_only_while_gradients_flow(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    tab.keyboard.press("Home")

    def shown() -> list[bool]:
        return [bool(tab.is_visible(f'[data-key="c-e"] .{way} .head')) for way in ("with-values", "with-gradients")]

    for k in range(len(film().steps)):
        emphasis = film().scene(k).arrows[4].emphasis
        assert shown() == ([False, True] if "backward" in emphasis else [True, False]), k
        tab.keyboard.press("ArrowRight")


def test_the_first_step_forward_from_the_finished_picture_leads_to_the_beginning(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    last = counter(tab)
    tab.keyboard.press("ArrowRight")
    assert counter(tab).startswith("step 1/")
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowRight")
    assert counter(tab) == last


def test_keys_step_and_jump(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    seen = []
    for key in ("Home", "ArrowRight", "PageDown", "ArrowLeft", "PageUp", "End"):
        tab.keyboard.press(key)
        seen.append(counter(tab).split()[1])
    assert seen == ["1/19", "2/19", "3/19", "2/19", "1/19", "19/19"]
    tab.keyboard.press("Home")
    assert words(tab)["e"] == ["e", "·", "·"]
    assert words(tab)["a-c"] == ["", ""]
    assert not tab.is_visible(".words .ground")


def test_a_key_that_does_nothing_is_left_to_the_page_around(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    tab.evaluate(
        "() => { window.taken = []; addEventListener('keydown', (event) =>"
        " window.taken.push(event.defaultPrevented)); }"
    )
    for key in ("End", "PageDown", "ArrowRight", "PageUp", "PageDown", "Tab", "x", "Control+ArrowLeft"):
        tab.keyboard.press(key)
    assert tab.evaluate("taken.filter((_, i) => i !== 7)") == [True, False, False, True, True, False, False, False]


def test_buttons_do_what_they_are_called(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    seen = []
    for label in (
        "First step",
        "Next step",
        "Jump to the backward pass",
        "Previous step",
        "Last step",
        "Jump to the forward pass",
    ):
        tab.get_by_role("button", name=label).click()
        seen.append(counter(tab).split()[1])
    assert seen == ["1/19", "2/19", "8/19", "7/19", "19/19", "2/19"]
    assert tab.text_content(".gad-rule") == "c = a + b"
    assert tab.text_content(".gad-result") == "= 3"
    assert tab.get_attribute(".gad-caption", "aria-live") == "polite"


def test_play_runs_to_the_end_and_stops_there(visit: Open) -> None:
    tab = visit(player_page(replace(film(), speed=60.0), LIGHT))
    tab.keyboard.press("k")
    assert tab.get_attribute("[data-action=play]", "aria-label") == "Pause"
    tab.wait_for_selector("[data-action=play][aria-label=Play]")
    assert counter(tab) == "step 19/19 · complete"


def test_space_pauses_and_a_loop_goes_on(visit: Open) -> None:
    tab = visit(player_page(replace(film(), speed=60.0), LIGHT))
    tab.keyboard.press("l")
    tab.keyboard.press(" ")
    tab.wait_for_timeout(900)  # once through takes about half a second
    assert tab.get_attribute("[data-action=play]", "aria-label") == "Pause"
    tab.keyboard.press(" ")
    before = counter(tab)
    tab.wait_for_timeout(150)
    assert counter(tab) == before


def test_speed_help_and_focus(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    tab.keyboard.press("ArrowUp")
    assert tab.input_value(".gad-controls select") == "1.5"
    tab.keyboard.press("?")
    assert tab.is_visible(".gad-help")
    tab.keyboard.press("Escape")
    assert not tab.is_visible(".gad-help")
    smaller_side = (
        "(all) => all.map((e) => e.getBoundingClientRect()).filter((r) => r.width).map((r) => Math.min(r.width,"
        " r.height))"
    )
    sizes = tab.eval_on_selector_all(".gad button, .gad select, .gad input, .gad summary", smaller_side)
    assert min(sizes) >= 24
    assert tab.eval_on_selector_all(".gad button, .gad select, .gad input", "(all) => all.every((e) => e.ariaLabel)")


def test_tab_reaches_every_part_and_gets_out_again(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    seen = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("document.activeElement.dataset?.key ?? document.activeElement.tagName"))
    assert {box.key for box in film().stage.boxes} <= set(seen)
    assert "SUMMARY" in seen
    assert "BODY" in seen


def test_hover_focus_and_click_show_what_is_known(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    tab.hover('.box[data-key="c"]')
    assert tab.inner_text(".gad-card").split("\n") == ["c is a box", "value 3"]
    tab.mouse.move(2, 2)
    tab.wait_for_selector(".gad-card", state="hidden")
    tab.keyboard.press("Tab")
    assert "is an arrow" in tab.inner_text(".gad-card")
    tab.keyboard.press("Escape")
    assert not tab.is_visible(".gad-card")
    tab.click('.box[data-key="a"]')
    tab.mouse.move(2, 2)
    tab.wait_for_timeout(250)
    assert tab.inner_text(".gad-card").startswith("a is a box")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_shown_and_never_run(visit: Open, text: str) -> None:
    tab = visit(player_page(hostile_film(text), LIGHT))
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    tab.hover(".box >> nth=0")
    assert tab.text_content(".gad-card div") == visible(text)
    assert tab.text_content(".gad-rule") == visible(text)
    assert tab.text_content(".box .name") == visible(text)
    assert tab.title() == visible(text).strip(" ").replace("  ", " ")  # document.title squeezes spaces


def test_mathematics_is_set_again_when_its_number_is_known(visit: Open) -> None:
    made = gad.trace(lambda W_q, x1: torch.sin(W_q) * x1, 0.5, 2.0).animate(layout="layered").film
    tab = visit(player_page(made, LIGHT))

    def seen() -> tuple[bool, bool, str]:
        italic = "[...document.querySelectorAll('.gad-numbers i, .gad-rule i')].map((e) => e.textContent).join(' ')"
        fraction, words = (tab.locator(css).first.is_visible() for css in (".cells .ratio", "text[data-said]"))
        return fraction, words, str(tab.evaluate(italic))

    assert seen() == (True, False, "df/dx₁")
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    assert seen() == (False, False, "W x₁")
    tab.keyboard.press("End")
    assert seen() == (True, False, "df/dx₁")
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".gad-numbers sub").first.text_content() == "q"


def test_two_films_on_a_page_get_along(visit: Open) -> None:
    other = replace(film(), title="other")
    tab = visit(
        whole_page("two", film_widget(film(), LIGHT) + film_widget(other, THEMES["dark"]) + film_widget(film(), LIGHT))
    )
    ids = tab.eval_on_selector_all("[id]", "(all) => all.map((element) => element.id)")
    assert len(ids) == 3
    assert len(set(ids)) == 2  # equal films have equal names, and work none the less
    tab.keyboard.press("Home")  # nobody's: no film has the focus
    tab.click(".gad >> nth=1 >> [data-action=first]")
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".gad-counter").all_text_contents() == [
        "step 19/19 · complete",
        "step 2/19 · forward",
        "step 19/19 · complete",
    ]
    assert style(tab, ".gad >> nth=0", "background-color") != style(tab, ".gad >> nth=1", "background-color")
    assert tab.evaluate("() => Object.keys(window).filter((name) => /gad/i.test(name))") == []


def test_the_address_can_name_a_step(visit: Open) -> None:
    assert counter(visit(player_page(film(), LIGHT), "#step=7")) == "step 7/19 · forward"


@pytest.mark.parametrize(("motion", "still"), [("reduce", True), ("no-preference", False)])
def test_motion_is_the_readers_choice(visit: Open, motion: str, still: bool) -> None:
    tab = visit(player_page(film(), LIGHT), motion=motion)
    assert (style(tab, ".frame", "transition-duration") == "0s") is still
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    assert (tab.evaluate("document.getAnimations().length") == 0) is still


def test_auto_follows_the_reader(visit: Open) -> None:
    made = player_page(film(), THEMES["auto"])
    assert style(visit(made, scheme="light"), ".gad", "background-color") == rgb(THEMES["light"]["paper"])
    assert style(visit(made, scheme="dark"), ".box .name", "fill") == rgb(THEMES["dark"]["ink"])


def test_print_shows_the_finished_picture_and_nothing_to_press(visit: Open) -> None:
    tab = visit(player_page(film(), LIGHT))
    tab.keyboard.press("Home")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    assert words(tab)["b"] == ["b", "1", "grad 5"]
    assert not tab.is_visible(".gad-controls")
    tab.emulate_media(media="screen")
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert counter(tab).startswith("step 1/19")


def test_a_picture_zooms_pans_and_fits_again(visit: Open) -> None:
    tab = visit(inspection_page(scene(), LIGHT))

    def view() -> list[float]:
        return [float(x) for x in tab.get_attribute(".gad-picture", "viewBox").split()]

    whole = view()
    assert not tab.is_visible(".gad-caption")
    tab.mouse.move(500, 300)
    tab.mouse.wheel(0, -300)
    tab.wait_for_timeout(50)
    zoomed = view()
    assert zoomed[2] < whole[2]
    tab.mouse.down()
    tab.mouse.move(400, 300, steps=3)
    tab.mouse.up()
    assert view()[0] > zoomed[0]
    assert view()[2] == zoomed[2]
    tab.mouse.dblclick(500, 300)
    assert view() == whole
    tab.keyboard.press("+")
    assert view()[2] < whole[2]


TOUCHED = """(keys) => {
  const observer = new MutationObserver(() => {});
  const seen = ["data-emphasis", "data-blank", "class", "style"];
  observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributeFilter: seen });
  for (const key of keys) document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  return observer.takeRecords().length;
}"""


def touched(visit: Open, copies: int, name: str) -> int:
    """How often twenty steps change something to be seen on the page of a film of so many copies of the small graph."""
    tab = visit(player_page(wide_film(copies, 200), LIGHT), name=name)
    tab.evaluate(TOUCHED, ["Home"])
    count: int = tab.evaluate(TOUCHED, ["ArrowRight"] * 20)
    assert counter(tab) == "step 21/200 · forward"
    return count


def test_a_picture_that_would_be_too_small_as_a_whole_opens_in_letters_that_can_be_read(visit: Open) -> None:
    large = replace(scene(), size=(4000.0, 3000.0))
    tab = visit(inspection_page(large, LIGHT))
    sizes = """[...document.querySelectorAll(".gad-picture text")].map((text) =>
        parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
    stage = '(() => { const s = document.querySelector(".gad-stage"); return [s.scrollWidth, s.clientWidth]; })()'
    assert min(tab.evaluate(sizes)) >= 10.99
    assert operator.gt(*tab.evaluate(stage))
    assert not tab.locator(".gad-legend").first.is_visible()
    tab.locator(".gad-key summary").click()
    assert tab.locator(".gad-legend").first.is_visible()
    tab.locator('[data-action="zoom-fit"]').click()
    assert operator.le(*tab.evaluate(stage))
    assert min(tab.evaluate(sizes)) < 8
    tab.locator('[data-action="zoom-fit"]').click()
    assert min(tab.evaluate(sizes)) >= 10.99
    assert 'class="gad-key"' not in inspection_page(scene(), LIGHT)


def test_a_step_touches_what_changes_however_large_the_graph_is(visit: Open) -> None:
    assert 20 < touched(visit, 34, "large.html") < 1.2 * touched(visit, 2, "small.html")


def told(tab: Any, selector: str) -> list[str]:
    """What the card says when the pointer is on a part."""
    tab.hover(selector)
    return list(tab.inner_text(".gad-card").split("\n"))


def talking_film() -> Film:
    """The small film with facts that name numbers, as graphs have them."""
    small = film()
    boxes = tuple(
        replace(
            b,
            hover=(
                Fact("name", b.key),
                Fact("value", b.lines[1].text, "value"),
                *(Fact("gradient", line.text, "gradient") for line in b.lines[2:]),
            ),
        )
        for b in small.stage.boxes
    )
    arrows = tuple(
        replace(
            a, hover=(Fact("edge", a.key), *(Fact("flows back", line.text, "contribution") for line in a.lines[1:]))
        )
        for a in small.stage.arrows
    )
    return replace(small, stage=replace(small.stage, boxes=boxes, arrows=arrows))


def test_the_card_tells_only_what_is_computed_at_that_step(visit: Open) -> None:
    tab = visit(player_page(talking_film(), LIGHT))
    c = '.box[data-key="c"]'
    assert told(tab, c) == ["name: c", "value: 3", "gradient: grad 2"]
    tab.keyboard.press("Home")
    assert told(tab, c) == ["name: c", "value: not computed yet", "gradient: not computed yet"]
    assert tab.get_attribute(c, "aria-label") == "+ c · ·"
    assert tab.get_attribute(c, "aria-description") == "name: c; value: not computed yet; gradient: not computed yet"
    tab.keyboard.press("ArrowRight")  # the card is open and follows
    assert tab.inner_text(".gad-card").split("\n") == ["name: c", "value: 3", "gradient: not computed yet"]
    assert told(tab, '.box[data-key="one"]') == ["name: one", "value: 1"]
    edge = '.arrow[data-key="c-e"]'
    tab.focus(edge)
    assert tab.get_attribute(edge, "aria-label") == "edge: c-e; flows back: not computed yet"
    tab.keyboard.press("End")
    assert tab.get_attribute(edge, "aria-label") == "edge: c-e; flows back: ← 2"


def test_a_film_without_gradients_on_its_stage_does_not_tell_them(visit: Open) -> None:
    whole = talking_film()
    boxes = tuple(replace(b, lines=b.lines[:2]) for b in whole.stage.boxes)
    tab = visit(player_page(replace(whole, stage=replace(whole.stage, boxes=boxes)), LIGHT))
    assert told(tab, '.box[data-key="c"]') == ["name: c", "value: 3"]
    assert told(visit(inspection_page(whole.stage, LIGHT)), '.box[data-key="c"]') == [
        "name: c",
        "value: 3",
        "gradient: grad 2",
    ]


DECK = """<!doctype html><meta charset="utf-8"><button>deck</button><iframe src="film.html" width="900" height="640"></iframe>
<script>window.wishes = []; addEventListener("message", (event) => window.wishes.push(event.data));</script>"""  # noqa: E501


def deck(visit: Open, folder: Path, made: Film, motion: str = "no-preference") -> tuple[Any, Any]:
    """A page that treats the film in its frame as reveal.js does, and the frame."""
    (folder / "film.html").write_text(player_page(made, LIGHT), "utf-8")
    tab = visit(DECK, motion=motion)
    tab.frame_locator("iframe").locator(".gad-controls").wait_for()
    return tab, tab.frames[1]


def say(tab: Any, word: str) -> None:
    tab.evaluate("(word) => frames[0].postMessage(word, '*')", word)


def test_on_a_slide_the_film_plays_while_the_slide_is_shown(visit: Open, tmp_path: Path) -> None:
    tab, frame = deck(visit, tmp_path, replace(film(), speed=20.0))
    assert counter(frame) == "step 19/19 · complete"
    say(tab, "slide:start")
    frame.wait_for_selector("[data-playing]")
    say(tab, "slide:stop")
    frame.wait_for_selector(".gad:not([data-playing])")
    stopped = counter(frame)
    tab.wait_for_timeout(300)
    assert counter(frame) == stopped != "step 19/19 · complete"
    say(tab, "slide:start")
    frame.wait_for_selector(".gad:not([data-playing])")
    assert counter(frame) == "step 19/19 · complete"


def test_on_a_slide_the_film_waits_for_a_reader_who_wants_no_motion(visit: Open, tmp_path: Path) -> None:
    tab, frame = deck(visit, tmp_path, replace(film(), speed=20.0), "reduce")
    say(tab, "slide:start")
    tab.wait_for_timeout(200)
    assert counter(frame) == "step 19/19 · complete"


def test_keys_that_a_film_on_a_slide_has_no_use_for_reach_the_deck(visit: Open, tmp_path: Path) -> None:
    tab, frame = deck(visit, tmp_path, film())
    frame.focus("input")
    tab.keyboard.press("PageDown")  # no deck has said a word yet
    say(tab, "slide:start")
    frame.wait_for_selector("[data-playing]")
    for key in ("Home", "PageUp", "ArrowRight", "End", "PageDown", "b"):
        tab.keyboard.press(key)
    tab.wait_for_function("wishes.length === 3")
    assert tab.evaluate("wishes") == ['{"method":"prev"}', '{"method":"next"}', '{"method":"togglePause"}']
    assert counter(frame) == "step 19/19 · complete"


def test_a_box_opens_in_place_and_closes_again(browser: Any, tmp_path: Path) -> None:
    layers = [torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3)) for _ in range(30)]
    page_file = tmp_path / "page.html"
    gad.trace(torch.nn.Sequential(*layers), torch.ones(2, 3)).plot(fit="slide").save(page_file)
    page = browser.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(page_file.as_uri())
    signs = page.locator("a.gad-opens:visible")
    assert page.locator(".gad:visible").count() == 1
    sections = page.locator("section.gad-part").count()
    assert 0 < sections == signs.count()
    boxes = page.locator(".box:visible").count()
    signs.first.click()
    assert page.locator(".gad:visible").count() == 1
    assert page.locator("section.gad-part:visible .box").count() > boxes - sections
    page.get_by_text("← the whole").locator("visible=true").click()
    assert page.locator("section.gad-part:visible").count() == 0
    assert (page.locator(".box:visible").count(), failures) == (boxes, [])
    page.close()


MOTION = """() => { for (const one of document.getAnimations()) one.pause(); return [...document.querySelectorAll(".flying text")].map((text) => text.textContent); }"""  # noqa: E501
STATE = """() => [...document.querySelectorAll(".words, .box")].map((part) => [...part.querySelectorAll("text")].map((text) => text.textContent).join(" "))"""  # noqa: E501


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_numbers_are_on_their_way_for_readers_who_have_not_asked_for_rest(visit: Open, motion: str) -> None:
    made = graph("colah").animate(layout="layered").film
    tab = visit(player_page(made, THEMES["light"]), "#step=2", motion=motion)
    for step, moving in list(enumerate(motions(made)))[2:12]:
        tab.keyboard.press("ArrowRight")
        wanted = sorted(flight.line.text for flight in moving.flights) if motion == "no-preference" else []
        assert sorted(tab.evaluate(MOTION)) == wanted, step
    tab.keyboard.press("ArrowLeft")  # whoever goes back sees the step, at once
    assert tab.evaluate(MOTION) == []
    held = tab.evaluate(STATE)
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => !document.querySelector('.flying')")
    assert tab.evaluate(STATE) == held
