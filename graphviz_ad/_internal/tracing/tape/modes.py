"""A dispatch mode of ours -> on and off the stack of its thread, in whatever order, with nothing left behind.

Torch takes it that modes end in the opposite order to that in which they began. Tasks of an event loop and generators
need not: whichever ends first would take another one's mode off, and its own would stay for ever. Besides, torch keeps
in plain variables of the process whether any mode is on, which modes of several threads leave set for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from graphviz_ad._internal.tracing.tape.probes import answer_to
from graphviz_ad._internal.tracing.tape.torch_private import (
    POP,
    PUSH,
    DispatchMode,
    mode_flags,
    modes_that_are_on,
    set_mode_flags,
)

# torch's own, whatever a user's mode does beside
_enter: Callable[[Any], Any] = DispatchMode.__enter__
_exit: Callable[..., Any] = DispatchMode.__exit__
_on: dict[int, int] = {}  # identity of a mode of ours -> its thread
_lock = threading.RLock()  # a recording that the garbage collector ends may come in while its own thread holds it
_measuring = threading.Lock()
_to_reset: dict[str, bool] = {}  # the variables that the first of them has set


def put_on(mode: Any) -> None:
    """Let a mode see what runs in this thread; where an interrupt came, `take_off` puts everything right."""
    if PUSH is None:
        _on[id(mode)] = threading.get_ident()
        _enter(mode)
        return
    kind: Any = type(mode)
    thread, key = threading.get_ident(), id(mode)
    with _measuring:  # the variables are those of all threads: two that measure at once would leave them set
        flags = flags_while_on(kind)
    with _lock:
        first = not _on
        _on[key] = thread
        if first:
            _to_reset.update({name: False for name, value in mode_flags().items() if name in flags and not value})
        set_mode_flags(flags)
    PUSH(mode)


def take_off(mode: Any) -> None:
    """Take a mode off, also from below others; bears being run twice, or for a mode that was never on."""
    if PUSH is None or POP is None:
        if _on.pop(id(mode), None) is not None:
            _exit(mode, None, None, None)
        return
    others: list[Any] = []
    try:
        if _is_on(mode):
            while (top := _innermost()) is not mode:
                others.append(top)
                POP(None) if id(top) in _on else _exit(top, None, None, None)
            POP(None)
    finally:
        _forget(mode)
        if others:  # which are to find the variables as they were before any of ours
            set_mode_flags(_to_reset)
        while others:
            if not _is_on(others[-1]):  # an interrupt may come anywhere
                PUSH(others[-1]) if id(others[-1]) in _on else _enter(others[-1])
            others.pop()
        _set_again()


@contextmanager
def in_this_thread_alone(mode: Any) -> Iterator[None]:
    """A mode of any kind is on while this is open, without a word in the variables of the process: those of several
    threads would leave them set.
    """
    if PUSH is None or POP is None:
        with mode:
            yield
        return
    PUSH(mode)
    try:
        yield
    finally:
        POP(None)


def _innermost() -> Any:
    return (modes_that_are_on() or [None])[-1]


def _is_on(mode: Any) -> bool:
    return any(other is mode for other in modes_that_are_on() or ())


def _forget(mode: Any) -> None:
    with _lock:
        _on.pop(id(mode), None)
        _reset_after_the_last()


def _reset_after_the_last() -> None:
    if not _on:
        set_mode_flags(_to_reset)
        _to_reset.clear()


def _set_again() -> None:
    """The variables are as modes of ours want them, as long as there is one in any thread: asked and set in one go,
    for another thread may take off the last of them between the two.
    """
    with _lock:
        set_mode_flags(dict.fromkeys(_to_reset, True))


@cache
def flags_while_on(kind: Any) -> dict[str, bool]:
    """What torch keeps of a mode of this kind while it is on."""

    def measured() -> dict[str, bool]:
        mode = kind.__new__(kind)
        DispatchMode.__init__(mode)  # type: ignore[no-untyped-call]
        _enter(mode)
        within = mode_flags()
        _exit(mode, None, None, None)
        without = mode_flags() | _to_reset
        return {name: True for name, value in within.items() if value and not without[name]}

    return answer_to(measured) or {}


def _after_fork() -> None:
    """A forked process has one thread: modes of the others are not its own."""
    global _lock, _measuring
    _lock, _measuring = threading.RLock(), threading.Lock()
    for mode in [mode for mode, thread in _on.items() if thread != threading.get_ident()]:
        del _on[mode]
    _reset_after_the_last()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
