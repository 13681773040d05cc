"""Panels -> one Canvas: pictures, tables and bars side by side, each with its title and program, under a heading and
above a lesson.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.row_wrapping import wrapped
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.canvas import Canvas, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import ASCENT, text_width
from graphviz_ad._internal.scene.paint import (
    KIND_LOOKS,
    LEGEND,
    Type,
    item_width,
    legend_row,
    moved_marks,
    stage_marks,
    type_of,
)
from graphviz_ad._internal.scene.scene import Point, Scene
from graphviz_ad._internal.sheets.method_chart import straight

MARGIN, PAD, GAP = 24.0, 16.0, 18.0  # points: around a sheet, inside a panel, between panels
WIDEST, NARROWEST = 1360.0, 640.0  # of a sheet; panels that do not fit side by side stand in rows
# of a panel, in points: what is larger gets smaller letters; and the share of their size that will do
ROOM, LARGE_ENOUGH = (1300.0, 1000.0), 0.85
ROWS_WORTH = 0.75  # of a picture in several rows: arrows that go on in the next row are hard to follow
LINE = 1080.0  # running text is broken into lines no longer than this, which the eye can follow
LEADING = 1.35  # from one line of text to the next, in ems
TEXTS = {
    "overline": Type(14, "muted", bold=True),
    "heading": Type(24, "ink", bold=True),
    "source": Type(14, "muted"),
    "title": Type(17, "ink", bold=True),
    "code": Type(15, "ink"),
    "says": Type(15, "ink"),
    "error": Type(14, "ink"),
    "lesson": Type(18, "ink"),
    "footnote": Type(13, "muted", italic=True),
}


@dataclass(frozen=True)
class Block:
    """Marks that stand in a rectangle whose corner is the origin."""

    width: float
    height: float
    marks: tuple[Mark, ...]

    def at(self, x: float, y: float) -> Iterator[Mark]:
        """The marks, moved there."""
        return moved_marks(self.marks, 1.0, x, y)


NOTHING = Block(0.0, 0.0, ())


@dataclass(frozen=True)
class Panel:
    """One part of a sheet: ``drawing`` under its title and program, above what it says; ``raised`` is the line of
    the program that raised ``error``.
    """

    drawing: Block
    title: str = ""
    code: tuple[str, ...] = ()
    says: str = ""
    error: str = ""
    raised: int | None = None
    legend: tuple[str, ...] = ()

    def block(self, lines: int = 0) -> Block:
        """The panel in its frame; its program takes the room of so many ``lines``."""
        room = max(
            self.drawing.width,
            *(text_width(line, TEXTS["code"].size) + 28 for line in self.code),
            300.0 if self.says or self.error else 0.0,
        )
        room = max(room, min(text_width(self.title, TEXTS["title"].size, True), 420.0))
        parts = [
            running_text(self.title, "title", room),
            program(self.code, room, self.raised, lines),
            centred(self.drawing, room),
        ]
        parts += [alarm(self.error, room), running_text(self.says, "says", room)]
        inside = stacked(parts, 12.0)
        # a short table in a tall frame would look as if something were missing
        part = "panel" if self.code or self.legend else "table"
        frame = Rect(0, 0, room + 2 * PAD, inside.height + 2 * PAD, 12, None, "group.line", 1.4, part=part)
        return Block(frame.width, frame.height, (frame, *inside.at(PAD, PAD)))


@dataclass(frozen=True)
class Sheet:
    """What stands around the panels; ``overlines`` introduce the heading and the lesson, ``code`` is a program that
    all panels share.
    """

    heading: str
    lesson: str = ""
    overlines: tuple[str, str] = ("", "")
    source: str = ""
    code: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()

    def canvas(self, panels: Sequence[Panel], alt: str = "") -> Canvas:
        """The whole picture."""
        rows = [side_by_side(level(row)) for row in in_rows(panels, WIDEST)]
        room = max(
            *(row.width for row in rows), NARROWEST, min(text_width(self.heading, TEXTS["heading"].size, True), WIDEST)
        )
        head = stacked(
            [
                running_text(self.overlines[0], "overline", room),
                running_text(self.heading, "heading", room),
                running_text(self.source, "source", room),
            ],
            5.0,
        )
        taught = stacked(
            [running_text(self.overlines[1], "overline", room), running_text(self.lesson, "lesson", room)], 5.0
        )
        details = stacked([running_text(detail, "says", room) for detail in self.details], 6.0)
        key = panels_legend(panels, room)
        notes = stacked([running_text(note, "footnote", room) for note in self.footnotes], 4.0)
        body = stacked(
            [head, program(self.code, room, None), *(centred(row, room) for row in rows), taught, details, key, notes],
            GAP,
        )
        spoken = alt or " ".join(part for part in (self.heading, self.lesson) if part)
        return Canvas(room + 2 * MARGIN, body.height + 2 * MARGIN, tuple(body.at(MARGIN, MARGIN)), spoken, "paper")


# --- putting blocks together


def stacked(blocks: Iterable[Block], gap: float) -> Block:
    """One below the other, at the left; empty ones take no room."""
    marks: list[Mark] = []
    width = bottom = 0.0
    for block in blocks:
        if not block.marks:
            continue
        top = bottom + gap if marks else 0.0
        marks += block.at(0.0, top)
        width, bottom = max(width, block.width), top + block.height
    return Block(width, bottom, tuple(marks))


def side_by_side(blocks: Sequence[Block]) -> Block:
    """One beside the other; frames get the height of the tallest."""
    height = max((block.height for block in blocks), default=0.0)
    marks: list[Mark] = []
    x = 0.0
    for block in blocks:
        marks += (
            replace(mark, height=height) if isinstance(mark, Rect) and mark.part == "panel" else mark
            for mark in block.at(x, 0.0)
        )
        x += block.width + GAP
    return Block(max(x - GAP, 0.0), height, tuple(marks))


def level(row: Sequence[Panel]) -> list[Block]:
    """The panels of a row, the programs of which take the same room, so that what is drawn below them begins at one
    height.
    """
    lines = max(len(panel.code) for panel in row)
    return [panel.block(lines if panel.code else 0) for panel in row]


def in_rows(panels: Sequence[Panel], room: float) -> Iterator[list[Panel]]:
    """The panels in as few rows as fit, filled evenly."""
    sized = [(panel, panel.block().width) for panel in panels]

    def filled(limit: float) -> list[list[Panel]]:
        rows: list[list[Panel]] = []
        used = math.inf
        for panel, width in sized:
            if used + GAP + width > limit:
                rows.append([])
                used = -GAP
            rows[-1].append(panel)
            used += GAP + width
        return rows

    fewest = len(filled(room))
    width = room
    while width > 40 and len(filled(width - 20)) == fewest:
        width -= 20
    yield from filled(width)


def centred(block: Block, room: float) -> Block:
    """The block in the middle of the room."""
    return Block(room, block.height, tuple(block.at((room - block.width) / 2, 0.0)))


# --- kinds of blocks


def well_placed(scene: Scene, layout: str, directions: Sequence[str]) -> Scene:
    """The scene in that of the directions, or in several rows, in which its letters are largest; in the first one if
    they are large enough there.
    """
    candidates = []
    for direction in directions:
        placed = place_scene(replace(scene, direction=direction), layout)
        if fit(placed) >= LARGE_ENOUGH:
            return placed
        candidates.append((fit(placed), placed))
        if direction == "LR":
            folded = wrapped(placed, fit_of)
            candidates.append((ROWS_WORTH * fit(folded), folded))
    return max(candidates, key=lambda candidate: candidate[0])[1]


def fit(scene: Scene) -> float:
    """How much of the size of its letters a scene keeps if it is made to fit into a panel."""
    return fit_of(scene.size or (1.0, 1.0))


def fit_of(size: Point) -> float:
    """The same of a scene of this width and height, in points."""
    return min(ROOM[0] / size[0], ROOM[1] / size[1], 1.0)


def running_text(text: str, role: str, room: float) -> Block:
    """Running text in lines that fit; a line break in the text is one in the picture."""
    kind = TEXTS[role]
    lines = (
        [line for paragraph in text.split("\n") for line in broken(paragraph, kind, min(room, LINE))] if text else []
    )
    pitch = kind.size * LEADING
    marks = [
        Label(
            0.0, pitch * i + kind.size * ASCENT, line, kind.size, kind.color, kind.bold, kind.italic, "start", part=role
        )
        for i, line in enumerate(lines)
    ]
    return Block(room, pitch * (len(lines) - 1) + kind.size, tuple(marks)) if lines else NOTHING


def broken(text: str, kind: Type, room: float) -> Iterator[str]:
    """The text in lines no wider than the room, broken between words."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and text_width(longer, kind.size, kind.bold) > room:
            yield line
            longer = word
        line = longer
    yield line


