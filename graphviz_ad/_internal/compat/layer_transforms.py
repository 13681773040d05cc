"""Layer graph -> smaller layer graph: Fold, FoldId, Prune, PruneBranch, FoldDuplicates and Rename, as HiddenLayer's
transforms of these names do it. Each has ``apply``, and leaves the graph that it is given as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from graphviz_ad._internal.base.argument_types import shown_value
from graphviz_ad._internal.base.checked_calls import checking_arguments
from graphviz_ad._internal.base.errors import OptionError
from graphviz_ad._internal.compat.layer_graph import Graph, Node
from graphviz_ad._internal.compat.layer_patterns import Match, parsed

__all__ = [
    "SIMPLICITY_TRANSFORMS",
    "Fold",
    "FoldDuplicates",
    "FoldId",
    "Prune",
    "PruneBranch",
    "Rename",
]


class Fold:
    """What a pattern such as "Conv > BatchNorm > Relu" fits becomes one node; "__first__" as ``op`` keeps the first."""

    @checking_arguments
    def __init__(self, pattern: Any, op: str, name: str | None = None) -> None:
        self.pattern, self.op, self.name = parsed(pattern), op, name

    def apply(self, graph: Graph) -> Graph:
        """The graph with each match folded; what comes of it may match again, but for one that comes of itself."""
        folded, made = graph.copy(), set[str]()
        while (found := folded.first_match(self.pattern, without=made)) is not None:
            combined = self.combined(folded, found)
            made.add(str(combined.id))
            folded.replace([node for node in found.nodes if isinstance(node, Node)], combined)
        return folded

    def combined(self, graph: Graph, found: Match) -> Node:
        """The node for a match."""
        nodes = [node for node in found.nodes if isinstance(node, Node)]
        if self.op == "__first__":
            return nodes[0]
        made = Node(
            graph.sequence_id(nodes),
            self.name or " > ".join(node.title for node in nodes),
            self.op,
            nodes[-1].output_shape,
        )
        made.caption = "/".join(node.caption for node in nodes if node.caption)
        return made


class FoldId:
    """All nodes whose ``id`` fits a regular expression become one for each text of its first group."""

    @checking_arguments
    def __init__(self, id_regex: Any, op: str, name: str | None = None) -> None:
        self.id_regex, self.op, self.name = compiled(id_regex), op, name
        if not self.id_regex.groups:
            raise OptionError(
                f"id_regex={id_regex!r} has no group, so that nobody knows which nodes belong together; put brackets"
                " around the part of the id that they share"
            )

    def apply(self, graph: Graph) -> Graph:
        """The graph with each group folded."""
        folded = graph.copy()
        groups: dict[str, list[Node]] = {}
        for node in folded.nodes.values():
            found = self.id_regex.match(str(node.id))
            if found is not None:
                groups.setdefault(found.group(1), []).append(node)
        for key, nodes in groups.items():
            last = next((node for node in reversed(nodes) if set(folded.heads(node)) - set(nodes)), nodes[-1])
            folded.replace(nodes, Node(key, self.name, self.op, last.output_shape))
        return folded


class Prune:
    """What a pattern fits is left out, with its edges."""

    def __init__(self, pattern: str) -> None:
        self.pattern = parsed(pattern)

    def apply(self, graph: Graph) -> Graph:
        """The graph without all that."""
        pruned = graph.copy()
        while (found := pruned.first_match(self.pattern)) is not None:
            pruned.remove(found.nodes)
        return pruned


class PruneBranch:
    """What a pattern fits is left out, and all that leads nowhere else."""

    def __init__(self, pattern: str) -> None:
        self.pattern = parsed(pattern)

    def apply(self, graph: Graph) -> Graph:
        """The graph without these branches."""
        pruned = graph.copy()
        while (found := pruned.first_match(self.pattern)) is not None:
            gone = {id(node) for node in found.nodes}
            waiting = [node for node in found.nodes if isinstance(node, Node)]
            branch = list(waiting)
            while waiting:
                for tail in pruned.tails(waiting.pop()):
                    if id(tail) not in gone and all(id(head) in gone for head in pruned.heads(tail)):
                        gone.add(id(tail))
                        branch.append(tail)
                        waiting.append(tail)
            pruned.remove(branch)
        return pruned


class FoldDuplicates:
    """Equal operations one after the other become one that says how many they are."""

    def apply(self, graph: Graph) -> Graph:
        """The graph with runs of equal operations folded."""
        folded = graph.copy()
        while (pair := self.pair(folded)) is not None:
            first, second = pair
            made = Node(folded.sequence_id(pair), first.name, first.op, second.output_shape, dict(first.params))
            made.caption, made.repeat = first.caption, first.repeat + second.repeat
            folded.replace(list(pair), made)
        return folded

    def pair(self, graph: Graph) -> tuple[Node, Node] | None:
        """The first two of a run."""
        for node in graph.nodes.values():
            heads = graph.heads(node)
            if len(heads) == 1 and heads[0].op == node.op and len(graph.tails(heads[0])) == 1:
                return node, heads[0]
        return None


class Rename:
    """In the ``op`` or the ``name`` of each node, what a regular expression fits is replaced."""

    @checking_arguments
    def __init__(self, op: str | None = None, name: str | None = None, to: str | None = None) -> None:
        if (op is None) == (name is None):
            which = "neither" if op is None else "both"
            raise OptionError(f"Rename changes the op or the name of nodes, and {which} was given; give one of them")
        if not to:
            raise OptionError(f"to={shown_value(to)} is no new name; give text, such as to='Linear'")
        self.to = to
        self.op = compiled(op) if op is not None else None
        self.name = compiled(name) if name is not None else None

    def apply(self, graph: Graph) -> Graph:
        """The graph with the new names."""
        renamed = graph.copy()
        for node in renamed.nodes.values():
            if self.op is not None:
                node.op = self.op.sub(self.to, node.op)
            elif self.name is not None and node.name is not None:
                node.name = self.name.sub(self.to, node.name)
        return renamed


def compiled(text: Any) -> re.Pattern[str]:
    """A regular expression."""
    try:
        made: re.Pattern[str] = re.compile(text)
        return made
    except (re.error, TypeError) as error:
        raise OptionError(f"{shown_value(text)} is no regular expression: {error}; see the module re") from error


SIMPLICITY_TRANSFORMS: Sequence[Fold | FoldDuplicates] = (
    Fold("Conv > Conv > BatchNorm > Relu", "ConvConvBnRelu"),
    Fold("Conv > BatchNorm > Relu", "ConvBnRelu"),
    Fold("Conv > BatchNorm", "ConvBn"),
    Fold("Conv > Relu", "ConvRelu"),
    Fold("Linear > Relu", "LinearRelu"),
    Fold("ConvBnRelu > MaxPool", "ConvBnReluMaxpool"),
    Fold("ConvRelu > MaxPool", "ConvReluMaxpool"),
    FoldDuplicates(),
)
