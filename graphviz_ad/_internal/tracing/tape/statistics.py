"""torch.Tensor -> Stats: what is kept of a tensor that is too big to be kept whole."""

from __future__ import annotations

import math
import weakref

import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Stats
from graphviz_ad._internal.tracing.tape.one_pass import SHARED, Row, row_of_array, row_of_memory
from graphviz_ad._internal.tracing.tape.reading import NUMPY, demand_memory, readable_address, shown_memory
from graphviz_ad._internal.tracing.tape.torch_private import (
    computed_in_threads,
    is_zeros,
    memory_of_tensor,
    parallel_region,
    version_of,
)

# dtypes that numpy lacks -> a wider one that holds every value exactly.
WIDER = {torch.bfloat16: torch.float32} | {
    getattr(torch, name): torch.float32 for name in dir(torch) if name.startswith("float8_")
}
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)  # of which torch computes next to nothing
DIRECT = (torch.float32, torch.float64)  # are read where they lie
Where = tuple[int | None, int, int, torch.dtype]  # a memory, where elements begin, how many, of which dtype
COMPUTED_BY_SEVERAL = 1 << 16  # elements: twice as many as torch gives one thread
MOST_PUT_IN_ORDER = 1 << 20  # elements that lie in another order in memory; more would take longer than all the rest


def note_threads(result: Tensor) -> None:
    """Note that torch has just computed this in its threads, if it is so large that it did."""
    is_large = result.numel() >= COMPUTED_BY_SEVERAL and type(result) is Tensor
    if is_large and result.is_cpu and result.layout == torch.strided and torch.get_num_threads() > 1:
        computed_in_threads()


def statistics_of_tensor(tensor: Tensor) -> Stats | None:
    """Minimum, maximum, mean and norm; None for complex. On the CPU by `one_pass`, and with what tells orders apart.

    They are of all elements: most of the time goes into fetching these from memory, so that statistics of a sample
    beside an exact norm save little, and a norm of a sample would be wrong for gradients of embeddings, most of whose
    rows are zero.
    """
    zeros = is_zeros(tensor)
    if tensor.dtype in DIRECT and tensor.is_cpu and not zeros and not tensor.is_neg():  # the usual case
        return _on_cpu(tensor)
    plain = tensor.detach()
    if not zeros:
        demand_memory(plain)
    if plain.is_complex():
        return None
    plain = plain.clone() if zeros else plain.resolve_neg()
    if plain.dtype in (torch.float16, *WIDER):
        plain = plain.float()
    elif plain.dtype in UNSIGNED:
        plain = plain.double()
    if plain.device.type == "cpu" and plain.dtype in DIRECT:
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


def _on_cpu(tensor: Tensor) -> Stats:
    row, in_order = _row_of(tensor)
    return Stats(
        row.least,
        row.most,
        row.total / tensor.numel(),
        _square_root(tensor, row.squares),
        _nonfinite(tensor, row.least + row.most),
        row.weighted if in_order else None,
    )


def _row_of(tensor: Tensor) -> tuple[Row, bool]:
    """What is found out about the elements, and whether that was in their order."""
    plain, threads = tensor, torch.get_num_threads()
    region = parallel_region() if threads > 1 and tensor.numel() >= SHARED else None
    if not tensor.is_contiguous():
        demand_memory(tensor)
        plain = tensor.detach()
        if tensor.numel() <= MOST_PUT_IN_ORDER:
            plain = plain.contiguous()  # torch does that several times as fast as numpy
    if plain.is_contiguous():
        address = readable_address(plain)
        known = _found_already(address, plain) if plain.numel() > MOST_PUT_IN_ORDER else None
        found = known or row_of_memory(address, plain.numel(), NUMPY[plain.dtype], threads, region)
        if found is not None:
            return found, True
    memory = shown_memory(plain)
    in_order, row = memory.flags.c_contiguous, memory.ravel(order="K")  # else in whatever order it lies there
    found = row_of_array(row, threads, region)
    if not in_order and not tensor.is_inference():
        address = row.__array_interface__["data"][0]
        _last[:] = [(weakref.ref(tensor), version_of(tensor), _where(address, tensor), found)]
    return found, in_order


# The last big tensor that was gone through as it lies in memory, in another order than its own, how often it had been
# written to, where it lies, and what was found: the gradient of a matrix that was transposed comes so, and next in
# order. It is read once.
_last: list[tuple[weakref.ref[Tensor], int, Where, Row]] = []


def _where(address: int, tensor: Tensor) -> Where:
    return memory_of_tensor(tensor), address, tensor.numel(), tensor.dtype


def _found_already(address: int, tensor: Tensor) -> Row | None:
    """What is known of this memory, unless it was let go of or written to since."""
    for reference, version, where, found in _last[:]:
        other = reference()
        if (
            other is not None
            and where == _where(address, tensor)
            and where[0] is not None
            and where[0] == memory_of_tensor(other)
            and version == version_of(other)
        ):
            return found
    return None


def _square_root(tensor: Tensor, squares: float) -> float:
    """The square root of the sum of squares, which is asked for in double precision where a square may have been too
    big or too small.
    """
    return math.sqrt(squares) if 1e-30 < squares < 1e30 else float(torch.linalg.vector_norm(tensor.detach().double()))


def _nonfinite(tensor: Tensor, witness: float) -> int:
    """How many elements are not finite; if any is, a number that all of them went into is not finite either, so that
    a count is seldom needed.
    """
    return 0 if math.isfinite(witness) else int((~torch.isfinite(tensor.detach())).sum().item())
