"""Edge -> the lines on its arrow: the local derivative or the rule, what flows back, and why nothing does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from graphviz_ad._internal.graph.graph import Edge, Graph
from graphviz_ad._internal.graph.rank_messages import CUT
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.claims import Passed
from graphviz_ad._internal.maths.formulas import UNICODE, local_derivative, to_unicode
from graphviz_ad._internal.maths.local_jacobians import MOST as MOST_IN_JACOBIAN
from graphviz_ad._internal.maths.local_jacobians import local_jacobian
from graphviz_ad._internal.maths.number_format import short_number, type_label, without_signs_of_zeros
from graphviz_ad._internal.scene.scene import Grid, Line, Ratio
from graphviz_ad._internal.scene.words.short_text import grouped
from graphviz_ad._internal.scene.words.signs import CUT_MARKS, OVERWRITTEN, cut_mark
from graphviz_ad._internal.scene.words.tensor_grids import ALL, Tensors, grid_of

LABEL_ROOM = 30  # characters
MOST_ON_ARROW = 4  # rows and columns of what stands on an arrow
CUTS = {**CUT_MARKS, **OVERWRITTEN}


def local_line(above: str, below: str, is_part: bool, text: str) -> Line:
    """A local derivative, as number or formula: "∂q/∂x = 1"; "local 1" where its name would be too long, or be read
    as another; nothing for neither.
    """
    derivative = local_derivative(above, below)
    if len(derivative) + len(text) > LABEL_ROOM or is_part:
        return Line("local", f"local {text}" if len(text) <= LABEL_ROOM else "", "derivative")
    said = f"{derivative} = {text}"
    fraction = Ratio(said, UNICODE.partial(above), UNICODE.partial(below), f"= {text}")
    return Line("local", said, "derivative", ratio=fraction)


def factor_label(text: str) -> str:
    """A local derivative as what the gradient is multiplied by: "× 3", "× (1 − h²)"; "" where there is no room."""
    return f"× {text if text.startswith('[') else grouped(text)}" if len(text) <= LABEL_ROOM else ""


def rule_label(passed: Passed, letters: Mapping[str, str]) -> str:
    """How the gradient g that arrives is passed on: "g @ Wᵀ (1×3)(3×2)"; "" where no formula is true or short
    enough.
    """
    text = to_unicode(passed.backward, letters) if passed.backward else ""
    if text and passed.summed:
        text = f"Σ {grouped(text)}"
    with_shapes = f"{text} {matrix_shapes(passed)}".rstrip()
    return with_shapes if len(with_shapes) <= LABEL_ROOM else text if len(text) <= LABEL_ROOM else ""


def matrix_shapes(passed: Passed) -> str:
    """The shapes of the matrices that a rule multiplies: "(1×3)(3×2)"; "" where it multiplies none."""
    return "".join(f"({'×'.join(map(str, shape))})" for shape in passed.factors)


def gradient_contribution(edge: Edge, passed: Passed, flow: str | None, tensors: Tensors = ALL) -> str:
    """What flows back along an edge: "← −4", "← Σ 5" where it is summed over copies of the operand; its norm where
    it is big.
    """
    if edge.grad is None:
        return ""
    arrow = "← Σ" if passed.summed else "←"
    if flow is not None:
        return f"{arrow} {flow}"
    if not tensors.edges and contribution_grid(edge, passed, ALL) is not None:
        return ""  # one who is to see elements is not told a norm in their place
    return (
        f"{arrow} ‖grad‖ {short_number(edge.grad.norm)}"
        if edge.grad.norm is not None
        else f"{arrow} {type_label(edge.grad)}"
    )


def contribution_grid(edge: Edge, passed: Passed, tensors: Tensors) -> Grid | None:
    """The elements of what flows back along an edge, where they are few."""
    if not tensors.edges:
        return None
    with without_signs_of_zeros():
        return grid_of(edge.grad, "← Σ" if passed.summed else "←", small=tensors.small, most=MOST_ON_ARROW)


def jacobian_grid(graph: Graph, edge: Edge, derivative: str, *, small: bool = False) -> Grid | None:
    """The derivative of each element of a result by each of an operand, as a matrix; None where either is one number,
    or it is not known or too large.
    """
    found = local_jacobian(graph, edge)
    if found is None or 1 in found.shape:
        return None
    snap = Snapshot(found.shape, "float64", found)
    with without_signs_of_zeros():
        grid = grid_of(snap, derivative, small=small, most=MOST_IN_JACOBIAN)
    if grid is None:
        return None
    after = graph.nodes[edge.head].ports[0].shape or ()
    before = graph.nodes[edge.tail].ports[edge.port].shape or ()
    blocks = range(after[-1], found.shape[0], after[-1]) if len(after) > 1 and after[-1] > 1 else ()
    return replace(grid, gaps=tuple(blocks), row_names=places_in(after), column_names=places_in(before))


def places_in(shape: tuple[int, ...]) -> tuple[str, ...]:
    """The places in a tensor, in order: "0,0", "0,1"; without dimensions of one, where others are left."""
    told = [n != 1 for n in shape] if any(n != 1 for n in shape) else [True] * len(shape)
    return tuple(
        [",".join([str(i) for i, said in zip(place, told, strict=True) if said]) for place in np.ndindex(*shape)]
    )


def arrow_lines(
    edge: Edge, crossing: str, local: Line | None, flow: Line | None, into: str | None = None, carried: str = ""
) -> list[Line]:
    """Everything on an arrow; ``crossing`` is said of one that leads to another rank, ``into`` is the operation to
    which it leads, ``carried`` the type of what it carries, where that is told.
    """
    found = [Line("type", carried)] if carried else []
    if edge.cut in CUTS:
        return [*found, Line("cut", cut_mark(edge.cut, into))]
    found += [Line("note", crossing)] if crossing else []
    found += [line for line in (local, flow if edge.cut in (None, CUT) else None) if line is not None and line.text]
    if edge.match == "guess" and edge.cut != CUT:
        found.append(Line("note", "? which operand"))
    return found
