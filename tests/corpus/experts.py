"""Mixtures of experts, and other ways in which what is computed depends on the input."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn

ENTRIES: Entries = {}
entry = into(ENTRIES)


def experts(run: Any, count: int = 3, **more: Any) -> Net:
    """A router and these many small networks."""
    return Net(run, router=lin(4, count, False), experts=many(count, lambda: mlp(4, 5, 4, act=nn.GELU)), **more)


@entry
def switch_with_a_balancing_loss() -> Made:
    def run(m: Net, x: Tensor) -> tuple[Tensor, Tensor]:
        p = m.router(x).softmax(-1)
        gate, chosen = p.max(-1)
        out = torch.zeros_like(x)
        for i, expert in enumerate(m.experts):
            at = (chosen == i).nonzero().squeeze(-1)
            if at.numel():
                out[at] = gate[at, None] * expert(x[at])
        return out, 0.01 * 3 * (p.mean(0) * F.one_hot(chosen, 3).float().mean(0)).sum()

    return made(experts(run), leaf(5, 4))


@entry
def two_experts_normalized() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        weights, chosen = torch.topk(m.router(x).softmax(-1), 2)
        weights = weights / weights.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        mask = F.one_hot(chosen, 3).permute(2, 1, 0)
        for i, expert in enumerate(m.experts):
            place, token = torch.where(mask[i])
            out.index_add_(0, token, expert(x[token]) * weights[token, place, None])
        return out

    return made(experts(run), leaf(4, 4))


@entry
def noisy_gates() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        logits = m.router(x) + torch.randn(4, 3) * F.softplus(m.noise(x))
        top, at = logits.topk(2, -1)
        gates = torch.full_like(logits, -torch.inf).scatter(-1, at, top).softmax(-1)
        load = gates.sum(0)
        return torch.einsum("te,etd->td", gates, torch.stack([e(x) for e in m.experts])) + load.var() / load.mean() ** 2

    return made(experts(run, noise=lin(4, 3)), leaf(4, 4))


@entry
def soft_mixture() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        logits = x @ m.slots
        slots = logits.softmax(0).T @ x
        outs = torch.cat([e(s) for e, s in zip(m.experts, slots.split(1), strict=True)])
        return logits.softmax(1) @ outs

    return made(experts(run, slots=small(4, 3)), leaf(5, 4))


@entry
def experts_that_choose_tokens() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        gates, tokens = m.router(x).softmax(-1).T.topk(2, -1)
        outs = torch.stack([e(x[t]) for e, t in zip(m.experts, tokens, strict=True)])
        return x.new_zeros(5, 4).index_add(0, tokens.flatten(), (gates[..., None] * outs).flatten(0, 1))

    return made(experts(run), leaf(5, 4))


@entry
def experts_in_one_tensor() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        gates = m.router(x).softmax(-1)
        h = F.silu(torch.einsum("td,edh->eth", x, m.up)) * torch.einsum("td,edh->eth", x, m.gate)
        return torch.einsum("eth,ehd,te->td", h, m.down, gates)

    return made(Net(run, router=lin(4, 3), up=small(3, 4, 5), gate=small(3, 4, 5), down=small(3, 5, 4)), leaf(3, 4))


@entry
def tokens_sorted_by_expert() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        gate, chosen = m.router(x).softmax(-1).max(-1)
        order = chosen.argsort(stable=True)
        parts = x[order].split(torch.bincount(chosen, minlength=3).tolist())
        outs = torch.cat([e(part) for e, part in zip(m.experts, parts, strict=True)])
        return torch.empty_like(outs).index_copy(0, order, outs) * gate[:, None]

    return made(experts(run), leaf(5, 4))


@entry
def shared_and_routed_experts() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        scores = m.router(x).sigmoid()
        _, at = (scores + m.bias).topk(1, -1)
        w = scores.gather(-1, at) * 2.5
        picked = torch.stack([e(x) for e in m.experts], 1).gather(1, at[..., None].expand(-1, -1, 4)).squeeze(1)
        return m.shared(x) + w * picked

    net = experts(run, shared=mlp(4, 5, 4, act=nn.SiLU))
    net.register_buffer("bias", torch.zeros(3))
    return made(net, leaf(3, 4))


@entry
def routed_by_hash() -> Made:
    def run(m: Net, tokens: Tensor) -> Tensor:
        x = m.words(tokens)
        return torch.stack([m.experts[int(t) * 7 % 3](v) for t, v in zip(tokens, x, strict=True)])

    return made(experts(run, words=nn.Embedding(6, 4)), torch.tensor([1, 5, 2]))


@entry
def experts_in_a_hierarchy() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        outer = m.outer(x).softmax(-1)
        inner = m.router(x).view(-1, 2, 2).softmax(-1)
        outs = torch.stack([e(x) for e in m.experts], 1).view(-1, 2, 2, 4)
        return torch.einsum("tg,tge,tged->td", outer, inner, outs)

    return made(experts(run, 4, outer=lin(4, 2)), leaf(3, 4))


@entry
def mixture_of_depths() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        weights, at = m.router(x).squeeze(-1).topk(2)
        at, order = at.sort()
        return x.index_add(0, at, m.block(x[at]) * weights[order].sigmoid()[:, None])

    return made(Net(run, router=lin(4, 1), block=mlp(4, 6, 4)), leaf(4, 4))


@entry
def memory_of_product_keys() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        q1, q2 = m.query(x).chunk(2, -1)
        s1, i1 = (q1 @ m.k1.T).topk(2, -1)
        s2, i2 = (q2 @ m.k2.T).topk(2, -1)
        s, best = (s1[:, :, None] + s2[:, None]).flatten(1).topk(2, -1)
        at = (i1[:, :, None] * 3 + i2[:, None]).flatten(1).gather(1, best)
        return F.embedding_bag(at, m.values, per_sample_weights=s.softmax(-1), mode="sum")

    return made(Net(run, query=lin(), k1=small(3, 2), k2=small(3, 2), values=small(9, 4)), leaf(2, 4))


@entry
def capacity_with_dropped_tokens() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        gate, chosen = m.router(x).softmax(-1).max(-1)
        place = F.one_hot(chosen, 3).cumsum(0).gather(1, chosen[:, None]).squeeze(1) - 1
        kept = place < 2
        dispatch = F.one_hot(chosen, 3)[..., None] * F.one_hot(place.clamp(max=1), 2)[:, None] * kept[:, None, None]
        inner = torch.einsum("tec,td->ecd", dispatch.float(), x)
        outs = torch.stack([e(i) for e, i in zip(m.experts, inner, strict=True)])
        return torch.einsum("tec,ecd->td", dispatch * gate[:, None, None], outs)

    return made(experts(run), leaf(5, 4))


@entry
def several_tasks_with_several_gates() -> Made:
    def run(m: Net, x: Tensor) -> dict[str, Tensor]:
        outs = torch.stack([e(x) for e in m.experts], 1)
        return {n: m.heads[n]((g(x).softmax(-1)[..., None] * outs).sum(1)) for n, g in m.gates.items()}

    gates = nn.ModuleDict({"click": lin(4, 3), "buy": lin(4, 3)})
    return made(experts(run, gates=gates, heads=nn.ModuleDict({n: lin(4, 1) for n in gates})), leaf(2, 4))


@entry
def early_exit() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        for layer, head in zip(m.layers, m.heads, strict=True):
            x = torch.relu(layer(x))
            p = head(x).softmax(-1)
            if p.max() > 0.6:
                break
        return p

    return made(Net(run, layers=many(3, lin), heads=many(3, lambda: lin(4, 3))), leaf(1, 4))


@entry
def tree_of_soft_decisions() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        p = m.split(x).sigmoid()
        ways = torch.ones(3, 1)
        for level in range(2):
            here = p[:, 2**level - 1 : 2 ** (level + 1) - 1]
            ways = torch.stack([ways * here, ways * (1 - here)], -1).flatten(1)
        return ways @ m.leaves.softmax(-1)

    return made(Net(run, split=lin(4, 3), leaves=small(4, 2)), leaf(3, 4))


@entry
def choice_by_gumbel() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        hard = F.gumbel_softmax(m.router(x), tau=0.7, hard=True)
        return torch.einsum("te,etd->td", hard, torch.stack([e(x) for e in m.experts]))

    return made(experts(run), leaf(3, 4))


@entry
def low_rank_experts_upon_a_frozen_layer() -> Made:
    def run(m: Net, x: Tensor) -> Tensor:
        w = m.router(x).softmax(-1)
        return m.base(x) + torch.einsum("td,edr,ero,te->to", x, m.a, m.b, w)

    return made(
        Net(run, base=lin().requires_grad_(False), router=lin(4, 2), a=small(2, 4, 1), b=small(2, 1, 4)), leaf(2, 4)
    )


@entry
def experts_asked_by_key() -> Made:
    def run(m: Net, x: Tensor, task: str) -> Tensor:
        return m.adapters[task](torch.tanh(m.body(x)))

    adapters = nn.ModuleDict({"a": lin(4, 2), "b": lin(4, 3)})
    return made(Net(run, body=lin(), adapters=adapters), fixed(2, 4), "b")
