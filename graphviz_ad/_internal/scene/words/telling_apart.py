"""Graph -> with how many digits each box writes its numbers, so that those that stand side by side and differ look
different, and what is said where no number of digits that can be read is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.open_copies import call_of
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import (
    NEARLY_NOTHING,
    how_written,
    number_in_one_line,
    short_number,
    type_label,
    without_signs_of_zeros,
    written_with,
)
from graphviz_ad._internal.scene.words.names import Names

MOST_DIGITS = 6  # more of them nobody compares


@dataclass(frozen=True)
class Told:
    """Numbers, exactly, and what writes them."""

    numbers: tuple[str, ...]
    write: Callable[[], str]


@dataclass(frozen=True)
class Apart:
    """Key of a node -> digits of its value, and of its gradient, where they are more than elsewhere; ``remarks`` are
    told of what looks like another number all the same: "differs from v₂ by 4e−6".
    """

    values: Mapping[str, int]
    gradients: Mapping[str, int]
    remarks: Mapping[str, tuple[str, ...]]


def told_apart(graph: Graph, names: Names) -> Apart:
    """The digits of a graph."""
    rows = [*rows_of(graph)]
    values, alike = digits_apart(rows, {node.key: numbers_of(value_of(node)) for node in graph.node_list})
    gradients, alike_back = digits_apart(rows, {node.key: numbers_of_gradient(node) for node in graph.node_list})
    remarks: dict[str, tuple[str, ...]] = {
        key: (f"differs from {names.of[other]} by {by}",) for key, (other, by) in alike.items()
    }
    for key, (other, by) in alike_back.items():
        called = "‖grad‖" if graph.nodes[key].kind == "module" else "grad"
        remarks[key] = (*remarks.get(key, ()), f"{called} differs from that of {names.of[other]} by {by}")
    return Apart(values, gradients, remarks)


def rows_of(graph: Graph) -> Iterator[Sequence[str]]:
    """What is compared with each other: a box with those that it reads, readers of one result, calls of one module."""
    calls: dict[str, list[str]] = {}
    for node in graph.node_list:
        yield [*dict.fromkeys((*(edge.tail for edge in graph.in_edges(node.key)), node.key))]
        yield [*dict.fromkeys(edge.head for edge in graph.out_edges(node.key))]
        if node.op is not None and call_of(node) is not None:
            calls.setdefault(node.op, []).append(node.key)
    yield from calls.values()


def value_of(node: Node) -> Snapshot | None:
    """The one result of a node."""
    return node.ports[0].value if not node.ports[1:] else None


def numbers_of(snap: Snapshot | None) -> Told | None:
    """The elements of a tensor, and how they are written; None where a box does not write them."""
    if snap is None or snap.array is None or number_in_one_line(snap) == type_label(snap):
        return None
    elements = snap.array.reshape(-1) + 0  # 0 and −0 are no different numbers
    return Told(tuple(map(repr, elements.tolist())), partial(number_in_one_line, snap))


def numbers_of_gradient(node: Node) -> Told | None:
    """The same of its gradient; of a box of several operations, its norm where it is one call of many."""
    grad = node.ports[0].grad if not node.ports[1:] else None
    if node.kind != "module":
        return numbers_of(grad)
    if grad is None or grad.norm is None or call_of(node) is None:
        return None
    return Told((repr(float(grad.norm)),), partial(short_number, grad.norm))


def digits_apart(
    rows: Iterable[Sequence[str]], told: Mapping[str, Told | None]
) -> tuple[dict[str, int], dict[str, tuple[str, str]]]:
    """Key of a node -> more digits than usual, the same for all that look alike with the usual ones; and, where these
    are not enough, the node that looks like it, and by how much it differs.
    """
    known = {key: each for key, each in told.items() if each is not None}
    usual = how_written()[0]
    digits: dict[str, int] = {}
    for group in together(look_alikes(rows, known, {})):
        here = {key: known[key] for key in group}
        for number in range(usual + 1, MOST_DIGITS + 1):
            digits |= dict.fromkeys(group, number)
            if not any(look_alikes(rows, here, digits)):
                break
    pairs = {key: first for first, *others in look_alikes(rows, known, digits) for key in others}
    return digits, {key: (other, distance(known[key], known[other])) for key, other in pairs.items()}


def together(groups: Iterable[Sequence[str]]) -> list[list[str]]:
    """The groups, those that share something as one, in the order of what is first in them."""
    found: list[list[str]] = []
    for group in groups:
        met = [each for each in found if {*each} & {*group}]
        found = [each for each in found if each not in met]
        found.append([*dict.fromkeys(key for each in (*met, group) for key in each)])
    return found


def look_alikes(
    rows: Iterable[Sequence[str]], told: Mapping[str, Told], digits: Mapping[str, int]
) -> Iterator[list[str]]:
    """Of nodes that stand beside each other those that write different numbers in the same way: the first, and those
    that are not the same as it.
    """
    texts = {key: written(each, digits.get(key)) for key, each in told.items()}
    for row in rows:
        alike: dict[str, list[str]] = {}
        for key in row:
            if key in texts and NEARLY_NOTHING not in texts[key]:
                alike.setdefault(texts[key], []).append(key)
        for first, *others in alike.values():
            apart = [key for key in others if told[key].numbers != told[first].numbers]
            yield from [[first, *apart]] if apart else []


def written(told: Told, digits: int | None) -> str:
    """Numbers with so many digits, or as they are written elsewhere."""
    with without_signs_of_zeros(), written_with(digits or how_written()[0]):
        return told.write()


def distance(one: Told, other: Told) -> str:
    """By how much numbers differ at most."""
    first, second = [np.array([complex(number) for number in each.numbers]) for each in (one, other)]
    return short_number(float(np.abs(first - second).max()), digits=1)
