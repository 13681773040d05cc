"""Scene -> DOT source: the one place that knows Graphviz syntax.

Two dialects. `layout_source` carries sizes and no word of the user, and is read back by
`graphviz_ad._internal.layouts`; `readable_source` carries words and colours, and is for people.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.scene import path_lines as trails
from graphviz_ad._internal.scene.group_tree import innermost_groups, parents, title_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Scene
from graphviz_ad._internal.scene.themes import Theme

MANY_BOXES = 1500  # above this, dot's coordinate phase is cut short: three times faster, a little less tidy
COURIER = 0.6  # width of every character, in ems
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

SHAPES = {
    "leaf": 'shape=box style="rounded,filled"',
    "data": 'shape=box style="dashed,filled"',
    "copy": 'shape=box style="rounded,dashed,filled"',
    "op": "shape=ellipse style=filled",
    "module": "shape=box3d style=filled",
}
BORDERS = {"leaf": "value.line", "copy": "value.line", "data": "muted", "op": "edge", "module": "path.3"}
FILLS = {"copy": "paper"}  # of those kinds that have not one of their own name
ARROW_COLORS = {
    "idle": "edge",
    "active-forward": "value.line",
    "forward": "value.line",
    "active-backward": "gradient.line",
    "backward": "gradient.line",
}
ARROW_STYLES = {"solid": "solid", "cut": "dashed", "guess": "dotted", "data": "solid"}
FONT = '"Helvetica,Arial,sans-serif"'


def readable_source(scene: Scene, theme: Theme) -> str:
    """DOT for any Graphviz: the same words, shapes, colours and frames as our own pictures, laid out by whoever
    draws it.
    """
    names = {box.key: f"b{i}" for i, box in enumerate(scene.boxes)}
    boxes = {box.key: f"{names[box.key]} [{_box_attributes(box, theme)}]" for box in scene.boxes}
    frames = [_group_attributes(group, theme) for group in scene.groups]
    arrows = [
        f"{names[arrow.tail]} -> {names[arrow.head]} [{_arrow_attributes(arrow, theme)}]" for arrow in scene.arrows
    ]
    return "\n".join(["digraph {", *_readable_defaults(scene, theme), *_nested(scene, boxes, frames), *arrows, "}", ""])


def _readable_defaults(scene: Scene, theme: Theme) -> Iterator[str]:
    ink, paper = quote(theme["ink"]), quote(theme["paper"])
    words = [text for text in (scene.title, *scene.notes) if text]
    yield f"graph [rankdir={scene.direction} bgcolor={paper} fontcolor={ink} fontname={FONT}]"
    yield f"graph [labelloc=t label={quote_lines(words)} tooltip={quote(scene.alt)}]"
    yield f"node [fontcolor={ink} fontname={FONT}]"
    yield f"edge [fontcolor={ink} fontname={FONT} fontsize=11]"


def _box_attributes(box: Box, theme: Theme) -> str:
    words = [text for text in (box.badge, *(text for line in box.lines for text in line.written)) if text]
    kind = box.kind if box.kind in BORDERS else "op"
    fill = theme[FILLS.get(kind, kind) if box.emphasis == "idle" else box.emphasis]
    border = theme["ink" if box.warning else BORDERS.get(box.kind, "edge")]
    double = " peripheries=2" if box.double else ""
    tooltip = quote_lines([*map(str, box.hover)] or words)
    shape = SHAPES.get(box.kind, SHAPES["op"])
    return f"{shape} label={quote_lines(words)} fillcolor={quote(fill)} color={quote(border)}{double} tooltip={tooltip}"


def _arrow_attributes(arrow: Arrow, theme: Theme) -> str:
    words = [text for line in arrow.lines for text in line.written]
    roles = [trails.ROLES[number] for number in arrow.trails] or [ARROW_COLORS.get(arrow.emphasis, "edge")]
    color = ":".join(theme[role] for role in roles)  # several are drawn side by side
    label = f" label={quote_lines(words)}" if words else ""
    return (
        f"color={quote(color)} style={ARROW_STYLES[arrow.style]}{label}"
        f" tooltip={quote_lines([*map(str, arrow.hover)] or words)}"
    )


def _group_attributes(group: Group, theme: Theme) -> str:
    fill, line = quote(theme["group"]), quote(theme["group.line"])
    return (
        f'graph [label={quote(group.title)} style="rounded,filled" fillcolor={fill} color={line} labeljust=l'
        f" tooltip={quote(group.title)}]"
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
