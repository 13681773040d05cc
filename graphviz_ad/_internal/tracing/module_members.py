"""Module -> its modules, parameters and buffers by their names, all in one walk over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import Module

from graphviz_ad._internal.tracing.tape.torch_private import NAMING, dictionaries_of


class Members(NamedTuple):
    """What a module has, each once, by the first of its names; ``tied`` are further names of parameters, each with the
    first.
    """

    modules: list[tuple[str, Module]]
    parameters: list[tuple[str, Tensor]]
    buffers: list[tuple[str, Tensor]]
    tied: list[tuple[str, str]]


def members_of(module: Module) -> Members:
    """What a module has now."""
    modules = list(module.named_modules())
    if dictionaries_of is None or not names_as_torch_does(module):
        return Members(modules, list(module.named_parameters()), list(module.named_buffers()), tied_by_names(module))
    held = [(prefix, *dictionaries_of(each)) for prefix, each in modules]
    parameters, again = apart((prefix, own) for prefix, own, _, _ in held)
    buffers, _ = apart((prefix, own) for prefix, _, own, _ in held)
    children = sum([child is not None for *_, own in held for child in own.values()])
    is_tied = again or children != len(modules) - 1  # a module that is there twice has its parameters twice
    return Members(modules, parameters, buffers, tied_by_names(module) if is_tied else [])


def names_as_torch_does(module: Module) -> bool:
    """Whether a module is asked for its parameters in the way of `torch.nn.Module`, and so are those within it."""
    kind, own = type(module), vars(module)
    return all(getattr(kind, name, None) is getattr(Module, name, None) and name not in own for name in NAMING)


def apart(held: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[list[tuple[str, Tensor]], bool]:
    """The tensors that modules hold, each once; and whether any is there twice."""
    found: dict[int, tuple[str, Tensor]] = {}
    count = 0
    for prefix, own in held:
        for name, tensor in own.items() if own else ():
            if tensor is not None:
                count += 1
                if id(tensor) not in found:
                    found[id(tensor)] = (f"{prefix}.{name}" if prefix else name), tensor
    return list(found.values()), count != len(found)


def tied_by_names(module: Module) -> list[tuple[str, str]]:
    """The further names of parameters that have several, each with the first."""
    first: dict[int, str] = {}
    names = [(name, first.setdefault(id(each), name)) for name, each in module.named_parameters(remove_duplicate=False)]
    return [(name, known) for name, known in names if name != known]
