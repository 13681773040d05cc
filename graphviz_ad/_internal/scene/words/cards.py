"""Folded node -> what it is, in a few words: its class with the sizes of a layer, and how its copies differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from graphviz_ad._internal.graph.arguments import Argument
from graphviz_ad._internal.graph.graph import Node
from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.operations.layers import IN, KERNEL, OUT, ROWS, STRIDE

LEVELS = "▁▂▃▄▅▆▇█"
LONGEST_CURVE = 24  # characters
LEAST_SPAN = 1.0  # of powers of ten, from the lowest to the highest column
UNKNOWN = "·"


def is_of_numbers(snap: Snapshot) -> bool:
    """Whether these are whole numbers, as those of tokens and classes, of which a mean says nothing."""
    return snap.dtype.startswith(("int", "uint"))


def what_it_is(node: Node) -> str:
    """ "Linear 4→5", "Conv2d 3→64, 7×7 /2", "Block"; "" where nobody knows."""
    facts = dict(node.arguments)
    way = facts.get(IN, facts.get(ROWS))
    sizes = f"{way}→{facts[OUT]}" if way is not None and OUT in facts else f"{facts[OUT]}" if OUT in facts else ""
    kernel = facts.get(KERNEL)
    of_kernel = "×".join(map(str, kernel)) if isinstance(kernel, tuple) else ""
    text = " ".join(part for part in (node.call_op or "", sizes) if part)
    return f"{text}, {of_kernel}{stride_text(facts.get(STRIDE))}" if of_kernel else text


def stride_text(stride: Argument) -> str:
    """ " /2"; "" for steps of one."""
    steps = stride if isinstance(stride, tuple) else (stride,)
    if all(step in (1, None) for step in steps):
        return ""
    return f" /{steps[0]}" if len(set(steps)) == 1 else f" /{'×'.join(map(str, steps))}"


def lines_of_copies(node: Node) -> list[str]:
    """How the gradients of copies differ: a small curve, and the first, the last and the least of them by name."""
    copies = node.copies
    if copies is None or not any(norm is not None for norm in copies.norms):
        return []
    first, last = copies.norms[0], copies.norms[-1]
    ends = f"{short_number(first)} first, {short_number(last)} last" if None not in (first, last) else ""
    known = [norm for norm in copies.norms if norm is not None and math.isfinite(norm)]
    within = (
        [
            f"{word} {short_number(norm)} at {short_name(name)}"
            for word, norm, name in (("least", min(known), copies.least), ("most", max(known), copies.most))
            if name is not None and norm not in (first, last)
        ]
        if known
        else []
    )
    return [text for text in (f"each {curve(copies.norms)}", ends, *within) if text]


def short_name(name: str) -> str:
    """The end of a dotted name: "layers.30"."""
    return ".".join(name.split(".")[-2:])


def curve(norms: Sequence[float | None]) -> str:
    """Norms as columns of which each is as high as its logarithm is large; of many, the least of those side by side."""
    count = min(len(norms), LONGEST_CURVE)
    bounds = [len(norms) * i // count for i in range(count + 1)]
    groups = [norms[a:b] for a, b in pairwise(bounds)]
    logs = [least_of(group) for group in groups]
    known = [value for value in logs if value is not None and math.isfinite(value)]
    if not known:
        return UNKNOWN * count
    low, high = min(known), max(known)
    if high - low < LEAST_SPAN:  # what differs little is to look so
        low, high = (low + high - LEAST_SPAN) / 2, (low + high + LEAST_SPAN) / 2
    return "".join(column(value, low, high) for value in logs)


def least_of(norms: Sequence[float | None]) -> float | None:
    """The logarithm of the smallest; −∞ for 0, NaN where one is not finite, None where none is known."""
    known = [norm for norm in norms if norm is not None]
    if not known:
        return None
    if not all(map(math.isfinite, known)):
        return math.nan
    return math.log10(min(known)) if min(known) > 0 else -math.inf


def column(value: float | None, low: float, high: float) -> str:
    """One column of a curve: "×" where a norm is not finite, "_" where it is 0."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "×" if math.isnan(value) else "_"
    return LEVELS[min(int((value - low) / (high - low) * len(LEVELS)), len(LEVELS) - 1)]
