"""Film -> matplotlib's own animation, to be saved by any of its writers, shown in a window, or put beside plots.

Everything that the film ever shows is an artist of one Axes, added once; a step only says which are seen. Where the
canvas can blit, nothing else in the figure is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib.animation import FuncAnimation
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.timeline import timeline
from graphviz_ad._internal.renderers.images.matplotlib_axes import draw_in_axes, room_in
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.scene import Film
from graphviz_ad._internal.scene.themes import Theme

TICK = 0.25  # seconds; all frames of such an animation last equally long
DPI = 100  # of a figure of our own, which then has the pixels of a frame
LEAST_WIDE, MOST_WIDE = 1.0, 2.5  # times its height


def matplotlib_film(film: Film, theme: Theme, figure: Any, axes: Any) -> FuncAnimation:
    """The film in that Axes, or in a free part of that figure, or in a figure of its own."""
    axes = axes if axes is not None else free_axes(film, figure)
    fitting = replace(film, size=frame_in(axes, film.size))
    shown = timeline(fitting)
    canvas = Canvas(*fitting.size, tuple(one.mark for one in shown), film.stage.alt, "paper")
    drawn = draw_in_axes(canvas, theme, axes)
    ground, marks = drawn[: len(drawn) - len(shown)], drawn[len(drawn) - len(shown) :]
    seen = [
        [*ground, *(artist for one, artist in zip(shown, marks, strict=True) if one.first <= step <= one.last)]
        for step in range(len(film.steps))
    ]

    def show(step: int) -> Sequence[Artist]:
        """Show that step; all that is seen then, back to front, is what has to be drawn."""
        now = set(seen[step])
        for artist in drawn:
            artist.set_visible(artist in now)
        return seen[step]

    tick = tick_of(film)
    owner = axes.get_figure(root=True)
    for artist in drawn:
        artist.set_animated(owner.canvas.supports_blit)  # or it would be seen behind the others
    made = FuncAnimation(owner, show, frames=ticks(film, tick), interval=1000 * tick, blit=True, repeat=False)
    show(len(film.steps) - 1)  # until it is played, and in print
    return made


def tick_of(film: Film) -> float:
    """How long a frame of the animation lasts: no step is shorter."""
    return min(TICK, *(film.seconds(step) for step in range(len(film.steps))))


def ticks(film: Film, tick: float) -> list[int]:
    """The step that each frame shows, so that steps last as long as the film says."""
    steps: list[int] = []
    end = 0.0
    for step in range(len(film.steps)):
        end += film.seconds(step)
        steps += [step] * max(round(end / tick) - len(steps), 1)
    return steps


def free_axes(film: Film, figure: Any) -> Any:
    """The first Axes of the figure in which nothing is drawn yet; a figure without any becomes one picture."""
    if figure is None:
        figure = Figure(figsize=(film.size[0] / DPI, film.size[1] / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
    elif not hasattr(figure, "add_axes"):
        raise OptionError(
            f"fig={shown_value(figure)} is no figure of matplotlib; give one, such as plt.figure(), a part of one, as"
            " subfigures() makes them, or an Axes as ax="
        )
    if not figure.axes:
        return figure.add_axes((0, 0, 1, 1))
    if (free := next((axes for axes in figure.axes if is_free(axes)), None)) is None:
        raise OptionError(
            f"fig={shown_value(figure)} has no Axes left in which nothing is drawn; make one for the film, as in"
            " plt.subplots(1, 2), or say which to use with ax="
        )
    return free


def is_free(axes: Any) -> bool:
    """Whether nothing was drawn in an Axes that could hold a picture."""
    return axes.name == "rectilinear" and not axes.has_data() and not (axes.artists or axes.texts or axes.images)


def frame_in(axes: Any, usual: tuple[int, int]) -> tuple[int, int]:
    """The size of a frame that has the shape of the Axes."""
    width, height = room_in(axes)
    return round(usual[1] * min(max(width / max(height, 1e-9), LEAST_WIDE), MOST_WIDE)), usual[1]
