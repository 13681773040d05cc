"""`check` runs the target again: it says what it examined, changes nothing, and knows when there is nothing to say."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import re
import sys
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from function_cases import WRONG, drawn, made
from programs import state_of, world
from real_modules import MODULES
from torch import Tensor, nn
from torch.distributions import Beta, Dirichlet, Gamma, StudentT
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.check import target_check
from graphviz_ad._internal.check.backward_faults import FACTOR, STALE
from graphviz_ad._internal.check.gradient_check import Report
from graphviz_ad._internal.check.verdicts import (
    AGREES,
    CUT,
    DIFFERS,
    HOOKED,
    KINK,
    MEANT,
    STEPS,
)
from graphviz_ad._internal.tracing.rerun import function_calls, keeping


class Seven(torch.autograd.Function):
    """Twice its input, of which the backward makes seven times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 7


class Twice(torch.autograd.Function):
    """The same, and right; in the form that has a `setup_context`."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 2


class Network(nn.Module):
    """Two large layers around a Function."""

    def __init__(self, function: type[torch.autograd.Function] = Twice) -> None:
        super().__init__()
        self.function, self.first, self.a_layer_with_a_long_name = function, nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.a_layer_with_a_long_name(self.function.apply(self.first(x)))


def verdicts(report: Report) -> dict[str, str]:
    return {leaf.name: leaf.verdict for leaf in report.numeric.leaves}


def problem(report: Report) -> str:
    return report.numeric.target.problem


# --- what is wrong is named


def test_two_layers_and_a_wrong_function_are_not_green() -> None:
    report = gad.trace(Network(Seven), torch.randn(8, 64)).check()
    assert report.ok is False
    assert report.coverage == (4, 4)
    assert verdicts(report) == {
        "first.weight": DIFFERS,
        "first.bias": DIFFERS,
        "a_layer_with_a_long_name.weight": AGREES,
        "a_layer_with_a_long_name.bias": AGREES,
    }
    (found,) = report.numeric.functions
    (fault,) = (each.fault for each in found.inputs)
    assert fault is not None
    assert (found.name, found.calls, fault.kind, fault.factor) == ("Seven", 1, FACTOR, pytest.approx(3.5))
    text = str(report)
    line = Network.forward.__code__.co_firstlineno + 1
    assert f"the backward of Seven (test_target_check.py:{Seven.backward.__code__.co_firstlineno})" in text
    assert (
        f"called at test_target_check.py:{line}: for x it gives 3.5 times the derivative of its forward (factor 3.5)"
        in text
    )
    assert "4 of 4 parameters and inputs examined by numbers" in text


def test_the_right_one_is_green_and_names_are_whole() -> None:
    report = gad.trace(Network(Twice), torch.randn(8, 64)).check()
    assert report.ok is True
    assert [found.name for found in report.numeric.functions] == ["Twice"]
    small = gad.trace(lambda a_variable_with_a_long_name: a_variable_with_a_long_name.sin(), 1.0).check()
    assert "a_variable_with_a_long_name" in str(small)


def test_what_is_not_examined_is_not_ok() -> None:
    graph = gad.trace(Network(Seven), torch.randn(8, 64))
    report = graph.check(numeric=False)
    assert (report.ok, bool(report.ok), report.coverage) == (None, False, (0, 4))
    assert "0 of 4 parameters and inputs examined by numbers" in str(report)
    assert "not examined" in str(report)


def test_a_function_that_reads_what_another_call_kept_is_stale() -> None:
    class Shared(torch.autograd.Function):
        kept: ClassVar[list[Tensor]] = []

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            Shared.kept[:] = [x]
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return 2 * g * Shared.kept[0]

    (x,) = drawn((4,))
    report = gad.trace(lambda x: (Shared.apply(x * 2) * Shared.apply(x * 3)).sum(), x).check()
    assert report.ok is False
    kinds = [each.fault.kind for found in report.numeric.functions for each in found.inputs if each.fault]
    assert kinds == [STALE]


def test_a_tensor_that_was_written_to_after_it_was_kept_is_stale() -> None:
    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.x = x  # not by save_for_backward, which would notice
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return 2 * g * ctx.x

    def program(x: Tensor) -> Tensor:
        y = x * 1
        z = Kept.apply(y)
        y.mul_(2)
        return (z * y).sum()

    report = gad.trace(program, *drawn((4,))).check()
    assert [each.fault.kind for found in report.numeric.functions for each in found.inputs if each.fault] == [STALE]


def test_a_hook_that_changes_a_gradient_makes_it_another_one() -> None:
    (x,) = drawn((4,))
    x.register_hook(lambda grad: grad * 2)
    report = gad.trace(lambda x: Twice.apply(x).sum(), x).check()
    assert report.ok is False
    assert [leaf.slope.why for leaf in report.numeric.leaves] == [HOOKED]


def test_functions_in_a_loop_have_one_line() -> None:
    def program(x: Tensor) -> Tensor:
        for _ in range(5):
            x = Seven.apply(x)
        return x.sum()

    report = gad.trace(program, *drawn((2,))).check()
    (found,) = report.numeric.functions
    assert (found.calls, found.verdict) == (5, DIFFERS)
    assert ", 5 times" in str(report)


# --- no alarm


@pytest.mark.parametrize("name", sorted(MODULES))
def test_real_modules_give_no_alarm(name: str) -> None:
    torch.manual_seed(1)
    module, args = MODULES[name]()
    report = gad.trace(module, *args).check()
    assert report.ok or name == "scripted", report
    assert DIFFERS not in str(report)
    assert report.coverage.examined == report.coverage.of or name == "scripted"


def test_transformers_give_no_alarm() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    ids = torch.tensor([[3, 5, 7]])
    report = gad.trace(transformers.BertForMaskedLM(config), input_ids=ids, labels=ids).check()
    assert report.ok
    assert report.coverage.examined == report.coverage.of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.complex64])
def test_few_digits_are_no_fault(dtype: torch.dtype) -> None:
    (x,) = drawn((3, 4), dtype=dtype)
    report = gad.trace(lambda x: (Twice.apply(x).sin() * x).sum().abs(), x).check()
    assert report.ok


def test_what_rounds_behind_torch_s_back_is_no_fault() -> None:
    class Single(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.x = x.detach().numpy().astype(np.float32)
            return torch.from_numpy(np.sin(ctx.x)).to(x.dtype)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g * torch.from_numpy(np.cos(ctx.x))

    report = gad.trace(lambda x: Single.apply(x).sum(), *drawn((4, 3), dtype=torch.float32)).check()
    assert report.ok
    assert report.coverage == (1, 1)


class Dropped(torch.autograd.Function):
    """Draws random numbers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float) -> Tensor:
        ctx.mask = (torch.rand_like(x) > share).to(x.dtype)
        return x * ctx.mask

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.mask, None


