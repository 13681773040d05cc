"""Training steps of the user's own: passes kept apart, optimizer steps, exceptions, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import flows
import pytest
import torch
from autograd_rows import numbers
from programs import leaf, operations, wrong_sums
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.tracing.capture import Capture


def leaves(graph: Graph) -> list[Node]:
    """The leaves, in order."""
    return [node for node in graph.node_list if node.kind == "leaf"]


def test_two_losses_are_two_passes_and_their_sum_is_kept() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        a, b = (x * w).sum(), (x + w).sum()
        a.backward()
        b.backward()
    first, second = recorded.graph.passes
    assert [numbers(node.grad) for node in leaves(first)] == [[3, 4], [1, 2]]
    assert [numbers(node.grad) for node in leaves(second)] == [[1, 1], [1, 1]]
    assert (
        [numbers(node.ports[0].grad_total) for node in leaves(second)]
        == [[4, 5], [2, 3]]
        == [x.grad.tolist(), w.grad.tolist()]
    )  # type: ignore[union-attr]
    assert [node.op for node in first.node_list if node.cut == "unreached"] == ["add", "sum"]


def test_a_pass_with_inputs_gives_gradients_to_these_only() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        (x * w).sum().backward(inputs=[w])
    assert [node.grad is None for node in leaves(recorded.graph)] == [True, False]
    assert x.grad is None


def test_gradients_asked_for_with_grad_stand_at_the_leaf() -> None:
    x = leaf(1, 2)
    with gad.record() as recorded:
        torch.autograd.grad((x**3).sum(), x)
    (node,) = leaves(recorded.graph)
    assert (node.cut, numbers(node.grad)) == (None, [3, 12])


def test_the_graph_of_a_reentrant_checkpoint_is_that_of_the_users_pass() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        (checkpoint(lambda z: torch.sin(z) * w, x * 1, use_reentrant=True) * 2).sum().backward()
    assert recorded.graph.outputs[0].op == "sum"
    assert numbers(leaves(recorded.graph)[0].grad) == x.grad.tolist()  # type: ignore[union-attr]


def test_all_gradients_of_a_reentrant_checkpoint_are_somewhere_in_the_passes() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        (checkpoint(lambda z: torch.sin(z) * w, x * 1, use_reentrant=True) * 2).sum().backward()
    found = [numbers(node.grad) for graph in recorded.graph.passes for node in leaves(graph) if node.grad is not None]
    assert x.grad is not None
    assert w.grad is not None
    assert x.grad.tolist() in found
    assert w.grad.tolist() in found


def test_a_second_pass_over_a_freed_graph_is_the_users_error() -> None:
    x = leaf(1, 2)
    recorded = gad.record()

    def step() -> None:
        with recorded:
            y = (x * x).sum()
            y.backward()
            y.backward()

    with pytest.raises(RuntimeError, match="second time") as caught:
        step()
    assert caught.value.graph is recorded.graph  # type: ignore[attr-defined]
    assert len(recorded.graph.passes) == 2
    assert numbers(leaves(recorded.graph.passes[0])[0].grad) == [2, 4]


def test_an_exception_after_a_pass_keeps_the_pass() -> None:
    x = leaf(1, 2)

    def step() -> None:
        with gad.record():
            y = x * x
            y.sum().backward()
            z = y.sin()
            raise KeyError("mine", z.shape)

    with pytest.raises(KeyError, match="mine") as caught:
        step()
    graph: Graph = caught.value.graph  # type: ignore[attr-defined]
    assert operations(graph) == ["mul", "sum", "sin"]
    assert numbers(leaves(graph)[0].grad) == [2, 4]


def test_an_exception_in_a_trace_has_the_graph_so_far() -> None:
    def function(x: Tensor) -> Tensor:
        y = torch.sin(x)
        return y @ torch.ones(7, dtype=x.dtype)

    with pytest.raises(RuntimeError, match="inconsistent tensor size") as caught:
        gad.trace(function, [1.0, 2.0])
    assert operations(caught.value.graph)[:1] == ["sin"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
def test_a_recorded_step_trains_as_an_unrecorded_one(optimizer: Any) -> None:
    def train(layer: nn.Linear, steps: int) -> None:
        stepping = optimizer(layer.parameters(), lr=0.1)
        for _ in range(steps):
            stepping.zero_grad()
            layer(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
            stepping.step()

    torch.manual_seed(0)
    layer = nn.Linear(2, 1).double()
    twin = nn.Linear(2, 1).double()
    twin.load_state_dict(layer.state_dict())
    train(twin, 2)
    with gad.record(layer) as recorded:
        train(layer, 2)
    assert [p.tolist() for p in layer.parameters()] == [p.tolist() for p in twin.parameters()]
    assert len(recorded.graph.passes) == 2
    assert all(wrong_sums(graph) == [] for graph in recorded.graph.passes)


def test_an_optimizer_step_is_a_node_with_the_new_parameters_as_results() -> None:
    layer = nn.Linear(2, 1).double()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    with gad.record(layer) as recorded:
        layer(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
        optimizer.step()
    steps = [node for node in recorded.graph.node_list if node.op is not None and "Adam" in node.op]
    assert {port.name: numbers(port.value) for node in steps for port in node.ports} == {
        name: p.tolist() for name, p in layer.named_parameters()
    }


def test_variables_of_a_function_name_its_leaves() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        (x * w).sum().backward()
    assert [node.name for node in leaves(recorded.graph)] == ["x", "w"]


# --- threads


def elsewhere(x: Tensor) -> Tensor:
    found: list[Tensor] = []
    thread = threading.Thread(target=lambda: found.append(x.sin() * 2))
    thread.start()
    thread.join()
    return found[0] * x


def test_what_another_thread_computed_is_in_the_graph_with_its_gradients() -> None:
    graph = gad.trace(elsewhere, leaf(1, 2))
    assert operations(graph) == ["sin", "mul", "mul"]
    assert wrong_sums(graph) == []
    assert numbers(leaves(graph)[0].grad) == torch.autograd.grad(elsewhere(x := leaf(1, 2)).sum(), x)[0].tolist()


def test_what_another_thread_computed_is_said_to_be_incomplete() -> None:
    assert "thread" in " ".join(gad.trace(elsewhere, leaf(1, 2)).notices)


def test_recordings_in_several_threads_see_their_own_passes() -> None:
    found: dict[int, list[Any]] = {}

    def work(n: int) -> None:
        x = leaf(n)
        with gad.record() as recorded:
            for _ in range(n):
                (x * n).sum().backward()
        found[n] = [numbers(leaves(graph)[0].grad) for graph in recorded.graph.passes]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [[n]] * n for n in range(1, 5)}
    assert torch.autograd._engine_run_backward.__module__ == "torch.autograd.graph"


def checkpointed(x: Tensor) -> Tensor:
    return checkpoint(torch.sin, x, use_reentrant=True)  # type: ignore[no-any-return]


NESTED: list[Callable[[Tensor], Tensor]] = [
    lambda x: checkpointed(x).sum(),
    lambda x: checkpointed(checkpointed(x * 2) * 3).sum(),
    lambda x: (checkpointed(x) * checkpointed(x)).sum(),
    lambda x: checkpoint(lambda x: checkpointed(x) * 2, x * 2, use_reentrant=True).sum(),
    lambda x: sum(part.sum() for part in checkpoint(lambda x: (x.sin(), x * 3), x, use_reentrant=True)),
]


@pytest.mark.parametrize("function", NESTED)
def test_what_a_pass_inside_a_pass_begins_with_is_fed_in_there(function: Callable[[Tensor], Tensor]) -> None:
    x = leaf(1, 2)
    with gad.record(capture=Capture(values="full", gradients="full")) as recorded:
        function(x).backward()
    assert x.grad is not None
    graph = recorded.graph
    for view in (graph, graph.detail or graph):
        assert flows.wrong_sums(view) == []
        starts = [
            node
            for node in view.node_list
            if not node.is_output and any(port.upstream is not None for port in node.ports)
        ]
        assert starts
        assert all(port.grad == port.upstream for node in starts for port in node.ports if port.upstream is not None)
    assert x.grad.tolist() in [numbers(node.ports[0].grad_total) for node in leaves(graph) if node.grad is not None]
    assert len(graph.outputs) == 1
    assert graph.animate(direction="backward").steps
