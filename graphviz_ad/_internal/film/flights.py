"""Film -> its flights: which number moves at the beginning of a step, along which curve, and what it becomes.

A value goes from its box along the arrow to where it is used. Backward, the upstream gradient and the local derivative
meet where their product is then written, the product goes on to the tail, and several of them meet in their sum. What a
number becomes is seen when it has come. Everything is where it is drawn in the stage, in points; a renderer only shows
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.scene import paint
from graphviz_ad._internal.scene.canvas import Mark, Rect
from graphviz_ad._internal.scene.curves import Chain, along, cut_near, joined, path_length, straight
from graphviz_ad._internal.scene.scene import Arrow, Box, Change, Film, Line, Move, Point, Step, with_new_texts

LEG, HOLD, GAP = 0.4, 0.1, 3.0  # seconds of a way, and in which two factors stand together; points between these
SOON, SLOWEST = 192.0, 1.5  # pixels of a way that take so long, and how many times as long those take that are longer
PACE, HOP = SOON / LEG, 60.0  # pixels a second, faster than which nothing goes, and those that are left out at least
SLACK = 0.05  # of that, which is not worth a hop
FADED, FADING = 0.1, 0.1  # of the time of a way: about its middle, where what hops is unseen, and in which it fades
RAMP = 0.2  # of the time of a way, in which it begins, and in which it ends; it is even in between
FASTEST = 1 / (1 - RAMP)  # times as fast as on the average
SHARE, SHORTEST = 0.8, 0.08  # of a step, the most that moves; seconds, less cannot be seen
WIDEST, HIGHEST, MOST_MARKS = 260.0, 130.0, 60  # points and marks of what moves; a larger tensor stays where it is
MOST_FLIGHTS, MOST_BOXES = 16, 200  # in a step, and on a stage: of more than that, nobody sees one
PAD_X, PAD_Y, RADIUS, BORDER = 5.0, 1.5, 7.0, 1.4  # points: around a number on its way
BORDERS = {"value": "value.line", "local": "edge", "tangent": "path.3", "direction": "path.3", "forward": "path.3"}

Place = tuple[str, str]  # the key of a box or an arrow, and of a line there
Parts = Mapping[str, Box | Arrow]


@dataclass(frozen=True)
class Flight:
    """A line that moves: its middle along ``path``, from ``begin`` to ``end``, where it stays to ``until``; these are
    shares of the step's motion. ``source`` is the line of the picture that says the same, if there is one; ``becomes``
    is what is seen in its place from ``until`` on. Of a way that is too long for the eye, ``spared`` shares at its ends
    are left out, of no more than ``inside`` points, which lie in boxes; if need be, the share ``hop`` in its middle. It
    comes up and fades there.
    """

    line: Line
    path: Chain
    begin: float
    end: float
    until: float
    becomes: tuple[Place, ...] = ()
    source: Place | None = None
    inside: tuple[float, float] = (0.0, 0.0)
    spared: tuple[float, float] = (0.0, 0.0)
    hop: float = 0.0

    def time(self, time: float) -> float:
        """The share of the time of its way."""
        return min(max((time - self.begin) / (self.end - self.begin), 0.0), 1.0)

    def share(self, time: float) -> float:
        """How much of its way lies behind it; it starts and ends slowly."""
        t, (before, behind) = self.time(time), self.spared
        gone = 1 - before - behind - self.hop
        return before + gone * eased(t) if t < 0.5 else 1 - behind - gone * eased(1 - t)

    @property
    def fades(self) -> bool:
        """Whether it is ever seen in part."""
        return bool(self.hop or any(self.spared))

    def opacity(self, time: float) -> float:
        """How much it hides of what is behind it: all, but where it comes up or fades."""
        t, (before, behind) = self.time(time), self.spared
        from_ends = [abs(t - 0.5) - FADED] * bool(self.hop) + [t] * bool(before) + [1 - t] * bool(behind)
        return min(max(min(from_ends, default=1.0) / FADING, 0.0), 1.0)

    def middles(self, times: Iterable[float]) -> list[Point]:
        """Where its middle is at these times."""
        return along(self.path, map(self.share, times))

    def seen(self, time: float) -> bool:
        """Whether it is there at a time."""
        return self.begin <= time < self.until

    @property
    def most(self) -> float:
        """How far it goes, in points, in a share of the motion, where it is fastest, if that were all of it."""
        return FASTEST * (1 - self.hop - sum(self.spared)) * path_length(self.path) / (self.end - self.begin)


def eased(t: float) -> float:
    """How much of a way is behind after a share of its time up to a half."""
    return t * t / (2 * RAMP * (1 - RAMP)) if t < RAMP else (t - RAMP / 2) / (1 - RAMP)


@dataclass(frozen=True)
class Motion:
    """What moves at the beginning of a step, and for how many seconds."""

    seconds: float = 0.0
    flights: tuple[Flight, ...] = ()

    @property
    def landings(self) -> dict[Place, float]:
        """The lines that say what they said before, each until which time."""
        found: dict[Place, float] = {}
        for flight in self.flights:
            for place in flight.becomes:
                found[place] = max(found.get(place, 0.0), flight.until)
        return found

    @property
    def most(self) -> float:
        """The same of what is fastest in it."""
        return max((flight.most for flight in self.flights), default=0.0)


REST = Motion()


def motions(film: Film) -> Iterator[Motion]:
    """What moves in each step of a film, in order."""
    if not film.motion or len(film.stage.boxes) > MOST_BOXES:
        yield from (REST for _ in film.steps)
        return
    drawn: list[Box | Arrow] = [*film.stage.arrows, *film.stage.boxes]
    parts = {part.key: part for part in drawn}
    change_texts(parts, film.opening)
    for index, step in enumerate(film.steps):
        change_texts(parts, step.changes)
        scale = film.fit(film.view(index))[0]
        yield timed(list(flights_of(step, parts)), film.seconds(index) - film.leaving(index), film.speed, scale)


def flights(film: Film, index: int) -> tuple[Flight, ...]:
    """What moves in one step."""
    return list(motions(film))[index].flights


def change_texts(parts: dict[str, Box | Arrow], changes: Iterable[Change]) -> None:
    """Let the parts say what they say after the changes."""
    for change in changes:
        part = parts.get(change.key)
        if part is not None and change.texts:
            parts[change.key] = replace(part, lines=with_new_texts(part.lines, dict(change.texts)))


def timed(found: Sequence[Flight], dwell: float, speed: float, scale: float) -> Motion:
    """Flights whose times are seconds as shares of a motion that leaves time to look at what has become of it; what
    goes far on a frame, with so many pixels a point, takes longer, and what would still be too fast hops.
    """
    if not 0 < len(found) <= MOST_FLIGHTS:
        return REST
    length = max(flight.until for flight in found)
    far = scale * max(path_length(flight.path) for flight in found)
    slower = min(max(far / SOON, 1.0), SLOWEST)
    seconds = min(slower * length / speed, SHARE * dwell)
    if seconds < SHORTEST:
        return REST
    return Motion(seconds, tuple(slowed(shared(one, length), seconds, scale) for one in found))


def shared(flight: Flight, length: float) -> Flight:
    """The flight with its seconds as shares of that length."""
    return replace(flight, begin=flight.begin / length, end=flight.end / length, until=flight.until / length)


def slowed(flight: Flight, seconds: float, scale: float) -> Flight:
    """The flight, no faster than the eye follows: of a longer way, what lies in boxes is left out, or its middle."""
    way, most = scale * path_length(flight.path), PACE * seconds * (flight.end - flight.begin)
    if way <= most:
        return flight
    spare = scale * sum(flight.inside)
    part = min((way - most) / spare, 1.0) if spare else 0.0
    before, behind = (part * scale * length / way for length in flight.inside)
    rest = way - part * spare
    hop = max(rest - most, HOP) / way if rest > most * (1 + SLACK) else 0.0
    return replace(flight, spared=(before, behind), hop=min(hop, rest / way))


# --- one step, times in seconds


@dataclass(frozen=True)
class Stretch:
    """An arrow with the boxes at its ends, as they are after a step, and which texts the step has changed."""

    arrow: Arrow
    tail: Box
    head: Box
    news: Mapping[str, Change] = field(default_factory=dict)

    def news_of(self, key: str) -> tuple[Place, ...]:
        """The lines of a part that say something new."""
        return tuple(dict.fromkeys((key, line) for line, _ in self.news[key].texts)) if key in self.news else ()

    def is_new(self, part: Box | Arrow, line: str) -> bool:
        """Whether a line of a part says something new, which cannot go on from there in the same step."""
        return (part.key, line) in self.news_of(part.key)


def flights_of(step: Step, parts: Parts) -> Iterator[Flight]:
    """What moves in a step; ``parts`` are as they are after it."""
    news: dict[str, Change] = {}
    for change in step.changes:
        if change.texts:
            known = news[change.key].texts if change.key in news else ()
            news[change.key] = replace(change, texts=(*known, *change.texts))
    for move in step.moves:
        arrow = parts.get(move.arrow)
        if not isinstance(arrow, Arrow) or len(arrow.path) < 4:
            continue
        tail, head = parts.get(arrow.tail), parts.get(arrow.head)
        if isinstance(tail, Box) and isinstance(head, Box):
            yield from KINDS[move.what](move, Stretch(arrow, tail, head, news))


def values(move: Move, here: Stretch) -> Iterator[Flight]:
    """A value goes along the arrow and becomes, with the others, the result."""
    line, start = line_and_middle(here.tail, move.line)
    end = middle_of_news(here.head, here, here.arrow.path[-1])
    if line is not None and not here.is_new(here.tail, move.line):
        path = joined(straight(start, here.arrow.path[0]), here.arrow.path, straight(here.arrow.path[-1], end))
        becomes = here.news_of(here.head.key)
        inside = math.dist(start, here.arrow.path[0]), math.dist(here.arrow.path[-1], end)
        yield Flight(line, path, 0.0, LEG, LEG, becomes, (here.tail.key, move.line), inside)


def products(move: Move, here: Stretch) -> Iterator[Flight]:
    """The factors meet where their product is written, and it goes on to the tail if it does not wait for others."""
    product, meeting = line_and_middle(here.arrow, "contribution")
    if here.is_new(here.head, "gradient"):
        return
    if product is None:
        yield from arrivals(move, here)
        return
    written = tuple(place for place in here.news_of(here.arrow.key) if place[1] != "local")
    waits = is_waiting(here)
    if waits:
        written += here.news_of(here.tail.key)
    factors = list(factors_meeting(move, here, meeting, written))
    yield from factors
    if not waits:
        begin = max((one.until for one in factors), default=0.0)
        path, inside = way_to_goal(move, here, meeting)
        becomes = here.news_of(here.tail.key)
        yield Flight(product, path, begin, begin + LEG, begin + LEG, becomes, (here.arrow.key, product.key), inside)


def factors_meeting(move: Move, here: Stretch, meeting: Point, written: tuple[Place, ...]) -> Iterator[Flight]:
    """The upstream gradient comes along the arrow, the local derivative from where it is written, and they stand side
    by side for a moment; of what is no product of two numbers, what came from upstream.
    """
    own, at = line_and_middle(here.head, "gradient")
    if own is None or sum(line.role == "gradient" for line in here.head.lines) > 1:  # of one tensor, in one line
        own, at = None, here.arrow.path[-1]
    local, local_at = line_and_middle(here.arrow, "local")
    if move.factors and local is not None:
        upstream, factor = Line("contribution", move.factors[0]), Line("local", move.factors[1])
        wide = [chip_size(line)[0] for line in (upstream, factor)]
        left = meeting[0] - (sum(wide) + GAP) / 2
        ends = [(left + wide[0] / 2, meeting[1]), (left + wide[0] + GAP + wide[1] / 2, meeting[1])]
        if fits(upstream) and fits(factor):
            begin = at if own is None else place_of_number(own, at, upstream)
            inside = math.dist(begin, here.arrow.path[-1]), 0.0
            yield Flight(upstream, way_to_label(here, begin, ends[0]), 0.0, LEG, LEG + HOLD, written, None, inside)
            way = straight(place_of_number(local, local_at, factor), ends[1])
            yield Flight(factor, way, 0.0, LEG, LEG + HOLD, written)
    elif own is not None:
        way, inside = way_to_label(here, at, meeting), (math.dist(at, here.arrow.path[-1]), 0.0)
        yield Flight(own, way, 0.0, LEG, LEG, written, (here.head.key, own.key), inside)


def place_of_number(line: Line, middle: Point, number: Line) -> Point:
    """Where the number is that a line ends with, on its plate, which hides nothing of what stands before it."""
    if line.drawn is not None:
        return middle
    if line.stacked is not None:
        return middle[0] + paint.begin_of_rest(line) - BORDER + chip_size(number)[0] / 2, middle[1]
    aside = (paint.line_size(line)[0] - paint.line_size(number)[0]) / 2
    return middle[0] + max(aside, 0.0) + PAD_X / 2, middle[1]


def arrivals(move: Move, here: Stretch) -> Iterator[Flight]:
    """Where an arrow does not say what flows along it, the gradient of the tail comes out of the head, if it waits for
    nothing else.
    """
    line, end = line_and_middle(here.tail, move.line)
    if any(other.role == "gradient" and other.kind == "spread" for other in here.tail.lines):
        return
    if line is not None and not is_waiting(here) and (here.tail.key, move.line) in here.news_of(here.tail.key):
        path = joined(here.arrow.path[::-1], straight(here.arrow.path[0], end))
        inside = 0.0, math.dist(here.arrow.path[0], end)
        yield Flight(line, path, 0.0, LEG, LEG, here.news_of(here.tail.key), (here.tail.key, move.line), inside)


def terms(move: Move, here: Stretch) -> Iterator[Flight]:
    """A contribution goes from where it is written to the tail, where it becomes, with the others, their sum."""
    line, start = line_and_middle(here.arrow, "contribution")
    if line is not None and not here.is_new(here.arrow, line.key):
        path, inside = way_to_goal(move, here, start)
        becomes = here.news_of(here.tail.key)
        yield Flight(line, path, 0.0, LEG, LEG, becomes, (here.arrow.key, line.key), inside)


def tangents(move: Move, here: Stretch) -> Iterator[Flight]:
    """What the tail's tangent brings goes on to the head, where it becomes, with the others, its tangent."""
    line, start = line_and_middle(here.arrow, "forward")
    end = paint.middles_of_lines(here.head).get(move.line, here.arrow.path[-1])
    if line is not None:
        way = cut_near(here.arrow.path, start)[1]
        path = joined(straight(start, way[0]), way, straight(way[-1], end))
        inside = 0.0, math.dist(way[-1], end)
        yield Flight(line, path, 0.0, LEG, LEG, here.news_of(here.head.key), (here.arrow.key, line.key), inside)


