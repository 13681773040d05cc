"""Hooks of every kind are told with what they changed, for tensors of any size; where none is, none is told."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.explain.amounts import text_of
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.graph_files import from_json

HERE = "test_hooks_told.py:1"
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


ALIKE = "The two differ in what is not told here, as the order of their elements."


@pytest.mark.parametrize("turned", [lambda g: g.flip(0), lambda g: g.roll(1), lambda g: g.view(-1, 40).T.reshape(-1)])
@pytest.mark.parametrize("on_tensor", [True, False])
@pytest.mark.parametrize("factor", [None, 3.0])
def test_a_hook_that_puts_a_large_gradient_in_another_order_is_told(
    turned: Callable[[Tensor], Tensor], on_tensor: bool, factor: float | None
) -> None:
    w = torch.linspace(1, 2, 70_000, requires_grad=True)
    with gad.record() as recording:
        h = w * 2
        if on_tensor:
            h.register_hook(turned)
        else:
            h.grad_fn.register_prehook(lambda grads: (turned(grads[0]),))  # type: ignore[union-attr]
        loss = (h * w.detach()).sum() + (h.sum() * factor if factor is not None else 0)
        loss.backward()
    graph = recording.graph
    assert graph.notices == ("A hook changed the gradient of h after the edges had been added up.",)
    assert "A hook made that of the" in graph.why("h")
    assert (ALIKE in graph.why("h")) == (factor is None)  # of a sum of two, no norm is known
    assert from_json(graph.to_json()).why("h") == graph.why("h")


@pytest.mark.parametrize("way", [lambda g: g.T, lambda g: g.flip(0)])
def test_another_order_of_a_matrix_is_told_behind_a_transposition(way: Callable[[Tensor], Tensor]) -> None:
    w = torch.linspace(1, 2, 400).reshape(20, 20).requires_grad_()
    for hung in (False, True):
        w.grad = None
        with gad.record() as recording:
            h = w * 1
            if hung:
                h.register_hook(way)
            ((h.T * 1).T * w.detach()).sum().backward()
        assert bool(recording.graph.notices) == hung


def test_what_a_hook_makes_of_a_large_gradient_after_accumulation_is_told_apart_by_its_order() -> None:
    w = torch.linspace(1, 2, 400, requires_grad=True)

    def turned(leaf: Tensor) -> None:
        assert leaf.grad is not None
        leaf.grad = leaf.grad.flip(0)

    w.register_post_accumulate_grad_hook(turned)
    with gad.record() as recording:
        (w * w).sum().backward()
    assert "of which a hook made" in recording.graph.why("w")


@pytest.mark.parametrize("size", SIZES)
def test_a_hook_on_a_node_is_told(size: int) -> None:
    graph, _ = recorded(size, lambda w, h: h.grad_fn.register_prehook(lambda grads: (grads[0] * 5,)))  # type: ignore[union-attr]
    assert "A hook made that of the" in graph.why("h")


@pytest.mark.parametrize("change", [lambda g: g * 5, lambda g: g * 0, lambda g: g + 1e-3, lambda g: g * float("nan")])
@pytest.mark.parametrize("size", SIZES)
def test_a_hook_behind_a_node_is_told_with_what_came_and_what_went(
    size: int, change: Callable[[Tensor], Tensor]
) -> None:
    def quintupled(into: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
        return change(into[0]), None

    graph, w = recorded(size, lambda w, h: h.grad_fn.register_hook(quintupled))  # type: ignore[union-attr]
    assert graph.notices[:1] == ("A hook on the node of autograd changed what flows back from h.",)
    assert graph.find("h").hooks == ("quintupled",)
    came, went = ("[2, 2, 2]" if size == 3 else f"f32[{size}] of norm 40"), text_of(graph.find("w").grad)
    assert f"From h (mul, {HERE}) came {came}; a hook on its node of autograd made {went} of that." in (
        re.sub(r"test_hooks_told\.py:\d+", HERE, graph.why("w"))
    )
    assert w.grad is not None
    (edge,) = graph.in_edges(graph.find("h").key)[:1]
    assert edge.made == from_json(graph.to_json()).in_edges(edge.head)[0].made


@pytest.mark.parametrize("size", SIZES)
def test_hooks_behind_nodes_that_change_nothing_are_not_said_to(size: int) -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, *grads: Tensor) -> Tensor:
            return grads[0] * 2

    seen: list[str] = []

    def turned_round(into: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (into[0].flip(0),)

    def halved_in_place(into: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
        into[0].mul_(0.5)

    def program(w: Tensor, change: bool) -> Tensor:
        h = w.sin()
        y = Doubled.apply(h)  # type: ignore[no-untyped-call]
        for node in (h.grad_fn, y.grad_fn):
            node.register_hook(lambda into, out: seen.append("first"))
            node.register_hook(lambda into, out: tuple([g.clone() for g in into]))
            node.register_hook(lambda into, out: seen.append("last"))
        if change:
            y.grad_fn.register_hook(turned_round if size > 3 else halved_in_place)
        return (y * torch.linspace(1, 2, size)).sum()

    w = torch.linspace(1, 2, size, requires_grad=True)
    graph = gad.trace(program, w, gad.constant(False))
    assert graph.notices == ()
    assert not re.search(r"\b[Aa] hook", graph.why("w") + graph.why("h"))
    assert seen == ["first", "last", "first", "last"]
    graph = gad.trace(program, w, gad.constant(True))
    assert graph.notices == ("A hook on the node of autograd changed what flows back from y.",)
    assert "a hook on its node of autograd made" in graph.why("h")


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
