"""A number or Snapshot -> the few characters that a picture has room for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import partial
from typing import Any, SupportsFloat, cast

import numpy as np

from graphviz_ad._internal.base.made_once import made_once
from graphviz_ad._internal.graph.snapshot import SAID_ELSEWHERE, Snapshot, Stats, statistics_of_array

MINUS, FIGURE_SPACE = "−", "\u2007"
NEARLY_NOTHING = "≈ 0"  # what rounding leaves of a sum that is 0
MOST_EXACT = 99_999  # the largest integer that is written out
SMALLEST, LARGEST = 1e-3, 1e4  # what lies between is written without a power of ten
MOST_SPOKEN = 100  # elements of a tensor that are told one by one
ONE_LINE = 40  # characters that a matrix may take in a caption
USUAL_DIGITS = 4  # with no more of them, numbers that Python writes without a power of ten are written so here
MOST_OF_SPREAD = 3  # digits of means and ranges, which are no results
DIGITS = 4  # significant ones, where nobody asks for others
_digits: ContextVar[int] = ContextVar("digits", default=DIGITS)
_zeros: ContextVar[bool] = ContextVar("zeros", default=True)  # whether a zero has a sign

_DTYPES = {
    "float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64", "half": "f16", "double": "f64",
    "float": "f64", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "int": "i64", "long": "i64",
    "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "bool": "bool", "bool_": "bool",
    "complex32": "c32", "complex64": "c64", "complex128": "c128", "complex": "c128", "float8_e4m3fn": "f8e4m3",
    "float8_e5m2": "f8e5m2",
}  # fmt: skip


@contextmanager
def written_with(digits: int) -> Iterator[None]:
    """Write numbers with so many significant digits while it is open, here and nowhere else."""
    token = _digits.set(digits)
    try:
        yield
    finally:
        _digits.reset(token)


@contextmanager
def without_signs_of_zeros() -> Iterator[None]:
    """Write −0 as 0 while it is open, as of gradients: whether a product with 0 was negative says nothing of them."""
    token = _zeros.set(False)
    try:
        yield
    finally:
        _zeros.reset(token)


def short_number(x: Any, *, digits: int | None = None) -> str:
    """A number with so many significant digits: "0.3333", "−1.2e−5", "12000", "∞"; anything else as `str` gives it."""
    digits = _digits.get() if digits is None else digits
    plain = x.item() if hasattr(x, "item") else x
    if type(plain) is float:  # nearly always, and to ask what can be made a float is slow
        return _real(plain, digits)
    if isinstance(plain, bool | str) or plain is None:
        return str(plain)
    if isinstance(plain, complex):
        return _complex(plain, digits)
    if isinstance(plain, int):
        return _integer(plain, digits)
    return _real(float(plain), digits) if isinstance(plain, SupportsFloat) else str(plain)


def short_element(x: Any, snap: Snapshot) -> str:
    """An element of a tensor in the same way; "≈ 0" where it is no more than what rounding left of a sum."""
    return NEARLY_NOTHING if is_noise(x, snap) else short_number(x)


def is_noise(x: Any, snap: Snapshot) -> bool:
    """Whether an element of a gradient is no more than what rounding left of a sum."""
    return snap.noise > 0 and 0 < abs(x) <= snap.noise


def snapshot_lines(snap: Snapshot, rows: int = 4, columns: int = 4, vector: int = 6) -> tuple[str, ...]:
    """The elements of a small tensor, one line a row; type, mean ± deviation and range of a larger one."""
    first, spread, remarks = snapshot_parts(snap, rows, columns, vector)
    return (*first, *spread, *remarks)


def snapshot_parts(
    snap: Snapshot, rows: int = 4, columns: int = 4, vector: int = 6
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The same, told apart: elements or type, then mean ± deviation and range, then what is wrong with the elements
    or keeps them unknown.
    """
    make = partial(_parts, snap, rows, columns, vector)
    return made_once(make, snap, "parts", rows, columns, vector, *how_written())


