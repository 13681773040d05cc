"""Text -> its width: our own measures of DejaVu Sans, so that a layout is the same on every machine.

DejaVu Sans is wider than Helvetica, Arial and Verdana, so that boxes sized here also hold the text of a page that falls
back to those.
"""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache
from importlib.resources import files

from graphviz_ad._internal.base.visible_text import visible

ASCENT, DESCENT = 0.76, 0.24  # of an em: what letters and digits need above and below the baseline


class Widths(dict[str, int]):
    """How wide each letter is, in thousandths of an em; of those that are not listed, once somebody has asked. What
    nobody would see is as wide as what is drawn for it.
    """

    def __missing__(self, char: str) -> int:
        shown = visible(char)
        self[char] = found = _unlisted(char) if shown == char else sum(map(self.__getitem__, shown))
        return found


@lru_cache(maxsize=2)
def _table(bold: bool) -> Widths:
    runs = json.loads(files(__name__.rpartition(".")[0]).joinpath("font_widths.json").read_text("ascii"))[
        "bold" if bold else "regular"
    ]
    listed = ((chr(ord(first) + i), width) for first, *widths in runs for i, width in enumerate(widths))
    return Widths((char, width) for char, width in listed if width and visible(char) == char)


def _unlisted(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 1050 if unicodedata.east_asian_width(char) in "WF" else 800


@lru_cache(maxsize=8192)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of one line of text set in DejaVu Sans at ``size`` (the em), in the unit of ``size``."""
    return sum(map(_table(bold).__getitem__, text)) * size / 1000


MONO = 0.602  # of an em: how wide every letter of DejaVu Sans Mono is; Courier New has 0.600


def mono_width(text: str, size: float) -> float:
    """Width of one line of text in letters of one width; what is wide in the East takes two of them."""
    return columns_of(text) * MONO * size


def columns_of(text: str) -> int:
    """How many letters of one width a text is wide."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: str, size: float, width: float, bold: bool = False) -> str:
    """The text, cut with an ellipsis where it would be wider than ``width``."""
    if text_width(text, size, bold) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle] + "…", size, bold) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"
