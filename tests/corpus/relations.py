"""Networks on graphs and sets, by scatter, index_add and sparse matrices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)
EDGES = torch.tensor([[0, 1, 1, 2, 3, 2], [1, 0, 2, 1, 2, 3]])  # from, to; of four nodes


def summed(messages: Tensor, to: Tensor, count: int = 4) -> Tensor:
    return messages.new_zeros(count, *messages.shape[1:]).index_add(0, to, messages)


def softmax_of_edges(scores: Tensor, to: Tensor) -> Tensor:
    top = scores.new_full((4,), -torch.inf).scatter_reduce(0, to, scores, "amax")
    weights = (scores - top[to]).exp()
    return weights / summed(weights, to)[to]


@entry
def graph_convolution() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        a, b = torch.cat([edges, torch.arange(4).expand(2, -1)], 1)
        norm = torch.bincount(b).float().rsqrt()
        for layer in m.layers:
            x = torch.relu(summed(layer(x)[a] * (norm[a] * norm[b])[:, None], b))
        return x.mean(0)

    return made(Net(run, layers=many(2, lambda: lin(3, 3))), leaf(4, 3), EDGES)


@entry
def graph_attention() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        h, (a, b) = m.w(x), edges
        scores = F.leaky_relu(m.a(torch.cat([h[a], h[b]], -1)), 0.2).squeeze(-1)
        return F.elu(summed(softmax_of_edges(scores, b)[:, None] * h[a], b))

    return made(Net(run, w=lin(3, 2), a=lin(4, 1)), leaf(4, 3), EDGES)


@entry
def graph_isomorphism() -> Made:
    run = lambda m, x, e: m.mlp((1 + m.eps) * x + summed(x[e[0]], e[1])).sum(0)  # noqa: E731
    return made(Net(run, eps=torch.tensor(0.1), mlp=mlp(3, 4, 2, act=nn.ReLU)), leaf(4, 3), EDGES)


@entry
def sampled_and_averaged_neighbours() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        near = torch.zeros(4, 3).scatter_reduce(
            0, edges[1][:, None].expand(-1, 3), x[edges[0]], "mean", include_self=False
        )
        return F.normalize(m.own(x) + m.near(near), dim=-1)

    return made(Net(run, own=lin(3, 2), near=lin(3, 2, False)), leaf(4, 3), EDGES)


@entry
def pooled_by_the_largest_neighbour() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        at = edges[1][:, None].expand(-1, 3)
        return m.out(torch.zeros(4, 3).scatter_reduce(0, at, torch.relu(m.w(x))[edges[0]], "amax"))

    return made(Net(run, w=lin(3, 3), out=lin(3, 2)), leaf(4, 3), EDGES)


@entry
def messages_by_networks_of_edges() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor, features: Tensor) -> Tensor:
        a, b = edges
        for _ in range(2):
            w = m.edge(features).view(-1, 3, 3)
            x = m.update(summed(torch.bmm(w, x[a][..., None]).squeeze(-1), b), x)
        return m.read(x).sum(0)

    return made(Net(run, edge=lin(2, 9), update=nn.GRUCell(3, 3), read=lin(3, 1)), leaf(4, 3), EDGES, leaf(6, 2))


@entry
def equivariant_to_motions() -> Made:
    def run(m: Net, h: Tensor, x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        a, b = edges
        off = x[b] - x[a]
        message = m.e(torch.cat([h[a], h[b], off.square().sum(-1, keepdim=True)], -1))
        return h + m.h(torch.cat([h, summed(message, b)], -1)), x + summed(off * m.x(message), b) / 3

    net = Net(run, e=mlp(5, 4, 3, act=nn.SiLU), h=mlp(5, 4, 2, act=nn.SiLU), x=lin(3, 1, False))
    return made(net, leaf(4, 2), leaf(4, 3), EDGES)


@entry
def forces_of_atoms() -> Made:
    def run(m: Net, kinds: Tensor, x: Tensor, edges: Tensor) -> Tensor:
        h, (a, b) = m.kinds(kinds), edges
        d = (x[a] - x[b]).norm(dim=-1, keepdim=True)
        filters = m.filter(torch.exp(-4 * (d - torch.linspace(0, 2, 4)) ** 2))
        h = h + m.w(summed(h[a] * filters, b))
        energy = m.out(h).sum()
        (force,) = torch.autograd.grad(energy, x, create_graph=True)
        return energy.square() + force.square().sum()

    net = Net(run, kinds=nn.Embedding(3, 3), filter=mlp(4, 3, act=nn.Softplus), w=lin(3, 3), out=mlp(3, 3, 1))
    return made(net, torch.tensor([0, 1, 1, 2]), leaf(4, 3), EDGES)


@entry
def edges_to_near_points() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        near = torch.cdist(x, x).topk(2, largest=False).indices
        middle = x[:, None].expand(-1, 2, -1)
        return m.e(torch.cat([middle, x[near] - middle], -1)).amax(1)

    return made(Net(run, e=mlp(6, 4, 2, act=nn.ReLU)), leaf(4, 3))


@entry
def filters_of_chebyshev() -> Made:
    def run(m: Net, x: Tensor, lap: Tensor) -> Tensor:
        t = [x, lap @ x]
        t.append(2 * lap @ t[-1] - t[-2])
        return sum(layer(y) for layer, y in zip(m.layers, t, strict=True))

    return made(Net(run, layers=many(3, lambda: lin(3, 2))), leaf(4, 3), fixed(4, 4) / 4)


@entry
def neighbours_by_a_sparse_matrix() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        a = torch.sparse_coo_tensor(edges.flip(0), torch.ones(6), (4, 4))
        return torch.relu(torch.sparse.mm(a, m.w(x)))

    return made(Net(run, w=lin(3, 2)), leaf(4, 3), EDGES)


@entry
def ranks_that_spread() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        h = z = m.w(x)
        for _ in range(3):
            z = 0.9 * summed(z[edges[0]], edges[1]) / 2 + 0.1 * h
        return z.log_softmax(-1)

    return made(Net(run, w=lin(3, 2)), leaf(4, 3), EDGES)


@entry
def several_ways_to_aggregate() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        at = edges[1][:, None].expand(-1, 3)
        y = x[edges[0]]
        parts = [
            torch.zeros(4, 3).scatter_reduce(0, at, y, how, include_self=False) for how in ("mean", "amax", "amin")
        ]
        var = torch.zeros(4, 3).scatter_reduce(0, at, y * y, "mean", include_self=False) - parts[0].square()
        parts.append((F.relu(var) + 1e-5).sqrt())
        near = torch.cat(parts, -1)
        degree = torch.log(torch.bincount(edges[1]) + 1.0)[:, None]
        return m.out(torch.cat([near, near * degree, near / degree], -1))

    return made(Net(run, out=lin(36, 2)), leaf(4, 3), EDGES)


@entry
def relations_of_several_kinds() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor, kinds: Tensor) -> Tensor:
        w = torch.einsum("rb,bio->rio", m.share, m.bases)
        return torch.relu(m.own(x) + summed(torch.einsum("ei,eio->eo", x[edges[0]], w[kinds]), edges[1]))

    net = Net(run, share=small(3, 2), bases=small(2, 3, 2), own=lin(3, 2))
    return made(net, leaf(4, 3), EDGES, torch.tensor([0, 1, 2, 0, 1, 1]))


@entry
def transformer_biased_by_distance() -> Made:
    def run(m: Net, x: Tensor, far: Tensor) -> Tensor:
        q, k, v = m.qkv(x).chunk(3, -1)
        return x + m.out((q @ k.T / 2 + m.far(far).squeeze(-1)).softmax(-1) @ v)

    far = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]])
    return made(Net(run, qkv=lin(4, 12), far=nn.Embedding(4, 1), out=lin()), leaf(4, 4), far)


@entry
def set_to_set() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        h, c, q = torch.zeros(1, 3), torch.zeros(1, 3), torch.zeros(1, 6)
        for _ in range(2):
            h, c = m.lstm(q, (h, c))
            q = torch.cat([h, (x @ h.T).softmax(0).T @ x], -1)
        return q

    return made(Net(run, lstm=nn.LSTMCell(6, 3)), leaf(4, 3))


@entry
def pooling_by_assignment() -> Made:
    def run(m: Net, x: Tensor, a: Tensor) -> Tensor:
        s = m.assign(a @ x).softmax(-1)
        link = (a - s @ s.T).norm()
        entropy = -(s * torch.log(s + 1e-9)).sum(-1).mean()
        return (s.T @ a @ s @ (s.T @ m.embed(a @ x))).sum() + link + entropy

    return made(Net(run, assign=lin(3, 2), embed=lin(3, 2)), leaf(4, 3), (fixed(4, 4) > 0).float())


@entry
def pooling_of_the_best_nodes() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        score = x @ m.p / m.p.norm()
        top, at = score.topk(2)
        return torch.cat([(x[at] * top.tanh()[:, None]).mean(0), x.amax(0)])

    return made(Net(run, p=small(3)), leaf(4, 3))


@entry
def links_against_missing_ones() -> Made:
    def run(m: Net, edges: Tensor, missing: Tensor) -> Tensor:
        z = m.w(m.nodes.weight)
        scores = [(z[e[0]] * z[e[1]]).sum(-1) for e in (edges, missing)]
        return -F.logsigmoid(scores[0]).mean() - F.logsigmoid(-scores[1]).mean()

    return made(Net(run, nodes=nn.Embedding(4, 3), w=lin(3, 2)), EDGES, torch.tensor([[0, 3], [3, 0]]))


@entry
def translations_between_entities() -> Made:
    def run(m: Net, good: Tensor, bad: Tensor) -> Tensor:
        d = [
            (F.normalize(m.e(t[:, 0]), dim=-1) + m.r(t[:, 1]) - F.normalize(m.e(t[:, 2]), dim=-1)).norm(1, -1)
            for t in (good, bad)
        ]
        return F.relu(1 + d[0] - d[1]).mean()

    return made(
        Net(run, e=nn.Embedding(4, 3), r=nn.Embedding(2, 3)),
        torch.tensor([[0, 0, 1], [1, 1, 2]]),
        torch.tensor([[0, 0, 3], [3, 1, 2]]),
    )


@entry
def entities_turned_in_the_complex_plane() -> Made:
    def run(m: Net, triples: Tensor) -> Tensor:
        head, tail = (torch.view_as_complex(m.e(triples[:, i]).view(-1, 2, 2)) for i in (0, 2))
        turn = torch.polar(torch.ones(2, 2), m.r(triples[:, 1]))
        return F.softplus((head * turn - tail).abs().sum(-1)).mean()

    return made(Net(run, e=nn.Embedding(4, 4), r=nn.Embedding(2, 2)), torch.tensor([[0, 0, 1], [1, 1, 2]]))


@entry
def walks_by_negative_sampling() -> Made:
    def run(m: Net, middle: Tensor, near: Tensor, far: Tensor) -> Tensor:
        c = m.a(middle)
        good = F.logsigmoid((c * m.b(near)).sum(-1))
        return -(good + F.logsigmoid(-torch.bmm(m.b(far), c[..., None]).squeeze(-1)).sum(-1)).mean()

    net = Net(run, a=nn.Embedding(5, 3), b=nn.Embedding(5, 3))
    return made(net, torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([[3, 4], [0, 3]]))


@entry
def hyperedges() -> Made:
    def run(m: Net, x: Tensor, incidence: Tensor) -> Tensor:
        w = F.softplus(m.weights)
        dv, de = (incidence * w).sum(1), incidence.sum(0)
        h = dv.rsqrt()[:, None] * m.w(x)
        return dv.rsqrt()[:, None] * (incidence * w / de) @ (incidence.T @ h)

    incidence = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    return made(Net(run, w=lin(3, 2), weights=small(2)), leaf(4, 3), incidence)


@entry
def layers_that_jump() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        seen = []
        for layer in m.layers:
            x = torch.tanh(layer(x + summed(x[edges[0]], edges[1])))
            seen.append(x)
        states, _ = m.rnn(torch.stack(seen, 1))
        return torch.einsum("nl,nld->nd", m.score(states).squeeze(-1).softmax(-1), torch.stack(seen, 1))

    return made(
        Net(run, layers=many(2, lambda: lin(3, 3)), rnn=nn.LSTM(3, 2, batch_first=True), score=lin(2, 1)),
        leaf(4, 3),
        EDGES,
    )


@entry
def several_graphs_in_a_batch() -> Made:
    def run(m: Net, x: Tensor, batch: Tensor) -> Tensor:
        count = torch.bincount(batch).float()[:, None]
        mean = summed(x, batch, 2) / count
        off = x - m.alpha * mean[batch]
        std = (summed(off.square(), batch, 2) / count + 1e-5).sqrt()
        return m.out(torch.segment_reduce(m.gamma * off / std[batch], "sum", lengths=torch.tensor([1, 3]), axis=0))

    return made(Net(run, alpha=torch.ones(3), gamma=small(3), out=lin(3, 1)), leaf(4, 3), torch.tensor([0, 1, 1, 1]))


@entry
def node_for_the_whole() -> Made:
    def run(m: Net, x: Tensor, edges: Tensor) -> Tensor:
        whole = m.whole.weight
        for layer in m.layers:
            x = torch.relu(layer(x + summed(x[edges[0]], edges[1]) + whole))
            whole = whole + x.mean(0, keepdim=True)
        return whole

    return made(Net(run, whole=nn.Embedding(1, 3), layers=many(2, lambda: lin(3, 3))), leaf(4, 3), EDGES)


@entry
def sets_deep() -> Made:
    run = lambda m, x: m.rho(m.phi(x).sum(1))  # noqa: E731
    return made(Net(run, phi=mlp(2, 4, 3), rho=mlp(3, 3, 1)), leaf(2, 4, 2))


@entry
def relations_of_pairs() -> Made:
    def run(m: Net, x: Tensor, question: Tensor) -> Tensor:
        pairs = torch.cat([x[:, None].expand(-1, 3, -1), x[None].expand(3, -1, -1), question.expand(3, 3, -1)], -1)
        return m.f(m.g(pairs).sum((0, 1)))

    return made(Net(run, g=mlp(6, 4, 3, act=nn.ReLU), f=mlp(3, 2)), leaf(3, 2), leaf(2))


@entry
def structure_that_is_learned() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = m.w * (1 - torch.eye(3))
        acyclic = torch.trace(torch.matrix_exp(w * w)) - 3
        return 0.5 * (x - x @ w).square().sum() / 4 + acyclic + 0.5 * acyclic**2 + 0.1 * w.abs().sum()

    return made(Net(run, w=small(3, 3)), fixed(4, 3))


@entry
def embedding_in_the_hyperbolic_plane() -> Made:
    def run(u: Tensor, v: Tensor) -> Tensor:
        u, v = (0.9 * torch.tanh(x.norm(dim=-1, keepdim=True)) * F.normalize(x, dim=-1) for x in (u, v))
        gap = (u - v).square().sum(-1) / ((1 - u.square().sum(-1)) * (1 - v.square().sum(-1)))
        return torch.acosh(1 + 2 * gap)

    return made(run, leaf(3, 2), leaf(3, 2))
