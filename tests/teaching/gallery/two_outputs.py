"""Two outputs, each with its own upstream gradient: 4·0.25 + 8·0.25 = 3."""

from __future__ import annotations

import torch
from torch import Tensor, tensor

INPUTS = (4.0,)
GRAD_OUTPUTS = (tensor(4.0).double(), tensor(8.0).double())


def branches(x: Tensor) -> tuple[Tensor, Tensor]:
    y1 = torch.sqrt(x)
    y2 = torch.sqrt(x)
    return y1, y2
