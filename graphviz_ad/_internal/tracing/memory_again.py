"""Passes that run inside a backward pass -> what each of them keeps, where torch gives the same memory out again.

What a pass has let go of is where the next one may put something, or not: that is up to torch's allocator. Memory is
known by its place, so that two pieces at one place, one after the other, would be taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from weakref import ref

from torch import Tensor

from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph
from graphviz_ad._internal.tracing.assembly.saved import kept_by
from graphviz_ad._internal.tracing.tape.tape_entries import Value
from graphviz_ad._internal.tracing.tape.torch_private import memory_of_tensor

Keeper = tuple[AutogradGraph, int]  # a graph, and which of its nodes keeps something


class MemoryAgain:
    """The memory that one pass and those inside it have kept so far; ``before`` are the values that were there when it
    began: what one of them still holds is no memory that was given out again.
    """

    def __init__(self, graph: AutogradGraph, before: Sequence[Value]) -> None:
        self._keepers: dict[int, list[Keeper]] = {}
        self._of_leaves: set[int | None] = set()
        self._living: dict[int, list[ref[Tensor]]] = {}
        self._numbers = count(-1, -1)  # of pieces that have gone; no place is below 0
        for value in before:
            if value.memory is not None:
                self._living.setdefault(value.memory, []).append(value.reference)
        self._take_in(graph)

    def begins(self, graph: AutogradGraph) -> None:
        """A pass begins inside: what lies where others had something that has gone since is another piece."""
        places = {tensor.storage for keeps in graph.keeps for tensor in keeps.tensors}
        places |= {memory_of_tensor(leaf) for leaf in graph.variables.values()}
        for place in places:
            if place in self._keepers and not self._is_still_there(place):
                self._has_gone(place)
        self._take_in(graph)

    def _take_in(self, graph: AutogradGraph) -> None:
        self._of_leaves |= {memory_of_tensor(leaf) for leaf in graph.variables.values()}
        for i, keeps in enumerate(graph.keeps):
            for tensor in keeps.tensors:
                if tensor.storage is not None:
                    self._keepers.setdefault(tensor.storage, []).append((graph, i))

    def _is_still_there(self, place: int) -> bool:
        """Whether a leaf, a value from before or a node has held it all the time."""
        if place in self._of_leaves or any(keeps_still(graph, i, place) for graph, i in self._keepers[place]):
            return True
        held = (each() for each in self._living.get(place, ()))
        return any(tensor is not None and memory_of_tensor(tensor) == place for tensor in held)

    def _has_gone(self, place: int) -> None:
        """Give what was there a number of its own."""
        number = next(self._numbers)
        for graph, i in self._keepers.pop(place):
            keeps = graph.keeps[i]
            moved = (one._replace(storage=number) if one.storage == place else one for one in keeps.tensors)
            graph.keeps[i] = keeps._replace(tensors=tuple(moved))


def keeps_still(graph: AutogradGraph, i: int, place: int) -> bool:
    """Whether a node has not let go of memory; one with hooks of the user, which may be what runs now, is not asked."""
    if graph.keeps[i].hooked is not False:
        return False
    node = graph.nodes[i]
    return any(tensor.storage == place for tensor in kept_by(node, graph.is_packed(node)).tensors)
