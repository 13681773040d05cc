"""Programs that compile -> the same, run as they are written: only then does an operation have its line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import wraps
from typing import Any

import torch


class AsWritten:
    """What is found out while a program runs: whether it compiled anything that ran as it is written instead."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.compiles = False


@contextlib.contextmanager
def run_as_written() -> Iterator[AsWritten]:
    """While this is open, what `torch.compile` makes of a function is that function; nothing is loaded for programs
    that compile nothing.
    """
    found, compiling = AsWritten(), torch.compile
    stance = getattr(torch.compiler, "set_stance", None)
    if stance is None:
        yield found
        return
    with contextlib.ExitStack() as stances:

        @wraps(compiling)
        def noted(*arguments: Any, **settings: Any) -> Any:
            if not found.compiles:
                found.compiles = True
                stances.enter_context(stance("force_eager"))
            return compiling(*arguments, **settings)

        torch.compile = noted
        try:
            yield found
        finally:
            torch.compile = compiling
