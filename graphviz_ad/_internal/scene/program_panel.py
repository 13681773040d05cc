"""Listing -> the marks of the program beside a picture: a window of its lines, those that a step is about lit.

The window moves as seldom as it can: it stands where it shows the lines of as many steps as possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import MONO, columns_of, shorten
from graphviz_ad._internal.scene.scene import Lit, Listing, Step

OWNER = "program"  # of the marks
SIZES = (18.0, 17.0, 16.0, 15.0)  # pixels, of letters in a frame 720 pixels high
WIDEST, USUAL, NARROWEST = 0.4, 0.34, 0.2  # of a frame
LEADING, PAD, MARGIN, TITLE = 1.5, 10.0, 24.0, 26.0
SIGN = 1.6  # letters that the sign before a lit line takes
CONTINUED = "  ↳ "  # begins the rest of a line that is too long
ROLES = {"forward": ("forward", "value.line", "value"), "backward": ("backward", "gradient.line", "gradient")}
RESTING = ("active", "active.line", "ink")
SIGNS = {"forward": "▶", "backward": "◀"}

Lits = tuple[tuple[Lit, ...], ...]


@dataclass(frozen=True)
class Row:
    """One row of the panel: a line of the program, or the rest of one. ``number`` is 0 of what goes on or stands
    between two parts.
    """

    part: int
    line: int
    number: int
    text: str


@dataclass(frozen=True)
class Panel:
    """Where the program stands in a frame: its left upper corner, its size, its letters, and how many rows it has."""

    left: float
    top: float
    width: float
    height: float
    em: float
    rows: tuple[Row, ...]
    room: int
    digits: int

    @property
    def leading(self) -> float:
        """From row to row."""
        return self.em * LEADING

    @property
    def text_left(self) -> float:
        """Where the lines begin."""
        return self.left + PAD + (self.digits + SIGN + 0.8) * MONO * self.em


def panel_width(listing: Listing | None, size: tuple[int, int]) -> float:
    """How much of a frame's width the program takes, with the space to the stage; 0 where there is none."""
    return panel_of(listing, size, 0.0, 0.0).width + MARGIN if listing is not None else 0.0


@lru_cache(maxsize=64)
def panel_of(listing: Listing, size: tuple[int, int], head: float, foot: float) -> Panel:
    """The panel in a frame of that size, between title and caption: with the largest letters that hold its lines."""
    digits = len(str(max(line.number for line in listing.lines)))
    longest = max(columns_of(visible(line.text)) for line in listing.lines)
    share = size[1] / 720
    most, usual, least = (size[0] * part - MARGIN for part in (WIDEST, USUAL, NARROWEST))
    aside = digits + SIGN + 0.8
    em = next(
        (em * share for em in SIZES if 2 * PAD + (aside + longest + 0.5) * MONO * em * share <= usual),
        SIZES[-1] * share,
    )
    width = min(max(2 * PAD + (aside + longest + 0.5) * MONO * em, least), most)
    columns = max(int((width - 2 * PAD) / (MONO * em) - aside), 8)
    rows = tuple(rows_of(listing, columns))
    free = size[1] - head - foot - TITLE - 2 * PAD
    room = max(min(len(rows), int(free / (em * LEADING))), 1)
    height = room * em * LEADING + TITLE + 2 * PAD
    return Panel(MARGIN, head + (size[1] - head - foot - height) / 2, width, height, em, rows, room, digits)


def rows_of(listing: Listing, columns: int) -> Iterator[Row]:
    """The lines as rows of so many letters, with a sign between parts that do not follow on each other."""
    before = None
    for i, line in enumerate(listing.lines):
        if before is not None and before.part != line.part:
            yield Row(-1, i, 0, "")
        yield from (
            Row(line.part, i, 0 if n else line.number, text)
            for n, text in enumerate(wrapped(visible(line.text), columns))
        )
        before = line


def wrapped(text: str, columns: int) -> Iterator[str]:
    """The text in rows of so many letters; the further ones begin with a sign."""
    start = ""
    while columns_of(start + text) > columns:
        cut = fitting(text, columns - columns_of(start))
        yield start + text[:cut]
        text, start = text[cut:], CONTINUED
    yield start + text


