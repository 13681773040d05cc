"""Film -> the Canvas of each of its steps, one after the other, and of the moments between; only what a step touches
is painted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from graphviz_ad._internal.film.camera import Look, looks
from graphviz_ad._internal.film.flights import moving_marks
from graphviz_ad._internal.film.moments import Moment, Pace, holding, instants, moments
from graphviz_ad._internal.scene.canvas import Canvas, Mark
from graphviz_ad._internal.scene.film_frame import Fit
from graphviz_ad._internal.scene.overview import in_sight
from graphviz_ad._internal.scene.paint import (
    arrow_marks,
    arrow_words,
    box_marks,
    frame_in_small,
    frame_in_whole,
    frame_words,
    group_marks,
    moved_marks,
    progress,
    signs_of_whole,
    whole_in_small,
)
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, Scene, restyle

Marks = tuple[Mark, ...]
Place = tuple[str, str]  # what is painted together: a layer, and the key of the box, arrow or group
STILL = Pace(0)  # at which no camera is seen to move


def film_frames(film: Film, size: tuple[int, int] | None = None) -> Iterator[Canvas]:
    """What `paint_frame` gives for each step, in order. A mark that stays is the same object, so that a renderer
    sees at once what changed.
    """
    return (canvas for canvas, _ in film_moments(replace(film, motion=False), size))


def film_moments(
    film: Film, size: tuple[int, int] | None = None, pace: Pace = STILL
) -> Iterator[tuple[Canvas, Moment]]:
    """Each moment with its picture, without the numbers that move on it: of a step at rest one and, at a pace that has
    a camera, those on the way to the next view.
    """
    size = size or film.size
    stage = ShownStage(film, size)
    waiting, done = (list(progress(film, index, *size)) for index in (-1, len(film.steps)))
    words: Marks = ()
    for moment in moments(film):
        index = moment.step
        if not moment.begin:
            stage.go_to(index)
            words = same_where_equal(words, tuple(frame_words(film, index, *size)))
        stage.hold(moment.held)
        below = (*words, *done[: index + 1], *waiting[index + 1 :])
        way = looks(film, index, size, pace.camera, pace.pan) if moment.rests else []
        still = moment.end - (film.leaving(index) if way else 0.0)
        yield stage.canvas(film.fit(film.view(index), size), below), replace(moment, end=still)
        for look in way:
            yield stage.canvas(look.fit, below, look), Moment(index, still, still + look.seconds)
            still += look.seconds


def moving_pictures(film: Film, pace: Pace, size: tuple[int, int] | None = None) -> Iterator[tuple[Canvas, float]]:
    """Every picture of a film at a pace, and for how many seconds it is shown; of what is at rest, there is one."""
    for canvas, moment in film_moments(film, size, pace):
        fit = film.fit(film.view(moment.step), size or film.size)
        for second, length in instants(moment, pace, fit[0]):
            moving = moving_marks(moment.motion.flights, moment.share(second), fit)
            yield replace(canvas, marks=(*canvas.marks, *moving)), length


class ShownStage:
    """The stage of a film at a step: the marks of each part, in points, and as they were seen last."""

    def __init__(self, film: Film, size: tuple[int, int]) -> None:
        self.film, self.size, self.rooms = film, size, film.rooms(size)
        self.boxes: dict[str, Box] = dict(film.stage.box_by_key)
        self.arrows: dict[str, Arrow] = {arrow.key: arrow for arrow in film.stage.arrows}
        self.drawn: dict[Place, Marks] = {("group", one.key): tuple(group_marks(one)) for one in film.stage.groups}
        for layer, keys in (("arrow", self.arrows), ("box", self.boxes), ("words", self.arrows)):
            self.drawn |= {(layer, key): () for key in keys}
        self.shown = dict.fromkeys(self.drawn, Marks())
        self.stale = set(self.drawn)
        self.index = 0
        self.fit: Fit | None = None
        self.front: Marks = ()  # of the camera
        self.small: Marks = ()  # the whole drawn small, as long as nothing changes
        opened = restyle(film.stage, film.opening)
        self.before: dict[str, Box | Arrow] = {}  # what the step changes, as it was before
        self.held: frozenset[tuple[str, str]] = frozenset()  # lines that say what they said before
        self.take(opened.boxes, opened.arrows)

    def go_to(self, index: int) -> None:
        """A step changes what it changes."""
        self.index = index
        changes = self.film.steps[index].changes
        keys = dict.fromkeys(change.key for change in changes)
        touched = Scene(
            tuple(self.boxes[key] for key in keys if key in self.boxes),
            tuple(self.arrows[key] for key in keys if key in self.arrows),
        )
        self.before = dict(touched.box_by_key) | {arrow.key: arrow for arrow in touched.arrows}
        touched = restyle(touched, changes)
        self.take(touched.boxes, touched.arrows)

    def hold(self, lines: frozenset[tuple[str, str]]) -> None:
        """These lines say what they said before the step; those that did, and are not among them, what is new."""
        for key in {key: None for key, _ in sorted(self.held | lines)}:
            part = self.boxes.get(key) or self.arrows.get(key)
            if part is not None and key in self.before:
                self.paint(holding(part, self.before[key], lines))
        self.held = lines

    def take(self, boxes: Iterable[Box], arrows: Iterable[Arrow]) -> None:
        """Boxes and arrows as they are from now on."""
        for arrow in arrows:
            self.arrows[arrow.key] = arrow
            self.paint(arrow)
        for box in boxes:
            self.boxes[box.key] = box
            self.paint(box)

    def paint(self, part: Box | Arrow) -> None:
        """What a part looks like from now on."""
        if isinstance(part, Box):
            self.draw(("box", part.key), box_marks(part))
        else:
            self.draw(("arrow", part.key), arrow_marks(part))
            self.draw(("words", part.key), arrow_words(part))

    def draw(self, place: Place, marks: Iterable[Mark]) -> None:
        """What is painted there from now on."""
        self.drawn[place] = tuple(marks)
        self.stale.add(place)
        self.small = ()

    def canvas(self, fit: Fit, below: Marks, look: Look | None = None) -> Canvas:
        """The frame on which a fit shows the stage; ``look``: on the way to another."""
        if fit != self.fit:
            self.fit, self.stale = fit, set(self.drawn)
        for place in self.stale:
            self.shown[place] = same_where_equal(self.shown[place], tuple(self.seen(self.drawn[place], fit)))
        self.stale = set()
        framed = look.framed if look else None
        glides = look is not None and framed is None
        front = self.camera(framed or fit) if glides or self.film.is_close(fit, self.size) else self.signs(framed)
        self.front = same_where_equal(self.front, tuple(front))
        marks = tuple(chain(*self.shown.values(), self.front, below))
        return Canvas(*self.size, marks, self.film.stage.alt, "paper")

    def seen(self, marks: Marks, fit: Fit) -> Iterator[Mark]:
        """Marks as a fit shows them."""
        moved = moved_marks(marks, *fit)
        return in_sight(moved, self.rooms) if self.film.views else moved

    def camera(self, fit: Fit) -> Iterator[Mark]:
        """What stands in front of a stage of which a part is seen, with a frame around it where the whole is small."""
        self.small = self.small or tuple(
            whole_in_small(self.film, (*self.arrows.values(), *self.boxes.values()), self.size)
        )
        return chain(self.small, (frame_in_small(self.film, fit, self.size),))

    def signs(self, framed: Fit | None) -> Iterator[Mark]:
        """What is written over a whole that is too small to be read, and a frame around the part that a fit shows."""
        yield from signs_of_whole(self.film, (*self.arrows.values(), *self.boxes.values()), self.index, self.size)
        if framed is not None:
            yield frame_in_whole(self.film, framed, self.size)


def same_where_equal(before: Marks, after: Marks) -> Marks:
    """The marks after a change, those that did not change as the objects that they were."""
    if len(before) != len(after):
        known = {mark: mark for mark in before}
        return tuple(known.get(mark, mark) for mark in after)
    return tuple(old if old == new else new for old, new in zip(before, after, strict=True))
