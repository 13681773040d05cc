"""Formulas as trees: every walk over them agrees with Python and with each other."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as some

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.maths import expressions
from graphviz_ad._internal.maths.formula_text import to_text
from graphviz_ad._internal.maths.formula_tree import (
    Binary,
    Call,
    Comparison,
    Name,
    Number,
    Part,
    Signed,
    Transposed,
    Tree,
    parsed,
    walked,
)
from graphviz_ad._internal.maths.formula_values import evaluate
from graphviz_ad._internal.maths.formulas import to_html, to_latex, to_mathtext, to_unicode
from graphviz_ad._internal.sheets import symbolic

NAMES = ("a", "b", "out")


def binary(inner: some.SearchStrategy[Tree]) -> some.SearchStrategy[Tree]:
    return some.builds(Binary, some.sampled_from(["+", "-", "*", "/", "@", "**"]), inner, inner)


def grown(inner: some.SearchStrategy[Tree]) -> some.SearchStrategy[Tree]:
    comparisons = some.builds(
        lambda first, rest: Comparison(tuple(sign for sign, _ in rest), (first, *(operand for _, operand in rest))),
        inner,
        some.lists(some.tuples(some.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner), min_size=1, max_size=2),
    )
    calls = some.builds(Call, some.sampled_from(["f", "exp", "max"]), some.lists(inner, max_size=3).map(tuple))
    parts = some.builds(Part, inner, some.none() | some.builds(Name, some.sampled_from(NAMES)))
    return (
        binary(inner)
        | some.builds(Signed, some.sampled_from("+-"), inner)
        | comparisons
        | calls
        | some.builds(Transposed, inner)
        | parts
    )


NUMBERS = some.builds(Number, some.integers(0, 99) | some.floats(0, 1e300))
LEAVES = some.builds(Name, some.sampled_from(NAMES)) | NUMBERS
TREES = some.recursive(LEAVES, grown, max_leaves=12)
ARITHMETIC = some.recursive(
    some.builds(Name, some.sampled_from(NAMES)) | some.builds(Number, some.integers(0, 9)),
    lambda inner: (
        some.builds(Binary, some.sampled_from("+-*/"), inner, inner) | some.builds(Signed, some.just("-"), inner)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a + b * 2", Binary("+", Name("a"), Binary("*", Name("b"), Number(2)))),
        ("-a ** 2", Signed("-", Binary("**", Name("a"), Number(2)))),
        ("a ** b ** c", Binary("**", Name("a"), Binary("**", Name("b"), Name("c")))),
        ("a - b - c", Binary("-", Binary("-", Name("a"), Name("b")), Name("c"))),
        ("a @ b.T", Binary("@", Name("a"), Transposed(Name("b")))),
        ("0 < a <= 6", Comparison(("<", "<="), (Number(0), Name("a"), Number(6)))),
        ("-mean(a[b])", Signed("-", Call("mean", (Part(Name("a"), Name("b")),)))),
        ("g[...]", Part(Name("g"), None)),
    ],
)
def test_a_formula_is_a_tree(text: str, tree: Tree) -> None:
    assert parsed(text) == tree
    assert to_text(tree) == text


@given(TREES)
def test_what_is_written_is_read_back_the_same_and_as_python_writes_it(tree: Tree) -> None:
    text = to_text(tree)
    assert parsed(text) == tree
    assert text == ast.unparse(ast.parse(text, mode="eval"))


@given(ARITHMETIC, some.lists(some.floats(-9, 9), min_size=3, max_size=3))
def test_every_walk_computes_what_python_does(tree: Tree, numbers: list[float]) -> None:
    text, values = to_text(tree), dict(zip(NAMES, numbers, strict=True))
    try:
        wanted = float(eval(text, {}, values))
        by_command_line = expressions.parse(text).run({}, values)
    except (ZeroDivisionError, ExpressionError):
        assume(False)
    assert evaluate(text, values) == pytest.approx(wanted, nan_ok=True)
    assert by_command_line == pytest.approx(wanted, nan_ok=True)


@given(ARITHMETIC, some.lists(some.fractions(-9, 9, max_denominator=8), min_size=3, max_size=3))
def test_sympy_has_the_exact_value(tree: Tree, numbers: list[Fraction]) -> None:
    text, values = to_text(tree), dict(zip(NAMES, numbers, strict=True))
    try:
        wanted = eval(re.sub(r"\d+", r"Fraction(\g<0>)", text), {"Fraction": Fraction}, values)
    except ZeroDivisionError:
        assume(False)
    exact = {name: sympy.Rational(number.numerator, number.denominator) for name, number in values.items()}
    assert symbolic.value(parsed(text), exact, symbolic.functions_of(sympy), sympy) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "sum(a, dim=1)",
        "a is b",
        "max(*a)",
        "a[0]",
        "a.real",
        "a or b",
        "not a",
        "True",
        "1j",
        "'a'",
        "a if b else c",
        "a // b",
        "a % b",
        "a.T.x",
    ],
)
def test_no_walk_gets_to_see_what_is_no_formula(text: str) -> None:
    for walk in (
        to_unicode,
        to_latex,
        to_mathtext,
        to_html,
        lambda text: evaluate(text, {"a": 1.0, "b": 2.0, "c": 3.0}),
        expressions.parse,
    ):
        with pytest.raises(ExpressionError):
            walk(text)


def test_a_deep_tree_needs_no_recursion() -> None:
    deep: Tree = Name("a")
    for _ in range(20_000):
        deep = Binary("+", deep, Name("a"))

    def counted(node: Tree, inner: list[int]) -> int:
        return 1 + sum(inner)

    assert walked(deep, counted) == 40_001
    assert len(to_text(deep)) == 20_001 + 3 * 20_000


def test_a_walk_is_given_what_it_made_of_the_operands_in_their_order() -> None:
    seen: list[tuple[Any, list[str]]] = []

    def made(node: Tree, inner: list[str]) -> str:
        seen.append((type(node).__name__, inner))
        return node.name if isinstance(node, Name) else f"<{''.join(inner)}>"

    assert walked(parsed("f(a, b - c, d)"), made) == "<a<bc>d>"
    assert seen[-1] == ("Call", ["a", "<bc>", "d"])
