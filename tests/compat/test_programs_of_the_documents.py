"""The code of lecture notes and notebooks written for other tools, after one changed import."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import graphviz
import pytest
from architectures import resnet18

import graphviz_ad as gad
import graphviz_ad.compat

TORCHVIZ = """
import torch
from graphviz_ad.compat import make_dot
x1 = torch.tensor(1.5, requires_grad=True)
x2 = torch.tensor(0.5, requires_grad=True)
c = torch.tensor(1., requires_grad=True)
y=(torch.sin(x2)+c)/(x2+torch.exp(x1))+x1*x2
y.backward()
shown = make_dot(y, {'x1': x1, 'x2':x2, 'c': c})
"""
RESNET = """
import torch
from graphviz_ad.compat import make_dot
import torchvision.models as models
resnet18 = models.resnet18()
x = torch.zeros(1, 3, 224, 224, dtype=torch.float, requires_grad=False)
out = resnet18(x)
shown = make_dot(out)
"""
HIDDENLAYER = """
import torch
import graphviz_ad.compat as hl
import torchvision.models as models
resnet18 = models.resnet18()
x = torch.zeros(1, 3, 224, 224, dtype=torch.float, requires_grad=False)

transforms = [ hl.transforms.Prune('Constant') ]
graph = hl.build_graph(resnet18, x, transforms=transforms)
graph.theme = hl.graph.THEMES['blue'].copy()
shown = graph
"""
DETACH = """
import torch
from graphviz_ad.compat import make_dot
x=torch.ones(2, requires_grad=True)
y=2*x
z=3+x{}
r=(y+z).sum()
shown = make_dot(r)
"""
ANI_TORCH = r"""
import torch
from graphviz_ad.compat import TorchGraph, trackable_function

@trackable_function
class Sigmoid(torch.autograd.Function):
    name = r"$\sigma$"

    @staticmethod
    def forward(ctx, x):
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        y, = ctx.saved_tensors
        return y * (1 - y) * grad_output

sigmoid = Sigmoid.apply

def func_sigmoid(x):
    y = sigmoid(x)
    return y

graph = TorchGraph(func_sigmoid, [2])
shown = graph.plot(with_all=True)
film = graph.animate(direction="backward")
"""


@pytest.fixture(autouse=True)
def torchvision_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ResNet-18 that torchvision has, without torchvision."""
    models: Any = ModuleType("torchvision.models")
    models.resnet18 = lambda: resnet18()[0]
    whole: Any = ModuleType("torchvision")
    whole.models = models
    monkeypatch.setitem(sys.modules, "torchvision", whole)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def run(code: str) -> SimpleNamespace:
    names: dict[str, Any] = {"__name__": "notebook"}
    exec(compile(code, "notebook", "exec"), names)
    return SimpleNamespace(**names)


def test_torchviz_on_a_formula() -> None:
    done = run(TORCHVIZ)
    assert isinstance(done.shown, graphviz.Digraph)
    for name in ("x1", "x2", "c", "SinBackward", "DivBackward", "MulBackward", "ExpBackward"):
        assert name in done.shown.source
    assert float(done.x1.grad) == pytest.approx(0.2328, abs=5e-5)


def test_torchviz_on_resnet_18() -> None:
    source = run(RESNET).shown.source
    boxes = [line for line in source.splitlines() if "->" not in line]
    for name in ("ConvolutionBackward0", "NativeBatchNormBackward0"):
        assert sum(name in line for line in boxes) == 20


def test_hiddenlayer_on_resnet_18_unfolded_is_one_slide_with_letters_of_14_pixels() -> None:
    graph = run(HIDDENLAYER).shown
    operations = [node.op for node in graph.nodes.values()]
    assert (len(operations), operations.count("Conv"), operations.count("Add")) == (69, 20, 8)
    picture = graph.picture()
    assert "#BCD6FC" in picture.to_svg()
    assert (picture.canvas.width, picture.canvas.height) == (960, 540)
    sizes = [mark.size * 720 / 540 for mark in picture.canvas.marks if hasattr(mark, "text")]
    assert min(sizes) >= 13.99


@pytest.mark.parametrize(("cut", "ways"), [("", 2), (".detach()", 1), (".data", 1)])
def test_torchviz_on_what_is_detached(cut: str, ways: int) -> None:
    source = run(DETACH.format(cut)).shown.source
    arrows = [line for line in source.splitlines() if "->" in line]
    leaf = next(line.split(" ", 1)[0] for line in source.splitlines() if "->" not in line and "AccumulateGrad" in line)
    assert sum(line.startswith(f"{leaf} -> ") for line in arrows) == ways


def test_ani_torch_on_a_function_of_ones_own() -> None:
    done = run(ANI_TORCH)
    assert isinstance(done.shown, gad.Picture)
    assert "σ" in done.shown.to_svg()
    assert done.film.steps
