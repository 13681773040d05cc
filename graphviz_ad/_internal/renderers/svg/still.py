"""Canvas -> SVG text: one standalone, inert document that looks the same in a browser, Inkscape, PowerPoint and LaTeX.

Colours stand in presentation attributes, because converters read nothing else; a theme that follows its reader adds one
style sheet for dark pages on top. There is no script, no foreign object and no reference to anything outside, and every
string from the data becomes visible, escaped text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from graphviz_ad._internal.base.visible_text import visible, whole_text
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Polygon, Rect
from graphviz_ad._internal.scene.scene import Point
from graphviz_ad._internal.scene.set_text import DROP, SCRIPT, is_set, runs_of_label
from graphviz_ad._internal.scene.themes import FONT_STACK, MONO_STACK, Colors, Theme

NAMELESS = "Computation graph"  # what a picture without a description is called

Attributes = dict[str, str | None]  # None leaves the attribute out


def svg_file(canvas: Canvas, theme: Theme, *, prefix: str = "") -> str:
    """The picture as a file of its own."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + svg_element(canvas, theme, prefix=prefix)


def svg_element(canvas: Canvas, theme: Theme, *, prefix: str = "") -> str:
    """The picture as one ``<svg>`` element, to put into a page; ``prefix`` tells apart equal pictures on the
    same page.
    """
    body = grouped_marks(canvas.marks, theme)
    name = class_name(prefix) + fingerprint(body, canvas.alt, theme.key)
    ground = (
        element(Rect(0, 0, canvas.width, canvas.height, fill=canvas.background, part="background"), theme)
        if canvas.background
        else ""
    )
    return svg_document(
        name,
        (canvas.width, canvas.height),
        canvas.alt,
        [dark_style(canvas, theme, name), ground, body],
        font=canvas.font or theme.font,
    )


def svg_document(name: str, size: Point, alt: str, parts: Iterable[str], title: str = "", *, font: str = "") -> str:
    """An ``<svg>`` element of that id, with its title and description, around parts that are markup already."""
    width, height = map(svg_number, size)
    root: Attributes = {
        "xmlns": "http://www.w3.org/2000/svg",
        "id": name,
        "viewBox": f"0 0 {width} {height}",
        "width": width,
        "height": height,
        "role": "img",
        "aria-labelledby": f"{name}-title",
        "aria-describedby": f"{name}-desc",
        "font-family": f"{quoted_family(font)}, {FONT_STACK}" if font else FONT_STACK,
    }
    about = [
        tag("title", {"id": f"{name}-title"}, escaped_xml(visible(title or short_title(alt)))),
        tag("desc", {"id": f"{name}-desc"}, escaped_xml(prose(alt or NAMELESS))),
    ]
    return tag("svg", root, "\n" + "\n".join(part for part in [*about, *parts] if part) + "\n") + "\n"


def quoted_family(font: str) -> str:
    """The name of a font as CSS has it, whatever is in it."""
    return "'" + visible(font).replace("\\", "\\\\").replace("'", "\\'") + "'"


def short_title(alt: str) -> str:
    """The beginning of a description, up to its first colon or full stop; browsers show it as the tooltip of the
    picture.
    """
    return re.split(r"[:.;](?:\s|$)", alt, maxsplit=1)[0].strip() or NAMELESS


def grouped_marks(marks: Iterable[Mark], theme: Theme) -> str:
    """The marks in order; neighbours with one owner share a ``<g>``."""
    lines = []
    for owner, members in groupby(marks, lambda mark: mark.owner):
        run = list(members)
        shapes = "".join(element(mark, theme) for mark in run)
        lines.append(tag("g", {"class": kind_of_marks(run), "data-key": visible(owner)}, shapes) if owner else shapes)
    return "\n".join(lines)


