"""What an optimizer knew when it took a step, and what it remembered before and after, for one parameter: as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphviz_ad._internal.base.frozen import frozen

if TYPE_CHECKING:
    from graphviz_ad._internal.graph.snapshot import Snapshot

State = tuple[tuple[str, "Snapshot | None"], ...]


@frozen
class OptimizerUpdate:
    """One parameter in one step of an optimizer of torch's.

    ``optimizer`` is its class; ``settings`` are the numbers that it was given for this parameter, a pair such as betas
    as two, and the switches that were on. ``old`` is what the parameter held before; ``before`` and ``after`` are the
    tensors that the optimizer keeps of it, by torch's names: those that it has not made yet are missing before.
    """

    optimizer: str
    settings: tuple[tuple[str, float | bool], ...] = ()
    old: Snapshot | None = None
    before: State = ()
    after: State = ()

    @property
    def numbers(self) -> dict[str, float]:
        """The settings that are no switches."""
        return {name: number for name, number in self.settings if number is not True}
