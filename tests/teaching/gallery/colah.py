"""Colah's (a + b)(b + 1): two paths lead to b, and 2 + 3 = 5."""

from __future__ import annotations

from torch import Tensor

INPUTS = (2.0, 1.0)


def colah(a: Tensor, b: Tensor) -> Tensor:
    c = a + b
    d = b + 1
    e = c * d
    return e
