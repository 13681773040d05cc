"""Columns in order -> a place for each item across the columns: near its neighbours, clear of the item beside it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, islice
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

# for each item of a column: itself, how far it is at least from the first, its neighbours, and all that pulls at it
Columned = Sequence[tuple[int, float, Sequence[tuple[int, float, float]], float]]

OWN = 0.01  # enough pull to keep an item without neighbours where it is
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
    place = list(start) if start is not None else _stacked(columns, separation)
    shifts = [_shifts(column, separation) for column in columns]
    one_sided: list[list[Columned]] = []
    if start is None:
        one_sided = 2 * [_in_columns(columns, shifts, near) for near in (before, after)]
    both = _in_columns(columns, shifts, [a + b for a, b in zip(before, after, strict=True)])
    for turn, parts in enumerate([*one_sided, *[both] * (ROUNDS if len(separation) < MANY else MANY_ROUNDS)]):
        moved = [_settle_column(part, place) for part in (parts if turn % 2 == 0 else parts[::-1])]
        if parts is both and max(moved, default=0.0) < STILL:
            break
    return place


def _shifts(column: Sequence[int], separation: Sequence[float]) -> list[float]:
    """How far each item of a column is at least from the first."""
    return list(accumulate((separation[item] for item in column[1:]), initial=0.0)) if column else []


def _in_columns(columns: Columns, shifts: Sequence[Sequence[float]], neighbours: Neighbours) -> list[Columned]:
    """What each column is settled by: all that stays the same while places change."""
    return [
        [
            (item, shift, neighbours[item], _weight(neighbours[item]))
            for item, shift in zip(column, shift_of, strict=True)
        ]
        for column, shift_of in zip(columns, shifts, strict=True)
    ]


def _weight(near: Sequence[tuple[int, float, float]]) -> float:
    """All that pulls at an item; added one by one, as `sum` adds otherwise on newer versions of Python."""
    weight = OWN
    for _, _, pull in near:
        weight += pull
    return weight


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


def _settle_column(column: Columned, place: list[float]) -> float:
    """Pool adjacent violators: items that want to be closer than they may form a block, which stands at its mean wish.

    Returns how far the farthest item has moved.
    """
    blocks: list[tuple[float, float, int]] = []  # weight, wish of the first item, number of items
    for item, shift, near, weight in column:
        wish = OWN * place[item]
        for other, offset, pull in near:
            wish += pull * (place[other] + offset)
        wish = wish / weight - shift
        size = 1
        while blocks and blocks[-1][1] >= wish:
            above, wish_above, size_above = blocks.pop()
            wish = (above * wish_above + weight * wish) / (above + weight)
            weight += above
            size += size_above
        blocks.append((weight, wish, size))
    farthest = 0.0
    items = iter(column)
    for _, wish, size in blocks:
        for item, shift, _, _ in islice(items, size):
            goal = wish + shift
            moved = abs(goal - place[item])
            if moved > farthest:
                farthest = moved
            place[item] = goal
    return farthest
