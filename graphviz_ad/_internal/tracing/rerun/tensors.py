"""Tensor -> array in full precision, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.tracing.tape.reading import copied_elements


def as_array(tensor: Tensor) -> Array:
    """The numbers of a tensor; a copy."""
    plain = tensor.detach()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    wide = plain.to("cpu", torch.complex128 if plain.is_complex() else torch.float64)
    return np.array(copied_elements(wide.resolve_conj().resolve_neg()))


def as_tensor(array: Array) -> Tensor:
    """A tensor of these numbers."""
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
