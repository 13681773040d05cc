"""Films of training: every number of every moment is torch's, whatever loop ran."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.film.film_frames import film_frames
from graphviz_ad._internal.film.memories import ROLE, moved_in
from graphviz_ad._internal.film.rounds import rounds_of
from graphviz_ad._internal.film.story_choice import PassStory, Telling
from graphviz_ad._internal.film.story_passes import on_one_picture
from graphviz_ad._internal.graph.grad_history import STEP, UPDATED
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.formula_values import evaluate
from graphviz_ad._internal.maths.number_format import number_in_one_line, short_number
from graphviz_ad._internal.scene.canvas import Curve, Label, Rect
from graphviz_ad._internal.scene.font_metrics import text_width
from graphviz_ad._internal.scene.grids import grid_size
from graphviz_ad._internal.scene.loss_curve import PART, curve_marks
from graphviz_ad._internal.scene.overview import bounds
from graphviz_ad._internal.scene.paint import paint_frame, stacked_lines
from graphviz_ad._internal.scene.program_panel import OWNER
from graphviz_ad._internal.scene.scene import Line, LossCurve, Stop, restyle
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.short_text import gradient_text
from graphviz_ad._internal.scene.words.signs import NOT_YET
from graphviz_ad._internal.scene.words.tensor_grids import value_grid_of

EXAMPLES = int(os.environ.get("FUZZ", "8"))  # each takes more than half a second; 220 were tried

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
    "decayed": lambda parameters: torch.optim.AdamW(parameters, 0.1),
    "looking ahead": lambda parameters: torch.optim.SGD(parameters, 0.1, 0.9, weight_decay=0.1, nesterov=True),
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
    memories: list[dict[str, list[float]]] = field(
        default_factory=list
    )  # of optimizers: after each pass, and at the end


def memory(optimizers: Sequence[torch.optim.Optimizer], model: nn.ParameterDict) -> dict[str, list[float]]:
    """What each parameter's optimizer remembers of it, but for how many steps it took."""
    states = {name: optimizer.state.get(p, {}) for optimizer, (name, p) in zip(optimizers, model.items(), strict=True)}
    return {
        name: [known.item() for key, known in held.items() if key != "step" and known is not None]
        for name, held in states.items()
    }


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
            seen.memories.append(memory(optimizers, model))
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
        elif action == "clipping":
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
        seen.memories.append(memory(optimizers, model))


def fresh() -> nn.ParameterDict:
    return nn.ParameterDict(
        {name: nn.Parameter(torch.tensor(v, dtype=torch.float64)) for name, v in zip("ab", (0.7, -0.4), strict=True)}
    )


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
    changes = [
        *telling.story.opening,
        *(change for step in telling.story.steps[: moment + 1] for change in step.changes),
    ]
    found = {}
    for box in restyle(telling.scene, changes).boxes:
        lines = {line.role: line.text for line in box.lines}
        if box.kind == "leaf":
            found[box.key] = lines["value"], lines["gradient"].removeprefix(".grad ")
    return found


def names_of_leaves(graph: Graph, drawn: Graph) -> dict[str, str]:
    """Key of a box -> which of the parameters that is, by what it held first: nobody knows names of what is gone."""
    first: dict[int, str] = {}
    for node in graph.node_list:
        for port in node.ports:
            if port.tensor is not None and port.value is not None:
                first.setdefault(port.tensor, {0.7: "a", -0.4: "b"}.get(port.value.item(), "?"))  # type: ignore[arg-type]
    leaves = (node for node in drawn.node_list if node.kind == "leaf")
    return {node.key: first[node.ports[0].tensor] for node in leaves}  # type: ignore[index]


def remembered(telling: Telling, moment: int) -> dict[str, list[str]]:
    """Of each leaf, what its optimizer is said to remember; nothing of what is not there yet."""
    changes = [
        *telling.story.opening,
        *(change for step in telling.story.steps[: moment + 1] for change in step.changes),
    ]
    return {
        box.key: [number for line in box.lines if line.role == ROLE and (number := line.text.split(" ")[1]) != NOT_YET]
        for box in restyle(telling.scene, changes).boxes
        if box.kind == "leaf"
    }


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


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ACTIONS, min_size=1, max_size=7), st.tuples(*[st.sampled_from(sorted(STEPPERS))] * 2), st.booleans())
def test_every_number_of_every_moment_is_torchs(
    program: list[tuple[str, int]], kinds: tuple[str, str], dies: bool
) -> None:
    seen, model = Seen(), fresh()
    run(fresh(), program, kinds, seen)
    with gad.record(None if dies else model) as recorded:
        run(fresh() if dies else model, program, kinds, None)
    if not seen.losses:
        return
    graph = recorded.graph
    rounds = rounds_of(graph, [*range(len(graph.passes))])
    assert [next(node for node in one.graph.node_list if node.is_output).value.item() for one in rounds] == seen.losses  # type: ignore[union-attr]
    named = names_of_leaves(graph, rounds[-1].graph)
    for one, before, after in zip(rounds, seen.before, seen.after, strict=True):
        assert {named[key]: one.graph.nodes[key].value.item() for key in named if key in one.here} == {  # type: ignore[union-attr]
            name: before[name] for key, name in named.items() if key in one.here
        }
        brought = {named[added.leaf]: added.total.item() for added in one.additions if added.total is not None}
        assert brought == {name: after[name][1] for name in brought}
    telling = told(graph)
    held = [one.holds for one in graph.grad_histories if one.gone and one.holds is not None]
    unseen = {gradient_text(snap) for snap in held if snap.missing}
    ends = [*moments(telling), len(telling.story.steps) - 1]
    states = [{n: (b[n], a[n][1]) for n in b} for b, a in zip(seen.before, seen.after, strict=True)] + [seen.end]
    for moment, state_then, memory_then in zip(ends, states, seen.memories, strict=True):
        for key, (value, grad) in shown(telling, moment).items():
            name = named[key]
            is_value, is_grad = state_then[name]
            assert value == value_text(is_value), (moment, name)
            assert grad.rpartition("= ")[2] in (grad_text(is_grad), *unseen), (moment, name)
        for key, numbers in remembered(telling, moment).items():
            assert numbers == [grad_text(number) for number in memory_then[named[key]]], (moment, named[key])
    said = telling.story.steps[-1].caption[-1]
    for part in said.split(", "):
        name, is_grad, grad = part.partition(".grad = ")
        if not is_grad:
            name, _, value = part.partition(" = ")
            assert value in {value_text(seen.end[one][0]) for one in (seen.end if dies else [name])}
            continue
        assert grad in ({grad_text(seen.end[one][1]) for one in (seen.end if dies else [name])} | unseen)
    assert bool(telling.story.steps[-1].sentence) == dies


