"""What holds for every program, tried on programs made at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from programs import Square, assert_sound, autograd_names, leaf, reached_names, state_of, world
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad.capture import Capture
from graphviz_ad.chain_rule import check

EVERYTHING = Capture(values="full", gradients="full")


class Swap(torch.autograd.Function):
    """Two results, in the other order."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return y * 2, x * 3

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return h * 3, g * 2


def scaled_in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y.mul_(2)
    return y


def written_in_part(x: Tensor) -> Tensor:
    y = x.clone()
    y[0] = y[1] * 3
    return y


def untracked(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 2


def clipped(x: Tensor) -> Tensor:
    return x.clamp(-1, 1) if x.sum() > 0 else x.tanh()


# Each takes tensors of 3 numbers to one of 3 numbers.
ONE: list[Callable[[Tensor], Tensor]] = [
    torch.sin,
    lambda x: x.tanh() * 0.5,
    lambda x: 2 - x,
    lambda x: 1 / (x * x + 1),
    lambda x: 1.5 ** x.tanh(),
    lambda x: x.reshape(3, 1).T[0],
    lambda x: torch.softmax(x, 0),
    lambda x: x - x.mean(),
    lambda x: x.detach() * x,
    lambda x: untracked(x) + x,
    lambda x: torch.cat(torch.split(x, [1, 2])[::-1]),
    lambda x: x.sort()[0],
    lambda x: torch.stack(x.unbind()[::-1]),
    lambda x: x[[0, 2, 2]],
    lambda x: (x > 0).double() * x,
    lambda x: torch.nn.functional.normalize(x, dim=0),
    lambda x: torch.cumsum(x, 0),
    lambda x: Square.apply(x.tanh()),
    scaled_in_place,
    written_in_part,
    clipped,
]
TWO: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: x - 2 * y,
    lambda x, y: x / (y * y + 1),
    lambda x, y: torch.maximum(x, y),
    lambda x, y: x * y.sum(),
    lambda x, y: torch.outer(x, y) @ x,
    lambda x, y: (x[:, None] + y).sum(1),
    lambda x, y: x * (x @ y),
    lambda x, y: torch.where(x > y, x, y * 2),
    lambda x, y: torch.nn.functional.linear(torch.outer(x, y), torch.outer(y, y), y)[0].tanh(),
    lambda x, y: torch.einsum("i,j->ji", x, y).sum(0),
    lambda x, y: sum(Swap.apply(x, y)),
    lambda x, y: torch.std_mean(torch.stack([x, y]), 0)[1],
]

Step = tuple[int, int, int]


def program(steps: list[Step]) -> Callable[[Tensor, Tensor], Tensor]:
    """A function whose n-th step applies an operation to two of the results so far."""

    def run(x: Tensor, y: Tensor) -> Tensor:
        found = [x, y]
        for which, first, second in steps:
            a, b = found[first % len(found)], found[second % len(found)]
            found.append(ONE[which](a) if which < len(ONE) else TWO[which - len(ONE)](a, b))
        return found[-1] + found[-2].sum()

    return run


number = st.floats(-2, 2, allow_nan=False).map(lambda n: round(n, 2))
vector = st.lists(number, min_size=3, max_size=3)
step = st.tuples(st.integers(0, len(ONE) + len(TWO) - 1), st.integers(0, 9), st.integers(0, 9))


def every_operation() -> list[list[Step]]:
    return [[(which, 0, 1), (which, 2, 1)] for which in range(len(ONE) + len(TWO))]


def assert_true(steps: list[Step], first: list[float], second: list[float]) -> None:
    """The trace of a program says what torch says without it, and changes nothing."""
    function, x, y = program(steps), leaf(*first), leaf(*second)
    plain = function(x, y)
    names = autograd_names(plain)
    expected = torch.autograd.grad(plain, (x, y), torch.ones_like(plain), allow_unused=True)
    gad.trace(torch.sin, 1.0)  # torch loads some of itself when a mode is first used
    before = (world(), state_of(x, y))

    graph = gad.trace(function, x, y, capture=EVERYTHING)

    assert (world(), state_of(x, y)) == before
    (output,) = graph.outputs
    assert output.value is not None
    np.testing.assert_array_equal(output.value.array, plain.detach().numpy())
    for name, gradient in zip("xy", expected, strict=True):
        (node,) = [node for node in graph.node_list if node.name == name and node.kind == "leaf"]
        assert (node.grad is None) == (gradient is None)
        if node.grad is not None and gradient is not None:
            np.testing.assert_array_equal(node.grad.array, gradient.numpy())
    assert_sound(graph, 1e-9)
    assert check(graph, 1e-9).ok
    assert graph.detail is not None
    assert reached_names(graph.detail) == names


@pytest.mark.parametrize("steps", every_operation(), ids=str)
def test_a_trace_of_every_operation_is_true(steps: list[Step]) -> None:
    assert_true(steps, [0.5, -1.0, 2.0], [1.5, 0.25, -0.5])


@settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate])
@given(steps=st.lists(step, min_size=1, max_size=8), first=vector, second=vector)
def test_a_trace_of_any_program_is_true(steps: list[Step], first: list[float], second: list[float]) -> None:
    assert_true(steps, first, second)
