"""Autograd node -> what it keeps for the backward pass: names and bytes, read without running a hook of the user.

``grad_fn._saved_x`` would run the unpack hooks of the user, which recompute a checkpoint or read a file.
``grad_fn._raw_saved_x`` does not. Some versions of torch tell of that neither what it is nor whether a hook stands
before it: there `Tape.is_packed` says where none does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from graphviz_ad._internal.tracing.tape.torch_private import (
    PACKED,
    RAW_SAVED,
    TELLS_HOOKS,
    UNPACKS,
    hidden_from_modes,
    is_wrapper,
    memory_and_bytes,
    memory_of_tensor,
    reruns_noted_behind,
    tells_what_is_saved,
)

OF_FUNCTIONS = torch.autograd.function.BackwardCFunction  # what nodes of custom Functions are
OWN = {f"{RAW_SAVED}tensors": "saved_tensors"}  # what a custom Function saves has numbers, not names
Attributes = tuple[tuple[str, str], ...] | None
NOT_MET: Attributes = (("", ""),)
FREED = "already been freed"  # so torch says of what a node does not keep any more

# kind of node -> its attributes, and what they are called; of torch's own kinds, which never go, in a plain dictionary,
# and of those that go with a program
_known: dict[type, Attributes] = {}
_known_for_now: MutableMapping[type, Attributes] = WeakKeyDictionary()


class Saved(NamedTuple):
    """A tensor that a node keeps: how many ``bytes`` its elements take, and in which memory, of how many bytes in
    ``whole``, they lie.

    All three are None where only the user's own hooks know, or where a tensor has no memory of its own.
    ``is_wrapped`` says that it is of a subclass that stands for other tensors.
    """

    name: str
    bytes: int | None = None
    storage: int | None = None
    whole: int | None = None
    is_wrapped: bool = False


class Keeps(NamedTuple):
    """What one node keeps, and whether hooks of the user stand before it; None: it keeps something, and nobody says."""

    tensors: tuple[Saved, ...]
    hooked: bool | None

    @property
    def bytes(self) -> int | None:
        """How many bytes the elements take of all that the node keeps; None where a part is not known."""
        if len(self.tensors) == 1:  # the usual case
            return self.tensors[0].bytes
        sizes = [tensor.bytes for tensor in self.tensors if tensor.bytes is not None]
        return sum(sizes) if len(sizes) == len(self.tensors) and (sizes or self.hooked is False) else None

    @property
    def can_be_asked(self) -> bool:
        """Whether the node computes with tensors of torch's own alone, and runs nothing of the user's."""
        tensors = self.tensors
        if len(tensors) == 1:  # the usual case
            return self.hooked is False and not tensors[0].is_wrapped
        return self.hooked is False and not any(tensor.is_wrapped for tensor in tensors)


NOTHING = Keeps((), False)
UNKNOWN = Keeps((), None)  # it keeps something that torch gives only unpacked
PACKED_AWAY = Keeps((), True)  # the same, and hooks of the user stand before it


def kept_by(node: Any, packed: bool | None = None) -> Keeps:
    """What a node keeps for the backward pass now; nothing once it has been freed, UNKNOWN where torch does not tell.

    ``packed`` says whether hooks of the user stand before it, as far as a tape has seen; it counts only where torch
    does not say so itself.
    """
    attributes = _known.get(type(node), NOT_MET)
    if attributes is NOT_MET:
        attributes = _attributes(type(node))
    if not attributes:
        return NOTHING if attributes is not None else UNKNOWN
    if not TELLS_HOOKS:
        return PACKED_AWAY if packed else _unpacked(node, attributes) if packed is False and UNPACKS else UNKNOWN
    found: list[Saved] = []
    hooked = False
    for attribute, name in attributes:
        try:
            raw = getattr(node, attribute)
            if isinstance(raw, tuple):
                for n, part in enumerate(raw):
                    hooked |= _note(f"{name}[{n}]", part, found)
            else:
                hooked |= _note(name, raw, found)
        except RuntimeError as error:
            if FREED not in str(error):
                found.append(Saved(name))
            continue
        except AttributeError:
            return UNKNOWN
    return Keeps(tuple(found), hooked) if found else NOTHING


# the usual case, one tensor without a hook of the user before it, as a plain tuple of what a `Saved` has: of those
# Python's garbage collector keeps no account; None: nothing is kept
Row = tuple[str, int, int, int, bool] | Keeps | None


class KeptByNodes:
    """What each of the nodes keeps, by their places; a `Keeps` is made when somebody asks for it."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Keeps]:
        """What each keeps."""
        return map(keeps_of_row, self.rows)

    def __getitem__(self, i: int) -> Keeps:
        """What one keeps."""
        return keeps_of_row(self.rows[i])

    def __setitem__(self, i: int, keeps: Keeps) -> None:
        """Say it anew of one."""
        self.rows[i] = keeps

    def not_to_be_asked(self) -> set[int]:
        """The nodes that would run something of the user's, see `Keeps.can_be_asked`."""
        return {i for i, row in enumerate(self.rows) if type(row) is Keeps and not row.can_be_asked}

    def untold(self) -> list[int]:
        """The nodes of which nobody says what they keep."""
        return [i for i, row in enumerate(self.rows) if type(row) is Keeps and row.hooked is None]

    def names_and_bytes(self, i: int) -> tuple[tuple[str, ...], int | None]:
        """What one keeps is called, and how many bytes it has in all."""
        row = self.rows[i]
        if row is not None and not isinstance(row, Keeps):  # the usual case
            return (row[0],), row[1]
        keeps = keeps_of_row(row)
        return tuple([tensor.name for tensor in keeps.tensors]), keeps.bytes

    def memory_besides(self, own: Collection[int | None]) -> tuple[int, bool]:
        """See `memory_besides`."""
        single = [row for row in self.rows if row is not None and not isinstance(row, Keeps)]
        saved: dict[int | None, int] = {row[2]: row[3] for row in single if row[2] not in own}
        others = [row for row in self.rows if isinstance(row, Keeps)]
        saved.update(_pieces(others, own))
        return sum(saved.values()), all(kept.bytes is not None for kept in others)


