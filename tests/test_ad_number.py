"""The teaching engine: every derivative against torch and against differences, and its graphs against those of
torch.
"""

from __future__ import annotations

import math
import operator
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphviz_ad as gad
from graphviz_ad import ADNumber, cos, exp, log, relu, sigmoid, sin, sqrt, tan, tanh
from graphviz_ad._internal import ad_number
from graphviz_ad._internal.ad_number import RULES, max_, min_
from graphviz_ad._internal.base.errors import GradOutputsError, NoTensorError

SOURCE = Path(ad_number.__file__)

ONE: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[float, ...]]] = {
    "neg": (operator.neg, torch.neg, (-2.5, 0.0, 3.0)),
    "abs": (abs, torch.abs, (-2.5, 0.0, 3.0)),
    "exp": (exp, torch.exp, (-30.0, -1.0, 0.0, 1.5, 3.0)),
    "log": (log, torch.log, (1e-9, 0.5, 1.0, 7.0)),
    "sqrt": (sqrt, torch.sqrt, (0.0, 1e-8, 0.25, 9.0)),
    "sin": (sin, torch.sin, (-4.0, 0.0, 0.5, 2.0)),
    "cos": (cos, torch.cos, (-4.0, 0.0, 0.5, 2.0)),
    "tan": (tan, torch.tan, (-1.0, 0.0, 0.5, 2.0)),
    "tanh": (tanh, torch.tanh, (-3.0, 0.0, 0.5, 20.0)),
    "sigmoid": (sigmoid, torch.sigmoid, (-800.0, -40.0, -1.0, 0.0, 2.0, 40.0, 800.0)),
    "relu": (relu, torch.relu, (-2.0, -0.0, 0.0, 1e-9, 2.0)),
}
PAIRS = ((2.0, 3.0), (-1.5, 0.5), (0.0, 4.0), (3.0, -2.0), (2.0, 2.0), (1e-3, 1e3))
TWO: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[tuple[float, float], ...]]] = {
    "add": (operator.add, torch.add, PAIRS),
    "sub": (operator.sub, torch.sub, PAIRS),
    "mul": (operator.mul, torch.mul, PAIRS),
    "div": (operator.truediv, torch.div, (*PAIRS, (1e-200, 1e-200))),
    "pow": (
        operator.pow,
        torch.pow,
        (
            (2.0, 3.0),
            (0.5, -1.5),
            (0.0, 0.0),
            (0.0, 0.5),
            (0.0, 1.0),
            (0.0, 2.0),
            (-2.0, 2.0),
            (-2.0, 3.0),
            (-2.0, -1.0),
            (1.0, 0.0),
        ),
    ),
    "max": (max_, torch.max, (*PAIRS, (0.0, -0.0), (-1.0, -1.0))),
    "min": (min_, torch.min, (*PAIRS, (0.0, -0.0), (-1.0, -1.0))),
}
POINTS = [(name, ours, theirs, (x,)) for name, (ours, theirs, xs) in ONE.items() for x in xs]
POINTS += [(name, ours, theirs, pair) for name, (ours, theirs, pairs) in TWO.items() for pair in pairs]


def by_torch(function: Callable[..., Any], at: tuple[float, ...]) -> tuple[float, list[float]]:
    inputs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    value = function(*inputs)
    return value.item(), [grad.item() for grad in torch.autograd.grad(value, inputs)]


# --- derivatives


def test_every_rule_is_tested() -> None:
    assert set(ONE) | set(TWO) == set(RULES)


@pytest.mark.parametrize(("name", "ours", "theirs", "at"), POINTS, ids=[f"{name}{at}" for name, _, _, at in POINTS])
def test_values_and_derivatives_are_those_of_torch(
    name: str, ours: Callable[..., Any], theirs: Callable[..., Any], at: tuple[float, ...]
) -> None:
    inputs = [ADNumber(x) for x in at]
    result = ours(*inputs)
    value, gradients = by_torch(theirs, at)
    assert result.op == name
    assert result.value == pytest.approx(value, rel=1e-14, abs=1e-300)
    assert [result.grad(x) for x in inputs] == pytest.approx(gradients, rel=1e-13, nan_ok=True)


