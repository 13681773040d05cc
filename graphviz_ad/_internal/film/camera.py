"""Film -> the same with a view for each step: the part of the stage that is seen then, as a value, and the ways
between.

A camera begins and ends on the whole, and between shows what a step is about in letters that can be read. It rests as
long as it can: a view holds as many steps as fit into it, and the next is as near as it can be. Everything that moves
in a step moves within what the step lights up; the camera itself moves at the end of a step, so that the next begins
at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from graphviz_ad._internal.scene.film_frame import Area, Fit, FrameRooms, Pair, Panel, scale_in
from graphviz_ad._internal.scene.paint import SMALL, TEXT
from graphviz_ad._internal.scene.scene import FLOWING, Arrow, Box, Change, Film, Point, Scene, Step

LEAST = 14 / SMALL  # pixels a point: the smallest letters of a picture are then readable from the back row
USUAL = 20 / TEXT  # at which most letters have 20 pixels; with larger ones, less would be seen
WORTH = 1.5  # times as large as in the whole, what is larger than a view is to be seen; else the whole tells more
MARGIN = 16.0  # points around what a step lights up
COMFORT = 0.12  # of a view: how far what is lit stays from its edges where there is room
SHORTEST, LONGEST, FAR = 0.5, 1.0, 0.25  # seconds of a move, and how many more for each width of the room
STEADY = 480.0  # pixels a second of a move that is not far: the eye follows it
FASTEST = 1.5  # times as fast as on the average
POINTED = 0.7  # of the time of a move that is cut: so long a frame goes ahead to what is seen next


@dataclass(frozen=True)
class Wanted:
    """What a view of a step should hold, the more the better: the boxes that light up, with the words that arrive on
    arrows, with what these are joined to.
    """

    boxes: Area
    lit: Area
    joined: Area


def with_camera(film: Film, usual: float = USUAL) -> Film:
    """The film with the views of a camera, at most so many pixels a point."""
    views = tuple(planned(film, usual))
    ways = [way_seconds(film, before, after) for before, after in pairwise(views)]
    return replace(film, views=views, moves=(*ways, 0.0))


def planned(film: Film, usual: float) -> list[Area]:
    """The view of each step."""
    whole = film.whole
    clear = film.rooms().clear((whole.width, whole.height))
    wanted = [wanted_at_once(film.stage, step, clear) for step in film.steps]
    scale = scale_of_camera(filter(None, wanted), clear, usual)
    size = clear.width / scale, clear.height / scale
    views: list[Area] = [whole]
    near: Area | None = None
    while len(views) < len(wanted) - 1:
        one = wanted[len(views)]
        count, area = held_from(wanted[len(views) : -1], size)
        if area is not None:
            near = near_view(area, size, whole, near)
        alone = wider_view(one.boxes, clear, whole) if one is not None and area is None else near or whole
        views += [alone if area is None else near or whole] * count
    return [*views, whole][: len(wanted)]


def wider_view(area: Area, clear: Area, whole: Area) -> Area:
    """The view of a step that lights up more than views hold: as far away as need be, or the whole."""
    scale = scale_in((area.width, area.height), clear)
    bare = area.grown(-MARGIN)
    scale = max(scale, min(LEAST, scale_in((bare.width, bare.height), clear)))  # letters are worth a margin
    return (
        whole
        if scale < WORTH * scale_in((whole.width, whole.height), clear)
        else near_view(area, (clear.width / scale, clear.height / scale), whole, None)
    )


def held_from(wanted: Sequence[Wanted | None], size: Pair) -> tuple[int, Area | None]:
    """How many steps, from the first of these on, fit into one view, and what they are about; None where the first
    needs the whole.
    """
    if wanted[0] is None or not fits(wanted[0].boxes, size):
        return 1, None
    held, count = wanted[0].boxes, 0
    for one in wanted:
        larger = held if one is None else first_that_fits([held.with_other(one.lit), held.with_other(one.boxes)], size)
        if larger is None:
            break
        held, count = larger, count + 1
    for one in wanted[:count]:
        held = held if one is None else first_that_fits([held.with_other(one.joined)], size) or held
    return count, held


def first_that_fits(areas: Iterable[Area], size: Pair) -> Area | None:
    """The first of some areas that a view of that size can hold."""
    return next((area for area in areas if fits(area, size)), None)


def wanted_at_once(stage: Scene, step: Step, clear: Area) -> Wanted | None:
    """What a view of a step should hold: all that lights up, or what it names to be looked at where that is too much to
    be read.
    """
    wanted = wanted_in(stage, step)
    if wanted is None or not step.look_at or scale_in((wanted.boxes.width, wanted.boxes.height), clear) >= LEAST:
        return wanted
    keys = {*step.about} & {*step.look_at} or {*step.look_at[-1:]}
    return wanted_in(stage, replace(step, changes=tuple([change for change in step.changes if change.key in keys])))


def wanted_in(stage: Scene, step: Step) -> Wanted | None:
    """What a step lights up on the stage."""
    boxes, arrows = stage.box_by_key, stage.arrow_by_key
    lit: list[Area] = []
    words: list[Area] = []
    joined: list[Area] = []
    for change in step.changes:
        box, arrow = boxes.get(change.key), arrows.get(change.key)
        if box is not None and is_lit(change):
            lit += box_area(box)
        elif arrow is not None and change.emphasis in FLOWING:
            words += label_area(arrow) if change.texts else []
            joined += [area for key in (arrow.tail, arrow.head) if key in boxes for area in box_area(boxes[key])]
    if not lit and not joined:
        return None
    return Wanted(around(lit or joined), around([*(lit or joined), *words]), around([*lit, *words, *joined]))


def is_lit(change: Change) -> bool:
    """Whether a box lights up; one that goes on waiting is told nothing new."""
    return change.emphasis == "active" or (change.emphasis == "waiting" and bool(change.texts))


def view_size(stage: Pair, size: tuple[int, int], panel: Panel | None, usual: float = USUAL) -> Pair:
    """How much of a stage the camera shows at so many pixels a point."""
    clear = FrameRooms.of(size, panel).clear(stage)
    return clear.width / usual, clear.height / usual


def boxes_in_view(stage: Scene, view: Pair) -> Callable[[Collection[str]], bool]:
    """Says whether a view of that size can hold the boxes of these keys, those that are not drawn left out."""

    def seen(keys: Collection[str]) -> bool:
        areas = [area for key in keys if key in stage.box_by_key for area in box_area(stage.box_by_key[key])]
        return not areas or fits(around(areas), view)

    return seen


def box_area(box: Box) -> list[Area]:
    """Where a box is."""
    return [] if box.center is None else [centered(box.center, box.width, box.height)]


def label_area(arrow: Arrow) -> list[Area]:
    """Where the words of an arrow are."""
    return [] if arrow.label_center is None else [centered(arrow.label_center, arrow.width, arrow.height)]


def centered(center: Point, width: float, height: float) -> Area:
    """An area around a point."""
    return Area(center[0] - width / 2, center[1] - height / 2, width, height)


def around(areas: Iterable[Area]) -> Area:
    """What holds them all, with a margin."""
    first, *rest = areas
    for area in rest:
        first = first.with_other(area)
    return first.grown(MARGIN)


def scale_of_camera(wanted: Iterable[Wanted], clear: Area, usual: float) -> float:
    """Pixels a point, the same for all views of a film: so large that what steps light up fits, with what it is joined
    to.
    """
    areas = [area for one in wanted for area in (one.boxes, one.joined)]
    scales = [scale_in((area.width, area.height), clear, usual) for area in areas]
    return min([scale for scale in scales if scale >= LEAST], default=usual)


def fits(area: Area, size: Pair) -> bool:
    """Whether a view of that size can hold it."""
    return area.width <= size[0] + 1e-6 and area.height <= size[1] + 1e-6


def near_view(area: Area, size: Pair, whole: Area, before: Area | None) -> Area:
    """The view that holds an area, shows little beside the stage, and is near the one before."""
    x = best_place((area.x, area.right), size[0], whole.width, None if before is None else before.x)
    y = best_place((area.y, area.bottom), size[1], whole.height, None if before is None else before.y)
    return Area(x, y, *size)


def best_place(span: Pair, length: float, whole: float, before: float | None) -> float:
    """Where a view begins along one direction."""
    low, high = span[1] - length, span[0]  # where it may
    aside = min(COMFORT * length, (high - low) / 2)
    low, high = low + aside, high - aside
    place = (low + high) / 2 if before is None else min(max(before, low), high)
    if length >= whole + 2 * MARGIN:
        return (whole - length) / 2
    return min(max(place, -MARGIN), whole + MARGIN - length)


# --- moves


def way_seconds(film: Film, before: Area, after: Area) -> float:
    """How long the way from one view to another takes."""
    if before == after:
        return 0.0
    way = length_of_way(film, before, after)
    near = way <= STEADY * LONGEST
    return round(
        max(SHORTEST, way / STEADY) if near else min(SHORTEST + FAR * way / film.rooms().stage.width, LONGEST), 2
    )


def length_of_way(film: Film, before: Area, after: Area) -> float:
    """How many pixels go by on the way from one view to another, where most do."""
    (a, ax, ay), (b, bx, by) = film.fit(before), film.fit(after)
    corners = [(i, j) for i in (0, 1) for j in (0, 1)]
    ends = [(view.x + view.width * i, view.y + view.height * j) for view in (before, after) for i, j in corners]
    return max(max(abs((b - a) * x + bx - ax), abs((b - a) * y + by - ay)) for x, y in ends)


@dataclass(frozen=True)
class Look:
    """A picture on the way from one view to the next: the fit of the stage, for how many seconds, and, where it stays
    until it is cut, the fit of what a frame around a part of the whole shows.
    """

    fit: Fit
    seconds: float
    framed: Fit | None = None


def looks(film: Film, index: int, size: tuple[int, int], rate: float, pan: float) -> list[Look]:
    """The pictures at the end of a step, so many a second, on the way to the next view; where more pixels would go by
    from one to the next than ``pan``, the stage is cut, and a frame goes ahead of it in the whole.
    """
    seconds, before, after = (
        film.leaving(index),
        film.view(index),
        film.view(index + 1) if film.leaving(index) else film.whole,
    )
    count = round(seconds * rate)
    if not count:
        return []
    start, end = film.fit(before, size), film.fit(after, size)
    if FASTEST * length_of_way(film, before, after) <= pan * count:
        return [Look(fit, seconds / count) for fit in on_the_way(start, end, count)]
    pointed = POINTED * seconds
    if film.whole == before:
        return [Look(start, pointed, end), Look(end, seconds - pointed)]
    if film.whole == after:
        return [Look(end, seconds, start)]
    some = max(round(POINTED * count), 1)
    ahead = [Look(start, pointed / some, fit) for fit in on_the_way(start, end, some)]
    return [*ahead, Look(end, seconds - pointed)]


def eased(share: float) -> float:
    """How far a move is after a share of its time: it starts and stops softly; in CSS, cubic-bezier(⅓, 0, ⅔, 1)."""
    return share * share * (3 - 2 * share)


def between(before: Fit, after: Fit, share: float) -> Fit:
    """The fit on the way; every point of the stage goes straight ahead on the screen."""
    a, b, c = (start + (end - start) * share for start, end in zip(before, after, strict=True))
    return a, b, c


def on_the_way(before: Fit, after: Fit, count: int) -> Iterator[Fit]:
    """The fits of so many frames between; where the scale stays, by whole pixels."""
    for i in range(1, count + 1):
        scale, aside, down = between(before, after, eased(i / (count + 1)))
        yield (scale, float(round(aside)), float(round(down))) if before[0] == after[0] else (scale, aside, down)
