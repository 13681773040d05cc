"""Whatever is said of a parameter is compared to what torch itself did; and if a fact were wrong, that would be seen.

The programs are in the manner of public examples. Of each, torch alone tells what every pass brought to every
parameter, what ``.grad`` is at the end, and whether there was a hook or a cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from training_programs import (
    HEALTHY,
    Program,
    Truth,
    accumulated,
    actor_critic,
    by_hand,
    contrastive,
    distillation,
    evaluated,
    frozen,
    gan,
    lbfgs,
    penalty,
    straight_through,
    vae,
)

import graphviz_ad as gad
from graphviz_ad._internal.explain.amounts import text_of
from graphviz_ad._internal.graph.grad_history import (
    PASS,
    GradEvent,
    GradHistory,
)
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.notice_sentences import sentence
from graphviz_ad._internal.graph.notices import TIED, notice
from graphviz_ad._internal.graph.snapshot import Snapshot

FEW = (
    *(vae, gan, actor_critic, distillation, accumulated, by_hand),
    *(penalty, straight_through, contrastive, frozen, lbfgs, evaluated),
)


@cache
def run(program: Program) -> tuple[Truth, Graph]:
    """A program, run once, with what torch did and what was recorded."""
    torch.manual_seed(0)
    truth = Truth(HEALTHY[program]())
    x = torch.rand(6, 4)
    with gad.record(truth.model) as recording:
        program(truth.model, truth, x)
    return truth, recording.graph


def shown(tensor: Tensor) -> str:
    """A gradient as answers write it."""
    return text_of(Snapshot(tuple(tensor.shape), "float32", tensor.detach().numpy()))


QUIET = {
    "ran again",
    "several passes",
    TIED,
    "flows inside",
    "hooks untold",
    "nobody read",
    "stood for",
}  # notices that blame nothing


def contradictions(truth: Truth, graph: Graph) -> Iterator[str]:
    """What is said that is not so."""
    for note in graph.notes:
        if note.shown and note.kind not in QUIET:
            yield sentence(note)
    for name, p in truth.model.named_parameters():
        answer, found = graph.why(name), truth.brought.get(name, [])
        if bool(re.search(r"No gradient\b", answer)) != (p.grad is None):
            yield f"{name}, whose .grad is {p.grad}: {answer}"
        passes = [re.escape(shown(grad)) for grad in found]
        said = re.findall(r"pass \d+ brought (.*?)(?=, which made|, which a hook|, of which|; |\. At the end)", answer)
        if ("What happened" in answer or said) and [re.escape(text) for text in said] != passes:
            yield f"{name}, to which was brought {passes}: {answer}"
        headline = re.search(r"[Tt]he gradient of \S+ is (.*?)(?:, 0 but for rounding)?[:.](?: |$)", answer)
        if bool(headline) != bool(found) or (headline and found and headline[1] != shown(found[-1])):
            yield f"{name}, to which last was brought {passes[-1:]}: {answer}"
        if "holds what no backward pass here has brought" in answer and found:
            yield f"{name}, to which was brought {passes}: {answer}"
        end = re.search(r"At the end \.grad holds (.*)\.$", answer)
        if p.grad is not None and end is not None and end[1] != shown(p.grad):
            yield f"{name}, whose .grad is {p.grad}: {answer}"
        if p.grad is not None and end is None and (len(found) != 1 or not torch.equal(found[0], p.grad)):
            yield f"{name}, whose .grad is {p.grad}, without a word of it: {answer}"
        if re.search(r"\b[Aa] hook|used it|It is 0", answer) and not truly(answer, truth, name):
            yield f"{name}: {answer}"
        if ("Not part of it" in answer) and not truth.cut:
            yield f"{name}: {answer}"


def truly(answer: str, truth: Truth, name: str) -> bool:
    """Whether it may speak of steps and zeros."""
    found = truth.brought.get(name, [])
    zero = "It is 0" not in answer or not found[-1].any()
    return "hook" not in answer and zero and ("used it" not in answer or bool(found))


@pytest.mark.parametrize("program", HEALTHY, ids=lambda program: program.__name__)
def test_what_is_said_of_a_healthy_program_is_so(program: Program) -> None:
    truth, graph = run(program)
    assert list(contradictions(truth, graph)) == []
    assert graph.check().ok is not False, graph.check()


# --- and if a fact were wrong

Mutant = Callable[[Graph], Graph]


def in_histories(change: Callable[[GradHistory], GradHistory]) -> Mutant:
    return lambda graph: replace(graph, grad_histories=tuple(map(change, graph.grad_histories)))


def in_events(change: Callable[[GradEvent], GradEvent | None]) -> Mutant:
    def changed(history: GradHistory) -> GradHistory:
        events = tuple(event for each in history.events if (event := change(each)) is not None)
        return replace(history, events=events)

    return in_histories(changed)


def scaled(snap: Snapshot | None, factor: float = 1.5) -> Snapshot | None:
    """A gradient that is another."""
    if snap is None or snap.array is None:
        return snap
    array = np.asarray(snap.array * factor, snap.array.dtype)
    return replace(snap, data=array if array.ndim else array.item())


def in_nodes(change: Callable[[Node], Node]) -> Mutant:
    def changed(graph: Graph) -> Graph:
        passes = [
            replace(done, node_list=tuple(map(change, done.node_list)), each_pass=(), detail=None)
            for done in graph.passes
        ]
        return replace(
            graph, node_list=passes[-1].node_list, detail=None, each_pass=tuple(passes) if graph.each_pass else ()
        )

    return changed


def in_ports(**how: Callable[[Any], Any]) -> Mutant:
    def changed(node: Node) -> Node:
        parts = {name: [change(getattr(port, name)) for port in node.ports] for name, change in how.items()}
        ports = [
            replace(port, **{name: values[i] for name, values in parts.items()}) for i, port in enumerate(node.ports)
        ]
        return replace(node, ports=tuple(ports)) if node.kind == "leaf" else node

    return in_nodes(changed)


MUTANTS: dict[str, Mutant] = {
    "holds nothing": in_histories(lambda history: replace(history, holds=None)),
    "holds more": in_histories(lambda history: replace(history, holds=scaled(history.holds))),
    "brought more": in_events(lambda event: replace(event, brought=scaled(event.brought))),
    "no passes": in_events(lambda event: None if event.what == PASS else event),
    "another pass": in_histories(lambda history: replace(history, events=(*history.events, *history.passes[:1]))),
    "gradients scaled": in_ports(grad=scaled),
    "gradients gone": in_ports(grad=lambda grad: None),
    "gradients zero": in_ports(grad=lambda grad: scaled(grad, 0)),
    "hook told": lambda graph: graph.saying(notice("hook changed", ["w"])),
    "nodes unseen": lambda graph: graph.saying(notice("unlinked", count=2)),
    "flow changed": lambda graph: graph.saying(notice("flow changed", ["w"])),
    "hook at": in_ports(arrived=lambda arrived: Snapshot((), "float32", 1.0)),
}
UNTOUCHED = {  # where nothing false comes of it
    *((name, by_hand) for name in ("holds more", "holds nothing")),  # whose gradients are None at the end
    *(("no passes", program) for program in (penalty, straight_through, frozen)),  # which do nothing else
}


@pytest.mark.parametrize("name", MUTANTS)
@pytest.mark.parametrize("program", FEW, ids=lambda program: program.__name__)
def test_a_false_fact_is_seen(name: str, program: Program) -> None:
    truth, graph = run(program)
    mutant = MUTANTS[name](graph)
    assert (name, program) in UNTOUCHED or list(contradictions(truth, mutant)), name
