"""Why a gradient is what it is, or None, is answered from the node: with the place in the program, and what to do."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from programs import leaf
from small_programs import graph
from test_autograd_rows_custom import Nested, Refusing
from torch import Tensor, nn
from torch import no_grad as no_tape
from torch.nn import functional as F

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.cli.commands import main
from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.scene.cut_marks import REASONS
from graphviz_ad._internal.scene.scene import Line
from graphviz_ad._internal.scene.words.describe import words_of_graph
from graphviz_ad._internal.scene.words.names import graph_names

HERE = r"test_reasons\.py:\d+"


def line_of(function: Callable[..., Any], words: str) -> int:
    """Where a statement stands in this file."""
    first = function.__code__.co_firstlineno
    source = Path(__file__).read_text("utf-8").splitlines()
    return next(n for n, line in enumerate(source[first:], first + 1) if words in line)


# --- each kind of cut, as a program makes it: the sentence at the cut, and the one at what lies before it


def detached(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    z = y.detach()
    return (z * w).sum()


def through_data(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    z = y.data
    return (z * w).sum()


def without_grad(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    with torch.no_grad():
        z = torch.sin(y)
    return (z * w).sum()


def under_inference(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    with torch.inference_mode():
        z = torch.sin(y)
    return (z.clone() * w).sum()


def chosen(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    z = y.argmax()
    return (z * w).sum()


def shaped(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    z = torch.ones_like(y)
    return (z * w).sum()


def left_over(x: Tensor, w: Tensor) -> Tensor:
    y = x * 2
    z = torch.exp(y)
    del z
    return w.sum()


CUTS: list[tuple[Callable[..., Tensor], str, str, str, str]] = [
    (detached, "detach", "z was detached at {place}", "z (detach, {place}) was detached", "Leave out detach()"),
    (
        through_data,
        "detach",
        "z was taken out by .data at {place}",
        "z (data, {place}) was detached",
        "Leave out detach() or .data",
    ),
    (
        without_grad,
        "no_grad",
        "z was computed under torch.no_grad() at {block}",
        "z (sin, {place}) was computed under torch.no_grad() at {block}, where autograd records nothing",
        "outside of that block",
    ),
    (
        under_inference,
        "inference",
        "z was computed under torch.inference_mode() at {block}",
        "z (sin, {place}) was computed under torch.inference_mode() at {block}",
        "outside of that block",
    ),
    (
        chosen,
        "non-differentiable",
        "argmax at {place} has no derivative",
        "z (argmax, {place}) holds int64",
        "softmax for argmax",
    ),
    (
        shaped,
        "shape-only",
        "ones_like at {place} reads only its shape",
        "z (ones_like, {place}) takes only the shape",
        "Nothing is missing",
    ),
    (
        left_over,
        "unreached",
        "(exp, {place}) leads to nothing that the backward pass began at",
        "Nothing is computed from",
        "call backward() on that",
    ),
]


@pytest.mark.parametrize(
    ("function", "cut", "before", "there", "remedy"), CUTS, ids=[case[0].__name__ for case in CUTS]
)
def test_a_cut_says_where_it_is_and_what_to_do(
    function: Callable[..., Tensor], cut: str, before: str, there: str, remedy: str
) -> None:
    traced = gad.trace(function, leaf(1, 2), leaf(3, 4))
    place = f"test_reasons.py:{line_of(function, 'z = ')}"
    block = f"test_reasons.py:{line_of(function, 'with torch.')}" if cut in ("no_grad", "inference") else ""
    assert traced.find("z").cut == cut
    for name in ("x", "y"):
        answer = traced.why(name)
        assert answer.startswith(f"No gradient arrives at {name}. ")
        assert before.format(place=place, block=block) in answer
        assert remedy in answer
        assert cut == "unreached" or f"so nothing flows back to {name} through it" in answer
    answer = traced.why("z")
    assert there.format(place=place, block=block) in answer
    assert remedy in answer
    assert traced.find("w").grad is not None
    assert traced.why("w").startswith("The gradient of w is [")


@torch.no_grad()
def doubled_without(x: Tensor) -> Tensor:
    return x * 2


def by_decorator(x: Tensor) -> Tensor:
    return doubled_without(x)


def by_context(x: Tensor) -> Tensor:
    context = torch.no_grad() if x.requires_grad else nullcontext()
    with context:
        with torch.enable_grad():
            x = x * 1
        return F.linear(x, torch.ones(3, 2).double(), torch.ones(3).double())


def by_mode(x: Tensor) -> Tensor:
    with torch.set_grad_enabled(False):
        return x * 2


def by_alias(x: Tensor) -> Tensor:
    with nullcontext(), no_tape():
        return doubled(x)


def doubled(x: Tensor) -> Tensor:
    return x * 2


def by_call(x: Tensor) -> Tensor:
    torch.set_grad_enabled(False)
    try:
        return x * 2
    finally:
        torch.set_grad_enabled(True)


def by_stack(x: Tensor) -> Tensor:
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        return x * 2


def by_other_means(x: Tensor) -> Tensor:
    with torch.autograd.profiler.record_function("any"):
        before = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)
        try:
            return x * 2
        finally:
            torch._C._set_grad_enabled(before)


@pytest.mark.parametrize(
    ("function", "holds", "written"),
    [
        (by_decorator, "@torch.no_grad()", "torch.no_grad()"),
        (by_context, "with context", "torch.no_grad()"),
        (by_mode, "with torch.set", "torch.set_grad_enabled(False)"),
        (by_alias, "with nullcontext", "torch.no_grad()"),
        (by_call, "torch.set_grad_enabled(False)", "torch.set_grad_enabled(False)"),
        (by_stack, "x * 2", None),
        (by_other_means, "x * 2", None),
    ],
)
def test_the_line_that_switches_autograd_off_is_named_or_said_to_be_that_of_the_operation(
    function: Callable[..., Tensor], holds: str, written: str | None
) -> None:
    def program(x: Tensor, w: Tensor) -> Tensor:
        z = function(x)
        return (z * w.sum()).sum()

    answer = gad.trace(program, leaf(1, 2), leaf(3, 4)).why("z")
    decorator = inspect.unwrap(doubled_without).__code__.co_firstlineno
    place = f"test_reasons.py:{decorator if function is by_decorator else line_of(function, holds)}"
    if written is not None:
        assert f"was computed under {written} at {place}, where autograd records nothing" in answer
    else:
        assert "switched off" in answer
        assert place in answer
        assert " under torch" not in answer


def test_a_gradient_that_a_function_refused_names_the_function_and_the_operand() -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        z = y.cos()
        return Refusing.apply(x.sin(), z)

    traced = gad.trace(function, leaf(1, 2), leaf(3, 4))
    place = f"test_reasons.py:{line_of(function, 'Refusing.apply')}"
    for name in ("z", "y"):
        assert (
            f"Refusing at {place} returned None for its operand 2, so nothing flows back to {name} through it."
            in traced.why(name)
        )
    assert [(edge.tail, edge.cut) for edge in traced.edges if edge.cut] == [
        (traced.find("y").key, "unreached"),
        (traced.find("z").key, "none-gradient"),
    ]
    assert (traced.find("y").cut, traced.find("z").cut) == ("unreached", "none-gradient")


def test_a_part_that_is_written_over_is_said_to_lose_nothing() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 1
        v = y[0]
        v.mul_(2)
        return y.sum()

    traced = gad.trace(function, leaf(1, 2))
    answer = traced.why("v")
    assert f"mul_ at test_reasons.py:{line_of(function, 'v.mul_')} wrote over it" in answer
    assert "Nothing is missing" in answer


def test_what_ran_inside_a_function_points_to_the_function() -> None:
    detail = gad.trace(lambda x: Nested.apply(x), leaf(1, 2)).detail
    assert detail is not None
    inner = [node for node in detail.node_list if node.cut == "inner"]
    assert inner
    assert all("ran inside a torch.autograd.Function" in detail.why(node.key) for node in inner)


def test_data_and_frozen_parameters_say_how_to_want_a_gradient() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).double()
    network[0].requires_grad_(False)
    traced = gad.trace(network, torch.ones(1, 2, dtype=torch.float64))
    for name in ("input", "0.weight"):
        answer = traced.why(name)
        assert (
            answer == f"No gradient: {name} does not require grad, as data or a parameter that is frozen. "
            "Call requires_grad_() on it before the computation if you want its gradient."
        )
    assert "(linear) depends on nothing that requires grad" in traced.why(traced.node_list[3].key)


def test_an_unused_parameter_is_known_though_it_is_in_no_graph() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(2, 1), nn.Linear(2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x).sum()

    traced = gad.trace(Half().double(), torch.ones(1, 2, dtype=torch.float64))
    for name in ("unused.weight", "unused.bias"):
        assert traced.why(name).startswith(f"No gradient: no operation read {name} here.")
    assert traced.why("used.weight").startswith("The gradient of used.weight is [[1, 1]]")


def test_whole_numbers_and_constants_have_no_derivatives() -> None:
    traced = gad.trace(lambda x, n: (x * n * 3).sum(), leaf(1, 2), torch.tensor([1, 2]))
    assert "n holds int64, and only real and complex numbers have derivatives" in traced.why("n")
    (three,) = [
        node for node in traced.node_list if node.value is not None and node.value.shape == () and node.kind == "data"
    ]
    assert "3 is a number in the program" in traced.why(three.key)


def test_data_made_of_what_is_cut_names_the_cut() -> None:
    def function(x: Tensor) -> Tensor:
        a = x.detach()
        b = a * 2
        return (torch.exp(b) * x).sum()

    traced = gad.trace(function, leaf(1, 2))
    answer = traced.why("b")
    assert f"It was computed from what is cut: a was detached at test_reasons.py:{line_of(function, 'a = ')}." in answer
    assert "Leave out detach()" in answer


# --- there is a gradient


def test_a_gradient_is_the_sum_of_what_its_uses_send() -> None:
    answer = graph("seed").why("x2")
    assert answer.startswith("The gradient of x2 is 1.617: the sum of 0.1762 from v1 (sin, small_programs.py:")
    assert {float(number.replace("−", "-")) for number in re.findall(r"([−\d.]+) from", answer)} == {
        0.1762,
        -0.05961,
        1.5,
    }


def test_a_result_says_that_torch_keeps_its_gradient_nowhere() -> None:
    assert "its .grad is None all the same" in graph("colah").why("c")
    assert "its .grad" not in graph("colah").why("a")


def test_an_output_was_fed() -> None:
    assert graph("square").why("y").startswith("The gradient of y is 1: what was fed in there.")


def test_what_is_cut_is_said_not_to_be_part_of_a_gradient() -> None:
    answer = graph("detach").why("y")
    assert re.search(rf"u was detached at {HERE.replace('test_reasons', 'small_programs')}", answer)
    traced = gad.trace(lambda x: (x.detach() * x).sum(), leaf(1, 2))
    assert "Not part of it: v1 was detached at test_reasons.py" in traced.why("x")


def test_a_hook_is_named_with_what_had_arrived() -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        y.register_hook(lambda grad: grad * 10)
        return y.sum()

    answer = gad.trace(function, leaf(1, 2)).why("y")
    assert answer.startswith("The gradient of y is [10, 10]: ")
    assert "A hook made that of the [1, 1] which had arrived." in answer


def test_a_large_gradient_says_how_large_it_is_and_so_does_each_part_of_it() -> None:
    w = torch.full((8, 8), 0.5, requires_grad=True)
    answer = gad.trace(lambda w: (w * 3).sum() + (w * 4).sum(), w).why("w")
    assert "f64[8,8]" not in answer
    assert "is f32[8,8] of norm 56: the sum of f32[8,8] of norm 24 from" in answer
    assert "and f32[8,8] of norm 32 from" in answer


# --- what is not finite: where it came up


def hidden_by_where(x: Tensor) -> Tensor:
    logs = torch.log(x)
    return torch.where(x > 0, logs, 0.0).sum()


def norm_of_nothing(x: Tensor) -> Tensor:
    return (x - x.mean()).square().sum().sqrt()


def row_without_weights(x: Tensor) -> Tensor:
    scores = x.masked_fill(x < 9, float("-inf"))
    weights = scores.softmax(-1)
    return (weights * 2 + 1).sum()


def overflow(x: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(x * 1000)).sum()


def opposite_infinities(x: Tensor) -> Tensor:
    return torch.sqrt(x).sum() - torch.sqrt(x * 2).sum()


def wrong_before(x: Tensor) -> Tensor:
    logs = torch.log(x - 5)
    return torch.sigmoid(logs * 2).sum()


RISES = {
    "difference": (opposite_infinities, (0.0, 1.0), "x", r"The NaN came up at x: ∞ and −∞ came together in the sum\."),
    "before": (
        wrong_before,
        (1.0, 9.0),
        "x",
        r"its result is NaN already in the forward pass, where NaN came up in logs \(log, HERE\)\.",
    ),
    "where": (
        hidden_by_where,
        (0.0, 1.0),
        "x",
        r"The NaN came up at logs \(log, HERE\): a gradient of 0 arrives where its derivative is infinite",
    ),
    "sqrt": (
        norm_of_nothing,
        (1.0, 1.0),
        "x",
        (
            r"The NaN came up at v3 \(square, HERE\): an infinite gradient arrives there, which came up at"
            r" norm_of_nothing \(sqrt, HERE\)\."
        ),
    ),
    "softmax": (
        row_without_weights,
        (1.0, 2.0),
        "scores",
        r"The NaN came up at weights \(softmax, HERE\): its result is NaN already in the forward pass\.",
    ),
    "overflow": (
        overflow,
        (1.0, 0.0),
        "x",
        r"The NaN came up at v2 \(exp, HERE\): a gradient of 0 arrives where its derivative is infinite",
    ),
    "infinite": (
        lambda x: torch.sqrt(x).sum(),
        (0.0, 1.0),
        "x",
        r"v1 \(sqrt, HERE\): its derivative is infinite at element \[0\], where its operand is 0\.",
    ),
}


@pytest.mark.parametrize("name", RISES)
def test_a_gradient_that_is_not_finite_says_where_that_came_up(name: str) -> None:
    function, elements, asked, said = RISES[name]
    answer = gad.trace(function, leaf(*elements)).why(asked)
    assert re.search(said.replace("HERE", HERE), answer), answer


def test_nan_that_was_fed_in_is_said_to_be() -> None:
    answer = gad.trace(lambda x: x * 2, leaf(1.0, 2.0), grad_outputs=torch.tensor([float("nan"), 1.0])).why("x")
    assert "it was fed in there." in answer


def test_nan_of_a_large_tensor_is_counted_and_followed() -> None:
    answer = gad.trace(lambda x: (torch.sqrt(x) * 0).sum(), torch.zeros(40, 40, requires_grad=True)).why("x")
    assert "is f32[40,40], of which 1600 NaN or infinite: what came back" in answer
    assert "The NaN came up at v1 (sqrt, " in answer


def test_a_number_taken_out_of_a_tensor_is_to_be_left_in_it() -> None:
    def function(x: Tensor, w: Tensor) -> Tensor:
        return (x * w.sum().item()).sum()

    answer = gad.trace(function, leaf(1, 2), leaf(3, 4)).why("w")
    assert "item at test_reasons.py:" in answer
    assert answer.endswith("Compute with the tensor itself in place of the Python number.")


class Tied(nn.Module):
    """A parameter with two names, and one that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(4, 3)
        self.head = nn.Linear(3, 4, bias=False)
        self.head.weight = self.embed.weight
        self.idle = nn.Linear(1, 1, bias=False)

    def forward(self, words: Tensor) -> Tensor:
        """The scores of all words."""
        return self.head(self.embed(words))  # type: ignore[no-any-return]


