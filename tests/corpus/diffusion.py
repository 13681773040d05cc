"""Diffusion, flows of probability and their parts."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)
BETAS = torch.linspace(1e-2, 0.3, 6)
ALPHAS = (1 - BETAS).cumprod(0)


def sines(t: Tensor, width: int = 4) -> Tensor:
    angles = t[:, None].float() * torch.exp(-math.log(1e4) * torch.arange(width // 2) / (width // 2))
    return torch.cat([angles.sin(), angles.cos()], -1)


def noised(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """The picture with noise of that time, and the noise."""
    a, noise = ALPHAS[t][:, None], torch.randn_like(x)
    return a.sqrt() * x + (1 - a).sqrt() * noise, noise


def denoiser(run: Any, **more: Any) -> Net:
    return Net(run, net=mlp(7, 6, 3, act=nn.SiLU), **more)


def asked(m: Net, x: Tensor, t: Tensor) -> Tensor:
    return m.net(torch.cat([x, sines(t)], -1))


TIMES = torch.tensor([1, 4])


@entry
def loss_of_the_noise() -> Made:
    def run(m: Net, x: Tensor, t: Tensor) -> Tensor:
        noisy, noise = noised(x, t)
        return F.mse_loss(asked(m, noisy, t), noise)

    return made(denoiser(run), fixed(2, 3), TIMES)


@entry
def loss_of_the_velocity_weighted_by_signal() -> Made:
    def run(m: Net, x: Tensor, t: Tensor) -> Tensor:
        noisy, noise = noised(x, t)
        a = ALPHAS[t][:, None]
        snr = a / (1 - a)
        off = asked(m, noisy, t) - (a.sqrt() * noise - (1 - a).sqrt() * x)
        return (torch.minimum(snr, torch.tensor(5.0)) / (snr + 1) * off.square()).mean()

    return made(denoiser(run), leaf(2, 3), TIMES)


@entry
def preconditioned_denoiser() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        sigma = torch.exp(torch.randn(2, 1) * 1.2 - 1.2)
        noisy = x + sigma * torch.randn_like(x)
        skip, out = 0.25 / (sigma**2 + 0.25), sigma * 0.5 / (sigma**2 + 0.25).sqrt()
        guess = skip * noisy + out * asked(m, noisy / (sigma**2 + 0.25).sqrt(), sigma.log().squeeze(1) / 4)
        return ((sigma**2 + 0.25) / (sigma * 0.5) ** 2 * (guess - x) ** 2).mean()

    return made(denoiser(run), fixed(2, 3))


@entry
def ancestral_sampling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for t in (5, 3, 1):
            noise = asked(m, x, torch.full((2,), t))
            x = (x - BETAS[t] / (1 - ALPHAS[t]).sqrt() * noise) / (1 - BETAS[t]).sqrt()
            x = x + BETAS[t].sqrt() * torch.randn_like(x) if t > 1 else x
        return x

    return made(denoiser(run), leaf(2, 3))


@entry
def deterministic_sampling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for t, s in ((5, 3), (3, 0)):
            noise = asked(m, x, torch.full((1,), t))
            clean = ((x - (1 - ALPHAS[t]).sqrt() * noise) / ALPHAS[t].sqrt()).clamp(-1, 1)
            x = ALPHAS[s].sqrt() * clean + (1 - ALPHAS[s]).sqrt() * noise
        return x

    return made(denoiser(run), leaf(1, 3))


@entry
def solver_of_second_order() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for s, t in ((2.0, 1.0), (1.0, 0.0)):
            d = (x - asked(m, x, torch.tensor([s]))) / s
            y = x + (t - s) * d
            x = x + (t - s) * (d + (y - asked(m, y, torch.tensor([t]))) / t) / 2 if t else y
        return x

    return made(denoiser(run), leaf(1, 3))


@entry
def sampling_by_langevin() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for _ in range(2):
            (g,) = torch.autograd.grad(m.energy(x).sum(), x, create_graph=True)
            x = x - 0.05 * g + 0.1**0.5 * torch.randn_like(x)
        return x

    return made(Net(run, energy=mlp(3, 4, 1, act=nn.Softplus)), leaf(1, 3))


@entry
def sliced_score_matching() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        s = m.score(x)
        v = torch.randn_like(x)
        (along,) = torch.autograd.grad((s * v).sum(), x, create_graph=True)
        return ((along * v).sum(-1) + 0.5 * (s * v).sum(-1).square()).mean()

    return made(Net(run, score=mlp(3, 4, 3)), leaf(2, 3))


@entry
def flow_matching() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        t, start = torch.rand(2), torch.randn_like(x)
        at = torch.lerp(start, x, t[:, None])
        return F.mse_loss(asked(m, at, t), x - start)

    return made(denoiser(run), leaf(2, 3))


@entry
def consistency_with_an_average_of_weights() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        noise = torch.randn_like(x)
        with torch.no_grad():
            teacher = m.ema(torch.cat([x + 0.5 * noise, sines(torch.tensor([1, 1]))], -1))
        return (((asked(m, x + 0.8 * noise, torch.tensor([2, 2])) - teacher) ** 2 + 0.01).sqrt() - 0.1).mean()

    return made(denoiser(run, ema=mlp(7, 6, 3).requires_grad_(False)), fixed(2, 3))


@entry
def guidance_without_a_classifier() -> Made:
    def run(m: Net, x: Tensor, label: Tensor) -> Tensor:
        both = torch.cat([m.words(label), m.nothing.expand(2, -1)])
        out = m.net(torch.cat([x.repeat(2, 1), both], -1))
        given, free = out.chunk(2)
        guided = free + 3.0 * (given - free)
        return guided * (given.std(-1, keepdim=True) / guided.std(-1, keepdim=True))

    return made(denoiser(run, words=nn.Embedding(3, 4), nothing=small(4)), leaf(2, 3), torch.tensor([0, 2]))


@entry
def guidance_by_a_classifier() -> Made:
    def run(m: Net, x: Tensor, label: Tensor) -> Tensor:
        log_p = m.classes(x).log_softmax(-1).gather(1, label[:, None]).sum()
        (g,) = torch.autograd.grad(log_p, x, create_graph=True)
        return asked(m, x, TIMES) - 0.3 * g

    return made(denoiser(run, classes=mlp(3, 4, 2)), leaf(2, 3), torch.tensor([0, 1]))


@entry
def residual_block_that_is_told_the_time() -> Made:
    def run(m: Net, x: Tensor, t: Tensor) -> Tensor:
        scale, shift = m.time(F.silu(sines(t)))[..., None, None].chunk(2, 1)
        h = m.c1(F.silu(m.n1(x)))
        return m.skip(x) + m.c2(F.silu(m.n2(h) * (1 + scale) + shift))

    net = Net(
        run, n1=nn.GroupNorm(1, 2), c1=nn.Conv2d(2, 4, 3, padding=1), time=lin(4, 8), n2=nn.GroupNorm(2, 4),
        c2=nn.Conv2d(4, 4, 3, padding=1), skip=nn.Conv2d(2, 4, 1),
    )  # fmt: skip
    return made(net, leaf(2, 2, 3, 3), TIMES)


@entry
def attention_block_of_a_u_net() -> Made:
    def run(m: Net, x: Tensor, text: Tensor) -> Tensor:
        h = m.norm(x).flatten(2).mT
        h = h + m.self_attention(h, h, h, need_weights=False)[0]
        h = h + m.cross(h, text, text, need_weights=False)[0]
        a, gate = m.up(m.ln(h)).chunk(2, -1)
        return x + m.out((h + m.down(a * F.gelu(gate))).mT.view_as(x))

    net = Net(
        run, norm=nn.GroupNorm(2, 4), self_attention=nn.MultiheadAttention(4, 2, batch_first=True), ln=nn.LayerNorm(4),
        cross=nn.MultiheadAttention(4, 2, kdim=3, vdim=3, batch_first=True), up=lin(4, 8), down=lin(),
        out=nn.Conv2d(4, 4, 1),
    )  # fmt: skip
    return made(net, leaf(1, 4, 2, 2), leaf(1, 2, 3))


@entry
def u_net_with_two_levels() -> Made:
    def run(m: Net, x: Tensor, t: Tensor) -> Tensor:
        time = m.time(sines(t))[..., None, None]
        a = F.silu(m.a(x))
        b = F.silu(m.down(a) + time)
        b = b + F.silu(m.mid(b))
        return m.out(torch.cat([F.interpolate(b, scale_factor=2.0), a], 1))

    net = Net(
        run, time=lin(4, 3), a=nn.Conv2d(1, 2, 3, padding=1), down=nn.Conv2d(2, 3, 3, 2, 1), mid=nn.Conv2d(3, 3, 3,
        padding=1),
        out=nn.Conv2d(5, 1, 3, padding=1),
    )  # fmt: skip
    return made(net, leaf(2, 1, 4, 4), TIMES)


@entry
def transformer_with_adaptive_norms() -> Made:
    def run(m: Net, x: Tensor, t: Tensor) -> Tensor:
        s1, b1, g1, s2, b2, g2 = m.ada(F.silu(sines(t)))[:, None].chunk(6, -1)
        h = F.layer_norm(x, (4,)) * (1 + s1) + b1
        x = x + g1 * m.attention(h, h, h, need_weights=False)[0]
        return x + g2 * m.feed(F.layer_norm(x, (4,)) * (1 + s2) + b2)

    net = Net(
        run, ada=lin(4, 24), attention=nn.MultiheadAttention(4, 2, batch_first=True), feed=mlp(4, 6, 4, act=nn.GELU)
    )
    return made(net, leaf(2, 3, 4), TIMES)


@entry
def transformer_of_two_streams() -> Made:
    def run(m: Net, x: Tensor, text: Tensor) -> tuple[Tensor, ...]:
        q, k, v = torch.cat([m.image(x), m.text(text)], 1).chunk(3, -1)
        out = F.scaled_dot_product_attention(q, k, v)
        a, b = out.split([3, 2], 1)
        return x + m.oi(a), text + m.ot(b)

    return made(Net(run, image=lin(4, 12), text=lin(4, 12), oi=lin(), ot=lin()), leaf(1, 3, 4), leaf(1, 2, 4))


@entry
def control_by_zero_convolutions() -> Made:
    zero = nn.Conv2d(2, 2, 1)
    nn.init.zeros_(zero.weight)
    frozen = nn.Conv2d(2, 2, 3, padding=1).requires_grad_(False)
    run = lambda m, x, hint: m.frozen(x) + m.zero(m.copy(x + m.enter(hint)))  # noqa: E731
    return made(
        Net(run, frozen=frozen, copy=nn.Conv2d(2, 2, 3, padding=1), enter=nn.Conv2d(1, 2, 1), zero=zero),
        leaf(1, 2, 3, 3),
        fixed(1, 1, 3, 3),
    )


@entry
def schedule_that_is_learned() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        t = torch.rand(2, 1).requires_grad_()
        gamma = m.g1.abs() * t + torch.sigmoid(t @ m.g2.abs()).sum(-1, keepdim=True)
        (slope,) = torch.autograd.grad(gamma.sum(), t, create_graph=True)
        noise = torch.randn_like(x)
        noisy = torch.sigmoid(-gamma).sqrt() * x + torch.sigmoid(gamma).sqrt() * noise
        return (0.5 * slope * (m.net(torch.cat([noisy, gamma.expand(-1, 4)], -1)) - noise).square()).mean()

    return made(denoiser(run, g1=small(1), g2=small(1, 3)), fixed(2, 3))


@entry
def autoencoder_of_latents() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        mean, log_var = m.enc(x).chunk(2, 1)
        log_var = log_var.clamp(-30, 20)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return F.l1_loss(m.dec(z), x) + 1e-3 * (mean.square() + log_var.exp() - 1 - log_var).sum()

    return made(Net(run, enc=nn.Conv2d(1, 4, 2, 2), dec=nn.ConvTranspose2d(2, 1, 2, 2)), leaf(1, 1, 4, 4))


@entry
def discrete_diffusion_of_masks() -> Made:
    def run(m: Net, tokens: Tensor) -> Tensor:
        t = torch.rand(2, 1) * 0.9 + 0.1
        hidden = torch.rand(2, 4) < t
        logits = m.out(m.mix(m.words(tokens.masked_fill(hidden, 5)).mT).mT)
        losses = F.cross_entropy(logits.mT, tokens, reduction="none")
        return (losses * hidden / t).mean()

    return made(
        Net(run, words=nn.Embedding(6, 3), mix=lin(), out=lin(3, 5)), torch.tensor([[0, 1, 2, 3], [4, 3, 2, 1]])
    )


@entry
def distillation_of_a_score() -> Made:
    def run(m: Net, z: Tensor) -> Tensor:
        x = m.generator(z)
        with torch.no_grad():
            off = m.fake(x) - m.real(x)
        return 0.5 * F.mse_loss(x, (x - off).detach(), reduction="sum")

    frozen = lambda: mlp(3, 4, 3).requires_grad_(False)  # noqa: E731
    return made(Net(run, generator=mlp(2, 4, 3), fake=frozen(), real=frozen()), fixed(2, 2))


@entry
def rectified_flow_straightened() -> Made:
    def run(m: Net, z: Tensor) -> Tensor:
        x = z
        for k in range(3):
            x = x + asked(m, x, torch.full((1,), k / 3)) / 3
        return F.mse_loss(x, z.roll(1, -1)) + (asked(m, z, torch.zeros(1)) - (x - z).detach()).square().mean()

    return made(denoiser(run), leaf(1, 3))


@entry
def words_turned_into_a_new_token() -> Made:
    def run(m: Net, tokens: Tensor) -> Tensor:
        x = torch.where((tokens == 4)[..., None], m.new, m.words(tokens))
        return m.net(torch.cat([x.mean(1), sines(torch.tensor([2]))], -1))

    words = nn.Embedding(5, 3).requires_grad_(False)
    return made(denoiser(run, words=words, new=small(3)), torch.tensor([[1, 4, 2]]))


@entry
def adapters_of_low_rank_on_attention() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q, k, v = (base(x) + 0.5 * b(a(x)) for base, a, b in zip(m.base, m.a, m.b, strict=True))
        return F.scaled_dot_product_attention(q, k, v)

    net = Net(
        run,
        base=many(3, lin).requires_grad_(False),
        a=many(3, lambda: lin(4, 1, False)),
        b=many(3, lambda: lin(1, 4, False)),
    )
    return made(net, leaf(1, 3, 4))
