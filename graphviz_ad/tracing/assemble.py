"""Tape + autograd graph + backward pass -> Graph, as finely as it was recorded.

A *unit* becomes one node: an operation, a custom Function with what ran inside it, a leaf, a piece of data, or an autograd node that
no recorded operation explains. Edges between units that autograd follows are taken from autograd itself, so that
they are exact; which operand of the call an edge is, is found by identity, and marked as a guess where it is only a position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from graphviz_ad.graph import Edge, Graph, Node, Port
from graphviz_ad.ops import written_name
from graphviz_ad.snapshot import Snapshot, constant
from graphviz_ad.tracing.agreement import total, verified
from graphviz_ad.tracing.as_written import SHAPE_ONLY, Operand, call_name, operands, operation_name, reflected, settings
from graphviz_ad.tracing.autograd_graph import AutogradGraph, BackwardPass, custom_function, node_name, stem
from graphviz_ad.tracing.tape import Operation, Tape, Use, Value
from graphviz_ad.tracing.trackable import label_of

NUMBERS = {"lift_fresh": "tensor", "scalar_tensor": None}  # what torch.tensor(…) runs as, and a number in an operand's place


@dataclass(frozen=True)
class Output:
    """A tensor that the program returned, and the gradient that is fed in there."""

    value: Value
    seed: Snapshot | None
    name: str | None = None


@dataclass(slots=True, eq=False)
class Unit:
    """One node to be; see the module's docstring."""

    order: tuple[int, int]
    kind: str
    operation: Operation | None = None
    label: str | None = None
    operands: list[Operand] = field(default_factory=list)
    values: dict[int, Value] = field(default_factory=dict)
    autograd: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    key: str = ""


