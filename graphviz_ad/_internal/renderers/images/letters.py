"""Label -> outline in the glyphs of DejaVu Sans, which matplotlib brings along: the same text has the same shape
everywhere.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.ft2font import Kerning, LoadFlags
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from graphviz_ad._internal.base.errors import GraphvizADWarning
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene.canvas import Canvas, Label, Mark
from graphviz_ad._internal.scene.font_metrics import mono_width, text_width
from graphviz_ad._internal.scene.set_text import DROP, SCRIPT, runs_of_label

# vertices, y up, of letters with an em of EM; and matplotlib's path codes
Outline = tuple[NDArray[np.float64], NDArray[np.uint8]]

EM = text_to_path.FONT_SCALE
MISSING = "\u25a1"  # a white square, which every DejaVu face has
SHAPED = {"R", "AL", "AN", "NSM"}  # kinds of letters that are drawn otherwise when they stand beside each other
FACES = {
    (False, False, False): "DejaVuSans.ttf",
    (True, False, False): "DejaVuSans-Bold.ttf",
    (False, True, False): "DejaVuSans-Oblique.ttf",
    (True, True, False): "DejaVuSans-BoldOblique.ttf",
    (False, False, True): "DejaVuSansMono.ttf",
    (True, False, True): "DejaVuSansMono-Bold.ttf",
    (False, True, True): "DejaVuSansMono-Oblique.ttf",
    (True, True, True): "DejaVuSansMono-BoldOblique.ttf",
}


@lru_cache(maxsize=4096)
def letter_outline(text: str, bold: bool, italic: bool, mono: bool = False) -> Outline:
    """The outline of a line of text that starts at the origin, kerned; letters that join are left to matplotlib."""
    if is_shaped(text):
        vertices, codes = text_to_path.get_text_path(font(bold, italic, mono=mono), text)
        return np.reshape(np.asarray(vertices, np.float64), (-1, 2)), np.array(codes, np.uint8)
    glyphs = [_glyph(char, bold, italic, mono) for char in text]
    if not glyphs:
        return np.empty((0, 2)), np.empty(0, np.uint8)
    x, starts = 0.0, [0.0]
    for left, right, (_, _, advance) in zip(text, text[1:], glyphs, strict=False):
        x += advance + (0.0 if mono else _kerning(left, right, bold, italic))
        starts.append(x)
    together = np.concatenate([vertices for vertices, _, _ in glyphs])
    together[:, 0] += np.repeat(starts, [len(codes) for _, codes, _ in glyphs])
    return together, np.concatenate([codes for _, codes, _ in glyphs])


def is_shaped(text: str) -> bool:
    """Whether letters of it join, stack or run from right to left, so that it is no row of glyphs."""
    return any(unicodedata.bidirectional(char) in SHAPED or unicodedata.combining(char) for char in text)


@lru_cache(maxsize=4096)
def _glyph(char: str, bold: bool, italic: bool, mono: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8], float]:
    """Vertices and codes of one letter, and how far the next one is."""
    opened = _unscaled(bold, italic, mono)
    glyph = opened.load_char(ord(char), flags=LoadFlags.NO_HINTING)
    vertices, codes = opened.get_path()
    return (
        np.reshape(np.array(vertices, np.float64), (-1, 2)),
        np.array(codes, np.uint8),
        glyph.linearHoriAdvance / 65536,
    )


@lru_cache(maxsize=16384)
def _kerning(left: str, right: str, bold: bool, italic: bool) -> float:
    opened = _unscaled(bold, italic)
    glyphs = opened.get_char_index(ord(left)), opened.get_char_index(ord(right))
    return float(opened.get_kerning(*glyphs, Kerning.UNFITTED)) / 64


def _unscaled(bold: bool, italic: bool, mono: bool = False) -> Any:
    opened = get_font(face(bold, italic, mono))
    opened.set_size(EM, 72)  # every time: matplotlib shares the font with whoever draws beside us
    return opened


def font(bold: bool, italic: bool, size: float = 10.0, *, mono: bool = False) -> FontProperties:
    """The font file itself, not the family: what is installed must not matter."""
    return FontProperties(family="DejaVu Sans", size=size, fname=face(bold, italic, mono))


@lru_cache(maxsize=8)
def face(bold: bool, italic: bool, mono: bool = False) -> str:
    """The file of a face."""
    return str(FilePath(mpl.get_data_path(), "fonts", "ttf", FACES[bold, italic, mono]))


@lru_cache(maxsize=8)
def _glyphs(bold: bool, italic: bool, mono: bool = False) -> frozenset[str]:
    return frozenset(map(chr, get_font(face(bold, italic, mono)).get_charmap()))


@lru_cache(maxsize=8192)
def drawable_text(text: str, bold: bool, italic: bool, mono: bool = False) -> str:
    """What is drawn for the text: nothing invisible, and a square for what DejaVu Sans does not have."""
    glyphs = _glyphs(bold, italic, mono)
    return "".join(char if char in glyphs else MISSING for char in visible(text))


def label_outline(label: Label) -> Outline:
    """The outline of a label that starts at the origin, its runs one after the other."""
    runs = runs_of_label(label)
    if len(runs) == 1:
        look = label.bold, runs[0].italic, label.mono
        return letter_outline(drawable_text(runs[0].text, *look), *look)
    x, vertices, codes = 0.0, [], []
    for run in runs:
        text, scale = drawable_text(run.text, label.bold, run.italic), SCRIPT if run.lowered else 1.0
        points, kinds = letter_outline(text, label.bold, run.italic)
        vertices.append(points * scale + (x, -DROP * EM if run.lowered else 0.0))
        codes.append(kinds)
        x += text_width(text, EM * scale, label.bold)
    return np.concatenate(vertices), np.concatenate(codes)


def start(label: Label) -> float:
    """Where its first letter stands."""
    return label.x - width(label) * {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]


def width(label: Label) -> float:
    """How long the line is, in the unit of its size."""
    if label.mono:
        return mono_width(drawable_text(label.text, label.bold, label.italic, True), label.size)
    return sum(
        text_width(
            drawable_text(run.text, label.bold, run.italic), label.size * (SCRIPT if run.lowered else 1.0), label.bold
        )
        for run in runs_of_label(label)
    )


def with_squares(canvas: Canvas) -> Canvas:
    """The picture with squares in place of letters that DejaVu Sans has not, which gives no warning when it is
    drawn.
    """
    words = (
        replace(mark, text=drawable_text(mark.text, mark.bold, mark.italic, mark.mono))
        if isinstance(mark, Label)
        else mark
        for mark in canvas.marks
    )
    return replace(canvas, marks=tuple(words))


def warn_of_missing(marks: Iterable[Mark]) -> None:
    """Say once which characters are drawn as squares."""
    labels = (mark for mark in marks if isinstance(mark, Label))
    faces = dict.fromkeys(
        (run.text, label.bold, run.italic, label.mono) for label in labels for run in runs_of_label(label)
    )
    chars = sorted({char for text, *look in faces for char in set(visible(text)) - _glyphs(*look)})
    if chars:
        _warn(chars)


def _warn(chars: Sequence[str]) -> None:
    named = ", ".join(f"{char} (U+{ord(char):04X})" for char in chars[:10])
    named += f" and {len(chars) - 10} more" if len(chars) > 10 else ""
    message = (
        f"DejaVu Sans has no glyph for {named}: drawn as {MISSING}; save as .svg or .html, which use the reader's fonts"
    )
    warnings.warn(message, GraphvizADWarning, stacklevel=4)
