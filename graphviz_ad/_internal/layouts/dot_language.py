"""Scene -> DOT source: the one place that knows Graphviz syntax.

Two dialects. `layout_source` carries sizes and no word of the user, and is read back by
`graphviz_ad._internal.layouts`; `readable_source` carries words and colours, and is for people.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene import path_lines as trails
from graphviz_ad._internal.scene.canvas import Label
from graphviz_ad._internal.scene.group_tree import innermost_groups, parents, title_size
from graphviz_ad._internal.scene.paint import (
    BADGE,
    LARGE,
    MATHEMATICS,
    SMALL,
    TEXT,
    TYPES,
    Type,
    arrow_look,
    badge_width,
    box_look,
)
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Line, Scene
from graphviz_ad._internal.scene.set_text import Run, runs_of_label
from graphviz_ad._internal.scene.themes import Theme

MANY_BOXES = 1500  # above this, dot's coordinate phase is cut short: three times faster, a little less tidy
COURIER = 0.6  # width of every character, in ems
THICKEST_DOT = 2  # points; longer dashes are no dots
LINE = 1.2  # height of a line of text, in ems


def escape(text: str) -> str:
    """The inside of a quoted DOT string that shows exactly ``visible(text)``."""
    return visible(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def quote(text: str) -> str:
    r"""A quoted DOT string that shows exactly ``visible(text)``.

    `graphviz.quote` is not used: it leaves backslash escapes, entities and HTML-like labels alive.

    >>> print(quote('a "b" \\N'))
    "a \"b\" \\N"
    """
    return f'"{escape(text)}"'


def quote_lines(lines: Iterable[str]) -> str:
    """A quoted DOT string of several centred lines."""
    return '"' + "\\n".join(map(escape, lines)) + '"'


# --- for layout engines ---------------------------------------------------------------------------------------------


def layout_source(scene: Scene) -> str:
    """DOT that asks only for places: box i is ``b{i}``, arrow i has ``id=a{i}``, group i is ``cluster_g{i}``."""
    names = {box.key: f"b{i}" for i, box in enumerate(scene.boxes)}
    return "\n".join(["digraph {", *_layout_defaults(scene), *_layout_parts(scene, names), "}", ""])


def _layout_defaults(scene: Scene) -> Iterator[str]:
    fast = " nslimit=0.1 nslimit1=0.1" if len(scene.boxes) > MANY_BOXES else ""
    yield f'graph [rankdir={scene.direction} nodesep=0.3 ranksep=0.4 fontname="Courier"{fast}]'
    yield 'node [shape=box fixedsize=true label="" penwidth=0]'
    yield 'edge [arrowhead=none fontname="Courier"]'  # a spline without arrowhead ends on the border of its head


def _layout_parts(scene: Scene, names: Mapping[str, str]) -> Iterator[str]:
    boxes = {
        box.key: f"{names[box.key]} [width={_inches(box.width)} height={_inches(box.height)}]" for box in scene.boxes
    }
    titles = [f"graph [margin=8 {_spacer(*title_size(group))}]" for group in scene.groups]
    yield from _nested(scene, boxes, titles)
    twins = Counter((arrow.tail, arrow.head) for arrow in scene.arrows)
    for i, arrow in enumerate(scene.arrows):
        label = f" {_spacer(arrow.width, arrow.height)}" if arrow.lines else ""
        if not label and twins[arrow.tail, arrow.head] > 1:
            label = f" {_spacer(6, 6)}"  # else dot would draw it along a twin that has a label
        yield f"{names[arrow.tail]} -> {names[arrow.head]} [id=a{i}{label}]"


def _inches(points: float) -> str:
    return f"{points / 72:.5f}"


def _spacer(width: float, height: float) -> str:
    """A label of dots that takes at least this room and at most 3 points more.

    Not an HTML-like table, which would be exact: engines built without expat replace it by a word of their own. Font
    sizes near 5 are where every text back end agrees on the height of a line.
    """
    if width <= 0 or height <= 0:
        return 'label=""'
    rows = math.ceil(height / 6)
    em = max(height / (rows * LINE), 1.0)
    columns = max(math.ceil(width / (em * COURIER)), 1)
    dots = "." * columns + r"\n." * (rows - 1)
    return f'fontsize={em:.4f} label="{dots}"'


# --- for people -----------------------------------------------------------------------------------------------------

SHAPES = {True: "rounded", False: ""}  # by whether the corners of our own boxes are round
ROUND = 8  # points; larger corners are round ones
FACES = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"
SPACE = "&#160;"  # one that stays
NOTE_COLUMNS = 100  # characters of a line of the notes


def readable_source(scene: Scene, theme: Theme, font: str = "") -> str:
    """DOT for any Graphviz that has HTML-like labels: the same words, colours, sizes, shapes and frames as our own
    pictures, laid out by whoever draws it.
    """
    names = {box.key: f"b{i}" for i, box in enumerate(scene.boxes)}
    boxes = {box.key: f"{names[box.key]} [{_box_attributes(box, theme)}]" for box in scene.boxes}
    frames = [_group_attributes(group, theme) for group in scene.groups]
    arrows = [
        f"{names[arrow.tail]} -> {names[arrow.head]} [{_arrow_attributes(arrow, theme)}]" for arrow in scene.arrows
    ]
    head = _readable_defaults(scene, theme, f"{font},{FACES}" if font else FACES)
    return "\n".join(["digraph {", *head, *_nested(scene, boxes, frames), *arrows, "}", ""])


def _readable_defaults(scene: Scene, theme: Theme, faces: str) -> Iterator[str]:
    ink, paper, font = quote(theme["ink"]), quote(theme["paper"]), quote(faces)
    yield f"graph [rankdir={scene.direction} bgcolor={paper} fontcolor={ink} fontname={font} nodesep=0.3 ranksep=0.4]"
    yield f"graph [labelloc=b labeljust=l label={_foot(scene, theme)} tooltip={quote(scene.alt)}]"
    yield f'node [shape=box margin="0.06,0.03" fontcolor={ink} fontname={font}]'
    yield f"edge [fontcolor={ink} fontname={font} fontsize={TEXT:g}]"


def _foot(scene: Scene, theme: Theme) -> str:
    """Title and notes, below the picture."""
    title = [html_text(scene.title, Type(LARGE, "ink", bold=True), theme)] if scene.title else []
    fills = [scene.ramp.said] if scene.ramp is not None else []
    notes = [row for note in (*fills, *scene.notes) for row in textwrap.wrap(note, NOTE_COLUMNS)]
    rows = title + [html_text(row, Type(SMALL, "muted", italic=True), theme) for row in notes]
    return f"<{_stacked(rows, align='LEFT')}>" if rows else '""'


# HTML-like labels


def html_text(text: str, kind: Type, theme: Theme, *, math: bool = False) -> str:
    """A line of an HTML-like label that shows exactly ``visible(text)``; "" for nothing.

    A backslash is doubled: even there, Graphviz takes one and an N for the name of the node.
    """
    if not text:
        return ""
    label = Label(0, 0, text, kind.size, bold=kind.bold, italic=kind.italic, math=math)
    shown = "".join(_html_run(run) for run in runs_of_label(label))
    shown = f"<B>{shown}</B>" if kind.bold else shown
    return f'<FONT POINT-SIZE="{kind.size:g}" COLOR="{theme[kind.color]}">{shown}</FONT>'


def _html_run(run: Run) -> str:
    """Some letters of a line in one look."""
    shown = _unbroken(html.escape(run.text).replace("\\", "\\\\"))
    for wanted, mark in ((run.italic, "I"), (run.lowered, "SUB")):
        shown = f"<{mark}>{shown}</{mark}>" if wanted else shown
    return shown


def _unbroken(text: str) -> str:
    """The text with the spaces kept that Graphviz might take away: those at its ends, and all but one of several."""
    inner = text.strip(" ")
    before, after = text.partition(inner)[::2] if inner else (text, "")
    return SPACE * len(before) + inner.replace("  ", f"{SPACE} ") + SPACE * len(after)


def _stacked(rows: Iterable[str], *, align: str = "CENTER") -> str:
    """A table of one column."""
    cells = "".join(f'<TR><TD ALIGN="{align}">{row}</TD></TR>' for row in rows if row)
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>' if cells else ""


def _lines(lines: Iterable[Line], theme: Theme) -> str:
    """Lines of a box or of an arrow, each in the type of its role."""
    plain = TYPES["remark"]
    return _stacked(
        [
            html_text(text, TYPES.get(line.role, plain), theme, math=line.role in MATHEMATICS)
            for line in lines
            for text in line.written
        ]
    )


def _label(badge: str, lines: Iterable[Line], theme: Theme) -> str:
    """What stands in a box: the sign on its dark ground, beside the lines."""
    words = _lines(lines, theme)
    if not badge:
        return f"<{words}>" if words else '""'
    size = f'WIDTH="{badge_width(badge):.0f}" HEIGHT="{BADGE:.0f}"'
    plain = 'BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0"'
    sign = (
        f'<TABLE {plain} {size} STYLE="ROUNDED" BGCOLOR="{theme["badge"]}">'
        f"<TR><TD {size}>{html_text(badge, TYPES['badge'], theme)}</TD></TR></TABLE>"
    )
    cells = "".join(f"<TD>{part}</TD>" for part in (sign, words) if part)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="4" CELLPADDING="0"><TR>{cells}</TR></TABLE>>'


# boxes, arrows and frames


def _box_attributes(box: Box, theme: Theme) -> str:
    fill, stroke, line, dash, radius = box_look(box)
    style = ",".join(filter(None, ("filled", SHAPES[radius >= ROUND], _pen_style(dash))))
    words = [text for text in (box.badge, *(text for line in box.lines for text in line.written)) if text]
    return (
        f'style="{style}" fillcolor={quote(theme[fill])} color={quote(theme[stroke])} penwidth={line:g}'
        f"{' peripheries=2' if box.double else ''} label={_label(box.badge, box.lines, theme)}"
        f" tooltip={quote_lines([*map(str, box.hover)] or words)}"
    )


def _pen_style(dash: tuple[float, ...]) -> str:
    """The name that Graphviz has for a pattern of dashes; "" for none."""
    return "" if not dash else "dashed" if dash[0] > THICKEST_DOT else "dotted"


def _arrow_attributes(arrow: Arrow, theme: Theme) -> str:
    stroke, line, dash, way = arrow_look(arrow)
    words, label = [text for line in arrow.lines for text in line.written], _lines(arrow.lines, theme)
    roles = [trails.ROLES[number] for number in arrow.trails] or [stroke]
    color = ":".join(theme[role] for role in roles)  # several are drawn side by side
    return (
        f"color={quote(color)} style={_pen_style(dash) or 'solid'} penwidth={line:g}{'' if way > 0 else ' dir=back'}"
        f"{f' label=<{label}>' if label else ''} tooltip={quote_lines([*map(str, arrow.hover)] or words)}"
    )


def _group_attributes(group: Group, theme: Theme) -> str:
    fill, line = quote(theme["group"]), quote(theme["group.line"])
    title = html_text(group.title, Type(SMALL, "muted", bold=True), theme)
    return (
        f'graph [label={f"<{title}>" if title else quote("")} style="rounded,filled" fillcolor={fill} color={line}'
        f" labelloc=t labeljust=l tooltip={quote(group.title)}]"
    )


# --- both -----------------------------------------------------------------------------------------------------------


def _nested(scene: Scene, boxes: Mapping[str, str], frames: list[str]) -> Iterator[str]:
    """Statements for boxes inside nested ``subgraph cluster_…`` blocks; each box in the innermost group that
    lists it.
    """
    home, tree = innermost_groups(scene), parents(scene)
    inside: dict[str | None, list[str]] = {}
    for key, statement in boxes.items():
        inside.setdefault(home.get(key), []).append(statement)
    children: dict[str | None, list[int]] = {}
    for number, group in enumerate(scene.groups):
        children.setdefault(tree[group.key], []).append(number)
    yield from inside.get(None, [])
    todo: list[int | None] = list(reversed(children.get(None, [])))
    while todo:  # a stack instead of recursion; None closes the block that is open
        number_or_end = todo.pop()
        if number_or_end is None:
            yield "}"
            continue
        key = scene.groups[number_or_end].key
        yield f"subgraph cluster_g{number_or_end} {{ {frames[number_or_end]}"
        yield from inside.get(key, [])
        todo += [None, *reversed(children.get(key, []))]
