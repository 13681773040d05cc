"""Tree of folds + how many boxes there may be -> the folds that are shown, from the first to the last node.

A branch is opened as long as there is room, the largest first, and what is built alike is opened together or not at
all; no trifle is opened beside a large part that had to stay closed. What was asked for is opened whatever it takes,
and of repeats each copy in which something goes wrong stands alone.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.graph.fold_scopes import MODULE
from graphviz_ad._internal.graph.fold_tree import CHAIN, DATA, NODE, REPEAT, SHARED, STEPS, UNREAD, Fold

MOST_COPIES = 12  # of what is repeated, that are shown one by one unasked
WORTH_OPENING = 3  # operations of a copy of which one is shown for all
MOST_ALONE = 6  # copies in which something goes wrong, that are shown alone
TRIFLE = 0.05  # of the operations of a part that had no room to be opened: nothing so small is opened beside it
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be seen: ``focus`` are names where it is opened, and nowhere else; ``expand`` those where it is
    opened, too; ``alone`` are places of nodes that are not to be hidden among copies.
    """

    boxes: int
    focus: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    alone: tuple[int, ...] = ()
    near: tuple[int, ...] = ()


def cut_of(tree: Fold, wish: Wish) -> list[Fold]:
    """The folds that are shown, in order; each node is in exactly one."""
    return Cutting(tree, wish).result()


def named_folds(tree: Fold, name: str) -> list[Fold]:
    """The folds that are called so; of many that are built alike the first."""
    found = folds_called(tree, name)
    return found if len(found) <= MOST_COPIES else found[:1]


def numbered_name(name: str) -> tuple[str, int | None]:
    """A name as pictures write it, as what it is of: "step()" of "step", "step() 2" of the second time of it."""
    called, _, number = name.rpartition(" ")
    if called and number.isdecimal():
        return called.removesuffix("()"), int(number)
    return name.removesuffix("()"), None


def folds_called(tree: Fold, name: str) -> list[Fold]:
    """The folds that are called so, in full or by the end of their name, or that are in a module that is."""
    every = list(tree.walk())
    folds = [fold for fold in every if fold.kind not in (NODE, REPEAT, CHAIN)]
    for found in (
        [fold for fold in folds if fold.name == name],
        [fold for fold in every if name in fold.names],
        [fold for fold in folds if any(each.endswith(f".{name}") for each in fold.names)],
        [fold for fold in folds if any(each.startswith(f"{name}.") for each in fold.names)],
    ):
        chosen = outermost(found)
        if chosen:
            return chosen
    called, number = numbered_name(name)
    if called not in ("", name):
        copies = folds_called(tree, called)
        if number is None:
            return copies
        if 1 <= number <= len(copies):
            return copies[number - 1 : number]
    known = {each for fold in every if fold.kind != NODE for each in fold.names if each}
    raise UnknownNameError("part of the graph", name, known, "Modules, functions and results have names.")


def outermost(folds: Sequence[Fold]) -> list[Fold]:
    """Those that are in none of the others."""
    outer, reach = set(), -1
    for first, end in sorted({(fold.first, fold.end) for fold in folds}, key=lambda span: (span[0], -span[1])):
        if end > reach:
            outer.add((first, end))
            reach = end
    return [fold for fold in folds if (fold.first, fold.end) in outer]


