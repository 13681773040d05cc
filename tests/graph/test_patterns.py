"""Patterns are read as they are written, found where they are and nowhere else, and what is shown of them is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from programs import randoms, wrong_sums
from torch import Tensor, nn

import graphviz_ad as gad
from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.graph.pattern_matching import matches
from graphviz_ad._internal.graph.patterns import Again, Branches, Choice, One, Row, parsed

A, B, C = One("A"), One("B"), One("C")

READ: dict[str, Any] = {
    "A": A,
    "A > B": Row((A, B)),
    "A > B > C": Row((A, B, C)),
    "A | B": Branches((A, B)),
    "A | B > C": Row((Branches((A, B)), C)),
    "(A > B) | C": Branches((Row((A, B)), C)),
    "A / B > C": Row((Choice((A, B)), C)),
    "A / B | C": Branches((Choice((A, B)), C)),
    "((A))": A,
    "A? > B": Row((Again(A, 0, 1), B)),
    "(A > B)+": Again(Row((A, B)), 1, None),
    "A > B* > C": Row((A, Again(B, 0, None), C)),
    "  A>B ": Row((A, B)),
}


@pytest.mark.parametrize("text", READ)
def test_a_pattern_is_read_as_it_is_written(text: str) -> None:
    assert parsed(text) == READ[text]


@pytest.mark.parametrize("text", ["", ">", "A >", "A > > B", "(A", "A)", "A B", "| A", "A?", "A* > B?", "+"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        gad.transforms.fold(text, "X")


# --- found, in graphs that are written down: "x:A y:B(x) z:Add(x,y)"


def drawn(text: str, outputs: Sequence[str] = ()) -> Graph:
    """A graph of "name:Operation(operands)"."""
    nodes, edges = [], []
    for word in text.split():
        name, _, rest = word.partition(":")
        op, _, operands = rest.rstrip(")").partition("(")
        nodes.append(Node(name, "op", op=op, requires_grad=True, ports=(Port(is_output=name in outputs),)))
        edges += [Edge(tail, name, slot) for slot, tail in enumerate(operands.split(",")) if tail]
    return Graph(tuple(nodes), tuple(edges))


CHAIN = "x:In a:A(x) b:B(a) c:C(b)"
DIAMOND = "x:In a:A(x) b:B(a) c:C(x) d:Add(b,c) e:E(d)"
FOUND: dict[str, tuple[str, str, list[str]]] = {
    "one operation": (CHAIN, "A", ["a"]),
    "nothing": (CHAIN, "D", []),
    "one after the other": (CHAIN, "A > B", ["ab"]),
    "not in the other order": (CHAIN, "B > A", []),
    "not across a gap": (CHAIN, "A > C", []),
    "anything between": (CHAIN, "A > . > C", ["abc"]),
    "each time": ("x:In a:A(x) b:B(a) c:A(b) d:B(c)", "A > B", ["ab", "cd"]),
    "nothing twice": ("x:In a:A(x) b:A(a) c:A(b)", "A > A", ["bc"]),
    "as often as it is": ("x:In a:A(x) b:B(a) c:A(b) d:B(c) e:E(d)", "(A > B)+", ["abcd"]),
    "again within": ("x:In a:A(x) b:B(a) c:B(b) d:C(c)", "A > B+ > C", ["abcd"]),
    "missing within": ("x:In a:A(x) d:C(a)", "A > B? > C", ["ad"]),
    "there within": (CHAIN, "A > B? > C", ["abc"]),
    "an alternative": ("x:In a:A(x) b:B(a) c:A(b) d:C(c)", "A > B / C", ["ab", "cd"]),
    "branches": (DIAMOND, "(A > B) | C > Add", ["abcd"]),
    "branches in another order": (DIAMOND, "C | (A > B) > Add", ["abcd"]),
    "branches of one operation": (DIAMOND, "In > (A > B) | C > Add > E", ["xabcde"]),
    "not with one branch": (CHAIN, "A | B > C", []),
    "not what others read within": ("x:In a:A(x) b:B(a) c:C(a)", "A > B", []),
    "an output only at the end": ("x:In a:A(x) b:B(a)!", "A > B", []),
    "one of several operands": ("x:In a:A(x) y:In b:Add(a,y)", "A > Add", ["ab"]),
    "whatever the style of a name": ("x:In a:conv2d(x) b:batch_norm(a) c:relu_(b)", "Conv > BatchNorm > ReLU", ["abc"]),
    "not what begins alike": ("x:In a:convolve(x)", "Conv", []),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_pattern_is_found_where_it_is(name: str) -> None:
    text, pattern, expected = FOUND[name]
    graph = drawn(text.replace("!", ""), outputs=("a",) if "!" in text else ())
    assert ["".join(node.key for node in found) for found in matches(graph, parsed(pattern))] == expected


def test_a_path_around_a_match_is_no_match() -> None:
    graph = drawn("x:In a:A(x) b:B(a) c:C(b) d:D(x) e:Add(c,d)")
    assert [[node.key for node in found] for found in matches(graph, parsed("A > B > C > Add"))] == [
        ["a", "b", "c", "e"]
    ]
    around = drawn("a:A b:F(a) c:B(a,b)")  # b is neither in it nor apart from it
    assert matches(around, parsed("A > B")) == []


def test_a_long_repetition_is_found() -> None:
    words = ["x:In", "a0:A(x)", *(f"a{i}:A(a{i - 1})" for i in range(1, 3000))]
    (found,) = matches(drawn(" ".join(words)), parsed("A+"))
    assert len(found) == 3000


# --- transforms, on what torch ran


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.conv2, self.bn2 = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)
        self.short = nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h)) + self.short(x)
        return torch.relu(h).flatten(1).sum()


def stem() -> Graph:
    torch.manual_seed(0)
    return gad.trace(Stem().double(), randoms(2, 1, 4, 4))


def test_folding_a_pattern_keeps_values_gradients_and_parameters() -> None:
    graph = stem()
    folded = gad.transforms.fold("Conv > BatchNorm > Relu", "ConvBnRelu")(graph)
    (box,) = (node for node in folded.node_list if node.kind == "module")
    relu = next(node for node in graph.node_list if node.op == "relu")
    assert (box.op, box.parameters) == ("ConvBnRelu", 18 + 2 + 4)
    assert (box.value, box.grad) == (relu.value, relu.grad)
    assert wrong_sums(folded) == []
    both = gad.transforms.fold("(Conv > BatchNorm) | Conv > Add > Relu", "Block")(graph)
    assert [node.op for node in both.node_list if node.kind == "module"] == ["Block"]
    assert wrong_sums(both) == []
    names = [
        line.text
        for box in graph.plot(transforms=(gad.transforms.fold("Conv > BatchNorm > Relu", "CBR"),)).scene.boxes
        for line in box.lines
        if line.role == "name"
    ]
    assert "CBR" in names


def test_folds_can_be_folded() -> None:
    once = gad.transforms.fold("Conv > BatchNorm", "CB")(stem())
    twice = gad.transforms.fold("CB > Relu", "CBR")(once)
    (box,) = (node for node in twice.node_list if node.op == "CBR")
    assert box.parameters == 24
    whole = gad.transforms.fold("Conv > BatchNorm > Relu", "CBR")(stem())
    (other,) = (node for node in whole.node_list if node.op == "CBR")
    assert box.parameter_norm == pytest.approx(other.parameter_norm, rel=1e-12)


def test_pruning_leaves_out_and_says_so() -> None:
    graph = stem()
    pruned = gad.transforms.prune("BatchNorm")(graph)
    assert [node.op for node in pruned.node_list if node.op == "batch_norm"] == []
    assert any(node.op == "conv2d" for node in pruned.node_list)
    assert pruned.notices[-1] == "2 nodes are left out, as was asked for."
    branch = gad.transforms.prune_branch("flatten")(graph)
    assert not any(node.op in ("conv2d", "relu", "add") for node in branch.node_list)
    assert [node.op for node in branch.outputs] == ["sum"]


def test_what_is_there_again_is_one_box_with_its_number() -> None:
    def thrice(x: Tensor) -> Tensor:
        return x.sin().sin().sin().exp().sin()

    folded = gad.transforms.fold_duplicates(gad.trace(thrice, 0.5))
    assert [(node.op, node.copies.count if node.copies else 1) for node in folded.node_list if node.op] == [
        ("sin", 3),
        ("exp", 1),
        ("sin", 1),
    ]


def test_names_are_replaced_and_operations_are_not() -> None:
    graph = gad.transforms.rename(r"conv(\d)", r"filter \1")(stem())
    assert graph.find("filter 1.weight").kind == "leaf"
    assert {"filter 1", "filter 2"} <= {name for node in graph.node_list for name in node.module}
    assert any(node.op == "conv2d" for node in graph.node_list)
    with pytest.raises(OptionError, match="regular expression"):
        gad.transforms.rename("(", "x")
    with pytest.raises(OptionError, match="regular expression"):
        gad.transforms.rename("a", r"\7")


def test_only_what_is_between_two_names_is_kept() -> None:
    def two(a: Tensor, b: Tensor) -> Tensor:
        p = a.sin()
        q = b.exp()
        r = p * q
        return r.sum()

    graph = gad.trace(two, [1.0], [2.0])
    kept = gad.transforms.keep_paths("a", "r")(graph)
    assert [node.name for node in kept.node_list] == ["a", "p", "r"]
    assert [edge.grad for edge in kept.edges] == [
        edge.grad for edge in graph.edges if edge.tail in ("n0", graph.find("p").key)
    ][:2]
    with pytest.raises(OptionError, match="no way from"):
        gad.transforms.keep_paths("r", "a")(graph)
    with pytest.raises(UnknownNameError):
        gad.transforms.keep_paths("nobody", "a")(graph)


def test_one_module_alone() -> None:
    alone = gad.transforms.only_module("bn1")(stem())
    assert [node.op for node in alone.node_list if node.op and node.requires_grad] == ["conv2d", "batch_norm"]
    with pytest.raises(UnknownNameError, match="bn7"):
        gad.transforms.only_module("bn7")(stem())


def test_data_and_views_can_be_hidden() -> None:
    graph = stem()
    hidden = gad.transforms.hide_data(graph)
    assert all(node.requires_grad for node in hidden.node_list)
    viewed = gad.transforms.drop_views(graph)
    assert not any(node.op == "flatten" for node in viewed.node_list)
    assert viewed.outputs[0].value == graph.outputs[0].value
    assert wrong_sums(viewed) == []
