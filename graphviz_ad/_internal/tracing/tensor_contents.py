"""What a program is given or returns -> the tensors in it, and the modules where those are wanted, too."""

from __future__ import annotations

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


def given_parameter(thing: Any) -> Parts | None:
    """Of a distribution that may be given probabilities or logits that which it was given: it computes the other
    when it is first asked.
    """
    held = vars(thing) if is_a(thing, (Distribution,)) else {}
    given = held.get("_param")
    names = [name for name in ("probs", "logits") if held.get(name) is given]
    return [(named_step(name), given) for name in names[:1]] if given is not None and names else None


def trees_of_torch(thing: Any) -> Parts | None:
    """The parts of what was made known to torch as a tree."""
    found = registered_parts(thing)
    return None if found is None else [(step_of_key(key, place), part) for place, (key, part) in enumerate(found)]


READERS = (atoms, parameter_collections, given_parameter, trees_of_torch)
