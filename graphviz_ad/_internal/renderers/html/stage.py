"""Scene -> the stage of a page: an SVG without colours, and the style sheet that paints it in every emphasis.

No look is said here a second time: each CSS rule is read off a box, arrow or word that
`graphviz_ad._internal.scene.paint` has painted, so that pages, films and stills agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.svg.still import (
    ITALICS_OF_A_PAGE,
    NAMELESS,
    bare_attributes,
    bare_element,
    class_name,
    mark_element,
    prose,
    style,
    svg_number,
    tag,
)
from graphviz_ad._internal.scene import grids, paint, ratios
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Polygon
from graphviz_ad._internal.scene.film_frame import BAND
from graphviz_ad._internal.scene.path_lines import DISCS
from graphviz_ad._internal.scene.scene import Arrow, Box, Group, Line, Scene
from graphviz_ad._internal.scene.themes import FONT_STACK, THEMES, Theme, font_stack

Drawn = TypeVar("Drawn", Box, Arrow)
OTHER = "·"  # what a line says that does not say what it does at the end
WAYS = {1: "with-values", -1: "with-gradients"}


def parts_of(scene: Scene) -> tuple[Box | Arrow, ...]:
    """Everything that a step can restyle; a part is known to the script by its place in here."""
    return (*scene.boxes, *scene.arrows)


def stage_svg(scene: Scene) -> str:
    """The scene as an SVG whose boxes and arrows a script can restyle."""
    if scene.size is None:
        raise ValueError("a page needs a placed scene; run a layout first")
    width, height = map(svg_number, scene.size)
    first_arrow = len(scene.boxes)
    parts = [
        *map(group_frame, scene.groups),
        *(arrow_group(arrow, first_arrow + i) for i, arrow in enumerate(scene.arrows)),
        *(box_group(box, i) for i, box in enumerate(scene.boxes)),
        *(words_group(arrow, first_arrow + i) for i, arrow in enumerate(scene.arrows) if arrow.lines),
    ]
    root: dict[str, str | None] = {
        "class": "gad-picture",
        "viewBox": f"0 0 {width} {height}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": prose(scene.alt) or NAMELESS,
        "font-family": FONT_STACK,
    }
    return tag("svg", root, "\n" + "\n".join(part for part in parts if part) + "\n")


def overview_svg(scene: Scene) -> str:
    """The scene once more, small and without words, with a rectangle around what a camera shows of it."""
    width, height = scene.size or (1.0, 1.0)
    first_arrow = len(scene.boxes)
    shapes = [
        *(small_arrow(arrow, first_arrow + i) for i, arrow in enumerate(scene.arrows) if len(arrow.path) >= 4),
        *(small_box(box, i) for i, box in enumerate(scene.boxes)),
    ]
    root: dict[str, str | None] = {
        "viewBox": f"0 0 {svg_number(width)} {svg_number(height)}",
        "width": svg_number(width),
        "height": svg_number(height),
        "aria-hidden": "true",
    }
    shape = "gad-overview" if width >= BAND * height else "gad-overview tall"
    picture = tag("svg", root, "".join(shapes) + tag("rect", {"class": "gad-seen"}))
    return f'<div class="{shape}" hidden>{picture}</div>\n'


def small_box(box: Box, index: int) -> str:
    """The frame of a box."""
    frame = next(mark for mark in paint.box_marks(box) if mark.part == "frame")
    return tag("g", {"class": f"box {box_class(box)}", **small(box, index)}, bare_element(frame))


def small_arrow(arrow: Arrow, index: int) -> str:
    """The line of an arrow."""
    shaft = shafts_and_head(arrow, plain_emphasis(1))[0][0]
    return tag("g", {"class": f"arrow {arrow_class(arrow)}", **small(arrow, index)}, bare_element(shaft))


def small(part: Box | Arrow, index: int) -> dict[str, str | None]:
    """Number and emphasis of a part where it is drawn small."""
    return {"data-small": str(index), "data-emphasis": part.emphasis}


def stage_shapes(marks: Iterable[Mark]) -> str:
    """Marks as elements that the style sheet paints."""
    return "".join(map(bare_element, marks))


def group_frame(group: Group) -> str:
    """A titled frame."""
    return tag("g", {"class": "group"}, stage_shapes(paint.group_marks(group)))


def box_group(box: Box, index: int) -> str:
    """A box with the names by which style sheet and script find it."""
    return tag("g", {"class": f"box {box_class(box)}", **handles(box, index)}, shapes_with_grids(box, paint.box_marks))


def shapes_with_grids(part: Drawn, painter: Callable[[Drawn], Iterable[Mark]]) -> str:
    """The elements of a box or of the words on an arrow; of a line with a grid both its words, which are seen as long
    as they say something else, and the cells.
    """
    gridded = [line for line in part.lines if line.is_replaced]
    if not gridded:
        return stage_shapes(painter(part))
    plain = list(painter(part_in_words(part)))
    said = {line.key: line for line in gridded}
    shapes = [bare_element(mark) for mark in plain if mark.part not in said]
    for mark in plain:
        if isinstance(mark, Label) and mark.part in said:
            line = said[mark.part]
            final = replace(mark, text=line.text)
            words = mark_element(final, bare_attributes(final) | {"data-said": ""}, ITALICS_OF_A_PAGE)
            cells = [cell for cell in painter(part_in_words(part, but=line)) if cell not in plain]
            shapes.append(words + tag("g", {"class": "cells"}, stage_shapes(cells)))
    return "".join(shapes)


def part_in_words(part: Drawn, but: Line | None = None) -> Drawn:
    """A box or arrow with words in the place of all grids, but for those of one line."""
    lines = [replace(line, text=OTHER) if line.is_replaced and line is not but else line for line in part.lines]
    return replace(part, lines=tuple(lines))


def handles(part: Box | Arrow, index: int) -> dict[str, str | None]:
    """Number, key and emphasis of a box or arrow."""
    return {"data-part": str(index), "data-key": visible(part.key), "data-emphasis": part.emphasis}


def arrow_group(arrow: Arrow, index: int) -> str:
    """An arrow drawn both ways, one of them hidden."""
    if len(arrow.path) < 4:
        return ""
    ways = "".join(tag("g", {"class": WAYS[way]}, one_way(arrow, way)) for way in WAYS)
    return tag("g", {"class": f"arrow {arrow_class(arrow)}", **handles(arrow, index)}, ways)


def one_way(arrow: Arrow, way: int) -> str:
    """Shaft and head; the head lies about its tip, so that a style sheet can scale it where it stands."""
    shafts, head = shafts_and_head(arrow, plain_emphasis(way))
    x, y = head.points[0]
    about_tip = replace(head, points=tuple((a - x, b - y) for a, b in head.points))
    return "".join(map(bare_element, shafts)) + tag(
        "g", {"transform": f"translate({svg_number(x)} {svg_number(y)})"}, bare_element(about_tip)
    )


def shafts_and_head(arrow: Arrow, emphasis: str) -> tuple[list[Curve], Polygon]:
    """The marks of an arrow in that emphasis; it has several shafts where several paths run along it."""
    marks = list(paint.arrow_marks(replace(arrow, emphasis=emphasis)))
    return [m for m in marks if isinstance(m, Curve)], next(m for m in marks if isinstance(m, Polygon))


def plain_emphasis(way: int) -> str:
    """The first emphasis in which an arrow points this way."""
    return next(name for name, look in paint.ARROW_LOOKS.items() if look[3] == way)


def words_group(arrow: Arrow, index: int) -> str:
    """The label of an arrow; its ground is there even where the words are empty now."""
    wordy = replace(
        arrow,
        lines=tuple(
            line if line.role == "trails" or line.is_replaced else replace(line, text=OTHER) for line in arrow.lines
        ),
    )
    grounds = [mark for mark in paint.arrow_words(wordy) if mark.part == "ground"]
    words = shapes_with_grids(arrow, lambda arrow: [mark for mark in paint.arrow_words(arrow) if mark.part != "ground"])
    blank = None if any(line.text for line in arrow.lines) else ""
    return tag("g", {"class": "words", "data-part": str(index), "data-blank": blank}, stage_shapes(grounds) + words)


def css(theme: Theme, scene: Scene, name: str) -> str:
    """Colours of the theme and looks of every emphasis, for the element ``name`` only."""
    rules = [f"#{name}{{{variables(theme)}}}"]
    if theme.follows:
        rules.append(f"@media (prefers-color-scheme: dark){{#{name}{{{variables(theme.follows)}}}}}")
    if theme.font:
        rules.append(f"#{name} .gad-picture{{font-family:{font_stack(theme.font)}}}")
    looks = [*still_rules(scene), *box_rules(scene.boxes), *arrow_rules(scene.arrows)]
    return "\n".join(rules + [f"#{name} {rule}" for rule in looks]) + "\n"


def variables(theme: Theme) -> str:
    """Each colour as a CSS variable, and the scheme that the browser's own controls should follow."""
    colors = "".join(f"--{class_name(role)}:{color};" for role, color in theme.colors.items())
    return f"{colors}color-scheme:{'dark' if theme.dark else 'light'}"