@pytest.mark.parametrize(("name", "ours", "theirs", "at"), POINTS, ids=[f"{name}{at}" for name, _, _, at in POINTS])
def test_derivatives_are_slopes_where_the_function_has_one(
    name: str, ours: Callable[..., Any], theirs: Callable[..., Any], at: tuple[float, ...]
) -> None:
    inputs = [ADNumber(x) for x in at]
    result = ours(*inputs)
    for i, x in enumerate(inputs):
        h = 1e-5 * abs(at[i])
        sides = [[*at[:i], at[i] + step, *at[i + 1 :]] for step in (-h, h)]
        smooth = h and len(set(at)) == len(at) and not (name == "pow" and at[0] <= 0)
        if smooth and abs(at[i]) < 700:
            low, high = (ours(*side) for side in sides)
            assert result.grad(x) == pytest.approx((high - low) / (2 * h), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("sign", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
def test_plain_numbers_stand_on_either_side(sign: Callable[..., Any]) -> None:
    for number in (3, 2.5, np.float64(0.5), np.float32(1.5), np.int64(2)):
        for program in (lambda x, number=number: sign(x, number), lambda x, number=number: sign(number, x)):
            x = ADNumber(1.7)
            result = program(x)
            value, (gradient,) = (
                by_torch(lambda t, program=program: program(t), (1.7,))
                if not isinstance(number, np.generic)
                else (None, (None,))
            )
            assert isinstance(result, ADNumber)
            if value is not None:
                assert (result.value, result.grad(x)) == (
                    pytest.approx(value, rel=1e-14),
                    pytest.approx(gradient, rel=1e-13),
                )


def test_the_derivative_of_exp_is_exp() -> None:
    x1, x2 = ADNumber(1.5), ADNumber(0.5)
    f = (1 + sin(x2)) / (x2 + exp(x1)) + x1 * x2
    assert f.value == pytest.approx(1.0469726768804155, abs=1e-15)
    assert f.grad(x1) == pytest.approx(0.23283374747559749, abs=1e-15)
    assert f.grad(x2) == pytest.approx(1.6165488003791766, abs=1e-15)


def test_functions_of_plain_numbers_are_plain_numbers() -> None:
    assert sin(0.5) == math.sin(0.5)
    assert type(sin(0.5)) is float
    assert max_(2, 3) == 3


# --- the chain rule


def test_the_paths_of_a_gradient_are_products_of_local_derivatives() -> None:
    x1, x2 = ADNumber(1.5), ADNumber(0.5)
    f = (1 + sin(x2)) / (x2 + exp(x1)) + x1 * x2
    paths = list(f.paths(x2))
    assert [math.prod(path) for path in paths] == pytest.approx(
        [0.8775825618903728 * 0.20073512936690338, -0.05961284871202578, 1.5], abs=1e-15
    )
    assert paths[0] == pytest.approx((1.0, 1 / (x2.value + math.exp(1.5)), 1.0, math.cos(0.5)), abs=1e-15)
    assert f.grad(x2) == sum(map(math.prod, paths))


def test_every_number_that_is_used_twice_doubles_the_paths() -> None:
    x = y = ADNumber(1.0)
    for _ in range(10):
        y = y + y
    assert len(list(y.paths(x))) == 2**10
    assert y.grad(x) == 2**10


def test_a_sweep_has_no_trouble_with_paths_that_nobody_could_walk() -> None:
    x = y = ADNumber(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.gradient == 2.0**60


def test_a_sweep_goes_as_deep_as_the_program_did() -> None:
    x = y = ADNumber(1.0)
    for _ in range(20_000):
        y = 1.0001 * y
    y.backward()
    assert x.gradient == pytest.approx(1.0001**20_000)
    with pytest.raises(RecursionError):
        y.grad(x)


def test_gradients_add_up_over_calls_and_nothing_is_counted_twice() -> None:
    x = ADNumber(2.0)
    y = 3 * x
    z = y**2
    assert (x.gradient, y.gradient) == (None, None)
    z.backward()
    assert (x.gradient, y.gradient, z.gradient) == (36, 12, 1)
    z.backward()
    assert (x.gradient, y.gradient, z.gradient) == (72, 24, 2)
    z.backward(upstream=0.5)
    assert x.gradient == 90


def test_what_is_not_in_the_past_has_no_gradient() -> None:
    x, y = ADNumber(2.0), ADNumber(3.0)
    f = sqrt(x - x) + y  # the slope of sqrt is infinite here, and none of y's business
    assert f.grad(y) == 1
    assert f.grad(f) == 1
    assert y.grad(x) == 0
    f.backward()
    assert y.gradient == 1
    assert ADNumber(1.0).gradient is None


def test_the_whole_gradient_of_an_intermediate_result_is_found_too() -> None:
    x = ADNumber(2.0)
    q = x * x
    f = q * q + q
    assert f.grad(q) == 9
    assert f.gradients()[q] == 9
    assert f.past()[0] is f
    assert f.past()[-1] is x


OPERATIONS = st.sampled_from([name for name in RULES if name not in ("log", "div", "pow", "exp", "tan", "sqrt")])


@given(
    st.lists(st.tuples(OPERATIONS, st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12),
    st.lists(st.floats(-2, 2), min_size=2, max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_both_ways_to_a_gradient_agree_with_torch_on_any_program(
    steps: list[tuple[str, int, int]], at: list[float]
) -> None:
    def run(inputs: list[Any], functions: dict[str, Callable[..., Any]]) -> Any:
        known = list(inputs)
        for name, i, j in steps:
            operands = [known[i % len(known)]] if name in ONE else [known[i % len(known)], known[j % len(known)]]
            known.append(functions[name](*operands))
        return known[-1]

    ours = {**{name: each[0] for name, each in ONE.items()}, **{name: each[0] for name, each in TWO.items()}}
    theirs = {**{name: each[1] for name, each in ONE.items()}, **{name: each[1] for name, each in TWO.items()}}
    inputs = [ADNumber(x) for x in at]
    tensors = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    f, expected = run(inputs, ours), run(tensors, theirs)
    found = torch.autograd.grad(expected, tensors, allow_unused=True)
    f.backward()
    for x, gradient in zip(inputs, found, strict=True):
        wanted = 0.0 if gradient is None else gradient.item()
        assert f.grad(x) == pytest.approx(wanted, rel=1e-9, abs=1e-9)
        assert (x.gradient or 0.0) == pytest.approx(wanted, rel=1e-9, abs=1e-9)


# --- what cannot be done


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: log(ADNumber(0.0, "x")), ValueError, r"log\(x = 0\.0\) cannot be computed: .*choose other inputs"),
        (lambda: log(0), ValueError, r"log\(0\.0\) cannot be computed"),
        (lambda: sqrt(ADNumber(-1.0)), ValueError, r"sqrt\(-1\.0\) cannot be computed"),
        (
            lambda: 1 / (ADNumber(2.0) - 2),
            ZeroDivisionError,
            r"div\(1\.0, 0\.0\) cannot be computed: .*division by zero",
        ),
        (lambda: ADNumber(0.0) ** -1, ValueError, r"pow\(0\.0, -1\.0\) cannot be computed"),
        (lambda: ADNumber(-8.0) ** (1 / 3), ValueError, r"pow\(-8\.0, 0\.33.*\) cannot be computed"),
        (lambda: exp(ADNumber(1000.0)), OverflowError, r"exp\(1000\.0\) cannot be computed"),
        (lambda: sin(math.inf), ValueError, r"sin\(inf\) cannot be computed"),
        (lambda: sin(1.0, 2.0), TypeError, r"sin\(\) takes 1 positional argument but 2 were given"),
        (lambda: ADNumber("3"), TypeError, r"'3' \(str\) is no real number"),
        (lambda: ADNumber(1j), TypeError, r"1j \(complex\) is no real number"),
        (lambda: ADNumber(1.0) + "a", TypeError, r"'a' \(str\) is no real number"),
        (lambda: ADNumber(1.0) * torch.tensor(2.0), TypeError, r"for tensors use torch"),
        (lambda: torch.tensor(2.0) * ADNumber(1.0), TypeError, r"for tensors use torch"),
        (lambda: np.array([1.0, 2.0]) * ADNumber(1.0), TypeError, r"array\(\[1., 2.\]\) \(ndarray\) is no real number"),
        (lambda: ADNumber(1.0).grad("x"), TypeError, r"grad\(\) was given 'x' \(str\); give the ADNumber itself"),  # type: ignore[arg-type]
        (lambda: math.sin(ADNumber(1.0)), TypeError, r"must be real number, not ADNumber"),  # type: ignore[arg-type]
    ],
)
def test_what_has_no_value_is_refused_as_python_refuses_it(
    act: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        act()


def test_values_are_compared_and_a_branch_is_not_differentiated() -> None:
    x, y = ADNumber(2.0), ADNumber(3.0)
    assert x < y
    assert x <= 2 < y
    assert y > x >= 2
    assert x == 2
    assert x != y
    assert x is not None
    assert x != "2"
    assert not ADNumber(0.0)
    result = x * x if x < y else y
    assert result.grad(x) == 4
    assert {x: "x", ADNumber(2.0): "other"}[x] == "x"  # equal values are not the same number
    assert len({x, ADNumber(2.0)}) == 2


def test_a_number_says_what_it_is() -> None:
    x = ADNumber(2, "x")
    assert repr(x) == "ADNumber(2.0, 'x')"
    assert repr(x * 3) == "ADNumber(6.0, op='mul')"


def test_an_operation_of_ones_own_is_one_line() -> None:
    x = ADNumber(0.5, "x")
    y = ADNumber(math.cosh(x.value), op="cosh", operands=[(x, math.sinh(x.value))])
    f = 2 * y
    assert f.grad(x) == pytest.approx(2 * math.sinh(0.5))
    assert [node.op for node in gad.trace(f).node_list if node.kind == "op"] == ["cosh", "mul"]


def test_the_engine_can_be_read_in_one_sitting() -> None:
    source = SOURCE.read_text("utf-8")
    assert len(source.splitlines()) < 240
    assert not [line for line in source.splitlines() if line.startswith(("import", "from")) and "graphviz_ad" in line]


def test_the_names_are_public_and_shadow_nothing_of_python() -> None:
    assert gad.max is max_
    assert gad.min is min_
    names: dict[str, Any] = {}
    exec("from graphviz_ad import *", names)
    assert names["sin"] is sin
    assert names["ADNumber"] is ADNumber
    assert "max" not in names
    assert "min" not in names
    with pytest.raises(AttributeError, match="has no attribute 'maximum'"):
        gad.maximum  # noqa: B018


# --- graphs


def seed(x1: Any, x2: Any, sin: Any, exp: Any) -> Any:
    s = sin(x2)
    above = 1 + s
    below = x2 + exp(x1)
    q = above / below
    f = q + x1 * x2
    return f


def ours(x1: Any, x2: Any) -> Any:
    return seed(x1, x2, sin, exp)


def theirs(x1: Any, x2: Any) -> Any:
    return seed(x1, x2, torch.sin, torch.exp)


def facts(graph: gad.Graph) -> list[tuple[Any, ...]]:
    def number(snap: gad.Snapshot | None) -> Any:
        return None if snap is None else pytest.approx(float(snap.item().real), abs=1e-15)

    def of(node: gad.Node) -> tuple[Any, ...]:
        edges = [
            (graph.nodes[edge.tail].name, edge.slot, edge.cut, number(edge.local), number(edge.grad))
            for edge in graph.in_edges(node.key)
        ]
        return (
            node.kind,
            node.name,
            node.op,
            number(node.value),
            number(node.grad),
            node.requires_grad,
            node.is_output,
            edges,
        )

    return [of(node) for node in graph.node_list]


def test_the_graph_is_the_one_that_torch_gives_for_the_same_program() -> None:
    found, expected = gad.trace(ours, ADNumber(1.5), 0.5), gad.trace(theirs, 1.5, 0.5)
    assert facts(found) == facts(expected)
    assert found.check().ok
    assert (
        found.animate(layout="layered").transcript().splitlines()[1:10]
        == expected.animate(layout="layered").transcript().splitlines()[1:10]
    )


def test_a_finished_number_knows_its_whole_graph() -> None:
    x1 = ADNumber(1.5)
    x2 = ADNumber(0.5)
    f = ours(x1, x2)
    graph = gad.trace(f)
    assert [(node.kind, node.name, node.op) for node in graph.node_list] == [
        (node.kind, node.name, node.op) for node in gad.trace(ours, ADNumber(1.5), 0.5).node_list
    ]
    assert graph.find("x2").grad == gad.Snapshot((), "float64", 1.6165488003791766)
    assert graph.name == "f"
    total = x1 * x2
    assert gad.trace(total).name == "total"
    assert (x1.gradient, f.gradient) == (None, None)


def test_names_are_those_given_then_parameters_then_variables() -> None:
    def program(a: Any, b: Any) -> Any:
        total = a
        for _ in range(2):
            total = total * b
        return total + 1

    graph = gad.trace(program, ADNumber(2.0, "first"), ADNumber(3.0))
    assert [node.name for node in graph.node_list] == ["first", "b", "total", "total", None, None]
    assert [node.source.partition(":")[0] for node in graph.node_list if node.source] == ["test_ad_number.py"] * 3


def test_several_outputs_and_upstream_gradients() -> None:
    def roots(x: Any) -> dict[str, Any]:
        return {"first": sqrt(x), "both": [sqrt(x), 5]}

    graph = gad.trace(roots, ADNumber(4.0), grad_outputs=[4.0, 8.0])
    assert graph.find("x").grad == gad.Snapshot((), "float64", 3.0)
    assert [node.ports[0].upstream for node in graph.outputs] == [
        gad.Snapshot((), "float64", 4.0),
        gad.Snapshot((), "float64", 8.0),
    ]
    assert graph.outputs[0].name == "first"
    assert graph.check().ok
    same = ADNumber(4.0, "x")
    twice = gad.trace([same * 2, same])
    assert [node.is_output for node in twice.node_list] == [True, False, True]
    assert twice.find("x").grad == gad.Snapshot((), "float64", 3.0)


def test_inputs_may_be_nested_and_unused() -> None:
    def program(weights: list[Any], x: Any, unused: Any) -> Any:
        return weights[0] * x + weights[1]

    graph = gad.trace(program, [ADNumber(2.0), 3], x=4.0, unused=5.0)
    assert [(node.name, node.cut) for node in graph.node_list[:4]] == [
        ("weights[0]", None),
        ("weights[1]", None),
        ("x", None),
        ("unused", "unreached"),
    ]
    assert [edge.cut for edge in graph.out_edges(graph.find("unused").key)] == []


def test_less_is_kept_where_less_is_asked_for() -> None:
    x = ADNumber(2.0, "x")
    graph = gad.trace(x * x, capture=gad.Capture(values="none", gradients="none", local=False, source=False))
    assert all(node.value is None and node.grad is None and node.source is None for node in graph.node_list)
    assert all(edge.local is None and edge.grad is None for edge in graph.edges)
    assert not graph.has_gradients


def test_bad_calls_are_refused() -> None:
    x = ADNumber(2.0, "x")
    with pytest.raises(NoTensorError, match=r"returned 3 \(int\), in which there is no ADNumber"):
        gad.trace(lambda x: 3, x)
    with pytest.raises(GradOutputsError, match="grad_outputs has 2 gradients, but there is 1 output;"):
        gad.trace(x * 2, grad_outputs=[1, 2])
    with pytest.raises(GradOutputsError, match="not made of numbers"):
        gad.trace(x * 2, grad_outputs="a")
    with pytest.raises(ZeroDivisionError, match="cannot be computed"):
        gad.trace(lambda x: 1 / (x - 2), x)


def test_a_list_that_holds_itself_ends() -> None:
    endless: list[Any] = [ADNumber(2.0)]
    endless += [endless, endless]
    assert gad.trace(endless).outputs[0].kind == "leaf"


def test_it_is_drawn_and_animated_like_torch() -> None:
    x1, x2 = ADNumber(1.5, "x1"), ADNumber(0.5, "x2")
    f = sin(x2) * x1
    picture, film = f.plot(layout="layered"), f.animate("backward", layout="layered")
    assert [line.text for line in picture.scene.boxes[-1].lines][:2] == ["f = v₁·x₁", "0.7191"]
    assert "df/dx₂ = df/dv₁ · ∂v₁/∂x₂ = 1.5 × 0.8776 = 1.316" in film.transcript()
    assert {line.text for arrow in picture.scene.arrows for line in arrow.lines} >= {"∂f/∂v₁ = 1.5", "← 1.316"}


def test_a_graph_of_numbers_is_saved_and_read_again(tmp_path: Path) -> None:
    graph = gad.trace(ours, ADNumber(1.5), 0.5)
    path = graph.plot(layout="layered").save(tmp_path / "g.json")
    assert gad.Graph.load(path).to_json() == graph.to_json()


def test_no_torch_is_needed() -> None:
    code = (
        "import sys, graphviz_ad as gad\nx = gad.ADNumber(2.0)\nf = gad.sin(x) *"
        " x\nprint(f.plot(layout='layered').to_svg().count('sin'), bool({'torch', 'sympy', 'matplotlib'} &"
        " set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    count, loaded = done.stdout.split()
    assert int(count) > 1
    assert loaded == "False"
