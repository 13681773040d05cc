"""History of a ``.grad`` -> the sentences that say what was done to it, and what it holds at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from graphviz_ad._internal.explain.amounts import text_of
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
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.agreement import means_add_up

MOST_EVENTS = 8  # in one answer; a longer history is told by its last ones


def same(one: Snapshot | None, other: Snapshot | None) -> bool:
    """Whether two gradients are the same, as far as is known: statistics may be added up in another order."""
    if one is None or other is None or one is other:
        return one is other
    if one == other and (one.stats is None or other.stats is None):
        return True
    large = one.array is None and other.array is None and one.shape == other.shape
    return large and one.stats is not None and other.stats is not None and means_add_up(one, [other])


def place_of(event: GradEvent) -> str:
    """ "Adam.step at lesson.py:12"."""
    return f"{event.by or 'something'}{f' at {event.source}' if event.source else ''}"


def passed(event: GradEvent) -> str:
    """What a pass brought, and what it made together with what was there."""
    brought = f"pass {event.number} brought {text_of(event.brought)}"
    if same(event.holds, event.brought):
        return brought
    return f"{brought}, {f'which made {text_of(event.holds)}' if event.holds is not None else 'which a hook took away'}"


def after_hook(before: GradEvent | None, event: GradEvent) -> str:
    """The same where nothing was there before, so that what it is now was made by a hook."""
    empty = before is None or (before.holds is None and before.what in (PASS, EMPTIED))
    if event.what != PASS or not empty or event.holds is None or same(event.holds, event.brought):
        return SAID[event.what](event)
    return f"pass {event.number} brought {text_of(event.brought)}, of which a hook made {text_of(event.holds)}"


def written(event: GradEvent) -> str:
    """What an operation wrote."""
    who = place_of(event) if event.by is not None else "something that is no operation here"
    return f"{who} made {text_of(event.holds)} of it" if event.holds is not None else f"{who} wrote to it"


SAID: Mapping[str, Callable[[GradEvent], str]] = {
    FOUND: lambda event: f"it held {text_of(event.holds)} before",
    PASS: passed,
    ASIDE: lambda event: f"pass {event.number} returned {text_of(event.brought)} and left .grad alone",
    WRITTEN: written,
    REPLACED: lambda event: f"{text_of(event.holds)} was put in its place",
    EMPTIED: lambda _: "it was set to None",
    STEP: lambda event: f"{place_of(event)} used it",
    UPDATED: lambda event: f"{place_of(event)} updated the values",
}


def is_plain(history: GradHistory) -> bool:
    """Whether one pass alone says all: nothing else happened, and ``.grad`` holds what it brought."""
    return [event.what for event in history.events] == [PASS] and same(history.events[0].brought, history.holds)


def told(history: GradHistory) -> Iterator[str]:
    """What was done to ``.grad``, and what it holds at the end; nothing where the one pass says it all."""
    events = since_the_first_gradient(history)
    if is_plain(history) or (history.holds is None and not events):
        return
    holding = [event for event in events if event.what not in (STEP, UPDATED, ASIDE)]
    previous = dict(zip(map(id, holding[1:]), holding, strict=False))
    parts = [after_hook(previous.get(id(event)), event) for event in events]
    parts = [f"{part} ({count} times)" if count > 1 else part for part, count in counted(parts)]
    left_out = len(parts) - MOST_EVENTS
    if left_out > 0:
        parts = [f"after {left_out} earlier changes", *parts[left_out:]]
    if parts:
        yield f"What happened to its .grad: {'; '.join(parts)}."
    yield how_it_ended(history)


def how_it_ended(history: GradHistory) -> str:
    """What ``.grad`` holds at the end, or held when its tensor was last seen."""
    if history.gone:
        held = "was None" if history.holds is None else f"held {text_of(history.holds)}"
        return f"The tensor was gone before the recording ended; when it was last seen, .grad {held}."
    return "At the end it is None." if history.holds is None else f"At the end .grad holds {text_of(history.holds)}."


def since_the_first_gradient(history: GradHistory) -> Sequence[GradEvent]:
    """What happened once there was a gradient: how a tensor was filled before is no matter of it."""
    first = next((i for i, event in enumerate(history.events) if event.what != UPDATED), len(history.events))
    return history.events[first:]


def counted(parts: Sequence[str]) -> list[tuple[str, int]]:
    """Each text with how many times it stands in a row."""
    return [(part, len(list(same))) for part, same in groupby(parts)]
