"""A text that is put into a formula -> how tightly it holds together, which decides about parentheses."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from graphviz_ad._internal.base.visible_text import whole_text
from graphviz_ad._internal.maths.formula_letters import NUMBER
from graphviz_ad._internal.maths.set_names import parts_of_name

COMPARISON, SUM, DIVISION, PRODUCT, POWER, ATOM = range(6)  # how tightly a piece of formula holds together
ROW = re.compile(r"\[([^\[\]]+)\]")
MATRIX = re.compile(rf"\[{ROW.pattern}(?:, {ROW.pattern})*\]")
BRACKETED = re.compile(r"\([^()\[\]]*\)|\[[^()\[\]]*\]")


@dataclass(frozen=True)
class Piece:
    """A part of a formula, written; ``minus`` when it starts with one, ``numeric`` when a number was put in for
    a name. ``number`` is the text of one that stands alone; before a ``symbol``, or parentheses with
    one, a number can stand without a sign.
    """

    text: str
    level: int = ATOM
    minus: bool = False
    numeric: bool = False
    number: str = ""
    symbol: bool = False


def measured(text: str) -> Piece:
    """How tightly a text that the caller gave holds together."""
    number = NUMBER.fullmatch(text)
    if number:
        plain = text if number["digits"][0] in "123456789." or number["digits"][:2] == "0." else ""
        level = POWER if number["exponent"] else ATOM
        return Piece(text, level, bool(number["minus"]), number="" if number["exponent"] else plain)
    name = parts_of_name(text)
    if name is not None:
        return Piece(text, symbol=name.is_symbol)
    bare = text
    for _ in range(3):  # what is in brackets does not matter; matrices nest twice
        bare = BRACKETED.sub("", bare)
    if re.search(r"[-+−·×*/±=<>≤≥,()\[\]\s]", bare):
        return Piece(text, SUM, text.startswith(("-", "−")))
    return Piece(text, POWER if re.search(r"[\^√⁰¹²³⁴-⁹ᵀ]", bare) else ATOM)


def matrix_rows(text: str) -> list[list[str]]:
    """The elements of a written matrix, "[[1, 2], [3, 4]]", in rows; none where a text is no matrix of numbers."""
    if not MATRIX.fullmatch(text):
        return []
    rows = [row.split(", ") for row in ROW.findall(text)]
    alike = len({len(row) for row in rows}) == 1
    return rows if alike and all(NUMBER.fullmatch(element) for row in rows for element in row) else []


def printable(text: str) -> str:
    """The text with what stands in boxes, too, for characters that nobody sees, such as those that turn the reading
    direction; without others that have no picture.
    """
    spaced = re.sub(r"\s", lambda match: " " if match[0] in "\t\n\r\v\f\x85\u2028\u2029" else match[0], text)
    return "".join(char for char in whole_text(spaced) if unicodedata.category(char)[0] != "C")