@dataclass(eq=False)
class Cutting:
    """A cut on its way: what is opened so far, and as what."""

    tree: Fold
    wish: Wish
    parts: dict[int, list[Fold]] = field(default_factory=dict)
    waiting: list[tuple[int, int, int, list[Fold]]] = field(default_factory=list)
    shown: int = 1
    number: int = 0
    largest_closed: int = 0  # operations of what had no room to be opened

    def result(self) -> list[Fold]:
        """The cut."""
        self.asked = [(f.first, f.end) for name in self.wish.focus for f in named_folds(self.tree, name)]
        self.asked += [(place, place + 1) for place in self.wish.near]
        self.alone = sorted(self.wish.alone)
        self.has_modules = any(fold.kind == MODULE for fold in self.tree.walk())
        self.wide: list[Span] = []
        self.open([self.tree])
        for name in self.wish.expand:  # each as if it were a picture of its own: nothing is closed for it
            self.wide = [(f.first, f.end) for f in self.closed(name)]
            self.shown = 1
            self.open([fold for fold in self.remaining() if self.must(fold)])
        return list(self.remaining())

    def closed(self, name: str) -> list[Fold]:
        """The folds of that name; of many that are built alike the first that is not open."""
        found = folds_called(self.tree, name)
        return found if len(found) <= MOST_COPIES else [next((f for f in found if id(f) not in self.parts), found[0])]

    def open(self, folds: Iterable[Fold]) -> None:
        """Open these folds, and what is in them, as far as there is room."""
        self.put(folds)
        while self.waiting:
            *_, unit = heapq.heappop(self.waiting)
            self.consider(unit)

    def remaining(self) -> Iterator[Fold]:
        """What is not opened, from left to right."""
        waiting = [self.tree]
        while waiting:
            fold = waiting.pop()
            if id(fold) in self.parts:
                waiting += reversed(self.parts[id(fold)])
            else:
                yield fold

    # --- what is opened, and in which order

    def put(self, folds: Iterable[Fold]) -> None:
        """These folds have come to be seen: those that can be opened wait for it."""
        units: dict[object, list[Fold]] = {}
        for fold in folds:
            if fold.kind != NODE and fold.children:
                own = fold.kind == CHAIN or self.is_special(fold)
                alike = id(fold) if own else (fold.likeness, self.urgency(fold))
                units.setdefault(alike, []).append(fold)
        for unit in units.values():
            urgency = min(map(self.urgency, unit))
            if urgency < NEVER:
                self.number += 1
                size = max(fold.operations for fold in unit)
                heapq.heappush(self.waiting, (urgency, -size, self.number, unit))

    def is_special(self, fold: Fold) -> bool:
        """Whether there is a reason to treat a fold unlike those that are built alike."""
        return self.must(fold) or self.holds_alone(fold)

    def urgency(self, fold: Fold) -> int:
        """How early a fold is opened, if it is."""
        if fold is self.tree or self.must(fold):
            return FORCED
        if self.wide and not self.is_within(fold, self.wide):
            return NEVER
        if self.holds_alone(fold) and not self.asked:
            return ANOMALOUS
        if self.asked and not self.wide:
            return USUAL if self.is_within(fold, self.asked) else NEVER
        if fold.kind in (DATA, STEPS, UNREAD, SHARED) or (fold.operations < 2 and fold.kind != CHAIN) or not fold.lives:
            return NEVER
        loop = fold.loop
        if fold.kind == REPEAT and not fold.structure:  # what is left between copies that were taken out
            return NEVER
        if loop is not None and len(loop.children) > MOST_COPIES:
            return FOR_EXAMPLE if loop.structure and loop.children[0].operations >= WORTH_OPENING else NEVER
        if fold.kind not in (CHAIN, REPEAT) and self.has_modules and not fold.is_structured:
            return NEVER
        return USUAL

    def must(self, fold: Fold) -> bool:
        """Whether a fold has to be opened for what was asked for: it is around it, or it is what is expanded."""
        around = any(
            fold.first <= first and end <= fold.end and (first, end) != (fold.first, fold.end)
            for first, end in (*self.asked, *self.wide)
        )
        return around or (fold.first, fold.end) in (*self.wide, *self.asked)

    def is_within(self, fold: Fold, spans: Sequence[Span]) -> bool:
        """Whether a fold is all in one of these."""
        return any(first <= fold.first and fold.end <= end for first, end in spans)

    def holds_alone(self, fold: Fold) -> bool:
        """Whether something that is to stand alone is in a fold that would hide it."""
        place = bisect_left(self.alone, fold.first)
        return place < len(self.alone) and self.alone[place] < fold.end

    def consider(self, unit: list[Fold]) -> None:
        """Open these folds, if there is room."""
        forced = self.urgency(unit[0]) == FORCED
        parts = [self.opened(fold) for fold in unit]
        cost = sum(len(each) - 1 for each in parts)
        if self.shown + cost > self.wish.boxes and len(unit) == 1 and (forced or self.is_opened_in_part(unit[0])):
            parts = [self.opened(unit[0], flat=False)]
            cost = len(parts[0]) - 1
        inside = len(flattened(parts[0][0].children)) if self.urgency(unit[0]) == FOR_EXAMPLE else 0
        if not forced and (self.shown + cost + inside > self.wish.boxes or self.is_trifle(unit)):
            self.largest_closed = max(self.largest_closed, *(fold.operations for fold in unit))
            return
        self.shown += cost
        for fold, each in zip(unit, parts, strict=True):
            self.parts[id(fold)] = each
        self.put(part for each in parts for part in each)

    def is_opened_in_part(self, fold: Fold) -> bool:
        """Whether a fold that has no room for all of its parts is opened as the chains of them."""
        return fold.kind == CHAIN or (fold.kind == MODULE and 2 * fold.operations > self.tree.operations)

    def is_trifle(self, unit: Sequence[Fold]) -> bool:
        """Whether little would be seen in these folds, beside what stayed closed."""
        usual = all(self.urgency(fold) in (USUAL, FOR_EXAMPLE) and fold.kind != CHAIN for fold in unit)
        return usual and sum(fold.operations for fold in unit) < TRIFLE * self.largest_closed

    def opened(self, fold: Fold, *, flat: bool = True) -> list[Fold]:
        """What is seen in the place of a fold that is opened."""
        if fold.kind == REPEAT:
            return self.copies(fold)
        if fold.kind == SHARED and not self.must(fold):
            return in_runs(fold, {id(child) for child in fold.children if self.holds_alone(child)})
        return flattened(fold.children) if flat else list(fold.children)

    def copies(self, repeat: Fold) -> list[Fold]:
        """The copies: those that are to be seen alone, and what is between them; all, if none is."""
        chosen = [copy for copy in repeat.children if self.must(copy)]
        alone = [copy for copy in repeat.children if self.holds_alone(copy)]
        chosen = chosen or (alone if 2 * len(alone) <= len(repeat.children) else [])[:MOST_ALONE]
        if not chosen:
            can = self.is_within(repeat, [*self.asked, *self.wide]) or len(repeat.children) <= MOST_COPIES
            first, *rest = repeat.children
            return list(repeat.children) if can else [first, *part_of_repeat(repeat, rest)]
        if len(repeat.children) <= MOST_COPIES and self.shown + len(repeat.children) <= self.wish.boxes:
            return list(repeat.children)
        return in_runs(repeat, {id(copy) for copy in chosen})


