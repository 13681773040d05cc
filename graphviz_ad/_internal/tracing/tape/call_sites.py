"""Code object and instruction -> what the user wrote there: the operator or function, the variable that takes the
result, the line.

All of it is read from the bytecode and the source, never from a running frame, so that asking keeps nothing alive.
"""

from __future__ import annotations

import ast
import bisect
import dis
import linecache
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import PurePath
from types import CodeType
from typing import NamedTuple

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.operations.names import PROPERTIES, UNARY
from graphviz_ad._internal.operations.traits import GETITEM, SETITEM

SKIPPED = {"CACHE", "NOP", "EXTENDED_ARG", "RESUME", "NOT_TAKEN"}
STORES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR")
STORES_OF_VARIABLES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")
JUMPS = {*dis.hasjrel, *dis.hasjabs}
# How many things an instruction takes from the stack: those of the first kind leave nothing in their place, these one
# or more, all others just one.
LEAVES_NOTHING = ("STORE_", "POP_", "DELETE_", "END_FOR")
TAKES = {"LOAD_METHOD": 1, "LOAD_ATTR": 1, "LOAD_SUPER_ATTR": 3, "UNPACK_SEQUENCE": 1, "COPY": 0}
TWO_AT_ONCE = re.compile(r"((?:LOAD|STORE)_FAST(?:_BORROW)?)_((?:LOAD|STORE)_FAST(?:_BORROW)?)")
UNPACKS = ("UNPACK_SEQUENCE", "UNPACK_EX")
SUBSCRIPTS = ("BINARY_SUBSCR", "BINARY_SLICE", "STORE_SUBSCR", "STORE_SLICE")
LOCAL = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")
# methods that torch calls instead of what the program calls
HANDLERS = ("__torch_function__", "__torch_dispatch__")
LOADS = (*LOCAL, "LOAD_GLOBAL", "LOAD_NAME")
Target = str | tuple["Target", ...] | None


class Operand(NamedTuple):
    """One operand as it is written: the keyword that it is given by, and the variable that it is read from, such as
    "x" or "self.w"; None for what has none. ``local`` says that the variable belongs to the function, ``constant`` that
    it is a number or the like.
    """

    keyword: str | None = None
    variable: str | None = None
    local: bool = False
    constant: bool = False


@lru_cache(maxsize=4096)
def _instructions(code: CodeType) -> tuple[list[dis.Instruction], list[int]]:
    found = list(dis.get_instructions(code))
    return found, [instruction.offset for instruction in found]


@lru_cache(maxsize=4096)
def _steps(code: CodeType) -> tuple[list[dis.Instruction], list[int]]:
    """The same, of those that do something, each for one thing at a time, as `_one_by_one` has it."""
    found = [
        step
        for instruction in _instructions(code)[0]
        if instruction.opname not in SKIPPED
        for step in _one_by_one(instruction)
    ]
    return found, [step.offset for step in found]


def _one_by_one(instruction: dis.Instruction) -> tuple[dis.Instruction, ...]:
    """An instruction for each of the two variables, where one loads or stores both; where the second stands in its
    line, nobody says.
    """
    both = TWO_AT_ONCE.fullmatch(instruction.opname)
    if both is None:
        return (instruction,)
    somewhere = (
        instruction.positions._replace(end_lineno=None, col_offset=None, end_col_offset=None)
        if instruction.positions
        else None
    )
    first, second = (
        instruction._replace(opname=name, opcode=dis.opmap[name], arg=0, argval=variable, argrepr=variable)
        for name, variable in zip(both.groups(), instruction.argval, strict=True)
    )
    return first, second._replace(positions=somewhere)


def _index(code: CodeType, offset: int) -> int:
    """Which instruction an offset lies in: a frame that waits for a Python function points into the caches behind
    its CALL.
    """
    return bisect.bisect_right(_instructions(code)[1], offset) - 1


