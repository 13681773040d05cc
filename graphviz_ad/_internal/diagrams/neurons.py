"""Stages -> a figure of columns of neurons, with a line for each weight that is shown, and cards for all that is no
linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np

from graphviz_ad._internal.diagrams.blocks import EM, MARGIN, ROW, broken
from graphviz_ad._internal.diagrams.shapes import FACES, straight, way, words
from graphviz_ad._internal.diagrams.stages import Stage, Stages, written
from graphviz_ad._internal.diagrams.told import Told
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Point

MOST, FIRST, LAST = 9, 5, 3  # neurons of a column; of a longer one, so many from its ends
SIZE, STEP, DOTS = 24.0, 36.0, 40.0  # diameter, from one to the next, room for what is left out
APART = 150.0  # between columns
THICKEST, SLIMMER, THINNEST = 3.2, 2.4, 0.25  # lines: of few, of many
FEW = 30
SAMPLE, SPACE = 36.0, 22.0  # of the legend: a line, and room behind its words
POSITIVE, NEGATIVE, PLAIN = "path.2", "path.3", "edge"
DASH = (5.0, 3.0)  # below 0
CARD = 12.0  # around the words of a card


@dataclass(frozen=True)
class Column:
    """Neurons: how many there are, and what is written below; ``weights`` are those between the column before and
    this one, a row for each neuron; ``linked``: a linear layer, of the module at that path, makes it of the column
    before. ``tensor`` is the number of that which has the neurons.
    """

    key: str
    count: int
    lines: tuple[tuple[str, bool], ...]
    kind: str
    linked: str | None = None
    weights: Array | None = None
    tensor: int | None = None


@dataclass(frozen=True)
class Card:
    """What is shown as a box: stages between columns; ``tensor`` is the number of that which comes out of them."""

    key: str
    lines: tuple[tuple[str, bool], ...]
    kind: str
    tensor: int | None = None


Item = Column | Card


def shown_of(count: int) -> list[int]:
    """Which neurons of so many are drawn."""
    return list(range(count)) if count <= MOST else [*range(FIRST), *range(count - LAST, count)]


def items_of(stages: Stages, weights: Mapping[str, Array]) -> list[Item]:
    """Columns and cards from left to right: what every way passes through is a column or a card of its own, and all
    that lies between two of these is one card.
    """
    items: list[Item] = []
    pending: list[Stage] = []
    for stage in stages.stages:
        if not on_every_way(stages, stage.key):
            pending.append(stage)
            continue
        if pending:
            items.append(card_of(pending))
            pending = []
        after = [other.kind for other in stages.stages if other.key in stages.after(stage.key)]
        items += items_for(stage, items, weights, tokens=layers.LOOKUP in after)
    return [*items, card_of(pending)] if pending else items


def on_every_way(stages: Stages, key: str) -> bool:
    """Whether nothing gets from before a stage to what comes after it without passing through it."""
    order = {stage.key: place for place, stage in enumerate(stages.stages)}
    here = order[key]
    passed = any(order[way.tail] < here < order[way.head] for way in stages.ways)
    starts = [stage.key for stage in stages.stages if not stages.before(stage.key)]
    return not passed and all(order[start] <= here for start in starts)


def items_for(stage: Stage, before: Sequence[Item], weights: Mapping[str, Array], *, tokens: bool) -> Iterator[Item]:
    """A linear layer as a column, with one for what goes in where none stands there; an input of numbers as a column,
    but for ``tokens``; anything else as a card.
    """
    shape = stage.shape or ()
    features = shape[-1] if shape else 1
    if stage.kind == layers.INPUT and len(shape) == 1 and not tokens:
        yield Column(
            stage.key, features, ((stage.title, True), (f"{features}", False)), layers.INPUT, tensor=stage.gives
        )
    elif stage.kind == layers.DENSE and stage.weights is not None:
        if not (before and isinstance(before[-1], Column)):
            inputs = stage.takes[-1] if stage.takes else 1
            yield Column(f"{stage.key}.in", inputs, ((f"{inputs}", False),), layers.INPUT, tensor=stage.taken)
        also = [(name, False) for name in dict.fromkeys(stage.also)]
        lines = ((stage.title, True), *also, (written(stage.shape), False))
        yield Column(stage.key, features, lines, layers.DENSE, stage.weights, weights.get(stage.weights), stage.gives)
    else:
        yield card_of([stage])


def card_of(stages: Sequence[Stage]) -> Card:
    """Stages as a card."""
    if len(stages) == 1:
        stage = stages[0]
        title = [(word, True) for word in broken(stage.title)]
        also = [(name, False) for name in dict.fromkeys(stage.also)]
        return Card(stage.key, (*title, *also, (written(stage.shape), False)), stage.kind, stage.gives)
    names = [stage.title for stage in stages]
    said = list(dict.fromkeys(names))
    lines = [(f"{name}{f' (×{names.count(name)})' if names.count(name) > 1 else ''}", True) for name in said]
    cut = lines if len(lines) <= 7 else [*lines[:6], ("…", True)]
    return Card(stages[0].key, (*cut, (written(stages[-1].shape), False)), layers.OTHER, stages[-1].gives)


def joined(items: Sequence[Item]) -> list[Item]:
    """Cards that follow one another as one, where there are many."""
    if len(items) <= 9:
        return list(items)
    found: list[Item] = []
    for item in items:
        last = found[-1] if found else None
        if isinstance(item, Card) and isinstance(last, Card):
            heads = [line for line in (*last.lines, *item.lines) if line[1]]
            short = heads if len(heads) <= 7 else [*heads[:3], ("…", True), *heads[-3:]]
            found[-1] = Card(last.key, (*short, item.lines[-1]), layers.OTHER, item.tensor)
        else:
            found.append(item)
    return found


@dataclass(frozen=True)
class Said:
    """What is said beside the words of a stage: ``lines`` is what lines show, "" for nothing; ``notes`` stand below the
    legend; ``told`` is what a film writes at each item; ``largest`` is what the thickest line shows at least, and
    ``most`` how many lines run between two columns at least, where several figures are on one scale.
    """

    lines: str
    notes: tuple[str, ...] = ()
    told: Mapping[str, Told] = field(default_factory=dict)
    largest: float = 0.0
    most: int = 0
    legend: bool = True


class Drawing:
    """Where everything is, and its marks."""

    def __init__(self, stages: Stages, items: Sequence[Item], said: Said, room: Point) -> None:
        self.stages, self.items, self.said = stages, items, said
        widths = [self.width(item) for item in items]
        gaps = max(len(items) - 1, 1)
        apart = max(44.0, min(APART, (room[0] - 2 * MARGIN - sum(widths)) / gaps))
        self.middles: list[float] = []
        self.largest = max((abs(weight) for weight in self.shown_weights()), default=0.0)
        self.largest = max(self.largest, said.largest)
        self.most = max([said.most, *self.counts()])
        widths_below = [text_width(note, EM) for note in said.notes]
        widths_below += [text_width(self.head, EM + 2.5, bold=True)] if not said.told else []
        widths_below += [sum(SAMPLE + text_width(text, EM) for text, *_ in self.samples()) + SPACE]
        self.least = max(widths_below) + 2 * MARGIN
        x = MARGIN + max(self.least - 2 * MARGIN - sum(widths) - (len(items) - 1) * apart, 0.0) / 2
        for width in widths:
            self.middles.append(x + width / 2)
            x += width + apart
        self.right = x - apart + MARGIN
        tallest = max(self.height(item) for item in items)
        self.top = MARGIN + (0.0 if said.told else EM + 22)  # a film has its title elsewhere
        self.axis = self.top + tallest / 2  # the height of the level line
        self.floor = self.top + tallest

    @property
    def head(self) -> str:
        """What stands above the figure."""
        return f"{self.stages.name} · {self.stages.parameters:,} parameters"

    def counts(self) -> Iterator[int]:
        """How many lines run between columns."""
        for before, item in pairwise(self.items):
            if isinstance(before, Column) and isinstance(item, Column) and item.linked is not None:
                yield len(shown_of(before.count)) * len(shown_of(item.count))

    def shown_weights(self) -> Iterator[float]:
        """Those between neurons that are drawn."""
        for before, item in pairwise(self.items):
            if isinstance(before, Column) and isinstance(item, Column) and item.linked is not None:
                pairs = product(shown_of(before.count), shown_of(item.count))
                found = (weight_in(item.weights, source, target) for source, target in pairs)
                yield from (weight for weight in found if weight is not None)

    def written(self, item: Item) -> tuple[tuple[str, bool], ...]:
        """The words of an item, with the numbers that a film writes there."""
        told = self.said.told.get(item.key)
        return (*item.lines, *(((told.value, False), (told.gradient, False)) if told else ()))

    def width(self, item: Item) -> float:
        """How wide an item is with its words."""
        words_wide = max(text_width(text, EM, bold) for text, bold in self.written(item))
        return max(SIZE, words_wide) if isinstance(item, Column) else words_wide + 2 * CARD

    def height(self, item: Item) -> float:
        """How high it is, without words below it."""
        if isinstance(item, Card):
            return EM * 1.25 * len(self.written(item)) + 2 * CARD
        shown = len(shown_of(item.count))
        return (shown - 1) * STEP + SIZE + (DOTS - STEP if shown < item.count else 0)

    @property
    def size(self) -> Point:
        """Of the whole figure."""
        notes = ROW * len(self.said.notes) + (1.9 * EM if self.explained else 0)
        return max(self.right, self.least), self.lowest + notes + MARGIN

    @property
    def explained(self) -> bool:
        """Whether it is said what lines show."""
        return bool(self.largest and self.said.lines and self.said.legend)

    @property
    def lowest(self) -> float:
        """Where all words below columns end."""
        below = max((len(self.written(item)) for item in self.items if isinstance(item, Column)), default=0)
        return self.floor + 10 + EM * 1.25 * below

    def places(self, column: Column) -> dict[int, float]:
        """Neuron -> its height."""
        shown = shown_of(column.count)
        y = self.axis - self.height(column) / 2 + SIZE / 2
        found: dict[int, float] = {}
        for i, index in enumerate(shown):
            if i and index != shown[i - 1] + 1:
                y += DOTS - STEP
            found[index] = y
            y += STEP
        return found

    def marks(self) -> Iterator[Mark]:
        """Lines behind, then neurons, cards and words."""
        yield Label(MARGIN, MARGIN + EM, self.head, EM + 2.5, "ink", True, anchor="start", part="title")
        for i in range(1, len(self.items)):
            yield from self.between(i)
        for item, x in zip(self.items, self.middles, strict=True):
            yield from self.column(item, x) if isinstance(item, Column) else self.card(item, x)
        yield from self.legend()

    def between(self, i: int) -> Iterator[Mark]:
        """Lines of weights to a column that a linear layer makes; else an arrow."""
        before, item = self.items[i - 1], self.items[i]
        if isinstance(before, Column) and isinstance(item, Column) and item.linked is not None:
            yield from self.lines(before, item, self.middles[i - 1], self.middles[i])
            return
        yield from way(self.points(i), f"{before.key}>{item.key}")

    def points(self, i: int) -> list[Point]:
        """From where to where the way to an item leads."""
        start = self.middles[i - 1] + self.edge(self.items[i - 1])
        end = self.middles[i] - self.edge(self.items[i])
        return [(start + 2, self.axis), (end - 2, self.axis)]

    def edge(self, item: Item) -> float:
        """How far the side of an item is from its middle."""
        return SIZE / 2 if isinstance(item, Column) else self.width(item) / 2

    def lines(self, before: Column, item: Column, x: float, to_x: float) -> Iterator[Mark]:
        """A line for each pair of neurons that are shown, the strongest on top."""
        pairs = [
            (weight_in(item.weights, j, k), y, to_y)
            for j, y in self.places(before).items()
            for k, to_y in self.places(item).items()
        ]
        for weight, y, to_y in sorted(pairs, key=lambda pair: abs(pair[0] or 0.0)):
            role, line, dash = look_of(weight, self.largest, thickest_of(self.most))
            ends = [(x + SIZE / 2, y), (to_x - SIZE / 2, to_y)]
            yield Curve(straight(ends), role, line, dash, f"{before.key}>{item.key}")

    def column(self, item: Column, x: float) -> Iterator[Mark]:
        """The neurons, what is left out, and the words below."""
        _, fill, _, line = FACES[item.kind]
        yield from self.neurons(item, x, {}, fill, line, 1.1)
        yield from words(item.lines, x, self.floor + 10, EM, item.key)

    def neurons(
        self, item: Column, x: float, fills: Mapping[int, str], fill: str, line: str, width: float
    ) -> Iterator[Mark]:
        """The neurons in their colours, and three dots for what is left out."""
        places = self.places(item)
        for index, y in places.items():
            box = (x - SIZE / 2, y - SIZE / 2, SIZE, SIZE)
            yield Rect(*box, SIZE / 2, fills.get(index, fill), line, width, (), item.key, "frame")
        if len(places) < item.count:
            gap = places[FIRST - 1] + (places[item.count - LAST] - places[FIRST - 1]) / 2
            for i in (-1, 0, 1):
                yield Rect(x - 1.6, gap + 6 * i - 1.6, 3.2, 3.2, 1.6, "ink", None, 0, (), item.key, "dot")

    def card(self, item: Card, x: float) -> Iterator[Mark]:
        """A box with its words."""
        _, fill, _, line = FACES.get(item.kind, FACES[layers.OTHER])
        yield self.frame(item, x, fill, line, 1.1)
        yield from words(item.lines, x, self.axis - self.height(item) / 2 + CARD, EM, item.key)

    def frame(self, item: Card, x: float, fill: str, line: str, width: float) -> Rect:
        """The box of a card."""
        wide, high = self.width(item), self.height(item)
        return Rect(x - wide / 2, self.axis - high / 2, wide, high, 6, fill, line, width, (), item.key, "frame")

    def samples(self) -> list[tuple[str, str, tuple[float, ...]]]:
        """What lines say, each with its colour and dashes."""
        up_to = f"; the thickest is {short_number(self.largest)}"
        found = [(f"{self.said.lines} above 0", POSITIVE, ()), (f"below 0{up_to}", NEGATIVE, DASH)]
        return found if self.explained else []

    def legend(self) -> Iterator[Mark]:
        """What lines say, and notes."""
        y, x = self.lowest + 1.9 * EM, MARGIN
        for text, role, dash in self.samples():
            yield Curve(straight([(x, y - 4), (x + 30, y - 4)]), role, THICKEST, dash, "", "legend")
            yield Label(x + SAMPLE, y, text, EM, "muted", anchor="start", part="legend")
            x += SAMPLE + text_width(text, EM) + SPACE
        y = y + ROW if x > MARGIN else self.lowest + ROW
        for note in self.said.notes:
            yield Label(MARGIN, y, note, EM, "muted", False, True, "start", part="note")
            y += ROW


def weight_in(weights: Array | None, source: int, target: int) -> float | None:
    """The weight from one neuron to another; None where it is not known or not finite."""
    if weights is None or weights.ndim != 2:
        return None
    rows, columns = weights.shape
    if target >= rows or source >= columns:
        return None
    found = float(np.real(weights[target, source]))
    return found if math.isfinite(found) else None


def thickest_of(lines: int) -> float:
    """How thick a line may be where so many run between two columns."""
    return THICKEST if lines <= FEW else SLIMMER


def look_of(weight: float | None, largest: float, thickest: float) -> tuple[str, float, tuple[float, ...]]:
    """Colour, width and dash of a line."""
    if weight is None or not largest:
        return PLAIN, 0.9, ()
    line = THINNEST + (thickest - THINNEST) * min(abs(weight) / largest, 1.0)
    return (NEGATIVE, line, DASH) if weight < 0 else (POSITIVE, line, ())
