"""A stretch of the user's own program: its backward passes kept apart, its optimizer steps, its exceptions."""

from __future__ import annotations

import gc
import math
import pickle
import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from call_counts import counted
from programs import wrong_sums
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.graph.graph import Graph, Port
from graphviz_ad._internal.tracing import recording


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double()


INPUT = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)


def test_the_users_own_backward_is_seen_with_every_gradient() -> None:
    model, twin = network(), network()
    twin(INPUT).pow(2).mean().backward()
    with gad.record(model) as recorded:
        loss = model(INPUT).pow(2).mean()
        loss.backward()
    graph = recorded.graph
    assert graph.check().ok
    assert graph.find("loss").value.item() == loss.item()
    for name, parameter in twin.named_parameters():
        assert graph.find(name).grad.array.tolist() == parameter.grad.tolist()
    assert [p.grad.tolist() for p in model.parameters()] == [p.grad.tolist() for p in twin.parameters()]


def test_each_backward_pass_is_kept_apart_and_totals_accumulate() -> None:
    x = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        z = x**3 + 2 * x**2 + 8 * x
        z.backward(retain_graph=True)
        z.backward(retain_graph=True)
        z.backward()
    leaves = [next(node for node in graph.node_list if node.kind == "leaf") for graph in recorded.graph.passes]
    assert [leaf.grad.item() for leaf in leaves] == [72.0, 72.0, 72.0]
    assert [leaf.ports[0].grad_total.item() for leaf in leaves] == [72.0, 144.0, 216.0]
    assert recorded.graph.nx.nodes["n0"]["grad_total"].item() == 216.0


def test_a_recording_of_several_passes_says_that_it_shows_the_last_one() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with gad.record() as recorded:
        for _ in range(3):
            x.square().sum().backward()
    said = "3 backward passes were recorded, each in graph.passes; a picture shows the last."
    assert recorded.graph.notices == (said,)
    assert all(each.notices == () for each in recorded.graph.passes)
    assert said in " ".join(recorded.graph.to_dot().split())
    assert "the last of 3 backward passes" in str(recorded.graph.check())


def test_two_training_steps_tell_the_old_weight_from_the_new() -> None:
    model, twin = network(), network()
    before = twin[0].weight.detach().clone()
    twin_step(twin)
    with gad.record(model) as recorded:
        twin_step(model, steps=2)
    first, second = recorded.graph.passes
    weights = [node for node in second.node_list if node.name == "0.weight"]
    assert weights[0].value.array.tolist() == before.tolist()
    assert first.check().ok
    assert second.check().ok
    updated = [
        node
        for node in second.node_list
        if node.kind == "leaf" and node.grad is not None and node.value.array.tolist() == twin[0].weight.tolist()
    ]
    assert len(updated) == 1


def twin_step(model: torch.nn.Module, steps: int = 1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(INPUT).pow(2).mean().backward()
        optimizer.step()


def test_a_recorded_training_step_computes_what_an_unrecorded_one_does() -> None:
    model, twin = network(), network()
    twin_step(twin, 3)
    with gad.record(model):
        twin_step(model, 3)
    assert [p.tolist() for p in model.parameters()] == [p.tolist() for p in twin.parameters()]


def test_an_exception_passes_unchanged_with_the_graph_so_far() -> None:
    model = network()
    with pytest.raises(RuntimeError, match="size mismatch") as caught, gad.record(model) as recorded:
        model(INPUT) @ torch.ones(7, dtype=torch.float64)
    assert caught.value.graph is recorded.graph
    assert [node.op for node in recorded.graph.node_list if node.kind == "op"] == ["linear", "tanh", "linear", "matmul"]
    assert any("RuntimeError" in notice for notice in recorded.graph.notices)


def test_a_failing_backward_is_said_and_its_exception_is_the_users() -> None:
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="scalar outputs"), gad.record() as recorded:
        (x * 2).backward()
    assert any("scalar" in notice for notice in recorded.graph.notices)


