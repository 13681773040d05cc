"""Two arrays, the dtype that one was rounded in, and how often -> whether they are equal up to rounding: the one
place that decides it.

Whoever asks says what was added up, as sizes: what is left of big numbers that cancelled is no better than these.
`trace` asks it whether an edge may keep its local derivative, `explain` whether paths make the gradient, `check`
whether edges do, and all get the same answer to the same question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.precision import LARGEST, SHORTER, SMALLEST, full_precision, unit
from graphviz_ad._internal.graph.snapshot import Snapshot

# roundings of torch's, at most, where a formula has one: its kernels take steps of their own, and so does this program
EACH = 4
# of a number: nobody is told of less, since libraries differ in their last digits, and sums in their order
LEAST = 1e-9
OF_A_DERIVATIVE = 2  # where a local derivative meets a gradient: that of the one and that of their product
# roundings, and as a part of the gradient: a sum that is no further from it is equal, by however many steps it came
FEW, NEARLY = 16, 1 / 16
OF_STATISTICS = 1e-4  # as a part of an element, and of a norm: they are added up in single precision
# as a part of a derivative: by more than that, differences are no method to find it
ROUGHLY = 1e-2
SHIFTED = 1 / 4  # shifted by more, it is the derivative at another place, and rounding is no small matter
SURE_SLOPE, FLAT = 1e-3, 1e-3  # how well a slope has to be known to deny a derivative; below that, it is flat
STAYS = 1 / 20  # a slope that moves by more, where the step gets shorter, is none
EVER = 1e-6  # how far differences are off at least
TO_THE_LAST_DIGIT = 64 * unit("float64")
GROSSLY = 1e4  # times as far apart as rounding can be, or half of it, is certainly wrong


def rounding_share(dtype: str | None, roundings: float = 1) -> float:
    """How far so many roundings may carry a number, as a part of it.

    >>> [rounding_share(dtype, OF_A_DERIVATIVE) for dtype in ("float64", "float32", "float16", "bfloat16")]
    [1e-09, 4.76837158203125e-07, 0.00390625, 0.03125]
    """
    return max(LEAST, EACH * roundings * unit(dtype))


def smallest(dtype: str | None, roundings: float = 1) -> float:
    """How far they may carry a number that is smaller than all normal numbers."""
    return EACH * roundings * SMALLEST.get(dtype or "", 0.0)


def lost_in_squares(dtype: str | None) -> float:
    """How large a number may be whose square is below all normal numbers that torch computes with, which for half
    precision are those of float32: of a norm, no more than that may be left out.
    """
    return math.sqrt(EACH * min(SMALLEST.get(dtype or "", 0.0), SMALLEST["float32"]))


def rounding_of_one(dtype: str | None) -> float:
    """How far roundings may carry a number near 1 inside of torch's kernels, which compute halves as float32."""
    return EACH * min(unit(dtype), unit("float32"))


def allowed(dtype: str | None, roundings: float, size: Any) -> Any:
    """How far so many roundings may carry what was added up of numbers of this size."""
    return rounding_share(dtype, roundings) * size + smallest(dtype, roundings)


def rounds_finely(dtype: str | None) -> bool:
    """Whether what rounding leaves of a sum is so little that nobody would take it for anything else: of float32 and
    finer dtypes.
    """
    return 0 < unit(dtype) <= unit("float32")


def left_of_a_sum(dtype: str | None, terms: float, size: Any) -> Any:
    """How much may be left of so many terms that cancel, by their sizes together: each was rounded before, and so is
    what is added. Not how far a number may be off, with room to spare: what is more than this is a number.
    """
    return EACH * unit(dtype) * max(math.log2(max(terms, 1)), 1) * size


def room(dtype: str | None) -> float:
    """The largest number that a dtype has room for; 0 where that is not known."""
    return LARGEST.get(dtype or "", 0.0)


def equal(found: Any, kept: Any, apart: Any, dtype: str | None = None, size: Any = None) -> bool | None:
    """Whether arrays are no further apart than this; None where that cannot be told of an element, because it is not
    finite in one of them, or because nobody knows how far rounding may carry it.

    What was kept may be infinite or NaN because numbers of a size had no room in its dtype, and of a dtype that is not
    given nothing is known; where there was room, it is wrong.
    """
    if found.shape != kept.shape:
        return False
    right, wrong = _told_elements(found, kept, apart, dtype, size)
    return False if wrong.any() else True if right.all() else None


