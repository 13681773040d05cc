"""Scene + tangents -> Scene on which forward mode stands beside reverse mode: a line in each box, and what flows
forward on each arrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from graphviz_ad._internal.explain.forward_mode import Tangents, shown_name
from graphviz_ad._internal.explain.mode_costs import mode_costs
from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.formulas import UNICODE, total_derivative
from graphviz_ad._internal.maths.number_format import number_in_one_line, short_number, type_label
from graphviz_ad._internal.scene.paint import box_size, label_size
from graphviz_ad._internal.scene.scene import Arrow, Box, Fact, Line, Scene
from graphviz_ad._internal.scene.words.box_lines import numbered
from graphviz_ad._internal.scene.words.describe import Words
from graphviz_ad._internal.scene.words.short_text import is_constant

UNKNOWN = "?"
ROOM_IN_A_BOX, ROOM_ON_AN_ARROW = 40, 24  # characters
LONGEST_LABEL = 16  # characters of "dy/dx" before it becomes "d/dx"
BEFORE = ("name", "formula", "kind", "value", "gradient", "sum")  # lines that stand above the tangent


def with_tangents(scene: Scene, words: Words, tangents: Tangents) -> Scene:
    """The scene, not placed yet, with the tangents of its graph written on it."""
    said = TangentWords(words, tangents)
    boxes = tuple(said.box(box) for box in scene.boxes)
    edges = {edge.key: edge for edge in words.graph.edges}
    arrows = tuple(said.arrow(arrow, edges[arrow.key]) for arrow in scene.arrows)
    note = f"{tangents.title()} {mode_costs(words.graph).in_short()}"
    lines = [*(line for box in boxes for line in box.lines), *(line for arrow in arrows for line in arrow.lines)]
    shown = {line.role for line in lines}
    roles = {"tangent" if tangents.wrt else "direction": "tangent" in shown, "forward": "forward" in shown}
    legend = (*scene.legend, *(role for role, used in roles.items() if used and scene.legend))
    return replace(
        scene,
        boxes=boxes,
        arrows=arrows,
        legend=legend,
        notes=(*scene.notes, note),
        alt=f"{scene.alt} {said.summary()}",
    )


class TangentWords:
    """What forward mode adds to the words of a picture."""

    def __init__(self, words: Words, tangents: Tangents) -> None:
        self.words, self.tangents = words, tangents

    def box(self, box: Box) -> Box:
        """A box with the tangents of its node."""
        node = self.words.graph.nodes[box.key]
        if is_constant(node):
            return box
        new = self.lines(node)
        above = max((i + 1 for i, line in enumerate(box.lines) if line.role in BEFORE), default=0)
        lines = (*box.lines[:above], *new, *box.lines[above:])
        width, height = box_size(lines, box.badge, box.double)
        hover = (*box.hover, *(Fact("tangent", line.text) for line in new))
        return replace(box, lines=lines, width=max(width, box.width), height=max(height, box.height), hover=hover)

    def lines(self, node: Node) -> list[Line]:
        """The lines that a node has more because of them."""
        return numbered("tangent", list(self.texts(node)))

    def texts(self, node: Node) -> Iterator[str]:
        """The tangent of each result: "dy/dx1 = 5.5"."""
        for i in range(min(len(node.ports), 4)):
            name = self.words.names.results[node.key][i]
            yield f"{self.label(name)} {written_tangent(self.tangents.of(node, i), ROOM_IN_A_BOX)}"

    def label(self, name: str) -> str:
        """What the number is: a derivative where one input moves by 1, a tangent where the direction is any other."""
        if self.tangents.wrt is None:
            return "tangent"
        below = shown_name(self.tangents.graph, self.tangents.wrt)
        label = total_derivative(name, below)
        return f"{label} =" if len(label) <= LONGEST_LABEL else f"d/{UNICODE.total(below)} ="

    def arrow(self, arrow: Arrow, edge: Edge) -> Arrow:
        """An arrow with what it carries forward."""
        flow = self.tangents.along(edge)
        if flow is None:
            return arrow
        lines = (*arrow.lines, Line("forward", f"→ {written_tangent(flow)}"))
        width, height = label_size(lines)
        return replace(arrow, lines=lines, width=width, height=height)

    def summary(self) -> str:
        """The tangents of the outputs, for those who cannot see the picture."""
        found = ", ".join(
            f"{shown_name(self.tangents.graph, name)} {written_tangent(snap)}"
            for name, snap in list(self.tangents.outputs.items())[:3]
        )
        return f"{self.tangents.title()} Tangents of the outputs: {found}."


def written_tangent(snap: Snapshot | None, room: int = ROOM_ON_AN_ARROW) -> str:
    """A tangent in at most so many characters; its norm where it is big, and 0 where nothing moves."""
    if snap is None:
        return UNKNOWN
    if snap.known and not np.any(snap.array):
        return "0"
    text = number_in_one_line(snap)
    if snap.known and len(text) <= room and text != type_label(snap):
        return text
    return f"norm {short_number(snap.norm)}" if snap.norm is not None else type_label(snap)
