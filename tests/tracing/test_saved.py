"""What a node keeps is the same whether torch says of it that a hook stands before it, or a tape has seen that none
does.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Square, leaf, randoms
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.tracing.assembly import saved
from graphviz_ad._internal.tracing.tape import hooks_by_hand, tape, torch_private

STEPS: dict[str, Callable[[Tensor], Tensor]] = {
    "sin": lambda t: t.sin(),
    "exp": lambda t: t.exp(),
    "square": lambda t: t * t,
    "add": lambda t: t + 1,
    "matmul": lambda t: t @ t,
    "softmax": lambda t: t.softmax(0),
    "custom": lambda t: Square.apply(t),
    "cat": lambda t: torch.cat([t, t])[1:3],
    "written": lambda t: (t * 2).mul_(3).exp_(),
    "part": lambda t: _with_a_part_written(t.sin()),
    "checkpoint": lambda t: checkpoint(lambda a: a.sin() * a, t, use_reentrant=False),
    "sum": lambda t: t + t.sum(),
}


def _with_a_part_written(t: Tensor) -> Tensor:
    t[0] = t[1] * 2
    return t


def program_of(steps: list[tuple[str, bool]], unpacked: list[int]) -> Callable[[Tensor], Tensor]:
    def program(x: Tensor) -> Tensor:
        for name, hooked in steps:
            if hooked:
                with torch.autograd.graph.saved_tensors_hooks(
                    lambda kept: kept, lambda kept: (unpacked.append(1), kept)[1]
                ):
                    x = STEPS[name](x)
            else:
                x = STEPS[name](x)
        return x.sum()

    return program


def is_hooked(steps: list[tuple[str, bool]]) -> bool:
    return any(hooked or name == "checkpoint" for name, hooked in steps)


def without_being_told(patch: pytest.MonkeyPatch) -> None:
    for module in (saved, tape, hooks_by_hand):
        patch.setattr(module, "TELLS_HOOKS", False)


def locals_of(graph: Graph) -> set[str]:
    return {edge.key for edge in graph.edges if edge.local is not None}


def assert_no_more_is_known(found: Graph, told: Graph, *, hooked: bool) -> None:
    """What is known without torch's help is true; and all of it is known where no hooks of the user were open."""
    assert found.memory is not None
    assert told.memory is not None
    assert locals_of(found) <= locals_of(told)
    assert found.memory == told.memory or (not found.memory.exact and found.memory.saved <= told.memory.saved)
    for node, real in zip(found.node_list, told.node_list, strict=True):
        assert (node.op, node.saved, node.saved_bytes) in ((real.op, real.saved, real.saved_bytes), (real.op, (), None))
    if not hooked:
        assert locals_of(found) == locals_of(told)
        assert found.memory == told.memory
        assert [(node.saved, node.saved_bytes) for node in found.node_list] == [
            (node.saved, node.saved_bytes) for node in told.node_list
        ]
    again = [note for note in told.notes if note.kind == "ran again"]  # which only torch's help tells of
    assert [note for note in told.notes if note not in again or note in found.notes] == [*found.notes]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), min_size=1, max_size=5))
def test_without_torchs_help_the_same_is_known(steps: list[tuple[str, bool]]) -> None:
    runs: list[int] = []
    x = randoms(2, 2).requires_grad_()
    program = program_of(steps, runs)
    torch.autograd.grad(program(x), x)
    plain = len(runs)
    told = gad.trace(program, x) if torch_private.TELLS_HOOKS else None
    with pytest.MonkeyPatch.context() as patch:
        without_being_told(patch)
        runs.clear()
        found = gad.trace(program, x)
    assert len(runs) == plain  # no hook of the user ran for us
    if told is not None:
        assert_no_more_is_known(found, told, hooked=is_hooked(steps))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), min_size=1, max_size=4), st.booleans())
def test_a_recording_knows_the_same_without_torchs_help(steps: list[tuple[str, bool]], twice: bool) -> None:
    runs: list[int] = []
    x = randoms(2, 2).requires_grad_()
    program = program_of(steps, runs)

    def recorded() -> tuple[Graph, int]:
        runs.clear()
        with gad.record() as recording:
            y = program(x)
            y.backward(retain_graph=twice)
            if twice and "checkpoint" not in [name for name, _ in steps]:
                y.backward()
        return recording.graph, len(runs)

    told = recorded() if torch_private.TELLS_HOOKS else None
    with pytest.MonkeyPatch.context() as patch:
        without_being_told(patch)
        found, count = recorded()
    if told is not None:
        assert count == told[1]
        for done, real in zip(found.passes, told[0].passes, strict=True):
            assert_no_more_is_known(done, real, hooked=is_hooked(steps))


def test_hooks_that_were_hung_on_by_hand_do_not_run_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    without_being_told(monkeypatch)
    runs: list[int] = []

    def program(x: Tensor) -> Tensor:
        y = x.exp()
        y.grad_fn._raw_saved_result.register_hooks(lambda kept: kept, lambda kept: (runs.append(1), kept)[1])  # type: ignore[union-attr]
        return y * 2

    before = vars(torch_private.SAVED_TENSOR)["register_hooks"]
    x = leaf(1.0)
    torch.autograd.grad(program(x), x)
    plain = len(runs)
    runs.clear()
    graph = gad.trace(program, x)
    assert len(runs) == plain == 1
    assert vars(torch_private.SAVED_TENSOR)["register_hooks"] is before
    assert any("does not say whether a hook of yours" in notice for notice in graph.notices)
    assert graph.memory is not None
    assert not graph.memory.exact
    plainly = gad.trace(lambda x: x.exp() * 2, x)
    assert not [notice for notice in plainly.notices if "a hook of yours" in notice]


def test_a_graph_that_was_made_unseen_is_not_asked_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    without_being_told(monkeypatch)
    x = leaf(1.0)
    graph = gad.trace(x.exp() * 2)
    assert [edge.local is None for edge in graph.edges if edge.cut is None and edge.head != edge.tail].count(True) > 0
    assert any("what 2 nodes of autograd keep" in notice for notice in graph.notices)


def test_what_was_written_since_is_there_and_of_unknown_size(monkeypatch: pytest.MonkeyPatch) -> None:
    without_being_told(monkeypatch)
    x = leaf(1.0, 2.0)
    y = x.exp()
    assert saved.kept_by(y.grad_fn, False).bytes == 16
    with torch.no_grad():
        y.mul_(2)
    kept = saved.kept_by(y.grad_fn, False)
    assert [tensor.name for tensor in kept.tensors] == ["result"]
    assert kept.bytes is None
    z = x.sin()
    z.sum().backward()
    assert saved.kept_by(z.grad_fn, False) == saved.NOTHING
