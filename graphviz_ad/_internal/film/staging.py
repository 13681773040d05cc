"""Words -> the stage of a film: of several ways to draw a graph, the one with the largest letters on the screen.

What is most worth seeing is tried first, and taken if its letters can be read from the back row. What is left out, the captions say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.layouts.choice import place
from graphviz_ad._internal.layouts.row_wrapping import wrapped
from graphviz_ad._internal.scene.paint import frame_scale
from graphviz_ad._internal.scene.scene import Box, Scene
from graphviz_ad._internal.scene.scene_building import build_scene, room, texts_of
from graphviz_ad._internal.scene.wording import Wording

READABLE = 1.05  # pixels a point in a frame 720 pixels high; letters of 14 points are then readable from the back row
MANY = 60  # boxes; more are never readable, so that fewer ways are tried
FURTHER = (" … ", " ± ")  # in a line that describes a tensor too big to be shown


Dress = Callable[[Scene, Wording], Scene]


def as_it_is(scene: Scene, wording: Wording) -> Scene:
    """The scene itself."""
    del wording
    return scene


@dataclass(frozen=True)
class Manner:
    """What is drawn: derivatives on the arrows, signs in circles, more about a big tensor than its shape; and what it is worth."""

    local: bool = True
    signs: bool = True
    statistics: bool = True
    worth: float = 1.0


# In groups: all of one are tried in a single row before any is tried in several.
MANNERS = ((Manner(), Manner(local=False)), (Manner(local=False, signs=False, worth=0.9),), (Manner(local=False, statistics=False, worth=0.8),))


def best_stage(
    told: Callable[[bool], tuple[Wording, Story]], *, local: bool, flows: Sequence[str], layout: str, size: tuple[int, int], dress: Dress = as_it_is
) -> tuple[Scene, Story]:
    """The stage that fills a frame of ``size`` with the largest letters, and its story; ``told`` gives words and story with and without derivatives.

    ``dress`` writes more on the scene before it is placed.
    """
    found: list[tuple[float, Scene, Story]] = []
    for manner, stage, story in candidates(told, local, flows, layout, size, dress):
        found.append((manner.worth * frame_scale(stage, size), stage, story))
        if frame_scale(stage, size) >= READABLE:
            return stage, story
    _, stage, story = max(found, key=lambda candidate: candidate[0])
    return stage, story


def candidates(
    told: Callable[[bool], tuple[Wording, Story]], local: bool, flows: Sequence[str], layout: str, size: tuple[int, int], dress: Dress
) -> Iterator[tuple[Manner, Scene, Story]]:
    """Every way to draw it, made when it is asked for."""
    for group in MANNERS:
        placed: list[tuple[Manner, Scene, Story]] = []
        many = False
        for manner in group:
            wording, story = told(manner.local and local)
            many = len(wording.graph.node_list) > MANY
            if manner.local and (many or not local):
                continue
            for scene in drawn(wording, story, manner, flows, dress):
                placed.append((manner, place(scene, layout), story))
                yield placed[-1]
        for manner, stage, story in placed:
            yield manner, wrapped(stage, lambda folded: frame_scale(folded, size)), story
        if many:
            return


def drawn(wording: Wording, story: Story, manner: Manner, flows: Sequence[str], dress: Dress) -> list[Scene]:
    """The scene in that manner for each direction, without places; none where the manner leaves out nothing that others have."""
    changes = [*story.opening, *(change for step in story.steps for change in step.changes)]
    scene = dress(build_scene(wording, changes=changes), wording)
    if not (manner.signs and manner.statistics):
        texts, full = texts_of(changes), scene
        scene = replace(scene, boxes=tuple(slimmer(box, manner, texts.get(box.key, {})) for box in scene.boxes))
        flows = flows if scene != full else ()
    return [replace(scene, direction=flow) for flow in flows]


def slimmer(box: Box, manner: Manner, texts: Mapping[str, list[str]]) -> Box:
    """The box without what the manner leaves out, as wide as it must be then."""
    formula = any(line.role == "name" and " = " in line.text for line in box.lines)
    badge = box.badge if manner.signs or not formula else ""
    lines = box.lines if manner.statistics else tuple(line for line in box.lines if not any(sign in line.text for sign in FURTHER))
    if (badge, lines) == (box.badge, box.lines):
        return box
    kept = {line.role for line in lines}
    width, height = room(lines, badge, box.double, {role: given for role, given in texts.items() if role in kept})
    return replace(box, badge=badge, lines=lines, width=width, height=height)
