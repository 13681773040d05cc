"""Small training programs in the manner of public examples, all healthy; and what torch alone says of each.

Whatever is claimed of a parameter can be held against the truth that is noted here without the product.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint


@dataclass
class Truth:
    """What torch did to the parameters of a model: noted without the product."""

    model: nn.Module
    brought: dict[str, list[Tensor]] = field(default_factory=dict)
    cut: bool = False
    passes: int = 0
    came: dict[str, int] = field(default_factory=dict)

    def backward(self, loss: Tensor, **how: Any) -> None:
        """A pass, with what it brought to each parameter."""
        before = {name: p.grad for name, p in self.model.named_parameters()}
        held = {name: None if grad is None else grad.clone() for name, grad in before.items()}
        loss.backward(**how)
        self.passes += 1
        for name, p in self.model.named_parameters():
            old = held[name]
            if p.grad is not None and (old is None or not torch.equal(old, p.grad)):
                self.came[name] = self.passes
                self.brought.setdefault(name, []).append(p.grad.clone() if old is None else p.grad - old)


class Net(nn.Module):
    """Layers and parameters by name."""

    def __init__(self, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


Program = Callable[[Any, Truth, Tensor], None]
HEALTHY: dict[Program, Callable[[], Net]] = {}


def on(**parts: Callable[[], Any]) -> Callable[[Program], Program]:
    """A program of the table, with the parts of its model."""

    def enter(program: Program) -> Program:
        HEALTHY[program] = lambda: Net(**{name: make() for name, make in parts.items()})
        return program

    return enter


def lin(inputs: int, outputs: int, **how: Any) -> Callable[[], nn.Module]:
    """A linear layer."""
    return lambda: nn.Linear(inputs, outputs, **how)


def number(value: float, *shape: int) -> Callable[[], nn.Parameter]:
    """A parameter."""
    return lambda: nn.Parameter(torch.full(shape, value))


def train(m: nn.Module, truth: Truth, loss: Callable[[], Tensor], optimizer: str = "Adam", times: int = 1) -> None:
    """The usual step."""
    chosen = getattr(torch.optim, optimizer)([p for p in m.parameters() if p.requires_grad], lr=0.01)
    for _ in range(times):
        chosen.zero_grad()
        truth.backward(loss())
        chosen.step()


def follow(target: nn.Module, source: nn.Module, rate: float = 0.1) -> None:
    """A moving average of parameters."""
    with torch.no_grad():
        for p, q in zip(target.parameters(), source.parameters(), strict=True):
            p.mul_(1 - rate).add_(q, alpha=rate)


# --- generative


@on(e=lin(4, 4), d=lin(2, 4))
def vae(m: Any, truth: Truth, x: Tensor) -> None:
    def loss() -> Tensor:
        mu, logvar = m.e(x).chunk(2, -1)
        z = mu + torch.randn_like(mu) * (logvar / 2).exp()
        divergence = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum()
        return F.mse_loss(m.d(z), x, reduction="sum") + divergence

    train(m, truth, loss)


@on(g=lin(4, 4), d=lin(4, 1))
def gan(m: Any, truth: Truth, x: Tensor) -> None:
    g, d = (torch.optim.Adam(part.parameters()) for part in (m.g, m.d))
    fake = m.g(x)
    real, made = m.d(x), m.d(fake.detach())
    d.zero_grad()
    truth.backward(F.softplus(-real).mean() + F.softplus(made).mean())
    d.step()
    g.zero_grad()
    truth.backward(F.softplus(-m.d(fake)).mean())
    g.step()


@on(g=lin(4, 4), d=lin(4, 1))
def wgan_with_clipped_weights(m: Any, truth: Truth, x: Tensor) -> None:
    critic = torch.optim.RMSprop(m.d.parameters())
    with torch.no_grad():
        fake = m.g(x)
    truth.backward(m.d(fake).mean() - m.d(x).mean())
    critic.step()
    for p in m.d.parameters():
        p.data.clamp_(-0.1, 0.1)
    m.zero_grad()
    truth.backward(-m.d(m.g(x)).mean())


@on(e=lin(4, 2), book=number(0.5, 3, 2), d=lin(2, 4))
def vq_vae(m: Any, truth: Truth, x: Tensor) -> None:
    truth.cut = True

    def loss() -> Tensor:
        z = m.e(x)
        nearest = torch.cdist(z, m.book).argmin(1)
        q = m.book[nearest]
        through = z + (q - z).detach()
        return F.mse_loss(m.d(through), x) + F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())

    train(m, truth, loss)


@on(s=lin(2, 2), t=lin(2, 2))
def normalizing_flow(m: Any, truth: Truth, x: Tensor) -> None:
    def loss() -> Tensor:
        a, b = x.chunk(2, 1)
        scale = m.s(a).tanh()
        z = torch.cat([a, b * scale.exp() + m.t(a)], 1)
        return (z.square() / 2).sum(1).mean() - scale.sum(1).mean()

    train(m, truth, loss)


@on(net=lin(5, 4))
def diffusion(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.no_grad():
        t = torch.rand(len(x), 1)
        noise = torch.randn_like(x)
        noisy = (1 - t).sqrt() * x + t.sqrt() * noise
    train(m, truth, lambda: F.mse_loss(m.net(torch.cat([noisy, t], 1)), noise), "AdamW")


@on(energy=lin(4, 1))
def energy_based(m: Any, truth: Truth, x: Tensor) -> None:
    sample = torch.randn_like(x).requires_grad_(True)
    for _ in range(2):
        (slope,) = torch.autograd.grad(m.energy(sample).tanh().sum(), sample)
        sample = (sample - 0.1 * slope).detach().requires_grad_(True)
    train(m, truth, lambda: m.energy(x).tanh().mean() - m.energy(sample.detach()).tanh().mean())


@on(image=number(0.3, 2, 4), features=lin(4, 3))
def style_transfer(m: Any, truth: Truth, x: Tensor) -> None:
    m.features.requires_grad_(False)
    aim = m.features(x)
    gram = aim.T @ aim / len(aim)
    optimizer = torch.optim.Adam([m.image])
    for _ in range(2):
        optimizer.zero_grad()
        seen = m.features(m.image)
        truth.backward(F.mse_loss(seen.T @ seen / 2, gram))
        optimizer.step()


@on(e=lin(4, 3), d=lin(3, 4))
def denoising(m: Any, truth: Truth, x: Tensor) -> None:
    train(m, truth, lambda: F.mse_loss(m.d(F.dropout(m.e(x + 0.1 * torch.randn_like(x)).tanh(), 0.2)), x), times=2)


# --- reinforcement learning


@on(actor=lin(4, 1), critic=lin(4, 1), target=lin(4, 1))
def actor_critic(m: Any, truth: Truth, x: Tensor) -> None:
    actor, critic = (torch.optim.RMSprop(part.parameters()) for part in (m.actor, m.critic))
    with torch.no_grad():
        aim = 1 + 0.9 * m.target(x)
    critic.zero_grad()
    truth.backward(F.mse_loss(m.critic(x), aim))
    critic.step()
    actor.zero_grad()
    truth.backward(-(m.actor(x).tanh() * m.critic(x)).mean())
    actor.step()
    with torch.no_grad():
        for p, q in zip(m.target.parameters(), m.critic.parameters(), strict=True):
            p.lerp_(q, 0.1)


@on(actor=lin(4, 1), actor_target=lin(4, 1), q1=lin(5, 1), q2=lin(5, 1), q1_target=lin(5, 1), q2_target=lin(5, 1))
def td3(m: Any, truth: Truth, x: Tensor) -> None:
    critic = torch.optim.Adam([*m.q1.parameters(), *m.q2.parameters()])
    actor = torch.optim.Adam(m.actor.parameters())
    action = torch.rand(len(x), 1)
    with torch.no_grad():
        noise = (torch.randn_like(action) * 0.2).clamp(-0.5, 0.5)
        at = torch.cat([x, (m.actor_target(x).tanh() + noise).clamp(-1, 1)], 1)
        aim = 1 + 0.99 * torch.min(m.q1_target(at), m.q2_target(at))
    for step in range(2):
        now = torch.cat([x, action], 1)
        critic_loss = F.mse_loss(m.q1(now), aim) + F.mse_loss(m.q2(now), aim)
        critic.zero_grad()
        truth.backward(critic_loss)
        critic.step()
        if step % 2:
            actor.zero_grad()
            truth.backward(-m.q1(torch.cat([x, m.actor(x).tanh()], 1)).mean())
            actor.step()
            for target, source in ((m.q1_target, m.q1), (m.q2_target, m.q2), (m.actor_target, m.actor)):
                for p, q in zip(target.parameters(), source.parameters(), strict=True):
                    p.data.copy_(0.005 * q.data + 0.995 * p.data)


@on(q=lin(4, 3), target=lin(4, 3))
def dqn(m: Any, truth: Truth, x: Tensor) -> None:
    m.target.load_state_dict(m.q.state_dict())
    taken = torch.arange(len(x)) % 3
    best = m.target(x).max(1).values.detach()
    loss = F.smooth_l1_loss(m.q(x).gather(1, taken[:, None]).squeeze(1), 1 + 0.9 * best)
    optimizer = torch.optim.RMSprop(m.q.parameters())
    optimizer.zero_grad()
    truth.backward(loss)
    for p in m.q.parameters():
        p.grad.data.clamp_(-1, 1)
    optimizer.step()


@on(policy=lin(4, 2), q=lin(5, 1), log_alpha=number(0.0))
def sac(m: Any, truth: Truth, x: Tensor) -> None:
    mean, scale = m.policy(x).chunk(2, 1)
    law = torch.distributions.Normal(mean, F.softplus(scale))
    drawn = law.rsample()
    action = drawn.tanh()
    log_prob = law.log_prob(drawn) - torch.log(1 - action.pow(2) + 1e-6)
    actor_loss = (m.log_alpha.exp().detach() * log_prob - m.q(torch.cat([x, action], 1))).mean()
    truth.backward(actor_loss)
    truth.backward(-(m.log_alpha * (log_prob + 1).detach()).mean())
    m.q.zero_grad()


@on(policy=lin(4, 3), value=lin(4, 1))
def ppo(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.no_grad():
        old = torch.distributions.Categorical(logits=m.policy(x))
        action = old.sample()
        old_log_prob = old.log_prob(action)
        returns = torch.linspace(-1, 1, len(x))
        advantage = returns - m.value(x).squeeze(1)

    def loss() -> Tensor:
        law = torch.distributions.Categorical(logits=m.policy(x))
        ratio = (law.log_prob(action) - old_log_prob).exp()
        surrogate = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        return -surrogate + 0.5 * F.mse_loss(m.value(x).squeeze(1), returns) - 0.01 * law.entropy().mean()

    train(m, truth, loss, times=2)


@on(policy=lin(4, 3))
def reinforce(m: Any, truth: Truth, x: Tensor) -> None:
    kept = []
    for state in x[:3]:
        law = torch.distributions.Categorical(F.softmax(m.policy(state), -1))
        action = law.sample()
        kept.append(law.log_prob(action))
        action.item()
    returns = torch.tensor([1.0, 0.5, -0.5])
    truth.backward(torch.stack([-p * r for p, r in zip(kept, returns, strict=True)]).sum())


# --- language models


@on(policy=lin(4, 5), reference=lin(4, 5))
def dpo(m: Any, truth: Truth, x: Tensor) -> None:
    m.reference.requires_grad_(False)
    chosen, rejected = torch.arange(len(x)) % 5, (torch.arange(len(x)) + 2) % 5

    def log_prob(part: nn.Module, taken: Tensor) -> Tensor:
        logits: Tensor = part(x)
        return logits.log_softmax(-1).gather(1, taken[:, None]).squeeze(1)

    with torch.no_grad():
        margin = log_prob(m.reference, chosen) - log_prob(m.reference, rejected)
    train(
        m.policy,
        truth,
        lambda: -F.logsigmoid(0.1 * (log_prob(m.policy, chosen) - log_prob(m.policy, rejected) - margin)).mean(),
    )


@on(teacher=lin(4, 3), student=lin(4, 3))
def distillation(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.no_grad():
        aim = m.teacher(x).softmax(-1)
    train(m, truth, lambda: F.kl_div(m.student(x).log_softmax(-1), aim, reduction="batchmean"))


@on(base=lin(4, 3), down=lin(4, 2, bias=False), up=lin(2, 3, bias=False))
def lora(m: Any, truth: Truth, x: Tensor) -> None:
    m.base.requires_grad_(False)
    nn.init.zeros_(m.up.weight)
    train(m, truth, lambda: (m.base(x) + 0.5 * m.up(m.down(x)) - 1).square().mean(), "AdamW")


@on(prompt=number(0.1, 2, 4), attend=lambda: nn.MultiheadAttention(4, 2, batch_first=True), head=lin(4, 2))
def prompt_tuning(m: Any, truth: Truth, x: Tensor) -> None:
    m.attend.requires_grad_(False)
    tokens = torch.cat([m.prompt, x])[None]
    hidden, _ = m.attend(tokens, tokens, tokens)
    truth.backward(F.cross_entropy(m.head(hidden.mean(1)), torch.tensor([1])))


@on(embed=lambda: nn.Embedding(6, 4), qkv=lin(4, 12), out=lin(4, 4))
def causal_transformer(m: Any, truth: Truth, x: Tensor) -> None:
    tokens = torch.tensor([0, 3, 1, 5])

    def loss() -> Tensor:
        q, k, v = m.qkv(m.embed(tokens)).chunk(3, -1)
        mask = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
        weights = (q @ k.T / 2).masked_fill(mask, float("-inf")).softmax(-1)
        logits = m.out(weights @ v) @ m.embed.weight.T
        return F.cross_entropy(logits[:-1], tokens[1:])

    train(m, truth, loss)


@on(embed=lambda: nn.Embedding(6, 4), decode=lin(4, 6, bias=False))
def tied_weights(m: Any, truth: Truth, x: Tensor) -> None:
    m.decode.weight = m.embed.weight
    tokens = torch.tensor([1, 2, 5])
    train(m, truth, lambda: F.cross_entropy(m.decode(m.embed(tokens)), tokens.roll(1)))


@on(centre=lambda: nn.Embedding(5, 3), around=lambda: nn.Embedding(5, 3))
def skip_gram(m: Any, truth: Truth, x: Tensor) -> None:
    here, there, elsewhere = torch.tensor([0, 1]), torch.tensor([2, 3]), torch.tensor([4, 4])

    def loss() -> Tensor:
        v = m.centre(here)
        return -(F.logsigmoid((v * m.around(there)).sum(1)) + F.logsigmoid(-(v * m.around(elsewhere)).sum(1))).mean()

    train(m, truth, loss, "SGD")


@on(gate=lin(4, 2), one=lin(4, 3), other=lin(4, 3))
def mixture_of_experts(m: Any, truth: Truth, x: Tensor) -> None:
    def loss() -> Tensor:
        weights, chosen = m.gate(x).softmax(-1).topk(1)
        both = torch.stack([m.one(x), m.other(x)], 1)
        picked = both[torch.arange(len(x)), chosen.squeeze(1)]
        return (weights * picked).square().mean()

    train(m, truth, loss)


# --- self-supervised


@on(student=lin(4, 3), teacher=lin(4, 3))
def dino(m: Any, truth: Truth, x: Tensor) -> None:
    for p in m.teacher.parameters():
        p.requires_grad = False
    center = torch.zeros(3)
    one, other = x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)
    with torch.no_grad():
        aims = [((m.teacher(view) - center) / 0.04).softmax(-1) for view in (one, other)]
    losses = [
        -(aim * (m.student(view) / 0.1).log_softmax(-1)).sum(-1).mean()
        for aim, view in zip(aims, (other, one), strict=True)
    ]
    truth.backward(sum(losses, torch.tensor(0.0)) / 2)
    follow(m.teacher, m.student)
    center = center * 0.9 + torch.cat(aims).mean(0) * 0.1


@on(online=lin(4, 3), predictor=lin(3, 3), target=lin(4, 3))
def byol(m: Any, truth: Truth, x: Tensor) -> None:
    optimizer = torch.optim.SGD([*m.online.parameters(), *m.predictor.parameters()], lr=0.1)
    with torch.no_grad():
        aim = F.normalize(m.target(x + 0.1), dim=-1)
    loss = 2 - 2 * (F.normalize(m.predictor(m.online(x)), dim=-1) * aim).sum(-1).mean()
    truth.backward(loss)
    optimizer.step()
    follow(m.target, m.online)


@on(query=lin(4, 3), key=lin(4, 3))
def moco(m: Any, truth: Truth, x: Tensor) -> None:
    queue = F.normalize(torch.randn(3, 5), dim=0)
    q = F.normalize(m.query(x), dim=1)
    with torch.no_grad():
        follow(m.key, m.query)
        k = F.normalize(m.key(x), dim=1)
    logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.clone().detach()], 1) / 0.07
    truth.backward(F.cross_entropy(logits, torch.zeros(len(x), dtype=torch.long)))
    queue[:, : len(k) - 1] = k[:-1].T


@on(l=lin(4, 3))
def contrastive(m: Any, truth: Truth, x: Tensor) -> None:
    def loss() -> Tensor:
        one, other = (F.normalize(m.l(x + torch.randn_like(x)), dim=-1) for _ in range(2))
        return F.cross_entropy(one @ other.T / 0.1, torch.arange(len(x)))

    train(m, truth, loss, "AdamW")


@on(l=lin(4, 3))
def triplet(m: Any, truth: Truth, x: Tensor) -> None:
    anchor, positive, negative = m.l(x), m.l(x + 0.1), m.l(x.flip(0))
    truth.backward(F.triplet_margin_loss(anchor, positive, negative))


@on(a=lin(4, 3), b=lin(3, 3))
def forward_forward(m: Any, truth: Truth, x: Tensor) -> None:
    good, bad = x, x.flip(1)
    for layer in (m.a, m.b):
        optimizer = torch.optim.Adam(layer.parameters())
        g_good, g_bad = (layer(F.normalize(h, dim=1)).relu().square().mean(1) for h in (good, bad))
        loss = F.softplus(torch.cat([1 - g_good, g_bad - 1])).mean()
        optimizer.zero_grad()
        truth.backward(loss)
        optimizer.step()
        good, bad = layer(F.normalize(good, dim=1)).detach(), layer(F.normalize(bad, dim=1)).detach()


# --- science


class Adjoint(torch.autograd.Function):
    """An Euler step whose backward runs a pass of its own."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(y, w)
        return y + 0.1 * torch.tanh(y @ w)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        y, w = (tensor.detach().requires_grad_(True) for tensor in ctx.saved_tensors)
        with torch.enable_grad():
            after = y + 0.1 * torch.tanh(y @ w)
        return torch.autograd.grad(after, (y, w), grads[0])


