"""Autograd node -> what it keeps for the backward pass: names and bytes, read without unpacking anything.

``grad_fn._saved_x`` would run the unpack hooks of the user, which recompute a checkpoint or read a file. ``grad_fn._raw_saved_x`` does not.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, NamedTuple

from torch import Tensor

PREFIX = "_raw_saved_"
OWN = "tensors"  # what a custom Function saves has numbers, not names


class Saved(NamedTuple):
    """A tensor that a node keeps; ``bytes`` and ``storage`` (which memory) are None where only the user's own hooks know them."""

    name: str
    bytes: int | None
    storage: int | None


class Keeps(NamedTuple):
    """What one node keeps, and whether hooks of the user stand before it."""

    tensors: tuple[Saved, ...]
    hooked: bool


NOTHING = Keeps((), False)


def kept_by(node: Any) -> Keeps:
    """What a node keeps for the backward pass now; nothing once it has been freed, or where torch does not tell."""
    attributes = _attributes(type(node))
    if not attributes:
        return NOTHING
    found: list[Saved] = []
    hooked = False
    for attribute in attributes:
        try:
            raw = getattr(node, attribute)
            parts = raw if isinstance(raw, tuple) else (raw,)
            name = attribute.removeprefix(PREFIX)
            for n, part in enumerate(parts):
                has_hook = part.unpack_hook is not None
                hooked = hooked or has_hook
                saved = _saved(f"saved_tensors[{n}]" if name == OWN else name if parts is not raw else f"{name}[{n}]", part.data, has_hook)
                found += [] if saved is None else [saved]
        except (RuntimeError, AttributeError):  # freed already, or changed in place since
            continue
    return Keeps(tuple(found), hooked)


def _saved(name: str, held: Any, hooked: bool) -> Saved | None:
    if held is None:
        return None
    if hooked or not isinstance(held, Tensor):
        return Saved(name, None, None)
    storage = storage_of(held)
    return Saved(name, None if storage is None else held.numel() * held.element_size(), storage)


def storage_of(tensor: Tensor) -> int | None:
    """Which memory a tensor lies in; None for a tensor that has none of its own, such as a sparse one."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return None


@cache
def _attributes(kind: Hashable) -> tuple[str, ...]:
    return tuple(name for name in sorted(dir(kind)) if name.startswith(PREFIX))
