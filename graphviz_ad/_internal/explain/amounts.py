"""Gradient -> a few words that say how large it is."""

from __future__ import annotations

import numpy as np

from graphviz_ad._internal.graph.snapshot import Snapshot
from graphviz_ad._internal.maths.number_format import (
    number_in_one_line,
    short_number,
    type_label,
    without_signs_of_zeros,
)


def text_of(snap: Snapshot | None) -> str:
    """A gradient in a few words: its elements, or its type and how large it is."""
    if snap is None:
        return "None"
    with without_signs_of_zeros():
        text = number_in_one_line(snap)
    if text != type_label(snap) or snap.norm is None:
        return text
    return (
        f"{text} of norm {short_number(snap.norm)}"
        if not snap.nonfinite
        else f"{text}, of which {snap.nonfinite} NaN or infinite"
    )


def alike_in_words(one: Snapshot | None, other: Snapshot | None) -> str:
    """What is to be said where two gradients differ of which the same is told; "" where they are told apart."""
    if one is None or other is None or text_of(one) != text_of(other):
        return ""
    return "The two differ in what is not told here, as the order of their elements."


def size_of(snap: Snapshot | None) -> float:
    """How much a gradient weighs among others: what is not finite weighs most, what is not known least."""
    if snap is None:
        return -1.0
    if snap.nonfinite:
        return float("inf")
    return snap.norm if snap.norm is not None else 0.0


def largest_of(snap: Snapshot) -> float:
    """The largest element of a gradient; infinity where none is known."""
    array = snap.array
    return float(np.max(np.abs(array), initial=0.0)) if array is not None else float("inf")
