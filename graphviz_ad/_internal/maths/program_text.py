"""Expression of the user's program + what its variables are called -> the same as mathematics writes it, such as
"tanh(w·h + b)".

It is what stands in the source, and not what was computed: nothing is evaluated or left out. What mathematics has no
sign for is written as Python has it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.maths.formula_pieces import ATOM, COMPARISON, SUM, Piece, measured, printable
from graphviz_ad._internal.maths.formula_unicode import Unicode
from graphviz_ad._internal.maths.formula_writing import Writer
from graphviz_ad._internal.maths.number_format import MINUS
from graphviz_ad._internal.operations.rules import rule
from graphviz_ad._internal.operations.traits import TRANSPOSITION

LIBRARIES = frozenset(("torch", "F", "nn", "functional", "np", "numpy", "math", "linalg", "special"))
SIGNS: Mapping[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
SIGN_OF_A_RULE = re.compile(r"a ([-+*/@]|\*\*) b")
TRANSPOSED = frozenset(("T", "mT"))
OWN = ("self", "cls")  # whose variables are called by their own names


def mathematical(text: str, names: Mapping[str, str]) -> str | None:
    """An expression as mathematics; ``names`` are what its variables are called. None where it is none."""
    try:
        tree = syntax_tree(text, "eval").body
        listed = tree.elts if isinstance(tree, ast.Tuple) and tree.elts else [tree]
        writer = ProgramWriter(Writer(Unicode(), {}), names)
        return ", ".join([writer.piece(part).text for part in listed])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def variables_in(text: str) -> frozenset[str]:
    """The variables that an expression reads."""
    try:
        return frozenset(node.id for node in ast.walk(syntax_tree(text, "eval")) if isinstance(node, ast.Name))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


@dataclass(frozen=True)
class ProgramWriter:
    """Writes each part of an expression; what is in no table stands as it is in the program."""

    writer: Writer
    names: Mapping[str, str]

    def piece(self, node: ast.expr) -> Piece:
        """A part of the expression, with how tightly it holds together."""
        match node:
            case ast.Name(id=name):
                return self.variable(name)
            case ast.Constant(value=bool()):
                return self.plain(node, ATOM)
            case ast.Constant(value=int() | float() as value):
                return self.number(value)
            case ast.Constant():
                return self.plain(node, ATOM)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return self.writer.negative(self.piece(inner))
            case ast.UnaryOp(op=ast.UAdd(), operand=inner) | ast.NamedExpr(value=inner):
                return self.piece(inner)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in SIGNS:
                return self.signed(SIGNS[type(op)], self.piece(left), self.piece(right))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in SIGNS for op in ops):
                operands = [self.piece(part) for part in (left, *others)]
                return self.writer.comparison([SIGNS[type(op)] for op in ops], operands)
            case ast.Attribute():
                return self.attribute(node)
            case ast.Call():
                return self.call(node)
            case ast.Subscript(value=whole, slice=index):
                return self.writer.selection(self.piece(whole), f"[{self.index(index)}]")
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                listed = ", ".join([self.piece(part).text for part in parts])
                return Piece(f"[{listed}]" if isinstance(node, ast.List) else f"({listed})")
            case ast.Starred(value=inner):
                return Piece(f"*{self.piece(inner).text}", SUM)
        return self.plain(node, COMPARISON)

    def variable(self, name: str) -> Piece:
        """A variable, as it is called on the picture."""
        given = self.names.get(name)
        if given is None:
            return self.writer.atom(name)
        shown = printable(given)
        return replace(measured(shown), text=self.writer.language.given(shown))

    def number(self, value: float) -> Piece:
        """A number as it is written."""
        return self.writer.atom(
            re.sub(r"e([+-])0*", lambda found: "e" + found[1].replace("-", MINUS).strip("+"), repr(value))
        )

    def plain(self, node: ast.expr, level: int) -> Piece:
        """What mathematics has no sign for, as Python has it."""
        return Piece(printable(ast.unparse(node)), level)

    def signed(self, sign: str, left: Piece, right: Piece) -> Piece:
        """Two operands with a sign between them."""
        return self.writer.power(left, right) if sign == "**" else self.writer.infix(sign, left, right)

    # --- names with points, and calls

    def attribute(self, node: ast.Attribute) -> Piece:
        """ "w" of ``self.w``, "Wᵀ" of ``W.T``."""
        path = path_of(node)
        if path and ".".join(path) in self.names:
            return self.variable(".".join(path))
        if path[:1] in ([own] for own in OWN):
            return self.dotted(path[1:])
        if node.attr in TRANSPOSED:
            return Piece(self.writer.language.transposed(self.piece(node.value)), ATOM - 1)
        if path and self.is_library(path):
            return self.writer.atom(path[-1])
        inner = self.writer.language.inside(self.piece(node.value), ATOM, signed=False)
        return Piece(f"{inner}.{node.attr}")

    def dotted(self, path: Sequence[str]) -> Piece:
        """A name with points, by the name that it has on the picture, if it has one."""
        name = ".".join(path)
        return self.variable(name) if name in self.names or len(path) == 1 else Piece(printable(name))

    def is_library(self, path: Sequence[str]) -> bool:
        """Whether these names lead into a library, rather than to something of the user's of such a name."""
        return len(path) > 1 and path[0] in LIBRARIES and path[0] not in self.names

    def call(self, node: ast.Call) -> Piece:
        """A function of its arguments: "sum(x, dim=0)", whether it is written so or as a method."""
        arguments = [self.piece(part) for part in node.args]
        keywords = [
            Piece(f"{part.arg}={self.piece(part.value).text}" if part.arg else f"**{self.piece(part.value).text}")
            for part in node.keywords
        ]
        name, receiver = self.called(node.func)
        given = [*([receiver] if receiver is not None else []), *arguments]
        if receiver is not None and name == TRANSPOSITION and len(given) == 1 and not keywords:
            return Piece(self.writer.language.transposed(receiver), ATOM - 1)
        sign = SIGN_OF_A_RULE.fullmatch(rule(name, 2).forward) if len(given) == 2 and not keywords else None
        if sign is not None:
            return self.signed(sign[1], *given)
        if keywords or not name.isidentifier():
            listed = ", ".join([part.text for part in (*given, *keywords)])
            return Piece(f"{printable(name)}({listed})")
        return self.writer.call(name, given)

    def called(self, function: ast.expr) -> tuple[str, Piece | None]:
        """What a call is called, and what it is a method of."""
        if isinstance(function, ast.Name):
            return function.id, None
        if not isinstance(function, ast.Attribute):
            return self.writer.language.inside(self.piece(function), ATOM, signed=False), None
        path = path_of(function)
        if path and self.is_library(path):
            return path[-1], None
        if path and path[0] in OWN:
            if len(path) == 2:
                return path[1], None
            return (
                (path[-1], self.dotted(path[1:-1]))
                if ".".join(path[1:-1]) in self.names
                else (".".join(path[1:]), None)
            )
        if path and not self.is_value(path[:-1]):
            return ".".join(path), None
        return function.attr, self.piece(function.value)

    def is_value(self, path: Sequence[str]) -> bool:
        """Whether a name is known to be that of a tensor."""
        return ".".join(path) in self.names

    # --- what stands in brackets

    def index(self, node: ast.expr) -> str:
        """An index or a slice."""
        return ", ".join(self.indices(node))

    def indices(self, node: ast.expr) -> Iterator[str]:
        """Each of several indices."""
        if isinstance(node, ast.Tuple):
            for part in node.elts:
                yield from self.indices(part)
        elif isinstance(node, ast.Slice):
            ends = ["" if part is None else self.piece(part).text for part in (node.lower, node.upper)]
            yield ":".join([*ends, *([self.piece(node.step).text] if node.step is not None else [])])
        elif isinstance(node, ast.Constant) and node.value is Ellipsis:
            yield "…"
        else:
            yield self.piece(node).text


def path_of(node: ast.expr) -> list[str]:
    """["self", "w"] of ``self.w``; nothing for what is no name with points."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.insert(0, node.attr)
        node = node.value
    return [node.id, *path] if isinstance(node, ast.Name) else []
