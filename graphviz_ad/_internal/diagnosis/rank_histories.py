"""Files that the ranks of a job wrote as they ran -> Diagnosis: which rank ended where, whose calls do not match, and
at which step copies of a model parted. A file of a process that was killed says as much as it had written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import Any

from graphviz_ad._internal.base.errors import MergeError
from graphviz_ad._internal.diagnosis.calls_apart import (
    call_facts,
    missing_ranks,
    unanswered_messages,
    unmatched_collectives,
)
from graphviz_ad._internal.diagnosis.findings import ERROR, WARNING, Diagnosis, Finding, Looked, in_order
from graphviz_ad._internal.diagnosis.history import history_of_steps
from graphviz_ad._internal.diagnosis.replicas_apart import DDP, LEFT_OUT, NEVER, NOT_CALLED
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.training_history import RunRecord, StepSummary
from graphviz_ad._internal.maths.agreement import same_statistics

Records = Mapping[int, RunRecord]


def diagnosis_of_records(records: Sequence[RunRecord], budget: int | None = None) -> Diagnosis:
    """What is wrong, by the files of one job."""
    ranks, alone = by_rank(records), len(records) == 1 and records[0].rank is None
    names = {name for one in records for step in one.steps for name in step.parameters}
    models = dict.fromkeys(one.model for one in records)
    looked = Looked(
        len(names), len(names), sum(len(one.calls) for one in records), 0, min(len(one.steps) for one in records),
        steps=True, model_known=bool(names), program_known=False, ranks=0 if alone else len(records), summaries=True,
    )  # fmt: skip
    found = [replace(one, ranks=()) if alone else one for one in _findings(ranks)]
    return Diagnosis(Graph((), (), ", ".join(models)), in_order(found), looked, budget)


def by_rank(records: Sequence[RunRecord]) -> dict[int, RunRecord]:
    """Rank -> record, in the order of the ranks; one that says of none has the lowest that is left."""
    said = Counter(one.rank for one in records if one.rank is not None)
    twice = next((rank for rank, count in said.items() if count > 1), None)
    if twice is not None:
        raise MergeError(f"{said[twice]} of the files were written by rank {twice}; give one file of each rank")
    free = (rank for rank in range(len(records)) if rank not in said)
    return dict(sorted((next(free) if one.rank is None else one.rank, one) for one in records))


def _findings(ranks: Records) -> Iterator[Finding]:
    calls = {rank: one.calls for rank, one in ranks.items()}
    early = list(_ended_early(ranks))
    told = {rank for one in early for rank in one.ranks}
    yield from early
    for one in unmatched_collectives(calls, {}):
        if one.kind != "collective-missing" or not told.issuperset(one.ranks):
            yield one
    yield from (one for one in unanswered_messages(calls) if not told)
    yield from _missing(ranks)
    yield from _parted(ranks)
    yield from _of_each(ranks)


LOSS, LOST = "loss-not-finite", ("loss-not-finite", "gradient-not-finite", "weight-not-finite")


def _of_each(ranks: Records) -> Iterator[Finding]:
    """What the summaries of each rank show, each kind at the first step that has it."""
    found = list(_first_of_each(ranks))
    loss = next((one for one in found if one.kind == LOSS and len(one.ranks) < len(ranks)), None)
    others = [one for one in found if one.kind in LOST and one is not loss]
    if loss is None or any(one.evidence["step"] < loss.evidence["step"] for one in others):
        yield from found
        return
    later = {rank for one in others for rank in one.ranks} - set(loss.ranks)
    yield replace(
        loss, kind="not-finite-on-one-rank", weight=120,
        evidence={"at": "the loss", "kind": LOSS, "pass": loss.evidence["step"], "ranks": loss.ranks,
                  "others": tuple(rank for rank in ranks if rank not in loss.ranks),
                  "reached": tuple(rank for rank in ranks if rank in later)},
    )  # fmt: skip
    yield from found


def _first_of_each(ranks: Records) -> Iterator[Finding]:
    first: dict[str, tuple[int, list[tuple[int, Finding]]]] = {}
    for rank, record in ranks.items():
        for step in history_of_steps(record.steps):
            for one in step.findings:
                number, told = first.setdefault(one.kind, (step.number, []))
                if step.number < number:
                    first[one.kind] = (step.number, [(rank, one)])
                elif step.number == number:
                    told.append((rank, one))
    for _, told in first.values():
        yield replace(told[0][1], ranks=tuple(rank for rank, _ in told), weight=80)


def _missing(ranks: Records) -> Iterator[Finding]:
    """Ranks of which no file is here; those that raised in what they called last waited for others."""
    waiting = tuple(rank for rank, record in ranks.items() if _waits(record))
    found = list(missing_ranks({rank: one.calls for rank, one in ranks.items()}, waiting))
    size = max((one.of for one in ranks.values() if one.of is not None), default=0)
    away = tuple(rank for rank in range(size) if rank not in ranks)
    if found or not away:
        yield from found
        return
    yield Finding("rank-missing", "note", evidence={"missing": away, "here": tuple(ranks), "of": size}, weight=12,
                  ranks=away)  # fmt: skip


# --- endings


def _waits(record: RunRecord) -> bool:
    """Whether an exception came out of the last call between processes."""
    ended, last = record.ending, record.calls[-1] if record.calls else None
    return ended is not None and ended.exception is not None and last is not None and ended.source == last.source


def _reach(record: RunRecord) -> tuple[int, int]:
    return (record.steps[-1].number if record.steps else 0), len(record.calls)


def _is_behind(record: RunRecord, ranks: Records) -> bool:
    """Whether others went on, or ended, and it does not wait for one that ended after fewer calls."""
    others = [other for other in ranks.values() if other is not record]
    if any(other.ending is not None and len(other.calls) < len(record.calls) for other in others):
        return False
    return any(other.ending is not None or _reach(other) > _reach(record) for other in others)


def _ended_early(ranks: Records) -> Iterator[Finding]:
    """Ranks that ended before others did, and of these not those that only waited; of several, those of one end
    together.
    """
    furthest = max(map(_reach, ranks.values()))
    groups: dict[tuple[Any, ...], list[int]] = {}
    for rank, record in ranks.items():
        killed = record.ending is None and _is_behind(record, ranks)
        raised = record.ending is not None and record.ending.exception is not None and not _waits(record)
        short = record.ending is not None and record.ending.exception is None and record.steps[-1:] and (
            _reach(record)[0] < furthest[0]
        )  # fmt: skip
        if killed or raised or short:
            ending = record.ending
            groups.setdefault((killed, ending.exception if ending is not None else None, _reach(record)), []).append(
                rank
            )
    for (killed, exception, _), gone in groups.items():
        yield _ended(ranks, tuple(gone), furthest[0], killed=killed, exception=exception)


def _ended(ranks: Records, gone: tuple[int, ...], last: int, *, killed: bool, exception: str | None) -> Finding:
    record = ranks[gone[0]]
    others = tuple(rank for rank in ranks if rank not in gone)
    step, call = record.steps[-1:], record.calls[-1:]
    source = record.ending.source if record.ending is not None else None
    waiting = next(((rank, ranks[rank].calls[-1]) for rank in others if _waits(ranks[rank])), None)
    lines = [source, *(one.source for one in call), *(one.source for one in step)]
    return Finding(
        "rank-ended-early", ERROR if killed or exception else WARNING, None, None,
        next((line for line in lines if line), None),
        {"ended": gone, "others": others, "killed": killed, "exception": exception, "source": source,
         "step": step[0].number if step else 0, "step_source": step[0].source if step else None,
         "last": call_facts(gone[0], call[0]) if call else None, "last_step": last,
         "waiting": call_facts(*waiting) if waiting is not None else None},
        confidence="certain" if exception else "likely", weight=226, ranks=gone,
    )  # fmt: skip


# --- copies that part


def _parted(ranks: Records) -> Iterator[Finding]:
    """The first step at which the parameters of copies are not the same on all ranks, and whether the gradients of
    the step before were.
    """
    rows = _common_steps(ranks)
    wrapped = all(record.model == DDP for record in ranks.values())
    if len(ranks) < 2 or not rows or not rows[0][0].parameters:
        return
    names = list(rows[0][0].parameters)
    if any(list(step.parameters) != names for row in rows for step in row):
        return
    at_first = _unlike(rows[0], "weight")
    if at_first and not wrapped:
        return  # other models, or pieces of one
    if at_first:
        yield _found("parameters-not-equal", ranks, rows[0], at_first, wrapped=wrapped, step=None)
        return
    for before, row in pairwise(rows):
        apart = _unlike(row, "weight")
        if not apart:
            continue
        ungraded = _unlike(before, "gradient")
        by_gradient = tuple(name for name in apart if name in ungraded)
        if by_gradient:
            why = NOT_CALLED if wrapped else LEFT_OUT if len(ungraded) < len(names) else NEVER
            yield _found("gradients-not-synchronised", ranks, before, by_gradient, why=why, stepped=True,
                         step=before[0].number, wrapped=wrapped)  # fmt: skip
        else:
            yield _found("parameters-not-equal", ranks, before, apart, wrapped=wrapped, step=before[0].number)
        return


def _common_steps(ranks: Records) -> list[list[StepSummary]]:
    """The steps that all ranks have, each of all ranks."""
    each = [{step.number: step for step in record.steps} for record in ranks.values()]
    numbers = sorted(set.intersection(*(set(own) for own in each)))
    return [[own[number] for own in each] for number in numbers]


def _unlike(row: Sequence[StepSummary], what: str) -> tuple[str, ...]:
    """The parameters whose norms, of weight or gradient, are not the same on all ranks at a step."""
    found = []
    for name in row[0].parameters:
        norms = [getattr(step.parameters[name], what) for step in row]
        if any(not _alike(norms[0], norm) for norm in norms[1:]):
            found.append(name)
    return tuple(found)


def _alike(one: float | None, other: float | None) -> bool:
    """Whether two norms may be those of the same numbers."""
    if one is None or other is None or not isfinite(one) or not isfinite(other):
        return repr(one) == repr(other)
    return same_statistics((0.0, one), (0.0, other), 1)


def _found(
    kind: str, ranks: Records, row: Sequence[StepSummary], names: tuple[str, ...], *, wrapped: bool, **facts: Any
) -> Finding:
    return Finding(
        kind, ERROR if wrapped else WARNING, names[0] if len(names) == 1 else None, names[0].rpartition(".")[0] or None,
        row[0].source,
        {"parameters": len(names), "of": len(row[0].parameters), "names": names, "ranks": tuple(ranks),
         "wrapped": wrapped, **facts},
        names, confidence="certain" if wrapped else "likely", weight=135, ranks=tuple(ranks),
    )  # fmt: skip
