"""Graph -> formulas of its derivatives by sympy, how long they are, and their values to thirty digits; the only file
that knows sympy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from graphviz_ad._internal.base.errors import ExpressionError, MissingDependencyError, ReplayError
from graphviz_ad._internal.base.needed_packages import broken
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.claims import LETTERS, base_name, forward_formula
from graphviz_ad._internal.maths.formula_letters import SUPERSCRIPTS
from graphviz_ad._internal.maths.formula_text import formula_to_text
from graphviz_ad._internal.maths.formula_tree import (
    Binary,
    Call,
    Comparison,
    Name,
    Number,
    Signed,
    Tree,
    parsed,
    walked,
)
from graphviz_ad._internal.operations.functions import FUNCTIONS
from graphviz_ad._internal.operations.traits import IN_ORDER, OF_ONE_THE_SAME
from graphviz_ad._internal.scene.words.names import graph_names

LARGEST = 400  # operations of a formula that is still worth deriving
DIGITS = 30
NAMELESS: Mapping[str, str] = {}
SAME = IN_ORDER | OF_ONE_THE_SAME


@dataclass(frozen=True)
class Formula:
    """A formula as text, with the number of operations in it."""

    text: str
    operations: int


@dataclass(frozen=True)
class Symbolic:
    """A function of plain numbers and its derivatives, as formulas.

    ``exact`` holds the derivatives to thirty digits, as sympy numbers, and ``values`` what the formulas give in
    floating point; NaN where they have no value.
    """

    function: Formula
    derivatives: Mapping[str, Formula]
    values: Mapping[str, float]
    exact: Mapping[str, Any]

    def error(self, name: str, found: float) -> float:
        """How far a number is from the exact derivative."""
        import sympy

        return float(abs(sympy.Rational(found) - self.exact[name])) if math.isfinite(found) else math.nan

    @cached_property
    def known(self) -> bool:
        """Whether every exact derivative is a number."""
        return all(value is not None for value in self.exact.values())


def derive(graph: Graph, names: Mapping[str, str] = NAMELESS) -> Symbolic:
    """The derivatives of the result by every input, as formulas; ``names`` says what inputs are called, by key,
    where the picture calls them otherwise.

    `ReplayError` says why there are none: the function works on vectors, an operation has no formula, or the formula
    written out is too long.
    """
    sympy = imported()
    words = {**graph_names(graph).of, **names}
    written_out = size_written_out(graph)
    if written_out > LARGEST:
        raise ReplayError(
            f"written out as one formula, {graph.name} has {approximately(written_out)} operations; nobody would read"
            " its derivative"
        )
    leaves = {node.key: words[node.key] for node in graph.node_list if node.kind == "leaf"}
    symbols = {key: sympy.Symbol(name, real=True) for key, name in leaves.items()}
    function = expression(graph, symbols, sympy)
    at = {symbols[key]: sympy.Rational(number_of(graph.nodes[key])) for key in leaves}
    found = {name: sympy.diff(function, symbols[key]) for key, name in leaves.items()}
    return Symbolic(
        sized_formula(function, sympy),
        {name: sized_formula(each, sympy) for name, each in found.items()},
        {name: in_floating_point(each, at, sympy) for name, each in found.items()},
        {name: to_many_digits(each, at) for name, each in found.items()},
    )


def imported() -> ModuleType:
    """The module sympy; `MissingDependencyError` where it is not installed."""
    try:
        import sympy
    except ImportError as error:
        raise MissingDependencyError(
            "sympy", "symbolic", "a symbolic derivative", broken=broken(error, "sympy")
        ) from error
    return sympy  # type: ignore[no-any-return]


def size_written_out(graph: Graph) -> int:
    """The number of operations when every result is written out wherever it is used: what grows as 2ⁿ where results
    are used twice.
    """
    size: dict[str, int] = {}
    for node in graph.node_list:
        size[node.key] = (node.kind == "op") + sum(size[edge.tail] for edge in graph.in_edges(node.key))
    return sum(size[node.key] for node in graph.outputs)


def expression(graph: Graph, symbols: Mapping[str, Any], sympy: ModuleType) -> Any:
    """The result of the graph in these symbols: outputs times upstream gradients, summed."""
    found: dict[str, Any] = dict(symbols)
    functions = functions_of(sympy)
    for node in graph.node_list:
        if any(math.prod(port.shape or ()) != 1 for port in node.ports):
            raise ReplayError(
                f"{graph.name} works on vectors, and formulas are derived here for functions of plain numbers only"
            )
        if node.key in found:
            continue
        operands = [found[edge.tail] for edge in graph.in_edges(node.key)]
        if not operands:
            found[node.key] = exact_number(number_of(node), sympy)
        elif len(operands) == 1 and base_name(node) in SAME:
            found[node.key] = operands[0]
        else:
            found[node.key] = applied(graph, node, operands, functions, sympy)
    upstream = {node.key: node.ports[0].upstream for node in graph.outputs}
    return sum(
        exact_number(float(seed.item().real), sympy) * found[key] for key, seed in upstream.items() if seed is not None
    )


def applied(
    graph: Graph, node: Node, operands: list[Any], functions: Mapping[str, Callable[..., Any]], sympy: ModuleType
) -> Any:
    """The formula of an operation with its operands put in."""
    text = forward_formula(graph, node) if len(node.ports) == 1 else ""
    if not text:
        raise ReplayError(f"there is no formula for {node.op!r} as it was called")
    try:
        return value(parsed(text), dict(zip(LETTERS, operands, strict=False)) | {"pi": sympy.pi}, functions, sympy)
    except ExpressionError as error:
        raise ReplayError(f"the formula of {node.op!r} cannot be derived: {error}") from error


def functions_of(sympy: ModuleType) -> dict[str, Callable[..., Any]]:
    """What the functions in formulas are in sympy; a choice is one of its pieces."""
    own = {name: getattr(sympy, known.sympy) for name, known in FUNCTIONS.items() if known.sympy}

    def defined(formula: str) -> Callable[[Any], Any]:
        return lambda x: value(parsed(formula), {"x": x}, own, sympy)

    def choice(condition: Any, first: Any, second: Any) -> Any:
        return sympy.Piecewise((first, condition), (second, True))

    by_formula = {name: defined(known.defined) for name, known in FUNCTIONS.items() if known.defined}
    return {**{name: choice if found is sympy.Piecewise else found for name, found in own.items()}, **by_formula}


def value(tree: Tree, names: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]], sympy: ModuleType) -> Any:
    """A formula as an expression of sympy."""

    def made(node: Tree, operands: list[Any]) -> Any:
        match node:
            case Number(value=number):
                return exact_number(number, sympy)
            case Name(name=name) if name in names:
                return names[name]
            case Signed(sign="-"):
                return -operands[0]
            case Binary(sign=sign) if sign in SIGNS:
                return SIGNS[sign](*operands)
            case Comparison(signs=(sign,)) if sign in RELATIONS:
                return getattr(sympy, RELATIONS[sign])(*operands)
            case Call(function=name) if name in functions:
                return functions[name](*operands)
        raise ExpressionError(f"{formula_to_text(node)!r} has no meaning in sympy")

    return walked(tree, made)


SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
RELATIONS: Mapping[str, str] = {"<": "Lt", "<=": "Le", ">": "Gt", ">=": "Ge", "==": "Eq"}


def number_of(node: Node) -> float:
    """The number that a node holds."""
    if node.value is None or not node.value.known or isinstance(node.value.item(), complex):
        raise ReplayError(f"the value of {node.name or node.op or node.key} is not known, or no real number")
    return float(node.value.item().real)


def exact_number(number: float, sympy: ModuleType) -> Any:
    """A number of the program: whole ones as such, others as the floating-point numbers that they are."""
    return sympy.Integer(int(number)) if float(number).is_integer() else sympy.Float(number)


def sized_formula(found: Any, sympy: ModuleType) -> Formula:
    """An expression as text with its size."""
    return Formula(str(found), int(sympy.count_ops(found)))


def in_floating_point(found: Any, at: Mapping[Any, Any], sympy: ModuleType) -> float:
    """What the formula gives in double precision; under names of our own, since this makes a program of it."""
    safe = {symbol: sympy.Symbol(f"v{i}", real=True) for i, symbol in enumerate(at)}
    step = {"Heaviside": lambda x, middle=0.5: float(x > 0) if x else middle, "DiracDelta": lambda *x: 0.0}
    try:
        return float(
            sympy.lambdify(list(safe.values()), found.subs(safe), modules=[step, "math"])(
                *(float(x) for x in at.values())
            )
        )
    except (ArithmeticError, ValueError, TypeError, NameError, KeyError):
        return math.nan


def to_many_digits(found: Any, at: Mapping[Any, Any]) -> Any:
    """The value of an expression to thirty digits; None where it is no real number."""
    try:
        result = found.subs(at).evalf(DIGITS)
    except (ValueError, TypeError, ArithmeticError):
        return None
    return result if result.is_number and result.is_real and result.is_finite else None


def approximately(count: int) -> str:
    """A whole number of any size in a few characters."""
    power = "".join(SUPERSCRIPTS[digit] for digit in str(len(str(count)) - 1))
    return f"{count:,}" if count < 10**7 else f"about 10{power}"
