"""Film -> matplotlib's own animation, to be saved by any of its writers, shown in a window, or put beside plots.

Everything that the film ever shows is an artist of one Axes, added once; a moment only says which are seen, and where
numbers are on their way. Where the canvas can blit, nothing else in the figure is drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.animation import FuncAnimation
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.flights import chip_marks
from graphviz_ad._internal.film.moments import Moment, moments
from graphviz_ad._internal.film.timeline import Cameras, timeline_of
from graphviz_ad._internal.renderers.images.matplotlib_axes import Drawn, artists, draw_in_axes, room_in
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.film_frame import Fit
from graphviz_ad._internal.scene.paint import moved_marks
from graphviz_ad._internal.scene.scene import Film, Line
from graphviz_ad._internal.scene.themes import Theme

TICK, MOVING_TICK = 0.25, 0.1  # seconds; all frames of such an animation last equally long
DPI = 100  # of a figure of our own, which then has the pixels of a frame
LEAST_WIDE, MOST_WIDE = 1.0, 2.5  # times its height


@dataclass(frozen=True)
class Instant:
    """A frame: which moment it shows, and how much of what moves then is over."""

    moment: int
    share: float = 1.0


def matplotlib_film(film: Film, theme: Theme, figure: Any, axes: Any) -> FuncAnimation:
    """The film in that Axes, or in a free part of that figure, or in a figure of its own."""
    axes = axes if axes is not None else free_axes(film, figure)
    stage = Stage(replace(film, size=frame_in(axes, film.size)), theme, axes)
    owner, tick = axes.get_figure(root=True), tick_of(film, stage.moments)
    for artist in stage.all:
        artist.set_animated(owner.canvas.supports_blit)  # or it would be seen behind the others
    frames = list(instants_of(stage.moments, tick))
    made = FuncAnimation(owner, stage.show, frames=frames, interval=1000 * tick, blit=True, repeat=False)
    stage.show(Instant(len(stage.moments) - 1))  # until it is played, and in print
    return made


class Stage:
    """The artists of a film in an Axes, and which of them are seen when."""

    def __init__(self, film: Film, theme: Theme, axes: Any) -> None:
        self.film, self.theme, self.axes = film, theme, axes
        self.moments = list(moments(film))
        shown = timeline_of(film, self.moments)
        canvas = Canvas(*film.size, tuple(one.mark for one in shown), film.stage.alt, "paper")
        drawn = draw_in_axes(canvas, theme, axes)
        ground, marks = drawn[: len(drawn) - len(shown)], drawn[len(drawn) - len(shown) :]
        self.staged = [artist for one, artist in zip(shown, marks, strict=True) if one.staged]
        self.seen = [
            [*ground, *(artist for one, artist in zip(shown, marks, strict=True) if one.first <= n <= one.last)]
            for n in range(len(self.moments))
        ]
        self.cameras = Cameras(film) if film.views else None
        self.plates: dict[tuple[Line, float, int], list[Drawn]] = {}
        for moment in self.moments:
            self.plates_of(moment)
        self.all = [*drawn, *(artist for plate in self.plates.values() for artist in plate)]

    def show(self, instant: Instant) -> Sequence[Artist]:
        """Show that instant; all that is seen then, back to front, is what has to be drawn."""
        moment = self.moments[instant.moment]
        if self.cameras is not None:
            self.look(self.cameras.of(moment.step))
        shown = [*self.seen[instant.moment], *self.moving(moment, instant.share)]
        now = set(shown)
        for artist in self.all:
            artist.set_visible(artist in now)
        return shown

    def look(self, fit: Fit) -> None:
        """Let the camera see its part of the stage."""
        zoom, aside, down = fit
        seen = Affine2D().scale(zoom).translate(aside, self.film.size[1] * (1 - zoom) - down) + self.axes.transData
        for artist in self.staged:
            artist.set_transform(seen)
            artist.zoom = zoom

    def moving(self, moment: Moment, share: float) -> Iterator[Artist]:
        """What is on its way then, put to where it is."""
        scale, aside, down = self.film.fit(self.film.view(moment.step))
        for flight, plate in zip(moment.motion.flights, self.plates_of(moment), strict=True):
            if flight.seen(share) and flight.opacity(share) > 0:
                ((x, y),) = flight.middles([share])
                place = Affine2D().translate(x * scale + aside, self.film.size[1] - (y * scale + down))
                for artist in plate:
                    artist.set_transform(place + self.axes.transData)
                    yield artist

    def plates_of(self, moment: Moment) -> list[list[Drawn]]:
        """The plates of what moves in a moment, each made once."""
        scale, count = self.film.fit(self.film.view(moment.step))[0], Counter[Line]()
        found = []
        for flight in moment.motion.flights:
            key = (flight.line, scale, count[flight.line])
            count[flight.line] += 1
            if key not in self.plates:
                self.plates[key] = self.plate(flight.line, scale)
            found.append(self.plates[key])
        return found

    def plate(self, line: Line, scale: float) -> list[Drawn]:
        """A number on its plate, about the origin."""
        made = list(artists(Canvas(0, 0, tuple(moved_marks(chip_marks(line), scale, 0, 0)), "", None), self.theme))
        for artist in made:
            self.axes.add_artist(artist)
            artist.set_visible(False)
        return made


def tick_of(film: Film, of: Sequence[Moment]) -> float:
    """How long a frame of the animation lasts: no step is shorter."""
    usual = TICK if all(moment.rests for moment in of) else MOVING_TICK
    return min(usual, *(film.seconds(step) for step in range(len(film.steps))))


def instants_of(of: Sequence[Moment], tick: float) -> Iterator[Instant]:
    """What each frame shows, so that steps last as long as the film says, and each is seen at rest."""
    end, shown = 0.0, 0
    for n, moment in enumerate(of):
        end += moment.end - moment.begin
        count = max(round(end / tick) - shown, int(moment.rests))
        for i in range(count):
            yield Instant(n, moment.share(moment.begin + (moment.end - moment.begin) * i / count))
        shown += count


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
