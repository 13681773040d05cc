"""Autograd on top of autograd: checkpoints, gradients of gradients, torch.func, hooks of the user, compiled
functions.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from autograd_rows import numbers, only, operands, true_trace
from programs import leaf, node_called, operation, operations, wrong_sums
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad


def wave(x: Tensor) -> Tensor:
    return torch.sin(x) * x


# --- checkpoints


def test_a_checkpoint_is_drawn_as_what_it_computes() -> None:
    graph = true_trace(lambda x: checkpoint(wave, x * 1, use_reentrant=False) * 2, leaf(1, 2))
    assert operations(graph) == ["mul", "sin", "mul", "mul"]


def test_a_checkpoint_recomputes_as_often_as_without_us() -> None:
    runs = []

    def counted(x: Tensor) -> Tensor:
        runs.append(1)
        return wave(x)

    x = leaf(1, 2)
    torch.autograd.grad(checkpoint(counted, x, use_reentrant=False).sum(), x)
    plain, runs[:] = len(runs), []
    gad.trace(lambda x: checkpoint(counted, x, use_reentrant=False).sum(), x)
    assert len(runs) == plain
    done, runs[:] = checkpoint(counted, x, use_reentrant=False).sum(), []
    gad.trace(done)
    assert len(runs) == plain - 1


def unpacked(run: Callable[[Callable[[Tensor], Tensor], Tensor], Any]) -> int:
    """How often hooks of the user unpack a saved tensor."""
    count = []

    def function(x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved, lambda saved: (count.append(1), saved)[1]):
            return (x.sin() * x.exp()).sum()

    run(function, leaf(1, 2))
    return len(count)


def test_what_the_user_packs_is_unpacked_no_more_often_than_without_us() -> None:
    assert unpacked(gad.trace) == unpacked(lambda function, x: torch.autograd.grad(function(x), x))


def test_a_reentrant_checkpoint_in_one_that_is_not_reaches_the_leaves() -> None:
    def program(x: Tensor) -> Tensor:
        return checkpoint(lambda a: checkpoint(wave, a, use_reentrant=True), x, use_reentrant=False).sum()

    x = leaf(1, 2)
    (expected,) = torch.autograd.grad(wave(x).sum(), x)
    assert numbers(node_called(gad.trace(program, x), "x")["grad"]) == expected.tolist()
    with gad.record() as recorded:
        program(x).backward()
    assert expected.tolist() in [
        numbers(node.grad) for node in recorded.graph.node_list if node.kind == "leaf" and node.grad is not None
    ]


def test_a_reentrant_checkpoint_is_one_node() -> None:
    graph = gad.trace(lambda x: checkpoint(wave, x * 1, use_reentrant=True) * 2, leaf(1, 2))
    assert operations(graph) == ["mul", "CheckpointFunction", "mul"]


def test_a_reentrant_checkpoint_has_no_gradients_where_a_hook_of_the_user_would_run_on_them() -> None:
    x, called = leaf(1, 2), []
    x.register_post_accumulate_grad_hook(called.append)
    graph = gad.trace(lambda x: checkpoint(wave, x * 1, use_reentrant=True) * 2, x)
    assert (graph.has_gradients, called, x.grad) == (False, [], None)
    assert "use_reentrant" in " ".join(graph.notices)


def test_a_reentrant_checkpoint_has_torchs_gradients() -> None:
    x = leaf(1, 2)
    (checkpoint(wave, x * 1, use_reentrant=True) * 2).sum().backward()
    expected, x.grad = x.grad, None
    graph = gad.trace(lambda x: (checkpoint(wave, x * 1, use_reentrant=True) * 2).sum(), x)
    assert expected is not None
    assert numbers(node_called(graph, "x")["grad"]) == expected.tolist()
    assert x.grad is None


# --- gradients of gradients


def penalty(x: Tensor) -> Tensor:
    y = (x**3).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return (g**2).sum()


def test_the_gradient_of_a_gradient_goes_through_the_graph_of_the_gradient() -> None:
    graph = true_trace(penalty, leaf(1, 2))
    assert numbers(node_called(graph, "x")["grad"]) == [36, 288]
    assert numbers(operation(graph, "grad").value) == [3, 12]
    assert operation(graph, "grad").name == "g"
    assert [node.op for node in graph.node_list if node.cut == "unreached"] == ["pow", "sum"]


FUNC: list[Any] = [
    ("grad", lambda x: torch.func.grad(lambda z: (z**3).sum())(x), "grad"),
    ("grad of grad", lambda x: torch.func.grad(lambda z: torch.func.grad(lambda w: w**3)(z))(x[0]), "grad"),
    ("vmap", lambda x: torch.func.vmap(wave)(x), "mul"),
    ("vjp", lambda x: torch.func.vjp(torch.sin, x)[1](torch.ones_like(x))[0], "grad"),
    ("jvp", lambda x: torch.func.jvp(torch.sin, (x,), (torch.ones_like(x),))[1], "jvp"),
    ("jacrev", lambda x: torch.func.jacrev(lambda z: z**2)(x), "jacrev"),
    ("hessian", lambda x: torch.func.hessian(lambda z: (z**3).sum())(x), "hessian"),
]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own forward mode still uses it
@pytest.mark.parametrize(("name", "function", "op"), FUNC)
def test_a_transform_of_torch_func_has_torchs_numbers(name: str, function: Callable[[Tensor], Tensor], op: str) -> None:
    graph = gad.trace(function, leaf(1, 2))
    x = leaf(1, 2)
    expected = torch.autograd.grad(function(x).sum(), x)[0]
    np.testing.assert_array_equal(node_called(graph, "x")["grad"].array, expected.numpy())
    assert graph.detail is not None
    assert wrong_sums(graph) == wrong_sums(graph.detail) == []
    assert graph.outputs[0].op == op
    assert [edge for edge in graph.edges if edge.match != "exact"] == []


# --- hooks of the user


def hooked(x: Tensor) -> Tensor:
    y = x * 2
    y.register_hook(lambda grad: grad * 10)
    return y.sin().sum()


def test_a_hook_changes_what_flows_on_as_it_does_without_us() -> None:
    x = leaf(1, 2)
    expected = torch.autograd.grad(hooked(x), x)[0]
    assert numbers(node_called(gad.trace(hooked, x), "x")["grad"]) == expected.tolist()


@pytest.mark.parametrize("kind", ["tensor", "leaf", "node", "prehook"])
def test_a_hook_that_changes_a_gradient_is_shown(kind: str) -> None:
    def function(x: Tensor) -> Tensor:
        y = x * x
        if kind == "tensor":
            y.register_hook(lambda grad: grad * 10)
        elif kind == "leaf":
            x.register_hook(lambda grad: grad * 10)
        elif kind == "node":
            y.grad_fn.register_hook(lambda inputs, outputs: tuple(grad * 10 for grad in inputs))
        else:
            y.grad_fn.register_prehook(lambda outputs: tuple(grad * 10 for grad in outputs))
        return y.sum()

    x = leaf(1, 2)
    graph = gad.trace(function, x)
    assert numbers(node_called(graph, "x")["grad"]) == (x.detach() * 20).tolist()
    assert "hook" in " ".join(graph.notices).lower()
    assert not graph.check().ok  # the gradient of x is no longer the derivative, and the check says so


def test_a_hook_after_accumulation_runs_once_and_sees_the_users_gradient() -> None:
    x = leaf(1, 2)
    seen: list[list[float]] = []

    def clear(accumulated: Tensor) -> None:
        assert accumulated.grad is not None
        seen.append(accumulated.grad.tolist())
        accumulated.grad.mul_(0)

    x.register_post_accumulate_grad_hook(clear)
    gad.trace(lambda x: (x * x).sum(), x)
    assert (seen, x.grad) == ([], None)
    with gad.record() as recorded:
        (x * x).sum().backward()
    assert seen == [[2, 4]]
    assert [numbers(node.grad) for node in recorded.graph.node_list if node.kind == "leaf"] == [[2, 4]]


def test_a_full_backward_hook_of_a_module_runs_once_and_stands_in_the_graph() -> None:
    layer, seen = nn.Linear(2, 1).double(), []
    layer.register_full_backward_hook(lambda module, inputs, outputs: seen.append(outputs[0].tolist()))
    graph = gad.trace(lambda x: layer(x) * 3, leaf([1.0, 2.0]))
    assert seen == [[[3.0]]]
    assert operations(graph) == ["BackwardHookFunction", "linear", "BackwardHookFunction", "mul"]
    assert wrong_sums(graph) == []


# --- compiled functions

COMPILED = """
import sys, warnings, torch, graphviz_ad as gad
warnings.simplefilter("ignore")
x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
compiled = torch.compile(lambda x: torch.sin(x) * x, backend=sys.argv[1])
linear = torch.nn.Linear(2, 2).double()
name = lambda: type(compiled(x).grad_fn).__name__
before = name()
graph = gad.trace(lambda x: compiled(x) * 2, x)
print(before == name())
print(graph.find("x").grad.array.tolist() == torch.autograd.grad(compiled(x) * 2, x, torch.ones(2, dtype=x.dtype))[0].tolist())
print(all(port.value is not None and port.value.known for node in graph.node_list for port in node.ports))
print([node.op for node in gad.trace(linear, x.detach()[None]).node_list if node.kind == "op"] == ["linear"])
print([node.op for node in graph.node_list if node.kind == "op"] == ["CompiledFunction", "mul"])
print([node.op for node in gad.trace(compiled(x)).node_list if node.kind == "op"])
"""  # noqa: E501


def compiled(backend: str) -> list[str]:
    """Yes or no: the function is as compiled as before, gradients are right, values are known, later traces are as
    before, it is one box.
    """
    done = subprocess.run(
        [sys.executable, "-c", COMPILED, backend], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.splitlines()


def test_a_compiled_function_is_one_box_and_stays_compiled() -> None:
    assert compiled("aot_eager")[:5] == ["True"] * 5


def test_a_finished_result_of_a_compiled_function_is_one_node() -> None:
    function = torch.compile(wave, backend="aot_eager")
    x = leaf(1, 2)
    y = function(x)
    graph = gad.trace(y)
    assert operations(graph) == ["CompiledFunction"]
    node = only(graph, "CompiledFunction")
    assert [cut for _, _, cut in operands(graph, node)] == [None]
    assert numbers(graph.node_list[0].grad) == torch.autograd.grad(wave(x).sum(), x)[0].tolist()
