"""Architecture: which modules and functions a run called, one inside of the other, and which tensors went from where
to where; what figures of architectures are drawn from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from graphviz_ad._internal.graph.snapshot import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A tensor as it was at one time of the run; a module that returns it makes another of it.

    ``maker`` is the number of the call that made it; ``within`` that of the tensor which it was inside of this module.
    """

    shape: Shape
    dtype: str
    maker: int
    within: int | None = None


@dataclass(frozen=True)
class Call:
    """One call of a module or of a function, or an input of the run.

    ``kind`` is "input", "module" or "function". ``name`` is that of the class or of the function, or what the input is
    called; ``path`` the name of the module within the one that ran, "" for that itself, and of a function the one that
    it ran in; ``around`` the number of the call that it ran in. ``takes`` and ``gives`` are numbers of tensors.
    ``settings`` are plain attributes of the module, and ``parameters`` counts those that are its own or of modules in
    it.
    """

    number: int
    kind: str
    name: str
    path: str
    around: int | None
    depth: int
    takes: tuple[int, ...] = ()
    gives: tuple[int, ...] = ()
    settings: tuple[tuple[str, object], ...] = ()
    parameters: int = 0

    @property
    def said(self) -> Mapping[str, object]:
        """Its settings by name."""
        return dict(self.settings)


@dataclass(frozen=True)
class Architecture:
    """A run: its calls in the order in which they began, its tensors, and which of them came out."""

    name: str
    calls: tuple[Call, ...]
    tensors: tuple[Tensor, ...]
    outputs: tuple[int, ...]

    @cached_property
    def inside(self) -> Mapping[int | None, tuple[Call, ...]]:
        """Number of a call -> those that ran right in it; None -> those that ran in none."""
        found: dict[int | None, list[Call]] = {}
        for call in self.calls:
            found.setdefault(call.around, []).append(call)
        return {number: tuple(calls) for number, calls in found.items()}

    def calls_in(self, call: Call) -> tuple[Call, ...]:
        """The calls that ran right in this one."""
        return self.inside.get(call.number, ())

    def is_leaf(self, call: Call) -> bool:
        """Whether no other module ran in it."""
        return not any(other.kind == "module" for other in self.calls_in(call))

    def ancestors(self, call: Call) -> Iterator[Call]:
        """The calls that this one ran in, innermost first."""
        while call.around is not None:
            call = self.calls[call.around]
            yield call

    def shapes(self, numbers: tuple[int, ...]) -> tuple[Shape, ...]:
        """The shapes of tensors."""
        return tuple(self.tensors[number].shape for number in numbers)


@dataclass(frozen=True)
class Passed:
    """What a tensor held, or what its gradient was: the norm of all its elements, and its first row as such; None where
    that could not be read.
    """

    norm: float | None
    row: Array | None = None


@dataclass(frozen=True)
class Passes:
    """What one run forward and one backward brought: of tensors by their numbers, of weights by their names.

    A tensor that no gradient reached is not in ``gradients``; ``backward``: whether there was anything to
    differentiate.
    """

    values: Mapping[int, Passed]
    gradients: Mapping[int, Passed]
    weights: Mapping[str, Array]
    weight_gradients: Mapping[str, Array]
    backward: bool


@dataclass(frozen=True)
class Flow:
    """A tensor on its way from one part of a view to another; both are numbers of calls."""

    tail: int
    head: int
    tensor: int


@dataclass(frozen=True)
class View:
    """An architecture as it is shown: some modules as a whole, others opened; ``parts`` are calls that stand for
    themselves, ``flows`` the tensors between them.
    """

    architecture: Architecture
    parts: tuple[Call, ...]
    flows: tuple[Flow, ...]
    ends: tuple[Flow, ...]  # from a part to what came out; their head is the place among the outputs


def view(architecture: Architecture, depth: float, *, leaves_whole: bool = True) -> View:
    """The modules at `depth` as a whole, those above them opened; ``leaves_whole``: those in which no other module ran
    are a whole, too, whatever their depth.
    """
    opened = {
        call.number
        for call in architecture.calls
        if call.kind == "module" and call.depth < depth and not (leaves_whole and architecture.is_leaf(call))
    }
    parts = tuple(
        call
        for call in architecture.calls
        if call.number not in opened and all(outer.number in opened for outer in architecture.ancestors(call))
    )
    shown = {call.number: call for call in parts}
    flows = tuple(flow for part in parts for flow in flows_into(architecture, part, shown))
    ends = tuple(
        Flow(source, place, number)
        for place, number in enumerate(architecture.outputs)
        if (source := source_of(architecture, number, shown)) is not None
    )
    return View(architecture, parts, flows, ends)


def flows_into(architecture: Architecture, part: Call, shown: Mapping[int, Call]) -> Iterator[Flow]:
    """What a part takes of others: its arguments, and what was read inside of it without having been given to it."""
    known: set[int] = set()
    for number in part.takes:
        source = source_of(architecture, number, shown)
        if source is not None:
            known.add(source)
            yield Flow(source, part.number, number)
    for inner in all_inside(architecture, part):
        for number in inner.takes:
            source = source_of(architecture, number, shown)
            if source is not None and source != part.number and source not in known:
                known.add(source)
                yield Flow(source, part.number, number)


def all_inside(architecture: Architecture, call: Call) -> Iterator[Call]:
    """Every call that ran in this one, at any depth."""
    waiting = list(reversed(architecture.calls_in(call)))
    while waiting:
        inner = waiting.pop()
        yield inner
        waiting.extend(reversed(architecture.calls_in(inner)))


def source_of(architecture: Architecture, number: int, shown: Mapping[int, Call]) -> int | None:
    """The part that a tensor comes from; None where that is no part."""
    while True:
        tensor = architecture.tensors[number]
        maker = architecture.calls[tensor.maker]
        whole = next((call for call in (maker, *architecture.ancestors(maker)) if call.number in shown), None)
        if whole is not None:
            return whole.number
        if tensor.within is None:
            return None
        number = tensor.within
