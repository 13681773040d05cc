"""Hooks that the user hangs on saved tensors by hand -> how often that was done, for a torch that does not say which of them have any.

The call is ``grad_fn._raw_saved_x.register_hooks(…)``; hooks that are open for all that is saved meanwhile, as `Tape` sees them, need no such care.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphviz_ad.tracing.torch_private import SAVED_TENSOR, TELLS_HOOKS

REGISTER = "register_hooks"
_seen = [0]
_open = [0]  # recordings
_lock = threading.Lock()


def registered() -> int:
    """How many hooks were hung on saved tensors by hand, in this process, while anything was recorded."""
    return _seen[0]


@contextmanager
def noted() -> Iterator[None]:
    """While this is open, such calls are counted; where torch tells of hooks by itself, nothing is done."""
    if TELLS_HOOKS or not hasattr(SAVED_TENSOR, REGISTER):
        yield
        return
    with _lock:
        _open[0] += 1
        if _open[0] == 1:
            _wrap(getattr(SAVED_TENSOR, REGISTER))
    try:
        yield
    finally:
        with _lock:
            _open[0] -= 1
            if not _open[0]:
                setattr(SAVED_TENSOR, REGISTER, _real[0])


_real: list[Any] = [None]


def _wrap(real: Any) -> None:
    _real[0] = real

    def register_hooks(*args: Any, **kwargs: Any) -> Any:
        _seen[0] += 1
        return real(*args, **kwargs)

    setattr(SAVED_TENSOR, REGISTER, register_hooks)
