"""The private torch names that we use, all of them, each with what happens where it is missing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode

from graphviz_ad.errors import TraceError

# Code objects by which frames of torch are recognised; an unknown one is never met, so that less is shown, never something wrong.
MODULE_CALL = torch.nn.Module._call_impl.__code__
FUNCTION_APPLY = getattr(torch.autograd.Function.apply, "__func__", lambda: None).__code__
TORCH_FOLDER = torch.__file__.rpartition("/")[0] + "/"
DispatchMode = TorchDispatchMode

_sequence_number: Callable[[], int] = getattr(torch.autograd, "_get_sequence_nr", lambda: 0)


def sequence_number() -> int:
    """How many autograd nodes this thread has made; 0 where torch does not tell."""
    return _sequence_number()


def flatten(tree: object) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves of a pytree with their paths of keys."""
    pairs, _ = _pytree.tree_flatten_with_path(tree)
    return [(tuple(_step(key) for key in path), leaf) for path, leaf in pairs]


def _step(key: Any) -> Any:
    for name in ("key", "idx", "name"):
        if hasattr(key, name):
            return getattr(key, name)
    return str(key)


def map_tree(function: Callable[[Any], Any], tree: object, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The pytree with `function` applied to its leaves."""
    return _pytree.tree_map(function, tree, is_leaf=is_leaf)


def modes_are_active() -> bool:
    """Whether a dispatch mode of the user would see the operations that run now; True where torch does not tell."""
    return _mode_count() > 0


_mode_count: Callable[[], int] = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 1)


def hidden_from_modes() -> AbstractContextManager[Any]:
    """A context in which no dispatch mode of the user sees our own operations, where torch has such a thing."""
    return getattr(torch._C, "_DisableTorchDispatch", nullcontext)()


# --- The engine's entry
#
# Wrapped once for all recordings that are open, so that they may end in any order, and given back when the last one ends. A call goes
# through the recordings of its own thread, innermost first; a thread that records nothing passes straight through.

_watchers: dict[int, list[Callable[..., Any]]] = {}
_watchers_lock = threading.Lock()


@contextmanager
def engine_entry(around: Callable[..., Any]) -> Iterator[None]:
    """While this is open, every ``backward()`` and ``grad()`` of this thread goes through ``around(real, *args, **kwargs)``.

    Raises `TraceError` where torch has no such place; nothing is recorded then, rather than something wrong.
    """
    thread = threading.get_ident()
    with _watchers_lock:
        if not _watchers:
            _wrap_engine()
        _watchers.setdefault(thread, []).append(around)
    try:
        yield
    finally:
        with _watchers_lock:
            _watchers[thread].remove(around)
            if not _watchers[thread]:
                del _watchers[thread]
            if not _watchers:
                torch.autograd._engine_run_backward = _real_engine[0]  # type: ignore[attr-defined]


_real_engine: list[Any] = [None]


def _after_fork() -> None:
    """A forked process has one thread: recordings of the others are not its own."""
    global _watchers_lock
    _watchers_lock = threading.Lock()
    for thread in [thread for thread in _watchers if thread != threading.get_ident()]:
        del _watchers[thread]
    if not _watchers and _real_engine[0] is not None:
        torch.autograd._engine_run_backward = _real_engine[0]  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _wrap_engine() -> None:
    real = getattr(torch.autograd, "_engine_run_backward", None)
    if real is None:
        raise TraceError("this version of torch has no torch.autograd._engine_run_backward, through which record() watches backward()")
    _real_engine[0] = real

    def entry(*args: Any, **kwargs: Any) -> Any:
        call = real
        for around in _watchers.get(threading.get_ident(), ()):
            call = partial(around, call)
        return call(*args, **kwargs)

    torch.autograd._engine_run_backward = entry  # type: ignore[attr-defined]


def is_own_kind(tensor: Tensor) -> bool:
    """Whether this is a plain tensor whose elements can be read."""
    return type(tensor) in (Tensor, torch.nn.Parameter) and not tensor.is_meta


Frame = FrameType
