"""Words -> the stage of a film: of several ways to draw a graph, the one with the largest letters on the screen.

What is most worth seeing is tried first, and taken if its letters can be read from the back row. What is left out, the
captions say. Where a camera may show a part at a time, little is left out and nothing is bent: what does not fit as a
whole is drawn as it is, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from graphviz_ad._internal.film.camera import LEAST, USUAL, boxes_in_view, view_size
from graphviz_ad._internal.film.least_room import least_room
from graphviz_ad._internal.film.seen_in_parts import told_in_parts
from graphviz_ad._internal.film.story import Story
from graphviz_ad._internal.film.story_choice import Choice, Telling, UsualStory
from graphviz_ad._internal.layouts.choice import place_scene
from graphviz_ad._internal.layouts.row_wrapping import Rows, best_rows, no_longer_than
from graphviz_ad._internal.scene.film_frame import FrameRooms, Panel
from graphviz_ad._internal.scene.paint import TEXT, scale_of
from graphviz_ad._internal.scene.scene import Arrow, Box, Point, Scene
from graphviz_ad._internal.scene.scene_building import slimmer, texts_of, with_grids_abreast, with_large_sums
from graphviz_ad._internal.scene.words.describe import Words, has_grids, with_tensors, without_local, words_of_graph
from graphviz_ad._internal.scene.words.tensor_grids import Tensors

READABLE = LEAST  # pixels a point with which the smallest letters can be read from the back row
ENOUGH = 14 / TEXT  # where names and numbers have 14 pixels, the whole tells more than parts with larger letters
IN_BOXES, SMALL = Tensors(edges=False), Tensors(edges=False, small=True)  # what flows along arrows, captions say
MANY = 60  # boxes; more are never readable, so that fewer ways are tried


@dataclass(frozen=True)
class Manner:
    """What is drawn: derivatives on the arrows, signs in circles, more about a big tensor than its shape, which
    tensors as grids, terms of gradients in ``large`` letters; and what it is worth.
    """

    local: bool = True
    signs: bool = True
    statistics: bool = True
    tensors: Tensors = IN_BOXES
    worth: float = 1.0
    large: bool = False


# In groups: all of one are tried in a single row before any is tried in several.
MANNERS = (
    (Manner(), Manner(local=False)),
    (Manner(local=False, signs=False, worth=0.9),),
    (Manner(local=False, statistics=False, worth=0.8),),
    (Manner(local=False, statistics=False, tensors=SMALL, worth=0.7),),
    (Manner(local=False, statistics=False, tensors=replace(SMALL, gradients=False), worth=0.5),),
    (Manner(local=False, statistics=False, tensors=replace(SMALL, gradients=False, values=False), worth=0.45),),
)
# of modules, before a camera is used; whether boxes say the least of what is in them
OVERVIEWS = ((Manner(local=False), False), (Manner(local=False, statistics=False), False), (Manner(local=False), True))
MOST_MODULES = 40  # boxes; the letters of more can never be read at once
# What is tried before a camera is used: little is left out.
WHOLE = MANNERS[0] + MANNERS[1]
TINY = 0.5  # pixels a point; where the whole would be smaller, the other direction is tried, too
MOST_ROWS = 40  # of a chain that a camera goes down
FULLEST = 0.5  # of its room: no layout of a graph is fuller
UNGRIDDED = 3  # groups that differ where no tensor is drawn as a grid


@dataclass(frozen=True)
class Screen:
    """What a film is drawn for: the directions that are tried, the layout engine, the size of a frame in pixels, and
    what stands beside the stage.
    """

    flows: Sequence[str]
    layout: str
    size: tuple[int, int]
    camera: bool = False
    panel: Panel | None = None

    @property
    def fits(self) -> Callable[[Point], float]:
        """Says with how many pixels a point a stage of some size fills its room."""
        return partial(scale_of, size=self.size, panel=self.panel)

    def scale(self, stage: Point) -> float:
        """Pixels a point with which a stage of that size fills its room."""
        return self.fits(stage)

    def view(self, stage: Scene, usual: float = USUAL) -> Point:
        """How much of a stage a camera shows, at so many pixels a point."""
        return view_size(stage.size or (1.0, 1.0), self.size, self.panel, usual)

    @property
    def readable_at_once(self) -> float:
        """How many square points of a stage can be read at once."""
        room = FrameRooms.of(self.size, self.panel).stage
        return room.width * room.height / READABLE**2


@dataclass(frozen=True)
class Candidate:
    """One way to draw it: a manner, what is told on it, and where everything is."""

    manner: Manner
    telling: Telling
    rows: Rows


@dataclass(frozen=True)
class Staged:
    """The stage of a film, the story that is told on it, and whether it takes a camera to read it; then ``for_camera``
    makes both as a camera needs them.
    """

    scene: Scene
    story: Story
    camera: bool = False
    for_camera: Callable[[], Staged] | None = None

    def finished(self) -> Staged:
        """The stage and the story as they are filmed."""
        return self if self.for_camera is None else self.for_camera()

    def is_readable(self, screen: Screen) -> bool:
        """Whether names and numbers can be read with all of the stage on that screen."""
        return not self.camera and self.share_of_readable(screen) >= 1

    def share_of_readable(self, screen: Screen) -> float:
        """How large names and numbers are with all of the stage on that screen, of what it takes to read them."""
        return screen.scale(self.scene.size or (1.0, 1.0)) / ENOUGH

    def sees(self, screen: Screen, usual: float = USUAL) -> Callable[[Collection[str]], bool]:
        """Says whether boxes can be seen at once, with so many pixels a point."""
        return boxes_in_view(self.scene, screen.view(self.scene, usual)) if self.camera else lambda _: True


def best_stage(words: Words, choice: Choice, screen: Screen) -> Staged:
    """The stage that fills the screen with the largest letters, and the story that is told on it; where a camera may
    move, the whole that can be read, or the one that is drawn as it is.
    """
    if screen.camera:
        return stage_for_camera(words, choice, screen)
    found: list[tuple[float, Candidate]] = []
    for candidate in candidates(words, choice, screen):
        scale = screen.scale(candidate.rows.size)
        found.append((candidate.manner.worth * scale, candidate))
        if scale >= READABLE:
            return Staged(candidate.rows.settled(), candidate.telling.story)
    _, best = max(found, key=lambda pair: pair[0])
    return Staged(best.rows.settled(), best.telling.story)


def stage_for_camera(words: Words, choice: Choice, screen: Screen) -> Staged:
    """The first way to draw it that can be read as a whole; else the largest whole whose letters are large enough; else
    the way that leaves out nothing, in the direction in which it is larger, for a camera.

    Whatever takes more room than there is on the screen is placed only once.
    """
    found: list[tuple[float, Candidate]] = []
    for manner in WHOLE:
        if manner.local and not words.options.local:
            continue
        telling = choice.told(in_manner(words, manner))
        scenes = scenes_by_direction(telling, manner, screen.flows)
        hopeless = is_hopeless(scenes, screen)
        for scene in scenes:
            candidate = Candidate(manner, telling, lines_of_text(place_scene(scene, screen.layout), screen))
            found.append((screen.scale(candidate.rows.size), candidate))
            if found[-1][0] >= READABLE:
                return Staged(candidate.rows.settled(), telling.story)
            if hopeless and found[-1][0] >= TINY:
                break
        if hopeless:
            break
    if not found:
        return best_stage(words, choice, replace(screen, camera=False))
    scale, best = max(found, key=lambda pair: pair[0])
    if scale >= ENOUGH:
        best = with_large_terms(best, screen)
        return Staged(best.rows.settled(), best.telling.story)
    overview = without_frames(words, choice, screen) if is_of_modules(words) else None
    if overview is not None:
        return Staged(overview.rows.settled(), overview.telling.story)
    fullest = [pair for pair in found if pair[1].manner == found[0][1].manner]
    drawn = max(fullest, key=lambda pair: pair[0])[1]
    return Staged(drawn.rows.scene, drawn.telling.story, True, partial(for_camera, words, choice, screen, drawn))


def is_surely_below(share: float, words: Words, choice: Choice, screen: Screen) -> bool:
    """Whether letters are smaller than that share of readable ones, as far as can be said before anything is placed."""
    if not screen.camera or is_of_modules(words):
        return False
    manner = next(one for one in WHOLE if words.options.local or not one.local)
    scenes = scenes_by_direction(choice.told(in_manner(words, manner)), manner, screen.flows)
    return is_hopeless(scenes, screen) and all(screen.scale(least_room(each)) < share * ENOUGH for each in scenes)


def is_hopeless(scenes: Sequence[Scene], screen: Screen) -> bool:
    """Whether there is too much in all of these to be read at once, wherever it stands."""
    return bool(scenes) and min(map(inked, scenes)) > FULLEST * screen.readable_at_once


def is_of_modules(words: Words) -> bool:
    """Whether frames stand around boxes most of which are modules, and few enough to be read at once."""
    nodes = words.graph.node_list
    return bool(words.frames) and len(nodes) <= MOST_MODULES and 2 * sum(n.kind == "module" for n in nodes) > len(nodes)


def without_frames(words: Words, choice: Choice, screen: Screen) -> Candidate | None:
    """Modules with their path in each name and nothing on arrows, which can stand in rows as frames cannot; the way to
    draw it that tells most, of those that can be read as a whole.
    """
    for manner, brief in OVERVIEWS:
        bare = words_of_graph(words.graph, replace(words.options, framed=False, brief=brief))
        telling = choice.told(in_manner(bare, manner))
        for scene in scenes_by_direction(telling, manner, screen.flows):
            arrows = tuple([replace(arrow, lines=(), width=0.0, height=0.0) for arrow in scene.arrows])
            rows = lines_of_text(place_scene(replace(scene, arrows=arrows), screen.layout), screen)
            if screen.scale(rows.size) >= ENOUGH:
                return Candidate(manner, telling, rows)
    return None


def with_large_terms(drawn: Candidate, screen: Screen) -> Candidate:
    """The same with the terms of gradients that are sums as large as other numbers, if these can be read then, too."""
    manner = replace(drawn.manner, large=True)
    found = [
        replace(drawn, manner=manner, rows=lines_of_text(place_scene(scene, screen.layout), screen))
        for scene in scenes_by_direction(drawn.telling, manner, (drawn.rows.scene.direction,))
    ]
    best = max(found, key=lambda candidate: screen.scale(candidate.rows.size), default=drawn)
    return best if screen.scale(best.rows.size) >= ENOUGH else drawn


def for_camera(words: Words, choice: Choice, screen: Screen, drawn: Candidate) -> Staged:
    """What is drawn that way, for a camera: what it cannot see at once is told one by one."""
    scene, story = columns_of_text(drawn.rows.scene, screen), drawn.telling.story
    seen = boxes_in_view(scene, screen.view(scene))
    if isinstance(choice, UsualStory):
        story = choice.told_apart(
            in_manner(words, drawn.manner), scene, lambda edges: not seen([edge.tail for edge in edges])
        )
    at_most = boxes_in_view(scene, screen.view(scene, LEAST))
    return Staged(scene, told_in_parts(story, scene, at_most), camera=True)


def lines_of_text(placed: Scene, screen: Screen) -> Rows:
    """A chain in rows, as text stands in lines; in one row where more than one arrow would lead from row to row, for
    that makes wires around the screen.
    """
    one = Rows(placed, placed.size or (1.0, 1.0))
    if screen.scale(one.size) >= READABLE:
        return one
    rows = best_rows(placed, screen.fits)
    return one if rows.tangle else rows


def columns_of_text(placed: Scene, screen: Screen) -> Scene:
    """A chain in rows no longer than a view of the camera, which then moves down alone; anything else as it is."""
    flat = placed.direction != "TB"
    longest = screen.view(placed)[0 if flat else 1]
    rows = best_rows(placed, no_longer_than(longest, flat=flat), most=MOST_ROWS)
    return placed if rows.tangle else rows.settled()


def in_manner(words: Words, manner: Manner) -> Words:
    """The words that are told in a manner."""
    said = with_tensors(words, manner.tensors)
    return said if manner.local else without_local(said)


def inked(scene: Scene) -> float:
    """How many square points the boxes and words of a scene take, wherever they are."""
    parts: list[Box | Arrow] = [*scene.boxes, *scene.arrows]
    return sum(part.width * part.height for part in parts)


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
                tellings[told] = choice.told(in_manner(words, manner))
            for scene in scenes_by_direction(tellings[told], manner, screen.flows):
                placed = place_scene(scene, screen.layout)
                in_one_row.append(Candidate(manner, tellings[told], Rows(placed, placed.size or (1.0, 1.0))))
                yield in_one_row[-1]
        for candidate in in_one_row:
            yield replace(candidate, rows=best_rows(candidate.rows.scene, screen.fits))
        if many:
            return


def scenes_by_direction(telling: Telling, manner: Manner, flows: Sequence[str], *, abreast: bool = True) -> list[Scene]:
    """The scene in that manner for each direction, without places; none where the manner leaves out nothing that
    others have. ``abreast``: with grids side by side, too.
    """
    scene = telling.scene
    texts = texts_of(telling.story.changes)
    if not (manner.signs and manner.statistics) or manner.large:
        less = {"signs": manner.signs, "statistics": manner.statistics}
        boxes = [slimmer(box, texts.get(box.key, {}), **less) for box in scene.boxes]
        if manner.large:
            boxes = [with_large_sums(box, texts.get(box.key, {})) for box in boxes]
        scene = replace(scene, boxes=tuple(boxes))
        flows = flows if scene != telling.scene or manner.tensors != IN_BOXES else ()
    other = with_grids_abreast(scene, texts) if abreast else scene
    ways = (scene,) if other is scene else (scene, other)
    return [replace(each, direction=flow) for each in ways for flow in flows]
