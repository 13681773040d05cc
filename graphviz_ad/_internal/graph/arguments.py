"""What an operation was given besides its operands, as plain values that know no framework."""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.base.frozen import frozen


@frozen
class Word:
    """A name of the framework's own: "float64", "cpu", "channels_last"."""

    name: str

    def __str__(self) -> str:
        """The name."""
        return self.name


LEFT_OUT = Word("…")  # what stands for an operand that is not shown and that is no number


def hidden_operand(slot: int) -> str:
    """The name under which an operation keeps an operand that a transform left out, as if it had been a setting."""
    return f"operand {slot + 1}"


Argument = Any  # None, a truth value, a number, a text, a Word, or a tuple of these
Arguments = tuple[tuple[str, Argument], ...]  # by name, in the order in which they were given
