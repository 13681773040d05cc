"""Each pass from Units to Units, on a few values written by hand."""

from __future__ import annotations

import pytest
import torch
from hand_made_tapes import DETACH, MUL, MUL_, SIN, SPLIT, HandMade, Twice, kinds, units_of

import graphviz_ad as gad
from graphviz_ad._internal.tracing.assembly.assemble import memory_of_leaves
from graphviz_ad._internal.tracing.assembly.autograd_graph import BackwardPass
from graphviz_ad._internal.tracing.assembly.linking.calls_of_units import units_in_order, with_calls
from graphviz_ad._internal.tracing.assembly.linking.function_results import (
    with_results_without_gradient,
    with_unread_results,
)
from graphviz_ad._internal.tracing.assembly.linking.leaf_values import with_leaves
from graphviz_ad._internal.tracing.assembly.linking.operations import with_operations
from graphviz_ad._internal.tracing.assembly.linking.output_places import with_outputs_placed
from graphviz_ad._internal.tracing.assembly.linking.results import with_nodes_of_results
from graphviz_ad._internal.tracing.assembly.linking.slots import slots_of
from graphviz_ad._internal.tracing.assembly.linking.sources import with_sources
from graphviz_ad._internal.tracing.assembly.linking.unseen_nodes import with_nodes_by_moment, with_unexplained_nodes
from graphviz_ad._internal.tracing.assembly.linking.wholes import with_wholes, without_parts
from graphviz_ad._internal.tracing.assembly.reading_order import in_reading_order
from graphviz_ad._internal.tracing.assembly.units import Links, Unit, Units


@pytest.fixture
def made() -> HandMade:
    return HandMade()


# --- with_operations


def test_an_operation_is_a_unit_with_its_results(made: HandMade) -> None:
    x = made.value()
    low, high = made.run(SPLIT, x, edges=(None, None))
    units = with_operations(Units(made.recorded()))
    (unit,) = units.all
    assert kinds(units) == [("op", "split")]
    assert units.values[unit] == {0: low, 1: high}
    assert units.of_value == {low.number: unit, high.number: unit}
    assert unit.order == (low.number, 0)


def test_what_runs_in_one_call_of_a_function_stands_behind_it_and_makes_its_results(made: HandMade) -> None:
    x = made.value()
    (y,) = made.run(SIN, x, inside=Twice)
    (z,) = made.run(MUL, y, y, inside=Twice)
    (w,) = made.run(SIN, z)
    units = with_operations(Units(made.recorded()))
    function, sin, mul, after = units.all
    assert kinds(units) == [("op", "Twice"), ("op", "sin"), ("op", "mul"), ("op", "sin")]
    assert (function.function, sin.function, mul.function, after.function) == (None, function, function, None)
    assert [use[1] for use in function.operands] == [x.number]  # y was made inside
    assert units.of_value == {y.number: function, z.number: function, w.number: after}
    assert units.inner_of_value == {y.number: sin, z.number: mul}
    assert units.values[function] == {}
    assert function.order == (z.number, 2)


def test_a_function_in_which_an_operation_raised_is_left_out(made: HandMade) -> None:
    x = made.value()
    (y,) = made.run(SIN, x, inside=Twice)
    made.run(MUL, y, x, inside=Twice, edges=())
    made.tape.raised.add(1)
    made.run(SIN, x)
    units = with_operations(Units(made.recorded()))
    assert kinds(units) == [("op", "sin")]
    assert y.number not in units.of_value


def test_a_detach_that_nobody_reads_is_torchs_own(made: HandMade) -> None:
    x = made.value()
    (saved,) = made.run(DETACH, x)
    (read,) = made.run(DETACH, x)
    made.run(SIN, read)
    units = with_operations(Units(made.recorded()))
    assert kinds(units) == [("op", "detach"), ("op", "sin")]
    assert units.nobodys == {saved.number}


# --- with_sources


def test_what_was_there_is_a_leaf_or_data(made: HandMade) -> None:
    w, x, unread = made.value(requires_grad=True), made.value(), made.value()
    made.run(MUL, w, x)
    before = with_operations(Units(made.recorded()))
    units = with_sources(before)
    assert kinds(units) == [("op", "mul"), ("leaf", None), ("data", None)]
    assert units.of_value[w.number].kind == "leaf"
    assert unread.number not in units.of_value
    assert w.number not in before.of_value  # it is as it was


