"""Tree of a formula + a language -> the formula in that language, with other names in place of its own: "x·y" as
well as "−2 × (−4)".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths.formula_letters import NUMERIC, WRITTEN_OUT
from graphviz_ad._internal.maths.formula_pieces import (
    ATOM,
    COMPARISON,
    DIVISION,
    POWER,
    PRODUCT,
    SUM,
    Piece,
    measured,
    printable,
)
from graphviz_ad._internal.maths.formula_text import formula_to_text
from graphviz_ad._internal.maths.formula_tree import (
    Binary,
    Call,
    Comparison,
    Name,
    Number,
    Part,
    Signed,
    Transposed,
    Tree,
    walked,
)
from graphviz_ad._internal.maths.formula_unicode import Unicode
from graphviz_ad._internal.maths.set_names import set_name
from graphviz_ad._internal.operations.functions import Form, function

# sign -> the level of the result, and the lowest levels that its two operands may have without parentheses
INFIX: Mapping[str, tuple[int, int, int]] = {
    **dict.fromkeys("+-", (SUM, SUM, DIVISION)), "*": (PRODUCT, PRODUCT, POWER), "/": (DIVISION, PRODUCT, POWER),
    "@": (DIVISION, POWER, POWER),
}  # fmt: skip


def written_formula(tree: Tree, names: Mapping[str, str], language: Unicode) -> str:
    """The formula in a language; ``names`` says what is put in for its own names."""
    return walked(tree, Writer(language, names).piece).text


@dataclass(frozen=True)
class Writer:
    """What one language makes of each node of a formula."""

    language: Unicode
    names: Mapping[str, str]

    def piece(self, node: Tree, inner: list[Piece]) -> Piece:
        """A node, given its operands."""
        match node:
            case Name(name=name):
                return self.name(name)
            case Number(value=value):
                return self.atom(str(value))
            case Signed(sign="-"):
                return self.negative(*inner)
            case Binary(sign="**", right=right):
                return self.power(inner[0], inner[1], self.worked_out(right))
            case Binary(sign=sign):
                return self.infix(sign, *inner)
            case Comparison(signs=signs):
                return self.comparison(signs, inner)
            case Call(function=name):
                return self.call(name, inner)
            case Transposed():
                return Piece(self.language.transposed(*inner), POWER, numeric=inner[0].numeric, symbol=inner[0].symbol)
            case Part(index=None):
                return self.selection(inner[0], self.language.signs["[…]"])
            case Part():
                return self.selection(inner[0], self.language.brackets(inner[1].text))
        raise ExpressionError(
            f"{formula_to_text(node)!r} cannot be part of a formula; a sign that changes nothing is left out"
        )

    def atom(self, text: str, *, numeric: bool = False) -> Piece:
        """A name or number in the language."""
        return replace(measured(set_name(text)), text=self.language.atom(text), numeric=numeric)

    def name(self, name: str) -> Piece:
        """What is put in for a name."""
        given = self.names.get(name)
        if given is None:
            return self.atom(name)
        shown = printable(given)
        return replace(measured(shown), text=self.language.given(shown), numeric=bool(NUMERIC.match(given)))

    def negative(self, inner: Piece) -> Piece:
        """With a minus before it."""
        text = self.language.signs["−a"] + self.language.inside(inner, DIVISION, signed=False)
        return Piece(
            self.language.row(text),
            min(inner.level, PRODUCT) if inner.level >= DIVISION else PRODUCT,
            True,
            inner.numeric,
            f"−{inner.number}" if inner.number and not inner.minus else "",
        )

    def worked_out(self, exponent: Tree) -> str | None:
        """The number that a difference of two numbers is, as an exponent is written: 2 for 3 − 1; None for others."""
        if not isinstance(exponent, Binary) or exponent.sign != "-":
            return None
        numbers = [self.number(side) for side in (exponent.left, exponent.right)]
        known = [number for number in numbers if number is not None]
        return None if len(known) < 2 else f"{(known[0] - known[1]).normalize():f}".replace("-", "−")

    def number(self, node: Tree) -> Decimal | None:
        """The number that stands for a part of a formula, where it is written out."""
        if isinstance(node, Number):
            return Decimal(str(node.value))
        given = self.names.get(node.name) if isinstance(node, Name) else None
        return Decimal(given.replace("−", "-")) if given is not None and WRITTEN_OUT.fullmatch(given) else None

    def power(self, base: Piece, exponent: Piece, worked_out: str | None = None) -> Piece:
        """Base and exponent; what is raised to 1 is itself."""
        if worked_out == "1":
            return base
        if worked_out is not None:
            exponent = self.atom(worked_out, numeric=True)
        return Piece(
            self.language.power(base, exponent),
            POWER,
            numeric=base.numeric or exponent.numeric,
            symbol=base.symbol,
        )

    def infix(self, sign: str, left: Piece, right: Piece) -> Piece:
        """Two operands with a sign between them, or a fraction."""
        level, lowest_left, lowest_right = INFIX[sign]
        fraction = self.language.fraction(left, right) if sign == "/" else None
        if fraction is not None:
            return fraction
        if sign == "*" and right.symbol and left.number not in ("", "1"):
            return self.multiple(left, self.language.inside(right, lowest_right, signed=False))
        numeric = left.numeric or right.numeric
        first = self.language.inside(left, lowest_left, signed=True)
        second = self.language.inside(right, lowest_right, signed=False)
        shown = self.language.signs["×" if sign == "*" and numeric else sign]
        return Piece(
            self.language.row(first + shown + second),
            level,
            left.minus and left.level >= lowest_left,
            numeric,
            symbol=left.symbol or right.symbol,
        )

    def multiple(self, number: Piece, factor: str) -> Piece:
        """A number of something, without a sign between them: "3x²", "−x"."""
        coefficient = self.language.signs["−a"] if number.number in ("−1", "-1") else number.text
        return Piece(self.language.row(coefficient + factor), PRODUCT, number.minus, number.numeric, symbol=True)

    def comparison(self, signs: Sequence[str], operands: Sequence[Piece]) -> Piece:
        """Operands with a sign between each two."""
        texts = [self.language.inside(each, SUM, signed=True) for each in operands]
        rest = "".join(self.language.signs[sign] + text for sign, text in zip(signs, texts[1:], strict=True))
        return Piece(
            self.language.row(texts[0] + rest), COMPARISON, operands[0].minus, any(each.numeric for each in operands)
        )

    def selection(self, inner: Piece, brackets: str) -> Piece:
        """A part of something."""
        return Piece(
            self.language.row(self.language.inside(inner, ATOM, signed=False) + brackets), numeric=inner.numeric
        )

    def call(self, name: str, arguments: Sequence[Piece]) -> Piece:
        """A function as mathematics writes it, else as a call."""
        known, numeric = function(name), any(each.numeric for each in arguments)
        match known.form, arguments:
            case Form.LOCAL | Form.TOTAL, [above, below]:
                return self.derivative(above, below, total=known.form is Form.TOTAL)
            case Form.INVERSE, [inner]:
                return self.power(inner, self.negative(self.atom("1")))
            case Form.ROOT, [inner]:
                return Piece(self.language.root(inner), POWER, numeric=numeric, symbol=not numeric)
            case Form.EXPONENTIAL, [inner]:
                return self.language.exponential(inner)
            case Form.FENCED, [inner]:
                return Piece(self.language.fenced(known, inner.text), numeric=numeric)
        listed = self.language.signs[","].join(each.text for each in arguments)
        return Piece(
            self.language.row(self.language.function_name(name) + self.language.parentheses(listed)), numeric=numeric
        )

    def derivative(self, *both: Piece, total: bool) -> Piece:
        """The derivative of one by the other: of one operation by its operand, or the ``total`` along all paths."""
        sign = self.language.total if total else self.language.partial
        above, below = (
            Piece(self.language.row(sign(self.language.inside(each, POWER, signed=False)))) for each in both
        )
        return replace(self.language.fraction(above, below) or Piece(f"{above.text}/{below.text}"), level=POWER)
