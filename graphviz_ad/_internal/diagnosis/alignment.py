"""Two graphs -> which of their nodes are the same thing: by operations, shapes, operands and names."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from graphviz_ad._internal.diagnosis.course import operation
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.maths.agreement import runs_agree, tolerance_between_runs
from graphviz_ad._internal.maths.number_format import number_in_one_line
from graphviz_ad._internal.operations.training import ONLY_CHANGES_TYPE
from graphviz_ad._internal.scene.words.short_text import is_constant

Pairs = dict[str, str]
Token = tuple[object, ...]
NodePair = tuple[Node, Node]


def aligned(a: Graph, b: Graph) -> Pairs:
    """Key in a -> key in b, of what is the same thing, in the order of a; either may have more than the other.

    Names may differ. Where what is called the same and what is computed alike are not the same, that is taken of which
    more results agree and fewer stand in another order; names decide where as many do.
    """
    best = _aligned(a, b, called=True)
    if not _is_whole(a, b, best):
        best = max((best, _aligned(a, b, called=False)), key=lambda pairs: _likeness(a, b, pairs))
    return {node.key: best[node.key] for node in a.node_list if node.key in best}


def _is_whole(a: Graph, b: Graph, pairs: Pairs) -> bool:
    """Whether everything has a pair that it agrees with."""
    return len(pairs) == len(a.node_list) == len(b.node_list) and all(_agreements(a, b, pairs))


def _likeness(a: Graph, b: Graph, pairs: Pairs) -> tuple[int, int]:
    """How well pairs fit: how many agree, less what stands in another order, both of what changes places; then that."""
    place = {node.key: i for i, node in enumerate(b.node_list)}
    order = [place[pairs[node.key]] for node in a.node_list if node.key in pairs and is_compared(node)]
    ends: list[int] = []  # of rising runs of each length, the least last
    for i in order:
        ends[bisect_left(ends, i) : bisect_left(ends, i) + 1] = [i]
    moved = len(order) - len(ends)
    return sum(_agreements(a, b, pairs)) - 2 * moved, -moved


def _agreements(a: Graph, b: Graph, pairs: Pairs) -> Iterator[bool]:
    """Of each pair with values, whether they are equal but for rounding."""
    for here, there in pairs.items():
        one, other = a.nodes[here].value, b.nodes[there].value
        if one is not None and other is not None:
            yield runs_agree(one, other, tolerance_between_runs((one.dtype, other.dtype), 1)) is not False


def _aligned(a: Graph, b: Graph, *, called: bool) -> Pairs:
    """The same, with the names of leaves, or by nothing but what is computed."""
    found: Pairs = dict(_by_name(a, b, {})) if called else {}
    numbers = built_of(a, b) if called else ({}, {})
    first, second = ([node for node in graph.node_list if is_compared(node)] for graph in (a, b))
    tokens = [[token(node, numbers[i].get(node.key)) for node in some] for i, some in enumerate((first, second))]
    found |= {here.key: there.key for here, there in _matched(first, second, tokens)}
    for way in (_sources, _by_name, _outputs, _in_place, _beside):
        taken = set(found.values())
        for here, there in list(way(a, b, found)):
            if here not in found and there not in taken:
                found[here] = there
                taken.add(there)
    return found


def is_fed_in(node: Node) -> bool:
    """Whether a node is what a program is given: a leaf, or data."""
    return node.kind in ("leaf", "data")


def is_compared(node: Node) -> bool:
    """Whether a node is part of what is compared: no step of an optimizer, and no change of dtype alone."""
    return not is_fed_in(node) and not node.is_step and operation(node) not in ONLY_CHANGES_TYPE


def built_of(a: Graph, b: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Key -> a number, of what both graphs have as often: the same operations on what is called the same."""
    numbers: dict[object, int] = {}
    every = [_built(graph, numbers) for graph in (a, b)]
    counts = [Counter(found.values()) for found in every]
    both = {number for number, times in counts[0].items() if counts[1][number] == times}
    first, second = ({key: number for key, number in found.items() if number in both} for found in every)
    return first, second


