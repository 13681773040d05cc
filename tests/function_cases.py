"""Custom Functions with backwards that are wrong in one way each, and some that are right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphviz_ad._internal.check import backward_faults as kinds

Apply = Callable[..., Any]
SEED = 5


def drawn(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Random tensors that require grad, the same each time."""
    generator = torch.Generator().manual_seed(SEED)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def made(name: str, forward: Apply, backward: Apply) -> type[torch.autograd.Function]:
    """A Function; ``forward`` takes its inputs, ``backward`` the gradient and its inputs."""

    def run_forward(ctx: Any, *inputs: Tensor) -> Any:
        ctx.save_for_backward(*inputs)
        return forward(*inputs)

    def run_backward(ctx: Any, *grads: Tensor) -> Any:
        return backward(*grads, *ctx.saved_tensors)

    return type(
        name, (torch.autograd.Function,), {"forward": staticmethod(run_forward), "backward": staticmethod(run_backward)}
    )


class Case(NamedTuple):
    """What is called with what; ``wrong``: input -> kind of the fault, by the names that `made` gives."""

    forward: Apply
    backward: Apply
    shapes: tuple[tuple[int, ...], ...]
    wrong: Mapping[int, str] = MappingProxyType({})
    dtype: torch.dtype = torch.float64


def scattered(g: Tensor, x: Tensor) -> Tensor:
    """The gradient of x[[0, 2, 2]], of which one is lost that should have been added."""
    found = torch.zeros_like(x)
    found[[0, 2, 2]] = g
    return found


