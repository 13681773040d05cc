"""FUNCTIONS: how each function in a formula is written in every language, and what computes it, as data.

A function that is not here is written as a call under its own name, and has no meaning in numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

import numpy as np

MANY = -1  # arguments, one or more


class Form(Enum):
    """How a function is set in a formula; others than the call where it has the right number of arguments only."""

    CALL = "f(a, b)"
    FENCED = "|a|"
    ROOT = "√a"
    EXPONENTIAL = "eᵃ"
    INVERSE = "a⁻¹"
    LOCAL = "∂a/∂b"
    TOTAL = "da/db"


class Error(Enum):
    """What a function makes of what is off in its operands."""

    SMOOTH = "as far as its slope, element by element"
    WHOLE = "as far as all elements together"
    ADDS = "the sum"
    MOVES = "the same elsewhere"
    CHOOSES = "no more than the largest"
    NONE = "nothing"


@dataclass(frozen=True)
class Function:
    """One function.

    ``text`` and ``tex`` are what it is called in plain text and in TeX, and ``fence`` what stands around its operand,
    in both, where that says it all. ``numbers`` computes it, and ``error`` says how rounding goes through that;
    ``from_one``, whether torch's kernel takes it away from 1, so that a small value is no better than that; sympy has it as ``sympy`` or, where it has none of that kind, by the formula ``defined`` of x. On the command line it
    takes ``arguments`` (0: it is not there), and torch has it as ``torch``, where not under its own name.
    """

    numbers: Callable[..., Any] | None = None
    text: str = ""
    tex: str = ""
    form: Form = Form.CALL
    fence: tuple[str, str, str, str] = ("", "", "", "")
    sympy: str = ""
    defined: str = ""
    arguments: int = 0
    torch: str = ""
    error: Error = Error.SMOOTH
    from_one: bool = False


def _each(function: Callable[[float], float]) -> Callable[[Any], Any]:
    return np.vectorize(function, otypes=[np.float64])


def _largest(x: Any, *others: Any) -> Any:
    return np.maximum(x, *others) if others else np.max(x)


def _smallest(x: Any, *others: Any) -> Any:
    return np.minimum(x, *others) if others else np.min(x)


def _sigmoid(x: Any) -> Any:
    if np.iscomplexobj(x):
        return 1 / (1 + np.exp(-x))
    return np.exp(-np.logaddexp(0.0, -np.asarray(x, np.float64)))  # exact where 1 / (1 + exp(-x)) would overflow


# Those of the command line come first, in the order in which an error lists them.
FUNCTIONS: Mapping[str, Function] = MappingProxyType({
    "sin": Function(np.sin, "sin", r"\sin", sympy="sin", arguments=1),
    "cos": Function(np.cos, "cos", r"\cos", sympy="cos", arguments=1),
    "tan": Function(np.tan, "tan", r"\tan", sympy="tan", arguments=1),
    "asin": Function(np.arcsin, "asin", r"\arcsin", sympy="asin", arguments=1),
    "acos": Function(np.arccos, "acos", r"\arccos", sympy="acos", arguments=1),
    "atan": Function(np.arctan, "atan", r"\arctan", sympy="atan", arguments=1),
    "sinh": Function(np.sinh, "sinh", r"\sinh", sympy="sinh", arguments=1),
    "cosh": Function(np.cosh, "cosh", r"\cosh", sympy="cosh", arguments=1),
    "tanh": Function(np.tanh, "tanh", r"\tanh", sympy="tanh", arguments=1),
    "exp": Function(np.exp, "exp", r"\exp", Form.EXPONENTIAL, sympy="exp", arguments=1),
    "log": Function(np.log, "ln", r"\ln", sympy="log", arguments=1),
    "log2": Function(np.log2, "log₂", r"\log_{2}", defined="log(x) / log(2)", arguments=1),
    "log10": Function(np.log10, "log₁₀", r"\log_{10}", defined="log(x) / log(10)", arguments=1),
    "sqrt": Function(np.sqrt, form=Form.ROOT, sympy="sqrt", arguments=1),
    "abs": Function(np.abs, form=Form.FENCED, fence=("|", "|", r"\left|", r"\right|"), sympy="Abs", arguments=1),
    "sigmoid": Function(_sigmoid, "σ", r"\sigma", defined="1 / (1 + exp(-x))", arguments=1),
    "relu": Function(None, "ReLU", r"\mathrm{ReLU}", arguments=1), "square": Function(arguments=1),
    "softplus": Function(arguments=1, torch="nn.functional.softplus"),
    "sum": Function(np.sum, arguments=1, error=Error.ADDS), "mean": Function(np.mean, arguments=1, error=Error.ADDS),
    "pow": Function(arguments=2), "dot": Function(arguments=2), "matmul": Function(arguments=2),
    "max": Function(_largest, "max", r"\max", sympy="Max", arguments=MANY, error=Error.CHOOSES),
    "min": Function(_smallest, "min", r"\min", sympy="Min", arguments=MANY, error=Error.CHOOSES),
    "asinh": Function(np.arcsinh, sympy="asinh"), "acosh": Function(np.arccosh, sympy="acosh"),
    "atanh": Function(np.arctanh, sympy="atanh"), "atan2": Function(np.arctan2, sympy="atan2"),
    "erf": Function(_each(math.erf), sympy="erf", from_one=True), "sign": Function(np.sign, sympy="sign", error=Error.NONE),
    "floor": Function(np.floor, form=Form.FENCED, fence=("⌊", "⌋", r"\left\lfloor", r"\right\rfloor"), sympy="floor", error=Error.NONE),
    "ceil": Function(np.ceil, form=Form.FENCED, fence=("⌈", "⌉", r"\left\lceil", r"\right\rceil"), sympy="ceiling", error=Error.NONE),
    "trunc": Function(np.trunc, error=Error.NONE), "round": Function(np.round, error=Error.NONE),
    "where": Function(np.where, sympy="Piecewise", error=Error.CHOOSES),
    "norm": Function(lambda x: np.sqrt(np.sum(np.square(x))), form=Form.FENCED, fence=("‖", "‖", r"\left\|", r"\right\|"), error=Error.WHOLE),
    "prod": Function(np.prod, error=Error.WHOLE), "numel": Function(np.size, error=Error.NONE),
    "shape": Function(np.shape, error=Error.NONE), "reshape": Function(np.reshape, error=Error.MOVES),
    "cumsum": Function(np.cumsum, error=Error.ADDS), "flip": Function(np.flip, error=Error.MOVES),
    "outer": Function(np.outer, error=Error.WHOLE), "trace": Function(np.trace, error=Error.ADDS),
    "det": Function(np.linalg.det, error=Error.WHOLE),
    "inverse": Function(np.linalg.inv, form=Form.INVERSE, error=Error.WHOLE),
    "eye": Function(lambda x: np.eye(*np.shape(x)), error=Error.NONE), "tril": Function(np.tril, error=Error.MOVES),
    "triu": Function(np.triu, error=Error.MOVES),
    "log_softmax": Function(lambda x: x - np.logaddexp.reduce(x, axis=-1, keepdims=True), error=Error.WHOLE),
    "softmax": Function(lambda x: np.exp(x - np.logaddexp.reduce(x, axis=-1, keepdims=True)), error=Error.WHOLE),
    "partial": Function(form=Form.LOCAL), "total": Function(form=Form.TOTAL),
})  # fmt: skip
CONSTANTS: Mapping[str, float] = MappingProxyType({  # alpha and lambda are those of selu
    "pi": math.pi, "alpha": 1.6732632423543772, "lambda_": 1.0507009873554805,
})  # fmt: skip
UNKNOWN = Function()


def function(name: str) -> Function:
    """What is known of a function; nothing but that it can be called, of others."""
    return FUNCTIONS.get(name, UNKNOWN)