def kind_of_marks(run: list[Mark]) -> str:
    """What the marks of one owner draw: a "box", an "arrow", the "words" on an arrow, or a "group"."""
    parts = {mark.part for mark in run}
    if "shaft" in parts:
        return "arrow"
    if "title" in parts:
        return "group"
    return "box" if "frame" in parts else "words"


def element(mark: Mark, theme: Theme) -> str:
    """One mark as one element, in the colours of the theme."""
    return mark_element(mark, classes(mark, theme) | geometry(mark) | style(mark, theme))


def page_element(mark: Mark, theme: Colors | None, **more: str) -> str:
    """One mark as one element for a page whose style sheet paints it; where no sheet is read, it looks as the theme
    has it. None: it is not seen there.
    """
    look = style(mark, theme) if theme else {}
    if isinstance(mark, Label):
        look |= {"text-anchor": mark.anchor}
    look = {name: value for name, value in look.items() if MOSTLY.get(name) != value}
    made = mark_element(mark, {**bare_attributes(mark), **look, **more})
    return made + " " * isinstance(mark, Label)  # or the words of a box would be read as one


def bare_attributes(mark: Mark) -> Attributes:
    """What it is part of, and where it is."""
    lowered = isinstance(mark, Label) and is_set(mark) and any(run.lowered for run in runs_of_label(mark))
    said = visible(mark.text) if isinstance(mark, Label) and lowered else None
    return {"class": class_name(mark.part), **geometry(mark), "data-text": said}


ITALICS: Attributes = {"font-style": "italic"}  # what sets a variable
MOSTLY: Attributes = {"text-anchor": "middle", "font-size": "15", "fill": "none"}  # said once for all of a page
TAGS: dict[type, str] = {Rect: "rect", Curve: "path", Polygon: "polygon", Label: "text"}


def mark_element(mark: Mark, attributes: Attributes) -> str:
    """The element of a mark with these attributes."""
    return tag(TAGS[type(mark)], attributes, written_runs(mark) if isinstance(mark, Label) else None)


def written_runs(label: Label) -> str:
    """The words of a label; what follows a lowered run is raised again, since not every reader knows baselines."""
    if not is_set(label):
        return escaped_xml(visible(label.text))
    parts, down = [], 0.0
    for run in runs_of_label(label):
        wanted = DROP * label.size if run.lowered else 0.0
        look: Attributes = {
            "dy": svg_number(wanted - down) if wanted != down else None,
            "font-size": svg_number(SCRIPT * label.size) if run.lowered else None,
            **(ITALICS if run.italic and not label.italic else {}),
        }
        words, down = escaped_xml(run.text), wanted
        parts.append(tag("tspan", look, words) if any(look.values()) else words)
    return "".join(parts)


def geometry(mark: Mark) -> Attributes:
    """Where a mark is."""
    match mark:
        case Rect():
            corner = {
                "x": svg_number(mark.x),
                "y": svg_number(mark.y),
                "width": svg_number(mark.width),
                "height": svg_number(mark.height),
            }
            return {**corner, "rx": svg_number(mark.radius) if mark.radius else None}
        case Curve():
            return {"d": path_data(mark.points)}
        case Polygon():
            return {"points": " ".join(f"{svg_number(x)},{svg_number(y)}" for x, y in mark.points)}
        case Label():
            text = visible(mark.text)
            spaced = "  " in text or text != text.strip(" ")
            return {"x": svg_number(mark.x), "y": svg_number(mark.y), "xml:space": "preserve" if spaced else None}


def style(mark: Mark, theme: Colors) -> Attributes:
    """How a mark looks; each of these names is an attribute of SVG and a property of CSS."""
    match mark:
        case Rect():
            return {"fill": theme[mark.fill] if mark.fill else "none"} | svg_pen(mark, theme)
        case Curve():
            return {"fill": "none"} | svg_pen(mark, theme)
        case Polygon():
            return {"fill": theme[mark.fill]}
        case Label():
            weight = {"font-weight": "bold" if mark.bold else None, "font-style": "italic" if mark.italic else None}
            anchor = mark.anchor if mark.anchor != "start" else None
            family = {"font-family": MONO_STACK} if mark.mono else {}
            size = {"font-size": svg_number(mark.size), **family}
            return {**size, **weight, "text-anchor": anchor, "fill": theme[mark.color]}


