"""What `why` says of a parameter is what torch holds in its ``.grad`` at the end, whatever the program did to that."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import leaf
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.explain.amounts import text_of
from graphviz_ad._internal.graph.grad_history import history_called
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.graph_files import from_json


def two() -> nn.ModuleDict:
    """Two layers that different passes reach, a third that none does."""
    return nn.ModuleDict({"q": nn.Linear(3, 1), "a": nn.Linear(3, 3), "idle": nn.Linear(2, 2)})


def agrees(graph: Graph, name: str, tensor: Tensor) -> None:
    """What is said of a tensor is so."""
    answer, history = graph.why(name), history_called(graph, name)
    holds = history.holds if history is not None else None
    assert (holds is None) == (tensor.grad is None), (name, answer)
    no_gradient = answer.startswith("No gradient") or re.match(r"In backward pass \d+ of \d+: No gradient", answer)
    assert bool(no_gradient) == (tensor.grad is None), (name, answer, tensor.grad)
    if holds is None or tensor.grad is None:
        return
    array = holds.array
    assert array is not None
    np.testing.assert_array_equal(array, tensor.grad.detach().numpy())
    says = answer.rpartition("At the end .grad holds ")[2].partition(".grad")[0]
    if "At the end" in answer:
        assert answer.endswith(f"At the end .grad holds {text_of(holds)}."), answer
    else:
        assert f"is {text_of(holds)}" in answer, (answer, says)


# --- whatever a training loop does

Action = Callable[["Loop"], Any]
EXAMPLES = int(os.environ.get("FUZZ", "15"))  # each takes half a second


class Loop:
    """A training loop that is made of actions."""

    def __init__(self, optimizer: str) -> None:
        torch.manual_seed(0)
        self.model, self.x = two(), torch.randn(4, 3)
        make = getattr(torch.optim, optimizer)
        self.optimizers = [make(part.parameters(), lr=0.01) for part in (self.model["q"], self.model["a"])]

    def loss(self, part: int) -> Tensor:
        out: Tensor = self.model["qa"[part]](self.x)
        return out.square().mean()

    def parameters(self) -> Iterator[nn.Parameter]:
        yield from (parameter for parameter in self.model.parameters() if parameter.grad is not None)


def clip(loop: Loop) -> None:
    torch.nn.utils.clip_grad_norm_(loop.model.parameters(), 0.01)


def scale_through_data(loop: Loop) -> None:
    for parameter in loop.parameters():
        assert parameter.grad is not None
        parameter.grad.data.mul_(3)


def replace_gradients(loop: Loop) -> None:
    for parameter in loop.parameters():
        parameter.grad = torch.ones_like(parameter)


def drop_one(loop: Loop) -> None:
    loop.model["q"].weight.grad = None


def update_by_hand(loop: Loop) -> None:
    with torch.no_grad():
        for parameter in loop.parameters():
            parameter -= 0.1 * parameter.grad  # type: ignore[operator]


def update_data(loop: Loop) -> None:
    for parameter in loop.parameters():
        assert parameter.grad is not None
        parameter.data = parameter.data - 0.1 * parameter.grad.data


def penalised(loop: Loop) -> None:
    (slope,) = torch.autograd.grad(loop.loss(1), loop.model["a"].weight, create_graph=True)
    slope.square().sum().backward()


def evaluate(loop: Loop) -> None:
    with torch.no_grad():
        loop.loss(0).item()


ACTIONS: dict[str, Action] = {
    "q backward": lambda loop: loop.loss(0).backward(),
    "a backward": lambda loop: loop.loss(1).backward(),
    "both backward": lambda loop: (loop.loss(0) + loop.loss(1)).backward(),
    "grad": lambda loop: torch.autograd.grad(loop.loss(0), list(loop.model["q"].parameters())),
    "some inputs": lambda loop: loop.loss(1).backward(inputs=[loop.model["a"].bias]),
    "q step": lambda loop: loop.optimizers[0].step(),
    "a step": lambda loop: loop.optimizers[1].step(),
    "zero": lambda loop: loop.optimizers[0].zero_grad(),
    "zero in place": lambda loop: loop.model.zero_grad(set_to_none=False),
    "ema": lambda loop: loop.model["idle"].weight.data.mul_(0.9),
    **{
        function.__name__: function
        for function in (
            clip,
            scale_through_data,
            replace_gradients,
            drop_one,
            update_by_hand,
            update_data,
            penalised,
            evaluate,
        )
    },
}


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(["SGD", "Adam", "RMSprop", "LBFGS"]),
    st.lists(st.sampled_from(sorted(ACTIONS)), min_size=1, max_size=7),
    st.booleans(),
)
def test_whatever_a_loop_does_to_gradients_why_says_what_is_there(
    optimizer: str, names: list[str], before: bool
) -> None:
    loop = Loop(optimizer if optimizer != "LBFGS" else "SGD")
    if before:
        loop.loss(0).backward()
    with gad.record(loop.model) as recorded:
        for name in names:
            ACTIONS[name](loop)
        if optimizer == "LBFGS":
            step_with_closure(loop)
    for graph in (recorded.graph, from_json(recorded.graph.to_json())):
        for name, parameter in loop.model.named_parameters():
            agrees(graph, name, parameter)


def step_with_closure(loop: Loop) -> None:
    """LBFGS runs the program's own code several times."""
    optimizer = torch.optim.LBFGS(loop.model["q"].parameters(), lr=0.1, max_iter=2)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loop.loss(0)
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]


