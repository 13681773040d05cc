"""`why` answers for every parameter of every model: read or not, tied or not, frozen or not, whatever it is called."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import EVERY_MODEL, INPUTS, Named, classes
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.graph.graph import Graph

NAMES = st.lists(
    st.text(st.sampled_from("ab ,:'\"=and0n→;"), min_size=1, max_size=12), min_size=1, max_size=9, unique=True
)


def traced(model: nn.Module, *inputs: Any) -> Graph:
    return gad.trace(model, *inputs)


def recorded(model: nn.Module, *inputs: Any) -> Graph:
    with gad.record(model) as recording:
        found = model(*inputs)
        outputs = found if isinstance(found, tuple) else (found,)
        differentiable = [output.sum() for output in outputs if output.requires_grad]
        if differentiable:
            sum(differentiable).backward()  # type: ignore[union-attr]
    return recording.graph


def saved(model: nn.Module, *inputs: Any) -> Graph:
    from graphviz_ad._internal.graph import graph_files

    return graph_files.from_json(traced(model, *inputs).to_json())


def ended_early(model: nn.Module, *inputs: Any) -> Graph:
    """The graph of a program that raised after the model had run."""
    recording = gad.record(model)
    with suppress(ValueError), recording:
        model(*inputs)
        raise ValueError("enough")
    return recording.graph


def names_of(model: nn.Module) -> list[str]:
    return [name for name, _ in model.named_parameters(remove_duplicate=False)]


def test_the_table_of_models_has_all_of_them() -> None:
    assert classes() == INPUTS.keys()


@pytest.mark.parametrize("way", [traced, recorded, saved, ended_early], ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", EVERY_MODEL)
def test_why_answers_for_every_parameter(name: str, way: Callable[..., Graph]) -> None:
    model, *inputs = EVERY_MODEL[name]()
    graph = way(model, *inputs)
    for parameter in names_of(model):
        answer = graph.why(parameter)
        assert parameter in answer or answer == "No gradients were computed here: No backward pass was recorded."


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(NAMES)
def test_no_parameter_is_taken_for_another_whatever_they_are_called(names: list[str]) -> None:
    model = Named(names)
    graph = gad.trace(model, torch.ones(1))
    for i, name in enumerate(names):
        answer = graph.why(name)
        if i % 2:
            assert answer.startswith(f"No gradient: no operation read {name} here.")
        else:
            assert answer.startswith(f"The gradient of {name} is [1]")
    unknown = "a".join(names) + "?"
    with pytest.raises(UnknownNameError):
        graph.why(unknown)


def test_the_fifth_unused_parameter_is_as_well_known_as_the_first() -> None:
    model, *inputs = EVERY_MODEL["idle"]()
    graph = gad.trace(model, *inputs)
    assert graph.notices == ("No operation read these 5 parameters: idle0, idle1, idle2, idle3 and 1 more.",)
    for i in range(6):
        assert graph.why(f"idle{i}").startswith(f"No gradient: no operation read idle{i} here.")


def test_every_further_name_of_a_tied_parameter_leads_to_the_first() -> None:
    model, *inputs = EVERY_MODEL["many tied"]()
    graph = gad.trace(model, *inputs)
    assert graph.notices[-1] == "10 more parameters have several names."
    assert graph.why("layers.6.bias").startswith(
        "layers.6.bias is the same parameter as layers.0.bias. The gradient of layers.0.bias is "
    )
    assert graph.why("same.weight").startswith(
        "same.weight is the same parameter as idle.weight. No gradient: no operation read idle.weight here."
    )


def test_of_a_program_that_raised_it_says_so() -> None:
    model, *inputs = EVERY_MODEL["idle"]()
    graph = ended_early(model, *inputs)
    assert graph.why("idle4").startswith("No gradient: no operation read idle4 before ValueError: enough.")
    assert graph.notices == (
        "The program raised ValueError: enough; this is the graph up to there.",
        "No backward pass was recorded.",
    )


class Stops(Named):
    """Raises before it reads its parameters."""

    def forward(self, x: Tensor) -> Tensor:
        (x * 2).reshape(7)
        return super().forward(x)


def test_a_parameter_that_would_have_been_read_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        gad.trace(Stops(["later"]), torch.ones(2))
    graph: Graph = caught.value.graph  # type: ignore[attr-defined]
    assert graph.why("later").startswith("No gradient: no operation read later before RuntimeError: ")
