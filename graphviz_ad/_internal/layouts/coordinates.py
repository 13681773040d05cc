"""Columns in order -> a place for each item across the columns: near its neighbours, clear of the item beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Columns = Sequence[Sequence[int]]


class Spring(NamedTuple):
    """A link that pulls two items level, where it leaves ``left`` and enters ``right`` (points from their middles)."""

    left: int
    right: int
    out: float = 0.0
    into: float = 0.0
    weight: float = 1.0


# for each item: the other end, how far off it wants to be, how strongly
Neighbours = Sequence[Sequence[tuple[int, float, float]]]

ROUNDS, MANY_ROUNDS = 8, 2  # how often all columns are put right; the second where there are many items
MANY = 20_000
STILL = 0.05  # points; what moves less than this has found its place


def across(
    columns: Columns, springs: Sequence[Spring], separation: Sequence[float], start: Sequence[float] | None = None
) -> list[float]:
    """Middle of each item; ``separation[item]`` is the least distance to the item before it in its column.

    Every column in turn is put where its springs are shortest (least squares, exact for one column), there and back
    again.
    """
    before: list[list[tuple[int, float, float]]] = [[] for _ in separation]
    after: list[list[tuple[int, float, float]]] = [[] for _ in separation]
    for left, right, out, into, weight in springs:
        before[right].append((left, out - into, weight))
        after[left].append((right, into - out, weight))
    both = [a + b for a, b in zip(before, after, strict=True)]
    place = list(start) if start is not None else _stacked(columns, separation)
    one_sided: list[Neighbours] = [] if start is not None else [before, after, before, after]
    for turn, neighbours in enumerate([*one_sided, *[both] * (ROUNDS if len(separation) < MANY else MANY_ROUNDS)]):
        moved = [
            _settle_column(column, neighbours, separation, place)
            for column in (columns if turn % 2 == 0 else columns[::-1])
        ]
        if neighbours is both and max(moved, default=0.0) < STILL:
            break
    return place


def _stacked(columns: Columns, separation: Sequence[float]) -> list[float]:
    place = [0.0] * len(separation)
    for column in columns:
        run = 0.0
        for number, item in enumerate(column):
            run += separation[item] if number else 0.0
            place[item] = run
        for item in column:
            place[item] -= run / 2
    return place


def _settle_column(
    column: Sequence[int], neighbours: Neighbours, separation: Sequence[float], place: list[float]
) -> float:
    """Pool adjacent violators: items that want to be closer than they may form a block, which stands at its mean wish.

    Returns how far the farthest item has moved.
    """
    blocks: list[tuple[float, float, int]] = []  # weight, wish of the first item, number of items
    shifts, shift = [], 0.0
    for number, item in enumerate(column):
        if number:
            shift += separation[item]
        shifts.append(shift)
        weight, wish = 0.01, 0.01 * place[item]  # enough to keep an item without neighbours where it is
        for other, offset, pull in neighbours[item]:
            weight += pull
            wish += pull * (place[other] + offset)
        wish = wish / weight - shift
        size = 1
        while blocks and blocks[-1][1] >= wish:
            above, wish_above, size_above = blocks.pop()
            wish = (above * wish_above + weight * wish) / (above + weight)
            weight += above
            size += size_above
        blocks.append((weight, wish, size))
    wishes = [wish for _, wish, size in blocks for _ in range(size)]
    farthest = 0.0
    for item, wish, shift in zip(column, wishes, shifts, strict=True):
        farthest = max(farthest, abs(wish + shift - place[item]))
        place[item] = wish + shift
    return farthest
