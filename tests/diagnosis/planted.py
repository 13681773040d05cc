"""Six small architectures whose steps can be put otherwise -> programs with one planted difference, and twins of them.

A step is a lambda of a table, so that what was planted is known by the lines that it stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from training_programs import Net

import graphviz_ad as gad
from graphviz_ad._internal.graph.graph import Graph, Node

Step = Callable[..., Any]


@dataclass(frozen=True)
class Architecture:
    """Layers, what is fed in, and a program of steps that have names."""

    layers: Callable[[], dict[str, nn.Module]]
    data: Callable[[], Tensor]
    program: Callable[[Any, Any, Tensor], Tensor]
    steps: dict[str, Step]


def same(x: Tensor) -> Tensor:
    """A place where a test can put something."""
    return x


def lin(*names: str, width: int = 8) -> dict[str, nn.Module]:
    return {name: nn.Linear(8, width) for name in names}


def perceptron(m: Any, s: Any, x: Tensor) -> Tensor:
    h = s.inside(s.act(s.first(m.one(x))))
    h = s.norm(m, s.drop(h))
    y = s.last(m.two(h)) + s.branch(m.skip(x))
    return s.loss(y, x)  # type: ignore[no-any-return]


def convolutions(m: Any, s: Any, x: Tensor) -> Tensor:
    h = s.act(s.norm(m, s.first(m.conv(x))))
    h = s.inside(m.again(s.pool(h))) + s.branch(s.small(h))
    h = s.last(m.head(s.mean(h)))
    return s.loss(h)  # type: ignore[no-any-return]


def attention(m: Any, s: Any, x: Tensor) -> Tensor:
    for one in (m.a, m.b):
        n = s.norm(one, x) if one is m.b else one.n(x)
        q, k, v = one.q(n), one.k(n), one.v(n)
        if one is m.a:
            x = x + one.p(torch.softmax(q @ k.mT / 3.0, -1) @ v)
            continue
        weights = s.softmax(s.mask(s.scale(s.product(q, k))))
        x = s.branch(x) + one.p(s.inside(weights @ s.value(v)))
    return s.loss(s.last(m.head(x)).flatten(0, 1))  # type: ignore[no-any-return]


def recurrent(m: Any, s: Any, x: Tensor) -> Tensor:
    h = x.new_ones(4, 8)
    for t in range(3):
        now = x[:, t]
        z = s.gate(m.z(now) + m.uz(h))
        n = s.new(m.n(now) + s.back(m.un(h)))
        h = s.mix(z, n, h)
        if t == 1:
            h = s.inside(h)
    return s.loss(s.last(m.out(h)))  # type: ignore[no-any-return]


def gated(m: Any, s: Any, x: Tensor) -> Tensor:
    x = s.first(m.embed(x.long()))
    n = s.rms(x) * m.gain.weight
    x = s.branch(x) + m.down(s.inside(s.act(m.gate(n)) * s.up(m.up(n))))
    return s.loss(s.last(s.tied(x, m.embed.weight)))  # type: ignore[no-any-return]


def passing(m: Any, s: Any, x: Tensor) -> Tensor:
    there, here = torch.tensor([0, 1, 2, 3, 0, 2]), torch.tensor([1, 2, 3, 0, 2, 0])
    h = s.first(m.one(x))
    h = s.act(s.inside(s.degree(s.gather(h, there, here))) + s.branch(m.own(x)))
    h = s.last(m.two(s.join(h, x)))
    return s.loss(h)  # type: ignore[no-any-return]


def to_index(h: Tensor) -> Tensor:
    return torch.arange(len(h)) % 4


def norm(m: Any, x: Tensor) -> Tensor:
    return F.layer_norm(x, (8,), m.n.weight, m.n.bias)


ARCHITECTURES: dict[str, Architecture] = {
    "perceptron": Architecture(
        lambda: {**lin("one", "two", "skip"), "n": nn.LayerNorm(8)}, lambda: torch.randn(4, 8), perceptron,
        {
            "first": same, "inside": same, "last": same, "branch": same,
            "act": lambda h: torch.relu(h),
            "drop": lambda h: F.dropout(h, 0.5, False),
            "norm": lambda m, h: F.layer_norm(h, (8,), m.n.weight, m.n.bias),
            "loss": lambda y, x: F.mse_loss(y, x.detach()),
        },
    ),
    "convolutions": Architecture(
        lambda: {"conv": nn.Conv2d(2, 8, 3, padding=1), "again": nn.Conv2d(8, 8, 3, padding=1), "n": nn.GroupNorm(2, 8),
                 **lin("head", width=4)},
        lambda: torch.randn(4, 2, 6, 6), convolutions,
        {
            "first": same, "inside": same, "last": same, "branch": same,
            "norm": lambda m, h: F.group_norm(h, 2, m.n.weight, m.n.bias),
            "act": lambda h: F.silu(h),
            "pool": lambda h: F.max_pool2d(h, 2),
            "small": lambda h: F.avg_pool2d(h, 2),
            "mean": lambda h: h.mean((2, 3)),
            "loss": lambda h: F.cross_entropy(h, to_index(h)),
        },
    ),
    "attention": Architecture(
        lambda: {
            **{name: Net(n=nn.LayerNorm(8), **lin("q", "k", "v", "p")) for name in "ab"}, **lin("head", width=4),
        },
        lambda: torch.randn(4, 8, 8), attention,
        {
            "inside": same, "last": same, "branch": same, "value": same,
            "norm": norm,
            "product": lambda q, k: (q * 1e3) @ (k * 1e3).mT,
            "scale": lambda scores: scores / 3e6,
            "mask": lambda scores: scores.masked_fill(torch.ones(8, 8).triu(1).bool(), -torch.inf),
            "softmax": lambda scores: torch.softmax(scores, -1),
            "loss": lambda h: F.cross_entropy(h, to_index(h)),
        },
    ),
    "recurrent": Architecture(
        lambda: lin("z", "uz", "n", "un", "out"), lambda: torch.randn(4, 3, 8), recurrent,
        {
            "inside": same, "last": same, "back": same,
            "gate": lambda h: torch.sigmoid(h),
            "new": lambda h: torch.tanh(h),
            "mix": lambda z, n, h: (1 - z) * h + z * n,
            "loss": lambda h: h.pow(2).mean(),
        },
    ),
    "gated": Architecture(
        lambda: {"embed": nn.Embedding(8, 8), "gain": nn.LayerNorm(8), **lin("gate", "up", "down")},
        lambda: torch.arange(24.0).reshape(4, 6) % 7, gated,
        {
            "first": same, "inside": same, "last": same, "branch": same, "up": same,
            "rms": lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
            "act": lambda h: F.silu(h),
            "tied": lambda x, w: x @ w.T,
            "loss": lambda h: F.cross_entropy(h.flatten(0, 1), to_index(h.flatten(0, 1))),
        },
    ),
    "passing": Architecture(
        lambda: {**lin("one", "own"), "two": nn.Linear(16, 4)}, lambda: torch.randn(4, 8), passing,
        {
            "first": same, "inside": same, "last": same, "branch": same,
            "gather": lambda h, i, j: torch.zeros_like(h).index_add(0, j, h[i]),
            "degree": lambda h: h / 2.0,
            "act": lambda h: F.elu(h),
            "join": lambda h, x: torch.cat([h, x], -1),
            "loss": lambda h: F.nll_loss(F.log_softmax(h, -1), to_index(h)),
        },
    ),
}  # fmt: skip


def run(
    name: str,
    change: Callable[[Any], Any] | None = None,
    dtype: torch.dtype = torch.float32,
    wrap: Callable[[Step], Step] = lambda program: program,
    end: Callable[[Any, Tensor], object] = lambda m, loss: loss.backward(),
    **steps: Step,
) -> Graph:
    """One forward and backward pass, with other steps; ``change`` is done to the model before."""
    made = ARCHITECTURES[name]
    torch.manual_seed(0)
    model = Net(**made.layers()).to(dtype)
    if change is not None:
        change(model)
    torch.manual_seed(1)
    x = made.data().to(dtype)
    chosen = SimpleNamespace(**{**made.steps, **steps})
    with gad.record(model) as recording:
        end(model, wrap(made.program)(model, chosen, x))
    return recording.graph


def lines_of(step: Step) -> set[int]:
    """The lines that a step stands in, with those of functions inside it."""
    return set(_lines(step.__code__)) if hasattr(step, "__code__") else set()


def _lines(code: CodeType) -> Iterator[int]:
    for _, _, line in code.co_lines():
        yield line or 0
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _lines(inner)


def is_planted(graph: Graph, node: Node, op: str, steps: list[Step], *, last: bool) -> bool:
    """Whether a node is the first, or the last, of this operation in the lines of a step."""
    lines = set().union(*map(lines_of, steps))
    there = [
        each.key for each in graph.node_list
        if each.op in op.split("|") and each.source and int(each.source.rpartition(":")[2]) in lines
    ]  # fmt: skip
    if "|" in op:
        return node.key in there  # they are one plant
    return bool(there) and there[-1 if last else 0] == node.key


# --- what is planted: architecture, step, what stands in its place, and the operation that is to be found

FORWARD: list[tuple[str, str, Step, str]] = [
    ("perceptron", "act", lambda h: F.gelu(h), "gelu"),
    ("perceptron", "act", lambda h: F.leaky_relu(h, 0.01), "leaky_relu"),
    ("perceptron", "drop", lambda h: F.dropout(h, 0.5, True), "dropout"),
    ("perceptron", "norm", lambda m, h: F.layer_norm(h, (8,), m.n.weight, m.n.bias, 1e-2), "layer_norm"),
    ("perceptron", "norm", lambda m, h: F.rms_norm(h, (8,), m.n.weight), "rms_norm"),
    ("perceptron", "last", lambda h: h * 1.001, "mul"),
    ("perceptron", "loss", lambda y, x: F.l1_loss(y, x.detach()), "l1_loss"),
    ("perceptron", "loss", lambda y, x: F.mse_loss(y, x.detach(), reduction="sum"), "mse_loss"),
    ("convolutions", "norm", lambda m, h: F.group_norm(h, 4, m.n.weight, m.n.bias), "group_norm"),
    ("convolutions", "act", lambda h: F.hardswish(h), "hardswish"),
    ("convolutions", "pool", lambda h: F.avg_pool2d(h, 2), "avg_pool2d"),
    ("convolutions", "mean", lambda h: h.amax((2, 3)), "amax"),
    ("convolutions", "first", lambda h: h.flip(-1), "flip"),
    ("convolutions", "first", lambda h: h.clamp(-0.5, 0.5), "clamp"),
    ("convolutions", "loss", lambda h: F.cross_entropy(h, to_index(h), label_smoothing=0.1), "cross_entropy"),
    ("attention", "scale", lambda scores: scores / 3.01e6, "div"),
    ("attention", "scale", same, "div"),
    ("attention", "scale", lambda scores: scores * 3e-6, "mul"),
    ("attention", "mask", lambda scores: scores.masked_fill(torch.ones(8, 8).triu(2).bool(), -torch.inf), "triu"),
    ("attention", "mask", same, "masked_fill"),
    ("attention", "mask", lambda scores: scores.masked_fill(torch.ones(8, 8).triu(1).bool(), -1.0), "masked_fill"),
    ("attention", "softmax", lambda scores: torch.softmax(scores, -2), "softmax"),
    ("attention", "product", lambda q, k: (k * 1e3) @ (q * 1e3).mT, "mul"),
    ("attention", "product", lambda q, k: ((q.half() * 1e3) @ (k.half() * 1e3).mT).float(), "matmul"),
    ("attention", "norm", lambda m, x: F.layer_norm(x, (8,), m.n.weight, m.n.bias, 1e-3), "layer_norm"),
    ("attention", "norm", lambda m, x: x, "layer_norm"),
    ("attention", "branch", lambda x: x.roll(1, 1), "roll"),
    ("recurrent", "gate", lambda h: F.hardsigmoid(h), "hardsigmoid"),
    ("recurrent", "new", lambda h: torch.relu(h), "relu"),
    ("recurrent", "mix", lambda z, n, h: z * h + (1 - z) * n, "mul|rsub"),
    ("recurrent", "inside", lambda h: h.round(decimals=1), "round"),
    ("recurrent", "back", lambda h: h * 0.99, "mul"),
    ("gated", "rms", lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-2), "add"),
    ("gated", "rms", lambda x: x * torch.rsqrt(x.pow(2).mean(-2, keepdim=True) + 1e-6), "mean"),
    ("gated", "act", lambda h: F.gelu(h, approximate="tanh"), "gelu"),
    ("gated", "branch", lambda x: x * 0, "mul"),
    ("gated", "up", lambda h: h + 1, "add"),
    ("gated", "tied", lambda x, w: x @ w, "t"),
    ("passing", "gather", lambda h, i, j: torch.zeros_like(h).index_add(0, i, h[j]), "getitem"),
    ("passing", "join", lambda h, x: torch.cat([x, h], -1), "cat"),
    ("passing", "degree", lambda h: h / 3.0, "div"),
    ("passing", "act", lambda h: F.elu(h, 0.9), "elu"),
]  # fmt: skip


class Backward(torch.autograd.Function):
    """Hands on what it is given, and something else on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.change = change
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return ctx.change(grad), None