def test_the_engine_is_given_back_whatever_order_recordings_end_in() -> None:
    entry = torch.autograd._engine_run_backward
    outer, inner = gad.record(), gad.record()
    outer.__enter__()
    inner.__enter__()
    assert torch.autograd._engine_run_backward is not entry
    outer_backward = torch.ones((), requires_grad=True)
    (outer_backward * 2).backward()
    inner.__exit__(None, None, None)
    outer.__exit__(None, None, None)
    assert torch.autograd._engine_run_backward is entry
    assert len(outer.graph.passes) == len(inner.graph.passes) == 1


def test_a_bystander_thread_trains_undisturbed_and_unseen() -> None:
    done: list[float] = []

    def train() -> None:
        model = network()
        twin_step(model, 5)
        done.append(model[0].weight.sum().item())

    train()
    with gad.record() as recorded:
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
        x = torch.tensor(3.0, requires_grad=True)
        (x * x).backward()
    assert done[0] == done[1]
    assert len(recorded.graph.passes) == 1
    assert sum(node.kind == "op" for node in recorded.graph.node_list) == 1


def test_a_graph_is_there_only_after_the_block() -> None:
    recording = gad.record()
    with pytest.raises(TraceError, match="after the with block"):
        _ = recording.graph


def test_a_block_without_backward_shows_the_forward_pass() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    with gad.record() as recorded:
        y = x * x
    graph = recorded.graph
    assert not graph.has_gradients
    assert graph.find("y").value.item() == y.item()
    assert graph.plot().to_svg()


def test_a_backward_pass_inside_the_program_is_part_of_it() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        (slope**2).sum().backward()
    assert len(recorded.graph.passes) == 2
    assert recorded.graph.check().ok is None
    leaf = next(node for node in recorded.graph.node_list if node.kind == "leaf")
    assert leaf.grad.array.tolist() == [36.0, 288.0]

    def penalty(x: torch.Tensor) -> torch.Tensor:
        z = torch.ones(2, dtype=torch.float64, requires_grad=True)
        (z * 2).sum().backward()
        return (x * z.grad).sum()

    assert gad.trace(penalty, 2.0).check().ok


class Stubborn(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)

    def __str__(self) -> str:
        raise ValueError("no text")


def test_no_exception_of_the_program_is_replaced_by_ours() -> None:
    error = Stubborn()
    with pytest.raises(Stubborn) as caught, gad.record():
        raise error
    assert caught.value is error


def test_a_recording_is_used_once_and_keeps_no_model() -> None:
    import gc
    import weakref

    model = network()
    watched = weakref.ref(model)
    with gad.record(model) as recorded:
        model(INPUT).sum().backward()
    del model
    gc.collect()
    assert watched() is None
    with pytest.raises(TraceError, match="used once"):
        recorded.__enter__()


def test_a_weight_that_an_optimizer_wrote_to_keeps_its_name_and_gradient() -> None:
    model = network()
    with gad.record(model) as recorded:
        twin_step(model, steps=2)
    leaves = [node for node in recorded.graph.node_list if node.kind == "leaf" and node.grad is not None]
    assert {node.name for node in leaves} == {name for name, _ in model.named_parameters()}


def leaf_of(graph: Graph) -> Port:
    (found,) = [node for node in graph.node_list if node.kind == "leaf"]
    return found.ports[0]


def ones(factor: float) -> torch.Tensor:
    return factor * torch.ones(2, dtype=torch.float64)


def test_passes_that_start_at_a_leaf_have_what_arrives_there() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        y = x * 3
        x.backward(ones(1))
        torch.autograd.backward([x, y], [ones(2), ones(1)])
        (got,) = torch.autograd.grad([x], [x], [ones(5)])
    found = [
        (leaf_of(graph).upstream, leaf_of(graph).grad, leaf_of(graph).grad_total) for graph in recorded.graph.passes
    ]
    numbers = [
        [snapshot.array.tolist() for snapshot in row if snapshot is not None and snapshot.array is not None]
        for row in found
    ]
    assert numbers == [[[1, 1], [1, 1], [1, 1]], [[2, 2], [5, 5], [6, 6]], [[5, 5], [5, 5], [6, 6]]]
    assert x.grad is not None
    assert (x.grad.tolist(), got.tolist()) == ([6, 6], [5, 5])
    assert all(leaf_of(graph).is_output and graph.check().ok for graph in recorded.graph.passes)


