"""The graphs of the backward passes of a recording -> a sequence of them, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from graphviz_ad._internal.graph.graph import Graph


class Passes(Sequence["Graph"]):
    """As a tuple of graphs; of each pass there is what makes its graph, or the graph, once somebody has asked.

    What all graphs are made of is let go of as soon as all are made.
    """

    def __init__(self, parts: Sequence[Graph | Callable[[], Graph]]) -> None:
        """``parts``: graphs, and what makes the others."""
        self._parts = list(parts)
        self._one_at_a_time = RLock()

    def __len__(self) -> int:
        """How many passes there were."""
        return len(self._parts)

    @overload
    def __getitem__(self, place: int) -> Graph: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Graph, ...]: ...

    def __getitem__(self, place: int | slice) -> Graph | tuple[Graph, ...]:
        """The graph of one pass, or of several."""
        if isinstance(place, slice):
            return tuple([self[i] for i in range(*place.indices(len(self)))])
        with self._one_at_a_time:
            part = self._parts[place]
            if callable(part):
                part = self._parts[place] = part()
            return part

    def __iter__(self) -> Iterator[Graph]:
        """All, one after the other."""
        return (self[i] for i in range(len(self)))

    def __add__(self, other: Sequence[Graph]) -> tuple[Graph, ...]:
        """As of tuples."""
        return (*self, *other)

    def __eq__(self, other: object) -> bool:
        """As of tuples: of the same graphs."""
        return tuple(self) == tuple(other) if isinstance(other, Passes | tuple) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Files and copies have all graphs."""
        return tuple, (list(self),)

    def __repr__(self) -> str:
        """How many there are; that makes none."""
        return f"<{len(self)} backward passes>"
