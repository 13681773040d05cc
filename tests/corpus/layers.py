"""Layers: normalisations, activations, embeddings, structured matrices, features crossed, linear algebra inside."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)

# --- normalisations


@entry
def batch_norm_in_a_perceptron() -> Made:
    return made(nn.Sequential(lin(3, 4), nn.BatchNorm1d(4), nn.ReLU(), lin(4, 2)), leaf(4, 3))


@entry
def batch_norm_that_is_frozen() -> Made:
    return made(nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2).eval(), nn.CELU()), leaf(1, 1, 3, 3))


@entry
def batch_norm_renormalized() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        mean, std = x.mean(0), x.std(0) + 1e-5
        r, d = (std.detach() / m.std).clamp(0.5, 2), ((mean.detach() - m.mean) / m.std).clamp(-1, 1)
        return m.gain * ((x - mean) / std * r + d)

    net = Net(run, gain=small(3))
    net.register_buffer("mean", fixed(3))
    net.register_buffer("std", torch.ones(3))
    return made(net, leaf(4, 3))


@entry
def batch_norm_of_small_groups() -> Made:
    return made(Net(lambda m, x: torch.cat([m.n(part) for part in x.chunk(2)]), n=nn.BatchNorm1d(3)), leaf(4, 3))


@entry
def batch_norm_conditioned() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        g, b = m.embed(y)[..., None, None].chunk(2, 1)
        return m.n(x) * (1 + g) + b

    return made(
        Net(run, n=nn.BatchNorm2d(2, affine=False), embed=nn.Embedding(3, 4)), leaf(2, 2, 2, 2), torch.tensor([0, 2])
    )


@entry
def norms_of_every_axis() -> Made:
    return made(
        nn.Sequential(nn.InstanceNorm2d(2, affine=True), nn.GroupNorm(2, 2), nn.LayerNorm([2, 3, 3])), leaf(2, 2, 3, 3)
    )


@entry
def style_moved_by_statistics() -> Made:
    def run(content: Tensor, style: Tensor) -> Tensor:
        s = lambda x: (x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True))  # noqa: E731
        (cm, cs), (sm, ss) = s(content), s(style)
        return ss * (content - cm) / (cs + 1e-5) + sm

    return made(run, leaf(1, 2, 3, 3), leaf(1, 2, 3, 3))


@entry
def norm_with_a_map_of_segments() -> Made:
    def run(m: Net, x: Tensor, seg: Tensor) -> Tensor:
        h = torch.relu(m.shared(seg))
        return F.instance_norm(x) * (1 + m.g(h)) + m.b(h)

    conv = lambda a, b: nn.Conv2d(a, b, 3, padding=1)  # noqa: E731
    return made(Net(run, shared=conv(1, 2), g=conv(2, 2), b=conv(2, 2)), leaf(1, 2, 3, 3), fixed(1, 1, 3, 3))


@entry
def norms_switched() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = m.w.softmax(0)
        dims = ((2, 3), (1, 2, 3), (0, 2, 3))
        mean = sum(w[i] * x.mean(d, keepdim=True) for i, d in enumerate(dims))
        var = sum(w[i] * x.var(d, keepdim=True) for i, d in enumerate(dims))
        return (x - mean) / (var + 1e-5).sqrt()

    return made(Net(run, w=small(3)), leaf(2, 2, 2, 2))


@entry
def response_normalized_globally() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        g = x.norm(p=2, dim=(1, 2), keepdim=True)
        return m.gamma * (x * g / (g.mean(-1, keepdim=True) + 1e-6)) + m.beta + x

    return made(Net(run, gamma=small(3), beta=small(3)), leaf(1, 2, 2, 3))


@entry
def whitening() -> Made:
    def run(x: Tensor) -> Tensor:
        x = x - x.mean(0)
        low = torch.linalg.cholesky(x.T @ x / 5 + 0.1 * torch.eye(2))
        return torch.linalg.solve_triangular(low, x.T, upper=False).T.pow(3).sum()

    return made(run, leaf(5, 2))


@entry
def norm_by_tanh() -> Made:
    return made(
        Net(lambda m, x: m.g * torch.tanh(m.a * x) + m.b, a=torch.tensor(0.5), g=small(3), b=small(3)), leaf(2, 3)
    )


# --- activations


@entry
def activations_of_torch() -> Made:
    kinds = (
        nn.ELU,
        nn.SELU,
        nn.CELU,
        nn.GELU,
        nn.Mish,
        nn.SiLU,
        nn.Softsign,
        nn.LogSigmoid,
        nn.Tanhshrink,
        nn.Hardswish,
    )
    return made(
        Net(lambda m, x: sum(act(x) for act in m.acts), acts=nn.ModuleList(kind() for kind in kinds)), leaf(2, 4)
    )


@entry
def activations_with_thresholds() -> Made:
    acts = (
        nn.Hardtanh(),
        nn.Hardshrink(),
        nn.Softshrink(),
        nn.ReLU6(),
        nn.Threshold(0.1, 2),
        nn.LeakyReLU(),
        nn.RReLU(),
        nn.Hardsigmoid(),
    )
    return made(Net(lambda m, x: sum(act(x) for act in m.acts), acts=nn.ModuleList(acts)), leaf(2, 4))


@entry
def activation_learned_in_each_channel() -> Made:
    return made(nn.Sequential(nn.Conv1d(2, 3, 2), nn.PReLU(3), nn.Softmax(1)), leaf(1, 2, 4))


@entry
def maxout() -> Made:
    return made(Net(lambda m, x: m.l(x).unflatten(-1, (3, 2)).amax(-1), l=lin(3, 6)), leaf(2, 3))


@entry
def gated_linear_units() -> Made:
    run = lambda m, x: m.down(F.silu(m.gate(x)) * m.up(x)) + F.glu(m.up(x), -1).repeat(1, 2)[:, :3]  # noqa: E731
    return made(Net(run, gate=lin(3, 4), up=lin(3, 4), down=lin(4, 3)), leaf(2, 3))


@entry
def activation_of_rational_functions() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        powers = x[..., None] ** torch.arange(4)
        return (powers @ m.p) / (1 + (powers[..., 1:3] @ m.q).abs())

    return made(Net(run, p=small(4), q=small(2)), leaf(2, 3))


@entry
def network_of_splines() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        grid = torch.linspace(-2, 2, 6)
        b = ((x[..., None] >= grid[:-1]) & (x[..., None] < grid[1:])).float()
        for k in (1, 2):
            left = (x[..., None] - grid[: -(k + 1)]) / (grid[k:-1] - grid[: -(k + 1)])
            right = (grid[k + 1 :] - x[..., None]) / (grid[k + 1 :] - grid[1:-k])
            b = left * b[..., :-1] + right * b[..., 1:]
        return torch.einsum("nik,oik->no", b, m.c) + F.silu(x) @ m.w

    return made(Net(run, c=small(2, 3, 3), w=small(3, 2)), leaf(2, 3))


@entry
def units_of_arithmetic() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = torch.tanh(m.a) * torch.sigmoid(m.b)
        g = torch.sigmoid(x @ m.g)
        return g * (x @ w) + (1 - g) * torch.exp(torch.log(x.abs() + 1e-4) @ w)

    return made(Net(run, a=small(3, 2), b=small(3, 2), g=small(3, 2)), leaf(2, 3))


# --- embeddings


@entry
def bags_of_words() -> Made:
    bag = nn.EmbeddingBag(6, 3, mode="mean")
    return made(
        Net(lambda m, t, o: m.out(m.bag(t, o)), bag=bag, out=lin(3, 2)),
        torch.tensor([1, 2, 4, 5]),
        torch.tensor([0, 3]),
    )


@entry
def bags_of_the_largest() -> Made:
    return made(Net(lambda m, t: m.bag(t), bag=nn.EmbeddingBag(6, 3, mode="max")), ids([1, 2], [4, 1]))


@entry
def words_with_a_padding() -> Made:
    run = lambda m, t: m.out(m.w(t).mean(1))  # noqa: E731
    return made(Net(run, w=nn.Embedding(5, 3, padding_idx=0), out=lin(3, 2)), ids([1, 2, 0], [3, 0, 0]))


@entry
def words_scaled_by_frequency() -> Made:
    return made(
        Net(lambda m, t: m.w(t).tanh().sum(1), w=nn.Embedding(5, 3, scale_grad_by_freq=True)), ids([1, 2, 1], [3, 1, 4])
    )


@entry
def words_of_limited_norm() -> Made:
    return made(Net(lambda m, t: m.w(t).tanh().sum(1), w=nn.Embedding(5, 3, max_norm=0.5)), ids([1, 2, 1], [3, 1, 4]))


@entry
def words_with_sparse_gradients() -> Made:
    return made(Net(lambda m, t: m.w(t).tanh().sum(1), w=nn.Embedding(5, 3, sparse=True)), ids([1, 2, 1], [3, 1, 4]))


@entry
def words_made_of_letters() -> Made:
    def run(m: Net, letters: Tensor) -> Tensor:
        x = m.letters(letters).flatten(0, 1).mT
        h = torch.cat([c(x).amax(-1) for c in m.convs], -1)
        t = torch.sigmoid(m.t(h))
        return (t * torch.relu(m.h(h)) + (1 - t) * h).view(1, 2, 4)

    convs = nn.ModuleList(nn.Conv1d(2, 2, k) for k in (1, 2))
    return made(
        Net(run, letters=nn.Embedding(5, 2), convs=convs, t=lin(), h=lin()), torch.tensor([[[1, 2, 3], [4, 0, 1]]])
    )


@entry
def words_by_hashes_and_factors() -> Made:
    run = lambda m, t: m.up(m.a(t % 4) + m.b(t * 7 % 4) * m.share)  # noqa: E731
    return made(
        Net(run, a=nn.Embedding(4, 2), b=nn.Embedding(4, 2), share=small(1), up=lin(2, 4, False)), ids([3, 11, 25])
    )


@entry
def numbers_as_fourier_features() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        angles = x[..., None] * m.f
        return m.out(torch.cat([x, (2 * math.pi * angles).sin().flatten(1), angles.cos().flatten(1)], -1))

    return made(Net(run, f=small(2, 3), out=lin(14, 1)), leaf(2, 2))


@entry
def time_as_vectors() -> Made:
    run = lambda m, t: torch.cat([m.w0 * t + m.b0, torch.sin(m.w * t + m.b)], -1)  # noqa: E731
    return made(Net(run, w0=small(1), b0=small(1), w=small(3), b=small(3)), leaf(4, 1))


# --- features crossed


@entry
def factorization_machine() -> Made:
    def run(m: Net, at: Tensor) -> Tensor:
        v = m.v(at)
        pairs = 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(-1)
        return torch.sigmoid(m.bias + m.w(at).sum((1, 2)) + pairs)

    return made(Net(run, bias=torch.zeros(1), w=nn.Embedding(6, 1), v=nn.Embedding(6, 3)), ids([0, 2, 5], [1, 3, 4]))


@entry
def wide_and_deep() -> Made:
    run = lambda m, x, at: m.wide(x) + m.deep(torch.cat([x, m.e(at).flatten(1)], -1))  # noqa: E731
    return made(
        Net(run, wide=lin(3, 1), e=nn.Embedding(4, 2), deep=mlp(7, 4, 1, act=nn.ReLU)), leaf(2, 3), ids([0, 1], [2, 3])
    )


@entry
def crossed_layers() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        y = x
        for layer in m.layers:
            y = x * layer(y) + y
        return y

    return made(Net(run, layers=many(2, lambda: lin(3, 3))), leaf(2, 3))


@entry
def interactions_of_dots() -> Made:
    def run(m: Net, x: Tensor, at: Tensor) -> Tensor:
        z = torch.cat([m.bottom(x)[:, None], m.e(at)], 1)
        i, j = torch.triu_indices(3, 3, 1)
        return m.top(torch.cat([z[:, 0], (z @ z.mT)[:, i, j]], -1))

    return made(Net(run, bottom=mlp(2, 3), e=nn.Embedding(4, 3), top=lin(6, 1)), leaf(2, 2), ids([0, 1], [2, 3]))


@entry
def collaborative_filtering() -> Made:
    run = lambda m, u, i: (m.p(u) * m.q(i)).sum(-1) + m.net(torch.cat([m.p(u), m.q(i)], -1)).squeeze(-1)  # noqa: E731
    return made(
        Net(run, p=nn.Embedding(4, 2), q=nn.Embedding(5, 2), net=mlp(4, 3, 1)),
        torch.tensor([0, 3]),
        torch.tensor([4, 1]),
    )


@entry
def interests_by_attention() -> Made:
    def run(m: Net, history: Tensor, item: Tensor) -> Tensor:
        h, q = m.e(history), m.e(item)[:, None].expand(-1, 3, -1)
        w = m.a(torch.cat([h, q, h - q, h * q], -1)).masked_fill(history[..., None] == 0, 0.0)
        return m.out(torch.cat([(w * h).sum(1), q[:, 0]], -1))

    return made(
        Net(run, e=nn.Embedding(6, 2), a=mlp(8, 3, 1, act=nn.PReLU), out=lin(4, 1)),
        ids([1, 2, 0], [3, 0, 0]),
        torch.tensor([4, 5]),
    )


@entry
def columns_of_a_table() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        tokens = torch.cat([m.cls.expand(2, 1, -1), x[..., None] * m.w + m.b], 1)
        return m.out(m.layer(tokens)[:, 0])

    layer = nn.TransformerEncoderLayer(4, 2, 4, 0.0, batch_first=True)
    return made(Net(run, cls=small(1, 1, 4), w=small(3, 4), b=small(3, 4), layer=layer, out=lin(4, 1)), leaf(2, 3))


# --- structured matrices


@entry
def bilinear_pooling() -> Made:
    run = lambda m, a, b: F.normalize((z := m.b(a, b)).sign() * (z.abs() + 1e-3).sqrt(), dim=-1)  # noqa: E731
    return made(Net(run, b=nn.Bilinear(2, 3, 2)), leaf(2, 2), leaf(2, 3))


@entry
def highway_layers() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for h, t in zip(m.h, m.t, strict=True):
            x = torch.lerp(x, torch.relu(h(x)), torch.sigmoid(t(x)))
        return x

    return made(Net(run, h=many(2, lambda: lin(3, 3)), t=many(2, lambda: lin(3, 3))), leaf(2, 3))


@entry
def circulant_matrix() -> Made:
    return made(
        Net(lambda m, x: torch.fft.ifft(torch.fft.fft(m.c) * torch.fft.fft(x)).real + m.b, c=small(4), b=small(4)),
        leaf(2, 4),
    )


@entry
def toeplitz_matrix() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        at = torch.arange(3)[:, None] - torch.arange(3) + 2
        return x @ m.t[at]

    return made(Net(run, t=small(5)), leaf(2, 3))


@entry
def butterfly_matrix() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for level in range(2):
            x = x.view(-1, 4 // 2 ** (level + 1), 2, 2**level)
            x = torch.einsum("nbil,blij->nbjl", x, m.w[level].view(4 // 2 ** (level + 1), 2**level, 2, 2)).reshape(
                -1, 4
            )
        return x

    return made(Net(run, w=small(2, 8)), leaf(2, 4))


@entry
def kronecker_product() -> Made:
    return made(Net(lambda m, x: x @ torch.kron(m.a, m.b), a=small(2, 2), b=small(2, 1)), leaf(3, 4))


@entry
def train_of_tensors() -> Made:
    run = lambda m, x: torch.einsum("nab,rai,sbj,rs->nij", x.view(-1, 2, 2), m.g1, m.g2, m.g3)  # noqa: E731
    return made(Net(run, g1=small(2, 2, 2), g2=small(2, 2, 2), g3=small(2, 2)), leaf(2, 4))


@entry
def householder_reflections() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for v in m.v:
            x = x - 2 * torch.outer(x @ v, v) / v.square().sum()
        return x @ torch.linalg.householder_product(m.q, m.tau)

    return made(Net(run, v=small(2, 3), q=small(3, 2), tau=small(2)), leaf(2, 3))


@entry
def low_rank_adapter_with_magnitude() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = m.base.weight + m.b @ m.a
        return F.linear(x, m.size[:, None] * w / w.norm(dim=1, keepdim=True).detach())

    return made(
        Net(run, base=lin(3, 2).requires_grad_(False), a=small(1, 3), b=small(2, 1), size=torch.ones(2)), leaf(2, 3)
    )


@entry
def quaternions() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        r, i, j, k = m.w
        rows = [[r, -i, -j, -k], [i, r, -k, j], [j, k, r, -i], [k, -j, i, r]]
        return x @ torch.cat([torch.cat(row, 0) for row in rows], 1)

    return made(Net(run, w=small(4, 1, 2)), leaf(2, 4))


@entry
def complex_numbers_in_a_layer() -> Made:
    run = lambda m, x: torch.view_as_real(torch.complex(x, x.flip(-1)) @ torch.complex(m.re, m.im)).square().sum(-1)  # noqa: E731
    return made(Net(run, re=small(3, 2), im=small(3, 2)), leaf(2, 3))


@entry
def radial_basis_functions() -> Made:
    run = lambda m, x: m.out(torch.exp(-F.softplus(m.beta) * torch.cdist(x, m.c).square()))  # noqa: E731
    return made(Net(run, c=small(4, 2), beta=small(4), out=lin(4, 1)), leaf(3, 2))


# --- linear algebra inside


@entry
def normal_equations_inside() -> Made:
    return made(lambda a, b: torch.linalg.solve(a.T @ a + torch.eye(2), a.T @ b).square().sum(), leaf(4, 2), leaf(4, 1))


@entry
def eigenvalues_inside() -> Made:
    def run(a: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(a @ a.T + torch.diag(torch.arange(3.0)))
        return (values.log() * vectors[0].square()).sum()

    return made(run, leaf(3, 3))


@entry
def singular_values_shrunk() -> Made:
    def run(a: Tensor) -> Tensor:
        u, s, v = torch.linalg.svd(a, full_matrices=False)
        return (u * F.relu(s - 0.1)) @ v

    return made(run, leaf(3, 2))


@entry
def orthogonal_by_qr() -> Made:
    def run(a: Tensor, x: Tensor) -> Tensor:
        q, r = torch.linalg.qr(a)
        return x @ (q * r.diagonal().sign())

    return made(run, leaf(3, 3), leaf(2, 3))


@entry
def orthogonal_by_newton_and_schulz() -> Made:
    def run(g: Tensor) -> Tensor:
        x = g / (g.norm() + 1e-7)
        for _ in range(2):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        return x

    return made(run, leaf(2, 3))


@entry
def program_of_quadratics() -> Made:
    def run(q: Tensor, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
        q = q @ q.T + 0.5 * torch.eye(2)
        kkt = torch.cat([torch.cat([q, a.T], 1), torch.cat([a, torch.zeros(1, 1)], 1)])
        return torch.linalg.solve(kkt, torch.cat([-c, b]))[:2]

    return made(run, leaf(2, 2), leaf(2), leaf(1, 2), leaf(1))


@entry
def pose_of_points() -> Made:
    def run(a: Tensor, b: Tensor) -> Tensor:
        p, q = a - a.mean(0), b - b.mean(0)
        u, _, v = torch.linalg.svd(p.T @ q)
        d = torch.diag(torch.stack([torch.ones(()), torch.ones(()), torch.det(u @ v).sign()]))
        return (p @ (u @ d @ v) - q).square().mean()

    return made(run, leaf(5, 3), leaf(5, 3))


@entry
def rotations_of_six_numbers() -> Made:
    def run(x: Tensor) -> Tensor:
        a = F.normalize(x[:, :3], dim=-1)
        b = F.normalize(x[:, 3:] - (a * x[:, 3:]).sum(-1, keepdim=True) * a, dim=-1)
        return torch.stack([a, b, torch.linalg.cross(a, b)], -2)

    return made(run, leaf(2, 6))


@entry
def perceptron_in_half_precision() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return m.net(x).float().square().mean()

    return made(Net(run, net=mlp(3, 4, 2)), leaf(2, 3))


@entry
def perceptron_in_brain_floats() -> Made:
    return made(mlp(3, 4, 2).to(torch.bfloat16), torch.randn(2, 3, dtype=torch.bfloat16))


@entry
def perceptron_in_double_precision() -> Made:
    return made(mlp(3, 4, 2).double(), torch.randn(2, 3, dtype=torch.float64, requires_grad=True))


@entry
def writing_into_parts() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        out = torch.zeros(3, 4)
        out[:, :2] = m.l(x)
        out[1] += out[0].detach() + 1
        out[out > 0.5] *= 2
        return out.mul_(m.s).cumsum(0).masked_select(torch.tensor([True, False, True, True]))

    return made(Net(run, l=lin(3, 2), s=small(4)), leaf(3, 3))


@entry
def indices_of_every_kind() -> Made:
    def run(x: Tensor) -> Tensor:
        a = x[[0, 2], [1, 0]].sum() + x[..., None, 1:].prod() + x[x > 0].sum()
        b = torch.take_along_dim(x, x.argsort(1), 1)[:, -1].sum() + x.index_select(1, torch.tensor([2, 0])).std()
        return (
            a + b + x.take(torch.tensor([0, 5])).mean() + x.diagonal(1).sum() + x.roll(1, 0).tril().logsumexp(0).sum()
        )

    return made(run, leaf(3, 3))
