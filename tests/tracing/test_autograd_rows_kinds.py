"""Kinds of tensors, kinds of cuts, models too big for memory: told as torch has them, and unknown where torch cannot
tell.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from autograd_rows import guesses, numbers, only, operands
from needed_tools import needs_package
from programs import assert_sound, leaf, node_called, operations, randoms
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.tracing.capture import Capture

# --- what autograd does not record


def measured(x: Tensor) -> Tensor:
    i = x.argmax()
    count = (x > 1).sum()
    return x[i] * count


def through_data_written(x: Tensor) -> Tensor:
    y = x * 2
    y.data.mul_(5)
    return y * x


def regions(x: Tensor) -> Tensor:
    with torch.no_grad():
        a = x * 2
    with torch.inference_mode():
        b = x * 3
    return x * a * b.clone()


CUTS: list[Any] = [
    (measured, {"argmax": "non-differentiable", "gt": "non-differentiable"}),
    (regions, {"a": "no_grad", "b": "inference"}),
    (through_data_written, {"data": "data", "mul_": "data"}),
    (lambda x: x * float(x.detach().numpy().sum()), {"detach": "detach"}),
    (lambda x: x * torch.arange(2), {"arange": "data"}),
]


@pytest.mark.parametrize(("function", "cuts"), CUTS)
def test_why_a_gradient_is_none_stands_at_the_node(function: Any, cuts: dict[str, str]) -> None:
    x = leaf(1, 2)
    graph = gad.trace(function, x)
    found = {label: node.cut for node in graph.node_list for label in (node.name, node.op) if label and node.cut}
    assert {label: found.get(label) for label in cuts} == cuts
    assert all(node.cut for node in graph.node_list if node.grad is None and node.value is not None)
    expected = torch.autograd.grad(function(x).sum(), x)[0]
    np.testing.assert_array_equal(node_called(graph, "x")["grad"].array, expected.numpy())


def test_a_write_through_data_is_seen_by_the_tensor() -> None:
    graph = gad.trace(through_data_written, leaf(1, 2))
    product = graph.outputs[0]
    y, _, written = [graph.nodes[edge.tail] for edge in graph.in_edges(product.key)]
    assert [numbers(y.value), numbers(written.value), numbers(product.value)] == [[2, 4], [10, 20], [10, 40]]
    assert [edge.cut for edge in graph.in_edges(product.key)] == [None, None, "detach"]


def test_frozen_parameters_are_data_and_the_rest_is_not() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).double()
    network[0].requires_grad_(False)
    graph = gad.trace(network, torch.ones(1, 2, dtype=torch.float64))
    assert {node.name: node.kind for node in graph.node_list if node.name} == {
        "input": "data", "0.weight": "data", "0.bias": "data", "1.weight": "leaf", "1.bias": "leaf",
    }  # fmt: skip
    assert operations(graph) == ["linear", "linear"]


# --- kinds of tensors

KINDS: list[Any] = [
    ("complex", lambda x: (x * x.conj()).real.sum(), torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128)),
    ("bfloat16", lambda x: (x * x).sum(), torch.tensor([1.5, 2], dtype=torch.bfloat16)),
    ("float16", lambda x: (x * x).sum(), torch.tensor([1.5, 2], dtype=torch.float16)),
    ("float8 in between", lambda x: (x.to(torch.float8_e4m3fn).float() * x).sum(), torch.tensor([1.5, 2])),
    ("empty", lambda x: (x * x).sum(), torch.ones(0, 3)),
    ("without dimensions", lambda x: x * x, torch.tensor(3.0)),
    ("infinite", lambda x: (1 / x).sum(), torch.tensor([0.0, torch.inf, torch.nan])),
    (
        "quantised",
        lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127).sum(),
        torch.tensor([1.0, 2.0]),
    ),
    ("sparse", lambda x: torch.sparse.mm(torch.eye(2).to_sparse(), x).sum(), torch.ones(2, 2)),
]


@pytest.mark.parametrize(("name", "function", "x"), KINDS, ids=[case[0] for case in KINDS])
def test_a_kind_of_tensor_keeps_its_dtype_and_its_gradient(name: str, function: Any, x: Tensor) -> None:
    x = x.clone().requires_grad_()
    graph = gad.trace(function, x)
    expected = torch.autograd.grad(function(x), x)[0]
    found = node_called(graph, "x")
    assert found["dtype"] == str(x.dtype).removeprefix("torch.")
    wide = expected.float() if expected.dtype == torch.bfloat16 else expected.resolve_conj()
    np.testing.assert_array_equal(found["grad"].array, wide.numpy())
    assert graph.outputs
    assert graph.to_svg(layout="layered")


def test_a_conjugate_is_one_certain_operand() -> None:
    graph = gad.trace(
        lambda x: (x * x.conj()).real.sum(), torch.tensor([1 + 2j], dtype=torch.complex128, requires_grad=True)
    )
    assert guesses(graph) == []
    assert operands(graph, only(graph, "mul")) == [("x", 0, None), ("conj", 0, None)]


def test_a_sparse_gradient_says_that_it_is_sparse() -> None:
    embedding = nn.Embedding(4, 2, sparse=True)
    graph = gad.trace(lambda i: embedding(i).sum(), torch.tensor([1, 1, 3]))
    grad = node_called(graph, "embedding.weight")["grad"]
    assert (grad.known, grad.missing, grad.shape) == (False, "sparse_coo", (4, 2))


def test_a_sparse_product_is_called_as_written() -> None:
    eye = torch.eye(2).to_sparse()
    graph = gad.trace(lambda x: torch.sparse.mm(eye, x), torch.ones(2, 2, requires_grad=True))
    assert operations(graph) == ["mm"]
    assert [name for name, _, _ in operands(graph, graph.outputs[0])] == ["eye", "x"]


@pytest.mark.filterwarnings("ignore")  # torch announces that quantised tensors will go
def test_a_quantised_tensor_is_data_without_elements() -> None:
    graph = gad.trace(quantised, torch.tensor([1.0, 2.0], requires_grad=True))
    node = only(graph, "quantize_per_tensor")
    assert (node.cut, node.value.missing if node.value else None) == ("data", "quantised")


def quantised(x: Tensor) -> Tensor:
    t = torch.quantize_per_tensor(x.detach(), 0.1, 0, torch.qint8)
    return t.dequantize() * x


def test_a_jagged_tensor_has_structure_and_no_invented_values() -> None:
    x = torch.nested.nested_tensor([torch.ones(2, 2), torch.ones(3, 2)], layout=torch.jagged, requires_grad=True)
    graph = gad.trace(lambda x: (x * 2).values().sum(), x)
    assert operations(graph) == ["mul", "values", "sum"]
    assert node_called(graph, "x")["value"].known is False
    assert graph.outputs[0].value is not None
    assert graph.outputs[0].value.item() == 20


class Meters(Tensor):
    pass


def test_a_subclass_is_traced_like_a_tensor() -> None:
    x = torch.ones(2).as_subclass(Meters).requires_grad_()
    graph = gad.trace(lambda x: (x * 2).sum(), x)
    assert_sound(graph)
    assert numbers(node_called(graph, "x")["grad"]) == [2, 2]


def test_autocast_shows_the_dtypes_that_it_chose() -> None:
    x, w = randoms(1, 2, dtype=torch.float32), randoms(2, 2, seed=1, dtype=torch.float32)

    def function(x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = functional.linear(x, w)
        return y.float().sum()

    graph = gad.trace(function, x, w)
    assert operations(graph) == ["linear", "float", "sum"]
    assert only(graph, "linear").ports[0].dtype == "bfloat16"
    assert graph.detail is not None
    assert [node.ports[0].dtype for node in graph.detail.node_list if node.op == "to"] == ["bfloat16", "bfloat16"]
    expected = torch.autograd.grad(function(x, w), w)[0]
    np.testing.assert_array_equal(node_called(graph, "w")["grad"].array, expected.numpy())


@pytest.mark.parametrize("mode", ["meta", "fake"])
def test_without_storage_there_are_shapes_and_no_values(mode: str) -> None:
    if mode == "meta":
        graph = gad.trace(lambda x: (x @ x).sum(), torch.ones(2, 2, device="meta", requires_grad=True))
    else:
        with FakeTensorMode():
            graph = gad.trace(lambda x: (x @ x).sum(), torch.ones(2, 2, requires_grad=True))
    assert operations(graph) == ["matmul", "sum"]
    assert [node.ports[0].shape for node in graph.node_list] == [(2, 2), (2, 2), ()]
    assert not any(port.value.known for node in graph.node_list for port in node.ports if port.value is not None)
    assert graph.has_gradients
    assert node_called(graph, "x")["grad"].shape == (2, 2)


SEVEN_BILLION = """
import pathlib, re, resource, torch, graphviz_ad as gad
from torch._subclasses import FakeTensorMode
from transformers import LlamaConfig, LlamaForCausalLM
with FakeTensorMode(allow_non_fake_inputs=True):
    model = LlamaForCausalLM(LlamaConfig(use_cache=False))
    ids = torch.zeros(1, 128, dtype=torch.long)
    graph = gad.trace(lambda ids: model(input_ids=ids, labels=ids).loss, ids)
