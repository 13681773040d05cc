"""Function and inputs -> a function of plain arrays, for those who may look at its values only; nothing of the
user's is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import NoTensorError
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.tracing.generators import run_out
from graphviz_ad._internal.tracing.inputs import given_to, leaves_of_arguments
from graphviz_ad._internal.tracing.outputs import starts_of_tensors
from graphviz_ad._internal.tracing.tape.reading import copied_elements
from graphviz_ad._internal.tracing.tape.torch_private import map_tree

FUNCTIONS: Any = torch.func  # whose names are not exported, for type checkers, in all versions of torch


class BlackBox:
    """``box({"x": array})`` is the sum of the outputs for these inputs, of those that a trace starts from; ``inputs``
    holds those that it was made with.

    Inputs are the arguments that gradients flow to and, of a module, its parameters, by the names that a trace gives
    them. Every call starts from the state of the CPU's random numbers, and from the buffers of the module, that were
    there when the box was made.
    """

    def __init__(self, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: str | None = None) -> None:
        self.target, self.output, self.random = target, output, torch.get_rng_state()
        self.module = target if isinstance(target, torch.nn.Module) else None
        self.args, self.kwargs, _ = given_to(target, args, kwargs)
        found: dict[int, tuple[str, Tensor]] = {}
        named = dict(self.module.named_parameters()) if self.module is not None else {}
        for name, tensor in (*self._arguments(), *named.items()):
            if tensor.requires_grad and tensor.is_floating_point():
                found.setdefault(id(tensor), (name, tensor))
        self.tensors = dict(found.values())
        if not self.tensors:
            raise NoTensorError(
                f"{_name(target)} was given no input that requires grad; give numbers, or tensors with"
                " requires_grad=True"
            )

    def _arguments(self) -> list[tuple[str, Tensor]]:
        found = leaves_of_arguments(self.target, self.args, self.kwargs)
        return [(name, leaf) for name, leaf, is_seen in found if isinstance(leaf, Tensor) and is_seen]

    @property
    def inputs(self) -> dict[str, Array]:
        """The inputs as they were given."""
        return {name: copied_elements(tensor.detach().to(torch.float64)) for name, tensor in self.tensors.items()}

    def __call__(self, inputs: Mapping[str, Array]) -> float:
        """The sum of the outputs that gradients start from."""
        changed = {id(self.tensors[name]): self._like(self.tensors[name], array) for name, array in inputs.items()}
        args, kwargs = map_tree(lambda leaf: changed.get(id(leaf), leaf), (self.args, self.kwargs))
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.set_rng_state(self.random)
            returned = run_out([self._run(changed, args, kwargs)])
        starts = starts_of_tensors(returned, _name(self.target), self.output)
        return float(sum(part.thing.detach().sum().item() for part in starts.parts))

    def _run(self, changed: Mapping[int, Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self.module is None:
            return self.target(*args, **kwargs)
        state = {name: changed.get(id(parameter), parameter) for name, parameter in self.module.named_parameters()}
        state |= {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        return FUNCTIONS.functional_call(self.module, state, tuple(args), dict(kwargs))

    @staticmethod
    def _like(tensor: Tensor, array: Array) -> Tensor:
        return torch.tensor(np.asarray(array), dtype=tensor.dtype, device=tensor.device, requires_grad=True)


def _name(target: Any) -> str:
    return (
        type(target).__name__
        if isinstance(target, torch.nn.Module)
        else str(getattr(target, "__name__", type(target).__name__))
    )
