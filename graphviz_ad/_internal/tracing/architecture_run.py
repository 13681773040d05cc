"""Module + inputs -> Architecture: one forward run, in which each call of a module and of a function is seen.

The module is as it was afterwards: its hooks, its buffers, the mode of each module in it and the random numbers.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from graphviz_ad._internal.graph import architecture
from graphviz_ad._internal.graph.architecture import Architecture, Call
from graphviz_ad._internal.tracing.tensor_contents import tensors_in

UNSAID = ("training", "call_super_init", "dump_patches")  # attributes that every module has


def tensors_of(things: object) -> list[Tensor]:
    """The tensors in arguments or results."""
    return [part.thing for part in tensors_in(things).parts]


class Log:
    """What was called, as it is written down while the program runs; tensors are held weakly."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self.calls: list[Call] = []
        self.tensors: list[architecture.Tensor] = []
        self.open: list[int] = []
        self.known: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self.is_aside = False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What torch is asked for meanwhile is asked by us, and no part of the program."""
        before, self.is_aside = self.is_aside, True
        try:
            yield
        finally:
            self.is_aside = before

    def numbers(self, things: object) -> tuple[int, ...]:
        """The numbers of the known tensors in arguments or results."""
        found = (self.number(tensor) for tensor in tensors_of(things))
        return tuple(number for number in found if number is not None)

    def number(self, tensor: Tensor) -> int | None:
        """The number of a tensor; None where nobody has seen it being made, as of parameters."""
        ref, number = self.known.get(id(tensor), (None, None))
        return number if ref is not None and ref() is tensor else None

    def made(self, things: object, maker: int) -> tuple[int, ...]:
        """New numbers for tensors that a call returned."""
        return tuple(self.make(tensor, maker) for tensor in tensors_of(things))

    def make(self, tensor: Tensor, maker: int) -> int:
        """A new number for a tensor."""
        kind = str(tensor.dtype).removeprefix("torch.")
        number, within = len(self.tensors), self.number(tensor)
        shape = tuple(int(length) for length in tensor.shape)
        self.tensors.append(architecture.Tensor(shape, kind, maker, within))
        self.known[id(tensor)] = (weakref.ref(tensor), number)
        return number

    def begin(self, kind: str, name: str, path: str, takes: tuple[int, ...] = (), **more: Any) -> int:
        """Write a call down; returns its number."""
        around = self.open[-1] if self.open else None
        self.calls.append(Call(len(self.calls), kind, name, path, around, len(self.open), takes, **more))
        return len(self.calls) - 1

    def end(self, number: int, returned: object) -> None:
        """What a call returned."""
        call = self.calls[number]
        self.calls[number] = Call(**{**vars(call), "gives": self.made(returned, number)})

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """A module is called."""
        path = self.names.get(id(module), type(module).__name__)
        number = self.begin(
            "module",
            type(module).__name__,
            path,
            self.numbers((args, kwargs)),
            settings=tuple(settings_of(module)),
            parameters=sum(parameter.numel() for parameter in module.parameters() if has_shape(parameter)),
        )
        self.open.append(number)

    def leave(self, module: nn.Module, args: Any, kwargs: Any, returned: Any) -> None:
        """It has returned."""
        self.end(self.open.pop(), returned)


def has_shape(tensor: Tensor) -> bool:
    """Whether a parameter has been made, as those of lazy modules have not."""
    return not isinstance(tensor, (nn.UninitializedParameter, nn.UninitializedBuffer))


def settings_of(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Plain attributes of a module, such as the size of a kernel."""
    for name, value in vars(module).items():
        if not name.startswith("_") and name not in UNSAID and is_plain(value):
            yield name, value


def is_plain(value: object) -> bool:
    """Whether a value is a number, a truth value, a word or a short row of them."""
    if isinstance(value, tuple | list):
        return len(value) <= 4 and all(map(is_plain, value))
    return isinstance(value, str | bool | int | float)


class Watch(TorchFunctionMode):
    """Writes down the functions of torch that are called, each as it was called by the program."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the function, and write it down where tensors come out of it."""
        kwargs = kwargs or {}
        if self.log.is_aside:
            return func(*args, **kwargs)
        takes = self.log.numbers((args, kwargs))
        returned = func(*args, **kwargs)
        if tensors_of(returned):
            path = self.log.calls[self.log.open[-1]].path if self.log.open else ""
            self.log.end(self.log.begin("function", function_name(func), path, takes), returned)
        return returned


def function_name(func: Callable[..., Any]) -> str:
    """What a function is called; of a property the name of that."""
    name = getattr(func, "__name__", type(func).__name__)
    owner = getattr(func, "__self__", None)
    name = getattr(owner, "__name__", name) if name == "__get__" else name
    return str(name).strip("_") or "function"


def architecture_of(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], *, training: bool | None = None
) -> Architecture:
    """Run a module forward, without gradients; ``training`` puts it and all modules in it into that mode for the run.

    What the program raises is raised unchanged.
    """
    log = Log({id(inner): path for path, inner in module.named_modules()})
    with torch.no_grad():
        made, _ = run_watched(log, module, args, kwargs, training=training)
    return made


def run_watched(
    log: Log,
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    training: bool | None,
    after: Callable[[Any], Any] = lambda returned: None,
) -> tuple[Architecture, Any]:
    """Run a module as it is written down in a log, and what is done ``after`` with what it returned before it is put
    back as it was; that is returned, too.
    """
    for name, tensor in named_inputs(args, kwargs):
        number = log.begin("input", name, "")
        log.end(number, tensor)
    with as_it_was(module):
        if training is not None:
            module.train(training)
        with watched(module, log), Watch(log):
            returned = _call_target(module, args, kwargs)
            outputs = log.numbers(returned)
        made = Architecture(type(module).__name__, tuple(log.calls), tuple(log.tensors), outputs)
        return made, after(returned)


def _call_target(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a model returns; the frame below which an exception is its own."""
    return module(*args, **kwargs)


def named_inputs(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors that go in, with what they are called."""
    for tensor in tensors_of(tuple(args)):
        yield "input", tensor
    for name, value in kwargs.items():
        for tensor in tensors_of(value):
            yield name, tensor


@contextmanager
def watched(module: nn.Module, log: Log) -> Iterator[None]:
    """Calls of the module and of those in it are written down."""
    handles: list[Any] = []
    try:
        for inner in module.modules():
            handles.append(inner.register_forward_pre_hook(log.enter, with_kwargs=True, prepend=True))
            handles.append(inner.register_forward_hook(log.leave, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Whatever the run does to modes, buffers and random numbers is undone; buffers are copies meanwhile."""
    modes = [(inner, inner.training) for inner in module.modules()]
    buffers = [(inner, dict(inner._buffers)) for inner in module.modules()]
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices=devices):
        try:
            for inner, named in buffers:
                inner._buffers.update({name: None if b is None else b.clone() for name, b in named.items()})
            yield
        finally:
            for inner, named in buffers:
                inner._buffers.clear()
                inner._buffers.update(named)
            for inner, mode in modes:
                inner.training = mode