@on(w=number(0.2, 4, 4), head=lin(4, 1))
def adjoint_ode(m: Any, truth: Truth, x: Tensor) -> None:
    y = x
    for _ in range(3):
        y = Adjoint.apply(y, m.w)
    truth.backward(m.head(y).square().mean())


@on(f=lin(4, 4))
def neural_ode(m: Any, truth: Truth, x: Tensor) -> None:
    def loss() -> Tensor:
        y = x
        for _ in range(3):
            half = y + 0.05 * m.f(y).tanh()
            y = y + 0.1 * m.f(half).tanh()
        return F.mse_loss(y, x.flip(0))

    train(m, truth, loss)


@on(log_length=number(0.0), log_noise=number(-1.0))
def gaussian_process(m: Any, truth: Truth, x: Tensor) -> None:
    y = x.sum(1)

    def loss() -> Tensor:
        distance = (x[:, None] - x[None]).square().sum(-1)
        kernel = torch.exp(-distance / (2 * m.log_length.exp() ** 2)) + m.log_noise.exp() * torch.eye(len(x))
        factor = torch.linalg.cholesky(kernel)
        solved = torch.cholesky_solve(y[:, None], factor).squeeze(1)
        return 0.5 * y @ solved + factor.diagonal().log().sum()

    train(m, truth, loss, times=2)


