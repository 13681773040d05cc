"""Autoencoders, flows, adversaries and other models of how data came about."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.distributions as D
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)


def drawn(code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A draw, its mean and the logarithm of its variance."""
    mean, log_var = code.chunk(2, -1)
    return mean + (log_var / 2).exp() * torch.randn_like(mean), mean, log_var


def kl(mean: Tensor, log_var: Tensor) -> Tensor:
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1).mean()


def coder(run: Any, **more: Any) -> Net:
    return Net(run, enc=mlp(4, 5, 4), dec=mlp(2, 5, 4), **more)


def normal(z: Tensor) -> Tensor:
    return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


@entry
def variational_autoencoder_of_bits() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z, mean, log_var = drawn(m.enc(x))
        return F.binary_cross_entropy_with_logits(m.dec(z), x, reduction="sum") / 2 + 4.0 * kl(mean, log_var)

    return made(coder(run), (fixed(2, 4) > 0).float())


@entry
def variational_autoencoder_by_distributions() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        mean, std = m.enc(x).chunk(2, -1)
        q = D.Independent(D.Normal(mean, F.softplus(std)), 1)
        p = D.Independent(D.Normal(torch.zeros(2), torch.ones(2)), 1)
        z = q.rsample()
        return (D.kl_divergence(q, p) - D.Normal(m.dec(z), 1.0).log_prob(x).sum(-1)).mean()

    return made(coder(run), leaf(2, 4))


@entry
def conditional_autoencoder() -> Made:
    def run(m: Net, x: Tensor, label: Tensor) -> Tensor:
        c = F.one_hot(label, 2).float()
        z, mean, log_var = drawn(m.enc(torch.cat([x, c], -1)))
        return F.mse_loss(m.dec(torch.cat([z, c], -1)), x) + kl(mean, log_var)

    return made(Net(run, enc=mlp(6, 5, 4), dec=mlp(4, 5, 4)), fixed(2, 4), torch.tensor([0, 1]))


@entry
def bound_by_importance() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        mean, log_var = m.enc(x).chunk(2, -1)
        noise = torch.randn(3, 2, 2)
        z = mean + (log_var / 2).exp() * noise
        log_w = normal(z) + normal(m.dec(z) - x) - normal(noise) + log_var.sum(-1) / 2
        return -(torch.logsumexp(log_w, 0) - math.log(3)).mean()

    return made(coder(run), fixed(2, 4))


@entry
def ladder_of_latents() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z1, m1, v1 = drawn(m.enc(x))
        z2, m2, v2 = drawn(m.top(z1))
        pm, pv = m.prior(z2).chunk(2, -1)
        inner = 0.5 * (pv - v1 + (v1.exp() + (m1 - pm).square()) / pv.exp() - 1).sum(-1).mean()
        return F.mse_loss(m.dec(z1), x) + inner + kl(m2, v2)

    return made(coder(run, top=lin(2, 4), prior=lin(2, 4)), fixed(2, 4))


@entry
def vector_quantized_autoencoder() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z = m.enc(x)
        d = z.square().sum(1, keepdim=True) + m.book.weight.square().sum(1) - 2 * z @ m.book.weight.T
        q = m.book(d.argmin(1))
        out = m.dec(z + (q - z).detach())
        return F.mse_loss(out, x) + F.mse_loss(q, z.detach()) + 0.25 * F.mse_loss(z, q.detach())

    return made(Net(run, enc=lin(4, 2), book=nn.Embedding(3, 2), dec=lin(2, 4)), fixed(2, 4))


@entry
def autoencoder_of_wasserstein() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        z, y = m.enc(x), torch.randn(3, 2)
        k = lambda a, b: torch.exp(-torch.cdist(a, b).square() / 2)  # noqa: E731
        return F.mse_loss(m.dec(z), x) + k(z, z).mean() + k(y, y).mean() - 2 * k(z, y).mean()

    return made(Net(run, enc=mlp(4, 3, 2), dec=mlp(2, 3, 4)), fixed(3, 4))


@entry
def denoising_autoencoder_of_sparse_codes() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = torch.sigmoid(F.linear(x + 0.1 * torch.randn_like(x), m.w, m.b))
        rho = h.mean(0)
        sparse = (0.1 * torch.log(0.1 / rho) + 0.9 * torch.log(0.9 / (1 - rho))).sum()
        return F.mse_loss(h @ m.w, x) + 0.1 * sparse

    return made(Net(run, w=small(3, 4), b=small(3)), fixed(2, 4))


