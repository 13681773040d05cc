"""torch.Tensor -> Snapshot: the elements, or their statistics, or the reason why neither can be had."""

from __future__ import annotations

import weakref
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.graph.ragged import ragged_shape
from graphviz_ad._internal.graph.snapshot import MOST_DIMENSIONS, Snapshot
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.pending import Pending
from graphviz_ad._internal.tracing.tape.reading import NUMPY, FreedMemory, copied_elements, number_in
from graphviz_ad._internal.tracing.tape.statistics import WIDER, statistics_of_tensor
from graphviz_ad._internal.tracing.tape.torch_private import (
    as_plain,
    hidden_from_modes,
    is_own_kind,
    is_plain_subclass,
    modes_are_active,
    version_of,
)

# the usual case first
PLAIN = {torch.float32: "float32", torch.float64: "float64", torch.int64: "int64", torch.bool: "bool"} | {
    dtype: str(dtype).removeprefix("torch.") for dtype in (torch.bfloat16, torch.float16)
}
GIVEN = 4  # times as many elements are kept of what was given as of what was computed
WIDER_COMPLEX = {getattr(torch, "complex32", None): torch.complex64}


Held = Snapshot | complex | float | int | bool | None  # what a tensor held, a plain number as such


@cache
def dtype_name(dtype: torch.dtype) -> str:
    """Its name without "torch."."""
    return str(dtype).removeprefix("torch.")


@cache
def device_name(device: torch.device) -> str:
    """Its name, such as cpu or cuda:0."""
    return str(device)


def shape_of_value(tensor: Tensor) -> tuple[int, ...]:
    """The shape; of a nested tensor with lengths that differ from part to part."""
    if tensor.is_nested:
        return shape_of_nested(tensor)
    if type(tensor) is Tensor:
        return tuple(tensor.shape)
    try:
        return tuple(tensor.shape) if all(type(n) is int for n in tensor.shape) else (int(tensor.shape[0]),)
    except (RuntimeError, TypeError):
        return (tensor.size(0),)


def shape_of_nested(tensor: Tensor) -> tuple[int, ...]:
    """The same of a nested tensor; only the number of its parts where torch does not count what is in them."""
    try:
        return ragged_shape([_length(tensor, i) for i in range(tensor.dim())], int(tensor.numel()))
    except (RuntimeError, TypeError):
        return (tensor.size(0),)


def _length(tensor: Tensor, place: int) -> int | None:
    """A length of a nested tensor; None where its parts differ."""
    try:
        found = tensor.size(place)
    except RuntimeError:
        return None
    return found if type(found) is int else None


def take(tensor: Tensor, level: str, whole: int) -> Snapshot | None:
    """What is kept of a tensor at a capture level, see `Capture`; nothing raises here, what cannot be read is said."""
    if level == "none":
        return None
    shape, dtype = shape_of_value(tensor), dtype_name(tensor.dtype)
    try:
        if is_plain_subclass(tensor):
            return take(as_plain(tensor), level, whole)
        if not is_own_kind(tensor):
            return Snapshot(shape, dtype, missing=type(tensor).__name__ if not tensor.is_meta else "meta tensor")
        if tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
            return Snapshot(
                shape,
                dtype,
                missing=(
                    "nested"
                    if tensor.is_nested
                    else "quantised"
                    if tensor.is_quantized
                    else str(tensor.layout).removeprefix("torch.")
                ),
            )
        count = tensor.numel()
        if len(shape) > MOST_DIMENSIONS:
            return summarised(tensor.detach().reshape(-1), shape)
        if count == 1 and not tensor.is_complex() and not tensor.is_neg():
            return Snapshot(shape, dtype, number_in(tensor))
        if count == 1 and tensor.dtype not in WIDER_COMPLEX:  # conjugates and negatives may be lazy
            return Snapshot(shape, dtype, as_array(tensor).item())
        if count <= whole or level == "full":
            return Snapshot(shape, dtype, as_array(tensor))
        return Snapshot(shape, dtype, stats=statistics_of_tensor(tensor), missing="summarised")
    except FreedMemory:
        return Snapshot(shape, dtype, missing="freed memory")
    except Exception as error:  # an exotic tensor must not break the program that is being watched
        return Snapshot(shape, dtype, missing=f"unreadable: {type(error).__name__}")