# --- boxes


def trained(steps: int = 3) -> Graph:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.1, momentum=0.9)
    xs = [torch.tensor(x, dtype=torch.float64) for x in range(1, steps + 1)]
    with gad.record() as recorded:
        for x in xs:
            optimizer.zero_grad()
            loss = (w * x - 3) ** 2
            loss.backward()
            optimizer.step()
    return recorded.graph


def test_a_line_is_one_box_and_so_is_a_leaf_however_often_the_loop_runs() -> None:
    for steps in (2, 5):
        first, *others = rounds_of(trained(steps), True)
        said = sorted(node.op or node.name or "" for node in first.graph.node_list)
        assert said == ["", "", "mul", "pow", "sub", "w", "x"]
        for one in others:
            assert list(one.graph.nodes) == list(first.graph.nodes)
            assert one.graph.edges
            assert {e.key for e in one.graph.edges} == {e.key for e in first.graph.edges}


def test_windows_of_a_recurrent_net_are_one_window_whose_state_comes_from_the_one_before() -> None:
    w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    h, states = torch.tensor(0.3, dtype=torch.float64), []
    with gad.record() as recorded:
        for _ in range(3):
            h = h.detach()
            states.append(h.item())
            for _ in range(2):
                h = torch.tanh(w * h)
            loss = (h - 1) ** 2
            loss.backward()
    rounds = rounds_of(recorded.graph, True)
    assert len(rounds[0].graph.nodes) == len(rounds[0].here)
    for one, state_then in zip(rounds, states, strict=True):
        (detached,) = (node for node in one.graph.node_list if node.op == "detach")
        assert detached.value is not None
        assert detached.value.item() == state_then
        assert one.here == rounds[0].here


def test_two_losses_share_the_boxes_that_both_come_by() -> None:
    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    with gad.record() as recorded:
        y = w * 3
        (y**2).backward(retain_graph=True)
        (y + 1).backward()
    first, second = rounds_of(recorded.graph, True)
    (y_box,) = (node.key for node in first.graph.node_list if node.name == "y")
    assert y_box in first.here & second.here
    assert y_box not in second.fresh
    told_again = [step.caption[0] for step in told(recorded.graph).story.steps if step.phase == "forward"]
    assert told_again.count("y = w × 3") == 1


@pytest.mark.parametrize(
    ("passes", "numbers"),
    [(True, [1, 2, 3]), ("all", [1, 2, 3]), (0, [1]), (-1, [3]), ([2, 0], [1, 3]), (slice(1, None), [2, 3])],
)
def test_passes_choose(passes: Any, numbers: list[int]) -> None:
    film = trained().animate(passes=passes, layout="layered")
    said = {step.caption[0].split()[1] for step in film.steps if step.caption[0].startswith("Pass ")}
    assert sorted(map(int, said)) == numbers


@pytest.mark.parametrize("passes", [3, [], [0, 7], slice(5, None), slice(None, None, 0), slice("w", 1.5)])
def test_passes_that_were_not_recorded_are_refused(passes: Any) -> None:
    with pytest.raises(OptionError, match="the 3 recorded backward passes"):
        trained().animate(passes=passes)


