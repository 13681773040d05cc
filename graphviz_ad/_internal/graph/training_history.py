"""What is kept of a training step when only summaries are: norms of weights, gradients and updates, as values; and of
a run of any length, which steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from graphviz_ad._internal.graph.messages import IssuedCall

MOST_STEPS = 1024  # that are kept
MOST_FOUND = MOST_STEPS // 16  # steps with a finding, which stay whatever their place, each with the one before it


@dataclass(frozen=True, slots=True)
class ParameterSummary:
    """Norms of one parameter at a step; ``gradient`` is None where it had none, ``update`` where no step followed."""

    weight: float
    gradient: float | None
    update: float | None = None


@dataclass(frozen=True, slots=True)
class HeldGraphs:
    """Results of earlier passes that still live, with their graphs: what holds them, as the program calls it, and the
    line that puts them there, None where these are not known; of how many ``passes``; how many autograd ``nodes``
    stand behind them, None of very many; and ``bytes``, of the results and of what these keep.
    """

    holder: str | None
    source: str | None
    passes: int
    nodes: int | None
    bytes: int


@dataclass(frozen=True, slots=True)
class StepSummary:
    """One backward pass, counted from 1, with the loss that it began at, where that is one number."""

    number: int
    loss: float | None
    source: str | None = None
    parameters: dict[str, ParameterSummary] = field(default_factory=dict)
    held: HeldGraphs | None = None  # by the program, more from step to step


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


class KeptSteps:
    """The steps of a run of any length, at most `MOST_STEPS` of them: all of the last ones, and of those before every
    so manieth, from the first on; the more there are, the fewer. The first ones at which something was found stay.

    ``found`` says, of steps in their order, the numbers of those at which something was.
    """

    def __init__(self, found: Callable[[Sequence[StepSummary]], Collection[int]], most: int = MOST_STEPS) -> None:
        self._found, self._most = found, most
        self._steps: list[StepSummary] = []
        self._places: list[int] = []  # among all steps that there were
        self._stays: set[int] = set()  # places of what was found, and of the step before
        self._stride, self._count, self._told = 1, 0, 0

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> StepSummary:
        return self._steps[index]

    @property
    def steps(self) -> Sequence[StepSummary]:
        """Those that are kept, in their order."""
        return tuple(self._steps)

    def add(self, step: StepSummary) -> None:
        """Take in one more."""
        if len(self._steps) >= self._most:
            self._thin()
        self._steps.append(step)
        self._places.append(self._count)
        self._count += 1

    def say_again(self, step: StepSummary) -> None:
        """Put something in the place of the last, of which more is known."""
        self._steps[-1] = step

    def _thin(self) -> None:
        """Let go of enough: half of the room is for those that are to come."""
        numbers = self._found(self._steps)
        for i, step in enumerate(self._steps):
            if self._told < MOST_FOUND and step.number in numbers and self._places[i] not in self._stays:
                self._stays |= {self._places[i], self._places[max(i - 1, 0)]}
                self._told += 1
        while sum(place % self._stride == 0 for place in self._places) > self._most // 2:
            self._stride *= 2
        kept = [i for i, place in enumerate(self._places) if place % self._stride == 0 or place in self._stays]
        self._steps = [self._steps[i] for i in kept]
        self._places = [self._places[i] for i in kept]
