"""Chart -> how large it is, and its marks: bars on a ground, those that are told dark, with words above or below."""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, text_width
from graphviz_ad._internal.scene.scene import Chart, Point

EM, HIGH = 12.5, 34.0  # points: of letters, and of the highest bar
WIDEST, WIDTH = 24.0, 200.0  # of a bar, and of all of them
THIN = 4.0  # bars that are no wider touch
APART = 6.0  # between words
TICK = 3.0  # from the ground to the words below
ROW = EM * (ASCENT + DESCENT) + TICK
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
    words = max((text_width(peak.text, EM, True) for peak in chart.peaks), default=0.0)
    return max(bar_width(chart) * len(chart.bars), words)


def chart_size(chart: Chart) -> Point:
    """Width and height."""
    return chart_width(chart), HIGH + ROW * len({peak.below for peak in chart.peaks})


def chart_marks(chart: Chart, corner: Point, color: str, owner: str) -> Iterator[Mark]:
    """The bars on their ground, and the words above and below with a line to the bar that they are about."""
    wide, each = chart_width(chart), bar_width(chart)
    above = ROW * any(not peak.below for peak in chart.peaks)
    left, ground = corner[0] + (wide - each * len(chart.bars)) / 2, corner[1] + above + HIGH
    told = {peak.place for peak in chart.peaks}
    for i, bar in enumerate(chart.bars):
        yield from bar_marks(bar, (left + i * each, ground), each, color if i not in told else "ink", owner)
    yield line((left, ground), (left + each * len(chart.bars), ground), GROUND, owner)
    for peak in chart.peaks:
        x, half = left + (peak.place + 0.5) * each, text_width(peak.text, EM, True) / 2
        top = ground if peak.below else ground - (chart.bars[peak.place] or 0.0) * HIGH
        base = ground + EM * ASCENT + TICK if peak.below else corner[1] + EM * ASCENT
        end = ground + TICK if peak.below else base + DESCENT * EM
        if abs(top - end) > 1:
            yield line((x, min(top, end)), (x, max(top, end)), LEADER, owner)
        middle = min(max(x, corner[0] + half), corner[0] + wide - half)
        yield Label(middle, base, peak.text, EM, color, True, False, "middle", owner, WORDS)
        if peak.below:
            span = (left, left + each * len(chart.bars))
            yield from end_marks(chart, span, (middle - half, middle + half), base, owner)


def end_marks(chart: Chart, span: Point, taken: Point, base: float, owner: str) -> Iterator[Mark]:
    """What the first and the last bar are, below them, where nothing else stands."""
    if span[0] + text_width(chart.first, EM) + APART <= taken[0]:
        yield Label(span[0], base, chart.first, EM, "muted", anchor="start", owner=owner, part="line.name")
    if span[1] - text_width(chart.last, EM) - APART >= taken[1]:
        yield Label(span[1], base, chart.last, EM, "muted", anchor="end", owner=owner, part="line.name")


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