class Overwriting(torch.autograd.Function):
    """Writes to what it is given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x.mul_(3))
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return g * 3


class Largest(torch.autograd.Function):
    """Returns indices, too, and takes a number."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Any:
        values, places = x.topk(count)
        ctx.save_for_backward(places)
        ctx.shape = x.shape
        ctx.mark_non_differentiable(places)
        return values, places

    @staticmethod
    def backward(ctx: Any, g: Tensor, _: Tensor) -> Any:
        (places,) = ctx.saved_tensors
        return torch.zeros(ctx.shape, dtype=g.dtype).scatter(-1, places, g), None


class Inner(torch.autograd.Function):
    """Runs a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        with torch.enable_grad():
            ctx.x = x.detach().requires_grad_()
            ctx.y = Dropped.apply(ctx.x, 0.0).sin() * ctx.x
        return ctx.y.detach()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return torch.autograd.grad(ctx.y, ctx.x, g)[0]


@pytest.mark.parametrize(
    "program",
    [
        lambda x: Dropped.apply(x, 0.5).sin(),
        lambda x: Overwriting.apply(x * 1).sin(),
        lambda x: Largest.apply(x, 2)[0].sin(),
        lambda x: Inner.apply(x),
        lambda x: torch.func.vmap(lambda row: row.sin() * 2)(x),
        lambda x: torch.autograd.grad((Twice.apply(x) ** 3).sum(), x, create_graph=True)[0],
    ],
    ids=["draws", "overwrites", "indices", "inner pass", "vmap", "double backward"],
)
def test_unusual_functions_give_no_alarm(program: Callable[[Tensor], Tensor]) -> None:
    report = gad.trace(program, *drawn((4, 3))).check()
    assert report.ok
    assert report.coverage == (1, 1)


def test_a_kink_is_no_fault() -> None:
    x = torch.tensor([0.0, 1.0, -1.0, 0.0], requires_grad=True)
    w = torch.tensor([1.0, 2.0, 3.0, -1.0])
    report = gad.trace(lambda x: (Twice.apply(x).relu() * w).sum(), x).check()
    assert report.ok
    assert verdicts(report) == {"x": KINK}
    assert report.coverage == (1, 1)  # beside it


def test_a_function_at_a_kink_is_looked_at_beside_it() -> None:
    function = made("Positive", torch.relu, lambda g, x: g * (x > 0))
    report = gad.trace(lambda x: function.apply(x * 1).sum(), torch.zeros(3, requires_grad=True)).check()
    assert report.ok
    wrong = made("Doubled", torch.relu, lambda g, x: 2 * g * (x > 0))
    assert gad.trace(lambda x: wrong.apply(x * 1).sum(), torch.zeros(3, requires_grad=True)).check().ok is False


def test_a_function_that_climbs_in_steps_is_no_fault() -> None:
    straight_through = made("Rounded", torch.round, lambda g, x: g)
    report = gad.trace(lambda x: (straight_through.apply(x * 3) * x.detach()).sum(), *drawn((5,))).check()
    assert report.ok is None
    assert [each.slope.why for found in report.numeric.functions for each in found.inputs] == [STEPS]
    assert "climbs in steps" in str(report)


def test_what_a_detach_hides_is_no_fault_and_not_examined() -> None:
    report = gad.trace(lambda x: (Twice.apply(x) * x.detach()).sum(), *drawn((3,))).check()
    assert (report.ok, verdicts(report)) == (None, {"x": CUT})
    harmless = gad.trace(lambda x: (Twice.apply(x) + 0 * x.detach()).sum(), *drawn((3,))).check()
    assert harmless.ok


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_are_run_again(reentrant: bool) -> None:
    layer = nn.Linear(3, 3)
    x = torch.randn(2, 3, requires_grad=True)
    report = gad.trace(lambda x: checkpoint(layer, x, use_reentrant=reentrant).sin().sum(), x).check()
    assert report.ok
    assert report.coverage.examined == report.coverage.of
    assert layer.weight.grad is None


# --- runs are of copies, all from one state


class Noisy(nn.Module):
    """Dropout, batch statistics, a draw, a counter, and a Function."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.dropout, self.count = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), 0
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.seen.append(x)
        y = self.dropout(self.norm(self.layer(x)))
        return (Twice.apply(y) * self.count + torch.randn_like(y)).square().mean()


