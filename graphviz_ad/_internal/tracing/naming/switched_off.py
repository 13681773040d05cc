"""Frames on the way to an operation -> what in the program switched autograd off there, and in which line that stands.

It is read from the source, the innermost function first: the ``with`` around the line, else the decorator of the
function, else a call before it. Where nothing of that stands there, as where a context is entered by other means, it is
not known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import PurePath
from types import CodeType

from graphviz_ad._internal.tracing.naming.written_statements import LAMBDA, is_as_compiled, line_of, tree_of
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.stack import PathStep

SWITCHES = ("no_grad", "inference_mode", "set_grad_enabled")  # of torch
ON = "enable_grad"
Switch = tuple[str, str]  # what was called, and "file.py:12"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def switched_off_at(path: Sequence[PathStep]) -> Switch | tuple[()]:
    """What switched it off for an operation with these frames, outermost first; empty where that is not known."""
    for step in reversed(path):
        if isinstance(step, CallSite) and (line := line_of(step)) is not None:
            found = in_function(step.code, line, step.code.co_filename, tree_of(step.code))
            if found is not None:
                return found
    return ()


@lru_cache(maxsize=4096)
def in_function(code: CodeType, line: int, file: str, tree: ast.Module | None) -> Switch | tuple[()] | None:
    """The same of one function alone, by the text of its file; None where another may have done it, empty where nobody
    can tell.
    """
    if tree is None or code.co_name == LAMBDA:
        return None
    function = function_of(tree, code, line)
    root = function if function is not None else tree
    names = other_names(tree)
    blocks = [block for block in blocks_around(root, line) if is_as_compiled(code, block, tree)]
    for block in reversed(blocks):
        for item in reversed(block.items):
            entered = {*switches_in(item.context_expr, root, names)}
            if ON in entered and len(entered) == 1:
                return ()
            if entered - {ON}:
                return said(entered, file, item.context_expr.lineno)
    called = call_before(root, line, names)
    if called is not None:
        return said({"set_grad_enabled"}, file, called)
    for decorator in function.decorator_list if function is not None else ():
        if entered := {*switches_in(decorator, root, names)} - {ON}:
            return said(entered, file, decorator.lineno)
    return None


def said(entered: Iterable[str], file: str, line: int) -> Switch:
    """A switch and its place."""
    return next(name for name in SWITCHES if name in entered), f"{PurePath(file).name}:{line}"


def function_of(tree: ast.Module, code: CodeType, line: int) -> Function | None:
    """The function that a line of some code stands in; None at the level of the module."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.name == code.co_name and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno, default=None)


def own_parts(root: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function or module, without what stands in functions and classes in it."""
    waiting = [*ast.iter_child_nodes(root)]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (Function, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def blocks_around(root: ast.AST, line: int) -> list[ast.With | ast.AsyncWith]:
    """The ``with`` statements that hold a line in their bodies, outermost first."""
    blocks = [
        node
        for node in own_parts(root)
        if isinstance(node, (ast.With, ast.AsyncWith)) and node.body[0].lineno <= line <= (node.end_lineno or 0)
    ]
    return sorted(blocks, key=lambda node: (node.lineno, node.col_offset))


def switches_in(expression: ast.expr, root: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """The switches that an expression may stand for: named in it, or in what a variable in it was set to."""
    known = (*SWITCHES, ON)
    for part in ast.walk(expression):
        if isinstance(part, ast.Attribute) and part.attr in known:
            yield part.attr
        elif isinstance(part, ast.Name):
            name = names.get(part.id, part.id)
            if name in known:
                yield name
            elif part is expression:
                yield from (
                    each for value in values_of(root, part.id) for each in switches_in(value, ast.Pass(), names)
                )


def values_of(root: ast.AST, name: str) -> Iterator[ast.expr]:
    """What a function sets a variable to."""
    for node in own_parts(root):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            yield node.value


def other_names(tree: ast.Module) -> dict[str, str]:
    """What a file calls the switches besides: "ng" of ``from torch import no_grad as ng``."""
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None and alias.name in (*SWITCHES, ON)
    }


def call_before(root: ast.AST, line: int, names: dict[str, str]) -> int | None:
    """The line of the last ``torch.set_grad_enabled(False)`` before a line; None where the last such call says
    anything else, or there is none.
    """
    calls = [
        node
        for statement in own_parts(root)
        if isinstance(statement, ast.Expr) and isinstance(node := statement.value, ast.Call) and node.lineno < line
    ]
    switching = [call for call in calls if "set_grad_enabled" in {*switches_in(call.func, ast.Pass(), names)}]
    last = max(switching, key=lambda call: call.lineno, default=None)
    given = last.args[0] if last is not None and last.args else None
    return last.lineno if last is not None and isinstance(given, ast.Constant) and given.value is False else None
