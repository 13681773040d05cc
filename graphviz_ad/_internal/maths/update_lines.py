"""What an optimizer made its step of -> the lines of that step with their numbers, where torch's own say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import allowed, equal, rounding_share
from graphviz_ad._internal.maths.formula_errors import doubted
from graphviz_ad._internal.maths.formula_tree import Name, parsed, walked
from graphviz_ad._internal.maths.formula_values import evaluate
from graphviz_ad._internal.operations.optimizers import (
    FIRST,
    GRADIENT,
    OPTIMIZERS,
    PARAMETER,
    RESTS,
    STEPS,
    OptimizerRule,
    UpdateLine,
)

ROUNDINGS = 2  # of torch's in a line, since its kernels write some of them in another way


@dataclass(frozen=True)
class MadeLine:
    """A line of a step: ``result`` got what ``formula`` says of ``values``, which is ``made``; ``recorded``: that is a
    number of torch's, and not one that only stands between.
    """

    result: str
    formula: str
    lesson: str
    values: Mapping[str, Snapshot]
    made: Snapshot
    recorded: bool


@dataclass
class _Walk:
    """The names that lines use, with their values so far, and how far these may be off."""

    like: Snapshot
    values: dict[str, Any]
    off: dict[str, Any] = field(default_factory=dict)

    def snapshot(self, value: Any) -> Snapshot:
        array = np.asarray(value, float)
        return Snapshot(array.shape, self.like.dtype, array.item() if array.size == 1 else array)

    def line(self, line: UpdateLine, kept: Any) -> MadeLine | None:
        """The line, held against what was kept of its result, if anything was; None where that is another."""
        dtype = "float64" if line.apart else self.like.dtype
        found = doubted(line.formula, self.values, rounding_share(dtype, ROUNDINGS), off=self.off)
        value = np.asarray(found.value, float)
        off = found.off + allowed(self.like.dtype, ROUNDINGS, np.abs(value)) if line.apart else found.off
        said = {name: self.snapshot(self.values[name]) for name in names_in(line.formula)}
        if kept is not None:
            apart = off + allowed(self.like.dtype, ROUNDINGS, np.abs(kept))
            if equal(value, kept, apart, self.like.dtype, np.abs(value)) is not True:
                return None
            value, off = kept, np.zeros_like(kept)
        self.values[line.result], self.off[line.result] = value, off
        return MadeLine(line.result, line.formula, line.lesson, said, self.snapshot(value), kept is not None)


@lru_cache
def names_in(formula: str) -> tuple[str, ...]:
    """The names that a formula uses, each once."""
    found: dict[str, None] = {}
    walked(parsed(formula), lambda node, _: found.setdefault(node.name) if isinstance(node, Name) else None)
    return tuple(found)


def update_lines(
    update: OptimizerUpdate, old: Snapshot | None, new: Snapshot | None, grad: Snapshot | None
) -> tuple[MadeLine, ...]:
    """The lines of a step that read this ``.grad`` and made the new value of the old one; none where they are not
    known, or where one of them does not give what torch has.
    """
    rule = OPTIMIZERS.get(update.optimizer)
    given = [elements(each) for each in (old, new, grad)]
    before, after = elements_of(update.before), elements_of(update.after)
    if rule is None or old is None or any(each is None for each in (*given, *before.values(), *after.values())):
        return ()
    was, made, read = given
    settings = {**rule.settings, **dict(update.settings)}
    if len({each.shape for each in given if each is not None}) > 1:
        return ()
    on = {**settings, FIRST: not any(name in before for name in rule.state)}
    values = {**settings, **dict.fromkeys(rule.zeros, np.zeros_like(was)), **before, PARAMETER: was, GRADIENT: read}
    if STEPS in after:
        values[STEPS] = after[STEPS]
    values |= {name: 1 - float(settings[whole]) for name, whole in RESTS.items() if whole in settings}
    on |= {name: bool(evaluate(formula, values)) for name, formula in rule.switches.items() if STEPS in values}
    return tuple(lines_held(rule, on, _Walk(old, values), {**after, PARAMETER: made}))


def lines_held(
    rule: OptimizerRule, on: Mapping[str, object], walk: _Walk, kept: Mapping[str, Any]
) -> Iterator[MadeLine]:
    """The lines that are part of the step, if all of them are true."""
    lines = [line for line in rule.lines if line.holds(on)]
    last = {line.result: n for n, line in enumerate(lines)}
    found: list[MadeLine] = []
    for n, line in enumerate(lines):
        known = kept.get(line.result) if last[line.result] == n else None
        is_told = known is not None or line.result not in rule.state
        made = walk.line(line, known) if is_told else None
        if made is None:
            return
        found.append(made)
    yield from found


def elements(snap: Snapshot | None) -> Any:
    """All elements as floating-point numbers; None where they are not known, or not real."""
    if snap is None or snap.array is None or np.iscomplexobj(snap.array):
        return None
    return np.asarray(snap.array, float)


def elements_of(state: tuple[tuple[str, Snapshot | None], ...]) -> dict[str, Any]:
    """The same of what an optimizer remembers."""
    return {name: elements(snap) for name, snap in state}
