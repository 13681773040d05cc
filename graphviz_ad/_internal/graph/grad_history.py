"""What ``.grad`` of a tensor held in the course of a recording, and who changed it: values, in the order in which it
happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphviz_ad._internal.base.frozen import frozen

if TYPE_CHECKING:
    from graphviz_ad._internal.graph.graph import Graph
    from graphviz_ad._internal.graph.optimizer_update import OptimizerUpdate
    from graphviz_ad._internal.graph.snapshot import Snapshot

FOUND, PASS, ASIDE = "found", "pass", "aside"
WRITTEN, REPLACED, EMPTIED = "written", "replaced", "emptied"
STEP, UPDATED = "step", "updated"
EVENTS = (FOUND, PASS, ASIDE, WRITTEN, REPLACED, EMPTIED, STEP, UPDATED)


@frozen
class GradEvent:
    """One thing that happened to ``.grad``, or to the tensor because of it.

    ``what`` is one of `EVENTS`: it was there before; a backward pass added to it, which ``number`` counts; a pass
    returned a gradient and left ``.grad`` alone; it was written to; another tensor, or None, was put in its place; an
    optimizer's step read it; the tensor itself was written to by hand. ``by`` is the call and ``source`` its line,
    where they are known; ``brought`` is what a pass brought and ``holds`` what ``.grad`` held then. ``after`` is how
    many backward passes had run before what is no pass, None where that was not noted; ``value`` is what the tensor
    itself held after it was written to, None where that was not seen. ``calls`` is how many calls of the program had
    begun before it, so that it can be said what ran before it and what after, None where nobody saw when it happened;
    ``update`` is what an optimizer made its step of, where that is one of torch's and the tensor is small; ``wrote``:
    whether a step wrote to the tensor, and did not only read ``.grad``.
    """

    what: str
    number: int | None = None
    by: str | None = None
    source: str | None = None
    brought: Snapshot | None = None
    holds: Snapshot | None = None
    after: int | None = None
    value: Snapshot | None = None
    calls: int | None = None
    update: OptimizerUpdate | None = None
    wrote: bool = True


@frozen
class GradHistory:
    """All that happened to the ``.grad`` of one tensor; ``tensor`` is its number, which its ports have as their
    ``tensor``, None where nothing read it; ``holds`` is what ``.grad`` held at the end of the recording,
    None where it was None. ``gone``: nobody held the tensor until then, and ``holds`` is what was last seen.
    """

    tensor: int | None
    name: str | None
    events: tuple[GradEvent, ...] = ()
    holds: Snapshot | None = None
    gone: bool = False

    @property
    def passes(self) -> list[GradEvent]:
        """The passes that brought something to ``.grad``."""
        return [event for event in self.events if event.what == PASS]


def history_of(graph: Graph, tensor: int | None) -> GradHistory | None:
    """The history of the tensor with this number."""
    return next((one for one in graph.grad_histories if tensor is not None and one.tensor == tensor), None)


def history_called(graph: Graph, name: str) -> GradHistory | None:
    """The history of the tensor that the program calls so; the last of several."""
    return next((one for one in reversed(graph.grad_histories) if one.name == name), None)
