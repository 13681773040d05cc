"""Autograd graph -> the tensors on the way for which the user has called ``retain_grad()``; a pass of ours must leave
their ``.grad`` alone.

Torch writes there in every pass, whoever runs it, and does not say for which tensors it will: they are looked for
among those that the tape has seen, and, where the graph is older than the tape, among all that live.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from graphviz_ad._internal.tracing.assembly.autograd_graph import AutogradGraph, put_back
from graphviz_ad._internal.tracing.tape.tape import Tape


@contextmanager
def retained_grads_aside(graph: AutogradGraph, tape: Tape) -> Iterator[None]:
    """While this is open, a backward pass over the graph may write to any ``.grad`` but those of leaves; all are put
    back.
    """
    aside = [(tensor, tensor.grad) for tensor in retaining(graph, tape)]
    try:
        yield
    finally:
        try:
            put_back(aside)
        except BaseException:  # an interrupt may come anywhere
            put_back(aside)
            raise


def retaining(graph: AutogradGraph, tape: Tape) -> list[Tensor]:
    """The tensors whose ``.grad`` a pass over the graph will write, leaves left out."""
    with torch._C.DisableTorchFunctionSubclass():
        candidates = (*tape.living(), *_all_tensors(graph, tape))
        return list({id(tensor): tensor for tensor in candidates if _retains_within(graph, tensor)}.values())


def _retains_within(graph: AutogradGraph, tensor: Tensor) -> bool:
    try:
        if not tensor.retains_grad or tensor.is_leaf:
            return False
    except RuntimeError:  # nothing but the shell of one
        return False
    try:
        return id(tensor.grad_fn) in graph.index
    except RuntimeError:  # a view of which torch does not say what made it
        return True


def _all_tensors(graph: AutogradGraph, tape: Tape) -> Iterable[Tensor]:
    """All that live in this process, if a node of the graph was there before the tape."""
    moments = graph.note_moments()
    if isinstance(moments, array) and min(moments, default=tape.moment) >= tape.moment:  # the usual case
        return ()
    if not any(made is None or made < tape.moment for i, made in enumerate(moments) if i not in graph.variables):
        return ()
    things = gc.get_objects()
    kinds = {kind for kind in set(map(type, things)) if issubclass(kind, Tensor)}
    return [thing for thing in things if type(thing) in kinds]
