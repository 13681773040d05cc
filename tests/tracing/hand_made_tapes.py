"""A tape and an autograd graph written by hand, one line for each thing that would have been recorded."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, BackwardPass
from graphviz_ad._internal.tracing.assembly.saved import KeptByNodes
from graphviz_ad._internal.tracing.assembly.units import Output, Recorded, Unit, Units
from graphviz_ad._internal.tracing.capture import Capture
from graphviz_ad._internal.tracing.tape.stack import Place
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value, schema_of

aten = torch.ops.aten
SIN, MUL, MUL_, DETACH, SPLIT = (
    aten.sin.default,
    aten.mul.Tensor,
    aten.mul_.Tensor,
    aten.detach.default,
    aten.split.Tensor,
)
SOMEWHERE = Place(0, None, (), (), None, None, (), (), ())


Link = tuple[int, int] | None  # the number of an autograd node and that of its output


@dataclass(eq=False)
class Node:
    """An autograd node; ``before`` is how many there were when it was made."""

    before: int

    def _sequence_nr(self) -> int:
        return self.before


class Twice(torch.autograd.Function):
    """A custom Function to say that something ran in."""


@dataclass
class HandMade:
    """What is written down; autograd nodes consumers first."""

    tape: Tape = field(default_factory=lambda: Tape(Capture(), SOMEWHERE.__class__.__new__.__code__))
    nodes: list[Node] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    links: list[tuple[Link, ...]] = field(default_factory=list)
    variables: dict[int, Tensor] = field(default_factory=dict)
    custom: dict[int, type] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)

    def value(self, maker: int | None = None, port: int = 0, edge: Link = None, **facts: Any) -> Value:
        """A tensor at one moment; ``edge``: the number of its autograd node and of the output."""
        self.tensors.append(tensor := facts.pop("of", torch.zeros(())))
        number, wanted = len(self.tape.values), facts.pop("requires_grad", edge is not None)
        identity = None if edge is None else (id(self.nodes[edge[0]]), edge[1])
        held, shape, is_view = facts.pop("held", float(number)), facts.pop("shape", ()), facts.pop("is_view", False)
        reference = weakref.ref(tensor)
        about = (torch.float64, torch.device("cpu"), held, wanted, is_view, reference, id(tensor))
        self.tape.values.append(value := Value(number, maker, port, shape, *about, edge=identity, **facts))
        return value

    def run(self, overload: Any, *read: Value, edges: Sequence[Link] = (None,), **facts: Any) -> list[Value]:
        """An operation and its results, one for each of the ``edges``; it ran in the custom Function ``inside``."""
        inside, view = facts.pop("inside", None), facts.pop("is_view", False)
        place = SOMEWHERE if inside is None else SOMEWHERE._replace(functions=(inside,))
        uses = tuple((f"a{n}", value.number, value.requires_grad, value.edge) for n, value in enumerate(read))
        for value in read:
            value.used = True
        number, clock = len(self.tape.operations), len(self.tape.values)
        grad = facts.pop("grad", True)
        operation = Operation(number, schema_of(overload), uses, (), place, number, grad, False, 0, clock, **facts)
        self.tape.operations.append(operation)
        self.tape.calls.append(number)
        self.tape.has_writes |= operation.mutates
        made = [self.value(number, port, edge, is_view=view) for port, edge in enumerate(edges)]
        operation.results = [value.number for value in made]
        return made

    def node(
        self,
        name: str,
        *links: tuple[int, int] | None,
        leaf: Tensor | None = None,
        custom: type | None = None,
        before: int = -9,
    ) -> int:
        """An autograd node; what it links to is written down after it."""
        i = len(self.nodes)
        self.nodes.append(Node(before))
        self.names.append(name)
        self.links.append(links)
        if leaf is not None:
            self.variables[i] = leaf
        if custom is not None:
            self.custom[i] = custom
        return i

    def recorded(self, *outputs: Value, result: BackwardPass | None = None) -> Recorded:
        """All of it, as the passes read it."""
        index = {id(node): i for i, node in enumerate(self.nodes)}
        graph = AutogradGraph(list(self.nodes), self.links, index, self.variables)
        graph.names, graph.custom, graph.keeps = self.names, self.custom, KeptByNodes([None] * len(self.nodes))
        for output in outputs:
            output.used = True
        values, returned = self.tape.values, [Output(output, None) for output in outputs]
        held = {i: value for i, leaf in self.variables.items() for value in values if value.reference() is leaf}
        return Recorded(self.tape, graph, result or BackwardPass(), returned, leaf_values=held)


def units_of(recorded: Recorded, values: dict[Unit, dict[int, Value]], **tables: Any) -> Units:
    """Units as an earlier pass would have left them: each with its values, which belong to it."""
    of_value = {value.number: unit for unit, held in values.items() for value in held.values() if unit.function is None}
    return replace(Units(recorded), **{"all": tuple(values), "values": values, "of_value": of_value, **tables})


def kinds(units: Units) -> list[tuple[str, str | None]]:
    """Kind and name of each unit, in order."""
    ran = [(unit, unit.operation.op if unit.operation is not None else None) for unit in units.all]
    return [(unit.kind, unit.label or op) for unit, op in ran]
