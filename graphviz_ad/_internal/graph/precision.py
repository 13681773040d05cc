"""dtype, by its name -> how it rounds, bit by bit as torch does it, and how far one rounding may be off."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.snapshot import Array, Snapshot

# Where both are computed with: as coarse as the one, and with as little room as the other.
BOTH_HALVES = "bfloat16 or float16"
# How far one rounding may be off, as a part of the number: half the distance between 1 and the next number.
UNITS: Mapping[str, float] = {
    "float64": 2.0**-53, "complex128": 2.0**-53, "float32": 2.0**-24, "complex64": 2.0**-24, "float16": 2.0**-11,
    "complex32": 2.0**-11, "bfloat16": 2.0**-8, "float8_e4m3fn": 2.0**-4, "float8_e4m3fnuz": 2.0**-4,
    "float8_e5m2": 2.0**-3, "float8_e5m2fnuz": 2.0**-3, BOTH_HALVES: 2.0**-8,
}  # fmt: skip
# How far it may be off below the normal numbers of a dtype: half of its smallest step there, or all of such a number,
# where processors may put 0 in its place.
SMALLEST: Mapping[str, float] = {
    "float64": 2.0**-1022, "complex128": 2.0**-1022, "float32": 2.0**-126, "complex64": 2.0**-126,
    "float16": 2.0**-25, "complex32": 2.0**-25, "bfloat16": 2.0**-126, BOTH_HALVES: 2.0**-25,
}  # fmt: skip
# The largest number that it has room for.
LARGEST: Mapping[str, float] = {
    "float64": sys.float_info.max, "complex128": sys.float_info.max, "float32": (2 - 2.0**-23) * 2.0**127,
    "complex64": (2 - 2.0**-23) * 2.0**127, "float16": 65504.0, "complex32": 65504.0,
    "bfloat16": (2 - 2.0**-7) * 2.0**127, BOTH_HALVES: 65504.0,
}  # fmt: skip
# A coarse dtype, what has less room although it is finer, and both.
SHORTER: Mapping[str, tuple[str, str]] = {"bfloat16": ("float16", BOTH_HALVES)}
HALVES = ("float16", "bfloat16")
BITS_CUT_OFF = 16  # that float32 has and bfloat16 has not


def unit(dtype: str | None) -> float:
    """How far one rounding may be off, as a part of the number; 0 for whole numbers, and for what no dtype is
    known of.
    """
    return UNITS.get(dtype or "", 0.0)


def full_precision(value: Any) -> Array:
    """Numbers in full precision, so that computing with them adds no rounding to speak of."""
    with np.errstate(invalid="ignore"):  # a signalling NaN, as uninitialised memory may hold, warns
        return np.asarray(value, np.complex128 if np.iscomplexobj(value) else np.float64)


def rounded_to_dtype(array: Array, dtype: str) -> Array:
    """Numbers as a dtype holds them, in the array that a snapshot keeps of it; as they are where it is not known how
    it rounds.
    """
    if dtype in ("bfloat16", BOTH_HALVES):
        return _cut_off(array.astype(np.float32))
    if dtype == "complex32":
        return rounded_to_dtype(np.real(array), "float16").astype(np.float32) + 1j * rounded_to_dtype(
            np.imag(array), "float16"
        ).astype(np.float32)
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


def sum_of_snapshots(parts: Sequence[Snapshot | None]) -> Snapshot | None:
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
        total = reduce(lambda so_far, array: rounded_to_dtype(np.asarray(so_far + array), first.dtype), arrays)
    return replace(first, data=total.item() if total.size == 1 else total, stats=None)