def test_another_part_of_what_was_written_is_a_view_of_it_and_the_same_is_the_writers(made: HandMade) -> None:
    x = made.value()
    (written,) = made.run(MUL_, x, x)
    same = made.value(0, 0, held=written.held)
    part = made.value(0, 0, held=7.0, shape=(2,))
    made.run(MUL, same, part)
    units = with_sources(with_operations(Units(made.recorded())))
    writer = units.of_value[written.number]
    assert units.of_value[same.number] is writer
    assert units.of_value[part.number].operands == [("self", written.number, False, None)]
    assert kinds(units) == [("op", "mul_"), ("op", "mul"), ("data", None), ("op", None)]


def test_what_a_function_made_unseen_and_reads_itself_stays_inside(made: HandMade) -> None:
    x = made.value()
    (y,) = made.run(SIN, x, inside=Twice)
    hidden = made.value()
    made.run(MUL, y, hidden, inside=Twice)
    units = with_sources(with_operations(Units(made.recorded())))
    source = units.inner_of_value[hidden.number]
    assert (source.kind, source.function) == ("data", units.all[0])
    assert hidden.number not in units.of_value


# --- with_nodes_of_results


def test_a_node_is_the_unit_whose_result_names_it(made: HandMade) -> None:
    i = made.node("MulBackward0", None, None)
    (y,) = made.run(MUL, made.value(), made.value(), edges=[(i, 0)])
    units = with_nodes_of_results(with_sources(with_operations(Units(made.recorded(y)))))
    assert units.links.of_node == {i: units.of_value[y.number]}
    assert units.links.node_of == {units.of_value[y.number]: i}
    assert units.links.port_of_edge == {(i, 0): 0}


def test_a_node_of_a_function_is_of_no_operation(made: HandMade) -> None:
    i = made.node("TwiceBackward", None, custom=Twice)
    (y,) = made.run(SIN, made.value(), edges=[(i, 0)])
    units = with_nodes_of_results(with_sources(with_operations(Units(made.recorded(y)))))
    assert units.links.of_node == {}


def test_what_a_part_was_written_through_has_the_copy_into_the_whole(made: HandMade) -> None:
    view, copy = made.node("SelectBackward0", (1, 0)), made.node("CopySlices", None, None)
    x = made.value()
    (part,) = made.run(MUL_, x, x, edges=[(view, 0)], is_view=True)
    whole = made.value(0, 0, edge=(copy, 0), held=2.0)
    made.run(SIN, part)
    made.run(SIN, whole)
    units = with_nodes_of_results(with_sources(with_operations(Units(made.recorded()))))
    writer = units.of_value[part.number]
    assert units.links.of_node == {copy: writer}
    assert units.values[writer] == {0: whole}


# --- with_leaves


def test_a_leaf_that_nobody_read_was_there_before_everything(made: HandMade) -> None:
    leaf = torch.zeros((), requires_grad=True)
    i = made.node("AccumulateGrad", leaf=leaf)
    units = with_leaves(Units(made.recorded()))
    (unit,) = units.all
    assert (unit.kind, unit.order) == ("leaf", (-1, i))
    assert units.leaves == {unit: {0: i}}
    assert units.links.of_node == {i: unit}


def test_what_wrote_to_a_leaf_is_that_leaf_and_both_versions_are_known(made: HandMade) -> None:
    leaf = torch.zeros((), requires_grad=True)
    second, first, i = (
        made.node("SinBackward0", (2, 0)),
        made.node("SinBackward0", (2, 0)),
        made.node("AccumulateGrad", leaf=leaf),
    )
    old = made.value(of=leaf, requires_grad=True, is_leaf=True)
    (y,) = made.run(SIN, old, edges=[(first, 0)])
    (new,) = made.run(MUL_, old, old, grad=False)
    new.reference, new.object_id, new.is_leaf, new.requires_grad = old.reference, old.object_id, True, True
    (z,) = made.run(SIN, new, edges=[(second, 0)])
    recorded = made.recorded(y, z, result=BackwardPass(edge_grads={first: (), second: ()}))
    units = with_leaves(with_nodes_of_results(with_sources(with_operations(Units(recorded)))))
    writer = units.of_value[new.number]
    assert units.leaves == {writer: {0: i}}
    assert [unit for unit, _ in units.versions[i]] == [units.of_value[old.number], writer]


# --- with_results_without_gradient, with_unread_results


