"""Functions of the user whose results nobody reads: what is known of them, and why no gradient arrives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from autograd_rows import numbers, only
from programs import assert_sound, leaf, operations
from random_programs import Choosy, Elsewhere, Same, Square, Swap
from torch import Tensor

import graphviz_ad as gad

FUNCTIONS: list[tuple[Any, list[Any]]] = [
    (lambda x: Square.apply(x), [[1, 4]]),
    (lambda x: Choosy.apply(x, x, 2.0), [[4, 8], 1]),
    (lambda x: Swap.apply(x, x), [[2, 4], [3, 6]]),
    (lambda x: Same.apply(x), [[1, 2]]),
    (lambda x: Elsewhere.apply(x), [torch.tensor([1.0, 2.0], dtype=torch.float64).sinh().tolist()]),
]


@pytest.mark.parametrize(("call", "results"), FUNCTIONS, ids=["Square", "Choosy", "Swap", "Same", "Elsewhere"])
def test_what_it_made_is_shown_and_leads_to_nothing(call: Any, results: list[Any]) -> None:
    def function(x: Tensor) -> Tensor:
        call(x)
        return x.sin()

    graph = gad.trace(function, leaf(1, 2))
    node = next(node for node in graph.node_list if node.kind == "op")
    assert (node.cut, node.requires_grad) == ("unreached", True)
    assert numbers(node.value) == pytest.approx(results[0])
    assert [notice for notice in graph.notices if notice.startswith(f"Nobody read what {node.op} returned")]
    assert graph.detail is not None
    fine = only(graph.detail, node.op or "")
    assert [numbers(port.value) for port in fine.ports] == [pytest.approx(result) for result in results]
    inside = [edge for edge in graph.detail.in_edges(fine.key) if edge.cut == "inner"]
    assert {edge.match for edge in inside} == {"guess"}
    assert_sound(graph)


def test_without_a_gradient_to_have_it_is_cut_for_that_reason() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.sin()
        with torch.no_grad():
            x.cos()
            Square.apply(x)
            x.cos()
        Swap.apply(x.detach(), y.detach())
        return y

    graph = gad.trace(function, leaf(1, 2))
    assert (only(graph, "Square").cut, only(graph, "Swap").cut) == ("no_grad", "data")


def test_a_function_that_is_read_under_no_grad_is_cut_for_that_reason() -> None:
    @torch.no_grad()
    def still(x: Tensor) -> Tensor:
        return Square.apply(x).cos()  # type: ignore[no-any-return]

    graph = gad.trace(lambda x: still(x) * x, leaf(1, 2))
    assert (only(graph, "Square").cut, only(graph, "cos").cut) == ("no_grad", "data")


def test_a_function_that_raised_inside_is_left_out_as_a_whole() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.exp() @ torch.ones(7, dtype=torch.float64)

    def function(x: Tensor) -> Tensor:
        with pytest.raises(RuntimeError):
            Wrong.apply(x)
        return x.sin()

    graph = gad.trace(function, leaf(1, 2))
    assert operations(graph) == ["sin"]
    assert_sound(graph)
