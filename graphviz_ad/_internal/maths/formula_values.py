"""Formula text + arrays -> the number or array that it gives, so that a formula on a picture can be checked against what was recorded."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths.formulas import parsed

Functions = Mapping[str, Callable[..., Any]]
Step = Callable[[Any], Any]
NOTHING: Functions = {}


def as_it_is(result: Any) -> Any:
    """A step that changes nothing."""
    return result


def _swapped(x: Any) -> Any:
    """The last two dimensions swapped, as ``.T`` means it."""
    return np.swapaxes(x, -1, -2) if np.ndim(x) > 1 else x


def _sigmoid(x: Any) -> Any:
    if np.iscomplexobj(x):
        return 1 / (1 + np.exp(-x))
    return np.exp(-np.logaddexp(0.0, -np.asarray(x, np.float64)))  # exact where 1 / (1 + exp(-x)) would overflow


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    return np.vectorize(function, otypes=[np.float64])


def _largest(x: Any, *others: Any) -> Any:
    return np.maximum(x, *others) if others else np.max(x)


def _smallest(x: Any, *others: Any) -> Any:
    return np.minimum(x, *others) if others else np.min(x)


FUNCTIONS: Functions = {
    **{name: getattr(np, name) for name in ("exp", "log", "log2", "log10", "sqrt", "sign", "floor", "ceil", "trunc", "round", "sum", "mean", "prod")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "outer", "shape", "reshape", "cumsum", "flip", "trace", "where")},
    **{name: getattr(np, f"arc{name[1:]}") for name in ("asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh")},
    "abs": np.abs,
    "max": _largest,
    "min": _smallest,
    "norm": lambda x: np.sqrt(np.sum(np.square(x))),
    "numel": np.size,
    "sigmoid": _sigmoid,
    "erf": _each(math.erf),
    "det": np.linalg.det,
    "inverse": np.linalg.inv,
    "eye": lambda x: np.eye(*np.shape(x)),
    "tril": np.tril,
    "triu": np.triu,
    "log_softmax": lambda x: x - np.logaddexp.reduce(x, axis=-1, keepdims=True),
    "softmax": lambda x: np.exp(x - np.logaddexp.reduce(x, axis=-1, keepdims=True)),
    "pick": lambda x, which: np.take_along_axis(x, np.asarray(which, int)[..., None], -1)[..., 0],
}
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "alpha": 1.6732632423543772, "lambda_": 1.0507009873554805}  # the last two are those of selu

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power, ast.MatMult: np.matmul,
}  # fmt: skip
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip


def evaluate(formula: str, values: Mapping[str, Any], functions: Functions = NOTHING, step: Step = as_it_is) -> Any:
    """What a formula gives for these values; truth counts as 1 and 0.

    ``step`` is done to the result of each operation in it, such as rounding. ``functions`` adds to those that are known here. A function or name that is not
    known is an `ExpressionError`: what cannot be computed is not guessed.

    >>> evaluate("g * (1 - out ** 2)", {"g": 2.0, "out": 0.5})
    1.5
    """
    with np.errstate(all="ignore"):
        found = _value(parsed(formula), {**CONSTANTS, **values}, {**FUNCTIONS, **functions}, step)
    return found.item() if isinstance(found, np.generic) else found


def _value(node: ast.expr, values: Mapping[str, Any], functions: Functions, step: Step) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            value = values[name]
            return value if isinstance(value, tuple) else np.asarray(value) * 1.0
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values, functions, step)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return step(_BINARY[type(sign)](_value(left, values, functions, step), _value(right, values, functions, step)))
        case ast.Compare(left=first, ops=signs, comparators=others):
            operands = [_value(each, values, functions, step) for each in (first, *others)]
            parts = [_COMPARE[type(sign)](*pair) for sign, *pair in zip(signs, operands, operands[1:], strict=False)]
            return np.multiply.reduce(np.broadcast_arrays(*parts), axis=0) * 1.0
        case ast.Subscript(value=operand, slice=index):
            wanted, name = ([], "[...]") if isinstance(index, ast.Constant) else ([_value(index, values, functions, step)], "pick")
            if name in functions:
                return functions[name](_value(operand, values, functions, step), *wanted)
        case ast.Attribute(value=operand, attr="T"):
            return _swapped(_value(operand, values, functions, step))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in functions:
            return step(functions[name](*(_value(each, values, functions, step) for each in arguments)))
    raise ExpressionError(f"{ast.unparse(node)!r} cannot be computed here: it stands for a name or function without a meaning in numbers")
