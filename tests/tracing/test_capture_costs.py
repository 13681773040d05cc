"""What a trace costs, in counts that are the same everywhere: calls of functions an operation, looks at memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from call_counts import counted
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.tracing.tape import statistics, values
from graphviz_ad._internal.tracing.tape.stack import StackReader
from graphviz_ad._internal.tracing.tape.torch_private import TELLS_HOOKS

SHORT, LONG = 10, 60
MOST_OF_A_BLOCK = 1200  # what was measured and a tenth more
STRUCTURE = gad.Capture(values="none", gradients="none", local=False)


def sines(length: int) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        for _ in range(length):
            x = torch.sin(x)
        return x

    return run


class Scaled(nn.Module):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.length):
            x = x * 1.0001
        return x


def calls_an_operation(
    made: Callable[[int], Callable[[Tensor], Tensor]], dtype: torch.dtype, capture: gad.Capture
) -> float:
    """Of functions in Python, ours and others."""

    def trace(length: int) -> int:
        x = torch.tensor(0.5, dtype=dtype, requires_grad=True)
        return sum(counted(lambda: gad.trace(made(length), x, capture=capture)).ran.values())

    trace(SHORT)  # what is done once a process
    return (trace(LONG) - trace(SHORT)) / (LONG - SHORT)


@pytest.mark.parametrize(
    ("made", "dtype", "capture", "most"),
    [
        (sines, torch.float64, gad.Capture(), 42),
        (sines, torch.bfloat16, gad.Capture(), 42),
        (sines, torch.float64, STRUCTURE, 28),
        (Scaled, torch.float32, gad.Capture(), 52),
    ],
    ids=["function", "halves", "structure", "module"],
)
def test_an_operation_of_a_long_program_costs_few_calls(
    made: Callable[[int], Callable[[Tensor], Tensor]], dtype: torch.dtype, capture: gad.Capture, most: int
) -> None:
    """A limit is what was measured and a tenth more; whoever needs more calls has made a trace slower. Where torch does
    not say what hooks stand before what a node keeps, more has to be asked of each.
    """
    assert calls_an_operation(made, dtype, capture) <= most + (0 if TELLS_HOOKS else 20)


def test_a_block_of_a_network_costs_few_calls() -> None:
    """Of three layers, five operations and four parameters: names, copies, hooks, gradients and all else together."""

    def trace(blocks: int) -> int:
        layers = [nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU()) for _ in range(blocks)]
        model, x = nn.Sequential(*layers), torch.ones(4, 8)
        return sum(counted(lambda: gad.trace(model, x)).ran.values())

    trace(4)  # what is done once a process
    assert (trace(14) - trace(4)) / 10 <= MOST_OF_A_BLOCK


@pytest.mark.parametrize(
    "model", [Scaled(LONG), nn.Sequential(*[nn.Tanh() for _ in range(LONG)])], ids=["one_module", "many_alike"]
)
def test_a_place_in_a_module_is_found_once(model: nn.Module) -> None:
    """Also for all modules that the same instructions call; each operation is in its own, all the same."""
    graphs: list[gad.Graph] = []
    walks = counted(lambda: graphs.append(gad.trace(model, torch.ones(2, requires_grad=True)))).of(StackReader._walk)
    assert walks == 1
    if isinstance(model, nn.Sequential):
        ran = [node.module[-1] for node in graphs[0].node_list if node.op == "tanh"]
        assert ran == [str(i) for i in range(LONG)]


def test_what_was_copied_whole_is_not_copied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a layer: three values, of which a transposed weight is none, and four gradients, which come by twice."""
    seen: list[tuple[int, ...]] = []
    read = values.copied_elements

    def copied(tensor: Tensor, wider: torch.dtype | None = None) -> object:
        seen.append(tuple(tensor.shape))
        return read(tensor, wider)

    monkeypatch.setattr(values, "copied_elements", copied)
    layer = nn.Linear(64, 32, bias=False)
    everything = gad.Capture(values="full", gradients="full", whole=16)
    gad.trace(lambda x: layer(x).sum(), torch.randn(8, 64), capture=everything)
    assert sorted(seen) == sorted([(8, 64), (32, 64), *[(8, 32)] * 3, (64, 32), (32, 64)])


def test_memory_is_gone_through_once_for_each_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers: six values, of which views are none, and ten gradients, of which those of weights are once
    transposed and once not; what a node hands on in its order is not looked at again.
    """
    seen: list[tuple[int, ...]] = []

    def look(tensor: Tensor) -> object:
        seen.append(tuple(tensor.shape))
        return statistics.statistics_of_tensor(tensor)

    monkeypatch.setattr(values, "statistics_of_tensor", look)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Flatten(0), nn.Unflatten(0, (32, 64)), nn.Linear(64, 64))
    gad.trace(lambda x: model(x).sum(), torch.randn(32, 64), capture=gad.Capture(whole=16))
    assert len(seen) <= 6 + 10


def test_a_big_gradient_that_comes_transposed_and_not_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In numbers those of its elements in order, as if each had been read by itself; after a write it is read anew."""
    seen: list[int] = []

    def counting(name: str, size: Callable[..., int]) -> None:
        read = getattr(statistics, name)

        def row(*given: Any) -> Any:
            found = read(*given)
            seen.extend([size(*given)] if found is not None else [])
            return found

        monkeypatch.setattr(statistics, name, row)

    counting("row_of_memory", lambda _, count, *more: int(count))
    counting("row_of_array", lambda array, *more: int(array.size))
    layer = nn.Linear(1025, 1024, bias=False)
    graph = gad.trace(lambda x: layer(x).sum(), torch.ones(2, 1025))
    size = layer.weight.numel()
    assert seen.count(size) == 2  # the weight and its gradient
    leaf = next(node for node in graph.node_list if node.name == "layer.weight")
    assert leaf.grad is not None
    assert leaf.grad.stats == statistics.statistics_of_tensor(torch.full((1024, 1025), 2.0))

    matrix = torch.randn(1025, 1024)
    statistics.statistics_of_tensor(matrix.t())
    matrix[0, 0] = 9.0
    assert statistics.statistics_of_tensor(matrix) == statistics.statistics_of_tensor(matrix.clone())
