"""What a transform hides, what it must not change, and what it says about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import networkx
import numpy as np
import pytest
import torch
from programs import assert_sound, operations, randoms, wrong_sums
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.transforms import (
    collapse_modules,
    fold_to_size,
    hide_constants,
    hide_unused,
    keep_only,
    merge_calls,
)
from graphviz_ad._internal.scene.words.describe import words_of_graph


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.query(x) @ self.key(x).T, -1) @ x


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.feed = Attention(), nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.feed(x) * 2


class Network(nn.Module):
    def __init__(self, shared: bool = False) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 4)
        first = Layer()
        self.layers = nn.ModuleList([first, first if shared else Layer()])
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(x).sum()


def network(shared: bool = False) -> Graph:
    torch.manual_seed(0)
    return gad.trace(Network(shared).double(), randoms(2, 3))


def interleaved(x: Tensor, y: Tensor) -> Tensor:
    a = functional.linear(x, y)
    b = functional.normalize(a.T, dim=0) @ x
    return (1 / b).sum() + functional.cross_entropy(a, torch.tensor([0, 1])) + a[0, 0] * 2


def reach(graph: Graph) -> set[tuple[str, str]]:
    """Which named nodes depend on which."""
    nodes = networkx.DiGraph(graph.nx)
    named = {key: node.name for key, node in graph.nodes.items() if node.name}
    return {
        (name, named[later])
        for key, name in named.items()
        for later in networkx.descendants(nodes, key)
        if later in named
    }


def frontier(graph: Graph) -> dict[str | None, list[Any]]:
    """Per leaf the sum of what flows back into it."""
    return {
        node.name: np.sum(
            [
                edge.grad.array
                for edge in graph.out_edges(node.key)
                if edge.grad is not None and edge.grad.array is not None
            ],
            axis=0,
        ).tolist()
        for node in graph.node_list
        if node.kind == "leaf"
    }


def test_merging_calls_keeps_who_depends_on_whom() -> None:
    graph = gad.trace(interleaved, randoms(2, 2), randoms(2, 2, seed=1))
    assert graph.detail is not None
    assert len(graph.node_list) < len(graph.detail.node_list)
    assert reach(graph) == reach(graph.detail)
    assert frontier(graph) == frontier(graph.detail)
    assert_sound(graph)


def test_merging_calls_keeps_what_flows_between_calls() -> None:
    graph = gad.trace(interleaved, randoms(2, 2), randoms(2, 2, seed=1))
    assert graph.detail is not None
    fine = graph.detail

    def flows(view: Any) -> list[str]:
        """From each call to each other one, all together: a call that reads a result several times has one edge from
        it.
        """
        found: dict[Any, Any] = {}
        for edge in view.edges:
            tail, head = view.nodes[edge.tail], view.nodes[edge.head].call
            if (tail.call is None or tail.call != head) and edge.grad is not None and edge.grad.array is not None:
                where = (edge.tail, edge.port, head)
                found[where] = found.get(where, 0.0) + edge.grad.array
        return sorted(repr(total.round(12).tolist()) for total in found.values())

    assert flows(graph) == flows(fine)


def test_merging_twice_changes_nothing() -> None:
    graph = gad.trace(interleaved, randoms(2, 2), randoms(2, 2, seed=1))
    again = merge_calls(graph)
    assert (again.node_list, again.edges) == (graph.node_list, graph.edges)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_folded_modules_keep_what_flows_across_their_frame(depth: int, shared: bool) -> None:
    graph = network(shared)
    folded = collapse_modules(graph, depth)
    place = {node.key: i for i, node in enumerate(folded.node_list)}
    assert list(place) == [f"n{i}" for i in range(len(place))]
    assert all(place[edge.tail] < place[edge.head] for edge in folded.edges)
    assert len({edge.key for edge in folded.edges}) == len(folded.edges)
    assert wrong_sums(folded) == []
    assert len(folded.node_list) < len(graph.node_list)
    assert (folded.outputs[0].value, folded.outputs[0].grad) == (graph.outputs[0].value, graph.outputs[0].grad)
    left = {node.name: node.grad for node in folded.node_list if node.kind == "leaf"}
    before = {node.name: node.grad for node in graph.node_list if node.kind == "leaf"}
    assert left == {name: before[name] for name in left}
    assert "x" in left


class Both(nn.Module):
    """Returns what it has computed on the way, too."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = x.sin()
        return hidden, hidden.exp()


