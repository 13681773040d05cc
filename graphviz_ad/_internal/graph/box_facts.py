"""Part, Step and NotFinite: which modules are in a box, what ran in it one after the other, and how much of what is in
it is NaN or infinite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphviz_ad._internal.graph.repeats import Copies

MIXED = "NaN/∞"
OF_MODULE, OF_FUNCTION, OF_OPERATION = STEP_KINDS = ("module", "function", "operation")


@dataclass(frozen=True, slots=True)
class Part:
    """A module in a box, or ``copies`` neighbours of one class, under its name; ``operations`` ran in them, and
    ``parts`` are the modules in the first of them; ``differ`` says how the gradients do of neighbours, and of
    others of their class in the box.
    """

    name: str
    copies: int = 1
    operations: int = 0
    parts: tuple[Part, ...] = ()
    differ: Copies | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What ran in a box, in order: the module, the function of the program or the operation of this ``name``, by
    ``kind``; ``times`` in a row, where these are modules of one class; ``joined``: it read what the one before made.
    ``chosen``: it takes so many of so many, as routers do, and what is in it then is ``inner``. ``called`` is the class
    of a module that has no modules in it.
    """

    name: str
    kind: str
    operations: int = 1
    times: int = 1
    joined: bool = False
    inner: tuple[Step, ...] = ()
    chosen: tuple[int, ...] = ()
    called: str = ""


def neighbours_in(parts: Sequence[Part], operations: int) -> Copies | None:
    """How neighbours of one class, and others like them, differ that are most of a box in which so many operations
    ran; None without such.
    """
    main = max(parts, key=lambda part: part.operations, default=None)
    return main.differ if main is not None and 2 * main.operations >= operations else None


@dataclass(frozen=True, slots=True)
class NotFinite:
    """Numbers of elements: ``values`` and ``gradients`` that are not finite, of all results in the box; ``masked`` are
    −∞, written there as by a mask. ``born`` is the first operation at which some came up; None where they all came from
    elsewhere. ``spreads``: some are in what takes a gradient, or in what the box returns. ``kind``: they are NaN, ∞, −∞
    or several of these, of values where there are some; ``where`` is the line of the program at which the first came
    up.
    """

    values: int = 0
    gradients: int = 0
    masked: int = 0
    born: str | None = None
    spreads: bool = False
    kind: str | None = None
    where: str | None = None

    def with_more(self, other: NotFinite) -> NotFinite:
        """Both together."""
        birth = self if self.born is not None else other
        known = [kind for kind in (self.kind, other.kind) if kind is not None]
        return NotFinite(
            self.values + other.values,
            self.gradients + other.gradients,
            self.masked + other.masked,
            birth.born,
            self.spreads or other.spreads,
            known[0] if len({*known}) == 1 else MIXED if known else None,
            birth.where,
        )
