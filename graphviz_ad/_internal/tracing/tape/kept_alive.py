"""An autograd node of a custom Function -> what keeps it alive: in some versions of torch, Python's hold on it does
not.

There only tensors and other nodes own it, and torch refuses, or crashes, once Python touches what these have let go of.
A node of a view that leads to it owns it. It is made in a thread of its own, whose count of nodes is not the program's,
and in which no mode or hook of the user is open.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.tracing.tape.torch_private import is_wrapper


def owner_of(node: Any, tensor: Tensor) -> Any:
    """What has to be held, besides the node that made a tensor, as long as that node is to be touched; None where
    nothing has to.
    """
    if not isinstance(node, torch.autograd.function.BackwardCFunction) or lives_while_it_is_held():
        return None
    return _in_a_thread(lambda: _view_of(tensor))


def _view_of(tensor: Tensor) -> Any:
    """The node of a view of a tensor; one that has no views, or has a handler that would run, is held itself."""
    if is_wrapper(tensor):
        return tensor
    try:
        return tensor.view_as(tensor).grad_fn
    except (RuntimeError, NotImplementedError):
        return tensor


@cache
def lives_while_it_is_held() -> bool:
    """Whether Python's hold on the node of a custom Function is enough; tried once a process."""

    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0]

    def answers() -> bool:
        apply: Any = Same.apply
        node = apply(torch.zeros((), requires_grad=True)).grad_fn
        try:
            node.name()
        except RuntimeError:
            return False
        return True

    return bool(_in_a_thread(answers))


def _in_a_thread(function: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