@dataclass(frozen=True, eq=False)
class CallSite:
    """One instruction of a code object that called torch. The same instruction of the same text in another file is
    another site, which Python's comparison of code objects does not tell.
    """

    code: CodeType
    offset: int

    def __eq__(self, other: object) -> bool:
        """Whether it is an instruction of the same code object."""
        return isinstance(other, CallSite) and self.code is other.code and self.offset == other.offset

    def __hash__(self) -> int:
        """What is the same for the same instruction."""
        return hash((id(self.code), self.offset))

    @cached_property
    def instruction(self) -> dis.Instruction | None:
        """The instruction itself."""
        index = _index(self.code, self.offset)
        return _instructions(self.code)[0][index] if index >= 0 else None

    def _following(self) -> Iterator[dis.Instruction]:
        """What runs next with the result on the stack, jumps followed, and loops passed by: what they leave alone is
        there after them.
        """
        found, offsets = _steps(self.code)
        i = bisect.bisect_right(offsets, self.offset)
        while i < len(found):
            step = found[i]
            if step.opname != "JUMP_FORWARD":
                yield step
            i = bisect.bisect_left(offsets, step.argval) if step.opname in ("JUMP_FORWARD", "FOR_ITER") else i + 1

    @cached_property
    def returned(self) -> bool:
        """Whether the function hands the result straight on to its caller."""
        step = next(self._following(), None)
        return step is not None and step.opname in ("RETURN_VALUE", "INSTRUMENTED_RETURN_VALUE")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variable that takes the result, or the variables that it is unpacked into; empty when it goes elsewhere.

        What is written to is the result: y of ``y[0] = 5`` and of ``y.mul_(2)``.
        """
        if self.instruction is not None and self.instruction.opname in ("STORE_SUBSCR", "STORE_SLICE"):
            return self._container
        following = _without_calls_for_flags(self._following())
        step = next(following, None)
        if step is not None and step.opname == "COPY":  # a = b = …, or (a := …)
            step = next(following, None)
        if step is None:
            return ()
        if step.opname.startswith(STORES):
            return _stored(step)
        if step.opname in UNPACKS:
            return _in_a_row(self.targets)
        if step.opname.startswith(LOADS):
            attribute = _target(chain((step,), following))
            if isinstance(attribute, str):
                return (attribute,)
        if (
            step.opname == "POP_TOP"
            and self.receiver is not None
            and self.receiver.local
            and (self.written or "").endswith("_")
        ):
            return (self.receiver.variable.rpartition(".")[2],) if self.receiver.variable else ()
        return self._taken_later

    @cached_property
    def targets(self) -> Target:
        """What the result is put into, unpacked as it is there: ``("out", ("h", "c"))`` of ``out, (h, c) = lstm(x)``;
        what takes the rest has its star, and what is no variable None.
        """
        following = self._following()
        step = next(following, None)
        if step is not None and step.opname == "COPY":
            step = next(following, None)
        return _target(chain((step,), following)) if step is not None else None

    @cached_property
    def aliases(self) -> tuple[str, ...]:
        """The further variables that the function sets to what the one has that takes the result."""
        return _aliases(self.code).get(self.names[0], ()) if len(self.names) == 1 else ()

    @cached_property
    def _taken_later(self) -> tuple[str, ...]:
        """The variable that takes the result once others have been computed: the a of ``a, b = f(x), g(y)``; empty
        as soon as it goes elsewhere.
        """
        above = 0  # how many things lie on the result
        for step, after in pairwise(self._following()):
            if above == 0 and step.opname in STORES_OF_VARIABLES:
                return _stored(step)
            moved = _moved(step, after, above)
            if moved is None:
                break
            above = moved
        return ()

    @cached_property
    def _container(self) -> tuple[str, ...]:
        tree = _parsed(self.text)
        variable = self.operand_of(tree.value).variable if isinstance(tree, ast.Subscript) else None
        return (variable.rpartition(".")[2],) if variable else ()

    @cached_property
    def written(self) -> str | None:
        """The operator or the function's name as written: "+", "sin", "cross_entropy"; None if that cannot be told."""
        step = self.instruction
        if step is None:
            return None
        if step.opname.startswith("BINARY_OP"):
            return step.argrepr.rstrip("=") if step.argrepr not in ("[]",) else GETITEM
        if step.opname == "LOAD_ATTR":
            return PROPERTIES.get(str(step.argval))
        if step.opname in UNARY:
            return UNARY[step.opname]
        if step.opname in SUBSCRIPTS:
            return SETITEM if step.opname.startswith("STORE") else GETITEM
        return _called(self.text)

    @cached_property
    def called_expression(self) -> ast.expr | None:
        """What is called here, as it is written; None where nothing is called."""
        tree = _parsed(self.text)
        return tree.func if isinstance(tree, ast.Call) else None

    @cached_property
    def called_variables(self) -> Mapping[str, Operand]:
        """The variables in that, each as it is read here."""
        parts = ast.walk(self.called_expression) if self.called_expression is not None else ()
        return {part.id: self.operand_of(part) for part in parts if isinstance(part, ast.Name)}

    @cached_property
    def function(self) -> str | None:
        """The variable that what is called here is read from, such as "f" or "F.relu"; None if it is none, or if
        that cannot be told.
        """
        return self.operand_of(self.called_expression).variable if self.called_expression is not None else None

    @cached_property
    def hands_on(self) -> bool:
        """Whether a handler calls here, with all that it was given, what it was given: ``func(*args, **kwargs)``, or
        the handler that it stands in for.
        """
        step = self.instruction
        if step is None or step.opname != "CALL_FUNCTION_EX":
            return self.written in HANDLERS
        given = self.code.co_varnames[: self.code.co_argcount + self.code.co_kwonlyargcount]
        return not self.text or self.function in given or self.written in HANDLERS

    @cached_property
    def is_returned(self) -> bool:
        """Whether the function returns the result and nothing else, be it by way of a variable."""
        if self.returned:
            return True
        steps, name = _steps(self.code)[0], self.names[0] if len(self.names) == 1 else None
        stores = [step for step in steps if step.opname.startswith("STORE_FAST") and step.argval == name]
        ends = [before for before, step in pairwise(steps) if step.opname.endswith("RETURN_VALUE")]
        loaded = all(step.opname.startswith("LOAD_FAST") and step.argval == name for step in ends)
        return len(stores) == 1 and bool(ends) and loaded

    @cached_property
    def number_first(self) -> bool:
        """Whether a number is written before the operator and something else behind it: "2 * x"."""
        if self.instruction is None or not self.instruction.opname.startswith("BINARY_OP"):
            return False
        tree = _parsed(self.text)
        return isinstance(tree, ast.BinOp) and _is_number(tree.left) and not _is_number(tree.right)

    # --- operands

    @cached_property
    def receiver(self) -> Operand | None:
        """What stands before the point of a method call, or of a call of a module's function: the two look the same;
        None for other calls.
        """
        tree = _parsed(self.text)
        return (
            self.operand_of(tree.func.value)
            if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Attribute)
            else None
        )

    @cached_property
    def subscripted(self) -> Operand | None:
        """What stands before the brackets of ``x[i]``; None elsewhere."""
        tree = _parsed(self.text)
        return self.operand_of(tree.value) if isinstance(tree, ast.Subscript) else None

    @cached_property
    def operands(self) -> tuple[Operand, ...] | None:
        """What stands between the brackets of a call, or around an operator, in order; None where that cannot be
        told, as for ``f(*args)``.
        """
        tree = _parsed(self.text)
        if isinstance(tree, ast.BinOp):
            return self.operand_of(tree.left), self.operand_of(tree.right)
        if isinstance(tree, ast.UnaryOp):
            return (self.operand_of(tree.operand),)
        if (
            not isinstance(tree, ast.Call)
            or any(isinstance(part, ast.Starred) for part in tree.args)
            or any(part.arg is None for part in tree.keywords)
        ):
            return None
        return (
            *(self.operand_of(part) for part in tree.args),
            *(self.operand_of(part.value)._replace(keyword=part.arg) for part in tree.keywords),
        )

    def operand_of(self, tree: ast.expr) -> Operand:
        """One operand; a variable only if the bytecode loads it right there, so that a file changed since then gives
        no wrong names.
        """
        if isinstance(tree, ast.Constant) or _is_number(tree):
            return Operand(constant=True)
        path: list[str] = []
        while isinstance(tree, ast.Attribute):
            path.insert(0, tree.attr)
            tree = tree.value
        place = self.instruction.positions if self.instruction else None
        if not isinstance(tree, ast.Name) or place is None or place.lineno is None or place.col_offset is None:
            return Operand()
        where = (place.lineno + tree.lineno - 1, tree.col_offset + (place.col_offset - 1 if tree.lineno == 1 else 0))
        load = _loads(self.code).get((tree.id, *where)) or self._load_in_line(tree.id, where[0])
        return Operand(None, ".".join([tree.id, *path]), load.startswith(LOCAL)) if load else Operand()

    def _load_in_line(self, variable: str, line: int) -> str | None:
        """The instruction that reads a variable somewhere in a line, together with another variable, which stands
        where the bytecode says.
        """
        text = linecache.getline(self.code.co_filename, line).encode()
        beside = _loads_in_lines(self.code).get((variable, line), ())
        return next(
            (load for load, other, column in beside if re.match(rb"%s\b" % other.encode(), text[column:])), None
        )

    @cached_property
    def text(self) -> str:
        """The expression in the source, or "" where there is no source."""
        place = self.instruction.positions if self.instruction else None
        if place is None or place.lineno is None or place.end_lineno is None or place.col_offset is None:
            return ""
        lines = [
            linecache.getline(self.code.co_filename, n).encode() for n in range(place.lineno, place.end_lineno + 1)
        ]
        if not lines or not lines[0]:
            return ""
        lines[-1] = lines[-1][: place.end_col_offset]
        lines[0] = lines[0][place.col_offset :]
        return b"".join(lines).decode(errors="replace").strip()

    @cached_property
    def source(self) -> str:
        """ "file.py:12"."""
        place = self.instruction.positions if self.instruction else None
        line = place.lineno if place and place.lineno else self.code.co_firstlineno
        return f"{PurePath(self.code.co_filename).name}:{line}"


