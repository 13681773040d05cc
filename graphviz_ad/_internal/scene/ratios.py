"""Derivative as a fraction, and what it is equal to -> its size and its marks: two lines with a bar between them."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, text_width
from graphviz_ad._internal.scene.scene import Ratio

BAR, GAP, SPACE = 1.2, 1.5, 5.0  # points: its height, what is free above and below it, and before the sign of equality
AXIS = 0.31  # of an em: how far above the baseline a bar and the sign of equality stand
LETTERS, LINE, REST = "ratio", "ratio.bar", "ratio.rest"  # parts


def fraction_width(ratio: Ratio, size: float) -> float:
    """How wide the bar is."""
    return max(text_width(ratio.above, size), text_width(ratio.below, size)) + 2


def ratio_size(ratio: Ratio, size: float) -> tuple[float, float]:
    """Width and height, in points."""
    rest = SPACE + text_width(ratio.rest, size) if ratio.rest else 0.0
    return fraction_width(ratio, size) + rest, 2 * size * (ASCENT + DESCENT) + BAR + 2 * GAP


def begin_of_rest(ratio: Ratio, size: float) -> float:
    """How far from its middle what it is equal to begins."""
    return fraction_width(ratio, size) + SPACE - ratio_size(ratio, size)[0] / 2


def ratio_marks(ratio: Ratio, middle: float, top: float, size: float, color: str, owner: str) -> Iterator[Mark]:
    """The fraction around ``middle``, and what it is equal to beside it."""
    width, wide = ratio_size(ratio, size)[0], fraction_width(ratio, size)
    left = middle - width / 2
    bar = top + size * (ASCENT + DESCENT) + GAP

    def words(x: float, y: float, text: str, anchor: str = "middle", part: str = LETTERS) -> Label:
        return Label(x, y, text, size, color, anchor=anchor, owner=owner, part=part, math=True)

    yield words(left + wide / 2, top + size * ASCENT, ratio.above)
    yield Rect(left, bar, wide, BAR, 0.0, color, None, 0.0, (), owner, LINE)
    yield words(left + wide / 2, bar + BAR + GAP + size * ASCENT, ratio.below)
    if ratio.rest:
        yield words(left + wide + SPACE, bar + BAR / 2 + AXIS * size, ratio.rest, "start", REST)
