"""A loss and a model -> the parameters that its backward pass would not come to, and those that it comes to although
the model does not list them: read off autograd, nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.tracing.tensor_contents import tensors_in


def unreached_parameters(loss: Any, model: Any) -> tuple[list[str], int]:
    """The names of those that require grad and that nothing leads to, and how many require grad."""
    if not isinstance(model, torch.nn.Module):
        raise OptionError(f"model={shown_value(model)} ({type(model).__name__}) is no nn.Module; give the model")
    roots = [part.thing for part in tensors_in(loss).parts]
    if not roots:
        raise OptionError(f"loss={shown_value(loss)} ({type(loss).__name__}) holds no tensor; give the loss itself")
    found = leaves_behind(roots)
    wanted = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [name for name, p in wanted if id(p) not in found], len(wanted)


def hidden_parameters(result: Any, model: torch.nn.Module) -> list[str]:
    """The names of what a result was computed from and would be trained, were it not in a plain list, tuple or dict of
    a module, into which no ``parameters()`` looks.
    """
    found = leaves_behind([part.thing for part in tensors_in(result).parts])
    known = {id(p) for p in model.parameters()}
    held = [pair for path, part in model.named_modules() for pair in _in_containers(f"{path}." if path else "", part)]
    return [name for name, p in held if p.requires_grad and id(p) in found and id(p) not in known]


def _in_containers(path: str, module: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The parameters in plain containers of one module, with their names as a program writes them."""
    for name, held in vars(module).items():
        plain = not name.startswith("_") and isinstance(held, list | tuple | dict)
        for key, one in (held.items() if isinstance(held, dict) else enumerate(held)) if plain else ():
            called = f"{path}{name}[{key!r}]"
            if isinstance(one, torch.nn.Parameter):
                yield called, one
            elif isinstance(one, torch.nn.Module):
                yield from ((f"{called}.{inner}", p) for inner, p in one.named_parameters())


def leaves_behind(roots: list[Tensor]) -> set[int]:
    """The identities of the leaves that results were computed from."""
    found = {id(root) for root in roots if root.is_leaf}
    waiting = [root.grad_fn for root in roots if root.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            found.add(id(variable))
        fresh = [following for following, _ in node.next_functions if following is not None and following not in seen]
        seen |= {*fresh}
        waiting += fresh
    return found
