"""Steps of a training run, and what its process called of torch.distributed <-> a file of JSON, a line each, that is
written while the program runs and can be read whenever it ended.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from math import isfinite
from pathlib import Path
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

from graphviz_ad._internal.base.errors import GraphFormatError, SaveError
from graphviz_ad._internal.graph.messages import IssuedCall, Message
from graphviz_ad._internal.graph.notices import FILE_ENDED, FILE_OF_RANK, Notice, notice
from graphviz_ad._internal.graph.training_history import Ending, HeldGraphs, ParameterSummary, RunRecord, StepSummary

FORMAT, VERSION = "graphviz_ad history", 1
TAKEN = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES)  # what a lock says that another has
FAR_BYTE = 2**30  # of a file, which no history comes to
NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}  # which JSON has no numbers for


class HistoryFile:
    """A file to which each step is written when it is looked at; how far it took the parameters follows in a line of
    its own, once that is known. What was in it before is gone, unless another rank wrote it: see `path_of_rank`.
    """

    def __init__(
        self, path: Path, model: str, every: int, say: Callable[[Notice], None], rank: tuple[int, int] | None = None
    ) -> None:
        """Begin the file, of a rank of so many if there are several; SaveError where it cannot be written. ``say`` is
        told where it ends before its time.
        """
        self._path, self._say = path_of_rank(path, rank), say
        stream = begun(self._path)
        if stream is None and rank is not None:  # another rank was faster
            self._path = beside(path, rank[0])
            stream = begun(self._path)
        if stream is None:
            raise SaveError(
                f"cannot write to {str(self._path)!r}: another recording that has not ended writes there; give each"
                " process, or each recording, a name of its own, as with its rank or os.getpid()"
            )
        self._stream: IO[str] | None = stream
        if rank is not None and self._path != path:
            say(notice(FILE_OF_RANK, file=str(self._path), rank=rank[0]))
        job = {"rank": rank[0], "of": rank[1]} if rank is not None else {}
        self._write({"format": FORMAT, "version": VERSION, "model": model, "every": every, **job})

    def write_step(self, step: StepSummary) -> None:
        """Norms of weights and gradients."""
        norms = {name: [told(p.weight), told(p.gradient)] for name, p in step.parameters.items()}
        held = {} if step.held is None else {"held": plain_fields(step.held)}
        self._write({"step": step.number, "loss": told(step.loss), "source": step.source, "norms": norms, **held})

    def write_updates(self, number: int, updates: Mapping[str, float]) -> None:
        """How far the parameters went after a step."""
        self._write({"after": number, "updates": {name: told(update) for name, update in updates.items()}})

    def write_call(self, call: IssuedCall) -> None:
        """What is about to be called of torch.distributed."""
        self._write({"call": plain_fields(call.message), "types": call.types, "source": call.source})

    def write_end(self, exception: str | None = None, source: str | None = None) -> None:
        """That the recording ended, perhaps by an exception; a process that was killed leaves no such line."""
        self._write({"ended": exception, "source": source})
        self.close()

    def _write(self, record: dict[str, Any]) -> None:
        """Write a line at once, so that a killed process leaves it; a full disk stops no training."""
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n")
            self._stream.flush()
        except OSError as error:
            with suppress(OSError):  # of what could not be written
                self._stream.close()
            self._stream = None
            self._say(notice(FILE_ENDED, file=str(self._path), problem=error.strerror or type(error).__name__))

    def close(self) -> None:
        """No step follows."""
        if self._stream is not None:
            try:
                self._stream.flush()
                let_others(self._stream)
                self._stream.close()
            except OSError as error:
                self._say(notice(FILE_ENDED, file=str(self._path), problem=error.strerror or type(error).__name__))


def plain_fields(value: Any) -> dict[str, Any]:
    """What a value has, by name."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def path_of_rank(path: Path, rank: tuple[int, int] | None) -> Path:
    """Where a rank may write that was given a path as others may have been, too: there, unless another has begun that
    file; then beside it, under a name with its number.
    """
    if rank is None:
        return path
    try:
        with path.open("x"):
            return path
    except OSError:
        if not path.is_file():
            return path  # which says why it cannot be, when it is written to
    owner = _rank_that_began(path)
    if owner == rank[0] or (owner is None and rank[0] == 0):
        return path
    return beside(path, rank[0])


def beside(path: Path, rank: int) -> Path:
    """What a rank writes to where the path itself is another's."""
    return path.with_name(f"{path.stem}.rank{rank}{path.suffix}")


