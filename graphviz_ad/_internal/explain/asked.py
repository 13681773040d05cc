"""One result of a graph that a question is about, with what is needed to answer it in words."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass

from graphviz_ad._internal.graph.grad_history import GradHistory
from graphviz_ad._internal.graph.graph import Edge, Graph, Node, Port
from graphviz_ad._internal.scene.words.names import Names, graph_names

MOST_NAMED = 3  # places in one answer


@dataclass(frozen=True)
class Asked:
    """One result of one node: the gradient of it is asked about.

    ``history`` is what happened to the tensor's ``.grad``, ``came`` whether any pass brought something there,
    ``others`` are further results that the program calls the same, in words.
    """

    graph: Graph
    names: Names
    node: Node
    port: int
    history: GradHistory | None = None
    came: bool = False
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the result is called."""
        port = self.node.ports[self.port]
        return port.name or self.names.of[self.node.key] + (f"[{self.port}]" if len(self.node.ports) > 1 else "")

    @property
    def nothing(self) -> str:
        """ "No gradient", unless ``.grad`` holds one from elsewhere."""
        return "No gradient" if self.history is None or self.history.holds is None else "Nothing"

    def result(self, key: str) -> str:
        """Any result with what made it and where: "z (mul, lesson.py:12)"."""
        return with_its_facts(self.names, self.graph.nodes[key])

    def uses(self) -> list[Edge]:
        """The uses of the result."""
        return [edge for edge in self.graph.out_edges(self.node.key) if edge.port == self.port]

    def uses_of_tensor(self) -> list[Edge]:
        """The uses of all values that the tensor had."""
        values = values_of(self.graph, self.history.tensor) if self.history is not None else [(self.node, self.port)]
        places = values if (self.node, self.port) in values else [(self.node, self.port)]
        return [edge for node, port in places for edge in self.graph.out_edges(node.key) if edge.port == port]


def described(graph: Graph, node: Node) -> str:
    """The same of a node of any graph."""
    return with_its_facts(names_in(graph), node)


_NAMES: weakref.WeakKeyDictionary[Graph, Names] = weakref.WeakKeyDictionary()


def names_in(graph: Graph) -> Names:
    """The names of a graph, found once for all questions about it."""
    known = _NAMES.get(graph)
    return known if known is not None else _NAMES.setdefault(graph, graph_names(graph))


def with_its_facts(names: Names, node: Node) -> str:
    """What a node is called, with what made it and where."""
    facts = [fact for fact in (node.op, node.source) if fact]
    return names.of[node.key] + (f" ({', '.join(facts)})" if facts else "")


def in_detail(asked: Asked) -> Asked | None:
    """The same question to the finer graph, if it is about a leaf: a node of several operations may have the
    gradient of only one of them.
    """
    detail = asked.graph.detail
    same = (
        [node for node in detail.node_list if node.kind == asked.node.kind == "leaf" and node.name == asked.node.name]
        if detail is not None
        else []
    )
    return (
        Asked(detail, names_in(detail), same[0], asked.port)
        if detail is not None and len(same) == 1 and asked.node.name
        else None
    )


def values_of(graph: Graph, tensor: int | None) -> list[tuple[Node, int]]:
    """The results that are values of one tensor."""
    return [(node, i) for node in graph.node_list for i, port in enumerate(node.ports) if port.tensor == tensor]


def is_differentiable(port: Port) -> bool:
    """Whether a result of this dtype can have a gradient; True where the dtype is not known."""
    return port.dtype is None or port.dtype.startswith(("float", "bfloat", "complex", "half", "double"))


def counted(count: int, noun: str) -> str:
    """ "1 use", "3 uses"."""
    return f"{count} {noun}{'s' if count != 1 else ''}"


def listed_with_and(texts: Iterable[str]) -> str:
    """ "a, b and c"."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last
