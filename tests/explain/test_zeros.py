"""A gradient of 0 has a reason: the first place on its way back where it is 0, and what made it so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import leaf
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.explain.zeros import falls, is_zero

GATE, NOTHING = torch.zeros(2), torch.zeros(2, 2, dtype=torch.float64)
ZEROS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[float, ...], str]] = {
    "gate": (lambda x: (x * GATE).sum(), (1, 2), "GATE is 0, and the gradient is multiplied by it."),
    "weights": (lambda x: (x @ NOTHING).sum(), (1, 2), "NOTHING is 0, and the gradient is multiplied by it."),
    "number": (lambda x: (x * 0).sum(), (1, 2), "the gradient is multiplied by 0."),
    "round": (lambda x: x.round().sum(), (1, 2), "its derivative is 0 everywhere."),
    "relu": (lambda x: torch.relu(x).sum(), (-1, -3), "its derivative is 0 at all elements, −3 to −1, of its operand."),
    "clamp": (lambda x: x.clamp(0, 1).sum(), (2, 3), "its derivative is 0 at all elements, 2 to 3, of its operand."),
    "saturated": (lambda x: torch.sigmoid(x).sum(), (300, 200), "it is saturated: its derivative is 0 at"),
    "mask": (lambda x: torch.where(x > 5, x, 0.0).sum(), (1, 2), "nothing of this operand goes through it."),
    "dropout": (lambda x: F.dropout(x, 1.0).sum(), (1, 2), "nothing of this operand goes through it."),
    "cancels": (lambda x: (x - x).sum(), (1, 2), "what came there cancels out."),
    "half": (lambda x: (x.half() * 1e-7 * 0.01).sum(), (1, 2), "is 0, or too small for float16."),
    "minimum": (lambda x: x.square().sum(), (0, 0), "its derivative is 0 at 0, all elements of its operand."),
    "some": (lambda x: torch.relu(x)[0], (-1, 2), "its derivative is 0 wherever a gradient arrives."),
}


@pytest.mark.parametrize("name", ZEROS)
def test_a_gradient_of_zero_has_a_reason(name: str) -> None:
    function, elements, said = ZEROS[name]
    answer = gad.trace(function, leaf(*elements)).why("x")
    assert said in answer, answer
    assert "It is 0 from" in answer


STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "minus": lambda h: h - 1,
    "gate": lambda h: h * torch.tensor([0.0, 1.0]),
    "other gate": lambda h: h * torch.tensor([1.0, 0.0]),
    "clamp": lambda h: h.clamp(-0.5, 0.5),
    "square": torch.square,
    "matrix": lambda h: h @ torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64),
    "both": lambda h: h + torch.tanh(h),
    "against": lambda h: h - h.detach() * 2,
}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6),
    st.lists(st.integers(-2, 2), min_size=2, max_size=2),
)
def test_a_reason_is_given_exactly_for_zeros_and_stands_where_they_begin(names: list[str], elements: list[int]) -> None:
    def function(x: Tensor) -> Tensor:
        for name in names:
            x = STEPS[name](x)
        return x.sum()

    graph = gad.trace(function, leaf(*elements))
    for node in graph.node_list:
        for port, held in enumerate(node.ports):
            found = falls(graph, node, port)
            assert bool(found) == is_zero(held.grad)
            for fall in found:
                assert fall.edge is None or is_zero(fall.edge.grad)
                assert fall.edge is None or not all(is_zero(port.grad) for port in fall.node.ports)
