"""Leaves of a function take the names of its variables, where the text of the program leaves no doubt, and no other
names.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from programs import leaf, randoms
from torch import Tensor
from torch.nn import functional as F  # as it is written most often

import graphviz_ad as gad
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.naming.variable_names import variables_read
from graphviz_ad._internal.tracing.tape.dispatch_mode import Recorder
from graphviz_ad._internal.tracing.tape.tape import Tape


def named(function: Callable[[], Any]) -> list[str]:
    """The names that are found for what a function reads and nobody named."""
    tape = Tape(Capture(), named.__code__)
    with Recorder(tape):
        function()
    return list(variables_read(tape, function.__code__).values())


class Holder:
    weight = randoms(2, 2)


def test_operands_of_operators_and_functions_are_named() -> None:
    x, w, b, p = leaf(1, 2), leaf(3, 4), leaf(5, 6), leaf(7, 8)

    def function() -> None:
        (x * w).sum()
        torch.sin(b)
        1 - p

    assert named(function) == ["x", "w", "b", "p"]


def test_a_layer_and_a_loss_name_what_they_are_given() -> None:
    x, weight, bias, target, holder = (
        randoms(1, 2),
        randoms(2, 2, seed=1),
        randoms(2, seed=2),
        randoms(1, 2, seed=3),
        Holder(),
    )

    def function() -> None:
        F.mse_loss(F.linear(x, weight, bias) @ holder.weight, target)

    assert sorted(named(function)) == ["bias", "holder.weight", "target", "weight", "x"]


def test_keywords_are_followed() -> None:
    a, b, c = leaf(1, 2), leaf(3, 4), leaf(0.5, 0.5)

    def function() -> None:
        torch.lerp(a, weight=c, end=b)

    assert sorted(named(function)) == ["a", "b", "c"]


def test_a_method_names_what_stands_before_the_point() -> None:
    x, y, z = leaf(1, 2), leaf(3, 4), leaf(5, 6)

    def function() -> None:
        x.sum()
        y.mul(z)

    assert named(function) == ["x", "y", "z"]


DOUBTFUL: list[Callable[[Tensor], Callable[[], Any]]] = []


def doubtful(make: Callable[[Tensor], Callable[[], Any]]) -> None:
    DOUBTFUL.append(make)


@doubtful
def number_or_tensor_first(x: Tensor) -> Callable[[], Any]:
    factor = 3.0
    return lambda: factor * x


@doubtful
def array_module(x: Tensor) -> Callable[[], Any]:
    xp, axis = torch, 0
    return lambda: xp.sum(x, axis)


@doubtful
def many_at_once(x: Tensor) -> Callable[[], Any]:
    parts = [x, x]
    return lambda: torch.stack(parts)


@doubtful
def unpacked(x: Tensor) -> Callable[[], Any]:
    arguments = (x,)
    return lambda: torch.sin(*arguments)


@doubtful
def by_index(x: Tensor) -> Callable[[], Any]:
    found = {"x": x}
    return lambda: torch.sin(found["x"])


@doubtful
def replaced_by_a_hook(x: Tensor) -> Callable[[], Any]:
    layer, other = torch.nn.Softplus(), x.detach().requires_grad_()
    layer.register_forward_pre_hook(lambda _, given: (other,))
    return lambda: layer(x)


@doubtful
def two_given_to_a_module(x: Tensor) -> Callable[[], Any]:
    layer = torch.nn.PairwiseDistance()
    return lambda: layer(x, x)


@pytest.mark.parametrize("make", DOUBTFUL, ids=[make.__name__ for make in DOUBTFUL])
def test_where_there_is_a_doubt_there_is_no_name(make: Callable[[Tensor], Callable[[], Any]]) -> None:
    assert named(make(leaf(1, 2))) == []


def test_what_a_line_gives_to_a_module_of_torchs_own_has_its_name() -> None:
    x, net = leaf(1, 2), torch.nn.Sequential(torch.nn.Softplus(), torch.nn.Tanh())
    assert named(lambda: net(x)) == ["x"]
    rows, norm = randoms(3, 2), torch.nn.BatchNorm1d(2, dtype=torch.float64)
    assert "rows" in named(lambda: norm(rows))
    with gad.record() as recording:
        norm(rows).sum().backward()
    names = {node.name for node in recording.graph.node_list if node.kind == "data" or node.kind == "leaf"}
    assert [name for name in names if name is not None] == ["rows"]  # and none of its parameters and buffers


def test_only_the_function_that_is_asked_for_gives_names() -> None:
    x = leaf(1, 2)

    def helper(inner: Tensor) -> Tensor:
        return inner.exp()

    def function() -> None:
        helper(x)

    assert named(function) == []


def test_nothing_is_kept_alive_by_asking() -> None:
    def function() -> weakref.ref[Tensor]:
        x = torch.ones(1000)
        tape = Tape(Capture("none", "none"), named.__code__)
        with Recorder(tape):
            x * x
        variables_read(tape, function.__code__)
        return weakref.ref(x)

    gc.disable()
    try:
        assert function()() is None
    finally:
        gc.enable()


# --- beside numbers in variables


def leaf_names(step: Callable[[Tensor], gad.Graph]) -> list[str | None]:
    """What the leaves are called that a recorded step reads."""
    return [node.name for node in step(torch.tensor(1.0, requires_grad=True)).node_list if node.kind == "leaf"]


def of_a_loop(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        for x in (1.0, 2.0):
            ((w * x - 1) ** 2).backward()
    return recorded.graph


def of_a_range(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        for i in range(1, 3):
            ((i * w + i) ** 2).backward()
    return recorded.graph


def of_a_number(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        rate = 0.5
        (rate * w).backward()
    return recorded.graph


def of_what_may_be_either(w: Tensor) -> gad.Graph:
    x = 2.0
    if w.item() > 0:
        x = w
    y = w if w.item() < 0 else 3.0
    with gad.record() as recorded:
        (x * y).backward()
    return recorded.graph


def of_two_lists(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        loss: Any = 0.0
        for x, y in zip([1.0, 2.0], [2.0, 5.0], strict=True):
            loss = loss + (x * w - y) ** 2
        loss.backward()
    return recorded.graph


def of_a_dictionary(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        loss: Any = 0.0
        for x, y in {1.0: 2.0, 2.0: 5.0}.items():
            loss += (w * x - y) ** 2
        loss.backward()
    return recorded.graph


def of_a_generator(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        sum((w * x - y) ** 2 for x, y in enumerate([2.0, 5.0])).backward()
    return recorded.graph


def of_an_inner_function(w: Tensor) -> gad.Graph:
    def model(x: float) -> Tensor:
        return w * x

    with gad.record() as recorded:
        (model(1.0) + model(2.0)).backward()
    return recorded.graph


def of_nested_loops(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        loss: Any = 0.0
        for row in [[1.0, 2.0], [3.0, 4.0]]:
            for x in row:
                loss = loss + (w + x) ** 2
        loss.backward()
    return recorded.graph


def of_numbers_that_do_not_change(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        for x in [float(n) for n in (3, 3)]:
            (w * x).backward()
    return recorded.graph


def of_two_that_change(w: Tensor) -> gad.Graph:
    with gad.record() as recorded:
        for a, b in [(w, 2.0), (3.0, w)]:
            (a * b).backward()
    return recorded.graph


def of_a_variable_set_on_the_way(w: Tensor) -> gad.Graph:
    rate = w
    with gad.record() as recorded:
        for a in [float(n) for n in (2, 3)]:
            (a * rate).backward()
            rate = w
    return recorded.graph


@pytest.mark.parametrize(
    "step",
    [
        of_a_loop,
        of_a_range,
        of_a_number,
        of_two_lists,
        of_a_dictionary,
        of_a_generator,
        of_an_inner_function,
        of_nested_loops,
    ],
)
def test_a_tensor_beside_a_variable_that_is_always_a_number_has_its_name(step: Any) -> None:
    assert leaf_names(step) == ["w"]


def of_rates_and_tensors(w: Tensor) -> gad.Graph:
    v = torch.tensor(2.0, requires_grad=True)
    rate = 0.5 if v.item() > 0 else v
    with gad.record() as recorded:
        for each in (w, v):
            (rate * each).backward()
    return recorded.graph


def test_of_tensors_that_change_beside_a_number_that_stays_each_has_the_name_of_the_one_that_changes() -> None:
    assert leaf_names(of_rates_and_tensors) == ["each", "each"]


@pytest.mark.parametrize(
    "step",
    [of_what_may_be_either, of_numbers_that_do_not_change, of_two_that_change, of_a_variable_set_on_the_way],
)
def test_where_either_variable_may_be_the_tensor_it_has_no_name(step: Any) -> None:
    assert set(leaf_names(step)) == {None}


# --- before brackets


def test_what_stands_before_brackets_is_named_but_nothing_that_a_collection_of_torchs_reads_for_it() -> None:
    xs, data = torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    pairs = torch.utils.data.TensorDataset(data)
    with gad.record() as recorded:
        for i in range(2):
            (xs[i] * pairs[i][0]).backward()
    named = {tuple(node.value.array): node.name for node in recorded.graph.node_list if node.kind == "leaf"}
    assert named == {(1.0, 2.0): "xs", (3.0, 4.0): None}


# --- unpacked


class Kept:
    """Something with attributes."""


X = randoms(3, 1, 2).detach().requires_grad_()
KIND = torch.float64
LSTM, GRU = torch.nn.LSTM(2, 2, dtype=KIND), torch.nn.GRU(2, 2, dtype=KIND)
CELL = torch.nn.LSTMCell(2, 2, dtype=KIND)
STATE = torch.zeros(1, 2, dtype=KIND)


def into_a_nest(x: Tensor) -> Any:
    out, (h, c) = LSTM(x)
    return (out * 2).sum() * h.sum() + c.exp().sum()


def only_the_first_is_read(x: Tensor) -> Any:
    out, (_h, _c) = LSTM(x)
    return out.sum()


def without_a_batch(x: Tensor) -> Any:
    out, (h, c) = LSTM(x[:, 0])
    return out.sum() * h.sum() + c.sum()


def of_a_unit_with_gates(x: Tensor) -> Any:
    out, _ = GRU(x)
    return out.sum()


def of_a_cell_step_by_step(x: Tensor) -> Any:
    h = c = STATE
    for t in range(2):
        h, c = CELL(x[t], (h, c))
    return (h[0] + h[0]).sum()


def into_attributes(x: Tensor) -> Any:
    kept: Any = Kept()
    kept.h, kept.c = torch.chunk(x, 2)
    return kept.h.sum() * kept.c.sum()


def with_a_star(x: Tensor) -> Any:
    a, *b = torch.chunk(x, 3)
    return a.sum() * b[0].sum() + b[1].sum()


def through_a_walrus(x: Tensor) -> Any:
    (p, q), _ = (both := torch.chunk(x, 2)), 1
    return p.sum() * q.sum() + both[0].sum()


UNPACKED: list[tuple[Callable[[Tensor], Any], list[str]]] = [
    (into_a_nest, ["out", "h", "c"]),
    (only_the_first_is_read, ["out"]),
    (without_a_batch, ["out", "h", "c"]),
    (of_a_unit_with_gates, ["out"]),
    (of_a_cell_step_by_step, ["h", "c", "h"]),
    (into_attributes, ["h", "c"]),
    (with_a_star, ["a", "b[0]", "b[1]"]),
    (through_a_walrus, ["p", "q"]),
]


def plain(port: Any) -> Any:
    """The value of a result as numbers."""
    return port.value.array.tolist()


def what_results_are_called(graph: gad.Graph) -> list[tuple[str, tuple[int, ...] | None]]:
    """Names of all that was computed, with shapes."""
    found: list[tuple[str, tuple[int, ...] | None]] = []
    for node in graph.node_list:
        if node.kind == "op":
            single = len(node.ports) == 1 and node.name
            found += [(name, port.shape) for port in node.ports if (name := (single or port.name))]
    return found


@pytest.mark.parametrize(("program", "expected"), UNPACKED, ids=[program.__name__ for program, _ in UNPACKED])
def test_what_a_result_is_unpacked_into_is_called_so(program: Any, expected: list[str]) -> None:
    graph = gad.trace(program, X)
    assert sorted(name for name, _ in what_results_are_called(graph)) == sorted(expected)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("kind", [torch.float32, KIND])  # they run in different ways
@pytest.mark.parametrize("settings", [{}, {"num_layers": 2}, {"bidirectional": True}, {"proj_size": 1}], ids=str)
def test_what_an_lstm_returns_has_the_values_that_its_variables_had(kind: Any, settings: Any) -> None:
    lstm = torch.nn.LSTM(2, 2, **settings).to(kind)

    def program(x: Tensor) -> Any:
        out, (h, c) = lstm(x)
        return out.exp().sum() * h.sin().sum() * c.cos().sum()

    x = X.detach().to(kind)
    graph = gad.trace(program, x)
    ports = [port for node in graph.node_list for port in node.ports if port.name in ("out", "h", "c")]
    out, (h, c) = lstm(x)
    given = {"out": out.tolist(), "h": h.tolist(), "c": c.tolist()}
    assert {port.name: plain(port) for port in ports if port.value is not None} == given


def test_the_two_states_of_a_cell_have_the_values_that_its_variables_had() -> None:
    graph = gad.trace(of_a_cell_step_by_step, X)
    h, c = CELL(X[0], (STATE, STATE))
    steps = [node for node in graph.node_list if node.op == "lstm_cell"]
    values = {port.name: plain(port) for port in steps[0].ports if port.value is not None}
    assert values["h"] == h.tolist()
    assert values["c"] == c.tolist()


# --- loops over tensors


W, XS, YS = leaf(2), leaf(1, 2), leaf(2, 5)


def side_by_side(w: Tensor) -> Any:
    loss: Any = 0.0
    for x, y in zip(XS, YS, strict=True):
        loss = loss + (w * x - y) ** 2
    return loss.sum()


def numbered_rows(w: Tensor) -> Any:
    loss: Any = 0.0
    for n, x in enumerate(XS):
        loss = loss + w * x * n
    return loss.sum()


def in_a_generator(w: Tensor) -> Any:
    return sum((w * x).sum() for x in XS)


def of_two_names(w: Tensor) -> Any:
    loss: Any = 0.0
    for x in XS:
        same = x
        loss = loss + w * x + same.exp()
    return loss.sum()


ROUNDS: list[tuple[Callable[[Tensor], Any], list[str | None]]] = [
    (side_by_side, ["x₀", "x₁", "y₀", "y₁"]),
    (numbered_rows, ["x₀", "x₁"]),
    (in_a_generator, ["x₀", "x₁"]),
    (of_two_names, [None, None]),
]


@pytest.mark.parametrize(("program", "expected"), ROUNDS, ids=[program.__name__ for program, _ in ROUNDS])
def test_what_a_loop_takes_of_a_tensor_has_the_name_of_its_round(program: Any, expected: list[str | None]) -> None:
    graph = gad.trace(program, W)
    assert [port.name for node in graph.node_list if node.op == "unbind" for port in node.ports] == expected


def test_a_statement_in_a_loop_says_of_which_round_its_operands_are() -> None:
    said = gad.trace(side_by_side, W).animate().transcript()
    assert "(w·x₁ − y₁)²" in said
    assert "[1]" not in said.split("zip")[1].split("=")[0]