def test_dropout_and_batch_statistics_are_held_and_nothing_changes() -> None:
    torch.manual_seed(0)
    module, x = Noisy(), torch.randn(6, 3)
    module.layer.weight.grad = torch.ones(4, 3)
    graph = gad.trace(module, x)
    graph.check()  # what is loaded once a process is loaded
    before, state = world(), state_of(module, x)
    randoms = random.getstate(), np.random.get_state()[1].tolist()
    report = graph.check(numeric=True)
    assert report.ok
    assert report.coverage == (4, 4)
    assert (module.count, len(module.seen)) == (1, 1)
    assert world() == before
    assert state_of(module, x) == state
    assert (random.getstate(), np.random.get_state()[1].tolist()) == randoms
    assert sys.getprofile() is None


def test_what_is_small_is_examined_as_it_was_whatever_happens_to_it_since() -> None:
    module = Network(Twice)
    graph = gad.trace(module, torch.randn(2, 64))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3)
    assert graph.check().ok
    del module
    gc.collect()
    assert graph.check().ok


def test_what_is_large_is_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_BYTES", 1000)
    module, x = Network(Seven), torch.randn(2, 64)
    graph = gad.trace(module, x)
    assert graph.check().ok is False
    references = [weakref.ref(thing) for thing in (module, module.first.weight, x)]
    with torch.no_grad():
        module.first.weight.mul_(2)
    report = graph.check()
    assert (report.ok, problem(report)) == (None, target_check.FAILED)
    assert "has been written to since" in str(report)
    del module, x
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    report = graph.check()
    assert report.ok is None
    assert "is gone" in str(report)


