"""Many small records -> no pause for garbage: Python's cyclic collector rests while we build them.

Half of the time that a graph of ten thousand operations takes would go into looking through everything that lives,
torch's own hundreds of thousands of objects included, only because so many records that are no garbage appear at once.
What others collect meanwhile waits; nothing rests while code of the user runs forward. As soon as nobody here builds
any more, the collector is as it was.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_builders: set[object] = set()
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
            _builders.add(builder)
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
        if _was_enabled and _builders == {builder}:
            gc.enable()
        _builders.discard(builder)
