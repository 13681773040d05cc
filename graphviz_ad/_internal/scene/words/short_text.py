"""Number, name or count -> the few characters that a line has room for."""

from __future__ import annotations

from collections.abc import Sequence

from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import (
    MINUS,
    NEARLY_NOTHING,
    every_element,
    number_in_one_line,
    snapshot_lines,
    type_label,
    without_signs_of_zeros,
)

SHORT = 24  # characters
CAPTION_ROOM = 90  # characters of a matrix below a picture


def is_constant(node: Node) -> bool:
    """Whether a node is a number written in the program."""
    return node.kind == "data" and node.op is None and node.name is None and node.ports[0].shape == ()


def is_one(snap: Snapshot | None) -> bool:
    """Whether this is the number 1."""
    return snap is not None and snap.known and snap.numel == 1 and snap.item() == 1


def is_ones(snap: Snapshot) -> bool:
    """Whether every element is 1, which is what is fed in where nobody says otherwise."""
    return snap.min == 1 and snap.max == 1


def short_elements(snap: Snapshot | None) -> str | None:
    """The elements in at most 24 characters; None where that cannot be."""
    if snap is None or not snap.known:
        return None
    text = number_in_one_line(snap)
    return text if len(text) <= SHORT and not text.startswith(type_label(snap)) else None


def gradient_text(grad: Snapshot | None) -> str:
    """A gradient in a few characters; "None" where torch has none."""
    with without_signs_of_zeros():
        return "None" if grad is None else number_in_one_line(grad)


def flow_text(snap: Snapshot | None) -> str | None:
    """What flows back, or a local derivative, as `short_elements`."""
    with without_signs_of_zeros():
        return short_elements(snap)


def every_element_flowing(snap: Snapshot) -> str:
    """All elements of what flows back, or of a derivative, as `every_element`."""
    with without_signs_of_zeros():
        return every_element(snap)


def caption_text(snap: Snapshot) -> str:
    """A tensor in a caption: its elements where its box shows them, or where they are to be read."""
    text = number_in_one_line(snap, CAPTION_ROOM)
    in_box = text == type_label(snap) != snapshot_lines(snap)[0]
    return f"{text}, written in its box" if in_box else text


def gradient_in_caption(grad: Snapshot | None) -> str:
    """A gradient likewise; "None" where torch has none."""
    with without_signs_of_zeros():
        return "None" if grad is None else caption_text(grad)


def equal_to(text: str) -> str:
    """ "= 2"; of what is 0 but for rounding "≈ 0"."""
    return text if text == NEARLY_NOTHING else f"= {text}"


def short_sum(terms: Sequence[str]) -> str:
    """ "2 + 3 − 1"."""
    return " ".join([as_term(terms[0]), *map(signed_term, terms[1:])])


def signed_term(term: str) -> str:
    """ "+ 3", "− 1": a term of a sum behind the first."""
    return f"{MINUS} {term[1:]}" if is_negative(term) else f"+ {as_term(term)}"


def as_term(text: str) -> str:
    """A number as a part of a sum or product: "(≈ 0)"."""
    return f"({text})" if text == NEARLY_NOTHING else text


def after_sign(text: str) -> str:
    """A negative number in parentheses, so that it can follow a sign."""
    return f"({text})" if is_negative(text) else as_term(text)


def grouped(text: str) -> str:
    """A formula of several words in parentheses, so that it can follow a sign."""
    return f"({text})" if " " in text else text


def is_negative(number: str) -> bool:
    """Whether a written number begins with a minus."""
    return number.startswith(MINUS)


def child_name(name: str) -> str:
    """The name of a module; that of a numbered child in brackets, so that it does not look like a number."""
    return f"[{name}]" if is_of_digits([name]) else name


def numbered_name(name: str, count: int) -> str:
    """What tells the results of one name apart: h₀, h₁, h₂."""
    return name + "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(count))


def end_of_name(name: str) -> str:
    """The last part of a dotted name, with those before it where it is but a number, or what a module has of its own:
    "norm", "layers.30", "down.2.0", "fc.weight".
    """
    last = name.rpartition(".")[2]
    return end_in_words(name, 2 if last in ("weight", "bias") else 1)


def end_in_words(name: str, parts: int) -> str:
    """So many of the last parts of a dotted name, and those before them as long as it would read as a number; in
    brackets, as one of a numbered child, where there is nothing else.
    """
    steps = name.split(".")
    while parts < len(steps) and is_of_digits(steps[-parts:]):
        parts += 1
    found = steps[-parts:]
    return "".join(map(child_name, found)) if is_of_digits(found) else ".".join(found)


def is_of_digits(steps: Sequence[str]) -> bool:
    """Whether parts of a name would read as a number, or as those of several copies: "1", "1 … 35"."""
    return all(number.isdigit() for step in steps for number in step.split(" … "))


def shortened_text(text: str, room: int) -> str:
    """The text, cut with an ellipsis after `room` characters."""
    return text if len(text) <= room else text[: room - 1] + "…"


def limited(names: tuple[str, ...], count: int = 6) -> str:
    """The names, the rest only counted."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def short_count(count: int) -> str:
    """ "1.2M"."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)
