"""Graph + name of a result -> why it has the gradient that it has, or has none: in sentences, with the place in the
program and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.explain.absent_gradients import (
    cut_before_the_end,
    is_not_reached,
    not_reached_yet,
    wants_none,
)
from graphviz_ad._internal.explain.asked import (
    MOST_NAMED,
    Asked,
    counted,
    described,
    is_differentiable,
    listed_with_and,
    names_in,
    values_of,
)
from graphviz_ad._internal.explain.forward_mode import place_of_result
from graphviz_ad._internal.explain.freed_graph import reached_in
from graphviz_ad._internal.explain.grad_words import told
from graphviz_ad._internal.explain.not_finite_words import value_not_finite
from graphviz_ad._internal.explain.parts_of_gradients import has_one
from graphviz_ad._internal.explain.program_names import as_known, is_called, names_known, parametrized_by
from graphviz_ad._internal.explain.stops import finer_question
from graphviz_ad._internal.graph.grad_history import GradHistory, history_called, history_of
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.notice_sentences import why_none
from graphviz_ad._internal.graph.notices import NOTHING_REQUIRES, first_names, is_stood_for, unread_parameters
from graphviz_ad._internal.graph.pass_keys import with_shared_keys
from graphviz_ad._internal.scene.annotations import error_of, failed_in_this_pass
from graphviz_ad._internal.scene.cut_marks import REASONS


def why_gradient(graph: Graph, name: str) -> str:
    """What the gradient of a result is and where it came from, or what keeps it away; the name is that of the
    program or of the picture, or a key.
    """
    name = as_known(graph, name)
    if is_called(graph, name):
        return _of_a_result(graph, name)
    answer = _not_drawn(graph, name) or _of_what_is_parametrized(graph, name)
    return answer if answer is not None else _of_a_result(graph, name)


def _of_a_result(graph: Graph, name: str) -> str:
    try:
        answer = _asked(graph, name)
    except UnknownNameError:
        raise UnknownNameError("node", name, names_known(graph)) from None
    history = history_of(graph, answer.node.ports[answer.port].tensor)
    found = _reached(graph, answer, history)
    number, best = found if found is not None else (len(graph.passes), answer)
    came = found is not None or (history is not None and bool(history.passes))
    best = replace(best, history=history, came=came, others=_others(graph, name, best))
    which = _which_pass(graph, number, found is not None)
    failed = failed_in_this_pass(graph) and number < len(graph.passes)
    further = _failure(graph, answer) if failed else ()
    return " ".join(filter(None, (*_headline(best), which, *_sentences(best), *further)))


def _failure(graph: Graph, answer: Asked) -> Iterator[str]:
    """That a later pass failed, which may have been about to bring something."""
    yield _which_pass(graph, len(graph.passes), came=False)
    yield from not_reached_yet(answer)


def _which_pass(graph: Graph, number: int, came: bool) -> str:
    """Of which of several passes an answer is."""
    if len(graph.passes) == 1:
        return ""
    last = came and number < len(graph.passes)
    return f"In backward pass {number} of {len(graph.passes)}{', the last that came to it' if last else ''}:"


def _asked(graph: Graph, name: str) -> Asked:
    key, port = (name, 0) if name in graph.nodes and not is_called(graph, name) else place_of_result(graph, name)
    return Asked(graph, names_in(graph), graph.nodes[key], port)


def _reached(graph: Graph, answer: Asked, history: GradHistory | None) -> tuple[int, Asked] | None:
    """The last pass that came to a result, or to another value of the same tensor, with the answer there."""
    if answer.node.ports[answer.port].grad is not None:
        return len(graph.passes), answer
    if failed_in_this_pass(graph) and (history is None or history.holds is None):
        return None
    passes = graph.passes if history is not None else with_shared_keys(graph).passes
    for number, done in reversed(list(enumerate(passes, 1))):
        if history is not None:
            values = [place for place in values_of(done, history.tensor) if place[0].ports[place[1]].grad is not None]
            if values:
                return number, Asked(done, names_in(done), *values[-1])
            continue
        same = reached_in(graph, done).get(answer.node.key)
        if same is not None and same.ports[answer.port].grad is not None:
            return number, Asked(done, names_in(done), same, answer.port)
    return None


def _others(graph: Graph, name: str, best: Asked) -> tuple[str, ...]:
    """The other results that the program calls by this name, unless they are values of the same tensor."""
    tensor = best.node.ports[best.port].tensor
    named = [
        node
        for node in graph.node_list
        if (node.name == name or any(port.name == name for port in node.ports))
        and node.key != best.node.key
        and (tensor is None or all(port.tensor != tensor for port in node.ports))
    ]
    return tuple(Asked(graph, names_in(graph), node, 0).result(node.key) for node in named)


def _not_drawn(graph: Graph, name: str) -> str | None:
    """The same of a parameter that is no node: nothing read it, or the graph knows it by another of its names; None
    of anything else.
    """
    first = first_names(graph.notes)
    if name in first:
        return f"{name} is the same parameter as {first[name]}. {why_gradient(graph, first[name])}"
    ended = unread_parameters(graph.notes).get(name)
    if ended is None:
        return None
    when = "here" if ended else f"before {error_of(graph)}"
    history = history_called(graph, name)
    if history is not None and history.holds is not None:
        return " ".join((f"No operation read {name} {when}, and no pass brought it a gradient.", *told(history)))
    return (
        f"No gradient: no operation read {name} {when}. A parameter gets a gradient when something that is computed"
        " from it leads to the loss."
    )


def _of_what_is_parametrized(graph: Graph, name: str) -> str | None:
    """The same of what a parametrization computes, by what it computes it from; None of anything else."""
    made_of = parametrized_by(graph, name)
    if not made_of:
        return None
    answers = [why_gradient(graph, each) for each in made_of]
    return " ".join((f"{name} is what a parametrization computes from {listed_with_and(made_of)}.", *answers))


def _sentences(asked: Asked) -> Iterator[str]:
    """The answer."""
    yield from _reasons(asked)
    yield value_not_finite(asked.graph, asked.node, asked.port, described)
    if asked.others:
        yield (
            f"The program calls {counted(len(asked.others), 'more result')} so:"
            f" {listed_with_and(asked.others[:MOST_NAMED])}."
        )
    if asked.history is not None and asked.node.kind == "leaf":
        yield from told(asked.history)
    elif asked.node.kind == "leaf" and is_stood_for(asked.graph.notes, asked.name):
        yield from _of_what_it_stood_for(asked)


def _of_what_it_stood_for(asked: Asked) -> Iterator[str]:
    """That this is not the parameter itself, and what ``.grad`` of that holds."""
    yield f"That is of the tensor which stood for the parameter {asked.name} while its module ran, in this process."
    own = history_called(asked.graph, asked.name)
    said = list(told(own)) if own is not None else []
    if said:
        yield " ".join(("Of the parameter itself:", *said))


def _headline(asked: Asked) -> Iterator[str]:
    """What ``.grad`` holds of what no pass brought, or no longer of what one did."""
    if asked.history is None or asked.node.kind != "leaf":
        return
    if asked.history.holds is None and asked.came:
        when = "was None when it was last seen" if asked.history.gone else "is None at the end"
        yield f"No gradient is left: .grad of {asked.name} {when}. This is what had come:"
    elif asked.history.holds is not None and not asked.came:
        yield f".grad of {asked.name} holds what no backward pass here has brought."


def _reasons(asked: Asked) -> Iterator[str]:
    """Why the gradient is what it is."""
    port = asked.node.ports[asked.port]
    if port.grad is not None:
        yield from has_one(asked, port)
    elif not asked.graph.has_gradients:
        yield f"No gradients were computed here: {_problem(asked)}{_stop_of_problem(asked)}"
        if any(note.kind == NOTHING_REQUIRES for note in asked.graph.notes):
            yield from cut_before_the_end(asked)
    elif asked.node.cut == "inner":
        yield f"No gradient: {asked.name} {REASONS['inner'].why}. {REASONS['inner'].remedy}"
    elif not asked.node.requires_grad or not is_differentiable(port):
        yield from wants_none(asked, port)
    elif failed_in_this_pass(asked.graph, asked.node):
        yield f"{asked.nothing} has come to {asked.name}:"
        yield from not_reached_yet(asked)
    elif (finer := finer_question(asked)) is not None:
        yield from _sentences(replace(finer, came=asked.came))
    else:
        yield from is_not_reached(asked)


def _problem(asked: Asked) -> str:
    return next(filter(None, map(why_none, asked.graph.notes)), "the graph holds none.")


def _stop_of_problem(asked: Asked) -> str:
    """What ends a reason that is not a sentence yet."""
    return "." if any(note.kind == NOTHING_REQUIRES for note in asked.graph.notes) else ""
