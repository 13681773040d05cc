"""Graph of several ranks -> findings: those of each rank, told once, and what only shows between the ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from graphviz_ad._internal.diagnosis.calls_apart import calls_apart, is_waiting
from graphviz_ad._internal.diagnosis.course import Course
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, SEVERITIES, Finding
from graphviz_ad._internal.diagnosis.replicas_apart import replicas_apart
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.messages import Meeting
from graphviz_ad._internal.graph.rank_messages import message_of

NOT_FINITE = frozenset({
    "nan-value", "infinite-value", "data-not-finite", "parameter-not-finite", "row-masked-altogether", "half-overflow",
    "nan-gradient", "infinite-gradient", "zero-times-infinity", "not-finite-on-one-rank",
})  # fmt: skip
STOPPED = frozenset({"raised"})
WAITED = 30.0  # the weight of what only says that another rank did not come

Courses = Mapping[int, Course]
Found = Mapping[int, Sequence[Finding]]


def findings_of_ranks(graph: Graph, courses: Courses, found: Found) -> Iterator[Finding]:
    """All of them; ``found`` is what each rank's own graph shows."""
    between = [*calls_apart(courses), *replicas_apart(courses), *_first_not_finite(courses, found)]
    explained = bool(between) or any(not _waits(courses[rank], one) for rank in found for one in _errors(found[rank]))
    for one in map(partial(_used_elsewhere, courses), _told_once(_without_spread(courses, found))):
        waits = explained and one.ranks and all(_waits(courses[rank], one) for rank in one.ranks)
        yield _placed(graph, replace(one, weight=WAITED) if waits else one)
    yield from (_placed(graph, one) for one in between)


def _errors(found: Sequence[Finding]) -> Iterator[Finding]:
    return (one for one in found if one.severity == ERROR)


def _waits(course: Course, one: Finding) -> bool:
    """Whether a finding only says that a rank raised while it waited for others."""
    return one.kind in STOPPED and is_waiting(course)


def _used_elsewhere(courses: Courses, one: Finding) -> Finding:
    """That nothing read a parameter is no fault where another rank did, as of branches and experts."""
    if one.kind != "never-read":
        return one
    read = {p.name for course in courses.values() for p in course.parameters if p.read}
    return replace(one, severity=NOTE) if read.issuperset(one.names) else one


def _told_once(found: Found) -> Iterator[Finding]:
    """The findings of all ranks, the same of several ranks once, at its heaviest."""
    same: dict[tuple[str, str | None, str | None], list[tuple[int, Finding]]] = {}
    for rank, own in found.items():
        for one in own:
            same.setdefault((one.kind, one.source, one.name), []).append((rank, one))
    for told in same.values():
        _, heaviest = min(told, key=lambda each: SEVERITIES.index(each[1].severity))
        first = next(rank for rank, one in told if one is heaviest)
        ranks = tuple(dict.fromkeys(rank for rank, _ in told))
        yield replace(heaviest, ranks=(first, *(rank for rank in ranks if rank != first)))


def _placed(graph: Graph, one: Finding) -> Finding:
    """A finding with the key that its node has in the graph of all ranks, which is said of the first of its ranks."""
    key = key_of_all(graph, one.ranks[0], one.key) if one.key is not None and one.ranks else None
    return replace(one, key=key, ranks=tuple(sorted(one.ranks)))


def key_of_all(graph: Graph, rank: int, key: str) -> str | None:
    """The node of the graph of all ranks that stands for one of this rank: the same, or that of the collective."""
    own = f"r{rank}{key}"
    if own in graph.nodes:
        return own
    part = dict(zip(graph.ranks, graph.of_ranks, strict=True))[rank]
    message = message_of(part.nodes[key]) if key in part.nodes else None
    if message is None:
        return None
    for node in graph.node_list:
        met = next((each for each in node.messages if isinstance(each, Meeting)), None)
        if met is not None and (met.group, met.number, met.kind) == (message.group, message.number, message.kind):
            return node.key
    return None


# --- which rank had the first number that is none


def _position(course: Course, one: Finding) -> tuple[int, int]:
    """In which pass it came up, counted from 1, and whether on the way back."""
    if "pass" in one.evidence:
        return one.evidence["pass"], 1
    place = course.order.get(one.key or "", 0)
    return 1 + sum(course.order.get(root.key, place) < place for root in course.roots), 0


def _positions(courses: Courses, found: Found) -> dict[int, tuple[tuple[int, int], Finding]]:
    """Rank -> the first of its findings about what is not finite, and where it stands."""
    first = {}
    for rank, own in found.items():
        placed = [(_position(courses[rank], one), one) for one in _errors(own) if one.kind in NOT_FINITE]
        if placed:
            first[rank] = min(placed, key=lambda each: each[0])
    return first


def _first_not_finite(courses: Courses, found: Found) -> Iterator[Finding]:
    """That it came up on some ranks alone, and where it went from there."""
    first = _positions(courses, found)
    if not first:
        return
    earliest = min(position for position, _ in first.values())
    begun = tuple(rank for rank, (position, _) in first.items() if position == earliest)
    if len(begun) == len(courses):
        return
    one = first[begun[0]][1]
    yield replace(
        one, kind="not-finite-on-one-rank", ranks=begun, weight=120, confidence="certain",
        evidence={"at": one.evidence.get("at"), "kind": one.kind, "pass": earliest[0], "ranks": begun,
                  "others": tuple(rank for rank in courses if rank not in begun),
                  "reached": tuple(rank for rank in first if rank not in begun)},
    )  # fmt: skip


def _without_spread(courses: Courses, found: Found) -> dict[int, list[Finding]]:
    """Without what came from another rank: what is not finite on ranks that had it later."""
    first = _positions(courses, found)
    earliest = min((position for position, _ in first.values()), default=None)
    spread = {rank for rank, (position, _) in first.items() if position != earliest}
    return {
        rank: [one for one in own if rank not in spread or one.kind not in NOT_FINITE] for rank, own in found.items()
    }
