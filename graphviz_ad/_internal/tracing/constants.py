"""A value -> an argument that stays what it is: ``gad.constant(3)`` reaches the program as 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Constant(Generic[T]):
    """A value that a trace hands to the program as it is."""

    value: T


def constant(value: T) -> Constant[T]:
    """An argument of `trace` that stays what it is: ``gad.trace(power, 1.5, gad.constant(3))`` calls ``power`` with
    the integer 3, where a plain 3 would become a tensor that requires grad.

    It may stand anywhere in the arguments, also in lists and dictionaries.
    """
    return Constant(value)


def kept(thing: Any) -> Any:
    """What the program gets for an argument."""
    return thing.value if isinstance(thing, Constant) else thing
