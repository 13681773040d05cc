"""Film -> its moments: stretches in which the picture stays as it is, but for the numbers that move on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from graphviz_ad._internal.film.flights import REST, Motion, Place, motions
from graphviz_ad._internal.scene.scene import Arrow, Box, Film, with_new_texts

Parts = Mapping[str, Box | Arrow]
FADE = 0.2  # seconds in which a new colour comes


@dataclass(frozen=True)
class Moment:
    """From ``begin`` to ``end``, in seconds of a step, its picture is seen, in which the lines of ``held`` say what
    they said before. ``motion`` is what moves meanwhile; ``lights``: at its beginning, boxes light up.
    """

    step: int
    begin: float
    end: float
    motion: Motion = REST
    held: frozenset[Place] = frozenset()
    lights: bool = False

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
        lights = film.motion and index > 0 and any(change.emphasis for change in film.steps[index].changes)
        for until in sorted({*landings.values(), 1.0}) if motion.flights else ():
            held = frozenset(place for place, time in landings.items() if time > start)
            yield Moment(index, start * motion.seconds, until * motion.seconds, motion, held, lights and not start)
            start = until
        yield Moment(index, start * motion.seconds, film.seconds(index), lights=lights and not start)


@dataclass(frozen=True)
class Pace:
    """How many pictures a second are shown of numbers that move, at least and at most, for none to go farther than
    ``jump`` pixels from one to the next; of which length, in seconds, each is a multiple; how many a second are shown
    while the ``camera`` moves; how many pixels may go by from one of these to the next, beyond which it is cut; and
    through how many ``shades`` the colour of what lights up comes, in `FADE` seconds.
    """

    rate: float
    tick: float = 0.0
    camera: float = 0.0
    most: float = 0.0
    jump: float = 0.0
    pan: float = 0.0
    shades: int = 0

    def shade(self, second: float) -> float:
        """How much of a new colour is seen at a second of a step; a little at once."""
        return min((math.floor(second / FADE * self.shades + 1e-6) + 1) / (self.shades + 1), 1.0)

    def count(self, moment: Moment, scale: float) -> int:
        """How many pictures there are of a moment in which something moves, at so many pixels a point."""
        length = moment.end - moment.begin
        far = scale * moment.motion.most * length / moment.motion.seconds
        wanted = math.ceil(far / self.jump) if self.jump else 0
        return max(round(length * self.rate), min(wanted, int(length * self.most + 1e-6)), 1)


def instants(moment: Moment, pace: Pace, scale: float) -> Iterator[tuple[float, float]]:
    """When pictures of a moment are taken, in seconds of its step, and how long each is seen; of one at rest, one, but
    for the colours that come at its beginning.
    """

    def on_tick(second: float) -> float:
        return round(second / pace.tick) * pace.tick if pace.tick else second

    begin = on_tick(moment.begin)
    if moment.rests:
        shades = pace.shades if moment.lights and moment.end - begin > 2 * FADE else 0
        for i in range(shades):
            yield FADE * i / shades, FADE / shades
        yield (FADE if shades else moment.begin), moment.end - begin - (FADE if shades else 0.0)
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
