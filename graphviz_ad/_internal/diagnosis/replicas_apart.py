"""Courses of several ranks that train one model -> findings about what has to be the same on all of them and is not:
parameters, the gradients that steps read, and what is computed of the same numbers.

That ranks hold copies of one model is read off the recording: DistributedDataParallel is a module of it, or what most
steps read is the same on all ranks although each had a gradient of its own, or most parameters begin the same. Ranks
that hold pieces or stages of a model are left alone, and so is different data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from graphviz_ad._internal.diagnosis.course import Course, Parameter, module_of, operation
from graphviz_ad._internal.diagnosis.divergence import diverging
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Finding, Severity
from graphviz_ad._internal.explain.consequences import is_root
from graphviz_ad._internal.graph.grad_history import EMPTIED, FOUND, PASS, REPLACED, STEP, UPDATED, WRITTEN
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.messages import PAIRS
from graphviz_ad._internal.graph.notices import STOOD_FOR, WITHOUT_GRADIENT
from graphviz_ad._internal.graph.rank_messages import message_of
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import runs_agree, tolerance_between_runs
from graphviz_ad._internal.operations.traits import RANDOM

DDP = "DistributedDataParallel"
IN_PIECES = ("FullyShardedDataParallel", "FSDP")  # beginnings of what torch calls modules that it cuts up
INSIDE = "inside wrappers"
MOST_APART = 0.5  # of the parameters may differ where most are the same


@dataclass(frozen=True)
class Taken:
    """What a step read in ``.grad`` of a parameter, or what that held at the end; ``stepped``: whether a step did."""

    values: tuple[Snapshot | None, ...]
    stepped: bool


class Replicas:
    """The copies of one model that several ranks hold."""

    def __init__(self, courses: Mapping[int, Course]) -> None:
        self.courses = courses
        self.first, *self.others = courses
        self._of = {rank: {p.name: p for p in course.trainable} for rank, course in courses.items()}

    def of(self, name: str) -> list[Parameter]:
        """A parameter on each rank."""
        return [own[name] for own in self._of.values()]

    def starts(self, name: str) -> list[Snapshot | None]:
        """The value that the first backward pass went back to, on each rank; None where that is not known, as where
        a communication wrote to it.
        """
        pairs = zip(self.courses.values(), self.of(name), strict=True)
        return [start(course, p) for course, p in pairs]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters that all ranks have, in one shape."""
        return tuple(
            name
            for name, p in self._of[self.first].items()
            if all(name in own and own[name].shape == p.shape for own in self._of.values())
        )

    @cached_property
    def wrapped(self) -> tuple[str, ...] | None:
        """The modules that are in DistributedDataParallel, by the beginnings of names of parameters; None: none is."""
        found = [
            {name for name, (kind, _) in course.modules.items() if kind == DDP} for course in self.courses.values()
        ]
        both = set.intersection(*found)
        return tuple(f"{name}." if name else "" for name in sorted(both)) or None

    @cached_property
    def in_pieces(self) -> bool:
        """Whether ranks hold parts of a model."""
        return any(map(is_in_pieces, self.courses.values()))

    @cached_property
    def unequal(self) -> tuple[str, ...]:
        """The parameters that do not begin the same on all ranks."""
        return tuple(name for name in self.names if differ(self.starts(name)))

    @cached_property
    def unsynchronised(self) -> tuple[str, ...]:
        """The parameters of which ranks have, or step by, different gradients."""
        return tuple(name for name in self.names if self._is_apart(name))

    def _is_apart(self, name: str) -> bool:
        each = self.of(name)
        if not all(p.came for p in each):  # what another rank's gradient was when a step read it, nobody saw
            ends = [p.history.holds for p in each if p.history is not None]
            return len(ends) == len(each) and (differ(ends) or holes(ends))
        known = [taken(p) for p in each]
        rows = zip(*(one.values for one in known), strict=False)
        if len({one.stepped for one in known}) > 1 or not any(differ(row) or holes(row) for row in rows):
            return False
        ends = [p.nodes[-1].ports[0].value if p.nodes else None for p in each]
        # steps apart that end at the same are those of ranks that average parameters
        return not known[0].stepped or None in ends or differ(ends)

    @cached_property
    def reduced(self) -> tuple[str, ...]:
        """The parameters whose own gradients differ between the ranks and that step by the same."""
        return tuple(
            name
            for name in self.names
            if name not in self.unsynchronised and differ([p.came[-1] if p.came else None for p in self.of(name)])
        )

    @cached_property
    def certain(self) -> bool:
        """Whether the program itself says that the ranks hold copies."""
        return self.wrapped is not None or bool(self.reduced)

    @cached_property
    def are_copies(self) -> bool:
        """Whether the ranks hold copies of one model."""
        whole = all(len(own) == len(self.names) for own in self._of.values())
        if not self.names or not whole or self.in_pieces:
            return False
        if self.wrapped is not None or len(self.reduced) > MOST_APART * len(self.names):
            return True
        known = [name for name in self.names if None not in self.starts(name)]
        return bool(known) and len(self.unequal) <= MOST_APART * len(known) / 2

    @property
    def stepped(self) -> bool:
        """Whether a step was taken on every rank."""
        return all(course.stepped for course in self.courses.values())