class Product(torch.autograd.Function):
    """A product that forgets one of its factors on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x @ y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, y = ctx.saved_tensors
        return grad @ y.mT, grad @ x


def hooked(change: Callable[[Tensor], Tensor | None]) -> Step:
    """A step that puts a hook on what it is given."""

    def step(x: Tensor) -> Tensor:
        x.register_hook(change)
        return x

    return step


def without_graph(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 1.0


BACKWARD: list[tuple[str, str, Step, str]] = [
    ("perceptron", "inside", lambda h: Backward.apply(h, lambda g: g * 1.01), "Backward"),
    ("perceptron", "act", lambda h: Backward.apply(torch.relu(h), lambda g: -g), "Backward"),
    ("perceptron", "first", hooked(lambda g: g * 2), "hooked"),
    ("perceptron", "last", hooked(lambda g: g.clamp(-1e-3, 1e-3)), "hooked"),
    ("perceptron", "branch", lambda h: h.detach(), "detach"),
    ("perceptron", "branch", without_graph, "mul"),
    ("perceptron", "inside", lambda h: h.data, "data"),
    ("perceptron", "last", lambda h: h * 2 - h.detach(), "mul|sub|detach"),
    ("perceptron", "norm", lambda m, h: F.layer_norm(h, (8,), m.n.weight.detach(), m.n.bias), "detach"),
    ("convolutions", "inside", lambda h: Backward.apply(h, lambda g: g.mean(0, keepdim=True).expand_as(g)), "Backward"),
    ("convolutions", "first", hooked(lambda g: g * 0), "hooked"),
    ("convolutions", "branch", lambda h: h.detach(), "detach"),
    ("convolutions", "inside", hooked(lambda g: g / g.norm()), "hooked"),
    ("convolutions", "last", lambda h: h + (h - h.detach()), "add|sub|detach"),
    ("convolutions", "act", lambda h: h * torch.sigmoid(h.detach()), "detach"),
    ("convolutions", "act", lambda h: h * torch.sigmoid(h).detach(), "detach"),
    ("attention", "inside", hooked(lambda g: torch.cat([g[:2] * 2, g[2:]])), "hooked"),
    ("attention", "value", lambda v: v.detach(), "detach"),
    ("attention", "branch", lambda x: x.detach(), "detach"),
    ("attention", "softmax", lambda scores: torch.softmax(scores, -1).detach(), "detach"),
    ("attention", "product", lambda q, k: Product.apply(q * 1e3, (k * 1e3).mT), "Product"),
    ("attention", "product", lambda q, k: (q * 1e3) @ (k.detach() * 1e3).mT, "detach"),
    ("attention", "last", lambda h: Backward.apply(h, lambda g: g.half().float() * 1.05), "Backward"),
    ("attention", "mask", lambda s: Backward.apply(
        s.masked_fill(torch.ones(8, 8).triu(1).bool(), -torch.inf), lambda g: g * 0.9), "Backward"),
    ("attention", "value", hooked(lambda g: g + 1e-2), "hooked"),
    ("recurrent", "back", lambda h: h.detach(), "detach"),
    ("recurrent", "inside", lambda h: h.detach(), "detach"),
    ("recurrent", "inside", hooked(lambda g: g * 0.5), "hooked"),
    ("recurrent", "mix", lambda z, n, h: (1 - z) * h + z.detach() * n, "detach"),
    ("recurrent", "gate", lambda h: Backward.apply(torch.sigmoid(h), lambda g: g * 4), "Backward"),
    ("recurrent", "last", hooked(lambda g: g.sign() * 1e-2), "hooked"),
    ("gated", "rms", lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6).detach(), "detach"),
    ("gated", "tied", lambda x, w: x @ w.T.detach(), "detach"),
    ("gated", "act", lambda h: Backward.apply(F.silu(h), lambda g: g * 1.1), "Backward"),
    ("gated", "up", lambda h: Backward.apply(h, lambda g: g.flip(0)), "Backward"),
    ("gated", "first", hooked(lambda g: g * 3), "hooked"),
    ("gated", "branch", lambda x: x + (x - x.detach()), "add|sub|detach"),
    ("passing", "inside", lambda h: Backward.apply(h, lambda g: g * 0), "Backward"),
    ("passing", "branch", hooked(lambda g: -g), "hooked"),
    ("passing", "act", lambda h: F.elu(h.detach()), "detach"),
    ("passing", "join", lambda h, x: torch.cat([h.detach() + (h - h.detach()) * 2, x], -1), "mul|detach"),
    ("passing", "last", lambda h: Backward.apply(h, lambda g: g.roll(1, 0)), "Backward"),
]  # fmt: skip

# --- the same computation in other words


class Inner(nn.Module):
    """A module that does a step."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, *args: Tensor) -> Any:
        return self.step(*args)


