"""What neighbours are built like -> where a pattern is repeated, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST = 256  # neighbours in one round of a loop
TRIED = 8  # lengths of a round that are tried at one place


@dataclass(frozen=True, slots=True)
class Piece:
    """``copies`` times ``period`` neighbours from ``start`` on."""

    start: int
    period: int
    copies: int


def repeats_in(structures: Sequence[int]) -> Iterator[Piece]:
    """The neighbours in pieces, from left to right: what is repeated as far as it is, and single ones between.

    >>> [(p.start, p.period, p.copies) for p in repeats_in([7, 1, 2, 1, 2, 1, 2, 9])]
    [(0, 1, 1), (1, 2, 3), (7, 1, 1)]
    """
    following = next_alike(structures)
    place = 0
    while place < len(structures):
        best = Piece(place, 1, 1)
        other, tries = following[place], 0
        while other is not None and other - place <= LONGEST and tries < TRIED:
            copies = copies_of(structures, place, other - place)
            if copies > 1 and copies * (other - place) > best.copies * best.period:
                best = Piece(place, other - place, copies)
                break  # the shortest round is the one that the program has
            other, tries = following[other], tries + 1
        yield best
        place += best.period * best.copies


def next_alike(structures: Sequence[int]) -> list[int | None]:
    """For each place the next one that is built alike."""
    found: list[int | None] = [None] * len(structures)
    seen: dict[int, int] = {}
    for place in range(len(structures) - 1, -1, -1):
        found[place] = seen.get(structures[place])
        seen[structures[place]] = place
    return found


def copies_of(structures: Sequence[int], start: int, period: int) -> int:
    """How often what stands in one period is there, one after the other."""
    place = start
    while place + period < len(structures) and structures[place] == structures[place + period]:
        place += 1
    return (place - start) // period + 1
