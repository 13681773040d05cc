"""Target, inputs, state of the random numbers -> what a graph keeps of them, so that `check` can run the target again.

Small tensors are copied; what is large is referred to, so that it lives no longer than it would have anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

import torch

from graphviz_ad._internal.base.errors import RerunError
from graphviz_ad._internal.tracing.contents import Path
from graphviz_ad._internal.tracing.rerun.copying import CopyError, KeepingCopier, RunningCopier
from graphviz_ad._internal.tracing.rerun.random_numbers import States, random_states, states_differ
from graphviz_ad._internal.tracing.rerun.running import TargetRuns, World
from graphviz_ad._internal.tracing.tape.collector import at_rest
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.torch_private import hidden_from_modes

MOST_BYTES = 1 << 22  # of tensors that a graph keeps copies of


@dataclass
class KeptTarget:
    """A target with its inputs, as they were before it ran; ``problem`` says why it cannot be run again."""

    name: str
    parts: tuple[Any, ...] = field(default=(), repr=False)
    random: States = field(default_factory=dict, repr=False)
    problem: str = ""
    autocast: tuple[tuple[str, torch.dtype], ...] = ()
    leaves: dict[str, Any] = field(default_factory=dict, repr=False)
    unnamed: tuple[str, ...] = ()  # the keys in there of leaves that have no name in the graph
    starts: tuple[Path, ...] = ()  # the ways, in what the target returns, to what gradients start from
    _copier: KeepingCopier | None = field(default=None, repr=False)

    def finish(self, tape: Tape) -> None:
        """The program has run: note which copies are the leaves of the graph, and let go of everything of the
        user's.
        """
        copier, self._copier = self._copier, None
        if copier is None:
            return
        try:
            self._settle(copier, tape)
        except Exception as error:  # a tracer must not break what it traces
            self.problem = f"it could not be copied: {type(error).__name__}: {error}"

    def _settle(self, copier: KeepingCopier, tape: Tape) -> None:
        copier.settle()
        with hidden_from_modes():
            if not states_differ(self.random, random_states()):
                self.random = {}  # it draws none
        twice: set[str] = set()
        nameless: list[Any] = []
        for tensor in tape.leaves():
            value = tape.known(tensor)
            name, copy = (value.name if value is not None else None), copier.made_of(tensor)
            if copy is None:
                continue
            if name is None:
                nameless.append(copy)
            else:
                twice |= {name} & self.leaves.keys()
                self.leaves[name] = copy
        for name in twice:  # nobody could tell which of them is meant
            del self.leaves[name]
        self.unnamed = tuple(islice((key for key in map(str, count()) if key not in self.leaves), len(nameless)))
        self.leaves |= zip(self.unnamed, nameless, strict=True)

    def note_starts(self, ways: Sequence[Path]) -> None:
        """Of what the program returned these were differentiated."""
        self.starts = tuple(ways)

    def runs(self, *, double: bool) -> TargetRuns:
        """Runs of it; see `graph.target.Target`."""
        if self.problem:
            raise RerunError(self.problem)
        return TargetRuns(self.name, lambda: self._world(double), self.random, self.unnamed, self.autocast)

    def _world(self, double: bool) -> World:
        copier = RunningCopier(double=double)
        try:
            target, args, kwargs, seeds = copier.copy(self.parts)
            leaves = {name: copier.copy(leaf) for name, leaf in self.leaves.items()}
            return World(target, args, kwargs, seeds, self.starts, leaves)
        except (CopyError, RecursionError) as error:
            raise RerunError(str(error)) from error


def autocast_now() -> tuple[tuple[str, torch.dtype], ...]:
    """The devices on which operations choose a dtype of their own now, with that."""
    return tuple(
        (device, torch.get_autocast_dtype(device)) for device in ("cpu", "cuda") if torch.is_autocast_enabled(device)
    )


def kept_target(name: str, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], seeds: Any) -> KeptTarget:
    """What is kept of a target, taken before it runs."""
    copier = KeepingCopier(MOST_BYTES)
    try:
        with at_rest(), hidden_from_modes():
            parts = copier.copy((target, tuple(args), dict(kwargs), seeds))
            return KeptTarget(name, parts, random_states(), autocast=autocast_now(), _copier=copier)
    except Exception as error:  # whatever the user's things do when they are looked at: the trace goes on
        reason = str(error) if isinstance(error, CopyError) else f"{type(error).__name__}: {error}"
        return KeptTarget(name, problem=f"it could not be copied: {reason}")
