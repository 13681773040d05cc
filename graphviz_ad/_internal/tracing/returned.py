"""What a program returned -> where gradients start, and what there is to say of the rest; the same for tensors and for
ADNumbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from graphviz_ad._internal.base.errors import NoTensorError, UnknownNameError
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.tracing.contents import RESULT, Contents, Part, Path, name_of_way, named_step, way

LOSS = named_step("loss")


class EveryOutput(NamedTuple):
    """What is asked for by who wants all of them, whatever they are called."""


Asked = str | EveryOutput | None


class Starts(NamedTuple):
    """Where gradients start, in order; what else was returned; and what of that has to be said."""

    parts: tuple[Part, ...]
    others: tuple[Part, ...]
    notices: tuple[Notice, ...]


class Returned(NamedTuple):
    """What a program returned: whose it is, what is in it, and what the program calls a thing; whether a gradient can
    start from it, and whether it is one number.
    """

    name: str
    contents: Contents
    can_start: Callable[[Any], bool]
    is_number: Callable[[Any], bool]
    called: Callable[[Any], str | None] = lambda thing: None

    @property
    def open(self) -> list[Part]:
        """What a gradient can start from."""
        return [part for part in self.contents.parts if self.can_start(part.thing)]


def starts_of(returned: Returned, asked: Asked = None, *, is_seeded: bool = False) -> Starts:
    """What was asked for; else a single number called "loss" alone, unless the user says what is fed in at each; else
    all results.

    What objects keep under private names, and state that is handed on, as a cache is, counts where there is nothing
    else.
    """
    if isinstance(asked, str):
        return starts_from(returned, asked_for(returned, asked))
    standing = min((part.standing for part in returned.open), default=RESULT)
    parts = [part for part in returned.open if part.standing == standing]
    loss = None if is_seeded or isinstance(asked, EveryOutput) else lone_loss(returned, parts)
    if loss is not None and len(parts) > 1:
        others = tuple(way(part.path) for part in parts if part is not loss)
        return starts_from(returned, [loss], notice("started from one output alone", [way(loss.path)], others=others))
    said = (*returned_again(parts), *left_out(returned, parts), *not_looked_into(returned))
    return starts_from(returned, parts, *said)


def starts_from(returned: Returned, parts: Sequence[Part], *notices: Notice) -> Starts:
    """The starts, where these parts are."""
    taken = {part.path for part in parts}
    return Starts(tuple(parts), tuple(part for part in returned.contents.parts if part.path not in taken), notices)


def lone_loss(returned: Returned, parts: Sequence[Part]) -> Part | None:
    """The one number called "loss"; of several the outermost, if that is one alone."""
    found = [part for part in parts if part.path[-1:] == (LOSS,) and returned.is_number(part.thing)]
    outermost = [part for part in found if len(part.path) == min(len(each.path) for each in found)]
    return outermost[0] if len(outermost) == 1 else None


def asked_for(returned: Returned, name: str) -> list[Part]:
    """The results of that name: by the way to them, by the way to what holds them, by the last step of it, or by what
    the program calls them.
    """
    parts = returned.contents.parts
    found = next(
        (
            matching
            for matches in (
                lambda part: way(part.path) == name,
                lambda part: any(way(part.path[:n]) == name for n in range(1, len(part.path))),
                lambda part: bool(part.path) and part.path[-1] == named_step(name),
                lambda part: returned.called(part.thing) == name,
            )
            if (matching := [part for part in parts if matches(part)])
        ),
        [],
    )
    if not found:
        raise UnknownNameError("output", name, names_of_parts(returned, parts))
    if not any(returned.can_start(part.thing) for part in found):
        raise NoTensorError(
            f"output={name!r} of {returned.name} does not require grad, so that no gradient can start there; choose"
            f" from: {', '.join(names_of_parts(returned, returned.open)) or 'none'}"
        )
    return [part for part in found if returned.can_start(part.thing)]


def names_of_parts(returned: Returned, parts: Iterable[Part]) -> list[str]:
    """What each can be asked for by."""
    return [name_of_way(part.path) or returned.called(part.thing) or way(part.path) or "the result" for part in parts]


# --- what has to be said


def returned_again(parts: Sequence[Part]) -> list[Notice]:
    """Of each thing that was returned several times, how often."""
    times = Counter(id(part.thing) for part in parts)
    return [
        notice("returned several times", [way(part.path) for part in parts if id(part.thing) == key], times=count)
        for key, count in times.items()
        if count > 1
    ]


def left_out(returned: Returned, chosen: Sequence[Part]) -> list[Notice]:
    """What gradients could have started from, and was not taken for a result."""
    taken = {id(part.thing) for part in chosen}
    rest = [part for part in returned.open if id(part.thing) not in taken]
    names, types = with_types((part.holder, part.kind) for part in rest)
    return [notice("not started from", names, types=types)] if names else []


def not_looked_into(returned: Returned) -> list[Notice]:
    """What was returned as it is and nobody looked into; what objects hold besides is their own affair."""
    names, types = with_types((part.path, part.kind) for part in returned.contents.unseen if not part.inside)
    return [notice("not looked into", names, types=types)] if names else []


def with_types(things: Iterable[tuple[Path, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ways to things and their types, each once."""
    pairs = dict.fromkeys((way(path), kind) for path, kind in things)
    return tuple(name for name, _ in pairs), tuple(kind for _, kind in pairs)


def nothing_found(returned: Returned, shown: str, what: str) -> NoTensorError:
    """The error where a program returned nothing that is wanted: what was not looked into, if anything."""
    pairs = [(way(part.path) or "it", part.kind) for part in returned.contents.unseen]
    first = ", ".join(f"{name} ({kind})" for name, kind in pairs[:4])
    unseen = f"; what is in {first} was not looked into" if first else ""
    return NoTensorError(f"{returned.name} returned {shown}, in which there is no {what}{unseen}; return the {what}(s)")
