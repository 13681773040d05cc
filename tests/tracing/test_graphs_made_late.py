"""A graph that is made when somebody asks for it is the one that was to be had at once, whatever happened meanwhile."""

from __future__ import annotations

import copy
import gc
import linecache
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from call_counts import counted
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from random_programs import Input, Program, inputs, programs
from small_programs import PROGRAMS
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import TraceError
from graphviz_ad._internal.graph.made_late import MAKING
from graphviz_ad._internal.tracing import eager

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # of torch, about what such programs do
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated"),  # torch itself, in func.jvp
]


def is_made(graph: gad.Graph) -> bool:
    return MAKING not in graph.__dict__


def files(graph: gad.Graph) -> list[str]:
    """All that a graph says, and so does the fine one."""
    return [graph.to_json(), *([graph.detail.to_json()] if graph.detail is not None else [])]


def mischief(*tensors: Tensor) -> None:
    """All that a program may do to its tensors after it was traced."""
    for tensor in tensors:
        if tensor.requires_grad:
            tensor.register_hook(torch.zeros_like)
            tensor.grad = torch.ones_like(tensor)
        tensor.data = torch.full_like(tensor, 7)
    gad.trace(lambda x: (x * x).exp(), 1.0)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(program=programs, first=inputs(st.just(True)), second=inputs(st.booleans()))
def test_a_graph_is_the_same_whenever_it_is_asked_for(program: Program, first: Input, second: Input) -> None:
    program = program.accepted(first.make(), second.make())
    assume(program(first.make(), second.make()))
    found = []
    for late in (False, True):
        torch.manual_seed(0)
        x, y = first.make(), second.make()
        try:
            graph = gad.trace(program, x, y)
        except RuntimeError:  # torch itself refuses the backward pass
            assume(False)
        assert not is_made(graph)
        if late:
            mischief(x, y)
        found.append(files(graph))
    assert found[0] == found[1]


