"""Tensors and their ``.grad``, looked at between the passes of a recording -> what happened to each, as histories.

What a program does to ``.grad`` with operations stands on the tape. That another tensor, or None, was put in its place
is no operation: it is seen by looking, before and after each pass and at the end; when it happened is told by the
gradient that was there, if nobody else holds it.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from torch import Tensor
from torch.nn import Parameter

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
from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.tape.optimizer_steps import OptimizerSteps
from graphviz_ad._internal.tracing.tape.steps_by_hand import StepByHand
from graphviz_ad._internal.tracing.tape.tape import Tape
from graphviz_ad._internal.tracing.tape.tape_entries import Operation, Value
from graphviz_ad._internal.tracing.tape.torch_private import memory_of_tensor, retains_gradient, version_of

SET_DATA = ".data = …"
UNSEEN = "not seen"  # of what took the place of a gradient when nobody looked
Words = Callable[[Operation], tuple[str | None, str | None]]  # what the program calls an operation, and where
# how many operations there were before it, 1 for what such an operation did itself, 2 with others before it, what
# happened
Placed = tuple[int, int, GradEvent]


class _Death:
    """How many operations there were when a gradient, or a tensor itself, was let go of, None while it is there.

    What is called then knows a list alone, and ``of``, whose gradient it is, weakly: in a circle, it would watch on
    after the recording.
    """

    def __init__(
        self,
        thing: Tensor | None = None,
        operations: Sequence[Operation] = (),
        of: Callable[[], Tensor | None] = lambda: None,
    ) -> None:
        self._noted: list[tuple[int, bool]] = []
        noted = self._noted
        self._watch = (
            None if thing is None else weakref.ref(thing, lambda _: noted.append((len(operations), of() is not None)))
        )

    @property
    def at(self) -> int | None:
        """That number."""
        return self._noted[0][0] if self._noted else None

    @property
    def was_alone(self) -> bool:
        """Whether the gradient went, and its tensor stayed."""
        return bool(self._noted) and self._noted[0][1]


@dataclass(eq=False)
class _Watched:
    """A tensor, and what its ``.grad`` was when it was last looked at, after ``since`` operations; ``lies`` is where
    the elements of that were. ``end``: when the tensor itself was let go of.
    """

    tensor: weakref.ref[Tensor]
    shape: tuple[int, ...]
    is_leaf: bool
    end: _Death
    events: list[Placed] = field(default_factory=list)
    periods: list[_Period] = field(default_factory=list)
    grad: weakref.ref[Tensor] | None = None
    version: int = 0
    holds: Snapshot | None = None
    death: _Death = field(default_factory=_Death)
    since: int = 0
    memory: int | None = None
    lies: int | None = None

    @property
    def is_gone(self) -> bool:
        """Whether nobody holds it any more."""
        return self.tensor() is None

    def all_periods(self) -> list[_Period]:
        """Its periods, with the one that began at the last look at a tensor that is gone."""
        if self.grad is None or not self.is_gone:
            return self.periods
        until = [at for at in (self.death.at, self.end.at) if at is not None]
        if not until:
            return self.periods
        return [*self.periods, _Period(self.since, min(until), self.grad, self.lies, False, self.holds)]


@dataclass(eq=False)
class _Period:
    """A time between two looks: the gradient that was there at its beginning, where its elements lie if it was there
    until the end, and whether it was another one then.
    """

    first: int
    last: int
    grad: weakref.ref[Tensor]
    memory: int | None
    changed: bool
    holds: Snapshot | None


Done = tuple[Operation, str, Value | None]  # an operation, what it did, and what it made of ``.grad`` or the tensor


ByHand = dict[tuple[int, int], OptimizerUpdate]  # identity of what is known of a tensor, number of an operation


class _Places:
    """Where tensors and their gradients lie -> which of them a value is; ``born``: identity of the weak reference of a
    tensor -> how many operations there were before it was first seen: memory has been that of others before.
    """

    def __init__(self, everything: Iterable[_Watched], born: Mapping[int, int]) -> None:
        self._born = born
        self._gradients: dict[int, list[tuple[_Period, _Watched]]] = {}
        self._memory: dict[int, list[tuple[_Period, _Watched]]] = {}
        self._own: dict[int, _Watched] = {}
        self._own_memory: dict[int, list[_Watched]] = {}
        for watched in everything:
            self._own[id(watched.tensor)] = watched
            if watched.memory is not None:
                self._own_memory.setdefault(watched.memory, []).append(watched)
            for period in watched.all_periods():
                self._gradients.setdefault(id(period.grad), []).append((period, watched))
                if period.memory is not None:
                    self._memory.setdefault(period.memory, []).append((period, watched))

    def with_gradient(self, value: Value, operation: Operation, *, by_memory: bool = True) -> list[_Watched]:
        """The tensors whose ``.grad`` this was when the operation ran."""
        found = self._gradients.get(id(value.reference), [])
        if not found and by_memory and value.memory is not None:
            found = self._memory.get(value.memory, [])
            if len({id(watched) for _, watched in found}) > 1:
                return []  # parts of one piece of memory: which of them it was, that does not tell
        return [watched for period, watched in found if period.first <= operation.number < period.last]

    def itself(self, value: Value, operation: Operation) -> _Watched | None:
        """The tensor whose value this is, if it is one that was there when the operation ran."""
        found = self._own.get(id(value.reference))
        near = self._own_memory.get(value.memory, ()) if value.memory is not None else ()
        there = [one for one in near if self._is_there(one, operation.number)]
        return there[0] if found is None and len(there) == 1 else found

    def own(self, watched: _Watched, clock: int) -> Callable[[Value, Operation], bool]:
        """Whether a value is all of this tensor, read when there were so many values or more."""
        return lambda value, operation: (
            value.number >= clock and value.shape == watched.shape and self.itself(value, operation) is watched
        )

    def own_gradient(self, watched: _Watched, since: int) -> Callable[[Value, Operation], bool]:
        """Whether a value is all of this tensor's ``.grad``, read when so many operations had run or later."""
        return lambda value, operation: (
            operation.number >= since
            and value.shape == watched.shape
            and any(one is watched for one in self.with_gradient(value, operation))
        )

    def _is_there(self, watched: _Watched, number: int) -> bool:
        """Whether a tensor was there when an operation of that number ran."""
        born, end = self._born.get(id(watched.tensor), 0), watched.end.at
        return born <= number and (end is None or number < end)


