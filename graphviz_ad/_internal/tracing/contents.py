"""What a program is given or returns -> what is wanted in it, such as tensors, each with the way there; and what was
not looked into.

The one walk over things of the user's. It reads what lies there and runs nothing: no property, no iterator, no method
of a thing is asked. What would have to run to be known is not looked into, and that is said.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import io
import numbers
import pathlib
import re
import types
import weakref
from collections import UserDict, UserList, deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

MOST_THINGS = 100_000  # that are looked at in objects, which may lead anywhere
RESULT, PRIVATE, STATE = range(3)
CACHE = "Cache"  # so the classes are called, by common consent, that hold what is handed on to the next call


class Step(NamedTuple):
    """One step into a thing: to what is held under a name, or at a place."""

    text: str
    is_name: bool
    is_private: bool = False


Path = tuple[Step, ...]


class Part(NamedTuple):
    """Something that was wanted, and the way there.

    ``standing``: whether it is a result, is kept under a private name of an object, or is state that is handed on.
    ``holder`` is the way to what holds it so, and ``kind`` the type of that. ``inside``: an object of the user's is on
    the way, and not collections alone.
    """

    path: Path
    thing: Any
    standing: int = RESULT
    holder: Path = ()
    kind: str = ""
    inside: bool = False


class Contents(NamedTuple):
    """What was found, in order, and what was not looked into."""

    parts: tuple[Part, ...]
    unseen: tuple[Part, ...]


Parts = Iterable[tuple[Step, Any]]
Reader = Callable[[Any], Parts | None]  # the parts of a thing of its kind; None of any other


def way(path: Path) -> str:
    """ "dist.loc", "pair[0]"."""
    return below(path).removeprefix(".")


def below(path: Path) -> str:
    """The same behind the name of something: ".loc", "[0]"."""
    return "".join(step.text for step in path)


def name_of_way(path: Path) -> str | None:
    """The way where there is a name in it; places alone are no name."""
    return way(path) if any(step.is_name for step in path) else None


def named_step(name: str, *, is_private: bool = False) -> Step:
    """The step to what is held under a name."""
    return Step(f".{name}", True, is_private)


def placed_step(place: object) -> Step:
    """The step to what is held at a place."""
    return Step(f"[{place}]", False)


def contents_of(
    thing: Any,
    is_wanted: Callable[[Any], bool],
    readers: Sequence[Reader] = (),
    closed: tuple[type, ...] = (),
) -> Contents:
    """Everything wanted in a thing, in its own order; ``readers`` know further kinds of things, and into those that
    are ``closed`` nobody looks.
    """
    return _Walk(is_wanted, (atoms, mappings, sequences, *readers), (*CLOSED, *closed)).through(thing)


Link = tuple[Any, Step] | None  # a path while it grows: the link before, and the last step


class _Place(NamedTuple):
    """A part on the walk; see `Part`."""

    thing: Any
    link: Link = None
    standing: int = RESULT
    holder: Link = None
    kind: str = ""
    inside: bool = False

    def part(self) -> Part:
        """The part that stands here."""
        return Part(path_of(self.link), self.thing, self.standing, path_of(self.holder), self.kind, self.inside)

    def holding(self, step: Step, thing: Any) -> _Place:
        """The place one step further in."""
        link = (self.link, step)
        if step.is_private and self.standing == RESULT:
            return _Place(thing, link, PRIVATE, link, type(thing).__name__, self.inside)
        return self._replace(thing=thing, link=link)


class _End(NamedTuple):
    """Where on the walk a thing ends; it holds the thing, whose identity nobody else may get so long."""

    thing: Any


def path_of(link: Link) -> Path:
    """The steps of a link, first to last."""
    steps: list[Step] = []
    while link is not None:
        link, step = link
        steps.append(step)
    return tuple(reversed(steps))


class _Walk:
    """One walk; a collection that holds itself is not entered again, and an object only once."""

    def __init__(self, is_wanted: Callable[[Any], bool], readers: Sequence[Reader], closed: tuple[type, ...]) -> None:
        self.is_wanted, self.readers, self.closed = is_wanted, readers, closed
        self.objects: dict[int, Any] = {}  # those that were entered
        self.left = MOST_THINGS

    def through(self, thing: Any) -> Contents:
        """Look at a thing and all that it holds."""
        parts: list[Part] = []
        unseen: list[Part] = []
        waiting: list[_Place | _End] = [_Place(thing)]  # no recursion, since a list may be as deep as it likes
        around: set[int] = set()
        while waiting:
            here = waiting.pop()
            if isinstance(here, _End):
                around.remove(id(here.thing))
            elif self.is_wanted(here.thing):
                parts.append(here.part())
            elif id(here.thing) not in around:
                inner = self._opened(here)
                if inner is None:
                    unseen.append(here._replace(kind=type(here.thing).__name__).part())
                elif inner:
                    around.add(id(here.thing))
                    waiting += [_End(here.thing), *reversed(inner)]
        return Contents(tuple(parts), tuple(unseen))

    def _opened(self, here: _Place) -> list[_Place] | None:
        thing = here.thing
        for reader in self.readers:
            found = reader(thing)
            if found is not None:
                return self._inside(here, found)
        if is_a(thing, self.closed):
            return None
        held = attributes_of(thing)
        if held is None or dataclasses.is_dataclass(thing):
            return self._inside(here, held) if held is not None else None
        if id(thing) in self.objects:
            return []
        self.objects[id(thing)] = thing
        return self._inside(here._replace(inside=True), held)

    def _inside(self, here: _Place, found: Parts) -> list[_Place] | None:
        pairs = list(found)
        self.left -= len(pairs) if here.inside else 0
        if self.left < 0:
            return None
        if here.standing == RESULT and is_cache(here.thing):
            here = here._replace(standing=STATE, holder=here.link, kind=type(here.thing).__name__)
        return [here.holding(step, thing) for step, thing in pairs if type(thing) not in PLAIN]


def is_a(thing: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a thing is of one of these types; what it says of itself, as a proxy does, is not asked."""
    return issubclass(type(thing), kinds)


