"""Operations of torch.distributed -> Operations of a Tape that say with whom, and Values that are read once they
have arrived.

`recorder_for` gives the recorder of a process that is one of several, and the plain one to any other, which then pays
nothing.

An operation between processes returns before anything has arrived. What it writes is read later: once the program has
waited for it, before the next operation runs. Nothing here ever waits, since that could block the program. Which
arguments are read and which are written is not in torch's schemas; the tables below say it.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import CodeType, MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from graphviz_ad._internal.base.syntax_trees import syntax_tree
from graphviz_ad._internal.graph.messages import PAIRS, IssuedCall, Message
from graphviz_ad._internal.graph.rank_messages import name_of_operation
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.tape import torch_private
from graphviz_ad._internal.tracing.tape.dispatch_mode import Recorder
from graphviz_ad._internal.tracing.tape.process_groups import (
    group_of,
    is_communication_done,
    own_rank,
    reduction_of,
    sending_rank,
    work_of,
)
from graphviz_ad._internal.tracing.tape.stack import Place
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Schema, Value
from graphviz_ad._internal.tracing.tape.torch_private import Frame, is_in_engine, is_kind_of_wrapper, is_own_kind
from graphviz_ad._internal.tracing.tape.values import dtype_name


@dataclass(frozen=True, slots=True)
class Kind:
    """What an operation does: its name for people, which arguments it reads and writes, and which say with whom.

    Without ``writes`` what it returns is new. ``divided``: the root only reads, all others only write.
    """

    name: str
    reads: str = ""
    writes: str = ""
    peer: str = ""
    root: str = ""
    divided: bool = False


IN_PLACE: Mapping[str, Kind] = MappingProxyType({  # of c10d, what torch.distributed's own functions run
    "send": Kind("send", "tensors", peer="dst"),
    "recv_": Kind("recv", writes="tensors", peer="src"),
    "recv_any_source_": Kind("recv", writes="tensors"),
    "allreduce_": Kind("all_reduce", "tensors", "tensors"),
    "allreduce_coalesced_": Kind("all_reduce", "tensors", "tensors"),
    "reduce_": Kind("reduce", "tensors", "tensors", root="root_rank"),
    "broadcast_": Kind("broadcast", "tensors", "tensors", root="root_rank", divided=True),
    "allgather_": Kind("all_gather", "input_tensors", "output_tensors"),
    "_allgather_base_": Kind("all_gather", "input_tensor", "output_tensor"),
    "allgather_coalesced_": Kind("all_gather", "input_list", "output_lists"),
    "allgather_into_tensor_coalesced_": Kind("all_gather", "inputs", "outputs"),
    "gather_": Kind("gather", "input_tensors", "output_tensors", root="root_rank"),
    "scatter_": Kind("scatter", "input_tensors", "output_tensors", root="root_rank"),
    "reduce_scatter_": Kind("reduce_scatter", "input_tensors", "output_tensors"),
    "_reduce_scatter_base_": Kind("reduce_scatter", "input_tensor", "output_tensor"),
    "reduce_scatter_tensor_coalesced_": Kind("reduce_scatter", "inputs", "outputs"),
    "alltoall_": Kind("all_to_all", "input_tensors", "output_tensors"),
    "alltoall_base_": Kind("all_to_all", "input", "output"),
})  # fmt: skip
# of _c10d_functional, which autograd, DTensor and compiled code use
FUNCTIONAL: Mapping[str, Kind] = MappingProxyType({
    "all_reduce": Kind("all_reduce", "input"),
    "all_reduce_": Kind("all_reduce", "input", "input"),
    "all_reduce_coalesced": Kind("all_reduce", "inputs"),
    "all_reduce_coalesced_": Kind("all_reduce", "inputs", "inputs"),
    "all_gather_into_tensor": Kind("all_gather", "input"),
    "all_gather_into_tensor_out": Kind("all_gather", "input", "out"),
    "all_gather_into_tensor_coalesced": Kind("all_gather", "inputs"),
    "reduce_scatter_tensor": Kind("reduce_scatter", "input"),
    "reduce_scatter_tensor_out": Kind("reduce_scatter", "input", "out"),
    "reduce_scatter_tensor_coalesced": Kind("reduce_scatter", "inputs"),
    "all_to_all_single": Kind("all_to_all", "input"),
    "broadcast": Kind("broadcast", "input", root="src"),
    "broadcast_": Kind("broadcast", "input", "input", root="src"),
})  # fmt: skip
KINDS = MappingProxyType({"c10d": IN_PLACE, "_c10d_functional": FUNCTIONAL})
MESSAGE = "message"  # the argument of an operation that holds its Message
OVERLAPPED = -1  # the version of what something else lies over before it could be read
ON_ITS_WAY = "on its way"  # and what becomes of it where it cannot be read:
NOT_ARRIVED, GONE, OVERWRITTEN = (
    "not known to have arrived while it was recorded",
    "gone before it was read",
    "overwritten before it was read",
)


def kind_of_communication(overload: Any) -> Kind | None:
    """What an operation does between processes; None for any other operation."""
    return KINDS.get(overload.namespace, {}).get(overload._overloadpacket.__name__)


class Communication(Schema):
    """What the tape needs to know of an operation between processes: its name, and that everything that comes in is
    written by it.
    """

    def __init__(self, overload: Any, kind: Kind) -> None:
        super().__init__(overload)
        self.name = name_of_operation(kind.name)
        self.arguments = ("tensors",)
        self.written = (0,)
        self.in_place = self.recorded = self.makes_nothing_known = True  # nothing yet
        self.keeps_elements = self.only_moves = False


schema_of = cache(Communication)


@dataclass(slots=True)
class Late:
    """A value that is on its way; ``work`` tells whether it has arrived, ``version`` whether the program has written
    to it since.

    ``waiting`` is where the function of torch.distributed stood that does not return before it has, if it is one.
    """

    value: Value
    operation: Operation
    message: Message
    work: Any
    waiting: Standing | None
    memory: range
    version: int

    def is_waited_for(self, now: Frame | None) -> bool:
        """Whether the function that waits for it is what calls an operation from this frame; None: all is over."""
        return self.waiting is not None and self.waiting.goes_on(now)

    @property
    def arrived(self) -> bool:
        """Whether the elements are there, once nobody waits for it any more."""
        return self.waiting is not None or is_communication_done(self.work, self.value.device.type == "cpu")

    def is_as_it_came(self, tensor: Tensor) -> bool:
        """Whether a tensor holds what arrived: nobody else wrote there. What a function waits for is looked at once it
        has returned, before anything else can run, and its waiting may have written it.
        """
        return self.version != OVERLAPPED if self.waiting is not None else version_of(tensor) == self.version


class Standing(NamedTuple):
    """Where a function stood when it called an operation: its frame, which is not kept, its code, its instruction."""

    frame: int
    code: CodeType
    instruction: int

    @classmethod
    def of(cls, frame: Frame) -> Standing:
        """Where a function stands now."""
        return cls(id(frame), frame.f_code, frame.f_lasti)

    def goes_on(self, frame: Frame | None) -> bool:
        """Whether the same call of it is still running, further on, around what this frame calls: what waits may run
        operations before all has arrived.
        """
        while frame is not None:
            if id(frame) == self.frame and frame.f_code is self.code and frame.f_lasti > self.instruction:
                return True
            frame = frame.f_back
        return False


Listener = Callable[[IssuedCall], None]


def recorder_for(tape: Tape, listener: Listener | None = None) -> Recorder:
    """What writes a tape in this process; ``listener`` is told of each call between processes before it is made."""
    return RankRecorder(tape, listener) if own_rank() is not None else Recorder(tape)


class RankRecorder(Recorder):  # type: ignore[no-untyped-call]
    """The recorder of a process that communicates with others, during backward passes too."""

    sees_backward = True

    def __init__(self, tape: Tape, listener: Listener | None = None) -> None:
        super().__init__(tape)
        self.traffic = Traffic(tape, listener)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note it."""
        if self.traffic.late:
            self.traffic.settle(sys._getframe(1))
        if types and not self.ended:
            self.tape.wrappers |= dict.fromkeys(kind.__name__ for kind in types if is_kind_of_wrapper(kind))
        kind = kind_of_communication(func)
        return (
            super().__torch_dispatch__(func, types, args, kwargs)
            if kind is None or self.ended or not self.is_of_this_task()
            else self.traffic.run(kind, func, args, kwargs)
        )

    def __exit__(self, *error: Any) -> None:
        """Stop recording; what has not arrived by now is not known."""
        self.traffic.settle(None, last=True)
        super().__exit__(*error)


