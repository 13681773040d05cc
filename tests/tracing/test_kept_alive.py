"""What is looked at of a graph is there, also where the program has let go of it and torch's nodes do not live by
being held.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from programs import Square, assert_sound, autograd_names, leaf, operations
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.tape import kept_alive


@pytest.fixture(params=[True, False], ids=["as this torch is", "held by nobody"])
def holding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second way is that of some versions of torch, and must do on any."""
    if not request.param:
        monkeypatch.setattr(kept_alive, "lives_while_it_is_held", lambda: False)


def steps(x: Tensor) -> None:
    for _ in range(3):
        y = Square.apply(x.sin())
        (y * y).sum().backward()
        del y


def last(x: Tensor) -> None:
    for _ in range(3):
        Square.apply(x.sum()).backward()


def unread(x: Tensor) -> None:
    y = Square.apply(x.sin())
    z = Square.apply(y) * 2
    del y, z


def one_in_another(x: Tensor) -> None:
    class Outer(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, given: Tensor) -> Tensor:
            return given * 2

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * 2

    for _ in range(2):
        Outer.apply(Square.apply(x)).sum().backward()


PROGRAMS: list[tuple[Callable[[Tensor], None], list[str]]] = [
    (steps, ["sin", "Square", "mul", "sum"] * 3),
    (last, ["sum", "Square"] * 3),
    (unread, ["sin", "Square", "Square", "mul"]),
    (one_in_another, ["Square", "Outer", "sum"] * 2),
]


def recorded(program: Callable[[Tensor], None], x: Tensor) -> Graph:
    with gad.record() as recording:
        program(x)
        gc.collect()
    return recording.graph  # type: ignore[no-any-return]


@pytest.mark.usefixtures("holding")
@pytest.mark.parametrize(("program", "expected"), PROGRAMS, ids=[program.__name__ for program, _ in PROGRAMS])
def test_a_recording_knows_what_the_program_has_let_go_of(
    program: Callable[[Tensor], None], expected: list[str]
) -> None:
    graph = recorded(program, leaf(1.0, 2.0))
    assert operations(graph) == expected
    assert [name for node in graph.node_list if node.op == "Square" for name in node.autograd] == [
        "SquareBackward"
    ] * expected.count("Square")
    for done in graph.passes if graph.has_gradients else ():
        assert_sound(done)


@pytest.mark.usefixtures("holding")
def test_looking_makes_no_node_in_the_program_and_lets_go_of_everything() -> None:
    x = leaf(1.0, 2.0)
    found: list[Any] = []

    def program(x: Tensor) -> Tensor:
        y = Square.apply(x.sin())
        found.append(weakref.ref(y))
        return (y * y).sum()

    before = torch.autograd._get_sequence_nr()
    names = autograd_names(program(x))
    plain = torch.autograd._get_sequence_nr() - before
    found.clear()
    graph = gad.trace(program, x)
    assert torch.autograd._get_sequence_nr() - before == 2 * plain
    assert {name for node in graph.node_list for name in node.autograd} == set(names)
    gc.collect()
    assert [reference() for reference in found] == [None]
