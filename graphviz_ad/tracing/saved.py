"""Autograd node -> what it keeps for the backward pass: names and bytes, read without unpacking anything.

``grad_fn._saved_x`` would run the unpack hooks of the user, which recompute a checkpoint or read a file. ``grad_fn._raw_saved_x`` does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor

PREFIX = "_raw_saved_"
OWN = {f"{PREFIX}tensors": "saved_tensors"}  # what a custom Function saves has numbers, not names

_known: dict[type, tuple[tuple[str, str], ...]] = {}  # kind of node -> its attributes, and what they are called


class Saved(NamedTuple):
    """A tensor that a node keeps: how many ``bytes`` its elements take, and in which memory, of how many bytes in ``whole``, they lie.

    All three are None where only the user's own hooks know, or where a tensor has no memory of its own.
    """

    name: str
    bytes: int | None = None
    storage: int | None = None
    whole: int | None = None


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
    for attribute, name in attributes:
        try:
            raw = getattr(node, attribute)
            for n, part in enumerate(raw) if isinstance(raw, tuple) else ((None, raw),):
                has_hook = part.unpack_hook is not None
                hooked = hooked or has_hook
                held = part.data
                if held is not None:
                    found.append(_saved(name if n is None else f"{name}[{n}]", held, has_hook))
        except (RuntimeError, AttributeError):  # freed already, or changed in place since
            continue
    return Keeps(tuple(found), hooked) if found else NOTHING


def _saved(name: str, held: Any, hooked: bool) -> Saved:
    if hooked or not isinstance(held, Tensor):
        return Saved(name)
    try:
        memory = held.untyped_storage()
        whole = int(memory.nbytes())
        return Saved(name, min(held.numel() * held.element_size(), whole), memory._cdata, whole)  # less than its elements where these were only expanded
    except (RuntimeError, NotImplementedError):
        return Saved(name)


def storage_of(tensor: Tensor) -> int | None:
    """Which memory a tensor lies in; None for a tensor that has none of its own, such as a sparse one."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return None


def kept_memory(keeps: Iterable[Keeps], leaves: Iterable[Tensor]) -> tuple[int, bool]:
    """How many bytes nodes keep alive besides leaves, each piece of memory counted once and whole; and whether that is all."""
    own = {storage_of(leaf) for leaf in leaves}
    tensors = [tensor for kept in keeps for tensor in kept.tensors]
    saved = {tensor.storage: tensor.whole or 0 for tensor in tensors if tensor.storage not in own}
    return sum(saved.values()), all(tensor.bytes is not None for tensor in tensors)


def _attributes(kind: type) -> tuple[tuple[str, str], ...]:
    known = _known.get(kind)
    if known is None:
        names = [name for name in sorted(dir(kind)) if name.startswith(PREFIX)]
        known = _known[kind] = tuple((name, OWN.get(name, name.removeprefix(PREFIX))) for name in names)
    return known
