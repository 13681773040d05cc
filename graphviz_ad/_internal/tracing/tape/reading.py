"""torch.Tensor -> numpy: its elements, read so that nothing shows afterwards that anybody did.

``Tensor.numpy()`` and all that goes through it (``numpy.asarray``, ``__array__``) mark the storage for ever as one
that cannot be resized: the program is changed by being looked at. So memory is read here by its address. This is the
only module that makes an array of a tensor of the user's.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.tracing.tape.torch_private import (
    address_of,
    address_of_memory,
    bytes_of_memory,
    is_zeros,
)

_WHOLE = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
_FLOATING = ("float16", "float32", "float64", "complex64", "complex128")
# the dtypes that numpy has
NUMPY = {getattr(torch, name): np.dtype(name) for name in (*_WHOLE, *_FLOATING) if hasattr(torch, name)}
BIG = 1 << 14  # elements


class FreedMemory(RuntimeError):
    """A tensor claims more memory than its storage has, as where a program has let go of it for a while."""


def copied_elements(tensor: Tensor, wider: torch.dtype | None = None) -> Array:
    """All elements in an array of its own that nobody can write to, of another dtype where numpy lacks theirs."""
    plain = _on_hand(tensor, wider)
    if not plain.is_contiguous():
        copy = _put_in_order(plain)
        copy.setflags(write=False)
        return copy
    elements = ctypes.string_at(readable_address(plain), plain.numel() * plain.element_size())
    return np.frombuffer(elements, NUMPY[plain.dtype]).reshape(tuple(plain.shape))


def _put_in_order(tensor: Tensor) -> Array:
    """A copy of elements that do not lie in their order; of a big matrix torch makes it several times as fast as numpy
    does.
    """
    memory = _Memory(tensor, readable_address(tensor))
    if tensor.numel() < BIG or tensor.dtype not in (torch.float32, torch.float64):
        return np.array(memory, order="C")
    copy = np.empty(tuple(tensor.shape), NUMPY[tensor.dtype])
    torch.from_numpy(copy).copy_(tensor.detach())
    return copy


def shown_memory(tensor: Tensor) -> Array:
    """All elements where they lie, only to be read, and only before the program goes on."""
    plain = _on_hand(tensor, None)
    return np.asarray(_Memory(plain, readable_address(plain)))


class _Memory:
    """What numpy is told of a tensor that has elements, and the tensor, so that it lives as long as the array."""

    def __init__(self, tensor: Tensor, address: int) -> None:
        size = tensor.element_size()
        self.tensor = tensor
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "data": (address, True),  # True: only to read
            "shape": tuple(tensor.shape),
            "typestr": NUMPY[tensor.dtype].str,
            "strides": tuple(step * size for step in tensor.stride()),
        }


def number_in(tensor: Tensor) -> complex | float | int | bool:
    """The element of a tensor that has one."""
    if tensor.storage_offset():
        demand_memory(tensor)
    try:
        return tensor.item()
    except RuntimeError:  # so torch says that there is no memory at all
        demand_memory(tensor)
        raise


def demand_memory(tensor: Tensor) -> None:
    """Raise where not all elements of a tensor lie in its storage; operations of torch would read what lies behind."""
    claimed, there = _claimed_bytes(tensor), bytes_of_memory(tensor)
    if claimed > there:
        raise FreedMemory(f"a storage of {there} bytes, of which a tensor of shape {tuple(tensor.shape)} has {claimed}")


def readable_address(tensor: Tensor) -> int:
    """The address of the elements, if they can be read there."""
    if not tensor.is_contiguous():
        demand_memory(tensor)
        address = address_of(tensor)
    else:  # the usual case, with few questions
        count, before = tensor.numel(), int(tensor.storage_offset()) * (size := tensor.element_size())
        if count and before + count * size > bytes_of_memory(tensor):
            demand_memory(tensor)
        start = address_of_memory(tensor)
        address = start and start + before
    if not address and tensor.numel():
        raise FreedMemory(f"a storage without memory for a tensor of shape {tuple(tensor.shape)}")
    return address


def _claimed_bytes(tensor: Tensor) -> int:
    """How much of its storage a tensor needs, up to its last element."""
    count = tensor.numel()
    if count and not tensor.is_contiguous():
        count = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return count and (int(tensor.storage_offset()) + count) * tensor.element_size()


def _on_hand(tensor: Tensor, wider: torch.dtype | None) -> Tensor:
    """The same elements in memory of the CPU, as they are; of a plain tensor, the tensor itself."""
    zeros = is_zeros(tensor)
    if tensor.is_cpu and not (zeros or tensor.is_conj() or tensor.is_neg() or wider):
        return tensor
    plain = tensor.detach()
    if zeros:
        plain = plain.clone()
    else:
        demand_memory(plain)
    plain = plain.resolve_conj().resolve_neg().cpu()
    return plain if wider is None else plain.to(wider)
