"""The losses of a film of training -> the chart of a page, which grows with the steps: each point is in it once."""

from __future__ import annotations

from dataclasses import replace

from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.renderers.html.stage import painted_element
from graphviz_ad._internal.renderers.svg.still import prose, svg_number, tag
from graphviz_ad._internal.scene.loss_curve import HEIGHT, WIDTH, curve_marks
from graphviz_ad._internal.scene.scene import Film, LossCurve
from graphviz_ad._internal.scene.themes import Theme


def losses_svg(film: Film, theme: Theme) -> str:
    """The whole chart as an element beside the stage; "" for a film without one."""
    if film.curve is None:
        return ""
    curve = replace(film.curve, corner=(0.5, 0.5))
    shapes = []
    for mark in curve_marks(curve, len(curve.losses)):
        number: dict[str, str | None] = {"data-loss": mark.owner or None}
        shapes.append(tag("g", number, painted_element(mark, theme)))
    wide, high = svg_number(WIDTH + 1), svg_number(HEIGHT + 1)
    size: dict[str, str | None] = {"width": wide, "height": high, "viewBox": f"0 0 {wide} {high}"}
    said = ", ".join(titles(curve)[1:])
    picture = tag("svg", {**size, "role": "img", "aria-label": prose(f"losses: {said}")}, "".join(shapes))
    return f'<div class="gad-losses">{picture}</div>\n'


def titles(curve: LossCurve) -> list[str]:
    """What stands above the chart when none of the losses is known, one, two, …"""
    told = [f"{name} = {short_number(loss)}" for name, loss in zip(curve.names, curve.losses, strict=True)]
    return [visible(text) for text in (curve.names[0], *told)]


def losses_data(film: Film) -> dict[str, object]:
    """What the script of the chart reads."""
    if film.curve is None:
        return {}
    return {"losses": [titles(film.curve), ["", *(f"pass {number}" for number in film.curve.numbers)]]}
