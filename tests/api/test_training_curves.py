"""A training run on the graph of one of its steps: curves in boxes, and the film over its steps."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.diagnosis.box_curves import norms_in_boxes
from graphviz_ad._internal.diagnosis.history import History, history_of_steps
from graphviz_ad._internal.film.story_training import COLUMN, MOST_TOLD, blank
from graphviz_ad._internal.graph.graph import Graph
from graphviz_ad._internal.graph.training_history import ParameterSummary, StepSummary
from graphviz_ad._internal.scene.words.cards import LONGEST_CURVE


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 1))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return gad.trace(model(), torch.ones(2, 3))


def history(count: int, spoilt: int = 0) -> History:
    """A run in which gradients shrink, of which one is NaN at a step; the last parameter has none."""
    steps = []
    for number in range(1, count + 1):
        size = math.nan if number == spoilt else 1.0 / number
        norms = {"0.0.weight": 3 * size, "0.0.bias": 4 * size, "1.weight": 2.0, "1.bias": None}
        parameters = {name: ParameterSummary(1.0, norm, 0.1) for name, norm in norms.items()}
        steps.append(StepSummary(number, 2.0 / number, None, parameters))
    return history_of_steps(steps)


def test_boxes_have_the_norms_of_all_their_parameters(graph: Graph) -> None:
    run = history(5, spoilt=3)
    names = {node.key: node.op for node in graph.plot(detail="module").graph.node_list if node.kind == "module"}
    norms = norms_in_boxes(run, graph.plot(detail="module").graph)
    by_name = {names[key]: norms[key] for key in norms}
    assert repr(by_name["0"]) == repr([5.0, 2.5, math.nan, 1.25, 1.0])
    assert by_name["1"] == [2.0] * 5
    leaves = norms_in_boxes(run, graph)
    assert {graph.nodes[key].name for key in leaves} == {name for name, _ in model().named_parameters()}
    assert next(each for key, each in leaves.items() if graph.nodes[key].name == "1.bias") == [None] * 5


def test_a_graph_that_knows_the_model_by_its_variable_has_the_same_curves(graph: Graph) -> None:
    other = replace(
        graph,
        node_list=tuple([replace(n, name=f"net.{n.name}") if n.kind == "leaf" else n for n in graph.node_list]),
    )
    assert norms_in_boxes(history(3), other) == norms_in_boxes(history(3), graph)


def test_curves_stand_in_boxes_and_fills_are_those_of_the_last_step(graph: Graph) -> None:
    scene = graph.plot(overlay=history(5, spoilt=3), detail="module").scene
    boxes = {box.name or box.key: box for box in scene.boxes}
    texts = {key: [line.text for line in box.lines if line.role == "remark"] for key, box in boxes.items()}
    assert ["▇▅×▂▂", "5 → 1"] in texts.values()
    assert [len(each[0]) for each in texts.values() if each] == [5, 5]
    assert {box.tint != "" for box in boxes.values()} == {True, False}  # of what has no parameters, nothing is said
    assert scene.ramp is not None
    assert "at step 5; curves: from step 1 to 5" in scene.ramp.title
    spoilt = graph.plot(overlay=history(5, spoilt=5), detail="op").scene
    assert spoilt.ramp is not None
    assert dict(spoilt.ramp.others).get("shade.n3") == "NaN or ∞"
    with pytest.raises(OptionError, match="other parameters"):
        graph.plot(overlay=history_of_steps([StepSummary(1, 1.0, None, {"other": ParameterSummary(1.0, 1.0)})]))


@pytest.mark.parametrize("count", [1, 7, 500])
def test_a_film_over_steps_grows_the_curves_and_ends_on_the_whole(count: int, graph: Graph) -> None:
    run = history(count, spoilt=5)
    film = graph.animate(overlay=run, detail="module", max_seconds=36_000)
    told = [step for step in film.steps if step.phase == "training"]
    assert len(told) == min(count, MOST_TOLD + (count > MOST_TOLD))
    assert told[0].caption[0] == "step 1"
    assert told[-1].caption[0] == f"step {count}"
    assert any("⚠ gradient-not-finite" in step.caption for step in told) == (count >= 5)
    whole = {box.key: [line.text for line in box.lines] for box in film.film.stage.boxes}
    for change in film.steps[-1].changes:
        assert all(text in whole[change.key] for _, text in change.texts)
    grown = [dict(step.changes[0].texts)["remark"].rstrip("\u2003\u2002\u2006\u200a") for step in told]
    assert all(after.startswith(before) for before, after in pairwise(grown))
    assert len(grown[-1]) == min(count, LONGEST_CURVE)
    lit = [step.caption[0] for step in told if any(change.emphasis == "active" for change in step.changes)]
    assert lit == (["step 5"] if count >= 5 else [])
    assert not film.film.stage.ramp


def test_films_over_steps_are_saved_as_all_films_are(graph: Graph, tmp_path: Path) -> None:
    for suffix in ("svg", "html"):
        graph.save(tmp_path / f"run.{suffix}", overlay=history(4), **({"detail": "module"} if suffix == "svg" else {}))
    for options in ({"wrt": "0.0.weight"}, {"passes": True}, {"direction": "backward"}, {"steps": "edge"}):
        with pytest.raises(OptionError):
            graph.animate(overlay=history(4), **options)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="without steps"):
        graph.animate(overlay=history_of_steps([]))


def test_what_is_to_come_is_as_wide_as_it_will_be() -> None:
    widths = {"\u2003": 1.0, "\u2002": 0.5, "\u2006": 0.167, "\u200a": 0.0996}
    for columns in range(LONGEST_CURVE):
        wide = sum(widths[space] for space in blank(columns * COLUMN))
        assert wide <= columns * COLUMN < wide + 0.1
