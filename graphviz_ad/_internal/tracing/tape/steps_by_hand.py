"""An operation that writes to a parameter -> how often it takes ``.grad`` away, as an optimizer does in a step; None
where the operations do not say that it does that and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate
from graphviz_ad._internal.operations.optimizers import BY_HAND, RATE
from graphviz_ad._internal.operations.traits import HANDS_ON, OPPOSITE, SCALES, SUMS
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value

DEEPEST = 8  # operations that make one number of another, one after the other
MOST_OPERANDS = 2
KNOWN = frozenset({*HANDS_ON, *OPPOSITE, *SCALES, *SUMS})
ROUNDS = "rounding_mode"  # the setting of a quotient
ADDS = "alpha"  # the setting of a sum: what the second operand is multiplied by
IsThat = Callable[[Value, Operation], bool]  # whether a value, as an operation reads it, is that


class Multiple(NamedTuple):
    """So many times the parameter, and so many times its gradient; ``reads``: that was read, if 0 times."""

    own: float
    grad: float
    reads: bool

    def times(self, factor: float) -> Multiple:
        """So many of it."""
        return Multiple(self.own * factor, self.grad * factor, self.reads)


OWN, GRADIENT = Multiple(1.0, 0.0, False), Multiple(0.0, 1.0, True)


@dataclass(frozen=True)
class StepByHand:
    """What may be a step of one parameter: which values are the parameter itself, as it was before, and which its
    gradient.
    """

    tape: Tape
    is_own: IsThat
    is_gradient: IsThat

    def update(self, operation: Operation) -> OptimizerUpdate | None:
        """The step that this operation takes, if it is one."""
        found = self._made(operation, 0)
        if found is None or found.own != 1 or not found.reads:
            return None
        names = {operation.schema.argument(place) for place in operation.schema.written}
        written = [use[1] for use in operation.uses if use[0] in names]
        old = self.tape.values[written[0]] if len(written) == 1 else None
        known = old.snapshot if old is not None and self.is_own(old, operation) else None
        return OptimizerUpdate(BY_HAND, ((RATE, 0.0 - found.grad),), known)

    def _value(self, number: int, operation: Operation, depth: int) -> Multiple | None:
        value = self.tape.values[number]
        if self.is_gradient(value, operation):
            return GRADIENT
        if self.is_own(value, operation):
            return OWN
        if value.maker is None or depth == DEEPEST:
            return None
        return self._made(self.tape.operations[value.maker], depth + 1)

    def _made(self, operation: Operation, depth: int) -> Multiple | None:
        """What an operation makes; of others than these nothing is read, as they may have many operands."""
        if not (operation.op in KNOWN and len(operation.uses) <= MOST_OPERANDS):
            return None
        read = [self._value(use[1], operation, depth) for use in operation.uses]
        if operation.op in HANDS_ON and read:
            return read[-1]
        if operation.op in OPPOSITE and len(read) == 1:
            return read[0].times(-1) if read[0] is not None else None
        if operation.op in SCALES:
            return self._scaled(operation, read)
        if operation.op in SUMS and len(read) == 2 and read[0] is not None and read[1] is not None:
            factor = number_called(ADDS, operation)
            second = read[1].times(SUMS[operation.op] * (1.0 if factor is None else factor))
            return Multiple(read[0].own + second.own, read[0].grad + second.grad, read[0].reads or second.reads)
        return None

    def _scaled(self, operation: Operation, read: list[Multiple | None]) -> Multiple | None:
        """A product with one number, or a quotient by one."""
        known = [n for n, one in enumerate(read) if one is not None]
        others = [use[1] for use, one in zip(operation.uses, read, strict=True) if one is None]
        numbers = [*plain_numbers(operation), *map(self._number, others)]
        power = SCALES[operation.op]
        multiple, factor = (read[known[0]], numbers[0]) if len(known) == len(numbers) == 1 else (None, None)
        if multiple is None or factor is None or (power < 0 and (known[0] or not factor)) or is_rounded(operation):
            return None
        return multiple.times(factor**power)

    def _number(self, number: int) -> float | None:
        """A tensor that holds one number, which nothing is learnt about."""
        value = self.tape.values[number]
        snap = value.snapshot
        if value.shape or value.requires_grad or snap is None or not snap.known:
            return None
        found = snap.item()
        return None if isinstance(found, complex) else float(found)


def is_rounded(operation: Operation) -> bool:
    """Whether a quotient is made whole."""
    return dict(operation.constants).get(ROUNDS) is not None


def plain_numbers(operation: Operation) -> Iterator[float]:
    """The numbers of Python's among the arguments."""
    for _, value in operation.constants:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield float(value)


def number_called(name: str, operation: Operation) -> float | None:
    """The argument of that name, if it is a number."""
    found = dict(operation.constants).get(name)
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None
