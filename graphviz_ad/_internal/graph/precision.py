"""dtype, by its name -> how it rounds, bit by bit as torch does it, and how far one rounding may be off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from graphviz_ad._internal.graph.snapshot import Array, Snapshot

# How far one rounding may be off, as a part of the number: half the distance between 1 and the next number.
UNITS: Mapping[str, float] = {
    "float64": 2.0**-53, "complex128": 2.0**-53, "float32": 2.0**-24, "complex64": 2.0**-24, "float16": 2.0**-11,
    "complex32": 2.0**-11, "bfloat16": 2.0**-8, "float8_e4m3fn": 2.0**-4, "float8_e4m3fnuz": 2.0**-4,
    "float8_e5m2": 2.0**-3, "float8_e5m2fnuz": 2.0**-3,
}  # fmt: skip
# Below its normal numbers a dtype has a smallest step; half of that, where it is a number at all.
SMALLEST: Mapping[str, float] = {
    "float32": 2.0**-150,
    "complex64": 2.0**-150,
    "float16": 2.0**-25,
    "complex32": 2.0**-25,
    "bfloat16": 2.0**-134,
}
BITS_CUT_OFF = 16  # that float32 has and bfloat16 has not


def unit(dtype: str | None) -> float:
    """How far one rounding may be off, as a part of the number; 0 for whole numbers, and for what no dtype is
    known of.
    """
    return UNITS.get(dtype or "", 0.0)


def rounded(array: Array, dtype: str) -> Array:
    """Numbers as a dtype holds them, in the array that a snapshot keeps of it; as they are where it is not known how
    it rounds.
    """
    if dtype == "bfloat16":
        return _cut_off(array.astype(np.float32))
    if dtype == "complex32":
        return rounded(np.real(array), "float16").astype(np.float32) + 1j * rounded(np.imag(array), "float16").astype(
            np.float32
        )
    try:
        return array.astype(dtype)
    except TypeError:
        return array


def _cut_off(array: Array) -> Array:
    """float32 rounded to the nearest bfloat16, of two that are as near to the even one."""
    bits = np.atleast_1d(array).view(np.uint32)
    odd = (bits >> BITS_CUT_OFF) & 1
    nearest = (bits + (odd + ((1 << (BITS_CUT_OFF - 1)) - 1)).astype(np.uint32)) >> BITS_CUT_OFF << BITS_CUT_OFF
    return np.where(np.isnan(array), array, nearest.view(np.float32).reshape(array.shape))


def added(parts: Sequence[Snapshot | None]) -> Snapshot | None:
    """The sum of snapshots of one shape, rounded after each addition as torch does it; None where not all elements
    of all are known.
    """
    arrays = [part.array for part in parts if part is not None and part.array is not None]
    first = parts[0] if parts else None
    if first is None or len(arrays) < len(parts) or any(array.shape != first.shape for array in arrays):
        return None
    if len(arrays) == 1:
        return first
    with np.errstate(all="ignore"):
        total = reduce(lambda so_far, array: rounded(np.asarray(so_far + array), first.dtype), arrays)
    return replace(first, data=total.item() if total.size == 1 else total, stats=None)
