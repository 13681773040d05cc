"""What a program is given or returns -> the tensors in it, and the modules where those are wanted, too."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from graphviz_ad._internal.tracing.contents import (
    Contents,
    Parts,
    contents_of,
    is_a,
    named_step,
    placed_step,
    step_of_key,
)
from graphviz_ad._internal.tracing.tape.torch_private import registered_parts

ATOMS = (
    torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Generator, torch.SymInt, torch.SymFloat,
    torch.SymBool,
)  # fmt: skip


def tensors_in(thing: Any) -> Contents:
    """The tensors in a thing; a module is not looked into, whose parameters are no results."""
    return contents_of(thing, is_tensor, READERS, (nn.Module,))


def tensors_and_modules_in(thing: Any) -> Contents:
    """The tensors and the modules in a thing."""
    return contents_of(thing, lambda part: is_a(part, (Tensor, nn.Module)), READERS)


def is_tensor(thing: Any) -> bool:
    """Whether a thing is a tensor of whatever class."""
    return is_a(thing, (Tensor,))


def atoms(thing: Any) -> Parts | None:
    """What torch has that no tensor can be in."""
    return [] if is_a(thing, ATOMS) else None


def parameter_collections(thing: Any) -> Parts | None:
    """The parameters of a list or dictionary of them, which torch counts among its modules."""
    if is_a(thing, (nn.ParameterList,)):
        return [(placed_step(key), part) for key, part in thing.named_parameters()]
    if is_a(thing, (nn.ParameterDict,)):
        return [(named_step(key), part) for key, part in thing.named_parameters()]
    return None


def distributions(thing: Any) -> Parts | None:
    """What a distribution was given, which lies there before its shape does: its parameters, or the distributions that
    it is made of. What it computes when it is first asked, it keeps behind that.
    """
    if not is_a(thing, (Distribution,)) or "_batch_shape" not in vars(thing):
        return None
    given = dict(takewhile(lambda pair: pair[0] != "_batch_shape", vars(thing).items()))
    either = [name for name in given if given[name] is given.get("_param")]  # probabilities or logits
    known = getattr(type(thing), "arg_constraints", {})  # or a property, which would have to run
    names = known if isinstance(known, dict) else [name for name in given if not name.startswith("_")]
    parameters = either[:1] or [name for name in given if name in names] or list(given)
    return [(named_step(_public(thing, name)), given[name]) for name in parameters]


def _public(thing: Any, name: str) -> str:
    """The name by which people get at an attribute."""
    return name[1:] if name.startswith("_") and hasattr(type(thing), name[1:]) else name


def trees_of_torch(thing: Any) -> Parts | None:
    """The parts of what was made known to torch as a tree."""
    found = registered_parts(thing)
    return None if found is None else [(step_of_key(key, place), part) for place, (key, part) in enumerate(found)]


READERS = (atoms, parameter_collections, distributions, trees_of_torch)
