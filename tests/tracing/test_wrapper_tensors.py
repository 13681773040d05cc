"""Tensors that only stand for others, which have no memory: what runs in their handlers runs once, and is read by
nobody.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

import graphviz_ad as gad


class Lazy(Tensor):
    """Stands for another tensor, and gives that to whatever computes, as what comes of a collective does."""

    ran: ClassVar[list[str]] = []
    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Lazy:
        made: Lazy = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, inner.shape, dtype=inner.dtype, device=inner.device, requires_grad=False
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.ran.append(str(func))
        args, kwargs = tree_map(lambda thing: thing.inner if isinstance(thing, Lazy) else thing, (args, kwargs or {}))
        return func(*args, **kwargs)


class Wrap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return Lazy(x.clone())

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


class Watching(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


POINTWISE = {
    "pow": lambda y: (y**2).sum(),
    "mul": lambda y: (y * y).sum(),
    "exp": lambda y: y.exp().sum(),
    "div": lambda y: (3 / y).sum(),
}


@pytest.mark.parametrize("watch", [nullcontext, Watching])
@pytest.mark.parametrize("name", POINTWISE)
def test_no_node_that_keeps_a_wrapper_is_run_again(name: str, watch: Any) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def run() -> tuple[Tensor | None, list[str]]:
        x.grad = None
        Lazy.ran.clear()
        with watch():
            POINTWISE[name](Wrap.apply(x)).backward()
        return x.grad, list(Lazy.ran)

    grad, ran = run()
    with gad.record() as recording:
        grad_recorded, ran_recorded = run()
    assert ran_recorded == ran
    assert grad is not None
    assert grad_recorded is not None
    assert torch.equal(grad_recorded, grad)
    (leaf,) = (node for node in recording.graph.node_list if node.kind == "leaf")
    assert leaf.grad is not None
    assert leaf.grad.array is not None
    assert leaf.grad.array.tolist() == grad.tolist()


def test_tracing_runs_no_handler_more_often_than_the_program() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for program in POINTWISE.values():
        Lazy.ran.clear()
        program(Wrap.apply(x)).backward()
        ran = list(Lazy.ran)
        Lazy.ran.clear()
        gad.trace(lambda x, program=program: program(Wrap.apply(x)), x)
        assert ran == Lazy.ran
