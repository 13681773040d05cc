"""Columns of items -> the same columns, each in an order in which few links cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

Pair = tuple[int, int]  # an item and one in the next column
Columns = list[list[int]]

SWEEPS = 12
PATIENCE = 4  # sweeps without a better order
COUNTED = 30_000  # more links than this are not counted: the last order is taken
TRANSPOSED = 600  # more items than this are not transposed


def uncrossed(columns: Columns, pairs: Sequence[Pair], count: int) -> Columns:
    """The best order that barycentre sweeps, there and back, come across; ties keep the given order."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for left, right in pairs:
        after[left].append(right)
        before[right].append(left)
    position = [0.0] * count
    current = [list(column) for column in columns]
    _number(current, position)
    best, fewest = [list(column) for column in current], crossings(current, after, position)
    stale = 0
    for sweep in range(SWEEPS if len(pairs) <= COUNTED else 4):
        if fewest == 0 or stale == PATIENCE:
            break
        forward = sweep % 2 == 0
        for column in current if forward else reversed(current):
            _sort(column, before if forward else after, position)
        if count <= TRANSPOSED:
            _transpose(current, before, after, position)
        found = crossings(current, after, position) if len(pairs) <= COUNTED else -1 - sweep
        stale += 1
        if found < fewest:
            stale = 0
            best, fewest = [list(column) for column in current], found
    return best


def _number(columns: Columns, position: list[float]) -> None:
    for column in columns:
        for place, item in enumerate(column):
            position[item] = place


def _sort(column: list[int], neighbours: Sequence[Sequence[int]], position: list[float]) -> None:
    """Sort by the mean place of the neighbours; an item without any keeps its own place."""
    keys = {
        item: sum(position[other] for other in near) / len(near) if (near := neighbours[item]) else position[item]
        for item in column
    }
    column.sort(key=keys.__getitem__)
    for place, item in enumerate(column):
        position[item] = place


def crossings(columns: Columns, after: Sequence[Sequence[int]], position: Sequence[float]) -> int:
    """How many pairs of links cross, all columns together."""
    total = 0
    for column in columns:
        seen: list[float] = []
        for item in column:
            ends = [position[other] for other in after[item]]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _transpose(
    columns: Columns, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]], position: list[float]
) -> None:
    """Swap neighbours in a column while that saves crossings."""
    for _ in range(8):
        changed = False
        for column in columns:
            for place in range(len(column) - 1):
                upper, lower = column[place], column[place + 1]
                gain = sum(
                    _cost(side[upper], side[lower], position) - _cost(side[lower], side[upper], position)
                    for side in (before, after)
                )
                if gain > 0:
                    column[place], column[place + 1] = lower, upper
                    position[lower], position[upper] = place, place + 1
                    changed = True
        if not changed:
            return


def _cost(upper: Sequence[int], lower: Sequence[int], position: Sequence[float]) -> int:
    return sum(position[a] > position[b] for a in upper for b in lower)