@on(loc=number(0.1, 3), log_scale=number(-1.0, 3))
def stochastic_variational_inference(m: Any, truth: Truth, x: Tensor) -> None:
    prior = torch.distributions.Normal(torch.zeros(3), torch.ones(3))

    def loss() -> Tensor:
        guide = torch.distributions.Normal(m.loc, m.log_scale.exp())
        w = guide.rsample()
        likelihood = torch.distributions.Normal(x[:, :3] @ w, 1.0).log_prob(x[:, 3]).sum()
        return torch.distributions.kl_divergence(guide, prior).sum() - likelihood

    train(m, truth, loss)


@on(a=lin(4, 3), b=lin(3, 2))
def graph_network(m: Any, truth: Truth, x: Tensor) -> None:
    edges = torch.tensor([[0, 1, 2, 3, 4, 5, 0], [1, 2, 3, 4, 5, 0, 3]])

    def message(h: Tensor) -> Tensor:
        return torch.zeros_like(h).index_add(0, edges[1], h[edges[0]]) / 2

    def loss() -> Tensor:
        out = m.b(message(m.a(message(x)).relu()))
        return F.nll_loss(out.log_softmax(1)[:4], torch.tensor([0, 1, 1, 0]))

    train(m, truth, loss)
    with torch.no_grad():
        out = m.b(message(m.a(message(x)).relu()))
        (out.argmax(1) == 1).float().mean().item()


