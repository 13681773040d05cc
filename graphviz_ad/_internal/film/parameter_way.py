"""Rounds -> the one number that they move, where all else is the same in all of them: a loss over its values is told,
then, and what becomes known on its way.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from graphviz_ad._internal.film.ledger import Ledger
from graphviz_ad._internal.film.rounds import Round, known_number
from graphviz_ad._internal.film.updates import MOVES, Chapter
from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.operations.traits import RANDOM
from graphviz_ad._internal.scene.scene import Stop

SOURCES = ("leaf", "data")


@dataclass
class ParameterWay:
    """What becomes known of the leaf with this box, step by step, as numbers of steps and stops."""

    leaf: str
    stops: list[tuple[int, Stop]] = field(default_factory=list)

    def loss_known(self, step: int, graph: Graph) -> None:
        """A forward pass has computed its loss."""
        at, loss = known_number(graph.nodes[self.leaf].value), known_number(root_of(graph).value)
        if at is not None and loss is not None:
            self.stops.append((step, Stop(at, loss)))

    def slope_known(self, step: int, current: Round) -> None:
        """A backward pass has brought its gradient."""
        brought = next((one.brought for one in current.additions if one.leaf == self.leaf), None)
        slope = known_number(brought)
        last = self.stops[-1][1] if self.stops else None
        if slope is not None and last is not None and last.loss is not None and last.slope is None:
            self.stops.append((step, Stop(last.at, last.loss, slope)))

    def moved(self, step: int, chapter: Chapter) -> None:
        """The leaf may have been moved."""
        for deed in chapter.deeds if chapter.what in MOVES else ():
            new = known_number(deed.new)
            if deed.leaf == self.leaf and new is not None and (not self.stops or self.stops[-1][1].at != new):
                self.stops.append((step, Stop(new)))


def way_of(rounds: Sequence[Round], ledger: Ledger) -> ParameterWay | None:
    """The way of the one number that is moved; None where there are others, or where the loss is not of it alone."""
    deeds = [deed for chapter in chapters_of(rounds) if chapter.what in MOVES for deed in chapter.deeds]
    moved = {deed.leaf for deed in deeds}
    if len(moved) != 1 or len(rounds) < 2 or not moved <= ledger.lines.keys():
        return None
    (leaf,) = moved
    values = [known_number(one.graph.nodes[leaf].value) for one in rounds if leaf in one.graph.nodes]
    known = [value for value in (*values, *(known_number(deed.new) for deed in deeds)) if value is not None]
    is_known = len(known) == len(rounds) + len(deeds) and all(map(math.isfinite, known))
    others = [list(all_else(one, {leaf})) for one in rounds]
    return ParameterWay(leaf) if is_known and len({*values}) > 1 and all(one == others[0] for one in others) else None


def chapters_of(rounds: Sequence[Round]) -> Iterator[Chapter]:
    """All of them."""
    for one in rounds:
        yield from (*one.opening, *one.before, *one.after)


def all_else(one: Round, leaves: Collection[str]) -> Iterator[object]:
    """What the loss of a round is made of beside these leaves; never the same where chance has a part in it."""
    for node in one.graph.node_list:
        if node.key in one.here and node.key not in leaves:
            yield node.key, node.kind, node.op, node.arguments, values_of_source(node)
            yield one.number if is_unsure(node) else None
    yield [(edge.tail, edge.head, edge.port, edge.slot) for edge in one.graph.edges if edge.head in one.here]


def is_unsure(node: Node) -> bool:
    """Whether chance has a part in it, or it is not seen whether."""
    return node.op in RANDOM or (node.op is None and node.kind not in SOURCES)


def values_of_source(node: Node) -> object:
    """What a node holds that nothing in the round made."""
    return node.value if node.kind in SOURCES else None


def root_of(graph: Graph) -> Node:
    """What the pass began at."""
    return next(node for node in graph.node_list if node.is_output)
