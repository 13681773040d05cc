"""Copies: what is said of the copies that stand in one box: how many, and how their gradients differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# what is measured of each copy: the gradients of its parameters, of its result, or those that a step was given
PARAMETERS, RESULT, GIVEN = MEASURES = ("parameters", "result", "given")
MUCH, NOTHING = 1e3, 1e-30  # times as large as another; what is as good as no gradient


@dataclass(frozen=True, slots=True)
class Copies:
    """``norms`` are, copy by copy, those of the gradients of what ``measure`` says, the same of each; None where
    unknown. ``first`` and ``last`` are the names of those copies, ``least`` and ``most`` of those with the smallest and
    the largest norm. ``whole`` are all copies, where some of them are elsewhere; ``called`` is what each is.
    """

    count: int
    norms: tuple[float | None, ...] = ()
    first: str = ""
    last: str = ""
    least: str | None = None
    most: str | None = None
    measure: str | None = None
    called: str = ""
    whole: Copies | None = None

    @property
    def extremes(self) -> tuple[float, float] | None:
        """The smallest and the largest norm; None where none is known."""
        known = [norm for norm in self.norms if norm is not None and math.isfinite(norm)]
        return (min(known), max(known)) if known else None

    @property
    def is_uneven(self) -> bool:
        """Whether gradients differ, among all copies, as they should not; those that steps of an optimizer are given
        do, as a model learns.
        """
        extremes = (self.whole or self).extremes
        if extremes is None or self.measure == GIVEN:
            return False
        least, most = extremes
        return most > 0 and (least < NOTHING or most > MUCH * least)


def copies_named(
    names: Sequence[str],
    norms: Sequence[float | None],
    measure: str | None = None,
    called: str = "",
    whole: Copies | None = None,
) -> Copies:
    """So many copies, of which these are the names and the norms."""
    pairs = reversed([*zip(norms, names, strict=True)])
    known = {norm: name for norm, name in pairs if norm is not None and math.isfinite(norm)}
    least, most = (known[min(known)], known[max(known)]) if known else (None, None)
    return Copies(len(norms), tuple(norms), names[0], names[-1], least, most, measure, called, whole)
