"""Formula text + arrays -> the number or array that it gives, so that a formula on a picture can be checked against
what was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths.formula_text import to_text
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
from graphviz_ad._internal.operations import functions
from graphviz_ad._internal.operations.functions import CONSTANTS

Functions = Mapping[str, Callable[..., Any]]
Step = Callable[[Any], Any]
NOTHING: Functions = {}


def as_it_is(result: Any) -> Any:
    """A step that changes nothing."""
    return result


def transposed(x: Any) -> Any:
    """The last two dimensions swapped, as ``.T`` means it."""
    return np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x


def picked(x: Any, which: Any) -> Any:
    """Of each row the element with that number."""
    return np.take_along_axis(x, np.asarray(which, int)[..., None], -1)[..., 0]


FUNCTIONS: Functions = {name: known.numbers for name, known in functions.FUNCTIONS.items() if known.numbers is not None}

_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "@": np.matmul,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip


def sign_of(sign: str) -> Callable[[Any, Any], Any]:
    """What computes with a sign."""
    return _SIGNS[sign]


def known_functions(more: Functions = NOTHING) -> Functions:
    """The functions that have a meaning in numbers, and these."""
    return {**FUNCTIONS, **more}


def evaluate(formula: str, values: Mapping[str, Any], more: Functions = NOTHING, step: Step = as_it_is) -> Any:
    """What a formula gives for these values; truth counts as 1 and 0.

    ``step`` is done to the result of each operation in it, such as rounding. ``more`` adds to those that are known
    here. A function or name that is not known is an `ExpressionError`: what cannot be computed is not guessed.

    >>> evaluate("g * (1 - out ** 2)", {"g": 2.0, "out": 0.5})
    1.5
    """
    names, known = {**CONSTANTS, **values}, known_functions(more)
    with np.errstate(all="ignore"):
        found = walked(parsed(formula), lambda node, operands: _value(node, operands, names, known, step))
    return found.item() if isinstance(found, np.generic) else found


def _value(node: Tree, operands: list[Any], values: Mapping[str, Any], known: Functions, step: Step) -> Any:
    match node:
        case Number(value=number):
            return float(number)
        case Name(name=name) if name in values:
            value = values[name]
            return value if isinstance(value, tuple) else np.asarray(value) * 1.0
        case Signed(sign="-"):
            return -operands[0]
        case Binary(sign=sign):
            return step(_SIGNS[sign](*operands))
        case Comparison(signs=signs):
            parts = [_SIGNS[sign](*pair) for sign, *pair in zip(signs, operands, operands[1:], strict=False)]
            return np.multiply.reduce(np.broadcast_arrays(*parts), axis=0) * 1.0
        case Part(index=Name()):
            return picked(*operands)
        case Part() if "[...]" in known:
            return known["[...]"](*operands)
        case Transposed():
            return transposed(operands[0])
        case Call(function=name) if name in known:
            return step(known[name](*operands))
    raise ExpressionError(
        f"{to_text(node)!r} cannot be computed here: it stands for a name or function without a meaning in numbers"
    )