class Assembly:
    """One use of `assemble`."""

    def __init__(
        self,
        tape: Tape,
        autograd: AutogradGraph,
        result: BackwardPass,
        outputs: list[Output],
        module_names: dict[int, str],
        leaf_values: Mapping[int, Value] | None = None,
    ) -> None:
        """``leaf_values`` says what each leaf held when the pass ran, by node; what it holds now, if it was not written to since."""
        self.tape, self.autograd, self.result, self.outputs = tape, autograd, result, outputs
        self.module_names, self.leaf_values = module_names, leaf_values or {}
        self.leaf_of_object = {id(variable): i for i, variable in autograd.variables.items()}
        self.units: list[Unit] = []
        self.unit_of_value: dict[int, Unit] = {}
        self.unit_of_node: dict[int, Unit] = {}
        self.port_of_edge: dict[tuple[int, int], int] = {}
        self.custom = {i: cls for i, node in enumerate(autograd.nodes) if (cls := custom_function(node)) is not None}
        self.node_names = autograd.names

    def graph(self, name: str, notices: Iterable[str]) -> Graph:
        """The finished Graph."""
        self._mark_outputs()
        self._make_operations()
        self._make_sources()
        self._link()
        self._make_unexplained()
        self.units.sort(key=lambda unit: unit.order)
        nodes: list[Node] = []
        edges: list[Edge] = []
        for unit in self.units:
            constants = self._constants(unit, len(nodes))
            nodes.extend(constants)
            unit.key = f"n{len(nodes)}"
            nodes.append(self._node(unit))
            edges.extend(self._edges(unit, [node.key for node in constants]))
        by_key = {node.key: node for node in nodes}
        edges = [verified(edge, by_key[edge.head]) for edge in edges]
        return Graph(tuple(nodes), tuple(edges), name, tuple(notices), has_gradients=self.result.problem is None)

    # --- units

    def _mark_outputs(self) -> None:
        for output in self.outputs:
            output.value.used = True

    def _make_operations(self) -> None:
        group: Unit | None = None
        for operation in self.tape.operations:
            if self._is_artefact(operation):
                continue
            inside = operation.place.functions[0] if operation.place.functions else None
            if inside is None:
                group = None
                read = [] if operation.op == "lift_fresh" else operands(operation)  # torch.tensor(…): what it lifts is nobody's variable
                self._add(Unit(self._order(operation), "op", operation, None, read, settings=settings(operation)), operation.results)
            elif group is not None and group.operation is not None and _same_call_of_function(group.operation, operation):
                self._absorb(group, operation)
            else:
                group = Unit(self._order(operation), "op", operation, label_of(inside))
                self._add(group, [])
                self._absorb(group, operation)

    def _order(self, operation: Operation) -> tuple[int, int]:
        return (operation.results[0], 0) if operation.results else (max(operation.clock - 1, *(use.value for use in operation.uses), 0), 1)

    def _is_artefact(self, operation: Operation) -> bool:
        """torch detaches what it saves for backward, and nobody reads that; backward() makes the gradient that it starts from."""
        helps = operation.op in ("detach", "alias") or "_make_grads" in operation.place.inner_names
        return helps and not any(self.tape.values[v].used for v in operation.results)

    def _absorb(self, unit: Unit, operation: Operation) -> None:
        """An operation inside a custom Function: what it reads from outside is an operand of the Function."""
        assert unit.operation is not None
        unit.order = max(unit.order, self._order(operation))
        known = {operand.use.value for operand in unit.operands if operand.use is not None}
        for operand in operands(operation):
            if operand.use is None or operand.use.value in known or self.unit_of_value.get(operand.use.value) is unit:
                continue
            value = self.tape.values[operand.use.value]
            if value.number < unit.operation.clock or value.object_id in operation.place.arguments:  # not made inside unseen, as by numpy
                known.add(value.number)
                unit.operands.append(operand)
        for number in operation.results:
            self.unit_of_value[number] = unit

    def _add(self, unit: Unit, results: Iterable[int]) -> None:
        self.units.append(unit)
        for port, number in enumerate(results):
            unit.values[port] = self.tape.values[number]
            self.unit_of_value[number] = unit

    def _make_sources(self) -> None:
        """Leaves and data: values that no recorded operation made; aliases of written memory belong to the writer."""
        read = {operand.use.value for unit in self.units for operand in unit.operands if operand.use is not None}
        read |= {output.value.number for output in self.outputs}
        for value in self.tape.values:
            if value.number in self.unit_of_value or not value.used or (value.number not in read and value.name is None):
                continue
            if value.maker is not None:
                maker = self.tape.operations[value.maker]
                written = self.unit_of_value.get(maker.results[value.port])
                if written is not None:
                    self.unit_of_value[value.number] = written
                else:
                    self._add(Unit((value.number, 0), "data"), [value.number])
            elif value.edge is None:
                self._add(Unit((value.number, 0), "leaf" if value.requires_grad else "data"), [value.number])

    # --- which autograd node is which unit

    def _link(self) -> None:
        for i, variable in self.autograd.variables.items():
            value = self.leaf_values.get(i) or self.tape.value_of(variable)
            unit = self.unit_of_value.get(value.number)
            if unit is None:
                unit = Unit((value.number, 0), "leaf")
                self._add(unit, [value.number])
            unit.kind = "leaf"
            value.requires_grad = True
            unit.autograd = i
            self.unit_of_node[i] = unit
            self.port_of_edge[i, 0] = next((port for port, held in unit.values.items() if held is value), 0)
        for value in self.tape.values:
            if value.edge is not None and value.edge[0] in self.autograd.index:
                self._link_value(value, self.autograd.index[value.edge[0]], value.edge[1])

    def _link_value(self, value: Value, i: int, number: int) -> None:
        unit = self.unit_of_value.get(value.number)
        if unit is None:
            return
        rewritten = self._rewritten(value, i)
        if rewritten is not None:
            i = rewritten
        elif unit.operation is not None and self._regenerated(value, unit.operation, i):
            return
        if (unit.label is None) == (i in self.custom):  # an operation is no custom Function, and the other way round
            return
        if unit.autograd is None and i not in self.unit_of_node:
            unit.autograd = i
            self.unit_of_node[i] = unit
        if unit.autograd == i:
            if unit.label is not None:
                unit.values.setdefault(number, value)
                self.port_of_edge[i, number] = number
            else:
                if self.node_names[i] == "CopySlices" and not value.is_view:
                    unit.values[0] = value  # the result is the whole that was written to, not the view
                port = next((port for port, held in unit.values.items() if held is value), value.port)
                self.port_of_edge.setdefault((i, number), port)

    def _rewritten(self, value: Value, i: int) -> int | None:
        """The CopySlices behind a view whose base was written to through it: that is the node of the writing operation."""
        links = self.autograd.links[i]
        if value.is_view and links and links[0] is not None and self.node_names[links[0][0]] == "CopySlices":
            return links[0][0]
        return None

    def _regenerated(self, value: Value, operation: Operation, i: int) -> bool:
        """Whether node i only makes a view anew after its base was written to, and is not the node of the writer."""
        return value.is_view and operation.mutates and self.node_names[i] != "CopySlices" and value.number not in operation.results

    def _make_unexplained(self) -> None:
        """Autograd nodes that no recorded operation explains: made before the trace, or views made anew."""
        before: dict[int, int] = {}
        for i, links in enumerate(self.autograd.links):
            unit = self.unit_of_node.get(i)
            first = unit.order[0] if unit else before.get(i, len(self.tape.values) + 1)
            for link in links:
                if link is not None:
                    before[link[0]] = min(before.get(link[0], first), first)
            if unit is None:
                unit = Unit((first, -i - 1), "op", label=label_of(self.custom[i]) if i in self.custom else None, autograd=i)
                self.units.append(unit)
                self.unit_of_node[i] = unit
        for value in self.tape.values:  # what such a node made may be known all the same: somebody read it
            if value.edge is not None and value.edge[0] in self.autograd.index:
                i = self.autograd.index[value.edge[0]]
                unit = self.unit_of_node[i]
                if unit.operation is None and unit.kind == "op":
                    unit.values.setdefault(value.edge[1], value)
                    self.unit_of_value.setdefault(value.number, unit)

    # --- nodes

    def _constants(self, unit: Unit, first: int) -> list[Node]:
        numbers = [operand for operand in unit.operands if operand.use is None]
        return [
            Node(
                f"n{first + i}", "data", cut="data", ports=(Port((), type(operand.number).__name__, value=constant(operand.number)),), source=self._source(unit)
            )
            for i, operand in enumerate(numbers)
        ]

    def _node(self, unit: Unit) -> Node:
        operation, kind, i = unit.operation, unit.kind, unit.autograd
        if kind == "op" and operation is not None and not unit.operands:
            kind = "data"
        recorded = i is not None and kind != "leaf"
        requires_grad = kind == "leaf" or recorded or self._wanted_gradient(unit)
        ports = self._ports(unit)
        name, ports = self._named(ports, unit)
        return Node(
            unit.key,
            kind,
            self._op(unit),
            name,
            ports,
            (self.node_names[i],) if recorded and i is not None else self._unreached_names(unit) if kind == "op" else (),
            requires_grad,
            self._cut(unit, ports, requires_grad),
            self._module(operation) if operation is not None and kind != "leaf" else (),
            self._source(unit),
            (),
            unit.settings,
            self.tape.call(operation.call) if operation is not None else None,
            call_name(operation) if operation is not None else None,
            self._backward_order.get(i),
        )

    @cached_property
    def _backward_order(self) -> dict[int | None, int]:
        return {i: n for n, i in enumerate(self.result.order)}

    def _unreached_names(self, unit: Unit) -> tuple[str, ...]:
        """The autograd node of an operation that leads to no output; nobody walked there, but somebody read its result."""
        edges = [value.edge for value in unit.values.values() if value.edge is not None]
        return tuple(dict.fromkeys(node_name(self.tape.nodes[edge[0]]) for edge in edges if edge[0] not in self.autograd.index))[:1]

    def _op(self, unit: Unit) -> str | None:
        if unit.label is not None:
            return unit.label
        if unit.operation is not None:
            return self._operation_name(unit.operation)
        if unit.kind == "op" and unit.autograd is not None:
            return written_name(stem(self.node_names[unit.autograd]))
        return None

    def _operation_name(self, operation: Operation) -> str | None:
        """As it is written in the program, where the call is this one operation; ATen's name, where it is one of several."""
        if operation.op in NUMBERS:
            return NUMBERS[operation.op]
        return operation_name(operation) if self._call_sizes[self.tape.call(operation.call)] == 1 else written_name(operation.op)

    @cached_property
    def _call_sizes(self) -> Counter[int]:
        return Counter(self.tape.call(unit.operation.call) for unit in self.units if unit.operation is not None)

    def _ports(self, unit: Unit) -> tuple[Port, ...]:
        values = unit.values
        last = max((port for port, value in values.items() if value.used or value.edge is not None), default=0)
        grads = self._grads(unit)
        held = self.result.leaf_totals.get(unit.autograd) if unit.autograd is not None else None
        return tuple(self._port(values.get(port), grads.get(port), held) for port in range(max(last, max(grads, default=0)) + 1))

    def _grads(self, unit: Unit) -> dict[int, Snapshot | None]:
        i = unit.autograd
        if i is None:
            bare = {-1 - n: output for n, output in enumerate(self.outputs)}
            return {
                port: self.result.leaf_grads[k]
                for k, output in bare.items()
                for port, value in unit.values.items()
                if output.value is value and k in self.result.leaf_grads
            }
        if i in self.autograd.variables:
            return {self.port_of_edge.get((i, 0), 0): self.result.leaf_grads.get(i)}
        return {self.port_of_edge.get((i, n), n): grad for n, grad in enumerate(self.result.node_grads.get(i, ())) if grad is not None}

    def _port(self, value: Value | None, grad: Snapshot | None, grad_total: Snapshot | None = None) -> Port:
        if value is None:
            return Port(grad=grad)
        seeds = [output for output in self.outputs if output.value is value]
        return Port(
            value.shape,
            value.dtype,
            value.device,
            value.snapshot,
            grad,
            total([output.seed for output in seeds]),
            grad_total,
            value.name or next((output.name for output in seeds if output.name), None),
            bool(seeds),
        )

    def _named(self, ports: tuple[Port, ...], unit: Unit) -> tuple[str | None, tuple[Port, ...]]:
        """The variable that takes the result; several variables that take one each name the ports instead."""
        given = next((value.name for value in unit.values.values() if value.name), None)
        namer = unit.operation.place.namer if unit.operation else None
        names = namer.names if namer and self._ends_call(unit) else ()
        if len(names) > 1 and len(names) >= len(ports) > 1:
            return given, tuple(replace(port, name=port.name or name) for port, name in zip(ports, names, strict=False))
        return given or (names[0] if names else None) or next((port.name for port in ports if port.name), None), ports

    def _ends_call(self, unit: Unit) -> bool:
        """Whether this unit makes the result of the call it belongs to."""
        return unit.operation is not None and self._last_of_call[self.tape.call(unit.operation.call)] is unit

    @cached_property
    def _last_of_call(self) -> dict[int, Unit]:
        return {self.tape.call(unit.operation.call): unit for unit in self.units if unit.operation is not None}

    def _module(self, operation: Operation) -> tuple[str, ...]:
        names = [self.module_names.get(id(module), type(module).__name__) for module in operation.place.modules]
        return tuple(name for name in names if name)

    def _source(self, unit: Unit) -> str | None:
        user = unit.operation.place.user if unit.operation and self.tape.capture.source else None
        return user.source if user else None

    def _wanted_gradient(self, unit: Unit) -> bool:
        """Whether the result of an operation that no output depends on requires grad: as its readers saw it, else as torch's rules say."""
        operation, read = unit.operation, [value for value in unit.values.values() if value.used]
        if operation is None or read:
            return any(value.requires_grad for value in read)
        wanted = operation.grad_enabled and any(use.requires_grad for use in operation.uses)
        return wanted and any(value.differentiable for value in unit.values.values()) and operation.op not in ("detach", *SHAPE_ONLY)

    def _cut(self, unit: Unit, ports: tuple[Port, ...], requires_grad: bool) -> str | None:
        """Why no gradient arrived here; None where one did."""
        if any(port.grad is not None for port in ports):
            return None
        if not requires_grad:
            return self._why_unrecorded(unit) or "data"
        return "unreached" if self.result.problem is None else None

    def _why_unrecorded(self, unit: Unit) -> str | None:
        operation = unit.operation
        if operation is None or not any(use.requires_grad for use in operation.uses):
            return None
        if operation.op in ("detach", "alias"):
            return "detach"
        if operation.inference:
            return "inference"
        if not operation.grad_enabled and not operation.place.functions:
            return "no_grad"
        return "shape-only" if operation.op in SHAPE_ONLY else "non-differentiable"

    # --- edges

    def _edges(self, unit: Unit, constants: list[str]) -> list[Edge]:
        slots = self._slots(unit)
        numbers = iter(constants)
        edges = []
        taken = set()
        for position, operand in enumerate(unit.operands):
            if operand.use is None:
                edges.append(Edge(next(numbers), unit.key, position, cut="data"))
                continue
            slot = slots.get(position)
            if slot is not None:
                taken.add(slot)
                edge = self._autograd_edge(unit, slot, position, "exact")
                held = self.unit_of_value.get(operand.use.value)
                # A leaf may have been written to since, by an optimizer: the edge comes from what it held then.
                edges.append(replace(edge, tail=held.key) if operand.use.edge is None and held is not None else edge)
            else:
                plain = self._plain_edge(unit, operand.use, position)
                if plain is not None:
                    edges.append(plain)
        position = len(unit.operands)
        known = unit.operation is None or unit.label is not None
        for slot, link in enumerate(self._links(unit)):
            if link is not None and slot not in taken:
                edges.append(self._autograd_edge(unit, slot, position, "exact" if known else "guess"))
                position += 1
        if unit.operation is not None and unit.label is None and reflected(unit.operation) and len(edges) == 2:
            edges = [replace(edges[1], slot=0), replace(edges[0], slot=1)]
        return edges

    def _links(self, unit: Unit) -> tuple[tuple[int, int] | None, ...]:
        return self.autograd.links[unit.autograd] if unit.autograd is not None and unit.kind != "leaf" else ()

    def _slots(self, unit: Unit) -> dict[int, int]:
        """Operand -> slot of the autograd node, by identity of what both say the operand came from."""
        found: dict[int, int] = {}
        wanted = [(slot, link) for slot, link in enumerate(self._links(unit)) if link is not None]
        for slot, link in wanted:
            for position, operand in enumerate(unit.operands):
                if position not in found and operand.use is not None and self._came_from(operand.use) == link:
                    found[position] = slot
                    break
        return found

    def _came_from(self, use: Use) -> tuple[int, int] | None:
        if use.edge is not None:
            return (self.autograd.index[use.edge[0]], use.edge[1]) if use.edge[0] in self.autograd.index else None
        leaf = self.leaf_of_object.get(self.tape.values[use.value].object_id) if use.requires_grad else None
        return (leaf, 0) if leaf is not None else None

    def _autograd_edge(self, unit: Unit, slot: int, position: int, match: str) -> Edge:
        assert unit.autograd is not None
        link = self._links(unit)[slot]
        assert link is not None
        grads, locals_ = self.result.edge_grads.get(unit.autograd, ()), self.result.locals.get(unit.autograd, ())
        grad = grads[slot] if slot < len(grads) else None
        local = locals_[slot] if slot < len(locals_) else None
        return Edge(self.unit_of_node[link[0]].key, unit.key, position, self.port_of_edge.get(link, link[1]), local, grad, match=match)

    def _plain_edge(self, unit: Unit, use: Use, position: int) -> Edge | None:
        """An edge along which autograd sends nothing, with the reason."""
        tail = self.unit_of_value.get(use.value)
        if tail is None or tail is unit:
            return None
        value = self.tape.values[use.value]
        port = next((port for port, held in tail.values.items() if held is value), value.port)
        return Edge(tail.key, unit.key, position, port, cut=self._edge_cut(unit, use))

    def _edge_cut(self, unit: Unit, use: Use) -> str:
        if not use.requires_grad:
            return "data"
        if unit.kind == "leaf":
            return self._why_unrecorded(unit) or "non-differentiable"
        if unit.autograd is not None:
            return "non-differentiable"
        return "unreached" if self._wanted_gradient(unit) else self._why_unrecorded(unit) or "non-differentiable"


def _same_call_of_function(first: Operation, now: Operation) -> bool:
    one, other = first.place, now.place
    return one.functions[:1] == other.functions[:1] and first.moment == now.moment and one.site is other.site and one.depth == other.depth
