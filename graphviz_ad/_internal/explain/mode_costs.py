"""Graph -> what forward and reverse mode cost for it: sweeps and products."""

from __future__ import annotations

from dataclasses import dataclass

from graphviz_ad._internal.base.text_table import counted_noun, table_lines
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.ragged import numel_of_shape
from graphviz_ad._internal.maths.number_format import short_number


@dataclass(frozen=True)
class ModeCosts:
    """How much work all derivatives of a function are in either mode; prints as a text.

    ``inputs`` and ``outputs`` count numbers, ``operations`` those of the function, ``products`` those of one sweep: one
    along each edge.
    """

    name: str
    inputs: int
    outputs: int
    operations: int
    products: int

    @property
    def reverse_sweeps(self) -> int:
        """Reverse mode needs a sweep for each output."""
        return self.outputs

    @property
    def forward_sweeps(self) -> int:
        """Forward mode needs a sweep for each input."""
        return self.inputs

    def to_text(self) -> str:
        """What each mode needs, and which of them is the better here."""
        sizes = (
            f"{self.name}: {counted_noun(self.inputs, 'input')}, {counted_noun(self.outputs, 'output')},"
            f" {counted_noun(self.operations, 'operation')}."
        )
        sweep = f"A sweep, in either direction, multiplies once along each of {counted_noun(self.products, 'edge')}."
        rows = [
            (
                f"{mode} mode",
                counted_noun(sweeps, "sweep"),
                f"one for each {what}",
                counted_noun(sweeps * self.products, "product"),
            )
            for mode, sweeps, what in (
                ("reverse", self.reverse_sweeps, "output"),
                ("forward", self.forward_sweeps, "input"),
            )
        ]
        return "\n".join([sizes, sweep, *table_lines(rows), self.verdict()])

    def verdict(self) -> str:
        """Which mode to take here."""
        fewer, more = sorted((self.reverse_sweeps, self.forward_sweeps))
        worse = "forward" if self.forward_sweeps > self.reverse_sweeps else "reverse"
        work = (
            "Both are the same work here"
            if fewer == more
            else f"Here {worse} mode is {short_number(more / max(fewer, 1), digits=3)} times the work"
        )
        return f"{work}; reverse mode has to keep every value until its sweep, forward mode none."

    def in_short(self) -> str:
        """The two modes in a sentence."""
        return (
            f"All derivatives take {counted_noun(self.forward_sweeps, 'sweep')} in forward mode and"
            f" {self.reverse_sweeps:,}"
            " in reverse mode."
        )

    def __str__(self) -> str:
        return self.to_text()


def mode_costs(graph: Graph) -> ModeCosts:
    """How many sweeps and products all derivatives of a function are in either mode."""
    inputs = sum(size(port.shape) for node in graph.node_list if node.kind == "leaf" for port in node.ports[:1])
    outputs = sum(
        size(port.shape) for node in graph.outputs if node.requires_grad for port in node.ports if port.is_output
    )
    operations = sum(node.kind == "op" for node in graph.node_list)
    return ModeCosts(graph.name, inputs, outputs, operations, sum(edge.cut is None for edge in graph.edges))


def size(shape: tuple[int, ...] | None) -> int:
    """How many numbers a tensor of this shape holds."""
    return numel_of_shape(shape or ())
