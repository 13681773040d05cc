"""Units + backward pass -> Graph, as finely as it was recorded: each unit with its values and gradients, each operand as an edge.

Edges between units that autograd follows are taken from autograd itself, so that they are exact; which operand of the call an edge is, is found by
identity, and marked as a guess where it is only a position.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.fact_texts import FLOW
from graphviz_ad._internal.graph.graph import Edge, Graph, Memory, Node, Port
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.graph.snapshot import Snapshot, constant
from graphviz_ad._internal.maths.derivative_agreement import disagrees, total, verified
from graphviz_ad._internal.operations.names import written_name
from graphviz_ad._internal.operations.traits import LIFTED, NEVER_SEEN
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, BackwardPass, node_name, stem
from graphviz_ad._internal.tracing.assembly.hooks import hook_names, with_hooks_said
from graphviz_ad._internal.tracing.assembly.linking import ONE_SLOT, Units
from graphviz_ad._internal.tracing.assembly.reading_order import put_operands_first
from graphviz_ad._internal.tracing.assembly.saved import NOTHING, kept_memory
from graphviz_ad._internal.tracing.assembly.stopped import with_stop_said
from graphviz_ad._internal.tracing.assembly.unit import Output, Unit, port_of
from graphviz_ad._internal.tracing.assembly.unrecorded import wanted_gradient, why_unrecorded
from graphviz_ad._internal.tracing.naming.as_written import Number, Operand, arguments, call_name, messages, operation_name, reflected
from graphviz_ad._internal.tracing.tape.doubts import doubts
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Use, Value
from graphviz_ad._internal.tracing.tape.values import device_name, dtype_name

NUMBERS = {LIFTED: "tensor", "scalar_tensor": None}  # what torch.tensor(…) runs as, and a number in an operand's place
DECOMPOSITIONS = {"_linalg_svd", "_linalg_eigh", "linalg_eig", "linalg_qr", "linalg_lu"}  # whose results the user gets, all of them
WRONG_UNDER_MODES = {"linalg_pinv", "linalg_lstsq", "linalg_polar", "linalg_matrix_sqrth"}
NONE_GRADIENT = "none-gradient"


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
    """One Graph in the making."""

    def __init__(
        self,
        tape: Tape,
        autograd: AutogradGraph,
        result: BackwardPass,
        outputs: list[Output],
        module_names: dict[int, str],
        leaf_values: Mapping[int, Value] | None = None,
        inside: Sequence[Output] = (),
    ) -> None:
        """``leaf_values``: see `Units`; ``inside`` is where passes begin that run inside this one."""
        self.inside = inside
        self.tape, self.autograd, self.result, self.module_names = tape, autograd, result, module_names
        self.units = Units(tape, autograd, outputs, leaf_values or {}, result.edge_grads if result.problem is None else None)
        self.returned: dict[int, list[tuple[int, Output]]] = {}
        for n, output in enumerate(outputs):
            self.returned.setdefault(output.value.number, []).append((n, output))
        self._wordings: dict[tuple[str, int], Wording] = {}
        self._odd: list[Node] = []

    def graph(self, name: str, notices: Iterable[Notice]) -> Graph:
        """The finished Graph."""
        nodes, edges = self._parts()
        if not all(edge.tail for edge in edges):  # something was made, in the order of values, after what reads it
            count = len(self.units.all)
            put_operands_first(self.units)
            nodes, edges = self._parts()
            if left_out := count - len(self.units.all):
                notices = [*notices, notice("circle", count=left_out)]
        nodes = with_every_port(nodes, edges)
        nodes, written = self._versions_apart(self._fed(nodes), edges)
        graph = Graph(
            tuple(nodes),
            tuple(edges),
            name,
            (*doubts(), *notices, *self._unseen(), *self._changed_inside(), *written, *self._caught(), *self._unread(), *wrong_under_modes(self.tape)),
            has_gradients=self.result.problem is None,
            memory=self._memory(),
        )
        return with_stop_said(with_none_gradients_said(with_hooks_said(graph)))

    def _parts(self) -> tuple[list[Node], list[Edge]]:
        self._odd.clear()
        nodes: list[Node] = []
        edges: list[Edge] = []
        for unit in self.units.all:
            constants: Sequence[Node] = ()
            if unit.operation is not None and unit.operation.constants:
                nodes += (constants := self._constants(unit, len(nodes)))
            unit.key = f"n{len(nodes)}"
            nodes.append(node := self._node(unit))
            for edge in self._edges(unit, constants):
                edges.append(known := edge if edge.local is None else verified(edge, node))
                if known.local is None and edge.local is not None and disagrees(edge, node):
                    self._odd.append(node)
                    nodes[-1] = replace(node, hook_effects=(*node.hook_effects, FLOW))
        return nodes, edges

    def _fed(self, nodes: list[Node]) -> list[Node]:
        """The nodes with what is fed in elsewhere than at an output, see `Units.fed`: where the output came from, or where a pass inside this one begins."""
        places = [(place, output.seed, number in self.units.shown) for number, place in self.units.fed.items() for _, output in self.returned[number]]
        places += [(place, start.seed, True) for start in self.inside if (place := self.units.arrival(start.value)) is not None]
        found = {node.key: node for node in nodes} if places else {}
        for (unit, port), seed, is_shown in places:
            node = found[unit.key]
            ports = [*node.ports, *[Port()] * (port + 1 - len(node.ports))]
            ports[port] = replace(ports[port], upstream=total([ports[port].upstream, seed]), is_output=ports[port].is_output or not is_shown)
            found[unit.key] = replace(node, ports=tuple(ports))
        return list(found.values()) or nodes

    def _versions_apart(self, nodes: list[Node], edges: list[Edge]) -> tuple[list[Node], list[Notice]]:
        """Each value of a leaf that was written to between its uses with its own part of the gradient; torch adds the parts up."""
        if not self.units.versions or self.result.problem is not None:
            return nodes, []
        changed = {node.key: node for node in nodes}
        flowing: dict[tuple[str, int], list[Snapshot | None]] = {}
        for edge in edges:
            if edge.cut is None:
                flowing.setdefault((edge.tail, edge.port), []).append(edge.grad)
        names: list[str] = []
        for results in self.units.versions.values():
            for unit, port in results:
                node, held = changed[unit.key], changed[unit.key].ports[port]
                parts = [*flowing.get((unit.key, port), ()), held.upstream]
                own = replace(held, grad=total(parts), grad_total=held.grad_total or held.grad)
                changed[unit.key] = replace(node, kind="leaf", cut=None, ports=(*node.ports[:port], own, *node.ports[port + 1 :]))
                names.append(held.name or node.name or node.key)
        return list(changed.values()), [notice("written between uses", dict.fromkeys(names))]

    def _unseen(self) -> list[Notice]:
        return [*self._unexplained(), *self._untold()]

    def _unexplained(self) -> list[Notice]:
        count, finished = self.units.unexplained, not self.tape.operations
        if not count or finished:
            return []
        return [notice("unlinked", count=count)]

    def _untold(self) -> list[Notice]:
        """What is missing because nobody says whether hooks of the user stand before what a node keeps."""
        asked = self.result.node_grads if self.tape.capture.local else ()
        count = sum(keeps.hooked is None and i in asked and i not in self.autograd.custom for i, keeps in enumerate(self.autograd.keeps))
        return [notice("hooks untold", count=count)] if count else []

    def _unread(self) -> list[Notice]:
        """Whose results are not known for certain."""
        names = [str(unit.label) for unit in self.units.unread if unit.values]
        return [notice("nobody read", names)] if names else []

    def _caught(self) -> list[Notice]:
        """What is left out because it raised and the program went on."""
        raised = [self.tape.operations[number] for number in sorted(self.tape.raised) if number != self.tape.stopped]
        if not raised:
            return []
        words = [self._wording(operation) for operation in raised]
        names = [word.alone or operation.op for word, operation in zip(words, raised, strict=True)]
        return [notice("caught", names, sources=tuple(word.source for word in words))]

    def _changed_inside(self) -> list[Notice]:
        if not self._odd:
            return []
        return [notice("flow changed", [node.name or node.op or node.key for node in self._odd])]

    def _memory(self) -> Memory:
        held = {value.object_id: value for unit in self.units.all if unit.kind == "leaf" for value in unit.values.values()}  # a leaf that was updated is one
        parameters = sum(math.prod(value.shape) * value.dtype.itemsize for value in held.values())
        return Memory(parameters, *kept_memory(self.autograd.keeps, self.autograd.variables.values()))

    # --- nodes

    def _constants(self, unit: Unit, first: int) -> list[Node]:
        numbers = [operand.number for operand in unit.operands if isinstance(operand, Number)]
        source = self._wording(unit.operation).source if numbers and unit.operation is not None else None
        call = unit.call if unit.function is not None else None
        return [
            Node(f"n{first + i}", "data", cut="data", ports=(Port((), type(number).__name__, value=constant(number)),), source=source, call=call)
            for i, number in enumerate(numbers)
        ]

    def _node(self, unit: Unit) -> Node:
        operation, kind, i = unit.operation, unit.kind, unit.autograd
        wording = self._wording(operation) if operation is not None else None
        if kind == "op" and operation is not None and not unit.operands:
            kind = "leaf" if any(value.is_leaf for value in unit.values.values()) else "data"  # made here, and then required to have a gradient
        recorded = i is not None and kind != "leaf"
        requires_grad = kind == "leaf" or recorded or (unit.function is None and wanted_gradient(self.units, unit))
        ports = self._ports(unit)
        call = unit.call
        names = wording.names if wording is not None and wording.names and self._last_of_call[call] is unit else self._returned_name(unit)
        if len(ports) == 1:
            name = ports[0].name or (names[0] if len(names) == 1 else None)
        else:
            name, ports = self._named(ports, unit, names)
        keeps = self.autograd.keeps[i] if recorded and i is not None else NOTHING
        return Node(
            unit.key,
            kind,
            self._op(unit, wording, call),
            name,
            ports,
            (self.autograd.names[i],) if recorded and i is not None else self._unreached_names(unit) if kind == "op" else (),
            requires_grad,
            self._cut(unit, ports, requires_grad),
            wording.module if wording is not None and kind != "leaf" else (),
            wording.source if wording is not None else None,
            tuple([tensor.name for tensor in keeps.tensors]),
            arguments(operation) if operation is not None and unit.label is None else (),
            call,
            unit.label or wording.call if wording is not None else None,
            self._backward_order.get(i),
            saved_bytes=keeps.bytes if recorded else None,
            hooks=hook_names(unit.values.values()),
            messages=messages(operation) if operation is not None and unit.label is None else (),
        )

    def _wording(self, operation: Operation) -> Wording:
        place = operation.place
        key = (operation.schema.name, id(place))
        known = self._wordings.get(key)
        if known is None:
            modules = [self.module_names.get(id(module), type(module).__name__) for module in place.modules]
            own = place.step[0] if place.step is not None else operation.schema.library_name
            known = self._wordings[key] = Wording(
                operation.schema.library_name or written_name(operation.op),
                own or operation_name(operation),
                own or call_name(operation),
                reflected(operation),
                place.namer.names if place.namer is not None else (),
                tuple(name for name in modules if name),
                place.user.source if place.user is not None and self.tape.capture.source else None,
            )
        return known

    @cached_property
    def _backward_order(self) -> dict[int | None, int]:
        return {i: n for n, i in enumerate(self.result.order)}

    def _returned_name(self, unit: Unit) -> tuple[str, ...]:
        """The variable that takes what a module returned, if this is that."""
        known = self.tape.returned_names
        return tuple(known[value.number] for value in unit.values.values() if value.number in known)[:1] if known else ()

    def _unreached_names(self, unit: Unit) -> tuple[str, ...]:
        """The autograd node of an operation that leads to no output; nobody walked there, but somebody read its result."""
        if unit.function is not None:
            return ()
        writes = unit.operation is not None and unit.operation.mutates  # the node of a view that was written to only makes the view anew
        edges = [value.edge for value in unit.values.values() if value.edge is not None and not (writes and value.is_view)]
        return tuple(dict.fromkeys(node_name(self.tape.nodes[edge[0]]) for edge in edges if edge[0] not in self.autograd.index))[:1]

    def _op(self, unit: Unit, wording: Wording | None, call: int | None) -> str | None:
        """As it is written in the program, where the call is this one operation; ATen's name, where it is one of several."""
        if unit.label is not None:
            return unit.label
        if unit.operation is not None and wording is not None:
            if unit.operation.op in NUMBERS:
                return NUMBERS[unit.operation.op]
            return wording.alone if self._call_sizes[call] == 1 else wording.op
        if unit.kind != "op":
            return None
        return NEVER_SEEN if unit.autograd is None else written_name(stem(self.autograd.names[unit.autograd]))

    @cached_property
    def _call_sizes(self) -> Counter[int | None]:
        return Counter(unit.call for unit in self.units.all if unit.operation is not None)

    @cached_property
    def _last_of_call(self) -> dict[int | None, Unit]:
        return {unit.call: unit for unit in self.units.all if unit.operation is not None}

    def _ports(self, unit: Unit) -> tuple[Port, ...]:
        values, i = unit.values, unit.autograd
        row = self.result.node_grads.get(i, ()) if i is not None else None
        if row is not None and len(row) <= 1 and len(values) == 1 and 0 in values and i not in self.autograd.variables:  # the usual case
            return (self._port(unit, values[0], row[0] if row else None),)
        grads = self._grads(unit)
        totals = self.result.leaf_totals
        held = {port: totals.get(leaf) for port, leaf in self.units.leaves.get(unit, {}).items()} if totals else {}
        last = max((port for port, value in values.items() if value.used or value.edge is not None), default=0)
        if unit in self.units.unread:
            last = len(values) - 1
        operation = unit.operation
        if operation is not None and unit.label is None and (operation.op in DECOMPOSITIONS or self._wording(operation).call == operation.op):
            last = max(last, len(operation.results) - 1)  # what the user asked for is shown even where nobody used it
        return tuple(self._port(unit, values.get(port), grads.get(port), held.get(port)) for port in range(max(last, max(grads, default=0)) + 1))

    def _grads(self, unit: Unit) -> dict[int, Snapshot | None]:
        i = unit.autograd
        if i is None:
            leaf_grads = self.result.leaf_grads
            if unit.kind == "leaf" and unit.values[0].object_id in self.result.other_leaves:
                return {0: self.result.other_leaves[unit.values[0].object_id]}
            return {port: leaf_grads[-1 - n] for port, value in unit.values.items() for n, _ in self.returned.get(value.number, ()) if -1 - n in leaf_grads}
        if i in self.autograd.variables:
            return {port: self.result.leaf_grads.get(leaf) for port, leaf in self.units.leaves[unit].items()}
        return {self.units.port_of_edge.get((i, n), n): grad for n, grad in enumerate(self.result.node_grads.get(i, ())) if grad is not None}

    def _port(self, unit: Unit, value: Value | None, grad: Snapshot | None, grad_total: Snapshot | None = None) -> Port:
        if value is None:
            return Port() if grad is None else Port(grad.shape, grad.dtype, grad=grad)
        shape, dtype, device = value.shape, dtype_name(value.dtype), device_name(value.device)
        outputs = self.returned.get(value.number) if unit.function is None else None
        if outputs is None:
            return Port(shape, dtype, device, value.snapshot, grad, None, grad_total, value.name)
        name = value.name or next((output.name for _, output in outputs if output.name), None)
        upstream = total([output.seed for _, output in outputs]) if value.number not in self.units.fed else None
        is_shown = self.units.shown.get(value.number) is unit
        return Port(shape, dtype, device, value.snapshot, grad, upstream if is_shown else None, grad_total, name, is_shown)

    def _named(self, ports: tuple[Port, ...], unit: Unit, names: tuple[str, ...]) -> tuple[str | None, tuple[Port, ...]]:
        """The variable that takes the result; several variables that take one each name the ports instead."""
        given = next((value.name for value in unit.values.values() if value.name), None)
        if len(names) > 1 and len(names) >= len(ports) > 1:
            return given, tuple(replace(port, name=port.name or name) for port, name in zip(ports, names, strict=False))
        return given or (names[0] if names else None) or next((port.name for port in ports if port.name), None), ports

    def _cut(self, unit: Unit, ports: tuple[Port, ...], requires_grad: bool) -> str | None:
        """Why no gradient arrived here; None where one did."""
        if unit.function is not None:
            return "inner"
        for port in ports:
            if port.grad is not None:
                return None
        if not requires_grad:
            return why_unrecorded(self.units, unit) or "data"
        return "unreached" if self.result.problem is None else None

    # --- edges

    def _edges(self, unit: Unit, constants: Sequence[Node]) -> list[Edge]:
        slots = self.units.slots(unit)
        if slots is ONE_SLOT and unit.label is None and not self.tape.has_writes:  # the usual case: one operand, which autograd follows
            return [self._autograd_edge(unit, 0, 0, "exact", *self._read_leaf(unit.operands[0]))]
        numbers = iter(constants)
        edges = []
        for position, operand in enumerate(unit.operands):
            slot = slots.get(position)
            if isinstance(operand, Number):
                edges.append(Edge(next(numbers).key, unit.key, position, cut="data"))
            elif slot is not None:
                edges.append(self._autograd_edge(unit, slot, position, "exact", *self._read_leaf(operand)))
            elif (plain := self._plain_edge(unit, operand, position)) is not None:
                edges.append(plain)
        links = self.units.links(unit)
        if len(slots) < len(links):
            position, taken = len(unit.operands), set(slots.values())
            certain = unit.operation is None or unit.label is not None or self.autograd.names[unit.autograd or 0] == "CopySlices"
            match = "exact" if certain else "guess"
            more = [slot for slot, link in enumerate(links) if link is not None and slot not in taken]
            edges += [self._autograd_edge(unit, slot, position + n, match) for n, slot in enumerate(more)]
        if len(edges) == 2 and unit.operation is not None and unit.label is None and self._wording(unit.operation).reflected:
            edges = [replace(edges[1], slot=0), replace(edges[0], slot=1)]
        if unit.label is not None:
            edges += self._results_of_inner(unit, len(edges))
        if self.tape.has_writes:
            edges += self._written_unseen(unit, slots, len(edges))
        return edges

    def _read_leaf(self, operand: Operand) -> tuple[Unit | None, int | None]:
        """The leaf that an operand is and its port, as it was read: it may have been written to since, by an optimizer; nothing for what was computed."""
        if type(operand) is not tuple or not operand[2] or operand[3] is not None:
            return None, None
        tail = self.units.of_value.get(operand[1])
        return tail, None if tail is None else port_of(tail, self.tape.values[operand[1]]) if len(tail.values) > 1 else 0

    def _written_unseen(self, unit: Unit, slots: Mapping[int, int], position: int) -> list[Edge]:
        """What was written behind autograd's back, as through ``.data``: the value came from the writer, the gradient goes where it always went."""
        read = [operand[1] for n, operand in enumerate(unit.operands) if n in slots and type(operand) is tuple and operand[3] is not None]
        found = [(self.tape.values[number], self.units.of_value[number]) for number in read if number in self.units.of_value]
        writers = [holder for value, holder in found if holder is not unit and (self.units.is_only_data(value) or self._writes_unseen(holder))]
        return [Edge(writer.key, unit.key, position + n, cut=why_unrecorded(self.units, writer) or DETACHED) for n, writer in enumerate(writers)]

    def _writes_unseen(self, holder: Unit) -> bool:
        return holder.autograd is None and holder.operation is not None and holder.operation.mutates

    def _results_of_inner(self, unit: Unit, position: int) -> list[Edge]:
        """What ran inside a custom Function leads to its results, but no gradient goes that way."""
        makers = [self.units.inner_of_value.get(value.number) for value in unit.values.values()]
        inner = list(dict.fromkeys(maker.key for maker in makers if maker is not None and maker.function is unit))
        return [Edge(key, unit.key, position + n, cut="inner", match="guess" if unit in self.units.unread else "exact") for n, key in enumerate(inner)]

    def _autograd_edge(self, unit: Unit, slot: int, position: int, match: str, tail: Unit | None = None, port: int | None = None) -> Edge:
        assert unit.autograd is not None
        link = self.units.links(unit)[slot]
        assert link is not None
        grads, locals_ = self.result.edge_grads.get(unit.autograd, ()), self.result.locals.get(unit.autograd, ())
        grad = grads[slot] if slot < len(grads) else None
        local = locals_[slot] if slot < len(locals_) else None
        tail = tail or self.units.of_node[link[0]]
        cut = self._why_none(unit.autograd) if grad is None else None
        port = self.units.port_of_edge.get(link, link[1]) if port is None else port
        return Edge(tail.key, unit.key, position, port, local, grad, cut, match)

    def _why_none(self, i: int) -> str | None:
        """Why an autograd node that ran sent nothing to an operand; torch runs one even if nothing arrives there."""
        if i not in self.result.edge_grads or self.result.partial:
            return None
        return NONE_GRADIENT if any(grad is not None for grad in self.result.node_grads.get(i, ())) else "unreached"

    def _plain_edge(self, unit: Unit, use: Use, position: int) -> Edge | None:
        """An edge along which autograd sends nothing, with the reason."""
        value = self.tape.values[use[1]]
        tail = self.units.of_value.get(value.number)
        if unit.function is not None and (tail is unit.function or tail is None):
            tail = self.units.inner_of_value.get(value.number)
        if tail is None or tail is unit:
            return None
        port = next((port for port, held in tail.values.items() if held is value), value.port)
        return Edge(tail.key, unit.key, position, port, cut=self._edge_cut(unit, use))

    def _edge_cut(self, unit: Unit, use: Use) -> str | None:
        if unit.function is not None:
            return "inner"
        if not use[2]:
            tail = self.units.of_value.get(use[1])
            if self.tape.values[use[1]].edge is not None:
                return DETACHED  # it had an autograd node before: detach_() took that away
            return "non-differentiable" if tail is not None and tail.kind == "op" and tail.autograd is not None else "data"
        if unit.kind == "leaf":
            return why_unrecorded(self.units, unit) or "non-differentiable"
        if unit.autograd is not None:
            return "inplace_view" if self.autograd.names[unit.autograd] == "CopySlices" else "non-differentiable"
        if wanted_gradient(self.units, unit):
            return None if self.result.problem else "unreached"
        return why_unrecorded(self.units, unit) or "non-differentiable"


