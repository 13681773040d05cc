"""Every story is true: values before their use, gradients in reverse, sums where contributions meet, and nothing
ever moves.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from small_programs import PROGRAMS, film, graph, network
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.film.story import MOST_EDGE_STEPS, tell
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.scene.scene import Scene, Step
from graphviz_ad._internal.scene.words.describe import Options, words_of_graph
from graphviz_ad._internal.scene.words.short_text import is_constant

DIRECTIONS = ("forward", "backward", "both")
ALL = [(name, direction) for name in PROGRAMS for direction in DIRECTIONS]
WITH_BACKWARD = [(name, direction) for name, direction in ALL if direction != "forward"]


def steps_of(name: str, direction: str) -> tuple[Step, ...]:
    return film(name, direction).steps


def valued_at(steps: tuple[Step, ...]) -> dict[str, int]:
    """Key -> the first forward step in which its value is written."""
    found: dict[str, int] = {}
    for i, step in enumerate(steps):
        for change in step.changes:
            if step.phase == "forward" and any(role.partition(":")[0] == "value" for role, _ in change.texts):
                found.setdefault(change.key, i)
    return found


def deliveries(steps: tuple[Step, ...]) -> list[tuple[int, str]]:
    return [
        (i, change.key)
        for i, step in enumerate(steps)
        for change in step.changes
        if change.emphasis == "active-backward"
    ]


def contributions(traced: Graph, node: Node, port: int) -> int:
    uses = [
        edge for edge in traced.out_edges(node.key) if edge.port == port and edge.cut is None and edge.grad is not None
    ]
    return len(uses) + (node.ports[port].upstream is not None)


def geometry(scene: Scene) -> list[object]:
    boxes = [(box.key, box.center, box.width, box.height, len(box.lines)) for box in scene.boxes]
    return [
        scene.size,
        boxes,
        [(arrow.key, arrow.path, arrow.label_center, arrow.width, arrow.height) for arrow in scene.arrows],
    ]


@pytest.mark.parametrize(("name", "direction"), [pair for pair in ALL if pair[1] != "backward"])
def test_every_result_is_valued_once_and_before_whatever_reads_it(name: str, direction: str) -> None:
    steps, traced = steps_of(name, direction), graph(name)
    at = valued_at(steps)
    assert set(at) == {box.key for box in film(name, direction).film.stage.boxes}
    for edge in film(name, direction).graph.edges:
        if edge.tail in at:
            assert at[edge.tail] < at[edge.head], edge.key
        else:  # a number that stands in the formulas of all that read it
            assert is_constant(traced.nodes[edge.tail]), edge.key
    lit = Counter(
        change.key
        for step in steps
        if step.phase == "forward"
        for change in step.changes
        if change.emphasis == "active"
    )
    assert set(lit.values()) == {1}
    assert {edge.key for edge in film(name, direction).graph.edges} <= {edge.key for edge in traced.edges}


@pytest.mark.parametrize("way", ["inline", "boxes"])
@pytest.mark.parametrize("options", [{}, {"wrt": "b"}, {"tangents": "b"}, {"direction": "forward"}], ids=str)
def test_a_film_draws_numbers_of_the_program_as_the_still_does(way: str, options: dict[str, str]) -> None:
    shown = {key: value for key, value in options.items() if key != "direction"}
    still, moving = graph("colah").plot(constants=way, **shown), graph("colah").animate(constants=way, **options)
    boxes = {box.key for box in moving.film.stage.boxes}
    assert boxes == {box.key.partition("~")[0] for box in still.scene.boxes}
    numbers = [node for node in graph("colah").node_list if is_constant(node)]
    assert numbers
    assert all((node.key in boxes) == (way == "boxes") for node in numbers)
    keys = boxes | {arrow.key for arrow in moving.film.stage.arrows}
    assert {change.key for change in (*moving.film.opening, *(c for s in moving.steps for c in s.changes))} <= keys


@pytest.mark.parametrize("uses", [2, 3, 9])
def test_a_leaf_says_the_whole_sum_that_its_gradient_is(uses: int) -> None:
    def program(x: Any) -> Any:
        return sum(x * (n + 0.25) for n in range(1, uses)) + x.sin()

    moving = gad.trace(program, 0.5).animate()
    (leaf,) = (box for box in moving.film.stage.boxes if box.kind == "leaf")
    said = " ".join(line.text for line in leaf.lines if line.role == "sum")
    terms = [float(term.replace("−", "-")) for term in said.removeprefix("= ").split(" + ")]
    assert sorted(terms) == sorted([round(math.cos(0.5), 4), *(n + 0.25 for n in range(1, uses))])
    *_, last = (step for step in moving.steps if leaf.key in {change.key for change in step.changes})
    assert [text for change in last.changes if change.key == leaf.key for line, text in change.texts if text in said]


@pytest.mark.parametrize(("name", "direction"), WITH_BACKWARD)
def test_each_edge_that_carries_a_gradient_delivers_exactly_once(name: str, direction: str) -> None:
    traced = film(name, direction).graph
    carrying = {edge.key for edge in traced.edges if edge.cut is None and edge.grad is not None}
    assert Counter(key for _, key in deliveries(steps_of(name, direction))) == Counter(carrying)


@pytest.mark.parametrize(("name", "direction"), WITH_BACKWARD)
def test_a_node_passes_its_gradient_on_only_when_it_is_complete(name: str, direction: str) -> None:
    steps, traced = steps_of(name, direction), film(name, direction).graph
    words = words_of_graph(traced, Options(sums=True))
    complete: dict[str, int] = {}
    for i, step in enumerate(steps):
        for change in step.changes:
            finished = (
                tuple((line.key, line.text) for line in words.nodes[change.key].gradients)
                if change.key in traced.nodes
                else ()
            )
            if step.phase == "backward" and change.emphasis == "active" and change.texts[: len(finished)] == finished:
                complete.setdefault(change.key, i)
    heads = {edge.key: edge.head for edge in traced.edges}
    for i, key in deliveries(steps):
        assert complete[heads[key]] < i, f"{heads[key]} passes something on in step {i}"
    order = [traced.nodes[heads[key]].backward_order or 0 for _, key in deliveries(steps)]
    assert order == sorted(order)


@pytest.mark.parametrize(("name", "direction"), WITH_BACKWARD)
def test_adding_up_is_a_step_of_its_own_where_and_only_where_several_contributions_meet(
    name: str, direction: str
) -> None:
    traced = film(name, direction).graph
    words = words_of_graph(traced)
    meeting = [
        (node, port)
        for node in traced.node_list
        for port in range(len(node.ports))
        if contributions(traced, node, port) > 1
    ]
    expected = Counter(
        f"{words.names.gradient(node.key, port)} = sum of {contributions(traced, node, port)} contributions"
        for node, port in meeting
    )
    assert Counter(step.caption[0] for step in steps_of(name, direction) if " = sum of " in step.caption[0]) == expected


def test_the_sum_is_written_out() -> None:
    (caption,) = [step.caption for step in steps_of("colah", "both") if "sum of" in step.caption[0]]
    assert caption == ("de/db = sum of 2 contributions", "= 3 + 2", "= 5")
    (caption,) = [step.caption for step in steps_of("two_outputs", "backward") if "sum of" in step.caption[0]]
    assert caption == ("dL/dx = sum of 2 contributions", "= 2 + 1", "= 3")


def test_a_node_that_waits_says_how_much_has_come() -> None:
    seen = [
        dict(change.texts).get("gradient")
        for step in steps_of("seed", "both")
        for change in step.changes
        if change.emphasis == "waiting" and change.texts
    ]
    assert seen == [".grad · 1 of 2", ".grad · 1 of 3", ".grad · 2 of 3", ".grad · 2 of 2", ".grad · 3 of 3"]


def test_what_is_fed_in_at_an_output_counts_as_a_contribution() -> None:
    captions = [step.caption for step in steps_of("reused_output", "both")]
    assert ("dL/dy = sum of 2 contributions", "= 1 + 3", "= 4") in captions


def test_results_of_one_operation_are_not_added_to_each_other() -> None:
    captions = [" ".join(step.caption) for step in steps_of("several_results", "both")]
    assert [caption for caption in captions if "sum of" in caption] == [
        "d several_results/d low = sum of 2 contributions = [1, 1] + [3, 4] = [4, 5]"
    ]
    assert not any("d several_results/d high gets" in caption for caption in captions)


@pytest.mark.parametrize(("name", "direction"), ALL)
def test_the_last_frame_is_the_complete_picture(name: str, direction: str) -> None:
    assert film(name, direction).film.scene(-1) == film(name, direction).film.stage


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_first_frame_knows_nothing_but_the_numbers_of_the_program(name: str) -> None:
    made = film(name)
    for box in made.film.scene(0).boxes:
        node = made.graph.nodes[box.key]
        written_in_the_program = node.kind == "data" and node.name is None and node.op is None
        texts = {line.key: line.text for line in box.lines}
        if not written_in_the_program:
            assert texts["value"] == "·"
            assert not any(line.text for line in box.lines if line.role == "value" and line.number)
        if node.requires_grad:
            assert texts["gradient"] == ""  # nobody asks for it yet
    assert not any(line.text for arrow in made.film.scene(0).arrows if arrow.style != "cut" for line in arrow.lines)
    starts = next((i for i, step in enumerate(made.steps) if step.phase == "backward"), None)
    for box in made.film.scene(starts).boxes if starts is not None else ():
        texts = {line.key: line.text for line in box.lines}
        if made.graph.nodes[box.key].requires_grad and box.emphasis == "idle":
            assert texts["gradient"] == (".grad ·" if box.kind == "leaf" else "grad ·")


def test_a_film_of_the_backward_pass_starts_with_all_values_and_no_gradient() -> None:
    first = film("colah", "backward").film.scene(0)
    texts = {box.lines[0].text: [line.text for line in box.lines[1:]] for box in first.boxes if len(box.lines) > 1}
    assert texts["e = c·d"] == ["6", "grad ·"]
    assert texts["b"] == ["1", ".grad ·", ""]


@pytest.mark.parametrize(("name", "direction"), ALL)
def test_nothing_moves_between_frames(name: str, direction: str) -> None:
    shown = film(name, direction).film
    for i in range(len(shown.steps)):
        assert geometry(shown.scene(i)) == geometry(shown.stage)


@pytest.mark.parametrize(("name", "direction"), ALL)
def test_a_step_lights_up_something_and_nothing_stays_lit(name: str, direction: str) -> None:
    shown = film(name, direction).film
    for i, step in enumerate(shown.steps[1:-1], 1):
        lit = {
            part.key
            for part in (*shown.scene(i).boxes, *shown.scene(i).arrows)
            if part.emphasis in ("active", "active-forward", "active-backward")
        }
        assert lit <= {change.key for change in step.changes}
        assert lit or step.phase == "backward"
        if step.phase == "backward":
            assert not [arrow.key for arrow in shown.scene(i).arrows if arrow.emphasis == "forward"]
    assert {part.emphasis for part in (*shown.scene(-1).boxes, *shown.scene(-1).arrows)} == {"idle"}


# --- captions: what they compute


def value_of(text: str) -> np.ndarray:
    """The value of the right side of a caption's line."""
    body = re.split(", summed over|, detached", text.removeprefix("= "))[0]
    arrays: list[np.ndarray] = []

    def keep(match: re.Match[str]) -> str:
        cells = re.sub(r"e−", "e-", match.group().replace("NaN", "nan").replace("∞", "inf")).replace("−", "-")
        arrays.append(np.array(eval(cells, {"__builtins__": {}}, {"nan": np.nan, "inf": np.inf})))
        return f"ARRAY{len(arrays) - 1}"

    body = re.sub(r"\[\[.*?\]\]|\[[^\[\]]*\]", keep, body)
    body = body.replace("e−", "e-")
    for sign, python in (
        ("−", "-"),
        ("×", "*"),
        ("·", "*"),
        ("²", "**2"),
        ("³", "**3"),
        ("∞", "inf"),
        ("NaN", "nan"),
        ("Σ ", ""),
    ):
        body = body.replace(sign, python)
    body = re.sub(r"√(\w+\.?\d*)", r"sqrt(\1)", body)
    known = {f"ARRAY{i}": array for i, array in enumerate(arrays)} | {
        "sqrt": np.sqrt, "sin": np.sin, "exp": np.exp, "sum": np.sum, "mean": np.mean, "max": np.maximum,
        "where": np.where, "gt": np.greater, "σ": lambda x: 1 / (1 + np.exp(-x)), "detach": np.array,
        "chunk": np.array, "inf": np.inf, "nan": np.nan,
    }  # fmt: skip
    with np.errstate(all="ignore"):
        return np.asarray(eval(body, {"__builtins__": {"True": True, "False": False}}, known))


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name != "several_results"])
def test_what_a_caption_computes_is_what_it_says(name: str) -> None:
    checked = 0
    for step in steps_of(name, "both"):
        if len(step.caption) < 3 or not step.caption[1].startswith("=") or not step.caption[2].startswith("="):
            continue
        numbers, result = value_of(step.caption[1]), value_of(step.caption[2])
        if "Σ" in step.caption[1]:
            numbers = numbers.sum(axis=tuple(range(numbers.ndim - result.ndim)))
        assert np.allclose(numbers, result, rtol=2e-3, atol=1e-3, equal_nan=True), step.caption
        checked += 1
    assert checked >= 2


