"""Call site and running frame -> the name of the function that is called there, whatever the program calls it.

A program may hold ``F.linear`` in a variable, in an attribute or in a partial, and a generated one calls
``torch.ops.aten.linear.default``. What is read is what the call site reads, where it lies; nothing of the user's runs,
and nothing is kept.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache, partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from graphviz_ad._internal.operations.names import public_name
from graphviz_ad._internal.tracing.contents import is_a
from graphviz_ad._internal.tracing.tape.call_sites import CallSite
from graphviz_ad._internal.tracing.tape.custom_functions import locals_of
from graphviz_ad._internal.tracing.tape.torch_private import OPERATORS_OF_ATEN, Frame, signature

NOBODY = ""  # the name of what has none that torch would know: what it calls is somebody else's affair
# C functions of Python, which have names that some of torch's have, too
OF_PYTHON = ("builtins", "_functools", "itertools")
NAMED = (FunctionType, BuiltinFunctionType, type(list.append), type(object.__init__), type(object().__str__))
NUMBERS = (int, float, complex, bool)
HOMES = (torch, torch.nn.functional, torch.linalg, torch.special, torch.fft, torch.sparse, torch.nested)
MISSING = object()


class Callee(NamedTuple):
    """What is called: its name, None where it cannot be told; ``fixed``: whether it is the same each time.

    ``maker`` is the name of the function that made it, if that is called right there: the "hessian" of
    ``hessian(f)(x)``.
    """

    name: str | None
    fixed: bool
    maker: str | None = None


UNTOLD = Callee(None, True)


def callee_at(site: CallSite, frame: Frame) -> Callee:
    """What is called at a site that a running frame is at."""
    if site.called_expression is None:
        return UNTOLD
    reading = _Reading(site, frame)
    if isinstance(site.called_expression, ast.Call):
        made_by = reading.read(site.called_expression.func)
        return Callee(None, reading.is_fixed, None if made_by is MISSING else name_of_callable(made_by))
    thing = reading.read(site.called_expression)
    if isinstance(thing, _Method):
        return Callee(thing.name, True)
    name = None if thing is MISSING else name_of_callable(thing)
    return Callee(name, reading.is_fixed and name in (None, site.written))


class _Method(NamedTuple):
    """A method of a tensor, or of what a tensor has."""

    name: str


class _Reading:
    """Reads an expression in a running frame as far as it can be read without running anything."""

    def __init__(self, site: CallSite, frame: Frame) -> None:
        self.site, self.frame = site, frame
        self.is_fixed = True  # until something is read that may be another next time

    def read(self, tree: ast.expr) -> Any:
        """What the expression stands for; `MISSING` where that cannot be read."""
        if isinstance(tree, ast.Name):
            return self._variable(tree)
        if isinstance(tree, ast.Constant):
            return tree.value
        if isinstance(tree, ast.Attribute):
            return self._attribute(self.read(tree.value), tree.attr)
        if isinstance(tree, ast.Subscript):
            self.is_fixed = False
            return _item(self.read(tree.value), self.read(tree.slice))
        return MISSING

    def _variable(self, tree: ast.Name) -> Any:
        """A variable, if the bytecode reads it there: the file may have changed since."""
        found = self.site.called_variables.get(tree.id)
        if found is None or found.variable is None:
            return MISSING
        if found.local:
            self.is_fixed = False
            return locals_of(self.frame).get(tree.id, MISSING)
        for home in (self.frame.f_globals, self.frame.f_builtins):
            if tree.id in home:
                return home[tree.id]
        return MISSING

    def _attribute(self, thing: Any, name: str) -> Any:
        if is_a(thing, (Tensor, _Method)):
            return _Method(name)
        self.is_fixed = self.is_fixed and is_a(thing, (ModuleType, type))
        return MISSING if thing is MISSING else _part(thing, name)


def _item(thing: Any, key: Any) -> Any:
    """What lies at a place in a plain collection."""
    if type(thing) in (list, tuple) and type(key) is int and -len(thing) <= key < len(thing):
        return thing[key]
    return thing.get(key, MISSING) if type(thing) is dict and type(key) in (int, str) else MISSING


def _part(thing: Any, name: str) -> Any:
    """What a thing has under a name, as it lies there; a module of torch keeps its own modules apart."""
    own = _lying_in(thing)
    for home in (own, own.get("_modules")):
        if isinstance(home, Mapping) and name in home:
            return _unwrapped(home[name])
    kinds = thing.__mro__ if isinstance(thing, type) else type(thing).__mro__
    return _unwrapped(next((vars(kind)[name] for kind in kinds if name in vars(kind)), MISSING))


def _lying_in(thing: Any) -> Mapping[str, Any]:
    try:
        found = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _unwrapped(found: Any) -> Any:
    return found.__func__ if isinstance(found, (staticmethod, classmethod)) else found


def name_of_callable(thing: Any) -> str | None:
    """The name that a callable has by itself."""
    while is_a(thing, (partial, MethodType)):
        thing = thing.func if is_a(thing, (partial,)) else thing.__func__
    if is_a(thing, OPERATORS_OF_ATEN):
        return name_of_operator(signature(thing).name)
    if is_a(thing, (torch.jit.ScriptFunction,)):
        return str(thing.name)
    if is_a(thing, (torch.jit.ScriptModule,)):
        return str(thing.original_name)
    if is_a(thing, (type,)):
        return thing.__name__ if thing in NUMBERS or issubclass(thing, Tensor) else NOBODY
    if not is_a(thing, NAMED) or getattr(thing, "__module__", None) in OF_PYTHON:
        return NOBODY
    own = thing.__name__
    return names_in_torch().get(id(thing)) or (public_name(own) if own.startswith("__") else own)


@cache
def names_in_torch() -> Mapping[int, str]:
    """Identity of a function of torch's -> the name that it has where people find it: "mm" of torch.sparse, which
    calls itself "_sparse_mm"; its own name, where it has several.
    """
    found: dict[int, str] = {}
    for home in HOMES:
        for name, thing in vars(home).items():
            if is_a(thing, NAMED) and not name.startswith("_") and (id(thing) not in found or thing.__name__ == name):
                found[id(thing)] = name
    return found


def name_of_operator(name: str) -> str:
    """The name of an operator of ATen as people write it.

    >>> name_of_operator("special_expit"), name_of_operator("linalg_norm"), name_of_operator("cross_entropy_loss")
    ('expit', 'norm', 'cross_entropy')
    """
    start, _, rest = name.partition("_")
    home = next((home for home in HOMES if home.__name__ == f"torch.{start}"), None)
    if home is not None and hasattr(home, rest):
        return rest
    return name if any(hasattr(home, name) for home in HOMES) else public_name(name)