# --- one by one


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
def test_the_step_of_another_optimizer_does_not_hide_the_gradient_of_a_parameter(name: str) -> None:
    torch.manual_seed(0)
    model, x = two(), torch.randn(4, 3)
    make = getattr(torch.optim, name)
    first, second = make(model["q"].parameters(), lr=0.1), make(model["a"].parameters(), lr=0.1)
    with gad.record(model) as recorded:
        model["q"](x).square().mean().backward()
        first.step()
        model["a"](x).square().mean().backward()
        second.step()
    agrees(recorded.graph, "q.weight", model["q"].weight)
    answer = recorded.graph.why("q.weight")
    assert answer.startswith("In backward pass 1 of 2, the last that came to it: The gradient of q.weight is")
    assert f"{name}.step at test_grad_histories.py:" in answer


def test_a_gradient_that_was_clipped_is_said_as_it_is_now() -> None:
    model = nn.Linear(2, 1, bias=False)
    with gad.record(model) as recorded:
        model(torch.ones(1, 2)).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    answer = recorded.graph.why("weight")
    assert "pass 1 brought [[1, 1]]; clip_grad_norm_ at test_grad_histories.py:" in answer
    agrees(recorded.graph, "weight", model.weight)


def test_a_retained_gradient_is_said_to_be_there() -> None:
    w = leaf(1, 2)
    with gad.record() as recorded:
        kept = w * 3
        kept.retain_grad()
        (kept * kept).sum().backward()
    assert "Its .grad holds [6, 12], since retain_grad() was called on it." in recorded.graph.why("kept")


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_closure_that_an_optimizer_runs_is_the_program_s_own(name: str) -> None:
    model, x = nn.Linear(3, 1), torch.randn(5, 3)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1)

    def closure() -> Tensor:
        optimizer.zero_grad()
        out = model(x)
        loss: Tensor = out.square().mean()
        loss.backward()
        return loss

    with gad.record(model) as recorded:
        optimizer.step(closure)
    graph = recorded.graph
    assert (graph.find("out").op, graph.find("loss").op) == ("linear", "mean")
    assert "the gradient of out is" in graph.why("out").lower()
    agrees(graph, "weight", model.weight)
    assert f"{name}.step at" in graph.why("weight")


class OwnOptimizer(torch.optim.Optimizer):
    """A user's own, which runs a closure."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(parameter.grad, alpha=-0.1)
        return loss


def test_a_step_of_the_user_s_own_is_a_step_and_its_closure_is_not() -> None:
    w = leaf(1, 2)
    optimizer = OwnOptimizer([w])

    def closure() -> Tensor:
        loss = (w * w).sum()
        loss.backward()
        return loss

    with gad.record() as recorded:
        optimizer.step(closure)
    assert [node.op for node in recorded.graph.node_list if node.kind == "op"][:2] == ["mul", "sum"]
    assert "OwnOptimizer.step at" in recorded.graph.why("w")
    agrees(recorded.graph, "w", w)


class Implicit(torch.autograd.Function):
    """Its backward runs passes of its own, as adjoint methods and implicit layers do."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(w, x)
        return w * x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        w, x = ctx.saved_tensors
        with torch.enable_grad():
            torch.autograd.grad(w * x, w, grads[0] * 10)
            (found,) = torch.autograd.grad(w * x, w, grads[0])
        return found, None


def with_parameter() -> nn.ParameterDict:
    """A parameter that is 2."""
    return nn.ParameterDict({"w": torch.tensor(2.0)})


def test_passes_inside_a_backward_method_are_that_method_s_own() -> None:
    model = with_parameter()
    with gad.record(model) as recorded:
        Implicit.apply(model["w"], torch.tensor(3.0)).square().backward()
    graph = recorded.graph
    assert graph.notices == ()
    assert graph.why("w").startswith("The gradient of w is 36: what came back from")
    agrees(graph, "w", model["w"])
    assert "432" not in str(graph.explain("w"))
    assert graph.check().ok is None


class Accumulating(torch.autograd.Function):
    """Its backward calls ``backward()`` on something that the same parameter leads to."""

    @staticmethod
    def forward(ctx: Any, w: Tensor) -> Tensor:
        ctx.save_for_backward(w)
        return w * 1

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (w,) = ctx.saved_tensors
        with torch.enable_grad():
            (w * 5).backward(grads[0])
        return grads[0]


def test_what_a_pass_inside_a_pass_adds_is_part_of_the_sum() -> None:
    model = with_parameter()
    with gad.record(model) as recorded:
        Accumulating.apply(model["w"]).backward()
    graph = recorded.graph
    assert model["w"].grad is not None
    assert model["w"].grad.item() == 6
    assert not any("hook changed" in text for text in graph.notices)
    assert graph.find("w").grad is not None
    assert graph.find("w").grad.data == 6  # type: ignore[union-attr]
    agrees(graph, "w", model["w"])


def test_a_large_gradient_that_lies_otherwise_in_memory_is_not_said_to_have_been_changed() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 32, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with gad.record(layer) as recorded:
        layer(torch.randn(2, 16, 9, 9)).square().sum().backward()
    assert "hook" not in recorded.graph.why("weight")
    assert "At the end" not in recorded.graph.why("weight")
