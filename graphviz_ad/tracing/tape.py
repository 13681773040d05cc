"""A running program -> Tape: every operation below autograd, with what it read, what it made, and where it was called.

The tape is written by a dispatch mode, which sees the operations that torch really runs without changing which ones they are. A
tensor that takes part in autograd is identified by the autograd node and the output number that made it, which is exact;
any other tensor by its object. Operands are held weakly, so that results die when they would have died anyway.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from graphviz_ad.capture import Capture
from graphviz_ad.snapshot import Snapshot
from graphviz_ad.tracing.stack import Place, StackReader
from graphviz_ad.tracing.torch_private import DispatchMode, sequence_number
from graphviz_ad.tracing.values import SAME_ELEMENTS, Keeper, device_name, dtype_name, shape_of

PLUMBING = {"prim", "profiler"}  # operations that compute nothing
UNINITIALISED = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted"}  # what they hold means nothing

Edge = tuple[int, int]  # identity of an autograd node, which the tape keeps alive, and the number of its output


@dataclass(slots=True)
class Value:
    """One tensor at one moment: what made it (None: it was there before) and what it held."""

    number: int
    maker: int | None
    port: int
    shape: tuple[int, ...]
    dtype: str
    device: str
    snapshot: Snapshot | None
    requires_grad: bool
    is_leaf: bool
    differentiable: bool
    is_view: bool
    edge: Edge | None = None
    name: str | None = None
    used: bool = False
    object_id: int = 0


@dataclass(slots=True)
class Use:
    """An operand: the value, under which argument, and whether autograd wanted its gradient then."""

    argument: str
    value: int
    requires_grad: bool
    edge: Edge | None


@dataclass(slots=True)
class Operation:
    """One dispatched operation."""

    number: int
    op: str
    uses: list[Use]
    constants: list[tuple[str, Any]]
    place: Place
    call: int
    grad_enabled: bool
    inference: bool
    pointwise: bool
    moment: int
    clock: int
    mutates: bool = False
    results: list[int] = field(default_factory=list)


class Schema:
    """What the tape needs to know of an ATen overload, read once."""

    def __init__(self, overload: Any) -> None:
        schema = getattr(overload, "_schema", None)
        packet = getattr(overload, "_overloadpacket", None)
        self.name: str = packet.__name__ if packet is not None else str(overload)
        self.arguments = [argument.name for argument in schema.arguments] if schema else []
        self.written = tuple(i for i, a in enumerate(schema.arguments) if a.alias_info is not None and a.alias_info.is_write) if schema else ()
        self.in_place = bool(self.written) and (self.name.endswith("_") or not (schema and schema.returns))
        self.pointwise = torch.Tag.pointwise in getattr(overload, "tags", ())
        # What returns no tensor, such as sym_size, is a question; torch may hold locks on the tensor while it asks. item() is seen.
        self.computes = schema is None or bool(self.written) or self.name == "_local_scalar_dense" or any("Tensor" in str(r.type) for r in schema.returns)

    def argument(self, index: int) -> str:
        """Name of the positional argument ``index``."""
        return self.arguments[index] if index < len(self.arguments) else str(index)


current_tape: ContextVar[Tape | None] = ContextVar("current_tape", default=None)
_schemas: dict[Any, Schema] = {}


def schema_of(overload: Any) -> Schema:
    """The schema of an overload, read once a process."""
    found = _schemas.get(overload)
    if found is None:
        found = _schemas[overload] = Schema(overload)
    return found


class Tape:
    """Everything that was recorded; see the module's docstring."""

    def __init__(self, capture: Capture, stop: CodeType) -> None:
        self.capture = capture
        self.keeper = Keeper(capture)
        self.operations: list[Operation] = []
        self.values: list[Value] = []
        self.problems: list[str] = []
        self.nodes: dict[int, Any] = {}
        self.calls: list[int] = []  # union-find: call -> its parent
        self._objects: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._storages: dict[int, int] = {}
        self._names: dict[int, tuple[weakref.ref[Tensor], str]] = {}
        self._stack = StackReader(stop)
        self._lowest = self._lowest_counts()

    @staticmethod
    def _lowest_counts() -> tuple[int, int]:
        return lowest_reference_counts()

    # --- values

    def value_of(self, tensor: Tensor) -> Value:
        """The value that a tensor object holds now; an unknown tensor becomes a value that was there before."""
        known = self._objects.get(id(tensor))
        if known is None or known[0]() is not tensor:
            return self._new_value(tensor, None, 0)
        value = self.values[known[1]]
        if self._storages:  # was its memory written through another view since?
            writer = self._storages.get(_storage(tensor))
            if writer is not None and writer > value.number:
                last = self.values[writer]
                return self._new_value(tensor, last.maker, last.port)
        return value

    def known(self, tensor: Tensor) -> Value | None:
        """The value that a tensor object holds, if the tape has met it."""
        known = self._objects.get(id(tensor))
        return self.values[known[1]] if known is not None and known[0]() is tensor else None

    def _new_value(self, tensor: Tensor, maker: int | None, port: int) -> Value:
        snapshot = self._snapshot(tensor, maker)
        value = Value(
            len(self.values),
            maker,
            port,
            shape_of(tensor),
            dtype_name(tensor.dtype),
            device_name(tensor.device),
            snapshot,
            tensor.requires_grad,
            False,
            tensor.is_floating_point() or tensor.is_complex(),
            tensor._is_view(),
            object_id=id(tensor),
        )
        is_updated_leaf = maker is not None and tensor.requires_grad and tensor.is_leaf  # by an optimizer, or when it was initialised
        named = self._names.get(id(tensor)) if maker is None or is_updated_leaf else None
        if named is not None and named[0]() is tensor:
            value.name = named[1]
        self.values.append(value)
        self._objects[id(tensor)] = (weakref.ref(tensor), value.number)
        return value

    def _snapshot(self, tensor: Tensor, maker: int | None) -> Snapshot | None:
        if maker is None:
            return self.keeper.value(tensor)
        operation = self.operations[maker]
        if operation.op in UNINITIALISED:
            return Snapshot(shape_of(tensor), dtype_name(tensor.dtype), missing="uninitialised memory")
        same = self.values[operation.uses[0].value].snapshot if operation.op in SAME_ELEMENTS and operation.uses else None
        return self.keeper.value(tensor, same)

    def untouched(self, names: Mapping[int, str]) -> list[str]:
        """Those of the named tensors, by identity, that no operation has read."""
        return [name for key, name in names.items() if key not in self._objects]

    def loose_ends(self) -> list[Any]:
        """The autograd nodes of results that live and that nobody has read."""
        found = []
        for reference, number in list(self._objects.values()):
            tensor = reference()
            if tensor is not None and not self.values[number].used and tensor.requires_grad and tensor.grad_fn is not None:
                self.edge_of(tensor, self.values[number])
                found.append(tensor.grad_fn)
        return found

    def name(self, tensor: Tensor, name: str) -> None:
        """Call the value that a tensor holds now by a name."""
        self.value_of(tensor).name = name

    def name_later(self, tensor: Tensor, name: str) -> None:
        """Call a tensor by a name if the program turns out to use it; the first name stays."""
        self._names.setdefault(id(tensor), (weakref.ref(tensor), name))

    # --- operations

    def before(self, schema: Schema, args: Any, kwargs: Any) -> Operation:
        """Note an operation that is about to run; called by the handler itself, whose caller's stack is read."""
        clock = len(self.values)
        uses: list[Use] = []
        constants: list[tuple[str, Any]] = []
        held: list[tuple[Use, bool]] = []
        for i, argument in enumerate(args):
            self._note(schema.argument(i), argument, uses, constants, held)
        for key, argument in (kwargs or {}).items():
            self._note(key, argument, uses, constants, held)
        place = self._stack.read(sys._getframe(3))
        operation = Operation(
            len(self.operations),
            schema.name,
            uses,
            constants,
            place,
            self._call_of(place, held),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            schema.pointwise,
            sequence_number(),
            clock,
            bool(schema.written),
        )
        self.operations.append(operation)
        return operation

    def _note(self, name: str, argument: Any, uses: list[Use], constants: list[tuple[str, Any]], held: list[tuple[Use, bool]]) -> None:
        if isinstance(argument, Tensor):
            count = sys.getrefcount(argument)
            self._use(name, argument, count > self._lowest[0], uses, held)
        elif isinstance(argument, (list, tuple)) and any(isinstance(part, Tensor) for part in argument):
            for i, part in enumerate(argument):
                if isinstance(part, Tensor):
                    count = sys.getrefcount(part)
                    self._use(f"{name}[{i}]", part, count > self._lowest[1], uses, held)
        elif argument is not None:
            constants.append((name, argument))

    def _use(self, name: str, tensor: Tensor, held_by_python: bool, uses: list[Use], held: list[tuple[Use, bool]]) -> None:
        value = self.value_of(tensor)
        value.used = True
        use = Use(name, value.number, tensor.requires_grad, self.edge_of(tensor, value))
        uses.append(use)
        held.append((use, held_by_python))

    def edge_of(self, tensor: Tensor, value: Value) -> Edge | None:
        """The autograd edge that leads to a tensor now; None for leaves and data."""
        if not tensor.requires_grad:
            return None
        value.requires_grad = True
        node = tensor.grad_fn
        if node is None:
            value.is_leaf = True
            return None
        self.nodes[id(node)] = node
        value.edge = (id(node), tensor.output_nr)
        return value.edge

    def after(self, operation: Operation, schema: Schema, args: Any, kwargs: Any, result: Any) -> None:
        """Note what an operation made and what it wrote to."""
        for i in schema.written:
            target = args[i] if i < len(args) else (kwargs or {}).get(schema.argument(i))
            for tensor in target if isinstance(target, (list, tuple)) else (target,):
                if isinstance(tensor, Tensor):
                    value = self._new_value(tensor, operation.number, len(operation.results))
                    operation.results.append(value.number)
                    self._storages[_storage(tensor)] = value.number
        if not schema.in_place:
            for tensor in result if isinstance(result, (list, tuple)) else (result,):
                if isinstance(tensor, Tensor):
                    operation.results.append(self._new_value(tensor, operation.number, len(operation.results)).number)

    # --- calls: which operations belong to one call in the user's program

    def _call_of(self, place: Place, held: list[tuple[Use, bool]]) -> int:
        last = self.operations[-1] if self.operations else None
        call = len(self.calls)
        if last is not None and _goes_on(last.place, place):
            call = last.call
        else:
            self.calls.append(call)
        for use, by_python in held:
            maker = self.values[use.value].maker
            if not by_python and maker is not None and _same_caller(self.operations[maker].place, place):
                self._join(call, self.operations[maker].call)
        return call

    def _join(self, one: int, other: int) -> None:
        one, other = self.call(one), self.call(other)
        self.calls[max(one, other)] = min(one, other)

    def call(self, number: int) -> int:
        """The call that a call turned out to be part of."""
        while self.calls[number] != number:
            self.calls[number] = self.calls[self.calls[number]]
            number = self.calls[number]
        return number