status = pathlib.Path("/proc/self/status")  # where there is one, it does not count what the process took that started this one
own = re.search(r"VmHWM:\\s*([0-9]+)", status.read_text()) if status.exists() else None
peak = int(own[1]) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(sum(p.numel() for p in model.parameters()) > 6.7e9, peak < 2 * 2**20)
leaves = [node for node in graph.node_list if node.kind == "leaf"]
print(len(leaves) == len(list(model.parameters())), all(leaf.grad is not None and leaf.grad.shape == leaf.ports[0].shape for leaf in leaves))
print(all(edge.match == "exact" for edge in graph.detail.edges), "model.model.layers.31.mlp.down_proj.weight" in {leaf.name for leaf in leaves})
"""  # noqa: E501


def test_seven_billion_parameters_fit_into_two_gigabytes() -> None:
    needs_package("transformers")
    done = subprocess.run(
        [sys.executable, "-c", SEVEN_BILLION], capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["True"] * 6), done.stderr[-500:]


# --- what is saved


def test_the_order_of_both_passes_is_known() -> None:
    graph = gad.trace(lambda x: (x.sin() * x.exp()).sum(), leaf(1, 2))
    assert operations(graph) == ["sin", "exp", "mul", "sum"]
    order = {node.op: node.backward_order for node in graph.node_list if node.kind == "op"}
    assert sorted(order.values()) == [0, 1, 2, 3]
    assert (order["sum"], order["mul"]) == (0, 1)


def test_what_is_saved_for_the_backward_pass_is_named() -> None:
    graph = gad.trace(lambda x: (x.sin() * x.exp()).sum(), leaf(1, 2))
    assert {node.op: node.saved for node in graph.node_list if node.kind == "op"} == {
        "sin": ("self",),
        "exp": ("result",),
        "mul": ("other", "self"),
        "sum": (),
    }


def test_bytes_saved_for_the_backward_pass_are_counted() -> None:
    graph = gad.trace(lambda x: (x.sin() * x.exp()).sum(), leaf(1, 2))
    found = {
        attributes["op"]: attributes.get("saved_bytes")
        for _, attributes in graph.nx.nodes(data=True)
        if attributes["kind"] == "op"
    }
    assert found == {"sin": 16, "exp": 16, "mul": 32, "sum": 0}


@pytest.mark.parametrize(("level", "known"), [("none", False), ("summary", False), ("full", True)])
def test_a_level_of_capture_keeps_what_it_says(level: str, known: bool) -> None:
    graph = gad.trace(
        lambda x: x.sin(), torch.ones(1000, requires_grad=True), capture=Capture(values=level, gradients="summary")
    )
    value = graph.outputs[0].value
    assert (value is not None and value.known) is known
    assert graph.outputs[0].ports[0].shape == (1000,)
    assert (value is None or value.stats is None) == (level != "summary")
    if level == "summary":
        assert value is not None
        assert (value.min, value.norm) == pytest.approx(
            (torch.sin(torch.ones(1)).item(), torch.sin(torch.ones(1000)).norm().item()), rel=1e-5
        )
