"""What a program returned -> the tensors that gradients start from, and the gradients that are fed in there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import GradOutputsError, NoTensorError
from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.tracing.generators import Taken
from graphviz_ad._internal.tracing.inputs import is_numbers
from graphviz_ad._internal.tracing.returned import Asked, Returned, Starts, nothing_found, starts_of
from graphviz_ad._internal.tracing.tape.torch_private import map_tree
from graphviz_ad._internal.tracing.tape.values import shape_of_value
from graphviz_ad._internal.tracing.tensor_contents import tensors_in


def starts_of_tensors(
    returned: Any,
    name: str,
    asked: Asked = None,
    called: Callable[[Tensor], str | None] = lambda tensor: None,
    *,
    is_seeded: bool = False,
) -> Starts:
    """The tensors among what was returned that gradients start from, see `starts_of`; ``called`` is what the program
    calls a tensor.
    """
    found = Returned(name, tensors_in(returned), lambda leaf: bool(leaf.requires_grad), is_one_number, called)
    if not found.contents.parts:
        raise nothing_found(found, describe_thing(returned), "tensor")
    if not found.open:
        raise NoTensorError(
            f"no result of {name} requires grad, so that autograd recorded no graph: no input requires grad, or it ran"
            " under torch.no_grad() or inference_mode(), or it was detached. Give at least one input"
            " requires_grad=True (plain numbers do by themselves)"
        )
    starts = starts_of(found, asked, is_seeded=is_seeded)
    if isinstance(returned, Taken) and returned.in_part:
        said = notice("taken in part", what=returned.kind, count=len(returned))
        return starts._replace(notices=(*starts.notices, said))
    return starts


def is_one_number(tensor: Tensor) -> bool:
    """Whether a tensor is a single number."""
    try:
        return tensor.numel() == 1
    except (RuntimeError, NotImplementedError):  # nobody can count what is in it, as in some nested ones
        return False


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
            f"grad_outputs has {counted_noun(len(parts), 'gradient')}, but there {'is' if len(outputs) == 1 else 'are'}"
            f" {counted_noun(len(outputs), 'differentiable output')}; give one for each, in order, or choose one of the"
            " outputs with output="
        )
    return [_upstream(i, output, part) for i, (output, part) in enumerate(zip(outputs, parts, strict=True))]


def _seed_of_ones(i: int, output: Tensor) -> Tensor:
    try:
        return torch.ones_like(output)
    except (NotImplementedError, RuntimeError) as error:
        kind = f"{type(output).__name__} of layout {output.layout}"
        raise GradOutputsError(
            f"torch has no gradient of ones for output {i}, a {kind}; give it as grad_outputs, return a dense tensor,"
            " or choose another output with output="
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
    given_shape, wanted_shape = shape_of_value(seed), shape_of_value(output)
    if given_shape != wanted_shape:
        raise GradOutputsError(
            f"grad_outputs[{i}] has shape {given_shape}, but output {i} has shape {wanted_shape}; an upstream gradient"
            " has the shape of its output"
        )
    return seed
