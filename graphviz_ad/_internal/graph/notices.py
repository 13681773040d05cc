"""What a graph has to say of itself, as values: what was left out, folded, cut short or replaced, and how a program
failed.

A `Notice` holds facts alone. Its sentence is made where it is shown, by `graphviz_ad._internal.graph.notice_sentences`;
nothing reads facts out of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

SAID = "said"  # a sentence of somebody else's, as of a transform of the user's
UNREAD, UNREAD_SO_FAR = "unread parameters", "parameters unread so far"
UNREAD_INPUTS = "unread inputs"
FROZEN = "frozen parameters"
TIED, TIED_TOO = "tied parameter", "further tied parameters"
NOTHING_REQUIRES = "nothing requires grad"
STOOD_FOR = "stood for"
WITHOUT_GRADIENT = "without gradient in the pass before"
RAISED, FAILED = "raised", "backward pass failed"
# of the program around a recording, for those who ask
MODEL, BACKWARD_CALLS = "model", "backward calls"
PARTS_IN_BOXES, IN_ALL_BOXES = "parts in boxes", "in all boxes"
GRADIENTS_OFF, CAME_UP = "gradients out of the usual", "not finite"  # what a picture has to tell before all else
SHAPES_ONLY = "shapes only"  # as of tensors that hold no numbers
SEVERAL_PASSES, PASSES_DRAWN = "several passes", "passes drawn"
OPTIMIZERS, WRITTEN_LINES = "optimizers", "written lines"
STEPS_CALLED = "steps called"  # of each of these optimizers
OF_NO_MODULE = "parameters of no module"
RAISED_AT = "raised at"
# of a training run that is watched
LOOK_FAILED, LOG_FAILED, FILE_ENDED = "step not looked at", "logger failed", "history file ended"
OTHER_THREAD, NOT_WATCHED = "pass in another thread", "parameters not watched"
FILE_OF_RANK = "history file of a rank"
WATCHED = "summaries alone"
HELD = "results held"  # of earlier passes, with their graphs


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that ended the program, or a backward pass of it.

    ``exception`` is its type, ``message`` all that it says; ``line`` is "file.py:12", where the operation stands that
    raised, if one did. Which node that is, the node says itself: see `Node.raised`. ``overwritten``: torch says that
    something was written to which the backward pass needs; ``freed``, that an earlier pass had freed it.
    """

    exception: str
    message: str
    line: str | None = None
    overwritten: bool = False
    freed: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that a reader of the graph may miss.

    ``subjects`` are the names of everything that it is about, all of them; ``facts`` are numbers and names under the
    words for them, plain data; ``said`` is the text of somebody else, shown as it is. ``ranks`` are those that say so,
    where a graph is of several and others do not. One that is not ``shown`` is for those who ask, as `Graph.why` does,
    and on no picture.
    """

    kind: str
    subjects: tuple[str, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()
    said: str = ""
    failure: Failure | None = None
    ranks: tuple[int, ...] = ()
    shown: bool = True

    def __getitem__(self, fact: str) -> Any:
        """A fact by its word."""
        return dict(self.facts)[fact]


def notice(kind: str, subjects: Iterable[str] = (), *, shown: bool = True, **facts: Any) -> Notice:
    """A notice of some facts."""
    return Notice(kind, tuple(subjects), tuple(facts.items()), shown=shown)


def as_notice(given: str | Notice) -> Notice:
    """A notice as it is; a sentence as one."""
    return given if isinstance(given, Notice) else Notice(SAID, said=given)


def failure_notice(kind: str, failure: Failure) -> Notice:
    """That the program raised, or that a backward pass failed."""
    return Notice(kind, failure=failure)


def located(notes: Iterable[Notice], line: str | None) -> tuple[Notice, ...]:
    """The notices with the line at which the operation stands that raised."""
    return tuple(
        note if note.failure is None else replace(note, failure=replace(note.failure, line=line)) for note in notes
    )


def unread_parameters(notes: Iterable[Notice]) -> dict[str, bool]:
    """The parameters that no operation read, and whether any would have had the time: False where the program raised
    before its end.
    """
    return {
        name: note.kind == UNREAD for note in notes if note.kind in (UNREAD, UNREAD_SO_FAR) for name in note.subjects
    }


def is_stood_for(notes: Iterable[Notice], name: str) -> bool:
    """Whether another tensor stood for this parameter while its module ran."""
    return any(note.kind == STOOD_FOR and name in note.subjects for note in notes)


def first_names(notes: Iterable[Notice]) -> dict[str, str]:
    """Further name of a parameter that has several -> the first, by which the graph knows it."""
    return dict(pair for note in notes if note.kind in (TIED, TIED_TOO) for pair in tied_names(note.subjects))


def tied_names(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The subjects of a notice about tied parameters: a further name, the first name, and so on."""
    return zip(names[::2], names[1::2], strict=True)
