"""Columns of nodes -> columns with the shortest links of all, by the network simplex.

A tree of links that are as short as can be holds all nodes of a connected part together. Without one of its links it
falls into two halves; where more links lead from one to the other than back, the halves are drawn together until
another link is as short as can be, which takes its place in the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Pair = tuple[int, int]  # tail, head

WORK = 600_000  # nodes and links looked at; beyond it, the columns found so far are taken


@dataclass
class Tree:
    """A spanning tree in the order of a walk from its root: each node after its ``parent``, with the ``link`` to that;
    what is behind a node in the walk up to ``last`` hangs on it.
    """

    order: list[int] = field(default_factory=list)
    parent: dict[int, int] = field(default_factory=dict)
    link: dict[int, int] = field(default_factory=dict)
    place: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)


def shortened(column: list[int], pairs: Sequence[Pair]) -> None:
    """Move nodes so that all links together are as short as can be, each at least one column long as before."""
    links = [(tail, head) for tail, head in dict.fromkeys(pairs) if tail != head]
    weight = dict.fromkeys(links, 0)
    for pair in pairs:
        if pair in weight:
            weight[pair] += 1
    near: list[list[int]] = [[] for _ in column]
    for number, (tail, head) in enumerate(links):
        near[tail].append(number)
        near[head].append(number)
    pull = [0] * len(column)  # weight of the links away, less that of those towards a node
    for (tail, head), count in weight.items():
        pull[tail] += count
        pull[head] -= count
    part = Part(column, links, near, pull)
    seen: set[int] = set()
    for node in range(len(column)):
        if near[node] and node not in seen:
            seen |= part.shorten(node)


class Part:
    """The nodes and links, of which one connected part is looked at, at a time."""

    def __init__(self, column: list[int], links: list[Pair], near: list[list[int]], pull: list[int]) -> None:
        self.column, self.links, self.near, self.pull = column, links, near, pull
        self.work = 0

    def slack(self, link: int) -> int:
        """By how many columns a link is longer than it must be."""
        tail, head = self.links[link]
        return self.column[head] - self.column[tail] - 1

    def shorten(self, root: int) -> set[int]:
        """Shorten the links of the part around a node; its nodes."""
        nodes, held = self.tight_tree(root)
        while self.work < WORK:
            tree = self.walked(root, held)
            found = self.exchange(tree)
            if found is None:
                break
            held[held.index(found[0])] = found[1]
        return nodes

    def tight_tree(self, root: int) -> tuple[set[int], list[int]]:
        """Nodes and links of a spanning tree without slack, for which nodes are moved."""
        nodes, held = {root}, []
        waiting, edge = [root], set(self.near[root])
        while edge or waiting:
            while waiting:
                node = waiting.pop()
                for link in self.near[node]:
                    other = self.links[link][0] + self.links[link][1] - node
                    if other in nodes:
                        edge.discard(link)
                    elif self.slack(link) == 0:
                        nodes.add(other)
                        held.append(link)
                        waiting.append(other)
                        edge.discard(link)
                    else:
                        edge.add(link)
            edge = {link for link in edge if not (self.links[link][0] in nodes and self.links[link][1] in nodes)}
            if edge:
                waiting = self.reach(nodes, min(edge, key=lambda link: (self.slack(link), link)))
        return nodes, held

    def reach(self, nodes: set[int], link: int) -> list[int]:
        """Move the tree so far until a link has no slack; its node inside."""
        tail, head = self.links[link]
        move = self.slack(link) if tail in nodes else -self.slack(link)
        self.work += len(nodes)
        for node in nodes:
            self.column[node] += move
        return [tail if tail in nodes else head]

    def walked(self, root: int, held: list[int]) -> Tree:
        """The tree in the order of a walk."""
        beside: dict[int, list[int]] = {}
        for link in held:
            for node in self.links[link]:
                beside.setdefault(node, []).append(link)
        tree = Tree()
        stack = [(root, -1, -1)]
        while stack:
            node, above, link = stack.pop()
            tree.parent[node], tree.link[node], tree.place[node] = above, link, len(tree.order)
            tree.order.append(node)
            for each in beside.get(node, ()):
                if each != link:
                    stack.append((self.links[each][0] + self.links[each][1] - node, node, each))
        tree.last = dict(tree.place)
        for node in reversed(tree.order[1:]):
            tree.last[tree.parent[node]] = max(tree.last[tree.parent[node]], tree.last[node])
        self.work += 2 * len(tree.order)
        return tree

    def exchange(self, tree: Tree) -> Pair | None:
        """The link of the tree that is not worth its place, and the one that takes it, for which nodes are moved; None
        where there is no such link.
        """
        pull = {node: self.pull[node] for node in tree.order}
        for node in reversed(tree.order[1:]):
            pull[tree.parent[node]] += pull[node]
        for node in reversed(tree.order[1:]):
            link = tree.link[node]
            leads_out = self.links[link][0] == node
            if (pull[node] if leads_out else -pull[node]) < 0:
                found = self.entering(tree, node, inwards=leads_out)
                if found is not None:
                    self.draw_together(tree, node, self.slack(found) * (-1 if leads_out else 1))
                    return link, found
        return None

    def entering(self, tree: Tree, node: int, *, inwards: bool) -> int | None:
        """The link with least slack that leads into what hangs on a node, or out of it."""
        first, last = tree.place[node], tree.last[node]
        best = None
        for below in tree.order[first : last + 1]:
            for link in self.near[below]:
                tail, head = self.links[link]
                other = tail if inwards else head
                if (head if inwards else tail) == below and not first <= tree.place[other] <= last:
                    key = self.slack(link), link
                    best = key if best is None or key < best else best
            self.work += len(self.near[below])
        return best[1] if best is not None else None

    def draw_together(self, tree: Tree, node: int, move: int) -> None:
        """Move all that hangs on a node."""
        for below in tree.order[tree.place[node] : tree.last[node] + 1]:
            self.column[below] += move
