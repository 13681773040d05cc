"""Formula text on the command line -> a program of plain mathematics; parsed, never eval'd.

The tree of Python's parser is checked against a short list of what is allowed and flattened into instructions for a
stack machine, so that nothing here recurses and nothing but arithmetic can run.
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphviz_ad._internal.base.errors import ExpressionError

LONGEST, DEEPEST = 10_000, 100  # characters; levels of nesting
MOST_STEPS = 5_000  # a sum of half as many terms: what every version of Python can read
CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS: Mapping[str, int | None] = {
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "log", "log2", "log10"), 1),
    **dict.fromkeys(("sqrt", "abs", "sigmoid", "relu", "square", "softplus", "sum", "mean"), 1),
    **dict.fromkeys(("pow", "dot", "matmul"), 2),
    **dict.fromkeys(("max", "min"), None),
}  # name -> how many arguments; None is one or more
ALLOWED = f"allowed are names, numbers, + - * / ** @, parentheses, pi, e and the functions {', '.join(FUNCTIONS)}"

_BINARY: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.MatMult: operator.matmul,
}  # fmt: skip
_SIGNS: Mapping[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@",
}  # fmt: skip
_UNARY: Mapping[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}

_REASONS = {
    OverflowError: "the result is too large",
    ZeroDivisionError: "it divides by zero",
    TypeError: "@ multiplies vectors and matrices only",
}
_WHY_NOT: Mapping[type[ast.AST], str] = {
    ast.Attribute: "attributes are not plain mathematics",
    ast.Subscript: "subscripts are not plain mathematics",
    ast.Lambda: "functions cannot be made here",
    ast.Compare: "comparisons are not plain mathematics",
    ast.BoolOp: "'and' and 'or' are not plain mathematics",
    ast.IfExp: "choices are not plain mathematics; max(a, b) and relu(a) are",
    ast.JoinedStr: "text is not plain mathematics",
    ast.Tuple: "several results can only stand at the very end, as in 'y1, y2'",
    ast.List: "lists are given as inputs, as in v=[1,2,3]",
    ast.Call: "only a function can be called, and a product is written a*(b)",
    ast.Starred: "'*' and '**' before an argument are not plain mathematics",
    ast.NamedExpr: "names are assigned in statements of their own, as in 'q = x + y; q * z'",
}

Instruction = tuple[str, Any, int]  # what to do, with what, on how many values of the stack


@dataclass(frozen=True)
class Program:
    """A checked formula: ``inputs`` are its free names, in order of first appearance."""

    text: str
    inputs: tuple[str, ...]
    instructions: tuple[Instruction, ...]

    def run(
        self,
        functions: Mapping[str, Callable[..., Any]],
        values: Mapping[str, Any],
        assigned: Callable[[Any, str], None] = lambda value, name: None,
    ) -> Any:
        """The result, computed with these functions on these inputs; ``assigned(value, name)`` hears of each assignment."""
        known = {name: _value_of(name, values) for name in self.inputs}
        stack: list[Any] = []
        for what, argument, count in self.instructions:
            operands = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            match what:
                case "number":
                    stack.append(argument)
                case "name":
                    stack.append(known[argument])
                case "assign":
                    known[argument] = operands[0]
                    assigned(operands[0], argument)
                case "operator":
                    stack.append(_arithmetic(argument, operands))
                case "call":
                    stack.append(_function(argument, functions)(*operands))
                case "tuple":
                    stack.append(tuple(operands))
        return stack[0]


def parse(text: str, given: Collection[str] = ()) -> Program:
    """The program of an expression, or of assignments and a result: ``"q=x+y; f=q*z"``.

    ``given`` are names that have a value, so that ``e`` and ``pi`` among them are inputs and not the constants.
    """
    statements = _statements(text)
    compiler = _Compiler(set(given))
    for statement in statements[:-1]:
        compiler.assignment(statement)
    compiler.result(statements[-1])
    return Program(text, tuple(compiler.inputs), tuple(compiler.instructions))


def parse_inputs(texts: Iterable[str]) -> dict[str, float | list[Any]]:
    """Inputs given as ``name=number`` or ``name=[nested lists of numbers]``."""
    inputs: dict[str, float | list[Any]] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise ExpressionError(f"{_short(text)} gives no value; write an input as name=number, as in x1=1.5 or v=[1,2,3]")
        if not name.isidentifier():
            raise ExpressionError(f"{_short(name)} is no name; write an input as name=number, as in x1=1.5 or v=[1,2,3]")
        name = unicodedata.normalize("NFKC", name)  # as Python's parser does
        _check_name(name)
        if name in inputs:
            raise ExpressionError(f"{name!r} is given twice; give every input once")
        inputs[name] = _literal(name, value)
    return inputs


class _Compiler:
    """Turns checked statements into instructions."""

    def __init__(self, given: Collection[str]) -> None:
        self.given, self.names = given, set[str]()
        self.inputs: dict[str, None] = {}  # an ordered set
        self.instructions: list[Instruction] = []

    def assignment(self, statement: ast.stmt) -> str:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                _check_name(name)
                self.expression(value)
                self.instructions.append(("assign", name, 1))
                self.names.add(name)
                return name
            case ast.Expr():
                raise ExpressionError(f"the value of {_source(statement)} is not used; only the last statement may do without a name")
        raise ExpressionError(f"{_source(statement)} is not an assignment such as 'q = x + y'; {ALLOWED}")

    def result(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Expr(value=ast.Tuple(elts=[_, *_] as parts)):
                for part in parts:
                    self.expression(part)
                self.instructions.append(("tuple", None, len(parts)))
            case ast.Expr(value=value):
                self.expression(value)
            case _:
                self.instructions.append(("name", self.assignment(statement), 0))

    def expression(self, root: ast.expr) -> None:
        """Append the instructions of an expression, operands first, without recursion."""
        waiting: list[tuple[ast.expr, int] | Instruction] = [(root, 1)]
        while waiting:
            item = waiting.pop()
            if len(item) == 3:
                self._emit(item)
                continue
            node, depth = item
            if depth > DEEPEST:
                raise ExpressionError(f"{_source(node)} is nested more than {DEEPEST} deep; name its parts, as in 'q = x + y; q * z'")
            instruction, operands = self._step(node)
            waiting.append(instruction)
            # a long sum leans to the left, which is no nesting for its reader
            deeper = [depth + (index > 0 or not isinstance(node, ast.BinOp)) for index in range(len(operands))]
            waiting.extend(reversed(list(zip(operands, deeper, strict=True))))

    def _emit(self, instruction: Instruction) -> None:
        """Append an instruction; arithmetic on literals is done at once, so that hostile numbers are found here."""
        what, argument, count = instruction
        literals = self.instructions[len(self.instructions) - count :] if count else []
        if what == "operator" and all(kind == "number" for kind, _, _ in literals):
            del self.instructions[len(self.instructions) - count :]
            instruction = ("number", _arithmetic(argument, [value for _, value, _ in literals]), 0)
        self.instructions.append(instruction)
        if len(self.instructions) > MOST_STEPS:
            raise ExpressionError(f"the formula has more than {MOST_STEPS} steps; write it as a function in a file")

    def _step(self, node: ast.expr) -> tuple[Instruction, list[ast.expr]]:
        """What to do for one node of the tree, and the operands to compute before."""
        match node:
            case ast.Constant(value=bool() | complex()):
                raise ExpressionError(f"{_source(node)} is not a real number; {ALLOWED}")
            case ast.Constant(value=int() | float() as value):
                return ("number", _finite(value, node), 0), []
            case ast.Name(id=name):
                return self._name(name), []
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
                return ("operator", type(sign), 1), [operand]
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
                return ("operator", type(sign), 2), [left, right]
            case ast.BinOp(op=ast.BitXor()):
                raise ExpressionError(f"'^' in {_source(node)} is no power here; write x**2 for the square of x")
            case ast.Call(func=ast.Name(id=function)):
                return self._call(function, node)
        raise ExpressionError(f"{_source(node)} cannot be used: {_WHY_NOT.get(type(node), 'it is not plain mathematics')}; {ALLOWED}")

    def _name(self, name: str) -> Instruction:
        _check_name(name)
        if name not in self.names and name not in self.given and name in CONSTANTS:
            return "number", CONSTANTS[name], 0
        if name not in self.names:
            self.inputs[name] = None
        return "name", name, 0

    def _call(self, function: str, node: ast.Call) -> tuple[Instruction, list[ast.expr]]:
        if function not in FUNCTIONS:
            raise ExpressionError(f"{_source(node)} calls {function!r}, which is no function (a product is written a*(b)); {ALLOWED}")
        if node.keywords:
            raise ExpressionError(f"{_source(node)} has an argument with a name; arguments are given by position only, as in max(a, b)")
        wanted, count = FUNCTIONS[function], len(node.args)
        if count != wanted if wanted is not None else count == 0:
            raise ExpressionError(f"{_source(node)} gives {count} arguments to {function}, which takes {wanted or 'one or more'}")
        return ("call", function, count), node.args


def _statements(text: str) -> Sequence[ast.stmt]:
    if len(text) > LONGEST:
        raise ExpressionError(f"the formula has {len(text)} characters, which is more than {LONGEST}; write it as a function in a file")
    try:
        body = _tree("\n".join(line.strip() for line in text.splitlines())).body
    except SyntaxError as error:
        reason = error.msg.partition(";")[0]
        raise ExpressionError(f"{_short(text)} is not a formula: {reason}; {ALLOWED}; a product is written a*b") from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"{_short(text)} cannot be read: it is too long, nested too deep, or holds strange characters") from None
    if not body:
        raise ExpressionError("the formula is empty; write one such as 'sin(x) * y'")
    return body


def _tree(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's parser has advice for programmers, such as on "0or 1"
        return ast.parse(text)


def _check_name(name: str) -> None:
    if name.startswith("__"):
        raise ExpressionError(f"the name {_short(name)} starts with '__', which no name here may; choose another")
    if name in FUNCTIONS:
        raise ExpressionError(f"{name!r} is a function and cannot be the name of a value; write {name}(x), or choose another name")
    if keyword.iskeyword(name):
        raise ExpressionError(f"{name!r} is a word of Python's own, so it cannot be the name of a value; choose another, such as {name}_")


def _finite(value: float, node: ast.expr) -> float:
    try:
        if math.isfinite(float(value)):
            return value
    except OverflowError:
        pass
    raise ExpressionError(f"the number {_source(node)} is too large; numbers go up to about 1.8e308")


def _arithmetic(kind: type[ast.AST], operands: Sequence[Any]) -> Any:
    """One operator applied; plain numbers are computed as floats, because the exact power of integers has no bounds."""
    function: Callable[..., Any] = _UNARY[kind] if len(operands) == 1 else _BINARY[kind]
    if not all(isinstance(each, int | float) for each in operands):
        return function(*operands)
    try:
        result = function(*map(float, operands))
    except (OverflowError, ZeroDivisionError, TypeError) as error:
        reason = _REASONS[type(error)]
        raise ExpressionError(f"{_spelled(kind, operands)} cannot be computed: {reason}; change these numbers") from None
    if isinstance(result, complex):
        raise ExpressionError(f"{_spelled(kind, operands)} is not a real number; change these numbers")
    whole = all(isinstance(each, int) for each in operands) and result.is_integer() and abs(result) < 2**53
    return int(result) if whole else result


def _spelled(kind: type[ast.AST], operands: Sequence[float]) -> str:
    return f" {_SIGNS.get(kind, '-')} ".join(f"({each:g})" if each < 0 else f"{each:g}" for each in operands)


def _value_of(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise ExpressionError(f"the formula needs a value for {name!r}; give one, as in {name}=1.5")
    return values[name]


def _function(name: str, functions: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    if name not in functions:
        raise ExpressionError(f"{name!r} cannot be computed with the chosen framework; it has: {', '.join(sorted(functions))}")
    return functions[name]


def _literal(name: str, text: str) -> float | list[Any]:
    wrong = ExpressionError(f"{name}={_short(text)} is no number and no list of numbers; write {name}=1.5, {name}=-1e-3 or {name}=[1,2,3]")
    if len(text) > LONGEST:
        raise ExpressionError(f"the value of {name!r} has more than {LONGEST} characters; write the program as a function in a file")
    try:
        (statement,) = _tree(text).body
        value = _number_or_list(statement.value if isinstance(statement, ast.Expr) else None, 0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        raise wrong from None
    if isinstance(value, list) and _shape(value) is None:
        raise ExpressionError(f"the lists in {name}={_short(text)} differ in length; give every row as many numbers as the first")
    return value


def _number_or_list(node: ast.expr | None, depth: int) -> float | list[Any]:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id="inf" | "nan" as word):
            return float(word)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant() | ast.Name() as operand):
            number = _number_or_list(operand, depth)
            return number if isinstance(sign, ast.UAdd) or isinstance(number, list) else -number
        case ast.List(elts=elements) if depth < DEEPEST:
            return [_number_or_list(element, depth + 1) for element in elements]
    raise ValueError


def _shape(value: float | list[Any]) -> tuple[int, ...] | None:
    """The shape of nested lists, or None when they are ragged."""
    if not isinstance(value, list):
        return ()
    shapes = [_shape(each) for each in value]
    if None in shapes or any(shape != shapes[0] for shape in shapes):
        return None
    return (len(value), *(shapes[0] or ())) if shapes else (0,)


def _source(node: ast.AST) -> str:
    try:
        return _short(ast.unparse(node))
    except RecursionError:
        return "a part"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
