"""Scene -> Canvas: where every line, glyph and word of a placed picture goes, and how each role of text is set."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from graphviz_ad._internal.graph.gradient_sizes import EXPLODES, VANISHES
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene import grids, overview, ramp_legend, ratios, signs
from graphviz_ad._internal.scene import path_lines as trails
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.captions import caption_marks
from graphviz_ad._internal.scene.film_frame import (
    BAR_ROOM,
    FOOT,
    Area,
    Fit,
    FrameRooms,
    Panel,
    fit_into,
    scale_in,
    seen_at,
)
from graphviz_ad._internal.scene.font_metrics import ASCENT, DESCENT, shorten, text_width
from graphviz_ad._internal.scene.loss_curve import curve_marks, fit_of_chart
from graphviz_ad._internal.scene.program_panel import panel_marks
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, Group, Line, Point, Scene


@dataclass(frozen=True)
class Type:
    """How a role of text is set: em in points, colour role, weight and slope."""

    size: float
    color: str = "ink"
    bold: bool = False
    italic: bool = False


# roles of lines that are formulas or names; those of gradients are in italics as a whole
Size = tuple[int, int]  # of a frame, in pixels
MATHEMATICS = frozenset(("name", "formula", "local", "copy", "tangent", "direction", "memory"))
SMALL, TEXT, LARGE = 12.5, 15.0, 16.0  # ems, in points; there are no others in a picture

TERMS = "sum"  # the role of the terms that a gradient is made of
TYPES = {
    "name": Type(TEXT, bold=True),
    "formula": Type(TEXT),
    "kind": Type(SMALL, "muted"),
    "value": Type(LARGE, "value", bold=True),
    "statistic": Type(SMALL, "value", bold=True),
    "type": Type(SMALL, "value", bold=True),
    "gradient": Type(TEXT, "gradient", italic=True),
    "sum": Type(SMALL, "gradient", italic=True),
    "upstream": Type(SMALL, "gradient", italic=True),
    "local": Type(TEXT, "ink"),
    "factor": Type(TEXT, "ink"),
    "rule": Type(TEXT, "ink"),
    "tie": Type(SMALL, "ink", bold=True),
    "contribution": Type(TEXT, "gradient", italic=True),
    "broadcast": Type(TEXT, "gradient", italic=True),
    "tangent": Type(TEXT, "path.3"),
    "direction": Type(TEXT, "path.3"),
    "forward": Type(TEXT, "path.3"),
    "cut": Type(SMALL, "muted"),
    "note": Type(SMALL, "muted"),
    "memory": Type(TEXT, "ink"),
    "example": Type(SMALL, "ink"),
    "remark": Type(SMALL, "ink", bold=True),
    "copy": Type(TEXT, "value", bold=True),
    "copy of data": Type(TEXT, "muted"),
    "of result": Type(TEXT, "gradient", italic=True),
    "inside": Type(TEXT, "gradient", italic=True),
    "held": Type(TEXT, "gradient", italic=True),
    "of leaf": Type(TEXT, "gradient", italic=True),
    "far off": Type(TEXT, "ink", bold=True),
    "born": Type(TEXT, "ink", bold=True),
    "passed on": Type(TEXT, "ink", bold=True),
    "gradless": Type(TEXT, "muted"),
    "gradless, said": Type(TEXT, "muted"),
    "start": Type(TEXT, "ink"),
    "loss": Type(TEXT, "ink"),
    "backward": Type(TEXT, "ink"),
    "number": Type(TEXT, "ink"),
    "no loss": Type(TEXT, "ink"),
    "grid": Type(TEXT, "ink"),
    "ring": Type(TEXT, "ink"),
    "matrix": Type(TEXT, "ink"),
    "winner": Type(TEXT, "ink"),
    "masked": Type(TEXT, "ink"),
    "badge": Type(LARGE, "badge.text", bold=True),
}

# Emphasis -> fill and border of a box; None keeps what its kind has.
BOX_LOOKS: dict[str, tuple[str | None, str | None, float | None]] = {
    "idle": (None, None, None),
    "active": ("active", "active.line", 3.5),
    "forward": ("forward", "value.line", 2.0),
    "backward": ("backward", "gradient.line", 2.0),
    "waiting": ("waiting", "gradient.line", 2.0),
}

KEEP_TINT = ("forward", "backward")  # emphases of what was told, in which a fill of its own stays

# Emphasis -> colour, width, dash and direction (+1 with the values, -1 with the gradients) of an arrow.
ARROW_LOOKS: dict[str, tuple[str, float, tuple[float, ...], int]] = {
    "idle": ("edge", 1.6, (), 1),
    "active-forward": ("value.line", 4.0, (), 1),
    "forward": ("value.line", 2.0, (), 1),
    "active-backward": ("gradient.line", 4.0, (9, 5), -1),
    "backward": ("gradient.line", 2.0, (7, 4), -1),
}

# Style -> colour and width of an arrow of which nothing is told: of what leads from box to box, beside lines that pass
# some of them, and of these lines.
FLOWS: dict[str, tuple[str, float]] = {"main": ("muted", 2.6), "passing": ("edge", 1.3)}

# Kind -> fill, border, width, dash, corner radius.
KIND_LOOKS: dict[str, tuple[str, str, float, tuple[float, ...], float]] = {
    "leaf": ("leaf", "value.line", 2.0, (), 14),
    "data": ("data", "muted", 1.2, (4, 3), 10),
    "copy": ("paper", "value.line", 1.2, (4, 3), 14),
    "op": ("op", "edge", 1.4, (), 3),
    "module": ("module", "path.3", 1.6, (), 6),
    "line": ("op", "edge", 1.4, (), 3),
    "call": ("op", "edge", 2.0, (), 6),
}

PAD_X, PAD_Y, LINE_GAP, BADGE, BADGE_GAP = 9.0, 5.0, 2.0, 32.0, 8.0
GRID_GAP = 10.0  # between grids that stand side by side
MARGIN = 14.0
LEGEND_ROW, NOTE_ROW, HEADING_ROW, HEADING_GAP = 21.0, 17.0, 21.0, 8.0  # points
LETTER, BOLD_LETTER = 0.528, 0.62  # widths of letters of a sentence, in ems
WIDEST_LEGEND = 900.0  # points; what paths bring is cut beyond it, unless the picture itself is wider


def type_of(role: str) -> Type:
    """The setting of a role."""
    return TYPES[role]


def type_of_line(line: Line) -> Type:
    """The letters of a line, in a picture that has no room for smaller ones the usual size."""
    kind = type_of(line.role)
    return replace(kind, size=TEXT) if line.kind == "large" else kind


def line_size(line: Line) -> tuple[float, float]:
    """Width and height of one line, in points."""
    if line.role == "trails":
        return trails.badges_size(line.text)
    kind = type_of_line(line)
    if line.grid is not None:
        faces = [grids.grid_size(grid, kind.bold) for grid in (line.grid, *line.other_grids)]
        return max(width for width, _ in faces), max(height for _, height in faces)
    if line.ratio is not None:
        sizes = [ratios.ratio_size(ratio, kind.size) for ratio in (line.ratio, *line.other_ratios)]
        return max(width for width, _ in sizes), max(height for _, height in sizes)
    return text_width(line.text, kind.size, kind.bold), kind.size * (ASCENT + DESCENT)


def begin_of_rest(line: Line) -> float:
    """How far from the middle of a line what its fraction is equal to begins."""
    return ratios.begin_of_rest(line.stacked, type_of_line(line).size) if line.stacked is not None else 0.0


def block_size(lines: Iterable[Line]) -> tuple[float, float]:
    """Width and height of stacked lines, in points."""
    return size_of_block([size_of_row(list(map(line_size, row))) for row in rows_of_lines(lines)])


def size_of_block(sizes: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Width and height of rows of these sizes, one below the other."""
    return max([w for w, _ in sizes], default=0.0), sum([h for _, h in sizes]) + LINE_GAP * max(len(sizes) - 1, 0)


