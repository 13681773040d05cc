"""Worked examples from courses and papers come out with the numbers that are printed there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from classics import CLASSICS, Case
from programs import assert_sound, node_called
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph

SHARED = Path(__file__).parents[3] / "shared" / "cases" / "classics.json"
EVERY_CASE = pytest.mark.parametrize("case", CLASSICS, ids=lambda case: case.id)


@pytest.fixture(autouse=True)
def _float64_by_default() -> Iterator[None]:
    """Some cases make ones of their own, in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def program(case: Case) -> Callable[..., Any]:
    """The case as a function of its inputs."""
    body = "".join(f"    {statement.strip()}\n" for statement in case.statements.split(";"))
    source = f"def f({', '.join(case.inputs)}):\n{body}    return {', '.join(case.outputs)}\n"
    namespace: dict[str, Any] = {"torch": torch, "F": functional}
    exec(source, namespace)
    function: Callable[..., Any] = namespace["f"]
    return function


def traced(case: Case) -> Graph:
    return gad.trace(program(case), *case.inputs.values(), grad_outputs=case.upstream)


def agrees(snapshot: Any, expected: Any) -> bool:
    numbers = np.asarray(expected, np.float64)
    return (
        snapshot.shape == numbers.shape
        and snapshot.dtype == "float64"
        and bool(np.allclose(snapshot.array, numbers, rtol=0, atol=1e-9))
    )


@EVERY_CASE
def test_every_named_value_is_the_one_in_the_book(case: Case) -> None:
    graph = traced(case)
    for name, expected in case.values.items():
        assert agrees(node_called(graph, name)["value"], expected), name


@EVERY_CASE
def test_every_named_gradient_is_the_one_in_the_book(case: Case) -> None:
    graph = traced(case)
    for name, expected in case.grads.items():
        found = node_called(graph, name)["grad"]
        assert found is None if expected is None else agrees(found, expected), name


@EVERY_CASE
def test_contributions_add_up_to_the_gradients(case: Case) -> None:
    graph = traced(case)
    assert_sound(graph)
    assert graph.check().ok
    assert {node.name for node in graph.outputs} == set(case.outputs)


@EVERY_CASE
def test_the_still_and_the_film_render(case: Case) -> None:
    graph = traced(case)
    svg = graph.to_svg(with_all=True, layout="layered")
    assert svg.startswith(("<svg", "<?xml"))
    film = graph.animate("both", layout="layered")
    assert len(film.steps) > sum(node.kind == "op" for node in graph.node_list)
    last = film.frame(-1).to_svg()
    assert last.startswith(("<svg", "<?xml"))
    assert last != film.frame(0).to_svg()


@pytest.mark.skipif(not SHARED.exists(), reason="the list that this table was copied from is not part of the package")
def test_the_table_says_what_its_source_says() -> None:
    theirs = json.loads(SHARED.read_text("utf-8"))
    assert [case.id for case in CLASSICS] == [case["id"] for case in theirs]
    for mine, other in zip(CLASSICS, theirs, strict=True):
        outputs = other["out"] if isinstance(other["out"], list) else [other["out"]]
        assert mine == Case(
            other["id"], other["inputs"], other["code"], tuple(outputs), other["grad"], other["values"], other["grads"]
        )