@on(a=lin(2, 4), b=lin(4, 1))
def physics_informed(m: Any, truth: Truth, x: Tensor) -> None:
    at = x[:, :2].clone().requires_grad_(True)
    u = m.b(m.a(at).tanh())
    (slope,) = torch.autograd.grad(u.sum(), at, create_graph=True)
    (curve,) = torch.autograd.grad(slope[:, 0].sum(), at, create_graph=True)
    truth.backward((slope[:, 1] - curve[:, 0]).square().mean() + u[:1].square().mean())


@on(w=number(0.1, 4, 3))
def hebbian(m: Any, truth: Truth, x: Tensor) -> None:
    with torch.no_grad():
        for row in x[:2]:
            m.w += 0.01 * torch.outer(row, row @ m.w)
    truth.backward((x @ m.w - 1).square().mean())


# --- how one trains


@on(l=lin(4, 2))
def accumulated(m: Any, truth: Truth, x: Tensor) -> None:
    for part in x.chunk(2):
        truth.backward(m.l(part).square().mean() / 2)
    nn.utils.clip_grad_norm_(m.parameters(), 0.01)
    torch.optim.SGD(m.parameters(), lr=0.1).step()


@on(l=lin(4, 2))
def by_hand(m: Any, truth: Truth, x: Tensor) -> None:
    truth.backward(m.l(x).square().mean())
    for p in m.parameters():
        p.data.add_(p.grad, alpha=-0.1)
    m.zero_grad()