def how_written() -> tuple[int, bool]:
    """All that decides how the same number is written now: its digits, and whether a zero has a sign."""
    return _digits.get(), _zeros.get()


def _parts(
    snap: Snapshot, rows: int, columns: int, vector: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    cells = _cells(snap, rows, columns, vector)
    if cells is not None:
        return _rows(snap, cells), (), ()
    unknown = snap.numel == 0 or (snap.data is None and snap.stats is None)
    return (type_label(snap),), () if unknown else _spread(snap), _remarks(snap)


def _rows(snap: Snapshot, cells: list[list[str]]) -> tuple[str, ...]:
    if not snap.shape:
        return (cells[0][0],)
    if len(snap.shape) > 1 and len(cells) == 1:
        return (_bracketed([_bracketed(cells[0])]),)  # one row is no vector
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return tuple(
        _bracketed([cell.rjust(width, FIGURE_SPACE) for cell, width in zip(row, widths, strict=True)]) for row in cells
    )


def number_in_one_line(snap: Snapshot, room: int = ONE_LINE) -> str:
    """A number, short vector or small tensor such as "[[1, 2], [3, 4]]" in one line; the type of anything larger, and
    of a tensor that takes more characters than there is ``room`` for.
    """
    cells = _cells(snap, 4, 4, 6)
    if cells is not None and len(snap.shape) < 2:
        return _bracketed(cells[0]) if snap.shape else cells[0][0]
    if not 0 < snap.numel <= room:
        return type_label(snap)
    text = every_element(snap)
    return text if len(text) <= room else type_label(snap)


def every_element(snap: Snapshot, most: int = MOST_SPOKEN) -> str:
    """All elements, "[[1, 2], [3, 4]]", of a tensor of any shape that has no more of them than that; the type of
    any other.
    """
    array = snap.array
    if array is None or snap.numel > most:
        return type_label(snap)
    return made_once(lambda: _nested(array.tolist(), snap), snap, "every element", *how_written())


def _nested(elements: Any, snap: Snapshot) -> str:
    if isinstance(elements, list):
        return _bracketed([_nested(each, snap) for each in elements])
    return short_element(elements, snap)


def type_label(snap: Snapshot) -> str:
    """The dtype and shape: "f32[64,784]"."""
    dtype = snap.dtype.removeprefix("torch.")
    return f"{_DTYPES.get(dtype, dtype)}[{','.join(map(str, snap.shape))}]"


def _integer(x: int, digits: int) -> str:
    if abs(x) <= MOST_EXACT:
        return str(x).replace("-", MINUS)
    return _power_of_ten(f"{Decimal(x):.{digits - 1}e}")  # a float would overflow


def _real(x: float, digits: int) -> str:
    if math.isnan(x):
        return "NaN"
    sign = MINUS if math.copysign(1.0, x) < 0 and (x != 0 or _zeros.get()) else ""
    size = abs(x)
    if math.isinf(size):
        return f"{sign}∞"
    if size.is_integer() and size <= MOST_EXACT:
        return f"{sign}{int(size)}"
    text = f"{size:.{digits}g}"  # of most numbers it is what follows, in one step
    if digits <= USUAL_DIGITS and "e" not in text and not text.startswith("0.000"):
        return sign + text
    rounded = float(f"{size:.{digits - 1}e}")
    if not SMALLEST <= rounded < LARGEST:
        return sign + _power_of_ten(f"{size:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(rounded)))
    text = f"{size:.{decimals}f}"
    return sign + (text.rstrip("0").rstrip(".") if "." in text else text)


def _power_of_ten(text: str) -> str:
    """Python's ``1.200e-05`` as ``1.2e−5``."""
    mantissa, _, exponent = text.lower().partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)


def _complex(x: complex, digits: int) -> str:
    imaginary = _real(x.imag, digits)
    return f"{_real(x.real, digits)}{'' if imaginary.startswith(MINUS) else '+'}{imaginary}i"


def _bracketed(texts: Sequence[str]) -> str:
    return f"[{', '.join(texts)}]"


def _cells(snap: Snapshot, rows: int, columns: int, vector: int) -> list[list[str]] | None:
    """The elements of a tensor as texts, row by row; None when they are not known or too many."""
    if snap.data is None or len(snap.shape) > 2 or (len(snap.shape) == 2 and snap.numel == 0):
        return None
    if not snap.shape:
        return [[short_element(snap.item(), snap)]]
    height, width = (1, *snap.shape)[-2:]
    if height > rows or width > (vector if len(snap.shape) == 1 else columns):
        return None
    elements = cast("np.ndarray[Any, Any]", snap.array).reshape(height, width)
    return [[short_element(element, snap) for element in row] for row in elements.tolist()]


def _remarks(snap: Snapshot) -> tuple[str, ...]:
    """What is to be said of elements that are not shown one by one, beside their spread."""
    if snap.numel == 0:
        return ("empty",)
    if snap.data is None and snap.stats is None:
        why = "value unknown" if snap.missing is None else snap.missing
        return () if why == SAID_ELSEWHERE else (why,)
    bad = snap.nonfinite
    return (f"⚠ {bad} NaN/inf",) if bad else ()


def _spread(snap: Snapshot) -> tuple[str, ...]:
    """Mean ± standard deviation and the range, of the finite elements; "all 1" where they are all the same."""
    if is_uniform(snap) and snap.min is not None:
        same = str(bool(snap.min)) if snap.dtype == "bool" else short_number(snap.min, digits=digits_of_spread())
        return (f"all {same}",)
    array = snap.array
    if array is None:
        stats, deviation = snap.stats, _deviation(snap)
    elif array.dtype.kind in "fiub":
        finite = array[np.isfinite(array)].astype(np.float64)
        with np.errstate(over="ignore"):
            stats, deviation = statistics_of_array(finite), float(finite.std()) if finite.size else 0.0
    else:
        return ()
    return _spread_lines(stats, deviation) if stats is not None else ()


def is_uniform(snap: Snapshot) -> bool:
    """Whether several elements are known to be the same, finite number."""
    return made_once(lambda: _is_uniform(snap), snap, "uniform")


def _is_uniform(snap: Snapshot) -> bool:
    if snap.numel < 2 or snap.nonfinite != 0:
        return False
    least = snap.min
    return least is not None and least == snap.max


def digits_of_spread() -> int:
    """How many digits are written of a mean and a range."""
    return min(MOST_OF_SPREAD, _digits.get())


def _spread_lines(stats: Stats, deviation: float | None) -> tuple[str, ...]:
    if not all(map(math.isfinite, (stats.min, stats.max, stats.mean))):
        return ()
    around = "" if deviation is None or math.isinf(deviation) else f" ± {short_number(deviation, digits=2)}"
    digits = digits_of_spread()
    low, high = (short_number(end, digits=digits) for end in (stats.min, stats.max))
    return f"{short_number(stats.mean, digits=digits)}{around}", f"{low} … {high}"


def has_deviation(snap: Snapshot) -> bool:
    """Whether the spread of a tensor is written as a mean with a deviation."""
    found = _deviation(snap)
    return found is not None and not math.isinf(found)


def _deviation(snap: Snapshot) -> float | None:
    """The standard deviation that follows from the summary of a tensor; None when it cannot be had."""
    if snap.stats is None or not snap.numel or not math.isfinite(snap.stats.norm):
        return None
    mean = snap.stats.mean
    if max(abs(mean), snap.stats.norm) > 1e150:  # the square would overflow
        return None
    return math.sqrt(max(0.0, snap.stats.norm**2 / snap.numel - mean * mean))
