"""Elements in a row -> their least, their greatest and their sums: in one pass over the memory by compiled code where
there is some, by numpy in several else, to the same last bit.

The compiled code is one_pass.c, built when the package is installed where a C compiler is. Which sums are made in which
order stands there, too; so that this depends on neither of the two, nor on the processor.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphviz_ad._internal.graph.snapshot import Array

EDITION, ROWS, LANES, FOLDED, BLOCKS = 4, 64, 1024, 32, 1024  # as in one_pass.c
BLOCK = ROWS * LANES  # elements that stay in the cache while they are looked at several times
SHARE = 16 * BLOCK  # elements for which it is worth while to start a thread
SHARED = 4 * BLOCK  # and those that it is worth while to share among threads that are there
BUILT = Path(__file__).with_suffix(".compiled")  # no name that Python would import
GOLDEN = (math.sqrt(5) - 1) / 2  # of whose multiples the fractions are all different
FUNCTIONS = {np.dtype(np.float32): "floats", np.dtype(np.float64): "doubles"}


_Found: Any = ctypes.c_double * 5


class Row(NamedTuple):
    """What is found out about the elements of a row: the extremes are NaN if any of them is."""

    least: float
    most: float
    total: float
    squares: float
    weighted: float


def row_of_memory(address: int, count: int, dtype: Any, threads: int = 1, region: int | None = None) -> Row | None:
    """The same of ``count`` elements that lie one behind the other; None where there is no compiled code. For a long
    row it may use so many threads, those that ``region`` runs something in (see `torch_private.parallel_region`) or
    its own, which changes no bit of it.
    """
    functions = functions_to_call()
    if functions is None:
        return None
    found = _Found()
    places, blocks = _weights(dtype).addresses
    functions[dtype](
        address,
        count,
        places,
        blocks,
        found,
        min(threads, count // SHARE if region is None else count // SHARED + 1),
        region,
    )
    return _row(*found)


def row_of_array(row: Array, threads: int = 1, region: int | None = None) -> Row:
    """The same of an array of one dimension whose elements lie one behind the other."""
    address = row.__array_interface__["data"][0]
    return row_of_memory(address, row.size, row.dtype, threads, region) or by_numpy(row)


def by_numpy(row: Array) -> Row:
    """The same without compiled code."""
    totals, weights = np.zeros((3, LANES)), _weights(row.dtype)
    lanes, product = np.zeros((3, LANES), row.dtype), np.empty(min(row.size, BLOCK), row.dtype)
    least, most = math.inf, -math.inf
    with np.errstate(all="ignore"):
        for number, start in enumerate(range(0, row.size, BLOCK)):
            block = row[start : start + BLOCK]
            products = product[: block.size]
            least = np.minimum(least, np.minimum.reduce(block))
            most = np.maximum(most, np.maximum.reduce(block))
            _lanes_of(block, lanes[0])
            _lanes_of(np.multiply(block, block, out=products), lanes[1])
            _lanes_of(np.multiply(block, weights.of_places[: block.size], out=products), lanes[2])
            wide = lanes.astype(np.float64)
            wide[2] *= weights.of_blocks[number % BLOCKS]
            totals += wide
        folded = np.add.reduce(totals.reshape(3, FOLDED, -1), axis=1)
        sums = np.add.reduce(np.ascontiguousarray(folded.T), axis=0)
    return _row(float(least), float(most), *sums.tolist())


def _lanes_of(block: Array, lanes: Array) -> None:
    """Put down what each lane has of a block, added up row after row."""
    rest = block.size % LANES
    whole = block.size - rest
    if whole:
        np.add.reduce(block[:whole].reshape(-1, LANES), axis=0, out=lanes)
    else:
        lanes.fill(0)
    if rest:
        lanes[:rest] += block[whole:]


def _row(least: float, most: float, total: float, squares: float, weighted: float) -> Row:
    """With extremes that are NaN if any element is, which then the sum of squares is; of zeros, without their signs,
    which have no order.
    """
    if math.isnan(squares):
        least = most = math.nan
    return Row(least + 0.0, most + 0.0, total + 0.0, squares, weighted)


class _Weights(NamedTuple):
    """Those of the places of a block, and of blocks: what an element is multiplied by is the product of its two."""

    of_places: Array
    of_blocks: Array
    addresses: tuple[int, int]


@cache
def _weights(dtype: Any) -> _Weights:
    """Numbers like drawn at random and always the same: between −1 and 1 for places, for blocks between 1 and 2."""
    places = np.arange(1, BLOCK + 1, dtype=np.float64)
    each = (2 * np.modf(places * places * GOLDEN)[0] - 1).astype(dtype), 1 + np.modf(np.arange(BLOCKS) * GOLDEN)[0]
    first, second = (array.__array_interface__["data"][0] for array in each)
    return _Weights(*each, (first, second))


@cache
def functions_to_call() -> dict[Any, Any] | None:
    """dtype -> the compiled function for it that is the fastest on this processor; None where none was built."""
    return compiled(str(BUILT)) or compiled(str(BUILT), False)


def compiled(path: str, is_wide: bool = True) -> dict[Any, Any] | None:
    """The same of a file, with wide vectors or without; None where it is none of this edition for this machine."""
    if not Path(path).is_file():
        return None
    try:
        library = ctypes.CDLL(path)
        if library.edition() != EDITION or (is_wide and not library.is_wide()):
            return None
        found = {dtype: getattr(library, ("wide_" if is_wide else "") + name) for dtype, name in FUNCTIONS.items()}
    except (OSError, AttributeError):
        return None
    for function in found.values():
        function.restype = None
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_void_p] * 3, ctypes.c_size_t, ctypes.c_void_p]
    return found
