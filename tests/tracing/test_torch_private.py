"""With a private name of torch missing, less is shown: the gradients are torch's still, and what is shown is true."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from programs import (
    Square,
    assert_sound,
    autograd_names,
    leaf,
    node_called,
    operations,
    randoms,
    reached_names,
    wrong_sums,
)
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.check.capture_check import verify
from graphviz_ad._internal.graph.graph import Graph, Memory
from graphviz_ad._internal.tracing.assembly import autograd_graph, saved
from graphviz_ad._internal.tracing.tape import custom_functions, hooks_by_hand, stack, tape, torch_private, values
from graphviz_ad._internal.tracing.tape.torch_private import Signature, signature

Patch = pytest.MonkeyPatch
NOBODY = torch_private._call_nothing.__code__


# --- each name gone


def no_sequence_numbers(patch: Patch) -> None:
    patch.setattr(torch_private, "_sequence_number", None)


def no_numbers_of_nodes(patch: Patch) -> None:
    no_sequence_numbers(patch)
    patch.setattr("graphviz_ad._internal.tracing.assembly.autograd_graph.made_at", lambda node: None)


def no_count_of_modes(patch: Patch) -> None:
    for asks in (values, autograd_graph):
        patch.setattr(asks, "modes_are_active", lambda: 1)


def no_hiding_from_modes(patch: Patch) -> None:
    no_count_of_modes(patch)
    patch.setattr(torch_private, "_disabled", None)


def no_subclass_test(patch: Patch) -> None:
    patch.setattr(torch_private, "_plain", None)


def no_saved_tensors(patch: Patch) -> None:
    patch.setattr(saved, "RAW_SAVED", "_gone_")
    patch.setattr(saved, "tells_what_is_saved", lambda: False)
    patch.setattr(saved, "_known", {})
    patch.setattr(saved, "_known_for_now", {})


def no_hooks_of_saved_tensors(patch: Patch) -> None:
    for module in (saved, tape, hooks_by_hand):
        patch.setattr(module, "TELLS_HOOKS", False)


def no_engine(patch: Patch) -> None:
    patch.setattr(torch_private, "ENGINE", "_gone")


def no_engine_and_no_task(patch: Patch) -> None:
    no_engine(patch)
    patch.setattr(torch_private, "_graph_task", None)


def no_code_of_modules(patch: Patch) -> None:
    patch.setattr(stack, "MODULE_CALL", NOBODY)


def no_code_of_functions(patch: Patch) -> None:
    patch.setattr(stack, "FUNCTION_CALLS", frozenset())
    patch.setattr(stack, "stands_on_the_stack", lambda: True)


def no_frame_of_functions(patch: Patch) -> None:
    for module in (stack, custom_functions):
        patch.setattr(module, "FUNCTION_CALLS", frozenset())
    patch.setattr(stack, "stands_on_the_stack", custom_functions.stands_on_the_stack.__wrapped__)


def no_code_of_optimizers(patch: Patch) -> None:
    patch.setattr(stack, "OPTIMIZER_STEP", NOBODY)


def no_code_of_transforms(patch: Patch) -> None:
    patch.setattr(stack, "TRANSFORMS", {})


def no_forward_class(patch: Patch) -> None:
    real = torch_private.function_of
    patch.setattr(autograd_graph, "function_of", lambda node: None if real(node) is None else type(node))


def no_views(patch: Patch) -> None:
    patch.setattr(tape, "is_view", torch_private._perhaps_a_view)


def no_versions(patch: Patch) -> None:
    for module in (autograd_graph, values):
        patch.setattr(module, "version_of", torch_private._never_the_same)


def no_identity_of_memory(patch: Patch) -> None:
    patch.setattr(torch_private, "_storage_of", None)
    patch.setattr(torch_private, "STORAGE", "_gone")


def no_places_in_memory(patch: Patch) -> None:
    patch.setattr(torch_private, "_SIZE", None)
    patch.setattr(torch_private, "_begin_of_memory", None)


def no_trees(patch: Patch) -> None:
    patch.setattr(torch_private, "_pytree", None)


def no_schemas(patch: Patch) -> None:
    class Nameless:
        def __init__(self, overload: Any) -> None:
            self.text = str(overload)

        def __str__(self) -> str:
            return self.text

    patch.setattr("graphviz_ad._internal.tracing.tape.tape_entries.SCHEMAS", {})
    patch.setattr("graphviz_ad._internal.tracing.tape.dispatch_mode.SCHEMAS", {})
    patch.setattr(
        "graphviz_ad._internal.tracing.tape.tape_entries.signature", lambda overload: signature(Nameless(overload))
    )


GONE: list[Callable[[Patch], None]] = [
    no_sequence_numbers,
    no_numbers_of_nodes,
    no_count_of_modes,
    no_hiding_from_modes,
    no_subclass_test,
    no_saved_tensors,
    no_hooks_of_saved_tensors,
    no_engine,
    no_engine_and_no_task,
    no_code_of_modules,
    no_code_of_functions,
    no_frame_of_functions,
    no_code_of_optimizers,
    no_code_of_transforms,
    no_forward_class,
    no_views,
    no_versions,
    no_identity_of_memory,
    no_places_in_memory,
    no_trees,
    no_schemas,
]


@pytest.fixture(params=GONE, ids=lambda gone: gone.__name__)
def gone(request: pytest.FixtureRequest, monkeypatch: Patch) -> str:
    request.param(monkeypatch)
    return str(request.param.__name__)


# --- programs that between them use every name


def everyday(x: Tensor, w: Tensor) -> Tensor:
    y = torch.sin(x) * w
    return (y / (y * y + 1)).sum()


def written_in_place(x: Tensor, w: Tensor) -> Tensor:
    y = x * w
    y.mul_(2)
    y[0] = w[1]
    view = y[1:]
    return (view * y.sum()).sum()


def of_the_user(x: Tensor, w: Tensor) -> Tensor:
    return (Square.apply(x) * Square.apply(w)).sum()


def checkpointed(x: Tensor, w: Tensor) -> Tensor:
    return checkpoint(lambda a, b: (a * b).tanh(), x, w, use_reentrant=False).sum()


def transformed(x: Tensor, w: Tensor) -> Tensor:
    return (torch.func.grad(lambda z: (z**3).sum())(x) * w).sum()


def differentiated_twice(x: Tensor, w: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad((x**3 * w).sum(), x, create_graph=True)
    return (slope**2).sum()


def of_views(x: Tensor, w: Tensor) -> Tensor:
    return (x.view(1, 2) @ w.view(2, 1)).sum() + x[0]


PROGRAMS = [everyday, written_in_place, of_the_user, checkpointed, transformed, differentiated_twice, of_views]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_gradients_are_torchs_and_nothing_that_is_shown_is_wrong(gone: str, program: Callable[..., Tensor]) -> None:
    x, w = leaf(1, 2), leaf(3, 4)
    expected = torch.autograd.grad(program(x, w), (x, w), allow_unused=True)
    names = autograd_names(program(x, w))
    graph = gad.trace(program, x, w)
    for name, gradient in zip(("x", "w"), expected, strict=True):
        found = node_called(graph, name)["grad"]
        assert (found is None) == (gradient is None)
        assert found is None or gradient is None or found.array.tolist() == gradient.tolist()
    assert graph.outputs[0].value is not None
    assert graph.outputs[0].value.item() == program(x, w).item()
    assert graph.detail is not None
    assert wrong_sums(graph) == wrong_sums(graph.detail) == []
    assert not reached_names(graph.detail) - names
    assert verify(graph).wrong == ()
    assert not [notice for notice in graph.notices if "could not be recorded" in notice]
    assert graph.to_svg(layout="layered")


def test_a_module_is_traced_with_its_gradients(gone: str) -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    x = torch.ones(1, 2, dtype=torch.float64)
    expected = torch.autograd.grad(network(x).sum(), list(network.parameters()))
    graph = gad.trace(network, x)
    assert_sound(graph)
    for (name, _), gradient in zip(network.named_parameters(), expected, strict=True):
        assert node_called(graph, name)["grad"].array.tolist() == gradient.tolist()


def test_a_training_step_ends_where_it_would_end(gone: str) -> None:
    def train(layer: nn.Linear) -> Tensor:
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            layer(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
            optimizer.step()
        return layer.weight.detach().clone()

    torch.manual_seed(0)
    plain = train(nn.Linear(2, 1).double())
    torch.manual_seed(0)
    layer = nn.Linear(2, 1).double()
    with gad.record(layer) as recorded:
        found = train(layer)
    assert found.tolist() == plain.tolist()
    assert torch.autograd._engine_run_backward.__module__ == "torch.autograd.graph"
    graph = recorded.graph
    assert all(wrong_sums(done) == [] for done in graph.passes)
    if gone.startswith("no_engine"):
        assert not graph.has_gradients
        assert "watched" in " ".join(graph.notices)
        assert not [node for node in graph.node_list for port in node.ports if port.grad is not None]
    else:
        weights = [next(node for node in done.node_list if node.name == "weight") for done in graph.passes[:1]]
        assert [
            node.grad.array.tolist() for node in weights if node.grad is not None and node.grad.array is not None
        ] == [[[1, 1]]]


def test_a_recording_leaves_no_operation_of_ours_and_none_of_the_engine(gone: str) -> None:
    x = leaf(1, 2)
    with gad.record() as recorded:
        y = x * x
        y.sum().backward()
    assert operations(recorded.graph) == ["mul", "sum"]
    with gad.record() as recorded:
        (slope,) = torch.autograd.grad((x**3).sum(), x, create_graph=not gone.startswith("no_engine"))
        slope.sum()
    ops = operations(recorded.graph)
    assert "item" not in ops
    assert "ones_like" not in ops


def test_what_the_user_packs_is_unpacked_no_more_often_than_without_us(gone: str) -> None:
    count: list[int] = []

    def program(x: Tensor) -> Tensor:
        with torch.autograd.graph.saved_tensors_hooks(lambda kept: kept, lambda kept: (count.append(1), kept)[1]):
            return (x.sin() * x.exp()).sum()

    x = leaf(1, 2)
    torch.autograd.grad(program(x), x)
    plain = len(count)
    count.clear()
    gad.trace(program, x)
    assert len(count) == plain


def test_backward_methods_of_the_user_run_as_often_as_without_us(gone: str) -> None:
    runs: list[int] = []

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 3

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            runs.append(1)
            return g * 3

    gad.trace(lambda x: Counted.apply(x.sum()), leaf(1, 2))
    assert runs == [1]


# --- what is less


def test_without_saved_tensors_memory_is_not_exact_and_nodes_are_not_asked_twice(monkeypatch: Patch) -> None:
    no_saved_tensors(monkeypatch)
    graph = gad.trace(everyday, leaf(1, 2), leaf(3, 4))
    assert graph.memory == Memory(32, 0, exact=False)
    assert {node.saved for node in graph.node_list} == {()}
    assert {node.saved_bytes for node in graph.node_list if node.op == "sin"} == {None}
    kept = gad.trace(lambda x: x.sin() + 1, leaf(1, 2)).edges
    # torch cannot say whether asking would run a hook of the user
    assert [edge.local is None for edge in kept] == [True, True, True]


def test_without_the_code_of_functions_what_runs_inside_is_shown_beside_the_node(monkeypatch: Patch) -> None:
    class Shifted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * x + 1

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0]

    no_code_of_functions(monkeypatch)
    graph = gad.trace(lambda x: Shifted.apply(x).sum(), leaf(1, 2))
    assert operations(graph) == ["mul", "Shifted", "sum"]  # autograd tells whose result the last of them is
    assert [node.cut for node in graph.node_list if node.op == "mul"] == ["no_grad"]  # which is how it ran
    assert_sound(graph)


def test_without_sequence_numbers_applications_in_a_loop_are_still_told_apart(monkeypatch: Patch) -> None:
    no_sequence_numbers(monkeypatch)

    def program(x: Tensor) -> Tensor:
        for _ in range(3):
            x = Square.apply(x)
        return x.sum()

    assert operations(gad.trace(program, leaf(1, 2))) == ["Square"] * 3 + ["sum"]


def test_without_the_code_of_modules_there_are_no_frames(monkeypatch: Patch) -> None:
    no_code_of_modules(monkeypatch)
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).double()
    graph = gad.trace(network, torch.ones(1, 2, dtype=torch.float64))
    assert {node.module for node in graph.node_list} == {()}
    assert operations(graph) == ["linear", "relu"]


def test_a_subclass_that_cannot_be_told_plain_has_no_values(monkeypatch: Patch) -> None:
    class Meters(Tensor):
        pass

    no_subclass_test(monkeypatch)
    graph = gad.trace(lambda x: (x * 2).sum(), torch.ones(2).as_subclass(Meters).requires_grad_())
    assert node_called(graph, "x")["value"].missing == "Meters"
    assert node_called(graph, "x")["grad"].shape == (2,)


def test_modes_of_the_user_see_nothing_of_ours_where_torch_can_hide_it() -> None:
    class Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.seen: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(str(func))
            return func(*args, **(kwargs or {}))

    def seen(run: Callable[[], Any]) -> list[str]:
        with Counting() as mode:
            run()
        return mode.seen

    x, w = leaf(1, 2), leaf(3, 4)
    plain = seen(lambda: torch.autograd.grad(everyday(x, w), (x, w)))
    assert seen(lambda: gad.trace(everyday, x, w)) == plain


# --- the pieces


def test_trees_are_taken_apart_and_put_together_without_torchs_help(monkeypatch: Patch) -> None:
    tree = {"a": [1, (2, 3)], "b": torch.Size([4])}
    with_torch = torch_private.flatten({"a": [1, (2, 3)], "b": 4})
    no_trees(monkeypatch)
    assert torch_private.flatten({"a": [1, (2, 3)], "b": 4}) == with_torch
    assert torch_private.map_tree(lambda n: n * 2, {"a": [1, (2, 3)]}) == {"a": [2, (4, 6)]}
    assert torch_private.map_tree(str, [1, (2,)], is_leaf=lambda part: isinstance(part, tuple)) == ["1", "(2,)"]
    assert [leaf for _, leaf in torch_private.flatten(tree)][:3] == [1, 2, 3]


SIGNATURES: list[tuple[Any, tuple[str, str, tuple[int, ...], frozenset[str]]]] = [
    (torch.ops.aten.sin.default, ("sin", "aten", (), frozenset())),
    (torch.ops.aten.add_.Tensor, ("add_", "aten", (0,), frozenset())),
    (torch.ops.aten.mul.out, ("mul", "aten", (), frozenset({"out"}))),
    (torch.ops.aten.__and__.Scalar, ("__and__", "aten", (), frozenset())),
]


@pytest.mark.parametrize(("overload", "expected"), SIGNATURES, ids=[str(case[0]) for case in SIGNATURES])
def test_the_name_of_an_operation_says_what_its_schema_says(overload: Any, expected: tuple[Any, ...]) -> None:
    class Nameless:
        def __str__(self) -> str:
            return str(overload)

    told: Signature = signature(overload)
    guessed: Signature = signature(Nameless())
    assert (guessed.name, guessed.namespace, guessed.written, guessed.only_written) == expected
    assert (told.name, told.namespace, told.only_written) == (guessed.name, guessed.namespace, guessed.only_written)
    assert guessed.returns is None


def test_memory_and_views_and_versions_have_stand_ins(monkeypatch: Patch) -> None:
    x = randoms(2, 3)
    assert (
        torch_private.memory_of_tensor(x)
        == torch_private.memory_of_tensor(x[0])
        != torch_private.memory_of_tensor(randoms(2, 3))
    )
    assert torch_private.memory_of_tensor(torch.eye(2).to_sparse()) is None
    assert torch_private.bytes_of_memory(x[1:]) == 48
    monkeypatch.setattr(torch_private, "_storage_of", None)
    assert torch_private.bytes_of_memory(x[1:]) == 48
    monkeypatch.setattr(torch_private, "STORAGE", "_gone")
    assert (
        torch_private.memory_of_tensor(x)
        == torch_private.memory_of_tensor(x.view(-1))
        != torch_private.memory_of_tensor(randoms(2, 3))
    )
    assert torch_private.memory_of_tensor(torch.ones(2, device="meta")) is None
    assert (
        [torch_private._perhaps_a_view(t) for t in (x, x[0])]
        == [torch_private.is_view(t) for t in (x, x[0])]
        == [False, True]
    )
    assert torch_private._never_the_same(x) != torch_private._never_the_same(x)
    assert torch_private.version_of(x) == 0


def test_a_backward_pass_is_seen_on_the_stack_too(monkeypatch: Patch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(torch_private, "_graph_task", None)
    x = leaf(1, 2)
    y = x * x
    y.register_hook(lambda grad: seen.append(torch_private.is_in_engine()))
    assert not torch_private.is_in_engine()
    y.sum().backward()
    assert seen == [True]
    assert not torch_private.is_in_engine()


def test_a_leaf_whose_hooks_cannot_be_told_gets_no_backward_of_ours(monkeypatch: Patch) -> None:
    class Silent:
        register_post_accumulate_grad_hook = None

    assert torch_private.may_have_hooks(Silent())  # type: ignore[arg-type]
    assert not torch_private.may_have_hooks(leaf(1))
    assert not torch_private.may_have_hooks(object())  # type: ignore[arg-type]


def test_the_class_of_a_node_stands_for_the_function() -> None:
    node = Square.apply(leaf(1, 2)).grad_fn
    assert torch_private.function_of(node) is Square
    assert torch_private.function_of((leaf(1) * 2).grad_fn) is None

    class Copy(torch.autograd.function.BackwardCFunction):
        _forward_cls = None

    assert torch_private.function_of(Copy()) is Copy


WITHOUT_MODES = """
import torch, torch.utils._python_dispatch as home, torch.utils._pytree
import torch.func, torch.optim, torch.utils.checkpoint
del home.TorchDispatchMode
import graphviz_ad as gad
x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
graph = gad.trace(lambda x: (torch.sin(x) * x).sum(), x)
expected = torch.autograd.grad((torch.sin(x) * x).sum(), x)[0]
(leaf,) = [node for node in graph.node_list if node.kind == "leaf"]
print(leaf.grad.array.tolist() == expected.tolist())
print(sorted(name for node in graph.node_list for name in node.autograd))
print(any("dispatch modes" in notice for notice in graph.notices), graph.check().ok, graph.outputs[0].value.item() == (torch.sin(x) * x).sum().item())
graph.to_svg(layout="layered")
"""  # noqa: E501


def test_without_dispatch_modes_there_is_what_autograd_recorded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MODES], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-800:]
    assert done.stdout.splitlines() == ["True", "['MulBackward0', 'SinBackward0', 'SumBackward0']", "True True True"]


def test_graph_type_is_what_it_says() -> None:
    assert isinstance(gad.trace(everyday, leaf(1, 2), leaf(3, 4)), Graph)


# --- a torch that breaks


def test_a_local_derivative_that_cannot_be_had_is_said(monkeypatch: Patch) -> None:
    def broken(*_: Any, **__: Any) -> Tensor:
        raise RuntimeError("no ones today")

    monkeypatch.setattr(torch, "ones_like", broken)
    graph = gad.trace(lambda x: x.sin() + 1, leaf(1, 2), grad_outputs=[1.0, 1.0])
    assert not [edge for edge in graph.edges if edge.local is not None]
    assert any(
        "SinBackward0 could not be asked for its local derivative: RuntimeError: no ones today" in text
        or "AddBackward0" in text
        for text in graph.notices
    )
    assert_sums(graph)


def assert_sums(graph: Graph) -> None:
    assert wrong_sums(graph) == []
    assert (
        node_called(graph, "x")["grad"].array.tolist() == torch.tensor([1.0, 2.0], dtype=torch.float64).cos().tolist()
    )


class Stubborn(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        if name == "graph":
            raise AttributeError(f"{name} cannot be set")
        super().__setattr__(name, value)


def stubborn(x: Tensor) -> Tensor:
    x.sin()
    raise Stubborn("mine")


def recorded(x: Tensor) -> None:
    with gad.record():
        stubborn(x)


@pytest.mark.parametrize("run", [lambda x: gad.trace(stubborn, x), recorded], ids=["trace", "record"])
def test_a_graph_that_cannot_go_with_the_programs_exception_is_said_and_that_goes_on(
    run: Callable[[Tensor], Any], capsys: Any
) -> None:
    with (
        pytest.warns(
            gad.GraphvizADWarning,
            match="no graph could be made up to where the program raised Stubborn: mine: AttributeError",
        ),
        pytest.raises(Stubborn),
    ):
        run(leaf(1, 2))
    assert capsys.readouterr().err == ""
    with pytest.raises(Stubborn):  # also where warnings are errors
        run(leaf(1, 2))
    assert (
        "GraphvizADWarning: no graph could be made up to where the program raised Stubborn: mine"
        in capsys.readouterr().err
    )


def test_a_tensor_whose_origin_cannot_be_read_is_said(monkeypatch: Patch) -> None:
    def broken(self: Tensor) -> Any:
        raise RuntimeError("no origin today")

    x = leaf(1, 2)
    with gad.record() as recording:
        y = x.sin()
        with monkeypatch.context() as patch:
            patch.setattr(Tensor, "grad_fn", property(broken))
            y * 2
    assert any("no origin today" in text for text in recording.graph.notices)


@pytest.mark.parametrize(
    "program",
    [
        lambda x, w: x @ w,
        lambda x, w: (x.sum(), x @ w, w[0]),
        lambda x, w: (x * 2, (w * w).sum()),
        lambda x, w: {"left": x, "right": w.sin()},
    ],
    ids=["one", "a number beside others", "apart", "a leaf"],
)
def test_gradients_of_the_engine_itself_are_those_that_torch_gives_from_seeds_at_which_it_looks(
    program: Callable[..., Any], monkeypatch: Patch
) -> None:
    x, w = randoms(2, 3), randoms(3, 3)
    monkeypatch.setattr(torch_private, "LOOKS_BY", "torch")  # is there: torch looks
    looked = gad.trace(program, x, w).to_json()
    asked = []
    entry = torch.autograd._engine_run_backward
    monkeypatch.setattr(torch.autograd, "_make_grads", lambda *_, **__: asked.append("look"))
    monkeypatch.setattr(
        torch.autograd, "_engine_run_backward", lambda *a, **k: (asked.append("run"), entry(*a, **k))[1]
    )
    monkeypatch.setattr(torch_private, "LOOKS_BY", "nowhere")
    assert gad.trace(program, x, w).to_json() == looked
    assert asked == ["run"]
    assert x.grad is None
    assert w.grad is None
