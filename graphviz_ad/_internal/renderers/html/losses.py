"""The losses of a film of training -> the chart of a page, which grows with the steps: each point is in it once."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.html.stage import painted_element
from graphviz_ad._internal.renderers.svg.still import prose, svg_number, tag
from graphviz_ad._internal.scene.loss_curve import HEIGHT, WIDTH, curve_marks, headings
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import Theme


def losses_svg(film: Film, theme: Theme) -> str:
    """The whole chart as an element beside the stage; "" for a film without one."""
    if film.curve is None:
        return ""
    curve = replace(film.curve, corner=(0.5, 0.5))
    told = headings(curve)
    shapes = []
    for mark in curve_marks(curve, len(told) - 1):
        number: dict[str, str | None] = {"data-loss": mark.owner or None}
        shapes.append(tag("g", number, painted_element(mark, theme)))
    wide, high = (svg_number(length + 1) for length in curve.size or (WIDTH, HEIGHT))
    size: dict[str, str | None] = {"width": wide, "height": high, "viewBox": f"0 0 {wide} {high}"}
    said = ", ".join(dict.fromkeys(visible(title) for title, _ in told[1:]))
    picture = tag("svg", {**size, "role": "img", "aria-label": prose(f"losses: {said}")}, "".join(shapes))
    return f'<div class="gad-losses">{picture}</div>\n'


def losses_data(film: Film) -> dict[str, object]:
    """What the script of the chart reads: what stands above it when nothing is known, one thing, two, …"""
    if film.curve is None:
        return {}
    told = headings(film.curve)
    return {"losses": [[visible(title) for title, _ in told], [visible(aside) for _, aside in told]]}
