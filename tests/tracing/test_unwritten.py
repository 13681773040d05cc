"""Memory that nobody has written to is shown as such, whoever reads it, and what is written there is known as soon
as all of it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from autograd_rows import only
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import leaf
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.capture import Capture

EVERYTHING = Capture(values="full", gradients="full")
NOT_WRITTEN = "uninitialised memory"
LINEAR, VECTOR = nn.Linear(3, 3), torch.tensor([1.0, 2.0, 3.0])


def start() -> Tensor:
    return leaf(1, 2, 3, dtype=torch.float32)


def parameter(x: Tensor) -> Tensor:
    weight = nn.Parameter(torch.empty(3))
    nn.init.constant_(weight, 2.0)
    return weight * x


def by_rows(x: Tensor) -> Tensor:
    rows = torch.empty(2, 3)
    rows[0] = x
    rows[1] = 2 * x
    return rows * 3


def into(x: Tensor) -> Tensor:
    result = torch.empty(3)
    with torch.no_grad():
        torch.mul(x, 2, out=result)
    return result * x


def module(kind: Callable[[], nn.Module], shape: tuple[int, ...] = (2, 3)) -> Callable[[Tensor], Any]:
    def program(x: Tensor) -> Any:
        torch.manual_seed(0)
        made = kind()(x.expand(shape))
        return made[0] if isinstance(made, tuple) else made

    return program


def resized(x: Tensor) -> Tensor:
    rows = torch.empty(2).fill_(3).resize_(4)
    rows[2:] = 5
    return rows[1:] * x


def resized_garbage(x: Tensor) -> Tensor:
    return torch.empty(3).resize_(8).t_().resize_(3).copy_(x) * 2


LIBRARY = torch.library.Library("unwritten", "FRAGMENT")
LIBRARY.define("doubled(Tensor x, *, Tensor(a!) out) -> ()")
LIBRARY.impl("doubled", lambda x, *, out: (out.copy_(x * 2), None)[1], "CPU")


def operator_with_place_for_result(x: Tensor) -> Tensor:
    result = torch.empty(3)
    torch.ops.unwritten.doubled(x.detach(), out=result)
    return result * x


LIBRARY.define("filled(Tensor place) -> Tensor")
LIBRARY.impl("filled", lambda place: place.narrow(0, 0, 2), "CPU")  # as if with what lay there before


def test_what_an_operation_of_a_library_was_given_may_have_been_filled_unseen() -> None:
    graph = gad.trace(lambda x: torch.ops.unwritten.filled(torch.empty(3)) * x[:2], start(), capture=EVERYTHING)
    (filled,) = (node for node in graph.node_list if node.op == "unwritten::filled")
    assert filled.value is not None
    assert filled.value.known
    assert graph.outputs[0].value is not None
    assert graph.outputs[0].value.known


PROGRAMS: dict[str, Callable[[Tensor], Any]] = {
    "empty": lambda x: torch.empty(3).fill_(2) * x,
    "empty_like": lambda x: torch.empty_like(x).copy_(x) * x,
    "new_empty": lambda x: x.new_empty(3).zero_() + x,
    "empty_strided": lambda x: torch.empty_strided((3,), (1,)).fill_(1) * x,
    "the old constructor": lambda x: torch.Tensor(3).fill_(1) * x,
    "a garbage view": lambda x: (torch.empty(8).view(2, 4).t()[0], x * 2)[1],
    "garbage": lambda x: (x.sin(), torch.empty(3) * 0 + 1)[0],
    "garbage returned": lambda x: (x.sin(), torch.empty(3) + x),
    "a part": lambda x: torch.empty(4)[:3].copy_(x) * 2,
    "by rows": by_rows,
    "parameter": parameter,
    "out=": into,
    "linear": module(lambda: nn.Linear(3, 2)),
    "convolution": module(lambda: nn.Conv1d(2, 1, 2), (1, 2, 3)),
    "normalised": module(lambda: nn.BatchNorm1d(3)),
    "layer norm": module(lambda: nn.LayerNorm(3)),
    "lstm": module(lambda: nn.LSTM(3, 2), (2, 1, 3)),
    "resized": resized,
    "garbage resized from nothing": lambda x: (x.sin(), torch.empty(0).resize_(8) + 1)[0],
    "garbage resized": lambda x: (x.sin(), torch.ones(2).resize_(8) + torch.empty(3).resize_(8))[0],
    "garbage resized and written": resized_garbage,
    "place for a result": operator_with_place_for_result,
    "copied module": lambda x: copy.deepcopy(LINEAR)(x),
    "copied tensor": lambda x: copy.deepcopy(VECTOR) * x,
    "copied view": lambda x: copy.deepcopy(VECTOR[1:]).sum() * x,
    "copied parameter": lambda x: copy.deepcopy(LINEAR.bias) * x,
    "noise": lambda x: (torch.manual_seed(0), nn.functional.rrelu(-x, training=True) * x)[1],
    "embedding": lambda x: (torch.manual_seed(0), nn.Embedding(4, 3)(torch.tensor([1, 2])) * x)[1],
}
EVERY_PROGRAM = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())


def dirty(number: float) -> None:
    """Leave this number in whatever memory is given out next."""
    sizes = [n for n in range(1, 40) for _ in range(6)]
    held = [torch.full((n,), number) for n in sizes]
    del held


@EVERY_PROGRAM
def test_a_program_with_memory_of_its_own_gives_the_same_bytes_twice(program: Callable[[Tensor], Any]) -> None:
    graphs = []
    for number in (1.5, -77.25, 3e33):
        dirty(number)
        graphs.append(gad.trace(program, start(), capture=EVERYTHING))
    assert len({graph.to_json() for graph in graphs}) == 1
    assert graphs[0].check().ok is not False


@EVERY_PROGRAM
def test_what_is_written_is_known(program: Callable[[Tensor], Any]) -> None:
    graph = gad.trace(program, start(), capture=EVERYTHING)
    result = program(start())
    for node, tensor in zip(graph.outputs, result if isinstance(result, tuple) else (result,), strict=True):
        value = node.ports[0].value
        assert value is not None
        assert value.missing == NOT_WRITTEN or (
            value.array is not None and np.array_equal(value.array, tensor.detach().numpy())
        )
    assert [
        port.value.missing
        for node in graph.outputs
        for port in node.ports
        if port.value is not None and not port.value.known
    ] == [NOT_WRITTEN] * (program is PROGRAMS["garbage returned"])


def values(graph: Graph, op: str) -> list[Any]:
    return [
        node.value.missing if not node.value.known else node.value.array.tolist()
        for node in graph.node_list
        if node.op == op and node.value
    ]


def test_a_view_of_what_nobody_wrote_says_so() -> None:
    graph = gad.trace(lambda x: (torch.empty(4)[:3] + x, x * 2), start(), capture=EVERYTHING)
    assert values(graph, "empty") == values(graph, "getitem") == values(graph, "add") == [NOT_WRITTEN]
    assert values(graph, "mul") == [[2.0, 4.0, 6.0]]


def test_a_part_that_was_written_is_known_and_the_rest_is_not() -> None:
    def program(x: Tensor) -> tuple[Tensor, ...]:
        whole = torch.empty(6)
        with torch.no_grad():
            whole[1:4] = x
        return whole[1:4].clone(), whole[2:5].sin(), whole.cos(), x * 1

    graph = gad.trace(program, start(), capture=EVERYTHING)
    assert values(graph, "clone") == [[1.0, 2.0, 3.0]]
    assert values(graph, "sin") == values(graph, "cos") == [NOT_WRITTEN]


def test_only_its_shape_was_taken() -> None:
    graph = gad.trace(lambda x: torch.ones_like(torch.empty(3)) * x, start(), capture=EVERYTHING)
    assert values(graph, "mul") == [[1.0, 2.0, 3.0]]


def test_a_write_that_torch_does_not_see_is_seen() -> None:
    def program(x: Tensor) -> Tensor:
        made = torch.empty(3)
        made.numpy()[:] = [4.0, 5.0, 6.0]
        return made * x

    dirty(1.5)
    assert values(gad.trace(program, start(), capture=EVERYTHING), "mul") == [[4.0, 10.0, 18.0]]


def test_what_is_handed_over_and_read_is_known() -> None:
    def program(x: Tensor) -> Tensor:
        storage = torch.tensor([4.0, 5.0, 6.0]).untyped_storage()
        return torch.empty(0).set_(storage, 0, (3,), (1,)) * x

    assert values(gad.trace(program, start(), capture=EVERYTHING), "mul") == [[4.0, 10.0, 18.0]]


def test_memory_that_is_written_again_with_nothing_means_nothing_again() -> None:
    def program(x: Tensor) -> Tensor:
        made = torch.zeros(3)
        made.copy_(torch.empty(3))
        return made * x

    graph = gad.trace(program, start(), capture=EVERYTHING)
    assert values(graph, "zeros") == [[0.0, 0.0, 0.0]]
    assert values(graph, "copy_") == values(graph, "mul") == [NOT_WRITTEN]


def test_a_value_that_is_not_wanted_is_not_said_to_be_missing() -> None:
    graph = gad.trace(lambda x: torch.empty(3)[:2].sum() * 0 + x, start(), capture=Capture(values="none"))
    assert all(port.value is None for node in graph.node_list for port in node.ports if node.op is not None)


AT_INDEX: dict[str, Callable[[Tensor, Tensor, float], Any]] = {
    "index_put_": lambda whole, index, value: whole.__setitem__(index, value),
    "index_copy_": lambda whole, index, value: whole.index_copy_(0, index, torch.full((len(index), 4), value)),
    "index_fill_": lambda whole, index, value: whole.index_fill_(0, index, value),
    "scatter_": lambda whole, index, value: whole.scatter_(0, index[:, None].expand(-1, 2), value),
    "masked_fill_": lambda whole, index, value: whole.masked_fill_(torch.isin(torch.arange(4), index), value),
    "a mask": lambda whole, index, value: whole.__setitem__(torch.isin(torch.arange(3), index), value),
}
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["rows", "columns", "element", "flat", *AT_INDEX]), st.integers(0, 11), st.integers(1, 12)
    ),
    max_size=8,
)


@given(WRITES)
@settings(max_examples=80, deadline=None)
def test_known_is_what_was_written_whole(writes: list[tuple[str, int, int]]) -> None:
    """Against a mirror in which what nobody wrote is NaN."""

    def write(whole: Tensor) -> None:
        for kind, start, count in writes:
            if kind in AT_INDEX:
                AT_INDEX[kind](whole, torch.arange(start, start + count).remainder(3).unique(), float(count))
                continue
            view = {
                "rows": whole[start % 3 :][:count],
                "columns": whole.t()[start % 4 :][:count],
                "element": whole[start % 3, start % 4],
            }.get(kind)
            target = whole.view(-1)[start:][:count] if view is None else view
            target.fill_(float(count))

    mirror = torch.full((3, 4), float("nan"))
    write(mirror)
    parts: list[Callable[[Tensor], Tensor]] = [
        lambda t: t * 1,
        lambda t: t[0] * 1,
        lambda t: t[:, 1:3] * 1,
        lambda t: t[1, 2] * 1,
        lambda t: t.t()[::2] * 1,
    ]

    def program(x: Tensor) -> tuple[Tensor, ...]:
        whole = torch.empty(3, 4)
        write(whole)
        return (*(part(whole) for part in parts), x * 1)

    graph = gad.trace(program, leaf(1), capture=EVERYTHING)
    expected = [part(mirror) for part in parts]
    assert values(graph, "mul")[:-1] == [NOT_WRITTEN if part.isnan().any() else part.tolist() for part in expected]


def test_nothing_is_left_of_what_was_looked_at() -> None:
    kept: list[Tensor] = []
    graph = gad.trace(lambda x: (kept.append(torch.empty(3)), x * 2)[1], start())
    assert only(graph, "empty").value is not None
    kept[0].untyped_storage().resize_(64)
    assert kept[0]._version == 0
