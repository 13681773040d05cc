"""Leaves that are written to under no_grad, as optimizers do: the gradient stands at the value that was read, with
torch's numbers.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import flows
import numpy as np
import pytest
import torch
from autograd_rows import numbers
from call_counts import counted
from programs import leaf
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.tracing.capture import Capture

EVERYTHING = Capture(values="full", gradients="full")


def halved(w: Tensor) -> None:
    with torch.no_grad():
        w.mul_(0.5)


def halved_behind_the_back(w: Tensor) -> None:
    w.data.mul_(0.5)


def halved_and_looked_at(w: Tensor) -> None:
    with torch.no_grad():
        w.mul_(0.5)
        w.max().item()


def halved_twice(w: Tensor) -> None:
    halved(w)
    halved(w)


UPDATES = [halved, halved_behind_the_back, halved_and_looked_at, halved_twice]
updates = pytest.mark.parametrize("update", UPDATES, ids=[update.__name__ for update in UPDATES])


def leaves(graph: Graph) -> list[Node]:
    return [node for node in graph.node_list if node.kind == "leaf"]


@updates
def test_the_gradient_stands_at_the_value_that_was_read(update: Callable[[Tensor], None]) -> None:
    def function(w: Tensor) -> Tensor:
        y = (w * 3).sum()
        update(w)
        return y

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    (read,) = leaves(graph)
    assert (read.name, read.cut, numbers(read.value), numbers(read.grad)) == ("w", None, [1, 2], [3, 3])
    assert flows.wrong_sums(graph) == []
    assert graph.check(capture=True).ok


@updates
def test_a_recording_has_the_gradient_where_the_leaf_was_read(update: Callable[[Tensor], None]) -> None:
    w = leaf(1, 2)
    with gad.record(capture=EVERYTHING) as recording:
        y = w.exp().sum() if update is halved_behind_the_back else (w * 3).sum()
        update(w)
        y.backward()
    (read,) = [node for node in leaves(recording.graph) if node.grad is not None]
    assert w.grad is not None
    assert (numbers(read.value), numbers(read.grad), numbers(read.ports[0].grad_total)) == (
        [1, 2],
        w.grad.tolist(),
        w.grad.tolist(),
    )
    assert flows.wrong_sums(recording.graph) == []


@pytest.mark.parametrize("update", [halved, halved_and_looked_at, halved_twice])
def test_each_value_that_was_read_has_its_own_part_of_the_gradient(update: Callable[[Tensor], None]) -> None:
    def function(w: Tensor) -> Tensor:
        y = (w * 3).sum()
        update(w)
        return y + w.exp().sum()

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    old, new = leaves(graph)
    w = leaf(1, 2)
    (expected,) = torch.autograd.grad(function(w), w)
    assert (numbers(old.grad), numbers(new.value)) == ([3, 3], w.tolist())
    np.testing.assert_array_equal(numbers(new.grad), w.exp().tolist())
    assert numbers(new.ports[0].grad_total) == expected.tolist()
    assert any(notice.startswith("w: written to between uses") for notice in graph.notices)
    assert not any("hook" in notice for notice in graph.notices)
    assert flows.wrong_sums(graph) == []


def test_a_leaf_that_is_returned_after_an_update_is_read_there() -> None:
    def function(w: Tensor) -> tuple[Tensor, Tensor]:
        y = (w * 3).sum()
        halved(w)
        return y, w

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    old, new = leaves(graph)
    assert (numbers(old.grad), numbers(new.grad), numbers(new.ports[0].grad_total)) == ([3, 3], [1, 1], [4, 4])
    assert flows.wrong_sums(graph) == []


def test_each_pass_has_the_gradient_at_the_value_that_it_came_back_to() -> None:
    w = leaf(1, 2)
    with gad.record(capture=EVERYTHING) as recording:
        first = (w * 3).sum()
        halved(w)
        second = w.exp().sum()
        first.backward()
        second.backward()
    found = [
        [(numbers(node.value), numbers(node.grad)) for node in leaves(graph) if node.grad is not None]
        for graph in recording.graph.passes
    ]
    assert found == [[([1, 2], [3, 3])], [([0.5, 1], w.detach().exp().tolist())]]
    assert [flows.wrong_sums(graph) for graph in recording.graph.passes] == [[], []]


@pytest.mark.parametrize("settings", [{"foreach": True}, {"foreach": False}, {"fused": True}], ids=str)
def test_parameters_that_one_operation_updates_have_each_their_own_gradient(settings: dict[str, bool]) -> None:
    torch.manual_seed(0)
    model, x = torch.nn.Linear(2, 1).double(), torch.ones(1, 2, dtype=torch.float64)
    optimizer = torch.optim.Adam(model.parameters(), **settings)
    with gad.record(model, capture=EVERYTHING) as recording:
        for _ in range(2):
            model(x).pow(2).mean().backward()
            optimizer.step()
    graph = recording.graph
    for name, parameter in model.named_parameters():
        (port,) = [port for node in leaves(graph) for port in node.ports if port.name == name and port.grad is not None]
        assert parameter.grad is not None
        assert numbers(port.grad_total) == parameter.grad.tolist()
        assert numbers(port.grad) != parameter.grad.tolist()  # there was a pass before
    held = [port for node in leaves(graph) for port in node.ports if port.grad_total is not None]
    assert len(held) == 2
    assert flows.wrong_sums(graph) == []
    uses = [edge for node in leaves(graph) for edge in graph.out_edges(node.key) if edge.cut is None]
    assert all(
        edge.port < len(graph.nodes[edge.tail].ports) and graph.nodes[edge.tail].ports[edge.port].value is not None
        for edge in uses
    )


def part_set(w: Tensor) -> None:
    with torch.no_grad():
        w[0] = 5.0


def part_set_through_data(w: Tensor) -> None:
    w.data[0].fill_(5)


@pytest.mark.parametrize("update", [part_set, part_set_through_data])
def test_a_leaf_that_was_written_to_in_part_is_shown_whole(update: Callable[[Tensor], None]) -> None:
    def function(w: Tensor) -> Tensor:
        y = w.exp().sum() if update is part_set_through_data else w.sum()
        update(w)
        return y + (w * w).sum()

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    old, new = leaves(graph)
    assert (numbers(old.value), numbers(new.value), numbers(new.grad)) == ([1, 2], [5, 2], [10, 4])
    for node in (old, new):
        assert node.grad is not None
        assert node.ports[0].shape == node.grad.shape
    assert flows.wrong_sums(graph) == []


def test_what_a_parameter_is_set_to_is_not_followed_through_many_operands() -> None:
    def program(count: int) -> None:
        w = torch.ones(2, requires_grad=True)
        with gad.record():
            w.sum().backward()
            with torch.no_grad():
                made = w * 2
                for _ in range(3):
                    made = torch.stack([made] * count).sum(0)
                w.copy_(made)

    few, many = (counted(lambda n=n: program(n)).in_module("tracing.tape.steps_by_hand") for n in (2, 8))  # type: ignore[misc]
    assert 0 < many <= few


def apart() -> tuple[Tensor, Tensor]:
    flat = torch.arange(1.0, 5.0)
    return torch.nn.Parameter(flat[:2]), torch.nn.Parameter(flat[2:])


def shared(make: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    p = torch.nn.Parameter(torch.tensor([2.0, 3.0]))
    return p, make(p)


def set_to(p: Tensor) -> Tensor:
    q = torch.nn.Parameter(torch.zeros(2))
    with torch.no_grad():
        q.set_(p)
    return q


def with_data_of(p: Tensor) -> Tensor:
    q = torch.nn.Parameter(torch.zeros(2))
    q.data = p.data
    return q


SHARING: dict[str, Callable[[], tuple[Tensor, Tensor]]] = {
    "detach": lambda: shared(lambda p: torch.nn.Parameter(p.detach())),
    "data": lambda: shared(lambda p: torch.nn.Parameter(p.data)),
    "set_": lambda: shared(set_to),
    "data that was set": lambda: shared(with_data_of),
    "a view": lambda: shared(lambda p: torch.nn.Parameter(p.detach().view(2, 1)[:, 0])),
    "a part": lambda: shared(lambda p: torch.nn.Parameter(p.detach()[1:])),
    "parts of one memory": apart,
    "tied by attribute": lambda: shared(lambda p: p),
}


def through_data(parameters: list[Tensor]) -> None:
    for p in parameters:
        assert p.grad is not None
        p.data.sub_(0.1 * p.grad)


STEPS: dict[str, Callable[[list[Tensor]], Callable[[], object]]] = {
    "momentum": lambda own: torch.optim.SGD(own, 0.1, momentum=0.9).step,
    "foreach": lambda own: torch.optim.SGD(own, 0.1, foreach=True).step,
    "through data": lambda own: lambda: through_data(own),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("sharing", SHARING)
def test_parameters_that_share_memory_have_each_their_own_gradient(sharing: str, step: str) -> None:
    """What each reads is its own, with torch's numbers, whichever of them was written to; one tensor is one of them."""
    p, q = SHARING[sharing]()
    own = [p] if p is q else [p, q]
    update, truth = STEPS[step](own), []
    with gad.record() as rec:
        for _ in range(3):
            for one in own:
                one.grad = None
            a = p * p
            b = q * 5
            (a.sum() + b.sum()).backward()
            truth.append({"a": (p.detach().clone(), p.grad), "b": (q.detach().clone(), q.grad)})
            update()
    for number, done in enumerate(rec.graph.passes):
        read: dict[str, tuple[Node, int]] = {}
        for name, (value, grad) in truth[number].items():
            edge = done.in_edges([node for node in done.node_list if node.name == name][number].key)[0]
            read[name] = done.nodes[edge.tail], edge.port
            port = done.nodes[edge.tail].ports[edge.port]
            assert grad is not None
            assert port.value is not None
            assert port.grad is not None
            np.testing.assert_array_equal(numbers(port.value), value.numpy())
            np.testing.assert_array_equal(numbers(port.grad), grad.numpy())
            assert (port.name or done.nodes[edge.tail].name) == ("q" if name == "b" and p is not q else "p")
        assert (read["a"] == read["b"]) == (p is q)
        assert not {"hook changed", "unlinked"} & {note.kind for note in done.notes}


VIEW_MADE_ANEW = """
import torch, graphviz_ad as gad

def program(x):
    y = x * 1
    y.imag.mul_(2)
    return y.abs().sum()

gad.trace(program, torch.tensor([1 + 2j, 3 + 1j], requires_grad=True))
"""


def test_nothing_is_asked_of_a_view_whose_node_torch_is_making_anew() -> None:
    # torch holds a lock then, for which such a question would wait for ever: in a process that can be given up
    subprocess.run([sys.executable, "-c", VIEW_MADE_ANEW], check=True, timeout=100)