@entry
def contractive_autoencoder() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h = torch.sigmoid(m.enc(x))
        slope = ((h * (1 - h)).square() @ m.enc.weight.square().sum(1)).mean()
        return F.mse_loss(m.dec(h), x) + 0.1 * slope

    return made(Net(run, enc=lin(4, 3), dec=lin(3, 4)), fixed(2, 4))


@entry
def dictionary_of_the_k_largest() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a = F.relu((x - m.middle) @ m.enc)
        top, at = a.topk(2, -1)
        return F.mse_loss(torch.zeros_like(a).scatter(-1, at, top) @ F.normalize(m.dec, dim=-1) + m.middle, x)

    return made(Net(run, middle=small(4), enc=small(4, 6), dec=small(6, 4)), leaf(2, 4))


@entry
def affine_coupling() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        total = torch.zeros(2)
        for net in m.nets:
            a, b = x.chunk(2, -1)
            s, t = net(a).chunk(2, -1)
            s = torch.tanh(s)
            x, total = torch.cat([b * s.exp() + t, a], -1), total + s.sum(-1)
        return -(normal(x) + total).mean()

    return made(Net(run, nets=many(2, lambda: mlp(2, 4, 4))), fixed(2, 4))


@entry
def coupling_by_masks() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        mask = torch.tensor([1.0, 0.0, 1.0, 0.0])
        for net in m.nets:
            s, t = net(x * mask).tanh().chunk(2, -1)
            x = mask * x + (1 - mask) * (x * s.exp() + t)
            mask = 1 - mask
        return x

    return made(Net(run, nets=many(2, lambda: lin(4, 8))), leaf(2, 4))


@entry
def additive_coupling_with_a_scale() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        a, b = x[:, ::2], x[:, 1::2]
        b = b + m.f(a)
        a = a + m.g(b)
        z = torch.cat([a, b], -1) * m.scale.exp()
        return -(normal(z) + m.scale.sum()).mean()

    return made(Net(run, f=mlp(2, 3, 2), g=mlp(2, 3, 2), scale=small(4)), fixed(2, 4))


@entry
def glow_step() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        x = (x + m.bias) * m.scale.exp()
        x = F.conv2d(x, m.w[..., None, None])
        a, b = x.chunk(2, 1)
        s, t = m.net(a).chunk(2, 1)
        s = torch.sigmoid(s + 2)
        log_det = 9 * (m.scale.sum() + torch.linalg.slogdet(m.w).logabsdet) + s.log().sum()
        return -(normal(torch.cat([a, s * b + t], 1).flatten(1)).sum() + log_det)

    net = Net(
        run,
        bias=small(1, 2, 1, 1),
        scale=small(1, 2, 1, 1),
        w=torch.eye(2) + small(2, 2) / 4,
        net=nn.Conv2d(1, 2, 3, padding=1),
    )
    return made(net, leaf(1, 2, 3, 3))


@entry
def autoregressive_flow() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        mask = torch.ones(3, 3).tril(-1)
        h = F.linear(x, m.w * mask, m.b)
        z = (x - h) * torch.exp(-F.linear(x, m.s * mask))
        return -(normal(z) - F.linear(x, m.s * mask).sum(-1)).mean()

    return made(Net(run, w=small(3, 3), b=small(3), s=small(3, 3)), leaf(2, 3))


@entry
def planar_and_radial_flow() -> Made:
    def run(z: Tensor, u: Tensor, w: Tensor, b: Tensor, at: Tensor, alpha: Tensor) -> Tensor:
        u = u + (F.softplus(w @ u) - 1 - w @ u) * w / w.square().sum()
        h = torch.tanh(z @ w + b)
        log_det = torch.log((1 + (1 - h.square()) * (w @ u)).abs())
        z = z + u * h[:, None]
        h = 1 / (alpha.exp() + (z - at).norm(dim=-1))
        return -(normal(z + 0.5 * h[:, None] * (z - at)) + log_det + torch.log1p(0.5 * h)).mean()

    return made(run, fixed(3, 2), leaf(2), leaf(2), leaf(), leaf(2), leaf())


