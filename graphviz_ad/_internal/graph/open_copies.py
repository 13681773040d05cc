"""Tree of folds + the cut that is shown -> where copies of one name begin and end that are open among others, so that
a picture can say which of them what stands there is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from graphviz_ad._internal.graph.fold_scopes import FUNCTION, MODULE
from graphviz_ad._internal.graph.fold_tree import REPEAT, Fold

Bound = tuple[str, int, int, bool]  # what is repeated, which copy it is, of how many, and whether it ends here


def bounds_of_open_copies(tree: Fold, shown: Sequence[Fold]) -> Mapping[str, tuple[Bound, ...]]:
    """Key of the last node of a fold that is shown -> the copies of which it is the first or the last that computes
    something.
    """
    computing = [fold for fold in shown if fold.operations]
    firsts = [fold.first for fold in computing]
    found: dict[str, tuple[Bound, ...]] = {}
    for repeat in tree.walk():
        if repeat.kind != REPEAT or not are_told_apart_by_number(repeat.children):
            continue
        called, count = title_of_copy(repeat.children[0]), len(repeat.children)
        for number, copy in enumerate(repeat.children, 1):
            inside = computing[bisect_left(firsts, copy.first) : bisect_left(firsts, copy.end)]
            if len(inside) > 1:
                for fold, ends in ((inside[0], False), (inside[-1], True)):
                    key = fold.keys()[-1]
                    found[key] = (*found.get(key, ()), (called, number, count, ends))
    return found


def are_told_apart_by_number(copies: Sequence[Fold]) -> bool:
    """Whether copies are calls of one function or module, so that no name tells them apart."""
    return copies[0].kind in (FUNCTION, MODULE) and len({copy.name for copy in copies}) == 1


def title_of_copy(copy: Fold) -> str:
    """What a copy is called: "step()", "cell"."""
    return f"{copy.name}()" if copy.kind == FUNCTION else copy.name
