"""Size of a frame, panel beside the stage -> where title, stage, overview, panel, caption and progress are; areas, and
how a view of the stage is put into its place.

This is the only place that says where things are on a frame of a film: `FrameRooms.of(size, panel)`, or `film.rooms()`
for a film's own. Whoever needs room beside the stage gives the film a `Panel`; stage, overview and camera then do with
what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from graphviz_ad._internal.base.errors import OptionError

Pair = tuple[float, float]
Fit = tuple[float, float, float]  # scale and shift: from points of the stage to pixels of a frame

HEAD, FOOT, SIDE = 48.0, 136.0, 24.0  # pixels above, below and beside the stage
BAR_ROOM = 19.0  # pixels of the foot, with the progress bar
LEAST_ROOM = 16.0  # pixels of the sides of the stage; in less, nothing can be drawn
LARGEST = 1.7  # pixels a point: small stages are not blown up beyond it
BAND = 3.0  # a stage so many times as wide as high has its overview above, any other on the right
OVERVIEW_HEIGHT, OVERVIEW_WIDTH, OVERVIEW_SHARE = 76.0, 216.0, 0.6  # pixels; share of the height of the stage's room
EDGE, GAP = 6.0, 10.0  # pixels between the overview and the line around it, and around that


@dataclass(frozen=True)
class Area:
    """A rectangle, of a frame in pixels or of a stage in points; y grows downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.y + self.height

    @property
    def center(self) -> Pair:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def holds(self, other: Area, slack: float = 1e-6) -> bool:
        """Whether another lies in it."""
        return (
            self.x - slack <= other.x
            and self.y - slack <= other.y
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def meets(self, other: Area) -> bool:
        """Whether they have something in common."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def with_other(self, other: Area) -> Area:
        """The least that holds both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Area(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def grown(self, by: float) -> Area:
        """The same with a margin."""
        return Area(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)


@dataclass(frozen=True)
class Panel:
    """Room beside the stage, as the program has that stands beside its picture: ``side`` is "left" or "right",
    ``share`` how much of the frame's width it takes. ``chart``: so many pixels at its bottom are kept for the losses
    of a film whose camera shows a part of the stage; the rest is the program's. ``below``: so many pixels below stage
    and panel are kept for what fills mean.
    """

    side: str
    share: float
    chart: float = 0.0
    below: float = 0.0


@dataclass(frozen=True)
class FrameRooms:
    """Where everything is on a frame, in pixels: ``head`` holds title and counter, ``foot`` caption and progress;
    ``stage`` is what the picture may fill; ``panel`` is None where there is none, and so are ``chart``, a part of it,
    and ``legend``, a row below both.
    """

    size: Pair
    head: Area
    stage: Area
    foot: Area
    panel: Area | None = None
    chart: Area | None = None
    legend: Area | None = None

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, size: Pair, panel: Panel | None = None) -> FrameRooms:
        """The rooms of a frame of that size."""
        width, height = size
        below = panel.below if panel else 0.0
        middle = height - HEAD - FOOT - below
        taken = width * panel.share if panel else 0.0
        left = taken if panel and panel.side == "left" else 0.0
        if middle < LEAST_ROOM or width - taken - 2 * SIDE < LEAST_ROOM:
            least = math.ceil(LEAST_ROOM + taken + 2 * SIDE), math.ceil(LEAST_ROOM + HEAD + FOOT + below)
            raise OptionError(
                f"a frame of {width:g} x {height:g} pixels has no room for a picture between title and caption; give"
                f" at least {least[0]} x {least[1]}"
            )
        aside = Area(0.0 if left else width - taken, HEAD, taken, middle) if taken else None
        return cls(
            size,
            Area(0.0, 0.0, width, HEAD),
            Area(left + SIDE, HEAD, width - taken - 2 * SIDE, middle),
            Area(0.0, height - FOOT, width, FOOT),
            aside,
            chart_in(aside, panel) if aside and panel and panel.chart else None,
            Area(0.0, height - FOOT - below, width, below) if below else None,
        )

    @property
    def program(self) -> Area | None:
        """What the chart leaves of the panel."""
        if self.panel is None or self.chart is None:
            return self.panel
        return Area(self.panel.x, self.panel.y, self.panel.width, self.chart.y - GAP - self.panel.y)

    def overview(self, whole: Pair) -> Area:
        """Where a stage of that size is drawn small, while the camera shows a part of it."""
        width, height = max(whole[0], 1.0), max(whole[1], 1.0)
        if width >= BAND * height:
            scale = min((self.stage.width - 2 * EDGE) / width, OVERVIEW_HEIGHT / height)
        else:
            scale = min(OVERVIEW_WIDTH / width, OVERVIEW_SHARE * self.stage.height / height)
        wide, high = width * scale, height * scale
        if self.above_chart(whole) and self.chart is not None:
            return Area(self.chart.right - EDGE - wide, self.stage.y + GAP + EDGE, wide, high)
        return Area(self.stage.right - EDGE - wide, self.stage.y + EDGE, wide, high)

    def above_chart(self, whole: Pair) -> bool:
        """Whether the overview of a stage of that size stands with the chart, on the right of the stage's room."""
        return self.chart is not None and self.chart.x > self.stage.x and whole[0] < BAND * whole[1]

    def clear(self, whole: Pair) -> Area:
        """What the overview leaves of the stage's room."""
        inset, room = self.overview(whole).grown(EDGE), self.stage
        if self.above_chart(whole):
            return Area(room.x, room.y + GAP, room.width, room.height - 2 * GAP)
        if whole[0] >= BAND * whole[1]:
            down = inset.bottom + GAP - room.y
            return Area(room.x, room.y + down, room.width, room.height - down - GAP)
        return Area(room.x, room.y + GAP, inset.x - GAP - room.x, room.height - 2 * GAP)


def chart_in(aside: Area, panel: Panel) -> Area:
    """The chart's part of a panel."""
    left = aside.x + (SIDE if panel.side == "left" else 0.0)
    return Area(left, aside.bottom - GAP - panel.chart, aside.width - SIDE, panel.chart)


def fit_into(view: Area, room: Area, largest: float = LARGEST) -> Fit:
    """Scale and shift that put a view of the stage into the middle of a room."""
    scale = scale_in((view.width, view.height), room, largest)
    aside, down = room.x + room.right - view.width * scale, room.height - view.height * scale
    return scale, aside / 2 - view.x * scale, room.y + down / 2 - view.y * scale


def scale_in(size: Pair, room: Area, largest: float = LARGEST) -> float:
    """Pixels a point with which something of that size fills a room."""
    return min(room.width / max(size[0], 1e-6), room.height / max(size[1], 1e-6), largest)


def seen_at(fit: Fit, room: Area) -> Area:
    """What of the stage a fit shows in a room."""
    scale, dx, dy = fit
    return Area((room.x - dx) / scale, (room.y - dy) / scale, room.width / scale, room.height / scale)
