"""A loss and a model -> the parameters that its backward pass would not come to: read off autograd, nothing is run."""

from __future__ import annotations

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
