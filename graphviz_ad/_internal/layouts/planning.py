"""Ways to draw a graph + a place -> the one whose letters can be read there, placed, and what it leaves out.

Levels of detail are tried from the finest, and on each the ways to draw it from that which says most; the first that
can be read is taken, of several ways to place it the one with the largest letters. Placing a graph of a slide takes
our own layout a millisecond or two; where it would take longer, only the likeliest of the ways are placed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from graphviz_ad._internal.layouts.layered import place_tightly
from graphviz_ad._internal.layouts.overlaps import Overlaps, overlaps
from graphviz_ad._internal.layouts.row_starts import rows_with_starts
from graphviz_ad._internal.layouts.row_wrapping import Rows, best_rows
from graphviz_ad._internal.maths.number_format import DIGITS
from graphviz_ad._internal.scene.leaf_copies import with_copies
from graphviz_ad._internal.scene.paint import foot_height
from graphviz_ad._internal.scene.place import Place
from graphviz_ad._internal.scene.scene import Box, Point, Scene
from graphviz_ad._internal.scene.scene_building import with_grids_abreast

CROSSING = 0.06  # what a crossing costs
LONG, LONGEST = 0.4, 1.0  # shares of the diagonal of the place: where an arrow is long, and longer than any may be
EASY = 0.8  # what a picture must have to be taken at once
LIKELY = 6  # trials that are looked at where none can be read
# what a picture is worth in which leaves are drawn again, rows are connected by arrows, or begin with copies
COPIED, CONNECTED, BEGUN = 0.97, 0.93, 0.9
ENOUGH = 1.25  # times what can be read: larger letters are no better
FULL = 4  # manners in which nothing is missing that is not in the picture elsewhere


@dataclass(frozen=True)
class Manner:
    """What is written: local derivatives with names or as factors; what flows back everywhere or only where it is not
    a whole gradient; numbers of so many digits; signs in circles; more of a big tensor than its shape; the
    elements of values, gradients and what flows back along edges as grids, ``small`` ones set small; ``examples`` of
    how elements move, in numbers; ``images`` of what is not written.
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
    small: bool = False
    examples: bool = True
    images: bool = True


WHOLE = (Manner(), Manner(named=False), Manner(named=False, signs=False))  # nothing is left out of them
BRIEF = Manner(named=False, signs=False, single=False)
LESS: tuple[Mapping[str, Any], ...] = (
    {"on_edges": False},
    {"digits": 3},
    {"local": False},
    {"statistics": False},
    {"examples": False},
    {"digits": 2},
    {"small": True},
    {"of_gradients": False},
    {"of_values": False},
    {"images": False},
)
# from the one that says most; each has one thing less than the one before
MANNERS: tuple[Manner, ...] = (
    *WHOLE,
    *accumulate(LESS, lambda manner, less: replace(manner, **less), initial=BRIEF),
)

BRIEFEST = MANNERS[MANNERS.index(BRIEF) + 1 :]  # for readers who want few lines

Build = Callable[[Manner], Scene]
Engine = Callable[[Scene], Scene]


@dataclass(frozen=True)
class Trial:
    """A placed scene in some rows, with the scale of it in its place, and the scale that is ``needed`` to read it;
    ``hope`` is how good it is if nothing is in the way of anything.
    """

    rows: Rows
    scale: float
    hope: float
    manner: Manner
    level: int
    needed: float


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
) -> Plan:
    """The plan of the finest level that can be read in the place; the best of all where none can.

    ``builds`` make the scene of each level, finest first, in a given manner; ``engine`` places scenes, None chooses.
    """
    placing = engine or place_tightly
    fitting = plan_that_fits(builds, place, flows, manners, placing)
    if fitting is not None:
        return fitting
    last = manners[-1]
    tried = [each for i, build in enumerate(builds) for each in trials(build(last), last, i, place, flows, placing)]
    likely = sorted(tried, key=lambda trial: -trial.hope)[:LIKELY]
    return chosen(best_of(likely, place, 0.0) or likely[0])


