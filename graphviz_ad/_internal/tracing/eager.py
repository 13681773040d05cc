"""Function, module or finished tensors -> Graph: one forward run under a tape, one backward pass, nothing left
behind.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphviz_ad._internal.base.errors import GraphvizADWarning, NoTensorError, TraceError
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.made_late import graph_made_late
from graphviz_ad._internal.graph.notice_sentences import error_text
from graphviz_ad._internal.graph.notices import (
    FAILED,
    FROZEN,
    NOTHING_REQUIRES,
    RAISED,
    STOOD_FOR,
    TIED,
    TIED_TOO,
    UNREAD,
    UNREAD_INPUTS,
    UNREAD_SO_FAR,
    Failure,
    Notice,
    failure_notice,
    notice,
)
from graphviz_ad._internal.graph.transforms import merge_calls
from graphviz_ad._internal.tracing.assembly.assemble import assembled
from graphviz_ad._internal.tracing.assembly.autograd_graph import (
    AutogradGraph,
    BackwardPass,
    are_pointwise,
    has_compiled,
    is_reentrant,
    run_accumulating,
    run_backward,
    walk,
)
from graphviz_ad._internal.tracing.assembly.retained_grads import retained_grads_aside
from graphviz_ad._internal.tracing.assembly.settled import FinishedTape, settled
from graphviz_ad._internal.tracing.assembly.units import Output, Recorded
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.contents import Path, name_of_way
from graphviz_ad._internal.tracing.generators import run_out
from graphviz_ad._internal.tracing.inputs import (
    Given,
    given_to,
    leaves_of_arguments,
    module_behind,
    module_names,
    modules_given,
    name_inputs,
    surroundings,
)
from graphviz_ad._internal.tracing.made_numbers import Replaced, Replacements, exception_to_raise
from graphviz_ad._internal.tracing.module_members import Members, members_of
from graphviz_ad._internal.tracing.naming.returned_names import name_returned
from graphviz_ad._internal.tracing.outputs import starts_of_tensors, upstream_gradients
from graphviz_ad._internal.tracing.rerun.keeping import KeptTarget, kept_target
from graphviz_ad._internal.tracing.returned import Asked
from graphviz_ad._internal.tracing.tape.callees import name_of_callable
from graphviz_ad._internal.tracing.tape.collector import at_rest
from graphviz_ad._internal.tracing.tape.communication import recorder_for
from graphviz_ad._internal.tracing.tape.dispatch_mode import stopped_by
from graphviz_ad._internal.tracing.tape.hooks_by_hand import Noted
from graphviz_ad._internal.tracing.tape.stack_depth import safe_depth
from graphviz_ad._internal.tracing.tape.tape import Tape, current_tape
from graphviz_ad._internal.tracing.tape.torch_private import SEES_OPERATIONS, TORCH_FOLDER, unseen_by_functions
from graphviz_ad._internal.tracing.tape.torch_version import refuse_older
from graphviz_ad._internal.tracing.tensor_contents import tensors_in


def trace(
    target: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    grad_outputs: Any,
    capture: Capture,
    namespace: Mapping[str, Any],
    output: Asked = None,
) -> Graph:
    """The graph of one call of `target`, or of finished tensors; see `graphviz_ad.trace`."""
    refuse_older(str(torch.__version__))
    if is_finished_target(target):
        return trace_finished(target, grad_outputs, capture, namespace, output)
    if not callable(target):
        raise TraceError(
            f"cannot trace {target!r} ({type(target).__name__}): give a function, a module, or tensors that were"
            " computed already"
        )
    given = given_to(target, args, kwargs)
    args, kwargs = given.args, given.kwargs
    tape = Tape(capture, _call_target.__code__, direct=name_of_callable(target))
    tape.program = getattr(target, "__code__", None)
    own, inner = surroundings(target)
    namespace = {**own, **modules_given(target, args, kwargs)}
    with unseen_by_functions():
        name_inputs(tape, target, args, kwargs, namespace, inner)
        kept = kept_target(name_of(target), target, args, kwargs, grad_outputs)
    namespace = {**inner, **namespace}
    outer, noted, recorder = current_tape.get(), Noted(), recorder_for(tape)
    try:
        current_tape.set(tape)
        with noted, recorder:
            returned = [_call_target(target, args, kwargs)]
    except Exception as error:
        to_raise = error
        with beside_failure(error), unseen_by_functions():
            to_raise = exception_to_raise(error, made_for(tape, given, target))
            to_raise.graph = error.graph = graph_so_far(tape, error, target, namespace)  # type: ignore[attr-defined]
        if to_raise is not error:
            raise to_raise from error
        raise
    finally:
        recorder.__exit__()  # once more: an interrupt may have come before it could
        noted.__exit__()
        current_tape.set(outer)
    with unseen_by_functions():
        had = had_by(modules_of(target, namespace))
        notices = [*about_parameters(tape, had), *frozen_parameters(tape, had)]
        kept.finish(tape)
        idle = inputs_to_be_read(target, args, kwargs, returned)
        make = finish(
            tape,
            returned,
            Wanted(grad_outputs, output),
            name_of(target),
            names_of_modules(had),
            finished=False,
            notices=notices,
            started=kept.note_starts,
        )
        return graph_made_late(
            partial(as_traced, make, idle, kept), name=make.name, has_gradients=make.has_gradients, target=kept
        )


def as_traced(make: Late, idle: Sequence[str], kept: KeptTarget) -> Graph:
    """The graph, with what only a function that is called has to say."""
    graph = make()
    graph = graph.saying(*unread_inputs(graph, idle))
    return replace(graph, target=kept, detail=replace(graph.detail, target=kept) if graph.detail else None)


def inputs_to_be_read(target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], returned: Any) -> list[str]:
    """The names of inputs that want a gradient and are not themselves what the program returns."""
    handed_back = {id(part.thing) for part in tensors_in(returned).parts}
    return [
        name
        for name, leaf, is_seen in leaves_of_arguments(target, args, kwargs)
        if is_seen and isinstance(leaf, Tensor) and leaf.requires_grad and id(leaf) not in handed_back
    ]


def unread_inputs(graph: Graph, names: Sequence[str]) -> list[Notice]:
    """Which of them no operation has read, be it inside of a custom Function."""
    if not names:
        return []
    nodes = {node.name: node for node in graph.node_list if node.kind == "leaf"}
    read: set[str | None] = set()
    for one in (graph, graph.detail or graph):
        used = {edge.tail for edge in one.edges}
        read |= {node.name for node in one.node_list if node.key in used or node.is_output}
    found = [name for name in names if name in nodes and name not in read]
    return [notice(UNREAD_INPUTS, found)] if found else []


def made_for(tape: Tape, given: Given, target: Any) -> Replacements:
    """The arguments that the program gets as tensors, and what each tensor of the run was computed from."""
    names = {id(leaf): name for name, leaf, _ in leaves_of_arguments(target, given.args, given.kwargs)}
    made = [Replaced(names.get(id(each.tensor), "an argument"), each.given, each.tensor) for each in given.made]
    return Replacements(made, Tensor, "a tensor", "tensors", tape.sources_of, TORCH_FOLDER)


def graph_so_far(tape: Tape, error: BaseException, target: Any, namespace: Mapping[str, Any]) -> Graph:
    """What had been computed when the program raised; without gradients."""
    tape.stopped = stopped_by(error, tape)
    ends, had = tape.loose_ends(), had_by(modules_of(target, namespace))
    names = names_of_modules(had)
    autograd = walk(ends)
    autograd.is_packed = tape.is_packed
    tape.keeper.pending.settle()
    name_returned(tape)
    notices = [
        failure_notice(RAISED, failure_of(error)),
        *about_parameters(tape, had, ended=False),
    ]
    try:
        with at_rest():
            return merge_calls(
                assembled(Recorded(tape, autograd, BackwardPass(problem=NOT_RUN), [], names), name_of(target), notices)
            )
    finally:
        ends.clear()
        let_go(tape, autograd)


def graph_without_gradients(
    tape: Tape, returned: Any, name: str, names: dict[int, str], notices: Sequence[Notice]
) -> Graph:
    """What was computed, of a program that returned nothing to go back from."""
    outputs = [Output(tape.value_of(part.thing), None) for part in tensors_in(returned).parts]
    for output in outputs:
        output.value.used = True
    ends = tape.loose_ends()
    autograd = walk(ends)
    autograd.is_packed = tape.is_packed
    tape.keeper.pending.settle()
    name_returned(tape)
    why = notice(NOTHING_REQUIRES, [name])
    try:
        with at_rest():
            recorded = Recorded(tape, autograd, BackwardPass(problem=why), outputs, names)
            return merge_calls(assembled(recorded, name, [*notices, why]))
    finally:
        ends.clear()
        let_go(tape, autograd)


MOST_TIED = 4  # parameters that have a notice each; the others share one
NOT_RUN = notice("no backward pass", blind=False)
NOT_ASKED = notice("gradients not asked for")
FREED = "backward through the graph a second time"  # likewise
OVERWRITTEN = "modified by an inplace operation"  # in torch's own message
_never_released: list[tuple[AutogradGraph, dict[int, Any]]] = []


def let_go(tape: Tape, autograd: AutogradGraph) -> None:
    """Release the nodes of autograd that were touched, consumers first.

    Where the program has kept a result, or the exception does that ended it, a deep graph would be released from there
    and overflow the stack: its nodes stay for good.
    """
    if max(len(tape.nodes), len(autograd.nodes)) > safe_depth() and tape.has_living_results():
        _never_released.append((autograd, dict(tape.nodes)))
        return
    while tape.nodes:
        tape.nodes.popitem()
    autograd.release()


@contextmanager
def beside_failure(error: BaseException) -> Iterator[None]:
    """What is done for an exception of the program: whatever is wrong with us now, that one goes on, and a warning
    says what is missing.
    """
    try:
        yield
    except Exception as own:
        text = (
            f"no graph could be made up to where the program raised {described_exception(error)}:"
            f" {described_exception(own)}"
        )
        try:
            warnings.warn(text, GraphvizADWarning, stacklevel=3)
        except Warning:
            # the user wants warnings raised; the program's exception goes before, so that this one can only be written
            # down
            print(f"{GraphvizADWarning.__name__}: {text}", file=sys.stderr)


def described_exception(error: BaseException) -> str:
    """Type and first line of an exception."""
    return error_text(failure_of(error))


def failure_of(error: BaseException) -> Failure:
    """What is known of an exception, whatever its own text does."""
    try:
        message = str(error)
    except Exception:
        message = "without a readable message"
    of_torch = isinstance(error, RuntimeError)
    return Failure(
        type(error).__name__,
        message,
        overwritten=of_torch and OVERWRITTEN in message,
        freed=of_torch and FREED in message,
    )


Modules = Sequence[tuple[str, torch.nn.Module]]  # with what stands before the names of their parameters


def modules_of(target: Any, namespace: Mapping[str, Any]) -> Modules:
    """The module that is traced, or those that a function takes from around it."""
    module = module_behind(target)
    modules = [("", module)] if module is not None else []
    return modules + [(f"{name}.", thing) for name, thing in namespace.items() if isinstance(thing, torch.nn.Module)]


Had = Sequence[tuple[str, Members]]  # what modules have, with what stands before the names


def had_by(modules: Modules) -> Had:
    """What modules have now."""
    return [(prefix, members_of(module)) for prefix, module in modules]


def names_of_modules(had: Had) -> dict[int, str]:
    """Identity of each module in reach -> its dotted name; the traced module itself has none."""
    names: dict[int, str] = {}
    for prefix, members in had:
        for name, module in members.modules:
            names.setdefault(id(module), prefix + name if name else prefix.removesuffix("."))
    return names


def about_parameters(tape: Tape, had: Had, *, ended: bool = True) -> list[Notice]:
    """What is to be said of the parameters of modules; of a program that raised, only to those who ask."""
    tied = tied_parameters(had, ended)
    if not SEES_OPERATIONS:
        return [notice("no dispatch modes", shown=ended), *tied]
    return [*idle_parameters(tape, had, ended), *tied, *parameters_stood_for(tape)]


def tied_parameters(had: Had, shown: bool) -> list[Notice]:
    """The parameters that a module has under several names; the first is the one that is shown."""
    found = [(prefix + name, prefix + first) for prefix, members in had for name, first in members.tied]
    rest = [name for pair in found[MOST_TIED:] for name in pair]
    return [
        *(notice(TIED, pair, shown=shown) for pair in found[:MOST_TIED]),
        *([notice(TIED_TOO, rest, shown=shown)] if rest else []),
    ]


def idle_parameters(tape: Tape, had: Had, ended: bool) -> list[Notice]:
    """The parameters that took no part, and therefore get no gradient; of those that are frozen nobody expects one,
    so that no picture speaks of them.
    """
    named = [(prefix + name, p) for prefix, members in had for name, p in members.parameters]
    kind, found = UNREAD if ended else UNREAD_SO_FAR, []
    for wanted in (True, False):
        idle = tape.untouched((name, p) for name, p in named if p.requires_grad is wanted)
        found += [notice(kind, idle, shown=ended and wanted)] if idle else []
    return found


def frozen_parameters(tape: Tape, had: Had) -> list[Notice]:
    """The parameters that were read and require no gradient, beside others that do; for those who ask."""
    named = [(prefix + name, p) for prefix, members in had for name, p in members.parameters]
    still = [(name, p) for name, p in named if not p.requires_grad]
    idle = {*tape.untouched(iter(still))}
    names = [name for name, _ in still if name not in idle]
    seen = SEES_OPERATIONS and names and len(still) < len(named)
    return [notice(FROZEN, names, shown=False)] if seen else []


def parameters_stood_for(tape: Tape) -> list[Notice]:
    """The parameters that were read as another tensor, which their modules held for a while."""
    return [notice(STOOD_FOR, tape.stand_ins.read)] if tape.stand_ins.read else []


def _call_target(target: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Where the stack of the traced program begins."""
    return run_out([target(*args, **kwargs)])


