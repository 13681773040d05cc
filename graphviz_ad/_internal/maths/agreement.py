"""Two arrays, the dtype that one was rounded in, and how often -> whether they are equal up to rounding: the one
place that decides it.

Whoever asks says what was added up, as sizes: what is left of big numbers that cancelled is no better than these.
`trace` asks it whether an edge may keep its local derivative, `explain` whether paths make the gradient, `check`
whether edges do, and all get the same answer to the same question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import SMALLEST, rounded_to_dtype, unit

# roundings of torch's, at most, where a formula has one: its kernels take steps of their own, and so does this program
EACH = 4
# of a number: nobody is told of less, since libraries differ in their last digits, and sums in their order
LEAST = 1e-9
OF_A_DERIVATIVE = 2  # where a local derivative meets a gradient: that of the one and that of their product
GROSSLY = 1e4  # times as far apart as rounding can be is certainly wrong


def rounding_share(dtype: str | None, roundings: float = 1) -> float:
    """How far so many roundings may carry a number, as a part of it.

    >>> [rounding_share(dtype, OF_A_DERIVATIVE) for dtype in ("float64", "float32", "float16", "bfloat16")]
    [1e-09, 4.76837158203125e-07, 0.00390625, 0.03125]
    """
    return max(LEAST, EACH * roundings * unit(dtype))


def smallest(dtype: str | None, roundings: float = 1) -> float:
    """How far they may carry a number that is smaller than all normal numbers."""
    return EACH * roundings * SMALLEST.get(dtype or "", 0.0)


def allowed(dtype: str | None, roundings: float, size: Any) -> Any:
    """How far so many roundings may carry what was added up of numbers of this size."""
    return rounding_share(dtype, roundings) * size + smallest(dtype, roundings)


def equal(found: Any, kept: Any, apart: Any, dtype: str | None = None, size: Any = None) -> bool:
    """Whether arrays are no further apart than this, wherever they are finite; a dtype that is given may have been
    too small for numbers of this size.
    """
    if found.shape != kept.shape:
        return False
    with np.errstate(all="ignore"):
        same = (found == kept) | (np.isnan(found) & np.isnan(kept)) | (np.abs(found - kept) <= apart)
        if dtype is not None and not same.all():
            same |= ~np.isfinite(kept) & ~np.isfinite(
                rounded_to_dtype(np.asarray(found if size is None else size), dtype)
            )
        return bool(np.all(same))


def is_near(product: float, leaving: float, dtype: str) -> bool:
    """Whether a local derivative times a gradient is what flowed on, where all are single numbers; what it denies,
    `reproduces` may still see to be true.
    """
    return abs(product - leaving) <= rounding_share(dtype, OF_A_DERIVATIVE) * abs(product)


def sums_up(
    total: Any, parts: Sequence[Any], dtype: str | None, additions: int, *, least: float = LEAST, hidden: float = 0.0
) -> bool:
    """Whether a gradient is the sum of its parts; ``hidden`` is how large numbers may have been that cancelled
    inside of a part.
    """
    if any(part.shape != total.shape for part in parts):
        return False
    with np.errstate(all="ignore"):
        found = sum(parts[1:], start=parts[0])
        if np.array_equal(found, total):  # nearly always, and the quicker question
            return True
        size = np.sum(np.abs(parts), axis=0) + hidden
        apart = np.maximum(allowed(dtype, additions, size), least * size)
        return equal(np.asarray(found), total, apart, dtype, size)


def reproduces(local: Any, arrived: Any, grad: Any, dtype: str | None, operations: int = 1) -> bool | None:
    """Whether a local derivative times the gradient that arrived is the one that flowed on; None where they do not
    go together.
    """
    wide = np.complex128 if any(map(np.iscomplexobj, (local, arrived, grad))) else np.float64
    with np.errstate(all="ignore"):
        products = np.asarray(local, wide) * np.asarray(arrived, wide)
        found, there = summed_to(products, grad.shape), np.asarray(grad, wide)
        if found is None:
            return None
        # of a derivative below the normal numbers, and of a product
        lost = smallest(dtype) * (1 + np.abs(np.asarray(arrived, wide)))
        roundings = roundings_along(operations, products.size / max(there.size, 1))
        size = summed_to(np.abs(products), grad.shape)
        return equal(
            found,
            there,
            rounding_share(dtype, roundings) * size + summed_to(np.broadcast_to(lost, products.shape), grad.shape),
            dtype,
            size,
        )


def is_what_came(found: Any, size: Any, grad: Any, dtype: str | None, roundings: float, hidden: float = 0.0) -> bool:
    """Whether what derivatives make of a gradient is the one that flowed on; ``size`` is what they would make of it if
    nothing cancelled, and ``hidden`` how large numbers were that cancelled on the way.
    """
    with np.errstate(all="ignore"):
        apart = rounding_share(dtype, roundings) * (np.asarray(size) + hidden) + smallest(dtype, roundings)
        return equal(found, np.asarray(grad, found.dtype), apart, dtype, np.asarray(size))


def roundings_along(operations: int, copies: float) -> float:
    """The roundings along an edge into so many operations, which is summed over so many copies of an operand."""
    return OF_A_DERIVATIVE * max(operations, 1) + math.log2(max(copies, 1))


def summed_to(array: Any, shape: tuple[int, ...]) -> Any:
    """The array summed over the dimensions along which `shape` was broadcast to it; None if it was not."""
    extra = array.ndim - len(shape)
    if extra < 0 or any(want not in (1, have) for have, want in zip(array.shape[extra:], shape, strict=True)):
        return None
    narrow = tuple(i for i, (have, want) in enumerate(zip(array.shape[extra:], shape, strict=True)) if have != want)
    with np.errstate(all="ignore"):
        whole = array.sum(axis=tuple(range(extra))) if extra else array
        return np.asarray(whole.sum(axis=narrow, keepdims=True) if narrow else whole)


def as_came(found: Any, shape: tuple[int, ...]) -> Any:
    """What a formula gives, summed over the copies of a broadcast operand, or copied to all elements that went into
    one; None where it is neither.
    """
    if found is None or found.shape == shape:
        return found
    if found.size == 1:
        return np.broadcast_to(found.reshape(()), shape)
    return summed_to(found, shape)


def coarsest(dtypes: Iterable[str | None]) -> str:
    """The dtype that rounds most."""
    return max((dtype or "" for dtype in dtypes), key=unit, default="")


def dtype_around(graph: Graph, node: Node) -> str:
    """The dtype that rounds most of the result of an operation and of what it read: torch computes with each in its
    own.
    """
    return coarsest(
        port.dtype
        for port in (node.ports[0], *(graph.nodes[edge.tail].ports[edge.port] for edge in graph.in_edges(node.key)))
    )