@entry
def flow_of_rational_splines() -> Made:
    def run(w: Tensor, h: Tensor, d: Tensor, x: Tensor) -> Tensor:
        xs, ys = (F.pad(y.softmax(0).cumsum(0), (1, 0)) for y in (w, h))
        slopes = F.softplus(d) + 1e-3
        k = torch.searchsorted(xs.detach(), x).clamp(1, 3) - 1
        width, height = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
        t, s = (x - xs[k]) / width, height / width
        return (
            ys[k]
            + height * (s * t**2 + slopes[k] * t * (1 - t)) / (s + (slopes[k + 1] + slopes[k] - 2 * s) * t * (1 - t))
        ).sum()

    return made(run, leaf(3), leaf(3), leaf(4), torch.tensor([0.1, 0.45, 0.8]))


@entry
def continuous_flow_with_a_trace() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        total, noise = torch.zeros(2), torch.randn_like(x)
        for _ in range(2):
            f = m.f(x)
            (along,) = torch.autograd.grad(f, x, noise, create_graph=True)
            x, total = x + 0.5 * f, total + 0.5 * (along * noise).sum(-1)
        return -(normal(x) + total).mean()

    return made(Net(run, f=mlp(2, 3, 2)), leaf(2, 2))


@entry
def residual_flow() -> Made:
    norm = torch.nn.utils.parametrizations.spectral_norm
    return made(Net(lambda m, x: x + 0.9 * m.b(F.elu(m.a(x))), a=norm(lin(2, 3)), b=norm(lin(3, 2))), leaf(2, 2))