def is_in_pieces(course: Course) -> bool:
    """Whether a rank holds a part of a model: pieces of parameters, as of FSDP, or a stage that sends to others."""
    kinds = {note.kind for note in course.graph.notes}
    messages = (message_of(node) for node in course.graph.node_list if node.messages)
    wrapped = any(kind.startswith(IN_PIECES) for kind, _ in course.modules.values())
    return (
        bool(kinds & {STOOD_FOR, INSIDE})
        or wrapped
        or any(message is not None and message.kind in PAIRS for message in messages)
    )


def start(course: Course, p: Parameter) -> Snapshot | None:
    """The value that a parameter had in the first pass."""
    first = p.nodes[0] if p.nodes else None
    if first is None or not course.roots or course.order[first.key] > course.order.get(course.roots[0].key, -1):
        return None
    return first.ports[0].value


def taken(p: Parameter) -> Taken:
    """What the steps read."""
    if p.history is None:
        return Taken((), False)
    found: list[Snapshot | None] = []
    holds: Snapshot | None = None
    before = ""
    for event in p.history.events:
        if event.what in (FOUND, PASS, WRITTEN, REPLACED):
            holds = event.holds
        elif event.what == EMPTIED:
            holds = None
        elif event.what in (STEP, UPDATED) and before not in ("", STEP, UPDATED):
            found.append(holds)
        before = event.what if event.what == PASS or before else ""  # what fills a parameter before is no step
    return Taken(tuple(found), True) if found else Taken((p.history.holds,), False)


def differ(values: Sequence[Snapshot | None]) -> bool:
    """Whether some of these are known not to be the same."""
    known = [value for value in values if value is not None]
    return any(
        runs_agree(known[0], other, tolerance_between_runs((known[0].dtype, other.dtype), 0)) is False
        for other in known[1:]
    )


def holes(values: Sequence[Snapshot | None]) -> bool:
    """Whether some ranks have a gradient and others have none."""
    return 0 < sum(value is None for value in values) < len(values)


# --- the looks


def replicas_apart(courses: Mapping[int, Course]) -> Iterator[Finding]:
    """All of them."""
    if len(courses) < 2:
        return
    copies = Replicas(courses)
    if not copies.are_copies:
        return
    yield from _unequal(copies)
    yield from _unsynchronised(copies)
    yield from _diverging(copies)
    yield from _other_operations(copies)


def _about(copies: Replicas, names: Sequence[str]) -> dict[str, object]:
    return {"parameters": len(names), "of": len(copies.names), "names": tuple(names), "ranks": tuple(copies.courses)}


def _unequal(copies: Replicas) -> Iterator[Finding]:
    names = copies.unequal
    if not names:
        return
    nodes = copies.of(names[0])[0].nodes
    apart = _ranks_apart(copies, names[0])
    yield Finding(
        "parameters-not-equal", ERROR if copies.certain else WARNING, names[0] if len(names) == 1 else None,
        names[0].rpartition(".")[0] or None, _made_or_read(copies, names[0]),
        {**_about(copies, names), "apart": apart, "wrapped": copies.wrapped is not None}, names,
        confidence="certain" if copies.certain else "likely", weight=140, key=nodes[0].key if nodes else None,
        ranks=(copies.first, *apart),
    )  # fmt: skip


def _made_or_read(copies: Replicas, name: str) -> str | None:
    """The line that makes the layer of a parameter, or the first that reads it."""
    course = copies.courses[copies.first]
    made = course.line_that_made(name.rpartition(".")[0])
    uses = [edge.head for node in copies.of(name)[0].nodes[:1] for edge in course.graph.out_edges(node.key)]
    return made or next((source for key in uses if (source := course.graph.nodes[key].source)), None)


