"""Film -> the marks of all its frames, each once, with the moments in which it is on screen.

A step changes a few boxes and arrows; only these are painted again. What formats without a clock of their own (style
sheets, fragments of a slide) need is exactly this: what appears when, and when it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.film.moments import Moment, holding, moments
from graphviz_ad._internal.scene import overview, paint
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.film_frame import Fit, fit_into, seen_at
from graphviz_ad._internal.scene.scene import Arrow, Box, Change, Film, with_new_texts

GROUNDS = ("frame", "inner", "ground")  # rectangles that others stand on
Slot = tuple[str, str, int]  # owner, part, and which one of several


@dataclass(frozen=True)
class Shown:
    """A mark that is on screen from moment ``first`` to moment ``last``, both included; where no number moves, each
    step is one moment.

    ``staged``: it is on a stage that a camera looks at, and stands in the file as at the scale of `Cameras`; those come
    before all others. ``rests``: it is seen as long as the camera rests.
    """

    mark: Mark
    first: int
    last: int
    staged: bool = False
    rests: bool = False


@dataclass
class Layer:
    """Marks that are painted together, such as those of one box: what each slot shows at each time."""

    slots: dict[Slot, list[Shown]] = field(default_factory=dict)
    now: dict[Slot, tuple[Mark, int]] = field(default_factory=dict)  # the mark and since when
    drawn: bool = False  # its marks lie on one another as they were given

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
        if self.drawn:
            yield from shown
            return
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
    """All marks of all steps, back to front; those shown at step i are the marks of `paint_frame` at i, where no
    camera moves.
    """
    return timeline_of(film, list(moments(replace(film, motion=False))))


def timeline_of(film: Film, of: Sequence[Moment]) -> list[Shown]:
    """All marks of these moments of a film, back to front, without numbers that move."""
    stage = TimedStage(film)
    for i, moment in enumerate(of):
        stage.go_to(i, moment)
    return stage.all(len(of) - 1)


class TimedStage:
    """The stage of a film and the frame around it, moment by moment: in which layers each mark is since when."""

    def __init__(self, film: Film) -> None:
        self.film = film
        self.fit: Fit = film.fit(film.whole) if not film.views else (Cameras(film).scale, 0.0, 0.0)
        drawn: list[Box | Arrow] = [*film.stage.arrows, *film.stage.boxes]
        self.parts = {part.key: part for part in drawn}
        self.bodies = {key: Layer(drawn=bool(part.drawings)) for key, part in self.parts.items()}
        self.words = {arrow.key: Layer() for arrow in film.stage.arrows}
        self.small = {key: Layer() for key in self.parts if film.views}
        self.inset = Inset(film)
        self.frame, self.front, self.behind, self.around, self.named = (Layer() for _ in range(5))
        apply(film.opening, self.parts)
        self.touched, self.before = list(self.parts), dict(self.parts)

    def go_to(self, i: int, moment: Moment) -> None:
        """What is seen from a moment on, which is number ``i``."""
        if not moment.begin:
            self.begin(i, moment.step)
        for key in dict.fromkeys(self.touched):
            self.update(holding(self.parts[key], self.before[key], moment.held), i, moment.step)
        self.touched = [key for key, _ in sorted(moment.held) if key in self.parts]

    def begin(self, i: int, step: int) -> None:
        """A step changes what it changes, and what stands around the stage."""
        film, inset = self.film, self.inset
        self.before, seen = dict(self.parts), inset.seen(step)
        all_small = self.parts if self.small and i and seen != inset.seen(step - 1) else ()
        self.touched = [*self.touched, *apply(film.steps[step].changes, self.parts), *all_small]
        self.frame.show(i, paint.frame_text(film, step, *film.size))
        self.front.show(i, inset.covers())
        self.behind.show(i, inset.behind if seen else [])
        self.around.show(i, [inset.outline(step)] if seen else [])
        self.named.show(i, [] if seen else paint.signs_of_whole(film, self.parts.values(), step))

    def update(self, part: Box | Arrow, i: int, step: int) -> None:
        """What a part looks like from a moment on."""
        marks = paint.box_marks(part) if isinstance(part, Box) else paint.arrow_marks(part)
        self.bodies[part.key].show(i, paint.moved_marks(marks, *self.fit))
        if isinstance(part, Arrow):
            self.words[part.key].show(i, paint.moved_marks(paint.arrow_words(part), *self.fit))
        if part.key in self.small:
            seen = self.inset.seen(step)
            self.small[part.key].show(i, paint.part_in_small(part, self.inset.fit) if seen else ())

    def all(self, last: int) -> list[Shown]:
        """All marks up to the last moment, back to front."""
        close = bool(self.film.views)
        ground = [
            Shown(mark, 0, last, close)
            for group in self.film.stage.groups
            for mark in paint.moved_marks(paint.group_marks(group), *self.fit)
        ]
        stage = [one for layer in (*self.bodies.values(), *self.words.values()) for one in layer.all(last)]
        stage = [replace(one, staged=True) for one in stage] if close else stage
        layers = [self.front, self.behind, *self.small.values(), self.around, self.frame]
        signs = [replace(one, rests=True) for one in self.named.all(last)]
        return [*ground, *stage, *(one for layer in layers for one in layer.all(last)), *signs]


class Cameras:
    """How the marks of a stage that stand in a file once are moved for each view: shrunk and shifted by `of`.

    ``scale`` is that at which they stand in the file, in pixels a point: the largest, which most views have.
    """

    def __init__(self, film: Film) -> None:
        self.film = film
        self.scale = max(film.fit(view)[0] for view in film.views)

    def of(self, index: int) -> Fit:
        """Scale and shift for the view of a step."""
        scale, aside, down = self.film.fit(self.film.view(index))
        return scale / self.scale, aside, down


class Inset:
    """The whole stage, drawn small while the camera shows a part."""

    def __init__(self, film: Film) -> None:
        whole = film.whole
        self.film, self.rooms = film, film.rooms()
        self.place = self.rooms.overview((whole.width, whole.height))
        self.fit = fit_into(whole, self.place)
        self.behind = [*overview.edges(self.rooms), overview.ground(self.place)]

    def seen(self, step: int) -> bool:
        """Whether it is there in a step."""
        return bool(self.film.views) and self.film.view(step) != self.film.whole

    def covers(self) -> Iterator[Mark]:
        """What stands before the stage, and behind caption and title."""
        return overview.covers(self.rooms) if self.film.views else iter(())

    def outline(self, step: int) -> Mark:
        """The rectangle around what a step shows."""
        whole = self.film.whole
        clear = self.rooms.clear((whole.width, whole.height))
        return overview.outline(seen_at(self.film.fit(self.film.view(step)), clear), self.fit, self.place)


def apply(changes: Iterable[Change], parts: dict[str, Box | Arrow]) -> list[str]:
    """Change the parts in place; the keys of those that changed."""
    known = [change for change in changes if change.key in parts]
    for change in known:
        part = parts[change.key]
        parts[change.key] = replace(
            part, emphasis=change.emphasis or part.emphasis, lines=with_new_texts(part.lines, dict(change.texts))
        )
    return [change.key for change in known]
