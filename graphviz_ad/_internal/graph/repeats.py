"""Copies: what is said of the copies that stand in one box: how many, and how their gradients differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def copies_named(names: Sequence[str], norms: Sequence[float | None]) -> Copies:
    """So many copies, of which these are the names and the norms."""
    pairs = reversed([*zip(norms, names, strict=True)])
    known = {norm: name for norm, name in pairs if norm is not None and math.isfinite(norm)}
    least, most = (known[min(known)], known[max(known)]) if known else (None, None)
    return Copies(len(norms), tuple(norms), names[0], names[-1], least, most)