def program(lines: Sequence[str], room: float, raised: int | None, least: int = 0) -> Block:
    """The lines of a program on a ground of their own, which has room for ``least`` lines; the one that raised is
    marked.
    """
    if not lines and not least:
        return NOTHING
    kind = TEXTS["code"]
    pitch = kind.size * LEADING
    height = pitch * max(len(lines), least) + 10
    marks: list[Mark] = [Rect(0, 0, room, height, 6, "data" if lines else None, None, 0, part="code")]
    for i, line in enumerate(lines):
        y = 5 + pitch * i + kind.size
        indent = len(line) - len(line.lstrip())
        if i == raised:
            marks.append(Label(6.0, y, "⚠", kind.size, "ink", True, anchor="start", part="code"))
        marks.append(
            Label(
                24 + indent * kind.size * 0.45,
                y,
                line.lstrip(),
                kind.size,
                "ink",
                i == raised,
                anchor="start",
                part="code",
            )
        )
    return Block(room, height, tuple(marks))


def alarm(text: str, room: float) -> Block:
    """What torch raised, in a thick frame."""
    if not text:
        return NOTHING
    said = running_text(f"⚠ {text}", "error", room - 24)
    frame = Rect(1, 1, room - 2, said.height + 20, 4, None, "ink", 2.4, (8, 4), part="alarm")
    return Block(room, said.height + 22, (frame, *said.at(12.0, 11.0)))


