"""Which statement of the user's program an operation ran in, and which time: each time that a statement runs is one,
however loops, functions and torch's own modules are mixed.
"""

from __future__ import annotations

import linecache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.statements import called_as, chain_of


def runs(graph: Graph) -> list[tuple[str | None, int, int]]:
    """Text of each statement that computed something, how often it had run before, and how many operations it has."""
    places = [node.statement for node in graph.node_list if node.kind == "op" and node.statement is not None]
    return [
        (graph.statements[place].text, graph.statements[place].time, places.count(place))
        for place in dict.fromkeys(places)
    ]


def calls(graph: Graph, function: str) -> int:
    return len({one.call for one in graph.statements if called_as(one.function) == function})


def test_a_loop_runs_its_line_again_and_again() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(2):
            x = x * 2 + x
        while x < 20:
            x = x * x
        return x

    assert runs(gad.trace(program, 1.0)) == [
        ("x * 2 + x", 0, 2),
        ("x * 2 + x", 1, 2),
        ("x < 20", 0, 2),
        ("x * x", 0, 1),
        ("x < 20", 1, 2),
    ]


def test_a_sum_of_a_list_in_a_loop_is_one_statement_a_round() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(2):
            y = x * 2
            x = sum([x, y, x])
        return x

    assert runs(gad.trace(program, 1.0)) == [
        ("x * 2", 0, 1),
        ("sum([x, y, x])", 0, 3),
        ("x * 2", 1, 1),
        ("sum([x, y, x])", 1, 3),
    ]


def test_a_function_that_is_called_in_a_loop_is_called_anew() -> None:
    def step(x: Tensor) -> Tensor:
        return x * 2

    def program(x: Tensor) -> Tensor:
        for _ in range(3):
            x = step(x)
        return step(x)

    graph = gad.trace(program, 1.0)
    assert [(text, count) for text, _, count in runs(graph)] == [("x * 2", 1)] * 4
    assert calls(graph, "step") == 4
    callers = [graph.statements[one.caller].text for one in graph.statements if one.caller is not None]
    assert callers == ["step(x)"] * 4
    times = [graph.statements[one.caller].time for one in graph.statements if one.caller is not None]
    assert times == [0, 1, 2, 0]


def test_functions_from_a_list_and_functions_that_call_themselves() -> None:
    def twice(x: Tensor) -> Tensor:
        return x * 2

    def wave(x: Tensor) -> Tensor:
        return x.sin()

    def deep(x: Tensor, n: int) -> Tensor:
        return deep(x + 1, n - 1) * 3 if n else x

    def program(x: Tensor) -> Tensor:
        for function in (twice, wave, twice):
            x = function(x)
        return deep(x, 2)

    graph = gad.trace(program, 1.0)
    assert [text for text, _, _ in runs(graph)][:3] == ["x * 2", "x.sin()", "x * 2"]
    assert calls(graph, "twice") == 2
    depths = [
        len(list(chain_of(graph.statements, place)))
        for place, one in enumerate(graph.statements)
        if "deep" in one.function
    ]
    assert depths == [2, 3]


def test_a_layer_in_a_loop_is_a_statement_each_time_and_a_chain_of_layers_is_one() -> None:
    class Block(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.chain = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), Block(), Block(), nn.Linear(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(2):
                x = self.chain(x)
            return x.sum()

    graph = gad.trace(Net(), torch.ones(2))
    found = runs(graph)
    assert [(text, time, count) for text, time, count in found if text == "self.chain(x)"] == [
        ("self.chain(x)", 0, 3),
        ("self.chain(x)", 1, 3),
    ]
    assert [text for text, _, _ in found].count("x * 2") == 4
    assert calls(graph, "test_a_layer_in_a_loop_is_a_statement_each_time_and_a_chain_of_layers_is_one") == 0


def test_a_layer_of_torchs_that_runs_many_operations_is_one_statement() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def program(x: Tensor) -> Tensor:
        for _ in range(2):
            x = layer(x)
        return x.sum()

    graph = gad.trace(program, torch.ones(1, 3, 4))
    found = runs(graph)
    assert [(text, time) for text, time, _ in found] == [("layer(x)", 0), ("layer(x)", 1), ("x.sum()", 0)]
    assert found[0][2] == found[1][2] > 3


def test_what_runs_in_somebody_elses_library_belongs_to_the_line_that_called_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from graphviz_ad._internal.tracing.assembly import executed_statements

    source = "def helper(x):\n    y = x * 2\n    return y + 1\n"
    scope: dict[str, Any] = {}
    exec(compile(source, "/somewhere/site-packages/lib.py", "exec"), scope)
    executed_statements.of_a_library.cache_clear()
    monkeypatch.setattr(executed_statements, "LIBRARIES", (*executed_statements.LIBRARIES, "/somewhere/site-packages/"))

    def program(x: Tensor) -> Tensor:
        z = scope["helper"](x)
        return z * z  # type: ignore[no-any-return]

    assert [text for text, _, _ in runs(gad.trace(program, 1.0))] == ["scope['helper'](x)", "z * z"]
    assert [count for _, _, count in runs(gad.trace(scope["helper"], 1.0))] == [1, 1]  # where there is nothing else


def written(source: str, file: str) -> Any:
    """The function ``f`` of a source, as if it stood in a file."""
    scope: dict[str, Any] = {"torch": torch}
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), scope)
    return scope["f"]


