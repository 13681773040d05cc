"""Who comes before whom -> the order in which most boxes stand right behind one that they read.

Where several orders join as many, that one is taken in which more of what is joined is worth most, and of these the one
that is nearest to the order of the program. What feeds several boxes so comes before the first of them, where it does
not stand between two that belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from graphviz_ad._internal.layouts.columns import Pair, topological

WIDTH = 24  # beginnings of orders that are followed at the same time
MOST = 120  # boxes; more are no picture that is read row by row
KEPT = 64  # orders, the last ones: a plan asks for the same in several directions


class Begin(NamedTuple):
    """The begin of an order: what it has lost so far, its boxes, and as bits those that it has and those that may
    follow.
    """

    lost: int
    order: tuple[int, ...]
    done: int
    ready: int


def joined_order(count: int, worth: Mapping[Pair, int]) -> list[int]:
    """Nodes 0 … count-1, tails before heads; ``worth`` says of each pair how good it is if it stands side by side, and
    is 0 where it cannot be joined.
    """
    return list(found_order(count, tuple(worth.items())))


def joins(order: Sequence[int], worth: Mapping[Pair, int]) -> int:
    """What an order is worth."""
    return sum(worth.get(pair, 0) for pair in pairwise(order))


@lru_cache(KEPT)
def found_order(count: int, pairs: tuple[tuple[Pair, int], ...]) -> tuple[int, ...]:
    """The same, found once."""
    usual, worth = tuple(topological(count, [pair for pair, _ in pairs])), dict(pairs)
    if not count or count > MOST:
        return usual
    tails, heads, best = [0] * count, [0] * count, [0] * count
    for (tail, head), each in pairs:
        tails[head] |= 1 << tail
        heads[tail] |= 1 << head
        best[head] = max(best[head], each)
    begins = [Begin(0, (), 0, sum(1 << node for node in range(count) if not tails[node]))]
    for _ in range(count):
        longer: dict[tuple[int, int], Begin] = {}
        for begin in begins:
            for node in bits(begin.ready):
                kept = worth.get((begin.order[-1], node), 0) if begin.order else 0
                made = begin_with(begin, node, begin.lost + best[node] - kept, tails, heads)
                same = made.done, node
                longer[same] = min(made, longer.get(same, made))
        begins = sorted(longer.values())[:WIDTH]
    found = begins[0].order
    return found if joins(found, worth) > joins(usual, worth) else usual


def begin_with(begin: Begin, node: int, lost: int, tails: Sequence[int], heads: Sequence[int]) -> Begin:
    """A begin that is longer by a node."""
    done = begin.done | 1 << node
    more = sum(1 << head for head in bits(heads[node]) if not tails[head] & ~done)
    return Begin(lost, (*begin.order, node), done, begin.ready & ~(1 << node) | more)


def bits(number: int) -> list[int]:
    """The places of the bits that are set, lowest first."""
    found = []
    while number:
        low = number & -number
        found.append(low.bit_length() - 1)
        number ^= low
    return found
