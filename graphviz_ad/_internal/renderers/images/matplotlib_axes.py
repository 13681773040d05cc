"""Canvas -> artists in a matplotlib Axes of the reader's own: shapes and words that grow and shrink with it, in any of
its formats.

Nothing of the reader's matplotlib is changed, and its settings hold: words are set in the fonts of ``rcParams``, with
DejaVu Sans for letters that those have not, and made narrower where a wide font would leave its box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.text import Text

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.base.visible_text import visible
from graphviz_ad._internal.renderers.images import letters
from graphviz_ad._internal.renderers.images.matplotlib_canvas import Shape, Space, canvas_shape
from graphviz_ad._internal.scene.canvas import Canvas, Label, Mark, Rect
from graphviz_ad._internal.scene.set_text import DROP, SCRIPT, runs_of_label
from graphviz_ad._internal.scene.themes import Theme

ALIGNED: Mapping[str, Literal["left", "center", "right"]] = {"start": "left", "middle": "center", "end": "right"}
BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0}  # of the width, what stands before the place of a text
WEIGHTS = {True: 700, False: 400}
LEAST = 1.0  # points, and pixels; no font is smaller in matplotlib
TRIES = 3
SLACK = 1.03  # times its room: hinting may make a line so much longer


def room_in(axes: Any) -> tuple[float, float]:
    """Width and height of an Axes, in points; an error where no picture could be drawn in it."""
    figure = axes.get_figure()
    if figure is None or axes.name != "rectilinear" or not axes.transData.is_affine:
        raise OptionError(
            f"ax={shown_value(axes)} is no place for a picture: give an Axes with plain x and y, as those of"
            " plt.subplots() are"
        )
    shared = [
        name
        for name, group in (("x", axes.get_shared_x_axes()), ("y", axes.get_shared_y_axes()))
        if len(group.get_siblings(axes)) > 1
    ]
    if shared:
        raise OptionError(
            f"ax={shown_value(axes)} shares its {' and '.join(shared)} axis with another, which a picture with limits"
            f" of its own would spoil; make it without share{shared[0]}"
        )
    box = axes.get_window_extent()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi


def draw_in_axes(canvas: Canvas, theme: Theme, axes: Any) -> list[Drawn]:
    """The picture as artists of the Axes, which gets its limits and its aspect and loses its ticks and frame; they
    are returned back to front.
    """
    drawn = list(artists(canvas, theme))
    for artist in drawn:
        axes.add_artist(artist)
    axes.set_xlim(0, canvas.width)
    axes.set_ylim(0, canvas.height)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return drawn


def artists(canvas: Canvas, theme: Theme) -> Iterator[Drawn]:
    """The marks back to front; without the paper, unless that is dark: the figure has one."""
    space = Space(1.0, canvas.height)
    ground: list[Mark] = [Rect(0, 0, canvas.width, canvas.height, fill=canvas.background or "paper")]
    for mark in (*(ground if theme.dark and canvas.background else []), *canvas.marks):
        if isinstance(mark, Label):
            yield DrawnText(mark, canvas, theme)
        else:
            yield DrawnShape(canvas_shape(mark, theme, space))


def points_a_unit(axes: Any, renderer: Any) -> float:
    """How many points of the file, or of the screen, a unit of the picture has."""
    (left, _), (right, _) = axes.transData.transform(np.array([(0.0, 0.0), (1.0, 0.0)]))
    return float(right - left) / float(renderer.points_to_pixels(1.0))


def least_size(renderer: Any) -> float:
    """The size of the smallest letters that can be drawn, in points."""
    return LEAST * max(1.0, 1.0 / float(renderer.points_to_pixels(1.0)))


def measured_width(renderer: Any, font: FontProperties, text: str) -> float:
    """The width of a text with a stop behind it, which lets spaces at its end count, in pixels."""
    return float(renderer.get_text_width_height_descent(f"{text}|", font, False)[0])


class DrawnShape(PathPatch):
    """A shape whose pen is as wide for the shape, however large the Axes is; ``zoom``: and how near it is seen."""

    zoom = 1.0

    def __init__(self, shape: Shape) -> None:
        super().__init__(
            shape.path,
            facecolor=shape.fill or "none",
            edgecolor=shape.stroke or "none",
            linewidth=shape.line,
            joinstyle="round",
            capstyle="butt",
            zorder=1,
        )
        self.pen, self.pattern = shape.line if shape.stroke else 0.0, shape.dash

    def draw(self, renderer: Any) -> None:
        """Draw it with the pen of now."""
        scale = points_a_unit(self.axes, renderer) * self.zoom
        if self.pen and abs(self.get_linewidth() - self.pen * scale) > 1e-6:
            self.set_linewidth(self.pen * scale)
            if self.pattern:
                unit = self.pen if mpl.rcParams["lines.scale_dashes"] else 1 / scale
                self.set_linestyle((0, tuple(length / unit for length in self.pattern)))
        super().draw(renderer)


class DrawnText(Text):
    """A line of text that keeps its size in the picture, and its place in the box; variables of mathematics are drawn
    in italics, and indices lowered. ``zoom``: how near it is seen.
    """

    zoom = 1.0

    def __init__(self, label: Label, canvas: Canvas, theme: Theme) -> None:
        families = ["DejaVu Sans Mono"] if label.mono else [canvas.font] if canvas.font else []
        runs = runs_of_label(label)
        self.runs = [(run, Text(usetex=False, parse_math=False)) for run in runs] if len(runs) > 1 else []
        super().__init__(
            label.x,
            canvas.height - label.y,
            visible(label.text),
            color=theme[label.color],
            horizontalalignment=ALIGNED[label.anchor],
            verticalalignment="baseline",
            fontproperties=FontProperties(
                family=[*families, *mpl.rcParams["font.family"], "DejaVu Sans"],
                weight=WEIGHTS[label.bold],
                style="italic" if len(runs) == 1 and runs[0].italic else None,
            ),
            usetex=False,
            parse_math=False,
            zorder=1,
            clip_on=True,
        )
        self.em, self.room = label.size, letters.width(label)

    def draw(self, renderer: Any) -> None:
        """Draw it in the size of now; nothing where nobody could read it."""
        size = self.fitted(renderer)
        if size < least_size(renderer):
            return
        if self.runs and self.get_visible():
            self.draw_runs(renderer, size)
        else:
            super().draw(renderer)

    def draw_runs(self, renderer: Any, size: float) -> None:
        """Draw the letters of each look, where they would stand if all had the same."""
        scale = points_a_unit(self.axes, renderer) * renderer.points_to_pixels(1.0) * self.zoom
        font = self.get_fontproperties().copy()
        end = measured_width(renderer, font, "")

        def width(text: str) -> float:
            """How far a text takes the next one, spaces at its end too."""
            return (measured_width(renderer, font, text) - end) / float(scale)

        (x, y), figure = self.get_position(), self.get_figure(root=False)
        begin = float(x) - BEFORE[self.get_horizontalalignment()] * width(self.get_text())
        before = ""
        for run, part in self.runs:
            part.set_text(run.text)
            part.set_color(self.get_color())
            part.set_verticalalignment("baseline")
            part.set_fontproperties(font)
            part.set_fontstyle("italic" if run.italic else "normal")
            part.set_fontsize(size * (SCRIPT if run.lowered else 1.0))
            part.set_position((begin + width(before), float(y) - (DROP * self.em if run.lowered else 0.0)))
            part.set_transform(self.get_transform())
            if figure is not None:
                part.set_figure(figure)
            part.axes = self.axes
            part.set_clip_box(self.get_clip_box())
            part.set_clip_path(self.get_clip_path())
            part.draw(renderer)
            before += run.text

    def get_window_extent(self, renderer: Any = None, dpi: float | None = None) -> Any:
        """The box around it in the size of now."""
        if renderer is not None:
            self.fitted(renderer)
        return super().get_window_extent(renderer, dpi)

    def fitted(self, renderer: Any) -> float:
        """Give it the size with which it is as wide as it should be, in points."""
        scale, least = points_a_unit(self.axes, renderer) * self.zoom, least_size(renderer)
        size, font = self.em * scale, self.get_fontproperties().copy()
        room = self.room * scale * renderer.points_to_pixels(1.0) * SLACK
        for _ in range(TRIES if self.get_text() else 0):  # hinted widths come in steps
            if size < least:
                break
            font.set_size(size)
            wide = renderer.get_text_width_height_descent(self.get_text(), font, False)[0]
            size *= min(1.0, room / max(wide, 1.0))
        if size >= least and abs(float(self.get_fontsize()) - size) > 1e-6:
            self.set_fontsize(size)
        return size


Drawn = DrawnShape | DrawnText
