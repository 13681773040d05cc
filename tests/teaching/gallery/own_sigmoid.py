"""A Function of one's own is one node, under the name that it has been given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphviz_ad import trackable_function

INPUTS = (2.0, -1.0, 0.5)


@trackable_function
class Sigmoid(torch.autograd.Function):
    name = r"$\sigma$"

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradients[0] * y * (1 - y)


def neuron(w: Tensor, x: Tensor, b: Tensor) -> Tensor:
    s = w * x + b
    p = Sigmoid.apply(s)
    return p
