"""@trackable_function: gives a torch.autograd.Function the name that it has on pictures."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch

from graphviz_ad._internal.tracing.tape.torch_private import library_operator

_trackable: weakref.WeakSet[type] = weakref.WeakSet()


def trackable_class(cls: type) -> type:
    """Let a ``torch.autograd.Function`` appear under its class attribute ``name``, for example ``name = r"$\\sigma$"``.

    Returns the class unchanged. Every custom Function is traced, decorated or not; without this it appears under the
    name of its class.
    """
    if not (isinstance(cls, type) and issubclass(cls, torch.autograd.Function)):
        raise TypeError(f"@trackable_function goes on a subclass of torch.autograd.Function; it was put on {cls!r}")
    _trackable.add(cls)
    return cls


@dataclass(frozen=True, slots=True, eq=False)
class NameOfFunction:
    """What stands for a custom Function that ran, where that itself may go."""

    label: str


def label_of(cls: type | NameOfFunction) -> str:
    """The name of a custom Function on pictures."""
    if isinstance(cls, NameOfFunction):
        return cls.label
    name = getattr(cls, "name", None) if any(base in _trackable for base in cls.__mro__) else None
    return str.__str__(name) if isinstance(name, str) and name else library_operator(cls) or cls.__name__
