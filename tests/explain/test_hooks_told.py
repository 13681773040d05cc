"""Hooks of every kind are told with what they changed, for tensors of any size; where none is, none is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph

SIZES = (3, 400)  # kept element by element, and as statistics


def recorded(
    size: int, hang: Callable[[Tensor, Tensor], object], module: nn.Module | None = None
) -> tuple[Graph, Tensor]:
    """The graph of a small program with a hook on it, and its parameter."""
    torch.manual_seed(0)
    model = nn.ParameterDict({"w": torch.linspace(1, 2, size)})
    w = model["w"]
    with gad.record(model) as recording:
        h = w * 2
        hang(w, h)
        (module(h) if module is not None else h).sum().backward()
    return recording.graph, w


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [0.0, 3.0, -1.0])
def test_a_hook_on_a_tensor_is_told(size: int, factor: float) -> None:
    graph, _ = recorded(size, lambda w, h: h.register_hook(lambda g: g * factor))
    assert graph.notices == ("A hook changed the gradient of h after the edges had been added up.",)
    assert "A hook made that of the" in graph.why("h")
    assert ("a hook made it 0." in graph.why("w")) == (factor == 0)


@pytest.mark.parametrize("size", SIZES)
def test_a_hook_on_a_node_is_told(size: int) -> None:
    graph, _ = recorded(size, lambda w, h: h.grad_fn.register_prehook(lambda grads: (grads[0] * 5,)))  # type: ignore[union-attr]
    assert "A hook made that of the" in graph.why("h")


def test_a_hook_behind_a_node_is_told_with_what_came_and_what_went() -> None:
    graph, _ = recorded(3, lambda w, h: h.grad_fn.register_hook(lambda into, out: (into[0] * 5, None)))  # type: ignore[union-attr]
    assert "[1, 1, 1] arrived, and [10, 10, 10] went back: a hook changed it, or rounding did." in graph.why("w")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pre", [True, False])
def test_a_hook_on_a_module_is_told(size: int, pre: bool) -> None:
    layer = nn.Linear(size, size)
    if pre:
        layer.register_full_backward_pre_hook(lambda module, out: (out[0] * 9,))
    else:
        layer.register_full_backward_hook(lambda module, into, out: (into[0] * 9,))  # type: ignore[arg-type,return-value]
    graph, _ = recorded(size, lambda w, h: None, layer)
    assert any("A hook of a module changed the gradient" in text for text in graph.notices)


@pytest.mark.parametrize("size", SIZES)
def test_a_hook_after_accumulation_is_told(size: int) -> None:
    def scaled(p: Tensor) -> None:
        assert p.grad is not None
        p.grad.mul_(7)

    def dropped(p: Tensor) -> None:
        p.grad = None

    graph, _ = recorded(size, lambda w, h: w.register_post_accumulate_grad_hook(scaled))
    assert "of which a hook made" in graph.why("w")
    graph, w = recorded(size, lambda w, h: w.register_post_accumulate_grad_hook(dropped))
    assert w.grad is None
    assert "which a hook took away. At the end it is None." in graph.why("w")


@pytest.mark.parametrize("size", SIZES)
def test_a_hook_that_only_looks_is_not_said_to_change_anything(size: int) -> None:
    layer = nn.Linear(size, size)
    layer.register_full_backward_hook(lambda module, into, out: None)
    seen: list[Tensor] = []
    graph, _ = recorded(size, lambda w, h: h.register_hook(lambda g: seen.append(g)), layer)
    assert graph.notices == ()
    assert not re.search(r"\b[Aa] hook", graph.why("w") + graph.why("h"))


@pytest.mark.parametrize("size", [400, 5000])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_sums_of_large_gradients_that_round_are_no_hooks(size: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    w = torch.randn(size, dtype=dtype, requires_grad=True)
    graph = gad.trace(lambda w: sum((w * torch.randn(size, dtype=dtype)).tanh().sum() for _ in range(6)), w)
    assert not any("hook" in text for text in graph.notices)
