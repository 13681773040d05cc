"""Film -> its moments: stretches in which the picture stays as it is, but for the numbers that move on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from graphviz_ad._internal.film.flights import REST, Motion, Place, motions
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, with_new_texts

Parts = Mapping[str, Box | Arrow]


@dataclass(frozen=True)
class Moment:
    """From ``begin`` to ``end``, in seconds of a step, its picture is seen, in which the lines of ``held`` say what
    they said before. ``motion`` is what moves meanwhile.
    """

    step: int
    begin: float
    end: float
    motion: Motion = REST
    held: frozenset[Place] = frozenset()

    @property
    def rests(self) -> bool:
        """Whether nothing moves in it."""
        return not self.motion.flights

    def share(self, second: float) -> float:
        """How much of the motion is over at a second of the step."""
        return 1.0 if self.rests else second / self.motion.seconds


def moments(film: Film) -> Iterator[Moment]:
    """All moments in order: of each step as many as it takes for what moves to arrive, then the step at rest."""
    for index, motion in enumerate(motions(film)):
        start, landings = 0.0, motion.landings
        for until in sorted({*landings.values(), 1.0}) if motion.flights else ():
            held = frozenset(place for place, time in landings.items() if time > start)
            yield Moment(index, start * motion.seconds, until * motion.seconds, motion, held)
            start = until
        yield Moment(index, start * motion.seconds, film.seconds(index))


@dataclass(frozen=True)
class Pace:
    """How many pictures a second are shown of numbers that move, at least and at most, for none to go farther than
    ``jump`` pixels from one to the next; of which length, in seconds, each is a multiple; and how many a second are
    shown while the ``camera`` moves.
    """

    rate: float
    tick: float = 0.0
    camera: float = 0.0
    most: float = 0.0
    jump: float = 0.0

    def count(self, moment: Moment, scale: float) -> int:
        """How many pictures there are of a moment in which something moves, at so many pixels a point."""
        length = moment.end - moment.begin
        far = scale * moment.motion.most * length / moment.motion.seconds
        wanted = math.ceil(far / self.jump) if self.jump else 0
        return max(round(length * self.rate), min(wanted, int(length * self.most + 1e-6)), 1)


def instants(moment: Moment, pace: Pace, scale: float) -> Iterator[tuple[float, float]]:
    """When pictures of a moment are taken, in seconds of its step, and how long each is seen; of one at rest, one."""

    def on_tick(second: float) -> float:
        return round(second / pace.tick) * pace.tick if pace.tick else second

    begin = on_tick(moment.begin)
    if moment.rests:
        yield moment.begin, moment.end - begin
        return
    count = pace.count(moment, scale)
    times = [moment.begin + (moment.end - moment.begin) * i / count for i in range(count + 1)]
    for second, (shown, gone) in zip(times, pairwise(map(on_tick, times)), strict=False):
        if gone > shown:
            yield second, gone - shown


def holding(part: Box | Arrow, before: Box | Arrow, held: frozenset[Place]) -> Box | Arrow:
    """The part, of which the held lines say what they said before."""
    old = {line.key: line.text for line in before.lines if (part.key, line.key) in held}
    return replace(part, lines=with_new_texts(part.lines, old)) if old else part
