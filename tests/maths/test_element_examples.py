"""Which elements go where: copies and what they bring back, rows that were taken, and masks, against torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.maths.claims import with_operands
from graphviz_ad._internal.maths.detail_levels import at_detail
from graphviz_ad._internal.maths.element_examples import (
    EXAMPLE,
    GRADIENT,
    VALUE,
    WINNER,
    Copied,
    Marked,
    Moves,
    RowsAdded,
    Summed,
    Won,
    moves_of_graph,
)
from graphviz_ad._internal.maths.masked_elements import masked_elements
from graphviz_ad._internal.maths.rows_taken import taken_by


def numbers(*shape: int, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=made, dtype=torch.float64).requires_grad_()


def node_of(graph: Graph, op: str) -> Any:
    (node,) = [node for node in graph.node_list if node.op == op]
    return node


def places(moves: Moves, name: str, of: str, graph: Graph, kind: str = EXAMPLE) -> list[int]:
    key = graph.find(name).key
    return [
        place
        for mark in moves.marks
        if mark.result == (key, 0) and mark.of == of and mark.kind == kind
        for place in mark.places
    ]


# --- copies


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=3), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_what_comes_back_to_a_copied_element_is_the_sum_at_its_copies(sides: Any, minus: bool, seed: int) -> None:
    whole = tuple(n for n, _ in sides)
    own = tuple(n if kept else 1 for n, kept in sides)
    a, b, weights = numbers(*whole, seed=seed), numbers(*own, seed=seed + 1), numbers(*whole, seed=seed + 2).detach()

    def program(a: Tensor, b: Tensor) -> Tensor:
        c = a - b if minus else a + b
        return (c * weights).sum()

    graph = gad.trace(program, a, b)
    moves = moves_of_graph(graph)
    told = [example.told for example in moves.examples if isinstance(example.told, Copied)]
    assert len(told) == (own != whole)
    for each in told:
        program(a, b).backward()  # type: ignore[no-untyped-call]
        assert b.grad is not None
        assert each.total == b.grad[each.place].item()
        assert (-1 if minus else 1) * sum(each.terms) == pytest.approx(each.total)
        numbered = torch.arange(b.numel()).reshape(own).expand(whole).reshape(-1)
        (at,) = places(moves, "b", GRADIENT, graph)
        assert at == int(np.ravel_multi_index(each.place, own))
        assert places(moves, "c", GRADIENT, graph) == torch.nonzero(numbered == at).reshape(-1).tolist()
        assert sorted(each.terms) == sorted(weights.reshape(-1)[numbered == at].tolist())


@pytest.mark.parametrize("layer", ["linear", "conv2d"])
def test_a_bias_is_the_sum_of_all_places_to_which_it_was_added(layer: str) -> None:
    def linear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y = functional.linear(x, w, b)
        return (y * y).sum()

    def conv2d(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        y = functional.conv2d(x, w, b)
        return (y * y).sum()

    program, args = {
        "linear": (linear, (numbers(4, 3), numbers(2, 3), numbers(2))),
        "conv2d": (conv2d, (numbers(2, 1, 3, 3), numbers(2, 1, 2, 2), numbers(2))),
    }[layer]
    graph = gad.trace(program, *args)
    told = next(example.told for example in moves_of_graph(graph).examples if isinstance(example.told, Copied))
    grad = graph.find("y").grad
    assert grad is not None
    assert grad.array is not None
    assert told.terms == tuple(grad.array[:, told.place[0]].reshape(-1).tolist())


# --- rows


@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.lists(st.integers(0, 4), min_size=1, max_size=5),
    st.integers(0, 2),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_rows_that_were_taken_get_their_gradients_added_up(
    n: int, wide: int, which: list[int], way: int, seed: int
) -> None:
    table, index = numbers(n, wide, seed=seed), torch.tensor(which) % n
    weights = numbers(len(which), wide, seed=seed + 1).detach()

    def program(table: Tensor, index: Tensor) -> Tensor:
        rows = (functional.embedding(index, table), table[index - n], table.index_select(0, index))[way]
        return (rows * weights).sum()

    graph = gad.trace(program, table, index)
    (example,) = [each.told for each in moves_of_graph(graph).examples if isinstance(each.told, RowsAdded)]
    program(table, index).backward()  # type: ignore[no-untyped-call]
    assert table.grad is not None
    assert example.total == pytest.approx(table.grad[example.row].tolist())
    assert list(example.rows) == torch.nonzero(index == example.row).reshape(-1).tolist()
    assert len(example.rows) == max(map(index.tolist().count, index.tolist()))
    assert np.sum(example.terms, axis=0) == pytest.approx(table.grad[example.row].numpy())
    taken = next(found for node in graph.node_list if (found := taken_by(with_operands(graph, node))) and found.rows)
    assert taken.places.tolist() == torch.arange(n * wide).reshape(n, wide)[index].tolist()


@pytest.mark.parametrize("take", [lambda x: x[1], lambda x: x[1:3], lambda x: x[:, 1], lambda x: x[..., ::2]])
def test_a_part_is_where_torch_takes_it(take: Any) -> None:
    x = numbers(4, 3)
    graph = gad.trace(lambda x: take(x).sum(), x)
    moves = moves_of_graph(graph)
    wanted = take(torch.arange(12).reshape(4, 3)).reshape(-1).tolist()
    assert places(moves, "x", GRADIENT, graph, "window") in (wanted, [])
    if len(node_of(graph, "getitem").autograd) == 1:
        assert places(moves, "x", VALUE, graph, "window") == wanted


def test_columns_picked_by_index_are_not_told_as_rows() -> None:
    index = torch.tensor([2, 0, 0])
    graph = gad.trace(lambda x, i: (x[:, i] ** 2).sum(), numbers(3, 3), index)
    assert taken_by(with_operands(graph, node_of(graph, "getitem"))) is None
    alike = torch.ones(3, 3, dtype=torch.float64).requires_grad_()
    graph = gad.trace(lambda x, i: (x[i] ** 2).sum(), alike, index)
    assert taken_by(with_operands(graph, node_of(graph, "getitem"))) is None  # numbers do not tell which it was


# --- masks


MINUS = float("-inf")
SQUARE = torch.tensor([[1.0, 2, -3], [0, 4, 5], [6, -7, 0]], dtype=torch.float64)
UPPER = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
FLOATS = torch.zeros(3, 3, dtype=torch.float64).masked_fill(UPPER, MINUS)


@pytest.mark.parametrize(
    ("program", "op", "where"),
    [
        (lambda x: x.masked_fill(UPPER, MINUS).exp().sum(), "masked_fill", UPPER),
        (lambda x: x.masked_fill(UPPER, 0.0).sum(), "masked_fill", UPPER),
        (lambda x: torch.tril(x).sum(), "tril", UPPER),
        (lambda x: torch.triu(x, 1).sum(), "triu", ~UPPER),
        (lambda x: torch.where(UPPER, 0.0, x).sum(), "where", UPPER),
        (lambda x: torch.softmax(x.masked_fill(UPPER, MINUS), -1).sum(), "softmax", UPPER),
        (lambda x: torch.softmax((x + FLOATS) / 2, -1).sum(), "softmax", UPPER),
        (lambda x: (x + FLOATS).exp().sum(), "add", UPPER),
        (lambda x: torch.log(x * 0).sum(), "log", None),  # −∞ that came up
        (lambda x: torch.relu(x).sum(), "relu", None),  # 0 that was computed
        (lambda x: torch.where(x > 0, x, -x).sum(), "where", None),  # no number
        (lambda x: torch.softmax(x * 1000, -1).sum(), "softmax", None),  # 0 by rounding
    ],
)
def test_what_a_mask_took_out_and_nothing_else(program: Any, op: str, where: Tensor | None) -> None:
    graph = gad.trace(program, SQUARE.clone().requires_grad_())
    found = masked_elements(graph).get(node_of(graph, op).key)
    assert (found.tolist() if found is not None else None) == (where.tolist() if where is not None else None)


def test_a_dropout_says_what_it_dropped() -> None:
    torch.manual_seed(0)
    graph = gad.trace(lambda x: functional.dropout(x, 0.5).sum(), SQUARE.clone().requires_grad_())
    node = node_of(graph, "dropout")
    assert masked_elements(graph)[node.key].tolist() == ((node.value.array == 0) & (SQUARE.numpy() != 0)).tolist()


# --- inside of lines


def pooled(img: Tensor, k: Tensor) -> Tensor:
    y = functional.conv2d(img[None, None], k[None, None])
    p = functional.max_pool2d(y, 2)
    return p.sum()


def test_what_happens_inside_of_a_line_is_seen_on_its_operands() -> None:
    img, k = numbers(5, 5), numbers(2, 2, seed=1)
    lines = at_detail(gad.trace(pooled, img, k), "line")
    assert {node.kind for node in lines.node_list} == {"leaf", "line", "op"}
    moves = moves_of_graph(lines)
    told = {type(example.told): example.told for example in moves.examples}
    summed, won = told[Summed], told[Won]
    assert isinstance(summed, Summed)
    assert isinstance(won, Won)
    assert places(moves, "img", VALUE, lines) == [5 * y + x for _, _, y, x in summed.products.on]
    assert places(moves, "k", VALUE, lines) == [0, 1, 2, 3]
    y = functional.conv2d(img[None, None], k[None, None])
    indices = functional.max_pool2d(y, 2, return_indices=True)[1].reshape(-1).tolist()
    assert [places(moves, "y", of, lines, WINNER) for of in (VALUE, GRADIENT)] == [indices, indices]


def test_no_more_is_marked_than_can_be_told_apart() -> None:
    def network(x: Tensor, b: Tensor) -> Tensor:
        for _ in range(6):
            x = torch.tanh(x + b)
        return x.sum()

    moves = moves_of_graph(gad.trace(network, numbers(3, 2), numbers(2)))
    assert [example.number for example in moves.examples] == [0, 1, 2]
    assert {mark.number for mark in moves.marks} == {0, 1, 2}
    assert all(isinstance(mark, Marked) for mark in moves.marks)
