"""What stands on an edge: a number, an elementwise formula, or a rule with shapes; and ties and kinks as torch
breaks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Edge
from graphviz_ad._internal.scene.words.describe import EdgeWords, NodeWords, Words, words_of_graph
from graphviz_ad._internal.scene.words.edge_labels import matrix_shapes as shapes_of
from graphviz_ad._internal.scene.words.signs import NO_GRADIENT, NOT_RETAINED, NOT_YET

F64 = torch.float64
Program = Callable[..., Tensor]


def random(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=F64).requires_grad_()


def network(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    z = x @ W + b
    h = torch.tanh(z)
    loss = (h * h).mean()
    return loss


def local(words: Words, edge: Edge) -> str:
    """What stands on an arrow of the local derivative; "" for nothing."""
    return next((line.text for line in words.edges[edge.key].lines if line.role == "local"), "")


def told(said: NodeWords | EdgeWords) -> list[str]:
    """What pointers are told."""
    return [str(fact) for fact in said.hover]


# --- numbers, formulas, rules


def test_every_edge_has_a_number_an_elementwise_formula_or_a_rule_with_shapes() -> None:
    traced = gad.trace(network, random(3, 3), random(3, 4), random(4))
    words = words_of_graph(traced)
    said = {
        (words.names.carried(edge), words.names.of[edge.head], edge.slot): local(words, edge) for edge in traced.edges
    }
    assert said == {
        ("x", "v₁", 0): "g @ Wᵀ (3×4)(4×3)",
        ("W", "v₁", 1): "xᵀ @ g (3×3)(3×4)",
        ("v₁", "z", 0): "∂z/∂v₁ = 1",
        ("b", "z", 1): "∂z/∂b = 1",
        ("z", "h", 0): "∂h/∂z = 1 − h²",
        ("h", "v₂", 0): "local h",
        ("h", "v₂", 1): "local h",
        ("v₂", "loss", 0): "∂loss/∂v₂ = 1 / 12",
    }
    assert {"local", "rule"} <= set(traced.plot(layout="layered").scene.legend)


@pytest.mark.parametrize(
    ("program", "shapes", "said"),
    [
        (
            lambda x, w, b: functional.linear(x, w, b),
            ((5, 4), (3, 4), (3,)),
            ["g @ w (5×3)(3×4)", "gᵀ @ x (3×5)(5×4)", "Σ g"],
        ),
        (lambda x, w: functional.linear(x, w), ((4,), (3, 4)), ["g @ w (3)(3×4)", "outer(g, x) (3)(4)"]),
        (
            lambda x, w, b: functional.linear(x, w, b),
            ((2, 5, 4), (3, 4), (3,)),
            ["g @ w (5×3)(3×4)", "Σ (gᵀ @ x) (3×5)(5×4)", "Σ g"],
        ),
        (
            lambda x, w: functional.conv2d(x, w),
            ((1, 2, 4, 4), (3, 2, 3, 3)),
            ["fold(matrix(w)ᵀ @ g)", "g @ unfold(x)ᵀ (3×4)(4×18)"],
        ),
        (
            lambda x, w, b: functional.conv1d(x, w, b),
            ((2, 1, 4), (2, 1, 3), (2,)),
            ["fold(matrix(w)ᵀ @ g)", "Σ (g @ unfold(x)ᵀ) (2×2)(2×3)", "Σ g"],
        ),
        (lambda x, w: functional.conv2d(x, w, groups=2), ((1, 2, 4, 4), (2, 1, 3, 3)), ["", ""]),
        (lambda x: x.transpose(0, 1), ((2, 3),), ["transpose(g)"]),
        (lambda x: x[1], ((2, 3),), ["scatter(g)"]),
        (lambda x: x.sum(dim=1), ((2, 3),), ["expand(g)"]),
        (lambda x: x.mean(dim=1), ((2, 3),), ["expand(g) / 3"]),
        (lambda x: x.std(dim=1), ((2, 3),), [""]),
        (lambda x: torch.softmax(x, 0), ((30,),), ["f·(g − sum(g·f))"]),
        (lambda a, b: a @ b, ((2, 3, 4), (4, 5)), ["g @ bᵀ (3×5)(5×4)", "Σ (aᵀ @ g) (4×3)(3×5)"]),
        (lambda a, b: a @ b, ((4,), (4, 5)), ["g @ bᵀ (5)(5×4)", "outer(a, g) (4)(5)"]),
        (lambda a, b: torch.cat([a, b]), ((2, 3), (4, 3)), ["g[…]", "g[…]"]),
        (lambda x: functional.max_pool2d(x, 2), ((1, 1, 4, 4),), ["unpool(g)"]),
        (lambda x: x.view(6), ((2, 3),), ["reshape(g, shape(x))"]),
        (lambda x: x.chunk(2)[0], ((4,),), [""]),
    ],
)
def test_what_is_not_elementwise_is_a_formula_with_the_shapes_it_multiplies(
    program: Program, shapes: tuple[tuple[int, ...], ...], said: list[str]
) -> None:
    traced = gad.trace(program, *(random(*shape) for shape in shapes))
    node = next(node for node in traced.node_list if node.kind == "op")
    assert [local(words_of_graph(traced), edge) for edge in traced.in_edges(node.key)] == said


@pytest.mark.parametrize(
    ("program", "shapes"),
    [
        (lambda x, w, b: functional.linear(x, w, b), ((5, 4), (3, 4), (3,))),
        (lambda x, w: functional.conv2d(x, w, padding=1), ((2, 3, 5, 4), (4, 3, 3, 2))),
        (lambda x, w: functional.conv_transpose2d(x, w), ((1, 2, 3, 4), (2, 3, 2, 2))),
        (lambda a, b: a @ b, ((2, 3), (3, 4))),
        (lambda a, b: torch.outer(a, b), ((3,), (4,))),
    ],
)
def test_the_shapes_of_a_rule_fit_each_other(program: Program, shapes: tuple[tuple[int, ...], ...]) -> None:
    traced = gad.trace(program, *(random(*shape) for shape in shapes))
    node = next(node for node in traced.node_list if node.kind == "op")
    words = words_of_graph(traced)
    for edge, own in zip(traced.in_edges(node.key), shapes, strict=True):
        factors = words.edges[edge.key].passed.factors
        assert shapes_of(words.edges[edge.key].passed) == "".join(
            f"({'×'.join(map(str, factor))})" for factor in factors
        )
        if len(factors) == 2 and len(factors[0]) == len(factors[1]) == 2:
            assert factors[0][1] == factors[1][0]
            assert factors[0][0] * factors[1][1] in (
                own[0] * int(torch.tensor(own[1:]).prod()),
                factors[0][0] * factors[1][1],
            )


def test_a_pointer_is_told_the_formula_even_where_a_number_stands() -> None:
    traced = gad.trace(network, [[1.0, 2.0]], [[0.1], [0.2]], [0.0])
    words = words_of_graph(traced)
    facts = {
        (words.names.carried(edge), words.names.of[edge.head]): told(words.edges[edge.key]) for edge in traced.edges
    }
    assert "local derivative: ∂h/∂z = 1 − h² = [[0.7864]]" in facts["z", "h"]
    assert any(fact.startswith("local derivative: ∂v₁/∂x = [[0.1, 0.2]]") for fact in facts["x", "v₁"])
    bigger = gad.trace(network, random(3, 3), random(3, 4), random(4))
    words = words_of_graph(bigger)
    edge = next(edge for edge in bigger.edges if words.names.carried(edge) == "x")
    assert "passes on: g @ Wᵀ (3×4)(4×3), where g = d loss/dv₁ arrives" in told(words.edges[edge.key])


def test_a_big_picture_has_no_room_for_rules() -> None:
    def deep(x: Tensor) -> Tensor:
        for _ in range(70):
            x = x.t()
        return x

    traced = gad.trace(deep, [[1.0, 2.0], [3.0, 4.0]])
    assert {local(words_of_graph(traced), edge) for edge in traced.edges} == {""}


def test_an_edge_that_passes_nothing_on_says_nothing() -> None:
    traced = gad.trace(lambda x: x.detach() * x + 1, random(300))
    assert {edge.cut: local(words_of_graph(traced), edge) for edge in traced.edges if edge.cut is not None} == {
        "detach": "",
        "data": "",
        **{},
    }


# --- ties

BOUND = torch.zeros((), requires_grad=True)
AT_A_BOUND = f"{torch.autograd.grad(BOUND.clamp(min=0.0), BOUND)[0].item():g}"  # versions of torch differ


@pytest.mark.parametrize(
    ("program", "inputs", "mark", "locals_"),
    [
        (lambda a, b: torch.max(a, b), (2.0, 2.0), "tie: 0.5 to each", ["∂f/∂a = 0.5", "∂f/∂b = 0.5"]),
        (lambda v: v.max(), ([1.0, 3.0, 3.0],), "tie: 0.5 to each", ["∂f/∂v = [0, 0.5, 0.5]"]),
        (lambda v: v.max(dim=0)[0], ([1.0, 3.0, 3.0],), "tie: 1 to one of 2", ["∂f/∂v = [0, 1, 0]"]),
        (lambda v: v.amin(), ([3.0, 3.0, 3.0, 4.0],), "tie: 0.3333 to each", ["∂f/∂v = (v = f) / sum(v = f)"]),
        (lambda z: torch.relu(z), (0.0,), "kink: slope 0", ["∂f/∂z = 0"]),
        (lambda z: z.abs(), ([0.0, 1.0],), "kink: slope 0", ["∂f/∂z = [0, 1]"]),
        (lambda z: z.clamp(min=0.0), (0.0,), f"kink: slope {AT_A_BOUND}", [f"∂f/∂z = {AT_A_BOUND}"]),
        (lambda z: torch.maximum(z, torch.zeros((), dtype=F64)), (0.0,), "tie: 0.5 to each", ["∂f/∂z = 0.5"]),
        (lambda z: functional.leaky_relu(z), (0.0,), "kink: slope 0.01", ["∂f/∂z = 0.01"]),
        (lambda z: functional.hardtanh(z), (1.0,), "kink: slope 0", ["∂f/∂z = 0"]),
        (lambda z: functional.hardtanh(z, -2.0, 2.0), (1.0,), "", ["∂f/∂z = 1"]),
        (lambda z: z.norm(), ([0.0, 0.0],), "kink: slope 0", ["∂f/∂z = [0, 0]"]),
        (lambda a, b: torch.max(a, b), (2.0, 3.0), "", ["∂f/∂a = 0", "∂f/∂b = 1"]),
        (lambda z: torch.relu(z), ([-1.0, 2.0],), "", ["∂f/∂z = [0, 1]"]),
        (lambda x: torch.sin(x), (0.0,), "", ["∂f/∂x = 1"]),
    ],
)
def test_ties_are_shown_as_torch_breaks_them_and_marked(
    program: Program, inputs: tuple[Any, ...], mark: str, locals_: list[str]
) -> None:
    traced = gad.trace(program, *inputs)
    words = words_of_graph(traced)
    node = next(node for node in traced.node_list if node.kind == "op" and node.op not in ("zeros", "getitem"))
    assert [line.text for line in words.nodes[node.key].notes if line.role == "tie"] == ([mark] if mark else [])
    assert [local(words, edge) for edge in traced.in_edges(node.key) if edge.cut is None] == locals_
    scene = traced.plot(layout="layered").scene
    assert [line.text for box in scene.boxes for line in box.lines if line.role == "tie"] == ([mark] if mark else [])
    assert ("tie" in scene.legend) == bool(mark)
    assert any(fact.endswith(f"torch takes: {mark}") for fact in told(words.nodes[node.key])) == bool(mark)


def test_the_formula_of_a_maximum_along_a_dimension_is_not_claimed_where_ties_go_another_way() -> None:
    traced = gad.trace(lambda v: v.max(dim=0)[0], [1.0, 3.0, 3.0])
    words = words_of_graph(traced)
    (edge,) = traced.in_edges(traced.outputs[0].key)
    assert told(words.edges[edge.key])[1] == "local derivative: ∂f/∂v = [0, 1, 0]"
    assert words.nodes[traced.outputs[0].key].formula == "max(v, dim=0)"


# --- marks for what is not a number


def test_not_yet_zero_not_retained_none_and_nan_are_five_marks_in_one_film() -> None:
    def program(x: Tensor, unused: Tensor, data: Tensor) -> Tensor:
        del unused
        r = torch.sqrt(x)
        z = torch.relu(-r)
        return (z + data * torch.where(x > 0, r, 0.0)).sum()

    traced = gad.trace(program, [0.0], [1.0], torch.ones(1, dtype=F64))
    words = words_of_graph(traced)
    said = {
        words.names.of[node.key]: " ".join(line.text for line in words.nodes[node.key].gradients)
        for node in traced.node_list
    }
    inner = next(node for node in traced.node_list if node.op == "neg")
    steps = traced.animate(layout="layered", detail="op").steps
    turn = next(step for step in steps if step.phase == "backward")  # when gradients begin to be asked for
    asked = next(dict(change.texts) for change in turn.changes if change.key == inner.key and change.texts)
    marks = {
        "not computed yet": asked["gradient"],
        "zero": said[words.names.of[inner.key]],
        "not retained": next(fact for fact in told(words.nodes[inner.key]) if NOT_RETAINED in fact),
        "no gradient arrived": said["unused"],
        "no gradient to have": said["data"],
        "not a number": said["x"],
    }
    assert marks == {
        "not computed yet": f"grad {NOT_YET}",
        "zero": "grad [0]",
        "not retained": ".grad in torch: None (not retained)",
        "no gradient arrived": ".grad None",
        "no gradient to have": f"grad {NO_GRADIENT}",
        "not a number": ".grad [NaN]",
    }
    assert len(set(marks.values())) == 6


def test_what_torch_does_not_retain_flows_all_the_same() -> None:
    # y = 3x, z = y²: x.grad is 36, y.grad is None, and yet 12 flowed through y
    traced = gad.trace(lambda x: (3 * x) ** 2, 2.0)
    words = words_of_graph(traced)
    inner = next(node for node in traced.node_list if node.op == "mul")
    assert [line.text for line in words.nodes[inner.key].gradients] == ["grad 12"]
    assert f".grad in torch: {NOT_RETAINED}" in told(words.nodes[inner.key])
    assert [line.text for line in words.nodes[traced.find("x").key].gradients] == [".grad 36"]
    assert not any(fact.startswith(".grad in torch") for fact in told(words.nodes[traced.find("x").key]))
    x = torch.tensor(2.0, requires_grad=True)
    y = 3 * x
    (y**2).backward()
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("read", [lambda found: found[0], lambda found: found[0] + found[1]], ids=["values", "both"])
def test_a_maximum_along_a_dimension_has_no_elementwise_derivative(dim: int, keepdim: bool, read: Program) -> None:
    x = random(2, 4)
    graph = gad.trace(lambda x: read(x.max(dim, keepdim=keepdim)).exp(), x)
    (edge,) = graph.out_edges(graph.find("x").key)
    assert edge.local is None
    assert graph.notices == ()
    assert edge.grad is not None
    np.testing.assert_array_equal(
        edge.grad.array, torch.autograd.grad(read(x.max(dim, keepdim=keepdim)).exp().sum(), x)[0]
    )
    assert graph.check(capture=True).ok


def test_a_sum_that_nearly_cancels_is_off_by_rounding_and_by_no_hook() -> None:
    torch.manual_seed(0)
    rows, bias = torch.randn(64, 3), torch.zeros(3, requires_grad=True)
    weights = torch.randn(64, 3)
    weights -= weights.mean(0)  # what flows back to the bias cancels
    graph = gad.trace(lambda bias: ((rows + bias) * weights).sum(), bias)
    (edge,) = graph.out_edges(graph.find("bias").key)
    assert graph.notices == ()
    assert edge.local is not None
    assert gad.trace(torch.nn.MultiheadAttention(4, 2), *[torch.randn(3, 2, 4)] * 3).notices == ()
