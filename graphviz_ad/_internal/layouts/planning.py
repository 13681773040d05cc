"""Ways to draw a graph + a place -> the one whose letters can be read there, placed, and what it leaves out.

Levels of detail are tried from the finest, and on each the ways to draw it from that which says most; the first that
can be read is taken, of several ways to place it the one with the largest letters. Elements of tensors are left out
only where no line of the program can be read with them. What cannot have room by its area is not placed at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import accumulate, chain
from typing import Any

from graphviz_ad._internal.layouts.layered import place_tightly
from graphviz_ad._internal.layouts.lines_chosen import far_arrows, lines_may_lead_from, with_lines
from graphviz_ad._internal.layouts.margins import MARGIN
from graphviz_ad._internal.layouts.overlaps import Overlaps, overlaps
from graphviz_ad._internal.layouts.reading_rows import (
    LEAVES_AHEAD,
    LEAVES_APART,
    LEAVES_BESIDE,
    Leaves,
    in_reading_rows,
    turned_as_well,
)
from graphviz_ad._internal.layouts.row_starts import rows_with_starts
from graphviz_ad._internal.layouts.row_wrapping import Rows, Strip, best_rows_of
from graphviz_ad._internal.maths.number_format import DIGITS
from graphviz_ad._internal.scene.leaf_copies import with_copies
from graphviz_ad._internal.scene.letter_sizes import letter_sizes, smallest_and_median
from graphviz_ad._internal.scene.paint import foot_height
from graphviz_ad._internal.scene.place import TRIM, Place
from graphviz_ad._internal.scene.scene import Point, Scene
from graphviz_ad._internal.scene.scene_building import with_grids_abreast

# what a crossing costs, one of a line between rows, and an arrow as long as the diagonal
CROSSING, OF_LINE, LENGTH = 0.06, 0.035, 0.6
LONG, LONGEST = 0.4, 1.0  # shares of the diagonal of the place: where an arrow is long, and longer than any may be
LONGEST_TURN = 1.5  # the same of one that turns between rows, where nearly every arrow leads to the next box
EASY = 0.8  # what a picture must have to be taken at once
LIKELY = 6  # trials that are looked at where none can be read
# what a picture is worth in which leaves are drawn again, rows are connected by arrows, begin with copies, or are
# read like text, with leaves beside what uses them, some ahead of it, or apart; and how much more it is where one arrow
# leads from row to row, and where all that lead far and matter are lines, and none begins at a small box
COPIED, CONNECTED, BEGUN, READ, AHEAD, APART, TURNED, LINED = 0.97, 0.93, 0.9, 0.85, 0.83, 0.8, 1.02, 1.5
# of what most letters of a graph that is too large to be drawn as it stands need otherwise, where lines are drawn; the
# smallest need as much as ever
FOR_LINES = 0.9
HOPEFUL = 0.9  # share of the scale that is needed, from which on lines are tried, which may need less room
MOSTLY_EMPTY, LARGER = 0.65, 1.15  # share of a place that a picture takes, and how much larger another is then
ENOUGH = 1.25  # times what can be read: larger letters are no better
FULL = 4  # manners in which nothing is missing that is not in the picture elsewhere
FAR = 1.5  # times as large letters, and there would still be no room; no manner saves half of the room
NEARLY = 0.9  # of what can be read: what is below that in the manner that says least, is not reached in any other
GAP = 4.0  # points between two boxes at least, however they are placed
DENSEST = 0.9  # share of a place that boxes and words may take


@dataclass(frozen=True)
class Manner:
    """What is written: local derivatives with names or as factors; what flows back everywhere or only where it is not
    a whole gradient; numbers of so many digits; signs in circles; more of a big tensor than its shape; the
    elements of values, gradients and what flows back along edges as grids, those of gradients set small; ``examples``
    of how elements move, in numbers; ``images`` of what is not written; a legend, headings of values, and that data has
    no gradient; modules ``framed``, or with their path in each name; ``facts``: what a module keeps and how much is
    in it; ``flows``: what flows back along an arrow.
    """

    named: bool = True
    signs: bool = True
    single: bool = True
    digits: int = DIGITS
    local: bool = True
    statistics: bool = True
    on_edges: bool = True
    of_gradients: bool = True
    of_values: bool = True
    small_gradients: bool = False
    examples: bool = True
    images: bool = True
    legend: bool = True
    framed: bool = True
    facts: bool = True
    flows: bool = True


WHOLE = (Manner(), Manner(named=False), Manner(named=False, signs=False))  # nothing is left out of them
BRIEF = Manner(named=False, signs=False, single=False)
LESS: tuple[Mapping[str, Any], ...] = (
    {"on_edges": False},
    {"digits": 3},
    {"local": False},
    {"statistics": False},
    {"examples": False},
    {"digits": 2},
    {"legend": False},
    {"small_gradients": True},
    {"of_gradients": False},
    {"of_values": False},
    {"images": False},
)
LESS_FOLDED: tuple[Mapping[str, Any], ...] = ({"framed": False}, *LESS, {"facts": False}, {"flows": False})


def from_most(less: Sequence[Mapping[str, Any]]) -> tuple[Manner, ...]:
    """The manners from the one that says most; each has one thing less than the one before."""
    return (*WHOLE, *accumulate(less, lambda manner, without: replace(manner, **without), initial=BRIEF))


MANNERS, MANNERS_FOLDED = from_most(LESS), from_most(LESS_FOLDED)
# for readers who want few lines
BRIEFEST, BRIEFEST_FOLDED = [each[each.index(BRIEF) + 1 :] for each in (MANNERS, MANNERS_FOLDED)]
OF_PROGRAM = 2  # levels, the finest, that show each step: tried with all that matters before any is without

ENOUGH_DIGITS = 3  # of a number on an arrow

Build = Callable[[Manner], Scene]
Engine = Callable[[Scene], Scene]

Way = str
ONE_PIECE, IN_ROWS, AS_READ = "one piece", "rows", "as text is read"
DRAWN = (ONE_PIECE, IN_ROWS)  # by an engine, with all arrows or most
WAYS = (*DRAWN, AS_READ)
# at most
WORTH: Mapping[Way, float] = {ONE_PIECE: 1.0, IN_ROWS: max(CONNECTED, BEGUN * TURNED), AS_READ: READ * TURNED * LINED}
NO_SIZE = (1.0, 1.0)


@dataclass(frozen=True)
class Plan:
    """What was chosen: the placed scene, in which manner, on which level, and with which scale."""

    scene: Scene
    manner: Manner
    level: int
    scale: float


def best_plan(
    builds: Sequence[Build],
    place: Place,
    flows: Sequence[str] = ("LR", "TB"),
    manners: Sequence[Manner] = MANNERS,
    engine: Engine | None = None,
    ways: Sequence[Way] = WAYS,
    *,
    turning: bool = False,
) -> Plan:
    """The plan of the finest level that can be read in the place; the best of all where none can.

    ``builds`` make the scene of each level, finest first, in a given manner; ``engine`` places scenes, None chooses.
    ``turning``: an arrow leads from row to row wherever one can, and not only where that costs nothing.
    """
    allowed_ways = [way for way in ways if engine is None or way in DRAWN]
    bench = Bench(builds, place, flows, engine or place_tightly, allowed_ways, manners[-1], turning=turning)
    for levels, allowed in stages(len(builds), manners):
        for level in levels:
            if not bench.is_hopeless(level):
                found = first_readable(bench, level, allowed)
                if found is not None:
                    return chosen(found)
    return chosen(bench.likeliest())


def stages(count: int, manners: Sequence[Manner]) -> Iterator[tuple[range, Sequence[Manner]]]:
    """Which levels are tried in which manners: first those with local derivatives and enough digits, then those with
    all elements of what they show at all.
    """
    if count > OF_PROGRAM:
        shown = [manner for manner in manners if manner.of_values]
        whole = [manner for manner in shown if manner.of_gradients]
        exact = [manner for manner in whole if manner.digits >= ENOUGH_DIGITS]
        for allowed in ([manner for manner in exact if manner.local], exact, whole, shown):
            yield from [(range(OF_PROGRAM), allowed)] if allowed else []
    yield range(count), manners


def first_readable(bench: Bench, level: int, manners: Sequence[Manner]) -> Trial | None:
    """The first way to draw a level in which it can be read, and is easy to follow."""
    if not bench.sheet(level, manners[-1]).has_room:  # it says least
        return None
    for group in attempts(manners, bench.ways):
        hopeful: dict[Way, Sequence[Manner]] = {}
        for manner, way in group:
            if way not in hopeful:
                hopeful[way] = since_readable(bench, level, way, [manner for manner, w in group if w == way])
            if manner in hopeful[way]:
                best = best_of(bench.sheet(level, manner).readable(way), bench.place, EASY)
                if best is not None:
                    return larger(joined(best, bench), bench)
    return None


def larger(found: Trial, bench: Bench) -> Trial:
    """A trial of a graph with folds, or one that says the same in much larger letters where it leaves most of the
    place empty.
    """
    if not bench.turning or found.filled > MOSTLY_EMPTY:
        return found
    readable = [
        trial for way in bench.ways for trial in found.sheet.readable(way) if trial.scale > LARGER * found.scale
    ]
    others = [each for each in readable if each.interrupted <= found.interrupted and each.copies <= found.copies]
    return best_of(others, bench.place, EASY) or found


def joined(found: Trial, bench: Bench) -> Trial:
    """A trial, or one that says the same with lines where in this arrows begin at small boxes, if that can be read and
    has no more of these.
    """
    if not found.interrupted or AS_READ not in bench.ways:
        return found
    lined = [
        trial
        for trial in found.sheet.readable(AS_READ)
        if trial.interrupted < found.interrupted and trial.copies <= found.copies
    ]
    return best_of(lined, bench.place, EASY) or found


def since_readable(bench: Bench, level: int, way: Way, manners: Sequence[Manner]) -> Sequence[Manner]:
    """The manners from the first that can be read in some way: those behind it say less, and can be, too; so that
    none is looked for where that which says least of all is far from it.
    """
    low, high = 0, len(manners)
    if len(manners) > 1 and (not bench.sheet(level, manners[-1]).has_room or bench.is_out_of_reach(level, way)):
        return ()
    probe = high - 1  # the last first, as often none can be read
    while low < high:
        if bench.sheet(level, manners[probe]).can_be_read(way):
            high = probe
        else:
            low = probe + 1
        probe = (low + high) // 2
    return manners[low:]


def attempts(manners: Sequence[Manner], ways: Sequence[Way]) -> Iterator[list[tuple[Manner, Way]]]:
    """The manners in the order in which they are tried, and the ways to place each: those with few arrows come before
    what a reader would miss, and after what boxes say, too. In groups: where the last cannot be read in some way, none
    of its group can.
    """
    gentle = [manner for manner in manners if manner.local and manner.digits >= ENOUGH_DIGITS]
    quiet = [manner for manner in gentle if not manner.single] or gentle
    along = [way for way in ways if way in DRAWN]
    yield [(manner, ONE_PIECE) for manner in gentle[:1]]
    yield [
        *((manner, way) for way in along for manner in gentle[:FULL]),
        *((manner, way) for manner in gentle[FULL:] for way in along),
    ]
    yield [(manner, AS_READ) for manner in quiet if AS_READ in ways]
    yield [(manner, way) for manner in manners if manner not in gentle for way in ways]


def chosen(trial: Trial) -> Plan:
    """The plan of a trial."""
    return Plan(trial.rows.settled(), trial.sheet.manner, trial.sheet.level, trial.scale)


def best_of(found: Sequence[Trial], place: Place, easy: float) -> Trial | None:
    """The best trial of those that are so easy to follow; they are looked at in the order of what may be hoped of
    them, and no more of them than need be.
    """
    best, score = None, 0.0
    for trial in sorted(found, key=lambda trial: -trial.hope):
        if trial.hope <= score:
            break
        now = ease(trial, place, trial.seen)
        if now >= easy and trial.hope * now > score:
            best, score = trial, trial.hope * now
    return best


class Bench:
    """What has been drawn and placed so far, so that nothing is made twice."""

    def __init__(
        self,
        builds: Sequence[Build],
        place: Place,
        flows: Sequence[str],
        engine: Engine,
        ways: Sequence[Way],
        least: Manner,
        *,
        turning: bool,
    ) -> None:
        self.builds, self.place, self.flows, self.engine, self.ways = builds, place, flows, engine, ways
        self.least, self.turning = least, turning
        self.sheets: dict[tuple[int, Manner], Sheet] = {}

    def sheet(self, level: int, manner: Manner) -> Sheet:
        """A level in a manner; the sheet of an earlier manner or level where that looks the same."""
        key = level, manner
        if key not in self.sheets:
            scene = self.builds[level](manner)
            bare = replace(scene, notes=(), more=())
            same = next((each for each in self.sheets.values() if replace(each.scene, notes=(), more=()) == bare), None)
            self.sheets[key] = same or Sheet(scene, self, level, manner)
        return self.sheets[key]

    def is_hopeless(self, level: int) -> bool:
        """Whether a level takes far too much room even in the manner that says least: no other is described then.
        Of several levels, that is, for one alone is seldom looked at in vain.
        """
        if len(self.builds) == 1:
            return False
        return FAR * largest_scale(self.sheet(level, self.least).scene, self.place) < self.place.readable

    def is_out_of_reach(self, level: int, way: Way) -> bool:
        """Whether a level is far from what can be read in that way even in the manner that says least. What says more
        may be placed a little better by chance. Of graphs without folds too few manners are tried for that to pay.
        """
        sheet = self.sheet(level, self.least)
        if not self.turning or not sheet.has_room or sheet.can_be_read(way):
            return False
        return max((trial.scale for trial in sheet.trials(way)), default=0.0) < NEARLY * sheet.needed

    def likeliest(self) -> Trial:
        """The best trial of all levels in the manner that says least, where none can be read."""
        sheets = [self.sheet(level, self.least) for level in range(len(self.builds))]
        tried: dict[tuple[int, int], list[Trial]] = {}
        for level in sorted(range(len(sheets)), key=lambda level: -largest_scale(sheets[level].scene, self.place)):
            for number, way in enumerate(self.ways):
                if sheets[level].may_reach(way, self.beaten_by(tried)):
                    tried[level, number] = sheets[level].trials(way, roomy=True)
        likely = likeliest_of(tried)
        return best_of(likely, self.place, 0.0) or likely[0]

    def beaten_by(self, tried: Mapping[tuple[int, int], Sequence[Trial]]) -> float:
        """What must be hoped of a trial that may be taken instead of all these."""
        likely = likeliest_of(tried)
        best = best_of(likely, self.place, 0.0)
        score = best.hope * ease(best, self.place, best.seen) if best is not None else 0.0
        return max(score, likely[-1].hope) if len(likely) == LIKELY else score


class Sheet:
    """A level of detail in a manner: its scene, and the ways to place it that were looked at."""

    def __init__(self, scene: Scene, bench: Bench, level: int, manner: Manner) -> None:
        self.scene, self.bench, self.level, self.manner = scene, bench, level, manner
        smallest, usual = smallest_and_median(letter_sizes(scene))
        self.needed = bench.place.readable_with(smallest, usual)
        self.needed_with_lines = bench.place.readable_with(smallest, usual / (FOR_LINES if bench.turning else 1.0))
        self.has_room = largest_scale(scene, bench.place) >= self.needed_with_lines
        self.tried: dict[Way, list[Trial]] = {}
        self.others: dict[Way, Iterator[Trial]] = {}  # which were not placed yet

    def trials(self, way: Way, *, roomy: bool = False) -> list[Trial]:
        """The scene, placed in that way; none where it cannot be read anyway, if not all are asked for."""
        if not self.has_room and not roomy:
            return []
        for _ in self.next_trials(way):
            pass
        return self.tried[way]

    def next_trials(self, way: Way) -> Iterator[Trial]:
        """Further trials in that way."""
        if way not in self.tried:
            self.tried[way], self.others[way] = [], self.made_trials(way)
        for trial in self.others[way]:
            self.tried[way].append(trial)
            yield trial

    def made_trials(self, way: Way) -> Iterator[Trial]:
        """The scene, placed in that way, one after the other."""
        for rows, scale, worth in self.placed(way):
            yield Trial(self, rows, scale, worth * min(scale, ENOUGH * self.needed))

    def can_be_read(self, way: Way) -> bool:
        """Whether one of them can be; no more are placed than tell that."""
        known = self.tried.get(way, ())
        more = self.next_trials(way) if self.has_room else ()
        return self.has_room and any(trial.is_readable for trial in chain(known, more))

    def may_reach(self, way: Way, hope: float) -> bool:
        """Whether a trial in that way may be as good: nothing is placed where its boxes alone take too much room."""
        scale = hope / WORTH[way] * (1 - 1e-9)
        return scale <= ENOUGH * self.needed and has_room_at(self.scene, scale, self.bench.place)

    def readable(self, way: Way) -> list[Trial]:
        """Those of them whose letters are large enough."""
        return [trial for trial in self.trials(way) if trial.is_readable]

    def placed(self, way: Way) -> Iterator[tuple[Rows, float, float]]:
        """Rows, their scale in the place, and what they are worth."""
        if way == AS_READ:
            yield from self.as_read()
            return
        for drawn, worth in self.variants:
            for flow in self.bench.flows:
                whole = self.whole(drawn, flow)
                if way == ONE_PIECE:
                    yield Rows(whole, whole.size or NO_SIZE), self.scale(whole, whole.size or NO_SIZE), worth
                    continue
                for rows, less in in_rows(whole, partial(self.scale, whole), turning=self.bench.turning):
                    yield rows, self.scale(rows.scene, rows.size), worth * less

    def as_read(self) -> Iterator[tuple[Rows, float, float]]:
        """The scene in rows as text is read, its leaves beside what uses them first or alone, or some ahead of
        it, or apart.
        """
        copied = with_copies(self.scene)
        for drawn in [copied, self.scene] if copied is not self.scene else [copied]:
            yield from self.read_with(drawn, LEAVES_BESIDE, READ)
        yield from self.read_with(self.scene, LEAVES_AHEAD, AHEAD)
        yield from self.read_with(self.scene, LEAVES_APART, APART)

    def read_with(self, drawn: Scene, leaves: Leaves, worth: float) -> Iterator[tuple[Rows, float, float]]:
        """A scene whose leaves stand so, in each direction."""
        for flow in self.bench.flows:
            for rows, more in self.read(replace(drawn, direction=flow), leaves=leaves):
                yield rows, self.scale(rows.scene, rows.size), worth * more

    def read(self, drawn: Scene, *, leaves: Leaves) -> Iterator[tuple[Rows, float]]:
        """A scene in rows as text is read, with how much more some are worth than others: most where what leads far are
        lines, or nothing does.
        """
        turning = self.bench.turning
        rows = in_reading_rows(drawn, self.scale, leaves=leaves, turning=turning)
        if rows is None:
            return
        turned = None if turning else turned_as_well(drawn, rows, leaves=leaves)
        far = far_arrows(drawn, leaves=leaves, from_leaves=turning)
        count = len(far.lined) + far.others
        whole = 1.0 if count else LINED  # nothing that matters begins at a small box
        yield from ((each, whole * more) for each, more in ((rows, 1.0), (turned, TURNED)) if each is not None)
        if far.lined and self.scale(rows.scene, rows.size) >= HOPEFUL * self.needed:
            least = self.needed_with_lines
            lined = with_lines(drawn, self.scale, leaves=leaves, lined=far.lined, least=least)
            if lined is not None:
                yield lined, 1.0 + (LINED - 1.0) * len(lined.lines) / count

    @cached_property
    def variants(self) -> list[tuple[Scene, float]]:
        """The scene in each way that its leaves and grids may be arranged, and what it is worth."""
        return variants(self.scene)

    @cached_property
    def engines(self) -> dict[tuple[int, str], Scene]:
        """Which variants were placed in which direction."""
        return {}

    def whole(self, drawn: Scene, flow: str) -> Scene:
        """A variant in one piece."""
        key = id(drawn), flow
        if key not in self.engines:
            self.engines[key] = self.bench.engine(replace(drawn, direction=flow))
        return self.engines[key]

    def scale(self, scene: Scene, size: Point) -> float:
        """How large a scene of that size is in the place, with its legend and notes."""
        return self.bench.place.scale(whole_size(scene, size, self.bench.place))


@dataclass(frozen=True)
class Trial:
    """A placed scene in some rows, with the scale of it in its place; ``hope`` is how good it is if nothing is in the
    way of anything.
    """

    sheet: Sheet
    rows: Rows
    scale: float
    hope: float

    @cached_property
    def seen(self) -> Overlaps:
        """What is in the way of what in it."""
        return overlaps(self.rows.settled(), (*self.rows.turned, *self.rows.lines))

    @cached_property
    def interrupted(self) -> int:
        """How many arrows begin at a small box that stands for something along which gradients flow: that is computed,
        or that few boxes read, so that lines might lead from it.
        """
        scene, made = self.sheet.scene, self.rows.scene
        matter = lines_may_lead_from(scene)
        tails = {arrow.key: arrow.tail for arrow in scene.arrows if arrow.tail in matter}
        return sum(tails.get(arrow.key, arrow.tail) != arrow.tail for arrow in made.arrows)

    @property
    def filled(self) -> float:
        """Which share of the place it takes, with its legend and notes."""
        width, height = whole_size(self.rows.scene, self.rows.size, self.sheet.bench.place)
        place = self.sheet.bench.place
        return width * height * self.scale**2 / (place.width * place.height)

    @property
    def copies(self) -> int:
        """How many small boxes it has."""
        return sum(box.kind == "copy" for box in self.rows.scene.boxes)

    @property
    def is_readable(self) -> bool:
        """Whether all of its letters are large enough."""
        return self.scale >= (self.sheet.needed_with_lines if self.rows.lines else self.sheet.needed)


def likeliest_of(tried: Mapping[tuple[int, int], Sequence[Trial]]) -> list[Trial]:
    """The few trials of which most may be hoped."""
    found = [trial for key in sorted(tried) for trial in tried[key]]
    return sorted(found, key=lambda trial: -trial.hope)[:LIKELY]


def largest_scale(scene: Scene, place: Place) -> float:
    """At which scale the boxes and words of a scene would leave no room in the place."""
    taken = sum(box.width * box.height for box in scene.boxes)
    taken += sum(arrow.width * arrow.height for arrow in scene.arrows if arrow.lines)
    foot = foot_height(scene, place.width) * place.width
    return math.sqrt(place.width * place.height / max(taken / DENSEST + foot, 1.0))


def has_room_at(scene: Scene, scale: float, place: Place) -> bool:
    """Whether a scene may be so large in the place, however its leaves and grids are arranged and its boxes and words
    stand: none is over another, no two boxes touch, and it has margins.
    """
    shapes = [*zip(scene.boxes, with_grids_abreast(scene).boxes, strict=True)]
    taken = sum(min((each.width + GAP) * (each.height + GAP) for each in pair) for pair in shapes)
    taken += sum((arrow.width - 10) * (arrow.height - 6) for arrow in scene.arrows if arrow.lines)
    width, height = [length / max(scale, 1e-9) + 2 * TRIM for length in (place.width, place.height)]
    height -= foot_height(scene, max(width, height * place.aspect))
    across, down = width - 2 * MARGIN + GAP, height - 2 * MARGIN + GAP
    widest = GAP + max((min(box.width, other.width) for box, other in shapes), default=0.0)
    highest = GAP + max((min(box.height, other.height) for box, other in shapes), default=0.0)
    return across >= widest and down >= highest and across * down >= taken


def in_rows(scene: Scene, scale: Callable[[Point], float], *, turning: bool) -> Iterator[tuple[Rows, float]]:
    """A placed scene in rows that arrows connect or that begin anew, with what each is worth."""
    strip = Strip(scene)
    for fold, worth in ((None, CONNECTED), (partial(rows_with_starts, turning=turning), BEGUN)):
        rows = best_rows_of(strip, scale, fold)
        if rows.count > 1:
            yield rows, worth
            if fold is not None and not turning:
                turned = best_rows_of(strip, scale, rows_with_starts, least=rows.count, most=rows.count)
                yield from [(turned, worth * TURNED)] if turned.turned else []


def variants(scene: Scene) -> list[tuple[Scene, float]]:
    """The scene as it is, with leaves drawn where they are used, and each with gradients beside the values."""
    copied = with_copies(scene)
    found = [(scene, 1.0)] if copied is scene else [(scene, 1.0), (copied, COPIED)]
    abreast = [(with_grids_abreast(each), worth) for each, worth in found]
    return found if abreast[0][0] is scene else [*found, *abreast]


def ease(trial: Trial, place: Place, found: Overlaps) -> float:
    """How easy a picture is to follow: 1, and less for all that is in the way."""
    diagonal = math.hypot(place.width, place.height)
    long, turn = found.longest * trial.scale / diagonal, found.longest_turn * trial.scale / diagonal
    over = max(long - LONGEST, turn - (LONGEST_TURN if trial.sheet.bench.turning else LONGEST), 0.0)
    if found.faults or over:
        return 0.1 / (1 + found.faults + over)
    crossing = OF_LINE if trial.rows.lines else CROSSING
    return max(1 - crossing * found.crossings - LENGTH * max(long - LONG, 0.0), 0.1)


def whole_size(scene: Scene, size: Point, place: Place) -> Point:
    """Width and height of a scene with its legend and notes, which are as wide as the place lets them be."""
    width = max(size[0], size[1] * place.aspect)
    return size[0], size[1] + foot_height(scene, width)