def with_every_port(nodes: list[Node], edges: list[Edge]) -> list[Node]:
    """The nodes with a port for each result that something was made of, also where nobody saw it."""
    further: dict[str, int] = {}
    for edge in edges:
        if edge.port:
            further[edge.tail] = max(edge.port, further.get(edge.tail, 0))
    if not further:
        return nodes
    missing = [max(further.get(node.key, 0) + 1 - len(node.ports), 0) for node in nodes]
    return [replace(node, ports=(*node.ports, *[Port()] * count)) if count else node for node, count in zip(nodes, missing, strict=True)]


def wrong_under_modes(tape: Tape) -> list[Notice]:
    """A warning where torch itself computes wrong numbers as soon as any dispatch mode is on."""
    suspects = [operation for operation in tape.operations if operation.op in WRONG_UNDER_MODES]
    complex_ones = [one for one in suspects if any(tape.values[number].dtype.is_complex for number in (*one.results, *(use[1] for use in one.uses)))]
    met = sorted({one.op.removeprefix("linalg_") for one in complex_ones})
    return [notice("wrong under modes", met)] if met else []


def with_none_gradients_said(graph: Graph) -> Graph:
    """The graph with the reason at each node that got no gradient because a backward function returned None for it."""
    given_none = {edge.tail for edge in graph.edges if edge.cut == NONE_GRADIENT}
    if not given_none:
        return graph
    nodes = [replace(node, cut=NONE_GRADIENT) if node.key in given_none and node.cut == "unreached" else node for node in graph.node_list]
    return graph.with_parts(nodes, graph.edges)
