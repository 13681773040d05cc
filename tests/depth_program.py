"""Programs deeper than the stack can release by recursion, run in a process of their own by test_depth.py, since a
fault would end it.

python depth_program.py SCENARIO OPERATIONS [STACK_IN_KIB]
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.graph.graph import Graph

STRUCTURE = gad.Capture(values="none", gradients="none", local=False)
kept: list[Tensor] = []


def number() -> Tensor:
    return torch.tensor(0.5, dtype=torch.float64, requires_grad=True)


def deep(x: Tensor, count: int) -> Tensor:
    for _ in range(count):
        x = torch.sin(x)
    return x


def derivative(count: int) -> float:
    """That of so many sines at 0.5, step by step."""
    x = number()
    torch.autograd.backward(deep(x, count))
    assert x.grad is not None
    return x.grad.item()


def traced(count: int) -> None:
    graph = gad.trace(lambda x: deep(x, count), number())
    assert graph.node_list[0].grad is not None
    assert graph.node_list[0].grad.item() == derivative(count)
    assert len(graph.edges) == count
    assert len(graph.to_svg()) < 300_000  # folded


def structure(count: int) -> None:
    graph = gad.trace(lambda x: deep(x, count), number(), capture=STRUCTURE)
    assert sum(node.autograd == ("SinBackward0",) for node in graph.node_list) == count


def unread(count: int) -> None:
    """A deep result that leads to no output."""

    def function(x: Tensor) -> Tensor:
        deep(x, count)
        return x.cos()

    gad.trace(function, number(), capture=STRUCTURE)


def kept_output(count: int) -> None:
    def function(x: Tensor) -> Tensor:
        kept.append(deep(x, count))
        return kept[0] * 2

    gad.trace(function, number(), capture=STRUCTURE)


def kept_apart(count: int) -> None:
    def function(x: Tensor) -> Tensor:
        kept.append(deep(x, count))
        return x * 2

    gad.trace(function, number(), capture=STRUCTURE)


def raised(count: int) -> None:
    def function(x: Tensor) -> Tensor:
        deep(x, count)
        raise ValueError("the program's own")

    try:
        gad.trace(function, number(), capture=STRUCTURE)
    except ValueError as error:
        graph: Graph = error.graph  # type: ignore[attr-defined]
        assert len(graph.edges) == count


def recorded(count: int) -> None:
    """A recording, where the program releases the graph itself: what lies too deep is not touched, and the graph
    says so.
    """
    x = number()
    with gad.record() as recording:
        y = deep(x, count)
        y.backward()
    assert any("deep" in notice for notice in recording.graph.notices)
    assert len(recording.graph.edges) == count
    assert not {edge.cut for edge in recording.graph.edges} - {None}
    assert x.grad is not None
    assert x.grad.item() == derivative(count)


def recorded_forward(count: int) -> None:
    with gad.record() as recording:
        y = deep(number(), count)
    assert any("deep" in notice for notice in recording.graph.notices)
    assert y.requires_grad


def recorded_wide(count: int) -> None:
    """Many nodes, none of them deep, are recorded whole."""
    x = number()
    with gad.record() as recording:
        total = torch.stack([x * n for n in range(count)]).sum()
        total.backward()
    assert recording.graph.node_list[0].grad is not None
    assert x.grad is not None
    assert recording.graph.node_list[0].grad.item() == x.grad.item()


def recorded_steps(count: int) -> None:
    """A deep pass takes nothing from the shallow one after it."""
    x = number()
    with gad.record() as recording:
        deep(x, count).backward()
        (x * 3).backward()
    (last,) = recording.graph.passes
    assert last.node_list[0].grad is not None
    assert last.node_list[0].grad.item() == 3.0


def finished(count: int) -> None:
    """Finished tensors belong to the program; too deep a graph is refused before it is touched too far."""
    y = deep(number(), count)
    with pytest.raises(TraceError, match="no such limit"):
        gad.trace(y)


SCENARIOS: dict[str, Callable[[int], None]] = {
    function.__name__: function
    for function in (
        *(traced, structure, unread, kept_output, kept_apart, raised),
        *(recorded, recorded_forward, recorded_wide, recorded_steps, finished),
    )
}


def run(names: list[str], count: int) -> None:
    for name in names:
        SCENARIOS[name](count)
        kept.clear()
        print(name, flush=True)


def main() -> None:
    names, count = sys.argv[1].split(","), int(sys.argv[2])
    if len(sys.argv) < 4:
        return run(names, count)
    threading.stack_size(int(sys.argv[3]) * 1024)
    thread = threading.Thread(target=run, args=(names, count))
    thread.start()
    return thread.join()


if __name__ == "__main__":
    main()
