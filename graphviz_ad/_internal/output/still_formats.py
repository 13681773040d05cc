"""Picture, frame or graph -> bytes: the functions that `format_table` names, but for those of films."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from graphviz_ad._internal.base.errors import GraphvizADWarning
from graphviz_ad._internal.tracing.tape.collector import at_rest

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Frame, Picture
    from graphviz_ad._internal.graph.graph import Graph


def svg(picture: Picture | Frame) -> bytes:
    """A standalone SVG document."""
    return picture.to_svg().encode()


def png(picture: Picture | Frame) -> bytes:
    """A PNG, two pixels a point; of a film frame one a pixel, of a sheet for print three; of a picture too large for
    that, as many as can be.
    """
    from graphviz_ad._internal.renderers.images.matplotlib_canvas import canvas_png, most_scale

    canvas, wanted = picture.canvas, getattr(picture, "png_scale", 2.0)
    scale = min(wanted, most_scale(canvas))
    if scale < wanted:
        size = f"{canvas.width:.0f} x {canvas.height:.0f} points"
        message = (
            f"a picture of {size} is too large for {wanted:g} pixels a point: it has {scale:.2g}; .svg and .pdf stay"
            " sharp"
        )
        warnings.warn(message, GraphvizADWarning, stacklevel=4)
    return canvas_png(canvas, picture.theme, scale=scale, metadata={"Description": canvas.alt})


def pdf(picture: Picture | Frame) -> bytes:
    """A vector page of the size of the picture; light words keep their dark ground."""
    from graphviz_ad._internal.renderers.pages.pdf import pdf_page

    clear = not picture.theme.dark or picture.canvas.background is None
    return pdf_page(picture.canvas, picture.theme, transparent=clear, title=picture.canvas.alt)


def dot(picture: Picture) -> bytes:
    """DOT source."""
    return picture.to_dot().encode()


def json(picture: Picture) -> bytes:
    """The graph that is drawn, which ``Graph.load`` reads back."""
    return whole_json(picture.graph)


def graphml(picture: Picture) -> bytes:
    """The graph that is drawn as GraphML, which ``Graph.load`` and other tools read."""
    return whole_graphml(picture.graph)


def whole_json(graph: Graph) -> bytes:
    """A graph as it was recorded."""
    return graph.to_json().encode()


def whole_graphml(graph: Graph) -> bytes:
    """A graph as it was recorded, as GraphML."""
    from graphviz_ad._internal.graph.graph_files import to_graphml

    return to_graphml(graph).encode()


def picture_page(picture: Picture) -> bytes:
    """A page to look around in."""
    from graphviz_ad._internal.renderers.html.player import inspection_page

    scene, inside = picture.page() if picture.page is not None else (picture.scene, {})
    with at_rest():
        return inspection_page(scene, picture.theme, inside).encode()
