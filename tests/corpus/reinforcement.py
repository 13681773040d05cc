"""Losses and heads of reinforcement learning, and of learning from preferences."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from corpus.making import Entries, Made, Net, fixed, into, leaf, lin, made, many, mlp, small
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, Normal, TanhTransform, TransformedDistribution, kl_divergence

ENTRIES: Entries = {}
entry = into(ENTRIES)
ACTIONS, REWARDS, DONE = (
    torch.tensor([0, 2, 1, 2]),
    torch.tensor([1.0, 0.0, -1.0, 0.5]),
    torch.tensor([0.0, 0.0, 1.0, 0.0]),
)


def frozen(*widths: int) -> nn.Module:
    return mlp(*widths).requires_grad_(False)


def taken(values: Tensor, actions: Tensor = ACTIONS) -> Tensor:
    return values.gather(-1, actions[:, None]).squeeze(-1)


def states() -> tuple[Tensor, Tensor]:
    """Before and after."""
    return fixed(4, 3), fixed(4, 3)


@entry
def q_learning() -> Made:
    def run(m: Net, s: Tensor, after: Tensor) -> Tensor:
        with torch.no_grad():
            target = REWARDS + 0.9 * (1 - DONE) * m.old(after).amax(-1)
        return F.smooth_l1_loss(taken(m.q(s)), target)

    return made(Net(run, q=mlp(3, 4, 3, act=nn.ReLU), old=frozen(3, 4, 3)), *states())


@entry
def double_q_learning_with_priorities() -> Made:
    def run(m: Net, s: Tensor, after: Tensor, weights: Tensor) -> Tensor:
        best = m.q(after).argmax(-1)
        target = REWARDS + 0.9 * (1 - DONE) * taken(m.old(after), best)
        return (weights * (taken(m.q(s)) - target.detach()).square()).mean()

    return made(Net(run, q=mlp(3, 4, 3), old=mlp(3, 4, 3)), *states(), torch.rand(4))


@entry
def dueling_heads() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        h = torch.relu(m.body(s))
        a = m.advantage(h)
        return m.value(h) + a - a.mean(-1, keepdim=True)

    return made(Net(run, body=lin(3, 4), advantage=lin(4, 3), value=lin(4, 1)), leaf(4, 3))


@entry
def distribution_over_atoms() -> Made:
    def run(m: Net, s: Tensor, after: Tensor) -> Tensor:
        z = torch.linspace(-1, 1, 3)
        with torch.no_grad():
            p = m.old(after).view(4, 3, 3).softmax(-1)
            best = p[torch.arange(4), (p * z).sum(-1).argmax(-1)]
            b = ((REWARDS[:, None] + 0.9 * (1 - DONE[:, None]) * z).clamp(-1, 1) + 1) / 1.0
            low = b.floor().long().clamp(0, 1)
            target = (
                torch.zeros(4, 3).scatter_add_(1, low, best * (low + 1 - b)).scatter_add_(1, low + 1, best * (b - low))
            )
        log_p = m.q(s).view(4, 3, 3).log_softmax(-1)[torch.arange(4), ACTIONS]
        return -(target * log_p).sum(-1).mean()

    return made(Net(run, q=mlp(3, 9), old=frozen(3, 9)), *states())


@entry
def quantiles_of_returns() -> Made:
    def run(m: Net, s: Tensor, target: Tensor) -> Tensor:
        theta = m.q(s)
        off = target[:, None] - theta[:, :, None]
        tau = (torch.arange(3.0)[:, None] + 0.5) / 3
        huber = F.huber_loss(theta[:, :, None].expand(-1, -1, 2), target[:, None].expand(-1, 3, -1), reduction="none")
        return ((tau - (off.detach() < 0).float()).abs() * huber).sum(1).mean()

    return made(Net(run, q=mlp(3, 3)), fixed(4, 3), fixed(4, 2))


@entry
def noisy_layers_for_exploration() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        f = lambda n: (e := torch.randn(n)).sign() * e.abs().sqrt()  # noqa: E731
        i, o = f(3), f(2)
        return F.linear(s, m.w + m.sw * torch.outer(o, i), m.b + m.sb * o)

    return made(Net(run, w=small(2, 3), sw=small(2, 3), b=small(2), sb=small(2)), leaf(4, 3))


@entry
def reinforce_with_a_baseline() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        returns, total = [], torch.zeros(())
        for r in REWARDS.flip(0):
            total = r + 0.9 * total
            returns.insert(0, total)
        advantage = torch.stack(returns) - m.value(s).squeeze(-1)
        return (
            -(Categorical(logits=m.policy(s)).log_prob(ACTIONS) * advantage.detach()).mean() + advantage.square().mean()
        )

    return made(Net(run, policy=mlp(3, 4, 3), value=mlp(3, 4, 1)), fixed(4, 3))


@entry
def actor_and_critic_with_entropy() -> Made:
    def run(m: Net, s: Tensor) -> dict[str, Tensor]:
        h = m.body(s)
        policy, value = Categorical(logits=m.actor(h)), m.critic(h).squeeze(-1)
        off = REWARDS - value
        actor, critic = -(policy.log_prob(ACTIONS) * off.detach()).mean(), off.square().mean()
        return {"loss": actor + 0.5 * critic - 0.01 * policy.entropy().mean(), "actor": actor, "critic": critic}

    return made(Net(run, body=mlp(3, 4), actor=lin(4, 3), critic=lin(4, 1)), fixed(4, 3))


@entry
def proximal_policy() -> Made:
    def run(m: Net, s: Tensor, old: Tensor, advantage: Tensor) -> Tensor:
        policy = Categorical(logits=m.policy(s))
        ratio = torch.exp(policy.log_prob(ACTIONS) - old)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        clipped = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
        return -clipped.mean() - 0.01 * policy.entropy().mean()

    return made(Net(run, policy=mlp(3, 4, 3)), fixed(4, 3), -torch.ones(4), fixed(4))


@entry
def proximal_policy_of_continuous_actions_with_clipped_values() -> Made:
    def run(m: Net, s: Tensor, a: Tensor, old: Tensor) -> Tensor:
        policy = Independent(Normal(m.mean(s), m.log_std.exp().expand(4, 2)), 1)
        ratio = (policy.log_prob(a) - old).exp()
        v = m.value(s).squeeze(-1)
        clipped = REWARDS + (v - REWARDS).clamp(-0.2, 0.2)
        values = 0.5 * torch.max((v - 1.0).square(), (clipped - 1.0).square()).mean()
        return -torch.minimum(ratio * REWARDS, ratio.clamp(0.8, 1.2) * REWARDS).mean() + values

    return made(
        Net(run, mean=mlp(3, 2), log_std=torch.zeros(2), value=mlp(3, 1)), fixed(4, 3), fixed(4, 2), -2 * torch.ones(4)
    )


@entry
def advantages_of_many_steps() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        v = m.value(s).squeeze(-1)
        advantage, total = [], torch.zeros(())
        for t in range(2, -1, -1):
            total = REWARDS[t] + 0.9 * v[t + 1] * (1 - DONE[t]) - v[t] + 0.81 * (1 - DONE[t]) * total
            advantage.append(total)
        return torch.stack(advantage[::-1]).square().mean()

    return made(Net(run, value=mlp(3, 4, 1)), fixed(4, 3))


@entry
def trust_region_surrogate() -> Made:
    def run(m: Net, s: Tensor, advantage: Tensor) -> Tensor:
        new, old = (Categorical(logits=logits) for logits in (m.policy(s), m.policy(s).detach()))
        ratio = torch.exp(new.log_prob(ACTIONS) - old.log_prob(ACTIONS))
        return -(ratio * advantage).mean() + 2.0 * kl_divergence(old, new).mean()

    return made(Net(run, policy=mlp(3, 4, 3)), fixed(4, 3), fixed(4))


@entry
def product_of_the_fisher_matrix_and_a_vector() -> Made:
    def run(w: Tensor, s: Tensor, v: Tensor) -> Tensor:
        logits = s @ w
        p, fixed_ = logits.log_softmax(-1), logits.detach().softmax(-1)
        kl = (fixed_ * (fixed_.log() - p)).sum(-1).mean()
        (g,) = torch.autograd.grad(kl, w, create_graph=True)
        return torch.autograd.grad((g * v).sum(), w, create_graph=True)[0].square().sum()

    return made(run, leaf(3, 2), fixed(4, 3), fixed(3, 2))


@entry
def traces_that_are_truncated() -> Made:
    def run(m: Net, s: Tensor, behaviour: Tensor) -> Tensor:
        log_p, v = taken(m.policy(s).log_softmax(-1)), m.value(s).squeeze(-1)
        rho = torch.exp(log_p - behaviour).clamp(max=1.0).detach()
        vs, out = v[-1].detach(), []
        for t in (2, 1, 0):
            vs = v[t].detach() + rho[t] * (REWARDS[t] + 0.9 * vs - v[t].detach())
            out.insert(0, vs)
        target = torch.stack(out)
        return 0.5 * (v[:-1] - target).square().mean() - (rho[:-1] * log_p[:-1] * (target - v[:-1].detach())).mean()

    return made(Net(run, policy=mlp(3, 3), value=mlp(3, 1)), fixed(4, 3), -torch.ones(4))


@entry
def soft_actor() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        mean, log_std = m.policy(s).chunk(2, -1)
        base = Normal(mean, log_std.clamp(-5, 2).exp())
        u = base.rsample()
        a = torch.tanh(u)
        log_p = (base.log_prob(u) - torch.log(1 - a.square() + 1e-6)).sum(-1)
        q = torch.min(*(q(torch.cat([s, a], -1)) for q in m.q)).squeeze(-1)
        return (0.2 * log_p - q).mean()

    return made(Net(run, policy=mlp(3, 4, 4), q=many(2, lambda: mlp(5, 4, 1)).requires_grad_(False)), fixed(4, 3))


@entry
def soft_actor_by_a_transformed_distribution() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        mean, std = m.policy(s).chunk(2, -1)
        policy = TransformedDistribution(Normal(mean, F.softplus(std) + 1e-3), [TanhTransform(cache_size=1)])
        a = policy.rsample()
        return (policy.log_prob(a).sum(-1) - m.q(torch.cat([s, a], -1)).squeeze(-1)).mean()

    return made(Net(run, policy=mlp(3, 4), q=mlp(5, 1)), fixed(4, 3))


@entry
def soft_critics() -> Made:
    def run(m: Net, s: Tensor, a: Tensor, target: Tensor) -> Tensor:
        x = torch.cat([s, a], -1)
        return sum(F.mse_loss(q(x).squeeze(-1), target) for q in m.q)

    return made(Net(run, q=many(2, lambda: mlp(5, 4, 1, act=nn.ReLU))), fixed(4, 3), leaf(4, 2), fixed(4))


@entry
def temperature_of_entropy() -> Made:
    run = lambda log_alpha, log_p: -(log_alpha.exp() * (log_p - 2.0).detach()).mean()  # noqa: E731
    return made(run, leaf(1), leaf(4))


@entry
def twin_critics_with_smoothed_targets() -> Made:
    def run(m: Net, s: Tensor, a: Tensor, after: Tensor) -> Tensor:
        with torch.no_grad():
            noise = (torch.randn(4, 2) * 0.2).clamp(-0.5, 0.5)
            x = torch.cat([after, (m.old(after) + noise).clamp(-1, 1)], -1)
            target = REWARDS[:, None] + 0.9 * torch.min(m.t1(x), m.t2(x))
        x = torch.cat([s, a], -1)
        return F.mse_loss(m.q1(x), target) + F.mse_loss(m.q2(x), target)

    net = Net(run, q1=mlp(5, 4, 1), q2=mlp(5, 4, 1), t1=frozen(5, 1), t2=frozen(5, 1), old=frozen(3, 2))
    return made(net, fixed(4, 3), fixed(4, 2), fixed(4, 3))


@entry
def deterministic_policy() -> Made:
    run = lambda m, s: -m.q(torch.cat([s, torch.tanh(m.policy(s))], -1)).mean()  # noqa: E731
    return made(Net(run, policy=mlp(3, 4, 2), q=frozen(5, 4, 1)), fixed(4, 3))


@entry
def conservative_q_learning() -> Made:
    def run(m: Net, s: Tensor, target: Tensor) -> Tensor:
        q = m.q(s)
        return F.mse_loss(taken(q), target) + (torch.logsumexp(q, -1) - taken(q)).mean()

    return made(Net(run, q=mlp(3, 4, 3)), fixed(4, 3), fixed(4))


@entry
def implicit_q_learning() -> Made:
    def run(m: Net, s: Tensor, q: Tensor) -> Tensor:
        off = q - m.v(s).squeeze(-1)
        value = (torch.where(off > 0, 0.7, 0.3) * off.square()).mean()
        weights = torch.exp(3 * off.detach()).clamp(max=100.0)
        return value - (weights * taken(m.policy(s).log_softmax(-1))).mean()

    return made(Net(run, v=mlp(3, 4, 1), policy=mlp(3, 3)), fixed(4, 3), fixed(4))


@entry
def behaviour_cloned() -> Made:
    run = lambda m, s, a: -Normal(m.mean(s), F.softplus(m.std)).log_prob(a).sum(-1).mean()  # noqa: E731
    return made(Net(run, mean=mlp(3, 4, 2), std=small(2)), fixed(4, 3), fixed(4, 2))


@entry
def decisions_of_a_transformer() -> Made:
    def run(m: Net, returns: Tensor, s: Tensor, a: Tensor) -> Tensor:
        x = torch.stack([m.r(returns), m.s(s), m.a(a)], 2).flatten(1, 2)
        mask = torch.full((6, 6), -torch.inf).triu(1)
        return m.out(m.block(x, mask)[:, 1::3])

    block = nn.TransformerEncoderLayer(4, 1, 4, 0.0, batch_first=True)
    return made(
        Net(run, r=lin(1, 4), s=lin(3, 4), a=lin(2, 4), block=block, out=lin(4, 2)),
        fixed(1, 2, 1),
        fixed(1, 2, 3),
        fixed(1, 2, 2),
    )


@entry
def curiosity() -> Made:
    def run(m: Net, s: Tensor, after: Tensor) -> Tensor:
        a, b = m.see(s), m.see(after)
        action = F.one_hot(ACTIONS, 3).float()
        inverse = F.cross_entropy(m.inverse(torch.cat([a, b], -1)), ACTIONS)
        return inverse + 0.5 * F.mse_loss(m.ahead(torch.cat([a, action], -1)), b.detach())

    return made(Net(run, see=mlp(3, 2), inverse=mlp(4, 3), ahead=mlp(5, 2)), *states())


@entry
def random_network_distilled() -> Made:
    run = lambda m, s: (m.student(s) - m.teacher(s)).square().sum(-1).mean()  # noqa: E731
    return made(Net(run, student=mlp(3, 4, 2), teacher=frozen(3, 4, 2)), fixed(4, 3))


@entry
def world_model_with_two_kinds_of_state() -> Made:
    def run(m: Net, seen: Tensor, actions: Tensor) -> Tensor:
        h, z, total = torch.zeros(1, 3), torch.zeros(1, 2), torch.zeros(())
        for o, a in zip(seen, actions, strict=True):
            h = m.cell(torch.cat([z, a], -1), h)
            prior, posterior = (Normal(*self_split(x)) for x in (m.prior(h), m.post(torch.cat([h, o], -1))))
            z = posterior.rsample()
            total = (
                total
                + kl_divergence(posterior, prior).sum().clamp(min=0.1)
                + F.mse_loss(m.dec(torch.cat([h, z], -1)), o)
            )
        return total

    def self_split(x: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = x.chunk(2, -1)
        return mean, F.softplus(std) + 0.1

    net = Net(run, cell=nn.GRUCell(3, 3), prior=lin(3, 4), post=lin(5, 4), dec=lin(5, 2))
    return made(net, fixed(2, 1, 2), fixed(2, 1, 1))


@entry
def imagined_rollout() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        total = torch.zeros(())
        for t in range(3):
            s = s + m.model(torch.cat([s, torch.tanh(m.policy(s))], -1))
            total = total + 0.9**t * m.reward(s).mean()
        return -total

    return made(Net(run, policy=mlp(3, 2), model=frozen(5, 4, 3), reward=frozen(3, 1)), fixed(2, 3))


@entry
def model_unrolled_with_scaled_gradients() -> Made:
    def run(m: Net, s: Tensor) -> Tensor:
        h, total = torch.tanh(m.see(s)), torch.zeros(())
        for a in ACTIONS[:2]:
            h = torch.tanh(m.next(torch.cat([h, F.one_hot(a, 3).float().expand(4, -1)], -1)))
            h = h * 0.5 + h.detach() * 0.5
            total = total + F.mse_loss(m.value(h).squeeze(-1), REWARDS)
        return total

    return made(Net(run, see=lin(3, 4), next=lin(7, 4), value=lin(4, 1)), fixed(4, 3))


@entry
def advantage_of_a_group() -> Made:
    def run(m: Net, tokens: Tensor, rewards: Tensor) -> Tensor:
        new = taken(m.new(tokens).log_softmax(-1), (tokens + 1) % 5)
        with torch.no_grad():
            ref = taken(m.ref(tokens).log_softmax(-1), (tokens + 1) % 5)
        advantage = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        ratio = torch.exp(new - new.detach())
        kl = torch.exp(ref - new) - (ref - new) - 1
        return -(torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage) - 0.04 * kl).mean()

    model = lambda: nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5))  # noqa: E731
    return made(Net(run, new=model(), ref=model().requires_grad_(False)), torch.tensor([0, 1, 3, 4]), fixed(4))


@entry
def preferences_without_a_reward() -> Made:
    def run(m: Net, good: Tensor, bad: Tensor) -> Tensor:
        def log_p(net: Any, t: Tensor) -> Tensor:
            return net(t[:, :-1]).log_softmax(-1).gather(-1, t[:, 1:, None]).sum((1, 2))

        with torch.no_grad():
            ref = log_p(m.ref, good) - log_p(m.ref, bad)
        return -F.logsigmoid(0.1 * (log_p(m.new, good) - log_p(m.new, bad) - ref)).mean()

    model = lambda: nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5))  # noqa: E731
    net = Net(run, new=model(), ref=model().requires_grad_(False))
    return made(net, torch.tensor([[0, 1, 2]]), torch.tensor([[0, 3, 4]]))


@entry
def model_of_rewards() -> Made:
    run = lambda m, a, b: -F.logsigmoid(m.r(m.w(a).mean(1)) - m.r(m.w(b).mean(1))).mean()  # noqa: E731
    return made(Net(run, w=nn.Embedding(5, 3), r=mlp(3, 3, 1)), torch.tensor([[0, 1]]), torch.tensor([[2, 3]]))


@entry
def values_mixed_monotonically() -> Made:
    def run(m: Net, qs: Tensor, s: Tensor) -> Tensor:
        h = F.elu(torch.bmm(qs[:, None], m.w1(s).abs().view(4, 2, 3)) + m.b1(s)[:, None])
        return (torch.bmm(h, m.w2(s).abs()[..., None]) + m.b2(s)[:, None]).squeeze()

    return made(Net(run, w1=lin(3, 6), b1=lin(3, 3), w2=lin(3, 3), b2=lin(3, 1)), leaf(4, 2), fixed(4, 3))


@entry
def options_that_end() -> Made:
    def run(m: Net, s: Tensor, after: Tensor) -> Tensor:
        q, beta = m.q(s), m.end(after).sigmoid()[:, 0]
        advantage = (m.q(after)[:, 0] - m.q(after).amax(-1)).detach() + 0.01
        policy = Categorical(logits=m.inner(s))
        return (beta * advantage).mean() - (policy.log_prob(ACTIONS) * (REWARDS - q[:, 0].detach())).mean()

    return made(Net(run, q=mlp(3, 2), end=lin(3, 2), inner=mlp(3, 3)), *states())


@entry
def inverse_reinforcement_by_a_discriminator() -> Made:
    def run(m: Net, expert: Tensor, own: Tensor) -> Tensor:
        f = lambda s: m.g(s) + 0.9 * m.h(s + 1) - m.h(s)  # noqa: E731
        return F.softplus(-f(expert)).mean() + F.softplus(f(own)).mean()

    return made(Net(run, g=mlp(3, 3, 1), h=mlp(3, 3, 1)), *states())
