"""Actors of a figure -> the steps of its film: a value runs through it from first to last, and a gradient back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from graphviz_ad._internal.diagrams.told import Told
from graphviz_ad._internal.scene.scene import Change, Step


@dataclass(frozen=True)
class Actor:
    """One thing of a figure as a film sees it: what it is called, what is said of what comes out of it, and its ways.

    ``words``: whether its numbers are lines of a box, whose texts a step writes.
    """

    key: str
    title: str
    shape: str
    told: Told
    into: tuple[str, ...] = ()
    out: tuple[str, ...] = ()
    words: bool = False


@dataclass(frozen=True)
class Looks:
    """What a box is while it is lit, and afterwards, on the way forward and on the way back."""

    lit: str = "active"
    seen: str = "forward"
    lit_back: str = "active-backward"
    done: str = "backward"


@dataclass
class Telling:
    """Steps as they are told: what was lit by one is calm in the next."""

    looks: Looks
    steps: list[Step] = field(default_factory=list)
    calm: list[Change] = field(default_factory=list)

    def tell(self, phase: str, caption: tuple[str, ...], lit: Iterable[Change], calm: Iterable[Change]) -> None:
        """A step in which something is lit, and what it is like afterwards."""
        self.steps.append(Step(phase, caption, (*self.calm, *lit)))
        self.calm = list(calm)


def told_steps(lanes: Sequence[Sequence[Actor]], opening: str, direction: str, looks: Looks) -> list[Step]:
    """The steps; ``lanes`` are figures beside one another, through which values run at the same time."""
    telling = Telling(looks)
    if direction == "backward":
        telling.calm += forward([actor for lane in lanes for actor in lane], looks)[1]
    telling.tell("start", (opening,), (), ())
    if direction != "backward":
        for at_once in zip_longest(*lanes):
            actors = [actor for actor in at_once if actor is not None]
            telling.tell("forward", caption(actors, "value"), *forward(actors, looks))
    if direction != "forward":
        for at_once in zip_longest(*(reversed(lane) for lane in lanes)):
            actors = [actor for actor in at_once if actor is not None]
            telling.tell("backward", caption(actors, "gradient"), *backward(actors, looks))
    telling.tell("end", (ending(lanes, direction),), (), ())
    return telling.steps


def ending(lanes: Sequence[Sequence[Actor]], direction: str) -> str:
    """What is said at the end: how large gradients are at both ends, where they are known."""
    said = []
    for lane in lanes:
        first = next((actor for actor in lane if actor.told.gradient), None)
        last = next((actor for actor in reversed(lane) if actor.told.gradient), None)
        if direction != "forward" and first is not None and last is not None and first is not last:
            said.append(f"{last.told.gradient} at {last.title}, {first.told.gradient} at {first.title}")
    return "   |   ".join(said) or "complete"


def opening_changes(lanes: Sequence[Sequence[Actor]]) -> tuple[Change, ...]:
    """The picture before the first step: nothing is lit, and no number is known."""
    return tuple(change for lane in lanes for actor in lane for change in blank(actor))


def blank(actor: Actor) -> Iterator[Change]:
    """An actor that nothing has reached."""
    texts = (("value", ""), ("gradient", "")) if actor.words else ()
    yield Change(actor.key, "idle", texts)
    yield from (Change(way, "idle") for way in actor.into)


def forward(actors: Iterable[Actor], looks: Looks) -> tuple[list[Change], list[Change]]:
    """A value reaches them: while it does, and afterwards."""
    lit, calm = [], []
    for actor in actors:
        texts = (("value", actor.told.value),) if actor.words else ()
        lit += [Change(way, "active-forward") for way in actor.into]
        lit.append(Change(actor.key, looks.lit, texts))
        calm += [Change(way, "forward") for way in actor.into]
        calm.append(Change(actor.key, looks.seen, texts))
    return lit, calm


def backward(actors: Iterable[Actor], looks: Looks) -> tuple[list[Change], list[Change]]:
    """A gradient reaches them, along the ways out of them; nothing is lit where none does."""
    lit, calm = [], []
    for actor in actors:
        if not actor.told.reached:
            continue
        texts = (("gradient", actor.told.gradient),) if actor.words else ()
        lit += [Change(way, "active-backward") for way in actor.out]
        lit.append(Change(actor.key, looks.lit_back, texts))
        calm += [Change(way, "backward") for way in actor.out]
        calm.append(Change(actor.key, looks.done, texts))
    return lit, calm


def caption(actors: Sequence[Actor], kind: str) -> tuple[str, ...]:
    """What is said of some actors: what they are, and what is known of them."""
    titles = "   |   ".join(actor.title for actor in actors)
    said = [said_of(actor, kind) for actor in actors]
    return titles, "   |   ".join(said)


def said_of(actor: Actor, kind: str) -> str:
    """ "6×28×28 come out: ‖a‖ 5.31"."""
    if kind == "gradient" and not actor.told.reached:
        return "no gradient gets here"
    number = actor.told.value if kind == "value" else actor.told.gradient
    shape = f"{actor.shape} come{'s' if actor.shape in ('1', 'a number') else ''} out" if actor.shape else ""
    if kind == "gradient":
        return f"gradient of what comes out: {number}" if number else "a gradient gets here"
    return ": ".join(part for part in (shape, number) if part)


def together(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """First of a pair -> the seconds of all pairs with it."""
    found: dict[str, tuple[str, ...]] = {}
    for one, other in pairs:
        found[one] = (*found.get(one, ()), other)
    return found
