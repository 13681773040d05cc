"""Steps of a box -> what it is made of, in at most two lines: "2 × (Conv2d, BatchNorm2d, relu) → + → relu"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from graphviz_ad._internal.base.text_table import counted_noun
from graphviz_ad._internal.graph.box_facts import OF_FUNCTION, OF_MODULE, OF_OPERATION, Step
from graphviz_ad._internal.operations.rules import rule
from graphviz_ad._internal.operations.traits import DROPS
from graphviz_ad._internal.scene.words.short_text import shortened_text

MOST_LINES, MOST_OPERATIONS, MOST_IN_ROUND = 2, 3, 6  # of what is in a box; steps that are a round
SUM = "+"  # the sign of operations that are one
STEPS_ROOM, WIDE, LONGEST_PIECE, EACH = 34, 44, 48, "each: "  # characters; before what is in each of a row


def lines_of_steps(
    steps: Sequence[Step], *, is_layer: bool, room: int = STEPS_ROOM, around: str | None = None
) -> list[str]:
    """What ran, in order; of what is mostly a row of modules of one class, what ran in each of them, or in most, in
    lines of its own. Nothing of a layer that is no more than operations, as its class says what it is, nor of many of
    them. ``around`` is the class of the module that the steps are of.
    """
    rows = rows_joined(steps)
    joined = [step for step, _ in rows]
    room = WIDE if any(step.times > 1 for step in joined) else room
    bare = all(step.kind == OF_OPERATION for step in steps)
    if (bare and (is_layer or len(steps) > MOST_OPERATIONS)) or (len(steps) < 2 and not bare and steps[0].times == 1):
        return []
    main, alike = max(rows, key=lambda row: row[0].times)
    if main.times == 1 or not main.inner:
        return fitting(joined, MOST_LINES + any(step.chosen for step in steps), room, around=around)
    each = EACH if alike == main.times else f"{alike} of {main.times}: "
    return [
        *fitting(joined, 1, room, around=around, main=joined.index(main)),
        *fitting(main.inner, 1, room, each, around=main.name),
    ]


def fitting(
    steps: Sequence[Step], most: int, room: int, before: str = "", *, around: str | None = None, main: int | None = None
) -> list[str]:
    """Steps in so few lines: all where they have room there, else without dropout, then in lines as wide as any, layers
    by their classes where these are shorter, in one line more, and at last without those of which there is least to
    tell, which are only counted, but never without that at the place ``main``.
    """
    named = shortly_named(steps, around)
    telling = [i for i, step in enumerate(named) if not is_dropout(step)]
    brief = without_others(named, telling) or named
    classed = [by_class(step) for step in brief]
    tries = ((named, room, most), (brief, room, most), (brief, WIDE, most), (classed, WIDE, most))
    for said, wide, rows in (*tries, (brief, WIDE, most + 1), (classed, LONGEST_PIECE, most + 1)):
        lines = broken(pieces_of(said), wide, before)
        if len(lines) <= rows:
            return lines
    pieces = pieces_of(classed)
    row = next((piece for piece in pieces if main is not None and said_of_step(classed[main]) in piece.text), None)
    return in_lines(pieces, most + 1, LONGEST_PIECE, before, row)


def by_class(step: Step) -> Step:
    """A layer under the name of its class, where that is shorter than its own."""
    return replace(step, name=step.called) if 0 < len(step.called) < len(step.name) else step


Joined = TypeVar("Joined", Step, "Piece")


def without_others(told: Sequence[Joined], kept: Sequence[int]) -> list[Joined]:
    """Those that are ``kept``; one reads what the one before makes, be it by way of those that are not."""
    starts = [0, *(place + 1 for place in kept)]
    return [
        replace(told[end], joined=i > 0 and all(each.joined for each in told[start : end + 1]))
        for i, (start, end) in enumerate(zip(starts, kept, strict=False))
    ]


def is_dropout(step: Step) -> bool:
    """Whether a step is no more than a dropout, of which a box has enough."""
    return step.kind == OF_OPERATION and step.name in DROPS


def shortly_named(steps: Sequence[Step], around: str | None) -> list[Step]:
    """The steps, modules of the family of the class around them without the words that all of these begin with:
    "SelfAttention" of a "T5LayerSelfAttention" in a "T5Block".
    """
    family = words_of(around or "")[:1]
    classes = {step.name: words_of(step.name) for step in steps if step.inner and not step.chosen}
    if not classes or not family or any(words[:1] != family for words in classes.values()):
        return [*steps]
    shared = shared_words([*classes.values()] if len(classes) > 1 else [*classes.values(), words_of(around or "")])
    short = {name: "".join(words[shared:]) for name, words in classes.items()}
    return [replace(step, name=short.get(step.name) or step.name) for step in steps]


def words_of(name: str) -> list[str]:
    """The words of the name of a class: "T5", "Layer", "FF"."""
    starts = [
        i
        for i, letter in enumerate(name)
        if i == 0 or (letter.isupper() and (not name[i - 1].isupper() or name[i + 1 : i + 2].islower()))
    ]
    return [name[i:j] for i, j in zip(starts, [*starts[1:], len(name)], strict=False)]


def shared_words(names: Sequence[Sequence[str]]) -> int:
    """With how many words all of these begin."""
    return next((i for i, words in enumerate(zip(*names, strict=False)) if len({*words}) > 1), min(map(len, names)))


def rows_joined(steps: Sequence[Step]) -> list[tuple[Step, int]]:
    """The steps with neighbours that are composed modules of one class as one; in how many of these the same ran."""
    rows: list[list[Step]] = []
    for step in steps:
        if rows and step.inner and rows[-1][-1].inner and step.name == rows[-1][-1].name:
            rows[-1].append(step)
        else:
            rows.append([step])
    return [as_one(row) for row in rows]


def as_one(row: Sequence[Step]) -> tuple[Step, int]:
    """Neighbours of one class as one, with what ran in most of them, and how many these are."""
    alike: dict[tuple[str, ...], list[Step]] = {}
    for step in row:
        alike.setdefault(tuple([piece.text for piece in pieces_of(step.inner)]), []).append(step)
    counts = {said: sum(step.times for step in same) for said, same in alike.items()}
    most = max(counts, key=lambda said: counts[said])
    times = sum(step.times for step in row)
    return replace(row[0], times=times, inner=alike[most][0].inner), counts[most]


@dataclass(frozen=True)
class Piece:
    """A step, or several again and again, in words; ``weight``: how many operations its modules ran; ``joined``: it
    reads what the one before makes; ``defining``: a sum, which is what a residual block has its name from, or a choice;
    ``count``: how many steps it is.
    """

    text: str
    weight: int = 0
    joined: bool = False
    defining: bool = False
    count: int = 1


def pieces_of(steps: Sequence[Step]) -> list[Piece]:
    """The steps in words, what is there several times in a row once: "3 × (Conv2d, BatchNorm2d, ReLU)"."""
    names = [said_of_step(step) for step in steps]
    found: list[Piece] = []
    at = 0
    while at < len(names):
        size, times = best_round(names[at:])
        inside = ", ".join(names[at : at + size])
        said = inside if times == 1 else f"{times} × ({inside})" if size > 1 else f"{times} × {inside}"
        told = steps[at : at + size * times]
        weight = sum(step.operations for step in told if step.kind == OF_MODULE)
        found.append(Piece(said, weight, steps[at].joined, any(map(is_defining, told)), len(told)))
        at += size * times
    return found


def is_defining(step: Step) -> bool:
    """Whether a step is what the class around it is known by: a sum, or the choice of some of many."""
    return bool(step.chosen) or (step.kind == OF_OPERATION and rule(step.name).symbol == SUM)


def best_round(names: Sequence[str]) -> tuple[int, int]:
    """How many of the first names come again and again, and how often: of all ways to see it the one that says most."""
    found = (1, 1)
    for size in range(1, min(MOST_IN_ROUND, len(names) // 2) + 1):
        times = 1
        while names[times * size : (times + 1) * size] == names[:size]:
            times += 1
        if times > 1 and size * times > found[0] * found[1] and len("".join(names[:size])) > 1:
            found = (size, times)
    return found


def said_of_step(step: Step) -> str:
    """ "self_attn", "rotate()", "+", "4 × Block", "mlp (gate: top 2 of 8 → experts)"."""
    if step.chosen and step.inner:
        return f"{step.name} ({' → '.join(map(said_of_step, step.inner))})"
    if step.chosen:
        few, many = step.chosen
        return f"{step.name}: top {few} of {many}"
    if step.kind == OF_FUNCTION:
        return f"{step.name}()"
    symbol = rule(step.name).symbol if step.kind == OF_OPERATION else ""
    name = symbol if symbol and not any(map(str.isalnum, symbol)) else step.name
    return f"{step.times} × {name}" if step.times > 1 else name


def in_lines(pieces: Sequence[Piece], most: int, room: int, before: str = "", main: Piece | None = None) -> list[str]:
    """Pieces in so few lines; where they have no room there, those in which least is done are left out, of these first
    the longest, which make most room, and of those in the middle; what is defining as the last, and never the ``main``
    one. How many they are stands where some were.
    """
    kept, shown = [*range(len(pieces))], [*pieces]
    while len(broken(shown, room, before)) > most and len(kept) > 1:
        half = len(kept) - 1
        ranks = {
            i: (pieces[i].defining, pieces[i].weight, -len(pieces[i].text), abs(2 * place - half), -i)
            for place, i in enumerate(kept)
            if pieces[i] != main
        }
        kept.remove(min(ranks, key=lambda i: ranks[i]))
        shown = with_counts(pieces, kept)
    lines = broken(shown, room, before)
    last = " ".join(lines[most - 1 :])
    return [*lines[: most - 1], *([shortened_text(last, LONGEST_PIECE)] if last else [])]


def with_counts(pieces: Sequence[Piece], kept: Sequence[int]) -> list[Piece]:
    """The pieces at these places, and where there were others, how many steps these are: "2 steps"."""
    shown: list[Piece] = []
    left: list[Piece] = []
    for i, piece in enumerate(pieces):
        left = [] if i in kept else [*left, piece]
        if len(left) > 1:
            shown.pop()
        if left:
            said = counted_noun(sum(each.count for each in left), "step")
            shown.append(Piece(said, joined=left[0].joined))
        else:
            shown.append(piece)
    return shown


def broken(pieces: Sequence[Piece], room: int, before: str) -> list[str]:
    """Pieces in lines that have room, with an arrow before each that reads what the one before it makes."""
    lines = [before]
    for i, piece in enumerate(pieces):
        sign = "" if i == 0 else " →" if piece.joined else ","
        if i and len(lines[-1]) + len(sign) + 1 + len(piece.text) > room:
            lines[-1] += sign
            lines.append(piece.text)
        else:
            lines[-1] += f"{sign} {piece.text}" if i else piece.text
    return [shortened_text(line, LONGEST_PIECE) for line in lines]