@pytest.mark.parametrize("was_traced", [True, False], ids=["traced before", "not traced before"])
@pytest.mark.parametrize("now", ["y = x * 3", "y = x + 2", "y = z * 2", "y = x ** 2", "return z + 5"])
def test_a_line_that_has_changed_since_gives_no_wrong_text(now: str, was_traced: bool) -> None:
    f = written("def f(x):\n    y = x * 2\n    return y\n", "<changed line>")
    if was_traced:
        before = gad.trace(f, 1.0)
        assert [text for text, _, _ in runs(before)] == ["x * 2"]
    linecache.cache["<changed line>"] = (1, None, ["def f(x):\n", f"    {now}\n", "    return y\n"], "<changed line>")
    graph = gad.trace(f, 1.0)
    assert [text for text, _, _ in runs(graph)] == [None]
    assert graph.program == ()
    if was_traced:
        assert before.program[0].lines[1] == "    y = x * 2"


def test_the_same_text_in_two_files_is_two_functions() -> None:
    source = "def f(x):\n    with torch.no_grad():\n        y = x * 2\n    return x * y\n"
    first, second = written(source, "<one>"), written(source, "<other>")
    assert first.__code__ == second.__code__

    def program(x: Tensor) -> Tensor:
        for function in (first, second):
            x = function(x)
        return x

    graph = gad.trace(program, 1.0)
    own = [one for one in graph.statements if one.function == "f"]
    files = [graph.program[one.part].file for one in own if one.part is not None]
    assert files == ["one", "one", "other", "other"]
    assert [one.call for one in own] == [own[0].call] * 2 + [own[2].call] * 2
    assert own[0].call != own[2].call
    assert [one.source for one in own] == ["<one>:3", "<one>:4", "<other>:3", "<other>:4"]
    cuts = [node.switched_off for node in graph.node_list if node.switched_off]
    assert cuts == [("no_grad", "<one>:2"), ("no_grad", "<other>:2")]


def test_two_statements_in_one_line_are_two_and_one_in_several_lines_is_one() -> None:
    def program(x: Tensor) -> Tensor:
        y = x * 2; z = y + x  # fmt: skip # noqa: E702
        return (
            y
            * z
            + x
        )  # fmt: skip

    assert runs(gad.trace(program, 1.0)) == [("x * 2", 0, 1), ("y + x", 0, 1), ("y * z + x", 0, 2)]


def test_a_loop_in_one_line_and_the_same_twice_in_a_line_are_as_many_statements() -> None:
    def looping(x: Tensor) -> Tensor:
        for _ in range(3): x = x * 2 + x  # fmt: skip  # noqa: E701
        return x

    def repeating(x: Tensor) -> Tensor:
        x = x * 2 + x; x = x * 2 + x  # fmt: skip  # noqa: E702
        return sum([x * i for i in range(2)])  # type: ignore[return-value]

    assert runs(gad.trace(looping, 1.0)) == [("x * 2 + x", time, 2) for time in range(3)]
    assert [text for text, *_ in runs(gad.trace(repeating, 1.0))][:2] == ["x * 2 + x"] * 2
    shown = gad.trace(looping, 1.0).plot(detail="line").scene
    assert [box.lines[1].text for box in shown.boxes if box.kind == "line"] == ["3", "9", "27"]


def test_a_recorded_step_has_the_lines_of_the_block() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    with gad.record() as rec:
        for _ in range(2):
            loss = (w * 3) ** 2
            loss.backward()
    graph = rec.graph
    assert {text for text, _, _ in runs(graph)} == {"(w * 3) ** 2"}
    assert {time for _, time, _ in runs(graph)} == {0, 1}


def test_who_wants_no_source_gets_no_statements() -> None:
    assert gad.trace(lambda x: x * 2, 1.0, capture=gad.Capture(source=False)).statements == ()


def test_a_statement_is_an_attribute_of_the_networkx_graph() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(2):
            x = x * 2
        return x

    found = [facts["statement"] for _, facts in gad.trace(program, 1.0).nx.nodes(data=True) if facts["kind"] == "op"]
    assert [(one.text, one.targets, one.time) for one in found] == [("x * 2", ("x",), 0), ("x * 2", ("x",), 1)]
