"""False claims that are planted into facts and into tables of words: every one is seen by what is known without them.

What is known: what torch did (`training_programs.Truth`), at which line of a program a fault was planted, which
remedy mends it, what operand is 0, and what one step after the other did to a ``.grad``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any

import pytest
import test_false_claims as healthy
import test_planted_faults as planted
import torch
from test_false_claims import contradictions, in_events, in_histories, in_nodes, scaled, shown
from torch import Tensor, nn
from training_programs import Net, Truth, actor_critic, forward_forward, frozen, gan, lbfgs, tied_weights

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.explain import (
    absent_gradients,
    asked,
    consequences,
    grad_words,
    parts_of_gradients,
    reasons,
    stop_words,
    stops,
    zeros,
)
from graphviz_ad._internal.graph import notice_sentences
from graphviz_ad._internal.graph.grad_history import (
    ASIDE,
    EMPTIED,
    FOUND,
    PASS,
    REPLACED,
    STEP,
    UPDATED,
    WRITTEN,
    GradEvent,
)
from graphviz_ad._internal.graph.graph import Edge, Graph, Node
from graphviz_ad._internal.graph.notices import TIED, UNREAD, notice
from graphviz_ad._internal.graph.snapshot import Snapshot

Mutant = Callable[[Graph], Graph]
FILE = "test_claim_mutants.py"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def line(function: Callable[..., Any], mark: str) -> str:
    """Where a mark stands in a program."""
    lines, first = inspect.getsourcelines(function)
    (at,) = (i for i, text in enumerate(lines) if text.rstrip().endswith(f"# {mark}"))
    return f"{FILE}:{first + at}"


# --- the history of a .grad, told to the letter


def trained(m: Any, x: Tensor) -> list[Tensor]:
    kept = []
    optimizer = torch.optim.SGD(m.parameters(), lr=0.1)
    m.l(x).square().mean().backward()
    kept.append(m.l.weight.grad.clone())
    nn.utils.clip_grad_norm_(m.parameters(), 0.01)  # clip
    kept.append(m.l.weight.grad.clone())
    optimizer.step()  # step
    optimizer.zero_grad()
    m.l(x).square().sum().backward()
    kept.append(m.l.weight.grad.clone())
    for p in m.parameters():
        p.data.add_(p.grad, alpha=-0.1)  # update
    return kept


def story_of_training(kept: list[Tensor]) -> str:
    brought, clipped, again = map(shown, kept)
    return (
        f"What happened to its .grad: pass 1 brought {brought}; clip_grad_norm_ at {line(trained, 'clip')} made"
        f" {clipped} of it; SGD.step at {line(trained, 'step')} used it; it was set to None; pass 2 brought {again};"
        f" add_ at {line(trained, 'update')} updated the values. At the end .grad holds {again}."
    )


def replaced(m: Any, x: Tensor) -> list[Tensor]:
    kept = [m.l.weight.grad.clone()]
    m.l(x).square().mean().backward()
    kept += [m.l.weight.grad - kept[0], m.l.weight.grad.clone()]
    m.l.weight.grad = torch.full_like(m.l.weight, 7.0)
    (aside,) = torch.autograd.grad(m.l(x).sum(), m.l.weight)
    return [*kept, m.l.weight.grad, aside]


def story_of_replacing(kept: list[Tensor]) -> str:
    before, brought, made, put, aside = map(shown, kept)
    return (
        f"What happened to its .grad: it held {before} before; pass 1 brought {brought}, which made {made};"
        f" {put} was put in its place; pass 2 returned {aside} and left .grad alone. At the end .grad holds {put}."
    )


STORIES: dict[Callable[[Any, Tensor], list[Tensor]], Callable[[list[Tensor]], str]] = {
    trained: story_of_training,
    replaced: story_of_replacing,
}


@cache
def story(program: Callable[[Any, Tensor], list[Tensor]]) -> tuple[str, Graph]:
    """What has to be told of a program, and its graph."""
    torch.manual_seed(0)
    model, x = Net(l=nn.Linear(3, 1)), torch.rand(4, 3)
    if program is replaced:
        model.get_parameter("l.weight").grad = torch.ones(1, 3)
    with gad.record(model) as recorded:
        kept = program(model, x)
    return STORIES[program](kept), recorded.graph


def of_stories(mutant: Mutant) -> Iterator[str]:
    for program in STORIES:
        expected, graph = story(program)
        answer = mutant(graph).why("l.weight")
        if expected not in answer:
            yield f"{answer}\n not: {expected}"


# --- what torch did to parameters


def of_healthy_programs(mutant: Mutant) -> Iterator[str]:
    for program in (gan, actor_critic, lbfgs, forward_forward, frozen, tied_weights):
        truth, graph = healthy.run(program)
        changed = mutant(graph)
        yield from contradictions(truth, changed)
        if changed.check().ok is False:
            yield str(changed.check())
        yield from of_notices(truth, graph, changed)
        yield from of_passes(truth, changed)


def of_notices(truth: Truth, graph: Graph, changed: Graph) -> Iterator[str]:
    """Of a healthy program nothing is noticed, but that a parameter has two names, where it has."""
    names = [name for name, _ in truth.model.named_parameters(remove_duplicate=False)]
    first = {id(p): name for name, p in truth.model.named_parameters()}
    tied = [name for name in names if name not in first.values()]
    expected = [f"{name} is the same parameter as {first[id(truth.model.get_parameter(name))]}." for name in tied]
    if len(graph.passes) > 1:
        expected += [
            f"{len(graph.passes)} backward passes were recorded, each in graph.passes; a picture shows the last."
        ]
    if list(changed.notices) != expected:
        yield f"{changed.notices}, not {expected}"
    for name in tied:
        answer = changed.why(name)
        if not answer.startswith(f"{name} is the same parameter as {first[id(truth.model.get_parameter(name))]}."):
            yield answer


def of_passes(truth: Truth, graph: Graph) -> Iterator[str]:
    """Of which pass an answer is: the last that brought something, or the last."""
    for name, _ in truth.model.named_parameters():
        answer, came = graph.why(name), truth.came.get(name, truth.passes)
        if truth.passes > 1 and f"In backward pass {came} of {truth.passes}" not in answer:
            yield f"{name}: {answer}"


# --- where a fault was planted

REMEDIES = {  # what mends which; nothing else is to be advised
    planted.DETACH: "Leave out detach() or .data to let the gradient through.",
    planted.DATA: "Leave out detach() or .data to let the gradient through.",
    planted.NO_GRAD: "Compute it outside of that block to let the gradient through.",
    planted.ITEM: "Compute with the tensor itself in place of the Python number.",
    planted.FROZEN_INPUT: "Call checkpoint with use_reentrant=False, or requires_grad_() on what it is given.",
}
ENDS = {
    planted.svi: "Call rsample() in place of sample(), where the distribution has it, to let the gradient through.",
    planted.ode: REMEDIES[planted.NO_GRAD],
    planted.weighed: REMEDIES[planted.ITEM],
    planted.actor_critic: REMEDIES[planted.ITEM],
    planted.hard_choice: "Take something smooth in its place, such as softmax for argmax or sigmoid for a comparison,"
    " to let a gradient through.",
}
CUTS = (
    r"was detached|taken out by|computed under|switched off|has no derivative|reads only|wrote over|ran inside"
    r"|returned None"
)
FAULTS = (
    *(planted.vae, planted.lora, planted.several_tasks, planted.autoencoder, planted.graph_network),
    *(planted.svi, planted.hard_choice, planted.ode, planted.weighed, planted.actor_critic),
)


@cache
def faulty(program: Any) -> tuple[Net, Graph]:
    return planted.run(program)


def of_planted_faults(mutant: Mutant) -> Iterator[str]:
    for program in FAULTS:
        model, graph = faulty(program)
        changed, where = mutant(graph), re.escape(planted.line_of(program))
        for name, said in planted.PLANTED[program][1].items():
            answer = changed.why(name)
            expected = said.replace("LINE", where).replace("NAME", re.escape(name))
            remedy = REMEDIES.get(said) or ENDS[program]
            kinds = set(re.findall(CUTS, answer))
            if not re.search(expected, answer) or not answer.endswith(remedy) or len(kinds) > 1:
                yield answer
            if not answer.startswith(f"No gradient arrives at {name}."):
                yield answer
        for name, p in model.named_parameters():
            if bool(re.search(r"\bNo gradient\b", changed.why(name))) != (p.grad is None):
                yield changed.why(name)


# --- what is 0, what adds up, what is no cut


def gates(m: Any, x: Tensor) -> None:
    gated = m.a(x) * m.gain
    dead = (m.b(x) - 100).relu()
    rounded = m.c(x).round()
    (gated.sum() + dead.sum() + rounded.sum()).backward()


def uses(m: Any, x: Tensor) -> None:
    y = (m.w * 1).sum() + (m.w * 50).sum() + (m.w * 3).sum() + (m.w * 4).sum()
    y.backward()
    with torch.no_grad():
        m.target.mul_(0.9).add_(m.w, alpha=0.1)
        torch.as_tensor(y.item())


def other_uses(m: Any, x: Tensor) -> None:
    h = m.w * 2
    loss = (h * h.detach()).sum()  # cut
    loss.backward()
    loss.item()


@cache
def small(program: Callable[[Any, Tensor], None]) -> Graph:
    """The graph of one of these."""
    torch.manual_seed(0)
    parts: dict[str, Any] = {name: nn.Linear(3, 2) for name in "abc"} if program is gates else {}
    numbers = {"w": torch.ones(2), "target": torch.ones(2), "idle": torch.ones(2)} if program is not gates else {}
    numbers |= {"gain": torch.tensor(0.0)} if program is gates else {}
    model = Net(**parts, **{name: nn.Parameter(number) for name, number in numbers.items()})
    with gad.record(model) as recorded:
        program(model, torch.rand(4, 3))
    return recorded.graph


ZERO = "and the gradient is multiplied by it"
FROM = r"from v\d+ \(mul, .*\)"
ANSWERS: dict[tuple[Callable[[Any, Tensor], None], str], str] = {
    (
        gates,
        "a.weight",
    ): rf"is \[\[0, 0, 0\], \[0, 0, 0\]\]: .* It is 0 from gated \(mul, .*\) on: gain is 0, {ZERO}\.$",
    (gates, "a.bias"): rf"is \[0, 0\]: .* on: gain is 0, {ZERO}\.$",
    (gates, "b.bias"): r"on: its derivative is 0 at all elements, −100\.\d* to −100\.\d*, of its operand\.$",
    (gates, "c.bias"): r"\(round, .*\) on: its derivative is 0 everywhere\.$",
    (uses, "w"): (
        rf"^The gradient of w is \[58, 58\]: the sum of \[50, 50\] {FROM}, \[4, 4\] {FROM}, \[3, 3\] {FROM}"
        r" and what came from 1 more use\.$"
    ),
    (uses, "target"): (
        r"^No gradient arrives at target\. Nothing but its own next value is computed from target₀\. It is written to"
        r" by add_ at .*, as a target network or a moving average is; such a tensor needs no gradient\.$"
    ),
    (uses, "y"): r"^The gradient of y is 1: what was fed in there\. In torch its \.grad is None all the same: [^:]*$",
    (uses, "idle"): r"^No gradient: no operation read idle here\. ",
    (other_uses, "h"): rf"Not part of it: v\d+ was detached at {re.escape(line(other_uses, 'cut'))}\.$",
    (other_uses, "loss"): r"unless retain_grad\(\) is called before backward\(\)\.$",
}


def of_small_programs(mutant: Mutant) -> Iterator[str]:
    for (program, name), expected in ANSWERS.items():
        try:
            answer = mutant(small(program)).why(name)
        except UnknownNameError as error:
            answer = str(error)
        if not re.search(expected, answer):
            yield f"{answer}\n not: {expected}"


def claims(mutant: Mutant) -> Iterator[str]:
    """All that is false of what is said once the facts are changed."""
    for witness in (of_stories, of_small_programs, of_planted_faults, of_healthy_programs):
        yield from witness(mutant)


def as_it_is(graph: Graph) -> Graph:
    return graph


def test_nothing_false_is_said_as_things_are() -> None:
    assert "\n".join(claims(as_it_is)) == ""


# --- facts that are false


def in_edges(change: Callable[[Edge], Edge]) -> Mutant:
    """Other edges, in every pass and also in detail."""

    def one(graph: Graph) -> Graph:
        detail = one(graph.detail) if graph.detail is not None else None
        return replace(graph, edges=tuple(map(change, graph.edges)), detail=detail, each_pass=())

    def changed(graph: Graph) -> Graph:
        passes = tuple(map(one, graph.each_pass))
        return replace(one(graph), each_pass=passes)

    return changed


def of_every_node(change: Callable[[Node], Node]) -> Mutant:
    """Other nodes, in every pass and also in detail."""

    def one(graph: Graph) -> Graph:
        detail = one(graph.detail) if graph.detail is not None else None
        return replace(graph, node_list=tuple(map(change, graph.node_list)), detail=detail, each_pass=())

    return lambda graph: replace(one(graph), each_pass=tuple(map(one, graph.each_pass)))


def cut_as(was: str | None, now: str | None) -> Mutant:
    """A cut of another kind."""
    edges = in_edges(lambda edge: replace(edge, cut=now) if edge.cut == was else edge)
    nodes = of_every_node(lambda node: replace(node, cut=now, switched_off=()) if node.cut == was else node)
    return lambda graph: nodes(edges(graph))


def moved(source: str | None) -> str | None:
    """The next line."""
    file, _, number = (source or "").rpartition(":")
    return f"{file}:{int(number) + 1}" if number.isdigit() else source


def kind_as(was: str, now: str) -> Mutant:
    """An event of another kind."""
    return in_events(lambda event: replace(event, what=now) if event.what == was else event)


def without(what: str) -> Mutant:
    return in_events(lambda event: None if event.what == what else event)


def event_first(event: GradEvent) -> Mutant:
    return in_histories(lambda history: replace(history, events=(event, *history.events)))


def event_last(event: GradEvent) -> Mutant:
    return in_histories(lambda history: replace(history, events=(*history.events, event)))


def with_note(kind: str, *subjects: str, **facts: Any) -> Mutant:
    return lambda graph: graph.saying(notice(kind, subjects, **facts))


def with_ports(**how: Callable[[Any], Any]) -> Mutant:
    """Other results of all nodes."""

    def changed(node: Node) -> Node:
        ports = tuple(
            replace(port, **{name: change(getattr(port, name)) for name, change in how.items()}) for port in node.ports
        )
        return replace(node, ports=ports)

    return of_every_node(changed)


def renamed_leaf(graph: Graph) -> Graph:
    """Two parameters with each other's histories."""
    holds = [history.holds for history in graph.grad_histories]
    turned = [*holds[1:], *holds[:1]]
    return replace(
        graph,
        grad_histories=tuple(
            replace(history, holds=other) for history, other in zip(graph.grad_histories, turned, strict=True)
        ),
    )