def _ranks_apart(copies: Replicas, name: str) -> tuple[int, ...]:
    """The ranks whose parameter is another than that of the first."""
    mine, *others = copies.starts(name)
    return tuple(rank for rank, value in zip(copies.others, others, strict=True) if differ([mine, value]))


def _unsynchronised(copies: Replicas) -> Iterator[Finding]:
    names = tuple(name for name in copies.unsynchronised if name not in copies.unequal)
    if not names or any(_awaits_others(course) for course in copies.courses.values()):
        return
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_why_apart(copies, name), []).append(name)
    for why, group in groups.items():
        if why == HELD_BACK:
            yield _unused(copies, group)
            continue
        yield Finding(
            "gradients-not-synchronised", _severity(copies), group[0] if len(group) == 1 else None,
            group[0].rpartition(".")[0] or None, _line(copies, group[0], why),
            {**_about(copies, group), "why": why, "stepped": copies.stepped,
             "synchronised": len(copies.reduced)},
            tuple(group), confidence="certain" if copies.certain and copies.stepped else "likely", weight=130,
            key=_key(copies, group[0]), ranks=tuple(copies.courses),
        )  # fmt: skip


def _severity(copies: Replicas) -> Severity:
    if not copies.stepped:
        return NOTE  # the rest of the step may come after the recording
    return ERROR if copies.certain else WARNING


def _awaits_others(course: Course) -> bool:
    """Whether a rank stopped before its gradients could be the same, which is told by why it did."""
    return bool(course.graph.failures)


def _key(copies: Replicas, name: str) -> str | None:
    nodes = copies.of(name)[0].nodes
    return nodes[0].key if nodes else None


OUTSIDE, NOT_CALLED, HELD_BACK, LEFT_OUT, NEVER = "outside", "not called", "held back", "left out", "never"


def _why_apart(copies: Replicas, name: str) -> str:
    """What kept the ranks from having the same gradient."""
    if copies.wrapped is None:
        return LEFT_OUT if copies.reduced else NEVER
    if not any(name.startswith(prefix) for prefix in copies.wrapped):
        return OUTSIDE
    if any(p.name.startswith(copies.wrapped) and not p.came for own in map(copies.of, copies.names) for p in own):
        return HELD_BACK
    return NOT_CALLED


def _line(copies: Replicas, name: str, why: str) -> str | None:
    """The line that it is about: where the layer is made, or where the last backward pass began."""
    course = copies.courses[copies.first]
    made = course.line_that_made(name.rpartition(".")[0]) if why == OUTSIDE else None
    return made or (course.calls[-1][0] if course.calls else None)


def _unused(copies: Replicas, names: Sequence[str]) -> Finding:
    """Parameters that get no gradient, for which DistributedDataParallel waits and averages nothing."""
    prefixes = copies.wrapped or ()
    idle = {rank: idle_names(course, prefixes) for rank, course in copies.courses.items()}
    first = next(rank for rank, own in idle.items() if own)
    found = tuple(dict.fromkeys(name for own in idle.values() for name in own))
    return unused_finding(
        copies.courses[first], found, tuple(rank for rank, own in idle.items() if own), held_back=tuple(names)
    )


