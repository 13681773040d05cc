"""Capture: how much of a run is kept."""

from __future__ import annotations

from dataclasses import dataclass

from graphviz_ad._internal.base.errors import UnknownNameError

LEVELS = ("none", "summary", "full")


@dataclass(frozen=True)
class Capture:
    """How much of a run is kept.

    ``values`` and ``gradients``: "none" keeps nothing, "summary" keeps tensors of up to ``whole`` elements whole and statistics of larger
    ones, "full" copies everything. ``local`` asks for local derivatives, ``source`` for file and line of each operation.
    """

    values: str = "summary"
    gradients: str = "summary"
    local: bool = True
    source: bool = True
    whole: int = 256

    def __post_init__(self) -> None:
        """Refuse a level that does not exist."""
        for level in (self.values, self.gradients):
            if level not in LEVELS:
                raise UnknownNameError("capture level", level, LEVELS)