def variable(role: str) -> str:
    """The CSS expression for a colour role."""
    return f"var(--{class_name(role)})"


VARIABLES = {role: variable(role) for role in THEMES["light"].colors}


def stage_declarations(mark: Mark) -> str:
    """How a mark looks, in CSS."""
    look = {name: value for name, value in style(mark, VARIABLES).items() if value is not None}
    return ";".join(f"{name}:{value}{'px' if name == 'font-size' else ''}" for name, value in look.items())


def still_rules(scene: Scene) -> list[str]:
    """Looks that no step changes: words by their role, badges, grounds and group frames."""
    rules = {}
    for mark in (*paint.stage_marks(scene), *paint.stage_marks(in_words(scene))):
        if isinstance(mark, Label) or mark.part in ("badge", "ground", ratios.LINE, *DISCS, *grids.PARTS):
            rules[f".{class_name(mark.part)}"] = stage_declarations(mark)
    for group in scene.groups[:1]:
        rules |= {f".group .{mark.part}": stage_declarations(mark) for mark in paint.group_marks(group)}
    return [f"{selector}{{{look}}}" for selector, look in rules.items()]


def in_words(scene: Scene) -> Scene:
    """The scene with words in the place of all grids."""
    return replace(scene, boxes=tuple(map(part_in_words, scene.boxes)), arrows=tuple(map(part_in_words, scene.arrows)))


