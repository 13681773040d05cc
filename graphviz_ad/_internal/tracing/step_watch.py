"""A model in training -> summaries of every so manieth backward pass: no operation is recorded, and no tensor kept.

Between a pass that is looked at and the next, a copy of the parameters is held, so that it can be said how far the
step in between took them; then it is let go. Of the last pass that was looked at there is a graph without values.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError, TraceError
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.history_files import HistoryFile
from graphviz_ad._internal.graph.training_history import ParameterSummary, StepSummary, thinned
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph
from graphviz_ad._internal.tracing.eager import described_exception
from graphviz_ad._internal.tracing.passed_graph import graph_of_pass, walked_before
from graphviz_ad._internal.tracing.program_facts import about_error, calling_line
from graphviz_ad._internal.tracing.tape.process_groups import own_rank
from graphviz_ad._internal.tracing.tape.torch_private import engine_entry, hidden_from_modes, unseen_by_functions


class StepWatch:
    """What `graphviz_ad.record` gives with ``every=``: ``history`` grows as the program runs, and can be read at any
    time.
    """

    def __init__(
        self,
        module: torch.nn.Module | None,
        every: int,
        judge: Callable[[Sequence[StepSummary]], Any],
        file: Path | None = None,
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            raise OptionError(
                f"every={every} keeps norms of the parameters of a model, and module={shown_value(module)} is none;"
                " give the model: record(model, every=…)"
            )
        self._model, self._every, self._judge = module, every, judge
        self._steps: list[StepSummary] = []
        self._before: dict[str, Tensor] = {}
        self._passes = self._depth = 0
        self._open = ExitStack()
        self._state = "new"
        self._graph: Graph | TraceError | None = None
        self._path = file
        self._file: HistoryFile | None = None

    @property
    def history(self) -> Any:
        """The steps so far, with what was found in each."""
        return self._judge(self._steps)

    @property
    def graph(self) -> Graph:
        """The structure of the last pass that was looked at, without values: what ran, and what it kept."""
        if self._graph is None:
            raise TraceError("no backward pass was looked at yet, so that there is no graph")
        if isinstance(self._graph, TraceError):
            raise self._graph
        return self._graph

    @property
    def passes(self) -> tuple[Graph, ...]:
        """The one graph that is kept, that of the last pass that was looked at."""
        return (self.graph,)

    def __enter__(self) -> StepWatch:
        """Begin to watch."""
        if self._state != "new":
            raise TraceError("a recording is used once; call record() again")
        if self._path is not None:
            self._file = HistoryFile(self._path, type(self._model).__name__, self._every, own_rank())
        self._state, self._thread = "open", threading.get_ident()
        self._open.enter_context(engine_entry(self._engine))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Stop watching; an exception of the program goes on unchanged."""
        self._open.close()
        self._state = "ended"
        self._note_update()
        if self._file is not None:
            self._file.write_end(*ended_by(error))

    def _engine(self, real: Any, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        accumulates = bool(args[5] if len(args) > 5 else kwargs.get("accumulate_grad", False))
        if threading.get_ident() != self._thread or self._depth or not accumulates:
            return real(outputs, *args, **kwargs)
        self._note_update()
        looks = self._passes % self._every == 0
        walked = self._walked(outputs) if looks else None
        self._depth += 1
        try:
            result = real(outputs, *args, **kwargs)
        finally:
            self._depth -= 1
        self._passes += 1
        if looks:
            source, _ = calling_line(sys._getframe(1), OUR_FOLDER)
            with hidden_from_modes(), torch.no_grad():
                self._look(outputs, source)
            self._keep_graph(walked, outputs)
        return result

    def _walked(self, outputs: Sequence[Any]) -> AutogradGraph | None:
        """The autograd nodes of the pass; None, with the reason, where they cannot be touched: the program goes on."""
        try:
            return walked_before(outputs)
        except TraceError as error:
            self._graph = error
        except Exception as error:
            self._graph = TraceError(described_exception(error))
        return None

    def _keep_graph(self, walked: AutogradGraph | None, outputs: Sequence[Any]) -> None:
        if walked is None:
            return
        try:
            with unseen_by_functions():
                self._graph = graph_of_pass(self._model, walked, outputs)
        except Exception as error:  # a tracer must not break what it watches
            self._graph = TraceError(described_exception(error))

    def _look(self, outputs: Sequence[Any], source: str | None) -> None:
        """Note norms of weights and gradients."""
        named = plain_parameters(self._model)
        step = StepSummary(self._passes, loss_of(outputs), source, summaries_of(named))
        self._steps = thinned([*self._steps, step])
        if self._file is not None:
            self._file.write_step(step)
        self._before = {name: p.detach().clone() for name, p in named}

    def _note_update(self) -> None:
        """How far the parameters went since the pass that was looked at."""
        if not self._before:
            return
        with hidden_from_modes(), torch.no_grad():
            now = dict(self._model.named_parameters())
            same = [(name, now[name], old) for name, old in self._before.items() if fits(now.get(name), old)]
            moved = norms_of([new.detach() - old for _, new, old in same])
        updates = dict(zip((name for name, _, _ in same), moved, strict=True))
        last = self._steps[-1]
        told = {name: replace(one, update=updates.get(name)) for name, one in last.parameters.items()}
        self._steps[-1] = replace(last, parameters=told)
        self._before = {}
        if self._file is not None:
            self._file.write_updates(last.number, updates)


def ended_by(error: BaseException | None) -> tuple[str | None, str | None]:
    """The type of an exception, and the line of the program that raised it."""
    if error is None:
        return None, None
    told = about_error(error, OUR_FOLDER)
    return type(error).__name__, told[0]["source"] if told else None


def plain_parameters(model: torch.nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters that are trained and have numbers in this process."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad and is_plain(p)]


def summaries_of(named: Sequence[tuple[str, Tensor]]) -> dict[str, ParameterSummary]:
    """Norms of weights and gradients."""
    weights = norms_of([p for _, p in named])
    graded = [(name, p.grad) for name, p in named if p.grad is not None and not p.grad.is_sparse]
    gradients = dict(zip((name for name, _ in graded), norms_of([grad for _, grad in graded]), strict=True))
    return {
        name: ParameterSummary(weight, gradients.get(name)) for (name, _), weight in zip(named, weights, strict=True)
    }


def is_plain(parameter: Tensor) -> bool:
    """Whether a parameter is a tensor of torch's own, which nobody else has to be asked about."""
    return type(parameter) in (Tensor, torch.nn.Parameter) and has_numbers(parameter)


def has_numbers(tensor: Tensor) -> bool:
    """Whether there are elements in this process."""
    return tensor.layout is torch.strided and tensor.device.type != "meta"


def fits(new: Tensor | None, old: Tensor) -> bool:
    """Whether a parameter is still of the shape, dtype and place that it was of."""
    return new is not None and (new.shape, new.dtype, new.device) == (old.shape, old.dtype, old.device)


def norms_of(tensors: Sequence[Tensor]) -> list[float]:
    """The norms, computed together and in single precision at least, and fetched at once from each device."""
    wide = [torch.linalg.vector_norm(each, dtype=wider(each.dtype)).to(torch.float64) for each in tensors]
    devices = dict.fromkeys(each.device for each in wide)
    found = {device: iter(torch.stack([each for each in wide if each.device == device]).tolist()) for device in devices}
    return [next(found[each.device]) for each in wide]


def wider(dtype: torch.dtype) -> torch.dtype:
    """The dtype to add up squares in."""
    if dtype in (torch.float16, torch.bfloat16):
        return torch.float32
    return dtype


def loss_of(outputs: Sequence[Any]) -> float | None:
    """What a pass began at, where that is one number."""
    one = outputs[0] if len(outputs) == 1 and isinstance(outputs[0], Tensor) else None
    if one is None or one.numel() != 1 or not one.is_floating_point():
        return None
    return float(one.detach().reshape(()))
