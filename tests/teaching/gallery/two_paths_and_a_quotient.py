"""(1 + sin x2) / (x2 + exp x1) + x1·x2: three paths lead to x2."""

from __future__ import annotations

import torch
from torch import Tensor

INPUTS = (1.5, 0.5)


def f(x1: Tensor, x2: Tensor) -> Tensor:
    return (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2
