"""The links of a capture are verified on the finished graph: all of a right one, and in a wrong one exactly those
that were exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch
from autograd_rows import guesses
from programs import F64, leaf, randoms
from small_programs import PROGRAMS, graph, network
from test_autograd_rows import COMPOSITE
from test_classics import EVERY_CASE, traced
from torch import Tensor, nn
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.check.capture_check import (
    NAMES,
    NUMBERS,
    OPEN,
    OPERAND,
    OPERATION,
    WRONG,
    CaptureReport,
    Link,
    verify,
)
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.maths import autograd_names
from graphviz_ad._internal.operations.rules import RULES
from graphviz_ad._internal.tracing.capture import Capture

# --- graphs that are right


def verdicts(report: CaptureReport, kind: str) -> set[str]:
    return {link.verdict for link in report.links if link.kind == kind}


@EVERY_CASE
def test_every_link_of_a_worked_example_is_verified_by_its_numbers(case: Any) -> None:
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        report = verify(traced(case))
    finally:
        torch.set_default_dtype(default)
    assert report.wrong == report.guesses == ()
    assert verdicts(report, OPERATION) <= {NUMBERS, NAMES}
    assert report.count(OPERATION, NUMBERS) > report.count(OPERATION, NAMES)


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - {"own_function", "several_results"}))
def test_every_link_of_a_small_program_is_verified_by_its_numbers(name: str) -> None:
    report = verify(graph(name))
    assert {link.verdict for link in report.links} == {NUMBERS}


def test_there_is_a_link_for_each_autograd_node_and_each_of_its_edges() -> None:
    x = randoms(2, 3)
    w, b = randoms(4, 3, seed=1), randoms(4, seed=2)
    report = verify(gad.trace(lambda x, w, b: torch.tanh(nn.functional.linear(x, w, b)).sum(), x, w, b))
    result = torch.tanh(nn.functional.linear(x, w, b)).sum()
    nodes, edges, stack = 0, 0, [result.grad_fn]
    while stack:  # a tree, but for AccumulateGrad
        node = stack.pop()
        assert node is not None
        if "AccumulateGrad" not in node.name():
            nodes, edges = nodes + 1, edges + len(node.next_functions)
            stack += [following for following, _ in node.next_functions]
    assert [sum(link.kind == kind for link in report.links) for kind in (OPERATION, OPERAND)] == [nodes, edges]


NETWORKS: list[tuple[str, nn.Module, tuple[int, ...]]] = [
    ("mlp", nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 2), nn.LogSoftmax(-1)), (2, 3)),
    (
        "convolutions",
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)),
        (1, 1, 6, 6),
    ),
    ("attention", nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (1, 3, 4)),
    ("lstm", nn.LSTM(3, 2), (4, 1, 3)),
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "module", "shape"), NETWORKS, ids=[case[0] for case in NETWORKS])
def test_no_link_of_a_network_is_found_wrong(
    name: str, module: nn.Module, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    traced_network = gad.trace(module.to(dtype), randoms(*shape, dtype=dtype))
    report = verify(traced_network)
    assert report.wrong == ()
    assert report.count(OPERATION, OPEN) == 0
    # which may run as one operation without a formula
    assert report.count(OPERAND, NUMBERS) > len(report.links) // 6 or name == "lstm"


@pytest.mark.parametrize("case", COMPOSITE, ids=lambda case: getattr(case, "id", None) or str(case[0]))
def test_no_link_inside_a_composite_call_is_found_wrong(case: Any) -> None:
    _, function, inputs, *_ = case if isinstance(case, tuple) else case.values
    assert verify(gad.trace(function, *inputs)).wrong == ()


def test_a_step_of_training_is_verified_pass_by_pass() -> None:
    layer = nn.Linear(2, 1).double()
    with gad.record(layer) as recorded:
        for _ in range(2):
            layer(torch.ones(1, 2, dtype=F64)).sum().backward()
    for done in recorded.graph.passes:
        assert verify(done).wrong == ()
        assert verify(done).count(OPERATION, NUMBERS) > 0


def test_without_gradients_the_results_still_verify_the_operands() -> None:
    x = leaf(1, 2)
    report = verify(gad.trace(lambda x: (x.sin() / x.exp()).sum(), x, capture=Capture(gradients="none")))
    assert {link.verdict for link in report.links if link.kind == OPERATION} == {NUMBERS}
    assert WRONG not in {link.verdict for link in report.links}


def test_without_numbers_names_are_all_there_is() -> None:
    report = verify(
        gad.trace(lambda x: (x.sin() / x.exp()).sum(), leaf(1, 2), capture=Capture(values="none", gradients="none"))
    )
    assert {link.verdict for link in report.links} == {NAMES}
    assert report.ok


# --- graphs in which something was exchanged, as a tracer would have done it that took one thing for another


def exchanged(right: Graph, one: str, other: str) -> Graph:
    """With the autograd nodes of two operations exchanged, and everything that hangs on these: gradients, edges,
    order, what is saved.
    """
    fine = right.detail or right
    pair = fine.nodes[one], fine.nodes[other]
    new = {this.key: with_autograd_of(this, that) for this, that in (pair, pair[::-1])}
    turn = {one: other, other: one}
    edges = [
        replace(edge, head=turn.get(edge.head, edge.head), tail=turn.get(edge.tail, edge.tail))
        if edge.cut is None
        else edge
        for edge in fine.edges
    ]
    return fine.with_parts([new.get(node.key, node) for node in fine.node_list], edges)


def with_autograd_of(this: Node, that: Node) -> Node:
    ports = tuple(replace(mine, grad=theirs.grad) for mine, theirs in zip(this.ports, that.ports, strict=True))
    return replace(
        this,
        autograd=that.autograd,
        ports=ports,
        saved=that.saved,
        saved_bytes=that.saved_bytes,
        backward_order=that.backward_order,
    )


def with_edges(right: Graph, changes: dict[str, Edge]) -> Graph:
    fine = right.detail or right
    return fine.with_parts(fine.node_list, [changes.get(edge.key, edge) for edge in fine.edges])


def wrong(report: CaptureReport) -> set[tuple[str, str]]:
    return {(link.kind, link.key) for link in report.wrong}


def two_of_each(x: Tensor, y: Tensor) -> Tensor:
    a, b = torch.sin(x), torch.sin(y)
    c, d = torch.exp(a), torch.exp(b)
    e, f = a * y, d * x
    g, h = torch.tanh(e), torch.tanh(f)
    i = torch.sin(g)
    return c / h - i * i + torch.sqrt(f + 2)


TWO_OF_EACH = gad.trace(two_of_each, [0.3, 0.9], [1.7, 0.4])


def pairs() -> Iterable[tuple[str, str]]:
    fine = TWO_OF_EACH.detail
    assert fine is not None
    plain = [
        node.key
        for node in fine.node_list
        if node.kind == "op" and not any(edge.cut for edge in fine.in_edges(node.key))
    ]
    return list(combinations(plain, 2))


@pytest.mark.parametrize("pair", pairs(), ids="-".join)
def test_two_operations_with_each_others_autograd_nodes_are_found_and_nothing_else(pair: tuple[str, str]) -> None:
    report = verify(exchanged(TWO_OF_EACH, *pair))
    assert wrong(report) == {(OPERATION, key) for key in pair}


def test_what_was_exchanged_is_put_right_again() -> None:
    fine = TWO_OF_EACH.detail
    assert fine is not None
    assert verify(exchanged(exchanged(fine, "n2", "n3"), "n2", "n3")).wrong == verify(fine).wrong == ()


def test_exchanged_names_are_found_without_any_numbers() -> None:
    structure = gad.trace(
        lambda x: (x.sin() / x.exp()).sum(), leaf(1, 2), capture=Capture(values="none", gradients="none")
    )
    sine, power, *_ = [node.key for node in structure.node_list if node.kind == "op"]
    assert wrong(verify(exchanged(structure, sine, power))) == {(OPERATION, sine), (OPERATION, power)}


def test_two_roots_of_one_number_that_were_taken_for_each_other_are_found_by_what_arrives() -> None:
    right = graph("two_outputs")
    roots = [node.key for node in right.node_list if node.op == "sqrt"]
    assert wrong(verify(exchanged(right, *roots))) == {(OPERATION, key) for key in roots}


def function_of(op: Callable[[Tensor, Tensor], Tensor], *shapes: tuple[int, ...]) -> Graph:
    return gad.trace(
        lambda a, b: op(a, b).sum(), *(randoms(*shape, seed=seed) + 2 for seed, shape in enumerate(shapes))
    )


BINARY: list[tuple[str, Graph]] = [
    ("sub", function_of(torch.sub, (3,), (3,))),
    ("div", function_of(torch.div, (3,), (3,))),
    ("pow", function_of(lambda a, b: (a * a + 1) ** b, (3,), (3,))),
    ("atan2", function_of(torch.atan2, (3,), (3,))),
    ("matmul", function_of(lambda a, b: (a @ b).tanh(), (2, 2), (2, 2))),
    ("cat", function_of(lambda a, b: torch.cat([a, b]).exp(), (2,), (2,))),
]


def operands_of(right: Graph, op: str) -> tuple[Edge, Edge]:
    fine = right.detail or right
    (node,) = [node for node in fine.node_list if node.op == op]
    one, other = fine.in_edges(node.key)
    return one, other


@pytest.mark.parametrize(("op", "right"), BINARY, ids=[op for op, _ in BINARY])
def test_two_operands_in_each_others_places_are_found_and_nothing_else(op: str, right: Graph) -> None:
    one, other = operands_of(right, op)
    turned = replace(one, slot=other.slot), replace(other, slot=one.slot)
    report = verify(with_edges(right, {one.key: turned[0], other.key: turned[1]}))
    assert wrong(report) == {(OPERAND, edge.key) for edge in turned}
    assert all("only as operand" in link.why for link in report.wrong)


@pytest.mark.parametrize(
    ("op", "right"), [*BINARY, ("mul", function_of(torch.mul, (3,), (3,)))], ids=[*(op for op, _ in BINARY), "mul"]
)
def test_two_operands_with_each_others_gradients_are_found_and_nothing_else(op: str, right: Graph) -> None:
    one, other = operands_of(right, op)
    turned = replace(one, grad=other.grad, local=other.local), replace(other, grad=one.grad, local=one.local)
    report = verify(with_edges(right, {one.key: turned[0], other.key: turned[1]}))
    assert wrong(report) == {(OPERAND, one.key), (OPERAND, other.key)}
    assert all("what came back along it" in link.why for link in report.wrong)


def test_a_local_derivative_of_another_operand_is_found() -> None:
    right = graph("colah")
    one, other = operands_of(right, "mul")
    report = verify(with_edges(right, {one.key: replace(one, local=other.local)}))
    assert wrong(report) == {(OPERAND, one.key)}


def test_an_operand_that_autograd_ran_first_is_found() -> None:
    right = graph("fan_out")
    assert right.detail is not None
    late, early = [node for node in right.detail.node_list if node.op in ("sin", "add")]
    turned = {
        late.key: replace(late, backward_order=early.backward_order),
        early.key: replace(early, backward_order=late.backward_order),
    }
    report = verify(
        right.detail.with_parts([turned.get(node.key, node) for node in right.detail.node_list], right.detail.edges)
    )
    assert {link.kind for link in report.wrong} == {OPERAND}
    assert {link.why for link in report.wrong} == {"autograd ran the node of the operand first"}


def test_a_gradient_of_another_shape_is_found() -> None:
    right = gad.trace(
        lambda a, b: (a @ b).logsumexp((0, 1)), randoms(2, 3), randoms(3, 4, seed=1), capture=Capture(values="none")
    )
    one, other = operands_of(right, "matmul")
    report = verify(
        with_edges(right, {one.key: replace(one, grad=other.grad), other.key: replace(other, grad=one.grad)})
    )
    assert wrong(report) == {(OPERAND, one.key), (OPERAND, other.key)}
    assert "what came back has shape (3, 4), the operand (2, 3)" in str(report)


# --- what cannot be verified, and says so


def test_what_the_author_of_a_function_computes_is_not_verified() -> None:
    report = verify(graph("own_function"))
    (link,) = [link for link in report.links if link.verdict == OPEN and link.kind == OPERATION]
    assert link.why == "only its author knows what it computes"
    assert report.ok


def test_elements_that_were_not_kept_leave_names_and_shapes() -> None:
    report = verify(gad.trace(lambda x, w: (x @ w).relu().sum(), randoms(40, 40), randoms(40, 40, seed=1)))
    assert report.ok
    assert NAMES in verdicts(report, OPERAND)


@pytest.mark.parametrize("kind", ["tensor", "node", "prehook"])
def test_a_hook_that_changes_a_gradient_is_no_wrong_link(kind: str) -> None:
    def function(x: Tensor) -> Tensor:
        y = x * x
        if kind == "tensor":
            y.register_hook(lambda grad: grad * 10)
        elif kind == "node":
            y.grad_fn.register_hook(lambda inputs, outputs: tuple(grad * 10 for grad in inputs))  # type: ignore[union-attr]
        else:
            y.grad_fn.register_prehook(lambda outputs: tuple(grad * 10 for grad in outputs))  # type: ignore[union-attr]
        return y.sum()

    assert verify(gad.trace(function, leaf(1, 2))).wrong == ()


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_guess_is_listed_with_what_speaks_for_it() -> None:
    right = gad.trace(lambda x: torch.func.hessian(lambda z: (z**3).sum())(x), leaf(1, 2))
    found = {edge.key for edge in guesses(right)}
    report = verify(right)
    assert found
    assert {link.key for link in report.guesses} == found
    assert "guess: " in str(report)
    assert report.ok


def test_a_gradient_of_none_leaves_the_link_open() -> None:
    class Refusing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
            return g, None

    report = verify(gad.trace(lambda x, y: Refusing.apply(x.sin(), y.cos()), leaf(1, 2), leaf(3, 4)))
    assert report.ok
    assert "no gradient came back along it" in {link.why for link in report.links}


# --- the report


def test_the_report_of_a_check_holds_the_links_only_where_they_were_asked_for() -> None:
    assert graph("seed").check().capture is None
    report = graph("seed").check(capture=True)
    assert report.capture is not None
    assert report.ok
    assert str(report).startswith(str(graph("seed").check()))
    table = str(report.capture).splitlines()
    assert table[0].split() == ["linked", "to", "autograd,", "verified", "by", "operations", "operands"]
    assert [line.split()[-2:] for line in table[1:5]] == [["7", "11"], ["0", "0"], ["0", "0"], ["0", "0"]]


def test_a_wrong_link_makes_the_check_fail_and_stands_in_its_table() -> None:
    bad = exchanged(TWO_OF_EACH, "n2", "n3")
    report = bad.check(capture=True)
    assert not report.ok
    assert report.capture is not None
    assert str(report).count("WRONG: sin (test_capture_check.py:") == 2
    assert (
        Link(OPERATION, "n2", report.capture.wrong[0].text, WRONG, "it does not hold what sin makes of its operands")
        == report.capture.wrong[0]
    )


def test_folding_and_loading_change_nothing_about_the_links(tmp_path: Any) -> None:
    path = network().save(tmp_path / "network.json")
    assert verify(gad.Graph.load(path)).links == verify(network()).links


# --- names


@pytest.mark.parametrize(
    ("op", "autograd", "verdict"),
    [
        ("sin", "SinBackward0", "agree"),
        ("sin", "SinhBackward0", "differ"),
        ("mul_", "MulBackward0", "agree"),
        ("matmul", "BmmBackward0", "agree"),
        ("matmul", "AddBackward0", "differ"),
        ("setitem", "CopySlices", "agree"),
        ("add", "CopySlices", "unknown"),
        ("float", "ToCopyBackward0", "agree"),
        ("log1p", "Log1PBackward0", "agree"),
        ("my_layer", "ViewBackward0", "unknown"),
        ("my_layer", "TanhBackward0", "differ"),
        ("vmap", "TanhBackward0", "unknown"),
        ("Square", "SquareBackward", "agree"),
        (r"$\sigma$", "SigmaBackward", "unknown"),
        ("rows::scale", "GeneratedBackwardFor_rows_scale_defaultBackward", "agree"),
    ],
)
def test_names_agree_or_do_not_or_say_nothing(op: str, autograd: str, verdict: str) -> None:
    assert autograd_names.names_verdict(op, autograd) == verdict


def test_no_operation_with_a_formula_goes_with_the_autograd_node_of_another() -> None:
    """All pairs of elementwise operations, by the names that torch gives their nodes."""
    made = {
        name: f"{''.join(part.capitalize() for part in name.split('_'))}Backward0"
        for name in ("sin", "exp", "add", "mul", "div", "tanh", "sqrt", "relu")
    }
    for one, other in combinations(made, 2):
        assert {autograd_names.names_verdict(one, made[other]), autograd_names.names_verdict(other, made[one])} == {
            "differ"
        }
        assert autograd_names.names_verdict(one, made[one]) == "agree"
    assert set(made) <= set(RULES)


# --- a formula that the oracle found to be wrong


def test_bounds_that_cross_give_everything_to_the_upper_one() -> None:
    x, low, high = leaf(-1, 2, 5), leaf(3, 3, 3), leaf(1, 4, 1)
    right = gad.trace(lambda x, low, high: torch.clamp(x, low, high), x, low, high)
    gradients = torch.autograd.grad(torch.clamp(x, low, high).sum(), (x, low, high))
    assert [edge.grad.array.tolist() for edge in right.edges if edge.grad is not None] == [
        g.tolist() for g in gradients
    ]  # type: ignore[union-attr]
    assert {link.verdict for link in verify(right).links} == {NUMBERS}


def test_an_empty_vector_among_what_is_joined_is_no_wrong_link() -> None:
    """torch lets it pass whatever the dimension, as in the caches of language models; numpy does not."""
    right = gad.trace(lambda x: torch.cat([torch.empty(0, dtype=F64), x], -2).exp(), randoms(2, 3))
    assert verify(right).wrong == ()
    assert right.tangents("x").outputs is not None


def test_rounding_is_no_wrong_link() -> None:
    """What is left of big numbers after they cancelled is no better than these."""
    x = torch.tensor([1e7, -1e7, 0.1], requires_grad=True)
    assert verify(gad.trace(lambda x: (x.sum() * x).mean(), x)).wrong == ()
    assert verify(gad.trace(lambda x: x.var(), x)).wrong == ()


# --- what numbers do not say


def written_behind(x: Tensor) -> Tensor:
    y = x * 2
    y.data.mul_(3)
    return y * y


@pytest.mark.parametrize(
    "read",
    [lambda whole, part: part.sum(), lambda whole, part: whole.exp(), lambda whole, part: whole * part],
    ids=["part", "whole", "both"],
)
@pytest.mark.parametrize(
    "write",
    [lambda y: y[0].zero_(), lambda y: y[0].copy_(y[1]), lambda y: y[:1].add_(1)],
    ids=["zero_", "copy_", "add_"],
)
@pytest.mark.parametrize("used", [True, False])
def test_what_was_written_in_part_where_autograd_does_not_follow_is_no_wrong_link(
    write: Any, read: Any, used: bool
) -> None:
    def program(x: Tensor) -> Tensor:
        y = x.detach().clone() if used else x.clone()
        part = write(y)
        found = read(y, part)
        return x.sin() * found.sum() if used else x.sin()

    assert verify(gad.trace(program, randoms(2, 3))).ok


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_a_bound_that_a_dtype_holds_only_roughly_is_no_wrong_link(dtype: torch.dtype) -> None:
    x = torch.tensor([-2.0, 0.1, 0.7, 3.0], dtype=dtype, requires_grad=True)
    assert verify(gad.trace(lambda x: x.clamp(-0.5, 0.7).clamp(-0.5, 0.7), x)).ok


def test_what_was_written_behind_autograds_back_is_no_wrong_link() -> None:
    report = verify(gad.trace(written_behind, leaf(1, 2)))
    assert report.ok
    assert [link.verdict for link in report.links if link.kind == OPERATION] == [NUMBERS, NAMES]


@pytest.mark.parametrize(
    "loss",
    [functional.cross_entropy, lambda x, classes: functional.nll_loss(x.log_softmax(1), classes)],
    ids=["cross_entropy", "nll"],
)
def test_classes_that_do_not_count_are_no_wrong_link(loss: Any) -> None:
    x = randoms(2, 4)
    graph = gad.trace(lambda x: loss(x, torch.tensor([1, -100])), x)
    assert graph.check(capture=True).ok
    assert gad.trace(lambda x: loss(x, torch.tensor([1, 2])), x).check(capture=True).ok


def test_what_is_not_finite_is_checked_in_silence() -> None:
    graph = gad.trace(lambda x: (x - x.mean()).square().sum().sqrt(), leaf(1.0, 1.0, 1.0))
    assert graph.check(capture=True).ok is None


FORWARD_MODE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a Hessian": lambda w, b: torch.func.hessian(lambda x: (torch.tanh(x @ w + b) @ w + b).sum())(b).trace(),
    "a Jacobian forwards": lambda w, b: torch.func.jacfwd(lambda x: (x @ w + b).sin() - b)(b).sum(),
    "a product with a Jacobian": lambda w, b: torch.func.jvp(lambda x: (x @ w - b) * x / (b + 3), (b,), (b,))[1].sum(),
}


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch itself, the first time
@pytest.mark.parametrize("name", FORWARD_MODE)
def test_what_forward_mode_adds_to_zeros_is_linked_rightly(name: str) -> None:
    w, b = randoms(2, 2), randoms(2, seed=1)
    report = verify(gad.trace(FORWARD_MODE[name], w.requires_grad_(), b.requires_grad_()))
    assert report.wrong == (), report
