"""Things of a program -> copies that belong to us: tensors, modules, containers, and functions with what they close
over. Code, and what nobody knows how to copy, stays what it is.

The copy of a function reads copies of the tensors, modules and functions that it takes from around it, so that the
copy of a program computes on its own and changes nothing of the program's. Copies are made twice: once to be kept,
while the user's program is there, and from that once more for each run.
"""

from __future__ import annotations

import sysconfig
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import lru_cache, partial
from operator import call, itemgetter
from types import (
    BuiltinMethodType,
    CellType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from graphviz_ad._internal.tracing.tape.torch_private import TORCH_FOLDER, version_of

LIBRARIES = (*{path for name, path in sysconfig.get_paths().items() if "lib" in name}, TORCH_FOLDER, "<frozen")
MOST_THINGS = 100_000  # that a program may be made of
FEW = 1_000  # parts of a container that a function takes from around it
PLAIN = (torch.Tensor, torch.nn.Parameter)
ATOMS = (bool, int, float, complex, str, bytes, type, ModuleType, CodeType, Enum, torch.dtype, torch.device, torch.Size)
AT_ONCE = frozenset((type(None), bool, int, float, str))  # those of them that most things are made of
EMPTY = frozenset((dict, OrderedDict, set, list))  # what modules have most of is of these, with nothing in it
RUNNING = (GeneratorType, FrameType)  # they hold all that they have met
MADE_BY_A_CLASS_STATEMENT = 1 << 9  # in the flags of a type
AROUND = "_graphviz_ad_around"  # attribute of a function that is kept: what it takes from around it


class UsualModule(NamedTuple):
    """Names of the attributes of a module: of containers in which most modules have nothing, which kinds these are,
    and the others.
    """

    empty: tuple[str, ...]
    kinds: tuple[type, ...]
    others: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], tuple[Any, ...]]

    def is_empty(self, own: Mapping[str, Any]) -> bool:
        """Whether there is nothing in any of them, and all are what torch makes them."""
        held = self.read(own)
        return tuple(map(type, held)) == self.kinds and not any(held)


# the containers that torch gives a module, mostly for hooks, of which nearly all modules have none
CONTAINERS = {name: type(value) for name, value in vars(torch.nn.Module()).items() if type(value) in EMPTY}
MOSTLY_EMPTY = {name: kind for name, kind in CONTAINERS.items() if name not in ("_parameters", "_buffers", "_modules")}


@lru_cache(maxsize=1024)
def usual_module(names: tuple[str, ...]) -> UsualModule | None:
    """What is known of a module by the names of its attributes; None of what is no such module."""
    if not MOSTLY_EMPTY.keys() <= set(names):
        return None
    others = tuple(name for name in names if name not in MOSTLY_EMPTY)
    return UsualModule(tuple(MOSTLY_EMPTY), tuple(MOSTLY_EMPTY.values()), others, itemgetter(*MOSTLY_EMPTY))


class CopyError(Exception):
    """A program cannot be copied; says why."""


class Far:
    """A thing that is not copied while the user's program is there, and not kept alive: it is large, or nobody knows
    how to copy it.

    ``version`` is how often a tensor had been written to when the program had run.
    """

    __slots__ = ("reference", "shape", "type_name", "version")

    def __init__(self, thing: Any) -> None:
        self.reference = weakref.ref(thing)
        self.version: int | None = None
        self.type_name = type(thing).__name__
        self.shape: tuple[int, ...] | None = tuple(thing.shape) if isinstance(thing, Tensor) else None

    @property
    def what(self) -> str:
        """What it was, for people."""
        return f"a {self.type_name}" if self.shape is None else f"a tensor of shape {self.shape}"

    def settle(self) -> None:
        """From now on it counts if somebody writes to it."""
        thing = self.reference()
        self.version = version_of(thing) if isinstance(thing, Tensor) and not thing.is_inference() else None

    def found(self) -> Any:
        """The thing itself, if it is still there and what it was."""
        thing = self.reference()
        if thing is None:
            raise CopyError(f"{self.what} that it uses is gone")
        if self.version is not None and version_of(thing) != self.version:
            raise CopyError(f"{self.what} that it uses has been written to since")
        return thing


