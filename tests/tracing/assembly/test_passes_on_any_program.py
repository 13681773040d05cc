"""What each pass promises, on programs made at random: what holds after it, and that what it was given is as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from random_programs import ONE, Input, Program, Step, inputs, programs
from torch import Tensor

import graphviz_ad as gad
from graphviz_ad._internal.tracing.assembly import assemble
from graphviz_ad._internal.tracing.assembly.draft import Draft
from graphviz_ad._internal.tracing.assembly.units import Links, Unit, Units

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # of torch, about what such programs do
    pytest.mark.filterwarnings("ignore:.*encountered in sinh:RuntimeWarning"),  # of numpy, in a function of the user
    pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning"),  # torch itself, in func.jvp
]

# --- what holds after a pass


def every_result_has_one_maker(units: Units) -> None:
    for operation in units.recorded.tape.operations:
        belongs = [number in units.of_value for number in operation.results]
        hidden = [number in units.nobodys for number in operation.results]
        assert not any(one and other for one, other in zip(belongs, hidden, strict=True))
        assert all(belongs) or all(hidden) or units.recorded.tape.raised
    assert all(units.of_value[number] is inner.function for number, inner in units.inner_of_value.items())


def everything_that_is_read_has_a_unit(units: Units) -> None:
    outer = [unit for unit in units.all if unit.function is None]
    seen = {operand[1] for unit in outer for operand in unit.operands if type(operand) is tuple}
    for number in seen - set(units.nobodys):
        value = units.recorded.tape.values[number]
        assert number in units.of_value or value.edge is not None, number


def nodes_and_units_are_of_one_another(units: Units) -> None:
    assert [units.links.of_node[i] for i in units.links.node_of.values()] == list(units.links.node_of)
    custom, variables = units.recorded.autograd.custom, units.recorded.autograd.variables
    linked = [(i, unit) for i, unit in units.links.of_node.items() if i not in variables]
    assert all((i in custom) == (unit.label is not None) for i, unit in linked)


def every_leaf_has_a_unit(units: Units) -> None:
    assert set(units.recorded.autograd.variables) <= set(units.links.of_node)
    found = [i for ports in units.leaves.values() for i in ports.values()]
    assert sorted(found) == sorted(units.recorded.autograd.variables)


def every_node_has_a_unit(units: Units) -> None:
    assert set(units.links.of_node) == set(range(len(units.recorded.autograd.nodes)))


def every_output_has_its_place(units: Units) -> None:
    for output in units.recorded.outputs:
        place = units.places[output.value.number]
        assert place.shown is not None or place.fed is not None
        if place.shown is not None and place.fed is None and place.shown.label is None:
            assert output.value in units.values[place.shown].values()


def they_stand_in_order(units: Units) -> None:
    assert [unit.order for unit in units.all] == sorted(unit.order for unit in units.all)


def every_unit_has_its_call(units: Units) -> None:
    assert list(units.calls) == list(units.all)
    inner = [(unit, unit.function) for unit in units.all if unit.function is not None]
    assert all(units.calls[unit] == units.calls[function] for unit, function in inner)


def edges_lead_on(draft: Draft) -> None:
    place = {node.key: n for n, node in enumerate(draft.nodes)}
    assert list(place) == [f"n{n}" for n in range(len(draft.nodes))]
    assert all(place[edge.tail] < place[edge.head] for edge in draft.edges)


def edges_begin_at_ports(draft: Draft) -> None:
    ports = {node.key: len(node.ports) for node in draft.nodes}
    assert all(edge.port < ports[edge.tail] for edge in draft.edges)


AFTER: dict[str, Callable[[Any], None]] = {
    "with_operations": every_result_has_one_maker,
    "with_sources": everything_that_is_read_has_a_unit,
    "with_nodes_of_results": nodes_and_units_are_of_one_another,
    "with_leaves": every_leaf_has_a_unit,
    "with_nodes_by_moment": nodes_and_units_are_of_one_another,
    "with_unexplained_nodes": every_node_has_a_unit,
    "with_outputs_placed": every_output_has_its_place,
    "units_in_order": they_stand_in_order,
    "with_calls": every_unit_has_its_call,
    "with_nodes_and_edges": edges_lead_on,
    "with_every_port": edges_begin_at_ports,
}


def hangs_together(units: Units) -> None:
    """What holds between any two passes."""
    known = set(units.all)
    assert len(known) == len(units.all)
    assert set(units.values) == known
    assert {*units.of_value.values(), *units.inner_of_value.values(), *units.links.of_node.values()} <= known
    assert all(unit.function is None or unit.function in known for unit in known)


# --- what stays as it was


def contents(value: Any) -> Any:
    """A copy of what a stage says, to be compared with what it says later."""
    if isinstance(value, (Units, Draft, Links)):
        return {field.name: contents(getattr(value, field.name)) for field in fields(value) if field.name != "recorded"}
    if isinstance(value, Unit):
        return (
            id(value),
            value.order,
            value.kind,
            id(value.operation),
            value.label,
            tuple(value.operands),
            id(value.function),
        )
    if isinstance(value, dict):
        return [(contents(key), contents(held)) for key, held in value.items()]
    if isinstance(value, (tuple, list)):
        return [contents(part) for part in value]
    return value if isinstance(value, (str, int)) else id(value)


def watched(one: Callable[[Any], Any], seen: list[str]) -> Callable[[Any], Any]:
    @wraps(one)
    def run(value: Any) -> Any:
        before = contents(value)
        result = one(value)
        assert contents(value) == before, f"{one.__name__} changed what it was given"
        AFTER.get(one.__name__, id)(result)
        hangs_together(result if isinstance(result, Units) else result.units)
        seen.append(one.__name__)
        return result

    return run


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """While this is open, every pass is watched; the names of those that ran."""
    names: list[str] = []
    for stage in ("LINKING", "DRAFTING"):
        monkeypatch.setattr(assemble, stage, tuple(watched(one, names) for one in getattr(assemble, stage)))
    return names


def traced(program: Program, x: Tensor, y: Tensor) -> None:
    assert gad.trace(program, x, y).outputs  # which is when the passes run


def recorded_twice(program: Program, x: Tensor, y: Tensor) -> None:
    with gad.record():
        for output in program(x, y):
            output.abs().sum().backward(retain_graph=True)


def test_every_pass_that_promises_something_is_tried(seen: list[str]) -> None:
    assert gad.trace(torch.sin, 1.0).outputs
    assert set(AFTER) <= set(seen)
    assert seen == [one.__name__ for one in (*assemble.LINKING, *assemble.DRAFTING)]


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(program=programs, first=inputs(st.just(True)), second=inputs(st.booleans()), records=st.booleans())
def test_every_pass_keeps_its_promise_on_any_program(
    seen: list[str],
    program: Program,
    first: Input,
    second: Input,
    records: bool,
) -> None:
    program = program.accepted(first.make(), second.make())
    assume(program(first.make(), second.make()))
    try:
        (recorded_twice if records else traced)(program, first.make(), second.make())
    except RuntimeError:  # torch itself refuses the backward pass
        assume(False)


@pytest.mark.parametrize("name", ONE)
def test_every_pass_keeps_its_promise_on_every_operation(seen: list[str], name: str) -> None:
    program = Program((Step("*", 0, 1), Step(name, 2, 1), Step("*", 3, 2)), 2)
    x, y = (
        torch.tensor([[0.5, -1.0, 2.0], [0.25, 1.5, -0.75]]).double().requires_grad_(),
        torch.tensor([1.5, 0.25, -0.5]).double().requires_grad_(),
    )
    program = program.accepted(x, y)
    traced(program, x.detach().requires_grad_(), y.detach().requires_grad_())
    assert seen