@entry
def generator_against_a_discriminator() -> Made:
    def run(m: Net, z: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(m.d(m.g(z)), torch.ones(3, 1))

    return made(Net(run, g=mlp(2, 4, 2), d=mlp(2, 4, 1, act=nn.LeakyReLU).requires_grad_(False)), fixed(3, 2))


@entry
def discriminator_against_a_generator() -> Made:
    def run(m: Net, x: Tensor, z: Tensor) -> Tensor:
        return F.softplus(-m.d(x)).mean() + F.softplus(m.d(m.g(z).detach())).mean()

    return made(Net(run, g=mlp(2, 4, 2), d=mlp(2, 4, 1, act=nn.LeakyReLU)), fixed(3, 2), fixed(3, 2))


@entry
def critic_with_a_penalty_of_its_gradient() -> Made:
    def run(m: Net, x: Tensor, fake: Tensor) -> Tensor:
        t = torch.rand(3, 1)
        middle = (t * x + (1 - t) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(m.d(middle).sum(), middle, create_graph=True)
        return m.d(fake).mean() - m.d(x).mean() + 10 * (slope.norm(2, -1) - 1).square().mean()

    return made(Net(run, d=mlp(2, 4, 1)), fixed(3, 2), fixed(3, 2))


@entry
def hinge_of_normalized_critics_with_r1() -> Made:
    def run(m: Net, x: Tensor, fake: Tensor) -> Tensor:
        real = m.d(x)
        (slope,) = torch.autograd.grad(real.sum(), x, create_graph=True)
        return F.relu(1 - real).mean() + F.relu(1 + m.d(fake)).mean() + 5 * slope.square().sum(-1).mean()

    norm = torch.nn.utils.parametrizations.spectral_norm
    return made(Net(run, d=nn.Sequential(norm(lin(2, 4)), nn.Tanh(), norm(lin(4, 1)))), leaf(3, 2), fixed(3, 2))


@entry
def generator_with_styles() -> Made:
    def run(m: Net, z: Tensor) -> Tensor:
        w = m.map(z * torch.rsqrt(z.square().mean(-1, keepdim=True) + 1e-8))
        s = m.affine(w) + 1
        k = m.kernel[None] * s[:, None, :, None, None]
        k = k * torch.rsqrt(k.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        x = F.conv2d(m.start.expand(2, -1, -1, -1).reshape(1, 4, 3, 3), k.flatten(0, 1), padding=1, groups=2)
        return F.leaky_relu(x.view(2, 3, 3, 3) + m.noise * torch.randn(2, 1, 3, 3), 0.2)

    net = Net(
        run, map=mlp(2, 3, 3), affine=lin(3, 2), kernel=small(3, 2, 3, 3), start=small(1, 2, 3, 3), noise=small(1)
    )
    return made(net, leaf(2, 2))


@entry
def cycle_of_two_generators() -> Made:
    def run(m: Net, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        ab, ba = m.g(a), m.f(b)
        cycle = F.l1_loss(m.f(ab), a) + F.l1_loss(m.g(ba), b)
        fool = (m.da(ba) - 1).square().mean() + (m.db(ab) - 1).square().mean()
        return {"loss": fool + 10 * cycle, "cycle": cycle}

    return made(Net(run, g=mlp(2, 3, 2), f=mlp(2, 3, 2), da=lin(2, 1), db=lin(2, 1)), fixed(2, 2), fixed(2, 2))


@entry
def diversity_within_a_batch() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        f = (x @ m.t).view(3, 2, 2)
        far = torch.exp(-(f[:, None] - f[None]).abs().sum(-1)).sum(1) - 1
        return m.out(torch.cat([x, far, x.std(0).mean().expand(3, 1)], -1))

    return made(Net(run, t=small(2, 4), out=lin(5, 1)), leaf(3, 2))


@entry
def energy_contrasted() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        fake = torch.randn_like(x)
        for _ in range(2):
            fake = fake.detach().requires_grad_()
            (g,) = torch.autograd.grad(m.e(fake).sum(), fake)
            fake = fake - 0.1 * g
        good, bad = m.e(x), m.e(fake.detach())
        return good.mean() - bad.mean() + 0.1 * (good.square() + bad.square()).mean()

    return made(Net(run, e=mlp(2, 4, 1, act=nn.SiLU)), fixed(3, 2))


@entry
def restricted_boltzmann_machine() -> Made:
    def run(m: Net, v: Tensor) -> Tensor:
        free = lambda v: -(v @ m.a) - F.softplus(v @ m.w + m.b).sum(-1)  # noqa: E731
        with torch.no_grad():
            h = torch.bernoulli(torch.sigmoid(v @ m.w + m.b))
            fake = torch.bernoulli(torch.sigmoid(h @ m.w.T + m.a))
        return (free(v) - free(fake)).mean()

    return made(Net(run, w=small(4, 3), a=small(4), b=small(3)), (fixed(3, 4) > 0).float())


@entry
def masked_autoregression() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        order, hidden = torch.arange(4), torch.tensor([0, 1, 2, 0, 1])
        h = F.relu(F.linear(x, m.w1 * (hidden[:, None] >= order), m.b1))
        return F.binary_cross_entropy_with_logits(F.linear(h, m.w2 * (order[:, None] > hidden)), x)

    return made(Net(run, w1=small(5, 4), b1=small(5), w2=small(4, 5)), (fixed(2, 4) > 0).float())


@entry
def masked_convolution_of_pixels() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        first = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 0, 0]])
        later = first.clone()
        later[1, 1] = 1
        h = F.relu(F.conv2d(x, m.a * first, padding=1))
        return m.out(F.conv2d(h, m.b * later, padding=1))

    return made(Net(run, a=small(2, 1, 3, 3), b=small(2, 2, 3, 3), out=nn.Conv2d(2, 2, 1)), leaf(1, 1, 3, 3))


@entry
def mixture_of_gaussians() -> Made:
    def run(logits: Tensor, means: Tensor, chol: Tensor, x: Tensor) -> Tensor:
        l = chol.tril(-1) + torch.diag_embed(F.softplus(chol.diagonal(dim1=-2, dim2=-1)))  # noqa: E741
        mixture = D.MixtureSameFamily(D.Categorical(logits=logits), D.MultivariateNormal(means, scale_tril=l))
        return -mixture.log_prob(x).mean()

    return made(run, leaf(2), leaf(2, 2), leaf(2, 2, 2), fixed(3, 2))


@entry
def density_of_a_mixture_by_a_network() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        p, mean, scale = m.net(x).chunk(3, -1)
        parts = p.log_softmax(-1) - ((y - mean) / scale.exp()).square() / 2 - scale
        return -torch.logsumexp(parts, -1).mean()

    return made(Net(run, net=mlp(2, 4, 6)), fixed(3, 2), fixed(3, 1))


@entry
def logistics_in_steps() -> Made:
    def run(mean: Tensor, scale: Tensor, x: Tensor) -> Tensor:
        inv = torch.exp(-scale)
        up, down = torch.sigmoid(inv * (x - mean + 0.1)), torch.sigmoid(inv * (x - mean - 0.1))
        inner = torch.log((up - down).clamp(min=1e-12))
        return -torch.where(
            x < -0.9, torch.log(up.clamp(min=1e-12)), torch.where(x > 0.9, torch.log1p(-down), inner)
        ).mean()

    return made(run, leaf(3), leaf(3), torch.tensor([-1.0, 0.2, 0.95]))


@entry
def clusters_that_sharpen() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q = 1 / (1 + torch.cdist(m.enc(x), m.centers).square())
        q = q / q.sum(1, keepdim=True)
        p = (q.square() / q.sum(0)).detach()
        return F.kl_div(q.log(), p / p.sum(1, keepdim=True), reduction="batchmean")

    return made(Net(run, enc=mlp(3, 3, 2), centers=small(2, 2)), fixed(4, 3))


@entry
def topics_of_documents() -> Made:
    def run(m: Net, counts: Tensor) -> Tensor:
        mean, log_var = m.enc(counts).chunk(2, -1)
        theta = (mean + (log_var / 2).exp() * torch.randn_like(mean)).softmax(-1)
        return -(counts * (theta @ m.topics.softmax(-1)).log()).sum(-1).mean() + kl(mean, log_var)

    return made(Net(run, enc=mlp(5, 4, 4), topics=small(2, 5)), torch.tensor([[1.0, 0, 2, 0, 1], [0, 1, 0, 3, 0]]))


@entry
def relaxed_bits() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        u = torch.rand(3, 2).clamp(1e-3, 1 - 1e-3)
        z = torch.sigmoid((m.enc(x) + u.logit()) / 0.5)
        return F.mse_loss(m.dec(z), x)

    return made(Net(run, enc=lin(4, 2), dec=lin(2, 4)), fixed(3, 4))


@entry
def draws_from_many_distributions() -> Made:
    def run(a: Tensor, b: Tensor) -> Tensor:
        a, b = F.softplus(a) + 0.5, F.softplus(b) + 0.5
        families = (
            D.Gamma(a, b),
            D.Beta(a, b),
            D.Laplace(a, b),
            D.StudentT(a + 3),
            D.Weibull(a, b),
            D.Gumbel(a, b),
            D.LogNormal(a / 4, b / 4),
        )
        return sum(family.rsample().sum() for family in families) + D.Dirichlet(a).rsample().square().sum()

    return made(run, leaf(3), leaf(3))


@entry
def likelihoods_of_many_distributions() -> Made:
    def run(a: Tensor, b: Tensor) -> Tensor:
        a, b = F.softplus(a) + 0.5, F.softplus(b) + 0.5
        x = torch.tensor([0.2, 0.5, 0.7])
        families = (
            D.Gamma(a, b),
            D.Beta(a, b),
            D.Cauchy(a, b),
            D.Exponential(a),
            D.HalfNormal(b),
            D.VonMises(a, b),
            D.Kumaraswamy(a, b),
        )
        counted = D.Poisson(a).log_prob(x.ceil()) + D.NegativeBinomial(b, logits=a).log_prob(x.ceil())
        return sum(family.log_prob(x).sum() for family in families) + counted.sum()

    return made(run, leaf(3), leaf(3))


@entry
def guide_of_a_bayesian_layer() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        std = F.softplus(m.rho)
        w = m.mu + std * torch.randn_like(std)
        prior = (D.Normal(m.mu, std).log_prob(w) - D.Normal(0.0, 1.0).log_prob(w)).sum()
        return F.mse_loss(x @ w, y) + prior / 10

    return made(Net(run, mu=small(3, 1), rho=small(3, 1)), fixed(4, 3), fixed(4, 1))


@entry
def gaussian_process() -> Made:
    def run(length: Tensor, scale: Tensor, noise: Tensor, x: Tensor, y: Tensor) -> Tensor:
        k = scale.exp() * torch.exp(-torch.cdist(x, x).square() / (2 * length.exp())) + (
            noise.exp() + 1e-3
        ) * torch.eye(4)
        low = torch.linalg.cholesky(k)
        alpha = torch.cholesky_solve(y[:, None], low)
        return 0.5 * (y @ alpha).squeeze() + low.diagonal().log().sum()

    return made(run, leaf(), leaf(), leaf(), fixed(4, 1), fixed(4))


@entry
def features_drawn_for_a_kernel() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        z = torch.cos(x @ m.w * m.length.exp() + m.b) * math.sqrt(2 / 5)
        return F.mse_loss(z @ torch.linalg.solve(z.T @ z + 0.1 * torch.eye(5), z.T @ y), y)

    net = Net(run, length=small(1))
    net.register_buffer("w", fixed(2, 5))
    net.register_buffer("b", torch.rand(5) * 6)
    return made(net, leaf(4, 2), fixed(4))