NETWORK, WEIGHT = nn.Linear(3, 2), torch.randn(2, 2, requires_grad=True)
WEIGHTS = {"one": torch.randn(2, requires_grad=True)}


def inner(y: Tensor) -> Tensor:
    return Seven.apply(y @ WEIGHT)


def test_what_a_program_takes_from_around_it_is_copied_too() -> None:
    def program(x: Tensor) -> Tensor:
        return (inner(NETWORK(x)) * WEIGHTS["one"]).sum()

    kept = state_of(NETWORK, WEIGHT)
    graph = gad.trace(program, torch.randn(4, 3))
    report = graph.check()
    assert report.coverage == (4, 4)
    named = verdicts(report)
    assert (named.pop("NETWORK.weight"), named.pop("NETWORK.bias")) == (DIFFERS, DIFFERS)
    assert sorted(named.values()) == [
        DIFFERS,
        AGREES,
    ]  # of the weight in the other function, and of that in a dictionary
    assert state_of(NETWORK, WEIGHT) == kept


def test_a_target_stays_in_its_process() -> None:
    graph = gad.trace(lambda x: Seven.apply(x).sum(), *drawn((2,)))
    for other in (
        pickle.loads(pickle.dumps(graph.with_parts(graph.node_list, graph.edges))),
        copy.deepcopy(graph),
    ):
        report = other.check()
        assert (report.ok, problem(report)) == (None, target_check.NO_TARGET)
    assert "Seven" in graph.to_json()
    assert "KeptTarget" not in graph.to_json()
    assert gad.transforms.hide_constants(graph).check().ok is False


# --- where there is nothing to say


def test_a_target_that_gives_other_results_each_time_is_not_examined() -> None:
    calls = iter(range(1000))
    random_ones: dict[str, Callable[[Tensor], Tensor]] = {
        "a count": lambda x: (Seven.apply(x) * next(calls)).sum(),
        "the system's": lambda x: (Seven.apply(x) * random.SystemRandom().random()).sum(),
    }
    for name, program in random_ones.items():
        report = gad.trace(program, *drawn((2,))).check()
        assert (report.ok, problem(report)) == (None, target_check.RANDOM), name
        assert "different results" in str(report)


def test_random_numbers_that_are_not_torch_s_are_said() -> None:
    report = gad.trace(lambda x: (Seven.apply(x) * random.random()).sum(), *drawn((2,))).check()
    assert (report.ok, problem(report)) == (None, target_check.OTHER_NOW)


def test_an_error_of_the_second_run_is_said() -> None:
    class Once:
        runs = 0

    def program(x: Tensor) -> Tensor:
        Once.runs += 1
        if Once.runs > 1:
            raise ValueError("the file is closed")
        return Seven.apply(x).sum()

    report = gad.trace(program, *drawn((2,))).check()
    assert report.ok is None
    assert "The target could not be run again: it raised ValueError: the file is closed." in str(report)


