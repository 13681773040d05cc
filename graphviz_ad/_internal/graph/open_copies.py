"""Tree of folds + the cut that is shown -> where copies begin and end that are open among others, so that a picture
can say which of them what stands there is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphviz_ad._internal.graph.fold_cut import folds_called
from graphviz_ad._internal.graph.fold_scopes import FUNCTION, MODULE
from graphviz_ad._internal.graph.fold_tree import REPEAT, Fold
from graphviz_ad._internal.graph.graph import Graph, Node

Bound = tuple[str, int, int, bool]  # what is repeated, which copy it is, of how many, and whether it ends here


def bounds_of_open_copies(tree: Fold, shown: Sequence[Fold]) -> Mapping[str, tuple[Bound, ...]]:
    """Key of the last node of a fold that is shown -> the copies of which it is the first or the last that computes
    something.
    """
    computing = [fold for fold in shown if fold.operations]
    firsts = [fold.first for fold in computing]
    found: dict[str, tuple[Bound, ...]] = dict(whole_calls(tree, shown))
    for repeat in tree.walk():
        if repeat.kind != REPEAT:
            continue
        every = numbers_of_copies(tree, repeat, shown)
        for copy in repeat.children:
            inside = computing[bisect_left(firsts, copy.first) : bisect_left(firsts, copy.end)]
            if len(inside) > 1 and (copy.first, copy.end) in every:
                bound = title_of_copy(copy), every[copy.first, copy.end], len(every)
                for fold, ends in ((inside[0], False), (inside[-1], True)):
                    key = fold.keys()[-1]
                    found[key] = (*found.get(key, ()), (*bound, ends))
    return found


def numbers_of_copies(tree: Fold, repeat: Fold, shown: Sequence[Fold]) -> Mapping[tuple[int, int], int]:
    """Where each of the copies begins and ends -> its number among all that are called so; of modules with names of
    their own among these, where others of them are shown as one.
    """
    copies = repeat.children
    if are_told_apart_by_number(copies):
        return numbers_of_calls(tree, copies[0].name)
    own = copies[0].kind == MODULE and len({copy.name for copy in copies}) == len(copies)
    closed = any(fold.loop is not None and fold.end > repeat.first and fold.first < repeat.end for fold in shown)
    return {(copy.first, copy.end): number for number, copy in enumerate(copies, 1)} if own and closed else {}


def whole_calls(tree: Fold, shown: Sequence[Fold]) -> Iterator[tuple[str, tuple[Bound, Bound]]]:
    """Key of a fold that is one call of a module that is called more than once -> this call, of which it is the first
    part and the last.
    """
    boxes = [fold for fold in shown if fold.kind == MODULE and fold.loop is None]
    calls: dict[str, list[Fold]] = {fold.name: [] for fold in boxes}
    for fold in tree.walk() if boxes else ():
        every = calls.get(fold.name) if fold.kind == MODULE else None
        if every is not None and (not every or fold.first >= every[-1].end):  # not a call within the one before
            every.append(fold)
    numbers = {id(call): number for every in calls.values() for number, call in enumerate(every, 1) if every[1:]}
    for fold in boxes:
        if id(fold) in numbers:
            call = title_of_copy(fold), numbers[id(fold)], len(calls[fold.name])
            yield fold.keys()[-1], ((*call, False), (*call, True))


def with_calls_numbered(graph: Graph, tree: Fold) -> Graph:
    """The graph whose boxes say which call of its module each is all of, where every call of that is a box."""
    boxes: dict[str, list[str]] = {}
    for node in graph.node_list:
        if node.kind == "module" and node.call_op is not None and node.op is not None:
            boxes.setdefault(node.op, []).append(node.key)
    found: dict[str, tuple[Bound, ...]] = {}
    for name, keys in boxes.items():
        calls = [fold for fold in folds_called(tree, name) if fold.kind == MODULE] if keys[1:] else []
        if keys == [call.keys()[-1] for call in calls]:
            for number, key in enumerate(keys, 1):
                found[key] = tuple([(name, number, len(keys), ends) for ends in (False, True)])
    nodes = [replace(node, bounds=found[node.key]) if node.key in found else node for node in graph.node_list]
    return replace(graph, node_list=tuple(nodes)) if found else graph


def call_of(node: Node) -> tuple[int, int] | None:
    """Which call of its module a box is all of, and of how many; None where it is another thing, or the only one."""
    began = {bound[:3] for bound in node.bounds if not bound[-1]}
    ended = [bound[:3] for bound in node.bounds if bound[-1]]
    return next((bound[1:] for bound in ended if bound in began and bound[0] == node.op), None)


def numbers_of_calls(tree: Fold, name: str) -> Mapping[tuple[int, int], int]:
    """Where each of the folds of a name begins and ends -> its number, by which it can be opened."""
    return {(fold.first, fold.end): number for number, fold in enumerate(folds_called(tree, name), 1)}


def are_told_apart_by_number(copies: Sequence[Fold]) -> bool:
    """Whether copies are calls of one function or module, so that no name tells them apart."""
    return copies[0].kind in (FUNCTION, MODULE) and len({copy.name for copy in copies}) == 1


def title_of_copy(copy: Fold) -> str:
    """What a copy is called: "step()", "cell"."""
    return f"{copy.name}()" if copy.kind == FUNCTION else copy.name
