"""The numbers printed in five lessons on autograd, from which this project grew: those that are right come out of
our graphs, the others come out right.

The programs are written anew. What a lesson printed stands here as it was printed, and is compared to as many digits as
its inputs were printed with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from programs import assert_sound, node_called
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.ad_number import ADNumber, exp, sin
from graphviz_ad._internal.graph.graph import Graph

FOUR_DIGITS = 6e-5  # what rounding to four decimals may hide


def value(graph: Graph, name: str) -> Any:
    found = node_called(graph, name)["value"]
    return found.item() if found.numel == 1 else found.array


def gradient(graph: Graph, name: str) -> Any:
    found = node_called(graph, name)["grad"]
    return found.item() if found.numel == 1 else found.array


def local(graph: Graph, tail: str, head: str) -> float:
    (edge,) = [edge for edge in graph.out_edges(graph.find(tail).key) if edge.head == graph.find(head).key]
    assert edge.local is not None
    return float(edge.local.item())


def sound(graph: Graph) -> Graph:
    assert_sound(graph)
    assert graph.check().ok
    return graph


# --- the lesson with the engine of its own


def function(x1: Any, x2: Any) -> Any:
    s = torch.sin(x2)
    n = s + 1
    e = torch.exp(x1)
    d = x2 + e
    q = n / d
    p = x1 * x2
    f = q + p
    return f


def of_floats(x1: float, x2: float) -> float:
    return (math.sin(x2) + 1) / (x2 + math.exp(x1)) + x1 * x2


STEPS = {
    ("x2", "s"): 0.8775825618903728,
    ("s", "n"): 1.0,
    ("n", "q"): 0.20073512936690338,
    ("q", "f"): 1.0,
    ("x2", "d"): 1.0,
    ("d", "q"): -0.05961284871202578,
    ("x2", "p"): 1.5,
    ("p", "f"): 1.0,
}


@pytest.mark.parametrize(
    ("step", "printed"), STEPS.items(), ids=lambda part: "-".join(part) if isinstance(part, tuple) else None
)
def test_each_local_derivative_stands_on_its_edge(step: tuple[str, str], printed: float) -> None:
    assert local(gad.trace(function, 1.5, 0.5), *step) == pytest.approx(printed, rel=1e-15)


def test_the_gradient_is_the_printed_one_by_every_way() -> None:
    graph = sound(gad.trace(function, 1.5, 0.5))
    explained = graph.explain("x2")
    assert gradient(graph, "x2") == 1.6165488003791766
    assert [path.product for path in explained.paths] == pytest.approx(
        [0.8775825618903728 * 0.20073512936690338, -0.05961284871202578, 1.5], rel=1e-15
    )
    assert explained.total == pytest.approx(1.6165488003791768, rel=1e-15)
    x1, x2 = ADNumber(1.5, "x1"), ADNumber(0.5, "x2")
    f = (sin(x2) + 1) / (x2 + exp(x1)) + x1 * x2
    f.backward()
    assert f.grad(x2) == pytest.approx(1.6165488003791766, rel=1e-15)
    assert x2.gradient == pytest.approx(1.6165488003791766, rel=1e-15)
    assert (of_floats(1.5, 0.5 + 0.0001) - of_floats(1.5, 0.5)) / 0.0001 == pytest.approx(1.6165416488078677, rel=1e-12)


def test_the_gradient_of_x1_is_right_where_the_lesson_took_x_for_the_derivative_of_exp() -> None:
    graph = gad.trace(function, 1.5, 0.5)
    wrong = 0.5 + 1.5 * 1.0 * -0.05961284871202578
    assert wrong == pytest.approx(0.410581, abs=5e-7)
    assert local(graph, "x1", "e") == math.exp(1.5)
    assert gradient(graph, "x1") == pytest.approx(0.232834, abs=5e-7)
    x1, x2 = ADNumber(1.5), ADNumber(0.5)
    assert ((sin(x2) + 1) / (x2 + exp(x1)) + x1 * x2).grad(x1) == pytest.approx(0.232834, abs=5e-7)


def test_the_finite_difference_that_was_called_that_of_tanh_is_that_of_tanh_of_one_half_x() -> None:
    def printed_program(x: Any) -> Any:
        y = torch.exp(-x)
        return (1 - y) / (1 + y)

    def tanh(x: Tensor) -> Tensor:
        return torch.tanh(x)

    half = sound(gad.trace(printed_program, 1.0))
    assert gradient(half, "x") == pytest.approx(0.39322295790622513, abs=1e-5)
    assert gradient(half, "x") == pytest.approx((1 - math.tanh(0.5) ** 2) / 2, rel=1e-14)
    assert gradient(gad.trace(tanh, 1.0), "x") == pytest.approx(0.41997434161402614, rel=1e-14)
    assert gad.compare_methods(tanh, 1.0)["symbolic"].derivatives == pytest.approx([0.41997434161402614], rel=1e-14)


def test_torch_with_the_1_as_an_input() -> None:
    x1, x2, c = (torch.tensor(number, requires_grad=True) for number in (1.5, 0.5, 1.0))
    y = (torch.sin(x2) + c) / (x2 + torch.exp(x1)) + x1 * x2
    graph = gad.trace(y)
    found = [node.grad.item() for node in graph.node_list if node.kind == "leaf" and node.grad is not None]
    assert sorted(found) == pytest.approx([0.2007, 0.2328, 1.6165], abs=FOUR_DIGITS)
    y.backward()
    assert [round(leaf.grad.item(), 4) for leaf in (x1, x2, c) if leaf.grad is not None] == [0.2328, 1.6165, 0.2007]


def twice_and_three_more(take: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def used(x: Tensor) -> Tensor:
        y = 2 * x
        z = 3 + take(x)
        return (y + z).sum()

    return used


def test_detach_takes_one_of_two_uses_out_of_the_graph() -> None:
    x = torch.ones(2, requires_grad=True)
    assert gradient(gad.trace(twice_and_three_more(lambda x: x), x), "x").tolist() == [3, 3]
    for take in (Tensor.detach, lambda x: x.data):
        graph = gad.trace(twice_and_three_more(take), x)
        assert gradient(graph, "x").tolist() == [2, 2]
        assert value(graph, "z").tolist() == [4, 4]
        assert any(edge.cut for edge in graph.edges)


def test_data_is_not_detach() -> None:
    def erased(take: Callable[[Tensor], Tensor]) -> Tensor:
        x = torch.tensor([0.0, 1.0], requires_grad=True)
        y = torch.sigmoid(x)
        take(y).zero_()
        return torch.autograd.grad(y.sum(), x)[0]

    assert erased(lambda y: y.data).tolist() == [0, 0]  # silently wrong
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        erased(Tensor.detach)


def test_no_grad_computes_and_records_nothing() -> None:
    def partly(x: Tensor) -> Tensor:
        with torch.no_grad():
            y = x * 2
        return y * x

    graph = gad.trace(partly, torch.tensor(2.0, requires_grad=True))
    assert (value(graph, "y"), graph.find("y").requires_grad, graph.find("y").autograd) == (4.0, False, ())
    assert gradient(graph, "x") == 4.0


# --- the lesson on vectors and control flow


def test_a_cube() -> None:
    assert gradient(gad.trace(lambda x: x**3, 1.0), "x") == 3.0


def test_the_dot_product_of_a_vector_with_itself() -> None:
    def twice(x: Tensor) -> Tensor:
        y = 2 * torch.dot(x, x)
        return y

    graph = sound(gad.trace(twice, [0.0, 1.0, 2.0, 3.0]))
    assert value(graph, "y") == 28
    assert gradient(graph, "x").tolist() == [0, 4, 8, 12]


def test_a_second_function_adds_its_gradient_unless_the_first_is_zeroed() -> None:
    for zeroed, held in ((True, [1, 1, 1, 1]), (False, [1, 5, 9, 13])):
        x = torch.arange(4.0, requires_grad=True)
        with gad.record() as rec:
            y = 2 * torch.dot(x, x)
            y.backward()
            if zeroed and x.grad is not None:
                x.grad.zero_()
            s = x.sum()
            s.backward()
        leaf = rec.graph.find("x")
        assert leaf.grad is not None
        assert leaf.grad.array.tolist() == [1, 1, 1, 1]
        total = leaf.ports[0].grad_total
        assert total is not None
        assert total.array.tolist() == held


@pytest.mark.parametrize(
    ("upstream", "expected"),
    [(None, [0, 2, 4, 6]), ([1.0, 1.0, 1.0, 1.0], [0, 2, 4, 6]), ([1.0, 0.1, 0.01, 0.001], [0, 0.2, 0.04, 0.006])],
)
def test_backward_of_a_vector(upstream: list[float] | None, expected: list[float]) -> None:
    def squares(x: Tensor) -> Tensor:
        y = x * x
        return y

    graph = sound(gad.trace(squares, [0.0, 1.0, 2.0, 3.0], grad_outputs=upstream))
    assert gradient(graph, "x").tolist() == pytest.approx(expected)


def test_a_detached_factor_counts_as_a_constant_and_its_own_past_stays() -> None:
    def cut(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x * x
        u = y.detach()
        z = u * x
        return z, y

    x, ones, zeros = [0.0, 1.0, 2.0, 3.0], [1.0] * 4, [0.0] * 4
    through_z = sound(gad.trace(cut, x, grad_outputs=(ones, zeros)))
    assert gradient(through_z, "x").tolist() == value(through_z, "u").tolist() == [0, 1, 4, 9]
    through_y = sound(gad.trace(cut, x, grad_outputs=(zeros, ones)))
    assert gradient(through_y, "x").tolist() == [0, 2, 4, 6]


def until_large(a: Tensor) -> Tensor:
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    c = b if b.sum() > 0 else 100 * b
    return c


@pytest.mark.parametrize(
    ("a", "slope"), [(0.7, 2**11), (1.5, 2**10), (-0.7, 100 * 2**11), (600.0, 2), (-3.25, 100 * 2**9)]
)
def test_the_gradient_of_a_loop_is_the_slope_of_the_branch_that_was_taken(a: float, slope: int) -> None:
    graph = gad.trace(until_large, a)
    assert gradient(graph, "a") == slope
    assert graph.outputs[0].value is not None
    assert graph.outputs[0].value.item() / a == pytest.approx(slope, rel=1e-12)
    assert sum(node.op == "mul" for node in graph.node_list) == int(math.log2(slope if a > 0 else slope / 100)) + (
        a < 0
    )


def test_comparing_that_slope_with_a_quotient_bit_by_bit_fails_for_some_inputs() -> None:
    """The lesson's check says True for the number that it drew; a division rounds, so it says False for others."""
    exact = []
    for number in torch.linspace(-3, -1, 200):
        a = number.clone().requires_grad_()
        c = until_large(a)
        (slope,) = torch.autograd.grad(c, a)
        exact.append(bool(slope == c / a))
        assert torch.isclose(slope, c / a)
    assert 0 < sum(exact) < len(exact)


