"""Chart -> how large it is, and its marks: bars on a ground, dark if out of the usual, with words about some above or
below.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, text_width
from graphviz_ad._internal.scene.scene import Chart, Peak, Point

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
    return max(width_of_bars(chart), words)


def width_of_bars(chart: Chart) -> float:
    """The width of the bars, or of what stands below their ends."""
    ends = text_width(chart.first, EM) + APART + text_width(chart.last, EM)
    return max(bar_width(chart) * len(chart.bars), ends)


def is_at_end(chart: Chart, peak: Peak) -> bool:
    """Whether words below are about the first or the last bar, and stand where its name would, beside the other."""
    if not peak.below or not has_ends(chart) or peak.place not in (0, len(chart.bars) - 1):
        return False
    other = chart.last if peak.place == 0 else chart.first
    return text_width(peak.text, EM, True) + 2 * APART + text_width(other, EM) <= bar_width(chart) * len(chart.bars)


def labels_of_ends(chart: Chart) -> tuple[str, str]:
    """What stands below the first and the last bar, but for that of which words tell more."""
    taken = {peak.place for peak in chart.peaks if is_at_end(chart, peak)}
    return "" if 0 in taken else chart.first, "" if len(chart.bars) - 1 in taken else chart.last


def chart_size(chart: Chart) -> Point:
    """Width and height."""
    return chart_width(chart), HIGH + ROW * (len({peak.below for peak in chart.peaks}) + has_row_of_ends(chart))


def has_ends(chart: Chart) -> bool:
    """Whether it is said what stands at the ends."""
    return bool(chart.first or chart.last)


def has_row_of_ends(chart: Chart) -> bool:
    """Whether that stands in a row of its own."""
    return has_ends(chart) and not any(is_at_end(chart, peak) for peak in chart.peaks)


def chart_marks(chart: Chart, corner: Point, color: str, owner: str) -> Iterator[Mark]:
    """The bars on their ground, and the words above and below with a line to the bar that they are about."""
    wide, each = chart_width(chart), bar_width(chart)
    above = ROW * any(not peak.below for peak in chart.peaks)
    left, ground = corner[0] + (wide - each * len(chart.bars)) / 2, corner[1] + above + HIGH
    for i, bar in enumerate(chart.bars):
        yield from bar_marks(bar, (left + i * each, ground), each, color if i not in chart.far else "ink", owner)
    yield line((left, ground), (left + each * len(chart.bars), ground), GROUND, owner)
    ends = [*end_marks(chart, (corner[0] + (wide - width_of_bars(chart)) / 2, ground), owner)]
    yield from ends
    for peak in chart.peaks:
        x, half = left + (peak.place + 0.5) * each, text_width(peak.text, EM, True) / 2
        top = ground if peak.below else ground - (chart.bars[peak.place] or 0.0) * HIGH
        base = ground + EM * ASCENT + TICK + ROW * has_row_of_ends(chart) if peak.below else corner[1] + EM * ASCENT
        end = base - EM * ASCENT if peak.below else base + DESCENT * EM
        if abs(top - end) > 1 and not (peak.below and any(is_over(x, label) for label in ends)):
            yield line((x, min(top, end)), (x, max(top, end)), LEADER, owner)
        middle = min(max(x, corner[0] + half), corner[0] + wide - half)
        if is_at_end(chart, peak):
            middle = left + (half if peak.place == 0 else each * len(chart.bars) - half)
        yield Label(middle, base, peak.text, EM, "ink", True, False, "middle", owner, WORDS)


def end_marks(chart: Chart, start: Point, owner: str) -> Iterator[Label]:
    """What the first and the last bar are, below them."""
    base, (first, last) = start[1] + EM * ASCENT + TICK, labels_of_ends(chart)
    if first:
        yield Label(start[0], base, first, EM, "muted", anchor="start", owner=owner, part="line.name")
    if last:
        end = start[0] + width_of_bars(chart)
        yield Label(end, base, last, EM, "muted", anchor="end", owner=owner, part="line.name")


def is_over(x: float, label: Label) -> bool:
    """Whether a text at an end of the ground is there."""
    width = text_width(label.text, label.size) + TICK
    start = label.x if label.anchor == "start" else label.x - width
    return start - TICK <= x <= start + width


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
