"""Film -> shots: pictures at rest, and between them those of numbers on their way, each pasted onto a picture at rest.

What moves is drawn once, on its plate; a picture on the way costs what the plate covers, not what the whole is made of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphviz_ad._internal.film.film_frames import film_moments
from graphviz_ad._internal.film.flights import Flight, chip_marks, chip_size
from graphviz_ad._internal.film.moments import Moment, Pace, instants
from graphviz_ad._internal.renderers.images.matplotlib_canvas import changing, clear_picture
from graphviz_ad._internal.renderers.images.shots import PixelBox, Pixels, Shot
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.film_frame import Fit
from graphviz_ad._internal.scene.paint import moved_marks
from graphviz_ad._internal.scene.scene import Film, Line, Point
from graphviz_ad._internal.scene.themes import Theme


@dataclass(frozen=True)
class Plate:
    """A number on its way as pixels: how much they hide, and their colours times that."""

    cover: NDArray[np.uint16]
    colors: NDArray[np.uint16]

    def box(self, middle: Point, picture: Pixels) -> PixelBox:
        """Where it is in a picture when its middle is there."""
        height, width = self.cover.shape[:2]
        left = min(max(round(middle[0] - width / 2), 0), picture.shape[1] - width)
        top = min(max(round(middle[1] - height / 2), 0), picture.shape[0] - height)
        return left, top, left + width, top + height

    def paste(self, picture: Pixels, box: PixelBox) -> Pixels:
        """Put it there, and return what was there before."""
        here = picture[box[1] : box[3], box[0] : box[2]]
        before = here.copy()
        here[:] = (before * (255 - self.cover) + self.colors + 127) // 255
        return before


def film_shots(film: Film, theme: Theme, pace: Pace, *, scale: float = 1.0, smaller: str = "") -> Iterator[Shot]:
    """The film at a pace, ``scale`` pixels a pixel of its frame."""
    waiting: deque[tuple[Moment, Fit]] = deque()

    def canvases() -> Iterator[Canvas]:
        for canvas, moment, fit in film_moments(film, pace):
            waiting.append((moment, fit))
            yield canvas

    plates: dict[tuple[Line, float], Plate] = {}
    stale: Sequence[PixelBox] = ()  # where the picture before has something on its way
    for pixels, boxes in changing(canvases(), theme, scale=scale, smaller=smaller):
        moment, fit = waiting.popleft()
        for second, length in instants(moment, pace):
            seen = [flight for flight in moment.motion.flights if flight.seen(moment.share(second))]
            for line in {flight.line: None for flight in seen if (flight.line, fit[0]) not in plates}:
                plates[line, fit[0]] = plate(line, theme, fit[0] * scale)
            places = list(placed(seen, moment.share(second), fit, scale, plates, pixels))
            under = [one.paste(pixels, box) for one, box in places]
            now = [box for _, box in places]
            yield Shot(pixels, (*boxes, *stale, *now), length)
            for box, before in zip(reversed(now), reversed(under), strict=True):
                pixels[box[1] : box[3], box[0] : box[2]] = before
            boxes, stale = (), now


def placed(
    seen: Iterable[Flight],
    time: float,
    fit: Fit,
    scale: float,
    plates: dict[tuple[Line, float], Plate],
    picture: Pixels,
) -> Iterator[tuple[Plate, PixelBox]]:
    """What is on its way at a time, and where that is in a picture."""
    for flight in seen:
        ((x, y),) = flight.middles([time])
        middle = (x * fit[0] + fit[1]) * scale, (y * fit[0] + fit[2]) * scale
        one = plates[flight.line, fit[0]]
        yield one, one.box(middle, picture)


def plate(line: Line, theme: Theme, scale: float) -> Plate:
    """The plate of a line, ``scale`` pixels a point."""
    wide, high = (2 * int(length * scale / 2 + 2) for length in chip_size(line))
    marks = tuple(moved_marks(chip_marks(line), scale, wide / 2, high / 2))
    pixels = clear_picture(Canvas(wide, high, marks), theme).astype(np.uint16)
    return Plate(pixels[..., 3:], pixels[..., :3] * pixels[..., 3:])
