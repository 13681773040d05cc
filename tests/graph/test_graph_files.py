"""A saved graph comes back as it was, and a damaged file is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from programs import leaf, randoms
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.capture import Capture

PROGRAMS: list[tuple[str, Callable[..., Any], tuple[Tensor, ...]]] = [
    ("scalars", lambda x, y: (x + y) * 2, (leaf(1), leaf(2))),
    ("NaN", lambda x: torch.where(x > 0, torch.sqrt(x), 0.0), (leaf(0, 4),)),
    ("infinity", lambda x: 1 / x, (leaf(0, -0.0, 1e-320),)),
    ("one NaN", lambda x: x * float("nan"), (leaf(1),)),
    (
        "complex",
        lambda x: (x * x).abs().sum(),
        (torch.tensor([1 + 2j, complex(math.inf, math.nan)], requires_grad=True),),
    ),
    ("one complex number", lambda x: (x * 1j).abs().sum(), (torch.tensor([1 + 2j], requires_grad=True),)),
    ("bfloat16", lambda x: (x * x).sum(), (leaf(1, 2.5, dtype=torch.bfloat16),)),
    ("whole numbers", lambda x: x[torch.tensor([1, 0, 1])], (leaf(1, 2),)),
    ("several results", lambda x: sum(torch.split(x, [1, 2])[1]), (leaf(1, 2, 3),)),
    ("calls", lambda x, W, b: functional.linear(x, W, b), (randoms(2, 3), randoms(4, 3), randoms(4))),
    ("empty", lambda x: x * x, (torch.ones(0, 3, requires_grad=True),)),
    ("meta", lambda x: x * x, (torch.ones(3, device="meta", requires_grad=True),)),
    ("summaries", lambda x: (x * x).sum(), (randoms(2000),)),
    ("detached", lambda x: x.detach() * x, (leaf(1),)),
]
EVERY_PROGRAM = pytest.mark.parametrize(
    ("function", "inputs"), [case[1:] for case in PROGRAMS], ids=[case[0] for case in PROGRAMS]
)


def same(one: Graph, other: Graph) -> None:
    assert one.node_list == other.node_list
    assert one.edges == other.edges
    assert (one.name, one.notices, one.has_gradients) == (other.name, other.notices, other.has_gradients)
    for mine, theirs in zip(one.node_list, other.node_list, strict=True):
        assert repr(mine) == repr(theirs)  # the types of numbers too


def refuse_constant(text: str) -> None:
    raise AssertionError(f"{text} is not strict JSON")


@EVERY_PROGRAM
def test_json_gives_the_same_graph_back(
    tmp_path: Path, function: Callable[..., Any], inputs: tuple[Tensor, ...]
) -> None:
    graph = gad.trace(function, *inputs)
    path = graph.save(tmp_path / "graph.json")
    again = gad.Graph.load(path)
    same(again, graph)
    if graph.detail is not None and graph.detail.node_list != graph.node_list:
        assert again.detail is not None
        same(again.detail, graph.detail)
    assert again.to_json() == graph.to_json()


@EVERY_PROGRAM
def test_json_is_strict(function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> None:
    json.loads(gad.trace(function, *inputs).to_json(), parse_constant=refuse_constant)


@EVERY_PROGRAM
def test_graphml_gives_the_same_graph_back(
    tmp_path: Path, function: Callable[..., Any], inputs: tuple[Tensor, ...]
) -> None:
    graph = gad.trace(function, *inputs)
    path = tmp_path / "graph.graphml"
    path.write_text(graph_files.to_graphml(graph), "utf-8")
    same(gad.Graph.load(path), graph)


def test_what_is_loaded_can_be_drawn(tmp_path: Path) -> None:
    graph = gad.trace(lambda x: torch.sin(x) * x, 1.0)
    again = gad.Graph.load(graph.save(tmp_path / "graph.json"))
    assert again.to_svg(layout="layered") == graph.to_svg(layout="layered")
    assert again.check().ok


def test_special_numbers_keep_their_sign_and_kind() -> None:
    for value in (math.nan, math.inf, -math.inf, -0.0, 5e-324, 2**63 - 1, True, complex(math.nan, -0.0)):
        dtype = type(value).__name__
        graph = Graph((Node("n0", "data", ports=(Port((), dtype, value=Snapshot((), dtype, value)),)),), ())
        found = graph_files.from_json(graph.to_json()).nodes["n0"].value
        assert found is not None
        assert repr(found.data) == repr(value)


def test_equal_snapshots_hold_the_same_numbers() -> None:
    import numpy as np

    minus_nan = np.array([np.copysign(np.nan, -1.0), 1.0])
    assert Snapshot((2,), "float64", minus_nan) == Snapshot((2,), "float64", np.array([np.nan, 1.0]))
    assert Snapshot((1,), "float64", np.array([0.0])) != Snapshot((1,), "float64", np.array([-0.0]))
    assert Snapshot((1,), "float64", 1.0) != Snapshot((1,), "float32", 1.0)
    assert Snapshot((1,), "float64", 1.0) != Snapshot((), "float64", 1.0)


def saved() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(gad.trace(lambda x: x * 2, [1.0, 2.0]).to_json())
    return data


DAMAGE: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("another format", lambda data: data.update(format="other")),
    ("another version", lambda data: data.update(version=99)),
    ("no nodes", lambda data: data.pop("nodes")),
    ("no edges", lambda data: data.pop("edges")),
    ("an edge to nowhere", lambda data: data["edges"][0].update(head="n99")),
    ("an edge from nowhere", lambda data: data["edges"][0].update(tail="n99")),
    ("an unknown field", lambda data: data["nodes"][0].update(surprise=1)),
    (
        "a number that is none",
        lambda data: data["nodes"][0]["ports"][0]["value"]["data"]["elements"].__setitem__(0, "abc"),
    ),
    ("too few elements", lambda data: data["nodes"][0]["ports"][0]["value"]["data"]["elements"].pop()),
    ("nodes that are a number", lambda data: data.update(nodes=3)),
    ("ports that are a text", lambda data: data["nodes"][0].update(ports="abc")),
    ("a key twice", lambda data: data["nodes"].append(data["nodes"][0])),
    ("a port that does not exist", lambda data: data["edges"][0].update(port=7)),
]


@pytest.mark.parametrize("damage", [case[1] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_damaged_json_is_refused(tmp_path: Path, damage: Callable[[dict[str, Any]], Any]) -> None:
    data = saved()
    damage(data)
    path = tmp_path / "graph.json"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(GraphFormatError, match=r"graph\.json"):
        gad.Graph.load(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"text"', "{}", '{"format": "graphviz_ad graph"}', "[" * 100_000]
)
def test_what_is_no_graph_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "graph.json"
    path.write_text(text, "utf-8")
    with pytest.raises(GraphFormatError, match=r"graph\.json"):
        gad.Graph.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<a>",
        "<a/>",
        "<graphml xmlns='http://graphml.graphdrawing.org/xmlns'><graph edgedefault='directed'/></graphml>",
    ],
)
def test_graphml_of_others_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "graph.graphml"
    path.write_text(text, "utf-8")
    with pytest.raises(GraphFormatError, match=r"graph\.graphml"):
        gad.Graph.load(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GraphFormatError, match=r"graph\.json"):
        gad.Graph.load(path)


def test_hostile_names_survive_both_formats() -> None:
    name = "</script>\u202e\"'&<b>\\ \u2028"
    graph = Graph((Node("n0", "leaf", name=name), Node("n1", "op", op="add")), (Edge("n0", "n1", 0),), name)
    same(graph_files.from_json(graph.to_json()), graph)


def test_a_summary_keeps_its_statistics() -> None:
    graph = gad.trace(lambda x: (x * x).sum(), randoms(2000), capture=Capture())
    again = graph_files.from_json(graph.to_json())
    value = again.nodes["n0"].value
    assert value is not None
    assert graph.nodes["n0"].value is not None
    assert value.array is None
    assert (value.stats, value.missing) == (graph.nodes["n0"].value.stats, "summarised")
