"""Paths are counted exactly, found one by one and summed in one sweep, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from small_programs import PROGRAMS, graph
from work import growth

from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.chain_rule import Carry, Course, carried, course, paths, summed_to


def number(value: float) -> Snapshot:
    return Snapshot((), "float64", value)


def dag(count: int, links: list[tuple[int, int, float]]) -> Graph:
    """Nodes n0, n1, … with edges of these local derivatives; the last node is the output."""
    ports = [Port((), "float64", value=number(0.0), is_output=i == count - 1) for i in range(count)]
    nodes = [
        Node(f"n{i}", "leaf" if i == 0 else "op", name=f"v{i}", ports=(port,), requires_grad=True)
        for i, port in enumerate(ports)
    ]
    slots: dict[int, int] = {}
    edges = []
    for tail, head, local in links:
        slots[head] = slots.get(head, -1) + 1
        edges.append(Edge(f"n{tail}", f"n{head}", slots[head], local=number(local)))
    return Graph(tuple(nodes), tuple(edges))


def diamonds(count: int) -> Graph:
    links = [
        ((i, i + 1, 0.5), (i, i + 2, 0.5), (i + 1, i + 3, 1.0), (i + 2, i + 3, 1.0)) for i in range(0, 3 * count, 3)
    ]
    return dag(3 * count + 1, [link for four in links for link in four])


@some.composite
def dags(draw: some.DrawFn) -> Graph:
    count = draw(some.integers(2, 7))
    pairs = [(tail, head) for head in range(count) for tail in range(head)]
    chosen = draw(some.lists(some.sampled_from(pairs), max_size=12))  # twins included
    return dag(
        count,
        [(tail, head, float(draw(some.integers(-3, 3)))) for tail, head in sorted(chosen, key=lambda pair: pair[1])],
    )


def walked(found: Graph) -> Iterator[tuple[str, ...]]:
    """Every path from the first node to the last as keys of edges, by a library that knows nothing of gradients."""
    every = nx.MultiDiGraph()
    every.add_nodes_from(found.nodes)
    every.add_edges_from((edge.tail, edge.head, edge.key) for edge in found.edges)
    yield from (
        tuple(step[2] for step in path) for path in nx.all_simple_edge_paths(every, "n0", found.node_list[-1].key)
    )


def by_local(found: Graph) -> Carry:
    return lambda edge, arriving: carried(found, edge, edge.local.array if edge.local is not None else None, arriving)


def carry(found: Graph, course_: Course) -> float:
    sums = course_.sums({found.node_list[-1].key: np.ones(())}, by_local(found))
    total = sums.get("n0")
    return float(total) if total is not None else 0.0


@settings(deadline=None, max_examples=150)
@given(dags())
def test_paths_are_those_that_another_library_finds(found: Graph) -> None:
    mine = Course(found, "n0")
    expected = sorted(walked(found))
    assert sorted(tuple(edge.key for edge in path) for path in mine.paths()) == expected
    assert mine.count == len(expected)
    assert {edge.key for edge in mine.edges} == {key for path in expected for key in path}
    local = {edge.key: edge.local.item() for edge in found.edges if edge.local is not None}
    assert carry(found, mine) == pytest.approx(sum(np.prod([local[key] for key in path]) for path in expected))


def test_sixty_diamonds_are_counted_and_summed_without_walking_them() -> None:
    found = diamonds(60)
    mine = Course(found, "n0")
    assert mine.count == 2**60
    assert carry(found, mine) == pytest.approx(1.0)
    assert [len(path) for path in islice(mine.paths(), 3)] == [120] * 3
    graphs = {count: diamonds(count) for count in (30, 60)}
    assert growth(lambda count: carry(graphs[count], Course(graphs[count], "n0")), 30, 60) < 2.5


def chain(count: int) -> Graph:
    return dag(count, [(i, i + 1, 1.0) for i in range(count - 1)])


def test_a_deep_chain_is_walked_without_recursion_and_with_work_that_grows_with_its_length() -> None:
    (path,) = Course(chain(5_000), "n0").paths()
    assert len(path) == 4_999
    graphs = {count: chain(count) for count in (500, 1_000)}
    assert growth(lambda count: list(Course(graphs[count], "n0").paths()), 500, 1_000) < 2.5


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_path_ends_at_an_output_and_is_connected(name: str) -> None:
    found = graph(name)
    for leaf in (node for node in found.node_list if node.kind == "leaf" and node.name):
        for path in paths(found, str(leaf.name)):
            assert path[0].tail == leaf.key
            assert all(before.head == after.tail and before.cut is None for before, after in pairwise(path))
            assert found.nodes[path[-1].head].is_output


def test_a_path_may_end_on_the_way_of_another() -> None:
    found = graph("reused_output")  # y = x·x and z = 3·y are both returned
    assert [len(path) for path in paths(found, "x")] == [1, 2, 1, 2]


def test_paths_stop_at_the_node_that_was_asked_for() -> None:
    found = graph("colah")
    assert (course(found, "b").count, course(found, "b", "e").count, course(found, "b", "c").count) == (2, 2, 1)


def test_one_result_of_several_is_followed_alone() -> None:
    found = graph("several_results")  # low, high = x.chunk(2); s = low * high + low
    assert (course(found, "low").count, course(found, "high").count, course(found, "x").count) == (2, 1, 3)


def test_what_is_not_known_makes_the_sum_unknown_and_nothing_else() -> None:
    found = dag(4, [(0, 1, 2.0), (0, 2, 3.0), (1, 3, 1.0), (2, 3, 1.0)])
    without = found.with_parts(
        found.node_list, [edge if edge.tail != "n1" else Edge("n1", "n3", 0) for edge in found.edges]
    )
    sums = Course(without, "n0").sums({"n3": np.ones(())}, by_local(without))
    assert (sums["n0"], sums["n1"], sums["n2"]) == (None, None, 1.0)


@pytest.mark.parametrize(
    ("shape", "to", "result"),
    [
        ((3, 2), (2,), [3, 3]),
        ((3, 2), (3, 1), [[2], [2], [2]]),
        ((3,), (), 3),
        ((), (), 1),
        ((2,), (3,), None),
        ((2,), (1, 2), None),
        ((2, 3), (1, 3), [[2, 2, 2]]),
    ],
)
def test_copies_are_summed_away_and_nothing_else(shape: tuple[int, ...], to: tuple[int, ...], result: object) -> None:
    found = summed_to(np.ones(shape), to)
    assert (found is None) == (result is None)
    if found is not None:
        assert found.shape == to
        np.testing.assert_array_equal(found, np.array(result))
