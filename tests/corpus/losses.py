"""Losses: torch's own, and those that people write."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, ids, into, leaf, lin, made, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)
LABELS = torch.tensor([0, 2, 1])


def of(loss: Any, *targets: Any, width: int = 3) -> Made:
    """A loss of what a small network says."""
    return made(Net(lambda m, x, *t: loss(m.net(x), *t), net=mlp(2, 4, width)), fixed(3, 2), *targets)


def between(loss: Any, count: int = 2, width: int = 3) -> Made:
    """A loss of several embeddings by one network."""
    return made(
        Net(lambda m, *xs: loss(*(m.net(x) for x in xs)), net=mlp(2, 4, width)), *(fixed(3, 2) for _ in range(count))
    )


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=-1)


ENTRIES |= {
    "cross entropy with smoothed labels": lambda: of(nn.CrossEntropyLoss(label_smoothing=0.1), LABELS),
    "cross entropy with weights": lambda: of(nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 0.5])), LABELS),
    "cross entropy with soft labels": lambda: of(nn.CrossEntropyLoss(), torch.full((3, 3), 1 / 3)),
    "cross entropy that ignores": lambda: of(nn.CrossEntropyLoss(ignore_index=2, reduction="sum"), LABELS),
    "likelihood of classes": lambda: of(lambda x, y: F.nll_loss(x.log_softmax(-1), y), LABELS),
    "binary cross entropy": lambda: of(lambda x, y: F.binary_cross_entropy(x.sigmoid(), y), torch.rand(3, 3)),
    "binary cross entropy of logits with weights": lambda: of(nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0)),
        torch.rand(3, 3)),
    "squares": lambda: of(nn.MSELoss(), fixed(3, 3)),
    "absolute values": lambda: of(nn.L1Loss(reduction="sum"), fixed(3, 3)),
    "Huber": lambda: of(nn.HuberLoss(delta=0.5), fixed(3, 3)),
    "smooth absolute values": lambda: of(nn.SmoothL1Loss(beta=0.3), fixed(3, 3)),
    "log cosh": lambda: of(lambda x, y: torch.log(torch.cosh(x - y)).mean(), fixed(3, 3)),
    "Charbonnier": lambda: of(lambda x, y: torch.hypot(x - y, torch.tensor(1e-3)).mean(), fixed(3, 3)),
    "logarithmic errors": lambda: of(lambda x, y: F.mse_loss(torch.log1p(x.exp()), torch.log1p(y)), torch.rand(3, 3)),
    "quantiles": lambda: of(lambda x, y: torch.max(0.9 * (y - x), -0.1 * (y - x)).mean(), fixed(3, 3)),
    "expectiles": lambda: of(lambda x, y: ((y - x).square() * torch.where(y > x, 0.9, 0.1)).mean(), fixed(3, 3)),
    "Poisson": lambda: of(nn.PoissonNLLLoss(full=True), torch.tensor([[0.0, 1, 2]] * 3)),
    "Gaussian": lambda: of(lambda x, y: F.gaussian_nll_loss(x[:, 0], y, F.softplus(x[:, 1])), fixed(3)),
    "divergence": lambda: of(lambda x, y: F.kl_div(x.log_softmax(-1), y, reduction="batchmean"), fixed(3,
        3).softmax(-1)),
    "Jensen and Shannon": lambda: between(lambda a, b: jensen(a.softmax(-1), b.softmax(-1))),
    "hinge embedding": lambda: of(nn.HingeEmbeddingLoss(), torch.tensor([[1, -1, 1]] * 3)),
    "margin of several classes": lambda: of(nn.MultiMarginLoss(), LABELS),
    "margin of several labels": lambda: of(nn.MultiLabelMarginLoss(), torch.tensor([[1, 0, -1]] * 3)),
    "soft margin": lambda: of(nn.SoftMarginLoss(), torch.tensor([[1.0, -1, 1]] * 3)),
    "soft margin of several labels": lambda: of(nn.MultiLabelSoftMarginLoss(), torch.tensor([[1.0, 0, 1]] * 3)),
    "ranking with a margin": lambda: between(lambda a, b: F.margin_ranking_loss(a, b, torch.ones_like(a), 0.5)),
    "cosine embedding": lambda: between(lambda a, b: F.cosine_embedding_loss(a, b, torch.tensor([1, -1, 1]))),
    "triplets": lambda: between(nn.TripletMarginLoss(margin=1.0, swap=True), 3),
    "triplets by cosines": lambda: between(
        nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: 1 - F.cosine_similarity(a, b)), 3
    ),
    "softmax in levels": lambda: made(
        Net(lambda m, x, y: m.loss(m.net(x), y).loss, net=mlp(2, 4), loss=nn.AdaptiveLogSoftmaxWithLoss(4, 6, [2, 4])),
        fixed(3, 2), LABELS,
    ),
}  # fmt: skip


def jensen(p: Tensor, q: Tensor) -> Tensor:
    m = (p + q) / 2
    return (p * (p / m).log() + q * (q / m).log()).sum(-1).mean() / 2


@entry
def focal() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        ce = F.cross_entropy(x, y, reduction="none")
        return ((1 - torch.exp(-ce)) ** 2 * ce).mean()

    return of(loss, LABELS)


@entry
def asymmetric() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        p = x.sigmoid()
        q = (1 - p + 0.05).clamp(max=1)
        return -(y * p.log() + (1 - y) * (1 - q) ** 4 * q.log()).sum()

    return of(loss, (fixed(3, 3) > 0).float())


@entry
def polynomial() -> Made:
    return of(
        lambda x, y: (F.cross_entropy(x, y, reduction="none") + 1 - x.softmax(-1).gather(1, y[:, None])[:, 0]).mean(),
        LABELS,
    )


@entry
def overlap_by_tversky() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        p = x.sigmoid()
        hit, extra, missed = (p * y).sum(), (p * (1 - y)).sum(), ((1 - p) * y).sum()
        return (1 - (hit + 1) / (hit + 0.3 * extra + 0.7 * missed + 1)) ** 0.75

    return of(loss, (fixed(3, 3) > 0).float())


@entry
def lovasz_hinge() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        x, y = x.flatten(), y.flatten()
        errors, order = torch.sort(1 - x * (2 * y - 1), descending=True)
        y = y[order]
        union = y.sum() + (1 - y).cumsum(0)
        jaccard = 1 - (y.sum() - y.cumsum(0)) / union
        return F.relu(errors) @ torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])

    return of(loss, torch.tensor([[1.0, 0, 1]] * 3))


@entry
def contrast_of_pairs() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        d, same = F.pairwise_distance(a, b), torch.tensor([1.0, 0.0, 1.0])
        return (same * d.square() + (1 - same) * F.relu(1 - d).square()).mean()

    return between(loss)


@entry
def contrast_of_views() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        z = unit(torch.cat([a, b]))
        sims = (z @ z.T / 0.5).masked_fill(torch.eye(6, dtype=torch.bool), -torch.inf)
        return F.cross_entropy(sims, torch.arange(6).roll(3))

    return between(loss)


@entry
def contrast_with_a_queue() -> Made:
    def loss(q: Tensor, k: Tensor) -> Tensor:
        q, k, queue = unit(q), unit(k).detach(), unit(torch.ones(3, 4).cumsum(1)).T
        logits = torch.cat([(q * k).sum(-1, keepdim=True), q @ queue.T], 1) / 0.2
        return F.cross_entropy(logits, torch.zeros(3, dtype=torch.long))

    return between(loss)


@entry
def contrast_with_labels() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        z = unit(x)
        other = 1 - torch.eye(3)
        same = (y[:, None] == y).float() * other
        sims = z @ z.T / 0.3
        log_p = sims - torch.log((sims.exp() * other).sum(1, keepdim=True))
        return -((same * log_p).sum(1) / same.sum(1).clamp(min=1)).mean()

    return of(loss, torch.tensor([0, 1, 0]))


@entry
def pairs_by_sigmoids() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        return -F.logsigmoid((2 * torch.eye(3) - 1) * (unit(a) @ unit(b).T * 5 - 2)).sum(1).mean()

    return between(loss)


@entry
def correlation_across_views() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        a, b = ((x - x.mean(0)) / (x.std(0) + 1e-4) for x in (a, b))
        c = a.T @ b / 3
        return (c.diagonal() - 1).square().sum() + 0.01 * (c.flatten()[:-1].view(2, 4)[:, 1:].square().sum())

    return between(loss)


@entry
def variance_invariance_covariance() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        total = 25 * F.mse_loss(a, b)
        for x in (a, b):
            x = x - x.mean(0)
            cov = x.T @ x / 2
            total = (
                total
                + F.relu(1 - (x.var(0) + 1e-4).sqrt()).mean()
                + (cov.square().sum() - cov.diagonal().square().sum()) / 3
            )
        return total

    return between(loss)


@entry
def alignment_and_uniformity() -> Made:
    return between(
        lambda a, b: (
            (unit(a) - unit(b)).norm(dim=1).pow(2).mean() + torch.pdist(unit(a)).pow(2).mul(-2).exp().mean().log()
        )
    )


@entry
def angles_with_a_margin() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        cos = F.linear(unit(m.net(x)), unit(m.w)).clamp(-0.999, 0.999)
        logits = torch.where(F.one_hot(y, 3).bool(), torch.cos(torch.acos(cos) + 0.3), cos)
        return F.cross_entropy(8 * logits, y)

    return made(Net(run, net=mlp(2, 4), w=small(3, 4)), fixed(3, 2), LABELS)


@entry
def cosines_with_a_margin() -> Made:
    run = lambda m, x, y: F.cross_entropy(4 * (unit(m.net(x)) @ unit(m.w).T - 0.2 * F.one_hot(y, 3)), y)  # noqa: E731
    return made(Net(run, net=mlp(2, 4), w=small(3, 4)), fixed(3, 2), LABELS)


@entry
def distances_to_centers() -> Made:
    run = lambda m, x, y: F.cross_entropy(m.out(h := m.net(x)), y) + 0.1 * (h - m.centers(y)).square().sum(1).mean()  # noqa: E731
    return made(Net(run, net=mlp(2, 3), out=lin(3, 3), centers=nn.Embedding(3, 3)), fixed(3, 2), LABELS)


@entry
def circle() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        s = unit(x) @ unit(x).T
        good, bad = s[0, 2], s[0, 1:2]
        a, b = F.relu(1.25 - good.detach()), F.relu(bad.detach() + 0.25)
        return F.softplus(torch.logsumexp(4 * b * (bad - 0.25), 0) - 4 * a * (good - 0.75))

    return of(loss, LABELS)


@entry
def hardest_in_the_batch() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        d = torch.cdist(x, x)
        same = y[:, None] == y
        far = torch.where(same, d, -torch.inf).amax(1)
        near = torch.where(same, torch.inf, d).amin(1)
        return F.softplus(far - near).mean()

    return of(loss, torch.tensor([0, 1, 0]))


@entry
def rankings_by_lists() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        ordered = x[0][y.argsort(descending=True)]
        return (ordered.flip(0).logcumsumexp(0).flip(0) - ordered).sum()

    return of(loss, torch.tensor([2, 0, 1]))


@entry
def rankings_by_pairs() -> Made:
    return of(lambda x, y: F.softplus(-(x[0][:, None] - x[0]) * (y[:, None] > y)).sum() / 3, torch.tensor([2, 0, 1]))


@entry
def sorting_made_soft() -> Made:
    def loss(x: Tensor) -> Tensor:
        s = x[0]
        apart = (s[:, None] - s).abs().sum(1)
        p = ((3 - 1 - 2 * torch.arange(3.0))[:, None] * s - apart).softmax(-1)
        return (p @ s - torch.tensor([1.0, 0.0, -1.0])).square().sum()

    return of(loss)


@entry
def maximum_mean_discrepancy() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        k = lambda x, y: sum(torch.exp(-torch.cdist(x, y).square() / s) for s in (0.5, 2.0))  # noqa: E731
        return k(a, a).mean() + k(b, b).mean() - 2 * k(a, b).mean()

    return between(loss)


@entry
def covariances_aligned() -> Made:
    return between(lambda a, b: (torch.cov(a.T) - torch.cov(b.T)).square().sum() / 36)


@entry
def similarity_of_kernels() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        h = torch.eye(3) - 1 / 3
        k, l = h @ a @ a.T @ h, h @ b @ b.T @ h  # noqa: E741
        return 1 - (k * l).sum() / (k.norm() * l.norm())

    return between(loss)


@entry
def canonical_correlation() -> Made:
    def loss(a: Tensor, b: Tensor) -> Tensor:
        a, b = a - a.mean(0), b - b.mean(0)
        roots = []
        for x in (a, b):
            values, vectors = torch.linalg.eigh(x.T @ x / 2 + 0.1 * torch.eye(2))
            roots.append(vectors @ torch.diag(values.rsqrt()) @ vectors.T)
        return -torch.linalg.svdvals(roots[0] @ (a.T @ b / 2) @ roots[1]).sum()

    return between(loss, width=2)


@entry
def mutual_information_estimated() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        joint = m.t(torch.cat([x, y], -1))
        apart = m.t(torch.cat([x, y[torch.randperm(3)]], -1))
        return -(joint.mean() - torch.logsumexp(apart, 0).squeeze() + torch.log(torch.tensor(3.0)))

    return made(Net(run, t=mlp(4, 4, 1)), leaf(3, 2), leaf(3, 2))


@entry
def regression_on_simplex_by_sparsemax() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        z, _ = x.sort(-1, descending=True)
        k = torch.arange(1.0, 4.0)
        size = ((1 + k * z) > z.cumsum(-1)).sum(-1, keepdim=True)
        tau = (z.cumsum(-1).gather(-1, size - 1) - 1) / size
        return (F.relu(x - tau) - y).square().sum()

    return of(loss, torch.eye(3))


@entry
def evidence_of_classes() -> Made:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        a = F.softplus(x) + 1
        total = a.sum(-1, keepdim=True)
        t = F.one_hot(y, 3)
        a1 = t + (1 - t) * a
        kl = (
            torch.lgamma(a1.sum(-1))
            - torch.lgamma(a1).sum(-1)
            + ((a1 - 1) * (torch.digamma(a1) - torch.digamma(a1.sum(-1, keepdim=True)))).sum(-1)
        )
        return ((t - a / total).square() + a * (total - a) / (total**2 * (total + 1))).sum(-1).mean() + 0.1 * kl.mean()

    return of(loss, LABELS)


@entry
def ordinal_classes() -> Made:
    run = lambda m, x, y: F.binary_cross_entropy_with_logits(m.net(x) + m.cuts, (y[:, None] > torch.arange(2)).float())  # noqa: E731
    return made(Net(run, net=mlp(2, 4, 1), cuts=torch.tensor([1.0, -1.0])), fixed(3, 2), LABELS)


@entry
def survival_of_cox() -> Made:
    def loss(x: Tensor, time: Tensor, seen: Tensor) -> Tensor:
        x = x.squeeze(-1)[time.argsort(descending=True)]
        return -((x - torch.logcumsumexp(x, 0)) * seen).sum() / seen.sum()

    return of(loss, torch.rand(3), torch.tensor([1.0, 0.0, 1.0]), width=1)


@entry
def negative_sampling_of_noise() -> Made:
    def run(m: Net, x: Tensor, y: Tensor) -> Tensor:
        noise = torch.multinomial(torch.ones(6), 4, replacement=True)
        h = m.net(x)
        score = lambda at: (h[:, None] * m.w(at)).sum(-1) + m.b(at).squeeze(-1) + 1.8  # noqa: E731
        return F.softplus(-score(y[:, None])).mean() + F.softplus(score(noise.expand(3, -1))).mean()

    return made(Net(run, net=mlp(2, 3), w=nn.Embedding(6, 3), b=nn.Embedding(6, 1)), fixed(3, 2), LABELS)


@entry
def classes_by_words_tied() -> Made:
    def run(m: Net, tokens: Tensor) -> Tensor:
        h = torch.tanh(m.l(m.w(tokens[:, :-1])))
        return (
            F.cross_entropy((h @ m.w.weight.T).flatten(0, 1), tokens[:, 1:].flatten())
            + 1e-4 * torch.logsumexp(h, -1).square().mean()
        )

    return made(Net(run, w=nn.Embedding(5, 3), l=lin(3, 3)), ids([0, 1, 2], [3, 4, 1]))


@entry
def penalties_of_weights() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        ridge = sum(p.square().sum() for p in m.net.parameters())
        lasso = sum(p.abs().sum() for p in m.net.parameters())
        group = sum(p.norm(dim=-1).sum() for p in m.net.parameters() if p.ndim == 2)
        w = m.net[0].weight
        return (
            m.net(x).mean()
            + 0.1 * ridge
            + 0.1 * lasso
            + group
            + (w.T @ w - torch.eye(2)).norm()
            + torch.linalg.matrix_norm(w, "nuc")
        )

    return made(Net(run, net=mlp(2, 3, 1)), fixed(2, 2))