def consistent(found: Any, kept: Any, apart: Any, dtype: str | None = None, size: Any = None) -> bool:
    """Whether nothing speaks against that; infinity and NaN have to be the same, or what had no room."""
    if found.shape != kept.shape:
        return False
    right, wrong = _told_elements(found, kept, apart, dtype, size)
    with np.errstate(all="ignore"):
        alike = (found == kept) | (np.isnan(found) & np.isnan(kept)) | (np.isfinite(found) & ~np.isfinite(kept))
    return not wrong.any() and bool((right | alike).all())


def _told_elements(found: Any, kept: Any, apart: Any, dtype: str | None, size: Any) -> tuple[Any, Any]:
    """Which elements are equal for certain, and which are not."""
    with np.errstate(all="ignore"):
        off, there, known = np.abs(found - kept), np.isfinite(found), np.isfinite(kept)
        wrong = there & known & (off > apart)
        if dtype is not None and not known.all():
            needed = np.abs(found) if size is None else size
            wrong |= there & ~known & (needed + apart <= room(dtype))
        return there & known & ((found == kept) | ((off <= apart) & np.isfinite(apart))), wrong


def graded(off: float, right: float, wrong: float) -> bool | None:
    """Whether two numbers are the same that are so far apart: yes up to the one limit, no beyond the other."""
    return True if off <= right else False if off > wrong else None


def same_statistics(one: tuple[float, float], other: tuple[float, float], count: int, dtype: str | None = None) -> bool:
    """Whether mean and norm of so many elements may be those of the same numbers, added up in another order, and
    rounded in a dtype if one is given. The mean is as exact as an element, and may be far smaller.
    """
    share, element = max(OF_STATISTICS, rounding_share(dtype)), one[1] / math.sqrt(max(count, 1))
    return bool(
        np.allclose(one[0], other[0], rtol=0, atol=share * element, equal_nan=True)
        and np.allclose(one[1], other[1], rtol=share, atol=0, equal_nan=True)
    )


def slope_fits(
    off: float, doubt: float, spread: float, size: float, *, shifted: float = 0.0, sides: float = 0.0
) -> bool | None:
    """Whether a derivative of this size is the slope that differences give: so far apart, the differences doubtful by
    so much, and the derivative carried so far by rounding, after rounded values have shifted what flows by so much.

    ``sides`` is how far the slopes on both sides are apart: at a corner, either may be the derivative.
    """
    told = graded(off, 10 * doubt + 2 * spread, 10 * doubt + 5 * spread + sides)
    sure = doubt < SURE_SLOPE * max(size, FLAT) and shifted < SHIFTED * size
    return told if told is not False or sure else None


def slopes_differ(one: float, other: float, size: float) -> bool:
    """Whether the slopes on both sides of a place are not the same, among derivatives of this size."""
    return abs(one - other) > ROUGHLY * max(size, FLAT)


def slopes_settle(long: tuple[float, float], short: tuple[float, float], noise: float, off: float) -> bool:
    """Whether the slopes on both sides come closer to each other as the step gets shorter, and stay where they are,
    but for so much noise, which has to be less than what they are to show.
    """
    (left, right), (before, after) = long, short
    bend, moved = abs(right - left), abs((before + after) - (left + right)) / 2
    stays = moved <= STAYS * abs(left + right) + bend + 10 * noise
    return 10 * noise < off and stays and abs(after - before) <= bend / 2 + 10 * noise


def grossly(share: float) -> float:
    """How many times as far off as rounding by this share something is certainly wrong."""
    return max(min(GROSSLY, 1 / 2 / share), 1.0)


def all_told(*verdicts: bool | None) -> bool | None:
    """No if one of them is, else not to be told if one is not, else yes."""
    return False if False in verdicts else None if None in verdicts else True


def is_near(product: float, leaving: float, dtype: str) -> bool:
    """Whether a local derivative times a gradient is what flowed on, where all are single numbers; what it denies,
    `reproduces` may still see to be true.
    """
    return abs(product - leaving) <= rounding_share(dtype, OF_A_DERIVATIVE) * abs(product)


