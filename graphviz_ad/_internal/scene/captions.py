"""Step -> the marks of its caption: the formula, set with fractions, then numbers and result, then a sentence.

Each stands in one row as long as its letters stay large; what is too long is said shorter, a level at a time, and never
leaves the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, shorten, text_width
from graphviz_ad._internal.scene.scene import Step
from graphviz_ad._internal.scene.set_text import Fraction, with_fractions

FORMULA, FRACTIONS, NUMBERS, SENTENCE, LEAST = 24.0, 23.0, 22.0, 20.0, 20.0  # pixels, of letters
SIDE = 28.0  # free on the left and on the right
BAR, AROUND_BAR, BESIDE, AXIS = 1.6, 1.5, 3.0, 0.33  # of fractions; the axis in ems above the baseline
SLOTS = (59.0, 29.0, 27.0)  # pixels: how high the place of each row is, letters and what is free above them
COLORS = {"forward": "value", "backward": "gradient", "accumulate": "gradient"}
CAPTION, BAR_PART = "caption", "caption.bar"


@dataclass(frozen=True)
class Row:
    """One row of a caption; ``stacked``: its derivatives are fractions."""

    text: str
    em: float
    bold: bool = False
    stacked: bool = False
    math: bool = True

    @property
    def pieces(self) -> tuple[str | Fraction, ...]:
        """What stands side by side in it."""
        return with_fractions(self.text) if self.stacked else (self.text,)

    @property
    def width(self) -> float:
        """How wide it is."""
        return sum(piece_width(piece, self.em, self.bold) for piece in self.pieces)

    @property
    def height(self) -> float:
        """How high it is."""
        lines = 2 if any(isinstance(piece, Fraction) for piece in self.pieces) else 1
        return lines * self.em * (ASCENT + DESCENT) + (BAR + 2 * AROUND_BAR if lines > 1 else 0.0)


def piece_width(piece: str | Fraction, em: float, bold: bool) -> float:
    """How wide a fraction is with what is free beside it, or a text."""
    if isinstance(piece, Fraction):
        return max(text_width(piece.above, em, bold), text_width(piece.below, em, bold)) + 2 + 2 * BESIDE
    return text_width(piece, em, bold)


def caption_rows(step: Step, width: float) -> list[Row]:
    """The rows of a caption in so many pixels."""
    formula, *rest = [visible(part) for part in step.caption] or [""]
    rows = [formula_row(formula, width), numbers_row([part for part in rest if part.strip()], width)]
    if step.sentence:
        rows.append(replace(fitted(visible(step.sentence), SENTENCE, width), math=False))
    return rows


def formula_row(text: str, width: float) -> Row:
    """The formula: with fractions if that is no wider than there is room for, else as it is, in smaller letters."""
    for em in sizes(FRACTIONS if any(isinstance(piece, Fraction) for piece in with_fractions(text)) else FORMULA):
        stacked = Row(text, em, bold=True, stacked=True)
        if stacked.width <= width:
            return stacked
    return fitted(text, FORMULA, width, bold=True)


def numbers_row(parts: list[str], width: float) -> Row:
    """Numbers and result; where there is no room for both, the result."""
    for text in (" ".join(parts), *parts[-1:]):
        row = fitted(text, NUMBERS, width)
        if row.text == text:
            return row
    return fitted(parts[-1] if parts else "", NUMBERS, width)


def fitted(text: str, em: float, width: float, *, bold: bool = False) -> Row:
    """A text in letters that are as large as there is room for; in the smallest it is cut with an ellipsis."""
    em = max(min(em, em * width / max(text_width(text, em, bold), 1.0)), LEAST)
    return Row(shorten(text, em, width + 0.5, bold), em, bold)  # half a pixel for rounding


def sizes(most: float) -> Iterator[float]:
    """Letters from large to small."""
    em = most
    while em >= LEAST:
        yield em
        em -= 1.0


def caption_marks(step: Step, width: float, top: float, bottom: float) -> Iterator[Mark]:
    """The caption in the middle of a frame of that width, between two heights; each row has its place in all steps."""
    y = top + max((bottom - top - sum(SLOTS)) / 2, 0.0)
    for i, (row, slot) in enumerate(zip(caption_rows(step, width - 2 * SIDE), SLOTS, strict=False)):
        color = COLORS.get(step.phase, "ink") if i == 0 else "ink"
        yield from row_marks(row, width / 2, y + (slot - row.height) / 2, color)
        y += slot


def row_marks(row: Row, middle: float, top: float, color: str) -> Iterator[Mark]:
    """The pieces of a row, one beside the other, on one axis."""
    axis = top + row.height / 2
    base = axis + AXIS * row.em if row.height > row.em * 1.5 else top + row.em * ASCENT
    if len(row.pieces) == 1 and isinstance(row.pieces[0], str):
        yield words(row, middle, base, row.text, color, "middle")
        return
    x = middle - row.width / 2
    for piece in row.pieces:
        wide = piece_width(piece, row.em, row.bold)
        if isinstance(piece, Fraction):
            above, below = axis - BAR / 2 - AROUND_BAR - row.em * DESCENT, axis + BAR / 2 + AROUND_BAR + row.em * ASCENT
            yield from differential(row, x + wide / 2, above, piece.above, color)
            yield Rect(x + BESIDE, axis - BAR / 2, wide - 2 * BESIDE, BAR, 0, color, None, 0, (), "", BAR_PART)
            yield from differential(row, x + wide / 2, below, piece.below, color)
        else:
            yield words(row, x, base, piece, color, "start")
        x += wide


def differential(row: Row, middle: float, base: float, text: str, color: str) -> Iterator[Label]:
    """Half of a fraction: the sign of derivatives, upright, and what is differentiated."""
    left = middle - text_width(text, row.em, row.bold) / 2
    sign, rest = text[:1], text[1:].lstrip(" ")
    yield replace(words(row, left, base, sign, color, "start"), math=False)
    yield words(
        row, left + text_width(text, row.em, row.bold) - text_width(rest, row.em, row.bold), base, rest, color, "start"
    )


def words(row: Row, x: float, base: float, text: str, color: str, anchor: str) -> Label:
    """Some letters of a row."""
    return Label(x, base, text, row.em, color, row.bold, anchor=anchor, part=CAPTION, math=row.math)
