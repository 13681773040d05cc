"""Statements that ran -> the parts of the program that they stand in: whole functions, and stretches of scripts.

A function inside of another, or of a stretch, is a part of that. Where a statement is not known to be what was
compiled, its function is left out: what is shown beside a picture is what ran.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from types import CodeType
from typing import NamedTuple

from graphviz_ad._internal.graph.written_program import WrittenPart
from graphviz_ad._internal.tracing.naming.written_statements import (
    LAMBDA,
    Extent,
    WrittenStatement,
    extent_of,
    statements_of,
    tree_of,
)

MODULE = "<module>"
CELLS = ("ipykernel_", "<ipython-input-")  # how the folders and files of notebook cells begin
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Stretch(NamedTuple):
    """Lines of a file: of which function, which they are, and those of its head."""

    file: str
    function: str
    lines: Extent
    head: Extent | None

    def holds(self, other: Stretch) -> bool:
        """Whether all lines of another are among these."""
        return (
            self.file == other.file and self.lines[0] <= other.lines[0] and other.lines[1] <= self.lines[1]
        )  # fmt: skip


def written_parts(
    ran: Sequence[tuple[CodeType, WrittenStatement]],
) -> tuple[list[int | None], tuple[WrittenPart, ...]]:
    """For each statement the place of its part, and the parts: those of a file as they stand in it."""
    found = stretches(ran)
    widest = [one for one in dict.fromkeys(found.values()) if not any(is_inside(one, each) for each in found.values())]
    files = list(dict.fromkeys(one.file for one in widest))
    ordered = sorted(widest, key=lambda one: (files.index(one.file), one.lines))
    home = {key: next(i for i, each in enumerate(ordered) if each.holds(one)) for key, one in found.items()}
    return [home.get(id(code)) for code, _ in ran], tuple(map(as_written, ordered))


def is_inside(one: Stretch, other: Stretch) -> bool:
    """Whether a stretch is a part of a longer one."""
    return other.lines != one.lines and other.holds(one)


def stretches(ran: Sequence[tuple[CodeType, WrittenStatement]]) -> dict[int, Stretch]:
    """The lines that the code of some statements has in its file, where its source is known; by identity of the code,
    since that of the same text in another file is equal to it.
    """
    codes = {id(code): code for code, _ in ran}
    extents: dict[int, list[Extent]] = {}
    changed: set[int] = set()
    for key, statement in dict.fromkeys((id(code), statement) for code, statement in ran):
        extents.setdefault(key, []).append(statement.extent)
        if not statement.read:
            changed.add(key)
    found = {key: stretch_of(codes[key], lines) for key, lines in extents.items() if key not in changed}
    return {key: stretch for key, stretch in found.items() if stretch is not None}


def stretch_of(code: CodeType, ran: Sequence[Extent]) -> Stretch | None:
    """The lines of a function; of a script, and of a lambda, those of the statements around what ran."""
    tree = tree_of(code)
    if tree is None:
        return None
    name = getattr(code, "co_qualname", code.co_name)
    if code.co_name not in (MODULE, LAMBDA):
        own = next((node for node in statements_of(tree) if defines(node, code)), None)
        if not isinstance(own, DEFINITIONS):
            return None
        return Stretch(code.co_filename, name, (code.co_firstlineno, last_line(own)), head_of(own))
    around = [
        extent
        for extent in (whole_extents(tree.body) if code.co_name == MODULE else map(extent_of, statements_of(tree)))
        if any(extent[0] <= first and last <= extent[1] for first, last in ran)
    ]
    if not around:
        return None
    if code.co_name == LAMBDA:
        around = [min(around, key=lambda extent: extent[1] - extent[0])]
    lines = min(first for first, _ in around), max(last for _, last in around)
    return Stretch(code.co_filename, name, lines, None)


def defines(node: ast.stmt, code: CodeType) -> bool:
    """Whether this is the definition that a code object was compiled from."""
    if not isinstance(node, DEFINITIONS) or node.name != code.co_name:
        return False
    return min([node.lineno, *(one.lineno for one in node.decorator_list)]) == code.co_firstlineno


def head_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Extent:
    """The lines in which a function says what it takes and gives."""
    parts = [*ast.walk(node.args), *([node.returns] if node.returns is not None else [])]
    ends = [getattr(part, "end_lineno", None) or node.lineno for part in parts]
    return node.lineno, max([node.lineno, *ends])


def whole_extents(statements: Iterable[ast.stmt]) -> list[Extent]:
    """The lines of statements with those that they hold."""
    return [(node.lineno, last_line(node)) for node in statements]


def last_line(node: ast.stmt) -> int:
    """The last line of a statement."""
    return node.end_lineno or node.lineno


def as_written(stretch: Stretch) -> WrittenPart:
    """The lines themselves."""
    first, last = stretch.lines
    lines: Iterable[str] = linecache.getlines(stretch.file)[first - 1 : last]
    return WrittenPart(
        stretch.function, title_of_file(stretch.file), first, tuple([line.rstrip() for line in lines]), stretch.head
    )


def title_of_file(file: str) -> str:
    """What a file is called where its lines are shown: "lesson.py"."""
    path = PurePath(file)
    if path.parent.name.startswith(CELLS[0]) or file.startswith(CELLS[1]):
        return "notebook cell"
    return path.name.strip("<>")
