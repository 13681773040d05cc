"""Film -> shots: pictures at rest, and between them those of numbers on their way, each pasted onto a picture at rest.

What moves is drawn once, on its plate; a picture on the way costs what the plate covers, not what the whole is made of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphviz_ad._internal.film.film_frames import film_moments
from graphviz_ad._internal.film.flights import chip_marks, chip_size
from graphviz_ad._internal.film.moments import Moment, Pace, instants
from graphviz_ad._internal.renderers.images.matplotlib_canvas import changing, clear_picture
from graphviz_ad._internal.renderers.images.shots import PixelBox, Pixels, Shot
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.film_frame import Area, Fit
from graphviz_ad._internal.scene.paint import moved_marks, paint_frame
from graphviz_ad._internal.scene.scene import Film, Line, Point
from graphviz_ad._internal.scene.themes import Theme


@dataclass(frozen=True)
class Plate:
    """A number on its way as pixels: what they leave of what is behind, in 255ths, and their colours times the rest."""

    left: NDArray[np.uint16]
    colors: NDArray[np.uint16]

    def box(self, middle: Point, picture: Pixels) -> PixelBox:
        """Where it is in a picture when its middle is there."""
        height, width = self.left.shape[:2]
        left = min(max(round(middle[0] - width / 2), 0), picture.shape[1] - width)
        top = min(max(round(middle[1] - height / 2), 0), picture.shape[0] - height)
        return left, top, left + width, top + height

    def paste(self, picture: Pixels, box: PixelBox) -> Pixels:
        """Put it there, and return what was there before."""
        here = picture[box[1] : box[3], box[0] : box[2]]
        before = here.copy()
        mixed = before * self.left
        mixed += self.colors
        mixed += mixed >> 8  # with 128 in the colours, by 256 this is rounded division by 255
        here[:] = mixed >> 8
        return before


def film_shots(
    film: Film, theme: Theme, pace: Pace, *, scale: float = 1.0, poster: float = 0.0, smaller: str = ""
) -> Iterator[Shot]:
    """The film at a pace, ``scale`` pixels a pixel of its frame; it begins on the finished picture, for so many seconds
    that are taken from its end.
    """
    waiting: deque[Moment] = deque()

    def canvases() -> Iterator[Canvas]:
        last = len(film.steps) - 1
        if poster:
            waiting.append(Moment(last, 0.0, poster))
            yield paint_frame(film, last)
        for canvas, moment in film_moments(film, rate=pace.camera):
            waiting.append(replace(moment, end=moment.end - poster) if moment.step == last and moment.rests else moment)
            yield canvas

    plates = Plates(film, theme, scale)
    stale: Sequence[PixelBox] = ()  # where the picture before has something on its way
    for pixels, boxes in changing(canvases(), theme, scale=scale, smaller=smaller):
        moment = waiting.popleft()
        seen = list(instants(moment, pace, film.fit(film.view(moment.step))[0]))
        for placed, (_, length) in zip(plates.on_their_way(moment, [at for at, _ in seen], pixels), seen, strict=True):
            under = [plate.paste(pixels, box) for plate, box in placed]
            now = [box for _, box in placed]
            yield Shot(pixels, (*boxes, *stale, *now), length)
            for box, before in zip(reversed(now), reversed(under), strict=True):
                pixels[box[1] : box[3], box[0] : box[2]] = before
            boxes, stale = (), now


class Plates:
    """The plates of a film, each made when it is first seen."""

    def __init__(self, film: Film, theme: Theme, scale: float) -> None:
        self.film, self.theme, self.scale = film, theme, scale
        self.made: dict[tuple[Line, float], Plate] = {}
        whole, rooms = film.whole, film.rooms()
        self.rooms = rooms.stage, rooms.clear((whole.width, whole.height))  # of the whole, and of a part of the stage

    def on_their_way(
        self, moment: Moment, seconds: Sequence[float], picture: Pixels
    ) -> list[list[tuple[Plate, PixelBox]]]:
        """What is on its way at each of some seconds of a step, and where that is in a picture."""
        fit = self.film.fit(self.film.view(moment.step))
        room, times = self.rooms[self.film.is_close(fit)], list(map(moment.share, seconds))
        found: list[list[tuple[Plate, PixelBox]]] = [[] for _ in seconds]
        for flight in moment.motion.flights:
            for placed, time, (x, y) in zip(found, times, flight.middles(times), strict=True):
                middle = x * fit[0] + fit[1], y * fit[0] + fit[2]
                if flight.seen(time) and room.holds(Area(*middle, 0.0, 0.0)):
                    plate = self.of(flight.line, fit)
                    placed.append((plate, plate.box((middle[0] * self.scale, middle[1] * self.scale), picture)))
        return found

    def of(self, line: Line, fit: Fit) -> Plate:
        """The plate of a line, as large as the stage is seen."""
        scale = fit[0] * self.scale
        if (line, scale) not in self.made:
            self.made[line, scale] = plate(line, self.theme, scale)
        return self.made[line, scale]


def plate(line: Line, theme: Theme, scale: float) -> Plate:
    """The plate of a line, ``scale`` pixels a point."""
    wide, high = (2 * int(length * scale / 2 + 2) for length in chip_size(line))
    marks = tuple(moved_marks(chip_marks(line), scale, wide / 2, high / 2))
    pixels = clear_picture(Canvas(wide, high, marks), theme).astype(np.uint16)
    return Plate(255 - pixels[..., 3:], pixels[..., :3] * pixels[..., 3:] + 128)