def summarised(row: Tensor, shape: tuple[int, ...]) -> Snapshot:
    """What is kept of all elements, in a row, of a tensor of more dimensions than numpy computes in: the number, if
    it is one, and the statistics.
    """
    kept = take(row, "summary", 1) if row.numel() else None
    if kept is None:
        return Snapshot(shape, dtype_name(row.dtype), missing="empty")
    return replace(kept, shape=shape, stats=statistics_of_tensor(row))


def as_array(tensor: Tensor) -> Any:
    """A copy of all elements as numpy; exact, since only widened where numpy lacks the dtype."""
    return copied_elements(tensor, WIDER.get(tensor.dtype) or WIDER_COMPLEX.get(tensor.dtype))


def _has_as_many(kept: Snapshot, tensor: Tensor) -> bool:
    return (kept.numel, kept.dtype) == (tensor.numel(), dtype_name(tensor.dtype))


def seen_through(view: Tensor, whole: Tensor, kept: Snapshot | None) -> Snapshot | None:
    """What a view shows of a tensor of which all was kept, without another copy; None where that cannot be said so."""
    data = kept.data if kept is not None else None
    plain = type(view) is Tensor and type(whole) in (Tensor, torch.nn.Parameter)
    plain = plain and view.dtype is whole.dtype and view.dtype in NUMPY
    if not isinstance(data, np.ndarray) or not plain or not whole.is_contiguous() or view.is_neg() or view.is_conj():
        return None
    if whole.is_neg() or whole.is_conj() or not view.numel() > 1 or view.dim() > MOST_DIMENSIONS:
        return None
    first = view.storage_offset() - whole.storage_offset()
    last = first + sum((size - 1) * step for size, step in zip(view.shape, view.stride(), strict=True))
    if first < 0 or last >= data.size:
        return None
    steps = [step * data.itemsize for step in view.stride()]
    seen = np.lib.stride_tricks.as_strided(data.reshape(-1)[first:], tuple(view.shape), steps, writeable=False)
    return Snapshot(tuple(view.shape), dtype_name(view.dtype), seen)


