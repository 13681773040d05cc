"""build_graph, its transforms and THEMES behave as HiddenLayer's do."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path
from typing import Any

import graphviz
import pytest
import torch
from torch import nn

import graphviz_ad as gad
import graphviz_ad.compat as hl
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.compat.layer_graph import Graph, Node
from graphviz_ad.compat import transforms as ht

CNN = nn.Sequential(
    nn.Conv2d(1, 2, 3, 2), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)
)
X = torch.zeros(1, 1, 14, 14)


def graph_of(edges: str) -> Graph:
    """ "a:Conv > b:Relu; b > c:Add"."""
    made = Graph()
    for pair in edges.split(";"):
        ends = []
        for part in pair.split(">"):
            key, _, op = part.strip().partition(":")
            if op:
                made.add_node(Node(key, None, op))
            ends.append(made.nodes[key])
        for one, other in itertools.pairwise(ends):
            made.add_edge(one, other)
    return made


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes.values()]


def test_the_signature_is_hiddenlayers() -> None:
    assert list(inspect.signature(hl.build_graph).parameters) == [
        "model", "args", "input_names", "transforms", "framework_transforms",
    ]  # fmt: skip


def test_operations_have_onnx_names_kernels_steps_and_shapes() -> None:
    graph = hl.build_graph(CNN, X, transforms=None)
    assert [node.title for node in graph.nodes.values()] == [
        "Conv3x3", "BatchNorm", "Relu", "MaxPool2x2", "Flatten", "Linear",
    ]  # fmt: skip
    assert [node.caption for node in graph.nodes.values()] == ["/2", "", "", "/2", "", ""]
    assert [node.output_shape for node in graph.nodes.values()][-2:] == [(1, 18), (1, 4)]
    assert all(shape == graph.nodes[tail].output_shape for tail, _, shape in graph.edges)
    assert next(iter(graph.nodes)).startswith("Sequential/Conv2d[0]/outputs/")


def test_a_pool_to_a_size_is_global_only_where_one_element_is_left() -> None:
    for size, name in ((1, "GlobalAveragePool"), (2, "AveragePool")):
        assert ops(hl.build_graph(nn.Sequential(nn.AdaptiveAvgPool2d(size)), X, transforms=None)) == [name]
        figure = gad.diagram(nn.Sequential(nn.AdaptiveAvgPool2d(size), nn.Flatten()), X, style="blocks")
        assert f"{size}×{size}" in figure.to_svg()


def test_by_default_what_is_used_together_is_one() -> None:
    assert ops(hl.build_graph(CNN, X)) == ["ConvBnReluMaxpool", "Flatten", "Linear"]


def test_the_theme_colours_the_digraph_and_the_picture(tmp_path: Path) -> None:
    graph = hl.build_graph(CNN, X)
    assert graph.theme == hl.THEMES["basic"]
    graph.theme = hl.graph.THEMES["blue"].copy()
    graph.theme["fill_color"] = "#CCEEDD"
    assert hl.THEMES["blue"]["fill_color"] == "#BCD6FC"
    dot = graph.build_dot()
    assert isinstance(dot, graphviz.Digraph)
    assert "#CCEEDD" in dot.source
    assert "#CCEEDD" in graph._repr_svg_()
    graph.save(str(tmp_path / "net"), format="png")
    graph.save(tmp_path / "net.svg", format="svg")
    assert {file.name for file in tmp_path.iterdir()} == {"net.png", "net.svg"}


def test_the_traced_graph_is_kept_with_its_values_and_gradients() -> None:
    graph = hl.build_graph(CNN, X)
    assert graph.recorded is not None
    assert graph.recorded.check(numeric=False).ok is not False
    assert graph.recorded.find("0.weight").grad is not None


def test_numbers_of_the_program_are_constants_which_can_be_pruned() -> None:
    def run(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x * 2.0 + 1.0)

    x = torch.ones(2, requires_grad=True)
    assert ops(hl.build_graph(run, x, transforms=None)).count("Constant") == 2
    assert ops(hl.build_graph(run, x, transforms=[ht.Prune("Constant")])) == ["Mul", "Add", "Relu"]


def test_transforms_run_one_after_the_other_and_leave_their_graph_alone() -> None:
    graph = graph_of("a:Conv > b:BatchNorm > c:Relu > d:Conv > e:BatchNorm > f:Relu > g:Linear")
    folded = ht.Fold("Conv > BatchNormalization > Relu", "ConvBnRelu").apply(graph)
    assert len(graph.nodes) == 7
    assert ops(folded) == ["ConvBnRelu", "ConvBnRelu", "Linear"]
    again = ht.FoldDuplicates().apply(folded)
    assert [(node.op, node.repeat) for node in again.nodes.values()] == [("ConvBnRelu", 2), ("Linear", 1)]
    assert len(again.edges) == 1


def test_branches_are_folded_with_what_they_meet_in() -> None:
    graph = graph_of("x:Input > a:Conv > b:Conv > p:Add > q:Relu; x > c:Pool > p")
    found = ht.Fold("((Conv > Conv) | Pool) > Add > Relu", "Block", "My Block").apply(graph)
    assert [node.title for node in found.nodes.values()] == ["Input", "My Block"]
    assert [(tail, head) for tail, head, _ in found.edges] == [("x", next(reversed(found.nodes)))]
    swapped = ht.Fold("(Pool | (Conv > Conv)) > Add", "Block").apply(graph)
    assert sorted(ops(swapped)) == ["Block", "Input", "Relu"]


def test_nothing_is_folded_that_is_read_from_outside_and_fed_back() -> None:
    graph = graph_of("a:Conv > b:Relu > c:Add; a > d:Sin > c")
    assert ops(ht.Fold("Conv > Relu", "X").apply(graph)) == ops(graph)
    assert ht.Fold("Relu > Add", "Y").apply(graph).edges


def test_a_fold_whose_result_fits_its_own_pattern_ends() -> None:
    graph = graph_of("a:Conv > b:Relu > c:Conv")
    assert ops(ht.Fold("Conv", "Conv", "Convolution").apply(graph)) == ["Conv", "Relu", "Conv"]
    assert ops(ht.Fold("Conv > Relu", "__first__").apply(graph)) == ["Conv", "Conv"]


def test_pruning_removes_nodes_and_branches_that_led_only_there() -> None:
    graph = graph_of("a:Sin > b:Cos > c:Shape; a > d:Relu")
    assert ops(ht.Prune("Shape").apply(graph)) == ["Sin", "Cos", "Relu"]
    assert ops(ht.PruneBranch("Shape").apply(graph)) == ["Sin", "Relu"]


def test_nodes_are_folded_by_their_ids_and_renamed_by_regular_expressions() -> None:
    graph = hl.build_graph(nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 1)), torch.ones(1, 2),
                           transforms=[ht.FoldId(r"(Sequential/Sequential\[0\])/.*", "Block")])  # fmt: skip
    assert ops(graph) == ["Block", "Linear"]
    assert next(iter(graph.nodes)) == "Sequential/Sequential[0]"
    renamed = ht.Rename(op=r"Lin(.*)", to=r"Dense\1").apply(graph)
    assert ops(renamed) == ["Block", "Denseear"]
    assert graph.nodes[list(graph.nodes)[1]].op == "Linear"


class Upper:
    """A transform of somebody's own, as HiddenLayer wants them."""

    def apply(self, graph: Graph) -> Graph:
        for node in graph.nodes.values():
            node.op = node.op.upper()
        return graph