class UsesBoth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both = Both()

    def forward(self, x: Tensor) -> Tensor:
        hidden, result = self.both(x)
        return hidden.sum() * 3 + result.sum()


def test_a_result_that_a_folded_module_uses_itself_says_what_came_from_outside() -> None:
    x = randoms(2)
    folded = collapse_modules(gad.trace(UsesBoth(), x), 1)
    (both,) = (node for node in folded.node_list if node.kind == "module")
    hidden = both.ports[0]
    assert hidden.grad is not None
    assert hidden.arrived is not None
    np.testing.assert_array_equal(hidden.grad.array, 3 + x.detach().sin().exp())
    np.testing.assert_array_equal(hidden.arrived.array, [3, 3])
    (notice,) = (notice for notice in folded.notices if notice.startswith("both is also used inside"))
    assert re.search(r"inside of its own box, by exp \(test_transforms\.py:\d+\): .* but on no arrow\.$", notice)
    assert ("gradient from outside", "[3, 3]") in [
        (fact.label, fact.text) for fact in words_of_graph(folded).nodes[both.key].hover
    ]
    edges = [edge.grad.array for edge in folded.out_edges(both.key) if edge.port == 0]
    np.testing.assert_array_equal(sum(edges), hidden.arrived.array)  # what is drawn adds up


def test_folding_says_how_much_it_hides() -> None:
    graph = network()
    folded = collapse_modules(graph, 1)
    assert [node.op for node in folded.node_list if node.kind == "module"] == ["embed", "layers.0", "layers.1", "head"]
    inside = len(graph.node_list) - len(folded.node_list)
    assert folded.notices[-1] == f"4 modules are folded, with {inside} more nodes inside."
    parameters = {node.op: node.parameters for node in folded.node_list if node.kind == "module"}
    per_layer = 2 * (16 + 4) * 2
    assert parameters == {"embed": 16, "layers.0": per_layer, "layers.1": per_layer, "head": 5}


def test_deeper_levels_show_more() -> None:
    graph = network()
    sizes = [len(collapse_modules(graph, depth).node_list) for depth in (1, 2, 3)]
    assert sizes == sorted(sizes)
    assert {node.op for node in collapse_modules(graph, 2).node_list if node.kind == "module"} >= {
        "layers.0.attention",
        "layers.0.feed",
    }


def test_a_graph_without_modules_is_left_alone() -> None:
    graph = gad.trace(lambda x: x * x, 2.0)
    assert collapse_modules(graph, 1) is graph
    assert fold_to_size(graph, None) is graph


def test_only_big_graphs_are_folded_by_themselves() -> None:
    graph = network()
    assert len(fold_to_size(graph, None).node_list) <= max(len(graph.node_list), 60)
    assert any(node.kind == "module" for node in fold_to_size(graph, 1).node_list)


def with_numbers(x: Tensor) -> Tensor:
    weight = torch.ones(2, dtype=x.dtype)
    return (10 - x * 2) * weight


def test_hidden_constants_are_the_numbers_only() -> None:
    graph = gad.trace(with_numbers, [1.0, 2.0])
    hidden = hide_constants(graph)
    assert operations(hidden) == operations(graph)
    assert [node.name for node in hidden.node_list if node.kind == "data"] == ["weight"]
    assert wrong_sums(hidden) == []


