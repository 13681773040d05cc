"""Ten architectures that lectures draw, each as small as it can be without looking like another, with an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class Program(nn.Module):
    """Modules, and a function of them that is run as their forward."""

    def __init__(self, run: Callable[..., Any], **modules: nn.Module) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.run = run

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self, *args, **kwargs)


Made = tuple[nn.Module, tuple[Tensor, ...]]


def shallow() -> Made:
    return nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)), (torch.rand(1, 3),)


def deep() -> Made:
    return nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4), nn.Linear(4, 2)), (torch.rand(1, 3),)


def lenet() -> Made:
    made = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )
    return made, (torch.rand(1, 1, 32, 32),)


def alexnet() -> Made:
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(), nn.Linear(9216, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 512), nn.ReLU(),
        nn.Linear(512, 1000),
    )  # fmt: skip
    run = lambda net, x: net.classifier(torch.flatten(net.features(x), 1))  # noqa: E731
    return Program(run, features=features, classifier=classifier), (torch.rand(1, 3, 224, 224),)


def residual_block(net: Program, x: Tensor) -> Tensor:
    y = torch.relu(net.bn1(net.conv1(x)))
    y = net.bn2(net.conv2(y))
    return torch.relu(y + (net.down(x) if hasattr(net, "down") else x))


def block(wide: int, made: int, step: int) -> nn.Module:
    down = {"down": nn.Sequential(nn.Conv2d(wide, made, 1, step, bias=False), nn.BatchNorm2d(made))}
    return Program(
        residual_block,
        conv1=nn.Conv2d(wide, made, 3, step, 1, bias=False),
        bn1=nn.BatchNorm2d(made),
        conv2=nn.Conv2d(made, made, 3, 1, 1, bias=False),
        bn2=nn.BatchNorm2d(made),
        **(down if step != 1 or wide != made else {}),
    )


def resnet18() -> Made:
    wide = [64, 64, 128, 256, 512]
    stages = {
        f"layer{i}": nn.Sequential(block(wide[i - 1], wide[i], 1 if i == 1 else 2), block(wide[i], wide[i], 1))
        for i in range(1, 5)
    }

    def run(net: Program, x: Tensor) -> Tensor:
        x = net.maxpool(torch.relu(net.bn1(net.conv1(x))))
        for name in stages:
            x = getattr(net, name)(x)
        return net.fc(torch.flatten(net.avgpool(x), 1))

    stem = {"conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False), "bn1": nn.BatchNorm2d(64), "maxpool": nn.MaxPool2d(3, 2, 1)}
    made = Program(run, **stem, **stages, avgpool=nn.AdaptiveAvgPool2d(1), fc=nn.Linear(512, 1000))
    return made, (torch.rand(1, 3, 224, 224),)


def twice(wide: int, made: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(wide, made, 3, padding=1), nn.ReLU(), nn.Conv2d(made, made, 3, padding=1), nn.ReLU())


def unet() -> Made:
    def run(net: Program, x: Tensor) -> Tensor:
        a = net.down1(x)
        b = net.down2(net.pool(a))
        c = net.bottom(net.pool(b))
        b = net.right2(torch.cat([b, net.up2(c)], 1))
        return net.head(net.right1(torch.cat([a, net.up1(b)], 1)))

    made = Program(
        run,
        down1=twice(1, 16), down2=twice(16, 32), pool=nn.MaxPool2d(2), bottom=twice(32, 64),
        up2=nn.ConvTranspose2d(64, 32, 2, 2), right2=twice(64, 32),
        up1=nn.ConvTranspose2d(32, 16, 2, 2), right1=twice(32, 16), head=nn.Conv2d(16, 2, 1),
    )  # fmt: skip
    return made, (torch.rand(1, 1, 64, 64),)


def transformer_block() -> Made:
    return nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True), (torch.rand(1, 10, 64),)


def lstm() -> Made:
    run = lambda net, x: net.head(net.lstm(net.embed(x))[0][:, -1])  # noqa: E731
    made = Program(run, embed=nn.Embedding(1000, 32), lstm=nn.LSTM(32, 64, batch_first=True), head=nn.Linear(64, 5))
    return made, (torch.randint(0, 1000, (1, 12)),)


def autoencoder() -> Made:
    encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 8))
    decoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784))
    return Program(lambda net, x: net.decoder(net.encoder(x)), encoder=encoder, decoder=decoder), (torch.rand(1, 784),)


def experts() -> Made:
    def run(net: Program, x: Tensor) -> Tensor:
        gates = torch.softmax(net.gate(x), -1)
        answers = torch.stack([getattr(net, f"expert{i}")(x) for i in range(3)], -1)
        return net.head((answers * gates.unsqueeze(1)).sum(-1))

    each = {f"expert{i}": nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)) for i in range(3)}
    return Program(run, gate=nn.Linear(8, 3), **each, head=nn.Linear(8, 4)), (torch.rand(1, 8),)


ARCHITECTURES: dict[str, Callable[[], Made]] = {
    each.__name__: each
    for each in (
        shallow, deep, lenet, alexnet, resnet18, unet, transformer_block, lstm, autoencoder, experts,
    )
}  # fmt: skip
