"""Operations that raise: left out where the program goes on, marked where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from programs import assert_sound, leaf, node_called, operations
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.scene.annotations import stopped_at

SEVEN = torch.ones(7, dtype=torch.float64)


def refused(function: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError):
        function()


def caught(x: Tensor) -> Tensor:
    refused(lambda: x @ SEVEN)
    refused(lambda: x.exp().add_(SEVEN))
    return x.sin()


def caught_then_raised(x: Tensor) -> Tensor:
    refused(lambda: x + SEVEN)
    return x.sin() @ SEVEN


def told_in_other_words(x: Tensor) -> Tensor:
    try:
        return x @ SEVEN
    except RuntimeError as error:
        raise ValueError("seven is too many") from error


def raised_without_torch(x: Tensor) -> Tensor:
    refused(lambda: x @ SEVEN)
    raise ValueError("no operation's fault")


def traced(function: Callable[[Tensor], Tensor]) -> Graph:
    with pytest.raises((RuntimeError, ValueError)) as raised:
        gad.trace(function, leaf(1, 2))
    return raised.value.graph  # type: ignore[union-attr]


def recorded(function: Callable[[Tensor], Tensor]) -> Graph:
    x = leaf(1, 2)
    with pytest.raises((RuntimeError, ValueError)), gad.record() as recording:
        function(x)
    return recording.graph


def test_what_raised_is_left_out_with_a_notice_where_the_program_goes_on() -> None:
    graph = gad.trace(caught, leaf(1, 2))
    assert operations(graph) == ["exp", "sin"]
    assert [notice.partition(" (")[0] for notice in graph.notices] == [
        "2 operations that raised an error are left out, since the program went on: matmul"
    ]
    assert node_called(graph, "x")["grad"].array.tolist() == leaf(1, 2).cos().tolist()
    assert_sound(graph)


@pytest.mark.parametrize("way", [traced, recorded])
@pytest.mark.parametrize(
    ("function", "stopped"),
    [(caught_then_raised, "matmul"), (told_in_other_words, "matmul"), (raised_without_torch, None)],
)
def test_only_what_ended_the_program_is_marked(
    way: Callable[..., Graph], function: Callable[[Tensor], Tensor], stopped: str | None
) -> None:
    graph = way(function)
    found = stopped_at(graph)
    assert [node.op for node in found] == ([stopped] if stopped else [])
    assert all(port.shape is not None for node in graph.node_list if node not in found for port in node.ports)
    assert sum("left out, since the program went on" in notice for notice in graph.notices) == (
        function is not told_in_other_words
    )


def test_of_two_recordings_each_marks_its_own_operation() -> None:
    x = leaf(1, 2)
    with pytest.raises(RuntimeError), gad.record() as outer:  # noqa: PT012 - two recordings, one inside the other
        x.exp()
        with gad.record() as inner:
            x.sin() @ SEVEN
    for recording in (outer, inner):
        (stopped,) = stopped_at(recording.graph)
        assert stopped.op == "matmul"
    assert "exp" in operations(outer.graph)
