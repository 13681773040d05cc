"""What a Tape is made of: values, operands, operations, and what has to be known of each ATen overload."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.traits import (
    COMPUTED_IN_THREADS,
    OVERWRITES,
    UNINITIALISED,
    keeps_elements,
)
from graphviz_ad._internal.tracing.tape.stack import Place
from graphviz_ad._internal.tracing.tape.torch_private import signature
from graphviz_ad._internal.tracing.tape.values import Held, dtype_name

PLUMBING = {"prim", "profiler"}  # operations that compute nothing
TORCHS_OWN = {
    "aten",
    "prim",
    "prims",
    "higher_order",
    "quantized",
    "mkldnn",
    "mkl",
    "onednn",
    "c10d",
    "_c10d_functional",
    "c10d_functional",
    "profiler",
}
NOT_OVERWRITING: tuple[str, tuple[str, ...]] = ("", ())

Edge = tuple[int, int]  # identity of an autograd node, which the tape keeps alive, and the number of its output


@dataclass(slots=True, eq=False)
class Value:
    """One tensor at one moment: what made it (None: it was there before) and what it held.

    ``reference`` and ``object_id`` are of the tensor itself, which is not kept alive; ``memory`` is where its elements
    lie.
    """

    number: int
    maker: int | None
    port: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    held: Held
    requires_grad: bool
    is_view: bool
    reference: weakref.ref[Tensor]
    object_id: int
    memory: int | None = None
    is_leaf: bool = False
    used: bool = False
    edge: Edge | None = None
    name: str | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """What it held."""
        held = self.held
        return held if held is None or isinstance(held, Snapshot) else Snapshot((), dtype_name(self.dtype), held)

    @property
    def differentiable(self) -> bool:
        """Whether a tensor of this dtype can have a gradient."""
        return self.dtype.is_floating_point or self.dtype.is_complex


# An operand: its argument, the number of its value, whether autograd wanted its gradient then, its edge. A plain tuple
# of plain things: of those Python's garbage collector keeps no account, and a long program has as many as anything
# else.
Use = tuple[str, int, bool, Edge | None]
Constants = Sequence[tuple[str, Any]]


@dataclass(slots=True, eq=False)
class Operation:
    """One dispatched operation; ``clock`` is how many values there were before it, ``moment`` how many autograd
    nodes.
    """

    number: int
    schema: Schema
    uses: Sequence[Use]
    constants: Constants
    place: Place
    call: int
    grad_enabled: bool
    inference: bool
    moment: int
    clock: int
    results: Sequence[int] = ()
    reads_unwritten: bool = False  # see `graphviz_ad._internal.tracing.tape.unwritten`

    @property
    def op(self) -> str:
        """ATen's name, without the overload."""
        return self.schema.name

    @property
    def mutates(self) -> bool:
        """Whether it writes to an operand."""
        return bool(self.schema.written)


class Schema:
    """What the tape needs to know of an ATen overload, read once."""

    def __init__(self, overload: Any) -> None:
        self._overload = overload  # so that its identity stays its own
        self.name, namespace, self.arguments, self.written, self.only_written, returns = signature(overload)
        self.places = {name: i for i, name in enumerate(self.arguments)}
        self.library_name = None if namespace in TORCHS_OWN else f"{namespace}::{self.name}"
        self.in_place = bool(self.written) and (self.name.endswith("_") or not returns)
        # What returns no tensor, such as sym_size, is a question; torch may hold locks on the tensor while it asks.
        # item() is seen.
        computes = (
            returns is None
            or bool(self.written)
            or self.name == "_local_scalar_dense"
            or any("Tensor" in kind for kind in returns)
        )
        self.recorded = computes and namespace not in PLUMBING
        self.makes_nothing_known = self.name in UNINITIALISED
        self.keeps_elements = keeps_elements(self.name)
        self.in_threads = namespace == "aten" and self.name.removesuffix("_") in COMPUTED_IN_THREADS
        self.flag, self.overwritten = OVERWRITES.get(self.name, NOT_OVERWRITING)
        # as t_() and set_(): what lies in memory stays as it was
        self.only_moves = torch.Tag.inplace_view in getattr(overload, "tags", ())

    def named(self, args: Sequence[Any]) -> Iterable[tuple[str, Any]]:
        """The positional arguments with their names."""
        return zip(self.arguments or map(str, range(len(args))), args, strict=False)

    def argument(self, index: int) -> str:
        """Name of the positional argument ``index``."""
        return self.arguments[index] if index < len(self.arguments) else str(index)


SCHEMAS: dict[int, Schema] = {}  # identity of an overload, whose own hash is slow -> what is known of it


def schema_of(overload: Any) -> Schema:
    """The schema of an overload, read once a process."""
    found = SCHEMAS.get(id(overload))
    if found is None:
        found = SCHEMAS[id(overload)] = Schema(overload)
    return found
