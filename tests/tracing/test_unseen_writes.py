"""What is written in place behind autograd's back, or detached in place: the reason is said, and the gradient
arrives where torch sends it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import flows
import numpy as np
import pytest
import torch
from autograd_rows import numbers, only
from programs import assert_sound, leaf, node_called
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.scene.annotations import stopped_at
from graphviz_ad._internal.tracing.capture import Capture

EVERYTHING = Capture(values="full", gradients="full")


def without_grad(x: Tensor) -> Tensor:
    y = x.sin()
    with torch.no_grad():
        y.add_(1)
    return y


def inferred(x: Tensor) -> Tensor:
    y = x.sin()
    with torch.inference_mode():
        y.add_(1)
    return y


def through_data(x: Tensor) -> Tensor:
    y = x.sin()
    y.data.add_(1)
    return y


def through_a_part_of_data(x: Tensor) -> Tensor:
    y = x.sin()
    y.data[0].add_(1)
    return y


def part_without_grad(x: Tensor) -> Tensor:
    y = x.sin()
    with torch.no_grad():
        y[:1].add_(1)
    return y


RETURNED: list[tuple[Callable[[Tensor], Tensor], dict[str, str]]] = [
    (without_grad, {"add_": "no_grad"}),
    (inferred, {"add_": "inference"}),
    (through_data, {"data": "detach", "add_": "data"}),
    (through_a_part_of_data, {"data": "detach", "getitem": "data", "add_": "data"}),
    (part_without_grad, {"getitem": "no_grad", "add_": "no_grad"}),
]


@pytest.mark.parametrize(("function", "cuts"), RETURNED, ids=[case[0].__name__ for case in RETURNED])
@pytest.mark.parametrize("read", [False, True], ids=["returned", "read"])
def test_a_write_that_autograd_does_not_see_is_cut_for_its_reason(
    function: Callable[[Tensor], Tensor], cuts: dict[str, str], read: bool
) -> None:
    def program(x: Tensor) -> Tensor:
        y = function(x)
        return y * 2 if read else y

    graph = gad.trace(program, leaf(1, 2), capture=EVERYTHING)
    x = leaf(1, 2)
    result = program(x)
    (expected,) = torch.autograd.grad(result.sum(), x)
    assert {op: only(graph, op).cut for op in cuts} == cuts
    assert numbers(node_called(graph, "x")["grad"]) == expected.tolist()
    (output,) = graph.outputs
    assert numbers(output.value) == result.tolist()
    assert flows.wrong_sums(graph) == []
    assert graph.check().ok


@pytest.mark.parametrize("function", [case[0] for case in RETURNED], ids=[case[0].__name__ for case in RETURNED])
def test_what_is_fed_in_arrives_at_the_operation_that_autograd_goes_back_from(
    function: Callable[[Tensor], Tensor],
) -> None:
    graph = gad.trace(function, leaf(1, 2), grad_outputs=[2.0, 3.0], capture=EVERYTHING)
    assert [node.op for node in graph.outputs] == ["add_"]
    assert {
        node.op: numbers(node.ports[0].upstream) for node in graph.node_list if node.ports[0].upstream is not None
    } == {"sin": [2, 3]}
    assert "The backward pass starts" in graph.animate(direction="backward").to_html()


def test_the_edge_from_an_unseen_write_to_its_reader_has_the_same_reason() -> None:
    for function, reason in ((without_grad, "no_grad"), (inferred, "inference"), (through_data, "detach")):
        graph = gad.trace(lambda x, function=function: function(x) * 2, leaf(1, 2))
        (edge,) = graph.out_edges(only(graph, "add_").key)
        assert edge.cut == reason


def test_what_is_read_of_a_view_after_an_unseen_write_is_recorded() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.sin()
        with torch.no_grad():
            view = y[:1]
            view.mul_(2)
            largest = view.max()
        return y * largest

    graph = gad.trace(function, leaf(1, 2))
    assert only(graph, "max").cut == "no_grad"
    assert graph.notices == ()


def test_a_whole_that_is_read_after_a_part_was_written_through_data_is_shown() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.sin()
        y.data[0].add_(1)
        return y * x

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    x = leaf(1, 2)
    assert numbers(only(graph, "mul").value) == function(x).tolist()
    whole = x.sin().detach()
    whole[0] += 1
    assert numbers(only(graph, "add_").value) == whole.tolist()


def test_the_summary_of_what_was_written_through_data_is_new() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 1
        y.data.add_(1)
        return y * 2

    graph = gad.trace(function, torch.linspace(-1, 2, 600).requires_grad_())
    found = [
        (node.op, node.value.min, node.value.max)
        for node in graph.node_list
        if node.kind == "op" and node.value is not None
    ]
    assert found == [("mul", -1, 2), ("data", -1, 2), ("add_", 0, 3), ("mul", 0, 6)]


# --- detached in place


def detached_in_place(x: Tensor) -> Tensor:
    y = x.sin()
    y.detach_()
    return y * x


def detached_after_use(x: Tensor) -> Tensor:
    y = x.sin()
    z = y * 2
    y.detach_()
    return z + y * x


def test_a_result_that_was_detached_in_place_is_said_to_be_detached() -> None:
    graph = gad.trace(detached_in_place, leaf(1, 2))
    assert only(graph, "sin").cut == "detach"
    assert graph.why("y").startswith("No gradient: y (sin")


def test_where_only_the_indices_of_a_choice_are_read_nothing_is_said_to_be_detached() -> None:
    for choose in (torch.max, torch.min, torch.sort, torch.median, torch.mode, torch.cummax):
        graph = gad.trace(lambda x, choose=choose: x * choose(x, 0)[1], leaf(1, 2))
        assert only(graph, choose.__name__).cut == "non-differentiable", choose


def test_a_use_after_a_result_was_detached_in_place_brings_no_gradient_for_that_reason() -> None:
    graph = gad.trace(detached_after_use, leaf(1, 2), capture=EVERYTHING)
    assert [edge.cut for edge in graph.out_edges(only(graph, "sin").key)] == [None, "detach"]
    x = leaf(1, 2)
    (expected,) = torch.autograd.grad(detached_after_use(x).sum(), x)
    np.testing.assert_array_equal(numbers(node_called(graph, "x")["grad"]), expected.tolist())
    assert flows.wrong_sums(graph) == []


@pytest.mark.parametrize(
    "function", [lambda x: x.sign().detach() * x, lambda x: (x > 0).float() * x, lambda x: torch.ones_like(x) * x]
)
def test_what_was_not_detached_in_place_is_not_said_to_be(function: Any) -> None:
    cuts = [node.cut for node in gad.trace(function, leaf(1, 2)).node_list if node.op not in ("detach", "mul")]
    assert "detach" not in cuts


# --- a part is written to and the whole is never read


def returned_part(x: Tensor) -> Tensor:
    y = x.clone()
    return y[:1].mul_(2)


def read_part(x: Tensor) -> Tensor:
    y = x.clone()
    part = y[:1]
    part.mul_(2)
    return part * 3


def part_of_part(x: Tensor) -> Tensor:
    y = x.reshape(1, 2).clone()
    part = y[0]
    part[1:].mul_(2)
    return part.exp()


def turned(x: Tensor) -> Tensor:
    y = (x[:, None] * x).clone()
    return y.t().mul_(x)


@pytest.mark.parametrize("function", [returned_part, read_part, part_of_part, turned])
def test_of_a_whole_that_nobody_read_only_the_gradient_is_known(function: Callable[[Tensor], Tensor]) -> None:
    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    x = leaf(1, 2)
    result = function(x)
    (expected,) = torch.autograd.grad(result.sum(), x)
    fine = graph.detail or graph
    (whole,) = [node for node in fine.node_list if node.autograd == ("CopySlices",)]
    assert whole.grad is not None
    assert (whole.value, whole.ports[0].shape) == (None, whole.grad.shape)
    assert [
        port.shape
        for node in fine.node_list
        for port in node.ports
        if port.grad is not None and port.shape != port.grad.shape
    ] == []
    (output,) = fine.outputs
    assert numbers(output.value) == result.tolist()
    assert numbers(node_called(graph, "x")["grad"]) == expected.tolist()
    assert flows.wrong_sums(fine, exact=True) == []
    assert graph.check(capture=True).ok


def test_where_the_program_raised_after_a_part_was_written_no_write_is_marked() -> None:
    def function(x: Tensor) -> Tensor:
        part = returned_part(x)
        raise ValueError(str(part.shape))

    with pytest.raises(ValueError, match="Size") as raised:
        gad.trace(function, leaf(1, 2))
    assert stopped_at(raised.value.graph) == ()  # type: ignore[attr-defined]
    x = leaf(1, 2)
    with pytest.raises(ValueError, match="Size"), gad.record() as recording:  # noqa: PT012 - the graph is that of both
        returned_part(x).sum().backward()
        function(x)
    assert stopped_at(recording.graph) == ()


# --- what only moves


def copied(x: Tensor) -> Tensor:
    return copy.deepcopy(x) * x


def transposed(x: Tensor) -> Tensor:
    x.detach().t_()
    return x * x


@pytest.mark.parametrize("function", [copied, transposed])
def test_what_is_copied_or_turned_around_in_place_was_not_written_to(function: Callable[[Tensor], Tensor]) -> None:
    x = leaf([1.5, -2.0], [0.5, 3.0])
    (expected,) = torch.autograd.grad(function(x).sum(), x)
    found = node_called(gad.trace(function, x), "x")
    assert (found["kind"], found["cut"]) == ("leaf", None)
    np.testing.assert_array_equal(found["grad"].array, expected.numpy())


def negated(x: Tensor) -> Tensor:
    c = torch.complex(x, x * 2)
    return (c.conj().imag.mul_(2) * c.real).sum()


def test_a_write_through_a_lazy_negative_is_the_copy_into_the_whole() -> None:
    x = leaf(0.5, -1.0)
    (expected,) = torch.autograd.grad(negated(x), x)
    graph = gad.trace(negated, x)
    np.testing.assert_array_equal(node_called(graph, "x")["grad"].array, expected.numpy())
    assert_sound(graph)


def test_what_is_left_out_because_a_link_was_mistaken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "graphviz_ad._internal.tracing.assembly.linking.results.copy_behind", lambda units, unit, value, i, linked: None
    )
    notices = gad.trace(negated, leaf(0.5, -1.0)).notices
    assert any("in a circle" in notice for notice in notices)
