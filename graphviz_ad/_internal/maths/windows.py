"""A convolution or a pooling + its recorded arguments -> the window of the operand below each place of the result, the
products that a convolution adds up there, and the winner that a pooling takes.

Everything here is of recorded numbers: what they do not show to be true of this very call is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.graph import Graph, Node
from graphviz_ad._internal.graph.snapshot import Array, Snapshot
from graphviz_ad._internal.maths.agreement import consistent, rounding_share, smallest
from graphviz_ad._internal.maths.claims import Call, each, is_complex
from graphviz_ad._internal.operations.traits import ADAPTIVE_POOLS, CONVOLUTIONS, DIRECTIONS, MAX_POOLS

MOST_PLACES, MOST_PRODUCTS = 4096, 32_768  # of a result whose windows are gone through, and in all of them
FIRST_OF_A_TIE = frozenset({"cpu"})  # devices on which torch is known to take the first of the largest
SETTINGS = ("kernel_size", "stride", "padding", "dilation")

Place = tuple[int, ...]
Span = tuple[int | None, ...]


@dataclass(frozen=True)
class Windows:
    """For each dimension of space, and each place of the result along it: the places of the operand below its window;
    None where that is padding.
    """

    spans: tuple[tuple[Span, ...], ...]

    @property
    def shape(self) -> Place:
        """How many windows there are in each direction."""
        return tuple(map(len, self.spans))

    def below(self, place: Place) -> list[Place | None]:
        """The places of the operand below one window, in the order of a kernel; None for each that is padding."""
        sides = [spans[i] for spans, i in zip(self.spans, place, strict=True)]
        return [tuple([at for at in each if at is not None]) if None not in each else None for each in product(*sides)]

    def rows(self, place: Place) -> tuple[range, ...]:
        """From where to where one window reaches in each direction, as far as it is on the operand."""
        sides = [[at for at in spans[i] if at is not None] for spans, i in zip(self.spans, place, strict=True)]
        return tuple([range(side[0], side[-1] + 1) if side else range(0) for side in sides])

    @cached_property
    def are_apart(self) -> bool:
        """Whether no element lies below two of them."""
        return all(not {*one} & {*other} - {None} for spans in self.spans for one, other in pairwise(spans))


# --- where windows stand


def windows_of(call: Call) -> Windows | None:
    """The windows of a convolution or a pooling; None of any other operation, and where the arguments are not known."""
    count, out = directions_of(call), call.node.ports[0].shape
    if count < 1 or out is None or not call.shapes or min(len(call.shapes[0]), len(out)) <= count:
        return None
    before, after = call.shapes[0][-count:], out[-count:]
    if call.name in ADAPTIVE_POOLS:
        return Windows(tuple([adaptive_spans(n, m) for n, m in zip(before, after, strict=True)]))
    given = settings_in_space(call, count)
    if given is None:
        return None
    found = [
        spans_along(n, m, *numbers)
        for n, m, *numbers in zip(before, after, *(given[key] for key in SETTINGS), strict=True)
    ]
    return Windows(tuple([spans for spans in found if spans is not None])) if None not in found else None


def directions_of(call: Call) -> int:
    """In how many directions windows move; of a convolution its kernels say so, whatever it is called. 0 for none."""
    if call.name in CONVOLUTIONS:
        return len(call.shapes[1]) - 2 if len(call.shapes) > 1 else 0
    return DIRECTIONS.get(call.name, 0)


def settings_in_space(call: Call, count: int) -> Mapping[str, Place] | None:
    """Kernel, stride, padding and dilation in each direction; None where one is not known."""
    node = member_with_settings(call)
    known = dict(node.arguments) if node is not None else {}
    if call.name in CONVOLUTIONS:
        if CONVOLUTIONS[call.name] or known.get("transposed") is not False:
            return None
        kernel: Any = call.shapes[1][2:]
    else:
        kernel = known.get("kernel_size")
    given = {
        "kernel_size": kernel,
        "stride": known.get("stride") or kernel,
        "padding": known.get("padding", 0),
        "dilation": known.get("dilation", 1),
    }
    found = {key: in_each_direction(value, count) for key, value in given.items()}
    return {key: value for key, value in found.items() if value} if all(found.values()) else None


def member_with_settings(call: Call) -> Node | None:
    """The node whose arguments say how windows stand: that of the call, or the one part of it that has windows."""
    if len(call.node.autograd) < 2:
        return call.node
    parts = parts_of_call(call.graph, call.node)
    found = [part for part in parts if {key for key, _ in part.arguments} & {"kernel_size", "transposed"}]
    return found[0] if len(found) == 1 else None


def parts_of_call(graph: Graph, node: Node) -> list[Node]:
    """The operations that torch ran for one call of the program."""
    finer = graph.detail
    return [] if finer is None or node.call is None else [part for part in finer.node_list if part.call == node.call]


def in_each_direction(value: Any, count: int) -> Place:
    """A number for each direction of space; () where these are not plain numbers. Torch runs one dimension as two."""
    numbers = each(value)
    numbers = numbers * count if len(numbers) == 1 else numbers[-count:]
    return tuple(numbers) if len(numbers) == count and all(type(number) is int for number in numbers) else ()


def spans_along(n: int, m: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Span, ...] | None:
    """The windows along one direction, of an operand of n and a result of m places; None where that cannot be."""
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    if room < 0 or stride < 1 or m not in (room // stride + 1, -(-room // stride) + 1):
        return None
    starts = [i * stride - padding for i in range(m)]
    return tuple(
        [tuple([at if 0 <= (at := start + k * dilation) < n else None for k in range(kernel)]) for start in starts]
    )


def adaptive_spans(n: int, m: int) -> tuple[Span, ...]:
    """The windows along one direction of a pooling that is told how many there are to be."""
    return tuple([tuple(range(i * n // m, -(-(i + 1) * n // m))) for i in range(m)])


# --- the products of a convolution


@dataclass(frozen=True)
class Products:
    """One element of the result of a convolution: at ``place`` of the result, the sum of the products of what lies
    below the window, ``on`` the operand, with the weights ``of`` the kernel, and of the ``bias``.

    What is padding is left out.
    """

    place: Place
    on: tuple[Place, ...]
    of: tuple[Place, ...]
    factors: tuple[tuple[Any, Any], ...]
    bias: Any
    result: Any


def products_at(call: Call, windows: Windows, place: Place) -> Products | None:
    """What a convolution adds up for one element of its result; None where recorded numbers do not say so."""
    arrays = convolution_arrays(call)
    return summed_products(call, windows, place, arrays) if arrays is not None else None


def telling_products(call: Call, windows: Windows) -> Products | None:
    """Those of the place that says most: of most products that are not 0, then of the largest result; the first."""
    arrays = convolution_arrays(call)
    if arrays is None or arrays[-1].size * math.prod(arrays[1].shape[1:]) > MOST_PRODUCTS:
        return None
    x, weight, _, out = arrays

    def telling(place: Place) -> tuple[int, float]:
        on, of = windowed(x.shape, weight.shape, windows, place)
        return sum(bool(x[a]) and bool(weight[b]) for a, b in zip(on, of, strict=True)), round_size(out[place])

    best = max(np.ndindex(*out.shape), key=telling)
    return summed_products(call, windows, best, arrays)


def round_size(number: Any) -> float:
    """How large a number is, by its first digits: what differs by rounding alone is as large."""
    return float(f"{abs(float(number)):.6e}") if np.isfinite(number) else -1.0


def convolution_arrays(call: Call) -> tuple[Array, Array, Array | None, Array] | None:
    """Operand, weights, bias and result as arrays; None where not all of their elements are known and real."""
    if call.name not in CONVOLUTIONS or not 2 <= len(call.ports) <= 3 or is_complex(call):
        return None
    x, weight, *bias = [elements(port.value) for port in call.ports]
    out = elements(call.node.ports[0].value)
    if x is None or weight is None or out is None or any(each is None for each in bias):
        return None
    return (x, weight, bias[0] if bias else None, out) if x.ndim > 1 and weight.ndim > 2 and out.size else None


def elements(snap: Snapshot | None) -> Array | None:
    """The elements of a snapshot; None where they are not known."""
    return snap.array if snap is not None else None


def windowed(x: Place, weight: Place, windows: Windows, place: Place) -> tuple[list[Place], list[Place]]:
    """The places on the operand below a window of all channels of its group, and the places of their weights."""
    space = len(windows.spans)
    batch, kernel, at = place[: -space - 1], place[-space - 1], place[-space:]
    group = kernel * (x[-space - 1] // weight[1]) // weight[0]
    below = list(zip(windows.below(at), np.ndindex(*weight[2:]), strict=True))
    pairs = [
        ((*batch, group * weight[1] + channel, *on), (kernel, channel, *of))
        for channel in range(weight[1])
        for on, of in below
        if on is not None
    ]
    return [on for on, _ in pairs], [of for _, of in pairs]


def summed_products(
    call: Call, windows: Windows, place: Place, arrays: tuple[Array, Array, Array | None, Array]
) -> Products | None:
    """The products at a place, where their sum is what was recorded there."""
    x, weight, bias, out = arrays
    on, of = windowed(x.shape, weight.shape, windows, place)
    factors = tuple([(x[a].item(), weight[b].item()) for a, b in zip(on, of, strict=True)])
    added = bias[place[-len(windows.spans) - 1]].item() if bias is not None else None
    with np.errstate(all="ignore"):
        terms = [a * b for a, b in factors] + ([added] if added is not None else [])
        total, size = np.asarray(float(sum(terms))), sum(map(abs, terms))
    dtype, count = call.node.ports[0].dtype, max(len(terms), 1)
    apart = rounding_share(dtype, count) * size + smallest(dtype, count)
    if not consistent(total, np.asarray(float(out[place])), apart, dtype, np.asarray(size)):
        return None
    return Products(place, tuple(on), tuple(of), factors, added, out[place].item())


# --- the winners of a pooling


def winners_of(call: Call, windows: Windows) -> Array | None:
    """For each element of the result of a max-pooling, the place on the plane of the operand that it came from, as
    torch counts them; None where recorded numbers leave it open.
    """
    if call.name not in MAX_POOLS or len(call.operands) != 1 or is_complex(call):
        return None
    x, out = elements(call.ports[0].value), elements(call.node.ports[0].value)
    if x is None or out is None or not 0 < out.size <= MOST_PLACES or x.dtype.kind not in "fiu":
        return None
    if out.shape != (*x.shape[: -len(windows.spans)], *windows.shape) or np.isnan(x).any():
        return None
    found, tied = np.zeros(out.shape, np.int64), []
    for place in np.ndindex(*out.shape):
        largest = largest_below(x, windows, place)
        if not largest or x[largest[0]] != out[place]:
            return None
        found[place] = plane_place(x.shape, largest[0], len(windows.spans))
        tied += [place] if len(largest) > 1 else []
    return found if are_settled(call, found, tied, len(windows.spans)) else None


def largest_below(x: Array, windows: Windows, place: Place) -> list[Place]:
    """The places of the largest elements below a window."""
    space = len(windows.spans)
    below = [(*place[:-space], *at) for at in windows.below(place[-space:]) if at is not None]
    most = max((x[at] for at in below), default=None)
    return [at for at in below if x[at] == most]


def plane_place(shape: Place, place: Place, space: int) -> int:
    """A place of an operand as one number, counted on its plane."""
    return int(np.ravel_multi_index(place[-space:], shape[-space:]))


def are_settled(call: Call, winners: Array, tied: Sequence[Place], space: int) -> bool:
    """Whether these are the winners although some are not alone: the gradient that flowed back must not deny it, and
    shows it where it is not 0; elsewhere the device must be one of which it is known.
    """
    edge, grad = call.operands[0], elements(call.node.ports[0].grad)
    sent = elements(edge.grad) if edge.cut is None else None
    known = (call.node.ports[0].device or "").split(":")[0] in FIRST_OF_A_TIE
    if not tied or grad is None or sent is None or grad.shape != winners.shape:
        return known or not tied
    share = rounding_share(call.node.ports[0].dtype, 4) * float(np.sum(np.abs(grad)))
    if not consistent(sent_to_winners(winners, grad, sent.shape, space), sent.astype(np.float64), share):
        return False
    return known or all(grad[place] != 0 for place in tied)


def sent_to_winners(winners: Array, grad: Array, shape: Place, space: int) -> Array:
    """What comes back to the operand of a max-pooling: to each winner the gradients of all windows that it won."""
    planes = np.zeros((*shape[:-space], math.prod(shape[-space:])))
    for place in np.ndindex(*winners.shape):
        planes[(*place[:-space], winners[place])] += grad[place]
    return planes.reshape(shape)