def test_a_pass_that_starts_twice_at_a_leaf_with_a_hook_has_the_sum_and_what_the_hook_made_of_it() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    x.register_hook(lambda grad: grad * 10)
    with gad.record() as recorded:
        torch.autograd.backward([x, x], [ones(2), ones(1)])
    port = leaf_of(recorded.graph)
    assert x.grad is not None
    assert [snap.array.tolist() for snap in (port.upstream, port.arrived, port.grad)] == [
        [3, 3],
        [3, 3],
        x.grad.tolist(),
    ]  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(), (2,)], ids=str)
def test_a_backward_pass_in_inference_mode_is_recorded_like_any_other(shape: tuple[int, ...]) -> None:
    found = []
    for mode in (nullcontext, torch.inference_mode):
        x = torch.full(shape, 0.3, dtype=torch.float64, requires_grad=True)
        with gad.record() as recorded:
            total = (x * x * x * x).sum()
            with mode():
                total.backward()
        assert recorded.graph.notices == ()
        assert wrong_sums(recorded.graph) == []
        (history,) = recorded.graph.grad_histories
        events = [(event.what, event.holds) for event in history.events]
        found.append([[edge.local for edge in recorded.graph.edges], events])
    assert found[0] == found[1]


def test_a_pass_that_starts_at_an_updated_leaf_shows_what_it_holds_now() -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        x.exp()
        with torch.no_grad():
            x.mul_(2)
        x.backward(ones(1))
    (found,) = [node for node in recorded.graph.node_list if node.grad is not None]
    assert found.value is not None
    assert (found.kind, found.value.array.tolist(), found.ports[0].is_output) == ("leaf", [2, 4], True)
    assert not any("between uses" in notice for notice in recorded.graph.notices)


def test_a_recording_without_numbers_has_the_same_structure() -> None:
    """What the engine runs is no part of the program, whether or not its gradients are asked for."""
    graphs = []
    for capture in (gad.Capture(), gad.Capture(gradients="none"), gad.Capture("none", "none", local=False)):
        model = network()
        with gad.record(model, capture=capture) as recorded:
            model(INPUT).pow(2).mean().backward()
        graphs.append(recorded.graph)
    structures = [
        [(node.op, node.autograd, node.saved, node.is_output, node.requires_grad) for node in graph.node_list]
        for graph in graphs
    ]
    assert structures[0] == structures[1] == structures[2]
    assert graphs[0].memory == graphs[1].memory == graphs[2].memory
    assert [graph.has_gradients for graph in graphs] == [True, False, False]
    assert graphs[2].notices == ("No gradients: gradients were not asked for",)
    assert {edge.cut for edge in graphs[2].edges} == {edge.cut for edge in graphs[0].edges}


def test_a_backward_pass_that_fails_is_said_without_numbers_too() -> None:
    y = torch.tensor(1.0, requires_grad=True).exp()
    y.backward()
    with (
        pytest.raises(RuntimeError, match="second time"),
        gad.record(capture=gad.Capture("none", "none", local=False)) as recorded,
    ):
        y.backward()
    assert any("backward pass failed" in notice for notice in recorded.graph.notices)


def test_gradients_of_a_whole_batch_of_upstream_gradients_go_through() -> None:
    def jacobian() -> torch.Tensor:
        x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(x.sin(), x, torch.eye(2, dtype=torch.float64), is_grads_batched=True)[0]

    with gad.record() as recorded:
        found = jacobian()
    assert found.tolist() == jacobian().tolist()
    assert recorded.graph.check().ok is None


def test_what_a_recording_fails_at_is_said_and_breaks_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("odd")

    for name in ("_begun", "_take_results"):
        with monkeypatch.context() as patch:
            patch.setattr(recording.Recording, name, fail)
            x = torch.tensor(2.0, requires_grad=True)
            with gad.record() as recorded:
                (x * x).backward()
        assert x.grad is not None
        assert x.grad.item() == 4
        assert any("ValueError: odd" in notice for notice in recorded.graph.notices)


