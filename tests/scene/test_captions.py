"""Captions: a formula with fractions, numbers, a sentence; large letters, inside the frame, each rule told once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_programs import PROGRAMS, film

from graphviz_ad._internal.film.story import Story, explained
from graphviz_ad._internal.operations.lessons import LESSON_OF, LESSONS
from graphviz_ad._internal.operations.rules import rule
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.captions import CAPTION, LEAST, SENTENCE, SIDE, SLOTS, caption_marks, caption_rows
from graphviz_ad._internal.scene.film_frame import BAR_ROOM, FOOT
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.paint import paint_frame
from graphviz_ad._internal.scene.scene import Step
from graphviz_ad._internal.scene.set_text import Fraction, with_fractions

NAMES = st.text(min_size=1, max_size=60)
TOP, BOTTOM = 720 - FOOT + 2, 720 - BAR_ROOM
WIDTHS = st.sampled_from([1280.0, 960.0, 640.0])


def extent(label: Label) -> tuple[float, float]:
    width = text_width(label.text, label.size, label.bold)
    start = {"start": label.x, "middle": label.x - width / 2, "end": label.x - width}[label.anchor]
    return start, start + width


@given(NAMES, NAMES, st.text(max_size=200), st.sampled_from(["", *LESSONS.values()]), WIDTHS)
def test_whatever_is_said_stays_in_the_frame(above: str, below: str, said: str, sentence: str, width: float) -> None:
    caption = (f"d {above}/d {below} = {said}", f"= {said}", f"= {above}")
    marks = list(caption_marks(Step("backward", caption, (), sentence=sentence), width, TOP, BOTTOM))
    for mark in marks:
        assert isinstance(mark, Label | Rect)
        if isinstance(mark, Label):
            left, right = extent(mark)
            assert left >= SIDE - 1
            assert right <= width - SIDE + 1
            assert mark.size >= LEAST
            assert mark.y - 0.76 * mark.size >= TOP
            assert mark.y + 0.24 * mark.size <= BOTTOM
        else:
            assert mark.x >= SIDE - 1
            assert mark.x + mark.width <= width - SIDE + 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_captions_say_is_whole_and_each_rule_is_said_once(name: str) -> None:
    shown = film(name).film
    told = [step.sentence for step in shown.steps if step.sentence]
    assert len(told) == len(set(told))
    used: set[str] = set()
    for index, step in enumerate(shown.steps):
        if step.sentence:
            assert any(step.sentence == LESSONS[rule] for rule in step.lessons)
        assert not (step.lessons and not step.sentence and {LESSONS[rule] for rule in step.lessons} - {*told})
        used |= {*step.lessons}
        rows = caption_rows(step, shown.size[0] - 2 * SIDE)
        assert not any(row.text.endswith("…") for row in rows)
        assert all(row.height <= slot for row, slot in zip(rows, SLOTS, strict=False))  # none touches the next
        painted = [m.text for m in paint_frame(shown, index).marks if isinstance(m, Label) and m.part == CAPTION]
        bars = {"/": "", " ": ""}  # a fraction has a bar for its slash
        written = "".join(row.text for row in rows if not row.stacked)
        assert "".join(painted).translate(str.maketrans(bars)).endswith(written.translate(str.maketrans(bars)))
    assert used or all(step.phase != "backward" for step in shown.steps)


def test_a_rule_is_explained_at_its_first_use_that_has_no_other_to_explain() -> None:
    steps = tuple(
        Step("backward", (), (), lessons=rules)
        for rules in (("chain rule", "product"), ("chain rule",), ("chain rule", "product"), ("product", "sine"))
    )
    said = [step.sentence for step in explained(Story((), steps)).steps]
    assert said == [LESSONS["chain rule"], "", LESSONS["product"], LESSONS["sine"]]


@pytest.mark.parametrize("sentence", LESSONS.values())
def test_every_lesson_is_one_sentence_on_one_row(sentence: str) -> None:
    assert text_width(sentence, SENTENCE) <= 1280 - 2 * SIDE
    assert sentence.endswith(".")
    assert ". " not in sentence


def test_lessons_are_of_operations_that_have_rules() -> None:
    for op, names in LESSON_OF.items():
        assert rule(op, 2).forward or rule(op, 1).forward, op
        assert {names} if isinstance(names, str) else {*names} <= {*LESSONS}


def test_derivatives_are_told_from_what_stands_between_them() -> None:
    assert with_fractions("d loss/dw gets d loss/d v₁ · ∂v₁/∂w") == (
        Fraction("d loss", "dw"), " gets ", Fraction("d loss", "d v₁"), " · ", Fraction("∂v₁", "∂w"),
    )  # fmt: skip
    assert with_fractions("p = e / total") == ("p = e / total",)
    assert sum(SLOTS) <= FOOT - 2 - BAR_ROOM