def test_a_target_that_has_no_value_near_by_is_said() -> None:
    def program(x: Tensor) -> Tensor:
        if not torch.equal(x, torch.ones(2, dtype=torch.float64)):
            raise ValueError("only for ones")
        return Twice.apply(x).sum()

    report = gad.trace(program, torch.ones(2, dtype=torch.float64, requires_grad=True)).check()
    assert (report.ok, report.coverage) == (None, (0, 1))
    assert "not examined: x: the target raised" in str(report)


def test_a_function_of_something_large_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_calls, "MOST_ELEMENTS", 3)
    report = gad.trace(lambda x: Seven.apply(x).sum(), *drawn((4,))).check()
    assert report.ok is False
    assert "not examined: Seven, called at" in str(report)
    assert "what it is given is too large" in str(report)


def test_graphs_without_a_target_say_so() -> None:
    (x,) = drawn((2,))
    with gad.record() as recorded:
        Seven.apply(x).sum().backward()
    for graph in (recorded.graph, gad.trace(Seven.apply(x).sum())):
        report = graph.check()
        assert (report.ok, problem(report)) == (None, target_check.NO_TARGET)
        assert "0 of 1" in str(report)


def test_what_formulas_settle_is_not_run_again_unless_asked() -> None:
    runs = []

    class Counting:
        def __call__(self, x: Tensor) -> Tensor:
            runs.append(1)
            return x.sin()

    graph = gad.trace(Counting(), 1.0)
    assert problem(graph.check()) == target_check.NOT_NEEDED
    report = graph.check(numeric=True)
    assert report.ok
    assert report.numeric.target.runs > 4
    assert graph.check(numeric=True).numeric == report.numeric  # the same each time


def test_a_large_target_is_run_on_request_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_check, "MOST_ELEMENTS", 1000)
    graph = gad.trace(Network(Seven), torch.randn(2, 64))
    report = graph.check()
    assert (report.ok, problem(report)) == (None, target_check.TOO_LARGE)
    assert graph.check(numeric=True).ok is False


def test_a_profiler_is_left_alone() -> None:
    def profiler(*_: Any) -> None:
        pass

    graph = gad.trace(lambda x: Twice.apply(x).sum(), *drawn((2,)))
    sys.setprofile(profiler)
    try:
        report = graph.check()
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert report.ok
    assert "a profiler runs" in str(report)


def test_integer_inputs_stay_what_they_are() -> None:
    embedding = nn.Embedding(5, 3)
    report = gad.trace(lambda i: Seven.apply(embedding(i)).sum(), torch.tensor([1, 4])).check()
    assert report.ok is False
    assert verdicts(report) == {"embedding.weight": DIFFERS}


def test_the_kinds_of_faults_are_thirty_and_more() -> None:
    assert len(WRONG) >= 30


# --- gradients that are not meant to be derivatives

PADDED = torch.tensor([0, 1, 2, 1])
UNLIKE_DERIVATIVES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "rows of padding": (lambda w: functional.embedding(PADDED, w, padding_idx=0).tanh().sum(), MEANT),
    "divided by frequency": (lambda w: functional.embedding(PADDED, w, scale_grad_by_freq=True).tanh().sum(), MEANT),
    "a bag divided by frequency": (
        lambda w: functional.embedding_bag(PADDED[None], w, scale_grad_by_freq=True, mode="sum").tanh().sum(),
        MEANT,
    ),
    "through steps": (
        lambda w: (torch.randn(4, 3) * w * torch.fake_quantize_per_tensor_affine(w, 0.1, 0, -128, 127)).sum(),
        MEANT,
    ),
    "a draw": (lambda w: (torch.normal(w, 1.0) * w).sum(), MEANT),
    "gamma": (lambda w: Gamma(w.exp(), torch.ones(4, 3)).rsample().sum(), MEANT),
    "beta": (lambda w: Beta(w.exp(), w.exp() + 1).rsample().sum(), MEANT),
    "Student": (lambda w: StudentT(w.exp() + 3).rsample().sum(), MEANT),
    "Dirichlet": (lambda w: Dirichlet(w.exp()).rsample().square().sum(), MEANT),
    "a hard choice, of which a call hides the cut": (
        lambda w: (functional.gumbel_softmax(w, hard=True) * w).sum(),
        "",
    ),
}


