"""Film -> the Canvas of each of its steps, one after the other; only what a step touches is painted again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby

from graphviz_ad._internal.film.flights import moving_marks
from graphviz_ad._internal.film.moments import Moment, Pace, holding, instants, moments
from graphviz_ad._internal.scene.canvas import Canvas, Mark
from graphviz_ad._internal.scene.paint import (
    arrow_marks,
    arrow_words,
    box_marks,
    frame_fit,
    frame_words,
    group_marks,
    moved_marks,
    progress,
)
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, Scene, restyle

Marks = tuple[Mark, ...]
Place = tuple[str, str]  # what is painted together: a layer, and the key of the box, arrow or group


def film_frames(film: Film, size: tuple[int, int] | None = None) -> Iterator[Canvas]:
    """What `paint_frame` gives for each step, in order. A mark that stays is the same object, so that a renderer
    sees at once what changed.
    """
    return (canvas for canvas, _ in film_moments(replace(film, motion=False), size))


def film_moments(film: Film, size: tuple[int, int] | None = None) -> Iterator[tuple[Canvas, Moment]]:
    """Each moment with its picture, without what moves on it; marks stay the same objects as in `film_frames`."""
    size = size or film.size
    fit = frame_fit(film.stage, size)
    stage = restyle(film.stage, film.opening)
    boxes, arrows = {box.key: box for box in stage.boxes}, {arrow.key: arrow for arrow in stage.arrows}
    shown: dict[Place, Marks] = {
        ("group", group.key): tuple(moved_marks(group_marks(group), *fit)) for group in stage.groups
    }
    for layer, keys in (("arrow", arrows), ("box", boxes), ("words", arrows), ("caption", {"": None})):
        shown |= {(layer, key): () for key in keys}

    def paint(touched: Scene) -> None:
        for arrow in touched.arrows:
            put(("arrow", arrow.key), moved_marks(arrow_marks(arrow), *fit))
            put(("words", arrow.key), moved_marks(arrow_words(arrow), *fit))
        for box in touched.boxes:
            put(("box", box.key), moved_marks(box_marks(box), *fit))

    def put(place: Place, marks: Iterable[Mark]) -> None:
        shown[place] = same_where_equal(shown[place], tuple(marks))

    paint(stage)
    waiting, done = (list(progress(film, index, *size)) for index in (-1, len(film.steps)))
    for index, parts in groupby(moments(film), lambda moment: moment.step):
        step = film.steps[index]
        keys = dict.fromkeys(change.key for change in step.changes)
        before = Scene(
            tuple(boxes[key] for key in keys if key in boxes), tuple(arrows[key] for key in keys if key in arrows)
        )
        after = restyle(before, step.changes)
        boxes |= after.box_by_key
        arrows |= {arrow.key: arrow for arrow in after.arrows}
        put(("caption", ""), frame_words(film, index, *size))
        bar, landing = done[: index + 1] + waiting[index + 1 :], None
        for moment in parts:
            paint(at_moment(before, after, moment, landing))
            landing = {key for key, _ in moment.held}
            yield Canvas(*size, tuple(chain(*shown.values(), bar)), film.stage.alt, "paper"), moment


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
    fit = frame_fit(film.stage, size or film.size)
    for canvas, moment in film_moments(film, size):
        for second, length in instants(moment, pace):
            moving = moving_marks(moment.motion.flights, moment.share(second), fit)
            yield replace(canvas, marks=(*canvas.marks, *moving)), length


def same_where_equal(before: Marks, after: Marks) -> Marks:
    """The marks after a change, those that did not change as the objects that they were."""
    if len(before) != len(after):
        known = {mark: mark for mark in before}
        return tuple(known.get(mark, mark) for mark in after)
    return tuple(old if old == new else new for old, new in zip(before, after, strict=True))
