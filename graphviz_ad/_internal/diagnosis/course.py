"""Graph -> Course: the parameters, passes and lines of a recorded program, as the looks for faults ask for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from graphviz_ad._internal.diagnosis.quoted import quoted
from graphviz_ad._internal.explain.consequences import is_root, is_update
from graphviz_ad._internal.explain.zeros import is_zero
from graphviz_ad._internal.graph.grad_history import ASIDE, PASS, STEP, GradHistory, history_of
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.notices import (
    BACKWARD_CALLS,
    HELD,
    MODEL,
    OF_NO_MODULE,
    OPTIMIZERS,
    RAISED_AT,
    STEPS_CALLED,
    WATCHED,
    WRITTEN_LINES,
    Notice,
    first_names,
    unread_parameters,
)
from graphviz_ad._internal.graph.pass_keys import with_shared_keys
from graphviz_ad._internal.graph.places import Place, place_of
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.graph.training_history import HeldGraphs
from graphviz_ad._internal.graph.written_program import RECORDING
from graphviz_ad._internal.operations.training import MOVES, SCALES
from graphviz_ad._internal.scene.annotations import is_write
from graphviz_ad._internal.scene.words.names import Names, graph_names, numbered_nodes

UNTRACED = ("finished tensors", "no dispatch modes")  # notices of graphs that say nothing of what was not read


@dataclass(frozen=True)
class Parameter:
    """A parameter of the model, or a leaf that requires grad: ``nodes`` are its values in their order, from the first
    that something was computed from; ``history`` is what became of its ``.grad``, ``came`` what passes brought,
    ``held_by`` the optimizers that hold it, None where no optimizer is known; ``by_hand``: whether the program writes
    to it between the passes.
    """

    name: str
    shape: tuple[int, ...]
    wanted: bool
    nodes: tuple[Node, ...]
    history: GradHistory | None
    held_by: tuple[str, ...] | None
    came: tuple[Snapshot, ...]
    by_hand: bool = False

    @property
    def read(self) -> bool:
        """Whether anything was computed from it."""
        return bool(self.nodes)

    @property
    def numel(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def module(self) -> str:
        """The dotted name of the module that holds it."""
        return self.name.rpartition(".")[0]

    def did(self, *what: str) -> bool:
        """Whether one of these events happened to its ``.grad``."""
        return self.history is not None and any(event.what in what for event in self.history.events)


@dataclass(frozen=True)
class WrittenLine:
    """A line of the program that matters to training: see `tracing.program_facts`."""

    what: str
    of: str
    source: str
    function: str
    in_loop: bool

    @cached_property
    def place(self) -> Place:
        """Where it stands."""
        return place_of(self.source) or Place(self.source, 0)

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self.place.file

    @property
    def number(self) -> int:
        """Which line of it; 0 where that is not said."""
        return self.place.number


@dataclass(frozen=True)
class Optimizer:
    """An optimizer that lived at the end; ``strangers`` is how many tensors it holds that no model has, ``called`` how
    often its step() was called, None where that was not noted.
    """

    kind: str
    names: tuple[str, ...]
    strangers: int
    rate: float | None
    called: int | None = None


class Course:
    """What is known of one recorded program."""

    def __init__(self, graph: Graph, *, stopped_early: bool = False) -> None:
        """Nothing is looked at before it is asked for; ``stopped_early``: the program would have gone on."""
        self.graph, self.stopped_early = with_shared_keys(graph), stopped_early

    @cached_property
    def passes(self) -> tuple[Graph, ...]:
        """The backward passes that brought something, in their order."""
        return tuple(
            done for done in self.graph.passes if done.has_gradients and any(map(had_gradient, done.node_list))
        )

    @cached_property
    def last_passes(self) -> tuple[Graph, ...]:
        """The last pass of each line that goes back: of several networks, each has its own."""
        whole = self.graph.passes
        lines = [call[0] for call in self.calls] if len(self.calls) == len(whole) else [None] * len(whole)
        known = {line: done for line, done in zip(lines, whole, strict=True) if done in self.passes}
        return tuple(known.values())

    @cached_property
    def names(self) -> Names:
        """What nodes are called."""
        return graph_names(self.graph)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        return {note.kind: note for note in self.graph.notes if not note.shown}

    @cached_property
    def lines(self) -> tuple[WrittenLine, ...]:
        """The lines of the program that matter."""
        note = self._facts.get(WRITTEN_LINES)
        return tuple(WrittenLine(*line) for line in note["lines"]) if note is not None else ()

    def lines_that(self, *what: str) -> list[WrittenLine]:
        """Those of these kinds."""
        return [line for line in self.lines if line.what in what]

    def in_the_loop(self, *what: str) -> list[WrittenLine]:
        """Those that stand in a function that calls backward()."""
        back = {(line.file, line.function) for line in self.lines_that("backward")}
        return [line for line in self.lines_that(*what) if (line.file, line.function) in back]

    @cached_property
    def optimizers(self) -> tuple[Optimizer, ...]:
        """Those that hold something of the model, if any does."""
        note = self._facts.get(OPTIMIZERS)
        known = (
            [Optimizer(kind, tuple(names), others, rate) for kind, names, others, rate in note["optimizers"]]
            if note
            else []
        )
        counts = self._facts[STEPS_CALLED]["counts"] if STEPS_CALLED in self._facts else ()
        known = [replace(one, called=count) for one, count in zip(known, counts, strict=True)] if counts else known
        return tuple(one for one in known if one.names)

    @cached_property
    def waited_for(self) -> tuple[Optimizer, ...]:
        """Those whose turn had not come where the program was stopped, while others had taken steps."""
        stepped = {p.name for p in self.trainable if p.did(STEP)}
        if not self.stopped_early or not stepped:
            return ()
        # of what holds others, too, it is not known whether it has stepped those
        idle = [one for one in self.optimizers if one.called == 0 or (one.called is None and not one.strangers)]
        return tuple(one for one in idle if stepped.isdisjoint(one.names))

    @cached_property
    def calls(self) -> tuple[tuple[str | None, bool, bool], ...]:
        """The backward calls: line, retain_graph, create_graph."""
        note = self._facts.get(BACKWARD_CALLS)
        return tuple((source, retain, create) for source, retain, create in note["calls"]) if note is not None else ()

    @cached_property
    def called_at(self) -> tuple[Place, ...]:
        """The lines of these calls, those that are known."""
        return tuple(place for source, *_ in self.calls if (place := place_of(source)) is not None)

    @cached_property
    def held(self) -> tuple[tuple[str | None, HeldGraphs], ...]:
        """What made results of earlier passes that live on, and who holds them."""
        note = self._facts.get(HELD)
        return tuple((made, HeldGraphs(*held)) for made, *held in note["held"]) if note is not None else ()

    @cached_property
    def watched(self) -> Notice | None:
        """What is known of a program of which summaries were kept, and no values."""
        return self._facts.get(WATCHED)

    @cached_property
    def of_model(self) -> frozenset[str]:
        """The names of the parameters that the model has."""
        note = self._facts.get(MODEL)
        return frozenset(note.subjects) if note is not None else frozenset()

    @cached_property
    def of_no_module(self) -> frozenset[str]:
        """The names of other tensors that are parameters by what they were made as."""
        note = self._facts.get(OF_NO_MODULE)
        made = set(note["tensors"]) if note is not None else set()
        return frozenset(p.name for p in self.parameters if any(node.ports[0].tensor in made for node in p.nodes))

    @property
    def raised_at(self) -> str | None:
        """The line of the program at which it raised."""
        note = self._facts.get(RAISED_AT)
        return str(note["source"]) if note is not None else None

    @cached_property
    def modules(self) -> dict[str, tuple[str, bool]]:
        """Module -> its class and whether it trains."""
        note = self._facts.get(MODEL)
        return {name: (kind, training) for name, kind, training in note["modules"]} if note is not None else {}

    @property
    def model_known(self) -> bool:
        """Whether a model was there when it was recorded."""
        return MODEL in self._facts

    @cached_property
    def parameters_known(self) -> bool:
        """Whether what nothing reads would be known, too: of a traced program, whose unread parameters are noticed,
        where no model ran whose parameters have no names.
        """
        if self.model_known or unread_parameters(self.graph.notes):
            return True
        traced = not self.calls and self.graph.name != RECORDING
        if not traced or any(note.kind in UNTRACED for note in self.graph.notes):
            return False
        return all(node.name for node in self.graph.node_list if node.kind == "leaf" and node.requires_grad)

    @cached_property
    def stepped(self) -> bool:
        """Whether an optimizer, or the program by hand, updated anything."""
        return any(p.did(STEP) for p in self.parameters) or any(node.is_step for node in self.graph.node_list)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All of them, in the order of the model, else in that of the program."""
        return tuple(self._parameters())

    def _parameters(self) -> Iterator[Parameter]:
        leaves = self._values_by_name()
        came = self._came()
        histories = {one.name: one for one in self.graph.grad_histories if one.name}
        for name, nodes in leaves.items():
            known = history_of(self.graph, nodes[0].ports[0].tensor)
            if known is not None:
                histories.setdefault(name, known)
        note, unread = self._facts.get(MODEL), unread_parameters(self.graph.notes)
        tied = first_names(self.graph.notes)
        told: dict[str, tuple[tuple[int, ...], bool]] = {}
        if note is not None:
            told = {
                name: (tuple(shape), wanted)
                for name, shape, wanted in zip(note.subjects, note["shapes"], note["wanted"], strict=True)
                if name not in tied
            }
        for name in unread:
            told.setdefault(name, ((), True))
        for name, nodes in leaves.items():
            if any(node.kind == "leaf" for node in nodes):  # else a leaf without a name was only written to
                told.setdefault(name, (nodes[0].ports[0].shape or (), nodes[0].requires_grad))
        for name, (shape, wanted) in told.items():
            held = tuple(one.kind for one in self.optimizers if name in one.names) if self.optimizers else None
            values = [alias for node in leaves.get(name, []) for alias in self._with_aliases(node)]
            first = next((i for i, node in enumerate(values) if self.is_read(node)), len(values))
            yield Parameter(
                name, shape, wanted, tuple(values[first:]), histories.get(name), held, tuple(came.get(name, ())),
                by_hand=any(self.is_write_between(node) for node in values[first:]),
            )  # fmt: skip

    def _values_by_name(self) -> dict[str, list[Node]]:
        """The values of leaves; one that has several names, as in a loop over all, has the first of them."""
        leaves: dict[str, list[Node]] = {}
        first: dict[int, str] = {}
        for node in self.graph.node_list:
            tensor = node.ports[0].tensor
            if node.name and (node.kind == "leaf" or tensor is not None):
                name = first.setdefault(tensor, node.name) if tensor is not None else node.name
                leaves.setdefault(name, []).append(node)
        return leaves

    def is_read(self, node: Node) -> bool:
        """Whether anything but its own next value is computed from a value of a parameter."""
        heads = [
            self.graph.nodes[edge.head] for edge in self.graph.out_edges(node.key) if not is_update(self.graph, edge)
        ]
        return any(not head.is_step and not self._is_written_part(head) for head in heads)

    def _with_aliases(self, node: Node) -> Iterator[Node]:
        """A value of a parameter, and what it is after a part of it was written to."""
        yield node
        for edge in self.graph.out_edges(node.key):
            part = self.graph.nodes[edge.head]
            if self._is_written_part(part):
                yield from (self.graph.nodes[use.head] for use in self.graph.out_edges(part.key))

    def _is_written_part(self, node: Node) -> bool:
        """Whether a node is a view under no_grad() that is only written to, as to fill a part of a parameter."""
        uses = [self.graph.nodes[edge.head] for edge in self.graph.out_edges(node.key)]
        return node.cut == "no_grad" and operation(node) in MOVES and bool(uses) and all(map(is_write, uses))

    def is_write_between(self, node: Node) -> bool:
        """Whether the program wrote this value itself, after the first backward pass."""
        if self.is_of_steps(node) or (node.kind == "leaf" and node.op is None):
            return False
        return self.order[node.key] > self._first_root

    def is_of_steps(self, node: Node) -> bool:
        """Whether an optimizer did it, or it stands where one takes steps."""
        return node.is_step or (node.source is not None and self._place(node) in self._step_places)

    @cached_property
    def _step_places(self) -> frozenset[tuple[str | None, str | None]]:
        """Where optimizers take steps; not a line in which something else is computed that cannot be told apart."""
        nodes = self.graph.node_list
        others = {self._place(node) for node in nodes if node.kind == "op" and node.requires_grad and not node.is_step}
        return frozenset({self._place(node) for node in nodes if node.is_step} - others)

    def _place(self, node: Node) -> tuple[str | None, str | None]:
        """Line and statement."""
        statement = self.graph.statements[node.statement] if node.statement is not None else None
        return node.source, statement.text if statement is not None else None

    @cached_property
    def order(self) -> dict[str, int]:
        """Node -> its place in the order in which they were computed."""
        return {node.key: i for i, node in enumerate(self.graph.node_list)}

    @cached_property
    def _first_root(self) -> int:
        return min((self.order[root.key] for root in self.roots if root.key in self.order), default=-1)

    def _came(self) -> dict[str, list[Snapshot]]:
        """Name -> what each pass brought."""
        found: dict[str, list[Snapshot]] = {}
        for one in self.graph.grad_histories:
            brought = [
                event.brought for event in one.events if event.what in (PASS, ASIDE) and event.brought is not None
            ]
            if one.name and brought:
                found[one.name] = brought
        told = frozenset(found)
        for done in self.passes:
            for node in done.node_list:
                if node.kind == "leaf" and node.name and node.name not in told and node.grad is not None:
                    found.setdefault(node.name, []).append(node.grad)
        return found

    @cached_property
    def trainable(self) -> tuple[Parameter, ...]:
        """The parameters that require grad."""
        return tuple(p for p in self.parameters if p.wanted)

    def out_of(self, names: Iterable[str]) -> int:
        """Of how many that are trained these are some: of the parameters of the model, if they all are."""
        own = [p for p in self.trainable if p.name in self.of_model]
        return len(own) if self.of_model.issuperset(names) else len(self.trainable)

    @cached_property
    def moving(self) -> frozenset[str]:
        """The names of those that a gradient other than 0 came to."""
        return frozenset(p.name for p in self.trainable if p.came and not all(map(is_zero, p.came)))

    def share(self, names: Sequence[str]) -> float:
        """Which part of all numbers that are trained these parameters are."""
        whole = sum(p.numel for p in self.trainable) or 1
        sizes = {p.name: p.numel for p in self.parameters}
        return sum(sizes.get(name, 0) for name in names) / whole

    @cached_property
    def roots(self) -> tuple[Node, ...]:
        """Where each pass began, in their order."""
        return tuple(node for done in self.graph.passes for node in done.node_list if is_root(node))

    @cached_property
    def losses(self) -> tuple[Node, ...]:
        """The same, and what a pass was to begin at where the program was stopped: results that the lines of the others
        made behind them all.
        """
        last = max((self.order.get(root.key, -1) for root in self.roots), default=len(self.order))
        lines = {(root.source, root.op) for root in self.roots if root.source is not None}
        later = self.graph.node_list[last + 1 :] if self.stopped_early else []
        return (*self.roots, *(node for node in later if node.requires_grad and (node.source, node.op) in lines))

    @cached_property
    def scaled_by(self) -> float:
        """By how much a GradScaler multiplies losses, so that gradients are as many times as large until a step."""
        found = [1.0]
        for root in self.roots if self.lines_that("GradScaler", "scale") else ():
            tails = [self.graph.nodes[edge.tail] for edge in self.graph.in_edges(root.key)]
            given = [tail.value for tail in tails if operation(root) in SCALES and not tail.requires_grad]
            found += [abs(value.item()) for value in given if value is not None and value.numel == 1 and value.known]
        return float(max(found))

    def line_that_made(self, module: str) -> str | None:
        """Where the program sets the layer of this name, or one that it is in, if it does so in one place."""
        parts = module.split(".")
        for i in reversed(range(len(parts))):
            found = [line for line in self.lines_that("sets", "registers") if line.of == parts[i]]
            owner = self.modules.get(".".join(parts[:i]), ("", False))[0]
            own = [line for line in found if line.function.partition(".")[0] == owner] or found
            if len(own) == 1:
                return own[0].source
        return None

    def is_set_in_one_place(self, module: str) -> bool:
        """Whether one line alone of the program sets an attribute that is called so, or like a module around it."""
        often = Counter(line.of for line in self.lines_that("sets"))
        return any(often[part] == 1 for part in module.split("."))

    def line_that_built(self) -> str | None:
        """Where the program puts the model into a variable, if it does so in one place."""
        kinds = {self.modules[name][0] for name in self.modules if "." not in name}
        found = [line for line in self.lines_that("builds") if line.of in kinds]
        return found[0].source if len(found) == 1 else None

    def forward_of(self, module: str) -> str | None:
        """Where the class of the module that holds this one says what it computes."""
        parent = self.modules.get(module.rpartition(".")[0] if module else "", ("", False))[0]
        found = [line.source for line in self.lines_that("forward") if line.of == parent]
        return found[0] if len(found) == 1 else None

    def operand(self, node: Node, slot: int = 0) -> Node | None:
        """What a node was given there."""
        edge = self.edge_to(node, slot)
        return self.graph.nodes[edge.tail] if edge is not None else None

    def edge_to(self, node: Node, slot: int = 0) -> Edge | None:
        """The edge on which it came."""
        return next((edge for edge in self.graph.in_edges(node.key) if edge.slot == slot), None)

    def made_of(self, node: Node, slot: int = 0) -> Node | None:
        """What an operand was before its elements were merely moved."""
        found = self.operand(node, slot)
        while found is not None and found.kind == "op" and operation(found) in MOVES:
            before = self.operand(found)
            if before is None:
                break
            found = before
        return found

    def computes(self, *ops: str) -> Iterator[Node]:
        """The nodes of these operations, whatever they are within."""
        yield from (node for node in self.graph.node_list if node.kind == "op" and operation(node) in ops)

    def described(self, node: Node) -> str:
        """ "h (relu, train.py:12)"; of what has no name, the line as it is written: "`loss = f(x - y)` (sub, …)"."""
        facts = [fact for fact in (operation(node), node.source) if fact]
        if node.name and (node.is_step or node.kind == "leaf"):  # not by which step wrote it
            return node.name if node.name in self._of_all else f"{node.name} ({node.source})" if facts else node.name
        written = quoted(self.graph, node) if node.key in self._numbered else None
        called = self.names.of[node.key] if written is None else f"`{written}`"
        return called + (f" ({', '.join(facts)})" if facts else "")

    def operand_name(self, node: Node) -> str:
        """What is said of a node beside another that is told whole: its name, else what computed it."""
        what = f"the result of {operation(node)}" if operation(node) else "a number"
        return what if node.key in self._numbered else self.names.of[node.key]

    @cached_property
    def _of_all(self) -> frozenset[str]:
        return frozenset(p.name for p in self.parameters)

    @cached_property
    def _numbered(self) -> frozenset[str]:
        """The nodes that the program has no name for."""
        return frozenset(node.key for node in numbered_nodes(self.graph))

    def leads_on(self, node: Node) -> bool:
        """Whether a gradient went through it in some pass; a call may be one node in one, and several in another."""
        keys, calls = self._reached
        return node.key in keys or (node.call is not None and node.call in calls)

    @cached_property
    def _reached(self) -> tuple[frozenset[str], frozenset[int]]:
        found = [node for done in self.passes for node in done.node_list if had_gradient(node)]
        return frozenset(node.key for node in found), frozenset(node.call for node in found if node.call is not None)


def had_gradient(node: Node) -> bool:
    """Whether a gradient arrived at a node."""
    return any(port.grad is not None for port in node.ports)


def operation(node: Node) -> str:
    """What was done, without what says that it was done in place."""
    return (node.op or "").rstrip("_")


def argument(node: Node, name: str) -> Any:
    """A setting of an operation; None where it has no such."""
    return dict(node.arguments).get(name)


def module_of(node: Node) -> str | None:
    """The module that a node ran in."""
    return node.module[-1] if node.module else None
