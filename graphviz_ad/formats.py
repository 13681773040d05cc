"""Suffix -> how a picture or a film becomes bytes; a new format is one function and one line here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graphviz_ad.registry import Registry

if TYPE_CHECKING:
    from graphviz_ad.api import Animation, Frame, Picture
    from graphviz_ad.marks import Canvas

HERE = "graphviz_ad.formats"
STILLS = Registry(
    "still format",
    {
        ".svg": f"{HERE}:svg",
        ".png": f"{HERE}:png",
        ".pdf": f"{HERE}:pdf",
        ".dot": f"{HERE}:dot",
        ".gv": f"{HERE}:dot",
        ".html": f"{HERE}:picture_page",
        ".json": f"{HERE}:json",
        ".graphml": f"{HERE}:graphml",
    },
    "The suffix of the file chooses the format.",
)
FILMS = Registry("film format", {".gif": f"{HERE}:gif", ".html": f"{HERE}:film_page"}, "The suffix of the file chooses the format.")


def suffix_of(path: str | Path) -> str:
    """ ".svg" for "a/b.SVG"."""
    return Path(path).suffix.lower()


def svg(picture: Picture | Frame) -> bytes:
    """A standalone SVG document."""
    return picture.to_svg().encode()


def png(picture: Picture | Frame) -> bytes:
    """A PNG, two pixels a point; of a film frame one a pixel."""
    from graphviz_ad.renderers.matplotlib_canvas import png as render

    scale = 2.0 if hasattr(picture, "scene") else 1.0
    return render(picture.canvas, picture.theme, scale=scale, metadata={"Description": picture.canvas.alt})


def pdf(picture: Picture | Frame) -> bytes:
    """A vector page of the size of the picture."""
    from graphviz_ad.renderers.matplotlib_canvas import pdf as render

    return render(picture.canvas, picture.theme, title=picture.canvas.alt)


def dot(picture: Picture) -> bytes:
    """DOT source."""
    return picture.to_dot().encode()


def json(picture: Picture) -> bytes:
    """The graph itself, which ``Graph.load`` reads back."""
    return picture.graph.to_json().encode()


def graphml(picture: Picture) -> bytes:
    """The graph itself as GraphML, which ``Graph.load`` and other tools read."""
    from graphviz_ad.graph_files import to_graphml

    return to_graphml(picture.graph).encode()


def picture_page(picture: Picture) -> bytes:
    """A page to look around in."""
    from graphviz_ad.renderers.html import picture_page as render

    return render(picture.scene, picture.theme).encode()


def film_page(animation: Animation) -> bytes:
    """A page with a player."""
    from graphviz_ad.renderers.html import film_page as render

    return render(animation.film, animation.theme).encode()


def gif(animation: Animation) -> bytes:
    """An animated GIF of 1280 by 720 pixels that loops."""
    from graphviz_ad.renderers.gif import gif as encode
    from graphviz_ad.renderers.matplotlib_canvas import frames

    count = len(animation.steps)
    return encode(frames(canvases(animation), animation.theme), [animation.film.seconds(i) for i in range(count)])


def canvases(animation: Animation) -> Iterator[Canvas]:
    """The frames of a film, 1280 by 720 pixels."""
    from graphviz_ad.paint import paint_frame

    return (paint_frame(animation.film, i) for i in range(len(animation.steps)))
