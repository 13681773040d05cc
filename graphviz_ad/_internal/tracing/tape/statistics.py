"""torch.Tensor -> Stats: what is kept of a tensor that is too big to be kept whole."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Stats
from graphviz_ad._internal.tracing.tape.reading import demand_memory, shown_memory
from graphviz_ad._internal.tracing.tape.torch_private import is_zeros

# dtypes that numpy lacks -> a wider one that holds every value exactly.
WIDER = {torch.bfloat16: torch.float32} | {
    getattr(torch, name): torch.float32 for name in dir(torch) if name.startswith("float8_")
}
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)  # of which torch computes next to nothing
BLOCK = 1 << 16  # elements that stay in the cache while they are looked at five times
MOST_PUT_IN_ORDER = 1 << 20  # elements that lie in another order in memory; more would take longer than all the rest
GOLDEN = (math.sqrt(5) - 1) / 2  # of whose multiples the fractions are all different


def statistics_of_tensor(tensor: Tensor) -> Stats | None:
    """Minimum, maximum, mean and norm; None for complex. On the CPU by numpy, which takes a third of torch's time
    for it, and with what tells orders apart.

    They are of all elements: half of the time goes into fetching these from memory, so that statistics of a sample
    beside an exact norm save little, and a norm of a sample would be wrong for gradients of embeddings, most of whose
    rows are zero.
    """
    plain, zeros = tensor.detach(), is_zeros(tensor)
    if not zeros:
        demand_memory(plain)
    if plain.is_complex():
        return None
    plain = plain.clone() if zeros else plain.resolve_neg()
    if plain.dtype in (torch.float16, *WIDER):
        plain = plain.float()
    elif plain.dtype in UNSIGNED:
        plain = plain.double()
    if plain.device.type == "cpu" and plain.dtype in (torch.float32, torch.float64):
        return _on_cpu(plain)
    low, high = torch.aminmax(plain)  # propagates NaN
    numbers = plain if plain.is_floating_point() else plain.double()
    minimum, maximum = float(low.item()), float(high.item())  # of truth values, too
    return Stats(
        minimum,
        maximum,
        numbers.mean().item(),
        torch.linalg.vector_norm(numbers).item(),
        _nonfinite(plain, minimum + maximum),
    )


def _on_cpu(plain: Tensor) -> Stats:
    memory = shown_memory(plain)
    in_order = memory.flags.c_contiguous or memory.size <= MOST_PUT_IN_ORDER
    flat = memory.ravel(order="C" if in_order else "K")  # else in whatever order it lies there
    ones, weights = _block_of_ones(flat.dtype), _block_of_weights(flat.dtype)
    minimum, maximum, total, squares, weighted = math.inf, -math.inf, 0.0, 0.0, 0.0
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK]
            # NaN stays NaN
            minimum, maximum = (
                np.minimum(minimum, np.minimum.reduce(block)),
                np.maximum(maximum, np.maximum.reduce(block)),
            )
            # adds up in many lanes at once: faster than a sum, and as exact
            total += float(np.dot(block, ones[: block.size]))
            squares += float(np.dot(block, block))
            weighted += float(np.dot(block, weights[: block.size])) * _weight_of_block(start // BLOCK)
        both = float(minimum) + float(maximum)
    return Stats(
        float(minimum),
        float(maximum),
        total / flat.size,
        _square_root(plain, squares),
        _nonfinite(plain, both),
        weighted if in_order else None,
    )


@cache
def _block_of_ones(dtype: Any) -> Any:
    return np.ones(BLOCK, dtype)


@cache
def _block_of_weights(dtype: Any) -> Any:
    """A number between −1 and 1 for each place, like drawn at random and always the same."""
    places = np.arange(1, BLOCK + 1, dtype=np.float64)
    return (2 * np.modf(places * places * GOLDEN)[0] - 1).astype(dtype)


def _weight_of_block(number: int) -> float:
    """The same between 1 and 2 for a block."""
    return 1 + (number * GOLDEN) % 1


def _square_root(plain: Tensor, squares: float) -> float:
    """The square root of the sum of squares, which is asked for in double precision where a square may have been too
    big or too small.
    """
    return math.sqrt(squares) if 1e-30 < squares < 1e30 else float(torch.linalg.vector_norm(plain.double()))


def _nonfinite(plain: Tensor, witness: float) -> int:
    """How many elements are not finite; if any is, a number that all of them went into is not finite either, so that
    a count is seldom needed.
    """
    return 0 if math.isfinite(witness) else int((~torch.isfinite(plain)).sum().item())
