"""Module -> its modules, parameters and buffers by their names, all in one walk over it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor
from torch.nn import Module

# who has these of its own says itself what it has
ASKED = ("named_parameters", "named_buffers", "_named_members", "named_modules")


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
    if not names_as_torch_does(module):
        return Members(modules, list(module.named_parameters()), list(module.named_buffers()), tied_by_names(module))
    parameters, again = apart(modules, "_parameters")
    buffers, _ = apart(modules, "_buffers")
    children = sum([child is not None for _, each in modules for child in each._modules.values()])
    is_tied = again or children != len(modules) - 1  # a module that is there twice has its parameters twice
    return Members(modules, parameters, buffers, tied_by_names(module) if is_tied else [])


def names_as_torch_does(module: Module) -> bool:
    """Whether a module is asked for its parameters in the way of `torch.nn.Module`, and so are those within it."""
    kind, own = type(module), vars(module)
    return all(getattr(kind, name) is getattr(Module, name, None) and name not in own for name in ASKED)


def apart(modules: Iterable[tuple[str, Module]], kind: str) -> tuple[list[tuple[str, Tensor]], bool]:
    """The tensors of modules that lie in one of their dictionaries; and whether any lies there twice."""
    found: dict[int, tuple[str, Tensor]] = {}
    count = 0
    for prefix, module in modules:
        held = getattr(module, kind)
        for name, tensor in held.items() if held else ():
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
