"""A torch that was not tested is tried once a process: what does not hold is said on every graph, and nobody sees
the trying.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from programs import leaf, world
from test_torch_private import no_code_of_functions, no_code_of_modules, no_engine, no_saved_tensors
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, is_in_torch_dispatch_mode

import graphviz_ad as gad
from graphviz_ad._internal.tracing import self_check
from graphviz_ad._internal.tracing.self_check import TRIALS, UNFINISHED, make_sure, tried
from graphviz_ad._internal.tracing.tape import doubts, torch_private
from graphviz_ad._internal.tracing.tape.tape import Tape

Patch = pytest.MonkeyPatch
MOST_OPERATIONS = 100


@pytest.fixture
def unknown(monkeypatch: Patch) -> Iterator[Patch]:
    """A torch that was not tested, and a process that has traced nothing yet."""
    monkeypatch.setattr(self_check, "is_tested", lambda version: False)
    monkeypatch.setattr(self_check, "_tried", set())
    before = list(doubts.DOUBTS)
    yield monkeypatch
    for sentence in [sentence for sentence in doubts.DOUBTS if sentence not in before]:
        del doubts.DOUBTS[sentence]


def said_of(graph: gad.Graph) -> str:
    return " ".join(notice for notice in graph.notices if "none of the versions" in notice)


@pytest.mark.parametrize("kind", TRIALS)
def test_everything_holds_on_this_torch(kind: str) -> None:
    assert tried(TRIALS[kind]) == []


def test_where_everything_holds_nothing_is_said(unknown: Patch) -> None:
    assert said_of(gad.trace(lambda x: x * x, 3.0)) == ""


MISSING: list[tuple[Callable[[Patch], None], str]] = [
    (no_saved_tensors, "saved tensors ("),
    (no_code_of_functions, "custom Functions ("),
    (no_code_of_modules, "modules ("),
]


@pytest.mark.parametrize(("lose", "named"), MISSING, ids=[lose.__name__ for lose, _ in MISSING])
def test_what_does_not_hold_is_named_on_every_graph(unknown: Patch, lose: Callable[[Patch], None], named: str) -> None:
    lose(unknown)
    first, second = gad.trace(lambda x: x * x, 3.0), gad.trace(leaf(2) * 3)
    assert named in said_of(first)
    assert str(torch.__version__) in said_of(first)
    assert said_of(first) == said_of(second)
    with gad.record() as recorded:
        leaf(1).sum().backward()
    assert said_of(first) in said_of(recorded.graph)
    with pytest.raises(ZeroDivisionError) as raised:
        gad.trace(lambda x: x * x / (1 // 0), 3.0)
    assert said_of(raised.value.graph) == said_of(recorded.graph)  # type: ignore[attr-defined]


def test_a_recording_is_tried_by_the_first_recording(unknown: Patch) -> None:
    no_engine(unknown)
    assert said_of(gad.trace(lambda x: x * x, 3.0)) == ""
    with gad.record() as recorded:
        leaf(1).sum()
    assert "recordings (" in said_of(recorded.graph)


def test_a_tested_version_is_not_tried_and_another_one_once(unknown: Patch) -> None:
    runs: list[int] = []
    unknown.setattr(self_check, "TRIALS", {kind: lambda: runs.append(1) or [] for kind in TRIALS})
    for _ in range(2):
        gad.trace(lambda x: x * x, 3.0)
        gad.record()
    assert runs == [1, 1]
    unknown.setattr(self_check, "_tried", set())
    unknown.setattr(self_check, "is_tested", lambda version: True)
    gad.trace(lambda x: x * x, 3.0)
    assert runs == [1, 1]


def test_trying_is_little_work(monkeypatch: Patch) -> None:
    count: list[int] = []
    real = Tape.before
    monkeypatch.setattr(Tape, "before", lambda *args: (count.append(1), real(*args))[1])
    for kind in TRIALS:
        tried(TRIALS[kind])
    assert 0 < len(count) < MOST_OPERATIONS


def test_trying_leaves_no_trace_and_draws_no_numbers(unknown: Patch) -> None:
    make_sure(recording=True)
    before = world()
    unknown.setattr(self_check, "_tried", set())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        make_sure(recording=True)
    assert {key: value for key, value in world().items() if value != before[key]} == {}
    assert said_of(gad.trace(lambda x: x * x, 3.0)) == ""


class Everything(TorchFunctionMode):
    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class EveryOperation(TorchDispatchMode):
    def __init__(self, seen: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_no_mode_and_no_hook_of_the_user_sees_the_trying(unknown: Patch) -> None:
    seen: list[str] = []

    def note(*things: Any) -> None:
        seen.append("hook")

    handle = nn.modules.module.register_module_forward_hook(note)
    try:
        with (
            Everything(seen),
            EveryOperation(seen),
            torch.autograd.graph.saved_tensors_hooks(note, note),
            torch.inference_mode(),
        ):
            make_sure(recording=True)
    finally:
        handle.remove()
    assert seen == []
    (doubt,) = doubts.DOUBTS
    assert doubt.subjects == ("modules (RuntimeError: not tried, since your hooks on all modules would run)",)


def test_hooks_on_all_modules_are_known() -> None:
    assert not torch_private.hooks_on_all_modules()
    handle = nn.modules.module.register_module_full_backward_hook(lambda *things: None)
    assert torch_private.hooks_on_all_modules()
    handle.remove()


def test_many_threads_that_trace_for_the_first_time_say_the_same(unknown: Patch) -> None:
    no_saved_tensors(unknown)
    found: list[str] = []
    ready = threading.Barrier(4)

    def first() -> None:
        ready.wait()
        found.append(said_of(gad.trace(lambda x: x * x, 3.0)))

    threads = [threading.Thread(target=first) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert "saved tensors (" in found[0]
    assert not is_in_torch_dispatch_mode()


def test_trying_in_many_threads_leaves_no_variable_of_torch_set() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(30):
            threads = [threading.Thread(target=self_check.seen_by_modes) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert not is_in_torch_dispatch_mode()
    finally:
        sys.setswitchinterval(interval)


def raises(error: BaseException) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        raise error

    return run


def test_what_goes_wrong_with_the_trying_is_said_and_never_raised(unknown: Patch) -> None:
    unknown.setattr(self_check, "facts_of_graph", raises(ValueError("no\nfacts")))
    graph = gad.trace(lambda x: x * x, 3.0)
    assert graph.outputs[0].value is not None
    assert graph.outputs[0].value.item() == 9
    assert "saved tensors (ValueError: no); custom Functions (ValueError: no)" in said_of(graph)


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), MemoryError()], ids=lambda error: type(error).__name__
)
def test_where_no_thread_can_be_had_it_is_said_that_nothing_was_tried(unknown: Patch, error: Exception) -> None:
    unknown.setattr(threading.Thread, "start", raises(error))
    assert tried(TRIALS["traces"]) == [f"{UNFINISHED} ({type(error).__name__}: {error})"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_said(unknown: Patch) -> None:
    assert tried(raises(SystemExit())) == [UNFINISHED]
