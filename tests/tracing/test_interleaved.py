"""Recordings in tasks, generators and threads: each has what is its own, and torch is as it was whatever ends first."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import programs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from observable import unchanged
from programs import leaf, operations
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, is_in_torch_dispatch_mode

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.transforms import hide_unused
from graphviz_ad._internal.tracing.tape import collector, modes

STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin": torch.sin, "cos": torch.cos, "exp": torch.exp, "tanh": torch.tanh
}  # fmt: skip


class Counting(TorchDispatchMode):
    """A mode of the user's."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    gad.trace(lambda x: x * 2, 1.0)  # what is loaded once a process is loaded now
    with Counting():
        torch.ones(1)
    before = {key: programs.world()[key] for key in ("modes", "torch", "grad mode", "gc", "saved tensor hooks")}
    yield
    after = programs.world()
    assert {key for key in before if before[key] != after[key]} == set()
    assert not is_in_torch_dispatch_mode()


def gradient(graph: Graph) -> Any:
    (leaf,) = (node for node in graph.node_list if node.kind == "leaf")
    assert leaf.grad is not None
    return leaf.grad.array


# --- tasks


async def step(name: str, turns: list[int]) -> Graph:
    """One operation after the other, with a pause for the others after each."""
    w = leaf(0.5, 2)
    with gad.record() as recording:
        y = w
        for turn in turns:
            y = STEPS[name](y)
            for _ in range(turn):
                await asyncio.sleep(0)
        y.sum().backward()
        await asyncio.sleep(0)
    expected = leaf(0.5, 2)
    y = expected
    for _ in turns:
        y = STEPS[name](y)
    y.sum().backward()
    assert torch.equal(w.grad, expected.grad)
    assert gradient(recording.graph).tolist() == expected.grad.tolist()
    return recording.graph


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=2, max_size=4))
def test_interleaved_tasks_have_each_a_graph_of_their_own(turns: list[list[int]]) -> None:
    async def all_of_them() -> list[Graph]:
        return await asyncio.gather(*(step(name, each) for name, each in zip(STEPS, turns, strict=False)))

    graphs = asyncio.run(all_of_them())
    for graph, name, each in zip(graphs, STEPS, turns, strict=False):
        assert operations(graph) == [name] * len(each) + ["sum"]
        assert graph.check().ok is not False
    assert not is_in_torch_dispatch_mode()
    assert torch._C._len_torch_dispatch_stack() == 0


def test_what_other_tasks_run_meanwhile_is_counted_and_said() -> None:
    async def other(x: Tensor) -> None:
        await asyncio.sleep(0)
        torch.cos(x).sum().backward()

    async def main() -> Graph:
        waiting = asyncio.create_task(other(leaf(1)))
        await asyncio.sleep(0)
        w = leaf(2)
        with gad.record() as recording:
            await waiting
            torch.sin(w).sum().backward()
        return recording.graph

    graph = asyncio.run(main())
    assert operations(graph) == ["sin", "sum"]
    (said,) = (notice for notice in graph.notices if "other tasks" in notice)
    assert said.startswith("3 operations are not in this graph")  # cos, sum, and the seed of ones


def test_tasks_that_a_recorded_task_starts_belong_to_it() -> None:
    async def part(x: Tensor, name: str) -> Tensor:
        await asyncio.sleep(0)
        return STEPS[name](x)

    async def main() -> Graph:
        w = leaf(2)
        with gad.record() as recording:
            parts = await asyncio.gather(part(w, "sin"), part(w, "cos"))
            (parts[0] * parts[1]).sum().backward()
        return recording.graph

    graph = asyncio.run(main())
    assert operations(graph) == ["sin", "cos", "mul", "sum"]
    assert graph.notices == ()


def test_a_trace_in_a_task_leaves_recordings_of_others_alone() -> None:
    async def tracing() -> Graph:
        await asyncio.sleep(0)
        return gad.trace(lambda x: torch.tanh(x) * x, 0.5)

    async def main() -> list[Graph]:
        task = asyncio.create_task(tracing())
        graph = await step("sin", [1, 1])
        return [await task, graph]

    traced, recorded = asyncio.run(main())
    assert operations(traced) == ["tanh", "mul"]
    assert operations(recorded) == ["sin", "sin", "sum"]


# --- whatever ends first


@given(st.permutations(range(4)), st.integers(0, 3))
def test_recordings_and_modes_of_the_user_may_end_in_any_order(order: list[int], foreign: int) -> None:
    stacks, counting, recordings = [ExitStack() for _ in order], Counting(), {}
    for i, stack in enumerate(stacks):
        if i == foreign:
            stack.enter_context(counting)
        else:
            recordings[i] = stack.enter_context(gad.record())
    x = leaf(1)
    (x * 2).sum().backward()
    ends = [i for i in order if i != foreign]  # a mode of torch's itself has to be the innermost when it ends
    for i in [*ends, foreign]:
        before = counting.seen
        torch.cos(x)
        assert counting.seen == before + 1
        stacks[i].close()
    assert [gradient(recordings[i].graph).tolist() for i in sorted(recordings)] == [[2]] * 3
    assert torch._C._len_torch_dispatch_stack() == 0
    assert not is_in_torch_dispatch_mode()


