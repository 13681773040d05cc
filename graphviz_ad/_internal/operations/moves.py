"""MOVES, JOINS, PARTS: what operations that move elements about, or add them up along a dimension, do to an array,
by their recorded settings.

Softmax stands here too, since its settings say along which dimension it works: there, what it does to a tangent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from graphviz_ad._internal.operations.rules import SHAPES
from graphviz_ad._internal.operations.traits import COPIED_TO_FIT, IN_ORDER

Array = npt.NDArray[Any]
Settings = Mapping[str, Any]


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
    "tril": lambda t, s: np.tril(t, s.get("diagonal", 0)),
    "triu": lambda t, s: np.triu(t, s.get("diagonal", 0)),
    "flip": lambda t, s: np.flip(t, axis=axes(s["dims"])),
    "repeat": lambda t, s: np.tile(t, s["repeats"]),
    "t": lambda t, s: t.T,
    "transpose": lambda t, s: np.swapaxes(t, s["dim0"], s["dim1"]),
    "permute": lambda t, s: np.transpose(t, s["dims"]),
    **dict.fromkeys(sorted(IN_ORDER & SHAPES.keys()), lambda t, s: np.reshape(t, s["shape"])),
    **dict.fromkeys(sorted(COPIED_TO_FIT), lambda t, s: np.broadcast_to(t, s["shape"])),
    **dict.fromkeys(("getitem", "select", "slice"), part),
    "softmax": softmax,
    "log_softmax": log_softmax,
}
JOINS: Mapping[str, Callable[..., Array]] = {"cat": np.concatenate, "stack": np.stack}
PARTS: Mapping[str, Callable[[Array], Array]] = {  # of complex numbers
    "real": np.real, "imag": np.imag, "conj": np.conj, "conj_physical": np.conj, "resolve_conj": np.asarray,
    "resolve_neg": np.asarray, "view_as_real": lambda z: np.stack([np.real(z), np.imag(z)], -1),
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
}  # fmt: skip
