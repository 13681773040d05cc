"""Many small records -> no pause for garbage: Python's cyclic collector rests while we build them.

Half of the time that a graph of ten thousand operations takes would go into looking through everything that lives, torch's own hundreds of
thousands of objects included, only because so many records that are no garbage appear at once. What others collect meanwhile
waits; nothing rests while code of the user runs forward. As soon as nobody here builds any more, the collector is as it was.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_builders = 0
_was_enabled = True


@contextmanager
def at_rest() -> Iterator[None]:
    """While this is open, in whatever threads, the collector rests."""
    global _builders, _was_enabled
    with _lock:
        if not _builders:
            _was_enabled = gc.isenabled()
            gc.disable()
        _builders += 1
    try:
        yield
    finally:
        with _lock:
            _builders -= 1
            if not _builders and _was_enabled:
                gc.enable()
