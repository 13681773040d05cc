"""Module + inputs -> Architecture and Passes: what went through it forward, and the gradients that came back.

The module runs once, in eval mode; it is as it was afterwards, and no ``.grad`` of anybody's is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from graphviz_ad._internal.graph.architecture import Architecture, Passed, Passes
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.tracing.architecture_run import Log, run_watched, tensors_of
from graphviz_ad._internal.tracing.model_weights import arrays_of
from graphviz_ad._internal.tracing.outputs import upstream_gradients
from graphviz_ad._internal.tracing.tape.torch_private import map_tree
from graphviz_ad._internal.tracing.tape.values import take

LONGEST = 2**14  # elements of a row that is kept


class Reader(Log):
    """A log that reads each tensor when it is made, and its gradient when that comes by."""

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__(names)
        self.values: dict[int, Passed] = {}
        self.gradients: dict[int, Passed] = {}
        self.handles: list[Any] = []

    def make(self, tensor: Tensor, maker: int) -> int:
        """A new number for a tensor, which is read."""
        number = super().make(tensor, maker)
        with self.aside():
            self.values[number] = passed(tensor)
            if tensor.requires_grad:
                hang_on: Callable[[Any], Any] = tensor.register_hook
                self.handles.append(hang_on(partial(self.came_back, number)))
        return number

    def came_back(self, number: int, gradient: Tensor) -> None:
        """The gradient of a tensor as it was when it was made, whatever was written into it later."""
        self.gradients[number] = passed(gradient)


def passed(tensor: Tensor) -> Passed:
    """What is kept of a tensor."""
    with torch.no_grad():
        plain = tensor.detach()
        whole = take(plain, "summary", 64)
        row = plain.reshape(-1, plain.shape[-1])[0] if 0 < plain.dim() < 4 and plain.numel() else None
        kept = take(row, "summary", LONGEST) if row is not None else None
    return Passed(norm_of(whole), kept.array if kept is not None else None)


def norm_of(snapshot: Snapshot | None) -> float | None:
    """The norm, where it is known."""
    return None if snapshot is None else snapshot.norm


def passes_of(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], upstream: Any = None
) -> tuple[Architecture, Passes]:
    """Run a module forward and back; ``upstream`` are the gradients of what comes out, ones where nobody gives any.

    What the program raises is raised unchanged.
    """
    log = Reader({id(inner): path for path, inner in module.named_modules()})
    named = dict(module.named_parameters(remove_duplicate=False))
    leaves: list[Tensor] = []

    def own_copy(thing: Any) -> Any:
        if not isinstance(thing, Tensor) or not (thing.is_floating_point() or thing.is_complex()):
            return thing
        leaves.append(thing.detach().requires_grad_())
        return leaves[-1].clone()  # the program may write into it, as it may not into a leaf

    inputs = tuple(map_tree(own_copy, tuple(args))), {name: map_tree(own_copy, kwargs[name]) for name in kwargs}
    learned = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    back = partial(run_back, leaves=leaves, learned=learned, upstream=upstream)
    try:
        with torch.enable_grad():
            made, (gradients, ran) = run_watched(log, module, *inputs, training=False, after=back)
    finally:
        for handle in log.handles:
            handle.remove()
    weights = arrays_of({name: tensor for name, tensor in named.items() if is_table(name, tensor)})
    return made, Passes(log.values, log.gradients, weights, gradients, ran)


def is_table(name: str, tensor: Tensor) -> bool:
    """Whether a parameter is the weight of something linear."""
    return name.rpartition(".")[2] == "weight" and tensor.dim() == 2


def run_back(
    returned: Any, leaves: Sequence[Tensor], learned: Mapping[str, Tensor], upstream: Any
) -> tuple[dict[str, Array], bool]:
    """Gradients of the weights; all others are read on their way. Whether there is anything to differentiate, too."""
    ends = [tensor for tensor in tensors_of(returned) if tensor.requires_grad]
    if not ends:
        return {}, False
    seeds = upstream_gradients(ends, upstream)
    found = torch.autograd.grad(ends, [*leaves, *learned.values()], seeds, allow_unused=True)
    of_weights = zip(learned.items(), found[len(leaves) :], strict=True)
    tables = {name: grad for (name, weight), grad in of_weights if grad is not None and is_table(name, weight)}
    return arrays_of(tables), True
