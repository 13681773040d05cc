"""Operations that ran -> which memory nobody has written to yet: what is read of it means nothing, and is different
in every run.

It is the memory that is marked, not a value: a view of it, a parameter made of it and a part that was written are told
apart by where they lie. What is computed from it means nothing either, so that the memory of that result is marked as
well.

Writes that torch does not dispatch, such as those through ``numpy()`` or of a kernel of the user's, are seen by
looking: some of the bytes have changed since. Of other devices that would mean to wait for them, so that there only the
result of ``empty`` itself is unknown.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.multiprocessing import reductions

from graphviz_ad._internal.tracing.tape.parts_written import writes_a_part
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Schema
from graphviz_ad._internal.tracing.tape.torch_private import address_of_memory, bytes_of_memory, memory_of_tensor

NOT_WRITTEN, UNREAD = "uninitialised memory", "written over before anything read it"
TAKES_SHAPE_ONLY = {
    "zeros_like",
    "ones_like",
    "full_like",
    "rand_like",
    "randn_like",
    "randint_like",
    "new_zeros",
    "new_ones",
    "new_full",
}
WRITES_ALL = {  # of what they write to, whatever was there
    *(
        "copy_",
        "fill_",
        "zero_",
        "random_",
        "uniform_",
        "normal_",
        "bernoulli_",
        "exponential_",
        "geometric_",
        "cauchy_",
        "log_normal_",
    ),
    *("_foreach_copy_", "_foreach_zero_", "set_", "resize_"),
}
# An argument that is a place for what the operation draws.
ONLY_WRITES = {"rrelu_with_noise": "noise", "rrelu_with_noise_": "noise"}
SAMPLES, SAMPLE = 64, 8  # how many bytes are looked at, evenly spread, and how many at a time

weak_reference: Any = reductions.StorageWeakRef

Mask = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Region:
    """One memory of which something was never written; ``written`` says which elements of ``unit`` bytes were, None:
    none of them.

    The weak reference keeps torch from giving another memory the same identity.
    """

    reference: Any
    address: int
    size: int
    unit: int
    written: Mask | None = None
    looked: bytes = b""


class Unwritten:
    """All such memory that a tape has met."""

    def __init__(self) -> None:
        self.regions: dict[int, Region] = {}  # by the identity of the memory

    def reads(self, schema: Schema, operands: Iterable[tuple[str, Any]]) -> bool:
        """Whether an operation that is about to run will read something that nobody has written; operands by name."""
        if schema.makes_nothing_known or schema.name in TAKES_SHAPE_ONLY or schema.library_name is not None:
            return False  # of an operation of somebody's library, nobody knows what it only fills
        passed_over = {ONLY_WRITES.get(schema.name), *schema.only_written}
        operands = tuple(operands)
        if schema.name in WRITES_ALL or writes_a_part(schema.name, operands):
            passed_over |= {schema.argument(i) for i in schema.written}
        return any(
            self.holds(tensor)
            for name, operand in operands
            if name not in passed_over
            for tensor in tensors_given(operand)
        )

    def made(self, operation: Operation, result: Tensor) -> None:
        """Note what an operation made that wrote to none of its operands."""
        if operation.reads_unwritten or (operation.schema.makes_nothing_known and not operation.schema.written):
            memory = memory_of_tensor(result)
            # of a memory without a byte, such as batch norms make each time, there is nothing to be written
            if memory is not None and memory not in self.regions and result.is_cpu and bytes_of_memory(result):
                self._mark(memory, result)

    def grew(self, tensor: Tensor, before: int) -> None:
        """Note that the memory of a tensor has become larger; ``before``: how many bytes it had."""
        memory = memory_of_tensor(tensor)
        if memory is None or not tensor.is_cpu:
            return
        known = self.regions.get(memory)
        self._mark(memory, tensor)
        region = self.regions.get(memory)
        if region is None or (known is not None and known.written is None):
            return
        region.written = np.zeros(region.size // region.unit, np.bool_)
        if known is None:
            region.written[: before // region.unit] = True
        elif known.unit == region.unit and known.written is not None:
            region.written[: known.written.size] = known.written

    def wrote(self, operation: Operation, target: Tensor, part: Callable[[], Mask | None]) -> None:
        """Note what an operation wrote to; ``part`` gives which elements of it, None where it is all of them."""
        region = self._region(target)
        if region is None:
            if operation.reads_unwritten:
                self.made(operation, target)
            return
        elements = part()
        if elements is None and not operation.reads_unwritten and covers(target, region):
            self.forget(target)
            return
        self._mark_part(region, target, not operation.reads_unwritten, elements)
        if region.written is not None and region.written.all():
            self.forget(target)
        else:
            region.looked = sampled_bytes(region)

    def holds(self, tensor: Tensor) -> bool:
        """Whether something of what a tensor holds was never written."""
        region = self._region(tensor) if self.regions else None
        if region is None or not tensor.numel():
            return False
        if sampled_bytes(region) != region.looked:  # somebody has written whom nobody saw
            self.forget(tensor)
            return False
        part = seen(region, tensor)
        return part is None or not part.all()

    def given_away(self, operands: Iterable[tuple[str, Any]]) -> None:
        """Take as written what an operation of somebody's library was given: it may fill it without saying so, even
        with what lay there before.
        """
        for _, operand in operands:
            for tensor in tensors_given(operand):
                self.forget(tensor)

    def forget(self, tensor: Tensor) -> None:
        """Take what a tensor holds as written."""
        self.regions.pop(memory_of_tensor(tensor) or 0, None)

    def _region(self, tensor: Tensor) -> Region | None:
        memory = memory_of_tensor(tensor) if self.regions else None
        region = self.regions.get(memory) if memory is not None else None
        if region is None or (region.address, region.size) == place_of(tensor):
            return region
        self.forget(tensor)  # it was resized meanwhile, and may lie somewhere else
        return None

    def _mark(self, memory: int, tensor: Tensor) -> None:
        """Nothing of this memory is written; of a tensor that only stands for one nothing can be said."""
        self.regions = {key: region for key, region in self.regions.items() if not region.reference.expired()}
        with suppress(RuntimeError):
            region = Region(weak_reference(tensor.untyped_storage()), *place_of(tensor), tensor.element_size())
            region.looked = sampled_bytes(region)
            self.regions[memory] = region

    def _mark_part(self, region: Region, tensor: Tensor, written: bool, elements: Mask | None = None) -> None:
        if region.written is None:
            region.written = np.zeros(region.size // region.unit, np.bool_)
        part = seen(region, tensor)
        if part is not None:
            part[... if elements is None else elements] = written
        elif not written:
            region.written[...] = False


def place_of(tensor: Tensor) -> tuple[int, int]:
    """Where the memory lies that a tensor is in, and how many bytes it has."""
    return address_of_memory(tensor), bytes_of_memory(tensor)


def tensors_given(operand: Any) -> Iterator[Tensor]:
    """The tensors of an argument."""
    for part in operand if isinstance(operand, (list, tuple)) else (operand,):
        if isinstance(part, Tensor):
            yield part


def covers(tensor: Tensor, region: Region) -> bool:
    """Whether the elements of a tensor are all that there is in its memory, each once."""
    expected = 1
    for stride, size in sorted(
        (stride, size) for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size != 1
    ):
        if stride != expected:
            return False
        expected *= size
    return expected * tensor.element_size() >= region.size - region.size % region.unit


def seen(region: Region, tensor: Tensor) -> Mask | None:
    """Which elements of a tensor were written, as a view of the marks; None where its elements are none of the
    region's, or none was.
    """
    size = tensor.element_size()
    if region.written is None or size % region.unit:
        return None
    times = size // region.unit
    start = tensor.storage_offset() * times
    shape, strides = (*tensor.shape, times), (*(stride * times for stride in tensor.stride()), 1)
    return np.lib.stride_tricks.as_strided(region.written[start:], shape, strides)


def sampled_bytes(region: Region) -> bytes:
    """Some of the bytes of a memory: all, where there are few."""
    if not region.address or region.reference.expired():
        return b""
    if region.size <= SAMPLES * SAMPLE:
        return ctypes.string_at(region.address, region.size)
    last = region.size - SAMPLE
    return b"".join(ctypes.string_at(region.address + last * i // (SAMPLES - 1), SAMPLE) for i in range(SAMPLES))