def test_a_contribution_that_is_summed_over_copies_says_so() -> None:
    captions = [step.caption for step in steps_of("broadcast", "both")]
    assert (
        "dL/db = Σ dL/dY · ∂Y/∂b",
        "= Σ [[1, 2], [3, 4], [5, 6]] × [[1, 1], [1, 1], [1, 1]]",
        "= [9, 12], summed over the copies of b",
    ) in captions
    assert not any("Σ" in part for caption in captions if caption[0].startswith("dL/dX") for part in caption)


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_caption_repeats_its_numbers_as_its_result(name: str) -> None:
    for step in steps_of(name, "forward"):
        assert len(set(filter(None, step.caption))) == len(list(filter(None, step.caption))), step.caption


def test_an_operation_without_a_compact_rule_passes_something_back() -> None:
    captions = [step.caption[0] for step in steps_of("several_results", "both")]
    assert "d several_results/dv₁ flows back through chunk to x" in captions


def test_an_upstream_gradient_that_was_given_is_named_as_such_and_shown_where_it_enters() -> None:
    captions = [step.caption for step in steps_of("two_outputs", "both")]
    start = captions.index(
        (
            "The backward pass starts at the outputs",
            "dL/dy₁ = 4, dL/dy₂ = 8",
            "(L is the sum of the outputs times these)",
        )
    )
    seeds = [
        [line.text for box in film("two_outputs").film.scene(i).boxes for line in box.lines if line.role == "upstream"]
        for i in (start - 1, start)
    ]
    assert seeds == [["", ""], ["seed 4", "seed 8"]]
    assert ("The backward pass starts at the output", "de/de = 1", "") in [
        step.caption for step in steps_of("colah", "both")
    ]


