"""Words -> the stage of a film: of several ways to draw a graph, the one with the largest letters on the screen.

What is most worth seeing is tried first, and taken if its letters can be read from the back row. What is left out, the
captions say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.film.story_choice import Choice, Telling
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.row_wrapping import Rows, best_rows
from graphviz_ad._internal.scene.film_frame import Panel
from graphviz_ad._internal.scene.paint import scale_of
from graphviz_ad._internal.scene.scene import Scene
from graphviz_ad._internal.scene.scene_building import slimmer, texts_of, with_grids_abreast
from graphviz_ad._internal.scene.words.describe import Words, has_grids, with_tensors, without_local
from graphviz_ad._internal.scene.words.tensor_grids import Tensors

READABLE = 1.05  # pixels a point in a frame 720 pixels high; letters of 14 points are then readable from the back row
IN_BOXES, SMALL = Tensors(edges=False), Tensors(edges=False, small=True)  # what flows along arrows, captions say
MANY = 60  # boxes; more are never readable, so that fewer ways are tried


@dataclass(frozen=True)
class Manner:
    """What is drawn: derivatives on the arrows, signs in circles, more about a big tensor than its shape, which
    tensors as grids; and what it is worth.
    """

    local: bool = True
    signs: bool = True
    statistics: bool = True
    tensors: Tensors = IN_BOXES
    worth: float = 1.0


# In groups: all of one are tried in a single row before any is tried in several.
MANNERS = (
    (Manner(), Manner(local=False)),
    (Manner(local=False, signs=False, worth=0.9),),
    (Manner(local=False, statistics=False, worth=0.8),),
    (Manner(local=False, statistics=False, tensors=SMALL, worth=0.7),),
    (Manner(local=False, statistics=False, tensors=replace(SMALL, gradients=False), worth=0.5),),
    (Manner(local=False, statistics=False, tensors=replace(SMALL, gradients=False, values=False), worth=0.45),),
)
UNGRIDDED = 3  # groups that differ where no tensor is drawn as a grid


@dataclass(frozen=True)
class Screen:
    """What a film is drawn for: the directions that are tried, the layout engine, the size of a frame in pixels, and
    what stands beside the stage.
    """

    flows: Sequence[str]
    layout: str
    size: tuple[int, int]
    panel: Panel | None = None


@dataclass(frozen=True)
class Candidate:
    """One way to draw it: a manner, what is told on it, and where everything is."""

    manner: Manner
    telling: Telling
    rows: Rows


def best_stage(words: Words, choice: Choice, screen: Screen) -> tuple[Scene, Story]:
    """The stage that fills the screen with the largest letters, and the story that is told on it."""
    found: list[tuple[float, Candidate]] = []
    for candidate in candidates(words, choice, screen):
        scale = scale_of(candidate.rows.size, screen.size, screen.panel)
        found.append((candidate.manner.worth * scale, candidate))
        if scale >= READABLE:
            return candidate.rows.settled(), candidate.telling.story
    _, best = max(found, key=lambda pair: pair[0])
    return best.rows.settled(), best.telling.story


def candidates(words: Words, choice: Choice, screen: Screen) -> Iterator[Candidate]:
    """Every way to draw it, made when it is asked for."""
    many = len(words.graph.node_list) > MANY
    tellings: dict[tuple[bool, Tensors], Telling] = {}
    gridded = has_grids(words)
    for group in MANNERS if gridded else MANNERS[:UNGRIDDED]:
        in_one_row: list[Candidate] = []
        for manner in group:
            if manner.local and (many or not words.options.local):
                continue
            told = (manner.local, manner.tensors)
            if told not in tellings:
                said = with_tensors(words, manner.tensors)
                tellings[told] = choice.told(said if manner.local else without_local(said))
            for scene in scenes_by_direction(tellings[told], manner, screen.flows):
                placed = place_scene(scene, screen.layout)
                in_one_row.append(Candidate(manner, tellings[told], Rows(placed, placed.size or (1.0, 1.0))))
                yield in_one_row[-1]
        for candidate in in_one_row:
            yield replace(
                candidate, rows=best_rows(candidate.rows.scene, partial(scale_of, size=screen.size, panel=screen.panel))
            )
        if many:
            return


def scenes_by_direction(telling: Telling, manner: Manner, flows: Sequence[str]) -> list[Scene]:
    """The scene in that manner for each direction, without places; none where the manner leaves out nothing that
    others have.
    """
    scene = telling.scene
    texts = texts_of(telling.story.changes)
    if not (manner.signs and manner.statistics):
        scene = replace(
            scene,
            boxes=tuple(
                slimmer(box, texts.get(box.key, {}), signs=manner.signs, statistics=manner.statistics)
                for box in scene.boxes
            ),
        )
        flows = flows if scene != telling.scene or manner.tensors != IN_BOXES else ()
    abreast = with_grids_abreast(scene, texts)
    ways = (scene,) if abreast is scene else (scene, abreast)
    return [replace(each, direction=flow) for each in ways for flow in flows]
