"""A gradient worked out path by path: every number against torch or a hand's, and nothing shown that is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from small_programs import PROGRAMS, TwoLayers, graph, network
from torch import Tensor
from torch.nn import functional
from work import growth

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.explain.explanation import Explanation, shortened_names, written_count
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.transforms import collapse_modules
from graphviz_ad._internal.maths.formulas import total_derivative
from graphviz_ad._internal.maths.set_names import set_name

F64 = torch.float64


def baydin(x1: Tensor, x2: Tensor) -> Tensor:
    v1 = torch.log(x1)
    v2 = x1 * x2
    v3 = torch.sin(x2)
    v4 = v1 + v2
    v5 = v4 - v3
    return v5


def residual(x: Tensor, W: Tensor) -> Tensor:
    h = torch.tanh(x @ W) + x
    loss = (h @ W).sum()
    return loss


def diamonds(x: Tensor, count: int = 60) -> Tensor:
    for _ in range(count):
        x = 0.5 * x + 0.5 * x
    return x


X, W = [0.5, -1.0], [[1.0, 0.5], [2.0, -1.0]]

# --- the numbers


@pytest.mark.parametrize(
    ("found", "wrt", "products", "total"),
    [
        (lambda: graph("seed"), "x2", [0.176162, -0.059613, 1.5], 1.616549),
        (lambda: graph("seed"), "x1", [-0.267166, 0.5], 0.232834),
        (lambda: graph("colah"), "b", [2, 3], 5),
        (lambda: graph("colah"), "a", [2], 2),
        (lambda: gad.trace(baydin, 2.0, 5.0), "x1", [0.5, 5], 5.5),
        (lambda: gad.trace(baydin, 2.0, 5.0), "x2", [2, -0.283662], 1.716338),
        (lambda: graph("square"), "x", [3, 3], 6),
        (lambda: graph("fan_out"), "x", [2, math.cos(0.5), -1], 1 + math.cos(0.5)),
    ],
    ids=["seed x2", "seed x1", "colah b", "colah a", "baydin x1", "baydin x2", "square", "fan out"],
)
def test_the_classics_come_out_as_in_the_books(
    found: Callable[[], gad.Graph], wrt: str, products: list[float], total: float
) -> None:
    explained = found().explain(wrt)
    assert [path.product for path in explained.paths] == pytest.approx(products, abs=1e-6)
    assert explained.total == pytest.approx(total, abs=1e-6)
    assert all(math.prod(path.factors) == pytest.approx(path.product) for path in explained.paths)  # type: ignore[arg-type]
    assert (explained.ok, explained.count, explained.more) == (True, len(products), 0)
    assert explained.difference is not None
    assert explained.difference < 1e-12


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_paths_of_every_program_add_up_to_what_autograd_found(name: str) -> None:
    found = graph(name)
    for leaf in (node for node in found.node_list if node.kind == "leaf" and node.name):
        explained = found.explain(str(leaf.name))
        assert len(explained.paths) == explained.count
        if not explained.count:
            assert leaf.grad is None
            assert (explained.total, explained.ok) == (None, None)
            continue
        assert explained.ok is (None if name == "not_a_number" else True)
        assert leaf.grad is not None
        assert leaf.grad.array is not None
        np.testing.assert_allclose(explained.total, leaf.grad.array, rtol=1e-9)
        brought = [path.brings for path in explained.paths]
        if all(part is not None for part in brought):
            np.testing.assert_allclose(np.sum(np.asarray(brought), axis=0), leaf.grad.array, rtol=1e-9)
        for path in explained.paths:
            assert len(path.factors) == len(path.nodes) - 1
            assert path.nodes[0] == set_name(leaf.name)
            assert [edge.tail for edge in path.edges[:1]] == [leaf.key][: len(path.edges)]


def test_of_sixty_diamonds_what_is_not_listed_is_counted() -> None:
    found = gad.trace(diamonds, 1.0)
    explained = found.explain("x₀")
    text, latex = explained.to_text(), explained.to_latex()
    assert explained.count == 2**60
    assert (len(explained.paths), explained.more) == (4, 2**60 - 4)
    assert explained.total == pytest.approx(1)
    assert explained.ok
    assert [path.product for path in explained.paths] == [0.5**60] * 4
    assert explained.rest == pytest.approx(1)
    assert "the sum over 2⁶⁰ paths" in text
    assert "and 1,152,921,504,606,846,972 more paths, 1 together, summed without walking each of them" in text
    assert len(text) < 10_000
    assert r"\text{the sum over 2}{}^{60}\text{\ paths}" in latex
    assert len({path.way for path in explained.paths}) == 4


def test_the_work_of_an_explanation_grows_with_the_program_and_not_with_its_paths() -> None:
    graphs = {count: gad.trace(partial(diamonds, count=count), 1.0) for count in (30, 60)}

    def explain(count: int) -> None:
        explained = graphs[count].explain("x₀")
        assert explained.count == 2**count
        explained.to_text(), explained.to_latex()

    assert growth(explain, 30, 60) < 3


def test_what_is_left_out_is_said_as_soon_as_it_is() -> None:
    def f(x: Tensor) -> Tensor:
        for _ in range(4):
            x = 0.5 * x + 0.25 * x
        return x

    explained = gad.trace(f, 1.0).explain("x₀")
    assert (explained.count, len(explained.paths), explained.more) == (16, 4, 12)
    assert explained.total == pytest.approx(0.75**4)
    assert explained.rest == pytest.approx(0.75**4 - sum(path.product for path in explained.paths))  # type: ignore[misc]
    assert "and 12 more paths, 0.175781 together" in explained.to_text()


# --- what is no number


def test_a_matrix_product_is_a_rule_with_shapes_and_no_number() -> None:
    explained = graph("matrix").explain("W")
    (path,) = explained.paths
    assert path.product is None
    assert path.factors[0] == "outer(x, g)"
    assert path.links[0].shapes == "(2)(2)"
    assert "not a number here" in explained.to_text()
    assert [isinstance(factor, np.ndarray) for factor in path.factors[1:]] == [True] * (len(path.factors) - 1)


def test_what_flows_along_a_path_of_rules_is_what_torch_sends_when_all_other_paths_are_cut() -> None:
    explained = gad.trace(residual, X, W).explain("W")
    x, w = torch.tensor(X, dtype=F64), torch.tensor(W, dtype=F64, requires_grad=True)

    def last_only() -> Tensor:
        return ((torch.tanh(x @ w) + x).detach() @ w).sum()

    def first_only() -> Tensor:
        return ((torch.tanh(x @ w) + x) @ w.detach()).sum()

    wanted = {3: torch.autograd.grad(last_only(), w)[0].numpy(), 6: torch.autograd.grad(first_only(), w)[0].numpy()}
    assert {len(path.nodes) for path in explained.paths} == wanted.keys()
    for path in explained.paths:
        assert path.product is None
        np.testing.assert_allclose(path.sent, wanted[len(path.nodes)], rtol=1e-12)
    assert explained.summed
    assert explained.ok


def test_a_rule_that_autograd_contradicts_gives_no_number() -> None:
    def both(x: Tensor, W: Tensor) -> Tensor:
        h = torch.tanh(x @ W)
        return (h @ W).sum() + h.sum()

    traced = gad.trace(both, X, W)
    wrong = [
        replace(edge, grad=Snapshot((2,), "float64", np.array([9.0, 9.0])))
        if edge.local is None and edge.cut is None
        else edge
        for edge in traced.edges
    ]
    explained = traced.with_parts(traced.node_list, wrong).explain("x")
    assert not explained.summed
    assert any(path.brings is None for path in explained.paths)
    assert "by autograd" in explained.to_text()
    assert explained.ok is False  # what came back along the edges is not the gradient any more


def test_a_local_derivative_that_autograd_contradicts_is_not_a_factor() -> None:
    traced = graph("colah")
    wrong = [
        replace(edge, local=Snapshot((), "float64", 7.0)) if edge.local is not None and edge.local.item() == 2 else edge
        for edge in traced.edges
    ]
    explained = traced.with_parts(traced.node_list, wrong).explain("b")
    assert [path.factors for path in explained.paths] == [(1.0, "g·d"), (1.0, 3.0)]  # the rule is still true
    assert [path.brings for path in explained.paths] == [2, 3]
    assert explained.ok


def test_where_nothing_but_autograd_knows_the_total_is_autograds() -> None:
    explained = graph("several_results").explain("x")  # through chunk, which has several results
    assert all(path.product is None for path in explained.paths)
    assert not explained.summed
    assert explained.check.of == "edges"
    assert explained.ok
    np.testing.assert_array_equal(explained.total, [4.0, 5.0, 1.0, 2.0])
    assert explained.paths[0].nodes[:2] == ("x", "low")


def test_tensors_too_big_to_be_kept_are_unknown_and_not_made_up() -> None:
    explained = gad.trace(lambda x: (x * x).sum(), torch.ones(300, dtype=F64, requires_grad=True)).explain("x")
    assert explained.total is None
    assert [path.brings for path in explained.paths] == [None, None]
    assert explained.ok is None
    assert "not known" in explained.to_text()


@pytest.mark.parametrize(
    "capture", [gad.Capture(values="none", gradients="none"), gad.Capture(local=False, gradients="none")]
)
def test_without_gradients_there_is_no_total(capture: gad.Capture) -> None:
    explained = gad.trace(lambda x: torch.sin(x) * x, 2.0, capture=capture).explain("x")
    assert explained.count == 2
    assert explained.total is None
    assert explained.ok is None
    explained.to_text()


def test_complex_numbers_have_no_real_factors() -> None:
    z = torch.tensor(1 + 2j, requires_grad=True)
    explained = gad.trace(lambda z: (z * z).abs(), z).explain("z")
    assert explained.total == pytest.approx(2 + 4j)
    assert all(path.product is None for path in explained.paths)
    assert "g·z" not in explained.to_text()  # torch multiplies by the conjugate


# --- which gradient


def test_several_outputs_are_added_with_what_was_fed_in() -> None:
    explained = graph("two_outputs").explain("x")  # two roots of 4, fed with 4 and 8
    assert [path.factors for path in explained.paths] == [(0.25, 4.0), (0.25, 8.0)]
    assert [path.nodes for path in explained.paths] == [("x", "y₁", "L"), ("x", "y₂", "L")]
    assert explained.total == 3
    assert explained.ok
    assert "L is the sum of y₁ and y₂, each times the gradient that was fed in" in explained.to_text()


def test_one_output_of_several_is_explained_alone() -> None:
    explained = graph("two_outputs").explain("x", output="y2")
    assert [path.factors for path in explained.paths] == [(0.25,)]
    assert (explained.symbol, explained.total, explained.ok) == ("dy₂/dx", 0.25, None)
    assert "autograd was asked for another gradient" in explained.to_text()
    reused = graph("reused_output")
    assert reused.explain("x").total == 4 + 12
    assert (reused.explain("x", "y").total, reused.explain("x", "z").total) == (4, 12)


@pytest.mark.parametrize(("output", "total"), [("den", 1.0), ("q", 0.116549), ("f", 1.616549), ("num", math.cos(0.5))])
def test_any_result_on_the_way_can_be_derived(output: str, total: float) -> None:
    def f(x1: Tensor, x2: Tensor) -> Tensor:
        num = 1 + torch.sin(x2)
        den = x2 + torch.exp(x1)
        q = num / den
        f = q + x1 * x2
        return f

    explained = gad.trace(f, 1.5, 0.5).explain("x2", output)
    assert explained.total == pytest.approx(total, abs=1e-6)
    assert explained.symbol == total_derivative(output, "x₂")
    assert (explained.ok is True) == (output == "f")


def test_a_vector_is_summed_with_ones_or_with_what_was_fed_in() -> None:
    explained = graph("broadcast").explain("b")
    np.testing.assert_array_equal(explained.total, [9, 12])
    assert explained.ok
    alone = graph("broadcast").explain("b", "Y")
    np.testing.assert_array_equal(alone.total, [3, 3])
    assert alone.meaning == "L is the sum of all elements of Y"
    plain = gad.trace(lambda x: x * x, [1.0, 2.0]).explain("x")
    np.testing.assert_array_equal(plain.total, [2, 4])
    assert plain.ok


def test_a_result_and_one_of_several_results_can_be_asked_for() -> None:
    explained = graph("several_results").explain("low")
    np.testing.assert_array_equal(explained.total, [4, 5])
    assert [path.nodes[0] for path in explained.paths] == ["low", "low"]
    assert graph("colah").explain("c").total == 2
    assert graph("colah").explain("e").total == 1
    assert graph("seed").explain("v1").ok  # names that only the picture has


def test_an_input_that_is_returned_is_a_path_without_a_step() -> None:
    explained = gad.trace(lambda x: (x, x * x), 3.0).explain("x")
    assert [path.product for path in explained.paths] == [1, 3, 3]
    assert explained.total == 7
    assert explained.ok
    assert gad.trace(lambda x: x * 2, 3.0).explain("x", "x").total == 1


def test_a_variable_called_l_is_not_taken_for_the_sum_of_the_outputs() -> None:
    def single(x: Tensor) -> Tensor:
        L = x * x
        return L

    def several(x: Tensor) -> tuple[Tensor, Tensor]:
        L = x * x
        return L, 2 * L

    assert [path.nodes for path in gad.trace(single, 3.0).explain("x").paths] == [("x", "L"), ("x", "L")]
    explained = gad.trace(several, 3.0).explain("x")
    assert explained.symbol == "dℒ/dx"
    assert explained.total == 18
    assert explained.paths[0].nodes == ("x", "L", "ℒ")


def test_two_uses_by_one_operation_are_told_apart() -> None:
    explained = graph("square").explain("x")
    assert [path.links[0].name for path in explained.paths] == ["∂y/∂x⁽¹⁾", "∂y/∂x⁽²⁾"]
    assert "x as operand 2" in explained.to_text()
    # df/dx is the gradient, ∂f/∂x what this one edge brings
    direct = gad.trace(lambda x: torch.sin(x) + x, 1.0).explain("x")
    assert [link.name for path in direct.paths for link in path.links] == ["∂v₁/∂x", "∂f/∂v₁", "∂f/∂x"]


@pytest.mark.parametrize(
    ("wrt", "output", "message"),
    [("x3", None, "no node named 'x3'"), ("wight", None, "did you mean 'weight'"), ("x", "yy", "no node named 'yy'")],
)
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(wrt: str, output: str | None, message: str) -> None:
    def f(x: Tensor, weight: Tensor) -> Tensor:
        return x * weight

    with pytest.raises(UnknownNameError, match=message):
        gad.trace(f, 1.0, 2.0).explain(wrt, output)


# --- no gradient


def test_no_path_is_none_and_not_zero() -> None:
    explained = graph("unused").explain("y")
    assert (explained.count, explained.paths, explained.total, explained.ok) == (0, (), None, None)
    assert "None, which is not 0" in explained.to_text()
    assert repr(explained) == "<Explanation of d unused/dy: no path>"


def test_a_cut_on_the_way_is_said() -> None:
    assert graph("detach").explain("x").cuts == ("y → u: ✂ detach, no gradient comes back",)
    assert "y → u: ✂ detach" in graph("detach").explain("y").to_text()
    assert graph("colah").explain("a").cuts == ()


def test_zero_is_a_number_like_others_and_nan_is_shown_and_compared_with_nothing() -> None:
    zero = gad.trace(lambda x: torch.relu(x), 0.0).explain("x")
    assert (zero.total, zero.ok) == (0, True)
    explained = graph("not_a_number").explain("x")
    assert np.isnan(np.asarray(explained.total)[0])
    assert explained.ok is None
    assert "infinity or NaN came up, with which nothing can be compared" in str(explained.check)
    assert "[∞, 0.25] × [0, 1] × [1, 1] = [NaN, 0.25]" in explained.to_text()


# --- the check


def test_a_gradient_that_is_not_the_sum_is_told_in_words() -> None:
    traced = graph("colah")
    nodes = [
        replace(node, ports=(replace(node.ports[0], grad=Snapshot((), "float64", 4.0)),)) if node.name == "b" else node
        for node in traced.node_list
    ]
    explained = traced.with_parts(nodes, traced.edges).explain("b")
    assert (explained.ok, explained.difference, explained.total) == (False, 1.0, 5.0)
    assert "DIFFERS from autograd's gradient (difference 1)" in explained.to_text()


def test_a_network_in_single_precision_agrees_within_it() -> None:
    model = TwoLayers()
    explained = gad.trace(model, torch.ones(4, 2)).explain("first.weight")
    assert explained.ok
    assert (explained.difference or 0) < 1e-6
    grads = torch.autograd.grad(model(torch.ones(4, 2)), model.first.weight)[0]
    np.testing.assert_allclose(explained.total, grads.numpy(), rtol=1e-5)


def test_folded_modules_and_the_engineers_view_are_explained_too() -> None:
    traced = gad.trace(TwoLayers().double(), torch.ones(1, 2, dtype=F64, requires_grad=True))
    folded = collapse_modules(traced, 1).explain("x")
    assert folded.count == 1
    assert folded.paths[0].product is None
    detail = network().detail
    assert detail is not None
    assert detail.explain("first.weight").count == 1


def test_cross_entropy_is_worked_out_by_its_rule() -> None:
    explained = gad.trace(
        lambda x: functional.cross_entropy(x, torch.tensor([1, 0])), [[1.0, 2.0], [0.5, -1.0]]
    ).explain("x")
    (path,) = explained.paths
    wanted = (torch.softmax(torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=F64), 1) - torch.tensor([[0, 1], [1, 0]])) / 2
    np.testing.assert_allclose(path.product, wanted.numpy(), rtol=1e-12)
    assert path.links[0].rule == "(softmax(x) − onehot(v₁)) / 2"


# --- small parts


def test_many_names_are_cut_in_the_middle_with_a_count() -> None:
    assert shortened_names(tuple("abcdefghij")) == list("abcdefghij")
    assert shortened_names(tuple("abcdefghijklm")) == ["a", "b", "… (5 more)", *"hijklm"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (3, "3"),
        (12_345, "12,345"),
        (2**23, "8,388,608"),
        (2**60, "2⁶⁰"),
        (2**60 - 4, "1,152,921,504,606,846,972"),
        (10**30, "about 1e30"),
    ],
)
def test_counts_can_be_read(count: int, text: str) -> None:
    assert written_count(count) == text


@pytest.mark.parametrize("name", ["x1", "x₁", "x_1"])
def test_a_gradient_is_asked_for_by_the_name_that_is_typed_or_by_the_one_that_is_shown(name: str) -> None:
    explained = graph("seed").explain(name)
    assert (explained.wrt, explained.symbol) == ("x1", "d seed/dx₁")
    assert len(explained.plot(layout="layered").scene.trails) == 3


def test_names_that_would_look_alike_stay_as_they_are_typed() -> None:
    explained = gad.trace(lambda x1, x_1, theta, θ, h2: x1 * x_1 * theta * θ * h2, *[2.0] * 5).explain("x_1")
    assert {"x1", "x_1", "theta", "θ", "h₂"} <= set(explained.names.of.values())
    latex = explained.to_latex()
    assert r"\mathrm{x1} &= 2" in latex
    assert r"\mathrm{x\_1} &= 2" in latex
    assert r"h_{2} &= 2" in latex


def test_an_explanation_is_one_line_in_the_console() -> None:
    explained = graph("seed").explain("x2")
    assert repr(explained) == "<Explanation of d seed/dx₂: 3 paths>"
    assert repr(explained.paths[2]) == "<Path C: x₂ → v₆ → seed>"
    assert isinstance(explained, Explanation)
    assert str(explained) == explained.to_text()
