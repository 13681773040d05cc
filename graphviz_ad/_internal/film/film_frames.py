"""Film -> the Canvas of each of its steps, one after the other; only what a step touches is painted again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

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
from graphviz_ad._internal.scene.scene import Film, Scene, restyle

Marks = tuple[Mark, ...]
Place = tuple[str, str]  # what is painted together: a layer, and the key of the box, arrow or group


def film_frames(film: Film, size: tuple[int, int] | None = None) -> Iterator[Canvas]:
    """What `paint_frame` gives for each step, in order. A mark that stays is the same object, so that a renderer
    sees at once what changed.
    """
    size = size or film.size
    fit = frame_fit(film.stage, size, film.panel)
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
    for index, step in enumerate(film.steps):
        keys = dict.fromkeys(change.key for change in step.changes)
        touched = Scene(
            tuple(boxes[key] for key in keys if key in boxes), tuple(arrows[key] for key in keys if key in arrows)
        )
        touched = restyle(touched, step.changes)
        boxes |= touched.box_by_key
        arrows |= {arrow.key: arrow for arrow in touched.arrows}
        paint(touched)
        put(("caption", ""), frame_words(film, index, *size))
        bar = done[: index + 1] + waiting[index + 1 :]
        yield Canvas(*size, tuple(chain(*shown.values(), bar)), film.stage.alt, "paper")


def same_where_equal(before: Marks, after: Marks) -> Marks:
    """The marks after a change, those that did not change as the objects that they were."""
    if len(before) != len(after):
        known = {mark: mark for mark in before}
        return tuple(known.get(mark, mark) for mark in after)
    return tuple(old if old == new else new for old, new in zip(before, after, strict=True))
