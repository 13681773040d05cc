"""A call has the name by which the user knows it: transforms, scripted functions, custom operators, writes in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from programs import assert_sound, leaf, node_called, operation, operations, randoms, tails, wrong_sums
from torch import Tensor, nn
from torch.autograd import functional as older

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.scene.words.describe import words_of_graph

# --- transforms of functions


def wave(x: Tensor) -> Tensor:
    return torch.sin(x) * x


def cubes(x: Tensor) -> Tensor:
    return (x**3).sum()


def squares(x: Tensor) -> Tensor:
    return x**2


def hessian_by_name(x: Tensor) -> Tensor:
    second = torch.func.hessian(cubes)
    return second(x)  # type: ignore[no-any-return]


TRANSFORMS: list[tuple[str, Callable[[Tensor], Any]]] = [
    ("grad", lambda x: torch.func.grad(cubes)(x)),
    ("grad_and_value", lambda x: torch.func.grad_and_value(cubes)(x)[0]),
    ("jacrev", lambda x: torch.func.jacrev(squares)(x)),
    ("jacfwd", lambda x: torch.func.jacfwd(squares)(x)),
    ("hessian", lambda x: torch.func.hessian(cubes)(x)),
    ("hessian", hessian_by_name),
    ("jacfwd", lambda x: torch.func.jacfwd(torch.func.jacrev(cubes))(x)),
    ("jvp", lambda x: torch.func.jvp(torch.sin, (x,), (torch.ones(2, dtype=x.dtype),))[1]),
    ("jacobian", lambda x: older.jacobian(squares, x, create_graph=True)),  # type: ignore[no-untyped-call]
    ("hessian", lambda x: older.hessian(cubes, x, create_graph=True)),  # type: ignore[no-untyped-call]
    ("hvp", lambda x: older.hvp(cubes, x, torch.ones(2, dtype=x.dtype), create_graph=True)[1]),  # type: ignore[no-untyped-call]
    ("vjp", lambda x: older.vjp(squares, x, torch.ones(2, dtype=x.dtype), create_graph=True)[1]),  # type: ignore[no-untyped-call]
]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own forward mode still uses it
@pytest.mark.parametrize(("op", "function"), TRANSFORMS, ids=[f"{i}-{case[0]}" for i, case in enumerate(TRANSFORMS)])
def test_a_transform_of_a_function_is_one_call_by_its_name(op: str, function: Callable[[Tensor], Any]) -> None:
    graph = gad.trace(function, leaf(1, 2))
    assert operations(graph) == [op]
    assert tails(graph, graph.outputs[0].key)[0] == "x"
    assert graph.detail is not None
    assert len(operations(graph.detail)) > 2
    assert wrong_sums(graph) == wrong_sums(graph.detail) == []
    x = leaf(1, 2)
    expected = torch.autograd.grad(function(x).sum(), x)[0]
    np.testing.assert_allclose(node_called(graph, "x")["grad"].array, expected.numpy(), rtol=1e-12, atol=1e-15)


def test_a_transform_by_the_name_of_another_is_what_it_is() -> None:
    hessian, jacrev = torch.func.jacfwd, torch.func.hessian
    assert operations(gad.trace(lambda x: hessian(squares)(x), leaf(1, 2))) == ["jacfwd"]
    assert operations(gad.trace(lambda x: jacrev(cubes)(x), leaf(1, 2))) == ["hessian"]


def test_a_transform_reads_what_its_function_takes_from_around_it() -> None:
    w = leaf(3, 4)
    graph = gad.trace(lambda x: torch.func.grad(lambda z: (z * w).sum())(x) + x, leaf(1, 2))
    assert "w" in tails(graph, operation(graph, "grad").key)
    assert_sound(graph)


def test_the_same_transform_called_again_is_another_node() -> None:
    slope = torch.func.grad(cubes)

    def function(x: Tensor) -> Tensor:
        for _ in range(3):
            x = slope(x)
        return x

    graph = gad.trace(function, leaf(0.5, 1))
    assert operations(graph) == ["grad"] * 3
    assert_sound(graph, 1e-9)


def test_a_function_with_a_loop_inside_a_transform_is_still_one_call() -> None:
    def looped(x: Tensor) -> Tensor:
        for _ in range(4):
            x = x * x + 1
        return x.sum()

    assert operations(gad.trace(lambda x: torch.func.grad(looped)(x), leaf(0.1, 0.2))) == ["grad"]


def test_the_pieces_of_a_transform_have_the_lines_of_the_users_function() -> None:
    detail = gad.trace(lambda x: torch.func.grad(wave)(x[0]), leaf(1, 2)).detail
    assert detail is not None
    line = wave.__code__.co_firstlineno + 1
    assert operation(detail, "sin").source == f"test_call_names.py:{line}"


def test_what_vmap_maps_is_drawn_as_it_is_written() -> None:
    assert operations(gad.trace(lambda x: torch.func.vmap(wave)(x), leaf(1, 2))) == ["sin", "mul"]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_of_several_results_of_a_call_none_takes_the_name_of_another() -> None:
    def function(x: Tensor) -> Tensor:
        out, tangent = torch.func.jvp(torch.sin, (x,), (torch.ones(2, dtype=x.dtype),))
        return tangent.sum() + 0 * len(out)

    assert operation(gad.trace(function, leaf(1, 2)), "jvp").name in ("tangent", None)


# --- functions that torch knows by no name


@torch.library.custom_op("call_names::scale", mutates_args=())
def scale(x: Tensor, factor: float) -> Tensor:
    return x * factor


scale.register_autograd(lambda ctx, g: (g * 3, None))


@torch.library.custom_op("call_names::both", mutates_args=())
def both(x: Tensor) -> tuple[Tensor, Tensor]:
    return x * 2, x * 3


both.register_autograd(lambda ctx, g, h: g * 2 + h * 3)


@pytest.mark.parametrize(
    "function", [lambda x: scale(x, 3.0), lambda x: torch.ops.call_names.scale(x, 3.0)], ids=["function", "torch.ops"]
)
def test_a_custom_operator_has_its_own_name(function: Any) -> None:
    graph = gad.trace(function, leaf(1, 2))
    assert operations(graph) == ["call_names::scale"]
    assert tails(graph, graph.outputs[0].key) == ["x"]
    assert node_called(graph, "x")["grad"].array.tolist() == [3, 3]


def test_a_custom_operator_names_its_results() -> None:
    def function(x: Tensor) -> Tensor:
        a, b = both(x)
        return a * b

    node = operation(gad.trace(function, leaf(1, 2)), "call_names::both")
    assert [port.name for port in node.ports] == ["a", "b"]


@torch.library.custom_op("call_names::mul", mutates_args=())
def not_a_product(x: Tensor) -> Tensor:
    return x + 100


def test_an_operator_of_another_namespace_is_not_taken_for_torchs() -> None:
    graph = gad.trace(lambda x: not_a_product(x.detach()) * x, leaf(1, 2))
    assert operations(graph)[1:] == ["call_names::mul", "mul"]


def scripted() -> Any:
    @torch.jit.script
    def hidden(x):  # type: ignore[no-untyped-def]
        return torch.sin(x) * x + 2

    return hidden


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_scripted_function_has_its_own_name_whatever_it_is_called_by() -> None:
    compiled_wave = scripted()

    def function(x: Tensor) -> Tensor:
        y = compiled_wave(x)
        return y.sum()

    for _ in range(3):  # from the second run on, it is optimised
        graph = gad.trace(function, leaf(1, 2))
        assert operations(graph) == ["hidden", "sum"]
        assert tails(graph, operation(graph, "hidden").key) == ["x"]
        assert wrong_sums(graph) == []
        assert operation(graph, "hidden").name == "y"


def test_a_function_of_torchs_own_python_code_has_its_name() -> None:
    normal = torch.distributions.Normal(torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
    graph = gad.trace(lambda x: normal.log_prob(x).sum(), leaf(1, 2))
    assert operations(graph) == ["log_prob", "sum"]
    assert "x" in {graph.nodes[edge.tail].name for edge in graph.in_edges(operation(graph, "log_prob").key)}


@pytest.mark.parametrize(
    ("op", "function"),
    [
        ("mm", lambda m, x: torch.sparse.mm(m, x)),
        ("addmm", lambda m, x: torch.sparse.addmm(x, m, x)),
        ("matmul", lambda m, x: m @ x),
    ],
)
def test_sparse_functions_have_their_names(op: str, function: Any) -> None:
    eye = torch.eye(2, dtype=torch.float64).to_sparse()
    graph = gad.trace(lambda x: function(eye, x), randoms(2, 2))
    assert operations(graph) == [op]
    assert [name for name in tails(graph, graph.outputs[0].key) if name not in ("eye", "x")] == []


# --- writing


def one_element(x: Tensor) -> Tensor:
    y = x.clone()
    y[0] = 5.0
    return y * 2


def one_slice(x: Tensor) -> Tensor:
    y = x * 1
    y[1:] = x[:2]
    return y * 2


def by_mask(x: Tensor) -> Tensor:
    y = x * 1
    y[y > 1] = 0.0
    return y * 2


def by_index(x: Tensor) -> Tensor:
    y = x * 1
    i = torch.tensor([0, 2])
    y[i] = x[1:]
    return y * 2


def into_data(x: Tensor) -> Tensor:
    y = torch.zeros(3, dtype=x.dtype)
    y[0] = x[1]
    return y * 2


def through_an_element(x: Tensor) -> Tensor:
    y = x * 1
    y[0].mul_(2)
    return y * 2


def through_a_view(x: Tensor) -> Tensor:
    y = x * 1
    v = y.view(3, 1)
    v.add_(x[:, None], alpha=3)
    return y * 2


def all_of_it(x: Tensor) -> Tensor:
    y = x * 1
    y.mul_(2)
    return y * 2


WRITES: list[tuple[Callable[[Tensor], Tensor], str, list[str], str]] = [
    (one_element, "setitem", ["y", "5.0"], "y₀[0] ← 5"),
    (one_slice, "setitem", ["y", "getitem"], "y₀[1:] ← v₁"),
    (by_mask, "setitem", ["y", "gt", "0.0"], "y₀[v₁] ← 0"),
    (by_index, "setitem", ["y", "i", "getitem"], "y₀[i] ← v₁"),
    (into_data, "setitem", ["y", "getitem"], "y₀[0] ← v₁"),
    (through_an_element, "mul_", ["getitem", "2", "y"], "v₁ × 2 in place"),
    (through_a_view, "add_", ["v", "getitem", "y"], "add(v, v₁, alpha=3) in place"),
    (all_of_it, "mul_", ["y", "2"], "y₀ × 2"),
]


@pytest.mark.parametrize(("function", "op", "operands", "formula"), WRITES, ids=[case[0].__name__ for case in WRITES])
def test_a_write_makes_a_new_value_of_the_variable(function: Any, op: str, operands: list[str], formula: str) -> None:
    graph = gad.trace(function, leaf(1, 2, 3))
    node = operation(graph, op)
    assert (node.name, tails(graph, node.key)) == ("y", operands)
    assert words_of_graph(graph).nodes[node.key].formula == formula
    assert_sound(graph)
    assert node.value is not None
    assert node.value.array is not None
    np.testing.assert_array_equal(node.value.array * 2, function(leaf(1, 2, 3)).detach().numpy())
    assert numbers_are_data(graph, node)


def numbers_are_data(graph: Graph, node: Node) -> bool:
    found = [graph.nodes[edge.tail] for edge in graph.in_edges(node.key)]
    return all(tail.kind == "data" and tail.cut == "data" for tail in found if tail.op is None and tail.name is None)


def test_a_tensor_that_is_written_to_twice_has_three_values() -> None:
    def function(x: Tensor) -> Tensor:
        y = torch.zeros(2, dtype=x.dtype)
        y[0] = x[1]
        y[1] = 2 * x[0]
        return y.sum()

    graph = gad.trace(function, leaf(1, 2))
    assert [node.name for node in graph.node_list if node.name == "y"] == ["y"] * 3
    assert [tails(graph, node.key) for node in graph.node_list if node.op == "setitem"] == [
        ["y", "getitem"],
        ["y", "mul"],
    ]
    assert_sound(graph)


def test_a_module_call_that_runs_elsewhere_keeps_its_name() -> None:
    layer = nn.Linear(2, 2).double()
    assert operations(gad.trace(lambda x: nn.functional.relu_(layer(x)), randoms(1, 2))) in (
        ["linear", "relu_"],
        ["linear", "relu"],
    )
