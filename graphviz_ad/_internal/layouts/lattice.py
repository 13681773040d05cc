"""Cells and links without direction or frames -> where they stand: the layered layout of one level, passes in the
order of `arrange`.

``u`` runs along the columns' sequence (to the right or down), ``v`` across it. Lengths are along u, breadths along v.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from graphviz_ad._internal.layouts.columns import columns as find_columns
from graphviz_ad._internal.layouts.coordinates import Spring, across
from graphviz_ad._internal.layouts.ordering import uncrossed
from graphviz_ad._internal.layouts.routing import Corridor, Knot, smooth_curve
from graphviz_ad._internal.scene.scene import Point

# columns; where there are many bends, a longer link takes a lane outside, as items for its whole way would cost more
# than the graph
LONGEST, MANY_BENDS = 32, 20_000
PORT_GAIN = 20.0  # points that the gap beside a column of ports, where no arrow ends, can do without
STEEP = 0.15  # a gap grows by this share of the climb in it
END_STEP = 20.0  # points between the ends of two links on one side of a cell
LANE_GAP = 12.0
LABEL_NEAR = 14.0  # points across that a link may run away from its label


@dataclass(frozen=True)
class Spacing:
    """Points between parts: ``columns`` and ``labels`` along, between two columns of cells, and between cells and
    labels; the others across, from each kind of item to its neighbours. Steep links widen a gap by up to ``steepest``.
    ``tries`` more are made where links cross.
    """

    columns: float = 40.0
    labels: float = 20.0
    cell: float = 20.0
    label: float = 8.0
    bend: float = 10.0
    steepest: float = 60.0
    tries: int = 60


ROOMY = Spacing()
TIGHT = Spacing(
    columns=26.0, labels=11.0, cell=10.0, label=5.0, steepest=20.0, tries=0
)  # where letters would lose size


@dataclass(frozen=True)
class Cell:
    """A rectangle; ``pin`` -1 or 1 keeps it alone with its like in the first or last column.

    Links meet it on a ``face`` that is narrower than itself, around ``shift`` from its middle across; None is all of
    its breadth.
    """

    length: float
    breadth: float
    pin: int = 0
    shift: float = 0.0
    face: float | None = None


@dataclass(frozen=True)
class Link:
    """From cell ``tail`` to cell ``head``, which must not lead back.

    ``out`` and ``into`` say where its ends are, from the middles of the cells; None leaves it open. A ``label`` has
    length and breadth.
    """

    tail: int
    head: int
    out: float | None = None
    into: float | None = None
    label: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """Middles of the cells, a chain of Béziers for each link, middles of the labels; ``low`` and ``high`` bound them
    all.
    """

    centers: list[Point]
    paths: list[tuple[Point, ...]]
    labels: list[Point | None]
    low: Point
    high: Point


@dataclass
class Items:
    """What stands in the columns: cells, labels, and bends where a link passes a column."""

    kind: list[str] = field(default_factory=list)
    column: list[int] = field(default_factory=list)
    length: list[float] = field(default_factory=list)
    breadth: list[float] = field(default_factory=list)
    shift: list[float] = field(default_factory=list)
    face: list[float] = field(default_factory=list)

    def add(self, kind: str, column: int, length: float = 0.0, breadth: float = 0.0) -> int:
        """A new item; its number."""
        self.kind.append(kind)
        self.column.append(column)
        self.length.append(length)
        self.breadth.append(breadth)
        self.shift.append(0.0)
        self.face.append(breadth)
        return len(self.kind) - 1

    def add_cell(self, cell: Cell, column: int) -> None:
        """A new cell."""
        item = self.add("cell", column, cell.length, cell.breadth)
        self.shift[item] = cell.shift
        self.face[item] = cell.breadth if cell.face is None else cell.face

    def in_columns(self) -> list[list[int]]:
        """The items of each column, in order of creation."""
        result: list[list[int]] = [[] for _ in range(max(self.column, default=-1) + 1)]
        for item, column in enumerate(self.column):
            result[column].append(item)
        return result


@dataclass(frozen=True)
class Chain:
    """The items of a link from tail to head; ``label`` is one of them. A link with a ``lane`` has no items between
    tail and label.
    """

    items: tuple[int, ...]
    label: int | None = None
    lane: bool = False


def arrange(cells: Sequence[Cell], links: Sequence[Link], label_side: int, spacing: Spacing = ROOMY) -> Plan:
    """The layered layout of one connected set of cells; a label stands on the ``label_side`` (-1 or 1) of its link."""
    items = Items()
    chains = _chains(items, cells, links)
    springs = _springs(items, links, chains, label_side)
    pairs = [(spring.left, spring.right) for spring in springs]
    order = uncrossed(items.in_columns(), pairs, len(items.kind), spacing.tries)
    separation = _separation(items, order, spacing)
    middles = across(order, springs, separation)
    ends = _ends(items, links, chains, middles, label_side)
    springs = _springs(items, links, chains, label_side, ends)
    middles = across(order, springs, separation, middles)
    starts, stops = _along(items, order, springs, middles, spacing)
    router = _Router(items, order, middles, starts, stops, label_side)
    paths = [router.path(chain, end) for chain, end in zip(chains, ends, strict=True)]
    for number, slots in _tangled(links, ends, paths, router).items():
        paths[number] = router.path(chains[number], ends[number], *slots)
    labels = [None if chain.label is None else (router.middle(chain.label), middles[chain.label]) for chain in chains]
    centers = [(router.middle(item), middles[item]) for item in range(len(cells))]
    edges = [
        middle + side * breadth / 2 for middle, breadth in zip(middles, items.breadth, strict=True) for side in (-1, 1)
    ]
    reach = [*edges, *(v for path in paths for _, v in path)]
    return Plan(centers, paths, labels, (starts[0], min(reach)), (stops[-1], max(reach)))


# --- columns --------------------------------------------------------------------------------------------------------


def _chains(items: Items, cells: Sequence[Cell], links: Sequence[Link]) -> list[Chain]:
    """Put every cell in its column and every link on its way; labels have columns of their own, between those of the
    cells.
    """
    pace = 2 if any(link.label for link in links) else 1
    for cell, column in zip(cells, _columns(cells, links), strict=True):
        items.add_cell(cell, column * pace)
    chains = []
    longest = LONGEST * pace
    spans = [items.column[link.head] - items.column[link.tail] for link in links]
    many = sum(spans) > MANY_BENDS
    for link, span in zip(links, spans, strict=True):
        first, last = items.column[link.tail], items.column[link.head]
        lane = many and span > longest
        where = last - 1 if lane else first + (last - first) // 2 // 2 * 2 + 1
        label = items.add("label", where, *link.label) if link.label and last > first else None
        columns = [] if lane else [column for column in range(first + 1, last) if label is None or column != where]
        between = [items.add("bend", column) for column in columns] + ([] if label is None else [label])
        chains.append(Chain((link.tail, *sorted(between, key=items.column.__getitem__), link.head), label, lane))
    return chains


def _columns(cells: Sequence[Cell], links: Sequence[Link]) -> list[int]:
    """Columns of the cells, from 0; pinned cells stand before or behind all others."""
    firsts = [i for i, cell in enumerate(cells) if cell.pin < 0]
    lasts = [i for i, cell in enumerate(cells) if cell.pin > 0]
    column = find_columns(len(cells), [(link.tail, link.head) for link in links], [*firsts, *lasts])
    inner = [column[i] for i, cell in enumerate(cells) if not cell.pin]
    low, high = min(inner, default=0), max(inner, default=0)
    for i in firsts:
        column[i] = low - 1
    for i in lasts:
        column[i] = high + 1
    start = min(column)
    return [place - start for place in column]


def _springs(
    items: Items, links: Sequence[Link], chains: Sequence[Chain], label_side: int, ends: Sequence[Point] | None = None
) -> list[Spring]:
    """One spring for each step of each link; long links are stiff, so that they run straight."""
    springs = []
    for number, (link, chain) in enumerate(zip(links, chains, strict=True)):
        out, into = ends[number] if ends else _middles_of_faces(items, link)
        for step, (left, right) in enumerate(pairwise(chain.items)):
            if items.column[right] - items.column[left] != 1:
                continue
            soft = (items.kind[left] == "cell") + (items.kind[right] == "cell")
            springs.append(
                Spring(
                    left,
                    right,
                    out if step == 0 else port(items, left, label_side),
                    into if step == len(chain.items) - 2 else port(items, right, label_side),
                    (8.0, 2.0, 1.0)[soft],
                )
            )
    return springs


def _middles_of_faces(items: Items, link: Link) -> Point:
    """Where a link leaves and arrives before its ends are told from those of others."""
    out = items.shift[link.tail] if link.out is None else link.out
    return out, items.shift[link.head] if link.into is None else link.into


def port(items: Items, item: int, label_side: int) -> float:
    """Where a link passes a label or a bend, from its middle: beside the label, not through it."""
    return -label_side * (items.breadth[item] / 2 + 3.0) if items.kind[item] == "label" else 0.0


# --- across ---------------------------------------------------------------------------------------------------------


def _separation(items: Items, order: Sequence[Sequence[int]], spacing: Spacing) -> list[float]:
    """Least distance between the middles of each item and the one before it in its column."""
    separation = [0.0] * len(items.kind)
    for column in order:
        for upper, lower in pairwise(column):
            kinds = items.kind[upper], items.kind[lower]
            gap = spacing.label if "label" in kinds else spacing.cell if "cell" in kinds else spacing.bend
            separation[lower] = (items.breadth[upper] + items.breadth[lower]) / 2 + gap
    return separation


def _ends(
    items: Items, links: Sequence[Link], chains: Sequence[Chain], middles: Sequence[float], label_side: int
) -> list[Point]:
    """Where each link leaves its tail and enters its head, from their middles: side by side, in the order of where
    they lead.
    """
    outs: dict[int, list[tuple[float, int]]] = {}
    intos: dict[int, list[tuple[float, int]]] = {}
    for number, (link, chain) in enumerate(zip(links, chains, strict=True)):
        second, last = chain.items[1], chain.items[-2]
        far = float("-inf")  # lanes run on the low side
        if link.out is None:
            goal = far if chain.lane else middles[second] + port(items, second, label_side)
            outs.setdefault(link.tail, []).append((goal, number))
        if link.into is None:
            goal = far if chain.lane and chain.label is None else middles[last] + port(items, last, label_side)
            intos.setdefault(link.head, []).append((goal, number))
    spread = {
        ("out", number): offset
        for cell, goals in outs.items()
        for number, offset in _side_by_side(goals, items.face[cell], items.shift[cell])
    }
    spread |= {
        ("into", number): offset
        for cell, goals in intos.items()
        for number, offset in _side_by_side(goals, items.face[cell], items.shift[cell])
    }
    return [
        (spread.get(("out", i), link.out or 0.0), spread.get(("into", i), link.into or 0.0))
        for i, link in enumerate(links)
    ]


def _side_by_side(goals: list[tuple[float, int]], breadth: float, shift: float) -> list[tuple[int, float]]:
    step = min(END_STEP, 0.85 * breadth / len(goals))
    return [(number, shift + (place - (len(goals) - 1) / 2) * step) for place, (_, number) in enumerate(sorted(goals))]


Slot = tuple[float, float]  # from where to where a link stays beside its cell, from the middle of that
ANYWHERE: Slot = (float("-inf"), float("inf"))


def _tangled(
    links: Sequence[Link], ends: Sequence[Point], paths: Sequence[tuple[Point, ...]], router: _Router
) -> dict[int, tuple[Slot, Slot]]:
    """The links that cross others of the same side of a cell before they leave its column, as where one begins to bend
    at the cell and one does not; and the slots, at tail and head, in which none would.
    """
    sides: dict[tuple[int, int], list[int]] = {}
    for number, link in enumerate(links):
        if link.tail != link.head:
            sides.setdefault((link.tail, 0), []).append(number)
            sides.setdefault((link.head, 1), []).append(number)
    found: dict[int, tuple[Slot, Slot]] = {}
    for (cell, side), numbers in sides.items():
        if len(numbers) == 1 or router.fills_column(cell):
            continue
        u, offsets = router.border(cell, side), {number: ends[number][side] for number in numbers}
        numbers.sort(key=offsets.__getitem__)
        reached = [_across_at(paths[number], u) for number in numbers]
        if all(a <= b for a, b in pairwise(reached)):
            continue
        borders = [(offsets[a] + offsets[b]) / 2 for a, b in pairwise(numbers)]
        for number, slot in zip(numbers, pairwise([ANYWHERE[0], *borders, ANYWHERE[1]]), strict=True):
            slots = found.get(number, (ANYWHERE, ANYWHERE))
            found[number] = (slot, slots[1]) if side == 0 else (slots[0], slot)
    return found


def _across_at(path: tuple[Point, ...], u: float) -> float:
    """How far across a path is at some place along; u grows evenly on each of its pieces."""
    for i in range(0, len(path) - 3, 3):
        (first, start), (last, end) = path[i], path[i + 3]
        if u <= last:
            share = min(max((u - first) / ((last - first) or 1.0), 0.0), 1.0)
            return start + (end - start) * share * share * (3 - 2 * share)
    return path[-1][1]


# --- along ----------------------------------------------------------------------------------------------------------


def _along(
    items: Items,
    order: Sequence[Sequence[int]],
    springs: Sequence[Spring],
    middles: Sequence[float],
    spacing: Spacing,
) -> tuple[list[float], list[float]]:
    """Start and stop of each column; the gap before a column grows where links climb steeply."""
    climbs = [0.0] * len(order)
    for spring in springs:
        climb = abs(middles[spring.left] + spring.out - middles[spring.right] - spring.into)
        climbs[items.column[spring.right]] = max(climbs[items.column[spring.right]], climb)
    base = spacing.labels if "label" in items.kind else spacing.columns
    ports = [all(items.kind[item] == "cell" and not items.length[item] for item in column) for column in order]
    starts, stops, run = [], [], 0.0
    for number, column in enumerate(order):
        if number:
            needed = base - PORT_GAIN if ports[number - 1] or ports[number] else base
            run += needed + min(climbs[number] * STEEP, spacing.steepest)
        starts.append(run)
        run += max((items.length[item] for item in column), default=0.0)
        stops.append(run)
    return starts, stops


class _Router:
    """Finds the way of a link between the solid items of the columns that it passes."""

    def __init__(
        self,
        items: Items,
        order: Sequence[Sequence[int]],
        middles: Sequence[float],
        starts: Sequence[float],
        stops: Sequence[float],
        label_side: int,
    ) -> None:
        self.items, self.middles, self.starts, self.stops, self.side = items, middles, starts, stops, label_side
        self.low, self.high = self._limits(order)
        self.lane_of: dict[int, float] = {}
        self.top = min((middles[i] - items.breadth[i] / 2 for i in range(len(middles))), default=0.0)

    def _limits(self, order: Sequence[Sequence[int]]) -> tuple[list[float], list[float]]:
        """How far up and down each item may be passed before a cell or label is in the way, or half the way to the next
        link, so that links which do not cross in the columns do not cross in the picture.
        """
        low, high = [float("-inf")] * len(self.middles), [float("inf")] * len(self.middles)
        for column in order:
            for upper, lower in pairwise(column):
                between = (self.way(upper) + self.way(lower)) / 2
                low[lower] = between if self.shows_its_link(upper, 1) else self.edge(upper, 1)
                high[upper] = between if self.shows_its_link(lower, -1) else self.edge(lower, -1)
        return low, high

    def way(self, item: int) -> float:
        """Where the link of a bend or label passes it."""
        return self.middles[item] + port(self.items, item, self.side)

    def shows_its_link(self, item: int, side: int) -> bool:
        """Whether the link of an item is what another meets first on one side of it."""
        kind = self.items.kind[item]
        return kind == "bend" or (kind == "label" and side == -self.side)

    def edge(self, item: int, side: int) -> float:
        """Where a link may pass a cell or label, on one side of it."""
        return self.middles[item] + side * (self.items.breadth[item] / 2 + 5.0)

    def middle(self, item: int) -> float:
        """Where the item stands along u: in the middle of its column."""
        return (self.starts[self.items.column[item]] + self.stops[self.items.column[item]]) / 2

    def fills_column(self, cell: int) -> bool:
        """Whether a cell is as long as its column."""
        column = self.items.column[cell]
        return self.items.length[cell] >= self.stops[column] - self.starts[column] - 1e-9

    def border(self, cell: int, side: int) -> float:
        """Where the column of a cell ends, or, with side 1, begins."""
        return (self.stops if side == 0 else self.starts)[self.items.column[cell]]

    def path(self, chain: Chain, ends: Point, out: Slot = ANYWHERE, into: Slot = ANYWHERE) -> tuple[Point, ...]:
        """A chain of Béziers from the tail's far side to the head's near side, in these slots beside them."""
        tail, head = chain.items[0], chain.items[-1]
        if tail == head:
            return self._loop(tail)
        leaving, arriving = self._passing(tail, ends[0], out), self._passing(head, ends[1], into)
        knots = [leaving[1]._replace(u=self.middle(tail) + self.items.length[tail] / 2), leaving[1]]
        if chain.lane:
            knots += self._lane(tail, chain)
        for item in chain.items[1:-1]:
            knots += self._passing(item, port(self.items, item, self.side))
        return smooth_curve(
            [*knots, arriving[0], arriving[0]._replace(u=self.middle(head) - self.items.length[head] / 2)]
        )

    def _passing(self, item: int, offset: float, slot: Slot = ANYWHERE) -> tuple[Knot, Knot]:
        """The knots where a link comes to the column of an item and leaves it."""
        column, v = self.items.column[item], self.middles[item] + offset
        low = max(self.low[item], self.middles[item] + slot[0])
        high = min(self.high[item], self.middles[item] + slot[1])
        if self.items.kind[item] == "label":  # beside its words, but not far from them
            near = sorted((v + self.side, v - self.side * LABEL_NEAR))
            low, high = max(low, near[0]), min(high, near[1])
        corridor = Corridor(self.starts[column], self.stops[column], low, high)
        return Knot(corridor.start, v, corridor), Knot(corridor.stop, v, corridor)

    def _lane(self, tail: int, chain: Chain) -> list[Knot]:
        """Out of the columns, along the lane that all long links of this tail share, and back in."""
        v = self.lane_of.setdefault(tail, self.top - LANE_GAP * (len(self.lane_of) + 1))
        first, last = self.items.column[tail] + 1, self.items.column[chain.items[1]] - 1
        anywhere = Corridor(self.starts[first], self.stops[last], float("-inf"), self.top)
        return [Knot(self.starts[first], v, anywhere, True), Knot(self.stops[last], v, anywhere, True)]

    def _loop(self, item: int) -> tuple[Point, ...]:
        u, v, reach = self.middle(item) + self.items.length[item] / 2, self.middles[item], self.items.breadth[item] / 4
        return ((u, v - reach), (u + 30, v - reach), (u + 30, v + reach), (u, v + reach))
