"""What each item needs -> an order in which everything comes after what it needs, and otherwise stands as it stood."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence


def stable_order(needs: Sequence[Collection[int]]) -> list[int]:
    """Places of the items in their new order; items that need each other in a ring are left out.

    >>> stable_order([{2}, set(), set()])
    [1, 2, 0]
    """
    readers: list[list[int]] = [[] for _ in needs]
    for place, needed in enumerate(needs):
        for other in needed:
            readers[other].append(place)
    waiting = [len(needed) for needed in needs]
    ready = [place for place, count in enumerate(waiting) if not count]
    order = []
    while ready:
        order.append(place := heapq.heappop(ready))
        for reader in readers[place]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    return order