def is_finished_target(target: Any) -> bool:
    """Whether the target is a tensor or a collection of tensors rather than something to call."""
    return isinstance(target, Tensor) or (not callable(target) and bool(tensors_in(target).parts))


def trace_finished(
    target: Any, grad_outputs: Any, capture: Capture, namespace: Mapping[str, Any], output: Asked
) -> Graph:
    """The graph behind tensors that exist already: no forward pass is run, values in between are not recorded."""
    tape = Tape(capture, _call_target.__code__)
    notices = [notice("finished tensors")]
    with unseen_by_functions():
        for name, thing in namespace.items():
            if isinstance(thing, Tensor):
                tape.name(thing, name)
        make = finish(
            tape,
            [target],
            Wanted(grad_outputs, output),
            "finished tensors",
            module_names(None, namespace),
            finished=True,
            notices=notices,
        )
        return graph_made_late(make, name=make.name, has_gradients=make.has_gradients)


def name_of(target: Any) -> str:
    """What to call the graph; some arguments given already change nothing."""
    while isinstance(target, partial):
        target = target.func
    return (
        type(target).__name__
        if isinstance(target, torch.nn.Module)
        else str(getattr(target, "__name__", type(target).__name__))
    )


class Wanted(NamedTuple):
    """What is fed in, and which of the outputs is differentiated."""

    grad_outputs: Any
    output: Asked