@on(a=lin(4, 3), b=lin(3, 1))
def penalty(m: Any, truth: Truth, x: Tensor) -> None:
    at = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(m.b(m.a(at).tanh()).sum(), at, create_graph=True)
    truth.backward((slope.norm(dim=1) - 1).square().mean())


@on(l=lin(4, 2))
def straight_through(m: Any, truth: Truth, x: Tensor) -> None:
    truth.cut = True
    h = m.l(x)
    truth.backward((h + (h.round() - h).detach()).square().sum())


@on(a=lin(4, 3), b=lin(3, 1))
def frozen(m: Any, truth: Truth, x: Tensor) -> None:
    m.a.requires_grad_(False)
    truth.backward(m.b(m.a(x)).sum())


@on(l=lin(4, 1))
def lbfgs(m: Any, truth: Truth, x: Tensor) -> None:
    optimizer = torch.optim.LBFGS(m.parameters(), lr=0.1, max_iter=2)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = m.l(x).square().mean()
        truth.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]


@on(l=lin(4, 1))
def evaluated(m: Any, truth: Truth, x: Tensor) -> None:
    for _ in range(2):
        loss = m.l(x).square().mean()
        m.zero_grad()
        truth.backward(loss)
        with torch.no_grad():
            loss = m.l(x).square().mean()
            loss.item()


