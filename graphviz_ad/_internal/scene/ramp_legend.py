"""Ramp -> the marks of its legend: a swatch for each fill, from the least to the most, and what other fills mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.film_frame import Panel
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Ramp

ROW, SIZE = 21.0, 12.5  # points
BELOW, LARGER = 28.0, 1.2  # on the frames of a film: pixels that its row takes, and a point
WIDE, HIGH, GAP, APART = 26.0, 13.0, 6.0, 20.0  # of a swatch, and between what stands side by side
Entry = tuple[str, tuple[str, ...], str]  # words before, fills, words behind


def entries(ramp: Ramp) -> list[Entry]:
    """What stands in the legend, one beside the other."""
    scale: list[Entry] = [(f"{ramp.title}: {ramp.low}" if ramp.fills else ramp.title, ramp.fills, ramp.high)]
    return [*scale, *(("", (fill,), words) for fill, words in ramp.others)]


def entry_width(entry: Entry) -> float:
    """Width of an entry, in points."""
    before, fills, behind = entry
    words = [text_width(text, SIZE) + GAP for text in (before, behind) if text]
    return sum(words) + WIDE * len(fills) + APART


def rows(ramp: Ramp | None, width: float) -> list[list[Entry]]:
    """The entries in rows that fit."""
    found: list[list[Entry]] = []
    room = 0.0
    for entry in entries(ramp) if ramp is not None else ():
        if not found or entry_width(entry) > room:
            found.append([])
            room = width
        found[-1].append(entry)
        room -= entry_width(entry)
    return found


def panel_with_legend(panel: Panel | None) -> Panel:
    """The room beside the stage of a film, with room for the legend below."""
    return Panel("right", 0.0, below=BELOW) if panel is None else replace(panel, below=BELOW)


def row_marks(row: list[Entry], x: float, base: float) -> Iterator[Mark]:
    """One row, whose letters stand on ``base``."""
    for before, fills, behind in row:
        if before:
            yield Label(x, base, before, SIZE, "muted", anchor="start", part="legend")
            x += text_width(before, SIZE) + GAP
        for fill in fills:
            yield Rect(x, base - HIGH + 2.5, WIDE, HIGH, 0, fill, "muted", 0.6, part="swatch")
            x += WIDE
        x += GAP
        if behind:
            yield Label(x, base, behind, SIZE, "muted", anchor="start", part="legend")
            x += text_width(behind, SIZE)
        x += APART