# --- generators


def produced(w: Tensor, recordings: list[Any]) -> Generator[Tensor, None, None]:
    with gad.record() as recording:
        recordings.append(recording)
        yield torch.sin(w)
        yield torch.cos(w)


def test_a_generator_that_is_suspended_in_a_recording_may_end_later_or_never() -> None:
    recordings: list[Any] = []
    x = leaf(1)
    first, second, never = (produced(x, recordings) for _ in range(3))
    next(first), next(second), next(never)
    assert next(first).requires_grad
    assert list(first) == []  # ends while the others are open
    del never
    gc.collect()
    assert len(list(second)) == 1
    assert torch._C._len_torch_dispatch_stack() == 0
    assert operations(recordings[0].graph)[0] == "sin"


def test_a_context_manager_around_a_recording_records_what_is_done_inside() -> None:
    @contextmanager
    def watching() -> Iterator[Any]:
        with gad.record() as recording:
            yield recording

    with watching() as recording:
        (leaf(1) * 2).sum().backward()
    assert operations(recording.graph) == ["mul", "sum"]


# --- threads


def test_threads_that_record_at_the_same_time_have_each_its_own() -> None:
    found: dict[str, list[str | None]] = {}
    together = threading.Barrier(len(STEPS))

    def work(name: str) -> None:
        w = leaf(0.5)
        together.wait()
        with gad.record() as recording:
            together.wait()
            STEPS[name](w).sum().backward()
            together.wait()
        found[name] = operations(recording.graph)

    threads = [threading.Thread(target=work, args=(name,)) for name in STEPS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: [name, "sum"] for name in STEPS}


def test_one_that_ends_while_another_thread_takes_off_the_last_leaves_nothing_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, other = Counting(), Counting()
    set_flags = modes.set_mode_flags
    thread = threading.Thread(target=modes.take_off, args=(other,))

    def meanwhile(flags: dict[str, bool]) -> None:
        if threading.current_thread() is not thread and any(flags.values()):
            thread.start()
            thread.join(0.2)  # it has to wait where it may not come in between
        set_flags(flags)

    modes.put_on(mine)
    modes._on[id(other)] = threading.get_ident()  # as if that thread had put it on
    monkeypatch.setattr(modes, "set_mode_flags", meanwhile)
    modes.take_off(mine)
    thread.join()
    assert not is_in_torch_dispatch_mode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_is_forked_while_a_thread_records_finds_nothing_set() -> None:
    on, forked = threading.Event(), threading.Event()

    def work() -> None:
        with gad.record(), collector.at_rest():
            on.set()
            forked.wait()

    thread = threading.Thread(target=work)
    thread.start()
    on.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of a fork beside threads
        child = os.fork()
    if child == 0:
        wrapped = torch.autograd._engine_run_backward.__module__ != "torch.autograd.graph"
        os._exit(int(is_in_torch_dispatch_mode() or wrapped or not gc.isenabled()))
    forked.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_a_recording_that_is_left_in_another_thread_is_refused_and_records_no_more() -> None:
    x, errors = leaf(1), []
    recording = gad.record()
    recording.__enter__()

    def leave() -> None:
        try:
            recording.__exit__(None, None, None)
        except TraceError as error:
            errors.append(str(error))

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert "thread" in errors[0]
    (x * 2).sum().backward()
    with pytest.raises(TraceError, match="no graph"):
        _ = recording.graph
    with gad.record() as another:
        (x * 3).sum().backward()
    assert operations(another.graph) == ["mul", "sum"]
    assert torch._C._len_torch_dispatch_stack() == 0


# --- accidents


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_an_accident_in_one_task_leaves_the_others_whole(error: type[BaseException]) -> None:
    async def failing() -> None:
        w = leaf(1)
        with gad.record():
            y = torch.exp(w)
            await asyncio.sleep(0)
            if error is not asyncio.CancelledError:
                raise error
            await asyncio.sleep(60)
        del y

    async def main() -> Graph:
        task = asyncio.create_task(caught(failing))
        found = asyncio.create_task(step("sin", [1, 2, 1]))
        await asyncio.sleep(0)
        if error is asyncio.CancelledError:
            task.cancel()
        graph = await found
        assert await task is error
        return graph

    async def caught(run: Callable[[], Any]) -> type[BaseException] | None:
        try:
            await run()
        except BaseException as raised:
            return type(raised) if isinstance(raised.graph, Graph) else None
        return None

    assert operations(hide_unused(asyncio.run(main()))) == ["sin", "sin", "sin", "sum"]


def test_a_trace_leaves_no_variable_in_the_context() -> None:
    before = list(contextvars.copy_context())
    with unchanged(but=("nodes",).__contains__):
        gad.trace(lambda x: x * 2, 1.0)
        with gad.record():
            (leaf(1) * 2).sum().backward()
    assert list(contextvars.copy_context()) == before