def test_a_pass_may_begin_at_a_place_in_the_graph_of_autograd() -> None:
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        y = x.sin()
        z = y * y
        total = (y * 3).sum()
        starts = [torch.autograd.graph.get_gradient_edge(z), total]
        torch.autograd.grad(starts, [x], [torch.full_like(z, 2), torch.tensor(5.0, dtype=torch.float64)])
    z_port, total_port = recorded.graph.find("z").ports[0], recorded.graph.find("total").ports[0]
    assert (z_port.upstream.array.tolist(), z_port.grad.array.tolist()) == ([2, 2], [2, 2])
    assert (total_port.upstream.item(), total_port.grad.item()) == (5, 5)
    assert wrong_sums(recorded.graph) == []


class Listening(TorchDispatchMode):
    """A mode of the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.heard.append(str(func))
        return func(*args, **(kwargs or {}))


class Passing(TorchDispatchMode):
    """A mode that does nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def step(model: torch.nn.Module, beside: Any = nullcontext) -> None:
    with beside():
        loss = model(INPUT).pow(2).mean()
    loss.backward()
    with beside():
        total = model(INPUT).sum()
    torch.autograd.grad(total, list(model.parameters()))


def heard(beside: Any = nullcontext) -> list[str]:
    model = network()
    with Listening() as mode:
        step(model, beside)
    return mode.heard


@pytest.mark.parametrize("outside", [True, False], ids=["mode around the recording", "recording around the mode"])
def test_a_mode_of_the_user_hears_what_it_would_without_a_recording(outside: bool) -> None:
    model, recorded, mode = network(), gad.record(), Listening()
    expected = heard(Passing) if outside else heard()  # some versions of torch detach twice where a mode calls
    first, second = (mode, recorded) if outside else (recorded, mode)
    with first, second:
        step(model)
    assert mode.heard == expected
    assert [operation for operation in expected if "detach" not in operation] == [
        operation for operation in heard() if "detach" not in operation
    ]
    assert recorded.graph.passes[0].check().ok is not False
    assert torch._C._len_torch_dispatch_stack() == 0


def test_the_recorder_is_back_in_its_place_after_a_backward_pass_that_raised() -> None:
    def refuse(grad: torch.Tensor) -> None:
        raise ValueError("a hook of the user's")

    x = torch.tensor(1.0, requires_grad=True)
    with gad.record() as recorded:
        y = x.exp()
        y.register_hook(refuse)
        with pytest.raises(ValueError, match="user's"):
            y.backward()
        x.cos()
    assert torch._C._len_torch_dispatch_stack() == 0
    assert [node.op for node in recorded.graph.node_list if node.kind == "op"] == ["exp", "cos"]


def trained(parameters: int) -> Graph:
    """A step of training, of so many weights."""
    weights = [torch.nn.Parameter(torch.tensor(float(n + 1))) for n in range(parameters)]
    module = torch.nn.ParameterList(weights)
    optimizer = torch.optim.SGD(weights, lr=0.5)
    with gad.record(module) as recorded:
        loss = sum(weight * weight for weight in weights)
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()
    return recorded.graph


def test_what_an_optimizer_made_of_the_weights_is_drawn_with_the_gradients_that_it_read() -> None:
    graph = trained(2)
    steps = [node for node in graph.node_list if node.op == "SGD.step"]
    assert [node.value.item() for node in steps] == [0.0, 0.0]  # w - 0.5 · 2w
    assert [[graph.nodes[edge.tail].name for edge in graph.in_edges(node.key)] for node in steps] == [
        ["0", "0.grad"],
        ["1", "1.grad"],
    ]
    assert graph.to_svg().count("SGD.step(") == 2
    assert graph.find("0").grad.item() == 2.0  # what was read, not what was made of it
    assert "not drawn" not in graph.to_svg()


def test_the_steps_of_many_weights_are_left_out_with_a_notice() -> None:
    picture = trained(20).plot()
    assert "SGD.step(" not in picture.to_svg()
    assert "20 operations are not drawn" in picture.to_svg()


def test_a_film_tells_of_no_step_before_the_gradients() -> None:
    assert "SGD.step(" not in trained(1).animate().frame(-1).to_svg()


