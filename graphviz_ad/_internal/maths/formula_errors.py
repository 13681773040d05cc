"""Formula text + arrays -> how far rounding may carry what it gives, when every step in it is off by a share.

A running error analysis of first order: each part has its value and how far that may be off, and hands both on. So what
cancelled is measured by what it was made of, without anybody having to say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.graph.precision import full_precision
from graphviz_ad._internal.maths.agreement import as_came, room, rounding_of_one, smallest
from graphviz_ad._internal.maths.formula_text import formula_to_text
from graphviz_ad._internal.maths.formula_tree import (
    Binary,
    Call,
    Comparison,
    Name,
    Number,
    Part,
    Signed,
    Transposed,
    Tree,
    parsed,
    walked,
)
from graphviz_ad._internal.maths.formula_values import NOTHING, Functions, known_functions, picked, sign_of, transposed
from graphviz_ad._internal.operations.functions import CONSTANTS, Error, function

MOVE = 2.0**-20  # of what is off: by so much a function's operand is moved to see what that does
EXACT: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Doubted:
    """A number or array, and how far each element may be off."""

    value: Any
    off: Any


def doubted(
    formula: str,
    values: Mapping[str, Any],
    share: float,
    *,
    dtype: str | None = None,
    off: Mapping[str, Any] = EXACT,
    more: Functions = NOTHING,
) -> Doubted:
    """What a formula gives for these values, and how far it may be off; ``off`` says it of its names, which are
    exact otherwise. Of a step that has no room in a dtype nothing is known, and below its normal numbers much is lost.
    """
    walk = _Walk(
        {**CONSTANTS, **values},
        off,
        known_functions(more),
        share,
        smallest(dtype),
        room(dtype) or math.inf,
        rounding_of_one(dtype),
    )
    with np.errstate(all="ignore"):
        return walked(parsed(formula), walk.node)


def flowed(found: Doubted, shape: tuple[int, ...], share: float) -> Doubted | None:
    """The same as it came back to an operand of this shape: summed over its copies, or copied, and rounded once
    more; None where it is neither.
    """
    value, off, size = (
        as_came(like(each, found.value), shape) for each in (found.value, found.off, np.abs(found.value))
    )
    if value is None:
        return None
    copies = max(np.size(found.value) / max(np.size(value), 1), 1)
    return Doubted(value, off + share * (1 + math.log2(copies)) * size)


@dataclass(frozen=True)
class _Walk:
    values: Mapping[str, Any]
    off: Mapping[str, Any]
    functions: Functions
    share: float
    least: float
    room: float
    of_one: float

    def rounded(self, value: Any, off: Any) -> Doubted:
        """The outcome of a step, whose operands make it so far off."""
        size = np.abs(value)
        whole = off + self.share * size + self.least
        return Doubted(value, np.where(size + whole > self.room, np.inf, whole) if math.isfinite(self.room) else whole)

    def node(self, node: Tree, inner: list[Doubted]) -> Doubted:
        match node:
            case Number(value=number):
                return Doubted(float(number), 0.0)
            case Name(name=name) if name in self.values:
                value = self.values[name]
                return Doubted(value if isinstance(value, tuple) else full_precision(value), self.off.get(name, 0.0))
            case Signed(sign="-"):
                return Doubted(-inner[0].value, inner[0].off)
            case Binary(sign=sign):
                return self.binary(sign, *inner)
            case Comparison(signs=signs):
                parts = [
                    sign_of(sign)(left.value, right.value)
                    for sign, left, right in zip(signs, inner, inner[1:], strict=False)
                ]
                return Doubted(np.multiply.reduce(np.broadcast_arrays(*parts), axis=0) * 1.0, 0.0)
            case Transposed():
                return Doubted(transposed(inner[0].value), transposed(inner[0].off))
            case Part(index=Name()):
                whole, which = inner
                return Doubted(picked(whole.value, which.value), picked(like(whole.off, whole.value), which.value))
            case Call(function=name) if name in self.functions:
                return self.call(name, inner)
        raise ExpressionError(
            f"{formula_to_text(node)!r} cannot be computed here: it stands for a name or function without a meaning"
            " in numbers"
        )

    def binary(self, sign: str, left: Doubted, right: Doubted) -> Doubted:
        a, b, value = left.value, right.value, sign_of(sign)(left.value, right.value)
        match sign:
            case "+" | "-":
                off = left.off + right.off
            case "*":
                off = product_error(np.abs(a), right.off) + product_error(np.abs(b), left.off)
            case "/":
                off = (left.off + product_error(np.abs(value), right.off)) / np.abs(b)
            case "@":
                absolute = np.abs(a), np.abs(b)
                off = absolute[0] @ like(right.off, b) + like(left.off, a) @ absolute[1]
                terms = math.sqrt(max(np.shape(a)[-1:] or (1,)))
                return self.rounded(value, off + self.share * terms * (absolute[0] @ absolute[1]))
            case _:
                off = moved_value(np.power, [left, right], value)
        return self.rounded(value, off)

    def call(self, name: str, inner: list[Doubted]) -> Doubted:
        compute, values = self.functions[name], [each.value for each in inner]
        value, kind = compute(*values), function(name).error
        if kind is Error.MOVES:
            return Doubted(value, compute(like(inner[0].off, values[0]), *values[1:]))
        if kind is Error.NONE:
            return Doubted(value, 0.0)
        if kind is Error.CHOOSES:
            return Doubted(value, choice_error([each.off for each in inner], np.shape(value)))
        if kind is Error.ADDS:
            absolute = np.abs(values[0])
            terms = absolute.size / max(np.size(value), 1)
            off = compute(like(inner[0].off, values[0])) + self.share * math.sqrt(max(terms, 1)) * compute(absolute)
            return self.rounded(value, off)
        # as good as the answer to operands that are off by a rounding each; so is all that torch does by the real parts
        if kind is Error.WHOLE or any(map(np.iscomplexobj, values)):
            inner = [self.rounded(each.value, each.off) for each in inner]
        return self.rounded(
            value, moved_value(compute, inner, value) + (self.of_one if function(name).from_one else 0.0)
        )


def moved_value(compute: Callable[..., Any], inner: list[Doubted], value: Any) -> Any:
    """How far a function's value moves with its operands."""
    found: Any = 0.0
    for place, each in enumerate(inner):
        if not np.any(each.off):
            continue
        for step in patterns(each):
            operands = [other.value for other in inner]
            operands[place] = each.value + MOVE * step
            found = np.maximum(found, np.nan_to_num(np.abs(compute(*operands) - value) / MOVE, nan=0.0, posinf=np.inf))
    return found


def patterns(each: Doubted) -> list[Any]:
    """Ways in which all elements may be off at once: up, down, and in turns."""
    off = like(each.off, each.value)
    turns = np.resize([1.0, -1.0], off.size).reshape(off.shape)
    return [off, -off, off * turns][: 2 + (off.size > 1)]


def product_error(factor: Any, off: Any) -> Any:
    """A factor times how far the other is off; nothing, where that is exact: 0 times infinity is not unknown here."""
    return np.where(np.asarray(off) == 0, 0.0, factor * off)


def like(off: Any, value: Any) -> Any:
    """How far an array is off, element by element."""
    return np.broadcast_to(off, np.shape(value)) * 1.0


def choice_error(offs: list[Any], shape: tuple[int, ...]) -> Any:
    """How far what was chosen may be off: of all elements, where it is one of all."""
    found = np.maximum.reduce(np.broadcast_arrays(*offs))
    return found if found.shape in ((), shape) else np.max(found, initial=0.0)
