"""What is kept of a training step when only summaries are: norms of weights, gradients and updates, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphviz_ad._internal.graph.messages import IssuedCall

MOST_STEPS = 1024  # that are kept; of more, every other one that says nothing special is let go


@dataclass(frozen=True, slots=True)
class ParameterSummary:
    """Norms of one parameter at a step; ``gradient`` is None where it had none, ``update`` where no step followed."""

    weight: float
    gradient: float | None
    update: float | None = None


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One backward pass, counted from 1, with the loss that it began at, where that is one number."""

    number: int
    loss: float | None
    source: str | None = None
    parameters: dict[str, ParameterSummary] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a recording ended: by which exception, if by one, and at which line."""

    exception: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the file of one process says: its steps, what it called of torch.distributed, and how it ended; None: it
    was killed, or still runs. ``rank`` and ``of`` are those of a job of several processes.
    """

    model: str
    steps: tuple[StepSummary, ...]
    calls: tuple[IssuedCall, ...] = ()
    ending: Ending | None = None
    rank: int | None = None
    of: int | None = None


def thinned(steps: list[StepSummary], most: int = MOST_STEPS) -> list[StepSummary]:
    """The steps, or every other one of too many; the first and the last always."""
    if len(steps) <= most:
        return steps
    return [step for i, step in enumerate(steps[:-1]) if i % 2 == 0] + steps[-1:]
