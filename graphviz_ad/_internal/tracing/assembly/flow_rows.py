"""What flowed at autograd nodes -> rows of Snapshots, made when they are read: until then a plain number is just that.

A long program of plain numbers has two or three gradients a node. A Python float takes a fifth of the time and of the
memory of a `Snapshot`, and Python's garbage collector keeps no account of it.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence

from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.tape.values import Held

Row = tuple[Snapshot | None, ...]
Kept = Held | tuple[Held, ...]  # a row; of one plain number, that


class Numbers:
    """The plain numbers of one backward pass: all are of one dtype, and whoever reads one gets the same Snapshot."""

    def __init__(self) -> None:
        self.dtype: str | None = None  # None: there are none yet
        self._read: dict[int, Snapshot] = {}  # by identity of the number, which lives as long as its Snapshot

    def snapshot(self, held: Held) -> Snapshot | None:
        """What a row holds in one place, as a graph has it."""
        if held is None or isinstance(held, Snapshot):
            return held
        known = self._read.get(id(held))
        if known is None:
            assert self.dtype is not None
            known = self._read[id(held)] = Snapshot((), self.dtype, held)
        return known


class Rows(MutableMapping[int, Row]):
    """Number of an autograd node -> its row; ``kept`` is what is held of it."""

    def __init__(self) -> None:
        self.kept: dict[int, Kept] = {}
        self.numbers = Numbers()

    def __getitem__(self, i: int) -> Row:
        """The row of a node."""
        kept = self.kept[i]
        if isinstance(kept, tuple):
            return tuple([self.numbers.snapshot(held) for held in kept])
        return (self.numbers.snapshot(kept),)

    def __setitem__(self, i: int, row: Row) -> None:
        """Give a node a row."""
        self.kept[i] = row

    def __delitem__(self, i: int) -> None:
        """Forget the row of a node."""
        del self.kept[i]

    def __contains__(self, i: object) -> bool:
        """Whether a node has a row."""
        return i in self.kept

    def __iter__(self) -> Iterator[int]:
        """The nodes that have one."""
        return iter(self.kept)

    def __len__(self) -> int:
        """How many these are."""
        return len(self.kept)

    def renumbered(self, number: Sequence[int]) -> Rows:
        """The same rows, each of the node that has another number elsewhere."""
        moved = Rows()
        moved.kept = {number[i]: kept for i, kept in self.kept.items()}
        moved.numbers = self.numbers
        return moved


def alone(held: Held) -> Kept:
    """A row of one thing, as it is kept."""
    return (held,) if held is None or isinstance(held, Snapshot) else held
