"""Autograd node -> what it keeps for the backward pass: names and bytes, read without unpacking anything.

``grad_fn._saved_x`` would run the unpack hooks of the user, which recompute a checkpoint or read a file. ``grad_fn._raw_saved_x`` does not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

PREFIX = "_raw_saved_"
OWN = {f"{PREFIX}tensors": "saved_tensors"}  # what a custom Function saves has numbers, not names
SMALL = 256  # elements; below, an address is quicker to ask for than a storage

_known: dict[type, tuple[tuple[str, str], ...]] = {}  # kind of node -> its attributes, and what they are called


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
        return Saved(name, None, None)
    storage = storage_of(held)
    return Saved(name, None if storage is None else held.numel() * held.element_size(), storage)


def storage_of(tensor: Tensor) -> int | None:
    """Which memory a tensor lies in; None for a tensor that has none of its own, such as a sparse one."""
    try:
        has_address = tensor.numel() <= SMALL and type(tensor) is Tensor
        return tensor.data_ptr() if has_address else int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return None


def _attributes(kind: type) -> tuple[tuple[str, str], ...]:
    known = _known.get(kind)
    if known is None:
        names = [name for name in sorted(dir(kind)) if name.startswith(PREFIX)]
        known = _known[kind] = tuple((name, OWN.get(name, name.removeprefix(PREFIX))) for name in names)
    return known
