"""Cut mark -> what it says: why no gradient flows there, and what to do if one should."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from graphviz_ad._internal.graph.cuts import DETACHED
from graphviz_ad._internal.graph.graph import Node


@dataclass(frozen=True)
class Reason:
    """``why`` goes on after the name of a result, ``remedy`` is a sentence of its own.

    On an edge, ``why`` is about its head, or about the operand where ``about_operand`` says so.
    """

    why: str
    remedy: str
    about_operand: bool = False


REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        "data": Reason(
            "depends on nothing that requires grad",
            "Call requires_grad_() on an input before the computation if you want its gradient.",
            True,
        ),
        DETACHED: Reason(
            "was detached, so that autograd does not know what it came from",
            "Leave out detach() or .data to let the gradient through.",
        ),
        "no_grad": Reason(
            "was computed with autograd switched off, as by torch.no_grad(), so that it recorded nothing",
            "Compute it outside of that block to let the gradient through.",
        ),
        "inference": Reason(
            "was computed under torch.inference_mode(), where autograd records nothing",
            "Compute it outside of that block to let the gradient through.",
        ),
        "non-differentiable": Reason(
            "has no derivative",
            "Take something smooth in its place, such as softmax for argmax or sigmoid for a comparison, to let a"
            " gradient through.",
        ),
        "shape-only": Reason(
            "takes only the shape of its operand, and none of its elements",
            "Nothing is missing: its elements do not depend on those of the operand.",
        ),
        "unreached": Reason(
            "leads to nothing that the backward pass began at",
            "Return something that is computed from it, or call backward() on that, to get a gradient.",
        ),
        "none-gradient": Reason(
            "got None from the backward method of a torch.autograd.Function",
            "Return a gradient for this operand there if it should have one.",
            True,
        ),
        "inplace_view": Reason(
            "was written over as a part of a tensor",
            "Nothing is missing: the gradient of that part goes back through the write to the whole tensor.",
            True,
        ),
        "inner": Reason(
            "ran inside a torch.autograd.Function, whose backward method gives the gradient in its place",
            "Look at the node of that Function for the gradient.",
        ),
        "communication": Reason(
            "went from one process to another, where autograd does not follow",
            "Send the gradient back in the same way, as torch.distributed.nn does.",
            True,
        ),
    }
)


def why_at(node: Node, cut: str) -> str:
    """Why no gradient comes to a node, to go on after its name."""
    return (
        f"was computed {switch_text(node, cut)}, where autograd records nothing"
        if node.switched_off
        else REASONS[cut].why
    )


def switch_text(node: Node, cut: str) -> str:
    """Under what an operation ran that autograd did not record, and in which line that stands."""
    if node.switched_off:
        switch, place = node.switched_off
        return f"under torch.{switch}({'False' if switch == 'set_grad_enabled' else ''}) at {place}"
    return "under torch.inference_mode()" if cut == "inference" else "with autograd switched off, as by torch.no_grad()"
