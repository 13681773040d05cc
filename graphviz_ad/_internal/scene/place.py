"""The name or the size of a place -> how large a picture may be there, and how large its letters have to be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.scene.canvas import Canvas
from graphviz_ad._internal.scene.paint import SMALL, TEXT, moved_marks, paint
from graphviz_ad._internal.scene.scene import Point, Scene

Size = tuple[float, float]
TRIM = 6.0  # points of the margin around a scene that a place does without


@dataclass(frozen=True)
class Place:
    """Where a picture will be seen, in points.

    ``smallest`` and ``usual`` are what the smallest letters and most letters must have to be read there, ``largest``
    what most letters never exceed. A ``loose`` place is as high as the picture in it, up to ``height``; any other is
    filled whatever the picture is.
    """

    width: float
    height: float
    smallest: float
    usual: float
    largest: float
    loose: bool = False

    @property
    def aspect(self) -> float:
        """Width a height."""
        return self.width / self.height

    @property
    def readable(self) -> float:
        """The least scale at which a picture can be read."""
        return max(self.smallest / SMALL, self.usual / TEXT)

    def readable_with(self, smallest: float, usual: float) -> float:
        """The same of a picture whose smallest letters, and whose letters in the middle, are of such a size."""
        return max(self.smallest / smallest, self.usual / usual)

    @property
    def comfortable(self) -> float:
        """The scale beyond which larger letters are worth nothing."""
        return max(self.largest / TEXT, self.readable)

    def with_letters(self, smallest: float | None) -> Place:
        """The same for letters that are no smaller than that, where somebody asks for it."""
        if smallest is None:
            return self
        return replace(self, smallest=smallest, usual=max(smallest, self.usual), largest=max(smallest, self.largest))

    def shaped_as(self, size: Size) -> Place:
        """A place that is as large as this one, and has the shape of that size."""
        factor = math.sqrt(self.width * self.height / max(size[0] * size[1], 1.0))
        return replace(self, width=size[0] * factor, height=size[1] * factor)

    def scale(self, size: Point) -> float:
        """With how many points for each of its own a picture of that size fills the place."""
        needed = [max(length - 2 * TRIM, 1.0) for length in size]
        return min(self.width / needed[0], self.height / needed[1], self.comfortable)


# letters of 14 and 20 pixels where 720 lines of pixels are a slide
SLIDE, FOUR_TO_THREE = Place(960, 540, 10.5, 15, 27), Place(720, 540, 10.5, 15, 27)
TWO_SCREENS = Place(960, 1080, 7.5, 9, 15)  # one below the other; letters of 10 and 12 pixels
SIDE = 36, 14_400  # points: half an inch, and the largest page that a PDF can have
PLACES: Mapping[str, Place] = {
    "slide": SLIDE,
    "4:3": FOUR_TO_THREE,
    "page": Place(595.28, 841.89, 6.5, 8, 14),
    "column": Place(238.11, 700, 6, 7, 10, loose=True),
}


@dataclass(frozen=True)
class Finish:
    """What is done to a placed scene last: put into its place, made so wide, set in a font; ``dpi`` is that of its
    pixels.
    """

    place: Place | None = None
    font: str = ""
    width: float | None = None
    scale: float = 1.0
    dpi: float = 144.0
    transparent: bool = False

    def with_file(self, width: float | None, scale: float, dpi: float | None, transparent: bool) -> Finish:
        """The same with what was asked for of one file."""
        return replace(self, width=width, scale=scale, dpi=dpi or self.dpi, transparent=transparent)

    def canvas(self, scene: Scene) -> Canvas:
        """The picture as marks."""
        return self.finished(paint(scene) if self.place is None else canvas_in_place(scene, self.place))

    def finished(self, made: Canvas) -> Canvas:
        """Marks in their place, made so wide and set in a font."""
        scale = self.scale * (self.width / made.width if self.width is not None else 1.0)
        if scale != 1.0:
            marks = tuple(moved_marks(made.marks, scale, 0.0, 0.0))
            made = replace(made, width=made.width * scale, height=made.height * scale, marks=marks)
        return replace(made, font=self.font, background=None if self.transparent else made.background)


PLAIN = Finish()


def canvas_in_place(scene: Scene, place: Place) -> Canvas:
    """The placed scene with its legend and notes, as large as the place lets it be."""
    _, height = scene.size or (1.0, 1.0)
    return in_place(paint(scene, at_least=height * place.aspect), place)


def in_place(natural: Canvas, place: Place) -> Canvas:
    """A picture as large as the place lets it be."""
    scale = place.scale((natural.width, natural.height))
    size = place.width, (natural.height - 2 * TRIM) * scale if place.loose else place.height
    aside, down = (size[0] - natural.width * scale) / 2, (size[1] - natural.height * scale) / 2
    return Canvas(*size, tuple(moved_marks(natural.marks, scale, aside, down)), natural.alt, natural.background)


def place_of(fit: str | Size | None, smallest: float | None = None) -> Place | None:
    """The place of that name or size; letters no smaller than that, where somebody asks for it."""
    if fit is None:
        return None
    if not isinstance(fit, str) and not all(SIDE[0] <= length <= SIDE[1] for length in fit):
        raise OptionError(
            f"fit={fit!r} is no place for a picture; give width and height in points, each from {SIDE[0]} to {SIDE[1]}"
        )
    found = PLACES[fit] if isinstance(fit, str) else Place(float(fit[0]), float(fit[1]), 6.5, 8, 27)
    return found.with_letters(smallest)
