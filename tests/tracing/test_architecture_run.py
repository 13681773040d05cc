"""A forward run tells which modules and functions were called and which tensors went where, and leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from architectures import ARCHITECTURES, Program
from torch import nn

from graphviz_ad._internal.graph.architecture import Architecture, view
from graphviz_ad._internal.tracing.architecture_run import architecture_of


def seen(module: nn.Module, *args: Any, **kwargs: Any) -> Architecture:
    return architecture_of(module, args, kwargs)


def drawn(architecture: Architecture, depth: float, **options: Any) -> list[tuple[str, str]]:
    shown = view(architecture, depth, **options)
    names = {part.number: part.name for part in shown.parts}
    return [(names[flow.tail], names[flow.head]) for flow in shown.flows]


SMALL = ("shallow", "deep", "lenet", "unet", "transformer_block", "lstm", "autoencoder", "experts")


@pytest.mark.parametrize("name", SMALL)
def test_on_every_level_all_that_is_read_was_made_before_and_every_output_has_a_source(name: str) -> None:
    model, args = ARCHITECTURES[name]()
    architecture = seen(model, *args)
    returned = model(*args)
    assert [architecture.tensors[number].shape for number in architecture.outputs] == [tuple(returned.shape)]
    for depth in (0, 1, 2, float("inf")):
        for leaves_whole in (True, False):
            shown = view(architecture, depth, leaves_whole=leaves_whole)
            order = {part.number: place for place, part in enumerate(shown.parts)}
            assert all(order[flow.tail] < order[flow.head] for flow in shown.flows)
            assert len(shown.ends) == 1
            assert {part.kind for part in shown.parts} <= {"input", "module", "function"}
            inner = [part for part in shown.parts if part.kind == "module" and part.takes]
            assert all(any(flow.head == part.number for flow in shown.flows) for part in inner)


def test_what_is_read_twice_flows_twice_and_residuals_are_seen() -> None:
    run = lambda net, x: net.a(x) * net.a(x) + x  # noqa: E731
    architecture = seen(Program(run, a=nn.Linear(2, 2)), torch.ones(1, 2))
    assert drawn(architecture, 1) == [
        ("input", "Linear"), ("input", "Linear"), ("Linear", "mul"), ("Linear", "mul"), ("mul", "add"),
        ("input", "add"),
    ]  # fmt: skip
    assert drawn(architecture, 0) == [("input", "Program")]


def test_a_module_that_reads_what_it_was_not_given_takes_it_all_the_same() -> None:
    def run(net: Program, x: torch.Tensor) -> torch.Tensor:
        net.kept = torch.sin(x)
        return net.inner(torch.cos(x))

    made = Program(run)
    made.inner = Program(lambda inner, x: x * made.kept)
    assert ("sin", "Program") in drawn(seen(made, torch.ones(2)), 1)


def test_a_module_that_returns_what_it_was_given_is_a_part_of_its_own() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True), nn.Identity())
    architecture = seen(model, torch.ones(2))
    assert drawn(architecture, 1) == [("input", "Identity"), ("Identity", "ReLU"), ("ReLU", "Identity")]


def test_nothing_is_left_of_a_run() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())
    model[2].eval()
    buffers = {name: (id(tensor), tensor.clone(), tensor._version) for name, tensor in model.named_buffers()}
    modes = [module.training for module in model.modules()]
    x = torch.rand(3, 2)
    before = torch.get_rng_state()
    architecture_of(model, (x,), {}, training=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert [module.training for module in model.modules()] == modes
    for name, tensor in model.named_buffers():
        same, value, version = buffers[name]
        assert (id(tensor), tensor._version) == (same, version)
        assert torch.equal(tensor, value)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert x._version == 0


def test_what_the_program_raises_is_raised_and_nothing_is_left() -> None:
    def run(net: Program, x: torch.Tensor) -> torch.Tensor:
        raise KeyError("mine")

    made = nn.Sequential(Program(run))
    with pytest.raises(KeyError, match="mine"):
        seen(made, torch.ones(1))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in made.modules())
