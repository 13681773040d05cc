"""LaTeX: hostile names print as they are, pictures compile in any document, and Beamer shows page after page, a
handout the last.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from architectures import ARCHITECTURES
from hypothesis import given, settings
from hypothesis import strategies as st
from needed_tools import needs_style, needs_tool
from pypdf import PdfReader
from small_film import HOSTILE, film, hostile_film, scene

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, SaveError
from graphviz_ad._internal.renderers.latex.beamer import beamer_file
from graphviz_ad._internal.renderers.latex.latex_text import latex_text
from graphviz_ad._internal.renderers.latex.tikz import pgf_picture, tikz_picture
from graphviz_ad._internal.renderers.pages.pdf import film_pdf
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import THEMES

LIGHT = THEMES["light"]
any_text = st.text(st.characters(exclude_categories=[]), max_size=60) | st.sampled_from(HOSTILE)


# ---- as text
# -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("50% of $x_1$ & {y} #3 ~z^2", r"50\% of \$x\_1\$ \& \{y\} \#3 \textasciitilde{}z\textasciicircum{}2"),
        (r"\end{document}", r"\textbackslash{}end\{document\}"),
        ("∂c/∂a = −2", r"\ensuremath{\partial}c/\ensuremath{\partial}a = \ensuremath{-}2"),
        ("σ(z)₁² eˣ", r"\ensuremath{\sigma}(z)\textsubscript{1}\textsuperscript{2} e\textsuperscript{x}"),
        ("a--b,,c<<d", r"a{-}{-}b{,}{,}c\ensuremath{<}\ensuremath{<}d"),
        ("  two  ", "\\ \\ two\\ \\ "),
        ("é ß ȧ", r"\'{e} \ss{} \.{a}"),
        ("行", r"\gadchar{34892}{884C}"),
    ],
)
def test_text_is_written_as_latex_prints_it(text: str, tex: str) -> None:
    assert latex_text(text).replace("two \\ ", "two\\ \\ ") == tex


@given(any_text)
@settings(max_examples=300, deadline=None)
def test_any_text_is_balanced_ascii_without_comments_and_unknown_commands(text: str) -> None:
    tex = latex_text(text)
    assert tex.isascii()
    assert tex.isprintable()
    bare = re.sub(r"\\[{}$&#_%]", "", tex)  # printed characters
    assert not set("$&#%~^_") & set(re.sub(r"\{\}\^\{\\mathsf\{T\}\}|\\[\^~]\{", "", bare))
    depth = 0
    for char in bare:
        depth += {"{": 1, "}": -1}.get(char, 0)
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize("render", [tikz_picture, pgf_picture])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_picture_of_hostile_names_has_the_commands_of_any_other(render, text: str) -> None:  # type: ignore[no-untyped-def]
    def commands(written: str) -> list[str]:
        return re.findall(r"^\\[a-z]+(?:\{[a-z]+\})?", written, re.MULTILINE)

    made = render(paint.paint(hostile_film(text).stage), LIGHT)
    assert made.isascii()
    assert commands(made) == commands(render(paint.paint(hostile_film("plain").stage), LIGHT))


def test_a_picture_defines_the_colours_that_it_uses_and_no_others() -> None:
    made = tikz_picture(paint.paint(scene()), LIGHT)
    defined = re.findall(r"\\definecolor\{([^}]+)\}\{HTML\}\{[0-9A-F]{6}\}", made)
    assert (
        set(defined)
        == set(re.findall(r"(?:fill|draw|text)=([a-z0-9.-]+)", made))
        == set(re.findall(r"gad-[a-z0-9-]+", made))
    )


def test_a_dark_picture_brings_its_ground_and_a_light_one_none() -> None:
    canvas = paint.paint(scene())
    assert (
        f"rectangle ({canvas.width:g},"
        in tikz_picture(canvas, THEMES["dark"]).partition("use as bounding box")[2].partition("\n")[2]
    )
    assert "gad-paper" not in tikz_picture(replace(canvas, marks=()), LIGHT)


def test_beamer_has_a_page_a_step_and_for_handouts_the_last() -> None:
    made = beamer_file(film(), "lesson")
    shown = re.findall(
        r"\\includegraphics<(\d+)\|handout:(\d)>\[[^]]*page=(\d+)\]\{\\gadfolder lesson-film\.pdf\}", made
    )
    assert shown == [(str(i), str(int(i == 19)), str(i)) for i in range(1, 20)]


def test_beamer_plays_at_the_pace_of_the_film() -> None:
    made = beamer_file(film(), "lesson", "animate")
    assert (
        r"\animategraphics[width=\gadwidth,height=\gadheight,keepaspectratio,controls={play,step,stop,speed},poster=last,timeline=lesson.tln"
        in made
    )
    rates = re.findall(r"\{:([\d.]+):(\d+)\}", made)
    assert [1 / float(rate) for rate, _ in rates] == [pytest.approx(film().seconds(i), rel=1e-3) for i in range(19)]
    assert [int(page) for _, page in rates] == list(range(19))


def test_what_beamer_cannot_do_is_said() -> None:
    with pytest.raises(OptionError, match="mode='gif' is no way to show a film in Beamer; give 'overlay'"):
        beamer_file(film(), "lesson", "gif")
    with pytest.raises(SaveError, match="LaTeX may not find a file named 'my 50% film'"):
        beamer_file(film(), "my 50% film")


# ---- compiled
# ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["pdflatex", "lualatex"])
def engine(request: pytest.FixtureRequest) -> str:
    return needs_tool(request.param)


@pytest.fixture
def usual_engine() -> str:
    return needs_tool("pdflatex")


def compiled(engine: str, folder: Path, source: str, name: str = "main") -> PdfReader:
    (folder / f"{name}.tex").write_text(source, "utf-8")
    return run(engine, folder, name)


def run(engine: str, folder: Path, name: str, *options: str) -> PdfReader:
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", *options, name]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-1500:]
    return PdfReader(folder / f"{name}.pdf")


def put(folder: Path, made: Film, name: str, mode: str = "overlay") -> None:
    """What `to_beamer` writes."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.tex").write_text(beamer_file(made, name, mode), "utf-8")
    (folder / f"{name}-film.pdf").write_bytes(film_pdf(made, LIGHT))


