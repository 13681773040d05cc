r"""Explanation -> LaTeX: the worked solution as one ``align*`` environment, or as a document that pdfTeX, XeTeX and
LuaTeX compile.

Each line is also understood by matplotlib's mathtext, but for matrices, and letters of a user's names that neither has.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.explain.worked_solution import Row, Section, Term, sections, solution_title
from graphviz_ad._internal.maths.formula_pieces import matrix_rows
from graphviz_ad._internal.maths.formulas import formula_to_latex, to_unicode
from graphviz_ad._internal.renderers.latex.latex_text import PROLOGUE, latex_text

LONGEST = 78  # characters on one line of the page, more or less
INSET = r"\quad "
PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath}
\usepackage[margin=1.8cm]{geometry}
\allowdisplaybreaks
\setlength{\jot}{3pt}
\pagestyle{empty}
\begin{document}
"""


def to_latex(explanation: Explanation, *, document: bool = False) -> str:
    """The worked solution; it needs the package amsmath."""
    body = environment(explanation)
    return f"{PREAMBLE}{body}\\end{{document}}\n" if document else body


def environment(explanation: Explanation) -> str:
    """The ``align*`` environment."""
    symbol, how = solution_title(explanation)
    first, *rest = textwrap.wrap(how, LONGEST)
    lines = [rf"{shown(symbol)} &: {words(first)}", *(f"& {words(part)}" for part in rest)]
    for section in sections(explanation):
        lines += section_lines(section)
    body = " \\\\\n".join(lines)
    source = f"\\begin{{align*}}\n{body}\n\\end{{align*}}\n"
    needed = re.search(r"\\providecommand\{\\gadchar\}.*", PROLOGUE) if r"\gadchar" in source else None
    return (needed[0] + "\n" if needed else "") + source


def section_lines(section: Section) -> Iterator[str]:
    """The title, the rows, the remarks."""
    yield rf"& \mathbf{{{section.title}}}".replace(" ", r"\ ").replace(r"&\ ", "& ")
    for row in section.rows:
        yield from row_lines(row)
    for remark in section.remarks:
        yield from (f"& {words(part)}" for part in textwrap.wrap(remark, LONGEST))


def row_lines(row: Row) -> Iterator[str]:
    """One equation, with a line for each "=" where it is too long for one, and lines for what is said about it."""
    terms = [shown(term) for term in row.terms]
    long = sum(map(weight, row.terms)) + 3 * len(terms)
    note = f"({row.remark})" if row.remark else ""
    beside = f" \\quad {words(note)}" if note and long + len(note) <= LONGEST else ""
    if row.label:
        yield rf"& \mathbf{{{row.label}}} \quad " + r" \to ".join(map(shown, row.way))
    if row.label or len(terms) == 1:
        first, rest, sign = rf"& {INSET if row.label else ''}{terms[0]}", terms[1:], rf"& {INSET}\quad = "
    else:
        first, rest, sign = f"{terms[0]} &= {terms[1]}", terms[2:], "&= "
    if long <= LONGEST:
        yield " = ".join([first, *rest]) + beside
    else:
        yield first
        yield from (sign + term for term in rest)
    if note and not beside:
        yield from (f"& {INSET}{words(part)}" for part in textwrap.wrap(note, LONGEST))


def weight(term: Term) -> int:
    """How much of a line a term takes, in characters; a fraction as much as the longer of its parts, a matrix as much
    as its longest row.
    """
    text = to_unicode(term.formula, {name: longest_row(text) for name, text in term.names.items()})
    return len(re.sub(r"∂([^\s/·]+)/∂([^\s/·]+)", lambda match: max(match[1], match[2], key=len) + "∂", text))


def longest_row(text: str) -> str:
    """The longest row of a matrix, any other text as it is."""
    return max((", ".join(row) for row in matrix_rows(text)), key=len, default=text)


def shown(term: Term) -> str:
    """A term in LaTeX's mathematics, in plain ASCII."""
    return plain(formula_to_latex(term.formula, {name: visible(text) for name, text in term.names.items()}))


def plain(source: str) -> str:
    """The same with each letter that LaTeX's mathematics does not know as text."""
    return re.sub(r"[^\x00-\x7f]+", lambda match: rf"\text{{{latex_text(match[0])}}}", source)


def words(text: str) -> str:
    """Words in the middle of mathematics; what stands for itself in both stays as it is."""
    parts = re.split(r"([→×⋯∂…−✂·⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾₀₁₂₃₄₅₆₇₈₉]+)", text)
    return "".join(
        symbols(part) if i % 2 else rf"\text{{{latex_text(part)}}}" if part else "" for i, part in enumerate(parts)
    )


RAISED, LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾", "₀₁₂₃₄₅₆₇₈₉"
SYMBOLS = {
    "→": r" \to ",
    "×": r" \times ",
    "⋯": r" \cdots ",
    "∂": r"\partial ",
    "…": r" \ldots ",
    "−": "-",
    "✂": r"\dagger ",
    "·": r" \cdot ",
}


def symbols(text: str) -> str:
    """Signs as mathematics; what is raised or lowered stands beside an empty base."""
    text = re.sub(f"[{RAISED}]+", lambda match: f"{{}}^{{{plain_digits(match[0])}}}", text)
    text = re.sub(f"[{LOWERED}]+", lambda match: f"{{}}_{{{plain_digits(match[0])}}}", text)
    return "".join(SYMBOLS.get(char, char) for char in text)


def plain_digits(text: str) -> str:
    """Digits and parentheses as they are on the line."""
    return text.translate(str.maketrans(RAISED + LOWERED, "0123456789()0123456789"))
