"""Scene -> the same in rows as text is read: each box stands behind the one before it, and what it needs of others
stands beside it as a small box with the name, or is joined to it by a line between the rows.

Any graph without frames can be drawn so, in as little room as its boxes take, and nothing crosses anything but such
lines. Where the last box of a row leads to the first of the next, its arrow turns between the rows. ``u`` runs along
the rows, ``v`` across them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

from graphviz_ad._internal.layouts.bridges import with_bridges
from graphviz_ad._internal.layouts.columns import Pair, forward_pairs, topological
from graphviz_ad._internal.layouts.gutter_lines import (
    KEPT,
    Frame,
    Lines,
    Row,
    Turn,
    Wish,
)
from graphviz_ad._internal.layouts.joined_order import joined_order
from graphviz_ad._internal.layouts.margins import MARGIN, Path, Places, size_of, with_place
from graphviz_ad._internal.layouts.row_wrapping import Rows, line_between, rounded_way
from graphviz_ad._internal.layouts.satellites import (
    INSET,
    SOURCES,
    Cluster,
    Orbit,
    cluster,
    in_operand_order,
    orbits,
    with_ports_above,
)
from graphviz_ad._internal.scene.leaf_copies import COPY, copy_of, reads_of_pairs, with_copies_in_legend
from graphviz_ad._internal.scene.scene import Arrow, Box, Point, Scene
from graphviz_ad._internal.scene.scene_building import with_grids_abreast

# points of an arrow between two boxes; more where lines may pass through it; of those, without words beside it
LEAST_WAY, PASSED, HEAD = 24.0, 4.0, 14.0
# points between two boxes with what is beside them, through which a line may pass, and between two rows
APART, BETWEEN = 12.0, 13.0
BESIDE = 4.0  # points between an arrow and its words
# points between the end of a row and an arrow that turns there, such an arrow and what is beside it, and more between
# two rows where it runs
AROUND, CLEAR, GUTTER = 10.0, 8.0, 9.0
NARROW = 18.0  # points between two rows with one lane of a line or of what turns, in a picture with lines
ALONE = 40.0  # points of height that are as bad as a row of one box
LONELY = 0.96  # what a picture is worth with a box that has a row of its own, for nothing but an arrow that turns
TWO = 2  # arrows side by side from one box to the next
TRIES, TRIES_WITH_LINES = 8, 6  # of how long rows may be, and more where there are lines
# A leaf stands beside the only box that uses it; right before it where nothing else is joined to that; or, like all
# others, where it is read.
Leaves = Literal["beside", "ahead", "apart"]
Beside = tuple[int, tuple[int, ...]]  # a box beside another, and the arrows from it
# how much longer a row gets by a box, how far that reaches to both sides, and whether an arrow turns behind it
Stretch = tuple[float, float, float, bool]
LEAVES = ("leaf", "data")  # what does not stand beside its user in all of these
LEAVES_BESIDE: Leaves = "beside"
LEAVES_AHEAD: Leaves = "ahead"
LEAVES_APART: Leaves = "apart"


@dataclass(frozen=True)
class Part:
    """A box with what stands beside it, and the arrows that come from the box before it, by their numbers; ``first``
    of its row, it has the one that turns there from the row before; ``abreast``: its grids stand side by side;
    ``reach``: how far all that and the words on the arrows reach across from its middle; ``ports`` are the arrows that
    come to it as lines between the rows.
    """

    box: int
    first: bool
    abreast: int
    made: Cluster
    links: tuple[int, ...]
    reach: Point
    ports: tuple[int, ...] = ()

    @property
    def is_turned_to(self) -> bool:
        """Whether an arrow comes to it that turns between the rows."""
        return self.first and bool(self.links)


def in_reading_rows(
    scene: Scene,
    scale: Callable[[Scene, Point], float],
    *,
    leaves: Leaves = LEAVES_BESIDE,
    turning: bool = True,
    lined: Collection[str] = (),
    least: float = math.inf,
) -> Rows | None:
    """The scene in as many such rows as make it largest; None where it has frames, or arrows that lead back.

    ``turning``: an arrow from the last box of a row turns to the first of the next. ``lined`` are the keys of arrows
    that are drawn as lines between the rows, where they would lead from a small box otherwise; of rows that have the
    ``least`` scale, those are taken in which most of these have a way.
    """
    if scene.groups or not scene.boxes or leads_back(scene):
        return None
    text = ReadingOrder(scene, leaves=leaves, turning=turning, lined=lined)
    choice, (short, long) = Choice(text, scale, least), text.limits()
    others = lengths_between(short, long)
    for _ in range(TRIES):
        limit = math.sqrt(short * long)
        now, length = choice.offer(limit)
        by_length = scale(text.noted, text.turn((length, 1.0)))
        short, long = (short, limit) if now >= by_length else (limit, long)  # shorter rows, or fewer of them
    if choice.lacks_ways:
        for limit in others:
            choice.offer(limit)
    return rows_of(text, choice.best)


def lengths_between(short: float, long: float) -> list[float]:
    """Other lengths of rows, for lines: which of these have a way is another thing than how large all is."""
    steps = TRIES_WITH_LINES + 1
    return [short * (long / short) ** (i / steps) for i in range(1, steps)]


class Choice:
    """The best rows so far: of those that have the ``least`` scale, those in which most lines have a way."""

    def __init__(self, text: ReadingOrder, scale: Callable[[Scene, Point], float], least: float) -> None:
        self.text, self.scale, self.least = text, scale, least
        self.best: list[list[Part]] = []
        self.score = 0, 0.0
        self.largest = 0.0

    def offer(self, limit: float) -> Point:
        """Takes rows that are no longer than that if they are better; how large they are, and how long."""
        rows = self.text.broken(limit)
        size = self.text.size(rows)
        now = self.scale(self.text.noted, self.text.turn(size))
        score = len(self.text.drawn_lines) if now >= self.least else 0, now * LONELY ** lonely(rows)
        if score > self.score:
            self.best, self.score = rows, score
        self.largest = max(self.largest, now)
        return now, size[0]

    @property
    def lacks_ways(self) -> bool:
        """Whether there is room, and yet no way for some line."""
        return self.largest >= self.least and self.score[0] < len(self.text.lined)


def lonely(rows: Sequence[Sequence[Part]]) -> int:
    """How many boxes have a row of their own, to which an arrow turns or from which one does."""
    ends = [*(row[0].is_turned_to for row in rows), False]
    return sum(len(row) == 1 and (ends[i] or ends[i + 1]) for i, row in enumerate(rows))


def turned_as_well(scene: Scene, before: Rows, *, leaves: Leaves = LEAVES_BESIDE) -> Rows | None:
    """The rows with arrows that turn between them, where there was none before, hardly longer than they were; None if
    nothing turns.
    """
    text = ReadingOrder(scene, leaves=leaves)
    made = rows_of(text, text.broken(text.turn(before.size)[0] - 2 * MARGIN + LEAST_WAY))
    return made if made.turned else None


def rows_of(text: ReadingOrder, rows: Sequence[Sequence[Part]]) -> Rows:
    """Rows with everything in its place."""
    made, places = text.placed(rows)
    lines = {i for i, arrow in enumerate(made.arrows) if arrow.key in text.drawn_lines}
    if lines:
        places = replace(places, paths=with_bridges(places.paths, lines))
        made = with_main_flow(made, text.main_flow(rows), lines)
    turned = tuple([text.scene.arrows[row[0].links[0]].key for row in rows if row[0].is_turned_to])
    return Rows(
        replace(made, engine="layered"), size_of(made, places), len(rows), places, turned=turned, lines=text.drawn_lines
    )


def with_main_flow(scene: Scene, main: Collection[int], passing: Collection[int]) -> Scene:
    """The scene in which it is seen which arrows lead from each box to the next, and which are lines that pass some."""
    styles = {**dict.fromkeys(passing, "passing"), **dict.fromkeys(main, "main")}
    arrows = [
        with_place(arrow, style=styles[i]) if i in styles and arrow.style == "solid" else arrow
        for i, arrow in enumerate(scene.arrows)
    ]
    return replace(scene, arrows=tuple(arrows))


def leads_back(scene: Scene) -> bool:
    """Whether an arrow leads to its own box, or around to it."""
    number = {box.key: i for i, box in enumerate(scene.boxes)}
    pairs = [(number[arrow.tail], number[arrow.head]) for arrow in scene.arrows]
    return any(tail == head for tail, head in pairs) or forward_pairs(len(number), pairs) != pairs


class ReadingOrder:
    """The boxes of a scene in the order in which they are read, each in all ways that it may be drawn: behind the one
    before it, or at the begin of a row; with grids below one another, or side by side.
    """

    def __init__(
        self, scene: Scene, *, leaves: Leaves = LEAVES_BESIDE, turning: bool = True, lined: Collection[str] = ()
    ) -> None:
        self.flat, self.turning = scene.direction != "TB", turning
        self.drawn_lines: tuple[str, ...] = ()
        self.lined = [i for i, arrow in enumerate(scene.arrows) if arrow.key in lined]
        abreast = with_grids_abreast(scene)
        self.scene, self.shapes = scene, (scene,) if abreast is scene else (scene, abreast)
        number = {box.key: i for i, box in enumerate(scene.boxes)}
        self.pairs = [(number[arrow.tail], number[arrow.head]) for arrow in scene.arrows]
        self.moved = SOURCES if leaves != LEAVES_APART else ()
        self.found = self.standing_beside(leaves)
        aside = {i for orbit in self.found.values() for i in orbit.satellites}
        self.order = self.joined([i for i in range(len(scene.boxes)) if i not in aside])
        self.entering: dict[int, list[int]] = {}
        for arrow, (tail, head) in enumerate(self.pairs):
            if tail not in aside:
                self.entering.setdefault(head, []).append(arrow)
        self.tags = self.made_tags()

    def standing_beside(self, leaves: Leaves) -> dict[int, Orbit]:
        """What stands beside its only user: small boxes always do, other leaves where these are to."""
        found = orbits(self.scene)
        if leaves == LEAVES_BESIDE:
            return found
        away = {(box, center) for center, orbit in found.items() for box in orbit.satellites}
        away = away if leaves == LEAVES_APART else away & {*pairwise(self.joined(range(len(self.scene.boxes))))}
        return left_aside(found, {pair for pair in away if self.scene.boxes[pair[0]].kind in LEAVES})

    def main_flow(self, rows: Sequence[Sequence[Part]]) -> set[int]:
        """The arrows from what is computed to the next box, or past nothing but data to that behind."""
        along = [arrow for row in rows for part in row for arrow in (*part.links, *part.ports)]
        place = {box: i for i, box in enumerate(self.order)}
        passed = {
            arrow: self.order[place[tail] + 1 : place[head]] for arrow in along for tail, head in [self.pairs[arrow]]
        }
        return {
            arrow
            for arrow, boxes in passed.items()
            if self.scene.boxes[self.pairs[arrow][0]].kind not in SOURCES
            and all(box.kind in SOURCES or box.gradless for box in map(self.scene.boxes.__getitem__, boxes))
        }

    def joined(self, boxes: Sequence[int]) -> list[int]:
        """These boxes so that most of them stand right behind one that they read; of as many, so that more of
        the arrows between those matter. Only data is moved.
        """
        place = {box: i for i, box in enumerate(boxes)}
        links: dict[Pair, list[int]] = {}
        for arrow, (tail, head) in enumerate(self.pairs):
            if tail in place and head in place:
                links.setdefault((tail, head), []).append(arrow)
        worth = {
            (place[tail], place[head]): self.worth(tail, head, arrows, 2 * len(boxes) + 1)
            for (tail, head), arrows in links.items()
        }
        return [boxes[i] for i in joined_order(len(boxes), self.told_in_turn(boxes, place) | worth)]

    def told_in_turn(self, boxes: Sequence[int], place: Mapping[int, int]) -> dict[Pair, int]:
        """Pairs of boxes that stay in the order of the program, with nothing between that does: what takes gradients,
        and what changes parameters. All others are data, which may be there before; leaves apart make no room by that.
        """
        links = [(place[tail], place[head]) for tail, head in self.pairs if tail in place and head in place]
        order = topological(len(boxes), links)
        kept = [i for i in order if (box := self.scene.boxes[boxes[i]]).in_turn or not self.is_data(box)]
        return dict.fromkeys(pairwise(kept), 0)

    def is_data(self, box: Box) -> bool:
        """Whether a box is what a program does something with, and may be moved, rather than what it does."""
        return box.kind in self.moved if box.kind in SOURCES else box.gradless

    def can_be_joined(self, before: int, box: int, links: Sequence[int]) -> bool:
        """Whether arrows lead straight from a box to the next, wherever rows begin."""
        return len(links) == 1 or self.have_room(before, box, links)

    def worth(self, before: int, box: int, links: Sequence[int], most: int) -> int:
        """How much it matters that a box stands right behind another: more where something is computed in that, from
        which no arrow leads otherwise, and where gradients flow back; ``most`` is more than that of all boxes together.
        """
        if not self.can_be_joined(before, box, links):
            return 0
        tail, arrows = self.scene.boxes[before], [self.scene.arrows[arrow] for arrow in links]
        flows = tail.kind != "data" and not tail.gradless and any(arrow.style != "cut" for arrow in arrows)
        return most + (tail.kind not in SOURCES) + flows

    def made_tags(self) -> dict[tuple[int, int], int]:
        """Tail and head -> the number of the small box that may stand for the tail beside the head, in `full`."""
        keys = dict.fromkeys(self.pairs[arrow] for arrows in self.entering.values() for arrow in arrows)
        return {pair: len(self.scene.boxes) + i for i, pair in enumerate(keys)}

    @cached_property
    def ports(self) -> dict[int, int]:
        """Arrow that is drawn as a line -> the number of the place, in `full`, where that comes to its box."""
        return {arrow: len(self.scene.boxes) + len(self.tags) + i for i, arrow in enumerate(self.lined)}

    @cached_property
    def full(self) -> tuple[Scene, ...]:
        """The scene with all boxes that may be drawn again, and the places where lines come to boxes, in each shape."""
        boxes, reads = self.scene.boxes, reads_of_pairs(self.scene.arrows)
        pairs = [(boxes[tail], boxes[head]) for tail, head in self.tags]
        made = [copy_of(tail, f"beside{i}", reads[tail.key, head.key]) for i, (tail, head) in enumerate(pairs)]
        width, height = (2 * INSET, 0.0) if self.flat else (0.0, 2 * INSET)
        ports = [Box(f"port{arrow}", "copy", (), width, height) for arrow in self.ports]
        return tuple([replace(shape, boxes=(*shape.boxes, *made, *ports)) for shape in self.shapes])

    @property
    def first_port(self) -> int:
        """The number from which on there are no boxes in `full`, but places where lines come to some."""
        return len(self.scene.boxes) + len(self.tags)

    @cached_property
    def noted(self) -> Scene:
        """The scene with a legend of all that may be in it."""
        told = not self.tags or not self.scene.legend or COPY in self.scene.legend
        return self.scene if told else replace(self.scene, legend=(*self.scene.legend, COPY))

    def turn(self, point: Point) -> Point:
        """From x and y to u and v, and back."""
        return point if self.flat else (point[1], point[0])

    def part(self, place: int, first: bool, abreast: int = 0) -> Part:
        """The box at a place of the order; whether it is the ``first`` of its row, and its grids are ``abreast``."""
        key = place, first, abreast
        if key not in self.parts:
            self.parts[key] = self.make_part(*key)
        return self.parts[key]

    @cached_property
    def parts(self) -> dict[tuple[int, bool, int], Part]:
        """Those that were asked for."""
        return {}

    def make_part(self, place: int, first: bool, abreast: int) -> Part:
        """A box with its leaves, and with a small box for each of the others that it needs and that do not stand
        before it.
        """
        box, entering, full = self.order[place], self.entering.get(self.order[place], []), self.full[abreast]
        before = self.order[place - 1] if place and (self.turning or not first) else -1
        links = [arrow for arrow in entering if self.pairs[arrow][0] == before]
        links = links if len(links) == 1 or (not first and self.can_be_joined(before, box, links)) else []
        lined = tuple([arrow for arrow in entering if arrow in self.ports and arrow not in links])
        again: dict[int, list[int]] = {}
        for arrow in entering:
            if arrow not in links and arrow not in lined:
                again.setdefault(self.tags[self.pairs[arrow]], []).append(arrow)
        own = self.found.get(box, Orbit(box, (), ()))
        satellites = [*zip(own.satellites, own.arrows, strict=True), *((tag, tuple(a)) for tag, a in again.items())]
        made = self.with_ports(full, box, satellites, [(self.ports[arrow], (arrow,)) for arrow in lined])
        return Part(box, first, abreast, made, tuple(links), self.reach(made, links), lined)

    def with_ports(self, full: Scene, box: int, satellites: Sequence[Beside], ports: Sequence[Beside]) -> Cluster:
        """A box with what stands beside it, and room where lines come to it: on the near side of its row."""
        if ports and self.flat:
            beside = in_operand_order(full, box, satellites)
            return with_ports_above(full, beside, in_operand_order(full, box, ports))
        if not satellites and not ports:
            return alone(full.boxes[box])
        return cluster(full, in_operand_order(full, box, [*satellites, *ports]))

    def have_room(self, before: int, box: int, links: Sequence[int]) -> bool:
        """Whether arrows from one box to the next have room side by side."""
        faces = [self.turn((each.width, each.height))[1] for each in map(self.scene.boxes.__getitem__, (before, box))]
        return len(links) == TWO and apart(self.breadth(links[1])) + 2 * BESIDE <= min(faces)

    def breadth(self, arrow: int) -> float:
        """How broad the words on an arrow are."""
        given = self.scene.arrows[arrow]
        return self.turn((given.width, given.height))[1] if given.lines else 0.0

    # --- rows ---

    def limits(self) -> tuple[float, float]:
        """The least length that a row may have, and the greatest that it needs."""
        lengths = [self.length(self.part(place, True)) for place in range(len(self.order))]
        return 0.8 * max(lengths), sum(length + 2 * LEAST_WAY for length in lengths) + 1.0

    def broken(self, most: float) -> list[list[Part]]:
        """Rows that are no longer, and together as low as can be; a box that needs more has a row of its own."""
        count = len(self.order)
        height, begin = [0.0] + [math.inf] * count, [(0, 0)] * (count + 1)
        for first in range(count):
            for abreast in range(len(self.shapes)):
                for last, breadth in self.rows_from(first, most, abreast):
                    alone = ALONE if first == last and count > 1 else 0.0
                    if height[first] + breadth + alone < height[last + 1]:
                        height[last + 1], begin[last + 1] = height[first] + breadth + alone, (first, abreast)
        rows, last = [], count
        while last:
            first, abreast = begin[last]
            rows.append([self.part(place, place == first, abreast) for place in range(first, last)])
            last = first
        return rows[::-1]

    def size(self, rows: Sequence[Sequence[Part]]) -> Point:
        """How long and broad they are, with the margins of a picture."""
        if self.lined:
            return self.turn(size_of(*self.placed(rows)))
        lengths, breadth = [], -BETWEEN
        for row, below in zip(rows, [*rows[1:], ()], strict=True):
            out = AROUND if below and below[0].is_turned_to else 0.0
            lengths.append(self.length(row[0]) + sum(self.step(a, b) for a, b in pairwise(row)) + out)
            breadth += max(part.reach[0] for part in row) + max(part.reach[1] for part in row) + between(row[0])
        return max(lengths) + 2 * MARGIN, breadth + 2 * MARGIN

    def rows_from(self, first: int, most: float, abreast: int) -> Iterator[tuple[int, float]]:
        """The rows that may begin with a box: the last box of each, and how broad it is."""
        begin = self.part(first, True, abreast)
        run, (low, high), room = self.length(begin), begin.reach, between(begin)
        yield first, low + high + room
        stretches = self.stretches[abreast]
        for place in range(first + 1, len(self.order)):
            stretch = self.second_stretch(place, abreast) if place == first + 1 else stretches[place]
            longer, above, below, turns = stretch if stretch is not None else self.stretch(place, abreast)
            run += longer
            if run > most:
                return
            low, high = above if above > low else low, below if below > high else high
            if not turns or run + AROUND <= most:
                yield place, low + high + room

    def stretch(self, place: int, abreast: int) -> Stretch:
        """What a box adds to a row, further on than second."""
        made = self.stretches[abreast][place] = self.stretch_of(place, False, abreast)
        return made

    def second_stretch(self, place: int, abreast: int) -> Stretch:
        """The same of the second of a row."""
        key = place, abreast
        if key not in self.second_stretches:
            self.second_stretches[key] = self.stretch_of(place, True, abreast)
        return self.second_stretches[key]

    def stretch_of(self, place: int, second: bool, abreast: int) -> Stretch:
        """What a box adds to a row, the ``second`` of it or further on."""
        before, part = self.part(place - 1, second, abreast), self.part(place, False, abreast)
        return self.step(before, part), *part.reach, self.turns_before(place + 1)

    @cached_property
    def stretches(self) -> list[list[Stretch | None]]:
        """Those that were asked for, in each shape: rows of other lengths are made of the same."""
        return [[None] * len(self.order) for _ in self.shapes]

    @cached_property
    def second_stretches(self) -> dict[tuple[int, int], Stretch]:
        """The same of second boxes."""
        return {}

    def reach(self, made: Cluster, links: Sequence[int]) -> Point:
        """How far a box, with what is beside it and the words on arrows to it, reaches across from its middle."""
        middle, breadth = self.turn(made.center)[1], self.turn(made.size)[1]
        spans = [span for _, _, span in self.lanes(links)]
        return max(middle, *(-low for low, _ in spans), 0.0), max(breadth - middle, *(high for _, high in spans), 0.0)

    def lanes(self, links: Sequence[int]) -> Iterator[tuple[int, float, tuple[float, float]]]:
        """Each arrow from the box before, how far from the middle it runs, and from where to where its words reach."""
        breadths = [self.breadth(arrow) for arrow in links]
        shift = apart(breadths[1]) / 2 if len(breadths) == TWO else 0.0
        for place, (arrow, breadth) in enumerate(zip(links, breadths, strict=True)):
            at = shift * (2 * place - 1) if self.flat else shift * (1 - 2 * place)
            yield arrow, at, (at - BESIDE - breadth, at) if self.flat else (at, at + BESIDE + breadth)

    def length(self, part: Part) -> float:
        """How long a box is with what is beside it, and with what an arrow needs that turns to it."""
        ahead = max(self.approach(part) - self.ahead(part), 0.0) if part.is_turned_to else 0.0
        return ahead + self.turn(part.made.size)[0]

    def ahead(self, part: Part) -> float:
        """How far what is beside a box stands before it."""
        return self.turn(part.made.center)[0] - self.turn(part.made.box)[0] / 2

    def approach(self, part: Part) -> float:
        """How far before a box an arrow that turns to it comes into its row: where it would cross what stands beside
        the box, before that.
        """
        return max(self.way(part.links), 0.0 if self.flat else self.ahead(part) + CLEAR)

    def turns_before(self, place: int) -> bool:
        """Whether an arrow turns at the end of a row behind which comes the box at this place of the order."""
        return place < len(self.order) and self.part(place, True).is_turned_to

    def way(self, links: Sequence[int]) -> float:
        """How far two boxes are apart so that there is room for the words on the arrows between them."""
        words = [self.turn((a.width, a.height))[0] for a in map(self.scene.arrows.__getitem__, links) if a.lines]
        return max([LEAST_WAY + (PASSED if self.lined else 0.0), *(each + HEAD for each in words)])

    def step(self, before: Part, part: Part) -> float:
        """How much longer a row gets by a box behind another."""
        behind = 0.0 if self.has_words_above(before) else self.behind(before)
        room = max(APART, self.way(part.links) - behind - self.ahead(part)) if part.links else APART
        return room + self.length(part)

    def behind(self, part: Part) -> float:
        """How far what is beside a box stands behind it."""
        return self.turn(part.made.size)[0] - self.ahead(part) - self.turn(part.made.box)[0]

    def has_words_above(self, part: Part) -> bool:
        """Whether words on lines to a box may stand where those on the arrow from it would."""
        return self.flat and any(self.scene.arrows[arrow].lines for arrow in part.ports)

    def placed(self, rows: Sequence[Sequence[Part]]) -> tuple[Scene, Places]:
        """Only the boxes that are drawn, and where everything is; of rows that were so broken before, as it was."""
        breaks = tuple([(len(row), row[0].abreast) for row in rows])
        if breaks not in self.placings:
            self.placings[breaks] = *self.newly_placed(rows), self.drawn_lines
        scene, places, self.drawn_lines = self.placings[breaks]
        return scene, places

    @cached_property
    def placings(self) -> dict[tuple[tuple[int, int], ...], tuple[Scene, Places, tuple[str, ...]]]:
        """How long rows are, and in which shape -> what stands in them where, and which lines are drawn."""
        return {}

    def newly_placed(self, rows: Sequence[Sequence[Part]]) -> tuple[Scene, Places]:
        """The same, made."""
        placing = Placing(self, [between(row[0]) for row in rows])
        placing.add_all(rows)
        if any(part.ports for row in rows for part in row):
            lines = lines_between(placing)
            self.drawn_lines = tuple([self.scene.arrows[arrow].key for arrow in lines.ways])
            placing = Placing(self, [*map(lines.room, range(len(rows)), placing.rooms)], lines)
            placing.add_all(rows)
        return placing.scene(), placing.places()


def left_aside(found: Mapping[int, Orbit], away: Collection[Pair]) -> dict[int, Orbit]:
    """What stands beside its only user still, where these pairs of a box and its user do not."""
    kept = {}
    for center, orbit in found.items():
        own = zip(orbit.satellites, orbit.arrows, strict=True)
        aside = [(box, arrows) for box, arrows in own if (box, center) not in away]
        if aside:
            kept[center] = Orbit(center, tuple(box for box, _ in aside), tuple(arrows for _, arrows in aside))
    return kept


def between(first: Part) -> float:
    """How much room is before a row that begins so."""
    return BETWEEN + (GUTTER if first.is_turned_to else 0.0)


def apart(breadth: float) -> float:
    """How far two arrows are apart that have words of such a breadth between them."""
    return breadth + BESIDE + 6.0


def alone(box: Box) -> Cluster:
    """A box without anything beside it."""
    size = box.width, box.height
    return Cluster(size, size, (box.width / 2, box.height / 2), {}, {}, {}, {})


class Placing:
    """Where everything is, row by row; ``rooms`` is how much is before each, and ``lines`` are between them."""

    def __init__(self, text: ReadingOrder, rooms: Sequence[float], lines: Lines | None = None) -> None:
        self.text, self.rooms, self.lines = text, rooms, lines
        self.rows: list[PlacedRow] = []
        self.centers: dict[int, Point] = {}
        self.sizes: dict[int, Point] = {}
        self.shapes: dict[int, int] = {}
        self.paths: dict[int, Path] = {}
        self.labels: dict[int, Point] = {}
        self.tails: dict[int, int] = {}  # arrows that come from a box that is drawn again
        self.last: tuple[Part, float] | None = None  # of the row before, and where that ends

    def add_all(self, rows: Sequence[Sequence[Part]]) -> None:
        """All rows, and what runs between them."""
        bottom = 0.0
        for row, room in zip(rows, self.rooms, strict=True):
            bottom = self.add(row, bottom, room)
        if self.lines is not None:
            self.put_lines(self.lines, bottom)

    def add(self, row: Sequence[Part], bottom: float, room: float) -> float:
        """A row below that which ends at ``bottom``; where it ends."""
        turn = self.text.turn
        low, high = max(part.reach[0] for part in row), max(part.reach[1] for part in row)
        top = bottom + room
        self.rows.append(PlacedRow(row, top + low, low, high))
        run, before = 0.0, None
        for part in row:
            run += self.text.step(before, part) if before is not None else self.text.length(part)
            corner = run - turn(part.made.size)[0], top + low - turn(part.made.center)[1]
            self.put(part, corner)
            self.join(before, part)
            before = part
        if self.last is not None and row[0].is_turned_to:
            row_number = len(self.rows) - 1
            lane = (bottom + top) / 2 if self.lines is None else self.lines.lane_of_turn(row_number, bottom)
            self.turn_to(*self.last, row[0], lane)
        self.last = row[-1], run
        return top + low + high

    def put(self, part: Part, corner: Point) -> None:
        """A box with what stands beside it."""
        made, (x0, y0) = part.made, self.text.turn(corner)
        for number, place in {part.box: made.center, **made.satellites}.items():
            if number >= self.text.first_port:
                continue
            self.centers[number] = x0 + place[0], y0 + place[1]
            self.sizes[number] = made.box if number == part.box else made.sizes[number]
            self.shapes[number] = part.abreast
        for arrow, path in made.paths.items():
            self.paths[arrow] = tuple([(x0 + x, y0 + y) for x, y in path])
            label = made.labels[arrow]
            if label is not None:
                self.labels[arrow] = x0 + label[0], y0 + label[1]
            tag = self.text.tags.get(self.text.pairs[arrow])
            if tag is not None and tag in made.satellites:
                self.tails[arrow] = tag

    def join(self, before: Part | None, part: Part) -> None:
        """The arrows from the box before to a box."""
        if before is None:
            return
        turn = self.text.turn
        first, v = self.end_of(before)
        last, _ = self.begin_of(part)
        for arrow, at, _ in self.text.lanes(part.links):
            self.paths[arrow] = tuple(turn(point) for point in line_between((first, v + at), (last, v + at)))
        self.put_words(part, first + (self.text.behind(before) if self.text.has_words_above(before) else 0.0))

    def put_lines(self, lines: Lines, bottom: float) -> None:
        """The lines between the rows, each as far as its port and on from there."""
        turn = self.text.turn
        begins = [each.axis - each.low - room for each, room in zip(self.rows, self.rooms, strict=True)]
        for arrow in lines.ways:
            _, end = turn(self.paths[arrow][-1])
            path = rounded_way(lines.corners(arrow, [row.axis for row in self.rows], [*begins, bottom], end))
            self.paths[arrow] = tuple([turn(point) for point in path])

    def turn_to(self, before: Part, end: float, part: Part, lane: float) -> None:
        """The arrow from the last box of a row, which ends there, to the first of the next, in a lane between them."""
        (a, v), (b, w) = self.end_of(before), self.begin_of(part)
        out, back = end + AROUND, b - self.text.approach(part)
        way = rounded_way([(a, v), (out, v), (out, lane), (back, lane), (back, w), (b, w)])
        self.paths[part.links[0]] = tuple([self.text.turn(point) for point in way])
        self.put_words(part, b - self.text.way(part.links))

    def end_of(self, part: Part) -> Point:
        """Where arrows leave a box along its row."""
        u, v = self.text.turn(self.centers[part.box])
        return u + self.text.turn(part.made.box)[0] / 2, v

    def begin_of(self, part: Part) -> Point:
        """Where they come to it."""
        u, v = self.text.turn(self.centers[part.box])
        return u - self.text.turn(part.made.box)[0] / 2, v

    def put_words(self, part: Part, first: float) -> None:
        """The words on the arrows to a box, which have room from there on."""
        last, v = self.begin_of(part)
        for arrow, at, (low, high) in self.text.lanes(part.links):
            if high - low > BESIDE:
                side = low if self.text.flat else high
                middle = v + (at + side) / 2 + (-BESIDE / 2 if self.text.flat else BESIDE / 2)
                self.labels[arrow] = self.text.turn(((first + last - HEAD) / 2 + 1, middle))

    def scene(self) -> Scene:
        """The scene with the boxes that are drawn."""
        shapes, full = self.text.full, self.text.full[0]
        self.shown = [i for i in range(len(full.boxes)) if i in self.centers]
        boxes = tuple([self.sized(shapes[self.shapes[i]].boxes[i], i) for i in self.shown])
        arrows = tuple(self.from_tail(arrow, i) for i, arrow in enumerate(full.arrows))
        made = replace(full, boxes=boxes, arrows=arrows)
        return with_copies_in_legend(made) if self.tails else made

    def sized(self, box: Box, number: int) -> Box:
        """A box, as large as its arrows need."""
        return with_place(box, width=self.sizes[number][0], height=self.sizes[number][1])

    def from_tail(self, arrow: Arrow, number: int) -> Arrow:
        """An arrow from where it comes."""
        tail = self.tails.get(number)
        return arrow if tail is None else with_place(arrow, tail=self.text.full[0].boxes[tail].key)

    def places(self) -> Places:
        """Where all of it is."""
        arrows = range(len(self.text.scene.arrows))
        return Places(
            [self.centers[i] for i in self.shown],
            [self.paths[i] for i in arrows],
            [self.labels.get(i) for i in arrows],
            [],
        )


@dataclass(frozen=True)
class PlacedRow:
    """A row, where its axis is across, and how far it reaches to both sides."""

    parts: Sequence[Part]
    axis: float
    low: float
    high: float


def lines_between(placing: Placing) -> Lines:
    """The ways of all lines between rows that are placed without them."""
    rows = [standing(placing, row) for row in placing.rows]
    ports = [(arrow, i) for i, row in enumerate(placing.rows) for part in row.parts for arrow in part.ports]
    turns = {i: turn_between(placing, i) for i, row in enumerate(placing.rows) if i and row.parts[0].is_turned_to}
    for turn in turns.values():
        rows[turn.row].arrows.append((turn.out - AROUND, turn.out))
        rows[turn.row].take(turn.out, 0.0, rows[turn.row].high)
        rows[turn.row + 1].take(turn.back, -rows[turn.row + 1].low, 0.0)
    return Lines.found(rows, {arrow: wish(placing, arrow, i) for arrow, i in ports}, turns, NARROW)


def turn_between(placing: Placing, row: int) -> Turn:
    """What turns to a row from that before it."""
    path = [placing.text.turn(point) for point in placing.paths[placing.rows[row].parts[0].links[0]]]
    us = [u for u, _ in path]
    return Turn(row - 1, max(us), min(us))


def wish(placing: Placing, arrow: int, goal_row: int) -> Wish:
    """An arrow to a port, from the box that it comes from."""
    tail = placing.text.pairs[arrow][0]
    row = next(i for i, each in enumerate(placing.rows) if any(part.box == tail for part in each.parts))
    port, _ = placing.text.turn(placing.paths[arrow][0])
    return Wish(row, frame_of(placing, tail, placing.rows[row].axis), goal_row, port)


def frame_of(placing: Placing, box: int, axis: float) -> Frame:
    """Where a box stands, from the axis of its row."""
    (u, v), (length, breadth) = placing.text.turn(placing.centers[box]), placing.text.turn(placing.sizes[box])
    return u - length / 2, v - axis - breadth / 2, u + length / 2, v - axis + breadth / 2


def standing(placing: Placing, placed: PlacedRow) -> Row:
    """What stands in a row: boxes, words, and the arrows to them from what is beside them; the arrows along it may be
    crossed, but for their heads.
    """
    text, row = placing.text, Row(placed.low, placed.high)
    for part in placed.parts:
        row.blocks += [
            frame_of(placing, number, placed.axis)
            for number in (part.box, *part.made.satellites)
            if number < text.first_port
        ]
        for arrow in (*part.links, *part.made.paths):
            row.blocks += words_of(placing, arrow, placed.axis)
        for arrow in part.made.paths:
            us, vs = zip(*map(text.turn, placing.paths[arrow]), strict=True)
            row.blocks.append((min(us), min(vs) - placed.axis, max(us), max(vs) - placed.axis))
        for arrow in part.links:
            last, v = text.turn(placing.paths[arrow][-1])
            row.blocks.append((last - KEPT, v - placed.axis - KEPT / 2, last, v - placed.axis + KEPT / 2))
            first = text.turn(placing.paths[arrow][0])[0] if not part.first else last - text.approach(part)
            row.arrows.append((first, last))
    return row


def words_of(placing: Placing, arrow: int, axis: float) -> list[Frame]:
    """Where the words on an arrow stand, if it has any."""
    center, given = placing.labels.get(arrow), placing.text.scene.arrows[arrow]
    if center is None or not given.lines:
        return []
    (u, v), (length, breadth) = placing.text.turn(center), placing.text.turn((given.width, given.height))
    return [(u - length / 2, v - axis - breadth / 2, u + length / 2, v - axis + breadth / 2)]