def plan_that_fits(
    builds: Sequence[Build], place: Place, flows: Sequence[str], manners: Sequence[Manner], engine: Engine
) -> Plan | None:
    """The plan of the finest level that can be read in the place; None where there is none."""
    for level, build in enumerate(builds):
        tried: dict[Manner, list[Trial]] = {}
        drawn: dict[Manner, Scene] = {}
        # the one that says least comes first: where it cannot be read, none can
        for manner, in_rows in ((manners[-1], True), *attempts(manners)):
            if manner not in tried:
                drawn[manner] = build(manner)
                same = next((each for each in tried if drawn[each] == drawn[manner]), None)
                tried[manner] = tried[same] if same else trials(drawn[manner], manner, level, place, flows, engine)
            allowed = [each for each in tried[manner] if in_rows or each.rows.count == 1]
            found = [each for each in allowed if each.scale >= each.needed]
            if len(tried) == 1 and not found:
                break
            best = best_of(found, place, EASY) if len(tried) > 1 or len(manners) == 1 else None
            if best is not None:
                return chosen(best)
    return None


def attempts(manners: Sequence[Manner]) -> Iterator[tuple[Manner, bool]]:
    """The manners in the order in which they are tried, each in one piece (False) and in rows (True)."""
    yield from ((manner, in_rows) for in_rows in (False, True) for manner in manners[:FULL])
    yield from ((manner, in_rows) for manner in manners[FULL:] for in_rows in (False, True))


def chosen(trial: Trial) -> Plan:
    """The plan of a trial."""
    return Plan(trial.rows.settled(), trial.manner, trial.level, trial.scale)


def best_of(found: Sequence[Trial], place: Place, easy: float) -> Trial | None:
    """The best trial of those that are so easy to follow; they are looked at in the order of what may be hoped of
    them, and no more of them than need be.
    """
    best, score = None, 0.0
    for trial in sorted(found, key=lambda trial: -trial.hope):
        if trial.hope <= score:
            break
        now = ease(trial, place, overlaps(trial.rows.settled()))
        if now >= easy and trial.hope * now > score:
            best, score = trial, trial.hope * now
    return best


def trials(whole: Scene, manner: Manner, level: int, place: Place, flows: Sequence[str], engine: Engine) -> list[Trial]:
    """A graph on some level, in a manner, placed in each way."""
    found = []
    needed = place.readable_with_grids if any(has_small_numbers(box) for box in whole.boxes) else place.readable
    for drawn, worth in variants(whole):

        def scale(size: Point, scene: Scene = drawn) -> float:
            return place.scale(whole_size(scene, size, place))

        for flow in flows:
            for rows, less in in_rows(engine(replace(drawn, direction=flow)), scale):
                now = scale(rows.size, rows.scene)
                hope = worth * less * min(now, ENOUGH * place.readable)
                found.append(Trial(rows, now, hope, manner, level, needed))
    return found


def has_small_numbers(box: Box) -> bool:
    """Whether a box has a grid whose numbers are set small."""
    return any(line.grid is not None and line.grid.small and line.grid.rows for line in box.lines)


def in_rows(scene: Scene, scale: Callable[[Point], float]) -> Iterator[tuple[Rows, float]]:
    """A placed scene in one piece, and in rows that arrows connect or that begin anew, with what each is worth."""
    yield Rows(scene, scene.size or (1.0, 1.0)), 1.0
    for fold, worth in ((None, CONNECTED), (rows_with_starts, BEGUN)):
        rows = best_rows(scene, scale, fold)
        if rows.count > 1:
            yield rows, worth


def variants(scene: Scene) -> list[tuple[Scene, float]]:
    """The scene as it is, with leaves drawn where they are used, and each with gradients beside the values."""
    copied = with_copies(scene)
    found = [(scene, 1.0)] if copied is scene else [(scene, 1.0), (copied, COPIED)]
    abreast = [(with_grids_abreast(each), worth) for each, worth in found]
    return found if abreast[0][0] is scene else [*found, *abreast]


def ease(trial: Trial, place: Place, found: Overlaps) -> float:
    """How easy a picture is to follow: 1, and less for all that is in the way."""
    long = found.longest * trial.scale / math.hypot(place.width, place.height)
    if found.faults or long > LONGEST:
        return 0.1 / (1 + found.faults + max(long - LONGEST, 0.0))
    return max(1 - CROSSING * found.crossings - 0.2 * max(long - LONG, 0.0), 0.1)


def whole_size(scene: Scene, size: Point, place: Place) -> Point:
    """Width and height of a scene with its legend and notes, which are as wide as the place lets them be."""
    width = max(size[0], size[1] * place.aspect)
    return size[0], size[1] + foot_height(scene, width)