KINDS = {"value": values, "product": products, "term": terms, "tangent": tangents}


def is_waiting(here: Stretch) -> bool:
    """Whether the tail waits for more than has come."""
    change = here.news.get(here.tail.key)
    return change is None or change.emphasis == "waiting"


def line_and_middle(part: Box | Arrow, key: str) -> tuple[Line | None, Point]:
    """A line of a part that can move, and where its middle is; None where there is none that says anything."""
    line = next((line for line in part.lines if line.key == key and line.text and fits(line)), None)
    return line, paint.middles_of_lines(part).get(key, (0.0, 0.0))


def middle_of_news(part: Box, here: Stretch, otherwise: Point) -> Point:
    """Where the first line of a part is that says something new."""
    places = paint.middles_of_lines(part)
    return next((places[line] for _, line in here.news_of(part.key) if line in places), otherwise)


def goal(move: Move, here: Stretch) -> Point:
    """Where at the tail the number then stands."""
    return paint.middles_of_lines(here.tail).get(move.line, here.arrow.path[0])


def way_to_goal(move: Move, here: Stretch, start: Point) -> tuple[Chain, Point]:
    """From the label of an arrow along it to where the number then stands, and how much of that lies in boxes."""
    end = goal(move, here)
    path = joined(way_to_tail(here, start), straight(here.arrow.path[0], end))
    return path, (0.0, math.dist(here.arrow.path[0], end))


