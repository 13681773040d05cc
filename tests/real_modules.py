"""Small modules of the kinds that people write, each with what it is called with: what every format has to take."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Made = tuple[Callable[..., Any], tuple[Any, ...]]


class ConvolutionalNetwork(nn.Module):
    """Two stages of convolution, normalisation and pooling, and a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2))
        self.layer2 = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.fc = nn.Linear(4, 3)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.fc(self.layer2(self.layer1(images)).flatten(1)), labels)


class Block(nn.Module):
    """A layer of attention, causal or not, as it is in transformers."""

    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in self.attn(self.ln_1(x)).chunk(3, -1)
        )
        mixed = F.scaled_dot_product_attention(*split, is_causal=self.causal)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.ln_2(x))


class VisionTransformer(nn.Module):
    """Patches, a class token and one block."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(1, 4, 2, 2)
        self.cls_token, self.pos_embed = nn.Parameter(torch.zeros(1, 1, 4)), nn.Parameter(torch.zeros(1, 5, 4))
        self.blocks, self.head = nn.Sequential(Block(4, 2, causal=False)), nn.Linear(4, 2)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patch_embed(image).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(image.shape[0], -1, -1), patches], 1) + self.pos_embed
        return self.head(self.blocks(tokens)[:, 0])


class LanguageModel(nn.Module):
    """A causal model whose head is its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(7, 4), nn.Embedding(5, 4)
        self.h, self.ln_f = nn.ModuleList([Block(4, 2, causal=True)]), nn.LayerNorm(4)
        self.lm_head = nn.Linear(4, 7, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return {"loss": F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())}


class Recurrent(nn.Module):
    """An LSTM that reads a sequence and says something at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(2, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        states, _ = self.lstm(sequence)
        return self.out(states[:, -1])


class CellLoop(nn.Module):
    """A GRU cell that is called step after step."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(2, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        h = torch.zeros(1, 3)
        for x in sequence:
            h = self.cell(x[None], h)
        return h.square().mean()


class EncoderDecoder(nn.Module):
    """torch's own transformer, one layer on each side."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = nn.Transformer(4, 2, 1, 1, 8, 0.0, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.transformer(source, target).square().mean()


class MixtureOfExperts(nn.Module):
    """Each token goes to the two experts that its router prefers."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(3, 3, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3)) for _ in range(3))

    def forward(self, tokens: Tensor) -> Tensor:
        weights, chosen = self.router(tokens).softmax(-1).topk(2, -1)
        mixed = torch.zeros_like(tokens)
        for number, expert in enumerate(self.experts):
            rows, places = torch.where(chosen == number)
            if len(rows):
                mixed = mixed.index_add(0, rows, weights[rows, places, None] * expert(tokens[rows]))
        return mixed


class Perceptron(nn.Module):
    """What is compiled, exported and scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(x)))


class Autoencoder(nn.Module):
    """A variational one, with a draw from a normal distribution, and two losses."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 4), nn.Linear(2, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x).chunk(2, -1)
        z = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        return F.mse_loss(self.decoder(z), x), -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()


