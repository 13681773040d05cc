"""Modules of torch's own, of every kind that it has, each with the shapes of what it is called with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

VECTORS, ROWS, IMAGES, VOLUMES = (3, 4), (2, 4, 6), (2, 4, 6, 6), (1, 2, 4, 4, 4)
Shapes = tuple[tuple[int, ...], ...]

MODULES: dict[str, tuple[Callable[[], nn.Module], Shapes]] = {
    "Linear": (lambda: nn.Linear(4, 2), (VECTORS,)),
    "Bilinear": (lambda: nn.Bilinear(4, 4, 2), (VECTORS, VECTORS)),
    "Conv1d": (lambda: nn.Conv1d(4, 2, 3), (ROWS,)),
    "Conv2d, strided and grouped": (lambda: nn.Conv2d(4, 4, 3, 2, 1, groups=2), (IMAGES,)),
    "Conv2d, circular": (lambda: nn.Conv2d(4, 2, 3, padding=1, padding_mode="circular"), (IMAGES,)),
    "Conv3d": (lambda: nn.Conv3d(2, 2, 2), (VOLUMES,)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 2, 2, 2), (IMAGES,)),
    "Fold": (lambda: nn.Fold((3, 3), 2), ((1, 8, 4),)),
    "Unfold": (lambda: nn.Unfold(2), (IMAGES,)),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), (IMAGES,)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), (ROWS,)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), (IMAGES,)),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(2), (ROWS,)),
    "LPPool2d": (lambda: nn.LPPool2d(2, 2), (IMAGES,)),
    "FractionalMaxPool2d": (lambda: nn.FractionalMaxPool2d(2, output_size=3), (IMAGES,)),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d(1), (IMAGES,)),
    "ZeroPad1d": (lambda: nn.ZeroPad1d(1), (ROWS,)),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (IMAGES,)),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (IMAGES,)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (VECTORS,)),
    "BatchNorm2d, evaluated": (lambda: nn.BatchNorm2d(4).eval(), (IMAGES,)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (IMAGES,)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), (IMAGES,)),
    "LayerNorm": (lambda: nn.LayerNorm(6), (ROWS,)),
    "RMSNorm": (lambda: nn.RMSNorm(6), (ROWS,)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(2), (IMAGES,)),
    "RNN": (lambda: nn.RNN(6, 3, batch_first=True), (ROWS,)),
    "GRU, both ways": (lambda: nn.GRU(6, 3, bidirectional=True), (ROWS,)),
    "LSTM, two layers and projected": (lambda: nn.LSTM(6, 3, 2, proj_size=2), (ROWS,)),
    "LSTMCell": (lambda: nn.LSTMCell(4, 3), (VECTORS,)),
    "GRUCell": (lambda: nn.GRUCell(4, 3), (VECTORS,)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(6, 2, batch_first=True), (ROWS, ROWS, ROWS)),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), (ROWS,)),
    "TransformerDecoderLayer": (lambda: nn.TransformerDecoderLayer(6, 2, 8), (ROWS, ROWS)),
    "Dropout": (lambda: nn.Dropout(0.5), (VECTORS,)),
    "AlphaDropout": (lambda: nn.AlphaDropout(0.5), (VECTORS,)),
    "ReLU in place": (lambda: nn.Sequential(nn.Linear(4, 2), nn.ReLU(inplace=True)), (VECTORS,)),
    "PReLU": (lambda: nn.PReLU(4), (VECTORS,)),
    "RReLU": (lambda: nn.RReLU(), (VECTORS,)),
    "GELU": (lambda: nn.GELU(), (VECTORS,)),
    "GLU": (lambda: nn.GLU(), (VECTORS,)),
    "Softmax": (lambda: nn.Softmax(-1), (VECTORS,)),
    "LogSigmoid": (lambda: nn.LogSigmoid(), (VECTORS,)),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), (VECTORS, VECTORS)),
    "PairwiseDistance": (lambda: nn.PairwiseDistance(), (VECTORS, VECTORS)),
    "HuberLoss": (lambda: nn.HuberLoss(), (VECTORS, VECTORS)),
    "TripletMarginLoss": (lambda: nn.TripletMarginLoss(), (VECTORS, VECTORS, VECTORS)),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), (VECTORS,)),
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), (VECTORS,)),
    "orthogonal": (lambda: nn.utils.parametrizations.orthogonal(nn.Linear(4, 4)), (VECTORS,)),
}


def made(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The module and what it is called with, the same every time."""
    torch.manual_seed(0)
    make, shapes = MODULES[name]
    return make(), tuple(torch.randn(*shape) for shape in shapes)
