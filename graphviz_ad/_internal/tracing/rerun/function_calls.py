"""A run and its backward pass -> the calls of custom Functions in it: what each was given, what gradient came, what
its backward made of that; and the Function alone, with other values.

Which Functions run is seen by a profile function of this thread, which Python calls when a function begins and ends.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePath
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import RerunError
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.graph.target import NOT_PLAIN, TOO_LARGE, Arrays
from graphviz_ad._internal.maths.agreement import coarsest
from graphviz_ad._internal.tracing.rerun.random_numbers import States, beginning_in, random_states
from graphviz_ad._internal.tracing.rerun.tensors import as_array, as_tensor
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.custom_functions import code_of, held_parameters, known_forwards, member_of
from graphviz_ad._internal.tracing.tape.torch_private import TORCH_FOLDER, Frame
from graphviz_ad._internal.tracing.tape.values import dtype_name
from graphviz_ad._internal.tracing.trackable import label_of

MOST_ELEMENTS = 1 << 20  # of what a Function is given, for it to be looked at


@dataclass(eq=False)
class FunctionCall:
    """One call of a custom Function; see `graph.target.AppliedFunction`."""

    function: type[torch.autograd.Function]
    arguments: list[Any]
    names: list[str]
    source: str | None
    random: States
    context: Any = None
    needed: tuple[bool, ...] = ()  # for each argument, whether a gradient is asked for
    result: Any = None
    precision: str = ""
    problem: str = ""
    arrived: Arrays = ()
    sent: Arrays | None = None
    _places: list[int] = field(default_factory=list)  # of the inputs among the arguments

    @property
    def name(self) -> str:
        """What it is called on pictures."""
        return label_of(self.function)

    @property
    def defined(self) -> str | None:
        """The line on which its backward begins."""
        backward = member_of(self.function, "backward") or member_of(self.function, "vjp")
        code = code_of(inspect.unwrap(getattr(backward, "__func__", backward))) if backward is not None else None
        return None if code is None else f"{PurePath(code.co_filename).name}:{code.co_firstlineno}"

    @property
    def inputs(self) -> list[str]:
        """The parameters that a gradient is asked for."""
        return [self.names[place] for place in self._places]

    @property
    def values(self) -> list[Array]:
        """What these were given."""
        return [as_array(self.arguments[place]) for place in self._places]

    def settle(self) -> bool:
        """It has run; whether gradients may flow back through it."""
        self.arguments = self.arguments[: len(self.needed)]
        tensors = [part for part in self.arguments if isinstance(part, Tensor)]
        self._places = [
            place
            for place, (part, needed) in enumerate(zip(self.arguments, self.needed, strict=True))
            if isinstance(part, Tensor) and needed and (part.is_floating_point() or part.is_complex())
        ]
        made = [part for part in as_tuple(self.result) if isinstance(part, Tensor)]
        floats = [part for part in (*tensors, *made) if part.is_floating_point() or part.is_complex()]
        self.precision = coarsest(dtype_name(part.dtype) for part in floats)
        self.result = None
        if any(type(part) not in (Tensor, torch.nn.Parameter) for part in tensors):
            self.problem = NOT_PLAIN
        elif sum(part.numel() for part in (*tensors, *made)) > MOST_ELEMENTS:
            self.problem = TOO_LARGE
        return bool(self._places) and self.context is not None

    def ran(self, grad_inputs: Sequence[Tensor | None], grad_outputs: Sequence[Tensor | None]) -> None:
        """Its backward made the first of the second; the names are those of torch's hooks."""
        if self.problem:
            return
        tensors = [place for place, part in enumerate(self.arguments) if isinstance(part, Tensor)]
        found = dict(zip(tensors, grad_inputs, strict=False))
        self.arrived = tuple(None if grad is None else as_array(grad) for grad in grad_outputs)
        self.sent = tuple(self._fitting(place, found.get(place)) for place in self._places)

    def _fitting(self, place: int, grad: Tensor | None) -> Array | None:
        """A gradient as the engine hands it on: in the shape of the input, and real where that is."""
        if grad is None:
            return None
        argument = self.arguments[place]
        with suppress(RuntimeError):  # then the engine refuses it
            grad = grad.sum_to_size(argument.shape)
        return as_array(grad.real if grad.is_complex() and not argument.is_complex() else grad)

    # --- the Function alone

    def results(self, values: Sequence[Array]) -> Arrays:
        """What it makes of other values."""
        with beginning_in(self.random), torch.no_grad():
            made = self._applied(self._moved(values))
        return tuple(as_array(part) if isinstance(part, Tensor) else None for part in as_tuple(made))

    def gradients(self, values: Sequence[Array], arrived: Arrays) -> Arrays:
        """What its backward makes of gradients, at other values."""
        leaves = [leaf.requires_grad_() for leaf in self._moved(values)]
        with beginning_in(self.random), torch.enable_grad():
            made = as_tuple(self._applied([leaf.clone() for leaf in leaves]))
            pairs = [
                (part, as_tensor(grad).to(part.dtype))
                for part, grad in zip(made, arrived, strict=False)
                if grad is not None and isinstance(part, Tensor) and part.requires_grad
            ]
            outputs, seeds = [part for part, _ in pairs], [grad for _, grad in pairs]
            try:
                found = (
                    torch.autograd.grad(outputs, leaves, seeds, allow_unused=True) if pairs else [None] * len(leaves)
                )
            except Exception as error:
                raise RerunError(f"the backward of {self.name} raised {type(error).__name__}") from error
        return tuple(None if grad is None else as_array(grad) for grad in found)

    def _moved(self, values: Sequence[Array]) -> list[Tensor]:
        return [
            as_tensor(array).to(self.arguments[place].device, self.arguments[place].dtype, copy=True)
            for place, array in zip(self._places, values, strict=True)
        ]

    def _applied(self, tensors: Sequence[Tensor]) -> Any:
        arguments = [part.clone() if isinstance(part, Tensor) else part for part in self.arguments]
        for place, tensor in zip(self._places, tensors, strict=True):
            arguments[place] = tensor
        try:
            return self.function.apply(*arguments)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise RerunError(f"{self.name} raised {type(error).__name__}") from error


