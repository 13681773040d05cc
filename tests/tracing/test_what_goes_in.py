"""What a program is given: names that its user wrote down, numbers that become tensors, and what stays as it is."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GraphvizADError, NumberMadeError

# --- names that the user wrote down


def test_names_given_to_make_dot_are_kept_whatever_they_begin_with() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    compiled = torch.compile(net, backend="eager")
    given = dict(compiled.named_parameters())
    assert all(name.startswith("_") for name in given)
    source = gad.make_dot(net(torch.ones(2, 4)).sum(), params=given).source
    assert [name for name in given if name not in source] == []


def test_a_name_that_is_given_to_an_adnumber_is_kept_whatever_it_begins_with() -> None:
    x = gad.ADNumber(2.0)
    graph = gad.trace(lambda _x: _x * _x, x)
    assert graph.find("_x").grad.item() == 4


# --- numbers that stay what they are


class TopK(nn.Module):
    """Takes a number that has to stay one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor, k: int, largest: bool = True) -> Tensor:
        self.seen = (k, largest)
        return (x * self.weight).topk(k, largest=largest).values.sum()

    def scaled(self, x: Tensor, factor: float, k: int) -> Tensor:
        return self(x, k) * factor


class Size(enum.IntEnum):
    """A number with a name."""

    TWO = 2


@pytest.mark.parametrize("k", [2, np.int64(2), Size.TWO])
def test_whole_numbers_and_truth_values_stay_what_they_are_for_modules(k: Any) -> None:
    net = TopK()
    graph = gad.trace(net, torch.arange(5.0), k=k, largest=False)
    assert net.seen == (k, False)
    assert type(net.seen[0]) is type(k)
    assert graph.find("weight").grad.array.tolist() == [0, 1, 0, 0, 0]


def test_a_method_of_a_module_and_a_module_with_arguments_given_are_modules() -> None:
    net = TopK()
    for target in (net.scaled, functools.partial(net.scaled, k=2)):
        graph = gad.trace(target, torch.arange(5.0), 0.5, **({} if isinstance(target, functools.partial) else {"k": 2}))
        assert (graph.find("factor").ports[0].dtype, graph.name) == ("float32", "scaled")
        assert graph.find("weight").grad.array.tolist() == [0, 0, 0, 1.5, 2]


@pytest.mark.parametrize(
    ("array", "dtype", "requires_grad"),
    [
        (np.array([[1, 2]]), "int64", False),
        (np.array([[True, False]]), "bool", False),
        (np.array([[1.0, 2.0]]), "float32", True),
        ([[1.0, 2.0]], "float32", True),
        ([[1, 2]], "float32", True),
    ],
    ids=str,
)
def test_arrays_of_whole_numbers_are_data_of_a_module(array: Any, dtype: str, requires_grad: bool) -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (torch.ones(2, requires_grad=True) * x).sum()

    node = gad.trace(Doubled(), array).find("x")
    assert (node.ports[0].dtype, node.kind) == (dtype, "leaf" if requires_grad else "data")


def repeated(x: Any, n: Any) -> Any:
    return sum(x for _ in range(n))


def test_a_constant_stays_what_it_is() -> None:
    seen: list[Any] = []

    def function(x: Any, pair: Any, **more: Any) -> Any:
        seen.extend((pair, more))
        return x * pair[0]

    assert gad.trace(repeated, 1.5, gad.constant(3)).find("x").grad.item() == 3
    assert gad.trace(repeated, gad.ADNumber(1.5, "x"), gad.constant(3)).find("x").grad.item() == 3
    assert gad.TorchGraph(repeated, [1.5, gad.constant(3)]).graph.find("x").grad.item() == 3
    assert gad.compare_methods(repeated, 1.5, gad.constant(3)).graph.find("x").grad.item() == 3
    gad.trace(function, 1.5, [2.0, gad.constant(3)], z={"k": gad.constant([1, 2])})
    assert [type(part) for part in seen[0]] == [Tensor, int]
    assert seen[1] == {"z": {"k": [1, 2]}}


