"""A model in training -> summaries of every so manieth backward pass: no operation is recorded, and no tensor kept.

Between a pass that is looked at and the next, a copy of the parameters is held, so that it can be said how far the
step in between took them; then it is let go. Of the last pass that was looked at there is a graph without values.
Passes that are not looked at cost a few calls each, however large the model is. What goes wrong with looking is said
in a notice, and the training goes on.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any, Protocol

import torch
from torch import Tensor

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import GraphvizADWarning, OptionError, TraceError
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.history_files import HistoryFile
from graphviz_ad._internal.graph.notice_sentences import sentence
from graphviz_ad._internal.graph.notices import LOOK_FAILED, NOT_WATCHED, OTHER_THREAD, WATCHED, Notice, notice
from graphviz_ad._internal.graph.training_history import KeptSteps, ParameterSummary, StepSummary
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph
from graphviz_ad._internal.tracing.eager import described_exception, failure_of
from graphviz_ad._internal.tracing.held_results import Roots
from graphviz_ad._internal.tracing.passed_graph import graph_of_pass, walked_before
from graphviz_ad._internal.tracing.program_facts import about_error, calling_line
from graphviz_ad._internal.tracing.tape.process_groups import own_rank
from graphviz_ad._internal.tracing.tape.torch_private import (
    engine_entry,
    hidden_from_modes,
    passes_elsewhere,
    unseen_by_functions,
)

Steps = Sequence[StepSummary]
MOST_OF_A_HISTOGRAM = 10_000  # elements of a gradient


@dataclass(frozen=True)
class Judge:
    """What rooms above make of steps: ``history`` of them and of what went wrong with looking; ``found``: the numbers
    of those at which something was found.
    """

    history: Callable[[Steps, Sequence[Notice]], Any]
    found: Callable[[Steps], Collection[int]]


class Told(Protocol):
    """Who is told of each step, once it is known how far it went."""

    @property
    def wants_gradients(self) -> bool:
        """Whether it takes elements of gradients."""
        ...

    def tell_gradients(self, number: int, gradients: Mapping[str, Tensor]) -> Notice | None:
        """Take these in."""

    def tell(self, step: StepSummary) -> Notice | None:
        """Take in a step; what went wrong with that, said once."""


class StepWatch:
    """What `graphviz_ad.record` gives with ``every=``: ``history`` grows as the program runs, and can be read at any
    time.
    """

    def __init__(
        self,
        module: torch.nn.Module | None,
        every: int,
        judge: Judge,
        file: Path | None = None,
        logs: Sequence[Told] = (),
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            raise OptionError(
                f"every={every} keeps norms of the parameters of a model, and module={shown_value(module)} is none;"
                " give the model: record(model, every=…)"
            )
        self._model, self._every, self._judge = module, every, judge
        self._steps = KeptSteps(judge.found)
        self._notices: dict[tuple[str, str | None], Notice] = {}
        self._before: dict[str, Tensor] = {}
        self._spare: dict[str, Tensor] = {}  # a copy that has served, for the next one if that is made at once
        self._passes = self._depth = 0
        self._roots = Roots()
        self._open = ExitStack()
        self._state = "new"
        self._graph: Graph | TraceError | None = None
        self._told: Graph | None = None  # with what the history found, until more is known
        self._path, self._logs = file, logs
        self._file: HistoryFile | None = None
        self._untold = False

    @property
    def history(self) -> Any:
        """The steps so far, with what was found in each."""
        return self._judge.history(self._steps.steps, tuple(self._notices.values()))

    @property
    def graph(self) -> Graph:
        """The structure of the last pass that was looked at, without values: what ran, and what it kept."""
        if self._graph is None:
            raise TraceError("no backward pass was looked at yet, so that there is no graph")
        if isinstance(self._graph, TraceError):
            raise self._graph
        if self._told is None:
            self._told = replace(self._graph, notes=(*self._graph.notes, self._watched()))
        return self._told

    def _watched(self) -> Notice:
        """That summaries alone are kept, and what the first step that has it showed of each kind."""
        steps = list(self.history)
        found: dict[str, tuple[str, str, int, str | None]] = {}
        for step in steps:
            for one in step.findings:
                found.setdefault(one.kind, (one.kind, one.severity, step.number, one.source))
        number = steps[-1].number if steps else 0
        return notice(WATCHED, shown=False, every=self._every, number=number, found=tuple(found.values()))

    @property
    def passes(self) -> tuple[Graph, ...]:
        """The one graph that is kept, that of the last pass that was looked at."""
        return (self.graph,)

    def __enter__(self) -> StepWatch:
        """Begin to watch."""
        if self._state != "new":
            raise TraceError("a recording is used once; call record() again")
        if self._path is not None:
            self._file = HistoryFile(self._path, type(self._model).__name__, self._every, self._say, own_rank())
        self._state, self._thread = "open", threading.get_ident()
        self._open.enter_context(engine_entry(self._engine))
        self._open.enter_context(passes_elsewhere(self._elsewhere))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Stop watching; an exception of the program goes on unchanged."""
        self._open.close()
        self._state = "ended"
        self._note_update()
        self._spare = {}
        if self._file is not None:
            self._file.write_end(*ended_by(error))

    def _elsewhere(self, accumulates: bool) -> None:
        """A pass ran in another thread; torch's own threads run parts of ours."""
        if accumulates and not self._depth:
            self._say(notice(OTHER_THREAD))

    def _engine(self, real: Any, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        accumulates = bool(args[5] if len(args) > 5 else kwargs.get("accumulate_grad", False))
        if threading.get_ident() != self._thread or self._depth or not accumulates:
            return real(outputs, *args, **kwargs)
        if self._untold:
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
            source, code = calling_line(sys._getframe(1), OUR_FOLDER)
            with self._guarded():
                self._look(outputs, source, code)
            self._keep_graph(walked, outputs)
            self._told = None
        self._spare = {}
        return result

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Out of the sight of modes; what fails is said once, for it must not break what is watched."""
        try:
            with hidden_from_modes(), torch.no_grad():
                yield
        except Exception as error:
            self._say(replace(notice(LOOK_FAILED, step=self._passes), failure=failure_of(error)))

    def _say(self, said: Notice) -> None:
        """Keep one notice of a kind, or of a logger, the first and then what ended it, and warn of it once; where
        warnings are errors, the training goes on all the same.
        """
        key = said.kind, dict(said.facts).get("logger")
        known = key in self._notices
        if not known or dict(said.facts).get("ended"):
            self._notices[key] = said
        if not known:
            with suppress(GraphvizADWarning):
                warnings.warn(sentence(said), GraphvizADWarning, stacklevel=2)

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

    def _look(self, outputs: Sequence[Any], source: str | None, code: CodeType | None) -> None:
        """Note norms of weights and gradients, and what the program still holds of earlier passes."""
        trained = trained_parameters(self._model)
        named = [(name, p) for name, p in trained if is_plain(p)]
        if others := [name for name, p in trained if not is_plain(p)]:
            self._say(notice(NOT_WATCHED, others))
        held = self._roots.look(outputs, code, source)
        step = StepSummary(self._passes, loss_of(outputs), source, summaries_of(named), held)
        self._steps.add(step)
        self._untold = True
        asking = [log for log in self._logs if log.wants_gradients] if is_first_rank() else []
        elements = {name: some for name, p in named if asking and (some := some_elements(p.grad)) is not None}
        self._tell(log.tell_gradients(self._passes, elements) for log in asking)
        if self._file is not None:
            self._file.write_step(step)
        self._before = {name: copy_of(p, self._spare.get(name)) for name, p in named}

    def _note_update(self) -> None:
        """How far the parameters went since the pass that was looked at, of which all is known then."""
        if not self._untold:
            return
        self._untold, before, self._before = False, self._before, {}
        self._told = None
        with self._guarded():
            self._note_moves(before)
        self._spare = before
        self._tell(log.tell(self._steps[-1]) for log in (self._logs if is_first_rank() else ()))

    def _tell(self, failures: Iterable[Notice | None]) -> None:
        for said in failures:
            if said is not None:
                self._say(said)

    def _note_moves(self, before: dict[str, Tensor]) -> None:
        now = dict(self._model.named_parameters())
        same = [(name, now[name], old) for name, old in before.items() if fits(now.get(name), old)]
        moved = norms_of([old.sub_(new.detach()) for _, new, old in same])
        updates = dict(zip((name for name, _, _ in same), moved, strict=True))
        last = self._steps[-1]
        told = {name: replace(one, update=updates.get(name)) for name, one in last.parameters.items()}
        self._steps.say_again(replace(last, parameters=told))
        if self._file is not None:
            self._file.write_updates(last.number, updates)


def ended_by(error: BaseException | None) -> tuple[str | None, str | None]:
    """The type of an exception, and the line of the program that raised it."""
    if error is None:
        return None, None
    told = about_error(error, OUR_FOLDER)
    return type(error).__name__, told[0]["source"] if told else None


def trained_parameters(model: torch.nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters that require grad."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


def plain_parameters(model: torch.nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters that are trained and have numbers in this process."""
    return [(name, p) for name, p in trained_parameters(model) if is_plain(p)]


def summaries_of(named: Sequence[tuple[str, Tensor]]) -> dict[str, ParameterSummary]:
    """Norms of weights and gradients."""
    weights = norms_of([p for _, p in named])
    graded = [(name, p.grad) for name, p in named if p.grad is not None and not p.grad.is_sparse]
    gradients = dict(zip((name for name, _ in graded), norms_of([grad for _, grad in graded]), strict=True))
    return {
        name: ParameterSummary(weight, gradients.get(name)) for (name, _), weight in zip(named, weights, strict=True)
    }


def is_first_rank() -> bool:
    """Whether this process speaks for its job: loggers are told once, however many ranks train."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"  # as torchrun says, before the ranks know one another


def copy_of(parameter: Tensor, spare: Tensor | None) -> Tensor:
    """A copy, in memory that is there already if that fits."""
    if spare is None or not fits(parameter, spare):
        return parameter.detach().clone()
    return spare.copy_(parameter.detach())


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


def some_elements(gradient: Tensor | None) -> Tensor | None:
    """Elements of a gradient for a histogram, evenly out of all; None where none is finite."""
    if gradient is None or gradient.is_sparse:
        return None
    flat = gradient.detach().reshape(-1)
    some = flat[:: -(-flat.numel() // MOST_OF_A_HISTOGRAM) or 1].float().cpu()
    finite = some[some.isfinite()]
    return finite if finite.numel() else None


def loss_of(outputs: Sequence[Any]) -> float | None:
    """What a pass began at, where that is one number."""
    one = outputs[0] if len(outputs) == 1 and isinstance(outputs[0], Tensor) else None
    if one is None or one.numel() != 1 or not one.is_floating_point():
        return None
    return float(one.detach().reshape(()))
