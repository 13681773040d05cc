"""Running frames -> the custom autograd Functions that are being applied there.

Some versions of torch apply them in a function of Python, whose frame says which one it is and to what. In others C++
calls their ``forward`` at once: then it is the frame of that which is recognised, by its code and by the context that
it is given. Which of the two it is, a Function of ours finds out once a process.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Mapping
from functools import cache, partial
from inspect import CO_OPTIMIZED, CO_VARARGS
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

import torch

from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.torch_private import FUNCTION_CALLS, Frame, function_of, made_at


class Applied(NamedTuple):
    """A call of a custom Function: which one, the identities of what it was applied to, and of its context, where
    its forward gets one.

    That is the autograd node: how many had been made before it tells it from a later one at the same place in memory.
    """

    function: type
    arguments: tuple[int, ...]
    context: tuple[int, int | None] | None = None

    def is_same_call(self, other: Applied) -> bool:
        """Whether two frames run in one call of a Function."""
        return self.context is not None and self.context == other.context


def applied_by(frame: Frame) -> Applied:
    """What one of the frames of `FUNCTION_CALLS` applies."""
    inside = frame.f_locals
    return Applied(inside["cls"], tuple(id(argument) for argument in inside["args"]))


class Forwards:
    """The code of the ``forward`` of every custom Function that there is. Holds no class, and no code, alive."""

    def __init__(self) -> None:
        """None are known yet."""
        # class -> itself, and which forward of its own it had
        self._seen: dict[int, tuple[weakref.ref[type], int]] = {}
        self._of_code: dict[int, list[weakref.ref[type]]] = {}

    def look(self) -> None:
        """Find what has been defined since the last time."""
        waiting: list[type] = [torch.autograd.Function]
        while waiting:
            found: list[type] = type.__subclasses__(waiting.pop())
            for cls in found:
                waiting.append(cls)
                own = id(cls.__dict__.get("forward"))
                known = self._seen.get(id(cls))
                if known is None or known[1] != own or known[0]() is not cls:
                    self._seen[id(cls)] = (weakref.ref(cls), own)
                    self._note(cls)

    def _note(self, cls: type) -> None:
        code = code_of(member_of(cls, "forward"))
        if code is not None:
            living = [known for known in self._of_code.get(id(code), ()) if known() is not None]
            self._of_code[id(code)] = [*living, weakref.ref(cls)]

    def __contains__(self, code: CodeType) -> bool:
        """Whether a code object is that of a forward; others may share it, as those that a decorator wraps do."""
        return id(code) in self._of_code

    def applied(self, frame: Frame, given: Mapping[str, Any] | None = None) -> Applied | None:
        """What is applied where this frame of such a code runs; None where Python called it like any other function.
        ``given`` are its variables, if they have been read already.
        """
        code, given = frame.f_code, locals_of(frame) if given is None else given
        found = [
            cls
            for known in self._of_code.get(id(code), ())
            if (cls := known()) is not None and _is_running_forward(cls, code, given)
        ]
        arguments = held_parameters(code, given)
        if not found:
            return None
        context = next(
            (argument for argument in arguments if isinstance(argument, torch.autograd.function.BackwardCFunction)),
            None,
        )
        # not always the first: a method, or what has been given some arguments before, has others in front
        if context is not None:
            function = _owner(context, found)
            applied_to = tuple(map(id, arguments))
            applied_to = applied_to[applied_to.index(id(context)) + 1 :]
            return None if function is None else Applied(function, applied_to, (id(context), made_at(context)))
        without = [
            cls for cls in found if getattr(cls, "setup_context", None) is not torch.autograd.Function.setup_context
        ]
        return Applied(without[0], tuple(map(id, arguments))) if without and not _is_called_by_python(frame) else None


known_forwards = Forwards()


def _owner(context: Any, found: list[type]) -> type | None:
    """Which of the Functions that share a forward a context belongs to; None if to none of them, or if its own
    forward is long over.
    """
    if len(getattr(context, "_input_metadata", None) or ()):
        return None
    function = function_of(context)
    if function in found:
        return function
    return found[0] if function is type(context) else None  # where torch does not tell, see `function_of`


def member_of(cls: type, name: str) -> Any:
    """What stands in a class or those that it inherits from under a name, as it stands there."""
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)


def code_of(thing: Any) -> CodeType | None:
    """The code that runs when something is called; None if that is not written in Python."""
    while isinstance(thing, (staticmethod, classmethod, MethodType, partial)):
        thing = thing.func if isinstance(thing, partial) else thing.__func__
    if not isinstance(thing, FunctionType):
        thing = member_of(type(thing), "__call__")
    return thing.__code__ if isinstance(thing, FunctionType) else None


def _is_running_forward(cls: type, code: CodeType, given: Mapping[str, Any]) -> bool:
    """Whether it is the forward of this Function that runs, and not another function of the same code: what is
    closed over tells them apart.
    """
    forward = member_of(cls, "forward")
    if code_of(forward) is not code:
        return False
    closure = getattr(getattr(forward, "__func__", forward), "__closure__", None) or ()
    return all(_content(cell) is given.get(name) for name, cell in zip(code.co_freevars, closure, strict=False))


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def held_parameters(code: CodeType, given: Mapping[str, Any]) -> list[Any]:
    """What the parameters of a running function hold."""
    names = code.co_varnames
    plain = code.co_argcount + code.co_kwonlyargcount
    found = [given.get(name) for name in names[: code.co_argcount]]
    if code.co_flags & CO_VARARGS:
        rest = given.get(names[plain])
        found += rest if isinstance(rest, tuple) else ()
    return found + [given.get(name) for name in names[code.co_argcount : plain]]


def _is_called_by_python(frame: Frame) -> bool:
    """Whether a forward that gets no context is called by name, as any function is, and not by torch, which switches
    gradients off around it.
    """
    caller = frame.f_back
    if caller is None:
        return False
    site = CallSite(caller.f_code, caller.f_lasti)
    if not site.text:
        return torch.is_grad_enabled()
    name = site.function
    if name is None or "." in name:
        return site.written == "forward"
    given = locals_of(caller)
    return code_of(given[name] if name in given else caller.f_globals.get(name)) is frame.f_code


def locals_of(frame: Frame) -> dict[str, Any]:
    """What the variables of a frame hold now; nothing of it stays alive by that any longer than it would have
    anyway.
    """
    inside = frame.f_locals
    found = dict(inside)
    # Older Pythons keep this copy with the frame of a function. Whoever else has it, such as who called locals(), wants
    # it as it is.
    if isinstance(inside, dict) and frame.f_code.co_flags & CO_OPTIMIZED and sys.getrefcount(inside) <= _ALONE:
        inside.clear()
    return found


def _references() -> int:
    frame = sys._getframe()
    inside = frame.f_locals
    count = sys.getrefcount(inside) if isinstance(inside, dict) else 0
    if isinstance(inside, dict):
        inside.clear()  # it holds the frame, as the frame does: all frames around it would stay, with what is in them
    del frame
    return count


_ALONE = _references()


@cache
def stands_on_the_stack() -> bool:
    """Whether a frame of `FUNCTION_CALLS` says of a custom Function that it is applied."""
    seen: list[bool] = []

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            caller = sys._getframe(1)
            seen.append(caller.f_code in FUNCTION_CALLS)
            return x.clone()

    apply: Any = Probe.apply
    thread = threading.Thread(target=lambda: apply(torch.zeros(())))  # no mode of the user's sees it
    thread.start()
    thread.join()
    return seen == [True]