class Copier:
    """Copies each thing once, however often it is met."""

    def __init__(self) -> None:
        """Nothing is copied yet."""
        self._made: dict[int, tuple[Any, Any]] = {}  # identity -> the thing, which stays alive by it, and its copy
        self._modules: set[type] = set()  # kinds of modules that were met
        self._parts = 0  # of containers

    def made_of(self, thing: Any) -> Any:
        """The copy of a thing; None where it was not met."""
        known = self._made.get(id(thing))
        return None if known is None else known[1]

    def copy(self, thing: Any) -> Any:
        """The copy, or the thing itself where there is nothing to copy."""
        kind = type(thing)
        if kind in AT_ONCE:
            return thing
        known = self._made.get(id(thing))
        if known is not None:
            return known[1]
        way = USUAL.get(kind) or (Copier._of_module if kind in self._modules else None)
        if way is None:
            if isinstance(thing, ATOMS):
                return thing
            way = next((way for kinds, way in WAYS if isinstance(thing, kinds)), Copier._of_object)
            if way is Copier._of_module and issubclass(kind, torch.nn.Module):  # and does not only say so
                self._modules.add(kind)
        copy = way(self, thing)
        if id(thing) not in self._made:  # those that may hold themselves are noted before their parts
            self._note(thing, copy)
        return copy

    def _note(self, thing: Any, copy: Any) -> Any:
        self._parts += 1
        if self._parts > MOST_THINGS:
            self._count(0)
        self._made[id(thing)] = (thing, copy)
        return copy

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > MOST_THINGS:
            raise CopyError(f"it is made of more than {MOST_THINGS:,} things")

    # --- what a copier for keeping and one for running do each in its own way

    def _left(self, thing: Any) -> Any:
        """What stands for a thing that is not copied."""
        raise NotImplementedError

    def _tensor(self, thing: Tensor) -> Tensor | None:
        """The copy of a plain tensor; None where it is left."""
        raise NotImplementedError

    def _globals(self, thing: FunctionType) -> dict[str, Any]:
        """The globals of the copy of a function."""
        raise NotImplementedError

    def _surround(self, made: FunctionType, around: Mapping[str, Any]) -> None:
        """Give the copy of a function what it takes from around it."""
        raise NotImplementedError

    # --- each kind of thing

    def _of_far(self, thing: Far) -> Any:
        return self.copy(thing.found())

    def _of_tensor(self, thing: Tensor) -> Any:
        if is_lazy(thing):
            raise CopyError("a module of it has parameters that have no shape yet")
        if type(thing) not in PLAIN or thing.layout is not torch.strided or thing.is_inference() or thing.is_quantized:
            return self._left(thing)
        copy = self._tensor(thing)
        if copy is None:
            return self._left(thing)
        if vars(thing):
            vars(self._note(thing, copy)).update(self.copy(vars(thing)))
        return copy

    def _of_array(self, thing: np.ndarray[Any, Any]) -> Any:
        self._count(thing.size)
        return thing.copy() if type(thing) is np.ndarray and thing.dtype.kind != "O" else self._left(thing)

    def _of_generator(self, thing: torch.Generator) -> Any:
        copy = torch.Generator(thing.device)
        copy.set_state(thing.get_state())
        return copy

    def _of_list(self, thing: list[Any]) -> Any:
        if type(thing) is not list:
            return self._left(thing)
        self._count(len(thing))
        copy: list[Any] = self._note(thing, [])
        copy.extend(map(self.copy, thing))
        return copy

    def _of_deque(self, thing: deque[Any]) -> Any:
        return deque(map(self.copy, thing), thing.maxlen) if type(thing) is deque else self._left(thing)

    def _of_tuple(self, thing: tuple[Any, ...]) -> Any:
        self._count(len(thing))
        if AT_ONCE.issuperset(map(type, thing)):  # the usual case
            return thing
        parts = [self.copy(part) for part in thing]
        if all(one is other for one, other in zip(parts, thing, strict=True)):
            return thing
        if type(thing) is tuple:
            return tuple(parts)
        make = getattr(type(thing), "_make", None)  # of a named tuple
        return self._left(thing) if make is None else make(parts)

    def _of_set(self, thing: set[Any] | frozenset[Any]) -> Any:
        self._count(len(thing))
        return type(thing)(map(self.copy, thing)) if type(thing) in (set, frozenset) else self._left(thing)

    def _of_dict(self, thing: dict[Any, Any]) -> Any:
        if type(thing) not in (dict, OrderedDict, defaultdict):
            return self._left(thing)
        self._count(len(thing))
        copy = self._note(
            thing, defaultdict(thing.default_factory) if isinstance(thing, defaultdict) else type(thing)()
        )
        for key, value in thing.items():
            copy[key if type(key) is str else self.copy(key)] = value if type(value) in AT_ONCE else self.copy(value)
        return copy

    def _of_module(self, thing: torch.nn.Module) -> Any:
        if isinstance(thing, torch.jit.ScriptModule):
            return self._left(thing)
        compiled = vars(thing).get("_modules", {}).get("_orig_mod")  # torch.compile: run as it is written
        return self._with_attributes(thing) if compiled is None else self.copy(compiled)

    def _with_attributes(self, thing: Any) -> Any:
        own = vars(thing)
        self._count(len(own))
        copy = self._note(thing, object.__new__(type(thing)))
        names = tuple(own)
        parts, made = dict[str, Any].fromkeys(names), self._made
        usual = usual_module(names)
        if usual is not None and usual.is_empty(own):
            parts.update(zip(usual.empty, map(call, usual.kinds), strict=True))
            names = usual.others
        for name in names:
            value = own[name]
            kind = type(value)
            if kind in AT_ONCE:
                parts[name] = value
            elif kind in EMPTY and not value:
                known = made.get(id(value))
                if known is None:
                    known = made[id(value)] = (value, kind())
                parts[name] = known[1]
            elif kind is tuple and AT_ONCE.issuperset(map(type, value)):  # as of the sizes of a convolution
                parts[name] = value
            elif kind is dict and id(value) not in made:  # as of parameters
                parts[name] = self._of_dict(value)
            else:
                parts[name] = self.copy(value)
        copy.__dict__.update(parts)
        return copy

    def _of_method(self, thing: MethodType) -> Any:
        return MethodType(self.copy(thing.__func__), self.copy(thing.__self__))

    def _of_partial(self, thing: partial[Any]) -> Any:
        if type(thing) is not partial:
            return self._left(thing)
        return partial(self.copy(thing.func), *self.copy(thing.args), **self.copy(thing.keywords))

    def _of_bound(self, thing: BuiltinMethodType) -> Any:
        """A method that is written in C, such as ``x.sin``."""
        if not isinstance(thing.__self__, Tensor):
            return thing
        return partial(getattr(type(thing.__self__), thing.__name__), self.copy(thing.__self__))

    def _of_cell(self, thing: CellType) -> Any:
        copy = self._note(thing, CellType())
        self._fill(copy, thing)
        return copy

    def _fill(self, copy: CellType, thing: CellType) -> None:
        with suppress(ValueError):  # it is empty
            copy.cell_contents = self.copy(thing.cell_contents)

    def _of_function(self, thing: FunctionType) -> Any:
        if not thing.__closure__ and is_of_a_library(thing):
            return thing
        closure = thing.__closure__ or ()
        fresh = [(cell, self._note(cell, CellType())) for cell in closure if self.made_of(cell) is None]
        made = FunctionType(
            thing.__code__, self._globals(thing), thing.__name__, closure=tuple(map(self.made_of, closure)) or None
        )
        self._note(thing, made)  # before its parts, which may hold it
        for cell, copy in fresh:
            self._fill(copy, cell)
        around = vars(thing).get(AROUND) or dict(taken_from_around(thing))
        kept = {name: copy for name, value in around.items() if (copy := self.copy(value)) is not value}
        defaults, named = self.copy(thing.__defaults__), self.copy(thing.__kwdefaults__)
        if not (closure or kept or defaults is not thing.__defaults__ or named):
            return thing
        vars(made).update({name: self.copy(value) for name, value in vars(thing).items() if name != AROUND})
        made.__defaults__, made.__kwdefaults__ = defaults, named
        made.__qualname__, made.__module__, made.__doc__ = thing.__qualname__, thing.__module__, thing.__doc__
        self._surround(made, {**kept, **({thing.__name__: made} if calls_itself(thing) else {})})
        return made

    def _of_object(self, thing: Any) -> Any:
        if is_plain_object(thing):
            return self._with_attributes(thing)
        kind = type(thing)
        if not kind.__flags__ & MADE_BY_A_CLASS_STATEMENT and not isinstance(thing, RUNNING):
            return thing  # a pattern, a date, a function that is written in C
        return self._left(thing)


