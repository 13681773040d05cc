"""Local derivative × upstream gradient against what really flowed: an edge keeps only a derivative that agrees."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.graph.precision import added
from graphviz_ad._internal.graph.snapshot import Snapshot


def total(seeds: list[Snapshot | None]) -> Snapshot | None:
    """The sum of what is fed in at one result that was returned several times; the engine adds in the order in which they were returned."""
    known = [seed for seed in seeds if seed is not None]
    if len(known) < 2:
        return known[0] if known else None
    return added(known) or Snapshot(known[0].shape, known[0].dtype, missing=f"sum of {len(known)} gradients")


def verified(edge: Edge, head: Node) -> Edge:
    """The edge without its local derivative, if that does not reproduce the gradient that really flowed."""
    came = [port.grad for port in head.ports if port.grad is not None]
    if edge.local is None or edge.grad is None or not came:
        return edge
    factor, arriving, leaving = edge.local.data, came[0].data, edge.grad.data
    if type(factor) is float and type(arriving) is float and type(leaving) is float and edge.grad.dtype == "float64":
        return edge if _agree(factor * arriving, leaving) else replace(edge, local=None)
    local, upstream, grad = edge.local.array, came[0].array, edge.grad.array
    if local is None or upstream is None or grad is None or not (len(came) == 1 and fits_together(local.shape, upstream.shape)):
        return replace(edge, local=None)
    wide = np.complex128 if any(map(np.iscomplexobj, (local, upstream, grad))) else np.float64
    with np.errstate(all="ignore"):
        products = np.asarray(local, wide) * np.asarray(upstream, wide)
        product = summed_to(products, grad.shape)
        there = np.asarray(grad, wide)
        close = product is not None and _all_close(product, there, tolerance(edge.grad.dtype) * summed_to(np.abs(products), grad.shape))
    return edge if close else replace(edge, local=None)


def _all_close(product: Any, there: Any, allowed: Any) -> bool:
    """Whether two arrays agree; nearly always to the last bit, which is the quicker question.

    A sum is off by as much as its terms were rounded, however small they leave it.
    """
    if np.array_equal(product, there):
        return True
    same = (product == there) | (np.isnan(product) & np.isnan(there)) | (np.abs(product - there) <= allowed + 1e-12)
    return bool(np.all(same))


def fits_together(local: tuple[int, ...], upstream: tuple[int, ...]) -> bool:
    """Whether a derivative may be elementwise, or that of a single number; that of a maximum along a dimension is neither."""
    return local == upstream or math.prod(upstream) == 1


def disagrees(edge: Edge, head: Node) -> bool:
    """Whether all three numbers are known in full precision, real and finite, and one for each element, so that a wrong product is more than rounding."""
    if edge.local is None or head.grad is None or not fits_together(edge.local.shape, head.grad.shape):
        return False
    snapshots = (edge.local, head.grad, edge.grad)
    arrays = [snapshot.array for snapshot in snapshots if snapshot is not None and snapshot.dtype in ("float64", "float32")]
    known = [array for array in arrays if array is not None and array.size and np.isfinite(array).all()]
    return len(known) == len(snapshots)


def _agree(product: float, grad: float) -> bool:
    return math.isclose(product, grad, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(product) and math.isnan(grad))


LOW = {"float16": 2e-2, "bfloat16": 2e-2, "complex32": 2e-2, "float32": 1e-4, "complex64": 1e-4}


def tolerance(dtype: str) -> float:
    """How far a product may be off in a precision."""
    return 0.2 if dtype.startswith("float8") else LOW.get(dtype, 1e-9)


def summed_to(array: Any, shape: tuple[int, ...]) -> Any:
    """The array summed over the dimensions along which `shape` was broadcast to it; None if it was not."""
    extra = array.ndim - len(shape)
    if extra < 0:
        return None
    array = array.sum(axis=tuple(range(extra))) if extra else array
    for axis, (have, want) in enumerate(zip(array.shape, shape, strict=True)):
        if have != want:
            if want != 1:
                return None
            array = array.sum(axis=axis, keepdims=True)
    return array
