"""Graph of one rank -> the calls of torch.distributed that it made, in their order, as they are held against those of
other ranks.

A file that is written while a program runs tells the same; see `graphviz_ad._internal.graph.history_files`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import prod

from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.messages import PAIRS, IssuedCall
from graphviz_ad._internal.ranks.matching import communications_of, port_types

SAME_SIZES = frozenset({"all_reduce", "reduce", "broadcast", "all_gather", "reduce_scatter"})


def issued_by(graph: Graph) -> list[IssuedCall]:
    """The calls of one rank, with the lines that made them."""
    return [
        IssuedCall(call.message, port_types(call.operands or call.results), graph.nodes[call.key].source, call.key)
        for call in communications_of(graph)
    ]


@dataclass(frozen=True)
class Mismatch:
    """The first call of a group that is not the same on all its ranks: ``differing`` is "operation", "reduction",
    "root", "dtype", "shape", "order", or "missing" where some ranks made none; ``calls`` is what each rank did,
    ``last`` what each did before it.
    """

    group: str
    number: int
    differing: str
    calls: Mapping[int, IssuedCall | None]
    last: Mapping[int, IssuedCall | None]

    @property
    def odd(self) -> tuple[int, ...]:
        """The ranks that do other than most; all, where no more than half do the same."""
        groups: dict[object, list[int]] = {}
        for rank, call in self.calls.items():
            groups.setdefault((call is None, call and signature(call, self.differing)), []).append(rank)
        largest = max(groups.values(), key=len)
        if 2 * len(largest) <= len(self.calls):
            return tuple(self.calls)
        return tuple(rank for rank in self.calls if rank not in largest)


def mismatches(ranks: Mapping[int, Sequence[IssuedCall]]) -> Iterator[Mismatch]:
    """The first of each group; what comes after it is no longer known to belong together."""
    groups = dict.fromkeys(
        call.message.group for calls in ranks.values() for call in calls if call.message.kind not in PAIRS
    )
    for group in groups:
        own = {rank: collectives_of(calls, group) for rank, calls in ranks.items()}
        members = {rank for calls in own.values() for call in calls for rank in call.message.ranks}
        found = first_mismatch(group, {rank: calls for rank, calls in own.items() if rank in members})
        if found is not None:
            yield found


def collectives_of(calls: Iterable[IssuedCall], group: str) -> list[IssuedCall]:
    """The collectives of a group, in their order."""
    return [call for call in calls if call.message.group == group and call.message.kind not in PAIRS]


def first_mismatch(group: str, ranks: Mapping[int, Sequence[IssuedCall]]) -> Mismatch | None:
    """Where the ranks of one group part."""
    last: dict[int, IssuedCall | None] = dict.fromkeys(ranks)
    for number, row in enumerate(zip_longest(*ranks.values())):
        calls: dict[int, IssuedCall | None] = dict(zip(ranks, row, strict=True))
        differing = difference([call for call in row if call is not None], len(ranks))
        if differing is None and is_exchanged(number, ranks):
            differing = "order"
        if differing is not None:
            return Mismatch(group, number, differing, calls, last)
        last = calls
    return None


def difference(row: Sequence[IssuedCall], ranks: int) -> str | None:
    """In what calls differ that are to be one."""
    if len(row) < ranks:
        return "missing"
    return next((what for what in COMPARED if len(signatures(row, what)) > 1), None)


def signatures(row: Sequence[IssuedCall], what: str) -> set[object]:
    """What they say of it, those that say anything."""
    known = row if what not in ("dtype", "shape") else [call for call in row if call.types]
    return {signature(call, what) for call in known}


COMPARED = ("operation", "root", "reduction", "dtype", "shape")


def signature(call: IssuedCall, what: str) -> object:
    """What has to be the same on all ranks."""
    message = call.message
    if what == "dtype":
        return tuple(dict.fromkeys(dtype for dtype, _ in call.types)) if message.kind in SAME_SIZES else None
    if what == "shape":
        return sum(prod(shape) for _, shape in call.types) if message.kind in SAME_SIZES else None
    if what == "order":
        return call.source
    return {"operation": message.kind, "root": message.root, "reduction": message.reduction}.get(what)


def is_exchanged(number: int, ranks: Mapping[int, Sequence[IssuedCall]]) -> bool:
    """Whether two ranks make the same calls from the same lines, and here in another order: what the one makes here,
    the other makes later.
    """
    sequences = [[call.source for call in calls if not call.message.backward] for calls in ranks.values()]
    here = [calls[number] for calls in ranks.values()]
    if any(call.message.backward or call.source is None for call in here):
        return False
    first, *others = sequences
    return any(
        sorted(map(str, first)) == sorted(map(str, other)) and first != other and call.source != here[0].source
        for other, call in zip(others, here[1:], strict=True)
    )
