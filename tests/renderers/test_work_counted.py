"""What a picture costs is counted in calls, never in seconds: each thing is done once, and so much a box, however many
boxes there are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from call_counts import Calls, counted
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.graph import fold_boxes, fold_tree, snapshot
from graphviz_ad._internal.layouts import choice, layered
from graphviz_ad._internal.scene import scene_building
from graphviz_ad._internal.scene.words import describe

MOST_A_BOX = {"svg": 900, "html": 2200}  # calls of ours, from the graph to the file


def network(layers: int) -> gad.Graph:
    """Linear layers, each with a tanh, in frames of their own."""
    torch.manual_seed(0)
    return gad.trace(nn.Sequential(*[nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(layers)]), torch.ones(1, 2))


def made(graph: gad.Graph, path: Path) -> Calls:
    """What runs to draw every operation of a graph as a box, caches filled."""
    graph.plot(boxes=10**9, layout="layered").save(path)
    return counted(lambda: graph.plot(boxes=10**9, layout="layered").save(path))


@pytest.mark.parametrize("form", MOST_A_BOX)
def test_a_file_of_twice_the_boxes_takes_twice_the_calls(form: str, tmp_path: Path) -> None:
    few, many = network(12), network(24)
    calls = [made(graph, tmp_path / f"a.{form}").ran.total() for graph in (few, many)]
    print(form, calls, calls[1]/len(many.node_list))
    assert calls[1] < 2.2 * calls[0]
    assert calls[1] < MOST_A_BOX[form] * len(many.node_list)


def test_a_folded_picture_is_simplified_once_and_looks_once_at_each_tensor() -> None:
    graph = network(40)
    calls = counted(graph.plot)
    print(calls.of(fold_boxes.fold_to_boxes), calls.of(fold_tree.fold_tree), calls.of(snapshot.norm), calls.of(snapshot.statistics_of_array), calls.of(describe.words_of_graph), calls.of(layered.place_tightly), len(graph.node_list))


def test_a_picture_in_rows_is_worded_once_with_frames_and_without() -> None:
    graph = network(40)
    calls = counted(lambda: graph.plot(boxes=10**9))
    print(calls.of(describe.words_of_graph), calls.of(scene_building.build_scene), calls.of(choice.place_scene), calls.of(layered.place_tightly))
