"""Formula text -> a tree of what it says, and a walk over that tree: the one language of rules, pictures and the
command line.

The grammar; each line binds tighter than the one before, and a binary sign takes its operands from the left, but ``**``
from the right::

    formula    = sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }
    sum        = product { ("+" | "-") product }
    product    = signed { ("*" | "/" | "@") signed }
    signed     = ("-" | "+") signed | power
    power      = part [ "**" signed ]
    part       = piece { ".T" | "[" name "]" | "[...]" }
    piece      = number | name | name "(" [ formula { "," formula } ] ")" | "(" formula ")"

It is a part of Python's, so Python's parser reads the text and its errors; nothing is ever evaluated there. All else
that Python knows is refused. Neither reading nor a walk recurses: a sum of thousands of terms is a deep tree.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias, TypeVar

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.base.syntax_trees import syntax_tree


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written."""

    value: int | float

    @property
    def operands(self) -> tuple[()]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Name:
    """Something that a number, an array or another name is put in for."""

    name: str

    @property
    def operands(self) -> tuple[()]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Signed:
    """``-a`` or ``+a``."""

    sign: str
    operand: Tree

    @property
    def operands(self) -> tuple[Tree]:
        """What the sign stands before."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Binary:
    """``a + b`` and its like; the sign is one of ``+ - * / @ **``."""

    sign: str
    left: Tree
    right: Tree

    @property
    def operands(self) -> tuple[Tree, Tree]:
        """Both sides."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``a <= b < c``: a sign between each two operands."""

    signs: tuple[str, ...]
    operands: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """``max(a, b)``; arguments have no names."""

    function: str
    operands: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Transposed:
    """``a.T``."""

    operand: Tree

    @property
    def operands(self) -> tuple[Tree]:
        """What is transposed."""
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Part:
    """``a[b]``, or ``a[...]`` where it is not said which part: then ``index`` is None."""

    whole: Tree
    index: Name | None

    @property
    def operands(self) -> tuple[Tree, ...]:
        """What is taken from, and which part."""
        return (self.whole,) if self.index is None else (self.whole, self.index)


Tree: TypeAlias = Number | Name | Signed | Binary | Comparison | Call | Transposed | Part

SIGNS: Mapping[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.MatMult: "@", ast.Pow: "**", ast.USub: "-",
    ast.UAdd: "+", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
ALLOWED = "names, numbers, + - * / ** @, comparisons, calls, .T, [name] and [...]"

Node = TypeVar("Node")
Made = TypeVar("Made")


class Refused(ExpressionError):
    """Python that is no formula; ``part`` is the piece that is none."""

    def __init__(self, part: ast.expr) -> None:
        self.part = part
        super().__init__(f"{source(part)!r} cannot be part of a formula; these can: {ALLOWED}")


@lru_cache(maxsize=1024)
def parsed(text: str) -> Tree:
    """The tree of a formula; `ExpressionError` where it is none."""
    try:
        body = syntax_tree(text, "eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{text!r} is not a formula: {error}; write one as in 'g * (1 - out ** 2)'") from None
    return tree(body)


def tree(python: ast.expr, functions: Collection[str] | None = None) -> Tree:
    """The tree of what Python's parser read; `Refused` where that is more than a formula, or calls another than one
    of these functions.
    """
    return _walked(python, partial(_parts, functions), _read)


def walked(root: Tree, made: Callable[[Tree, list[Made]], Made]) -> Made:
    """What a walk makes of a tree: ``made`` is asked for each node, operands first, and given what it made of these."""
    return _walked(root, lambda node: node.operands, made)


def _walked(root: Node, parts: Callable[[Node], Sequence[Node]], made: Callable[[Node, list[Made]], Made]) -> Made:
    waiting: list[tuple[Node, int | None]] = [(root, None)]  # with a number: its parts are made, that many
    done: list[Made] = []
    while waiting:
        node, count = waiting.pop()
        inner = parts(node) if count is None else ()
        if inner:
            waiting.append((node, len(inner)))
            waiting.extend((part, None) for part in reversed(inner))
            continue
        first = len(done) - (count or 0)
        done[first:] = [made(node, done[first:])]
    return done[0]


def _parts(functions: Collection[str] | None, node: ast.expr) -> Sequence[ast.expr]:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return ()
        case ast.Name():
            return ()
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
            return (operand,)
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in SIGNS:
            return (left, right)
        case ast.Compare(left=first, ops=signs, comparators=others) if all(type(sign) in SIGNS for sign in signs):
            return (first, *others)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if functions is None or name in functions:
            return arguments
        case ast.Attribute(value=operand, attr="T"):
            return (operand,)
        case ast.Subscript(value=operand, slice=ast.Constant(value=value)) if value is ...:
            return (operand,)
        case ast.Subscript(value=operand, slice=ast.Name() as index):
            return (operand, index)
    raise Refused(node)


def _read(node: ast.expr, inner: list[Tree]) -> Tree:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Number(value)
        case ast.Name(id=name):
            return Name(name)
        case ast.UnaryOp(op=sign):
            return Signed(SIGNS[type(sign)], *inner)
        case ast.BinOp(op=operator):
            return Binary(SIGNS[type(operator)], *inner)
        case ast.Compare(ops=signs):
            return Comparison(tuple(SIGNS[type(sign)] for sign in signs), tuple(inner))
        case ast.Call(func=ast.Name(id=function)):
            return Call(function, tuple(inner))
        case ast.Attribute():
            return Transposed(*inner)
        case ast.Subscript(slice=index):
            return Part(inner[0], Name(index.id) if isinstance(index, ast.Name) else None)
    raise Refused(node)


def source(python: ast.AST) -> str:
    """What Python's parser read, as text."""
    try:
        return ast.unparse(python)
    except RecursionError:
        return "a part"