# --- time, size, limits


@pytest.mark.parametrize(("name", "direction"), ALL)
def test_a_film_has_a_length_and_holds_its_first_and_last_frame(name: str, direction: str) -> None:
    shown = film(name, direction).film
    seconds = [shown.seconds(i) for i in range(len(shown.steps))]
    still = [second - shown.leaving(i) for i, second in enumerate(seconds)]
    assert still[0] == pytest.approx(1.5)
    assert still[-1] == 3.0
    assert all(0.8 <= second <= 3.001 for second in still)
    assert film(name, direction).duration == pytest.approx(sum(seconds))


def test_twice_the_speed_is_half_the_time() -> None:
    slow, fast = graph("colah").animate(layout="layered"), graph("colah").animate(layout="layered", speed=2)
    assert fast.duration == pytest.approx(slow.duration / 2)


def test_a_big_graph_delivers_all_edges_of_an_operation_at_once() -> None:
    def chain(x):  # type: ignore[no-untyped-def]
        for _ in range(MOST_EDGE_STEPS // 2):
            x = x * x
        return x

    traced = gad.trace(chain, 1.0)
    story = tell(words_of_graph(traced))
    assert max(Counter(i for i, _ in deliveries(story.steps)).values()) == 2
    assert Counter(key for _, key in deliveries(story.steps)) == Counter(
        edge.key for edge in traced.edges if edge.cut is None
    )


def test_a_graph_without_gradients_never_says_that_they_are_computed() -> None:
    traced = gad.trace(lambda x: x * 2, 3.0, capture=gad.Capture(gradients="none"))
    assert (
        tell(words_of_graph(replace(traced, has_gradients=False)), "both").steps[-1].caption[0]
        == "The forward pass is complete"
    )


def test_modules_are_told_as_one_step_each() -> None:
    folded = network().animate(depth=1, layout="layered")
    assert [node.op for node in folded.graph.node_list if node.kind == "module"]
    assert folded.film.scene(-1) == folded.film.stage


def test_a_direction_that_does_not_exist_is_refused_with_the_choices() -> None:
    with pytest.raises(UnknownNameError, match=r"no direction named 'sideways'.*backward, both, forward"):
        tell(words_of_graph(graph("square")), "sideways")


def test_a_story_is_the_same_twice() -> None:
    assert tell(words_of_graph(graph("seed"))) == tell(words_of_graph(graph("seed")))
    assert math.isfinite(film("seed").duration)


# --- small words


def captions(traced: Graph) -> list[str]:
    return [line for step in traced.animate().steps for line in step.caption]


def test_a_name_of_the_users_is_not_explained_as_the_sum_of_the_outputs() -> None:
    def f(x):
        L = (x * x).sum()
        return L

    assert not [line for line in captions(gad.trace(f, [1.0, 2.0])) if "sum of the outputs" in line]


@pytest.mark.parametrize("name", ["L", "y"])
def test_the_sum_of_several_outputs_is_explained_under_the_name_that_it_has(name: str) -> None:
    variables: dict[str, object] = {}
    exec(compile(f"def f(x):\n    {name} = x * x\n    return {name}", "f.py", "exec"), variables)
    traced = gad.trace(variables["f"], [1.0, 2.0])
    total = "ℒ" if any(node.name == "L" for node in traced.node_list) else "L"
    lines = captions(traced)
    assert f"({total} is the sum of the outputs)" in lines
    assert f"d{total}/dx = [2, 4]" in lines[-1]


def test_one_input_is_one() -> None:
    traced = gad.trace(lambda w: w.sum(), np.ones((9, 9)))
    assert "1 input or parameter" in captions(traced)


def test_the_sum_of_a_leaf_is_written_for_three_uses_as_for_two() -> None:
    traced = gad.trace(lambda x: x * x * x + x, 3.0)
    told = [step.caption for step in traced.animate().steps]
    assert next(lines for lines in told if "sum of 4" in lines[0])[1:] == ("= 1 + 9 + 9 + 9", "= 28")
    x = next(iter(words_of_graph(traced, Options(leaf_sums=True)).nodes.values()))
    assert "= 1 + 9 + 9 + 9" in [line.text for line in x.gradients]


def test_what_is_frozen_is_told_once_with_the_line_that_says_so():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))

    def run():
        with gad.record(net) as recorded:
            for _ in range(2):
                net(torch.ones(1, 2)).sum().backward()
        steps = recorded.graph.animate(layout="layered").steps
        return [step.sentence for step in steps if "requires_grad" in step.sentence]

    assert run() == []
    net[0].weight.requires_grad = False
    (said,) = run()
    assert said.startswith("0.weight gets no gradient: its requires_grad is False, see test_story.py:")
    traced = gad.trace(net, torch.ones(1, 2)).animate(layout="layered").steps
    assert traced[-1].sentence == "0.weight gets no gradient: its requires_grad is False."


