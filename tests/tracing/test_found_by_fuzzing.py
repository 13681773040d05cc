"""The smallest program for each fault that random programs and torch's own samples have found; what is wrong still
is marked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flows
import numpy as np
import pytest
import torch
from programs import leaf, node_called, operation, state_of
from random_programs import Choosy, Square, Swap
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.capture import Capture

EVERYTHING = Capture(values="full", gradients="full")


def wrong(reason: str) -> pytest.MarkDecorator:
    """What is wrong still."""
    return pytest.mark.xfail(strict=True, reason=reason)


def fine(graph: Graph) -> Graph:
    """The graph with its calls opened."""
    return graph.detail or graph


def refused(function: Callable[[], Any]) -> None:
    """A call that torch refuses, in a program that goes on."""
    with pytest.raises(RuntimeError):
        function()


# --- programs that are traced at all


def caught(x: Tensor) -> Tensor:
    y = Square.apply(x.to(torch.complex128))
    refused(lambda: torch.maximum(x, y))
    return x.sin()


def half_unused(x: Tensor) -> Tensor:
    first, second = Swap.apply(x, x)
    first.sin()
    result: Tensor = checkpoint(lambda unused, x: x.sin(), second, x, use_reentrant=True)
    return result


def without_leaf(x: Tensor) -> Tensor:
    with torch.no_grad():
        view = x[0]
    return view.sin()  # torch records this, and nothing before it


def test_a_program_may_catch_an_error_of_torch() -> None:
    assert node_called(gad.trace(caught, leaf(1, 2)), "x")["grad"] is not None


def test_an_operand_of_a_checkpoint_may_be_unused() -> None:
    assert node_called(gad.trace(half_unused, leaf(1, 2)), "x")["grad"] is not None


def test_a_graph_may_have_no_leaf() -> None:
    assert operation(gad.trace(without_leaf, leaf(1, 2)), "sin").grad is not None


def test_a_reentrant_checkpoint_may_be_one_of_two_results_of_a_recording() -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    with gad.record() as recording:
        outputs = [checkpoint(lambda y, unused: y.sin(), y, x, use_reentrant=True), x.sin()]
        torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])
    assert recording.graph.outputs


def test_a_sparse_result_needs_no_upstream_gradient_where_no_gradients_are_asked_for() -> None:
    assert gad.trace(lambda x: x.to_sparse(), leaf(1, 2), capture=Capture(gradients="none")).outputs


# --- values


@pytest.mark.parametrize("numbers", [[1 + 2j], [1 + 2j, 3]], ids=str)
def test_a_conjugate_of_one_number_is_shown_conjugated(numbers: list[complex]) -> None:
    (output,) = gad.trace(lambda z: z.conj(), leaf(*numbers, dtype=torch.complex128)).outputs
    assert output.value is not None
    np.testing.assert_array_equal(output.value.array, np.conj(numbers))


@pytest.mark.parametrize("write", [lambda y: y.mul_(3), torch.relu_, lambda y: y.t_()], ids=["mul_", "relu_", "t_"])
def test_the_summary_of_what_was_written_in_place_is_new(write: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-1, 2, 600).reshape(20, 30).requires_grad_()
    node = gad.trace(lambda x: write(x * 2).sin(), x).node_list[-2]
    expected = write(x.detach() * 2)
    assert node.value is not None
    assert (node.op or "")[-1] == "_"
    assert (node.value.shape, node.value.min, node.value.max) == (
        tuple(expected.shape),
        expected.min().item(),
        expected.max().item(),
    )


def test_a_single_number_that_is_to_be_negated_is_shown_negated() -> None:
    z = torch.tensor(1 + 2j, dtype=torch.complex128, requires_grad=True)
    assert operation(gad.trace(lambda z: z.conj().imag, z), "imag").value.item() == -2.0


def test_the_summary_of_what_is_to_be_negated_is_known() -> None:
    x = torch.linspace(-1, 2, 600).to(torch.complex128).requires_grad_()
    node = operation(gad.trace(lambda x: (x * 1j).conj().imag, x), "imag")
    assert node.value is not None
    assert (node.value.missing, node.value.min, node.value.max) == ("summarised", -2.0, 1.0)


def test_a_value_has_the_shape_of_its_gradient_where_a_part_was_written() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.clone()
        return y[:1].mul_(2)

    graph = gad.trace(function, leaf(1, 2, 3))
    ports = [port for node in fine(graph).node_list for port in node.ports if port.grad is not None]
    assert [port.shape for port in ports if port.grad is not None and port.shape != port.grad.shape] == []
    assert sum(port.is_output for node in fine(graph).node_list for port in node.ports) == 1


def test_a_gradient_of_zeros_without_memory_is_zeros() -> None:
    def function(x: Tensor) -> Any:
        return torch.autograd.grad((x * x).sum().abs(), x, create_graph=True)

    graph = gad.trace(function, leaf(1, 2))
    assert {port.grad.missing for node in fine(graph).node_list for port in node.ports if port.grad is not None} == {
        None
    }


def test_results_that_nobody_reads_are_shown() -> None:
    def function(x: Tensor) -> Tensor:
        torch.linalg.qr(x.detach())
        return x.sin()

    x = torch.eye(2, dtype=torch.float64, requires_grad=True)
    assert len(operation(gad.trace(function, x), "qr").ports) == 2


def test_a_function_of_the_user_that_nobody_reads_is_differentiable_all_the_same() -> None:
    def function(x: Tensor) -> Tensor:
        Choosy.apply(x, x, 2.0)
        return x.sin()

    node = operation(fine(gad.trace(function, leaf(1, 2))), "Choosy")
    assert node.cut == "unreached"
    assert node.ports[0].value is not None


def test_an_operation_that_raised_is_said_to_have_raised_or_left_out() -> None:
    def function(x: Tensor) -> Tensor:
        refused(lambda: x @ torch.ones(7, dtype=torch.float64))
        return x.sin()

    graph = gad.trace(function, leaf(1, 2))
    assert "non-differentiable" not in {node.cut for node in graph.node_list}


def test_a_whole_that_was_written_to_in_part_is_shown_whole() -> None:
    """Also where autograd follows nothing: what was written is the part, what is read afterwards the whole."""

    def function(x: Tensor) -> Tensor:
        y = torch.ones(2, 2, dtype=torch.float64)
        part = y[0].zero_()
        return (part * x).sum() + (y * x).sum()

    graph = fine(gad.trace(function, leaf(1, 2)))
    read = [
        next(edge.tail for edge in graph.in_edges(node.key) if edge.cut) for node in graph.node_list if node.op == "mul"
    ]
    assert [graph.nodes[key].value.array.tolist() for key in read] == [[0, 0], [[0, 0], [1, 1]]]  # type: ignore[union-attr]
    (before,) = graph.in_edges(read[1])
    assert before.tail == read[0]
    assert graph.check(capture=True).ok


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
def test_running_statistics_are_what_they_were_when_they_were_read(training: bool) -> None:
    norm = torch.nn.BatchNorm1d(2, dtype=torch.float64).train(training)
    twin = torch.nn.BatchNorm1d(2, dtype=torch.float64).train(training)

    def function(x: Tensor) -> Tensor:
        return norm(x) * norm.running_mean

    x = leaf([0.1, 2.0], [1.5, -1.0])
    graph = gad.trace(function, x)
    twin(x)
    product = operation(graph, "mul")
    mean = graph.nodes[graph.in_edges(product.key)[1].tail]
    assert mean.name == "norm.running_mean"
    assert mean.value.array.tolist() == twin.running_mean.tolist()  # type: ignore[union-attr]
    assert len([node for node in graph.node_list if node.name == "norm.running_mean"]) == (2 if training else 1)


# --- gradients


def test_a_leaf_that_is_updated_afterwards_keeps_its_gradient() -> None:
    def function(w: Tensor) -> Tensor:
        y = w.sum()
        with torch.no_grad():
            w.mul_(0.5)
        return y

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    (read,) = [node for node in graph.node_list if node.kind == "leaf" and node.op is None]
    assert read.cut is None
    assert read.grad is not None
    assert flows.wrong_sums(graph) == []


def test_a_write_without_gradient_is_cut_for_that_reason() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.sin()
        with torch.no_grad():
            y.add_(1)
        return y

    assert operation(gad.trace(function, leaf(1, 2)), "add_").cut == "no_grad"


def test_finished_tensors_of_a_reentrant_checkpoint_leave_no_gradient_behind() -> None:
    x = leaf(1, 2)
    y = checkpoint(torch.sin, x, use_reentrant=True)
    before = state_of(x)
    gad.trace(y)
    assert state_of(x) == before


def test_gradients_of_a_pass_inside_a_pass_add_up() -> None:
    x = leaf(1, 2)
    with gad.record(capture=EVERYTHING) as recording:
        checkpoint(torch.sin, x, use_reentrant=True).sum().backward()
    assert flows.wrong_sums(recording.graph) == []


def test_a_pass_that_starts_at_a_leaf_is_recorded() -> None:
    x = leaf(1)
    with gad.record() as recording:
        x.backward(torch.ones(1, dtype=torch.float64))
    assert [node.grad.item() for node in recording.graph.node_list if node.grad is not None] == [1.0]


def test_what_is_fed_in_twice_is_the_sum_in_the_dtype_of_the_result() -> None:
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.exp()
        return y, y

    seeds = [torch.tensor([number], dtype=torch.bfloat16) for number in (1.0, 0.003)]
    (output,) = gad.trace(function, leaf(1, dtype=torch.bfloat16), grad_outputs=seeds).outputs
    assert output.ports[0].upstream == output.grad


def test_gradients_add_up_at_what_is_inside_a_call_and_read_outside() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: (saved.detach() * 1,), lambda held: held[0]):
            return torch.nn.functional.scaled_dot_product_attention(x, x, x)

    x = torch.eye(3, dtype=torch.float64)[None].requires_grad_()
    assert flows.wrong_sums(gad.trace(function, x, capture=EVERYTHING), exact=True) == []


# --- the check


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.complex64], ids=str)
def test_the_check_allows_for_the_rounding_of_the_dtype(dtype: torch.dtype) -> None:
    x = torch.linspace(0.1, 3, 50).to(dtype).requires_grad_()
    assert gad.trace(lambda x: x.sin() + x.exp() + x / 3, x, capture=EVERYTHING).check().ok


@pytest.mark.parametrize(("function", "number"), [(torch.exp, -4.83), (torch.sigmoid, 5.6)], ids=["exp", "sigmoid"])
def test_finite_differences_allow_for_the_rounding_of_the_dtype(
    function: Callable[[Tensor], Tensor], number: float
) -> None:
    assert gad.trace(function, torch.tensor(number, dtype=torch.bfloat16, requires_grad=True)).check().ok


@pytest.mark.parametrize("function", [Tensor.cfloat, Tensor.cdouble], ids=["cfloat", "cdouble"])
def test_finite_differences_of_a_cast_to_complex_are_not_no(function: Callable[[Tensor], Tensor]) -> None:
    x = leaf(0.5, -1, 2)
    seed = torch.linspace(-1.3, 1.7, 3).to(function(x).dtype)
    assert gad.trace(function, x, grad_outputs=[seed]).check().ok


def test_a_signalling_nan_is_one_like_any_other() -> None:
    """As memory that nobody has written to may hold; numpy warns of it in a cast."""
    x = torch.from_numpy(np.array([0x7F800001, 0x3F800000], np.uint32).view(np.float32)).requires_grad_()
    graph = gad.trace(lambda x: (x * x).exp() + x.sum(), x, grad_outputs=torch.ones(2))
    assert graph.check(capture=True)
    assert graph.tangents("x").outputs is not None
    assert graph.find("x").value.nonfinite == 1  # type: ignore[union-attr]
    assert "NaN" in graph.to_svg()


# --- links


def test_operations_on_many_tensors_in_place_are_linked_to_all_their_nodes() -> None:
    def function(x: Tensor) -> Tensor:
        first, second = x * 1, x * 2
        torch._foreach_mul_([first, second], [x, x])
        return first + second

    graph = gad.trace(function, leaf(1, 2), capture=EVERYTHING)
    assert graph.check(capture=True).ok
    assert graph.notices == ()
    assert flows.wrong_sums(fine(graph)) == []
    assert graph.find("x").grad.array.tolist() == [6, 12]  # type: ignore[union-attr]
    assert operation(graph, "_foreach_mul_").autograd == ("MulBackward0", "MulBackward0")


@wrong("a view that forward mode makes takes the place of torch's own Identity")
def test_a_dual_number_inside_a_trace_is_linked_rightly() -> None:
    def function(x: Tensor) -> Tensor:
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
            return torch.autograd.forward_ad.unpack_dual(dual.sin()).primal

    assert gad.trace(function, leaf(1, 2)).check(capture=True).ok