def test_a_step_is_told_by_its_rule_in_numbers_and_one_whose_rule_is_not_known_by_what_was_and_is() -> None:
    def said(make: Any, **options: Any) -> list[str]:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        optimizer = make([w], 0.5, **options)
        with gad.record() as recorded:
            (w * w).sum().backward()
            optimizer.step()
        steps = recorded.graph.animate(passes=0, layout="layered").steps
        return [step.caption[1] for step in steps if step.phase == "update"]

    class Odd(torch.optim.SGD):
        @torch.no_grad()
        def step(self) -> None:  # type: ignore[override]
            self.param_groups[0]["params"][0].sub_(1.0)

    assert said(torch.optim.SGD) == ["w = [1, 2] − 0.5 × [2, 4] = [0, 0]"]
    assert said(torch.optim.SGD, momentum=0.9) == [
        "velocity = [2, 4]",  # v₁ is a result on the picture
        "w = [1, 2] − 0.5 × [2, 4] = [0, 0]",
    ]
    assert said(torch.optim.SGD, weight_decay=0.1) == [
        "g = [2, 4] + 0.1 × [1, 2] = [2.1, 4.2]",
        "w = [1, 2] − 0.5 × [2.1, 4.2] = [−0.05, −0.1]",
    ]
    assert said(torch.optim.Adam, betas=(0.5, 0.75)) == [
        "m = 0.5 × [0, 0] + 0.5 × [2, 4] = [1, 2]",
        "s = 0.75 × [0, 0] + 0.25 × [2, 4]² = [1, 4]",
        "m′ = [1, 2] / (1 − 0.5¹) = [2, 4]",
        "s′ = [1, 4] / (1 − 0.75¹) = [4, 16]",
        "w = [1, 2] − 0.5 × [2, 4] / (√[4, 16] + 1e−8) = [0.5, 1.5]",
    ]
    assert said(torch.optim.Adam, betas=(0.5, 0.75), amsgrad=True)[2:] == [
        "V = max([0, 0], [1, 4]) = [1, 4]",
        "m′ = [1, 2] / (1 − 0.5¹) = [2, 4]",
        "s′ = [1, 4] / (1 − 0.75¹) = [4, 16]",
        "w = [1, 2] − 0.5 × [2, 4] / (√[4, 16] + 1e−8) = [0.5, 1.5]",
    ]
    assert said(torch.optim.Adagrad) == [
        "s = [0, 0] + [2, 4]² = [4, 16]",
        "w = [1, 2] − 0.5 × [2, 4] / (√[4, 16] + 1e−10) = [0.5, 1.5]",
    ]
    assert said(torch.optim.Adagrad, lr_decay=0.1)[1:] == [
        "η = 0.5 / (1 + (1 − 1) × 0.1) = 0.5",
        "w = [1, 2] − 0.5 × [2, 4] / (√[4, 16] + 1e−10) = [0.5, 1.5]",
    ]
    assert said(torch.optim.Adamax, betas=(0.5, 0.75), eps=0.0) == [
        "m = 0.5 × [0, 0] + 0.5 × [2, 4] = [1, 2]",
        "u = max(0.75 × [0, 0], |[2, 4]| + 0) = [2, 4]",
        "m′ = [1, 2] / (1 − 0.5¹) = [2, 4]",
        "w = [1, 2] − 0.5 × [2, 4] / [2, 4] = [0.5, 1.5]",
    ]
    assert said(torch.optim.Adadelta, rho=0.75, eps=0.0) == [
        "s = 0.75 × [0, 0] + 0.25 × [2, 4]² = [1, 4]",
        "Δ = √([0, 0] + 0) × [2, 4] / √([1, 4] + 0) = [0, 0]",
        "u = 0.75 × [0, 0] + 0.25 × [0, 0]² = [0, 0]",
        "w = [1, 2] − 0.5 × [0, 0] = [1, 2]",
    ]
    assert said(torch.optim.Rprop) == ["w goes from [1, 2] to [0.5, 1.5]"]
    assert said(Odd, momentum=0.9) == ["w goes from [1, 2] to [0, 1]"]


def test_clipping_groups_and_schedules_are_told_in_the_numbers_of_that_moment() -> None:
    a, b, c = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (1.0, 2.0, 3.0))
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b, c], "lr": 0.01}], lr=0.1)
    slower = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    with gad.record() as recorded:
        for limit in (5.0, 1000.0):
            loss = (a * b * c - 1) ** 2
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([a, b, c], limit)
            optimizer.step()
            slower.step()
    steps = recorded.graph.animate(layout="layered").steps
    (clip,) = (step for step in steps if step.phase == "clipping")  # the other is shorter than its limit
    assert clip.caption[0].partition(" (")[0] == (
        "Pass 1 of 2: clip_grad_norm_ multiplies .grad of 3 parameters by 0.07143"
    )
    made = ["norm 70 → 5, of all together", "a.grad = 0.07143 × 60 = 4.286", "b.grad = 0.07143 × 30 = 2.143"]
    assert clip.caption[1].split("; ") == [*made, "c.grad = 0.07143 × 20 = 1.429"]
    updates = [step for step in steps if step.phase == "update"]
    assert [step.caption[1] for step in updates[:2]] == [
        "a = 1 − 0.1 × 4.286 = 0.5714",
        "b = 2 − 0.01 × 2.143 = 1.979; c = 3 − 0.01 × 1.429 = 2.986",
    ]
    assert [step.sentence for step in updates[1:]] == [
        "",
        "The learning rate is 0.05 now; it was 0.1.",
        "The learning rate is 0.005 now; it was 0.01.",
    ]
    told_again = next(
        step for step in steps if step.caption[0] == "Pass 2 of 2: the same forward pass with the new values"
    )
    assert told_again.caption[1] == "a = 0.5714, b = 1.979, c = 2.986, so loss = 5.644"


def said_of_two_steps(optimizer: torch.optim.Optimizer, loss: Any, **named: nn.Parameter) -> list[tuple[str, ...]]:
    with gad.record(nn.ParameterDict(named)) as recorded:
        for _ in range(2):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    return [step.caption for step in recorded.graph.animate(layout="layered").steps if step.phase == "update"]


def test_a_rule_in_the_name_of_a_parameter_has_the_numbers_of_that_parameter() -> None:
    w = nn.Parameter(torch.arange(16.0, dtype=torch.float64).reshape(4, 4))
    b = nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
    adam = torch.optim.Adam([w, b], 0.1)
    told = said_of_two_steps(adam, lambda: (w * w).sum() + (b * b).sum(), w=w, b=b)
    assert "w.grad" in told[0][0]
    assert all("w[0,1]" in numbers.partition(";")[0] for _, numbers in told)  # w[0,0] has no gradient
    assert all("b" in numbers for _, numbers in told)
    made = next(numbers for rule, numbers in reversed(told) if "w ← " in rule).partition(";")[0]
    assert made.endswith(f"= {value_text(w[0, 1].item())}")


