"""A long job -> a line on the terminal that says how far it is; none while it is short, or where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

Thing = TypeVar("Thing")

PATIENCE, RHYTHM = 1.0, 0.1  # seconds until the first word, and between two


class Progress:
    """``with Progress("frame", 60) as progress: use(progress.over(frames))`` writes to standard error, and wipes
    that out at the end. How many there are may be asked for when somebody is to be told.
    """

    def __init__(self, what: str, total: int | Callable[[], int]) -> None:
        self.what, self.total, self.done, self.written = what, total, 0, 0
        self.next = monotonic() + PATIENCE
        self.seen = sys.stderr is not None and sys.stderr.isatty()

    def over(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The things, counted as they are taken."""
        for thing in things:
            self.done += 1
            self.tell()
            yield thing

    def tell(self) -> None:
        """Say how far it is, if it is time to."""
        if self.seen and monotonic() >= self.next:
            self.total = self.total if isinstance(self.total, int) else self.total()
            text = f"{self.what} {self.done} of {self.total}"
            sys.stderr.write(f"\r{text}")
            sys.stderr.flush()
            self.written, self.next = len(text), monotonic() + RHYTHM

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.written:
            sys.stderr.write("\r" + " " * self.written + "\r")
            sys.stderr.flush()
