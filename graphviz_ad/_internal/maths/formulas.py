"""Formula text -> Unicode, mathtext, LaTeX, HTML.

A formula is a small expression: ``"g * (1 - out ** 2)"``; `graphviz_ad._internal.maths.formula_tree` has the grammar.
It is written with other names in place of its own, so that one rule reads "x·y" as well as "−2 × (−4)".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from graphviz_ad._internal.maths.formula_latex import Latex, Mathtext
from graphviz_ad._internal.maths.formula_mathml import MathML
from graphviz_ad._internal.maths.formula_tree import parsed
from graphviz_ad._internal.maths.formula_unicode import Unicode
from graphviz_ad._internal.maths.formula_writing import written_formula

UNICODE, MATHTEXT, LATEX, MATHML = Unicode(), Mathtext(), Latex(), MathML()
KEPT = 4096  # formulas with their names, the last ones
OWN_NAMES: Mapping[str, str] = {}
LOCAL, TOTAL = "partial(a, b)", "total(a, b)"  # derivatives of a by b: of one operation, and along all paths


def to_unicode(text: str, names: Mapping[str, str] = OWN_NAMES) -> str:
    """The formula as one line of text: ``g·(1 − y²)``."""
    return _in_unicode(text, tuple(names.items()))


@lru_cache(KEPT)
def _in_unicode(text: str, names: tuple[tuple[str, str], ...]) -> str:
    """The same, written once: a picture is described in several manners before one of them is taken."""
    return written_formula(parsed(text), dict(names), UNICODE)


def local_derivative(above: str, below: str) -> str:
    """What the derivative of one operation by its operand is called: "∂q/∂x"."""
    return to_unicode(LOCAL, {"a": above, "b": below})


def total_derivative(above: str, below: str) -> str:
    """What a gradient is called, the sum along all paths: "df/dx"."""
    return to_unicode(TOTAL, {"a": above, "b": below})


def to_mathtext(text: str, names: Mapping[str, str] = OWN_NAMES) -> str:
    """The formula in matplotlib's dialect of TeX, without the dollars."""
    return written_formula(parsed(text), names, MATHTEXT)


def formula_to_latex(text: str, names: Mapping[str, str] = OWN_NAMES) -> str:
    """The formula in LaTeX's mathematics, without the dollars; needs no package."""
    return written_formula(parsed(text), names, LATEX)


def formula_to_html(text: str, names: Mapping[str, str] = OWN_NAMES) -> str:
    """The formula as a MathML element."""
    return f"<math>{written_formula(parsed(text), names, MATHML)}</math>"
