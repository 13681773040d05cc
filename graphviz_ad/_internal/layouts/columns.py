"""Who comes before whom -> which column each node stands in, so that links point one way and are short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from heapq import heappop, heappush

from graphviz_ad._internal.layouts.shortest_links import shortened
from graphviz_ad._internal.scene.scene import Scene

Pair = tuple[int, int]  # tail, head
KEPT, MOST_KEPT = 32, 5_000  # sets of links whose columns are kept, the last ones; nodes of a graph that is kept


def topological(count: int, pairs: Sequence[Pair]) -> list[int]:
    """Nodes 0 … count-1, tails before heads and smallest first; where only cycles are left, the smallest node goes
    first.
    """
    waiting = [0] * count
    heads: list[list[int]] = [[] for _ in range(count)]
    for tail, head in pairs:
        if tail != head:
            waiting[head] += 1
            heads[tail].append(head)
    ready = [node for node in range(count) if not waiting[node]]
    order: list[int] = []
    done = [False] * count
    next_stuck = 0
    while len(order) < count:
        if not ready:
            while done[next_stuck]:
                next_stuck += 1
            ready.append(next_stuck)
        node = heappop(ready)
        if done[node]:
            continue
        done[node] = True
        order.append(node)
        for head in heads[node]:
            waiting[head] -= 1
            if waiting[head] == 0 and not done[head]:
                heappush(ready, head)
    return order


def forward_pairs(count: int, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, those that close a cycle turned around; loops stay loops."""
    place = [0] * count
    for position, node in enumerate(topological(count, pairs)):
        place[node] = position
    return [(tail, head) if place[tail] <= place[head] else (head, tail) for tail, head in pairs]


def columns(count: int, pairs: Sequence[Pair], pinned: Iterable[int] = ()) -> list[int]:
    """Column of each node so that links are short, the first of them 0.

    ``pairs`` must be free of cycles; ``pinned`` nodes stay where the longest path puts them.
    """
    found = kept_columns if count <= MOST_KEPT else kept_columns.__wrapped__
    return list(found(count, tuple(pairs), tuple(pinned)))


@lru_cache(KEPT)
def kept_columns(count: int, pairs: tuple[Pair, ...], pinned: tuple[int, ...]) -> tuple[int, ...]:
    """The same, found once: a plan places what has the same links in several directions and sizes."""
    order = topological(count, pairs)
    tails: list[list[int]] = [[] for _ in range(count)]
    heads: list[list[int]] = [[] for _ in range(count)]
    for tail, head in pairs:
        if tail != head:
            tails[head].append(tail)
            heads[tail].append(head)
    column = [0] * count
    for node in order:
        column[node] = max((column[tail] + 1 for tail in tails[node]), default=0)
    fixed = set(pinned)
    for node in reversed(order):
        if heads[node] and len(heads[node]) >= len(tails[node]) and node not in fixed:
            column[node] = min(column[head] for head in heads[node]) - 1
    shortened(column, [pair for pair in pairs if not fixed & set(pair)])
    first = min((place for node, place in enumerate(column) if node not in fixed), default=0)
    return tuple([place if node in fixed else place - first for node, place in enumerate(column)])


def predicted_size(scene: Scene) -> int:
    """How many nodes dot will have to place: the boxes, and one more for each column that an arrow passes.

    As soon as one arrow has a label, or two boxes have two arrows, which are held apart by one, there are columns for
    labels between those of the boxes, which every arrow passes.
    """
    number = {box.key: i for i, box in enumerate(scene.boxes)}
    pairs = forward_pairs(len(number), [(number[arrow.tail], number[arrow.head]) for arrow in scene.arrows])
    column = columns(len(number), pairs)
    step = 2 if any(arrow.lines for arrow in scene.arrows) or len(set(pairs)) < len(pairs) else 1
    return len(number) + sum(max(step * (column[head] - column[tail]) - 1, 0) for tail, head in pairs)