class Keeper:
    """Takes snapshots at one capture level, and never summarises the same elements twice.

    A tensor is recognised by its object, held weakly, and its version: autograd hands the same gradient to the hook of
    the node that it leaves and to that of the node that it reaches.
    """

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self._no_gradients = capture.gradients == "none"
        self.pending = Pending()
        self.problems: list[str] = []  # what could not be noted, and why
        self._known: dict[int, tuple[weakref.ref[Tensor], int, Snapshot]] = {}
        self._copied: dict[int, tuple[weakref.ref[Tensor], int, Snapshot]] = {}  # the same of those kept whole

    def value(self, tensor: Tensor, same: Snapshot | None = None, *, given: bool = False) -> Snapshot | None:
        """What is kept of a value; ``same`` is a snapshot of the same elements in another shape."""
        level = self.capture.values
        return None if level == "none" else self._keep(tensor, level, same, self.whole_of(given))

    def whole_of(self, given: bool) -> int:
        """Up to how many elements a value is kept whole: more of what was given, as there is less of it, and pictures
        show it.
        """
        return self.capture.whole * (GIVEN if given else 1)

    def held(self, tensor: Tensor, same: Snapshot | None = None, *, given: bool = False) -> Held:
        """The same, a plain number as such: of those Python's garbage collector keeps no account."""
        level = self.capture.values
        if level == "none":
            return None
        if (
            type(tensor) is Tensor
            and not tensor.dim()
            and tensor.dtype in PLAIN
            and tensor.is_cpu
            and not tensor.is_neg()
            and not modes_are_active()
        ):
            try:
                return number_in(tensor) if tensor.storage_offset() else tensor.item()
            except Exception:  # such as a number inside vmap
                return take(tensor, level, self.capture.whole)
        return self._keep(tensor, level, same, self.whole_of(given))

    def gradient(self, tensor: Tensor | None, same: Snapshot | None = None) -> Snapshot | None:
        """What is kept of a gradient; None for none."""
        if tensor is None or self._no_gradients:
            return None
        if (
            type(tensor) is Tensor
            and not tensor.dim()
            and (dtype := PLAIN.get(tensor.dtype)) is not None
            and tensor.is_cpu
            and not tensor.is_neg()
            and not modes_are_active()
        ):
            try:
                return Snapshot((), dtype, number_in(tensor))
            except Exception:  # such as a number inside vmap
                return take(tensor, self.capture.gradients, self.capture.whole)
        return self._keep(tensor, self.capture.gradients, same, self.capture.whole)

    def was_written(self, tensor: Tensor) -> None:
        """Look at a tensor anew next time: torch counts a write as a new version only after the operation has run."""
        self._known.pop(id(tensor), None)
        self._copied.pop(id(tensor), None)

    def forget(self) -> None:
        """Look at every tensor anew next time, since what one holds has changed without its version, as by another
        process.
        """
        self._known.clear()
        self._copied.clear()

    def _keep(self, tensor: Tensor, level: str, same: Snapshot | None, whole: int) -> Snapshot | None:
        if not modes_are_active():
            return self._taken(tensor, level, same, whole)
        with hidden_from_modes():  # reading elements is an operation too, but none of the program
            return self._taken(tensor, level, same, whole)

    def _taken(self, tensor: Tensor, level: str, same: Snapshot | None, whole: int) -> Snapshot | None:
        if type(tensor) is not Tensor:
            return take(tensor, level, whole)
        dtype = PLAIN.get(tensor.dtype)
        # one plain number: by far the most frequent in a long graph
        if dtype is not None and not tensor.dim() and tensor.is_cpu and not tensor.is_neg():
            try:
                return Snapshot((), dtype, number_in(tensor))
            except Exception:  # such as a number inside vmap
                return take(tensor, level, whole)
        if not tensor.is_cpu and (later := self.later(tensor, level, whole)) is not None:
            return later
        if level == "full" and same is not None and _has_as_many(same, tensor) and isinstance(same.data, np.ndarray):
            shape = shape_of_value(tensor)
            return same if same.shape == shape else Snapshot(shape, same.dtype, same.data.reshape(shape))
        if tensor.layout != torch.strided or tensor.numel() <= whole:
            return take(tensor, level, whole)
        return self._summary(tensor, same, whole) if level == "summary" else self._copy(tensor, level, whole)

    def _copy(self, tensor: Tensor, level: str, whole: int) -> Snapshot | None:
        """All elements of a big tensor; the same copy again as long as nobody has written to it."""
        known = self._copied.get(id(tensor))
        if known is not None and known[0]() is tensor and known[1] == version_of(tensor):
            return known[2]
        snapshot = take(tensor, level, whole)
        if snapshot is not None and not tensor.is_inference():
            self._copied[id(tensor)] = (weakref.ref(tensor), version_of(tensor), snapshot)
        return snapshot

    def later(self, tensor: Tensor, level: str, whole: int | None = None) -> Snapshot | None:
        """A snapshot that waits for its numbers, of a tensor that is far away; None where it has to be taken at
        once.
        """
        if not is_own_kind(tensor) or tensor.layout != torch.strided or tensor.is_nested or tensor.is_quantized:
            return None
        known = self._known.get(id(tensor))
        if known is not None and known[0]() is tensor and known[1] == version_of(tensor):
            return known[2]
        dtype = dtype_name(tensor.dtype)
        whole = self.capture.whole if whole is None else whole
        if tensor.numel() <= whole:
            snapshot = self.pending.elements(
                tensor, dtype, lambda arrived: take(arrived, "full", whole) or Snapshot((), dtype)
            )
        elif level == "summary" and not tensor.is_complex():
            snapshot = self.pending.statistics(tensor, dtype)
        else:
            return None
        if not tensor.is_inference():
            self._known[id(tensor)] = (weakref.ref(tensor), version_of(tensor), snapshot)
        return snapshot

    def _summary(self, tensor: Tensor, same: Snapshot | None, whole: int) -> Snapshot | None:
        shape = shape_of_value(tensor)
        if same is not None and same.stats is not None and _has_as_many(same, tensor):
            return self._noted(tensor, same if same.shape == shape else replace(same, shape=shape))
        known = self._known.get(id(tensor))
        if known is not None and known[0]() is tensor and known[1] == version_of(tensor):
            return known[2]
        snapshot = take(tensor, "summary", whole)
        return snapshot if snapshot is None else self._noted(tensor, snapshot)

    def _noted(self, tensor: Tensor, snapshot: Snapshot) -> Snapshot:
        if not tensor.is_inference():
            self._known[id(tensor)] = (weakref.ref(tensor), version_of(tensor), snapshot)
        return snapshot
