"""Forward mode: tangents against torch.func.jvp and against reverse mode, on pictures, and what both modes cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import graphviz_ad as gad
from graphviz_ad import ADNumber
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.cli import commands as cli
from graphviz_ad._internal.output.format_table import STILLS
from graphviz_ad._internal.scene.paint import label_size, line_size
from graphviz_ad._internal.scene.scene import Scene


def baydin(x1: Any, x2: Any) -> Any:
    v1 = torch.log(x1)
    v2 = x1 * x2
    v3 = torch.sin(x2)
    v4 = v1 + v2
    v5 = v4 - v3
    return v5


def number(snap: gad.Snapshot | None) -> float:
    assert snap is not None
    return float(snap.item().real)


# --- numbers


@pytest.mark.parametrize(
    ("wrt", "expected"),
    [
        ("x1", {"x1": 1, "x2": 0, "v1": 0.5, "v2": 5, "v3": 0, "v4": 5.5, "v5": 5.5}),
        ("x2", {"x1": 0, "x2": 1, "v1": 0, "v2": 2, "v3": 0.28366218546322625, "v4": 2, "v5": 1.7163378145367738}),
    ],
)
def test_the_forward_trace_of_the_survey_comes_out(wrt: str, expected: dict[str, float]) -> None:
    found = gad.trace(baydin, 2.0, 5.0).tangents(wrt)
    assert {name: number(found[name]) for name in expected} == pytest.approx(expected, abs=1e-15)
    assert found.forward == pytest.approx(expected["v5"], abs=1e-15)
    assert found.reverse == pytest.approx(expected["v5"], abs=1e-15)
    assert found.wrt == wrt


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "seed": (lambda x1, x2: (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2, (1.5, 0.5)),
    "twice the same": (lambda x: x * x * x, (3.0,)),
    "two outputs": (lambda x: (torch.sqrt(x), x**2), (4.0,)),
    "elementwise": (lambda x, y: torch.tanh(x) * torch.sigmoid(y) - y / x, ([1.0, -2.0, 0.5], [0.3, 0.1, -1.0])),
    "broadcast": (lambda X, b: X * b + b, ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [10.0, -1.0])),
    "broadcast to a column": (lambda X, c: X / c, ([[1.0, 2.0], [3.0, 4.0]], [[2.0], [4.0]])),
    "a number times a vector": (lambda s, v: s * v, (2.0, [1.0, 2.0, 3.0])),
    "sum": (lambda x: (x * x).sum(), ([1.0, 2.0, 3.0],)),
    "mean of a matrix": (lambda X: torch.exp(X).mean(), ([[0.1, 0.2], [0.3, -0.4]],)),
    "dot": (lambda a, b: torch.dot(a, b), ([1.0, 2.0], [3.0, -4.0])),
    "matrix product": (lambda A, B: A @ B, ([[1.0, 2.0], [3.0, 4.0]], [[0.5], [-1.0]])),
    "matrix times vector": (lambda A, v: torch.tanh(A @ v), ([[0.1, 0.2], [0.3, 0.4]], [1.0, -1.0])),
    "vector times matrix": (lambda v, A: v @ A, ([1.0, -1.0], [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]])),
    "softmax": (lambda x: torch.softmax(x, 0) * x, ([0.5, 1.0, -1.0],)),
    "log softmax": (lambda x: torch.log_softmax(x, 0), ([0.5, 1.0, -1.0],)),
    "mean squared error": (lambda a, b: F.mse_loss(a, b), ([0.5, 1.0], [0.0, 2.0])),
    "reshape": (lambda x: x.reshape(2, 2) * 2, ([1.0, 2.0, 3.0, 4.0],)),
    "relu and max": (lambda x, y: F.relu(x) + torch.maximum(x, y), ([1.0, -1.0, 2.0], [0.5, 0.5, 3.0])),
    "norm": (lambda x: torch.linalg.vector_norm(x), ([3.0, 4.0],)),
    "sums along dimensions": (lambda X: X.sum(1) * X.mean(1, keepdim=True), ([[1.0, 2.0, 3.0], [4.0, 5.0, -6.0]],)),
    "running sum, backwards": (lambda x: torch.flip(torch.cumsum(x, 0), [0]) ** 2, ([1.0, 2.0, 3.0],)),
    "parts": (lambda x: x[0] * x[1:] + x[:-1], ([1.0, 2.0, 3.0],)),
    "a column": (lambda X: X[:, 1] ** 2, ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],)),
    "a column of rows that are all": (lambda X: X[0:2, 1] ** 2, ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],)),
    "joined": (lambda x, y: torch.cat([x, y * y]) * torch.stack([x, y, x]).sum(), ([1.0, 2.0], [3.0, 4.0])),
    "joined along columns": (lambda X: torch.cat([X, 2 * X], 1) ** 2, ([[1.0, 2.0], [3.0, 4.0]],)),
    "turned": (lambda X: X.T @ X.transpose(0, 1).permute(1, 0), ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],)),
    "repeated": (lambda x: x.repeat(2) * x.expand(3, 2).reshape(6)[:4], ([1.0, 2.0],)),
    "softmax of rows": (lambda X: torch.softmax(X, 1) * torch.log_softmax(X, 0), ([[1.0, 2.0], [3.0, 4.5]],)),
    "cross entropy": (lambda X: F.cross_entropy(X, torch.tensor([0, 2])), ([[1.0, 2.0, -1.0], [3.0, 4.0, 0.5]],)),
    "layer": (
        lambda x, W, b: torch.tanh(F.linear(x, W, b)),
        ([[0.5, -1.0]], [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], [0.0, 0.1, 0.2]),
    ),
}


def directions(inputs: tuple[Any, ...], salt: int) -> list[np.ndarray[Any, Any]]:
    return [np.random.default_rng(salt + i).normal(size=np.shape(each)) for i, each in enumerate(inputs)]


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own use of it in jvp
@pytest.mark.parametrize("name", PROGRAMS)
def test_tangents_of_outputs_are_those_of_jvp(name: str) -> None:
    program, inputs = PROGRAMS[name]
    graph = gad.trace(program, *inputs)
    names = [node.name for node in graph.node_list if node.kind == "leaf"]
    moves = directions(inputs, 1)
    given = dict(zip(program.__code__.co_varnames, moves, strict=False))
    assert set(names) == set(given)
    found = graph.tangents(given)
    _, expected = torch.func.jvp(
        program, tuple(torch.tensor(each, dtype=torch.float64) for each in inputs), tuple(map(torch.tensor, moves))
    )
    wanted = expected if isinstance(expected, tuple) else (expected,)
    snaps = list(found.outputs.values())
    assert len(snaps) == len(wanted)
    for snap, each in zip(snaps, wanted, strict=True):
        assert snap is not None
        assert snap.array == pytest.approx(each.numpy(), rel=1e-12, abs=1e-14)
    assert found.forward == pytest.approx(found.reverse, rel=1e-12, abs=1e-14)


@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=40, deadline=None)
def test_both_modes_agree_on_any_direction(x1: float, x2: float, d1: float, d2: float) -> None:
    a, b = ADNumber(x1, "a"), ADNumber(x2, "b")
    f = gad.max(a * b, gad.log(a)) ** 2 / (1 + gad.exp(-b)) - gad.relu(a - b)
    found = gad.trace(f).tangents({"a": d1, "b": d2})
    assert found.forward == pytest.approx(d1 * f.grad(a) + d2 * f.grad(b), rel=1e-9, abs=1e-12)
    assert found.forward == pytest.approx(found.reverse, rel=1e-9, abs=1e-12)


def test_tangents_stop_where_gradients_do() -> None:
    def program(x: Any) -> Any:
        y = x * x
        u = y.detach()
        z = u * x
        return z.sum()

    found = gad.trace(program, [1.0, 2.0, 3.0]).tangents({"x": [1, 0, 0]})
    assert found["y"].array.tolist() == [2, 0, 0]  # type: ignore[union-attr]
    assert found["u"].array.tolist() == [0, 0, 0]  # type: ignore[union-attr]
    assert found["z"].array.tolist() == [1, 0, 0]  # type: ignore[union-attr]
    assert found.forward == found.reverse == 1


def test_what_cannot_be_known_is_unknown_and_so_is_what_needs_it() -> None:
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 3

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * 3

    def program(x: Any, y: Any) -> Any:
        a = y * 2
        b = Own.apply(x)
        c = b.sum()
        return c + a

    graph = gad.trace(program, [1.0, 2.0], 3.0)
    found = graph.tangents("x")
    assert found["b"] is None
    assert found["c"] is None
    assert found.forward is None
    assert number(found["a"]) == 0
    assert number(graph.tangents("y")["c"]) == 0  # the same operation, but nothing moves there
    assert number(graph.tangents("y")[graph.outputs[0].key]) == 2
    lines = [
        line.text
        for box in graph.plot(tangents="x", layout="layered").scene.boxes
        for line in box.lines
        if line.role == "tangent"
    ]
    assert "tangent ?" in lines


def test_a_slope_that_is_infinite_does_not_reach_what_does_not_move() -> None:
    a, b = ADNumber(0.0, "a"), ADNumber(2.0, "b")
    graph = gad.trace(gad.sqrt(a) + b)
    assert graph.tangents("b").forward == 1
    assert graph.tangents("a").forward == np.inf


def test_an_intermediate_result_may_move_too() -> None:
    graph = gad.trace(baydin, 2.0, 5.0)
    found = graph.tangents("v2")
    assert (number(found["v1"]), number(found["v4"]), number(found["v5"])) == (0, 1, 1)


def test_an_input_goes_before_variables_of_its_name() -> None:
    def program(x: Any) -> Any:
        for _ in range(3):
            x = 2 * x
        return x

    assert gad.trace(program, 1.0).tangents("x").forward == 8


@pytest.mark.parametrize(
    ("wrt", "error", "message"),
    [
        ("x3", UnknownNameError, r"no node named 'x3'.*Choose from: c, x1, x2"),
        ({}, OptionError, r"\{\} is no direction; give the name of an input"),
        (3, OptionError, r"3 is no direction"),
        ({"x1": [1, 2]}, OptionError, r"the movement of 'x1' has shape \(2,\), but x1 has shape \(\)"),
        ({"x1": "a"}, OptionError, r"'a' is no movement for 'x1'"),
        ({"x1": 1, "c": 1}, UnknownNameError, r"no input that takes a gradient named 'c'"),
    ],
)
def test_directions_that_mean_nothing_are_refused(wrt: Any, error: type[Exception], message: str) -> None:
    c = torch.tensor(2.0, dtype=torch.float64)
    graph = gad.trace(lambda x1, x2, c: x1 * x2 * c, 2.0, 5.0, c)
    with pytest.raises(error, match=message):
        graph.tangents(wrt)


def test_the_table_says_formula_value_and_tangent() -> None:
    text = str(gad.trace(baydin, 2.0, 5.0).tangents("x1")).splitlines()
    assert text[0] == "Tangents of baydin: x₁ moves by 1, the other input rests."
    assert [line.split() for line in text[1:4]] == [["value", "tangent"], ["x₁", "2", "1"], ["x₂", "5", "0"]]
    assert text[-2].split() == ["v₅", "=", "v₄", "−", "v₃", "11.65", "5.5"]
    assert text[-1] == "dv₅/dx₁: 5.5 by forward mode, 5.5 by reverse mode."
    both = str(gad.trace(baydin, 2.0, 5.0).tangents({"x1": 1, "x2": 0.5}))
    assert "x₁ moves by 1 and x₂ moves by 0.5." in both
    assert "The derivative of v₅ in this direction: 6.358169 by forward mode, 6.358169 by reverse mode." in both


# --- pictures


def words(scene: Scene, role: str) -> list[str]:
    return [line.text for part in (*scene.boxes, *scene.arrows) for line in part.lines if line.role == role]


def test_both_modes_stand_on_one_picture() -> None:
    graph = gad.trace(baydin, 2.0, 5.0)
    scene = graph.plot(tangents="x1", layout="layered").scene
    assert words(scene, "tangent") == [
        f"d{name}/dx₁ = {value}"
        for name, value in zip(
            ("x₁", "x₂", "v₁", "v₂", "v₃", "v₄", "v₅"), ["1", "0", "0.5", "5", "0", "5.5", "5.5"], strict=True
        )
    ]
    assert words(scene, "gradient")[:2] == [".grad 5.5", ".grad 1.716"]
    assert sorted(words(scene, "forward")) == sorted(["→ 0.5", "→ 5", "→ 0.5", "→ 5", "→ 5.5"])
    assert scene.legend[-2:] == ("tangent", "forward")
    assert (
        scene.notes[-1]
        == "Tangents of baydin: x₁ moves by 1, the other input rests. All derivatives take 2 sweeps in forward mode and"
        " 1 in reverse mode."
    )
    assert "Tangents of the outputs: v₅ 5.5." in scene.alt
    assert "tangent: dv₅/dx₁ = 5.5" in map(str, scene.boxes[-1].hover)
    assert words(graph.plot(layout="layered").scene, "tangent") == []


def test_a_direction_of_several_numbers_is_called_a_tangent() -> None:
    scene = gad.trace(PROGRAMS["layer"][0], *PROGRAMS["layer"][1]).plot(tangents="x", layout="layered").scene
    assert words(scene, "tangent")[0] == "tangent [[1, 1]]"
    assert "tangent 0" in words(scene, "tangent")
    assert "direction" in scene.legend


def test_boxes_and_labels_hold_what_was_added() -> None:
    scene = gad.trace(baydin, 2.0, 5.0).plot(tangents="x1", layout="layered").scene
    for box in scene.boxes:
        assert max(line_size(line)[0] for line in box.lines) + 16 <= box.width
        assert sum(line_size(line)[1] for line in box.lines) <= box.height
    for arrow in scene.arrows:
        assert (arrow.width, arrow.height) == pytest.approx(label_size(arrow.lines))


@pytest.mark.parametrize("theme", ["light", "dark", "print", "cs231n", "auto"])
def test_every_theme_and_format_draws_tangents(theme: str, tmp_path: Path) -> None:
    picture = gad.trace(baydin, 2.0, 5.0).plot(tangents="x1", theme=theme, layout="layered")
    for suffix in {*STILLS} if theme == "light" else {".svg"}:
        path = picture.save(tmp_path / f"p{suffix}")
        if suffix in (".svg", ".dot", ".html"):
            assert "dv₅/dx₁" in path.read_text("utf-8"), suffix


def test_no_values_and_no_gradients_are_shown_where_nobody_wants_them() -> None:
    scene = (
        gad.trace(baydin, 2.0, 5.0)
        .plot(tangents="x2", gradients=False, values=False, local=False, layout="layered")
        .scene
    )
    assert words(scene, "gradient") == words(scene, "value") == words(scene, "local") == []
    assert words(scene, "tangent")[-1] == "dv₅/dx₂ = 1.716"


def test_the_command_line_draws_them(tmp_path: Path) -> None:
    path = tmp_path / "f.svg"
    assert (
        cli.main(
            [
                "plot",
                "v1=log(x1); f=v1+x1*x2",
                "x1=2",
                "x2=5",
                "--tangents",
                "x1",
                "--layout",
                "layered",
                "-o",
                str(path),
            ]
        )
        == 0
    )
    assert "df/dx₁ = 5.5" in re.sub(r"</?tspan[^>]*>", "", path.read_text("utf-8"))


# --- costs


def test_the_cost_of_each_mode_is_counted() -> None:
    costs = gad.trace(baydin, 2.0, 5.0).mode_costs()
    assert (costs.inputs, costs.outputs, costs.operations, costs.products) == (2, 1, 5, 8)
    assert (costs.reverse_sweeps, costs.forward_sweeps) == (1, 2)
    lines = str(costs).splitlines()
    assert lines[0] == "baydin: 2 inputs, 1 output, 5 operations."
    assert lines[2].split() == ["reverse", "mode", "1", "sweep", "one", "for", "each", "output", "8", "products"]
    assert lines[3].split() == ["forward", "mode", "2", "sweeps", "one", "for", "each", "input", "16", "products"]
    assert "Here forward mode is 2 times the work" in lines[-1]


def test_the_better_mode_depends_on_the_function() -> None:
    wide = gad.trace(lambda x: x * torch.ones(5, dtype=torch.float64), 2.0).mode_costs()
    assert (wide.forward_sweeps, wide.reverse_sweeps) == (1, 5)
    assert "Here reverse mode is 5 times the work" in str(wide)
    even = gad.trace(lambda x: x * 2, 2.0).mode_costs()
    assert "Both are the same work here" in str(even)
    layer = gad.trace(torch.nn.Linear(20, 1), torch.ones(20)).mode_costs()
    assert (layer.inputs, layer.outputs) == (21, 1)