FACTS: dict[str, Mutant] = {
    **{
        f"{was} is {now}": cut_as(was, now)
        for was, now in (
            *(("detach", "no_grad"), ("detach", "non-differentiable"), ("detach", "data"), ("detach", "unreached")),
            *(("no_grad", "detach"), ("no_grad", "inference"), ("no_grad", "shape-only"), ("inference", "no_grad")),
            *(("non-differentiable", "detach"), ("non-differentiable", "none-gradient"), ("inner", "unreached")),
            *(("inner", "detach"), ("non-differentiable", "communication"), ("no_grad", "unreached")),
        )
    },
    "the next line": of_every_node(lambda node: replace(node, source=moved(node.source))),
    "autograd off a line on": of_every_node(
        lambda node: replace(node, switched_off=(*node.switched_off[:1], *map(moved, node.switched_off[1:])))
    ),
    "no line": of_every_node(lambda node: replace(node, source=None)),
    "another file": of_every_node(lambda node: replace(node, source=node.source and f"a{node.source}")),
    "other operations": of_every_node(lambda node: replace(node, op=node.op and "add")),
    "events a line on": in_events(lambda event: replace(event, source=moved(event.source))),
    "events of others": in_events(lambda event: replace(event, by=event.by and "Adam.step")),
    "passes counted from 2": in_events(lambda event: replace(event, number=event.number and event.number + 1)),
    "no steps": without(STEP),
    "no updates": without(UPDATED),
    "no writes": without(WRITTEN),
    "never emptied": without(EMPTIED),
    "never replaced": without(REPLACED),
    "nothing before": without(FOUND),
    "none aside": without(ASIDE),
    "steps are updates": kind_as(STEP, UPDATED),
    "updates are steps": kind_as(UPDATED, STEP),
    "passes aside": kind_as(PASS, ASIDE),
    "aside is a pass": kind_as(ASIDE, PASS),
    "written is replaced": kind_as(WRITTEN, REPLACED),
    "another step": event_last(GradEvent(STEP, by="SGD.step", source="a.py:1")),
    "emptied at the end": event_last(GradEvent(EMPTIED)),
    "held before": event_first(GradEvent(FOUND, holds=Snapshot((), "float32", 3.0))),
    "the other way round": in_histories(lambda history: replace(history, events=history.events[::-1])),
    "brought the negative": in_events(lambda event: replace(event, brought=scaled(event.brought, -1))),
    "held twice as much": in_events(lambda event: replace(event, holds=scaled(event.holds, 2))),
    "holds zeros": in_histories(lambda history: replace(history, holds=scaled(history.holds, 0))),
    "holds that of another": renamed_leaf,
    "edges bring twice as much": in_edges(lambda edge: replace(edge, grad=scaled(edge.grad, 2))),
    "edges bring nothing": in_edges(lambda edge: replace(edge, grad=None)),
    "values are others": with_ports(value=lambda value: scaled(value, 0) if value is not None else None),
    "values are ones more": with_ports(value=lambda value: value and replace(value, data=value.data + 1)),
    "a hook": with_note("hook changed", "w"),
    "a hook of a module": with_note("module hook changed", "w"),
    "a hook on a node": with_note("flow changed", "w"),
    "unread": with_note(UNREAD, "target", ended=True),
    "circle": with_note("circle", count=1),
    "written": with_note("written between uses", "w"),
    "notices gone": lambda graph: replace(graph, notes=()),
    "one pass": lambda graph: replace(graph, each_pass=()),
    "passes exchanged": lambda graph: replace(graph, each_pass=graph.each_pass[::-1]),
    "arrived": in_nodes(
        lambda node: replace(
            node, ports=tuple(replace(port, arrived=Snapshot((), "float32", 1.0)) for port in node.ports)
        )
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_that_is_false_is_seen(name: str) -> None:
    assert next(claims(FACTS[name]), None) is not None


# --- words that are false


def exchanged(table: Mapping[str, Any], one: str, two: str) -> Mapping[str, Any]:
    return MappingProxyType({**table, one: table[two], two: table[one]})


Patch = tuple[Any, str, Any]
WHO_ANSWERS = (reasons, asked, stops, stop_words, parts_of_gradients, absent_gradients)  # who makes an answer together
NEVER, ALWAYS = (lambda *_: False), (lambda *_: True)
WORDS: dict[str, Patch] = {
    **{
        f"reasons of {one} and {two}": (WHO_ANSWERS, "REASONS", exchanged(stop_words.REASONS, one, two))
        for one, two in (
            *(("detach", "no_grad"), ("no_grad", "non-differentiable"), ("inference", "detach")),
            *(("detach", "shape-only"), ("non-differentiable", "unreached")),
        )
    },
    **{
        f"{one} told as {two}": (grad_words, "SAID", exchanged(grad_words.SAID, one, two))
        for one, two in ((STEP, UPDATED), (EMPTIED, ASIDE), (REPLACED, FOUND), (REPLACED, WRITTEN))
    },
    "tied told as unread": (
        notice_sentences,
        "SENTENCES",
        exchanged(notice_sentences.SENTENCES, TIED, "hook changed"),
    ),
    "passes told as hooks": (
        notice_sentences,
        "SENTENCES",
        exchanged(notice_sentences.SENTENCES, "several passes", "hook changed"),
    ),
    "everything is the same": (grad_words, "same", ALWAYS),
    "nothing is the same": (grad_words, "same", NEVER),
    "all is plain": (grad_words, "is_plain", ALWAYS),
    "everything leads to a loss": (WHO_ANSWERS, "leads_to_a_loss", ALWAYS),
    "nothing leads to a loss": (WHO_ANSWERS, "leads_to_a_loss", NEVER),
    "nothing may lead to a loss": (WHO_ANSWERS, "may_lead_to_a_loss", NEVER),
    "no updates": (WHO_ANSWERS, "is_update", NEVER),
    "all is an update": (WHO_ANSWERS, "is_update", ALWAYS),
    "no number is taken out": (WHO_ANSWERS, "takes_out", NEVER),
    "no number is held": (WHO_ANSWERS, "numbers_held", lambda *_: iter(())),
    "nothing is drawn": (WHO_ANSWERS, "DRAWS", frozenset()),
    "all is drawn": (WHO_ANSWERS, "DRAWS", frozenset({"linear", "addmm"})),
    "no numbers of tensors": (consequences, "NUMBER_OF_TENSOR", frozenset()),
    "nothing falls": (WHO_ANSWERS, "falls", lambda *_: []),
    "nothing is flat": (zeros, "FLAT", frozenset()),
    "relu is flat": (zeros, "FLAT", frozenset({"relu"})),
    "all lets parts through": (zeros, "LETS_PARTS_THROUGH", frozenset({"relu", "round"})),
    "nothing multiplies": (zeros, "MULTIPLIES", frozenset()),
    "relu saturates": (zeros, "SATURATES", frozenset({"relu"})),
    "the smallest first": (WHO_ANSWERS, "size_of", lambda snap: -snap.norm),
    "no differentiable numbers": (WHO_ANSWERS, "is_differentiable", NEVER),
    "other amounts": (WHO_ANSWERS, "text_of", lambda snap: "1"),
    "other amounts in histories": (grad_words, "text_of", lambda snap: "1"),
    "nothing is read inside": (WHO_ANSWERS, "functions_that_read", lambda *_: []),
    "of none but the first pass": (WHO_ANSWERS, "_which_pass", lambda graph, number, came: "In backward pass 1 of 1:"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_word_that_is_false_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    list(map(story, STORIES))
    where, what, put = WORDS[name]
    for module in where if isinstance(where, tuple) else (where,):
        if hasattr(module, what):
            monkeypatch.setattr(module, what, put)
    assert next(claims(as_it_is), None) is not None
