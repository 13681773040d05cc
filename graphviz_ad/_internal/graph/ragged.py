"""Lengths that differ from part to part, as in a nested tensor -> a shape that says so: (2, j, 3).

Such a length is an integer for those who compute with shapes, the mean rounded up, and a letter for those who read it.
How many elements there are, it knows exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LETTERS = "jklmnopqrstuvwxyz"
Shape = tuple[int, ...]


class Ragged(int):
    """A length that is another in each part of a tensor, which has so many ``elements`` altogether."""

    letter: str
    elements: int

    def __new__(cls, length: int, letter: str, elements: int) -> Ragged:
        """A length that stands for all of them."""
        made = super().__new__(cls, length)
        made.letter, made.elements = letter, elements
        return made

    def __getnewargs__(self) -> tuple[int, str, int]:  # type: ignore[override]
        """What a copy is made of."""
        return int(self), self.letter, self.elements

    def __repr__(self) -> str:
        """The letter."""
        return self.letter

    __str__ = __repr__


def ragged_shape(lengths: Sequence[int | None], elements: int) -> Shape:
    """The shape of a tensor of so many elements; None stands for a length that differs from part to part.

    >>> ragged_shape([2, None, 3], 15), numel_of_shape(ragged_shape([2, None, 3], 15))
    ((2, j, 3), 15)
    """
    known = math.prod(length for length in lengths if length is not None)
    count = sum(length is None for length in lengths)
    mean = math.ceil((elements / known) ** (1 / count)) if known and count else 0
    letters = iter(LETTERS * count)
    return tuple(Ragged(mean, next(letters), elements) if length is None else length for length in lengths)


def numel_of_shape(shape: Shape) -> int:
    """How many elements a tensor of this shape has."""
    ragged = next((length for length in shape if isinstance(length, Ragged)), None)
    return math.prod(shape) if ragged is None else ragged.elements


def ragged_record(shape: Shape | None) -> dict[str, Any]:
    """What a file says of such a shape besides its numbers: the places of these lengths, and the number of elements;
    nothing of any other.
    """
    places = [place for place, length in enumerate(shape or ()) if isinstance(length, Ragged)]
    return {"ragged": {"places": places, "elements": numel_of_shape(shape or ())}} if places else {}


def read_shape(numbers: Sequence[int], record: Mapping[str, Any] | None) -> Shape:
    """The shape that a file says."""
    if record is None:
        return tuple(numbers)
    letters = iter(LETTERS * len(record["places"]))
    return tuple(
        Ragged(length, next(letters), record["elements"]) if place in record["places"] else length
        for place, length in enumerate(numbers)
    )