@pytest.mark.parametrize("way", ["trace", "record"])
def test_a_tied_parameter_answers_to_both_of_its_names_and_one_that_nothing_reads_to_its_own(way: str) -> None:
    model, words = Tied(), torch.tensor([1, 2])
    if way == "trace":
        traced = gad.trace(model, words)
    else:
        with gad.record(model) as recorded:
            model(words).sum().backward()
        traced = recorded.graph
    assert "head.weight is the same parameter as embed.weight." in traced.notices
    assert traced.why("head.weight").startswith(
        "head.weight is the same parameter as embed.weight. The gradient of embed.weight is f"
    )
    assert traced.why("idle.weight").startswith("No gradient: no operation read idle.weight here.")


def test_the_update_by_an_optimizer_is_no_way_that_a_gradient_misses() -> None:
    w = leaf(3, 4)
    optimizer = torch.optim.SGD([w], lr=0.1)
    with gad.record() as recorded:
        (w * 2).sum().backward()
        optimizer.step()
    assert "Not part of it" not in recorded.graph.why("w")


def test_the_passes_of_a_recording_answer_for_themselves() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        a = (x * w).sum()
        b = (x + w).sum()
        a.backward()
        b.backward()
    first, second = recorded.graph.passes
    assert "leads to nothing that the backward pass began at" in first.why(key_of(first, "add"))
    assert "leads to nothing that the backward pass began at" in second.why(key_of(second, "mul"))
    assert "Its .grad holds [4, 5], since passes add up there." in second.why(key_of(second, None))


