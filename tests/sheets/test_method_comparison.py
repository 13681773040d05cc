"""Numeric, symbolic and automatic derivatives side by side: what each gives, how far off it is, what it costs, and
the picture of it.
"""

from __future__ import annotations

import base64
import math
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import graphviz_ad as gad
from graphviz_ad import ADNumber
from graphviz_ad._internal.base.errors import NoTensorError, OptionError, ReplayError, SaveError, UnknownNameError
from graphviz_ad._internal.check.replay import Replay
from graphviz_ad._internal.maths.finite_differences import KINDS, STEPS, central, error_curve, forward, relative_error
from graphviz_ad._internal.output.chart import CHARTS
from graphviz_ad._internal.scene.canvas import Label, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.themes import THEMES
from graphviz_ad._internal.sheets.method_comparison import Comparison
from graphviz_ad._internal.sheets.symbolic import derive, size_written_out


def seed(x1: Any, x2: Any) -> Any:
    return (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2


def logistic(x: Any) -> Any:
    for _ in range(4):
        x = 4 * x * (1 - x)
    return x


@pytest.fixture(scope="module")
def seeds() -> Comparison:
    return gad.compare_methods(seed, 1.5, 0.5)


# --- differences


def test_differences_are_what_their_formulas_say() -> None:
    def function(x: Any) -> float:
        return float(x[0] ** 2 * x[1])

    at = np.array([3.0, 2.0])
    assert forward(function, at, 0.5).tolist() == [(3.5**2 * 2 - 18) / 0.5, (9 * 2.5 - 18) / 0.5]
    assert central(function, at, 0.5).tolist() == [(3.5**2 * 2 - 2.5**2 * 2) / 1, (9 * 2.5 - 9 * 1.5) / 1]
    assert at.tolist() == [3.0, 2.0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_evaluations_of_a_step_are_counted_right(kind: str) -> None:
    calls: list[Any] = []

    def function(x: Any) -> float:
        calls.append(tuple(x))
        return float(x.sum())

    once = error_curve(kind, function, np.ones(5), np.ones(5), steps=[0.1])
    forward_evaluates_once_more_than_inputs = 6 if kind == "forward" else 10
    assert len(calls) == once.evaluations == forward_evaluates_once_more_than_inputs


def test_errors_make_a_v() -> None:
    exact = np.array([math.cos(1.0)])
    for kind, order in (("forward", 1), ("central", 2)):
        found = error_curve(kind, lambda x: math.sin(x[0]), np.array([1.0]), exact)
        assert found.steps == STEPS
        errors = dict(zip((round(2 * math.log10(step)) for step in STEPS), found.errors, strict=True))
        assert errors[-4] / errors[-6] == pytest.approx(10**order, rel=0.02)  # steps 1e-2 and 1e-3
        assert found.errors[-1] > 0.01  # 1e-16: nothing is left
        assert 0 < found.best < len(STEPS) - 1
        assert found.errors[found.best] < (1e-7, 1e-10)[order - 1]


def test_errors_are_shares_of_the_largest_derivative() -> None:
    assert relative_error(np.array([10.5, 0.0]), np.array([10.0, 0.1])) == 0.05
    assert relative_error(np.array([0.25]), np.array([0.0])) == 0.25


# --- the comparison


def test_each_method_finds_the_derivatives_as_exactly_as_it_can(seeds: Comparison) -> None:
    assert list(seeds.inputs.items()) == [("x1", 1.5), ("x2", 0.5)]
    expected = (0.232833747475597508622, 1.61654880037917667325)
    assert seeds.exact == pytest.approx(expected, abs=1e-16)
    errors = {method.name.partition(",")[0]: method.error for method in seeds.methods}
    for name, low, high in (
        ("forward differences", 1e-10, 1e-7),
        ("central differences", 1e-14, 1e-10),
        ("symbolic", 0, 1e-15),
        ("automatic", 0, 1e-15),
    ):
        error = errors[name]
        assert error is not None
        assert low <= error <= high, name
        assert seeds[name].derivatives == pytest.approx(expected, rel=1e-6)
    assert seeds["automatic, reverse"].derivatives == pytest.approx(expected, abs=1e-15)
    assert seeds["automatic, forward"].derivatives == pytest.approx(expected, abs=1e-15)


def test_what_each_method_costs_is_said(seeds: Comparison) -> None:
    costs = {
        method.name.partition(", best")[0]: (method.evaluations, method.sweeps, method.operations)
        for method in seeds.methods
    }
    assert costs == {
        "forward differences": (3, None, 21),
        "central differences": (4, None, 28),
        "symbolic": (None, None, 21),
        "automatic, forward mode": (1, 2, 7 + 2 * 11),
        "automatic, reverse mode": (1, 1, 7 + 11),
    }


def test_it_prints_as_a_table_with_formulas_and_what_they_teach(seeds: Comparison) -> None:
    text = str(seeds)
    lines = text.splitlines()
    assert lines[0] == "Three ways to differentiate seed at x₁ = 1.5, x₂ = 0.5"
    assert re.split(r" {2,}", lines[2].strip()) == [
        "d seed/dx₁",
        "d seed/dx₂",
        "error",
        "evaluations",
        "sweeps",
        "operations",
    ]
    assert lines[-5].startswith("d seed/dx₂ = ")
    assert "d seed/dx₁ = x₂ − (sin(x₂) + 1)·exp(x₁) / (x₂ + exp(x₁))²   (9 operations)" in lines
    assert "Symbolic: exact, but formulas grow: 7 operations became 21." in lines
    assert repr(seeds) == text
    assert len({len(line) for line in lines[2:8]}) == 1  # the columns end together


def test_formulas_swell() -> None:
    found = gad.compare_methods(logistic, 0.3)
    assert found.symbolic is not None
    assert found.symbolic.derivatives["x"].operations > 5 * found.symbolic.function.operations
    x = 0.3
    slope = 1.0
    for _ in range(4):
        x, slope = 4 * x * (1 - x), slope * (4 - 8 * x)
    assert found.exact == pytest.approx((slope,), rel=1e-14)
    assert found["automatic, reverse"].operations < found["symbolic"].operations


def test_a_formula_that_nobody_could_write_out_is_left_out_with_its_size() -> None:
    def diamonds(x: Any) -> Any:
        for _ in range(60):
            x = torch.sin(x) + 0.1 * x
        return x

    found = gad.compare_methods(diamonds, 0.3)
    assert found.symbolic is None
    assert "about 10¹⁸ operations" in found.notes[0]
    assert found["automatic, reverse"].error is None
    assert found.measured_by == "automatic differentiation"
    assert "taken as exact" in str(found)
    graph = gad.trace(lambda x: (x + x) * (x + x), 1.0)
    assert size_written_out(graph) == 3


def test_one_input_may_be_chosen() -> None:
    found = gad.compare_methods(seed, 1.5, x2=0.5, wrt="x2")
    assert dict(found.inputs) == {"x2": 0.5}
    assert found["forward"].evaluations == 2
    assert found.exact == pytest.approx((1.6165488003791766,))
    assert "d seed/dx₁" not in str(found)


def test_vectors_have_a_derivative_for_each_element() -> None:
    def layer(x: Any, W: Any) -> Any:
        return torch.softmax(torch.tanh(x @ W), 0)[0]

    found = gad.compare_methods(layer, [1.0, 0.2], [[0.1, 0.2], [-0.4, 0.5]])
    assert list(found.inputs) == ["x[0]", "x[1]", "W[0, 0]", "W[0, 1]", "W[1, 0]", "W[1, 1]"]
    assert found["central"].error is not None
    assert found["central"].error < 1e-9
    assert any("works on vectors" in note for note in found.notes)
    assert "  …  " in str(found)


def test_outputs_are_summed() -> None:
    found = gad.compare_methods(lambda x: (x * x, torch.sqrt(x)), 4.0)
    assert found.exact == (8.25,)
    assert found.result == "L"


def test_single_precision_is_what_it_is() -> None:
    x1, x2 = (torch.tensor(value, requires_grad=True) for value in (1.5, 0.5))
    found = gad.compare_methods(seed, x1, x2)
    assert found["central"].error is not None
    assert found["central"].error > 1e-7
    error = found["automatic, reverse"].error
    assert error is not None
    assert 1e-10 < error < 1e-6


def test_the_teaching_engine_is_compared_as_well() -> None:
    def program(x: Any, y: Any) -> Any:
        return gad.log(x) * y + gad.sin(x * y)

    found = gad.compare_methods(program, ADNumber(0.01, "x"), ADNumber(3.0))
    assert list(found.inputs) == ["x", "y"]
    assert found.exact == pytest.approx(
        (3 / 0.01 + 3 * math.cos(0.03), math.log(0.01) + 0.01 * math.cos(0.03)), rel=1e-14
    )
    central_errors = found.curves[1].errors
    assert math.isnan(central_errors[0])  # x - 1 is negative, and has no logarithm
    assert found["central"].error == min(error for error in central_errors if error == error)
    finished = gad.compare_methods(gad.sin(ADNumber(2.0, "q")) * 3)
    assert finished.exact == pytest.approx((3 * math.cos(2.0),))
    with pytest.raises(OptionError, match="two inputs have the same name"):
        gad.compare_methods(program, ADNumber(1.0, "a"), ADNumber(2.0, "a"))


def test_where_automatic_differentiation_says_something_else_the_words_say_so() -> None:
    for program, at in (
        (lambda x: x.detach() * x, 2.0),
        (lambda x: torch.relu(x), 0.0),
        (lambda x: (x.detach() * x).sum(), [1.0, 2.0]),
    ):
        found = gad.compare_methods(program, at)
        assert not found.agree
        assert "The methods disagree" in str(found)
        assert "as exact as the formula" not in str(found)


# --- nothing of the user's is changed, and nothing is drawn anew


def test_a_module_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Tanh(), nn.Linear(2, 1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]])
    once = {name: tensor.clone() for name, tensor in before.items()}
    plain = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Tanh(), nn.Linear(2, 1))
    plain.load_state_dict(once)
    plain(x)
    found = gad.compare_methods(model, x)
    assert len(found.inputs) == 13
    assert found.agree
    for name, tensor in model.state_dict().items():  # the trace runs the module once, as any call does
        assert torch.equal(tensor, plain.state_dict()[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())


def test_random_numbers_are_the_same_in_every_evaluation_and_go_on_as_after_one_call() -> None:
    def program(x: Any) -> Any:
        return F.dropout(x, 0.5) * x

    torch.manual_seed(0)
    program(torch.ones(8))
    after_one_call = torch.rand(3)
    torch.manual_seed(0)
    found = gad.compare_methods(program, torch.ones(8, requires_grad=True))
    assert torch.equal(torch.rand(3), after_one_call)
    assert found.agree
    assert found["central"].derivatives == pytest.approx(found["automatic, reverse"].derivatives, abs=1e-3)
    assert set(found["automatic, reverse"].derivatives) == {0.0, 4.0}


def test_the_same_comparison_gives_the_same_picture(seeds: Comparison) -> None:
    again = gad.compare_methods(seed, 1.5, 0.5)
    assert again.plot().to_svg() == seeds.plot().to_svg()
    assert str(again) == str(seeds)


# --- refusals


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: gad.compare_methods(seed, 1.5, 0.5, wrt="x3"), UnknownNameError, r"no node named 'x3'"),
        (
            lambda: gad.compare_methods(nn.Linear(20, 20), torch.ones(20)),
            OptionError,
            r"Linear has 420 inputs .* at most 64 numbers with wrt=: .*bias",
        ),
        (lambda: gad.compare_methods(lambda: torch.ones(1)), NoTensorError, r"was given no input that requires grad"),
        (lambda: gad.compare_methods(lambda x: 3.0, 1.0), NoTensorError, r"there is no tensor"),
        (
            lambda: gad.trace(lambda x: F.dropout(x) * 2, [1.0]).compare_methods(),
            ReplayError,
            r"no formula for 'dropout' .*gad\.compare_methods\(function, inputs\)",
        ),
        (lambda: gad.trace(torch.sin(torch.ones(300)), capture=None), NoTensorError, r"requires grad"),
        (
            lambda: gad.trace(lambda x: x.sum(), torch.ones(2000, requires_grad=True)).compare_methods(),
            ReplayError,
            r"values of x are not known.*capture=Capture\(values='full'\)",
        ),
        (
            lambda: gad.compare_methods(seed, 1.5, 0.5).save("x.gif"),
            UnknownNameError,
            r"no chart format named '\.gif'.*Choose from: \.pdf, \.png, \.svg",
        ),
        (lambda: gad.compare_methods(seed, 1.5, 0.5).plot(theme="drak"), UnknownNameError, r"no theme named 'drak'"),
        (lambda: gad.compare_methods(seed, 1.5, 0.5).save("/nowhere/x.svg"), SaveError, r"create it first"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(
    act: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        act()


def test_without_sympy_everything_else_is_compared() -> None:
    code = (
        "import sys; sys.modules['sympy'] = None\n"
        "import graphviz_ad as gad\n"
        "found = gad.compare_methods(lambda x: gad.sin(x) * x, gad.ADNumber(2.0, 'x'))\n"
        "print(found.notes[0]); print(found.measured_by, len(found.methods), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    note, last = done.stdout.splitlines()
    assert "pip install 'graphviz-ad[symbolic]'" in note
    assert last == "automatic differentiation 4 False"


# --- replay


REPLAYED: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "seed": (seed, (1.5, 0.5)),
    "logistic": (logistic, (0.3,)),
    "choices": (
        lambda x, y: torch.maximum(x, y) * F.relu(x - y) + torch.abs(y) + F.leaky_relu(x),
        ([1.0, -2.0], [0.5, 0.5]),
    ),
    "layer": (lambda x, W, b: torch.sigmoid(x @ W + b).mean(), ([1.0, 2.0], [[0.1, 0.2], [0.3, 0.4]], [0.0, 0.1])),
    "loss": (lambda x, y: F.mse_loss(torch.tanh(x), y), ([1.0, 2.0], [0.5, 0.5])),
    "shapes": (lambda x: (x.reshape(2, 2) @ x.reshape(2, 2)).sum() + x.unsqueeze(0).sum(), ([1.0, 2.0, 3.0, 4.0],)),
    "detach": (lambda x: x.detach() * x, (2.0,)),
    "outputs": (lambda x: (x * x, 3 * x), (2.0,)),
    "softmax": (lambda x: torch.softmax(x, 0)[0] if False else (torch.softmax(x, 0) ** 2).sum(), ([1.0, 2.0],)),
}


@pytest.mark.parametrize("name", REPLAYED)
def test_a_graph_is_computed_again_with_other_numbers(name: str) -> None:
    program, inputs = REPLAYED[name]
    replay = Replay(gad.trace(program, *inputs))
    rng = np.random.default_rng(1)
    others = {key: array + 0.1 * rng.normal(size=array.shape) for key, array in replay.inputs.items()}
    expected = program(*(torch.tensor(array) for array in others.values()))
    total = sum(part.sum().item() for part in (expected if isinstance(expected, tuple) else (expected,)))
    assert replay(others) == pytest.approx(total, rel=1e-12)


def test_a_graph_and_its_function_are_compared_alike(seeds: Comparison) -> None:
    by_graph = gad.trace(seed, 1.5, 0.5).compare_methods()
    assert [(method.name.partition(", best")[0], method.operations) for method in by_graph.methods] == [
        (method.name.partition(", best")[0], method.operations) for method in seeds.methods
    ]
    assert by_graph.exact == seeds.exact
    assert by_graph["central"].error == pytest.approx(0, abs=1e-10)


# --- formulas


@pytest.mark.parametrize(
    ("program", "inputs"),
    [
        (seed, (1.5, 0.5)),
        (lambda a, b: torch.sigmoid(a) ** b + F.leaky_relu(a) - torch.abs(b), (1.0, 2.0)),
        (lambda a: torch.tanh(a) / torch.cosh(a) + torch.atan(a) - torch.erf(a), (0.7,)),
        (lambda a, b: torch.max(a, b) * torch.min(a, b) + torch.log2(a) + torch.log10(b), (0.7, 3.0)),
        (lambda a, b: torch.atan2(a, b) + torch.hypot(a, b) + F.softplus(a), (0.7, 3.0)),
        (lambda a: 0.1 * a + F.elu(-a) + F.prelu(a, torch.tensor([0.25], dtype=torch.float64)), (0.7,)),
        (lambda a: a.clone().reshape(1).sum() * 3, (0.7,)),
    ],
)
def test_formulas_and_gradients_agree(program: Callable[..., Any], inputs: tuple[float, ...]) -> None:
    graph = gad.trace(program, *inputs)
    found = derive(graph)
    for node in graph.node_list:
        if node.kind == "leaf":
            assert node.grad is not None
            assert node.name is not None
            assert float(found.exact[node.name]) == pytest.approx(float(node.grad.item().real), rel=1e-12)
            assert found.values[node.name] == pytest.approx(float(found.exact[node.name]), rel=1e-12)
            assert found.error(node.name, float(found.exact[node.name])) < 1e-15


def test_names_are_only_names() -> None:
    hostile = "__import__('os').system('true') <b> & $x$"
    x = ADNumber(2.0, hostile)
    found = gad.compare_methods(gad.sin(x) * x)
    assert list(found.inputs) == [hostile]
    assert found.exact == pytest.approx((math.sin(2) + 2 * math.cos(2),))
    assert found.symbolic is not None
    assert found.symbolic.values[hostile] == pytest.approx(found.exact[0])
    picture = found.plot().to_svg()
    ElementTree.fromstring(picture)
    assert "<b>" not in picture


# --- the picture


def test_the_chart_shows_every_step_and_marks_the_best(seeds: Comparison) -> None:
    canvas = seeds.plot().canvas
    points = [mark for mark in canvas.marks if isinstance(mark, Rect) and mark.part == "point"]
    assert sum(point.width == 8 for point in points) == 2 * len(STEPS)
    assert sum(point.width == 13 for point in points) == 2
    forward_points = [point for point in points if point.width == 8 and point.fill == "gradient.line"]
    heights = [point.y for point in forward_points]
    best = seeds.curves[0].best
    assert max(heights) == heights[best]  # y grows downwards: the best step is the lowest
    assert all(a.x > b.x for a, b in pairwise(forward_points))  # steps get shorter to the left
    texts = [mark.text for mark in canvas.marks if isinstance(mark, Label)]
    assert {
        "10⁻¹⁶",
        "10⁻⁸",
        "1",
        "step h",
        "forward differences",
        "central differences",
        "symbolic and automatic: right to the last digit",
    } <= set(texts)
    assert canvas.alt.startswith("Three ways to differentiate seed. Numeric: a long step misses the bend")


@pytest.mark.parametrize(
    "program",
    [
        seed,
        lambda x1, x2: 3 * x1 + x2,
        lambda x1, x2: torch.relu(x1 - 1.5) * x2,
        lambda x1, x2: torch.sqrt(x1 - 1.5) + x2,
    ],
)
def test_nothing_sticks_out_of_the_chart(program: Callable[..., Any]) -> None:
    canvas = gad.compare_methods(program, 1.5, 0.5).plot().canvas
    for mark in canvas.marks:
        if isinstance(mark, Label):
            width = text_width(mark.text, mark.size, mark.bold)
            left = mark.x - {"start": 0.0, "middle": width / 2, "end": width}[mark.anchor]
            assert left >= 0, mark.text
            assert left + width <= canvas.width + 1, mark.text
            assert 0 < mark.y < canvas.height, mark.text
            assert mark.size >= 14


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_saved_in_every_theme_and_format(seeds: Comparison, theme: str, tmp_path: Path) -> None:
    for suffix in CHARTS:
        path = seeds.save(tmp_path / f"c{suffix}", theme=theme)
        data = path.read_bytes()
        if suffix == ".svg":
            assert ElementTree.fromstring(data).tag.endswith("svg")
        elif suffix == ".png":
            with Image.open(path) as image:
                assert image.size[0] > 1800
        else:
            assert data.startswith(b"%PDF-")


def test_a_notebook_shows_picture_and_table(seeds: Comparison) -> None:
    bundle = seeds._repr_mimebundle_()
    assert bundle["text/plain"] == str(seeds)
    assert "Three ways to differentiate seed" in str(bundle["text/html"])
    assert "<svg" in str(bundle["image/svg+xml"])
    assert base64.b64decode(str(bundle["application/pdf"])).startswith(b"%PDF-")
    with pytest.warns(gad.GraphvizADWarning, match="shows itself in notebooks only"):
        assert seeds.show().to_svg() == seeds.plot().to_svg()
    assert repr(seeds.plot()) == str(seeds)


def test_python_random_state_is_left_alone() -> None:
    random.seed(1)
    before = random.getstate()
    gad.compare_methods(seed, 1.5, 0.5)
    assert random.getstate() == before
