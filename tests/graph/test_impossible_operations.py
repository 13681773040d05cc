"""Operations with operands that they cannot have: what cannot be known is not known, and no public method fails."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from saved_graphs import use

from graphviz_ad._internal.base.errors import GraphFormatError
from graphviz_ad._internal.graph import graph_files
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.operations.rules import RULES

NUMBERS, SIZES = (0.0, 1.0, -2.0, 0.5), (0, 1, 2, 2, 3)
ARGUMENTS = (
    *(
        ("dim", 0),
        ("dim", -1),
        ("keepdim", True),
        ("groups", 1),
        ("transposed", False),
        ("stride", (1, 1)),
        ("padding", (0, 0)),
        ("alpha", 2),
    ),
    *(("exponent", 2.0), ("reduction", 1), ("correction", 1), ("pad", (1, 1)), ("index", (1,))),
)


def impossible(op: str, seed: int) -> Graph:
    """An operation with any number of operands of any shapes, of which not everything is known."""
    chance = random.Random(f"{op} {seed}")

    def shape() -> tuple[int, ...]:
        return tuple(chance.choice(SIZES) for _ in range(chance.randrange(5)))

    def snapshot(shape: tuple[int, ...], known: float = 0.8) -> Snapshot | None:
        array = np.array([chance.choice(NUMBERS) for _ in range(math.prod(shape))]).reshape(shape)
        return Snapshot(shape, "float64", array if shape else float(array)) if chance.random() < known else None

    def port(shape: tuple[int, ...], *, output: bool = False) -> Port:
        upstream = snapshot(shape) if output else None
        return Port(shape, "float64", "cpu", snapshot(shape), snapshot(shape), is_output=output, upstream=upstream)

    result, count = shape(), chance.randrange(5)
    leaves = [Node(f"n{i}", "leaf", name=f"x{i}", ports=(port(shape()),), requires_grad=True) for i in range(count)]
    made = Node(
        "m",
        "op",
        op=op,
        autograd=(f"{op.title()}Backward0",),
        ports=tuple(port(result, output=True) for _ in range(chance.choice([1, 1, 2]))),
        arguments=tuple(chance.sample(ARGUMENTS, chance.randrange(4))),
        call=0,
        call_op=op,
        backward_order=0,
    )
    edges = [
        Edge(
            leaf.key, "m", i, local=snapshot(chance.choice([result, ()]), 0.5), grad=snapshot(leaf.ports[0].shape or ())
        )
        for i, leaf in enumerate(leaves)
    ]
    return Graph((*leaves, made), tuple(edges), op)


@pytest.mark.parametrize("seed", range(1))
def test_every_public_method_makes_something_of_operations_that_cannot_be(seed: int) -> None:
    for op in RULES:
        graph = impossible(op, seed)
        assert graph_files.from_json(graph.to_json()).to_json() == graph.to_json()
        use(graph)


def test_what_is_known_of_a_result_has_its_shape() -> None:
    wrong = Snapshot((2,), "float64", np.ones(2))
    leaf, made = (
        Node("a", "leaf", ports=(Port((3,), "float64"),)),
        Node("b", "op", op="sin", ports=(Port((3,), "float64"),)),
    )
    graphs = {
        r"nodes\[0\].ports\[0\].grad.shape: \[2\] is not \[3\]": Graph(
            (Node("a", "leaf", ports=(Port((3,), "float64", grad=wrong),)), made), ()
        ),
        r"edges\[0\].grad.shape: \[2\] is not \[3\]": Graph((leaf, made), (Edge("a", "b", 0, grad=wrong),)),
        r"edges\[0\].local.shape: \[2\] fits neither": Graph((leaf, made), (Edge("a", "b", 0, local=wrong),)),
    }
    for message, graph in graphs.items():
        with pytest.raises(GraphFormatError, match=message):
            graph_files.from_json(graph.to_json())
    sent = Graph((leaf, made), (Edge("a", "b", 0, grad=wrong, cut="communication"),))
    assert graph_files.from_json(sent.to_json()).edges == sent.edges
