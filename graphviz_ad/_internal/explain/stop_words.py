"""Where ways end on which a gradient could have come -> that in words, with the place in the program and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphviz_ad._internal.explain.asked import MOST_NAMED, Asked
from graphviz_ad._internal.explain.consequences import (
    may_lead_to_a_loss,
    ran_in,
    takes_out,
)
from graphviz_ad._internal.explain.grad_words import place_of
from graphviz_ad._internal.explain.stops import NOT_ASKED, TAKEN, Stop, goes_on
from graphviz_ad._internal.graph.cuts import CUT_BY_THE_PROGRAM, DETACHED
from graphviz_ad._internal.graph.grad_history import STEP, UPDATED
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.traits import DATA, DRAWS
from graphviz_ad._internal.scene.cut_marks import REASONS, switch_text


def remedies(asked: Asked, stops: Sequence[Stop]) -> Iterator[str]:
    """What to do, unless it is right as it is."""
    events = asked.history.events if asked.history is not None else ()
    updates = [event for event in events if event.what == UPDATED]
    if updates and not any(event.what == STEP for event in events):
        yield (
            f"It is written to by {place_of(updates[-1])}, as a target network or a moving average is; such a"
            " tensor needs no gradient."
        )
    elif any(may_lead_to_a_loss(asked.graph, stop.node.key) or stop.cut not in CUT_BY_THE_PROGRAM for stop in stops):
        yield from remedies_of(asked, stops)
    else:
        yield f"None of that leads to what the backward pass began at. {REASONS['unreached'].remedy}"


def remedies_of(asked: Asked, stops: Sequence[Stop]) -> Iterator[str]:
    """What to do about those that are named."""
    return iter(dict.fromkeys(remedy(asked.graph, stop) for stop in stops[:MOST_NAMED] if stop.cut in REMEDIED))


def where_of(asked: Asked, stop: Stop) -> str:
    """A stop, with its place in the program: "y was detached at lesson.py:12"."""
    node, name = stop.node, asked.names.of[stop.node.key]
    place = f" at {node.source}" if node.source else ""
    if stop.cut == TAKEN:
        return (
            f"no operation reads {asked.result(node.key)}, but a number in"
            f" {asked.result(next(goes_on(asked, node)).head)} is one of its elements to the last digit, and a"
            " number carries no gradient"
        )
    if stop.edge is None:
        updated = "but its own next value " if asked.graph.out_edges(node.key) else ""
        return (
            f"nothing {updated}is computed from {asked.result(node.key)}"
            if node is asked.node
            else f"{asked.result(node.key)} {REASONS['unreached'].why}"
        )
    operation = f"{node.op or name}{place}"
    said = {
        DETACHED: f"{name} was {'taken out by .data' if node.op == DATA else 'detached'}{place}",
        "no_grad": computed_under(name, node, stop.cut),
        "inference": computed_under(name, node, stop.cut),
        "non-differentiable": f"{operation} has no derivative" if node.op else f"{name}{place} has no derivative",
        "shape-only": f"{operation} reads only its shape",
        "inplace_view": f"{operation} wrote over it",
        "inner": f"{operation} ran inside a torch.autograd.Function",
        "none-gradient": f"{operation} returned None for its operand {stop.edge.slot + 1}",
        "communication": f"{name} is in another process",
        "data": f"{name} takes no gradient{place}",
        NOT_ASKED: (
            f"{operation} has a gradient, but this pass was asked for those of other tensors only, as with inputs="
        ),
    }
    return said.get(stop.cut, f"{name}{place} is cut: {stop.cut}")


REMEDIED = frozenset({*REASONS, TAKEN})


def remedy(graph: Graph, stop: Stop) -> str:
    """What to do about a stop."""
    if stop.cut == TAKEN or takes_out(stop.node):
        return "Compute with the tensor itself in place of the Python number."
    if stop.cut == "no_grad" and not DRAWS.isdisjoint(ran_in(graph, stop.node)):
        return "Call rsample() in place of sample(), where the distribution has it, to let the gradient through."
    return REASONS[stop.cut].remedy


def computed_under(name: str, node: Node, cut: str) -> str:
    """That something was computed where autograd records nothing: with the line that makes it so, where that is known,
    else with its own.
    """
    if node.switched_off:
        return f"{name} was computed {switch_text(node, cut)}"
    return f"{name}, computed{f' at {node.source}' if node.source else ''}, ran {switch_text(node, cut)}"


def capital(text: str) -> str:
    """The text with a capital where it begins with a word, and as it is where it begins with a name."""
    return f"N{text[1:]}" if text.startswith(("nothing ", "no operation ")) else text
