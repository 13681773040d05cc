"""Signs that stand for a state or a cut: each can be told from the others, and from any number."""

from __future__ import annotations

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.operations.traits import DATA

NOT_YET = "·"  # not computed yet; never the same as 0, None or NaN
NO_GRADIENT = "—"  # there is no gradient to have
# a gradient flowed, and torch did not keep it, as for every result that is no leaf
NOT_RETAINED = "None (not retained)"
CUT_MARKS = {
    DETACHED: "✂ detach",
    "no_grad": "✂ no_grad",
    "inference": "✂ inference_mode",
    "non-differentiable": "✂ no derivative",
    "shape-only": "✂ only its shape",
    "none-gradient": "✂ None returned",
}
DATA_MARK = "✂ .data"
OVERWRITTEN = {"inplace_view": "✂ written over"}  # nothing is lost there: the gradient goes past it


def cut_mark(cut: str | None, op: str | None) -> str:
    """The mark of an edge that is cut so, into an operation of this name."""
    return DATA_MARK if cut == DETACHED and op == DATA else {**CUT_MARKS, **OVERWRITTEN}[cut or ""]
