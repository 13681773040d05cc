"""Formula text -> something to trace: runs a parsed formula with torch and tells the tape the names of its results."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from graphviz_ad._internal.maths.expressions import FUNCTIONS, Program
from graphviz_ad._internal.operations.functions import function
from graphviz_ad._internal.tracing.tape.tape import current_tape


def torch_function(name: str) -> Any:
    """The torch function that a function of a formula stands for."""
    thing: Any = torch
    for part in (function(name).torch or name).split("."):
        thing = getattr(thing, part)
    return thing


class Formula:
    """A parsed formula that can be called with its inputs by name."""

    __name__ = "f"

    def __init__(self, program: Program) -> None:
        self.program = program
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in program.inputs]
        )

    def __call__(self, *args: Any, **values: Any) -> Any:
        """Run the formula."""
        given = dict(zip(self.program.inputs, args, strict=False)) | values
        tape = current_tape.get()

        def assigned(value: Any, name: str) -> None:
            if tape is not None and isinstance(value, torch.Tensor) and tape.known(value) is not None:
                tape.name(value, name)

        return self.program.run({name: torch_function(name) for name in FUNCTIONS}, given, assigned)
