"""Explanation -> plain text: the worked solution for a terminal or a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.explain.explanation import Explanation
from graphviz_ad._internal.explain.worked_solution import Row, Section, Term, sections, solution_title
from graphviz_ad._internal.maths.formulas import to_unicode

WIDTH, INDENT = 100, 2  # characters


def solution_text(explanation: Explanation) -> str:
    """The worked solution."""
    symbol, how = solution_title(explanation)
    parts = ["\n".join(indented_section(section)) for section in sections(explanation)]
    return "\n\n".join([f"{term_in_line(symbol)}: {how}", *parts]) + "\n"


def indented_section(section: Section) -> Iterator[str]:
    """A title, and what is below it, indented."""
    yield section.title
    for row in section.rows:
        yield from equation_lines(row)
    for remark in section.remarks:
        yield from textwrap.wrap(remark, WIDTH, initial_indent=" " * INDENT, subsequent_indent=" " * 2 * INDENT)


def equation_lines(row: Row) -> Iterator[str]:
    """One equation; what does not fit into the line goes to lines of its own, a "=" each."""
    terms = [term_in_line(term) for term in row.terms]
    start = " " * INDENT
    if row.label:
        yield f"{start}{row.label}  {' → '.join(map(term_in_line, row.way))}"
        start += " " * 3
    note = f"({row.remark})" if row.remark else ""
    whole = start + " = ".join(terms)
    if len(whole) + len(note) + 3 <= WIDTH:
        yield f"{whole}   {note}".rstrip()
        return
    first, *rest = terms if len(whole) > WIDTH else [whole.strip()]
    yield start + first
    yield from (f"{start}  = {term}" for term in rest)
    yield from textwrap.wrap(note, WIDTH, initial_indent=f"{start}  ", subsequent_indent=f"{start}  ")


def term_in_line(term: Term) -> str:
    """A term in one line; no character of it is invisible."""
    return visible(to_unicode(term.formula, term.names))
