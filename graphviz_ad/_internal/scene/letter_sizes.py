"""Scene -> how many of its texts are set in letters of which size, before anything is placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from graphviz_ad._internal.scene import charts, grids
from graphviz_ad._internal.scene.paint import LARGE, OF_FOLDS, SMALL, TEXT, TYPES, type_of_line
from graphviz_ad._internal.scene.scene import Line, Scene


def letter_sizes(scene: Scene) -> Counter[float]:
    """Em in points -> number of texts; those of a legend and of notes are among them."""
    found: Counter[float] = Counter()
    for box in scene.boxes:
        count_lines(box.lines, found)
        if box.badge:
            found[TYPES["badge"].size] += 1
    for arrow in scene.arrows:
        count_lines(arrow.lines, found)
    explained = [role for role in scene.legend if role not in OF_FOLDS]  # those below make no picture smaller
    headings = int(scene.headed and bool(scene.notes))
    found[LARGE] += headings
    found[SMALL] += 2 * len(explained) + len(scene.notes) - headings + len(scene.groups)
    found[SMALL] += 2 + len(scene.ramp.others) if scene.ramp is not None else 0
    return +found


def count_lines(lines: Iterable[Line], found: Counter[float]) -> None:
    """Add the texts of some lines."""
    for line in lines:
        if line.drawn is not None:
            found[grids.em(line.drawn)] += sum(map(len, line.drawn.rows))
            found[grids.HEADING] += bool(line.drawn.heading)
            found[charts.EM] += len(line.drawn.chart.peaks) if line.drawn.chart is not None else 0
        elif line.text:
            found[type_of_line(line).size if line.role in TYPES else TEXT] += 1


def smallest_and_median(sizes: Counter[float]) -> tuple[float, float]:
    """The smallest size and that of the middle text."""
    ordered, half = sorted(sizes), sizes.total() // 2
    seen = 0
    for size in ordered:
        seen += sizes[size]
        if seen > half:
            return ordered[0], size
    return TEXT, TEXT
