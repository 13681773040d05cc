"""What a program's text and its modules say at the places of a tape, as plain values: read while both are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphviz_ad._internal.graph.notices import Notice
from graphviz_ad._internal.tracing.assembly.executed_statements import NOTHING_WRITTEN, Written
from graphviz_ad._internal.tracing.tape.tape_entries import Operation


@dataclass(frozen=True, slots=True)
class SiteWords:
    """``op`` is its own name, ``alone`` the one as it is written, ``call`` that of the call.

    ``names`` are the variables that take the result, ``also`` those further out.
    """

    op: str | None = None
    alone: str | None = None
    call: str | None = None
    reflected: bool = False
    names: tuple[str, ...] = ()
    module: tuple[str, ...] = ()
    source: str | None = None
    also: tuple[str, ...] = ()


NO_WORDS = SiteWords()


@dataclass(frozen=True, slots=True, eq=False)
class NameOfModule:
    """What stands for a module that ran, where that itself may go."""

    name: str
    kind: str


WordKey = tuple[int, int, tuple[str, ...]]  # all that the words for an operation depend on
Words = Callable[[Operation], SiteWords]


def word_key(operation: Operation) -> WordKey:
    """Of operations with the same key, the program says the same: same kind, same place, and same settings."""
    settings = operation.constants
    return (
        id(operation.schema),
        id(operation.place),
        tuple([name for name, _ in settings]) if settings else (),
    )


def without_words(_: Operation) -> SiteWords:
    """Those where nothing is said."""
    return NO_WORDS


@dataclass(frozen=True)
class Said:
    """``words`` of an operation; ``classes`` of modules that ran, by name; ``switches``: identity of a place at which
    autograd recorded nothing that it might have -> what switched it off; ``written`` is the program's text; ``doubts``
    are those of the process, then.
    """

    words: Words = without_words
    classes: tuple[tuple[str, str], ...] = ()
    switches: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    written: Written = NOTHING_WRITTEN
    doubts: tuple[Notice, ...] = ()


NOTHING_SAID = Said()
