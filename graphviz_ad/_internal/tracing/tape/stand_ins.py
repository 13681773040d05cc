"""A tensor that a running module has for one of its parameters -> that parameter's name.

FSDP gathers the pieces of a parameter when its module begins to run, and until the module ends it holds a tensor of
which nobody knew before; so does whoever swaps parameters for a while.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import torch
from torch import Tensor

_PLAINLY_NAMED = getattr(torch.nn.Module, "named_parameters", None)


def may_have_stand_ins(module: torch.nn.Module) -> bool:
    """Whether a module may have a plain tensor among its parameters; asked at every operation that runs in it."""
    held = module.__dict__.get("_parameters")
    if type(module).named_parameters is not _PLAINLY_NAMED or "named_parameters" in module.__dict__:
        return True
    return held is None or Tensor in map(type, held.values())


class StandIns:
    """Which parameters were read as another tensor that their module held for a while; ``read`` are their names, in
    order.
    """

    def __init__(self) -> None:
        self.read: dict[str, None] = {}
        self._tensors: dict[int, weakref.ref[Tensor]] = {}
        self._prefixes: dict[int, str] = {}  # identity of a module in reach -> what its parameters' names begin with
        self._roots: list[torch.nn.Module] = []  # so that identities stay what they are

    def know(self, root: torch.nn.Module, prefix: str, within: Iterable[tuple[str, torch.nn.Module]]) -> None:
        """Look at parameters of this module, too, and of all within it; ``prefix`` stands before their names."""
        self._roots.append(root)
        for name, module in within:
            self._prefixes.setdefault(id(module), f"{prefix}{name}." if name else prefix)

    def name(self, leaf: Tensor, running: Iterable[torch.nn.Module]) -> str | None:
        """The name of the parameter that one of the running modules, outermost first, has this leaf for now."""
        for module in running:
            if id(module) in self._prefixes:
                for name, parameter in module.named_parameters():
                    if parameter is leaf:
                        return self.name_in(module, name)
        return None

    def name_in(self, module: torch.nn.Module, name: str) -> str | None:
        """The whole name of a parameter of this module; None where the module is not in reach."""
        prefix = self._prefixes.get(id(module))
        return None if prefix is None else prefix + name

    def note(self, tensor: Tensor, name: str, *, is_made: bool) -> None:
        """Note that an operation has read this tensor as the parameter of that name; of one that ``is_made`` by
        operations of the program, these tell how.
        """
        if not is_made:
            self.read[name] = None
        self._tensors[id(tensor)] = weakref.ref(tensor)

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor stood for a parameter, whose ``.grad`` is another one's."""
        found = self._tensors.get(id(tensor))
        return found is not None and found() is tensor
