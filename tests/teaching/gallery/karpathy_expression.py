"""L = (a·b + c)·f, as in micrograd's lecture."""

from __future__ import annotations

from torch import Tensor

INPUTS = (2.0, -3.0, 10.0, -2.0)


def expression(a: Tensor, b: Tensor, c: Tensor, f: Tensor) -> Tensor:
    e = a * b
    d = e + c
    L = d * f
    return L