class NotedFunctions:
    """The calls of custom Functions in a run; those inside of another one's forward are its own affair."""

    def __init__(self) -> None:
        """There are none yet."""
        self.calls: list[FunctionCall] = []
        self._open: tuple[Frame, FunctionCall] | None = None
        self._without_context: FunctionCall | None = None
        self._looked_at: set[CodeType] = set()

    def run(self, program: Callable[[], Any]) -> Any:
        """Run a program, and note them."""
        if sys.getprofile() is not None:
            raise RerunError("a profiler runs in this thread, so that it is not seen which custom Functions are called")
        known_forwards.look()
        sys.setprofile(self._see)
        try:
            returned = program()
        finally:
            sys.setprofile(None)
        self.calls = [call for call in self.calls if call.settle()]
        return returned

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this is open, a backward pass says what comes and goes."""
        handles = [call.context.register_hook(partial(FunctionCall.ran, call)) for call in self.calls]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            for call in self.calls:
                call.context = None  # which holds the graph

    def _see(self, frame: Frame, event: str, returned: Any) -> None:
        if event == "call" and self._open is None:
            if self._without_context is not None and self._is_set_up(frame, self._without_context):
                return
            if self._is_forward(frame.f_code):
                self._begin(frame)
        elif event == "return" and self._open is not None and self._open[0] is frame:
            call, self._open = self._open[1], None
            call.result = returned

    def _is_forward(self, code: CodeType) -> bool:
        if code not in known_forwards and code.co_name == "forward" and code not in self._looked_at:
            self._looked_at.add(code)
            known_forwards.look()  # the class may have been made since
        return code in known_forwards

    def _begin(self, frame: Frame) -> None:
        given = dict(frame.f_locals)  # Python will read them back, so that they have to stay there
        applied = known_forwards.applied(frame, given)
        if applied is None:
            return
        held = held_parameters(frame.f_code, given)
        place = next((i for i, part in enumerate(held) if is_context(part)), None)
        arguments, context = (held, None) if place is None else (held[place + 1 :], held[place])
        call = FunctionCall(
            applied.function,
            [kept_argument(part) for part in arguments],
            parameter_names(applied.function, len(arguments), context is not None),
            line_of_user(frame),
            random_states(),
            context,
            tuple(context.needs_input_grad) if context is not None else (),
        )
        self._open = (frame, call)
        self._without_context = call if context is None else None
        self.calls.append(call)

    def _is_set_up(self, frame: Frame, call: FunctionCall) -> bool:
        """Whether this frame gives the call its context."""
        if frame.f_code is not code_of(member_of(call.function, "setup_context")):
            return False
        context = next((part for part in held_parameters(frame.f_code, dict(frame.f_locals)) if is_context(part)), None)
        if context is not None:
            call.context, call.needed = context, tuple(context.needs_input_grad)
        self._without_context = None
        return True


def is_context(thing: Any) -> bool:
    """Whether this is what a forward keeps things in, which is the autograd node."""
    return isinstance(thing, torch.autograd.function.BackwardCFunction)


def kept_argument(thing: Any) -> Any:
    """A copy of a plain tensor; anything else as it is."""
    return thing.detach().clone() if type(thing) in (Tensor, torch.nn.Parameter) else thing


def as_tuple(returned: Any) -> tuple[Any, ...]:
    """What a Function returned, as several."""
    return returned if isinstance(returned, tuple) else tuple(returned) if isinstance(returned, list) else (returned,)


def parameter_names(function: type[torch.autograd.Function], count: int, with_context: bool) -> list[str]:
    """What its forward calls its arguments."""
    names: list[str] = []
    with suppress(TypeError, ValueError):
        for part in list(inspect.signature(function.forward).parameters.values())[with_context:]:
            several = part.kind is part.VAR_POSITIONAL
            names += [f"{part.name}[{i}]" for i in range(count - len(names))] if several else [part.name]
    return [*names[:count], *(f"argument {i + 1}" for i in range(len(names), count))]


def line_of_user(frame: Frame) -> str | None:
    """The line of the user's that called what runs in a frame."""
    outer = frame.f_back
    while outer is not None and outer.f_code.co_filename.startswith((TORCH_FOLDER, OUR_FOLDER)):
        outer = outer.f_back
    return None if outer is None else CallSite(outer.f_code, outer.f_lasti).source