def _built(graph: Graph, numbers: dict[object, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in graph.node_list:
        operands = tuple((edge.slot, edge.port, found.get(edge.tail)) for edge in graph.in_edges(node.key))
        says = number_in_one_line(node.value) if node.value is not None and is_constant(node) else ""
        made = (operation(node), operands) if is_compared(node) else (node.kind, node.name, says, operands)
        found[node.key] = numbers.setdefault((made, tuple(port.shape for port in node.ports)), len(numbers))
    return found


def token(node: Node, built: int | None) -> Token:
    """What two nodes have in common that may be the same: operation and shapes; or what they are built of, where that
    is known.
    """
    return (built,) if built is not None else (operation(node), *(port.shape for port in node.ports))


def _matched(first: Sequence[Node], second: Sequence[Node], tokens: Sequence[Sequence[Token]]) -> Iterator[NodePair]:
    """Nodes of the same tokens in their order, as many as there are; where their order is another, what is built of
    the same.
    """
    here, there = list(first), list(second)
    found: set[str] = set()
    for block in SequenceMatcher(None, tokens[0], tokens[1], autojunk=False).get_matching_blocks():
        for one, other in zip(
            first[block.a : block.a + block.size], second[block.b : block.b + block.size], strict=True
        ):
            found |= {f"a{one.key}", f"b{other.key}"}
            yield one, other
    left: dict[Token, deque[Node]] = {}
    for other, kind in zip(there, tokens[1], strict=True):
        if f"b{other.key}" not in found and len(kind) == 1:
            left.setdefault(kind, deque()).append(other)
    for one, kind in zip(here, tokens[0], strict=True):
        if f"a{one.key}" not in found and left.get(kind):
            yield one, left[kind].popleft()


def _sources(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """Leaves and data: what matched operations read at the same place."""
    for here, there in found.items():
        others = {edge.slot: edge for edge in b.in_edges(there)}
        for edge in a.in_edges(here):
            other = others.get(edge.slot)
            if other is None:
                continue
            tail, twin = through_casts(a, a.nodes[edge.tail]), through_casts(b, b.nodes[other.tail])
            if not is_compared(tail) and not is_compared(twin) and tail.ports[0].shape == twin.ports[0].shape:
                yield tail.key, twin.key


def _by_name(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """Leaves that are called the same, of which one or both are read by what has no pair."""
    taken = set(found.values())
    left = {
        node.name: node
        for node in reversed(b.node_list)
        if node.kind in ("leaf", "data") and node.name and node.key not in taken
    }
    for node in a.node_list:
        twin = left.get(node.name or "")
        if node.kind == "leaf" and node.key not in found and twin and twin.ports[0].shape == node.ports[0].shape:
            yield node.key, twin.key


def _outputs(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """What both programs return, or begin their backward pass at, where as much is left of it in both."""
    taken = set(found.values())
    here = [node for node in a.outputs if node.key not in found]
    there = [node for node in b.outputs if node.key not in taken]
    if len(here) == len(there):
        yield from ((one.key, other.key) for one, other in zip(here, there, strict=True))


def _in_place(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """Results of one name that have no pair: one stands in the place of the other."""
    taken = set(found.values())
    left: dict[str, deque[str]] = {}
    for node in b.node_list:
        if node.name and node.kind == "op" and node.key not in taken:
            left.setdefault(node.name, deque()).append(node.key)
    for node in a.node_list:
        if node.name and node.kind == "op" and node.key not in found and left.get(node.name):
            yield node.key, left[node.name].popleft()


def _beside(a: Graph, b: Graph, found: Pairs) -> Iterator[tuple[str, str]]:
    """What is left of one kind beside things that belong together, as changes of dtype and steps of optimizers."""
    pairs, taken = dict(found), set(found.values())
    waiting = deque(pairs.items())
    while waiting:
        here, there = waiting.popleft()
        for ends in (heads, tails):
            left = [node for node in ends(b, there) if node.key not in taken]
            for node in (one for one in ends(a, here) if one.key not in pairs):
                twin = next((other for other in left if kind_of(other) == kind_of(node)), None)
                if twin is not None:
                    left.remove(twin)
                    pairs[node.key] = twin.key
                    taken.add(twin.key)
                    waiting.append((node.key, twin.key))
                    yield node.key, twin.key


def heads(graph: Graph, key: str) -> list[Node]:
    """What a node is used in."""
    return [graph.nodes[key] for key in dict.fromkeys(edge.head for edge in graph.out_edges(key))]


def tails(graph: Graph, key: str) -> list[Node]:
    """What a node is made of."""
    return [graph.nodes[key] for key in dict.fromkeys(edge.tail for edge in graph.in_edges(key))]


def kind_of(node: Node) -> Token:
    """What is the same of nodes that may be the same thing."""
    return node.kind, node.op, node.ports[0].shape


def through_casts(graph: Graph, node: Node) -> Node:
    """What was changed to another dtype, before it was."""
    while operation(node) in ONLY_CHANGES_TYPE and (before := graph.in_edges(node.key)):
        node = graph.nodes[before[0].tail]
    return node
