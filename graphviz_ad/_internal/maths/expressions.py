"""Formula text on the command line -> a program of plain mathematics: the checked front of the language of formulas;
parsed, never eval'd.

Statements are Python's assignments, and what stands in them are formulas of `graphviz_ad._internal.maths.formula_tree`,
of which a short list is allowed here. Nothing recurses, and nothing but arithmetic can run.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.maths.formula_text import formula_to_text
from graphviz_ad._internal.maths.formula_tree import (
    Binary,
    Call,
    Comparison,
    Name,
    Number,
    Part,
    Refused,
    Signed,
    Transposed,
    Tree,
    source,
    tree,
    walked,
)
from graphviz_ad._internal.operations import functions

LARGEST_WHOLE = 2**53  # up to there a float is as exact as a whole number
LONGEST, DEEPEST = 10_000, 100  # characters; levels of nesting
MOST_STEPS = 5_000  # a sum of half as many terms: what every version of Python can read
CONSTANTS = {"pi": math.pi, "e": math.e}
# name -> how many arguments; None is one or more
FUNCTIONS: Mapping[str, int | None] = {
    name: None if known.arguments == functions.MANY else known.arguments
    for name, known in functions.FUNCTIONS.items()
    if known.arguments
}
ALLOWED = f"allowed are names, numbers, + - * / ** @, parentheses, pi, e and the functions {', '.join(FUNCTIONS)}"

_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
    "@": operator.matmul,
}  # fmt: skip
_UNARY: Mapping[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos}

_REASONS = {
    OverflowError: "the result is too large",
    ZeroDivisionError: "it divides by zero",
    TypeError: "@ multiplies vectors and matrices only",
}
_ATTRIBUTES, _SUBSCRIPTS, _COMPARISONS = (
    f"{what} are not plain mathematics" for what in ("attributes", "subscripts", "comparisons")
)
_WHY_NOT: Mapping[type, str] = {
    Transposed: _ATTRIBUTES,
    ast.Attribute: _ATTRIBUTES,
    Part: _SUBSCRIPTS,
    ast.Subscript: _SUBSCRIPTS,
    Comparison: _COMPARISONS,
    ast.Compare: _COMPARISONS,
    ast.Lambda: "functions cannot be made here",
    ast.BoolOp: "'and' and 'or' are not plain mathematics",
    ast.IfExp: "choices are not plain mathematics; max(a, b) and relu(a) are",
    ast.JoinedStr: "text is not plain mathematics",
    ast.Tuple: "several results can only stand at the very end, as in 'y1, y2'",
    ast.List: "lists are given as inputs, as in v=[1,2,3]",
    ast.Call: "only a function can be called, and a product is written a*(b)",
    ast.Starred: "'*' and '**' before an argument are not plain mathematics",
    ast.NamedExpr: "names are assigned in statements of their own, as in 'q = x + y; q * z'",
}


@dataclass(frozen=True)
class Statement:
    """One line of a program: a formula and the name that its value gets; None for a result."""

    name: str | None
    formula: Tree


@dataclass(frozen=True)
class Program:
    """A checked formula: ``inputs`` are its free names, in order of first appearance; ``several`` says that it has a
    result for each nameless line.
    """

    text: str
    inputs: tuple[str, ...]
    statements: tuple[Statement, ...]
    several: bool = False

    def run(
        self,
        functions: Mapping[str, Callable[..., Any]],
        values: Mapping[str, Any],
        assigned: Callable[[Any, str], None] = lambda value, name: None,
    ) -> Any:
        """The result, computed with these functions on these inputs; ``assigned(value, name)`` hears of each
        assignment.
        """
        known = {name: _value_of(name, values) for name in self.inputs}
        results, value = [], None
        for statement in self.statements:
            value = walked(statement.formula, lambda node, operands: _computed(node, operands, functions, known))
            if statement.name is None:
                results.append(value)
            else:
                known[statement.name] = value
                assigned(value, statement.name)
        return tuple(results) if self.several else results[0] if results else value


def _computed(
    node: Tree, operands: list[Any], functions: Mapping[str, Callable[..., Any]], known: Mapping[str, Any]
) -> Any:
    match node:
        case Number(value=value):
            return value
        case Name(name=name):
            return known[name]
        case Call(function=function):
            return _function(function, functions)(*operands)
        case Binary(sign=sign) | Signed(sign=sign):
            return _arithmetic(sign, operands)
    raise _refusal(formula_to_text(node), type(node))


def parse(text: str, given: Collection[str] = ()) -> Program:
    """The program of an expression, or of assignments and a result: ``"q=x+y; f=q*z"``.

    ``given`` are names that have a value, so that ``e`` and ``pi`` among them are inputs and not the constants.
    """
    *before, last = _statements(text)
    checker = _Checker(set(given))
    statements = [checker.assignment(statement) for statement in before]
    results, several = checker.result(last)
    return Program(text, tuple(checker.inputs), (*statements, *results), several)


def parse_inputs(texts: Iterable[str]) -> dict[str, float | list[Any]]:
    """Inputs given as ``name=number`` or ``name=[nested lists of numbers]``."""
    inputs: dict[str, float | list[Any]] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise ExpressionError(
                f"{_short(text)} gives no value; write an input as name=number, as in x1=1.5 or v=[1,2,3]"
            )
        if not name.isidentifier():
            raise ExpressionError(
                f"{_short(name)} is no name; write an input as name=number, as in x1=1.5 or v=[1,2,3]"
            )
        name = unicodedata.normalize("NFKC", name)  # as Python's parser does
        _check_name(name)
        if name in inputs:
            raise ExpressionError(f"{name!r} is given twice; give every input once")
        inputs[name] = _literal(name, value)
    return inputs


class _Checker:
    """Turns statements of Python into checked ones."""

    def __init__(self, given: Collection[str]) -> None:
        self.given, self.names = given, set[str]()
        self.inputs: dict[str, None] = {}  # an ordered set
        self.steps = 0

    def assignment(self, statement: ast.stmt) -> Statement:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                _check_name(name)
                formula = self.formula(value)
                self.names.add(name)
                return Statement(name, formula)
            case ast.Expr():
                raise ExpressionError(
                    f"the value of {_quoted_source(statement)} is not used; only the last statement may do without a"
                    " name"
                )
        raise ExpressionError(f"{_quoted_source(statement)} is not an assignment such as 'q = x + y'; {ALLOWED}")

    def result(self, statement: ast.stmt) -> tuple[list[Statement], bool]:
        match statement:
            case ast.Expr(value=ast.Tuple(elts=[_, *_] as parts)):
                return [Statement(None, self.formula(part)) for part in parts], True
            case ast.Expr(value=value):
                return [Statement(None, self.formula(value))], False
        return [self.assignment(statement)], False

    def formula(self, python: ast.expr) -> Tree:
        """What is written there, with arithmetic on numbers done at once, so that hostile numbers are found here."""
        try:
            found = tree(python, FUNCTIONS)
        except Refused as error:
            raise _not_allowed(error.part) from None
        for part, depth in _levels(found):
            _check_part(part, depth)
            self.steps += 1
        if self.steps > MOST_STEPS:
            raise ExpressionError(f"the formula has more than {MOST_STEPS} steps; write it as a function in a file")
        return walked(found, self._settled)

    def _settled(self, node: Tree, operands: list[Tree]) -> Tree:
        match node:
            case Name(name=name):
                return self._name(name)
            case Signed(sign=sign) | Binary(sign=sign):
                numbers = [each.value for each in operands if isinstance(each, Number)]
                return (
                    Number(_arithmetic(sign, numbers)) if len(numbers) == len(operands) else type(node)(sign, *operands)
                )
            case Call(function=function):
                return Call(function, tuple(operands))
        return node

    def _name(self, name: str) -> Tree:
        _check_name(name)
        if name not in self.names and name not in self.given and name in CONSTANTS:
            return Number(CONSTANTS[name])
        if name not in self.names:
            self.inputs[name] = None
        return Name(name)


def _levels(root: Tree) -> Iterator[tuple[Tree, int]]:
    """The parts of a formula with how deep they are nested, outer ones first."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        # a long sum leans to the left, which is no nesting for its reader
        deeper = [
            (part, depth + (place > 0 or not isinstance(node, Binary))) for place, part in enumerate(node.operands)
        ]
        waiting.extend(reversed(deeper))


