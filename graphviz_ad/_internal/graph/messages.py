"""What is known of a communication between processes, as values: one process's part in it, and what several graphs
make of the parts.
"""

from __future__ import annotations

from dataclasses import dataclass

PAIRS = ("send", "recv")  # between two ranks; everything else is between all ranks of a group


@dataclass(frozen=True, slots=True)
class Message:
    """What is known of one call of ``torch.distributed`` in one process.

    ``kind`` is "send", "recv", "all_reduce", …. Ranks are those of the whole job: ``rank`` is the process that recorded
    it, ``peer`` the other end (None: not known from whom), ``root`` the one that a broadcast comes from or a reduction
    goes to, ``ranks`` all members of the group. ``number`` counts, from 0, what this process recorded before in the
    same group or, for pairs, with the same peer and tag in this direction. ``backward`` says that the engine called it,
    as DDP does to average gradients.
    """

    kind: str
    rank: int
    number: int = 0
    group: str = "0"
    ranks: tuple[int, ...] = ()
    peer: int | None = None
    tag: int = 0
    root: int | None = None
    reduction: str | None = None
    backward: bool = False


PortTypes = tuple[tuple[str | None, tuple[int, ...]], ...]  # dtypes and shapes


@dataclass(frozen=True, slots=True)
class IssuedCall:
    """A `Message` as it was called: ``types`` are those of what was given, or of what is written where nothing was;
    ``source`` is the line, ``key`` the node of a graph, if there is one.
    """

    message: Message
    types: PortTypes = ()
    source: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Meeting:
    """A collective of which the calls of several ranks have been joined."""

    kind: str
    ranks: tuple[int, ...]
    number: int = 0
    group: str = "0"
    reduction: str | None = None
    root: int | None = None


@dataclass(frozen=True, slots=True)
class Averaging:
    """Gradients of so many parameters that all ranks have as one: ``reduction`` is "mean" or "sum"."""

    parameters: int
    reduction: str
    ranks: tuple[int, ...]
    kind: str = "all_reduce"


Communication = Message | Meeting | Averaging