class KeepingCopier(Copier):
    """Makes copies to be kept while the user's program goes on: code and settings, small tensors of up to so many
    bytes together, and references to the rest that keep nothing alive.
    """

    def __init__(self, most_bytes: int) -> None:
        super().__init__()
        self.bytes_left, self.far = most_bytes, list[Far]()

    def settle(self) -> None:
        """The program has run: from now on it counts if somebody writes to what was not copied."""
        for far in self.far:
            far.settle()

    def _left(self, thing: Any) -> Any:
        try:
            far = Far(thing)
        except TypeError:
            return thing
        self.far.append(far)
        return far

    def _tensor(self, thing: Tensor) -> Tensor | None:
        size = thing.numel() * thing.element_size()
        if size > self.bytes_left:
            return None
        self.bytes_left -= size
        return cloned(thing)

    def _globals(self, thing: FunctionType) -> dict[str, Any]:
        return thing.__globals__

    def _surround(self, made: FunctionType, around: Mapping[str, Any]) -> None:
        vars(made)[AROUND] = around


class RunningCopier(Copier):
    """Makes a program to be run of what was kept; with ``double``, in double precision."""

    def __init__(self, *, double: bool) -> None:
        super().__init__()
        self.double = double
        self._worlds: dict[int, dict[str, Any]] = {}  # identity of globals -> those of the copies

    def _left(self, thing: Any) -> Any:
        return thing

    def _tensor(self, thing: Tensor) -> Tensor | None:
        return cloned(thing, WIDE.get(thing.dtype) if self.double else None)

    def _globals(self, thing: FunctionType) -> dict[str, Any]:
        home = thing.__globals__
        if id(home) not in self._worlds:
            self._worlds[id(home)] = dict(home)
        return self._worlds[id(home)]

    def _surround(self, made: FunctionType, around: Mapping[str, Any]) -> None:
        made.__globals__.update(around)


