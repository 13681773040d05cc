"""Two runs of one program: where they part is found, and runs that only round otherwise are equal.

The suite takes every fourth planted difference; ``FUZZ=1`` takes all.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diagnosis import planted
from diagnosis.planted import Step
from torch import Tensor, nn
from training_programs import Net

import graphviz_ad as gad
from graphviz_ad._internal.diagnosis.divergence import Divergence, diverging
from graphviz_ad._internal.graph.graph import Graph


def block(m: Any, x: Tensor) -> Tensor:
    """Attention and a network of two layers, with places where a test can put something else."""
    q, k, v = m.qkv(m.n1(x)).chunk(3, -1)
    weights = torch.softmax(q @ k.transpose(-2, -1) / m.scale, -1)
    x = x + m.proj(weights @ v)
    return m.behind(x + m.down(m.activation(m.up(x))))


def model() -> Any:
    """Three blocks and a head, the same each time."""
    torch.manual_seed(0)
    blocks = [
        Net(n1=nn.LayerNorm(8), qkv=nn.Linear(8, 24), proj=nn.Linear(8, 8), up=nn.Linear(8, 16), down=nn.Linear(16, 8))
        for _ in range(3)
    ]
    for each in blocks:
        each.scale, each.activation, each.behind = 3.0, F.gelu, lambda x: x  # type: ignore[assignment]
    return Net(blocks=nn.ModuleList(blocks), head=nn.Linear(8, 4))


def run(m: Any, dtype: torch.dtype = torch.float32) -> Graph:
    """One forward and backward pass."""
    torch.manual_seed(1)
    x = torch.randn(4, 5, 8).to(dtype)
    with gad.record(m) as recording:
        for each in m.blocks:
            x = block(each, x)
        loss = F.cross_entropy(m.head(x).flatten(0, 1), torch.zeros(20, dtype=torch.long))
        loss.backward()
    return recording.graph


class WrongBackward(torch.autograd.Function):
    """Hands on what it is given, and one percent too much on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 1.0

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 1.01


def changed(change: Callable[[Any], Any]) -> Divergence:
    other = model()
    change(other.blocks[1])
    return diverging(run(model()), run(other))


def put(**what: Any) -> Callable[[Any], Any]:
    """A change of attributes."""
    return lambda m: [setattr(m, name, thing) for name, thing in what.items()]


FORWARD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "another scale": (put(scale=3.01), "div"),
    "another activation": (put(activation=F.relu), "relu"),
    "another epsilon": (lambda m: setattr(m.n1, "eps", 1e-3), "layer_norm"),
    "a product put in": (put(behind=lambda x: x * 1.001), "mul"),
    "an activation put in": (put(behind=torch.tanh), "tanh"),
}
EVERYWHERE = ("div", "layer_norm")  # of which each block has one
BACKWARD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a wrong backward": (put(behind=WrongBackward.apply), "WrongBackward"),
    "detached": (put(behind=lambda x: x.detach()), "detach"),
}


@pytest.mark.parametrize("name", FORWARD)
def test_the_first_operation_that_differs_is_found(name: str) -> None:
    change, op = FORWARD[name]
    second = model()
    change(second.blocks[1])
    graph = run(second)
    found = diverging(run(model()), graph)
    assert not found.equal
    assert found.first_forward is not None
    assert found.first_forward[1].op == op
    alike = [node.key for node in graph.node_list if node.op == op]
    assert alike.index(found.first_forward[1].key) == (1 if op in EVERYWHERE else 0)


@pytest.mark.parametrize("name", BACKWARD)
def test_the_first_operation_that_goes_back_otherwise_is_found(name: str) -> None:
    change, op = BACKWARD[name]
    found = changed(change)
    assert found.first_forward is None
    assert found.first_backward is not None
    assert found.first_backward[1].op == op


def test_a_weight_that_differs_is_named() -> None:
    found = changed(lambda m: m.proj.weight.data[0].add_(0.01))
    assert found.first_forward is not None
    assert [node.name for node in found.first_forward] == ["blocks.1.proj.weight"] * 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_runs_that_only_round_otherwise_are_equal(dtype: torch.dtype) -> None:
    found = diverging(run(model()), run(model().to(dtype), dtype))
    assert found.equal, (found.first_forward, found.first_backward)
    assert found.compared > 40