def _same_caller(one: Place, other: Place) -> bool:
    return one.depth == other.depth and one.site is other.site and one.functions == other.functions


def _goes_on(before: Place, now: Place) -> bool:
    """Whether the same Python function of torch is still running, further on than before."""
    if not now.inner or not before.inner or not _same_caller(before, now) or before.inner[0][0] != now.inner[0][0]:
        return False
    for (old_code, old), (new_code, new) in zip(before.inner, now.inner, strict=False):
        if old_code != new_code or old != new:
            return new > old
    return False


def _storage(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return -1


class Recorder(DispatchMode):  # type: ignore[no-untyped-call]
    """The dispatch mode that writes a tape; as thread-local as every mode, and it never breaks the program that it watches."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: a guard of torch.compile's around each call would import all of it at the first trace, and cost time at every operation."""
        return False

    def __init__(self, tape: Tape) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = tape
        self.paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and note it."""
        schema = schema_of(func)
        if self.paused or func.namespace in PLUMBING or not schema.computes:
            return func(*args, **kwargs) if kwargs else func(*args)
        operation = self._guard(self.tape.before, schema, args, kwargs)
        result = func(*args, **kwargs) if kwargs else func(*args)
        if operation is not None:
            self._guard(self.tape.after, operation, schema, args, kwargs, result)
        return result

    def _guard(self, step: Callable[..., Any], *details: Any) -> Any:
        try:
            return step(*details)
        except Exception as error:  # a tracer must not break what it watches; the graph says that something is missing
            self.tape.problems.append(f"{type(error).__name__}: {error}")
            return None


# --- Held by Python?
#
# A C++ function such as matmul dispatches several operations. Their intermediate results never reach the user's program: only
# C++ holds them, so that in the handler their reference count is the lowest that it can see. What that is depends on torch and
# Python; it is measured once a process by a tape that looks from the very same place, in a thread of its own, since modes are
# thread-local and no mode of the user may see it.


class _Measuring(Tape):
    """A tape that takes every operand as held by nobody and notes the counts."""

    def __init__(self) -> None:
        super().__init__(Capture("none", "none"), _measure.__code__)
        self.counts: dict[str, int] = {}

    @staticmethod
    def _lowest_counts() -> tuple[int, int]:
        return (0, 0)

    def _note(self, name: str, argument: Any, uses: list[Use], constants: list[tuple[str, Any]], held: list[tuple[Use, bool]]) -> None:
        if isinstance(argument, Tensor):
            self.counts[name] = sys.getrefcount(argument)
        elif isinstance(argument, (list, tuple)):
            for _, part in enumerate(argument):  # the pair holds a reference, as in the method that this stands in for
                if isinstance(part, Tensor):
                    self.counts[f"{name}[]"] = sys.getrefcount(part)


def _measure(found: list[tuple[int, int]]) -> None:
    tape, vector, matrix = _Measuring(), torch.ones(2), torch.ones(2, 2)
    scalars = [torch.ones(()), torch.ones(())]
    with Recorder(tape):
        torch.matmul(vector, matrix)  # unsqueeze, mm(self, mat2), squeeze_(self)
        direct = tape.counts.get("self", 0)
        torch.hstack(scalars)  # view, view, cat(tensors)
    found.append((direct, tape.counts.get("tensors[]", 0)))


@cache
def lowest_reference_counts() -> tuple[int, int]:
    """Reference counts, as `Tape._note` sees them, of an operand and of one in a list that only C++ holds."""
    found: list[tuple[int, int]] = []
    thread = threading.Thread(target=_measure, args=(found,))
    thread.start()
    thread.join()
    return found[0] if found else (0, 0)