def test_what_is_read_of_a_function_takes_the_next_free_number(made: HandMade) -> None:
    (y, largest) = made.run(SPLIT, made.value(), edges=(None, None), inside=Twice)
    made.run(SIN, largest)
    before = with_sources(with_operations(Units(made.recorded(y))))
    function = before.all[0]
    units = with_results_without_gradient(before)
    assert units.values[function] == {0: y, 1: largest}
    assert before.values[function] == {}


def test_a_function_that_nobody_read_most_likely_returned_what_it_did_not_use(made: HandMade) -> None:
    (y,) = made.run(SIN, made.value(), inside=Twice)
    (z,) = made.run(SIN, y, inside=Twice)
    units = with_unread_results(with_operations(Units(made.recorded())))
    assert [unit.label for unit in units.unread] == ["Twice"]
    assert units.values[units.unread[0]] == {0: z}


# --- with_nodes_by_moment, with_unexplained_nodes


@pytest.mark.parametrize(("name", "is_linked"), [("SinBackward0", True), ("CosBackward0", False)])
def test_a_node_of_what_nobody_read_is_known_by_moment_and_name(made: HandMade, name: str, is_linked: bool) -> None:
    i = made.node(name, None, before=4)
    made.run(SIN, made.value(requires_grad=True))
    made.tape.operations[0].moment = 5
    units = with_nodes_by_moment(with_operations(Units(made.recorded())))
    assert (units.links.of_node == {i: units.all[0]}) == is_linked


def test_two_operations_of_one_moment_cannot_be_told_apart(made: HandMade) -> None:
    made.node("SinBackward0", None, before=-1)
    x = made.value(requires_grad=True)
    made.run(SIN, x)
    made.run(SIN, x)
    assert with_nodes_by_moment(with_operations(Units(made.recorded()))).links.of_node == {}


def test_a_node_that_nothing_explains_stands_before_its_reader_and_holds_what_was_read_of_it(made: HandMade) -> None:
    reader, unseen, further = (
        made.node("SinBackward0", (1, 0)),
        made.node("CosBackward0", (2, 0)),
        made.node("TanhBackward0", None),
    )
    x = made.value(edge=(unseen, 0))
    (y,) = made.run(SIN, x, edges=[(reader, 0)])
    linked = with_nodes_of_results(with_sources(with_operations(Units(made.recorded(y)))))
    units = with_unexplained_nodes(linked)
    explained = units.links.of_node[reader]
    assert sorted(units.links.of_node) == [reader, unseen, further]
    assert all(units.links.of_node[i].order < explained.order for i in (unseen, further))
    assert units.links.of_node[further].order < units.links.of_node[unseen].order
    assert units.of_value[x.number] is units.links.of_node[unseen]
    assert units.values[units.links.of_node[further]] == {}


# --- with_wholes, without_parts


def test_what_was_written_in_part_unseen_is_what_was_read_as_a_whole(made: HandMade) -> None:
    i = made.node("MulBackward0", None, None)
    x = made.value()
    made.run(MUL_, x, x, grad=False)
    whole = made.value(0, 0, edge=(i, 0))
    made.run(SIN, whole)
    units = with_wholes(with_sources(with_operations(Units(made.recorded()))))
    assert units.values[units.of_value[whole.number]] == {0: whole}


@pytest.mark.parametrize("is_reached", [True, False])
def test_of_a_whole_that_nobody_saw_nothing_is_known_where_its_gradient_comes(made: HandMade, is_reached: bool) -> None:
    copy = made.node("CopySlices", None, None)
    part = made.value(is_view=True)
    unit = Unit((0, 0), "op")
    made.tape.has_writes = True
    recorded = made.recorded(result=BackwardPass(edge_grads={copy: ()} if is_reached else {99: ()}))
    units = without_parts(units_of(recorded, {unit: {0: part}}, links=Links({copy: unit})))
    assert units.values[unit] == ({} if is_reached else {0: part})


# --- with_outputs_placed


def test_the_gradient_of_what_was_written_to_unseen_arrives_where_it_came_from(made: HandMade) -> None:
    i = made.node("MulBackward0", None, None)
    (y,) = made.run(MUL, made.value(), made.value(), edges=[(i, 0)])
    (written,) = made.run(MUL_, y, y, grad=False)
    written.edge, written.requires_grad = y.edge, True
    linked = with_nodes_of_results(with_sources(with_operations(Units(made.recorded(written)))))
    place = with_outputs_placed(linked).places[written.number]
    assert place.shown is linked.of_value[written.number]
    assert place.fed == (linked.of_value[y.number], 0)


