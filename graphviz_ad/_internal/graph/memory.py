"""Bytes that a program keeps for its backward pass -> who keeps them, until when, and what a module would spare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from graphviz_ad._internal.base.frozen import frozen
from graphviz_ad._internal.base.text_table import table_lines

IN_FILES = ("leaves", "saved", "exact")  # what a saved graph says of it
NO_MODULE, NO_LINE = "outside of modules", "line not known"


@frozen
class Keeper:
    """An operation that keeps a tensor for its derivative: the ``key`` of its node, where it stands in the program,
    as what it keeps it, and the how manieth it was on the way back, which then lets go of it; None where it did not
    run.
    """

    key: str
    op: str | None
    what: str
    module: tuple[str, ...]
    source: str | None
    order: int | None


@frozen
class Kept:
    """A piece of memory that is kept for the backward pass, whole, be it but a part of it that is read: ``by`` whom,
    in their order, and ``made_by`` which node, where that is known.
    """

    bytes: int
    by: tuple[Keeper, ...]
    made_by: str | None = None

    @property
    def until(self) -> Keeper | None:
        """The operation that lets go of it as the last on the way back; None where one of them did not run."""
        if len(self.by) == 1:  # the usual case
            return self.by[0] if self.by[0].order is not None else None
        orders = [keeper.order for keeper in self.by]
        last = max((order for order in orders if order is not None), default=None)
        return None if None in orders else next((keeper for keeper in self.by if keeper.order == last), None)

    def __str__(self) -> str:
        """For people: "4 kB kept by softmax, matmul until softmax (model.py:12)"."""
        until = self.until
        ends = f" until {until.op} ({until.source})" if until is not None else ""
        return f"{readable_bytes(self.bytes)} kept by {', '.join(keeper.op or keeper.key for keeper in self.by)}{ends}"


@frozen
class MemoryStep:
    """What is held after an operation ran on the way back: bytes still ``saved``, and those of the ``gradients`` of
    leaves that have come so far. ``key`` is None before the first one.
    """

    key: str | None
    op: str | None
    saved: int
    gradients: int

    @property
    def bytes(self) -> int:
        """Both together."""
        return self.saved + self.gradients


@dataclass(frozen=True, slots=True)
class ModuleMemory:
    """What the operations of a module keep, ``saved`` bytes; how many of these a checkpoint around it would ``spare``,
    which keeps its inputs instead; and what that costs: so many operations are ``recomputed``.
    """

    name: str
    saved: int
    spare: int
    recomputed: int


@dataclass(frozen=True)
class Memory:
    """Bytes: ``leaves`` are parameters and inputs that require grad, whose gradients take as much again; ``saved``
    is what autograd keeps for the backward pass besides them, each piece of memory counted once. ``exact`` is False
    where only hooks of the user know how much that is.

    Of a graph of this process, not of one that was read from a file: ``kept`` are the pieces, the largest first;
    ``steps`` the curve over the backward pass as ``backward()`` without ``retain_graph`` goes; ``modules`` what a
    checkpoint around each would spare and cost.
    """

    leaves: int
    saved: int
    exact: bool = True
    kept: tuple[Kept, ...] = field(default=(), compare=False, repr=False)
    steps: tuple[MemoryStep, ...] = field(default=(), compare=False, repr=False)
    modules: tuple[ModuleMemory, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        """For people: "leaves 1.2 GB, their gradients as much, 350 MB saved for backward"."""
        return (
            f"leaves {readable_bytes(self.leaves)}, their gradients as much,"
            f" {'' if self.exact else 'at least '}{readable_bytes(self.saved)} saved for backward"
        )

    @property
    def peak(self) -> MemoryStep | None:
        """The step after which most is held, of what is saved and of gradients of leaves; None where none is known."""
        return max(self.steps, key=lambda step: step.bytes, default=None)

    @cached_property
    def by_module(self) -> Mapping[str, int]:
        """Bytes by the innermost module of the operation that keeps them first; most first."""
        return self._by(lambda keeper: keeper.module[-1] if keeper.module else NO_MODULE)

    @cached_property
    def by_line(self) -> Mapping[str, int]:
        """Bytes by the line of the program, as "file.py:12", of the operation that keeps them first; most first."""
        return self._by(lambda keeper: keeper.source or NO_LINE)

    def _by(self, place: Callable[[Keeper], str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for piece in self.kept:
            found[place(piece.by[0])] = found.get(place(piece.by[0]), 0) + piece.bytes
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def table(self) -> str:
        """For people: the modules, with what they keep and what a checkpoint around them would spare and cost."""
        head = ("module", "keeps", "a checkpoint spares", "and runs again")
        return "\n".join(table_lines([head, *(tuple(_cells(module)) for module in self.modules)]))


def _cells(module: ModuleMemory) -> Iterator[str]:
    yield module.name
    yield readable_bytes(module.saved)
    yield readable_bytes(module.spare)
    yield f"{module.recomputed} operation{'' if module.recomputed == 1 else 's'}"


def readable_bytes(count: int) -> str:
    """ "1.2 GB" for bytes."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"
