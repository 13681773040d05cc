"""Graph -> the scopes that each operation ran in, outermost first: modules, calls of the user's functions, statements.

Scopes of one node are nested as they ran: what lasted longer is further out, and what began and ended together is one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TypeVar

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.statements import Statement, called_as

T = TypeVar("T")
Place = tuple[Hashable, str, str, str]  # what it is, its kind, its name, what is called
Surrounding = tuple[tuple[str, ...], tuple[Place, ...]]
MODULE, FUNCTION, LINE = "module", "function", "line"  # in the order in which they give a name


@dataclass(frozen=True, slots=True)
class Scope:
    """One time that a module, a function or a statement ran; ``names`` are all by which it can be asked for,
    ``called`` is the function or class that ran.
    """

    kind: str
    run: int
    name: str
    names: tuple[str, ...] = ()
    called: str = ""


def is_source(graph: Graph, node: Node) -> bool:
    """Whether a node is there before the program computes anything: an input, a parameter, a number."""
    return not graph.in_edges(node.key) and (node.kind == "leaf" or (node.kind == "data" and node.op is None))


def scopes_of(graph: Graph, timed: Sequence[Node]) -> list[tuple[Scope, ...]]:
    """The scopes of each of these nodes, which stand in the order in which they ran; without those around them all."""
    runs = Runs()
    places = Places(graph.statements)
    each = [
        (
            [runs.met(time, path[: i + 1], MODULE, name, "") for i, name in enumerate(path)],
            [runs.met(time, *place) for place in around],
        )
        for time, (path, around) in enumerate(surroundings(timed, places))
    ]
    fused: dict[tuple[int, ...], Scope] = {}
    return [
        tuple([runs.fused(group, fused) for group in runs.together(modules, program, len(timed))])
        for modules, program in each
    ]


def surroundings(timed: Sequence[Node], places: Places) -> list[Surrounding]:
    """The modules that each node ran in, and its places in the program. Where nobody knows them, as of views that come
    of writing to a part of a tensor, they are those that the nodes before and after it share.
    """
    known = [(node.module, places.of(node)) if node.statement is not None or node.module else None for node in timed]
    before, after = list(filled(known)), list(filled(known[::-1]))[::-1]
    return [
        (shared(path, next_path), shared(around, next_around))
        for (path, around), (next_path, next_around) in zip(before, after, strict=True)
    ]


def filled(known: Iterable[Surrounding | None]) -> Iterator[Surrounding]:
    """Those that are known, and in the place of others the last before them."""
    last: Surrounding = (), ()
    for here in known:
        last = here if here is not None else last
        yield last


def shared(one: tuple[T, ...], other: tuple[T, ...]) -> tuple[T, ...]:
    """What both begin with."""
    return tuple([a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])


class Places:
    """The calls and statements that a node of a graph ran in, outermost first, looked up once a statement."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self.statements = statements
        self.known: dict[int, tuple[Place, ...]] = {}

    def of(self, node: Node) -> tuple[Place, ...]:
        """(what it is, its kind, its name, what is called) for each."""
        here, inner = node.statement, []
        while here is not None and here not in self.known:
            inner.append(here)
            here = self.statements[here].caller
        so_far = self.known[here] if here is not None else ()
        for place in reversed(inner):
            statement = self.statements[place]
            function = called_as(statement.function)
            of_class = function if statement.function.endswith(".forward") else ""
            line = next(iter(statement.targets), None) or statement.text or statement.source or ""
            so_far = (
                *so_far,
                ((FUNCTION, statement.call), FUNCTION, function, of_class),
                ((LINE, place), LINE, line, ""),
            )
            self.known[place] = so_far
        return so_far


class Runs:
    """Numbers for the times that something ran without a break, and how long each lasted."""

    def __init__(self) -> None:
        self.last: dict[Hashable, tuple[int, int]] = {}
        self.scopes: list[Scope] = []
        self.first: list[int] = []
        self.end: list[int] = []

    def met(self, time: int, what: Hashable, kind: str, name: str, called: str) -> int:
        """The run that this time belongs to."""
        before, run = self.last.get(what, (-2, -1))
        if before < time - 1:
            run = len(self.scopes)
            self.scopes.append(Scope(kind, run, name, (name,), called))
            self.first.append(time)
            self.end.append(time)
        self.end[run] = time
        self.last[what] = (time, run)
        return run

    def extent(self, run: int) -> tuple[int, int]:
        """When a run began, and when it ended, the longer the smaller."""
        return self.first[run], -self.end[run]

    def together(self, modules: Iterable[int], program: Iterable[int], times: int) -> Iterator[tuple[int, ...]]:
        """The runs of one node from the outermost to the innermost; those that lasted as long are one."""
        group: list[int] = []
        ordered = sorted([*modules, *program], key=lambda run: self.first[run] - self.end[run])
        for run in ordered:
            if self.extent(run) == (0, 1 - times):
                continue
            if group and self.extent(group[-1]) != self.extent(run):
                yield tuple(group)
                group = []
            group.append(run)
        if group:
            yield tuple(group)

    def fused(self, group: tuple[int, ...], known: dict[tuple[int, ...], Scope]) -> Scope:
        """Runs that lasted as long as one scope, with the name of the outermost module, else function, else line."""
        if group not in known:
            scopes = [self.scopes[run] for run in group]
            best = next(one for kind in (MODULE, FUNCTION, LINE) for one in scopes if one.kind == kind)
            called = next((one.called for one in scopes if one.called), "")
            names = tuple(dict.fromkeys(one.name for one in scopes))
            known[group] = replace(best, run=group[0], names=names, called=called)
        return known[group]
