"""Parts of a formula -> TeX: as LaTeX knows it, and as matplotlib does."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphviz_ad._internal.maths.formula_letters import (
    GREEK_IN_TEX,
    NUMBER,
    SUBSCRIPTS,
    SUPERSCRIPTS,
)
from graphviz_ad._internal.maths.formula_pieces import ATOM, POWER, PRODUCT, Piece, matrix_rows
from graphviz_ad._internal.maths.formula_unicode import Unicode
from graphviz_ad._internal.maths.set_names import parts_of_name, set_name, set_word
from graphviz_ad._internal.operations.functions import Function, function


class Latex(Unicode):
    """LaTeX's mathematics, kept to what needs no package."""

    signs: Mapping[str, str] = {
        "+": " + ", "-": " - ", "−a": "-", "*": r" \cdot ", "×": r" \times ", "@": r" \, ", "/": " / ", ",": ", ",
        "<": " < ", "<=": r" \leq ", ">": " > ", ">=": r" \geq ", "==": " = ", "!=": r" \neq ", "[…]": r"[\ldots]",
    }  # fmt: skip
    escapes: Mapping[str, str] = {
        "_": r"\_", "#": r"{\#}", "$": r"\$", "%": r"\%", "&": r"\&", "{": r"\{", "}": r"\}", " ": r"\ ",
        "\u2007": r"\ ", "\u00a0": r"\ ", "~": r"{\sim}", "^": r"{\wedge}",
        "\\": r"{\backslash}", "'": r"{\prime}", '"': r"{\prime}{\prime}", "`": r"{\prime}", "−": "-", "·": r"{\cdot}", "×": r"{\times}", "±": r"{\pm}", "∂": r"{\partial}", "ℒ": r"\mathcal{L}", "∞": r"{\infty}", "√": r"{\surd}", "…": r"{\ldots}", **{letter: f"{{{command}}}" for letter, command in GREEK_IN_TEX.items()}, **{raised: f"{{}}^{{{plain}}}" for plain, raised in SUPERSCRIPTS.items() if plain != "−"}, **{lowered: f"{{}}_{{{plain}}}" for plain, lowered in SUBSCRIPTS.items() if plain != "−"},  # noqa: E501
    }  # fmt: skip
    token = re.compile(
        rf"{NUMBER.pattern}(?![\w.])|(?P<word>(?![\u2070-\u209f²³¹])\w(?:(?![\u2070-\u207f²³¹])\w|\.(?=\w))*(?:⁽[⁰¹²³⁴-⁹]+⁾)?)|(?P<other>.)"
    )

    def atom(self, text: str) -> str:
        return self.given(set_name(text))

    def given(self, text: str) -> str:
        rows = matrix_rows(text)
        return self.matrix(rows) if rows else self.tokens(text)

    def matrix(self, rows: list[list[str]]) -> str:
        """In brackets; with what needs no package."""
        lines = r" \\ ".join([" & ".join(map(self.tokens, row)) for row in rows])
        return rf"\left[\begin{{array}}{{{'r' * len(rows[0])}}} {lines} \end{{array}}\right]"

    def tokens(self, text: str) -> str:
        return "".join(self._token(match) for match in self.token.finditer(text)) or "{}"

    def _token(self, match: re.Match[str]) -> str:
        if match["word"] is not None:
            return self._word(match["word"])
        return self._escape(match["other"]) if match["other"] is not None else self._number(match)

    def _word(self, word: str) -> str:
        name = parts_of_name(word)
        if name is None:
            return rf"\mathrm{{{self._escape(word)}}}"
        plain = name.base if name.is_symbol and name.base.isascii() else rf"\mathrm{{{self._escape(name.base)}}}"
        base = GREEK_IN_TEX.get(name.base, plain)
        lowered = f"_{{{name.lowered}}}" if name.lowered else ""
        raised = f"^{{{name.raised}}}" if name.raised else ""
        return base + lowered + raised if lowered or raised else tex_command(base)

    def _number(self, match: re.Match[str]) -> str:
        digits = {"∞": r"\infty", "inf": r"\infty", "NaN": r"\mathrm{NaN}", "nan": r"\mathrm{NaN}"}.get(
            match["digits"], match["digits"]
        )
        power = (match["exponent"] or "").replace("−", "-").removeprefix("+")
        return ("-" if match["minus"] else "") + digits + (rf" \times 10^{{{power}}}" if power else "")

    def _escape(self, text: str) -> str:
        # beyond U+1FFFF lie only rare letters, and matplotlib stops there
        return "".join(self.escapes.get(char, char if char <= "\U0001ffff" else "?") for char in text)

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)"

    def fenced(self, known: Function, text: str) -> str:
        return f"{known.fence[2]} {text} {known.fence[3]}"

    def function_name(self, name: str) -> str:
        return function(name).tex or self.given(set_word(name))

    def partial(self, text: str) -> str:
        return rf"\partial {text}"

    def total(self, text: str) -> str:
        return rf"d\,{text}" if text.startswith(r"\mathrm") else f"d {text}"

    def fraction(self, above: Piece, below: Piece) -> Piece | None:
        return Piece(rf"\frac{{{above.text}}}{{{below.text}}}", PRODUCT, numeric=above.numeric or below.numeric)

    def power(self, base: Piece, exponent: Piece) -> str:
        return f"{self.inside(base, ATOM, signed=False)}^{{{exponent.text}}}"

    def root(self, piece: Piece) -> str:
        return rf"\sqrt{{{piece.text}}}"

    def exponential(self, piece: Piece) -> Piece:
        return Piece(f"e^{{{piece.text}}}", POWER, numeric=piece.numeric)

    def transposed(self, piece: Piece) -> str:
        return rf"{self.inside(piece, ATOM, signed=False)}^{{\top}}"


class Mathtext(Latex):
    """What matplotlib understands of TeX."""

    def matrix(self, rows: list[list[str]]) -> str:
        """In one line: it has no matrices."""
        return self.tokens("[" + ", ".join([f"[{', '.join(row)}]" for row in rows]) + "]")

    escapes: Mapping[str, str] = {**Latex.escapes, "&": "&", "√": "√"}  # it knows neither \& nor \surd


def tex_command(command: str) -> str:
    """A TeX command followed by a space, so that a letter after it is not taken for its own."""
    return f"{command} " if re.search(r"\\[A-Za-z]+$", command) else command
