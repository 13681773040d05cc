"""Graph + pattern -> where it is found, matched from its last node backwards.

What is between the first and the last node of a match is read by nothing else. Parameters, numbers and other data are
not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from graphviz_ad._internal.graph.contraction import is_convex
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.patterns import ANY, Again, Branches, Choice, One, Pattern, Row, is_called

COMPUTING = ("op", "module", "line", "call")


@dataclass(frozen=True)
class Match:
    """The keys of nodes that match, and of those among them that come first."""

    keys: tuple[str, ...]
    heads: tuple[str, ...]


def matches(graph: Graph, pattern: Pattern) -> list[list[Node]]:
    """Each place where a pattern is found, in forward order; no node is in two of them."""
    place = {node.key: i for i, node in enumerate(graph.node_list)}
    used: set[str] = set()
    found: list[list[Node]] = []
    search = Search(graph)
    for node in reversed(graph.node_list):
        if node.kind not in COMPUTING or node.key in used:
            continue
        for match in search.ending_at(pattern, node.key):
            nodes = sorted((graph.nodes[key] for key in match.keys), key=lambda one: place[one.key])
            if not used & {*match.keys} and is_convex(graph, nodes, place):
                used.update(match.keys)
                found.append(nodes)
                break
    return found[::-1]


class Search:
    """The search in one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def ending_at(self, pattern: Pattern, key: str) -> Iterator[Match]:
        """Every way in which a pattern ends at a node."""
        if isinstance(pattern, One):
            if self.is_one(pattern, key):
                yield Match((key,), (key,))
        elif isinstance(pattern, Choice):
            for option in pattern.options:
                yield from self.ending_at(option, key)
        elif isinstance(pattern, Again):
            yield from self.as_often_as_it_is(pattern, key)
        elif isinstance(pattern, Row):
            yield from self.row_ending_at(pattern.parts, key)

    def is_one(self, pattern: One, key: str) -> bool:
        """Whether a node is called so."""
        node = self.graph.nodes[key]
        own = (node.op or "").rpartition(".")[2] if node.kind == "module" else node.op
        return pattern.name == ANY or any(is_called(pattern.name, name) for name in (own, node.call_op))

    def row_ending_at(self, parts: Sequence[Pattern], key: str) -> Iterator[Match]:
        """Every way in which patterns one after the other end at a node."""
        *before, last = parts
        if isinstance(last, Again) and last.least == 0 and before:
            yield from self.with_before(before, self.ending_at(last, key))
            yield from self.row_ending_at(before, key)
            return
        yield from self.with_before(before, self.ending_at(last, key))

    def with_before(self, parts: Sequence[Pattern], ends: Iterator[Match]) -> Iterator[Match]:
        """The matches with what matches the parts before them."""
        for end in ends:
            if not parts:
                yield end
            else:
                yield from self.before(parts, end)

    def before(self, parts: Sequence[Pattern], after: Match) -> Iterator[Match]:
        """Every way in which patterns lead to a match."""
        *earlier, last = parts
        if isinstance(last, Branches):
            found = self.branches_before(last, after)
        else:
            found = (
                Match((*one.keys, *after.keys), one.heads)
                for key in self.leading_to(after.heads)
                for one in self.ending_at(last, key)
            )
        if isinstance(last, Again) and last.least == 0:
            yield from self.with_before(earlier, found)
            yield from self.before(earlier, after) if earlier else iter((after,))
            return
        yield from self.with_before(earlier, found)

    def branches_before(self, pattern: Branches, after: Match) -> Iterator[Match]:
        """Every way in which branches lead to one node."""
        if len(after.heads) != 1:
            return
        ends = self.leading_to(after.heads)
        for chosen in permutations(ends, len(pattern.branches)):
            each = [next(self.ending_at(part, key), None) for part, key in zip(pattern.branches, chosen, strict=True)]
            known = [one for one in each if one is not None]
            keys = [key for one in known for key in one.keys]
            if len(known) == len(each) and len({*keys}) == len(keys):
                heads = tuple(head for one in known for head in one.heads)
                yield Match((*keys, *after.keys), heads)
                return

    def as_often_as_it_is(self, pattern: Again, key: str) -> Iterator[Match]:
        """A pattern as often as it is found there."""
        whole = next(self.ending_at(pattern.part, key), None)
        count = 1
        while whole is not None and (pattern.most is None or count < pattern.most):
            more = next(self.before((pattern.part,), whole), None)
            if more is None:
                break
            whole, count = more, count + 1
        if whole is not None and count >= pattern.least:
            yield whole

    def leading_to(self, heads: Sequence[str]) -> list[str]:
        """The nodes that all of these read, and nothing else does."""
        shared: list[str] | None = None
        for head in heads:
            tails = list(dict.fromkeys(edge.tail for edge in self.graph.in_edges(head)))
            shared = tails if shared is None else [key for key in shared if key in tails]
        return [key for key in shared or () if self.is_read_only_by(key, heads)]

    def is_read_only_by(self, key: str, heads: Sequence[str]) -> bool:
        """Whether only these read a node, and it is no result of the program."""
        node = self.graph.nodes[key]
        return (
            node.kind in COMPUTING
            and not node.is_output
            and all(edge.head in heads for edge in self.graph.out_edges(key))
        )
