"""A bias is copied to every row, so what flows back is summed over the rows."""

from __future__ import annotations

from torch import Tensor, tensor

INPUTS = ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0.5, -0.5])
GRAD_OUTPUTS = tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).double()


def add_bias(X: Tensor, b: Tensor) -> Tensor:
    Y = X + b
    return Y