RULES = {
    "A x": (lambda A, x: A @ x, lambda A, x: A.T, lambda J: J.T),
    "x' A": (lambda A, x: x @ A, lambda A, x: A, lambda J: J.T),
    "x' A x": (lambda A, x: x @ A @ x, lambda A, x: (A + A.T) @ x, lambda J: J[0]),
    "|x|^2": (lambda A, x: x @ x, lambda A, x: 2 * x, lambda J: J[0]),
    "|A|^2": (lambda A, x: (A**2).sum(), lambda A, x: 2 * A, None),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_rules_for_matrices_are_what_backward_gives(rule: tuple[Any, Any, Any]) -> None:
    function, expected, from_rows = rule
    A = torch.tensor([[1.0, 2.0], [-3.0, 0.5]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([2.0, -1.0], dtype=torch.float64, requires_grad=True)
    if from_rows is None:
        found = gradient(gad.trace(function, A, x), "A")
    else:
        size = function(A, x).numel()
        rows = [
            gradient(gad.trace(function, A, x, grad_outputs=unit if size > 1 else None), "x")
            for unit in torch.eye(size, dtype=torch.float64)
        ]
        found = from_rows(np.array(rows))
    assert np.allclose(found, expected(A, x).detach().numpy(), rtol=1e-14)


# --- the lesson on a network of one layer

W = [
    [0.1120, -0.0213, 0.5249],
    [-0.3198, -0.0042, -0.7752],
    [0.8590, 1.2993, -0.1937],
    [-0.1327, -0.9119, 0.6002],
    [0.4720, -1.5287, 0.9750],
]
B = [0.6012, -0.2897, 2.4452]


def one_layer(x: Tensor, w: Tensor, b: Tensor, y: Tensor) -> Tensor:
    z = torch.matmul(x, w) + b
    loss = functional.binary_cross_entropy_with_logits(z, y)
    return loss


def leaf(numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def test_the_network_of_one_layer_has_the_printed_logits_and_loss() -> None:
    x, y = torch.ones(5, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    graph = sound(gad.trace(one_layer, x, leaf(W), leaf(B), y))
    assert value(graph, "z").tolist() == pytest.approx([1.5918, -1.4565, 3.5764], abs=6 * FOUR_DIGITS)
    assert value(graph, "loss") == pytest.approx(1.8635, abs=2 * FOUR_DIGITS)
    assert graph.find("loss").autograd[-1] == "BinaryCrossEntropyWithLogitsBackward0"
    assert graph.find("z").autograd[-1] == "AddBackward0"
    assert gradient(graph, "b") == pytest.approx((1 / (1 + np.exp(-value(graph, "z")))) / 3, rel=1e-12)
    assert gradient(graph, "w") == pytest.approx(np.tile(gradient(graph, "b"), (5, 1)), rel=1e-12)
    assert {name: graph.find(name).requires_grad for name in "xywbz"} == {
        "x": False,
        "y": False,
        "w": True,
        "b": True,
        "z": True,
    }


def layers(a: Tensor, w1: Tensor, w2: Tensor, w3: Tensor, w4: Tensor) -> Tensor:
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d
    return L


def test_leaves_and_what_is_made_of_them() -> None:
    matrices = [torch.linspace(-1, k, 9).reshape(3, 3).requires_grad_() for k in range(1, 6)]
    graph = sound(gad.trace(layers, *matrices))
    kinds = {name: (graph.find(name).kind, graph.find(name).autograd) for name in ("a", "w1", "c", "d", "L")}
    made = {"c": "MulBackward0", "d": "AddBackward0", "L": "RsubBackward1"}
    assert kinds == {"a": ("leaf", ()), "w1": ("leaf", ()), **{name: ("op", (node,)) for name, node in made.items()}}
    a, w1, w2, w3, w4 = (matrix.detach().numpy() for matrix in matrices)
    for name, expected in {
        "w1": -w3 * a,
        "w2": -w4 * a,
        "w3": -w1 * a,
        "w4": -w2 * a,
        "a": -w3 * w1 - w4 * w2,
        "d": -np.ones((3, 3)),
    }.items():
        assert np.allclose(gradient(graph, name), expected, rtol=1e-6), name


def test_a_vector_can_be_differentiated_although_backward_asks_for_its_gradient() -> None:
    x = torch.arange(4.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (x * x).backward()
    assert gradient(gad.trace(lambda x: x * x, x), "x").tolist() == [0, 2, 4, 6]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_torch_keeps_no_gradient_of_an_intermediate_result_and_the_graph_does() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    with gad.record() as rec:
        y = 3 * x
        z = y**2
        z.backward()
    assert y.grad is None
    assert (gradient(rec.graph, "y"), gradient(rec.graph, "x")) == (12, 36)


@pytest.mark.parametrize(
    ("function", "again"),
    [
        (lambda x: x + 1, True),
        (lambda x: x - x, True),
        (lambda x: 3 * x, False),
        (lambda x: x * x, False),
        (torch.relu, False),
    ],
)
def test_a_second_pass_fails_where_something_was_saved_and_only_there(
    function: Callable[[Tensor], Tensor], again: bool
) -> None:
    x = torch.tensor(4.0, requires_grad=True)
    graph = gad.trace(function, x)
    assert any(node.saved for node in graph.node_list) is not again
    z = function(x)
    z.backward()
    if again:
        z.backward()
    else:
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            z.backward()


# --- the lesson on polynomials


def polynomial(x: Tensor) -> Tensor:
    w2 = x**3
    w3 = x**2
    w4 = 2 * w3
    w5 = 8 * x
    z = w2 + w4 + w5
    return z


def test_the_polynomial_step_by_step() -> None:
    graph = sound(gad.trace(polynomial, 4.0))
    tangents = graph.tangents("x")
    moved = {name: tangents[name].item() for name in ("w2", "w3", "w4", "w5", "z")}
    assert moved == {"w2": 48, "w3": 8, "w4": 16, "w5": 8, "z": 72}
    assert gradient(graph, "x") == 72
    assert {name: value(graph, name) for name in moved} == {"w2": 64, "w3": 16, "w4": 32, "w5": 32, "z": 128}


def test_the_misprints_of_its_steps_give_72_too_or_something_else_altogether() -> None:
    """As printed, w5 is 8·w2; and w6 adds w3 in place of w5, which has the right slope at 4, and only there."""

    def added(x: Tensor) -> Tensor:
        w2 = x**3
        w3 = x**2
        w4 = 2 * w3
        w6 = w2 + w4 + w3
        return w6

    assert [gradient(gad.trace(added, x), "x") for x in (4.0, 3.0, 1.0)] == [72, 45, 9]
    assert [gradient(gad.trace(polynomial, x), "x") for x in (4.0, 3.0, 1.0)] == [72, 47, 15]
    assert (value(gad.trace(added, 4.0), "w6"), value(gad.trace(polynomial, 4.0), "z")) == (112, 128)
    assert gradient(gad.trace(lambda x: 8 * x**3, 4.0), "x") == 384  # and not 8


def test_three_passes_bring_72_each_and_216_in_all() -> None:
    x = torch.tensor([4.0], requires_grad=True)
    held = []
    with gad.record() as rec:
        z = x**3 + 2 * x**2 + 8 * x
        for keep in (True, True, False):
            z.backward(retain_graph=keep)
            assert x.grad is not None
            held.append(x.grad.item())
    assert held == [72, 144, 216]
    leaves = [graph.find("x") for graph in rec.graph.passes]
    assert [leaf.grad.item() for leaf in leaves if leaf.grad is not None] == [72, 72, 72]
    totals = [leaf.ports[0].grad_total for leaf in leaves]
    assert [total.item() for total in totals if total is not None] == [72, 144, 216]


def test_no_derivative_is_there_before_the_backward_pass() -> None:
    x = torch.tensor([4.0], requires_grad=True)
    with gad.record() as rec:
        z = x**3 + 2 * x**2 + 8 * x
    assert z.grad_fn is not None
    assert not any(port.grad for node in rec.graph.node_list for port in node.ports)
    film = gad.trace(polynomial, 4.0).animate(layout="layered")
    phases = [step.phase for step in film.steps]
    assert phases.index("backward") > max(i for i, phase in enumerate(phases) if phase == "forward")


def test_two_variables() -> None:
    def z_of(x: Tensor, y: Tensor) -> Tensor:
        return x**3 + y**2 + 1 * x + 6

    graph = sound(gad.trace(z_of, 4.0, 2.0))
    assert (gradient(graph, "x"), gradient(graph, "y")) == (49, 4)
    sines = sound(gad.trace(lambda x, y: torch.sin(x) + torch.sin(y), 4.0, 2.0))
    assert gradient(sines, "x") == pytest.approx(-0.6536, abs=FOUR_DIGITS)
    assert gradient(sines, "y") == pytest.approx(-0.4161, abs=FOUR_DIGITS)


SINES = {
    5.6419: (-0.5982, 0.80134296),
    1.1369: (0.9073, 0.420412),
    4.7996: (-0.9962, 0.08707973),
    0.8205: (0.7315, 0.6818824),
    0.4615: (0.4453, 0.8953653),
    0.4596: (0.4436, 0.896241),
    2.5004: (0.5981, -0.80138785),
    1.2695: (0.9549, 0.29677498),
    2.5845: (0.5287, -0.84881455),
    0.4513: (0.4362, 0.89987385),
}
TANHS = {
    -0.1015: (-0.1012, 0.9897621),
    0.4655: (0.4345, 0.8111834),
    0.7771: (0.6510, 0.57615125),
    -0.6037: (-0.5397, 0.7087302),
    -0.8693: (-0.7010, 0.5085927),
    0.2803: (0.2732, 0.9253647),
    -0.9955: (-0.7597, 0.42288297),
    -0.4249: (-0.4010, 0.8391874),
    0.3446: (0.3316, 0.8900712),
    -0.9768: (-0.7517, 0.43500286),
}


@pytest.mark.parametrize(("function", "printed"), [(torch.sin, SINES), (torch.tanh, TANHS)], ids=["sin", "tanh"])
def test_ten_values_at_once(function: Callable[[Tensor], Tensor], printed: dict[float, tuple[float, float]]) -> None:
    def elementwise(X: Tensor) -> Tensor:
        Z = function(X)
        return Z

    graph = sound(gad.trace(elementwise, list(printed)))
    assert value(graph, "Z").tolist() == pytest.approx([z for z, _ in printed.values()], abs=2 * FOUR_DIGITS)
    assert gradient(graph, "X").tolist() == pytest.approx([slope for _, slope in printed.values()], abs=FOUR_DIGITS)


POINTS = {
    (5.9066, 1.1849): (0.5587, 0.9299176, 0.37643185),
    (6.0019, 1.2083): (0.6574, 0.9606921, 0.3545953),
    (3.8134, 4.7397): (-1.6221, -0.78267014, 0.02728887),
    (2.1871, 2.9670): (0.9898, -0.578051, -0.9847898),
    (0.4878, 4.3015): (-0.4481, 0.88338107, -0.39942288),
    (2.5796, 3.2423): (0.4324, -0.8461944, -0.9949382),
    (1.0124, 5.7254): (0.3188, 0.5298115, 0.8484107),
    (4.4697, 4.1561): (-1.8199, -0.24032214, -0.5280292),
    (5.1514, 6.0768): (-1.1101, 0.42501867, 0.9787835),
    (0.3598, 1.5586): (1.3520, 0.9359573, 0.01222623),
}


def test_a_table_of_points_gets_a_table_of_gradients() -> None:
    def of_points(XY: Tensor) -> Tensor:
        Z = torch.sin(XY[:, 0]) + torch.sin(XY[:, 1])
        return Z

    graph = sound(gad.trace(of_points, [list(point) for point in POINTS]))
    assert value(graph, "Z").tolist() == pytest.approx([z for z, _, _ in POINTS.values()], abs=3 * FOUR_DIGITS)
    assert gradient(graph, "XY") == pytest.approx(np.array([slopes for _, *slopes in POINTS.values()]), abs=FOUR_DIGITS)


# --- the lesson for the classroom, which prints nothing; its numbers by hand


@pytest.mark.parametrize(
    ("function", "inputs", "upstream", "gradients"),
    [
        # the text says cos
        (
            lambda x, a, c: torch.sin(a * x + c),
            [2, 3, 4],
            None,
            {"x": 3 * math.cos(10), "a": 2 * math.cos(10), "c": math.cos(10)},
        ),
        (lambda a, b: a + b, [2, 3], None, {"a": 1, "b": 1}),
        (lambda a, b: a + b, [2, 3], [2], {"a": 2, "b": 2}),
        (lambda a, b: a * b, [2, 3], None, {"a": 3, "b": 2}),
        (lambda a, b: a * b, [2, 3], [2], {"a": 6, "b": 4}),
        (lambda x: (torch.sqrt(x), torch.sqrt(x)), [4], [4, 8], {"x": 3}),
        (lambda a, b: torch.max(a, b), [2, 5], [2], {"a": 0, "b": 2}),
        (
            lambda x, a, b, c: a * torch.sin(b * x) + c,
            [2, 5, 4, 7],
            None,
            {"x": 20 * math.cos(8), "a": math.sin(8), "b": 10 * math.cos(8), "c": 1},
        ),
    ],
    ids=["sin", "add", "add-2", "mul", "mul-2", "branch", "max", "task"],
)
def test_the_functions_of_the_classroom(
    function: Callable[..., Any], inputs: list[float], upstream: Any, gradients: dict[str, float]
) -> None:
    graph = sound(gad.TorchGraph(function, inputs, upstream).graph)
    assert {name: gradient(graph, name) for name in gradients} == pytest.approx(gradients, rel=1e-14)
