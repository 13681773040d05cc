"""What happened to leaves and their ``.grad`` between backward passes -> chapters: clipped, stepped, emptied.

What happened before a forward pass began and what after is told by the calls that had begun by then. Where nobody saw
when another tensor, or None, was put into ``.grad``, it is told right before the next backward pass, where it is true
in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from graphviz_ad._internal.graph.grad_history import (
    ASIDE,
    EMPTIED,
    FOUND,
    PASS,
    REPLACED,
    STEP,
    UPDATED,
    WRITTEN,
    GradEvent,
    GradHistory,
)
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import allowed, equal
from graphviz_ad._internal.maths.update_lines import MadeLine, update_lines
from graphviz_ad._internal.operations.optimizers import BY_HAND, RATE

UNDATED = (EMPTIED, REPLACED)  # of which it is only known that it happened since the last look
MOVES = (STEP, UPDATED)  # what changes the leaf itself
ADDS = "alpha"  # the setting of an addition in place: what the second operand is multiplied by


@dataclass(frozen=True)
class Rule:
    """``old + factor · read`` is what was written, and that was held against the numbers."""

    factor: float
    read: Snapshot


@dataclass(frozen=True)
class Deed:
    """What happened to one leaf: ``old`` and ``new`` are its values where it was moved, those of ``.grad`` else;
    None where they are not known, or where there is no ``.grad``, which is ``held`` afterwards. ``lines`` are those of
    an optimizer's step, as far as they are known to be true; ``update`` is what the optimizer knew and remembers.
    """

    leaf: str
    old: Snapshot | None = None
    new: Snapshot | None = None
    rule: Rule | None = None
    held: Snapshot | None = None
    lines: tuple[MadeLine, ...] = ()
    update: OptimizerUpdate | None = None


@dataclass(frozen=True)
class Addition:
    """What a pass brought to one leaf: what ``.grad`` was before, if it was anything, and the ``total`` that it is
    since.
    """

    leaf: str
    before: Snapshot | None
    brought: Snapshot | None
    total: Snapshot | None


@dataclass(frozen=True)
class Chapter:
    """What one call, or one line of the program, did to leaves; ``what`` as in `GradEvent`."""

    what: str
    by: str | None
    source: str | None
    deeds: tuple[Deed, ...]
    dated: bool = True  # whether it is known when that was


@dataclass(frozen=True)
class Dated:
    """An event, the ``.grad`` before it, and, of what moves the leaf, its place among these."""

    event: GradEvent
    before: Snapshot | None
    move: int | None


@dataclass(frozen=True)
class Life:
    """All that happened to one leaf, whose box has the key ``leaf``."""

    leaf: str
    history: GradHistory
    events: tuple[Dated, ...]
    values: tuple[tuple[Node, Snapshot | None], ...]  # what wrote it, and what it held then, in their order
    first: Snapshot | None = None  # what it held in the first pass

    def moved(self, move: int) -> tuple[Snapshot | None, Snapshot | None, Node | None]:
        """What the leaf was before and after it was moved, and by which node, as far as that is known."""
        shift = len(self.values) - len(self.moves)
        writer, made = self.values[move + shift] if shift in (0, 1) else (None, None)
        if writer is None or writer.op is None:  # it is no writer
            return self.value_of_move(move - 1), self.moves[move].value, None
        return self.value_of_move(move - 1), self.moves[move].value or made, writer

    @cached_property
    def moves(self) -> tuple[GradEvent, ...]:
        """What moved it."""
        return tuple([one.event for one in self.events if one.move is not None])

    def value_of_move(self, move: int) -> Snapshot | None:
        """What the leaf was since it was moved, −1 for what it was before all of that."""
        if move >= 0:
            return self.moved(move)[1]
        return self.first if self.moves and (self.moves[0].after or 0) > 0 else self.at_first

    @property
    def at_first(self) -> Snapshot | None:
        """What it held before anything was done to it: where one value alone was made by nothing."""
        unmade = [value for writer, value in self.values if writer.op is None]
        return unmade[0] if len(unmade) == 1 and self.values[0][0].op is None else None

    def value_after(self, passes: int) -> Snapshot | None:
        """What the leaf held when so many passes had run, and before anything else; None where that is not known."""
        return self.value_of_move(sum((event.after or 0) < passes for event in self.moves) - 1)

    def held_after(self, passes: int) -> Snapshot | None:
        """What ``.grad`` held then."""
        found = None
        for one in self.events:
            ran = (one.event.number or 0) <= passes and (one.event.after is None or one.event.after < passes)
            if ran and one.move is None and one.event.what != ASIDE:
                found = one.event.holds
        return found

    def held_before(self, number: int, started: float | None) -> Snapshot | None:
        """What ``.grad`` held before a pass, counted from 1, and before what is told with that."""
        early, late = parted(self, number - 1, started)
        later = {id(one) for one in (late if number > 1 else [*early, *late])}
        found = None
        for one in self.events:
            if id(one) in later or (one.event.number or 0) >= number or (one.event.after or 0) >= number:
                break
            if one.move is None and one.event.what != ASIDE:
                found = one.event.holds
        return found

    def addition(self, number: int) -> Addition | None:
        """What a pass, counted from 1, added to ``.grad``."""
        events = (one for one in self.events if one.event.what == PASS and one.event.number == number)
        return next((Addition(self.leaf, one.before, one.event.brought, one.event.holds) for one in events), None)


def lives_of(graph: Graph, of_tensor: Mapping[int, str]) -> tuple[Life, ...]:
    """The lives of the leaves with these boxes, in the order of their boxes."""
    writers: dict[int, list[tuple[Node, Snapshot | None]]] = {}
    for node in graph.node_list:
        for port in node.ports:
            if port.tensor is not None:
                writers.setdefault(port.tensor, []).append((node, port.value))
    found = {one.tensor: one for one in graph.grad_histories if one.tensor is not None}
    sources = [node for node in graph.passes[0].node_list if node.op is None] if graph.passes else []
    first = {port.tensor: port.value for node in reversed(sources) for port in node.ports if port.tensor is not None}
    return tuple(
        Life(key, found[tensor], dated(found[tensor]), tuple(writers.get(tensor, ())), first.get(tensor))
        for tensor, key in of_tensor.items()
        if tensor in found
    )


def dated(history: GradHistory) -> tuple[Dated, ...]:
    """The events with what ``.grad`` held before each; what was written to it unseen is known where nothing came after
    it, and else is not.
    """
    found: list[Dated] = []
    held: Snapshot | None = None
    moves = 0
    last = max((n for n, event in enumerate(history.events) if event.what not in (*MOVES, ASIDE)), default=-1)
    for n, event in enumerate(history.events):
        is_move = event.what in MOVES
        if not event.wrote:  # a step that only read ``.grad``
            continue
        if event.what == WRITTEN and event.holds is None:
            event = replace(event, holds=history.holds if n == last else not_seen(held))
        found.append(Dated(event, held, moves if is_move else None))
        moves += is_move
        if not is_move and event.what != ASIDE:
            held = event.holds
    return tuple(found)


def not_seen(held: Snapshot | None) -> Snapshot | None:
    """What nobody saw, where something else was."""
    return None if held is None else Snapshot(held.shape, held.dtype, missing="not seen")


def parted(life: Life, passes: int, started: float | None) -> tuple[list[Dated], list[Dated]]:
    """What happened after so many passes: before the forward pass of the next one, and later. ``started`` is how many
    calls of the program there were before that: infinitely many if there was no forward pass, None where nobody knows.
    """
    own = [one for one in life.events if one.event.after == passes and is_told(one)]
    undated = [n for n, one in enumerate(own) if one.event.calls is None]
    if started is None or any(own[n].event.what not in UNDATED for n in undated):  # as in files of before
        moved = [n + 1 for n, one in enumerate(own) if one.move is not None]
        undated = [n for n, one in enumerate(own) if one.event.what in UNDATED]
        until = min([*moved[-1:], *undated[:1], len(own)])
        return own[:until], own[until:]
    late = [n for n, one in enumerate(own) if one.event.calls is not None and one.event.calls > started]
    until = min([*undated[:1], *late[:1], len(own)])
    return own[:until], own[until:]


def is_told(one: Dated) -> bool:
    """Whether an event is told beside the passes; a step that wrote to ``.grad`` what that held changed nothing."""
    same = one.event.what == WRITTEN and one.before is not None and one.before == one.event.holds
    return one.event.what not in (PASS, ASIDE, FOUND) and not same


def chapters_early(lives: Sequence[Life], passes: int, started: float | None) -> tuple[Chapter, ...]:
    """What happened after so many passes, before the forward pass of the next one began."""
    return tuple(gathered([(life, parted(life, passes, started)[0]) for life in lives]))


def chapters_late(lives: Sequence[Life], passes: int, started: float | None) -> tuple[Chapter, ...]:
    """What happened between that and the next backward pass."""
    return tuple(gathered([(life, parted(life, passes, started)[1]) for life in lives]))


def gathered(queues: Sequence[tuple[Life, list[Dated]]]) -> Iterator[Chapter]:
    """What one call did to several leaves as one chapter, each leaf's in its order."""
    waiting = [(life, list(events)) for life, events in queues if events]
    while waiting:
        first = kind_of(waiting[0][1][0])
        together = [(life, events.pop(0)) for life, events in waiting if kind_of(events[0]) == first]
        dated = all(one.event.calls is not None for _, one in together)
        yield Chapter(*first, tuple([deed_of(life, one) for life, one in together]), dated)
        waiting = [(life, events) for life, events in waiting if events]


