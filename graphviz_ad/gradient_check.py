"""Graph -> Report: every gradient against the sum of what flowed along its edges, and every leaf's against finite differences."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from graphviz_ad.capture_check import CaptureReport, verify
from graphviz_ad.errors import ReplayError
from graphviz_ad.graph import Graph, Node
from graphviz_ad.replay import Replay
from graphviz_ad.snapshot import Array
from graphviz_ad.text_table import table
from graphviz_ad.wording import CUT_MARKS, Wording

STEPS = (1e-4, 1e-5)
MOST_WORK = 200_000  # operations that finite differences may compute again
SCALES = {"float64": 1.0, "complex128": 1.0, "float32": 1e5, "complex64": 1e5}  # how much less a dtype can agree; of all others less still
AGREES, DIFFERS, KINK, CUT, UNKNOWN = "yes", "NO", "kink", "cut", "—"


@dataclass(frozen=True)
class Row:
    """One node of a report: how far its gradient is from the sum over its edges, and what finite differences say of a leaf.

    ``differences`` is "yes" or "NO"; "kink" where the slopes on both sides differ; "cut" where a detach or its like hides a part of the function from
    autograd, so that the two are not the same by intention; "—" where nothing was computed or rounding leaves no verdict.
    """

    key: str
    name: str
    error: float
    ok: bool
    differences: str = UNKNOWN


@dataclass(frozen=True)
class Report:
    """The outcome of `check`; prints as a table. ``note`` says why there are no finite differences, ``capture`` is what was asked for of the links."""

    rows: tuple[Row, ...]
    note: str = ""
    capture: CaptureReport | None = None

    @property
    def ok(self) -> bool:
        """Whether every gradient agrees, and no link is wrong."""
        return all(row.ok and row.differences != DIFFERS for row in self.rows) and (self.capture is None or self.capture.ok)

    def __str__(self) -> str:
        """The table."""
        head = ("node", "off from sum over edges", "agrees", "finite differences agree")
        lines = table([head, *((row.name[:20], f"{row.error:.3g}", AGREES if row.ok else DIFFERS, row.differences) for row in self.rows)])
        return "\n".join([*lines, *([self.note] if self.note else []), *(["", str(self.capture)] if self.capture is not None else [])])


def check(graph: Graph, tolerance: float = 1e-9, *, differences: bool = True, capture: bool = False) -> Report:
    """Compare each gradient that is kept whole with the sum of what flowed back along the node's edges and what was fed in there.

    Finite differences come from the recorded program, computed again from its formulas; where an operation has none, the note says so. With ``capture``, the
    links between operations and autograd are verified as well, see `graphviz_ad.capture_check`.
    """
    names = Wording(graph).names
    rows = [replace(row, name=names[row.key]) for node in graph.node_list if (row := checked(graph, node, tolerance)) is not None]
    verdicts, note = finite_differences(graph) if differences else ({}, "")
    rows = [replace(row, differences=verdicts.get(row.key, UNKNOWN)) for row in rows]
    return Report(tuple(rows), note, verify(graph) if capture else None)


def checked(graph: Graph, node: Node, tolerance: float) -> Row | None:
    """The row of a node; None where not all numbers are kept. Where a hook changed the gradient, what arrived before it counts."""
    kept = node.ports[0].arrived or node.grad
    grad = kept.array if kept is not None else None
    edges = [edge for edge in graph.out_edges(node.key) if edge.cut is None]
    if grad is None or len(node.ports) > 1 or any(edge.grad is not None and edge.grad.array is None for edge in edges):
        return None
    upstream = node.ports[0].upstream
    found = [edge.grad.array for edge in edges if edge.grad is not None] + ([upstream.array] if upstream is not None else [])
    arrays = [array for array in found if array is not None]
    if not arrays or len(arrays) < len(found):
        return None
    total = np.sum([np.asarray(array, np.complex128 if np.iscomplexobj(array) else np.float64) for array in arrays], axis=0)
    with np.errstate(all="ignore"):
        difference = np.abs(total - grad)
        error = float(np.max(difference, initial=0.0, where=np.isfinite(difference)))
    scale = SCALES.get(node.grad.dtype, 2e7) if node.grad is not None else 1.0
    ok = bool(np.allclose(total, grad, rtol=tolerance * scale, atol=tolerance * scale, equal_nan=True))
    return Row(node.key, node.name or node.op or node.key, error, ok)


# --- finite differences


def finite_differences(graph: Graph) -> tuple[dict[str, str], str]:
    """Leaf -> what finite differences say of its gradient, and why they say nothing."""
    leaves = [node for node in graph.node_list if node.kind == "leaf" and node.grad is not None and node.grad.known]
    work = len(leaves) * len(graph.node_list) * (2 * len(STEPS) + 1)
    if not leaves or work > MOST_WORK:
        return {}, f"No finite differences: they would compute {work:,} operations again." if leaves else ""
    try:
        function, names = Replay(graph), Wording(graph).names
        hidden = before_a_cut(graph)
        return {node.key: CUT if node.key in hidden else verdict(function, names[node.key], node) for node in leaves}, ""
    except ReplayError as error:
        return {}, f"No finite differences: {str(error).partition(';')[0]}."


def before_a_cut(graph: Graph) -> set[str]:
    """The nodes that lead to a detach or its like: there the function knows more than its gradient."""
    found: set[str] = set()
    for node in reversed(graph.node_list):
        if any(edge.cut in CUT_MARKS or edge.head in found for edge in graph.out_edges(node.key)):
            found.add(node.key)
    return found


def verdict(function: Replay, name: str, leaf: Node) -> str:
    """What differences along one direction say: all elements move at once, each by another amount."""
    grad = leaf.grad.array if leaf.grad is not None else None
    if grad is None or np.iscomplexobj(grad):
        return UNKNOWN
    at = function.inputs[name]
    direction = np.cos(np.arange(1.0, at.size + 1.0)).reshape(at.shape)
    claimed = float(np.sum(grad.astype(np.float64) * direction))
    with np.errstate(all="ignore"):
        slopes = [one_sided(function, name, at, direction * step * scale(at)) for step in STEPS]
    lengths = [step * scale(at) for step in STEPS]
    left, right = (change / lengths[-1] for change in slopes[-1])
    coarse, fine = (sum(changes) / (2 * length) for changes, length in zip(slopes, lengths, strict=True))
    size = max(abs(fine), abs(claimed), 1e-3)
    single = 1e3 if grad.dtype.itemsize < 8 else 1.0
    doubt = abs(coarse - fine) + 1e-6 * size * single
    if not all(map(math.isfinite, (left, right, coarse, claimed))):
        return UNKNOWN
    if abs(right - left) > 1e-2 * size:
        return KINK
    if abs(fine - claimed) <= 10 * doubt:
        return AGREES
    return DIFFERS if doubt < 1e-3 * size else UNKNOWN


def scale(at: Array) -> float:
    """How large a step of relative size 1 is at this point."""
    return max(float(np.max(np.abs(at), initial=0.0)), 1e-3)


def one_sided(function: Replay, name: str, at: Array, move: Array) -> tuple[float, float]:
    """How much the result changes from a step back to here, and from here to a step ahead."""
    here = function({})
    return here - function({name: at - move}), function({name: at + move}) - here
