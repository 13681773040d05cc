"""Values as micrograd has them (``data``, ``grad``, ``_prev``, ``_op``) -> the same computation in ADNumbers, which can
be drawn, filmed and explained.

A Value does not say how fast it changes with what it was made of; its operation is done again, and what comes out must
be its ``data``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import getattr_static
from itertools import permutations
from typing import Any

import numpy as np

from graphviz_ad._internal.ad_number import ADNumber, operation
from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.maths.agreement import allowed, equal
from graphviz_ad._internal.operations.layer_kinds import OF_TWO, OF_VALUES, ORDERED, POWERS

PARTS = ("data", "grad", "_prev", "_op")
POWER = re.compile(r"\*\*\s*(-?[\d.]+(?:e-?\d+)?)")
ROUNDINGS = 4
MISSING = object()


def is_value(thing: object) -> bool:
    """Whether a thing is a Value, whatever its class; nothing of it is run to find out."""
    return not isinstance(thing, type) and all(getattr_static(thing, name, MISSING) is not MISSING for name in PARTS)


def operands_of(value: Any) -> list[Any]:
    """What a Value was made of; a set of Values is put into an order that does not come of where they lie in memory."""
    given = value._prev
    operands = list(given) if isinstance(given, Iterable) else [given]
    if not all(map(is_value, operands)):
        raise TraceError(f"_prev={shown_value(given)} of {shown_value(value)} holds no Values; it must, or be empty")
    if isinstance(given, list | tuple):
        return operands
    return sorted(operands, key=looks)


def looks(value: Any) -> tuple[str, ...]:
    """What a Value is put in order by."""
    return tuple(str(getattr(value, name, "")) for name in ("label", "_op", "data", "grad"))


def in_order(root: Any) -> list[Any]:
    """All Values that one was made of, each before those that were made of it."""
    found: dict[int, Any] = {}
    waiting: list[tuple[Any, bool]] = [(root, False)]
    entered: set[int] = set()
    while waiting:
        value, done = waiting.pop()
        if done:
            found[id(value)] = value
        elif id(value) not in entered:
            entered.add(id(value))
            waiting.append((value, True))
            waiting.extend((operand, False) for operand in reversed(operands_of(value)))
    return list(found.values())


def label_of(value: Any) -> str:
    """What a Value is called; "" where it does not say."""
    label = getattr(value, "label", "")
    return label if isinstance(label, str) else ""


def as_ad_number(root: Any, names: Mapping[int, str]) -> ADNumber:
    """A Value in ADNumbers; ``names`` are those of Values by their identities."""
    made: dict[int, ADNumber] = {}
    for value in in_order(root):
        operands = [made[id(operand)] for operand in operands_of(value)]
        number = done_again(value, operands) if operands else ADNumber(float(value.data))
        number.name = label_of(value) or names.get(id(value))
        made[id(value)] = number
    return made[id(root)]


def done_again(value: Any, operands: Sequence[ADNumber]) -> ADNumber:
    """The operation of a Value, done with ADNumbers."""
    ways = list(ways_to_do(str(value._op).strip().lower(), operands))
    if not ways:
        raise TraceError(
            f"nobody knows how fast the operation {shown_value(value._op)} of {shown_value(value)} changes; known are"
            f" {', '.join(OF_VALUES)} and **2. draw_dot draws any"
        )
    found = [number for number in (way() for way in ways) if agrees(number.value, value.data)]
    if not found:
        raise TraceError(
            f"{shown_value(value)} is not what its operation {shown_value(value._op)} makes of its operands:"
            f" {ways[0]().value:g} comes out; it or they were changed afterwards. Compute it anew and trace that"
        )
    if len(found) > 1 and found[0].op in ORDERED:
        raise TraceError(
            f"{shown_value(value)}: _prev is a set, so that nobody knows which of its operands stands before"
            f" {shown_value(value._op)}, and both ways fit; keep operands in a tuple"
        )
    return found[0]


def ways_to_do(op: str, operands: Sequence[ADNumber]) -> Iterable[Callable[[], ADNumber]]:
    """The ways in which an operation may have been done."""
    if (exponent := POWER.fullmatch(op)) is not None and len(operands) == 1:
        yield lambda: operands[0] ** float(exponent[1])
        return
    name = POWERS if op.startswith("**") else OF_VALUES.get(op)
    if name is None or len(operands) > 2:
        return
    both = [operands[0], operands[0]] if name in OF_TWO and len(operands) == 1 else list(operands)
    if len(both) != (2 if name in OF_TWO else 1):
        return
    orders = permutations(both) if name in ORDERED and operands[0] is not operands[-1] else [both]
    for order in orders:
        yield lambda order=order: operation(name)(*order)  # type: ignore[misc]


def agrees(found: float, data: Any) -> bool:
    """Whether a number is the data of a Value, up to rounding."""
    kept = np.asarray(data)
    dtype = str(kept.dtype) if kept.dtype.kind == "f" else "float64"
    return equal(np.asarray(found), kept, allowed(dtype, ROUNDINGS, abs(found)), dtype) is not False
