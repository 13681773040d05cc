"""Many small records -> no pause for garbage: Python's cyclic collector rests while we build them.

Half of the time that a graph of ten thousand operations takes would go into looking through everything that lives,
torch's own hundreds of thousands of objects included, only because so many records that are no garbage appear at once.
What others collect meanwhile waits; nothing rests while code of the user runs forward. As soon as nobody here builds
any more, the collector is as it was, and what was built counts as old: it is no garbage, and looking for some among it
would take as long as a tenth of the building.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_builders: dict[object, int] = {}  # each with its thread
_was_enabled = True


@contextmanager
def at_rest() -> Iterator[None]:
    """While this is open, in whatever threads, the collector rests."""
    global _was_enabled
    builder = object()
    try:
        with _lock:
            if not _builders:
                _was_enabled = gc.isenabled()
            _builders[builder] = threading.get_ident()
            gc.disable()
        yield
    finally:
        try:
            _leave(builder)
        except BaseException:  # an interrupt may come anywhere
            _leave(builder)
            raise


def _leave(builder: object) -> None:
    """The collector as it was, if nobody else builds; bears being run twice, or by one who never began."""
    with _lock:
        if _was_enabled and list(_builders) == [builder]:
            _grow_old()
            gc.enable()
        _builders.pop(builder, None)


def _grow_old() -> None:
    """Put all that is young among the old, which are looked through seldom; not where somebody keeps things frozen,
    which would thaw.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


def _after_fork() -> None:
    """A forked process has one thread: what the others build, they build elsewhere."""
    global _lock
    _lock = threading.Lock()
    here = threading.get_ident()
    for builder in [builder for builder, thread in _builders.items() if thread != here]:
        _leave(builder)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
