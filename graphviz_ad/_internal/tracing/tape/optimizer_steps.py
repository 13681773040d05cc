"""Optimizers that take steps while a program is recorded -> what each made its step of, for small parameters.

torch calls what is registered with it before and after every step; nothing of the optimizer is written to, and what is
registered is taken away when the recording ends.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate, State
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.optimizers import OPTIMIZERS, PAIRS, OptimizerRule
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.torch_private import hidden_from_modes, is_in_a_step, unseen_by_functions

MOST_UPDATES = 1000  # of parameters, in all steps of a recording together


@dataclass(eq=False)
class OptimizerStep:
    """A step: which operations ran in it, from ``first`` to before ``end``, and what each parameter's was made of."""

    optimizer: weakref.ref[Any]
    first: int
    end: int | None = None
    before: dict[int, tuple[weakref.ref[Tensor], OptimizerUpdate]] = field(default_factory=dict)
    updates: dict[int, OptimizerUpdate] = field(default_factory=dict)  # by the identity of a weak reference


class OptimizerSteps:
    """The steps that were taken in one recording, in the order in which they began."""

    def __init__(self, tape: Tape, failed: Callable[[Exception], None]) -> None:
        """``failed`` is told what kept a step from being looked at."""
        self._tape, self._failed = tape, failed
        self.steps: list[OptimizerStep] = []
        self._count = 0
        self._open = ExitStack()

    def __enter__(self) -> OptimizerSteps:
        """Look at every step of this thread from here on; not at one that has begun."""
        self._thread = threading.get_ident()
        if not is_in_a_step():  # torch goes through what is registered, which must not change meanwhile
            self._open.callback(register_optimizer_step_pre_hook(self._begins).remove)
            self._open.callback(register_optimizer_step_post_hook(self._ended).remove)
        return self

    def __exit__(self, *error: object) -> None:
        """Look no more."""
        self._open.close()

    def begins(self) -> set[int]:
        """The operations before which a step began or ended."""
        return {place for step in self.steps for place in (step.first, step.end) if place is not None}

    def update_of(self, reference: weakref.ref[Tensor], operation: int) -> OptimizerUpdate | None:
        """What the step that an operation ran in made of a tensor; the innermost of several."""
        for step in reversed(self.steps):
            if step.first <= operation < (step.first if step.end is None else step.end):
                return step.updates.get(id(reference))
        return None

    def _begins(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if threading.get_ident() == self._thread:
            step = OptimizerStep(weakref.ref(optimizer), len(self._tape.operations))
            self.steps.append(step)
            self._guarded(self._look_before, optimizer, step)

    def _ended(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        running = (one for one in reversed(self.steps) if one.end is None and one.optimizer() is optimizer)
        if (step := next(running, None)) is not None:
            step.end = len(self._tape.operations)
            self._guarded(self._look_after, optimizer, step)
            step.before.clear()

    def _guarded(self, look: Callable[[Any, OptimizerStep], None], optimizer: Any, step: OptimizerStep) -> None:
        try:
            with unseen_by_functions(), hidden_from_modes():
                look(optimizer, step)
        except Exception as error:  # a tracer must not break what it watches
            self._failed(error)

    def _look_before(self, optimizer: Any, step: OptimizerStep) -> None:
        rule = rule_of(optimizer)
        for group in optimizer.param_groups if rule is not None else ():
            settings = tuple(settings_of(group))
            for parameter in group["params"]:
                if rule is None or self._count >= MOST_UPDATES or not self._is_small(parameter):
                    continue
                self._count += 1
                reference = weakref.ref(parameter)
                known = self._state(optimizer, parameter, rule)
                step.before[id(reference)] = (
                    reference,
                    OptimizerUpdate(type(optimizer).__name__, settings, self._snapshot(parameter), known),
                )

    def _look_after(self, optimizer: Any, step: OptimizerStep) -> None:
        rule = rule_of(optimizer)
        for key, (reference, known) in step.before.items():
            parameter = reference()
            if parameter is not None and rule is not None:
                after = self._state(optimizer, parameter, rule)
                step.updates[key] = replace(known, after=after)

    def _is_small(self, parameter: Tensor) -> bool:
        keeper = self._tape.keeper
        return parameter.layout is torch.strided and parameter.numel() <= keeper.capture.whole

    def _state(self, optimizer: Any, parameter: Tensor, rule: OptimizerRule) -> State:
        kept = optimizer.state.get(parameter, {})  # which makes none, as brackets would
        return tuple([(name, self._snapshot(kept[name])) for name in rule.state if kept.get(name) is not None])

    def _snapshot(self, thing: Any) -> Snapshot | None:
        if isinstance(thing, Tensor):
            return self._tape.keeper.value(thing)
        return Snapshot((), "float64", float(thing))


def rule_of(optimizer: Any) -> OptimizerRule | None:
    """How torch's own optimizers make a step; None for any other, even if it is one of these with another step."""
    name = type(optimizer).__name__
    return OPTIMIZERS.get(name) if type(optimizer) is getattr(torch.optim, name, None) else None


def settings_of(group: dict[str, Any]) -> Iterator[tuple[str, float | bool]]:
    """The numbers of a group of parameters, and the switches that are on."""
    for name, value in group.items():
        several = zip(PAIRS[name], value, strict=False) if name in PAIRS else [(name, value)]
        for own, number in several:
            if isinstance(number, bool):
                yield from [(own, True)] if number else []
            elif isinstance(number, int | float) or (isinstance(number, Tensor) and number.numel() == 1):
                yield own, float(number)