def with_an_unread_branch(x: Tensor, y: Tensor) -> Tensor:
    unread = x.exp()
    deeper = unread * 3
    del deeper
    return x * 2


def test_what_leads_nowhere_is_hidden_with_a_notice() -> None:
    graph = gad.trace(with_an_unread_branch, 1.0, 2.0)
    hidden = hide_unused(graph)
    assert operations(graph) == ["exp", "mul", "mul"]
    assert operations(hidden) == ["mul"]
    assert [node.name for node in hidden.node_list if node.kind == "leaf"] == ["x", "y"]
    line = with_an_unread_branch.__code__.co_firstlineno + 1
    assert hidden.notices[-1] == (
        "2 operations are not drawn, since nothing that is drawn is computed from them: 2 in with_an_unread_branch()"
        f" (test_transforms.py:{line})."
    )
    assert hide_unused(hidden) is hidden


TRANSFORMS: list[Callable[[Graph], Graph]] = [merge_calls, hide_constants, hide_unused, collapse_modules]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=[transform.__name__ for transform in TRANSFORMS])
def test_a_transform_leaves_its_argument_as_it_was(transform: Callable[[Graph], Graph]) -> None:
    graph = network()
    before = (graph.node_list, graph.edges, graph.notices, graph.to_json())
    transform(graph)
    assert (graph.node_list, graph.edges, graph.notices, graph.to_json()) == before


def test_plot_applies_transforms_in_order() -> None:
    graph = gad.trace(with_an_unread_branch, 1.0, 2.0)
    seen: list[int] = []

    def count(shown: Graph) -> Graph:
        seen.append(len(shown.node_list))
        return hide_constants(shown)

    graph.plot(layout="layered", transforms=(count, count))
    assert seen == [len(graph.node_list), len(hide_constants(graph).node_list)]


# --- what operations say without operands that are hidden


@pytest.mark.parametrize(
    ("function", "formula"),
    [
        (lambda x: 1 + torch.sin(x), "1 + v₁"),
        (lambda x: torch.sin(x) * 2, "v₁ × 2"),
        (lambda x: 10 - torch.sin(x), "10 − v₁"),
        (lambda x: torch.sin(x) ** 2, "v₁²"),
        (lambda x: torch.clamp(torch.sin(x), 0.5), "clamp(v₁, 0.5)"),
    ],
)
def test_numbers_without_boxes_stand_in_formulas_all_the_same(function: Callable[[Any], Any], formula: str) -> None:
    traced = gad.trace(function, 2.0)
    hidden = hide_constants(traced)
    assert formula in words_of_graph(hidden).nodes[hidden.outputs[0].key].formula
    again = graph_files.from_json(hidden.to_json())
    assert words_of_graph(again).nodes[again.outputs[0].key].formula == formula


def test_an_operand_that_was_left_out_is_a_gap_and_not_nothing() -> None:
    def f(x, w):
        h = torch.sin(x)
        return h * w

    traced = gad.trace(f, 2.0, 3.0)
    kept = keep_only(traced, [node.key for node in traced.node_list if node.name != "h"])
    assert words_of_graph(kept).nodes[kept.outputs[0].key].formula == "…·w"


def test_parameters_that_nothing_reads_are_seen_in_their_modules() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "idle": nn.Linear(2, 1)})
    model["used"].register_parameter("never", nn.Parameter(torch.ones(2)))
    with gad.record(model) as recorded:
        model["used"](torch.ones(1, 2)).sum().backward()
    picture = recorded.graph.plot()
    greyed = {box.name: box.key for box in picture.scene.boxes if box.gradless}
    assert {*greyed} == {"used.never", "idle.weight", "idle.bias"}
    assert picture.graph.nodes[greyed["used.never"]].module == picture.graph.find("used").module[:1]
    assert all(box.gradless or box.kind != "leaf" or "used." in box.name for box in picture.scene.boxes)
