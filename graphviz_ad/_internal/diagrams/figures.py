"""Models + style + place -> their figure, or the stage of a film on it: on the deepest level of modules whose letters
can be read there; several models beside or above one another, on one scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise

from graphviz_ad._internal.base.errors import GraphvizADWarning
from graphviz_ad._internal.diagrams.blocks import EM, HEIGHTS, Placing, Scales, alt_of, scales_of
from graphviz_ad._internal.diagrams.figure_stage import stage_of_blocks, stage_of_neurons, weights_shown
from graphviz_ad._internal.diagrams.figure_story import Actor, together
from graphviz_ad._internal.diagrams.layer_scenes import Layer, Link
from graphviz_ad._internal.diagrams.neurons import Drawing, Said, items_of, joined
from graphviz_ad._internal.diagrams.shapes import rounded, way
from graphviz_ad._internal.diagrams.stages import Stage, Stages, levels_of, ranks_of, with_repeats, written
from graphviz_ad._internal.diagrams.told import SIGNS, Told, told_of
from graphviz_ad._internal.graph.architecture import Architecture, Passes
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.scene.canvas import Canvas, Mark
from graphviz_ad._internal.scene.paint import moved_marks
from graphviz_ad._internal.scene.place import Place
from graphviz_ad._internal.scene.scene import Arrow, Box, Point, Scene

NATURAL = 960.0, 540.0  # points; the shape of a figure that is made for no place
MOST_CARDS = 90
MOST_IN_ROWS, MOST_ROWS = 16, 5  # stages of a figure that has rows, and rows
GOOD, LARGEST = 0.97, 1.6  # of the best scale; scale beyond which letters need not grow
APART = 14.0  # between figures
FILLED = "circles: each number beside the largest of its column, green above 0, violet below"
BOXES = {
    layers.DENSE: "module",
    layers.RECURRENT: "module",
    layers.ATTENTION: "module",
    layers.CONV: "leaf",
    layers.INPUT: "data",
}


@dataclass(frozen=True)
class Lines:
    """What lines between neurons show: "weight" or "gradient", of the parameters by their names; "" for nothing."""

    said: str
    arrays: Mapping[str, Array]

    def by_path(self) -> Mapping[str, Array]:
        """The same by the path of the module."""
        return by_path(self.arrays)


def by_path(arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    """Path of a module -> what there is for its weight."""
    return {name.removesuffix("weight").removesuffix("."): array for name, array in arrays.items()}


@dataclass(frozen=True)
class Model:
    """A model that is drawn: its name, what a run of it called, what lines show, and, in a film, what passed."""

    name: str
    architecture: Architecture
    lines: Lines = Lines("", {})
    passes: Passes | None = None

    @property
    def weight_gradients(self) -> Mapping[str, Array]:
        """Path of a linear module -> the gradient of its weight, where lines show it."""
        return by_path(self.passes.weight_gradients) if self.passes is not None and self.lines.said else {}

    def told(self, tensor: int | None) -> Told:
        """What a film says of a tensor."""
        return told_of(tensor, self.passes) if self.passes is not None else Told()


@dataclass(frozen=True)
class Joint:
    """A way from the end of a row to the beginning of the next."""

    tail: str
    head: str
    points: tuple[Point, ...]

    @property
    def key(self) -> str:
        """What it is called."""
        return f"{self.tail}>{self.head}"


@dataclass(frozen=True)
class Sheet:
    """Figures of models, each with its place; where there are ``joints``, the parts are rows of one figure, of which
    the ``whole`` has the stages.
    """

    parts: Sequence[Placing | Drawing]
    places: Sequence[Point]
    size: Point
    joints: Sequence[Joint] = ()
    whole: Stages | None = None

    @property
    def prefixes(self) -> list[str]:
        """What keys of each part begin with."""
        count = 1 if self.whole is not None else len(self.parts)
        return [prefix_of(i, count) for i in range(len(self.parts))]

    @property
    def alt(self) -> str:
        """All of it in a sentence."""
        shown = [self.whole] if self.whole is not None else [part.stages for part in self.parts]
        return " | ".join(map(alt_of, shown))

    def canvas(self) -> Canvas:
        """All of it as marks."""
        marks: list[Mark] = [mark for joint in self.joints for mark in way(joint.points, joint.key, radius=6.0)]
        for part, place, prefix in zip(self.parts, self.places, self.prefixes, strict=True):
            marks += shifted(part.marks(), prefix, place)
        return Canvas(*self.size, tuple(marks), self.alt)

    def scene(self, models: Sequence[Model]) -> Scene:
        """All of it as the stage of a film."""
        boxes: list[Box] = []
        arrows: list[Arrow] = []
        largest = max(gradients_shown(models, self.parts), default=0.0)
        for i, (part, place, prefix) in enumerate(zip(self.parts, self.places, self.prefixes, strict=True)):
            own = (
                stage_of_blocks(part)
                if isinstance(part, Placing)
                else stage_of_neurons(part, models[i].weight_gradients, largest)
            )
            boxes += [shifted_box(box, prefix, place) for box in own.boxes]
            arrows += [shifted_arrow(arrow, prefix, place) for arrow in own.arrows]
        arrows += [Arrow(one.key, one.tail, one.head, path=rounded(one.points, 6.0)) for one in self.joints]
        return Scene(tuple(boxes), tuple(arrows), alt=self.alt, size=self.size)


def prefix_of(i: int, count: int) -> str:
    """What keys of one of several figures begin with."""
    return f"{i}/" if count > 1 else ""


def named(mark: Mark, prefix: str) -> Mark:
    """A mark of one of several figures."""
    return replace(mark, owner=f"{prefix}{mark.owner}") if mark.owner and prefix else mark


def shifted_box(box: Box, prefix: str, place: Point) -> Box:
    """A box of one of several figures, where that is."""
    x, y = box.center or (0.0, 0.0)
    drawings = tuple((name, shifted(marks, prefix, place)) for name, marks in box.drawings)
    return replace(box, key=prefix + box.key, center=(x + place[0], y + place[1]), drawings=drawings)


def shifted_arrow(arrow: Arrow, prefix: str, place: Point) -> Arrow:
    """An arrow of one of several figures, where that is."""
    path = tuple((x + place[0], y + place[1]) for x, y in arrow.path)
    drawings = tuple((name, shifted(marks, prefix, place)) for name, marks in arrow.drawings)
    key, tail, head = (prefix + name for name in (arrow.key, arrow.tail, arrow.head))
    return replace(arrow, key=key, tail=tail, head=head, path=path, drawings=drawings)


def shifted(marks: Iterable[Mark], prefix: str, place: Point) -> tuple[Mark, ...]:
    """Marks of one of several figures, where that is."""
    return tuple(named(mark, prefix) for mark in moved_marks(marks, 1.0, *place))


def figure(models: Sequence[Model], style: str, depth: int | None, place: Place | None) -> Canvas:
    """The figure in that style, not put into its place yet."""
    chosen = chosen_sheet(models, style, depth, place)
    letters = EM * place.scale(chosen.size) if place is not None else EM
    if place is not None and letters < place.smallest:
        warnings.warn(
            f"letters of {letters:.1f} points are the largest with which this figure fits; give a larger fit=, a"
            " smaller depth=, or style='layers', which has rows",
            GraphvizADWarning,
            stacklevel=4,
        )
    return chosen.canvas()


def chosen_sheet(models: Sequence[Model], style: str, depth: int | None, place: Place | None) -> Sheet:
    """The figures on the first level that can be read in a place."""
    room = (place.width, place.height) if place is not None else NATURAL
    return first_readable(sheets(models, style, depth, room), place)


def sheets(models: Sequence[Model], style: str, depth: int | None, room: Point) -> Iterator[Sheet]:
    """The figures on each level; one of few stages in rows, too."""
    for several in levels(models, depth):
        yield sheet_of(models, several, style, room)
        if style == "blocks" and len(models) == 1:
            stages = with_repeats(several[0])
            if len(stages.stages) <= MOST_IN_ROWS:
                yield from sheet_in_rows(models[0], stages, room)


def sheet_in_rows(model: Model, stages: Stages, room: Point) -> Iterator[Sheet]:
    """The figure of a model in rows, as large as it may be; none where it cannot be cut."""
    told = told_stages(model, stages)
    tried = []
    for tallest in HEIGHTS:
        scales = scales_of([stages], tallest)
        strip = Placing(stages, 0.0, scales, told, said=None)
        rows = [cut for count in range(2, MOST_ROWS + 1) if (cut := cut_in_rows(stages, strip.slots, count))]
        tried += [stacked(stages, cut, scales, told, room) for cut in rows]
    fits = [min(room[0] / one.size[0], room[1] / one.size[1]) for one in tried]
    if tried:
        yield next(one for one, fit in zip(tried, fits, strict=True) if fit >= GOOD * min(max(fits), LARGEST))


def stacked(stages: Stages, cut: Sequence[Stages], scales: Scales, told: Mapping[str, Told], room: Point) -> Sheet:
    """Rows above one another, with ways from each to the next."""
    parts = [
        Placing(row, 0.0, scales, told, said=stages if row is cut[-1] else None, titled=row is cut[0]) for row in cut
    ]
    sheet = arranged(parts, 1)
    joints = []
    for i, (upper, lower) in enumerate(pairwise(parts)):
        tail, head = upper.stages.stages[-1].key, lower.stages.stages[0].key
        (x, y), (to_x, to_y) = upper.right_of(tail), lower.left_of(head)
        top, next_top = sheet.places[i][1], sheet.places[i + 1][1]
        right, left, between = upper.width - 7.0, 7.0, next_top - APART / 2
        points = ((x, top + y), (right, top + y), (right, between), (left, between), (left, next_top + to_y))
        joints.append(Joint(tail, head, (*points, (to_x, next_top + to_y))))
    return replace(sheet, joints=joints, whole=stages)


def cut_in_rows(stages: Stages, slots: Mapping[int, float], count: int) -> list[Stages]:
    """The stages in so many rows, about as long as one another, cut where a single way leads on; [] where that cannot
    be.
    """
    ranks = ranks_of(stages)
    last = max(ranks.values())
    allowed = [
        rank
        for rank in range(last)
        if sum(ranks[way.tail] <= rank < ranks[way.head] for way in stages.ways) == 1
        and all(list(ranks.values()).count(end) == 1 for end in (rank, rank + 1))
    ]
    lengths = list(accumulate(slots[rank] for rank in range(last + 1)))
    wanted = [lengths[-1] * k / count for k in range(1, count)]
    cuts = sorted({min(allowed, key=lambda rank: abs(lengths[rank] - length)) for length in wanted}) if allowed else []
    if len(cuts) < count - 1:
        return []
    row = {stage.key: sum(ranks[stage.key] > cut for cut in cuts) for stage in stages.stages}
    return [
        replace(
            stages,
            stages=tuple(stage for stage in stages.stages if row[stage.key] == i),
            ways=tuple(way for way in stages.ways if row[way.tail] == row[way.head] == i),
        )
        for i in range(count)
    ]


def levels(models: Sequence[Model], depth: int | None) -> Iterator[list[Stages]]:
    """The stages of all models, the deepest level first; one that has no further level stays on its last."""
    found = [[replace(one, name=model.name) for one in levels_of(model.architecture, depth)] for model in models]
    for i in range(max(map(len, found))):
        yield [own[min(i, len(own) - 1)] for own in found]


def sheet_of(models: Sequence[Model], several: Sequence[Stages], style: str, room: Point) -> Sheet:
    """The figures of stages as large as they may be before letters get smaller, beside or above one another."""
    count = len(models)
    tried: list[Sheet] = []
    heights = HEIGHTS if style == "blocks" else HEIGHTS[:1]
    for tallest in heights:
        for columns in dict.fromkeys((1, count)):
            own = room[0] / columns, room[1] * columns / count
            make = partial(placings, tallest=tallest) if style == "blocks" else drawings
            tried.append(arranged(make(models, several, own), columns))
    fits = [min(room[0] / one.size[0], room[1] / one.size[1]) for one in tried]
    return next(one for one, fit in zip(tried, fits, strict=True) if fit >= GOOD * min(max(fits), LARGEST))


def arranged(parts: Sequence[Placing | Drawing], columns: int) -> Sheet:
    """Figures above one another, or all in a row."""
    widths, heights = zip(*(part.size for part in parts), strict=True)
    if columns > 1:
        lefts = [sum(widths[:i]) + i * APART for i in range(len(parts))]
        deepest = max(part.axis for part in parts)
        tops = [deepest - part.axis for part in parts]
        lowest = max(top + height for top, height in zip(tops, heights, strict=True))
        return Sheet(parts, list(zip(lefts, tops, strict=True)), (lefts[-1] + widths[-1], lowest))
    tops = [sum(heights[:i]) + i * APART for i in range(len(parts))]
    return Sheet(parts, [(0.0, top) for top in tops], (max(widths), tops[-1] + heights[-1]))


def placings(models: Sequence[Model], several: Sequence[Stages], room: Point, tallest: float) -> list[Placing]:
    """Figures of solids on one scale; the last of them says what it is."""
    shown = [with_repeats(stages) for stages in several]
    scales, found = scales_of(shown, tallest), []
    for i, (model, stages) in enumerate(zip(models, shown, strict=True)):
        said = joint(shown) if i == len(shown) - 1 else None
        found.append(Placing(stages, room[0], scales, told_stages(model, stages), said=said))
    return found


def joint(several: Sequence[Stages]) -> Stages:
    """The stages of several figures, for what is said of all."""
    return replace(several[0], stages=tuple(stage for stages in several for stage in stages.stages))


def told_stages(model: Model, stages: Stages) -> Mapping[str, Told]:
    """What a film says of stages; nothing without one."""
    return {stage.key: model.told(stage.gives) for stage in stages.stages} if model.passes is not None else {}


def drawings(models: Sequence[Model], several: Sequence[Stages], room: Point) -> list[Drawing]:
    """Figures of neurons, on one scale; the last of them says what it is."""
    alone = [
        drawing(model, stages, Said(model.lines.said), room) for model, stages in zip(models, several, strict=True)
    ]
    largest, most = max(one.largest for one in alone), max(one.most for one in alone)
    said = [Said(model.lines.said, (), {}, largest, most, legend=model is models[-1]) for model in models]
    if all(model.passes is not None for model in models):
        said = [replace(one, told=told_items(model, own)) for one, model, own in zip(said, models, alone, strict=True)]
        said[-1] = replace(said[-1], notes=tuple(film_notes(models, alone)))
    return [drawing(*one, room) for one in zip(models, several, said, strict=True)]


def drawing(model: Model, stages: Stages, said: Said, room: Point) -> Drawing:
    """The figure of neurons of a model."""
    return Drawing(stages, joined(items_of(stages, model.lines.by_path())), said, room)


def told_items(model: Model, drawn: Drawing) -> Mapping[str, Told]:
    """What a film says of the columns and cards of a figure."""
    return {item.key: model.told(item.tensor) for item in drawn.items}


def film_notes(models: Sequence[Model], drawn: Sequence[Drawing]) -> Iterator[str]:
    """What lines, circles and signs of a film say."""
    largest = max(gradients_shown(models, drawn), default=None)
    if largest is not None:
        yield f"on the way back, lines are gradients of the weights; the thickest is {short_number(largest)}"
    yield FILLED
    yield SIGNS


def gradients_shown(models: Sequence[Model], drawn: Sequence[Placing | Drawing]) -> Iterator[float]:
    """How large the gradients are that lines between neurons show."""
    for model, one in zip(models, drawn, strict=False):  # rows of one figure have no such lines
        if isinstance(one, Drawing):
            yield from (abs(weight) for weight in weights_shown(one, model.weight_gradients))


def first_readable(drawn: Iterable[Sheet], place: Place | None) -> Sheet:
    """The first figure whose letters are large enough; where there is none, that with the largest letters."""
    best: tuple[float, Sheet] | None = None
    for sheet in drawn:
        scale = place.scale(sheet.size) if place is not None else 1.0
        if place is None or scale * EM >= place.smallest:
            return sheet
        if best is None or scale > best[0]:
            best = scale, sheet
    if best is None:
        raise ValueError("an architecture has a level")
    return best[1]


# --- what a film tells of them


def lanes_of(sheet: Sheet) -> list[list[Actor]]:
    """What happens in each figure, from first to last."""
    first = sheet.parts[0]
    if sheet.whole is not None and isinstance(first, Placing):
        return [list(stage_actors(sheet.whole, first.told, ""))]
    return [
        list(stage_actors(part.stages, part.told, prefix) if isinstance(part, Placing) else item_actors(part, prefix))
        for part, prefix in zip(sheet.parts, sheet.prefixes, strict=True)
    ]


def lanes_of_cards(models: Sequence[Model], depth: int | None, level: int) -> list[list[Actor]]:
    """The same of cards on the level of that number."""
    lanes = []
    for i, (model, stages) in enumerate(zip(models, repeated_levels(models, depth)[level], strict=True)):
        told = {stage.key: model.told(stage.gives) for stage in stages.stages}
        lanes.append(list(stage_actors(stages, told, prefix_of(i, len(models)), words=True)))
    return lanes


def stage_actors(stages: Stages, told: Mapping[str, Told], prefix: str, *, words: bool = False) -> Iterator[Actor]:
    """Stages with the ways that values and gradients take; ``words``: as cards, which are one scene."""
    keys = {way: f"{prefix}{way.tail}>{prefix if words else ''}{way.head}" for way in stages.ways}
    into = together((way.head, key) for way, key in keys.items())
    out = together((way.tail, key) for way, key in keys.items() if told[way.head].reached)
    for stage in stages.stages:
        title = " · ".join([stage.title, *dict.fromkeys(stage.also)]) + (f" ×{stage.times}" if stage.times > 1 else "")
        ways = into.get(stage.key, ()), out.get(stage.key, ())
        yield Actor(prefix + stage.key, title, written(stage.shape), told[stage.key], *ways, words)


def item_actors(drawn: Drawing, prefix: str) -> Iterator[Actor]:
    """The columns and cards of a figure of neurons."""
    items, told = drawn.items, drawn.said.told
    for i, item in enumerate(items):
        into = (f"{prefix}{items[i - 1].key}>{item.key}",) if i else ()
        further = items[i + 1] if i + 1 < len(items) else None
        out = (f"{prefix}{item.key}>{further.key}",) if further is not None and told[further.key].reached else ()
        heads = [text for text, bold in item.lines if bold]
        rest = [text for text, bold in item.lines if not bold]
        yield Actor(
            prefix + item.key, " · ".join([*heads, *rest[:-1]]) or "what goes in", rest[-1], told[item.key], into, out
        )


# --- cards


Level = tuple[list[Layer], list[Link]]


def levels_of_cards(models: Sequence[Model], depth: int | None) -> list[Level]:
    """Cards on each level of modules, the deepest first; none with more than can be read."""
    return [cards_of(models, several) for several in repeated_levels(models, depth)]


def repeated_levels(models: Sequence[Model], depth: int | None) -> list[list[Stages]]:
    """The stages of all models on each level that has few enough, or else on the last; equal ones as one."""
    found = [[with_repeats(stages) for stages in several] for several in levels(models, depth)]
    few = [several for several in found if sum(len(stages.stages) for stages in several) <= MOST_CARDS]
    return few or found[-1:]


def cards_of(models: Sequence[Model], several: Sequence[Stages]) -> Level:
    """Stages as cards."""
    cards, links = [], []
    for i, (model, stages) in enumerate(zip(models, several, strict=True)):
        prefix = prefix_of(i, len(models))
        name = f"{model.name}: " if prefix else ""
        for stage in stages.stages:
            told = model.told(stage.gives) if model.passes is not None else None
            made = card(stage, name if stage.kind == layers.INPUT else "")
            cards.append(replace(made, told=told, key=prefix + stage.key))
        links += [Link(prefix + way.tail, prefix + way.head) for way in stages.ways]
    return cards, links


def card(stage: Stage, name: str) -> Layer:
    """A stage as a card."""
    title = f"{name}{stage.title}{f' ×{stage.times}' if stage.times > 1 else ''}"
    counted = f"{stage.parameters:,} parameters" if stage.parameters else ""
    notes = tuple(note for note in (written(stage.shape), counted) if note)
    also = " · ".join(dict.fromkeys(stage.also))
    return Layer(stage.key, title, notes, BOXES.get(stage.kind, "op"), stage.shape, also)
