"""Canvas -> the same SVG in fewer bytes, for an ``<img>`` that a notebook has to keep: each look is written once, in
a style sheet.

Only browsers are sure to read it; a file for everybody comes from `graphviz_ad._internal.renderers.svg.still`.
"""

from __future__ import annotations

from graphviz_ad._internal.renderers.svg.still import geometry, mark_element, style, svg_document, tag
from graphviz_ad._internal.scene.canvas import Canvas, Mark, Rect
from graphviz_ad._internal.scene.themes import Theme

Look = tuple[str, str]  # declarations, and those for readers who prefer dark


def compact_svg(canvas: Canvas, theme: Theme) -> str:
    """The picture as a document of its own."""
    looks: dict[Look, int] = {}

    def shape(mark: Mark) -> str:
        index = looks.setdefault(mark_look(mark, theme), len(looks))
        return mark_element(mark, {"class": f"c{index}", **geometry(mark)})

    ground = [Rect(0, 0, canvas.width, canvas.height, fill=canvas.background)] if canvas.background else []
    body = "".join(map(shape, [*ground, *canvas.marks]))
    rules = "".join(f".c{i}{{{light}}}" for (light, _), i in looks.items())
    dark = "".join(f".c{i}{{{changed}}}" for (_, changed), i in looks.items() if changed)
    sheet = tag("style", {}, rules + (f"@media (prefers-color-scheme:dark){{{dark}}}" if dark else ""))
    return svg_document("g", (canvas.width, canvas.height), canvas.alt, [sheet, body])


def mark_look(mark: Mark, theme: Theme) -> Look:
    """How a mark is painted."""
    return style_declarations(mark, theme), style_declarations(mark, theme.follows) if theme.follows else ""


def style_declarations(mark: Mark, theme: Theme) -> str:
    """How a mark is painted in a theme, in CSS."""
    found = {name: value for name, value in style(mark, theme).items() if value is not None}
    return ";".join(f"{name}:{value}{'px' if name == 'font-size' else ''}" for name, value in found.items())
