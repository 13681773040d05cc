"""A detached result is data: no gradient flows through it."""

from __future__ import annotations

from torch import Tensor

INPUTS = ([0.0, 1.0, 2.0, 3.0],)


def stop(x: Tensor) -> Tensor:
    y = x * x
    u = y.detach()
    z = u * x
    s = z.sum()
    return s
