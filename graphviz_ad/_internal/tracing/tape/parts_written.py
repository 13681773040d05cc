"""A write to a part of a tensor -> which of its elements it wrote to: those of an index or a mask.

The same write is done again, to marks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.operations.traits import FILLS_MASKED
from graphviz_ad._internal.tracing.tape.reading import copied_elements
from graphviz_ad._internal.tracing.tape.torch_private import hidden_from_modes

# operation -> marks, and its arguments but the target -> marks that are set where it writes
AT_INDEX: Mapping[str, Callable[..., Any]] = {
    "index_put_": lambda marks, indices, *_: marks.index_put_(indices, torch.tensor(True)),
    "_index_put_impl_": lambda marks, indices, *_: marks.index_put_(indices, torch.tensor(True)),
    "index_copy_": lambda marks, dim, index, *_: marks.index_fill_(dim, index, True),
    "index_fill_": lambda marks, dim, index, *_: marks.index_fill_(dim, index, True),
    "scatter_": lambda marks, dim, index, *_: marks.scatter_(dim, index, True),
    f"{FILLS_MASKED}_": lambda marks, mask, *_: marks.masked_fill_(mask, True),
    "masked_scatter_": lambda marks, mask, *_: marks.masked_fill_(mask, True),
}
READS_TOO = {"accumulate", "reduce"}  # arguments with which it reads what was there


def writes_a_part(name: str, named: Sequence[tuple[str, Any]]) -> bool:
    """Whether an operation with these arguments, by name, writes to some elements and reads none of those."""
    return name in AT_INDEX and not any(argument in READS_TOO and value for argument, value in named)


def part_written(name: str, named: Sequence[tuple[str, Any]], target: Tensor) -> Any:
    """Which elements of the target were written, as an array of its shape; None where that cannot be told."""
    if not writes_a_part(name, named):
        return None
    _, *rest = [value for argument, value in named if argument not in READS_TOO]
    with hidden_from_modes(), torch.no_grad():
        try:
            marks = torch.zeros(target.shape, dtype=torch.bool, device="cpu")
            return copied_elements(AT_INDEX[name](marks, *rest))
        except (RuntimeError, TypeError, IndexError, ValueError):
            return None
