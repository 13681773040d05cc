"""Graph + a quantity -> the fill of each box, darker for more, by powers of ten, and what that means in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from graphviz_ad._internal.base.errors import OptionError, UnknownNameError
from graphviz_ad._internal.graph.alarms import alarms
from graphviz_ad._internal.graph.anomalies import is_born
from graphviz_ad._internal.graph.graph import Graph, Node, readable_bytes
from graphviz_ad._internal.graph.ragged import numel_of_shape
from graphviz_ad._internal.maths.number_format import short_number
from graphviz_ad._internal.scene.scene import Ramp, Scene
from graphviz_ad._internal.scene.words.short_text import short_count

STEPS = ("shade.p1", "shade.p2", "shade.p3")  # one hue for every kind of sight, and letters can be read on them
BORN, PASSED_ON, MEANT, NOTHING = "shade.n3", "shade.n1", "shade.0", "data"
Quantity = Callable[[Node], float | None]


def gradient_of(node: Node) -> float | None:
    """The norm of the gradients of its parameters, else of its results; None where it has none."""
    if node.parameter_norm is not None:
        return node.parameter_norm
    norms = [port.grad.norm for port in node.ports if port.grad is not None and port.grad.norm is not None]
    return math.hypot(*norms) if norms else None


def value_of(node: Node) -> float | None:
    """The norm of its results."""
    norms = [port.value.norm for port in node.ports if port.value is not None and port.value.norm is not None]
    return math.hypot(*norms) if norms else None


def saved_by(node: Node) -> float | None:
    """How many bytes it keeps for the backward pass, where that is known."""
    return node.saved_bytes


def parameters_of(node: Node) -> float | None:
    """How many numbers it learns."""
    if node.kind == "leaf" and node.ports[0].shape is not None:
        return numel_of_shape(node.ports[0].shape)
    return node.parameters or None


# name -> how much of it a node has, what it is in words, and how it is written
QUANTITIES: Mapping[str, tuple[Quantity, str, Callable[[float], str]]] = {
    "gradient": (gradient_of, "norm of the gradient", short_number),
    "value": (value_of, "norm of the value", short_number),
    "saved": (saved_by, "bytes kept for the backward pass", lambda count: readable_bytes(int(count))),
    "parameters": (parameters_of, "number of parameters", lambda count: short_count(int(count))),
}


@dataclass(frozen=True)
class Amounts:
    """How much of something each box has, by its key, and what that is in words."""

    of: Mapping[str, float | None]
    words: str


def with_overlay(scene: Scene, graph: Graph, overlay: str | Mapping[str, float] | Amounts | None) -> Scene:
    """The scene with each box filled by how much it has of a quantity, and a legend that says what the fills mean."""
    if overlay is None:
        return scene
    told = overlay.of if isinstance(overlay, Amounts) else None
    quantity, words, written = chosen(graph, overlay)
    amounts = {node.key: quantity(node) for node in graph.node_list}
    known = [size for amount in amounts.values() if amount is not None and 0 < (size := abs(amount)) < math.inf]
    wrong = {key: not_finite(amount) for key, amount in amounts.items()}
    if told is None:
        wrong = {node.key: wrong_fill(graph, node) for node in graph.node_list}
    meanings = MEANINGS if told is None else OF_AMOUNTS
    low, high = (math.log10(min(known)), math.log10(max(known))) if known else (0.0, 0.0)
    tints = {
        key: wrong[key] or fill(amount, low, high) for key, amount in amounts.items() if told is None or key in told
    }
    boxes = tuple([replace(box, tint=tints.get(box.key, "")) for box in scene.boxes])
    ends = (written(min(known)), written(max(known))) if known else ("", "")
    ramp = Ramp(
        f"{words}, by powers of ten",
        (STEPS if low < high else STEPS[-1:]) if known else (),
        *(ends if low < high else (ends[0], "")),
        tuple([(role, meaning) for role, meaning in meanings.items() if any(box.tint == role for box in boxes)]),
    )
    return replace(scene, boxes=boxes, ramp=ramp, alt=f"{scene.alt} {ramp.said}".strip())


MEANINGS = {
    NOTHING: "none or 0",
    BORN: "NaN or ∞ came up here",
    PASSED_ON: "was passed on",
    MEANT: "−∞ that is meant, as in a mask",
}
OF_AMOUNTS = {NOTHING: "none or 0", BORN: "NaN or ∞"}


def not_finite(amount: float | None) -> str:
    """The fill of an amount that is no number; "" of one that is."""
    return BORN if amount is not None and not math.isfinite(amount) else ""


def chosen(graph: Graph, overlay: str | Mapping[str, float] | Amounts) -> tuple[Quantity, str, Callable[[float], str]]:
    """The quantity that was asked for."""
    if isinstance(overlay, Amounts):
        return lambda node: overlay.of.get(node.key), overlay.words, short_number
    if isinstance(overlay, str):
        if overlay not in QUANTITIES:
            raise UnknownNameError("quantity", overlay, QUANTITIES, "Or give a mapping from names to numbers.")
        return QUANTITIES[overlay]
    known = {name for node in graph.node_list for name in names_of(node)}
    for name, amount in overlay.items():
        if name not in known:
            raise UnknownNameError("box", name, known)
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise OptionError(f"overlay[{name!r}] is no number; give how much of it that box has")
    return (
        lambda node: next((float(overlay[name]) for name in names_of(node) if name in overlay), None),
        "what was given",
        short_number,
    )


def names_of(node: Node) -> list[str]:
    """The names by which a box can be meant."""
    return [name for name in (node.name, node.op if node.kind == "module" else None, node.key) if name is not None]


def wrong_fill(graph: Graph, node: Node) -> str:
    """The fill of what is not finite; "" where all is, or where −∞ is meant, as in a mask."""
    if not alarms(graph, node):
        return ""
    return BORN if is_born(graph, node) else PASSED_ON


def fill(amount: float | None, low: float, high: float) -> str:
    """The fill of an amount between two powers of ten."""
    if amount is None or amount == 0:
        return NOTHING
    if not math.isfinite(amount):
        return MEANT
    place = (math.log10(abs(amount)) - low) / (high - low) if high > low else 1.0
    return STEPS[min(int(place * len(STEPS)), len(STEPS) - 1)]
