"""Graphs of several ranks, written by hand, become one: what is joined, what is not, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphviz_ad._internal.base.errors import MergeError
from graphviz_ad._internal.diagnosis.rank_histories import diagnosis_of_records
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.messages import IssuedCall, Message
from graphviz_ad._internal.graph.rank_messages import message_of
from graphviz_ad._internal.graph.snapshot import Snapshot, Stats
from graphviz_ad._internal.graph.training_history import Ending, ParameterSummary, RunRecord, StepSummary
from graphviz_ad._internal.graph.transforms import collapse_modules
from graphviz_ad._internal.ranks.issued import mismatches
from graphviz_ad._internal.ranks.matching import MEANINGS, Call, close, met, same_elements
from graphviz_ad._internal.ranks.merging import merge
from graphviz_ad._internal.scene.words.describe import words_of_graph


def snap(numbers: Any, dtype: str = "float32") -> Snapshot:
    array = np.array(numbers, dtype=np.dtype(dtype))
    return Snapshot(array.shape, dtype, array if array.ndim else array.item())


def port(numbers: Any, dtype: str = "float32", **more: Any) -> Port:
    value = snap(numbers, dtype)
    return Port(value.shape, dtype, "cpu", value, **more)


def unknown(*shape: int, dtype: str = "float32") -> Port:
    return Port(shape, dtype, "cpu")


def summary(shape: tuple[int, ...], low: float, high: float, mean: float, norm: float) -> Snapshot:
    return Snapshot(shape, "float32", stats=Stats(low, high, mean, norm, 0), missing="summarised")


class Rank:
    """Writes the graph of one rank, node by node."""

    def __init__(self, rank: int, ranks: Sequence[int] = (0, 1)) -> None:
        self.rank, self.ranks = rank, tuple(ranks)
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def add(
        self,
        kind: str,
        op: str | None,
        *operands: str,
        result: Port | None = None,
        cut: str | None = "data",
        **more: Any,
    ) -> str:
        key = f"n{len(self.nodes)}"
        self.nodes.append(Node(key, kind, op, ports=(result or Port(),), cut=cut, **more))
        self.edges += [Edge(tail, key, slot, cut=cut) for slot, tail in enumerate(operands)]
        return key

    def data(self, numbers: Any, name: str | None = None) -> str:
        return self.add("data", None, result=numbers if isinstance(numbers, Port) else port(numbers), name=name)

    def call(
        self, message_kind: str, *operands: str, result: Port | None = None, name: str | None = None, **facts: Any
    ) -> str:
        message = Message(message_kind, self.rank, ranks=self.ranks, **facts)
        kind = "data" if message_kind == "recv" else "op"
        return self.add(
            kind, message_kind, *operands, result=result, name=name, messages=(message,), call=len(self.nodes)
        )

    def send(self, numbers: Any, peer: int, **facts: Any) -> str:
        return self.call("send", self.data(numbers), peer=peer, **facts)

    def recv(self, numbers: Any, peer: int | None, name: str | None = None, **facts: Any) -> str:
        return self.call(
            "recv", result=numbers if isinstance(numbers, Port) else port(numbers), peer=peer, name=name, **facts
        )

    def graph(self, *notices: str, name: str = "step") -> Graph:
        return Graph(tuple(self.nodes), tuple(self.edges), name).saying(*notices)


def two() -> tuple[Rank, Rank]:
    return Rank(0), Rank(1)


def between(graph: Graph) -> list[tuple[str, str, str]]:
    """The edges that leave a rank: tail, head, match."""
    return [(edge.tail, edge.head, edge.match) for edge in graph.edges if edge.cut == "communication"]


# --- messages


def test_a_message_is_an_edge_from_the_node_that_sent_it_to_the_one_that_received_it() -> None:
    one, other = two()
    one.send([1, 2], 1)
    other.add("op", "neg", other.recv([1, 2], 0, "h"), result=port([-1, -2]))
    graph = merge([one.graph(), other.graph()])
    assert between(graph) == [("r0n1", "r1n0", "exact")]
    assert [(node.key, node.module) for node in graph.node_list] == [
        ("r0n0", ("rank 0",)),
        ("r0n1", ("rank 0",)),
        ("r1n0", ("rank 1",)),
        ("r1n1", ("rank 1",)),
    ]
    assert graph.nodes["r0n1"].value == snap([1, 2])  # what a send sends is its operand
    assert (graph.nodes["r1n0"].kind, graph.nodes["r1n0"].cut) == ("op", "communication")  # it has an operand now
    assert not graph.notices


def test_messages_are_paired_in_order_for_each_peer_tag_and_group() -> None:
    one, other = two()
    sent = [
        one.send([value], 1, tag=tag, group=group)
        for value, tag, group in ((1, 0, "0"), (2, 7, "0"), (3, 0, "0"), (4, 0, "twins"))
    ]
    received = [
        other.recv([value], 0, tag=tag, group=group)
        for value, tag, group in ((4, 0, "twins"), (2, 7, "0"), (1, 0, "0"), (3, 0, "0"))
    ]
    graph = merge([one.graph(), other.graph()])
    wanted = {(sent[0], received[2]), (sent[1], received[1]), (sent[2], received[3]), (sent[3], received[0])}
    assert {(tail, head) for tail, head, match in between(graph) if match == "exact"} == {
        (f"r0{tail}", f"r1{head}") for tail, head in wanted
    }


def test_both_may_send_before_they_receive() -> None:
    one, other = two()
    for rank, peer in ((one, 1), (other, 0)):
        rank.send([rank.rank], peer)
        rank.recv([peer], peer)
    graph = merge([one.graph(), other.graph()])
    assert between(graph) == [("r0n1", "r1n2", "exact"), ("r1n1", "r0n2", "exact")]
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    assert all(place[edge.tail] < place[edge.head] for edge in graph.edges)


def test_numbers_that_are_not_known_leave_a_guess() -> None:
    one, other = two()
    one.send(unknown(2), 1)
    other.recv(unknown(2), 0)
    graph = merge([one.graph(), other.graph()])
    assert between(graph) == [("r0n1", "r1n0", "guess")]
    assert graph.notices == (
        "1 of 1 communication is joined by order alone: the numbers that would prove it are not known.",
    )
    assert [line.text for line in words_of_graph(graph).edges[graph.edges[-1].key].lines] == ["⇢ rank 1 ?"]


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (port([1, 3]), "float32[2] was sent and float32[2] received"),
        (port([1, 2, 3]), "float32[2] was sent and float32[3] received"),
        (port([1, 2], "float64"), "float32[2] was sent and float64[2] received"),
        (unknown(3), "float32[2] was sent and float32[3] received"),
    ],
)
def test_what_contradicts_itself_is_not_joined_and_said(received: Port, said: str) -> None:
    one, other = two()
    one.send([1, 2], 1)
    other.recv(received, 0)
    graph = merge([one.graph(), other.graph()])
    assert not between(graph)
    assert graph.notices == (
        (
            "1 message from rank 0 to rank 1 in group '0' is not joined: the two ends contradict each other; of"
            f" message 0, {said}."
        ),
    )


def test_another_shape_of_the_same_elements_is_the_same_message() -> None:
    one, other = two()
    one.send([[1, 2], [3, 4]], 1)
    other.recv([1, 2, 3, 4], 0)
    assert between(merge([one.graph(), other.graph()])) == [("r0n1", "r1n0", "exact")]


def test_a_message_that_nobody_received_is_said_and_the_others_are_no_longer_certain() -> None:
    one, other = two()
    one.send([1], 1)
    one.send([2], 1)
    one.send([2], 5, tag=3)
    other.recv([1], 0)
    other.recv([9], None)
    graph = merge([one.graph(), other.graph()])
    assert between(graph) == [("r0n1", "r1n0", "guess")]  # perhaps the recordings do not begin at the same message
    assert graph.notices[:3] == (
        "1 message from rank 0 to rank 1 in group '0' is not joined: rank 1 recorded no receive for it.",
        "1 message from rank 0 to rank 5 in group '0' with tag 3 is not joined: the graph of rank 5 is not here.",
        "1 receive from any rank is not joined: from which rank is not recorded.",
    )


def test_statistics_tell_the_same_tensor_whatever_the_order_of_their_sums() -> None:
    a = Port((9, 9), "float32", value=summary((9, 9), -1, 2, 0.25, 3.0))
    assert same_elements(a, replace(a, value=summary((81,), -1, 2, 0.2500001, 3.000001))) is True
    assert same_elements(a, replace(a, value=summary((81,), -1, 2, 0.26, 3.0))) is False
    assert same_elements(a, replace(a, value=summary((81,), -1, 2.5, 0.25, 3.0))) is False
    assert same_elements(a, unknown(81)) is None
    assert same_elements(port([np.nan, 0.0]), port([np.nan, 0.0])) is True
    assert same_elements(port([0.0]), port([-0.0])) is False


def pipeline(*, back: float = 6.0, fed: float = 6.0) -> Graph:
    """y = 2·h on rank 0, z = 3·h on rank 1, whose gradient goes back."""
    one, other = two()
    x = one.data([5.0], "x")
    h = one.add(
        "op",
        "mul",
        x,
        result=port([10.0], grad=snap([fed]), upstream=snap([fed]), is_output=True),
        name="h",
        requires_grad=True,
        backward_order=0,
    )
    aside = one.add("op", "detach", h, result=port([10.0]), cut="detach")
    one.call("send", aside, peer=1)
    one.recv([back], 1, "gradient")
    received = other.call("recv", result=port([10.0], grad=snap([6.0])), peer=0, name="h")
    other.nodes[0] = replace(other.nodes[0], kind="leaf", cut=None, requires_grad=True)
    z = other.add(
        "op",
        "mul",
        received,
        result=port([30.0], grad=snap([2.0]), upstream=snap([2.0]), is_output=True),
        cut=None,
        name="z",
        requires_grad=True,
    )
    other.nodes[1] = replace(other.nodes[1], backward_order=0)
    assert z == "n1"
    other.send([6.0], 0)
    return merge([one.graph(), other.graph()])


def test_an_edge_between_ranks_carries_the_gradient_that_came_back_in_a_message() -> None:
    graph = pipeline()
    forth, back = (edge for edge in graph.edges if edge.cut == "communication")
    assert (forth.tail, forth.head, forth.grad) == ("r0n3", "r1n0", snap([6.0]))
    assert (back.tail, back.head, back.grad) == ("r1n3", "r0n4", None)
    assert graph.nodes["r1n0"].kind == "leaf"  # autograd begins anew there
    assert [line.text for line in words_of_graph(graph).edges[forth.key].lines] == ["⇢ rank 1", "← [6]"]
    assert graph.check().ok is None


def test_rank_1_runs_backward_before_rank_0_that_waits_for_its_gradient() -> None:
    ran = {node.key: node.backward_order for node in pipeline().node_list if node.backward_order is not None}
    assert ran == {"r1n1": 0, "r0n1": 1}


def test_a_gradient_that_is_not_the_one_that_came_back_is_not_put_on_the_edge() -> None:
    for graph in (pipeline(fed=7.0), pipeline(back=7.0)):
        assert next(edge for edge in graph.edges if edge.cut == "communication").grad is None


# --- collectives


def reduced(
    results: Sequence[Port | None],
    reduction: str | None = "sum",
    kind: str = "all_reduce",
    given: Sequence[Any] = ([1, 2], [10, 20]),
    **facts: Any,
) -> Graph:
    graphs = []
    for rank, (numbers, result) in enumerate(zip(given, results, strict=True)):
        writer = Rank(rank, range(len(results)))
        call = writer.call(kind, writer.data(numbers, "t"), result=result, name="t", reduction=reduction, **facts)
        writer.add("op", "neg", call, result=port([0.0]))
        graphs.append(writer.graph())
    return merge(graphs)


def test_a_collective_is_one_node_between_the_ranks_with_one_result_where_all_got_the_same() -> None:
    graph = reduced([port([11, 22]), port([11, 22])])
    hub = graph.nodes["c0"]
    assert (hub.op, hub.name, hub.module, hub.ports) == ("all_reduce", "t", (), (port([11, 22], name="t"),))
    assert [(edge.tail, edge.slot, edge.cut, edge.match) for edge in graph.in_edges("c0")] == [
        ("r0n0", 0, "communication", "exact"),
        ("r1n0", 1, "communication", "exact"),
    ]
    assert [(edge.head, edge.port) for edge in graph.out_edges("c0")] == [("r0n2", 0), ("r1n2", 0)]
    assert "r0n1" not in graph.nodes
    assert not graph.notices


def test_results_that_have_gradients_of_their_own_are_kept_apart() -> None:
    graph = reduced([port([11, 22], grad=snap([1, 1])), port([11, 22], grad=snap([2, 2]))])
    assert [(result.name, result.grad) for result in graph.nodes["c0"].ports] == [
        ("t of rank 0", snap([1, 1])),
        ("t of rank 1", snap([2, 2])),
    ]
    assert [(edge.head, edge.port) for edge in graph.out_edges("c0")] == [("r0n2", 0), ("r1n2", 1)]


@pytest.mark.parametrize("numbers", [([11, 23], [11, 23]), ([11, 22], [11, 21])], ids=["no sum", "not the same"])
def test_a_reduction_that_is_none_is_not_joined(numbers: tuple[list[int], list[int]]) -> None:
    graph = reduced([port(row) for row in numbers])
    assert "c0" not in graph.nodes
    assert not between(graph)
    assert (
        "1 collective of group '0' is not joined: the ranks contradict each other; call 0: rank 0 called all_reduce"
        " (sum) with float32[2]" in graph.notices[0]
    )


def test_a_rank_that_is_missing_is_said_and_makes_a_guess_of_the_rest() -> None:
    writers = [Rank(rank, (0, 1, 2)) for rank in range(2)]
    for writer in writers:
        for number in range(2):
            writer.call("all_reduce", writer.data([1.0]), result=port([3.0]), reduction="sum", number=number)
    writers[0].call("all_reduce", writers[0].data([1.0]), result=port([3.0]), number=2)
    graph = merge([writer.graph() for writer in writers])
    assert [edge.match for edge in graph.in_edges("c0")] == ["guess", "guess"]
    assert graph.notices[:2] == (
        "2 all_reduce calls of group '0' are not joined with rank 2: no graph of rank 2 is here.",
        "1 all_reduce call of group '0' is not joined with ranks 1, 2: no graph of rank 2 is here.",
    )


GIVEN = ([1.0, 2.0], [10.0, 20.0])
BEFORE_AND_AFTER: dict[str, tuple[str, dict[str, Any], Sequence[Any], Sequence[Any]]] = {  # kind, facts, given, got
    "sum": ("all_reduce", {"reduction": "sum"}, GIVEN, ([11, 22], [11, 22])),
    "mean": ("all_reduce", {"reduction": "avg"}, GIVEN, ([5.5, 11], [5.5, 11])),
    "maximum": ("all_reduce", {"reduction": "max"}, GIVEN, ([10, 20], [10, 20])),
    "minimum": ("all_reduce", {"reduction": "min"}, GIVEN, ([1, 2], [1, 2])),
    "product": ("all_reduce", {"reduction": "product"}, GIVEN, ([10, 40], [10, 40])),
    "reduce": ("reduce", {"reduction": "sum", "root": 1}, GIVEN, ([7, 7], [11, 22])),
    "broadcast": ("broadcast", {"root": 1}, (None, GIVEN[1]), (GIVEN[1], None)),
    "all_gather": ("all_gather", {}, GIVEN, ([1, 2, 10, 20], [1, 2, 10, 20])),
    "gather": ("gather", {"root": 0}, GIVEN, ([1, 2, 10, 20], None)),
    "scatter": ("scatter", {"root": 0}, ([1, 2, 3, 4], None), ([1, 2], [3, 4])),
    "reduce_scatter": ("reduce_scatter", {"reduction": "sum"}, GIVEN, ([11], [22])),
    "all_to_all": ("all_to_all", {}, GIVEN, ([1, 10], [2, 20])),
}


def calls(kind: str, facts: dict[str, Any], given: Sequence[Any], got: Sequence[Any]) -> list[Call]:
    sides = [[() if row is None else (port(row),) for row in rows] for rows in (given, got)]
    return [
        Call(f"n{r}", Message(kind, r, ranks=(0, 1), **facts), before, after)
        for r, (before, after) in enumerate(zip(*sides, strict=True))
    ]


@pytest.mark.parametrize("case", BEFORE_AND_AFTER.values(), ids=list(BEFORE_AND_AFTER))
def test_the_numbers_of_a_collective_prove_or_refute_it(
    case: tuple[str, dict[str, Any], Sequence[Any], Sequence[Any]],
) -> None:
    kind, facts, given, got = case
    assert met(calls(kind, facts, given, got)) is True
    wrong = [None if row is None else [value + 1 for value in row] for row in got]
    # its parts may be of several sizes
    assert met(calls(kind, facts, given, wrong)) is (None if kind == "all_to_all" else False)
    hidden = [replace(call, operands=(unknown(2),), results=(unknown(2),)) for call in calls(kind, facts, given, got)]
    assert met(hidden) is None


def test_every_kind_of_collective_is_tested() -> None:
    assert {kind for kind, *_ in BEFORE_AND_AFTER.values()} == set(MEANINGS)


@pytest.mark.parametrize(
    "change",
    [{"root": 0}, {"reduction": "max"}, {"kind": "reduce"}, {"ranks": (0, 1, 2)}],
    ids=lambda change: next(iter(change)),
)
def test_calls_that_say_different_things_are_no_collective(change: dict[str, Any]) -> None:
    first, second = calls("all_reduce", {"reduction": "sum"}, GIVEN, ([11, 22], [11, 22]))
    assert met([first, replace(second, message=replace(second.message, **change))]) is False


@pytest.mark.parametrize(
    ("dtype", "step"), [("float32", 2.0**-23), ("bfloat16", 2.0**-7), ("int64", 0.0), ("bits8", 0.0)]
)
def test_a_reduction_is_compared_as_finely_as_its_dtype_is(dtype: str, step: float) -> None:
    exact = np.array([1.0, 2.0])
    for off, near in ((step, True), (100 * step or 1.0, False)):
        value = Snapshot((2,), dtype, exact + off)
        assert close((exact, np.abs(exact)), [Port((2,), dtype, value=value)]) is near


def test_an_order_that_is_a_circle_is_refused() -> None:
    one, other = two()  # each sends what it receives from the other: no program can do that
    for rank, peer in ((one, 1), (other, 0)):
        rank.call("send", rank.recv([1.0], peer), peer=peer)
    graph = merge([one.graph(), other.graph()])
    assert not between(graph)
    assert len(graph.node_list) == 4
    assert graph.notices == (
        (
            "2 communications are not joined: each would have to happen before the others, so that their order cannot"
            " be right."
        ),
    )


def test_each_rank_keeps_its_own_order_where_that_can_be() -> None:
    one, other = two()
    one.send([1], 1)
    last = [one.data([2]), one.recv([3], 1)]
    other.data([4])
    other.recv([1], 0)
    other.send([3], 0)
    keys = [node.key for node in merge([one.graph(), other.graph()]).node_list]
    for rank in ("r0", "r1"):
        own = [key for key in keys if key.startswith(rank)]
        assert own == [f"{rank}n{i}" for i in range(len(own))]
    assert keys.index(f"r0{last[0]}") < keys.index("r1n0") < keys.index(f"r0{last[1]}")


def test_what_is_waited_for_later_does_not_stop_the_ranks_from_being_joined() -> None:
    one, other = two()  # rank 0 starts an all_reduce and sends before it waits; rank 1 receives before it takes part
    one.call("all_reduce", one.data([1]), result=port([3]), reduction="sum")
    one.send([7], 1)
    other.recv([7], 0)
    other.call("all_reduce", other.data([2]), result=port([3]), reduction="sum")
    graph = merge([one.graph(), other.graph()])
    assert graph.notices == ()
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    assert {"c0", "r0n3", "r1n0"} <= place.keys()
    assert all(place[edge.tail] < place[edge.head] for edge in graph.edges)


# --- gradients that the ranks averaged


def replica(rank: int, own: Any, total: Any, name: str = "weight") -> Graph:
    def of(numbers: Any) -> Snapshot:
        return numbers if isinstance(numbers, Snapshot) else snap(numbers)

    shape = of(own).shape
    leaf = Node(
        "n0",
        "leaf",
        name=name,
        ports=(Port(shape, "float32", "cpu", None, of(own), grad_total=of(total)),),
        requires_grad=True,
    )
    same = Node(
        "n1",
        "leaf",
        name="bias",
        ports=(Port((1,), "float32", "cpu", None, snap([4]), grad_total=snap([4])),),
        requires_grad=True,
    )
    return Graph((leaf, same), (), f"rank {rank}")


def test_gradients_that_all_ranks_have_as_their_mean_hang_together_with_each_ranks_own_on_the_edge() -> None:
    graph = merge([replica(0, [1, 2], [1.5, 3]), replica(1, [2, 4], [1.5, 3])])
    hub = graph.node_list[0]
    assert (hub.key, hub.name, hub.module, hub.grad) == ("a0", "gradients, mean over 2 ranks", (), snap([1.5, 3, 4]))
    assert [(edge.head, edge.grad, edge.match) for edge in graph.out_edges("a0")] == [
        ("r0n0", snap([1, 2]), "exact"),
        ("r1n0", snap([2, 4]), "exact"),
        ("r0n1", snap([4]), "guess"),  # the same before and after: that it was averaged too only follows from the other
        ("r1n1", snap([4]), "guess"),
    ]
    assert graph.name == "2 ranks"


@pytest.mark.parametrize(
    ("own", "totals", "name"),
    [
        (([1, 2], [2, 4]), ([3, 6], [3, 6]), "gradients, sum over 2 ranks"),
        (([1, 2], [2, 4]), ([1, 2], [2, 4]), None),  # nobody averaged anything
        # accumulated over two passes, which looks like a sum over two ranks
        (([6, 6], [6, 6]), ([12, 12], [12, 12]), None),
        (([1, 2], [2, 4]), ([9, 9], [9, 9]), None),
    ],
    ids=["sum", "apart", "accumulated", "something else"],
)
def test_an_average_is_claimed_only_where_the_numbers_show_it(own: Any, totals: Any, name: str | None) -> None:
    graph = merge([replica(rank, own[rank], totals[rank]) for rank in range(2)])
    assert next((node.name for node in graph.node_list if node.key == "a0"), None) == name
    strange = (
        "All ranks have the same .grad of 1 parameter, which is neither the mean nor the sum of the gradients of"
        " this pass."
    )
    assert graph.notices == ((strange,) if totals[0] == [9, 9] else ())


def test_of_big_tensors_statistics_make_a_guess() -> None:
    own = [summary((400,), -1, 1, 0.5, 12.0), summary((400,), -2, 2, -0.25, 14.0)]
    for mean, norm, name in ((0.125, 11.0, "mean"), (0.25, 22.0, "sum")):
        graph = merge([replica(rank, own[rank], summary((400,), -1, 1, mean, norm)) for rank in range(2)])
        assert graph.nodes["a0"].name == f"gradients, {name} over 2 ranks"
        assert {edge.match for edge in graph.out_edges("a0")} == {"guess"}
        assert graph.nodes["a0"].grad is not None
        assert graph.nodes["a0"].grad.norm == pytest.approx((norm**2 + (16 if name == "mean" else 0)) ** 0.5)
        # the mean of equal gradients is the same, the sum is not
        assert graph.nodes["a0"].ports[0].shape == (401 if name == "mean" else 400,)


def test_a_folded_rank_claims_no_gradient_that_is_not_its_own() -> None:
    graphs = []
    for rank, own in enumerate(([1, 2], [2, 4])):
        leaves = replica(rank, own, [1.5, 3]).node_list
        tails = [replace(leaf, name=f"net.{leaf.name}") for leaf in leaves]
        loss = Node("n2", "op", "linear", ports=(port([1.0], is_output=True),), requires_grad=True, call=0)
        graphs.append(Graph((*tails, loss), (Edge("n0", "n2", 0), Edge("n1", "n2", 1)), "net"))
    shown = collapse_modules(merge(graphs), 1)
    assert [node.op for node in shown.node_list] == ["all_reduce", "rank 0", "rank 1"]
    assert [(edge.cut, edge.grad) for edge in shown.edges] == [("communication", None), ("communication", None)]


# --- the whole


def test_notices_passes_details_and_names_are_merged_too() -> None:
    one, other = (rank.graph("Both say so.", f"Only {rank.rank} says so.") for rank in two())
    step = Node("n0", "op", "add", call=1)
    several = [
        replace(
            graph,
            node_list=(step,),
            each_pass=(graph, graph),
            detail=replace(graph, node_list=(step, replace(step, key="n1"))),
        )
        for graph in (one, other)
    ]
    graph = merge(several)
    assert graph.notices == ("Both say so.", "Rank 0: Only 0 says so.", "Rank 1: Only 1 says so.")
    assert graph.name == "step"
    assert len(graph.passes) == 2
    assert graph.detail is not None
    assert len(graph.detail.node_list) == 4
    uneven = merge([several[0], replace(several[1], each_pass=())])
    assert (
        "The ranks recorded different numbers of backward passes (2, 1); shown is the last of each." in uneven.notices
    )


def test_the_order_of_the_list_does_not_matter_where_ranks_are_recorded() -> None:
    one, other = two()
    one.send([1], 1)
    other.recv([1], 0)
    assert merge([other.graph(), one.graph()]).to_json() == merge([one.graph(), other.graph()]).to_json()


def test_a_graph_without_a_rank_takes_the_lowest_that_is_left() -> None:
    one, _ = two()
    one.send([1], 1)
    silent = Graph((Node("n0", "op", "add"),), ())
    assert [node.key for node in merge([silent, one.graph()]).node_list] == ["r0n0", "r0n1", "r1n0"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: [], "was given an empty list"),
        (lambda: Graph((), ()), "was given one Graph that is in no list"),
        (lambda: None, "was given NoneType instead of a Graph"),
        (lambda: ["rank0.json"], r"was given str instead of a Graph; read saved graphs with Graph\.load"),
        (lambda: [pipeline(), Graph((), ())], "graph 0 of the list is of several ranks already"),
        (
            lambda: [merge([replica(0, [1], [1]), replica(1, [2], [1])]), pipeline()],
            "graph 0 of the list is of several ranks already",
        ),
    ],
)
def test_what_is_no_list_of_graphs_of_ranks_is_refused(given: Callable[[], Any], said: str) -> None:
    with pytest.raises(MergeError, match=said):
        merge(given())


def test_two_graphs_of_one_rank_are_refused() -> None:
    one, _ = two()
    one.send([1], 1)
    with pytest.raises(MergeError, match="2 of the graphs were recorded by rank 0; give one graph of each rank"):
        merge([one.graph(), one.graph()])


def test_nothing_that_was_given_is_changed_and_the_result_is_the_same_each_time() -> None:
    one, other = two()
    one.send([1], 1)
    other.recv([1], 0)
    graphs = [one.graph(), other.graph()]
    before = [graph.to_json() for graph in graphs]
    assert merge(graphs).to_json() == merge(graphs).to_json()
    assert [graph.to_json() for graph in graphs] == before


def test_saved_graphs_merge_as_well(tmp_path: Path) -> None:
    graph = pipeline()
    (tmp_path / "merged.json").write_text(graph.to_json())
    again = Graph.load(tmp_path / "merged.json")
    assert (again.node_list, again.edges) == (graph.node_list, graph.edges)


# --- what a Node says


MESSAGES = [
    Message("send", 0),
    Message("recv", 3, number=2, group="a; b,1 % x\n⇄", ranks=(0, 3), tag=-7),
    Message("all_reduce", 1, ranks=(0, 1), root=0, reduction="premul_sum", backward=True, peer=0),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_what_a_node_says_of_its_communication_is_saved_with_it(message: Message) -> None:
    node = Node("n0", "op", arguments=(("communication", "send; rank 7"),), messages=(message,))
    (again,) = graph_files.from_json(Graph((node,), ()).to_json()).node_list
    assert (again, message_of(again)) == (node, message)


# --- pictures


def test_each_rank_has_a_frame_and_the_collective_stands_between_them() -> None:
    scene = (
        reduced([port([11, 22]), port([11, 22])])
        .plot(transforms=(lambda graph: replace(graph, node_list=tuple(outputs(graph))),))
        .scene
    )
    frames = {group.title: group.boxes for group in scene.groups}
    assert set(frames) == {"rank 0", "rank 1"}
    hub = scene.box_by_key["c0"]
    assert not any("c0" in boxes for boxes in frames.values())
    assert hub.badge == "⇄"
    assert hub.lines[0].text == "t₂ = all_reduce(t₀, t₁)"


def outputs(graph: Graph) -> list[Node]:
    """The nodes, the last of each rank as its output, so that nothing is hidden."""
    return [
        replace(node, ports=(replace(node.ports[0], is_output=True),)) if node.op == "neg" else node
        for node in graph.node_list
    ]


def test_ranks_fold() -> None:
    writers = two()
    for writer in writers:
        h = writer.data([1.0])
        for _ in range(3):
            h = writer.add("op", "neg", h, result=port([1.0]))
        writer.call(
            "send" if not writer.rank else "recv",
            *([h] if not writer.rank else []),
            result=port([1.0]) if writer.rank else None,
            peer=1 - writer.rank,
        )
    for _ in range(3):
        last = writers[1].add("op", "neg", f"n{len(writers[1].nodes) - 1}", result=port([1.0], is_output=True))
    assert last
    shown = collapse_modules(merge([writer.graph() for writer in writers]), 1)
    assert [(node.kind, node.op) for node in shown.node_list if node.kind == "module"] == [
        ("module", "rank 0"),
        ("module", "rank 1"),
    ]


# --- calls that are to be one, and files of ranks


def issued(
    rank: int, kind: str, line: int | None = None, types: Any = (("float32", (2,)),), **facts: Any
) -> IssuedCall:
    ranks = facts.pop("ranks", (0, 1, 2))
    return IssuedCall(Message(kind, rank, ranks=ranks, **facts), types, f"t.py:{line}" if line else None)


def rows(*programs: Sequence[Callable[[int], IssuedCall]]) -> dict[int, list[IssuedCall]]:
    return {rank: [make(rank) for make in program] for rank, program in enumerate(programs)}


def reduce(line: int | None = None, **facts: Any) -> Callable[[int], IssuedCall]:
    return lambda rank: issued(rank, "all_reduce", line, reduction="sum", **facts)


def test_the_first_call_that_is_another_is_told_with_the_ranks_that_do_other_than_most() -> None:
    same = reduce()
    wide = reduce(types=(("float32", (3,)),))
    (found,) = mismatches(rows([same, same], [same, wide], [same, same]))
    assert (found.number, found.differing, found.odd) == (1, "shape", (1,))
    (found,) = mismatches(rows([same], [same, same], [same]))
    assert (found.number, found.differing, found.odd) == (1, "missing", (1,))
    (found,) = mismatches(rows([same], [wide], [reduce(types=(("float32", (4,)),))]))
    assert found.odd == (0, 1, 2)


def test_what_may_differ_is_no_mismatch() -> None:
    same, unread = reduce(), reduce(types=())
    assert not list(mismatches(rows([same], [unread], [same])))  # nobody knows of what size
    reshaped = reduce(types=(("float32", (2, 1)),))
    assert not list(mismatches(rows([same], [reshaped], [same])))
    uneven = [lambda rank, size=size: issued(rank, "all_to_all", types=(("float32", (size,)),)) for size in (1, 2, 3)]
    assert not list(mismatches(rows(*([one] for one in uneven))))
    pair = lambda rank: issued(rank, "broadcast", group="pair", ranks=(0, 1), root=0)  # noqa: E731
    assert not list(mismatches(rows([same, pair], [same, pair], [same])))  # the third is not in that group
    loop = [reduce(1), reduce(1), reduce(2)]
    assert not list(mismatches(rows(loop, loop, loop)))


def test_calls_from_other_lines_are_a_mismatch_only_where_they_changed_places() -> None:
    first, second, third = reduce(1), reduce(2), reduce(3)
    (found,) = mismatches(rows([first, second], [second, first], [first, second]))
    assert (found.number, found.differing, found.odd) == (0, "order", (1,))
    assert not list(mismatches(rows([first, second], [first, third], [first, second])))  # branches that do the same


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["all_reduce", "broadcast", "all_gather"]), min_size=1, max_size=8), st.data())
def test_one_change_anywhere_is_found_at_its_place(kinds: list[str], data: st.DataObject) -> None:
    ranks = {rank: [issued(rank, kind, number=i) for i, kind in enumerate(kinds)] for rank in range(3)}
    assert not list(mismatches(ranks))
    place, rank = data.draw(st.integers(0, len(kinds) - 1)), data.draw(st.integers(0, 2))
    old = ranks[rank][place]
    change = data.draw(st.sampled_from(["kind", "dtype", "size", "root", "missing"]))
    changed = {
        "kind": replace(old, message=replace(old.message, kind="reduce")),
        "root": replace(old, message=replace(old.message, root=1)),
        "dtype": replace(old, types=(("int32", (2,)),)),
        "size": replace(old, types=(("float32", (5,)),)),
    }
    ranks[rank][place:] = [changed[change], *ranks[rank][place + 1 :]] if change != "missing" else []
    (found,) = mismatches(ranks)
    assert (found.number, found.odd) == (place, (rank,))


def run(rank: int, weights: Sequence[float], gradients: Sequence[float | None], **facts: Any) -> RunRecord:
    steps = tuple(
        StepSummary(number, 1.0, "t.py:5", {"w": ParameterSummary(weight, gradient)})
        for number, (weight, gradient) in enumerate(zip(weights, gradients, strict=True), 1)
    )
    facts = {"model": "DistributedDataParallel", "ending": Ending(), **facts}
    return RunRecord(facts.pop("model"), steps, rank=rank, of=facts.pop("of", 2), **facts)


def test_files_tell_at_which_step_copies_parted_and_whether_their_gradients_had() -> None:
    healthy = [run(rank, [1.0, 0.9, 0.8], [3.0, float("nan"), None]) for rank in range(2)]
    assert {one.kind for one in diagnosis_of_records(healthy).findings} == {"gradient-not-finite"}
    apart = [run(0, [1.0, 0.9, 0.8], [3.0, 2.0, 1.0]), run(1, [1.0, 0.9, 0.7], [3.0, 2.5, 1.0])]
    (found,) = diagnosis_of_records(apart).findings
    assert (found.kind, found.evidence["step"], found.names) == ("gradients-not-synchronised", 2, ("w",))
    apart[1] = run(1, [1.0, 0.9, 0.7], [3.0, 2.0, 1.0])
    (found,) = diagnosis_of_records(apart).findings
    assert (found.kind, found.evidence["step"]) == ("parameters-not-equal", 2)
    assert "after step 2" in found.cause
    stages = [run(0, [1.0], [3.0], model="Stage"), run(1, [4.0], [9.0], model="Stage")]
    assert not diagnosis_of_records(stages).findings


def test_the_file_of_a_process_of_its_own_speaks_of_no_ranks() -> None:
    ended = Ending("ValueError", "t.py:7")
    alone = replace(run(0, [1.0], [float("nan")], model="Net", ending=ended), rank=None, of=None)
    diagnosis = diagnosis_of_records([alone])
    assert {one.kind for one in diagnosis.findings} == {"rank-ended-early", "gradient-not-finite"}
    said = [*(f"{one.cause} {one.remedy}" for one in diagnosis.findings), diagnosis.looked_at]
    assert not any("rank" in text or "others" in text or "message" in text for text in said), said
    assert not any(one.ranks for one in diagnosis.findings)


def test_files_tell_who_ended_and_who_only_waited() -> None:
    calls = {
        rank: tuple(issued(rank, "all_reduce", 7, number=i, ranks=(0, 1)) for i in range(3 - rank)) for rank in (0, 1)
    }
    killed = run(1, [1.0], [3.0], calls=calls[1], ending=None)
    waited = run(0, [1.0], [3.0], calls=calls[0], ending=Ending("RuntimeError", "t.py:7"))
    (found,) = diagnosis_of_records([killed, waited]).findings
    assert (found.kind, found.ranks, found.evidence["killed"]) == ("rank-ended-early", (1,), True)
    assert found.evidence["waiting"]["rank"] == 0
    (found,) = diagnosis_of_records([waited]).findings
    assert (found.kind, found.severity, found.evidence["missing"]) == ("rank-missing", "error", (1,))
    short = replace(killed, ending=Ending())  # and the other hangs
    (found,) = diagnosis_of_records([short, replace(waited, ending=None)]).findings
    assert (found.kind, found.ranks) == ("collective-missing", (1,))
    raised = replace(killed, ending=Ending("ValueError", "t.py:9"))
    (found,) = diagnosis_of_records([raised, waited]).findings
    assert (found.source, found.evidence["exception"], found.evidence["killed"]) == ("t.py:9", "ValueError", False)
    (found,) = diagnosis_of_records([run(0, [1.0], [3.0])]).findings
    assert (found.kind, found.severity) == ("rank-missing", "note")
    with pytest.raises(MergeError, match="2 of the files were written by rank 0"):
        diagnosis_of_records([waited, waited])
