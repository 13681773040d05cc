"""Copies -> how their gradients differ: in a few words where they are about the same, else as a chart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graphviz_ad._internal.graph.box_facts import neighbours_in
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.repeats import GIVEN, PARAMETERS, RESULT, UNITS, Copies
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.scene import Chart, Grid, Peak
from graphviz_ad._internal.scene.words.box_steps import words_of
from graphviz_ad._internal.scene.words.short_text import SHORT, end_in_words, shortened_text

OF_PARAMETERS = "‖grad of params‖"  # in a box, in the legend and below a picture
# what is measured of each copy
MEASURED: Mapping[str | None, str] = {
    PARAMETERS: OF_PARAMETERS,
    RESULT: "‖grad‖",
    GIVEN: "‖grad‖",
    None: "‖grad‖",
}
ALIKE = 0.2  # of the middle, within which all are about the same
STEEP = 30.0  # times as large, from which on bars are logarithms
LOWEST = 0.1  # how high the bar of the least is then
MOST_BARS = 200  # more would be thinner than a point
FEW = 3  # copies, whose norms are written one by one
UNKNOWN, UNSAID = -1.0, "·"


@dataclass(frozen=True)
class Scales:
    """What all charts of a picture share: per measure the least and the most of what they show, and whether their bars
    are logarithms.
    """

    ranges: Mapping[str | None, tuple[float, float]]
    steep: bool = False


def scales_of(nodes: Iterable[Node]) -> Scales:
    """The scales of the charts in the boxes of these nodes."""
    shown = [copies for node in nodes if (copies := copies_told(node)) is not None and has_chart(copies)]
    ranges: dict[str | None, tuple[float, float]] = {}
    for copies in shown:
        low, high = copies.extremes or (0.0, 0.0)
        least, most = ranges.get(copies.measure, (low, high))
        ranges[copies.measure] = min(least, low), max(most, high)
    steep = any(most > STEEP * least for least, most in ranges.values())
    return Scales(ranges, steep)


def measured(copies: Copies) -> str:
    """What is measured of each copy: of which result, where each has several."""
    return f"‖grad of {shortened_text(copies.result, SHORT)}‖" if copies.result else MEASURED[copies.measure]


def copies_told(node: Node) -> Copies | None:
    """The copies in a box, or the neighbours of one class that are most of it."""
    return node.copies if node.copies is not None else neighbours_in(node.parts, node.inside)


def has_chart(copies: Copies) -> bool:
    """Whether copies are told by a chart: they are many, and not about the same."""
    least, most = copies.extremes or (0.0, 0.0)
    return copies.count > FEW and most - (least + most) / 2 > ALIKE * (least + most) / 2


def told_of_copies(node: Node, scales: Scales | None = None) -> Iterator[str | Grid]:
    """How the gradients of the copies in a box differ, or of the neighbours of one class that are most of it."""
    copies = copies_told(node)
    if copies is None or copies.extremes is None:
        return
    least, most = copies.extremes
    said = f"{measured(copies)} of each {unit_of(copies)}"
    if copies.count <= FEW:
        far = copies.far_off if node.copies is not None else ()  # others of their class may stand elsewhere
        each = [said_of_norm(norm, "⚠ " if place in far else "") for place, norm in enumerate(copies.norms)]
        yield f"{said_of_few(node, copies)} {', '.join(each)}"
    elif has_chart(copies):
        yield chart_of(copies, said, scales or scales_of([node]))
    else:
        yield f"{said}: about {short_number((least + most) / 2, digits=2)}"
        if most > least:
            yield f"{peak_text(copies, 'least', least)}, {peak_text(copies, 'most', most)}"


def said_of_few(node: Node, copies: Copies) -> str:
    """What the few norms are of that stand below the one of the whole box."""
    if node.copies is None and node.parameter_norm is not None:
        return f"of each {copies.called}:"
    return measured(copies) if is_module(copies) else f"{measured(copies)} of each {unit_of(copies)}:"


def said_of_norm(norm: float | None, sign: str) -> str:
    """The norm of one copy, with a sign before it where it is out of the usual."""
    return f"{sign}{UNSAID if norm is None else short_number(norm, digits=2)}"


def unit_of(copies: Copies) -> str:
    """What each of the copies is called: a module by the last word of its class, "layer" of a LlamaDecoderLayer."""
    last = words_of(copies.called)[-1:]
    named = is_module(copies) and copies.called.isidentifier() and len(last[0]) > 1
    return last[0].lower() if named else UNITS[copies.measure]


def chart_of(copies: Copies, said: str, scales: Scales) -> Grid:
    """The chart of how copies differ, which says so where its bars are logarithms."""
    least, most = copies.extremes or (0.0, 0.0)
    size = -(-copies.count // MOST_BARS)
    norms = [shown_of(copies.norms[i : i + size]) for i in range(0, copies.count, size)]
    told = {word: peak_text(copies, word, norm) for word, norm in (("most", most), ("least", least))}
    peaks = (
        Peak(place_of(copies, most) // size, told["most"]),
        Peak(place_of(copies, least) // size, told["least"], below=True),
    )
    more = [
        *([f"each bar the least of {size}"] if size > 1 else []),
        *(["log scale"] if scales.steep else []),
    ]
    heading = ", ".join((said, *more))
    bars = heights(norms, *scales.ranges.get(copies.measure, (least, most)), steep=scales.steep)
    first, last = number_at(copies, 0), number_at(copies, copies.count - 1)
    far = frozenset(place // size for place in copies.far_off)
    chart = Chart(tuple(bars), peaks, f"{unit_of(copies)} {first}", last, far)
    return Grid(f"{said}: {', '.join(told.values())}", heading, (), (), chart=chart)


def peak_text(copies: Copies, word: str, norm: float) -> str:
    """ "least 1.4 at layers.27", "most 0.5 at step 200", with a sign before what is out of the usual."""
    place = place_of(copies, norm)
    mark = "⚠ " if place in copies.far_off else ""
    name = (copies.least if word == "least" else copies.most) or ""
    where = end_of_name(name) if is_module(copies) else f"{UNITS[copies.measure]} {number_at(copies, place)}"
    return f"{mark}{word} {short_number(norm, digits=2)} at {where}"


def is_module(copies: Copies) -> bool:
    """Whether copies are told apart by the modules that they are, rather than by their numbers."""
    return copies.measure == PARAMETERS


def number_at(copies: Copies, place: int) -> str:
    """The number of one of the copies: of a module in a list its own there, else its place among all, from 1 on."""
    ends = {0: last_part(copies.first), copies.count - 1: last_part(copies.last)}
    if is_module(copies) and all(each.isdigit() for each in ends.values()):
        return ends.get(place, "")
    return f"{copies.start + place + 1:,}"


def place_of(copies: Copies, norm: float) -> int:
    """The place of the first copy with this norm."""
    return copies.norms.index(norm)


def shown_of(norms: Sequence[float | None]) -> float | None:
    """What a bar for several is as high as: the least; NaN where one is not finite, None where none is known."""
    known = [norm for norm in norms if norm is not None]
    if not known:
        return None
    return min(known) if all(map(math.isfinite, known)) else math.nan


def heights(norms: Sequence[float | None], least: float, most: float, *, steep: bool) -> Iterator[float | None]:
    """How high each bar is where all are from ``least`` to ``most``: as large as its norm, from 0 up, or as its
    logarithm, from a little above 0 up.
    """
    known = [norm for norm in norms if norm is not None and 0 < norm < math.inf]
    low = math.log(least if least > 0 else min(known, default=1.0))
    span = (math.log(most) - low if most > 0 else 0.0) or 1.0
    for norm in norms:
        if norm is None:
            yield UNKNOWN
        elif not math.isfinite(norm):
            yield None
        elif norm <= 0 or not steep:
            yield norm / most if most else 0.0
        else:
            yield LOWEST + (1 - LOWEST) * (math.log(norm) - low) / span


def last_part(name: str) -> str:
    """The last part of a dotted name: "30"."""
    return name.rpartition(".")[2]


def end_of_name(name: str) -> str:
    """The end of a dotted name: "layers.30", "down.2.0"."""
    return end_in_words(name, 2)