def rows_of_lines(lines: Iterable[Line]) -> list[list[Line]]:
    """Lines one below the other; grids that stand side by side are one row."""
    rows: list[list[Line]] = []
    for line in lines:
        if rows and line.grid is not None and line.grid.beside:
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def size_of_row(sizes: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Width and height of what stands side by side, in points."""
    return sum([w for w, _ in sizes]) + GRID_GAP * (len(sizes) - 1), max([h for _, h in sizes])


def badge_width(glyph: str) -> float:
    """Width of the circle, or of the pill where the glyph is a word; 0 without a glyph."""
    if not glyph:
        return 0.0
    kind = TYPES["badge"]
    return max(BADGE, text_width(glyph, kind.size, kind.bold) + 16)


def box_size(lines: Iterable[Line], badge: str = "", double: bool = False) -> tuple[float, float]:
    """Width and height of a box that holds these lines beside this glyph, in points."""
    width, height = block_size(lines)
    left = badge_width(badge)
    extra = 5.0 if double else 0.0
    gap = BADGE_GAP if left and width else 0.0
    return width + left + gap + 2 * (PAD_X + extra), max(height, BADGE if badge else 0.0) + 2 * (PAD_Y + extra)


def label_size(lines: Iterable[Line]) -> tuple[float, float]:
    """Width and height of an arrow's label, in points; (0, 0) without lines."""
    width, height = block_size(lines)
    return (width + 10, height + 6) if width else (0.0, 0.0)


def paint(scene: Scene, *, background: str | None = "paper", legend: bool = True, at_least: float = 0.0) -> Canvas:
    """The whole placed scene with its legend and notes below it, ``at_least`` so wide."""
    if scene.size is None:
        raise ValueError("paint() needs a placed scene; run a layout first")
    width, height = max(scene.size[0], at_least), scene.size[1]
    aside = (width - scene.size[0]) / 2
    marks = list(moved_marks(stage_marks(scene), 1.0, aside, 0.0) if aside else stage_marks(scene))
    items = legend_items(scene) if legend else []
    if legend and scene.trails:
        width = max(width, min(trails.legend_width(scene.trails) + 2 * MARGIN, WIDEST_LEGEND))
        marks.extend(trails.trail_legend(scene.trails, MARGIN, height, width - 2 * MARGIN))
        height += trails.ROW * len(scene.trails) + 8
    for text in wrapped_heading(scene, width):
        height += HEADING_ROW
        marks.append(Label(MARGIN, height, text, LARGE, "ink", True, anchor="start", part="note"))
    height += HEADING_GAP if scene.headed else 0
    for entries in ramp_legend.rows(scene.ramp, width - 2 * MARGIN) if legend else ():
        marks.extend(ramp_legend.row_marks(entries, MARGIN, height + 12))
        height += ramp_legend.ROW
    width = max(width, min(sum(item_width(item) for item in items) + 2 * MARGIN, 480.0) if items else 0.0)
    rows = legend_rows(scene, width - 2 * MARGIN) if legend else []
    for row in rows:
        marks.extend(legend_row(row, MARGIN, height + 12))
        height += LEGEND_ROW
    for text in wrapped_notes(scene, width):
        height += NOTE_ROW
        marks.append(Label(MARGIN, height, text, SMALL, "muted", italic=True, anchor="start", part="note"))
    described = " ".join(text for text in (scene.alt, *scene.more) if text)
    return Canvas(width, height + (10 if scene.notes or rows or scene.ramp else 0), tuple(marks), described, background)


def foot_height(scene: Scene, width: float) -> float:
    """How much the legend and the notes of a scene add to its height, in points."""
    rows, notes = len(legend_rows(scene, width - 2 * MARGIN)), len(wrapped_notes(scene, width))
    trailing = trails.ROW * len(scene.trails) + 8 if scene.trails else 0.0
    trailing += HEADING_ROW * len(wrapped_heading(scene, width)) + (HEADING_GAP if scene.headed else 0)
    trailing += ramp_legend.ROW * len(ramp_legend.rows(scene.ramp, width - 2 * MARGIN))
    return trailing + LEGEND_ROW * rows + NOTE_ROW * notes + (10 if rows or notes or scene.ramp else 0)


def wrapped_heading(scene: Scene, width: float) -> tuple[str, ...]:
    """The lines of what a picture of some width says before all else."""
    if not scene.headed or not scene.notes:
        return ()
    heading, letters = scene.notes[0], max(int((width - 2 * MARGIN) / (BOLD_LETTER * LARGE)), 24)
    fits = heading.isprintable() and text_width(heading, LARGE, True) <= width - 2 * MARGIN
    return wrapped_note(heading, max(letters, len(heading)) if fits else letters)


def wrapped_notes(scene: Scene, width: float) -> list[str]:
    """The lines of the notes under a picture of some width."""
    room = max(int((width - 2 * MARGIN) / (LETTER * SMALL)), 24)
    return [text for note in scene.notes[int(scene.headed) :] for text in wrapped_note(note, room)]


@lru_cache(256)
def wrapped_note(note: str, room: int) -> tuple[str, ...]:
    """The lines of a note; a picture is planned in many sizes, with the same notes."""
    if len(note) <= room and note.isprintable() and note == note.strip():
        return (note,) if note else ()
    return tuple(textwrap.wrap(note, room))


def stage_marks(scene: Scene) -> Iterator[Mark]:
    """Groups behind, then arrows, then boxes, then the words on the arrows."""
    for group in scene.groups:
        yield from group_marks(group)
    for arrow in scene.arrows:
        yield from arrow_marks(arrow)
    for box in scene.boxes:
        yield from box_marks(box)
    for arrow in scene.arrows:
        yield from arrow_words(arrow)


def group_marks(group: Group) -> Iterator[Mark]:
    """A titled frame."""
    if group.corner is None or group.size is None:
        return
    (x, y), (width, height) = group.corner, group.size
    yield Rect(x, y, width, height, 10, "group", "group.line", 1.2, owner=group.key)
    if not group.title:
        return
    yield Label(
        x + 10,
        y + 15,
        shorten(group.title, SMALL, width - 16, True),
        SMALL,
        "muted",
        bold=True,
        anchor="start",
        owner=group.key,
        part="title",
    )


def box_look(box: Box) -> tuple[str, str, float, tuple[float, ...], float]:
    """Fill, border, width, dash and corner radius of a box: what requires no gradient looks like data."""
    fill, stroke, line, dash, radius = KIND_LOOKS[box.kind]
    if box.gradless:
        fill, stroke, line, dash, _ = KIND_LOOKS["data"]
    look = BOX_LOOKS[box.emphasis]
    lit = look[0] if box.emphasis not in KEEP_TINT or not box.tint else None
    fill, stroke, line = lit or box.tint or fill, look[1] or stroke, look[2] or line
    if box.warning and look[1] is None:
        stroke, line, dash = ("ink", 1.6, (7, 3)) if box.passed_on else ("ink", 2.5, ())
    return fill, stroke, line, dash, radius


def drawing_of(part: Box | Arrow) -> tuple[Mark, ...]:
    """What a part with drawings of its own looks like; where its emphasis has none, as when nothing happens."""
    drawings = dict(part.drawings)
    return drawings.get(part.emphasis, part.drawings[0][1])


def box_marks(box: Box) -> Iterator[Mark]:
    """Frame, glyph and lines of a box, or its own drawing."""
    if box.drawings:
        yield from drawing_of(box)
        return
    if box.center is None:
        return
    x, y = box.center[0] - box.width / 2, box.center[1] - box.height / 2
    fill, stroke, line, dash, radius = box_look(box)
    yield Rect(x, y, box.width, box.height, radius, fill, stroke, line, dash, box.key)
    inset = 5.0 if box.double else 0.0
    if box.double:
        yield Rect(
            x + 4, y + 4, box.width - 8, box.height - 8, max(radius - 4, 0), None, stroke, 1.2, dash, box.key, "inner"
        )
    wide = badge_width(box.badge)
    if box.badge:
        kind = TYPES["badge"]
        left, top = x + PAD_X + inset, box.center[1] - BADGE / 2
        yield Rect(left, top, wide, BADGE, BADGE / 2, "badge", None, 0, (), box.key, "badge")
        yield Label(
            left + wide / 2,
            box.center[1] + kind.size * 0.36,
            box.badge,
            kind.size,
            kind.color,
            kind.bold,
            owner=box.key,
            part="glyph",
        )
    yield from column(box.lines, span_of_lines(box), box.center[1], box.key)


def span_of_lines(part: Box | Arrow) -> tuple[float, float]:
    """From where to where the lines of a placed box, or those on an arrow, have room."""
    if isinstance(part, Arrow):
        x = part.label_center[0] if part.label_center else 0.0
        return x - part.width / 2, x + part.width / 2
    x = (part.center or (0.0, 0.0))[0] - part.width / 2
    inset, wide = 5.0 if part.double else 0.0, badge_width(part.badge)
    start = x + PAD_X + inset + (wide + BADGE_GAP if wide else 0)
    return start, x + part.width - PAD_X - inset


def column(lines: Iterable[Line], span: tuple[float, float], middle: float, owner: str) -> Iterator[Mark]:
    """Lines stacked around ``middle``, centred in ``span``."""
    for line, place, top in stacked_lines(lines, span, middle):
        yield from line_marks(line, place, top, owner)


def stacked_lines(
    lines: Iterable[Line], span: tuple[float, float], middle: float
) -> Iterator[tuple[Line, tuple[float, float], float]]:
    """Each line, from where to where it has room, and where its top is."""
    rows = [[(line, line_size(line)) for line in row] for row in rows_of_lines(lines)]
    sizes = [size_of_row([size for _, size in row]) for row in rows]
    top = middle - size_of_block(sizes)[1] / 2
    for row, (width, height) in zip(rows, sizes, strict=True):
        left = (span[0] + span[1] - width) / 2
        for line, (wide, high) in row:
            place = (left, left + wide) if len(row) > 1 else span
            yield line, place, top + (height - high) / 2
            left += wide + GRID_GAP
        top += height + LINE_GAP


def line_marks(line: Line, span: tuple[float, float], top: float, owner: str) -> Iterator[Mark]:
    """One line, or the grid that is drawn in its place, centred in ``span``."""
    middle = (span[0] + span[1]) / 2
    if line.role == "trails":
        yield from trails.badges(line.text, middle, top, owner)
        return
    kind = type_of_line(line)
    if line.drawn is not None:
        face = grids.Face(kind.color, kind.bold, kind.italic)
        yield from grids.grid_marks(line.drawn, (span[0], top), span[1] - span[0], face, owner, line.role)
        return
    if line.stacked is not None:
        yield from ratios.ratio_marks(line.stacked, middle, top, kind.size, kind.color, owner)
        return
    down = (line_size(line)[1] - kind.size * (ASCENT + DESCENT)) / 2 if line.grid or line.ratio else 0.0
    base = top + down + kind.size * ASCENT
    look = kind.size, kind.color, kind.bold, kind.italic
    yield Label(middle, base, line.text, *look, owner=owner, part=line.key, math=line.role in MATHEMATICS)


def arrow_look(arrow: Arrow) -> tuple[str, float, tuple[float, ...], int]:
    """Colour, width, dash and direction of an arrow."""
    stroke, line, dash, way = ARROW_LOOKS[arrow.emphasis]
    if arrow.style == "data":
        stroke, line, dash = (stroke, line, dash) if arrow.emphasis == "active-forward" else ("muted", 1.2, ())
    elif arrow.style == "cut":
        stroke, line, dash = "muted", 1.2, (2, 4)
    elif arrow.style == "guess":
        dash = (1, 3)
    elif arrow.emphasis == "idle":
        stroke, line = FLOWS.get(arrow.style, (stroke, line))
    return stroke, line, dash, way


def arrow_marks(arrow: Arrow) -> Iterator[Mark]:
    """Shaft and head, or its own drawing."""
    if arrow.drawings:
        yield from drawing_of(arrow)
        return
    if len(arrow.path) < 4:
        return
    stroke, line, dash, way = arrow_look(arrow)
    points = arrow.path if way > 0 else arrow.path[::-1]
    size = trails.covering_head_size(arrow.trails) if arrow.trails else 7 + 1.8 * line
    shaft, tip = clipped(points, size * 0.8)
    if arrow.trails:
        yield from trails.shafts(shaft, arrow.trails, arrow.key)
    else:
        yield Curve(shaft, stroke, line, dash, arrow.key)
    yield Polygon(
        arrowhead(tip, points[-1], size), trails.head_role(arrow.trails) if arrow.trails else stroke, arrow.key
    )


def clipped(points: tuple[Point, ...], length: float) -> tuple[tuple[Point, ...], Point]:
    """The chain with its end pulled back by ``length``, so that the line does not stick out of the head, and where
    it ends now.
    """
    (x, y), (end_x, end_y) = direction_point(points), points[-1]
    distance = math.hypot(end_x - x, end_y - y)
    if distance == 0:
        return points, points[-1]
    share = min(length / distance, 0.9)
    tip = (end_x - (end_x - x) * share, end_y - (end_y - y) * share)
    return (*points[:-1], tip), tip


def direction_point(points: tuple[Point, ...]) -> Point:
    """The last point of the chain that differs from its end: where the end comes from."""
    return next((point for point in reversed(points[:-1]) if math.dist(point, points[-1]) > 1e-6), points[0])


def arrowhead(base: Point, tip: Point, size: float) -> tuple[Point, ...]:
    """A triangle that ends in ``tip`` and looks the way from ``base``."""
    dx, dy = tip[0] - base[0], tip[1] - base[1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    back = (tip[0] - dx * size, tip[1] - dy * size)
    half = size * 0.42
    return (tip, (back[0] - dy * half, back[1] + dx * half), (back[0] + dy * half, back[1] - dx * half))


def arrow_words(arrow: Arrow) -> Iterator[Mark]:
    """The label of an arrow on a ground of its own, so that no line runs through a number."""
    if arrow.label_center is None or not arrow.lines:
        return
    x, y = arrow.label_center
    wide, high = block_size(line for line in arrow.lines if line.text)
    if wide:
        yield Rect(x - wide / 2 - 2, y - high / 2 - 1, wide + 4, high + 2, 4, "paper", None, 0, (), arrow.key, "ground")
    yield from column(arrow.lines, span_of_lines(arrow), y, arrow.key)


def middles_of_lines(part: Box | Arrow) -> dict[str, Point]:
    """Where the middle of each line of a placed box, or of the words on an arrow, is; by key."""
    middle = part.center if isinstance(part, Box) else part.label_center
    if middle is None:
        return {}
    return {
        line.key: ((left + right) / 2, top + line_size(line)[1] / 2)
        for line, (left, right), top in stacked_lines(part.lines, span_of_lines(part), middle[1])
    }


LEGEND = {
    "value": ("3", "value"),
    "gradient": ("grad 3", "gradient of the output with respect to it"),
    "grid": ("+ −", "elements, stronger where they are larger"),
    "ring": ("▢", "one element, and what goes into it or comes back to it"),
    "winner": ("◯", "largest of its window: gets its gradient"),
    "masked": ("▨", "taken out by a mask"),
    "local": ("∂y/∂x", "local derivative"),
    "matrix": ("∂y/∂x", "Jacobian: a row for each element of y, a column for each of x"),
    "factor": ("× 3", "local derivative"),
    "rule": ("g @ Wᵀ", "what is made of g, the gradient that arrives"),
    "contribution": ("← 3", "what flows back here"),
    "broadcast": ("← Σ 3", "summed over the copies of a broadcast operand"),
    "statistic": ("3 ± 2", "mean ± standard deviation"),
    "of result": ("‖grad‖", "norm of the gradient of a result"),
    "inside": ("‖grad of params‖", "of all parameters in a box"),
    "held": ("‖.grad‖", "of what .grad holds"),
    "of leaf": ("‖.grad‖", "gradient of the parameter"),
    "far off": ("⚠ ▢", f"gradient < {short_number(VANISHES)} × or > {EXPLODES:,.0f} × "),
    "born": ("⚠ ▢", "NaN or ∞ came up there"),
    "passed on": ("⚠ ⬚", "NaN or ∞ came from elsewhere"),
    "copy": ("⬚", "drawn again where it is used"),
    "copy of data": ("⬚", "drawn again where it is used"),
    "gradless": ("⬚", "needs no gradient"),
    "gradless, said": ("⬚ grad —", "needs no gradient"),
    "start": ("▣", "output, where gradients start"),
    "loss": ("▣", "loss, where gradients start"),
    "backward": ("▣", "where the program called backward()"),
    "number": ("▣", "output (no loss function), where gradients start"),
    "no loss": ("▣", "output (no loss), where gradients start"),
    "tie": ("tie, kink", "the derivative jumps here: what torch takes"),
    "cut": ("✂", "no gradient flows"),
    "upstream": ("seed 2", "upstream gradient"),
    "tangent": ("dy/dx = 3", "tangent: how it moves with that input"),
    "direction": ("tangent 3", "how it moves with the inputs"),
    "forward": ("→ 3", "what flows forward here"),
}
# what stands in the legend of folds, however short it is
OF_FOLDS = (
    *(
        "statistic",
        "inside",
        "of result",
        "held",
        "of leaf",
        "gradless",
        "gradless, said",
        "start",
        "loss",
        "backward",
        "number",
        "no loss",
    ),
    *("far off", "born", "passed on"),
)


# what is left out first where the legend of such a picture would have too many rows: signs that say most of themselves;
# that most boxes have stays longest
MISSED = ("gradless, said", "contribution", "copy", "copy of data", "number", "of leaf", "of result")
MOST_ROWS = 2
NORM_OF_IT = "its norm"  # of a gradient that the entry before explains


def legend_items(scene: Scene) -> list[tuple[str, str, str]]:
    """(role, sample, words) for each role of ``scene.legend``."""
    beside = scene.beside and f"that of {scene.beside}"
    more = {"far off": beside or "the last one"}
    follows = ("gradient", "of result") in pairwise(scene.legend)
    short = {"of result": NORM_OF_IT} if scene.of_folds and follows else {}
    return [
        (role, sample, short.get(role, words) + more.get(role, ""))
        for role in scene.legend
        for sample, words in [LEGEND[role]]
    ]


def legend_rows(scene: Scene, width: float) -> list[list[tuple[str, str, str]]]:
    """The entries in rows that fit; below a picture of folds in two, if need be without those that can be missed."""
    every = legend_items(scene)
    left_out: list[str] = []
    for role in MISSED if scene.of_folds else ():
        if len(legend_without(every, left_out, width)) > MOST_ROWS:
            left_out.append(role)
    rows = legend_without(every, left_out, width)
    for role in reversed(left_out):  # what has room in these rows is told after all
        others = [other for other in left_out if other != role]
        if len(found := legend_without(every, others, width)) <= len(rows):
            left_out, rows = others, found
    return rows


def legend_without(
    items: Sequence[tuple[str, str, str]], roles: Sequence[str], width: float
) -> list[list[tuple[str, str, str]]]:
    """The entries of all but some roles, in rows."""
    return wrap_legend([item for item in items if item[0] not in roles], width)


@lru_cache(256)
def item_width(item: tuple[str, str, str]) -> float:
    """Width of one entry of the legend, in points."""
    role, sample, words = item
    return sample_width(role, sample) + 6 + text_width(words, SMALL) + 22


# role -> a small box as it is drawn in the picture: its kind, whether it has a pill's ends, and whether its border is
# double; what else a sample says stands behind it
SMALL_BOXES = {
    "gradless": ("data", False, False),
    "gradless, said": ("data", False, False),
    "copy": ("copy", True, False),
    "copy of data": ("data", True, False),
    **dict.fromkeys(("start", "loss", "number", "no loss", "backward"), ("module", False, True)),
}
SMALL_BOX, CELL = (20.0, 11.0), 12.0  # points
SIGNS = (("+", "shade.p4"), ("−", "shade.n4"))  # of elements, with the fill of their cells


def sample_width(role: str, sample: str) -> float:
    """Width of what stands before the words of an entry."""
    if role == "grid":
        return len(SIGNS) * CELL
    rest = sample[1:] if role in SMALL_BOXES else sample
    return SMALL_BOX[0] * (role in SMALL_BOXES) + text_width(rest, SMALL, TYPES[role].bold)


def sample_marks(role: str, sample: str, x: float, y: float) -> Iterator[Mark]:
    """What stands before the words of an entry: letters, a small box, or cells with their signs."""
    kind = TYPES[role]
    if role == "grid":
        for i, (sign, fill) in enumerate(SIGNS):
            left = x + i * CELL
            yield Rect(left, y - CELL + 2.5, CELL, CELL, 0, fill, "edge", 0.6, part="legend")
            yield Label(left + CELL / 2, y, sign, SMALL, kind.color, part="legend")
        return
    if role in SMALL_BOXES:
        looks, is_pill, is_double = SMALL_BOXES[role]
        fill, stroke, line, dash, _ = KIND_LOOKS[looks]
        wide, high = SMALL_BOX
        yield Rect(x, y - high + 1, wide, high, high / 2 if is_pill else 2, fill, stroke, line, dash, part="legend")
        if is_double:
            yield Rect(x + 2.5, y - high + 3.5, wide - 5, high - 5, 1, None, stroke, 0.8, part="legend")
        x, sample = x + wide, sample[1:]
    if sample:
        math = role in MATHEMATICS
        yield Label(x, y, sample, SMALL, kind.color, kind.bold, kind.italic, "start", part="legend", math=math)


def wrap_legend(items: list[tuple[str, str, str]], width: float) -> list[list[tuple[str, str, str]]]:
    """The entries in rows that fit."""
    rows: list[list[tuple[str, str, str]]] = []
    room = 0.0
    for item in items:
        if not rows or item_width(item) > room:
            rows.append([])
            room = width
        rows[-1].append(item)
        room -= item_width(item)
    return rows


def legend_row(items: list[tuple[str, str, str]], x: float, y: float) -> Iterator[Mark]:
    """One row of the legend."""
    for role, sample, words in items:
        yield from sample_marks(role, sample, x, y)
        x += sample_width(role, sample) + 6
        yield Label(x, y, words, SMALL, "muted", anchor="start", part="legend")
        x += text_width(words, SMALL) + 22


THINNEST = 0.35  # scale: lines get no thinner than they are then, or a small picture would not show what is lit


def moved_marks(marks: Iterable[Mark], scale: float, dx: float, dy: float) -> Iterator[Mark]:
    """The marks, scaled about the origin and then shifted."""

    def at(point: Point) -> Point:
        return (point[0] * scale + dx, point[1] * scale + dy)

    for mark in marks:
        if isinstance(mark, Rect):
            x, y = at((mark.x, mark.y))
            size, dash = (
                (mark.width * scale, mark.height * scale, mark.radius * scale),
                tuple(d * scale for d in mark.dash),
            )
            yield Rect(
                x, y, *size, mark.fill, mark.stroke, mark.line * max(scale, THINNEST), dash, mark.owner, mark.part
            )
        elif isinstance(mark, Curve):
            yield Curve(
                tuple(map(at, mark.points)),
                mark.stroke,
                mark.line * max(scale, THINNEST),
                tuple(d * scale for d in mark.dash),
                mark.owner,
                mark.part,
            )
        elif isinstance(mark, Polygon):
            yield Polygon(tuple(map(at, mark.points)), mark.fill, mark.owner, mark.part)
        else:
            x, y = at((mark.x, mark.y))
            yield Label(
                x,
                y,
                mark.text,
                mark.size * scale,
                mark.color,
                mark.bold,
                mark.italic,
                mark.anchor,
                mark.owner,
                mark.part,
                mark.math,
                mark.mono,
            )


PHASE_NAMES = {"start": "start", "forward": "forward", "backward": "backward", "end": "complete"}
PHASE_ROLES = {"forward": "value", "backward": "gradient", "accumulate": "gradient"}


def paint_frame(film: Film, index: int, size: tuple[int, int] | None = None) -> Canvas:
    """Step ``index`` of a film on a frame of ``size`` pixels: title, stage, caption, progress; only the stage's
    looks change.
    """
    index %= len(film.steps)
    size = size or film.size
    scene, fit = film.scene(index), film.fit(film.view(index), size)
    seen = moved_marks(stage_marks(scene), *fit)
    front: Iterable[Mark] = ()
    if film.views:
        seen = overview.in_sight(seen, film.rooms(size))
    if film.is_close(fit, size):
        front = camera_marks(film, (*scene.arrows, *scene.boxes), fit, size)
    elif film.views:
        front = signs_of_whole(film, (*scene.arrows, *scene.boxes), index, size)
    return Canvas(*size, (*seen, *front, *frame_text(film, index, *size)), film.stage.alt, "paper")


def camera_marks(
    film: Film, parts: Iterable[Arrow | Box], seen: Fit, size: tuple[int, int] | None = None
) -> Iterator[Mark]:
    """What stands in front of a stage of which a part is seen: covers, and the whole drawn small."""
    yield from whole_in_small(film, parts, size)
    yield frame_in_small(film, seen, size)


def whole_in_small(film: Film, parts: Iterable[Arrow | Box], size: Size | None = None) -> Iterator[Mark]:
    """Covers, and the whole drawn small, without the frame around what is seen."""
    rooms, whole = film.rooms(size), film.whole
    inset = rooms.overview((whole.width, whole.height))
    fit = fit_into(whole, inset)
    yield from overview.covers(rooms)
    yield from overview.edges(rooms)
    yield overview.ground(inset)
    for part in parts:
        yield from part_in_small(part, fit)


def frame_in_small(film: Film, seen: Fit, size: Size | None = None) -> Mark:
    """The frame around what a fit shows of the stage where the whole is drawn small."""
    rooms, whole = film.rooms(size), film.whole
    inset = rooms.overview((whole.width, whole.height))
    return overview.outline(seen_at(seen, rooms.clear((whole.width, whole.height))), fit_into(whole, inset), inset)


def frame_in_whole(film: Film, seen: Fit, size: Size | None = None) -> Mark:
    """The same where the whole fills its room."""
    rooms, whole = film.rooms(size), film.whole
    view = seen_at(seen, rooms.clear((whole.width, whole.height)))
    return overview.outline(view, film.fit(whole, size), rooms.stage.grown(-6))


def signs_of_whole(film: Film, parts: Iterable[Arrow | Box], index: int, size: Size | None = None) -> Iterator[Mark]:
    """The names of boxes as they are in a step, where all are seen from too far to be read."""
    fit = film.fit(film.whole, size)
    if film.views and fit[0] * TEXT < signs.EM:

        def bare(part: Arrow | Box) -> Iterator[Mark]:
            plain = box_marks(replace(part, lines=(), badge="")) if isinstance(part, Box) else arrow_marks(part)
            return moved_marks(plain, *fit)

        parts, finished = list(parts), index == len(film.steps) - 1
        boxes, arrows = [one for one in parts if isinstance(one, Box)], [one for one in parts if isinstance(one, Arrow)]
        yield from signs.signs(boxes, arrows, fit, film.rooms(size).stage, bare, finished=finished)


def part_in_small(part: Arrow | Box, fit: Fit) -> Iterator[Mark]:
    """A box or an arrow where the whole is drawn small."""
    return overview.in_small(box_marks(part) if isinstance(part, Box) else arrow_marks(part), fit)


def frame_fit(stage: Scene, size: tuple[int, int] = (1280, 720), panel: Panel | None = None) -> Fit:
    """Scale and shift that put a whole placed stage into the middle of its room on a frame."""
    return fit_into(Area(0.0, 0.0, *(stage.size or (1.0, 1.0))), FrameRooms.of(size, panel).stage)


def frame_scale(stage: Scene, size: tuple[int, int] = (1280, 720), panel: Panel | None = None) -> float:
    """Pixels a point with which a placed stage fills its room on a frame."""
    return scale_of(stage.size or (1.0, 1.0), size, panel)


def scale_of(stage: Point, size: tuple[int, int] = (1280, 720), panel: Panel | None = None) -> float:
    """Pixels a point with which a stage of this width and height, in points, fills its room on a frame."""
    return scale_in(stage, FrameRooms.of(size, panel).stage)


def frame_text(film: Film, index: int, width: float, height: float) -> Iterator[Mark]:
    """Title and step counter above the stage, caption and progress bar below it."""
    yield from frame_words(film, index, width, height)
    yield from progress(film, index, width, height)


def frame_words(film: Film, index: int, width: float, height: float) -> Iterator[Mark]:
    """Title, step counter, program and caption, and the chart of the losses of a film of training."""
    step = film.steps[index]
    yield from panel_marks(film, index, (width, height))
    counter = f"step {index + 1}/{len(film.steps)} · {PHASE_NAMES.get(step.phase, step.phase)}"
    yield Label(28, 38, shorten(film.title, 22, width / 2, True), 22, "ink", True, anchor="start", part="title")
    yield Label(width - 28, 38, counter, 18, "muted", anchor="end", part="counter")
    yield from caption_marks(step, width, height - FOOT + 2, height - BAR_ROOM)
    yield from fills_meant(film, (round(width), round(height)))
    if film.curve is not None:
        known = sum(one.losses for one in film.steps[: index + 1])
        yield from moved_marks(curve_marks(film.curve, known), *fit_of_chart(film, (round(width), round(height))))


def fills_meant(film: Film, size: tuple[int, int]) -> Iterator[Mark]:
    """One row of what fills mean, below the stage."""
    room, larger = film.rooms(size).legend, ramp_legend.LARGER
    if room is None:
        return
    for row in ramp_legend.rows(film.stage.ramp, (size[0] - 56) / larger)[:1]:
        yield from moved_marks(ramp_legend.row_marks(row, 0, 0), larger, 28, room.bottom - 10)


def tick(i: int) -> str:
    """The part that the tick of a step is called."""
    return f"tick:{i}"


def progress(film: Film, index: int, width: float, height: float) -> Iterator[Mark]:
    """One tick a step, coloured by phase, filled up to now."""
    count, room = len(film.steps), width - 56
    gap = 3.0 if count < 100 else 0.0
    each = (room - gap * (count - 1)) / count
    for i, step in enumerate(film.steps):
        role = f"{PHASE_ROLES[step.phase]}.line" if step.phase in PHASE_ROLES else "muted"
        yield Rect(
            28 + i * (each + gap),
            height - BAR_ROOM + 7,
            max(each, 0.5),
            6,
            min(2.0, each / 2),
            role if i <= index else "group.line",
            None,
            0,
            (),
            "",
            tick(i),
        )