class ManyOutputs(nn.Module):
    """Numbers, classes, masks and nothing, in a nest of containers."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.heads = nn.Linear(3, 3), nn.ModuleDict({name: nn.Linear(3, 1) for name in ("left", "right")})

    def forward(self, x: Tensor) -> dict[str, Any]:
        h = torch.relu(self.body(x))
        found = {name: head(h).squeeze(-1) for name, head in self.heads.items()}
        return {
            "found": found,
            "classes": h.argmax(-1),
            "mask": h > 0,
            "parts": [*h.unbind(-1)],
            "none": None,
            "count": 3,
        }


class Dotted(nn.Module):
    """A layer at the end of a very long name."""

    def __init__(self) -> None:
        super().__init__()
        inner: nn.Module = nn.Linear(2, 2)
        for name in (
            "the_innermost_projection_of_the_shared_feature_extractor",
            *[f"stage_{i}_of_a_deeply_nested_backbone" for i in range(9)],
        ):
            inner = Wrapped(name, inner)
        self.net = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).sum()


class Wrapped(nn.Module):
    """A module of any name in another."""

    def __init__(self, name: str, inner: nn.Module) -> None:
        super().__init__()
        self.add_module(name, inner)

    def forward(self, x: Tensor) -> Tensor:
        (inner,) = self.children()
        return inner(x) * 2


class Spelled(nn.Module):
    """Parameters with names in which some language means something else."""

    NAMES = (
        '"quoted" \\N',
        "<b>&amp;</b>",
        "λ₁ 行列 👩‍🔬",
        "]]> -->",
        "$x_1$ %d {y}",
        "tab\tline\nend",
        "\x1b[31m\x00",
        "'; --",
    )

    def __init__(self) -> None:
        super().__init__()
        for name in self.NAMES:
            self.register_parameter(name, nn.Parameter(torch.ones(2)))

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.parameters():
            x = x * weight
        return x


class Tied(nn.Module):
    """One layer that is used three times under two names, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)
        self.again = self.shared

    def forward(self, x: Tensor) -> Tensor:
        return self.shared(self.again(self.shared(x))).logsumexp(-1)


class Diffusion(nn.Module):
    """A step of denoising: sines of the time, convolution up and down, a connection across."""

    def __init__(self) -> None:
        super().__init__()
        self.time, self.down, self.up = nn.Linear(4, 2), nn.Conv1d(1, 2, 3, 2, 1), nn.ConvTranspose1d(2, 1, 4, 2, 1)

    def forward(self, noisy: Tensor, when: Tensor) -> Tensor:
        angles = when[:, None] * torch.exp(torch.arange(2) * -math.log(10000.0))
        known = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        return noisy + self.up(F.silu(self.down(noisy) + known[..., None]))


def compiled() -> Made:
    """What `torch.compile` makes of a module."""
    return torch.compile(Perceptron(), backend="eager"), (torch.randn(2, 3),)


def exported() -> Made:
    """What `torch.export` makes of a module."""
    return torch.export.export(Perceptron(), (torch.randn(2, 3),)).module(), (torch.randn(2, 3),)


def scripted() -> Made:
    """What TorchScript makes of a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's successors of it are the two above
        return torch.jit.trace(Perceptron(), (torch.randn(2, 3),)), (torch.randn(2, 3),)


MODULES: dict[str, Callable[[], Made]] = {
    "convolutional network": lambda: (ConvolutionalNetwork(), (torch.randn(2, 1, 4, 4), torch.tensor([0, 2]))),
    "vision transformer": lambda: (VisionTransformer(), (torch.randn(1, 1, 4, 4),)),
    "language model, tied": lambda: (LanguageModel(), (torch.tensor([[1, 2, 3, 4]]),)),
    "LSTM": lambda: (Recurrent(), (torch.randn(1, 3, 2),)),
    "loop of GRU cells": lambda: (CellLoop(), (torch.randn(4, 2),)),
    "encoder and decoder": lambda: (EncoderDecoder(), (torch.randn(1, 3, 4), torch.randn(1, 2, 4))),
    "mixture of experts": lambda: (MixtureOfExperts(), (torch.randn(4, 3),)),
    "variational autoencoder": lambda: (Autoencoder(), (torch.randn(2, 4),)),
    "diffusion": lambda: (Diffusion(), (torch.randn(2, 1, 8), torch.tensor([1.0, 5.0]))),
    "compiled": compiled,
    "exported": exported,
    "scripted": scripted,
    "many outputs": lambda: (ManyOutputs(), (torch.randn(2, 3),)),
    "long dotted names": lambda: (Dotted(), (torch.randn(2),)),
    "names of every language": lambda: (Spelled(), (torch.ones(2),)),
    "tied": lambda: (Tied(), (torch.randn(2, 2),)),
}
