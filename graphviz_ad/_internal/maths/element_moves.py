"""Operations that move elements about, or add them up along a dimension -> the same done to a tangent, by their recorded settings.

These are linear: what they do to a tangent is what they do to a value. Softmax stands here too, since its settings say along which dimension it works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphviz_ad._internal.graph.arguments import Word
from graphviz_ad._internal.graph.snapshot import Array

Settings = Mapping[str, Any]
Shape = tuple[int, ...]


def moved(op: str, tangent: Array, shape: Shape, settings: Settings, out: Array | None = None) -> Array | None:
    """The tangent of the result, which has this shape, when the only operand has this tangent; None where the operation or a setting is not known.

    ``out`` is the value of the result, which softmax needs.
    """
    if op not in MOVES or any(isinstance(value, (str, Word)) for value in settings.values()):  # such as another dtype
        return None
    try:
        found = np.asarray(MOVES[op](tangent, {**settings, "shape": shape, "out": out}))
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return found if found.shape == shape else None


def joined(op: str, tangent: Array, slot: int, shapes: list[Shape], settings: Settings) -> Array | None:
    """The tangent of several operands joined, of which only one moves; None where the operation or a setting is not known."""
    return joined_values(op, [tangent if i == slot else np.zeros(shape) for i, shape in enumerate(shapes)], settings) if op in JOINS else None


def joined_values(op: str, parts: list[Array], settings: Settings) -> Array | None:
    """Several operands joined; None where that cannot be, as with the empty vectors that torch lets pass."""
    dim = settings.get("dim", 0)
    if op not in JOINS or type(dim) is not int:
        return None
    try:
        return JOINS[op](parts, axis=dim)
    except ValueError:
        return None


JOINS: Mapping[str, Callable[..., Array]] = {"cat": np.concatenate, "stack": np.stack}


def axes(given: Any) -> Any:
    """Dimensions as numpy wants them; all of them where none is given."""
    return tuple(given) if isinstance(given, tuple) and given else None if given in (None, ()) else given


def part(tangent: Array, settings: Settings) -> Array:
    """One slice, or a range of slices, along a dimension."""
    if "index" in settings:
        return np.asarray(np.take(tangent, settings["index"], axis=settings["dim"]))
    wanted: list[Any] = [slice(None)] * tangent.ndim
    wanted[settings["dim"]] = slice(settings.get("start"), settings.get("end"), settings.get("step"))
    return np.asarray(tangent[tuple(wanted)])


def softmax(tangent: Array, settings: Settings) -> Array:
    """out · (t − Σ out · t)."""
    out, axis = settings["out"], settings["dim"]
    found: Array = out * (tangent - np.sum(out * tangent, axis=axis, keepdims=True))
    return found


def log_softmax(tangent: Array, settings: Settings) -> Array:
    """t − Σ softmax · t."""
    found: Array = tangent - np.sum(np.exp(settings["out"]) * tangent, axis=settings["dim"], keepdims=True)
    return found


MOVES: Mapping[str, Callable[[Array, Settings], Any]] = {
    "sum": lambda t, s: np.sum(t, axis=axes(s.get("dim")), keepdims=s.get("keepdim", False)),
    "mean": lambda t, s: np.mean(t, axis=axes(s.get("dim")), keepdims=s.get("keepdim", False)),
    "cumsum": lambda t, s: np.cumsum(t, axis=s["dim"]),
    "flip": lambda t, s: np.flip(t, axis=axes(s["dims"])),
    "repeat": lambda t, s: np.tile(t, s["repeats"]),
    "t": lambda t, s: t.T,
    "transpose": lambda t, s: np.swapaxes(t, s["dim0"], s["dim1"]),
    "permute": lambda t, s: np.transpose(t, s["dims"]),
    **dict.fromkeys(("reshape", "view", "flatten", "squeeze", "unsqueeze"), lambda t, s: np.reshape(t, s["shape"])),
    **dict.fromkeys(("expand", "broadcast_to"), lambda t, s: np.broadcast_to(t, s["shape"])),
    **dict.fromkeys(("getitem", "select", "slice"), part),
    "softmax": softmax,
    "log_softmax": log_softmax,
}