class Network(nn.Module):
    """Buffers that a run changes, a parameter with two names, and a custom Function that holds a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3)
        self.last.weight = self.first.weight
        self.held = torch.ones(1000)
        held = self.held

        class Scaled(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                return x * held[0]

            @staticmethod
            def backward(ctx: Any, *gradients: Tensor) -> Tensor:
                return gradients[0] * held[0]

        self.scaled = Scaled

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.first(x)).relu()
        h = self.scaled.apply(h.view([4, 3]))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            mask = h > 0
        return (self.last(h) * mask).pow(2).mean()


def trained_on(model: Network, x: Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(x).backward()
    optimizer.step()
    optimizer.zero_grad()


def changed(model: Network, x: Tensor) -> None:
    model.first, model.norm = nn.Linear(2, 2), nn.Identity()  # type: ignore[assignment]
    model.scaled.__name__ = model.last.__class__.__name__ = "Other"


AFTERWARDS: list[Callable[[Network, Tensor], None]] = [
    trained_on,
    changed,
    lambda model, x: mischief(x, *model.buffers()),
]


@pytest.mark.parametrize("capture", [gad.Capture(), gad.Capture("full", "full"), gad.Capture("none", "none")])
def test_the_graph_of_a_network_is_that_of_its_run(capture: gad.Capture) -> None:
    def run(*afterwards: Callable[[Network, Tensor], None]) -> list[str]:
        torch.manual_seed(0)
        model, x = Network(), torch.randn(4, 3)
        graph = gad.trace(model, x, capture=capture)
        name = nn.Linear.__name__
        try:
            for one in afterwards:
                one(model, x)
            del model, x
            return files(graph)
        finally:
            nn.Linear.__name__ = name

    at_once = run()
    assert [run(one) for one in AFTERWARDS] == [at_once] * len(AFTERWARDS)


def test_the_text_of_the_program_is_that_which_ran(tmp_path: Path) -> None:
    def run(text: str | None) -> list[str]:
        path = tmp_path / "lesson.py"
        path.write_text("def f(x, w):\n    h = x * w\n    y, z = h.exp(), 2 - h\n    return y + z\n")
        linecache.clearcache()
        space: dict[str, Any] = {}
        exec(compile(path.read_text(), str(path), "exec"), space)
        graph = gad.trace(space["f"], 2.0, 3.0)
        if text is not None:
            path.write_text(text)
            linecache.clearcache()
        return files(graph)

    assert run(None) == run("def f(x, w):\n    a = w - x\n\n    b, c = a.sin(), a\n    return c\n") == run("")


def test_nothing_of_the_program_waits_with_the_graph() -> None:
    model, x = Network(), torch.randn(4, 3, requires_grad=True)
    refs = [weakref.ref(one) for one in (x, model, *model.parameters(), *model.modules())]
    graph = gad.trace(model, x)
    finished = gad.trace(model(x))  # which has no target that keeps the program's code
    refs += [weakref.ref(model.held), weakref.ref(model.scaled)]
    del model, x
    assert not is_made(graph)
    assert not is_made(finished)
    assert [ref() for ref in refs[:-2] if ref() is not None] == []
    making = weakref.ref(graph.__dict__[MAKING])
    assert graph.outputs
    assert making() is None
    del graph
    gc.collect()  # a class is a circle of its own
    assert [ref() for ref in refs if ref() is not None] == []
    assert finished.outputs


def test_torch_may_swap_what_was_traced() -> None:
    x, y = torch.randn(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    graph = gad.trace(lambda x: (x * x).sum(), x)
    torch.utils.swap_tensors(x, y)  # which torch refuses where there is a weak reference to one of them
    assert graph.outputs


def traced(name: str = "matrix") -> gad.Graph:
    function, given_, seeds = PROGRAMS[name]
    return gad.trace(function, *given_, grad_outputs=seeds)


ASKING: dict[str, Callable[[gad.Graph], gad.Graph]] = {
    "nothing": lambda graph: graph,
    "pickle": lambda graph: pickle.loads(pickle.dumps(graph)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "replace": lambda graph: replace(graph, target=None),
    "saying": lambda graph: graph.saying(),
    "fields": lambda graph: gad.Graph(graph.node_list, graph.edges, graph.name, graph.notes, graph.has_gradients,
                                      graph.detail, memory=graph.memory, statements=graph.statements,
                                      module_classes=graph.module_classes, program=graph.program),
}  # fmt: skip


@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING)
def test_a_graph_that_nobody_has_asked_for_yet_is_like_any_other(asking: Callable[[gad.Graph], gad.Graph]) -> None:
    graph = traced()
    assert (graph.name, graph.has_gradients, graph.ranks, graph.passes[0] is graph) == ("matrix", True, (), True)
    assert not is_made(graph)
    assert len({graph, graph, traced()}) == 2
    assert type(graph) is gad.Graph
    assert files(asking(graph)) == files(traced())
    assert repr(graph) == repr(asking(traced()))
    assert graph.nx.number_of_nodes() == len(graph.nodes)


def test_threads_that_ask_at_once_get_the_same() -> None:
    graph, found, together = traced(), [], threading.Barrier(4)

    def ask() -> None:
        together.wait()
        found.append((graph.node_list, graph.detail))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(nodes is graph.node_list and detail is graph.detail for nodes, detail in found)


def test_a_graph_that_cannot_be_made_says_so_each_time_and_is_made_once_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = traced()
    with monkeypatch.context() as broken:
        broken.setattr(eager, "merge_calls", lambda graph: graph.no_such_thing)
        for ask in (repr, gad.Graph.to_json, lambda graph: hasattr(graph, "node_list")):
            with pytest.raises(TraceError, match=r"no graph could be made of it: AttributeError: .*no_such_thing"):
                ask(graph)
    assert files(graph) == files(traced())


def test_an_operation_of_a_long_graph_costs_few_calls() -> None:
    """The limit is what was measured and a tenth more; see the limits on traces alone, which make no graph."""

    def sines(x: Tensor, length: int) -> Tensor:
        for _ in range(length):
            x = torch.sin(x)
        return x

    def asked(length: int) -> int:
        graph = gad.trace(lambda x: sines(x, length), 0.5)
        return sum(counted(lambda: graph.node_list).ran.values())

    asked(10)  # what is done once a process
    assert (asked(60) - asked(10)) / 50 <= 113


class Enough(Exception):
    """As a handler of a signal raises it."""


@pytest.mark.parametrize("error", [Enough("time is up"), MemoryError(), TimeoutError()], ids=lambda error: type(error))
def test_what_comes_from_outside_while_a_graph_is_made_goes_on_as_it_is(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = traced()

    def interrupted(graph: gad.Graph) -> gad.Graph:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(eager, "merge_calls", interrupted)
        with pytest.raises(type(error)):
            _ = graph.edges
    assert files(graph) == files(traced())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_that_is_forked_while_a_thread_makes_a_graph_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph, begun, go_on = traced(), threading.Event(), threading.Event()
    merged, process = eager.merge_calls, os.getpid()

    def slow(made: gad.Graph) -> gad.Graph:
        if os.getpid() == process:
            begun.set()
            go_on.wait()
        return merged(made)

    monkeypatch.setattr(eager, "merge_calls", slow)
    asking = threading.Thread(target=lambda: graph.edges)
    asking.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if graph.edges else 1)
    go_on.set()
    asking.join()
    assert os.waitpid(child, 0)[1] == 0


ALONE = """
import gc, weakref
import torch
import graphviz_ad as gad

gc.collect()
gc.disable()

def once():
    module = torch.nn.Linear(3, 4)
    graph = gad.trace(lambda x: module(x).sum(), torch.randn(2, 3))
    return weakref.ref(module), graph

known, graph = once()
assert known() is None
"""


def test_what_the_first_trace_of_a_process_is_of_dies_with_its_last_name() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=100)