FORCED, ANOMALOUS, USUAL, FOR_EXAMPLE, NEVER = range(5)


def in_runs(fold: Fold, keep: Collection[int]) -> list[Fold]:
    """The children of a fold that are to be seen alone, and those between them together."""
    found: list[Fold] = []
    run: list[Fold] = []
    for child in fold.children:
        if id(child) in keep:
            found += [*part_of_repeat(fold, run), child]
            run = []
        else:
            run.append(child)
    return [*found, *part_of_repeat(fold, run)]


def part_of_repeat(repeat: Fold, copies: Sequence[Fold]) -> list[Fold]:
    """Some neighbours among the copies as a repeat of their own."""
    if len(copies) < 2:
        return list(copies)
    made = replace(
        repeat,
        name=copies[0].name,
        children=tuple(copies),
        structure=0,
        first=copies[0].first,
        size=sum(copy.size for copy in copies),
        operations=sum(copy.operations for copy in copies),
    )
    return [made]


def flattened(folds: Iterable[Fold]) -> list[Fold]:
    """The folds, with those in the place of chains that these are made of."""
    found: list[Fold] = []
    waiting = list(folds)[::-1]
    while waiting:
        fold = waiting.pop()
        if fold.kind == CHAIN:
            waiting += reversed(fold.children)
        else:
            found.append(fold)
    return found


def places_of(tree: Fold, keys: Collection[str]) -> tuple[int, ...]:
    """The places, among the leaves, of these nodes."""
    wanted = {*keys}
    return tuple(leaf.first for leaf in tree.leaves() if leaf.key in wanted)
