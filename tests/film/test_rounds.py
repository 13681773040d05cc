"""Films of training: every number of every moment is torch's, whatever loop ran."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.rounds import rounds_of
from graphviz_ad._internal.film.story_choice import PassStory, Telling
from graphviz_ad._internal.film.story_passes import on_one_picture
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import number_in_one_line
from graphviz_ad._internal.scene.scene import Change, restyle
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.short_text import gradient_text

# --- random loops, run twice: under record and plainly

LOSSES: tuple[Callable[[Tensor, Tensor, Tensor], Tensor], ...] = (
    lambda a, b, h: (a * h - b) ** 2,
    lambda a, b, h: torch.tanh(a * h) + a * a,
    lambda a, b, h: torch.exp(-b * h) * a,
)
STEPPERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, 0.1),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, 0.1),
}
ACTIONS = st.sampled_from(
    [
        *(("pass", n) for n in range(len(LOSSES))),
        ("twice", 0),
        ("carried", 0),
        ("step", 0),
        ("step", 1),
        ("none", 0),
        ("zero", 0),
        ("clip", 0),
        ("by hand", 0),
        ("closure", 0),
    ]
)


@dataclass
class Seen:
    """What torch held: after each backward pass, and at the end."""

    losses: list[float] = field(default_factory=list)
    before: list[dict[str, float]] = field(default_factory=list)
    after: list[dict[str, tuple[float, float | None]]] = field(default_factory=list)
    end: dict[str, tuple[float, float | None]] = field(default_factory=dict)


def state(model: nn.ParameterDict) -> dict[str, tuple[float, float | None]]:
    return {name: (p.item(), None if p.grad is None else p.grad.item()) for name, p in model.items()}


def run(model: nn.ParameterDict, program: Sequence[tuple[str, int]], kinds: Sequence[str], seen: Seen | None) -> None:
    optimizers = [STEPPERS[kind]([p]) for kind, p in zip(kinds, model.values(), strict=True)]
    h = torch.tensor(0.5, dtype=torch.float64)

    def backward(loss: Tensor, **options: Any) -> Tensor:
        if seen is not None:
            seen.losses.append(loss.item())
            seen.before.append({name: p.item() for name, p in model.items()})
        loss.backward(**options)
        if seen is not None:
            seen.after.append(state(model))
        return loss

    for action, n in program:
        a, b, h = model["a"], model["b"], h.detach()
        if action == "pass":
            backward(LOSSES[n](a, b, h))
        elif action == "twice":
            loss = LOSSES[n](a, b, h)
            backward(loss, retain_graph=True)
            backward(loss)
        elif action == "carried":
            h = torch.tanh(h * a)
            backward((h - b) ** 2)
        elif action == "step":
            optimizers[n].step()
        elif action == "none":
            model.zero_grad()
        elif action == "zero":
            optimizers[n].zero_grad(set_to_none=False)
        elif action == "clip":
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        elif action == "by hand":
            with torch.no_grad():
                for p in model.parameters():
                    if p.grad is not None:
                        p -= 0.1 * p.grad
        elif action == "closure":

            def closure() -> Tensor:
                optimizers[0].zero_grad()
                return backward(LOSSES[0](model["a"], model["b"], h))  # noqa: B023

            optimizers[0].step(closure)  # type: ignore[arg-type]
    if seen is not None:
        seen.end = state(model)


def fresh() -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(torch.tensor(v, dtype=torch.float64)) for name, v in zip("ab", (0.7, -0.4), strict=True)})


def told(graph: Graph) -> Telling:
    """The story and its picture, without places."""
    rounds = on_one_picture(rounds_of(graph, [*range(len(graph.passes))]))
    return PassStory(rounds).told(words_of_graph(rounds[-1].graph, Options(values=True, gradients=True)))


def value_text(number: float) -> str:
    return number_in_one_line(Snapshot((), "float64", number))


def grad_text(number: float | None) -> str:
    return gradient_text(None if number is None else Snapshot((), "float64", number))


def shown(telling: Telling, moment: int) -> dict[str, tuple[str, str]]:
    """Of each leaf, what its value and its .grad are said to be."""
    changes = [*telling.story.opening, *(change for step in telling.story.steps[: moment + 1] for change in step.changes)]
    found = {}
    for box in restyle(telling.scene, changes).boxes:
        lines = {line.role: line.text for line in box.lines}
        if box.kind == "leaf":
            found[box.name] = lines["value"], lines["gradient"].removeprefix(".grad ")
    return found


def moments(telling: Telling) -> list[int]:
    """For each pass, the step in which it has brought all that it brings."""
    found: dict[str, int] = {}
    number = ""
    for n, step in enumerate(telling.story.steps):
        if step.caption[0].startswith("Pass "):
            number = step.caption[0].split()[1]
        if step.phase in ("backward", "accumulate"):
            found[number] = n
    return list(found.values())


@settings(max_examples=int(__import__("os").environ.get("N","30")), deadline=None)
@given(st.lists(ACTIONS, min_size=1, max_size=7), st.tuples(*[st.sampled_from(sorted(STEPPERS))] * 2))
def test_every_number_of_every_moment_is_torchs(program: list[tuple[str, int]], kinds: tuple[str, str]) -> None:
    seen, model = Seen(), fresh()
    run(fresh(), program, kinds, seen)
    with gad.record(model) as recorded:
        run(model, program, kinds, None)
    if not seen.losses:
        return
    graph = recorded.graph
    rounds = rounds_of(graph, [*range(len(graph.passes))])
    assert [next(node for node in one.graph.node_list if node.is_output).value.item() for one in rounds] == seen.losses  # type: ignore[union-attr]
    for one, before, after in zip(rounds, seen.before, seen.after, strict=True):
        named = {node.key: str(node.name) for node in one.graph.node_list if node.kind == "leaf"}
        assert {named[key]: one.graph.nodes[key].value.item() for key in named if key in one.here} == {  # type: ignore[union-attr]
            name: before[name] for key, name in named.items() if key in one.here
        }
        brought = {named[added.leaf]: added.total.item() for added in one.additions if added.total is not None}
        assert brought == {name: after[name][1] for name in brought}
    telling = told(graph)
    ends = [*moments(telling), len(telling.story.steps) - 1]
    states = [{n: (b[n], a[n][1]) for n in b} for b, a in zip(seen.before, seen.after, strict=True)] + [seen.end]
    for moment, state_then in zip(ends, states, strict=True):
        for name, (value, grad) in shown(telling, moment).items():
            is_value, is_grad = state_then[name]
            assert value == value_text(is_value), (moment, name)
            assert grad.rpartition("= ")[2] == grad_text(is_grad), (moment, name)
    said = telling.story.steps[-1].caption[-1]
    for part in said.split(", "):
        name, _, grad = part.partition(".grad = ")
        assert grad == grad_text(seen.end[name][1])