def through_detached(g: Tensor, x: Tensor) -> Tensor:
    """A gradient that is taken by autograd, of a copy that nothing leads to."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad((x.detach().sin() + 0 * leaf).sum(), leaf)[0] * g


M, ROW, SQUARE = (4, 3), (3,), (3, 3)
WRONG: dict[str, Case] = {
    "twice": Case(lambda x: x * x, lambda g, x: 4 * x * g, (M,), {0: kinds.FACTOR}),
    "half": Case(lambda x: x * x, lambda g, x: x * g, (M,), {0: kinds.FACTOR}),
    "sign": Case(torch.cos, lambda g, x: x.sin() * g, (M,), {0: kinds.SIGN}),
    "inner factor": Case(lambda x: (3 * x).sin(), lambda g, x: (3 * x).cos() * g, (M,), {0: kinds.FACTOR}),
    "inner derivative": Case(lambda x: (x * x).exp(), lambda g, x: (x * x).exp() * g, (M,), {0: kinds.ELEMENTWISE}),
    "no mean": Case(lambda x: x.mean(), lambda g, x: g.expand(x.shape), (M,), {0: kinds.FACTOR}),
    "mean for sum": Case(lambda x, b: x + b, lambda g, x, b: (g, g.mean(0)), (M, ROW), {1: kinds.FACTOR}),
    "weight the wrong way": Case(
        lambda x, w: x @ w, lambda g, x, w: (g @ w, x.T @ g), (SQUARE, SQUARE), {0: kinds.TRANSPOSED}
    ),
    "gradient the wrong way": Case(
        lambda x, w: x @ w, lambda g, x, w: (g @ w.T, g.T @ x), (SQUARE, SQUARE), {1: kinds.TRANSPOSED}
    ),
    "not turned back": Case(lambda x: x.T * 2, lambda g, x: g * 2, (SQUARE,), {0: kinds.TRANSPOSED}),
    "rolled on": Case(lambda x: x.roll(1), lambda g, x: g.roll(1), ((5,),), {0: kinds.TRANSPOSED}),
    "summed from the wrong end": Case(lambda x: x.cumsum(0), lambda g, x: g.cumsum(0), ((5,),), {0: kinds.TRANSPOSED}),
    "first row": Case(lambda x, b: x + b, lambda g, x, b: (g, g[0]), (M, ROW), {1: kinds.MISSING_SUM}),
    "first column": Case(lambda x: x.expand(4, 3), lambda g, x: g[:, :1], ((4, 1),), {0: kinds.MISSING_SUM}),
    "first element": Case(
        lambda x, a: x * a, lambda g, x, a: (g * a, (g * x).flatten()[0]), (M, ()), {1: kinds.MISSING_SUM}
    ),
    "sum too many": Case(lambda x: x * 2, lambda g, x: (g * 2).sum().expand(x.shape), (M,), {0: kinds.OVERSUMMED}),
    "swapped": Case(lambda x, w: x * w, lambda g, x, w: (g * x, g * w), (M, M), {0: kinds.SWAPPED, 1: kinds.SWAPPED}),
    "two that arrive": Case(
        lambda x: (x.sin(), x.exp()), lambda g, h, x: g * x.exp() + h * x.cos(), (M,), {0: kinds.SWAPPED}
    ),
    "zeros": Case(torch.sin, lambda g, x: torch.zeros_like(x), (M,), {0: kinds.ZERO}),
    "detached": Case(torch.sin, through_detached, (M,), {0: kinds.ZERO}),
    "None": Case(lambda x, w: x * w, lambda g, x, w: (g * w, None), (M, M), {1: kinds.NONE}),
    "second only": Case(lambda x, w: x * w, lambda g, x, w: (g * w, 2 * g * x), (M, M), {1: kinds.FACTOR}),
    "sign of the second": Case(lambda x, w: x - w, lambda g, x, w: (g, g), (M, M), {1: kinds.SIGN}),
    "no square": Case(lambda x, w: x / w, lambda g, x, w: (g / w, -g * x / w), (M, M), {1: kinds.ELEMENTWISE}),
    "leaks too much": Case(lambda x: torch.where(x > 0, x, x / 10), lambda g, x: g, (M,), {0: kinds.PART}),
    "no mask": Case(torch.relu, lambda g, x: g, (M,), {0: kinds.PART}),
    "no sign": Case(torch.abs, lambda g, x: g, (M,), {0: kinds.PART}),
    "not clamped": Case(lambda x: x.clamp(-0.5, 0.5), lambda g, x: g, (M,), {0: kinds.PART}),
    "last one forgotten": Case(lambda x: x * 3, lambda g, x: torch.cat([3 * g[:-1], g[-1:]]), ((5,),), {0: kinds.PART}),
    "written over": Case(lambda x: x[[0, 2, 2]], scattered, (M,), {0: kinds.PART}),
    "no conjugate": Case(
        lambda x, w: x * w, lambda g, x, w: (g * w, g * x.conj()), (M, M), {0: kinds.CONJUGATE}, torch.complex128
    ),
    "conjugate result": Case(
        lambda x: 2j * x, lambda g, x: 2j * g.conj(), (M,), {0: kinds.CONJUGATE}, torch.complex128
    ),
    "constant": Case(torch.sin, lambda g, x: g * x.cos() + 1, (M,), {0: kinds.CONSTANT}),
    "ignores": Case(torch.sin, lambda g, x: x.cos(), (M,), {0: kinds.IGNORES}),
    "of the result": Case(lambda x: x * x, lambda g, x: 2 * (x * x) * g, (M,), {0: kinds.OF_RESULT}),
    "softmax without its sum": Case(lambda x: x.softmax(-1), lambda g, x: g * x.softmax(-1), (M,), {0: kinds.OTHER}),
}
RIGHT: dict[str, Case] = {
    "square": Case(lambda x: x * x, lambda g, x: 2 * x * g, (M,)),
    "sine": Case(torch.sin, lambda g, x: x.cos() * g, (M,)),
    "exp of square": Case(lambda x: (x * x).exp(), lambda g, x: 2 * x * (x * x).exp() * g, (M,)),
    "mean": Case(lambda x: x.mean(), lambda g, x: g.expand(x.shape) / x.numel(), (M,)),
    "sum": Case(lambda x: x.sum(0), lambda g, x: g.expand(x.shape), (M,)),
    "matmul": Case(lambda x, w: x @ w, lambda g, x, w: (g @ w.T, x.T @ g), (M, (3, 2))),
    "bias": Case(lambda x, b: x + b, lambda g, x, b: (g, g.sum(0)), (M, ROW)),
    "bias, summed by the engine": Case(lambda x, b: x + b, lambda g, x, b: (g, g), (M, ROW)),
    "scale": Case(lambda x, a: x * a, lambda g, x, a: (g * a, (g * x).sum()), (M, ())),
    "product": Case(lambda x, w: x * w, lambda g, x, w: (g * w, g * x), (M, M)),
    "quotient": Case(lambda x, w: x / w, lambda g, x, w: (g / w, -g * x / w**2), (M, M)),
    "transpose": Case(lambda x: x.T * 2, lambda g, x: g.T * 2, (M,)),
    "roll": Case(lambda x: x.roll(1), lambda g, x: g.roll(-1), ((5,),)),
    "cumsum": Case(lambda x: x.cumsum(0), lambda g, x: g.flip(0).cumsum(0).flip(0), ((5,),)),
    "relu": Case(torch.relu, lambda g, x: g * (x > 0), (M,)),
    "abs": Case(torch.abs, lambda g, x: g * x.sign(), (M,)),
    "clamp": Case(lambda x: x.clamp(-0.5, 0.5), lambda g, x: g * (x.abs() < 0.5), (M,)),
    "largest": Case(lambda x: x.max(1).values, lambda g, x: g[:, None] * (x == x.max(1, keepdim=True).values), (M,)),
    "two results": Case(lambda x: (x.sin(), x.exp()), lambda g, h, x: g * x.cos() + h * x.exp(), (M,)),
    "complex product": Case(
        lambda x, w: x * w, lambda g, x, w: (g * w.conj(), g * x.conj()), (M, M), {}, torch.complex128
    ),
    "complex modulus": Case(torch.abs, lambda g, x: g * x / x.abs(), (M,), {}, torch.complex128),
    "real part": Case(lambda x: torch.view_as_real(x)[..., 0], lambda g, x: g + 0j, (M,), {}, torch.complex128),
    "softmax": Case(
        lambda x: x.softmax(-1),
        lambda g, x: (y := x.softmax(-1)) * (g - (g * y).sum(-1, keepdim=True)),
        (M,),
    ),
    "norm": Case(
        lambda x: x / x.norm(),
        lambda g, x: g / x.norm() - x * (g * x).sum() / x.norm() ** 3,
        (M,),
    ),
    "single precision": Case(lambda x: x.tanh(), lambda g, x: g * (1 - x.tanh() ** 2), (M,), {}, torch.float32),
    "half precision": Case(lambda x: x.tanh(), lambda g, x: g * (1 - x.tanh() ** 2), (M,), {}, torch.bfloat16),
    "halved on the way": Case(lambda x: x.half().sin(), lambda g, x: x.cos().half() * g, (M,)),
    "inverse": Case(torch.linalg.inv, lambda g, x: -torch.linalg.inv(x).T @ g @ torch.linalg.inv(x).T, (SQUARE,)),
    "gather": Case(
        lambda x: x[[0, 2, 2]], lambda g, x: torch.zeros_like(x).index_add(0, torch.tensor([0, 2, 2]), g), (M,)
    ),
    "constant": Case(lambda x: torch.ones_like(x), lambda g, x: torch.zeros_like(x), (M,)),
    "not of the second": Case(lambda x, w: x * 2, lambda g, x, w: (g * 2, None), (M, M)),
    "sorted": Case(lambda x: x.sort(0).values, lambda g, x: torch.zeros_like(x).scatter(0, x.argsort(0), g), (M,)),
}