WAYS: tuple[tuple[Any, Callable[[Any, Any], Any]], ...] = (
    (Far, Copier._of_far),
    (Tensor, Copier._of_tensor),
    (torch.nn.Module, Copier._of_module),
    (dict, Copier._of_dict),
    (tuple, Copier._of_tuple),
    (list, Copier._of_list),
    (FunctionType, Copier._of_function),
    (CellType, Copier._of_cell),
    (MethodType, Copier._of_method),
    (BuiltinMethodType, Copier._of_bound),
    (partial, Copier._of_partial),
    ((set, frozenset), Copier._of_set),
    (deque, Copier._of_deque),
    (np.ndarray, Copier._of_array),
    (torch.Generator, Copier._of_generator),
)
# of those kinds themselves, nobody has to be asked
USUAL: Mapping[type, Callable[[Any, Any], Any]] = {
    **dict.fromkeys((dict, OrderedDict), Copier._of_dict),
    torch.nn.Parameter: Copier._of_tensor,
    tuple: Copier._of_tuple,
    list: Copier._of_list,
}
WIDE = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex32: torch.complex128,
}


def cloned(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A leaf that holds the same numbers."""
    copy = tensor.detach().clone()
    copy = copy if dtype is None else copy.to(dtype)
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(copy, requires_grad=tensor.requires_grad)
    return copy.requires_grad_(tensor.requires_grad)


def is_plain_object(thing: Any) -> bool:
    """Whether all there is to an object of a user's class are its attributes, and nothing happens when a copy of it
    ends.
    """
    kind = type(thing)
    return (
        bool(kind.__flags__ & MADE_BY_A_CLASS_STATEMENT)
        and hasattr(thing, "__dict__")
        and all(
            getattr(kind, name) is getattr(object, name) for name in ("__reduce_ex__", "__reduce__", "__getstate__")
        )
        and not any(hasattr(kind, name) for name in ("__del__", "__deepcopy__", "__copy__", "__enter__"))
        and all(base is object or base.__flags__ & MADE_BY_A_CLASS_STATEMENT for base in kind.__mro__)
        and not any(vars(base).get("__slots__") for base in kind.__mro__)
    )


def taken_from_around(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The globals of a function's that a copy of it needs copies of: tensors, modules, containers and objects that
    hold such, and functions that take some in their turn.
    """
    if is_of_a_library(function):
        return
    home = function.__globals__
    for name in sorted(names_in(function.__code__)):
        thing = home.get(name)
        if isinstance(thing, FunctionType):
            if thing is not function and not is_of_a_library(thing):
                yield name, thing
        elif holds_tensors(thing):
            yield name, thing


def is_of_a_library(function: FunctionType) -> bool:
    """Whether a function comes with Python or with an installed package, so that it takes no tensors from around it."""
    return function.__code__.co_filename.startswith(LIBRARIES)


def calls_itself(function: FunctionType) -> bool:
    """Whether a function finds itself among its globals."""
    name = function.__name__
    return name in function.__code__.co_names and function.__globals__.get(name) is function


def names_in(code: CodeType) -> set[str]:
    """The global names in a code object and in those that stand in it; attributes are among them."""
    found = set(code.co_names)
    for part in code.co_consts:
        if isinstance(part, CodeType):
            found |= names_in(part)
    return found


def holds_tensors(thing: Any) -> bool:
    """Whether a thing is a tensor or a module, or holds one as a part."""
    if isinstance(thing, (Tensor, torch.nn.Module)):
        return True
    if isinstance(thing, (type, ModuleType)):
        return False
    parts = thing.values() if isinstance(thing, dict) else thing if isinstance(thing, (list, tuple)) else None
    if parts is None:
        parts = vars(thing).values() if is_plain_object(thing) else ()
    return 0 < len(parts) <= FEW and any(isinstance(part, (Tensor, torch.nn.Module)) for part in parts)
