"""Parts of a formula -> MathML."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from graphviz_ad._internal.maths.formula_letters import NUMBER
from graphviz_ad._internal.maths.formula_pieces import ATOM, POWER, PRODUCT, Piece, matrix_rows
from graphviz_ad._internal.maths.formula_unicode import Unicode
from graphviz_ad._internal.maths.set_names import parts_of_name, set_name, set_word
from graphviz_ad._internal.operations.functions import Function, function

ONE_LETTER = re.compile(r"(?:<m\w+>)+[^<]<")  # what stands alone, or has only something raised or lowered beside it


class MathML(Unicode):
    """Presentation MathML, which browsers draw without any script."""

    signs: Mapping[str, str] = {
        "−a": "<mo>−</mo>", ",": "<mo>,</mo>", "@": '<mspace width="0.2em"/>',
        **{sign: f"<mo>{html.escape(shown.strip())}</mo>" for sign, shown in Unicode.signs.items() if sign not in ("−a", ",", "@")},  # noqa: E501
    }  # fmt: skip

    def atom(self, text: str) -> str:
        return self.given(set_name(text))

    def given(self, text: str) -> str:
        rows = matrix_rows(text)
        return self.matrix(rows) if rows else self.token(text)

    def matrix(self, rows: list[list[str]]) -> str:
        """In brackets."""
        cells = ("".join([f"<mtd>{self.token(element)}</mtd>" for element in row]) for row in rows)
        return f"<mrow><mo>[</mo><mtable>{''.join([f'<mtr>{row}</mtr>' for row in cells])}</mtable><mo>]</mo></mrow>"

    def token(self, text: str) -> str:
        if NUMBER.fullmatch(text):
            return f"<mn>{html.escape(text)}</mn>"
        name = parts_of_name(text)
        if name is None:
            return (
                f"<mi>{html.escape(text)}</mi>"
                if re.fullmatch(r"[\w.]*", text)
                else f"<mtext>{html.escape(text)}</mtext>"
            )
        base = f"<mi>{name.base}</mi>"
        lowered, raised = (f"<mi>{text}</mi>" if text.isalpha() else f"<mn>{text}</mn>" for text in name[1:])
        match bool(name.lowered), bool(name.raised):
            case True, True:
                return f"<msubsup>{base}{lowered}{raised}</msubsup>"
            case True, False:
                return f"<msub>{base}{lowered}</msub>"
            case False, True:
                return f"<msup>{base}{raised}</msup>"
        return base

    def row(self, text: str) -> str:
        return f"<mrow>{text}</mrow>"

    def parentheses(self, text: str) -> str:
        return f"<mrow><mo>(</mo>{text}<mo>)</mo></mrow>"

    def brackets(self, text: str) -> str:
        return f"<mrow><mo>[</mo>{text}<mo>]</mo></mrow>"

    def fenced(self, known: Function, text: str) -> str:
        return f"<mrow><mo>{known.fence[0]}</mo>{text}<mo>{known.fence[1]}</mo></mrow>"

    def function_name(self, name: str) -> str:
        return f"<mi>{html.escape(function(name).text or set_word(name))}</mi>"

    def partial(self, text: str) -> str:
        return f"<mo>∂</mo>{text}"

    def total(self, text: str) -> str:
        return f"<mi>d</mi>{text}" if ONE_LETTER.match(text) else f'<mi>d</mi><mspace width="0.15em"/>{text}'

    def fraction(self, above: Piece, below: Piece) -> Piece | None:
        return Piece(f"<mfrac>{above.text}{below.text}</mfrac>", PRODUCT, numeric=above.numeric or below.numeric)

    def power(self, base: Piece, exponent: Piece) -> str:
        return f"<msup>{self.inside(base, ATOM, signed=False)}{exponent.text}</msup>"

    def root(self, piece: Piece) -> str:
        return f"<msqrt>{piece.text}</msqrt>"

    def exponential(self, piece: Piece) -> Piece:
        return Piece(f"<msup><mi>e</mi>{piece.text}</msup>", POWER, numeric=piece.numeric)

    def transposed(self, piece: Piece) -> str:
        return f"<msup>{self.inside(piece, ATOM, signed=False)}<mo>⊤</mo></msup>"
