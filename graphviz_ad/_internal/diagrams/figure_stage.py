"""Figure + what is told of its stages -> the stage of a film: a placed scene whose boxes have a drawing of their own
for each moment: not reached yet, lit on the way forward, seen, lit on the way back, done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from graphviz_ad._internal.diagrams.blocks import EM, Placing, alt_of, wide
from graphviz_ad._internal.diagrams.neurons import (
    CARD,
    SIZE,
    Card,
    Column,
    Drawing,
    Item,
    look_of,
    shown_of,
    thickest_of,
    weight_in,
)
from graphviz_ad._internal.diagrams.shapes import FACES, Face, face_of, rounded, straight, words
from graphviz_ad._internal.diagrams.stages import Stage
from graphviz_ad._internal.diagrams.told import shades_of
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.operations import layer_kinds as layers
from graphviz_ad._internal.scene.canvas import Curve, Label, Mark
from graphviz_ad._internal.scene.scene import Arrow, Box, Drawings, Fact, Line, Point, Scene

UNSEEN, LIT, SEEN, LIT_BACK, DONE = "idle", "active", "forward", "active-backward", "backward"
MOMENTS = (UNSEEN, LIT, SEEN, LIT_BACK, DONE)
# moment -> whether the value and the gradient are known
KNOWN = {UNSEEN: (False, False), LIT: (True, False), SEEN: (True, False), LIT_BACK: (True, True), DONE: (True, True)}
FADED = Face("paper", "paper", "paper", "group.line", 0.9)
BRIGHT = {
    LIT: Face("active", "active", "active", "active.line", 2.2),
    LIT_BACK: Face("active", "active", "active", "gradient.line", 2.8),
}
RING = {UNSEEN: ("group.line", 1.1), LIT: ("active.line", 3.0), SEEN: ("value.line", 1.6)}
RING |= {LIT_BACK: ("gradient.line", 3.4), DONE: ("gradient.line", 1.6)}


def stage_of_blocks(placing: Placing) -> Scene:
    """The stage of a figure of solids."""
    stages = placing.stages
    boxes = [block_box(placing, stage) for stage in stages.stages]
    arrows = []
    for each in stages.ways:
        points, key, _, radius = placing.points(each.tail, each.head)
        arrows.append(Arrow(key, each.tail, each.head, path=rounded(points, radius)))
    below = legend_boxes(placing.below(), placing.size)
    return figure_scene([*boxes, *below], arrows, placing.size, alt_of(stages))


def figure_scene(boxes: Iterable[Box], arrows: Iterable[Arrow], size: Point, alt: str) -> Scene:
    """The placed scene of a figure."""
    return Scene(tuple(boxes), tuple(arrows), alt=alt, size=size)


def legend_boxes(marks: Iterable[Mark], size: Point) -> Iterator[Box]:
    """What stands below a figure, if anything does, as something that never changes."""
    own = tuple(replace(mark, owner="legend") for mark in marks)
    if own:
        yield Box("legend", "op", (), size[0], 2 * EM, center=(size[0] / 2, size[1] - EM), drawings=((UNSEEN, own),))


def block_box(placing: Placing, stage: Stage) -> Box:
    """A stage with its solids and words in every moment."""
    solid = placing.solids[stage.key]
    width, height = wide(stage, solid), solid.height + solid.deep
    center = solid.x + width / 2, solid.y - solid.deep + height / 2
    drawings = tuple((moment, tuple(block_marks(placing, stage, moment))) for moment in MOMENTS)
    return Box(
        stage.key, "op", named(stage.title), width, height, name=stage.title, hover=facts_of(placing, stage),
        center=center, drawings=drawings,
    )  # fmt: skip


def named(title: str) -> tuple[Line, ...]:
    """What a box is called."""
    return (Line("name", title),)


def facts_of(placing: Placing, stage: Stage) -> tuple[Fact, ...]:
    """What is told to those who point at a stage."""
    shape = "×".join(map(str, stage.shape or ()))
    counted = f"{stage.parameters:,}" if stage.parameters else ""
    told = (("", stage.title), ("shape", shape), ("parameters", counted))
    return tuple(Fact(label, text) for label, text in told if text)


def block_marks(placing: Placing, stage: Stage, moment: str) -> Iterator[Mark]:
    """What a stage looks like at a moment."""
    natural = face_of(stage.kind, active=stage.active)
    face = FADED if moment == UNSEEN else BRIGHT.get(moment, natural)
    yield from placing.solids_of(stage, face if moment != DONE else replace(natural, line="gradient.line", width=1.4))
    if moment != UNSEEN:
        yield from placing.windows(stage)
    yield from placing.words_of(stage)
    value, gradient = KNOWN[moment]
    yield from placing.numbers_of(stage, value=value, gradient=gradient)


def stage_of_neurons(drawing: Drawing, gradients: Mapping[str, Array], largest: float) -> Scene:
    """The stage of a figure of neurons; ``gradients`` are those of the weights, by the paths of their modules, and
    ``largest`` is what the thickest line shows.
    """
    boxes = [item_box(drawing, item, x) for item, x in zip(drawing.items, drawing.middles, strict=True)]
    arrows = [lines_arrow(drawing, i, gradients, largest) for i in range(1, len(drawing.items))]
    below = legend_boxes(drawing.legend(), drawing.size)
    return figure_scene([*boxes, *below], arrows, drawing.size, alt_of(drawing.stages))


def linked_pairs(drawing: Drawing) -> Iterator[tuple[int, Column, Column]]:
    """Columns that a linear layer leads to, each with its place and the one before it."""
    for i, (before, item) in enumerate(pairwise(drawing.items), 1):
        if isinstance(before, Column) and isinstance(item, Column) and item.linked is not None:
            yield i, before, item


def weights_shown(drawing: Drawing, weights: Mapping[str, Array]) -> Iterator[float]:
    """Those between neurons that are drawn."""
    for _, before, item in linked_pairs(drawing):
        for source in shown_of(before.count):
            for target in shown_of(item.count):
                found = weight_in(weights.get(item.linked or ""), source, target)
                if found is not None:
                    yield found


def item_box(drawing: Drawing, item: Item, x: float) -> Box:
    """A column or a card in every moment."""
    title = next((text for text, bold in item.lines if bold), item.lines[0][0])
    width, height = (SIZE if isinstance(item, Column) else drawing.width(item)), drawing.height(item)
    drawings = tuple((moment, tuple(item_marks(drawing, item, x, moment))) for moment in MOMENTS)
    hover = tuple(Fact("", text) for text, _ in item.lines)
    return Box(
        item.key, "op", named(title), width, height, name=title, hover=hover, center=(x, drawing.axis),
        drawings=drawings,
    )  # fmt: skip


def item_marks(drawing: Drawing, item: Item, x: float, moment: str) -> Iterator[Mark]:
    """What a column or a card looks like at a moment."""
    if isinstance(item, Column):
        return column_marks(drawing, item, x, moment)
    return card_marks(drawing, item, x, moment)


def column_marks(drawing: Drawing, item: Column, x: float, moment: str) -> Iterator[Mark]:
    """Neurons filled by what they hold, or by its gradient."""
    told, (line, width) = drawing.said.told[item.key], RING[moment]
    row = {LIT: told.row, SEEN: told.row, LIT_BACK: told.gradients, DONE: told.gradients}.get(moment)
    yield from drawing.neurons(item, x, shades_of(row, shown_of(item.count)), "paper", line, width)
    top = drawing.floor + 10
    yield from words(item.lines, x, top, EM, item.key)
    yield from numbers(drawing, item, x, top + EM * 1.25 * len(item.lines), moment)


def card_marks(drawing: Drawing, item: Card, x: float, moment: str) -> Iterator[Mark]:
    """A card with its words."""
    fill, (line, width) = FACES.get(item.kind, FACES[layers.OTHER])[1], RING[moment]
    fill = {UNSEEN: "paper", LIT: "active", LIT_BACK: "active"}.get(moment, fill)
    yield drawing.frame(item, x, fill, line, width)
    top = drawing.axis - drawing.height(item) / 2 + CARD
    yield from words(item.lines, x, top, EM, item.key)
    yield from numbers(drawing, item, x, top + EM * 1.25 * len(item.lines), moment)


def numbers(drawing: Drawing, item: Item, x: float, top: float, moment: str) -> Iterator[Mark]:
    """The numbers of a film below the words of an item, as far as they are known."""
    told = drawing.said.told[item.key]
    for i, (text, color) in enumerate(((told.value, "value"), (told.gradient, "gradient"))):
        if KNOWN[moment][i] and text:
            yield Label(x, top + EM * (0.8 + 1.25 * i), text, EM, color, owner=item.key, part=color)


def lines_arrow(drawing: Drawing, i: int, gradients: Mapping[str, Array], largest: float) -> Arrow:
    """The lines to an item: weights, and on the way back their gradients; or a single arrow."""
    before, item = drawing.items[i - 1], drawing.items[i]
    key, path = f"{before.key}>{item.key}", straight(drawing.points(i))
    if not (isinstance(before, Column) and isinstance(item, Column) and item.linked is not None):
        return Arrow(key, before.key, item.key, path=path)
    span = drawing.middles[i - 1] + SIZE / 2, drawing.middles[i] - SIZE / 2
    faint = bundle(drawing, (before, item), span, None, 0.0)
    weights = bundle(drawing, (before, item), span, item.weights, drawing.largest)
    back = bundle(drawing, (before, item), (span[1], span[0]), gradients.get(item.linked), largest)
    drawings: Drawings = (
        (UNSEEN, tuple(replace(line, stroke="group.line", line=0.7) for line in faint)),
        ("active-forward", tuple(weights)),
        ("forward", tuple(weights)),
        ("active-backward", tuple(back)),
        ("backward", tuple(back)),
    )
    return Arrow(key, before.key, item.key, path=path, drawings=drawings)


def bundle(
    drawing: Drawing, ends: tuple[Column, Column], span: tuple[float, float], weights: Array | None, largest: float
) -> list[Curve]:
    """A line for each pair of neurons, from one side to the other; the strongest on top."""
    before, item = ends
    backward, found = span[0] > span[1], []
    for source, y in drawing.places(before).items():
        for target, to_y in drawing.places(item).items():
            found.append((weight_in(weights, source, target), *((to_y, y) if backward else (y, to_y))))
    lines = []
    for weight, y, to_y in sorted(found, key=lambda one: abs(one[0] or 0.0)):
        role, line, dash = look_of(weight, largest, thickest_of(drawing.most))
        lines.append(Curve(straight([(span[0], y), (span[1], to_y)]), role, line, dash, f"{before.key}>{item.key}"))
    return lines
