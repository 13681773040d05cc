"""Programs that fit on a slide, traced once: what the tests of words, stories and pictures read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import graphviz_ad as gad


def square(x: Tensor) -> Tensor:
    y = x * x
    return y


def fan_out(x: Tensor) -> Tensor:
    a = 2 * x
    b = torch.sin(x)
    c = a + b
    return c - x


def colah(a: Tensor, b: Tensor) -> Tensor:
    c = a + b
    d = b + 1
    e = c * d
    return e


def seed(x1: Tensor, x2: Tensor) -> Tensor:
    return (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2


def broadcast(X: Tensor, b: Tensor) -> Tensor:
    Y = X + b
    return Y


def detach(x: Tensor) -> Tensor:
    y = x * x
    u = y.detach()
    z = u * x
    s = z.sum()
    return s


def two_outputs(x: Tensor) -> tuple[Tensor, Tensor]:
    y1 = torch.sqrt(x)
    y2 = torch.sqrt(x)
    return y1, y2


def reused_output(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * x
    z = 3 * y
    return y, z


def several_results(x: Tensor) -> Tensor:
    low, high = x.chunk(2)
    s = low * high + low
    return s.sum()


def matrix(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    z = x @ W + b
    h = torch.relu(z)
    loss = (h**2).mean()
    return loss


def unused(x: Tensor, y: Tensor) -> Tensor:
    z = y * y
    del z
    return 3 * x


@gad.trackable_function
class Sigma(torch.autograd.Function):
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


def own_function(x: Tensor, w: Tensor) -> Tensor:
    s = Sigma.apply(w * x)
    return s


def not_a_number(x: Tensor) -> Tensor:
    r = torch.sqrt(x)
    m = torch.where(x > 0, r, 0.0)
    return m.sum()


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.second = nn.Linear(3, 1)
        for parameter in self.parameters():
            nn.init.constant_(parameter, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x))).sum()


NUMBERS = torch.float64
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Any]] = {
    "square": (square, (3.0,), None),
    "fan_out": (fan_out, (0.5,), None),
    "colah": (colah, (2.0, 1.0), None),
    "seed": (seed, (1.5, 0.5), None),
    "broadcast": (
        broadcast,
        ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0.5, -0.5]),
        torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=NUMBERS),
    ),
    "detach": (detach, ([0.0, 1.0, 2.0, 3.0],), None),
    "two_outputs": (two_outputs, (4.0,), (torch.tensor(4.0, dtype=NUMBERS), torch.tensor(8.0, dtype=NUMBERS))),
    "reused_output": (reused_output, (2.0,), None),
    "several_results": (several_results, ([1.0, 2.0, 3.0, 4.0],), None),
    "matrix": (matrix, ([1.0, 2.0], [[1.0, 0.0], [2.0, 1.0]], [0.5, -0.5]), None),
    "unused": (unused, (2.0, 5.0), None),
    "own_function": (own_function, (0.5, 2.0), None),
    "not_a_number": (not_a_number, ([0.0, 4.0],), None),
}


@cache
def graph(name: str) -> gad.Graph:
    """The traced program."""
    function, inputs, upstream = PROGRAMS[name]
    return gad.trace(function, *inputs, grad_outputs=upstream)


@cache
def network() -> gad.Graph:
    """A module with frames in it."""
    return gad.trace(TwoLayers().double(), torch.ones(1, 2, dtype=NUMBERS))


@cache
def film(name: str, direction: str = "both") -> gad.Animation:
    """The film of a program."""
    return graph(name).animate(direction, layout="layered")


@cache
def picture(name: str) -> gad.Picture:
    """The still of a program."""
    return graph(name).plot(layout="layered")
