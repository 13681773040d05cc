"""A stretch of the user's own program -> Graph: forward, any number of backward passes, optimizer steps, and also
what raised.

Operations are seen by the dispatch mode of this thread. The user's ``backward()`` is seen by wrapping the engine's
entry while the recording is open; calls from other threads pass straight through.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError, TraceError
from graphviz_ad._internal.base.own_files import OUR_FOLDER
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.history_files import HistoryFile
from graphviz_ad._internal.graph.messages import IssuedCall
from graphviz_ad._internal.graph.notices import (
    FAILED,
    HELD,
    OF_NO_MODULE,
    OTHER_THREAD,
    RAISED,
    WITHOUT_GRADIENT,
    Failure,
    Notice,
    failure_notice,
    notice,
)
from graphviz_ad._internal.graph.passes import Passes
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.training_history import StepSummary
from graphviz_ad._internal.graph.transforms import merge_calls
from graphviz_ad._internal.graph.written_program import RECORDING
from graphviz_ad._internal.maths.derivative_agreement import sum_of_seeds
from graphviz_ad._internal.tracing.assembly.assemble import assembled
from graphviz_ad._internal.tracing.assembly.autograd_graph import (
    AutogradGraph,
    BackwardPass,
    are_pointwise,
    in_terms_of,
    merged_passes,
    node_of,
    walk,
    watching,
)
from graphviz_ad._internal.tracing.assembly.saved import kept_memory
from graphviz_ad._internal.tracing.assembly.site_words import words_at
from graphviz_ad._internal.tracing.assembly.units import Output, Recorded
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.eager import (
    NOT_ASKED,
    Modules,
    about_parameters,
    beside_failure,
    described_exception,
    failure_of,
    had_by,
    modules_of,
)
from graphviz_ad._internal.tracing.held_results import FEWEST, held_of_tape, summed_of_tape
from graphviz_ad._internal.tracing.inputs import module_names, name_parameters
from graphviz_ad._internal.tracing.late_passes import NotedPass, graph_of_pass, program_of
from graphviz_ad._internal.tracing.memory_again import MemoryAgain
from graphviz_ad._internal.tracing.naming.returned_names import name_returned
from graphviz_ad._internal.tracing.naming.variable_names import variables_read
from graphviz_ad._internal.tracing.program_facts import (
    BackwardCall,
    Optimizers,
    about_error,
    calling_line,
    facts_of_program,
    living_optimizers,
    named_late,
)
from graphviz_ad._internal.tracing.step_watch import ended_by, loss_of, plain_parameters, summaries_of
from graphviz_ad._internal.tracing.tape.collector import at_rest
from graphviz_ad._internal.tracing.tape.communication import recorder_for
from graphviz_ad._internal.tracing.tape.depths import Depths
from graphviz_ad._internal.tracing.tape.dispatch_mode import stopped_by
from graphviz_ad._internal.tracing.tape.grad_watch import GradWatch, Words
from graphviz_ad._internal.tracing.tape.hooks_by_hand import Noted
from graphviz_ad._internal.tracing.tape.optimizer_steps import OptimizerSteps
from graphviz_ad._internal.tracing.tape.process_groups import own_rank
from graphviz_ad._internal.tracing.tape.stack_depth import safe_depth
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value
from graphviz_ad._internal.tracing.tape.torch_private import (
    engine_entry,
    hidden_from_modes,
    made_at,
    passes_elsewhere,
    unseen_by_functions,
)
from graphviz_ad._internal.tracing.tape.torch_version import refuse_older

NOT_REDUCED = "Expected to have finished reduction in the prior iteration"  # in torch's own message


@dataclass
class RecordedPass:
    """One call of the engine: the graph that it ran over, where it began and with what, and what was noted;
    ``accumulates`` into ``.grad``, as ``backward()`` does and `torch.autograd.grad` does not. ``values`` is how many
    there were when it began, ``memory`` tells apart what passes inside it keep.
    """

    graph: AutogradGraph
    roots: list[tuple[Value, Snapshot | None]]
    leaves: dict[int, Value]
    result: BackwardPass
    accumulates: bool = True
    nested: list[RecordedPass] = field(default_factory=list)
    values: int = 0
    memory: MemoryAgain | None = None


ENOUGH_STEPS = 2  # of optimizers, of which a course can be told
PATIENCE_WITH_OTHERS = 4  # times as many passes, where an optimizer steps less often than others, as a generator's


class Enough(BaseException):
    """That as many backward passes are recorded as were asked for: no error of the program, none that it catches."""


class Recording:
    """What `graphviz_ad.record` gives; ``graph`` is there once the block has ended, also by an exception."""

    def __init__(
        self,
        module: torch.nn.Module | None,
        capture: Capture,
        namespace: Mapping[str, Any],
        *,
        most_passes: int | None = None,
        most_operations: int | None = None,
        patience: int = 1,
        judge: Callable[[Graph], Any] | None = None,
        file: Path | None = None,
    ) -> None:
        """``most_passes``: the backward pass after so many raises `Enough`; where optimizers have not taken two steps
        by then, as where gradients of many batches add up, the one after ``patience`` times as many; where one of
        several has taken none, after up to `PATIENCE_WITH_OTHERS` times as many.
        ``most_operations``: after so many, nothing more is recorded, see `is_full`; ``file``: where steps, and calls
        between processes, are noted as they come.
        """
        if module is not None and not isinstance(module, torch.nn.Module):
            raise OptionError(
                f"module={shown_value(module)} ({type(module).__name__}) is no nn.Module; give the model whose"
                " parameters are"
                " to have names, or nothing"
            )
        self._module, self._capture, self._namespace = module, capture, namespace
        self._passes: list[RecordedPass] = []
        self._running: RecordedPass | None = None
        self._graph: Graph | None = None
        self._open = ExitStack()
        self._state = "new"
        self._most_passes, self._most_operations, self._judge = most_passes, most_operations, judge
        self._patience = patience
        self._earlier = {id(one) for one in living_optimizers()} if patience > 1 else set()  # what others train with
        self._rounds, self._seen = 0, 0  # in which optimizers took steps, and operations that were looked at
        self._optimizers = Optimizers()
        self._calls: list[BackwardCall] = []
        self._codes: list[CodeType] = []
        self._marks: list[int] = []  # how many operations had run when each call came
        self._held: dict[str | None, tuple[Any, ...]] = {}
        self._path = file
        self._file: HistoryFile | None = None
        self._said: list[Notice] = []  # what went wrong with the file

    @property
    def graph(self) -> Graph:
        """The graph of everything in the block, with the gradients of its last backward pass; see ``graph.passes``."""
        if self._graph is None:
            raise TraceError("the recording has no graph yet; read .graph after the with block has ended")
        return self._graph

    @property
    def passes(self) -> Sequence[Graph]:
        """The graph of each backward pass; the same as ``graph.passes``."""
        return self.graph.passes

    @property
    def history(self) -> Any:
        """The backward passes as steps: norms, and what was found at each; see `graphviz_ad.record`."""
        if self._judge is None:
            raise TraceError("this recording was begun without one who judges it; use graphviz_ad.record()")
        return self._judge(self.graph)

    def __enter__(self) -> Recording:
        """Begin to record."""
        refuse_older(str(torch.__version__))
        if self._state != "new":
            raise TraceError("a recording is used once; call record() again")
        if self._path is not None:
            title = type(self._module).__name__ if self._module is not None else "recording"
            self._file = HistoryFile(self._path, title, 1, self._said.append, own_rank())
        self._state = "open"
        self._code = sys._getframe(1).f_code
        outside = sys._getframe(1).f_back
        self._tape = Tape(
            self._capture, outside.f_code if outside is not None else Recording.__enter__.__code__, safe_depth()
        )
        self._tape.program = self._code
        self._thread = threading.get_ident()
        self._grads, self._steps = GradWatch(self._tape), OptimizerSteps(self._tape, self._failed)
        with unseen_by_functions():
            self._name_what_is_there()
            self._look_at_gradients()
        self._recorder, self._noted = recorder_for(self._tape, self._listener), Noted()
        self._recorder.most = self._most_operations
        try:
            self._recorder.blind = not self._open.enter_context(engine_entry(self._engine))
            self._open.enter_context(passes_elsewhere(self._elsewhere))
            self._open.enter_context(self._noted)
            if self._wants_gradients:
                self._open.enter_context(self._steps)
            self._open.enter_context(self._recorder)
            return self
        except BaseException:  # as an interrupt: __exit__ will not be called
            self._close()
            raise

    def program_is(self, code: CodeType) -> None:
        """Say which code the program is, where it is not the one that entered the block."""
        self._code = self._tape.program = code

    @property
    def is_full(self) -> bool:
        """Whether there was more to record than was asked for."""
        return self._state == "open" and self._recorder.full

    def drop(self) -> None:
        """Stop recording without making a graph; bears being run twice."""
        if self._state == "open":
            self._state = "ended"
            self._close()
            self._module, self._namespace, self._passes = None, {}, []
            del self._tape, self._recorder, self._grads

    def called_modules(self) -> list[torch.nn.Module]:
        """The modules that the program itself called, in their order."""
        outermost = (operation.place.modules[0] for operation in self._tape.operations if operation.place.modules)
        return list({id(module): module for module in outermost}.values())

    def know(self, models: Mapping[str, torch.nn.Module]) -> None:
        """Take models that were found only after they had run for those of the recording."""
        if len(models) == 1:
            (self._module,) = models.values()
        else:
            self._namespace = models
        with unseen_by_functions():
            named_late(self._tape, {"" if len(models) == 1 else f"{name}.": model for name, model in models.items()})

    @property
    def _listener(self) -> Callable[[IssuedCall], None] | None:
        return self._file.write_call if self._file is not None else None

    def _write_step(self, outputs: Sequence[Any]) -> None:
        """Norms after a backward pass, to the file."""
        if self._file is None:
            return
        try:
            with hidden_from_modes(), torch.no_grad():
                found = summaries_of(plain_parameters(self._module)) if self._module is not None else {}
                step = StepSummary(len(self._calls), loss_of(outputs), self._calls[-1].source, found)
            self._file.write_step(step)
        except Exception as error:
            self._failed(error)

    def _close(self) -> None:
        """Put torch back as it was; bears being run twice, and where not all was begun."""
        try:
            self._open.close()
        finally:
            self._recorder.__exit__()
            self._noted.__exit__()

    @property
    def _depths(self) -> Depths:
        assert self._tape.depths is not None
        return self._tape.depths

    def _name_what_is_there(self) -> None:
        if self._module is not None:
            name_parameters(self._tape, self._module, "")
        for name, thing in self._namespace.items():
            if isinstance(thing, Tensor):
                self._tape.name_later(thing, name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Stop recording and build the graph; an exception of the program goes on unchanged, with the graph so far
        as its ``graph``.
        """
        if self._file is not None:
            self._file.write_end(*ended_by(error))
        try:
            self._stop()
        except TraceError:
            raise
        except BaseException:  # an interrupt may come anywhere
            self._close()
            raise
        try:
            with unseen_by_functions():
                self._make_graph(error)
        finally:  # the recording may be kept for long; the model must not be kept with it
            self._module, self._namespace, self._passes = None, {}, []
            del self._tape, self._recorder, self._grads, self._steps

    def _has_enough(self) -> bool:
        """Whether no further pass is to be recorded."""
        new = self._tape.operations[self._seen :]
        self._seen += len(new)
        self._rounds += any(operation.place.step is not None for operation in new)
        if self._most_passes is None or len(self._calls) < self._most_passes:
            return False
        have_stepped = self._rounds >= ENOUGH_STEPS
        patience = min(self._patience, PATIENCE_WITH_OTHERS) if have_stepped else self._patience
        if len(self._calls) >= patience * self._most_passes:
            return True
        others = self._stepped_or_of_others() if have_stepped else set()
        # all objects of the process are looked through for the rest, where none that is known tells
        return not any(id(one) not in others for one in self._optimizers.living()) and not any(
            id(one) not in others for one in living_optimizers()
        )

    def _stepped_or_of_others(self) -> set[int]:
        """The optimizers that nobody has to wait for."""
        stepped = {id(one()) for one in self._steppers()} | {id(one) for one in self._tape.living_steppers()}
        return stepped | self._earlier

    def _steppers(self) -> list[weakref.ref[Any]]:
        """The optimizers whose step() was called, each as often; also where it found nothing to do."""
        return [step.optimizer for step in self._steps.steps]

    def _make_graph(self, error: BaseException | None) -> None:
        modules = self._models() if self._most_passes is not None else modules_of(self._module, {})
        if error is None:
            self._graph = self._assembled(about_parameters(self._tape, had_by(modules)) if modules else [])
            return
        with beside_failure(error):
            self._tape.stopped = stopped_by(error, self._tape)
            self._graph = self._assembled(
                [
                    failure_notice(RAISED, failure_of(error)),
                    *about_parameters(self._tape, had_by(modules), ended=False),
                    *self._not_reduced(failure_of(error)),
                    *about_error(error, OUR_FOLDER),
                ]
            )
            error.graph = self._graph  # type: ignore[attr-defined]

    def _not_reduced(self, failure: Failure) -> list[Notice]:
        """The parameters that the last pass brought nothing to, where that is what torch complains of."""
        if self._module is None or not self._passes or NOT_REDUCED not in failure.message:
            return []
        reached = {id(leaf) for leaf in leaves_of(self._passes[-1])}
        wanted = ((name, p) for name, p in self._module.named_parameters() if p.requires_grad)
        names = [name for name, p in wanted if id(p) not in reached]
        return [notice(WITHOUT_GRADIENT, names)] if names else []

    def _stop(self) -> None:
        if self._state != "open":
            raise TraceError("a recording ends where it began: in the same thread, once, by leaving its with block")
        self._close()
        self._state = "ended"
        if self._thread != threading.get_ident():
            raise TraceError(
                "a recording ends where it began: in the same thread, once, by leaving its with block; this one was"
                " left in another thread, so that it has no graph. Begin and leave it in the thread that runs the"
                " program"
            )
        with unseen_by_functions():
            self._look_at_gradients()
            self._look_at_what_is_held()

    def _look_at_what_is_held(self) -> None:
        """Note results of earlier passes that somebody keeps; what a function holds is gone when that has ended."""
        codes = [*self._tape.codes_of_program(), *self._codes]
        try:
            roots = (done.graph.nodes[0] for done in self._passes if done.graph.nodes)
            numbers = [number for node in roots if (number := made_at(node)) is not None]
            found = [*held_of_tape(self._tape, self._marks, codes), *summed_of_tape(self._tape, numbers, codes)]
            for source, held in found:
                self._held[source] = (source, held.holder, held.source, held.passes, held.nodes, held.bytes)
        except Exception as error:
            self._failed(error)

    def _look_at_gradients(self) -> None:
        """Note what ``.grad`` holds of everything that is known to have one."""
        if not self._wants_gradients:
            return
        try:
            with hidden_from_modes():
                self._grads.look(self._tape.named_tensors())
                self._grads.look(leaf for done in self._passes for leaf in leaves_of(done))
                self._grads.look(self._tape.tensors_in_graph())
        except Exception as error:
            self._failed(error)

    # --- the user's backward passes

    def _elsewhere(self, accumulates: bool) -> None:
        """A pass ran in another thread; torch's own threads run parts of ours."""
        if accumulates and self._running is None and all(one.kind != OTHER_THREAD for one in self._said):
            self._said.append(notice(OTHER_THREAD))

    def _engine(self, real: Any, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != self._thread or self._recorder.full:
            return real(outputs, *args, **kwargs)
        if not self._recorder.is_of_this_task():
            with self._recorder.aside():
                return real(outputs, *args, **kwargs)
        graph_of_gradient = args[2] if len(args) > 2 else kwargs.get("create_graph", False)
        # what the engine runs is no part of the program
        with at_rest(), nullcontext() if graph_of_gradient else self._recorder.aside():
            return self._run(real, outputs, *args, **kwargs)

    def _run(self, real: Any, outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        seeds = args[0] if args else kwargs.get("grad_tensors", ())
        inputs = (args[3] if len(args) > 3 else kwargs.get("inputs")) or ()
        outer = self._running
        if outer is None and self._has_enough():
            self._optimizers.look(living_optimizers())
            raise Enough
        noted = self._begin(outputs, seeds)
        if outer is None:
            self._note_call(args, kwargs)
            # a whole program may have some that it never uses
            whole = self._most_passes is not None and len(self._calls) == 1
            self._optimizers.look(living_optimizers() if whole else self._tape.living_steppers())
        if noted is None:
            return real(outputs, *args, **kwargs)
        # one pass may run another, as a reentrant checkpoint does
        (self._passes if outer is None else outer.nested).append(noted)
        if outer is not None:
            self._tell_memory_apart(noted.graph)
        noted.result.partial = bool(inputs)
        noted.accumulates = bool(args[5] if len(args) > 5 else kwargs.get("accumulate_grad", False))
        self._running = noted
        try:
            with self._watching(noted):
                result = real(outputs, *args, **kwargs)
        except BaseException as error:
            noted.result.problem = failure_notice(FAILED, failure_of(error))
            self._note_totals(noted, whole=outer is None)
            raise
        finally:
            self._running = outer
        try:
            self._name_gradients(noted.graph.variables.values())
            if self._wants_gradients:
                self._take_results(noted, inputs, result)
        except Exception as error:
            self._failed(error)
        self._note_totals(noted, whole=outer is None)
        if outer is None and noted.accumulates:
            self._write_step(outputs)
        return result

    def _note_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Which line of the program called the engine, and what it asked for."""
        source, code = calling_line(sys._getframe(2), OUR_FOLDER)
        retain, create = (
            bool(args[i] if len(args) > i else kwargs.get(word))
            for i, word in ((1, "retain_graph"), (2, "create_graph"))
        )
        self._calls.append(BackwardCall(source, retain, create))
        self._marks.append(len(self._tape.operations))
        if code is not None:
            self._codes.append(code)
        count = len(self._calls)
        if count >= FEWEST and not count & (count - 1):  # 4, 8, 16, …: each look goes through all that is recorded
            with hidden_from_modes():
                self._look_at_what_is_held()

    def _note_totals(self, noted: RecordedPass, *, whole: bool) -> None:
        """What a pass that ran in no other brought to each tensor."""
        if not whole:
            return
        self._grads.pass_ended()
        if not self._wants_gradients:
            return
        try:
            with hidden_from_modes():
                for leaf in leaves_of(noted):
                    brought, accumulates = brought_to(noted, leaf)
                    self._grads.passed(len(self._passes), leaf, brought, accumulates=accumulates)
        except Exception as error:
            self._failed(error)

    def _name_gradients(self, leaves: Iterable[Tensor]) -> None:
        """Call what arrived in ``.grad`` so, for the optimizer that will read it."""
        for leaf in leaves:
            name = self._tape.name_of(leaf)
            if name is not None and leaf.grad is not None:
                self._tape.name_later(leaf.grad, f"{name}.grad")

    def _failed(self, error: Exception) -> None:
        """A tracer must not break what it watches: what it fails at is said on the graph."""
        self._tape.problems.append(described_exception(error))

    @property
    def _wants_gradients(self) -> bool:
        return self._capture.gradients != "none"

    def _watching(self, noted: RecordedPass) -> AbstractContextManager[None]:
        """What takes the gradients down while the engine runs; what nodes keep is read now in any case, since the
        engine lets go of it.
        """
        if not self._wants_gradients:
            _ = noted.graph.keeps
            noted.result.problem = NOT_ASKED
            return nullcontext()
        elementwise = are_pointwise(noted.graph.names)
        return watching(noted.graph, noted.result, self._tape.keeper, elementwise.__getitem__)

    def _take_results(self, noted: RecordedPass, inputs: Sequence[Any], result: Any) -> None:
        """What ``.grad`` holds now, and what `torch.autograd.grad` returned for leaves: it never arrives where
        gradients are accumulated.
        """
        number = {id(leaf): i for i, leaf in noted.graph.variables.items()}
        for wanted, grad in zip(inputs, result or (), strict=False):
            i = number.get(id(wanted))
            if i is not None and isinstance(grad, Tensor):
                noted.result.leaf_grads[i] = self._tape.keeper.gradient(grad)
        for i, leaf in noted.graph.variables.items():
            if not self._tape.stand_ins.holds(leaf):
                noted.result.leaf_totals[i] = self._tape.keeper.gradient(leaf.grad)

    def _begin(self, outputs: Sequence[Any], seeds: Sequence[Tensor | None]) -> RecordedPass | None:
        """What is known of a pass before it runs; None where that cannot be told: the program goes on, the graph
        says so.
        """
        try:
            return self._begun(outputs, seeds)
        except Exception as error:
            self._failed(error)
            return None

    def _begun(self, outputs: Sequence[Any], seeds: Sequence[Tensor | None]) -> RecordedPass | None:
        """The same; None where its graph is too deep to be touched."""
        tensors = [output for output in outputs if isinstance(output, Tensor)]
        depths = self._depths
        if any(depths.out_of_reach(self._tape.value_of(tensor)) for tensor in tensors):
            return None
        nodes = [node_of(output) if isinstance(output, Tensor) else output.node for output in outputs]
        graph = self._walked(nodes)
        if graph is None:
            return None
        roots = []
        for output, seed in zip(outputs, seeds, strict=False):
            value = self._root(output)
            if value is not None:
                roots.append((value, self._seed(output, seed)))
        leaves = {i: self._tape.value_of(variable) for i, variable in graph.variables.items()}
        if self._wants_gradients:
            with hidden_from_modes():
                self._grads.look(graph.variables.values())
                self._grads.look_for_others()
        return RecordedPass(graph, roots, leaves, BackwardPass(), values=len(self._tape.values))

    def _tell_memory_apart(self, inside: AutogradGraph) -> None:
        """Of a pass that begins inside the last one: see `MemoryAgain`."""
        last = self._passes[-1]
        try:
            if last.memory is None:
                last.memory = MemoryAgain(last.graph, self._tape.values[: last.values])
            last.memory.begins(inside)
        except Exception as error:
            self._failed(error)

    def _walked(self, nodes: Sequence[Any]) -> AutogradGraph | None:
        """What autograd nodes lead to, which the program will release; None where that may be too deep, because not
        all of it was seen being made.
        """
        try:
            graph = walk(nodes, limit=None if self._depths.saw_everything else safe_depth())
            graph.is_packed = self._tape.is_packed
            return graph
        except TraceError as error:
            self._tape.problems.append(str(error))
            return None

    def _root(self, output: Any) -> Value | None:
        """The value that a pass begins at, which may be given as a place in the graph of autograd; None where that
        was made unseen.
        """
        place: Any = output  # a tensor, or a place in the graph of autograd
        tensor = place if isinstance(output, Tensor) else getattr(place.node, "variable", None)
        if tensor is None:
            self._tape.nodes[id(output)] = output  # which owns its node
            return self._tape.value_at((id(place.node), place.output_nr))
        value = self._tape.value_of(tensor)
        self._tape.edge_of(tensor, value)
        return value

    def _seed(self, tensor: Tensor, seed: Tensor | None) -> Snapshot | None:
        if seed is not None:
            return self._tape.keeper.gradient(seed)
        if not self._wants_gradients:
            return None
        with hidden_from_modes():
            return self._tape.keeper.gradient(torch.ones_like(tensor))

    # --- the graph

    def _assembled(self, notices: list[Notice]) -> Graph:
        tape = self._tape
        tape.keeper.pending.settle()
        loose = [] if self._passes else tape.loose_ends()
        if loose and self._walked(loose) is None:
            loose = []
        graphs = [part.graph for done in self._passes for part in with_nested(done)]
        whole = walk(
            [
                *(node for graph in graphs for node in graph.nodes[:1]),
                *(node for graph in graphs for node in graph.nodes),
                *loose,
            ]
        )
        whole.is_packed = tape.is_packed
        whole.adopt(graphs)
        held = [notice(HELD, shown=False, held=tuple(self._held.values()))] if self._held else []
        notices = [*notices, *self._said, *held]
        if self._depths.went_too_deep:
            notices = [*notices, notice("too deep", reach=self._depths.reach)]
        if tape.of_other_tasks:
            notices = [*notices, notice("other tasks", count=tape.of_other_tasks)]
        if tape.problems:
            notices = [*notices, notice("incomplete", tape.problems, what="thing")]
        name_variables(tape, variables_read(tape, self._code))
        name_returned(tape)
        names = module_names(self._module, self._namespace)
        title = type(self._module).__name__ if self._module is not None else RECORDING
        self._tensors = self._grads.numbers()
        try:
            program = program_of(tape, whole, names, title, self._tensors)
            noted = [self._noted_pass(done, whole, notices) for done in self._passes]
            for output in (output for done in noted for output in done.outputs):
                output.value.used = True  # in all graphs, as what a pass begins at
            if noted:
                last = graph_of_pass(program, noted[-1])
            else:
                with at_rest():
                    last = self._unfinished(whole, names, title, notices)
            known = replace(program, whole=whole.remembered()) if len(noted) > 1 else program
        finally:
            tape.nodes.clear()
            for graph in graphs:
                graph.release()
            whole.release()
        found = Passes([*(partial(graph_of_pass, known, done) for done in noted[:-1]), last])
        told = [notice("several passes", count=len(found))] if len(found) > 1 else []
        whole_graph = replace(last.saying(*told), each_pass=found)
        codes = [self._code, *self._codes]
        facts = facts_of_program(tape, self._models(), self._calls, codes, self._optimizers, self._steppers())
        whole_graph = replace(whole_graph, notes=(*whole_graph.notes, *facts, *self._of_no_module()))
        histories = self._grads.histories(self._tensors, self._words_of(names), self._steps)
        return replace(whole_graph, grad_histories=histories)

    def _models(self) -> Modules:
        """The model of the recording, or those that it was found to call."""
        return modules_of(self._module, self._namespace if self._module is None else {})

    def _of_no_module(self) -> list[Notice]:
        """The parameters that stand beside the model, if there are any."""
        own = {id(p) for _, module in self._models() for p in module.parameters()}
        found = self._grads.parameters(self._tensors, own)
        return [notice(OF_NO_MODULE, shown=False, tensors=found)] if found else []

    def _words_of(self, names: dict[int, str]) -> Words:
        """What the program calls an operation, and where that stands."""
        source = bool(self._tape.capture.source)

        def words(operation: Operation) -> tuple[str | None, str | None]:
            found = words_at(names, source, operation)
            return found.call, found.source

        return words

    def _noted_pass(self, done: RecordedPass, whole: AutogradGraph, notices: Sequence[Notice]) -> NotedPass:
        """What was noted of a pass, while its nodes are there."""
        parts = with_nested(done)
        leaves = {whole.index[id(part.graph.nodes[i])]: value for part in parts for i, value in part.leaves.items()}
        return NotedPass(
            merged_passes([in_terms_of(part.graph, part.result, whole) for part in parts]),
            [Output(value, seed) for value, seed in done.roots],
            leaves,
            starts_inside(done),
            notices,
            memory_of_pass([part.graph for part in parts]),
        )

    def _unfinished(self, whole: AutogradGraph, names: dict[int, str], title: str, notices: Sequence[Notice]) -> Graph:
        why = notice("no backward pass", blind=self._recorder.blind)
        return merge_calls(
            assembled(
                Recorded(self._tape, whole, BackwardPass(problem=why), [], names, tensors=self._tensors),
                title,
                [*notices, why],
            )
        )


def name_variables(tape: Tape, names: Mapping[int, str]) -> None:
    """Give values the names of the variables that they were read from, and so to what the same tensors held later,
    after an optimizer or the program had written to them.
    """
    for number, name in names.items():
        tape.values[number].name = name
    by_tensor = {id(tape.values[number].reference): name for number, name in names.items()}
    for value in tape.values:
        if value.name is None and value.maker is not None and id(value.reference) in by_tensor:
            value.name = by_tensor[id(value.reference)]


def memory_of_pass(parts: Sequence[AutogradGraph]) -> tuple[int, bool]:
    """What one pass kept, and whether that is all: what other passes kept was there at other times."""
    keeps = [kept for part in parts for kept in part.keeps]
    return kept_memory(keeps, [leaf for part in parts for leaf in part.variables.values()])


def with_nested(done: RecordedPass) -> list[RecordedPass]:
    """A pass and those that ran inside it and added to ``.grad``: what `torch.autograd.grad` returns to a backward
    function is a matter of that function.
    """
    return [done, *(part for inner in done.nested for part in with_nested(inner) if part.accumulates)]


def leaves_of(done: RecordedPass) -> list[Tensor]:
    """The leaves that a pass, or one inside it, may come to, each once."""
    return list({id(leaf): leaf for part in with_nested(done) for leaf in part.graph.variables.values()}.values())


def brought_to(done: RecordedPass, leaf: Tensor) -> tuple[Snapshot | None, bool]:
    """What a pass brought to a leaf, with those inside it, and whether that was added to ``.grad``."""
    arrived = [
        (part.result.leaf_grads.get(i), part.accumulates)
        for part in with_nested(done)
        for i, variable in part.graph.variables.items()
        if variable is leaf
    ]
    added = any(accumulates and grad is not None for grad, accumulates in arrived)
    return sum_of_seeds([grad for grad, accumulates in arrived if accumulates or not added]), added


def starts_inside(done: RecordedPass) -> list[Output]:
    """Where passes inside a pass begin, and what is fed in there; not where a pass around them came by, since it is
    those gradients that are shown.
    """
    found: list[Output] = []
    seen: set[int] = set()
    for part in with_nested(done):
        if part is not done:
            found += [
                Output(value, seed)
                for value, seed in part.roots
                if value.edge is not None and value.edge[0] not in seen
            ]
        seen |= {id(part.graph.nodes[i]) for i in part.result.node_grads}
    return found