def test_what_decay_takes_is_told_in_every_step() -> None:
    w = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    sgd = torch.optim.SGD([w], 0.5, weight_decay=0.25)
    assert (
        said_of_two_steps(sgd, lambda: w * 2, w=w)[-1][1]
        == "g = 2 + 0.25 × (−0.125) = 1.969; w = −0.125 − 0.5 × 1.969 = −1.109"
    )
    w = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    adam = torch.optim.AdamW([w], 0.5, weight_decay=0.5)
    first, last = said_of_two_steps(adam, lambda: w * 2, w=w)[-1][1].split("; ")[::2]
    assert first == "w = 0.25 − 0.5 × 0.5 × 0.25 = 0.1875"
    assert last.startswith("w = 0.1875 − ")


@pytest.mark.parametrize(("rate", "same"), [(1.1, True), (0.1, True), (1.1, False), (0.0, True)], ids=str)
def test_a_loss_that_rose_is_said_to_have_risen_where_it_is_of_the_same_data(rate: float, same: bool) -> None:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    sgd = torch.optim.SGD([w], rate)
    losses, slopes = [], []
    with gad.record() as recorded:
        for n in range(3):
            x = torch.tensor(3.0 if same else 3.0 + n, dtype=torch.float64)
            sgd.zero_grad()
            loss = (w - x) ** 2
            loss.backward()
            sgd.step()
            losses.append(loss.item())
            slopes.append(w.grad.item())  # type: ignore[union-attr]
    steps = recorded.graph.animate(layout="layered").steps
    rises = [(a, b) for a, b in pairwise(losses) if b > a and same]
    said = [step.sentence for step in steps if " rose, from " in step.sentence]
    assert said == [f"Here loss rose, from {value_text(a)} to {value_text(b)}." for a, b in rises]
    turned = [1 for (a, b), (c, d) in zip(pairwise(losses), pairwise(slopes), strict=True) if b > a and c * d < 0]
    assert sum("went too far" in step.sentence for step in steps) == (len(turned) if same else 0)
    assert any(" along the gradient" in step.caption[0] for step in steps if step.caption) is False


def test_a_step_says_from_where_to_where_it_moves_and_what_is_remembered() -> None:
    telling = told(trained(2))
    updates = [n for n, step in enumerate(telling.story.steps) if step.phase == "update"]
    seen = [(*shown(telling, n).values(), *remembered(telling, n).values()) for n in (*updates, updates[1] + 1)]
    assert [value for (value, _), _ in seen] == ["1", "1 → 1.4", "1.4", "1.4 → 1.84", "1.4"]
    assert [numbers for _, numbers in seen] == [["−4"], ["−4"], ["−4.4"], ["−4.4"], ["−4"]]


def test_only_what_a_step_is_about_is_lit_in_a_forward_pass() -> None:
    telling = told(trained(2))
    changes = [*telling.story.opening]
    for step in telling.story.steps:
        changes += step.changes
        lit = {box.key for box in restyle(telling.scene, changes).boxes if box.emphasis == "active"}
        if step.phase == "forward":
            assert lit == {change.key for change in step.changes if change.emphasis == "active"}


def in_place(w: Tensor, g: Tensor, lr: float) -> None:
    w -= lr * g


def through_data(w: Tensor, g: Tensor, lr: float) -> None:
    w.data -= g.data * lr


def by_a_setting(w: Tensor, g: Tensor, lr: float) -> None:
    w.sub_(g, alpha=lr)


def added(w: Tensor, g: Tensor, lr: float) -> None:
    w.add_(-g, alpha=lr)


def by_a_tensor(w: Tensor, g: Tensor, lr: float) -> None:
    w += torch.tensor(-lr, dtype=w.dtype) * g.clone()


def copied(w: Tensor, g: Tensor, lr: float) -> None:
    w.copy_(w - g / (1 / lr))


def data_set(w: Tensor, g: Tensor, lr: float) -> None:
    w.data = w.data - lr * g


def decayed(w: Tensor, g: Tensor, lr: float) -> None:
    w -= lr * (g + 0.5 * w)


def times_itself(w: Tensor, g: Tensor, lr: float) -> None:
    w -= lr * g * w


def signs_alone(w: Tensor, g: Tensor, lr: float) -> None:
    w -= lr * g.sign()


def of_what_was(w: Tensor, g: Tensor, lr: float) -> None:
    before = w.clone()
    w.mul_(0.5)
    w.copy_(before - lr * g)


def made_whole(w: Tensor, g: Tensor, lr: float) -> None:
    w -= torch.div(g, 1 / lr, rounding_mode="floor")


def with_an_earlier_gradient(w: Tensor, g: Tensor, lr: float) -> None:
    earlier = vars(w).get("earlier")
    vars(w)["earlier"] = g.clone()
    w.mul_(0.5) if earlier is None else w.sub_(g + 0.9 * earlier, alpha=lr)


STEPS_BY_HAND = (in_place, through_data, by_a_setting, added, by_a_tensor, copied, data_set)
OTHER_STEPS = (decayed, times_itself, signs_alone, of_what_was, made_whole, with_an_earlier_gradient)