def sums_up(
    total: Any, parts: Sequence[Any], dtype: str | None, additions: int, *, least: float = LEAST, hidden: float | None
) -> bool | None:
    """Whether a gradient is the sum of its parts; ``hidden`` is how large numbers may have been that cancelled
    inside of a part, None where every part is what torch itself added.
    """
    if any(part.shape != total.shape for part in parts):
        return False
    with np.errstate(all="ignore"):
        if np.array_equal(sum(parts[1:], start=parts[0]), total) and np.isfinite(total).all():
            return True  # nearly always, and the quicker question
        there, stacked = full_precision(total), full_precision(parts)
        if hidden is None and (np.isfinite(there) & ~np.isfinite(stacked).all(axis=0)).any():
            return False  # what is not finite stays so, whatever is added
        size = np.sum(np.abs(stacked), axis=0) + (hidden or 0.0)
        apart = np.maximum(allowed(dtype, additions, size), least * size)
        return equal(np.sum(stacked, axis=0), there, apart, dtype, size)


def means_add_up(total: Snapshot, parts: Sequence[Snapshot]) -> bool:
    """Whether a large gradient may be the sum of others, as far as statistics tell: by its mean and the sum of its
    elements by place, and where it is of one alone, by its norm and its extremes; True where they do not tell.
    """
    held = [part.stats for part in (total, *parts)]
    if any(stats is None or stats.nonfinite for stats in held):
        return True
    whole, *each = [stats for stats in held if stats is not None]
    roundings = len(parts) + math.log2(max(total.numel, 2))  # torch adds up large tensors in pairs
    share = rounding_share(total.dtype, roundings)
    # no element is larger than the norm, and their mean not than that divided by the root of how many they are
    size = sum(stats.norm for stats in each) / math.sqrt(total.numel)
    apart = share * size + smallest(total.dtype, roundings)
    if abs(whole.mean - sum(stats.mean for stats in each)) > apart:
        return False
    by_place = [stats.weighted for stats in each if stats.weighted is not None]
    told = whole.weighted is not None and len(by_place) == len(each)
    # weights that know nothing of what is rounded where add roundings up like steps in any direction
    if told and abs((whole.weighted or 0.0) - sum(by_place)) > 10 * math.sqrt(total.numel) * apart:
        return False
    if len(each) > 1:
        return whole.norm <= sum(stats.norm for stats in each) * (1 + share) + smallest(total.dtype, roundings)
    one, near = each[0], share * each[0].norm + smallest(total.dtype, roundings)
    return all(abs(a - b) <= near for a, b in ((one.norm, whole.norm), (one.min, whole.min), (one.max, whole.max)))


def reproduces(local: Any, arrived: Any, grad: Any, dtype: str | None, operations: int = 1) -> bool | None:
    """Whether a local derivative times the gradient that arrived is the one that flowed on; it is not, where they do
    not go together.
    """
    local, arrived, there = map(full_precision, (local, arrived, grad))
    with np.errstate(all="ignore"):
        if not go_together(local, arrived):
            return False
        products = local * arrived
        found = summed_to(products, there.shape)
        if found is None:
            return False
        # of a derivative below the normal numbers, and of a product
        lost = smallest(dtype) * (1 + np.abs(arrived))
        roundings = roundings_along(operations, products.size / max(there.size, 1))
        size = summed_to(np.abs(products), grad.shape)
        return equal(
            found,
            there,
            rounding_share(dtype, roundings) * size + summed_to(np.broadcast_to(lost, products.shape), grad.shape),
            dtype,
            size,
        )


def makes_gradient(total: Any, gradient: Any, doubt: Any, dtype: str | None) -> bool | None:
    """Whether a sum over paths is a gradient, which rounding along them may carry so far from it.

    It is, where the two are plainly near to each other; else it is left open where rounding may be larger than the
    gradient itself, and hide anything.
    """
    with np.errstate(all="ignore"):
        off, sizes = np.abs(total - gradient), np.abs(gradient)
        largest = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
        near = min(rounding_share(dtype, FEW), NEARLY) * largest
        hides = np.isnan(doubt) | ((doubt > largest) & (off <= doubt))
        return equal(total, gradient, np.where(off <= near, near, np.where(hides, np.inf, doubt)))


def is_what_came(
    found: Any, size: Any, grad: Any, dtype: str | None, roundings: float, hidden: float = 0.0
) -> bool | None:
    """Whether what derivatives make of a gradient is the one that flowed on; ``size`` is what they would make of it if
    nothing cancelled, and ``hidden`` how large numbers were that cancelled on the way.
    """
    with np.errstate(all="ignore"):
        apart = rounding_share(dtype, roundings) * (np.asarray(size) + hidden) + smallest(dtype, roundings)
        return equal(found, np.asarray(grad, found.dtype), apart, dtype, np.asarray(size))


def roundings_along(operations: int, copies: float) -> float:
    """The roundings along an edge into so many operations, which is summed over so many copies of an operand."""
    return OF_A_DERIVATIVE * max(operations, 1) + math.log2(max(copies, 1))


