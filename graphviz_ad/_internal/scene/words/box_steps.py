"""Steps of a box -> what it is made of, in at most two lines: "2 × (Conv2d, BatchNorm2d, relu) → + → relu"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.graph.box_facts import OF_FUNCTION, OF_MODULE, OF_OPERATION, Step
from graphviz_ad._internal.operations.rules import rule
from graphviz_ad._internal.scene.words.short_text import shortened_text

MOST_LINES, MOST_OPERATIONS, MOST_IN_ROUND = 2, 3, 6  # of what is in a box; steps that are a round
STEPS_ROOM, WIDE, LONGEST_PIECE, EACH = 34, 44, 48, "each: "  # characters; before what is in each of a row


def lines_of_steps(steps: Sequence[Step], *, is_layer: bool, room: int = STEPS_ROOM) -> list[str]:
    """What ran, in order; of what is mostly a row of modules of one class, what ran in each of them in a line of its
    own. Nothing of a layer that is no more than operations, as its class says what it is, nor of many of them.
    """
    room = WIDE if any(step.times > 1 for step in rows_joined(steps)) else room
    bare = all(step.kind == OF_OPERATION for step in steps)
    if (bare and (is_layer or len(steps) > MOST_OPERATIONS)) or (len(steps) < 2 and not bare and steps[0].times == 1):
        return []
    joined = rows_joined(steps)
    main = max(joined, key=lambda step: step.times)
    if main.times == 1 or not main.inner:
        return in_lines(pieces_of(joined), MOST_LINES, room)
    pieces = pieces_of(joined)
    row = next(piece for piece in pieces if said_of_step(main) in piece.text)
    return [*in_lines(pieces, 1, room, main=row), *in_lines(pieces_of(main.inner), 1, room, EACH)]


def rows_joined(steps: Sequence[Step]) -> list[Step]:
    """The steps with neighbours that are composed modules of one class as one."""
    found: list[Step] = []
    for step in steps:
        if found and step.inner and found[-1].inner and step.name == found[-1].name:
            found[-1] = replace(found[-1], times=found[-1].times + step.times)
        else:
            found.append(step)
    return found


@dataclass(frozen=True)
class Piece:
    """A step, or several again and again, in words; ``weight``: how many operations its modules ran; ``joined``: it
    reads what the one before makes.
    """

    text: str
    weight: int = 0
    joined: bool = False


LEFT_OUT = Piece("…")


def pieces_of(steps: Sequence[Step]) -> list[Piece]:
    """The steps in words, what is there several times in a row once: "3 × (Conv2d, BatchNorm2d, ReLU)"."""
    names = [said_of_step(step) for step in steps]
    found: list[Piece] = []
    at = 0
    while at < len(names):
        size, times = best_round(names[at:])
        inside = ", ".join(names[at : at + size])
        said = inside if times == 1 else f"{times} × ({inside})" if size > 1 else f"{times} × {inside}"
        weight = sum(step.operations for step in steps[at : at + size * times] if step.kind == OF_MODULE)
        found.append(Piece(said, weight, steps[at].joined))
        at += size * times
    return found


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
    """ "self_attn", "rotate()", "+", "4 × Block"."""
    if step.kind == OF_FUNCTION:
        return f"{step.name}()"
    symbol = rule(step.name).symbol if step.kind == OF_OPERATION else ""
    name = symbol if symbol and not any(map(str.isalnum, symbol)) else step.name
    return f"{step.times} × {name}" if step.times > 1 else name


def in_lines(pieces: Sequence[Piece], most: int, room: int, before: str = "", main: Piece | None = None) -> list[str]:
    """Pieces in so few lines; where they have no room there, those in which least is done are left out, first those in
    the middle, and never the ``main`` one.
    """
    kept = list(pieces)
    while len(broken(kept, room, before)) > most:
        places = [i for i, piece in enumerate(kept) if piece not in (LEFT_OUT, main)]
        if len(kept) < 3 or len(places) < (1 if main in kept else 2):
            break
        at = min(places, key=lambda i: (kept[i].weight, abs(2 * i - len(kept) + 1), -i))
        kept[at] = LEFT_OUT
        kept = [piece for i, piece in enumerate(kept) if piece is not LEFT_OUT or kept[i - 1 : i] != [LEFT_OUT]]
    lines = broken(kept, room, before)
    last = " ".join(lines[most - 1 :])
    return [*lines[: most - 1], *([shortened_text(last, LONGEST_PIECE)] if last else [])]


def broken(pieces: Sequence[Piece], room: int, before: str) -> list[str]:
    """Pieces in lines that have room, with an arrow before each that reads what the one before it makes."""
    lines = [before]
    for i, piece in enumerate(pieces):
        sign = "" if i == 0 else " →" if piece.joined or LEFT_OUT in (piece, pieces[i - 1]) else ","
        if i and len(lines[-1]) + len(sign) + 1 + len(piece.text) > room:
            lines[-1] += sign
            lines.append(piece.text)
        else:
            lines[-1] += f"{sign} {piece.text}" if i else piece.text
    return [shortened_text(line, LONGEST_PIECE) for line in lines]
