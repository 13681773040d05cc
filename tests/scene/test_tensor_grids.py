"""Tensors as grids: every element of a small one can be read, in every format, and what is no number looks
different.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import graphviz_ad as gad
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import every_element, short_number
from graphviz_ad._internal.scene.canvas import Curve, Label, Rect
from graphviz_ad._internal.scene.grids import SHADE_ROLES, Face, cells_size, grid_marks, grid_size
from graphviz_ad._internal.scene.scene import NO_SHADE, SHADES, Grid
from graphviz_ad._internal.scene.themes import THEMES
from graphviz_ad._internal.scene.words.tensor_grids import cell_in_image, grid_of, image_of, shades_of, value_grid_of

FACE = Face("value", bold=True, italic=False)


def snapshot(array: Any) -> Snapshot:
    array = np.asarray(array)
    return Snapshot(array.shape, str(array.dtype), array)


def made(array: Any) -> Grid:
    grid = value_grid_of(snapshot(array))
    assert grid is not None
    return grid


def texts(grid: Grid) -> list[str]:
    return [text for row in grid.rows for text in row]


SMALL_SHAPES = st.one_of(
    st.tuples(st.integers(2, 16)),
    st.tuples(st.integers(1, 10), st.integers(2, 10)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 5)),
)
NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(hnp.arrays(np.float32, SMALL_SHAPES, elements=NUMBERS))
def test_every_element_of_a_small_tensor_stands_in_a_cell_in_order(array: Any) -> None:
    grid = made(array)
    assert texts(grid) == [short_number(x) for x in array.reshape(-1).tolist()]
    assert grid.said == every_element(snapshot(array))
    assert [len(row) for row in grid.rows] == [len(row) for row in grid.shades]


@given(hnp.arrays(np.float32, SMALL_SHAPES, elements=NUMBERS))
def test_a_shade_says_the_sign_and_grows_with_the_size(array: Any) -> None:
    shades = [shade for row in made(array).shades for shade in row]
    finite = [(float(x), shade) for x, shade in zip(array.reshape(-1).tolist(), shades, strict=True) if np.isfinite(x)]
    assert [shade is None for shade in shades] == [not np.isfinite(x) for x in array.reshape(-1)]
    assert all(np.sign(shade) == np.sign(x) and abs(shade or 0) <= SHADES for x, shade in finite)
    by_size = [abs(shade or 0) for _, shade in sorted(finite, key=lambda pair: abs(pair[0]))]
    assert by_size == sorted(by_size)
    assert not any(x for x, _ in finite) or by_size[-1] == SHADES


@given(hnp.arrays(np.float32, SMALL_SHAPES, elements=NUMBERS), st.booleans())
def test_no_number_is_wider_than_its_cell_and_no_two_cells_overlap(array: Any, small: bool) -> None:
    grid = value_grid_of(snapshot(array), small=small)
    assert grid is not None
    width, height = grid_size(grid, bold=True)
    marks = list(grid_marks(grid, (10.0, 20.0), width, FACE, "box", "value"))
    labels = [mark for mark in marks if isinstance(mark, Label)]
    assert all(10 <= mark.x <= 10 + width and 20 <= mark.y <= 20 + height + 1e-6 for mark in labels)
    places = [(mark.x, mark.y) for mark in labels if mark.part.startswith("cell.")]
    assert len(set(places)) == array.size
    wide, _ = cells_size(grid, bold=True)
    fills = [mark for mark in marks if isinstance(mark, Rect) and mark.part in SHADE_ROLES]
    assert sum(mark.width for mark in fills) <= wide * len(grid.rows) + 1e-6


@pytest.mark.parametrize(
    ("array", "heading", "rows"),
    [
        ([1, 2, 3], "", 1),
        ([[1, 2, 3]], "value i64[1,3]", 1),
        ([[1], [2]], "value", 2),
        (np.arange(16), "value i64[16]", 2),
        (np.zeros((1, 1, 2, 2)), "value f64[1,1,2,2]", 2),
        (np.zeros((2, 3, 4)), "value f64[2,3,4]", 6),
    ],
)
def test_a_shape_that_cells_do_not_tell_is_written_above_them(array: Any, heading: str, rows: int) -> None:
    assert (made(array).heading, len(made(array).rows)) == (heading, rows)


def test_matrices_of_a_tensor_are_apart() -> None:
    assert made(np.zeros((2, 3, 4))).gaps == (3,)
    assert made(np.zeros((3, 4))).gaps == ()


@pytest.mark.parametrize("array", [np.zeros(17), np.zeros((11, 2)), np.zeros((2, 11)), [1.0], np.zeros((0, 3)), 3.0])
def test_what_is_too_large_and_what_is_one_number_is_no_grid(array: Any) -> None:
    assert grid_of(snapshot(array), "value") is None


def test_what_is_not_known_is_no_grid_and_no_image() -> None:
    unknown = Snapshot((3, 3), "float32", missing="summarised")
    assert grid_of(unknown, "value") is None
    assert image_of(unknown, "value", "value") is None


def test_a_row_of_whole_numbers_as_those_of_tokens_is_no_bars() -> None:
    assert image_of(snapshot(np.arange(64)), "value", "value") is None
    assert image_of(snapshot(np.arange(64.0)), "value", "value") is not None


def test_minus_zero_infinity_and_nan_look_different() -> None:
    grid = made([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0])
    assert texts(grid) == ["0", "−0", "NaN", "∞", "−∞", "1"]
    assert grid.shades == ((0, 0, None, None, None, SHADES),)
    marks = list(grid_marks(grid, (0, 0), 500, FACE, "", "value"))
    assert sum(mark.part == "odd" for mark in marks) == 3
    assert made([1 + 2j, 3.0]).shades == ((NO_SHADE, NO_SHADE),)


def test_what_is_not_finite_is_black_in_an_image() -> None:
    image = image_of(snapshot(np.where(np.eye(12) == 1, np.nan, 1.0)), "f64[12,12]", "f64[12,12]")
    assert image is not None
    black = [mark for mark in grid_marks(image, (0, 0), 500, FACE, "", "value") if mark.part == "blank"]
    assert len(black) == 12


@given(hnp.arrays(np.float32, st.integers(17, 60), elements=NUMBERS))
def test_bars_are_as_high_as_their_elements_and_stand_where_0_is(array: Any) -> None:
    image = image_of(snapshot(array), "f32", "f32")
    if image is None:
        assert not np.isfinite(array).any()
        return
    marks = list(grid_marks(image, (0, 0), 500, FACE, "", "value"))
    finite = array[np.isfinite(array)].astype(np.float64)
    drawn = [mark for mark in marks if isinstance(mark, Rect) and mark.part in SHADE_ROLES]
    heights = [mark.height for mark in drawn]
    most = np.max(np.abs(finite)) or 1.0
    assert np.array(heights) * most == pytest.approx(
        np.abs(finite[finite != 0]) * max(heights, default=0.0), abs=1e-6 * most
    )
    (zero,) = {mark.points[0][1] for mark in marks if isinstance(mark, Curve)}
    on_zero = [mark.y + mark.height if x > 0 else mark.y for mark, x in zip(drawn, finite[finite != 0], strict=True)]
    assert on_zero == pytest.approx([zero] * len(drawn))
    assert sum(mark.part == "blank" for mark in marks) == array.size - finite.size


@given(st.integers(2, 6), st.integers(2, 5), st.integers(2, 7))
def test_matrices_stand_side_by_side_in_an_image(count: int, high: int, wide: int) -> None:
    shape = (1, count, high, wide)
    numbers = np.arange(count * high * wide, dtype=float).reshape(shape) - 7
    image = image_of(snapshot(numbers), "", "")
    assert image is not None
    assert (len(image.shades), image.gaps) == (high, ())
    flat = [shade for row in shades_of(numbers.reshape(-1, wide).tolist()) for shade in row]
    cells = [cell_in_image(shape, place) for place in range(numbers.size)]
    assert len(set(cells)) == numbers.size
    assert [image.shades[row][column] for row, column in cells] == flat


# --- in pictures


def product(a: Any, w: Any) -> Any:
    h = torch.tanh(a @ w)
    return h.sum()


A = [[1.0, -2.0, 0.5], [0.25, 3.0, -1.5]]
W = [[0.5, -0.25], [1.5, 2.0], [-1.0, 0.125]]


def traced() -> gad.Graph:
    return gad.trace(product, torch.tensor(A, requires_grad=True), torch.tensor(W, requires_grad=True))


def test_values_and_gradients_in_cells_are_those_of_torch() -> None:
    a, w = torch.tensor(A, requires_grad=True), torch.tensor(W, requires_grad=True)
    product(a, w).backward()  # type: ignore[no-untyped-call]
    boxes = {box.name: box for box in traced().plot(fit="slide", digits=4).scene.boxes}
    for name, leaf in (("a", a), ("w", w)):
        value, grad = [line.grid for line in boxes[name].lines if line.grid]
        assert leaf.grad is not None
        assert [*texts(value)] == [short_number(x) for x in leaf.flatten().tolist()]
        assert [*texts(grad)] == [short_number(x) for x in leaf.grad.flatten().tolist()]
        told = {fact.label: fact.text for fact in boxes[name].hover}
        assert told["value"] == value.said
        assert told["gradient"] in grad.said


@pytest.mark.parametrize("suffix", ["svg", "tikz", "pgf", "html", "dot"])
def test_every_element_is_text_in_every_format(suffix: str, tmp_path: Any) -> None:
    graph, file = traced(), tmp_path / f"picture.{suffix}"
    graph.plot().save(file)
    written = re.sub(r"\\[a-z]+|[${}]", "", file.read_text("utf-8")).replace("−", "-")
    for x in (x for row in (*A, *W) for x in row):
        assert short_number(x).replace("−", "-") in written


def test_a_film_shows_cells_once_their_elements_are_known() -> None:
    film = traced().animate().film

    def cells(step: int, role: str) -> int:
        lines = [line for box in film.scene(step).boxes for line in box.lines if line.role == role]
        return sum(line.drawn is not None for line in lines)

    last = len(film.steps) - 1
    assert cells(0, "value") == cells(0, "gradient") == 0
    shown = [cells(step, "gradient") for step in range(last + 1)]
    assert shown == sorted(shown)
    assert (cells(last, "value"), shown[-1]) == (4, 4)


def test_a_place_without_room_says_what_it_leaves_out() -> None:
    def chain(x: Any) -> Any:
        for _ in range(6):
            x = torch.tanh(x @ x)
        return x.sum()

    x = (torch.arange(64.0).reshape(8, 8) / 97).requires_grad_()
    scene = gad.trace(chain, x).plot(fit=(300, 200)).scene
    assert not any(line.grid is not None and line.role == "gradient" for box in scene.boxes for line in box.lines)
    assert any("elements of gradients" in note for note in scene.notes)


def test_what_is_not_written_for_want_of_room_is_seen_as_colours() -> None:
    def chain(x: Any) -> Any:
        for _ in range(4):
            x = torch.tanh(x @ x)
        return x.sum()

    x = (torch.arange(49.0).reshape(7, 7) / 97).requires_grad_()
    scene = gad.trace(chain, x).plot(fit="slide", detail="op").scene
    grids = [line.grid for box in scene.boxes for line in box.lines if line.role == "value" and line.grid is not None]
    assert grids
    assert not any(grid.rows for grid in grids)
    assert {len(grid.shades) for grid in grids} == {7}


@pytest.mark.parametrize("name", ["light", "dark", "print", "cs231n"])
def test_numbers_can_be_read_on_every_shade(name: str) -> None:
    def light(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for role in SHADE_ROLES:
        dark, bright = sorted((light(THEMES[name][role]), light(THEMES[name]["ink"])))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, role