def test_a_gradient_that_cannot_be_noted_is_said_to_be_missing_and_breaks_no_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("odd")

    x = torch.tensor(2.0, requires_grad=True)
    with monkeypatch.context() as patch:
        patch.setattr("graphviz_ad._internal.tracing.assembly.autograd_graph._Watch._local", fail)
        with gad.record() as recorded:
            (x * x).exp().backward()
        traced = gad.trace(lambda x: (x * x).exp(), x)
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(4 * math.exp(4))
    for graph in (recorded.graph, traced):
        assert any("ValueError: odd" in notice for notice in graph.notices)
        assert {edge.grad for edge in graph.edges} == {None}


@pytest.mark.parametrize(
    ("pass_", "message"),
    [
        (lambda y, w: y.backward(), "only for scalar outputs"),
        (lambda y, w: torch.autograd.grad(y, w), "only for scalar outputs"),
        (lambda y, w: y.backward(torch.ones(3)), "Mismatch in shape"),
    ],
)
def test_a_pass_that_torch_refuses_is_told_also_where_the_program_goes_on(pass_: Any, message: str) -> None:
    w = torch.ones(2, requires_grad=True)
    with gad.record() as recorded:
        y = w * 2
        with pytest.raises(RuntimeError, match=message) as caught:
            pass_(y, w)
        assert str(caught.value)
    assert any("backward pass failed" in said and message in said for said in recorded.graph.notices)
    assert message in recorded.graph.why("w")
    assert torch.autograd._make_grads.__module__ == "torch.autograd"


def test_after_a_pass_that_torch_refuses_the_next_is_told_as_it_was() -> None:
    w = torch.ones(2, requires_grad=True)
    with gad.record() as recorded:
        y = w * 2
        with pytest.raises(RuntimeError):
            y.backward()
        y.sum().backward()
    assert "The gradient of w is [2, 2]" in recorded.graph.why("w")
    assert [bool(done.failures) for done in recorded.graph.passes] == [True, False]


def test_a_leaf_that_a_custom_function_is_applied_to_has_the_name_of_its_variable() -> None:
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor, times: float = 1.0) -> Tensor:
            ctx.save_for_backward(a, b)
            return a * b * times

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
            a, b = ctx.saved_tensors
            return (g * b, g * a, None)[: len(ctx.needs_input_grad)]

    class WithoutContext(Product):
        @staticmethod
        def forward(a: Tensor, b: Tensor, times: float = 1.0) -> Tensor:
            return a * b * times

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
            ctx.save_for_backward(*inputs[:2])

    for function in (Product, WithoutContext):
        w, u = torch.ones(2, requires_grad=True), torch.full((2,), 3.0, requires_grad=True)
        with gad.record() as recorded:
            function.apply(w, u).sum().backward()
        assert np.array_equal(recorded.graph.find("w").grad.array, w.grad)
        assert np.array_equal(recorded.graph.find("u").grad.array, u.grad)


def test_a_longer_loop_costs_as_much_a_step_as_a_short_one() -> None:
    def calls_a_step(steps: int) -> float:
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.Adam(model.parameters())

        def program() -> None:
            with gad.record(model):
                for _ in range(steps):
                    optimizer.zero_grad()
                    model(torch.ones(3, 2)).square().mean().backward()
                    optimizer.step()

        return sum(counted(program).ran.values()) / steps

    calls_a_step(2)  # what is found out once
    assert calls_a_step(16) <= 1.05 * calls_a_step(4)


def test_the_graph_of_an_earlier_pass_is_what_it_would_have_been_right_away() -> None:
    model = torch.nn.Linear(2, 1)
    losses = []
    with gad.record(model) as recorded:
        for x in (1.0, 2.0, 3.0):
            loss = model(torch.full((3, 2), x)).square().mean()
            loss.backward()
            losses.append(loss.item())
    gradients = [model.weight.grad]
    late = recorded.graph
    del model, gradients, recorded
    gc.collect()
    passes = late.passes
    assert len(passes) == 3
    assert [done.outputs[0].value.item() for done in passes] == losses
    assert passes[-1].find("weight").grad == late.find("weight").grad
    assert tuple(passes[:2]) == (passes[0], passes[1])
    assert passes[0] is late.saying("x").passes[0]
    read = pickle.loads(pickle.dumps(late))
    assert [done.to_json() for done in read.passes] == [done.to_json() for done in passes]
