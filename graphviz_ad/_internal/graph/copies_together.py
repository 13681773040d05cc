"""Folds that are shown -> the same, with copies as one that all read the same result from elsewhere, as the layers of
a decoder read what the encoder makes: one arrow leads to all of them then. A module that is nothing but copies of
which only the first is told from the others is one box, too: that says how many they are, and what is in each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

from graphviz_ad._internal.graph.fold_cut import WORTH_OPENING
from graphviz_ad._internal.graph.fold_scopes import MODULE
from graphviz_ad._internal.graph.fold_tree import REPEAT, Fold
from graphviz_ad._internal.graph.graph import Graph

FEWEST = 3  # copies


def with_copies_together(graph: Graph, tree: Fold, shown: Sequence[Fold], alone: Sequence[int]) -> list[Fold]:
    """The folds; ``alone`` are places of nodes that are not to be hidden among copies."""
    seen, places = {id(fold) for fold in shown}, sorted(alone)
    closed: dict[int, Fold] = {}
    for repeat in tree.walk():
        if is_shown_one_by_one(repeat, seen) and not holds_any(repeat, places) and read_the_same(graph, repeat):
            closed |= {id(copy): repeat for copy in repeat.children}
    return list({id(fold): fold for each in shown for fold in [closed.get(id(each), each)]}.values())


def with_stages_closed(tree: Fold, shown: Sequence[Fold], alone: Sequence[int]) -> list[Fold]:
    """The folds, but for the parts of modules that are stages of copies; what is ``alone`` stays so."""
    seen, places = {(fold.first, fold.end) for fold in shown}, sorted(alone)
    found = [
        fold for fold in tree.walk() if fold is not tree and is_stage(fold, seen, shown) and not holds_any(fold, places)
    ]
    stages = {place: fold for fold in found for place in range(fold.first, fold.end)}
    return list({id(fold): fold for each in shown for fold in [stages.get(each.first, each)]}.values())


def is_stage(fold: Fold, seen: Collection[tuple[int, int]], shown: Sequence[Fold]) -> bool:
    """Whether a module is open and is nothing but modules of one class, some of them counted, of which none is open."""
    if fold.kind != MODULE or (fold.first, fold.end) in seen:
        return False
    parts = [each for each in shown if fold.first <= each.first and each.end <= fold.end]
    copies = [copy for part in parts for copy in (part.children if part.kind == REPEAT else (part,))]
    counted = any(part.kind == REPEAT for part in parts)
    alike = len({copy.called for copy in copies}) == 1 and all(copy.kind == MODULE for copy in copies)
    return counted and len(parts) > 1 and alike and all(copy.operations >= WORTH_OPENING for copy in copies)


def is_shown_one_by_one(repeat: Fold, seen: set[int]) -> bool:
    """Whether a fold is some copies of a module, each a box of which nothing inside is seen."""
    copies = repeat.children
    if repeat.kind != REPEAT or not repeat.structure or len(copies) < FEWEST:
        return False
    return all(id(copy) in seen and copy.kind == MODULE and copy.operations >= WORTH_OPENING for copy in copies)


def holds_any(fold: Fold, places: Sequence[int]) -> bool:
    """Whether one of these places, in order, is in a fold."""
    place = bisect_left(places, fold.first)
    return place < len(places) and places[place] < fold.end


def read_the_same(graph: Graph, repeat: Fold) -> bool:
    """Whether each of the copies reads one result that was computed before them, and takes a gradient."""
    home = {*repeat.keys()}
    read = [
        {
            edge.tail
            for leaf in copy.leaves()
            for edge in graph.in_edges(leaf.key)
            if edge.tail not in home and graph.nodes[edge.tail].kind != "leaf" and graph.nodes[edge.tail].requires_grad
        }
        for copy in repeat.children
    ]
    return bool(set.intersection(*read))
