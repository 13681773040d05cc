"""What a graph keeps of the program that it was traced from, as the rooms that run that again see it: arrays in, arrays
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from graphviz_ad._internal.graph.snapshot import Array

Numeric = bool | Literal["auto"]  # whether the target is run again: always, never, or where formulas do not do
Arrays = tuple[Array | None, ...]  # None where there is no tensor, or no gradient
TOO_LARGE, NOT_PLAIN = "too large", "not plain tensors"  # why a call of a Function is not looked at
Gradients = Mapping[str, Array | None]


class AppliedFunction(Protocol):
    """One call of a custom Function, as it ran; and the Function alone, with what it was given there.

    ``inputs`` are the names of the parameters that gradients flow to, and ``values`` what they were given; ``arrived``
    is the gradient that came to each result, ``sent`` what the backward made of it for each of the inputs, None of all
    where no gradient came; ``problem`` says why the call cannot be looked at. ``source`` is the line that called it,
    ``defined`` that of its backward.
    """

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str | None: ...
    @property
    def defined(self) -> str | None: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def values(self) -> Sequence[Array]: ...
    @property
    def arrived(self) -> Arrays: ...
    @property
    def sent(self) -> Arrays | None: ...
    @property
    def precision(self) -> str: ...
    @property
    def problem(self) -> str: ...

    def results(self, values: Sequence[Array]) -> Arrays:
        """What it makes of other values."""
        ...

    def gradients(self, values: Sequence[Array], arrived: Arrays) -> Arrays:
        """What its backward makes of gradients, at other values."""
        ...


class Runs(Protocol):
    """Runs of copies of a target, all from the same state, in one precision.

    ``inputs`` are the tensors that a gradient is asked for, by the names that the graph has for them, or by some name
    of their own, which is then one of those ``unnamed``; ``seeds`` are the gradients that are fed in, one an output.
    ``precision`` is the dtype that rounds most on the way; ``count`` how often the target has been run.
    """

    @property
    def inputs(self) -> Mapping[str, Array]: ...
    @property
    def unnamed(self) -> Sequence[str]: ...
    @property
    def seeds(self) -> Sequence[Array]: ...
    @property
    def precision(self) -> str: ...
    @property
    def count(self) -> int: ...

    def outputs(self, moved: Mapping[str, Array]) -> Sequence[Array]:
        """The outputs, some inputs having other values."""
        ...

    def gradients(self, moved: Mapping[str, Array]) -> Gradients:
        """The gradients that autograd computes there."""
        ...

    def functions(self) -> Sequence[AppliedFunction]:
        """The calls of custom Functions in a run and its backward pass."""
        ...


class Target(Protocol):
    """What a graph keeps of its target."""

    def runs(self, *, double: bool) -> Runs:
        """Runs of it, in double precision or as it was; raises RerunError where there can be none."""
        ...
