"""Copies: what is said of the copies that stand in one box: how many, and how their gradients differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copies:
    """``norms`` are, copy by copy, those of the gradients of its parameters, or of its result where it has none of its
    own; None where unknown. ``first`` and ``last`` are the names of those copies, ``least`` and ``most`` of those with
    the smallest and the largest norm.
    """

    count: int
    norms: tuple[float | None, ...] = ()
    first: str = ""
    last: str = ""
    least: str | None = None
    most: str | None = None