def in_modules(step: Step) -> Step:
    """A step within modules that were not there."""
    return nn.Sequential(nn.Identity(), nn.Sequential(Inner(step)), nn.Dropout(0.3).eval())


def wrapped(*names: str) -> Callable[[Any], None]:
    """Layers that are called otherwise, in modules of their own."""

    def change(m: Any) -> None:
        for name in names:
            setattr(m, name, nn.Sequential(getattr(m, name), nn.Identity()))

    return change


def checkpointed(program: Step) -> Step:
    return lambda *args: checkpoint(program, *args, use_reentrant=False)


def by_hand(m: Any, h: Tensor) -> Tensor:
    off = h - h.mean(-1, keepdim=True)
    return off / (off.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * m.n.weight + m.n.bias


def fused(m: Any, s: Any, x: Tensor) -> Tensor:
    """Attention by one operation."""
    for one in (m.a, m.b):
        n = one.n(x)
        mask = None if one is m.a else torch.ones(8, 8).tril().bool()
        x = x + one.p(F.scaled_dot_product_attention(one.q(n), one.k(n), one.v(n), mask, scale=1 / 3))
    return F.cross_entropy(m.head(x).flatten(0, 1), torch.arange(32) % 4)


EQUAL: list[tuple[str, dict[str, Any]]] = [
    *((name, {"dtype": torch.float64}) for name in ARCHITECTURES),
    *((name, {"dtype": torch.bfloat16}) for name in ("attention", "convolutions", "gated")),
    *((name, {"wrap": checkpointed}) for name in ("attention", "perceptron")),
    *((name, {"act": in_modules(ARCHITECTURES[name].steps["act"])}) for name in ("perceptron", "gated", "passing")),
    ("perceptron", {"change": wrapped("one", "skip")}),
    ("convolutions", {"change": wrapped("conv", "head")}),
    ("recurrent", {"change": wrapped("z", "uz", "n"), "inside": lambda h: h * 1.0}),
    ("recurrent", {"inside": lambda h: h.clone().contiguous(), "gate": lambda h: h.sigmoid_()}),
    ("perceptron", {"norm": by_hand}),
    ("perceptron", {"act": lambda h: h.clamp(min=0)}),
    ("convolutions", {"act": lambda h: h * torch.sigmoid(h)}),
    ("gated", {"inside": lambda h: h.reshape(-1, 8).reshape(h.shape), "first": lambda h: h + 0}),
    ("attention", {"wrap": lambda program: fused}),
    ("attention", {"scale": lambda scores: scores * (1 / 3e6)}),
    ("attention", {"softmax": lambda scores: scores.log_softmax(-1).exp()}),
    ("passing", {"loss": lambda h: F.cross_entropy(h, to_index(h))}),
]  # fmt: skip
