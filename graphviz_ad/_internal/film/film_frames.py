"""Film -> the Canvas of each of its steps, one after the other, and of the moments between; only what a step touches
is painted again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby, pairwise

from graphviz_ad._internal.film.camera import on_the_way
from graphviz_ad._internal.film.flights import moving_marks
from graphviz_ad._internal.film.moments import Moment, Pace, holding, instants, moments
from graphviz_ad._internal.scene.canvas import Canvas, Mark
from graphviz_ad._internal.scene.film_frame import Fit
from graphviz_ad._internal.scene.overview import in_sight
from graphviz_ad._internal.scene.paint import (
    arrow_marks,
    arrow_words,
    box_marks,
    camera_marks,
    frame_words,
    group_marks,
    moved_marks,
    progress,
)
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, Scene, restyle

Marks = tuple[Mark, ...]
Place = tuple[str, str]  # what is painted together: a layer, and the key of the box, arrow or group
Seen = tuple[Canvas, Moment, Fit]  # a picture, when it is seen, and where the stage is on it


def film_frames(film: Film, size: tuple[int, int] | None = None) -> Iterator[Canvas]:
    """What `paint_frame` gives for each step, in order. A mark that stays is the same object, so that a renderer
    sees at once what changed.
    """
    return (canvas for canvas, _, _ in film_moments(replace(film, motion=False), size=size))


def film_moments(film: Film, pace: Pace | None = None, size: tuple[int, int] | None = None) -> Iterator[Seen]:
    """Each moment with its picture, without what flies over it; marks stay the same objects as in `film_frames`. At a
    ``pace``, the pictures that a moving camera sees at the end of a step are moments of their own.
    """
    size = size or film.size
    stage = ShownStage(film, size)
    waiting, done = (list(progress(film, index, *size)) for index in (-1, len(film.steps)))
    words: Marks = ()
    for index, parts in groupby(moments(film), lambda moment: moment.step):
        before, after = stage.go_to(index)
        words = same_where_equal(words, tuple(frame_words(film, index, *size)))
        below = (*words, *done[: index + 1], *waiting[index + 1 :])
        fit, landing = film.fit(film.view(index), size), None
        for moment in parts:
            at_once = at_moment(before, after, moment, landing)
            stage.take(at_once.boxes, at_once.arrows)
            landing = {key for key, _ in moment.held}
            rest, *leaving = parted(film, moment, pace) if pace is not None else [moment]
            yield stage.canvas(fit, below), rest, fit
            if leaving:
                ways = on_the_way(fit, film.fit(film.view(index + 1), size), len(leaving))
                yield from (
                    (stage.canvas(way, below, moving=True), one, way) for one, way in zip(leaving, ways, strict=True)
                )


def parted(film: Film, moment: Moment, pace: Pace) -> list[Moment]:
    """A moment until the camera begins to move, and one for each picture while it does."""
    length = film.leaving(moment.step)
    count = round(length * pace.camera)
    if moment.end < film.seconds(moment.step) or not count:
        return [moment]
    begin = max(moment.end - length, moment.begin)
    times = [pace.on_tick(begin + (moment.end - begin) * i / count) for i in range(count)] + [moment.end]
    return [replace(moment, end=times[0]), *(replace(moment, begin=a, end=b) for a, b in pairwise(times))]


def at_moment(before: Scene, after: Scene, moment: Moment, only: Collection[str] | None) -> Scene:
    """What a step touches, or ``only`` some of it, as it is at a moment."""
    old: list[Box | Arrow] = [*before.boxes, *before.arrows]
    new: list[Box | Arrow] = [*after.boxes, *after.arrows]
    kept = [
        holding(part, was, moment.held) for was, part in zip(old, new, strict=True) if only is None or part.key in only
    ]
    boxes = tuple([part for part in kept if isinstance(part, Box)])
    return Scene(boxes, tuple([part for part in kept if isinstance(part, Arrow)]))


def moving_pictures(film: Film, pace: Pace, size: tuple[int, int] | None = None) -> Iterator[tuple[Canvas, float]]:
    """Every picture of a film at a pace, and for how many seconds it is shown; of what is at rest, there is one."""
    for canvas, moment, fit in film_moments(film, pace, size):
        for second, length in instants(moment, pace):
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
        self.fit: Fit | None = None
        self.front: Marks = ()  # of the camera
        opened = restyle(film.stage, film.opening)
        self.take(opened.boxes, opened.arrows)

    def go_to(self, index: int) -> tuple[Scene, Scene]:
        """What a step touches, as it was before and as it is from now on."""
        changes = self.film.steps[index].changes
        keys = dict.fromkeys(change.key for change in changes)
        before = Scene(
            tuple(self.boxes[key] for key in keys if key in self.boxes),
            tuple(self.arrows[key] for key in keys if key in self.arrows),
        )
        after = restyle(before, changes)
        self.boxes |= after.box_by_key
        self.arrows |= {arrow.key: arrow for arrow in after.arrows}
        return before, after

    def take(self, boxes: Iterable[Box], arrows: Iterable[Arrow]) -> None:
        """Boxes and arrows as they are from now on."""
        for arrow in arrows:
            self.arrows[arrow.key] = arrow
            self.draw(("arrow", arrow.key), arrow_marks(arrow))
            self.draw(("words", arrow.key), arrow_words(arrow))
        for box in boxes:
            self.boxes[box.key] = box
            self.draw(("box", box.key), box_marks(box))

    def draw(self, place: Place, marks: Iterable[Mark]) -> None:
        """What is painted there from now on."""
        self.drawn[place] = tuple(marks)
        self.stale.add(place)

    def canvas(self, fit: Fit, below: Marks, *, moving: bool = False) -> Canvas:
        """The frame on which a fit shows the stage."""
        if fit != self.fit:
            self.fit, self.stale = fit, set(self.drawn)
        for place in self.stale:
            self.shown[place] = same_where_equal(self.shown[place], tuple(self.seen(self.drawn[place], fit)))
        self.stale = set()
        front = self.camera(fit) if moving or self.film.is_close(fit, self.size) else ()
        self.front = same_where_equal(self.front, tuple(front))
        marks = tuple(chain(*self.shown.values(), self.front, below))
        return Canvas(*self.size, marks, self.film.stage.alt, "paper")

    def seen(self, marks: Marks, fit: Fit) -> Iterator[Mark]:
        """Marks as a fit shows them."""
        moved = moved_marks(marks, *fit)
        return in_sight(moved, self.rooms) if self.film.views else moved

    def camera(self, fit: Fit) -> Iterator[Mark]:
        """What stands in front of a stage of which a part is seen."""
        return camera_marks(self.film, (*self.arrows.values(), *self.boxes.values()), fit, self.size)


def same_where_equal(before: Marks, after: Marks) -> Marks:
    """The marks after a change, those that did not change as the objects that they were."""
    if len(before) != len(after):
        known = {mark: mark for mark in before}
        return tuple(known.get(mark, mark) for mark in after)
    return tuple(old if old == new else new for old, new in zip(before, after, strict=True))
