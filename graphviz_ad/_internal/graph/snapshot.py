"""Tensor -> Snapshot: what is kept of a tensor, free of any framework."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from graphviz_ad._internal.base.frozen import frozen
from graphviz_ad._internal.graph.ragged import numel_of_shape

Array = npt.NDArray[Any]
Number = TypeVar("Number", int, float)
# of an array: numpy has 32 in its first edition, and where arrays are added up they are stacked along one more; torch
# has 64
MOST_DIMENSIONS = 31
SAID_ELSEWHERE = ""  # in the place of why elements are missing: a notice of the graph says it once


@frozen
class Stats:
    """Statistics of the elements of one tensor; `mean` and the extremes are over all elements, NaN included.

    ``weighted`` is the sum of all elements, each times a number of its place, from −2 to 2, which tells two orders of
    the same elements apart; None where nobody added it up. It is of the run and in no file.
    """

    min: float
    max: float
    mean: float
    norm: float
    nonfinite: int
    weighted: float | None = field(default=None, repr=False, compare=False)


@frozen
class Snapshot:
    """A copy or a summary of a tensor, taken at the moment it was computed.

    ``data`` is a Python number (one element), a numpy array (all elements), or None; then ``stats`` may still say
    something about the elements, and ``missing`` says why they are not here. dtypes that numpy lacks, such as
    bfloat16, are kept widened (exactly) with their own name in ``dtype``.
    """

    shape: tuple[int, ...]
    dtype: str
    data: complex | float | int | bool | Array | None = None
    stats: Stats | None = None
    missing: str | None = None
    noise: float = 0.0
    # what has been found of elements that nobody can write to: how many are not finite, and their norm
    _bad: int | None = field(default=None, init=False, repr=False, compare=False)
    _norm: float | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def numel(self) -> int:
        """Number of elements."""
        return numel_of_shape(self.shape)

    @property
    def known(self) -> bool:
        """Whether every element is kept."""
        return self.data is not None

    def item(self) -> complex | float | int | bool:
        """The element of a one-element tensor, as a Python number."""
        if self.data is None or self.numel != 1:
            raise ValueError(
                f"item() needs one kept element; this snapshot has shape {self.shape} and"
                f" {'its' if self.known else 'no'} elements"
            )
        value = self.data.item() if isinstance(self.data, np.ndarray) else self.data
        return value

    @property
    def array(self) -> Array | None:
        """All elements as a numpy array of ``shape``, or None when only a summary was kept or numpy cannot compute
        in so many dimensions.
        """
        return (
            None
            if self.data is None or len(self.shape) > MOST_DIMENSIONS
            else np.asarray(self.data).reshape(self.shape)
        )

    @property
    def _row(self) -> Array | None:
        """All elements one after the other."""
        return None if self.data is None else np.asarray(self.data).reshape(-1)

    @property
    def _summary(self) -> Stats | None:
        row = self._row
        return self.stats if self.stats is not None or row is None else statistics_of_array(row)

    @property
    def min(self) -> float | None:
        """Smallest element (NaN if any is NaN); None for complex, empty or unknown data."""
        return summary.min if (summary := self._summary) else None

    @property
    def max(self) -> float | None:
        """Largest element (NaN if any is NaN); None for complex, empty or unknown data."""
        return summary.max if (summary := self._summary) else None

    @property
    def mean(self) -> float | None:
        """Mean of all elements; None for complex, empty or unknown data."""
        return summary.mean if (summary := self._summary) else None

    @property
    def norm(self) -> float | None:
        """Euclidean norm of all elements; None for complex, empty or unknown data."""
        if self._norm is not None:
            return self._norm
        row = self._row
        if self.stats is not None or row is None or not has_statistics(row):
            return None if self.stats is None else self.stats.norm
        with np.errstate(all="ignore"):
            return self._remembered("_norm", norm(row.astype(np.float64)))

    @property
    def nonfinite(self) -> int | None:
        """How many elements are NaN or infinite; None when unknown."""
        if self._bad is not None:
            return self._bad
        if type(self.data) is float:  # one number, as most are: no need of statistics
            return int(not math.isfinite(self.data))
        row = self._row
        if self.stats is not None or row is None:
            return None if self.stats is None else self.stats.nonfinite
        return self._remembered("_bad", row.size - int(np.count_nonzero(np.isfinite(row))))

    def _remembered(self, name: str, found: Number) -> Number:
        """What was found of the elements, kept where they cannot change."""
        if not isinstance(self.data, np.ndarray) or not self.data.flags.writeable:
            object.__setattr__(self, name, found)
        return found

    def __eq__(self, other: object) -> bool:
        """Same shape, dtype and elements; NaN equals NaN, 0 differs from -0."""
        if not isinstance(other, Snapshot):
            return NotImplemented
        mine, theirs = self._row, other._row
        if (self.shape, self.dtype, self.missing, mine is None) != (
            other.shape,
            other.dtype,
            other.missing,
            theirs is None,
        ):
            return False
        if mine is None or theirs is None:
            return repr(self.stats) == repr(other.stats)
        return mine.dtype == theirs.dtype and _canonical(mine).tobytes() == _canonical(theirs).tobytes()

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype))


def _canonical(array: Array) -> Array:
    """The row with every NaN as the one that Python writes."""
    if array.dtype.kind not in "fc" or not np.isnan(array).any():
        return array
    parts = array.view(np.real(array).dtype)
    return np.where(np.isnan(parts), np.nan, parts).astype(parts.dtype)


def has_statistics(array: Array) -> bool:
    """Whether an array is real and not empty."""
    return array.size > 0 and array.dtype.kind in "fiub"


def statistics_of_array(array: Array) -> Stats | None:
    """Statistics of a real, non-empty array, computed in float64; None for anything else."""
    if not has_statistics(array):
        return None
    with np.errstate(all="ignore"):  # also while it is made wider: a signalling NaN warns
        wide = array.astype(np.float64)
        bad = int(np.count_nonzero(~np.isfinite(wide)))
        return Stats(float(wide.min()), float(wide.max()), float(wide.mean()), norm(wide), bad)


def norm(array: Array) -> float:
    """The Euclidean norm in double precision, also where a square is too large or too small for it."""
    sizes = np.abs(array).astype(np.float64).reshape(-1)
    with np.errstate(all="ignore"):
        squares = float(np.sum(sizes * sizes))
        largest = float(np.max(sizes, initial=0.0))
        if 1e-280 < squares < math.inf or not 0 < largest < math.inf:
            return math.sqrt(squares)
        return largest * math.sqrt(float(np.sum(np.square(sizes / largest))))


def snapshot_of_number(value: complex | float | int | bool) -> Snapshot:
    """The snapshot of a plain Python number."""
    return Snapshot((), type(value).__name__, value)
