"""Sizes, types and a device -> the tensors that a model is run with, and the model as it is on that device."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.tracing.tape.torch_private import map_tree

HALF = (torch.float16, torch.bfloat16)


def tensors_of_sizes(sizes: Sequence[Sequence[int]], dtypes: Sequence[Any] | None, device: Any) -> list[Tensor]:
    """A tensor for each size, of numbers from 0 to 1; the state of random numbers stays what it is."""
    with torch.random.fork_rng(devices=[]):
        generator = torch.Generator().manual_seed(0)
        made = [torch.rand(*size, generator=generator) for size in sizes]
    kinds = list(dtypes or [torch.float32] * len(made))
    wrong = next((kind for kind in kinds if not isinstance(kind, torch.dtype)), None)
    if wrong is not None or len(kinds) != len(made):
        raise OptionError(
            f"dtypes={shown_value(kinds)} does not name a dtype for each of {len(made)} inputs; give one each"
        )
    return [tensor.to(device).type(kind) for tensor, kind in zip(made, kinds, strict=True)]


def on_device(things: Any, device: Any) -> Any:
    """The same with every tensor in it on that device."""
    return map_tree(lambda leaf: leaf.to(device) if isinstance(leaf, Tensor) else leaf, things)


def device_named(given: Any) -> torch.device:
    """The device that somebody names."""
    try:
        return torch.device(given)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise OptionError(
            f"device={shown_value(given)} is no device: {shown_error(error)}; give 'cpu', 'cuda' or 'meta'"
        ) from error


def shown_error(error: Exception) -> str:
    """The first line of what torch says."""
    return str(error).partition("\n")[0].rstrip(".")


def device_of(module: nn.Module) -> Any:
    """Where the first of its parameters or buffers is; the CPU where it has none."""
    return next((tensor.device for tensor in tensors_of(module)), torch.device("cpu"))


def tensors_of(module: nn.Module) -> Iterator[Tensor]:
    """The parameters and buffers of a module."""
    yield from module.parameters()
    yield from module.buffers()


def module_on(module: nn.Module, device: Any) -> nn.Module:
    """The module itself where it is on that device already, else a copy of it there."""
    wanted = torch.device(device)
    here = all(tensor.device.type == wanted.type for tensor in tensors_of(module))
    return module if here else copy.deepcopy(module).to(wanted)


def is_module(thing: object) -> bool:
    """Whether a thing is a module."""
    return isinstance(thing, nn.Module)


def any_half(dtypes: Sequence[Any]) -> bool:
    """Whether some of these types have half precision."""
    return any(dtype in HALF for dtype in dtypes)
