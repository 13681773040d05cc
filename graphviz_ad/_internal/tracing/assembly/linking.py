"""Tape + autograd graph -> units: what is going to be one node each, and which autograd node is which of them.

A *unit* is an operation, a custom Function (what runs inside it are units of their own, for those who look closer), a leaf, a piece of data, or
an autograd node that no recorded operation explains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType

from graphviz_ad._internal.operations.traits import DETACHES, LIFTED, MATERIALISES, is_detach
from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, stem
from graphviz_ad._internal.tracing.assembly.unit import Output, Unit, port_of
from graphviz_ad._internal.tracing.naming.as_written import operands
from graphviz_ad._internal.tracing.tape.applied_unseen import place_in_functions
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Edge, Operation, Use, Value
from graphviz_ad._internal.tracing.tape.torch_private import counts_nodes, made_at
from graphviz_ad._internal.tracing.trackable import label_of

NO_SLOTS: Mapping[int, int] = MappingProxyType({})
ONE_SLOT: Mapping[int, int] = MappingProxyType({0: 0})


class Units:
    """The units of one program, in the order in which they ran, and the maps between them, values and autograd nodes."""

    def __init__(
        self, tape: Tape, autograd: AutogradGraph, outputs: Sequence[Output], leaf_values: Mapping[int, Value], reached: Collection[int] | None = None
    ) -> None:
        """``leaf_values`` says what each leaf held when the pass ran, by node; what it holds now, if it was not written to since.

        ``reached`` are the autograd nodes that the pass came by; None if there was none.
        """
        self.tape, self.autograd, self.outputs, self.leaf_values, self.reached = tape, autograd, outputs, leaf_values, reached
        self.leaf_of_object = {id(variable): i for i, variable in autograd.variables.items()}
        self.all: list[Unit] = []
        self.of_value: dict[int, Unit] = {}
        self.inner_of_value: dict[int, Unit] = {}
        self.of_node: dict[int, Unit] = {}
        self.port_of_edge: dict[tuple[int, int], int] = {}
        # What is leaves -> for each of these results its autograd node; a foreach optimizer writes to many at once.
        self.leaves: dict[Unit, dict[int, int]] = {}
        self.versions: dict[int, list[tuple[Unit, int]]] = {}  # leaf that was written to between its uses -> the results that it was when it was used
        self.shown: dict[int, Unit] = {}  # output -> what it is a result of
        self.fed: dict[int, tuple[Unit, int]] = {}  # output -> the result at which its gradient arrives, where that is another one
        self.unread: dict[Unit, list[Value]] = {}  # custom Functions whose results nobody saw -> what they made and did not use
        self.unexplained = 0
        self._nobodys: set[int] = set()
        self._views: list[Unit] = []
        for output in outputs:
            output.value.used = True
        place_in_functions(tape, autograd)
        self._make_operations()
        self._make_sources()
        self._link()
        if self.inner_of_value:
            self._give_ports_to_functions()
        if len(self.of_node) < len(autograd.nodes):
            self._link_by_sequence()
            self._make_unexplained()
        if self.tape.has_writes:
            self._show_wholes()
        self._place_outputs()
        if self.tape.has_writes and self.reached:
            self._forget_parts(self.reached)
        if self.inner_of_value:
            self._give_values_to_unread_functions()
        self.all.sort(key=attrgetter("order"))
        for unit in self.all:  # all that runs inside a custom Function is part of its call
            operation = unit.operation if unit.function is None else unit.function.operation
            if operation is not None:
                unit.call = tape.call(operation.call)
        if self._views:
            self._give_calls_to_views()

    def _give_calls_to_views(self) -> None:
        """A view of what was written in part is part of the call that wrote, where nobody else reads it."""
        readers: dict[int, set[int | None]] = {}
        for unit in self.all:
            for operand in unit.operands:
                if type(operand) is tuple:
                    readers.setdefault(operand[1], set()).add(unit.call)
        for output in self.outputs:
            readers.setdefault(output.value.number, set()).add(None)
        for view in self._views:
            (operand,) = view.operands
            call = self.of_value[operand[1]].call if type(operand) is tuple else None
            if readers.get(view.values[0].number, set()) <= {call}:
                view.call = call

    # --- what ran

    def _make_operations(self) -> None:
        function: Unit | None = None
        last: Operation | None = None
        counting = {self.tape.call(operation.call) for operation in self.tape.operations if _counts_steps(operation)}
        caught = self.tape.raised - {self.tape.stopped}
        broken: set[Unit | None] = set()
        for operation in self.tape.operations:
            if caught and operation.number in caught:  # it has no result, and the program went on without; no more has the custom Function around it
                if function is not None and last is not None and operation.place.functions and _same_call_of_function(last, operation):
                    broken.add(function)
                continue
            if self._is_artefact(operation) or (operation.place.step is not None and self.tape.call(operation.call) in counting):
                self._nobodys.update(operation.results)
                continue
            inside = operation.place.functions[0] if operation.place.functions else None
            if inside is None:
                function = None
                if operation.mutates and operation.op.startswith("_foreach_") and operation.grad_enabled and any(use[2] for use in operation.uses):
                    self._add_each(operation)
                    continue
                read = () if operation.op == LIFTED else operands(operation)  # torch.tensor(…): what it lifts is nobody's variable
                self._add(Unit(_order(operation), "op", operation, None, read), operation.results)
                continue
            if function is None or last is None or not _same_call_of_function(last, operation):
                function = Unit(_order(operation), "op", operation, label_of(inside), [])
                self._add(function, [])
            self._add_inside(function, operation)
            last = operation
        if broken:
            self.all = [unit for unit in self.all if unit not in broken and unit.function not in broken]
            self.of_value = {number: unit for number, unit in self.of_value.items() if unit not in broken}
            self.inner_of_value = {number: unit for number, unit in self.inner_of_value.items() if unit.function not in broken}

    def _add_each(self, operation: Operation) -> None:
        """An operation on many tensors in place: autograd has a node for each of them, as if each had been computed alone."""
        for n, number in enumerate(operation.results):
            read = [operand for operand in operands(operation) if type(operand) is not tuple or operand[0].partition("[")[2] in ("", f"{n}]")]
            self._add(Unit((number, 0), "op", operation, None, read), [number])

    def _is_artefact(self, operation: Operation) -> bool:
        """torch detaches what it saves for backward, and nobody reads that; backward() makes the gradient that it starts from.

        A lazy conjugate is made real by a clone that nobody wrote, below autograd.
        """
        if operation.op in MATERIALISES and operation.grad_enabled and operation.uses and operation.uses[0][2] and not operation.place.functions:
            return not any(self.tape.values[v].requires_grad for v in operation.results)
        helps = operation.op in DETACHES or (operation.place.inner_names and "_make_grads" in operation.place.inner_names)
        return bool(helps) and not any(self.tape.values[v].used for v in operation.results)

    def _add(self, unit: Unit, results: Iterable[int]) -> None:
        self.all.append(unit)
        for port, number in enumerate(results):
            unit.values[port] = self.tape.values[number]
            self.of_value[number] = unit

    def _add_inside(self, function: Unit, operation: Operation) -> None:
        """An operation inside a custom Function: what it reads from outside is an operand of the Function."""
        assert function.operation is not None
        assert isinstance(function.operands, list)
        function.order = max(function.order, (_order(operation)[0], 2))
        known = {use[1] for use in function.operands if isinstance(use, tuple)}
        for use in operation.uses:
            value = self.tape.values[use[1]]
            if value.number in known or self.of_value.get(value.number) is function:
                continue
            if value.number < function.operation.clock or value.object_id in operation.place.arguments:  # not made inside unseen, as by numpy
                known.add(value.number)
                function.operands.append(use)
        unit = Unit(_order(operation, inside=True), "op", operation, None, operands(operation), function=function)
        self.all.append(unit)
        for port, number in enumerate(operation.results):
            unit.values[port] = self.tape.values[number]
            self.inner_of_value[number] = unit
            self.of_value[number] = function

    def _make_sources(self) -> None:
        """Leaves and data: values that no recorded operation made; aliases of written memory belong to the writer, or are views of what it wrote."""
        read = {operand[1] for unit in self.all for operand in unit.operands if type(operand) is tuple and unit.function is None}
        inside = {operand[1]: unit.function for unit in self.all for operand in unit.operands if type(operand) is tuple and unit.function is not None}
        read |= {output.value.number for output in self.outputs}
        for value in self.tape.values:
            if not value.used or value.number in self.of_value or value.number in self._nobodys:
                continue
            if value.number not in read and value.name is None:
                if value.requires_grad:
                    self._add(Unit((value.number, 0), "leaf"), [value.number])
                elif value.number in inside:  # made inside a custom Function unseen, as by numpy
                    self._add(Unit((value.number, 0), "data", function=inside[value.number]), [])
                    self.all[-1].values[0] = value
                    self.inner_of_value[value.number] = self.all[-1]
                continue
            if value.maker is not None:
                number = self.tape.operations[value.maker].results[value.port]
                written = self.of_value.get(number)
                if written is not None and not value.requires_grad and not _same_elements(value, self.tape.values[number]):
                    self._add(Unit((value.number, 0), "op", operands=[("self", number, False, None)]), [value.number])
                    self._views.append(self.all[-1])
                elif written is not None:
                    self.of_value[value.number] = written
                else:
                    self._add(Unit((value.number, 0), "data"), [value.number])
            elif value.edge is None or self.is_only_data(value):
                self._add(Unit((value.number, 0), "leaf" if value.requires_grad and value.edge is None else "data"), [value.number])

    def is_only_data(self, value: Value) -> bool:
        """Whether a result got what it holds by having its ``.data`` set: autograd goes its own way."""
        return value.number in self.tape.replaced and not value.is_leaf

    # --- which autograd node is which unit

    def _link(self) -> None:
        index = self.autograd.index
        found = [(value.edge, value) for value in self.tape.values if value.edge is not None and value.edge[0] in index]
        for edge, value in sorted(found, key=_output_number):
            self._link_value(value, index[edge[0]], edge[1])
        self._link_leaves(self._leaves_as_read() if self.tape.has_writes else {})

    def _link_leaves(self, read: Mapping[int, list[Value]]) -> None:
        for i, variable in self.autograd.variables.items():
            value = read[i][-1] if i in read else self.leaf_values.get(i) or self.tape.value_of(variable)
            unit = self.of_value.get(value.number)
            if unit is None:  # nobody read it here: it was there before everything
                unit = Unit((-1, i), "leaf")
                self._add(unit, [value.number])
            unit.kind = "leaf"
            value.requires_grad = True
            unit.autograd = i
            self.of_node[i] = unit
            self.port_of_edge[i, 0] = port = port_of(unit, value)
            self.leaves.setdefault(unit, {})[port] = i
            for held in read.get(i, [value]):  # all of a leaf, also where what wrote there saw only a part of it
                self.of_value[held.number].values[port_of(self.of_value[held.number], held)] = held
            if i in read and len(read[i]) > 1:
                self.versions[i] = [(self.of_value[value.number], port_of(self.of_value[value.number], value)) for value in read[i]]

    def _leaves_as_read(self) -> dict[int, list[Value]]:
        """What each leaf held, one after the other, when operations read it that the pass came back through, or when it was an output itself."""
        found: dict[int, dict[int, Value]] = {}
        for output in self.outputs:
            if output.value.is_leaf and output.value.object_id in self.leaf_of_object:
                found.setdefault(self.leaf_of_object[output.value.object_id], {})[output.value.number] = output.value
        for unit in self.all:
            links = self.links(unit) if unit.autograd is not None and (self.reached is None or unit.autograd in self.reached) else ()
            for operand in unit.operands if links else ():
                value = self.tape.values[operand[1]] if type(operand) is tuple and operand[2] and operand[3] is None else None
                i = self.leaf_of_object.get(value.object_id) if value is not None else None
                if value is not None and i is not None and (i, 0) in links and value.number in self.of_value:
                    found.setdefault(i, {})[value.number] = value
        return {i: [values[number] for number in sorted(values)] for i, values in found.items()}

    def _link_value(self, value: Value, i: int, number: int) -> None:
        unit = self.of_value.get(value.number)
        if unit is None:
            return
        if self.is_only_data(value):
            return
        if unit.label is None and unit.operation is not None and is_detach(unit.operation.op):  # makes no node; compiled TorchScript hands on what it detached
            return
        if value.is_view:
            rewritten = self._rewritten(i, unit, value)
            if rewritten is not None:
                i = rewritten
            elif unit.operation is not None and self._regenerated(value, unit.operation, i):
                return
        if (unit.label is None) == (i in self.autograd.custom):  # an operation is no custom Function, and the other way round
            return
        if unit.autograd is None and i not in self.of_node:
            unit.autograd = i
            self.of_node[i] = unit
        if unit.autograd == i:
            if unit.label is not None:
                unit.values.setdefault(number, value)
                self.port_of_edge[i, number] = number
            else:
                if self.autograd.names[i] == "CopySlices" and not value.is_view:
                    unit.values[0] = value  # the result is the whole that was written to, not the view
                port = next((port for port, held in unit.values.items() if held is value), value.port)
                self.port_of_edge.setdefault((i, number), port)

    def _rewritten(self, i: int, unit: Unit, value: Value) -> int | None:
        """The CopySlices behind a view whose base was written to through it: that is the node of the writing operation."""
        # A lazy conjugate or negative is no stride of its base: autograd makes such a view anew step by step, each with a node of its own.
        wrote = unit.operation is not None and unit.operation.mutates and unit.operation.grad_enabled and value.number in unit.operation.results
        links, first = self.autograd.links[i], True
        while links and links[0] is not None and (first or (wrote and len(links) == 1 and links[0][0] not in self.of_node)):
            behind = links[0][0]
            if self.autograd.names[behind] == "CopySlices":
                return behind
            links, first = self.autograd.links[behind], False
        return None

    def _regenerated(self, value: Value, operation: Operation, i: int) -> bool:
        """Whether node i only makes a view anew after its base was written to, and is not the node of the writer."""
        return operation.mutates and self.autograd.names[i] != "CopySlices" and value.number not in operation.results

    def _show_wholes(self) -> None:
        """What was written to in part behind autograd's back, and then read as a whole, is that whole; what wrote there saw a part or an alias of it."""
        for value in self.tape.values:
            seen = value.used and value.edge is not None and not value.is_view and value.maker is not None
            writer = self.of_value.get(value.number) if seen else None
            if writer is not None and writer.operation is not None and writer.operation.mutates and writer.autograd is None and writer.label is None:
                writer.values[value.port] = value

    def _place_outputs(self) -> None:
        """Where each output is shown, and where its gradient arrives: what was written to behind autograd's back still is the result of another operation."""
        for output in self.outputs:
            number, place = output.value.number, self.arrival(output.value)
            shown = self.of_value.get(number)
            if place is not None and place[0].values.get(place[1]) is output.value:
                shown = place[0]
            elif place is not None and shown is not place[0]:
                self.fed[number] = place
            if shown is not None:
                self.shown[number] = shown
                if (shown.autograd is None or shown.kind == "leaf") and shown.label is None and output.value not in shown.values.values():
                    shown.values[output.value.port] = output.value  # what wrote there saw only an alias or a part of it

    def _forget_parts(self, reached: Collection[int]) -> None:
        """What is written to a part makes another whole, whose gradient arrives; where nobody saw more than the part, what the whole holds is not known."""
        for i, unit in self.of_node.items():
            if i in reached and self.autograd.names[i] == "CopySlices" and 0 in unit.values and unit.values[0].is_view:
                unit.values = {}

    def arrival(self, value: Value) -> tuple[Unit, int] | None:
        """The result at which a gradient of a value arrives, by its autograd node; None for leaves and data."""
        i = self.autograd.index.get(value.edge[0]) if value.edge is not None else None
        if i is None or value.edge is None:
            return None
        return self.of_node[i], self.port_of_edge.get((i, value.edge[1]), value.edge[1])

    def _give_ports_to_functions(self) -> None:
        """What a custom Function returned without a gradient takes the numbers that its differentiable results leave free."""
        read = {operand[1]: unit for unit in self.all for operand in unit.operands if type(operand) is tuple and unit.label is None}
        wanted = {number for number, unit in read.items() if self.inner_of_value.get(number, unit).function is not unit.function}
        wanted |= {output.value.number for output in self.outputs}
        for number in sorted(wanted & set(self.inner_of_value)):
            function, value = self.inner_of_value[number].function, self.tape.values[number]
            if function is not None and value not in function.values.values():
                function.values[next(port for port in range(len(function.values) + 1) if port not in function.values)] = value

    def _give_values_to_unread_functions(self) -> None:
        """A custom Function whose results nobody saw most likely returned what it made and did not use itself: first what can have a gradient."""
        self.unread = {unit: [] for unit in self.all if unit.label is not None and unit.operation is not None and not unit.values}
        for number, inner in self.inner_of_value.items():
            value = self.tape.values[number]
            if inner.function in self.unread and not value.used:
                self.unread[inner.function].append(value)
        for unit, values in self.unread.items():
            unit.values = dict(enumerate(sorted(values, key=lambda value: (not value.differentiable, value.number))))

    def _link_by_sequence(self) -> None:
        """Operations whose result nobody read: each is known by how many autograd nodes there were when it ran, and by its name."""
        free = Counter(unit.operation.moment for unit in self.all if _may_own_a_node(unit) and unit.operation is not None)
        unit_at = {unit.operation.moment: unit for unit in self.all if _may_own_a_node(unit) and unit.operation is not None}
        for i, node in enumerate(self.autograd.nodes):
            before = made_at(node) if i not in self.of_node and i not in self.autograd.custom else None
            if before is None:
                continue
            moment = before + 1
            unit = unit_at.get(moment)
            if unit is None or unit.operation is None or free[moment] != 1 or stem(self.autograd.names[i]) != unit.operation.op.rstrip("_"):
                continue
            unit.autograd = i
            self.of_node[i] = unit

    def _make_unexplained(self) -> None:
        """Autograd nodes that no recorded operation explains: made before the trace, by another thread, or views made anew."""
        before: dict[int, int] = {}
        for value in self.tape.values:
            i = self.autograd.index.get(value.edge[0]) if value.edge is not None and value.maker is None else None
            if i is not None:
                before[i] = min(before.get(i, value.number), value.number)
        for i, links in enumerate(self.autograd.links):
            unit = self.of_node.get(i)
            first = unit.order[0] if unit else before.get(i, len(self.tape.values) + 1)
            for link in links:
                if link is not None:
                    before[link[0]] = min(before.get(link[0], first), first)
            if unit is None:
                unit = Unit((first, -i - 1), "op", label=label_of(self.autograd.custom[i]) if i in self.autograd.custom else None, autograd=i)
                self.all.append(unit)
                self.of_node[i] = unit
                self.unexplained += 1
        for value in self.tape.values:  # what such a node made may be known all the same: somebody read it
            if value.edge is not None and value.edge[0] in self.autograd.index and not self.is_only_data(value):
                i = self.autograd.index[value.edge[0]]
                unit = self.of_node[i]
                if unit.operation is None and unit.kind == "op":
                    unit.values.setdefault(value.edge[1], value)
                    self.of_value.setdefault(value.number, unit)

    # --- which operand is which autograd edge

    def links(self, unit: Unit) -> tuple[tuple[int, int] | None, ...]:
        """Where the operands came from that autograd follows."""
        return self.autograd.links[unit.autograd] if unit.autograd is not None and unit.kind != "leaf" else ()

    def slots(self, unit: Unit) -> Mapping[int, int]:
        """Operand -> slot of the autograd node, by identity of what both say the operand came from."""
        links = self.links(unit)
        if not links:
            return NO_SLOTS
        if len(links) == 1 and len(unit.operands) == 1:  # the usual case
            operand = unit.operands[0]
            return ONE_SLOT if links[0] is not None and type(operand) is tuple and self._came_from(operand) == links[0] else NO_SLOTS
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
        value = self.tape.values[number]
        if wanted:
            leaf = self.leaf_of_object.get(value.object_id)
            return (leaf, 0) if leaf is not None else None
        if value.maker is not None:
            maker = self.tape.operations[value.maker]
            if maker.op in MATERIALISES and maker.grad_enabled and maker.uses and maker.uses[0][2]:
                return self._came_from(maker.uses[0])
        return None


