"""draw_dot draws Values as micrograd's does, and trace takes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import graphviz
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, TraceError
from graphviz_ad.compat import draw_dot


class Value:
    """As people write it when they follow the lecture."""

    def __init__(self, data: float, _prev: Any = (), _op: str = "", label: str = "") -> None:
        self.data, self._prev, self._op, self.label = data, set(_prev), _op, label
        self.grad = 0.0
        self._backward: Callable[[], None] = lambda: None

    def _made(self, data: float, op: str, *pairs: tuple[Value, float]) -> Value:
        out = Value(data, [value for value, _ in pairs], op)

        def backward() -> None:
            for value, slope in pairs:
                value.grad += slope * out.grad

        out._backward = backward
        return out

    def __add__(self, other: Value) -> Value:
        return self._made(self.data + other.data, "+", (self, 1.0), (other, 1.0))

    def __mul__(self, other: Value) -> Value:
        return self._made(self.data * other.data, "*", (self, other.data), (other, self.data))

    def __pow__(self, k: float) -> Value:
        return self._made(self.data**k, f"**{k}", (self, k * self.data ** (k - 1)))

    def tanh(self) -> Value:
        t = math.tanh(self.data)
        return self._made(t, "tanh", (self, 1 - t * t))

    def relu(self) -> Value:
        return self._made(max(0.0, self.data), "ReLU", (self, float(self.data > 0)))

    def backward(self) -> None:
        order: list[Value] = []

        def visit(value: Value) -> None:
            if value not in order:
                for operand in value._prev:
                    visit(operand)
                order.append(value)

        visit(self)
        self.grad = 1.0
        for value in reversed(order):
            value._backward()


def neuron() -> tuple[Value, list[Value]]:
    leaves = [Value(data, label=label) for data, label in ((2.0, "x1"), (-3.0, "w1"), (6.8, "b"))]
    x1, w1, b = leaves
    out = (x1 * w1 + b).tanh()
    out.label = "o"
    return out, leaves


def test_each_value_is_a_record_and_each_operation_an_ellipse() -> None:
    out, _ = neuron()
    out.backward()
    dot = draw_dot(out)
    assert isinstance(dot, graphviz.Digraph)
    assert (dot.format, dot.graph_attr["rankdir"]) == ("svg", "LR")
    assert '[label="{ x1 | data 2.0000 | grad -1.6772 }" shape=record]' in dot.source
    assert dot.source.count("shape=record") == 6
    assert dot.source.count(" -> ") == 3 + 5
    assert draw_dot(out, format="png", rankdir="TB").graph_attr["rankdir"] == "TB"


def test_the_picture_does_not_depend_on_where_values_lie() -> None:
    assert draw_dot(neuron()[0]).source == draw_dot(neuron()[0]).source


def test_labels_are_only_text() -> None:
    assert r"{ a\{\|\}\<\\ | data 1.0000" in draw_dot(Value(1.0, label="a{|}<\\")).source


@given(st.lists(st.sampled_from(["+", "*", "tanh", "relu", "**2", "self"]), min_size=1, max_size=8), st.data())
def test_gradients_of_a_traced_value_are_those_that_its_own_backward_finds(steps: list[str], data: Any) -> None:
    leaves = [Value(data.draw(st.sampled_from([-1.5, -0.5, 0.25, 2.0])), label=name) for name in "abc"]
    values = list(leaves)
    for step in steps:
        one, other = (data.draw(st.sampled_from(values)) for _ in range(2))
        values.append(
            {
                "+": lambda a=one, b=other: a + b,
                "*": lambda a=one, b=other: a * b,
                "tanh": lambda a=one: a.tanh(),
                "relu": lambda a=one: a.relu(),
                "**2": lambda a=one: a**2,
                "self": lambda a=one: a * a,
            }[step]()
        )
    out = values[-1]
    out.backward()
    graph = gad.trace(out)
    for leaf in leaves:
        found = [node for node in graph.node_list if node.name == leaf.label]
        if found:
            assert found[0].grad.item() == pytest.approx(leaf.grad, rel=1e-9, abs=1e-12)


def test_a_traced_value_can_be_filmed_and_explained() -> None:
    out, _ = neuron()
    graph = gad.trace(out)
    assert graph.animate().steps
    assert graph.explain("x1").total == pytest.approx(-3 * (1 - out.data**2))


def test_what_was_changed_afterwards_and_what_nobody_knows_is_refused() -> None:
    out, leaves = neuron()
    leaves[0].data = 5.0
    with pytest.raises(TraceError, match="changed afterwards"):
        gad.trace(out)
    with pytest.raises(TraceError, match="nobody knows how fast the operation 'conv'"):
        gad.trace(Value(1.0, [Value(1.0)], "conv"))
    minus = Value(0.0, [Value(1.0), Value(1.0)], "-")
    with pytest.raises(TraceError, match="a set"):
        gad.trace(minus)
    assert "conv" in draw_dot(Value(1.0, [Value(1.0)], "conv")).source


def test_nothing_of_a_thing_is_run_to_see_that_it_is_no_value() -> None:
    product = torch.ones(2, requires_grad=True) * 2
    assert gad.trace(product).outputs  # a tensor that is no leaf warns whoever reads its grad


@pytest.mark.parametrize("wrong", [3, "q", None, object()])
def test_what_is_no_value_is_refused(wrong: Any) -> None:
    with pytest.raises(OptionError, match="is no Value"):
        draw_dot(wrong)