def _target(steps: Iterator[dis.Instruction]) -> Target:
    """What the next of the steps put the thing into that lies on the stack; reads these steps and no further."""
    step = next(steps, None)
    if step is None:
        return None
    if step.opname in UNPACKS:
        first, behind = (int(step.arg or 0), None) if step.opname == UNPACKS[0] else _around_star(int(step.arg or 0))
        found = [_target(steps) for _ in range(first)]
        if behind is not None:
            rest = _target(steps)
            found += [f"*{rest}" if isinstance(rest, str) else None, *[_target(steps) for _ in range(behind)]]
        return tuple(found)
    if step.opname in STORES_OF_VARIABLES:
        return next(iter(_stored(step)), None)
    while step is not None and step.opname.startswith(("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF")):
        step = next(steps, None)
        while step is not None and step.opname == "LOAD_ATTR":
            step = next(steps, None)
    if step is not None and step.opname == "STORE_ATTR":
        return next(iter(_stored(step)), None)
    return None


def _around_star(argument: int) -> tuple[int, int]:
    """How many things stand before the star, and how many behind it."""
    return argument & 0xFF, argument >> 8


def _in_a_row(targets: Target) -> tuple[str, ...]:
    """The variables that a result is unpacked into, where each takes one thing and a star at most all that is left."""
    if not isinstance(targets, tuple):
        return ()
    names = [each for each in targets if isinstance(each, str)]
    starred = [n for n, name in enumerate(names) if name.startswith("*")]
    return (
        tuple(names) if len(names) == len(targets) and starred in ([], [len(names) - 1]) and names[0][0] != "*" else ()
    )