def test_what_flows_back_to_a_result_that_its_own_call_uses_too_is_not_told_as_all_of_its_gradient() -> None:
    torch.manual_seed(0)
    cell = torch.nn.LSTMCell(2, 3)

    def run(xs: Tensor) -> Tensor:
        h, c = torch.zeros(1, 3), torch.zeros(1, 3)
        for x in xs:  # c is read by the next cell, and within its own for h
            h, c = cell(x, (h, c))
        return (h**2).sum()

    graph = gad.trace(run, torch.randn(4, 1, 2))
    told = [line for step in graph.animate().steps for line in step.caption]
    of_c = [line for line in told if "from within" in line]
    cells = [node for node in graph.node_list if node.op == "lstm_cell" and len(node.ports) == 2]
    assert len(of_c) == len(cells) == 3
    assert not [line for line in told if line.startswith("d run/d v₄[0] =")]


def test_a_film_says_once_where_a_gradient_stops_and_why() -> None:
    def losses(w: Tensor, v: Tensor) -> Tensor:
        fake = w * 3
        gone = fake.detach()
        with torch.no_grad():
            k = v * 2
            k = k + 1
        return v * gone + k

    w, v = (torch.tensor(value, requires_grad=True) for value in (2.0, 5.0))
    told = [step.caption[-1] for step in gad.trace(losses, w, v).animate().steps]
    assert [said for said in told if "gradient stops" in said or "no gradient goes" in said] == [
        "= 6, detached: its gradient stops here",
        "= 10, autograd is switched off: no gradient goes back from here",
    ]