@on(l=lin(4, 2))
def clipped_by_value(m: Any, truth: Truth, x: Tensor) -> None:
    truth.backward(m.l(x).square().sum())
    nn.utils.clip_grad_value_(m.parameters(), 0.05)
    torch.optim.Adagrad(m.parameters()).step()


@on(l=lin(4, 2))
def scaled_by_hand(m: Any, truth: Truth, x: Tensor) -> None:
    scale = 1024.0
    optimizer = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)
    truth.backward(m.l(x).square().mean() * scale)
    for p in m.parameters():
        p.grad.div_(scale)
    if all(torch.isfinite(p.grad).all() for p in m.parameters()):
        optimizer.step()


@on(a=lin(4, 3), b=lin(3, 1))
def checkpointed(m: Any, truth: Truth, x: Tensor) -> None:
    h = checkpoint(lambda at: m.a(at).tanh(), x, use_reentrant=False)
    truth.backward(m.b(h).square().mean())


@on(first=lin(4, 4), a=lin(4, 3), b=lin(3, 1))
def checkpointed_reentrantly(m: Any, truth: Truth, x: Tensor) -> None:
    h = checkpoint(lambda at: m.a(at).tanh(), m.first(x), use_reentrant=True)
    truth.backward(m.b(h).square().mean())


