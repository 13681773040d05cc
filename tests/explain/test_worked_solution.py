"""The worked solution in text, LaTeX, HTML, notebooks and files: the same numbers in each, compiled where it can be,
and names harmless in all.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.mathtext import MathTextParser
from needed_tools import needs_tool
from small_film import HOSTILE
from small_programs import PROGRAMS, graph

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, SaveError, UnknownNameError
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.explain.worked_solution import aligned, sections, signed_sum, written_value
from graphviz_ad._internal.scene.themes import THEMES

MATHTEXT = MathTextParser("path")
COLAH = """de/db: the sum over 2 paths

The function, step by step
  a = 2
  b = 1
  c = a + b = 2 + 1 = 3
  d = b + 1 = 1 + 1 = 2
  e = c·d = 3 × 2 = 6

Local derivatives
  ∂c/∂b = 1
  ∂e/∂c = d = 2
  ∂d/∂b = 1
  ∂e/∂d = c = 3

Along each path, the factors are multiplied
  A  b → c → e
     ∂c/∂b·∂e/∂c = 1 × 2 = 2
  B  b → d → e
     ∂d/∂b·∂e/∂d = 1 × 3 = 3

The paths are added
  de/db = A + B = 2 + 3 = 5

Check
  autograd = 5
  the sum over all paths equals autograd's gradient (difference 0)
"""


def every() -> list[Explanation]:
    """The gradient of every leaf of every small program."""
    return [
        graph(name).explain(str(node.name))
        for name in PROGRAMS
        for node in graph(name).node_list
        if node.kind == "leaf" and node.name
    ]


def called(name: str) -> Explanation:
    """Colah's function with one variable called like that."""
    traced = graph("colah")
    nodes = [replace(node, name=name) if node.name == "b" else node for node in traced.node_list]
    return traced.with_parts(nodes, traced.edges).explain(name)


# --- text


def test_the_text_is_a_worked_solution() -> None:
    assert graph("colah").explain("b").to_text() == COLAH


def test_no_line_of_text_is_wider_than_a_terminal_unless_one_formula_is() -> None:
    for explained in every():
        for line in explained.to_text().splitlines():
            assert len(line) <= 100 or " = " not in line.strip().removeprefix("= "), line


def test_the_numbers_of_a_sum_can_be_added_by_hand() -> None:
    text = graph("seed").explain("x2").to_text()
    assert "d seed/dx₂ = A + B + C = 0.176162 − 0.059613 + 1.5 = 1.616549" in text
    assert "0.877583 × 1 × 0.200735 × 1 = 0.176162" in text
    assert aligned([0.1234567, 1e-9]) == ["0.123457", "1e−9"]
    assert aligned([1.0, -2.5, None]) == ["1", "−2.5", None]
    assert aligned([np.array([1.0, 2.0]), np.array([0.5, -3.0])]) == ["[1, 2]", "[0.5, −3]"]
    assert written_value(np.ones(100)) is None
    assert signed_sum(["2", "−3", "x"])[0] == "a0 - b0 + c0"


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_section_says_something(name: str) -> None:
    for node in graph(name).node_list:
        if node.kind == "leaf" and node.name:
            parts = sections(graph(name).explain(node.name))
            assert [part.title for part in parts][-1] == "Check"
            assert all(part.rows or part.remarks for part in parts)
            assert all(row.terms for part in parts for row in part.rows)


# --- LaTeX


def lines_of(latex: str) -> list[str]:
    found = re.search(r"\\begin\{align\*\}\n(.*)\n\\end\{align\*\}", latex, re.DOTALL)
    assert found is not None
    return [line.removesuffix(r" \\").replace("&", "") for line in found[1].splitlines()]


@cache
def reads_groups_in_text() -> bool:
    try:
        MATHTEXT.parse(r"$\text{{'}}$")
    except ValueError:  # matplotlib before 3.11
        return False
    return True


def as_matplotlib_reads(line: str) -> str:
    """A line without matrices, which it has not, and without the groups that keep single characters of a text from
    becoming ligatures, where these cannot be read; LaTeX itself reads all of it, in another test.
    """
    line = re.sub(r"\\left\[\\begin\{array\}.*?\\end\{array\}\\right\]", "M", line)
    return line if reads_groups_in_text() else re.sub(r"\{(''|['\-,])\}", r"\1", line)


def test_every_line_of_latex_is_mathematics_that_matplotlib_draws() -> None:
    count = 0
    for explained in every():
        for line in lines_of(explained.to_latex()):
            MATHTEXT.parse(f"${as_matplotlib_reads(line)}$")
            count += 1
    assert count > 200


def test_the_latex_of_the_classic_says_what_the_text_says() -> None:
    lines = lines_of(graph("colah").explain("b").to_latex())
    assert r"\frac{\partial e}{\partial c} = d = 2" in lines
    assert r"\mathbf{A} \quad b \to c \to e" in "\n".join(lines)
    assert r"\quad \frac{\partial d}{\partial b} \cdot \frac{\partial e}{\partial d} = 1 \times 3 = 3" in "\n".join(
        lines
    )
    assert r"\frac{d e}{d b} = A + B = 2 + 3 = 5" in lines