def begun(path: Path) -> IO[str] | None:
    """A file, empty; None where somebody is writing to it. SaveError where it cannot be written."""
    try:
        stream = path.open("a", encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SaveError(f"cannot write to {str(path)!r}: {why}; choose another place or name") from error
    if not is_ours_alone(stream):
        stream.close()
        return None
    with suppress(OSError):  # of what has no length, as a pipe
        stream.truncate(0)
    return stream


def is_ours_alone(stream: IO[str]) -> bool:
    """Lock a file until it is closed, or the process ends however it ends; False where another recording has. Where the
    system has no such locks, as on some file systems of networks, nobody is kept off.
    """
    try:
        _lock(stream)
    except OSError as error:
        return error.errno not in TAKEN
    return True


def let_others(stream: IO[str]) -> None:
    """Unlock a file, also for processes that were forked meanwhile and have it open, too."""
    with suppress(OSError):
        _unlock(stream)


if sys.platform == "win32":  # whose locks keep others from reading as well, so that a byte is locked that nobody writes

    def _lock(stream: IO[str]) -> None:
        _at_far_byte(stream, msvcrt.LK_NBLCK)

    def _unlock(stream: IO[str]) -> None:
        _at_far_byte(stream, msvcrt.LK_UNLCK)

    def _at_far_byte(stream: IO[str], mode: int) -> None:
        os.lseek(stream.fileno(), FAR_BYTE, os.SEEK_SET)  # what is written is appended, wherever this is
        msvcrt.locking(stream.fileno(), mode, 1)

else:

    def _lock(stream: IO[str]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(stream: IO[str]) -> None:
        fcntl.flock(stream, fcntl.LOCK_UN)


def _rank_that_began(path: Path) -> int | None:
    """Which rank a file says it is of; None where it says nothing of the kind."""
    try:
        with path.open(encoding="utf-8") as stream:
            owner = json.loads(stream.readline())["rank"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return owner if isinstance(owner, int) else None


def told(number: float | None) -> float | str | None:
    """A number as JSON has it."""
    return number if number is None or isfinite(number) else str(number)


def number_of(what: Any) -> float | None:
    """The same read."""
    return NOT_FINITE[what] if isinstance(what, str) else what


def steps_of_file(path: Path) -> list[StepSummary]:
    """The steps of a file."""
    return list(run_of_file(path).steps)


def run_of_file(path: Path) -> RunRecord:
    """All that a file says; a last line that was not written to its end is left out."""
    try:
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise GraphFormatError(
            f"cannot read {str(path)!r}: {why}; give a file that record(model, file=…) wrote"
        ) from error
    whole = text.split(b"\n")[:-1]  # each ends with a newline, but for one that was cut short
    found: dict[int, StepSummary] = {}
    try:
        records = [json.loads(line) for line in whole]
        if not records or (records[0]["format"], records[0]["version"]) != (FORMAT, VERSION):
            raise ValueError
        head = records[0]
        calls = tuple(_read_call(record) for record in records[1:] if "call" in record)
        ends = [record for record in records[1:] if "ended" in record]
        for record in records[1:]:
            if "call" not in record and "ended" not in record:
                _read(record, found)
        return RunRecord(
            str(head["model"]),
            tuple(found.values()),
            calls,
            Ending(ends[-1]["ended"], ends[-1]["source"]) if ends else None,
            head.get("rank"),
            head.get("of"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraphFormatError(
            f"{path} is no history of a training run; give a file that record(model, file=…) wrote"
        ) from error


def _read_call(record: Mapping[str, Any]) -> IssuedCall:
    message = Message(**{**record["call"], "ranks": tuple(record["call"]["ranks"])})
    types = tuple((dtype, tuple(shape)) for dtype, shape in record["types"])
    return IssuedCall(message, types, record["source"])


def _read(record: Mapping[str, Any], found: dict[int, StepSummary]) -> None:
    if "step" in record:
        parameters = {}
        for name, (weight, gradient) in record["norms"].items():
            norm = number_of(weight)
            parameters[name] = ParameterSummary(float("nan") if norm is None else norm, number_of(gradient))
        number = record["step"]
        held = HeldGraphs(**record["held"]) if "held" in record else None
        found[number] = StepSummary(number, number_of(record["loss"]), record["source"], parameters, held)
        return
    step = found[record["after"]]
    moved = {
        name: replace(step.parameters[name], update=number_of(update)) for name, update in record["updates"].items()
    }
    found[step.number] = replace(step, parameters={**step.parameters, **moved})
