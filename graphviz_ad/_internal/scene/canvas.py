"""The few primitives that every picture is made of; each renderer draws these four and nothing else.

`graphviz_ad._internal.scene.paint` lowers a Scene to marks, so that all formats show the same picture and a new format
is one small file. Coordinates are points (1/72 inch) or, for a film frame, pixels; y grows downwards. Colours are roles
of a Theme ("ink", "value", …), resolved by the renderer, so that a page can follow its reader's light or dark mode.
``owner`` is the key of the Box, Arrow or Group that a mark belongs to ("" for what belongs to none); ``part`` says
which part of it this is ("frame", "shaft", "head", or the role of a text line).
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Rect:
    """A rectangle with rounded corners; ``radius`` of half its height makes a pill, of a square a circle."""

    x: float
    y: float
    width: float
    height: float
    radius: float = 0.0
    fill: str | None = None
    stroke: str | None = None
    line: float = 1.0
    dash: tuple[float, ...] = ()
    owner: str = ""
    part: str = "frame"


@dataclass(frozen=True)
class Curve:
    """A chain of cubic Béziers (3n + 1 points)."""

    points: tuple[Point, ...]
    stroke: str = "edge"
    line: float = 1.0
    dash: tuple[float, ...] = ()
    owner: str = ""
    part: str = "shaft"


@dataclass(frozen=True)
class Polygon:
    """A filled polygon, such as an arrowhead."""

    points: tuple[Point, ...]
    fill: str = "edge"
    owner: str = ""
    part: str = "head"


@dataclass(frozen=True)
class Label:
    """One line of text; ``x`` is where ``anchor`` ("start", "middle", "end") says, ``y`` the baseline, ``size``
    the em. ``math``: it is set as mathematics, in the runs that `graphviz_ad._internal.scene.set_text` tells;
    ``mono``: in letters of one width, as programs are.
    """

    x: float
    y: float
    text: str
    size: float
    color: str = "ink"
    bold: bool = False
    italic: bool = False
    anchor: str = "middle"
    owner: str = ""
    part: str = "text"
    math: bool = False
    mono: bool = False


Mark = Rect | Curve | Polygon | Label


@dataclass(frozen=True)
class Canvas:
    """A finished picture: its size and its marks, back to front. ``background`` is a role, or None for transparent;
    ``font`` stands before those of all pictures.
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    alt: str = ""
    background: str | None = "paper"
    font: str = ""