@pytest.mark.parametrize("name", UNLIKE_DERIVATIVES)
def test_a_gradient_that_is_not_meant_to_be_the_derivative_is_not_called_wrong(name: str) -> None:
    program, why = UNLIKE_DERIVATIVES[name]
    (w,) = drawn((4, 3), dtype=torch.float32)
    report = gad.trace(program, w).check()
    assert report.ok is None, report
    assert [(leaf.verdict, leaf.slope.why) for leaf in report.numeric.leaves] == [(CUT, why)]


@pytest.mark.parametrize("seed", range(12))
def test_a_gradient_through_steps_is_told_as_meant_whatever_the_steps_are(seed: int) -> None:
    w, factors = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed))
    report = gad.trace(
        lambda w: (factors * w * torch.fake_quantize_per_tensor_affine(w, 0.1, 0, -128, 127)).sum(), w.requires_grad_()
    ).check()
    assert report.ok is None, report
    assert [(leaf.verdict, leaf.slope.why) for leaf in report.numeric.leaves] == [(CUT, MEANT)]


def test_what_stands_beside_such_a_gradient_is_still_found_to_be_wrong() -> None:
    w, x = drawn((4, 3), (4, 3))
    report = gad.trace(
        lambda w, x: (functional.embedding(PADDED, w, padding_idx=0) * Seven.apply(x)).sum(), w, x
    ).check()
    assert report.ok is False
    assert {leaf.name: leaf.verdict for leaf in report.numeric.leaves} == {"w": CUT, "x": DIFFERS}


def test_an_embedding_without_padding_in_its_input_is_examined() -> None:
    (w,) = drawn((4, 3))
    report = gad.trace(lambda w: functional.embedding(PADDED[1:], w, padding_idx=0).tanh().sum(), w).check()
    assert (report.ok, report.coverage) == (True, (1, 1))


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return -grads[0]


def with_reversal(w: Tensor, v: Tensor) -> Tensor:
    return (Reversed.apply(w.tanh()) * v).square().sum()  # type: ignore[no-untyped-call]


def with_hook(w: Tensor, v: Tensor) -> Tensor:
    h = w.tanh()
    h.register_hook(lambda g: -g)
    return (h * v).square().sum()


def with_underflow(w: Tensor, v: Tensor) -> Tensor:
    h = w * 1e16
    return (h * torch.rsqrt(h.pow(2).mean()) * v).sum()


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        (
            with_reversal,
            r"The backward of Reversed, called at test_target_check\.py:\d+, gives −1 times the derivative$",
        ),
        (with_hook, r"A hook changed what flows back at h \(test_target_check\.py:\d+\)$"),
        (
            with_underflow,
            r"The derivative of rsqrt at test_target_check\.py:\d+ is 0 in float32, where it is \S+e-4[89]",
        ),
    ],
)
def test_a_gradient_that_is_no_derivative_says_what_makes_it_so(target: Callable[..., Tensor], cause: str) -> None:
    inputs = [torch.tensor([0.3, -0.8, 1.1]), torch.tensor([1.0, 2.0, -0.5])]
    report = gad.trace(target, *(one.requires_grad_() for one in inputs)).check(numeric=True)
    assert report.ok is False, report
    (line,) = (line for line in str(report).splitlines() if "the gradient of w:" in line)
    assert line.startswith("NOT THE DERIVATIVE: the gradient of w: ")
    assert re.search(cause, line), line
    assert "the gradient of v:" not in str(report)