@on(cell=lambda: nn.GRUCell(4, 3), head=lin(3, 1))
def truncated_in_time(m: Any, truth: Truth, x: Tensor) -> None:
    truth.cut = True
    optimizer = torch.optim.SGD(m.parameters(), lr=0.1)
    h = torch.zeros(1, 3)
    for part in x.chunk(2):
        h = h.detach()
        for row in part:
            h = m.cell(row[None], h)
        optimizer.zero_grad()
        truth.backward(m.head(h).square().mean())
        optimizer.step()


@on(lstm=lambda: nn.LSTM(4, 3, batch_first=True), head=lin(3, 2))
def sequence_tagger(m: Any, truth: Truth, x: Tensor) -> None:
    out, _ = m.lstm(x[None])
    truth.backward(F.cross_entropy(m.head(out[0]), torch.arange(len(x)) % 2))


@on(l=lin(4, 2))
def sharpness_aware(m: Any, truth: Truth, x: Tensor) -> None:
    def loss() -> Tensor:
        return F.cross_entropy(m.l(x), torch.arange(len(x)) % 2)

    truth.backward(loss())
    with torch.no_grad():
        norm = torch.stack([p.grad.norm() for p in m.parameters()]).norm()
        moves = [0.05 * p.grad / norm for p in m.parameters()]
        for p, move in zip(m.parameters(), moves, strict=True):
            p.add_(move)
    m.zero_grad()
    truth.backward(loss())
    with torch.no_grad():
        for p, move in zip(m.parameters(), moves, strict=True):
            p.sub_(move)
    torch.optim.SGD(m.parameters(), lr=0.1).step()


@on(l=lin(4, 2))
def lookahead(m: Any, truth: Truth, x: Tensor) -> None:
    slow = [p.detach().clone() for p in m.parameters()]
    train(m, truth, lambda: m.l(x).square().mean(), "SGD", times=2)
    for p, kept in zip(m.parameters(), slow, strict=True):
        kept.add_(p.data - kept, alpha=0.5)
        p.data.copy_(kept)


@on(l=lin(4, 1))
def evaluated_with_averaged_weights(m: Any, truth: Truth, x: Tensor) -> None:
    shadow = copy.deepcopy(m.l).requires_grad_(False)
    train(m, truth, lambda: m.l(x).square().mean())
    follow(shadow, m.l)
    m.eval()
    with torch.no_grad():
        shadow(x).square().mean().item()
    m.train()


@on(l=lin(4, 1))
def averaged_by_swa(m: Any, truth: Truth, x: Tensor) -> None:
    average = torch.optim.swa_utils.AveragedModel(m.l)
    train(m, truth, lambda: m.l(x).square().mean(), "SGD")
    average.update_parameters(m.l)
    average(x).mean().item()