def svg_pen(mark: Rect | Curve, theme: Colors) -> Attributes:
    """Colour, width and dashes of a line."""
    if not mark.stroke:
        return {}
    return {
        "stroke": theme[mark.stroke],
        "stroke-width": svg_number(mark.line),
        "stroke-dasharray": " ".join(map(svg_number, mark.dash)) or None,
    }


def classes(mark: Mark, theme: Theme) -> Attributes:
    """The class attribute: the part and, for a theme that follows its reader, the roles of its colours."""
    fill, stroke = roles(mark) if theme.follows else (None, None)
    names = [
        class_name(mark.part),
        f"f-{class_name(fill)}" if fill else "",
        f"s-{class_name(stroke)}" if stroke else "",
    ]
    return {"class": " ".join(filter(None, names)) or None}


def roles(mark: Mark) -> tuple[str | None, str | None]:
    """The colour roles of a mark's fill and line."""
    match mark:
        case Rect():
            return mark.fill, mark.stroke
        case Curve():
            return None, mark.stroke
        case Polygon():
            return mark.fill, None
        case Label():
            return mark.color, None


def dark_style(canvas: Canvas, theme: Theme, name: str) -> str:
    """The style sheet of a theme that follows its reader, for the element ``name`` only: a page may hold many."""
    if not theme.follows:
        return ""
    dark = theme.follows
    used = [roles(mark) for mark in canvas.marks]
    fills, strokes = {canvas.background, *(fill for fill, _ in used)}, {stroke for _, stroke in used}
    rules = [f"#{name} .f-{class_name(role)}{{fill:{dark[role]}}}" for role in dark.colors if role in fills]
    rules += [f"#{name} .s-{class_name(role)}{{stroke:{dark[role]}}}" for role in dark.colors if role in strokes]
    return tag("style", {}, "@media (prefers-color-scheme: dark){" + "".join(rules) + "}")


def path_data(points: tuple[Point, ...]) -> str:
    """Path syntax of a chain of cubic Béziers; a tenth of a point is finer than any eye."""
    (x, y), *rest = points
    return f"M{svg_number(x, 1)} {svg_number(y, 1)}C" + " ".join(
        f"{svg_number(a, 1)} {svg_number(b, 1)}" for a, b in rest
    )


def svg_number(value: float, decimals: int = 2) -> str:
    """A length with at most so many decimals and no "-0"."""
    text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@lru_cache(maxsize=1024)
def class_name(text: str) -> str:
    """A word that is safe as a class, in CSS and in an id: "value.line" -> "value-line"."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)


def fingerprint(*texts: str) -> str:
    """A short name made from the content, so that two pictures on one page never share an id and the same picture
    keeps its own.
    """
    return "g" + hashlib.sha256("\0".join(texts).encode("utf-8", "backslashreplace")).hexdigest()[:8]


def prose(text: str) -> str:
    """Text of any length made visible: a description is not cut as a name is."""
    return whole_text(text)


def escaped_xml(text: str) -> str:
    """Text that is safe in an element and between double quotes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


UNSAFE = re.compile('[&<>"]')


def tag(name: str, attributes: Attributes, content: str | None = None) -> str:
    """One element; values of attributes are escaped here, ``content`` must be markup already."""
    given = [(key, value) for key, value in attributes.items() if value is not None]
    if UNSAFE.search("".join([value for _, value in given])):  # which it seldom has
        given = [(key, escaped_xml(value)) for key, value in given]
    written = "".join([f' {key}="{value}"' for key, value in given])
    return f"<{name}{written}/>" if content is None else f"<{name}{written}>{content}</{name}>"