def finish(
    tape: Tape,
    returned: list[Any],
    wanted: Wanted,
    name: str,
    names: dict[int, str],
    *,
    finished: bool,
    notices: Sequence[Notice] = (),
    started: Callable[[Sequence[Path]], None] = lambda ways: None,
) -> Late:
    """Run the backward pass, note what the graph is to be made of, and let go of everything that torch owns.

    ``returned`` is a list around what the program returned, so that nobody up the stack keeps the graph alive any
    longer; ``started`` hears the ways in it to what gradients start from.
    """
    autograd = walk(())
    try:
        given, is_seeded = wanted.grad_outputs, wanted.grad_outputs is not None
        found = returned.pop()
        try:
            starts = starts_of_tensors(found, name, wanted.output, tape.variable_of, is_seeded=is_seeded)
        except NoTensorError as error:
            with beside_failure(error):
                error.graph = graph_without_gradients(tape, found, name, names, notices)  # type: ignore[attr-defined]
            raise
        del found
        started([part.path for part in starts.parts])
        outputs = [(name_of_way(part.path), part.thing) for part in starts.parts]
        notices = [*notices, *starts.notices]
        tape.name_returned((part.thing, name_of_way(part.path)) for part in starts.others)
        del starts
        needs_seeds = tape.capture.gradients != "none" or is_seeded
        seeds: list[Any] = (
            upstream_gradients([tensor for _, tensor in outputs], given) if needs_seeds else [None] * len(outputs)
        )
        with at_rest():
            autograd = walk([tensor.grad_fn for _, tensor in outputs], limit=safe_depth() if finished else None)
            autograd.is_packed = tape.is_packed
            for _, tensor in outputs:
                tape.edge_of(tensor, tape.value_of(tensor))
            noted = BackwardPass()
            try:
                result = backward(tape, autograd, [tensor for _, tensor in outputs], seeds, noted, finished=finished)
            except Exception as error:
                with beside_failure(error):
                    so_far = [*notices, failure_notice(FAILED, failure_of(error))]
                    late = noted_graph(tape, autograd, noted, outputs, seeds, name, names, so_far)
                    error.graph = late()  # type: ignore[attr-defined]
                raise
            found_late = noted_graph(tape, autograd, result, outputs, seeds, name, names, notices)
    finally:
        # Only now, and in this order: what holds the deep graph goes first, then its nodes one by one.
        outputs = seeds = None  # type: ignore[assignment]
        let_go(tape, autograd)
    found_late.tape.let_references_go()
    return found_late


