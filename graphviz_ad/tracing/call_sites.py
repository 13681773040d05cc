"""Code object and instruction -> what the user wrote there: the operator or function, the variable that takes the result, the line.

All of it is read from the bytecode and the source, never from a running frame, so that asking keeps nothing alive.
"""

from __future__ import annotations

import ast
import bisect
import dis
import linecache
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import PurePath
from types import CodeType

SKIPPED = {"CACHE", "NOP", "EXTENDED_ARG", "RESUME", "PRECALL", "NOT_TAKEN"}
STORES = ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF", "STORE_ATTR")
UNARY = {"UNARY_NEGATIVE": "neg", "UNARY_INVERT": "bitwise_not"}
ATTRIBUTES = {"T": "t", "mT": "mT", "H": "H", "mH": "mH", "real": "real", "imag": "imag"}  # properties that compute
SUBSCRIPTS = ("BINARY_SUBSCR", "BINARY_SLICE", "STORE_SUBSCR", "STORE_SLICE")


@lru_cache(maxsize=4096)
def _instructions(code: CodeType) -> tuple[list[dis.Instruction], list[int]]:
    found = list(dis.get_instructions(code))
    return found, [instruction.offset for instruction in found]


def _index(code: CodeType, offset: int) -> int:
    """Which instruction an offset lies in: a frame that waits for a Python function points into the caches behind its CALL."""
    return bisect.bisect_right(_instructions(code)[1], offset) - 1


@dataclass(frozen=True)
class CallSite:
    """One instruction of a code object that called torch."""

    code: CodeType
    offset: int

    @cached_property
    def instruction(self) -> dis.Instruction | None:
        """The instruction itself."""
        index = _index(self.code, self.offset)
        return _instructions(self.code)[0][index] if index >= 0 else None

    @cached_property
    def _after(self) -> list[dis.Instruction]:
        """What runs next with the result on the stack, jumps followed."""
        found, _ = _instructions(self.code)
        steps: list[dis.Instruction] = []
        i = _index(self.code, self.offset) + 1
        while i < len(found) and len(steps) < 24:
            step = found[i]
            if step.opname == "JUMP_FORWARD":
                i = _index(self.code, step.argval)
                continue
            if step.opname not in SKIPPED:
                steps.append(step)
            i += 1
        return steps

    @cached_property
    def returned(self) -> bool:
        """Whether the function hands the result straight on to its caller."""
        return bool(self._after) and self._after[0].opname in ("RETURN_VALUE", "INSTRUMENTED_RETURN_VALUE")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variable that takes the result, or the variables that it is unpacked into; empty when it goes elsewhere."""
        steps = self._after
        if steps and steps[0].opname == "COPY":  # a = b = …, or (a := …)
            steps = steps[1:]
        if not steps:
            return ()
        if steps[0].opname.startswith(STORES):
            return _stored(steps[0])[:1]
        if steps[0].opname == "UNPACK_SEQUENCE":
            count = int(steps[0].arg or 0)
            names = [name for step in steps[1 : count + 1] if step.opname.startswith(STORES) for name in _stored(step)]
            return tuple(names[:count]) if len(names) >= count else ()
        return ()

    @cached_property
    def written(self) -> str | None:
        """The operator or the function's name as written: "+", "sin", "cross_entropy"; None if that cannot be told."""
        step = self.instruction
        if step is None:
            return None
        if step.opname.startswith("BINARY_OP"):
            return step.argrepr.rstrip("=") if step.argrepr not in ("[]",) else "getitem"
        if step.opname == "LOAD_ATTR":
            return ATTRIBUTES.get(str(step.argval))
        if step.opname in UNARY:
            return UNARY[step.opname]
        if step.opname in SUBSCRIPTS:
            return "setitem" if step.opname.startswith("STORE") else "getitem"
        return _called(self.text)

    @cached_property
    def number_first(self) -> bool:
        """Whether a number is written before the operator and something else behind it: "2 * x"."""
        if self.instruction is None or not self.instruction.opname.startswith("BINARY_OP"):
            return False
        tree = _parsed(self.text)
        return isinstance(tree, ast.BinOp) and _is_number(tree.left) and not _is_number(tree.right)

    @cached_property
    def text(self) -> str:
        """The expression in the source, or "" where there is no source."""
        place = self.instruction.positions if self.instruction else None
        if place is None or place.lineno is None or place.end_lineno is None or place.col_offset is None:
            return ""
        lines = [linecache.getline(self.code.co_filename, n).encode() for n in range(place.lineno, place.end_lineno + 1)]
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


def _stored(step: dis.Instruction) -> tuple[str, ...]:
    """The names that a STORE instruction fills; some versions of Python store two at once."""
    if isinstance(step.argval, tuple):
        return tuple(name for name in step.argval if isinstance(name, str))
    return (step.argval,) if isinstance(step.argval, str) else ()


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_number(tree: ast.expr) -> bool:
    if isinstance(tree, ast.UnaryOp):
        return _is_number(tree.operand)
    return isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float, complex))


def _called(text: str) -> str | None:
    tree = _parsed(text)
    if not isinstance(tree, ast.Call):
        return None
    function = tree.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else None
