"""Film -> shots: pictures at rest, and between them those of numbers on their way, each pasted onto a picture at rest.

What moves is drawn once, on its plate; a picture on the way costs what the plate covers, not what the whole is made of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
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
from graphviz_ad._internal.scene.paint import BOX_LOOKS, KIND_LOOKS, moved_marks, paint_frame
from graphviz_ad._internal.scene.scene import Film, Line, Point
from graphviz_ad._internal.scene.themes import Theme

Color = tuple[int, ...]  # red, green, blue
ROW = 5  # pixels below the top of a box, in which there is no word yet


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

    def fainter(self, opacity: float) -> Plate:
        """The same, hiding less of what is behind it."""
        part = round(256 * opacity)
        colors = (self.colors.astype(np.uint32) - 128) * part >> 8
        hides = (255 - self.left.astype(np.uint32)) * part + 255 >> 8  # so that both together are no more than white
        return Plate((255 - hides).astype(np.uint16), colors.astype(np.uint16) + 128)

    def paste(self, picture: Pixels, box: PixelBox) -> Pixels:
        """Put it there, and return what was there before."""
        here = picture[box[1] : box[3], box[0] : box[2]]
        before = here.copy()
        mixed = before * self.left
        mixed += self.colors
        mixed += mixed >> 8  # with 128 in the colours, by 256 this is rounded division by 255
        mixed >>= 8
        here[:] = mixed
        return before


def film_shots(
    film: Film, theme: Theme, pace: Pace, *, scale: float = 1.0, poster: float = 0.0, smaller: str = ""
) -> Iterator[Shot]:
    """The film at a pace, ``scale`` pixels a pixel of its frame; it begins on the finished picture, for so many seconds
    that are taken from its end.
    """
    waiting: deque[tuple[Moment, Fade]] = deque()
    shown: list[Pixels] = []  # the picture before, until the next is drawn in its place
    fills = fills_of(theme)

    def canvases() -> Iterator[Canvas]:
        last = len(film.steps) - 1
        if poster:
            waiting.append((Moment(last, 0.0, poster), NO_FADE))
            yield paint_frame(film, last)
        for canvas, moment in film_moments(film, pace=pace):
            lit = lit_boxes(film, moment, scale, shown[0]) if moment.lights and pace.shades and shown else ()
            own = moment.step == last and moment.rests
            waiting.append((replace(moment, end=moment.end - poster) if own else moment, Fade(shown, lit, fills)))
            yield canvas

    plates = Plates(film, theme, scale)
    stale: Sequence[PixelBox] = ()  # where the picture before has something that this one has not
    for pixels, boxes in changing(canvases(), theme, scale=scale, smaller=smaller):
        shown[:] = [pixels]
        moment, fade = waiting.popleft()
        fade.arrive(pixels)
        seen = list(instants(moment, pace, film.fit(film.view(moment.step))[0]))
        for placed, (second, length) in zip(
            plates.on_their_way(moment, [at for at, _ in seen], pixels), seen, strict=True
        ):
            faded = fade.go_to(pace.shade(second), pixels)
            under = [plate.paste(pixels, box) for plate, box in placed]
            now = [box for _, box in placed]
            yield Shot(pixels, (*boxes, *faded, *stale, *now), length)
            for box, before in zip(reversed(now), reversed(under), strict=True):
                pixels[box[1] : box[3], box[0] : box[2]] = before
            boxes, stale = (), now
        stale = (*stale, *fade.go_to(1.0, pixels))


class Fade:
    """The way from one picture to the next in some boxes, on which fills come slowly, and words and lines at once."""

    def __init__(self, shown: Sequence[Pixels], boxes: Iterable[PixelBox], fills: frozenset[Color]) -> None:
        self.fills, self.shade = fills, 1.0
        self.before = [(box, part_of(shown[0], box).copy()) for box in boxes]
        self.ends: list[tuple[PixelBox, NDArray[np.bool_], Pixels, NDArray[np.int64], NDArray[np.int64]]] = []

    def arrive(self, picture: Pixels) -> None:
        """This is the next picture."""
        for box, before in self.before:
            after = part_of(picture, box)
            old, new = fill_of(before), fill_of(after)
            if not {tuple(old.tolist()), tuple(new.tolist())} <= self.fills or (old == new).all():
                continue
            most = int(np.abs(new - old).argmax())  # one channel tells fills from letters
            flat = (before[..., most] == old[most]) & (after[..., most] == new[most])
            self.ends.append((box, flat[..., np.newaxis], after.copy(), old, new))

    def go_to(self, shade: float, picture: Pixels) -> Sequence[PixelBox]:
        """Let so much of the new fills be seen; where the picture has changed."""
        if shade == self.shade:
            return ()
        self.shade = shade
        for box, flat, after, old, new in self.ends:  # all but the fills is there already
            here = part_of(picture, box)
            if shade < 1:
                between = (old + np.round(shade * (new - old))).astype(np.uint8)
                np.copyto(here, between, where=flat)
            else:
                np.copyto(here, after)
        return [box for box, *_ in self.ends]


NO_FADE = Fade((), (), frozenset())


def lit_boxes(film: Film, moment: Moment, scale: float, picture: Pixels) -> Iterator[PixelBox]:
    """Where the boxes are, in a picture, whose looks a step changes."""
    zoom, aside, down = film.fit(film.view(moment.step))
    height, width = picture.shape[:2]
    room = film.rooms().stage
    for key in dict.fromkeys(change.key for change in film.steps[moment.step].changes if change.emphasis):
        box = film.stage.box_by_key.get(key)
        if box is not None and box.center is not None:
            x, y = box.center[0] * zoom + aside, box.center[1] * zoom + down
            wide, high = box.width * zoom / 2, box.height * zoom / 2
            left, right = max(round(scale * (x - wide)), 0), min(round(scale * (x + wide)), width)
            top, bottom = (round(scale * min(max(y + side, room.y), room.bottom)) for side in (-high, high))
            if left < right and top < min(bottom, height):
                yield left, top, right, min(bottom, height)


def fills_of(theme: Theme) -> frozenset[Color]:
    """The colours that boxes are filled with."""
    looks = [fill for fill, *_ in BOX_LOOKS.values()]
    roles = [*filter(None, looks), *(fill for fill, *_ in KIND_LOOKS.values()), "paper"]
    return frozenset(tuple(bytes.fromhex(theme[role][1:])) for role in roles)


def fill_of(part: Pixels) -> NDArray[np.int64]:
    """What a box is filled with, as far as a picture of it tells: the commonest colour between its border and words."""
    row = np.sort(part[min(ROW, len(part) // 2)], axis=0).astype(
        np.int64
    )  # of a row this short, sooner than its median
    found: NDArray[np.int64] = (row[(len(row) - 1) // 2] + row[len(row) // 2]) // 2
    return found


def part_of(picture: Pixels, box: PixelBox) -> Pixels:
    """What a picture has in a box."""
    left, top, right, bottom = box
    return picture[top:bottom, left:right]


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
            plate = None  # found once: comparing lines takes long
            for placed, time, (x, y) in zip(found, times, flight.middles(times), strict=True):
                middle = x * fit[0] + fit[1], y * fit[0] + fit[2]
                opacity = flight.opacity(time)
                if flight.seen(time) and opacity > 0 and room.holds(Area(*middle, 0.0, 0.0)):
                    plate = plate or self.of(flight.line, fit)
                    box = plate.box((middle[0] * self.scale, middle[1] * self.scale), picture)
                    placed.append((plate if opacity == 1 else plate.fainter(opacity), box))
        return found

    def of(self, line: Line, fit: Fit) -> Plate:
        """The plate of a line, as large as the stage is seen."""
        scale = fit[0] * self.scale
        known = self.made.get((line, scale))
        if known is None:
            known = self.made[line, scale] = plate(line, self.theme, scale)
        return known


def plate(line: Line, theme: Theme, scale: float) -> Plate:
    """The plate of a line, ``scale`` pixels a point."""
    wide, high = (2 * int(length * scale / 2 + 2) for length in chip_size(line))
    marks = tuple(moved_marks(chip_marks(line), scale, wide / 2, high / 2))
    pixels = clear_picture(Canvas(wide, high, marks), theme).astype(np.uint16)
    return Plate(255 - pixels[..., 3:], pixels[..., :3] * pixels[..., 3:] + 128)
