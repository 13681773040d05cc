"""A call -> how often each function of ours ran in it, and who called whom."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


@dataclass(frozen=True)
class Calls:
    """``ran`` counts functions, each resumption of a generator included; ``pairs`` who called whom."""

    ran: Counter[CodeType] = field(default_factory=Counter)
    pairs: Counter[tuple[CodeType, CodeType]] = field(default_factory=Counter)

    def in_module(self, name: str) -> int:
        """How often functions of a module ran: "maths.claims"."""
        return sum(number for code, number in self.ran.items() if module_of(code) == name)

    def of(self, function: Callable[..., Any]) -> int:
        """How often one function ran."""
        return self.ran[function.__code__]


def module_of(code: CodeType) -> str:
    """ "maths.claims" for what is defined in that module; "" for what is not ours."""
    parts = Path(code.co_filename).with_suffix("").parts
    return ".".join(parts[parts.index("_internal") + 1 :]) if "_internal" in parts else ""


def counted(call: Callable[[], object]) -> Calls:
    """What runs in a call."""
    calls = Calls()

    def count(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call":
            calls.ran[frame.f_code] += 1
            if frame.f_back is not None:
                calls.pairs[frame.f_back.f_code, frame.f_code] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return calls
