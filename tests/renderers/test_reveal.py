"""The slide for reveal.js: in a stand-in for its deck, each click shows the frame of the next step, and going back
shows the one before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from small_film import HOSTILE, film, hostile_film

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.pages.reveal import reveal_slide
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]
Open = Callable[..., Any]


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_add_no_elements(text: str) -> None:
    def tags(name: str) -> list[str]:
        found = Tags(reveal_slide(hostile_film(name), LIGHT)).found
        return [tag for tag in found if tag != "tspan"]  # of single letters, which are in italics

    assert tags(text) == tags("plain")


def test_it_is_one_section_that_loads_nothing_in_any_encoding() -> None:
    made = reveal_slide(film(), THEMES["auto"])
    assert made.isascii()
    assert made == reveal_slide(film(), THEMES["auto"])
    assert Tags(made).found.count("section") == 1
    assert made.startswith("<section>")
    assert not re.search(r"url\(|href|@import|<script|\bon\w+=", made)


def words(made: Film, step: int) -> list[str]:
    return sorted(
        visible(mark.text) for mark in paint.paint_frame(made, step).marks if isinstance(mark, Label) and mark.text
    )


# What reveal.js does with fragments: those of one index together get the class "visible", in order, and lose it in
# reverse.
DECK = """<!doctype html><meta charset="utf-8"><style>
.reveal .fragment { opacity: 0; visibility: hidden; transition: all .2s ease }
.reveal .fragment.visible, .reveal .fragment.fade-out { opacity: 1; visibility: inherit }
.reveal .fragment.fade-out.visible { opacity: 0; visibility: hidden }
.reveal .notes { display: none }
.r-stretch { height: 600px }
</style><div class="reveal"><div class="slides">SLIDES</div></div><script>
const fragments = [...document.querySelectorAll(".fragment")];
const last = Math.max(...fragments.map((fragment) => Number(fragment.dataset.fragmentIndex)));
window.clicks = last + 1;
window.go = (index) => fragments.forEach((fragment) => fragment.classList.toggle("visible", Number(fragment.dataset.fragmentIndex) < index));
</script>"""  # noqa: E501
SEEN = """() => {
  const isSeen = (e) => !e || (getComputedStyle(e).opacity === "1" && isSeen(e.parentElement));
  const texts = [...document.querySelectorAll("text")];
  return texts.filter((text) => getComputedStyle(text).visibility === "visible" && isSeen(text)).map((text) => text.textContent);
}"""  # noqa: E501


def test_a_click_is_a_step_back_as_well_as_forth(visit: Open) -> None:
    tab = visit(DECK.replace("SLIDES", reveal_slide(film(), LIGHT)), motion="no-preference")
    assert tab.evaluate("clicks") == 18
    for step in (*range(19), 12, 3, 0):
        tab.evaluate("(step) => go(step)", step)
        assert sorted(tab.evaluate(SEEN)) == words(film(), step), step


def test_by_itself_it_is_the_finished_picture_with_its_story(visit: Open) -> None:
    tab = visit(reveal_slide(film(), LIGHT))
    assert sorted(tab.evaluate(SEEN)) == words(film(), 18)
    assert tab.inner_text(".notes li >> nth=1") == "c = a + b = 2 + 1 = 3"


def test_a_deck_holds_several_films(visit: Open) -> None:
    other = hostile_film("other ")
    tab = visit(DECK.replace("SLIDES", reveal_slide(film(), LIGHT) + reveal_slide(other, THEMES["dark"])))
    ids = tab.eval_on_selector_all("[id]", "(all) => all.map((element) => element.id)")
    assert len(ids) == len(set(ids)) == 6
    tab.evaluate("(step) => go(step)", 4)
    assert sorted(tab.evaluate(SEEN)) == sorted([*words(film(), 4), *words(other, 4)])
