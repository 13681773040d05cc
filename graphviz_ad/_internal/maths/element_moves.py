"""Operations that move elements about, or add them up along a dimension -> the same done to a tangent, by their
recorded settings.

These are linear: what they do to a tangent is what they do to a value. Softmax stands here too, since its settings say
along which dimension it works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.arguments import Word
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.operations.moves import JOINS, MOVES

Settings = Mapping[str, Any]
Shape = tuple[int, ...]


def moved_result(op: str, tangent: Array, shape: Shape, settings: Settings, out: Array | None = None) -> Array | None:
    """The tangent of the result, which has this shape, when the only operand has this tangent; None where the
    operation or a setting is not known.

    ``out`` is the value of the result, which softmax needs.
    """
    if op not in MOVES or any(isinstance(value, (str, Word)) for value in settings.values()):  # such as another dtype
        return None
    try:
        with np.errstate(all="ignore"):  # ∞ − ∞ in a running sum
            found = np.asarray(MOVES[op](tangent, {**settings, "shape": shape, "out": out}))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found if found.shape == shape else None


def joined_tangent(op: str, tangent: Array, slot: int, shapes: list[Shape], settings: Settings) -> Array | None:
    """The tangent of several operands joined, of which only one moves; None where the operation or a setting is not
    known.
    """
    return (
        joined_values(op, [tangent if i == slot else np.zeros(shape) for i, shape in enumerate(shapes)], settings)
        if op in JOINS
        else None
    )


def joined_values(op: str, parts: list[Array], settings: Settings) -> Array | None:
    """Several operands joined; None where that cannot be, as with the empty vectors that torch lets pass."""
    dim = settings.get("dim", 0)
    if op not in JOINS or type(dim) is not int:
        return None
    try:
        return JOINS[op](parts, axis=dim)
    except ValueError:
        return None
