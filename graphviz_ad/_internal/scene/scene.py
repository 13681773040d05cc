"""Box, Arrow, Group, Scene, Film: what is drawn and where, before anybody thinks of colours or file formats.

Lengths are points (1/72 inch), y grows downwards. A Scene is built without places; a layout returns the same
Scene with every ``center``, ``path`` and ``size`` filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from graphviz_ad._internal.base.frozen import frozen
from graphviz_ad._internal.scene.canvas import Mark
from graphviz_ad._internal.scene.film_frame import Area, Fit, FrameRooms, Panel, fit_into

Point = tuple[float, float]
Drawings = tuple[tuple[str, tuple[Mark, ...]], ...]  # an emphasis, and the marks in it

EMPHASES = ("idle", "active", "forward", "backward", "waiting")
FLOWING = ("active-forward", "active-backward")  # emphases of an arrow along which something flows just then


SHADES, NO_SHADE = 4, 5  # steps on each side of 0, and what is on no side


@frozen
class Ring:
    """What is drawn around cells of a grid: from which row and column, over how many of each. ``kind``: "example" for
    what an example is about, "winner", "window", or "masked"; ``number`` tells examples apart.
    """

    kind: str
    row: int
    column: int
    rows: int = 1
    columns: int = 1
    number: int = 0


@frozen
class Peak:
    """A bar of a chart that is told: at which place, and what stands above it, or ``below``."""

    place: int
    text: str
    below: bool = False


@frozen
class Chart:
    """Bars from a common ground up, each as high as from 0 to 1; of what is not finite None, and −1 of what is unknown.
    ``peaks`` are told in words, at most one above and one below; below the ends stands what they are, ``first`` and
    ``last``. ``far`` are the places of bars that are out of the usual, which are black.
    """

    bars: tuple[float | None, ...]
    peaks: tuple[Peak, ...] = ()
    first: str = ""
    last: str = ""
    far: frozenset[int] = frozenset()


@frozen
class Grid:
    """The elements of a tensor as cells, drawn in the place of a line as long as its text is what the grid ``said``.

    ``rows`` are the texts of the cells; there are none where colours alone are drawn, or ``bars``: how high each is,
    from −1 to 1, None for what is not finite. ``shades``: how far from 0 each element is, from −4 to 4, `NO_SHADE` for
    complex numbers, None for what is not finite. Before the rows of ``gaps`` something else begins. ``small``: it is
    set small; ``beside``: it stands beside the grid before it; ``least``: how wide it is at least, in points. ``rings``
    are around some cells; ``row_names`` and ``column_names`` stand before rows and above columns. A ``chart`` is drawn
    in the place of cells.
    """

    said: str
    heading: str
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[int | None, ...], ...]
    gaps: tuple[int, ...] = ()
    small: bool = False
    beside: bool = False
    least: float = 0.0
    rings: tuple[Ring, ...] = ()
    row_names: tuple[str, ...] = ()
    column_names: tuple[str, ...] = ()
    bars: tuple[float | None, ...] = ()
    chart: Chart | None = None

    @property
    def written(self) -> tuple[str, ...]:
        """Its rows as lines of text, below what it is called."""
        return (*([self.heading] if self.heading else []), *(f"[{', '.join(row)}]" for row in self.rows))


@frozen
class Ratio:
    """A derivative as a fraction, with what it is equal to, drawn in the place of a line as long as its text is what
    the fraction ``said``.
    """

    said: str
    above: str
    below: str
    rest: str = ""


@frozen
class Line:
    """One line of text, or the grid or the fraction that says the same.

    ``role`` chooses its typography ("name", "value", "gradient", "local", "note", …). ``kind`` tells apart what lines
    of one role say: of a name "formula" where that stands beside it, of a value or gradient "spread" for mean and
    range, of a gradient "none" where there is none to have, of what is local "derivative" or "rule", of a contribution
    "summed", of the terms of a sum "large" where they are as large as other numbers. ``number`` counts the lines of a
    role within one box. ``deviates`` says that it has a mean with a deviation. ``other_grids`` and ``other_ratios`` are
    drawn when its text says what one of them says.
    """

    role: str
    text: str
    kind: str = ""
    number: int = 0
    grid: Grid | None = None
    ratio: Ratio | None = None
    other_grids: tuple[Grid, ...] = ()
    other_ratios: tuple[Ratio, ...] = ()
    deviates: bool = False

    @property
    def stacked(self) -> Ratio | None:
        """The fraction that is drawn in its place, as long as its text says what that says."""
        ratios = (self.ratio, *self.other_ratios) if self.ratio is not None else ()
        return next((ratio for ratio in ratios if self.text == ratio.said), None)

    @property
    def is_replaced(self) -> bool:
        """Whether something else is drawn in the place of its words."""
        return self.drawn is not None or self.stacked is not None

    @property
    def drawn(self) -> Grid | None:
        """The grid that is drawn in its place, as long as its text says what that says."""
        if self.grid is None or self.text == self.grid.said:
            return self.grid
        return next((grid for grid in self.other_grids if self.text == grid.said), None)

    @property
    def written(self) -> tuple[str, ...]:
        """What it says where there are no grids."""
        return self.drawn.written if self.drawn is not None and self.drawn.rows else (self.text,) if self.text else ()

    @property
    def key(self) -> str:
        """What no other line of its box is called: "value", "value:1", "value:2"."""
        return f"{self.role}:{self.number}" if self.number else self.role


@frozen
class Fact:
    """What is told of a part to those who point at it; ``says`` is the role of the line that says the same, "" where
    there is none.
    """

    label: str
    text: str
    says: str = ""

    def __str__(self) -> str:
        return f"{self.label}: {self.text}" if self.label else self.text


@dataclass(frozen=True)
class Box:
    """One node of the picture: a glyph in a circle (``badge``) and lines of text.

    ``width`` and ``height`` are final before layout. ``kind`` is "leaf", "data", "op" or "module"; ``double`` draws the
    border of an output; ``gradless`` is what requires no gradient, whatever its kind; ``name`` is what its result is
    called; ``tint`` is the role of a fill of its own; ``passed_on``: what it warns of came up elsewhere; ``hover`` is
    what a tooltip says; ``drawings`` are its own marks in each emphasis, which stand where frame and lines would;
    ``opens`` is the name, in its page, of the picture of what is in it; ``in_turn``: it changes parameters, so that it
    stands between what the program does before and after.
    """

    key: str
    kind: str
    lines: tuple[Line, ...]
    width: float
    height: float
    badge: str = ""
    double: bool = False
    warning: bool = False
    emphasis: str = "idle"
    name: str = ""
    hover: tuple[Fact, ...] = ()
    center: Point | None = None
    gradless: bool = False
    tint: str = ""
    passed_on: bool = False
    drawings: Drawings = ()
    opens: str = ""
    in_turn: bool = False


@dataclass(frozen=True)
class Arrow:
    """One edge of the picture, from ``tail`` to ``head``, both keys of boxes.

    ``lines`` with ``width`` and ``height`` are its label, placed at ``label_center``; no lines, no label (0 by 0).
    ``path`` is a chain of cubic Béziers, 3n + 1 points, from the border of the tail to the border of the head, where
    the arrowhead points. ``style`` is "solid", "cut" (no gradient flows), "guess" or, where lines pass boxes, "passing"
    for these and "main" for what leads to the next box. ``trails`` are the numbers of the chain-rule paths along it;
    ``slot`` counts the operands of the head; ``reads`` is what the result is called that it carries, where the name of
    the tail does not say which of its results that is; ``drawings`` are its own marks in each emphasis, which stand
    where shaft and head would.
    """

    key: str
    tail: str
    head: str
    lines: tuple[Line, ...] = ()
    width: float = 0.0
    height: float = 0.0
    style: str = "solid"
    cut: str = ""
    emphasis: str = "idle"
    trails: tuple[int, ...] = ()
    hover: tuple[Fact, ...] = ()
    label_center: Point | None = None
    path: tuple[Point, ...] = ()
    slot: int = 0
    reads: str = ""
    drawings: Drawings = ()


@dataclass(frozen=True)
class Group:
    """A titled frame around boxes; ``parent`` is the key of the frame around it, or None."""

    key: str
    title: str
    boxes: tuple[str, ...]
    parent: str | None = None
    corner: Point | None = None
    size: Point | None = None


@dataclass(frozen=True)
class Trail:
    """What the legend says of a path that arrows are coloured for, and what it brings; without a ``letter``, of all
    paths together.

    ``equals``: what it brings begins with an equals sign, and goes on from the words.
    """

    letter: str
    words: str
    brings: str = ""
    equals: bool = False

    @property
    def said(self) -> str:
        """Both as one text."""
        return f"{self.words}{' ' if self.equals else ': '}{self.brings}" if self.brings else self.words


@dataclass(frozen=True)
class Ramp:
    """What fills of boxes mean: ``title`` is the quantity, ``fills`` are the roles of its steps from ``low`` to
    ``high``; ``others`` are roles of further fills, each with its meaning.
    """

    title: str
    fills: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    others: tuple[tuple[str, str], ...] = ()

    @property
    def said(self) -> str:
        """All of it in words, for those who see no fills."""
        ends = f"from {self.low} (light) to {self.high} (dark)" if self.fills else "of none"
        return f"Filled by {self.title}: {ends}."


@dataclass(frozen=True)
class Scene:
    """A whole picture. ``direction`` is "LR" or "TB"; ``notes`` are printed below it, the first of
    them in larger letters above the legend where it is ``headed``; a legend ``of_folds`` is short, and gradients are
    compared with those of what is ``beside``; ``more`` is for those who ask; ``alt`` describes it in a sentence;
    ``ramp`` says what fills mean.
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    groups: tuple[Group, ...] = ()
    direction: str = "LR"
    title: str = ""
    alt: str = ""
    notes: tuple[str, ...] = ()
    legend: tuple[str, ...] = ()
    trails: tuple[Trail, ...] = ()
    ramp: Ramp | None = None
    size: Point | None = None
    engine: str = ""
    more: tuple[str, ...] = ()
    headed: bool = False
    of_folds: bool = False
    beside: str = ""

    @cached_property
    def box_by_key(self) -> Mapping[str, Box]:
        """Key -> Box."""
        return {box.key: box for box in self.boxes}

    @cached_property
    def arrow_by_key(self) -> Mapping[str, Arrow]:
        """Key -> Arrow."""
        return {arrow.key: arrow for arrow in self.arrows}

    @property
    def placed(self) -> bool:
        """Whether a layout has given every part its place."""
        return self.size is not None


