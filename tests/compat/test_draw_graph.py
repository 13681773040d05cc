"""draw_graph behaves as torchview's does: signature, result, errors, and what stands in the Digraph."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import graphviz
import pytest
import torch
from architectures import ARCHITECTURES, Program
from torch import nn

from graphviz_ad.compat import draw_graph

MLP = nn.Sequential(nn.Linear(128, 64), nn.ReLU(inplace=True), nn.Linear(64, 2))


def labels(graph: Any) -> list[str]:
    return re.findall(r"<B>(.*?)</B>", graph.visual_graph.source)


def edges(graph: Any) -> list[tuple[str, str, str]]:
    return re.findall(r'^\t+(\d+) -> (\d+)(?: \[label="(.*)"\])?$', graph.visual_graph.source, re.MULTILINE)


def loop(net: Program, x: torch.Tensor) -> torch.Tensor:
    for _ in range(3):
        x = net.act(net.cell(x)) + 1
    return x


def recurrent() -> Program:
    return Program(loop, cell=nn.Linear(3, 3), act=nn.Tanh())


def test_the_signature_is_torchviews() -> None:
    names = list(inspect.signature(draw_graph).parameters)
    assert names == [
        "model", "input_data", "input_size", "graph_name", "depth", "device", "dtypes", "mode", "strict",
        "expand_nested", "graph_dir", "hide_module_functions", "hide_inner_tensors", "roll", "show_shapes",
        "save_graph", "filename", "directory", "collect_attributes", "kwargs",
    ]  # fmt: skip


def test_the_result_is_a_digraph_with_a_node_for_each_module_between_input_and_output() -> None:
    graph = draw_graph(MLP, input_size=(1, 128), graph_name="MLP", graph_dir="LR")
    assert isinstance(graph.visual_graph, graphviz.Digraph)
    assert graph.visual_graph.name == "MLP"
    assert graph.visual_graph.graph_attr["rankdir"] == "LR"
    assert labels(graph) == ["input-tensor", "Linear", "ReLU", "Linear", "output-tensor"]
    assert edges(graph) == [("0", "1", ""), ("1", "2", ""), ("2", "3", ""), ("3", "4", "")]
    assert "input: (1, 64)" in graph.visual_graph.source
    assert graph.edge_list == [("0", "1"), ("1", "2"), ("2", "3"), ("3", "4")]


def test_filling_again_changes_nothing_and_the_size_follows_the_content() -> None:
    graph = draw_graph(MLP, input_size=(1, 128))
    source = graph.visual_graph.source
    graph.fill_visual_graph()
    assert graph.visual_graph.source == source
    graph.resize_graph(scale=2, min_size=20)
    assert graph.visual_graph.graph_attr["size"] == "40,40"


def test_shapes_attributes_tensors_and_functions_are_shown_on_demand() -> None:
    assert "(1, 64)" not in draw_graph(MLP, input_size=(1, 128), show_shapes=False).visual_graph.source
    assert "out_features=64" in draw_graph(MLP, input_size=(1, 128), collect_attributes=True).visual_graph.source
    assert labels(draw_graph(MLP, input_size=(1, 128), hide_inner_tensors=False)).count("hidden-tensor") == 2
    assert labels(draw_graph(MLP, input_size=(1, 128), hide_module_functions=False))[1:4] == [
        "linear",
        "relu",
        "linear",
    ]
    assert labels(draw_graph(MLP, input_size=(1, 128), depth=0)) == ["input-tensor", "Sequential", "output-tensor"]


def test_in_place_or_not_draws_the_same() -> None:
    twin = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))
    sources = [draw_graph(model, torch.rand(1, 128)).visual_graph.source for model in (MLP, twin)]
    assert sources[0] == sources[1]


def test_rolled_a_module_is_one_node_however_often_it_runs() -> None:
    unrolled, rolled = (draw_graph(recurrent(), input_size=(2, 3), roll=roll) for roll in (False, True))
    assert labels(unrolled).count("Linear") == 3
    assert labels(rolled).count("Linear") == 1
    assert ("1", "2", " x3") in edges(rolled)


def test_opened_modules_are_framed_one_in_the_other() -> None:
    inner = nn.Sequential(nn.Sequential(nn.Linear(2, 2)), nn.ReLU())
    source = draw_graph(nn.Sequential(inner), input_size=(1, 2), expand_nested=True).visual_graph.source
    assert source.count("subgraph cluster_") == 2
    assert source.index("cluster_2") < source.index("cluster_3")


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_read_twice_is_one_edge_with_a_count_where_edges_are_strict(strict: bool) -> None:
    graph = draw_graph(
        Program(lambda net, x: x * x), torch.ones(2), depth=1, hide_module_functions=False, strict=strict
    )
    assert edges(graph)[: 1 if strict else 2] == ([("0", "1", " x2")] if strict else [("0", "1", "")] * 2)


@pytest.mark.parametrize(
    ("given", "options", "kind"),
    [
        ((torch.randn(1, 28), (1, 28)), {}, RuntimeError),
        ((), {}, RuntimeError),
        ((torch.randn(1, 28),), {"depth": -1}, ValueError),
        ((), {"input_size": [(3, 0)]}, ValueError),
        ((), {"input_size": {0: 1}}, TypeError),
        ((), {"input_size": "hello"}, TypeError),
        ((torch.randn(1, 28),), {"mode": "test"}, RuntimeError),
        (([[[torch.randn(1, 28)]]],), {}, RuntimeError),
    ],
)
def test_errors_are_of_the_kinds_that_torchview_raises(given: Any, options: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        draw_graph(Program(lambda net, x: x + 1), *given, **options)


def test_what_the_model_raises_is_the_cause_of_the_error() -> None:
    def run(net: Program, x: torch.Tensor) -> None:
        raise KeyError("mine")

    with pytest.raises(RuntimeError, match="Program raised KeyError") as caught:
        draw_graph(Program(run), input_size=(1, 2))
    assert isinstance(caught.value.__cause__, KeyError)


def test_inputs_come_by_position_by_name_and_by_size() -> None:
    two = Program(lambda net, x1, x2: x1 + x2)
    options = {"hide_module_functions": False}
    shapes = "2 x (1, 3)"
    for graph in (
        draw_graph(two, {"x1": torch.ones(1, 3), "x2": torch.ones(1, 3).long()}, **options),
        draw_graph(two, [torch.ones(1, 3), torch.ones(1, 3)], **options),
        draw_graph(two, input_size=[(1, 3), (1, 3)], dtypes=[torch.float, torch.long], **options),
        draw_graph(two, [torch.ones(1, 3)], x2=torch.ones(1, 3), **options),
    ):
        assert f"input: {shapes}" in graph.visual_graph.source
    assert "(1, 3)" in draw_graph(two, [torch.ones(1, 3), 5], **options).visual_graph.source


def test_a_meta_device_needs_no_memory_and_the_model_stays_where_it_is() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    graph = draw_graph(model, input_size=(2, 4), device="meta")
    assert labels(graph) == ["input-tensor", "Linear", "ReLU", "output-tensor"]
    assert next(model.parameters()).device.type == "cpu"


def test_half_precision_by_size_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="half precision"):
        draw_graph(nn.Identity(), input_size=(1, 2), dtypes=[torch.float16], device="cpu")


def test_the_model_runs_in_eval_mode_unless_asked_and_is_in_its_own_afterwards() -> None:
    modes: list[bool] = []
    model = Program(lambda net, x: (modes.append(net.training), x + 1)[1]).train()
    for mode in (None, "train", "eval"):
        draw_graph(model, input_size=(1, 2), mode=mode)
    assert modes == [False, True, False]
    assert model.training


def test_save_graph_writes_the_source_and_a_png_without_graphviz(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", "")
    graph = draw_graph(MLP, input_size=(1, 128), graph_name="net", directory=str(tmp_path / "new"), save_graph=True)
    assert (tmp_path / "new" / "net.gv").read_text("utf-8") == graph.visual_graph.source
    assert (tmp_path / "new" / "net.gv.png").read_bytes().startswith(b"\x89PNG")


def test_names_of_classes_are_only_text() -> None:
    evil = type("A<B>&\"'\\l", (nn.Identity,), {})
    source = draw_graph(nn.Sequential(evil()), input_size=(1, 2)).visual_graph.source
    assert "A&lt;B&gt;&amp;&quot;&#x27;\\l" in source


def test_the_picture_of_ours_says_the_same_and_has_a_graph() -> None:
    model, args = ARCHITECTURES["transformer_block"]()
    graph = draw_graph(model, list(args))
    picture = graph.plot(theme="dark")
    assert "MultiheadAttention" in picture.to_svg()
    assert len(picture.graph.edges) == len(graph.edge_list)
