"""The backward of a custom Function beside differences of its forward -> in what way it is wrong: twice the gradient,
the transpose, a missing sum.

Some elements of an input move, one after the other; what comes of that is what any gradient that arrives has to make
of it. Each kind of fault is a guess at what the backward makes of it instead, held against what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from graphviz_ad._internal.check.slopes import sizes_of, steps_for
from graphviz_ad._internal.graph.snapshot import Array
from graphviz_ad._internal.graph.target import AppliedFunction, Arrays

MOST_MOVED = 48  # elements of an input
GRADIENTS = 3  # that arrive, beside the one that did
NEAR = {"float64": 1e-5, "complex128": 1e-5, "float32": 5e-3, "complex64": 5e-3}  # of others, a part in twenty
SEED = 20

(
    NONE,
    ZERO,
    STALE,
    CONSTANT,
    IGNORES,
    SIGN,
    FACTOR,
    CONJUGATE,
    SWAPPED,
    TRANSPOSED,
    MISSING_SUM,
    OVERSUMMED,
    PART,
    OF_RESULT,
    ELEMENTWISE,
    OTHER,
) = (
    "None",
    "zero",
    "stale",
    "constant",
    "incoming gradient",
    "opposite sign",
    "factor",
    "conjugate",
    "swapped",
    "transposed",
    "missing sum",
    "sum too many",
    "part",
    "result for input",
    "factor by element",
    "other",
)
NEGATIVE, POSITIVE = "negative elements", "positive elements"


@dataclass(frozen=True)
class Fault:
    """What is wrong with the gradient for one input: its kind, and what belongs to that.

    ``factor`` is that of a factor, ``other`` the input that it was swapped with or that is transposed, ``where`` the
    elements that a part is ("negative elements", "3 of 12 elements"), and ``within`` the kind of fault there.
    """

    kind: str
    factor: float = 1.0
    other: str = ""
    where: str = ""
    within: str = ""


class Trial:
    """One input of a call, some elements of it moved: what is true, and what the backward claims."""

    def __init__(self, call: AppliedFunction, place: int) -> None:
        self.call, self.place = call, place
        self.values = list(call.values)
        self.at = self.values[place]
        random = np.random.default_rng(SEED)
        size = self.at.size
        self.moved = np.sort(random.permutation(size)[:MOST_MOVED]) if size > MOST_MOVED else np.arange(size)
        self.arriving = [call.arrived, *(_like(call.arrived, random) for _ in range(GRADIENTS))]
        self.near = NEAR.get(call.precision, 5e-2)

    @cached_property
    def responses(self) -> list[tuple[Arrays, ...]]:
        """How fast the results change with each moved element, and with its imaginary part."""
        return self._responses_at(self.values)

    def _responses_at(self, values: Sequence[Array]) -> list[tuple[Arrays, ...]]:
        step = steps_for(self.call.precision)[1]
        units = (1.0, 1j) if np.iscomplexobj(self.at) else (1.0,)
        return [
            tuple(self._difference(values, int(element), unit, step * size) for unit in units)
            for element, size in zip(self.moved, sizes_of(values[self.place]).ravel()[self.moved], strict=True)
        ]

    def _difference(self, values: Sequence[Array], element: int, unit: complex, step: float) -> Arrays:
        behind, ahead = (self.call.results(_moved(values, self.place, element, way * unit * step)) for way in (-1, 1))
        with np.errstate(all="ignore"):
            return tuple(
                None if fro is None or to is None else (to - fro) / (2 * step)
                for fro, to in zip(behind, ahead, strict=True)
            )

    def true(
        self, arriving: Sequence[Arrays] | None = None, responses: Sequence[tuple[Arrays, ...]] | None = None
    ) -> Array:
        """The gradients at the moved elements, a row for each that arrives."""
        rows = self.arriving if arriving is None else arriving
        found = self.responses if responses is None else responses
        return np.array([[_gradient(parts, row) for parts in found] for row in rows])

    @cached_property
    def whole_claims(self) -> list[Arrays]:
        """What the backward makes of each gradient that arrives, for every input."""
        return [self.call.gradients(self.values, row) for row in self.arriving]

    def claims(self, place: int | None = None, values: Sequence[Array] | None = None) -> Array:
        """The same at the moved elements, 0 for None; ``values``: if its inputs were these."""
        given = self.whole_claims if values is None else [self.call.gradients(values, row) for row in self.arriving]
        return np.array([self.picked(row[self.place if place is None else place]) for row in given])

    def picked(self, grad: Array | None) -> Array:
        """Of a gradient, the moved elements."""
        return np.zeros(len(self.moved)) if grad is None else grad.ravel()[self.moved]

    def same(self, claims: Array, true: Array) -> bool:
        """Whether the two are equal, as far as differences tell."""
        with np.errstate(all="ignore"):
            return bool(np.linalg.norm(claims - true) <= self.near * np.linalg.norm(true)) and bool(np.any(true))

    def pushed_forward(self) -> Array:
        """What arrives, taken through the derivative in the direction of the forward, where that fits; else 0."""
        arriving = [row[0] for row in self.arriving]
        columns = [parts[0][0] for parts in self.responses]
        size = self.at.size
        if len(self.call.arrived) > 1 or np.iscomplexobj(self.at) or len(columns) < size:
            return np.zeros((len(arriving), len(columns)))
        matrix = [column.ravel() for column in columns if column is not None and column.size == size]
        if len(matrix) < size or any(part is None or part.size != size for part in arriving):
            return np.zeros((len(arriving), len(columns)))
        return np.array([part.ravel() @ np.array(matrix) for part in arriving if part is not None])

    def result_in_place(self) -> list[Array] | None:
        """The inputs with the result in the place of this one; None where it does not fit there."""
        (result, *_) = self.call.results(self.values)
        if result is None or result.shape != self.at.shape or np.iscomplexobj(result) != np.iscomplexobj(self.at):
            return None
        return [*self.values[: self.place], result, *self.values[self.place + 1 :]]


def fault_of(call: AppliedFunction, place: int) -> Fault:
    """In what way what the backward sends to an input is wrong."""
    trial = Trial(call, place)
    if call.sent is not None and call.sent[place] is None:
        return Fault(NONE)
    claims, true = trial.claims(), trial.true()
    if call.sent is not None and not trial.same(trial.picked(call.sent[place]), true[0]) and trial.same(claims, true):
        return Fault(STALE)
    return next((fault for guess in GUESSES if (fault := guess(trial, claims, true)) is not None), Fault(OTHER))


# --- each guess: trial, claims, what is true -> Fault, or None


def is_zero(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """Nothing comes back, whatever arrives."""
    return None if np.any(claims) else Fault(ZERO)


def has_constant(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """Something comes back although nothing arrives."""
    nothing = trial.call.gradients(
        trial.values, tuple(None if part is None else 0 * part for part in trial.call.arrived)
    )
    added = trial.picked(nothing[trial.place])
    if not np.any(added):
        return None
    if trial.same(claims, np.broadcast_to(added, claims.shape)):
        return Fault(IGNORES)
    return Fault(CONSTANT) if trial.same(claims - added, true) else None


def is_multiple(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """All of it is so many times too large."""
    factor = multiple(trial, claims, true)
    if factor is None:
        return None
    return Fault(SIGN) if abs(factor + 1) <= trial.near else Fault(FACTOR, factor)


def multiple(trial: Trial, claims: Array, true: Array) -> float | None:
    """How many times one is the other; None where it is no multiple, or the same."""
    if not np.any(true):
        return None
    factor = float(np.vdot(true, claims).real / np.vdot(true, true).real)
    return factor if abs(factor - 1) > trial.near and factor and trial.same(claims / factor, true) else None


def is_conjugate(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """A conj() is missing, or too many: of the whole, or of another input in it."""
    if np.iscomplexobj(true) and trial.same(claims, true.conj()):
        return Fault(CONJUGATE)
    for other, values in enumerate(trial.values):
        if other != trial.place and np.iscomplexobj(values):
            given = [*trial.values[:other], values.conj(), *trial.values[other + 1 :]]
            if trial.same(trial.claims(values=given), true):
                return Fault(CONJUGATE, other=trial.call.inputs[other])
    return None


def is_of_another(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """It is the gradient of another input; or the gradients that arrive are taken for each other."""
    for other, values in enumerate(trial.values):
        if other != trial.place and values.shape == trial.at.shape and trial.same(trial.claims(other), true):
            return Fault(SWAPPED, other=trial.call.inputs[other])
    for one, two in combinations(range(len(trial.call.arrived)), 2):
        rows = [_exchanged(row, one, two) for row in trial.arriving]
        if all(row is not None for row in rows) and trial.same(claims, trial.true([row for row in rows if row])):
            return Fault(SWAPPED)
    return None


def is_transposed(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """It, what arrived, or another input stands in it the wrong way around."""
    for axes in exchanges(trial.at):
        whole = [row[trial.place] for row in trial.whole_claims]
        turned = [_turned(part, axes) for part in whole]
        if trial.same(np.array([trial.picked(part) for part in turned]), true):
            return Fault(TRANSPOSED)
    for number, part in enumerate(trial.call.arrived):
        for axes in exchanges(part):
            rows = [_replaced(row, number, _turned(row[number], axes)) for row in trial.arriving]
            if trial.same(claims, trial.true(rows)):
                return Fault(TRANSPOSED)
    for other, values in enumerate(trial.values):
        for axes in exchanges(values) if other != trial.place else ():
            given = [*trial.values[:other], np.swapaxes(values, *axes), *trial.values[other + 1 :]]
            if trial.same(trial.claims(values=given), true):
                return Fault(TRANSPOSED, other=trial.call.inputs[other])
    return Fault(TRANSPOSED) if trial.same(claims, trial.pushed_forward()) else None


def exchanges(array: Array | None) -> list[tuple[int, int]]:
    """The pairs of dimensions that can be exchanged without another shape."""
    shape = () if array is None else array.shape
    return [(i, k) for i, k in combinations(range(len(shape)), 2) if shape[i] == shape[k] > 1]


def lacks_sum(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """Of what arrives along a dimension, it takes one part only; or it adds up what belongs to different elements."""
    for number, part in enumerate(trial.call.arrived):
        for kept in slices_of(part):
            rows = [_replaced(row, number, _only(row[number], kept)) for row in trial.arriving]
            if trial.same(claims, trial.true(rows)):
                return Fault(MISSING_SUM)
    if len(trial.moved) < trial.at.size:
        return None
    whole = true.reshape(len(true), *trial.at.shape)
    for axes in sets_of_axes(trial.at):
        summed = np.broadcast_to(whole.sum(tuple(axis + 1 for axis in axes), keepdims=True), whole.shape)
        if trial.same(claims, summed.reshape(claims.shape)):
            return Fault(OVERSUMMED)
    return None


def slices_of(array: Array | None) -> Iterator[tuple[slice | int, ...]]:
    """The first and the last slices of an array along some of its dimensions."""
    for axes in sets_of_axes(array):
        for place in (0, -1):
            assert array is not None
            yield tuple(place if axis in axes else slice(None) for axis in range(array.ndim))


def sets_of_axes(array: Array | None) -> list[tuple[int, ...]]:
    """The sets of dimensions along which an array is more than 1 long."""
    axes = [] if array is None else [axis for axis, size in enumerate(array.shape) if size > 1][:3]
    return [found for count in range(1, len(axes) + 1) for found in combinations(axes, count)]


def is_right_elsewhere(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """Some elements are right."""
    with np.errstate(all="ignore"):
        sizes, off = np.linalg.norm(true, axis=0), np.linalg.norm(claims - true, axis=0)
    blurred = trial.near * sizes.max(initial=0.0)  # differences tell nothing of what is smaller
    right = off <= np.maximum(trial.near * sizes, blurred / 100)
    if not (right & (sizes > blurred)).any() or not (~right).any():
        return None
    at = np.real(trial.at).ravel()[trial.moved]
    wrong_claims, wrong_true = claims[:, ~right], true[:, ~right]
    factor = multiple(trial, wrong_claims, wrong_true)
    within = ZERO if not np.any(wrong_claims) else SIGN if factor is not None and abs(factor + 1) <= trial.near else ""
    where = f"{int((~right).sum())} of {len(at)} elements"
    for name, those in ((NEGATIVE, at < 0), (POSITIVE, at > 0)):
        if np.array_equal(~right, those):
            where = name
    return Fault(PART, factor if factor is not None else 1.0, where=where, within=within or (FACTOR if factor else ""))


def is_of_result(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """It is what would be right if the input were the result: that was kept instead."""
    values = trial.result_in_place()
    if values is None:
        return None
    there = trial.true(responses=trial._responses_at(values))
    return Fault(OF_RESULT) if trial.same(claims, there) else None


def is_multiple_by_element(trial: Trial, claims: Array, true: Array) -> Fault | None:
    """Each element is off by a factor of its own, whatever arrives: a part of the chain rule is missing or too much."""
    with np.errstate(all="ignore"):
        factors = claims / true
    usable = np.isfinite(factors).all(axis=0) & (np.abs(true) > 1e-8 * np.abs(true).max(initial=0.0)).all(axis=0)
    if usable.sum() < 2:
        return None
    spread = np.abs(factors[:, usable] - factors[0, usable])
    return Fault(ELEMENTWISE) if bool(np.all(spread <= 10 * trial.near * np.abs(factors[0, usable]))) else None


GUESSES: tuple[Callable[[Trial, Array, Array], Fault | None], ...] = (
    is_zero,
    has_constant,
    is_multiple,
    is_conjugate,
    is_of_another,
    is_transposed,
    lacks_sum,
    is_right_elsewhere,
    is_of_result,
    is_multiple_by_element,
)


# --- arrays


def _like(arrays: Arrays, random: np.random.Generator) -> Arrays:
    def one(array: Array) -> Array:
        drawn = random.normal(size=array.shape)
        return drawn + 1j * random.normal(size=array.shape) if np.iscomplexobj(array) else drawn

    return tuple(None if array is None else np.asarray(one(array)) for array in arrays)


def _moved(values: Sequence[Array], place: int, element: int, by: complex) -> list[Array]:
    moved = values[place].copy()
    moved.reshape(-1)[element] += by if np.iscomplexobj(moved) else by.real
    return [*values[:place], moved, *values[place + 1 :]]


def _gradient(parts: tuple[Arrays, ...], arriving: Arrays) -> complex:
    """What arrives makes of it how the results respond to an element and to its imaginary part."""
    numbers = [
        sum(
            float(np.sum(np.conj(grad) * response).real)
            for response, grad in zip(responses, arriving, strict=False)
            if response is not None and grad is not None
        )
        for responses in parts
    ]
    return complex(*numbers) if len(numbers) > 1 else numbers[0]


def _replaced(arrays: Arrays, number: int, array: Array | None) -> Arrays:
    return (*arrays[:number], array, *arrays[number + 1 :])


def _turned(array: Array | None, axes: tuple[int, int]) -> Array | None:
    return None if array is None else np.swapaxes(array, *axes)


def _exchanged(arrays: Arrays, one: int, two: int) -> Arrays | None:
    first, second = arrays[one], arrays[two]
    if first is None or second is None or first.shape != second.shape:
        return None
    return _replaced(_replaced(arrays, one, second), two, first)


def _only(array: Array | None, kept: tuple[slice | int, ...]) -> Array | None:
    if array is None:
        return None
    found = np.zeros_like(array)
    found[kept] = array[kept]
    return found
