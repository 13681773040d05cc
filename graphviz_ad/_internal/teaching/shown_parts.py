"""Run or Graph -> View: what is to be seen of it on a sheet: the whole graph, a moment of its film, two graphs, a
table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from graphviz_ad._internal.api.api import Picture
from graphviz_ad._internal.api.still_plans import Levels, engine_of, scene_on
from graphviz_ad._internal.film.story import tell
from graphviz_ad._internal.layouts.planning import WHOLE, best_plan
from graphviz_ad._internal.output.call_options import PlotOptions
from graphviz_ad._internal.scene.annotations import error_of, with_failure, with_remarks
from graphviz_ad._internal.scene.canvas import Label, Mark, Rect
from graphviz_ad._internal.scene.leaf_copies import inline_constants, without_boxes
from graphviz_ad._internal.scene.paint import moved_marks
from graphviz_ad._internal.scene.picture_options import DIRECTIONS, picture_look
from graphviz_ad._internal.scene.place import Place
from graphviz_ad._internal.scene.scene import Scene, restyle
from graphviz_ad._internal.scene.scene_building import build_scene
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.sheets.graph_comparison import Pair
from graphviz_ad._internal.sheets.sheet import Block, Panel, drawing, well_placed
from graphviz_ad._internal.teaching.program_runs import Run

if TYPE_CHECKING:
    from graphviz_ad._internal.graph.graph import Graph

Remarks = Mapping[str, str | Sequence[str]]
SHOWN_LEVELS = ("op", "line")
ROOM_ON_SLIDE = Place(1040, 420, 9, 11, 27)  # beside heading, program and lesson


class View(Protocol):
    """Something that becomes panels of a sheet."""

    def panels(self, layout: str) -> Iterator[Panel]:
        """The panels, placed by that engine."""
        ...


@dataclass(frozen=True)
class Shot:
    """A graph as a panel, with ``remarks`` (name of a node -> lines) in its boxes; those of ``marked`` names stand out.

    ``step`` chooses a moment of the film: the step of that number, counted from the end where it is negative; ``calm``
    shows it without lights. What is ``alone``, without remarks, is planned as a still is for a
    slide.
    """

    graph: Graph
    title: str = ""
    says: str = ""
    code: tuple[str, ...] = ()
    error: str = ""
    raised: int | None = None
    remarks: Remarks = field(default_factory=dict)
    marked: Sequence[str] = ()
    direction: str | None = None
    options: Options = field(default_factory=Options)
    step: int | None = None
    calm: bool = False
    alone: bool = False

    def panels(self, layout: str) -> Iterator[Panel]:
        """One panel."""
        placed = self._planned(layout) if self.alone else self._placed(layout)
        name = self.title or self.graph.name
        yield Panel(
            drawing(placed, name),
            self.title,
            self.code,
            self.says,
            self.error or error_of(self.graph),
            self.raised,
            placed.legend,
        )

    def _planned(self, layout: str) -> Scene:
        scene = planned_scene(self.graph, layout, local=self.options.local)
        keys = words_of_graph(self.graph, self.options).names.keys
        marked = {keys[name] for name in self.marked}
        boxes = [replace(box, emphasis="active") if box.key in marked else box for box in scene.boxes]
        return replace(scene, boxes=tuple(boxes))

    def _placed(self, layout: str) -> Scene:
        words = words_of_graph(self.graph, replace(self.options, sums=self.step is not None))
        keys = words.names.keys
        lines = {keys[name]: [text] if isinstance(text, str) else text for name, text in self.remarks.items()}
        marked = {keys[name] for name in self.marked}
        if self.step is None:
            scene = build_scene(words)
        else:
            story = tell(words, "both")
            changes = [
                *story.opening,
                *(change for step in story.steps[: self.step % len(story.steps) + 1] for change in step.changes),
            ]
            seen = [replace(change, emphasis=None) for change in changes] if self.calm else changes
            scene = restyle(build_scene(words, changes=changes), seen)
        scene = with_remarks(with_failure(scene, self.graph), lines, marked=marked)
        scene = without_boxes(scene, inline_constants(words)) if self.step is None else scene
        return well_placed(replace(scene, notes=()), layout, [self.direction] if self.direction else ["LR", "TB"])


def planned_scene(graph: Graph, layout: str, *, local: bool = True) -> Scene:
    """The graph with all that there is to say of it, each operation or, where that could not be read, each line."""
    asked = PlotOptions.of({"layout": layout, "local": local})
    levels = Levels(graph, picture_look(layout=layout, local=local), asked, {})
    builds = [partial(scene_on, levels, name) for name in SHOWN_LEVELS]
    return best_plan(builds, ROOM_ON_SLIDE, DIRECTIONS, WHOLE, engine_of(levels.on(SHOWN_LEVELS[0]))).scene


@dataclass(frozen=True)
class Listing:
    """A program that all panels of a sheet are about; it stands above them."""

    code: tuple[str, ...]

    def panels(self, layout: str) -> Iterator[Panel]:
        """None."""
        del layout
        yield from ()


@dataclass(frozen=True)
class Figure:
    """A table or a chart as a panel."""

    block: Block
    title: str = ""
    says: str = ""

    def panels(self, layout: str) -> Iterator[Panel]:
        """One panel."""
        del layout
        yield Panel(self.block, self.title, says=self.says)


@dataclass(frozen=True)
class Drawn:
    """A picture that is finished, as a panel with its program above it."""

    picture: Picture
    code: tuple[str, ...] = ()
    title: str = ""

    def panels(self, layout: str) -> Iterator[Panel]:
        """One panel; the picture has its own layout."""
        del layout
        canvas, name = self.picture.canvas, self.title or self.picture.graph.name
        marks = [replace(mark, owner=f"{name}/{mark.owner}") if mark.owner else mark for mark in canvas.marks]
        top, bottom = span_of(marks, canvas.height)
        block = Block(canvas.width, bottom - top, tuple(moved_marks(marks, 1.0, 0.0, -top)))
        yield Panel(block, self.title, self.code)


def span_of(marks: Sequence[Mark], height: float) -> tuple[float, float]:
    """From where to where a picture of some height has anything in it."""
    tops, bottoms = [], []
    for mark in marks:
        if isinstance(mark, Rect):
            tops.append(mark.y)
            bottoms.append(mark.y + mark.height)
        elif isinstance(mark, Label):
            tops.append(mark.y - mark.size)
            bottoms.append(mark.y + 0.3 * mark.size)
        else:
            tops.append(min(y for _, y in mark.points))
            bottoms.append(max(y for _, y in mark.points))
    return max(min(tops, default=0.0), 0.0), min(max(bottoms, default=height), height)


def shot(title: str, what: Run, says: str = "", *, local: bool = True, whole: bool = False, **options: Any) -> Shot:
    """A run as a panel, with its program above and what it raised below: the beginning of the message, or the
    ``whole``.
    """
    options.setdefault("options", Options(local=local))
    error = what.error if whole else beginning(what.error)
    return Shot(
        options.pop("graph", what.graph), title, says, options.pop("code", what.code), error, what.raised, **options
    )


def beginning(message: str) -> str:
    """The first sentence of a message, without what stands in brackets."""
    found = re.match(r"(.{40,}?)(?: \(|\. )", message)
    return f"{found[1]} …" if found and len(message) > 120 else message


def moment(graph: Graph, words: str) -> int:
    """The first step of the film of a graph whose caption has these words."""
    steps = tell(words_of_graph(graph, Options(sums=True)), "both").steps
    return next(i for i, step in enumerate(steps) if words in " ".join(step.caption))


def before_and_after(
    a: Run,
    b: Run,
    titles: tuple[str, str],
    *,
    graphs: tuple[Graph, Graph] | None = None,
    local: bool = True,
    **options: Any,
) -> Pair:
    """Two runs as two panels in which is marked what differs."""
    drawn = graphs or (a.graph, b.graph)
    errors = beginning(a.error), beginning(b.error)
    return Pair(
        *drawn,
        titles,
        Options(local=local),
        codes=(a.code, b.code),
        errors=errors,
        raised=(a.raised, b.raised),
        **options,
    )