def _same_elements(one: Value, other: Value) -> bool:
    """Whether two values of the same memory show the same of it, as far as is known."""
    return one.shape == other.shape and (one.held is None or other.held is None or one.snapshot == other.snapshot)


def _output_number(found: tuple[Edge, Value]) -> int:
    """First results first: compiled TorchScript gives its node to what it keeps for itself, too, but after what it returns."""
    return found[0][1]


def _counts_steps(operation: Operation) -> bool:
    """Whether an optimizer asks here how often it has been called: bookkeeping, in a call of its own."""
    return operation.place.step is not None and operation.op == "_local_scalar_dense"


def _order(operation: Operation, *, inside: bool = False) -> tuple[int, int]:
    """What makes a value stands where that value does; what only reads stands behind what it reads, a Function behind what runs inside it."""
    if operation.results:
        return (operation.results[0], 0)
    return (max(operation.clock - 1, *(use[1] for use in operation.uses), 0), 1 if inside else 3)


def _same_call_of_function(last: Operation, now: Operation) -> bool:
    """Whether the same call of a custom Function still runs; inside, autograd makes nodes only where the Function itself asks it to."""
    one, other = last.place, now.place
    if one.functions[:1] != other.functions[:1] or one.site is not other.site or one.depth != other.depth:
        return False
    if not counts_nodes():  # then two calls with the same arguments, one right after the other, cannot be told apart
        return one.arguments == other.arguments
    own = 1 if now.grad_enabled and any(use[2] for use in now.uses) else 0  # the node that the operation itself has just been given
    return last.moment in (now.moment, now.moment - own) or (last.grad_enabled and one.arguments == other.arguments)


def _may_own_a_node(unit: Unit) -> bool:
    operation = unit.operation
    if unit.autograd is not None or unit.label is not None or unit.function is not None or operation is None:
        return False
    return operation.grad_enabled and any(use[2] for use in operation.uses)
