"""Hooks that the user hangs on saved tensors by hand -> how often that was done, for a torch that does not say which
of them have any.

The call is ``grad_fn._raw_saved_x.register_hooks(…)``; hooks that are open for all that is saved meanwhile, as `Tape`
sees them, need no such care.
"""

from __future__ import annotations

import threading
from typing import Any

from graphviz_ad._internal.tracing.tape.torch_private import SAVED_TENSOR, TELLS_HOOKS

REGISTER = "register_hooks"
_seen = [0]
_open: set[int] = set()  # identities of those that are open
_real: list[Any] = [None]  # None: it is in its place
_lock = threading.RLock()  # what the garbage collector ends may come in while its own thread holds it


def registered() -> int:
    """How many hooks were hung on saved tensors by hand, in this process, while anything was recorded."""
    return _seen[0]


class Noted:
    """While this is open, such calls are counted; where torch tells of hooks by itself, nothing is done."""

    def __enter__(self) -> None:
        """Count from here on."""
        if not TELLS_HOOKS and hasattr(SAVED_TENSOR, REGISTER):
            with _lock:
                _open.add(id(self))
                if _real[0] is None:
                    _wrap(getattr(SAVED_TENSOR, REGISTER))

    def __exit__(self, *error: object) -> None:
        """Give torch its own back with the last recording that ends; bears being run twice."""
        with _lock:
            _open.discard(id(self))
            if not _open and _real[0] is not None:
                setattr(SAVED_TENSOR, REGISTER, _real[0])
                _real[0] = None


def _wrap(real: Any) -> None:
    def register_hooks(*args: Any, **kwargs: Any) -> Any:
        _seen[0] += 1
        return real(*args, **kwargs)

    _real[0] = real
    setattr(SAVED_TENSOR, REGISTER, register_hooks)