def box_class(box: Box) -> str:
    """The class of all boxes that look alike."""
    return f"k-{class_name(box.kind)}" + "-warning" * box.warning + "-gradless" * box.gradless


def box_rules(boxes: Collection[Box]) -> Iterator[str]:
    """Frame and inner border of each kind of box in each emphasis."""
    doubled = {box_class(box) for box in boxes if box.double}
    probes = {
        box_class(box): Box("", box.kind, (), 99, 99, warning=box.warning, center=(0, 0), gradless=box.gradless)
        for box in boxes
    }
    for name, plain in probes.items():
        probe = replace(plain, double=name in doubled)
        for emphasis in paint.BOX_LOOKS:
            for mark in paint.box_marks(replace(probe, emphasis=emphasis)):
                yield f'.{name}[data-emphasis="{emphasis}"] .{mark.part}{{{stage_declarations(mark)}}}'


def arrow_class(arrow: Arrow) -> str:
    """The class of all arrows that look alike."""
    return "-".join(["a", class_name(arrow.style), *map(str, arrow.trails)])


def arrow_rules(arrows: Iterable[Arrow]) -> Iterator[str]:
    """Shaft, head and direction of each kind of arrow in each emphasis."""
    line = ((0.0, 0.0), (40.0, 0.0), (80.0, 0.0), (120.0, 0.0))
    probes = {
        arrow_class(arrow): Arrow("", "", "", style=arrow.style, trails=arrow.trails, path=line) for arrow in arrows
    }
    for emphasis, (*_, way) in paint.ARROW_LOOKS.items():
        yield f'.arrow[data-emphasis="{emphasis}"] .{WAYS[-way]}{{display:none}}'
        for name, probe in probes.items():
            here = f'.{name}[data-emphasis="{emphasis}"]'
            shafts, head = shafts_and_head(probe, emphasis)
            drawn = shafts_and_head(probe, plain_emphasis(way))[1]
            yield from (f"{here} .{class_name(shaft.part)}{{{stage_declarations(shaft)}}}" for shaft in shafts)
            scale = svg_number(arrowhead_length(head) / arrowhead_length(drawn))
            yield f"{here} .head{{{stage_declarations(head)};transform:scale({scale})}}"


def arrowhead_length(head: Polygon) -> float:
    """Length of an arrowhead from tip to base."""
    tip, left, right = head.points
    return math.dist(tip, ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2))
