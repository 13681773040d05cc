"""Marks of a stage -> the same seen through a camera: what is in sight, what covers the rest of the frame, and the
whole drawn small in a corner, with a rectangle around what is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.film_frame import EDGE, Area, Fit, FrameRooms
from graphviz_ad._internal.scene.font_metrics import text_width

THIN, OUTLINE = 0.8, 2.0  # pixels: lines of what is drawn small, and around what is seen
SLACK = 8.0  # pixels around a mark, for its line


def bounds(mark: Mark) -> Area:
    """The least area that holds a mark, without its line."""
    if isinstance(mark, Rect):
        return Area(mark.x, mark.y, mark.width, mark.height)
    if isinstance(mark, Label):
        wide = text_width(mark.text, mark.size, mark.bold)
        left = mark.x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor]
        return Area(left, mark.y - mark.size, wide, 1.4 * mark.size)
    across, down = zip(*mark.points, strict=True)
    return Area(min(across), min(down), max(across) - min(across), max(down) - min(down))


def in_sight(marks: Iterable[Mark], rooms: FrameRooms) -> Iterator[Mark]:
    """Those of the marks that reach into the stage's room, or beside it."""
    room = Area(0.0, rooms.stage.y, rooms.size[0], rooms.stage.height).grown(SLACK)
    return (mark for mark in marks if room.meets(bounds(mark)))


def covers(rooms: FrameRooms) -> Iterator[Mark]:
    """Paper over what the stage must not reach into."""
    legend = [] if rooms.legend is None else [rooms.legend]
    for area in (rooms.head, rooms.foot, *legend, *beside(rooms)):
        yield Rect(area.x, area.y, area.width, area.height, 0, "paper", None, 0, part="cover")


def beside(rooms: FrameRooms) -> Iterator[Area]:
    """What stands beside the stage, with some of the space between them."""
    if rooms.panel is not None:
        left = rooms.panel.x if rooms.panel.x < rooms.stage.x else rooms.panel.x - EDGE
        yield Area(left, rooms.panel.y, rooms.panel.width + EDGE, rooms.panel.height)


def edges(rooms: FrameRooms) -> Iterator[Mark]:
    """Lines where the stage goes on behind."""
    for y in (rooms.head.bottom, (rooms.legend or rooms.foot).y):
        ends = tuple((rooms.size[0] * share, y) for share in (0.0, 1 / 3, 2 / 3, 1.0))
        yield Curve(ends, "group.line", 1.0, part="edge")
    for area in beside(rooms):
        x = area.right if area.x < rooms.stage.x else area.x
        ends = tuple((x, area.y + area.height * share) for share in (0.0, 1 / 3, 2 / 3, 1.0))
        yield Curve(ends, "group.line", 1.0, part="edge")


def ground(inset: Area) -> Mark:
    """What the whole stage is drawn small on."""
    area = inset.grown(EDGE)
    return Rect(area.x, area.y, area.width, area.height, 4, "paper", "group.line", 1.0, part="overview")


def in_small(marks: Iterable[Mark], fit: Fit) -> Iterator[Mark]:
    """Of the marks of boxes and arrows the frames and lines, as small as they are there; no word could be read."""
    scale, dx, dy = fit
    for mark in marks:
        if isinstance(mark, Rect) and mark.part == "frame":
            place = mark.x * scale + dx, mark.y * scale + dy, mark.width * scale, mark.height * scale
            line = max(THIN, mark.line * scale)
            yield Rect(*place, mark.radius * scale, mark.fill, mark.stroke, line, part="overview.box")
        elif isinstance(mark, Curve):
            points = tuple((x * scale + dx, y * scale + dy) for x, y in mark.points)
            yield Curve(points, mark.stroke, max(THIN, mark.line * scale), part="overview.line")


def outline(view: Area, fit: Fit, inset: Area) -> Mark:
    """The rectangle around what is seen."""
    scale, dx, dy = fit
    area, room = Area(view.x * scale + dx, view.y * scale + dy, view.width * scale, view.height * scale), inset.grown(4)
    left, top = max(area.x, room.x), max(area.y, room.y)
    right, bottom = min(area.right, room.right), min(area.bottom, room.bottom)
    size = max(right - left, 1.0), max(bottom - top, 1.0)
    return Rect(left, top, *size, 2, None, "ink", OUTLINE, part="overview.view")
