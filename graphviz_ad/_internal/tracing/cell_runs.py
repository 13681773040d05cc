"""A cell of a notebook, while it runs -> Graph of what it computed; None of one that computed nothing with a gradient,
or too much to be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphviz_ad._internal.graph.graph import COMPUTED, Graph
from graphviz_ad._internal.graph.transforms import keep_only
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.recording import Recording
from graphviz_ad._internal.tracing.script_runs import models_in
from graphviz_ad._internal.tracing.self_check import make_sure
from graphviz_ad._internal.tracing.tape.unwritten import NOT_WRITTEN

MOST_OPERATIONS = 20_000  # of a cell; a training of a thousand steps is not to be slowed down to be drawn


class CellRun:
    """A recording of what runs from `begin` to `end`, in another function's time."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        make_sure(recording=True)
        self._variables = variables
        named = {name: thing for name, thing in variables.items() if not name.startswith("_")}
        self._recording = Recording(None, Capture(), named, most_operations=MOST_OPERATIONS)

    def begin(self) -> None:
        """Begin to record."""
        self._recording.__enter__()

    @property
    def too_long(self) -> bool:
        """Whether there was more to record than can be drawn."""
        return self._recording.is_full

    def drop(self) -> None:
        """Stop recording, and make nothing of it."""
        self._recording.drop()

    def end(self, error: BaseException | None) -> Graph | None:
        """Stop recording; ``error`` is what the cell raised, which is left as it was."""
        recording = self._recording
        if self.too_long:
            self.drop()
            return None
        called = recording.called_modules()
        parts = {id(part) for part in called}
        models = models_in(self._variables, called)
        recording.know({name: m for name, m in models.items() if any(id(part) in parts for part in m.modules())})
        recording.__exit__(type(error) if error is not None else None, error, None)
        if error is not None and vars(error).get("graph") is recording.graph:
            del error.graph  # type: ignore[attr-defined]
        graph = recording.graph
        computed = any(node.kind in COMPUTED and node.requires_grad for node in graph.node_list)
        return without_bare_memory(graph) if computed else None


def without_bare_memory(graph: Graph) -> Graph:
    """Without what tensors were before they were first filled, as the weights of a module that the cell makes."""
    bare = {
        node.key
        for node in graph.node_list
        if node.kind in ("leaf", "data") and node.value is not None and node.value.missing == NOT_WRITTEN
        if all(edge.cut is not None for edge in graph.out_edges(node.key))
    }
    return keep_only(graph, {key for key in graph.nodes if key not in bare}, "") if bare else graph