def drawing(scene: Scene, name: str) -> Block:
    """A placed scene, made smaller where it is wider than a sheet; ``name`` tells its boxes from those of other
    scenes on the same canvas.
    """
    width, height = scene.size or (0.0, 0.0)
    scale = min(1.0, (WIDEST - 2 * PAD) / max(width, 1.0))
    marks = (replace(mark, owner=f"{name}/{mark.owner}") if mark.owner else mark for mark in stage_marks(scene))
    return Block(width * scale, height * scale, tuple(moved_marks(marks, scale, 0.0, 0.0)))


# What else may need a word: how it begins on a picture, how it is shown in the legend, and what it means.
SIGNS = (
    (re.compile(r"\.?grad ·"), "gradient", "grad ·", "not computed yet"),
    (re.compile(r"\.?grad None"), "gradient", "grad None", "no gradient came"),
    (re.compile(r"\.?grad —"), "gradient", "grad —", "no gradient to have"),
    (re.compile(r"this pass "), "gradient", "this pass 3", "came in this backward(); .grad is the sum of all"),
    (re.compile(r"keeps (?!nothing)"), "remark", "keeps x", "needs x again in backward()"),
)
BOXES = {"leaf": "leaf: what is trained, keeps .grad", "data": "takes no gradient"}


def panels_legend(panels: Sequence[Panel], room: float) -> Block:
    """What the signs and boxes of the panels mean, said once."""
    marks = [mark for panel in panels for mark in panel.drawing.marks]
    said = {mark.text for mark in marks if isinstance(mark, Label)}
    used = {role for panel in panels for role in panel.legend}
    items = [(role, *LEGEND[role]) for role in LEGEND if role in used]
    items += [item for pattern, *item in SIGNS if any(pattern.match(text) for text in said)]  # type: ignore[misc]
    entries = [item_block(*item) for item in items]
    drawn = {(mark.fill, mark.dash) for mark in marks if isinstance(mark, Rect)}
    entries += (
        [box_block(kind, text) for kind, text in BOXES.items() if (KIND_LOOKS[kind][0], KIND_LOOKS[kind][3]) in drawn]
        if used
        else []
    )
    return in_lines(entries, room)


