"""Signs that stand for a state or a cut: each can be told from the others, and from any number."""

from __future__ import annotations

from graphviz_ad._internal.graph.cuts import DETACHED

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
OVERWRITTEN = {"inplace_view": "✂ written over"}  # nothing is lost there: the gradient goes past it