def test_other_names_and_what_changes_nothing_are_no_difference() -> None:
    other = copy.deepcopy(model())
    for each in other.blocks:
        each.behind = nn.Dropout(0.0)
    renamed = Net(layers=other.blocks, out=other.head)
    renamed.blocks, renamed.head = other.blocks, other.head  # type: ignore[assignment]
    assert diverging(run(model()), run(renamed)).equal


def test_compare_says_so_and_draws_both() -> None:
    g = gad.trace(lambda x: (x * x).sum(), [1.0, 2.0])
    h = gad.trace(lambda x: (x * x).sum(), [1.0, 3.0])
    assert gad.compare(g, g).equal
    assert str(gad.compare(g, g)) == "no difference"
    side = gad.compare(g, h)
    assert side.first_forward is not None
    assert side.first_forward[0].name == "x"
    assert gad.compare(g, h, tolerance=10.0).equal
    assert side.plot().to_svg().endswith("</svg>\n")


def test_graphs_without_numbers_are_not_called_equal() -> None:
    x = torch.ones(3, requires_grad=True)
    nothing = gad.Capture(values="none", gradients="none")
    a, b = (gad.trace(lambda x: (x * 2).sum(), x, capture=nothing) for _ in range(2))
    whole = gad.trace(lambda x: (x * 2).sum(), x)
    for one, other in ((a, b), (whole, b), (a, whole)):
        found = gad.compare(one, other)
        assert found.equal is None
        assert "Nothing was compared by numbers" in str(found)
    assert "x value: [1, 1, 1] ≠ not recorded" in str(gad.compare(whole, b))
    assert gad.compare(whole, whole).equal is True


# --- planted differences in six architectures

EACH = 1 if int(os.environ.get("FUZZ", "0")) else 4
standard = cache(planted.run)


@pytest.mark.parametrize(("name", "step", "put", "op"), planted.FORWARD[::EACH])
def test_the_first_operation_that_was_put_otherwise_is_found(name: str, step: str, put: Step, op: str) -> None:
    a, b = standard(name), planted.run(name, **{step: put})
    pair = diverging(a, b).first_forward
    assert pair is not None
    steps = [put, planted.ARCHITECTURES[name].steps[step]]
    assert any(planted.is_planted(g, node, op, steps, last=False) for g, node in zip((a, b), pair, strict=True)), pair


@pytest.mark.parametrize(("name", "step", "put", "op"), planted.BACKWARD[::EACH])
def test_what_only_goes_back_otherwise_is_found(name: str, step: str, put: Step, op: str) -> None:
    a, b = standard(name), planted.run(name, **{step: put})
    found = diverging(a, b)
    assert found.first_forward is None
    pair = found.first_backward
    assert pair is not None
    if op == "hooked":
        assert pair[1].ports[0].arrived is not None
        return
    steps = [put, planted.ARCHITECTURES[name].steps[step]]
    assert any(planted.is_planted(g, node, op, steps, last=True) for g, node in zip((a, b), pair, strict=True)), pair


@pytest.mark.parametrize(("name", "how"), planted.EQUAL[::EACH])
def test_the_same_computation_in_other_words_is_equal(name: str, how: dict[str, Any]) -> None:
    found = diverging(standard(name), planted.run(name, **how))
    assert found.equal, (found.first_forward, found.first_backward)


def test_a_parameter_without_gradient_and_another_beginning_are_found() -> None:
    frozen = planted.run("passing", lambda m: m.own.weight.requires_grad_(False))
    pair = diverging(standard("passing"), frozen).first_backward
    assert pair is not None
    assert [node.name for node in pair] == ["own.weight", "own.weight"]
    scaled = planted.run("passing", end=lambda m, loss: loss.backward(torch.tensor(2.0)))
    found = diverging(standard("passing"), scaled)
    assert found.first_forward is None
    assert found.first_backward is not None
    assert found.first_backward[1].is_output


def test_runs_of_two_processes_are_compared_by_their_files(tmp_path: Path) -> None:
    changed = planted.run("gated", act=lambda h: F.gelu(h))
    files = [graph.save(tmp_path / f"{i}.json") for i, graph in enumerate((standard("gated"), changed))]
    loaded = [Graph.load(file) for file in files]
    found, kept = diverging(standard("gated"), changed).first_forward, diverging(*loaded).first_forward
    assert found is not None
    assert kept is not None
    assert [node.key for node in found] == [node.key for node in kept]
    assert [node.op for node in kept] == ["silu", "gelu"]
