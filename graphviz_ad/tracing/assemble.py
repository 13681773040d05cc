"""Tape + autograd graph + backward pass -> Graph, as finely as it was recorded.

A *unit* becomes one node: an operation, a custom Function with what ran inside it, a leaf, a piece of data, or an autograd node that
no recorded operation explains. Edges between units that autograd follows are taken from autograd itself, so that
they are exact; which operand of the call an edge is, is found by identity, and marked as a guess where it is only a position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from graphviz_ad.graph import Edge, Graph, Node, Port
from graphviz_ad.ops import written_name
from graphviz_ad.snapshot import Snapshot, constant
from graphviz_ad.tracing.agreement import total, verified
from graphviz_ad.tracing.as_written import SHAPE_ONLY, Number, Operand, call_name, operands, operation_name, reflected, settings
from graphviz_ad.tracing.autograd_graph import AutogradGraph, BackwardPass, node_name, stem
from graphviz_ad.tracing.tape import Operation, Tape, Use, Value
from graphviz_ad.tracing.trackable import label_of
from graphviz_ad.tracing.values import device_name, dtype_name

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
    operands: Sequence[Operand] = ()
    values: dict[int, Value] = field(default_factory=dict)
    autograd: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Wording:
    """What the program calls an operation at one place, the same for each time that it runs there."""

    op: str | None
    alone: str | None
    call: str | None
    reflected: bool
    names: tuple[str, ...]
    module: tuple[str, ...]
    source: str | None


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
        self.custom, self.node_names = autograd.custom, autograd.names
        self.returned: dict[int, list[tuple[int, Output]]] = {}
        for n, output in enumerate(outputs):
            self.returned.setdefault(output.value.number, []).append((n, output))
        self._wordings: dict[tuple[str, int], Wording] = {}

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
            constants: Sequence[Node] = ()
            if unit.operation is not None and unit.operation.constants:
                nodes += (constants := self._constants(unit, len(nodes)))
            unit.key = f"n{len(nodes)}"
            nodes.append(node := self._node(unit))
            for edge in self._edges(unit, constants):
                edges.append(edge if edge.local is None else verified(edge, node))
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
                read = () if operation.op == "lift_fresh" else operands(operation)  # torch.tensor(…): what it lifts is nobody's variable
                self._add(Unit(self._order(operation), "op", operation, None, read), operation.results)
            elif group is not None and group.operation is not None and _same_call_of_function(group.operation, operation):
                self._absorb(group, operation)
            else:
                group = Unit(self._order(operation), "op", operation, label_of(inside), [])
                self._add(group, [])
                self._absorb(group, operation)

    def _order(self, operation: Operation) -> tuple[int, int]:
        return (operation.results[0], 0) if operation.results else (max(operation.clock - 1, *(number for _, number, _, _ in operation.uses), 0), 1)

    def _is_artefact(self, operation: Operation) -> bool:
        """torch detaches what it saves for backward, and nobody reads that; backward() makes the gradient that it starts from."""
        helps = operation.op in ("detach", "alias") or (operation.place.inner_names and "_make_grads" in operation.place.inner_names)
        return bool(helps) and not any(self.tape.values[v].used for v in operation.results)

    def _absorb(self, unit: Unit, operation: Operation) -> None:
        """An operation inside a custom Function: what it reads from outside is an operand of the Function."""
        assert unit.operation is not None
        assert isinstance(unit.operands, list)
        unit.order = max(unit.order, self._order(operation))
        known = {number for _, number, _, _ in unit.operands}
        for use in operation.uses:
            value = self.tape.values[use[1]]
            if value.number in known or self.unit_of_value.get(value.number) is unit:
                continue
            if value.number < unit.operation.clock or value.object_id in operation.place.arguments:  # not made inside unseen, as by numpy
                known.add(value.number)
                unit.operands.append(use)
        for number in operation.results:
            self.unit_of_value[number] = unit

    def _add(self, unit: Unit, results: Iterable[int]) -> None:
        self.units.append(unit)
        for port, number in enumerate(results):
            unit.values[port] = self.tape.values[number]
            self.unit_of_value[number] = unit

    def _make_sources(self) -> None:
        """Leaves and data: values that no recorded operation made; aliases of written memory belong to the writer."""
        read = {operand[1] for unit in self.units for operand in unit.operands if not isinstance(operand, Number)}
        read |= {output.value.number for output in self.outputs}
        for value in self.tape.values:
            if not value.used or value.number in self.unit_of_value or (value.number not in read and value.name is None):
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
        index = self.autograd.index
        for value in self.tape.values:
            edge = value.edge
            if edge is not None and edge[0] in index:
                self._link_value(value, index[edge[0]], edge[1])

    def _link_value(self, value: Value, i: int, number: int) -> None:
        unit = self.unit_of_value.get(value.number)
        if unit is None:
            return
        if value.is_view:
            rewritten = self._rewritten(i)
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

    def _rewritten(self, i: int) -> int | None:
        """The CopySlices behind a view whose base was written to through it: that is the node of the writing operation."""
        links = self.autograd.links[i]
        if links and links[0] is not None and self.node_names[links[0][0]] == "CopySlices":
            return links[0][0]
        return None

    def _regenerated(self, value: Value, operation: Operation, i: int) -> bool:
        """Whether node i only makes a view anew after its base was written to, and is not the node of the writer."""
        return operation.mutates and self.node_names[i] != "CopySlices" and value.number not in operation.results

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
        numbers = [operand.number for operand in unit.operands if isinstance(operand, Number)]
        source = self._wording(unit.operation).source if numbers and unit.operation is not None else None
        return [
            Node(f"n{first + i}", "data", cut="data", ports=(Port((), type(number).__name__, value=constant(number)),), source=source)
            for i, number in enumerate(numbers)
        ]

    def _node(self, unit: Unit) -> Node:
        operation, kind, i = unit.operation, unit.kind, unit.autograd
        wording = self._wording(operation) if operation is not None else None
        if kind == "op" and operation is not None and not unit.operands:
            kind = "data"
        recorded = i is not None and kind != "leaf"
        requires_grad = kind == "leaf" or recorded or self._wanted_gradient(unit)
        ports = self._ports(unit)
        call = None if operation is None else self.tape.call(operation.call)
        names = wording.names if wording is not None and wording.names and self._last_of_call[call] is unit else ()
        if len(ports) == 1:
            name = ports[0].name or (names[0] if names else None)
        else:
            name, ports = self._named(ports, unit, names)
        return Node(
            unit.key,
            kind,
            self._op(unit, wording, call),
            name,
            ports,
            (self.node_names[i],) if recorded and i is not None else self._unreached_names(unit) if kind == "op" else (),
            requires_grad,
            self._cut(unit, ports, requires_grad),
            wording.module if wording is not None and kind != "leaf" else (),
            wording.source if wording is not None else None,
            (),
            settings(operation) if operation is not None and unit.label is None else (),
            call,
            wording.call if wording is not None else None,
            self._backward_order.get(i),
        )

    def _wording(self, operation: Operation) -> Wording:
        place = operation.place
        key = (operation.schema.name, id(place))
        known = self._wordings.get(key)
        if known is None:
            modules = [self.module_names.get(id(module), type(module).__name__) for module in place.modules]
            known = self._wordings[key] = Wording(
                written_name(operation.op),
                operation_name(operation),
                call_name(operation),
                reflected(operation),
                place.namer.names if place.namer is not None else (),
                tuple(name for name in modules if name),
                place.user.source if place.user is not None and self.tape.capture.source else None,
            )
        return known

    @cached_property
    def _backward_order(self) -> dict[int | None, int]:
        return {i: n for n, i in enumerate(self.result.order)}

    def _unreached_names(self, unit: Unit) -> tuple[str, ...]:
        """The autograd node of an operation that leads to no output; nobody walked there, but somebody read its result."""
        edges = [value.edge for value in unit.values.values() if value.edge is not None]
        return tuple(dict.fromkeys(node_name(self.tape.nodes[edge[0]]) for edge in edges if edge[0] not in self.autograd.index))[:1]

    def _op(self, unit: Unit, wording: Wording | None, call: int | None) -> str | None:
        """As it is written in the program, where the call is this one operation; ATen's name, where it is one of several."""
        if unit.label is not None:
            return unit.label
        if unit.operation is not None and wording is not None:
            if unit.operation.op in NUMBERS:
                return NUMBERS[unit.operation.op]
            return wording.alone if self._call_sizes[call] == 1 else wording.op
        if unit.kind == "op" and unit.autograd is not None:
            return written_name(stem(self.node_names[unit.autograd]))
        return None

    @cached_property
    def _call_sizes(self) -> Counter[int | None]:
        return Counter(self.tape.call(unit.operation.call) for unit in self.units if unit.operation is not None)

    @cached_property
    def _last_of_call(self) -> dict[int | None, Unit]:
        return {self.tape.call(unit.operation.call): unit for unit in self.units if unit.operation is not None}

    def _ports(self, unit: Unit) -> tuple[Port, ...]:
        values, i = unit.values, unit.autograd
        row = self.result.node_grads.get(i, ()) if i is not None else None
        if row is not None and len(row) <= 1 and len(values) == 1 and 0 in values and i not in self.autograd.variables:  # the usual case
            return (self._port(values[0], row[0] if row else None),)
        grads = self._grads(unit)
        held = self.result.leaf_totals.get(i) if i is not None and self.result.leaf_totals else None
        last = max((port for port, value in values.items() if value.used or value.edge is not None), default=0)
        return tuple(self._port(values.get(port), grads.get(port), held) for port in range(max(last, max(grads, default=0)) + 1))

    def _grads(self, unit: Unit) -> dict[int, Snapshot | None]:
        i = unit.autograd
        if i is None:
            leaf_grads = self.result.leaf_grads
            return {
                port: leaf_grads[-1 - n] for port, value in unit.values.items() for n, _ in self.returned.get(value.number, ()) if -1 - n in leaf_grads
            }
        if i in self.autograd.variables:
            return {self.port_of_edge.get((i, 0), 0): self.result.leaf_grads.get(i)}
        return {self.port_of_edge.get((i, n), n): grad for n, grad in enumerate(self.result.node_grads.get(i, ())) if grad is not None}

    def _port(self, value: Value | None, grad: Snapshot | None, grad_total: Snapshot | None = None) -> Port:
        if value is None:
            return Port(grad=grad)
        shape, dtype, device = value.shape, dtype_name(value.dtype), device_name(value.device)
        outputs = self.returned.get(value.number)
        if outputs is None:
            return Port(shape, dtype, device, value.snapshot, grad, None, grad_total, value.name)
        name = value.name or next((output.name for _, output in outputs if output.name), None)
        return Port(shape, dtype, device, value.snapshot, grad, total([output.seed for _, output in outputs]), grad_total, name, True)

    def _named(self, ports: tuple[Port, ...], unit: Unit, names: tuple[str, ...]) -> tuple[str | None, tuple[Port, ...]]:
        """The variable that takes the result; several variables that take one each name the ports instead."""
        given = next((value.name for value in unit.values.values() if value.name), None)
        if len(names) > 1 and len(names) >= len(ports) > 1:
            return given, tuple(replace(port, name=port.name or name) for port, name in zip(ports, names, strict=False))
        return given or (names[0] if names else None) or next((port.name for port in ports if port.name), None), ports

    def _wanted_gradient(self, unit: Unit) -> bool:
        """Whether the result of an operation that no output depends on requires grad: as its readers saw it, else as torch's rules say."""
        operation, read = unit.operation, [value for value in unit.values.values() if value.used]
        if operation is None or read:
            return any(value.requires_grad for value in read)
        wanted = operation.grad_enabled and any(wanted for _, _, wanted, _ in operation.uses)
        return wanted and any(value.differentiable for value in unit.values.values()) and operation.op not in ("detach", *SHAPE_ONLY)

    def _cut(self, unit: Unit, ports: tuple[Port, ...], requires_grad: bool) -> str | None:
        """Why no gradient arrived here; None where one did."""
        for port in ports:
            if port.grad is not None:
                return None
        if not requires_grad:
            return self._why_unrecorded(unit) or "data"
        return "unreached" if self.result.problem is None else None

    def _why_unrecorded(self, unit: Unit) -> str | None:
        operation = unit.operation
        if operation is None or not any(wanted for _, _, wanted, _ in operation.uses):
            return None
        if operation.op in ("detach", "alias"):
            return "detach"
        if operation.inference:
            return "inference"
        if not operation.grad_enabled and not operation.place.functions:
            return "no_grad"
        return "shape-only" if operation.op in SHAPE_ONLY else "non-differentiable"

    # --- edges

    def _edges(self, unit: Unit, constants: Sequence[Node]) -> list[Edge]:
        slots = self._slots(unit)
        numbers = iter(constants)
        edges = []
        for position, operand in enumerate(unit.operands):
            slot = slots.get(position)
            if isinstance(operand, Number):
                edges.append(Edge(next(numbers).key, unit.key, position, cut="data"))
            elif slot is not None:
                tail = None
                if operand[3] is None:  # a leaf may have been written to since, by an optimizer: the edge comes from what it held then
                    tail = self.unit_of_value.get(operand[1])
                edges.append(self._autograd_edge(unit, slot, position, "exact", tail))
            elif (plain := self._plain_edge(unit, operand, position)) is not None:
                edges.append(plain)
        links = self._links(unit)
        if len(slots) < len(links):
            position, taken = len(unit.operands), set(slots.values())
            match = "exact" if unit.operation is None or unit.label is not None else "guess"
            more = [slot for slot, link in enumerate(links) if link is not None and slot not in taken]
            edges += [self._autograd_edge(unit, slot, position + n, match) for n, slot in enumerate(more)]
        if len(edges) == 2 and unit.operation is not None and unit.label is None and self._wording(unit.operation).reflected:
            edges = [replace(edges[1], slot=0), replace(edges[0], slot=1)]
        return edges

    def _links(self, unit: Unit) -> tuple[tuple[int, int] | None, ...]:
        return self.autograd.links[unit.autograd] if unit.autograd is not None and unit.kind != "leaf" else ()

    def _slots(self, unit: Unit) -> dict[int, int]:
        """Operand -> slot of the autograd node, by identity of what both say the operand came from."""
        links = self._links(unit)
        if not links:
            return {}
        positions: dict[tuple[int, int] | None, list[int]] = {}
        for position in range(len(unit.operands) - 1, -1, -1):
            operand = unit.operands[position]
            if type(operand) is tuple:
                positions.setdefault(self._came_from(operand), []).append(position)
        return {positions[link].pop(): slot for slot, link in enumerate(links) if link is not None and positions.get(link)}

    def _came_from(self, use: Use) -> tuple[int, int] | None:
        _, number, wanted, edge = use
        if edge is not None:
            i = self.autograd.index.get(edge[0])
            return None if i is None else (i, edge[1])
        leaf = self.leaf_of_object.get(self.tape.values[number].object_id) if wanted else None
        return (leaf, 0) if leaf is not None else None

    def _autograd_edge(self, unit: Unit, slot: int, position: int, match: str, tail: Unit | None = None) -> Edge:
        assert unit.autograd is not None
        link = self._links(unit)[slot]
        assert link is not None
        grads, locals_ = self.result.edge_grads.get(unit.autograd, ()), self.result.locals.get(unit.autograd, ())
        grad = grads[slot] if slot < len(grads) else None
        local = locals_[slot] if slot < len(locals_) else None
        tail = tail or self.unit_of_node[link[0]]
        return Edge(tail.key, unit.key, position, self.port_of_edge.get(link, link[1]), local, grad, None, match)

    def _plain_edge(self, unit: Unit, use: Use, position: int) -> Edge | None:
        """An edge along which autograd sends nothing, with the reason."""
        value = self.tape.values[use[1]]
        tail = self.unit_of_value.get(value.number)
        if tail is None or tail is unit:
            return None
        port = next((port for port, held in tail.values.items() if held is value), value.port)
        return Edge(tail.key, unit.key, position, port, cut=self._edge_cut(unit, use))

    def _edge_cut(self, unit: Unit, use: Use) -> str:
        if not use[2]:
            return "data"
        if unit.kind == "leaf":
            return self._why_unrecorded(unit) or "non-differentiable"
        if unit.autograd is not None:
            return "non-differentiable"
        return "unreached" if self._wanted_gradient(unit) else self._why_unrecorded(unit) or "non-differentiable"


def _same_call_of_function(first: Operation, now: Operation) -> bool:
    one, other = first.place, now.place
    return one.functions[:1] == other.functions[:1] and first.moment == now.moment and one.site is other.site and one.depth == other.depth