@dataclass(frozen=True)
class Change:
    """What becomes of one box or arrow in a step: a new emphasis, and the texts that some of its lines, by key, show
    from now on.
    """

    key: str
    emphasis: str | None = None
    texts: tuple[tuple[str, str], ...] = ()


@frozen
class Lit:
    """Lines of the program that a step is about: from which to which number, in which of its parts. ``calls``: they
    do not compute it but call the function that does.
    """

    part: int
    first: int
    last: int
    calls: bool = False


@frozen
class ProgramLine:
    """A line of the program that is shown beside a picture: in which part, its number there, and what stands in it."""

    part: int
    number: int
    text: str


@frozen
class Listing:
    """The program that is shown beside a picture; ``title`` is what its file is called."""

    title: str
    lines: tuple[ProgramLine, ...]


@frozen
class Move:
    """What a step sends along an arrow: a "value" of its tail; a "product", that of the upstream gradient and what is
    local, as its ``factors`` are written, which goes back to the tail; a "term" of a sum at the tail, which was a
    product before; or a "tangent", which goes on to the head.

    ``line`` is that of the tail which goes along the arrow, or that of the box which shows what has come.
    """

    arrow: str
    what: str
    line: str
    factors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One moment of a story: what changes and what is said. No places, no colours, no seconds.

    ``phase`` is "start", "forward", "backward" or "end"; ``caption`` holds the rule in symbols, then in numbers, then
    the result; ``news`` counts the numbers that are new to the eye, from which a film takes its timing. ``moves`` are
    what goes from one place to another before the changes are seen. ``about`` are the keys of the boxes that it tells
    of, and ``rule`` is the same in steps that do the same; ``others`` are those that are told along with it.
    ``lessons`` are the names of those that it uses, see `graphviz_ad._internal.operations.lessons`, and ``sentence`` is
    one of these where it is first used; ``lit`` are the lines of the program that the step is about; ``losses`` is how
    many more losses of the film's curve are known from it on. ``brief`` is what it comes to, where there is time for
    nothing more; ``at_once`` is the caption of all steps that have the same, where these are told as one; ``look_at``
    are the boxes to be looked at where not all that lights up can be seen at once, all of these if it names none.
    """

    phase: str
    caption: tuple[str, ...]
    changes: tuple[Change, ...]
    news: int = 1
    moves: tuple[Move, ...] = ()
    about: tuple[str, ...] = ()
    rule: str = ""
    others: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    sentence: str = ""
    lit: tuple[Lit, ...] = ()
    losses: int = 0
    brief: str = ""
    at_once: tuple[str, ...] = ()
    look_at: tuple[str, ...] = ()

    @property
    def said(self) -> tuple[str, ...]:
        """All that it says: rule, numbers and result, and the sentence."""
        explained = f"— {self.sentence}" if self.sentence else ""
        return tuple([part for part in (*self.caption, explained) if part.strip()])


@dataclass(frozen=True)
class Stop:
    """One thing that becomes known on the way of a parameter: the ``loss`` where it is ``at``, then the ``slope`` of
    the loss there; without either, that it was moved there.
    """

    at: float
    loss: float | None = None
    slope: float | None = None


@dataclass(frozen=True)
class LossCurve:
    """What the passes of a film of training began at: ``losses``, by ``names``, of the passes with these ``numbers``;
    steps say how many of them become known. Where all else is the same in all passes, ``stops`` is the way of the one
    ``parameter`` that is moved, and steps say how many of these become known. ``corner`` is where the chart stands on
    the stage, in points; None where the frame keeps room for it. ``size`` is its own, None for the usual one.
    """

    names: tuple[str, ...]
    losses: tuple[float, ...]
    numbers: tuple[int, ...]
    corner: Point | None = None
    parameter: str = ""
    stops: tuple[Stop, ...] = ()
    size: Point | None = None


@dataclass(frozen=True)
class Film:
    """A placed scene and the steps that restyle it; boxes and arrows stay where they are.

    ``opening`` are the changes that make the blank picture before the first step. ``speed`` scales all times. ``size``
    is that of a frame, in pixels; ``panel`` is what stands beside the stage. ``views`` are, for each step, the part of
    the stage that is seen then, and ``moves`` how long the way to the next one takes at the end of the step; there are
    none where all is seen all the time. ``holds`` are the seconds that each step rests, at speed 1. ``program`` is what
    the panel shows. ``motion``: numbers are seen on their way, where a format can show it.
    """

    stage: Scene
    steps: tuple[Step, ...]
    opening: tuple[Change, ...] = ()
    title: str = ""
    speed: float = 1.0
    size: tuple[int, int] = (1280, 720)
    motion: bool = False
    curve: LossCurve | None = None
    panel: Panel | None = None
    views: tuple[Area, ...] = ()
    moves: tuple[float, ...] = ()
    holds: tuple[float, ...] = ()
    program: Listing | None = None

    @property
    def whole(self) -> Area:
        """The view that shows the whole stage."""
        return Area(0.0, 0.0, *(self.stage.size or (1.0, 1.0)))

    def view(self, index: int) -> Area:
        """What is seen of the stage in a step."""
        return self.views[index] if self.views else self.whole

    def is_close(self, fit: Fit, size: tuple[int, int] | None = None) -> bool:
        """Whether a fit shows a part of the stage only."""
        return bool(self.views) and fit != self.fit(self.whole, size)

    def leaving(self, index: int) -> float:
        """How long the camera moves at the end of step ``index``."""
        return self.moves[index] / self.speed if self.moves else 0.0

    def rooms(self, size: tuple[int, int] | None = None) -> FrameRooms:
        """Where everything is on a frame of that size."""
        return FrameRooms.of(size or self.size, self.panel)

    def fit(self, view: Area, size: tuple[int, int] | None = None) -> Fit:
        """Scale and shift that put a view into its place on a frame: the whole stage into all of its room, a part of
        it into what the overview leaves, by whole pixels, so that what a moving camera sees only shifts.
        """
        whole, rooms = self.whole, self.rooms(size)
        if view == whole:
            return fit_into(view, rooms.stage)
        scale, aside, down = fit_into(view, rooms.clear((whole.width, whole.height)))
        return scale, float(round(aside)), float(round(down))

    @property
    def length(self) -> float:
        """Seconds of the whole film at speed 1."""
        return sum(self.seconds(i) for i in range(len(self.steps))) * self.speed

    def seconds(self, index: int) -> float:
        """How long step ``index`` stays on screen."""
        content = min(max(0.6 + 0.35 * self.steps[index].news, 1.0), 3.0)
        hold = {0: 1.5, len(self.steps) - 1: 3.0}.get(index, content)
        return (self.holds[index] if self.holds else hold) / self.speed + self.leaving(index)

    def scene(self, index: int) -> Scene:
        """The picture at step ``index``; a pure function of the index."""
        changes = [*self.opening]
        for step in self.steps[: index % len(self.steps) + 1]:
            changes.extend(step.changes)
        return restyle(self.stage, changes)


def restyle(scene: Scene, changes: Iterable[Change]) -> Scene:
    """The scene after the changes, in order; places and sizes stay."""
    emphasis: dict[str, str] = {}
    texts: dict[str, dict[str, str]] = {}
    for change in changes:
        if change.emphasis is not None:
            emphasis[change.key] = change.emphasis
        texts.setdefault(change.key, {}).update(change.texts)

    boxes = [
        replace(b, emphasis=emphasis.get(b.key, b.emphasis), lines=with_new_texts(b.lines, texts[b.key]))
        if b.key in texts
        else b
        for b in scene.boxes
    ]
    arrows = [
        replace(a, emphasis=emphasis.get(a.key, a.emphasis), lines=with_new_texts(a.lines, texts[a.key]))
        if a.key in texts
        else a
        for a in scene.arrows
    ]
    return replace(scene, boxes=tuple(boxes), arrows=tuple(arrows))


def with_new_texts(lines: Iterable[Line], texts: Mapping[str, str]) -> tuple[Line, ...]:
    """The lines with new texts, by key."""
    return tuple([replace(line, text=texts[line.key]) if line.key in texts else line for line in lines])
