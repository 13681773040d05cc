"""Tree of a formula -> its text in the language that it was written in, for those who are told what is wrong with a
part of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

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

# how tightly a text holds together, line by line of the grammar
COMPARISON, SUM, PRODUCT, SIGNED, POWER, PART, PIECE = range(7)

# sign -> the level of the result, and the lowest levels that its two operands may have without parentheses
BINARY: Mapping[str, tuple[int, int, int]] = {
    **dict.fromkeys("+-", (SUM, SUM, PRODUCT)),
    **dict.fromkeys("*/@", (PRODUCT, PRODUCT, SIGNED)),
    "**": (POWER, PART, POWER),
}
TOO_LARGE = "1e309"  # is written where a number is beyond all others


class Written(NamedTuple):
    """A part as text, with how tightly that holds together."""

    text: str
    level: int

    def at(self, lowest: int) -> str:
        """In parentheses, where it would otherwise be read differently."""
        return self.text if self.level >= lowest else f"({self.text})"


def formula_to_text(tree: Tree) -> str:
    """The formula with no more parentheses than needed.

    >>> from graphviz_ad._internal.maths.formula_tree import parsed
    >>> formula_to_text(parsed("((a*b))+(c**(2))"))
    'a * b + c ** 2'
    """
    return walked(tree, _written).text


def _written(node: Tree, inner: list[Written]) -> Written:
    match node:
        case Number(value=value):
            return Written(repr(value) if not isinstance(value, float) or math.isfinite(value) else TOO_LARGE, PIECE)
        case Name(name=name):
            return Written(name, PIECE)
        case Signed(sign=sign):
            return Written(sign + inner[0].at(SIGNED), SIGNED)
        case Binary(sign=sign):
            level, left, right = BINARY[sign]
            return Written(f"{inner[0].at(left)} {sign} {inner[1].at(right)}", level)
        case Comparison(signs=signs):
            texts = [each.at(SUM) for each in inner]
            return Written(
                texts[0] + "".join(f" {sign} {text}" for sign, text in zip(signs, texts[1:], strict=True)), COMPARISON
            )
        case Call(function=function):
            return Written(f"{function}({', '.join(each.text for each in inner)})", PART)
        case Transposed():
            return Written(f"{inner[0].at(PART)}{' ' if inner[0].text.isdigit() else ''}.T", PART)
        case Part(index=index):
            return Written(f"{inner[0].at(PART)}[{'...' if index is None else index.name}]", PART)
