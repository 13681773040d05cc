"""Copies -> how their gradients differ: in a few words where they are about the same, else as a chart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from graphviz_ad._internal.graph.box_facts import neighbours_in
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.repeats import GIVEN, PARAMETERS, RESULT, UNITS, Copies, named_copy
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.scene import Chart, Grid, Peak

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


def told_of_copies(node: Node) -> Iterator[str | Grid]:
    """How the gradients of the copies in a box differ, or of the neighbours of one class that are most of it."""
    copies = node.copies if node.copies is not None else neighbours_in(node.parts, node.inside)
    if copies is None or copies.extremes is None:
        return
    least, most = copies.extremes
    said = f"{MEASURED[copies.measure]} of each {UNITS[copies.measure]}"
    if copies.count <= FEW:
        yield f"{MEASURED[copies.measure]} {', '.join(said_of_norm(place, copies) for place in range(copies.count))}"
        return
    middle = (least + most) / 2
    if most - middle <= ALIKE * middle or copies.count < 2:
        yield f"{said}: about {short_number(middle, digits=2)}"
        if most > least:
            yield f"{peak_text(copies, 'least', least)}, {peak_text(copies, 'most', most)}"
        return
    yield chart_of(copies, said)


def said_of_norm(place: int, copies: Copies) -> str:
    """The norm of one copy, with a sign before it where it is out of the usual."""
    norm = copies.norms[place]
    return f"{'⚠ ' if place in copies.far_off else ''}{UNSAID if norm is None else short_number(norm, digits=2)}"


def chart_of(copies: Copies, said: str) -> Grid:
    """The chart of how copies differ."""
    least, most = copies.extremes or (0.0, 0.0)
    size = -(-copies.count // MOST_BARS)
    norms = [shown_of(copies.norms[i : i + size]) for i in range(0, copies.count, size)]
    steep = most > STEEP * least
    told = {word: peak_text(copies, word, norm) for word, norm in (("most", most), ("least", least))}
    peaks = (
        Peak(place_of(copies, most) // size, told["most"]),
        Peak(place_of(copies, least) // size, told["least"], below=True),
    )
    more = [*([f"each bar the least of {size}"] if size > 1 else []), *(["log scale"] if steep else [])]
    heading = ", ".join((said, *more))
    chart = Chart(tuple(heights(norms, least, most, steep=steep)), peaks, *map(last_part, (copies.first, copies.last)))
    return Grid(f"{said}: {', '.join(told.values())}", heading, (), (), chart=chart)


def peak_text(copies: Copies, word: str, norm: float) -> str:
    """ "least 1.4 at layers.27", or "at step 7", with a sign before what is out of the usual."""
    mark = "⚠ " if place_of(copies, norm) in copies.far_off else ""
    name = (copies.least if word == "least" else copies.most) or ""
    return f"{mark}{word} {short_number(norm, digits=2)} at {named_copy(end_of_name(name), copies.measure)}"


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
    """How high each bar is: as large as its norm, from 0 up, or as its logarithm, from a little above 0 up."""
    known = [norm for norm in norms if norm is not None and 0 < norm < math.inf]
    low = math.log(min(known)) if known else 0.0
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
    """The end of a dotted name: "layers.30"."""
    return ".".join(name.split(".")[-2:])
