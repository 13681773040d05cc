"""What a check says of one gradient, and why it says nothing more: the words that are shown in tables, and the reasons
as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

AGREES, DIFFERS, KINK, CUT, UNKNOWN = "yes", "NO", "kink", "cut", "—"

# why there is no verdict, or what goes with one
ROUNDING, NOT_FINITE, STEPS, MEANT, BESIDE, HELD, HOOKED, ABSENT, FAILED, TOO_MANY, TURNS, ELSEWHERE = (
    "rounding",
    "not finite",
    "steps",
    "meant",  # an operation has a gradient that is not its derivative, on purpose
    "beside",  # right beside the kink
    "held",  # right, if what was cut off stays as it is
    "hooked",
    "absent",
    "failed",
    "too many",
    "turns",  # within the shortest step
    "elsewhere",  # what is given as an argument is read from somewhere else
)


class Coverage(NamedTuple):
    """How many of the parameters and inputs that require grad were examined by numbers."""

    examined: int
    of: int


@dataclass(frozen=True)
class Slope:
    """What differences along a line say of a slope that was claimed; ``found`` is None where they say nothing, and
    ``doubt`` is how far both may be off.
    """

    verdict: str
    claimed: float
    found: float | None = None
    why: str = ""
    doubt: float = 0.0
