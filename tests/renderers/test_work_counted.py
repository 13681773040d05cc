"""What a picture costs is counted in calls, never in seconds: each thing is done once, and so much a box, however many
boxes there are.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from call_counts import Calls, counted
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.api import still_plans
from graphviz_ad._internal.graph import fold_boxes, snapshot
from graphviz_ad._internal.layouts import columns, layered, ordering, row_wrapping
from graphviz_ad._internal.layouts.planning import MANNERS_FOLDED
from graphviz_ad._internal.scene import picture_options, scene_building
from graphviz_ad._internal.scene.words import describe

MOST_A_BOX = {"svg": 3600, "html": 5900}  # calls, of ours and of what we call, from the graph to the file


def network(layers: int) -> gad.Graph:
    """Linear layers, each with a tanh, in frames of their own."""
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(layers)]
    return gad.trace(nn.Sequential(*blocks), torch.ones(1, 2))


def drawing(graph: gad.Graph, path: Path) -> Calls:
    """What runs to draw every operation of a graph as a box, caches filled."""

    def draw() -> None:
        graph.plot(boxes=10**9, layout="layered").save(path)

    draw()
    return counted(draw)


def unrolled(steps: int) -> gad.Graph:
    """A cell of an LSTM, step by step, which all read the same four parameters."""
    torch.manual_seed(0)
    cell = nn.LSTMCell(16, 32)

    def run(inputs: torch.Tensor) -> torch.Tensor:
        h = c = inputs.new_zeros(8, 32)
        for x in inputs:
            h, c = cell(x, (h, c))
        return h.pow(2).mean()

    return gad.trace(run, torch.randn(steps, 8, 16))


def test_a_slide_is_planned_with_few_descriptions_placements_and_rows() -> None:
    graph = unrolled(20)
    calls = counted(lambda: graph.plot(fit="slide"))
    assert calls.of(layered.place_tightly) <= 8
    assert calls.of(describe.words_of_graph) <= 17
    assert calls.of(describe.words_of_nodes) <= 12
    assert calls.of(row_wrapping.Strip.folded) <= 2
    found = [columns.kept_columns.__wrapped__, ordering.kept_order.__wrapped__]
    assert [calls.of(each) <= 3 for each in found] == [True, True]
    assert sum(calls.ran.values()) <= 600_000


def test_cuts_of_one_graph_share_its_folds_and_their_manners_what_is_known_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:  # of these few, which is faster than of all that runs
        function = getattr(module, name)

        def run(*args: Any, **settings: Any) -> Any:
            ran[name] += 1
            return function(*args, **settings)

        monkeypatch.setattr(module, name, run)

    count(picture_options, "fold_to_boxes")
    count(fold_boxes, "fold_tree")
    count(still_plans, "words_of_graph")
    for name in ("with_noise_told", "facts_of", "words_of_nodes"):
        count(describe, name)
    layers = [[nn.Linear(2, 2), nn.Tanh()] * (i % 3 + 1) for i in range(9)]
    blocks = [nn.Sequential(*each, nn.ReLU()) for each in layers]
    gad.trace(nn.Sequential(*blocks), torch.ones(1, 2)).plot(fit="slide")
    cuts = ran["fold_to_boxes"]
    assert cuts > 1
    assert ran["fold_tree"] == 1
    assert 0 < ran["with_noise_told"] <= cuts
    assert 0 < ran["words_of_nodes"] < ran["words_of_graph"]
    assert 0 < ran["facts_of"] <= cuts * len({manner.digits for manner in MANNERS_FOLDED})


@pytest.mark.parametrize("form", MOST_A_BOX)
def test_a_file_of_twice_the_boxes_takes_twice_the_calls(form: str, tmp_path: Path) -> None:
    few, many = network(4), network(8)
    calls = [drawing(graph, tmp_path / f"drawn.{form}").ran.total() for graph in (few, many)]
    assert calls[1] < 2.2 * calls[0]
    assert calls[1] < MOST_A_BOX[form] * len(many.node_list)


def test_a_folded_picture_is_simplified_once_and_looks_once_at_each_tensor() -> None:
    graph = network(40)
    ports = [port for node in graph.node_list for port in node.ports]
    tensors = len([snap for port in ports for snap in (port.value, port.grad)]) + len(graph.edges)
    calls = counted(graph.plot)
    assert calls.of(fold_boxes.fold_to_boxes) == 1
    assert calls.of(snapshot.norm) <= tensors
    assert calls.of(snapshot.statistics_of_array) <= tensors // 4  # of what is drawn


def test_a_picture_in_rows_is_worded_once_with_frames_and_without() -> None:
    graph = network(30)
    calls = counted(lambda: graph.plot(boxes=10**9))
    assert calls.of(describe.words_of_graph) == calls.of(scene_building.build_scene) == 1
    assert calls.of(layered.place_tightly) <= 4  # with frames and without, across and down