@pytest.mark.parametrize(("lr", "shape"), [(0.25, ()), (-0.1, (2,))], ids=str)
@pytest.mark.parametrize("step", [*STEPS_BY_HAND, *OTHER_STEPS])
def test_a_step_that_is_written_by_hand_is_told_with_its_rate_and_no_other_is(
    step: Callable[[Tensor, Tensor, float], None], lr: float, shape: tuple[int, ...]
) -> None:
    w = torch.full(shape, 2.0, dtype=torch.float64, requires_grad=True)
    seen = []
    with gad.record() as recorded:
        for _ in range(2):
            ((w - 3) ** 2).sum().backward()
            assert w.grad is not None
            seen.append((w.detach().clone(), w.grad.clone()))
            with torch.no_grad():
                step(w, w.grad, lr)
            w.grad = None
    seen.append((w.detach().clone(), torch.zeros(shape)))
    rounds = rounds_of(recorded.graph, True)
    for n, one in enumerate(rounds):
        deeds = [deed for chapter in one.after for deed in chapter.deeds if chapter.what == UPDATED]
        rates = [None if deed.rule is None else -deed.rule.factor for deed in deeds]
        if step in OTHER_STEPS:
            assert rates == [None] * len(rates)
            assert all(deed.update is None for deed in deeds)
            continue
        assert rates == [pytest.approx(lr)]
        (old, grad), (new, _) = seen[n], seen[n + 1]
        (deed,) = deeds
        assert deed.rule is not None
        assert deed.update is not None
        assert deed.update.old == (None if step is data_set else deed.old)
        for known, number in ((deed.old, old), (deed.rule.read, grad), (deed.new, new)):
            assert known is not None
            assert np.array_equal(known.array, number.numpy())
    told_of = [s.caption[0] for s in recorded.graph.animate(layout="layered").steps if s.phase == "update"]
    way = "updates w" if step in OTHER_STEPS else "moves w against" if lr > 0 else "moves w along"
    assert told_of
    assert all(way in caption for caption in told_of)


OPTIONS = {
    "SGD": {"momentum": [0.0, 0.9], "dampening": [0.0, 0.5], "nesterov": [False, True], "weight_decay": [0.0, 0.1]},
    "Adam": {"betas": [(0.9, 0.999), (0.5, 0.6)], "weight_decay": [0.0, 0.1], "eps": [1e-8, 1e-2]},
    "AdamW": {"betas": [(0.9, 0.999), (0.5, 0.6)], "weight_decay": [0.0, 0.1]},
    "Adagrad": {"initial_accumulator_value": [0.0, 0.5], "weight_decay": [0.0, 0.1], "eps": [1e-10, 1e-2]},
    "RMSprop": {"alpha": [0.99, 0.5], "momentum": [0.0, 0.9], "weight_decay": [0.0, 0.1]},
}


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_line_of_an_optimizers_step_has_torchs_numbers(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(OPTIONS)))
    flags: dict[str, list[Any]] = {"foreach": [False, True], "maximize": [False, True], "lr": [0.1, 0.003]}
    options = {name: data.draw(st.sampled_from(values)) for name, values in {**OPTIONS[kind], **flags}.items()}
    if options.get("nesterov") and (not options["momentum"] or options["dampening"]):
        options["nesterov"] = False  # torch refuses it
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    start = data.draw(st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=2))

    def run() -> Iterator[tuple[Any, Tensor]]:
        w = torch.tensor(start, dtype=dtype, requires_grad=True)
        optimizer = getattr(torch.optim, kind)([w], **options)
        for _ in range(3):
            optimizer.zero_grad()
            ((w - 1) ** 2).sum().backward()
            optimizer.step()
            yield optimizer, w

    seen = [
        {name: known.clone() for name, known in optimizer.state[w].items() if isinstance(known, Tensor)}
        | {"w": w.detach().clone()}
        for optimizer, w in run()
    ]
    with gad.record() as recorded:
        held = [*run()]  # or the parameter would be gone before the recording ends
    assert held
    for one, state_then in zip(rounds_of(recorded.graph, True), seen, strict=True):
        (chapter,) = [chapter for chapter in one.after if chapter.what == STEP]
        (deed,) = chapter.deeds
        assert deed.lines
        last = {line.result: line for line in deed.lines}
        assert {name for name in state_then if name != "step"} <= {*last}
        for name, line in last.items():
            assert line.made.array is not None
            if line.recorded:
                assert line.made.array.tolist() == state_then[name].tolist(), name
            assert np.allclose(evaluate(line.formula, {n: s.array for n, s in line.values.items()}), line.made.array)


def test_what_empties_grad_is_told_where_the_program_does_it() -> None:
    def told_phases(*order: str) -> list[str]:
        w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        optimizer, loss = torch.optim.SGD([w], 0.1), w
        does = {"zero": optimizer.zero_grad, "step": optimizer.step, "backward": lambda: loss.backward()}
        with gad.record() as recorded:
            for _ in range(2):
                for action in order:
                    if action == "forward":
                        loss = (w - 3) ** 2
                    else:
                        does[action]()  # type: ignore[operator]
        steps = told(recorded.graph).story.steps
        return [phase for phase, _ in groupby(step.phase for step in steps) if phase not in ("start", "end")]

    names = {"zero": "zero", "step": "update", "forward": "forward", "backward": "backward"}
    for order in (
        ("zero", "forward", "backward", "step"),
        ("forward", "zero", "backward", "step"),
        ("forward", "backward", "step", "zero"),
        ("forward", "backward", "zero"),
    ):
        told_of = [names[action] for action in (*order, *order)]
        if order.index("zero") < order.index("backward"):  # there is nothing to be emptied yet
            told_of.remove("zero")
        assert told_phases(*order) == told_of, order


