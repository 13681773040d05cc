"""Chart: a Canvas that is no drawing of a graph, with what a picture can do: show itself, and be saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graphviz_ad._internal.base.argument_types import Destination
from graphviz_ad._internal.base.checked_calls import saves
from graphviz_ad._internal.output.call_options import PictureFile
from graphviz_ad._internal.output.file_writing import write_as
from graphviz_ad._internal.output.format_table import CHARTS
from graphviz_ad._internal.output.notebook import ShowsItself, only_in_notebooks, picture_bundle
from graphviz_ad._internal.renderers.svg.still import svg_file
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.themes import Theme


@dataclass(frozen=True)
class Chart(ShowsItself):
    """A finished chart; the last expression of a notebook cell shows it. ``text`` says the same in words."""

    canvas: Canvas
    theme: Theme
    text: str

    def to_svg(self) -> str:
        """A standalone SVG document."""
        return svg_file(self.canvas, self.theme)

    @saves(PictureFile)
    def save(self, path: Destination, asked: PictureFile) -> Path | None:
        """Write the chart; the suffix chooses: .svg, .png, .pdf. Returns the path. ``path`` may be a file that is
        open for bytes, with ``format=``.
        """
        return write_as(CHARTS, path, self, asked.format)

    def show(self) -> Chart:
        """The chart itself, which a notebook displays; elsewhere a warning says how to see it."""
        only_in_notebooks("picture", "save('picture.svg')")
        return self

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return dict(picture_bundle(self.canvas, self.theme, self.text, include=include, exclude=exclude))

    def __repr__(self) -> str:
        return self.text


def png(chart: Chart) -> bytes:
    """A PNG, two pixels a point."""
    from graphviz_ad._internal.renderers.images.matplotlib_canvas import canvas_png

    return canvas_png(chart.canvas, chart.theme, scale=2.0, metadata={"Description": chart.canvas.alt})
