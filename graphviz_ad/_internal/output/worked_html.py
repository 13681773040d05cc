"""Explanation -> HTML: a page with the picture and the worked solution in MathML, and what a notebook cell shows."""

from __future__ import annotations

from collections.abc import Iterable

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.explain.worked_solution import Row, Section, Term, sections, solution_title
from graphviz_ad._internal.explain.worked_text import solution_text
from graphviz_ad._internal.maths.formulas import formula_to_html
from graphviz_ad._internal.output.notebook import wanted
from graphviz_ad._internal.output.worked_latex import to_latex
from graphviz_ad._internal.renderers.html.player import image, whole_page
from graphviz_ad._internal.renderers.html.stage import colours_everywhere
from graphviz_ad._internal.renderers.svg.still import escaped_xml, svg_element, svg_file, tag
from graphviz_ad._internal.scene.path_lines import REST
from graphviz_ad._internal.scene.themes import FONT_STACK, Theme
from graphviz_ad._internal.scene.themes import theme as theme_named

STYLE = (
    f"body{{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 {FONT_STACK}}}"
    "main{max-width:60rem;margin:0"
    " auto;padding:1.5rem}h1{font-size:1.5rem;font-weight:600}h2{font-size:1.1rem;margin:1.6rem 0 .4rem}"
    "svg{max-width:100%;height:auto}p{margin:.35rem"
    " 0}math{font-size:1.15em;math-style:normal}.eq{display:inline-block;margin-right:.4em}"
    ":is(p,span).note{color:var(--muted);font-size:.9em}.way{margin-left:.5em}"
    "span.letter{display:inline-block;min-width:1.5em;border-radius:.75em;text-align:center;font-weight:700;color:var(--paper);background:var(--ink)}"
    + "".join(f"span.path-{i}{{background:var(--path-{i})}}" for i in range(REST))
)


def page(explanation: Explanation, theme: str | Theme = "auto") -> str:
    """A page that loads nothing from anywhere and follows the reader's light or dark mode, if the theme does."""
    chosen = theme_named(theme)
    symbol, how = solution_title(explanation)
    picture = explanation.plot(theme=theme)
    body = [
        tag("style", {}, "".join([*colours_everywhere(":root", chosen), STYLE])),
        tag("h1", {}, f"{mathml([symbol])}: {text(how)}"),
        svg_element(picture.canvas, chosen),  # no server forbids what stands in the page
        *map(section_html, sections(explanation)),
    ]
    return whole_page(explanation.symbol, "\n".join(body) + "\n")


def section_html(section: Section) -> str:
    """A part of the solution."""
    rows = "\n".join(row_html(row) for row in section.rows)
    remarks = "\n".join(tag("p", {"class": "note"}, text(remark)) for remark in section.remarks)
    return "\n".join(part for part in (tag("h2", {}, text(section.title)), rows, remarks) if part)


def row_html(row: Row) -> str:
    """One equation that may break before each sign of equality; before a path its letter and the names along it."""
    first, *rest = row.terms
    parts = [
        tag("span", {"class": "eq"}, mathml([first])),
        *(tag("span", {"class": "eq"}, f"= {mathml([term])}") for term in rest),
    ]
    note = tag("span", {"class": "note"}, f"({text(row.remark)})") if row.remark else ""
    head = (
        tag("p", {}, badge(row.label) + tag("span", {"class": "way"}, " → ".join(mathml([term]) for term in row.way)))
        if row.label
        else ""
    )
    return head + tag("p", {}, "".join(parts) + note)


def badge(letter: str) -> str:
    """The letter of a path on its colour."""
    number = ord(letter) - ord("A")
    return tag("span", {"class": f"letter path-{number}" if number < REST else "letter"}, letter)


def mathml(terms: Iterable[Term]) -> str:
    """Terms in MathML."""
    return "".join(
        formula_to_html(term.formula, {name: visible(shown) for name, shown in term.names.items()}) for term in terms
    )


def text(words: str) -> str:
    """Words, harmless and visible."""
    return escaped_xml(visible(words))


# --- notebooks


def notebook_bundle(explanation: Explanation, include: object = None, exclude: object = None) -> dict[str, object]:
    """Text for a terminal, picture and text for a cell, LaTeX for an export to PDF."""
    bundle: dict[str, object] = {
        "text/plain": solution_text(explanation),
        "text/html": fragment(explanation),
        "text/latex": to_latex(explanation),
    }
    return {kind: data for kind, data in bundle.items() if wanted(kind, include, exclude)}


def fragment(explanation: Explanation) -> str:
    """What is left whole where scripts, styles and inline SVG are taken out of a cell."""
    picture = explanation.plot()
    solution = tag("pre", {"style": "line-height:1.35"}, escaped_xml(solution_text(explanation)))
    return tag(
        "div",
        {"class": "gad-explanation"},
        image(svg_file(picture.canvas, picture.theme), picture.canvas.alt) + solution,
    )
