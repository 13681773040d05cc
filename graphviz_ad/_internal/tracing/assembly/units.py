"""What was recorded -> `Units`, which the passes hand on: what is going to be one node each, and what is known of it.

A unit says only what ran. What is found out about it stands in the tables of `Units`; a pass that finds something out
returns new ones, and what it was given stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, BackwardPass
from graphviz_ad._internal.tracing.assembly.said import Said
from graphviz_ad._internal.tracing.naming.as_written import Operand
from graphviz_ad._internal.tracing.tape.applied_unseen import place_in_functions
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Edge, Operation, Value


@dataclass(frozen=True)
class Output:
    """A tensor that the program returned, and the gradient that is fed in there."""

    value: Value
    seed: Snapshot | None
    name: str | None = None


@dataclass(frozen=True)
class Recorded:
    """All that was recorded of one run and of one backward pass over it.

    ``module_names``: identity of a module -> what the program calls it; ``leaf_values`` says what each leaf held when
    the pass ran, by node, where that is known better than by what it holds now; ``inside`` is where passes begin that
    run inside this one; ``tensors``: identity of the weak reference of a tensor -> its number, see `grad_watch`.
    """

    tape: Tape
    autograd: AutogradGraph
    result: BackwardPass
    outputs: Sequence[Output] = ()
    module_names: Mapping[int, str] = field(default_factory=dict)
    leaf_values: Mapping[int, Value] = field(default_factory=dict)
    inside: Sequence[Output] = ()
    tensors: Mapping[int, int] = field(default_factory=dict)
    said: Said | None = None  # None: to be read yet
    written_late: bool = False  # whether only what leaves hold at the end shows that something was written to

    @property
    def reached(self) -> Collection[int] | None:
        """The autograd nodes that the pass came by; None if there was none."""
        return self.result.edge_grads if self.result.problem is None else None

    @cached_property
    def returned(self) -> Mapping[int, Sequence[tuple[int, Output]]]:
        """Number of a value -> the outputs that it is, with their places."""
        found: dict[int, list[tuple[int, Output]]] = {}
        for n, output in enumerate(self.outputs):
            found.setdefault(output.value.number, []).append((n, output))
        return found


@dataclass(slots=True, eq=False)  # not frozen, which takes twice as long to make: a test sees that nobody changes one
class Unit:
    """What is going to be one node.

    An operation, a custom Function, a leaf, a piece of data, or an autograd node that no operation explains.
    ``order`` is where it stands among the others, by the number of what it made; a custom Function has a ``label``,
    and what ran inside it, units of their own for those who look closer, has it as its ``function``.
    """

    order: tuple[int, int]
    kind: str
    operation: Operation | None = None
    label: str | None = None
    operands: Sequence[Operand] = ()
    function: Unit | None = None


class Arrival(NamedTuple):
    """A result at which a gradient arrives."""

    unit: Unit
    port: int


class OutputPlace(NamedTuple):
    """What an output is a result of; and where its gradient arrives, where that is at another result."""

    shown: Unit | None
    fed: Arrival | None


@dataclass(frozen=True)
class Links:
    """Which autograd node is which unit, and which output of such a node is which port, where that is not the same."""

    of_node: Mapping[int, Unit] = field(default_factory=dict)
    port_of_edge: Mapping[Edge, int] = field(default_factory=dict)

    @cached_property
    def node_of(self) -> Mapping[Unit, int]:
        """The same the other way round; of a unit that is several leaves the last, of one that became a leaf that."""
        return {unit: i for i, unit in self.of_node.items()}


@dataclass(frozen=True)
class Units:
    """The units of one program and what is known of them: each table is made by the pass that is named behind it.

    ``values``: port -> value, for every unit; ``of_value``: number of a value -> the unit that made it, seen from
    outside of custom Functions, ``inner_of_value`` seen from inside; ``nobodys`` are values that only torch itself
    made and read; ``versions``: leaf that was written to between its uses -> the results that it was when it was
    used; ``places``: number of an output -> its place; ``unread`` are custom Functions whose results nobody saw;
    ``calls``: the call in the program that a unit is part of.
    """

    recorded: Recorded
    all: tuple[Unit, ...] = ()  # with_operations, with_sources, with_leaves, with_unexplained_nodes; units_in_order
    values: Mapping[Unit, Mapping[int, Value]] = field(default_factory=dict)  # likewise
    of_value: Mapping[int, Unit] = field(default_factory=dict)  # likewise
    inner_of_value: Mapping[int, Unit] = field(default_factory=dict)  # with_operations, with_sources
    nobodys: Collection[int] = frozenset()  # with_operations
    links: Links = field(default_factory=Links)  # with_nodes_…, with_leaves, with_unexplained_nodes
    versions: Mapping[int, Sequence[Arrival]] = field(default_factory=dict)  # with_leaves
    places: Mapping[int, OutputPlace] = field(default_factory=dict)  # with_outputs_placed
    unread: tuple[Unit, ...] = ()  # with_unread_results
    calls: Mapping[Unit, int | None] = field(default_factory=dict)  # with_calls

    @cached_property
    def leaves(self) -> Mapping[Unit, Mapping[int, int]]:
        """What is leaves -> for each of these results its autograd node; a foreach optimizer writes to many at once."""
        found: dict[Unit, dict[int, int]] = {}
        for i in self.recorded.autograd.variables:
            if i in self.links.of_node:
                found.setdefault(self.links.of_node[i], {})[self.links.port_of_edge[i, 0]] = i
        return found


def port_of(values: Mapping[int, Value], value: Value) -> int:
    """Which of the results of a unit a value is."""
    if values.get(value.port) is value:
        return value.port
    return next((port for port, held in values.items() if held is value), value.port)


def note_on_tape(recorded: Recorded) -> None:
    """Tell the tape what only the end of a run shows.

    The caller reads the outputs, and autograd knows of operations that ran in a custom Function unseen.
    The one thing that changes what was there before: all graphs of a tape share it, and what one backward pass began
    at is read in all of them.
    """
    for output in recorded.outputs:
        output.value.used = True
    place_in_functions(recorded.tape, recorded.autograd)


def arrival_of(units: Units, value: Value) -> Arrival | None:
    """The result at which a gradient of a value arrives, by its autograd node; None for leaves and data."""
    i = units.recorded.autograd.index.get(value.edge[0]) if value.edge is not None else None
    if i is None or value.edge is None:
        return None
    return Arrival(units.links.of_node[i], units.links.port_of_edge.get((i, value.edge[1]), value.edge[1]))


def is_only_data(recorded: Recorded, value: Value) -> bool:
    """Whether a result got what it holds by having its ``.data`` set: autograd goes its own way."""
    return value.number in recorded.tape.replaced and not value.is_leaf
