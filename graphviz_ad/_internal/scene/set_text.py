"""Line of mathematics -> its runs: variables in italics, a letter as index lowered, words and functions upright.

As TeX has it, one letter is a variable and several are a word; a letter before a parenthesis is a function. A run is
never wider than the letters that it stands for, so that what was measured as plain text has room for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.maths.set_names import LETTER, parts_of_name
from graphviz_ad._internal.scene.canvas import Label

SCRIPT, DROP = 0.84, 0.12  # size of what is lowered, and how far, in ems of the line: smaller could not be read
SYMBOL = rf"{LETTER}[₀-₉]*(?:⁽[⁰¹²³⁴-⁹]+⁾)?"
TOKEN = re.compile(
    r"(?P<number>[0-9][0-9.]*(?:e[−+-]?[0-9]+)?)"
    rf"|(?P<ratio>[∂d]{SYMBOL}/[∂d]{SYMBOL}(?!\w))"
    r"|(?P<words>[∂d] ?[^\s/]+/[∂d] ?[^\s/·=,;:()]+)"
    rf"|(?P<word>{LETTER}(?:[^\W⁰-ⁿ²³¹ᵀ]|\.(?=\w))*)|(?P<other>.)",
    re.DOTALL,
)


class Run(NamedTuple):
    """Letters of one look."""

    text: str
    italic: bool = False
    lowered: bool = False


def is_set(label: Label) -> bool:
    """Whether a label may have runs of several looks: it is mathematics, and not all in italics."""
    return label.math and not label.italic


def runs_of_label(label: Label) -> tuple[Run, ...]:
    """The runs of a label, in which nothing is invisible; one of what is no mathematics, or all in italics."""
    text = visible(label.text)
    return runs_of(text) if is_set(label) else (Run(text, label.italic),)


@lru_cache(maxsize=8192)
def runs_of(text: str) -> tuple[Run, ...]:
    """The runs of a line, neighbours of one look joined."""
    parts = [part for part in runs(text) if part.text]
    looks = groupby(parts, lambda part: part[1:])
    return tuple([Run("".join(part.text for part in same), *look) for look, same in looks]) or (Run(text),)


class Fraction(NamedTuple):
    """A derivative as what stands above its bar and below it."""

    above: str
    below: str


@lru_cache(maxsize=8192)
def with_fractions(text: str) -> tuple[str | Fraction, ...]:
    """A line of mathematics in pieces: its derivatives, and what stands between them."""
    pieces: list[str | Fraction] = []
    place = 0
    for match in TOKEN.finditer(text):
        if match["ratio"] is None and match["words"] is None:
            continue
        pieces += [text[place : match.start()], Fraction(*match[0].split("/", 1))]
        place = match.end()
    return tuple([piece for piece in (*pieces, text[place:]) if piece])


def runs(text: str) -> Iterator[Run]:
    """The runs of each number, word and sign; a derivative of a letter by a letter is one, in italics, and one with a
    word in it is upright as a whole."""
    for match in TOKEN.finditer(text):
        word = match["word"]
        if match["ratio"] is not None:
            yield Run(match[0], italic=True)
        elif word is None or text[match.end() : match.end() + 1] == "(":
            yield Run(match[0])
        else:
            yield from runs_of_word(word)


def runs_of_word(word: str) -> Iterator[Run]:
    """A variable with its index, in italics; a word as it is."""
    name = parts_of_name(word)
    if name is None:
        yield Run(word)
        return
    if name.lowered.isalpha():
        yield Run(name.base, italic=name.is_symbol)
        yield Run(name.lowered, italic=True, lowered=True)
    else:
        yield Run(word, italic=name.is_symbol)
