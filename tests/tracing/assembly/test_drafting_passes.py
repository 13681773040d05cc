"""Each pass from Draft to Draft, and what the draft says that it missed, on a few values written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hand_made_tapes import DETACH, MUL, SIN, HandMade, Twice, units_of

from graphviz_ad._internal.graph.fact_texts import FLOW
from graphviz_ad._internal.graph.graph import Edge, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.tracing.assembly.assemble import LINKING, through
from graphviz_ad._internal.tracing.assembly.autograd_graph import BackwardPass
from graphviz_ad._internal.tracing.assembly.draft import Draft, empty_draft
from graphviz_ad._internal.tracing.assembly.drawing import with_nodes_and_edges
from graphviz_ad._internal.tracing.assembly.fed_in import with_what_is_fed_in
from graphviz_ad._internal.tracing.assembly.gaps import gaps_of
from graphviz_ad._internal.tracing.assembly.leaf_versions import with_versions_apart
from graphviz_ad._internal.tracing.assembly.missing_gradients import NONE_GRADIENT
from graphviz_ad._internal.tracing.assembly.ports import with_every_port
from graphviz_ad._internal.tracing.assembly.units import Arrival, Output, OutputPlace, Recorded, Unit, Units


@pytest.fixture
def made() -> HandMade:
    return HandMade()


def number(value: float) -> Snapshot:
    return Snapshot((), "float64", value)


def drafted(recorded: Recorded) -> Draft:
    return empty_draft(through(LINKING, Units(recorded)))


def ends(draft: Draft) -> list[tuple[str, str, int, str | None]]:
    return [(edge.tail, edge.head, edge.slot, edge.cut) for edge in draft.edges]


def by_hand(made: HandMade, *nodes: Node, edges: tuple[Edge, ...] = (), **tables: Any) -> Draft:
    """A draft with a unit for each of the nodes, as an earlier pass would have left it."""
    values = {Unit((n, 0), node.kind): {0: made.value()} for n, node in enumerate(nodes)}
    units = units_of(made.recorded(), values, calls=dict.fromkeys(values))
    return replace(empty_draft(replace(units, **tables)), nodes=nodes, edges=edges)


# --- with_nodes_and_edges


def test_a_product_of_leaf_and_data_has_three_nodes_two_edges_and_autograds_numbers(made: HandMade) -> None:
    leaf = torch.zeros((), requires_grad=True)
    product, i = made.node("MulBackward0", (1, 0), None), made.node("AccumulateGrad", leaf=leaf)
    w, x = made.value(of=leaf, requires_grad=True, is_leaf=True, held=3.0), made.value(held=2.0)
    (y,) = made.run(MUL, w, x, edges=[(product, 0)])
    flowed = BackwardPass(
        {product: (number(1.0),)},
        {product: (number(2.0), None)},
        {product: (number(2.0), None)},
        {i: number(2.0)},
        order=[product],
    )
    draft = with_nodes_and_edges(drafted(made.recorded(y, result=flowed)))
    assert [(node.key, node.kind, node.op, node.requires_grad, node.cut) for node in draft.nodes] == [
        ("n0", "leaf", None, True, None),
        ("n1", "data", None, False, "data"),
        ("n2", "op", "mul", True, None),
    ]
    assert [node.ports[0].grad for node in draft.nodes] == [number(2.0), None, number(1.0)]
    assert ends(draft) == [("n0", "n2", 0, None), ("n1", "n2", 1, "data")]
    assert (draft.edges[0].grad, draft.edges[0].local) == (number(2.0), number(2.0))
    assert draft.nodes[2].backward_order == 0


def test_a_derivative_that_does_not_make_what_flowed_is_left_out_and_said(made: HandMade) -> None:
    leaf = torch.zeros((), requires_grad=True)
    sin, i = made.node("SinBackward0", (1, 0)), made.node("AccumulateGrad", leaf=leaf)
    (y,) = made.run(SIN, made.value(of=leaf, requires_grad=True, is_leaf=True), edges=[(sin, 0)])
    arrived, left, local = {sin: (number(1.0),)}, {sin: (number(5.0),)}, {sin: (number(2.0),)}
    flowed = BackwardPass(arrived, left, local, {i: number(5.0)}, order=[sin])
    draft = with_nodes_and_edges(drafted(made.recorded(y, result=flowed)))
    assert draft.edges[0].local is None
    assert draft.nodes[1].hook_effects == (FLOW,)
    assert [(note.kind, note.subjects) for note in gaps_of(draft)] == [("flow changed", ("sin",))]


def test_nodes_stand_behind_what_they_read_whatever_the_order_of_the_units(made: HandMade) -> None:
    a, b = made.value(), made.value()
    reader, source = Unit((0, 0), "op", operands=[("a", b.number, False, None)]), Unit((1, 0), "data")
    units = units_of(made.recorded(), {reader: {0: a}, source: {0: b}}, calls={reader: None, source: None})
    draft = with_nodes_and_edges(empty_draft(units))
    assert [node.kind for node in draft.nodes] == ["data", "op"]
    assert ends(draft) == [("n0", "n1", 0, "data")]
    assert draft.left_out == 0


def test_a_ring_is_left_out_and_said(made: HandMade) -> None:
    a, b = made.value(), made.value()
    one, two = (
        Unit((0, 0), "op", operands=[("a", 1, False, None)]),
        Unit((1, 0), "op", operands=[("a", 0, False, None)]),
    )
    units = units_of(made.recorded(), {one: {0: a}, two: {0: b}}, calls={one: None, two: None})
    draft = with_nodes_and_edges(empty_draft(units))
    assert (draft.nodes, draft.edges) == ((), ())
    assert [(note.kind, dict(note.facts)) for note in gaps_of(draft)] == [("circle", {"count": 2})]


def test_what_runs_inside_a_function_leads_to_its_results_without_a_gradient(made: HandMade) -> None:
    i = made.node("TwiceBackward", None, custom=Twice)
    (y,) = made.run(SIN, made.value(), edges=[(i, 0)], inside=Twice)
    draft = with_nodes_and_edges(drafted(made.recorded(y)))
    assert [(node.key, node.op) for node in draft.nodes] == [("n0", None), ("n1", "sin"), ("n2", "Twice")]
    assert ends(draft) == [("n0", "n1", 0, "inner"), ("n0", "n2", 0, "data"), ("n1", "n2", 1, "inner")]


@pytest.mark.parametrize(("arrived", "cut"), [((number(1.0),), NONE_GRADIENT), ((None,), "unreached")])
def test_an_operand_to_which_autograd_sent_nothing_says_why(made: HandMade, arrived: tuple[Any, ...], cut: str) -> None:
    leaf = torch.zeros((), requires_grad=True)
    sin = made.node("SinBackward0", (1, 0))
    made.node("AccumulateGrad", leaf=leaf)
    (y,) = made.run(SIN, made.value(of=leaf, requires_grad=True, is_leaf=True), edges=[(sin, 0)])
    draft = with_nodes_and_edges(drafted(made.recorded(y, result=BackwardPass({sin: arrived}, {sin: (None,)}))))
    assert ends(draft) == [("n0", "n1", 0, cut)]


def test_a_value_that_was_detached_says_so(made: HandMade) -> None:
    (y,) = made.run(DETACH, made.value(requires_grad=True))
    made.run(SIN, y)
    draft = with_nodes_and_edges(drafted(made.recorded(y)))
    assert [(node.op, node.cut) for node in draft.nodes] == [(None, "unreached"), ("detach", "detach"), ("sin", "data")]


# --- with_every_port


def test_a_node_has_a_port_for_each_edge_that_begins_there(made: HandMade) -> None:
    split, reader = Node("n0", "op", ports=(Port(),)), Node("n1", "op", ports=(Port(),))
    before = by_hand(made, split, reader, edges=(Edge("n0", "n1", 0, 2),))
    assert [len(node.ports) for node in with_every_port(before).nodes] == [3, 1]
    assert [len(node.ports) for node in before.nodes] == [1, 1]


# --- with_what_is_fed_in


def test_what_is_fed_in_before_it_was_written_to_stands_where_it_arrives(made: HandMade) -> None:
    draft = by_hand(made, Node("n0", "op", ports=(Port(),)), Node("n1", "op", ports=(Port(),)))
    (first, second), value = draft.units.all, made.value()
    recorded = replace(draft.units.recorded, outputs=[Output(value, number(2.0)), Output(value, number(3.0))])
    units = replace(draft.units, recorded=recorded, places={value.number: OutputPlace(second, Arrival(first, 0))})
    fed = with_what_is_fed_in(replace(draft, units=units))
    assert [(node.ports[0].upstream, node.ports[0].is_output) for node in fed.nodes] == [
        (number(5.0), False),
        (None, False),
    ]


def test_an_output_that_is_shown_nowhere_is_one_where_its_gradient_arrives(made: HandMade) -> None:
    draft = by_hand(made, Node("n0", "op", ports=(Port(),)))
    value = made.value()
    recorded = replace(draft.units.recorded, outputs=[Output(value, number(2.0))])
    places = {value.number: OutputPlace(None, Arrival(draft.units.all[0], 1))}
    (node,) = with_what_is_fed_in(replace(draft, units=replace(draft.units, recorded=recorded, places=places))).nodes
    assert [(port.upstream, port.is_output) for port in node.ports] == [(None, False), (number(2.0), True)]


# --- with_versions_apart


def test_each_version_of_a_leaf_has_what_its_own_uses_brought(made: HandMade) -> None:
    nodes = (
        Node("n0", "leaf", name="w", ports=(Port(grad=number(5.0)),)),
        Node("n1", "op", cut="no_grad", ports=(Port(),)),
        Node("n2", "op"),
    )
    edges = (
        Edge("n0", "n2", 0, grad=number(2.0)),
        Edge("n1", "n2", 1, grad=number(3.0)),
        Edge("n1", "n2", 2, grad=number(9.0), cut="inner"),
    )
    draft = by_hand(made, *nodes, edges=edges)
    first, second, _ = draft.units.all
    draft = replace(draft, units=replace(draft.units, versions={0: [Arrival(first, 0), Arrival(second, 0)]}))
    old, new, _ = with_versions_apart(draft).nodes
    assert (old.ports[0].grad, old.ports[0].grad_total) == (number(2.0), number(5.0))
    assert (new.kind, new.cut, new.ports[0].grad, new.ports[0].grad_total) == ("leaf", None, number(3.0), None)
    assert [(note.kind, note.subjects) for note in gaps_of(draft)] == [("written between uses", ("w", "n1"))]


# --- gaps


def test_what_is_known_for_certain_has_no_gaps(made: HandMade) -> None:
    assert gaps_of(by_hand(made, Node("n0", "leaf", ports=(Port(),)))) == []


def test_a_node_that_nothing_explains_is_said_where_something_ran(made: HandMade) -> None:
    made.node("SinBackward0", None)
    assert gaps_of(with_nodes_and_edges(drafted(made.recorded()))) == []
    made.run(SIN, made.value())
    (note,) = gaps_of(with_nodes_and_edges(drafted(made.recorded())))
    assert (note.kind, dict(note.facts)) == ("unlinked", {"count": 1})


def test_what_raised_and_was_caught_is_said_but_not_what_ended_the_program(made: HandMade) -> None:
    made.run(SIN, made.value(), edges=())
    made.run(MUL, made.value(), made.value(), edges=())
    made.tape.raised |= {0, 1}
    made.tape.stopped = 1
    assert [(note.kind, note.subjects) for note in gaps_of(drafted(made.recorded()))] == [("caught", ("sin",))]


def test_a_function_whose_results_nobody_saw_is_said(made: HandMade) -> None:
    made.run(SIN, made.value(), inside=Twice)
    assert [(note.kind, note.subjects) for note in gaps_of(drafted(made.recorded()))] == [("nobody read", ("Twice",))]
