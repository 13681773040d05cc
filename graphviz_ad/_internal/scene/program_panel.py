"""Listing -> the marks of the program beside a picture: a window of its lines, those that a step is about lit.

The window moves as seldom as it can: it stands where it shows the lines of as many steps as possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.film_frame import Area, Pair, Panel
from graphviz_ad._internal.scene.font_metrics import MONO, columns_of, shorten
from graphviz_ad._internal.scene.scene import Film, Listing, Lit, Step

OWNER = "program"  # of the marks
SIZES = (18.0, 17.0, 16.0, 15.0)  # pixels, of letters in a frame 720 pixels high
WIDEST, USUAL, NARROWEST = 0.4, 0.34, 0.2  # of the width of a frame
FULL = 720  # pixels, the height of a frame in which letters have these sizes
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
class Setting:
    """How the program is set in its room: the left upper corner and the size of its ground, its letters, and how many
    rows are seen at once.
    """

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
        return self.left + PAD + aside(self.digits) * MONO * self.em


def aside(digits: int) -> float:
    """How many letters stand before a line: its number, and the sign of what is lit."""
    return digits + SIGN + 0.8


def digits_of(listing: Listing) -> int:
    """How many digits the numbers of lines have."""
    return len(str(max(line.number for line in listing.lines)))


def columns_wanted(listing: Listing) -> float:
    """How many letters stand side by side where no line is wrapped."""
    return aside(digits_of(listing)) + max(columns_of(visible(line.text)) for line in listing.lines) + 0.5


def panel_for(listing: Listing | None, size: Pair) -> Panel | None:
    """The room that a program takes beside the stage: for its lines in large letters, if that is not too much."""
    if listing is None:
        return None
    wanted, scale = columns_wanted(listing) * MONO, size[1] / FULL
    usual, most, least = (size[0] * share - MARGIN - 2 * PAD for share in (USUAL, WIDEST, NARROWEST))
    em = next((em * scale for em in SIZES if wanted * em * scale <= usual), SIZES[-1] * scale)
    return Panel("left", (min(max(wanted * em, least), most) + 2 * PAD + MARGIN) / size[0])


@lru_cache(maxsize=64)
def setting_of(listing: Listing, room: Area, scale: float) -> Setting:
    """The program in its room, with the largest letters that hold its lines."""
    width, wanted, digits = room.width - MARGIN, columns_wanted(listing) * MONO, digits_of(listing)
    em = next((em * scale for em in SIZES if wanted * em * scale <= width - 2 * PAD + 0.01), SIZES[-1] * scale)
    rows = tuple(rows_of(listing, max(int((width - 2 * PAD) / (MONO * em) - aside(digits)), 8)))
    seen = max(min(len(rows), int((room.height - TITLE - 2 * PAD) / (em * LEADING))), 1)
    height = seen * em * LEADING + TITLE + 2 * PAD
    top = room.y + max((room.height - height) / 2, 0.0)
    return Setting(room.x + MARGIN, top, width, height, em, rows, seen, digits)


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
            start = placed_window(start, (low, high), room, len(rows))
        starts += [min(max(start, 0), most)] * (end - len(starts))
    return tuple(starts)


def placed_window(start: int, wanted: tuple[int, int], room: int, count: int) -> int:
    """The window nearest to where it stood that shows some rows, with those beside them if there is room for these."""
    low, high = max(wanted[0] - 1, 0), min(wanted[1] + 1, count - 1)
    if high - low >= room:
        low, high = wanted
    return min(max(start, high - room + 1), low)


# --- marks


def panel_marks(film: Film, index: int, size: Pair) -> Iterator[Mark]:
    """The program as it is beside a step."""
    room = film.rooms((round(size[0]), round(size[1]))).program
    if film.program is None or room is None:
        return
    setting = setting_of(film.program, room, size[1] / FULL)
    numbers = tuple([line.number for line in film.program.lines])
    start = windows(setting.rows, numbers, tuple([step.lit for step in film.steps]), setting.room)[index]
    step = film.steps[index]
    lit = lit_rows(setting.rows, numbers, step.lit)
    where = setting.left, setting.top, setting.width, setting.height
    yield Rect(*where, 8, "group", "group.line", 1.2, owner=OWNER, part="ground")
    title = shorten(film.program.title, 14, setting.width - 2 * PAD, bold=True)
    yield Label(setting.left + PAD, setting.top + PAD + 11, title, 14, "muted", True, False, "start", OWNER, "title")
    for i in range(start, min(start + setting.room, len(setting.rows))):
        yield from row_marks(setting, i, i - start, lit.get(i), step.phase)
    yield from more_marks(setting, start)


def row_marks(setting: Setting, i: int, place: int, lit: Lit | None, phase: str) -> Iterator[Mark]:
    """One row: its number, its text, and what shows that it is lit."""
    row, top, high = setting.rows[i], setting.top + PAD + TITLE + place * setting.leading, setting.leading
    base = top + high / 2 + 0.36 * setting.em
    fill, line, color = ROLES.get(phase, RESTING)
    if lit is not None and not lit.calls:
        yield Rect(setting.left + 1, top, setting.width - 2, high, 0, fill, None, 0, (), OWNER, "lit")
    if lit is not None:
        yield Rect(setting.left + 1, top, 4, high, 0, line, None, 0, (), OWNER, "bar")

    def words(x: float, text: str, color: str, part: str, anchor: str = "start") -> Label:
        return Label(x, base, text, setting.em, color, anchor=anchor, owner=OWNER, part=f"{part}:{i}", mono=True)

    if lit is not None and row.number and not lit.calls:
        yield words(setting.left + PAD, SIGNS.get(phase, SIGNS["forward"]), color, "pointer")
    if row.number:
        yield words(setting.text_left - MONO * setting.em * 0.8, str(row.number), "muted", "number", "end")
    if row.text.strip():
        yield words(setting.text_left, row.text, "ink", "line")


def more_marks(setting: Setting, start: int) -> Iterator[Mark]:
    """Signs that there is more of the program above or below what is seen."""
    x = setting.left + setting.width - PAD - 4
    if start:
        yield Label(x, setting.top + PAD + 14, "▴", 16, "muted", owner=OWNER, part="above")
    if start + setting.room < len(setting.rows):
        yield Label(x, setting.top + setting.height - 5, "▾", 16, "muted", owner=OWNER, part="below")


def said_of_lines(listing: Listing | None, step: Step) -> str:
    """Which lines a step is about, for who does not see them: "lesson.py, line 5"."""
    if listing is None:
        return ""
    lit = [one for one in step.lit if not one.calls]
    ranges = [f"line {one.first}" if one.first == one.last else f"lines {one.first} to {one.last}" for one in lit]
    return ", ".join([listing.title, *dict.fromkeys(ranges)])
