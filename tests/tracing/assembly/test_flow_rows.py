"""Gradients kept as plain numbers until a graph is made are those that flowed, in the dtype in which they did."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.assembly.flow_rows import Rows, alone
from graphviz_ad._internal.tracing.assembly.saved import NOTHING, UNKNOWN, Keeps, KeptByNodes, Saved

NUMBERS = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@settings(max_examples=10, derandomize=True, deadline=None, database=None)
@given(dtypes=st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4), by_number=st.booleans())
def test_a_gradient_has_the_dtype_and_the_number_that_flowed(dtypes: list[torch.dtype], by_number: bool) -> None:
    def program(x: Tensor) -> Tensor:
        y = x
        for dtype in dtypes:
            y = (y * 3.7 if by_number else y * y).to(dtype) + x.to(dtype).sin()
        return y

    x = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    graph = gad.trace(program, x)
    (wanted,) = torch.autograd.grad(program(x), x)
    (leaf,) = [node for node in graph.node_list if node.kind == "leaf"]
    grad = leaf.ports[0].grad
    assert grad is not None
    assert grad.item() == wanted.item()
    nodes = {node.key: node for node in graph.node_list}
    for edge in graph.edges:
        if edge.grad is not None:
            assert edge.grad.dtype == nodes[edge.tail].ports[edge.port].dtype
        if edge.local is not None:
            assert edge.local.dtype == nodes[edge.tail].ports[edge.port].dtype


@pytest.mark.parametrize("number", [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324])
def test_a_row_reads_as_what_was_kept(number: float) -> None:
    rows, snapshot = Rows(), Snapshot((2,), "float32", missing="summarised")
    rows.numbers.dtype = "float64"
    rows.kept.update({0: alone(number), 1: (number, None, snapshot), 2: alone(None), 3: alone(snapshot)})
    assert rows[0] == (Snapshot((), "float64", number),)
    assert rows[0][0] is rows[1][0]  # made once
    assert rows[1][1:] == (None, snapshot)
    assert (rows[2], rows[3]) == ((None,), (snapshot,))
    moved = rows.renumbered([5, 4, 3, 2])
    assert [moved[i] for i in (5, 4, 3, 2)] == [rows[i] for i in range(4)]


def test_a_flat_row_says_what_its_keeps_would() -> None:
    of_one = Saved("self", 8, 123, 16)
    whole = [Keeps((of_one,), False), NOTHING, UNKNOWN, Keeps((Saved("a", 4, 7, 4), Saved("b")), False)]
    kept = KeptByNodes([tuple(of_one), None, *whole[2:]])  # type: ignore[list-item]
    assert [*kept] == whole
    assert [kept.names_and_bytes(i) for i in range(4)] == [
        (tuple(tensor.name for tensor in each.tensors), each.bytes) for each in whole
    ]
    assert kept.not_to_be_asked() == {i for i, each in enumerate(whole) if not each.can_be_asked}
    assert kept.untold() == [2]
    assert kept.memory_besides({7}) == (16, False)
