"""Mathematics is set in every format: variables in italics, words upright, an index lowered; and it stays text."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from small_film import HOSTILE

import graphviz_ad as gad
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.paint import SMALL, TEXT, line_marks, line_size
from graphviz_ad._internal.scene.scene import Line, Ratio
from graphviz_ad._internal.scene.set_text import SCRIPT, runs_of, runs_of_label


def marked(text: str) -> str:
    """A text with its italics in slashes and what is lowered in angles."""
    return "".join(
        f"<{run.text}>" if run.lowered else f"/{run.text}/" if run.italic else run.text for run in runs_of(text)
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("q = x₁ + x₂", "/q/ = /x₁/ + /x₂/"),
        ("h = tanh(w·x + b)", "/h/ = tanh(/w/·/x/ + /b/)"),
        ("loss = mean(v₂)", "loss = mean(/v₂/)"),
        ("∂v₇/∂x = 3x²", "/∂v₇/∂x/ = 3/x/²"),
        ("dL/dx₁ = dL/dq · ∂q/∂x₁", "/dL/dx₁/ = /dL/dq/ · /∂q/∂x₁/"),
        ("d loss/dx = ∂loss/∂v₁·x", "d loss/dx = ∂loss/∂v₁·/x/"),
        ("dx / dy", "dx / dy"),
        ("k = W_q·z", "/k/ = /W/<q>·/z/"),
        ("f32[64,784]", "f32[64,784]"),
        ("1.2e−5 × σ(z)", "1.2e−5 × σ(/z/)"),
        ("a_b_c + x__1 + x_", "a_b_c + x__1 + x_"),
        ("fc1.weight", "fc1.weight"),
        ("−5", "−5"),
        ("", ""),
    ],
)
def test_letters_are_variables_and_words_are_words(text: str, shown: str) -> None:
    assert marked(text) == shown


@settings(max_examples=200)
@given(some.text(max_size=20) | some.from_regex(r"([a-zσ]_?[a-z0-9₁]?[ =·+/(d]){1,6}", fullmatch=True))
def test_nothing_is_lost_and_nothing_is_wider_than_plain_text(text: str) -> None:
    label = Label(0, 0, text, TEXT, math=True)
    runs = runs_of_label(label)
    assert re.sub("_", "", "".join(run.text for run in runs)) == re.sub("_", "", visible(text))
    wide = sum(text_width(run.text, TEXT * (SCRIPT if run.lowered else 1)) for run in runs)
    assert wide <= text_width(visible(text), TEXT) + 1e-6
    assert SCRIPT * TEXT >= SMALL


def test_a_derivative_is_a_fraction_in_the_room_of_its_line() -> None:
    ratio = Ratio("∂q/∂den = −0.5", "∂q", "∂den", "= −0.5")
    line = Line("local", ratio.said, "derivative", ratio=ratio)
    width, height = line_size(line)
    above, bar, below, rest = line_marks(line, (100, 100 + width), 50, "e")
    assert isinstance(bar, Rect)
    assert [mark.text for mark in (above, below, rest) if isinstance(mark, Label)] == ["∂q", "∂den", "= −0.5"]
    assert above.x == below.x == bar.x + bar.width / 2
    assert above.y < bar.y < rest.y < below.y < 50 + height
    assert bar.x == pytest.approx(100)
    assert rest.x + text_width(ratio.rest, TEXT) == pytest.approx(100 + width)
    assert width < text_width(line.text, TEXT) + 2
    (other,) = line_marks(replace(line, text="·"), (100, 100 + width), 50, "e")
    assert isinstance(other, Label)
    assert line_size(replace(line, text="·")) == (width, height)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_is_never_more_than_text(text: str) -> None:
    plain, math = (runs_of_label(Label(0, 0, text, TEXT, math=math)) for math in (False, True))
    assert "".join(run.text for run in math).replace("_", "") == plain[0].text.replace("_", "")


def attention(W_q, x1):  # type: ignore[no-untyped-def]
    q = W_q * x1
    return q.tanh()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("math")
    graph = gad.trace(attention, 0.5, 2.0)
    for suffix in ("svg", "tikz", "dot", "pdf"):
        graph.save(folder / f"p.{suffix}", layout="layered")
    graph.animate(layout="layered").save(folder / "p.pptx")
    return folder


def test_every_format_has_italics_and_a_lowered_index(saved: Path) -> None:
    svg = (saved / "p.svg").read_text("utf-8")
    assert '<tspan font-style="italic">q</tspan> = <tspan font-style="italic">W</tspan><tspan dy="1.8"' in svg
    assert 'font-style="italic">q</tspan><tspan dy="-1.8">·</tspan><tspan font-style="italic">x₁</tspan><' in svg
    assert r"\ensuremath{W}\textsubscript{\ensuremath{q}}" in (saved / "p.tikz").read_text("utf-8")
    assert "<I>W</I><SUB><I>q</I></SUB>·<I>x₁</I>" in (saved / "p.dot").read_text("utf-8")
    with zipfile.ZipFile(io.BytesIO((saved / "p.pptx").read_bytes())) as deck:
        slide = deck.read("ppt/slides/slide1.xml").decode()
    assert re.search(r'b="1" i="1" baseline="-12000"[^>]*>.*?<a:t>q</a:t>', slide)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", (saved / "p.pdf").read_bytes(), re.DOTALL)
    drawn = b"\n".join(zlib.decompress(stream) for stream in streams if stream[:1] == b"\x78")
    assert re.search(rb" 12.6 Tf 1 0 0.194 -1 ", drawn)  # lowered, and slanted
