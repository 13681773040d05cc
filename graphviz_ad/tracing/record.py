"""A stretch of the user's own program -> Graph: forward, any number of backward passes, optimizer steps, and also what raised.

Operations are seen by the dispatch mode of this thread. The user's ``backward()`` is seen by wrapping the engine's entry while the
recording is open; calls from other threads pass straight through.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad.capture import Capture
from graphviz_ad.errors import TraceError
from graphviz_ad.graph import Graph
from graphviz_ad.snapshot import Snapshot
from graphviz_ad.tracing.assemble import Assembly, Output
from graphviz_ad.tracing.autograd_graph import AutogradGraph, BackwardPass, in_terms_of, is_pointwise, walk, watching
from graphviz_ad.tracing.collector import at_rest
from graphviz_ad.tracing.inputs import module_names, name_parameters
from graphviz_ad.tracing.stack_depth import safe_depth
from graphviz_ad.tracing.tape import Recorder, Tape, Value
from graphviz_ad.tracing.torch_private import engine_entry, hidden_from_modes
from graphviz_ad.transforms import merge_calls


@dataclass
class RecordedPass:
    """One call of the engine: the graph that it ran over, where it began and with what, and what was noted."""

    graph: AutogradGraph
    roots: list[tuple[Value, Snapshot | None]]
    leaves: dict[int, Value]
    result: BackwardPass


class Recording:
    """What `graphviz_ad.record` gives; ``graph`` is there once the block has ended, also by an exception."""

    def __init__(self, module: torch.nn.Module | None, capture: Capture, namespace: Mapping[str, Any]) -> None:
        self._module, self._capture, self._namespace = module, capture, namespace
        self._passes: list[RecordedPass] = []
        self._graph: Graph | None = None
        self._open = ExitStack()
        self._state = "new"

    @property
    def graph(self) -> Graph:
        """The graph of everything in the block, with the gradients of its last backward pass; see ``graph.passes``."""
        if self._graph is None:
            raise TraceError("the recording has no graph yet; read .graph after the with block has ended")
        return self._graph

    def __enter__(self) -> Recording:
        """Begin to record."""
        if self._state != "new":
            raise TraceError("a recording is used once; call record() again")
        self._state = "open"
        outside = sys._getframe(1).f_back
        self._tape = Tape(self._capture, outside.f_code if outside is not None else Recording.__enter__.__code__)
        self._thread = threading.get_ident()
        if self._module is not None:
            name_parameters(self._tape, self._module, "")
        for name, thing in self._namespace.items():
            if isinstance(thing, Tensor) and not name.startswith("_"):
                self._tape.name_later(thing, name)
        self._open.enter_context(engine_entry(self._engine))
        self._recorder = Recorder(self._tape)
        self._open.enter_context(self._recorder)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        """Stop recording and build the graph; an exception of the program goes on unchanged, with the graph so far as its ``graph``."""
        if self._state != "open" or self._thread != threading.get_ident():
            raise TraceError("a recording ends where it began: in the same thread, once, by leaving its with block")
        self._state = "ended"
        self._open.close()
        try:
            if error is None:
                self._graph = self._assembled([])
            else:
                with suppress(Exception):  # whatever is wrong with us now, the exception that goes on is the program's
                    self._graph = self._assembled([f"The program raised {described(error)}; this is the graph up to there."])
                    error.graph = self._graph  # type: ignore[attr-defined]
        finally:  # the recording may be kept for long; the model must not be kept with it
            self._module, self._namespace, self._passes = None, {}, []
            del self._tape, self._recorder

    # --- the user's backward passes

    def _engine(self, real: Any, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != self._thread or self._capture.gradients == "none":
            return real(outputs, *args, **kwargs)
        seeds = args[0] if args else kwargs.get("grad_tensors", ())
        try:
            noted = self._begin(outputs, seeds)
        except TraceError as error:  # too deep to be touched: the program goes on, the graph says so
            self._tape.problems.append(str(error))
            return real(outputs, *args, **kwargs)
        self._passes.append(noted)
        elementwise = [is_pointwise(name) for name in noted.graph.names]
        graph_of_gradient = args[2] if len(args) > 2 else kwargs.get("create_graph", False)
        before, self._recorder.paused = self._recorder.paused, not graph_of_gradient  # what the engine runs is no part of the program
        try:
            with watching(noted.graph, noted.result, self._tape.keeper, elementwise.__getitem__):
                result = real(outputs, *args, **kwargs)
        except BaseException as error:
            noted.result.problem = described(error)
            raise
        finally:
            self._recorder.paused = before
        for i, leaf in noted.graph.variables.items():
            noted.result.leaf_totals[i] = self._tape.keeper.gradient(leaf.grad)
        return result

    def _begin(self, outputs: Sequence[Any], seeds: Sequence[Tensor | None]) -> RecordedPass:
        tensors = [output for output in outputs if isinstance(output, Tensor)]
        nodes = [output.grad_fn if isinstance(output, Tensor) else output.node for output in outputs]
        graph = walk(nodes, limit=safe_depth())
        roots = []
        for tensor, seed in zip(tensors, seeds, strict=False):
            value = self._tape.value_of(tensor)
            self._tape.edge_of(tensor, value)
            roots.append((value, self._seed(tensor, seed)))
        leaves = {i: self._tape.value_of(variable) for i, variable in graph.variables.items()}
        return RecordedPass(graph, roots, leaves, BackwardPass())

    def _seed(self, tensor: Tensor, seed: Tensor | None) -> Snapshot | None:
        if seed is not None:
            return self._tape.keeper.gradient(seed)
        with hidden_from_modes():
            return self._tape.keeper.gradient(torch.ones_like(tensor))

    # --- the graph

    def _assembled(self, notices: list[str]) -> Graph:
        tape = self._tape
        loose = [] if self._passes else tape.loose_ends()
        whole = walk([*(node for done in self._passes for node in done.graph.nodes[:1]), *(node for done in self._passes for node in done.graph.nodes), *loose])
        if tape.problems:
            notices = [*notices, f"{len(tape.problems)} thing(s) could not be recorded completely; the first: {tape.problems[0]}"]
        names = module_names(self._module, self._namespace)
        title = type(self._module).__name__ if self._module is not None else "recording"
        try:
            with at_rest():
                graphs = [self._graph_of(done, whole, names, title, notices) for done in self._passes] or [self._unfinished(whole, names, title, notices)]
        finally:
            tape.nodes.clear()
            for done in self._passes:
                done.graph.release()
            whole.release()
        return replace(graphs[-1], each_pass=tuple(graphs))

    def _graph_of(self, done: RecordedPass, whole: AutogradGraph, names: dict[int, str], title: str, notices: Sequence[str]) -> Graph:
        result = in_terms_of(done.graph, done.result, whole)
        outputs = [Output(value, seed) for value, seed in done.roots]
        if result.problem:
            notices, result = [*notices, f"The backward pass failed: {result.problem}"], replace(result, problem=None)
        leaves = {whole.index[id(done.graph.nodes[i])]: value for i, value in done.leaves.items()}
        return merge_calls(Assembly(self._tape, whole, result, outputs, names, leaves).graph(title, notices))

    def _unfinished(self, whole: AutogradGraph, names: dict[int, str], title: str, notices: Sequence[str]) -> Graph:
        nothing = BackwardPass(problem="no backward pass was recorded")
        return merge_calls(Assembly(self._tape, whole, nothing, [], names).graph(title, [*notices, "No backward pass was recorded."]))


def described(error: BaseException) -> str:
    """Type and first line of an exception, whatever its own text does."""
    try:
        text = str(error).partition("\n")[0]
    except Exception:
        text = "without a readable message"
    return f"{type(error).__name__}: {text}"
