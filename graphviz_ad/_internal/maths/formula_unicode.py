"""Parts of a formula -> one line of plain text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from graphviz_ad._internal.maths.formula_letters import SUPERSCRIPTS
from graphviz_ad._internal.maths.formula_pieces import ATOM, Piece
from graphviz_ad._internal.maths.set_names import parts_of_name, set_name, set_word
from graphviz_ad._internal.operations.functions import Function, function


class Unicode:
    """One line of plain text; the other languages override what they write differently."""

    signs: Mapping[str, str] = {
        "+": " + ", "-": " − ", "−a": "−", "*": "·", "×": " × ", "@": " @ ", "/": " / ", ",": ", ",
        "<": " < ", "<=": " ≤ ", ">": " > ", ">=": " ≥ ", "==": " = ", "!=": " ≠ ", "[…]": "[…]",
    }  # fmt: skip

    def atom(self, text: str) -> str:
        """A name or number that stands in the formula itself."""
        return set_name(text)

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
        return function(name).text or set_word(name)

    def partial(self, text: str) -> str:
        return f"∂{text}"

    def total(self, text: str) -> str:
        """ "dx", but "d loss", which would be read as one name without the space."""
        parts = parts_of_name(text)
        return f"d{text}" if parts is not None and parts.is_symbol else f"d {text}"

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