def test_the_losses_are_a_curve_that_grows_with_the_passes() -> None:
    film = trained().animate(layout="layered")
    curve = film.film.curve
    assert curve is not None
    w, velocity, losses = 1.0, 0.0, []
    for x in (1, 2, 3):
        losses.append((w * x - 3) ** 2)
        velocity = 0.9 * velocity + 2 * (w * x - 3) * x
        w -= 0.1 * velocity
    assert all(math.isclose(a, b) for a, b in zip(curve.losses, losses, strict=True))
    points = [sum(mark.part == "curve" for mark in film.frame(i).canvas.marks) for i in range(len(film.steps))]
    assert points == sorted(points)
    assert [points.index(count) for count in sorted(set(points))][1:] == [
        i for i, step in enumerate(film.film.steps) if step.losses
    ]


@pytest.mark.parametrize(("aspect", "code"), [("16:9", False), ("16:9", True), ("4:3", False), ("4:3", True)])
def test_where_a_camera_looks_the_losses_stand_beside_the_stage(aspect: Any, code: bool) -> None:
    w = torch.tensor(0.5, requires_grad=True)
    with gad.record() as recorded:
        for _ in range(2):
            y = w
            for _ in range(6):
                y = torch.tanh(y * w) + w
            y.backward()
    film = recorded.graph.animate(layout="layered", aspect=aspect, code=code).film
    room = film.rooms().chart
    assert film.views
    assert room is not None
    for i, frame in enumerate(film_frames(film)):
        chart = [mark for mark in frame.marks if mark.part == "curve"]
        assert chart
        assert all(room.holds(bounds(mark)) for mark in chart)
        assert all(mark.size >= 14 for mark in chart if isinstance(mark, Label))
        boxes = [mark for mark in paint_frame(film, i).marks if mark.part == "frame"]
        assert film.is_close(film.fit(film.view(i))) or not any(room.meets(bounds(mark)) for mark in boxes)
        assert not any(room.meets(bounds(mark)) for mark in frame.marks if mark.owner == OWNER)


def test_what_is_folded_or_was_not_kept_is_told_as_far_as_it_is_known() -> None:
    def loop(capture: gad.Capture | None = None) -> Graph:
        net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        optimizer = torch.optim.Adam(net.parameters())
        with gad.record(net, capture) as recorded:
            for _ in range(2):
                optimizer.zero_grad()
                net(torch.ones(4, 2)).mean().backward()
                optimizer.step()
        return recorded.graph

    folded = loop().animate(depth=1, layout="layered").steps
    said = [step.caption[0] for step in folded if step.phase == "update"]
    assert [text.partition(" (")[0].partition(": ")[2] for text in said] == ["Adam.step updates 4 parameters"] * 2
    without = loop(gad.Capture(gradients="none")).animate(passes=True, layout="layered").steps
    assert {step.phase for step in without} == {"start", "forward", "end"}
    assert without[-1].caption[0] == "The forward pass is complete"


def test_boxes_that_are_left_where_modules_are_folded_are_still_those_of_their_leaves() -> None:
    net = nn.ModuleDict({"G": nn.Linear(1, 2), "D": nn.Sequential(nn.Linear(2, 1), nn.Tanh())}).double()
    optimizers = {name: torch.optim.SGD(part.parameters(), 0.1, 0.9) for name, part in net.items()}
    one, ones = torch.ones(1, 1, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    with gad.record(net) as recorded:
        for _ in range(2):
            fake = net["G"](one)
            (net["D"](ones) - net["D"](fake.detach())).sum().backward()
            optimizers["D"].step()
            net["D"](fake).sum().backward()
            optimizers["G"].step()
            optimizers["G"].zero_grad()
    film = recorded.graph.animate(depth=1, layout="layered").film
    parameters = dict(net.named_parameters())
    left = {box.name: box for box in film.scene(len(film.steps) - 1).boxes if box.kind == "leaf"}
    assert {*left} == {"D.0.weight", "D.0.bias"}  # which two calls read
    for name, box in left.items():
        lines = {line.key: line.text for line in box.lines}
        buffer = optimizers["D"].state[parameters[name]]["momentum_buffer"]
        for key, held in (
            ("value", parameters[name].detach()),
            ("gradient", parameters[name].grad),
            ("memory", buffer),
        ):
            assert held is not None
            snap = Snapshot(tuple(held.shape), "float64", held.numpy())
            told_of = number_in_one_line(snap) if key == "value" else gradient_text(snap)
            assert told_of in lines[key], (name, key)
    updates = [step.caption[0] for step in film.steps if step.phase == "update"]
    assert all(("parameters" in said) == ("D.0" not in said) for said in updates)


def test_grids_side_by_side_leave_room_for_each_other_whatever_stands_in_them() -> None:
    few, many = (value_grid_of(Snapshot((2, 2), "float64", np.full((2, 2), x))) for x in (1.0, -1.23456))
    assert few is not None
    assert many is not None
    for own, other in ((few, many), (many, few)):
        beside = Line("gradient", own.said, grid=replace(own, beside=True), other_grids=(other,))
        for text in (own.said, other.said):
            line = Line("value", text, grid=own, other_grids=(other,))
            (_, first, _), (_, second, _) = stacked_lines([line, beside], (0.0, 500.0), 50.0)
            assert line.drawn is not None
            assert grid_size(line.drawn, bold=True)[0] <= first[1] - first[0] + 1e-6
            assert first[1] < second[0]


def test_what_a_step_only_read_is_not_said_to_be_moved() -> None:
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimizer, values = torch.optim.LBFGS([w], lr=0.5, max_iter=3), []

    def closure() -> Tensor:
        optimizer.zero_grad()
        values.append(w.item())
        loss = (w - 3) ** 2
        loss.backward()
        return loss

    with gad.record() as recorded:
        optimizer.step(closure)  # type: ignore[arg-type]
    assert values == [1.0, 1.5, w.item()]
    told_of = [step.caption[1] for step in told(recorded.graph).story.steps if step.phase == "update"]
    assert told_of == ["w goes from 1 to 1.5", "w goes from 1.5 to 2.25"]


def test_a_training_of_modules_is_told_by_modules_where_its_operations_cannot_be_read() -> None:
    net = nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2)) for _ in range(3)))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    before, far, alone = [p.detach().clone() for p in net.parameters()], 0.0, 0.0
    with gad.record(net) as recorded:
        for number in range(2):
            optimizer.zero_grad()
            (net(torch.ones(1, 2)) ** 2).sum().backward()
            optimizer.step()
            if not number:
                ways = [(p - q).norm().item() for p, q in zip(net.parameters(), before, strict=True)]
                far, alone = math.hypot(*ways), math.hypot(*ways[:4])
    film = recorded.graph.animate(layout="layered").film
    assert {box.name for box in film.stage.boxes if box.kind == "module"} == {"[0]", "[1]", "[2]"}
    (told_first, _) = (step for step in film.steps if step.phase == "update")
    assert told_first.caption[0].startswith("Pass 1 of 2: SGD.step moves 12 parameters against the gradient")
    assert told_first.caption[1].startswith(
        f"each p ← p − 0.1 × p.grad; together they move by {short_number(far)}: [0] by {short_number(alone)}, "
    )
    modules = {box.key for box in film.stage.boxes if box.kind == "module"}
    for step in film.steps:  # what becomes of parameters is seen where these are
        if step.phase in ("update", "zero"):
            assert {change.key for change in step.changes if change.emphasis == "active"} == modules


