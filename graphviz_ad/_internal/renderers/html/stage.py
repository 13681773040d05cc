"""Scene -> the stage of a page: an SVG of the scene as it is, and the style sheet that paints it in every emphasis.

Where no style sheet is read, the SVG is the picture: each look stands in presentation attributes, too, to which every
rule of a sheet goes before.

No look is said here a second time: each CSS rule is read off a box, arrow or word that
`graphviz_ad._internal.scene.paint` has painted, so that pages, films and stills agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.svg.still import (
    MOSTLY,
    NAMELESS,
    class_name,
    geometry,
    mark_element,
    page_element,
    prose,
    roles,
    style,
    svg_number,
    tag,
)
from graphviz_ad._internal.scene import grids, paint, ratios
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.film_frame import BAND
from graphviz_ad._internal.scene.path_lines import DISCS
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, Group, Line, Scene
from graphviz_ad._internal.scene.themes import FONT_STACK, THEMES, Theme, font_stack

Drawn = TypeVar("Drawn", Box, Arrow)
Rule = tuple[str, str]  # a selector and its declarations
OTHER = "·"  # what a line says that does not say what it does at the end
WAYS = {1: "with-values", -1: "with-gradients"}
HIDDEN = {"display": "none"}  # where no style sheet is read


def parts_of(scene: Scene) -> tuple[Box | Arrow, ...]:
    """Everything that a step can restyle; a part is known to the script by its place in here."""
    return (*scene.boxes, *scene.arrows)


def stage_svg(scene: Scene, theme: Theme, names: str = "") -> str:
    """The scene as an SVG whose boxes and arrows a script can restyle; ``names`` are over it."""
    if scene.size is None:
        raise ValueError("a page needs a placed scene; run a layout first")
    width, height = map(svg_number, scene.size)
    first_arrow = len(scene.boxes)
    paper = Rect(0, 0, *scene.size, fill="paper", part="paper")
    parts = [
        page_element(paper, theme),
        *(group_frame(group, theme) for group in scene.groups),
        *(arrow_group(arrow, first_arrow + i, theme) for i, arrow in enumerate(scene.arrows)),
        *(box_group(box, i, theme) for i, box in enumerate(scene.boxes)),
        *(words_group(arrow, first_arrow + i, theme) for i, arrow in enumerate(scene.arrows) if arrow.lines),
        names,
    ]
    root: dict[str, str | None] = {
        "class": "gad-picture",
        "viewBox": f"0 0 {width} {height}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-label": prose(scene.alt) or NAMELESS,
        **MOSTLY,
        "font-family": FONT_STACK,
    }
    return tag("svg", root, "\n" + "\n".join(part for part in parts if part) + "\n")


def overview_svg(scene: Scene, theme: Theme) -> str:
    """The scene once more, small and without words, with a rectangle around what a camera shows of it."""
    width, height = scene.size or (1.0, 1.0)
    first_arrow = len(scene.boxes)
    shapes = [
        *(small_arrow(arrow, first_arrow + i, theme) for i, arrow in enumerate(scene.arrows) if len(arrow.path) >= 4),
        *(small_box(box, i, theme) for i, box in enumerate(scene.boxes)),
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


def names_over_whole(film: Film, theme: Theme) -> str:
    """The names of boxes for where a camera shows the whole from too far for the boxes' own letters: as long as
    something is to come, and at the end.
    """
    scale, aside, down = film.fit(film.whole)

    def named(index: int, when: str) -> str:
        scene = film.scene(index)
        marks = list(paint.signs_of_whole(film, (*scene.arrows, *scene.boxes), index))
        stage = max((i for i, mark in enumerate(marks) if not mark.part.startswith("called")), default=-1)
        seen = paint.moved_marks(marks[stage + 1 :], 1 / scale, -aside / scale, -down / scale)
        shapes = "".join(painted_element(mark, theme) for mark in seen)
        return (
            tag("g", {"class": "gad-names", "data-when": when, "aria-hidden": "true", **HIDDEN}, shapes)
            if shapes
            else ""
        )

    return named(0, "before") + named(-1 % len(film.steps), "end") if film.views else ""


def small_box(box: Box, index: int, theme: Theme) -> str:
    """The frame of a box."""
    frame = next(mark for mark in paint.box_marks(box) if mark.part == "frame")
    return tag("g", {"class": f"box {box_class(box)}", **small(box, index)}, page_element(frame, theme))


def small_arrow(arrow: Arrow, index: int, theme: Theme) -> str:
    """The line of an arrow."""
    shaft = shafts_and_head(arrow, plain_emphasis(1))[0][0]
    return tag("g", {"class": f"arrow {arrow_class(arrow)}", **small(arrow, index)}, page_element(shaft, theme))


def small(part: Box | Arrow, index: int) -> dict[str, str | None]:
    """Number and emphasis of a part where it is drawn small."""
    return {"data-small": str(index), "data-emphasis": part.emphasis}


def stage_shapes(marks: Iterable[Mark], theme: Theme, **more: str) -> str:
    """Marks as elements that the style sheet paints."""
    return "".join(page_element(mark, theme, **more) for mark in marks)


def group_frame(group: Group, theme: Theme) -> str:
    """A titled frame."""
    return tag("g", {"class": "group"}, stage_shapes(paint.group_marks(group), theme))


def box_group(box: Box, index: int, theme: Theme) -> str:
    """A box with the names by which style sheet and script find it."""
    if box.drawings:
        return drawn_group(box, index, "box", theme)
    shapes = shapes_with_grids(box, paint.box_marks, theme) + opener(box, theme)
    return tag("g", {"class": f"box {box_class(box)}", **handles(box, index)}, shapes)


def opener(box: Box, theme: Theme) -> str:
    """A sign in the corner of a box that leads to the picture of what is in it; "" where there is none."""
    if not box.opens or box.center is None:
        return ""
    x, y = box.center[0] + box.width / 2 - OPENER, box.center[1] - box.height / 2 + OPENER
    look = style(Rect(0, 0, 1, 1, 0, "badge", "badge.text"), theme)
    middle = {"cx": svg_number(x), "cy": svg_number(y)}
    cross = f"M{svg_number(x - 4)} {svg_number(y)}h8M{svg_number(x)} {svg_number(y - 4)}v8"
    disc = tag("circle", {**middle, "r": "8", "fill": look["fill"], "style": f"fill:{variable('badge')}"}, "")
    line = {"stroke": look["stroke"], "stroke-width": "2", "style": f"stroke:{variable('badge.text')}"}
    plus = tag("path", {"d": cross, **line}, "")
    link: dict[str, str | None] = {
        "href": f"#{box.opens}",
        "class": "gad-opens",
        "aria-label": f"open {visible(box.name)}",
    }
    return tag("a", link, disc + plus)


def shapes_with_grids(part: Drawn, painter: Callable[[Drawn], Iterable[Mark]], theme: Theme) -> str:
    """The elements of a box or of the words on an arrow; of a line with a grid both its words, which are seen as long
    as they say something else, and the cells.
    """
    gridded = [line for line in part.lines if line.is_replaced]
    if not gridded:
        return stage_shapes(painter(part), theme)
    plain = list(painter(part_in_words(part)))
    said, drawn = {line.key: line for line in gridded}, set(plain)
    shapes = [page_element(mark, theme) for mark in plain if mark.part not in said]
    for mark in plain:
        if isinstance(mark, Label) and mark.part in said:
            line = said[mark.part]
            words = page_element(replace(mark, text=line.text), theme, **HIDDEN, **{"data-said": ""})
            cells = [cell for cell in painter(part_in_words(part, but=line)) if cell not in drawn]
            shapes.append(words + tag("g", {"class": "cells"}, stage_shapes(cells, theme)))
    return "".join(shapes)


def drawn_group(part: Box | Arrow, index: int, kind: str, theme: Theme) -> str:
    """A part that has drawings of its own: each of them, of which the style sheet shows one."""
    looks: dict[tuple[Mark, ...], list[str]] = {}
    for emphasis, marks in part.drawings:
        looks.setdefault(marks, []).append(emphasis)
    seen = part.emphasis if part.emphasis in dict(part.drawings) else part.drawings[0][0]
    shown = "".join(
        tag(
            "g",
            {"data-look": " ".join(names), **({} if seen in names else HIDDEN)},
            "".join(painted_element(mark, theme) for mark in marks),
        )
        for marks, names in looks.items()
    )
    return tag("g", {"class": f"{kind} drawn", **handles(part, index)}, shown)


def painted_element(mark: Mark, theme: Theme) -> str:
    """One mark of a drawing as one element that brings its own look."""
    look: dict[str, str | None] = {"class": class_name(mark.part), "style": stage_declarations(mark)}
    return mark_element(mark, look | dict(geometry(mark)) | style(mark, theme))


def part_in_words(part: Drawn, but: Line | None = None) -> Drawn:
    """A box or arrow with words in the place of all grids, but for those of one line."""
    lines = [replace(line, text=OTHER) if line.is_replaced and line is not but else line for line in part.lines]
    return replace(part, lines=tuple(lines))


def handles(part: Box | Arrow, index: int) -> dict[str, str | None]:
    """Number, key and emphasis of a box or arrow."""
    return {"data-part": str(index), "data-key": visible(part.key), "data-emphasis": part.emphasis}


def arrow_group(arrow: Arrow, index: int, theme: Theme) -> str:
    """An arrow drawn both ways, one of them hidden."""
    if arrow.drawings:
        return drawn_group(arrow, index, "arrow", theme)
    if len(arrow.path) < 4:
        return ""
    now = paint.ARROW_LOOKS[arrow.emphasis][3]
    ways = [one_way(arrow, way, theme if way == now else None) for way in WAYS]
    hidden = [{} if way == now else HIDDEN for way in WAYS]
    body = "".join(tag("g", {"class": WAYS[way], **off}, one) for way, off, one in zip(WAYS, hidden, ways, strict=True))
    return tag("g", {"class": f"arrow {arrow_class(arrow)}", **handles(arrow, index)}, body)


def one_way(arrow: Arrow, way: int, theme: Theme | None) -> str:
    """Shaft and head; the head lies about its tip, so that a style sheet can scale it where it stands. In colours of
    the theme if it is the way that is seen.
    """
    shafts, head = shafts_and_head(arrow, plain_emphasis(way))
    x, y = head.points[0]
    about_tip = replace(head, points=tuple((a - x, b - y) for a, b in head.points))
    scaled = {}
    if theme:
        shafts, seen = shafts_and_head(arrow, arrow.emphasis)
        about_tip, scale = (
            replace(about_tip, fill=seen.fill),
            svg_number(arrowhead_length(seen) / arrowhead_length(head)),
        )
        scaled = {"transform": f"scale({scale})"} if scale != "1" else {}
    place = f"translate({svg_number(x)} {svg_number(y)})"
    lines = "".join(page_element(shaft, theme) for shaft in shafts)
    return lines + tag("g", {"transform": place}, page_element(about_tip, theme, **scaled))


def shafts_and_head(arrow: Arrow, emphasis: str) -> tuple[list[Curve], Polygon]:
    """The marks of an arrow in that emphasis; it has several shafts where several paths run along it."""
    marks = list(paint.arrow_marks(replace(arrow, emphasis=emphasis)))
    return [m for m in marks if isinstance(m, Curve)], next(m for m in marks if isinstance(m, Polygon))


def plain_emphasis(way: int) -> str:
    """The first emphasis in which an arrow points this way."""
    return next(name for name, look in paint.ARROW_LOOKS.items() if look[3] == way)


def words_group(arrow: Arrow, index: int, theme: Theme) -> str:
    """The label of an arrow; its ground is there even where the words are empty now."""
    wordy = replace(
        arrow,
        lines=tuple(
            line if line.role == "trails" or line.is_replaced else replace(line, text=OTHER) for line in arrow.lines
        ),
    )
    grounds = [mark for mark in paint.arrow_words(wordy) if mark.part == "ground"]
    words = shapes_with_grids(
        arrow, lambda arrow: [mark for mark in paint.arrow_words(arrow) if mark.part != "ground"], theme
    )
    blank = None if any(line.text for line in arrow.lines) else ""
    ground = stage_shapes(grounds, theme, **(HIDDEN if blank is not None else {}))
    return tag("g", {"class": "words", "data-part": str(index), "data-blank": blank}, ground + words)


def css(theme: Theme, scene: Scene, name: str, around: str) -> str:
    """Colours of the theme and looks of every emphasis, for the element ``name`` only; what is ``around`` the stage
    has its colours from here, too.
    """
    looks = [
        *still_rules(scene),
        *together(chain(box_rules(scene.boxes), arrow_rules(scene.arrows))),
        *drawn_rules(parts_of(scene)),
    ]
    used = frozenset(re.findall(r"var\(--([\w-]+)", "".join([around, *looks])))
    rules = [
        f"#{name}{{--wide:{math.ceil((scene.size or (0, 0))[0])}px}}",
        *colours_everywhere(f"#{name}", theme, used),
    ]
    if theme.font:
        rules.append(f"#{name} .gad-picture{{font-family:{font_stack(theme.font)}}}")
    return "\n".join(rules + [f"#{name} {rule}" for rule in looks]) + "\n"


def together(rules: Iterable[Rule]) -> Iterator[str]:
    """Rules of one weight, no two of which are about the same thing: those that say the same as one."""
    about: dict[str, list[str]] = {}
    for selector, look in rules:
        about.setdefault(look, []).append(selector)
    for look, selectors in about.items():
        where = selectors[0] if len(selectors) == 1 else f":is({','.join(selectors)})"
        yield f"{where}{{{look}}}"


def colours_everywhere(whose: str, theme: Theme, used: Collection[str] | None = None) -> Iterator[str]:
    """The rules that give a part of a page, or all of it, the colours of a theme wherever it is read."""
    yield f"{whose}{{{variables(theme, used)}}}"
    for where, other in themes_elsewhere(theme):
        yield f"@media {where}{{{whose}{{{variables(other, used)}}}}}"


def themes_elsewhere(theme: Theme) -> Iterator[tuple[str, Theme]]:
    """Where another theme than this is read, and which: the paper of a printer is white, and whoever has chosen the
    colours of the screen keeps at least their ground.
    """
    if theme.follows:
        yield "screen and (prefers-color-scheme:dark)", theme.follows
    elif theme.dark:
        yield "print,(forced-colors:active) and (prefers-color-scheme:light)", THEMES["light"]
    else:
        yield "(forced-colors:active) and (prefers-color-scheme:dark)", THEMES["dark"]


def variables(theme: Theme, used: Collection[str] | None = None) -> str:
    """Each colour that is used, or each, as a CSS variable, and the scheme that the browser's own controls should
    follow.
    """
    named = {class_name(role): color for role, color in theme.colors.items()}
    colors = "".join(f"--{name}:{color};" for name, color in named.items() if used is None or name in used)
    return f"{colors}color-scheme:{'dark' if theme.dark else 'light'}"


def variable(role: str) -> str:
    """The CSS expression for a colour role."""
    return f"var(--{class_name(role)})"


VARIABLES = {role: variable(role) for role in THEMES["light"].colors}


def stage_declarations(mark: Mark) -> str:
    """How a mark looks, in CSS."""
    look = {name: value for name, value in style(mark, VARIABLES).items() if value is not None}
    return ";".join(f"{name}:{value}{'px' if name == 'font-size' else ''}" for name, value in look.items())


def colors_of(mark: Mark) -> str:
    """The colours of a mark, in CSS; the rest of its look stands in its attributes and never changes."""
    fill, stroke = roles(mark)
    filled = f"fill:{VARIABLES[fill] if fill else 'none'}"
    return f"{filled};stroke:{VARIABLES[stroke]}" if stroke else filled


def still_rules(scene: Scene) -> list[str]:
    """Colours that no step changes: words by their role, badges, grounds and group frames."""
    rules = {}
    common = without_drawings(scene)  # which bring their own looks
    for mark in (*paint.stage_marks(common), *paint.stage_marks(in_words(common))):
        if isinstance(mark, Label) or mark.part in ("badge", "ground", ratios.LINE, *DISCS, *grids.PARTS):
            rules[f".{class_name(mark.part)}"] = colors_of(mark)
    for group in scene.groups[:1]:
        rules |= {f".group .{mark.part}": colors_of(mark) for mark in paint.group_marks(group)}
    return [f"{selector}{{{look}}}" for selector, look in rules.items()]


def without_drawings(scene: Scene) -> Scene:
    """The scene without the parts that have drawings of their own."""
    boxes = tuple(box for box in scene.boxes if not box.drawings)
    return replace(scene, boxes=boxes, arrows=tuple(arrow for arrow in scene.arrows if not arrow.drawings))


def in_words(scene: Scene) -> Scene:
    """The scene with words in the place of all grids."""
    return replace(scene, boxes=tuple(map(part_in_words, scene.boxes)), arrows=tuple(map(part_in_words, scene.arrows)))


OPENER = 4.0  # points, from the corner of a box to the middle of the sign that opens it


def box_class(box: Box) -> str:
    """The class of all boxes that look alike."""
    tint = f"-{class_name(box.tint)}" if box.tint else ""
    marks = "-warning" * box.warning + "-passed" * box.passed_on + "-gradless" * box.gradless
    return f"k-{class_name(box.kind)}{tint}{marks}"


def box_rules(boxes: Collection[Box]) -> Iterator[Rule]:
    """Frame and inner border of each kind of box in each emphasis."""
    doubled = {box_class(box) for box in boxes if box.double}
    probes = {
        box_class(box): replace(box, lines=(), badge="", double=False, width=99, height=99, center=(0, 0))
        for box in boxes
    }
    for name, plain in probes.items():
        probe = replace(plain, double=name in doubled)
        for emphasis in paint.BOX_LOOKS:
            for mark in paint.box_marks(replace(probe, emphasis=emphasis)):
                yield f".{name}[data-emphasis={emphasis}] .{mark.part}", stage_declarations(mark)


def drawn_rules(parts: Iterable[Box | Arrow]) -> Iterator[str]:
    """Of drawings that stand for one part, that of its emphasis is seen."""
    names = dict.fromkeys(emphasis for part in parts for emphasis, _ in part.drawings)
    if names:
        yield ".drawn>g{display:none}"
    for name in names:
        yield f'.drawn[data-emphasis="{name}"]>[data-look~="{name}"]{{display:inline}}'


def arrow_class(arrow: Arrow) -> str:
    """The class of all arrows that look alike."""
    return "-".join(["a", class_name(arrow.style), *map(str, arrow.trails)])


def arrow_rules(arrows: Iterable[Arrow]) -> Iterator[Rule]:
    """Shaft, head and direction of each kind of arrow in each emphasis."""
    line = ((0.0, 0.0), (40.0, 0.0), (80.0, 0.0), (120.0, 0.0))
    probes = {
        arrow_class(arrow): Arrow("", "", "", style=arrow.style, trails=arrow.trails, path=line) for arrow in arrows
    }
    for emphasis, (*_, way) in paint.ARROW_LOOKS.items():
        yield f".arrow[data-emphasis={emphasis}] .{WAYS[-way]}", "display:none"
        yield f".arrow[data-emphasis={emphasis}] .{WAYS[way]}", "display:inline"
    for name, probe in probes.items():
        looks = [arrow_looks(probe, emphasis) for emphasis in paint.ARROW_LOOKS]
        for part in looks[0]:
            if all(look[part] == looks[0][part] for look in looks):
                yield f".{name} .{part}", looks[0][part]
                continue
            for emphasis, look in zip(paint.ARROW_LOOKS, looks, strict=True):
                yield f".{name}[data-emphasis={emphasis}] .{part}", look[part]


def arrow_looks(arrow: Arrow, emphasis: str) -> dict[str, str]:
    """The declarations of the parts of an arrow in that emphasis."""
    shafts, head = shafts_and_head(arrow, emphasis)
    drawn = shafts_and_head(arrow, plain_emphasis(paint.ARROW_LOOKS[emphasis][3]))[1]
    scale = svg_number(arrowhead_length(head) / arrowhead_length(drawn))
    lines = {class_name(shaft.part): stage_declarations(shaft) for shaft in shafts}
    return lines | {"head": f"{stage_declarations(head)};transform:scale({scale})"}


def arrowhead_length(head: Polygon) -> float:
    """Length of an arrowhead from tip to base."""
    tip, left, right = head.points
    return math.dist(tip, ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2))
