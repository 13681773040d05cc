""" "train.py:12" -> Place: a line of the user's program, as a value; the one place that reads it out of that text."""

from __future__ import annotations

from graphviz_ad._internal.base.frozen import frozen


@frozen
class Place:
    """A line of a file; the file is what it is called, without its folder."""

    file: str
    number: int


def place_of(source: str | None) -> Place | None:
    """The place that ``source`` says; None where none is known."""
    if source is None:
        return None
    file, _, number = source.rpartition(":")
    return Place(file, int(number)) if number.isdecimal() else None