@lru_cache(maxsize=4096)
def _aliases(code: CodeType) -> Mapping[str, tuple[str, ...]]:
    """Variable -> others that the function sets to it, as in ``second = fake``, where it sets each only once."""
    steps = _steps(code)[0]
    stored = Counter(str(step.argval) for step in steps if step.opname.startswith(("STORE_", "DELETE_")))
    given = {*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], *code.co_freevars}
    found: dict[str, tuple[str, ...]] = {}
    for load, store in pairwise(steps):
        same = load.opname.startswith(LOADS) and store.opname in STORES_OF_VARIABLES and not store.is_jump_target
        name, other = str(load.argval), str(store.argval)
        if same and stored[name] == stored[other] == 1 and not given & {name, other}:
            found[name] = (*found.get(name, ()), other, *found.get(other, ()))
    return found


@lru_cache(maxsize=4096)
def numbers_in(code: CodeType) -> frozenset[str]:
    """The variables of a function that it sets to numbers written there and to nothing else: by ``x = 2.0``, or by
    ``for x in (1.0, 2.0)`` and ``for i in range(3)``.
    """
    steps = _steps(code)[0]
    numbers: dict[str, bool] = {}
    given = {*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], *code.co_freevars}
    for at, step in enumerate(steps):
        if step.opname.startswith(("STORE_FAST", "STORE_DEREF", "DELETE_FAST")) and isinstance(step.argval, str):
            numbers[step.argval] = numbers.get(step.argval, True) and _sets_number(steps, at)
    return frozenset(name for name, always in numbers.items() if always and name not in given)


