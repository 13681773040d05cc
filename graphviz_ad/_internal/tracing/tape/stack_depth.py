"""How deep a graph may be whose nodes Python has touched: releasing it recurses in C++, some 210 bytes of stack a
level.
"""

from __future__ import annotations

import threading

BYTES_A_LEVEL = 300  # measured 210, with a margin
SMALLEST_STACK = 512 * 1024


def safe_depth() -> int:
    """How many levels the stack of this thread surely holds."""
    return stack_bytes() // BYTES_A_LEVEL


def stack_bytes() -> int:
    """Size of this thread's stack, or a low guess where it cannot be told."""
    if threading.current_thread() is not threading.main_thread():
        return threading.stack_size() or SMALLEST_STACK
    try:
        import resource
    except ImportError:  # Windows: the main thread has 1 MB
        return 1 << 20
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return 8 << 20 if soft == resource.RLIM_INFINITY else soft
