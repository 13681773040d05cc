"""Parts -> an entry of the corpus: what each table is written with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Made(NamedTuple):
    """What is traced, and what it is called with."""

    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


Entries = dict[str, Callable[[], Made]]


class Net(nn.Module):
    """A module of these parts, whose forward is a function of the module and its inputs."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, nn.Parameter(part) if type(part) is Tensor and part.is_floating_point() else part)

    def forward(self, *inputs: Any) -> Any:
        return self.run(self, *inputs)


def made(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Made:
    return Made(target, args, kwargs)


def into(entries: Entries) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """A decorator that puts a builder into a table, by what its name says."""

    def put(builder: Callable[[], Made]) -> Callable[[], Made]:
        name = builder.__name__.strip("_").replace("_", " ")
        assert name not in entries, f"twice: {name}"
        entries[name] = builder
        return builder

    return put


def leaf(*shape: int) -> Tensor:
    """Numbers of a normal distribution that take a gradient."""
    return torch.randn(shape, requires_grad=True)


def fixed(*shape: int) -> Tensor:
    """Numbers of a normal distribution that take none."""
    return torch.randn(shape)


def small(*shape: int) -> Tensor:
    """The numbers that a parameter begins with."""
    return torch.randn(shape) / 2


def ids(*rows: list[int]) -> Tensor:
    return torch.tensor(rows)


def lin(a: int = 4, b: int = 4, bias: bool = True) -> nn.Linear:
    return nn.Linear(a, b, bias=bias)


def mlp(*widths: int, act: Callable[[], nn.Module] = nn.Tanh) -> nn.Sequential:
    """Linear layers with something between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), act()]
    return nn.Sequential(*layers[:-1])


def many(count: int, part: Callable[[], nn.Module]) -> nn.ModuleList:
    return nn.ModuleList(part() for _ in range(count))
