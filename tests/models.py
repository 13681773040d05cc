"""Every model of the tests with an input, and a few whose parameters are hard to tell: many unused, tied, frozen,
oddly named.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

TESTS = Path(__file__).parent
Model = Callable[[], tuple[Any, ...]]  # the model and what it is called with


class Idle(nn.Module):
    """Six parameters that nothing reads, of which one is frozen, and one that something does."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Parameter(torch.ones(2))
        for i in range(6):
            setattr(self, f"idle{i}", nn.Parameter(torch.ones(1), requires_grad=i != 5))

    def forward(self, x: Tensor) -> Tensor:
        return (self.used * x).sum()


class ManyTied(nn.Module):
    """Seven layers that are one, so that twelve names are second names; and two more of which nothing is read."""

    def __init__(self) -> None:
        super().__init__()
        layer, idle = nn.Linear(2, 2), nn.Linear(1, 1)
        self.layers = nn.ModuleList([layer] * 7)
        self.idle, self.same = idle, idle

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x.sum()


class Named(nn.Module):
    """A parameter for each of these names; every second one is read."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        for name in names:
            self.register_parameter(name, nn.Parameter(torch.ones(1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *list(self.parameters())[::2]]).sum()


ODD_NAMES = (
    "a, b",
    "a",
    "b",
    "rock and roll",
    "rock",
    'it\'s: "so"',
    "x and 3 more",
    "n1",
    "n0",
    "v1",
    "No operation read this parameter: a",
    "e = mc²",
    "9",
)
OWN: dict[str, Model] = {
    "idle": lambda: (Idle(), torch.ones(2)),
    "many tied": lambda: (ManyTied(), torch.ones(2)),
    "odd names": lambda: (Named(ODD_NAMES), torch.ones(1)),
    "lazy": lambda: (nn.Sequential(nn.LazyLinear(2), nn.ReLU()), torch.ones(1, 3)),
    "transformer": lambda: (nn.TransformerEncoderLayer(4, 2, 8, 0.0), torch.ones(2, 1, 4)),
}
# File and class -> what it is called with.
INPUTS: dict[tuple[str, str], Callable[[], tuple[Any, ...]]] = {
    ("graph/test_transforms.py", "Attention"): lambda: (torch.ones(2, 4),),
    ("graph/test_transforms.py", "Layer"): lambda: (torch.ones(2, 4),),
    ("graph/test_transforms.py", "Network"): lambda: (torch.ones(2, 3),),
    ("graph/test_transforms.py", "Both"): lambda: (torch.ones(2, requires_grad=True),),
    ("graph/test_fold_tree.py", "Block"): lambda: (torch.ones(2, 4),),
    ("graph/test_fold_tree.py", "Tower"): lambda: (torch.ones(2, 3),),
    ("graph/test_patterns.py", "Stem"): lambda: (torch.ones(2, 1, 4, 4),),
    ("graph/test_transforms.py", "UsesBoth"): lambda: (torch.ones(2, requires_grad=True),),
    ("graph/test_fold_tree.py", "Scanning"): lambda: (torch.ones(2, 3),),
    ("graph/test_fold_tree.py", "Stages"): lambda: (torch.ones(2, 4),),
    ("scene/test_several_results.py", "Prepared"): lambda: (torch.ones(3),),
    ("scene/test_folded_words.py", "TwoLosses"): lambda: (torch.ones(2, 4), torch.ones(2, 4)),
    ("explain/test_path_picture.py", "Stack"): lambda: (torch.ones(1, 2),),
    ("tracing/test_tracing.py", "Block"): lambda: (torch.ones(1, 2),),
    ("tracing/test_tracing.py", "Outer"): lambda: (torch.ones(1, 2),),
    ("tracing/test_returned_names.py", "Block"): lambda: (torch.ones(1, 2),),
    ("tracing/test_graphs_made_late.py", "Network"): lambda: (torch.ones(4, 3),),
    ("tracing/test_no_trace_left.py", "Network"): lambda: (torch.ones(4, 3),),
    ("tracing/test_no_trace_left.py", "Sequence"): lambda: (torch.ones(3, 2, 4),),
    ("tracing/test_no_trace_left.py", "Convolution"): lambda: (torch.ones(2, 4, 4),),
    ("explain/test_reasons.py", "Added"): lambda: (torch.ones(2, 2),),
    ("explain/test_reasons.py", "Tied"): lambda: (torch.tensor([1, 2]),),
    ("small_programs.py", "TwoLayers"): lambda: (torch.ones(2),),
    ("tracing/test_returned_names.py", "Coder"): lambda: (torch.ones(1, 4),),
    ("tracing/test_returned_names.py", "Generator"): lambda: (torch.ones(1, 2),),
    ("api/test_fit.py", "Net"): lambda: (torch.ones(2),),
    ("check/test_target_check.py", "Network"): lambda: (torch.ones(2, 64),),
    ("check/test_target_check.py", "Noisy"): lambda: (torch.ones(2, 3),),
    ("tracing/test_operations_as_they_ran.py", "Holding"): lambda: (
        torch.ones(4, 4, requires_grad=True),
        torch.ones(4, 4),
    ),
    ("tracing/test_operations_as_they_ran.py", "Layered"): lambda: (torch.ones(4, 4), torch.ones(4, 4)),
    ("rank_faults.py", "Branches"): lambda: (torch.ones(2, 3),),
    ("ranks_program.py", "Hidden"): lambda: (torch.ones(3, dtype=torch.float64),),
    ("ranks_program.py", "PartlyUsed"): lambda: (torch.ones(2, dtype=torch.float64),),
    ("tracing/test_stand_ins.py", "Swapping"): lambda: (torch.ones(2),),
    ("tracing/test_what_goes_in.py", "TopK"): lambda: (torch.ones(5, requires_grad=True), 2),
}


# what is not looked for here: these have tests of their own that go through all of their models
ELSEWHERE = (Path(__file__), TESTS / "real_modules.py", TESTS / "training_programs.py", TESTS / "training_steps.py")


@cache
def module_of(file: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"models_of_{Path(file).stem}", TESTS / file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model_of(file: str, name: str) -> Model:
    return lambda: (getattr(module_of(file), name)(), *INPUTS[file, name]())


def wants_arguments(made: ast.ClassDef) -> bool:
    """Whether a class is made of something that has no default."""
    inits = [part.args for part in made.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    return any(len(args.args) - 1 > len(args.defaults) for args in inits)


def classes() -> set[tuple[str, str]]:
    """File and name of every class of the tests, but for this file and for real ones, that is a module and is made of
    nothing.
    """
    found = set()
    for path in TESTS.rglob("*.py"):
        for node in (
            ast.parse(path.read_text("utf-8")).body if path not in ELSEWHERE and path.parent.name != "corpus" else ()
        ):
            if (
                isinstance(node, ast.ClassDef)
                and any(ast.unparse(base) in ("nn.Module", "torch.nn.Module") for base in node.bases)
                and not wants_arguments(node)
            ):
                found.add((path.relative_to(TESTS).as_posix(), node.name))
    return found


EVERY_MODEL: dict[str, Model] = {**OWN, **{f"{Path(file).stem} {name}": model_of(file, name) for file, name in INPUTS}}
