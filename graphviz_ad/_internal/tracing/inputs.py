"""What a program is given, and what it takes from around it -> tensors and names."""

from __future__ import annotations

import inspect
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import partial
from numbers import Integral
from types import MethodType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.tracing.constants import Constant, kept
from graphviz_ad._internal.tracing.contents import below
from graphviz_ad._internal.tracing.module_members import members_of
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.torch_private import leaves_of_tree, map_tree
from graphviz_ad._internal.tracing.tensor_contents import tensors_and_modules_in

MOST_DIMENSIONS = 64


class Made(NamedTuple):
    """A tensor that was made of a number, a list or an array, for the program to take gradients to."""

    tensor: Tensor
    given: Any


class Given(NamedTuple):
    """What a program is called with, and what of it was made."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    made: tuple[Made, ...]


def module_behind(target: Any) -> torch.nn.Module | None:
    """The module that is called: the target itself, also with some arguments given already, or that of its method."""
    while isinstance(target, partial):
        target = target.func
    owner = target.__self__ if isinstance(target, MethodType) else target
    return owner if isinstance(owner, torch.nn.Module) else None


def input_dtype(module: torch.nn.Module | None) -> torch.dtype:
    """What plain numbers become: float64, or the dtype of a module's first floating-point parameter."""
    if module is None:
        return torch.float64
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())


