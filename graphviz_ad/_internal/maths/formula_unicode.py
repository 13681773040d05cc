"""Parts of a formula -> one line of plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphviz_ad._internal.maths.formula_letters import GREEK, PLAIN_DIGITS, SIMPLE_NAME, SUPERSCRIPTS
from graphviz_ad._internal.maths.formula_pieces import ATOM, Piece
from graphviz_ad._internal.operations.functions import Function, function


class Unicode:
    """One line of plain text; the other languages override what they write differently."""

    signs: Mapping[str, str] = {
        "+": " + ", "-": " − ", "−a": "−", "*": "·", "×": " × ", "@": " @ ", "/": " / ", ",": ", ",
        "<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "==": " = ", "!=": " ≠ ", "[…]": "[…]",
    }  # fmt: skip

    def atom(self, text: str) -> str:
        match = re.fullmatch(rf"({'|'.join(GREEK)})(_?[0-9]*|_)", text)
        return GREEK[match[1]] + match[2].rstrip("_") if match else text

    def given(self, text: str) -> str:
        """A name of the program or a number: as it stands on the rest of the picture."""
        return text

    def row(self, text: str) -> str:
        return text

    def parentheses(self, text: str) -> str:
        return f"({text})"

    def brackets(self, text: str) -> str:
        return f"[{text}]"

    def fenced(self, known: Function, text: str) -> str:
        return f"{known.fence[0]}{text}{known.fence[1]}"

    def function_name(self, name: str) -> str:
        return function(name).text or self.atom(name)

    def partial(self, text: str) -> str:
        return f"∂{text}"

    def total(self, text: str) -> str:
        """ "dx", but "d loss", which would be read as one name without the space."""
        return f"d{text}" if SIMPLE_NAME.fullmatch(text.translate(PLAIN_DIGITS)) else f"d {text}"

    def fraction(self, above: Piece, below: Piece) -> Piece | None:
        return None  # written in one line, like any other operator

    def power(self, base: Piece, exponent: Piece) -> str:
        if re.fullmatch(r"[−-]?[0-9]+", exponent.text):
            return self.inside(base, ATOM, signed=False) + "".join(SUPERSCRIPTS[digit] for digit in exponent.text)
        return f"{self.inside(base, ATOM, signed=False)}^{self.inside(exponent, ATOM, signed=False)}"

    def root(self, piece: Piece) -> str:
        return f"√{self.inside(piece, ATOM, signed=False)}"

    def exponential(self, piece: Piece) -> Piece:
        return Piece(f"exp({piece.text})", numeric=piece.numeric)

    def transposed(self, piece: Piece) -> str:
        return f"{self.inside(piece, ATOM, signed=False)}ᵀ"

    def inside(self, piece: Piece, lowest: int, *, signed: bool) -> str:
        """The text of an operand, in parentheses where it would otherwise be read differently."""
        wrong = piece.level < lowest or (piece.minus and not signed)
        return self.parentheses(piece.text) if wrong else piece.text
