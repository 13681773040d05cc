"""Graph + node -> the expression of the program that computes it, as it is written, in a few characters."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.statements import Statement
from graphviz_ad._internal.operations.traits import DATA
from graphviz_ad._internal.operations.written_operators import OPERATORS

ROOM = 60  # characters
STATEMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)


def quoted(graph: Graph, node: Node) -> str | None:
    """What the program says there: the expression of this operation, where the statement has one such; else the
    statement. None where its text is not known.
    """
    statement = graph.statements[node.statement] if node.statement is not None else None
    if statement is None or not statement.text:
        return None
    part = _of_operation(statement.text, (node.op or "").rstrip("_"))
    whole = _line(graph, statement) or statement.text
    return shortened(part if part is not None and len(whole) > ROOM else whole)


def _line(graph: Graph, statement: Statement) -> str | None:
    """The statement with what it fills, where it stands alone on a line of the program."""
    if statement.part is None or statement.lines is None or statement.part >= len(graph.program):
        return None
    part, (first, last) = graph.program[statement.part], statement.lines
    return _alone("\n".join(part.lines[first - part.first : last - part.first + 1]).strip())


@lru_cache(maxsize=256)
def _alone(text: str) -> str | None:
    try:
        body = syntax_tree(text).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    return ast.unparse(body[0]) if len(body) == 1 and isinstance(body[0], STATEMENTS) else None


def shortened(text: str) -> str:
    """As much of it as there is room for, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= ROOM else f"{line[: ROOM - 1]}…"


@lru_cache(maxsize=256)
def _of_operation(text: str, operation: str) -> str | None:
    """The one expression of a statement that is this operation."""
    try:
        tree = syntax_tree(text)
    except (SyntaxError, ValueError, RecursionError):
        return None  # as the head of a loop
    found = list(_expressions(tree, operation))
    return ast.unparse(found[0]) if len(found) == 1 else None


def _expressions(tree: ast.AST, operation: str) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            if isinstance(name, str) and name.rstrip("_") == operation:
                yield node
        elif (isinstance(node, ast.BinOp | ast.UnaryOp) and OPERATORS.get(type(node.op)) == operation) or (
            isinstance(node, ast.Attribute) and node.attr == operation == DATA
        ):
            yield node
