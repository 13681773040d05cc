"""Numbers -> derivatives: automatic differentiation in one file, to be read in one sitting.

An `ADNumber` remembers the numbers that it was computed from, its operands, and how fast it changes with each of them:
the local derivative. The chain rule makes all other derivatives from these. `f.grad(x)` is that rule as it stands in
textbooks: multiply along each path that leads from f back to x, then add up the paths. Every number that is used twice
doubles the paths behind it, and sixty of them in a row make 2⁶⁰. `f.backward()` finds the same sums without walking any
path twice, which is why PyTorch does it that way.

>>> x1, x2 = ADNumber(1.5, "x1"), ADNumber(0.5, "x2")
>>> f = (1 + sin(x2)) / (x2 + exp(x1)) + x1 * x2
>>> [round(math.prod(path), 6) for path in f.paths(x2)]
[0.176162, -0.059613, 1.5]
>>> round(f.grad(x2), 6)
1.616549
>>> f.backward()
>>> round(x1.gradient, 6), round(x2.gradient, 6)
(0.232834, 1.616549)

What Python's `math` refuses, such as log(0), 1 / 0 and (-8) ** 0.5, raises the same kind of error here. A slope may be
infinite, as that of sqrt at 0. At corners and ties the derivatives are torch's: relu has 0 at 0, and max(a, a) gives
one half to each.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from numbers import Real
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Animation, Picture
    from graphviz_ad._internal.base.checked_calls import takes
    from graphviz_ad._internal.base.number_types import Number, OfOne, OfTwo
    from graphviz_ad._internal.output.call_options import AnimateOptions, DrawOptions

# --- what each operation computes: its value, then its derivative with respect to each operand


def power(a: float, b: float) -> tuple[float, ...]:
    """a ** b; where a is 0, its slopes are those that torch has there."""
    value = math.pow(a, b)
    by_base = b * math.pow(a, b - 1) if a or b >= 1 else math.inf if b else 0.0
    by_exponent = value * math.log(a) if a > 0 else 0.0 if a == 0 else math.nan
    return value, by_base, by_exponent


def logistic(a: float) -> tuple[float, ...]:
    """1 / (1 + exp(-a)), written so that exp cannot overflow."""
    e = math.exp(-abs(a))
    value = (1.0 if a >= 0 else e) / (1.0 + e)
    return value, value * (1.0 - value)


RULES: dict[str, Callable[..., tuple[float, ...]]] = {
    "add": lambda a, b: (a + b, 1.0, 1.0),
    "sub": lambda a, b: (a - b, 1.0, -1.0),
    "mul": lambda a, b: (a * b, b, a),
    "div": lambda a, b: (a / b, 1.0 / b, -a / b / b),
    "pow": power,
    "neg": lambda a: (-a, -1.0),
    "abs": lambda a: (abs(a), float((a > 0) - (a < 0))),
    "exp": lambda a: (e := math.exp(a), e),
    "log": lambda a: (math.log(a), 1.0 / a),
    "sqrt": lambda a: (root := math.sqrt(a), 0.5 / root if root else math.inf),
    "sin": lambda a: (math.sin(a), math.cos(a)),
    "cos": lambda a: (math.cos(a), -math.sin(a)),
    "tan": lambda a: (t := math.tan(a), 1.0 + t * t),
    "tanh": lambda a: (t := math.tanh(a), 1.0 - t * t),
    "sigmoid": logistic,
    "relu": lambda a: (0.0, 0.0) if a <= 0 else (a, 1.0),
    "max": lambda a, b: (b if b > a or b != b else a, (a > b) + (a == b) / 2, (b > a) + (a == b) / 2),
    "min": lambda a, b: (b if b < a or b != b else a, (a < b) + (a == b) / 2, (b < a) + (a == b) / 2),
}


def operation(name: str) -> Callable[..., Any]:
    """The operation of that name for ADNumbers and plain numbers; of plain numbers alone it makes a plain number."""

    def apply(*given: Any) -> Any:
        operands = [each if isinstance(each, ADNumber) else ADNumber(each, op="number") for each in given]
        try:
            value, *slopes = RULES[name](*(operand.value for operand in operands))
        except (ValueError, ArithmeticError) as error:
            shown = ", ".join(
                f"{operand.name} = {operand.value}" if operand.name else f"{operand.value}" for operand in operands
            )
            raise type(error)(f"{name}({shown}) cannot be computed: {error}; choose other inputs") from None
        remembered = any(isinstance(each, ADNumber) for each in given)
        return ADNumber(value, op=name, operands=zip(operands, slopes, strict=True)) if remembered else value

    apply.__name__ = apply.__qualname__ = RULES[name].__qualname__ = name
    apply.__doc__ = (
        f"The operation {name!r} of an ADNumber, which the result remembers; of plain numbers a plain number."
    )
    return apply


def on_its_own(name: str) -> Callable[[ADNumber], ADNumber]:
    """An operator of one ADNumber."""
    return operation(name)


def both_ways(name: str) -> tuple[Callable[[ADNumber, Number], ADNumber], Callable[[ADNumber, Number], ADNumber]]:
    """An operator with the ADNumber on its left, and with the ADNumber on its right."""
    apply = operation(name)
    return apply, lambda right, left: apply(left, right)


def comparison(compare: Callable[[Any, Any], bool]) -> Callable[[Any, object], bool]:
    """A comparison of values; it remembers nothing, for a branch is taken and not differentiated."""
    return lambda left, right: compare(left.value, right.value if isinstance(right, ADNumber) else right)


class ADNumber:
    """A number that remembers what it was computed from, and how fast it changes with each of these operands."""

    def __init__(
        self,
        value: float,
        name: str | None = None,
        *,
        op: str | None = None,
        operands: Iterable[tuple[ADNumber, float]] = (),
    ) -> None:
        if not isinstance(value, Real) or (isinstance(value, int) and abs(value) > sys.float_info.max):
            raise TypeError(
                f"{value!r} ({type(value).__name__}) is no real number, and ADNumbers go with real numbers only; for"
                " tensors use torch"
            )
        pairs = tuple(operands) if isinstance(operands, Iterable) else (operands,)
        if not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], ADNumber) for pair in pairs):
            raise TypeError(
                f"operands={operands!r} are no pairs of an ADNumber and how fast the result changes with it; give"
                " pairs, as in [(x, 2.0)]"
            )
        self.value: float = float(value)
        self.name: str | None = name
        self.op: str | None = op  # what made it; None for an input, "number" for a plain number in a formula
        self.operands: tuple[tuple[ADNumber, float], ...] = pairs  # each with the local derivative ∂self/∂operand
        self.gradient: float | None = None  # what `backward` has brought so far
        # later than its operands, whatever happens
        self.age: int = max([next(births), *(operand.age + 1 for operand, _ in self.operands)])
        self.origin: tuple[CodeType, int] = running_program()

    def paths(self, x: ADNumber) -> Iterator[tuple[float, ...]]:
        """The local derivatives along each path from this number back to x."""
        if self is x:
            yield ()
        for operand, local in self.operands:
            for rest in operand.paths(x):
                yield (local, *rest)

    def grad(self, x: ADNumber) -> float:
        """dself/dx as the chain rule says: the product along each path, summed over all paths."""
        if not isinstance(x, ADNumber):
            raise TypeError(f"grad() was given {x!r} ({type(x).__name__}); give the ADNumber itself, as in f.grad(x)")
        return sum((math.prod(path) for path in self.paths(x)), 0.0)

    def backward(self, upstream: float = 1.0) -> None:
        """Add dself/dx to ``x.gradient`` for every x in the past, all in one sweep; as torch does, a second call
        adds once more.
        """
        for number, gradient in self.gradients(upstream).items():
            number.gradient = gradient if number.gradient is None else number.gradient + gradient

    def gradients(self, upstream: float = 1.0) -> dict[ADNumber, float]:
        """dself/dx for every x in the past: each number hands its gradient on once, when all that flows back to it
        has arrived.
        """
        found = dict.fromkeys(self.past(), 0.0) | {self: ADNumber(upstream).value}
        for number, gradient in found.items():  # by now complete: all that read this number are younger
            for operand, local in number.operands:
                found[operand] += gradient * local
        return found

    def past(self) -> list[ADNumber]:
        """This number and all that it was computed from, youngest first, so that each stands before its operands."""
        found, seen = list[ADNumber]([self]), set[ADNumber]([self])
        for number in found:  # which grows while it is read
            new = dict.fromkeys(operand for operand, _ in number.operands if operand not in seen)
            seen.update(new)
            found.extend(new)
        return sorted(found, key=lambda number: number.age, reverse=True)

    __add__, __radd__ = both_ways("add")
    __sub__, __rsub__ = both_ways("sub")
    __mul__, __rmul__ = both_ways("mul")
    __truediv__, __rtruediv__ = both_ways("div")
    __pow__, __rpow__ = both_ways("pow")
    __neg__, __abs__ = on_its_own("neg"), on_its_own("abs")
    __lt__, __le__, __gt__, __ge__ = map(comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__, __hash__ = comparison(operator.eq), comparison(operator.ne), object.__hash__
    __array_ufunc__ = None  # numpy's numbers leave the arithmetic to us

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return (
            f"ADNumber({self.value!r}{f', {self.name!r}' if self.name else ''}{f', op={self.op!r}' if self.op else ''})"
        )

    if TYPE_CHECKING:  # `api.methods` puts them here: a picture is no part of an engine

        @takes(DrawOptions)
        def plot(self, asked: DrawOptions) -> Picture: ...

        @takes(AnimateOptions)
        def animate(self, asked: AnimateOptions) -> Animation: ...


births = count()


def running_program() -> tuple[CodeType, int]:
    """Code and instruction outside this file that are being run; a picture finds the names of variables there."""
    frame: FrameType = sys._getframe(1)
    while frame.f_globals is globals() and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


exp: OfOne = operation("exp")
log: OfOne = operation("log")
sqrt: OfOne = operation("sqrt")
sin: OfOne = operation("sin")
cos: OfOne = operation("cos")
tan: OfOne = operation("tan")
tanh: OfOne = operation("tanh")
sigmoid: OfOne = operation("sigmoid")
relu: OfOne = operation("relu")
max_: OfTwo = operation("max")
min_: OfTwo = operation("min")
