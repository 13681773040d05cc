"""Numbers and snapshots as the few characters that a picture has room for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from graphviz_ad._internal.graph.snapshot import Snapshot, Stats, snapshot_of_number, statistics_of_array
from graphviz_ad._internal.maths.number_format import number_in_one_line, short_number, snapshot_lines, type_label

INF, NAN = float("inf"), float("nan")


def snapshot(values: Any, dtype: str | None = None, *, kept: bool = True) -> Snapshot:
    array = np.asarray(values)
    return Snapshot(
        array.shape, dtype or str(array.dtype), array if kept else None, None if kept else statistics_of_array(array)
    )


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (2, "2"),
        (-2.0, "−2"),
        (1 / 3, "0.3333"),
        (0.1 + 0.2, "0.3"),
        (1.2e-5, "1.2e−5"),
        (-1.25e-7, "−1.25e−7"),
        (0.001, "0.001"),
        (0.00099999, "0.001"),
        (9999, "9999"),
        (12000.0, "12000"),
        (99999, "99999"),
        (100000, "1e5"),
        (123456, "1.235e5"),
        (12345.6, "1.235e4"),
        (9999.96, "1e4"),
        (99999.5, "1e5"),
        (1234.5, "1234"),
        (0.0, "0"),
        (-0.0, "−0"),
        (INF, "∞"),
        (-INF, "−∞"),
        (NAN, "NaN"),
        (True, "True"),
        (1 + 2j, "1+2i"),
        (0.5 - 1.5j, "0.5−1.5i"),
        (complex(NAN, -0.0), "NaN−0i"),
        (10**400, "1e400"),
        (-(10**400), "−1e400"),
        (1e-320, "1e−320"),
        (np.float32(0.1), "0.1"),
        (np.int64(-3), "−3"),
        (np.bool_(False), "False"),
        ("text", "text"),
        (None, "None"),
    ],
)
def test_numbers_are_short_and_honest(x: Any, shown: str) -> None:
    assert short_number(x) == shown


@given(some.floats(-1.797e308, 1.797e308))
def test_a_number_reads_back_to_four_digits_and_fits(x: float) -> None:
    text = short_number(x)
    assert len(text) <= 11
    assert "-" not in text
    assert float(text.replace("−", "-")) == pytest.approx(x, rel=6e-4, abs=1e-320)


@given(some.complex_numbers() | some.integers() | some.floats())
def test_every_number_can_be_written(x: complex) -> None:
    assert 0 < len(short_number(x)) < 30


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (2.5, ("2.5",)),
        ([0, 1, 4, 9], ("[0, 1, 4, 9]",)),
        ([0.5], ("[0.5]",)),
        ([], ("[]",)),
        ([[1.5, -2], [10, 0.25]], ("[1.5, \u2007\u2007−2]", "[\u200710, 0.25]")),
        ([[True, False]], ("[[True, False]]",)),
        ([1 + 2j, NAN], ("[1+2i, NaN+0i]",)),
        (np.arange(7), ("i64[7]", "3 ± 2", "0 … 6")),
        (np.zeros((2, 0)), ("f64[2,0]", "empty")),
        (np.zeros((1, 1, 1)), ("f64[1,1,1]", "0 ± 0", "0 … 0")),
        (np.array([1.0, NAN, 3, INF, 2, 2, 2, 2]), ("f64[8]", "2 ± 0.58", "1 … 3", "⚠ 2 NaN/inf")),
        (np.full(9, NAN), ("f64[9]", "⚠ 9 NaN/inf")),
        (np.full((3, 3, 3), 1e300), ("f64[3,3,3]", "all 1e300")),
        (np.array([1e300, -1e300] * 4), ("f64[8]", "0", "−1e300 … 1e300")),
        (np.full((5, 5), 1j), ("c128[5,5]",)),
    ],
)
def test_small_tensors_show_elements_and_large_ones_their_spread(value: Any, lines: tuple[str, ...]) -> None:
    assert snapshot_lines(snapshot(value)) == lines


def test_a_summary_shows_the_same_lines_as_all_elements() -> None:
    values = np.random.default_rng(0).normal(0.12, 1.1, (64, 784)).astype(np.float32)
    assert (
        snapshot_lines(snapshot(values))
        == snapshot_lines(snapshot(values, kept=False))
        == ("f32[64,784]", "0.121 ± 1.1", "−4.82 … 5.33")
    )
    assert snapshot_lines(snapshot([1.0, NAN] * 9, kept=False)) == ("f64[18]", "⚠ 9 NaN/inf")
    assert snapshot_lines(Snapshot((9,), "float64", None, Stats(0, 2e200, 1e200, 6e200, 0))) == (
        "f64[9]",
        "1e200",
        "0 … 2e200",
    )


def test_what_is_unknown_says_why() -> None:
    assert snapshot_lines(Snapshot((2, 3), "torch.bfloat16", missing="too large to keep")) == (
        "bf16[2,3]",
        "too large to keep",
    )
    assert snapshot_lines(Snapshot((), "float32")) == ("f32[]", "value unknown")
    assert number_in_one_line(Snapshot((), "float32")) == "f32[]"
    assert type_label(Snapshot((2,), "my_dtype")) == "my_dtype[2]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.5, "2.5"),
        ([1, 2], "[1, 2]"),
        ([[1, 2], [3, 4]], "[[1, 2], [3, 4]]"),
        (np.full((4, 4), 0.1234), "f64[4,4]"),
        (np.zeros((64, 784)), "f64[64,784]"),
        ([], "[]"),
        (np.zeros((0, 2)), "f64[0,2]"),
        (np.zeros(7), "[0, 0, 0, 0, 0, 0, 0]"),
        (np.full(7, 0.1234), "f64[7]"),
        (np.zeros((1, 1, 2, 2)), "[[[[0, 0], [0, 0]]]]"),
    ],
)
def test_captions_take_one_line(value: Any, text: str) -> None:
    assert number_in_one_line(snapshot(value)) == text


def test_limits_can_be_chosen() -> None:
    assert snapshot_lines(snapshot(np.eye(2)), rows=1)[0] == "f64[2,2]"
    assert snapshot_lines(snapshot([1, 2]), vector=1)[0] == "i64[2]"
    assert number_in_one_line(snapshot_of_number(3)) == "3"
    assert short_number(1 / 3, digits=2) == "0.33"
