"""Name of a variable -> as mathematics writes it: x1 -> x₁, h_2 -> h₂, theta -> θ; any other name stays what it is.

Only what is sure to be meant is changed: letters and a number after them, with or without one underscore between, and
Greek words. An index that is a letter, as in W_q, stays spelled in plain text, which has no q to lower; languages that
can, lower it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from graphviz_ad._internal.maths.formula_letters import GREEK, GREEK_WORDS, PLAIN_DIGITS

DIGITS, LOWERED, RAISED = "0123456789", "₀₁₂₃₄₅₆₇₈₉", "⁰¹²³⁴⁵⁶⁷⁸⁹"
IN_SUBSCRIPT = str.maketrans(DIGITS, LOWERED)
PLAIN_RAISED = str.maketrans(RAISED + "⁽⁾", DIGITS + "()")
LETTER = r"[^\W\d_⁰-ₜ²³¹ᵀʲˣʸ]"
LONGEST_BASE, LONGEST_INDEX = 4, 3
NUMBERED = re.compile(rf"(?P<base>{GREEK_WORDS}|{LETTER}{{1,{LONGEST_BASE}}})_?(?P<number>[0-9]{{1,{LONGEST_INDEX}}})")
GREEK_WITH_LETTER = re.compile(rf"^({GREEK_WORDS})(_[A-Za-z])$")
SET = re.compile(  # of a word with an underscore, as ln_f, nothing is lowered
    rf"(?P<base>{LETTER}(?=_)|{LETTER}+(?!_))"
    rf"(?:_(?P<letter>[A-Za-z])|(?P<number>[{LOWERED}]+))?(?P<mark>⁽[{RAISED}]+⁾)?"
)
GREEK_AS_IT_IS_TYPED = {**GREEK, "lambda_": GREEK["lambda"]}  # a word of Python's, so that people add a line


class SetName(NamedTuple):
    """A name in its parts: what stands on the line, what is lowered, and the number of its use, which is raised."""

    base: str
    lowered: str
    raised: str

    @property
    def is_symbol(self) -> bool:
        """Whether it is one letter, which is set in italics; a word is upright."""
        return len(self.base) == 1


def set_name(name: str) -> str:
    """The name as mathematics writes it.

    >>> set_name("x1"), set_name("theta_12"), set_name("W_q"), set_name("x__1")
    ('x₁', 'θ₁₂', 'W_q', 'x__1')
    """
    numbered = NUMBERED.fullmatch(name)
    if numbered is None:
        name = GREEK_AS_IT_IS_TYPED.get(name, name)
        return GREEK_WITH_LETTER.sub(lambda match: GREEK[match[1]] + match[2], name)
    return GREEK.get(numbered["base"], numbered["base"]) + numbered["number"].translate(IN_SUBSCRIPT)


def set_word(word: str) -> str:
    """The name of a function likewise, whose digits are part of a word, as in relu6."""
    return GREEK_AS_IT_IS_TYPED.get(word, word)


def set_names(names: Iterable[str]) -> Mapping[str, str]:
    """The names as mathematics writes them; those that would then be called alike stay as they are."""
    found = {name: set_name(name) for name in dict.fromkeys(names)}
    often = Counter(found.values())
    return {name: shown if often[shown] == 1 else name for name, shown in found.items()}


def parts_of_name(name: str) -> SetName | None:
    """The parts of a name that `set_name` wrote; None of what is no such name."""
    found = SET.fullmatch(name)
    if found is None:
        return None
    lowered = found["letter"] or (found["number"] or "").translate(PLAIN_DIGITS)
    return SetName(found["base"], lowered, (found["mark"] or "").translate(PLAIN_RAISED))
