"""A gradient that is not there -> why, in words: there is none to have, it is cut, or an error came first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphviz_ad._internal.explain.asked import MOST_NAMED, Asked, is_differentiable, listed_with_and
from graphviz_ad._internal.explain.consequences import (
    leads_to_any_loss,
)
from graphviz_ad._internal.explain.freed_graph import who_freed
from graphviz_ad._internal.explain.grad_words import place_of
from graphviz_ad._internal.explain.inside_functions import functions_that_read, read_inside
from graphviz_ad._internal.explain.stop_words import capital, remedies, remedies_of, where_of
from graphviz_ad._internal.explain.stops import (
    NOT_ASKED,
    TAKEN,
    Stop,
    constant_gradients,
    cut_sources,
    follows,
    stops_that_matter,
    what_it_hides,
)
from graphviz_ad._internal.graph.graph import Port
from graphviz_ad._internal.scene.annotations import error_of, stopped_at, writers
from graphviz_ad._internal.scene.cut_marks import REASONS, why_at
from graphviz_ad._internal.scene.words.names import graph_names
from graphviz_ad._internal.scene.words.short_text import is_constant


def cut_before_the_end(asked: Asked) -> Iterator[str]:
    """What keeps a result from leading to one with a graph."""
    inside = said_inside(asked)
    if inside:
        yield from inside
        return
    stops = stops_that_matter(asked)
    for stop in stops[:MOST_NAMED]:
        yield f"{capital(where_of(asked, stop))}."
    yield from remedies_of(asked, stops)


def wants_none(asked: Asked, port: Port) -> Iterator[str]:
    """Why there is none to have."""
    if is_constant(asked.node):
        yield (
            f"No gradient: {asked.name} is a number in the program; give it as an input to get the derivative with"
            " respect to it."
        )
        return
    cut = asked.node.cut if asked.node.cut in REASONS else "data"
    assert cut is not None
    yield f"No gradient: {_why_it_has_none(asked, port, cut)}."
    hidden = what_it_hides(asked)
    if hidden:
        yield f"Nothing flows back through it to {listed_with_and(hidden)}."
    sources = cut_sources(asked) if cut == "data" else []
    if sources:
        yield (
            "It was computed from what is cut:"
            f" {listed_with_and([where_of(asked, stop) for stop in sources[:MOST_NAMED]])}."
        )
    constant = constant_gradients(asked) if cut == "data" and not sources else []
    if constant:
        yield (
            f"{listed_with_and([asked.result(key) for key in constant[:MOST_NAMED]])} is a gradient in which"
            " nothing requires grad: where what was differentiated is linear, its derivative is a constant, and"
            " there is no second one to have."
        )
    else:
        yield from _what_to_do(asked, port, cut, sources)


def _why_it_has_none(asked: Asked, port: Port, cut: str) -> str:
    """What a result is that takes no gradient."""
    if not is_differentiable(port):
        return f"{asked.result(asked.node.key)} holds {port.dtype}, and only real and complex numbers have derivatives"
    if asked.node.kind != "op":
        return f"{asked.name} does not require grad, as data or a parameter that is frozen"
    return f"{asked.result(asked.node.key)} {why_at(asked.node, cut)}"


def _what_to_do(asked: Asked, port: Port, cut: str, sources: Sequence[Stop]) -> Iterator[str]:
    """What to do for a gradient, or why none is missing."""
    if asked.node.kind != "op":
        yield from _if_it_is_wanted(asked, port)
    elif cut == "data" and not is_differentiable(port):
        return
    elif asked.graph.has_gradients and not leads_to_any_loss(asked.graph, asked.node.key):
        yield "Nothing that a backward pass began at was computed from it, so that no gradient is missing."
    elif event := follows(asked):
        yield (
            f"It is computed from what is written to by {place_of(event)}, as a target network or a moving"
            " average is: no gradient is missing there."
        )
    else:
        yield from remedies_of(asked, sources or [Stop(asked.node, None, cut)])


def _if_it_is_wanted(asked: Asked, port: Port) -> Iterator[str]:
    """What to do to get a gradient of what takes none."""
    if not asked.uses_of_tensor() and not asked.node.is_output:
        yield "No operation read it here."
    elif is_differentiable(port):
        yield "Call requires_grad_() on it before the computation if you want its gradient."


def not_reached_yet(asked: Asked) -> Iterator[str]:
    """A pass that raised has not come to all that it would have come to."""
    rank = asked.node.module[:1] if asked.graph.ranks else ()
    stopped = next((node for node in stopped_at(asked.graph) if node.module[: len(rank)] == rank), None)
    yield (f"the backward pass failed{f' at {asked.result(stopped.key)}' if stopped is not None else ''}.")
    told = [asked.result(node.key) for node in writers(asked.graph, stopped)] if stopped is not None else []
    if told:
        yield f"What it read or made was written over by {listed_with_and(told)}."
    if stopped is not None and any(note.failure is not None and note.failure.freed for note in asked.graph.notes):
        yield from who_freed(asked.graph, stopped)
    if stopped is not None and not stopped.requires_grad:  # it has no graph, for a reason
        yield from cut_before_the_end(asked)
    yield error_of(asked.graph)


def is_not_reached(asked: Asked) -> Iterator[str]:
    """Why none came where one could have come."""
    stops = stops_that_matter(asked)
    inside = said_inside(asked)
    unread = asked.node.kind == "leaf" and not asked.uses_of_tensor() and not asked.node.is_output
    if not inside and unread and all(stop.cut != TAKEN for stop in stops):
        yield f"{asked.nothing} arrives at {asked.name}, since no operation read it here."
        yield REASONS["unreached"].remedy
        return
    if inside and all(stop.cut in ("unreached", "inner") for stop in stops):
        yield f"{asked.nothing} arrives at {asked.name}."
        yield from inside
        return
    if len(stops) > MOST_NAMED:
        yield (
            f"{asked.nothing} arrives at {asked.name}: all {len(stops)} ways on from it end early. The first"
            f" {MOST_NAMED}:"
        )
    else:
        yield f"{asked.nothing} arrives at {asked.name}."
    for stop in stops[:MOST_NAMED]:
        so = (
            "" if stop.cut in (NOT_ASKED, TAKEN, "unreached") else f", so nothing flows back to {asked.name} through it"
        )
        yield f"{capital(where_of(asked, stop))}{so}."
    yield from remedies(asked, stops)


def said_inside(asked: Asked) -> list[str]:
    """What is to be said of custom Functions that read this inside; they show it only in detail."""
    fine = asked.graph.detail or asked.graph
    tensor = asked.node.ports[asked.port].tensor
    places = [
        place
        for place in ((node, i) for node in fine.node_list for i in range(len(node.ports)))
        if asked.node.kind == place[0].kind == "leaf"
        and (
            place[0].ports[place[1]].tensor == tensor
            if tensor is not None
            else bool(asked.node.name) and place[0].name == asked.node.name
        )
    ]
    functions = functions_that_read(fine, places)
    names = graph_names(fine)
    described = Asked(fine, names, asked.node, asked.port).result
    return list(read_inside(fine, functions, asked.name, described)) if functions else []
