"""Nodes that communicated, of several ranks -> which of them belong together, and whether their numbers prove it.

The k-th message from a to b is the k-th one that b received from a; the k-th collective of a group is the same one for
all its members. This is how torch.distributed pairs them, so that order decides, and the recorded shapes, dtypes and
numbers are compared to verify it: where they agree the match is "exact", where they are not known it is a "guess", and
what contradicts itself is not joined.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node, Port
from graphviz_ad._internal.graph.messages import PAIRS, Message
from graphviz_ad._internal.graph.notices import Notice, notice
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.rank_messages import message_of
from graphviz_ad._internal.graph.snapshot import Array, Snapshot, statistics_of_array
from graphviz_ad._internal.maths.agreement import allowed, coarsest, equal, same_statistics


@dataclass(frozen=True)
class Call:
    """A node that took part in a communication, with what it read and what it made."""

    key: str
    message: Message
    operands: tuple[Port, ...]
    results: tuple[Port, ...]

    @property
    def rank(self) -> int:
        """The process that made the call."""
        return self.message.rank


@dataclass(frozen=True, eq=False)
class Match:
    """Calls of several ranks that are one communication, by rank; of a pair the sender first."""

    calls: tuple[Call, ...]
    match: str

    @property
    def message(self) -> Message:
        """What all of them say: kind, group, number."""
        return self.calls[0].message

    @property
    def is_pair(self) -> bool:
        """Whether it is one send and one receive."""
        return self.message.kind in PAIRS


def communications_of(graph: Graph) -> list[Call]:
    """The communications of one rank in the order in which they were issued."""
    found = []
    for node in graph.node_list:
        message = message_of(node)
        if message is not None:
            operands = tuple(graph.nodes[edge.tail].ports[edge.port] for edge in graph.in_edges(node.key))
            found.append(Call(node.key, message, operands, known_results(node)))
    return found


def known_results(node: Node) -> tuple[Port, ...]:
    """The results that are known to be there; an operation that made none has one port that says nothing."""
    return tuple(port for port in node.ports if port.shape is not None)


def match_communications(ranks: Mapping[int, Sequence[Call]]) -> tuple[list[Match], list[Notice]]:
    """All communications between these ranks, and a notice for each one that could not be joined."""
    calls = [call for rank in sorted(ranks) for call in ranks[rank]]
    notices: list[Notice] = []
    matches = [
        *paired_messages([call for call in calls if call.message.kind in PAIRS], ranks.keys(), notices),
        *collectives([call for call in calls if call.message.kind not in PAIRS], ranks.keys(), notices),
    ]
    return matches, notices


# --- one sends, one receives

Channel = tuple[str, int, int, int]  # group, sender, receiver, tag


def paired_messages(calls: Iterable[Call], ranks: Iterable[int], notices: list[Notice]) -> list[Match]:
    """Send k of a channel with its receive k."""
    sent: dict[Channel, list[Call]] = defaultdict(list)
    received: dict[Channel, list[Call]] = defaultdict(list)
    from_anybody: list[Call] = []
    for call in calls:
        message = call.message
        if message.kind == "send" and message.peer is not None:
            sent[message.group, message.rank, message.peer, message.tag].append(call)
        elif message.peer is not None:
            received[message.group, message.peer, message.rank, message.tag].append(call)
        else:
            from_anybody.append(call)
    known = set(ranks)
    found = []
    for channel in dict.fromkeys([*sent, *received]):
        found += joined_channel(channel, sent[channel], received[channel], known, notices)
    if from_anybody:
        notices.append(notice("from anybody", count=len(from_anybody)))
    return found


def joined_channel(
    channel: Channel, sent: list[Call], received: list[Call], ranks: set[int], notices: list[Notice]
) -> list[Match]:
    """The messages of one channel; those that are left over, or that contradict themselves, are said."""
    way: dict[str, Any] = dict(zip(("group", "source", "target", "tag"), channel, strict=True))
    found: list[Match] = []
    wrong: list[dict[str, Any]] = []
    for number, (send, receive) in enumerate(zip(sent, received, strict=False)):
        agreement = arrived(send, receive)
        if agreement is False:
            wrong.append({"number": number, "sent": port_types(send.operands), "received": port_types(receive.results)})
        else:
            found.append(Match((send, receive), "exact" if agreement and len(sent) == len(received) else "guess"))
    if wrong:
        notices.append(notice("ends contradict", count=len(wrong), **way, **wrong[0]))
    more = len(sent) - len(received)
    if more:
        other, missing = (channel[2], "receive") if more > 0 else (channel[1], "send")
        kind = "no other end" if other in ranks else "other end not here"
        notices.append(notice(kind, count=abs(more), **way, other=other, missing=missing))
    return found


def arrived(send: Call, receive: Call) -> bool | None:
    """Whether what was received is what was sent; None where that is not known."""
    if len(send.operands) != len(receive.results):
        return None
    return all_of(same_elements(one, other) for one, other in zip(send.operands, receive.results, strict=True))


# --- all ranks of a group together


def collectives(calls: Iterable[Call], ranks: Iterable[int], notices: list[Notice]) -> list[Match]:
    """Collective k of a group, of all its members."""
    meetings: dict[tuple[str, int], list[Call]] = defaultdict(list)
    for call in calls:
        meetings[call.message.group, call.message.number].append(call)
    known = set(ranks)
    found: list[Match] = []
    alone: dict[tuple[str, str, tuple[int, ...]], int] = defaultdict(int)
    wrong: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (group, number), members in meetings.items():
        first = members[0].message
        missing = tuple(rank for rank in first.ranks if rank not in {call.rank for call in members})
        if missing:
            alone[first.kind, group, missing] += 1
        if len(members) < 2:
            continue
        agreement = met(members) if not missing else None if said_alike(members) else False
        if agreement is False:
            wrong[group].append({"number": number, "calls": tuple(map(facts_of_call, members))})
        else:
            found.append(Match(tuple(members), "exact" if agreement and not missing else "guess"))
    for (kind, group, missing), count in alone.items():
        away = tuple(rank for rank in missing if rank not in known)
        notices.append(notice("members missing", count=count, what=kind, group=group, missing=missing, away=away))
    for group, calls_apart in wrong.items():
        notices.append(notice("members contradict", count=len(calls_apart), group=group, **calls_apart[0]))
    return found


def facts_of_call(call: Call) -> tuple[Any, ...]:
    """Who called what, with what, and what came back, as plain data."""
    message = call.message
    return (
        call.rank,
        message.kind,
        message.reduction,
        message.root,
        port_types(call.operands),
        port_types(call.results),
    )


def port_types(ports: Iterable[Port]) -> tuple[tuple[str | None, tuple[int, ...]], ...]:
    """dtypes and shapes."""
    return tuple((port.dtype, port.shape or ()) for port in ports)


def met(members: Sequence[Call]) -> bool | None:
    """Whether these calls are one collective, by its meaning; None where numbers that would tell are not known."""
    meaning = MEANINGS.get(members[0].message.kind)
    return False if not said_alike(members) else meaning(members) if meaning is not None else None


def said_alike(members: Sequence[Call]) -> bool:
    """Whether all called the same, each rank once."""
    said = {(call.message.kind, call.message.root, call.message.reduction, call.message.ranks) for call in members}
    return len(said) == 1 and len({call.rank for call in members}) == len(members)


def all_reduced(members: Sequence[Call]) -> bool | None:
    """Everybody has the same result, and it is the reduction of what they gave."""
    first = members[0].results
    alike = all_of(same_elements(one, other) for call in members[1:] for one, other in paired(first, call.results))
    return False if close(reduced(members), first) is False else alike


def reduced_to_root(members: Sequence[Call]) -> bool | None:
    """The root has the reduction of what everybody gave."""
    root = at_root(members)
    return close(reduced(members), root.results) if root is not None else None


def broadcast(members: Sequence[Call]) -> bool | None:
    """Everybody has what the root gave."""
    root = at_root(members)
    if root is None:
        return None
    return all_of(
        same_elements(one, other)
        for call in members
        if call is not root
        for one, other in paired(root.operands, call.results)
    )


def all_gathered(members: Sequence[Call]) -> bool | None:
    """Everybody has what all gave, one after the other."""
    if any(len(call.operands) != 1 for call in members):
        return None  # of several tensors, each is gathered for itself
    given = joined_arrays([flat(call.operands) for call in members])
    return all_of(identical(given, flat(call.results)) for call in members)


def gathered(members: Sequence[Call]) -> bool | None:
    """The root has what all gave, one after the other."""
    root = at_root(members)
    return (
        identical(joined_arrays([flat(call.operands) for call in members]), flat(root.results))
        if root is not None
        else None
    )


def scattered(members: Sequence[Call]) -> bool | None:
    """What the root gave is what all have, one after the other."""
    root = at_root(members)
    return (
        identical(flat(root.operands), joined_arrays([flat(call.results) for call in members]))
        if root is not None
        else None
    )


def reduce_scattered(members: Sequence[Call]) -> bool | None:
    """The reduction of what everybody gave is what all have, one after the other."""
    if any(len(call.results) != 1 for call in members):
        return None  # of several tensors, each is scattered for itself
    return close(reduced(members), [port for call in members for port in call.results])


def exchanged(members: Sequence[Call]) -> bool | None:
    """Part r of what rank s gave is part s of what rank r has. That all parts are of one size is not recorded: where
    it does not hold nothing is known.
    """
    given, got = (
        [flat(ports) for ports in side] for side in ([c.operands for c in members], [c.results for c in members])
    )
    if any(array is None or array.size % len(members) for array in (*given, *got)):
        return None
    parts = [np.split(array, len(members)) for array in given if array is not None]
    return all_of(identical(joined_arrays([part[r] for part in parts]), array) for r, array in enumerate(got)) or None


MEANINGS: Mapping[str, Callable[[Sequence[Call]], bool | None]] = {
    "all_reduce": all_reduced,
    "reduce": reduced_to_root,
    "broadcast": broadcast,
    "all_gather": all_gathered,
    "gather": gathered,
    "scatter": scattered,
    "reduce_scatter": reduce_scattered,
    "all_to_all": exchanged,
}
REDUCTIONS: Mapping[str, Callable[[Any], Array]] = {
    "sum": lambda arrays: np.sum(arrays, axis=0),
    "avg": lambda arrays: np.mean(arrays, axis=0),
    "product": lambda arrays: np.prod(arrays, axis=0),
    "min": lambda arrays: np.min(arrays, axis=0),
    "max": lambda arrays: np.max(arrays, axis=0),
}

Reduction = tuple[Array, Array]  # and the sizes of what was reduced

WIDEST = {"f": np.float64, "c": np.complex128, "i": np.int64, "u": np.uint64}  # by numpy's letter for the kind
ROUNDINGS = 8  # that a reduction may take: those of a tree over many ranks


# --- comparing what was recorded; None is: not known


def at_root(members: Sequence[Call]) -> Call | None:
    """The member that is the root, if it is here."""
    return next((call for call in members if call.rank == call.message.root), None)


def reduced(members: Sequence[Call]) -> Reduction | None:
    """The reduction of what everybody gave."""
    arrays, name = [flat(call.operands) for call in members], members[0].message.reduction or ""
    known = [array for array in arrays if array is not None]
    if name not in REDUCTIONS or len(known) < len(arrays) or len({array.shape for array in known}) > 1:
        return None
    return reduction_of(name, known)


def reduction_of(name: str, arrays: Sequence[Array]) -> Reduction:
    """The reduction of arrays of one shape in double precision, and how large the numbers were that it is made of."""
    reduce = REDUCTIONS[name]
    with np.errstate(all="ignore"):
        exact = reduce(arrays)
        return exact, np.maximum(np.abs(exact), reduce(np.abs(arrays)))


def flat(ports: Sequence[Port]) -> Array | None:
    """All elements of some results in one row, in a dtype that holds each of them exactly."""
    return joined_arrays(
        [
            None if port.value is None or port.value.array is None else widest_of_kind(port.value.array.reshape(-1))
            for port in ports
        ]
    )


def widest_of_kind(array: Array) -> Array:
    """The array in the widest dtype of its kind."""
    return array.astype(WIDEST.get(array.dtype.kind, array.dtype))


def joined_arrays(arrays: Sequence[Array | None]) -> Array | None:
    """The arrays one after the other."""
    known = [array for array in arrays if array is not None]
    return np.concatenate(known) if known and len(known) == len(arrays) else None


def identical(one: Array | None, other: Array | None) -> bool | None:
    """Whether two rows have the same elements, bit for bit but for the kinds of NaN; of different length, a result
    that nobody read is missing.
    """
    if one is None or other is None or one.shape != other.shape:
        return None
    return Snapshot(one.shape, "", one) == Snapshot(other.shape, "", other)


def close(wanted: Reduction | None, ports: Sequence[Port]) -> bool | None:
    """Whether these results are a reduction, but for the rounding of their dtype."""
    found = flat(ports)
    if wanted is None or found is None or wanted[0].shape != found.shape:
        return None
    (exact, size), dtype = wanted, coarsest(port.dtype for port in ports)
    return equal(exact, found, allowed(dtype, ROUNDINGS, size) if unit(dtype) else 0.0, dtype, size)


def same_elements(one: Port, other: Port) -> bool | None:
    """Whether two tensors have the same dtype and elements, in whatever shape; by their statistics where only these
    are kept.
    """
    if None in (one.dtype, other.dtype, one.shape, other.shape):
        return None
    if one.dtype != other.dtype or math.prod(one.shape or ()) != math.prod(other.shape or ()):
        return False
    mine, theirs = one.value, other.value
    if mine is None or theirs is None:
        return None
    if mine.known and theirs.known:
        return identical(flat([one]), flat([other]))
    return similar(mine, theirs)


def similar(one: Snapshot, other: Snapshot) -> bool | None:
    """Whether two tensors may be the same by their statistics, whose sums depend on the order in which they were
    added up.
    """
    a, b = (
        snap.stats or (statistics_of_array(snap.array) if snap.array is not None else None) for snap in (one, other)
    )
    if a is None or b is None:
        return None
    exact = np.array_equal([a.min, a.max, a.nonfinite], [b.min, b.max, b.nonfinite], equal_nan=True)
    return exact and same_statistics((a.mean, a.norm), (b.mean, b.norm), one.numel)


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """False if one is, else None if one is not known, else True; nothing asked is nothing known."""
    found = list(answers)
    return False if False in found else None if None in found or not found else True


def paired(one: Sequence[Port], other: Sequence[Port]) -> list[tuple[Port, Port]]:
    """Pairs of results; one that nobody has is a result of which nothing is known."""
    longest = max(len(one), len(other))
    return [(one[i] if i < len(one) else Port(), other[i] if i < len(other) else Port()) for i in range(longest)]
