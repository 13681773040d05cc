"""A picture or film -> what Jupyter shows: a MIME bundle that keeps picture and description where scripts are removed.

JupyterLab shows the HTML even of a notebook that it does not trust, after taking scripts, frames and inline SVG out of
it, and ignores the other entries. An ``<img>`` with its description stays, so the HTML always holds one.
"""

from __future__ import annotations

import base64
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from graphviz_ad._internal.base.errors import GraphvizADWarning
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.paint import paint
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import Theme

Bundle = dict[str, str]
PDF = "application/pdf"


class ShowsItself:
    """What has a MIME bundle, for front ends that ask for one form only."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        raise NotImplementedError

    def _repr_html_(self) -> str | None:
        return form(self, "text/html")

    def _repr_svg_(self) -> str | None:
        return form(self, "image/svg+xml")


def form(thing: Any, kind: str) -> str | None:
    """One form of what shows itself; None where it has not got that."""
    found: str | None = thing._repr_mimebundle_({kind}).get(kind)
    return found


def picture_bundle(
    canvas: Canvas, theme: Theme, summary: str, *, include: object = None, exclude: object = None
) -> Bundle:
    """A still picture in the forms that a notebook may want; ``summary`` is what a terminal shows."""
    from graphviz_ad._internal.renderers.html.player import image
    from graphviz_ad._internal.renderers.svg.still import svg_file

    picture = svg_file(canvas, theme)
    bundle = {"text/plain": summary, "text/html": image(picture, canvas.alt), "image/svg+xml": picture}
    return chosen(bundle | page(canvas, theme, include, exclude), include, exclude)


def film_bundle(film: Film, theme: Theme, summary: str, *, include: object = None, exclude: object = None) -> Bundle:
    """A film that plays in a live notebook, is its last picture where scripts are removed and on paper, and is told
    in words elsewhere.
    """
    from graphviz_ad._internal.renderers.html.player import notebook_film

    bundle = {"text/plain": summary, "text/html": notebook_film(film, theme)}
    return chosen(
        bundle | page(paint(film.scene(-1) if film.steps else film.stage), theme, include, exclude), include, exclude
    )


def page(canvas: Canvas, theme: Theme, include: object, exclude: object) -> Bundle:
    """The picture for papers: a notebook that is exported to LaTeX has only words of HTML, and fails on an SVG that
    has no PDF beside it.

    No warning names letters that its font has not; the HTML beside it shows them.
    """
    if not wanted(PDF, include, exclude):
        return {}
    from graphviz_ad._internal.renderers.images.letters import with_squares
    from graphviz_ad._internal.renderers.pages.pdf import pdf_page

    return {
        PDF: base64.b64encode(
            pdf_page(with_squares(canvas), theme, transparent=not theme.dark, title=canvas.alt)
        ).decode()
    }


def chosen(bundle: Bundle, include: object, exclude: object) -> Bundle:
    """The forms that a front end wants."""
    return {kind: data for kind, data in bundle.items() if wanted(kind, include, exclude)}


def wanted(kind: str, include: object, exclude: object) -> bool:
    """Whether a front end that names what it wants, or does not want, wants this form."""
    asked = include is None or (isinstance(include, Iterable) and kind in include)
    return asked and not (isinstance(exclude, Iterable) and kind in exclude)


def only_in_notebooks(thing: str, remedy: str) -> None:
    """Say why ``show()`` shows nothing in a script: nothing is opened, and no file written, that nobody has named."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        said = (
            f"a {thing} shows itself in notebooks only, as the last expression of a cell; in a script, {remedy} writes"
            " a file to look at"
        )
        warnings.warn(said, GraphvizADWarning, stacklevel=3)
