"""Graph -> Report: every gradient against the sum of what flowed along its edges, and every leaf's against finite
differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad._internal.base.errors import ReplayError
from graphviz_ad._internal.base.text_table import table_lines
from graphviz_ad._internal.check.capture_check import CaptureReport, verify
from graphviz_ad._internal.check.replay import Replay
from graphviz_ad._internal.check.rounding import Rounding
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.agreement import EVER, LEAST, slope_fits, slopes_differ, slopes_settle
from graphviz_ad._internal.maths.gradient_sums import known, largest_flow, sum_of_flows
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.scene.words.signs import CUT_MARKS

STEPS = (1e-4, 1e-5)
SHORTER = 32  # times, that a step is before a gradient is called wrong by it
MOST_WORK = 200_000  # operations that finite differences may compute again
AGREES, DIFFERS, KINK, CUT, UNKNOWN = "yes", "NO", "kink", "cut", "—"
AGREEMENT = {True: AGREES, False: DIFFERS, None: UNKNOWN}


@dataclass(frozen=True)
class Row:
    """One result in a report: how far its gradient is from the sum over its edges, and what finite differences say
    of a leaf. ``key`` is that of its node.

    ``ok`` is None where that cannot be told, since numbers are infinite or NaN.
    ``differences`` is "yes" or "NO"; "kink" where the slopes on both sides differ; "cut" where a detach or its like
    hides a part of the function from autograd, so that the two are not the same by intention; "—" where nothing was
    computed or rounding leaves no verdict.
    """

    key: str
    name: str
    error: float
    ok: bool | None
    differences: str = UNKNOWN


@dataclass(frozen=True)
class Report:
    """The outcome of `check`; prints as a table. ``note`` says why there are no finite differences, ``capture`` is
    what was asked for of the links.
    """

    rows: tuple[Row, ...]
    note: str = ""
    capture: CaptureReport | None = None

    @property
    def ok(self) -> bool:
        """Whether no gradient disagrees, and no link is wrong."""
        return all(row.ok is not False and row.differences != DIFFERS for row in self.rows) and (
            self.capture is None or self.capture.ok
        )

    def __str__(self) -> str:
        """The table."""
        head = ("node", "off from sum over edges", "agrees", "finite differences agree")
        lines = table_lines(
            [
                head,
                *((row.name[:20], f"{row.error:.3g}", AGREEMENT[row.ok], row.differences) for row in self.rows),
            ]
        )
        return "\n".join(
            [
                *lines,
                *([self.note] if self.note else []),
                *(["", str(self.capture)] if self.capture is not None else []),
            ]
        )


def check_gradients(
    graph: Graph, tolerance: float = LEAST, *, differences: bool = True, capture: bool = False
) -> Report:
    """Compare each gradient that is kept whole with the sum of what flowed back along the node's edges and what was
    fed in there.

    Finite differences come from the recorded program, computed again from its formulas; where an operation has none,
    the note says so. With ``capture``, the links between operations and autograd are verified as well, see
    `graphviz_ad._internal.check.capture_check`.
    """
    names, hidden = graph_names(graph).of, largest_flow(graph.detail or graph)
    results = [(node, number) for node in graph.node_list for number in range(len(node.ports))]
    rows = [
        row
        for node, number in results
        if (row := checked_row(graph, node, number, names[node.key], tolerance, hidden)) is not None
    ]
    verdicts, note = finite_differences(graph) if differences else ({}, "")
    rows = [replace(row, differences=verdicts.get(row.key, UNKNOWN)) for row in rows]
    if len(graph.passes) > 1:
        note = (
            f"This is about the last of {len(graph.passes)} backward passes; passes[0].check() is about the first."
            f" {note}".rstrip()
        )
    return Report(tuple(rows), note, verify(graph) if capture else None)


def checked_row(graph: Graph, node: Node, number: int, name: str, tolerance: float, hidden: float) -> Row | None:
    """The row of one result; None where not all numbers are kept."""
    found = sum_of_flows(graph, node, number, hidden=hidden, least=tolerance)
    called = (node.ports[number].name or f"{name}[{number}]") if len(node.ports) > 1 else name
    return Row(node.key, called, found.off, found.ok) if found is not None else None


# --- finite differences


def finite_differences(graph: Graph) -> tuple[dict[str, str], str]:
    """Leaf -> what finite differences say of its gradient, and why they say nothing."""
    leaves = [node for node in graph.node_list if node.kind == "leaf" and node.grad is not None and node.grad.known]
    work = len(leaves) * len(graph.node_list) * (2 * len(STEPS) + 1)
    if not leaves or work > MOST_WORK:
        return {}, f"No finite differences: they would compute {work:,} operations again." if leaves else ""
    try:
        function, names = Replay(graph), graph_names(graph).of
        hidden, rounding = before_a_cut(graph), Rounding(graph, function.results({}))
        return {
            node.key: CUT if node.key in hidden else direction_verdict(function, rounding, names[node.key], node)
            for node in leaves
        }, ""
    except ReplayError as error:
        return {}, f"No finite differences: {str(error).partition(';')[0]}."


def before_a_cut(graph: Graph) -> set[str]:
    """The nodes that lead to a detach or its like: there the function knows more than its gradient."""
    found: set[str] = set()
    for node in reversed(graph.node_list):
        if any(edge.cut in CUT_MARKS or edge.head in found for edge in graph.out_edges(node.key)):
            found.add(node.key)
    return found


def direction_verdict(function: Replay, rounding: Rounding, name: str, leaf: Node) -> str:
    """What differences along one direction say: all elements move at once, each by another amount."""
    grad = known(leaf.grad)
    if grad is None:
        return UNKNOWN
    at = function.inputs[name]
    direction = uphill(grad)
    lengths = [step * scale(at) for step in STEPS]
    with np.errstate(all="ignore"):
        claimed = float(np.sum(np.conj(grad) * direction).real)
        slopes = [one_sided(function, name, at, direction * length) for length in lengths]
        of_rounding = rounding.doubt(tangents_from_leaf(function, name, at, direction, lengths[-1]))
    left, right = (change / lengths[-1] for change in slopes[-1])
    coarse, fine = (sum(changes) / (2 * length) for changes, length in zip(slopes, lengths, strict=True))
    size = max(abs(fine), abs(claimed))
    doubt = abs(coarse - fine) + EVER * size + rounding.noise / lengths[-1]
    if not (of_rounding.known and all(map(math.isfinite, (left, right, coarse, claimed, doubt)))):
        return UNKNOWN
    if slopes_differ(left, right, size):
        return KINK
    off, sides = of_rounding.distance(fine, claimed), abs(right - left)
    told = slope_fits(off, doubt, of_rounding.spread, size, shifted=of_rounding.shifted, sides=sides)
    if told is False:  # of a function that is not smooth here, a shorter step says something else
        length = lengths[-1] / SHORTER
        with np.errstate(all="ignore"):
            before, after = (change / length for change in one_sided(function, name, at, direction * length))
        if not slopes_settle((left, right), (before, after), rounding.noise / length, off):
            return UNKNOWN
    return AGREEMENT[told]


def uphill(grad: Array) -> Array:
    """A direction in which every element moves as its gradient points, so that nothing cancels; by different
    amounts, so that no two can be mistaken.
    """
    with np.errstate(all="ignore"):
        pointing = np.where(grad == 0, 1.0, grad / np.abs(grad))
    return np.asarray(pointing * (1 + np.cos(np.arange(1.0, grad.size + 1.0)) / 2).reshape(grad.shape))


def tangents_from_leaf(function: Replay, name: str, at: Array, direction: Array, length: float) -> dict[str, Array]:
    """How fast every node moves when a leaf does."""
    behind, ahead = (function.results({name: at + direction * step}) for step in (-length, length))
    return {key: (ahead[key] - behind[key]) / (2 * length) for key in ahead}


def scale(at: Array) -> float:
    """How large a step of relative size 1 is at this point."""
    return max(float(np.max(np.abs(at), initial=0.0)), 1e-3)


def one_sided(function: Replay, name: str, at: Array, move: Array) -> tuple[float, float]:
    """How much the result changes from a step back to here, and from here to a step ahead."""
    here = function({})
    return here - function({name: at - move}), function({name: at + move}) - here