def idle_names(course: Course, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """The parameters inside that no pass came to."""
    return tuple(p.name for p in course.trainable if p.name.startswith(prefixes) and not p.came)


def unused_finding(
    course: Course, names: tuple[str, ...], ranks: tuple[int, ...] = (), held_back: tuple[str, ...] = ()
) -> Finding:
    """That DistributedDataParallel waits for the gradients of parameters to which none comes."""
    module = names[0].rpartition(".")[0]
    return Finding(
        "unused-under-ddp", ERROR, names[0] if len(names) == 1 else None, module or None,
        course.line_that_made(module) or course.raised_at or (course.calls[-1][0] if course.calls else None),
        {"parameters": len(names), "of": len(course.trainable), "names": names, "held_back": held_back,
         "raised": bool(course.graph.failures)},
        names, confidence="certain" if course.graph.failures else "likely", weight=215, ranks=ranks,
    )  # fmt: skip


def waited_for(course: Course) -> tuple[str, ...]:
    """The parameters for which DistributedDataParallel waited, as it said itself."""
    return next((note.subjects for note in course.graph.notes if note.kind == WITHOUT_GRADIENT), ())


# --- what is computed of the same numbers


def _diverging(copies: Replicas) -> Iterator[Finding]:
    """The first operation that makes another result, or sends back another gradient, of the same numbers."""
    mine = copies.courses[copies.first]
    for rank in copies.others:
        other = copies.courses[rank]
        passes = list(zip(mine.passes, other.passes, strict=False))
        for one, twin in dict.fromkeys([*passes[:1], *passes[-1:]]):
            found = _parting(_computed(one), _computed(twin))
            if found is None:
                continue
            way, (node, there) = found
            yield Finding(
                "ranks-diverge", WARNING, node.name, module_of(node), node.source,
                {"way": way, "ranks": (copies.first, rank), "at": mine.described(node),
                 "other": other.described(there)},
                confidence="likely", weight=60, key=node.key, ranks=(copies.first, rank),
            )  # fmt: skip
            return


def _parting(a: Graph, b: Graph) -> tuple[str, tuple[Node, Node]] | None:
    """Where two ranks part, and whether forward or backward; None where other data may be the reason."""
    fed = zip(*(_fed(graph) for graph in (a, b)), strict=False)
    if any(differ(pair) for pair in islice(fed, 1)):
        return None
    found = diverging(a, b)
    if found.first_forward is not None:
        pair, way = found.first_forward, "forward"
    elif found.first_backward is not None and _same_data(a, b, found.pairs):
        pair, way = found.first_backward, "backward"
    else:
        return None
    return (way, pair) if all(map(_is_told, pair)) else None


def _computed(done: Graph) -> Graph:
    """What led to that at which a backward pass began: neither steps nor what the ranks sent each other after it."""
    kept = {node.key for node in done.node_list if is_root(node)}
    waiting = list(kept)
    while waiting:
        key = waiting.pop()
        if done.nodes[key].is_step:
            continue
        for edge in done.in_edges(key):
            if edge.tail not in kept:
                kept.add(edge.tail)
                waiting.append(edge.tail)
    nodes = [node for node in done.node_list if node.key in kept]
    edges = [e for e in done.edges if {e.tail, e.head} <= kept and not done.nodes[e.head].is_step]
    return done.with_parts(nodes, edges)


def _fed(graph: Graph) -> Iterator[Snapshot | None]:
    """The data that came in and is read."""
    return (node.value for node in graph.node_list if node.kind == "data" and graph.out_edges(node.key))


def _same_data(a: Graph, b: Graph, pairs: Mapping[str, str]) -> bool:
    """Whether both read the same of everything that came in."""
    data = [node for node in a.node_list if node.kind == "data" and a.out_edges(node.key)]
    return all(
        node.key in pairs
        and node.ports[0].value is not None
        and not differ([node.ports[0].value, b.nodes[pairs[node.key]].ports[0].value])
        for node in data
    )


def _is_told(node: Node) -> bool:
    """Whether it is an operation of what is trained, and none that is another each time."""
    return node.kind == "op" and node.requires_grad and not node.messages and operation(node) not in RANDOM


def _other_operations(copies: Replicas) -> Iterator[Finding]:
    """The first operation of what is trained that is another on some rank."""
    mine = copies.courses[copies.first]
    own = _trained_operations(mine)
    for rank in copies.others:
        theirs = _trained_operations(copies.courses[rank])
        if [key for key, _ in own] == [key for key, _ in theirs]:
            continue
        shorter = min(len(own), len(theirs))
        place = next((i for i in range(shorter) if own[i][0] != theirs[i][0]), shorter)
        here, there = (row[place][1] if place < len(row) else None for row in (own, theirs))
        told = here or there
        assert told is not None
        yield Finding(
            "operations-differ", NOTE, told.name, module_of(told), told.source,
            {"ranks": (copies.first, rank), "at": mine.described(here) if here is not None else None,
             "other": copies.courses[rank].described(there) if there is not None else None,
             "modules": tuple(module_of(node) if node is not None else None for node in (here, there))},
            confidence="likely", weight=16, key=told.key, ranks=(copies.first, rank) if here else (rank, copies.first),
        )  # fmt: skip
        return


def _trained_operations(course: Course) -> list[tuple[tuple[str, str | None], Node]]:
    return [
        ((operation(node), node.module[-1] if node.module else None), node)
        for node in course.graph.node_list
        if node.kind == "op" and node.requires_grad and not node.messages and not node.is_step
    ]
