"""What one pass of a recording says, looked up from another: each pass numbers its nodes on its own. Nodes are told
apart here by what they hold, which no two of these programs' results have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pytest
import torch
from autograd_rows import numbers
from torch import Tensor, nn
from torch.nn import functional as F

import graphviz_ad as gad
from graphviz_ad._internal.explain.consequences import leads_to_any_loss
from graphviz_ad._internal.explain.freed_graph import carriers, freed_by
from graphviz_ad._internal.film.rounds import rounds_of
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notices import PASSES_DRAWN
from graphviz_ad._internal.graph.other_passes import with_other_passes
from graphviz_ad._internal.graph.pass_keys import same_nodes, with_shared_keys
from graphviz_ad._internal.scene.annotations import held_before

Weights = list[Tensor]
ROUNDS = 4


def loops(w: Weights, i: int) -> Tensor:
    h = w[0] * (1.5 + i)
    for _ in range((3, 5, 2, 4)[i]):
        h = torch.tanh(h) * w[1]
    return (h * h).sum()


def one_more(w: Weights, i: int) -> Tensor:
    h = w[0] * (1.5 + i)
    if i == 1:
        h = torch.sigmoid(h) + w[2]
    return (torch.tanh(h) * w[1]).sum()


def branches(w: Weights, i: int) -> Tensor:
    if i % 2:
        return torch.sin(w[0] * (1.5 + i)).sum()
    return (torch.cos(w[1] * w[2] + i) * 1.25).sum()


def joined(w: Weights, i: int) -> Tensor:
    m = torch.outer(w[0], w[1])
    h = F.layer_norm(F.linear(w[2] * (0.5 + i), m.detach() if i == 2 else m, w[0]), [3], w[1])
    return F.smooth_l1_loss(h if i != 1 else F.softmax(h, 0).log(), torch.full((3,), 0.3 + i))


PROGRAMS = {one.__name__: one for one in (loops, one_more, branches, joined)}
STEPS: dict[str, Callable[[Weights], torch.optim.Optimizer]] = {
    "SGD": lambda w: torch.optim.SGD(w, 0.07),
    "momentum": lambda w: torch.optim.SGD(w, 0.07, momentum=0.9),
    "Adam": lambda w: torch.optim.Adam(w, 0.07),
    "foreach": lambda w: torch.optim.AdamW(w, 0.07, foreach=True),
}


def weights() -> Weights:
    return [nn.Parameter(torch.tensor(row)) for row in ([0.3, 0.5, 0.8], [0.7, 0.2, 0.9], [0.4, 1.1, 0.6])]


@cache
def recorded(program: str, step: str) -> Graph:
    w = weights()
    optimizer = STEPS[step](w)
    with gad.record() as rec:
        for i in range(ROUNDS):
            optimizer.zero_grad()
            loss = PROGRAMS[program](w, i)
            loss.backward()
            optimizer.step()
    return rec.graph


def held(node: Node) -> tuple[object, ...] | None:
    """Operation and value."""
    if node.kind != "op" or node.value is None or node.value.array is None or node.is_step or not node.autograd:
        return None
    return node.op, node.value.shape, node.value.array.tobytes()


def told_apart(graph: Graph) -> dict[tuple[object, ...], Node]:
    found = [(what, node) for node in graph.node_list if (what := held(node)) is not None]
    often = Counter(what for what, _ in found)
    return {what: node for what, node in found if often[what] == 1}


def last_that_came(graph: Graph, node: Node) -> tuple[int, Node] | None:
    found = [(n, told_apart(done).get(held(node))) for n, done in enumerate(graph.passes, 1)]  # type: ignore[arg-type]
    came = [(n, there) for n, there in found if there is not None and there.grad is not None]
    return came[-1] if came else None


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_operation_is_the_same_in_all_passes(program: str, step: str) -> None:
    graph = recorded(program, step)
    for number, done in enumerate(graph.passes):
        there, same = told_apart(done), same_nodes(graph, done)
        assert set(told_apart(graph)) == set(there)
        for what, node in told_apart(graph).items():
            assert same[node.key] is there[what]
        shared = with_shared_keys(graph).passes[number]
        assert {what: node.key for what, node in told_apart(shared).items()} == {
            what: node.key for what, node in told_apart(graph).items()
        }
        for key in shared.nodes.keys() & graph.nodes.keys():  # parameters at what they were then, and numbers
            values = [each.value for each in (shared.nodes[key], graph.nodes[key])]
            assert None in values or values[0] == values[1]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_reason_is_of_the_pass_that_came_to_the_result(program: str, step: str) -> None:
    graph = recorded(program, step)
    for node in told_apart(graph).values():
        came, said = last_that_came(graph, node), graph.why(node.key)
        assert said.startswith(f"In backward pass {came[0] if came is not None else ROUNDS} of {ROUNDS}")
        if came is not None:
            assert said.split(": ", 1)[1] == graph.passes[came[0] - 1].why(came[1].key)
        assert leads_to_any_loss(graph, node.key)


def of_leaves(nodes: Iterable[Node]) -> list[tuple[object, ...]]:
    leaves = [(node, port) for node in nodes if node.kind == "leaf" for port in node.ports if port.grad is not None]
    found = [(port.tensor, port.value, port.grad) for _, port in leaves]
    return sorted([(tensor, numbers(value), numbers(grad)) for tensor, value, grad in found])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_picture_of_several_passes_has_the_gradients_of_each(program: str, step: str) -> None:
    """What a pass came to that is drawn has its gradient, and no other; leaves among it."""
    graph = recorded(program, step)
    shown = with_other_passes(graph)
    for number in (one for note in shown.notes if note.kind == PASSES_DRAWN for one in note["numbers"]):
        done = graph.passes[number - 1]
        own = [node for node in shown.node_list if node.in_passes == (number,)]
        assert of_leaves(own) == of_leaves(done.node_list)
        for node in own:
            if (what := held(node)) is not None:
                assert node.grad == told_apart(done)[what].grad


def goes_back_again(optimizer: torch.optim.Optimizer, a: Tensor, b: Tensor, c: Tensor) -> None:
    kept = torch.ones(3)
    for i in range(ROUNDS):
        optimizer.zero_grad()
        if i < 2:
            loss = (a * c * (1.0 + i)).sum()
        else:
            for _ in range(i):
                kept = torch.tanh(kept * b)
            loss = (kept * a).sum()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize("step", STEPS)
def test_what_a_failed_pass_says_of_earlier_ones_is_of_those(step: str) -> None:
    """Which pass freed the graph and what led there; and what ``.grad`` holds of leaves that it did not come to."""
    a, b, c = weights()
    with pytest.raises(RuntimeError), gad.record(nn.ParameterDict({"a": a, "b": b, "c": c})) as rec:
        goes_back_again(STEPS[step]([a, b, c]), a, b, c)
    graph = rec.graph
    (stopped,) = [node for node in graph.node_list if node.raised]
    assert freed_by(graph, stopped) == 3
    (carrier,) = carriers(graph, 3)
    end = [node for node in told_apart(graph).values() if node.op == "tanh"][1]
    assert graph.nodes[carrier.tail] is end
    for node in graph.node_list:
        if node.kind == "leaf" and node.requires_grad:
            of, before = {"a": a, "b": b, "c": c}[node.name or ""], held_before(graph, node)
            assert (before is None) == (of.grad is None)
            if before is not None and of.grad is not None:
                np.testing.assert_array_equal(before.array, of.grad.numpy())


def test_a_film_computes_what_was_computed_since_the_pass_before() -> None:
    """Though a step after it has boxes of its own in the pass that is told, and the steps before it have none there."""
    w, own = weights(), nn.Parameter(torch.tensor([0.2, 0.3, 0.4]))
    optimizer = torch.optim.Adam(w, 0.07)
    with gad.record() as rec:
        for i in range(2):
            (w[0] * w[1] * w[2] * (i + 1.5)).sum().backward()
            if i == 0:
                optimizer.step()
        with torch.no_grad():
            target = w[0] * 3
            shifted = target + 1
        optimizer.step()
        (own * target * shifted).sum().backward()
    last = rounds_of(rec.graph, True)[-1]
    ran = {node.name: node.kind for key in last.here if (node := last.graph.nodes[key]).name in ("target", "shifted")}
    assert ran == {"target": "op", "shifted": "op"}
