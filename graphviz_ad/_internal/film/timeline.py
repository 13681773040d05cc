"""Film -> the marks of all its frames, each once, with the moments in which it is on screen.

A step changes a few boxes and arrows; only these are painted again. What formats without a clock of their own (style
sheets, fragments of a slide) need is exactly this: what appears when, and when it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.film.moments import Moment, holding, moments
from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.scene import Arrow, Box, Change, Film, with_new_texts

GROUNDS = ("frame", "inner", "ground")  # rectangles that others stand on
Slot = tuple[str, str, int]  # owner, part, and which one of several


@dataclass(frozen=True)
class Shown:
    """A mark that is on screen from moment ``first`` to moment ``last``, both included; where nothing moves, each step
    is one moment.
    """

    mark: Mark
    first: int
    last: int


@dataclass
class Layer:
    """Marks that are painted together, such as those of one box: what each slot shows at each time."""

    slots: dict[Slot, list[Shown]] = field(default_factory=dict)
    now: dict[Slot, tuple[Mark, int]] = field(default_factory=dict)  # the mark and since when

    def show(self, step: int, marks: Iterable[Mark]) -> None:
        """From ``step`` on, these are the marks."""
        wanted = in_slots(marks)
        for slot in [slot for slot, (mark, _) in self.now.items() if wanted.get(slot) != mark]:
            self.end(slot, step - 1)
        for slot, mark in wanted.items():
            self.slots.setdefault(slot, [])
            self.now.setdefault(slot, (mark, step))

    def end(self, slot: Slot, step: int) -> None:
        """The slot's mark is on screen for the last time."""
        mark, first = self.now.pop(slot)
        if first <= step:
            self.slots[slot].append(Shown(mark, first, step))

    def all(self, last: int) -> Iterator[Shown]:
        """Everything the layer ever shows, back to front, and by time where that makes no difference."""
        for slot in list(self.now):
            self.end(slot, last)
        shown = [one for spells in self.slots.values() for one in spells]
        yield from sorted(shown, key=lambda one: (height(one.mark), one.first, one.last))


def height(mark: Mark) -> int:
    """How far in front a mark stands among those of its layer: words before badges before frames and lines."""
    return 2 if isinstance(mark, Label) else int(isinstance(mark, Rect) and mark.part not in GROUNDS)


def in_slots(marks: Iterable[Mark]) -> dict[Slot, Mark]:
    """The marks by what they are part of; empty words are left out."""
    found: dict[Slot, Mark] = {}
    for mark in marks:
        if isinstance(mark, Label) and not mark.text:
            continue
        count = 0
        while (mark.owner, mark.part, count) in found:
            count += 1
        found[mark.owner, mark.part, count] = mark
    return found


def timeline(film: Film) -> list[Shown]:
    """All marks of all steps, back to front; those shown at step i are the marks of `paint_frame` at i."""
    return timeline_of(film, list(moments(replace(film, motion=False))))


def timeline_of(film: Film, of: Sequence[Moment]) -> list[Shown]:
    """All marks of these moments of a film, back to front, without those that move."""
    last = len(of) - 1
    fit = paint.frame_fit(film.stage, film.size)
    drawn: list[Box | Arrow] = [*film.stage.arrows, *film.stage.boxes]
    parts = {part.key: part for part in drawn}
    bodies = {key: Layer() for key in parts}
    words = {arrow.key: Layer() for arrow in film.stage.arrows}
    frame = Layer()

    def update(part: Box | Arrow, moment: int) -> None:
        marks = paint.box_marks(part) if isinstance(part, Box) else paint.arrow_marks(part)
        bodies[part.key].show(moment, paint.moved_marks(marks, *fit))
        if isinstance(part, Arrow):
            words[part.key].show(moment, paint.moved_marks(paint.arrow_words(part), *fit))

    apply(film.opening, parts)
    touched, before, step = list(parts), dict(parts), -1
    for i, moment in enumerate(of):
        if moment.step != step:
            step, before = moment.step, dict(parts)
            touched = list(dict.fromkeys([*touched, *apply(film.steps[step].changes, parts)]))
            frame.show(i, paint.frame_text(film, step, *film.size))
        for key in touched:
            update(holding(parts[key], before[key], moment.held), i)
        touched = list(dict.fromkeys(key for key, _ in sorted(moment.held) if key in parts))

    ground = [
        Shown(mark, 0, last)
        for group in film.stage.groups
        for mark in paint.moved_marks(paint.group_marks(group), *fit)
    ]
    layers = [*bodies.values(), *words.values(), frame]
    return [*ground, *(one for layer in layers for one in layer.all(last))]


def apply(changes: Iterable[Change], parts: dict[str, Box | Arrow]) -> list[str]:
    """Change the parts in place; the keys of those that changed."""
    known = [change for change in changes if change.key in parts]
    for change in known:
        part = parts[change.key]
        parts[change.key] = replace(
            part, emphasis=change.emphasis or part.emphasis, lines=with_new_texts(part.lines, dict(change.texts))
        )
    return [change.key for change in known]
