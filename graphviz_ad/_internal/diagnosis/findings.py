"""Finding, Diagnosis: what was found, as values; their words are made in `finding_sentences` and `diagnosis_text`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from graphviz_ad._internal.diagnosis.finding_sentences import cause_of, remedy_of
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.places import place_of

if TYPE_CHECKING:
    from graphviz_ad._internal.api.api import Picture
    from graphviz_ad._internal.base.checked_calls import takes
    from graphviz_ad._internal.output.call_options import DrawOptions, ThemeName

Severity = Literal["error", "warning", "note"]
ERROR: Severity = "error"
WARNING: Severity = "warning"
NOTE: Severity = "note"
SEVERITIES: tuple[Severity, ...] = (ERROR, WARNING, NOTE)
Confidence = Literal["certain", "likely", "possible"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth a look.

    ``kind`` is one of a fixed list, ``severity`` "error", "warning" or "note"; ``name`` is the parameter or result that
    it is about, None where it is about no single one, ``names`` are all of them; ``evidence`` are numbers and names
    under stable keys; ``ranks`` are those of a job of several processes that it is about; ``consequences`` are findings
    that come of this one, and are none of their own. ``cause`` and ``remedy`` are sentences made of these.
    """

    kind: str
    severity: Severity
    name: str | None = None
    module: str | None = None
    source: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    names: tuple[str, ...] = ()
    confidence: Confidence = "certain"
    weight: float = 0.0
    key: str | None = None  # of the node that is marked on a picture
    ranks: tuple[int, ...] = ()
    consequences: tuple[Finding, ...] = ()

    @property
    def file(self) -> str | None:
        """The file of the program that it is about; None where that is not known."""
        place = place_of(self.source)
        return place.file if place is not None else None

    @property
    def line(self) -> int | None:
        """The line of that file."""
        place = place_of(self.source)
        return place.number if place is not None else None

    @property
    def cause(self) -> str:
        """How it comes about, as a chain of recorded facts."""
        return cause_of(self)

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return remedy_of(self)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings by severity, and among equals those first that weigh most; each kind at a place once."""
    once = {(one.kind, one.source, one.name, one.ranks): one for one in reversed(list(findings))}
    found = list(reversed(once.values()))
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.weight)))


@dataclass(frozen=True)
class Looked:
    """What was looked at, and what could not be: counts, and names of what is missing."""

    parameters: int
    parameters_of: int
    results: int
    without_values: int
    passes: int
    steps: bool
    model_known: bool
    program_known: bool
    stopped_early: bool = False
    calls: int = 0  # of backward passes, with those of which nothing is known
    ranks: int = 0  # of whose records it was made
    summaries: bool = False  # and no graphs
    step_line: str | None = None  # where the program calls step()
    watched: tuple[int, int] | None = None  # every how manieth pass, by summaries alone, and the number of the last
    as_written: bool = False  # ran what the program compiles
    waited_for: tuple[str, ...] = ()  # optimizers whose turn had not come
    left_alone: str | None = None  # what is not looked into: a key of `diagnosis_text.LEFT_ALONE`

    @property
    def alone(self) -> bool:
        """Whether it was made of the summaries of a process that had no other to talk to."""
        return self.summaries and not self.ranks and not self.results

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to look at."""
        return not (self.results or self.passes)


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a recorded program; ``findings`` are ordered by weight, ``looked_at`` says what was examined
    and what could not be; ``budget`` is how many tokens its text may have.
    """

    graph: Graph = field(repr=False)
    findings: tuple[Finding, ...]
    looked: Looked
    budget: int | None = None
    title: str | None = None  # of the program; else the graph has a name

    @property
    def ok(self) -> bool | None:
        """Whether nothing was found but notes; None, which reads "not examined", where there was nothing to look at."""
        if any(finding.severity != NOTE for finding in self.findings):
            return False
        return None if self.looked.nothing else True

    @property
    def looked_at(self) -> str:
        """What was examined, and what could not be, in a sentence."""
        from graphviz_ad._internal.diagnosis.diagnosis_text import looked_text

        return looked_text(self.looked)

    def __str__(self) -> str:
        """The findings in words, the heaviest first."""
        from graphviz_ad._internal.diagnosis.diagnosis_text import plain_text

        return plain_text(self)

    def to_json(self) -> str:
        """The same for programs: an object with the keys that the documentation lists."""
        from graphviz_ad._internal.diagnosis.diagnosis_text import json_text

        return json_text(self)

    def to_markdown(self) -> str:
        """The same as Markdown."""
        from graphviz_ad._internal.diagnosis.diagnosis_text import markdown_text

        return markdown_text(self)

    if TYPE_CHECKING:  # what later rooms put here

        def to_html(self, *, theme: ThemeName = "auto") -> str:
            """The findings with the picture around them, as a page that loads nothing."""
            ...

        @takes(DrawOptions)
        def plot(self, asked: DrawOptions) -> Picture:
            """The picture of the graph on which the places of the findings are marked."""
            ...
