"""What courses differentiate, with their own inputs and sizes: every element and every gradient can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import graphviz_ad as gad
from graphviz_ad._internal.maths.number_format import short_number, without_signs_of_zeros, written_with
from graphviz_ad._internal.scene.scene import Line, Scene


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def dot(x: Tensor) -> Tensor:
    y = 2 * torch.dot(x, x)
    return y


def sum_of_squares(x: Tensor) -> Tensor:
    y = x * x
    return y.sum()


def with_detached(x: Tensor) -> Tensor:
    y = x * x
    u = y.detach()
    z = u * x
    return z.sum()


def logits(x: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Tensor:
    z = torch.matmul(x, w) + b
    loss = functional.binary_cross_entropy_with_logits(z, y)
    return loss


def four_matrices(a: Tensor, w1: Tensor, w2: Tensor, w3: Tensor, w4: Tensor) -> Tensor:
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = (10 - d).sum()
    return L


def sines(XY: Tensor) -> Tensor:
    return torch.sin(XY[:, 0]) + torch.sin(XY[:, 1])


PROGRAMS: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "2 xᵀx of 4": (dot, (torch.arange(4.0).requires_grad_(),)),
    "x² of 4": (sum_of_squares, (torch.arange(4.0).requires_grad_(),)),
    "detached": (with_detached, (torch.arange(4.0).requires_grad_(),)),
    "5 by 3 weights": (logits, (torch.ones(5), torch.zeros(3), random(5, 3), random(3, seed=1))),
    "five 3 by 3 matrices": (four_matrices, tuple(random(3, 3, seed=i) for i in range(5))),
    "sine of 10": (torch.sin, (random(10),)),
    "tanh of 10": (torch.tanh, (random(10),)),
    "10 by 2 points": (sines, (random(10, 2),)),
}


def numbers_of(lines: tuple[Line, ...], role: str) -> list[str]:
    """What the cells of a grid say, or the numbers of a text."""
    found: list[str] = []
    for line in lines:
        if line.role == role and line.grid is not None:
            found += [text for row in line.grid.rows for text in row]
        elif line.role == role:
            found += line.text.replace("[", " ").replace("]", " ").replace(",", " ").split()
    return found


def digits_of(scene: Scene) -> int:
    """With how many digits numbers are written."""
    said = " ".join(scene.notes)
    return next((n for n in (2, 3) if f"all but {n} digits" in said), 4)


@pytest.mark.parametrize("fit", [None, "slide"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_element_and_every_gradient_can_be_read(name: str, fit: Any) -> None:
    program, args = PROGRAMS[name]
    for arg in args:
        arg.grad = None
    returned = program(*args)
    returned.backward(torch.ones_like(returned))  # type: ignore[no-untyped-call]
    leaves = dict(enumerate(args))
    graph = gad.trace(program, *(arg.detach().clone().requires_grad_(arg.requires_grad) for arg in args))
    scene = graph.plot(fit=fit).scene
    boxes = {box.key: box for box in scene.boxes if box.kind != "copy"}
    with written_with(digits_of(scene)):
        for i, leaf in leaves.items():
            box = boxes[f"n{i}"]
            values = [short_number(x) for x in leaf.detach().reshape(-1).tolist()]
            assert set(values) <= set(numbers_of(box.lines, "value"))
            if leaf.grad is not None:
                with without_signs_of_zeros():
                    gradients = [short_number(x) for x in leaf.grad.reshape(-1).tolist()]
                assert set(gradients) <= set(numbers_of(box.lines, "gradient"))
    assert np.isfinite([box.width for box in scene.boxes]).all()