@on(l=lin(4, 1))
def meta_learned(m: Any, truth: Truth, x: Tensor) -> None:
    support, query = x.chunk(2)
    fast = dict(m.l.named_parameters())
    inner = functional_call(m.l, fast, (support,)).square().mean()
    grads = torch.autograd.grad(inner, list(fast.values()), create_graph=True)
    fast = {name: p - 0.1 * g for (name, p), g in zip(fast.items(), grads, strict=True)}
    truth.backward((functional_call(m.l, fast, (query,)) - 1).square().mean())


@on(l=lin(4, 3))
def mixed_up(m: Any, truth: Truth, x: Tensor) -> None:
    y = torch.arange(len(x)) % 3
    order, share = torch.randperm(len(x)), 0.3
    mixed = share * x + (1 - share) * x[order]
    out = m.l(mixed)
    truth.backward(share * F.cross_entropy(out, y) + (1 - share) * F.cross_entropy(out, y[order]))


@on(l=lin(4, 3))
def adversarially_trained(m: Any, truth: Truth, x: Tensor) -> None:
    y = torch.arange(len(x)) % 3
    near = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(F.cross_entropy(m.l(near), y), near)
    attacked = (x + 0.1 * slope.sign()).clamp(0, 1).detach()
    train(m, truth, lambda: F.cross_entropy(m.l(attacked), y, label_smoothing=0.1), "NAdam")


@on(a=lin(4, 3), norm=lambda: nn.BatchNorm1d(3), b=lin(3, 2))
def with_batch_norm(m: Any, truth: Truth, x: Tensor) -> None:
    train(m, truth, lambda: F.cross_entropy(m.b(m.norm(m.a(x)).relu()), torch.arange(len(x)) % 2), "SGD")
    m.eval()
    with torch.no_grad():
        m.b(m.norm(m.a(x)).relu()).argmax(1)


@on(a=lin(4, 2), log_variance=number(0.0, 2))
def several_tasks(m: Any, truth: Truth, x: Tensor) -> None:
    out = m.a(x)
    losses = torch.stack([out[:, 0].square().mean(), F.softplus(out[:, 1]).mean()])
    total = (losses * torch.exp(-m.log_variance) + m.log_variance).sum()
    truth.backward(total)
    [part.item() for part in losses]


@on(l=lambda: nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))
def weight_normed(m: Any, truth: Truth, x: Tensor) -> None:
    train(m, truth, lambda: m.l(x).square().mean(), "SGD")


@on(l=lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 2)))
def spectrally_normed(m: Any, truth: Truth, x: Tensor) -> None:
    train(m, truth, lambda: m.l(x).tanh().mean(), "SGD")


@on(l=lin(4, 3), d=lin(3, 4))
def gumbel(m: Any, truth: Truth, x: Tensor) -> None:
    truth.cut = True  # inside of gumbel_softmax(hard=True)
    truth.backward(F.mse_loss(m.d(F.gumbel_softmax(m.l(x), hard=True)), x))


@on(make=lin(4, 5))
def hypernetwork(m: Any, truth: Truth, x: Tensor) -> None:
    made = m.make(x[:1]).squeeze(0)
    inner = nn.Linear(4, 1)
    out = functional_call(inner, {"weight": made[:4].view(1, 4), "bias": made[4:]}, (x,))
    truth.backward(out.square().mean())


@on(each=lin(4, 3), all=lin(3, 1))
def deep_set(m: Any, truth: Truth, x: Tensor) -> None:
    schedule = torch.optim.SGD(m.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(schedule, 1)
    for rows in x.chunk(2):
        schedule.zero_grad()
        truth.backward(m.all(m.each(rows).relu().sum(0)).square().sum())
        schedule.step()
        scheduler.step()


@on(body=lin(4, 3), head=lin(3, 2))
def thawed_after_a_while(m: Any, truth: Truth, x: Tensor) -> None:
    optimizer = torch.optim.SGD(m.parameters(), lr=0.1)
    for thawed in (False, True):
        m.body.requires_grad_(thawed)
        optimizer.zero_grad()
        truth.backward(m.head(m.body(x).relu()).square().mean())
        optimizer.step()
