"""Graph -> Report: every gradient against the sum of what flowed along its edges, and every leaf's against finite
differences, of formulas or of the target itself.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad._internal.base.errors import ReplayError
from graphviz_ad._internal.base.text_table import table_lines
from graphviz_ad._internal.check import target_check
from graphviz_ad._internal.check.capture_check import CaptureReport, verify
from graphviz_ad._internal.check.departures import departures
from graphviz_ad._internal.check.meant_gradients import before_a_cut, hidden_leaves
from graphviz_ad._internal.check.numeric_report import LeafFinding, NumericReport
from graphviz_ad._internal.check.replay import Replay
from graphviz_ad._internal.check.rounding import Rounding
from graphviz_ad._internal.check.target_check import TargetFindings, target_examined
from graphviz_ad._internal.check.verdicts import AGREES, CUT, DIFFERS, HELD, KINK, UNKNOWN, Coverage, Slope
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.graph.target import Numeric
from graphviz_ad._internal.maths.agreement import EVER, LEAST, slope_fits, slopes_differ, slopes_settle
from graphviz_ad._internal.maths.gradient_sums import known, largest_flow, sum_of_flows
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.scene.words.signs import CUT_MARKS

STEPS = (1e-4, 1e-5)
SHORTER = 32  # times, that a step is before a gradient is called wrong by it
MOST_WORK = 200_000  # operations that finite differences may compute again
AGREEMENT = {True: AGREES, False: DIFFERS, None: UNKNOWN}
NOTHING_EXAMINED = NumericReport()


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
    """The outcome of `check`; prints as a table. ``numeric`` is what was examined by numbers, ``note`` which pass this
    is about, ``capture`` is what was asked for of the links.
    """

    rows: tuple[Row, ...]
    note: str = ""
    capture: CaptureReport | None = None
    numeric: NumericReport = NOTHING_EXAMINED

    @property
    def ok(self) -> bool | None:
        """False if a gradient, the backward of a custom Function or a link is wrong; None, which reads "not
        examined", if nothing is, but no parameter or input was examined by numbers; True otherwise.
        """
        if self.numeric.wrong or any(row.ok is False or row.differences == DIFFERS for row in self.rows):
            return False
        if self.capture is not None and not self.capture.ok:
            return False
        return True if self.coverage.examined else None

    @property
    def coverage(self) -> Coverage:
        """How many of the parameters and inputs that require grad were examined by numbers: (examined, of)."""
        return self.numeric.coverage

    def __str__(self) -> str:
        """The table, and what was examined."""
        head = ("node", "off from sum over edges", "agrees", "finite differences agree")
        rows = [(row.name, f"{row.error:.3g}", AGREEMENT[row.ok], row.differences) for row in self.rows]
        lines = [*table_lines([head, *rows]), *self.numeric.lines()]
        lines += [self.note] if self.note else []
        lines += [NOT_EXAMINED] if self.ok is None else []
        return "\n".join([*lines, *(["", str(self.capture)] if self.capture is not None else [])])


NOT_EXAMINED = (
    "not examined: neither right nor wrong, since no gradient of a parameter or input was held against numbers"
)


def check_gradients(
    graph: Graph,
    tolerance: float = LEAST,
    *,
    differences: bool = True,
    capture: bool = False,
    numeric: Numeric = "auto",
) -> Report:
    """Compare each gradient that is kept whole with the sum of what flowed back along the node's edges and what was
    fed in there.

    Finite differences come from the recorded program, computed again from its formulas, also where lines or calls of
    it are shown; ``numeric`` says whether the target is run again for more. With ``capture``, the links between
    operations and autograd are verified as well, see
    `graphviz_ad._internal.check.capture_check`.
    """
    names, hidden = graph_names(graph).of, largest_flow(graph.detail or graph)
    results = [(node, number) for node in graph.node_list for number in range(len(node.ports))]
    rows = [
        row
        for node, number in results
        if (row := checked_row(graph, node, number, names[node.key], tolerance, hidden)) is not None
    ]
    report = examined_by_numbers(graph, names, numeric) if differences else not_examined(graph, names)
    verdicts = {leaf.key: leaf.verdict for leaf in report.leaves}
    rows = [replace(row, differences=verdicts.get(row.key, UNKNOWN)) for row in rows]
    note = (
        f"This is about the last of {len(graph.passes)} backward passes; passes[0].check() is about the first."
        if len(graph.passes) > 1
        else ""
    )
    return Report(tuple(rows), note, verify(graph) if capture else None, report)


def leaves_of(graph: Graph) -> list[Node]:
    """The parameters and inputs that require grad."""
    return [node for node in graph.node_list if node.kind == "leaf"]


def not_examined(graph: Graph, names: Mapping[str, str]) -> NumericReport:
    """The report where nobody wants differences."""
    found = [LeafFinding(node.key, names[node.key], Slope(UNKNOWN, 0.0)) for node in leaves_of(graph)]
    return NumericReport(tuple(found), TargetFindings(problem=target_check.NOT_ASKED))


def examined_by_numbers(graph: Graph, names: Mapping[str, str], numeric: Numeric) -> NumericReport:
    """What differences say: of formulas, and of runs of the target where these say too little or the caller asks."""
    by_formulas, note = finite_differences(graph.finer or graph)
    leaves, nothing = leaves_of(graph), Slope(UNKNOWN, 0.0)
    open_ones = [node for node in leaves if by_formulas.get(node.key, nothing).verdict in (UNKNOWN, KINK)]
    if numeric is False:
        target = TargetFindings(problem=target_check.NOT_ASKED)
    elif numeric == "auto" and leaves and not open_ones:
        target = TargetFindings(problem=target_check.NOT_NEEDED)
    else:
        target = target_examined(graph, hidden_leaves(graph), asked=numeric is True)
    slopes = {
        node.key: weightier(by_formulas.get(node.key, nothing), target.leaves.get(node.key, nothing)) for node in leaves
    }
    causes = {
        key: departures(graph, key, target.functions) for key, slope in slopes.items() if slope.verdict == DIFFERS
    }
    found = [LeafFinding(key, names[key], slope, causes.get(key, ())) for key, slope in slopes.items()]
    return NumericReport(tuple(found), target, note)


WEIGHTS = (DIFFERS, AGREES, KINK, CUT, UNKNOWN)


def weightier(by_formulas: Slope, by_runs: Slope) -> Slope:
    """What is said of a leaf: that of either that says more."""
    order = [(WEIGHTS.index(found.verdict), not found.why) for found in (by_runs, by_formulas)]
    return by_runs if order[0] <= order[1] else by_formulas


def checked_row(graph: Graph, node: Node, number: int, name: str, tolerance: float, hidden: float) -> Row | None:
    """The row of one result; None where not all numbers are kept."""
    found = sum_of_flows(graph, node, number, hidden=hidden, least=tolerance)
    called = (node.ports[number].name or f"{name}[{number}]") if len(node.ports) > 1 else name
    return Row(node.key, called, found.off, found.ok) if found is not None else None


# --- finite differences


def finite_differences(graph: Graph) -> tuple[dict[str, Slope], str]:
    """Leaf -> what finite differences say of its gradient, and why they say nothing."""
    hidden, part = before_a_cut(graph), leading_to_outputs(graph)
    leaves = [node for node in part.node_list if node.kind == "leaf" and node.grad is not None and node.grad.known]
    work = len(leaves) * len(part.node_list) * (2 * len(STEPS) + 1)
    if not leaves or work > MOST_WORK:
        return {}, f"No finite differences: they would compute {work:,} operations again." if leaves else ""
    try:
        whole = walked_along(part, leaves, held=())
        if not any(node.key in hidden and whole[node.key] != AGREES for node in leaves):
            return {key: Slope(verdict, 0.0) for key, verdict in whole.items()}, ""
        still = walked_along(part, [node for node in leaves if node.key in hidden], held=CUT_MARKS)
        return {key: with_cut(verdict, still.get(key)) for key, verdict in whole.items()}, ""
    except ReplayError as error:
        return {}, f"No finite differences: {str(error).partition(';')[0]}."


def walked_along(graph: Graph, leaves: Sequence[Node], held: Container[str]) -> dict[str, str]:
    """What differences along one direction say of each leaf; behind the ``held`` kinds of cuts nothing moves."""
    function, names = Replay(graph, held), graph_names(graph).of
    rounding = Rounding(graph, function.results({}))
    return {node.key: direction_verdict(function, rounding, names[node.key], node) for node in leaves}


def with_cut(whole: str, still: str | None) -> Slope:
    """What is said of a leaf that may lie before a cut: by the whole function, and with what was cut off held still."""
    if still is None or whole == AGREES:
        return Slope(whole, 0.0)
    return Slope(DIFFERS, 0.0) if still == DIFFERS else Slope(CUT, 0.0, why=HELD if still == AGREES else "")


def leading_to_outputs(graph: Graph) -> Graph:
    """The graph without what leads to none of the outputs that gradients were fed in at, such as a step that an
    optimizer took afterwards.
    """
    needed: set[str] = set()
    stack = [node.key for node in graph.outputs if any(port.upstream is not None for port in node.ports)]
    while stack:
        key = stack.pop()
        if key not in needed:
            needed.add(key)
            stack.extend(edge.tail for edge in graph.in_edges(key))
    if len(needed) == len(graph.node_list):
        return graph
    nodes = [node for node in graph.node_list if node.key in needed]
    return graph.with_parts(nodes, [edge for edge in graph.edges if edge.head in needed])


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
