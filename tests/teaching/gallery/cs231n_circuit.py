"""The circuit (x + y)·z of CS231n: a sum passes on, a product swaps."""

from __future__ import annotations

from torch import Tensor

INPUTS = (-2.0, 5.0, -4.0)


def circuit(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    q = x + y
    f = q * z
    return f