def given_to(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Given:
    """What the target is called with: numbers, lists of numbers and numpy arrays as new tensors that require grad,
    everything else as it is.

    A module takes integers for sizes, indices and switches: those stay what they are, and arrays of them become tensors
    of integers.
    """
    module = module_behind(target)
    dtype, whole_numbers_stay, made = input_dtype(module), module is not None, list[Made]()

    def convert(thing: Any) -> Any:
        if not becomes_tensor(thing, whole_numbers_stay=whole_numbers_stay):
            return kept(thing)
        made.append(Made(tensor_of(thing, dtype, whole_numbers_stay=whole_numbers_stay), thing))
        return made[-1].tensor

    # torch keeps this one until the collector comes by, so that it must hold nothing of the user's
    is_whole = partial(is_handed_over_whole, whole_numbers_stay=whole_numbers_stay)
    try:
        found_args = tuple(map_tree(convert, argument, is_leaf=is_whole) for argument in args)
        found_kwargs = {name: map_tree(convert, argument, is_leaf=is_whole) for name, argument in kwargs.items()}
    except RecursionError as error:
        raise TraceError(
            "the inputs are nested too deeply, or hold themselves; give numbers, tensors or plain collections of them"
        ) from error
    return Given(found_args, found_kwargs, tuple(made))


def is_handed_over_whole(thing: Any, *, whole_numbers_stay: bool) -> bool:
    """Whether an argument is made one tensor, or reaches the program as the very object that was given, such as a
    list that it fills.
    """
    return (
        is_numbers(thing)
        or isinstance(thing, torch.Size)
        or not any(
            isinstance(leaf, Constant) or becomes_tensor(leaf, whole_numbers_stay=whole_numbers_stay)
            for leaf in leaves_of_tree(thing, is_numbers)
        )
    )


def becomes_tensor(thing: Any, *, whole_numbers_stay: bool) -> bool:
    """Whether a tensor is made of an argument."""
    if is_numbers(thing):
        return True
    if isinstance(thing, np.ndarray):
        return thing.dtype.kind in ("fiub" if whole_numbers_stay else "fiu")
    return is_number_input(thing) and not (whole_numbers_stay and isinstance(thing, Integral))


def tensor_of(thing: Any, dtype: torch.dtype, *, whole_numbers_stay: bool) -> Tensor:
    """The tensor that a number, a list of numbers or an array becomes."""
    if whole_numbers_stay and isinstance(thing, np.ndarray) and thing.dtype.kind in "iub":
        return torch.tensor(thing)
    return torch.tensor(np.asarray(thing) if isinstance(thing, np.generic) else thing, dtype=dtype, requires_grad=True)


def is_number_input(thing: Any) -> bool:
    """Whether this is a plain real number, and no truth value or member of an enumeration."""
    return isinstance(thing, (int, float, np.integer, np.floating)) and not isinstance(thing, (bool, Enum))


def is_numbers(thing: Any) -> bool:
    """Whether this is a non-empty, regular, nested list of numbers."""
    if not isinstance(thing, list) or not thing:
        return False
    parts, depth = [thing], 0
    while isinstance(parts[0], list) and depth < MOST_DIMENSIONS:  # a list may hold itself
        if len({len(part) if isinstance(part, list) else -1 for part in parts}) != 1 or not parts[0]:
            return False
        depth += 1
        parts = [element for part in parts for element in part]
    return all(is_number_input(part) for part in parts)


def name_inputs(
    tape: Tape,
    target: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    namespace: Mapping[str, Any],
    inner: Mapping[str, Any],
) -> None:
    """Tell the tape the names of arguments, parameters and of what the function takes from around it; ``inner`` is what
    functions around it take, whose names come last.
    """
    for name, thing in {**inner, **namespace}.items():
        if isinstance(thing, torch.nn.Module):
            name_parameters(tape, thing, f"{name}.")
    module = module_behind(target)
    if module is not None:
        name_parameters(tape, module, "")
    for name, thing in namespace.items():
        if isinstance(thing, Tensor):
            tape.name_later(thing, name)
    # what was handed over as it is has its own name, and not one of an optimizer's that holds it, too
    for name, leaf, is_seen in sorted(leaves_of_arguments(target, args, kwargs), key=lambda each: not each[2]):
        if isinstance(leaf, torch.nn.Module):
            name_parameters(tape, leaf, f"{name}.")
        elif not is_seen:
            tape.name_later(leaf, name)
        else:
            value = tape.value_of(leaf)
            value.used = True
            value.requires_grad = leaf.requires_grad
            value.name = value.name or name
            tape.edge_of(leaf, value)
    for name, thing in inner.items():
        if isinstance(thing, Tensor):
            tape.name_later(thing, name)


def leaves_of_arguments(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """The tensors and modules among the arguments with their names; and whether they were handed over as they are, or
    in an object that may hold many other things.
    """
    for name, thing in bound_arguments(target, args, kwargs):
        for part in tensors_and_modules_in(thing).parts:
            yield name + below(part.path), part.thing, not part.inside


def name_parameters(tape: Tape, module: torch.nn.Module, prefix: str) -> None:
    """Dotted names of parameters and buffers; a tied parameter has the first of its names."""
    members = members_of(module)
    for name, tensor in (*members.parameters, *members.buffers):
        tape.name_later(tensor, prefix + name)
    tape.stand_ins.know(module, prefix, members.modules)


def bound_arguments(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, argument) as the signature says; positions where there is no signature."""
    while isinstance(target, partial):
        args, kwargs, target = (*target.args, *args), {**target.keywords, **kwargs}, target.func
    try:
        function = target.forward if isinstance(target, torch.nn.Module) else target
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        yield from ((f"input{i}", argument) for i, argument in enumerate(args))
        yield from kwargs.items()
        return
    for name, argument in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            yield from argument.items()
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            yield from ((f"{name}[{i}]", part) for i, part in enumerate(argument))
        else:
            yield name, argument


def surroundings(target: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors and modules that a function takes from its closure and its globals, by name, and those that functions
    in its closure take from theirs, where the name is not that of another thing.
    """
    while isinstance(target, partial):
        target = target.func
    function = inspect.unwrap(target) if callable(target) and not isinstance(target, torch.nn.Module) else None
    waiting = [getattr(function, "__func__", function)]
    found: list[dict[str, Any]] = []
    met: set[int] = set()
    while waiting:
        function = waiting.pop(0)
        if not inspect.isfunction(function) or id(function) in met:
            continue
        met.add(id(function))
        try:
            read = inspect.getclosurevars(function)
        except (TypeError, ValueError):
            continue
        found.append({**read.globals, **read.nonlocals})
        waiting += read.nonlocals.values()
    own, inner = ChainMap(*found[:1]), ChainMap(*found)
    return named_of(own), {name: thing for name, thing in named_of(inner).items() if name not in own}


def named_of(read: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors and modules among them."""
    return {name: thing for name, thing in read.items() if isinstance(thing, (Tensor, torch.nn.Module))}


def modules_given(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, torch.nn.Module]:
    """The modules among the arguments, by name."""
    return {
        name: leaf for name, leaf, _ in leaves_of_arguments(target, args, kwargs) if isinstance(leaf, torch.nn.Module)
    }


def module_names(target: Any, namespace: Mapping[str, Any]) -> dict[int, str]:
    """Identity of each module in reach -> its dotted name; the traced module itself has none."""
    names: dict[int, str] = {}
    module = module_behind(target)
    roots = [("", module)] if module is not None else []
    roots += [(name, thing) for name, thing in namespace.items() if isinstance(thing, torch.nn.Module)]
    for prefix, root in roots:
        for name, module in root.named_modules(prefix=prefix):
            names.setdefault(id(module), name)
    return names