class Traffic:
    """What one recording notes of its communication with other processes."""

    def __init__(self, tape: Tape, listener: Listener | None = None) -> None:
        self.tape, self.listener = tape, listener
        self.late: list[Late] = []
        self.counts: Counter[tuple[Any, ...]] = Counter()

    def run(self, kind: Kind, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operation and note it; called by the recorder's handler."""
        operation = message = None
        aside = False
        given = dict(zip(torch_private.signature(func).arguments, args, strict=False)) | (kwargs or {})
        try:
            message = self._message(kind, given)
            aside = kind.divided and message.rank != message.root
            read = [] if aside else list(tensors_sent(given.get(kind.reads)))
            for tensor in read if message.backward else ():  # as a bucket of DDP, which is filled in C++
                self.tape.look_again(tensor)
            operation = self.tape.before(schema_of(func, kind), (read,) if read else (), {MESSAGE: message})
            # what a custom Function calls there is no part of the Function that ran forward
            if message.backward and not torch.is_grad_enabled():
                operation.place = operation.place._replace(functions=())
            if self.listener is not None:
                self.listener(issued(kind, message, read, given, operation.place))
        except Exception as error:
            # as everywhere in a tracer: the program goes on, the graph says that something is missing
            self.tape.problems.append(f"{type(error).__name__}: {error}")
        result = func(*args, **kwargs) if kwargs else func(*args)
        if operation is not None and message is not None:
            try:
                came_in = (
                    []
                    if kind.divided and not aside
                    else list(tensors_sent(given.get(kind.writes) if kind.writes else result))
                )
                waiting = Standing.of(sys._getframe(2)) if given.get("async_op") is False else None
                self._after(kind, operation, message, came_in, work_of(result), waiting)
            except Exception as error:
                self.tape.problems.append(f"{type(error).__name__}: {error}")
        return result

    def _message(self, kind: Kind, given: Mapping[str, Any]) -> Message:
        group = group_of(given.get("process_group", given.get("group_name")))
        ranks = tuple(dist.get_process_group_ranks(group))
        peer, root = (ranks[given[name]] if name else None for name in (kind.peer, kind.root))
        message = Message(
            kind.name,
            dist.get_rank(),
            group=group.group_name,
            ranks=ranks,
            peer=peer,
            tag=given.get("tag", 0),
            root=root,
            reduction=reduction_of(given.get("reduce_op")),
            backward=is_in_engine(),
        )
        if message.reduction is None and given.get("reduce_op") is not None:
            self.tape.unsaid_reductions[kind.name] = None
        channel = (message.group, message.kind, peer, message.tag) if kind.name in PAIRS else (message.group,)
        self.counts[channel] += 1
        return replace(message, number=self.counts[channel] - 1)

    def _after(
        self,
        kind: Kind,
        operation: Operation,
        message: Message,
        came_in: list[Tensor],
        work: Any,
        waiting: Standing | None,
    ) -> None:
        self.tape.after(operation, operation.schema, (came_in,), None, None)
        for number, tensor in zip(operation.results, came_in, strict=True):
            value = self.tape.values[number]
            value.held = self._unread(value, ON_ITS_WAY)
            memory = bytes_of_message(tensor)
            for other in self.late:  # still unread, and where they overlap it never can be
                if other.memory.start < memory.stop and memory.start < other.memory.stop:
                    other.version = OVERLAPPED
            self.late.append(Late(value, operation, message, work, waiting, memory, version_of(tensor)))
        if len(operation.results) == 1:
            self.tape.values[operation.results[0]].name = receiving_variable(kind, operation.place)

    def _unread(self, value: Value, why: str) -> Snapshot | None:
        return (
            None if self.tape.capture.values == "none" else Snapshot(value.shape, dtype_name(value.dtype), missing=why)
        )

    def settle(self, now: Frame | None, *, last: bool = False) -> None:
        """Read what has arrived since, for an operation that is called from this frame; with ``last``, say of the
        rest that it has not.
        """
        waiting = []
        for late in self.late:
            if late.is_waited_for(now):
                waiting.append(late)
            elif late.arrived:
                self._read(late)
            elif last:
                late.value.held = self._unread(late.value, NOT_ARRIVED)
            else:
                waiting.append(late)
        self.late = waiting

    def _read(self, late: Late) -> None:
        tensor = late.value.reference()
        # it remembers by versions, and torch does not count what was written from outside as a new one
        self.tape.keeper.forget()
        if tensor is None or not late.is_as_it_came(tensor):
            late.value.held = self._unread(late.value, GONE if tensor is None else OVERWRITTEN)
        else:
            late.value.held = self.tape.keeper.value(tensor)
        if (
            late.message.kind == "recv"
            and late.message.peer is None
            and (source := sending_rank(late.work)) is not None
        ):
            known = replace(late.message, peer=late.message.ranks[source])  # from any rank: now it shows from which
            late.operation.constants = [
                (name, known if name == MESSAGE else value) for name, value in late.operation.constants
            ]


def issued(kind: Kind, message: Message, read: list[Tensor], given: Mapping[str, Any], place: Place) -> IssuedCall:
    """A call that is about to be made, as values."""
    sent = read or list(tensors_sent(given.get(kind.writes)))
    types = tuple((dtype_name(tensor.dtype), tuple(map(int, tensor.shape))) for tensor in sent)
    return IssuedCall(message, types, place.site.source if place.site is not None else None)


def tensors_sent(argument: Any) -> Iterator[Tensor]:
    """The tensors in an argument, which may be a list, or a list of lists."""
    if isinstance(argument, Tensor):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for part in argument:
            yield from tensors_sent(part)


def bytes_of_message(tensor: Tensor) -> range:
    """Which bytes a tensor lies in, which has no gaps or it could not be sent."""
    if not is_own_kind(tensor):  # without memory of its own
        return range(0)
    start = torch_private.address_of(tensor)
    return range(start, start + tensor.numel() * tensor.element_size())


def version_of(tensor: Tensor) -> int:
    """How often torch has written to a tensor's memory; 0 for those of inference mode, where it does not count."""
    return 0 if tensor.is_inference() else torch_private.version_of(tensor)


def receiving_variable(kind: Kind, place: Place) -> str | None:
    """The variable that stands first in ``dist.recv(h, 0)``; None where there is no such thing in the source."""
    site = place.site
    if site is None or not (site.written or "").removeprefix("i").startswith(kind.name):
        return None
    try:
        call = syntax_tree(site.text, "eval").body
    except (SyntaxError, ValueError):
        return None
    first = call.args[0] if isinstance(call, ast.Call) and call.args else None
    return first.id if isinstance(first, ast.Name) else None
