"""Files of version 1, which kept facts as texts, still load: they say the same, and what their texts tell is fact
again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphviz_ad._internal.check.capture_check import is_hooked
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.messages import Averaging, Meeting, Message
from graphviz_ad._internal.graph.notice_sentences import error_text
from graphviz_ad._internal.graph.old_files import upgraded
from graphviz_ad._internal.ranks.merging import merge

FOLDER = Path(__file__).parent / "version_1"
FILES = sorted(FOLDER.glob("*.json"))


def old(name: str) -> Graph:
    return Graph.load(FOLDER / f"{name}.json")


def test_there_are_such_files() -> None:
    assert [path.stem for path in FILES] == ["failed", "folded", "merged", "model", "raised", "rank0", "rank1"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_version_1_says_what_it_said(path: Path) -> None:
    data, graph = json.loads(path.read_text("utf-8")), Graph.load(path)
    assert data["version"] == 1
    assert list(graph.notices) == data["notices"]
    for record, node in zip(data["nodes"], graph.node_list, strict=True):
        assert [list(pair) for pair in node.settings] == record.get("settings", [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_saved_as_this_version_and_stays_the_same(path: Path) -> None:
    graph = Graph.load(path)
    again = graph_files.from_json(graph.to_json())
    assert json.loads(graph.to_json())["version"] == graph_files.VERSION
    assert (again.node_list, again.edges, again.notes) == (graph.node_list, graph.edges, graph.notes)
    assert again.plot(layout="layered").to_svg() == graph.plot(layout="layered").to_svg()


def test_what_its_sentences_tell_is_known() -> None:
    model = old("model")
    assert model.why("idle0").startswith("No gradient: no operation read idle0 here.")
    assert model.why("tied.weight").startswith(
        "tied.weight is the same parameter as head.weight. The gradient of head.weight is "
    )
    (pad,) = [node for node in model.node_list if node.op == "pad"]
    assert pad.arguments == (("pad", (1, 1)), ("value", 7.0))
    assert is_hooked(pad)
    assert [node.parameter_norm for node in old("folded").node_list if node.kind == "module"] == [2.21, 5.15]


def test_a_failure_is_one_again() -> None:
    failed = old("failed")
    assert [node.key for node in failed.node_list if node.raised] == ["n1"]
    assert failed.plot(layout="layered").scene.notes[0].startswith("⚠ RuntimeError: one of the variables needed")
    raised = old("raised").failures[0].failure
    assert raised is not None
    assert error_text(raised) == "ValueError: odd: a, b; this is the graph up to there."
    assert [note.ranks for note in old("merged").failures] == [(1,)]


def test_ranks_merge_as_before() -> None:
    graph = merge([old("rank0"), old("rank1")])
    assert graph.notices == old("merged").notices
    messages = [message for node in old("merged").node_list for message in node.messages]
    assert messages == [
        Message("send", 0, ranks=(0, 1), peer=1, tag=3),
        Message("recv", 1, ranks=(0, 1), peer=0, tag=3),
        Meeting("all_reduce", (0, 1), reduction="sum"),
        Message("all_reduce", 0, group="a; b,1 %", ranks=(0, 1), reduction="premul sum"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gradients of 3 parameters, mean over ranks 0, 1", Averaging(3, "mean", (0, 1))),
        # a group whose name has the mark between facts in it
        ("all_reduce of ranks 0,1; group a; b; number 3", Meeting("all_reduce", ())),
        ("send", Meeting("send", ())),
        ("send; rank x", Meeting("send", ())),
    ],
)
def test_of_a_text_that_cannot_be_read_it_stays_known_that_there_was_something(text: str, message: object) -> None:
    data = {
        "notices": [],
        "nodes": [{"key": "n0", "kind": "op", "ports": [{}], "settings": [["communication", text]]}],
        "edges": [],
    }
    whole = upgraded({**data, "name": "", "has_gradients": True, "version": 2, "format": graph_files.FORMAT})
    (node,) = graph_files.from_json(json.dumps(whole)).node_list
    assert node.messages == (message,)


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("No operation read this parameter: a.", ["a"]),
        ("No operation read these 2 parameters: a, b.", ["a", "b"]),
        ("No operation read this parameter: a, b.", []),  # one that is called so, and which
        ("No operation read these 7 parameters: a, b, c, d and 3 more.", ["a", "b", "c", "d"]),
    ],
)
def test_only_names_that_are_certain_are_read_out_of_a_sentence(sentence: str, names: list[str]) -> None:
    notes = upgraded({"notices": [sentence], "nodes": [], "edges": []})["notices"]
    assert [name for note in notes for name in note.get("subjects", ())] == names
    assert [note["said"] for note in notes if note.get("shown", True)] == [sentence]


@pytest.mark.parametrize("name", ["dim", "parameter gradients", "communication", "hooks", "hook"])
@pytest.mark.parametrize(
    "text",
    ["", "x", "{1}", "{}", "b'x'", "...", "[" * 500, "nan", "1e999", "1+2j", "- -", "\x00", "send; rank 1e9", "\ud800"],
)
def test_a_text_that_says_nothing_for_certain_is_no_error(name: str, text: str) -> None:
    data = {
        "notices": [],
        "nodes": [{"key": "n0", "kind": "op", "ports": [{}], "settings": [[name, text]]}],
        "edges": [],
    }
    graph = graph_files.from_json(
        json.dumps({**data, "name": "", "has_gradients": True, "version": 1, "format": graph_files.FORMAT})
    )
    assert graph_files.from_json(graph.to_json()).to_json() == graph.to_json()
