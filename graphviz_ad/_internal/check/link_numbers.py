"""Operation or edge of a Graph -> whether the numbers recorded there fit what the operation is called: yes, no, or
not to be told.

Nothing here looks at how the graph was made. The operation's formula is computed again from the recorded operands, by
numpy; what came back along an edge is compared with the backward formula or, where an operation only moves elements
about, with the transpose of that movement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from graphviz_ad._internal.base.errors import ExpressionError
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.precision import unit
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import (
    as_came,
    coarsest,
    graded,
    grossly,
    lost_in_squares,
    rounding_share,
    smallest,
)
from graphviz_ad._internal.maths.claims import (
    LETTERS,
    backward_formulas,
    base_name,
    forward_formula,
    recorded_letters,
    shape_of_edge,
    with_numbers_rounded,
)
from graphviz_ad._internal.maths.derivative_agreement import fits_flow
from graphviz_ad._internal.maths.element_moves import Shape, joined_tangent, joined_values, moved_result
from graphviz_ad._internal.maths.formula_errors import doubted, flowed
from graphviz_ad._internal.maths.formula_values import Functions, Step, as_it_is, evaluate
from graphviz_ad._internal.maths.gradient_sums import sum_of_flows
from graphviz_ad._internal.operations.moves import JOINS, MOVES
from graphviz_ad._internal.operations.traits import CONVOLUTIONS, PICKS_CLASSES, SOFTMAX

OF_A_LINK = 4  # roundings that may lie between what a formula makes of recorded numbers and what was recorded
MOST_ORDERS = 3  # operands that are tried in another order

Values = Mapping[str, Any]


class Limits(NamedTuple):
    """How far numbers of a dtype may be apart, as a part of them, and be equal; how far they are certainly not; and
    what may be lost of each that is squared.
    """

    near: float
    far: float
    lost: float
    dtype: str


def forward_fits(graph: Graph, node: Node) -> bool | None:
    """Whether a node holds what its operation makes of its operands; None where there is no formula, or not all
    elements were kept.
    """
    values = real(recorded_letters(graph, node))
    return None if values is None else _fits_forward(graph, node, values)


def fits_with(graph: Graph, node: Node, edge: Edge, value: Snapshot | None) -> bool | None:
    """The same with another value in the place of one operand."""
    values, other = real(recorded_letters(graph, node)), real_array(value)
    if values is None or other is None:
        return None
    place = [operand.key for operand in graph.in_edges(node.key)].index(edge.key)
    return _fits_forward(graph, node, {**values, LETTERS[place]: other})


def other_order(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """The order of its operands in which a node holds what its operation makes of them, if there is just one; None
    for none.
    """
    values, count = real(recorded_letters(graph, node)), len(graph.in_edges(node.key))
    if values is None or not 1 < count <= MOST_ORDERS:
        return None
    orders = [order for order in permutations(range(count)) if _fits_forward(graph, node, reordered(values, order))]
    return orders[0] if len(orders) == 1 else None


def reordered(values: Values, order: tuple[int, ...]) -> Values:
    """The operands in another order."""
    return {**values, **{LETTERS[place]: values[LETTERS[old]] for place, old in enumerate(order)}}


def _fits_forward(graph: Graph, node: Node, values: Values) -> bool | None:
    operands = [values[letter] for letter in LETTERS[: len(values) - 1]]
    limits, formula = precision(graph, node), forward_formula(graph, node) if means_what_it_says(graph, node) else ""
    found = formula_value(formula, values)
    if found is None and len(node.autograd) < 2:
        return agrees_but_for_rounding(rearranged(graph, node, operands), values["out"], limits, operands)
    return agrees_but_for_rounding(
        found, values["out"], limits, operands, lambda limits: spread(formula, values, limits)
    )


def rearranged(graph: Graph, node: Node, operands: list[Array]) -> Array | None:
    """What an operation that moves elements about makes of its operands; None for any other."""
    name, settings = base_name(node), dict(node.arguments)
    if len(operands) == 1:
        return moved_result(name, operands[0], node.ports[0].shape or (), settings) if name not in SOFTMAX else None
    return joined_values(name, operands, settings)


def backward_fits(graph: Graph, edge: Edge) -> bool | None:
    """Whether what came back along an edge is what the operation makes of the gradient that arrived at it."""
    node = graph.nodes[edge.head]
    arrived, came = real_array(node.grad), real_array(edge.grad)
    if arrived is None or came is None:
        return None
    # first, since it knows the settings: in the formula, "flip" is in whatever dimensions
    fitting = transpose_fits(graph, edge, arrived, came)
    values = real(recorded_letters(graph, node)) if fitting is None else None
    if values is None or not means_what_it_says(graph, node):
        return fitting
    formulas, limits = backward_formulas(graph, edge), precision(graph, node)
    ways = [values, with_numbers_rounded(graph, node, values)]  # a clamp may look at its bounds as its dtype holds them
    told = [made_fits(formula, {**way, "g": arrived}, came, limits) for formula in formulas for way in ways]
    return True if True in told else told[0]


def made_fits(formula: str, values: Values, came: Array, limits: Limits | None) -> bool | None:
    """Whether a backward formula makes of these numbers what came back."""
    return agrees_but_for_rounding(
        as_came(formula_value(formula, values), came.shape),
        came,
        limits,
        values.values(),
        lambda limits: spread(formula, values, limits, came.shape),
    )


def transpose_fits(graph: Graph, edge: Edge, arrived: Array, came: Array) -> bool | None:
    """The same for an operation A that moves elements about, or adds them up: whether ⟨g, A t⟩ = ⟨Aᵀ g, t⟩ for a t
    that has no two elements alike.
    """
    node = graph.nodes[edge.head]
    name, settings, operands = base_name(node), dict(node.arguments), graph.in_edges(node.key)
    if len(node.autograd) > 1 or name in SOFTMAX or name not in {*MOVES, *JOINS} or len(operands) > len(LETTERS):
        return None
    probe = np.cos(np.arange(1.0, came.size + 1.0)).reshape(came.shape)
    if len(operands) == 1:
        image = moved_result(name, probe, arrived.shape, settings)
    else:
        place = [operand.key for operand in operands].index(edge.key)
        image = joined_tangent(name, probe, place, [shape_of_edge(graph, operand) for operand in operands], settings)
    if image is None or image.shape != arrived.shape:
        return None
    with np.errstate(all="ignore"):  # ∞ − ∞ among what flowed back
        before, after = arrived * image, came * probe
        around = [np.sum(np.abs(products), keepdims=True) for products in (before, after)]
        return agrees_but_for_rounding(
            np.sum(before),
            np.sum(after),
            precision(graph, node),
            around,
            lambda way: way.near * max(map(largest, around)) + smallest(way.dtype, came.size + arrived.size),
        )


def local_fits(graph: Graph, edge: Edge) -> bool | None:
    """Whether what came back along an edge is its local derivative times the gradient that arrived."""
    local = real_array(edge.local)
    return fits_flow(graph, edge, local) if local is not None else None


def flow_fits(graph: Graph, node: Node) -> bool | None:
    """Whether the gradient of a node is the sum of what came back from its uses and of what was fed in there."""
    found = sum_of_flows(graph, node, 0, hidden=0.0) if len(node.ports) == 1 else None
    merged = any(graph.nodes[edge.head].inside for edge in graph.out_edges(node.key))  # there, terms may have cancelled
    return None if found is None or (merged and not found.ok) else found.ok


def means_what_it_says(graph: Graph, node: Node) -> bool:
    """Whether numpy does with the whole arrays what the formula of an operation says to readers.

    That of a convolution is about windows, and classes are picked along the last dimension.
    """
    operands = graph.in_edges(node.key)
    picks = base_name(node) in PICKS_CLASSES and bool(operands) and len(shape_of_edge(graph, operands[0])) > 2
    return not picks and base_name(node) not in CONVOLUTIONS


# --- numbers


def formula_value(formula: str, values: Values, step: Step = as_it_is) -> Array | None:
    """What a formula gives; None where it holds a word without a meaning in numbers, or does not go with the shapes.
    ``step``: see `evaluate`.
    """
    if not formula:
        return None
    try:
        return np.asarray(evaluate(formula, values, with_classes(values), step), np.float64)
    except (ExpressionError, ValueError, TypeError, IndexError, np.linalg.LinAlgError):
        return None


def with_classes(values: Values) -> Functions:
    """The word for classes as vectors, which needs to know how many there are."""
    classes = np.arange((np.shape(values.get("a", ())) or (1,))[-1])
    return {"onehot": lambda which: np.equal.outer(which, classes) * 1.0}


def nothing_cancelled(limits: Limits) -> float:
    """Nothing that may have cancelled."""
    return 0.0


def spread(formula: str, values: Values, limits: Limits, shape: Shape | None = None) -> Any:
    """How far rounding may carry what a formula gives, when each of its steps is rounded; as it comes back to an
    operand of a shape.
    """
    try:
        made = doubted(formula, values, limits.near, dtype=limits.dtype, more=with_classes(values))
        found = flowed(made, shape, limits.near) if shape is not None else made
        return found.off if found is not None else 0.0
    except (ExpressionError, ValueError, TypeError, IndexError, np.linalg.LinAlgError):
        return 0.0


def agrees_but_for_rounding(
    found: Array | None,
    kept: Array,
    limits: Limits | None,
    around: Iterable[Array],
    spread: Callable[[Limits], Any] = nothing_cancelled,
) -> bool | None:
    """Whether two arrays are the same but for rounding; None where that is too much to tell, or a formula is not
    defined.

    ``around`` are the numbers that were computed with: what is left of big numbers after they cancelled is no better
    than these; ``spread(limits)`` says how far off it may be, where more is known about it.
    """
    if found is None or limits is None or found.shape != kept.shape:
        return None
    sure = np.isfinite(found) & np.isfinite(kept)
    if not sure.any():
        return None
    if found.ndim:
        found, kept = found[sure], kept[sure]
    size, off, around = max(largest(found), largest(kept)), largest(found - kept), list(around)
    lost = limits.lost * math.sqrt(max([found.size, *(array.size for array in around)])) + smallest(limits.dtype)
    right, wrong = limits.near * size + lost, limits.far * max([size, *map(largest, around)]) + lost
    if off <= right:
        return True
    # what a formula says of infinity and NaN is not always what torch's kernels do
    if not all(np.isfinite(array).all() for array in around):
        return None
    more = np.broadcast_to(spread(limits), sure.shape)[sure]
    return graded(off, right + np.max(more), wrong + np.max(more)) if np.isfinite(more).all() else None


def largest(array: Array) -> float:
    """The largest finite absolute value."""
    if not array.ndim:  # one number, as most are in a long program
        number = abs(float(array))
        return number if math.isfinite(number) else 0.0
    absolute = np.abs(array)
    return float(np.max(absolute, initial=0.0, where=np.isfinite(absolute)))


def precision(graph: Graph, node: Node) -> Limits | None:
    """How exact the numbers around a node are; None where that is not known."""
    ports = [*node.ports, *(graph.nodes[edge.tail].ports[edge.port] for edge in graph.in_edges(node.key))]
    floating = [
        port.dtype for port in ports if port.dtype is not None and "float" in port.dtype and port.device is not None
    ]
    if any(unit(dtype) == 0 for dtype in floating):
        return None
    dtype = coarsest(floating)
    near = rounding_share(dtype, OF_A_LINK)
    return Limits(near, near * grossly(near), lost_in_squares(dtype), dtype)


def real(values: Values | None) -> Values | None:
    """The operands and the result of a node as real numbers; None where one is not."""
    if values is None or any(array.dtype.kind not in "fiub" for array in values.values()):
        return None
    with np.errstate(invalid="ignore"):
        return {name: array.astype(np.float64) for name, array in values.items()}


def real_array(snap: Snapshot | None) -> Array | None:
    """The elements of a snapshot as real numbers; None where they were not kept or are none."""
    array = snap.array if snap is not None else None
    with np.errstate(invalid="ignore"):  # a signalling NaN warns
        return array.astype(np.float64) if array is not None and array.dtype.kind in "fiub" else None
