"""Copies: what is said of the copies that stand in one box: how many, and how their gradients differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphviz_ad._internal.graph.gradient_sizes import far_off

# what is measured of each copy: the gradients of its parameters, of its result, or those that a step was given
PARAMETERS, RESULT, GIVEN = MEASURES = ("parameters", "result", "given")


# what one of them is called
UNITS = {PARAMETERS: "layer", RESULT: "step", GIVEN: "step", None: "copy"}


def named_copy(name: str, measure: str | None) -> str:
    """The name of a copy, of one that is but a number with what it is: "step 7"."""
    return f"{UNITS[measure]} {name}" if name.isdigit() else name


@dataclass(frozen=True, slots=True)
class Copies:
    """``norms`` are, copy by copy, those of the gradients of what ``measure`` says, the same of each; None where
    unknown. ``first`` and ``last`` are the names of those copies, ``least`` and ``most`` of those with the smallest and
    the largest norm; of copies without names of their own their numbers, from 1. ``whole`` are all copies, where some
    of them are elsewhere; ``called`` is what each is, ``result`` of which of several results of each the gradients are,
    ``carried`` which results of each the next one reads.
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
    result: str = ""
    carried: tuple[str, ...] = ()

    @property
    def extremes(self) -> tuple[float, float] | None:
        """The smallest and the largest norm; None where none is known."""
        known = [norm for norm in self.norms if norm is not None and math.isfinite(norm)]
        return (min(known), max(known)) if known else None

    @property
    def far_off(self) -> tuple[int, ...]:
        """The places of the copies whose gradients are, among all copies, far too small or too large; those that steps
        of an optimizer are given become smaller as a model learns.
        """
        if self.measure == GIVEN:
            return ()
        whole, start = self.whole or self, self.start
        return tuple([i - start for i in far_off(whole.norms) if 0 <= i - start < self.count])

    @property
    def start(self) -> int:
        """The place of the first of these among all copies."""
        whole = self.whole or self
        return next((i for i in range(whole.count) if self.norms == whole.norms[i : i + self.count]), 0)

    @property
    def is_uneven(self) -> bool:
        """Whether some are."""
        return bool(self.far_off)


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
