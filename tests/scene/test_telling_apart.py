"""Numbers that differ and stand side by side in a picture of folds look different, or the box says by how much."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.fold_boxes import fold_to_boxes
from graphviz_ad._internal.maths.number_format import written_with
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.names import mathematical_names
from graphviz_ad._internal.scene.words.telling_apart import told_apart


def test_a_number_has_as_many_digits_as_tell_it_from_those_beside_it_and_says_what_these_do_not() -> None:
    def program(x: Tensor) -> Tensor:
        far = x + 1.0
        near = x + 0.011
        nearer = x + 0.0111
        same = x + 0.0111
        nearest = x + 0.0111000004
        return far + near + nearer + same + nearest

    graph = gad.trace(program, torch.tensor(2.0, dtype=torch.float64, requires_grad=True))
    keys = {node.name: node.key for node in graph.node_list}
    with written_with(2):
        apart = told_apart(graph, mathematical_names(graph, {}))
    assert {name: apart.values.get(keys[name], 2) for name in ("far", "near", "nearer", "same", "nearest")} == {
        "far": 2, "near": 6, "nearer": 6, "same": 6, "nearest": 6
    }  # fmt: skip
    assert apart.remarks[keys["nearest"]] == ("differs from nearer by 4e−10",)
    assert not {keys[name] for name in ("far", "near", "nearer", "same")} & apart.remarks.keys()


def test_no_states_of_a_loop_look_the_same_in_a_picture_of_folds() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))

    def step(y: Tensor) -> Tensor:
        k = net(y)
        m = net(y + 0.001 * k)
        return y + 0.001 * (k + m)

    def solve(y: Tensor) -> Tensor:
        for _ in range(20):
            y = step(y)
        return y.square().sum()

    graph = fold_to_boxes(gad.trace(solve, torch.tensor([2.0, 0.5])), 30)
    for apart in (False, True):
        words = words_of_graph(graph, Options(digits=2, apart=apart, shapes=True))
        alike = 0
        for node in words.graph.node_list:
            beside = [node.key, *dict.fromkeys(edge.head for edge in words.graph.out_edges(node.key))]
            for one, other in itertools.combinations(beside, 2):
                texts = [[line.text for line in words.nodes[key].values] for key in (one, other)]
                values = [words.graph.nodes[key].ports[0].value for key in (one, other)]
                if None in values or texts[0] != texts[1] or not texts[0][0].startswith("["):
                    continue
                told = any("differs" in line.text for key in (one, other) for line in words.nodes[key].notes)
                alike += not told and values[0].array.tolist() != values[1].array.tolist()
        assert bool(alike) is not apart
