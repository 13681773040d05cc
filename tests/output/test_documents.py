"""Documents: pages of a PDF, transcripts, figures for Quarto and MyST; files that belong together are written
together and replace nobody's.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from needed_tools import needs_package, needs_tool
from PIL import Image
from pypdf import PdfReader
from small_film import HOSTILE, hostile_film
from small_programs import graph

from graphviz_ad._internal.base.errors import MissingDependencyError, OptionError, SaveError, UnknownNameError
from graphviz_ad._internal.output.format_table import FILMS, STILLS
from graphviz_ad._internal.renderers.pages.transcript import markdown, myst, plain_transcript, quarto_figure
from graphviz_ad._internal.renderers.svg.still import prose
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.themes import THEMES


@cache
def lesson(**options: Any) -> Any:
    return graph("colah").animate(**options)


# ---- pages
# -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("aspect", "box"), [("16:9", [0, 0, 1280, 720]), ("4:3", [0, 0, 960, 720])])
def test_every_page_has_the_same_box_and_the_words_of_its_step(aspect: str, box: list[int]) -> None:
    made = lesson(aspect=aspect)
    reader = PdfReader(io.BytesIO(FILMS[".pdf"](made)))
    assert len(reader.pages) == len(made.steps)
    for step, page in enumerate(reader.pages):
        assert [list(found) for found in (page.mediabox, page.cropbox)] == [box, box]
        squeezed = "".join(page.extract_text().split())
        wanted = [mark.text for mark in paint.paint_frame(made.film, step).marks if isinstance(mark, Label)]
        assert all("".join(word.split()) in squeezed for word in wanted), step
    assert reader.metadata is not None
    assert (reader.metadata.title, reader.metadata.creator) == (made.film.title, "graphviz_ad")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_is_a_whole_slide_with_its_own_paper(theme: str, tmp_path: Path) -> None:
    needs_tool("pdftoppm")
    made = lesson(theme=theme)
    made.save(tmp_path / "f.pdf")
    subprocess.run(["pdftoppm", "-r", "36", "-f", "1", "-l", "1", "-png", "f.pdf", "p"], cwd=tmp_path, check=True)
    with Image.open(next(tmp_path.glob("p*.png"))) as image:
        assert image.convert("RGB").getpixel((3, 3)) == tuple(bytes.fromhex(made.theme["paper"][1:]))


def first_fill(theme: str) -> tuple[int, ...]:
    """The first colour that a still page is filled with."""
    content = PdfReader(io.BytesIO(STILLS[".pdf"](graph("colah").plot(theme=theme)))).pages[0].get_contents()
    assert content is not None
    found = re.search(rb"([\d.]+) ([\d.]+) ([\d.]+) rg", content.get_data())
    assert found is not None
    return tuple(round(255 * float(share)) for share in found.groups())


def test_a_dark_still_keeps_its_ground_and_a_light_one_has_none() -> None:
    assert first_fill("dark") == tuple(bytes.fromhex(THEMES["dark"]["paper"][1:]))
    assert first_fill("light") != (255, 255, 255)


# ---- words
# -------------------------------------------------------------------------------------------------------------------


def test_a_transcript_is_the_story_line_by_line() -> None:
    made = lesson()
    lines = FILMS[".txt"](made).decode().splitlines()
    assert lines[:3] == [made.film.title, made.film.stage.alt, ""]
    assert "\n".join(lines[3:]) == made.transcript()


def test_in_markdown_it_is_a_list() -> None:
    lines = FILMS[".md"](lesson()).decode().splitlines()
    steps = [line for line in lines if re.match(r"\d+\. ", line)]
    assert len(steps) == len(lesson().steps)
    assert steps[2] == "3. *forward:* **c = a + b** = 2 + 1 = 3"


def spoken(node: Any) -> str:
    """What pandoc reads in its tree; anything but words and emphasis is marked."""
    if isinstance(node, list):
        return "".join(map(spoken, node))
    kind, content = node["t"], node.get("c")
    if kind in ("Str", "Space", "SoftBreak"):
        return content if kind == "Str" else " "
    return spoken(content) if kind in ("Strong", "Emph", "Plain", "Para") else f"<<{kind}>>"


def read_by_pandoc(text: str, dialect: str) -> list[Any]:
    done = subprocess.run(["pandoc", "-f", dialect, "-t", "json"], input=text.encode(), capture_output=True, check=True)
    return list(json.loads(done.stdout)["blocks"])


@pytest.mark.parametrize("dialect", ["commonmark", "gfm", "markdown"])
def test_no_name_is_read_as_markdown(dialect: str) -> None:
    needs_tool("pandoc")
    for text in HOSTILE:
        title, alt, steps = read_by_pandoc(markdown(hostile_film(text)), dialect)
        wanted = " ".join(prose(text).split())
        assert [" ".join(spoken(block).replace("\xa0", " ").split()) for block in (title, alt)] == [wanted, wanted], (
            text
        )
        assert (steps["t"], len(steps["c"][1])) == ("OrderedList", 19)
        assert "<<" not in "".join(map(spoken, steps["c"][1])).replace(wanted, "")


def pictures(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [node] if node.get("t") == "Image" else [found for value in node.values() for found in pictures(value)]
    return [found for value in node for found in pictures(value)] if isinstance(node, list) else []


def test_quarto_has_a_picture_for_pages_and_one_for_print() -> None:
    needs_tool("pandoc")
    for text in ("a title", *HOSTILE):
        blocks = read_by_pandoc(quarto_figure(hostile_film(text), "lec4"), "markdown")
        found = pictures(blocks)
        assert [image["c"][2][0] for image in found] == ["lec4-film.svg", "lec4-film.png"]
        assert [dict(image["c"][0][2])["fig-alt"] for image in found] == [" ".join(prose(text).split())] * 2
        shown = [block["c"][0] for block in blocks if block["t"] == "Div"]
        assert [(classes, dict(rest)["when-format"]) for _, classes, rest in shown] == [
            (["content-visible"], "html"),
            (["content-hidden"], "html"),
        ]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_myst_figure_has_a_line_for_each_thing(text: str) -> None:
    lines = myst(hostile_film(text), "lec4").splitlines()
    assert lines[2] == "```{figure} lec4-film.*"
    assert lines[3] == f":alt: {' '.join(prose(text).split())}"
    assert [i for i, line in enumerate(lines) if line.startswith("```")] == [2, len(lines) - 1]


def test_plain_words_of_hostile_names_keep_to_their_lines() -> None:
    for text in HOSTILE:
        assert len(plain_transcript(hostile_film(text)).splitlines()) == 22


# ---- files
# -------------------------------------------------------------------------------------------------------------------


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_method_writes_what_belongs_together(tmp_path: Path) -> None:
    made = lesson()
    written = {
        made.to_beamer(tmp_path / "a"): {"a.tex", "a-film.pdf"},
        made.to_quarto(tmp_path / "b"): {"b.qmd", "b-film.svg", "b-film.png"},
        made.to_myst(tmp_path / "c.md"): {"c.md", "c-film.svg", "c-film.png"},
        made.to_reveal(tmp_path / "d"): {"d.reveal.html"},
        made.to_reveal(tmp_path / "e.html", mode="iframe"): {"e.html"},
        made.to_pptx(tmp_path / "f"): {"f.pptx"},
    }
    assert all(path.name in group for path, group in written.items())
    assert names(tmp_path) == set().union(*written.values())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    made.to_beamer(tmp_path / "a")
    made.to_quarto(tmp_path / "b")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_suffix_and_method_agree(tmp_path: Path) -> None:
    made = lesson()
    assert made.save(tmp_path / "a.svg").read_text("utf-8") == made.to_svg()
    assert (
        made.save(tmp_path / "a.html").read_text("utf-8")
        == made.to_html()
        == made.to_reveal(tmp_path / "b", mode="iframe").read_text("utf-8")
    )
    assert made.save(tmp_path / "a.reveal.html").read_bytes() == made.to_reveal(tmp_path / "c").read_bytes()
    assert made.save(tmp_path / "a.pptx").read_bytes() == made.to_pptx(tmp_path / "d").read_bytes()
    assert (
        made.save(tmp_path / "e.tex", mode="animate").read_bytes()
        == made.to_beamer(tmp_path / "e", mode="animate").read_bytes()
    )
    still = graph("colah").plot()
    assert still.save(tmp_path / "f.tikz").read_text() == still.to_tikz()
    assert still.save(tmp_path / "f.pgf").read_text() == still.to_pgf()
    assert made.frame(-1).save(tmp_path / "g.tikz").read_text() == made.frame(-1).to_tikz()


def test_a_graph_saves_the_forms_that_only_a_film_has(tmp_path: Path) -> None:
    assert graph("square").save(tmp_path / "g.txt").read_text("utf-8").count("step ") > 3
    assert graph("square").save(tmp_path / "g.tikz").read_text().startswith("%")


@pytest.mark.parametrize(
    ("call", "other"),
    [("to_beamer", "lec4-film.pdf"), ("to_quarto", "lec4-film.svg"), ("to_myst", "lec4.md"), ("to_beamer", "lec4.tex")],
)
def test_a_file_that_nobody_named_is_never_replaced(call: str, other: str, tmp_path: Path) -> None:
    (tmp_path / other).write_text("mine")
    with pytest.raises(SaveError, match=re.escape(f"{other}' for 'lec4.")) as caught:
        getattr(lesson(), call)(tmp_path / "lec4")
    assert "another file of that name is there; rename it, or give another name" in str(caught.value)
    assert names(tmp_path) == {other}
    assert (tmp_path / other).read_text() == "mine"


def test_a_file_that_is_named_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "lec4.tex").write_text("old")
    assert lesson().to_beamer(tmp_path / "lec4.tex").read_text() != "old"


@pytest.mark.parametrize(("call", "name"), [("to_beamer", "no/a"), ("to_myst", "no/a"), ("to_beamer", "b c.tex")])
def test_a_failed_save_leaves_nothing(call: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(SaveError):
        getattr(lesson(), call)(tmp_path / name)
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda made, at: made.save(at / "a.tex", mode="x"),
            OptionError,
            "mode='x' is no way to show a film in Beamer",
        ),
        (lambda made, at: made.save(at / "a.pptx", mode="x"), OptionError, "mode='x' is no kind of deck; give 'steps'"),
        (
            lambda made, at: made.to_reveal(at / "a", mode="x"),
            OptionError,
            "mode='x' is no way to show a film in reveal.js",
        ),
        (lambda made, at: made.save(at / "a.svg", loop=-1), OptionError, "loop=-1 is no number of times"),
        (lambda made, at: made.save(at / "a.txt", loop=1), OptionError, r"loop=1 is no option of \.txt; it has none"),
        (lambda made, at: made.save(at / "a.odp"), UnknownNameError, r"no film format named '\.odp'"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(
    call: Any, error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        call(lesson(), tmp_path)
    assert names(tmp_path) == set()


def test_a_movie_deck_without_an_encoder_offers_slides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs_package("pptx")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"graphviz-ad\[video\].*mode='steps' needs none"):
        lesson().to_pptx(tmp_path / "a", mode="video")


def test_a_movie_deck_holds_the_movie_that_is_saved_alone(tmp_path: Path) -> None:
    pptx = needs_package("pptx")
    needs_package("av")
    deck = pptx.Presentation(lesson().to_pptx(tmp_path / "a", mode="video"))
    (slide,) = deck.slides
    parts = {part.partname: part for part in slide.part.package.iter_parts()}
    (movie,) = [part for name, part in parts.items() if name.endswith(".mp4")]
    assert movie.blob == FILMS[".mp4"](lesson())
    with Image.open(io.BytesIO(slide.shapes[0].poster_frame.blob)) as poster:
        assert poster.size == (1280, 720)


def test_the_classroom_page_is_small() -> None:
    assert len(lesson().to_html().encode()) <= 60_000