class GradWatch:
    """What is known of the ``.grad`` of the tensors of one recording."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._watched: dict[int, _Watched] = {}
        self._gone: list[_Watched] = []  # leaves in whose place of memory another tensor came to lie
        self._ends: list[int] = []  # how many operations there were when each pass ended

    def pass_ended(self) -> None:
        """A backward pass that ran in no other is over."""
        self._ends.append(len(self._tape.operations))

    def look(self, tensors: Iterable[Tensor]) -> None:
        """Note what their ``.grad`` holds, and that it changed since the last time."""
        for tensor in tensors:
            if self._is_asked_about(tensor):
                self._look(tensor)

    def look_for_others(self) -> None:
        """Note of all tensors that something else was put into the place of their ``.grad``."""
        for watched in [*self._watched.values()]:
            tensor = watched.tensor()
            if tensor is None:
                continue
            before, now = None if watched.grad is None else watched.grad(), tensor.grad
            if now is not before or (watched.grad is not None and now is None):
                self._look(tensor)

    def passed(self, number: int, tensor: Tensor, brought: Snapshot | None, *, accumulates: bool) -> None:
        """Note what a backward pass brought to a tensor, and what ``.grad`` holds now."""
        if not self._is_asked_about(tensor):
            return
        watched = self._of(tensor)
        if brought is None:
            self._look(tensor)
            return
        if accumulates:
            self._take(watched, tensor)
        what, calls = PASS if accumulates else ASIDE, self._calls_before(len(self._tape.operations))
        event = GradEvent(what, number, brought=brought, holds=watched.holds, calls=calls)
        watched.events.append((len(self._tape.operations), 0, event))

    def _is_asked_about(self, tensor: Tensor) -> bool:
        """Not of what stands for a parameter: who asks for ``.grad`` by its name means that of the parameter."""
        return keeps_gradient(tensor) and not self._tape.stand_ins.holds(tensor)

    def _of(self, tensor: Tensor) -> _Watched:
        found = self._watched.get(id(tensor))
        if found is None or found.tensor() is not tensor:
            if found is not None and found.is_leaf:
                self._gone.append(found)
            end = _Death(tensor, self._tape.operations)
            found = _Watched(weakref.ref(tensor), tuple(tensor.shape), tensor.is_leaf, end)
            self._watched[id(tensor)] = found
            self._take(found, tensor)
            if found.grad is not None:
                found.events.append((found.since, 0, GradEvent(FOUND, holds=found.holds)))
        return found

    def _take(self, watched: _Watched, tensor: Tensor) -> None:
        """Take down what is there now."""
        grad, watched.since = tensor.grad, len(self._tape.operations)
        watched.grad = None if grad is None else weakref.ref(grad)
        watched.death = _Death(grad, self._tape.operations, watched.tensor)
        watched.version = 0 if grad is None or grad.is_inference() else version_of(grad)  # of those torch keeps none
        watched.holds = self._tape.keeper.gradient(grad)
        watched.memory = memory_of_tensor(tensor)
        watched.lies = None if grad is None else memory_of_tensor(grad)

    def _calls_before(self, place: int) -> int:
        """How many calls had begun when there were so many operations."""
        operations = self._tape.operations
        return operations[place].call if place < len(operations) else len(self._tape.calls)

    def _look(self, tensor: Tensor) -> None:
        watched = self._of(tensor)
        before, version, held, since = watched.grad, watched.version, watched.holds, watched.since
        memory, death = watched.memory, watched.death
        self._take(watched, tensor)
        if memory != watched.memory:
            watched.events.append(self._data_set(tensor, since))
        now = tensor.grad
        same = before is not None and now is not None and before() is now
        if before is not None:
            changed = same and (version != watched.version or held != watched.holds)
            lies = memory_of_tensor(now) if same and now is not None else None
            watched.periods.append(_Period(since, watched.since, before, lies, changed, watched.holds))
        if not same and (before is not None or now is not None):
            at = since if before is None else death.at
            calls = self._calls_before(at) if before is not None and at is not None else None
            what = EMPTIED if now is None else REPLACED
            event = GradEvent(what, holds=watched.holds, after=len(self._ends), calls=calls)
            watched.events.append((watched.since if calls is None or at is None else at, 0, event))

    def _data_set(self, tensor: Tensor, since: int) -> Placed:
        """That ``.data`` is other data since a look; when the operation ran that made them, where one did."""
        self._tape.keeper.was_written(tensor)  # without a new version
        now = self._tape.keeper.value(tensor)
        maker = self._tape.maker_of(tensor, now)
        if maker is None or maker.number < since:
            return len(self._tape.operations), 0, GradEvent(UPDATED, by=SET_DATA, after=len(self._ends), value=now)
        after, calls = bisect_right(self._ends, maker.number), self._calls_before(maker.number)
        return maker.number, 1, GradEvent(UPDATED, by=SET_DATA, after=after, value=now, calls=calls)

    # --- at the end

    def _everything(self) -> list[_Watched]:
        """All that was looked at, what is gone first: where two are called the same, the living one counts."""
        return [*self._gone, *self._watched.values()]

    def numbers(self) -> Mapping[int, int]:
        """Identity of the weak reference of a tensor that was looked at, which it has one of for life, -> the number of
        its first value.
        """
        known = {id(watched.tensor) for watched in self._everything()}
        found: dict[int, int] = {}
        for value in self._tape.values:
            if id(value.reference) in known:
                found.setdefault(id(value.reference), value.number)
        return found

    def parameters(self, numbers: Mapping[int, int], others: Collection[int]) -> tuple[int, ...]:
        """The numbers of those that live and were made to be learned, but for these, by identity."""
        found = ((watched.tensor(), numbers.get(id(watched.tensor))) for watched in self._everything())
        return tuple(
            number
            for tensor, number in found
            if number is not None and isinstance(tensor, Parameter) and id(tensor) not in others
        )

    def histories(self, numbers: Mapping[int, int], words: Words, steps: OptimizerSteps) -> tuple[GradHistory, ...]:
        """All of them; ``numbers``: see `numbers`."""
        everything = self._everything()
        places = _Places(everything, self._born(everything))
        done, runs = self._done_on_tape(places), self._runs_of_steps(steps.begins())
        by_hand = self._steps_by_hand(places, done)
        found = []
        for watched in everything:
            tensor, number = watched.tensor(), numbers.get(id(watched.tensor))
            if tensor is None and (not watched.is_leaf or number is None):
                continue
            worded = [*watched.events, *self._worded(watched, done.get(id(watched), []), words, self._ends, runs)]
            more = (self._known_more(watched, placed, steps, by_hand) for placed in worded)
            events = [*self._let_go(watched), *more]
            events.sort(key=lambda placed: placed[:2])
            name = (self._tape.name_of(tensor) if tensor is not None else None) or next(
                (value.name for value in self._tape.values if value.reference is watched.tensor and value.name), None
            )
            told = tuple(event for _, _, event in events)
            found.append(GradHistory(number, name, told, held_last(watched, told), gone=tensor is None))
        return tuple(sorted(found, key=lambda one: (not one.gone, -1 if one.tensor is None else one.tensor)))

    def _let_go(self, watched: _Watched) -> Iterator[Placed]:
        """That the gradient of a tensor that is gone went before it, since the last look at it."""
        at = watched.death.at
        if watched.is_gone and watched.holds is not None and watched.death.was_alone and at is not None:
            unseen = Snapshot(watched.holds.shape, watched.holds.dtype, missing=UNSEEN)
            after = bisect_right(self._ends, at)
            yield at, 1, GradEvent(REPLACED, holds=unseen, after=after, calls=self._calls_before(at))

    def _known_more(self, watched: _Watched, placed: Placed, steps: OptimizerSteps, by_hand: ByHand) -> Placed:
        """An event that an operation made, with when that was, and what a step was made of."""
        place, operations, event = placed
        if not operations:
            return placed
        alone = by_hand.get((id(watched), place)) if operations == 1 and event.what == UPDATED else None
        update = steps.update_of(watched.tensor, place) if event.what == STEP else alone
        return place, operations, replace(event, calls=self._calls_before(place), update=update)

    def _runs_of_steps(self, begins: Collection[int]) -> Mapping[int, int]:
        """Number of an operation in a step -> which run of such operations it is part of: a step is known by its frame,
        whose identity the next one may have again.
        """
        found: dict[int, int] = {}
        before = None
        run = 0
        for operation in self._tape.operations:
            step = operation.place.step
            run += step != before or operation.number in begins
            before = step
            if step is not None:
                found[operation.number] = run
        return found

    def _steps_by_hand(self, places: _Places, done: Mapping[int, list[Done]]) -> ByHand:
        """What the program itself made a step of, where it wrote all of a tensor anew."""
        found: ByHand = {}
        for watched in self._everything():
            wrote = [operation for operation, what, value in done.get(id(watched), []) if what == UPDATED and value]
            sets = [self._tape.operations[place] for place, n, event in watched.events if n and event.by == SET_DATA]
            clock = 0  # how many values there were when it was written to before
            for operation in sorted([*wrote, *sets], key=lambda one: one.number):
                passes = [place for place, _, event in watched.events if event.what == PASS]
                brought = max([place for place in passes if place <= operation.number], default=0)
                own, gradient = places.own(watched, clock), places.own_gradient(watched, brought)
                update = StepByHand(self._tape, own, gradient).update(operation)
                clock = operation.clock
                if update is not None:
                    found[id(watched), operation.number] = update
        return found

    def _done_on_tape(self, places: _Places) -> dict[int, list[Done]]:
        """For each watched tensor, by identity of what is known of it, the operations that wrote to its ``.grad``,
        that used it in a step, and that wrote to the tensor by hand.
        """
        found: dict[int, list[Done]] = {id(watched): [] for watched in self._everything()}
        for operation in self._tape.operations:
            in_step = operation.place.step is not None
            for use in operation.uses if in_step else ():
                for watched in places.with_gradient(self._tape.values[use[1]], operation, by_memory=False):
                    found[id(watched)].append((operation, STEP, None))
            for value in map(self._tape.values.__getitem__, operation.results) if operation.mutates else ():
                for watched in places.with_gradient(value, operation):
                    found[id(watched)].append((operation, WRITTEN, value))
                own = places.itself(value, operation)
                if own is not None:
                    found[id(own)].append((operation, STEP if in_step else UPDATED, value))
        return found

    def _born(self, everything: Iterable[_Watched]) -> Mapping[int, int]:
        """See `_Places`."""
        known = {id(watched.tensor) for watched in everything}
        seen = [*accumulate((max(operation.results, default=-1) for operation in self._tape.operations), max)]
        found: dict[int, int] = {}
        for value in self._tape.values:
            if id(value.reference) in known:
                found.setdefault(id(value.reference), bisect_left(seen, value.number))
        return found

    @staticmethod
    def _worded(
        watched: _Watched, done: list[Done], words: Words, ends: Sequence[int], runs: Mapping[int, int]
    ) -> Iterator[Placed]:
        """The same as events: what one call did is one."""
        last: tuple[object, ...] | None = None
        kept: list[Placed] = []
        for operation, what, value in done:
            by, source = words(operation)
            after = bisect_right(ends, operation.number)
            call = (what, by, source, operation.place.step, runs.get(operation.number), after)
            same_call = kept.pop()[2] if call == last else None
            before, wrote = (same_call.value, same_call.wrote) if same_call is not None else (None, False)
            last = call
            made = value.snapshot if value is not None else None
            holds, held = (made, None) if what == WRITTEN else (None, made if fits(value, watched) else before)
            wrote = wrote or value is not None
            event = GradEvent(what, None, by, source, holds=holds, after=after, value=held, wrote=wrote)
            kept.append((operation.number, 1 if same_call is None else 2, event))
        yield from kept
        for period in watched.periods:
            written = [
                value
                for operation, what, value in done
                if what == WRITTEN and period.first <= operation.number < period.last
            ]
            if period.changed and not written:
                yield period.last, 0, GradEvent(WRITTEN, holds=period.holds, after=bisect_right(ends, period.first))


def held_last(watched: _Watched, events: Sequence[GradEvent]) -> Snapshot | None:
    """What ``.grad`` holds; of a tensor that is gone what it held when something was last seen to happen to it."""
    if not watched.is_gone:
        return watched.holds
    return next((one.holds for one in reversed(events) if one.what in (FOUND, PASS, WRITTEN, REPLACED, EMPTIED)), None)


def fits(value: Value | None, watched: _Watched) -> bool:
    """Whether a value is all of a tensor, and not a part of it."""
    return value is not None and value.shape == watched.shape


def keeps_gradient(tensor: Tensor) -> bool:
    """Whether a tensor has a ``.grad`` that a pass may write: a leaf, or one that was told to retain it."""
    return tensor.requires_grad and retains_gradient(tensor)