def test_an_output_that_is_as_it_was_made_is_shown_and_fed_there(made: HandMade) -> None:
    i = made.node("SinBackward0", None)
    (y,) = made.run(SIN, made.value(), edges=[(i, 0)])
    units = with_outputs_placed(with_nodes_of_results(with_sources(with_operations(Units(made.recorded(y))))))
    assert units.places == {y.number: (units.of_value[y.number], None)}


# --- units_in_order, with_calls


def test_units_stand_in_the_order_of_what_they_made(made: HandMade) -> None:
    late, early = Unit((5, 0), "op"), Unit((2, 3), "op")
    assert units_in_order(units_of(made.recorded(), {late: {}, early: {}})).all == (early, late)


def test_what_runs_in_a_function_is_part_of_its_call_and_a_view_of_what_was_written_of_that_call(
    made: HandMade,
) -> None:
    x = made.value()
    (y,) = made.run(SIN, x, inside=Twice)
    (written,) = made.run(MUL_, x, x)
    part = made.value(1, 0, held=7.0, shape=(2,))
    made.run(MUL, part, part)
    made.tape.calls[2] = 1  # the reader is part of the call that wrote
    units = with_calls(with_sources(with_operations(Units(made.recorded()))))
    assert units.calls[units.of_value[y.number]] == units.calls[units.inner_of_value[y.number]] == 0
    assert units.calls[units.of_value[part.number]] == units.calls[units.of_value[written.number]] == 1


def test_a_view_that_another_call_reads_is_of_none(made: HandMade) -> None:
    x = made.value()
    made.run(MUL_, x, x)
    part = made.value(0, 0, held=7.0, shape=(2,))
    made.run(MUL, part, part)
    units = with_calls(with_sources(with_operations(Units(made.recorded()))))
    assert units.calls[units.of_value[part.number]] is None


# --- which operand is which edge


def test_two_uses_of_one_result_take_the_two_edges_in_order(made: HandMade) -> None:
    product, sin = made.node("MulBackward0", (1, 0), (1, 0)), made.node("SinBackward0", None)
    (y,) = made.run(SIN, made.value(), edges=[(sin, 0)])
    (z,) = made.run(MUL, y, y, edges=[(product, 0)])
    units = with_nodes_of_results(with_sources(with_operations(Units(made.recorded(z)))))
    assert slots_of(units, units.of_value[z.number]) == {0: 0, 1: 1}


def test_an_operand_that_autograd_does_not_follow_has_no_slot(made: HandMade) -> None:
    product, sin = made.node("MulBackward0", None, (1, 0)), made.node("SinBackward0", None)
    (y,) = made.run(SIN, made.value(), edges=[(sin, 0)])
    (z,) = made.run(MUL, made.value(), y, edges=[(product, 0)])
    units = with_nodes_of_results(with_sources(with_operations(Units(made.recorded(z)))))
    assert slots_of(units, units.of_value[z.number]) == {1: 1}


# --- in_reading_order


def test_a_unit_stands_behind_what_it_reads_and_a_ring_is_left_out(made: HandMade) -> None:
    a, b, c = made.value(), made.value(), made.value()
    reader = Unit((0, 0), "op", operands=[("a", b.number, False, None)])
    source = Unit((1, 0), "data")
    ring = Unit((2, 0), "op", operands=[("a", c.number, False, None), ("b", a.number, False, None)])
    other = Unit((3, 0), "op", operands=[("a", 3, False, None)])
    d = made.value()
    values = {reader: {0: a}, source: {0: b}, ring: {0: d}, other: {0: c}}
    assert in_reading_order(units_of(made.recorded(), values)).all == (source, reader)


# --- what the leaves take


def test_a_leaf_that_died_is_counted_also_if_another_took_its_place_in_memory(made: HandMade) -> None:
    dead, living = made.value(requires_grad=True), made.value(requires_grad=True)
    living.object_id = dead.object_id
    leaves = {Unit((n, 0), "leaf"): {0: value} for n, value in enumerate((dead, living))}
    assert memory_of_leaves(units_of(made.recorded(), leaves)).leaves == 2 * 8


def test_a_leaf_that_was_written_to_is_counted_once() -> None:
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)

    def function(x: torch.Tensor) -> torch.Tensor:
        y = x + w.sum()
        with torch.no_grad():
            w.mul_(2)
        return y + w.sum()

    memory = gad.trace(function, 1.0).memory
    assert memory is not None
    assert memory.leaves == 3 * 8 + 8
