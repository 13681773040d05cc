"""Two steps of SGD with momentum as an animation that a lecturer writes by hand with matplotlib: the numbers come from
torch, the parabola, the arrows and the words from the lecturer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes

RATE, MOMENTUM = 0.1, 0.9
BLUE, RED, GREEN = "#1f4e9c", "#b3261e", "#1c7c3c"


@dataclass(frozen=True)
class Moment:
    """Where the parameter is, its gradient and its velocity, where it goes, and what the lecturer writes."""

    w: float
    grad: float
    velocity: float | None
    then: float | None
    words: str


def loss_of(w: float) -> float:
    """The loss of the lesson."""
    return (2 * w - 6) ** 2


def moments() -> list[Moment]:
    """The course of the animation, computed by torch."""
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=RATE, momentum=MOMENTUM)
    found = []
    for _ in range(2):
        optimizer.zero_grad()
        ((2 * w - 6) ** 2).backward()
        assert w.grad is not None
        old, grad = w.item(), w.grad.item()
        optimizer.step()
        velocity = optimizer.state[w]["momentum_buffer"].item()
        found.append(Moment(old, grad, None, None, f"gradient: {grad:.3g}"))
        words = f"v = 0.9 v + g = {velocity:.3g},  w = w - 0.1 v = {w.item():.3g}"
        found.append(Moment(old, grad, velocity, w.item(), words))
    return found


def draw(axes: Axes, moment: Moment) -> None:
    """A frame of the animation."""
    at = np.linspace(-0.5, 6.5, 200)
    axes.plot(at, (2 * at - 6) ** 2, color="#888888", linewidth=2)
    axes.plot([moment.w], [loss_of(moment.w)], "o", color=BLUE, markersize=12)
    axes.annotate("", (moment.w - moment.grad * 0.05, loss_of(moment.w)), (moment.w, loss_of(moment.w)),
                  arrowprops={"arrowstyle": "-|>", "color": RED, "linewidth": 2})  # fmt: skip
    if moment.then is not None:
        axes.annotate("", (moment.then, loss_of(moment.then)), (moment.w, loss_of(moment.w)),
                      arrowprops={"arrowstyle": "-|>", "color": GREEN, "linewidth": 2.5})  # fmt: skip
    axes.set(xlabel="w", ylabel="loss", xlim=(-0.5, 6.5), ylim=(-3, 45))
    axes.set_title(moment.words, fontsize=17)
