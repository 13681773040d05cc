"""Classics of networks: neurons, layers and losses of textbooks and videos, with their gradients."""

from __future__ import annotations

from typing import Any

from graphviz_ad._internal.teaching.examples import OWN, classic
from graphviz_ad._internal.teaching.program_runs import torch

NIELSEN = "M. Nielsen: Neural Networks and Deep Learning, 2015, chapter 3"
GOODFELLOW = "Goodfellow, Bengio, Courville: Deep Learning, 2016, section 6.5"


@classic(
    "A neuron that learns",
    NIELSEN,
    values={"z": 1.5, "a": 0.8175744761936437, "C": 0.3342140120616554},
    grads={"w": 0.12193833242754276, "b": 0.12193833242754276, "a": 0.8175744761936437, "z": 0.12193833242754276},
    w=0.6,
    b=0.9,
)
def nielsen_neuron(w: Any, b: Any) -> Any:
    """For the input 1 the neuron should say 0, and says 0.82. The gradient 0.12 tells both w and b to go down."""
    z = w + b
    a = torch.sigmoid(z)
    C = a**2 / 2
    return C


@classic(
    "The same neuron, badly wrong, learns slowly",
    NIELSEN,
    values={"z": 4, "a": 0.9820137900379085, "C": 0.48217554191230866},
    grads={"w": 0.017345021070840124, "b": 0.017345021070840124, "z": 0.017345021070840124},
    w=2,
    b=2,
)
def nielsen_saturated(w: Any, b: Any) -> Any:
    """It is more wrong than before, 0.98 in place of 0, and the gradient is seven times smaller: σ is flat there,
    with a slope of 0.018.
    """
    z = w + b
    a = torch.sigmoid(z)
    C = a**2 / 2
    return C


@classic(
    "Cross-entropy sets it free",
    NIELSEN,
    values={"a": 0.9820137900379085, "C": 4.0181499279178094},
    grads={"w": 0.9820137900379085, "b": 0.9820137900379085, "z": 0.9820137900379085},
    w=2,
    b=2,
)
def nielsen_cross_entropy(w: Any, b: Any) -> Any:
    """The steep loss and the flat σ cancel: 55.6 × 0.0177 = 0.98, the error itself. The more wrong, the faster it
    learns.
    """
    z = w + b
    a = torch.sigmoid(z)
    C = -torch.log(1 - a)
    return C


@classic(
    "One function, applied three times",
    f"{GOODFELLOW}, figure 6.9, with f = sin",
    values={"x": 0.8414709848078965, "y": 0.7456241416655579, "z": 0.6784304773607402},
    grads={"w": 0.2645082703959581},
    w=1,
)
def goodfellow_chain(w: Any) -> Any:
    """dz/dw = f′(y) f′(x) f′(w). Back-propagation uses x and y as the forward pass has left them, and computes none
    of them twice.
    """
    x = torch.sin(w)
    y = torch.sin(x)
    z = torch.sin(y)
    return z


@classic(
    "A weight that is used for the prediction and for weight decay",
    f"{GOODFELLOW}, after figure 6.8",
    values={"yhat": 6, "L": 1, "decay": 0.9, "J": 1.9},
    grads={"w": 4.6},
    w=3,
)
def goodfellow_weight_decay(w: Any) -> Any:
    """Two paths to the cost: 4 through the prediction, 0.6 through the penalty. Weight decay is no magic, only one
    more path.
    """
    yhat = w * 2
    L = (yhat - 5) ** 2
    decay = 0.1 * w**2
    J = L + decay
    return J


@classic(
    "A chain of single neurons",
    "after 3Blue1Brown: Backpropagation calculus",
    values={"C": 0.10388953952042503},
    grads={
        "w1": -0.014555851964313445,
        "b1": -0.03032469159231968,
        "w2": -0.08497522931313538,
        "b2": -0.14080793349638618,
    },
    w1=1.5,
    b1=-0.3,
    w2=0.9,
    b2=0.2,
)
def chain_of_neurons(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    """How much C changes with w₁ is a product along the chain: how much z₁ changes with it, a₁ with z₁, z₂ with a₁,
    a₂ with z₂, and C with a₂.
    """
    z1 = w1 * 0.48 + b1
    a1 = torch.sigmoid(z1)
    z2 = w2 * a1 + b2
    a2 = torch.sigmoid(z2)
    C = (a2 - 1) ** 2
    return C


@classic(
    "Two inputs, two hidden neurons, two outputs",
    "M. Mazur: A Step by Step Backpropagation Example, 2015",
    values={"E": 0.29837110876000267},
    grads={
        "W1": [[0.00043856773447434674, 0.0008771354689486935], [0.0004977127352608601, 0.0009954254705217202]],
        "W2": [[0.08216704056423078, 0.08266762784753326], [-0.02260254047747506, -0.022740242215978212]],
    },
    W1=[[0.15, 0.20], [0.25, 0.30]],
    W2=[[0.40, 0.45], [0.50, 0.55]],
)
def mazur(W1: Any, W2: Any) -> Any:
    """The eight gradients that so many have worked out by hand: 0.08217 for the first weight of the last layer,
    0.0004386 for the first of all.
    """
    x = torch.tensor([0.05, 0.10], dtype=W1.dtype)
    t = torch.tensor([0.01, 0.99], dtype=W1.dtype)
    h = torch.sigmoid(W1 @ x + 0.35)
    o = torch.sigmoid(W2 @ h + 0.60)
    E = 0.5 * ((t - o) ** 2).sum()
    return E


@classic(
    "Five sigmoids",
    OWN,
    values={
        "s1": 0.5,
        "s2": 0.6224593312018546,
        "s3": 0.6507776782147005,
        "s4": 0.6571856892772512,
        "s5": 0.6586279095209511,
    },
    grads={
        "x": 0.000676339196970379,
        "s1": 0.002705356787881516,
        "s2": 0.01151197469408809,
        "s3": 0.050654167567773335,
        "s4": 0.22483718632101296,
        "s5": 1,
    },
    x=0,
)
def sigmoid_chain(x: Any) -> Any:
    """A sigmoid lets through at most a quarter. Five of them leave 0.0007 of 1: the gradient vanishes."""
    s1 = torch.sigmoid(x)
    s2 = torch.sigmoid(s1)
    s3 = torch.sigmoid(s2)
    s4 = torch.sigmoid(s3)
    s5 = torch.sigmoid(s4)
    return s5


@classic(
    "A ReLU that is dead",
    OWN,
    values={"h": 0, "y": 0},
    grads={"w1": 0, "b": 0, "w2": 0},
    w1=1,
    b=-5,
    w2=2,
)
def dead_relu(w1: Any, b: Any, w2: Any) -> Any:
    """What goes into the ReLU is negative: its result is 0 and its slope is 0, so nothing comes back, and neither w₁
    nor b can learn from this input.
    """
    h = torch.relu(w1 * 2 + b)
    y = w2 * h
    return y
