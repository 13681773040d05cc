"""Steps of a training run <-> a file of JSON, a line each, that is written while the program runs and can be read
whenever it ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import IO, Any

from graphviz_ad._internal.base.errors import GraphFormatError, SaveError
from graphviz_ad._internal.graph.notices import FILE_ENDED, Notice, notice
from graphviz_ad._internal.graph.training_history import ParameterSummary, StepSummary

FORMAT, VERSION = "graphviz_ad history", 1
NOT_FINITE = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}  # which JSON has no numbers for


class HistoryFile:
    """A file to which each step is written when it is looked at; how far it took the parameters follows in a line of
    its own, once that is known. What was in it before is gone.
    """

    def __init__(self, path: Path, model: str, every: int, say: Callable[[Notice], None]) -> None:
        """Begin the file; SaveError where it cannot be written. ``say`` is told where it ends before its time."""
        self._path, self._say = path, say
        try:
            self._stream: IO[str] | None = path.open("w", encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SaveError(f"cannot write to {str(path)!r}: {why}; choose another place or name") from error
        self._write({"format": FORMAT, "version": VERSION, "model": model, "every": every})

    def write_step(self, step: StepSummary) -> None:
        """Norms of weights and gradients."""
        norms = {name: [told(p.weight), told(p.gradient)] for name, p in step.parameters.items()}
        self._write({"step": step.number, "loss": told(step.loss), "source": step.source, "norms": norms})

    def write_updates(self, number: int, updates: Mapping[str, float]) -> None:
        """How far the parameters went after a step."""
        self._write({"after": number, "updates": {name: told(update) for name, update in updates.items()}})

    def _write(self, record: dict[str, Any]) -> None:
        """Write a line at once, so that a killed process leaves it; a full disk stops no training."""
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n")
            self._stream.flush()
        except OSError as error:
            self._stream = None
            self._say(notice(FILE_ENDED, file=str(self._path), problem=error.strerror or type(error).__name__))

    def close(self) -> None:
        """No step follows."""
        if self._stream is not None:
            try:
                self._stream.close()
            except OSError as error:
                self._say(notice(FILE_ENDED, file=str(self._path), problem=error.strerror or type(error).__name__))


def told(number: float | None) -> float | str | None:
    """A number as JSON has it."""
    return number if number is None or isfinite(number) else str(number)


def number_of(what: Any) -> float | None:
    """The same read."""
    return NOT_FINITE[what] if isinstance(what, str) else what


def steps_of_file(path: Path) -> list[StepSummary]:
    """The steps of a file; a last line that was not written to its end is left out."""
    try:
        text = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise GraphFormatError(
            f"cannot read {str(path)!r}: {why}; give a file that record(model, every=…, file=…) wrote"
        ) from error
    whole = text.split(b"\n")[:-1]  # each ends with a newline, but for one that was cut short
    found: dict[int, StepSummary] = {}
    try:
        records = [json.loads(line) for line in whole]
        if not records or (records[0]["format"], records[0]["version"]) != (FORMAT, VERSION):
            raise ValueError
        for record in records[1:]:
            _read(record, found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GraphFormatError(
            f"{path} is no history of a training run; give a file that record(model, every=…, file=…) wrote"
        ) from error
    return list(found.values())


def _read(record: Mapping[str, Any], found: dict[int, StepSummary]) -> None:
    if "step" in record:
        parameters = {}
        for name, (weight, gradient) in record["norms"].items():
            norm = number_of(weight)
            parameters[name] = ParameterSummary(float("nan") if norm is None else norm, number_of(gradient))
        number = record["step"]
        found[number] = StepSummary(number, number_of(record["loss"]), record["source"], parameters)
        return
    step = found[record["after"]]
    moved = {
        name: replace(step.parameters[name], update=number_of(update)) for name, update in record["updates"].items()
    }
    found[step.number] = replace(step, parameters={**step.parameters, **moved})
