"""Passes -> what a film says of a tensor of a figure: how large it was and how large its gradient, as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphviz_ad._internal.graph.architecture import Passed, Passes
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.scene import SHADES

DIGITS = 3
SIGNS = "‖a‖: norm of what comes out of it; ‖g‖: of its gradient"


@dataclass(frozen=True)
class Told:
    """What is said of a tensor: its norm and that of its gradient, "" where there is none to tell; ``reached``: a
    gradient got there. ``row`` and ``gradients`` are its first row and the gradients of that.
    """

    value: str = ""
    gradient: str = ""
    reached: bool = False
    row: Array | None = None
    gradients: Array | None = None


def told_of(tensor: int | None, passes: Passes) -> Told:
    """What is said of the tensor of that number."""
    if tensor is None or tensor not in passes.values:
        return Told()
    value, gradient = passes.values[tensor], passes.gradients.get(tensor)
    reached = gradient is not None
    return Told(with_sign("a", value), with_sign("g", gradient), reached, value.row, gradient.row if gradient else None)


def with_sign(sign: str, passed: Passed | None) -> str:
    """ "‖a‖ 5.31"; "" where it is not known."""
    return "" if passed is None or passed.norm is None else f"‖{sign}‖ {short_number(passed.norm, digits=DIGITS)}"


def shades_of(row: Array | None, shown: Sequence[int]) -> dict[int, str]:
    """Place in a row -> the colour of its element, beside the largest of those that are shown; of numbers alone."""
    if row is None or row.dtype == object or np.iscomplexobj(row):
        return {}
    numbers = {place: float(row[place]) for place in shown if place < len(row)}
    known = {place: number for place, number in numbers.items() if math.isfinite(number)}
    largest = max(map(abs, known.values()), default=0.0)
    return {place: shade(number / largest if largest else 0.0) for place, number in known.items()}


def shade(share: float) -> str:
    """The colour of a number from −1 to 1."""
    step = round(abs(share) * SHADES)
    return f"shade.{'' if not step else 'p' if share > 0 else 'n'}{step}"
