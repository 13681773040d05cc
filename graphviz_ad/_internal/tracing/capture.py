"""Capture: how much of a run is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from graphviz_ad._internal.base.argument_types import Says
from graphviz_ad._internal.base.checked_calls import demand_fields

Level = Annotated[Literal["none", "summary", "full"], Says("none, summary or full", "capture level")]


@dataclass(frozen=True)
class Capture:
    """How much of a run is kept.

    ``values`` and ``gradients``: "none" keeps nothing, "summary" keeps tensors of up to ``whole`` elements whole,
    values that were given of up to four times as many, and statistics of larger ones, "full" copies everything.
    ``local`` asks for local derivatives, ``source`` for file and line of each operation.
    """

    values: Level = "summary"
    gradients: Level = "summary"
    local: bool = True
    source: bool = True
    whole: Annotated[int, Says("up to so many elements are kept whole", "number of elements", least=0)] = 256

    def __post_init__(self) -> None:
        """Refuse what says nothing, such as a level that does not exist."""
        demand_fields(self)
