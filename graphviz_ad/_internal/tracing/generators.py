"""A generator that a program returned and nobody else has -> a list of what it gives, so that what runs in it is part
of the run; any other thing as it is.

What the program or somebody else holds as well is not touched: they would find it used up.
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import islice
from types import GeneratorType
from typing import Any

MOST_TAKEN = 1000  # things that a generator gives, which may have no end
LAZY = (GeneratorType, map, filter, zip, enumerate)


class Taken(list[Any]):
    """What a generator gave; ``kind`` is what it was, and whether it had more to give ``in_part`` says."""

    kind = ""
    in_part = False


def run_out(held: list[Any]) -> Any:
    """What stands in a list, alone and held by nobody else, taken out of it; of a generator what it gives."""
    thing = held.pop()
    if not isinstance(thing, LAZY) or sys.getrefcount(thing) > count_of_one():
        return thing
    taken = Taken(islice(thing, MOST_TAKEN))
    taken.kind, taken.in_part = type(thing).__name__, len(taken) == MOST_TAKEN and _has_more(thing)
    return taken


def _has_more(thing: Any) -> bool:
    return next(iter(thing), _END) is not _END


_END = object()


@cache
def count_of_one() -> int:
    """How many references `run_out` counts to what nobody else holds."""
    nobody_has: list[Any] = [(n for n in range(0))]
    return _counted(nobody_has)


def _counted(held: list[Any]) -> int:
    thing = held.pop()
    return sys.getrefcount(thing)
