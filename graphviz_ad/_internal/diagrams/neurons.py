"""Stages -> a figure of columns of neurons, with a line for each weight that is shown, and cards for all that is no
linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from graphviz_ad._internal.diagrams.blocks import EM, MARGIN, alt_of, broken
from graphviz_ad._internal.diagrams.shapes import FACES, straight, way, words
from graphviz_ad._internal.diagrams.stages import Stage, Stages, written
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.scene.canvas import Canvas, Curve, Label, Mark, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Point

MOST, FIRST, LAST = 9, 5, 3  # neurons of a column; of a longer one, so many from its ends
SIZE, STEP, DOTS = 24.0, 36.0, 40.0  # diameter, from one to the next, room for what is left out
APART = 150.0  # between columns
THICKEST, THINNEST = 3.2, 0.4  # lines
POSITIVE, NEGATIVE, PLAIN = "path.2", "path.3", "edge"
DASH = (5.0, 3.0)  # below 0
CARD = 12.0  # around the words of a card


@dataclass(frozen=True)
class Column:
    """Neurons: how many there are, and what is written below; ``weights`` are those between the column before and
    this one, a row for each neuron; ``linked``: a linear layer makes it of the column before.
    """

    key: str
    count: int
    lines: tuple[tuple[str, bool], ...]
    kind: str
    linked: bool = False
    weights: Array | None = None


@dataclass(frozen=True)
class Card:
    """What is shown as a box: stages between columns."""

    key: str
    lines: tuple[tuple[str, bool], ...]
    kind: str


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
        yield Column(stage.key, features, ((stage.title, True), (f"{features}", False)), layers.INPUT)
    elif stage.kind == layers.DENSE and stage.weights is not None:
        if not (before and isinstance(before[-1], Column)):
            inputs = stage.takes[-1] if stage.takes else 1
            yield Column(f"{stage.key}.in", inputs, ((f"{inputs}", False),), layers.INPUT)
        also = [(name, False) for name in dict.fromkeys(stage.also)]
        lines = ((stage.title, True), *also, (written(stage.shape), False))
        yield Column(stage.key, features, lines, layers.DENSE, True, weights.get(stage.weights))
    else:
        yield card_of([stage])


def card_of(stages: Sequence[Stage]) -> Card:
    """Stages as a card."""
    if len(stages) == 1:
        stage = stages[0]
        title = [(word, True) for word in broken(stage.title)]
        also = [(name, False) for name in dict.fromkeys(stage.also)]
        return Card(stage.key, (*title, *also, (written(stage.shape), False)), stage.kind)
    names = [stage.title for stage in stages]
    said = list(dict.fromkeys(names))
    lines = [(f"{name}{f' (×{names.count(name)})' if names.count(name) > 1 else ''}", True) for name in said]
    cut = lines if len(lines) <= 7 else [*lines[:6], ("…", True)]
    return Card(stages[0].key, (*cut, (written(stages[-1].shape), False)), layers.OTHER)


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
            found[-1] = Card(last.key, (*short, item.lines[-1]), layers.OTHER)
        else:
            found.append(item)
    return found


def figure_of_neurons(stages: Stages, weights: Mapping[str, Array], said: str, room: Point) -> Canvas:
    """The figure, not scaled yet; ``said`` is what lines show: "weight", "gradient", or nothing."""
    drawing = Drawing(stages, joined(items_of(stages, weights)), said, room)
    return Canvas(*drawing.size, tuple(drawing.marks()), alt_of(stages))


class Drawing:
    """Where everything is, and its marks."""

    def __init__(self, stages: Stages, items: Sequence[Item], said: str, room: Point) -> None:
        self.stages, self.items, self.said = stages, items, said
        widths = [self.width(item) for item in items]
        gaps = max(len(items) - 1, 1)
        apart = max(44.0, min(APART, (room[0] - 2 * MARGIN - sum(widths)) / gaps))
        self.middles: list[float] = []
        x = MARGIN
        for width in widths:
            self.middles.append(x + width / 2)
            x += width + apart
        self.right = x - apart + MARGIN
        tallest = max(self.height(item) for item in items)
        self.top = MARGIN + EM + 22
        self.line = self.top + tallest / 2
        self.floor = self.top + tallest
        self.largest = max((abs(weight) for weight in self.shown_weights()), default=0.0)

    def shown_weights(self) -> Iterator[float]:
        """Those between neurons that are drawn."""
        for before, item in pairwise(self.items):
            if isinstance(before, Column) and isinstance(item, Column) and item.linked:
                pairs = product(shown_of(before.count), shown_of(item.count))
                found = (self.weight(item, source, target) for source, target in pairs)
                yield from (weight for weight in found if weight is not None)

    def width(self, item: Item) -> float:
        """How wide an item is with its words."""
        words_wide = max(text_width(text, EM, bold) for text, bold in item.lines)
        return max(SIZE, words_wide) if isinstance(item, Column) else words_wide + 2 * CARD

    def height(self, item: Item) -> float:
        """How high it is, without words below it."""
        if isinstance(item, Card):
            return EM * 1.25 * len(item.lines) + 2 * CARD
        shown = len(shown_of(item.count))
        return (shown - 1) * STEP + SIZE + (DOTS - STEP if shown < item.count else 0)

    @property
    def size(self) -> Point:
        """Of the whole figure."""
        below = max((len(item.lines) for item in self.items if isinstance(item, Column)), default=0)
        legend = 1.9 * EM if self.largest else 0
        return max(self.right, 360.0), self.floor + 10 + EM * 1.25 * below + legend + MARGIN

    def places(self, column: Column) -> dict[int, float]:
        """Neuron -> its height."""
        shown = shown_of(column.count)
        y = self.line - self.height(column) / 2 + SIZE / 2
        found: dict[int, float] = {}
        for i, index in enumerate(shown):
            if i and index != shown[i - 1] + 1:
                y += DOTS - STEP
            found[index] = y
            y += STEP
        return found

    def marks(self) -> Iterator[Mark]:
        """Lines behind, then neurons, cards and words."""
        head = f"{self.stages.name} · {self.stages.parameters:,} parameters"
        yield Label(MARGIN, MARGIN + EM, head, EM + 2.5, "ink", True, anchor="start", part="title")
        for i in range(1, len(self.items)):
            yield from self.between(i)
        for item, x in zip(self.items, self.middles, strict=True):
            yield from self.column(item, x) if isinstance(item, Column) else self.card(item, x)
        yield from self.legend()

    def between(self, i: int) -> Iterator[Mark]:
        """Lines of weights to a column that a linear layer makes; else an arrow."""
        before, item = self.items[i - 1], self.items[i]
        if isinstance(before, Column) and isinstance(item, Column) and item.linked:
            yield from self.lines(before, item, self.middles[i - 1], self.middles[i])
            return
        start = self.middles[i - 1] + self.edge(before)
        end = self.middles[i] - self.edge(item)
        yield from way([(start + 2, self.line), (end - 2, self.line)], f"{before.key}>{item.key}")

    def edge(self, item: Item) -> float:
        """How far the side of an item is from its middle."""
        return SIZE / 2 if isinstance(item, Column) else self.width(item) / 2

    def lines(self, before: Column, item: Column, x: float, to_x: float) -> Iterator[Mark]:
        """A line for each pair of neurons that are shown, the strongest on top."""
        pairs = [
            (self.weight(item, j, k), y, to_y)
            for j, y in self.places(before).items()
            for k, to_y in self.places(item).items()
        ]
        for weight, y, to_y in sorted(pairs, key=lambda pair: abs(pair[0] or 0.0)):
            role, line, dash = self.look(weight)
            ends = [(x + SIZE / 2, y), (to_x - SIZE / 2, to_y)]
            yield Curve(straight(ends), role, line, dash, f"{before.key}>{item.key}")

    def weight(self, item: Column, source: int, target: int) -> float | None:
        """The weight from one neuron to another; None where it is not known or not finite."""
        if item.weights is None or item.weights.ndim != 2:
            return None
        rows, columns = item.weights.shape
        if target >= rows or source >= columns:
            return None
        found = float(np.real(item.weights[target, source]))
        return found if math.isfinite(found) else None

    def look(self, weight: float | None) -> tuple[str, float, tuple[float, ...]]:
        """Colour, width and dash of a line."""
        if weight is None or not self.largest:
            return PLAIN, 0.9, ()
        line = THINNEST + (THICKEST - THINNEST) * min(abs(weight) / self.largest, 1.0)
        return (NEGATIVE, line, DASH) if weight < 0 else (POSITIVE, line, ())

    def column(self, item: Column, x: float) -> Iterator[Mark]:
        """The neurons, what is left out, and the words below."""
        _, fill, _, line = FACES[item.kind]
        places = self.places(item)
        for y in places.values():
            box = (x - SIZE / 2, y - SIZE / 2, SIZE, SIZE)
            yield Rect(*box, SIZE / 2, fill, line, 1.1, (), item.key, "frame")
        if len(places) < item.count:
            gap = places[FIRST - 1] + (places[item.count - LAST] - places[FIRST - 1]) / 2
            for i in (-1, 0, 1):
                yield Rect(x - 1.6, gap + 6 * i - 1.6, 3.2, 3.2, 1.6, "ink", None, 0, (), item.key, "dot")
        yield from words(item.lines, x, self.floor + 10, EM, item.key)

    def card(self, item: Card, x: float) -> Iterator[Mark]:
        """A box with its words."""
        _, fill, _, line = FACES.get(item.kind, FACES[layers.OTHER])
        wide, high = self.width(item), self.height(item)
        yield Rect(x - wide / 2, self.line - high / 2, wide, high, 6, fill, line, 1.1, (), item.key, "frame")
        yield from words(item.lines, x, self.line - high / 2 + CARD, EM, item.key)

    def legend(self) -> Iterator[Mark]:
        """What lines say."""
        if not self.largest:
            return
        y, x = self.size[1] - MARGIN, MARGIN
        up_to = f"; the thickest is {short_number(self.largest)}"
        for text, role, dash in ((f"{self.said} above 0", POSITIVE, ()), (f"below 0{up_to}", NEGATIVE, DASH)):
            yield Curve(straight([(x, y - 4), (x + 30, y - 4)]), role, THICKEST, dash, "", "legend")
            yield Label(x + 36, y, text, EM, "muted", anchor="start", part="legend")
            x += 36 + text_width(text, EM) + 22
