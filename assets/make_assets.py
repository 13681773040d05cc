"""Write every picture of this folder, which the README shows: `make assets`. The same bytes on every run."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn

import graphviz_ad as gad

HERE = Path(__file__).parent


def f(x1, x2):
    """The function on top of the README."""
    return (1 + torch.sin(x2)) / (x2 + torch.exp(x1)) + x1 * x2


def example(a, b):
    """The function of the film: b is used twice, so that its gradient is a sum."""
    c = a + b
    d = b + 1
    e = c * d
    return e


def marks(x, w, target):
    """A function whose picture has every mark that the README explains."""
    frozen = x.detach()
    guess = w * x + frozen
    error = guess - target
    return error * error


class Block(nn.Module):
    """Two convolutions with a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        """The input, and what the convolutions add to it."""
        hidden = torch.relu(self.conv1(x))
        return torch.relu(self.conv2(hidden) + x)


class Net(nn.Module):
    """A small residual network."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
        self.block1 = Block(16)
        self.block2 = Block(16)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

    def forward(self, image):
        """Ten scores for each image."""
        x = self.stem(image)
        x = self.block1(x)
        x = self.block2(x)
        return self.head(x)


def network() -> gad.Graph:
    """One training step of the small network."""
    generator = torch.Generator().manual_seed(0)
    net = Net()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    image = torch.randn(4, 3, 32, 32, generator=generator)
    label = torch.tensor([3, 1, 4, 1])

    def training_step(image, label):
        scores = net(image)
        loss = nn.functional.cross_entropy(scores, label)
        return loss

    return gad.trace(training_step, image, label)


def make(folder: Path = HERE) -> list[Path]:
    """Write the pictures into a folder; returns their paths."""
    function = gad.trace(f, 1.5, 0.5)
    return [
        function.save(folder / "function.svg", theme="auto"),
        function.save(folder / "function.png"),
        gad.trace(example, 2, 1).save(folder / "film.gif"),
        gad.trace(marks, 3, 2, torch.tensor(7.0, dtype=torch.float64)).save(folder / "marks.svg", theme="auto"),
        network().save(folder / "network.svg", theme="auto", depth=2, direction="LR"),
    ]


if __name__ == "__main__":
    for path in make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE):
        print(f"{path} {path.stat().st_size / 1000:.0f} kB")