def item_block(role: str, sample: str, text: str) -> Block:
    """A sign as it is set on the pictures, and what it means."""
    item = (role, sample, text)
    return Block(item_width(item), 18.0, tuple(legend_row([item], 0.0, 13.0)))


def box_block(kind: str, text: str) -> Block:
    """A small box of that kind, and what it is."""
    fill, stroke, pen, dash, _ = KIND_LOOKS[kind]
    box = Rect(1, 1, 24, 15, 5, fill, stroke, pen, dash, part="legend")
    return Block(
        text_width(text, 12) + 52, 18.0, (box, Label(31.0, 13.0, text, 12, "muted", anchor="start", part="legend"))
    )


def in_lines(blocks: Sequence[Block], room: float) -> Block:
    """Blocks side by side, in as many lines as they need."""
    marks: list[Mark] = []
    x = y = 0.0
    for block in blocks:
        if x and x + block.width > room:
            x, y = 0.0, y + 26.0
        marks += block.at(x, y)
        x += block.width
    return Block(room, y + 20.0, tuple(marks)) if marks else NOTHING


@dataclass(frozen=True)
class Cell:
    """One entry of a table; ``role`` sets it like the same kind of number in a box, ``marked`` puts it on a ground
    of its own.
    """

    text: str
    role: str = "formula"
    marked: bool = False


def table_panel(header: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> Block:
    """Columns under their titles; the last row can be a sum."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    top = [Cell(text, "kind") for text in header]
    columns = list(zip(*([top, *cells] if any(header) else cells), strict=True))
    widths = [
        max(text_width(cell.text, type_of(cell.role).size, type_of(cell.role).bold) for cell in column) + 24
        for column in columns
    ]
    marks: list[Mark] = []
    y = 0.0
    for i, row in enumerate([top, *cells] if any(header) else cells):
        x = 0.0
        for cell, width in zip(row, widths, strict=True):
            kind = type_of(cell.role)
            if cell.marked:
                marks.append(Rect(x + 2, y + 2, width - 4, 28, 5, "active", "ink", 1.6, part="mark"))
            marks.append(
                Label(x + width / 2, y + 22, cell.text, kind.size, kind.color, kind.bold, kind.italic, part="cell")
            )
            x += width
        y += 32
        if i == 0 and any(header):
            marks.append(straight([(0.0, y), (x, y)], "group.line", 1.4))
    return Block(sum(widths), y, tuple(marks))


def bars(names: Sequence[str], values: Sequence[float], size: tuple[float, float]) -> Block:
    """A bar for each size, on a scale of powers of ten, so that 0.5 and 0.0005 can be seen on one picture; names
    below, numbers above.
    """
    logs = [math.log10(abs(value)) if value else -math.inf for value in values]
    low = math.floor(min(log for log in logs if log > -math.inf)) - 0.3
    high = max(logs) + 1e-9
    room, tall = size[0], size[1] - 52
    each = room / len(values)
    marks: list[Mark] = []
    for i, (name, value, log) in enumerate(zip(names, values, logs, strict=True)):
        middle = each * (i + 0.5)
        height = max(tall * (log - low) / (high - low), 0.0) if log > -math.inf else 0.0
        marks.append(Rect(middle - 22, 24 + tall - height, 44, height, 3, "backward", "gradient.line", 1.6, part="bar"))
        marks.append(
            Label(middle, 24 + tall - height - 6, short_number(value), 15, "gradient", italic=True, part="number")
        )
        marks.append(Label(middle, tall + 44, name, 14, "ink", part="name"))
    marks.append(straight([(0.0, 24 + tall), (room, 24 + tall)], "edge", 1.4))
    return Block(room, tall + 52, tuple(marks))