def way_to_tail(here: Stretch, start: Point) -> Chain:
    """From the label of an arrow along it to its tail."""
    before, _ = cut_near(here.arrow.path, start)
    return joined(straight(start, before[-1]), before[::-1])


def way_to_label(here: Stretch, start: Point, end: Point) -> Chain:
    """From the head of an arrow along it to its label."""
    _, behind = cut_near(here.arrow.path, end)
    return joined(straight(start, behind[-1]), behind[::-1], straight(behind[0], end))


# --- what is seen of it


def fits(line: Line) -> bool:
    """Whether a line is small enough to move."""
    wide, high = paint.line_size(line)
    cells = sum(map(len, line.drawn.shades)) if line.drawn is not None else 0
    return wide <= WIDEST and high <= HIGHEST and 2 * cells <= MOST_MARKS and line.role != "trails"


def chip_size(line: Line) -> Point:
    """Width and height of a number on its way, in points."""
    wide, high = paint.line_size(line)
    return wide + 2 * PAD_X, high + 2 * PAD_Y


def border_of(line: Line) -> str:
    """The colour of the plate's border."""
    return BORDERS.get(line.role, "gradient.line")


def chip_marks(line: Line) -> list[Mark]:
    """A number on its way, about its middle: a little plate, on which it can be read wherever it is."""
    (wide, high), (room, height) = chip_size(line), paint.line_size(line)
    corner = min(RADIUS, high / 2)
    plate = Rect(-wide / 2, -high / 2, wide, high, corner, "paper", border_of(line), BORDER, part="chip")
    return [plate, *paint.line_marks(line, (-room / 2, room / 2), -height / 2, "")]


def moving_marks(seen: Iterable[Flight], time: float, fit: tuple[float, float, float]) -> Iterator[Mark]:
    """The numbers that are on their way at a time, where they are; ``fit`` is that of the stage in a frame."""
    for flight in seen:
        if flight.seen(time) and flight.opacity(time) > 0:
            (x, y), scale = flight.middles([time])[0], fit[0]
            yield from paint.moved_marks(chip_marks(flight.line), scale, x * scale + fit[1], y * scale + fit[2])