def keeps_of_row(row: Row) -> Keeps:
    """A row as what it says."""
    if row is None:
        return NOTHING
    return row if isinstance(row, Keeps) else Keeps((Saved(*row),), False)


def kept_by_all(nodes: Sequence[Any], packed: Callable[[Any], bool | None]) -> KeptByNodes:
    """The same of each of the nodes; the tape is asked only where torch does not say it itself."""
    if TELLS_HOOKS:
        return KeptByNodes(list(map(_row_of_node, nodes)))
    return KeptByNodes([kept_by(node, packed(node)) for node in nodes])


def _row_of_node(node: Any) -> Row:
    """What a node keeps; only where torch says it itself."""
    attributes = _known.get(type(node), NOT_MET)
    if attributes is NOT_MET or attributes is None:
        return _row_of_keeps(kept_by(node))
    found: Row = None
    try:
        for attribute, name in attributes:
            raw = getattr(node, attribute)
            if type(raw) is tuple or raw.unpack_hook is not None:
                return _row_of_keeps(kept_by(node))
            held = raw.data
            if held is not None:
                memory, whole = memory_and_bytes(held)
                if found is not None or type(held) is not Tensor or memory is None:
                    return _row_of_keeps(kept_by(node))
                found = (name, min(held.nbytes, whole), memory, whole, False)
    except (RuntimeError, AttributeError):  # as of what has been freed
        return _row_of_keeps(kept_by(node))
    return found


def _row_of_keeps(keeps: Keeps) -> Row:
    return None if keeps is NOTHING else keeps


def reruns_noted_before(node: Any) -> Iterator[dict[int, bool]]:
    """Where checkpoints note their runs whose hooks stand before what a node keeps; nothing where torch does not tell
    of hooks.
    """
    if not TELLS_HOOKS:
        return
    for attribute, _ in _known.get(type(node)) or ():
        try:
            raw = getattr(node, attribute)
        except (RuntimeError, AttributeError):  # as of what has been freed
            continue
        for part in raw if isinstance(raw, tuple) else (raw,):
            runs = reruns_noted_behind(part.unpack_hook)
            if runs is not None:
                yield runs


def _unpacked(node: Any, attributes: Iterable[tuple[str, str]]) -> Keeps:
    """What a node keeps that no hook of the user stands before."""
    found: list[Saved] = []
    for attribute, name in attributes:
        packed = attribute.replace(RAW_SAVED, PACKED)
        try:
            with hidden_from_modes():
                held = getattr(node, packed if hasattr(type(node), packed) else name)
        except RuntimeError as error:
            if FREED not in str(error):  # it is there, and torch does not unpack it, since it has been written to
                found.append(Saved(name))
            continue
        parts = (
            [(f"{name}[{n}]", part) for n, part in enumerate(held)]
            if isinstance(held, (list, tuple))
            else [(name, held)]
        )
        found += [_saved(part_name, part) for part_name, part in parts if isinstance(part, Tensor)]
    return Keeps(tuple(found), False) if found else NOTHING


def _note(name: str, part: Any, found: list[Saved]) -> bool:
    """Take in what a node keeps in one place, if there is something; True where a hook of the user stands before it."""
    hooked = part.unpack_hook is not None
    held = part.data
    if held is not None:
        found.append(Saved(name) if hooked or not isinstance(held, Tensor) else _saved(name, held))
    return hooked


def _saved(name: str, held: Tensor) -> Saved:
    wrapped = type(held) is not Tensor and is_wrapper(held)
    memory, whole = memory_and_bytes(held)
    if memory is None:
        return Saved(name, is_wrapped=wrapped)
    # less than its elements where these were only expanded
    return Saved(name, min(held.nbytes, whole), memory, whole, wrapped)


def kept_memory(keeps: Iterable[Keeps], leaves: Iterable[Tensor]) -> tuple[int, bool]:
    """How many bytes nodes keep alive besides leaves, each piece of memory counted once and whole; and whether that
    is all.
    """
    return memory_besides(keeps, {memory_of_tensor(leaf) for leaf in leaves})


def memory_besides(keeps: Iterable[Keeps], own: Collection[int | None]) -> tuple[int, bool]:
    """The same; ``own`` is the memory that leaves lie in."""
    found = list(keeps)
    return sum(_pieces(found, own).values()), all(kept.bytes is not None for kept in found)


def _pieces(keeps: Iterable[Keeps], own: Collection[int | None]) -> dict[int | None, int]:
    """The pieces of memory that do not belong to leaves, with their bytes."""
    tensors = [tensor for kept in keeps for tensor in kept.tensors]
    return {tensor.storage: tensor.whole or 0 for tensor in tensors if tensor.storage not in own}


def _attributes(kind: type) -> Attributes:
    """Where a kind of node has what it keeps; None where it keeps something and torch has no such place."""
    known: MutableMapping[type, Attributes] = _known_for_now if issubclass(kind, OF_FUNCTIONS) else _known
    if kind not in known:
        names = sorted(dir(kind))
        raw = [name for name in names if name.startswith(RAW_SAVED)]
        hidden = (
            not raw
            and not tells_what_is_saved()
            and any(name.startswith(PACKED) or name == "saved_tensors" for name in names)
        )
        known[kind] = None if hidden else tuple((name, OWN.get(name, name.removeprefix(RAW_SAVED))) for name in raw)
    return known[kind]
