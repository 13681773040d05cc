"""Call site -> the statement of the user's program that it stands in: its text, the variables that it fills, and which
loops it is in.

Like all that is known of a site, it is read from the bytecode and the source, never from a running frame. Where there
is no source, or one that has changed since, a statement is what stands in a line.
"""

from __future__ import annotations

import ast
import dis
import linecache
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.tracing.tape.call_sites import JUMPS, CallSite

LONGEST = 400  # characters of a statement that anybody is shown
FOR_EACH = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))  # code of its own inside of a statement
LAMBDA = "<lambda>"
Extent = tuple[int, int]  # first and last line
Place = tuple[int, int]  # line and column
Span = tuple[Place, Place]  # from where to where
NAMED = ("LOAD_FAST", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")
NUMBERS = ("LOAD_CONST", "LOAD_SMALL_INT")
SIGNS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@", ast.FloorDiv: "//",
    ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip


@dataclass(frozen=True)
class WrittenStatement:
    """A statement as it is written: ``text`` is what it computes, None where that cannot be told; ``targets`` are the
    variables that it fills.

    ``extent`` are its lines, ``span`` the same with columns, since several may stand in a line; of a statement that
    holds others, those of its head. ``read``: the source says so, and is what was compiled.
    """

    extent: Extent
    text: str | None = None
    targets: tuple[str, ...] = ()
    read: bool = False
    span: Span | None = None

    def holds_all(self, code: CodeType, start: int, end: int) -> bool:
        """Whether all instructions from one to another stand in it, as far as it is known where they stand."""
        if self.span is None:
            first, last = self.extent
            return all(first <= line <= last for (line, _), _ in spans_between(code, start, end))
        begin, stop = self.span
        return all(begin <= low and high <= stop for low, high in spans_between(code, start, end))


@dataclass(frozen=True)
class Loops:
    """The loops that an instruction is in: ``around`` the whole statement, or only ``within`` it."""

    around: bool
    within: bool


def statement_at(site: CallSite) -> WrittenStatement:
    """The statement that a site stands in, by the text that is there now."""
    return statement_in(site, tree_of(site.code))


@lru_cache(maxsize=4096)
def statement_in(site: CallSite, tree: ast.Module | None) -> WrittenStatement:
    """The same by a text that was read."""
    line = line_of(site)
    found = innermost(site, line, tree) if line is not None and tree is not None else None
    if found is None or not is_as_compiled(site.code, found, tree):
        first = line or site.code.co_firstlineno
        return WrittenStatement((first, first))
    extent = extent_of(found)
    computed, targets = meaning_of(found)
    text = unparsed(computed) if computed is not None else None
    return WrittenStatement(
        extent, text if text is not None and len(text) <= LONGEST else None, targets, True, span_of(found)
    )


@lru_cache(maxsize=4096)
def loops_at(site: CallSite, statement: WrittenStatement) -> Loops:
    """The loops that a site in a statement is in."""
    if site.code.co_name in FOR_EACH:
        return Loops(False, True)
    around = within = False
    for start, end in loops_of(site.code):
        if start <= site.offset <= end:
            inside = statement.holds_all(site.code, start, end)
            around, within = around or not inside, within or inside
    return Loops(around, within)


def go_round(one: CallSite, other: CallSite, statement: WrittenStatement) -> Loops:
    """The loops of a function that hold both sites, of the same function; ``statement`` is that of the one."""
    around = within = False
    for start, end in loops_of(one.code):
        if start <= min(one.offset, other.offset) and max(one.offset, other.offset) <= end:
            inside = statement.holds_all(one.code, start, end)
            around, within = around or not inside, within or inside
    return Loops(around, within or one.code.co_name in FOR_EACH)


# --- the source


@lru_cache(maxsize=256)
def parsed_file(lines: tuple[str, ...]) -> ast.Module | None:
    """The source of a file as a tree; None where it is none."""
    try:
        return syntax_tree("".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_read: dict[str, tuple[list[str], ast.Module | None]] = {}  # by file: its lines, as Python holds them, and their tree
MOST_FILES = 256


def tree_of(code: CodeType) -> ast.Module | None:
    """The tree of the file of a code object: the same one as long as the text is the same."""
    file = code.co_filename
    lines = linecache.getlines(file)
    known = _read.get(file)
    if known is not None and known[0] is lines:
        return known[1]
    if len(_read) >= MOST_FILES:
        _read.clear()
    tree = parsed_file(tuple(lines)) if lines else None
    _read[file] = lines, tree
    return tree


def is_as_compiled(code: CodeType, node: ast.stmt | ast.Lambda, tree: ast.Module | None) -> bool:
    """Whether a statement of a tree still is what was compiled: the names, numbers and signs of its instructions stand
    in it.
    """
    first, last = extent_of(node)
    beside = [other for other in (statements_of(tree) if tree else ()) if meets(extent_of(other), (first, last))]
    names, numbers, signs = written_in([node, *beside])
    for step in dis.get_instructions(code):
        place = step.positions
        if place is None or place.lineno is None or not first <= place.lineno <= (place.end_lineno or 0) <= last:
            continue
        value: Any = step.argval
        if step.opname.startswith(NAMED) and isinstance(value, str) and value.isidentifier() and value not in names:
            return False
        if (
            step.opname in NUMBERS
            and type(value) in (int, float)
            and numbers is not None
            and abs(step.argval) not in numbers
        ):
            return False
        if step.opname == "BINARY_OP" and step.argrepr[:1] not in ("", "[") and step.argrepr.rstrip("=") not in signs:
            return False
    return True


def written_in(nodes: Sequence[ast.AST]) -> tuple[frozenset[str], frozenset[float] | None, frozenset[str]]:
    """The names, numbers and signs in statements; no numbers where some were computed beforehand."""
    parts = [part for node in nodes for part in ast.walk(node)]
    signs = [part for part in parts if isinstance(part, (ast.BinOp, ast.AugAssign))]
    folded = any(isinstance(part, ast.BinOp) and not list(names_under(part)) for part in parts)
    constants = [part.value for part in parts if isinstance(part, ast.Constant)]
    return (
        frozenset(name for node in nodes for name in names_under(node)),
        None if folded else frozenset(abs(value) for value in constants if isinstance(value, (int, float))),
        frozenset(SIGNS.get(type(part.op), "") for part in signs),
    )


def names_under(node: ast.AST) -> Iterator[str]:
    """The names in a part of a program."""
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


def line_of(site: CallSite) -> int | None:
    """The line that a site stands in."""
    place = site.instruction.positions if site.instruction else None
    return place.lineno if place is not None else None


def innermost(site: CallSite, line: int, tree: ast.Module) -> ast.stmt | ast.Lambda | None:
    """The innermost statement at a site; of a lambda, the lambda itself."""
    if site.code.co_name == LAMBDA:
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and holds_site(node.body, site)]
        return found[-1] if found else None
    around = [node for node in statements_of(tree) if covers(extent_of(node), line)]
    return narrowest(around, site)


@lru_cache(maxsize=256)
def statements_of(tree: ast.Module) -> tuple[ast.stmt, ...]:
    """All statements of a file."""
    return tuple([node for node in ast.walk(tree) if isinstance(node, ast.stmt)])


def narrowest(statements: list[ast.stmt], site: CallSite) -> ast.stmt | None:
    """Of the statements in a line the one that holds a site: several may share a line."""
    holding = [node for node in statements if holds_site(node, site)]
    return min(holding or statements, key=lambda node: (size_of(node), -node.col_offset), default=None)


def size_of(node: ast.stmt) -> int:
    """How many lines a statement has."""
    first, last = extent_of(node)
    return last - first


def holds_site(node: ast.stmt | ast.expr, site: CallSite) -> bool:
    """Whether a site stands inside of a node, as far as columns are known."""
    place = site.instruction.positions if site.instruction else None
    if place is None or place.lineno is None or place.col_offset is None or place.end_lineno is None:
        return (
            place is not None and place.lineno is not None and covers((node.lineno, node.end_lineno or 0), place.lineno)
        )
    start, end = (place.lineno, place.col_offset), (place.end_lineno, place.end_col_offset or 0)
    return (node.lineno, node.col_offset) <= start and end <= (node.end_lineno or 0, node.end_col_offset or 0)


def covers(extent: Extent, line: int) -> bool:
    """Whether a line is one of these."""
    return extent[0] <= line <= extent[1]


def meets(one: Extent, other: Extent) -> bool:
    """Whether two have a line in common."""
    return one[0] <= other[1] and other[0] <= one[1]


def extent_of(node: ast.stmt | ast.Lambda) -> Extent:
    """The lines of a statement, without those of statements that it holds."""
    if isinstance(node, ast.Lambda):
        return node.body.lineno, node.body.end_lineno or node.body.lineno
    held = [inner for inner in parts_of(node) if isinstance(inner, ast.stmt)]
    last = node.end_lineno or node.lineno
    if held:
        heads = [part.end_lineno or part.lineno for part in parts_of(node) if isinstance(part, ast.expr)]
        last = max([node.lineno, *heads]) if not isinstance(node, ast.Try) else node.lineno
    return node.lineno, last


def span_of(node: ast.stmt | ast.Lambda) -> Span:
    """From where to where a statement stands, without those that it holds."""
    if isinstance(node, ast.Lambda):
        return (node.body.lineno, node.body.col_offset), end_of(node.body)
    heads = [part for part in parts_of(node) if isinstance(part, ast.expr)]
    held = any(isinstance(inner, ast.stmt) for inner in parts_of(node))
    begin = (node.lineno, node.col_offset)
    return begin, max([begin, *map(end_of, heads)]) if held else end_of(node)


def end_of(node: ast.stmt | ast.expr) -> Place:
    """Where a node ends."""
    return node.end_lineno or node.lineno, node.end_col_offset or 0


def parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """What stands right in a statement; of a ``with`` and a ``match`` what stands in their heads, too."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, (ast.withitem, ast.match_case, ast.ExceptHandler)):
            yield from ast.iter_child_nodes(part)
        else:
            yield part


# --- what a statement says

SAYS: dict[type, str] = {
    ast.Return: "value",
    ast.Expr: "value",
    ast.If: "test",
    ast.While: "test",
    ast.Assert: "test",
    ast.For: "iter",
    ast.AsyncFor: "iter",
    ast.Match: "subject",
    ast.Lambda: "body",
}


def meaning_of(node: ast.stmt | ast.Lambda) -> tuple[ast.expr | None, tuple[str, ...]]:
    """What a statement computes, and the variables that it fills."""
    match node:
        case ast.Assign(targets=targets, value=value):
            return value, tuple(name for target in targets for name in names_filled(target))
        case ast.AnnAssign(target=target, value=value):
            return value, tuple(names_filled(target))
        case ast.AugAssign(target=target, op=op, value=value):
            before = syntax_tree(ast.unparse(target), "eval").body
            return ast.BinOp(before, op, value), tuple(names_filled(target))
    return getattr(node, SAYS.get(type(node), ""), None), ()


def names_filled(target: ast.expr) -> Iterator[str]:
    """The variables in the left side of an assignment; the whole, where only a part of it is written to."""
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from names_filled(part)
        case ast.Starred(value=inner) | ast.Subscript(value=inner):
            yield from names_filled(inner)


def unparsed(node: ast.expr) -> str | None:
    """An expression as text, on one line."""
    try:
        text = ast.unparse(node)
    except (RecursionError, ValueError):
        return None
    return " ".join(text.split())


# --- loops


@lru_cache(maxsize=4096)
def loops_of(code: CodeType) -> tuple[tuple[int, int], ...]:
    """First and last instruction of each loop: a jump back ends it."""
    return tuple(
        [
            (step.argval, step.offset)
            for step in dis.get_instructions(code)
            if step.opcode in JUMPS and isinstance(step.argval, int) and step.argval <= step.offset
        ]
    )


@lru_cache(maxsize=4096)
def spans_between(code: CodeType, start: int, end: int) -> frozenset[Span]:
    """From where to where the instructions from one to another stand in the source."""
    places = [step.positions for step in dis.get_instructions(code) if start <= step.offset <= end]
    return frozenset(
        ((place.lineno, place.col_offset or 0), (place.end_lineno or place.lineno, place.end_col_offset or 0))
        for place in places
        if place is not None and place.lineno is not None
    )
