"""Colours -> the pairs of them that a reader could not tell apart well enough, by the contrast ratio of WCAG 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphviz_ad._internal.scene.paint import BOX_LOOKS, KIND_LOOKS

TEXT_RATIO, LINE_RATIO = 4.5, 3.0  # what text and lines need
WORDS = ("ink", "value", "gradient")  # that stand on every ground
FILLS = (
    *dict.fromkeys([*(fill for fill, *_ in BOX_LOOKS.values() if fill), *(look[0] for look in KIND_LOOKS.values())]),
)
QUIET = ("paper", "data", "module", "op")  # grounds of small print
# ink, its ground, and the ratio that is needed between them
PAIRS: tuple[tuple[str, str, float], ...] = (
    *((ink, ground, TEXT_RATIO) for ground in dict.fromkeys((*FILLS, "paper")) for ink in WORDS),
    *(("muted", ground, TEXT_RATIO) for ground in QUIET),
    *((f"path.{number}", "paper", TEXT_RATIO) for number in range(4)),
    ("badge.text", "badge", TEXT_RATIO),
    *((line, "paper", LINE_RATIO) for line in ("edge", "value.line", "gradient.line")),
)


@dataclass(frozen=True)
class Faint:
    """Two colours that are too much alike: that of a text or line, and what it stands on."""

    ink: str
    ground: str
    ratio: float
    needed: float


def luminance(color: str) -> float:
    """Relative luminance of "#rrggbb", from 0 for black to 1 for white."""
    channels = (byte / 255 for byte in bytes.fromhex(color[1:]))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast_ratio(one: str, other: str) -> float:
    """From 1 for the same luminance to 21 for black and white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def faint_pairs(colors: Mapping[str, str]) -> Iterator[Faint]:
    """The pairs whose contrast is too low, from the worst."""
    found = [Faint(ink, ground, contrast_ratio(colors[ink], colors[ground]), needed) for ink, ground, needed in PAIRS]
    yield from sorted((pair for pair in found if pair.ratio < pair.needed), key=lambda pair: pair.ratio / pair.needed)