def _check_part(part: Tree, depth: int) -> None:
    """Whether a part may stand here; `ExpressionError` says why not."""
    if depth > DEEPEST:
        raise ExpressionError(
            f"{_short(formula_to_text(part))} is nested more than {DEEPEST} deep; name its parts, as in 'q = x + y;"
            " q * z'"
        )
    match part:
        case Number(value=value):
            _check_finite(value, part)
        case Call(function=function, operands=arguments):
            wanted, count = FUNCTIONS[function], len(arguments)
            if count != wanted if wanted is not None else count == 0:
                raise ExpressionError(
                    f"{_short(formula_to_text(part))} gives {counted_noun(count, 'argument')} to {function}, which"
                    f" takes {wanted or 'one or more'}"
                )
        case Transposed() | Part() | Comparison():
            raise _refusal(formula_to_text(part), type(part))


def _not_allowed(part: ast.expr) -> ExpressionError:
    """Why something of Python's is no formula."""
    text = source(part)
    match part:
        case ast.Constant(value=bool() | complex()):
            return ExpressionError(f"{_short(text)} is not a real number; {ALLOWED}")
        case ast.BinOp(op=ast.BitXor()):
            return ExpressionError(f"'^' in {_short(text)} is no power here; write x**2 for the square of x")
        case ast.Call(func=ast.Name(id=function)) if function not in FUNCTIONS:
            return ExpressionError(
                f"{_short(text)} calls {function!r}, which is no function (a product is written a*(b)); {ALLOWED}"
            )
        case ast.Call(func=ast.Name(id=function)):
            return ExpressionError(
                f"{_short(text)} has an argument with a name; arguments are given by position only, as in max(a, b)"
            )
    return _refusal(text, type(part))


