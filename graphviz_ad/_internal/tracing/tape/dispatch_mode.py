"""Operations that torch dispatches -> the Tape that notes them: the dispatch mode, and what it has to know of
reference counts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import cache
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.doubts import DOUBTS
from graphviz_ad._internal.tracing.tape.modes import put_on, take_off
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import SCHEMAS, Operation, Schema, Use, Value, schema_of
from graphviz_ad._internal.tracing.tape.torch_private import (
    SEES_OPERATIONS,
    DispatchMode,
    is_in_engine,
    is_innermost,
    modes_that_are_on,
    quiet,
)

# those of the recordings that the running task belongs to; a task takes them over from the one that starts it
marks: ContextVar[tuple[object, ...]] = ContextVar("marks", default=())


class Recorder(DispatchMode):  # type: ignore[no-untyped-call]
    """The dispatch mode that writes a tape; as thread-local as every mode, and it never breaks the program that it
    watches.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: a guard of torch.compile's around each call would import all of it at the first trace, and cost
        time at every operation.
        """
        return False

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """True: what torch.compile compiled stays compiled, and is one box; otherwise torch would run it eagerly,
        now and ever after.
        """
        return True

    @classmethod
    def is_infra_mode(cls) -> bool:
        """The same for versions of torch that ask this instead; others mean something else by it."""
        return not hasattr(DispatchMode, "ignore_compile_internals")

    sees_backward = False  # whether something that runs in a backward pass is recorded, too

    def __init__(self, tape: Tape, lowest: tuple[int, int] | None = None) -> None:
        """``lowest``: see `lowest_reference_counts`, which measures it where it is not given."""
        super().__init__()  # type: ignore[no-untyped-call]
        tape.lowest, tape.lowest_in_list = measured = lowest or lowest_reference_counts()
        if lowest is None and SEES_OPERATIONS and 0 in measured:
            tape.problems.append(
                "what only C++ holds cannot be told from what Python holds: operations that one call runs stand apart"
            )
        self.tape = tape
        self.paused = self.ended = self.full = False
        self.most: int | None = None  # operations, after which it is full
        # what tells its own task, and those that this one starts meanwhile, from others
        self._mark = object()
        self._marks: tuple[object, ...] = ()
        self._token: Token[tuple[object, ...]] | None = None
        self._thread = 0
        # to where the engine begins and ends, so that each operation has to be asked whether it is the engine's
        self.blind = False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While this is open, nothing is recorded; if that can be had, torch does not even ask, which would cost
        more than most of what it asks about.
        """
        before, leaves = self.paused, not self.sees_backward and is_innermost(self)
        try:
            self.paused = True
            if leaves:
                take_off(self)
            yield
        finally:
            if leaves and not is_innermost(self):  # an interrupt may have come before it left
                put_on(self)
            self.paused = before

    def __enter__(self) -> Recorder:
        """Record what this task runs from here on."""
        for mode in modes_that_are_on() or ():
            if isinstance(mode, Recorder) and mode.ended:  # in another thread, which cannot take it off here
                take_off(mode)
        self._thread = threading.get_ident()
        try:
            self._marks = (*marks.get(), self._mark)
            self._token = marks.set(self._marks)
            put_on(self)
            return self
        except BaseException:  # an interrupt may come anywhere
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        """Stop recording, in whatever order recordings end; from another thread it can only be silenced."""
        self.ended = True
        if threading.get_ident() != self._thread:
            return
        take_off(self)
        if self._token is not None and marks.get() is self._marks:
            marks.reset(self._token)
            self._token = None
        elif self._mark in marks.get():
            marks.set(tuple(mark for mark in marks.get() if mark is not self._mark))

    def is_of_this_task(self) -> bool:
        """Whether what runs now belongs to the task that began this, or is in the engine, which may use a thread of
        its own.
        """
        return self._mark in marks.get() or is_in_engine()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note it; a tracer must not break what it watches, so that what it fails at is said
        on the graph.
        """
        schema = SCHEMAS.get(id(func)) or self._read(func)
        if (
            schema is None
            or self.paused
            or self.ended
            or self.full
            or quiet.depth
            or not schema.recorded
            or (self.blind and is_in_engine())
            or (self._mark not in marks.get() and self._is_of_another_task())
        ):
            return func(*args, **kwargs) if kwargs else func(*args)
        operation = None
        if self.most is not None:
            self.full = len(self.tape.operations) >= self.most
        try:
            operation = self.tape.before(schema, args, kwargs)
        except Exception as error:
            self._failed(error)
        try:
            result = func(*args, **kwargs) if kwargs else func(*args)
        except BaseException:
            if operation is not None:
                self.tape.raised.add(operation.number)
            raise
        if operation is not None:
            try:
                self.tape.after(operation, schema, args, kwargs, result)
            except Exception as error:
                self._failed(error)
        return result

    def _is_of_another_task(self) -> bool:
        if self.is_of_this_task():
            return False
        self.tape.of_other_tasks += 1
        return True

    def _read(self, func: Any) -> Schema | None:
        """What is known of an operation that is met for the first time; None where it cannot be read, which is said."""
        try:
            return schema_of(func)
        except Exception as error:
            self._failed(error)
            return None

    def _failed(self, error: Exception) -> None:
        self.tape.problems.append(f"{type(error).__name__}: {error}")


def stopped_by(error: BaseException, tape: Tape) -> int | None:
    """The operation on a tape whose exception this is, or led to this one; None where no operation raised it."""
    waiting, seen = [error], set()
    while waiting:
        found = waiting.pop()
        seen.add(id(found))
        for frame, _ in walk_tb(found.__traceback__):
            handler = frame.f_locals if frame.f_code is Recorder.__torch_dispatch__.__code__ else {}
            operation = handler.get("operation")
            if isinstance(operation, Operation) and handler["self"].tape is tape:
                return operation.number
        waiting += [
            before for before in (found.__context__, found.__cause__) if before is not None and id(before) not in seen
        ]
    return None


# --- Held by Python?
#
# A C++ function such as matmul dispatches several operations. Their intermediate results never reach the user's
# program: only C++ holds them, so that in the handler their reference count is the lowest that it can see. What that is
# depends on torch and Python; it is measured once a process by a tape that looks from the very same place, in a thread
# of its own, since modes are thread-local and no mode of the user may see it.


class _Measuring(Tape):
    """A tape that takes every operand as held by nobody and notes the counts of the last one, and of the last one in
    a list.

    Not by their names, which some versions of torch may not tell.
    """

    def __init__(self) -> None:
        super().__init__(Capture("none", "none"), _measure.__code__)
        self.last = self.last_in_list = 0

    def _note(
        self, name: str, argument: Any, uses: list[Use], constants: list[tuple[str, Any]], loose: list[Value]
    ) -> None:
        if isinstance(argument, Tensor):
            self.last = sys.getrefcount(argument)
        elif isinstance(argument, (list, tuple)):
            for _, part in enumerate(argument):  # the pair holds a reference, as in the method that this stands in for
                if isinstance(part, Tensor):
                    self.last_in_list = sys.getrefcount(part)


def _measure(found: list[tuple[int, int]]) -> None:
    tape, vector, matrix = _Measuring(), torch.ones(2), torch.ones(2, 2)
    scalars = [torch.ones(()), torch.ones(())]
    with Recorder(tape, (0, 0)):
        torch.matmul(vector, matrix)  # unsqueeze, mm(self, mat2), squeeze_(self)
        direct = tape.last
        torch.hstack(scalars)  # view, view, cat(tensors)
    found.append((direct, tape.last_in_list))


@cache
def lowest_reference_counts() -> tuple[int, int]:
    """Reference counts, as `Tape._note` sees them, of an operand and of one in a list that only C++ holds."""
    found: list[tuple[int, int]] = []
    thread = threading.Thread(target=_measure, args=(found,))
    thread.start()
    thread.join()
    if not found or not all(found[0]):
        DOUBTS[notice("counts not measured")] = None
    return found[0] if found else (0, 0)
