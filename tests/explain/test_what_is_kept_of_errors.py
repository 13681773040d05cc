"""What stopped a program is told with what led there: freed graphs, results without a graph, checkpoints; and what is
infinite or NaN, by element.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
import torch
from programs import leaf, wrong_sums
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import NoTensorError
from graphviz_ad._internal.graph.calls import is_pass
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.graph_files import from_json
from graphviz_ad._internal.scene.words.describe import words_of_graph


def failed(program: Any) -> Graph:
    """The graph that an error of `trace` has."""
    with pytest.raises(NoTensorError) as raised:
        gad.trace(program, torch.ones(1, 2))
    graph: Graph = raised.value.graph  # type: ignore[attr-defined]
    assert from_json(graph.to_json()).notes == graph.notes
    assert graph.to_svg()
    return graph


LAYER = nn.Linear(2, 1)


def without_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        return LAYER(x).sum()


def cut_off(x: Tensor) -> Tensor:
    return LAYER(x).detach().sum()


def test_a_trace_that_nothing_requires_grad_in_has_its_graph_and_says_why() -> None:
    answer = failed(without_grad).why("LAYER.weight")
    assert answer.startswith("No gradients were computed here: nothing that without_grad returned requires grad.")
    assert "was computed under torch.no_grad() at test_what_is_kept_of_errors.py:" in answer
    assert "was detached at test_what_is_kept_of_errors.py:" in failed(cut_off).why("LAYER.weight")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("recorded", [True, False])
def test_a_reentrant_checkpoint_of_frozen_inputs_says_what_is_wrong_and_what_to_do(recorded: bool) -> None:
    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen, self.block, self.head = (nn.Linear(2, 2) for _ in range(3))
            self.frozen.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.head(checkpoint(self.block, self.frozen(x), use_reentrant=True)).sum()
            return found

    model, x = Adapted(), torch.ones(1, 2)
    if recorded:
        with gad.record(model) as recording:
            model(x).backward()
        graph = recording.graph
    else:
        graph = gad.trace(model, x)
    answer = graph.why("block.weight")
    assert answer.startswith("No gradient arrives at block.weight.")
    assert "reads block.weight inside, where autograd records nothing." in answer
    assert answer.endswith("Call checkpoint with use_reentrant=False, or requires_grad_() on what it is given.")
    assert model.block.weight.grad is None


def unrolled(cell: nn.Module, state: Any, steps: int, *, cut: bool) -> Graph:
    """Passes that go back after every step of a recurrent layer."""
    recording = gad.record(cell)
    with suppress(RuntimeError), recording:
        for _ in range(steps):
            state = cell(torch.ones(1, 2), state)
            state = state.detach() if cut else state
            (cell(torch.ones(1, 2), state) if cut else state).sum().backward()
    return recording.graph


def test_a_second_pass_says_which_pass_freed_the_graph_and_what_carries_it_over() -> None:
    answer = unrolled(nn.RNNCell(2, 3), torch.zeros(1, 3), 3, cut=False).why("weight_ih")
    assert re.search(r"Pass 1 had freed what state₀ keeps for the backward pass\. state₀ carries the graph", answer)
    assert not unrolled(nn.RNNCell(2, 3), torch.zeros(1, 3), 3, cut=True).failures
    lstm, state = nn.LSTM(2, 3), None
    recording = gad.record(lstm)
    with suppress(RuntimeError), recording:
        for _ in range(2):
            out, state = lstm(torch.ones(1, 1, 2), state)
            out.sum().backward()
    assert "carry the graph of that pass over into this one: detach them in between" in recording.graph.why(
        "weight_ih_l0"
    )


def test_a_pass_from_the_same_loss_again_needs_its_graph_retained() -> None:
    model = nn.Linear(2, 1)
    with gad.record(model) as recording:
        loss = model(torch.ones(1, 2)).square().sum()
        loss.backward()
        with suppress(RuntimeError):
            loss.backward()
    assert "Call backward(retain_graph=True) there" in recording.graph.why("weight")


def test_what_is_infinite_is_told_by_element() -> None:
    answer = gad.trace(lambda x: torch.log(x - 1).sum(), leaf(1, 0)).why("x")
    assert "its derivative is infinite at element [0], where its operand is 0." in answer
    assert "NaN" not in answer
    graph = gad.trace(lambda x: (torch.log(x - 1).exp() * 2).sum(), leaf(3, 0))
    assert "Its value holds NaN, which came up in v2 (log, " in graph.why("v3")
    masked = gad.trace(lambda x: x.masked_fill(x > 1, float("-inf")).softmax(0)[0], leaf(1, 2)).why("v2")
    assert "Its value holds −∞, which came up there." in masked


@pytest.mark.parametrize(
    "function",
    [torch.tanh, torch.sigmoid, torch.exp, torch.sqrt, lambda x: x.softmax(0), lambda x: LAYER(x.float()).tanh()],
)
def test_a_double_backward_is_drawn_with_its_forward_part_as_it_ran(function: Any) -> None:
    x = leaf(0.5, 2)
    with gad.record() as recording:
        y = function(x)
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (y.sum() + g.square().sum()).backward()
    graph = recording.graph
    assert len(graph.find("y").ports) == 1
    assert graph.find("g").op == "grad"
    assert all(node.op != "detach" for node in graph.node_list)
    assert all(len(node.ports) == 1 for node in graph.node_list)  # nothing returned what only the pass inside read
    assert graph.check().ok is None


def by_grad(x: Tensor) -> Tensor:
    y = LAYER(x.float()).tanh()
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return y.sum() + g.square().sum()


def by_backward(x: Tensor) -> Tensor:
    w = torch.ones(2, requires_grad=True)
    (x * w).sin().sum().backward(inputs=[w], create_graph=True)
    assert w.grad is not None
    return w.grad.square().sum()


def by_transform(x: Tensor) -> Tensor:
    return torch.func.grad(lambda t: (t.sin() * t).sum())(x).square().sum()


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("program", [by_grad, by_backward, by_transform])
def test_a_backward_pass_of_its_own_is_one_box_that_opens_into_its_operations(program: Any) -> None:
    graph = gad.trace(program, leaf(0.5, 2))
    (closed,) = (node for node in graph.node_list if is_pass(node))
    assert any(fact.label.startswith("opens") for fact in words_of_graph(graph).nodes[closed.key].hover)
    assert not [group for group in graph.plot().scene.groups if "inside of" in group.title]
    opened = graph.plot(detail="op")
    (group,) = (group for group in opened.scene.groups if "inside of" in group.title)
    drawn = [opened.graph.nodes[key] for key in group.boxes if key in opened.graph.nodes]
    inside = [node for node in drawn if node.kind != "leaf"]  # which stands where it is used
    assert re.fullmatch(rf"inside of {closed.op}, test_what_is_kept_of_errors\.py:\d+", group.title)
    assert len(inside) == closed.inside == sum(is_pass(node) for node in opened.graph.node_list)
    before = {node.name: node.grad for node in graph.node_list if node.kind == "leaf"}
    assert before == {node.name: node.grad for node in opened.graph.node_list if node.kind == "leaf"}
    assert wrong_sums(opened.graph, 1e-6) == []
    assert {box.key for box in graph.animate(detail="op").film.stage.boxes} >= {*group.boxes}


def test_data_is_called_data_and_said_to_be_no_part_where_a_loss_comes_through_it() -> None:
    graph = gad.trace(lambda x: (x * 2 + (x * 3).data).sum(), leaf(1, 2))
    assert [node.op for node in graph.node_list if node.kind == "op"] == ["mul", "mul", "data", "add", "sum"]
    assert "✂ .data" in graph.to_svg()
    assert "Not part of it: v3 was taken out by .data at" in graph.why("x")


def test_a_subscript_can_be_typed_without_one() -> None:
    def function(x: Tensor) -> Tensor:
        h = x * 2
        h = h * 3
        return h.sum()

    graph = gad.trace(function, leaf(1, 2))
    assert graph.why("h0") == graph.why("h_0") == graph.why("h₀")
    assert graph.why("h1") == graph.why("h₁")
    assert graph.why("h1") != graph.why("h0")


def test_the_largest_contributions_are_told_first() -> None:
    w = torch.tensor(2.0, requires_grad=True)

    def function(w: Tensor) -> Tensor:
        h = torch.tensor(1.0)
        for _ in range(4):
            h = h * w
        return h + 100 * w

    assert "the sum of 100 from" in gad.trace(function, w).why("w")
