"""Tree of folds + the cut that is shown -> the name by which the reader can open the largest box that one opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace

from graphviz_ad._internal.graph.fold_cut import WORTH_OPENING, Wish, flattened, named_folds
from graphviz_ad._internal.graph.fold_scopes import FUNCTION, LINE, MODULE
from graphviz_ad._internal.graph.fold_tree import Fold
from graphviz_ad._internal.graph.open_copies import numbers_of_calls, title_of_copy

TRIED = 8  # of the largest boxes
MOST_SHOWN = 120  # boxes, more of which are no answer


Cut = Callable[[Wish], Sequence[Fold]]


def name_that_opens(tree: Fold, wish: Wish, shown: Sequence[Fold], wanted: Set[str] = frozenset(), *, cut: Cut) -> str:
    """A name that opens one box if `Wish.expand` has it, too, and that one alone: the largest of those that have such
    a name, of copies the first; before all others one that holds a node of which the key is ``wanted``. "" where no
    name does, or none that is worth it. ``cut`` is what is shown for a wish.
    """
    worth = [fold for fold in shown if fold.children and fold.operations >= WORTH_OPENING]
    closed = sorted(worth, key=lambda fold: (wanted.isdisjoint(fold.keys()), -fold.operations))[:TRIED]
    return next(
        (name for fold in closed for name in names_of(tree, fold) if opens(tree, wish, shown, fold, name, cut)), ""
    )


def names_of(tree: Fold, box: Fold) -> Iterator[str]:
    """The names by which a box, or the first of the copies in it, may be asked for; that of many by its number, too."""
    fold = box.loop.children[0] if box.loop is not None else box
    for each in (fold, box):
        if each.kind in (MODULE, FUNCTION):
            yield from dict.fromkeys((each.name, *each.names))
    if fold.kind == LINE:  # by a module that it calls, which says more than the variable that stands on it
        modules = [part for part in flattened(fold.children) if part.kind == MODULE and part.operations > 1]
        yield from (part.name for part in sorted(modules, key=lambda part: -part.operations))
        *_, last = fold.leaves()
        yield from (name for name in dict.fromkeys(fold.names) if name == last.name and name.isidentifier())
    if fold.kind in (MODULE, FUNCTION) and fold is not box:
        number = numbers_of_calls(tree, fold.name).get((fold.first, fold.end))
        if number is not None:
            yield f"{title_of_copy(fold)} {number}"


def opens(tree: Fold, wish: Wish, shown: Sequence[Fold], box: Fold, name: str, cut: Cut) -> bool:
    """Whether a name means but one thing, which is this box or in it, and whether to ask for it opens that alone."""
    meant = named_folds(tree, name)
    if len(meant) > 1 or not all(box.first <= each.first and each.end <= box.end for each in meant):
        return False
    then = {(fold.first, fold.end) for fold in cut(replace(wish, expand=(*wish.expand, name)))}
    others = {(fold.first, fold.end) for fold in shown if fold is not box}
    return others <= then and (box.first, box.end) not in then and len(then) <= MOST_SHOWN
