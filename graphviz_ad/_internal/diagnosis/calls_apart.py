"""Courses of several ranks -> findings about their communication: calls that do not match, messages without another
end, and ranks that are not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphviz_ad._internal.diagnosis.course import Course
from graphviz_ad._internal.diagnosis.findings import ERROR, NOTE, WARNING, Confidence, Finding
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.messages import PAIRS, IssuedCall
from graphviz_ad._internal.ranks.issued import Mismatch, issued_by, mismatches

Calls = Mapping[int, Sequence[IssuedCall]]
Endings = Mapping[int, Mapping[str, Any]]  # of a rank that ended before others: where, and by what


def calls_apart(courses: Mapping[int, Course]) -> Iterator[Finding]:
    """All of them."""
    calls = {rank: issued_by(course.graph) for rank, course in courses.items()}
    endings = {rank: ending for rank, course in courses.items() if (ending := _ending(course)) is not None}
    yield from unmatched_collectives(calls, endings)
    yield from unanswered_messages(calls)
    waiting = tuple(rank for rank, course in courses.items() if is_waiting(course))
    yield from missing_ranks(calls, waiting)


def waits_alone(course: Course) -> Iterator[Finding]:
    """That one rank of a job, of which nobody gave the others, raised while it waited for them."""
    if is_waiting(course):
        calls = issued_by(course.graph)
        yield from missing_ranks({calls[-1].message.rank: calls}, (calls[-1].message.rank,))


def is_waiting(course: Course) -> bool:
    """Whether a program raised in a call that waits for other ranks."""
    last = _last_operation(course)
    if not course.graph.failures or last is None or not last.messages:
        return False
    return course.raised_at is None or last.source in (None, course.raised_at)


def _last_operation(course: Course) -> Node | None:
    return next((node for node in reversed(course.graph.node_list) if node.kind == "op"), None)


def _ending(course: Course) -> dict[str, Any] | None:
    """By what a rank ended that raised by itself."""
    failure = next((note.failure for note in course.graph.failures if note.failure is not None), None)
    if failure is None or is_waiting(course):
        return None
    return {"exception": failure.exception, "source": failure.line or course.raised_at}


# --- collectives


def unmatched_collectives(calls: Calls, endings: Endings) -> Iterator[Finding]:
    """The first call of each group that is not the same on all its ranks."""
    for found in mismatches(calls):
        yield _missing_call(found, endings) if found.differing == "missing" else _other_call(found)


def _other_call(found: Mismatch) -> Finding:
    told = found.calls[found.odd[0]]
    assert told is not None
    sure: Confidence = "likely" if found.differing == "order" else "certain"
    return Finding(
        "collectives-differ", ERROR, None, None, told.source,
        {"group": found.group, "number": found.number, "differing": found.differing,
         "calls": tuple(call_facts(rank, call) for rank, call in found.calls.items())},
        confidence=sure, weight=230, key=told.key, ranks=found.odd,
    )  # fmt: skip


def _missing_call(found: Mismatch, endings: Endings) -> Finding:
    gone = tuple(rank for rank, call in found.calls.items() if call is None)
    waiting = next((rank, call) for rank, call in found.calls.items() if call is not None)
    before = found.last[gone[0]]
    ended = endings.get(gone[0])
    return Finding(
        "collective-missing", ERROR, None, None,
        (ended["source"] if ended is not None else None) or (before.source if before is not None else None)
        or (waiting[1].source if waiting[1] is not None else None),
        {"group": found.group, "number": found.number, "missing": gone,
         "waiting": tuple(rank for rank in found.calls if rank not in gone),
         "call": call_facts(*waiting), "last": call_facts(gone[0], before) if before is not None else None,
         "ended": ended},
        confidence="certain" if ended is not None else "likely", weight=150 if ended is not None else 225,
        key=before.key if before is not None else None, ranks=gone,
    )  # fmt: skip


def call_facts(rank: int, call: IssuedCall | None) -> dict[str, Any]:
    """Who called what, with what, and where, under stable keys."""
    assert call is not None
    message = call.message
    return {
        "rank": rank, "operation": message.kind, "reduction": message.reduction, "root": message.root,
        "types": call.types, "source": call.source, "backward": message.backward,
    }  # fmt: skip


# --- messages


def unanswered_messages(calls: Calls) -> Iterator[Finding]:
    """Messages between two ranks that are both here, of which one end is missing."""
    ends: dict[tuple[str, int, int, int], tuple[list[IssuedCall], list[IssuedCall]]] = {}
    for rank, own in calls.items():
        for call in own:
            message = call.message
            if message.kind not in PAIRS or message.peer is None or message.peer not in calls:
                continue
            sends = message.kind == "send"
            way = (rank, message.peer) if sends else (message.peer, rank)
            ends.setdefault((message.group, *way, message.tag), ([], []))[not sends].append(call)
    for (group, source, target, tag), (sent, received) in ends.items():
        more = len(sent) - len(received)
        if more:
            left, rank = (sent[len(received)], source) if more > 0 else (received[len(sent)], target)
            yield Finding(
                "message-unanswered", WARNING, None, None, left.source,
                {"group": group, "sender": source, "receiver": target, "tag": tag, "count": abs(more),
                 "missing": "recv" if more > 0 else "send", "call": call_facts(rank, left)},
                confidence="likely", weight=44, key=left.key, ranks=(rank,),
            )  # fmt: skip


# --- ranks


def missing_ranks(calls: Calls, waiting: tuple[int, ...]) -> Iterator[Finding]:
    """Ranks that others communicated with, of which there is no record; ``waiting`` are those that raised while they
    waited for others.
    """
    named = {rank for own in calls.values() for call in own for rank in call.message.ranks}
    away = tuple(sorted(named - calls.keys()))
    if not away:
        return
    lost = [(rank, calls[rank][-1]) for rank in waiting if set(calls[rank][-1].message.ranks) & set(away)]
    facts = {"missing": away, "here": tuple(calls), "of": len(named)}
    if not lost:
        yield Finding("rank-missing", NOTE, evidence=facts, weight=12, ranks=away)
        return
    rank, call = lost[0]
    yield Finding(
        "rank-missing", ERROR, None, None, call.source,
        {**facts, "waiting": tuple(each for each, _ in lost), "call": call_facts(rank, call)},
        confidence="likely", weight=220, ranks=away,
    )  # fmt: skip