def test_own_transforms_and_ours_go_together() -> None:
    graph = hl.build_graph(CNN, X, transforms=[gad.transforms.hide_constants, Upper()])
    assert ops(graph)[:2] == ["CONV", "BATCHNORM"]


def test_a_model_in_which_nothing_requires_grad_is_drawn_too() -> None:
    frozen = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).requires_grad_(False)
    assert ops(hl.build_graph(frozen, torch.ones(1, 2), transforms=None)) == ["Linear", "Relu"]


@pytest.mark.parametrize("text", ["", "Conv >", "(Conv", "Conv)", "Conv ? Relu", "> Conv", 3, None])
def test_a_text_that_is_no_pattern_is_refused(text: Any) -> None:
    with pytest.raises(OptionError, match="is no pattern"):
        ht.Fold(text, "X")


@pytest.mark.parametrize(
    "call",
    [
        lambda: ht.FoldId("layer1", "X"),
        lambda: ht.FoldId("(", "X"),
        lambda: ht.Rename(op="a", name="b", to="c"),
        lambda: ht.Rename(op="a"),
        lambda: hl.build_graph(CNN),
        lambda: hl.build_graph(CNN, X, transforms="all"),
        lambda: hl.build_graph(CNN, X, transforms=[3]),
        lambda: hl.build_graph(CNN, X, input_names=["x"]),
        lambda: hl.build_graph(CNN, X).save("x", format="mp5"),
    ],
)
def test_wrong_calls_are_told_what_to_do(call: Any) -> None:
    with pytest.raises((OptionError, UnknownNameError)):
        call()
