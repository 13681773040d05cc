"""Stages -> a figure of solids in perspective, as high, deep and wide as the tensors that come out of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.diagrams.shapes import Solid, way, words
from graphviz_ad._internal.diagrams.stages import Stage, Stages, ranks_of, with_repeats, written
from graphviz_ad._internal.graph.architecture import Shape
from graphviz_ad._internal.operations.layer_kinds import JOIN as JOIN_KIND
from graphviz_ad._internal.scene.canvas import Canvas, Label, Mark
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.scene import Point

MARGIN, TITLE = 16.0, 20.0  # points
SLANT = 0.35  # how deep a solid looks, of what its depth is
HEIGHTS = 340.0, 280.0, 230.0, 190.0, 150.0, 120.0, 90.0, 60.0  # points that the highest solid may have
WIDEST, LEAST, APART = 46.0, 5.0, 4.0  # points of a solid, and between those that are alike
BETWEEN = 13.0  # between the slots of two stages
EM = 12.5
JOIN = 26.0  # side of what joins
LEVEL = 16.0  # between ways above each other
LONG = 10  # letters of a name that stay on one line
GOOD, LARGEST = 0.97, 1.6  # of the best scale; scale beyond which letters need not grow


@dataclass(frozen=True)
class Scale:
    """How long a length is drawn: its power, so that small ones can be seen beside large ones."""

    largest: float
    power: float
    points: float

    def __call__(self, length: float) -> float:
        share: float = (length / self.largest) ** self.power
        return max(self.points * share, LEAST)


def scale_for(lengths: Sequence[float], points: float) -> Scale:
    """The scale for some lengths: true to size, as roots where they differ too much."""
    known = [length for length in lengths if length > 0] or [1.0]
    spread = max(known) / min(known)
    power = next(power for most, power in ((20, 1.0), (400, 0.5), (math.inf, 0.25)) if spread <= most)
    return Scale(max(known), power, points)


@dataclass(frozen=True)
class Scales:
    """Those of rows and columns, of channels, of features of vectors, and of how many vectors there are."""

    rows: Scale
    channels: Scale
    features: Scale
    tokens: Scale


def scales_of(stages: Stages, tallest: float) -> Scales:
    """The scales for all stages of a figure."""
    shapes = [stage.shape for stage in stages.stages if stage.shape]
    features = [shape[len(shape) - 1] for shape in shapes if len(shape) < 3]
    rows = [length for shape in shapes if len(shape) > 2 for length in shape[-2:]]
    channels = [math.prod(shape[:-2]) for shape in shapes if len(shape) > 2]
    widest = min(WIDEST, tallest / 4)
    tokens = [shape[0] for shape in shapes if len(shape) == 2]
    return Scales(
        scale_for(rows, tallest), scale_for(channels, widest), scale_for(features, tallest), scale_for(tokens, WIDEST)
    )


def solid_of(stage: Stage, scales: Scales) -> Solid:
    """The solid of a stage, in a corner."""
    shape: Shape = stage.shape or ()
    if stage.kind == JOIN_KIND and len(stage.title) == 1:
        return Solid(0, 0, JOIN, JOIN, 0)
    if len(shape) > 2:
        high, across = shape[-2:]
        return Solid(0, 0, scales.channels(math.prod(shape[:-2])), scales.rows(high), scales.rows(across) * SLANT)
    if len(shape) == 2:  # a sequence of vectors: a sheet
        return Solid(0, 0, scales.tokens(shape[0]), scales.features(shape[1]), LEAST)
    return Solid(0, 0, 2 * LEAST, scales.features(math.prod(shape)), LEAST)


def scale_words(stages: Stages, scales: Scales) -> str:
    """What the lengths of solids say."""
    if not any(len(stage.shape or ()) > 2 for stage in stages.stages):
        return ""
    how = {1.0: "", 0.5: " (square roots)", 0.25: " (fourth roots)"}
    rows, channels = how[scales.rows.power], how[scales.channels.power]
    return f"height and depth: rows and columns{rows}; width: channels{channels}"


def lines_of(stage: Stage) -> list[tuple[str, bool]]:
    """What is written below a stage."""
    also = list(dict.fromkeys(stage.also))
    title = [(word, True) for word in broken(stage.title)]
    if stage.times > 1:
        title[-1] = f"{title[-1][0]}  (×{stage.times})", True
    return [*title, *((name, False) for name in also), (written(stage.shape), False)]


def broken(title: str) -> list[str]:
    """A title in lines: long names of classes are broken before capitals."""
    name, _, rest = title.partition(" ")
    parts: list[str] = []
    for word in re.findall(r"[A-Z]?[^A-Z]+|[A-Z]+(?![a-z])", name) if len(name) > LONG else [name]:
        if parts and len(parts[-1]) + len(word) <= LONG:
            parts[-1] += word
        else:
            parts.append(word)
    return [*parts, rest] if rest else parts


def figure_of_blocks(stages: Stages, room: Point) -> Canvas:
    """The figure for a room, not scaled yet: with solids as high as they may be before its letters get smaller."""
    stages = with_repeats(stages)
    tried = [Placing(stages, room[0], tallest) for tallest in HEIGHTS]
    fits = [min(room[0] / one.size[0], room[1] / one.size[1]) for one in tried]
    chosen = next(one for one, fit in zip(tried, fits, strict=True) if fit >= GOOD * min(max(fits), LARGEST))
    return Canvas(*chosen.size, tuple(chosen.marks()), alt_of(stages))


def alt_of(stages: Stages) -> str:
    """The figure in a sentence."""
    return f"{stages.name}: {', '.join(stage.title for stage in stages.stages)}"


class Placing:
    """Where everything is: stages side by side by rank, those of one rank above one another."""

    def __init__(self, stages: Stages, room: float, tallest: float) -> None:
        self.stages, self.ranks = stages, ranks_of(stages)
        scales = scales_of(stages, tallest)
        self.note = scale_words(stages, scales)
        self.columns: dict[int, list[Stage]] = {}
        for stage in stages.stages:
            self.columns.setdefault(self.ranks[stage.key], []).append(stage)
        self.several = any(len(column) > 1 for column in self.columns.values())
        self.lefts: dict[int, float] = {}
        shapes = {stage.key: solid_of(stage, scales) for stage in stages.stages}
        self.solids = dict(self.placed(shapes, room))
        self.over = self.levels()
        lift = LEVEL * (max(self.over.values(), default=-1) + 1) + (10 if self.over else 0)
        top = min(solid.y - solid.deep for solid in self.solids.values()) - lift
        down = MARGIN + TITLE - top
        self.solids = {key: moved(solid, 0, down) for key, solid in self.solids.items()}
        self.floor = max(solid.y + solid.height for solid in self.solids.values())

    def placed(self, shapes: Mapping[str, Solid], room: float) -> Iterator[tuple[str, Solid]]:
        """Each solid in its place, around a level line through the middle."""
        slots = self.slots = {rank: self.slot(column, shapes) for rank, column in self.columns.items()}
        used = sum(slots.values()) + 2 * MARGIN
        between = max(BETWEEN, min((room - used) / max(len(slots) - 1, 1), 4 * BETWEEN))
        x = MARGIN
        for rank, column in sorted(self.columns.items()):
            heights = [self.height(stage, shapes[stage.key], several=len(column) > 1) for stage in column]
            y, self.lefts[rank] = -sum(heights) / 2, x
            for stage, height in zip(column, heights, strict=True):
                solid = shapes[stage.key]
                left = x + (slots[rank] - wide(stage, solid)) / 2
                yield stage.key, moved(solid, left, y + solid.deep)
                y += height
            x += slots[rank] + between
        self.width = x - between + MARGIN

    def slot(self, column: Sequence[Stage], shapes: Mapping[str, Solid]) -> float:
        """How wide the column of a rank is."""
        texts = [text_width(text, EM, bold) for stage in column for text, bold in lines_of(stage)]
        return max(*texts, *(wide(stage, shapes[stage.key]) for stage in column))

    def height(self, stage: Stage, solid: Solid, *, several: bool) -> float:
        """How much a stage takes of its column; words stand between those of a column."""
        inner = solid.height + solid.deep
        return inner + EM * (1.25 * len(lines_of(stage)) + 1.5) if several else inner

    def levels(self) -> dict[tuple[str, str], int]:
        """Ways that pass over other stages -> how high above them, the shorter ones below."""
        far = [way for way in self.stages.ways if self.ranks[way.head] - self.ranks[way.tail] > 1]
        far.sort(key=lambda way: self.ranks[way.head] - self.ranks[way.tail])
        found: dict[tuple[str, str], int] = {}
        for one in far:
            span = self.ranks[one.tail], self.ranks[one.head]
            taken = {
                level
                for (tail, head), level in found.items()
                if self.ranks[tail] <= span[1] and span[0] <= self.ranks[head]
            }
            found[one.tail, one.head] = next(level for level in range(len(far) + 1) if level not in taken)
        return found

    @property
    def size(self) -> tuple[float, float]:
        """Of the whole figure."""
        lowest = max(self.top_of_words(stage) + EM * 1.25 * len(lines_of(stage)) for stage in self.stages.stages)
        width = max(self.width, text_width(self.note, EM) + 2 * MARGIN)
        return width, lowest + (1.6 * EM if self.note else 0) + MARGIN

    def top_of_words(self, stage: Stage) -> float:
        """Where what is written below a stage begins."""
        solid = self.solids[stage.key]
        return solid.y + solid.height + 6 if self.several else self.floor + 8

    def marks(self) -> Iterator[Mark]:
        """Ways behind, then solids, then words."""
        head = f"{self.stages.name} · {self.stages.parameters:,} parameters"
        yield Label(MARGIN, MARGIN + EM, head, EM + 2.5, "ink", True, anchor="start", part="title")
        for one in self.stages.ways:
            if (one.tail, one.head) not in self.over:
                yield from self.next_to(one.tail, one.head)
        for stage in self.stages.stages:
            for i in range(stage.times):  # what stands to the right is nearer
                solid = self.solids[stage.key]
                yield from moved(solid, i * (solid.width + APART), 0).marks(stage.kind, stage.key)
            yield from self.words_of(stage)
        for (tail, head_of), level in self.over.items():
            yield from self.over_others(tail, head_of, level)
        if self.note:
            yield Label(MARGIN, self.size[1] - MARGIN, self.note, EM, "muted", False, True, "start", part="note")

    def next_to(self, tail: str, head: str) -> Iterator[Mark]:
        """The way to a neighbour."""
        one, other = self.solids[tail], self.solids[head]
        start = one.x + wide(self.stage(tail), one), one.middle
        end = other.x - 1.5, other.middle
        if abs(start[1] - end[1]) < 1:
            yield from way([start, end], f"{tail}>{head}")
            return
        turn = self.lefts[self.ranks[head]] - 9
        yield from way([start, (turn, start[1]), (turn, end[1]), end], f"{tail}>{head}", radius=5)

    def stage(self, key: str) -> Stage:
        """The stage of a key."""
        return next(stage for stage in self.stages.stages if stage.key == key)

    def over_others(self, tail: str, head: str, level: int) -> Iterator[Mark]:
        """The way over what stands between: out of the top of a solid, or beside those above it, and in likewise."""
        between = [
            self.solids[stage.key]
            for stage in self.stages.stages
            if self.ranks[tail] <= self.ranks[stage.key] <= self.ranks[head]
        ]
        high = min(solid.y - solid.deep for solid in between) - 10 - LEVEL * level
        one, other = self.solids[tail], self.solids[head]
        rank = self.ranks[tail]
        start = [(one.crown[0] + 4, one.crown[1])]
        if not self.on_top(tail):
            aside = self.lefts[rank] + self.slots[rank] + 6
            start = [(one.x + wide(self.stage(tail), one), one.middle), (aside, one.middle)]
        end = [(other.crown[0] - 4, other.crown[1] - 1)]
        if not self.on_top(head):
            before = self.lefts[self.ranks[head]] - 6
            end = [(before, other.middle - 6), (other.x - 1.5, other.middle - 6)]
        yield from way([*start, (start[-1][0], high), (end[0][0], high), *end], f"{tail}>{head}")

    def on_top(self, key: str) -> bool:
        """Whether nothing stands above a stage."""
        return self.columns[self.ranks[key]][0].key == key

    def words_of(self, stage: Stage) -> Iterator[Mark]:
        """What is written below a stage, or on it where it joins others."""
        solid = self.solids[stage.key]
        x = solid.x + wide(stage, solid) / 2
        y = self.top_of_words(stage)
        lines = lines_of(stage)
        if stage.kind == JOIN_KIND and len(stage.title) == 1:
            x = solid.x + solid.width / 2
            base = solid.y + solid.height / 2 + 6
            yield Label(x, base, stage.title, EM + 4, "ink", True, owner=stage.key, part="name")
            lines = lines[1:]
        yield from words(lines, x, y, EM, stage.key)


def wide(stage: Stage, solid: Solid) -> float:
    """The width of all solids of a stage."""
    return solid.width + solid.deep + (stage.times - 1) * (solid.width + APART)


def moved(solid: Solid, dx: float, dy: float) -> Solid:
    """A solid elsewhere."""
    return Solid(solid.x + dx, solid.y + dy, solid.width, solid.height, solid.deep)