def compiled(body: str, engine: str, folder: Path) -> str:
    source = "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage{amsmath}",
            r"\allowdisplaybreaks",
            r"\begin{document}",
            body,
            r"\end{document}",
            "",
        ]
    )
    (folder / "all.tex").write_text(source, "utf-8")
    run = subprocess.run(
        [engine, "-halt-on-error", "-interaction=nonstopmode", "all.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    return run.stdout


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_a_real_latex_compiles_every_solution_whatever_variables_are_called(engine: str, tmp_path: Path) -> None:
    needs_tool(engine)
    names = [*HOSTILE, "é", "漢字", "x_1", "a%b", "\\end{align*}", "$x$", "f'", "α", "n°", "100 %"]
    bodies = [explained.to_latex() for explained in (*every(), *map(called, names))]
    assert "Output written" in compiled("\n".join(bodies), engine, tmp_path)


def test_a_document_compiles_as_it_is_and_nothing_leaves_the_page(tmp_path: Path) -> None:
    needs_tool("pdflatex")
    for wrt in ("x2", "x1"):
        graph("seed").explain(wrt).save(tmp_path / "solution.tex")
        run = subprocess.run(
            ["pdflatex", "-halt-on-error", "solution.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        assert "Overfull" not in run.stdout
        assert "(1 page" in run.stdout


# --- HTML


class Page(HTMLParser):
    """What is in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data


def test_the_page_has_the_picture_the_formulas_and_the_letters() -> None:
    page = Page(graph("seed").explain("x2").to_html())
    kinds = [tag for tag, _ in page.tags]
    assert kinds.count("math") > 40
    assert kinds.count("svg") == 1
    assert "A x₂ → v₁ → v₂ → v₅ → seed: 0.8776 × 1 × 0.2007 × 1 = 0.1762" in page.text
    letters = [
        attributes["class"]
        for tag, attributes in page.tags
        if tag == "span" and str(attributes.get("class", "")).startswith("letter")
    ]
    assert letters == ["letter path-0", "letter path-1", "letter path-2"]
    for part in ("The paths are added", "1.616549", "0.176162"):
        assert part in page.text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_shows_any_name_and_loads_nothing(name: str) -> None:
    explained = called(name)
    for html in (explained.to_html(), str(explained._repr_mimebundle_()["text/html"])):
        page = Page(html)
        assert not {"script", "iframe", "object", "link", "base"} & {tag for tag, _ in page.tags}
        assert all(str(attributes.get("src", "data:")).startswith("data:") for _, attributes in page.tags)
        assert not any(key.startswith("on") or key == "href" for _, attributes in page.tags for key in attributes)
    assert "\u202e" not in explained.to_text()


@pytest.mark.parametrize("theme", THEMES)
def test_a_page_has_the_colours_of_its_theme(theme: str) -> None:
    page = graph("colah").explain("b").to_html(theme=theme)
    assert f"--path-1:{THEMES[theme]['path.1']}" in page
    assert ("screen and (prefers-color-scheme:dark)" in page) == bool(THEMES[theme].follows)


# --- notebooks and files


def test_a_cell_shows_picture_and_text_and_a_paper_gets_latex() -> None:
    explained = graph("colah").explain("b")
    bundle = explained._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "text/latex"}
    assert bundle["text/plain"] == COLAH
    assert bundle["text/latex"] == explained.to_latex()
    page = Page(str(bundle["text/html"]))
    assert [tag for tag, _ in page.tags] == ["div", "img", "pre"]
    assert page.text == COLAH
    assert set(explained._repr_mimebundle_(include={"text/html"})) == {"text/html"}
    assert set(explained._repr_mimebundle_(exclude={"text/html"})) == {"text/plain", "text/latex"}
    assert sum(len(str(part)) for part in bundle.values()) < 100_000


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".txt", b"de/db"),
        (".tex", b"\\documentclass"),
        (".html", b"<!doctype html>"),
        (".svg", b"<?xml"),
        (".png", b"\x89PNG"),
        (".pdf", b"%PDF"),
    ],
)
def test_the_suffix_chooses_what_is_written(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = graph("colah").explain("b").save(tmp_path / f"b{suffix}")
    assert path.read_bytes().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [f"b{suffix}"]


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("b.doc", {}, UnknownNameError, r"no format of an explanation named '\.doc'.*\.html"),
        ("b.txt", {"theme": "dark"}, OptionError, "theme='dark' is an option of a picture"),
        ("b.html", {"layout": "dot"}, OptionError, "layout='dot' is an option of a picture"),
        ("b.svg", {"theme": "drak"}, UnknownNameError, "did you mean 'dark'"),
        ("no/b.svg", {}, SaveError, "no"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    name: str, options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        graph("colah").explain("b").save(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


def test_the_same_explanation_is_the_same_bytes() -> None:
    one, other = (gad.trace(torch.sin, 1.0).explain("input0") for _ in range(2))
    assert (one.to_text(), one.to_latex(), one.to_html()) == (other.to_text(), other.to_latex(), other.to_html())