NEEDS: dict[str, tuple[Callable[..., Any], str]] = {
    "a range": (repeated, "range"),
    "a size": (lambda x, n: x.repeat(n).sum(), "repeat"),
    "an index made of it": (lambda x, n: [x, x, x][n // 2], "index"),
    "a bound": (lambda x, n: torch.stack([x] * 4)[: n - 1].sum(), "slice"),
    "in a collection": (lambda x, n: x * sum(range({"n": n}["n"])), "range"),
    "within torch": (lambda x, n: torch.nn.functional.one_hot(torch.tensor(1), num_classes=n) * x, "n_classes"),
}


@pytest.mark.parametrize("case", NEEDS)
def test_an_error_names_the_number_that_was_made_a_tensor_and_says_how_it_stays_one(case: str) -> None:
    function = NEEDS[case][0]
    with pytest.raises(TypeError) as caught:
        gad.trace(function, 1.5, 3)
    text = str(caught.value)
    assert re.search(r"n \(3\) was made a tensor.*gad\.constant\(3\)", text)
    assert "1.5" not in text
    assert str(caught.value.__cause__) in text
    assert caught.value.graph is caught.value.__cause__.graph
    assert gad.trace(function, 1.5, gad.constant(3)).find("x").grad is not None


def test_the_same_of_adnumbers() -> None:
    with pytest.raises(NumberMadeError, match=r"n \(3\) was made an ADNumber.*gad\.constant\(3\)"):
        gad.trace(lambda x, n: x * [1, 2, 3, 4][n - 1], gad.ADNumber(1.5, "x"), 3)


def test_a_number_that_is_no_whole_one_is_named_too() -> None:
    with pytest.raises(TypeError, match=r"p \(0\.5\) was made a tensor"):
        gad.trace(lambda x, p: torch.dropout(x, p, True), [1.0, 2.0], 0.5)


def test_what_the_program_refuses_by_itself_stays_its_own_exception_with_a_note() -> None:
    def careful(x: Any, n: Any) -> Any:
        if not isinstance(n, int):
            raise TypeError("how often?")
        return x * n

    with pytest.raises(TypeError, match=r"how often\?") as caught:
        gad.trace(careful, 1.5, 3)
    assert type(caught.value) is TypeError
    assert "gad.constant(3)" in caught.value.__notes__[0]
    with pytest.raises(IndexError) as indexed:
        gad.trace(lambda x, n: torch.stack([x, x, x, x])[n], 1.5, 3)
    assert "n (3) was made a tensor" in indexed.value.__notes__[0]


def test_a_list_of_whole_numbers_that_was_made_a_tensor_is_named_where_torch_wants_whole_ones() -> None:
    with pytest.raises(RuntimeError, match="scalar type") as caught:
        gad.trace(nn.Embedding(5, 2), [[1, 2]])
    assert "input ([[1, 2]]) was made a tensor" in caught.value.__notes__[0]
    assert "a tensor of whole numbers" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "function",
    [lambda x, n: x * n * len(None), lambda x, n: x.shape.no_such_thing, lambda x, n: x * n * int("q")],
)
def test_other_exceptions_are_left_alone(function: Callable[..., Any]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        gad.trace(function, 1.5, 3)
    assert not isinstance(caught.value, GraphvizADError)
    assert not hasattr(caught.value, "__notes__")


# --- what is handed over


def test_a_list_that_the_program_fills_is_the_users_own() -> None:
    log: list[float] = []
    nested = {"log": log, "x": 2.0}
    gad.trace(lambda x, into, tree: (into.append(1.0), tree["log"].append(2.0), x * tree["x"])[2], 1.5, log, nested)
    assert log == [1.0, 2.0]


@dataclass
class Batch:
    x: Tensor
    mask: Tensor | None = None
    note: str = "n"


def test_tensors_in_what_is_given_have_names_whatever_holds_them() -> None:
    class Held:
        def __init__(self) -> None:
            self.scale = torch.tensor(2.0, requires_grad=True)

    def function(batch: Batch, held: Held, weights: Any, net: Any, table: Any) -> Tensor:
        return (net(batch.x) * held.scale * weights[0] * table[1, "a"]).sum()

    given = torch.tensor(3.0, requires_grad=True)
    parameters = nn.ParameterList([torch.ones(2)])
    graph = gad.trace(function, Batch(torch.ones(1, 3)), Held(), parameters, nn.Linear(3, 2), {(1, "a"): given})
    names = [node.name for node in graph.node_list if node.kind in ("leaf", "data")]
    assert names == ["batch.x", "table[(1, 'a')]", "net.weight", "net.bias", "held.scale", "weights.0"]
    assert [node.module for node in graph.node_list if node.op == "linear"] == [("net",)]


def test_a_size_stays_one_and_what_is_handed_over_has_its_own_name() -> None:
    x = torch.ones(2, requires_grad=True)
    graph = gad.trace(lambda optimizer, size, x: x.view(size).sum(), torch.optim.SGD([x], 0.1), torch.Size([2, 1]), x)
    assert [node.name for node in graph.node_list if node.kind == "leaf"] == ["x"]


def test_inputs_of_whole_numbers_that_nobody_reads_are_data() -> None:
    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 2)

        def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, keep: int = 0) -> Tensor:
            return self.embed(input_ids)[:, -keep:].sum()

    graph = gad.trace(Embedded(), input_ids=torch.tensor([[1, 2, 3]]), attention_mask=torch.ones(1, 3), keep=1)
    kinds = {node.name: node.kind for node in graph.node_list if node.name}
    assert (kinds["input_ids"], kinds["attention_mask"], kinds["embed.weight"]) == ("data", "data", "leaf")
    assert graph.find("embed.weight").grad.array.sum(1).tolist() == [0, 0, 0, 2, 0]
    assert "keep" not in kinds