def fitting(text: str, columns: int) -> int:
    """How many characters of a text fit, up to the last space if there is one in the second half of them."""
    most = next((i for i in range(len(text)) if columns_of(text[: i + 1]) > columns), len(text))
    space = text.rfind(" ", most // 2, most) + 1
    return max(space or most, 1)


# --- what is lit, and which rows are seen


def lit_rows(rows: Sequence[Row], numbers: Sequence[int], lit: Sequence[Lit]) -> dict[int, Lit]:
    """Which rows are lit, by what; ``numbers`` are those of the lines."""
    found: dict[int, Lit] = {}
    for i, row in enumerate(rows):
        for one in lit:
            if row.part == one.part and one.first <= numbers[row.line] <= one.last:
                found.setdefault(i, one)
    return found


@lru_cache(maxsize=64)
def windows(rows: tuple[Row, ...], numbers: tuple[int, ...], lits: Lits, room: int) -> tuple[int, ...]:
    """For each step the first row that is seen; what calls a function is seen where there is room for it."""
    wanted = [[i for i, lit in lit_rows(rows, numbers, each).items() if not lit.calls] for each in lits]
    starts: list[int] = []
    start, most = 0, max(len(rows) - room, 0)
    while len(starts) < len(lits):
        low, high, end = len(rows), -1, len(starts)
        while end < len(lits):
            lower, higher = min([low, *wanted[end]]), max([high, *wanted[end]])
            if higher - lower >= room and end > len(starts):
                break
            low, high, end = lower, higher, end + 1
        if high >= 0:
            start = placed_window(start, max(low - 1, 0), min(high + 1, len(rows) - 1), room, low)
        starts += [min(max(start, 0), most)] * (end - len(starts))
    return tuple(starts)


def placed_window(start: int, low: int, high: int, room: int, first: int) -> int:
    """The window nearest to where it stood that shows rows with those beside them, if there is room for these."""
    if high - low >= room:
        low = high = first
        return min(max(start, first - room + 1), first)
    return min(max(start, high - room + 1), low)


# --- marks


def panel_marks(
    listing: Listing | None, steps: Sequence[Step], index: int, size: tuple[int, int], head: float, foot: float
) -> Iterator[Mark]:
    """The program as it is beside a step."""
    if listing is None:
        return
    panel = panel_of(listing, size, head, foot)
    numbers = tuple(line.number for line in listing.lines)
    start = windows(panel.rows, numbers, tuple(step.lit for step in steps), panel.room)[index]
    lit = lit_rows(panel.rows, numbers, steps[index].lit)
    yield Rect(
        panel.left, panel.top, panel.width, panel.height, 8, "group", "group.line", 1.2, owner=OWNER, part="ground"
    )
    title = shorten(listing.title, 14, panel.width - 2 * PAD, bold=True)
    yield Label(
        panel.left + PAD, panel.top + PAD + 11, title, 14, "muted", True, anchor="start", owner=OWNER, part="title"
    )
    for i in range(start, min(start + panel.room, len(panel.rows))):
        yield from row_marks(panel, i, i - start, lit.get(i), steps[index].phase)
    yield from more_marks(panel, start)


def row_marks(panel: Panel, i: int, place: int, lit: Lit | None, phase: str) -> Iterator[Mark]:
    """One row: its number, its text, and what shows that it is lit."""
    row, top = panel.rows[i], panel.top + PAD + TITLE + place * panel.leading
    base = top + panel.leading * 0.5 + 0.36 * panel.em
    fill, line, color = ROLES.get(phase, RESTING)
    if lit is not None and not lit.calls:
        yield Rect(panel.left + 1, top, panel.width - 2, panel.leading, 0, fill, None, 0, (), OWNER, "lit")
    if lit is not None:
        yield Rect(panel.left + 1, top, 4, panel.leading, 0, line, None, 0, (), OWNER, "bar")

    def words(x: float, text: str, color: str, part: str, anchor: str = "start") -> Label:
        return Label(x, base, text, panel.em, color, anchor=anchor, owner=OWNER, part=f"{part}:{i}", mono=True)

    if lit is not None and row.number and not lit.calls:
        yield words(panel.left + PAD, SIGNS.get(phase, "▶"), color, "sign")
    if row.number:
        yield words(panel.text_left - MONO * panel.em * 0.8, str(row.number), "muted", "number", "end")
    if row.text.strip():
        yield words(panel.text_left, row.text, "ink", "line")


def more_marks(panel: Panel, start: int) -> Iterator[Mark]:
    """Signs that there is more of the program above or below what is seen."""
    x = panel.left + panel.width - PAD - 4
    if start:
        yield Label(x, panel.top + PAD + 14, "▴", 16, "muted", owner=OWNER, part="above")
    if start + panel.room < len(panel.rows):
        yield Label(x, panel.top + panel.height - 5, "▾", 16, "muted", owner=OWNER, part="below")


def said_of_lines(listing: Listing | None, step: Step) -> str:
    """Which lines a step is about, for who does not see them: "lesson.py, line 5"."""
    if listing is None:
        return ""
    lit = [one for one in step.lit if not one.calls]
    ranges = [f"line {one.first}" if one.first == one.last else f"lines {one.first} to {one.last}" for one in lit]
    return ", ".join([listing.title, *dict.fromkeys(ranges)])
