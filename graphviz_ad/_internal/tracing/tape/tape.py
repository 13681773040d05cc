"""A running program -> Tape: every operation below autograd, with what it read, what it made, and where it was called.

The tape is written by a dispatch mode, which sees the operations that torch really runs without changing which ones
they are. A tensor that takes part in autograd is identified by the autograd node and the output number that made it,
which is exact; any other tensor by its object. Operands are held weakly, so that results die when they would have died
anyway.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.traits import is_detach
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.callees import Callee
from graphviz_ad._internal.tracing.tape.depths import Depths
from graphviz_ad._internal.tracing.tape.hooks_by_hand import registered
from graphviz_ad._internal.tracing.tape.kept_alive import owner_of
from graphviz_ad._internal.tracing.tape.parts_written import part_written
from graphviz_ad._internal.tracing.tape.stack import Place, StackReader
from graphviz_ad._internal.tracing.tape.stand_ins import StandIns, may_have_stand_ins
from graphviz_ad._internal.tracing.tape.statistics import note_threads
from graphviz_ad._internal.tracing.tape.tape_entries import Edge, Operation, Schema, Use, Value
from graphviz_ad._internal.tracing.tape.torch_private import (
    SAVED_TENSOR,
    TELLS_HOOKS,
    hooks_are_open,
    is_view,
    made_at,
    memory_and_bytes,
    memory_of_tensor,
    sequence_number,
)
from graphviz_ad._internal.tracing.tape.unwritten import NOT_WRITTEN, UNREAD, WRITES_ALL, Unwritten
from graphviz_ad._internal.tracing.tape.values import Held, Keeper, dtype_name, seen_through, shape_of_value

is_grad_enabled, is_inference_mode_enabled = torch.is_grad_enabled, torch.is_inference_mode_enabled
OF_FUNCTIONS = torch.autograd.function.BackwardCFunction  # what nodes of custom Functions are
AMBIGUOUS = "created in no_grad mode"  # so torch says of a view that it does not say it
current_tape: ContextVar[Tape | None] = ContextVar("current_tape", default=None)


class Tape:
    """Everything that was recorded; see the module's docstring."""

    def __init__(self, capture: Capture, stop: CodeType, reach: int | None = None, direct: str | None = None) -> None:
        """``reach``: how deep a graph may be whose nodes are touched, where somebody else will release it; see
        `stack_depth`. ``direct`` is the name of the program where it may be a function of torch's.
        """
        self.capture = capture
        self.depths = Depths(reach) if reach is not None else None
        self.keeper = Keeper(capture)
        self.unwritten = Unwritten()
        self.stand_ins = StandIns()
        self.operations: list[Operation] = []
        self.values: list[Value] = []
        self.problems = self.keeper.problems
        self.nodes: dict[int, Any] = {}
        self._packing: dict[int, bool] = {}  # identity of a node -> see `is_packed`
        self._by_hand = registered()
        self._packed: set[int] = set()  # operations that ran while such hooks were open
        # operations between processes, in order, of which torch does not say what they make of what they get
        self.unsaid_reductions: dict[str, None] = {}
        # kinds of tensors that were computed with and that run operations of their own inside, where several ranks run
        self.wrappers: dict[str, None] = {}
        self.of_other_tasks = 0  # operations that ran meanwhile in tasks that this tape is not of
        self.raised: set[int] = set()  # operations that raised
        self.stopped: int | None = None  # that of them whose exception ended the program
        self.has_writes = False  # whether anything was written to in place, or had its .data set
        self.calls: list[int] = []  # union-find: call -> its parent
        self._objects: dict[int, Value] = {}
        self._storages: dict[int | None, int] = {}  # memory -> the last value that was written there
        self._names: dict[int, tuple[weakref.ref[Tensor], str]] = {}
        self.returned_names: dict[int, str] = {}  # number of what a module returned -> the variable that takes it
        self.read_names: dict[int, tuple[str, ...]] = {}  # number of a result -> the variables that it is read from
        self.program: CodeType | None = None  # the code that was called, if it is Python's
        self.output_names: dict[int, str] = {}  # number of what the program returned -> what it was returned as
        self.moment = sequence_number()  # when it began, as the moment of an operation
        self.replaced: set[int] = set()  # values that tensors have since their .data was set
        self._made: dict[int, int] = {}  # memory -> the last value that an operation made there
        self._memory_before: tuple[int | None, int] = (None, 0)  # an operation that only moves something ran
        self._step_began = 0
        self.hooks_seen: dict[int, tuple[str, ...]] = {}  # number of a value -> the hooks on its tensor at the end
        self._stack = StackReader(stop, Callee(direct, True))
        # reference counts of operands that only C++ holds, as the recorder that calls us has measured them
        self.lowest = self.lowest_in_list = 0

    # --- values

    def value_of(self, tensor: Tensor) -> Value:
        """The value that a tensor object holds now; an unknown tensor becomes a value that was there before."""
        value = self._objects.get(id(tensor))
        if value is None or value.reference() is not tensor:
            return self._new_value(tensor, None, 0, self._held(tensor, given=True))
        memory = memory_of_tensor(tensor)
        if memory != value.memory:
            return self._replaced(tensor, memory)
        if self._storages:  # was its memory written through another view since?
            writer = self._storages.get(memory) if memory is not None else None
            if writer is not None and writer > value.number:
                last = self.values[writer]
                self.keeper.was_written(tensor)  # whose version does not tell, where that was through .data
                held = self._held(tensor)
                if _is_of_another_leaf(last, tensor) and self._is_still(value, held):
                    return value  # which lies elsewhere in that memory
                return self._new_value(tensor, last.maker, last.port, held)
        return value

    def _is_still(self, value: Value, held: Held) -> bool:
        """Whether a value is known to be what its tensor holds now."""
        self.keeper.pending.settle()
        unknown = held is None or (isinstance(held, Snapshot) and held.data is None and held.stats is None)
        return not unknown and value.held == held

    def _replaced(self, tensor: Tensor, memory: int | None) -> Value:
        """What a tensor holds since its ``.data`` was set; what an operation made there, if it is still the same."""
        self.has_writes = True
        self.keeper.was_written(tensor)
        value = self._new_value(tensor, None, 0, self._held(tensor))
        self.replaced.add(value.number)
        made = self.values[self._made[memory]] if memory in self._made else None
        if made is not None and made.held is not None and made.shape == value.shape and made.snapshot == value.snapshot:
            value.maker, value.port = made.maker, made.port
        return value

    def maker_of(self, tensor: Tensor, now: Snapshot | None) -> Operation | None:
        """The operation that made what a tensor holds since its ``.data`` was set; None where that is not known."""
        memory = memory_of_tensor(tensor)
        made = self.values[self._made[memory]] if memory in self._made else None
        known = made is not None and made.maker is not None and now is not None and made.snapshot == now
        return self.operations[made.maker] if known and made is not None and made.maker is not None else None

    def _held(self, tensor: Tensor, same: Snapshot | None = None, *, given: bool = False) -> Held:
        """What is kept of what a tensor holds, of one that was ``given`` more; that nobody has written it, where that
        is so.
        """
        return (
            self._nothing(tensor)
            if self.unwritten.regions and self.unwritten.holds(tensor)
            else self.keeper.held(tensor, same, given=given)
        )

    def _nothing(self, tensor: Tensor, why: str = NOT_WRITTEN) -> Held:
        return (
            Snapshot(shape_of_value(tensor), dtype_name(tensor.dtype), missing=why)
            if self.capture.values != "none"
            else None
        )

    def _forget_unread(self, operation: Operation, target: Tensor) -> None:
        """Of a storage that torch was handed and that is written over before anybody reads it, nobody knows whether
        it was ever written.
        """
        value = self.known(target)
        maker = self.operations[value.maker] if value is not None and value.maker is not None else None
        if (
            value is None
            or maker is None
            or maker.op != "set_"
            or operation.op not in WRITES_ALL
            or operation.schema.only_moves
        ):
            return
        between = self.operations[maker.number + 1 : operation.number]
        if not any(use[1] == value.number for later in between for use in later.uses):
            value.held = self._nothing(target, UNREAD)

    def look_again(self, tensor: Tensor) -> None:
        """Take what a tensor holds as new where it is not what it held: torch itself has written there, unseen."""
        value = self.known(tensor)
        self.keeper.was_written(tensor)
        whole = value is not None and value.snapshot is not None and value.snapshot.known
        if value is not None and value.snapshot != self.keeper.value(tensor, given=whole):
            self._objects.pop(id(tensor))

    def known(self, tensor: Tensor) -> Value | None:
        """The value that a tensor object holds, if the tape has met it."""
        value = self._objects.get(id(tensor))
        return value if value is not None and value.reference() is tensor else None

    def value_at(self, edge: Edge) -> Value | None:
        """The last value that an autograd edge leads to, if the tape has met one."""
        for value in reversed(self.values):
            tensor = value.reference() if value.edge is None and value.requires_grad else None
            if tensor is not None and self.known(tensor) is value:
                self.edge_of(tensor, value)
            if value.edge == edge:
                return value
        return None

    def _new_value(self, tensor: Tensor, maker: int | None, port: int, held: Held) -> Value:
        key, requires_grad, memory = id(tensor), tensor.requires_grad, memory_of_tensor(tensor)
        number = len(self.values)
        if maker is not None and (clock := self.operations[maker].clock) == number:
            number = clock  # the same number, which takes room once
        value = Value(
            number,
            maker,
            port,
            tuple(tensor.shape) if type(tensor) is Tensor and not tensor.is_nested else shape_of_value(tensor),
            tensor.dtype,
            tensor.device,
            held,
            requires_grad,
            is_view(tensor),
            weakref.ref(tensor),
            key,
            memory,
        )
        if maker is not None and memory is not None:
            self._made[memory] = number
        named = self._names.get(key)
        if named is not None and named[0]() is tensor and (maker is None or (requires_grad and tensor.is_leaf)):
            value.name = named[1]  # the leaf as it was found, or updated by an optimizer, or initialised
        self.values.append(value)
        self._objects[key] = value
        return value

    def _result(self, tensor: Tensor, operation: Operation, port: int) -> int:
        """The number of the new value that an operation made."""
        level = self.capture.values
        if operation.schema.in_threads:
            note_threads(tensor)
        if level == "none":
            held: Held = None
        elif operation.schema.makes_nothing_known:
            held = self._nothing(tensor)
        elif level == "full" and (seen := self._seen_through(tensor, operation)) is not None:
            held = seen
        else:
            # statistics are the same in whatever order the elements are
            again = operation.schema.keeps_elements and operation.uses and level == "summary"
            same = self.values[operation.uses[0][1]].snapshot if again else None
            held = self._held(tensor, same) if self.unwritten.regions else self.keeper.held(tensor, same)
        return self._new_value(tensor, operation.number, port, held).number

    def _seen_through(self, tensor: Tensor, operation: Operation) -> Snapshot | None:
        """What a result shows of the memory of what it is a view of, where all of that was kept."""
        if operation.schema.written or not operation.uses or self.unwritten.regions:
            return None
        value = self.values[operation.uses[0][1]]
        whole = value.reference()
        if whole is None or value.memory is None or value.memory != memory_of_tensor(tensor):
            return None
        return seen_through(tensor, whole, value.snapshot)

    def sources_of(self, tensor: Tensor) -> list[Tensor]:
        """The tensor, and those that it was computed from, as far as they live."""
        value = self.known(tensor)
        waiting = [] if value is None else [value.number]
        found: dict[int, None] = {}
        while waiting:
            number = waiting.pop()
            maker = self.values[number].maker
            if number not in found:
                found[number] = None
                waiting += [] if maker is None else [use[1] for use in self.operations[maker].uses]
        living = (self.values[number].reference() for number in found)
        return [tensor, *(source for source in living if source is not None)]

    def untouched(self, named: Iterable[tuple[str, Tensor]]) -> list[str]:
        """The names of tensors that no operation has read, neither by themselves nor as what stood for them."""
        return [name for name, tensor in named if id(tensor) not in self._objects and name not in self.stand_ins.read]

    def loose_ends(self) -> list[Any]:
        """The autograd nodes of results that live and that nobody has read."""
        found = []
        for value in list(self._objects.values()):
            tensor = value.reference()
            edge = self.edge_of(tensor, value) if tensor is not None and not value.used else None
            if edge is not None:
                found.append(self.nodes[edge[0]])
        return found

    def living(self) -> list[Tensor]:
        """The results of operations that live, and that autograd follows."""
        made = (value.reference() for value in self.values if value.requires_grad and not value.is_leaf)
        return [tensor for tensor in made if tensor is not None]

    def has_living_results(self) -> bool:
        """Whether somebody keeps a result that has a graph."""
        made = (value.reference() for value in self.values if value.maker is not None and value.requires_grad)
        return any(tensor is not None and not tensor.is_leaf for tensor in made)

    def leaves(self) -> list[Tensor]:
        """The tensors that were read, require grad, and were made by no operation."""
        tensors = [value.reference() for value in self._objects.values() if value.requires_grad]
        wanting = [tensor for tensor in tensors if tensor is not None and tensor.requires_grad]
        try:
            return [tensor for tensor in wanting if tensor.is_leaf]
        except RuntimeError:  # of one of them, which is none
            return [tensor for tensor in wanting if _is_known_leaf(tensor)]

    def name(self, tensor: Tensor, name: str) -> None:
        """Call the value that a tensor holds now by a name; a leaf keeps it when it is written to."""
        self.value_of(tensor).name = name
        self.name_later(tensor, name)

    def name_later(self, tensor: Tensor, name: str) -> None:
        """Call a tensor by a name if the program turns out to use it; the first name stays."""
        if self.name_of(tensor) is None:
            self._names[id(tensor)] = (weakref.ref(tensor), name)

    def name_of(self, tensor: Tensor) -> str | None:
        """What the program calls a tensor, as far as it was told."""
        named = self._names.get(id(tensor))
        return named[1] if named is not None and named[0]() is tensor else None

    def variable_of(self, tensor: Tensor) -> str | None:
        """The variable that a result was put into where it was computed, or the name that it had before."""
        value = self.known(tensor)
        if value is None or value.maker is None:
            return self.name_of(tensor)
        namer = self.operations[value.maker].place.namer
        names = namer.names if namer is not None else ()
        return names[value.port] if value.port < len(names) else None

    def name_returned(self, named: Iterable[tuple[Tensor, str | None]]) -> None:
        """Call results by what they were returned as, unless the program has a variable for them; they were read."""
        for tensor, name in named:
            value = self.known(tensor)
            if value is not None:
                value.used = True
                if name is not None:
                    self.output_names.setdefault(value.number, name)

    def living_steppers(self) -> list[Any]:
        """The optimizers that took steps and live."""
        return [thing for reference in self._stack.optimizers.values() if (thing := reference()) is not None]

    def codes_of_program(self) -> list[CodeType]:
        """The codes of the user's in which operations ran, in the order in which they were met."""
        return self._stack.codes_of_program()

    def named_tensors(self) -> list[Tensor]:
        """The tensors that have a name, read or not, and that live."""
        found = [reference() for reference, _ in self._names.values()]
        return [tensor for tensor in found if tensor is not None]

    def tensors_in_graph(self) -> list[Tensor]:
        """The tensors that were met, take part in autograd and live."""
        found = [value.reference() for value in self._objects.values() if value.requires_grad]
        return [tensor for tensor in found if tensor is not None]

    # --- operations

    def before(self, schema: Schema, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Operation:
        """Note an operation that is about to run; called by the handler itself, whose caller's stack is read."""
        place = self._stack.read(sys._getframe(2))  # first: if it fails, nothing has been noted
        clock = len(self.values)
        uses: list[Use] = []
        constants: list[tuple[str, Any]] = []
        loose: list[Value] = []
        for name, argument in schema.named(args):
            self._note(name, argument, uses, constants, loose)
        if kwargs:
            for name, argument in kwargs.items():
                if name not in schema.only_written:  # as out=, whose old content nobody reads
                    self._note(name, argument, uses, constants, loose)
        if place.modules and (clock < len(self.values) or may_have_stand_ins(place.modules[-1])):
            self._name_stand_ins(self.values[clock:], place)
        number = len(self.operations)
        operation = Operation(
            number,
            schema,
            tuple(uses),
            tuple(constants),
            place,
            self._call_of(place, loose, number) if place.step is None else self._call_in_step(place, uses),
            is_grad_enabled(),
            is_inference_mode_enabled(),
            sequence_number(),
            clock,
            (),
            bool(self.unwritten.regions)
            and self.unwritten.reads(schema, (*schema.named(args), *(kwargs or {}).items())),
        )
        self.operations.append(operation)
        if schema.only_moves and args and isinstance(args[0], Tensor):
            self._memory_before = memory_and_bytes(args[0])
        if loose and is_detach(schema.name):
            self._detached_again(operation, loose[0])
        if not TELLS_HOOKS and hooks_are_open():
            self._packed.add(operation.number)
        if self.depths is not None:
            self.depths.note(bool(schema.written), [self.values[use[1]] for use in uses])
        return operation

    def _name_stand_ins(self, met: Iterable[Value], place: Place) -> None:
        """Name the parameters among the values that an operation has just met which only their modules know."""
        for value in met:
            tensor = value.reference() if value.is_leaf and value.name is None else None
            if isinstance(tensor, torch.nn.Parameter):
                self._stands_in(tensor, value, self.stand_ins.name(tensor, place.modules))
        module = place.modules[-1]
        for key, tensor in module.named_parameters(recurse=False) if may_have_stand_ins(module) else ():
            if type(tensor) is Tensor and (held := self.known(tensor)) is not None and held.used:
                self._stands_in(tensor, held, self.stand_ins.name_in(module, key))

    def _stands_in(self, tensor: Tensor, value: Value, name: str | None) -> None:
        if name is not None:
            value.name = name
            self.name_later(tensor, name)
            self.stand_ins.note(tensor, name, is_made=value.maker is not None)

    def _detached_again(self, operation: Operation, between: Value) -> None:
        """Some versions of torch run it twice for one ``detach()``: what stands between never reaches Python, and
        nobody reads it.
        """
        first = self.operations[between.maker] if between.maker is not None else None
        if first is not None and first.op == operation.op and first.number == operation.number - 1:
            operation.uses, between.used = first.uses, False

    def _note(
        self, name: str, argument: Any, uses: list[Use], constants: list[tuple[str, Any]], loose: list[Value]
    ) -> None:
        """Take an argument in; ``loose`` gets the values that only C++ holds."""
        if isinstance(argument, Tensor):
            count = sys.getrefcount(argument)
            value = self._objects.get(id(argument))
            if (
                value is None
                or self._storages
                or value.reference() is not argument
                or memory_of_tensor(argument) != value.memory
            ):
                value = self.value_of(argument)
            value.used = True
            wants = argument.requires_grad
            uses.append((name, value.number, wants, self.edge_of(argument, value) if wants else None))
            if count <= self.lowest:
                loose.append(value)
        elif isinstance(argument, (list, tuple)) and any(isinstance(part, Tensor) for part in argument):
            for i, part in enumerate(argument):
                if isinstance(part, Tensor):
                    count = sys.getrefcount(part)
                    value = self._use(f"{name}[{i}]", part, uses)
                    if count <= self.lowest_in_list:
                        loose.append(value)
        elif argument is not None:
            constants.append((name, argument))

    def _use(self, name: str, tensor: Tensor, uses: list[Use]) -> Value:
        value = self.value_of(tensor)
        value.used = True
        uses.append((name, value.number, tensor.requires_grad, self.edge_of(tensor, value)))
        return value

    def edge_of(self, tensor: Tensor, value: Value) -> Edge | None:
        """The autograd edge that leads to a tensor now; None for leaves and data."""
        if not tensor.requires_grad:
            return None
        value.requires_grad = True
        if self.depths is not None and self.depths.out_of_reach(value):
            return None
        try:
            node = tensor.grad_fn
        except RuntimeError as error:
            # a view that was made under no_grad: torch does not say what it is of what was written to since
            if AMBIGUOUS not in str(error):
                self.problems.append(f"where a tensor came from could not be read: {error}")
            return None
        if node is None:
            value.is_leaf = True
            return None
        key = id(node)
        if not TELLS_HOOKS and key not in self._packing and value.maker is not None:
            self._packing[key] = self._made_packed(node, value.maker)
        if key not in self.nodes:
            self.nodes[key] = node
            if (
                isinstance(node, OF_FUNCTIONS) and (owner := owner_of(node, tensor)) is not None
            ):  # stands behind it, since the last are let go first
                self.nodes[id(owner)] = owner
        edge = value.edge
        if edge is None or edge[0] != key:
            edge = value.edge = (key, tensor.output_nr)
        return edge

    def is_packed(self, node: Any) -> bool | None:
        """Whether hooks of the user stand before what a node keeps, as far as was seen; only where torch does not
        say so itself.
        """
        return self._packing.get(id(node)) if SAVED_TENSOR is not None and registered() == self._by_hand else None

    def _made_packed(self, node: Any, maker: int) -> bool:
        """Whether hooks of the user were open when a node came to be, which was before the first operation at which
        autograd counted it.
        """
        first, before = maker, made_at(node)
        while before is not None and first and self.operations[first - 1].moment > before:
            first -= 1
        return maker in self._packed or first in self._packed

    def after(self, operation: Operation, schema: Schema, args: Any, kwargs: Any, result: Any) -> None:
        """Note what an operation made and what it wrote to."""
        if schema.library_name is not None and self.unwritten.regions:
            self.unwritten.given_away((*schema.named(args), *(kwargs or {}).items()))
        if isinstance(result, Tensor) and not schema.written:  # the usual case first
            if operation.reads_unwritten or schema.makes_nothing_known:
                self.unwritten.made(operation, result)
            operation.results = (self._result(result, operation, 0),)
            return
        results: list[int] = []
        written: list[Tensor] = []
        for i in schema.written:
            target = args[i] if i < len(args) else (kwargs or {}).get(schema.argument(i))
            for tensor in target if isinstance(target, (list, tuple)) else (target,):
                if isinstance(tensor, Tensor):
                    written.append(tensor)
                    self.keeper.was_written(tensor)
                    if schema.only_moves:
                        self._moved(tensor)
                    else:
                        named = (*schema.named(args), *(kwargs or {}).items())
                        self.unwritten.wrote(operation, tensor, partial(part_written, schema.name, named, tensor))
                    self._forget_unread(operation, tensor)
                    results.append(self._result(tensor, operation, len(results)))
                    self.has_writes = True
                    if not schema.only_moves:
                        self._storages[memory_of_tensor(tensor)] = results[-1]
        if not schema.in_place:
            for tensor in result if isinstance(result, (list, tuple)) else (result,):
                if isinstance(tensor, Tensor) and not any(tensor is target for target in written):
                    self.unwritten.made(operation, tensor)
                    results.append(self._result(tensor, operation, len(results)))
        operation.results = results
        if schema.overwritten:
            self._forget_overwritten(schema, args)

    def _moved(self, tensor: Tensor) -> None:
        """Note what an operation did that only says where the elements of a tensor lie: `resize_` may have made its
        memory larger, and nobody has written the rest.
        """
        (memory, before), (now, size) = self._memory_before, memory_and_bytes(tensor)
        if memory is not None and memory == now and size > before:
            self.unwritten.grew(tensor, before)

    def _forget_overwritten(self, schema: Schema, args: Sequence[Any]) -> None:
        """Look anew at what an operation writes to without saying so, such as the running statistics of a batch
        norm; autograd does not follow that either.
        """
        given = dict(zip(schema.arguments, args, strict=False))
        for tensor in (given.get(name) for name in schema.overwritten) if given.get(schema.flag) else ():
            if isinstance(tensor, Tensor):
                self.keeper.was_written(tensor)
                self._objects.pop(id(tensor), None)

    # --- calls: which operations belong to one call in the user's program

    def _call_of(self, place: Place, loose: list[Value], number: int) -> int:
        """The call that operation ``number`` is part of."""
        call = len(self.calls)
        if call == number:
            call = number  # the same number, which takes room once
        if self.operations and place.inner and _goes_on(self.operations[-1].place, place):
            call = self.operations[-1].call
        else:
            self.calls.append(call)
        for value in loose:
            if value.maker is not None and _same_caller(self.operations[value.maker].place, place):
                self._join(call, self.operations[value.maker].call)
        return call

    def _call_in_step(self, place: Place, uses: list[Use]) -> int:
        """Inside an optimizer's step: what is done to one parameter and its state is one call."""
        if not self.operations or self.operations[-1].place.step != place.step:
            self._step_began = len(self.operations)
        call = len(self.calls)
        self.calls.append(call)
        for _, number, _, _ in uses:
            maker = self.values[number].maker
            if maker is not None and maker >= self._step_began:
                self._join(call, self.operations[maker].call)
        return call

    def _join(self, one: int, other: int) -> None:
        one, other = self.call(one), self.call(other)
        self.calls[max(one, other)] = min(one, other)

    def call(self, number: int) -> int:
        """The call that a call turned out to be part of."""
        calls = self.calls
        while calls[number] != number:
            calls[number] = calls[calls[number]]
            number = calls[number]
        return number


def _is_of_another_leaf(value: Value, tensor: Tensor) -> bool:
    """Whether a value is that of another tensor that passes bring gradients to."""
    other = value.reference()
    return other is not None and other is not tensor and other.requires_grad and _is_leaf(value, other)


def _is_leaf(value: Value, tensor: Tensor) -> bool:
    if is_view(tensor):  # torch may be making its node anew, with a lock that it waits for if it is asked
        return value.is_leaf
    return _is_known_leaf(tensor)


def _is_known_leaf(tensor: Tensor) -> bool:
    try:
        return tensor.is_leaf
    except RuntimeError:  # see `Tape.edge_of`
        return False


def _same_caller(one: Place, other: Place) -> bool:
    return one.depth == other.depth and one.site is other.site and one.functions == other.functions


def _goes_on(before: Place, now: Place) -> bool:
    """Whether the same Python function of torch is still running, further on than before."""
    if not before.inner or not _same_caller(before, now) or before.inner[0][0] != now.inner[0][0]:
        return False
    for (old_code, old), (new_code, new) in zip(before.inner, now.inner, strict=False):
        if old_code != new_code or old != new:
            return new > old
    return False
