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
from graphviz_ad._internal.scene.paint import scale_of
from graphviz_ad._internal.scene.scene import Scene
from graphviz_ad._internal.scene.scene_building import slimmer, texts_of
from graphviz_ad._internal.scene.words.describe import Words, without_local

READABLE = 1.05  # pixels a point in a frame 720 pixels high; letters of 14 points are then readable from the back row
MANY = 60  # boxes; more are never readable, so that fewer ways are tried


@dataclass(frozen=True)
class Manner:
    """What is drawn: derivatives on the arrows, signs in circles, more about a big tensor than its shape; and what
    it is worth.
    """

    local: bool = True
    signs: bool = True
    statistics: bool = True
    worth: float = 1.0


# In groups: all of one are tried in a single row before any is tried in several.
MANNERS = (
    (Manner(), Manner(local=False)),
    (Manner(local=False, signs=False, worth=0.9),),
    (Manner(local=False, statistics=False, worth=0.8),),
)


@dataclass(frozen=True)
class Screen:
    """What a film is drawn for: the directions that are tried, the layout engine, and the size of a frame in pixels."""

    flows: Sequence[str]
    layout: str
    size: tuple[int, int]


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
        scale = scale_of(candidate.rows.size, screen.size)
        found.append((candidate.manner.worth * scale, candidate))
        if scale >= READABLE:
            return candidate.rows.settled(), candidate.telling.story
    _, best = max(found, key=lambda pair: pair[0])
    return best.rows.settled(), best.telling.story


def candidates(words: Words, choice: Choice, screen: Screen) -> Iterator[Candidate]:
    """Every way to draw it, made when it is asked for."""
    many = len(words.graph.node_list) > MANY
    tellings: dict[bool, Telling] = {}
    for group in MANNERS:
        in_one_row: list[Candidate] = []
        for manner in group:
            if manner.local and (many or not words.options.local):
                continue
            if manner.local not in tellings:
                tellings[manner.local] = choice.told(words if manner.local else without_local(words))
            for scene in scenes_by_direction(tellings[manner.local], manner, screen.flows):
                placed = place_scene(scene, screen.layout)
                in_one_row.append(Candidate(manner, tellings[manner.local], Rows(placed, placed.size or (1.0, 1.0))))
                yield in_one_row[-1]
        for candidate in in_one_row:
            yield replace(candidate, rows=best_rows(candidate.rows.scene, partial(scale_of, size=screen.size)))
        if many:
            return


def scenes_by_direction(telling: Telling, manner: Manner, flows: Sequence[str]) -> list[Scene]:
    """The scene in that manner for each direction, without places; none where the manner leaves out nothing that
    others have.
    """
    scene = telling.scene
    if not (manner.signs and manner.statistics):
        texts = texts_of(telling.story.changes)
        scene = replace(
            scene,
            boxes=tuple(
                slimmer(box, texts.get(box.key, {}), signs=manner.signs, statistics=manner.statistics)
                for box in scene.boxes
            ),
        )
        flows = flows if scene != telling.scene else ()
    return [replace(scene, direction=flow) for flow in flows]
