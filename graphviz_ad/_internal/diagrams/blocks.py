"""Stages -> a figure of solids in perspective, as high, deep and wide as the tensors that come out of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.diagrams.shapes import FACES, Face, Solid, face_of, straight, way, words
from graphviz_ad._internal.diagrams.stages import Stage, Stages, ranks_of, written
from graphviz_ad._internal.diagrams.told import SIGNS, Told
from graphviz_ad._internal.graph.architecture import Shape
from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.operations.layer_kinds import JOIN as JOIN_KIND
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark, Polygon, Rect
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
ROW = 1.6 * EM  # of the legend
SAMPLE, AFTER = 11.0, 20.0  # side of a sample of colour, and room behind its words
MOST_SPREAD = 12.0  # between lengths that are all drawn true to size
NARROWEST = 240.0  # points that a line of the legend may always have
WINDOW = 0.9  # share of what goes in beyond which a kernel is no window on it


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
    power = next(power for most, power in ((MOST_SPREAD, 1.0), (400, 0.5), (math.inf, 0.25)) if spread <= most)
    return Scale(max(known), power, points)


@dataclass(frozen=True)
class Scales:
    """Those of rows and columns, of channels, of features of vectors, and of how many vectors there are."""

    rows: Scale
    channels: Scale
    features: Scale
    tokens: Scale


def scales_of(several: Sequence[Stages], tallest: float) -> Scales:
    """The scales for all stages of some figures."""
    shapes = [stage.shape for stages in several for stage in stages.stages if stage.shape]
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
    rows, channels, features = how[scales.rows.power], how[scales.channels.power], how[scales.features.power]
    bars = f"; bars: features{features}" if any(0 < len(stage.shape or ()) < 3 for stage in stages.stages) else ""
    return f"height and depth: rows and columns{rows}; width: channels{channels}{bars}"


def lines_of(stage: Stage, *, brief: bool = False) -> list[tuple[str, bool]]:
    """What is written below a stage; ``brief``: all that is no title in one line."""
    also = list(dict.fromkeys(stage.also))
    title = [(word, True) for word in broken(stage.title)]
    if stage.times > 1:
        title[-1] = f"{title[-1][0]}  (×{stage.times})", True
    rest = [*also, written(stage.shape)]
    return [*title, *((text, False) for text in (rest if not brief else [" · ".join(rest)]))]


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


def alt_of(stages: Stages) -> str:
    """The figure in a sentence."""
    return f"{stages.name}: {', '.join(stage.title for stage in stages.stages)}"


class Placing:
    """Where everything is: stages side by side by rank, those of one rank above one another.

    ``said`` are the stages about which it is said below what colours and lengths mean; ``titled``: it has a title.
    """

    def __init__(
        self,
        stages: Stages,
        room: float,
        scales: Scales,
        told: Mapping[str, Told],
        *,
        said: Stages | None,
        titled: bool = True,
    ) -> None:
        self.stages, self.ranks, self.told = stages, ranks_of(stages), told
        self.titled = titled and not told  # a film has its title elsewhere
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
        down = MARGIN + (TITLE if self.titled else 0.0) - top
        self.axis = down  # the height of the level line
        self.solids = {key: moved(solid, 0, down) for key, solid in self.solids.items()}
        self.floor = max(solid.y + solid.height for solid in self.solids.values())
        inside = max(self.width - 2 * MARGIN, NARROWEST)
        self.legend = list(rows_of_samples(said, inside)) if said is not None else []
        notes = [scale_words(said, scales), SIGNS if told else ""] if said is not None else []
        self.notes = [line for note in notes if note for line in in_lines(note, inside)]

    def lines(self, stage: Stage) -> list[tuple[str, bool]]:
        """What is written below a stage, with the numbers that a film writes there."""
        told, brief = self.told.get(stage.key), self.is_brief(stage)
        numbers = (
            [] if told is None else [told.value, told.gradient] if not brief else [f"{told.value} {told.gradient}"]
        )
        return [*lines_of(stage, brief=brief), *((text, False) for text in numbers)]

    def is_brief(self, stage: Stage) -> bool:
        """Whether what is written below a stage has to leave room for another one."""
        return len(self.columns[self.ranks[stage.key]]) > 1

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
        texts = [text_width(text, EM, bold) for stage in column for text, bold in self.lines(stage)]
        return max(*texts, *(wide(stage, shapes[stage.key]) for stage in column))

    def height(self, stage: Stage, solid: Solid, *, several: bool) -> float:
        """How much a stage takes of its column; words stand between those of a column."""
        inner = solid.height + solid.deep
        return inner + EM * (1.25 * len(self.lines(stage)) + 1.5) if several else inner

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
        widths = [text_width(note, EM) for note in self.notes]
        widths += [sum(sample_width(text) for *_, text in row) for row in self.legend]
        widths += [text_width(self.head, EM + 2.5, bold=True)] if self.titled else []
        below = ROW * (len(self.legend) + len(self.notes))
        return max(self.width, max(widths, default=0.0) + 2 * MARGIN), self.lowest + below + MARGIN

    @property
    def head(self) -> str:
        """What stands above the figure."""
        return f"{self.stages.name} · {self.stages.parameters:,} parameters"

    @property
    def lowest(self) -> float:
        """Where all words below stages end."""
        return max(self.top_of_words(stage) + EM * 1.25 * len(self.lines(stage)) for stage in self.stages.stages)

    def top_of_words(self, stage: Stage) -> float:
        """Where what is written below a stage begins."""
        solid = self.solids[stage.key]
        return solid.y + solid.height + 6 if self.several else self.floor + 8

    def marks(self) -> Iterator[Mark]:
        """Ways behind, then solids, then words."""
        if self.titled:
            yield Label(MARGIN, MARGIN + EM, self.head, EM + 2.5, "ink", True, anchor="start", part="title")
        for one in self.stages.ways:
            if (one.tail, one.head) not in self.over:
                yield from way(*self.points(one.tail, one.head))
        for stage in self.stages.stages:
            yield from self.solids_of(stage, face_of(stage.kind, active=stage.active))
            yield from self.windows(stage)
            yield from self.words_of(stage)
        for tail, head_of in self.over:
            yield from way(*self.points(tail, head_of))
        yield from self.below()

    def solids_of(self, stage: Stage, face: Face) -> Iterator[Mark]:
        """The solids of a stage; what stands to the right is nearer."""
        solid = self.solids[stage.key]
        for i in range(stage.times):
            yield from moved(solid, i * (solid.width + APART), 0).marks(face, stage.key)

    def below(self) -> Iterator[Mark]:
        """What colours and lengths say."""
        y = self.lowest + ROW
        for row in self.legend:
            x = MARGIN
            for fill, line, text in row:
                yield Rect(x, y - SAMPLE + 1.5, SAMPLE, SAMPLE, 0, fill, line, 0.8, (), "", "legend")
                yield Label(x + SAMPLE + 6, y, text, EM, "muted", anchor="start", part="legend")
                x += sample_width(text)
            y += ROW
        for note in self.notes:
            yield Label(MARGIN, y, note, EM, "muted", False, True, "start", part="note")
            y += ROW

    def windows(self, stage: Stage) -> Iterator[Mark]:
        """The kernels that readers of a stage have on it, each with lines to where they make one element."""
        for key in self.stages.after(stage.key):
            reader, solid = self.stage(key), self.solids[stage.key]
            if reader.kernel is None or len(stage.shape or ()) != 3 or (stage.key, key) in self.over:
                continue
            share = [length / whole for length, whole in zip(reader.kernel, (stage.shape or ())[-2:], strict=True)]
            if max(share) > WINDOW or not solid.deep or reader.kernel == (1, 1):
                continue
            last = moved(solid, wide(stage, solid) - solid.width - solid.deep, 0)
            yield from window(last, share, self.solids[key], stage.key)

    def points(self, tail: str, head: str) -> tuple[list[Point], str, str, float]:
        """Through which points a way leads, what it is called, its colour, and how round its corners are."""
        level = self.over.get((tail, head))
        found = self.next_to(tail, head) if level is None else self.over_others(tail, head, level)
        return found, f"{tail}>{head}", "edge", 5.0 if level is None else 8.0

    def next_to(self, tail: str, head: str) -> list[Point]:
        """The way to a neighbour."""
        start, end = self.right_of(tail), self.left_of(head)
        if abs(start[1] - end[1]) < 1:
            return [start, end]
        turn = self.lefts[self.ranks[head]] - 9
        return [start, (turn, start[1]), (turn, end[1]), end]

    def right_of(self, key: str) -> Point:
        """Where a way begins that leaves a stage."""
        solid = self.solids[key]
        return solid.x + wide(self.stage(key), solid), solid.middle

    def left_of(self, key: str) -> Point:
        """Where a way ends that comes to a stage."""
        return self.solids[key].x - 1.5, self.solids[key].middle

    def stage(self, key: str) -> Stage:
        """The stage of a key."""
        return next(stage for stage in self.stages.stages if stage.key == key)

    def over_others(self, tail: str, head: str, level: int) -> list[Point]:
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
        return [*start, (start[-1][0], high), (end[0][0], high), *end]

    def on_top(self, key: str) -> bool:
        """Whether nothing stands above a stage."""
        return self.columns[self.ranks[key]][0].key == key

    def words_of(self, stage: Stage) -> Iterator[Mark]:
        """What is written below a stage, or on it where it joins others."""
        solid = self.solids[stage.key]
        x = solid.x + wide(stage, solid) / 2
        y = self.top_of_words(stage)
        lines = lines_of(stage, brief=self.is_brief(stage))
        if stage.kind == JOIN_KIND and len(stage.title) == 1:
            x = solid.x + solid.width / 2
            base = solid.y + solid.height / 2 + 6
            yield Label(x, base, stage.title, EM + 4, "ink", True, owner=stage.key, part="name")
            lines = lines[1:]
        yield from words(lines, x, y, EM, stage.key)

    def numbers_of(self, stage: Stage, *, value: bool, gradient: bool) -> Iterator[Mark]:
        """The numbers of a film below the words of a stage, as far as they are known."""
        told, solid, brief = self.told[stage.key], self.solids[stage.key], self.is_brief(stage)
        above = len(lines_of(stage, brief=brief))
        x, y = solid.x + wide(stage, solid) / 2, self.top_of_words(stage) + EM * (1.25 * above + 0.8)
        left = x - text_width(f"{told.value} {told.gradient}", EM) / 2
        right = left + text_width(f"{told.value} ", EM)
        places = ((left, y), (right, y)) if brief else ((x, y), (x, y + 1.25 * EM))
        texts = ((told.value, "value", value), (told.gradient, "gradient", gradient))
        for (text, color, known), (at, base) in zip(texts, places, strict=True):
            if known and text:
                anchor = "start" if brief else "middle"
                yield Label(at, base, text, EM, color, anchor=anchor, owner=stage.key, part=color)


Sample = tuple[str, str, str]  # fill and line of a square, and what it says


def rows_of_samples(stages: Stages, room: float) -> Iterator[list[Sample]]:
    """What the colours say, in rows that fit, where there are several."""
    kinds = [kind for kind in layers.SAID if any(stage.kind == kind for stage in stages.stages)]
    by_color: dict[str, list[str]] = {}
    for kind in kinds:
        by_color.setdefault(FACES[kind][1], []).append(layers.SAID[kind])
    found: list[Sample] = [(fill, "ink", ", ".join(names)) for fill, names in by_color.items()]
    band = next((face_of(stage.kind, active=stage.active).band for stage in stages.stages if stage.active), ())
    found += [(band[1], "ink", "end of another shade: an activation")] if band else []
    row: list[Sample] = []
    for sample in found if len(found) > 1 else ():
        if row and sum(sample_width(text) for *_, text in (*row, sample)) > room:
            yield row
            row = []
        row.append(sample)
    if row:
        yield row


def in_lines(note: str, room: float) -> Iterator[str]:
    """A note in lines that fit, broken where it has semicolons."""
    line = ""
    for part in note.split("; "):
        longer = f"{line}; {part}" if line else part
        if line and text_width(longer, EM) > room:
            yield line
            line = part
        else:
            line = longer
    yield line


def sample_width(text: str) -> float:
    """How much a sample takes with what it says."""
    return SAMPLE + 6 + text_width(text, EM) + AFTER


def window(solid: Solid, share: Sequence[float], reader: Solid, owner: str) -> Iterator[Mark]:
    """A kernel on the right face of a solid, with lines to the edge of its reader."""
    high, deep = share[0] * solid.height, share[1] * solid.deep
    right, back = solid.x + solid.width, (solid.deep - deep) * 0.6
    top = solid.y + (solid.height - high) * 0.2
    corners = (
        (right + back, top - back),
        (right + back + deep, top - back - deep),
        (right + back + deep, top - back - deep + high),
        (right + back, top - back + high),
    )
    aim = reader.x, reader.y + reader.height * 0.2
    for corner in corners[1:3]:
        yield Curve(straight([corner, aim]), "muted", 0.7, (3, 2), owner, "window")
    yield Polygon(corners, "paper", owner, "window")
    yield Curve(straight([*corners, corners[0]]), "ink", 0.7, (), owner, "window")


def wide(stage: Stage, solid: Solid) -> float:
    """The width of all solids of a stage."""
    return solid.width + solid.deep + (stage.times - 1) * (solid.width + APART)


def moved(solid: Solid, dx: float, dy: float) -> Solid:
    """A solid elsewhere."""
    return Solid(solid.x + dx, solid.y + dy, solid.width, solid.height, solid.deep)