def key_of(traced: Graph, op: str | None) -> str:
    return next(node.key for node in traced.node_list if node.op == op)


def test_a_pass_that_asked_for_other_gradients_says_so() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        (x * w).sum().backward(inputs=[w])
    assert "this pass was asked for those of other tensors only" in recorded.graph.why("x")


def test_a_recording_answers_from_the_last_pass_that_came_to_a_result() -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    with gad.record() as recorded:
        a = (x * w).sum()
        b = (x + 1).square().sum()
        a.backward()
        b.backward()
    assert recorded.graph.why("a").startswith(
        "In backward pass 1 of 2, the last that came to it: The gradient of a is 1: what was fed in there."
    )
    assert recorded.graph.why("w").startswith(
        "In backward pass 1 of 2, the last that came to it: The gradient of w is [1, 2]: "
    )
    assert recorded.graph.why("x").startswith("In backward pass 2 of 2: The gradient of x is [4, 6]: ")


def overwritten_result() -> Graph:
    x = leaf(1, 2)
    recorded = gad.record()
    with suppress(RuntimeError), recorded:
        y = torch.sigmoid(x)
        z = y * 2
        y += 1
        (z + y).sum().backward()
    return recorded.graph  # type: ignore[no-any-return]


def overwritten_parameter() -> Graph:
    x, w = leaf(1, 2), leaf(3, 4)
    optimizer = torch.optim.SGD([w], lr=0.1)
    recorded = gad.record()
    with suppress(RuntimeError), recorded:
        first, second = (x * w).sum(), (x * w).sum()
        first.backward()
        optimizer.step()
        second.backward()
    return recorded.graph  # type: ignore[no-any-return]


