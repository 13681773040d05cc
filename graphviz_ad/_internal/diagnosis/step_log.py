"""A step of a training run -> numbers in a logger of the reader's own: TensorBoard, Weights & Biases, Lightning,
MLflow, or what is called as these are. None of them is imported; what a logger can do says what it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.history import USUAL, TrainingStep, history_of_steps
from graphviz_ad._internal.graph.notices import LOG_FAILED, Failure, Notice, notice
from graphviz_ad._internal.graph.training_history import StepSummary

MOST_FAILURES = 3  # in a row, after which nothing more is sent
# prefixes of what is logged: of the whole model, and of each parameter; loggers put side by side what shares one
WHOLE, OF_EACH = "gad", {"gradient": "gad.gradient", "update": "gad.update", "weight": "gad.weight"}
STEP, FINDINGS = f"{WHOLE}/step", f"{WHOLE}/findings"
Sink = Callable[[Mapping[str, float], int, str], None]  # numbers by name, the step, kinds of what was found


class StepLog:
    """Tells a logger of steps as they come, and says once that it cannot."""

    def __init__(self, logger: Any) -> None:
        self._name = name_of(logger)
        self._sink = sink_for(logger)
        self._first: StepSummary | None = None
        self._last: deque[StepSummary] = deque(maxlen=USUAL)
        self._failures = 0
        self._histogram = histograms_of(logger)

    @property
    def wants_gradients(self) -> bool:
        """Whether it takes histograms, and is told anything."""
        return self._histogram is not None and self._failures < MOST_FAILURES

    def tell_gradients(self, number: int, gradients: Mapping[str, Any]) -> Notice | None:
        """Send elements of the gradients of each parameter, as histograms."""
        return self._guarded(number, lambda: self._send(number, gradients))

    def _send(self, number: int, gradients: Mapping[str, Any]) -> None:
        for name, elements in gradients.items():
            if self._histogram is not None:
                self._histogram(f"{OF_EACH['gradient']}/{name}", elements, number)

    def tell(self, step: StepSummary) -> Notice | None:
        """Send a step; what the logger raised, as a notice, when it does so first and when it is given up."""
        return self._guarded(step.number, lambda: self._tell(step))

    def _tell(self, step: StepSummary) -> None:
        judged = self._judged(step)
        kinds = ", ".join(dict.fromkeys(one.kind for one in judged.findings))
        self._sink(dict(numbers_of(judged)), step.number, kinds)

    def _guarded(self, number: int, send: Callable[[], None]) -> Notice | None:
        """A logger must not end a training."""
        if self._failures >= MOST_FAILURES:
            return None
        try:
            send()
        except Exception as error:
            self._failures += 1
            said = notice(LOG_FAILED, logger=self._name, step=number, ended=self._failures == MOST_FAILURES)
            return replace(said, failure=Failure(type(error).__name__, message_of(error)))
        self._failures = 0
        return None

    def _judged(self, step: StepSummary) -> TrainingStep:
        """The step with what is wrong at it, given those before."""
        before = [*([self._first] if self._first is not None else []), *self._last]
        if self._first is None:
            self._first = step
        else:
            self._last.append(step)
        return history_of_steps([*before, step])[-1]


def numbers_of(step: TrainingStep) -> Iterator[tuple[str, float]]:
    """All that is known of a step, by name: "gad/loss", "gad.gradient/0.weight"."""
    for name in ("loss", *OF_EACH):
        number = getattr(step, name)
        if number is not None:
            yield f"{WHOLE}/{name}", number
    yield FINDINGS, float(len(step.findings))
    for name, one in step.parameters.items():
        for what, prefix in OF_EACH.items():
            number = getattr(one, what)
            if number is not None:
                yield f"{prefix}/{name}", number


def message_of(error: Exception) -> str:
    """What an exception says, whatever its own text does."""
    try:
        return str(error)
    except Exception:
        return "without a readable message"


# --- how loggers are told


def step_logs(log: Any) -> tuple[StepLog, ...]:
    """One for each of the loggers that were given, one or several."""
    return tuple(map(StepLog, log if isinstance(log, list | tuple) else (log,)))


def by_scalars(writer: Any) -> Sink:
    """As TensorBoard's SummaryWriter has it."""

    def sink(numbers: Mapping[str, float], step: int, kinds: str) -> None:
        for name, number in numbers.items():
            writer.add_scalar(name, number, step)
        if kinds and callable(getattr(writer, "add_text", None)):
            writer.add_text(FINDINGS, kinds, step)

    return sink


def by_metrics(logger: Any) -> Sink:
    """As the loggers of Lightning, MLflow and Comet have it."""
    return lambda numbers, step, _: logger.log_metrics(dict(numbers), step=step)


def on_own_axis(run: Any) -> Sink:
    """As Weights & Biases has it, whose own step is the program's: a step that is behind it would be thrown away, and
    so would what the program logs after one that is ahead. What is logged here has an axis of its own.
    """
    prefixes = [WHOLE, *OF_EACH.values()]

    def sink(numbers: Mapping[str, float], step: int, kinds: str) -> None:
        while prefixes:
            run.define_metric(f"{prefixes[-1]}/*", step_metric=STEP)
            prefixes.pop()
        run.log({**numbers, STEP: step})

    return sink


def by_log(run: Any) -> Sink:
    """As others have it that are called like it."""
    return lambda numbers, step, _: run.log(dict(numbers), step=step)


def by_call(function: Any) -> Sink:
    """A function of the reader's own."""
    return lambda numbers, step, _: function(dict(numbers), step)


# what a logger has, and how it is told; the first that it has all of
WAYS: tuple[tuple[tuple[str, ...], Callable[[Any], Sink]], ...] = (
    (("add_scalar",), by_scalars),
    (("log_metrics",), by_metrics),
    (("log", "define_metric"), on_own_axis),
    (("log",), by_log),
    (("__call__",), by_call),
)


def histograms_of(logger: Any) -> Callable[[str, Any, int], object] | None:
    """How a logger takes histograms, as TensorBoard's SummaryWriter does; None where it takes none."""
    own: Any = getattr(logger, "add_histogram", None)
    return own if callable(own) and callable(getattr(logger, "add_scalar", None)) else None


def sink_for(logger: Any) -> Sink:
    """How a logger is told."""
    for methods, way in WAYS:
        if not isinstance(logger, type) and all(callable(getattr(logger, method, None)) for method in methods):
            return way(logger)
    raise OptionError(
        f"log={shown_value(logger)} ({type(logger).__name__}) is no logger; give a SummaryWriter of TensorBoard, a run"
        " of Weights & Biases, what has log_metrics(numbers, step=) or log(numbers, step=), a function of numbers and"
        " a step, or a list of these"
    )


def name_of(logger: Any) -> str:
    """What a logger is called in a notice: its type, or the module or function that it is."""
    own = getattr(logger, "__name__", None)
    return own if isinstance(own, str) else type(logger).__name__
