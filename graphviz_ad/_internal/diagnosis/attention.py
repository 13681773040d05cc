"""Course -> findings about attention by hand: weights along another dimension than is summed, and masked too late."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from graphviz_ad._internal.diagnosis.course import Course, argument, module_of, operation
from graphviz_ad._internal.diagnosis.findings import WARNING, Finding
from graphviz_ad._internal.diagnosis.units import is_by_chance
from graphviz_ad._internal.graph.graph import Edge, Node
from graphviz_ad._internal.operations.training import (
    DROPOUT,
    FILLS,
    MAKES_SCORES,
    MASKS_SCORES,
    MOVES,
    SCALED_OR_MASKED,
    SOFTMAX_ITSELF,
    SUMS_BY_WEIGHTS,
    TIMES,
)

FARTHEST = 12  # operations that are looked at on the way


def attention(course: Course) -> Iterator[Finding]:
    """Both, of softmaxes of a product of two results, whose weights another product sums by."""
    for weights in course.computes(SOFTMAX_ITSELF):
        scores = _scores(course, weights) if course.leads_on(weights) else None
        way = _way_to_sum(course, weights) if scores is not None else None
        if scores is None or way is None:
            continue
        summed, *between = reversed(way)
        yield from _along_other_dimension(course, weights, summed)
        if not any(operation(node) in MASKS_SCORES for node in scores):
            yield from _masked_too_late(course, weights, between)


def _scores(course: Course, weights: Node) -> list[Node] | None:
    """What was done to scores before their softmax; None where they are no product of two results."""
    done: list[Node] = []
    node = course.made_of(weights)
    while node is not None and len(done) < FARTHEST and operation(node) in SCALED_OR_MASKED:
        done.append(node)
        tails = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)]
        wanted = [tail for tail in tails if tail.requires_grad]
        node = wanted[0] if len(wanted) == 1 else None
        if node is not None and operation(node) in MOVES:
            node = course.made_of(node)
    if node is None or operation(node) not in MAKES_SCORES:
        return None
    factors = [course.made_of(node, slot) for slot in (0, 1)]
    learned = all(one is not None and one.kind == "op" and one.requires_grad for one in factors)
    return done if learned else None


def _way_to_sum(course: Course, weights: Node) -> list[Node] | None:
    """From the weights, with nothing but dropout and masks on the way, to the product that they come first in."""
    way: list[Node] = []
    node = weights
    while len(way) < FARTHEST:
        uses = [edge for edge in course.graph.out_edges(node.key) if _goes_on(course, edge)]
        if len(uses) != 1:
            return None
        node = course.graph.nodes[uses[0].head]
        way.append(node)
        if operation(node) in SUMS_BY_WEIGHTS:
            return way if uses[0].slot == 0 else None
        if operation(node) not in (DROPOUT, FILLS, TIMES):
            return None
    return None


def _goes_on(course: Course, edge: Edge) -> bool:
    return course.graph.nodes[edge.head].requires_grad


def _along_other_dimension(course: Course, weights: Node, summed: Node) -> Iterator[Finding]:
    dim, rank = argument(weights, "dim"), len(weights.ports[0].shape or ())
    if isinstance(dim, int) and rank >= 2 and dim % rank == rank - 2:
        facts = {"at": course.described(weights), "dim": dim, "summed": rank - 1, "read_at": course.described(summed)}
        yield Finding(
            "attention-of-other-rows", WARNING, weights.name, module_of(weights), weights.source, facts,
            weight=40, key=weights.key, confidence="likely",
        )  # fmt: skip


def _masked_too_late(course: Course, weights: Node, between: list[Node]) -> Iterator[Finding]:
    """Weights of which some are taken away, where those that stay are not made to add up to 1 again."""
    for node in between:
        if operation(node) == DROPOUT or not _takes_away_of_rows(course, node):
            continue
        yield Finding(
            "mask-after-softmax", WARNING, node.name, module_of(node), node.source,
            {"at": course.described(node), "weights": course.described(weights)},
            weight=40, key=node.key, confidence="likely",
        )  # fmt: skip
        return


def _takes_away_of_rows(course: Course, node: Node) -> bool:
    """Whether a mask that was there before takes some numbers of a row, and leaves others: not by chance, as dropout by
    hand, nor whole rows, as those of padding, or of heads.
    """
    masks = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)]
    masks = [one for one in masks if not one.requires_grad and one.ports[0].shape]
    array = masks[0].ports[0].value.array if len(masks) == 1 and masks[0].ports[0].value is not None else None
    if array is None or array.ndim == 0 or not np.isin(array, (0, 1)).all():
        return False
    mixed = (array.min(-1) != array.max(-1)).any()
    return bool(mixed) and not is_by_chance(course, masks[0]) and not _is_of_what_learns(course, masks[0])


def _is_of_what_learns(course: Course, mask: Node) -> bool:
    """Whether a mask was made of results that learn, as that of the largest weights."""
    waiting, seen = [mask], {mask.key}
    while waiting:
        node = waiting.pop()
        if node.requires_grad:
            return True
        tails = [course.graph.nodes[edge.tail] for edge in course.graph.in_edges(node.key)]
        waiting += [tail for tail in tails if tail.key not in seen]
        seen |= {tail.key for tail in tails}
    return False
