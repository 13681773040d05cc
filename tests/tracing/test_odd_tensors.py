"""Tensors that are no plain rectangle of plain numbers: their shapes, bytes and values, or what is said of them."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from programs import node_called
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GradOutputsError, GraphFormatError
from graphviz_ad._internal.graph.graph import Port
from graphviz_ad._internal.graph.graph_files import from_json
from graphviz_ad._internal.graph.ragged import numel_of_shape
from graphviz_ad._internal.tracing.tape.values import take

pytestmark = pytest.mark.filterwarnings(
    "ignore:The PyTorch API of nested tensors", "ignore:.*[Ss]parse", "ignore:.*quantize", "ignore:Named"
)


def nested(layout: torch.layout, *lengths: int) -> Tensor:
    parts = [torch.arange(3.0 * n).reshape(n, 3) for n in lengths]
    return torch.nested.nested_tensor(parts, layout=layout, requires_grad=True)


# --- nested


@pytest.mark.parametrize("layout", [torch.jagged, torch.strided], ids=str)
def test_a_nested_tensor_has_its_shape_and_the_bytes_of_its_values(layout: torch.layout) -> None:
    ragged = nested(layout, 2, 3)
    graph = gad.trace(lambda x: torch.nested.to_padded_tensor(x * 2, 0.0).sum(), ragged)
    x = graph.find("x").ports[0]
    assert (str(x.shape), x.bytes, str(x.grad.shape), x.grad.numel) == ("(2, j, 3)", 60, "(2, j, 3)", 15)
    assert graph.memory.leaves == 60
    assert "f32[2,j,3]" in graph.to_svg()
    assert graph.nx.nodes["n0"]["shape"] == x.shape


def test_several_ragged_lengths_have_a_letter_each() -> None:
    x = torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 5)], requires_grad=True)
    shape = gad.trace(lambda x: torch.nested.to_padded_tensor(x * 2, 0.0).sum(), x).find("x").ports[0].shape
    assert (str(shape), numel_of_shape(shape)) == ("(2, j, k)", 23)


def test_a_nested_tensor_whose_parts_are_alike_is_as_wide_as_they_are() -> None:
    shape = gad.trace(lambda x: x.values().sum(), nested(torch.jagged, 2, 2)).find("x").ports[0].shape
    assert (str(shape), numel_of_shape(shape)) == ("(2, j, 3)", 12)


def test_ragged_shapes_are_saved_and_copied() -> None:
    graph = gad.trace(lambda x: x.values().sum(), nested(torch.jagged, 2, 3))
    port = from_json(graph.to_json()).find("x").ports[0]
    assert (str(port.shape), port.bytes) == ("(2, j, 3)", 60)
    assert (str(port.grad.shape), port.grad.numel) == ("(2, j, 3)", 15)
    for again in (copy.deepcopy(port.shape), pickle.loads(pickle.dumps(port.shape))):
        assert (str(again), numel_of_shape(again)) == ("(2, j, 3)", 15)
    data = json.loads(graph.to_json())
    damaged = {
        r"nodes\[0\]\.ports\[0\]\.ragged\.places": {"places": [1, 1], "elements": 15},
        r"nodes\[0\]\.ports\[0\]\.ragged\.places: \[3\] are no places": {"places": [3], "elements": 15},
        r"nodes\[0\]\.ports\[0\]\.ragged": {"places": [1]},
    }
    for place, record in damaged.items():
        data["nodes"][0]["ports"][0]["ragged"] = record
        with pytest.raises(GraphFormatError, match=place):
            from_json(json.dumps(data))


def test_an_upstream_gradient_of_a_nested_output_has_its_shape() -> None:
    x = nested(torch.jagged, 2, 3)
    graph = gad.trace(lambda x: x * 2, x, grad_outputs=torch.ones_like(x.detach()) * 3)
    assert graph.check().ok is None
    with pytest.raises(GradOutputsError, match=r"has shape \(5, 3\), but output 0 has shape \(2, j, 3\)"):
        gad.trace(lambda x: x * 2, x, grad_outputs=torch.ones(5, 3))


# --- dtypes

EIGHT_BITS = sorted(name for name in dir(torch) if name.startswith("float8_"))


def expected(name: str, byte: int) -> float:
    """What a byte is as a floating-point number, by the definition of the format."""
    if name == "float8_e8m0fnu":
        return np.nan if byte == 255 else 2.0 ** (byte - 127)
    exponents, fraction_bits = int(name[8]), int(name[10])
    sign, exponent, fraction = byte >> 7, (byte >> fraction_bits) & (2**exponents - 1), byte & (2**fraction_bits - 1)
    bias = 2 ** (exponents - 1) - (0 if name.endswith("uz") else 1)
    if name.endswith("uz") and byte == 128:
        return np.nan
    if name == "float8_e4m3fn" and byte & 127 == 127:
        return np.nan
    if name == "float8_e5m2" and exponent == 31:
        return np.nan if fraction else (-np.inf if sign else np.inf)
    size = (fraction / 2**fraction_bits + (exponent > 0)) * 2.0 ** (max(exponent, 1) - bias)
    return -size if sign else size


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_every_float_of_eight_bits_is_read(name: str) -> None:
    dtype = getattr(torch, name)
    tensor = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(dtype)
    snap = take(tensor, "full", 256)
    assert snap is not None
    np.testing.assert_array_equal(snap.array, np.array([expected(name, byte) for byte in range(256)], np.float32))
    summary, single = take(tensor, "summary", 4), take(tensor[:1], "summary", 4)
    assert summary is not None
    assert single is not None
    assert (summary.stats is not None, single.item()) == (True, expected(name, 0))
    assert Port((256,), snap.dtype).bytes == 256


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.uint64], ids=str)
def test_large_tensors_of_unsigned_numbers_are_summarised(dtype: torch.dtype) -> None:
    snap = take(torch.arange(300, dtype=torch.int64).to(dtype), "summary", 256)
    assert snap is not None
    assert (snap.min, snap.max, snap.mean) == (0, 299, 149.5)


BYTES = {
    "bool": 1, "int8": 1, "uint16": 2, "bfloat16": 2, "complex32": 4, "complex128": 16, "float8_e5m2": 1, "int4": 1,
    "uint1": 1, "bits16": 2, "bits8": 1, "float4_e2m1fn_x2": 1, "quint8": 1, "qint32": 4, "quint4x2": None,
    "quint2x4": None, "int": None, "float": None,
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_a_port_takes_as_many_bytes_as_torch_says(name: str) -> None:
    found = Port((3,), name).bytes
    assert found == (None if BYTES[name] is None else 3 * BYTES[name])
    dtype = getattr(torch, name, None)
    if found is not None and isinstance(dtype, torch.dtype):
        assert found == 3 * dtype.itemsize


# --- what else a tensor may be


def quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 0, torch.qint8)


ODD: dict[str, tuple[Any, str]] = {
    "quantised": (quantised, "quantised"),
    "sparse": (lambda: torch.eye(2).to_sparse(), "sparse_coo"),
    "compressed": (lambda: torch.eye(2).to_sparse_csr(), "sparse_csr"),
    "meta": (lambda: torch.ones(2, device="meta"), "meta tensor"),
    "of four bits": (lambda: torch.zeros(2, dtype=torch.uint8).view(torch.uint4), "unreadable"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_read_is_there_and_said(name: str) -> None:
    make, why = ODD[name]
    graph = gad.trace(lambda w, odd: (w * 2, odd)[0], torch.ones(2, requires_grad=True), make())
    node = node_called(graph, "odd")
    assert (node["kind"], why in (node["value"].missing or "")) == ("data", True)
    assert graph.plot().to_svg()


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.tensor([1 + 2j, 3 - 1j]).conj(),
        lambda: torch.tensor([1 + 2j, 3 - 1j]).imag,
        lambda: torch.ones(1).expand(2),
        lambda: torch.empty(0, 3),
        lambda: torch.nn.Parameter(torch.ones(2)),
        lambda: torch.ones(2).to_mkldnn(),
    ],
    ids=["conjugate", "negative", "expanded", "empty", "parameter", "mkldnn"],
)
def test_odd_views_and_layouts_pass_through(make: Any) -> None:
    odd = make()
    graph = gad.trace(lambda w, odd: (w * 2, odd), torch.ones(2, requires_grad=True), odd)
    assert node_called(graph, "w")["grad"].array.tolist() == [2, 2]
    assert node_called(graph, "odd")["shape"] == tuple(odd.shape)
