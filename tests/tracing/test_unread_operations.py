"""An operation that cannot be read runs as it does without us, and the graph says that it is missing."""

from __future__ import annotations

import pytest
from programs import leaf

import graphviz_ad as gad
from graphviz_ad._internal.graph.notices import notice
from graphviz_ad._internal.tracing.assembly.autograd_graph import _Watch
from graphviz_ad._internal.tracing.tape import dispatch_mode as recorder
from graphviz_ad._internal.tracing.tape import doubts


def test_an_operation_that_cannot_be_read_runs_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(overload: object) -> None:
        raise KeyError("no such schema")

    recorder.lowest_reference_counts()
    monkeypatch.setattr(recorder, "SCHEMAS", {})
    monkeypatch.setattr(recorder, "schema_of", unreadable)
    graph = gad.trace(lambda x: (x * x).sum(), leaf(1, 2))
    assert graph.find("x").grad.array.tolist() == [2, 4]
    assert any(
        "could not be recorded completely; the first: KeyError: 'no such schema'" in notice for notice in graph.notices
    )


def test_a_local_derivative_that_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: _Watch, upstream: object) -> None:
        raise RuntimeError("no ones here")

    monkeypatch.setattr(_Watch, "_one", broken)
    graph = gad.trace(lambda x: (x * x).sin(), 3.0)  # the first number tells which dtype is the usual one
    assert [edge.local is None for edge in graph.edges] == [True, True, False]
    assert any("the local derivative of MulBackward0: RuntimeError: no ones here" in notice for notice in graph.notices)


def test_where_reference_counts_cannot_be_measured_every_graph_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_measure", lambda found: None)
    recorder.lowest_reference_counts.cache_clear()
    try:
        assert recorder.lowest_reference_counts() == (0, 0)
        assert notice("counts not measured") in gad.trace(lambda x: x * x, 3.0).notes
    finally:
        del doubts.DOUBTS[notice("counts not measured")]
        recorder.lowest_reference_counts.cache_clear()