def test_a_local_derivative_is_a_fraction_in_every_pass() -> None:
    made = trained().animate().film
    lines = [line for i in range(len(made.steps)) for arrow in made.scene(i).arrows for line in arrow.lines]
    said = [line for line in lines if line.key == "local" and line.text]
    assert len({line.text for line in said}) > 3
    assert all(line.stacked is not None for line in said)


@settings(max_examples=8, deadline=None)
@given(st.floats(-3, 3), st.floats(0.05, 1.1), st.sampled_from([0.0, 0.5]), st.integers(2, 4))
def test_the_way_of_the_one_number_that_is_moved_is_what_torch_computed_and_nothing_else(
    start: float, lr: float, momentum: float, passes: int
) -> None:
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr, momentum)
    seen: list[Stop] = []
    with gad.record() as recorded:
        for _ in range(passes):
            loss = (w - 1) ** 2 + 0.5
            optimizer.zero_grad()
            loss.backward()
            assert w.grad is not None
            at, known, slope = w.item(), loss.item(), w.grad.item()
            optimizer.step()
            moved = [Stop(w.item())] if w.item() != at else []
            seen += [Stop(at, known), Stop(at, known, slope), *moved]
    film = recorded.graph.animate(layout="layered").film
    curve = film.curve
    assert curve is not None
    if all(stop.at == start for stop in seen[:-1]):
        return
    assert list(curve.stops) == seen
    assert sum(step.losses for step in film.steps) == len(seen)
    marks = [mark for mark in paint_frame(film, -1).marks if mark.part == PART and getattr(mark, "owner", "")]
    dots = [mark for mark in marks if isinstance(mark, Rect) and mark.fill]
    places = sorted((dot.x + dot.width / 2, dot.y + dot.height / 2) for dot in dots)
    losses = sorted((stop.at, stop.loss or 0.0) for stop in seen if stop.loss is not None and stop.slope is None)
    for known, wanted in zip(zip(*places, strict=True), zip(*losses, strict=True), strict=True):
        if np.ptp(wanted) > 1e-6:
            assert np.corrcoef(known, wanted)[0, 1] ** 2 == pytest.approx(1)
    title, aside = [mark for mark in paint_frame(film, -1).marks if mark.part == PART and isinstance(mark, Label)][:2]
    widths = text_width(title.text, title.size, True), text_width(aside.text, aside.size)
    assert title.x + widths[0] < aside.x - widths[1]
    tangents = [mark for mark in marks if isinstance(mark, Curve) and mark.stroke == "gradient.line"]
    slopes = [stop.slope for stop in seen if stop.slope is not None]
    assert [np.sign(line.points[0][1] - line.points[-1][1]) for line in tangents] == [*np.sign(slopes)]


def test_a_loss_that_is_not_of_one_number_alone_is_told_over_its_passes() -> None:
    def film_of(loss_of: Callable[[Tensor, Tensor, int], Tensor], others: bool = False) -> Any:
        a, b = (torch.tensor(x, requires_grad=True) for x in (1.0, 2.0))
        optimizer = torch.optim.SGD([a, b] if others else [a], 0.1)
        with gad.record() as recorded:
            for n in range(2):
                loss = loss_of(a, b, n)
                loss.backward()
                optimizer.step()
        return recorded.graph.animate(layout="layered").film

    told: list[tuple[Callable[[Tensor, Tensor, int], Tensor], bool]] = [
        (lambda a, b, n: (a * b) ** 2, True),  # two are moved
        (lambda a, b, n: (a * (n + 2)) ** 2, False),
        (lambda a, b, n: (a * torch.tensor(float(n))) ** 2, False),
        (lambda a, b, n: nn.functional.dropout(a * b, 0.5) ** 2, False),
    ]
    for loss_of, others in told:
        assert not film_of(loss_of, others).curve.stops
    assert film_of(lambda a, b, n: (a * b) ** 2).curve.stops


