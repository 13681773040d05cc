"""After a trace everything is as before, whatever happened, and nothing of the program is held."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from programs import Square, assert_sound, leaf, node_called, operations, randoms, state_of, world
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import GradOutputsError, NoTensorError
from graphviz_ad._internal.graph.transforms import hide_unused


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.dropout, self.recurrent = nn.Dropout(0.5), nn.LSTM(3, 2, batch_first=True)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.norm(self.first(x)).relu_())
        return self.frozen(self.recurrent(x[None])[0]).sum()


def network() -> Network:
    torch.manual_seed(1)
    found = Network()
    found.norm.eval()
    found.first.weight.grad = torch.full_like(found.first.weight, 7.0)
    found.first.bias.register_hook(lambda grad: None)
    found.norm.register_forward_hook(lambda module, args, output: None)
    return found


def batch() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@contextmanager
def unchanged(*things: nn.Module | Tensor, generator: bool = True) -> Iterator[None]:
    """The same world and the same things before and after; `generator` is False where the program itself draws
    random numbers.
    """
    gad.trace(lambda x: x * 2, 1.0)  # what is loaded and measured once a process is loaded and measured
    before, state = world(), state_of(*things)
    try:
        yield
    finally:
        after = world()
        if not generator:
            before.pop("generator")
            after.pop("generator")
        assert {key: value for key, value in after.items() if value != before[key]} == {}
        assert state_of(*things) == state


def buffers(module: nn.Module) -> dict[str, Any]:
    return {name: buffer.tolist() for name, buffer in module.named_buffers()}


def test_a_trace_leaves_no_trace_on_a_network() -> None:
    module, x = network(), batch()
    with unchanged(module, x, generator=False):
        gad.trace(module, x)


def test_the_generator_and_the_buffers_move_as_in_one_forward_pass() -> None:
    plain, traced = network().train(), network().train()
    torch.manual_seed(5)
    plain(batch())
    expected = torch.get_rng_state().tolist()
    torch.manual_seed(5)
    gad.trace(traced, batch())
    assert torch.get_rng_state().tolist() == expected
    assert buffers(plain) == buffers(traced)
    assert buffers(plain) != buffers(network())


def transformer() -> nn.Module:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


class Sequence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru = nn.LSTM(4, 3), nn.GRUCell(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.lstm(x)
        return self.gru(output[-1], output[0])


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x[:, None])
        return result


SAME_BITS: list[tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = [
    ("dropout, batch norm and lstm", Network, (4, 3)),
    ("transformer in training", transformer, (2, 3, 4)),
    ("lstm and gru", Sequence, (3, 2, 4)),
    ("convolution", Convolution, (2, 4, 4)),
]


@pytest.mark.parametrize(("make", "shape"), [case[1:] for case in SAME_BITS], ids=[case[0] for case in SAME_BITS])
def test_results_and_gradients_are_the_same_bits_traced_and_untraced(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(3)
    module, x = make(), randoms(*shape, dtype=torch.float32)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.manual_seed(4)
    plain = module(x)
    wanted = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    gradients = torch.autograd.grad(plain, [x, *wanted.values()], torch.ones_like(plain))
    module.load_state_dict(state)
    torch.manual_seed(4)
    graph = gad.trace(module, x, capture=gad.Capture(values="full", gradients="full"))
    (output,) = graph.outputs
    assert output.value is not None
    np.testing.assert_array_equal(output.value.array, plain.detach().numpy())
    leaves = [node for node in graph.node_list if node.kind == "leaf"]
    assert {node.name for node in leaves[1:]} == set(wanted)
    by_name = dict(zip([leaves[0].name, *wanted], gradients, strict=True))
    for node in leaves:
        assert node.grad is not None
        np.testing.assert_array_equal(node.grad.array, by_name[node.name].numpy(), err_msg=str(node.name))


def test_the_fast_path_of_a_transformer_is_still_taken() -> None:
    module, x = transformer().eval(), randoms(2, 3, 4, dtype=torch.float32).detach()
    gate = leaf(2, dtype=torch.float32)
    mask = torch.tensor([[False, False, True], [False, False, False]])

    def function(gate: Tensor) -> Tensor:
        with torch.no_grad():
            y = module(x, src_key_padding_mask=mask)
        return y * gate

    graph = gad.trace(function, gate, capture=gad.Capture(values="full"))
    assert graph.outputs[0].value is not None
    np.testing.assert_array_equal(graph.outputs[0].value.array, function(gate).detach().numpy())


# --- whatever happens


class Interrupting(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        raise KeyboardInterrupt


class Failing(Square):
    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        raise ValueError("in backward")


def raising(error: type[BaseException]) -> Callable[[Tensor], Tensor]:
    def function(x: Tensor) -> Tensor:
        y = torch.sin(x)
        with torch.no_grad():
            y = y * 2
            raise error("in forward")

    return function


ACCIDENTS: list[tuple[str, Callable[..., Any], type[BaseException]]] = [
    ("an error in the program", raising(ValueError), ValueError),
    ("an interrupt in the program", raising(KeyboardInterrupt), KeyboardInterrupt),
    ("an exit in the program", raising(SystemExit), SystemExit),
    ("an error in a backward", lambda x: Failing.apply(x.exp()), ValueError),
    ("an interrupt in a backward", lambda x: Interrupting.apply(x.exp()), KeyboardInterrupt),
    ("an error of torch", lambda x: x @ x @ torch.ones(7), RuntimeError),
    ("no tensor", lambda x: 3, NoTensorError),
]


@pytest.mark.parametrize(("function", "error"), [case[1:] for case in ACCIDENTS], ids=[case[0] for case in ACCIDENTS])
def test_an_accident_leaves_no_trace(function: Callable[..., Any], error: type[BaseException]) -> None:
    x = randoms(2, 2)
    x.grad = torch.ones_like(x)
    with unchanged(x), pytest.raises(error):
        gad.trace(function, x)


def test_refused_upstream_gradients_leave_no_trace() -> None:
    x = randoms(2, 2)
    with unchanged(x), pytest.raises(GradOutputsError):
        gad.trace(lambda x: x * 2, x, grad_outputs=[1.0, 2.0])


def test_an_error_in_a_module_leaves_no_trace() -> None:
    module = network()
    with unchanged(module, generator=False), pytest.raises(RuntimeError):
        gad.trace(module, torch.ones(4, 5))


def test_a_user_s_hooks_still_run_and_stay() -> None:
    x, seen = leaf(1, 2), []
    x.register_hook(lambda grad: seen.append(grad.tolist()))
    with unchanged(x):
        gad.trace(lambda x: x * 3, x)
    assert seen == [[3, 3]]


def test_a_user_s_modes_see_nothing_of_ours() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counting(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    x = randoms(300)

    def function(x: Tensor) -> Tensor:
        return torch.sin(x) * x

    with Counting() as plain:
        function(x)
    with Counting() as traced:
        gad.trace(function, x)
    assert traced.seen[: len(plain.seen)] == plain.seen
    assert not {"aminmax", "item", "mean", "linalg_vector_norm", "_local_scalar_dense", "isfinite", "norm"} & set(
        traced.seen
    )


# --- what is held


@contextmanager
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


HELD: list[tuple[str, Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]]] = [
    ("operations", lambda x, note: note(note(x * 2).exp()) + note(x.detach())),
    ("calls", lambda x, note: note(functional.linear(note(x * 1)[None], x[None]))),
    ("a custom function", lambda x, note: note(Square.apply(note(x * 2)))),
    ("views in place", lambda x, note: note(note(x * 2)[0].mul_(3))),
    ("no grad", lambda x, note: note(torch.no_grad()(lambda: note(x * 2))() * x)),
]


@pytest.mark.parametrize("function", [case[1] for case in HELD], ids=[case[0] for case in HELD])
def test_no_tensor_outlives_the_trace(function: Any) -> None:
    alive: list[weakref.ref[Any]] = []

    def note(tensor: Tensor) -> Tensor:
        alive.append(weakref.ref(tensor))
        return tensor

    with without_collector():
        graph = gad.trace(lambda x: function(x, note), [1.0, 2.0])
        assert len(alive) >= 2
        assert [ref for ref in alive if ref() is not None] == []
        graph.to_json()


def test_inputs_and_modules_are_let_go() -> None:
    module, x = nn.Linear(3, 2), randoms(4, 3, dtype=torch.float32)
    refs = [weakref.ref(thing) for thing in (module, x, module.weight, *module.parameters())]
    with without_collector():
        graph = gad.trace(module, x)
        del module, x
        assert [ref for ref in refs if ref() is not None] == []
    assert graph.outputs


def test_intermediate_results_die_as_early_as_untraced() -> None:
    def function(x: Tensor) -> Tensor:
        y = x.detach() * 2
        ref = weakref.ref(y)
        y = y + 1
        gone.append(ref() is None)
        return x * y

    gone: list[bool] = []
    with without_collector():
        function(leaf(1))
        gad.trace(function, leaf(1))
    assert gone == [True, True]


def test_a_variable_deleted_after_the_trace_is_gone_while_its_function_still_runs() -> None:
    x = torch.ones(3)
    ref = weakref.ref(x)
    with without_collector():
        gad.trace(lambda y: y * 2, 1.0)
        del x
        assert ref() is None


def test_a_finished_tensor_is_let_go() -> None:
    x = randoms(3)
    y = (x * 2).exp().sum()
    ref = weakref.ref(y)
    with without_collector():
        gad.trace(y)
        del y
        assert ref() is None


def test_nothing_is_held_after_an_error() -> None:
    alive: list[weakref.ref[Any]] = []

    def function(x: Tensor) -> Tensor:
        y = x * 2
        alive.append(weakref.ref(y))
        del y
        raise ValueError

    with without_collector():
        with pytest.raises(ValueError, match=r"^$"):
            gad.trace(function, 1.0)
        assert alive[0]() is None


# --- several at once


def test_a_trace_inside_a_traced_function_is_right_and_so_is_the_outer() -> None:
    inner: list[Any] = []

    def function(x: Tensor) -> Tensor:
        y = x * 3
        inner.append(gad.trace(lambda z: torch.sin(z) * z, 2.0))
        return y.exp()

    graph = gad.trace(function, 1.0)
    # the inner program ran inside the outer one, but leads to none of its outputs
    assert operations(hide_unused(graph)) == ["mul", "exp"]
    assert operations(inner[0]) == ["sin", "mul"]
    assert node_called(graph, "x")["grad"].item() == (torch.tensor(3.0, dtype=torch.float64).exp() * 3).item()
    z = leaf(2)
    assert node_called(inner[0], "z")["grad"].item() == torch.autograd.grad(torch.sin(z) * z, z)[0].item()
    assert not {"_local_scalar_dense", "item"} & set(operations(graph))
    assert_sound(graph)


def program(x: Tensor, n: int) -> Tensor:
    for _ in range(n):
        x = torch.sin(x) * x + n
    return x


def test_six_threads_trace_at_once_and_a_seventh_trains_undisturbed() -> None:
    def train(steps: int) -> list[float]:
        torch_generator = torch.Generator().manual_seed(0)
        weight = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.Adam([weight], lr=0.1)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = ((torch.randn(5, 3, generator=torch_generator) @ weight - 1) ** 2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    expected_losses = train(60)

    def told(n: int) -> str:  # the same line for all, since a graph says which line was running
        return gad.trace(lambda x: program(x, n), 0.5).to_json()

    expected = {n: told(n) for n in range(1, 7)}
    found: dict[int, list[str]] = {n: [] for n in expected}
    losses: list[float] = []
    problems: list[BaseException] = []
    start = threading.Barrier(7)

    def work(n: int) -> None:
        try:
            start.wait()
            if n == 7:
                losses.extend(train(60))
            else:
                found[n].extend(told(n) for _ in range(6))
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 8)]
    with unchanged():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert problems == []
    assert losses == expected_losses
    assert {n: set(texts) for n, texts in found.items()} == {n: {text} for n, text in expected.items()}


class Hears(TorchFunctionMode):
    """A mode of the user's that listens to functions."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.heard.append(str(getattr(func, "__name__", func)))
        return func(*args, **(kwargs or {}))


def test_a_mode_for_functions_hears_the_program_and_nothing_of_ours() -> None:
    layer, x = torch.nn.Linear(2, 2), torch.randn(300, 2, requires_grad=True)

    def function(x: Tensor) -> Tensor:
        return layer(x).relu().sum()

    def step() -> None:
        function(x).backward()

    def heard(run: Callable[[], object]) -> list[str]:
        with Hears() as mode:
            run()
        return mode.heard

    def recorded() -> None:
        with gad.record(layer):
            step()

    assert heard(lambda: gad.trace(function, x)) == heard(lambda: function(x))
    assert heard(recorded) == heard(step)
    y = function(x)
    assert heard(lambda: gad.trace(y)) == []