def is_cache(thing: Any) -> bool:
    """Whether this is state that a program hands on to its next call."""
    return any(cls.__name__.endswith(CACHE) for cls in type(thing).__mro__)


# --- what kinds of things there are, in order

ATOMS = (
    type(None), numbers.Number, str, bytes, bytearray, enum.Enum, np.generic, np.dtype, type, types.BuiltinFunctionType,
    range, slice, decimal.Decimal, pathlib.PurePath, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo,
    re.Pattern, type(Ellipsis), type(NotImplemented),
)  # fmt: skip
PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes))  # the usual ones, passed over at once
# whose content would have to run, has no order, or is the rest of the program
CLOSED = (
    Iterator, Coroutine, set, frozenset, types.FunctionType, types.MethodType, types.ModuleType, types.FrameType,
    types.CodeType, types.TracebackType, types.AsyncGeneratorType, functools.partial, io.IOBase, weakref.ReferenceType,
    memoryview, property,
)  # fmt: skip


def atoms(thing: Any) -> Parts | None:
    """Nothing can be in it; nor in an array, unless it is one of objects."""
    if isinstance(thing, np.ndarray):
        return [(placed_step(i), part) for i, part in enumerate(thing.ravel())] if thing.dtype.hasobject else []
    return [] if is_a(thing, ATOMS) else None


def mappings(thing: Any) -> Parts | None:
    """The values of a dictionary, and what one of a class of its own holds besides."""
    if is_a(thing, (types.MappingProxyType,)):
        return [(step_of_key(key, n), part) for n, (key, part) in enumerate(thing.items())]
    if is_a(thing, (UserDict, UserList)):  # by what it stands for
        inner = _lying_in(thing).get("data")
        return mappings(inner) if is_a(inner, (dict,)) else sequences(inner)
    if not is_a(thing, (dict,)):
        return None
    pairs = [(step_of_key(key, n), part) for n, (key, part) in enumerate(dict.items(thing))]
    return [*pairs, *_besides(thing, pairs)]


def sequences(thing: Any) -> Parts | None:
    """The parts of a list or a tuple, by their names where they have some."""
    kind: Any = next((kind for kind in (tuple, list, deque) if is_a(thing, (kind,))), None)
    if kind is None:
        return None
    names = _fields(thing)
    pairs = [
        (named_step(names[i]) if i < len(names) else placed_step(i), part)
        for i, part in enumerate(kind.__iter__(thing))
    ]
    return [*pairs, *_besides(thing, pairs)]


def _fields(thing: Any) -> Sequence[str]:
    """The names of the places of a tuple: of a namedtuple, or of what C returns, such as ``torch.return_types.max``."""
    kind = type(thing)
    found = getattr(kind, "__match_args__" if hasattr(kind, "n_sequence_fields") else "_fields", ())
    return found if isinstance(thing, tuple) and all(isinstance(name, str) for name in found) else ()


def _besides(thing: Any, pairs: Sequence[tuple[Step, Any]]) -> Parts:
    """What a collection of a class of its own holds as attributes, but for what is in it as well."""
    if not _lying_in(thing):
        return []
    held = {id(part) for _, part in pairs}
    return [(step, part) for step, part in attributes_of(thing) or () if id(part) not in held]


def step_of_key(key: Any, place: int) -> Step:
    """The step to what lies under a key; by its place, where the key has no text that is the same on every run."""
    if isinstance(key, enum.Enum):
        written = f"[{type(key).__name__}.{key.name}]"
        return named_step(key.value) if isinstance(key.value, str) else Step(written, True)
    if isinstance(key, str):
        return named_step(str.__str__(key))
    if isinstance(key, numbers.Integral):
        return placed_step(int(key))
    return Step(f"[{key!r}]", True) if _is_plain_key(key) else placed_step(place)


def _is_plain_key(key: Any) -> bool:
    if type(key) is tuple:
        return all(map(_is_plain_key, key))
    return type(key) in (str, int, float, complex, bool, bytes, type(None))


def attributes_of(thing: Any) -> Parts | None:
    """What an object holds under names, public ones first: the fields of a dataclass, what lies in it, its slots.

    None of one that has no room for any: what it holds, it holds where nobody sees it.
    """
    held = {**_slots(thing), **_lying_in(thing)}
    if not held and not _has_room(thing):
        return None
    fields = [field.name for field in dataclasses.fields(thing)] if dataclasses.is_dataclass(thing) else []
    names = [name for name in fields if name in held]
    others = [name for name in held if name not in fields]
    return [
        *((named_step(name), held[name]) for name in names),
        *((named_step(name), held[name]) for name in others if not name.startswith("_")),
        *((named_step(name, is_private=True), held[name]) for name in others if name.startswith("_")),
    ]


def _lying_in(thing: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return {name: part for name, part in found.items() if isinstance(name, str)} if type(found) is dict else {}


def _slots(thing: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for cls in reversed(type(thing).__mro__):
        for name, member in vars(cls).items() if "__slots__" in vars(cls) else ():
            if isinstance(member, types.MemberDescriptorType):
                try:
                    found[name] = member.__get__(thing, cls)
                except AttributeError:  # nothing was put there yet
                    continue
    return found


def _has_room(thing: Any) -> bool:
    return bool(type(thing).__dictoffset__) or hasattr(type(thing), "__slots__")
