"""∂ is the derivative of one operation by its operand, d that along all paths, in every text of every program."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from small_programs import PROGRAMS, graph

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.maths.formulas import local_derivative, total_derivative
from graphviz_ad._internal.scene.words.names import Names, mathematical_names

LOCAL = re.compile(r"∂([^\s/·()=]+)/∂([^\s/·()=,:]+)")
TOTAL = re.compile(r"(?<!\w)(d ?[^\s/·()=]+/d ?[^\s/·()=,:;]+)")
FRACTIONS = {
    "tex": re.compile(r"\\frac\{(\\partial|d) ?(?:\\,)?(.*?)\}\{(?:\\partial|d) ?(?:\\,)?(.*?)\}(?= |$|\n)"),
    "mathml": re.compile(r"<mfrac><mrow><m[io]>(∂|d)</m[io]>(.*?)</mrow><mrow><m[io]>[∂d]</m[io]>(.*?)</mrow></mfrac>"),
}
MARKS = "⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹"  # which of two uses it is


def operations(found: Graph, names: Names) -> set[tuple[str, str]]:
    """What each operation is called, and each of its operands."""
    return {(above, names.carried(edge)) for edge in found.edges for above in names.results[edge.head]}


def all_texts(found: Graph) -> Iterator[str]:
    """Every text about a graph that somebody reads."""
    film = found.animate()
    yield film.transcript()
    leaves = [node.name for node in found.node_list if node.kind == "leaf" and node.name]
    pictures = [found.plot(), found.plot(local=True, labels="program")]
    for leaf in leaves[:2]:
        explained = found.explain(leaf)
        yield from (explained.to_text(), found.animate(wrt=leaf).transcript())
        pictures.append(explained.plot())
    for scene in (picture.scene for picture in pictures):
        yield scene.alt
        yield from (trail.said for trail in scene.trails)
        for part in (*scene.boxes, *scene.arrows):
            yield from (line.text for line in part.lines)
            yield from map(str, part.hover)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_sign_says_which_derivative_it_is(name: str) -> None:
    found = graph(name)
    names = mathematical_names(found)
    edges = operations(found, names) | {(names.of[edge.head], names.carried(edge)) for edge in found.edges}
    totals = {names.gradient(key) for key in names.of}
    totals |= {names.gradient(node.key, port) for node in found.node_list for port in range(len(node.ports))}
    for text in all_texts(found):
        for above, below in LOCAL.findall(text):
            assert (above, below.rstrip(MARKS)) in edges, text
        assert {said for said in TOTAL.findall(text) if said.count("/") == 1} <= totals, text


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_language_has_the_signs_of_the_text(name: str) -> None:
    found = graph(name)
    leaf = next(node.name for node in found.node_list if node.kind == "leaf" and node.name)
    explained = found.explain(leaf)
    text = explained.to_text()
    in_words = text.count("where g = ")  # beside a formula, in the same signs
    told = (len(LOCAL.findall(text)), len(TOTAL.findall(text)) - in_words)
    for language, source in (("tex", explained.to_latex()), ("mathml", html.unescape(explained.to_html()))):
        signs = [sign for sign, *_ in FRACTIONS[language].findall(source)]
        rest = len(signs) - signs.count("d")
        assert (rest, signs.count("d")) == told, language


@pytest.mark.parametrize(
    ("above", "below", "local", "total"),
    [
        ("f", "x", "∂f/∂x", "df/dx"),
        ("h₂", "w", "∂h₂/∂w", "dh₂/dw"),
        ("loss", "W", "∂loss/∂W", "d loss/dW"),
        ("L", "fc.weight", "∂L/∂fc.weight", "dL/d fc.weight"),
        ("a + b", "x", "∂(a + b)/∂x", "d (a + b)/dx"),
    ],
)
def test_a_name_of_several_letters_stands_apart_from_the_sign(above: str, below: str, local: str, total: str) -> None:
    assert (local_derivative(above, below), total_derivative(above, below)) == (local, total)
