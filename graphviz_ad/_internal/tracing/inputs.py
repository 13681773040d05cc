"""What a program is given, and what it takes from around it -> tensors and names."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.torch_private import flatten, map_tree

MOST_DIMENSIONS = 64


def input_dtype(module: torch.nn.Module | None) -> torch.dtype:
    """What plain numbers become: float64, or the dtype of a module's first floating-point parameter."""
    if module is None:
        return torch.float64
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())


def as_tensors(tree: Any, dtype: torch.dtype) -> Any:
    """Numbers, lists of numbers and numpy arrays as new tensors that require grad; everything else as it is."""

    def convert(thing: Any) -> Any:
        if is_number(thing) or is_numbers(thing):
            return torch.tensor(thing, dtype=dtype, requires_grad=True)
        if isinstance(thing, (np.ndarray, np.number)) and np.asarray(thing).dtype.kind in "fiu":
            return torch.tensor(np.asarray(thing), dtype=dtype, requires_grad=True)
        return thing

    try:
        return map_tree(convert, tree, is_leaf=is_numbers)
    except RecursionError as error:
        raise TraceError(
            "the inputs are nested too deeply, or hold themselves; give numbers, tensors or plain collections of them"
        ) from error


def is_number(thing: Any) -> bool:
    """Whether this is a plain real number."""
    return isinstance(thing, (int, float)) and not isinstance(thing, bool)


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
    return all(is_number(part) for part in parts)


def name_inputs(
    tape: Tape, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], namespace: Mapping[str, Any]
) -> None:
    """Tell the tape the names of arguments, parameters and of what the function takes from around it."""
    for name, thing in namespace.items():
        if isinstance(thing, torch.nn.Module):
            name_parameters(tape, thing, f"{name}.")
    if isinstance(target, torch.nn.Module):
        name_parameters(tape, target, "")
    for name, thing in namespace.items():
        if isinstance(thing, Tensor):
            tape.name_later(thing, name)
    for name, thing in bound_arguments(target, args, kwargs):
        for path, leaf in flatten(thing):
            if isinstance(leaf, Tensor):
                value = tape.value_of(leaf)
                value.used = True
                value.requires_grad = leaf.requires_grad
                value.name = value.name or name + "".join(
                    f"[{step!r}]" if isinstance(step, int) else f".{step}" for step in path
                )
                tape.edge_of(leaf, value)


def name_parameters(tape: Tape, module: torch.nn.Module, prefix: str) -> None:
    """Dotted names of parameters and buffers; a tied parameter has the first of its names."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        tape.name_later(tensor, prefix + name)


def bound_arguments(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, argument) as the signature says; positions where there is no signature."""
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


def surroundings(target: Any) -> dict[str, Any]:
    """The tensors and modules that a function takes from its closure and its globals, by name."""
    function = inspect.unwrap(target) if callable(target) and not isinstance(target, torch.nn.Module) else None
    function = getattr(function, "__func__", function)
    if not inspect.isfunction(function):
        return {}
    try:
        found = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return {}
    return {
        name: thing
        for name, thing in {**found.globals, **found.nonlocals}.items()
        if isinstance(thing, (Tensor, torch.nn.Module))
    }


def module_names(target: Any, namespace: Mapping[str, Any]) -> dict[int, str]:
    """Identity of each module in reach -> its dotted name; the traced module itself has none."""
    names: dict[int, str] = {}
    roots = [("", target)] if isinstance(target, torch.nn.Module) else []
    roots += [(name, thing) for name, thing in namespace.items() if isinstance(thing, torch.nn.Module)]
    for prefix, root in roots:
        for name, module in root.named_modules(prefix=prefix):
            names.setdefault(id(module), name)
    return names
