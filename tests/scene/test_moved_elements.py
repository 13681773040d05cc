"""Rings around the elements that belong together, and the examples that boxes tell."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.element_examples import EXAMPLE, MASKED, VALUE, Marked
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.grids import Face, grid_marks, grid_size
from graphviz_ad._internal.scene.scene import Grid, Scene
from graphviz_ad._internal.scene.words.moved_elements import rings_of
from graphviz_ad._internal.scene.words.tensor_grids import grid_of

IMAGE = [[1.0, 2, 0, 1, 3], [0, 1, 3, 2, 1], [2, 0, 1, 1, 0], [1, 3, 2, 0, 2], [0, 1, 1, 2, 1]]
SHAPES = st.one_of(
    st.tuples(st.integers(2, 16)),
    st.tuples(st.integers(1, 6), st.integers(2, 6)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 5)),
)


@given(SHAPES, st.data())
def test_rings_are_around_the_marked_elements_and_no_others(shape: tuple[int, ...], data: Any) -> None:
    count = int(np.prod(shape))
    places = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    grid = grid_of(Snapshot(shape, "float64", np.arange(count, dtype=float).reshape(shape)), "")
    assert grid is not None
    for kind in (EXAMPLE, MASKED):
        around = Counter(
            grid.rows[row][column]
            for ring in rings_of(Marked(("x", 0), VALUE, kind, tuple(sorted(places))), shape)
            for row in range(ring.row, ring.row + ring.rows)
            for column in range(ring.column, ring.column + ring.columns)
        )
        assert around == Counter(short_number(float(place)) for place in places)


@given(SHAPES, st.data())
def test_a_ring_is_drawn_where_its_numbers_are(shape: tuple[int, ...], data: Any) -> None:
    count = int(np.prod(shape))
    places = tuple(sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1))))
    plain = grid_of(Snapshot(shape, "float64", np.arange(count, dtype=float).reshape(shape)), "")
    assert plain is not None
    rings = tuple(rings_of(Marked(("x", 0), VALUE, EXAMPLE, places), shape))
    names = tuple("abcdefghij"[: len(plain.rows)])
    grid = Grid(plain.said, "", plain.rows, plain.shades, plain.gaps, rings=rings, row_names=names)
    marks = list(grid_marks(grid, (5.0, 7.0), grid_size(grid, bold=True)[0], Face("value", True, False), "", "value"))
    drawn = [mark for mark in marks if isinstance(mark, Rect) and mark.part.startswith("ring.")]
    inside = [
        mark.text
        for mark in marks
        if isinstance(mark, Label) and mark.part.startswith("cell.")
        if any(ring.x < mark.x < ring.x + ring.width and ring.y < mark.y < ring.y + ring.height for ring in drawn)
    ]
    assert sorted(inside) == sorted(short_number(float(place)) for place in places)
    assert [mark.text for mark in marks if isinstance(mark, Label) and mark.part == "line.name"] == list(names)


# --- in pictures


def f64(rows: Any) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def told(scene: Scene) -> dict[str, str]:
    """What each box tells as an example."""
    said = {
        box.name: [line.text for line in box.lines if line.role == "example"]
        for box in scene.boxes
        if box.kind != "copy"
    }
    return {name: " ".join(lines) for name, lines in said.items()}


def grids(scene: Scene, name: str) -> list[Grid]:
    return [line.grid for box in scene.boxes if box.name == name for line in box.lines if line.grid is not None]


def convolution(img: Tensor, k: Tensor) -> Tensor:
    y = functional.conv2d(img, k)
    p = functional.max_pool2d(y, 2)
    return p.sum()


def test_a_window_its_kernel_and_its_element_are_told_and_outlined() -> None:
    img, k = f64(IMAGE)[None, None].requires_grad_(), f64([[1, 0], [0, -1]])[None, None].requires_grad_()
    scene = gad.trace(convolution, img, k).plot(fit="slide").scene
    assert told(scene)["y"] == "▢ y[…,1,2] = 3·1 + 2·0 + 1·0 + 1·(−1) = 2"
    assert told(scene)["p"] == "◯ p[…,0,1] = max(−2, 0, 2, 2) = y[…,1,2]"
    outlined = [
        [(ring.row, ring.column, ring.rows, ring.columns) for ring in grid.rings if ring.kind == EXAMPLE]
        for grid in (*grids(scene, "img")[:1], *grids(scene, "k")[:1], *grids(scene, "y")[:1])
    ]
    assert outlined == [[(1, 2, 2, 2)], [(0, 0, 2, 2)], [(1, 2, 1, 1)]]
    assert {"ring", "winner"} <= set(scene.legend)


@pytest.mark.parametrize(
    ("program", "args", "name", "said"),
    [
        (
            lambda E, i: (functional.embedding(i, E) * f64([[1, 2], [3, 4], [5, 6]])).sum(),
            (f64([[1, 2], [3, 4], [5, 6]]).requires_grad_(), torch.tensor([2, 0, 2])),
            "v₁",
            "▢ v₁[0], v₁[2] are E[2] ← [1, 2] + [5, 6] = [6, 8]",
        ),
        (
            lambda x: ((x - x.mean(dim=1, keepdim=True)) * f64([[1, 2], [3, 5]])).sum(),
            (f64([[1, 2], [3, 4]]).requires_grad_(),),
            "v₂",
            "▢ v₁[0,0] ← −(1 + 2) = −3",
        ),
        (
            lambda x, b: ((x + b) * f64([[1, 2], [3, 5]])).sum(),
            (f64([[1, 2], [3, 4]]).requires_grad_(), f64([1, 2]).requires_grad_()),
            "v₁",
            "▢ b[0] ← 1 + 3 = 4",
        ),
    ],
)
def test_what_comes_back_is_told_by_an_example(program: Any, args: Any, name: str, said: str) -> None:
    assert told(gad.trace(program, *args).plot().scene)[name] == said


def test_rows_that_were_picked_are_numbered_as_in_the_table() -> None:
    table = f64([[1, 2], [3, 4], [5, 6]]).requires_grad_()
    scene = gad.trace(lambda E, i: (E[i] ** 2).sum(), table, torch.tensor([2, 0, 2])).plot().scene
    assert [grid.row_names for grid in grids(scene, "E")] == [("0", "1", "2")] * 2
    assert [grid.row_names for grid in grids(scene, "v₁")] == [("2", "0", "2")] * 2


def test_a_masked_element_looks_unlike_nan_and_unlike_0() -> None:
    upper = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
    x = f64([[1, 2, 3], [0, 5, 6], [float("nan"), 8, 9]]).requires_grad_()
    scene = gad.trace(lambda x: x.masked_fill(upper, float("-inf")).exp().sum(), x).plot().scene
    grid = next(grid for grid in grids(scene, "v₁") if grid.rows[0][1] == "−∞")
    marks = list(grid_marks(grid, (0, 0), 500, Face("value", True, False), "", "value"))
    parts = Counter(mark.part for mark in marks)
    assert (parts["masked"], parts["strike"], parts["odd"]) == (3, 3, 1)
    assert "masked" in scene.legend


def test_films_do_not_tell_before_its_time_what_comes_of_an_element() -> None:
    img, k = f64(IMAGE)[None, None].requires_grad_(), f64([[1, 0], [0, -1]])[None, None].requires_grad_()
    stage = gad.trace(convolution, img, k).animate().film.stage
    assert not any(told(stage).values())
    assert not any(grid.rings for box in stage.boxes for line in box.lines if (grid := line.grid) is not None)


def scaled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    s = q @ k.T / 2
    a = torch.softmax(s, dim=-1)
    return (a @ v).sum()


def masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    s = torch.matmul(q, k.transpose(-2, -1)) + torch.triu(torch.full((3, 3), float("-inf"), dtype=torch.float64), 1)
    a = s.softmax(1)
    return (a @ v).sum()


def across(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    s = q @ k.T
    a = torch.softmax(s, dim=0)  # no row of these weights adds up to 1
    return (a @ v).sum()


def of_columns(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    a = torch.softmax(q.T @ k, dim=-1)
    return (v @ a).sum()


@pytest.mark.parametrize("detail", ["op", "line"])
@pytest.mark.parametrize(("program", "named"), [(scaled, True), (masked, True), (across, False), (of_columns, False)])
def test_rows_and_columns_of_an_attention_are_its_tokens(program: Any, named: bool, detail: Any) -> None:
    q, k, v = (torch.arange(6.0, dtype=torch.float64).reshape(3, 2) / n for n in (7, 5, 3))
    graph = gad.trace(program, *(each.clone().requires_grad_() for each in (q, k, v)))
    scene = graph.plot(detail=detail).scene
    found = {(grid.row_names, grid.column_names) for name in ("a", "s") for grid in grids(scene, name)}
    tokens = tuple(tuple(f"{name}[{i}]" for i in range(3)) for name in "qk")
    assert found <= ({tokens} if named else {((), ())})
    assert bool(found)


def test_each_of_several_results_is_a_grid() -> None:
    def program(x: Tensor) -> Tensor:
        low, high = x.chunk(2)
        return (low * high).sum()

    x = torch.arange(8.0, dtype=torch.float64).reshape(4, 2)
    scene = gad.trace(program, x.requires_grad_()).plot().scene
    found = {grid.heading: grid.rows for box in scene.boxes for line in box.lines if (grid := line.grid) is not None}
    assert found["low"] == found["high: grad"] == (("0", "1"), ("2", "3"))
    assert found["high"] == found["low: grad"] == (("4", "5"), ("6", "7"))


def test_captions_and_solutions_quote_the_same_elements() -> None:
    img, k = f64(IMAGE)[None, None].requires_grad_(), f64([[1, 0], [0, -1]])[None, None].requires_grad_()
    graph = gad.trace(convolution, img, k)
    said = [part for step in graph.animate().film.steps for part in step.caption]
    told_in_boxes = told(graph.plot(fit="slide").scene)
    assert any(part.endswith(told_in_boxes["y"].removeprefix("▢ ")) for part in said)
    assert any(part.endswith(told_in_boxes["p"].removeprefix("◯ ")) for part in said)
    solution = graph.explain(wrt="k").to_text()
    assert told_in_boxes["y"].removeprefix("▢ ") in " ".join(solution.split())
    table, weights = f64([[1, 2], [3, 4], [5, 6]]), f64([[1, 2], [3, 4], [5, 6]])
    index = torch.tensor([2, 0, 2])
    film = gad.trace(lambda E: (functional.embedding(index, E) * weights).sum(), table.requires_grad_()).animate().film
    wanted = "v₁[0], v₁[2] are E[2] ← [1, 2] + [5, 6] = [6, 8]"
    assert any(part.endswith(wanted) for step in film.steps for part in step.caption)
