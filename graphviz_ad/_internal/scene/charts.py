"""Chart -> how large it is, and its marks: bars on a ground, those that are told dark and with their words above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, text_width
from graphviz_ad._internal.scene.scene import Chart, Peak, Point

EM, HIGH = 12.5, 34.0  # points: of letters, and of the highest bar
WIDEST, WIDTH = 14.0, 230.0  # of a bar, and of all of them
THIN = 4.0  # bars that are no wider touch
APART = 10.0  # between words that stand side by side
ROW = EM * (ASCENT + DESCENT)
BAR, TOLD, GROUND, LEADER, WORDS = CHART_PARTS = (
    "chart.bar",
    "chart.told",
    "chart.ground",
    "chart.leader",
    "chart.words",
)


def bar_width(chart: Chart) -> float:
    """The width of each bar."""
    return min(WIDEST, WIDTH / max(len(chart.bars), 1))


def chart_width(chart: Chart) -> float:
    """The width of all: that of the bars, or of the words above or below them."""
    below = text_width(chart.first, EM) + APART + text_width(chart.last, EM) if len(chart.bars) > 1 else 0.0
    above = max((text_width(peak.text, EM, True) for peak in chart.peaks), default=0.0)
    return max(bar_width(chart) * len(chart.bars), below, above)


def chart_size(chart: Chart) -> Point:
    """Width and height."""
    return chart_width(chart), HIGH + ROW * (1 + len(rows_of_peaks(chart)))


def rows_of_peaks(chart: Chart) -> list[list[tuple[Peak, float]]]:
    """The bars that are told, each with where the middle of its words is, in rows in which no words meet."""
    wide, each = chart_width(chart), bar_width(chart)
    left = (wide - each * len(chart.bars)) / 2
    rows: list[list[tuple[Peak, float]]] = []
    for peak in sorted(chart.peaks, key=lambda peak: peak.place):
        half = text_width(peak.text, EM, True) / 2
        middle = min(max(left + (peak.place + 0.5) * each, half), wide - half)
        row = next((row for row in rows if ends_before(row, middle - half - APART)), None)
        if row is None:
            rows.append(row := [])
        row.append((peak, middle))
    return rows


def ends_before(row: Sequence[tuple[Peak, float]], x: float) -> bool:
    """Whether the words of a row end before some place."""
    peak, middle = row[-1]
    return middle + text_width(peak.text, EM, True) / 2 <= x


def chart_marks(chart: Chart, corner: Point, color: str, owner: str) -> Iterator[Mark]:
    """The words above, the bars, the ground, and what the first and the last of them are."""
    wide, each = chart_width(chart), bar_width(chart)
    rows = rows_of_peaks(chart)
    left, ground = corner[0] + (wide - each * len(chart.bars)) / 2, corner[1] + ROW * len(rows) + HIGH
    told = {peak.place for peak in chart.peaks}
    for i, bar in enumerate(chart.bars):
        yield from bar_marks(bar, (left + i * each, ground), each, color if i not in told else "ink", owner)
    yield line((corner[0], ground), (corner[0] + wide, ground), GROUND, owner)
    for i, row in enumerate(rows):
        base = corner[1] + i * ROW + EM * ASCENT
        for peak, middle in row:
            x, top = left + (peak.place + 0.5) * each, ground - (chart.bars[peak.place] or 0.0) * HIGH
            if top - base > DESCENT * EM + 2:
                yield line((x, base + DESCENT * EM), (x, top - 1), LEADER, owner)
            yield Label(corner[0] + middle, base, peak.text, EM, color, True, False, "middle", owner, WORDS)
    below = ground + EM * ASCENT + 1
    yield Label(corner[0], below, chart.first, EM, "muted", anchor="start", owner=owner, part="line.name")
    yield Label(corner[0] + wide, below, chart.last, EM, "muted", anchor="end", owner=owner, part="line.name")


def bar_marks(bar: float | None, foot: Point, wide: float, color: str, owner: str) -> Iterator[Mark]:
    """One bar; of what is not finite a black one from top to bottom, of what is unknown or 0 none."""
    if bar is None:
        yield Rect(foot[0], foot[1] - HIGH, wide, HIGH, 0, "ink", None, 0, (), owner, TOLD)
    elif bar > 0:
        gap, part = 1.0 if wide > THIN else 0.0, TOLD if color == "ink" else BAR
        yield Rect(foot[0], foot[1] - bar * HIGH, wide - gap, bar * HIGH, 0, color, None, 0, (), owner, part)


def line(start: Point, end: Point, part: str, owner: str) -> Curve:
    """A thin straight line."""
    return Curve((start, start, end, end), "muted", 0.8, (), owner, part)