EXPECTED = ("a second time", "have already been freed", "use_reentrant=True", "non-empty donated buffers")


def backward(
    tape: Tape,
    autograd: AutogradGraph,
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    noted: BackwardPass,
    *,
    finished: bool,
) -> BackwardPass:
    """The gradients, or the reason why there are none; ``noted`` takes them while they come."""
    if tape.capture.gradients == "none":
        return BackwardPass(problem=NOT_ASKED)
    elementwise = are_pointwise(autograd.names)
    if is_reentrant(autograd) and finished:
        return BackwardPass(problem=notice("reentrant checkpoint"))
    # whoever has kept a result can go back from it himself; what was compiled may let go of its buffers in any case
    retain = finished or not has_compiled(autograd)
    with retained_grads_aside(autograd, tape):
        if is_reentrant(autograd):
            leaves = tape.leaves()
            return run_accumulating(
                autograd, outputs, seeds, tape.keeper, elementwise.__getitem__, leaves, noted, retain=retain
            )
        try:
            return run_backward(autograd, outputs, seeds, tape.keeper, elementwise.__getitem__, noted, retain=retain)
        except RuntimeError as error:
            # The graph of finished tensors may have been freed by the user's own backward(), or torch refuses because
            # of how it was made.
            if any(words in str(error) for words in EXPECTED):
                return BackwardPass(problem=Notice("torch refused", said=str(error).splitlines()[0]))
            raise


