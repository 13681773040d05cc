"""WrittenPart: a function of the user's program, or a stretch of a script, as it is written."""

from __future__ import annotations

from graphviz_ad._internal.base.frozen import frozen

RECORDING = "recording"  # what a graph is called that is neither of a module nor of a function


@frozen
class WrittenPart:
    """Lines of the user's program that stand together.

    ``function`` is the one that they are, "<module>" for a stretch of a script; ``file`` is what its file is called,
    without its folder; ``first`` is the number of the first of the ``lines``; ``head`` are the numbers of the first and
    the last line in which the function says what it takes, None where nothing is known of them.
    """

    function: str
    file: str
    first: int
    lines: tuple[str, ...]
    head: tuple[int, int] | None = None

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + len(self.lines) - 1