def _sets_number(steps: list[dis.Instruction], at: int) -> bool:
    """Whether what an instruction stores is a number that stands there."""
    before = steps[at - 1] if at else None
    if before is None or steps[at].is_jump_target:  # it may come from elsewhere, as in ``w if known else 1.0``
        return False
    if before.opname == "FOR_ITER":
        return _goes_over_numbers(steps, at - 1)
    return _is_constant_number(before)


def _goes_over_numbers(steps: list[dis.Instruction], at: int) -> bool:
    """Whether a loop goes over numbers that stand there, or over a range."""
    behind = [step for step in steps[max(at - 8, 0) : at] if step.opname != "PUSH_NULL"]
    if len(behind) < 2 or behind[-1].opname != "GET_ITER":
        return False
    over = behind[-2]
    if over.opname in ("LOAD_CONST", "RETURN_CONST"):
        return isinstance(over.argval, tuple) and all(type(each) in (int, float) for each in over.argval)
    calls = [step for step in behind if step.opname not in ("PRECALL", "KW_NAMES")]
    start = next((i for i, step in enumerate(calls) if step.opname == "LOAD_GLOBAL" and step.argval == "range"), None)
    return (
        start is not None
        and calls[-2].opname == "CALL"
        and all(step.opname.startswith("LOAD_") for step in calls[start:-2])
        and len(calls[start:-2]) == int(calls[-2].arg or 0) + 1
    )


def _is_constant_number(step: dis.Instruction) -> bool:
    return step.opname in ("LOAD_CONST", "LOAD_SMALL_INT") and type(step.argval) in (int, float, complex)


@lru_cache(maxsize=4096)
def _loads(code: CodeType) -> dict[tuple[str, int, int], str]:
    """(variable, line, column) -> the instruction that reads it there; one that the code itself imports counts as
    global.
    """
    loads = {}
    for step in _steps(code)[0]:
        place = step.positions
        if (
            step.opname.startswith(LOADS)
            and place is not None
            and place.lineno is not None
            and place.col_offset is not None
        ):
            loads[str(step.argval), place.lineno, place.col_offset] = _load_opcode(code, step)
    return loads


