"""Networks of textbooks, each made when it is asked for, so that a list of entries can be read without torch."""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.teaching.program_runs import torch

WIDTHS = 64, 128, 256, 512


def lenet5() -> Any:
    """LeNet-5, with pools as they are today."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def residual_block() -> Any:
    """The class of the blocks of a residual network: two convolutions, and a way around them."""
    nn = torch.nn

    class BasicBlock(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, wide: int, made: int, step: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(wide, made, 3, step, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(made)
            self.conv2 = nn.Conv2d(made, made, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(made)
            self.downsample = None
            if step != 1:
                self.downsample = nn.Sequential(nn.Conv2d(wide, made, 1, step, bias=False), nn.BatchNorm2d(made))

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.bn1(self.conv1(x)))
            around = x if self.downsample is None else self.downsample(x)
            return torch.relu(self.bn2(self.conv2(y)) + around)

    return BasicBlock


def resnet18() -> Any:
    """ResNet-18, with the layers, names and parameters of torchvision's."""
    nn, block = torch.nn, residual_block()

    class ResNet(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
            self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
            before = 64
            for i, made in enumerate(WIDTHS, 1):
                first = block(before, made, 1 if before == made else 2)
                setattr(self, f"layer{i}", nn.Sequential(first, block(made, made, 1)))
                before = made
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(512, 1000)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(torch.flatten(self.avgpool(x), 1))

    return ResNet()
