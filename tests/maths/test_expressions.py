"""Formulas and inputs of the command line: what they compute, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths.expressions import FUNCTIONS, Program, parse, parse_inputs

MATH = {**{name: getattr(math, name) for name in FUNCTIONS if hasattr(math, name)}, "max": max, "min": min, "abs": abs}


def run(text: str, **values: Any) -> Any:
    return parse(text).run(MATH, values)


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        (
            "(1+sin(x2))/(x2+exp(x1)) + x1*x2",
            {"x1": 1.5, "x2": 0.5},
            (1 + math.sin(0.5)) / (0.5 + math.exp(1.5)) + 0.75,
        ),
        ("q=x+y; f=q*z", {"x": -2.0, "y": 5.0, "z": -4.0}, -12.0),
        ("  c = a + b\n  d = b + 1\n  e = c * d", {"a": 2.0, "b": 1.0}, 6.0),
        ("x + y, x * y", {"x": 2.0, "y": 3.0}, (5.0, 6.0)),
        ("x,", {"x": 2.0}, (2.0,)),
        ("2*3 - -4", {}, 10),
        ("x**-1", {"x": 4.0}, 0.25),
        ("-x**2 + +x", {"x": 3.0}, -6.0),
        ("2 * pi * e", {}, 2 * math.pi * math.e),
        ("max(x, 2, 1) + min(x, 2) + pow(x, 2) + sqrt(x)", {"x": 4.0}, 4 + 2 + 16 + 2),
        ("x = x + 1; x * x", {"x": 1.0}, 4.0),
    ],
)
def test_programs_compute_what_they_say(text: str, values: dict[str, float], result: Any) -> None:
    assert run(text, **values) == pytest.approx(result)


def test_inputs_come_in_order_of_first_appearance() -> None:
    assert parse("(1+sin(x2))/(x2+exp(x1)) + x1*x2").inputs == ("x2", "x1")
    assert parse("q = b + a; a * q").inputs == ("b", "a")
    assert parse("e * pi").inputs == ()
    assert parse("e * pi", given={"e"}).inputs == ("e",)


def test_assignments_are_heard_of() -> None:
    heard: list[tuple[Any, str]] = []
    parse("q=x+y; f=q*z").run(MATH, {"x": 1.0, "y": 2.0, "z": 3.0}, lambda value, name: heard.append((value, name)))
    assert heard == [(3.0, "q"), (9.0, "f")]


def test_long_sums_need_no_recursion() -> None:
    assert run("+".join(["x"] * 2000), x=1.0) == 2000


def test_operators_are_those_of_the_values() -> None:
    class Recorder:
        def __add__(self, other: object) -> str:
            return f"+{other}"

        def __matmul__(self, other: object) -> str:
            return f"@{other}"

    assert run("x + 2*3", x=Recorder()) == "+6"
    assert run("x @ 1", x=Recorder()) == "@1"


HOSTILE = [
    "__import__('os').system('x')", "().__class__", "x.__class__", "x.__class__.__bases__[0]", "9**9**9", "9**9**9**9",
    "1/0", "2**10000", "(-8)**0.5", "2@3", "1e999", "9" * 400, "9" * 5000, "lambda: 1", "x[0]", "'text'", "b'x'",
    "f'{x}'", "[x]", "{x}", "{1: x}", "(x, y) * 2", "open(x)", "f(x)", "2(x)", "x(y)", "sin", "sin = x", "sin()",
    "sin(x, y)", "max()", "max(x, key=y)", "sin(*x)", "*x", "__x", "__x = 1", "x if y else z", "x and y", "not x",
    "~x", "x // y", "x % y", "x << 1", "x | y", "x < y", "x; y", "a, b = x", "a = b = x", "a += 1", "a: int = 1",
    "x := 1", "(x := 1)", "import os", "del x", "pass", "def f(): pass", "while x: y", "yield x", "await x",
    "[x for x in y]", "True", "None", "...", "1j", "()", "", "  ", "#", "x\0", "\ud800", "2x", "x y", "(",
    "x" * 10_001, "(" * 300 + "x" + ")" * 300, "-" * 200 + "x", "-" * 5000 + "x", "+".join("x" * 5000),
    "+".join("x" * 2501), "2**" * 200 + "x", "sin(" * 150 + "x" + ")" * 150, "exec('x')", "print(x)", "lambda_.x",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_anything_but_mathematics_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x^2", r"x\*\*2"),
        ("x.y", "'x.y'.*attributes"),
        ("f(x)", "'f'.*sin, cos"),
        ("x[0]", "subscripts"),
        ("1/0", "1 / 0.*divides by zero"),
        ("9**9**9", "too large"),
        ("x" * 10_001, "10001 characters"),
        ("+".join("x" * 2501), "more than 5000 steps"),
        ("sin(" * 101 + "x" + ")" * 101, "100 deep"),
        ("x; y", "'x' is not used"),
        ("__x", "'__x'"),
        ("sin + 1", r"sin\(x\)"),
        ("max(a, key=b)", "position"),
        ("x < 1", "comparisons"),
    ],
)
def test_errors_name_the_part_and_the_way_out(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        parse(text)


@pytest.mark.parametrize("text", ["a=9**9; b=a**a; b**b", "a=9**9; a**a", "x**x**x", "1/(x-x)", "x@x", "(-x)**0.5"])
def test_plain_numbers_cannot_explode_when_run(text: str) -> None:
    program = parse(text)
    with pytest.raises(ExpressionError):
        program.run(MATH, {"x": 9**9})


def test_exact_integers_do_not_grow() -> None:
    assert run("a=99999999;" + "a=a*a;" * 500 + "a") == math.inf


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ExpressionError, match=r"'y'.*y=1\.5"):
        run("x + y", x=1.0)
    with pytest.raises(ExpressionError, match="'sigmoid'"):
        run("sigmoid(x)", x=1.0)


PARTS = some.sampled_from(
    [
        "x",
        "y",
        "sin",
        "(",
        ")",
        "[",
        "]",
        "+",
        "-",
        "*",
        "**",
        "/",
        "^",
        "@",
        ",",
        ";",
        "=",
        "\n",
        "9",
        "1e3",
        ".",
        "__",
        "'",
        " ",
        "lambda",
        ":",
    ]
)


@given(some.text(max_size=60) | some.lists(PARTS, max_size=25).map("".join))
@example("0or 1")
@example("1_000 if 1else 2")
def test_nothing_but_expression_error_escapes(text: str) -> None:
    try:
        program = parse(text)
    except ExpressionError:
        return
    assert isinstance(program, Program)


@given(some.text(max_size=40) | some.lists(PARTS, max_size=12).map(lambda parts: "x=" + "".join(parts)))
def test_nothing_but_expression_error_escapes_from_inputs(text: str) -> None:
    try:
        inputs = parse_inputs([text])
    except ExpressionError:
        return
    assert len(inputs) == 1


def test_inputs_are_numbers_or_nested_lists() -> None:
    given_inputs = parse_inputs(["x1=1.5", "x2 = -1e-3", "v=[1,2,3]", "w=[[1, -inf], [+2, 0]]", "n=7", "empty=[]"])
    assert given_inputs == {
        "x1": 1.5,
        "x2": -0.001,
        "v": [1.0, 2.0, 3.0],
        "w": [[1.0, -math.inf], [2.0, 0.0]],
        "n": 7.0,
        "empty": [],
    }
    assert [type(given_inputs[name]) for name in ("n", "x1")] == [int, float]  # a count may stay one
    assert math.isnan(parse_inputs(["x=nan"])["x"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "texts",
    [
        ["x"],
        ["=1"],
        ["x="],
        ["1=2"],
        ["x y=1"],
        ["x=1", "x=2"],
        ["x=1/2"],
        ["x=True"],
        ["x=None"],
        ["x=2j"],
        ["x='1'"],
        ["x=(1,2)"],
        ["x=--1"],
        ["x=[1,[2]]"],
        ["x=[[1,2],[3]]"],
        ["x=-[1]"],
        ["x=y"],
        ["x=os.system"],
        ["x==1"],
        ["x=1;y=2"],
        ["x=1\n2"],
        ["lambda=1"],
        ["sin=1"],
        ["__x=1"],
        ["x=" + "[" * 150 + "]" * 150],
        ["x=" + "9" * 400],
        ["x=" + "9" * 20_000],
        ["x=\0"],
    ],
    ids=lambda texts: ascii(texts[-1][:20]),
)
def test_other_inputs_are_refused(texts: list[str]) -> None:
    with pytest.raises(ExpressionError):
        parse_inputs(texts)
