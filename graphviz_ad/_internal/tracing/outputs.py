"""What a program returned -> the tensors that gradients start from, and the gradients that are fed in there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import GradOutputsError, NoTensorError
from graphviz_ad._internal.tracing.inputs import is_numbers
from graphviz_ad._internal.tracing.tape.torch_private import flatten, map_tree


def differentiable_outputs(returned: Any, name: str) -> list[tuple[str | None, Tensor]]:
    """The tensors among what was returned through which a gradient can flow, each once, with names where a dict
    gives them.
    """
    leaves = [(path, leaf) for path, leaf in flatten(returned) if isinstance(leaf, Tensor)]
    if not leaves:
        raise NoTensorError(
            f"{name} returned {describe_thing(returned)}, in which there is no tensor; return the tensor(s) whose graph"
            " you want to see"
        )
    wanted = [(path, leaf) for path, leaf in leaves if leaf.requires_grad]
    if not wanted:
        raise NoTensorError(
            f"no result of {name} requires grad, so that autograd recorded no graph: no input requires grad, or it ran"
            " under torch.no_grad() or inference_mode(), or it was detached. Give at least one input"
            " requires_grad=True (plain numbers do by themselves)"
        )
    return [(path[-1] if path and isinstance(path[-1], str) else None, leaf) for path, leaf in wanted]


def describe_thing(thing: Any) -> str:
    """A thing, in few words."""
    try:
        text = repr(thing)
    except Exception:
        text = "a thing without a readable form"
    return f"{text if len(text) <= 60 else text[:57] + '…'} ({type(thing).__name__})"


def upstream_gradients(outputs: Sequence[Tensor], given: Any) -> list[Tensor]:
    """One upstream gradient an output: those given, or ones."""
    if given is None:
        return [_seed_of_ones(i, output) for i, output in enumerate(outputs)]
    parts = (
        list(given)
        if isinstance(given, (list, tuple))
        and (len(outputs) > 1 or len(given) == 1)
        and not _fits_whole(given, outputs)
        else [given]
    )
    if len(parts) != len(outputs):
        raise GradOutputsError(
            f"grad_outputs has {len(parts)} gradient(s), but there are {len(outputs)} differentiable output(s); give"
            " one for each, in order"
        )
    return [_upstream(i, output, part) for i, (output, part) in enumerate(zip(outputs, parts, strict=True))]


def _seed_of_ones(i: int, output: Tensor) -> Tensor:
    try:
        return torch.ones_like(output)
    except (NotImplementedError, RuntimeError) as error:
        kind = f"{type(output).__name__} of layout {output.layout}"
        raise GradOutputsError(
            f"torch has no gradient of ones for output {i}, a {kind}; give it as grad_outputs, or return a dense tensor"
        ) from error


def _fits_whole(given: Any, outputs: Sequence[Tensor]) -> bool:
    """Whether a list of numbers is the gradient of a single vector output, rather than a list of gradients."""
    return len(outputs) == 1 and outputs[0].dim() > 0 and is_numbers(list(given))


def without_tensors(tree: Any) -> Any:
    """The same with plain numbers for tensors, which numpy would mark as never to be resized."""
    return map_tree(lambda leaf: leaf.tolist() if isinstance(leaf, Tensor) else leaf, tree)


def _upstream(i: int, output: Tensor, given: Any) -> Tensor:
    if given is None:
        return torch.ones_like(output)
    try:
        seed = given.detach() if isinstance(given, Tensor) else torch.as_tensor(np.array(without_tensors(given)))
        seed = seed.to(dtype=output.dtype, device=output.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise GradOutputsError(
            f"grad_outputs[{i}] is {describe_thing(given)}, which is no gradient: {error}; give numbers, an array or a"
            " tensor"
        ) from error
    if seed.shape != output.shape:
        raise GradOutputsError(
            f"grad_outputs[{i}] has shape {tuple(seed.shape)}, but output {i} has shape {tuple(output.shape)}; an"
            " upstream gradient has the shape of its output"
        )
    return seed