@lru_cache(maxsize=4096)
def _loads_in_lines(code: CodeType) -> dict[tuple[str, int], list[tuple[str, str, int]]]:
    """(variable, line) -> instructions that read it there, no column known, each with the variable that it reads or
    sets at the same time and its column.
    """
    loads: dict[tuple[str, int], list[tuple[str, str, int]]] = {}
    for first, second in pairwise(_steps(code)[0]):
        place = first.positions
        if (
            first.offset == second.offset
            and second.opname.startswith(LOADS)
            and place is not None
            and place.lineno is not None
        ):
            loads.setdefault((second.argval, place.lineno), []).append(
                (_load_opcode(code, second), first.argval, place.col_offset or 0)
            )
    return loads


def _load_opcode(code: CodeType, step: dis.Instruction) -> str:
    return "LOAD_GLOBAL" if step.argval in _imported(code) else step.opname


@lru_cache(maxsize=4096)
def _imported(code: CodeType) -> frozenset[str]:
    return frozenset(step.argval for step in _steps(code)[0] if step.opname in ("IMPORT_NAME", "IMPORT_FROM"))


def _without_calls_for_flags(steps: Iterator[dis.Instruction]) -> Iterator[dis.Instruction]:
    """The steps without a ``.requires_grad_()`` that they begin with, which hands back what it is called on."""
    first = next(steps, None)
    if first is not None and first.opname in ("LOAD_METHOD", "LOAD_ATTR") and first.argval == "requires_grad_":
        for step in steps:
            if step.opname == "CALL":
                break
    elif first is not None:
        yield first
    yield from steps


def _moved(step: dis.Instruction, after: dis.Instruction, above: int) -> int | None:
    """How many things lie on a result after an instruction, which ``after`` follows; None where that takes it, or
    may go elsewhere.
    """
    count = int(step.arg or 0)
    if step.opname == "SWAP" and above in (0, count - 1):
        return count - 1 - above
    if step.opname == "COPY" and above == count - 1:  # it may go to two places
        return None
    if step.opname == "FOR_ITER" and above:
        return above + dis.stack_effect(step.opcode, step.arg, jump=True)
    # of the tuple or list that the result went into: its first thing lies on top
    if step.opname == "UNPACK_SEQUENCE" and above < 0:
        return count + above
    if step.opname in ("BUILD_TUPLE", "BUILD_LIST") and above < count:
        return -1 - above if (after.opname, after.arg) == ("UNPACK_SEQUENCE", step.arg) else None
    if step.opcode in JUMPS or step.opname.startswith(("RETURN", "YIELD", "RAISE", "SEND", "POP_JUMP")):
        return None
    effect = dis.stack_effect(step.opcode, step.arg)
    taken = -effect if step.opname.startswith(LEAVES_NOTHING) else TAKES.get(step.opname, max(1 - effect, 0))
    return above + effect if taken <= above else None


def _stored(step: dis.Instruction) -> tuple[str, ...]:
    """The name that a STORE instruction fills."""
    return (step.argval,) if isinstance(step.argval, str) else ()


def _parsed(text: str) -> ast.expr | None:
    try:
        return _tree_of(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=1024)
def _tree_of(text: str) -> ast.expr:
    """The tree of an expression, which nobody writes to; each site asks for its own several times, and each trace
    again.
    """
    return syntax_tree(f"({text})", "eval").body


def _is_number(tree: ast.expr) -> bool:
    if isinstance(tree, ast.UnaryOp):
        return _is_number(tree.operand)
    return isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float, complex))


def _called(text: str) -> str | None:
    return _called_by(_parsed(text))


def _called_by(tree: ast.expr | None) -> str | None:
    function = tree.func if isinstance(tree, ast.Call) else None
    return (
        function.attr
        if isinstance(function, ast.Attribute)
        else function.id
        if isinstance(function, ast.Name)
        else None
    )
