"""A call -> how much work it was: the lines of Python that ran, the same on a quick machine and on a busy one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(call: Callable[[], Any]) -> int:
    """How many lines ran in this thread until the call returned; each turn of a comprehension is one, too."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def growth(call: Callable[[int], Any], small: int, large: int) -> float:
    """How many times the work grows with the size: 2 from 100 to 200 where it is linear, 4 where it is quadratic."""
    call(small)  # what is made once a process is made by now
    return lines_run(lambda: call(large)) / lines_run(lambda: call(small))
