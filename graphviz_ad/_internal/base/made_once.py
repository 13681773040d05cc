"""What many candidates for one picture ask for -> made for the first of them, and handed to the others.

A picture is planned in many manners and on several levels, which have most in common: the same tensors in the same
words, the same folds of the same graph. What is made of values that do not change can be kept by who they are, for as
long as the plan takes and no longer; nothing is compared, and nothing outlives the picture. Outside of a plan
everything is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
_made: ContextVar[dict[object, tuple[Any, object]] | None] = ContextVar("made", default=None)


@contextmanager
def shared_by_candidates() -> Iterator[None]:
    """While this is open, here and nowhere else, the same is made once; within another, with that."""
    if _made.get() is not None:
        yield
        return
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def made_once(make: Callable[[], T], whose: object, *said: object) -> T:
    """What ``make`` makes of ``whose``, which is known by its identity, and of what is ``said``, by its value."""
    made = _made.get()
    if made is None:
        return make()
    key = id(whose), said
    if key not in made:
        made[key] = make(), whose  # which so keeps its id to itself
    found: T = made[key][0]
    return found