# --- what nothing reads


class Ignoring(torch.autograd.Function):
    """Twice the first of what it is given."""

    @staticmethod
    def forward(ctx: object, x: Tensor, y: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0] * 2, None


def reads_all_but_two(x: Tensor, t: Tensor, more: dict[str, Tensor], label: Tensor) -> tuple[Tensor, Tensor]:
    return Ignoring.apply(x, more["a"]).reshape(more["b"].shape).sum(), label


def test_inputs_that_no_operation_reads_are_told_and_those_that_are_handed_back_are_not() -> None:
    x, t, a, b, label = (torch.ones(2, requires_grad=True) for _ in range(5))
    traced = gad.trace(reads_all_but_two, x, t, {"a": a, "b": b}, label)
    assert traced.notices[-1] == "No operation read these 2 inputs: t, more.b."
    assert "since no operation read it here" in traced.why("t")
    assert gad.trace(lambda x, y: x * 2, 1.0, 2.0).notices == ("No operation read this input: y.",)
    assert gad.trace(lambda x, y: x * y, 1.0, 2.0).notices == ()


def test_data_that_nothing_reads_is_not_said_to_lack_requires_grad_alone() -> None:
    traced = gad.trace(lambda x, y: x * 2, torch.ones(2, requires_grad=True), torch.ones(2))
    assert traced.notices == ()
    assert traced.why("y").endswith("No operation read it here.")


def test_modules_of_functions_in_the_closure_have_the_names_that_these_give_them() -> None:
    net, scale = torch.nn.Linear(2, 2), torch.tensor(0.5, requires_grad=True)

    def step(y: Tensor) -> Tensor:
        return y + net(y) * scale

    def solve(start: Tensor) -> Tensor:
        return step(step(start)).sum()

    names = {node.name for node in gad.trace(solve, torch.ones(2)).node_list if node.kind == "leaf"}
    assert names == {"net.weight", "net.bias", "scale"}