def test_the_step_after_a_single_pass_is_part_of_its_film() -> None:
    w = torch.tensor(1.0, requires_grad=True)
    with gad.record() as recorded:
        loss = (2 * w - 6) ** 2
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
    film = recorded.graph.animate(layout="layered")
    assert [step.caption[1] for step in film.steps if step.phase == "update"] == ["w = 1 − 0.1 × (−16) = 2.6"]
    assert not any("Pass 1" in line for step in film.steps for line in step.caption)
    assert film.film.curve is None


def test_nothing_hides_the_lines_of_the_chart_in_whatever_order_it_is_painted() -> None:
    made = trained().animate().film
    marks = [mark for mark in paint_frame(made, -1).marks if mark.part == PART]
    assert len([mark for mark in marks if isinstance(mark, Curve) and mark.owner]) == 2  # between three losses
    assert not [mark for mark in marks if isinstance(mark, Rect) and mark.fill is not None and mark.width > 20]


@pytest.mark.parametrize("losses", [(8.0, 4.0, 2.0), (30.0, 0.2, 0.004, 0.05), (3.0, 0.0, 1.0), (1e9, 1.0, 1e-9)])
def test_losses_stand_over_powers_of_ten_where_they_are_far_apart_and_else_over_numbers(
    losses: tuple[float, ...],
) -> None:
    curve = LossCurve(("loss",) * len(losses), losses, tuple(range(1, len(losses) + 1)), (0.0, 0.0))
    marks = [*curve_marks(curve, len(losses))]
    dots = [mark.y + mark.height / 2 for mark in marks if isinstance(mark, Rect) and mark.owner]
    far = min(losses) > 0 and max(losses) >= 100 * min(losses)
    heights = [math.log10(loss) if far else loss for loss in losses]
    slope = (dots[1] - dots[0]) / (heights[1] - heights[0])
    assert slope < 0
    assert dots == pytest.approx([dots[0] + slope * (height - heights[0]) for height in heights])
    axis = [
        mark for mark in marks if isinstance(mark, Label) and mark.anchor == "end" and not mark.text.startswith("pass")
    ]
    lines = [mark.points[0][1] for mark in marks if isinstance(mark, Curve) and not mark.owner][: len(axis)]
    powers = [math.log10(float(mark.text.replace("−", "-"))) for mark in axis]
    assert bool(axis) == far
    assert lines == pytest.approx([dots[0] + slope * (power - heights[0]) for power in powers])
    assert all(mark.x - text_width(mark.text, mark.size) >= 0 for mark in axis)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"amsgrad": True, "maximize": True}),
        (torch.optim.RMSprop, {"centered": True}),
        (torch.optim.RMSprop, {"centered": True, "momentum": 0.9}),
        (torch.optim.Adagrad, {"lr_decay": 0.3, "initial_accumulator_value": 0.2}),
        (torch.optim.Adadelta, {"lr": 0.7, "weight_decay": 0.1}),
        (torch.optim.Adamax, {"lr": 0.1, "maximize": True}),
        (torch.optim.RAdam, {"lr": 0.1, "weight_decay": 0.1, "betas": (0.9, 0.99)}),
        (torch.optim.RAdam, {"lr": 0.1, "weight_decay": 0.1, "betas": (0.5, 0.7), "decoupled_weight_decay": True}),
    ],
)
def test_every_step_of_an_optimizer_is_told_by_lines_that_give_what_torch_has(
    make: Any, options: dict[str, Any], dtype: torch.dtype
) -> None:
    w = torch.tensor([1.3, -0.7], dtype=dtype, requires_grad=True)
    optimizer, scales = make([w], **options), [1.0, -3.0, 0.1]
    with gad.record() as recorded:
        for scale in scales:
            optimizer.zero_grad()
            (scale * w**3).sum().backward()
            optimizer.step()
    moved = list(moved_in(rounds_of(recorded.graph, True)))
    assert [bool(deed.lines) for deed in moved] == [True] * len(scales)
    assert np.array_equal(moved[-1].lines[-1].made.array, w.detach().numpy())


def test_a_step_by_hand_of_no_rate_is_told_by_its_rule() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    with gad.record() as recorded:
        for rate in (0.5, 0.0):
            w.grad = None
            (w * w).backward()
            with torch.no_grad():
                w -= rate * w.grad
    steps = [step for step in recorded.graph.animate(layout="layered").steps if step.phase == "update"]
    assert [step.caption[1] for step in steps] == ["w = 2 − 0.5 × 4 = 0", "w = 0 − 0 × 0 = 0"]


def test_a_parameter_written_to_by_itself_makes_no_step_of_a_rate() -> None:
    w = torch.tensor(2.0, requires_grad=True)
    with gad.record() as recorded:
        for _ in range(2):
            (w * w).backward()
            with torch.no_grad():
                w.copy_(w * 1.0)
    assert [moved.update for moved in moved_in(rounds_of(recorded.graph, True))] == [None, None]
