"""Figures of architectures that lecture notes have from other tools, each made of a real model by one call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from graphviz_ad._internal.api.api import trace
from graphviz_ad._internal.api.diagram import diagram
from graphviz_ad._internal.compat import layer_transforms
from graphviz_ad._internal.compat.layer_building import build_graph
from graphviz_ad._internal.teaching.examples import figure
from graphviz_ad._internal.teaching.known_networks import lenet5, resnet18
from graphviz_ad._internal.teaching.program_runs import torch

hl = SimpleNamespace(build_graph=build_graph, transforms=layer_transforms)  # graphviz_ad.compat


@figure("Shallow beside deep", "after figures made with NN-SVG")
def shallow_and_deep() -> Any:
    """A shallow model has one hidden layer, a deep one two or more. Lines are the real weights, on one scale; in the
    film the activations run through both, and the gradients come back.
    """
    D_in, H, H1, H2, D_out = 3, 5, 5, 4, 2
    shallow = torch.nn.Sequential(torch.nn.Linear(D_in, H), torch.nn.Linear(H, D_out))
    deep = torch.nn.Sequential(torch.nn.Linear(D_in, H1), torch.nn.Linear(H1, H2), torch.nn.Linear(H2, D_out))
    picture = diagram({"shallow": shallow, "deep": deep}, torch.rand(1, D_in), style="neurons")
    return picture


@figure("LeNet-5 in perspective", "after figures made with NN-SVG and PlotNeuralNet")
def lenet() -> Any:
    """Solids are as high, deep and wide as what comes out has rows, columns and channels: images get smaller, and there
    are more of them. The small windows are the kernels.
    """
    model = lenet5()
    picture = diagram({"LeNet-5": model}, torch.rand(1, 1, 32, 32), style="blocks")
    return picture


@figure("ResNet-18, all of it on one slide", "after a figure made with HiddenLayer")
def resnet18_layers() -> Any:
    """69 operations, not folded: each box is a layer, where two arrows meet what went around a block is added. One
    changed import, and the notebook runs on today's torch.
    """
    model = resnet18()
    x = torch.zeros(1, 3, 224, 224, dtype=torch.float, requires_grad=False)
    graph = hl.build_graph(model, x, transforms=[hl.transforms.Prune("Constant")])
    picture = graph.picture()
    return picture


@figure("ResNet-18 as four stages", "after figures made with PlotNeuralNet")
def resnet18_blocks() -> Any:
    """From one stage to the next there are half as many rows and columns, and twice the channels. A pool makes one
    number of each channel, and a linear layer a thousand classes of them.
    """
    model = resnet18()
    picture = diagram({"ResNet-18": model}, torch.rand(1, 3, 224, 224), style="blocks", depth=1)
    return picture


@figure("What autograd has kept of a formula", "after a figure made with torchviz")
def torchviz_formula() -> Any:
    """The nodes have the names of autograd, and every one its value and its gradient: that of x₂ is 1.6165, through
    three paths.
    """
    y = lambda x1, x2, c: (torch.sin(x2) + c) / (x2 + torch.exp(x1)) + x1 * x2  # noqa: E731
    picture = trace(y, 1.5, 0.5, 1.0).plot(labels="autograd", fit="slide")
    return picture