def kind_of(one: Dated) -> tuple[str, str | None, str | None]:
    """What happened, by which call, in which line."""
    return one.event.what, one.event.by, one.event.source


def deed_of(life: Life, one: Dated) -> Deed:
    """What an event did to its leaf."""
    if one.move is None:
        return Deed(life.leaf, one.before, one.event.holds, None, one.event.holds)
    old, new, writer = life.moved(one.move)
    update = one.event.update
    if update is not None and update.old is not None:
        old = update.old
    lines = update_lines(update, old, new, one.before) if update is not None else ()
    rule = rule_of(factor_of(writer, update), old, new, one.before)
    return Deed(life.leaf, old, new, rule, one.before, lines, update)


def factor_of(writer: Node | None, update: OptimizerUpdate | None) -> float | None:
    """How often a plain step adds ``.grad``: one addition of an optimizer, or what the program wrote by hand."""
    if update is not None and update.optimizer == BY_HAND:
        return -update.numbers[RATE]
    settings = dict(writer.arguments) if writer is not None and writer.is_step else {}
    factor = settings.get(ADDS)
    return factor if isinstance(factor, float) and set(settings) == {ADDS} else None


def rule_of(factor: float | None, old: Snapshot | None, new: Snapshot | None, grad: Snapshot | None) -> Rule | None:
    """How a plain step came about: ``.grad`` was added so often; None where it is anything else, or where the numbers
    do not say the same.
    """
    if factor is None or any(each is None or each.array is None for each in (old, new, grad)):
        return None
    assert old is not None
    assert new is not None
    assert grad is not None
    if not old.shape == new.shape == grad.shape:
        return None
    was, step = np.asarray(old.array, float), factor * np.asarray(grad.array, float)
    made, size = was + step, np.abs(was) + np.abs(step)
    same = equal(made, np.asarray(new.array, float), allowed(new.dtype, 3, size), new.dtype, size)
    return Rule(factor, grad) if same is True else None