def go_together(*arrays: Any) -> bool:
    """Whether arrays can be broadcast to one shape."""
    try:
        np.broadcast_shapes(*map(np.shape, arrays))
    except ValueError:
        return False
    return True


def summed_to(array: Any, shape: tuple[int, ...]) -> Any:
    """The array summed over the dimensions along which `shape` was broadcast to it; None if it was not."""
    extra = array.ndim - len(shape)
    if extra < 0 or any(want not in (1, have) for have, want in zip(array.shape[extra:], shape, strict=True)):
        return None
    narrow = tuple(i for i, (have, want) in enumerate(zip(array.shape[extra:], shape, strict=True)) if have != want)
    with np.errstate(all="ignore"):
        whole = array.sum(axis=tuple(range(extra))) if extra else array
        return np.asarray(whole.sum(axis=narrow, keepdims=True) if narrow else whole)


def as_came(found: Any, shape: tuple[int, ...]) -> Any:
    """What a formula gives, summed over the copies of a broadcast operand, or copied to all elements that went into
    one; None where it is neither.
    """
    if found is None or found.shape == shape:
        return found
    if found.size == 1:
        return np.broadcast_to(found.reshape(()), shape)
    return summed_to(found, shape)


def coarsest(dtypes: Iterable[str | None]) -> str:
    """The dtype that rounds most; of the two halves, both, where both are there."""
    known = [dtype or "" for dtype in dtypes]
    found = max(known, key=unit, default="")
    shorter, both = SHORTER.get(found, (found, found))
    return both if shorter in known or both in known else found


def dtype_around(graph: Graph, node: Node) -> str:
    """The dtype that rounds most of the result of an operation and of what it read: torch computes with each in its
    own.
    """
    return coarsest(
        port.dtype
        for port in (node.ports[0], *(graph.nodes[edge.tail].ports[edge.port] for edge in graph.in_edges(node.key)))
    )


IN_ANY_DIRECTION = 10  # times as far as one step, so many small ones are together at the utmost
RUNS_APART = 2  # roundings that a result is off for each root of a step on the way to it, in another run of the same


def tolerance_between_runs(dtypes: Iterable[str | None], depth: int) -> float:
    """How far a result may be off in another run of the same computation, as a part of its size, where rounding alone
    tells them apart: in the coarsest of these dtypes, so many steps from what both began with.
    """
    return rounding_share(coarsest(dtypes), RUNS_APART * math.sqrt(1 + depth))


def runs_agree(one: Snapshot, other: Snapshot, tolerance: float, floor: float = 0.0) -> bool | None:
    """Whether a result is the same in two runs: no further apart than that part of its size, or of ``floor``, the size
    of what was added up to it; None where nothing tells. Of large ones, only statistics are compared.
    """
    if one.shape != other.shape:
        return False
    if one.nonfinite is not None and other.nonfinite is not None and bool(one.nonfinite) != bool(other.nonfinite):
        return False
    if one.array is not None and other.array is not None:
        return _arrays_agree(one.array, other.array, tolerance, floor)
    if one.norm is None or other.norm is None or not math.isfinite(one.norm) or not math.isfinite(other.norm):
        return None
    size = max(one.norm, other.norm, floor * math.sqrt(max(one.numel, 1)))
    apart = max(abs(one.norm - other.norm), abs((one.mean or 0) - (other.mean or 0)) * math.sqrt(max(one.numel, 1)))
    share = tolerance + OF_STATISTICS * unit(coarsest((one.dtype, other.dtype))) / unit("float32")
    places = [
        snap.stats.weighted for snap in (one, other) if snap.stats is not None and snap.stats.weighted is not None
    ]
    # weights of places add differences up like steps in any direction; they are no larger than 2
    if len(places) == 2 and abs(places[0] - places[1]) > IN_ANY_DIRECTION * share * size:
        return False
    return apart <= share * size


def _arrays_agree(one: Any, other: Any, tolerance: float, floor: float) -> bool:
    with np.errstate(all="ignore"):
        a, b = full_precision(one).reshape(-1), full_precision(other).reshape(-1)
        both = np.isfinite(a) & np.isfinite(b)
        if not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return False
        a, b = a[both], b[both]
        size = math.sqrt(float(np.mean(np.abs(a) ** 2))) if a.size else 0.0
        apart = math.sqrt(float(np.mean(np.abs(a - b) ** 2))) if a.size else 0.0
        return apart <= tolerance * max(size, floor)
