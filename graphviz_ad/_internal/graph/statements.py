"""Statement: one time that a statement of the user's program ran, as part of one call of one of its functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from graphviz_ad._internal.base.frozen import frozen


@frozen
class Statement:
    """One time that a statement of the user's program ran.

    ``function`` is the one that it stands in, ``call`` numbers the calls of the program's functions, ``time`` counts
    from 0 how often the statement ran in this call: each step of a loop is one. ``text`` is what it computes, as it is
    written, None where there is no source; ``targets`` are the variables that it fills; ``caller`` is the place, among
    the statements of a graph, of the one that called the function. ``lines`` are the first and the last of its lines,
    and ``part`` is the place, among the parts of the program that a graph keeps, of the one that it stands in; None
    where there is no source, or one that has changed since it was compiled.
    """

    function: str
    call: int
    time: int = 0
    text: str | None = None
    targets: tuple[str, ...] = ()
    source: str | None = None
    caller: int | None = None
    lines: tuple[int, int] | None = None
    part: int | None = None


def standing_in(one: Statement, lines: tuple[int, int] | None, part: int) -> Statement:
    """The same statement with where it stands; written out, since a long program has as many as operations."""
    return Statement(one.function, one.call, one.time, one.text, one.targets, one.source, one.caller, lines, part)


def chain_of(statements: Sequence[Statement], place: int) -> Iterator[int]:
    """The places of a statement and of those that called its function, innermost first."""
    here: int | None = place
    while here is not None:
        yield here
        here = statements[here].caller


def shared_statement(statements: Sequence[Statement], places: Sequence[int | None]) -> int | None:
    """The place of the innermost statement that all of these ran in; None where there is none, or one is unknown."""
    known = [place for place in places if place is not None]
    if not known or len(known) < len(places):
        return None
    others = [frozenset(chain_of(statements, place)) for place in dict.fromkeys(known[1:])]
    return next((one for one in chain_of(statements, known[0]) if all(one in chain for chain in others)), None)


def only_used(statements: Sequence[Statement], used: Iterable[int]) -> tuple[dict[int, int], tuple[Statement, ...]]:
    """The statements that are used and those that called them: old place -> new place, and the statements there."""
    kept = sorted({place for one in used for place in chain_of(statements, one)})
    new = {place: number for number, place in enumerate(kept)}
    if len(kept) == len(statements):
        return new, tuple(statements)
    moved = [
        replace(statements[place], caller=new[caller])
        if (caller := statements[place].caller) is not None
        else statements[place]
        for place in kept
    ]
    return new, tuple(moved)


def later(statements: Sequence[Statement], before: int, parts: int = 0) -> tuple[Statement, ...]:
    """The statements as they stand behind so many others, in so many parts, of other programs."""
    return tuple(
        [
            replace(
                one,
                call=one.call + before,
                caller=None if one.caller is None else one.caller + before,
                part=None if one.part is None else one.part + parts,
            )
            for one in statements
        ]
    )


def head_of_line(name: str) -> str:
    """What stands before the calls of a statement that fills the variable of this name: "ratio: "."""
    return f"{name}: "


def called_as(function: str) -> str:
    """What a function is called where it stands for a call: "cell" of "make.<locals>.cell", "Net" of "Net.forward"."""
    own = function.rpartition("<locals>.")[2]
    return own.removesuffix(".forward") if own != "forward" else own