def _refusal(text: str, kind: type) -> ExpressionError:
    return ExpressionError(
        f"{_short(text)} cannot be used: {_WHY_NOT.get(kind, 'it is not plain mathematics')}; {ALLOWED}"
    )


def _statements(text: str) -> Sequence[ast.stmt]:
    if len(text) > LONGEST:
        raise ExpressionError(
            f"the formula has {len(text)} characters, which is more than {LONGEST}; write it as a function in a file"
        )
    try:
        body = _tree("\n".join(line.strip() for line in text.splitlines())).body
    except SyntaxError as error:
        reason = error.msg.partition(";")[0]
        raise ExpressionError(
            f"{_short(text)} is not a formula: {reason}; {ALLOWED}; a product is written a*b"
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError(
            f"{_short(text)} cannot be read: it is too long, nested too deep, or holds strange characters"
        ) from None
    if not body:
        raise ExpressionError("the formula is empty; write one such as 'sin(x) * y'")
    return body


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's parser has advice for programmers, such as on "0or 1"
        return syntax_tree(text)


def _check_name(name: str) -> None:
    if name.startswith("__"):
        raise ExpressionError(f"the name {_short(name)} starts with '__', which no name here may; choose another")
    if name in FUNCTIONS:
        raise ExpressionError(
            f"{name!r} is a function and cannot be the name of a value; write {name}(x), or choose another name"
        )
    if keyword.iskeyword(name):
        raise ExpressionError(
            f"{name!r} is a word of Python's own, so it cannot be the name of a value; choose another, such as {name}_"
        )


def _check_finite(value: float, node: Number) -> None:
    try:
        if math.isfinite(float(value)):
            return
    except OverflowError:
        pass
    raise ExpressionError(f"the number {_short(formula_to_text(node))} is too large; numbers go up to about 1.8e308")


def _arithmetic(sign: str, operands: Sequence[Any]) -> Any:
    """One operator applied; plain numbers are computed as floats, because the exact power of integers has no bounds."""
    function: Callable[..., Any] = _UNARY[sign] if len(operands) == 1 else _BINARY[sign]
    if not all(isinstance(each, int | float) for each in operands):
        return function(*operands)
    try:
        result = function(*map(float, operands))
    except (OverflowError, ZeroDivisionError, TypeError) as error:
        reason = _REASONS[type(error)]
        raise ExpressionError(
            f"{_spelled(sign, operands)} cannot be computed: {reason}; change these numbers"
        ) from None
    if isinstance(result, complex):
        raise ExpressionError(f"{_spelled(sign, operands)} is not a real number; change these numbers")
    whole = all(isinstance(each, int) for each in operands) and result.is_integer() and abs(result) < 2**53
    return int(result) if whole else result


def _spelled(sign: str, operands: Sequence[float]) -> str:
    return f" {sign} ".join(f"({each:g})" if each < 0 else f"{each:g}" for each in operands)


def _value_of(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise ExpressionError(f"the formula needs a value for {name!r}; give one, as in {name}=1.5")
    return values[name]


def _function(name: str, functions: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    if name not in functions:
        raise ExpressionError(
            f"{name!r} cannot be computed with the chosen framework; it has: {', '.join(sorted(functions))}"
        )
    return functions[name]


def _literal(name: str, text: str) -> float | list[Any]:
    wrong = ExpressionError(
        f"{name}={_short(text)} is no number and no list of numbers; write {name}=1.5, {name}=-1e-3 or {name}=[1,2,3]"
    )
    if len(text) > LONGEST:
        raise ExpressionError(
            f"the value of {name!r} has more than {LONGEST} characters; write the program as a function in a file"
        )
    try:
        (statement,) = _tree(text).body
        value = _number_or_list(statement.value if isinstance(statement, ast.Expr) else None, 0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        raise wrong from None
    if isinstance(value, list) and _shape_of_lists(value) is None:
        raise ExpressionError(
            f"the lists in {name}={_short(text)} differ in length; give every row as many numbers as the first"
        )
    return value


def _number_or_list(node: ast.expr | None, depth: int) -> float | list[Any]:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value if isinstance(value, int) and value <= LARGEST_WHOLE else float(value)
        case ast.Name(id="inf" | "nan" as word):
            return float(word)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant() | ast.Name() as operand):
            number = _number_or_list(operand, depth)
            return (
                number if isinstance(sign, ast.UAdd) or isinstance(number, list) else -(number or 0.0)
            )  # -0 has a sign
        case ast.List(elts=elements) if depth < DEEPEST:
            return [_number_or_list(element, depth + 1) for element in elements]
    raise ValueError


def _shape_of_lists(value: float | list[Any]) -> tuple[int, ...] | None:
    """The shape of nested lists, or None when they are ragged."""
    if not isinstance(value, list):
        return ()
    shapes = [_shape_of_lists(each) for each in value]
    if None in shapes or any(shape != shapes[0] for shape in shapes):
        return None
    return (len(value), *(shapes[0] or ())) if shapes else (0,)


def _quoted_source(node: ast.AST) -> str:
    return _short(source(node))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