def test_a_pass_that_failed_is_the_reason_why_a_gradient_is_missing() -> None:
    failed = overwritten_result()
    answer = failed.why("x")
    assert re.match(
        rf"No gradient has come to x: the backward pass failed at y₀ \(sigmoid, {HERE}\)\. What it read or made", answer
    ), answer
    assert re.search(rf"was written over by y₁ \(add_, {HERE}\)\. RuntimeError: one of the variables needed", answer), (
        answer
    )
    assert "wrote over what sigmoid read or made" in failed.to_svg()


def test_trace_gives_the_graph_so_far_with_what_broke_the_backward_pass_too() -> None:
    def function(x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        z = y * 2
        y += 1
        return (z + y).sum()

    x = leaf(1, 2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as raised:
        gad.trace(function, x)
    failed: Graph = raised.value.graph  # type: ignore[attr-defined]
    assert re.search(
        rf"failed at y₀ \(sigmoid, {HERE}\)\. What it read or made was written over by y₁ \(add_", failed.why("x")
    )
    assert failed.why("z").startswith("The gradient of z is [1, 1]: ")
    assert "stopped here" in failed.to_svg()
    assert x.grad is None


def test_an_optimizer_that_wrote_over_a_parameter_is_named_and_the_parameter_answers_and_not_its_update() -> None:
    answer = overwritten_parameter().why("w")
    assert answer.startswith("In backward pass 1 of 2, the last that came to it: The gradient of w is [1, 2]")
    assert "In backward pass 2 of 2: the backward pass failed at" in answer
    assert re.search(rf"was written over by \w+ \(SGD\.step, {HERE}\)\. RuntimeError", answer), answer


def test_a_parameter_of_no_use_to_a_gradient_of_a_gradient_is_not_said_to_be_left_out_by_request() -> None:
    layer = nn.Sequential(nn.Linear(2, 3), nn.Softplus(), nn.Linear(3, 1))

    def penalty(x: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        return slope.square().sum()

    answer = gad.trace(penalty, torch.ones(1, 2, requires_grad=True)).why("layer.2.bias")
    assert "inputs=" not in answer
    assert "ones_like at test_reasons.py:" in answer


def test_without_a_backward_pass_there_are_no_gradients_at_all() -> None:
    x = leaf(1, 2)
    with gad.record() as recorded:
        (x * 2).sum()
    assert recorded.graph.why("x") == "No gradients were computed here: No backward pass was recorded."


# --- asking


def test_a_name_is_that_of_the_program_or_of_the_picture_or_a_key() -> None:
    seed = graph("seed")
    key = next(key for key, name in graph_names(seed).of.items() if name == "v1")
    assert seed.why("v1") == seed.why(key)
    with pytest.raises(UnknownNameError, match="no node named 'nobody'"):
        seed.why("nobody")


def test_a_name_without_the_module_in_front_is_guessed_even_if_nothing_read_the_parameter() -> None:
    model = Tied()
    traced = gad.trace(lambda words: model(words).sum(), torch.tensor([1, 2]))
    with pytest.raises(UnknownNameError, match=r"did you mean 'model\.idle\.weight'\?"):
        traced.why("idle.weight")
    with pytest.raises(UnknownNameError, match=r"did you mean 'model\.embed\.weight'\?"):
        traced.why("embed.weight")


def test_one_of_several_results_answers_for_itself() -> None:
    def function(x: Tensor) -> Tensor:
        low, high = x.chunk(2)
        torch.exp(high)
        return low.sum()

    traced = gad.trace(function, leaf(1, 2))
    assert traced.why("low").startswith("The gradient of low is [1]")
    assert traced.why("high").startswith("No gradient arrives at high. v2 (exp, test_reasons.py:")


def test_every_node_of_every_small_program_has_an_answer() -> None:
    for name in ("seed", "detach", "unused", "own_function", "several_results", "not_a_number"):
        traced = graph(name)
        for view in (traced, traced.detail or traced):
            for node in view.node_list:
                answer = view.why(node.key)
                assert answer.startswith(("The gradient of ", "No gradient"))
                assert answer.endswith((".", "!"))
                assert (answer.startswith("The gradient")) == (node.ports[0].grad is not None)


def test_the_command_line_answers_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "(1+sin(x2))/(x2+exp(x1)) + x1*x2", "x1=1.5", "x2=0.5", "--capture", "--why", "x2"]) == 0
    printed = capsys.readouterr().out
    assert "linked to autograd, verified by" in printed
    assert printed.splitlines()[-1].startswith("The gradient of x2 is 1.617: the sum of ")
    assert main(["check", "x*x", "x=1", "--why", "nobody"]) == 2


# --- pictures


def test_every_cut_of_a_real_program_has_a_reason() -> None:
    for function, *_ in CUTS:
        traced = gad.trace(function, leaf(1, 2), leaf(3, 4))
        for view in (traced, traced.detail or traced):
            assert {part.cut for part in (*view.node_list, *view.edges) if part.cut} <= set(REASONS)


def test_a_refused_gradient_an_overwritten_part_and_the_inside_of_a_function_are_marked() -> None:
    refused = gad.trace(lambda x, y: Refusing.apply(x.sin(), y.cos()), leaf(1, 2), leaf(3, 4))
    assert marks(refused) == ["✂ None returned"]
    assert "backward returned None" in notes(refused)

    def overwritten(x: Tensor) -> Tensor:
        y = x * 1
        y[0].mul_(2)
        return y.sum()

    assert marks(gad.trace(overwritten, leaf(1, 2))) == ["✂ written over"]
    inside = gad.trace(lambda x: Nested.apply(x), leaf(1, 2)).detail
    assert inside is not None
    assert notes(inside) == ["inside a Function"] * 2
    assert words_of_graph(inside).nodes[inside.node_list[-1].key].formula == "Nested(x)"


def marks(traced: Graph) -> list[str]:
    words = words_of_graph(traced)
    return [line.text for edge in traced.edges for line in words.edges[edge.key].lines if line.role == "cut"]


def notes(traced: Graph) -> list[str]:
    words = words_of_graph(traced)
    return [line.text for node in traced.node_list for line in words.nodes[node.key].notes if line.role == "note"]


def test_a_reason_stands_where_one_points_at() -> None:
    picture = gad.trace(detached, leaf(1, 2), leaf(3, 4)).plot(layout="layered")
    hovers = [str(fact) for part in (*picture.scene.boxes, *picture.scene.arrows) for fact in part.hover]
    assert "no gradient: it was detached, so that autograd does not know what it came from" in hovers
    assert "no gradient: z was detached, so that autograd does not know what it came from" in hovers
    assert Line("cut", "✂ detach") in [line for arrow in picture.scene.arrows for line in arrow.lines]
    assert any(isinstance(edge, Edge) for edge in picture.graph.edges)


def test_of_a_constant_gradient_there_is_no_second_one() -> None:
    w = torch.ones(3, requires_grad=True)
    with gad.record() as recorded:
        y = (w * 3).sum()
        (g,) = torch.autograd.grad(y, w, create_graph=True)
        z = (g**2).sum()
        with pytest.raises(RuntimeError, match="does not require grad"):
            z.backward()
    for name in ("z", "g"):
        said = recorded.graph.why(name)
        assert "what was differentiated is linear, its derivative is a constant" in said
        assert "requires_grad_()" not in said


def test_what_is_parametrized_is_answered_by_its_parameters() -> None:
    parametrizations = torch.nn.utils.parametrizations
    layers = [parametrizations.spectral_norm(nn.Linear(3, 2)), parametrizations.weight_norm(nn.Linear(2, 2))]
    unused = parametrizations.orthogonal(nn.Linear(2, 2))
    net = nn.Sequential(*layers, unused)
    with gad.record(net) as recorded:
        layers[1](layers[0](torch.randn(4, 3))).square().sum().backward()
    graph, original = recorded.graph, "parametrizations.weight.original"
    said = f"0.weight is what a parametrization computes from 0.{original}."
    assert graph.why("0.weight") == f"{said} {graph.why(f'0.{original}')}"
    assert f"{graph.why(f'1.{original}0')} {graph.why(f'1.{original}1')}" in graph.why("1.weight")
    assert graph.why("2.weight").endswith(graph.why(f"2.{original}"))
    assert f"no operation read 2.{original} here" in graph.why("2.weight")
    assert graph.why("module.0.weight") != ""
    with pytest.raises(UnknownNameError, match=r"no node named '0\.bias_'"):
        graph.why("0.bias_")


class Added(nn.Module):
    """What low-rank adaptation adds to a weight that is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Parameter(torch.ones(1, 2)), nn.Parameter(torch.zeros(2, 1))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def test_what_is_trained_in_a_parametrization_is_told_with_what_it_is_added_to() -> None:
    layer = nn.Linear(2, 2).requires_grad_(False)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", Added())
    layer.parametrizations.weight.original.requires_grad_(False)  # type: ignore[union-attr]
    answer = gad.trace(layer, torch.ones(3, 2)).why("weight")
    folder = "parametrizations.weight."
    assert f"computes from {folder}original, {folder}0.up and {folder}0.down." in answer
    assert (
        f"It is 0 from v1 (matmul, test_reasons.py:{line_of(Added.forward, 'return')}) on: {folder}0.up is 0" in answer
    )


def test_a_parametrized_weight_of_one_layer_is_asked_for_by_its_own_name() -> None:
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))
    traced = gad.trace(layer, torch.randn(3, 2))
    assert traced.why("weight").startswith(
        "weight is what a parametrization computes from parametrizations.weight.original0 and"
    )


def test_no_remedy_is_named_where_whole_numbers_are_drawn() -> None:
    logits = torch.zeros(3, requires_grad=True)
    with gad.record() as recorded:
        chosen = torch.distributions.Categorical(logits=logits).sample()
        (logits.log_softmax(-1)[chosen] * 2).backward()
    answer = recorded.graph.why("chosen")
    assert "holds int64, and only real and complex numbers have derivatives." in answer
    assert "requires_grad_" not in answer


def trained(steps: int, bad: int | None = None) -> gad.Graph:
    """Steps of training, with a root of something negative in one of them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    optimizer = torch.optim.Adam(model.parameters())
    with gad.record(model) as recorded:
        for step in range(steps):
            root = torch.sqrt(model(torch.ones(3, 2)) * 0 + (-1 if step == bad else 1))
            h = model(torch.ones(3, 2)) * root
            optimizer.zero_grad()
            h.square().mean().backward()
            optimizer.step()
    return recorded.graph


def test_nan_that_steps_carried_on_is_told_where_it_came_up() -> None:
    done = trained(4, bad=1)
    born = graph_names(done).of[[node for node in done.node_list if node.name == "root"][1].key]
    line = f"{born} (sqrt, test_reasons.py:{line_of(trained, 'root = torch.sqrt')})"
    for name in ("0.weight", "h"):
        answer = done.why(name)
        assert f"holds NaN, which came up in {line}, before backward pass 2." in answer, answer
        assert "which came from" not in answer
    assert f"where NaN came up in {line}, before backward pass 2." in done.why("0.weight")


def test_a_result_of_an_earlier_pass_is_told_by_the_pass_that_came_to_it() -> None:
    done = trained(4)
    for number, node in enumerate((node for node in done.node_list if node.name == "h"), 1):
        answer = done.why(node.key)
        assert answer.startswith(f"In backward pass {number} of 4"), answer
        assert re.search(r"The gradient of h\S* is \[\[", answer), answer