def test_pictures_of_every_name_compile_and_print_it(engine: str, tmp_path: Path) -> None:
    needs_style("article.cls")
    needs_style("tikz.sty")
    texts = ("plain words", *HOSTILE)
    for i, text in enumerate(texts):
        canvas = paint.paint(hostile_film(text).stage)
        (tmp_path / f"{i}.tikz").write_text(tikz_picture(canvas, LIGHT), "ascii")
        (tmp_path / f"{i}.pgf").write_text(pgf_picture(canvas, LIGHT), "ascii")
    pages = "".join(rf"\input{{{i}.{kind}}}\newpage" + "\n" for i in range(len(texts)) for kind in ("tikz", "pgf"))
    reader = compiled(
        engine, tmp_path, r"\documentclass{article}\usepackage{tikz}\begin{document}" + f"\n{pages}" + r"\end{document}"
    )
    assert len(reader.pages) == 2 * len(texts)
    assert "plain words" in reader.pages[0].extract_text()
    assert "plain words" in reader.pages[1].extract_text()
    squeezed = ["".join(page.extract_text().split()) for page in reader.pages[2:]]
    for sample in ("Foo<Bar><lambda>", "&lt;b&gt;", "{{x}}%s", "$5"):
        assert sum(sample in page for page in squeezed) == 2, sample


def test_figures_of_architectures_in_every_style_compile_with_a_frame_of_their_films(
    usual_engine: str, tmp_path: Path
) -> None:
    needs_style("article.cls")
    needs_style("tikz.sty")
    names = []
    for name, style in (("deep", "layers"), ("deep", "neurons"), ("lenet", "blocks")):
        model, args = ARCHITECTURES[name]()
        drawn = gad.diagram({name: model}, *args, style=style)
        names += [drawn.save(tmp_path / f"{len(names)}.tikz").name]
    names += [drawn.animate().frame(-2).save(tmp_path / "frame.tikz").name]
    pages = "".join(rf"\vbox{{\input{{{name}}}}}\newpage" + "\n" for name in names)
    page = (
        r"\documentclass{article}\usepackage{tikz}\begin{document}\textheight=1400pt" + f"\n{pages}" + r"\end{document}"
    )
    reader = compiled(usual_engine, tmp_path, page)
    words = "".join(page.extract_text() for page in reader.pages)
    for word in ("lenet", "parameters", "AvgPool", "convolution", "weight above 0"):
        assert word in words


def words_of(made: Film, step: int) -> list[str]:
    return [
        mark.text for mark in paint.paint_frame(made, step).marks if isinstance(mark, Label) and mark.part == "counter"
    ]


def test_a_deck_turns_the_pages_and_its_handout_has_the_last(engine: str, tmp_path: Path) -> None:
    needs_style("beamer.cls")
    put(tmp_path, film(), "lesson")
    put(tmp_path / "films", film(), "again")
    body = r"""]{beamer}\begin{document}
\begin{frame}{Before}x\end{frame}
\input{lesson}
\begin{frame}{Of my own}\input{films/again}\end{frame}
\begin{frame}{After}x\end{frame}
\end{document}"""
    deck = compiled(engine, tmp_path, r"\documentclass[aspectratio=169" + body, "deck")
    assert len(deck.pages) == 1 + 19 + 19 + 1
    shown = [page.extract_text() for page in deck.pages]
    for step in range(19):
        assert words_of(film(), step)[0] in shown[1 + step]
        assert words_of(film(), step)[0] in shown[20 + step]
    assert "Of my own" in shown[20]
    handout = compiled(engine, tmp_path, r"\documentclass[handout" + body, "handout")
    assert len(handout.pages) == 4
    assert all("step 19/19" in handout.pages[i].extract_text() for i in (1, 2))


def test_a_film_that_plays_compiles_and_rests_on_the_last_page(usual_engine: str, tmp_path: Path) -> None:
    needs_style("beamer.cls")
    needs_style("animate.sty")
    put(tmp_path, film(), "lesson", "animate")
    compiled(
        usual_engine,
        tmp_path,
        r"\documentclass{beamer}\usepackage{animate}\begin{document}\input{lesson}\end{document}",
    )
    assert len(run(usual_engine, tmp_path, "main").pages) == 1  # the first run adds a page to ask for the second
    assert (tmp_path / "lesson.tln").read_text().splitlines()[0] == ":0.6667:0"


def test_the_file_alone_is_a_deck_that_leaves_its_pages_alone(usual_engine: str, tmp_path: Path) -> None:
    needs_style("beamer.cls")
    put(tmp_path, film(), "lesson")
    before = (tmp_path / "lesson-film.pdf").read_bytes()
    assert len(run(usual_engine, tmp_path, "lesson").pages) == 19
    assert (tmp_path / "lesson-film.pdf").read_bytes() == before