@dataclass(frozen=True, eq=False)
class Late:
    """What a graph is made of, as plain values; called, it makes the graph, calls merged, the fine one as its
    detail.
    """

    recorded: Recorded
    tape: FinishedTape
    name: str
    notices: Sequence[Notice]
    is_named: bool

    @property
    def has_gradients(self) -> bool:
        """Whether a backward pass ran to its end."""
        return self.recorded.result.problem is None

    def __call__(self) -> Graph:
        """The graph, each time anew."""
        with unseen_by_functions(), at_rest():
            if not self.is_named:
                name_returned(self.tape)
            return merge_calls(assembled(self.recorded, self.name, self.notices))


def noted_graph(
    tape: Tape,
    autograd: AutogradGraph,
    result: BackwardPass,
    outputs: Sequence[tuple[str | None, Tensor]],
    seeds: Sequence[Tensor],
    name: str,
    names: dict[int, str],
    notices: Sequence[Notice],
) -> Late:
    """What the graph is to be made of, noted while nodes and tensors are there."""
    found = []
    for (key, tensor), seed in zip(outputs, seeds, strict=True):
        value = tape.value_of(tensor)
        tape.edge_of(tensor, value)
        found.append(Output(value, tape.keeper.gradient(seed), key))
    tape.keeper.pending.settle()
    is_named = bool(autograd.custom)  # later, it is known of more operations that they ran in a custom Function
    if is_named:
        name_returned(tape)
    if tape.of_other_tasks:
        notices = [*notices, notice("other tasks", count=tape.of_other_tasks)]
    if tape.problems:
        notices = [*notices, notice("incomplete", tape.problems, what="operation")]
    if result.problem:
        notices = [*notices, result.problem]
    recorded, finished = settled(Recorded(tape, autograd, result, found, names))
    return Late(recorded, finished, name, notices, is_named)
